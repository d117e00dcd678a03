"""Transactions: a call is atomic, joins the caller's transaction, and commits by itself otherwise."""

import sqlite3
import sys

import pytest
from damage import tables as all_tables
from support import wf_error

CALLS = [
    pytest.param(lambda db: db.wf_start("job", id="new"), id="start"),
    pytest.param(lambda db: db.wf_claim(), id="claim"),
    pytest.param(lambda db: db.wf_step("w1", "a", "1"), id="step"),
    pytest.param(lambda db: db.wf_complete("w1", "1"), id="complete"),
    pytest.param(lambda db: db.wf_fail("w1", "e"), id="fail"),
    pytest.param(lambda db: db.wf_heartbeat(db.token), id="heartbeat"),
    pytest.param(lambda db: db.wf_release(db.token), id="release"),
    pytest.param(lambda db: db.wf_recover(), id="recover"),
    pytest.param(lambda db: db.wf_config("max_attempts", 3), id="config"),
]


@pytest.fixture
def work(db):
    """w1 is pending, w2 is leased by `db.token`."""
    db.at(0)
    db.wf_start("job", id="w1")
    db.token = db.running("w2", lease=5)["token"]
    db.at(1)
    return db


def state(db):
    return db.everything(), db.rows("SELECT * FROM _wf_meta"), db.wf_config("max_attempts")


@pytest.mark.parametrize("call", CALLS)
def test_in_autocommit_a_call_commits_by_itself(work, connect, call):
    other = connect()
    other.at(1)
    before = state(other)
    call(work)
    assert not work.in_transaction
    assert state(other) != before
    assert state(other) == state(work)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_in_a_transaction_a_call_joins_it_and_is_undone_with_it(work, connect, call, begin):
    before = state(work)
    work.execute(begin)
    call(work)
    assert work.in_transaction
    assert state(work) != before
    other = connect()
    other.at(1)
    assert state(other) == before
    work.execute("ROLLBACK")
    assert state(work) == before


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("begin", ["BEGIN", "SAVEPOINT outer"])
def test_a_savepoint_rolled_back_by_the_caller_undoes_a_call(work, call, begin):
    work.execute("CREATE TABLE app(n)")
    work.execute(begin)
    work.execute("INSERT INTO app VALUES(1)")
    before = state(work)
    work.execute("SAVEPOINT mine")
    call(work)
    work.execute("ROLLBACK TO mine")
    work.execute("RELEASE mine")
    assert state(work) == before
    work.execute("COMMIT")
    assert work.column("SELECT n FROM app") == [1]
    call(work)


def test_application_rows_and_a_checkpoint_commit_together(db, connect):
    db.execute("CREATE TABLE app(n)")
    token = db.running()["token"]
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO app VALUES(1)")
    db.wf_step(token, "a", "1")
    other = connect()
    assert (other.column("SELECT n FROM app"), other.wf_step(token, "a")) == ([], None)
    db.execute("COMMIT")
    assert (other.column("SELECT n FROM app"), other.wf_step(token, "a")) == ([1], "1")


@pytest.mark.parametrize("begin", [None, "BEGIN", "SAVEPOINT s"])
def test_a_refused_call_leaves_no_transaction_behind_and_keeps_the_callers(work, begin):
    if begin:
        work.execute(begin)
        work.wf_step("w1", "kept", "1")
    before = work.everything()
    with wf_error("WF_LEASED"):
        work.wf_step("w2", "a", "1")
    with wf_error("WF_CONFLICT"):
        work.wf_start("other", id="w1")
    assert work.in_transaction == bool(begin)
    assert work.everything() == before
    if begin:
        work.execute("COMMIT")
        assert work.wf_step("w1", "kept") == "1"


def test_the_first_write_creates_the_schema_inside_the_callers_transaction(db):
    db.execute("BEGIN")
    db.wf_start("job", id="w1")
    db.execute("ROLLBACK")
    assert db.rows("SELECT name FROM sqlite_master") == []
    assert db.wf_start("job", id="w1") == "w1"


def test_a_call_for_each_row_of_a_query(db):
    db.execute("CREATE TABLE app(id)")
    db.executemany("INSERT INTO app VALUES(?)", [("w%d" % n,) for n in range(20)])
    db.wf_init()
    rows = db.column("SELECT wf_start('job', NULL, json_object('id', id)) FROM app")
    assert rows == ["w%d" % n for n in range(20)]
    assert db.column("SELECT wf_step(id, 'a', '1') FROM app") == ["1"] * 20
    assert db.column("SELECT wf_complete(id) FROM app") == ["completed"] * 20


# Inside a writing statement


def test_a_start_works_inside_a_writing_statement(db):
    db.wf_init()
    db.execute("CREATE TABLE app(id)")
    db.execute("INSERT INTO app VALUES(wf_start('job', NULL, '{\"id\":\"w1\"}'))")
    db.execute("INSERT INTO app SELECT wf_start('job', NULL, json_object('id', value)) FROM json_each('[\"w2\",\"w3\"]')")
    assert db.column("SELECT id FROM app") == ["w1", "w2", "w3"]
    assert db.column("SELECT id FROM wf_workflows ORDER BY id") == ["w1", "w2", "w3"]


def test_a_start_works_in_a_trigger_and_is_undone_with_the_row(db):
    db.wf_init()
    db.execute("CREATE TABLE app(id TEXT PRIMARY KEY)")
    db.execute("CREATE TRIGGER app_added AFTER INSERT ON app BEGIN SELECT wf_start('job', NULL, json_object('id', new.id)); END")
    db.execute("INSERT INTO app VALUES('w1'), ('w2')")
    assert db.column("SELECT id FROM wf_workflows ORDER BY id") == ["w1", "w2"]
    db.execute("BEGIN")
    db.execute("INSERT INTO app VALUES('w3')")
    assert db.wf_status("w3") == "pending"
    db.execute("ROLLBACK")
    assert db.wf_status("w3") is None
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO app VALUES('w4'), ('w1')")
    assert db.wf_status("w4") is None


@pytest.mark.parametrize(
    "call, result",
    [
        ("wf_step('w1', 'a', '1')", "1"),
        ("wf_complete('w1', '1')", "completed"),
        ("wf_fail('w1', 'e')", "pending"),
    ],
)
def test_steps_and_endings_work_inside_a_writing_statement(work, call, result):
    work.execute("CREATE TABLE app(v)")
    work.execute("INSERT INTO app VALUES(%s)" % call)
    assert work.column("SELECT v FROM app") == [result]


@pytest.mark.parametrize("call", ["wf_claim()", "wf_init()"])
def test_what_could_not_be_atomic_inside_a_writing_statement_is_refused(work, call):
    work.execute("CREATE TABLE app(v)")
    before = state(work)
    with wf_error("WF_CONTEXT"):
        work.execute("INSERT INTO app SELECT " + call)
    assert state(work) == before
    assert work.column("SELECT v FROM app") == []


def test_the_first_write_inside_a_trigger_says_to_initialise_first(db):
    db.execute("CREATE TABLE app(id)")
    db.execute("CREATE TRIGGER app_added AFTER INSERT ON app BEGIN SELECT wf_start('job'); END")
    with wf_error("WF_CONTEXT", "SELECT wf_init()"):
        db.execute("INSERT INTO app VALUES('w1')")
    assert db.column("SELECT name FROM sqlite_master ORDER BY name") == ["app", "app_added"]
    db.wf_init()
    db.execute("INSERT INTO app VALUES('w1')")
    assert db.wf_pending() == 1


# What belongs to the application


@pytest.mark.parametrize("call", CALLS)
def test_last_insert_rowid_is_kept(work, call):
    work.execute("CREATE TABLE app(n INTEGER PRIMARY KEY)")
    work.execute("INSERT INTO app VALUES(123456789)")
    call(work)
    assert work.value("SELECT last_insert_rowid()") == 123456789


@pytest.mark.parametrize("call", CALLS)
def test_attached_and_temporary_tables_of_the_same_name_are_left_alone(work, tmp_path, call):
    work.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
    tables = all_tables()  # rare ones as well, that the file itself may not have
    for table in tables:
        for schema in ("other", "temp"):
            work.execute("CREATE TABLE %s.%s(n)" % (schema, table))
    before = state(work)
    call(work)
    work.execute("DETACH other")
    assert work.everything() != before[0] or work.rows("SELECT * FROM main._wf_meta") != before[1] or work.wf_config("max_attempts") == 3
    for table in tables:
        assert work.rows("SELECT * FROM temp.%s" % table) == []


def test_sqlite_errors_pass_through_with_their_own_codes(work, connect):
    def code_of(call):
        with pytest.raises(sqlite3.OperationalError) as caught:
            call()
        assert not str(caught.value).startswith("WF_")
        return getattr(caught.value, "sqlite_errorcode", None)

    work.execute("PRAGMA query_only = on")
    readonly = code_of(lambda: work.wf_start("job"))
    work.execute("PRAGMA query_only = off")
    other = connect(timeout=0)
    work.execute("BEGIN IMMEDIATE")
    busy = code_of(lambda: other.wf_start("job"))
    work.execute("ROLLBACK")
    other.execute("BEGIN")
    other.wf_pending()
    work.wf_start("job")
    snapshot = code_of(lambda: other.wf_start("job"))
    other.execute("ROLLBACK")
    if sys.version_info >= (3, 11):
        assert (readonly, busy, snapshot) == (8, 5, 517)


def test_the_hooks_of_the_application_stay_in_place(db):
    authorised, progressed, traced = [], [], []
    db.set_authorizer(lambda *arguments: authorised.append(arguments) or sqlite3.SQLITE_OK)
    db.set_progress_handler(lambda: progressed.append(1) and None, 1)
    db.set_trace_callback(traced.append)
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    db.wf_complete(token)
    for seen in (authorised, progressed, traced):
        seen.clear()
    db.rows("SELECT 'mine'")
    assert authorised and progressed and traced == ["SELECT 'mine'"]


def test_a_call_that_fails_half_way_leaves_nothing_of_it_in_a_transaction_of_the_application(db):
    """Its large output is written before the row of the workflow, which a trigger refuses."""
    db.wf_start("job", id="w1")
    db.execute("CREATE TABLE app(v)")
    db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON _wf_workflow BEGIN SELECT raise(ABORT, 'no such luck'); END")
    db.execute("BEGIN")
    db.execute("INSERT INTO app VALUES(1)")
    with pytest.raises(Exception, match="no such luck"):
        db.wf_complete("w1", "x" * 3000)
    db.execute("COMMIT")
    assert (db.column("SELECT v FROM app"), db.rows("SELECT * FROM _wf_large"), db.wf_status("w1"), db.wf_check()) == ([1], [], "pending", None)
