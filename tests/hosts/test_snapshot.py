"""WAL snapshots: a stale reader that writes gets BUSY_SNAPSHOT; the module alone never gets there."""

import multiprocessing
import sqlite3

import pytest

from hostlib import BUSY_SNAPSHOT, lifecycle, open_plain, sqlite_error, stored
from support import open_database


@pytest.fixture
def token(db):
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute("INSERT INTO app VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    return db.running("w")["token"]


WRITING = {
    "start": lambda db, token: db.wf_start("job", id="s"),
    "claim": lambda db, token: db.wf_claim(),
    "step": lambda db, token: db.wf_step(token, "a", 1),
    "complete": lambda db, token: db.wf_complete(token),
    "fail": lambda db, token: db.wf_fail(token, "no"),
    "heartbeat": lambda db, token: db.wf_heartbeat(token, "2h"),
    "release": lambda db, token: db.wf_release(token),
    "recover": lambda db, token: db.wf_recover(),
}


def commit_elsewhere(path):
    other = open_plain(path)
    other.execute("INSERT INTO app(v) VALUES (hex(randomblob(8)))")
    other.close()


@pytest.mark.parametrize("what", WRITING)
def test_stale_snapshot_in_a_transaction(db, path, token, what):
    db.wf_start("job", id="p")
    db.execute("PRAGMA busy_timeout = 3000").fetchall()
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM app").fetchall()
    commit_elsewhere(path)
    before = stored(db)
    with sqlite_error(BUSY_SNAPSHOT):
        WRITING[what](db, token)
    assert db.in_transaction
    assert stored(db) == before
    assert db.wf_status("w") == "running"
    db.execute("ROLLBACK")
    assert stored(db) == before
    assert WRITING[what](db, token) is not None
    assert not db.in_transaction


def test_stale_snapshot_after_a_guard_in_a_deferred_transaction(db, path, token):
    """The idiom in a plain BEGIN: the guard reads, another commits, recording is refused. BEGIN IMMEDIATE is the answer."""
    db.execute("BEGIN")
    assert db.wf_step(token, "a") is None
    commit_elsewhere(path)
    with sqlite_error(BUSY_SNAPSHOT):
        db.wf_step(token, "a", 1)
    db.execute("ROLLBACK")
    db.execute("BEGIN IMMEDIATE")
    assert db.wf_step(token, "a") is None
    assert db.wf_step(token, "a", 1) == 1
    db.execute("COMMIT")


@pytest.mark.parametrize("what", ["start", "claim", "step", "complete"])
def test_stale_snapshot_of_an_open_cursor(db, path, token, what):
    """Autocommit with a cursor of the application still open on an old snapshot."""
    db.wf_start("job", id="p")
    before = stored(db)
    cursor = db.execute("SELECT k FROM app")
    cursor.fetchone()
    commit_elsewhere(path)
    with sqlite_error(BUSY_SNAPSHOT):
        WRITING[what](db, token)
    assert not db.in_transaction
    assert stored(db) == before
    cursor.fetchall()
    cursor.close()
    assert WRITING[what](db, token) is not None


def test_stale_snapshot_inside_the_statement_itself(db, path, token):
    """SELECT f() FROM t stepped row by row while others commit: the rows recorded before the error stay."""
    cursor = db.execute("SELECT wf_step(?, 's' || k, k) FROM app ORDER BY k", (token,))
    assert cursor.fetchone() == (1,)
    commit_elsewhere(path)
    with sqlite_error(BUSY_SNAPSHOT):
        cursor.fetchall()
    cursor.close()
    assert not db.in_transaction
    assert db.wf_step(token, "s1") == 1
    assert db.wf_step(token, "s3") is None
    db.execute("SELECT wf_step(?, 's' || k, k) FROM app ORDER BY k", (token,)).fetchall()
    assert db.wf_step(token, "s3") == 3


def work(path, prefix, results):
    """One process that only calls the module, in autocommit."""
    db = open_database(path, timeout=20)
    db.execute("PRAGMA synchronous = normal")
    errors = []
    try:
        for n in range(60):
            wid = f"{prefix}-{n}"
            db.wf_start("job", n, id=wid)
            token = db.claim(id=wid)["token"]
            db.wf_step(token, "a")
            db.wf_step(token, "a", n)
            db.wf_heartbeat(token, "2m")
            db.wf_release(token)
            token = db.claim(id=wid)["token"]
            db.wf_fail(token, "x", delay=0)
            token = db.claim(id=wid)["token"]
            db.wf_complete(token, n)
            db.wf_status(wid)
    except sqlite3.Error as error:
        errors.append((error.sqlite_errorname, str(error)))
    db.close()
    results.put(errors)


def test_no_busy_snapshot_when_only_the_module_is_called(db, path, token):
    """Every function takes the write lock before it reads: with a busy timeout no call ever fails."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(str(path), f"p{i}", results)) for i in range(3)]
    for process in processes:
        process.start()
    errors = [error for _ in processes for error in results.get(timeout=60)]
    for process in processes:
        process.join()
    assert errors == []
    assert db.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == 180
    lifecycle(db)
