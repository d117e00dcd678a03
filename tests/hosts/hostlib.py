"""What the host tests share: reading what is stored without the module, SQLite's own errors, and a process that holds locks."""

import contextlib
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from support import open_database

BUSY = 5
READONLY = 8
TOOBIG = 18
BUSY_SNAPSHOT = 517

# Tables that hold what a call changed. Lanes are left out: they only say where to look.
STORED = ("_wf_meta", "_wf_workflow", "_wf_step", "_wf_failure", "_wf_large")

# Calls that write: of a database that has the workflow p, and a token.
WRITING = {
    "start": lambda db, token: db.wf_start("job", id="s"),
    "claim": lambda db, token: db.wf_claim(),
    "step": lambda db, token: db.wf_step(token, "a", 1),
    "step_by_id": lambda db, token: db.wf_step("p", "a", 1),
    "complete": lambda db, token: db.wf_complete(token),
    "fail": lambda db, token: db.wf_fail(token, "no"),
    "heartbeat": lambda db, token: db.wf_heartbeat(token, "2h"),
    "release": lambda db, token: db.wf_release(token),
    "recover": lambda db, token: db.wf_recover(),
    "config": lambda db, token: db.wf_config("lease", "45s"),
}


def open_plain(path, timeout=0.0, **options):
    """A connection without the module, in plain autocommit (no transactions opened by Python)."""
    return sqlite3.connect(str(path), isolation_level=None, timeout=timeout, **options)


def one(conn, sql, *args):
    """The first value of a query, None without a row; the statement is always run to its end."""
    rows = conn.execute(sql, args).fetchall()
    return rows[0][0] if rows else None


def stored(conn):
    """Everything the engine stored, read without any of its functions. {} when there is no schema."""
    have = {r[0] for r in conn.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
    return {
        t: sorted(map(repr, conn.execute(f"SELECT * FROM main.{t}").fetchall()))
        for t in STORED
        if t in have
    }


@contextlib.contextmanager
def sqlite_error(code):
    """Expects an error of SQLite's own with exactly this (extended) result code."""
    with pytest.raises(sqlite3.Error) as info:
        yield info
    assert not str(info.value).startswith("WF_"), str(info.value)
    assert info.value.sqlite_errorcode == code, (info.value.sqlite_errorname, str(info.value))


def lifecycle(db, wid="life", value='{"ü":[1,2.5,"x"]}'):
    """Start, claim, three steps, a failure, a release and the end: every writing function once."""
    assert db.wf_start("job", value, id=wid) == wid
    token = db.claim(id=wid)["token"]
    assert db.wf_step(token, "a") is None
    assert db.wf_step(token, "a", value) == value
    assert db.wf_step(token, "b", 7) == 7
    assert db.wf_heartbeat(token, "1h") is not None
    assert db.wf_release(token) == 1
    token = db.claim(id=wid)["token"]
    assert db.wf_fail(token, "oops", delay=0) == "pending"
    token = db.claim(id=wid)["token"]
    assert db.wf_step(token, "a", "0") == value
    assert db.wf_step(token, "c", b"\x00\xff") == b"\x00\xff"
    assert db.wf_complete(token, value) == "completed"
    assert db.wf_status(wid) == "completed"
    assert db.wf_result(wid) == value
    assert db.column("SELECT name FROM wf_steps WHERE workflow_id = ? ORDER BY seq", wid) == ["a", "b", "c"]


class Holder:
    """Another process that runs SQL on a file and keeps its locks until it is told to let go."""

    CODE = textwrap.dedent(
        """
        import sqlite3, sys
        c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
        for s in sys.argv[2:]:
            c.execute(s).fetchall()
        print('held', flush=True)
        sys.stdin.readline()
        c.close()
        """
    )

    def __init__(self, path, *sql):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, str(path), *sql],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "held\n"

    def release(self):
        if self.process.poll() is None:
            self.process.communicate("\n", timeout=600)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.release()


class Waiting:
    """wf_wait in a thread, on a connection of its own."""

    def __init__(self, path, *arguments, **options):
        self.result, self.error, self.statements, self.begun = None, None, 0, threading.Event()
        self.arguments, self.options, self.path = arguments, options, path
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.begun.wait()

    def run(self):
        self.db = open_database(self.path, check_same_thread=False, uri=str(self.path).startswith("file:"))
        self.db.set_trace_callback(self.count)
        self.begun.set()
        try:
            self.result = self.db.wf_wait(*self.arguments, **self.options)
        except sqlite3.Error as error:
            self.error = str(error)
        self.db.set_trace_callback(None)
        self.db.close()

    def count(self, _):
        self.statements += 1

    def done(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.result
