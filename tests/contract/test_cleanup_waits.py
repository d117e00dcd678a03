"""A cancel in the middle of an effect: the second phase comes when what the claim has begun is recorded, so that it is undone too."""

import pytest
from support import wf_error


@pytest.fixture
def token(db):
    db.at(0)
    token = db.running(cleanup=True, lease=30)["token"]
    db.wf_begin(token, "charge")
    db.wf_begin(token, "mail")
    db.wf_cancel("w1")
    return token


def ready(db):
    return db.wf_ready() == 1 and db.claim() is not None


def due(db):
    return db.value("SELECT due_at FROM _wf_workflow")


def test_it_waits_for_all_that_was_begun(db, token):
    assert (db.workflow()["status"], db.workflow()["ending"]) == ("pending", "cancelled")
    assert db.claim() is None and db.wf_ready() == 0
    db.at(5)
    assert db.wf_step(token, "charge", '"paid"') == '"paid"'
    assert db.claim() is None
    db.wf_step(token, "mail", '"no such address"', error=True)
    claim = db.claim(steps=True)
    assert (claim["ending"], [step["name"] for step in claim["steps"]]) == ("cancelled", ["charge", "mail"])
    assert db.wf_complete(claim["token"]) == "cancelled"
    assert db.wf_check() is None


def test_no_longer_than_the_lease(db, token):
    db.at(29.999)
    assert db.claim() is None
    db.at(30)
    claim = db.claim()
    assert claim["ending"] == "cancelled"
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "charge", '"paid"')


def test_until_the_claim_is_given_back(db, token):
    with wf_error("WF_CANCELLED"):
        db.wf_heartbeat(token)
    db.at(3)
    assert db.wf_release(token) == 1
    assert db.wf_release(token) == 1
    assert db.claim()["ending"] == "cancelled"


def test_of_a_partition_too(db):
    db.at(0)
    db.wf_queue("default", partition_concurrency=1)
    db.wf_start("job", id="w1", partition="p", cleanup=True)
    token = db.claim(lease=30)["token"]
    db.wf_begin(token, "charge")
    db.wf_cancel("w1")
    assert db.claim() is None
    db.at(1)
    db.wf_step(token, "charge", "1")
    assert db.claim()["ending"] == "cancelled"


def test_what_has_begun_nothing_is_due_at_once(db):
    db.at(0)
    token = db.running(cleanup=True, lease=30)["token"]
    db.wf_begin(token, "charge")
    db.wf_step(token, "charge", "1")
    db.wf_cancel("w1")
    assert db.claim()["ending"] == "cancelled"
    with wf_error("WF_LEASE_LOST"):
        db.wf_release(token)


def test_what_another_claim_has_begun_holds_nothing_up(db):
    db.at(0)
    token = db.running(cleanup=True, lease=30)["token"]
    db.wf_begin(token, "charge")
    db.at(30)
    assert db.claim()["token"] != token
    db.wf_cancel("w1")
    assert db.claim()["ending"] == "cancelled"
