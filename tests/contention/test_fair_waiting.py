"""Many writers on one file: each gets its turn within the busy timeout. The sharp figures are the bench's (--only fairness)."""

import sqlite3
import time

import pytest

from pool import errors, name_of, prepare, run
from support import open_database

TIMEOUT = 60  # seconds: of an unfair way to wait some get nothing, however long they wait
SECONDS = 4


def ours(path, start, synchronous="full"):
    """Records steps, each a commit."""

    def body(report):
        db = open_database(path, timeout=TIMEOUT)
        db.execute("PRAGMA synchronous = " + synchronous)
        id = db.wf_start("job")
        while time.monotonic() < start:
            time.sleep(0.001)
        done = 0
        until = start + SECONDS
        try:
            while time.monotonic() < until:
                db.wf_step(id, f"s{done}", 1)
                done += 1
        except sqlite3.Error as error:
            report(error=name_of(error))
        report(ours=done)

    return body


def application(path, start, fair):
    """Writes rows of its own, in transactions."""

    def body(report):
        db = open_database(path, timeout=TIMEOUT)
        db.execute("PRAGMA synchronous = full")
        if fair:
            db.wf_busy_timeout(TIMEOUT)
        while time.monotonic() < start:
            time.sleep(0.001)
        done = 0
        until = start + SECONDS
        try:
            while time.monotonic() < until:
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO effect VALUES (1, 'a', ?)", (done,))
                db.execute("COMMIT")
                done += 1
        except sqlite3.Error as error:
            report(error=name_of(error))
        report(application=done)

    return body


def shares(reports, kind):
    return sorted(r[kind] for r in reports if kind in r)


def begin():
    """Time enough for all to be there."""
    return time.monotonic() + 2


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_thirty_two_processes_all_get_their_turn(tmp_path, journal):
    path = tmp_path / "fair.db"
    prepare(path, journal)
    start = begin()
    reports = run([ours(path, start) for _ in range(32)], tmp_path)
    assert errors(reports) == []
    got = shares(reports, "ours")
    assert len(got) == 32
    # (A machine that has hardly done anything says nothing.)
    assert got[0] >= 1 or sum(got) < 32 * 8
    if sum(got) > 32 * 30:
        assert got[0] * 30 >= got[-1]


def test_applications_that_wait_fairly_too_get_as_much(tmp_path):
    path = tmp_path / "fair.db"
    prepare(path)
    start = begin()
    reports = run([ours(path, start) for _ in range(4)] + [application(path, start, True) for _ in range(4)], tmp_path)
    assert errors(reports) == []
    mine, others = shares(reports, "ours"), shares(reports, "application")
    assert len(mine) == len(others) == 4
    if sum(mine) + sum(others) > 8 * 30:
        assert sum(others) * 20 >= sum(mine)
        assert sum(mine) * 20 >= sum(others)


def test_one_application_that_waits_as_sqlite_does_is_not_shut_out(tmp_path):
    """It looks ten times a second only; those who wait fairly leave it gaps to find."""
    path = tmp_path / "fair.db"
    prepare(path)
    start = begin()
    reports = run([ours(path, start) for _ in range(15)] + [application(path, start, False)], tmp_path)
    assert errors(reports) == []
    assert shares(reports, "application")[0] >= 1


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_the_first_use_of_a_file_by_eight_processes_at_once(tmp_path, journal):
    path = tmp_path / "fair.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = " + journal).fetchall()
    db.close()
    start = begin()

    def body(report):
        one = open_database(path, timeout=TIMEOUT)
        while time.monotonic() < start:
            time.sleep(0.0005)
        try:
            report(id=one.wf_start("job"))
        except sqlite3.Error as error:
            report(error=name_of(error))

    reports = run([body] * 8, tmp_path)
    assert errors(reports) == []
    db = open_database(path)
    assert sorted(db.column("SELECT id FROM wf_workflows")) == sorted(r["id"] for r in reports)
    assert db.wf_check() is None


def test_one_that_holds_the_lock_for_long_fails_nobody(tmp_path):
    path = tmp_path / "fair.db"
    prepare(path)
    start = begin()

    def holder(report):
        db = open_database(path, timeout=TIMEOUT)
        db.wf_busy_timeout(TIMEOUT)
        while time.monotonic() < start + SECONDS:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(0.5)
            db.execute("INSERT INTO effect VALUES (1, 'h', 1)")
            db.execute("COMMIT")
            report(held=1)
            time.sleep(0.3)

    reports = run([ours(path, start) for _ in range(8)] + [holder], tmp_path)
    assert errors(reports) == []
    assert shares(reports, "held") and shares(reports, "ours")[0] >= 1
