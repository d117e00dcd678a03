"""Sleeps, signals, events, children, intent: one test per sentence of the contract."""

import json

import pytest

from support import code

T0 = "2026-11-23 10:00:00"


@pytest.fixture
def db(db):
    db.wf_clock(T0)
    db.wf_start("job", id="w")
    return db


def at(db, time):
    db.wf_clock("2026-11-23 " + time)


def reason(db, wid="w"):
    return db.value("SELECT reason FROM wf_pending WHERE id = ?", wid)


def test_a_sleep_is_null_until_the_time_which_the_first_call_fixes(db):
    token = db.claim()["token"]
    assert db.wf_sleep(token, "nap", "1h") is None
    assert db.wf_sleep(token, "nap", "2h") is None
    assert reason(db) == "sleeping" and db.wf_claim() is None
    at(db, "11:00:00")
    again = db.claim()
    assert (again["attempt"], again["resumed"]) == (1, 1)
    for handle in (again["token"], token):
        assert db.wf_sleep(handle, "nap", "5h") == "2026-11-23 11:00:00.000"


def test_a_sleep_until_a_time_that_has_passed_returns_at_once(db):
    assert db.wf_sleep("w", "nap", "2026-11-23T09:00:00Z") == "2026-11-23 09:00:00.000"
    assert db.wf_sleep("w", "none", 0) == "2026-11-23 10:00:00.000"


@pytest.mark.parametrize("length", ["soon", -1, "", "5 parsecs", None])
def test_a_length_that_is_none_is_invalid(db, length):
    assert code(db, "SELECT wf_sleep('w', 'nap', ?)", length) == "WF_INVALID"


def test_while_a_wait_is_open_nothing_new_can_be_recorded(db):
    token = db.claim()["token"]
    db.wf_step(token, "before", 1)
    db.wf_await(token, "ok", "go")
    assert db.wf_step(token, "before") == "1" or db.wf_step(token, "before") == 1
    for sql in ("SELECT wf_step(?, 'new', 1)", "SELECT wf_complete(?)", "SELECT wf_sleep(?, 'x', 1)"):
        assert code(db, sql, token) == "WF_SUSPENDED"
        assert code(db, sql, "w") == "WF_SUSPENDED"


def test_early_signals_are_kept_and_taken_in_order_once_each(db):
    for n in (1, 2):
        assert db.wf_signal("w", "go", n) == 1
    got = [json.loads(db.wf_await("w", step, "go"))["payload"] for step in ("a", "b", "a")]
    assert got == [1, 2, 1]
    assert db.wf_await("w", "c", "go") is None


def test_a_key_makes_sending_idempotent(db):
    assert (db.wf_signal("w", "go", 1, key="k"), db.wf_signal("w", "go", 1, key="k"), db.wf_signal("w", "other", 1, key="k")) == (1, 0, 1)


def test_of_several_names_the_earliest_arrival_wins(db):
    db.wf_signal("w", "b", 1)
    db.wf_signal("w", "a", 2)
    assert json.loads(db.wf_await("w", "s", '["a","b"]'))["signal"] == "b"
    assert json.loads(db.wf_await("w", "t", '["a","b"]'))["signal"] == "a"


def test_a_signal_wakes_the_workflow(db):
    token = db.claim()["token"]
    assert db.wf_await(token, "s", "go") is None
    assert reason(db) == "waiting for signal go"
    db.wf_signal("w", "other")
    assert db.wf_claim() is None
    db.wf_signal("w", "go", '{"ok":true}')
    claim = db.claim()
    assert json.loads(db.wf_await(claim["token"], "s", "go")) == {
        "signal": "go", "payload": {"ok": True}, "received_at": "2026-11-23T10:00:00.000Z"}


def test_a_timeout_is_recorded_for_good_and_the_next_wait_of_the_name_works(db):
    assert db.wf_await("w", "s", "go", "10s") is None
    at(db, "10:00:20")
    db.wf_signal("w", "go", 1)
    timeout = '{"signal":null,"timeout":true}'
    assert db.wf_await("w", "s", "go") == timeout and db.wf_await("w", "s", "go") == timeout
    assert json.loads(db.wf_await("w", "t", "go"))["payload"] == 1


def test_a_signal_that_arrived_in_time_counts_whenever_anyone_looks(db):
    assert db.wf_await("w", "s", "go", "10s") is None
    at(db, "10:00:09")
    db.wf_signal("w", "go", 1)
    at(db, "12:00:00")
    assert json.loads(db.wf_await(db.claim()["token"], "s", "go"))["payload"] == 1


def test_timeout_zero_polls_and_never_suspends(db):
    assert db.wf_await("w", "s", "go", 0) == '{"signal":null,"timeout":true}'
    assert db.wf_await_event("w", "e", "news", 0) == '{"event":null,"timeout":true}'
    assert db.wf_status("w") == "pending"


def test_signals_to_nobody_and_to_the_dead_are_errors(db):
    assert code(db, "SELECT wf_signal('nobody', 'go')") == "WF_NOT_FOUND"
    db.wf_complete("w")
    assert code(db, "SELECT wf_signal('w', 'go')") == "WF_STATE"


def test_the_first_emit_of_an_event_wins_and_reaches_all(db):
    db.wf_start("job", id="v")
    for wid in ("w", "v"):
        assert db.wf_await_event(wid, "s", "news") is None
    assert db.wf_emit("news", 1) == 1 and db.wf_emit("news", 2) == 1
    for wid in ("w", "v"):
        assert json.loads(db.wf_await_event(wid, "s", "news"))["payload"] == 1
    assert json.loads(db.wf_await_event("w", "later", "news"))["payload"] == 1


def test_a_child_is_started_once_under_the_id_of_its_step(db):
    assert db.wf_spawn("w", "kid", "child", 1) == "w/kid"
    assert db.wf_spawn("w", "kid", "child", 1) == "w/kid"
    assert db.value("SELECT parent_id FROM wf_workflows WHERE id = 'w/kid'") == "w"


def test_a_join_waits_for_all_and_shows_them_in_order(db):
    for n in (1, 2):
        db.wf_spawn("w", "kid%d" % n, "child", n)
    token = db.claim(id="w")["token"]
    assert db.wf_join(token, "all") is None
    assert reason(db) == "waiting for 2 workflows"
    db.wf_fail("w/kid2", "no", retry=False)
    assert db.wf_claim(None, None, '{"id":"w"}') is None
    db.wf_complete("w/kid1", 11)
    token = db.claim(id="w")["token"]
    assert json.loads(db.wf_join(token, "all")) == [
        {"id": "w/kid1", "status": "completed", "output": 11}, {"id": "w/kid2", "status": "failed", "error": "no"}]


def test_join_any_takes_the_one_that_ends_first(db):
    for n in (1, 2):
        db.wf_spawn("w", "kid%d" % n, "child", n)
    assert db.wf_join("w", "any", None, mode="any") is None
    db.wf_complete("w/kid2", 22)
    assert json.loads(db.wf_join("w", "any", None, mode="any")) == [{"id": "w/kid2", "status": "completed", "output": 22}]


def test_a_join_of_one_that_is_retried_goes_on_waiting(db):
    db.wf_spawn("w", "kid", "child")
    assert db.wf_join("w", "any", None, mode="any") is None
    db.wf_fail("w/kid", "no", retry=False)
    db.wf_retry("w/kid")
    assert db.wf_join("w", "any", None, mode="any") is None
    db.wf_complete("w/kid", 1)
    assert json.loads(db.wf_join("w", "any", None, mode="any"))[0]["status"] == "completed"


def test_ten_thousand_children_are_joined_with_one_wake_up(db):
    db.execute("BEGIN")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000)"
               " SELECT count(wf_spawn('w', 'k' || i, 'child', i)) FROM n").fetchall()
    assert db.wf_join("w", "all", None, outputs=False) is None
    db.execute("SELECT count(wf_complete(id)) FROM (SELECT id FROM wf_pending WHERE name = 'child')").fetchall()
    assert len(json.loads(db.wf_join("w", "all", None, outputs=False))) == 10000
    db.execute("COMMIT")


def test_a_step_name_used_as_another_kind_is_nondeterminism(db):
    db.wf_step("w", "s", 1)
    db.wf_spawn("w", "kid", "child")
    for sql in ("wf_sleep('w', 's', 1)", "wf_await('w', 's', 'go')", "wf_join('w', 's')", "wf_spawn('w', 's', 'x')", "wf_step('w', 'kid', 1)", "wf_begin('w', 'kid')"):
        assert code(db, "SELECT " + sql) == "WF_NONDETERMINISM"


def test_a_step_begun_under_another_claim_is_in_doubt(db):
    token = db.claim()["token"]
    go = json.loads(db.wf_begin(token, "pay"))
    assert go == {"go": True, "key": db.wf_key("w", "pay")} == json.loads(db.wf_begin(token, "pay"))
    at(db, "10:01:00")
    token = db.claim()["token"]
    assert db.column("SELECT step FROM wf_in_doubt") == ["pay"]
    assert json.loads(db.wf_begin(token, "pay", in_doubt="retry")) == go
    assert db.wf_step(token, "pay", 5) == 5
    assert db.wf_begin(token, "pay") == '{"output":5}'


@pytest.mark.parametrize("verdict, then", [("done", '{"output":7}'), ("retry", True)])
def test_a_held_step_goes_on_when_it_is_resolved(db, verdict, then):
    db.wf_begin("w", "pay")
    assert db.wf_begin("w", "pay", in_doubt="hold") is None
    assert reason(db) == "held: step pay is in doubt" and db.wf_claim() is None
    assert db.wf_resolve("w", "pay", verdict, 7) == 1
    got = db.wf_begin(db.claim()["token"], "pay", in_doubt="hold")
    assert got == then or json.loads(got)["go"] is then


def test_resolved_as_failed_fails_the_workflow(db):
    db.wf_begin("w", "pay")
    db.wf_begin("w", "pay", in_doubt="hold")
    db.wf_resolve("w", "pay", "failed", "lost")
    assert (db.wf_status("w"), db.wf_error("w")) == ("failed", '"lost"')


def test_in_doubt_fail_ends_the_workflow(db):
    db.wf_begin("w", "pay")
    assert db.wf_begin("w", "pay", in_doubt="fail") is None
    assert json.loads(db.wf_error("w"))["code"] == "in_doubt"


def test_streams_count_from_zero_and_an_offset_is_written_once(db):
    assert [db.wf_append("w", "log", x) for x in ("a", "b")] == [0, 1]
    assert db.wf_append("w", "log", "b", offset=1) == 1
    assert code(db, "SELECT wf_append('w', 'log', 'c', '{\"offset\":1}')") == "WF_CONFLICT"
    assert code(db, "SELECT wf_append('w', 'log', 'c', '{\"offset\":3}')") == "WF_INVALID"
    assert db.column("SELECT value FROM wf_streams WHERE workflow_id = 'w' AND stream = 'log' AND offset >= 1") == ['"b"']


def test_named_values_are_read_by_anyone(db):
    db.wf_set("w", "progress", 1)
    db.wf_set("w", "progress", '{"percent":50}')
    assert db.wf_get("w", "progress") == '{"percent":50}' and db.wf_get("w", "none") is None
