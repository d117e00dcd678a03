"""Ways to run cases to their end: step by step, in transactions, killed again and again, by several processes at once."""

import os
import random
import sqlite3
import time
import traceback

from script_cases import SCHEMA, TABLES
from script_reference import Reference, check, text
from script_world import Outside, World, compare_tables, follow, twin_database
from support import open_database
from support.processes import forked

STYLES = ("all", "one by one", "few", "by id", "budget", "transaction", "rolled back", "table gone", "paused", "redefined")


def prepare(path=":memory:"):
    db = open_database(path, timeout=20)
    if path != ":memory:":
        db.execute("PRAGMA journal_mode = wal").fetchall()
        db.execute("PRAGMA synchronous = off")
    db.execute("PRAGMA foreign_keys = on")
    db.executescript(SCHEMA)
    db.wf_init()
    return db


def terminal(db, case):
    return db.wf_status(case.id) in ("completed", "failed", "cancelled")


class Run:
    """One case alone, on a stopped clock that jumps to the next due time when nothing else can be done."""

    def __init__(self, db, case, style, rng):
        self.db, self.case, self.style, self.rng = db, case, style, rng
        self.now = 0
        self.steps = 0
        self.outside = Outside(db, [case])

    def advance(self):
        """One wf_run in the run's style; the number of steps."""
        style = self.style
        if style == "table gone" and self.rng.random() < 0.3:
            self.without_a_table()
        if style == "paused" and self.rng.random() < 0.3:
            self.while_paused()
        if style == "redefined" and self.rng.random() < 0.3:
            self.db.wf_define(self.case.name, text({"steps": [{"name": "other%d" % self.rng.randrange(9), "sql": "SELECT 1"}]}))
        if style in ("all", "table gone", "paused", "redefined"):
            return self.db.wf_run(**self.rng.choice([{}, {"limit": 3}]))
        if style in ("one by one", "few", "by id"):
            limit = 1 if style == "one by one" else self.rng.randrange(1, 6)
            options = {"limit": limit, "id": self.case.id} if style == "by id" else {"limit": limit}
            count = self.db.wf_run(**options)
            check(count <= limit, "wf_run executed", count, "steps with limit", limit)
            return count or (self.db.wf_run() if style == "by id" else 0)  # its scripted children are others
        if style == "budget":
            return self.db.wf_run(budget="%dms" % self.rng.randrange(1, 5))
        self.db.execute("BEGIN IMMEDIATE" if self.rng.random() < 0.5 else "BEGIN")
        if style == "rolled back" and self.rng.random() < 0.4:
            self.db.wf_run(limit=self.rng.randrange(1, 5))
            self.db.execute("ROLLBACK")
            self.db.execute("BEGIN")
        count = self.db.wf_run(limit=self.rng.randrange(1, 9))
        self.db.execute("COMMIT")
        return count

    def without_a_table(self):
        """What does not compile consumes no attempt, and goes on when the table is back."""
        table = self.rng.choice(TABLES[:3])
        failures = self.db.value("SELECT count(*) FROM wf_failures WHERE error LIKE '%no such table%'")
        self.db.execute("ALTER TABLE %s RENAME TO gone" % table)
        self.db.wf_run()
        self.db.execute("ALTER TABLE gone RENAME TO %s" % table)
        check(
            failures == self.db.value("SELECT count(*) FROM wf_failures WHERE error LIKE '%no such table%'"),
            "a missing table counted as a failure",
        )

    def while_paused(self):
        if terminal(self.db, self.case):
            return
        self.db.wf_pause(self.case.id)
        record = "SELECT * FROM wf_steps WHERE workflow_id = ? AND status IN ('done', 'failed', 'error', 'skipped')"
        before = self.db.rows(record, self.case.id)
        self.db.wf_run()
        check(self.db.rows(record, self.case.id) == before, "a paused workflow went on")
        self.db.wf_resume(self.case.id)

    def begin(self):
        self.db.at(0)
        self.outside.begin()

    def to_the_end(self):
        for _ in range(3000):
            count = self.advance()
            self.steps += count
            if self.rng.random() < 0.2:
                self.verify()
            if self.case.ending in ("cancel", "force") and self.steps >= self.case.cancel_after and not terminal(self.db, self.case):
                self.db.wf_cancel(self.case.id, self.case.reason, **{"force": True} if self.case.ending == "force" else {})
                self.case.cancel_after = 10**9
            if terminal(self.db, self.case):
                return
            if not count and not self.outside.serve():
                self.wait()
        check(False, "no end:", self.db.records("SELECT * FROM wf_pending"))

    def explain(self):
        """The plan names every step, and the state of each."""
        for what in (self.case.name, self.case.id):
            for options in ({}, {"format": "mermaid"}):
                plan = self.db.wf_explain(what, **options)
                missing = [step["name"] for step in self.case.definition["steps"] if step["name"] not in plan]
                check(self.style == "redefined" or not missing, "wf_explain leaves out", missing, plan)

    def verify(self):
        problems = self.db.value("SELECT wf_check()")
        check(problems is None, "wf_check on the way:", problems)

    def wait(self):
        if self.rng.random() < 0.2:
            self.explain()
        time = self.db.value(
            "SELECT min(t) FROM (SELECT due_at AS t FROM wf_pending UNION ALL SELECT deadline_at FROM wf_workflows WHERE status NOT IN"
            " ('completed', 'failed', 'cancelled')) WHERE t > ?",
            self.db.wf_clock(),
        )
        check(time is not None, "it is stuck:", self.db.records("SELECT * FROM wf_pending"))
        self.db.wf_clock(time)


class Judge:
    """The reference beside one case."""

    def __init__(self, db, case):
        self.db, self.case = db, case
        self.twin = twin_database(SCHEMA)
        self.world = World(db, case)
        self.reference = Reference(self.twin, case.id, case.definition, case.input, self.world)

    def compare(self):
        workflow = self.db.record("SELECT * FROM wf_workflows WHERE id = ?", self.case.id)
        follow(self.reference, self.world, workflow, self.case.ending)
        ids = {self.case.id, *self.world.children}
        compare_tables(self.db, self.twin, TABLES, ids, self.case.loops - set(self.reference.rows))
        return self.reference

    def close(self):
        self.twin.close()


def judge(db, case):
    """Compares a finished case with the reference."""
    judge_ = Judge(db, case)
    try:
        return judge_.compare()
    finally:
        judge_.close()


def run_alone(case, style, rng):
    db = prepare()
    judge_ = Judge(db, case)
    try:
        run = Run(db, case, style, rng)
        run.begin()
        run.to_the_end()
        reference = judge_.compare()
        if case.ending == "mended" and reference.status == "failed":
            for connection in (db, judge_.twin):
                connection.execute("UPDATE hinge SET oiled = 1")
            check(db.wf_retry(case.id) == 1, "wf_retry did nothing")
            reference.retry()
            run.to_the_end()
            reference = judge_.compare()
            check(reference.status == "completed", "the retry ended as", reference.status)
        run.verify()
        return reference
    except sqlite3.Error as error:
        raise AssertionError("%s\n%s" % (error, traceback.format_exc(limit=4))) from None
    finally:
        judge_.close()
        db.close()


# Many cases in one file, by processes that share a clock that runs fast.

SPEED = 100_000


class Crew:
    """Loops of wf_run and of outside work over one file, until all cases are over. Runs in forked children."""

    def __init__(self, path, cases):
        self.path, self.cases = path, cases
        self.start = time.monotonic()

    def now(self):
        return (time.monotonic() - self.start) * SPEED

    def begin(self):
        db = prepare(self.path)
        db.at(0)
        Outside(db, self.cases).begin()
        db.close()

    def life(self, seed, recover, opened=lambda db: None):
        rng = random.Random(seed)
        db = open_database(self.path, timeout=20)
        opened(db)
        db.execute("PRAGMA synchronous = off")
        db.execute("PRAGMA foreign_keys = on")
        db.at(self.now())
        if recover:
            db.wf_recover()
        outside = Outside(db, self.cases)
        while True:
            db.at(self.now())
            count = db.wf_run(**rng.choice([{}, {"limit": rng.randrange(1, 20)}, {"budget": 0.005}]))
            if rng.random() < 0.5 or not count:
                worked = outside.serve()
                self.cancel(db, rng)
                if not count and not worked:
                    if all(terminal(db, case) for case in self.cases):
                        break
                    time.sleep(0.001)
        db.close()

    def cancel(self, db, rng):
        for case in self.cases:
            if (
                case.ending in ("cancel", "force")
                and rng.random() < 0.2
                and db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = ? AND status = 'done'", case.id) * 2
                >= case.cancel_after % 7
            ):
                db.wf_cancel(case.id, case.reason, **{"force": True} if case.ending == "force" else {})

    def judge_all(self):
        db = open_database(self.path, timeout=20)
        try:
            check(db.value("SELECT wf_check()") is None, "wf_check:", db.value("SELECT wf_check()"))
            for case in self.cases:
                try:
                    check(terminal(db, case), "not at its end:", db.records("SELECT * FROM wf_pending WHERE id = ?", case.id))
                    judge(db, case)
                except Exception as error:
                    raise AssertionError("%s\n%s" % (error, case.show())) from error
        finally:
            db.close()


def in_processes(bodies, seconds):
    """Forks one child for each body and waits for all; the exit codes."""
    children = [forked(body) for body in bodies]
    codes, end = [], time.monotonic() + seconds
    for pid in children:
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes.append(os.waitstatus_to_exitcode(status))
                break
            if time.monotonic() > end:
                os.kill(pid, 9)
            time.sleep(0.002)
    return codes
