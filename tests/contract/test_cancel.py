"""wf_cancel: at once or in two phases, and what the worker may still do."""

import json

import pytest
from support import BASE, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    return db


STATES = {
    "pending": lambda db: db.wf_start("job", id="w1"),
    "delayed": lambda db: db.wf_start("job", id="w1", delay=60),
    "running": lambda db: db.running(),
    "waiting": lambda db: (db.wf_start("job", id="w1"), db.wf_await("w1", "wait", "go")),
    "paused": lambda db: (db.wf_start("job", id="w1"), db.wf_pause("w1")),
}


@pytest.mark.parametrize("state", sorted(STATES))
def test_it_ends_a_workflow_in_every_open_state(db, state):
    STATES[state](db)
    db.at(5)
    assert db.wf_cancel("w1", "why") == 1
    workflow = db.workflow()
    assert (workflow["status"], workflow["error"], workflow["completed_at"], workflow["due_at"]) == ("cancelled", '"why"', sql_time(5), None)
    assert (db.wf_pending(), db.wf_ready(), db.claim(), db.wf_check()) == (0, 0, None, None)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_a_terminal_workflow_does_not_change(db, end):
    db.wf_start("job", id="w1")
    {"completed": lambda: db.wf_complete("w1"), "failed": lambda: db.wf_fail("w1", "e", retry=False), "cancelled": lambda: db.wf_cancel("w1", "first")}[end]()
    before = db.everything()
    assert db.wf_cancel("w1", "second") == 0
    assert db.everything() == before


@pytest.mark.parametrize("reason, kept", [(None, None), ("why", '"why"'), ('{"by":"ann"}', '{"by":"ann"}'), (5, 5), ("not {json", '"not {json"')])
def test_the_reason_is_kept_and_never_refused(db, reason, kept):
    db.wf_start("job", id="w1")
    db.wf_cancel("w1", reason)
    assert db.wf_error("w1") == kept == db.workflow()["error"]
    assert db.wf_result("w1") is None


def test_an_unknown_id_is_not_found(db):
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_cancel("nobody")


def test_an_array_is_one_transaction_and_counts_what_changed(db):
    for id in ("a", "b", "c"):
        db.wf_start("job", id=id)
    db.wf_complete("b")
    assert db.wf_cancel(["a", "b", "c"]) == 2
    assert [db.wf_status(id) for id in "abc"] == ["cancelled", "completed", "cancelled"]


def test_one_unknown_id_in_an_array_undoes_all(db):
    db.wf_start("job", id="a")
    before = db.everything()
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_cancel(["a", "nobody"])
    assert db.everything() == before


def test_an_empty_array_changes_nothing(db):
    db.wf_start("job", id="a")
    assert db.wf_cancel([]) == 0


def test_an_id_named_twice_counts_once(db):
    db.wf_start("job", id="a")
    assert db.wf_cancel(["a", "a"]) == 1


@pytest.mark.parametrize("ids", ["[", "[5]", '[""]', "[null]", '["a",["b"]]', "", None, 5])
def test_ids_are_an_id_or_an_array_of_ids(db, ids):
    with wf_error("WF_INVALID"):
        db.wf_cancel(ids)


def test_children_cancelled_along_are_not_counted(db):
    db.wf_start("job", id="w1")
    db.wf_spawn("w1", "kid", "child")
    assert db.wf_cancel("w1") == 1
    assert db.wf_status("w1/kid") == "cancelled"


def test_bulk_control_in_a_writing_statement_is_refused_one_id_is_not(db):
    db.execute("CREATE TABLE t(x)")
    for id in ("a", "b"):
        db.wf_start("job", id=id)
    with wf_error("WF_CONTEXT"):
        db.execute("INSERT INTO t SELECT wf_cancel('[\"a\",\"b\"]')")
    assert (db.wf_status("a"), db.rows("SELECT * FROM t")) == ("pending", [])
    db.execute("INSERT INTO t SELECT wf_cancel('a')")
    assert (db.wf_status("a"), db.rows("SELECT * FROM t")) == ("cancelled", [(1,)])


def test_triggers_may_cancel(db):
    db.execute("CREATE TABLE account(id)")
    db.execute("CREATE TRIGGER t AFTER DELETE ON account BEGIN SELECT wf_cancel(old.id, 'closed'); END")
    db.execute("INSERT INTO account VALUES ('w1')")
    db.wf_start("job", id="w1")
    db.execute("DELETE FROM account")
    assert db.wf_status("w1") == "cancelled"


# The worker in the middle of an effect


WRITES = {
    "guard": lambda db, handle: db.wf_step(handle, "new"),
    "begin": lambda db, handle: db.wf_begin(handle, "new"),
    "sleep": lambda db, handle: db.wf_sleep(handle, "new", 1),
    "await": lambda db, handle: db.wf_await(handle, "new", "go"),
    "event": lambda db, handle: db.wf_await_event(handle, "new", "go"),
    "join": lambda db, handle: db.wf_join(handle, "new"),
    "spawn": lambda db, handle: db.wf_spawn(handle, "new", "child"),
    "complete": lambda db, handle: db.wf_complete(handle),
    "fail": lambda db, handle: db.wf_fail(handle, "e"),
    "heartbeat": lambda db, handle: db.wf_heartbeat(handle),
    "release": lambda db, handle: db.wf_release(handle),
    "set": lambda db, handle: db.wf_set(handle, "k", 1),
    "append": lambda db, handle: db.wf_append(handle, "s", 1),
}


def test_the_claim_that_was_live_may_still_record_outputs(db):
    token = db.running()["token"]
    db.wf_cancel("w1")
    assert db.wf_step(token, "charge", '{"ref":9}') == '{"ref":9}'
    assert db.wf_step(token, "charge") == '{"ref":9}'
    assert db.rows("SELECT name, output FROM wf_steps") == [("charge", '{"ref":9}')]
    assert db.wf_status("w1") == "cancelled"


@pytest.mark.parametrize("act", sorted(WRITES))
def test_everything_else_raises_cancelled(db, act):
    token = db.running()["token"]
    db.wf_cancel("w1")
    before = db.everything()
    with wf_error("WF_CANCELLED", "w1"):
        WRITES[act](db, token)
    assert db.everything() == before


@pytest.mark.parametrize("act", sorted(set(WRITES) - {"heartbeat"}))
def test_a_script_is_told_too(db, act):
    db.wf_start("job", id="w1")
    db.wf_cancel("w1")
    with wf_error("WF_CANCELLED", "w1"):
        WRITES[act](db, "w1")
    with wf_error("WF_CANCELLED", "w1"):
        db.wf_step("w1", "charge", "1")


def test_a_begun_step_of_the_claim_that_was_live_is_finished(db):
    token = db.running()["token"]
    db.wf_begin(token, "charge")
    db.wf_cancel("w1")
    assert db.wf_step(token, "charge", "1") == "1"
    assert db.rows("SELECT status, output FROM wf_steps") == [("done", "1")]


def test_a_claim_that_was_lost_before_records_nothing(db):
    old = db.running()["token"]
    db.at(31)
    db.claim()
    db.wf_cancel("w1")
    with pytest.raises(Exception, match="^WF_(CANCELLED|LEASE_LOST): "):
        db.wf_step(old, "charge", "1")
    assert db.rows("SELECT * FROM wf_steps") == []


# Two phases


@pytest.fixture
def ending(db):
    """w1 has charged, is cancelled at 5 seconds, and is to clean up; db.old is the claim that was live."""
    db.old = db.running(cleanup=True, max_attempts=2, timeout=1000)["token"]
    db.wf_step(db.old, "charge", "1")
    db.at(5)
    assert db.wf_cancel("w1", "why") == 1
    return db


def test_with_cleanup_it_becomes_pending_with_the_coming_status(ending):
    workflow = ending.workflow()
    assert (workflow["status"], workflow["ending"], workflow["due_at"], workflow["completed_at"]) == ("pending", "cancelled", sql_time(5), None)
    claim = ending.claim(steps=True)
    assert (claim["ending"], ending.outputs(claim)) == ("cancelled", {"charge": 1})


def test_its_worker_compensates_and_its_completion_ends_it(ending):
    token = ending.claim()["token"]
    assert ending.wf_step(token, "refund", "2") == "2"
    assert ending.wf_complete(token) == "cancelled"
    assert ending.wf_complete(token) == "cancelled"
    assert (ending.wf_status("w1"), ending.wf_error("w1"), ending.wf_result("w1")) == ("cancelled", '"why"', None)


def test_a_second_cancel_changes_nothing(ending):
    assert ending.wf_cancel("w1", "again") == 0
    assert ending.wf_status("w1") == "pending"
    ending.wf_complete(ending.claim()["token"])
    assert ending.wf_error("w1") == '"why"'


def test_force_skips_it(db):
    db.running(cleanup=True)
    assert db.wf_cancel("w1", "why", force=True) == 1
    assert (db.wf_status("w1"), db.wf_error("w1")) == ("cancelled", '"why"')


def test_force_ends_a_cleanup_that_has_begun(ending):
    ending.claim()
    assert ending.wf_cancel("w1", "enough", force=True) == 1
    assert ending.wf_status("w1") == "cancelled"


def test_the_claim_that_was_live_records_until_the_next_claim(ending):
    assert ending.wf_step(ending.old, "ship", "2") == "2"
    with wf_error("WF_CANCELLED", "w1"):
        ending.wf_step(ending.old, "new")
    with wf_error("WF_CANCELLED", "w1"):
        ending.wf_complete(ending.old)
    claim = ending.claim(steps=True)
    assert ending.outputs(claim) == {"charge": 1, "ship": 2}
    with wf_error("WF_LEASE_LOST", "w1"):
        ending.wf_step(ending.old, "late", "3")


def test_a_script_cleans_up_by_bare_id(ending):
    assert ending.wf_step("w1", "refund", "2") == "2"
    assert ending.wf_complete("w1") == "cancelled"


def test_the_cleanup_may_wait(ending):
    token = ending.claim()["token"]
    assert ending.wf_sleep(token, "cool", 60) is None
    ending.at(65)
    claim = ending.claim()
    assert (claim["ending"], ending.wf_sleep(claim["token"], "cool", 60)) == ("cancelled", sql_time(65))
    assert ending.wf_complete(claim["token"]) == "cancelled"


def test_a_wait_that_was_open_ends_with_the_first_phase(db):
    token = db.running(cleanup=True)["token"]
    db.wf_await(token, "wait", "go")
    db.wf_cancel("w1")
    claim = db.claim()
    assert claim["ending"] == "cancelled"
    assert db.wf_step(claim["token"], "refund", "1") == "1"
    assert db.wf_complete(claim["token"]) == "cancelled"


def test_children_are_cancelled_when_the_cleanup_begins(db):
    token = db.running(cleanup=True)["token"]
    db.wf_spawn(token, "kid", "child")
    db.wf_cancel("w1")
    assert (db.wf_status("w1"), db.wf_status("w1/kid")) == ("pending", "cancelled")


def test_a_failing_cleanup_ends_with_the_coming_status_and_the_first_reason(ending):
    for turn in range(2):
        result = ending.wf_fail(ending.claim()["token"], "undo", delay=0)
    assert result == "cancelled" == ending.wf_status("w1")
    assert ending.wf_error("w1") == '"why"'


def test_a_deadline_does_not_end_the_cleanup_of_a_cancelled_workflow_as_failed(ending):
    ending.at(2000)
    claim = ending.claim()
    if claim is not None:
        assert claim["ending"] == "cancelled"
        ending.wf_complete(claim["token"])
    assert ending.wf_status("w1") == "cancelled"


def test_it_is_undone_with_the_transaction_around_it(db):
    token = db.running()["token"]
    db.wf_spawn(token, "kid", "child")
    before = db.everything()
    db.execute("BEGIN")
    db.wf_cancel("w1")
    db.execute("ROLLBACK")
    assert db.everything() == before
    assert db.wf_complete(token) == "completed"


def test_now_is_the_moment_of_the_end(db):
    db.wf_start("job", id="w1")
    db.wf_cancel("w1", None, now=BASE + 7)
    assert db.workflow()["completed_at"] == sql_time(7)


def test_whoever_joins_it_is_woken(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    db.wf_join("w2", "join", ["w1"])
    db.wf_cancel("w1", "why")
    assert json.loads(db.wf_join("w2", "join", ["w1"])) == [{"id": "w1", "status": "cancelled", "error": "why"}]


def test_a_dedup_key_is_free_again(db):
    db.wf_start("job", id="w1", dedup="d")
    db.wf_cancel("w1")
    assert db.wf_start("job", id="w2", dedup="d") == "w2"


def test_ten_thousand_are_cancelled_in_one_call(db):
    ids = ["c%d" % n for n in range(10_000)]
    db.execute("BEGIN")
    for id in ids:
        db.wf_start("job", id=id)
    assert db.wf_cancel(ids) == 10_000
    db.execute("COMMIT")
    assert db.wf_pending() == 0


def test_skip_leaves_out_what_is_not_there(db):
    for id in ("a", "b"):
        db.wf_start("job", id=id)
    assert db.wf_cancel(["a", "nobody", "b"], "why", skip=True) == 2
    assert (db.wf_status("a"), db.wf_error("b")) == ("cancelled", '"why"')
    assert db.wf_cancel("nobody", None, skip=True) == 0


def test_skip_leaves_out_one_that_a_trigger_refuses(db):
    for id in ("a", "b", "c"):
        db.wf_start("job", id=id)
    db.execute("CREATE TRIGGER keep BEFORE UPDATE ON _wf_workflow WHEN new.id = 'b' BEGIN SELECT RAISE(ABORT, 'not that one'); END")
    with pytest.raises(Exception, match="not that one"):
        db.wf_cancel(["a", "b", "c"])
    assert db.wf_status("a") == "pending"
    assert db.wf_cancel(["a", "b", "c"], None, skip=True) == 2
    assert [db.wf_status(id) for id in "abc"] == ["cancelled", "pending", "cancelled"]
    db.execute("DROP TRIGGER keep")
    assert db.wf_check() is None


def test_skip_raises_what_concerns_the_call(db):
    with wf_error("WF_INVALID"):
        db.wf_cancel(["a", ""], None, skip=True)
    with wf_error("WF_INVALID", "skip"):
        db.wf_cancel(["a"], None, skip="yes")
