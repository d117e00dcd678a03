"""Corners of waiting, children, intent and control in which other engines differ or go wrong, one section each."""

import json
import time

import pytest
from support import BASE, json_time, sql_time, wf_error

TIMED_OUT = {"signal": None, "timeout": True}


@pytest.fixture
def db(db):
    db.at(0)
    return db


def awaited(db, handle, step, *arguments):
    text = db.wf_await(handle, step, *arguments)
    return None if text is None else json.loads(text)


# Timeout then wait again (absurd: the second wait of the same name returns at once)


def test_after_a_timeout_the_next_wait_of_the_same_name_waits_again(db):
    db.wf_start("job", id="w1")
    for turn in range(3):
        token = db.claim()["token"]
        for done in range(turn):
            assert awaited(db, token, "wait %d" % done, "go", 10) == TIMED_OUT
        assert awaited(db, token, "wait %d" % turn, "go", 10) is None
        assert db.claim() is None
        db.at(10 * (turn + 1))
    token = db.claim()["token"]
    assert awaited(db, token, "wait 2", "go", 10) == TIMED_OUT
    assert awaited(db, token, "wait 3", "go", 10) is None
    db.wf_signal("w1", "go", 1)
    assert awaited(db, db.claim()["token"], "wait 3", "go")["payload"] == 1


def test_after_a_timeout_of_an_event_the_next_wait_waits_again(db):
    db.wf_start("job", id="w1")
    assert db.wf_await_event("w1", "first", "news", 10) is None
    db.at(10)
    assert json.loads(db.wf_await_event("w1", "first", "news", 10)) == {"event": None, "timeout": True}
    assert db.wf_await_event("w1", "second", "news", 10) is None
    db.at(15)
    db.wf_emit("news", 1)
    assert json.loads(db.wf_await_event("w1", "second", "news", 10))["payload"] == 1


def test_a_loop_of_polls_ends_with_the_signal(db):
    token = db.running()["token"]
    for turn in range(20):
        if turn == 13:
            db.wf_signal("w1", "go", turn)
        got = awaited(db, token, "poll %d" % turn, "go", 0)
        if not got.get("timeout"):
            break
    assert (turn, got["payload"]) == (13, 13)


# Late signal after the timeout


def test_a_late_signal_is_not_lost_and_not_taken_by_the_wait_that_timed_out(db):
    token = db.running()["token"]
    awaited(db, token, "wait", "go", 10)
    db.at(10.001)
    db.wf_signal("w1", "go", "1")
    assert db.workflow()["status"] == "waiting"
    token = db.claim()["token"]
    assert awaited(db, token, "wait", "go") == TIMED_OUT
    assert awaited(db, token, "next", "go")["payload"] == 1


def test_an_in_time_and_a_late_signal_each_find_their_wait(db):
    db.wf_start("job", id="w1")
    awaited(db, "w1", "wait", "go", 10)
    db.at(9)
    db.wf_signal("w1", "go", "1")
    db.at(11)
    db.wf_signal("w1", "go", "2")
    assert awaited(db, "w1", "wait", "go")["payload"] == 1
    assert awaited(db, "w1", "next", "go")["payload"] == 2


def test_the_worker_that_looks_late_sees_what_the_one_in_time_would_have_seen(db):
    """Two files with the same history, one looked at in time, one years later."""
    outcomes = []
    for id, looked_at in (("early", 12), ("late", 10**8)):
        db.at(0)
        db.wf_start("job", id=id, queue=id)
        awaited(db, id, "wait", ["a", "b"], 10)
        for second, signal in ((11, "a"), (12, "b")):
            db.at(second)
            db.wf_signal(id, signal, second)
        db.at(looked_at)
        token = db.claim(id)["token"]
        outcomes.append([awaited(db, token, step, ["a", "b"]) for step in ("wait", "next", "last")])
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == TIMED_OUT


# Signal to a terminal workflow, to a retried one, to a deleted one


@pytest.mark.parametrize("end, error", [(lambda db: db.wf_complete("w1"), "WF_STATE"), (lambda db: db.wf_cancel("w1"), "WF_CANCELLED")])
def test_a_signal_to_a_terminal_workflow_is_an_error_and_leaves_nothing(db, end, error):
    db.wf_start("job", id="w1")
    end(db)
    with wf_error(error, "w1"):
        db.wf_signal("w1", "go", 1, key="k")
    assert db.rows("SELECT * FROM wf_signals") == []


def test_signals_that_were_queued_at_the_end_are_there_after_a_retry(db):
    db.wf_start("job", id="w1")
    db.wf_signal("w1", "go", 1)
    db.wf_cancel("w1")
    db.wf_retry("w1")
    assert awaited(db, "w1", "wait", "go")["payload"] == 1


def test_signals_do_not_outlive_their_workflow(db):
    db.wf_start("job", id="w1")
    db.wf_signal("w1", "go", 1)
    db.wf_delete("w1", force=True)
    db.wf_start("job", id="w1")
    assert awaited(db, "w1", "wait", "go", 0) == TIMED_OUT


# Emitted or sent before anyone waits (pg_durable, OpenWorkflow: lost)


def test_a_signal_sent_before_the_first_claim_is_kept(db):
    db.wf_start("job", id="w1", delay=3600)
    db.wf_signal("w1", "go", 1)
    db.at(3600)
    assert awaited(db, db.claim()["token"], "wait", "go")["payload"] == 1


def test_a_signal_between_guard_and_wait_is_kept(db):
    token = db.running()["token"]
    assert awaited(db, token, "look", "go", 0) == TIMED_OUT
    db.wf_signal("w1", "go", 1)
    assert awaited(db, token, "wait", "go")["payload"] == 1


def test_a_signal_survives_the_crash_of_the_worker_that_had_it_in_hand(db):
    """The worker got the message and died: the next one gets the same message, not the next."""
    token = db.running()["token"]
    db.wf_signal("w1", "go", 1)
    db.wf_signal("w1", "go", 2)
    assert awaited(db, token, "wait", "go")["payload"] == 1
    db.at(31)
    assert awaited(db, db.claim()["token"], "wait", "go")["payload"] == 1


def test_a_signal_taken_in_a_transaction_that_fails_is_not_consumed(db):
    token = db.running()["token"]
    db.wf_signal("w1", "go", 1)
    db.execute("BEGIN")
    assert awaited(db, token, "wait", "go")["payload"] == 1
    db.execute("ROLLBACK")
    assert awaited(db, token, "other", "go")["payload"] == 1


# Event after cleanup (absurd: the name becomes emittable again, the recorded waits survive)


def test_after_a_purge_an_event_can_be_emitted_again_and_recorded_waits_stay(db):
    db.wf_start("job", id="w1")
    db.wf_emit("news", 1)
    assert json.loads(db.wf_await_event("w1", "wait", "news"))["payload"] == 1
    db.at(100)
    assert db.wf_purge(older_than=10, events=True) == 1
    assert db.wf_emit("news", 2) == 2
    assert json.loads(db.wf_await_event("w1", "wait", "news"))["payload"] == 1
    assert json.loads(db.wf_await_event("w1", "new", "news"))["payload"] == 2


def test_a_purge_of_an_event_leaves_those_woken_by_it_runnable(db):
    """Woken but not yet claimed when the event is purged: nobody may be stuck, or told that it never happened when it did not."""
    db.wf_start("job", id="w1")
    assert db.wf_await_event("w1", "wait", "news") is None
    db.wf_emit("news", 1)
    db.at(100)
    db.wf_purge(older_than=10, events=True)
    claim = db.claim()
    got = None if claim is None else db.wf_await_event(claim["token"], "wait", "news")
    if got is None:
        db.wf_emit("news", 2)
        got = db.wf_await_event(db.claim()["token"], "wait", "news")
    assert json.loads(got)["event"] == "news"
    assert db.wf_check() is None


# Cancelled while running


def test_cancelled_while_running_the_effect_that_happened_is_recorded_and_nothing_begins(db):
    token = db.running()["token"]
    assert db.wf_step(token, "charge") is None
    db.wf_cancel("w1")
    assert db.wf_step(token, "charge", '"r9"') == '"r9"'
    with wf_error("WF_CANCELLED", "w1"):
        db.wf_step(token, "ship")
    with wf_error("WF_CANCELLED", "w1"):
        db.wf_complete(token)
    assert db.column("SELECT name FROM wf_steps") == ["charge"]


def test_cancelled_while_it_waits_the_wait_is_over(db):
    token = db.running()["token"]
    awaited(db, token, "wait", "go")
    db.wf_cancel("w1")
    for handle in (token, "w1"):
        with wf_error("WF_CANCELLED", "w1"):
            awaited(db, handle, "wait", "go")
    assert db.rows("SELECT * FROM wf_pending") == []
    assert db.wf_check() is None


def test_cancelled_while_woken_but_not_claimed(db):
    db.wf_start("job", id="w1")
    awaited(db, "w1", "wait", "go")
    db.wf_signal("w1", "go", 1)
    db.wf_cancel("w1")
    assert (db.claim(), db.wf_ready(), db.wf_check()) == (None, 0, None)


# Cancel in two phases with children


@pytest.fixture
def family(db):
    """A parent with cleanup waits for two children; one of them has cleanup itself and a child of its own."""
    token = db.running("p", cleanup=True)["token"]
    db.wf_spawn(token, "plain", "child")
    db.wf_spawn(token, "tidy", "child", None, cleanup=True)
    db.wf_spawn("p/tidy", "leaf", "child")
    db.wf_spawn(token, "free", "child", None, detached=True)
    assert db.wf_join(token, "all") is None
    return db


def test_cancel_in_two_phases_reaches_the_children_at_once(family):
    family.wf_cancel("p", "why")
    assert {id: (family.wf_status(id), family.workflow(id)["ending"]) for id in ("p", "p/plain", "p/tidy", "p/tidy/leaf", "p/free")} == {
        "p": ("pending", "cancelled"), "p/plain": ("cancelled", None), "p/tidy": ("pending", "cancelled"), "p/tidy/leaf": ("cancelled", None),
        "p/free": ("pending", None)}
    assert family.wf_check() is None


def test_the_cleanup_of_a_parent_may_wait_for_the_cleanup_of_its_children(family):
    family.wf_cancel("p", "why")
    token = family.claim(id="p")["token"]
    assert family.wf_join(token, "all gone", ["p/plain", "p/tidy"]) is None
    tidy = family.claim(id="p/tidy")
    assert tidy["ending"] == "cancelled"
    family.wf_step(tidy["token"], "undo", "1")
    assert family.wf_complete(tidy["token"]) == "cancelled"
    claim = family.claim(id="p")
    assert [entry["status"] for entry in json.loads(family.wf_join(claim["token"], "all gone"))] == ["cancelled", "cancelled"]
    assert family.wf_complete(claim["token"]) == "cancelled"
    assert family.wf_error("p") == '"why"'
    assert family.wf_check() is None


def test_the_cleanup_of_a_parent_may_spawn_children(family):
    family.wf_cancel("p", "why")
    token = family.claim(id="p")["token"]
    assert family.wf_spawn(token, "refund", "refund", None, queue="q") == "p/refund"
    assert family.wf_join(token, "refunded", ["p/refund"]) is None
    family.wf_complete(family.claim("q")["token"], "5")
    claim = family.claim(id="p")
    assert json.loads(family.wf_join(claim["token"], "refunded"))[0]["output"] == 5
    assert family.wf_complete(claim["token"]) == "cancelled"


def test_force_ends_the_whole_family(family):
    family.wf_cancel("p", "why", force=True)
    assert family.wf_status("p") == "cancelled"
    assert family.wf_status("p/plain") == "cancelled"
    assert family.wf_status("p/free") == "pending"


def test_a_final_failure_in_two_phases_reaches_the_children_too(db):
    token = db.running("p", cleanup=True)["token"]
    db.wf_spawn(token, "kid", "child")
    assert db.wf_fail(token, "e", retry=False) == "pending"
    assert (db.wf_status("p/kid"), db.workflow("p")["ending"]) == ("cancelled", "failed")


def test_a_deadline_in_two_phases_reaches_the_children_too(db):
    token = db.running("p", cleanup=True, timeout=10)["token"]
    db.wf_spawn(token, "kid", "child")
    db.at(11)
    db.wf_tick()
    assert (db.wf_status("p/kid"), db.workflow("p")["ending"]) == ("cancelled", "failed")


def test_parent_and_child_out_of_time_at_once_end_in_one_order(db):
    db.wf_start("job", id="p", timeout=10)
    db.wf_spawn("p", "kid", "child", None, timeout=10)
    db.at(11)
    db.wf_tick()
    assert (db.wf_status("p"), db.wf_status("p/kid")) in (("failed", "cancelled"), ("failed", "failed"))
    assert db.wf_check() is None


def test_a_deep_line_of_children_is_cancelled_to_the_last(db):
    db.wf_start("job", id="0")
    for depth in range(300):
        db.wf_spawn(str(depth), "next", "child", None, id=str(depth + 1))
    assert db.wf_cancel("0") == 1
    assert db.rows("SELECT status, count(*) FROM wf_workflows GROUP BY 1") == [("cancelled", 301)]


def test_a_child_that_ends_while_its_parent_is_cancelled_wakes_nobody(db):
    db.wf_start("job", id="p")
    db.wf_spawn("p", "free", "child", None, detached=True)
    db.wf_join("p", "all")
    db.wf_cancel("p")
    assert db.wf_complete("p/free") == "completed"
    assert (db.wf_status("p"), db.claim(), db.wf_check()) == ("cancelled", None, None)


# Joins of what ends, is retried, or goes away


def test_a_join_is_decided_by_what_was_true_when_it_was_satisfied(db):
    """Satisfied, then a child is retried before anyone looks: whatever the join says is complete and stays."""
    db.wf_start("job", id="p")
    db.wf_spawn("p", "kid", "child")
    db.wf_join("p", "all")
    db.wf_fail("p/kid", "e", retry=False)
    db.wf_retry("p/kid")
    got = db.wf_join("p", "all")
    if got is None:
        db.wf_complete("p/kid", "1")
        got = db.wf_join("p", "all")
    (entry,) = json.loads(got)
    assert entry["status"] in ("completed", "failed")
    assert db.wf_join("p", "all") == got
    assert db.wf_check() is None


def test_two_workflows_that_join_each_other_wait_until_an_operator_acts(db):
    for id in ("a", "b"):
        db.wf_start("job", id=id)
    assert db.wf_join("a", "join", ["b"], timeout=60) is None
    assert db.wf_join("b", "join", ["a"]) is None
    assert db.claim() is None
    db.at(60)
    assert json.loads(db.wf_join("a", "join")) == [{"id": "b", "status": "waiting"}]
    db.wf_complete("a")
    assert json.loads(db.wf_join("b", "join"))[0]["status"] == "completed"


def test_the_same_id_twice_in_a_join_is_shown_as_asked(db):
    db.wf_start("job", id="p")
    db.wf_start("other", id="x")
    assert db.wf_join("p", "join", ["x", "x"]) is None
    db.wf_complete("x", "1")
    assert [entry["id"] for entry in json.loads(db.wf_join("p", "join"))] in (["x", "x"], ["x"])


# Pause in the middle of things


def test_paused_while_suspended_the_wait_goes_on_behind_the_pause(db):
    db.wf_start("job", id="w1")
    awaited(db, "w1", "wait", "go", 100)
    db.wf_pause("w1")
    db.at(50)
    db.wf_resume("w1")
    assert awaited(db, "w1", "wait", "go") is None
    assert db.workflow()["due_at"] == sql_time(100)


def test_paused_and_cancelled_in_two_phases(db):
    db.running(cleanup=True)
    db.wf_pause("w1")
    db.wf_cancel("w1", "why")
    claim = db.claim()
    if claim is None:
        db.wf_resume("w1")
        claim = db.claim()
    assert claim["ending"] == "cancelled"
    assert db.wf_complete(claim["token"]) == "cancelled"


# Intent: the crash between the effect and its record


def test_a_charge_is_never_made_blindly_twice(db):
    """The outside system counts charges per key; with `retry` the key makes them one, with `hold` a person decides."""
    charges = {}

    def worker(policy, crash):
        claim = db.claim()
        if claim is None:
            return "nothing"
        begun = db.wf_begin(claim["token"], "charge", in_doubt=policy)
        if begun is None:
            return "stopped"
        begun = json.loads(begun)
        if "go" in begun:
            charges[begun["key"]] = charges.get(begun["key"], 0) + 1
            if crash:
                return "crashed"
            db.wf_step(claim["token"], "charge", '"r9"')
        return db.wf_complete(claim["token"])

    db.wf_start("job", id="w1")
    assert worker("retry", True) == "crashed"
    db.at(31)
    assert worker("retry", False) == "completed"
    assert list(charges.values()) == [2] and list(charges) == [db.wf_key("w1", "charge")]
    db.wf_start("job", id="w2")
    assert worker("hold", True) == "crashed"
    db.at(62)
    assert worker("hold", False) == "stopped"
    assert (worker("hold", False), charges[db.wf_key("w2", "charge")]) == ("nothing", 1)
    db.wf_resolve("w2", "charge", "done", '"r10"')
    assert worker("hold", False) == "completed"
    assert charges[db.wf_key("w2", "charge")] == 1


def test_a_held_step_is_not_woken_by_signals_or_time(db):
    db.wf_start("job", id="w1")
    db.wf_begin("w1", "charge")
    db.wf_begin("w1", "charge", in_doubt="hold")
    db.wf_signal("w1", "go", 1)
    db.at(10**7)
    assert (db.claim(), db.wf_ready()) == (None, 0)


def test_a_held_step_obeys_the_deadline(db):
    db.wf_start("job", id="w1", timeout=10)
    db.wf_begin("w1", "charge")
    db.wf_begin("w1", "charge", in_doubt="hold")
    db.at(11)
    assert (db.wf_tick(), db.wf_status("w1"), db.rows("SELECT * FROM wf_in_doubt")) == (1, "failed", [])


# Restore of an old backup


def test_after_a_restore_no_timer_fires_until_looked_at(db, connect, tmp_path):
    db.wf_start("job", id="w1")
    db.wf_sleep("w1", "nap", 60)
    db.wf_start("job", id="w2", timeout=60)
    backup = str(tmp_path / "backup.db")
    db.execute("VACUUM INTO ?", (backup,))
    restored = connect(backup)
    restored.at(10**6)
    restored.wf_recover(pause=True)
    assert (restored.claim(), restored.wf_tick(), restored.wf_ready()) == (None, 0, 0)
    assert restored.wf_status("w2") == "paused"
    restored.wf_resume("w1")
    assert restored.wf_sleep(restored.claim()["token"], "nap", 60) == sql_time(60)


# The moment of a signal is the sender's


def test_a_sender_with_its_clock_ahead_of_the_deadline_is_late(db, connect):
    other = connect()
    other.at(20)
    db.wf_start("job", id="w1")
    awaited(db, "w1", "wait", "go", 10)
    other.wf_signal("w1", "go", 1)
    assert awaited(db, "w1", "wait", "go") is None
    db.at(10)
    assert awaited(db, "w1", "wait", "go") == TIMED_OUT
    assert awaited(db, "w1", "next", "go") == {"signal": "go", "payload": 1, "received_at": json_time(20)}


def test_a_hundred_thousand_old_signals_do_not_slow_the_next_wait(db):
    db.wf_start("job", id="w1")
    db.execute("BEGIN")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) SELECT count(wf_signal('w1', 'noise', i)) FROM n").fetchall()
    db.execute("COMMIT")

    def cost(workflow):
        best = 1e9
        for n in range(5):
            db.wf_signal(workflow, "go", n, now=BASE + 1)
            begun = time.process_time()
            assert awaited(db, workflow, "wait %d" % n, "go")["payload"] == n
            best = min(best, time.process_time() - begun)
        return best

    db.wf_start("job", id="w2")
    assert cost("w1") < 20 * cost("w2")
