"""The code of a workflow says that it cleans up, whoever started it: from then on it ends in two phases."""

import json

import pytest
from support import wf_error

SAY = {
    "wf_step": lambda db, handle: db.wf_step(handle, "charge", '"paid"', cleanup=True),
    "wf_begin": lambda db, handle: db.wf_begin(handle, "charge", cleanup=True),
    "wf_spawn": lambda db, handle: db.wf_spawn(handle, "charge", "kid", parent_cleanup=True),
}
END = {
    "cancel": lambda db, token: db.wf_cancel("w1", '"changed my mind"'),
    "final failure": lambda db, token: db.wf_fail(token, '"no"', retry=False),
    "last failure": lambda db, token: db.wf_fail(token, '"no"'),
    "timeout": lambda db, token: (db.at(1000), db.wf_tick()),
    "poison": lambda db, token: db.wf_recover(worker="worker-1", lost=True),
}


def flags(db, id="w1"):
    return db.value("SELECT flags & 2 FROM _wf_workflow WHERE id = ?", id)


@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("say", SAY)
def test_what_a_plain_start_knew_nothing_of_is_cleaned_up(db, say, end):
    db.at(0)
    token = db.running(timeout=1000, max_attempts=1)["token"]
    SAY[say](db, token)
    END[end](db, token)
    status = "cancelled" if end == "cancel" else "failed"
    assert (db.workflow()["status"], db.workflow()["ending"]) == ("pending", status)
    if end == "cancel":
        db.wf_release(token)  # it has perhaps begun something: test_cleanup_waits.py
    claim = db.claim(id="w1")
    assert (claim["ending"], claim["wake"]) == (status, "cleanup")
    assert db.wf_step(claim["token"], "refund", "1") == "1"
    assert db.wf_complete(claim["token"]) == status
    assert db.wf_check() is None


@pytest.mark.parametrize("end", END)
def test_a_workflow_of_which_nobody_says_so_ends_at_once(db, end):
    db.at(0)
    token = db.running(timeout=1000, max_attempts=1)["token"]
    db.wf_step(token, "charge", '"paid"', cleanup=False)
    END[end](db, token)
    assert db.wf_status("w1") == ("cancelled" if end == "cancel" else "failed")


@pytest.mark.parametrize("say", SAY)
def test_a_script_says_so_by_bare_id(db, say):
    db.wf_start("job", id="w1")
    SAY[say](db, "w1")
    db.wf_cancel("w1")
    assert db.workflow()["ending"] == "cancelled"


@pytest.mark.parametrize("say", SAY)
def test_it_is_written_once(db, say):
    token = db.running(lease=3600)["token"]
    db.execute("CREATE TABLE written(flags)")
    db.execute("CREATE TRIGGER t AFTER UPDATE ON _wf_workflow BEGIN INSERT INTO written VALUES(NEW.flags & 2); END")
    for n in range(3):
        SAY[say](db, token)
        db.wf_step(token, "step-%d" % n, "1", cleanup=True)
    assert db.column("SELECT flags FROM written") == [2]


def test_a_repeated_call_says_it_too(db):
    token = db.running()["token"]
    db.wf_step(token, "charge", '"paid"')
    assert flags(db) == 0
    assert db.wf_step(token, "charge", '"other"', cleanup=True) == '"paid"'
    assert flags(db) == 2


def test_a_token_that_is_no_longer_current_says_nothing(db):
    db.at(0)
    token = db.running(lease=10)["token"]
    db.wf_begin(token, "charge")
    db.wf_step(token, "charge", '"paid"')
    db.at(20)
    assert db.claim()["id"] == "w1"
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "charge", '"paid"', cleanup=True)
    assert json.loads(db.wf_begin(token, "charge", cleanup=True)) == {"output": "paid"}
    assert flags(db) == 0


def test_after_a_cancel_it_comes_too_late_for_the_record_but_not_for_a_step_that_was_begun(db):
    first = db.running("w1")["token"]
    db.wf_cancel("w1")
    assert db.wf_step(first, "charge", '"paid"', cleanup=True) == '"paid"'
    assert (db.wf_status("w1"), flags(db)) == ("cancelled", 0)
    second = db.running("w2")["token"]
    db.wf_begin(second, "charge", cleanup=True)
    db.wf_cancel("w2")
    assert db.wf_step(second, "charge", '"paid"', cleanup=True) == '"paid"'
    assert db.claim(id="w2", steps=True)["ending"] == "cancelled"


def test_a_step_in_doubt_that_fails_the_workflow_is_cleaned_up(db):
    db.at(0)
    db.wf_begin(db.running(lease=10)["token"], "charge")
    db.at(20)
    assert db.wf_begin(db.claim()["token"], "charge", in_doubt="fail", cleanup=True) is None
    assert (db.workflow()["status"], db.workflow()["ending"]) == ("pending", "failed")


def test_the_child_has_its_own(db):
    token = db.running()["token"]
    db.wf_spawn(token, "a", "kid", id="a", cleanup=True)
    db.wf_spawn(token, "b", "kid", id="b", parent_cleanup=True)
    assert [flags(db, id) for id in ("w1", "a", "b")] == [2, 2, 0]
    with wf_error("WF_INVALID", "parent_cleanup"):
        db.wf_start("job", parent_cleanup=True)


@pytest.mark.parametrize("undo", ["ROLLBACK", "ROLLBACK TO s"])
def test_it_is_undone_with_its_step(db, undo):
    token = db.running()["token"]
    db.execute("BEGIN")
    db.execute("SAVEPOINT s")
    db.wf_step(token, "charge", '"paid"', cleanup=True)
    db.execute(undo)
    assert (flags(db), db.wf_step(token, "charge")) == (0, None)


def test_it_works_inside_a_writing_statement(db):
    token = db.running()["token"]
    db.execute("CREATE TABLE app(v UNIQUE)")
    db.execute("INSERT INTO app VALUES(wf_step(?, 'charge', 1, '{\"cleanup\":true}'))", (token,))
    assert (flags(db), db.wf_step(token, "charge")) == (2, 1)


def test_it_is_kept_by_a_retry_a_fork_a_new_period_and_a_move_to_another_file(db, connect, tmp_path):
    db.at(0)
    token = db.running("w1")["token"]
    db.wf_step(token, "charge", '"paid"', cleanup=True)
    db.wf_cancel("w1", force=True)
    assert db.wf_fork("w1", id="fork") == "fork"
    db.wf_retry("w1", **{"from": "charge"})
    assert (flags(db, "w1"), flags(db, "fork")) == (2, 2)
    assert db.wf_continue(db.claim(id="w1")["token"]) == "pending"
    assert flags(db, "w1") == 2
    other = connect(tmp_path / "other.db")
    other.wf_import(db.wf_export("w1"))
    assert flags(other, "w1") == 2


@pytest.mark.parametrize("ignored, seen", [("UPDATE OF flags ON _wf_workflow", "WF_STATE"), ("INSERT ON _wf_step", "WF_STATE")])
def test_a_trigger_that_ignores_either_write_undoes_both(db, ignored, seen):
    token = db.running()["token"]
    db.execute("CREATE TRIGGER t BEFORE %s BEGIN SELECT RAISE(IGNORE); END" % ignored)
    with wf_error(seen):
        db.wf_step(token, "charge", '"paid"', cleanup=True)
    assert (flags(db), db.wf_step(token, "charge")) == (0, None)


WAIT = {
    "wf_sleep": lambda db, handle, **options: db.wf_sleep(handle, "wait", "1h", **options),
    "wf_await": lambda db, handle, **options: db.wf_await(handle, "wait", "go", **options),
    "wf_await_event": lambda db, handle, **options: db.wf_await_event(handle, "wait", "done", **options),
    "wf_join": lambda db, handle, **options: db.wf_join(handle, "wait", '["kid"]', **options),
    "wf_wait_any": lambda db, handle, **options: db.wf_wait_any(handle, "wait", '[{"signal": "go"}]', **options),
    "wf_acquire": lambda db, handle, **options: db.wf_acquire(handle, "wait", "calls", **options),
}


@pytest.fixture
def waiter(db):
    db.at(0)
    db.wf_start("job", id="kid", queue="other")
    db.wf_rate("calls", limit=1, per="1h")
    db.wf_acquire(db.running("first")["token"], "share", "calls")
    return db.running("w1")["token"]


@pytest.mark.parametrize("wait", WAIT)
def test_a_wait_says_it_too(db, waiter, wait):
    """The code may have done something that nobody has recorded, and waits first of all."""
    assert WAIT[wait](db, waiter, cleanup=True) is None
    db.wf_cancel("w1")
    assert (db.workflow("w1")["status"], db.workflow("w1")["ending"]) == ("pending", "cancelled")
    assert db.wf_complete(db.claim(id="w1")["token"]) == "cancelled"
    assert db.wf_check() is None


@pytest.mark.parametrize("wait", WAIT)
def test_a_wait_of_which_nobody_says_so(db, waiter, wait):
    assert WAIT[wait](db, waiter) is None
    db.wf_cancel("w1")
    assert db.wf_status("w1") == "cancelled"


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("wait", WAIT)
def test_a_wait_that_is_satisfied_says_it_too(db, waiter, wait, keep):
    db.wf_signal("w1", "go")
    db.wf_emit("done")
    db.wf_complete("kid")
    db.at(7200)
    token = db.claim(id="w1")["token"]
    if wait == "wf_sleep":
        db.wf_sleep(token, "wait", "0s", keep=keep, cleanup=True)
    else:
        assert WAIT[wait](db, token, keep=keep, cleanup=True) is not None
    assert flags(db) == 2
    assert WAIT[wait](db, token, keep=keep, cleanup=True) is not None
    db.wf_cancel("w1")
    assert db.workflow("w1")["ending"] == "cancelled"


@pytest.mark.parametrize("wait", WAIT)
def test_a_recorded_wait_says_it_when_it_is_repeated(db, waiter, wait):
    assert WAIT[wait](db, waiter, keep=True) is None
    assert flags(db) == 0
    assert WAIT[wait](db, waiter, keep=True, cleanup=True) is None
    assert flags(db) == 2


@pytest.mark.parametrize("wait", WAIT)
def test_a_wait_of_a_token_that_is_over_says_nothing(db, waiter, wait):
    db.at(60)
    assert db.claim(id="w1") is not None
    with wf_error("WF_LEASE_LOST"):
        WAIT[wait](db, waiter, cleanup=True)
    assert flags(db) == 0


@pytest.mark.parametrize("wait", WAIT)
def test_a_trigger_that_ignores_what_a_wait_says_undoes_the_wait(db, waiter, wait):
    db.execute("CREATE TRIGGER t BEFORE UPDATE OF flags ON _wf_workflow WHEN NEW.flags & 2 BEGIN SELECT RAISE(IGNORE); END")
    with wf_error("WF_STATE"):
        WAIT[wait](db, waiter, cleanup=True)
    assert (flags(db), db.rows("SELECT * FROM wf_steps WHERE workflow_id = 'w1'")) == (0, [])


# What is recorded is given again to anybody; that it says so is written only for whoever may record.
REPEAT = {
    "wf_step": lambda db, handle, **options: db.wf_step(handle, "did", "1", **options),
    "wf_begin": lambda db, handle, **options: db.wf_begin(handle, "did", **options),
    "wf_spawn": lambda db, handle, **options: db.wf_spawn(handle, "did", "job", id="child", **{"parent_" + name: value for name, value in options.items()}),
    "wf_sleep": lambda db, handle, **options: db.wf_sleep(handle, "did", "0s", **options),
    "wf_await": lambda db, handle, **options: db.wf_await(handle, "did", "came", **options),
    "wf_await_event": lambda db, handle, **options: db.wf_await_event(handle, "did", "came", **options),
    "wf_join": lambda db, handle, **options: db.wf_join(handle, "did", '["over"]', **options),
    "wf_wait_any": lambda db, handle, **options: db.wf_wait_any(handle, "did", '[{"sleep": "0s"}]', **options),
    "wf_acquire": lambda db, handle, **options: db.wf_acquire(handle, "did", "free", **options),
}


@pytest.fixture
def recorded(db, waiter):
    """The token of a claim in which each of them can be recorded at once."""
    db.wf_rate("free", limit=9, per="1h")
    db.wf_emit("came")
    db.wf_signal("w1", "came")
    db.wf_start("job", id="over", queue="other")
    db.wf_complete("over")
    return waiter


def record(db, token, call):
    if call == "wf_begin":
        db.wf_step(token, "did", "1")
    REPEAT[call](db, token)
    assert flags(db) == 0


@pytest.mark.parametrize("call", REPEAT)
def test_by_id_nothing_is_said_under_the_lease_of_another(db, recorded, call):
    record(db, recorded, call)
    with wf_error("WF_LEASED"):
        REPEAT[call](db, "w1", cleanup=True)
    assert flags(db) == 0
    REPEAT[call](db, recorded, cleanup=True)
    assert flags(db) == 2
    with wf_error("WF_LEASED"):
        REPEAT[call](db, "w1", cleanup=True)


@pytest.mark.parametrize("call", REPEAT)
def test_nothing_is_said_to_a_workflow_that_is_paused(db, recorded, call):
    record(db, recorded, call)
    db.wf_release(recorded)
    db.wf_pause("w1")
    with wf_error("WF_PAUSED"):
        REPEAT[call](db, "w1", cleanup=True)
    assert flags(db) == 0


@pytest.mark.parametrize("by", ["token", "id"])
@pytest.mark.parametrize("call", REPEAT)
def test_what_is_recorded_says_it_also_while_the_workflow_waits_in_another_step(db, recorded, call, by):
    record(db, recorded, call)
    if by == "id":
        db.wf_release(recorded)
    handle = recorded if by == "token" else "w1"
    assert db.wf_sleep(handle, "nap", "1h") is None
    REPEAT[call](db, handle, cleanup=True)
    assert (flags(db), db.wf_status("w1")) == (2, "waiting")
    db.wf_pause("w1")
    with wf_error("WF_PAUSED"):
        REPEAT[call](db, handle, cleanup=True)


@pytest.mark.parametrize("call", REPEAT)
def test_what_has_ended_is_told_nothing_more(db, recorded, call):
    record(db, recorded, call)
    db.wf_complete(recorded)
    REPEAT[call](db, "w1", cleanup=True)
    REPEAT[call](db, recorded, cleanup=True)
    assert (flags(db), db.wf_check()) == (0, None)


@pytest.mark.parametrize("by", ["token", "id"])
@pytest.mark.parametrize("wait", WAIT)
def test_an_open_wait_says_it_when_the_call_that_opened_it_is_repeated(db, waiter, wait, by):
    if by == "id":
        db.wf_release(waiter)
    handle = waiter if by == "token" else "w1"
    assert WAIT[wait](db, handle) is None
    assert (WAIT[wait](db, handle, cleanup=True), flags(db)) == (None, 2)
    assert (db.wf_status("w1"), db.wf_check()) == ("waiting", None)


@pytest.mark.parametrize("by", ["token", "id"])
def test_a_step_that_is_held_in_doubt_says_it_when_the_call_is_repeated(db, by):
    db.at(0)
    db.wf_begin(db.running(lease=10)["token"], "charge")
    db.at(20)
    token = db.claim()["token"]
    assert db.wf_begin(token, "charge", in_doubt="hold") is None
    assert (db.wf_begin(token if by == "token" else "w1", "charge", in_doubt="hold", cleanup=True), flags(db)) == (None, 2)


def test_a_scripted_workflow_is_told_nothing_by_a_call_that_repeats_its_waits(db):
    db.at(0)
    db.wf_define("flow", {"steps": [{"name": "did", "sleep": "0s"}, {"name": "then", "sleep": "1h"}]})
    db.wf_start("flow", id="w1")
    db.wf_run()
    value = db.wf_sleep("w1", "did", "0s")
    assert value is not None
    for step in ("did", "then"):
        with wf_error("WF_STATE", "wf_run"):
            db.wf_sleep("w1", step, "0s", cleanup=True)
    assert (flags(db), db.wf_status("w1")) == (0, "waiting")
