"""What this connection cannot take: an input that is too long for it is passed over, and steps never are the reason."""

import json
import sqlite3

import pytest

needs_setlimit = pytest.mark.skipif(not hasattr(sqlite3.Connection, "setlimit"), reason="no setlimit in this Python")
reads_long_rows = pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 39), reason="before 3.39 SQLite reads nothing of a row that is longer than its limit")


@pytest.fixture
def low(connect):
    def make(encoding="UTF-8", **options):
        db = connect(":memory:")
        db.execute("PRAGMA encoding = '%s'" % encoding)
        db.wf_start("job", json.dumps("x" * 600_000), id="long", **options)
        db.wf_start("job", b"x" * 300_000, id="hex", **options)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 500_000)
        return db
    return make


@needs_setlimit
@reads_long_rows
@pytest.mark.parametrize("options", [{}, {"partition": "p"}])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_an_input_that_is_too_long_blocks_nothing_behind_it(low, encoding, options):
    db = low(encoding, **options)
    db.wf_start("job", id="short", **options)
    assert (db.wf_ready(), db.wf_wait(0)) == (1, 1)
    assert db.claim()["id"] == "short"
    assert (db.claim(), db.wf_ready(), db.wf_wait(0)) == (None, 0, 0)
    assert dict(db.rows("SELECT id, reason FROM wf_pending WHERE NOT ready AND status = 'pending'")) == dict.fromkeys(
        ["long", "hex"], "its input is too long for this connection (SQLITE_LIMIT_LENGTH)")


@needs_setlimit
@reads_long_rows
def test_another_connection_takes_it(low):
    db = low()
    assert db.claim() is None
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000_000)
    assert [claim["id"] for claim in db.claim(None, None, limit=2)] == ["long", "hex"]


@needs_setlimit
@reads_long_rows
def test_forty_of_them_block_nothing(low):
    db = low()
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000_000)
    for n in range(40):
        db.wf_start("job", json.dumps("x" * 10_000), id="w%d" % n, partition="p%d" % n)
    db.wf_start("job", id="short")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 9_000)
    assert db.claim()["id"] == "short"


@needs_setlimit
def test_recorded_steps_are_never_the_reason(db):
    token = db.running()["token"]
    for i in range(4):
        db.wf_step(token, "s%d" % i, json.dumps("x" * 300_000))
    db.wf_release(token)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    claim = db.claim(steps=True)
    assert (sorted(db.outputs(claim)), claim["steps_more"]) == (["s0", "s1", "s2"], True)


def test_steps_are_bounded_and_it_is_told(db):
    token = db.running()["token"]
    for i in range(5):
        db.wf_step(token, "s%d" % i, json.dumps("x" * 2_000_000))
    db.wf_release(token)
    claim = db.claim(steps=True)
    assert (sorted(db.outputs(claim)), claim["steps_more"]) == (["s0", "s1", "s2", "s3"], True)


def test_all_steps_are_there_and_it_is_told(db):
    token = db.running()["token"]
    db.wf_step(token, "s", "1")
    db.wf_release(token)
    assert (claim := db.claim(steps=True)) and (db.outputs(claim), claim["steps_more"]) == ({"s": 1}, False)


MET = "it has a value that is too long for this connection (SQLITE_LIMIT_LENGTH)"
INPUT = "its input is too long for this connection (SQLITE_LIMIT_LENGTH)"
LONG = json.dumps("x" * 600_000)


def with_headers(db, id):
    db.wf_start("job", id=id, headers={"h": "x" * 600_000})


def with_headers_and_input(db, id):
    db.wf_start("job", LONG, id=id, headers={"h": "x" * 600_000})


def with_a_signal(db, id):
    db.wf_start("job", id=id)
    db.wf_await(id, "a", "go")
    db.wf_signal(id, "go", LONG)


def with_an_event(db, id):
    db.wf_start("job", id=id)
    db.wf_await_event(id, "a", "e")
    db.wf_emit("e", LONG)


def with_a_child(db, id):
    db.wf_start("job", id=id)
    db.wf_spawn(id, "s", "child", id="kid")
    db.wf_join(id, "j")
    db.wf_complete("kid", LONG)


def with_an_error(db, id):
    db.wf_start("job", id=id)
    db.wf_fail(id, LONG, delay=0)


def with_wait_any(db, id):
    db.wf_start("job", id=id)
    db.wf_wait_any(id, "a", [{"signal": "go"}, {"event": "e"}])
    db.wf_signal(id, "go", LONG)


@needs_setlimit
@reads_long_rows
@pytest.mark.parametrize("partition", [False, True])
@pytest.mark.parametrize("value", [with_headers, with_headers_and_input, with_a_signal, with_an_event, with_a_child, with_an_error, with_wait_any])
def test_whatever_is_too_long_is_this_connections_own_matter(connect, value, partition):
    """Passed over by this connection alone, by claims, wf_wait and wf_ready alike, and nothing is held against it."""
    db, other = connect(), connect()
    if partition:
        db.wf_start("job", id="else", partition="p", delay=3600)
    value(db, "long")
    db.wf_start("job", id="short")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    first = db.claim()
    claims = [first["id"], (db.claim() or {}).get("id")]
    if value is with_an_error:  # a claim shows no error: it needs none of it
        assert (claims, db.rows("SELECT * FROM _wf_trouble")) == (["long", "short"], [])
        return
    assert claims == ["short", None]
    for _ in range(3):
        assert (db.claim(), db.wf_wait(0), db.wf_ready(), db.wf_tick()) == (None, 0, 0, 0)
        assert json.loads(db.wf_claim(None, None, limit=5) or "[]") == []
    assert db.rows("SELECT ready, reason FROM wf_pending WHERE id = 'long'") == [(0, INPUT if value is with_headers_and_input else MET)]
    assert db.rows("SELECT * FROM _wf_trouble") == []
    assert (other.wf_ready(), other.claim()["id"], other.wf_check()) == (1, "long", None)


@needs_setlimit
@reads_long_rows
def test_a_higher_limit_takes_it(connect):
    db = connect()
    with_headers(db, "long")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    assert (db.claim(), db.wf_wait(0)) == (None, 0)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000_000)
    assert (db.wf_wait(0), db.claim()["id"]) == (1, "long")


@needs_setlimit
@reads_long_rows
def test_after_a_while_it_is_tried_again(connect):
    db = connect()
    db.at(0)
    with_headers(db, "long")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    assert (db.claim(), db.wf_wait(0)) == (None, 0)
    db.at(301)
    assert (db.wf_wait(0), db.claim(), db.wf_wait(0)) == (1, None, 0)


@needs_setlimit
@reads_long_rows
def test_a_timeout_that_is_too_long_is_left_to_another_connection(connect):
    db, other = connect(), connect()
    for one in (db, other):
        one.at(0)
    db.wf_start("job", id="long", headers={"h": "x" * 600_000}, timeout=1)
    for one in (db, other):
        one.at(2)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    assert (db.wf_tick(), db.claim(), db.wf_wait(0), db.value("SELECT reason FROM wf_pending")) == (0, None, 0, MET)
    assert (other.wf_tick(), other.wf_status("long"), other.rows("SELECT * FROM _wf_trouble")) == (1, "failed", [])


@needs_setlimit
@reads_long_rows
def test_a_script_that_is_woken_by_what_is_too_long_is_left_to_another_connection(connect):
    db, other = connect(), connect()
    db.wf_define("s", {"steps": [{"name": "a", "await_event": "e"}, {"name": "b", "sql": "SELECT 1"}]})
    for id in ("long", "next"):
        db.wf_start("s", id=id)
    assert db.wf_run() == 2
    db.wf_emit("e", LONG)
    db.wf_start("s", id="other")
    db.wf_define("t", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    db.wf_start("t", id="short")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    db.wf_run()
    assert (db.wf_status("short"), db.wf_run(), db.wf_wait(0), db.wf_status("long")) == ("completed", 0, 0, "waiting")
    assert dict(db.rows("SELECT id, reason FROM wf_pending"))["long"] == MET
    assert db.rows("SELECT * FROM _wf_trouble") == []
    other.wf_run()
    assert (other.wf_status("long"), other.wf_status("next"), other.wf_check()) == ("completed", "completed", None)


@needs_setlimit
@reads_long_rows
@pytest.mark.parametrize("statement", ["SELECT length(:input)", "SELECT length(:item)", "SELECT 1 WHERE :before IS NOT NULL"])
def test_a_script_that_is_given_what_is_too_long_is_left_to_another_connection(connect, statement):
    """Met first, without an attempt: its step has not failed, whatever of its values it was."""
    db, other = connect(), connect()
    steps = [{"name": "before", "sql": "SELECT 'b'"}, {"name": "a", "sql": statement, "max_attempts": 1}]
    if ":item" in statement:
        steps[1]["for_each"] = "SELECT :input"
    db.wf_define("s", {"steps": steps})
    db.wf_start("s", LONG, id="long")
    db.wf_start("s", id="short")
    if ":before" in statement:
        other.wf_run(id="long", limit=1)
        db.execute("UPDATE _wf_step SET output = ? WHERE name = 'before'", [json.dumps(LONG)])
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    for _ in range(3):
        db.wf_run()
    assert (db.wf_status("short"), db.wf_status("long"), db.wf_run(), db.wf_wait(0)) == ("completed", "pending", 0, 0)
    assert db.rows("SELECT name, attempts FROM _wf_step WHERE status = 'failed' OR (name = 'a' AND attempts)") == [("a", 1)]  # of the short one
    assert db.rows("SELECT * FROM _wf_trouble") == []
    other.wf_run()
    assert (other.wf_status("long"), other.wf_check(), other.rows("SELECT * FROM wf_failures")) == ("completed", None, [])
