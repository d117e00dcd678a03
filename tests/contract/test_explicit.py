"""wf_config('clock', 'explicit'): nothing of the machine decides anything. Each test is one way in which nodes of a cluster were seen to differ, or could."""

import json
import sqlite3

import pytest

from support import BASE, sql_time, wf_error

NOW = sql_time(5)


@pytest.fixture
def explicit(db):
    db.wf_start("job", id="w1", now=BASE)
    db.wf_start("job", id="w2", now=BASE)
    db.token = db.claim(now=BASE)["token"]
    db.execute("CREATE TABLE app(v)")
    db.wf_config("clock", "explicit")
    return db


LOOKS = {
    "ready": "SELECT wf_ready()",
    "clock": "SELECT wf_clock()",
    "export": "SELECT wf_export('w1')",
    "pending": "SELECT count(*) FROM wf_pending",
    "queues": "SELECT count(*) FROM wf_queues",
    "in doubt": "SELECT count(*) FROM wf_in_doubt",
    "stats": "SELECT max(max) FROM wf_stats",
    "doctor": "SELECT count(*) FROM wf_doctor",
}
WITH_TIME = {
    "ready": "SELECT wf_ready(NULL, '{\"now\": %d}')" % (BASE + 5),
    "clock": "SELECT wf_clock('%s')" % NOW,
    "export": "SELECT wf_export('w1', '{\"now\": %d}')" % (BASE + 5),
    "pending": "SELECT group_concat(reason) FROM wf_pending WHERE now = '%s'" % NOW,
    "queues": "SELECT depth, running FROM wf_queues WHERE now = %d" % (BASE + 5),
    "in doubt": "SELECT count(*) FROM wf_in_doubt WHERE now = '%s'" % NOW,
    "stats": "SELECT max(max) FROM wf_stats WHERE now = '%s'" % NOW,
    "doctor": "SELECT value FROM wf_doctor WHERE name = 'clock' AND now = '%s'" % NOW,
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_at_the_clock_on_a_connection_that_can_write_is_an_error(explicit, look):
    with wf_error("WF_INVALID", "now"):
        explicit.rows(LOOKS[look])
    # The clock of this connection is no better: a machine that has restarted has it no more.
    explicit.wf_clock(BASE)
    with wf_error("WF_INVALID", "now"):
        explicit.rows(LOOKS[look])
    explicit.execute("PRAGMA query_only = 1")
    assert len(explicit.rows(LOOKS[look])) == 1


@pytest.mark.parametrize("look", LOOKS)
def test_a_connection_that_only_reads_may_look_at_the_clock(explicit, connect, tmp_path, look):
    reader = connect("file:%s?mode=ro" % (tmp_path / "test.db"), uri=True)
    assert len(reader.rows(LOOKS[look])) == 1


@pytest.mark.parametrize("look", WITH_TIME)
def test_with_the_time_given_every_machine_sees_the_same(explicit, look):
    before = explicit.rows(WITH_TIME[look])
    explicit.execute("PRAGMA query_only = 1")
    for clock in (BASE - 1000, BASE + 5000):
        explicit.wf_clock(clock)
        assert explicit.rows(WITH_TIME[look]) == before


def test_the_time_of_a_table_may_be_a_parameter_a_column_or_an_argument(explicit):
    expected = [("w1", 0), ("w2", 1)]
    assert explicit.rows("SELECT id, ready FROM wf_pending WHERE now = ? ORDER BY id", NOW) == expected
    assert explicit.rows("SELECT id, ready FROM (SELECT ? AS t) CROSS JOIN wf_pending AS p ON p.now = t ORDER BY id", BASE + 5) == expected
    assert explicit.rows("SELECT id, ready FROM wf_pending WHERE now = ? AND status IN ('running', 'pending') ORDER BY created_at, seq LIMIT 2", NOW) == expected
    late = sql_time(500)
    assert explicit.rows("SELECT id, ready FROM wf_pending WHERE now = ? ORDER BY id", late) == [("w1", 1), ("w2", 1)]
    assert explicit.rows("SELECT * FROM wf_queues(?)", late) == explicit.rows("SELECT * FROM wf_queues WHERE now = ?", late)
    with wf_error("WF_INVALID", "now"):
        explicit.rows("SELECT id FROM wf_pending WHERE now = 'soon'")


def test_the_time_of_a_table_holds_with_any_clock(db):
    db.at(0)
    db.running(lease=10)
    assert db.value("SELECT ready FROM wf_pending") == 0
    assert db.value("SELECT ready FROM wf_pending WHERE now = ?", sql_time(20)) == 1


def test_the_guard_decides_without_a_clock(explicit):
    # Long past the lease and before its time: the same, and no error.
    for clock in (BASE - 5000, BASE + 5000):
        explicit.wf_clock(clock)
        assert explicit.wf_step(explicit.token, "a") is None
        assert explicit.wf_step("w2", "a") is None
    assert explicit.wf_step(explicit.token, "a", 1, now=BASE + 5) == 1
    assert explicit.wf_step(explicit.token, "a") == 1


def test_wf_wait_on_a_connection_that_can_write_is_an_error_at_once(explicit, connect, tmp_path):
    with wf_error("WF_CONTEXT", "only reads"):
        explicit.wf_wait(60)
    explicit.wf_start("job", id="long due", now="2001-01-01")
    assert connect("file:%s?mode=ro" % (tmp_path / "test.db"), uri=True).wf_wait(0) == 1
    explicit.execute("PRAGMA query_only = 1")
    assert explicit.wf_wait(0) == 1


def test_the_mode_is_left_by_a_word_and_by_nothing_else(explicit):
    with wf_error("WF_INVALID", "system"):
        explicit.wf_config("clock", None)
    assert explicit.wf_config("clock") == "explicit"
    assert explicit.wf_config("clock", "system") == "system"
    assert explicit.wf_ready() >= 0


# Scripted workflows

UNSTEADY = {
    "random": "INSERT INTO app VALUES(random())",
    "randomblob": "INSERT INTO app VALUES(hex(randomblob(4)))",
    "current_timestamp": "INSERT INTO app VALUES(CURRENT_TIMESTAMP)",
    "current_date": "INSERT INTO app SELECT CURRENT_DATE",
    "datetime": "INSERT INTO app VALUES(datetime('now'))",
    "datetime of nothing": "INSERT INTO app VALUES(datetime())",
    "strftime of now": "INSERT INTO app VALUES(strftime('%f', 'NOW'))",
    "strftime of nothing": "INSERT INTO app VALUES(strftime('%s'))",
    "julianday": "UPDATE app SET v = julianday('now') - v",
    "local time": "INSERT INTO app VALUES(datetime(:now, 'localtime'))",
    "order by random": "INSERT INTO app SELECT v FROM app ORDER BY random() LIMIT 1",
    "total changes": "INSERT INTO app VALUES(total_changes())",
    "version": "INSERT INTO app VALUES(sqlite_version())",
    "of the application": "INSERT INTO app VALUES(dice())",
}
STEADY = [
    "INSERT INTO app VALUES(datetime(:now))",
    "INSERT INTO app VALUES(strftime('%s', :now, '+1 day'))",
    "INSERT INTO app SELECT count(*) + max(abs(length(v))) FROM app",
    "INSERT INTO app SELECT json_group_array(upper(substr(v, 1, 2))) FROM app",
    "INSERT INTO app SELECT row_number() OVER (ORDER BY v) FROM app",
    "INSERT INTO app VALUES(coalesce(nullif(printf('%d', 1), 'now'), typeof('now')))",
    "INSERT INTO app SELECT wf_start('job', NULL, json_object('id', 'of-' || :id, 'now', :now))",
    "INSERT INTO app VALUES(even())",
]


def define(db, sql, **more):
    return db.wf_define("flow", {"steps": [{"name": "a", "sql": sql}], **more}, now=BASE)


@pytest.mark.parametrize("what", UNSTEADY)
def test_a_definition_that_may_differ_from_machine_to_machine_is_refused(explicit, what):
    explicit.create_function("dice", 0, lambda: 4)
    with wf_error("WF_INVALID", "steps[0].sql", ":now"):
        define(explicit, UNSTEADY[what])
    explicit.wf_config("clock", "system")
    assert define(explicit, UNSTEADY[what]) == 1


@pytest.mark.parametrize("sql", STEADY)
def test_one_that_does_not_is_taken(explicit, sql):
    explicit.create_function("even", 0, lambda: 4, deterministic=True)
    assert define(explicit, sql) == 1
    explicit.wf_start("flow", None, id="f", now=BASE)
    assert explicit.wf_run(now=BASE) == 1
    assert explicit.wf_status("f") == "completed"


def test_the_definition_may_say_that_a_function_is_deterministic(explicit):
    explicit.create_function("dice", 0, lambda: 4)
    for names in ("dice", ["other", "DICE"]):
        assert define(explicit, "INSERT INTO app VALUES(dice())", deterministic=names) >= 1
    with wf_error("WF_INVALID", "random()"):
        define(explicit, "INSERT INTO app VALUES(random() + dice())", deterministic=["dice"])
    with wf_error("WF_INVALID", "deterministic"):
        define(explicit, "INSERT INTO app VALUES(1)", deterministic=[1])


def test_what_was_defined_before_or_has_changed_since_is_not_run(db):
    db.execute("CREATE TABLE app(v, at)")
    define(db, "INSERT INTO app(v) VALUES(1)")
    db.wf_define("old", {"steps": [{"name": "a", "sql": "INSERT INTO app(v) VALUES(random())"}]}, now=BASE)
    db.wf_config("clock", "explicit")
    db.wf_start("old", None, id="o", now=BASE)
    assert db.wf_run(now=BASE) == 0
    assert "random()" in db.value("SELECT reason FROM wf_pending WHERE id = 'o' AND now = ?", sql_time(0))
    # A trigger of the application draws: the statement is the same.
    db.execute("CREATE TRIGGER draws AFTER INSERT ON app BEGIN UPDATE app SET at = datetime('now') WHERE rowid = NEW.rowid; END")
    db.wf_start("flow", None, id="f", now=BASE)
    assert db.wf_run(id="f", now=BASE) == 0
    assert "datetime(:now)" in db.value("SELECT reason FROM wf_pending WHERE id = 'f' AND now = ?", sql_time(0))
    assert db.rows("SELECT * FROM app") == []
    db.execute("DROP TRIGGER draws")
    assert db.wf_run(id="f", now=BASE + 60) == 1
    # So does the default of a column.
    db.execute("DROP TABLE app")
    db.execute("CREATE TABLE app(v, at DEFAULT CURRENT_TIMESTAMP)")
    db.wf_start("flow", None, id="g", now=BASE)
    assert db.wf_run(id="g", now=BASE) == 0


def test_how_long_a_run_takes_decides_nothing(explicit):
    define(explicit, "INSERT INTO app VALUES(1)")
    with wf_error("WF_INVALID", "budget"):
        explicit.wf_run(budget="1s", now=BASE)
    # A machine that is slow takes as many steps of each workflow in a row as one that is fast, so that they come in the same order.
    steps = [{"name": "s%d" % n, "sql": "INSERT INTO app VALUES(:id)"} for n in range(40)]
    orders = []
    for slow in (False, True):
        db = explicit
        db.execute("DELETE FROM app")
        db.wf_define("long", {"steps": steps}, now=BASE)
        ids = ["%s-%s" % (slow, n) for n in range(3)]
        for id in ids:
            db.wf_start("long", None, id=id, now=BASE)
        db.set_progress_handler((lambda: spend(0.001)) if slow else None, 100)
        assert db.wf_run(now=BASE) == 120
        db.set_progress_handler(None, 0)
        orders.append([id.split("-")[1] for id in db.column("SELECT v FROM app ORDER BY rowid")])
    assert orders[0] == orders[1]


def spend(seconds):
    import time

    time.sleep(seconds)
    return 0


# Time zones

def test_a_named_time_zone_is_refused_and_an_offset_is_not(explicit):
    for zone in ("Europe/Berlin", "Nowhere/Atall"):
        with wf_error("WF_INVALID", zone, "+02:00"):
            explicit.wf_schedule("s", "0 9 * * *", "job", None, timezone=zone, now=BASE)
    for zone in ("+02:00", "UTC", "-0330"):
        explicit.wf_schedule("s", "0 9 * * *", "job", None, timezone=zone, now=BASE)
    assert explicit.value("SELECT count(*) FROM wf_schedules") == 1


def test_a_schedule_in_a_named_zone_from_before_the_mode_does_not_fire(db):
    db.wf_schedule("s", "0 9 * * *", "job", None, timezone="Europe/Berlin", now=BASE)
    db.wf_config("clock", "explicit")
    assert db.wf_claim(now=BASE + 2 * 86400) is None
    assert "Europe/Berlin" in db.value("SELECT error FROM wf_schedules WHERE name = 's'")
    with wf_error("WF_INVALID", "Europe/Berlin"):
        db.wf_trigger("s", None, now=BASE + 86400, **{"from": sql_time(0)})
    db.wf_config("clock", "system")
    assert db.wf_claim(now=BASE + 4 * 86400) is not None


# Numbers

@pytest.mark.parametrize(
    "backoff, waits",
    [({"initial": 1, "factor": 2, "max": 300}, [1, 2, 4, 8, 16]),
     ({"initial": "1s", "factor": 1.5, "max": "4s"}, [1, 1.5, 2.25, 3.375, 4]),
     ({"initial": "3ms", "factor": 1, "max": "1h"}, [0.003, 0.003]),
     ({"initial": 0.001, "factor": 1000, "max": "3650d"}, [0.001, 1, 1000, 1000000, 3650 * 86400]),
     ({"initial": 10, "factor": 2, "max": 3}, [3, 3]),
     ({"initial": 0, "factor": 9, "max": 3}, [0, 0])],
)
def test_a_backoff_is_computed_in_whole_numbers(db, backoff, waits):
    db.wf_start("job", id="w1", backoff=backoff, now=BASE)
    now = BASE
    for wait in waits:
        token = db.claim(now=now)["token"]
        assert db.wf_fail(token, "no", now=now) == "pending"
        assert db.workflow()["due_at"] == sql_time(now - BASE + wait)
        now += wait


def test_jitter_shortens_by_what_id_and_failure_say(db):
    waits = set()
    for n in range(20):
        db.wf_start("job", id="w%d" % n, backoff={"initial": 100, "jitter": 0.5}, now=BASE)
        db.wf_fail(db.claim(now=BASE)["token"], "no", now=BASE)
        waits.add(db.value("SELECT (julianday(due_at) - julianday(?)) * 86400 FROM wf_workflows WHERE id = ?", sql_time(0), "w%d" % n))
    assert len(waits) > 10 and 49.9 < min(waits) and max(waits) < 100.1
