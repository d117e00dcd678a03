"""The shares of a rate under eight processes: never more than the limit in any period, in turn, and none is lost."""

import json
import os
import sqlite3
import time

import pytest

from pool import errors, name_of, run
from support import BASE, open_database
from support.clock import seconds_of

PROCESSES = 8
COUNT = 60
PER = 60
LIMIT = 5


def work(path, key=None):
    """Claims, and asks for a share; says where each stood in line, and when it was told."""

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = off")
        options = {"key": key} if key else {}
        while True:
            try:
                claim = db.claim(None, "worker", lease=86400)
                if claim is None:
                    if db.wf_pending() == 0:
                        break
                    time.sleep(0.002)
                    continue
                db.execute("BEGIN IMMEDIATE")
                got = db.wf_acquire(claim["token"], "share", "api", **options)
                place = db.column("SELECT x.place FROM _wf_line AS x JOIN _wf_workflow AS w ON w.seq = x.wf WHERE w.id = ?", claim["id"])
                db.execute("COMMIT")
                if place:
                    report(id=claim["id"], place=place[0])
                if got:
                    report(id=claim["id"], told=json.loads(got)["acquired_at"])
                    db.wf_complete(claim["token"])
            except sqlite3.Error as error:
                report(error=name_of(error))
                open(str(path) + ".failed", "w").close()
                break

    return body


def move(path, report):
    """Moves the clock by a third of a period, once nobody has anything left to do."""
    db = open_database(path, timeout=300)
    now = BASE
    while db.wf_pending() and not os.path.exists(str(path) + ".failed"):
        busy = db.value("SELECT count(*) FROM wf_pending WHERE ready OR status = 'running'")
        if busy:
            time.sleep(0.002)
            continue
        now += PER // 3
        db.wf_config("test_clock", now)
    report(ended=now)


@pytest.mark.parametrize("key", [None, "ann"])
def test_shares_are_exact_and_in_turn(tmp_path, key):
    path = tmp_path / "shares.db"
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal")
    db.wf_config("test_clock", BASE)
    db.wf_rate("api", limit=LIMIT, per=PER)
    db.execute("BEGIN")
    for n in range(COUNT):
        db.wf_start("job", id="w%d" % n)
    db.execute("COMMIT")
    reports = run([work(path, key) for _ in range(PROCESSES)] + [lambda report: move(path, report)], tmp_path)
    assert errors(reports) == []

    told = {r["id"]: r["told"] for r in reports if "told" in r}
    assert len(told) == COUNT == sum("told" in r for r in reports)                  # each once
    times = sorted(round(seconds_of(at) * 1000) for at in told.values())
    for first, after in zip(times, times[LIMIT:]):
        assert after - first >= PER * 1000                                          # never more than the limit in any period
    places = {r["id"]: r["place"] for r in reports if "place" in r}
    in_line = sorted(places, key=places.get)
    assert [told[id] for id in in_line] == sorted(told[id] for id in in_line)        # in turn
    assert len(in_line) == COUNT - LIMIT
    (ended,) = [r["ended"] for r in reports if "ended" in r]
    assert ended - BASE <= (COUNT // LIMIT - 1) * PER + PER // 3                     # none is lost
    assert (db.value("SELECT count(*) FROM _wf_line"), db.wf_check()) == (0, None)
    db.close()
