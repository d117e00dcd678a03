"""Hours of work in little: workers, signals, children, schedules and purge, until everything that could grow has levelled out.

WFEXT_DEEP=1 runs it for an hour, WFEXT_SOAK=<seconds> for as long as that; else it only shows that the parts fit together, and judges nothing that takes time.
"""

import ctypes
import ctypes.util
import json
import os
import sqlite3
import time

import pytest

from pool import run
from support import open_database

SECONDS = float(os.environ.get("WFEXT_SOAK") or (3600 if os.environ.get("WFEXT_DEEP") else 6))
LONG = SECONDS >= 60
WINDOWS = 12
WORKERS = 3
MOST_WAITING = 200       # workflows; whoever starts some waits for these to be worked off
STATEMENTS = 552 * 1024  # bytes that a connection keeps of its statements


def library():
    """The SQLite that Python's module uses; None if it is not a library of its own."""
    try:
        found = ctypes.CDLL(ctypes.util.find_library("sqlite3") or "libsqlite3.so.0")
        before = found.sqlite3_memory_used()
        held = sqlite3.connect(":memory:")
        held.execute("CREATE TABLE t(v)")
        return found if found.sqlite3_memory_used() > before else None
    except OSError:
        return None


class Watch:
    """What one process sees of itself; tells it at the end of each window."""

    def __init__(self, report, who, db):
        self.report, self.who, self.db = report, who, db
        self.library = library()
        self.begin, self.window, self.times = time.monotonic(), 0, []

    def goes_on(self):
        passed = time.monotonic() - self.begin
        while self.window < WINDOWS and passed >= SECONDS * (self.window + 1) / WINDOWS:
            self.tell()
            self.window += 1
        return passed < SECONDS

    def call(self, sql, *parameters):
        begin = time.monotonic()
        value = self.db.value(sql, *parameters)
        self.times.append(time.monotonic() - begin)
        return value

    def tell(self):
        times = sorted(self.times)
        facts = {"who": self.who, "window": self.window, "calls": len(times), "p50": times[len(times) // 2] if times else None}
        if self.library:
            facts["memory"] = self.library.sqlite3_memory_used()
        try:
            facts["statements"], facts["bytes"] = self.db.rows("SELECT count(*), sum(mem) FROM sqlite_stmt WHERE sql LIKE '%\\_wf%' ESCAPE '\\'")[0]
        except sqlite3.OperationalError:
            pass          # a SQLite without that table
        self.times = []
        self.report(**facts)


def watched(path, who):
    """What a process does: `work`, on a connection of its own."""
    def of(work):
        def body(report):
            db = open_database(path, timeout=300)
            work(Watch(report, who, db))
            db.close()

        return body

    return of


def worker(path, name):
    @watched(path, name)
    def body(watch):
        next = json.dumps({"step": "last", "next": {"key": name, "worker": name, "lease": 300, "steps": True}})
        claim = None
        while watch.goes_on():
            claim = claim or watch.call("SELECT wf_claim(NULL, ?, ?)", name, json.dumps({"key": name, "lease": 300}))
            if claim is None:
                time.sleep(0.005)
                continue
            job = json.loads(claim)
            token, claim = job["token"], None
            if job["name"] == "bad":
                watch.call("SELECT wf_fail(?, 'no', '{\"delay\":0}')", token)
                continue
            for step in ("a", "b"):
                if watch.call("SELECT wf_step(?, ?)", token, step) is None:
                    watch.call("SELECT wf_step(?, ?, ?)", token, step, '{"n":1}')
            watch.call("SELECT wf_set(?, 'k', 1)", token)
            watch.call("SELECT wf_append(?, 'log', 1)", token)
            watch.call("SELECT wf_heartbeat(?)", token)
            if job["name"] == "waits" and watch.call("SELECT wf_await(?, 'signal', 'go', 60)", token) is None:
                continue
            if job["name"] == "sleeps" and watch.call("SELECT wf_sleep(?, 'sleep', 0.05)", token) is None:
                continue
            if job["name"] == "parent":
                watch.call("SELECT wf_spawn(?, 'child', 'child')", token)
                if watch.call("SELECT wf_join(?, 'join')", token) is None:
                    continue
            done = json.loads(watch.call("SELECT wf_complete(?, '1', ?)", token, next))
            claim = done["claim"] and json.dumps(done["claim"])

    return body


def starter(path):
    @watched(path, "starter")
    def body(watch):
        n = 0
        while watch.goes_on():
            if watch.call("SELECT wf_pending()") > MOST_WAITING:
                time.sleep(0.01)
                continue
            for name in ("plain", "waits", "sleeps", "parent", "bad"):
                n += 1
                options = {"id": "%s-%d" % (name, n), "tags": {"n": str(n % 10)}, "partition": str(n % 5), "max_attempts": 2}
                watch.call("SELECT wf_start(?, '{\"n\":1}', ?)", name, json.dumps(options))
                if name == "waits":
                    watch.call("SELECT wf_signal(?, 'go', 1, '{\"key\":\"one\"}')", options["id"])

    return body


def keeper(path):
    """Housekeeping, and someone who looks on; what it tells of the file is what the checks are about."""
    @watched(path, "keeper")
    def body(watch):
        n = 0
        while watch.goes_on():
            n += 1
            watch.call("SELECT wf_purge('{\"older_than\":\"2s\"}')")
            watch.call("SELECT wf_tick()")
            watch.call("SELECT wf_trigger('each')")
            watch.call("SELECT count(*) FROM (SELECT * FROM wf_workflows WHERE status = 'failed' ORDER BY created_at DESC LIMIT 50)")
            watch.call("SELECT count(*) FROM wf_pending WHERE queue = 'default'")
            if n % 50 == 1:
                assert watch.db.wf_check() is None
                sizes = [os.path.getsize(str(path) + end) for end in ("", "-wal") if os.path.exists(str(path) + end)]
                watch.report(who="file", window=watch.window, file=sum(sizes), rows=watch.db.value("SELECT count(*) FROM _wf_workflow"))
            time.sleep(0.05)

    return body


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    path = folder / "soak.db"
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal")
    db.wf_queue("default", concurrency=100)
    db.wf_schedule("each", "* * * * *", "plain")
    db.close()
    bodies = [worker(path, "worker-%d" % i) for i in range(WORKERS)] + [starter(path), keeper(path)]
    reports = run(bodies, folder, seconds=SECONDS + 1800)
    db = open_database(path)
    yield reports, db
    db.close()


def series(reports, what, who=None):
    """who -> its values by window."""
    found = {}
    for report in reports:
        if report.get(what) is not None and (who is None or report["who"] == who):
            found.setdefault(report["who"], []).append((report["window"], report[what]))
    return found


def most(values, first, last):
    return max([value for window, value in values if first <= window < last], default=None)


def levels_out(values, factor, room):
    """The last third against the one in the middle; before it everything warms up."""
    middle, end = most(values, WINDOWS // 3, 2 * WINDOWS // 3), most(values, 2 * WINDOWS // 3, WINDOWS)
    return middle is None or end is None or end <= middle * factor + room


def test_all_kinds_of_work_were_done(told):
    reports, db = told
    assert {report["who"] for report in reports} == {"worker-%d" % i for i in range(WORKERS)} | {"starter", "keeper", "file"}
    assert sum(report.get("calls", 0) for report in reports) > 100
    assert db.wf_check() is None


def test_the_statements_of_each_connection_stay_within_their_bound(told):
    reports, _ = told
    for who, values in series(reports, "bytes").items():
        assert most(values, 0, WINDOWS) <= STATEMENTS, (who, values)


if LONG:

    @pytest.mark.parametrize(
        ("what", "factor", "room"),
        [("memory", 1.1, 256 * 1024), ("statements", 1.2, 5), ("file", 1.5, 4 * 2**20), ("rows", 1.5, 1000), ("p50", 3, 0.001)],
    )
    def test_levels_out(told, what, factor, room):
        reports, _ = told
        for who, values in series(reports, what).items():
            assert levels_out(values, factor, room), (who, values)
