"""wf_complete with the options step and next: the last step, the end and the next claim, in one commit."""

import json

import pytest
from support import sql_time, wf_error

NEXT = {"key": "worker-1"}


def complete(db, token, output="1", next=None, **options):
    done = json.loads(db.wf_complete(token, output, next=dict(NEXT, **(next or {})), **options))
    assert list(done) == ["status", "claim"]
    return done["status"], done["claim"]


def two(db, **options):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id, **options)
    return db.claim()["token"]


def test_it_ends_one_and_claims_the_next(db):
    token = two(db)
    status, claim = complete(db, token, '{"a":1}', {"worker": "me", "lease": 60})
    assert (status, claim["id"], claim["worker"]) == ("completed", "w2", "me")
    assert (db.wf_result("w1"), db.wf_status("w2")) == ('{"a":1}', "running")
    assert db.wf_step(claim["token"], "a", 1) == 1
    assert db.wf_check() is None


def test_where_there_is_no_next_one_the_claim_is_null(db):
    assert complete(db, db.running()["token"]) == ("completed", None)


def test_it_is_one_commit(db):
    token = two(db)
    statements = []
    db.set_trace_callback(statements.append)
    complete(db, token, step="last")
    db.set_trace_callback(None)
    assert [s for s in statements if "COMMIT" in s] == statements[-1:]


def test_repeating_it_gives_the_same_and_changes_nothing(db):
    db.at(0)
    token = two(db)
    db.wf_start("job", id="w3")
    first = complete(db, token, "1")
    before = db.everything()
    again = complete(db, token, "2")
    assert (again[0], again[1]["token"], again[1]["id"]) == ("completed", first[1]["token"], "w2")
    assert db.everything() == before
    assert db.wf_result("w1") == "1"


def test_the_key_of_the_claim_that_ends_may_be_that_of_the_next(db):
    """A worker that has one key for all of its claims."""
    for i in range(3):
        db.wf_start("job", id="w%d" % i)
    token = db.claim(**NEXT)["token"]
    for i in (1, 2):
        claim = complete(db, token)[1]
        assert claim["id"] == "w%d" % i
        assert db.claim(**NEXT)["token"] == claim["token"]
        token = claim["token"]
    assert complete(db, token) == ("completed", None)


def test_without_a_key_it_is_refused_and_nothing_is_done(db):
    token = two(db)
    with wf_error("WF_INVALID", "next", "key"):
        db.wf_complete(token, 1, next={"queue": "default"})
    assert db.wf_status("w1") == "running"


@pytest.mark.parametrize(
    ("next", "mentions"),
    [
        ({"key": "k", "limit": 2}, "limit"),
        ({"key": "k", "now": 0}, "now"),
        ({"key": "k", "lease": -1}, "lease"),
        ({"key": "k", "other": 1}, "other"),
        ({"key": "k", "queue": []}, "queue"),
        ({"key": "k", "steps_limit": 1}, "steps_limit"),
        ({"key": ""}, "key"),
        ("k", "next"),
    ],
)
def test_what_is_wrong_with_it_is_told_and_nothing_is_done(db, next, mentions):
    token = two(db)
    with wf_error("WF_INVALID", mentions):
        db.wf_complete(token, 1, next=next)
    assert (db.wf_status("w1"), db.wf_status("w2")) == ("running", "pending")


def test_a_completion_that_is_refused_claims_nothing(db):
    token = two(db)
    db.wf_cancel("w1")
    with wf_error("WF_CANCELLED", "w1"):
        complete(db, token)
    assert db.wf_status("w2") == "pending"


def test_a_lost_lease_claims_nothing(db):
    db.at(0)
    token = two(db)
    db.at(31)
    assert db.claim(id="w1")["id"] == "w1"
    with wf_error("WF_LEASE_LOST"):
        complete(db, token)
    assert db.wf_status("w2") == "pending"


def test_a_claim_that_fails_leaves_the_completion(db):
    """The key holds a claim of another workflow than the one that is asked for."""
    token = two(db)
    db.wf_start("job", id="w3")
    held = db.claim(id="w2", key="held")
    assert complete(db, token, next={"key": "held", "id": "w3"}) == ("completed", None)
    assert (db.wf_status("w1"), db.wf_status("w3")) == ("completed", "pending")
    assert db.claim(key="held")["token"] == held["token"]
    with wf_error("WF_CONFLICT", "held"):            # who asks by itself is told
        db.claim(id="w3", key="held")


@pytest.mark.parametrize("raises", ["RAISE(ABORT, 'no')", "RAISE(FAIL, 'no')", "RAISE(ROLLBACK, 'no')"])
def test_a_trigger_that_keeps_the_next_from_being_claimed_leaves_the_completion(db, raises):
    token = two(db)
    db.execute("CREATE TRIGGER t BEFORE UPDATE OF worker ON _wf_workflow WHEN new.id = 'w2' AND new.worker = 'me' BEGIN SELECT %s; END" % raises)
    status, claim = complete(db, token, next={"worker": "me"})
    assert (status, claim) == ("completed", None)
    assert (db.wf_status("w1"), db.wf_status("w2"), db.in_transaction) == ("completed", "pending", False)
    assert db.wf_check() is None


def test_the_only_place_of_a_partition_goes_to_the_next(db):
    db.wf_queue("q", partition_concurrency=1)
    for id in ("w1", "w2"):
        db.wf_start("job", id=id, queue="q", partition="p")
    token = db.claim("q")["token"]
    assert db.claim("q") is None
    assert complete(db, token, next={"queue": "q"})[1]["id"] == "w2"


def test_the_only_place_of_a_queue_goes_to_the_next_and_the_rate_holds(db):
    db.at(0)
    db.wf_queue("q", concurrency=1, rate={"limit": 2, "per": "1m"})
    for i in range(3):
        db.wf_start("job", id="w%d" % i, queue="q")
    claim = complete(db, db.claim("q")["token"], next={"queue": ["q", "default"]})[1]
    assert claim["id"] == "w1"
    assert complete(db, claim["token"], next={"queue": "q"}) == ("completed", None)
    db.at(61)
    assert db.claim("q")["id"] == "w2"


def test_a_parent_that_waits_for_it_may_be_the_next(db):
    db.wf_start("parent", id="p")
    token = db.claim(id="p")["token"]
    db.wf_spawn(token, "child", "job", id="c")
    assert db.wf_join(token, "all") is None
    token = db.claim(id="c")["token"]
    claim = complete(db, token, '"done"', {"steps": True})[1]
    assert (claim["id"], claim["resumed"]) == ("p", True) or claim["id"] == "p"
    assert json.loads(db.wf_join(claim["token"], "all"))[0]["output"] == "done"


def test_what_cleans_up_ends_with_the_status_it_has_coming(db):
    db.wf_start("job", id="w1", cleanup=True)
    db.claim()
    db.wf_cancel("w1")
    db.wf_start("job", id="w2")
    token = db.claim(id="w1")["token"]
    status, claim = complete(db, token)
    assert (status, claim["id"]) == ("cancelled", "w2")


def test_inside_a_transaction_it_is_undone_with_it(db):
    token = two(db)
    db.execute("BEGIN IMMEDIATE")
    assert complete(db, token)[1]["id"] == "w2"
    db.execute("ROLLBACK")
    assert (db.wf_status("w1"), db.wf_status("w2")) == ("running", "pending")
    assert complete(db, token)[1]["id"] == "w2"


def test_inside_a_writing_statement_it_is_refused(db):
    token = two(db)
    with wf_error("WF_CONTEXT", "wf_complete"):
        db.execute("CREATE TABLE t AS SELECT 1 AS v")
        db.execute("INSERT INTO t VALUES (wf_complete(?, 1, '{\"next\":{\"key\":\"k\"}}'))", (token,))
    assert (db.wf_status("w1"), db.wf_status("w2"), db.in_transaction) == ("running", "pending", False)


def test_both_go_by_the_time_that_is_said(db):
    db.wf_config("clock", "explicit")
    for id in ("w1", "w2"):
        db.wf_start("job", id=id, now="2030-01-01T00:00:00Z")
    token = db.claim(now="2030-01-01T00:00:01Z")["token"]
    status, claim = complete(db, token, now="2030-01-01T00:00:02Z")
    assert (status, claim["lease_expires_at"]) == ("completed", "2030-01-01T00:00:32.000Z")
    assert db.workflow("w1")["completed_at"] == "2030-01-01 00:00:02.000"
    with wf_error("WF_INVALID", "now"):
        complete(db, claim["token"])


# The option step.


def test_the_output_is_recorded_as_that_of_the_step_too(db):
    db.at(0)
    token = db.running()["token"]
    db.at(1)
    assert db.wf_complete(token, '{"a":1}', step="last") == "completed"
    step = db.record("SELECT * FROM wf_steps")
    assert (step["name"], step["kind"], step["output"], step["recorded_at"]) == ("last", "step", '{"a":1}', sql_time(1))
    assert db.wf_result("w1") == '{"a":1}'


def test_an_output_of_the_step_that_stands_is_the_workflows(db):
    token = db.running()["token"]
    db.wf_step(token, "last", "1")
    assert db.wf_complete(token, "2", step="last") == "completed"
    assert (db.wf_result("w1"), db.value("SELECT count(*) FROM wf_steps")) == ("1", 1)


@pytest.mark.parametrize("by_token", [True, False])
def test_repeating_it_records_nothing_more(db, by_token):
    token = db.running()["token"]
    if not by_token:
        db.wf_release(token)
    handle = token if by_token else "w1"
    assert db.wf_complete(handle, "1", step="last") == "completed"
    before = db.everything()
    assert db.wf_complete(handle, "2", step="last") == "completed"
    assert db.everything() == before


def test_a_step_of_another_kind_or_that_came_out_as_an_error_completes_nothing(db):
    token = db.running()["token"]
    db.wf_sleep(token, "slept", 0)
    with wf_error("WF_NONDETERMINISM", "slept"):
        db.wf_complete(token, "1", step="slept")
    db.wf_step(token, "bad", "no", error=True)
    with wf_error("WF_STEP_FAILED", "bad"):
        db.wf_complete(token, "1", step="bad")
    assert db.wf_status("w1") == "running"


def test_a_completion_that_is_refused_records_nothing(db):
    """By a claim of before: what was refused is the whole call."""
    db.at(0)
    stale = db.running()["token"]
    db.at(31)
    db.claim()
    with wf_error("WF_LEASE_LOST"):
        db.wf_complete(stale, "1", step="last")
    assert db.value("SELECT count(*) FROM wf_steps") == 0


def test_a_begun_step_is_finished_by_it(db):
    token = db.running()["token"]
    assert json.loads(db.wf_begin(token, "pay"))["go"] is True
    assert db.wf_complete(token, '"r1"', step="pay") == "completed"
    assert db.record("SELECT name, status, output FROM wf_steps") == {"name": "pay", "status": "done", "output": '"r1"'}


@pytest.mark.parametrize("output", ["text", 1.5, b"x", None, '{"long":"%s"}' % ("x" * 3000)])
def test_step_end_and_next_claim_in_one(db, output):
    token = two(db)
    status, claim = complete(db, token, output, step="last")
    assert (status, claim["id"]) == ("completed", "w2")
    assert db.value("SELECT output FROM wf_steps") == db.wf_result("w1")
    assert db.wf_check() is None


def test_inside_a_writing_statement_the_step_and_the_end_are_written(db):
    token = db.running()["token"]
    db.execute("CREATE TABLE t(v)")
    db.execute("INSERT INTO t VALUES (wf_complete(?, '1', '{\"step\":\"last\"}'))", (token,))
    assert (db.value("SELECT v FROM t"), db.wf_status("w1"), db.value("SELECT output FROM wf_steps")) == ("completed", "completed", "1")


@pytest.mark.parametrize("options", [{"step": "s"}, {"next": {"key": "k"}}, {"step": "s", "next": {"key": "k"}}])
@pytest.mark.parametrize("action", ["ROLLBACK, 'no'", "ABORT, 'no'", "IGNORE"])
def test_one_that_waits_for_it_and_cannot_be_woken_holds_it_up_in_no_form(db, action, options):
    """As in the plain form: the end stands, and the waiting one is noted."""
    db.wf_start("w", None, {"id": "a"})
    db.wf_start("w", None, {"id": "j", "queue": "other"})
    joiner = json.loads(db.wf_claim("other"))["token"]
    assert db.wf_join(joiner, "join", '["a"]') is None
    token = json.loads(db.wf_claim())["token"]
    db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON _wf_workflow WHEN old.id = 'j' BEGIN SELECT raise(%s); END" % action)
    db.wf_complete(token, "1", options)
    assert (db.wf_status("a"), db.wf_status("j"), db.in_transaction) == ("completed", "waiting", False)
    if "step" in options:
        assert db.wf_step("a", "s") == "1"
    db.execute("DROP TRIGGER refuse")
    db.wf_tick()
    assert db.wf_check() is None
