"""Eight processes on one file: everything is done, once, by one worker at a time, without an error."""

import fcntl
import os
import random
import sqlite3
import time

import pytest

from crash.invariants import violations
from pool import Process, errors, name_of, prepare, read, run, warm_up
from support import open_database

STEPS = ("one", "two", "three")


class Exclusion:
    """A lock per workflow outside the database, held while a worker works on it; gone with its process.

    It carries until when the holder may believe in its lease.
    """

    def __init__(self, folder):
        self.folder = folder
        self.fd = None

    def enter(self, wid, until):
        """None, or how much of the lease of another worker that is at it was left."""
        self.fd = os.open(f"{self.folder}/{wid}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return float(os.pread(self.fd, 64, 0) or 0) - time.time()
        os.pwrite(self.fd, f"{until:020.6f}".encode(), 0)
        return None

    def leave(self):
        os.close(self.fd)


def work(path, name, folder, lease, transactional):
    """A worker's loop. Reports what it did, how often it lost a lease, and every error."""

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = normal")
        exclusion = Exclusion(folder)
        done = lost = 0
        while True:
            claimed_at = time.time()
            claim = db.claim(None, name, lease=lease)
            if claim is None:
                if db.wf_pending() == 0:
                    break
                time.sleep(0.01)
                continue
            left = exclusion.enter(claim["id"], claimed_at + lease - 0.001)  # (leases end at whole milliseconds)
            if left is not None and left > 0:
                report(error=f"twice at once: {claim['id']} with {left:.3f} s of the other lease left")
            try:
                for step in STEPS:
                    do(db, claim, step, name, transactional)
                if db.wf_complete(claim["token"], f'"{name}"') != "completed":
                    report(error="not completed")
                done += 1
            except sqlite3.Error as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                # Whoever has taken over may have completed it since: its state is told first.
                over = str(error).startswith("WF_STATE") and str(error).endswith("is completed")
                if not over and not str(error).startswith("WF_LEASE_LOST"):
                    report(error=name_of(error))
                lost += 1
            exclusion.leave()
        report(worker=name, done=done, lost=lost)
        db.close()

    return body


def do(db, claim, step, name, transactional):
    if not transactional:
        if db.wf_step(claim["token"], step) is None:
            db.wf_step(claim["token"], step, f'"{step}"')
        return
    db.execute("BEGIN IMMEDIATE")
    if db.wf_step(claim["token"], step) is None:
        db.execute("INSERT INTO effect VALUES (?, ?, ?)", (claim["id"], step, name))
        db.wf_step(claim["token"], step, f'"{step}"', once=True)
    db.execute("COMMIT")


def check(path, workflows, transactional):
    db = open_database(path)
    assert violations(db) == {}
    assert db.rows("SELECT status, count(*) FROM wf_workflows GROUP BY status") == [("completed", workflows)]
    assert db.value("SELECT count(*) FROM wf_steps") == workflows * len(STEPS)
    if transactional:
        assert db.value("SELECT count(*) FROM effect") == workflows * len(STEPS)
        assert db.value("SELECT count(*) FROM (SELECT DISTINCT wf, step FROM effect)") == workflows * len(STEPS)
    attempts = db.rows("SELECT max(attempt), sum(attempt) FROM wf_workflows")[0]
    db.close()
    return attempts


@pytest.mark.parametrize("transactional", [False, True], ids=["autocommit", "transactions"])
def test_eight_workers_two_thousand_workflows(tmp_path, transactional):
    count = 2000 if not transactional else 800
    path = tmp_path / "pool.db"
    prepare(path, workflows=count)
    reports = run([work(path, f"worker-{i}", tmp_path, 30, transactional) for i in range(8)], tmp_path)
    assert errors(reports) == []
    assert sum(r["done"] for r in reports) == count
    assert sum(r["lost"] for r in reports) == 0
    assert sum(r["done"] > 0 for r in reports) >= 4, "hardly any two workers worked at the same time"
    assert check(path, count, transactional) == (1, count), "a workflow was claimed more than once"


def test_workers_killed_in_the_middle_with_leases_of_a_second(tmp_path):
    count = 2000
    path = tmp_path / "pool.db"
    prepare(path, workflows=count)
    warm_up()
    reports = str(tmp_path / "reports")
    names = (f"worker-{n}" for n in range(10_000))
    rng = random.Random(17)

    def another():
        return Process(work(path, next(names), tmp_path, 1, True), reports)

    processes = [another() for _ in range(8)]
    begun, kills = time.monotonic(), 0
    try:
        while not all(p.finished() for p in processes):
            assert time.monotonic() - begun < 3600  # they hang
            time.sleep(rng.uniform(0.02, 0.12))
            victim = rng.randrange(8)
            if kills < 100 and not processes[victim].finished():
                processes[victim].kill()
                processes[victim] = another()
                kills += 1
    finally:
        for process in processes:
            if not process.finished():
                process.kill()
    assert [p.status for p in processes] == [0] * 8
    assert kills >= 8, "the work was done before the killing began"
    assert errors(read(reports)) == []
    most, total = check(path, count, True)
    assert total > count, "no workflow lost its worker: nothing was tested"
    assert most < 20


def test_claims_of_batches_do_not_overlap(tmp_path):
    """`limit` claims of eight processes at once: each workflow in exactly one batch."""
    path = tmp_path / "pool.db"
    prepare(path, workflows=1200)

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = normal")
        while (batch := db.claim(None, "w", limit=7)) is not None:
            report(ids=[claim["id"] for claim in batch])
            for claim in batch:
                db.wf_complete(claim["token"])

    reports = run([body] * 8, tmp_path)
    ids = [wid for r in reports for wid in r["ids"]]
    assert len(ids) == len(set(ids)) == 1200
    check_completed(path, 1200)


def check_completed(path, count):
    db = open_database(path)
    assert violations(db) == {}
    assert db.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == count
    db.close()


def test_starts_of_the_same_ids_from_everywhere(tmp_path):
    """Eight processes start the same 100 ids: each exists once, nobody sees an error."""
    path = tmp_path / "pool.db"
    prepare(path)

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = normal")
        order = list(range(100))
        random.Random(os.getpid()).shuffle(order)
        try:
            for n in order:
                if db.wf_start("job", {"n": n}, id=f"w{n}") != f"w{n}":
                    report(error="another id")
        except sqlite3.Error as error:
            report(error=name_of(error))

    assert errors(run([body] * 8, tmp_path)) == []
    db = open_database(path)
    assert db.value("SELECT count(*) FROM wf_workflows") == 100
    db.close()


def test_the_schema_is_made_once_by_whoever_comes_first(tmp_path):
    """Eight processes meet an empty file."""
    for n in range(5):
        path = tmp_path / f"new{n}.db"

        def body(report, path=path):
            try:
                db = open_database(path, timeout=300)
                db.wf_start("job")
                db.wf_complete(db.claim()["token"])
            except (sqlite3.Error, TypeError) as error:
                report(error=repr(error))

        assert errors(run([body] * 8, tmp_path)) == []
        check_completed(path, 8)


def test_one_workflow_recorded_by_eight_processes(tmp_path):
    """Everybody records the same steps by the same bare id: the first output stands and everybody gets it."""
    path = tmp_path / "pool.db"
    prepare(path, workflows=1)

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = normal")
        report(got=[db.wf_step("w0", f"s{n}", f'"{os.getpid()}"') for n in range(50)])

    reports = run([body] * 8, tmp_path)
    assert len(reports) == 8
    assert all(r["got"] == reports[0]["got"] for r in reports)
    check_db = open_database(path)
    assert check_db.column("SELECT output FROM wf_steps ORDER BY seq") != []
    assert check_db.value("SELECT count(*) FROM wf_steps") == 50
    check_db.close()
