"""wf_fail: what counts against which budget, and when the next attempt is due."""

import pytest
from support import BASE, json_time, sql_time, wf_error


def fail_next(db, *arguments, **options):
    """Claims the next workflow as soon as it is due and fails it."""
    due = db.value("SELECT max(due_at) FROM wf_workflows WHERE completed_at IS NULL")
    db.wf_clock(due)
    return db.wf_fail(db.claim()["token"], *(arguments or ("e",)), **options)


def test_a_failure_returns_pending_while_the_budget_lasts_and_then_failed(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=3)
    assert [fail_next(db) for _ in range(3)] == ["pending", "pending", "failed"]
    assert db.wf_status("w1") == "failed"


def test_the_default_budget_is_ten(db):
    db.at(0)
    db.wf_start("job", id="w1")
    assert [fail_next(db) for _ in range(10)] == ["pending"] * 9 + ["failed"]
    assert db.workflow()["attempt"] == 10


def test_a_failed_workflow_keeps_its_last_error(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    fail_next(db, '{"n":1}')
    assert db.wf_error("w1") is None
    fail_next(db, '{"n":2}')
    assert db.wf_error("w1") == db.workflow()["error"] == '{"n":2}'
    assert db.wf_result("w1") is None


def test_retry_false_is_final(db):
    db.wf_start("job", id="w1")
    assert db.wf_fail(db.claim()["token"], "e", retry=False) == "failed"
    assert db.wf_status("w1") == "failed"


def test_retry_true_is_the_default_and_keeps_to_the_budget(db):
    db.wf_start("job", id="w1", max_attempts=1)
    assert db.wf_fail(db.claim()["token"], "e", retry=True) == "failed"


@pytest.mark.parametrize("options", [{"delay": 90}, {"delay": "1m30s"}, {"at": BASE + 90}, {"at": json_time(90)}])
def test_delay_or_at_replace_the_backoff(db, options):
    db.at(0)
    db.wf_start("job", id="w1", backoff={"initial": 5})
    assert db.wf_fail(db.claim()["token"], "e", **options) == "pending"
    assert db.workflow()["due_at"] == sql_time(90)


def test_a_delay_does_not_extend_the_budget(db):
    db.wf_start("job", id="w1", max_attempts=1)
    assert db.wf_fail(db.claim()["token"], "e", delay=0) == "failed"


def test_after_a_failure_the_token_is_no_longer_current(db):
    token = db.running()["token"]
    db.wf_fail(token, "e")
    for act in (lambda: db.wf_step(token, "a", "1"), lambda: db.wf_heartbeat(token), lambda: db.wf_release(token)):
        with wf_error("WF_LEASE_LOST", "w1"):
            act()


def test_releases_and_lost_leases_do_not_count_as_failures(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    db.wf_release(db.claim()["token"])
    db.claim()
    db.at(31)
    assert db.wf_fail(db.claim()["token"], "e") == "pending"


def test_each_failure_is_listed(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    db.wf_fail(db.claim(None, "worker-1")["token"], "first")
    db.at(1)
    db.wf_fail(db.claim(None, "worker-2")["token"], '{"n":2}', step="charge")
    assert db.records("SELECT * FROM wf_failures") == [
        {"workflow_id": "w1", "seq": 1, "attempt": 1, "step": None, "worker": "worker-1", "error": '"first"', "at": sql_time(0),
         "claimed_at": sql_time(0)},
        {"workflow_id": "w1", "seq": 2, "attempt": 2, "step": "charge", "worker": "worker-2", "error": '{"n":2}', "at": sql_time(1),
         "claimed_at": sql_time(1)},
    ]


# By bare id


def test_a_failure_by_bare_id_counts_once(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2, backoff={"initial": 10})
    assert [db.wf_fail("w1", "e") for _ in range(5)] == ["pending"] * 5
    assert db.value("SELECT count(*) FROM wf_failures") == 1
    assert db.workflow()["due_at"] == sql_time(10)
    db.at(10)
    assert db.wf_fail("w1", "e") == "failed"
    assert db.wf_fail("w1", "e") == "failed"
    assert db.value("SELECT count(*) FROM wf_failures") == 2


def test_a_first_failure_by_bare_id_waits_for_the_due_moment(db):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    with wf_error("WF_STATE", "due_at", "08:01:00"):
        db.wf_fail("w1", "e")
    assert db.rows("SELECT * FROM wf_failures") == []


def test_a_failure_by_bare_id_leaves_attempt_alone(db):
    db.wf_start("job", id="w1")
    db.wf_fail("w1", "e")
    assert (db.workflow()["attempt"], db.workflow()["status"]) == (0, "pending")


# With `step`


def test_a_step_has_its_own_budget_of_that_call(db):
    db.at(0)
    db.wf_start("job", id="w1")
    assert [fail_next(db, "e", step="charge", max_attempts=3) for _ in range(3)] == ["pending", "pending", "failed"]
    assert db.wf_status("w1") == "failed"
    assert db.workflow()["attempt"] == 3


def test_without_max_attempts_the_budget_of_a_step_is_that_of_the_workflow(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    assert [fail_next(db, "e", step="charge") for _ in range(2)] == ["pending", "failed"]


def test_failures_of_steps_are_counted_apart_from_each_other_and_from_those_of_the_workflow(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=3)
    for step in ("a", "b", None, "a", "b", None):
        assert fail_next(db, "e", **({"step": step} if step else {})) == "pending"
    assert fail_next(db, "e") == "failed"


def test_a_failed_step_shows_its_failures_and_later_its_output(db):
    db.at(0)
    db.wf_start("job", id="w1")
    fail_next(db, "first", step="charge")
    fail_next(db, "second", step="charge")
    step = db.record("SELECT name, status, attempts, output, error FROM wf_steps")
    assert step == {"name": "charge", "status": "failed", "attempts": 2, "output": None, "error": '"second"'}
    db.at(1000)
    token = db.claim()["token"]
    assert db.wf_step(token, "charge") is None
    assert db.wf_step(token, "charge", "1") == "1"
    step = db.record("SELECT name, status, attempts, output FROM wf_steps")
    assert step == {"name": "charge", "status": "done", "attempts": 3, "output": "1"}


def test_a_recorded_step_does_not_fail(db):
    token = db.running()["token"]
    db.wf_step(token, "charge", "1")
    before = db.everything()
    with wf_error("WF_STATE", "charge"):
        db.wf_fail(token, "e", step="charge")
    assert db.everything() == before


def test_once_is_satisfied_by_a_step_that_has_only_failed(db):
    db.at(0)
    db.wf_start("job", id="w1")
    fail_next(db, "e", step="charge")
    db.at(100)
    assert db.wf_step(db.claim()["token"], "charge", "1", once=True) == "1"


def test_max_attempts_belongs_to_a_step(db):
    token = db.running()["token"]
    with wf_error("WF_INVALID", "max_attempts", "step"):
        db.wf_fail(token, "e", max_attempts=3)


@pytest.mark.parametrize("max_attempts", [0, -1, 1.5, 1_000_001])
def test_the_budget_of_a_step_has_a_range(db, max_attempts):
    token = db.running()["token"]
    with wf_error("WF_INVALID", "max_attempts"):
        db.wf_fail(token, "e", step="a", max_attempts=max_attempts)


def test_retry_false_with_a_step_is_final(db):
    db.wf_start("job", id="w1")
    assert db.wf_fail(db.claim()["token"], '"no"', step="charge", retry=False) == "failed"
    assert db.wf_error("w1") == '"no"'


# Found by review: refused inside a writing statement it had ended the expired claim all the same.


def test_a_refused_failure_inside_a_writing_statement_leaves_the_expired_claim(db):
    db.at(0)
    claim = db.running(lease=5)
    db.wf_begin(claim["token"], "s")
    db.wf_step(claim["token"], "s", "1")
    db.at(6)
    db.execute("CREATE TABLE t(x)")
    db.execute("BEGIN")
    with wf_error("WF_STATE", "recorded already"):
        db.execute("""INSERT INTO t VALUES(wf_fail('w1', 'e', '{"step":"s"}'))""")
    db.execute("COMMIT")
    assert db.workflow()["status"] == "running" and db.rows("SELECT * FROM wf_failures") == []
    assert db.wf_complete(claim["token"]) == "completed"


# A try that would come after the deadline


@pytest.mark.parametrize("options", [{}, {"delay": 100}, {"at": 1_800_000_200}, {"step": "charge"}])
def test_a_try_after_the_deadline_is_not_waited_for(db, options):
    db.at(0)
    token = db.running(timeout=100, backoff={"initial": 100})["token"]
    assert db.wf_fail(token, "the real error", **options) == "failed"
    assert (db.wf_error("w1"), db.wf_fail(token, "the real error", **options)) == ('"the real error"', "failed")


def test_a_try_before_the_deadline_is(db):
    db.at(0)
    token = db.running(timeout=100)["token"]
    assert db.wf_fail(token, "e", delay=99.999) == "pending"


def test_a_deadline_that_has_passed_ends_it_with_the_real_error(db):
    db.at(0)
    token = db.running(timeout=100, lease=1000)["token"]
    db.at(101)
    assert db.wf_fail(token, "the real error") == "failed"
    assert db.wf_error("w1") == '"the real error"'


def test_with_cleanup_it_cleans_up(db):
    db.at(0)
    token = db.running(timeout=100, cleanup=True)["token"]
    assert db.wf_fail(token, "e", delay=200) == "pending"
    claim = db.claim()
    assert (claim["ending"], db.wf_complete(claim["token"]), db.wf_error("w1")) == ("failed", "failed", '"e"')


def test_a_scripted_step_does_not_wait_for_it_either(db):
    db.at(0)
    db.execute("CREATE TABLE stock(n)")
    db.wf_define("flow", '{"steps":[{"name":"take","sql":"UPDATE stock SET n = n - 1","expect":1,"backoff":{"initial":200}}]}')
    db.wf_start("flow", id="f", timeout=100)
    db.wf_run()
    assert (db.wf_status("f"), '"step":"take"' in db.wf_error("f")) == ("failed", True)


# While a retry is pending


def test_the_last_error_is_shown_while_a_retry_is_pending(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_fail(token, "first", delay=10)
    assert (db.workflow()["error"], db.wf_error("w1")) == ('"first"', None)
    db.wf_pause("w1")
    assert db.workflow()["error"] == '"first"'
    db.wf_resume("w1")
    db.at(10)
    token = db.claim()["token"]
    assert db.workflow()["error"] is None
    db.wf_fail(token, "second", step="charge", delay=0)
    assert db.workflow()["error"] == '"second"'
    db.wf_complete(db.claim()["token"])
    assert db.workflow()["error"] is None


def test_of_a_scripted_workflow_too(db):
    db.at(0)
    db.execute("CREATE TABLE stock(n)")
    db.wf_define("flow", '{"steps":[{"name":"take","sql":"UPDATE stock SET n = n - 1","expect":1}]}')
    db.wf_start("flow", id="f")
    db.wf_run()
    assert (db.wf_status("f"), "expect" in db.workflow("f")["error"]) == ("pending", True)
