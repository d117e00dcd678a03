"""wf_status, wf_result, wf_error, wf_pending and wf_ready."""

import pytest


def test_status_through_the_life_of_a_workflow(db):
    db.at(0)
    db.wf_start("job", id="w1")
    seen = [db.wf_status("w1")]
    token = db.claim()["token"]
    seen.append(db.wf_status("w1"))
    db.wf_fail(token, "e", delay=0)
    seen.append(db.wf_status("w1"))
    token = db.claim()["token"]
    db.at(1000)
    seen.append(db.wf_status("w1"))
    db.wf_complete(token)
    seen.append(db.wf_status("w1"))
    assert seen == ["pending", "running", "pending", "running", "completed"]


@pytest.fixture
def crowd(db):
    db.at(0)
    for number in range(3):
        db.wf_start("job", id="ready %d" % number)
    db.wf_start("job", id="delayed", delay=60)
    db.running("leased", lease=60)
    db.running("expired", lease=1)
    db.wf_start("job", id="manual", manual=True)
    db.wf_start("job", id="other", queue="other")
    db.wf_start("job", id="done")
    db.wf_complete("done")
    db.wf_start("job", id="failed")
    db.wf_fail("failed", "e", retry=False)
    db.at(10)
    return db


@pytest.mark.parametrize("queue, count", [(None, 8), ("default", 7), ("other", 1), ("unknown", 0)])
def test_pending_counts_what_is_not_terminal(crowd, queue, count):
    assert crowd.wf_pending(queue) == count
    if queue is None:
        assert crowd.wf_pending() == count


@pytest.mark.parametrize("queue, count", [(None, 5), ("default", 4), ("other", 1), ("unknown", 0)])
def test_ready_counts_what_is_claimable_now(crowd, queue, count):
    assert crowd.wf_ready(queue) == count
    if queue is None:
        assert crowd.wf_ready() == count


def test_ready_falls_to_zero_as_claims_take_all_of_it(crowd):
    counts = []
    while crowd.claim('["default", "other"]') is not None:
        counts.append(crowd.wf_ready())
    assert counts == [4, 3, 2, 1, 0]
    assert crowd.wf_pending() == 8


def test_time_makes_work_ready(crowd):
    crowd.at(60)
    assert crowd.wf_ready() == 7


def test_counts_are_integers(crowd):
    assert crowd.rows("SELECT typeof(wf_pending()), typeof(wf_ready())") == [("integer", "integer")]
