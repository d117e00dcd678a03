"""A worker killed with SIGKILL at random moments, hundreds of times: what was acknowledged is there, nothing is there twice."""

import random

import pytest

from crashing import Journal, moment, raw, read_journal, run_and_kill, warm_up
from invariants import violations
from support import open_database

STEPS = ("load", "check", "charge", "send")


def output(wid, step):
    """What a step records: small, or large enough to leave the workflow's row; always the same for one step."""
    return '{"of":"%s/%s","fill":"%s"}' % (wid, step, "x" * (3000 if step == "send" else 10))


class Worker:
    """One life of the worker: claims what is there or starts something, works, completes; notes every acknowledgement."""

    def __init__(self, path, synchronous, seed):
        self.rng = random.Random(seed)
        self.db = open_database(path, timeout=300)
        self.db.execute(f"PRAGMA synchronous = {synchronous}")
        self.told = Journal(str(path) + ".told")
        self.started = self.db.value("SELECT count(*) FROM _wf_workflow")

    def run(self):
        """Never ends by itself. Every way back after a crash is tried: the claim's key, wf_recover, expired leases."""
        way = self.rng.choice(["key", "recover", "recover worker", "lease"])
        options = {"key": {"key": "the worker"}, "lease": {"lease": 0.02}}.get(way, {})
        if way == "recover":
            self.db.wf_recover()
        elif way == "recover worker":
            self.db.wf_recover(worker="worker")
        while True:
            claim = self.db.claim(None, "worker", **options)
            if claim is None or self.rng.random() < 0.1:
                self.start()
            if claim is not None:
                self.work(claim)

    def start(self):
        wid = f"w{self.started}"
        self.started += 1
        assert self.db.wf_start("job", '{"n":1}', id=wid, max_attempts=1000000, backoff={"initial": 0.001, "max": 0.002}) == wid
        self.told.note("start", wid)

    def work(self, claim):
        token, wid = claim["token"], claim["id"]
        for step in STEPS:
            value = output(wid, step)
            got = self.db.wf_step(token, step)
            if got is None:
                got = self.in_one_transaction(token, wid, step, value) if step == "charge" else self.db.wf_step(token, step, value)
            assert got == value, (wid, step, got)
            self.told.note("step", wid, step)
            if self.rng.random() < 0.05:
                assert self.db.wf_fail(token, "by chance") == "pending"
                self.told.note("fail", wid)
                return
            if self.rng.random() < 0.05:
                assert self.db.wf_release(token) == 1
                return
            if self.rng.random() < 0.1:
                assert self.db.wf_heartbeat(token, 30) is not None
        assert self.db.wf_complete(token, output(wid, "end")) == "completed"
        self.told.note("complete", wid)

    def in_one_transaction(self, token, wid, step, value):
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("INSERT INTO effect VALUES (?, ?)", (wid, step))
        got = self.db.wf_step(token, step, value, once=True)
        self.db.execute("COMMIT")
        return got


def check(path, told):
    """After a kill: everything acknowledged is there, with the value that was acknowledged; our rules and SQLite's hold."""
    conn = raw(path)
    assert violations(conn) == {}
    status = dict(conn.execute("SELECT id, status FROM _wf_workflow"))
    steps = {
        (wid, name): value
        for wid, name, value in conn.execute(
            "SELECT w.id, s.name, s.output FROM _wf_step AS s JOIN _wf_workflow AS w ON w.seq = s.wf WHERE s.status = 'done'"
        )
    }
    for what, wid, *rest in told:
        assert wid in status, ("lost", what, wid)
        if what == "step":
            assert steps[wid, rest[0]] == output(wid, rest[0]), ("lost or changed", wid, rest)
        if what == "complete":
            assert status[wid] == "completed", ("lost", what, wid)
    effects = conn.execute("SELECT wf, step FROM effect").fetchall()
    assert len(effects) == len(set(effects)), "an application row is there twice"
    assert set(effects) == {key for key in steps if key[1] == "charge"}, "application row and step have parted"
    conn.close()
    return sum(s == "running" for s in status.values())


def finish(path):
    """The last life is not disturbed: everything completes."""
    db = open_database(path, timeout=300)
    db.execute("PRAGMA synchronous = off")
    db.wf_recover()
    worker = Worker(path, "off", 0)
    while db.wf_pending() > 0:
        claim = db.claim(None, "worker", now=4102444800)  # no backoff lasts that long
        assert claim is not None, db.rows("SELECT id, status, due_at, reason FROM wf_pending LIMIT 5")
        worker.work(claim)
    assert db.column("SELECT DISTINCT status FROM wf_workflows") == ["completed"]
    assert db.value("SELECT count(*) FROM wf_steps") == len(STEPS) * db.value("SELECT count(*) FROM wf_workflows")
    worker.db.close()
    db.close()


@pytest.mark.parametrize(
    "journal, synchronous, kills",
    [("wal", "full", 120), ("wal", "normal", 120), ("delete", "full", 80), ("truncate", "off", 20)],
)
def test_worker_killed(tmp_path, journal, synchronous, kills):
    path = tmp_path / "crash.db"
    told = str(path) + ".told"
    setup = open_database(path)
    setup.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    setup.execute("CREATE TABLE effect(wf, step)")
    setup.wf_init()
    setup.close()
    warm_up()
    rng = random.Random(f"{journal} {synchronous}")
    in_the_middle = seen = lives = 0
    longest = 0.06  # seconds; follows the machine, so that about half of the lives come to something
    while lives < kills or seen <= kills or in_the_middle <= kills / 10:
        lives += 1
        assert lives < 10 * kills, "the workers hardly lived, or none was killed in the middle of a workflow: nothing was tested"
        seed = rng.random()
        assert run_and_kill(lambda: Worker(path, synchronous, seed).run(), moment(rng, longest))
        acknowledged = read_journal(told)
        in_the_middle += check(path, acknowledged[seen:]) > 0
        longest = longest * 1.1 if len(acknowledged) == seen else max(0.06, longest / 1.1)
        seen = len(acknowledged)
    finish(path)
    check(path, read_journal(told))
