"""Many writers on one file: each gets its turn within the busy timeout. The sharp figures are the bench's (--only fairness)."""

import multiprocessing
import sqlite3
import threading
import time

import pytest

from pool import errors, name_of, prepare, run
from support import open_database

TIMEOUT = 60  # seconds: of an unfair way to wait some get nothing, however long they wait
SECONDS = 4


def together(count):
    """Where so many processes wait until all are there."""
    return multiprocessing.get_context("fork").Barrier(count, timeout=600)


def counted(report, kind, start, write):
    """Writes while the others do, and reports how often."""
    start.wait()
    until, done = time.monotonic() + SECONDS, 0
    try:
        while time.monotonic() < until:
            write(done)
            done += time.monotonic() < until  # what comes once the others have gone says nothing
    except sqlite3.Error as error:
        report(error=name_of(error))
    report(**{kind: done})


def ours(path, start):
    """Records steps, each a commit."""

    def body(report):
        db = open_database(path, timeout=TIMEOUT)
        db.execute("PRAGMA synchronous = full")
        id = db.wf_start("job")
        counted(report, "ours", start, lambda n: db.wf_step(id, f"s{n}", 1))

    return body


def application(path, start, fair):
    """Writes rows of its own, in transactions."""

    def body(report):
        db = open_database(path, timeout=TIMEOUT)
        db.execute("PRAGMA synchronous = full")
        if fair:
            db.wf_busy_timeout(TIMEOUT)

        def write(n):
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO effect VALUES (1, 'a', ?)", (n,))
            db.execute("COMMIT")

        counted(report, "application", start, write)

    return body


def shares(reports, kind):
    return sorted(r[kind] for r in reports if kind in r)


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_thirty_two_processes_all_get_their_turn(tmp_path, journal):
    path = tmp_path / "fair.db"
    prepare(path, journal)
    start = together(32)
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
    start = together(8)
    reports = run([ours(path, start) for _ in range(4)] + [application(path, start, True) for _ in range(4)], tmp_path)
    assert errors(reports) == []
    mine, others = shares(reports, "ours"), shares(reports, "application")
    assert len(mine) == len(others) == 4
    if sum(mine) + sum(others) > 8 * 30:
        assert sum(others) * 20 >= sum(mine)
        assert sum(mine) * 20 >= sum(others)


def test_one_application_that_waits_as_sqlite_does_is_not_shut_out(tmp_path):
    """It looks ten times a second only; those who wait fairly leave it gaps to find. Among its like the slowest gets hardly anything: not less than that."""
    got = {}
    for name, bodies in {
        "stock": lambda path, start: [application(path, start, False) for _ in range(16)],
        "beside": lambda path, start: [ours(path, start) for _ in range(15)] + [application(path, start, False)],
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        path = folder / "fair.db"
        prepare(path)
        reports = run(bodies(path, together(16)), folder)
        assert errors(reports) == []
        got[name] = shares(reports, "application")
        if name == "beside":
            assert got[name][0] >= 1 or sum(shares(reports, "ours")) < 15 * 8
    # (The bench compares them sharply. Chance decides which of the sixteen is the slowest, and how slow.)
    assert len(got["stock"]) == 16 and (got["beside"][0] + 1) * 4 >= got["stock"][0]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_the_first_use_of_a_file_by_eight_processes_at_once(tmp_path, journal):
    path = tmp_path / "fair.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = " + journal).fetchall()
    db.close()
    start = together(8)

    def body(report):
        one = open_database(path, timeout=TIMEOUT)
        start.wait()
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
    start = together(9)

    def holder(report):
        db = open_database(path, timeout=TIMEOUT)
        db.wf_busy_timeout(TIMEOUT)
        start.wait()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(0.5)
            db.execute("INSERT INTO effect VALUES (1, 'h', 1)")
            db.execute("COMMIT")
            report(held=1)
            time.sleep(0.3)

    reports = run([ours(path, start) for _ in range(8)] + [holder], tmp_path)
    assert errors(reports) == []
    got = shares(reports, "ours")
    assert shares(reports, "held") and (got[0] >= 1 or sum(got) < 8 * 8)


@pytest.mark.parametrize("pause", [0.05, 0], ids=["after a pause", "after one that waited in vain"])
def test_an_interrupt_ends_the_wait_of_one_that_had_nobody_to_wait_for(tmp_path, pause):
    """A connection that has met nobody in thousands of calls asks for its timeout no more, and SQLite's own handler, which no interrupt ends, waits for it: not
    longer than one call, and not where others have had time to come."""
    path = tmp_path / "fair.db"
    prepare(path)
    db, other = open_database(path, timeout=TIMEOUT), open_database(path)
    db.execute("PRAGMA synchronous = off")
    id = db.wf_start("job")
    for n in range(3200):
        db.wf_step(id, f"s{n}", 1)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(pause)
    if not pause:
        db.execute("PRAGMA busy_timeout = 100")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            db.wf_step(id, "in vain", 1)
        db.execute(f"PRAGMA busy_timeout = {TIMEOUT * 1000}")
    started = time.monotonic()
    timer = threading.Timer(0.1, db.interrupt)
    timer.start()
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        db.wf_step(id, "interrupted", 1)
    timer.join()
    assert time.monotonic() - started < TIMEOUT / 2
    assert db.value("PRAGMA busy_timeout") == TIMEOUT * 1000
    other.execute("ROLLBACK")
    assert db.wf_step(id, "interrupted", 2) == 2
