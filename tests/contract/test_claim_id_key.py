"""wf_claim with `id` takes one workflow; with `key` the same call returns the same claim."""

import pytest
from support import json_time, sql_time, wf_error


# id


def test_id_takes_this_workflow_out_of_order_and_from_any_queue(db):
    db.wf_start("job", id="w1", priority=100)
    db.wf_start("job", id="w2", queue="other")
    claim = db.claim(id="w2")
    assert (claim["id"], claim["queue"], claim["attempt"]) == ("w2", "other", 1)
    assert db.claim("nothing here", id="w1")["id"] == "w1"


def test_id_of_an_unknown_workflow_is_not_found(db):
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_claim(id="nobody")


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_id_of_a_terminal_workflow_names_its_status(db, end):
    db.wf_start("job", id="w1")
    if end == "completed":
        db.wf_complete("w1")
    else:
        db.wf_fail("w1", "e", retry=False)
    with wf_error("WF_STATE", "w1", end):
        db.wf_claim(id="w1")


def test_id_under_the_live_lease_of_another_is_leased(db):
    db.at(0)
    db.running(worker="worker-1")
    with wf_error("WF_LEASED", "w1", "worker-1", "08:00:30"):
        db.wf_claim(None, "worker-2", id="w1")


def test_id_of_an_expired_lease_is_taken_over(db):
    db.at(0)
    old = db.running()["token"]
    db.at(31)
    claim = db.claim(None, "worker-2", id="w1")
    assert (claim["attempt"], claim["worker"]) == (2, "worker-2")
    with wf_error("WF_LEASE_LOST"):
        db.wf_complete(old)


def test_id_that_is_not_due_is_null(db):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    assert db.claim(id="w1") is None
    db.at(60)
    db.wf_fail(db.claim(id="w1")["token"], "e", delay=60)
    assert db.claim(id="w1") is None
    db.at(120)
    assert db.claim(id="w1")["attempt"] == 2


# key


def test_the_same_key_returns_the_same_claim_while_it_is_current(db):
    db.at(0)
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
    first = db.claim(None, "worker-1", key="k")
    assert db.claim(None, "worker-1", key="k") == first
    assert (first["id"], first["attempt"], db.wf_ready()) == ("w1", 1, 1)


def test_another_key_takes_the_next_workflow(db):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
    assert [db.claim(key="k1")["id"], db.claim(key="k2")["id"], db.claim(key="k3")] == ["w1", "w2", None]


def test_the_repeated_claim_renews_the_lease_and_never_shortens_it(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.claim(key="k", lease=30)
    db.at(10)
    assert db.claim(key="k", lease=30)["lease_expires_at"] == json_time(40)
    assert db.claim(key="k", lease=5)["lease_expires_at"] == json_time(40)
    assert db.workflow()["due_at"] == sql_time(40)


def test_the_key_finds_an_expired_claim_that_nobody_took(db):
    db.at(0)
    db.wf_start("job", id="w1")
    first = db.claim(key="k")
    db.at(100)
    again = db.claim(key="k")
    assert (again["token"], again["attempt"], again["lease_expires_at"]) == (first["token"], 1, json_time(130))


@pytest.mark.parametrize(
    "end",
    [
        lambda db, token: db.wf_complete(token),
        lambda db, token: db.wf_fail(token, "e"),
        lambda db, token: db.wf_release(token, delay=60),
        lambda db, token: db.wf_recover(),
    ],
    ids=["complete", "fail", "release", "recover"],
)
def test_a_key_whose_claim_has_ended_claims_anew(db, end):
    db.at(0)
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
    token = db.claim(key="k")["token"]
    end(db, token)
    claim = db.claim(key="k")
    assert claim["token"] != token
    assert db.claim(key="k")["token"] == claim["token"]


def test_a_key_whose_claim_was_taken_over_claims_anew(db):
    db.at(0)
    db.wf_start("job", id="w1")
    token = db.claim(key="k")["token"]
    db.at(31)
    assert db.claim(None, "worker-2")["id"] == "w1"
    assert db.claim(key="k") is None
    with wf_error("WF_LEASE_LOST"):
        db.wf_complete(token)


def test_a_key_with_an_id_excludes_a_second_script(db):
    db.wf_start("job", id="nightly", manual=True)
    first = db.claim(None, "script", id="nightly", key="run-1")
    assert db.claim(None, "script", id="nightly", key="run-1")["token"] == first["token"]
    with wf_error("WF_LEASED", "nightly"):
        db.wf_claim(None, "script", id="nightly", key="run-2")


def test_a_key_in_use_with_another_id_is_a_conflict(db):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
    db.claim(id="w1", key="k")
    before = db.everything()
    with wf_error("WF_CONFLICT", "k"):
        db.wf_claim(id="w2", key="k")
    assert db.everything() == before


def test_a_key_is_seen_by_every_connection(db, connect):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    assert connect().claim(key="k")["token"] == db.claim(key="k")["token"]


# Found by review: the error of a claim by id took back what that call had found to be due.


def test_a_claim_refused_because_time_was_up_leaves_the_workflow_ended(db):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10)
    db.wf_start("job", id="other", timeout=10)
    db.at(10)
    with wf_error("WF_STATE", "failed"):
        db.wf_claim(None, None, id="w1")
    assert (db.wf_status("w1"), db.wf_status("other")) == ("failed", "failed")


def test_a_claim_refused_by_the_poison_rule_leaves_the_workflow_ended(db):
    db.at(0)
    db.running(max_attempts=1, lease=5)
    db.at(6)
    db.execute("BEGIN")
    with wf_error("WF_STATE", "failed"):
        db.wf_claim(None, None, id="w1")
    db.execute("COMMIT")
    assert db.wf_status("w1") == "failed"


# Found by review: after a pause a key could stand for two claims.


def test_a_key_stands_for_one_claim_after_a_pause(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    first = db.claim(key="k")
    db.wf_pause("w1")
    second = db.claim(key="k")
    assert (first["id"], second["id"]) == ("w1", "w2")
    db.wf_resume("w1")
    assert db.claim(key="k")["token"] == second["token"]
    assert db.wf_complete(first["token"]) == "completed"           # it is still the current claim of w1
    assert db.wf_check() is None


def test_a_claim_repeated_by_key_takes_over_the_length_of_the_lease(db):
    db.at(0)
    db.wf_start("job", id="w1")
    token = db.claim(key="k", lease=10)["token"]
    assert db.claim(key="k", lease=100)["token"] == token
    db.at(60)
    db.wf_step(token, "s", "1")                                    # under half is left: renewed by its full length
    assert db.value("SELECT due_at FROM wf_pending") == sql_time(160)
