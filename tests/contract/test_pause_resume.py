"""wf_pause and wf_resume: a flag over the previous status."""

import json

import pytest
from support import json_time, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    return db


def test_a_paused_workflow_is_not_claimed(db):
    db.wf_start("job", id="w1")
    assert db.wf_pause("w1") == 1
    assert db.wf_status("w1") == "paused"
    assert (db.claim(), db.wf_ready(), db.wf_pending()) == (None, 0, 1)
    assert "paused" in db.value("SELECT reason FROM wf_pending")
    with wf_error("WF_PAUSED", "w1"):
        db.claim(id="w1")


def test_resume_makes_it_claimable_again(db):
    db.wf_start("job", id="w1")
    db.wf_pause("w1")
    assert db.wf_resume("w1") == 1
    assert (db.wf_status("w1"), db.claim()["id"]) == ("pending", "w1")


def test_each_counts_what_changed(db):
    for id in ("a", "b", "c"):
        db.wf_start("job", id=id)
    db.wf_complete("c")
    assert db.wf_pause("a") == 1
    assert db.wf_pause(["a", "b", "c"]) == 1
    assert db.wf_resume(["a", "b", "c"]) == 2
    assert db.wf_resume(["a", "b", "c"]) == 0


@pytest.mark.parametrize("function", ["wf_pause", "wf_resume"])
def test_unknown_ids_are_not_found_and_undo_all(db, function):
    db.wf_start("job", id="a")
    db.wf_start("job", id="b")
    db.wf_pause("b")
    before = db.everything()
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.call(function, ["a", "b", "nobody"])
    assert db.everything() == before


@pytest.mark.parametrize("state", ["pending", "delayed", "running", "backoff", "sleeping", "waiting"])
def test_the_previous_status_comes_back_at_resume(db, state):
    db.wf_start("job", id="w1", **({"delay": 60} if state == "delayed" else {}))
    if state == "running":
        db.claim(None, "worker-1", lease=100)
    elif state == "backoff":
        db.wf_fail(db.claim()["token"], "e", delay=60)
    elif state == "sleeping":
        db.wf_sleep("w1", "nap", 60)
    elif state == "waiting":
        db.wf_await("w1", "wait", "go", 60)
    before = db.workflow()
    db.wf_pause("w1")
    assert db.wf_status("w1") == "paused"
    db.wf_resume("w1")
    after = db.workflow()
    assert after == before


@pytest.mark.parametrize(
    "act",
    [
        lambda db, h: db.wf_step(h, "new"),
        lambda db, h: db.wf_begin(h, "new"),
        lambda db, h: db.wf_sleep(h, "new", 1),
        lambda db, h: db.wf_await(h, "new", "go", 0),
        lambda db, h: db.wf_join(h, "new"),
        lambda db, h: db.wf_spawn(h, "new", "child"),
        lambda db, h: db.wf_fail(h, "e"),
    ],
    ids=["guard", "begin", "sleep", "await", "join", "spawn", "fail"],
)
def test_the_worker_of_a_paused_workflow_is_stopped(db, act):
    token = db.running()["token"]
    db.wf_pause("w1")
    before = db.everything()
    with wf_error("WF_PAUSED", "w1"):
        act(db, token)
    assert db.everything() == before


def test_the_claim_that_was_live_may_still_record_outputs(db):
    token = db.running()["token"]
    db.wf_pause("w1")
    assert db.wf_step(token, "charge", "1") == "1"
    assert db.wf_step(token, "charge") == "1"
    assert db.wf_status("w1") == "paused"


def test_the_claim_that_was_live_may_also_complete(db):
    token = db.running()["token"]
    db.wf_pause("w1")
    assert db.wf_complete(token, "1") == "completed"
    assert (db.wf_status("w1"), db.wf_result("w1")) == ("completed", "1")


@pytest.mark.parametrize("act", [lambda db: db.wf_step("w1", "a", "1"), lambda db: db.wf_step("w1", "a"), lambda db: db.wf_complete("w1")])
def test_a_script_is_stopped(db, act):
    db.wf_start("job", id="w1")
    db.wf_pause("w1")
    with wf_error("WF_PAUSED", "w1"):
        act(db)


def test_recorded_steps_can_be_read(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1")
    db.wf_pause("w1")
    assert db.wf_step("w1", "a") == "1"


def test_signals_are_kept_and_acted_on_at_resume(db):
    db.wf_start("job", id="w1")
    db.wf_await("w1", "wait", "go")
    db.wf_pause("w1")
    assert db.wf_signal("w1", "go", 1) == 1
    assert (db.wf_ready(), db.claim()) == (0, None)
    db.wf_resume("w1")
    assert json.loads(db.wf_await(db.claim()["token"], "wait", "go"))["payload"] == 1


def test_events_are_kept_and_acted_on_at_resume(db):
    db.wf_start("job", id="w1")
    db.wf_await_event("w1", "wait", "news")
    db.wf_pause("w1")
    db.wf_emit("news", 1)
    assert db.claim() is None
    db.wf_resume("w1")
    assert json.loads(db.wf_await_event(db.claim()["token"], "wait", "news"))["payload"] == 1


def test_ends_of_children_are_acted_on_at_resume(db):
    db.wf_start("job", id="w1")
    db.wf_spawn("w1", "kid", "child")
    db.wf_join("w1", "join")
    db.wf_pause("w1")
    db.wf_complete("w1/kid", 5)
    assert db.claim() is None
    db.wf_resume("w1")
    assert json.loads(db.wf_join(db.claim()["token"], "join"))[0]["output"] == 5


def test_a_sleep_that_ran_out_under_the_pause_is_acted_on_at_resume(db):
    db.wf_start("job", id="w1")
    db.wf_sleep("w1", "nap", 60)
    db.wf_pause("w1")
    db.at(100)
    assert db.claim() is None
    db.wf_resume("w1")
    assert db.wf_sleep(db.claim()["token"], "nap", 60) == sql_time(60)


@pytest.mark.parametrize("arrival, counts", [(9, True), (11, False)])
def test_waits_are_decided_by_their_times_not_by_the_resume(db, arrival, counts):
    db.wf_start("job", id="w1")
    db.wf_await("w1", "wait", "go", 10)
    db.at(5)
    db.wf_pause("w1")
    db.at(arrival)
    db.wf_signal("w1", "go", 1)
    db.at(50)
    db.wf_resume("w1")
    got = json.loads(db.wf_await(db.claim()["token"], "wait", "go", 10))
    assert got == ({"signal": "go", "payload": 1, "received_at": json_time(arrival)} if counts else {"signal": None, "timeout": True})


def test_an_open_wait_of_a_paused_workflow_is_not_repeated(db):
    token = db.running()["token"]
    db.wf_sleep(token, "nap", 60)
    db.wf_pause("w1")
    for handle in (token, "w1"):
        with wf_error("WF_PAUSED", "w1"):
            db.wf_sleep(handle, "nap", 60)


def test_the_deadline_stands_still(db):
    db.wf_start("job", id="w1", timeout=100)
    db.at(30)
    db.wf_pause("w1")
    db.at(1000)
    assert (db.wf_tick(), db.wf_status("w1")) == (0, "paused")
    db.wf_resume("w1")
    assert db.workflow()["deadline_at"] == sql_time(1070)
    db.at(1069)
    assert (db.wf_tick(), db.wf_status("w1")) == (0, "pending")
    db.at(1070.001)
    assert (db.wf_tick(), db.wf_status("w1")) == (1, "failed")


def test_a_lease_runs_on_under_the_pause(db):
    old = db.running(lease=30)["token"]
    db.wf_pause("w1")
    db.at(31)
    db.wf_resume("w1")
    claim = db.claim()
    assert (claim["id"], claim["attempt"]) == ("w1", 2)
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_complete(old)


def test_a_pause_before_the_start_moment_does_not_move_it(db):
    db.wf_start("job", id="w1", delay=60)
    db.wf_pause("w1")
    db.at(10)
    db.wf_resume("w1")
    assert db.claim() is None
    db.at(60)
    assert db.claim()["id"] == "w1"


def test_what_all_workflows_were_paused_by_recover_is_resumed_one_by_one(db):
    for id in ("a", "b"):
        db.wf_start("job", id=id)
    db.wf_recover(pause=True)
    assert db.claim() is None
    assert db.wf_resume("b") == 1
    assert (db.claim()["id"], db.claim()) == ("b", None)


def test_a_paused_workflow_may_be_cancelled(db):
    db.wf_start("job", id="w1")
    db.wf_pause("w1")
    assert db.wf_cancel("w1") == 1
    assert (db.wf_status("w1"), db.wf_resume("w1")) == ("cancelled", 0)


def test_children_are_not_paused_along(db):
    db.wf_start("job", id="w1")
    db.wf_spawn("w1", "kid", "child")
    db.wf_pause("w1")
    assert db.claim()["id"] == "w1/kid"


def test_a_paused_workflow_frees_its_place_for_others(db):
    db.wf_start("job", id="w1", priority=9)
    db.wf_start("job", id="w2")
    db.wf_pause("w1")
    assert db.claim()["id"] == "w2"


def test_it_is_undone_with_the_transaction_around_it(db):
    db.wf_start("job", id="w1")
    before = db.everything()
    db.execute("BEGIN")
    db.wf_pause("w1")
    db.execute("ROLLBACK")
    assert db.everything() == before


def test_skip_leaves_out_what_is_not_there(db):
    for id in ("a", "b"):
        db.wf_start("job", id=id)
    assert db.wf_pause(["nobody", "a", "b"], skip=True) == 2
    assert db.wf_resume(["a", "nobody"], skip=True) == 1
    assert [db.wf_status(id) for id in "ab"] == ["pending", "paused"]
