"""Waits that keep the claim: open, their times fixed, while the claim goes on."""

import json

import pytest
from support import wf_error

NOW = 1_800_000_000


@pytest.fixture
def db(db):
    db.wf_clock(NOW)
    return db


def claimed(db, id="w1", **options):
    db.wf_start("job", id=id, **options)
    return db.claim(id=id, lease=30)["token"]


def pending(db, id="w1"):
    return db.rows("SELECT status, ready, reason FROM wf_pending WHERE id = ?", id)[0]


def test_steps_appends_and_heartbeats_go_on(db):
    token = claimed(db)
    assert db.wf_await(token, "answer", "ok", "1h", keep=True) is None
    assert db.wf_step(token, "slow", 1) == 1
    assert db.wf_append(token, "log", 1) == 0
    assert db.wf_heartbeat(token)
    assert db.wf_begin(token, "charge")
    assert (db.wf_status("w1"), db.wf_check()) == ("running", None)
    db.wf_signal("w1", "ok", 5)
    assert json.loads(db.wf_await(token, "answer", "ok", keep=True))["payload"] == 5
    assert json.loads(db.wf_await(token, "answer", "ok"))["payload"] == 5
    assert db.wf_step(token, "charge", 2) == 2
    assert (db.wf_complete(token), db.wf_check()) == ("completed", None)


@pytest.mark.parametrize("wait, satisfy", [
    (lambda db, token: db.wf_sleep(token, "w", 60, keep=True), lambda db: db.wf_clock(NOW + 60)),
    (lambda db, token: db.wf_await_event(token, "w", "e", keep=True), lambda db: db.wf_emit("e")),
    (lambda db, token: db.wf_join(token, "w", ["other"], keep=True), lambda db: db.wf_complete("other")),
    (lambda db, token: db.wf_wait_any(token, "w", '[{"event":"e"},{"sleep":"1h"},{"join":["other"]}]', keep=True), lambda db: db.wf_complete("other")),
])
def test_every_wait_may_keep_the_claim(db, wait, satisfy):
    db.wf_start("job", id="other")
    token = claimed(db)
    assert wait(db, token) is None
    assert db.wf_release(token) == 1
    assert (db.wf_status("w1"), db.wf_check()) == ("waiting", None)
    assert db.claim(id="w1") is None
    satisfy(db)
    assert pending(db)[:2] == ("waiting", 1)
    claim = db.claim(id="w1")
    assert (claim["attempt"], claim["resumed"]) == (1, 1)
    assert wait(db, claim["token"]) is not None
    assert db.value("SELECT count(*) FROM _wf_waiter") == 0
    assert db.wf_check() is None


def test_its_times_are_fixed_by_the_first_call(db):
    token = claimed(db)
    assert db.wf_sleep(token, "nap", 20, keep=True) is None
    db.wf_clock(NOW + 19)
    assert db.wf_sleep(token, "nap", 99, keep=True) is None
    db.wf_clock(NOW + 20)
    assert db.wf_sleep(token, "nap", 99, keep=True) == "2027-01-15 08:00:20.000"


def test_a_release_suspends_until_it_is_satisfied_and_may_be_repeated(db):
    token = claimed(db)
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    assert (db.wf_release(token), db.wf_release(token)) == (1, 1)
    assert pending(db) == ("waiting", 0, "waiting for signal ok")
    assert db.claim() is None
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    with wf_error("WF_SUSPENDED"):
        db.wf_step(token, "new", 1)
    db.wf_signal("w1", "ok")
    claim = db.claim()
    assert (claim["id"], claim["wake"]) == ("w1", "signal")


def test_a_release_where_it_is_satisfied_already_is_claimable_at_once(db):
    token = claimed(db)
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    db.wf_signal("w1", "ok")
    db.wf_release(token)
    assert pending(db)[:2] == ("waiting", 1)
    assert json.loads(db.wf_await(db.claim()["token"], "answer", "ok"))["signal"] == "ok"


def test_a_release_with_a_delay_comes_back_then(db):
    token = claimed(db)
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    db.wf_release(token, delay=60)
    assert (db.wf_status("w1"), db.wf_check()) == ("pending", None)
    db.wf_clock(NOW + 60)
    again = db.claim()["token"]
    assert db.wf_await(again, "answer", "ok") is None
    assert (db.wf_status("w1"), db.wf_check()) == ("waiting", None)


def test_the_end_of_the_lease_suspends_and_is_no_loss(db):
    token = claimed(db, max_attempts=1)
    assert db.wf_await(token, "answer", "ok", "1h", keep=True) is None
    db.wf_clock(NOW + 31)
    assert pending(db) == ("running", 0, "waiting for signal ok")
    assert db.wf_ready() == 0
    assert db.wf_tick() == 0
    assert db.claim() is None
    assert pending(db) == ("waiting", 0, "waiting for signal ok")
    assert db.rows("SELECT * FROM wf_failures") == []
    assert db.wf_release(token) == 1
    db.wf_signal("w1", "ok")
    claim = db.claim()
    assert (claim["attempt"], claim["resumed"], db.wf_check()) == (1, 1, None)
    db.wf_clock(NOW + 99)
    assert db.claim() is None  # nothing is open: that lease was lost
    assert db.wf_status("w1") == "failed"


def test_the_end_of_the_lease_where_it_is_satisfied(db):
    token = claimed(db, max_attempts=1)
    assert db.wf_sleep(token, "nap", 40, keep=True) is None
    db.wf_clock(NOW + 50)
    claim = db.claim()
    assert db.wf_sleep(claim["token"], "nap", 40) == "2027-01-15 08:00:40.000"
    assert claim["attempt"] == 1


def test_several_are_open_and_any_of_them_wakes_it(db):
    token = claimed(db)
    db.wf_start("job", id="other")
    assert db.wf_await(token, "a", "ok", keep=True) is None
    assert db.wf_join(token, "b", ["other"], keep=True) is None
    assert db.wf_await_event(token, "c", "e", keep=True) is None
    assert db.wf_sleep(token, "d", 600) is None  # the last one gives the claim back
    assert pending(db) == ("waiting", 0, "waiting for signal ok; waiting for 1 workflow; waiting for event e; sleeping")
    assert db.wf_check() is None
    db.wf_emit("e")
    token = db.claim(id="w1")["token"]
    assert db.rows("SELECT name, status FROM wf_steps ORDER BY seq") == [("a", "waiting"), ("b", "waiting"), ("c", "done"), ("d", "waiting")]
    assert json.loads(db.wf_await_event(token, "c", "e"))["event"] == "e"
    assert db.wf_await(token, "a", "ok", keep=True) is None
    db.wf_complete("other")
    assert json.loads(db.wf_join(token, "b"))[0]["id"] == "other"
    assert db.wf_await(token, "a", "ok") is None
    assert (db.wf_status("w1"), db.wf_check()) == ("waiting", None)
    assert db.value("SELECT due_at FROM wf_pending WHERE id = 'w1'") == "2027-01-15 08:10:00.000"
    db.wf_clock(NOW + 600)
    assert db.wf_sleep(db.claim(id="w1")["token"], "d", 600)


def test_two_joins_side_by_side_wake_each_when_it_is_complete(db):
    token = claimed(db)
    for name in "abc":
        db.wf_start("job", id=name)
    assert db.wf_join(token, "two", ["a", "b"], keep=True) is None
    assert db.wf_join(token, "three", ["b", "c"], keep=True) is None
    db.wf_release(token)
    db.wf_complete("a")
    db.wf_complete("c")
    assert pending(db)[1] == 0
    db.wf_complete("b")
    assert pending(db)[1] == 1
    assert db.wf_check() is None


def test_what_ends_drops_them(db):
    for id, end in (("a", db.wf_complete), ("b", lambda token: db.wf_fail(token, "no", retry=False)), ("c", lambda token: db.wf_cancel("c")),
                    ("d", lambda token: db.wf_delete("d", force=True)), ("e", lambda token: db.wf_continue(token))):
        token = claimed(db, id)
        assert db.wf_await_event(token, "w", "e", keep=True) is None
        end(token)
        assert db.value("SELECT count(*) FROM _wf_waiter") == 0
        assert db.rows("SELECT name FROM wf_steps WHERE workflow_id = ?", id) == []
        assert db.wf_check() is None


def test_a_failure_leaves_them_open_for_the_next_attempt(db):
    token = claimed(db)
    assert db.wf_sleep(token, "nap", 60, keep=True) is None
    db.wf_fail(token, "no", delay=0)
    assert db.wf_check() is None
    db.wf_clock(NOW + 30)
    token = db.claim()["token"]
    assert db.wf_sleep(token, "nap", 60) is None
    assert db.value("SELECT due_at FROM wf_pending") == "2027-01-15 08:01:00.000"


def test_recovered_it_is_claimable_and_asks_again(db):
    token = claimed(db)
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    db.wf_recover()
    assert db.wf_check() is None
    token = db.claim()["token"]
    assert db.wf_await(token, "answer", "ok") is None
    assert db.claim() is None


def test_it_needs_a_token_and_the_same_step(db):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "keep"):
        db.wf_await("w1", "answer", "ok", keep=True)
    token = db.claim()["token"]
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    with wf_error("WF_NONDETERMINISM"):
        db.wf_sleep(token, "answer", 5, keep=True)
    with wf_error("WF_NONDETERMINISM"):
        db.wf_step(token, "answer", 5)


def test_a_pause(db):
    token = claimed(db)
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    db.wf_pause("w1")
    with wf_error("WF_PAUSED"):
        db.wf_await(token, "answer", "ok", keep=True)
    assert db.wf_check() is None
    db.wf_resume("w1")
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    db.wf_release(token)
    db.wf_pause("w1")
    db.wf_signal("w1", "ok")
    assert db.claim() is None
    db.wf_resume("w1")
    assert db.claim()["id"] == "w1"


def test_it_moves_to_another_file(db, connect, tmp_path):
    token = claimed(db)
    db.wf_await(token, "a", "ok", "1h", keep=True)
    db.wf_await_event(token, "b", "e", keep=True)
    other = connect(tmp_path / "other.db")
    other.wf_clock(NOW)
    other.wf_import(db.wf_export("w1"))
    assert other.wf_check() is None
    db.wf_release(token)
    document = json.loads(db.wf_export("w1"))
    document["workflow"]["id"] = "w2"
    other.wf_import(json.dumps(document))
    assert other.wf_check() is None
    other.wf_resume("w2")
    assert other.value("SELECT due_at FROM wf_pending WHERE id = 'w2'") == "2027-01-15 09:00:00.000"
    other.wf_emit("e")
    assert other.claim(id="w2")["id"] == "w2"


def test_a_step_held_in_doubt_stays_held_where_another_wait_wakes_the_workflow(db):
    token = claimed(db)
    db.wf_begin(token, "pay")
    db.wf_await(token, "answer", "ok", keep=True)
    db.wf_release(token)
    db.wf_signal("w1", "x")
    db.wf_signal("w1", "ok")
    token = db.claim()["token"]
    assert db.wf_await(token, "more", "ok", keep=True) is None
    assert db.wf_begin(token, "pay", in_doubt="hold") is None
    assert db.wf_check() is None
    db.wf_signal("w1", "ok")
    token = db.claim()["token"]
    assert db.wf_begin(token, "pay", in_doubt="hold") is None
    assert db.wf_resolve("w1", "pay", "done", 5) == 1
    assert db.wf_check() is None
    assert db.wf_step(db.claim()["token"], "pay") == 5


# What a claim has begun may be recorded while the workflow waits

def test_what_a_claim_has_begun_is_recorded_while_the_workflow_waits(db):
    token = claimed(db)
    db.wf_begin(token, "slow")
    assert db.wf_await(token, "answer", "ok") is None
    assert db.wf_step(token, "slow", '"r9"') == '"r9"'
    assert db.wf_step(token, "slow", '"again"') == '"r9"'
    with wf_error("WF_SUSPENDED"):
        db.wf_step(token, "not begun", 1)
    with wf_error("WF_SUSPENDED"):
        db.wf_begin(token, "another")
    assert (db.wf_status("w1"), db.wf_check()) == ("waiting", None)
    db.wf_signal("w1", "ok")
    assert db.wf_begin(db.claim()["token"], "slow") == '{"output":"r9"}'


def test_not_after_the_next_claim_nor_by_another(db):
    token = claimed(db)
    db.wf_begin(token, "slow")
    assert db.wf_await(token, "answer", "ok", "10s") is None
    with wf_error("WF_SUSPENDED"):
        db.wf_step("w1", "slow", 1)
    db.wf_clock(NOW + 11)
    assert db.claim()["id"] == "w1"
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "slow", 1)


def test_also_after_the_lease_has_ended_beside_a_kept_wait(db):
    token = claimed(db)
    db.wf_begin(token, "slow")
    assert db.wf_await(token, "answer", "ok", keep=True) is None
    db.wf_clock(NOW + 60)
    assert db.claim() is None
    assert db.wf_step(token, "slow", 7) == 7
    assert db.wf_check() is None


def test_one_that_is_opened_ends_a_row_of_lost_leases(db):
    """As every record does: its workflow no longer stands behind those that have lost one lease."""
    db.wf_start("job", id="kept")
    db.wf_start("job", id="other", at=NOW + 20)
    assert db.claim()["id"] == "kept"
    db.wf_clock(NOW + 60)
    again = db.claim()
    assert (again["id"], again["wake"]) == ("kept", "lost")
    assert db.wf_await(again["token"], "answer", "ok", keep=True) is None
    db.wf_clock(NOW + 70)
    assert db.claim()["id"] == "other"
    db.wf_clock(NOW + 140)
    # Of both the lease has run out, that of the kept wait first: it is looked at first, and waits from then on.
    assert (db.claim()["id"], db.wf_status("kept"), db.wf_check()) == ("other", "waiting", None)
