"""wf_claim with the option steps: one array of all that a replay needs, in order, read once the claim is stored."""

import json
import sqlite3

import pytest
from support import json_time, wf_error

needs_setlimit = pytest.mark.skipif(not hasattr(sqlite3.Connection, "setlimit"), reason="Connection.setlimit() is of Python 3.11")


def done(name, output, kind="step"):
    return {"name": name, "kind": kind, "status": "done", "output": output}


def plain(claim):
    return [{key: value for key, value in step.items() if key not in ("seq", "attempts")} for step in claim["steps"]]


def steps(db, **options):
    """The steps of a claim without their numbers, and whether there are more."""
    claim = db.claim(steps=True, **options)
    return plain(claim), claim["steps_more"]


@pytest.fixture
def job(db):
    db.at(0)
    db.wf_start("job", id="w1")
    return db


def test_they_come_in_the_order_of_recording_with_their_kinds(job):
    token = job.claim()["token"]
    job.wf_start("kid", id="kid", queue="q")
    job.wf_step(token, "z", '{"n":1}')
    job.wf_sleep(token, "nap", 0)
    job.wf_spawn(token, "child", "kid", None, id="w1-kid", queue="q")
    job.wf_signal("w1", "go", "[1]")
    job.wf_await(token, "answer", "go")
    job.wf_await(token, "late", "gone", 0)
    job.wf_step(token, "a", "text")
    job.wf_release(token)
    found, after = steps(job)
    answer = found.pop(3)
    assert (answer["name"], answer["kind"], answer["status"], answer["output"]["payload"]) == ("answer", "await", "done", [1])
    assert (found, after) == ([done("z", {"n": 1}), done("nap", json_time(0), "sleep"), done("child", "w1-kid", "spawn"),
                               done("late", {"signal": None, "timeout": True}, "await"), done("a", "text")], False)


def test_a_sleep_that_became_a_step_is_told_from_it_by_kind(job):
    token = job.claim()["token"]
    job.wf_sleep(token, "one", 0)
    job.wf_step(token, "two", '"%s"' % json_time(0))
    job.wf_release(token)
    (sleep, step), _ = steps(job)
    assert sleep["output"] == step["output"]
    assert (sleep["kind"], step["kind"]) == ("sleep", "step")


def test_the_same_rows_as_wf_steps_shows(job):
    token = job.claim()["token"]
    for name in "cab":
        job.wf_step(token, name, "1")
    job.wf_begin(token, "d")
    job.wf_fail(token, '{"code":"x"}', step="e", delay=0)
    found, _ = steps(job)
    assert [(s["name"], s["kind"], s["status"], s.get("output"), s.get("error")) for s in found] == [
        (name, kind, status, output and json.loads(output), error and json.loads(error))
        for name, kind, status, output, error in job.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = 'w1' ORDER BY seq")]


def test_a_blob_is_its_digits_and_null_is_null(job):
    job.wf_step("w1", "blob", b"\x01\xff")
    job.wf_step("w1", "null", None)
    (blob, null), _ = steps(job)
    assert (blob["output"]["$blob"].lower(), null) == ("01ff", done("null", None))


def test_a_step_that_failed_has_its_last_error_and_no_output(job):
    token = job.claim()["token"]
    job.wf_fail(token, '{"code":"first"}', step="pay", delay=0)
    job.wf_fail(job.claim()["token"], '{"code":"second"}', step="pay", delay=0)
    assert steps(job) == ([{"name": "pay", "kind": "step", "status": "failed", "error": {"code": "second"}}], False)


def test_an_error_that_is_the_outcome_is_told_from_a_failure_by_status(job):
    token = job.claim()["token"]
    job.wf_step(token, "charge", '{"code":"declined"}', error=True)
    job.wf_fail(token, '{"code":"declined"}', step="pay", delay=0)
    error = {"code": "declined"}
    assert steps(job) == ([{"name": "charge", "kind": "step", "status": "error", "error": error}, {"name": "pay", "kind": "step", "status": "failed", "error": error}], False)


def test_done_after_a_failure_it_has_no_error_and_a_place_of_its_own(job):
    job.wf_fail(job.claim()["token"], "no", step="pay", delay=0)
    token = job.claim()["token"]
    job.wf_step(token, "other", "1")
    job.wf_step(token, "pay", "2")
    job.wf_release(token)
    assert steps(job) == ([done("other", 1), done("pay", 2)], False)


def test_a_step_that_was_begun_has_neither(job):
    token = job.claim()["token"]
    job.wf_begin(token, "pay")
    job.wf_release(token)
    assert steps(job) == ([{"name": "pay", "kind": "step", "status": "begun"}], False)


def test_a_wait_that_is_open_has_neither(job):
    token = job.claim()["token"]
    job.wf_step(token, "a", "1")
    job.wf_await(token, "answer", "go")
    job.execute("UPDATE _wf_workflow SET status = 'pending', place = 0, due_at = 0 WHERE id = 'w1'")
    assert steps(job) == ([done("a", 1), {"name": "answer", "kind": "await", "status": "waiting"}], False)


def test_a_wait_keeps_the_place_at_which_it_began(job):
    token = job.claim()["token"]
    job.wf_sleep(token, "nap", 100)
    job.at(100)
    claim = job.claim(steps=True)
    assert plain(claim) == [done("nap", json_time(100), "sleep")]


def test_a_fingerprint_is_shown_where_there_is_one(job):
    job.wf_step("w1", "a", "1")
    job.wf_step("w1", "b", "1")
    job.execute("UPDATE _wf_step SET hash = ? WHERE name = 'a'", (2**53 + 1,))
    assert steps(job)[0] == [done("a", 1) | {"hash": "0020000000000001"}, done("b", 1)]


def test_a_workflow_without_any_has_an_empty_array(job):
    assert steps(job) == ([], False)


def test_an_open_period_shows_its_own_alone(job):
    token = job.claim()["token"]
    job.wf_step(token, "a", "1")
    job.wf_continue(token, '"next"')
    assert steps(job) == ([], False)


def test_after_a_retry_from_a_step_those_from_it_on_are_gone(job):
    token = job.claim()["token"]
    for name in "abc":
        job.wf_step(token, name, "1")
    job.wf_fail(token, "no", retry=False)
    job.wf_retry("w1", **{"from": "b"})
    assert steps(job) == ([done("a", 1)], False)


def test_a_claim_repeated_by_its_key_has_what_was_recorded_since(job):
    token = job.claim(key="k", steps=True)["token"]
    job.wf_step(token, "a", "1")
    claim = job.claim(key="k", steps=True)
    assert (claim["token"], plain(claim)) == (token, [done("a", 1)])


def test_each_claim_of_an_array_has_its_own(job):
    job.wf_start("job", {"deep": ["}", {"steps": None}]}, id="w2")
    job.wf_start("job", id="w3")
    job.wf_step("w1", "a", '"w1"')
    job.wf_step("w3", "b", '"w3"')
    assert [(claim["id"], plain(claim), claim["steps_more"]) for claim in job.claim(limit=9, steps=True)] == [
        ("w1", [done("a", "w1")], False), ("w2", [], False), ("w3", [done("b", "w3")], False)]


def test_in_a_transaction_they_are_those_that_it_sees(job):
    job.execute("BEGIN")
    job.wf_step("w1", "a", "1")
    assert steps(job) == ([done("a", 1)], False)
    job.execute("COMMIT")
    assert job.wf_status("w1") == "running"


def test_a_transaction_that_is_rolled_back_takes_the_claim_with_it(job):
    job.execute("BEGIN")
    assert steps(job) == ([], False)
    job.execute("ROLLBACK")
    assert job.wf_status("w1") == "pending"


def test_a_script_is_not_claimed(db):
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    db.wf_start("flow", {}, id="s")
    assert db.claim(steps=True) is None
    with wf_error("WF_STATE"):
        db.claim(id="s", steps=True)


# how many


def fill(db, count, size):
    for i in range(count):
        db.wf_step("w1", "s%d" % i, json.dumps("x" * size))


def names_of(found):
    return [step["name"] for step in found]


def test_each_has_the_number_by_which_wf_steps_knows_it(job):
    fill(job, 3, 1)
    job.execute("DELETE FROM _wf_step WHERE name = 's1'")
    claim = job.claim(steps=True)
    assert [(step["seq"], step["name"]) for step in claim["steps"]] == job.rows("SELECT seq, name FROM wf_steps ORDER BY seq") == [(1, "s0"), (3, "s2")]


def test_each_claim_of_an_array_has_the_limit_for_itself(job):
    fill(job, 3, 1)
    job.wf_start("job", id="w2")
    job.wf_step("w2", "a", "1")
    found = job.claim(limit=2, steps=True, steps_limit=1)
    assert [(names_of(claim["steps"]), claim["steps_more"]) for claim in found] == [(["s0"], True), (["a"], False)]


def test_nothing_that_comes_behind_what_has_no_room_is_shown(job):
    job.wf_step("w1", "short", "1")
    job.wf_step("w1", "blob", b"x" * 5_000_000)
    job.wf_step("w1", "behind", "1")
    claim = job.claim(steps=True)
    assert (names_of(claim["steps"]), claim["steps_more"]) == (["short"], True)


def test_a_first_step_that_has_no_room_leaves_null_and_not_an_empty_array(job):
    job.wf_step("w1", "blob", b"x" * 5_000_000)
    job.wf_step("w1", "behind", "1")
    claim = job.claim(steps=True, key="k")
    assert (claim["steps"], claim["steps_more"]) == (None, True)
    claim = job.claim(steps=True, steps_limit=0, key="k")
    assert (claim["steps"], claim["steps_more"]) == ([], True)                              # none were asked for


def test_the_room_is_that_of_the_call_and_a_long_one_leaves_half_of_it(memdb):
    for n in range(6):
        memdb.wf_start("job", id="w%d" % n)
        for i in range(12 if n < 4 else 1):
            memdb.wf_step("w%d" % n, "s%d" % i, json.dumps("x" * (1 << 20 if n < 4 else 10)))
    text = memdb.wf_claim(None, None, '{"limit":9,"steps":true}')
    assert len(text) < 9 << 20
    assert [(len(claim["steps"] or []), claim["steps_more"]) for claim in json.loads(text)] == [(3, True), (2, True), (1, True), (0, True), (1, False), (1, False)]
    assert json.loads(text)[3]["steps"] is None


@needs_setlimit
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_what_this_connection_can_return_bounds_them_too(connect, encoding):
    db = connect(":memory:")
    db.execute("PRAGMA encoding = '%s'" % encoding)
    db.wf_start("job", id="w1")
    db.wf_start("job", json.dumps("y" * 300_000), id="w2")
    fill(db, 4, 200_000)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2_000_000)
    found = db.claim(limit=2, steps=True)
    assert [claim["id"] for claim in found] == ["w1", "w2"]
    shown = names_of(found[0]["steps"])
    assert shown == ["s0", "s1", "s2", "s3"][:len(shown)]
    assert found[0]["steps_more"] == (len(shown) < 4) == (encoding != "UTF-8")
    assert found[1]["steps"] == []


@needs_setlimit
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_a_row_that_is_longer_than_this_connection_reads_ends_them(connect, encoding):
    db = connect(":memory:")
    db.execute("PRAGMA encoding = '%s'" % encoding)
    db.wf_start("job", id="w1")
    fill(db, 1, 10)
    db.wf_step("w1", "long", json.dumps("x" * 500_000))
    db.wf_step("w1", "behind", "1")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 200_000)
    claim = db.claim(steps=True)
    assert (names_of(claim["steps"]), claim["steps_more"]) == (["s0"], True)


@needs_setlimit
def test_where_there_is_no_room_for_any_the_claims_stand(connect):
    """Whatever the limit, the call that has stored its claims returns them: what it adds behind the commit has room."""
    db = connect(":memory:")
    db.at(0)
    for id in ("w1", "w2", "w3"):
        db.wf_start("job", json.dumps("y" * 500), id=id)
        db.wf_step(id, "a", json.dumps("x" * 300))
    db.wf_init()
    counts = set()
    for most in range(900, 3800, 20):
        db.execute("BEGIN")
        before = db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
        found = db.wf_claim(None, None, '{"limit":9,"steps":true}')
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
        claims = json.loads(found or "[]")
        assert db.value("SELECT count(*) FROM wf_workflows WHERE status = 'running'") == len(claims)
        counts.add((len(claims), sum(len(claim["steps"] or []) for claim in claims)))
        db.execute("ROLLBACK")
    assert {(1, 0), (2, 0), (3, 0), (3, 3)} <= counts


@pytest.mark.parametrize("given", [{}, {"steps": False}])
def test_a_limit_without_steps_is_refused(job, given):
    with wf_error("WF_INVALID", "steps_limit", "steps"):
        job.claim(steps_limit=5, **given)


# what cannot be read


def deny_hashes(db):
    """Keeps this connection from reading what a claim alone reads."""
    db.set_authorizer(lambda action, table, column, *rest: sqlite3.SQLITE_DENY if (table, column) == ("_wf_step", "hash") else sqlite3.SQLITE_OK)


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])
def test_steps_that_cannot_be_read_are_null_and_the_claim_stands(job, connect, inside):
    job.wf_step("w1", "a", "1")
    deny_hashes(job)
    if inside:
        job.execute("BEGIN")
    claim = job.claim(steps=True)
    job.set_authorizer(None)
    assert (claim["id"], claim["steps"], claim["steps_more"]) == ("w1", None, True)
    if inside:
        job.execute("COMMIT")
    assert connect().wf_status("w1") == "running"
    assert job.wf_step(claim["token"], "b", "2") == "2"
    assert job.column("SELECT name FROM wf_steps WHERE workflow_id = 'w1' ORDER BY seq") == ["a", "b"]


def test_in_an_array_each_claim_whose_steps_cannot_be_read_stands(job):
    job.wf_start("job", id="w2")
    deny_hashes(job)
    found = job.claim(limit=2, steps=True)
    assert [(claim["id"], claim["steps"], claim["steps_more"]) for claim in found] == [("w1", None, True), ("w2", None, True)]


def test_they_are_read_without_the_write_lock(job, connect):
    """While the steps are read, the claim is stored: another connection sees it, and writes."""
    job.wf_step("w1", "a", "1")
    other = connect(timeout=0)
    seen = []

    def look(action, table, column, *rest):
        if (table, column) == ("_wf_step", "hash"):
            other.wf_start("job", id="meanwhile")
            seen.append(other.wf_status("w1"))
        return sqlite3.SQLITE_OK

    job.set_authorizer(look)
    assert steps(job) == ([done("a", 1)], False)
    assert set(seen) == {"running"}
