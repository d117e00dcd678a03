"""Ending in two phases: with `cleanup` a workflow compensates before it is terminal."""

import json

import pytest
from support import json_time, sql_time


@pytest.fixture
def ending(db):
    """w1 has failed for good at 5 seconds and is to clean up."""
    db.at(0)
    token = db.running(cleanup=True, max_attempts=2, timeout=1000)["token"]
    db.wf_step(token, "charge", "1")
    db.at(5)
    assert db.wf_fail(token, '"why"', retry=False) == "pending"
    return db


def test_a_final_failure_becomes_pending_with_the_coming_status(ending):
    workflow = ending.workflow()
    assert (workflow["status"], workflow["ending"], workflow["completed_at"]) == ("pending", "failed", None)
    assert (workflow["due_at"], ending.wf_pending()) == (sql_time(5), 1)


def test_the_claim_says_so(ending):
    claim = ending.claim(steps=True)
    assert (claim["ending"], ending.outputs(claim)) == ("failed", {"charge": 1})


def test_its_worker_compensates_and_the_next_completion_makes_it_terminal_with_that_status(ending):
    token = ending.claim()["token"]
    assert ending.wf_step(token, "refund", "2") == "2"
    assert ending.wf_complete(token, '"ignored"') == "failed"
    workflow = ending.workflow()
    assert (workflow["status"], workflow["due_at"], workflow["updated_at"]) == ("failed", None, sql_time(5))
    assert ending.wf_error("w1") == '"why"'
    assert ending.wf_result("w1") is None
    assert ending.wf_complete(token) == "failed"


def test_a_script_compensates_by_bare_id(ending):
    ending.wf_step("w1", "refund", "2")
    assert ending.wf_complete("w1") == "failed"
    assert (ending.wf_status("w1"), ending.wf_error("w1")) == ("failed", '"why"')


def test_the_last_failure_of_the_budget_is_final_too(db):
    db.at(0)
    token = db.running(cleanup=True, max_attempts=1)["token"]
    assert db.wf_fail(token, "e") == "pending"
    assert db.workflow()["ending"] == "failed"
    assert db.wf_fail(token, "e") == "pending"
    assert db.claim()["ending"] == "failed"


def test_a_failure_that_is_not_final_does_not_end_anything(db):
    db.wf_fail(db.running(cleanup=True)["token"], "e", delay=0)
    assert db.workflow()["ending"] is None
    assert db.claim()["ending"] is None


def test_the_ending_phase_has_a_new_budget(ending):
    assert ending.wf_fail(ending.claim()["token"], '"undo 1"', delay=0) == "pending"
    token = ending.claim()["token"]
    assert ending.wf_fail(token, '"undo 2"') == "failed"
    assert ending.wf_status("w1") == "failed"
    assert ending.wf_error("w1") == '"why"'
    assert ending.wf_fail(token, '"undo 2"') == "failed"


def test_lost_leases_in_the_ending_phase_end_it_too(ending):
    for turn in range(1, 3):
        assert ending.claim()["ending"] == "failed"
        ending.at(5 + 31 * turn)
    assert ending.claim() is None
    assert (ending.wf_status("w1"), ending.wf_error("w1")) == ("failed", '"why"')


def test_a_completion_before_any_failure_completes(db):
    token = db.running(cleanup=True)["token"]
    assert db.wf_complete(token, "1") == "completed"
    assert db.wf_result("w1") == "1"


def test_a_timeout_leads_to_the_ending_phase(db):
    db.at(0)
    old = db.running(cleanup=True, timeout=10, lease=100)["token"]
    db.at(11)
    claim = db.claim()
    assert (claim["id"], claim["ending"]) == ("w1", "failed")
    with pytest.raises(Exception, match="^WF_LEASE_LOST: "):
        db.wf_step(old, "a", "1")
    assert db.wf_complete(claim["token"]) == "failed"
    error = json.loads(db.wf_error("w1"))
    assert (error["code"], error["deadline_at"]) == ("timeout", json_time(10))


def test_poison_leads_to_the_ending_phase(db):
    db.at(0)
    db.running(cleanup=True, max_attempts=1)
    db.at(31)
    claim = db.claim()
    assert (claim["id"], claim["ending"]) == ("w1", "failed")
    assert db.wf_complete(claim["token"]) == "failed"
    assert json.loads(db.wf_error("w1"))["code"] == "poison"
