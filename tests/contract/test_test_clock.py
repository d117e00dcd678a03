"""wf_config('test_clock'): one clock of the file, for tests with threads, pools and processes."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import BASE, extension_path, json_time, open_database, sql_time, wf_error

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def tested(db):
    assert db.wf_config("test_clock", BASE) == sql_time(0)
    return db


def move(db, offset):
    assert db.wf_config("test_clock", BASE + offset) == sql_time(offset)


# What it is


@pytest.mark.parametrize("moment", [BASE, float(BASE), json_time(0), "2027-01-15 08:00:00", "2027-01-15T09:00:00+01:00"])
def test_it_stands_still_at_a_time_for_every_connection(db, connect, moment):
    assert db.wf_config("test_clock") is None
    assert db.wf_config("test_clock", moment) == sql_time(0)
    other = connect()
    for connection in (db, other):
        assert (connection.wf_clock(), connection.wf_config("test_clock")) == (sql_time(0), sql_time(0))
    assert db.workflow(other.wf_start("job"))["created_at"] == sql_time(0)
    other.wf_config("test_clock", BASE + 60)
    assert db.wf_clock() == sql_time(60)
    assert db.workflow(db.wf_start("job", id="w2") and "w2")["created_at"] == sql_time(60)
    assert db.wf_check() is None


def test_another_process_goes_by_it(tested, tmp_path):
    code = ("import sys; sys.path.insert(0, %r); from support import open_database\n"
            "db = open_database(%r); print(db.wf_clock()); db.wf_start('job', id='w1')" % (str(TESTS), str(tmp_path / "test.db")))
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == sql_time(0)
    assert tested.workflow()["created_at"] == sql_time(0)


def test_now_comes_first_then_the_connections_clock_then_the_files(tested):
    created = lambda id: tested.workflow(id)["created_at"]
    tested.wf_start("job", id="file")
    tested.wf_clock(BASE + 10)
    tested.wf_start("job", id="connection")
    tested.wf_start("job", id="now", now=BASE + 20)
    assert [created(id) for id in ("file", "connection", "now")] == [sql_time(0), sql_time(10), sql_time(20)]
    tested.wf_step("connection", "a", 1)
    tested.wf_step("connection", "b", 1, now=BASE + 30)
    assert tested.column("SELECT recorded_at FROM wf_steps ORDER BY seq") == [sql_time(10), sql_time(30)]
    assert tested.wf_clock(None) == sql_time(0)     # the file's again


@pytest.mark.parametrize("value", ["soon", b"x", "", 1e300])
def test_it_is_a_time(db, value):
    with wf_error("WF_INVALID", "test_clock"):
        db.wf_config("test_clock", value)


def test_it_is_undone_with_its_transaction(db, connect):
    db.wf_init()
    db.execute("BEGIN")
    db.wf_config("test_clock", BASE)
    assert db.wf_clock() == sql_time(0)
    db.execute("ROLLBACK")
    assert db.wf_config("test_clock") is None
    assert db.wf_clock() != sql_time(0)


# When it may be switched


def test_it_is_switched_on_only_while_there_is_no_workflow(db):
    db.wf_start("job", id="w1")
    with wf_error("WF_STATE", "on only while"):
        db.wf_config("test_clock", BASE)
    db.wf_complete("w1")
    with wf_error("WF_STATE"):
        db.wf_config("test_clock", BASE)
    assert db.wf_config("test_clock", None) is None     # as it is
    db.wf_delete("w1")
    assert db.wf_config("test_clock", BASE) == sql_time(0)


def test_it_is_moved_at_will_and_either_way(tested):
    tested.wf_start("job", id="w1", delay=60)
    for offset in (100, 1e9 - BASE, -5, 3600):
        move(tested, offset)
    assert tested.claim()["id"] == "w1"


def test_it_is_switched_off_only_while_there_is_no_workflow(tested):
    tested.wf_start("job", id="w1")
    with wf_error("WF_STATE", "off only while"):
        tested.wf_config("test_clock", None)
    tested.wf_delete("w1", force=True)
    assert tested.wf_config("test_clock", None) is None
    assert tested.wf_clock() != sql_time(0)
    assert tested.value("SELECT ok FROM wf_doctor WHERE name = 'clock'") == 1


@pytest.mark.parametrize("make, name, drop", [
    (lambda db: db.wf_schedule("daily", "@daily", "job"), "a schedule", lambda db: db.wf_unschedule("daily")),
    (lambda db: db.wf_emit("open"), "an event", lambda db: db.wf_purge(older_than=0, events=True))])
def test_what_is_dated_by_one_clock_does_not_meet_another(db, make, name, drop):
    """A schedule of a test stood at 2027 on the clock of 2026, and an event of a test came after every timeout."""
    for before, after in ((None, BASE), (BASE, None)):
        make(db)
        with wf_error("WF_STATE", "only while", name):
            db.wf_config("test_clock", after)
        drop(db)
        assert db.wf_config("test_clock", after) == (after and sql_time(0))


def test_it_and_the_explicit_mode_exclude_each_other(db):
    db.wf_config("test_clock", BASE)
    with wf_error("WF_STATE", "clock for tests"):
        db.wf_config("clock", "explicit")
    for value in ("system", None):
        assert db.wf_config("clock", value) == "system"
        assert db.wf_config("test_clock") == sql_time(0)
    db.wf_config("test_clock", None)
    db.wf_config("clock", "explicit")
    with wf_error("WF_STATE", "explicit"):
        db.wf_config("test_clock", BASE)
    assert (db.wf_config("test_clock", None), db.wf_config("clock")) == (None, "explicit")
    assert db.wf_config("clock", "system") == "system"


def test_the_doctor_is_loud_about_it(tested):
    row = tested.record("SELECT * FROM wf_doctor WHERE name = 'clock'")
    assert (row["value"], row["ok"]) == (sql_time(0), 0)
    assert "test_clock" in row["advice"] and sql_time(0) in row["advice"]
    tested.wf_clock(BASE + 10)
    assert tested.record("SELECT value, ok FROM wf_doctor WHERE name = 'clock'") == {"value": sql_time(10), "ok": 0}


@pytest.mark.parametrize("value, sound", [(str(BASE * 1000), True), (str(2**62), False), (str(-(2**62)), False), (BASE * 1000, False), (1.5, False), (b"x", False), ("", False), ("-", False), ("007", False)])
def test_a_damaged_clock_is_found_and_harms_nobody(tested, value, sound):
    tested.wf_start("job", id="w1")
    tested.execute("UPDATE _wf_meta SET value = ? WHERE key = 'time'", (value,))
    assert (tested.wf_check() is None) == sound
    tested.claim()      # whatever time that makes it
    assert tested.wf_cancel("w1") == 1
    assert len(tested.wf_clock()) == 23


# What goes by it


def test_leases_and_heartbeats(tested, connect):
    tested.wf_start("job", id="w1")
    token = tested.claim(None, "worker-1", lease=30)["token"]
    move(tested, 29)
    other = connect()
    assert other.claim() is None
    assert other.wf_heartbeat(token) == sql_time(59)
    assert json.loads(other.wf_heartbeat([token], 60)) == [json_time(89)]
    move(tested, 89)
    assert other.claim()["wake"] == "lost"


def test_a_step_renews_the_lease(tested):
    tested.wf_start("job", id="w1")
    token = tested.claim(None, "worker-1", lease=30)["token"]
    tested.wf_step(token, "a", 1)
    assert tested.workflow()["due_at"] == sql_time(30)
    move(tested, 20)
    tested.wf_step(token, "b", 1)
    assert tested.workflow()["due_at"] == sql_time(50)
    assert tested.column("SELECT recorded_at FROM wf_steps ORDER BY seq") == [sql_time(0), sql_time(20)]


def test_delays_and_backoff_by_bare_id(tested):
    tested.wf_start("job", id="w1", delay=60)
    for act in (lambda: tested.wf_step("w1", "a"), lambda: tested.wf_step("w1", "a", 1)):
        with wf_error("WF_STATE", sql_time(60)):
            act()
    move(tested, 60)
    assert tested.wf_step("w1", "a") is None
    assert tested.wf_step("w1", "a", 1) == 1
    tested.wf_fail("w1", "e", delay=60)
    assert tested.value("SELECT reason FROM wf_pending") == "retry 2 of 10"
    assert (tested.wf_ready(), tested.value("SELECT ready FROM wf_pending")) == (0, 0)
    move(tested, 120)
    assert (tested.wf_ready(), tested.value("SELECT ready FROM wf_pending")) == (1, 1)


def test_sleeps_signals_and_deadlines(tested):
    tested.wf_start("job", id="w1", timeout="30d")
    assert tested.wf_sleep("w1", "nap", "7d") is None
    move(tested, 7 * 86400)
    assert tested.wf_sleep("w1", "nap", "7d") == sql_time(7 * 86400)
    assert tested.wf_await("w1", "answer", "go", "1d") is None
    tested.wf_signal("w1", "go", 5)
    assert json.loads(tested.wf_await("w1", "answer", "go", "1d"))["received_at"] == json_time(7 * 86400)
    move(tested, 30 * 86400)
    assert tested.wf_tick() == 1
    assert tested.wf_status("w1") == "failed"


def test_rates(tested):
    tested.wf_queue("q", rate={"limit": 1, "per": 60})
    for id in ("w1", "w2"):
        tested.wf_start("job", id=id, queue="q")
    tested.wf_complete(tested.claim("q")["token"])
    assert tested.claim("q") is None
    move(tested, 60)
    assert tested.claim("q")["id"] == "w2"


def test_schedules(tested):
    assert tested.wf_schedule("daily", "@daily", "job") == sql_time(16 * 3600)
    move(tested, 3 * 86400)
    assert tested.wf_tick() > 0
    assert tested.column("SELECT id FROM wf_workflows") == ["daily@2027-01-18T00:00:00Z"]


def test_ids_drawn_at_random(tested):
    assert int(tested.wf_start("job").replace("-", "")[:12], 16) == BASE * 1000


def test_scripts(tested):
    tested.wf_define("nap", '{"steps": [{"name": "sleeps", "sleep": "1d"}, {"name": "end", "sql": "SELECT 1 AS one"}]}')
    tested.wf_start("nap", id="w1")
    tested.wf_run()
    assert tested.wf_status("w1") == "waiting"
    move(tested, 86400)
    tested.wf_run()
    assert tested.wf_status("w1") == "completed"


def test_epochs_and_purges(tested):
    tested.wf_start("job", id="w1")
    tested.wf_complete("w1")
    assert json.loads(tested.wf_recover())["epoch"] == BASE * 1000
    assert tested.wf_purge(older_than="1d") == 0
    move(tested, 86401)
    assert tested.wf_purge(older_than="1d") == 1


def test_a_workflow_moves_to_a_file_with_such_a_clock_and_to_one_without(tested, connect, tmp_path):
    tested.wf_start("job", id="w1", delay="1h", timeout="2h")
    other = connect(tmp_path / "other.db")
    other.wf_config("test_clock", BASE + 86400)
    other.wf_import(tested.wf_export("w1"))
    other.wf_resume("w1")
    assert other.workflow()["created_at"] == sql_time(0)
    plain = connect(tmp_path / "plain.db")
    plain.wf_import(other.wf_export("w1"))
    assert plain.wf_config("test_clock") is None
    assert plain.wf_check() is None and other.wf_check() is None


# wf_wait


@pytest.mark.parametrize("what", ["delay", "lease", "deadline", "schedule"])
def test_a_moved_clock_wakes_those_who_wait(tested, tmp_path, what):
    if what == "delay":
        tested.wf_start("job", id="w1", delay="1h")
    elif what == "lease":
        tested.wf_start("job", id="w1")
        tested.claim(None, "worker-1", lease="1h")
    elif what == "deadline":
        tested.wf_start("job", id="w1", delay="1h", timeout=0, queue="another")
    else:
        tested.wf_schedule("hourly", "@every 1h", "job")
    seen, begun = [], threading.Event()

    def wait():
        db = open_database(tmp_path / "test.db")
        begun.set()
        seen.append(db.wf_wait(60))
        db.close()

    waiting = threading.Thread(target=wait)
    waiting.start()
    begun.wait()
    assert tested.wf_wait(0.05) == 0     # an hour away, and it does not go by itself
    move(tested, 3600)
    waiting.join(30)
    assert seen == [1]


def test_the_timeout_of_a_wait_is_real_time(tested):
    tested.wf_start("job", id="w1", delay="1h")
    assert tested.wf_wait(0.01) == 0
    assert tested.wf_wait(0.01, id="w1") == 0
