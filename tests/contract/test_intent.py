"""wf_begin, wf_resolve, wf_key and wf_in_doubt: outside effects that must not be repeated blindly."""

import json

import pytest
from support import sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("job", id="w1")
    return db


def begun(db, handle, step="charge", **options):
    text = db.wf_begin(handle, step, **options)
    return None if text is None else json.loads(text)


def go(db, step="charge"):
    return {"go": True, "key": db.wf_key("w1", step)}


@pytest.fixture
def doubt(db):
    """The step charge was begun by a claim whose lease ran out; the token of the next claim."""
    begun(db, db.claim(None, "worker-1")["token"])
    db.at(31)
    return db.claim(None, "worker-2")["token"]


def test_the_first_begin_says_go_with_the_key(db):
    assert begun(db, db.claim()["token"]) == go(db)


def test_the_same_claim_may_begin_again(db):
    token = db.claim()["token"]
    assert [begun(db, token) for _ in range(3)] == [go(db)] * 3
    assert [begun(db, token, in_doubt=policy) for policy in ("retry", "hold", "fail")] == [go(db)] * 3


def test_the_step_is_finished_by_wf_step(db):
    token = db.claim()["token"]
    begun(db, token)
    assert db.wf_step(token, "charge") is None
    assert db.wf_step(token, "charge", '{"ref": 9}') == '{"ref": 9}'
    assert begun(db, token) == {"output": {"ref": 9}}
    assert db.wf_step(token, "charge") == '{"ref": 9}'


def test_a_step_that_is_recorded_already_needs_no_begin(db):
    db.wf_step("w1", "charge", "null")
    assert begun(db, "w1") == {"output": None}
    assert begun(db, db.claim()["token"]) == {"output": None}


def test_the_output_is_there_after_the_end_too(db):
    token = db.claim()["token"]
    db.wf_step(token, "charge", "5")
    db.wf_complete(token)
    assert begun(db, "w1") == {"output": 5}


def test_a_begun_step_shows_as_begun(db):
    db.at(3)
    begun(db, db.claim()["token"])
    assert db.records("SELECT name, kind, status, output, attempts, begun_at, recorded_at FROM wf_steps") == [
        dict(name="charge", kind="step", status="begun", output=None, attempts=0, begun_at=sql_time(3), recorded_at=None)]


def test_a_finished_step_keeps_when_it_was_begun(db):
    token = db.claim()["token"]
    begun(db, token)
    db.at(5)
    db.wf_step(token, "charge", "1")
    assert db.rows("SELECT status, begun_at, recorded_at FROM wf_steps") == [("done", sql_time(0), sql_time(5))]


def test_it_is_withdrawn_by_wf_fail_with_that_step(db):
    token = db.claim()["token"]
    begun(db, token)
    assert db.wf_fail(token, "declined", step="charge", delay=0) == "pending"
    assert db.rows("SELECT * FROM wf_in_doubt") == []
    token = db.claim()["token"]
    assert begun(db, token, in_doubt="fail") == go(db)


def test_another_failure_does_not_withdraw_it(db):
    token = db.claim()["token"]
    begun(db, token)
    db.wf_fail(token, "other", delay=0)
    assert db.column("SELECT step FROM wf_in_doubt") == ["charge"]


def test_begun_under_another_claim_it_is_in_doubt(db, doubt):
    assert db.records("SELECT workflow_id, step, key, begun_at FROM wf_in_doubt") == [
        dict(workflow_id="w1", step="charge", key=db.wf_key("w1", "charge"), begun_at=sql_time(0))]


def test_under_the_claim_that_began_it_it_is_not_in_doubt(db):
    token = db.claim()["token"]
    begun(db, token)
    assert db.rows("SELECT * FROM wf_in_doubt") == []
    db.at(31)
    assert db.column("SELECT step FROM wf_in_doubt") == ["charge"], "its worker may be dead"


def test_by_bare_id_it_is_in_doubt_as_soon_as_it_is_begun(db):
    assert begun(db, "w1", in_doubt="hold") == go(db)
    assert db.column("SELECT step FROM wf_in_doubt") == ["charge"]
    assert begun(db, "w1", in_doubt="hold") is None


def test_finished_it_is_no_longer_in_doubt(db, doubt):
    db.wf_step(doubt, "charge", "1")
    assert db.rows("SELECT * FROM wf_in_doubt") == []


@pytest.mark.parametrize("options", [{}, {"in_doubt": "retry"}])
def test_retry_is_the_default_and_goes_with_the_same_key(db, doubt, options):
    assert begun(db, doubt, **options) == go(db)
    assert db.wf_step(doubt, "charge", "1") == "1"


def test_hold_suspends(db, doubt):
    assert begun(db, doubt, in_doubt="hold") is None
    assert db.wf_status("w1") == "waiting"
    assert "doubt" in db.value("SELECT reason FROM wf_pending")
    with wf_error("WF_SUSPENDED", "charge"):
        db.wf_step(doubt, "other", "1")
    assert (db.wf_ready(), db.claim()) == (0, None)
    assert db.column("SELECT held FROM wf_in_doubt") == [1]


def test_hold_may_be_repeated(db, doubt):
    begun(db, doubt, in_doubt="hold")
    before = db.everything()
    for handle in (doubt, "w1"):
        assert begun(db, handle, in_doubt="hold") is None
    assert db.everything() == before


def test_resolved_as_done_it_has_that_output(db, doubt):
    begun(db, doubt, in_doubt="hold")
    db.at(40)
    assert db.wf_resolve("w1", "charge", "done", {"ref": 9}) == 1
    claim = db.claim()
    assert begun(db, claim["token"], in_doubt="hold") == {"output": {"ref": 9}}
    assert db.wf_step(claim["token"], "charge") == '{"ref":9}'
    assert db.rows("SELECT * FROM wf_in_doubt") == []


def test_resolved_as_retry_the_next_begin_says_go(db, doubt):
    begun(db, doubt, in_doubt="hold")
    assert db.wf_resolve("w1", "charge", "retry") == 1
    claim = db.claim()
    assert begun(db, claim["token"], in_doubt="hold") == go(db)
    assert db.wf_step(claim["token"], "charge", "1") == "1"


def test_after_a_resolved_retry_that_is_lost_again_it_is_in_doubt_again(db, doubt):
    begun(db, doubt, in_doubt="hold")
    db.wf_resolve("w1", "charge", "retry")
    assert begun(db, db.claim()["token"], in_doubt="hold") == go(db)
    db.at(100)
    assert begun(db, db.claim()["token"], in_doubt="hold") is None


def test_resolved_as_failed_the_workflow_fails_with_that_error(db, doubt):
    begun(db, doubt, in_doubt="hold")
    assert db.wf_resolve("w1", "charge", "failed", {"code": "lost"}) == 1
    assert (db.wf_status("w1"), db.wf_error("w1")) == ("failed", '{"code":"lost"}')
    assert db.rows("SELECT * FROM wf_in_doubt") == []


def test_it_can_be_resolved_before_anyone_holds_it(db):
    token = db.claim()["token"]
    begun(db, token)
    db.wf_release(token)
    assert db.wf_resolve("w1", "charge", "done", 5) == 1
    assert begun(db, db.claim()["token"], in_doubt="hold") == {"output": 5}


def test_a_step_of_a_live_claim_is_not_resolved(db):
    begun(db, db.claim(None, "worker-1")["token"])
    with wf_error("WF_LEASED", "worker-1"):
        db.wf_resolve("w1", "charge", "done", 5)


def test_a_step_that_was_not_begun_is_not_found(db):
    with wf_error("WF_NOT_FOUND", "charge"):
        db.wf_resolve("w1", "charge", "done", 5)
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_resolve("nobody", "charge", "done", 5)


def test_a_step_that_is_recorded_is_not_resolved(db):
    db.wf_step("w1", "charge", "1")
    with wf_error("WF_STATE", "charge"):
        db.wf_resolve("w1", "charge", "done", 5)


@pytest.mark.parametrize("verdict", ["perhaps", "", None, 1, "DONE"])
def test_a_verdict_is_one_of_three(db, verdict):
    begun(db, "w1")
    with wf_error("WF_INVALID"):
        db.wf_resolve("w1", "charge", verdict)


def test_fail_ends_the_workflow(db, doubt):
    assert begun(db, doubt, in_doubt="fail") is None
    assert db.wf_status("w1") == "failed"
    assert json.loads(db.wf_error("w1"))["code"] == "in_doubt"
    assert "charge" in db.wf_error("w1")


def test_fail_leads_to_the_cleanup(db):
    db.wf_start("job", id="w2", cleanup=True)
    begun(db, "w2")
    assert begun(db, "w2", in_doubt="fail") is None
    claim = db.claim(id="w2")
    assert claim["ending"] == "failed"
    assert db.wf_complete(claim["token"]) == "failed"
    assert json.loads(db.wf_error("w2"))["code"] == "in_doubt"


@pytest.mark.parametrize("policy", ["", "ask", 1])
def test_a_policy_is_one_of_three(db, policy):
    with wf_error("WF_INVALID", "in_doubt"):
        db.wf_begin("w1", "charge", in_doubt=policy)


def test_a_crash_leaves_it_in_doubt_and_recover_counts_it(db):
    begun(db, db.claim()["token"])
    assert json.loads(db.wf_recover())["in_doubt"] == 1
    assert begun(db, db.claim()["token"], in_doubt="hold") is None


def test_the_key_is_the_same_for_every_attempt_and_another_for_every_step(db):
    key = db.wf_key("w1", "charge")
    for turn in range(3):
        assert begun(db, db.claim()["token"])["key"] == key
        db.at(31 * (turn + 1))
    assert db.wf_key("w1", "refund") != key


def test_the_lost_claim_cannot_finish_what_it_began(db):
    old = db.claim()["token"]
    begun(db, old)
    db.at(31)
    new = db.claim()["token"]
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_step(old, "charge", "1")
    assert begun(db, new) == go(db)


@pytest.mark.parametrize("kind", ["wf_sleep('w1', 'x', 0)", "wf_await('w1', 'x', 'go', 0)", "wf_join('w1', 'x')", "wf_spawn('w1', 'x', 'child')"])
def test_a_step_of_another_kind_is_not_begun(db, kind):
    db.value("SELECT " + kind)
    with wf_error("WF_NONDETERMINISM", "x"):
        db.wf_begin("w1", "x")
    begun(db, "w1", "y")
    with wf_error("WF_NONDETERMINISM", "y"):
        db.value("SELECT " + kind.replace("'x'", "'y'"))


def test_a_step_that_only_failed_is_begun_like_a_new_one(db):
    db.wf_fail("w1", "e", step="charge", delay=0)
    assert begun(db, "w1", in_doubt="hold") == go(db)


def test_begin_is_undone_with_the_transaction_around_it(db):
    token = db.claim()["token"]
    db.execute("BEGIN")
    begun(db, token)
    db.execute("ROLLBACK")
    assert db.rows("SELECT * FROM wf_steps") == []


def test_a_workflow_completes_with_a_step_begun(db):
    """The worker says that it is over: nothing is in doubt any more."""
    token = db.claim()["token"]
    begun(db, token)
    assert db.wf_complete(token) == "completed"
    assert db.rows("SELECT * FROM wf_in_doubt") == []
    with wf_error("WF_STATE"):
        db.wf_resolve("w1", "charge", "done", 1)


def test_two_steps_in_doubt_are_settled_one_by_one(db):
    token = db.claim()["token"]
    begun(db, token, "a")
    begun(db, token, "b")
    db.at(31)
    token = db.claim()["token"]
    assert db.column("SELECT step FROM wf_in_doubt ORDER BY step") == ["a", "b"]
    assert begun(db, token, "a", in_doubt="hold") is None
    db.wf_resolve("w1", "a", "done", 1)
    token = db.claim()["token"]
    assert begun(db, token, "a") == {"output": 1}
    assert begun(db, token, "b", in_doubt="hold") is None
    db.wf_resolve("w1", "b", "done", 2)
    assert begun(db, db.claim()["token"], "b") == {"output": 2}
