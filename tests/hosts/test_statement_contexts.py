"""Calls from inside other statements: which work there, which refuse, and what a failure undoes."""

import json
import re
import sqlite3

import pytest

from hostlib import one, open_plain, stored
from support import wf_error

# Where an expression can stand inside a writing statement. {e} is the call.
CONTEXTS = {
    "insert_values": ["INSERT INTO app(v) VALUES ({e})"],
    "insert_select": ["INSERT INTO app(v) SELECT {e} FROM source WHERE k = 1"],
    "insert_two_values": ["INSERT INTO app(v) VALUES ('x'), ({e})"],
    "replace": ["REPLACE INTO app(k, v) VALUES (1, {e})"],
    "upsert": ["INSERT INTO app(k, v) VALUES (1, 0) ON CONFLICT(k) DO UPDATE SET v = {e}"],
    "update_set": ["UPDATE app SET v = {e} WHERE k = 1"],
    "update_where": ["UPDATE app SET v = 'w' WHERE k = 1 AND {e} IS NOT NULL"],
    "delete_where": ["DELETE FROM app WHERE k = 1 AND {e} IS NOT NULL"],
    "returning": ["UPDATE app SET v = 'r' WHERE k = 1 RETURNING {e}"],
    "insert_returning": ["INSERT INTO app(v) VALUES ('r') RETURNING {e}"],
    "trigger_insert": [
        "CREATE TRIGGER tr AFTER INSERT ON source BEGIN INSERT INTO app(v) VALUES ({e}); END",
        "INSERT INTO source(k) VALUES (100)",
    ],
    "trigger_select": [
        "CREATE TRIGGER tr BEFORE UPDATE ON source BEGIN SELECT {e}; END",
        "UPDATE source SET k = 200 WHERE k = 1",
    ],
    "trigger_when": [
        "CREATE TRIGGER tr AFTER DELETE ON source WHEN {e} IS NOT NULL BEGIN INSERT INTO app(v) VALUES (9); END",
        "DELETE FROM source WHERE k = 1",
    ],
    "instead_of_trigger": [
        "CREATE VIEW vw AS SELECT k FROM source",
        "CREATE TRIGGER tr INSTEAD OF INSERT ON vw BEGIN SELECT {e}; END",
        "INSERT INTO vw VALUES (1)",
    ],
}

# What must work there: the call and what is true afterwards. {t} is a current token of workflow 'w', 'p' is pending.
WORKING = {
    "start": ("wf_start('job', '[1]', '{\"id\":\"s\"}')", "SELECT wf_status('s') = 'pending'"),
    "start_again": ("wf_start('job', '1', '{\"id\":\"p\"}')", "SELECT count(*) = 1 FROM wf_workflows WHERE id = 'p'"),
    "step": ("wf_step({t}, 'a', '{\"x\":1}')", "SELECT wf_step('w', 'a') = '{\"x\":1}'"),
    "step_by_id": ("wf_step('p', 'a', 5)", "SELECT wf_step('p', 'a') = 5"),
    "step_again": ("wf_step({t}, 'old', 'ignored')", "SELECT wf_step('w', 'old') = 0"),
    "step_large": (
        "wf_step({t}, 'big', printf('\"%*s\"', 50000, 'x'))",
        "SELECT length(wf_step('w', 'big')) = 50002",
    ),
    "guard": ("coalesce(wf_step({t}, 'old'), 1)", "SELECT wf_step('w', 'old') = 0"),
    "complete": ("wf_complete({t}, 7)", "SELECT wf_status('w') = 'completed' AND wf_result('w') = 7"),
    "complete_large": (
        "wf_complete({t}, printf('\"%*s\"', 50000, 'x'))",
        "SELECT wf_status('w') = 'completed' AND length(wf_result('w')) = 50002",
    ),
    "complete_by_id": ("wf_complete('p', 7)", "SELECT wf_status('p') = 'completed' AND wf_result('p') = 7"),
    "fail": (
        "wf_fail({t}, 'no')",
        "SELECT wf_status('w') = 'pending' AND count(*) = 1 FROM wf_failures WHERE workflow_id = 'w'",
    ),
    "fail_for_good": (
        "wf_fail({t}, 'no', '{\"retry\":false}')",
        "SELECT wf_status('w') = 'failed' AND wf_error('w') = '\"no\"'",
    ),
    "fail_step": (
        "wf_fail({t}, 'no', '{\"step\":\"a\"}')",
        "SELECT status = 'failed' AND attempts = 1 FROM wf_steps WHERE workflow_id = 'w' AND name = 'a'",
    ),
    "heartbeat": ("wf_heartbeat({t}, '1h')", "SELECT due_at > datetime('now', '+50 minutes') FROM wf_workflows WHERE id='w'"),
    "release": ("wf_release({t})", "SELECT wf_status('w') = 'pending'"),
    "readers": ("wf_status('w') || wf_pending() || wf_key('w', 'a')", "SELECT wf_status('w') = 'running'"),
}

REFUSING = {
    "claim": "wf_claim()",
    "claim_by_id": "wf_claim(NULL, 'x', '{\"id\":\"p\"}')",
    "init": "wf_init()",
    "recover": "wf_recover()",
    "recover_worker": "wf_recover('{\"worker\":\"w1\"}')",
    "recover_lost": "wf_recover('{\"lost\":true}')",
}

needs_returning = pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 35), reason="RETURNING is 3.35")


def contexts():
    return [pytest.param(c, id=c, marks=needs_returning if "returning" in c else ()) for c in CONTEXTS]


@pytest.fixture
def ready(db):
    """'w' is claimed and has step 'old'; 'p' is pending; app has row 1; source has rows 1 to 3."""
    db.executescript("CREATE TABLE source(k INTEGER PRIMARY KEY); INSERT INTO source VALUES (1),(2),(3);")
    db.execute("INSERT INTO app(k, v) VALUES (1, 'one')")
    db.wf_start("job", 1, '{"id":"w"}')
    return db


@pytest.fixture
def token(ready):
    text = ready.claim(id="w")["token"]
    ready.wf_step(text, "old", 0)
    ready.wf_start("job", 1, '{"id":"p"}')
    return "'" + text + "'"


def run(db, context, expression):
    for sql in CONTEXTS[context][:-1]:
        db.execute(sql.format(e=expression))
    return db.execute(CONTEXTS[context][-1].format(e=expression)).fetchall()


@pytest.mark.parametrize("explicit", [False, True], ids=["autocommit", "transaction"])
@pytest.mark.parametrize("context", contexts())
@pytest.mark.parametrize("what", WORKING)
def test_works_inside_a_writing_statement(ready, token, path, context, what, explicit):
    call, check = WORKING[what]
    if explicit:
        ready.execute("BEGIN")
    run(ready, context, call.replace("{t}", token))
    assert ready.in_transaction == explicit
    if explicit:
        ready.execute("COMMIT")
    assert ready.value(check) == 1
    other = open_plain(path)
    other.execute("BEGIN IMMEDIATE")
    other.close()


@pytest.mark.parametrize("context", contexts())
@pytest.mark.parametrize("what", WORKING)
def test_undone_with_the_transaction_around_the_statement(ready, token, context, what):
    before = stored(ready)
    ready.execute("BEGIN")
    run(ready, context, WORKING[what][0].replace("{t}", token))
    ready.execute("ROLLBACK")
    assert stored(ready) == before


@pytest.mark.parametrize("explicit", [False, True], ids=["autocommit", "transaction"])
@pytest.mark.parametrize("context", contexts())
@pytest.mark.parametrize("what", REFUSING)
def test_refused_inside_a_writing_statement(ready, token, context, what, explicit):
    before = stored(ready)
    if explicit:
        ready.execute("BEGIN")
    with wf_error("WF_CONTEXT"):
        run(ready, context, REFUSING[what])
    assert ready.in_transaction == explicit
    assert stored(ready) == before
    if explicit:
        ready.execute("COMMIT")
    assert ready.claim()["id"] == "p"


@pytest.mark.parametrize("what", ["step", "complete", "fail", "heartbeat", "release", "start"])
def test_undone_when_the_statement_fails_afterwards_in_autocommit(ready, token, what):
    """The second row breaks a constraint: the whole statement, the call included, is undone."""
    before = stored(ready)
    call = WORKING[what][0].replace("{t}", token)
    with pytest.raises(sqlite3.IntegrityError):
        ready.execute(f"INSERT INTO app(k, v) VALUES (50, {call}), (1, 'there already')")
    assert not ready.in_transaction
    assert stored(ready) == before
    assert ready.value("SELECT count(*) FROM app") == 1


@pytest.mark.parametrize("explicit", [False, True], ids=["autocommit", "transaction"])
@pytest.mark.parametrize("context", contexts())
def test_an_error_inside_a_statement_changes_nothing(ready, token, context, explicit):
    before = stored(ready)
    if explicit:
        ready.execute("BEGIN")
    with wf_error("WF_CONFLICT"):
        run(ready, context, "wf_start('other', 1, '{\"id\":\"p\"}')")
    assert ready.in_transaction == explicit
    assert stored(ready) == before
    if explicit:
        ready.execute("COMMIT")


def test_the_error_code_of_a_conflict_survives_the_statement_around_it(ready, token):
    with pytest.raises(sqlite3.IntegrityError) as info:
        ready.execute("INSERT INTO app(v) VALUES (wf_start('other', 1, '{\"id\":\"p\"}'))")
    assert info.value.sqlite_errorname == "SQLITE_CONSTRAINT_FUNCTION"


@pytest.mark.parametrize("context", ["insert_values", "trigger_insert", "trigger_select", "update_set"])
def test_first_write_in_a_file_without_the_schema_says_what_to_do(db, context):
    db.executescript("CREATE TABLE source(k INTEGER PRIMARY KEY); INSERT INTO source VALUES (1); INSERT INTO app VALUES (1, 1)")
    with wf_error("WF_CONTEXT") as caught:
        run(db, context, "wf_start('job')")
    assert "wf_init" in caught.text
    assert not db.in_transaction
    assert stored(db) == {}
    db.wf_init()
    db.execute("DROP TRIGGER IF EXISTS tr")
    run(db, context, "wf_start('job')")
    assert db.wf_pending() == 1


def test_trigger_on_each_row_starts_one_workflow_a_row(ready):
    ready.execute(
        "CREATE TRIGGER outbox AFTER INSERT ON source BEGIN"
        " SELECT wf_start('mail', json_object('k', NEW.k), json_object('id', 'mail-' || NEW.k)); END"
    )
    ready.execute("INSERT INTO source SELECT value FROM json_each('[11,12,13]')")
    found = ready.execute("SELECT id, input FROM wf_workflows WHERE name = 'mail' ORDER BY id").fetchall()
    assert found == [(f"mail-{k}", f'{{"k":{k}}}') for k in (11, 12, 13)]
    with pytest.raises(sqlite3.IntegrityError):
        ready.execute("INSERT INTO source VALUES (14), (1)")
    assert ready.wf_status("mail-14") is None


def test_select_from_a_table_commits_row_by_row(ready, path):
    """Reading statements: each call is its own transaction, visible to others while the rows are still being read."""
    other = open_plain(path)
    rows = ready.execute("SELECT wf_start('row', k, json_object('id', 'r' || k)) FROM source ORDER BY k")
    assert rows.fetchone() == ("r1",)
    assert one(other, "SELECT count(*) FROM _wf_workflow WHERE id GLOB 'r[0-9]'") in (1, 2)
    assert len(rows.fetchall()) == 2
    assert one(other, "SELECT count(*) FROM _wf_workflow WHERE id GLOB 'r[0-9]'") == 3
    other.close()


def test_select_from_a_table_with_an_error_in_the_middle_keeps_the_rows_before(ready):
    ready.wf_start("row", "null", '{"id":"r3"}')
    with wf_error("WF_CONFLICT"):
        ready.execute("SELECT wf_start('row', k, json_object('id', 'r' || k)) FROM source ORDER BY k").fetchall()
    assert not ready.in_transaction
    assert [ready.value(f"SELECT wf_status('r{k}')") for k in (1, 2)] == ["pending", "pending"]


def test_claim_and_recover_work_in_a_reading_statement(ready, token):
    got = ready.execute("SELECT wf_claim() FROM source ORDER BY k").fetchall()
    assert json.loads(got[0][0])["id"] == "p"
    assert got[1:] == [(None,), (None,)]
    assert ready.value("SELECT wf_init() FROM source LIMIT 1") == 1
    assert json.loads(ready.value("SELECT wf_recover() FROM source LIMIT 1"))["leases_voided"] == 2


def test_reading_cursor_left_open_does_not_block_calls(ready, token):
    cursor = ready.execute("SELECT k FROM source")
    cursor.fetchone()
    assert ready.value(f"SELECT wf_step({token}, 'a', 1)") == 1
    assert ready.claim()["id"] == "p"
    assert ready.value(f"SELECT wf_complete({token})") == "completed"
    assert not ready.in_transaction
    assert cursor.fetchone() == (2,)


@needs_returning
def test_writing_cursor_left_open(ready, token):
    """A RETURNING cursor that was not read to its end is a writing statement in progress for every call."""
    cursor = ready.execute("UPDATE source SET k = k + 1000 RETURNING k")
    cursor.fetchone()
    assert ready.value(f"SELECT wf_step({token}, 'a', 1)") == 1
    assert ready.wf_start("job", id="s") == "s"
    with wf_error("WF_CONTEXT"):
        ready.claim()
    cursor.fetchall()
    assert not ready.in_transaction
    assert ready.wf_step("w", "a") == 1
    assert ready.claim()["id"] == "p"


def test_calls_inside_each_other(ready, token):
    """The do-and-record idiom in one expression, and a call whose argument is a call."""
    for _ in range(2):
        got = ready.value(f"SELECT coalesce(wf_step({token}, 'n'), wf_step({token}, 'n', json_array(wf_status('p'))))")
        assert got == '["pending"]'
    assert re.match("completed$", ready.value("SELECT wf_complete(wf_start('inner'))"))


def test_evaluated_twice_by_the_planner(ready, token):
    """SQLite may evaluate a function in a FROM query more than once per row; repeats change nothing."""
    for column, value in (
        (f"wf_step({token}, 'twice', '[1]')", "[1]"),
        (f"wf_fail({token}, 'once')", "pending"),
    ):
        got = ready.execute(f"SELECT v, v FROM (SELECT {column} AS v FROM source WHERE k = 1) WHERE v IS NOT 0").fetchall()
        assert got == [(value, value)]
    assert ready.value("SELECT count(*) FROM wf_failures WHERE workflow_id = 'w'") == 1
    second = ready.claim(id="w", now=4102444800)["token"]
    got = ready.execute(f"SELECT v FROM (SELECT wf_complete('{second}', 1) AS v FROM source) WHERE v > ''").fetchall()
    assert got == [("completed",)] * 3


def test_not_evaluated_when_sqlite_does_not_need_it(ready):
    before = stored(ready)
    ready.execute("EXPLAIN SELECT wf_start('job')").fetchall()
    ready.execute("EXPLAIN QUERY PLAN SELECT wf_claim()").fetchall()
    ready.execute("SELECT wf_start('job') LIMIT 0").fetchall()
    ready.execute("SELECT 1 FROM source WHERE 0 AND wf_claim() IS NULL").fetchall()
    assert stored(ready) == before
