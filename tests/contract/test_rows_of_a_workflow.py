"""The rows of one workflow are numbered inside it and lie together; who and what has made them, and when."""

import sqlite3

import pytest
from support import sql_time, wf_error

LAST = 2**28 - 1


def fill(db, *ids, steps=3):
    for id in ids:
        db.wf_start("job", id=id)
    for step in range(steps):
        for id in ids:
            db.wf_step(id, "s%d" % step, step)
            db.wf_signal(id, "go", step)


def test_steps_of_workflows_that_take_turns_are_numbered_in_each(db):
    fill(db, "w1", "w2")
    assert db.rows("SELECT seq, name FROM wf_steps WHERE workflow_id = 'w2' ORDER BY seq") == [(1, "s0"), (2, "s1"), (3, "s2")]
    assert db.rows("SELECT seq, payload FROM wf_signals WHERE workflow_id = 'w1' ORDER BY seq DESC") == [(3, 2), (2, 1), (1, 0)]
    # One workflow after the other, where no order is asked for.
    assert db.column("SELECT workflow_id FROM wf_steps") == ["w1"] * 3 + ["w2"] * 3
    assert db.wf_check() is None


@pytest.mark.parametrize("table", ["wf_steps", "wf_failures", "wf_signals"])
def test_the_place_is_compared_like_a_number_of_a_plain_table(db, table):
    fill(db, "w1", "w2", "w3", steps=4)
    for id in ("w1", "w2", "w3"):
        for n in range(4):
            db.wf_fail(id, n, step="bad", max_attempts=9)
            db.wf_reschedule(id)
    db.execute("CREATE TEMP TABLE plain(workflow_id TEXT, seq INTEGER)")
    db.execute("INSERT INTO plain SELECT workflow_id, seq FROM " + table)
    assert db.value("SELECT count(*) FROM plain") >= 12
    values = ("0", "1", "2", "3.0", "2.5", "-1", "'2'", "'2.5'", "'x'", "x'32'", "NULL", "1e300", "-1e300", "9223372036854775807", "-9223372036854775808", "268435455", "268435456")
    for value in values:
        for op in ("=", "<", "<=", ">", ">="):
            for where in ("", "workflow_id = 'w2' AND "):
                for order in ("workflow_id, seq", "workflow_id, seq DESC", "seq, workflow_id"):
                    query = "SELECT workflow_id, seq FROM {} WHERE %sseq %s %s ORDER BY %s LIMIT 7" % (where, op, value, order)
                    assert db.rows(query.format(table)) == db.rows(query.format("plain")), query
    for query in ("SELECT seq FROM {} WHERE workflow_id = 'w2' AND seq BETWEEN 2 AND 3 ORDER BY seq DESC", "SELECT seq, workflow_id FROM {} WHERE seq IN (1, 3) ORDER BY seq, workflow_id",
                  "SELECT workflow_id FROM {} WHERE workflow_id IN ('w1', 'w3') AND seq > 3 ORDER BY workflow_id DESC", "SELECT max(seq), min(seq) FROM {} WHERE workflow_id = 'w3'"):
        assert db.rows(query.format(table)) == db.rows(query.format("plain")), query


def test_a_step_is_found_by_workflow_and_name(db):
    fill(db, "w1", "w2")
    assert db.rows("SELECT workflow_id, seq FROM wf_steps WHERE name = 's1' ORDER BY workflow_id") == [("w1", 2), ("w2", 2)]
    assert db.rows("SELECT seq FROM wf_steps WHERE workflow_id IN ('w2', 'w1') AND name IN ('s2', 's0') ORDER BY workflow_id, seq") == [(1,), (3,), (1,), (3,)]
    assert db.rows("SELECT seq FROM wf_steps WHERE workflow_id = 'w1' AND name = 's9'") == []


@pytest.mark.parametrize("table, call", [
    ("_wf_step", lambda db, t: db.wf_step(t, "one more", 1)), ("_wf_step", lambda db, t: db.wf_begin(t, "one more")),
    ("_wf_step", lambda db, t: db.wf_sleep(t, "one more", 5)), ("_wf_step", lambda db, t: db.wf_spawn(t, "one more", "child")),
    ("_wf_step", lambda db, t: db.wf_fail(t, 1, step="one more")), ("_wf_signal", lambda db, t: db.wf_signal("w1", "go", 1)),
    ("_wf_failure", lambda db, t: db.wf_fail(t, 1)),
], ids=["step", "begin", "sleep", "spawn", "fail step", "signal", "fail"])
@pytest.mark.parametrize("by_id", [False, True], ids=["token", "id"])
def test_a_workflow_that_has_used_up_its_numbers_says_so_and_nothing_else_changes(db, table, call, by_id):
    fill(db, "w1", "w2")
    token = db.claim(id="w1")["token"]
    db.wf_fail(db.claim(id="w2")["token"], 0)
    for n in (1, 2):
        db.execute("INSERT INTO _wf_failure(n, wf, attempt, error, at) VALUES(1 << 28 | ?, 1, 1, '0', 0)", (n,))
    # Numbers are given out in order, so the last but one is taken, too.
    for n in (LAST, LAST - 1):
        db.execute("UPDATE %s SET n = 1 << 28 | ? WHERE n = (SELECT max(n) FROM %s WHERE wf = 1 AND n < 1 << 28 | ?)" % (table, table), (n, LAST - 1))
    if by_id:
        db.wf_release(token)
    before = list(db.iterdump())
    with wf_error("WF_STATE", "268435455", "wf_continue"):
        call(db, "w1" if by_id else token)
    assert list(db.iterdump()) == before
    db.wf_step("w2", "one more", 1) if db.wf_reschedule("w2") else None     # its neighbour has room
    assert db.wf_check() is None


def test_wf_continue_begins_the_numbers_anew(db):
    fill(db, "w1")
    db.execute("UPDATE _wf_step SET n = 1 << 28 | ? WHERE name = 's2'", (LAST,))
    token = db.claim()["token"]
    db.wf_continue(token)
    token = db.claim()["token"]
    db.wf_step(token, "a", 1)
    assert db.rows("SELECT seq, name FROM wf_steps") == [(1, "a")]
    # What it says of its failures in a row is of the new numbers.
    assert db.wf_await(token, "w", "go") == '{"signal":"go","payload":0,"received_at":"%s"}' % db.value(
        "SELECT replace(received_at, ' ', 'T') || 'Z' FROM wf_signals WHERE seq = 1")
    assert db.value("SELECT taken_by FROM wf_signals WHERE seq = 1") == "w" and db.wf_check() is None


def test_numbers_that_are_given_out_again_do_not_count_as_old_ones(db):
    """Failures in a row, after steps have been dropped: the mark of the last failure was above them."""
    db.wf_start("job", id="w1", max_attempts=2)
    for step in range(5):
        db.wf_step("w1", "s%d" % step, 1)
    db.wf_fail("w1", 1, retry=False)
    db.wf_retry("w1", **{"from": "s1"})
    for n in range(3):  # each time a step breaks the row
        assert db.wf_fail("w1", n) == "pending"
        db.wf_reschedule("w1")
        db.wf_step("w1", "again%d" % n, 1)
    assert db.column("SELECT seq FROM wf_steps") == [1, 2, 3, 4]


@pytest.mark.parametrize("table, where", [("_wf_step", "a step has a number"), ("_wf_failure", "a failure has a number"), ("_wf_signal", "a signal has a number")])
@pytest.mark.parametrize("n", [1, 5 << 28, 3 << 28 | 7, 2**63 - 1, -(2**63), 0])
def test_check_finds_a_number_of_another_workflow(db, table, where, n):
    fill(db, "w1")
    db.wf_fail("w1", 1, step="f")
    db.execute("UPDATE %s SET n = ? WHERE n = (SELECT min(n) FROM %s)" % (table, table), (n,))
    assert where in db.wf_check()
    db.wf_reschedule("w1")
    for call in (lambda: db.wf_step("w1", "more", 1), lambda: db.wf_signal("w1", "x", 1), lambda: db.wf_fail("w1", 1), lambda: db.rows("SELECT * FROM wf_steps")):
        call()


@pytest.mark.parametrize("seq", [2**35, 2**35 - 1, 2**62, 2**63 - 1])
def test_a_workflow_with_an_absurd_number_does_no_harm(db, seq):
    fill(db, "w1")
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("UPDATE _wf_workflow SET seq = ? WHERE id = 'w1'", (seq,))
    db.execute("PRAGMA ignore_check_constraints = OFF")
    for call in (lambda: db.wf_step("w1", "a", 1), lambda: db.wf_signal("w1", "go"), lambda: db.wf_fail("w1", 1), lambda: db.wf_start("job", id="w2"), lambda: db.wf_claim()):
        try:
            call()
        except sqlite3.Error as error:
            assert "w1" in str(error) or "268435455" in str(error) or "34359738367" in str(error) or "full" in str(error), error
    db.rows("SELECT * FROM wf_steps WHERE workflow_id = 'w1' ORDER BY seq"), db.rows("SELECT * FROM wf_signals WHERE workflow_id = 'w1' AND seq > 0")


# Who has made a row, and when.


def test_steps_say_by_which_attempt_and_worker_they_were_recorded(db):
    db.at(0)
    token = db.running(worker="ann")["token"]
    db.wf_step(token, "a", 1)
    db.wf_spawn(token, "kid", "child")
    db.wf_begin(token, "b")
    db.wf_fail(token, 1, step="f", delay=0)
    token = db.claim(None, "bob", id="w1")["token"]
    db.wf_step(token, "b", 2)
    db.wf_sleep(token, "nap", 0)
    db.wf_fail(token, 1, step="f", delay=0)
    db.wf_step("w1", "by hand", 3)
    db.wf_begin("w1", "begun by hand")
    assert db.rows("SELECT name, attempt, worker FROM wf_steps") == [
        ("a", 1, "ann"), ("kid", 1, "ann"), ("f", 2, "bob"), ("b", 2, "bob"), ("nap", 2, "bob"), ("by hand", None, None), ("begun by hand", None, None)]


def test_a_step_recorded_where_half_of_the_lease_is_over_or_a_trigger_watches_says_it_too(db):
    db.at(0)
    token = db.running(worker="ann", lease=10)["token"]
    db.at(8)
    db.wf_step(token, "late", 1)
    db.execute("CREATE TRIGGER watch AFTER INSERT ON _wf_step BEGIN SELECT 1; END")
    db.wf_step(token, "watched", 1)
    db.wf_cancel("w1")
    db.wf_step(token, "after the cancel", 1)
    assert db.rows("SELECT name, attempt, worker FROM wf_steps") == [("late", 1, "ann"), ("watched", 1, "ann"), ("after the cancel", 1, "ann")]


def test_what_has_ended_a_wait(db):
    db.at(0)
    db.wf_start("job", id="w1")
    for n in range(2):
        db.wf_signal("w1", "go")
    db.wf_sleep("w1", "timer", 0)
    db.wf_await("w1", "signal", '["stop","go"]')
    db.wf_await("w1", "late", "never", 0)
    db.wf_emit("day")
    db.wf_await_event("w1", "event", "day")
    db.wf_spawn("w1", "kid", "child")
    db.wf_join("w1", "too late", timeout=0)
    db.wf_join("w1", "any too late", mode="any", timeout=0)
    db.wf_complete("w1/kid")
    db.wf_join("w1", "join")
    db.wf_step("w1", "step", '{"signal":"x"}')
    db.wf_signal("w1", "go")
    for step, waits, options in (("first signal", '[{"signal":"go"},{"event":"day"}]', {}), ("first event", '[{"event":"day"}]', {}), ("first sleep", '[{"sleep":0}]', {}),
                                 ("first join", '[{"join":["w1/kid"]}]', {}), ("all", '[{"event":"day"},{"sleep":0}]', {"mode": "all"})):
        db.wf_wait_any("w1", step, waits, None, **options)
    db.wf_wait_any("w1", "none", '[{"signal":"never"}]', 0)
    db.wf_wait_any("w1", "not all", '[{"signal":"never"},{"event":"day"}]', 0, mode="all")
    db.wf_sleep("w1", "moved", 100)
    assert db.record("SELECT ended_by, begun_at FROM wf_steps WHERE name = 'moved'") == {"ended_by": None, "begun_at": sql_time(0)}
    db.wf_reschedule("w1")
    db.wf_sleep("w1", "moved", 100)
    assert dict(db.rows("SELECT name, ended_by FROM wf_steps")) == {
        "timer": "timer", "signal": "signal go", "late": "timeout", "event": "event day", "kid": None, "too late": "timeout", "any too late": "timeout",
        "join": "join", "step": None, "moved": "rescheduled",
        "first signal": "signal go", "first event": "event day", "first sleep": "timer", "first join": "join", "all": "all", "none": "timeout", "not all": "timeout"}
    for damage in ("{", "[", "x", '["x"]', "[7,{},null]", '{"signal":{}}', "7", b"\x00", 7, None):
        db.execute("UPDATE _wf_step SET output = ?", (damage,))
        db.rows("SELECT ended_by FROM wf_steps")


def test_when_each_attempt_was_claimed(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=9)
    assert db.workflow()["attempt_at"] is None
    db.at(1)
    db.wf_fail(db.claim(None, "ann")["token"], 1, delay=4)
    db.at(5)
    token = db.claim(None, "bob", lease=10)["token"]
    db.at(6)
    db.wf_sleep(token, "nap", 2)
    db.at(8)
    db.claim(None, "bob", lease=10)                       # goes on with the attempt
    assert db.workflow()["attempt_at"] == sql_time(5)
    db.at(30)
    db.claim(None, "cid", lease=10)
    assert db.workflow()["attempt_at"] == sql_time(30)
    db.at(50)
    db.wf_fail("w1", 2)                                   # ends the lost claim; nobody had claimed what fails
    assert db.rows("SELECT attempt, worker, claimed_at FROM wf_failures") == [
        (1, "ann", sql_time(1)), (2, "bob", sql_time(5)), (3, "cid", sql_time(30)), (3, None, None)]


def test_it_all_moves_to_another_file_and_into_a_fork(db, tmp_path):
    from support import open_database

    token = db.running(worker="ann")["token"]
    db.wf_step(token, "a", 1)
    db.wf_fail(token, 1, delay=0)
    db.wf_fork("w1", id="copy")
    assert db.rows("SELECT seq, name, attempt, worker FROM wf_steps WHERE workflow_id = 'copy'") == [(1, "a", 1, "ann")]
    db.wf_pause("w1")
    there = open_database(tmp_path / "there.db")
    there.wf_start("job")
    there.wf_import(db.wf_export("w1"))
    for query in ("SELECT seq, name, attempt, worker FROM wf_steps WHERE workflow_id = 'w1'", "SELECT * FROM wf_failures WHERE workflow_id = 'w1'",
                  "SELECT attempt_at FROM wf_workflows WHERE id = 'w1'"):
        assert there.rows(query) == db.rows(query) != []
    there.wf_import(db.wf_export("w1"))
    assert there.wf_check() is None
    there.close()
