"""wf_pending: what is not terminal, whether it is ready, and why not."""

import pytest
from support import sql_time


def pending(db, id="w1"):
    row = db.record("SELECT id, ready, due_at, reason FROM wf_pending WHERE id = ?", id)
    return row["ready"], row["due_at"], row["reason"]


def test_a_runnable_workflow_is_ready(db):
    db.at(0)
    db.wf_start("job", id="w1")
    assert pending(db) == (1, sql_time(0), "ready")


def test_a_delayed_start_is_not_ready_until_it_is_due(db):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    ready, due, reason = pending(db)
    assert (ready, due) == (0, sql_time(60))
    assert reason and reason != "ready"
    db.at(60)
    assert pending(db) == (1, sql_time(60), "ready")


def test_a_live_lease_names_the_worker(db):
    db.at(0)
    db.running(worker="worker-1")
    assert pending(db) == (0, sql_time(30), "running on worker-1")


def test_an_expired_lease_names_the_worker_and_is_ready(db):
    db.at(0)
    db.running(worker="worker-1")
    db.at(31)
    assert pending(db) == (1, sql_time(30), "lease of worker-1 expired")


def test_a_claim_without_a_worker_has_a_reason_too(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.claim()
    ready, _, reason = pending(db)
    assert ready == 0 and reason.startswith("running") and "NULL" not in reason
    db.at(31)
    ready, _, reason = pending(db)
    assert ready == 1 and reason.startswith("lease") and reason.endswith("expired")


def test_a_backoff_says_which_retry_of_how_many(db):
    db.at(0)
    db.wf_start("job", id="w1", backoff={"initial": 60, "factor": 1})
    for failures in (1, 2):
        db.wf_fail(db.claim()["token"], "e")
        assert pending(db) == (0, sql_time(60 * failures), "retry %d of 10" % (failures + 1))
        db.at(60 * failures)
        assert pending(db)[0] == 1


def test_a_paused_workflow_says_so(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_recover(pause=True)
    ready, _, reason = pending(db)
    assert ready == 0 and "paused" in reason


def test_a_manual_workflow_is_not_ready_for_any_claim_without_its_id(db):
    db.at(0)
    db.wf_start("job", id="w1", manual=True)
    assert pending(db) == (0, sql_time(0), "ready, by id only")


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_terminal_workflow_is_not_listed(db, end):
    db.wf_start("job", id="w1")
    assert db.value("SELECT count(*) FROM wf_pending") == 1
    if end == "completed":
        db.wf_complete("w1")
    else:
        db.wf_fail("w1", "e", retry=False)
    assert db.rows("SELECT * FROM wf_pending") == []


def test_the_ending_phase_is_listed(db):
    db.wf_fail(db.running(cleanup=True)["token"], "e", retry=False)
    assert pending(db)[0] == 1


def test_the_table_agrees_with_the_counts_and_the_claims(db):
    db.at(0)
    for number in range(12):
        db.wf_start("job", id="w%d" % number, delay=10 * (number % 3), manual=number % 4 == 3)
    db.claim(limit=2, lease=5)
    for moment in (0, 5, 10, 20, 30):
        db.at(moment)
        ready = db.column("SELECT id FROM wf_pending WHERE ready = 1 ORDER BY id")
        assert len(ready) == db.wf_ready() == db.wf_ready("default")
        assert db.value("SELECT count(*) FROM wf_pending") == db.wf_pending() == 12
        db.execute("BEGIN")
        claims = db.claim(limit=100) or []
        assert sorted(claim["id"] for claim in claims) == ready
        db.execute("ROLLBACK")


def test_it_is_the_recovery_query(db, connect):
    """After a crash another connection sees everything that is left to do, in one query."""
    db.at(0)
    db.wf_start("job", id="w1")
    db.running("w2", worker="worker-1")
    db.running("w3")
    other = connect()
    other.at(3600)
    assert other.rows("SELECT id, ready, reason FROM wf_pending ORDER BY id") == [
        ("w1", 1, "ready"), ("w2", 1, "lease of worker-1 expired"), ("w3", 1, "lease of worker-1 expired")]


def test_filters_reach_the_rows(db):
    db.at(0)
    for number in range(10):
        db.wf_start("job", id="w%d" % number, queue="q%d" % (number % 2), delay=number)
    assert db.column("SELECT id FROM wf_pending WHERE ready = 0 AND queue = 'q1' ORDER BY due_at DESC LIMIT 2") == ["w9", "w7"]
    assert db.column("SELECT id FROM wf_pending WHERE due_at < '2027-01-15 08:00:03' ORDER BY id") == ["w0", "w1", "w2"]


# Found by review: what the next claim would fail instead of taking it was counted as ready.
def test_a_workflow_whose_lease_was_lost_once_too_often_is_not_ready(db):
    db.at(0)
    db.running(worker="worker-1", max_attempts=2)
    db.at(31)
    assert (pending(db)[0], db.wf_ready()) == (1, 1)
    db.claim(None, "worker-2")
    db.at(62)
    assert pending(db) == (0, sql_time(61), "lease of worker-2 expired, once too often")
    assert (db.wf_ready(), db.wf_pending()) == (0, 1)
    assert db.claim() is None
    assert db.wf_status("w1") == "failed"


def test_progress_makes_a_lost_lease_one_of_several_again(db):
    db.at(0)
    db.running(worker="worker-1", max_attempts=2)
    db.at(31)
    token = db.claim(None, "worker-2")["token"]
    db.wf_step(token, "a", 1)
    db.at(62)
    assert pending(db) == (1, sql_time(61), "lease of worker-2 expired")
    assert db.wf_ready() == 1
    assert db.claim()["id"] == "w1"


@pytest.mark.parametrize("where", ["file", "queue"])
def test_the_limit_of_lost_leases_may_be_that_of_the_queue_or_the_file(db, where):
    db.at(0)
    if where == "file":
        db.wf_config("max_attempts", 1)
    else:
        db.wf_queue("default", max_attempts=1)
    db.running()
    db.at(31)
    assert (pending(db)[0], db.wf_ready()) == (0, 0)
    assert db.claim() is None


# Found by review: the reason was `ready`, and it was not.
def test_a_manual_workflow_after_a_wait_is_ready_by_its_id_only(db):
    db.at(0)
    db.wf_start("job", id="w1", manual=True)
    db.wf_sleep("w1", "s", 10)
    assert pending(db) == (0, sql_time(10), "sleeping")
    db.at(10)
    assert pending(db) == (0, sql_time(10), "ready, by id only")
    db.wf_start("job", id="w2")
    db.wf_sleep("w2", "s", 10)
    db.at(20)
    assert pending(db, "w2") == (1, sql_time(20), "ready")
