"""wf_emit and wf_await_event: named facts for everyone."""

import json

import pytest
from support import BASE, json_time, sql_time, wf_error

TIMED_OUT = {"event": None, "timeout": True}


@pytest.fixture
def db(db):
    db.at(0)
    for id in ("w1", "w2"):
        db.wf_start("job", id=id)
    return db


def seen(db, handle, step, *arguments):
    text = db.wf_await_event(handle, step, *arguments)
    return None if text is None else json.loads(text)


def test_emit_returns_the_payload_that_stands_and_the_first_wins(db):
    assert db.wf_emit("release", '{"v": 1}') == '{"v": 1}'
    assert db.wf_emit("release", '{"v": 2}') == '{"v": 1}'
    assert db.wf_emit("release") == '{"v": 1}'
    assert db.records("SELECT * FROM wf_events") == [dict(name="release", payload='{"v": 1}', emitted_at=sql_time(0))]


@pytest.mark.parametrize("payload, back", [(5, 5), (1.5, 1.5), (b"\x00\x01", b"\x00\x01"), (None, "null"), ("[1]", "[1]")])
def test_payloads_come_back_as_they_are(db, payload, back):
    assert db.wf_emit("release", payload) == back
    assert db.wf_emit("release", 99) == back


def test_a_payload_that_is_not_json_is_invalid(db):
    with wf_error("WF_INVALID", "json_quote"):
        db.wf_emit("release", "text")


def test_an_event_is_kept_for_those_who_come_later(db):
    db.wf_emit("release", 1)
    db.at(100)
    db.wf_start("job", id="late")
    for id in ("w1", "late"):
        assert seen(db, id, "wait", "release") == {"event": "release", "payload": 1, "received_at": json_time(0)}
        assert db.wf_status(id) == "pending"


def test_it_wakes_all_who_wait(db):
    for id in ("w1", "w2"):
        assert seen(db, db.claim(id=id)["token"], "wait", "release") is None
    assert db.wf_ready() == 0
    db.at(5)
    db.wf_emit("release", 1)
    assert db.wf_ready() == 2
    for _ in range(2):
        claim = db.claim()
        assert seen(db, claim["token"], "wait", "release") == {"event": "release", "payload": 1, "received_at": json_time(5)}
    assert db.column("SELECT due_at FROM wf_pending WHERE status = 'waiting'") == []


def test_an_event_is_not_consumed(db):
    db.wf_emit("release", 1)
    assert seen(db, "w1", "a", "release") == seen(db, "w1", "b", "release")


def test_other_events_wake_nobody(db):
    seen(db, "w1", "wait", "release")
    db.wf_emit("other", 1)
    assert seen(db, "w1", "wait", "release") is None


def test_signals_and_events_of_one_name_are_different_things(db):
    seen(db, "w1", "wait", "x")
    db.wf_await("w2", "wait", "x")
    db.wf_signal("w1", "x", 1)
    assert seen(db, "w1", "wait", "x") is None
    db.wf_emit("x", 2)
    assert db.wf_await("w2", "wait", "x") is None
    assert seen(db, "w1", "wait", "x")["payload"] == 2


@pytest.mark.parametrize("arrival, counts", [(9, True), (10, True), (10.001, False)])
def test_an_event_counts_if_it_was_emitted_by_the_timeout_whenever_anyone_looks(db, arrival, counts):
    seen(db, "w1", "wait", "release", 10)
    db.at(arrival)
    db.wf_emit("release", 1)
    db.at(1000)
    got = seen(db, "w1", "wait", "release", 10)
    assert got == ({"event": "release", "payload": 1, "received_at": json_time(arrival)} if counts else TIMED_OUT)
    assert seen(db, "w1", "wait", "release", 10) == got


def test_the_next_wait_after_a_timeout_sees_the_event(db):
    seen(db, "w1", "wait", "release", 10)
    db.at(11)
    assert seen(db, "w1", "wait", "release", 10) == TIMED_OUT
    db.wf_emit("release", 1)
    assert seen(db, "w1", "wait", "release", 10) == TIMED_OUT
    assert seen(db, "w1", "again", "release", 10)["payload"] == 1


def test_timeout_0_polls_and_never_suspends(db):
    token = db.claim(id="w1")["token"]
    assert seen(db, token, "p1", "release", 0) == TIMED_OUT
    db.wf_emit("release", 1)
    assert seen(db, token, "p2", "release", 0)["payload"] == 1
    assert db.wf_status("w1") == "running"


def test_of_several_names_the_earliest_wins(db):
    db.at(1)
    db.wf_emit("b", 1)
    db.at(2)
    db.wf_emit("a", 2)
    assert seen(db, "w1", "wait", ["a", "b"])["event"] == "b"


def test_any_of_several_names_wakes(db):
    assert seen(db, "w1", "wait", ["a", "b"]) is None
    db.wf_emit("b", 1)
    assert seen(db, "w1", "wait", ["a", "b"])["event"] == "b"
    assert db.rows("SELECT * FROM _wf_waiter") == []


@pytest.mark.parametrize("name", ["", None, 5, "a\n", "a" * 256])
def test_an_event_has_a_name(db, name):
    with wf_error("WF_INVALID"):
        db.wf_emit(name)
    with wf_error("WF_INVALID"):
        db.wf_await_event("w1", "wait", name)


def test_a_rolled_back_event_never_was(db):
    seen(db, "w1", "wait", "release")
    db.execute("BEGIN")
    db.wf_emit("release", 1)
    db.execute("ROLLBACK")
    assert db.rows("SELECT * FROM wf_events") == []
    assert seen(db, "w1", "wait", "release") is None
    assert db.wf_emit("release", 2) == 2


def test_now_is_the_moment_of_the_event(db):
    db.wf_emit("release", 1, now=BASE + 9)
    assert db.value("SELECT emitted_at FROM wf_events") == sql_time(9)


def test_a_workflow_that_ends_while_it_waits_leaves_no_trace_of_the_wait(db):
    seen(db, "w1", "wait", "release")
    db.wf_cancel("w1")
    assert db.rows("SELECT * FROM _wf_waiter") == []
    db.wf_emit("release", 1)
    assert (db.wf_status("w1"), db.wf_check()) == ("cancelled", None)


def test_a_thousand_waiters_are_woken_by_one_emit(db):
    db.execute("BEGIN")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000)"
               " SELECT count(wf_await_event(wf_start('job', NULL, json_object('id', 'x' || i)), 'wait', 'release')) FROM n").fetchall()
    db.execute("COMMIT")
    assert db.wf_ready() == 2
    db.wf_emit("release", 1)
    assert db.wf_ready() == 1002


def test_triggers_may_emit(db):
    db.execute("CREATE TABLE release(v)")
    db.execute("CREATE TRIGGER t AFTER INSERT ON release BEGIN SELECT wf_emit('release ' || new.v, new.v); END")
    seen(db, "w1", "wait", "release 3")
    db.execute("INSERT INTO release VALUES (3)")
    assert seen(db, "w1", "wait", "release 3")["payload"] == 3
