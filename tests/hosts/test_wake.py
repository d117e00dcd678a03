"""wf_wake: what one connection says to those of its process that wait, without a write."""

import json
import os
import signal
import threading
import time

import pytest

from hostlib import Waiting
from support import open_database, wf_error
from support.processes import forked


@pytest.fixture
def db(connect):
    db = connect()
    db.execute("PRAGMA journal_mode = wal")
    db.wf_init()
    return db


def wait(db, name="stop", timeout=0):
    return db.wf_wait(timeout, wake=name)


def test_it_wakes_who_waits(db, tmp_path):
    waiting = [Waiting(tmp_path / "test.db", 60, wake="stop") for _ in range(3)]
    time.sleep(0.05)
    assert db.wf_wake("stop") == 1
    assert [one.done() for one in waiting] == [1, 1, 1]


def test_who_waits_later_hears_it_once(db, connect):
    other = connect()
    assert wait(other) == 0
    db.wf_wake("stop")
    db.wf_wake("stop")
    assert (wait(other), wait(other)) == (1, 0)
    db.wf_wake("stop")
    assert (wait(other), wait(db), wait(db)) == (1, 1, 0)


def test_a_connection_that_is_opened_later_does_not(db, connect):
    db.wf_wake("stop")
    assert wait(connect()) == 0


def test_each_name_is_one_of_its_own(db, connect):
    other = connect()
    db.wf_wake("one")
    db.wf_wake("two")
    assert wait(other, "three") == 0
    assert (wait(other, "two"), wait(other, "two"), wait(other, ["one", "two"]), wait(other, ["one", "two"])) == (1, 0, 1, 0)


def test_another_file_hears_nothing(db, connect, tmp_path):
    other = connect(tmp_path / "other.db")
    db.wf_wake("stop")
    assert wait(other) == 0


def test_it_is_one_of_several(db, connect):
    other = connect()
    things = [{"queue": "default"}, {"wake": ["stop", "slots"]}]
    db.wf_wake("slots")
    assert json.loads(other.wf_wait(60, any=things)) == [{"index": 1, "wake": "slots"}]
    assert other.wf_wait(0, any=things) is None
    db.wf_wake("stop")
    db.wf_start("job")
    assert json.loads(other.wf_wait(60, any=things)) == [{"index": 0}, {"index": 1, "wake": "stop"}]
    assert json.loads(other.wf_wait(60, any=things)) == [{"index": 0}]


def test_it_writes_nothing_and_works_while_the_file_is_locked(db, connect, tmp_path):
    waiting = Waiting(tmp_path / "test.db", 60, wake="stop")
    locker = connect()
    locker.execute("BEGIN IMMEDIATE")
    before = db.value("PRAGMA data_version")
    db.wf_wake("stop")
    assert waiting.done() == 1
    locker.execute("COMMIT")
    assert db.value("PRAGMA data_version") == before


def test_it_may_be_called_in_a_transaction_and_in_explicit_mode(db, connect):
    other = connect()
    db.execute("BEGIN")
    db.wf_wake("stop")
    db.execute("ROLLBACK")
    assert wait(other) == 1
    db.wf_config("clock", "explicit")
    db.wf_wake("stop")
    other.execute("PRAGMA query_only = 1")
    assert wait(other) == 1


def test_many_rings_and_waits_lose_none(db, tmp_path):
    """Whoever is rung for hears of it, be it before it waits, meanwhile or after."""
    rounds, heard, seen = 300, [], threading.Semaphore(0)

    def listen():
        mine = open_database(tmp_path / "test.db")
        ready.set()
        while len(heard) < rounds:
            heard.append(mine.wf_wait(60, wake="go"))
            seen.release()
        mine.close()

    ready = threading.Event()
    thread = threading.Thread(target=listen)
    thread.start()
    ready.wait()
    for _ in range(rounds):
        db.wf_wake("go")
        assert seen.acquire(timeout=60)
    thread.join(60)
    assert heard == [1] * rounds


def test_a_child_neither_wakes_its_parent_nor_breaks(db, tmp_path):
    waiting = Waiting(tmp_path / "test.db", 600, wake="stop")

    def body():
        mine = open_database(tmp_path / "test.db")
        mine.wf_wake("stop")
        assert mine.wf_wait(60, wake="stop") == 1

    # A child of a process whose other thread is just inside of SQLite's allocator can do nothing at all: then another is tried.
    for _ in range(20):
        time.sleep(0.2)
        child, end = forked(body), time.monotonic() + 15
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
            time.sleep(0.01)
        if ended[0] != 0:
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)
    assert waiting.thread.is_alive()
    db.wf_wake("stop")
    assert waiting.done() == 1


def test_names_are_names(db):
    for name in ("", 5, None):
        with wf_error("WF_INVALID", "name"):
            db.wf_wake(name)
    with wf_error("WF_INVALID", "wake"):
        db.wf_wait(0, wake=5)
