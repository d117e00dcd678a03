"""A claim ran out, and its queue has given its slot to another: what it may still do until someone claims the workflow."""

import pytest
from support import sql_time, wf_error

LIMITS = ['{"concurrency":1}', '{"partition_concurrency":1}', '{"worker_concurrency":1}']


def given_away(db, limits='{"partition_concurrency":1}', prepare=None):
    """The token of a claim whose slot another workflow has taken."""
    db.at(0)
    db.wf_queue("default", limits)
    db.wf_start("job", id="w1", partition="p")
    token = db.claim(None, "one")["token"]
    if prepare:
        prepare(token)
    db.wf_start("job", id="w2", partition="p", priority=1)  # before the one that is lost
    db.at(31)
    assert db.claim(None, "one")["id"] == "w2"
    return token


NEW = {
    "the guard": lambda db, token: db.wf_step(token, "s"),
    "wf_begin": lambda db, token: db.wf_begin(token, "s"),
    "wf_append": lambda db, token: db.wf_append(token, "log", '"a"'),
    "wf_set": lambda db, token: db.wf_set(token, "k", '"a"'),
    "wf_heartbeat": lambda db, token: db.wf_heartbeat(token),
    "wf_sleep": lambda db, token: db.wf_sleep(token, "s", 10),
    "wf_await": lambda db, token: db.wf_await(token, "s", "go"),
    "a poll": lambda db, token: db.wf_await(token, "s", "go", 0),
    "wf_await_event": lambda db, token: db.wf_await_event(token, "s", "go"),
    "wf_join": lambda db, token: db.wf_join(token, "s", '["w2"]'),
    "wf_spawn": lambda db, token: db.wf_spawn(token, "s", "child"),
}


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("call", sorted(NEW))
def test_nothing_new_begins_in_a_slot_that_was_given_away(db, call, limits):
    token = given_away(db, limits)
    before = db.everything()
    with wf_error("WF_LEASE_LOST", "'w1'", "'default'"):
        NEW[call](db, token)
    assert db.everything() == before


OVER = {
    "wf_step": lambda db, token: db.wf_step(token, "s", "1") == "1",
    "wf_complete": lambda db, token: db.wf_complete(token, "1") == "completed",
    "wf_fail": lambda db, token: db.wf_fail(token, '"e"') == "pending",
    "wf_release": lambda db, token: db.wf_release(token) == 1,
}


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("call", sorted(OVER))
def test_what_has_happened_is_kept_until_the_next_claim(db, call, limits):
    token = given_away(db, limits)
    assert OVER[call](db, token)


def test_what_is_recorded_is_read(db):
    token = given_away(db, prepare=lambda token: db.wf_step(token, "s", "5"))
    assert db.wf_step(token, "s") == "5"
    assert db.wf_begin(token, "s") == '{"output":5}'


def test_a_step_that_was_recorded_late_does_not_take_the_slot_back(db):
    token = given_away(db)
    assert db.wf_step(token, "s", "1") == "1"
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "t")


def test_where_a_slot_is_free_the_claim_goes_on(db):
    db.at(0)
    db.wf_queue("default", '{"concurrency":1}')
    token = db.running()["token"]
    db.at(31)
    assert db.wf_step(token, "s") is None
    assert db.wf_begin(token, "s") is not None
    assert db.workflow()["due_at"] == sql_time(61)


def test_a_claim_by_key_is_not_repeated_in_a_slot_that_was_given_away(db):
    db.at(0)
    db.wf_queue("default", '{"concurrency":1}')
    db.wf_start("job", id="w1")
    first = db.claim(key="k")
    db.wf_start("job", id="w2", priority=1)
    db.at(31)
    assert db.claim()["id"] == "w2"
    assert db.claim(key="k") is None
    db.at(62)                                     # the slot has come free
    assert db.claim(key="k")["token"] == first["token"]
    assert db.wf_step(first["token"], "s") is None


def test_a_paused_one_says_first_that_its_slot_is_gone(db):
    token = given_away(db)
    db.wf_pause("w1")
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "s")
