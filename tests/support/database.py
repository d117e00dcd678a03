"""A sqlite3 connection with the extension loaded and the functions of the contract as methods."""

import functools
import json
import os
import re
import sqlite3
from pathlib import Path

from .clock import BASE

SCHEMA = (Path(__file__).resolve().parents[2] / "sql" / "base" / "schema.sql").read_text(encoding="utf-8")


def made_by(*tables):
    """The statements that make these rare tables, all of them by default."""
    for name, script in re.findall(r"-- name: script_(\w+)\n(.*?)(?=\n-- name:|\Z)", SCHEMA, re.S):
        if not tables or "_wf_" + name in tables:
            yield from filter(None, (" ".join(statement.split()) for statement in re.sub(r"--.*", "", script).split(";")))


def extension_path():
    """The module under test: $WFEXT, else the release build of this repository."""
    default = Path(__file__).resolve().parents[2] / "build" / "libwfext.so"
    return os.environ.get("WFEXT") or str(default)


def compact(value):
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else value


@functools.lru_cache(maxsize=None)
def options_at():
    """Function -> index of its options argument, counted in its signature: `wf_fail(handle, error [, options])`."""
    db = open_database(":memory:")
    signatures = db.rows("SELECT name, signature FROM wf_functions WHERE signature LIKE '%options])'")
    db.close()
    return {name: signature.count(",") for name, signature in signatures}


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
            at = options_at().get(function, len(bound))  # a function that does not exist is SQLite's to report
            assert len(bound) <= at
            bound += [None] * (at - len(bound)) + [json.dumps(options)]
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

    @staticmethod
    def outputs(claim):
        """The recorded outputs of a claim by step."""
        return {step["name"]: step["output"] for step in claim["steps"] if step["status"] == "done"}

    def running(self, id="w1", worker="worker-1", **options):
        """Starts a workflow named job and claims it; returns the claim."""
        lease = {"lease": options.pop("lease")} if "lease" in options else {}
        self.wf_start("job", options.pop("input", None), id=id, **options)
        claim = self.claim(None, worker, id=id, **lease)
        assert claim is not None and claim["id"] == id
        return claim

    def workflow(self, id="w1"):
        return self.record("SELECT * FROM wf_workflows WHERE id = ?", id)

    def make(self, *tables):
        """Makes rare tables that the file does not have, all of them by default: for a test that writes their rows itself, or puts a trigger on them."""
        for statement in made_by(*tables):
            self.execute(statement)

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
