"""wf_workflows while a retry is pending, the order of failures and signals, when a wait began."""

import json

import pytest
from support import sql_time


def error(db, id="w1"):
    text = db.workflow(id)["error"]
    return None if text is None else json.loads(text)


@pytest.fixture
def still(db):
    db.at(0)
    return db


def test_while_a_retry_is_pending_the_last_error_is_shown(still):
    for attempt, what in enumerate(["first", "second"]):
        token = still.running()["token"] if attempt == 0 else still.claim()["token"]
        still.wf_fail(token, {"code": what}, delay=10)
        assert error(still) == {"code": what}
        still.wf_pause("w1")
        assert error(still) == {"code": what}
        still.wf_resume("w1")
        still.at(10 * attempt + 11)
    still.wf_complete(still.claim()["token"])
    assert error(still) is None


def test_once_it_is_claimed_again_there_is_none(still):
    still.wf_fail(still.running()["token"], "no", delay=0)
    assert error(still) == "no"
    still.claim()
    assert error(still) is None


def test_of_a_step_that_failed_too_and_a_long_one(still):
    still.wf_fail(still.running()["token"], "x" * 5000, step="charge", delay=10)
    assert error(still) == "x" * 5000


@pytest.mark.parametrize("call", ["wf_release", "wf_sleep", "wf_retry"])
def test_what_is_pending_for_another_reason_has_none(still, call):
    still.wf_fail(still.running()["token"], "no", delay=0)
    token = still.claim()["token"]
    if call == "wf_release":
        still.wf_release(token)
    elif call == "wf_sleep":
        still.wf_sleep(token, "nap", 10)
    else:
        still.wf_fail(token, "no", retry=False)
        still.wf_retry("w1")
    assert error(still) is None


def test_of_a_scripted_workflow_while_a_step_is_to_be_tried_again(still):
    still.wf_define("s", {"steps": [{"name": "a", "sql": "SELECT abs(-9223372036854775808)", "max_attempts": 3, "backoff": {"initial": 10}}]})
    still.wf_start("s", id="w1")
    assert error(still) is None
    still.wf_run()
    assert "integer overflow" in error(still)["message"]


def test_failures_and_signals_have_an_order(still):
    still.wf_start("job", id="w1", max_attempts=100)
    for n in range(20):
        still.wf_fail("w1", n, delay=0)
        still.wf_signal("w1", "go", n)
    assert still.column("SELECT error FROM wf_failures WHERE workflow_id = 'w1' ORDER BY seq") == [str(n) for n in range(20)]
    assert still.column("SELECT payload FROM wf_signals WHERE workflow_id = 'w1' ORDER BY seq DESC LIMIT 3") == [19, 18, 17]


def test_a_workflow_shows_how_often_it_was_resumed(still):
    token = still.running()["token"]
    for _ in range(3):
        still.wf_release(token)
        token = still.claim()["token"]
    assert (still.workflow()["attempt"], still.workflow()["resumed"]) == (1, 3)


@pytest.mark.parametrize("wait, then", [
    (lambda db: db.wf_sleep("w1", "w", 10), lambda db: db.wf_sleep("w1", "w", 10)),
    (lambda db: db.wf_await("w1", "w", "go"), lambda db: (db.wf_signal("w1", "go", 1), db.wf_await("w1", "w", "go"))),
    (lambda db: db.wf_await_event("w1", "w", "go"), lambda db: (db.wf_emit("go", 1), db.wf_await_event("w1", "w", "go"))),
    (lambda db: (db.wf_spawn("w1", "c", "kid"), db.wf_join("w1", "w")), lambda db: (db.wf_complete("w1/c"), db.wf_join("w1", "w"))),
])
def test_a_step_that_waits_says_since_when_and_a_finished_wait_how_long(still, wait, then):
    still.wf_start("job", id="w1")
    still.at(1)
    wait(still)
    shown = "SELECT status, begun_at, recorded_at FROM wf_steps WHERE name = 'w'"
    assert still.rows(shown) == [("waiting", sql_time(1), None)]
    still.at(20)
    then(still)
    assert still.rows(shown) == [("done", sql_time(1), sql_time(20))]


def test_a_wait_that_was_over_at_once_began_when_it_ended(still):
    still.wf_start("job", id="w1")
    still.wf_signal("w1", "go", 1)
    still.at(2)
    still.wf_await("w1", "w", "go")
    assert still.rows("SELECT begun_at, recorded_at FROM wf_steps") == [(sql_time(2), sql_time(2))]
