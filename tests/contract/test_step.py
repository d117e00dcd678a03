"""wf_step: read, record once, and refuse what recording would refuse."""

import sqlite3

import pytest
from support import sql_time, wf_error


def test_the_loop_read_do_record(db):
    token = db.running()["token"]
    assert db.wf_step(token, "charge") is None
    assert db.wf_step(token, "charge", '{"ref":"r9"}') == '{"ref":"r9"}'
    assert db.wf_step(token, "charge") == '{"ref":"r9"}'


def test_first_recorded_output_stands(db):
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    before = db.everything()
    for output in ("2", None, b"3", 4):
        assert db.wf_step(token, "a", output) == "1"
    assert db.everything() == before


def test_first_recorded_output_stands_across_attempts_and_workers(db):
    db.at(0)
    db.wf_step(db.running()["token"], "a", "1")
    db.at(31)
    token = db.claim(None, "worker-2")["token"]
    assert db.wf_step(token, "a") == "1"
    assert db.wf_step(token, "a", "2") == "1"


def test_a_step_belongs_to_its_workflow(db):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
        db.wf_step(id, "a", '"%s"' % id)
    assert (db.wf_step("w1", "a"), db.wf_step("w2", "a")) == ('"w1"', '"w2"')


def test_step_names_are_compared_exactly(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1")
    assert [db.wf_step("w1", name) for name in ("A", "a ", "é", "e\u0301")] == [None] * 4
    db.wf_step("w1", "é", "2")
    assert db.wf_step("w1", "e\u0301") is None


def test_a_null_output_is_recorded(db):
    db.wf_start("job", id="w1")
    assert db.wf_step("w1", "a", None) == "null"
    assert db.wf_step("w1", "a", "1") == "null"


def test_a_workflow_may_have_many_steps(db):
    token = db.running()["token"]
    db.execute("BEGIN")
    for number in range(2000):
        db.wf_step(token, "step %d" % number, str(number))
    db.execute("COMMIT")
    assert [db.wf_step(token, "step %d" % number) for number in (0, 999, 1999, 2000)] == ["0", "999", "1999", None]
    assert db.column("SELECT output FROM wf_steps WHERE workflow_id = 'w1'") == [str(number) for number in range(2000)]


# The guard: wf_step with two arguments


def test_the_guard_records_nothing(db):
    token = db.running()["token"]
    before = db.everything()
    assert db.wf_step(token, "a") is None
    assert db.everything() == before


@pytest.mark.parametrize(
    "code, handle",
    [
        ("WF_NOT_FOUND", lambda db: "nobody"),
        ("WF_STATE", lambda db: db.done),
        ("WF_STATE", lambda db: "done"),
        ("WF_STATE", lambda db: "delayed"),
        ("WF_LEASE_LOST", lambda db: db.stale),
        ("WF_LEASED", lambda db: "leased"),
    ],
)
def test_the_guard_raises_whatever_recording_would_raise(db, code, handle):
    db.at(0)
    db.done = db.running("done")["token"]
    db.wf_complete(db.done)
    db.wf_start("job", id="delayed", delay=1000)
    db.stale = db.running("leased", lease=1)["token"]
    db.at(2)
    db.claim(id="leased")
    texts = []
    for arguments in (("new",), ("new", "1")):
        with wf_error(code) as caught:
            db.wf_step(handle(db), *arguments)
        texts.append(caught.text)
    assert texts[0] == texts[1]


def test_a_recorded_output_is_read_in_any_status_and_with_any_handle(db):
    db.at(0)
    stale = db.running(lease=1)["token"]
    db.wf_step(stale, "a", "1")
    db.at(2)
    current = db.claim()["token"]
    for handle in (stale, current, "w1"):
        assert db.wf_step(handle, "a") == "1"
    db.wf_complete(current)
    for handle in (stale, current, "w1"):
        assert db.wf_step(handle, "a") == "1"


# Recording with another handle


def test_a_stale_token_records_nothing_even_when_the_step_is_recorded(db):
    db.at(0)
    stale = db.running(lease=1)["token"]
    db.wf_step(stale, "a", "1")
    db.at(2)
    db.claim()
    before = db.everything()
    for step in ("a", "b"):
        with wf_error("WF_LEASE_LOST", "w1"):
            db.wf_step(stale, step, "2")
    assert db.everything() == before


def test_on_a_completed_workflow_its_last_token_and_its_id_get_what_is_recorded(db):
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    db.wf_complete(token)
    for handle in (token, "w1"):
        assert db.wf_step(handle, "a", "2") == "1"
        with wf_error("WF_STATE", "completed"):
            db.wf_step(handle, "b", "2")


# once


def test_once_raises_if_the_step_was_there(db):
    token = db.running()["token"]
    assert db.wf_step(token, "a", "1", once=True) == "1"
    before = db.everything()
    with wf_error("WF_CONFLICT", "a", "w1"):
        db.wf_step(token, "a", "1", once=True)
    assert db.everything() == before
    assert db.wf_step(token, "a", "2", once=False) == "1"


def test_once_protects_application_rows_in_the_same_transaction(db):
    db.execute("CREATE TABLE app(n)")
    db.wf_start("job", id="w1")
    for _ in range(2):
        db.execute("BEGIN")
        try:
            db.execute("INSERT INTO app VALUES(1)")
            db.wf_step("w1", "a", "1", once=True)
            db.execute("COMMIT")
        except Exception as error:
            assert str(error).startswith("WF_CONFLICT: ")
            db.execute("ROLLBACK")
    assert db.column("SELECT n FROM app") == [1]


# The lease


@pytest.mark.parametrize("elapsed, expiry", [(10, 30), (14.9, 30), (15.1, 45.1), (29, 59), (40, 70)])
def test_recording_renews_the_lease_when_under_half_is_left(db, elapsed, expiry):
    db.at(0)
    token = db.running()["token"]
    db.at(elapsed)
    db.wf_step(token, "a", "1")
    assert db.workflow()["due_at"] == sql_time(expiry)


def test_a_renewed_lease_keeps_others_out(db):
    db.at(0)
    token = db.running(lease=100)["token"]
    db.at(99)
    db.wf_step(token, "a", "1")
    db.at(198)
    assert db.claim() is None
    db.at(199.1)
    assert db.claim()["id"] == "w1"


def test_the_guard_does_not_renew_the_lease(db):
    db.at(0)
    token = db.running()["token"]
    db.at(29)
    db.wf_step(token, "a")
    assert db.workflow()["due_at"] == sql_time(30)


# Names of another kind


def test_a_name_recorded_as_another_kind_of_step_is_nondeterminism(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1")
    db.execute("UPDATE _wf_step SET kind = 'sleep' WHERE name = 'a'")
    with wf_error("WF_NONDETERMINISM", "a", "sleep"):
        db.wf_step("w1", "a", "2")


# Found by review: whatever the first attempt to record failed for, there was a second one.
def test_a_trigger_that_fails_on_a_step_runs_once(db):
    calls = []
    db.create_function("called", 1, calls.append)
    db.wf_start("job", id="w1")
    db.execute("CREATE TRIGGER t AFTER INSERT ON _wf_step BEGIN SELECT called(new.name), json('{bad'); END")
    with pytest.raises(sqlite3.OperationalError, match="JSON"):
        db.wf_step("w1", "a", 1)
    assert calls == ["a"]
    assert db.wf_step("w1", "a") is None


def test_a_trigger_that_records_steps_for_ever_is_stopped_at_once(db):
    db.wf_start("job", id="w1")
    db.execute("CREATE TRIGGER t AFTER INSERT ON _wf_step BEGIN SELECT wf_step('w1', 's' || new.n, 1); END")
    ticks = []
    db.set_progress_handler(lambda: ticks.append(1) or len(ticks) > 1000, 1000)
    with wf_error("WF_CONTEXT", "too deep"):
        db.wf_step("w1", "s", 1)
    assert db.value("SELECT count(*) FROM _wf_step") == 0
