"""What this connection cannot take: an input that is too long for it is passed over, and steps never are the reason."""

import json
import sqlite3

import pytest

needs_setlimit = pytest.mark.skipif(not hasattr(sqlite3.Connection, "setlimit"), reason="Connection.setlimit() is of Python 3.11")


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
def test_another_connection_takes_it(low):
    db = low()
    assert db.claim() is None
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000_000)
    assert [claim["id"] for claim in db.claim(None, None, limit=2)] == ["long", "hex"]


@needs_setlimit
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
