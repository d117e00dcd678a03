"""wf_reschedule: when a workflow that waits for a time is due."""

import json

import pytest
from support import BASE, json_time, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    return db


def due(db, id="w1"):
    return db.workflow(id)["due_at"]


def test_a_delayed_workflow_is_due_now(db):
    db.wf_start("job", id="w1", delay=3600)
    assert db.wf_reschedule("w1") == 1
    assert (due(db), db.claim()["id"], db.wf_check()) == (sql_time(0), "w1", None)


def test_or_at_another_time_earlier_or_later(db):
    db.wf_start("job", id="w1", delay=3600)
    for offset in (60, 7200):
        assert db.wf_reschedule("w1", BASE + offset) == 1
        assert (due(db), db.claim()) == (sql_time(offset), None)
    db.at(7200)
    assert db.claim()["id"] == "w1"


def test_a_retry_that_backs_off_is_due_now(db):
    token = db.running(backoff={"initial": 200})["token"]
    db.wf_fail(token, "e")
    assert (due(db), db.wf_reschedule("w1")) == (sql_time(200), 1)
    claim = db.claim()
    assert (claim["id"], claim["attempt"]) == ("w1", 2)


def test_repeating_it_changes_nothing(db):
    db.wf_start("job", id="w1", delay=3600)
    assert [db.wf_reschedule("w1", BASE + 60) for _ in range(2)] == [1, 0]
    assert [db.wf_reschedule("w1") for _ in range(2)] == [1, 0]
    db.at(5)
    before = db.everything()
    assert (db.wf_reschedule("w1"), db.everything()) == (0, before)


def test_a_time_that_has_passed_means_now(db):
    db.wf_start("job", id="w1", delay=3600)
    db.at(10)
    assert (db.wf_reschedule("w1", BASE - 5), due(db)) == (1, sql_time(10))
    db.at(20)
    assert (db.wf_reschedule("w1", BASE - 5), due(db)) == (0, sql_time(10))


def test_what_is_due_may_be_put_off(db):
    db.wf_start("job", id="w1")
    assert (db.wf_reschedule("w1", BASE + 60), db.claim()) == (1, None)


def test_a_sleep_ends_early_and_its_result_is_the_new_time(db):
    token = db.running()["token"]
    assert db.wf_sleep(token, "nap", "7d") is None
    db.at(100)
    assert db.wf_reschedule("w1") == 1
    claim = db.claim()
    assert (claim["id"], db.wf_sleep(claim["token"], "nap", "7d")) == ("w1", sql_time(100))
    assert db.value("SELECT output FROM wf_steps") == '"%s"' % sql_time(100)


def test_a_sleep_by_bare_id_too(db):
    db.wf_start("job", id="w1")
    assert db.wf_sleep("w1", "nap", "7d") is None
    db.wf_reschedule("w1", BASE + 30)
    assert db.wf_sleep("w1", "nap", "7d") is None
    db.at(30)
    assert db.wf_sleep("w1", "nap", "7d") == sql_time(30)


def test_a_sleep_may_last_longer_but_one_that_is_over_stays_over(db):
    db.wf_start("job", id="w1")
    db.wf_sleep("w1", "nap", 60)
    assert db.wf_reschedule("w1", BASE + 90) == 1
    db.at(90)
    assert (db.wf_reschedule("w1", BASE + 120), db.wf_reschedule("w1")) == (0, 0)
    assert db.wf_sleep("w1", "nap", 60) == sql_time(90)


@pytest.mark.parametrize("prepare", [
    lambda db: db.running(), lambda db: db.running() and db.wf_await("w1", "a", "go"), lambda db: (db.wf_start("job", id="w1"), db.wf_await("w1", "a", "go", 60)),
    lambda db: (db.wf_start("job", id="w1"), db.wf_complete("w1")), lambda db: (db.wf_start("job", id="w1"), db.wf_cancel("w1")),
    lambda db: (db.wf_start("job", id="w1"), db.wf_begin("w1", "a"), db.wf_begin("w1", "a", in_doubt="hold"))])
def test_what_waits_for_no_time_does_not_change(db, prepare):
    try:
        prepare(db)
    except Exception as error:
        assert "WF_LEASED" in str(error)
    before = db.everything()
    assert (db.wf_reschedule("w1"), db.wf_reschedule("w1", BASE + 5)) == (0, 0)
    assert db.everything() == before


def test_the_deadline_of_one_that_was_never_claimed_moves_along(db):
    db.wf_start("job", id="w1", delay=3600, timeout=100)
    db.wf_reschedule("w1", BASE + 60)
    assert db.workflow()["deadline_at"] == sql_time(160)
    db.wf_reschedule("w1", BASE + 7200)
    assert db.workflow()["deadline_at"] == sql_time(7300)


@pytest.mark.parametrize("begin", [lambda db: db.wf_fail(db.claim()["token"], "e", delay=50), lambda db: db.wf_fail("w1", "e", delay=50)])
def test_that_of_one_that_was_begun_does_not(db, begin):
    db.wf_start("job", id="w1", timeout=100)
    begin(db)
    db.wf_reschedule("w1")
    assert (due(db), db.workflow()["deadline_at"]) == (sql_time(0), sql_time(100))


def test_of_a_paused_one_it_takes_effect_at_resume(db):
    db.wf_start("job", id="w1", delay=3600, timeout=100)
    db.wf_pause("w1")
    assert (db.wf_reschedule("w1", BASE + 10), db.wf_status("w1")) == (1, "paused")
    db.at(10)
    assert db.claim() is None
    db.wf_resume("w1")
    claim = db.claim()
    assert (claim["id"], claim["deadline_at"], db.wf_check()) == ("w1", json_time(10 + 10 + 100), None)


def test_a_paused_sleep_too(db):
    db.wf_start("job", id="w1")
    db.wf_sleep("w1", "nap", "1h")
    db.wf_pause("w1")
    assert db.wf_reschedule("w1") == 1
    db.wf_resume("w1")
    assert db.wf_sleep("w1", "nap", "1h") == sql_time(0)


def test_a_manual_one_stays_claimable_by_its_id_alone(db):
    db.wf_start("job", id="w1", manual=True, delay=60)
    assert (db.wf_reschedule("w1"), db.claim(), db.claim(id="w1")["id"]) == (1, None, "w1")


def test_an_array_counts_what_changed_and_skip_leaves_out_what_is_not_there(db):
    for id in ("a", "b"):
        db.wf_start("job", id=id, delay=60)
    db.wf_start("job", id="c")
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_reschedule(["a", "nobody"])
    assert due(db, "a") == sql_time(60)
    assert db.wf_reschedule(["a", "nobody", "b", "c"], None, skip=True) == 2


@pytest.mark.parametrize("time", ["soon", "5m", b"x", ""])
def test_the_time_is_a_time(db, time):
    db.wf_start("job", id="w1", delay=60)
    with wf_error("WF_INVALID", "time"):
        db.wf_reschedule("w1", time)


def test_a_partitioned_lane_finds_it(db):
    db.wf_queue("default", partition_concurrency=1)
    db.wf_start("job", id="w1", partition="p", delay=3600)
    db.wf_reschedule("w1", BASE + 60)
    db.at(60)
    assert db.claim()["id"] == "w1"


def test_whoever_waits_for_work_is_told(db):
    db.wf_clock(None)
    db.wf_start("job", id="w1", delay=3600)
    assert db.wf_wait(0) == 0
    db.wf_reschedule("w1")
    assert db.wf_wait(0) == 1


def test_with_an_explicit_clock_the_call_says_the_time(db):
    db.wf_config("clock", "explicit")
    db.wf_start("job", id="w1", delay=60, now=BASE)
    with wf_error("WF_INVALID", "now"):
        db.wf_reschedule("w1")
    assert (db.wf_reschedule("w1", None, now=BASE + 7), due(db)) == (1, sql_time(7))


def test_in_a_trigger(db):
    db.execute("CREATE TABLE t(x)")
    db.execute("CREATE TRIGGER t1 AFTER INSERT ON t BEGIN SELECT wf_reschedule(new.x); END")
    db.wf_start("job", id="w1")
    db.wf_sleep("w1", "nap", 60)
    db.execute("INSERT INTO t VALUES ('w1')")
    assert db.claim()["id"] == "w1"


# Scripted in SQL


def test_a_scripted_sleep_ends_early(db):
    db.wf_define("flow", json.dumps({"steps": [{"name": "cool", "sleep": "24h"}, {"name": "done", "sql": "SELECT :cool AS until"}]}))
    db.wf_start("flow", id="f")
    db.wf_run()
    assert (db.wf_status("f"), due(db, "f")) == ("waiting", sql_time(86400))
    db.at(100)
    assert db.wf_reschedule("f") == 1
    db.wf_run()
    assert db.wf_status("f") == "completed"
    assert db.value("SELECT output FROM wf_steps WHERE name = 'cool'") == '"%s"' % sql_time(100)
    assert db.wf_check() is None


def test_all_sleeps_of_a_scripted_one_move_and_its_other_waits_stay(db):
    db.wf_define("flow", json.dumps({"steps": [
        {"name": "a", "sleep": "1h"}, {"name": "b", "sleep": "2h", "after": []}, {"name": "c", "await": "go", "timeout": "30m", "after": []}]}))
    db.wf_start("flow", id="f")
    db.wf_run()
    assert due(db, "f") == sql_time(1800)
    assert (db.wf_reschedule("f", BASE + 7200), due(db, "f")) == (1, sql_time(1800))
    assert (db.wf_reschedule("f", BASE + 60), due(db, "f")) == (1, sql_time(60))
    db.at(60)
    db.wf_run()
    assert db.rows("SELECT name, status FROM wf_steps ORDER BY name") == [("a", "done"), ("b", "done"), ("c", "waiting")]
    assert db.wf_check() is None


def test_a_scripted_step_is_tried_again_now(db):
    db.execute("CREATE TABLE stock(n)")
    db.wf_define("flow", json.dumps({"steps": [{"name": "take", "sql": "UPDATE stock SET n = n - 1", "expect": 1, "backoff": {"initial": 200}}]}))
    db.wf_start("flow", id="f")
    db.wf_run()
    assert due(db, "f") == sql_time(200)
    db.execute("INSERT INTO stock VALUES(5)")
    assert db.wf_reschedule("f") == 1
    db.wf_run()
    assert db.wf_status("f") == "completed"


def test_a_delayed_scripted_one_starts_now(db):
    db.wf_define("flow", json.dumps({"steps": [{"name": "a", "sql": "SELECT 1"}]}))
    db.wf_start("flow", id="f", delay=3600)
    assert (db.wf_run(), db.wf_reschedule("f")) == (0, 1)
    assert (db.wf_run(), db.wf_status("f")) == (1, "completed")
