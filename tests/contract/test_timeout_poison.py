"""What time ends: the deadline of a workflow, and leases lost in a row (poison)."""

import json

import pytest
from support import json_time, sql_time, wf_error


# Timeout


def test_a_claim_fires_the_timeout_and_says_why(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10)
    db.at(10.001)
    assert db.claim() is None
    assert db.wf_status("w1") == "failed"
    error = json.loads(db.wf_error("w1"))
    assert (error["code"], error["deadline_at"]) == ("timeout", json_time(10))
    assert error["message"]
    assert db.workflow()["updated_at"] == sql_time(10.001)


def test_until_a_claim_fires_it_the_holders_writes_stand(db):
    db.at(0)
    token = db.running(timeout=10, lease=100)["token"]
    db.at(50)
    assert db.wf_step(token, "a", "1") == "1"
    assert db.wf_heartbeat(token) == sql_time(150)
    assert db.wf_complete(token, "2") == "completed"
    assert db.claim() is None
    assert db.wf_result("w1") == "2"


def test_the_timeout_ends_the_claim_of_the_holder(db):
    db.at(0)
    token = db.running(timeout=10, lease=100)["token"]
    db.at(11)
    assert db.claim() is None
    for act in (lambda: db.wf_step(token, "a", "1"), lambda: db.wf_complete(token), lambda: db.wf_heartbeat(token)):
        with wf_error("WF_STATE", "w1", "failed"):
            act()


@pytest.mark.parametrize("place", ["in line", "in backoff", "leased", "lease expired", "manual"])
def test_the_timeout_fires_wherever_the_workflow_stands(db, place):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10, manual=place == "manual")
    if place not in ("in line", "manual"):
        token = db.claim(lease=1 if place == "lease expired" else 100)["token"]
        if place == "in backoff":
            db.wf_fail(token, "e", delay=100)
    db.at(11)
    assert db.claim() is None
    assert db.wf_status("w1") == "failed"


def test_a_claim_of_another_queue_does_what_time_has_made_due(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10)
    db.wf_start("job", id="w2", queue="other")
    db.at(11)
    assert db.claim("other")["id"] == "w2"
    assert db.wf_status("w1") == "failed"


def test_many_timeouts_never_hide_runnable_work(db):
    db.at(0)
    for number in range(300):
        db.wf_start("job", timeout=10, priority=9)
    db.at(1)
    db.wf_start("job", id="ready", priority=-1)
    db.at(11)
    assert db.claim()["id"] == "ready"
    while db.claim() is not None:
        pass
    assert db.value("SELECT count(*) FROM wf_workflows WHERE status = 'failed'") == 300


def test_a_timeout_does_not_fire_before_the_deadline(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10)
    db.at(9.999)
    assert db.claim()["id"] == "w1"


def test_retries_and_leases_do_not_move_the_deadline(db):
    db.at(0)
    token = db.running(timeout=100)["token"]
    db.at(20)
    db.wf_fail(token, "e", delay=0)
    claim = db.claim(lease=1000)
    assert claim["deadline_at"] == json_time(100)
    db.wf_heartbeat(claim["token"], 2000)
    assert db.workflow()["deadline_at"] == sql_time(100)


def test_claiming_by_id_after_the_deadline_names_the_status(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10)
    db.at(11)
    with wf_error("WF_STATE", "w1", "failed"):
        db.wf_claim(id="w1")


# Poison


def lose(db, times, lease=10):
    """Claims and lets the lease run out, `times` times; returns the last claim."""
    for _ in range(times):
        claim = db.claim(None, "worker-1", lease=lease)
        db.at(db.elapsed + lease + 1)
        db.elapsed += lease + 1
    return claim


@pytest.fixture
def poisonous(db):
    db.elapsed = 0
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=3)
    return db


def test_at_max_attempts_leases_lost_in_a_row_the_workflow_fails(poisonous):
    assert lose(poisonous, 3)["attempt"] == 3
    assert poisonous.claim() is None
    assert poisonous.wf_status("w1") == "failed"
    error = json.loads(poisonous.wf_error("w1"))
    assert (error["code"], error["lost_leases"]) == ("poison", 3)
    assert error["message"]


def test_one_fewer_is_not_poison(poisonous):
    lose(poisonous, 2)
    claim = poisonous.claim()
    assert claim["attempt"] == 3
    assert poisonous.wf_complete(claim["token"]) == "completed"


def test_a_recorded_step_begins_the_row_anew(poisonous):
    lose(poisonous, 2)
    token = poisonous.claim(lease=10)["token"]
    poisonous.wf_step(token, "a", "1")
    poisonous.at(poisonous.elapsed + 11)
    poisonous.elapsed += 11
    assert lose(poisonous, 2)["attempt"] == 5
    assert poisonous.claim() is None
    assert json.loads(poisonous.wf_error("w1"))["lost_leases"] == 3


def test_the_last_token_is_good_until_the_poison_rule_ends_it(poisonous):
    token = lose(poisonous, 3)["token"]
    assert poisonous.wf_step(token, "a", "1") == "1"
    assert poisonous.claim() is None
    assert poisonous.wf_complete(token) == "completed"


def test_the_poison_rule_ends_the_claim(poisonous):
    token = lose(poisonous, 3)["token"]
    poisonous.claim()
    with wf_error("WF_STATE", "w1", "failed"):
        poisonous.wf_complete(token)


def test_failures_and_releases_are_no_lost_leases(poisonous):
    lose(poisonous, 2)
    poisonous.wf_release(poisonous.claim()["token"])
    assert poisonous.wf_fail(poisonous.claim()["token"], "e", delay=0) == "pending"
    assert poisonous.claim() is not None


def test_each_lost_lease_is_listed_with_its_worker(poisonous):
    lose(poisonous, 2)
    poisonous.claim(None, "worker-2")
    failures = poisonous.records("SELECT * FROM wf_failures")
    assert [(row["workflow_id"], row["attempt"], row["step"], row["worker"]) for row in failures] == [
        ("w1", 1, None, "worker-1"),
        ("w1", 2, None, "worker-1"),
    ]
    assert all(json.loads(row["error"]) for row in failures)


def test_a_claim_by_id_meets_the_poison_rule_too(poisonous):
    lose(poisonous, 3)
    with wf_error("WF_STATE", "w1", "failed"):
        poisonous.wf_claim(id="w1")


def test_a_poisoned_workflow_never_hides_runnable_work(poisonous):
    poisonous.wf_start("job", id="w2", priority=-1)
    lose(poisonous, 3)
    assert poisonous.claim()["id"] == "w2"
    assert poisonous.wf_status("w1") == "failed"
