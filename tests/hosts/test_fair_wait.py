"""Waiting for locks in the way of the extension: where it stands in for SQLite's own, what ends it, and that it leaves no trace.

SQLite's own busy handler does not see an interrupt before its time is over. So a wait that an interrupt ends is one of ours."""

import contextlib
import threading
import time

import pytest

import capi
from capi import Db
from hostlib import BUSY, WRITING, Holder, lifecycle, open_plain, sqlite_error
from support import open_database, wf_error

INTERRUPTED = 9
LONG = 120  # seconds: no test waits so long, unless it fails


@contextlib.contextmanager
def ended_by_an_interrupt(db):
    """What runs inside is interrupted, and ends by that."""
    over = threading.Event()

    def interrupt():
        while not over.wait(0.2):
            db.interrupt()

    thread = threading.Thread(target=interrupt)
    begun = time.monotonic()
    thread.start()
    try:
        with sqlite_error(INTERRUPTED):
            yield
        assert time.monotonic() - begun < LONG / 2
    finally:
        over.set()
        thread.join()


def timeout_of(db):
    return db.execute("PRAGMA busy_timeout").fetchall()[0][0]


@pytest.fixture
def patient(db):
    db.execute(f"PRAGMA busy_timeout = {LONG * 1000}").fetchall()
    return db


@pytest.mark.parametrize("what", WRITING)
def test_an_interrupt_ends_the_wait_for_a_writer(patient, path, token, what):
    with Holder(path, "BEGIN IMMEDIATE"), ended_by_an_interrupt(patient):
        WRITING[what](patient, token)
    assert not patient.in_transaction
    assert timeout_of(patient) == LONG * 1000
    assert WRITING[what](patient, token) is not None


def test_an_interrupt_ends_the_wait_of_a_transaction_that_has_not_written_yet(patient, path, token):
    with Holder(path, "BEGIN IMMEDIATE"):
        patient.execute("BEGIN")
        with ended_by_an_interrupt(patient):
            patient.wf_step(token, "a", 1)
        if patient.in_transaction:
            patient.execute("ROLLBACK")
    assert timeout_of(patient) == LONG * 1000
    lifecycle(patient)


def test_an_interrupt_ends_the_wait_of_the_first_use_of_a_file(connect, path):
    open_plain(path).execute("CREATE TABLE app(v)")
    db = connect(timeout=LONG)
    with Holder(path, "BEGIN IMMEDIATE", "INSERT INTO app VALUES (1)"), ended_by_an_interrupt(db):
        db.wf_start("job")
    assert timeout_of(db) == LONG * 1000
    lifecycle(db)


@pytest.mark.parametrize("what", WRITING)
def test_an_interrupt_ends_the_wait_of_a_commit_for_readers(connect, path, what):
    """Rollback journal: who commits waits until those who read have ended."""
    db = connect(timeout=LONG)
    token = db.running("w")["token"]
    db.wf_start("job", id="p")
    with Holder(path, "BEGIN", "SELECT * FROM _wf_workflow"):
        with ended_by_an_interrupt(db):
            WRITING[what](db, token)
        assert not db.in_transaction
    assert timeout_of(db) == LONG * 1000
    assert WRITING[what](db, token) is not None


def test_an_interrupt_ends_the_wait_for_a_file_that_nobody_may_read(connect, path):
    connect().wf_init()
    db = connect(timeout=LONG)
    with Holder(path, "BEGIN EXCLUSIVE"), ended_by_an_interrupt(db):
        db.wf_start("job")
    lifecycle(db)


@pytest.mark.parametrize("fair", [False, True])
def test_who_was_alone_for_long_waits_when_another_comes(patient, path, fair):
    """It asks for the timeout no more; then it does again."""
    patient.execute("PRAGMA synchronous = off")
    if fair:
        patient.wf_busy_timeout(LONG)
    patient.wf_start("job", id="w")
    for n in range(1200):
        patient.wf_step("w", f"s{n}", 1)
    holder = Holder(path, "BEGIN IMMEDIATE")
    threading.Timer(0.3, holder.release).start()
    assert patient.wf_step("w", "a", 1) == 1
    other = open_plain(path, timeout=LONG)
    other.execute("UPDATE _wf_meta SET value = value WHERE 0")
    other.execute("CREATE TABLE more(v)")
    patient.wf_step("w", "b", 1)
    patient.wf_step("w", "c", 1)
    with Holder(path, "BEGIN IMMEDIATE"), ended_by_an_interrupt(patient):
        patient.wf_step("w", "d", 1)
    assert timeout_of(patient) == (0 if fair else LONG * 1000)


def test_busy_timeout_waits_with_all_statements(db, path, journal):
    db.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    assert db.wf_busy_timeout(LONG) == LONG
    assert timeout_of(db) == 0
    for statement in ("INSERT INTO app(v) VALUES (1)", "BEGIN IMMEDIATE", "COMMIT", "SELECT wf_start('job')"):
        waits = statement != "COMMIT"
        holder = Holder(path, "BEGIN IMMEDIATE") if waits else None
        begun = time.monotonic()
        if waits:
            threading.Timer(0.25, holder.release).start()
        db.execute(statement).fetchall()
        assert not waits or time.monotonic() - begun >= 0.2
    lifecycle(db)


def test_busy_timeout_ends(db, path):
    assert db.wf_busy_timeout("400ms") == 0.4
    with Holder(path, "BEGIN IMMEDIATE"):
        for statement in ("INSERT INTO app(v) VALUES (1)", "SELECT wf_start('job')", "BEGIN EXCLUSIVE"):
            begun = time.monotonic()
            with sqlite_error(BUSY):
                db.execute(statement).fetchall()
            assert 0.3 <= time.monotonic() - begun < 60
    lifecycle(db)


@pytest.mark.parametrize("off", [0, None])
def test_busy_timeout_of_nothing_waits_for_nobody(db, path, off):
    db.wf_busy_timeout(LONG)
    assert db.wf_busy_timeout(off) == 0
    with Holder(path, "BEGIN IMMEDIATE"):
        for statement in ("INSERT INTO app(v) VALUES (1)", "SELECT wf_start('job')"):
            with sqlite_error(BUSY):
                db.execute(statement).fetchall()
    lifecycle(db)


def test_whoever_sets_the_busy_timeout_last_wins(db, path):
    def advice():
        return db.rows("SELECT value, ok FROM wf_doctor WHERE name = 'busy timeout'")[0]

    assert advice() == (0, 0)
    db.wf_busy_timeout(LONG)
    assert advice() == (f"{LONG * 1000} by wf_busy_timeout", 1)
    lifecycle(db)
    assert advice() == (f"{LONG * 1000} by wf_busy_timeout", 1)
    db.execute("PRAGMA busy_timeout = 300").fetchall()
    assert advice() == (300, 1)
    with Holder(path, "BEGIN IMMEDIATE"):
        begun = time.monotonic()
        with sqlite_error(BUSY):
            db.wf_start("job")
        assert time.monotonic() - begun < LONG / 2
    assert timeout_of(db) == 300
    db.execute("PRAGMA busy_timeout = 0").fetchall()
    assert advice() == (0, 0)
    db.wf_busy_timeout(LONG)
    db.wf_busy_timeout(0)
    assert advice() == (0, 0)


def test_an_interrupt_ends_a_wait_by_wf_busy_timeout(db, path, token):
    db.wf_busy_timeout(LONG)
    with Holder(path, "BEGIN IMMEDIATE"), ended_by_an_interrupt(db):
        db.wf_step(token, "a", 1)
    lifecycle(db)


@pytest.mark.parametrize("wrong", ["5", "soon", -1, b"5", "[5]"])
def test_busy_timeout_is_a_duration(db, wrong):
    with wf_error("WF_INVALID", "duration"):
        db.wf_busy_timeout(wrong)
    assert timeout_of(db) == 0


def test_busy_timeout_may_be_longer_than_sqlites(db, path):
    """SQLite counts milliseconds in 32 bits."""
    assert db.wf_busy_timeout("3650d") == 3650 * 86400
    holder = Holder(path, "BEGIN IMMEDIATE")
    threading.Timer(0.25, holder.release).start()
    lifecycle(db)


@pytest.fixture
def raw(path):
    c = Db(path)
    c.load()
    c.exec("SELECT wf_start('job', NULL, '{\"id\":\"w\"}')")
    yield c
    assert c.close() == capi.OK


@pytest.mark.parametrize("before", [None, 5000])
def test_a_busy_handler_of_the_application_stays_in_charge(raw, path, before):
    asked = []
    if before is not None:
        capi.lib.sqlite3_busy_timeout(raw.db, before)
        raw.exec("SELECT wf_step('w', 'a', 1)")
    raw.busy_handler(lambda n: asked.append(n) or n < 3)
    with Holder(path, "BEGIN IMMEDIATE"):
        for call in ("wf_step('w', 'b', 1)", "wf_start('job')", "wf_claim()"):
            asked.clear()
            with pytest.raises(capi.Error) as info:
                raw.exec(f"SELECT {call}")
            assert info.value.code == BUSY
            assert asked == [0, 1, 2, 3]
        asked.clear()
        with pytest.raises(capi.Error):
            raw.exec("BEGIN IMMEDIATE")
        assert asked == [0, 1, 2, 3]
    raw.exec("SELECT wf_step('w', 'b', 1)")


def test_the_connection_closes_while_all_wait_fairly(path):
    c = Db(path)
    c.load()
    c.exec("SELECT wf_busy_timeout(5)")
    assert c.close() == capi.OK
    c = Db(path)
    c.load()
    c.exec("SELECT wf_start('job')")
    c.exec("SELECT wf_busy_timeout(0.3)")
    c.exec("CREATE TABLE app(v)")
    kept = c.prepare("INSERT INTO app VALUES (1)")
    assert c.close() == BUSY  # a statement of the application's is left, ours are gone
    with Holder(path, "BEGIN IMMEDIATE"):
        assert capi.lib.sqlite3_step(kept) == BUSY
    capi.lib.sqlite3_reset(kept)
    assert capi.lib.sqlite3_step(kept) == capi.DONE
    capi.lib.sqlite3_finalize(kept)
    assert c.close() == capi.OK
    with open_plain(path) as left:
        assert left.execute("SELECT count(*) FROM app").fetchone() == (1,)


def test_the_functions_go_while_all_wait_fairly(path):
    """An application that takes every function and table of ours away again: then nobody waits."""
    c = Db(path)
    c.load()
    c.exec("SELECT wf_busy_timeout(60)")
    c.exec("CREATE TABLE app(v)")
    functions = [row[0] for row in c.rows("SELECT DISTINCT name || ' ' || narg FROM pragma_function_list WHERE name LIKE 'wf\\_%' ESCAPE '\\'")]
    assert functions
    create, drop = capi.lib.sqlite3_create_function_v2, capi.lib.sqlite3_drop_modules
    create.argtypes = (capi.c_void_p, capi.c_char_p, capi.c_int, capi.c_int) + (capi.c_void_p,) * 5
    drop.argtypes = (capi.c_void_p, capi.c_void_p)
    assert drop(c.db, None) == capi.OK
    for function in functions:
        name, arguments = function.split()
        assert create(c.db, name.encode(), int(arguments), 1, None, None, None, None, None) == capi.OK
    with Holder(path, "BEGIN IMMEDIATE"), pytest.raises(capi.Error) as info:
        c.exec("INSERT INTO app VALUES (1)")
    assert info.value.code == BUSY
    assert c.close() == capi.OK


def test_an_authorizer_that_forbids_the_question_for_the_timeout(raw, path):
    """Then SQLite's own handler waits, for its time."""
    pragma = 19
    capi.lib.sqlite3_busy_timeout(raw.db, 300)
    raw.authorizer(lambda action, *_: int(action == pragma))
    raw.exec("SELECT wf_step('w', 'a', 1)")
    with Holder(path, "BEGIN IMMEDIATE"), pytest.raises(capi.Error) as info:
        raw.exec("SELECT wf_step('w', 'b', 1)")
    assert info.value.code == BUSY
    raw.authorizer(None)
    assert raw.value("PRAGMA busy_timeout") == "300"


def test_a_thread_of_each_connection(path):
    """What is known of waiting belongs to the connection."""
    open_database(path).wf_init()
    wrong = []

    def work(n):
        db = open_database(path, timeout=LONG)
        db.execute("PRAGMA synchronous = off")
        for i in range(100):
            db.wf_start("job", id=f"{n}-{i}")
        if timeout_of(db) != LONG * 1000:
            wrong.append(n)
        db.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert open_database(path).wf_pending() == 600
