"""wf_claim: what a claim says, which workflow is next, and its filters."""

import json
import sqlite3

import pytest
from support import BASE, json_time, sql_time, wf_error


def test_a_claim_is_a_json_object_with_these_keys(db):
    db.at(0)
    db.wf_start("job", {"n": 1}, id="w1", priority=5, version="v", headers={"h": 1}, timeout=100)
    claim = db.claim("default", "worker-1", lease=20)
    token = claim.pop("token")
    assert token.startswith("run_")
    assert claim == {
        "id": "w1", "name": "job", "input": {"n": 1}, "attempt": 1, "resumed": 0, "ending": None, "queue": "default", "priority": 5,
        "worker": "worker-1", "lease_expires_at": json_time(20), "deadline_at": json_time(100), "version": "v", "headers": {"h": 1},
        "parent": None, "scheduled_at": None, "wake": "start",
    }


def test_what_a_claim_does_not_know_is_json_null(db):
    db.wf_start("job", id="w1")
    claim = db.claim()
    absent = ["input", "ending", "worker", "deadline_at", "version", "headers", "parent", "scheduled_at"]
    assert {key: claim[key] for key in absent} == dict.fromkeys(absent)
    assert "steps" not in claim


def test_a_claimed_workflow_is_running_on_its_worker_until_the_lease_ends(db):
    db.at(0)
    db.running(worker="worker-3", lease="2m")
    workflow = db.workflow()
    assert (workflow["status"], workflow["worker"], workflow["due_at"]) == ("running", "worker-3", sql_time(120))
    assert workflow["started_at"] == sql_time(0)


def test_the_default_lease_is_30_seconds(db):
    db.at(0)
    assert db.running()["lease_expires_at"] == json_time(30)


def test_started_at_is_the_first_claim(db):
    db.at(0)
    token = db.running()["token"]
    db.at(5)
    db.wf_release(token)
    db.claim()
    assert db.workflow()["started_at"] == sql_time(0)


def test_null_means_nothing_is_runnable(db):
    db.at(0)
    assert db.wf_claim() is None
    db.wf_start("job", delay=1)
    db.running("leased")
    db.wf_start("job", id="done")
    db.wf_complete("done")
    db.wf_start("job", manual=True)
    db.wf_start("job", queue="other")
    assert db.wf_claim() is None


@pytest.mark.parametrize("lease", [0, -1, "0s", 0.0])
def test_a_lease_of_zero_or_less_is_an_error(db, lease):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "lease"):
        db.wf_claim(lease=lease)
    assert db.wf_status("w1") == "pending"


@pytest.mark.parametrize("lease, seconds", [(0.001, 0.001), ("250ms", 0.25), ("1h30m", 5400), (315360000, 315360000)])
def test_any_other_lease_is_taken_exactly(db, lease, seconds):
    db.at(0)
    assert db.running(lease=lease)["lease_expires_at"] == json_time(seconds)


# Order


def claimed_ids(db, *arguments, **options):
    ids = []
    while True:
        claim = db.claim(*arguments, **options)
        if claim is None:
            return ids
        ids.append(claim["id"])


def test_the_order_is_priority_then_due_time_then_start_order(db):
    db.at(0)
    db.wf_start("job", id="low", priority=-5, at=BASE - 1000)
    db.wf_start("job", id="second start", at=BASE - 50)
    db.wf_start("job", id="third start", at=BASE - 50)
    db.wf_start("job", id="early", at=BASE - 100)
    db.wf_start("job", id="high", priority=5)
    db.wf_start("job", id="highest", priority=100)
    db.wf_start("job", id="high but later", priority=6, delay=10)
    assert claimed_ids(db) == ["highest", "high", "early", "second start", "third start", "low"]


def test_start_order_decides_across_names_and_versions(db):
    db.at(0)
    for number in range(12):
        db.wf_start("job-%d" % (number * 5 % 7), id="w%02d" % number, version="v%d" % (number * 3 % 5))
    assert claimed_ids(db) == ["w%02d" % number for number in range(12)]


def test_what_is_not_ready_never_hides_what_stands_behind_it(db):
    db.at(0)
    for number in range(50):
        db.wf_start("job", priority=10, delay=100 + number)
        db.wf_start("job", id="manual-%d" % number, priority=9, manual=True)
    db.wf_start("job", id="ready", priority=-1)
    assert claimed_ids(db) == ["ready"]


def test_an_expired_lease_goes_on_before_new_work_be_it_due_earlier(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.claim(lease=10)
    db.wf_start("job", id="before", at=BASE + 9)
    db.wf_start("job", id="after", at=BASE + 11)
    db.at(20)
    assert claimed_ids(db) == ["w1", "before", "after"]


def test_a_retry_stands_in_line_at_the_end_of_its_backoff(db):
    db.at(0)
    db.wf_start("job", id="w1", backoff={"initial": 10})
    db.wf_fail(db.claim()["token"], "e")
    db.wf_start("job", id="before", at=BASE + 9)
    db.wf_start("job", id="after", at=BASE + 11)
    db.at(20)
    assert claimed_ids(db) == ["before", "w1", "after"]


# Queues


def test_null_is_the_queue_default(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2", queue="other")
    assert claimed_ids(db, None) == ["w1"]
    assert claimed_ids(db, "default") == []
    assert claimed_ids(db, "other") == ["w2"]
    assert claimed_ids(db, "unknown") == []


def test_a_json_array_names_several_queues_and_the_order_runs_across_them(db):
    db.at(0)
    db.wf_start("job", id="b1", queue="b")
    db.wf_start("job", id="a1", queue="a")
    db.wf_start("job", id="b2", queue="b", priority=1)
    db.wf_start("job", id="a2", queue="a")
    db.wf_start("job", id="c1", queue="c", priority=2)
    assert claimed_ids(db, '["a", "b"]') == ["b2", "b1", "a1", "a2"]
    assert claimed_ids(db, '["c"]') == ["c1"]


@pytest.mark.parametrize("queues", ['["a", "b"]', '["b", "a"]'])
def test_an_emptied_lane_of_one_queue_never_hides_a_higher_priority(db, queues):
    db.wf_start("job", id="b9", queue="b", priority=9)
    db.wf_start("job", id="b3", queue="b", priority=3)
    db.wf_start("job", id="a0", queue="a")
    assert claimed_ids(db, queues) == ["b9", "b3", "a0"]


def test_a_queue_named_twice_in_the_array_counts_once(db):
    db.wf_start("job", id="w1")
    assert [claim["id"] for claim in db.claim('["default", "default"]', limit=5)] == ["w1"]


# Filters


def test_names_lets_only_these_through(db):
    for name in ("a", "b", "c", "a"):
        db.wf_start(name)
    assert [db.claim(names=["a", "c"])["name"] for _ in range(3)] == ["a", "c", "a"]
    assert db.claim(names=["a", "c"]) is None
    assert db.claim(names=["b"])["name"] == "b"


def test_versions_lets_these_through_and_those_without_a_version(db):
    for version in ("v1", "v2", None, "v3"):
        db.wf_start("job", id=version or "any", **({"version": version} if version else {}))
    assert claimed_ids(db, versions=["v2", "v3"]) == ["v2", "any", "v3"]
    assert claimed_ids(db) == ["v1"]


def test_a_claim_without_versions_takes_every_version(db):
    db.wf_start("job", id="w1", version="v1")
    assert db.claim()["id"] == "w1"


def test_filters_work_together(db):
    for name in ("a", "b"):
        for version in ("1", "2"):
            db.wf_start(name, id=name + version, version=version, queue="q" + version)
    assert claimed_ids(db, '["q1", "q2"]', names=["a"], versions=["2"]) == ["a2"]


def test_a_filtered_workflow_of_higher_priority_hides_nothing(db):
    for number in range(50):
        db.wf_start("other", priority=10)
    db.wf_start("job", id="w1")
    assert claimed_ids(db, names=["job"]) == ["w1"]


# limit


def test_limit_returns_an_array_in_order_and_null_if_empty(db):
    for number in range(5):
        db.wf_start("job", id="w%d" % number, priority=-number)
    assert [claim["id"] for claim in db.claim(limit=3)] == ["w0", "w1", "w2"]
    assert [claim["id"] for claim in db.claim(limit=1000)] == ["w3", "w4"]
    assert db.wf_claim(limit=1) is None


def test_a_limit_of_one_returns_an_array_too(db):
    db.wf_start("job", id="w1")
    assert [claim["id"] for claim in json.loads(db.wf_claim(limit=1))] == ["w1"]


def test_each_claim_of_an_array_has_its_own_token(db):
    for number in range(100):
        db.wf_start("job", id="w%d" % number)
    claims = db.claim(None, "w", limit=100)
    assert len({claim["token"] for claim in claims}) == 100
    for claim in claims:
        assert db.wf_complete(claim["token"], claim["id"]) == "completed"
    assert db.value("SELECT count(*) FROM wf_workflows WHERE output = json_quote(id)") == 100


def test_a_limit_takes_from_every_queue_name_and_priority(db):
    db.at(0)
    for number in range(6):
        db.wf_start("job-%d" % number, id="w%d" % number, queue="q%d" % (number % 2), priority=number % 3)
    claims = db.claim('["q0", "q1"]', limit=10)
    assert [claim["id"] for claim in claims] == ["w2", "w5", "w1", "w4", "w0", "w3"]


# steps


def test_steps_embeds_the_recorded_outputs(db):
    token = db.running()["token"]
    db.wf_step(token, "a", '{"n":1}')
    db.wf_step(token, "b", "text")
    db.wf_step(token, "c", b"\x01\xff")
    db.wf_step(token, "d", None)
    db.wf_fail(token, "e", step="broken", delay=0)
    claim = db.claim(steps=True)
    outputs = db.outputs(claim)
    assert outputs.pop("c")["$blob"].lower() == "01ff"
    assert outputs == {"a": {"n": 1}, "b": "text", "d": None}


def test_steps_of_a_workflow_without_any_is_empty(db):
    db.wf_start("job", id="w1")
    assert db.claim(steps=True)["steps"] == []


def test_steps_false_is_the_default(db):
    db.wf_start("job", id="w1")
    assert "steps" not in db.claim(steps=False)


def test_steps_in_an_array_belong_to_their_workflow(db):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
        db.wf_step(id, "a", '"%s"' % id)
    assert [db.outputs(claim) for claim in db.claim(limit=2, steps=True)] == [{"a": "w1"}, {"a": "w2"}]


def test_steps_say_all_that_a_replay_needs_in_order(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_step(token, "a", '{"n":1}')
    db.wf_sleep(token, "nap", 0)
    db.wf_step(token, "declined", "no", error=True)
    db.wf_begin(token, "begun")
    db.wf_fail(token, "try", step="tried", delay=0)
    claim = db.claim(steps=True)
    assert claim["steps"] == [
        {"seq": 1, "name": "a", "kind": "step", "status": "done", "output": {"n": 1}},
        {"seq": 2, "name": "nap", "kind": "sleep", "status": "done", "output": json_time(0)},
        {"seq": 3, "name": "declined", "kind": "step", "status": "error", "error": "no", "attempts": 1},
        {"seq": 4, "name": "begun", "kind": "step", "status": "begun"},
        {"seq": 5, "name": "tried", "kind": "step", "status": "failed", "error": "try", "attempts": 1},
    ]
    assert claim["steps_more"] is False


def test_steps_limit_bounds_them_and_the_rest_is_in_wf_steps(db):
    token = db.running()["token"]
    for n in range(5):
        db.wf_step(token, "s%d" % n, n)
    db.wf_release(token)
    claim = db.claim(steps=True, steps_limit=2, key="k")
    assert (db.outputs(claim), claim["steps_more"]) == ({"s0": 0, "s1": 1}, True)
    assert db.column("SELECT name FROM wf_steps WHERE workflow_id = 'w1' AND seq > ? ORDER BY seq", claim["steps"][-1]["seq"]) == ["s2", "s3", "s4"]
    for limit, count, more in ((0, 0, True), (5, 5, False), (9, 5, False)):
        claim = db.claim(steps=True, steps_limit=limit, key="k")
        assert (len(claim["steps"]), claim["steps_more"]) == (count, more)


def test_steps_that_cannot_be_read_are_null_and_the_claim_stands(db):
    token = db.running()["token"]
    db.wf_step(token, "s", 1)
    db.wf_release(token)
    db.wf_start("job", id="w2")
    reads = []

    def deny_the_steps(action, table, column, *_):
        # The hash is read for the answer alone.
        if action == sqlite3.SQLITE_READ and table == "_wf_step" and column == "hash":
            reads.append(column)
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    db.set_authorizer(deny_the_steps)
    claims = db.claim(steps=True, limit=2)
    db.set_authorizer(None)
    assert reads and [(claim["id"], claim["steps"], claim["steps_more"]) for claim in claims] == [("w2", None, True), ("w1", None, True)]
    assert all(db.wf_heartbeat(claim["token"]) for claim in claims)
    assert db.autocommit() if hasattr(db, "autocommit") else not db.in_transaction
