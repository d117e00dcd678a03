"""Flow control: concurrency, partitions, rate, pause, defaults."""

import json

import pytest
from support import wf_error


@pytest.fixture
def db(db):
    db.wf_clock("2026-11-23 10:00:00")
    return db


def start(db, *ids, **options):
    for wid in ids:
        db.wf_start("job", id=wid, **options)


def claimed(db, n=9, worker=None):
    got = db.wf_claim("default", worker, json.dumps({"limit": n}))
    return [c["id"] for c in json.loads(got)] if got else []


def reasons(db):
    return dict(db.rows("SELECT id, reason FROM wf_pending"))


def test_settings_merge_and_null_removes(db):
    db.wf_queue("q", '{"concurrency":2,"lease":"10s"}')
    got = json.loads(db.wf_queue("q", '{"paused":true,"concurrency":null}'))
    assert (got["concurrency"], got["lease"], got["paused"]) == (None, 10, True)
    assert json.loads(db.wf_queue("q")) == got


def test_concurrency_counts_live_leases(db):
    db.wf_queue("default", '{"concurrency":2}')
    start(db, "a", "b", "c")
    assert claimed(db) == ["a", "b"]
    assert reasons(db)["c"] == "concurrency limit" and db.wf_ready() == 0
    db.wf_clock("2026-11-23 10:00:31")      # both leases ran out
    assert claimed(db) == ["c", "a"] or len(claimed(db)) == 0


def test_a_slot_comes_free_with_the_claim(db):
    db.wf_queue("default", '{"concurrency":1}')
    start(db, "a", "b")
    token = db.claim()["token"]
    assert claimed(db) == []
    db.wf_sleep(token, "nap", "1h")
    assert claimed(db) == ["b"]


def test_worker_concurrency_counts_per_worker(db):
    db.wf_queue("default", '{"worker_concurrency":1}')
    start(db, "a", "b", "c")
    assert claimed(db, worker="one") == ["a"]
    assert claimed(db, worker="one") == []
    assert claimed(db, worker="two") == ["b"]


def test_partitions_are_limited_one_by_one_and_block_nothing_else(db):
    db.wf_queue("default", '{"partition_concurrency":1}')
    start(db, "a1", "a2", partition="a")
    start(db, "b1", "b2", partition="b")
    start(db, "free1", "free2")
    assert claimed(db) == ["a1", "b1", "free1", "free2"]
    assert reasons(db)["a2"] == "partition limit"
    db.wf_cancel("a1")
    assert claimed(db) == ["a2"]


def test_hold_started_keeps_the_slot_to_the_end(db):
    db.wf_queue("default", '{"partition_concurrency":1,"hold":"started"}')
    start(db, "a1", "a2", partition="a")
    token = db.claim()["token"]
    db.wf_sleep(token, "nap", "1m")
    assert claimed(db) == []
    db.wf_clock("2026-11-23 10:01:00")
    claim = db.claim()
    assert claim["id"] == "a1"
    db.wf_complete(claim["token"])
    assert claimed(db) == ["a2"]


def test_the_rate_is_rolling_and_wake_ups_are_free(db):
    db.wf_queue("default", '{"rate":{"limit":2,"per":60}}')
    start(db, "a", "b", "c")
    token = db.claim()["token"]
    db.wf_clock("2026-11-23 10:00:20")
    assert claimed(db) == ["b"]
    assert reasons(db)["c"] == "rate limit"
    db.wf_sleep(token, "nap", "1s")
    db.wf_clock("2026-11-23 10:00:22")
    assert claimed(db) == ["a"]                     # goes on
    db.wf_clock("2026-11-23 10:01:00")
    assert len(claimed(db)) == 1                    # the first start has left the window
    assert claimed(db) == []


def test_a_paused_queue_gives_nothing(db):
    start(db, "a")
    db.wf_queue("default", '{"paused":true}')
    assert claimed(db) == [] and reasons(db) == {"a": "queue paused"}
    db.wf_queue("default", '{"paused":false}')
    assert claimed(db) == ["a"]


def test_defaults_of_a_queue(db):
    db.wf_queue("default", '{"lease":"5s","max_attempts":1}')
    start(db, "a")
    claim = db.claim()
    assert claim["lease_expires_at"] == "2026-11-23T10:00:05.000Z"
    assert db.wf_fail(claim["token"], "no") == "failed"


def test_claims_by_id_ignore_limits(db):
    db.wf_queue("default", '{"concurrency":1}')
    start(db, "a", "b")
    assert claimed(db) == ["a"]
    assert db.claim(id="b")["id"] == "b"


def test_limits_that_come_later_count_what_is_running(db):
    start(db, "a", "b")
    assert claimed(db, 1) == ["a"]
    db.wf_queue("default", '{"concurrency":1}')
    assert claimed(db) == []


@pytest.mark.parametrize("options", ['{"rate":{"limit":1}}', '{"rate":5}', '{"concurrency":-1}', '{"hold":"for ever"}', '{"colour":1}'])
def test_wrong_settings_are_refused(db, options):
    from support import code
    assert code(db, "SELECT wf_queue('q', ?)", options) == "WF_INVALID"


def test_a_slot_held_by_a_manual_or_paused_workflow_runs_out_too(db):
    """A lane of a full partition was never looked at again."""
    db.wf_queue("default", '{"partition_concurrency":1}')
    start(db, "m", partition="p", manual=True)
    db.wf_start("other", id="n", partition="p")
    assert db.claim(id="m", lease=10)["id"] == "m"
    assert claimed(db) == []
    db.wf_clock("2026-11-23 10:00:11")
    assert claimed(db) == ["n"]


def test_recovery_frees_the_slots_of_partitions(db):
    db.wf_queue("default", '{"partition_concurrency":1}')
    start(db, "a", partition="p")
    db.wf_start("other", id="b", partition="p")
    assert db.claim(lease="1h")["id"] == "a"
    assert claimed(db) == []
    db.wf_recover()
    assert db.claim(names="other")["id"] == "b"


# Found by review: an expired claim renewed itself although its slot had been given away.


def test_an_expired_claim_whose_slot_is_taken_is_not_renewed(db):
    db.wf_queue("default", '{"concurrency":1}')
    start(db, "a")
    token = db.claim()["token"]
    start(db, "b", priority=1)
    db.wf_clock("2026-11-23 10:00:31")
    assert claimed(db, 1) == ["b"]
    with wf_error("WF_LEASE_LOST", "default"):
        db.wf_heartbeat(token)
    assert db.wf_step(token, "s", "1") == "1"                     # it is still the current claim, and what happened is kept
    assert db.value("SELECT count(*) FROM wf_pending WHERE reason LIKE 'running%'") == 1


@pytest.mark.parametrize("settings", ['{"partition_concurrency":1}', '{"worker_concurrency":1}'])
def test_nor_where_its_partition_or_worker_has_no_slot_left(db, settings):
    db.wf_queue("default", settings)
    start(db, "a", partition="p")
    token = db.claim(None, "one")["token"]
    start(db, "b", partition="p", priority=1)
    db.wf_clock("2026-11-23 10:00:31")
    assert claimed(db, 1, "one") == ["b"]
    with wf_error("WF_LEASE_LOST", "default"):
        db.wf_heartbeat(token)


def test_an_expired_claim_takes_up_a_free_slot_again(db):
    db.wf_queue("default", '{"concurrency":1}')
    start(db, "a", "b")
    token = db.claim()["token"]
    db.wf_clock("2026-11-23 10:00:31")
    assert db.wf_heartbeat(token) == "2026-11-23 10:01:01.000"
    assert claimed(db) == []


def test_one_that_holds_its_slot_to_the_end_is_renewed_in_a_full_queue(db):
    db.wf_queue("default", '{"concurrency":1,"hold":"started"}')
    start(db, "a", "b")
    token = db.claim()["token"]
    db.wf_clock("2026-11-23 10:00:31")
    assert db.wf_heartbeat(token) == "2026-11-23 10:01:01.000"


def test_a_used_up_rate_finds_what_is_to_be_resumed_in_any_partition(db):
    db.wf_queue("default", '{"rate":{"limit":3,"per":"1h"},"partition_concurrency":1}')
    start(db, "a", "b", "x", partition="p")
    start(db, "c", partition="q")
    start(db, "d", partition="r", priority=5)
    tokens = {c["id"]: c["token"] for c in json.loads(db.wf_claim(None, None, '{"limit":9}'))}
    assert sorted(tokens) == ["a", "c", "d"]
    for wid in tokens:
        db.wf_sleep(tokens[wid], "nap", 10)
    db.wf_clock("2026-11-23 10:00:10")
    assert claimed(db) == ["d", "a", "c"] and claimed(db) == []
