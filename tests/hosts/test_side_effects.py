"""What a call leaves behind on the caller's connection: nothing but its rows."""

import pytest

import capi
from capi import Db, sql_lifecycle
from hostlib import Holder, lifecycle, one

WRITING = {
    "start": lambda db, token: db.wf_start("job", id="s"),
    "start_again": lambda db, token: db.wf_start("job", id="p"),
    "claim": lambda db, token: db.wf_claim(),
    "step": lambda db, token: db.wf_step(token, "a", 1),
    "step_large": lambda db, token: db.wf_step(token, "big", '"%s"' % ("x" * 50000)),
    "step_by_id": lambda db, token: db.wf_step("p", "a", 1),
    "complete": lambda db, token: db.wf_complete(token, '"%s"' % ("x" * 50000)),
    "fail": lambda db, token: db.wf_fail(token, "no"),
    "heartbeat": lambda db, token: db.wf_heartbeat(token, "2h"),
    "release": lambda db, token: db.wf_release(token),
    "recover": lambda db, token: db.wf_recover(),
    "config": lambda db, token: db.wf_config("lease", "45s"),
    "init": lambda db, token: db.wf_init(),
    "guard": lambda db, token: db.wf_step(token, "old"),
    "status": lambda db, token: db.wf_status("w"),
}
READING = ("guard", "status")


@pytest.fixture
def token(db):
    db.wf_start("job", id="p")
    token = db.running("w")["token"]
    db.wf_step(token, "old", 0)
    return token


@pytest.mark.parametrize("what", WRITING)
@pytest.mark.parametrize("around", ["", "BEGIN"])
def test_last_insert_rowid_is_kept(db, token, what, around):
    if around:
        db.execute(around)
    db.execute("INSERT INTO app(k, v) VALUES (4711, 'mine')")
    assert WRITING[what](db, token) is not None
    assert one(db, "SELECT last_insert_rowid()") == 4711


def test_last_insert_rowid_is_kept_by_the_first_call_that_makes_the_schema(db):
    db.execute("INSERT INTO app(k, v) VALUES (4711, 'mine')")
    db.wf_start("job")
    assert one(db, "SELECT last_insert_rowid()") == 4711


def test_last_insert_rowid_is_kept_when_a_call_fails(db, token):
    db.execute("INSERT INTO app(k, v) VALUES (4711, 'mine')")
    for call in (lambda: db.wf_start("other", id="p"), lambda: db.wf_step("nobody", "a", 1), lambda: db.wf_start("")):
        with pytest.raises(Exception):
            call()
        assert one(db, "SELECT last_insert_rowid()") == 4711


def test_last_insert_rowid_of_the_statement_around_the_call(db, token):
    """INSERT ... VALUES (f()) reports its own row, not one of ours."""
    db.execute("INSERT INTO app(k, v) VALUES (900, wf_start('job'))")
    assert one(db, "SELECT last_insert_rowid()") == 900
    cursor = db.execute("INSERT INTO app(v) VALUES (wf_step(?, 'a', 'x'))", (token,))
    assert cursor.lastrowid == 901


@pytest.mark.parametrize("what", READING)
def test_changes_is_kept_by_what_writes_nothing(db, token, what):
    db.execute("UPDATE app SET v = v")
    db.execute("INSERT INTO app(v) VALUES (1), (2), (3)")
    before = db.rows("SELECT changes(), total_changes()")
    WRITING[what](db, token)
    assert db.rows("SELECT changes(), total_changes()") == before
    assert before[0][0] == 3


def test_changes_counts_the_rows_of_the_statement_around_the_call(db, token):
    assert db.execute("INSERT INTO app(v) SELECT wf_start('job', value) FROM json_each('[1,2,3,4,5]')").rowcount == 5
    assert one(db, "SELECT changes()") == 5
    assert db.execute("UPDATE app SET v = wf_start('job', k) WHERE k < 3").rowcount == 2
    db.execute("CREATE TRIGGER tr AFTER DELETE ON app BEGIN SELECT wf_start('gone', OLD.k); END")
    assert db.execute("DELETE FROM app WHERE k > 2").rowcount == 3
    assert one(db, "SELECT count(*) FROM wf_workflows WHERE name = 'gone'") == 3


def test_autoincrement_of_the_application_is_not_disturbed(db, token):
    db.execute("CREATE TABLE seq(k INTEGER PRIMARY KEY AUTOINCREMENT, v)")
    for _ in range(3):
        db.execute("INSERT INTO seq(v) VALUES (wf_start('job'))")
        db.wf_start("job")
    assert db.column("SELECT k FROM seq") == [1, 2, 3]


@pytest.fixture
def raw(path):
    c = Db(path)
    yield c
    assert c.close() == capi.OK


def test_application_hooks_are_neither_replaced_nor_removed(raw):
    """Single-slot hooks: set before loading, still the application's after every function was used, and called."""
    calls = dict.fromkeys(("commit", "rollback", "update", "wal"), 0)

    def count(name, result=None):
        calls[name] += 1
        return result

    raw.exec("PRAGMA journal_mode = wal")
    raw.commit_hook(lambda: count("commit", 0), 11)
    raw.rollback_hook(lambda: count("rollback"), 12)
    raw.update_hook(lambda *a: count("update"), 13)
    raw.wal_hook(lambda n: count("wal", 0), 14)
    raw.load()
    sql_lifecycle(raw)
    raw.exec("BEGIN")
    raw.exec("SELECT wf_start('job')")
    raw.exec("ROLLBACK")
    assert all(calls.values()), calls
    assert raw.commit_hook(None) == 11
    assert raw.rollback_hook(None) == 12
    assert raw.update_hook(None) == 13
    assert raw.wal_hook(None) == 14


def test_hooks_set_after_the_first_use_stay_too(raw):
    raw.load()
    sql_lifecycle(raw)
    raw.commit_hook(lambda: 0, 21)
    raw.update_hook(lambda *a: None, 23)
    raw.exec("SELECT wf_start('job')")
    raw.exec("SELECT wf_claim()")
    assert raw.commit_hook(None) == 21
    assert raw.update_hook(None) == 23


def test_authorizer_stays_the_applications_and_is_obeyed(raw):
    raw.load()
    asked, denied = [], set()

    def authorize(action, first, second, database, trigger):
        asked.append((action, first))
        return 1 if (action, first) in denied else 0

    raw.authorizer(authorize)
    sql_lifecycle(raw)
    assert asked
    asked.clear()
    raw.exec("SELECT 1")
    assert asked, "the application's authorizer is gone"

    SQLITE_INSERT = 18
    fresh = Db(":memory:")
    fresh.load()
    fresh.exec("SELECT wf_init()")
    denied.add((SQLITE_INSERT, b"_wf_workflow"))
    fresh.authorizer(authorize)
    with pytest.raises(capi.Error) as info:
        fresh.exec("SELECT wf_start('job')")
    assert info.value.code == 23, info.value  # SQLITE_AUTH passes through
    assert fresh.autocommit()
    assert fresh.value("SELECT count(*) FROM _wf_workflow") == "0"
    denied.clear()
    fresh.exec("SELECT wf_start('job')")
    assert fresh.close() == capi.OK


def test_progress_handler_stays_the_applications(raw):
    ticks = []
    raw.load()
    raw.progress(1, lambda: ticks.append(1) or 0)
    sql_lifecycle(raw)
    assert ticks
    ticks.clear()
    raw.exec("SELECT 1")
    assert ticks, "the application's progress handler is gone"


def test_busy_handler_stays_the_applications_and_is_the_one_that_waits(raw, path):
    raw.load()
    raw.exec("SELECT wf_init()")
    asked = []
    raw.busy_handler(lambda n: asked.append(n) or (1 if n < 4 else 0))
    with Holder(path, "BEGIN IMMEDIATE"):
        with pytest.raises(capi.Error) as info:
            raw.exec("SELECT wf_start('job')")
    assert info.value.code == capi.BUSY
    assert asked[:5] == [0, 1, 2, 3, 4]


def test_trace_stays_the_applications(raw):
    seen = []
    raw.load()
    raw.trace(lambda sql: seen.append(sql))
    sql_lifecycle(raw)
    seen.clear()
    raw.exec("SELECT 'mine'")
    assert seen == [b"SELECT 'mine'"]


def test_pragmas_of_the_application_are_as_before(db):
    """No call changes a setting of the connection or of the file."""
    names = (
        "journal_mode synchronous foreign_keys busy_timeout cache_size temp_store locking_mode recursive_triggers"
        " trusted_schema auto_vacuum page_size user_version application_id encoding wal_autocheckpoint secure_delete"
        " query_only read_uncommitted defer_foreign_keys ignore_check_constraints cell_size_check"
    ).split()
    before = {name: one(db, f"PRAGMA {name}") for name in names}
    lifecycle(db)
    db.wf_recover()
    db.rows("SELECT * FROM wf_doctor")
    assert {name: one(db, f"PRAGMA {name}") for name in names} == before
