"""For tests of the command: running it, and a file whose clock stands still."""

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import wfext
from wfext import cli

NOW = 1_800_000_000  # 2027-01-15 08:00:00 UTC
SOURCE = Path(wfext.__file__).parents[1]


class Done:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self):
        return f"exit {self.code}\n{self.out}--- stderr\n{self.err}"

    @property
    def json(self):
        """The lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


class _Output(io.StringIO):
    encoding = "utf-8"


class _Input(io.StringIO):
    def __init__(self, text, is_terminal):
        super().__init__(text)
        self.isatty = lambda: is_terminal


def wfext_(*arguments, columns=100, input="", terminal=False):
    """Runs the command in this process: its exit code and what it wrote. `terminal`: somebody is there to answer."""
    out, err = _Output(), _Output()
    before = {name: os.environ.get(name) for name in ("TZ", "COLUMNS")}
    os.environ |= {"TZ": "UTC", "COLUMNS": str(columns)}
    time.tzset()
    stdin = sys.stdin
    sys.stdin = _Input(input, terminal)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main([str(each) for each in arguments])
            except SystemExit as exit:
                code = exit.code
    finally:
        sys.stdin = stdin
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        time.tzset()
    return Done(code, out.getvalue(), err.getvalue())


def process(*arguments, **options):
    """Runs it as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "WFEXT_LIBRARY": os.path.abspath(wfext.loadable_path()), "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC", "PYTHONUTF8": "1"}
    environment |= options.pop("env", {})
    return subprocess.run([sys.executable, "-m", "wfext.cli", *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)


class Maker:
    """A connection that sets the clock of the file: `m.at(seconds)` (from NOW), `m.call("wf_start", ...)`."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        wfext.load(self.db)
        self.db.execute("PRAGMA journal_mode = wal").fetchall()

    def at(self, seconds):
        self.value("SELECT wf_config('test_clock', ?)", NOW + seconds)

    def value(self, sql, *values):
        rows = self.db.execute(sql, values).fetchall()
        return rows[0][0] if rows else None

    def call(self, name, *values):
        given = [json.dumps(each) if isinstance(each, dict) else each for each in values]
        return self.value(f"SELECT {name}({', '.join('?' * len(given))})", *given)

    def claim(self, queue, worker, **options):
        return json.loads(self.call("wf_claim", queue, worker, options))["token"]


DEFINITION = {
    "input": {"sku": "text"},
    "steps": [
        {"name": "pick", "sql": "SELECT :sku AS sku"},
        {"name": "pack", "task": "packers", "max_attempts": 3},
        {"name": "cool", "sleep": "1h", "after": ["pick"]},
        {"name": "approved", "await": "approval", "after": ["pack", "cool"], "when": "SELECT 1", "timeout": "2d"},
    ],
}


def shop(path):
    """A file with a bit of everything, at 08:00 of 2027-01-15."""
    m = Maker(path)
    m.at(-7 * 86400)
    m.call("wf_queue", "bulk", {"concurrency": 8, "rate": {"limit": 100, "per": 60}})
    m.call("wf_start", "report", '{"month": 12}', {"id": "report-12", "queue": "bulk"})
    m.call("wf_schedule", "nightly", "0 3 * * *", "report", None, {"start": {"queue": "bulk"}})
    # One that fails in its third attempt, by and by
    m.at(-1216)
    m.call("wf_start", "order", '{"sku": "tea", "qty": 3, "customer": "c-1029"}', {"id": "order-1999003", "tags": {"customer": "1029"}})
    m.at(-1215.674)
    token = m.claim("default", "worker-6")
    m.at(-1215.285)
    m.call("wf_step", token, "reserve", '{"ref": "r9", "cents": 1200}')
    for at, back in ((-1215.1, 0.1), (-1214.95, 0.1)):
        m.at(at)
        m.call("wf_fail", token, {"type": "ConnectionError", "message": "gateway timeout after 1000 ms"}, {"step": "charge", "delay": back})
        m.at(at + back)
        token = m.claim("default", "worker-6")
    m.at(-1214.7)
    m.call("wf_step", token, "charge", '{"paid": 1200}')
    m.at(-1213.774)
    m.call("wf_fail", token, {"type": "SMTPError", "message": "55126: no such user"}, {"retry": False})
    # A crowd that cannot reach something
    for i in range(5):
        m.at(-900 + i)
        m.call("wf_start", "charge", '{"n": %d}' % i, {"id": f"charge-{i}"})
        token = m.claim("default", f"worker-{i % 2}")
        m.at(-800 + i)
        m.call("wf_fail", token, {"type": "ConnectionError", "message": f"gateway timeout after {1000 + i} ms"}, {"step": "send", "retry": i == 4, "delay": "2h"})
    # One that waits for a person, one in doubt, one that runs, one that completed after a long sleep
    m.at(-700)
    m.call("wf_start", "refund", '{"order": 7}', {"id": "refund-7"})
    token = m.claim("default", "worker-1")
    m.call("wf_set", token, "progress", '{"percent": 40}')
    m.call("wf_append", token, "log", '"asked ann"')
    m.call("wf_await", token, "approved", "approve", "7d")
    m.call("wf_start", "pay", None, {"id": "pay-1", "queue": "bank"})
    m.call("wf_begin", m.claim("bank", "worker-1"), "transfer")
    m.call("wf_recover", {"worker": "worker-1", "lost": True})
    m.at(-690)
    m.call("wf_begin", m.claim("bank", "worker-2"), "transfer", {"in_doubt": "hold"})
    m.call("wf_start", "trial", None, {"id": "trial-1", "queue": "slow"})
    token = m.claim("slow", "worker-3")
    m.at(-689.5)
    m.call("wf_step", token, "begin", "1")
    m.call("wf_sleep", token, "month", "5m")
    m.at(-380)
    token = m.claim("slow", "worker-3")
    m.call("wf_sleep", token, "month", "5m")
    m.at(-379)
    m.call("wf_step", token, "end", "2")
    m.call("wf_complete", token, '"done"')
    # Scripted
    m.at(-300)
    m.call("wf_define", "fulfil", json.dumps(DEFINITION))
    m.call("wf_start", "fulfil", '{"sku": "tea"}', {"id": "fulfil-1"})
    m.call("wf_run")
    m.at(-100)
    m.call("wf_start", "build", '"x"', {"id": "build-1"})
    m.at(-10)
    m.claim("default", "worker-4", names=["build"], lease="5m")
    m.call("wf_signal", "refund-7", "note", '"early"')
    m.at(0)
    return m
