"""A claim of what is plainly next is one statement. It says and leaves what the whole way does, and where anything is special it leaves the claim to that.

The same is done to two databases; in one of them the claim says its time, by which it goes the whole way.
"""

import json
import sqlite3
import threading
import time

import pytest
from support import BASE

MINUTE = 60


def start(db, id="w", **options):
    db.wf_start("job", {"n": 1}, id=id, **options)


def held(db, **options):
    """A second one, which somebody has claimed."""
    start(db, "held")
    return db.claim(id="held", **options)["token"]


def raw(db, sql):
    db.execute(sql)


def known(db):
    """The first claim of a connection asks whether it may claim here, and is never the plain one: this is it."""
    db.wf_init()
    assert db.claim("nowhere", now=BASE) is None


@pytest.fixture
def db(db):
    known(db)
    return db


# What is done before the claim, and whether it is plain then.
PLAIN = {
    "one": lambda db: start(db),
    "of several, the first due": lambda db: (start(db, "late", delay=3), start(db, "w", delay=1), start(db, "x", delay=2), db.at(MINUTE)),
    "of the same time, the first started": lambda db: [start(db, id) for id in ("c", "a", "b")],
    "with all that a claim shows": lambda db: start(db, headers={"a": [1]}, version="v1", priority=-7, timeout=3600, cleanup=True),
    "without input": lambda db: db.wf_start("job", id="w"),
    "with a large input": lambda db: db.wf_start("job", json.dumps("x" * 5000), id="w"),
    "with a BLOB": lambda db: db.wf_start("job", b"\x00\x01", id="w"),
    "with a name in quotes": lambda db: db.wf_start('a "job" of ours', id='an "id"'),
    "of another priority beside one that has ended": lambda db: (start(db, "old"), db.wf_complete(db.claim(id="old")["token"]), start(db, priority=5)),
    "two priorities, both due": lambda db: (start(db), start(db, "high", priority=9)),
    "a child": lambda db: db.wf_spawn(held(db, lease=3600), "s", "job", None, id="child"),
    "to be retried": lambda db: (start(db), db.wf_fail(db.claim(id="w")["token"], "no", delay=1), db.at(MINUTE)),
    "in its second phase": lambda db: (start(db, cleanup=True), db.wf_cancel("w")),
    "begun anew": lambda db: (start(db), db.wf_continue(db.claim(id="w")["token"], 2)),
    "others run, wait and are paused": lambda db: (held(db, lease=3600), start(db, "p"), db.wf_pause("p"), start(db, "s"), db.wf_sleep("s", "nap", 3600), start(db)),
    "others are delayed": lambda db: (start(db, "d", delay=3600), start(db)),
}
OTHER = {
    "nothing": lambda db: None,
    "nothing is due": lambda db: start(db, delay=3600),
    "a higher priority is not due": lambda db: (start(db, "high", priority=9, delay=3600), start(db)),
    "two names": lambda db: (db.wf_start("other", id="o"), start(db)),
    "partitions": lambda db: (start(db, "p", partition="c"), start(db)),
    "a queue with settings": lambda db: (db.wf_queue("default", concurrency=1), start(db)),
    "a full queue": lambda db: (db.wf_queue("default", concurrency=1), held(db), start(db)),
    "a paused queue": lambda db: (db.wf_queue("default", paused=True), start(db)),
    "a rate": lambda db: (db.wf_queue("default", rate={"limit": 1, "per": 60}), start(db)),
    "a length of leases": lambda db: (db.wf_config("lease", 77), start(db)),
    "a lost lease": lambda db: (start(db), held(db, lease=1), db.at(MINUTE)),
    "lost for good": lambda db: (start(db, "held", max_attempts=1), db.claim(id="held", lease=1), db.at(MINUTE)),
    "one is woken": lambda db: (start(db), db.wf_sleep(held(db), "nap", 1), db.at(MINUTE)),
    "a deadline is due": lambda db: (start(db, "t", timeout=1), start(db), db.at(MINUTE)),
    "a schedule is due": lambda db: (db.wf_schedule("s", "@every 1s", "job", start={"queue": "q"}), start(db), db.at(MINUTE)),
    "put off": lambda db: (start(db, "troubled"), start(db), db.make("_wf_trouble"), raw(db, "INSERT INTO _wf_trouble(wf, schedule, tries, at, next_at, error) VALUES(1, '', 1, 1800000000000, 1800003600000, '{}')")),
    "given back": lambda db: (start(db), db.wf_step("w", "a", 1), db.wf_release(db.claim(id="w")["token"])),
    "recovered": lambda db: (start(db), db.claim(id="w"), db.wf_recover()),
    "by hand only": lambda db: start(db, manual=True),
    "scripted": lambda db: (db.wf_define("job", {"steps": [{"name": "a", "sql": "SELECT 1"}]}), start(db)),
    "a clock for tests": lambda db: (db.wf_config("test_clock", BASE), start(db)),
}
STATE = ["SELECT * FROM _wf_workflow ORDER BY seq", "SELECT * FROM _wf_lane ORDER BY lane", "SELECT * FROM _wf_failure", "SELECT * FROM _wf_rate", "SELECT * FROM _wf_trouble"]


def claim(db, *arguments, **options):
    """What is claimed, and whether one statement was enough."""
    said = []
    db.set_trace_callback(said.append)
    claimed = db.claim(*arguments, **options)
    db.set_trace_callback(None)
    takes = [sql for sql in said if sql.removeprefix("-- ").startswith("UPDATE main._wf_workflow")]  # (of a nested statement each line is a comment)
    return claimed, claimed is not None and len(takes) == 1 and "_wf_take(" in takes[0]


def left(db):
    """All that is stored, but for what is drawn at random."""
    all = [db.records(sql) for sql in STATE]
    for row in all[0]:
        assert (row.pop("nonce") is None) == (row["status"] != "running")
        row.pop("closed_nonce")
    return all


@pytest.mark.parametrize("what", [*PLAIN, *OTHER])
def test_claims_as_the_whole_way_does(connect, what):
    claims, states = [], []
    for name in ("plain", "whole"):
        db = connect(":memory:")
        known(db)
        db.at(0)
        {**PLAIN, **OTHER}[what](db)
        db.at(2 * MINUTE)
        options = {"now": BASE + 2 * MINUTE} if name == "whole" else {}
        claimed, was_plain = claim(db, None, "worker-1" if len(what) % 2 else None, **options)
        assert was_plain == (name == "plain" and what in PLAIN)
        if claimed is not None:
            assert db.wf_step(claimed.pop("token"), "first", 1) == 1
        claims.append(claimed)
        states.append(left(db))
        assert db.wf_check() is None
    assert claims[0] == claims[1]
    assert states[0] == states[1]


@pytest.mark.parametrize("options", [{"lease": 77}, {"steps": True}, {"lease": 0.5, "steps": True}], ids=str)
def test_options_that_stay_plain(connect, options):
    claims = []
    for now in ({}, {"now": BASE}):
        db = connect(":memory:")
        known(db)
        db.at(0)
        start(db)
        db.wf_step("w", "a", {"x": 1})
        claimed, was_plain = claim(db, **options, **now)
        assert was_plain == (not now)
        claimed.pop("token")
        claims.append(claimed)
    assert claims[0] == claims[1]


@pytest.mark.parametrize("options", [{"id": "w"}, {"key": "k"}, {"limit": 2}, {"names": ["job"]}, {"versions": ["1"]}], ids=str)
def test_options_that_go_the_whole_way(db, options):
    start(db)
    claimed, was_plain = claim(db, **options)
    assert claimed and not was_plain


def test_after_one_in_vain_some_go_the_whole_way_and_the_later_ones_do_not(db):
    db.at(0)  # (a clock that stands: one that seems to have waited for the lock goes the whole way, too)
    db.wf_init()
    assert db.claim() is None
    ways = []
    for n in range(40):
        start(db, "w%d" % n)
        claimed, was_plain = claim(db)
        assert claimed["id"] == "w%d" % n
        ways.append(was_plain)
    assert ways.index(True) == 15 and all(ways[15:])


def test_nobody_else_takes_a_row(db):
    assert db.value("SELECT _wf_take(%s)" % ", ".join(["1"] * 13)) is None


def test_a_trigger_that_ignores_it_is_noticed(db):
    start(db)
    db.execute("CREATE TRIGGER t BEFORE UPDATE ON _wf_workflow BEGIN SELECT RAISE(IGNORE); END")
    assert db.claim() is None
    assert db.column("SELECT wf FROM _wf_trouble") == [1] and db.workflow("w")["status"] == "pending"
    db.execute("DROP TRIGGER t")
    assert db.claim(id="w")["id"] == "w"


@pytest.mark.parametrize("warm", [False, True])
def test_an_authorizer_that_knows_no_such_function_is_left_alone(db, warm):
    db.at(0)
    start(db, "first")
    if warm:
        assert claim(db)[1]
    start(db)
    db.set_authorizer(lambda code, one, two, *_: sqlite3.SQLITE_DENY if code == sqlite3.SQLITE_FUNCTION and two == "_wf_take" else sqlite3.SQLITE_OK)
    claimed, was_plain = claim(db)
    assert claimed["id"] == ("w" if warm else "first") and not was_plain


def test_is_undone_with_the_transaction_around_it(db):
    db.at(0)
    start(db)
    db.execute("BEGIN")
    claimed, was_plain = claim(db)
    assert claimed["id"] == "w" and was_plain
    db.execute("ROLLBACK")
    assert db.workflow("w")["status"] == "pending"
    assert claim(db)[1]


# After each of these SQLite compiles a statement anew when it runs the next time, and what an authorizer lets it do is looked at then.
ANEW = {
    "a table of the application's": lambda db: db.execute("CREATE TEMP TABLE t(x)"),
    "ANALYZE": lambda db: db.execute("ANALYZE"),
    "a setting": lambda db: db.execute("PRAGMA foreign_keys = ON"),
    "a function": lambda db: (db.create_function("f", 1, int), db.create_function("f", 1, int)),
    "an authorizer": lambda db: db.set_authorizer(lambda *_: sqlite3.SQLITE_OK),
    "one that knows no such function": lambda db: db.set_authorizer(
        lambda code, a, b, *_: sqlite3.SQLITE_IGNORE if code == sqlite3.SQLITE_FUNCTION and b == "_wf_take" else sqlite3.SQLITE_OK),
}


@pytest.mark.parametrize("inside", [False, True], ids=["by itself", "in a transaction"])
@pytest.mark.parametrize("what", ANEW)
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_a_statement_that_is_compiled_anew_gives_what_it_has_taken(db, what, inside, warm):
    for n in range(3):
        start(db, "w%d" % n, max_attempts=1)
    taken = [db.claim()["id"]] if warm else []
    if inside:
        db.execute("BEGIN")
    ANEW[what](db)
    while (claim := db.claim()) is not None:
        taken.append(claim["id"])
    if inside:
        db.execute("COMMIT")
    assert taken == ["w0", "w1", "w2"]
    assert db.rows("SELECT count(*), count(nonce) FROM _wf_workflow WHERE status = 'running'") == [(3, 3)]


def test_who_has_waited_for_the_lock_has_the_whole_lease(db, connect):
    """And nothing is dated by the time before."""
    start(db, "first")
    start(db)
    db.claim()
    other = connect(check_same_thread=False)
    other.execute("PRAGMA busy_timeout = 60000")
    start(other, "x")
    assert other.claim()["id"] == "w"  # compiled
    db.execute("BEGIN IMMEDIATE")
    claimed = {}
    thread = threading.Thread(target=lambda: claimed.update(other.claim(lease=1)))
    thread.start()
    time.sleep(0.5)
    free = db.value("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
    db.execute("COMMIT")
    thread.join()
    assert claimed["id"] == "x"
    assert claimed["lease_expires_at"] >= db.value("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ?, '+1 second')", free)
    assert db.value("SELECT started_at FROM _wf_workflow WHERE id = 'x'") >= db.value("SELECT strftime('%s', ?) * 1000", free)
