"""Processes that work on one file at the same time, and what they report."""

import json
import os
import signal
import sqlite3
import time

from support import open_database
from support.processes import forked

_warm = []


def warm_up():
    """Maps the module once, so that forked children start quickly."""
    if not _warm:
        _warm.append(open_database(":memory:"))
        _warm[0].wf_start("warm")


class Process:
    """A forked child that runs body(report); report(**facts) leaves a line the parent can read, even after a kill."""

    def __init__(self, body, reports):
        def run():
            fd = os.open(reports, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            body(lambda **facts: os.write(fd, (json.dumps(facts) + "\n").encode()))

        self.reports, self.status = reports, None
        self.pid = forked(run)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.status = "killed"

    def finished(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, until):
        while not self.finished():
            if time.monotonic() > until:
                self.kill()
                raise AssertionError("a process did not come to its end")
            time.sleep(0.01)
        assert self.status in (0, "killed"), "a process failed, see its traceback above"


def run(bodies, folder, seconds=1800):
    """Runs all bodies at once to their end; returns all reports."""
    warm_up()
    reports = os.path.join(str(folder), "reports")
    if os.path.exists(reports):
        os.unlink(reports)
    processes = [Process(body, reports) for body in bodies]
    until = time.monotonic() + seconds
    try:
        for process in processes:
            process.wait(until)
    finally:
        for process in processes:
            if not process.finished():
                process.kill()
    return read(reports)


def read(reports):
    if not os.path.exists(reports):
        return []
    with open(reports, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def errors(reports):
    """What went wrong, as `NAME: text`."""
    return [r["error"] for r in reports if "error" in r]


def name_of(error: sqlite3.Error):
    return f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"


def prepare(path, journal="wal", synchronous=None, workflows=0, steps="CREATE TABLE effect(wf, step, who)"):
    """A file with the schema, an application table, and so many workflows w1, w2 ... to do."""
    db = open_database(path, timeout=10)
    db.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    db.execute("PRAGMA synchronous = normal")
    db.execute(steps)
    db.wf_init()
    db.execute("BEGIN")
    for n in range(workflows):
        db.wf_start("job", n, id=f"w{n}", max_attempts=1000)
    db.execute("COMMIT")
    db.close()
