"""Times in a wait for several things: a sleep that has passed, a timeout that came before, and a join that is waited for anew."""

import json

import pytest

T0 = "2026-01-01 10:00:00"


def at(db, time):
    db.wf_clock("2026-01-01 " + time)


@pytest.fixture
def waiting(db):
    db.wf_clock(T0)
    db.wf_start("w", id="a")
    return db


@pytest.mark.parametrize("waits, timeout, at_next, due", [
    ([{"sleep": "2025-01-01"}, {"signal": "s"}], None, "10:00:05", None),
    ([{"sleep": 5}, {"sleep": "1h"}], None, "10:00:06", "11:00:00.000"),
    ([{"sleep": 5}, {"signal": "s"}], "1h", "10:00:06", "11:00:00.000"),
    ([{"sleep": 5}, {"sleep": "2h"}, {"signal": "s"}], "1h", "10:00:06", "11:00:00.000"),
])
def test_a_sleep_that_has_passed_while_others_have_not_come_keeps_no_claim_from_its_end(waiting, waits, timeout, at_next, due):
    """The claim looked at it for ever, under the write lock."""
    db = waiting
    options = {"mode": "all"}
    assert db.wf_wait_any("a", "k", json.dumps(waits), timeout, json.dumps(options)) is None
    at(db, at_next)
    assert db.wf_claim() is None
    assert db.value("SELECT due_at FROM wf_workflows WHERE id = 'a'") == (due and "2026-01-01 " + due)
    assert db.wf_ready() == 0 and db.wf_check() is None


def test_all_of_them_with_a_sleep_goes_on_once_the_last_has_come(waiting):
    db = waiting
    db.wf_wait_any("a", "k", '[{"sleep":5},{"signal":"s"}]', None, '{"mode":"all"}')
    at(db, "10:00:06")
    assert db.wf_claim() is None
    db.wf_signal("a", "s", "1")
    claim = db.wf_claim()
    assert claim is not None and json.loads(db.wf_wait_any(json.loads(claim)["token"], "k", '[{"sleep":5},{"signal":"s"}]', None, '{"mode":"all"}'))[1]["payload"] == 1


def test_a_reschedule_of_all_of_them_leaves_no_time_that_has_passed(waiting):
    db = waiting
    db.wf_wait_any("a", "k", '[{"sleep":5},{"sleep":"1h"},{"signal":"s"}]', None, '{"mode":"all"}')
    at(db, "10:00:06")
    db.wf_claim()
    assert db.wf_reschedule("a") == 1
    assert db.wf_claim() is None and db.wf_claim() is None


def test_a_sleep_in_all_of_a_scripted_wait_keeps_no_run_from_its_end(db):
    db.wf_clock(T0)
    db.wf_define("d", json.dumps({"steps": [{"name": "w", "await": [{"event": "e"}, {"sleep": "1h"}], "mode": "all"}]}))
    db.wf_start("d", id="a")
    db.wf_run()
    at(db, "11:00:01")
    assert db.wf_run() in (0, 1)
    assert db.wf_status("a") == "waiting"
    db.wf_emit("e", "1")
    db.wf_run()
    assert db.wf_status("a") == "completed"


@pytest.mark.parametrize("later", ["10:00:11", "10:00:30"])
def test_a_sleep_that_ends_after_the_timeout_never_wins(waiting, later):
    db = waiting
    db.wf_wait_any("a", "k", '[{"sleep":"20s"}]', "10s")
    at(db, later)
    assert json.loads(db.wf_wait_any("a", "k", '[{"sleep":"20s"}]', "10s")) == {"index": None, "timeout": True}


def test_a_join_that_ends_after_the_timeout_is_too_late(waiting):
    db = waiting
    db.wf_start("w", id="b", manual=True)
    db.wf_wait_any("a", "k", '[{"join":["b"]}]', "10s")
    at(db, "10:00:20")
    db.wf_complete("b")
    assert json.loads(db.wf_wait_any("a", "k", '[{"join":["b"]}]', "10s")) == {"index": None, "timeout": True}


@pytest.mark.parametrize("call", ["release", "wait"])
@pytest.mark.parametrize("again", ["retry", "restart"])
@pytest.mark.parametrize("waits", ["join", "any of several"])
def test_a_kept_join_of_one_that_was_retried_is_woken_by_its_end(waiting, call, again, waits):
    """It was taken off the list by the first end, and nobody woke the workflow any more."""
    db = waiting
    db.wf_start("w", id="b", manual=True)
    token = json.loads(db.wf_claim())["token"]
    if waits == "join":
        db.wf_join(token, "j", '["b"]', '{"keep":true}')
    else:
        db.wf_wait_any(token, "j", '[{"join":["b"]},{"signal":"never"}]', None, '{"keep":true}')
    db.wf_fail("b", "x", '{"retry":false}')
    if again == "retry":
        db.wf_retry("b")
    else:
        db.wf_start("w", id="b", if_exists="restart")
    if call == "release":
        db.wf_release(token)
    else:
        assert db.wf_await(token, "other", "go") is None
    assert db.wf_check() is None and db.wf_claim() is None
    db.wf_complete("b", "1")
    assert db.wf_ready() == 1 and db.wf_claim() is not None


@pytest.mark.parametrize("call", ["suspended", "kept and released"])
def test_cleanup_is_said_by_a_step_that_is_recorded_while_the_workflow_waits(waiting, call):
    db = waiting
    token = json.loads(db.wf_claim())["token"]
    db.wf_begin(token, "charge")
    if call == "suspended":
        db.wf_await(token, "ask", "s")
    else:
        db.wf_await(token, "ask", "s", None, '{"keep":true}')
        db.wf_release(token)
    assert db.wf_step(token, "charge", "1", '{"cleanup":true}') == "1"
    db.wf_cancel("a")
    assert db.value("SELECT status || ' ' || ending FROM wf_workflows") == "pending cancelled"


@pytest.mark.parametrize("looked", [False, True])
def test_a_lease_that_has_run_out_beside_a_kept_wait_is_no_loss_whoever_recovers(db, looked):
    """It depended on whether a claim had come to it before."""
    db.wf_clock(T0)
    db.wf_start("w", id="a", max_attempts=1)
    token = json.loads(db.wf_claim(None, "ann", lease=10))["token"]
    db.wf_await(token, "k", "s", None, '{"keep":true}')
    at(db, "10:01:00")
    if looked:
        assert db.wf_claim() is None
    db.wf_recover(worker="ann", lost=True)
    assert db.wf_status("a") == "waiting" and db.value("SELECT count(*) FROM wf_failures") == 0
    db.wf_signal("a", "s")
    assert db.wf_claim() is not None and db.wf_check() is None
