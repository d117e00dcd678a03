"""Within a partition: what was begun, then what is new, then what was given back or lost once more."""

import json

import pytest
from support import BASE


def backlog(db, *ids):
    for id in ids:
        db.wf_start("job", id=id, at=BASE - 3600)


def claimed(db, n=1):
    return [claim["id"] for claim in db.claim(None, None, limit=n)]


@pytest.fixture(autouse=True)
def stopped_clock(db):
    db.at(0)


WAKES = {
    "timer": (lambda db, token: db.wf_sleep(token, "s", 5), lambda db: db.at(5)),
    "signal": (lambda db, token: db.wf_await(token, "s", "go"), lambda db: db.wf_signal("w1", "go")),
    "event": (lambda db, token: db.wf_await_event(token, "s", "go"), lambda db: db.wf_emit("go")),
}


@pytest.mark.parametrize("wake", sorted(WAKES))
def test_a_woken_workflow_goes_on_before_the_backlog_and_says_why(db, wake):
    suspend, end = WAKES[wake]
    suspend(db, db.running()["token"])
    backlog(db, "new")
    end(db)
    claim = db.claim()
    assert (claim["id"], claim["wake"]) == ("w1", wake)
    assert db.claim()["wake"] == "start"


def test_a_joined_workflow_goes_on_before_the_backlog(db):
    token = db.running()["token"]
    db.wf_spawn(token, "c", "child", None, '{"manual":true}')
    db.wf_join(token, "j")
    backlog(db, "new")
    db.wf_complete("w1/c")
    assert (db.claim()["wake"], claimed(db)) == ("join", ["new"])


def test_those_that_were_begun_go_by_due_time(db):
    for id in ("w1", "w2"):
        db.wf_sleep(db.running(id)["token"], "s", 20 if id == "w1" else 10)
    backlog(db, "new")
    db.at(30)
    assert claimed(db, 3) == ["w2", "w1", "new"]


def test_a_lost_lease_goes_on_before_the_backlog_once(db):
    db.running(lease=10)
    backlog(db, "new1", "new2")
    db.at(10)
    claim = db.claim(lease=10)
    assert (claim["id"], claim["wake"]) == ("w1", "lost")
    db.at(20)
    assert claimed(db, 3) == ["new1", "new2", "w1"]


def test_a_step_in_between_breaks_the_row_of_lost_leases(db):
    db.running(lease=10)
    backlog(db, "new")
    db.at(10)
    db.wf_step(db.claim(lease=10)["token"], "s", "1")
    db.at(20)
    assert claimed(db, 2) == ["w1", "new"]


def test_a_recovered_one_goes_on_before_the_backlog_once(db):
    db.running()
    backlog(db, "new1", "new2")
    db.wf_recover()
    claim = db.claim()
    assert (claim["id"], claim["wake"]) == ("w1", "recover")
    db.wf_recover()
    assert claimed(db, 3) == ["new1", "new2", "w1"]


def test_what_was_released_stands_behind_what_is_new(db):
    token = db.running()["token"]
    db.wf_start("job", id="new")
    db.wf_release(token)
    assert claimed(db, 2) == ["new", "w1"]


def test_a_releaser_does_not_spin(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="new")
    db.wf_release(db.claim()["token"])
    assert claimed(db) == ["new"]


def test_a_released_one_that_has_waited_is_begun_work_again(db):
    db.wf_release(db.running()["token"])
    backlog(db, "new")
    db.wf_sleep(db.claim(id="w1")["token"], "s", 5)
    db.at(5)
    assert claimed(db, 2) == ["w1", "new"]


def test_a_retry_stands_among_what_is_new_by_its_due_time(db):
    db.wf_fail(db.running(backoff={"initial": 10})["token"], '"e"')
    db.wf_start("job", id="before", at=BASE + 9)
    db.wf_start("job", id="after", at=BASE + 11)
    db.at(20)
    claims = db.claim(None, None, limit=3)
    assert [(c["id"], c["wake"]) for c in claims] == [("before", "start"), ("w1", "retry"), ("after", "start")]


WHY = {
    "retry": lambda db, token: (db.wf_cancel("w1", None, '{"force":true}'), db.wf_retry("w1")),
    "release": lambda db, token: db.wf_release(token),
    "cleanup": lambda db, token: db.wf_cancel("w1"),
    "resume": lambda db, token: (db.wf_begin(token, "s"), db.wf_release(token), db.wf_begin(db.claim()["token"], "s", '{"in_doubt":"hold"}'),
                                 db.wf_resolve("w1", "s", "retry")),
}


@pytest.mark.parametrize("wake", sorted(WHY))
def test_a_claim_says_why_it_came(db, wake):
    WHY[wake](db, db.running(cleanup=True)["token"])
    assert db.claim()["wake"] == wake


def test_the_same_claim_again_says_the_same(db):
    db.wf_start("job", id="w1")
    first = db.wf_claim(None, None, '{"key":"k"}')
    assert json.loads(db.wf_claim(None, None, '{"key":"k"}')) == json.loads(first)
    assert json.loads(first)["wake"] == "start"
