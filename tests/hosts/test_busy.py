"""Other writers: BUSY passes through, the busy timeout is honoured, nothing is left behind."""

import threading
import time

import pytest

from hostlib import BUSY, WRITING, Holder, lifecycle, one, open_plain, sqlite_error, stored
from support import wf_error


@pytest.mark.parametrize("what", WRITING)
def test_busy_writer_without_timeout_is_busy_at_once(db, path, token, what):
    before = stored(db)
    with Holder(path, "BEGIN IMMEDIATE"):
        begun = time.monotonic()
        with sqlite_error(BUSY):
            WRITING[what](db, token)
        assert time.monotonic() - begun < 60  # no net but for a hang: it does not wait at all
        assert not db.in_transaction
        assert stored(db) == before
    assert WRITING[what](db, token) is not None
    assert stored(db) != before


@pytest.mark.parametrize("what", WRITING)
def test_busy_writer_is_waited_for(db, path, token, what):
    db.execute("PRAGMA busy_timeout = 300000").fetchall()
    holder = Holder(path, "BEGIN IMMEDIATE")
    timer = threading.Timer(0.25, holder.release)
    begun = time.monotonic()
    timer.start()
    assert WRITING[what](db, token) is not None
    assert time.monotonic() - begun >= 0.2
    timer.join()


@pytest.mark.parametrize("what", ["start", "claim", "step", "complete"])
def test_the_timeout_is_honoured(db, path, token, what):
    before = stored(db)
    db.execute("PRAGMA busy_timeout = 400").fetchall()
    with Holder(path, "BEGIN IMMEDIATE"):
        begun = time.monotonic()
        with sqlite_error(BUSY):
            WRITING[what](db, token)
        assert 0.3 <= time.monotonic() - begun < 60
    assert not db.in_transaction
    assert stored(db) == before


@pytest.mark.parametrize("first", ["wf_init", "wf_start", "wf_claim"])
def test_first_use_of_a_file_waits_for_a_writer(connect, path, first):
    open_plain(path).execute("CREATE TABLE app(v)")
    db = connect(timeout=300)
    holder = Holder(path, "BEGIN IMMEDIATE", "INSERT INTO app VALUES (1)")
    threading.Timer(0.25, holder.release).start()
    db.call(first, *(["job"] if first == "wf_start" else []))
    assert not db.in_transaction
    lifecycle(db)


def test_first_use_of_a_file_under_a_writer_without_timeout(connect, path):
    open_plain(path).execute("CREATE TABLE app(v)")
    db = connect(timeout=0)
    with Holder(path, "BEGIN IMMEDIATE", "INSERT INTO app VALUES (1)"):
        for _ in range(2):
            with sqlite_error(BUSY):
                db.wf_start("job")
            assert not db.in_transaction
    assert stored(db) == {}
    lifecycle(db)


def test_busy_inside_a_transaction_leaves_it_open(db, path, token):
    """A deferred transaction that has read nothing: the call takes the lock, gets BUSY, the caller may try again."""
    with Holder(path, "BEGIN IMMEDIATE"):
        db.execute("BEGIN")
        with sqlite_error(BUSY):
            db.wf_step(token, "a", 1)
        assert db.in_transaction
    assert db.wf_step(token, "a", 1) == 1
    db.execute("COMMIT")
    assert db.wf_step(token, "a") == 1


def test_reading_functions_do_not_wait_for_a_writer(db, path, token):
    db.wf_step(token, "a", 1)
    with Holder(path, "BEGIN IMMEDIATE"):
        assert db.wf_status("w") == "running"
        assert db.wf_step(token, "a") == 1
        assert db.wf_step(token, "b") is None
        assert db.wf_pending() == 2
        assert db.value("SELECT count(*) FROM wf_workflows") == 2
        assert db.value("SELECT count(*) FROM wf_pending WHERE ready") == 1


def test_exclusive_lock_of_another_process_is_busy_for_reading_too(connect, path):
    db = connect(timeout=0)
    db.running("w")
    with Holder(path, "BEGIN EXCLUSIVE"):
        for call in (lambda: db.wf_status("w"), lambda: db.wf_pending(), lambda: db.wf_start("job"), lambda: db.wf_claim()):
            with sqlite_error(BUSY):
                call()
        with sqlite_error(BUSY):
            db.execute("SELECT * FROM wf_workflows").fetchall()
    assert db.wf_status("w") == "running"


@pytest.mark.parametrize("what", WRITING)
def test_a_reader_that_holds_up_the_commit_in_delete_mode(connect, path, what):
    """Rollback journal: the call's own commit is refused while someone reads. It must not stay half committed."""
    db = connect(timeout=0)
    token = db.running("w")["token"]
    db.wf_start("job", id="p")
    before = stored(db)
    with Holder(path, "BEGIN", "SELECT * FROM _wf_workflow"):
        with sqlite_error(BUSY):
            WRITING[what](db, token)
        assert not db.in_transaction
        assert stored(db) == before
    other = open_plain(path)
    other.execute("BEGIN EXCLUSIVE")
    other.close()
    assert WRITING[what](db, token) is not None


def test_a_reader_does_not_disturb_in_wal_mode(connect, path):
    db = connect(timeout=0)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.wf_init()
    with Holder(path, "BEGIN", "SELECT * FROM _wf_workflow"):
        lifecycle(db)


def test_busy_message_is_sqlites_own(db, path, token):
    with Holder(path, "BEGIN IMMEDIATE"):
        with sqlite_error(BUSY) as info:
            db.wf_step(token, "a", 1)
        assert "database is locked" in str(info.value)


def test_argument_errors_come_before_the_lock(db, path, token):
    """What can be refused without the file is refused without waiting for it."""
    db.execute("PRAGMA busy_timeout = 60000").fetchall()
    with Holder(path, "BEGIN IMMEDIATE"):
        begun = time.monotonic()
        with wf_error("WF_INVALID"):
            db.wf_start("job", "{not json")
        with wf_error("WF_INVALID"):
            db.wf_claim(None, None, lease=0)
        assert time.monotonic() - begun < 30


def test_busy_does_not_spoil_the_statements_for_later(db, path, token):
    """Many refusals in a row, then everything works, and the file can be vacuumed."""
    with Holder(path, "BEGIN IMMEDIATE"):
        for _ in range(20):
            for what in WRITING.values():
                with sqlite_error(BUSY):
                    what(db, token)
    lifecycle(db)
    db.execute("VACUUM")
    assert one(db, "PRAGMA integrity_check") == "ok"
