"""wf_config: the defaults of the file."""

import json

import pytest
from support import BASE, json_time, sql_time, wf_error


def test_the_defaults(db):
    assert [db.wf_config(key) for key in ("lease", "max_attempts", "clock")] == [30, 10, "system"]
    assert json.loads(db.wf_config("backoff")) == {"initial": 1, "factor": 2, "max": 300, "jitter": 0}


def test_read_only_keys(db):
    db.wf_init()
    assert db.wf_config("schema_version") == 1
    assert type(db.wf_config("epoch")) is int
    for key in ("schema_version", "epoch"):
        with wf_error("WF_INVALID", key):
            db.wf_config(key, 5)


@pytest.mark.parametrize("key", ["colour", "", "LEASE", "_wf_meta"])
def test_an_unknown_key_is_invalid(db, key):
    with wf_error("WF_INVALID"):
        db.wf_config(key)
    with wf_error("WF_INVALID"):
        db.wf_config(key, 1)


def test_an_unknown_key_is_told_which_exist(db):
    with wf_error("WF_INVALID", "colour", "lease", "max_attempts", "backoff", "clock"):
        db.wf_config("colour")


@pytest.mark.parametrize(
    "key, value, shown",
    [
        ("lease", 90, 90),
        ("lease", "1m30s", 90),
        ("lease", "250ms", 0.25),
        ("max_attempts", 3, 3),
        ("max_attempts", 3.0, 3),
        ("clock", "explicit", "explicit"),
    ],
)
def test_setting_returns_the_value_in_force(db, key, value, shown):
    found = db.wf_config(key, value)
    assert (found, type(found)) == (shown, type(shown))
    assert db.wf_config(key) == shown


def test_a_backoff_is_a_json_object_and_what_is_missing_keeps_its_default(db):
    assert json.loads(db.wf_config("backoff", '{"initial":"5s","max":60}')) == {"initial": 5, "factor": 2, "max": 60, "jitter": 0}
    assert json.loads(db.wf_config("backoff"))["initial"] == 5


@pytest.mark.parametrize(
    "key, value",
    [("lease", 0), ("lease", -1), ("lease", "30"), ("lease", "soon"), ("max_attempts", 0), ("max_attempts", 1.5), ("max_attempts", "3"),
     ("max_attempts", 1_000_001), ("clock", "sundial"), ("clock", 1), ("backoff", "5s"), ("backoff", '{"colour":1}'),
     ("backoff", '{"factor":0}'), ("backoff", 5)],
)
def test_a_wrong_value_is_invalid_and_changes_nothing(db, key, value):
    before = db.wf_config(key)
    with wf_error("WF_INVALID", key):
        db.wf_config(key, value)
    assert db.wf_config(key) == before


@pytest.mark.parametrize("key, value", [("lease", 90), ("max_attempts", 3), ("max_failures", 3), ("backoff", '{"initial":9}')])
def test_null_goes_back_to_the_default(db, key, value):
    default = db.wf_config(key)
    assert db.wf_config(key, value) != default
    assert db.wf_config(key, None) == default
    assert db.wf_config(key) == default


def test_settings_belong_to_the_file(db, connect):
    db.wf_config("max_attempts", 3)
    assert connect().wf_config("max_attempts") == 3


def test_the_lease_applies_to_claims_without_one(db):
    db.at(0)
    db.wf_config("lease", "2m")
    assert db.running("w1")["lease_expires_at"] == json_time(120)
    assert db.running("w2", lease=5)["lease_expires_at"] == json_time(5)


def test_max_attempts_applies_to_workflows_without_their_own(db):
    db.wf_config("max_attempts", 1)
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2", max_attempts=2)
    assert db.workflow("w1")["max_attempts"] == 1
    assert (db.wf_fail("w1", "e"), db.wf_fail("w2", "e")) == ("failed", "pending")


def test_the_backoff_applies_to_workflows_without_their_own(db):
    db.at(0)
    db.wf_config("backoff", '{"initial":50}')
    for id, options in (("w1", {}), ("w2", {"backoff": {"initial": 7}})):
        db.wf_start("job", id=id, **options)
        db.wf_fail(id, "e")
    assert [db.workflow(id)["due_at"] for id in ("w1", "w2")] == [sql_time(50), sql_time(7)]


# clock = explicit: nothing is read from the clock, nothing is drawn at random


@pytest.fixture
def explicit(db):
    db.wf_start("job", id="w1", now=BASE)
    db.token = db.claim(now=BASE)["token"]
    db.wf_config("clock", "explicit")
    return db


@pytest.mark.parametrize(
    "call",
    [
        lambda db, **now: db.wf_start("job", id="w2", **now),
        lambda db, **now: db.wf_claim(**now),
        lambda db, **now: db.wf_step(db.token, "a", "1", **now),
        lambda db, **now: db.wf_complete(db.token, **now),
        lambda db, **now: db.wf_fail(db.token, "e", **now),
        lambda db, **now: db.wf_heartbeat(db.token, **now),
        lambda db, **now: db.wf_release(db.token, **now),
        lambda db, **now: db.wf_recover(id="r", **now),
    ],
    ids=["start", "claim", "step", "complete", "fail", "heartbeat", "release", "recover"],
)
def test_with_an_explicit_clock_every_writing_call_needs_now(explicit, call):
    before = explicit.rows("SELECT * FROM wf_workflows")
    with wf_error("WF_INVALID", "now"):
        call(explicit)
    assert explicit.rows("SELECT * FROM wf_workflows") == before
    call(explicit, now=BASE + 5)


def test_with_an_explicit_clock_a_start_needs_an_id(explicit):
    with wf_error("WF_INVALID", "id"):
        explicit.wf_start("job", now=BASE)


def test_with_an_explicit_clock_every_machine_draws_the_same_tokens(connect):
    tokens = []
    for _ in range(2):
        db = connect(":memory:")
        db.wf_config("clock", "explicit")
        db.wf_recover(id="r", now=BASE)
        for number in range(3):
            db.wf_start("job", id="w%d" % number, now=BASE)
        found = [claim["token"] for claim in db.claim(limit=3, now=BASE)]
        db.wf_release(found[0], now=BASE)
        tokens.append(found + [db.claim(now=BASE)["token"]])
    assert tokens[0] == tokens[1]
    assert len(set(tokens[0])) == 4


def test_without_it_tokens_are_random(connect):
    tokens = set()
    for _ in range(5):
        db = connect(":memory:")
        db.at(0)
        tokens.add(db.running()["token"])
    assert len(tokens) == 5
