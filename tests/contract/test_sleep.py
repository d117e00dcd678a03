"""wf_sleep: NULL until the time, then that time for ever; and what an open wait means for the workflow."""

import pytest
from support import BASE, json_time, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    return db


def test_it_is_null_until_the_time_and_then_that_time_as_text(db):
    token = db.running()["token"]
    assert db.wf_sleep(token, "nap", 60) is None
    db.at(59.999)
    assert db.wf_sleep(token, "nap", 60) is None
    db.at(60)
    claim = db.claim()
    assert db.wf_sleep(claim["token"], "nap", 60) == sql_time(60)
    db.at(1000)
    assert db.wf_sleep(claim["token"], "nap", 60) == sql_time(60)


@pytest.mark.parametrize("again", [10, "5h", BASE + 7200, sql_time(1)])
def test_the_time_is_fixed_at_the_first_call(db, again):
    token = db.running()["token"]
    db.wf_sleep(token, "nap", 60)
    assert db.wf_sleep(token, "nap", again) is None
    assert db.workflow()["due_at"] == sql_time(60)
    db.at(60)
    assert db.wf_sleep(db.claim()["token"], "nap", again) == sql_time(60)


@pytest.mark.parametrize(
    "length, wakes",
    [(90, 90), (90.0, 90), (1.5, 1.5), ("250ms", 0.25), ("1m30s", 90), ("7d", 7 * 86400), (json_time(5), 5), (sql_time(5), 5),
     ("2027-01-15T09:01:00+01:00", 60)],
)
def test_it_takes_a_duration_or_a_time(db, length, wakes):
    assert db.wf_sleep(db.running()["token"], "nap", length) is None
    assert db.workflow()["due_at"] == sql_time(wakes)


@pytest.mark.parametrize("length, time", [(0, sql_time(0)), ("0s", sql_time(0)), (sql_time(-60), sql_time(-60)), (sql_time(0), sql_time(0))])
def test_a_time_already_reached_is_returned_at_once_without_a_suspension(db, length, time):
    token = db.running()["token"]
    assert db.wf_sleep(token, "nap", length) == time
    assert db.wf_status("w1") == "running"
    assert db.wf_step(token, "next", "1") == "1"


@pytest.mark.parametrize("length", [-1, -0.001, "", "soon", "30", None, b"1", "1x", "2027-13-01"])
def test_anything_else_is_invalid(db, length):
    token = db.running()["token"]
    before = db.everything()
    with wf_error("WF_INVALID"):
        db.wf_sleep(token, "nap", length)
    assert db.everything() == before


def test_now_is_the_moment_it_counts_from(db):
    token = db.running()["token"]
    assert db.wf_sleep(token, "nap", 60, now=BASE + 5) is None
    assert db.workflow()["due_at"] == sql_time(65)


# What NULL means, for every function that waits


WAITS = {
    "sleep": lambda db, handle, step="wait": db.wf_sleep(handle, step, 60),
    "await": lambda db, handle, step="wait": db.wf_await(handle, step, "go"),
    "event": lambda db, handle, step="wait": db.wf_await_event(handle, step, "news"),
    "join": lambda db, handle, step="wait": db.wf_join(handle, step, '["other"]'),
}
REASONS = {"sleep": "sleeping", "await": "waiting for signal go", "event": "waiting for event news", "join": "waiting for 1 workflow"}


def satisfy(db, kind):
    if kind == "sleep":
        db.at(60)
    elif kind == "await":
        db.wf_signal("w1", "go", 1)
    elif kind == "event":
        db.wf_emit("news", 1)
    else:
        db.wf_complete("other", 1)


@pytest.fixture(params=sorted(WAITS))
def kind(request, db):
    db.wf_start("other", id="other", queue="elsewhere")
    return request.param


def test_the_workflow_is_suspended_and_its_lease_given_back(db, kind):
    token = db.running()["token"]
    assert WAITS[kind](db, token) is None
    assert db.workflow()["status"] == "waiting"
    assert (db.wf_ready("default"), db.claim()) == (0, None)
    db.at(50)
    assert db.claim() is None, "there is no lease that could run out"
    assert db.rows("SELECT * FROM wf_failures") == []


def test_what_it_waits_for_is_the_reason(db, kind):
    WAITS[kind](db, db.running()["token"])
    assert db.value("SELECT reason FROM wf_pending WHERE id = 'w1'") == REASONS[kind]
    assert db.value("SELECT ready FROM wf_pending WHERE id = 'w1'") == 0


def test_an_open_wait_is_a_step_that_waits_and_then_is_done(db, kind):
    WAITS[kind](db, db.running()["token"])
    step = "SELECT name, kind, status, output IS NULL FROM wf_steps WHERE workflow_id = 'w1'"
    named = {"event": "await_event"}.get(kind, kind)
    assert db.rows(step) == [("wait", named, "waiting", 1)]
    satisfy(db, kind)
    WAITS[kind](db, db.claim()["token"])
    assert db.rows(step) == [("wait", named, "done", 0)]


def test_it_becomes_claimable_when_there_is_something_to_do(db, kind):
    WAITS[kind](db, db.running()["token"])
    satisfy(db, kind)
    assert db.value("SELECT ready FROM wf_pending WHERE id = 'w1'") == 1
    claim = db.claim()
    assert (claim["id"], claim["attempt"], claim["resumed"]) == ("w1", 1, 1)
    first = WAITS[kind](db, claim["token"])
    assert first is not None
    assert WAITS[kind](db, claim["token"]) == first


def test_until_the_claim_after_it_it_stays_waiting_and_due_at_says_since_when_it_is_ready(db, kind):
    WAITS[kind](db, db.running()["token"])
    db.at(20)
    satisfy(db, kind)
    db.at(300)
    assert db.workflow()["status"] == "waiting"
    assert db.workflow()["due_at"] == sql_time(60 if kind == "sleep" else 20)


def test_the_result_is_the_same_for_ever_after(db, kind):
    WAITS[kind](db, db.running()["token"])
    satisfy(db, kind)
    token = db.claim()["token"]
    result = WAITS[kind](db, token)
    db.at(10_000)
    assert WAITS[kind](db, db.claim()["token"]) == result
    assert WAITS[kind](db, db.claim(id="w1", now=BASE + 20_000)["token"]) == result


def test_the_result_is_there_after_the_end_too(db, kind):
    WAITS[kind](db, db.running()["token"])
    satisfy(db, kind)
    token = db.claim()["token"]
    result = WAITS[kind](db, token)
    db.wf_complete(token)
    assert WAITS[kind](db, token) == WAITS[kind](db, "w1") == result


def test_while_it_is_open_the_token_and_the_bare_id_repeat_it(db, kind):
    token = db.running()["token"]
    WAITS[kind](db, token)
    before = db.everything()
    for handle in (token, "w1"):
        for _ in range(2):
            assert WAITS[kind](db, handle) is None
    assert db.everything() == before


def test_while_it_is_open_recorded_steps_can_be_read(db, kind):
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    WAITS[kind](db, token)
    for handle in (token, "w1"):
        assert db.wf_step(handle, "a") == "1"


@pytest.mark.parametrize("handle", ["token", "id"])
@pytest.mark.parametrize(
    "act",
    [
        lambda db, handle: db.wf_step(handle, "new"),
        lambda db, handle: db.wf_step(handle, "new", "1"),
        lambda db, handle: db.wf_sleep(handle, "new", 1),
        lambda db, handle: db.wf_sleep(handle, "new", 0),
        lambda db, handle: db.wf_await(handle, "new", "go"),
        lambda db, handle: db.wf_await(handle, "new", "go", 0),
        lambda db, handle: db.wf_await_event(handle, "new", "news"),
        lambda db, handle: db.wf_spawn(handle, "new", "child"),
        lambda db, handle: db.wf_join(handle, "new"),
        lambda db, handle: db.wf_begin(handle, "new"),
        lambda db, handle: db.wf_complete(handle, "1"),
        lambda db, handle: db.wf_fail(handle, "e"),
    ],
    ids=["guard", "step", "sleep", "sleep 0", "await", "poll", "event", "spawn", "join", "begin", "complete", "fail"],
)
def test_while_it_is_open_whatever_would_record_something_new_raises_and_names_the_wait(db, act, handle):
    token = db.running()["token"]
    db.wf_sleep(token, "siesta", 60)
    before = db.everything()
    with wf_error("WF_SUSPENDED", "siesta"):
        act(db, token if handle == "token" else "w1")
    assert db.everything() == before


def test_a_script_that_runs_on_after_null_is_stopped_not_broken(db):
    """Once the wait is satisfied, the same script goes through."""
    db.wf_start("etl", id="etl")

    def script():
        db.wf_step("etl", "load", "1")
        db.wf_sleep("etl", "cool", "1h")
        db.wf_step("etl", "report", "2")
        return db.wf_complete("etl", "3")

    for _ in range(3):
        with wf_error("WF_SUSPENDED", "cool"):
            script()
    db.at(3600)
    assert script() == "completed"
    assert db.column("SELECT name FROM wf_steps WHERE workflow_id = 'etl' ORDER BY seq") == ["load", "cool", "report"]


def test_the_claim_that_opened_it_is_over(db):
    """Even satisfied, the wait is for the next claim: the old token gets NULL until then, and its lease is lost after."""
    old = db.running()["token"]
    db.wf_sleep(old, "nap", 60)
    db.at(60)
    assert db.wf_sleep(old, "nap", 60) is None
    with wf_error("WF_SUSPENDED", "nap"):
        db.wf_step(old, "new", "1")
    new = db.claim()["token"]
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_step(old, "new", "1")
    assert db.wf_step(new, "new", "1") == "1"


def test_a_wait_by_bare_id_is_decided_by_the_same_call_later(db, kind):
    db.wf_start("job", id="w1")
    assert WAITS[kind](db, "w1") is None
    assert db.wf_status("w1") == "waiting"
    satisfy(db, kind)
    assert WAITS[kind](db, "w1") is not None
    assert db.wf_status("w1") == "pending"
    assert db.wf_complete("w1") == "completed"


def test_a_wait_takes_no_attempt_and_no_failure(db):
    db.wf_start("job", id="w1", max_attempts=1)
    for turn in range(5):
        token = db.claim()["token"]
        assert db.wf_sleep(token, "nap %d" % turn, 60) is None
        db.at(60 * (turn + 1))
    claim = db.claim()
    assert (claim["attempt"], claim["resumed"]) == (1, 5)


def test_a_wait_ends_a_row_of_lost_leases(db):
    db.wf_start("job", id="w1", max_attempts=2)
    db.claim()
    db.at(31)
    token = db.claim()["token"]
    assert db.wf_sleep(token, "nap", 0) is not None
    db.at(62)
    assert db.claim()["id"] == "w1"
    db.at(93)
    assert db.claim() is None
    assert db.wf_status("w1") == "failed"


@pytest.mark.parametrize("name", ["", "a\n", None, 5, "a" * 256])
def test_the_step_of_a_wait_is_a_name(db, kind, name):
    token = db.running()["token"]
    with wf_error("WF_INVALID"):
        WAITS[kind](db, token, name)


def test_a_wait_is_undone_with_the_transaction_around_it(db, kind):
    token = db.running()["token"]
    before = db.everything()
    db.execute("BEGIN")
    WAITS[kind](db, token)
    db.execute("ROLLBACK")
    assert db.everything() == before
    assert db.wf_step(token, "a", "1") == "1"


def test_unknown_workflows_cannot_wait(db, kind):
    with wf_error("WF_NOT_FOUND", "nobody"):
        WAITS[kind](db, "nobody")


def test_the_kinds_of_waits_do_not_mix(db, kind):
    db.wf_start("job", id="w1")
    satisfied = WAITS[kind](db, "w1")
    satisfy(db, kind)
    satisfied = WAITS[kind](db, "w1")
    assert satisfied is not None
    for other, wait in WAITS.items():
        if other != kind:
            with wf_error("WF_NONDETERMINISM", "wait"):
                wait(db, "w1")
    with wf_error("WF_NONDETERMINISM", "wait"):
        db.wf_step("w1", "wait", "1")
