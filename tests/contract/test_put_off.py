"""One bad item never holds up the rest: what fails when its time has come is noted, put off with a growing pause, and tried again."""

import json
import sqlite3
import sys

import pytest
from support import BASE, sql_time, wf_error


@pytest.fixture
def still(db):
    db.at(0)
    db.wf_init()
    return db


def refuse(db, when="new.id = 't'", error="raise(ABORT, 'no such luck')", of="UPDATE"):
    db.execute("CREATE TRIGGER refuse BEFORE %s ON _wf_workflow WHEN %s BEGIN SELECT %s; END" % (of, when, error))


def reason(db, id="t"):
    return db.value("SELECT reason FROM wf_pending WHERE id = ?", id)


def test_a_timeout_that_cannot_be_written_holds_up_no_queue(still):
    still.wf_start("job", id="t", timeout=1, queue="other")
    still.wf_start("job", id="e1")
    still.wf_define("s", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    still.wf_start("s", id="s1")
    refuse(still)
    still.at(2)
    assert (still.wf_tick(), still.wf_run(), still.claim()["id"], still.claim("other")) == (0, 1, "e1", None)
    assert (still.wf_status("t"), still.wf_status("s1"), still.wf_check()) == ("pending", "completed", None)


@pytest.mark.parametrize("error", ["raise(ABORT, 'x')", "raise(FAIL, 'x')", "abs(-9223372036854775808)", "json('{')", "zeroblob(2000000000)"])
def test_whatever_is_wrong_with_it(still, error):
    still.wf_start("job", id="t", timeout=1)
    still.wf_start("job", id="e1")
    refuse(still, error=error)
    still.at(2)
    assert (still.claim()["id"], still.claim(), still.wf_wait(0)) == ("e1", None, 0)


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 39), reason="before 3.39 SQLite reads nothing of a row that is longer than its limit")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3.Connection.setlimit is new in Python 3.11")
def test_a_row_longer_than_this_connection_may_write_holds_up_nothing(still):
    still.wf_start("job", ["i" * 1000], id="t", timeout=1, headers={"h": "h" * 3000})
    still.wf_start("job", id="e1")
    still.at(2)
    still.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 3500)
    assert still.wf_tick() == 0
    assert (still.claim()["id"], still.claim(), still.wf_wait(0), still.wf_run()) == ("e1", None, 0, 0)
    assert "too long for this connection" in reason(still)
    assert still.rows("SELECT * FROM _wf_trouble") == []


def test_a_poison_rule_that_violates_a_constraint_hides_nothing(still):
    still.running("t", max_attempts=1)
    still.wf_start("job", id="e1", delay=60)
    still.execute("CREATE TABLE audit(id TEXT PRIMARY KEY, status TEXT CHECK (status <> 'failed'))")
    still.execute("CREATE TRIGGER audit AFTER UPDATE OF status ON _wf_workflow BEGIN INSERT OR REPLACE INTO audit VALUES(new.id, new.status); END")
    still.at(61)
    assert still.claim()["id"] == "e1"
    assert (still.claim(), still.wf_wait(0), still.wf_ready(), still.wf_pending()) == (None, 0, 0, 2)
    assert "CHECK constraint failed" in reason(still)
    assert still.value("SELECT ready FROM wf_pending WHERE id = 't'") == 0
    still.execute("DROP TRIGGER audit")
    still.at(62)
    assert (still.wf_wait(0), still.wf_tick(), still.wf_status("t"), still.wf_wait(0)) == (1, 1, "failed", 0)
    assert still.wf_check() is None


def test_a_lost_lease_that_cannot_be_ended_by_wf_tick_is_noted_too(still):
    still.running("t", max_attempts=1)
    refuse(still)
    still.at(31)
    assert (still.wf_tick(), still.wf_tick()) == (0, 0)
    assert reason(still) == "failed 1 time, next try %s: no such luck" % sql_time(32)


def test_a_claim_that_cannot_be_written_hides_nothing_behind_it(still):
    still.wf_start("job", id="t", priority=5)
    still.wf_start("job", id="e1")
    refuse(still)
    assert (still.wf_wait(0), still.claim()["id"], still.claim(), still.wf_wait(0)) == (1, "e1", None, 0)


def test_a_wait_that_cannot_be_decided_hides_nothing(still):
    still.wf_start("job", id="t", priority=5)
    still.wf_sleep("t", "nap", 10)
    still.wf_start("job", id="e1", delay=10)
    still.execute("CREATE TRIGGER refuse BEFORE UPDATE ON _wf_step WHEN new.name = 'nap' BEGIN SELECT raise(ABORT, 'no'); END")
    still.at(11)
    assert (still.claim()["id"], still.claim(), still.wf_wait(0), reason(still)[:6]) == ("e1", None, 0, "failed")


@pytest.mark.parametrize("kind", ["claims", "limits", "rates", "partitions"])
def test_every_way_to_look_for_work_passes_over_it(still, kind):
    if kind == "limits":
        still.wf_queue("default", concurrency=10, hold="started")
    if kind == "rates":
        still.wf_queue("default", rate={"limit": 1, "per": 3600})
        still.running("r1")
    if kind == "partitions":
        still.wf_queue("default", partition_concurrency=1, hold="started")
    partition = {"partition": "p"} if kind == "partitions" else {}
    for id in ("t", "e1"):
        still.wf_start("job", id=id, **partition)
        if kind in ("limits", "partitions") and id == "t" or kind == "rates":
            still.wf_sleep(id, "nap", 1)
    if kind == "limits":
        still.wf_queue("default", concurrency=0)
    refuse(still)
    still.at(2)
    claims = [still.claim() for _ in range(3)]
    assert "t" not in [c["id"] for c in claims if c]
    assert still.wf_wait(0) == 0
    assert reason(still)[:6] in ("failed", "concur", "rate l", "partit") and still.wf_check() is None


def test_many_that_fail_in_as_many_lanes(still):
    """More lanes than a claim puts right at once, with nothing in them but what is put off."""
    for n in range(100):
        still.wf_start("job%d" % n, id="t%d" % n, partition="p%d" % (n % 50), priority=1)
    still.wf_start("job", id="e1")
    refuse(still, "new.id GLOB 't*'")
    assert (still.claim()["id"], still.claim(), still.wf_wait(0)) == ("e1", None, 0)
    assert still.value("SELECT count(*) FROM wf_pending WHERE reason LIKE 'failed 1 time,%'") == 100
    still.at(1.5)
    assert (still.wf_wait(0), still.claim(), still.claim(), still.wf_wait(0)) == (1, None, None, 0)
    assert still.value("SELECT count(*) FROM wf_pending WHERE reason LIKE 'failed 2 times,%'") == 100
    still.execute("DROP TRIGGER refuse")
    still.at(4)
    assert len(json.loads(still.wf_claim(None, None, limit=200))) == 100
    assert still.wf_check() is None


@pytest.mark.parametrize("settings", [{}, {"partition_concurrency": 1}])
def test_a_lane_that_moves_while_all_that_is_due_in_it_is_put_off(still, settings):
    """Starts, ends and claims of its partition know nothing of what is put off: the next claim looks past it all the same."""
    still.wf_queue("default", **settings)
    still.wf_start("job", id="t", partition="p")
    still.wf_start("job", id="e0", partition="q", delay=60)
    refuse(still)
    assert (still.claim(), still.wf_wait(0), still.wf_ready()) == (None, 0, 0)
    for n in (1, 2, 3):
        still.wf_start("job", id="e%d" % n, partition="p")
        claim = still.claim()
        assert (claim["id"], still.claim(), still.wf_wait(0), still.wf_ready()) == ("e%d" % n, None, 0, 0)
        still.wf_complete(claim["token"])
        assert (still.wf_wait(0), still.claim(), still.wf_check()) == (0, None, None)
    assert reason(still).startswith("failed 1 time")
    still.at(1)
    assert (still.wf_wait(0), still.claim(), reason(still)[:14]) == (1, None, "failed 2 times")
    still.execute("DROP TRIGGER refuse")
    still.at(3)
    assert (still.wf_wait(0), still.claim()["id"], still.wf_check()) == (1, "t", None)


def test_where_nothing_is_put_off_hardly_anyone_asks(still):
    """A claim asks once, with the timeouts and schedules that are due; starts, steps and ends, which move lanes, do not ask."""
    still.wf_queue("default", partition_concurrency=5)
    assert still.claim() is None  # the first of a connection is never the plain one
    assert still.claim() is None  # in vain: so the next does not first try whether it is plain, and ask for that
    still.wf_start("job", id="w", partition="p")
    asked = []
    still.set_trace_callback(lambda sql: asked.append(sql) if "_wf_trouble" in sql else None)
    token = still.claim()["token"]
    assert len(asked) == 1
    asked.clear()
    still.wf_start("job", id="v", partition="p")
    still.wf_step(token, "a", 1)
    still.wf_complete(token)
    still.set_trace_callback(None)
    assert asked == []


def test_of_a_claim_of_many_the_bad_ones_are_missing(still):
    for n in range(20):
        still.wf_start("job", id="%s%d" % ("t" if n % 2 else "e", n))
    refuse(still, "new.id GLOB 't*'")
    claims = json.loads(still.wf_claim(None, None, limit=15))
    assert [c["id"] for c in claims] == ["e%d" % n for n in range(0, 20, 2)]


def test_the_pause_grows_and_is_never_longer_than_five_minutes(still):
    still.wf_start("job", id="t", timeout=1)
    refuse(still)
    now, pauses = 2, []
    for n in range(12):
        still.at(now)
        assert (still.wf_wait(0), still.wf_tick(), still.wf_wait(0)) == (1, 0, 0)
        assert reason(still).startswith("failed %d time" % (n + 1))
        ((at, next_at),) = still.rows("SELECT at, next_at FROM _wf_trouble")
        assert at == (BASE + now) * 1000
        pauses.append((next_at - at) / 1000)
        still.at(now + pauses[-1] - 0.001)
        assert (still.wf_wait(0), still.wf_tick()) == (0, 0)
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert still.workflow("t")["deadline_at"] == sql_time(1)


def test_once_it_works_it_is_forgotten(still):
    still.wf_start("job", id="t", timeout=1)
    refuse(still)
    still.at(2)
    still.wf_tick()
    still.execute("DROP TRIGGER refuse")
    still.at(4)
    assert (still.wf_tick(), still.wf_status("t"), still.wf_tick()) == (1, "failed", 0)
    assert still.rows("SELECT * FROM _wf_trouble") == []


def test_who_names_it_hears_why_and_tries_at_once(still):
    still.wf_start("job", id="t")
    refuse(still)
    assert still.claim() is None
    with pytest.raises(Exception, match="no such luck"):
        still.claim(None, None, id="t")
    assert reason(still)[:6] == "failed"
    still.execute("DROP TRIGGER refuse")
    assert still.claim(None, None, id="t")["id"] == "t"
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ([], None)
    still.at(30)
    assert still.wf_wait(0) == 1


@pytest.mark.parametrize("gone", ["wf_delete('t', '{\"force\":true}')", "wf_complete('t')", "wf_cancel('t')"])
def test_what_is_gone_by_other_means_leaves_nothing(still, gone):
    still.wf_start("job", id="t")
    refuse(still)
    assert still.claim() is None
    still.execute("DROP TRIGGER refuse")
    still.value("SELECT " + gone)
    still.at(2)
    still.wf_tick()
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ([], None)


def test_a_retried_one_begins_with_a_clean_sheet(still):
    still.wf_start("job", id="t")
    refuse(still)
    assert still.claim() is None
    still.execute("DROP TRIGGER refuse")
    still.wf_cancel("t")
    still.wf_retry("t")
    assert still.claim()["id"] == "t"


def test_a_schedule_is_put_off_by_the_same_rule(still):
    still.wf_schedule("t", "@every 10m", "job")
    still.wf_start("job", id="e1", delay=600)
    refuse(still, "new.id GLOB 't@*'", of="INSERT")
    still.at(600)
    assert (still.wf_tick(), still.claim()["id"], still.wf_wait(0)) == (0, "e1", 0)
    assert ("no such luck" in still.value("SELECT error FROM wf_schedules"), still.wf_check()) == (True, None)
    tries = []
    for at in (600.9, 601, 602.9, 603, 606.9, 607, 614.9, 615):
        still.at(at)
        tries.append((still.wf_wait(0), still.wf_tick(), still.value("SELECT tries FROM _wf_trouble")))
    assert tries == [(0, 0, 1), (1, 0, 2), (0, 0, 2), (1, 0, 3), (0, 0, 3), (1, 0, 4), (0, 0, 4), (1, 0, 5)]
    still.execute("DROP TRIGGER refuse")
    still.at(631)
    assert (still.wf_tick(), still.value("SELECT error FROM wf_schedules"), still.wf_check()) == (1, None, None)


def test_a_schedule_that_is_dropped_or_defined_anew_leaves_nothing(still):
    refuse(still, "new.id GLOB '?@*'", of="INSERT")
    for name in "ab":
        still.wf_schedule(name, "@every 10m", "job")
    still.at(600)
    assert (still.wf_tick(), still.value("SELECT count(*) FROM _wf_trouble")) == (0, 2)
    still.wf_unschedule("a")
    still.wf_schedule("b", "@every 10m", "other")
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ([], None)


def test_a_scripted_workflow_that_cannot_go_on_holds_up_no_other(still):
    still.wf_define("s", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    for id in ("t", "s1", "s2"):
        still.wf_start("s", id=id)
    refuse(still)
    assert (still.wf_run(), still.wf_status("s1"), still.wf_status("s2"), still.wf_status("t")) == (2, "completed", "completed", "pending")
    assert (still.wf_run(), reason(still)) == (0, "failed 1 time, next try %s: no such luck" % sql_time(1))
    still.execute("BEGIN")
    still.wf_start("s", id="s3")
    still.at(1)
    assert (still.wf_run(), still.wf_status("s3")) == (1, "completed")
    still.execute("COMMIT")
    assert reason(still)[:14] == "failed 2 times"
    with pytest.raises(Exception, match="no such luck"):
        still.wf_run(id="t")
    still.execute("DROP TRIGGER refuse")
    assert (still.wf_run(id="t"), still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == (1, [], None)


def test_the_error_is_kept_in_part_if_it_is_long(still):
    still.wf_start("job", id="t", timeout=1)
    still.execute("CREATE TABLE refused(x CONSTRAINT \"%s\" CHECK (x <> 1))" % ("\u00e9" * 400))
    still.execute("CREATE TRIGGER r AFTER UPDATE ON _wf_workflow BEGIN INSERT INTO refused VALUES(1); END")
    still.at(2)
    assert still.wf_tick() == 0
    assert 400 < len(still.value("SELECT CAST(error AS BLOB) FROM _wf_trouble")) <= 500
    assert "\u00e9" in reason(still)


def test_an_error_that_is_nobodys_fault_is_still_raised(still):
    """What stops the call stops it: nothing is held against the workflow."""
    still.wf_start("job", id="t", timeout=1)
    still.at(2)
    still.execute("PRAGMA query_only = ON")
    with pytest.raises(Exception, match="readonly|read-only|attempt to write"):
        still.wf_tick()
    still.execute("PRAGMA query_only = OFF")
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_tick()) == ([], 1)


@pytest.mark.parametrize("inline", [False, True])
def test_an_event_is_emitted_although_one_who_waits_cannot_be_woken(still, inline):
    """The fact stands and wakes all the others; the one whose row cannot be written is woken later."""
    for id in ("a", "t", "z"):
        still.wf_start("job", id=id)
        assert still.wf_await_event(id, "e", "paid") is None
    refuse(still)
    if inline:
        still.execute("CREATE TABLE bill(id)")
        still.execute("CREATE TRIGGER bill AFTER INSERT ON bill BEGIN SELECT wf_emit('paid', '1'); END")
        still.execute("INSERT INTO bill VALUES(1)")
    else:
        assert still.wf_emit("paid", 1) == 1
    assert still.value("SELECT count(*) FROM wf_events") == 1
    assert ({still.claim()["id"], still.claim()["id"]}, still.claim(), still.wf_wait(0)) == ({"a", "z"}, None, 0)
    assert reason(still).startswith("failed 1 time") and "no such luck" in reason(still)
    still.at(1)
    assert (still.wf_wait(0), still.claim(), still.wf_wait(0), reason(still)[:14]) == (1, None, 0, "failed 2 times")
    still.execute("DROP TRIGGER refuse")
    still.at(2.9)
    assert (still.wf_wait(0), still.claim()) == (0, None)
    still.at(3)
    claim = (still.wf_wait(0), still.claim())[1]
    assert (claim["id"], claim["wake"], json.loads(still.wf_await_event(claim["token"], "e", "paid"))["payload"]) == ("t", "event", 1)
    still.wf_complete(claim["token"])
    still.at(4)
    still.wf_tick()
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ([], None)


@pytest.mark.parametrize("end", ["wf_complete('kid')", "wf_cancel('kid')", "wf_delete('kid', '{\"force\":true}')"])
def test_a_workflow_ends_although_one_who_joins_it_cannot_be_woken(still, end):
    for id in ("kid", "a", "t"):
        still.wf_start("job", id=id)
    for id in ("t", "a"):
        assert still.wf_join(id, "j", ["kid"]) is None
    refuse(still)
    still.value("SELECT " + end)
    assert still.wf_status("kid") in ("completed", "cancelled", None)
    assert (still.claim()["id"], still.claim(), still.wf_wait(0)) == ("a", None, 0)
    assert reason(still).startswith("failed 1 time")
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    claim = (still.wf_wait(0), still.claim())[1]
    assert (claim["id"], claim["wake"]) == ("t", "join")
    assert json.loads(still.wf_join(claim["token"], "j", ["kid"]))[0]["id"] == "kid"
    assert still.wf_check() is None


def test_a_paused_one_that_could_not_be_woken_is_woken_too(still):
    still.wf_start("job", id="t")
    still.wf_await_event("t", "e", "paid")
    still.wf_pause("t")
    refuse(still)
    still.wf_emit("paid")
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    assert (still.wf_tick(), still.claim(), still.rows("SELECT * FROM _wf_trouble")) == (0, None, [])
    still.wf_resume("t")
    assert (still.claim()["id"], still.wf_check()) == ("t", None)


def test_an_event_that_cannot_be_recorded_is_still_an_error(still):
    still.wf_start("job", id="t")
    still.wf_await_event("t", "e", "paid")
    still.make("_wf_event")
    still.execute("CREATE TRIGGER refuse BEFORE INSERT ON _wf_event BEGIN SELECT raise(ABORT, 'no such luck'); END")
    with pytest.raises(Exception, match="no such luck"):
        still.wf_emit("paid")
    assert (still.rows("SELECT * FROM _wf_trouble"), still.claim()) == ([], None)


@pytest.mark.parametrize("limit", [{}, {"limit": 1}])
def test_a_purge_passes_over_what_cannot_be_deleted(still, limit):
    """Also where it comes first; once nothing else is left to do, the call says why."""
    for id in ("t", "a", "b"):
        still.wf_start("job", id=id)
        still.wf_complete(id)
    still.execute("CREATE TRIGGER keep BEFORE DELETE ON _wf_workflow WHEN old.id = 't' BEGIN SELECT raise(ABORT, 'kept by law'); END")
    still.at(100)
    assert sum(still.wf_purge(older_than=1, **limit) for _ in range(2 if limit else 1)) == 2
    with wf_error("WF_STATE", "'t'", "kept by law"):
        still.wf_purge(older_than=1, **limit)
    assert (still.column("SELECT id FROM wf_workflows"), still.wf_check()) == (["t"], None)
    still.execute("DROP TRIGGER keep")
    assert (still.wf_purge(older_than=1, **limit), still.wf_purge(older_than=1, **limit)) == (1, 0)


@pytest.mark.parametrize("limit", [{}, {"limit": 1}])
@pytest.mark.parametrize("action", ["ABORT, 'kept by law'", "FAIL, 'kept by law'", "IGNORE"])
def test_a_purge_of_events_passes_over_one_that_cannot_be_deleted(still, action, limit):
    for event in "tab":
        still.wf_emit(event)
    still.execute("CREATE TRIGGER keep BEFORE DELETE ON _wf_event WHEN old.name = 't' BEGIN SELECT raise(%s); END" % action)
    still.at(100)
    assert sum(still.wf_purge(older_than=1, events=True, **limit) for _ in range(2 if limit else 1)) == 2
    with wf_error("WF_STATE", "event 't'", "not written" if action == "IGNORE" else "kept by law"):
        still.wf_purge(older_than=1, events=True, **limit)
    assert still.column("SELECT name FROM wf_events") == ["t"]
    still.execute("DROP TRIGGER keep")
    assert (still.wf_purge(older_than=1, events=True, **limit), still.wf_purge(older_than=1, events=True, **limit)) == (1, 0)


def test_a_tree_with_a_child_that_cannot_be_deleted_stays_whole(still):
    still.wf_start("job", id="p")
    still.wf_spawn("p", "kid", "job")
    still.wf_start("job", id="a")
    for id in ("p/kid", "p", "a"):
        still.wf_complete(id)
    still.execute("CREATE TRIGGER keep BEFORE DELETE ON _wf_workflow WHEN old.id = 'p' BEGIN SELECT raise(ABORT, 'kept by law'); END")
    still.at(100)
    assert (still.wf_purge(older_than=1), still.column("SELECT id FROM wf_workflows ORDER BY id")) == (1, ["p", "p/kid"])


def test_what_is_left_of_a_deleted_workflow_and_cannot_be_cleared_away_keeps_nothing_else(still):
    for id in ("t", "a"):
        still.wf_start("job", id=id)
        still.wf_step(id, "s", 1)
        still.wf_complete(id)
    still.execute("CREATE TRIGGER keep BEFORE DELETE ON _wf_step WHEN old.wf = 1 BEGIN SELECT raise(ABORT, 'kept by law'); END")
    assert (still.wf_delete("t"), still.wf_delete("a")) == (1, 1)
    still.wf_tick()
    assert (still.value("SELECT count(*) FROM _wf_step"), still.value("SELECT count(*) FROM _wf_gone")) == (1, 1)
    still.execute("DROP TRIGGER keep")
    still.wf_tick()
    assert (still.value("SELECT count(*) FROM _wf_step"), still.value("SELECT count(*) FROM _wf_gone"), still.wf_check()) == (0, 0, None)


def test_one_that_is_woken_for_nothing_after_trouble_is_woken_once(still):
    """What it was to be woken for is no longer there: it waits on, and nobody spins."""
    still.wf_start("job", id="t")
    still.wf_await_event("t", "e", "paid")
    refuse(still)
    still.wf_emit("paid")
    still.execute("DROP TRIGGER refuse")
    still.execute("DELETE FROM _wf_event")
    still.at(5)
    assert [(still.wf_wait(0), still.claim()) for _ in range(2)] == [(1, None), (0, None)]
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_status("t"), still.wf_check()) == ([], "waiting", None)


ROLLBACK = "raise(ROLLBACK, 'no such luck')"


def test_a_timeout_that_rolls_everything_back_holds_up_no_queue(still):
    """Its note goes with the transaction, so it is made by itself, and the call begins anew."""
    for id in ("t", "t2"):
        still.wf_start("job", id=id, timeout=1, queue="other")
    still.wf_start("job", id="e1")
    still.wf_start("job", id="e2", timeout=1)
    still.wf_define("s", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    still.wf_start("s", id="s1")
    refuse(still, "new.id GLOB 't*'", ROLLBACK)
    still.at(2)
    assert (still.wf_tick(), still.wf_status("e2"), still.wf_run(), still.claim()["id"], still.claim("other"), still.wf_wait(0)) == (1, "failed", 1, "e1", None, 0)
    assert [reason(still, id)[:13] for id in ("t", "t2")] == ["failed 1 time"] * 2
    assert (still.wf_status("t"), still.wf_status("s1"), still.wf_check()) == ("pending", "completed", None)
    still.execute("DROP TRIGGER refuse")
    still.at(3)
    assert (still.wf_tick(), still.wf_status("t"), still.rows("SELECT * FROM _wf_trouble")) == (2, "failed", [])


@pytest.mark.parametrize("call", ["wf_claim()", "wf_tick()", "wf_run()"])
def test_each_call_gets_past_a_rollback(still, call):
    still.wf_start("job", id="t", timeout=1, queue="other")
    refuse(still, error=ROLLBACK)
    still.at(2)
    still.value("SELECT " + call)
    assert (reason(still)[:13], still.in_transaction) == ("failed 1 time", False)


def test_a_claim_that_rolls_everything_back_hides_nothing_behind_it(still):
    for n in range(3):
        still.wf_start("job", id="t%d" % n, priority=5)
    still.wf_start("job", id="e1")
    refuse(still, "new.id GLOB 't*'", ROLLBACK)
    assert (still.wf_wait(0), still.claim()["id"], still.claim(), still.wf_wait(0), still.wf_ready()) == (1, "e1", None, 0, 0)
    with pytest.raises(Exception, match="no such luck"):
        still.claim(None, None, id="t1")
    assert still.wf_check() is None


def test_a_schedule_that_rolls_everything_back_is_put_off(still):
    still.wf_schedule("t", "@every 10m", "job")
    still.wf_start("job", id="e1", delay=600)
    refuse(still, "new.id GLOB 't@*'", ROLLBACK, of="INSERT")
    still.at(600)
    assert (still.wf_tick(), still.claim()["id"], still.wf_wait(0)) == (0, "e1", 0)
    assert "no such luck" in still.value("SELECT error FROM wf_schedules")


def test_a_script_that_rolls_everything_back_holds_up_no_other(still):
    still.wf_define("s", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    for id in ("t", "s1"):
        still.wf_start("s", id=id)
    refuse(still, error=ROLLBACK)
    assert (still.wf_run(), still.wf_status("s1"), reason(still)[:13]) == (1, "completed", "failed 1 time")


@pytest.mark.parametrize("call", ["wf_claim()", "wf_tick()", "wf_run()"])
def test_in_a_transaction_of_the_application_a_rollback_is_the_triggers_will(still, call):
    still.execute("CREATE TABLE app(v)")
    still.wf_start("job", id="t", timeout=1)
    still.wf_start("job", id="e1")
    refuse(still, error=ROLLBACK)
    still.at(2)
    still.execute("BEGIN")
    still.execute("INSERT INTO app VALUES(1)")
    with pytest.raises(Exception, match="no such luck"):
        still.value("SELECT " + call)
    assert (still.in_transaction, still.value("SELECT count(*) FROM app")) == (False, 0)
    assert (still.claim()["id"], still.claim(), reason(still)[:13]) == ("e1", None, "failed 1 time")


def test_a_note_that_is_rolled_back_as_well_is_an_error(still):
    still.wf_start("job", id="t", timeout=1)
    refuse(still, error=ROLLBACK)
    still.make("_wf_trouble")
    still.execute("CREATE TRIGGER note BEFORE INSERT ON _wf_trouble BEGIN SELECT raise(ROLLBACK, 'nor this'); END")
    still.at(2)
    with pytest.raises(Exception, match="nor this"):
        still.wf_tick()
    assert not still.in_transaction


# One who cannot be woken, whatever its row does: nothing of what woke it is lost, and nobody else sleeps on.

WAKERS = {
    "event": ("await_event", "paid", "wf_emit('paid', '1')"),
    "signal": ("await", "go", "wf_signal('t', 'go', '1')"),
    "child": ("join", ["kid"], "wf_complete('kid', '1')"),
    "cancelled child": ("join", ["kid"], "wf_cancel('kid')"),
    "failed child": ("join", ["kid"], "wf_fail('kid', '\"x\"', '{\"retry\":false}')"),
    "deleted child": ("join", ["kid"], "wf_delete('kid', '{\"force\":true}')"),
}


@pytest.mark.parametrize("action", ["ABORT, 'no such luck'", "FAIL, 'no such luck'", "ROLLBACK, 'no such luck'", "IGNORE"])
@pytest.mark.parametrize("waker", WAKERS)
def test_one_who_cannot_be_woken_keeps_nothing_from_being_recorded(still, waker, action):
    kind, what, call = WAKERS[waker]
    still.wf_start("job", id="kid")
    for id in ("a", "t", "z"):
        still.wf_start("job", id=id)
        getattr(still, "wf_" + kind)(id, "w", what)
    refuse(still, error="raise(%s)" % action)
    still.value("SELECT " + call)
    others = set() if waker == "signal" else {"a", "z"}
    claims = [still.claim() for _ in range(4)]
    assert {c["id"] for c in claims if c} - {"kid"} == others
    assert (reason(still)[:13], still.wf_check(), still.in_transaction) == ("failed 1 time", None, False)
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    claim = (still.wf_wait(0), still.claim())[1]
    assert claim["id"] == "t" and getattr(still, "wf_" + kind)(claim["token"], "w", what) is not None
    still.wf_complete(claim["token"])
    still.at(3)
    still.wf_tick()
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ([], None)


@pytest.mark.parametrize("of", ["step", "workflow"])
@pytest.mark.parametrize("action", ["ABORT, 'no such luck'", "ROLLBACK, 'no such luck'", "IGNORE"])
@pytest.mark.parametrize("what", ["event", "child", "signal"])
def test_a_script_that_cannot_be_woken_keeps_nothing_from_being_recorded(still, what, action, of):
    step = {"event": {"name": "w", "await_event": "paid"}, "child": {"name": "w", "task": "q"}, "signal": {"name": "w", "await": "go"}}[what]
    still.wf_define("s", {"steps": [step]})
    for id in ("a", "t"):
        still.wf_start("s", id=id)
    still.wf_run()
    table, when = ("_wf_workflow", "new.id = 't'") if of == "workflow" else ("_wf_step", "new.wf = (SELECT seq FROM _wf_workflow WHERE id = 't')")
    still.execute("CREATE TRIGGER refuse BEFORE UPDATE ON %s WHEN %s BEGIN SELECT raise(%s); END" % (table, when, action))
    if what == "event":
        still.wf_emit("paid")
    elif what == "signal":
        for id in ("t", "a"):
            still.wf_signal(id, "go", 1)
    else:
        for _ in range(2):
            still.wf_complete(still.claim("q")["token"])
    still.wf_run()
    assert (still.wf_status("a"), still.wf_status("t"), reason(still)[:13]) == ("completed", "waiting", "failed 1 time")
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    assert still.wf_wait(0) == 1
    still.wf_run()
    assert (still.wf_status("t"), still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ("completed", [], None)


def test_many_who_roll_everything_back_keep_nobody_asleep(still):
    for n in range(20):
        still.wf_start("job", id="%s%d" % ("t" if n % 2 else "e", n))
        still.wf_await_event("%s%d" % ("t" if n % 2 else "e", n), "w", "paid")
    refuse(still, "new.id GLOB 't*'", ROLLBACK)
    still.wf_emit("paid")
    assert still.value("SELECT count(*) FROM _wf_trouble") == 10
    assert len([c for c in (still.claim() for _ in range(20)) if c]) == 10
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    assert len([c for c in (still.claim() for _ in range(20)) if c]) == 10
    assert still.wf_check() is None


def test_inside_a_statement_that_writes_a_rollback_is_the_triggers_will(still):
    still.wf_start("job", id="t")
    still.wf_await_event("t", "w", "paid")
    refuse(still, error=ROLLBACK)
    still.execute("CREATE TABLE bill(x)")
    with pytest.raises(Exception, match="no such luck|abort due to ROLLBACK"):
        still.execute("INSERT INTO bill SELECT wf_emit('paid')")
    assert (still.value("SELECT count(*) FROM bill"), still.value("SELECT count(*) FROM wf_events"), still.in_transaction) == (0, 0, False)


def test_what_is_put_off_is_in_the_depth_of_its_queue(still):
    """Also where claims have met nothing else in its lane, and it says when it is tried again: nothing stuck is hidden from who looks at wf_queues."""
    for i in range(3):
        still.wf_start("job", id="t%d" % i, version=str(i))
    still.wf_start("job", id="f", queue="other")
    depths = "SELECT queue, depth, oldest_due_at FROM wf_queues ORDER BY queue"
    expected = [("default", 3, sql_time(0)), ("other", 1, sql_time(0))]
    assert still.rows(depths) == expected
    refuse(still, "new.id LIKE 't%'")
    assert still.claim() is None
    assert still.rows(depths) == expected
    still.wf_start("job", id="e", priority=-1)
    assert still.claim()["id"] == "e"
    assert still.value("SELECT count(*) FROM _wf_lane WHERE next_due > ?", BASE * 1000) == 3
    assert still.rows(depths) == expected
