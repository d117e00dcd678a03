"""Cancel, pause, resume, retry, delete, fork, purge."""

import json

import pytest

from support import code


@pytest.fixture
def db(db):
    db.wf_clock("2026-11-23 10:00:00")
    db.wf_start("job", 1, id="w")
    return db


def test_cancel_ends_it_and_keeps_the_reason(db):
    assert (db.wf_cancel("w", "why"), db.wf_cancel("w", "again")) == (1, 0)
    assert (db.wf_status("w"), db.wf_error("w")) == ("cancelled", '"why"')


def test_bulk_control_is_all_or_nothing(db):
    db.wf_start("job", id="v")
    assert code(db, "SELECT wf_cancel('[\"w\",\"nobody\"]')") == "WF_NOT_FOUND"
    assert db.wf_status("w") == "pending"
    assert db.wf_cancel('["w","v"]') == 2


def test_the_worker_of_a_cancelled_workflow_is_told_and_what_it_did_is_recorded(db):
    token = db.claim()["token"]
    db.wf_cancel("w")
    assert db.wf_step(token, "done", 1) == 1
    for sql in ("wf_step(?, 'new')", "wf_complete(?)", "wf_heartbeat(?)", "wf_sleep(?, 's', 1)"):
        assert code(db, "SELECT " + sql, token) == "WF_CANCELLED"


def test_cancel_reaches_children_unless_detached(db):
    db.wf_spawn("w", "a", "child")
    db.wf_spawn("w", "b", "child", None, detached=True)
    db.wf_spawn("w/a", "deep", "child")
    db.wf_cancel("w")
    assert [db.wf_status(i) for i in ("w/a", "w/b", "w/a/deep")] == ["cancelled", "pending", "cancelled"]


def test_with_cleanup_cancel_has_two_phases(db):
    db.wf_start("job", id="c", cleanup=True, priority=5)
    token = db.claim()["token"]
    assert db.wf_cancel("c", "stop") == 1
    assert code(db, "SELECT wf_step(?, 'new')", token) == "WF_CANCELLED"
    claim = db.claim()
    assert (claim["id"], claim["ending"]) == ("c", "cancelled")
    assert db.wf_complete(claim["token"]) == "cancelled"
    assert db.wf_error("c") == '"stop"'


def test_force_leaves_the_second_phase_out(db):
    db.wf_start("job", id="c", cleanup=True)
    assert db.wf_cancel("c", None, force=True) == 1
    assert db.wf_status("c") == "cancelled"


def test_a_pause_stops_claims_writes_and_the_deadline(db):
    db.wf_start("job", id="p", timeout=100)
    db.wf_cancel("w")
    assert (db.wf_pause("p"), db.wf_pause("p")) == (1, 0)
    assert db.wf_claim() is None
    assert code(db, "SELECT wf_step('p', 's', 1)") == "WF_PAUSED"
    db.wf_clock("2026-11-23 12:00:00")
    assert db.wf_resume("p") == 1
    assert db.claim()["deadline_at"] == "2026-11-23T12:01:40.000Z"


def test_a_running_one_is_paused_and_goes_on_under_its_token(db):
    token = db.claim()["token"]
    db.wf_pause("w")
    assert db.wf_step(token, "done", 1) == 1
    assert code(db, "SELECT wf_step(?, 'new')", token) == "WF_PAUSED"
    db.wf_resume("w")
    assert db.wf_complete(token) == "completed"


def test_retry_keeps_steps_and_opens_new_budgets(db):
    db.wf_step("w", "a", 1)
    db.wf_fail("w", "no", retry=False)
    assert (db.wf_retry("w"), db.wf_retry("w")) == (1, 0)
    claim = db.claim()
    assert db.wf_step(claim["token"], "a") == 1
    assert db.wf_error("w") is None


def test_retry_from_drops_that_step_and_all_after_it(db):
    key = db.wf_key("w", "b")
    db.wf_signal("w", "go", 1)
    db.wf_step("w", "a", 1)
    db.wf_step("w", "b", 2)
    db.wf_await("w", "sig", "go")
    db.wf_spawn("w", "kid", "child")
    db.wf_fail("w", "no", retry=False)
    assert db.wf_retry("w", '{"from":"b"}') == 1
    assert db.column("SELECT name FROM wf_steps") == ["a"]
    assert db.wf_key("w", "b") != key
    assert json.loads(db.wf_await("w", "sig", "go"))["payload"] == 1
    assert db.wf_spawn("w", "kid", "child") == "w/kid~1"
    assert code(db, "SELECT wf_retry('w', '{\"from\":\"none\"}')") is None


def test_delete_takes_everything_of_a_terminal_workflow(db):
    db.wf_step("w", "a", 1)
    assert code(db, "SELECT wf_delete('w')") == "WF_STATE"
    db.wf_complete("w")
    assert (db.wf_delete("w"), db.wf_delete("w")) == (1, 0)
    assert db.value("SELECT count(*) FROM _wf_step") == 0 and db.value("SELECT wf_check()") is None


def test_a_fork_copies_the_finished_steps(db):
    for step in "abc":
        db.wf_step("w", step, json.dumps(step))
    assert db.wf_fork("w", '{"id":"f","from":"c","input":2}') == "f"
    assert db.column("SELECT name FROM wf_steps WHERE workflow_id = 'f'") == ["a", "b"]
    assert db.value("SELECT input FROM wf_workflows WHERE id = 'f'") == "2"
    assert code(db, "SELECT wf_fork('w', '{\"id\":\"f\"}')") == "WF_CONFLICT"


def test_purge_wants_an_age_and_spares_children_of_the_living(db):
    assert code(db, "SELECT wf_purge('{}')") == "WF_INVALID"
    db.wf_spawn("w", "kid", "child")
    db.wf_complete("w/kid")
    db.wf_start("job", id="old")
    db.wf_complete("old")
    db.wf_clock("2026-11-24 10:00:00")
    assert db.wf_purge('{"older_than":"2d"}') == 0
    assert db.wf_purge('{"older_than":"1h"}') == 1
    db.wf_complete("w")
    assert db.wf_purge('{"older_than":0}') == 2


def test_tick_fires_what_is_due(db):
    db.wf_start("job", id="t", timeout=10)
    assert db.wf_tick() == 0
    db.wf_clock("2026-11-23 10:00:11")
    assert (db.wf_tick(), db.wf_tick(), db.wf_status("t")) == (1, 0, "failed")


def test_wait_returns_when_there_is_something(db):
    db.wf_clock(None)
    db.wf_complete("w")
    assert db.wf_wait(0.02) == 0
    db.wf_start("job", id="soon", delay=0.05)
    assert db.wf_wait(5) == 1
    assert db.wf_wait(0.02, '{"queue":"other"}') == 0
    assert db.wf_wait(5, '{"id":"w"}') == 1
    db.execute("BEGIN")
    assert code(db, "SELECT wf_wait(1)") == "WF_CONTEXT"
    db.execute("ROLLBACK")
