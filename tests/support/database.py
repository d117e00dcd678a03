"""A sqlite3 connection with the extension loaded and the functions of the contract as methods."""

import functools
import json
import os
import sqlite3
from pathlib import Path

from .clock import BASE

# Index of the options argument of every writing function.
OPTIONS_AT = {
    "wf_start": 2,
    "wf_claim": 2,
    "wf_step": 3,
    "wf_complete": 2,
    "wf_fail": 2,
    "wf_heartbeat": 2,
    "wf_release": 1,
    "wf_recover": 0,
    "wf_sleep": 3,
    "wf_signal": 3,
    "wf_await": 4,
    "wf_emit": 2,
    "wf_await_event": 4,
    "wf_spawn": 4,
    "wf_join": 3,
    "wf_begin": 2,
    "wf_resolve": 4,
    "wf_set": 3,
    "wf_append": 3,
    "wf_cancel": 2,
    "wf_pause": 1,
    "wf_resume": 1,
    "wf_retry": 1,
    "wf_delete": 1,
    "wf_fork": 1,
    "wf_purge": 0,
    "wf_queue": 1,
    "wf_schedule": 4,
    "wf_tick": 0,
    "wf_run": 0,
    "wf_explain": 1,
    "wf_wait": 1,
}


def extension_path():
    """The module under test: $WFEXT, else the release build of this repository."""
    default = Path(__file__).resolve().parents[2] / "build" / "libwfext.so"
    return os.environ.get("WFEXT") or str(default)


def compact(value):
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else value


class Database(sqlite3.Connection):
    """`db.wf_start("job", {"n": 1}, id="w1")` is `SELECT wf_start('job', '{"n":1}', '{"id":"w1"}')`.

    Positional arguments are bound as they are (a dict or a list as JSON text), keywords become the options object.
    """

    def __getattr__(self, name):
        if not name.startswith("wf_"):
            raise AttributeError(name)
        return functools.partial(self.call, name)

    def call(self, function, *arguments, **options):
        bound = [compact(argument) for argument in arguments]
        if options:
            assert len(bound) <= OPTIONS_AT[function]
            bound += [None] * (OPTIONS_AT[function] - len(bound)) + [json.dumps(options)]
        return self.value("SELECT %s(%s)" % (function, ", ".join("?" * len(bound))), *bound)

    def rows(self, sql, *parameters):
        return self.execute(sql, parameters).fetchall()

    def column(self, sql, *parameters):
        return [value for (value,) in self.rows(sql, *parameters)]

    def value(self, sql, *parameters):
        ((value,),) = self.rows(sql, *parameters)
        return value

    def records(self, sql, *parameters):
        cursor = self.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]

    def record(self, sql, *parameters):
        (record,) = self.records(sql, *parameters)
        return record

    def at(self, offset):
        """Stops this connection's clock `offset` seconds after BASE."""
        return self.wf_clock(BASE + offset)

    def claim(self, queue=None, worker=None, **options):
        """wf_claim, its JSON parsed."""
        text = self.wf_claim(queue, worker, **options)
        return None if text is None else json.loads(text)

    def running(self, id="w1", worker="worker-1", **options):
        """Starts a workflow named job and claims it; returns the claim."""
        lease = {"lease": options.pop("lease")} if "lease" in options else {}
        self.wf_start("job", options.pop("input", None), id=id, **options)
        claim = self.claim(None, worker, id=id, **lease)
        assert claim is not None and claim["id"] == id
        return claim

    def workflow(self, id="w1"):
        return self.record("SELECT * FROM wf_workflows WHERE id = ?", id)

    def everything(self):
        """All the engine shows, to prove that a call changed nothing."""
        return {
            table: self.rows("SELECT * FROM " + table)
            for table in ("wf_workflows", "wf_pending", "wf_steps", "wf_failures")
        }


def open_database(path, **options):
    """Opens `path` in autocommit mode and loads the extension."""
    db = sqlite3.connect(str(path), isolation_level=None, factory=Database, **options)
    db.enable_load_extension(True)
    db.load_extension(extension_path())
    db.enable_load_extension(False)
    return db
