"""States: how a workflow moves, what its due moment says, and what counts as an attempt."""

import pytest
from support import sql_time, wf_error


def states(db, id="w1"):
    workflow = db.workflow(id)
    return workflow["status"], workflow["due_at"]


def test_pending_is_runnable_once_its_due_moment_is_reached(db):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    assert states(db) == ("pending", sql_time(60))
    db.at(59.999)
    assert db.claim() is None
    db.at(60)
    assert db.claim()["id"] == "w1"


def test_running_is_leased_until_its_due_moment_and_claimable_by_others_after_it(db):
    db.at(0)
    db.running(lease=10)
    assert states(db) == ("running", sql_time(10))
    db.at(9.999)
    assert db.claim() is None
    db.at(10.001)
    assert states(db) == ("running", sql_time(10))
    assert db.claim()["id"] == "w1"
    assert states(db) == ("running", sql_time(40.001))


def test_a_failure_goes_back_to_pending_until_the_backoff_is_over(db):
    db.at(0)
    db.wf_fail(db.running(backoff={"initial": 7})["token"], "e")
    assert states(db) == ("pending", sql_time(7))


def test_a_release_goes_back_to_pending_and_is_due_now(db):
    db.at(0)
    token = db.running()["token"]
    db.at(5)
    db.wf_release(token)
    assert states(db) == ("pending", sql_time(5))


@pytest.mark.parametrize(
    "end, status",
    [
        (lambda db, handle: db.wf_complete(handle), "completed"),
        (lambda db, handle: db.wf_fail(handle, "e", retry=False), "failed"),
    ],
)
class TestTerminal:
    def test_a_terminal_workflow_has_no_due_moment(self, db, end, status):
        db.at(0)
        token = db.running()["token"]
        db.at(5)
        end(db, token)
        workflow = db.workflow()
        assert workflow["status"] == db.wf_status("w1") == status
        assert (workflow["due_at"], workflow["updated_at"]) == (None, sql_time(5))
        assert db.wf_pending() == 0

    def test_nothing_is_written_to_it_any_more(self, db, end, status):
        db.at(0)
        token = db.running(timeout=100)["token"]
        db.wf_step(token, "a", "1")
        end(db, token)
        before = db.everything()
        for handle in (token, "w1"):
            for act in (
                lambda: db.wf_step(handle, "new"),
                lambda: db.wf_step(handle, "new", "1"),
                lambda: db.wf_release(handle),
                lambda: db.wf_claim(id="w1"),
            ):
                with wf_error("WF_STATE", "w1", status):
                    act()
            with wf_error("WF_CONFLICT", "a"):
                db.wf_step(handle, "a", "1", once=True)
        with wf_error("WF_STATE", "w1", status):
            db.wf_heartbeat(token)
        assert db.everything() == before

    def test_time_recovery_and_a_repeated_start_leave_it_alone(self, db, end, status):
        db.at(0)
        token = db.running(timeout=100)["token"]
        end(db, token)
        before = db.everything()
        db.at(1000)
        assert db.claim() is None
        db.wf_recover()
        assert db.wf_start("job", id="w1") == "w1"
        assert db.everything() == before

    def test_its_recorded_steps_are_still_read(self, db, end, status):
        token = db.running()["token"]
        db.wf_step(token, "a", "1")
        end(db, token)
        for handle in (token, "w1"):
            assert db.wf_step(handle, "a") == "1"
            assert db.wf_step(handle, "a", "2") == "1"


# Attempt


def attempts(claim):
    return claim["attempt"], claim["resumed"]


def test_the_first_claim_is_attempt_1(db):
    db.wf_start("job", id="w1")
    assert db.workflow()["attempt"] == 0
    assert attempts(db.claim()) == (1, 0)
    assert db.workflow()["attempt"] == 1


def test_a_claim_after_a_failure_is_the_next_attempt(db):
    db.at(0)
    db.wf_fail(db.running()["token"], "e", delay=0)
    assert attempts(db.claim()) == (2, 0)


def test_a_claim_after_a_lost_lease_is_the_next_attempt(db):
    db.at(0)
    db.running()
    db.at(31)
    assert attempts(db.claim()) == (2, 0)


def test_a_claim_after_a_release_is_the_same_attempt(db):
    db.wf_release(db.running()["token"])
    assert attempts(db.claim()) == (1, 1)


def test_attempts_and_resumptions_add_up_to_the_claims(db):
    db.at(0)
    token = db.running()["token"]
    seen = []
    for turn, give_back in enumerate(["release", "fail", "lose", "release", "fail"], start=1):
        if give_back == "release":
            db.wf_release(token)
        elif give_back == "fail":
            db.wf_fail(token, "e", delay=0)
        db.at(turn * 31)
        claim = db.claim()
        token = claim["token"]
        seen.append(attempts(claim))
    assert seen == [(1, 1), (2, 1), (3, 1), (3, 2), (4, 2)]


# Pause (an operator's flag; recovery can set it)


@pytest.fixture
def paused(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=100)
    db.wf_step("w1", "a", "1")
    db.wf_recover(pause=True)
    return db


def test_a_paused_workflow_is_not_claimed(paused):
    assert paused.wf_status("w1") == "paused"
    assert paused.claim() is None
    assert (paused.wf_pending(), paused.wf_ready()) == (1, 0)
    with wf_error("WF_PAUSED", "w1"):
        paused.wf_claim(id="w1")


def test_a_paused_workflow_is_read_but_not_written(paused):
    before = paused.everything()
    assert paused.wf_step("w1", "a") == "1"
    for act in (
        lambda: paused.wf_step("w1", "b"),
        lambda: paused.wf_step("w1", "b", "1"),
        lambda: paused.wf_complete("w1"),
        lambda: paused.wf_fail("w1", "e"),
    ):
        with wf_error("WF_PAUSED", "w1"):
            act()
    assert paused.everything() == before


def test_the_deadline_of_a_paused_workflow_stands_still(paused):
    paused.at(1000)
    assert paused.claim() is None
    assert paused.wf_status("w1") == "paused"
