"""The corners in which other durable-workflow engines differ or go wrong, one section each."""

import json

import pytest
from support import BASE, json_time, sql_time, wf_error

# Duplicate start


def test_duplicate_start_compares_name_and_input(db):
    db.wf_start("order", {"sku": "a", "qty": 1}, id="o1", max_attempts=3)
    before = db.everything()
    assert db.wf_start("order", '{"qty": 1.0, "sku": "\\u0061"}', id="o1") == "o1"
    with wf_error("WF_CONFLICT", "o1"):
        db.wf_start("order", {"sku": "a", "qty": 2}, id="o1")
    with wf_error("WF_CONFLICT", "o1"):
        db.wf_start("refund", {"sku": "a", "qty": 1}, id="o1")
    assert db.everything() == before


def test_duplicate_start_never_wakes_a_workflow_that_has_ended(db):
    db.wf_start("order", id="o1")
    db.wf_complete("o1", "1")
    assert db.wf_start("order", id="o1") == "o1"
    assert (db.wf_status("o1"), db.wf_result("o1"), db.wf_claim()) == ("completed", "1", None)


def test_duplicate_start_from_two_connections_is_one_workflow(db, connect):
    other = connect()
    for number in range(50):
        id = "o%d" % number
        assert (db.wf_start("order", number, id=id), other.wf_start("order", number, id=id)) == (id, id)
    assert db.wf_pending() == 50


# Late completion


def test_late_completion_with_an_expired_lease_that_nobody_reclaimed_is_accepted(db):
    db.at(0)
    token = db.running(lease=1)["token"]
    db.at(86400)
    assert db.wf_step(token, "a", "1") == "1"
    db.at(2 * 86400)
    assert db.wf_complete(token, "2") == "completed"
    assert db.workflow()["attempt"] == 1
    assert db.rows("SELECT * FROM wf_failures") == []


def test_late_completion_after_a_look_at_what_is_pending_is_accepted(db):
    """Only taking the work ends a claim: neither looking nor claims of other work do."""
    db.at(0)
    token = db.running(lease=1)["token"]
    db.wf_start("other", id="w2", queue="q2")
    db.at(100)
    assert db.value("SELECT ready FROM wf_pending WHERE id = 'w1'") == 1
    assert db.wf_ready() == 2
    assert db.claim("q2")["id"] == "w2"
    assert db.wf_complete(token) == "completed"


@pytest.mark.parametrize("worker", ["worker-1", "worker-2", None])
def test_late_completion_after_a_reclaim_is_refused_whatever_the_worker_is_called(db, worker):
    db.at(0)
    late = db.running(worker="worker-1", lease=1)["token"]
    db.at(2)
    token = db.claim(None, worker)["token"]
    before = db.everything()
    for call in (
        lambda: db.wf_step(late, "a", '"late"'),
        lambda: db.wf_complete(late, '"late"'),
        lambda: db.wf_fail(late, '"late"'),
        lambda: db.wf_heartbeat(late),
        lambda: db.wf_release(late),
    ):
        with wf_error("WF_LEASE_LOST", "w1"):
            call()
    assert db.everything() == before
    assert db.wf_complete(token, '"in time"') == "completed"
    assert db.wf_result("w1") == '"in time"'


# Crash in the middle of a step


def test_crash_mid_step_keeps_what_was_recorded_and_repeats_the_rest(db, connect):
    worker = connect()
    worker.at(0)
    token = worker.running(lease=10)["token"]
    worker.wf_step(token, "a", '"done"')
    assert worker.wf_step(token, "b") is None
    worker.close()
    db.at(11)
    claim = db.claim(None, "worker-2", steps=True)
    assert (claim["attempt"], db.outputs(claim)) == (2, {"a": "done"})
    assert db.wf_step(claim["token"], "b") is None


def test_crash_mid_step_inside_a_transaction_leaves_neither_rows_nor_step(db, connect):
    db.execute("CREATE TABLE app(n)")
    worker = connect()
    token = worker.running()["token"]
    worker.execute("BEGIN IMMEDIATE")
    worker.execute("INSERT INTO app VALUES(1)")
    worker.wf_step(token, "a", "1")
    worker.close()
    assert db.rows("SELECT * FROM app") == []
    assert db.rows("SELECT * FROM wf_steps") == []
    assert db.wf_step(token, "a") is None


def test_crash_mid_step_over_and_over_is_poison_but_progress_is_not(db):
    db.at(0)
    db.wf_start("job", id="stuck", max_attempts=3)
    db.wf_start("job", id="slow", max_attempts=3)
    for turn in range(10):
        db.at(turn * 100)
        for claim in db.claim(limit=2, lease=10) or []:
            if claim["id"] == "slow":
                db.wf_step(claim["token"], "part %d" % turn, "1")
    assert (db.wf_status("stuck"), json.loads(db.wf_error("stuck"))["code"]) == ("failed", "poison")
    assert db.wf_status("slow") == "running"
    assert db.workflow("slow")["attempt"] == 10


# Max attempts


def test_max_attempts_ends_in_failed_with_the_last_error_and_stays_there(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=3, backoff={"initial": 0})
    results = [db.wf_fail(db.claim()["token"], '"error %d"' % n) for n in (1, 2, 3)]
    assert results == ["pending", "pending", "failed"]
    assert db.wf_error("w1") == '"error 3"'
    assert db.column("SELECT error FROM wf_failures") == ['"error 1"', '"error 2"', '"error 3"']
    db.at(10**6)
    assert db.claim() is None
    db.wf_recover()
    assert db.claim() is None


def test_max_attempts_of_one_never_retries(db):
    db.wf_start("job", id="w1", max_attempts=1)
    assert db.wf_fail(db.claim()["token"], "e") == "failed"


def test_max_attempts_counts_failures_not_claims(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    for _ in range(20):
        db.wf_release(db.claim()["token"])
    assert db.wf_fail(db.claim()["token"], "e", delay=0) == "pending"
    for _ in range(20):
        db.wf_release(db.claim()["token"])
    assert db.wf_fail(db.claim()["token"], "e") == "failed"


# Step name reuse


def test_step_name_reuse_gives_the_first_output_and_never_overwrites(db):
    db.at(0)
    token = db.running(lease=1)["token"]
    assert db.wf_step(token, "a", '"first"') == '"first"'
    assert db.wf_step(token, "a", '"second"') == '"first"'
    db.at(2)
    token = db.claim()["token"]
    assert db.wf_step(token, "a", '"third"') == '"first"'
    assert db.rows("SELECT name, output FROM wf_steps") == [("a", '"first"')]


def test_step_name_reuse_in_another_order_never_swaps_results(db):
    token = db.running()["token"]
    for step in ("a", "b", "c"):
        db.wf_step(token, step, '"%s"' % step)
    db.wf_release(token)
    token = db.claim()["token"]
    for step in ("c", "a", "new", "b"):
        assert db.wf_step(token, step, '"%s"' % step) == '"%s"' % step


def test_step_name_reuse_by_two_writers_keeps_the_first(db, connect):
    other = connect()
    db.wf_start("job", id="w1")
    assert db.wf_step("w1", "a") is None
    assert other.wf_step("w1", "a") is None
    assert db.wf_step("w1", "a", "1") == "1"
    assert other.wf_step("w1", "a", "2") == "1"
    with wf_error("WF_CONFLICT"):
        other.wf_step("w1", "a", "2", once=True)


# Clock


def test_clock_every_moment_of_a_call_comes_from_the_same_reading(db):
    db.at(0)
    claim = db.running(timeout=100, lease=10)
    workflow = db.workflow()
    assert workflow["created_at"] == workflow["started_at"] == workflow["updated_at"] == sql_time(0)
    assert (claim["lease_expires_at"], claim["deadline_at"]) == (json_time(10), json_time(100))


def test_clock_milliseconds_count(db):
    db.at(0)
    db.running(lease=0.005)
    db.at(0.004)
    assert db.claim() is None
    db.at(0.006)
    assert db.claim()["attempt"] == 2


def test_clock_of_one_worker_ahead_of_another_repeats_nothing(db, connect):
    """The fast worker takes over early; the slow one is fenced, not doubled."""
    db.at(0)
    slow = db.running(lease=30)["token"]
    db.wf_step(slow, "a", "1")
    fast = connect()
    fast.at(3600)
    claim = fast.claim(steps=True)
    assert db.outputs(claim) == {"a": 1}
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(slow, "b", "2")
    assert db.claim() is None
    assert fast.wf_complete(claim["token"]) == "completed"


def test_clock_set_back_by_years_keeps_the_order_of_what_happened(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    db.at(-10**8)
    db.wf_step(token, "b", "2")
    assert db.column("SELECT name FROM wf_steps ORDER BY seq") == ["a", "b"]
    assert db.wf_complete(token) == "completed"


# Write after terminal


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_write_after_terminal_is_refused_for_every_handle(db, end):
    db.at(0)
    stale = db.running(lease=1)["token"]
    db.at(2)
    last = db.claim()["token"]
    if end == "completed":
        db.wf_complete(last, "1")
    else:
        db.wf_fail(last, "1", retry=False)
    before = db.everything()
    for handle in (stale, last, "w1"):
        with wf_error("WF_STATE", "w1", end):
            db.wf_step(handle, "checkpoint after the end", "1")
        with wf_error("WF_STATE", "w1", end):
            db.wf_release(handle)
    assert db.everything() == before


# Lease of 0


@pytest.mark.parametrize("lease", [0, "0s", -5])
def test_lease_of_0_is_an_error_and_not_a_lease_for_ever_or_for_nobody(db, lease):
    db.at(0)
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "lease"):
        db.wf_claim(lease=lease)
    token = db.claim()["token"]
    with wf_error("WF_INVALID"):
        db.wf_heartbeat(token, lease)
    assert db.workflow()["due_at"] == sql_time(30)


# Policies that are checked at the wrong moment


def test_timeout_runs_from_the_due_moment_and_not_from_the_first_claim(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10)
    db.at(9)
    assert db.claim(lease=5)["deadline_at"] == json_time(10)
    db.at(15)
    assert db.claim() is None
    assert json.loads(db.wf_error("w1"))["code"] == "timeout"


def test_timeout_of_a_workflow_that_nobody_ever_claims_fires_with_any_claim(db):
    db.at(0)
    db.wf_start("job", id="w1", queue="forgotten", timeout=10)
    db.at(11)
    assert db.claim("another queue") is None
    assert db.wf_status("w1") == "failed"


def test_timeout_comes_before_a_new_attempt(db):
    """An attempt that could not be finished is not begun."""
    db.at(0)
    db.wf_start("job", id="late", timeout=10, at=BASE, priority=9)
    db.wf_start("job", id="good")
    db.at(10.5)
    assert db.claim()["id"] == "good"


# Cancelled while running: no cancel yet, a pause by recovery is the operator's act that exists


def test_paused_while_running_voids_the_claim_and_keeps_what_was_recorded(db):
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    db.wf_recover(pause=True)
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "b", "2")
    assert db.wf_step(token, "a") == "1"
    assert db.wf_status("w1") == "paused"
