"""More of what the comparison of engines found: identity, deduplication, fencing, and numbers that arrive as doubles."""

import pytest
from support import wf_error


def test_fencing_is_by_claim_and_not_by_worker_name(db):
    """One worker name, two processes: the second claim fences the first."""
    db.at(0)
    first = db.running(worker="same name", lease=1)["token"]
    db.at(2)
    second = db.claim(None, "same name")["token"]
    with wf_error("WF_LEASE_LOST"):
        db.wf_complete(first)
    assert db.wf_complete(second) == "completed"


def test_an_id_stays_taken_for_ever(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_fail("w1", "e", retry=False)
    db.at(10**8)
    assert db.wf_start("job", id="w1") == "w1"
    assert db.wf_status("w1") == "failed"


def test_start_inside_the_transaction_of_the_application_disappears_with_it(db, connect):
    db.wf_init()
    other = connect()
    db.execute("BEGIN")
    db.wf_start("job", id="w1")
    assert (other.wf_status("w1"), other.wf_ready()) == (None, 0)
    db.execute("ROLLBACK")
    assert (db.wf_status("w1"), other.claim()) == (None, None)


def test_a_sub_second_delay_is_kept(db):
    db.at(0)
    db.wf_start("job", id="w1", delay="5ms")
    assert db.claim() is None
    db.at(0.005)
    assert db.claim()["id"] == "w1"


@pytest.mark.parametrize("number", [1, 1.0])
def test_integers_that_arrive_as_doubles_are_integers(db, number):
    """Some drivers bind every number as a double."""
    db.wf_start("job", id="w1", priority=number, max_attempts=number)
    assert [claim["id"] for claim in db.claim(limit=number, lease=number)] == ["w1"]
    assert db.wf_config("max_attempts", number) == 1
    assert db.value("SELECT wf_step('w2', 'a', ?) FROM (SELECT wf_start('job', ?, '{\"id\":\"w2\"}'))", number, number) == number


def test_a_worker_that_does_not_know_a_job_leaves_it_without_burning_an_attempt(db):
    db.wf_start("unknown here", id="w1", priority=9)
    db.wf_start("job", id="w2")
    assert db.claim(names=["job"])["id"] == "w2"
    assert db.claim(names=["job"]) is None
    assert (db.workflow("w1")["attempt"], db.wf_status("w1")) == (0, "pending")


def test_an_old_worker_leaves_new_versions_alone(db):
    db.wf_start("job", id="new", version="2")
    db.wf_start("job", id="old", version="1")
    assert db.claim(versions=["1"])["id"] == "old"
    assert db.claim(versions=["1"]) is None
    assert db.claim(versions=["2"])["id"] == "new"


def test_every_workflow_is_listed_with_filters_and_keyset_pages(db):
    for number in range(25):
        db.wf_start("job", id="w%02d" % number, priority=number % 2)
    seen, last = [], ""
    while True:
        page = db.column("SELECT id FROM wf_workflows WHERE id > ? AND priority = 1 ORDER BY id LIMIT 5", last)
        if not page:
            break
        seen += page
        last = page[-1]
    assert seen == ["w%02d" % number for number in range(1, 25, 2)]
