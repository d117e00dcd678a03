"""docs/calls-in-queries.md: how often SQLite makes a call, in the forms that the page warns of and in those that it advises."""

import re
import sqlite3
from pathlib import Path

import pytest

import capi

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "calls-in-queries.md").read_text()
LIMITED = """wf_claim('default', 'w', '{"limit": 1}')"""
KEYED = """wf_claim('default', 'w', '{"key": "w"}')"""


@pytest.fixture
def ready(db):
    for n in range(8):
        db.wf_start("job", id=f"job-{n}")
    db.execute("CREATE TABLE queue(name TEXT)")
    db.execute("INSERT INTO queue VALUES('default'), ('other')")
    return db


def claimed(db):
    return db.value("SELECT count(*) FROM wf_workflows WHERE status = 'running'")


def calls(db, query):
    db.rows(query)
    return claimed(db)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT json_extract(c, '$.id') FROM (SELECT wf_claim() AS c) WHERE c IS NOT NULL",
        "WITH x AS (SELECT wf_claim() AS c) SELECT json_extract(c, '$.id') FROM x WHERE c IS NOT NULL",
        "SELECT json_extract(c, '$.id'), json_extract(c, '$.token') FROM (SELECT wf_claim(name) AS c FROM queue)",
        "SELECT json_extract(c, '$.id'), json_extract(c, '$.token') FROM (SELECT wf_claim(name) AS c FROM queue LIMIT 1)",
        "SELECT wf_claim() AS c FROM queue WHERE name = 'default' AND c IS NOT NULL",
        "SELECT CASE WHEN wf_claim() IS NULL THEN 1 ELSE wf_claim() END",
        "SELECT name FROM queue WHERE wf_claim() IS NOT NULL",
        "SELECT name FROM queue ORDER BY wf_claim() LIMIT 1",
    ],
)
def test_the_forms_that_the_page_warns_of_claim_two(ready, query):
    assert calls(ready, query) == 2


def test_a_call_that_is_grouped_by_is_made_once_or_twice(ready):
    assert calls(ready, "SELECT wf_claim() AS c FROM queue WHERE name = 'default' GROUP BY c") in (1, 2)


@pytest.mark.parametrize("query", ["SELECT EXISTS (SELECT wf_claim())", "SELECT count(*) FROM (SELECT wf_claim() FROM queue)"])
def test_a_call_whose_value_nobody_needs_is_not_made(ready, query):
    assert calls(ready, query) == 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT wf_claim()",
        f"SELECT json_extract(c, '$.id') FROM (SELECT {KEYED} AS c) WHERE c IS NOT NULL",
        f"SELECT json_extract({KEYED}, '$.id'), json_extract({KEYED}, '$.token')",
        "WITH x AS MATERIALIZED (SELECT wf_claim() AS c) SELECT json_extract(c, '$.id') FROM x WHERE c IS NOT NULL",
        "WITH x AS MATERIALIZED (SELECT wf_claim(name) AS c FROM queue WHERE name = 'default')"
        " SELECT json_extract(c, '$.id'), json_extract(c, '$.token') FROM x WHERE c IS NOT NULL",
        "SELECT json_extract(c, '$.id') FROM (SELECT wf_claim() AS c LIMIT -1 OFFSET 0) WHERE c IS NOT NULL",
        "SELECT json_extract(c, '$.id'), json_extract(c, '$.token')"
        " FROM (SELECT wf_claim(name) AS c FROM queue LIMIT -1 OFFSET 0) WHERE c IS NOT NULL",
        f"SELECT json_extract(value, '$.id'), json_extract(value, '$.token') FROM json_each({LIMITED}) WHERE value IS NOT NULL",
        "SELECT name FROM queue WHERE (SELECT wf_claim()) IS NOT NULL",
        "SELECT name, (SELECT wf_claim()), (SELECT 1) FROM queue WHERE name > ''",
    ],
)
def test_the_forms_that_the_page_advises_claim_one(ready, query):
    if "MATERIALIZED" in query and sqlite3.sqlite_version_info < (3, 35):
        with pytest.raises(sqlite3.OperationalError, match="syntax error"):
            ready.rows(query)
        return
    assert calls(ready, query) == 1


def test_the_id_of_one_claim_comes_with_the_token_of_another(ready):
    id, token = ready.rows("SELECT json_extract(c, '$.id'), json_extract(c, '$.token') FROM (SELECT wf_claim(name) AS c FROM queue LIMIT 1)")[0]
    ready.wf_complete(token)
    assert ready.wf_status(id) == "running"
    assert ready.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == 1


INSERTS = {
    "violates": "INSERT INTO o VALUES (1, wf_start('ship'))",
    "or ignore": "INSERT OR IGNORE INTO o VALUES (1, wf_start('ship'))",
    "do nothing": "INSERT INTO o VALUES (1, wf_start('ship')) ON CONFLICT DO NOTHING",
    "do update": "INSERT INTO o VALUES (1, wf_start('ship')) ON CONFLICT(id) DO UPDATE SET workflow = excluded.workflow",
    "trigger": "INSERT INTO t VALUES (1)",
    "trigger ignored": "INSERT OR IGNORE INTO t VALUES (1)",
    "trigger, second row": "INSERT INTO t VALUES (2), (1)",
}


@pytest.mark.parametrize("transaction", [False, True], ids=["autocommit", "transaction"])
@pytest.mark.parametrize("statement", INSERTS)
def test_a_row_that_cannot_be_written_leaves_the_workflow_where_the_page_says_so(db, statement, transaction):
    db.wf_init()
    db.execute("CREATE TABLE o(id INTEGER PRIMARY KEY, workflow TEXT)")
    db.execute("INSERT INTO o VALUES(1, 'mine')")
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO t VALUES(1)")
    db.execute("CREATE TRIGGER ships AFTER INSERT ON t BEGIN SELECT wf_start('ship', NULL, json_object('id', new.id || '')); END")
    if transaction:
        db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(INSERTS[statement])
        failed = False
    except sqlite3.IntegrityError:
        failed = True
    if transaction:
        db.execute("COMMIT")
    assert failed == (statement in ("violates", "trigger", "trigger, second row"))
    stays = not statement.startswith("trigger") and (transaction or not failed)
    assert db.value("SELECT count(*) FROM wf_workflows") == stays


def test_a_savepoint_around_the_statement_undoes_the_start(db):
    db.wf_init()
    db.execute("CREATE TABLE o(id INTEGER PRIMARY KEY, workflow TEXT)")
    db.execute("INSERT INTO o VALUES(1, 'mine')")
    db.execute("BEGIN IMMEDIATE")
    db.execute("SAVEPOINT ordering")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(INSERTS["violates"])
    db.execute("ROLLBACK TO ordering")
    db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM wf_workflows") == 0


@pytest.mark.parametrize("call, claims", [("wf_claim()", 2), (KEYED, 1)])
def test_a_driver_that_resets_and_steps_again_makes_the_call_twice(ready, tmp_path, call, claims):
    """What PHP's query() and fetchArray() do."""
    c = capi.Db(tmp_path / "test.db").load()
    statement = c.prepare(f"SELECT {call}")
    assert capi.lib.sqlite3_step(statement) == capi.ROW
    assert capi.lib.sqlite3_reset(statement) == capi.OK
    assert capi.lib.sqlite3_step(statement) == capi.ROW
    assert capi.lib.sqlite3_finalize(statement) == capi.OK
    assert c.close() == capi.OK
    assert claimed(ready) == claims


def test_the_page_lists_the_calls_that_repeat(db):
    """A function that becomes repeatable, or stops being so, has to appear on the page."""
    names = db.column("SELECT name FROM wf_functions WHERE idempotent NOT LIKE 'yes%'")
    assert names == re.findall(r"^-- => (wf_\w+)\|", PAGE, re.MULTILINE)
