"""wf_key: the idempotency key of a step for outside systems."""

import uuid

import pytest
from support import wf_error

# Fixed for ever: a key that changes lets an outside system act twice.
NAMESPACE = uuid.UUID("3a1f8a52-6d0c-5e0b-9c53-77666578742e")


@pytest.mark.parametrize(
    "id, step",
    [("w1", "charge"), ("w", "1charge"), ("Größe 🙂", "schritt ß"), ("a" * 255, "b" * 255), ("order-1", "it's")],
)
def test_the_key_is_the_version_5_uuid_of_id_step_and_redo_number(db, id, step):
    db.wf_start("job", id=id)
    assert db.wf_key(id, step) == str(uuid.uuid5(NAMESPACE, "%s\n%s\n0" % (id, step)))


def test_this_key_never_changes(db):
    db.wf_start("job", id="order-1")
    assert db.wf_key("order-1", "charge") == "66f5b3e2-370c-5793-b642-7d9224b9fcd9"


def test_the_key_is_the_same_for_every_attempt_handle_status_and_restart(db, connect):
    db.at(0)
    key = db.wf_key(db.running()["token"], "charge")
    db.at(31)
    token = db.claim()["token"]
    assert db.wf_key(token, "charge") == key
    db.wf_fail(token, "e", step="charge", delay=0)
    assert db.wf_key("w1", "charge") == key
    db.wf_recover()
    token = db.claim()["token"]
    db.wf_step(token, "charge", "1")
    db.wf_complete(token)
    assert db.wf_key(token, "charge") == key
    assert connect().wf_key("w1", "charge") == key


def test_the_key_is_the_same_in_another_file(db, memdb):
    for each in (db, memdb):
        each.wf_start("job", id="w1")
    assert db.wf_key("w1", "charge") == memdb.wf_key("w1", "charge")


def test_another_step_or_workflow_has_another_key(db):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
    keys = [db.wf_key(id, step) for id in ("w1", "w2") for step in ("a", "b")]
    assert len(set(keys)) == 4


def test_asking_for_the_key_writes_nothing(db):
    token = db.running()["token"]
    before = db.everything()
    db.wf_key(token, "charge")
    assert db.everything() == before


def test_an_unknown_workflow_has_no_key(db):
    db.wf_init()
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_key("nobody", "charge")
