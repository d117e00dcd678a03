"""wf_clock, wf_init and wf_version."""

import sqlite3
import time
from datetime import datetime, timezone

import pytest
from support import BASE, json_time, sql_time, wf_error


def seconds(text):
    return datetime.strptime(text + "+0000", "%Y-%m-%d %H:%M:%S.%f%z").timestamp()


# wf_clock


def test_the_clock_is_the_time_of_day_in_utc(db):
    before = time.time()
    shown = seconds(db.wf_clock())
    assert before - 0.002 <= shown <= time.time() + 0.002


def test_the_clock_runs(db):
    first = db.wf_clock()
    time.sleep(0.01)
    assert 0.005 < seconds(db.wf_clock()) - seconds(first) < 5


@pytest.mark.parametrize("moment", [BASE, float(BASE), json_time(0), "2027-01-15 08:00:00"])
def test_with_a_time_it_stands_still_there(db, moment):
    assert db.wf_clock(moment) == sql_time(0)
    time.sleep(0.01)
    assert [db.wf_clock(), db.wf_clock()] == [sql_time(0)] * 2
    id = db.wf_start("job")
    assert db.workflow(id)["created_at"] == sql_time(0)


def test_until_the_next_call(db):
    db.wf_clock(BASE)
    assert db.wf_clock(BASE + 5) == sql_time(5)
    assert db.wf_clock(BASE - 5) == sql_time(-5)
    assert db.wf_clock() == sql_time(-5)


def test_with_null_it_is_real_again(db):
    db.wf_clock(BASE)
    shown = db.wf_clock(None)
    assert abs(seconds(shown) - time.time()) < 5
    assert abs(seconds(db.wf_clock()) - time.time()) < 5


def test_it_belongs_to_the_connection(db, connect):
    db.wf_clock(BASE)
    other = connect()
    assert other.wf_clock() != sql_time(0)
    other.wf_clock(BASE + 7)
    assert (db.wf_clock(), other.wf_clock()) == (sql_time(0), sql_time(7))


def test_it_writes_nothing(db):
    db.wf_clock(BASE)
    assert db.rows("SELECT * FROM sqlite_master") == []


def test_now_goes_before_it(db):
    db.wf_clock(BASE)
    db.wf_start("job", id="w1", now=BASE + 9)
    assert db.workflow()["created_at"] == sql_time(9)


def test_tables_show_what_is_ready_at_its_time(db):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    assert db.value("SELECT ready FROM wf_pending") == 0
    db.at(60)
    assert db.value("SELECT ready FROM wf_pending") == 1


@pytest.mark.parametrize(
    "schema, use",
    [
        ("CREATE VIEW v AS SELECT wf_clock(0)", "SELECT * FROM v"),
        ("CREATE TABLE v(n); CREATE TRIGGER t AFTER INSERT ON v BEGIN SELECT wf_clock(0); END", "INSERT INTO v VALUES(1)"),
    ],
)
def test_it_is_not_for_views_and_triggers(db, schema, use):
    db.executescript(schema)
    with pytest.raises(sqlite3.OperationalError, match="unsafe use of wf_clock"):
        db.rows(use)
    assert db.wf_clock() > "2020"


# wf_init


def test_init_creates_the_schema_and_returns_its_version(db):
    assert db.rows("SELECT * FROM sqlite_master") == []
    assert db.wf_init() == 1
    tables = db.column("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert "_wf_workflow" in tables
    assert all(name.startswith("_wf_") for name in tables)


def test_init_is_implicit_at_the_first_write(db, connect):
    db.wf_init()
    schema = db.rows("SELECT name, sql FROM sqlite_master ORDER BY name")
    other = connect(":memory:")
    other.wf_start("job")
    assert other.rows("SELECT name, sql FROM sqlite_master ORDER BY name") == schema


def test_init_again_changes_nothing(db):
    db.wf_start("job", id="w1")
    before = db.rows("SELECT * FROM sqlite_master"), db.everything()
    assert db.wf_init() == 1
    assert (db.rows("SELECT * FROM sqlite_master"), db.everything()) == before


def test_the_base_tables_are_read_by_any_sqlite_without_the_extension(db, tmp_path):
    token = db.running()["token"]
    db.wf_step(token, "a", '{"n":1}')
    plain = sqlite3.connect(str(tmp_path / "test.db"))
    assert plain.execute("SELECT id, status FROM _wf_workflow").fetchall() == [("w1", "running")]
    assert plain.execute("SELECT name, output FROM _wf_step").fetchall() == [("a", '{"n":1}')]
    assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    plain.close()


def test_no_schema_object_needs_the_extension(db):
    db.wf_init()
    assert {kind for (kind,) in db.rows("SELECT DISTINCT type FROM sqlite_master")} <= {"table", "index"}
    assert db.rows("SELECT name FROM sqlite_master WHERE sql LIKE '%VIRTUAL%'") == []


# wf_version


def test_version(db):
    assert db.wf_version() == "0.1.0"


def test_what_only_reads_works_on_a_read_only_file(db, connect, tmp_path):
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    other = connect("file:%s?mode=ro" % (tmp_path / "test.db"), uri=True)
    assert other.wf_status("w1") == "running"
    assert other.wf_step("w1", "a") == "1"
    assert other.wf_pending() == 1
    assert other.rows("SELECT id FROM wf_workflows") == [("w1",)]
    with wf_error("WF_LEASED"):
        other.wf_step("w1", "b")
