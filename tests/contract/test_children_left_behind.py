"""A child that cannot be ended with its parent: the parent's end stands, the child is noted, nobody's to claim, and ended later."""

import json
import sqlite3
import sys

import pytest
from support import BASE, wf_error

ACTIONS = ["ABORT, 'no such luck'", "FAIL, 'no such luck'", "ROLLBACK, 'no such luck'", "IGNORE"]


@pytest.fixture
def still(db):
    db.at(0)
    db.wf_init()
    return db


def refuse(db, action="ABORT, 'no such luck'", when="new.id = 'p/t'"):
    db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON _wf_workflow WHEN %s BEGIN SELECT raise(%s); END" % (when, action))


def family(db, **options):
    """A parent, and children of which `t` is the bad one and has a child of its own."""
    token = db.running("p", **options)["token"]
    for step in "atz":
        db.wf_spawn(token, step, "job")
    db.wf_spawn("p/t", "kid", "job")
    return token


def reason(db, id="p/t"):
    return db.value("SELECT reason FROM wf_pending WHERE id = ?", id)


ENDS = {
    "cancel": (lambda db, token: db.wf_cancel("p"), "cancelled"),
    "cancel of many": (lambda db, token: db.wf_cancel('["p"]'), "cancelled"),
    "force": (lambda db, token: db.wf_cancel("p", None, force=True), "cancelled"),
    "fail": (lambda db, token: db.wf_fail(token, "broken", retry=False), "failed"),
    "timeout": (lambda db, token: (db.at(20), db.wf_tick()), "failed"),
    "timeout met by a claim": (lambda db, token: (db.at(20), db.claim("none")), "failed"),
    "poison": (lambda db, token: (db.at(35), db.wf_tick()), "failed"),
    "resolve": (lambda db, token: (db.wf_begin(token, "b"), db.at(31), db.wf_resolve("p", "b", "failed")), "failed"),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("end", ENDS)
def test_the_parents_end_stands(still, end, action):
    act, status = ENDS[end]
    token = family(still, max_attempts=1, **({"timeout": 10} if "timeout" in end else {}))
    refuse(still, action)
    act(still, token)
    assert [still.wf_status(id) for id in ("p", "p/a", "p/t", "p/t/kid", "p/z")] == [status, "cancelled", "pending", "cancelled", "cancelled"]
    assert reason(still).startswith("failed 1 time, next try")
    assert (still.claim(), still.wf_ready(), still.wf_wait(0), still.wf_check()) == (None, 0, 0, None)
    assert (still.in_transaction, "p/t" in str(still.rows("SELECT * FROM wf_doctor"))) == (False, True)
    # It is tried again, with a growing pause, and nobody's to claim meanwhile.
    begun = still.value("SELECT at FROM _wf_trouble") / 1000 - BASE
    for after, tries in ((1, "failed 2 times"), (3, "failed 3 times"), (7, "failed 4 times")):
        still.at(begun + after)
        assert (still.wf_ready(), still.wf_wait(0), still.claim(), still.wf_wait(0), reason(still)[:14]) == (0, 1, None, 0, tries)
    still.execute("DROP TRIGGER refuse")
    still.at(begun + 15)
    assert (still.wf_wait(0), still.wf_ready(), still.wf_tick(), still.wf_status("p/t")) == (1, 0, 0, "cancelled")
    assert json.loads(still.wf_error("p/t")) == {"code": "parent", "message": "its parent has ended", "parent": "p"}
    assert (still.rows("SELECT * FROM _wf_trouble"), still.wf_wait(0), still.claim(), still.wf_check()) == ([], 0, None, None)


@pytest.mark.parametrize("call", ["wf_claim()", "wf_tick()", "wf_run()"])
def test_whoever_does_what_is_due_ends_it(still, call):
    family(still)
    refuse(still)
    still.wf_cancel("p")
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    still.value("SELECT " + call)
    assert (still.wf_status("p/t"), still.rows("SELECT * FROM _wf_trouble")) == ("cancelled", [])


def test_who_claims_it_by_its_id_hears_why_and_ends_it_once_that_is_possible(still):
    family(still)
    refuse(still)
    still.wf_cancel("p")
    with pytest.raises(Exception, match="no such luck"):
        still.claim(None, None, id="p/t")
    assert (still.wf_status("p/t"), reason(still)[:13]) == ("pending", "failed 1 time")
    still.execute("DROP TRIGGER refuse")
    with wf_error("WF_CANCELLED"):
        still.claim(None, None, id="p/t")
    assert (still.wf_status("p/t"), still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ("cancelled", [], None)


def test_what_it_starts_meanwhile_ends_with_it(still):
    token = still.running("p")["token"]
    still.wf_spawn(token, "t", "job")
    child = still.claim()
    refuse(still)
    still.wf_cancel("p")
    still.execute("DROP TRIGGER refuse")
    still.wf_spawn(child["token"], "late", "job")
    still.at(1)
    assert (still.claim(), still.wf_status("p/t"), still.wf_status("p/t/late")) == (None, "cancelled", "cancelled")
    with wf_error("WF_CANCELLED"):
        still.wf_heartbeat(child["token"])


def test_one_that_has_come_to_its_own_end_meanwhile_is_left_alone(still):
    token = still.running("p")["token"]
    still.wf_spawn(token, "t", "job")
    child = still.claim()
    refuse(still)
    still.wf_cancel("p")
    still.execute("DROP TRIGGER refuse")
    still.wf_complete(child["token"], 1)
    still.at(1)
    still.wf_tick()
    assert (still.wf_status("p/t"), still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ("completed", [], None)


def test_a_force_that_comes_later_is_kept(still):
    token = still.running("p", cleanup=True)["token"]
    still.wf_spawn(token, "t", "job", cleanup=True)
    refuse(still)
    still.wf_cancel("p")
    still.wf_cancel("p", None, force=True)
    still.execute("DROP TRIGGER refuse")
    still.at(10)
    still.wf_tick()
    assert (still.wf_status("p"), still.wf_status("p/t"), still.wf_check()) == ("cancelled", "cancelled", None)


def test_a_child_with_a_cleanup_of_its_own_begins_that(still):
    token = still.running("p")["token"]
    still.wf_spawn(token, "t", "job", cleanup=True)
    refuse(still)
    still.wf_cancel("p")
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    claim = still.claim()
    assert (claim["id"], claim["ending"], still.wf_check()) == ("p/t", "cancelled", None)
    still.wf_complete(claim["token"])
    assert still.wf_status("p/t") == "cancelled"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_parent_that_begins_anew_leaves_it_behind_too(still, action):
    token = family(still)
    refuse(still, action)
    still.wf_continue(token)
    assert (still.wf_status("p"), still.wf_status("p/t"), still.wf_status("p/z"), reason(still)[:13]) == ("pending", "pending", "cancelled", "failed 1 time")
    assert (still.claim()["id"], still.claim()) == ("p", None)
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    assert (still.claim(), still.wf_status("p/t"), still.wf_status("p"), still.wf_check()) == (None, "cancelled", "running", None)


@pytest.mark.parametrize("action", ACTIONS)
def test_steps_that_are_dropped_leave_it_behind_too(still, action):
    still.wf_fail(family(still), "broken", retry=False)
    for id in ("p/t", "p/t/kid"):
        still.wf_retry(id)
    refuse(still, action)
    assert still.wf_retry("p", **{"from": "a"}) == 1
    assert (still.wf_status("p"), still.wf_status("p/t"), still.wf_status("p/t/kid")) == ("pending", "pending", "cancelled")
    assert (still.claim()["id"], still.claim()) == ("p", None)
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    assert (still.claim(), still.wf_status("p/t"), still.wf_error("p/t"), still.wf_check()) == (None, "cancelled", None, None)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_script_fails_although_a_child_of_it_cannot_be_ended(still, action):
    bad = {"name": "bad", "after": [], "sql": "SELECT abs(-9223372036854775808)", "max_attempts": 1}
    still.wf_define("s", {"steps": [{"name": "t", "task": "q"}, bad]})
    still.wf_start("s", id="p")
    refuse(still, action)
    still.wf_run()
    assert (still.wf_status("p"), still.wf_status("p/t"), still.claim("q")) == ("failed", "pending", None)
    still.execute("DROP TRIGGER refuse")
    still.at(1)
    still.wf_tick()
    assert (still.wf_status("p/t"), still.wf_check()) == ("cancelled", None)


def test_inside_a_statement_that_writes_the_end_is_refused_as_a_whole(still):
    family(still)
    refuse(still)
    still.execute("CREATE TABLE app(v)")
    with pytest.raises(Exception, match="no such luck"):
        still.execute("INSERT INTO app SELECT wf_cancel('p')")
    assert (still.value("SELECT count(*) FROM app"), still.in_transaction) == (0, False)


def test_in_a_transaction_of_the_application_a_rollback_is_the_triggers_will(still):
    family(still)
    refuse(still, "ROLLBACK, 'no such luck'")
    still.execute("BEGIN")
    with pytest.raises(Exception, match="no such luck"):
        still.wf_cancel("p")
    assert (still.in_transaction, still.wf_status("p")) == (False, "running")
    still.wf_cancel("p")
    assert (still.wf_status("p"), still.wf_status("p/z")) == ("cancelled", "cancelled")


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 39), reason="before 3.39 SQLite reads nothing of a row that is longer than its limit")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3.Connection.setlimit is new in Python 3.11")
def test_a_child_whose_row_is_too_long_for_this_connection_is_ended_by_another(still):
    token = still.running("p")["token"]
    still.wf_spawn(token, "t", "job", ["i" * 1000], headers={"h": "h" * 3000})
    still.wf_spawn(token, "z", "job")
    was = still.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 3500)
    still.wf_cancel("p")
    assert [still.wf_status(id) for id in ("p", "p/z")] == ["cancelled", "cancelled"]
    assert (still.claim(), still.wf_wait(0)) == (None, 0)
    still.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, was)
    assert (still.wf_status("p/t"), still.claim(), reason(still)[:13]) == ("pending", None, "failed 1 time")
    still.at(1)
    still.wf_tick()
    assert (still.wf_status("p/t"), still.rows("SELECT * FROM _wf_trouble"), still.wf_check()) == ("cancelled", [], None)


def test_a_retry_with_its_children_takes_one_that_was_left_behind_along(still):
    """It is no longer to end: it goes on with its parent, as its brothers do, and is offered again."""
    token = family(still)
    refuse(still)
    still.wf_fail(token, "broken", retry=False)
    still.execute("DROP TRIGGER refuse")
    assert still.wf_retry("p", {"children": "failed"})
    still.at(60)
    still.wf_tick()
    assert [still.wf_status(id) for id in ("p", "p/a", "p/t", "p/z")] == ["pending"] * 4
    assert (still.wf_ready(), still.wf_check()) == (5, None)


def test_a_pause_holds_it_until_it_is_resumed(still):
    """Also that of wf_recover: a backup that was restored does nothing before somebody has looked."""
    family(still)
    refuse(still)
    still.wf_cancel("p")
    still.execute("DROP TRIGGER refuse")
    still.wf_recover(pause=True)
    still.at(60)
    assert (still.claim(), still.wf_tick(), still.wf_run(), still.wf_wait(0)) == (None, 0, 0, 0)
    with wf_error("WF_PAUSED"):
        still.claim(None, None, id="p/t")
    assert (still.wf_status("p/t"), reason(still), still.wf_check()) == ("paused", "paused", None)
    still.wf_resume("p/t")
    assert (still.wf_wait(0), still.claim(), still.wf_status("p/t"), still.wf_check()) == (1, None, "cancelled", None)


def test_a_scripted_one_is_held_by_a_pause_too(still):
    still.wf_define("s", {"steps": [{"name": "t", "start": "kid"}, {"name": "z", "sql": "SELECT 1"}]})
    still.wf_define("kid", {"steps": [{"name": "a", "await": "go"}]})
    still.wf_start("s", id="p")
    still.wf_run()
    refuse(still)
    still.wf_cancel("p")
    still.execute("DROP TRIGGER refuse")
    still.wf_recover(pause=True)
    still.at(60)
    assert (still.wf_run(), still.wf_run(id="p/t"), still.wf_status("p/t")) == (0, 0, "paused")
    still.wf_resume("p/t")
    still.wf_tick()
    assert (still.wf_status("p/t"), still.wf_check()) == ("cancelled", None)


@pytest.mark.parametrize("force", [False, True])
def test_one_that_moves_to_another_file_is_still_to_be_ended_there(still, connect, tmp_path, force):
    token = still.running("p", cleanup=True)["token"]
    still.wf_spawn(token, "t", "job", cleanup=True)
    still.wf_step("p/t", "a", 1)
    refuse(still)
    still.wf_cancel("p", None, force=force)
    document = still.wf_export("p/t")
    assert json.loads(document)["workflow"]["ends"] == 1 + force
    there = connect(tmp_path / "there.db")
    there.at(0)
    assert (there.wf_import(document), there.wf_import(document)) == ("p/t", "p/t")
    assert json.loads(there.wf_export("p/t"))["workflow"]["ends_reason"] == json.loads(document)["workflow"]["ends_reason"]
    assert (there.wf_tick(), there.claim(), there.wf_status("p/t"), there.wf_check()) == (0, None, "paused", None)
    there.wf_resume("p/t")
    there.wf_tick()
    ended = ("cancelled", None) if force else ("pending", "cancelled")
    assert there.rows("SELECT status, ending FROM wf_workflows") == [ended]
    assert (there.rows("SELECT * FROM _wf_trouble"), there.wf_check()) == ([], None)
    assert json.loads(there.workflow("p/t")["error"])["code"] == "parent"


@pytest.mark.parametrize("ends, reason", [(0, None), (3, None), ("1", None), (None, '{"a":1}'), (1, "no JSON"), (1, 5)])
def test_a_foreign_document_that_ends_in_another_way_is_refused(still, connect, tmp_path, ends, reason):
    still.wf_start("job", id="w")
    document = json.loads(still.wf_export("w"))
    document["workflow"].update({"ends": ends, "ends_reason": reason})
    there = connect(tmp_path / "there.db")
    with wf_error("WF_INVALID"):
        there.wf_import(document)
    assert there.value("SELECT count(*) FROM wf_workflows") == 0


def test_what_has_ended_is_not_to_be_ended_in_another_file(still, connect, tmp_path):
    still.wf_start("job", id="w")
    still.wf_complete("w")
    document = json.loads(still.wf_export("w"))
    document["workflow"]["ends"] = 1
    with wf_error("WF_INVALID", "contradicts itself"):
        connect(tmp_path / "there.db").wf_import(document)
