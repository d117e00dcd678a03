"""A step's outcome may be an error: it is recorded like an output, and every later call raises it."""

import json

import pytest
from support import BASE, open_database, sql_time, wf_error


@pytest.fixture
def token(db):
    return db.running(worker="ann")["token"]


def test_the_recording_call_returns_it_and_every_later_one_raises_it(db, token):
    assert db.wf_step(token, "charge", '{"declined":true}', error=True) == '{"declined":true}'
    for call in (lambda: db.wf_step(token, "charge"), lambda: db.wf_step(token, "charge", 1), lambda: db.wf_step(token, "charge", '{"declined":true}', error=True)):
        with wf_error("WF_STEP_FAILED", "charge", '{"declined":true}'):
            call()
    assert db.record("SELECT name, status, output, error, attempts FROM wf_steps") == {
        "name": "charge", "status": "error", "output": None, "error": '{"declined":true}', "attempts": 1}
    assert db.value("SELECT recorded_at FROM wf_steps") is not None and db.wf_check() is None


@pytest.mark.parametrize("error, shown", [("text", '"text"'), (5, "5"), (1.5, "1.5"), (b"\x00\xff", '{"$blob":"00ff"}'), ("null", "null"), ('{"a":[1]}', '{"a":[1]}')])
def test_with_values_it_is_returned(db, token, error, shown):
    assert db.wf_step(token, "s", None, values=True) is None                          # nothing is recorded yet, and nothing is now
    assert db.wf_step(token, "s", error, error=True, values=True) == '{"error":%s}' % shown
    for _ in range(2):
        assert db.wf_step(token, "s", None, values=True) == '{"error":%s}' % shown
    assert db.wf_step(token, "s", 7, values=True) == '{"error":%s}' % shown
    with wf_error("WF_STEP_FAILED", shown):
        db.wf_step(token, "s")
    assert db.wf_check() is None


@pytest.mark.parametrize("option", ["error", "once", "cleanup"])
def test_values_with_null_only_read_so_what_records_is_refused(db, token, option):
    before = db.everything()
    with wf_error("WF_INVALID", option, "values", "NULL"):
        db.wf_step(token, "s", None, values=True, **{option: True})
    assert db.everything() == before
    assert db.wf_step(token, "s", None, values=True, **{option: False}) is None                  # as if it were not there
    db.wf_step(token, "s", "null", values=True, **{option: True})


def test_a_call_that_raises_what_stands_has_no_other_effect(db, token):
    db.wf_step(token, "s", "no", error=True)
    before = db.everything()
    with wf_error("WF_STEP_FAILED"):
        db.wf_step(token, "s", 1, cleanup=True)
    assert db.everything() == before
    db.wf_step(token, "s", 1, cleanup=True, values=True)
    assert db.everything() != before


def test_an_error_of_null_is_one_as_for_wf_fail(db, token):
    assert db.wf_step(token, "s", None, error=True) == "null"
    with wf_error("WF_STEP_FAILED", "null"):
        db.wf_step(token, "s")


def test_with_values_outputs_are_as_ever(db, token):
    assert db.wf_step(token, "s", '{"n":1}', values=True) == '{"n":1}'
    assert db.wf_step(token, "s", None, values=True) == '{"n":1}' == db.wf_step(token, "s")
    assert db.value("SELECT json_type(json_object('a', wf_step(?, 's', NULL, '{\"values\":true}')), '$.a')", token) == "object"


def test_an_output_that_stands_is_not_made_an_error(db, token):
    db.wf_step(token, "s", 1)
    assert db.wf_step(token, "s", "late", error=True) == 1
    assert db.value("SELECT status FROM wf_steps") == "done"


def test_once_and_another_kind(db, token):
    db.wf_step(token, "s", "no", error=True)
    with wf_error("WF_CONFLICT"):
        db.wf_step(token, "s", 1, once=True)
    db.wf_sleep(token, "nap", 0)
    with wf_error("WF_NONDETERMINISM"):
        db.wf_step(token, "nap", "no", error=True)
    with wf_error("WF_NONDETERMINISM"):
        db.wf_sleep(token, "s", 0)


def test_it_is_read_in_any_status_and_raised_by_whoever_may_repeat(db, token):
    db.wf_step(token, "s", "no", error=True)
    db.wf_complete(token)
    for call in (lambda: db.wf_step("w1", "s"), lambda: db.wf_step(token, "s"), lambda: db.wf_step(token, "s", "no", error=True)):
        with wf_error("WF_STEP_FAILED"):
            call()


def test_by_bare_id_and_inside_a_writing_statement(db):
    db.wf_start("job", id="w1")
    db.execute("CREATE TABLE t(x)")
    db.execute("CREATE TRIGGER record AFTER INSERT ON t BEGIN SELECT wf_step('w1', new.x, 'no', '{\"error\":true}'); END")
    db.execute("INSERT INTO t VALUES('s')")
    with wf_error("WF_STEP_FAILED"):
        db.wf_step("w1", "s")


def test_begun_and_failed_steps_come_out_so_too(db, token):
    key = json.loads(db.wf_begin(token, "a"))["key"]
    db.wf_step(token, "a", '"no"', error=True)
    assert db.wf_begin(token, "a") == '{"error":"no"}' and db.wf_key(token, "a") == key
    db.wf_fail(token, "try", step="b", keep=True)
    db.wf_step(token, "b", "no", error=True)
    assert db.rows("SELECT name, status, attempts FROM wf_steps") == [("a", "error", 1), ("b", "error", 2)]
    assert db.rows("SELECT * FROM wf_in_doubt") == []
    for call in (lambda: db.wf_fail(token, "again", step="a"), lambda: db.wf_fail(token, "again", step="a", keep=True), lambda: db.wf_resolve("w1", "a", "done", 1)):
        with wf_error("WF_STATE", "a"):
            call()
    assert db.wf_check() is None


def test_the_token_of_a_cancelled_workflow_may_report_it(db, token):
    db.wf_cancel("w1")
    assert db.wf_step(token, "s", "no", error=True) == '"no"'
    assert db.value("SELECT status FROM wf_steps") == "error"


def test_it_breaks_the_row_of_lost_leases_and_not_that_of_failures(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    db.wf_fail("w1", 1, delay=0)
    db.wf_step("w1", "s", "no", error=True)
    assert db.wf_fail("w1", 2, delay=0) == "failed"
    db.wf_start("job", id="w2", max_attempts=2)
    for n in range(4):
        db.at(100 * n)
        token = db.claim(id="w2", lease=10)["token"]
        db.wf_step(token, "s%d" % n, "no", error=True)
    assert db.wf_status("w2") == "running"


# wf_retry, wf_fork, wf_continue, moving


def failed(db):
    token = db.running()["token"]
    db.wf_step(token, "a", 1)
    db.wf_step(token, "b", "no", error=True)
    db.wf_step(token, "c", 3)
    keys = {step: db.wf_key("w1", step) for step in "abc"}
    db.wf_fail(token, "it failed", retry=False)
    return keys


def changed(db, keys):
    return [step for step in "abc" if db.wf_key("w1", step) != keys[step]]


@pytest.mark.parametrize("options, left, new_keys", [
    ({}, [("a", "done"), ("c", "done")], ["b"]),
    ({"errors": "drop"}, [("a", "done"), ("c", "done")], ["b"]),
    ({"errors": "keep"}, [("a", "done"), ("b", "error"), ("c", "done")], []),
    ({"from": "c"}, [("a", "done"), ("b", "error")], ["c"]),
    ({"from": "c", "errors": "drop"}, [("a", "done")], ["b", "c"]),
    ({"from": "b", "errors": "keep"}, [("a", "done")], ["b", "c"]),
])
def test_wf_retry(db, options, left, new_keys):
    keys = failed(db)
    assert db.wf_retry("w1", **options) == 1
    assert db.rows("SELECT name, status FROM wf_steps") == left
    assert changed(db, keys) == new_keys
    assert db.wf_check() is None


@pytest.mark.parametrize("options, left", [({}, 0), ({"errors": "keep"}, 1)])
def test_wf_retry_of_failed_children(db, options, left):
    db.wf_start("job", id="p")
    db.wf_spawn("p", "kid", "child")
    db.wf_step("p/kid", "s", "no", error=True)
    db.wf_fail("p/kid", 1, retry=False)
    db.wf_fail("p", 1, retry=False)
    db.wf_retry("p", children="failed", **options)
    assert db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = 'p/kid'") == left


def test_wf_fork_copies_it(db):
    failed(db)
    db.wf_fork("w1", id="f", **{"from": "c"})
    assert db.rows("SELECT name, status, error FROM wf_steps WHERE workflow_id = 'f'") == [("a", "done", None), ("b", "error", '"no"')]
    with wf_error("WF_STEP_FAILED"):
        db.wf_step("f", "b")


def test_wf_continue_forgets_it(db, token):
    db.wf_step(token, "s", "no", error=True)
    db.wf_continue(token)
    assert db.wf_step("w1", "s") is None


def test_it_moves_to_another_file(db, tmp_path):
    failed(db)
    there = open_database(tmp_path / "there.db")
    there.wf_import(db.wf_export("w1"))
    there.wf_import(db.wf_export("w1"))
    query = "SELECT name, status, output, error, attempts FROM wf_steps"
    assert there.rows(query) == db.rows(query) and there.wf_check() is None
    document = json.loads(db.wf_export("w1"))
    for member in ("error", "attempts"):
        bad = json.loads(json.dumps(document))
        bad["workflow"]["id"] = "other"
        (step,) = [step for step in bad["steps"] if step["name"] == "b"]
        step[member] = 0
        if member == "error":
            del step[member]
        with wf_error("WF_INVALID", "steps[1]"):
            there.wf_import(bad)
    there.close()


# wf_fail with keep


def test_keep_counts_and_the_claim_goes_on(db):
    db.at(0)
    token = db.running(max_attempts=9, lease=10)["token"]
    assert json.loads(db.wf_fail(token, "one", step="s", max_attempts=4, keep=True)) == {"failures": 1, "pause": 1}
    assert json.loads(db.wf_fail(token, "two", step="s", max_attempts=4, keep=True, delay="250ms")) == {"failures": 2, "pause": 0.25}
    assert json.loads(db.wf_fail(token, "three", step="s", max_attempts=4, keep=True)) == {"failures": 3, "pause": 4}
    with wf_error("WF_STATE", "s", "4"):
        db.wf_fail(token, "four", step="s", max_attempts=4, keep=True)
    assert db.workflow()["status"] == "running"
    assert db.rows("SELECT attempt, step, worker, error FROM wf_failures") == [(1, "s", "worker-1", '"%s"' % error) for error in ("one", "two", "three")]
    assert db.rows("SELECT status, attempts, error FROM wf_steps") == [("failed", 3, '"three"')]
    db.wf_step(token, "s", "four", error=True)
    assert db.rows("SELECT status, attempts, error FROM wf_steps") == [("error", 4, '"four"')]
    db.wf_complete(token)


@pytest.mark.parametrize("options", [{}, {"delay": "1h"}, {"max_attempts": 100}])
def test_keep_is_refused_where_the_next_try_would_come_after_the_deadline(db, options):
    db.at(0)
    db.wf_start("job", id="w1", timeout=10, backoff={"initial": 60})
    token = json.loads(db.wf_claim())["token"]
    with wf_error("WF_STATE", "s", "deadline"):
        db.wf_fail(token, "one", step="s", keep=True, **options)
    assert db.rows("SELECT * FROM wf_failures") == [] and db.rows("SELECT * FROM wf_steps") == []
    assert json.loads(db.wf_fail(token, "one", step="s", keep=True, delay=5)) == {"failures": 1, "pause": 5}


@pytest.mark.parametrize("keep", [False, True])
def test_a_time_of_the_next_try_that_has_passed_is_now(db, keep):
    """With keep it was, without it the deadline was compared with the time that had passed."""
    db.at(100)
    token = db.running()["token"]
    result = db.wf_fail(token, "one", step="s", keep=keep, at=BASE)
    assert (json.loads(result) == {"failures": 1, "pause": 0}) if keep else (result, db.workflow()["due_at"]) == ("pending", sql_time(100))
    db.wf_start("job", id="w2", timeout=50)
    token = db.claim(id="w2")["token"]
    db.at(151)                                                                # the deadline has passed, and nobody has looked yet
    if keep:
        with wf_error("WF_STATE", "deadline", "s"):
            db.wf_fail(token, "two", step="s", keep=True, at=BASE)
    else:
        assert (db.wf_fail(token, "two", step="s", at=BASE), db.wf_error("w2")) == ("failed", '"two"')


def test_a_time_that_has_passed_gives_no_better_place_in_line(db):
    db.at(100)
    token = db.running()["token"]
    db.wf_release(token, at=BASE)
    assert db.workflow()["due_at"] == sql_time(100)


def test_keep_counts_over_restarts(db):
    db.at(0)
    token = db.running(lease=10)["token"]
    db.wf_fail(token, 1, step="s", keep=True)
    db.at(60)
    token = db.claim(id="w1", lease=10)["token"]
    assert json.loads(db.wf_fail(token, 2, step="s", keep=True))["failures"] == 2


def test_keep_renews_the_lease_and_withdraws_what_was_begun(db):
    db.at(0)
    token = db.running(lease=10)["token"]
    key = json.loads(db.wf_begin(token, "s"))["key"]
    db.at(8)
    db.wf_fail(token, 1, step="s", keep=True)
    db.at(15)
    assert json.loads(db.wf_begin(token, "s")) == {"go": True, "key": key}


def test_keep_counts_against_max_failures(db):
    token = db.running(max_failures=3)["token"]
    for n in range(2):
        db.wf_fail(token, n, step="s%d" % n, keep=True)
    with wf_error("WF_STATE", "w1", "3"):
        db.wf_fail(token, 2, step="s2", keep=True)


def test_keep_needs_a_step_and_a_next_try(db, token):
    with wf_error("WF_INVALID", "keep", "step"):
        db.wf_fail(token, 1, keep=True)
    with wf_error("WF_INVALID", "keep", "retry"):
        db.wf_fail(token, 1, step="s", keep=True, retry=False)
    db.wf_pause("w1")
    with wf_error("WF_PAUSED"):
        db.wf_fail(token, 1, step="s", keep=True)
