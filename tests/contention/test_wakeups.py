"""A wake-up is never lost when it races with the suspension: one process waits, another one sends at that moment."""

import json
import mmap
import os
import random
import sqlite3
import time

import pytest

from pool import errors, name_of, prepare, run
from support import open_database

DEEP = bool(os.environ.get("WFEXT_DEEP"))
PATIENCE = 300  # seconds until a wake-up counts as lost


class Baton:
    """What two processes share: the round the waiter has come to, and the round the sender has done."""

    def __init__(self):
        self.cells = memoryview(mmap.mmap(-1, 64)).cast("q")

    def arrive(self, at, number):
        self.cells[at] = number

    def until(self, at, number, patience):
        deadline = time.monotonic() + patience
        spins = 0
        while self.cells[at] < number:
            spins += 1
            if spins > 200:
                time.sleep(0.0002)
                if time.monotonic() > deadline:
                    return False
        return True


WAITER, SENDER = 0, 1


def signal_wait(db, handle, n):
    return db.wf_await(handle, "wait %d" % n, "go")


def signal_send(db, n):
    db.wf_signal("w", "go", n)


def event_wait(db, handle, n):
    return db.wf_await_event(handle, "wait %d" % n, "event %d" % n)


def event_send(db, n):
    db.wf_emit("event %d" % n, n)


def join_wait(db, handle, n):
    return db.wf_join(handle, "wait %d" % n, ["child %d" % n])


def join_send(db, n):
    db.wf_complete("child %d" % n, n)


KINDS = {"signal": (signal_wait, signal_send), "event": (event_wait, event_send), "join": (join_wait, join_send)}


def payload_of(kind, text):
    result = json.loads(text)
    return result[0]["output"] if kind == "join" else result["payload"]


def pause(rng, most):
    """Busy, because a sleep is too coarse to meet the other one."""
    until = time.perf_counter() + rng.uniform(0, most)
    while time.perf_counter() < until:
        pass


def wait_for_ever(path, kind, rounds, seconds, baton, blocking):
    """Opens one wait after another; each one that suspends must be woken."""

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = off")
        wait = KINDS[kind][0]
        suspended = n = 0
        claim = text = None
        rng = random.Random(5)
        stop = time.monotonic() + seconds
        while n < rounds and time.monotonic() < stop:
            n += 1
            if kind == "join":
                db.wf_start("child", id="child %d" % n, queue="children")
            if claim is None:
                claim = db.claim(None, "waiter", id="w", lease=3600)
            baton.arrive(WAITER, n)
            pause(rng, 0.0006 * (n % 2))
            text = wait(db, claim["token"], n)
            if text is None:
                suspended += 1
                deadline = time.monotonic() + PATIENCE
                claim = None
                while claim is None and time.monotonic() < deadline:
                    if blocking and db.wf_wait(PATIENCE) == 0:
                        break
                    claim = db.claim(None, "waiter", lease=3600)
                    if claim is None:
                        time.sleep(0.0002)
                if claim is None:
                    report(error="round %d: the wake-up was lost: %s" % (n, db.rows("SELECT status, due_at, ready, reason FROM wf_pending WHERE id = 'w'")))
                    break
                text = wait(db, claim["token"], n)
            if text is None or payload_of(kind, text) != n:
                report(error="round %d: got %s" % (n, text))
                break
            if not baton.until(SENDER, n, PATIENCE):
                report(error="round %d: the sender is gone" % n)
                break
        baton.arrive(WAITER, 1 << 60)
        report(rounds=n, suspended=suspended)

    return body


def send_for_ever(path, kind, baton):
    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = off")
        send = KINDS[kind][1]
        rng = random.Random(7)
        n = 0
        while True:
            n += 1
            if not baton.until(WAITER, n, PATIENCE) or baton.cells[WAITER] >= 1 << 60:
                break
            pause(rng, 0.0003)
            try:
                send(db, n)
            except sqlite3.Error as error:
                report(error="round %d: %s" % (n, name_of(error)))
                break
            baton.arrive(SENDER, n)

    return body


@pytest.mark.parametrize("blocking", [False, True], ids=["claiming", "wf_wait"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_wake_up_is_lost(tmp_path, kind, blocking):
    rounds, seconds = (10_000, 600) if DEEP else (10_000, 1.7)
    path = tmp_path / "wake.db"
    prepare(path)
    db = open_database(path)
    db.wf_start("job", id="w")
    baton = Baton()
    reports = run([wait_for_ever(path, kind, rounds, seconds, baton, blocking), send_for_ever(path, kind, baton)], tmp_path, seconds + 120)
    assert errors(reports) == []
    (facts,) = [r for r in reports if "rounds" in r]
    assert facts["rounds"] == rounds or not DEEP
    if facts["rounds"] > 300:  # a SQLite that waits for locks in whole seconds does not get so far
        assert 0 < facts["suspended"] < facts["rounds"], "signal and suspension did not race"
    assert db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = 'w'") == facts["rounds"]
    assert db.wf_check() is None
    db.close()


def test_many_waiters_are_all_woken_by_one_event_while_they_suspend(tmp_path):
    """Seven processes suspend workflows on an event, the eighth emits it in between: nobody sleeps on."""
    path = tmp_path / "wake.db"
    prepare(path, workflows=700)

    def waiter(number):
        def body(report):
            db = open_database(path, timeout=300)
            db.execute("PRAGMA synchronous = off")
            for n in range(number, 700, 7):
                while n >= 600 and db.value("SELECT count(*) FROM wf_events") == 0:  # however late the emitter comes
                    time.sleep(0.001)
                claim = db.claim(None, None, id="w%d" % n)
                if db.wf_await_event(claim["token"], "wait", "news") is not None:
                    db.wf_complete(claim["token"])
            report(done=number)

        return body

    def emitter(report):
        db = open_database(path, timeout=300)
        while db.value("SELECT count(*) FROM wf_workflows WHERE status = 'waiting'") < 100:
            time.sleep(0.001)
        db.wf_emit("news", 1)
        report(emitted=True)

    reports = run([waiter(n) for n in range(7)] + [emitter], tmp_path)
    assert errors(reports) == [] and len(reports) == 8
    db = open_database(path)
    waiting = db.value("SELECT count(*) FROM wf_workflows WHERE status = 'waiting'")
    assert 100 <= waiting <= 600
    assert db.wf_ready() == waiting
    while claim := db.claim():
        assert json.loads(db.wf_await_event(claim["token"], "wait", "news"))["payload"] == 1
        db.wf_complete(claim["token"])
    assert db.wf_pending() == 0
    assert db.wf_check() is None
    db.close()


def test_children_that_end_at_once_wake_their_parent_once(tmp_path):
    """Eight processes complete the last children of one parent at the same time."""
    path = tmp_path / "wake.db"
    prepare(path)
    db = open_database(path)
    db.wf_start("parent", id="p", queue="parents")
    db.execute("BEGIN")
    for n in range(400):
        db.wf_spawn("p", "kid%d" % n, "child", n)
    db.execute("COMMIT")
    assert db.wf_join("p", "all") is None

    def body(report):
        mine = open_database(path, timeout=300)
        mine.execute("PRAGMA synchronous = off")
        while claim := mine.claim():
            mine.wf_complete(claim["token"], claim["input"])
        report(ready=mine.wf_ready("parents"))

    reports = run([body] * 8, tmp_path)
    assert errors(reports) == [] and len(reports) == 8
    claim = db.claim("parents")
    assert claim["id"] == "p"
    result = json.loads(db.wf_join(claim["token"], "all"))
    assert [entry["output"] for entry in result] == list(range(400))
    db.close()
