"""Failures count in a row since the last recorded step; an absolute cap remains."""

import json

import pytest
from support import BASE, wf_error


def attempt(db, id="w1", step=None, error='"e"', **options):
    """One claim, which records `step` if there is one and fails. Returns what wf_fail said."""
    db.at(attempt.clock)
    claim = db.claim(id=id)
    if step is not None:
        db.wf_step(claim["token"], step, "1")
    attempt.clock += 10_000
    return db.wf_fail(claim["token"], error, **options)


@pytest.fixture(autouse=True)
def clock():
    attempt.clock = 0


def test_failures_between_recorded_steps_end_no_workflow(db):
    db.wf_start("job", id="w1", max_attempts=3)
    for i in range(10):
        assert attempt(db, step="day-%d" % i) == "pending"
        assert attempt(db) == "pending"
    assert attempt(db) == "failed"


def test_a_step_recorded_before_the_failure_breaks_the_row(db):
    db.wf_start("job", id="w1", max_attempts=2)
    assert attempt(db) == "pending"
    assert attempt(db, step="s") == "pending"
    assert attempt(db) == "failed"


def test_a_step_that_stands_already_breaks_nothing(db):
    db.wf_start("job", id="w1", max_attempts=2)
    assert attempt(db, step="s") == "pending"
    assert attempt(db, step="s") == "failed"


def test_the_backoff_begins_anew_with_the_row(db):
    db.wf_start("job", id="w1", backoff={"initial": 10, "factor": 3})
    waits = []
    for step in [None, None, None, "s", None]:
        attempt(db, step=step)
        now = BASE + attempt.clock - 10_000
        waits.append(int(db.value("SELECT strftime('%s', due_at) FROM wf_workflows")) - now)
    assert waits == [10, 30, 90, 10, 30]


OTHER = {
    "a sleep": lambda db, token: db.wf_sleep(token, "s", 0),
    "an await": lambda db, token: db.wf_await(token, "s", "go", 0),
    "an event": lambda db, token: db.wf_await_event(token, "s", "go", 0),
    "a join": lambda db, token: db.wf_join(token, "s", "[]"),
    "a spawn": lambda db, token: db.wf_spawn(token, "s", "child"),
    "a value": lambda db, token: db.wf_set(token, "k", "1"),
    "an item of a stream": lambda db, token: db.wf_append(token, "log", "1"),
    "a begun step": lambda db, token: db.wf_begin(token, "s"),
}


@pytest.mark.parametrize("what", sorted(OTHER))
def test_only_the_output_of_a_step_breaks_the_row(db, what):
    db.wf_start("job", id="w1", max_attempts=2)
    db.at(0)
    db.wf_fail(db.claim()["token"], '"e"')
    db.at(100)
    token = db.claim()["token"]
    OTHER[what](db, token)
    assert db.wf_fail(token, '"e"') == "failed"


def test_a_wait_on_the_way_breaks_nothing(db):
    db.wf_start("job", id="w1", max_attempts=2)
    db.at(0)
    db.wf_fail(db.claim()["token"], '"e"')
    db.at(100)
    assert db.wf_sleep(db.claim()["token"], "s", 10) is None
    db.at(110)
    assert db.wf_fail(db.claim()["token"], '"e"') == "failed"


def test_a_begun_step_that_is_finished_breaks_the_row(db):
    db.wf_start("job", id="w1", max_attempts=2)
    db.at(0)
    token = db.claim()["token"]
    db.wf_begin(token, "s")
    assert db.wf_fail(token, '"e"') == "pending"
    db.at(100)
    token = db.claim()["token"]
    db.wf_step(token, "s", "1")
    assert db.wf_fail(token, '"e"') == "pending"


def test_lost_leases_and_failures_are_two_rows(db):
    db.wf_start("job", id="w1", max_attempts=3)
    db.at(0)
    token = db.claim()["token"]
    db.wf_step(token, "s", "1")
    db.at(100)
    token = db.claim()["token"]                      # one lost, after a step
    assert db.wf_fail(token, '"e"') == "pending"     # one failure
    db.at(200)
    token = db.claim()["token"]
    db.wf_step(token, "t", "1")
    db.at(300)
    token = db.claim()["token"]                      # the step has broken both rows; one lost
    assert db.wf_fail(token, '"e"') == "pending"
    db.at(400)
    assert db.wf_fail(db.claim()["token"], '"e"') == "pending"
    db.at(500)
    assert db.wf_fail(db.claim()["token"], '"e"') == "failed"


def test_the_step_seen_by_a_failure_still_breaks_the_row_of_lost_leases(db):
    db.wf_start("job", id="w1", max_attempts=2)
    db.at(0)
    db.claim()
    db.at(100)
    token = db.claim()["token"]                      # one lost
    db.wf_step(token, "s", "1")
    db.wf_fail(token, '"e"')
    db.at(200)
    db.claim()
    db.at(300)
    assert db.claim() is not None                    # one lost again, not two


def test_a_step_fails_by_its_own_count(db):
    db.wf_start("job", id="w1", max_attempts=2)
    assert attempt(db, step="a", error='"e"') == "pending"
    db.at(attempt.clock)
    assert db.wf_fail(db.claim()["token"], '"e"', step="x") == "pending"
    attempt.clock += 10_000
    db.at(attempt.clock)
    token = db.claim()["token"]
    db.wf_step(token, "b", "1")
    assert db.wf_fail(token, '"e"', step="x") == "failed"


def test_a_retry_begins_the_row_anew_also_where_it_drops_steps(db):
    db.wf_start("job", id="w1", max_attempts=2)
    attempt(db, step="s")
    assert attempt(db) == "failed"
    db.wf_retry("w1", **{"from": "s"})
    assert attempt(db) == "pending"
    assert attempt(db, step="s") == "pending"
    assert attempt(db) == "failed"


def test_the_retry_shows_in_the_row(db):
    db.wf_start("job", id="w1", max_attempts=3)
    attempt(db, delay=1000)
    attempt(db, step="s", delay=1000)
    db.at(attempt.clock - 10_000)
    assert db.value("SELECT reason FROM wf_pending") == "retry 2 of 3"


def test_a_step_in_doubt_that_an_operator_resolves_breaks_the_row_too(db):
    db.wf_start("job", id="w1", max_attempts=2)
    db.at(0)
    token = db.claim()["token"]
    db.wf_begin(token, "s")
    assert db.wf_fail(token, '"e"', delay=100) == "pending"
    assert db.value("SELECT reason FROM wf_pending") == "retry 2 of 2"
    db.wf_resolve("w1", "s", "done", "1")
    assert db.value("SELECT reason FROM wf_pending") == "retry 1 of 2"
    db.at(100)
    assert db.wf_fail(db.claim()["token"], '"e"') == "pending"


# The cap: steps named by attempt would loop for ever.


def test_a_workflow_fails_at_the_latest_after_max_failures(db):
    db.wf_start("job", id="w1", max_failures=4, max_attempts=2)
    for i in range(3):
        assert attempt(db, step="try-%d" % i) == "pending"
    assert attempt(db, step="try-3") == "failed"
    assert db.workflow()["error"] == '"e"'


def test_failures_of_steps_count_too(db):
    db.wf_start("job", id="w1", max_failures=3)
    for i in range(2):
        db.at(i * 1000)
        assert db.wf_fail(db.claim()["token"], '"e"', step="try-%d" % i) == "pending"
    db.at(5000)
    assert db.wf_fail(db.claim()["token"], '"e"', step="try-9") == "failed"


def test_the_cap_is_1000_unless_the_file_says_otherwise(db):
    assert db.wf_config("max_failures") == 1000
    db.wf_config("max_failures", 2)
    db.wf_start("job", id="w1")
    assert attempt(db, step="a") == "pending"
    assert attempt(db, step="b") == "failed"
    db.wf_config("max_failures", None)
    assert db.wf_config("max_failures") == 1000
    for wrong in (0, -1, "many", 1.5, 1_000_000_001):
        with wf_error("WF_INVALID", "max_failures"):
            db.wf_config("max_failures", wrong)


def test_a_retry_gives_a_new_budget_of_failures(db):
    db.wf_start("job", id="w1", max_failures=2)
    attempt(db, step="a")
    assert attempt(db, step="b") == "failed"
    db.wf_retry("w1")
    assert attempt(db, step="c") == "pending"
    assert attempt(db, step="d") == "failed"


def test_a_child_and_a_schedule_take_the_cap_too(db):
    db.at(0)
    token = db.running()["token"]
    child = db.wf_spawn(token, "s", "job", max_failures=1)
    assert attempt(db, id=child, step="a") == "failed"
    db.wf_schedule("tick", "@every 1m", "job", None, start={"max_failures": 1})
    db.at(200_000)
    db.wf_tick()
    attempt.clock = 200_000
    assert attempt(db, id=db.value("SELECT id FROM wf_workflows WHERE id LIKE 'tick@%'"), step="a") == "failed"


def test_the_row_and_the_cap_go_along_with_an_export(db, connect, tmp_path):
    db.wf_start("job", id="w1", max_attempts=2, max_failures=3)
    attempt(db, step="a")
    other = connect(tmp_path / "other.db")
    other.wf_import(db.wf_export("w1"))
    other.wf_resume("w1")
    for file in (db, other):
        file.at(50_000)
        assert file.wf_fail(file.claim(id="w1")["token"], '"e"') == "failed"


def test_an_export_after_a_step_brings_no_row(db, connect, tmp_path):
    db.wf_start("job", id="w1", max_attempts=2)
    attempt(db)
    db.at(50_000)
    db.wf_step(db.claim()["token"], "s", "1")
    other = connect(tmp_path / "other.db")
    other.wf_import(db.wf_export("w1"))
    assert json.loads(db.wf_export("w1"))["workflow"]["failures"] == 0
    other.wf_resume("w1")
    other.at(100_000)
    assert other.wf_fail(other.claim(id="w1")["token"], '"e"') == "pending"


def test_lost_leases_do_not_count_against_max_failures(db):
    """They have a rule of their own, of those in a row: one that records a step each time goes on."""
    db.at(0)
    db.wf_start("job", id="w", max_failures=2, max_attempts=3)
    for n in range(5):
        db.at(n * 60)
        db.wf_step(db.claim(None, "ann")["token"], "s%d" % n, n)
    assert (db.wf_status("w"), db.value("SELECT count(*) FROM wf_failures")) == ("running", 4)
    db.at(400)
    assert db.wf_fail(db.claim(None, "ann")["token"], "x") == "pending"
