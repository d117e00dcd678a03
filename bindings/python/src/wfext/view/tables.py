"""Queues, schedules, definitions, steps in doubt, doctor: what the engine's tables show, as dataclasses. Times are milliseconds since 1970, UTC; durations seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from typing import Any

from .files import PORTION_SECONDS, Interrupted, has_tables, limited
from .rows import fitted
from .values import Value, parsed


@dataclasses.dataclass(frozen=True)
class Queue:
    """Settings of a queue and its live figures. `ready`: due and not held; `live`: all that has not ended. A figure is None where it could not be counted in time."""

    name: str
    ready: int | None
    running: int | None
    live: int | None
    oldest_due_at: int | None
    paused: bool
    concurrency: int | None
    worker_concurrency: int | None
    partition_concurrency: int | None
    hold: str
    rate_limit: int | None
    rate_per: float | None
    lease: float | None
    max_attempts: int | None
    backoff: Any

    def limits(self) -> str:
        """Its limits in words; '' where it has none."""
        parts = ["paused"] if self.paused else []
        if self.concurrency is not None:
            parts.append(f"{self.concurrency:,} at once")
        if self.worker_concurrency is not None:
            parts.append(f"{self.worker_concurrency:,} a worker")
        if self.partition_concurrency is not None:
            parts.append(f"{self.partition_concurrency:,} a partition")
        if self.rate_limit is not None and self.rate_per is not None:
            parts.append(f"{self.rate_limit:,} per {self.rate_per:g} s")
        return ", ".join(parts)


# The columns of wf_queues that need no counting, with the names of queues found one after the other.
_SETTINGS = """
WITH RECURSIVE n(queue) AS (
  SELECT min(queue) FROM _wf_lane UNION ALL SELECT (SELECT min(l.queue) FROM _wf_lane AS l WHERE l.queue > n.queue) FROM n WHERE n.queue IS NOT NULL)
SELECT a.queue, coalesce(q.paused, 0), q.concurrency, q.worker_concurrency, q.partition_concurrency, coalesce(q.hold, 'lease'), q.rate_limit, q.rate_per / 1000.0, q.lease / 1000.0,
       q.max_attempts, q.backoff
FROM (SELECT queue FROM n WHERE queue IS NOT NULL UNION SELECT queue FROM _wf_queue) AS a LEFT JOIN _wf_queue AS q ON q.queue = a.queue ORDER BY a.queue
"""


def queues(connection: sqlite3.Connection, live: dict[str, int] | None = None, *, seconds: float = PORTION_SECONDS) -> list[Queue]:
    """All queues, by name. What cannot be counted in `seconds` is None; names and settings are always there. `live`: how many live workflows each has, where that is known (overview.Tally)."""
    if not has_tables(connection):
        return []
    columns = "queue, paused, concurrency, worker_concurrency, partition_concurrency, hold, rate_limit, rate_per, lease, max_attempts, backoff"
    try:
        with limited(connection, seconds):
            rows = connection.execute(f"SELECT {columns}, depth, running, oldest_due_at FROM wf_queues ORDER BY queue").fetchall()
    except Interrupted:
        rows = [(*row, None, None, None) for row in connection.execute(_SETTINGS)]
    found: dict[str, int] = {}
    if live is not None:
        found = dict.fromkeys((row[0] for row in rows), 0) | live
    else:  # (an OperationalError: a name that is none, in a file that was changed by hand)
        with contextlib.suppress(Interrupted, sqlite3.OperationalError), limited(connection, seconds):
            for row in rows:
                found[row[0]] = connection.execute("SELECT wf_pending(?)", (row[0],)).fetchone()[0]
    return [
        fitted(Queue, (name, depth, running, found.get(name), oldest, paused, *limits, parsed(backoff))) for name, paused, *limits, backoff, depth, running, oldest in rows
    ]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule; `last_id` the workflow that it started last, `skipped` how many of its times were left out, `error` why its last firing could not be."""

    name: str
    cron: str
    timezone: str | None
    workflow: str
    input: Value
    catch_up: str | None
    overlap: str | None
    paused: bool
    next_at: int | None
    last_at: int | None
    last_id: str | None
    last_status: str | None
    skipped: int
    created_at: int | None
    error: str | None


def schedules(connection: sqlite3.Connection) -> list[Schedule]:
    """All schedules, by name."""
    if not has_tables(connection):
        return []
    rows = connection.execute(
        "SELECT s.name, s.cron, s.timezone, s.workflow, s.input, s.catch_up, s.overlap, s.paused, s.next_at, s.last_at, s.last_id,"
        " CASE WHEN s.last_id IS NOT NULL THEN wf_status(s.last_id) END, s.skipped, s.created_at, s.error FROM wf_schedules AS s ORDER BY s.name"
    )
    return [fitted(Schedule, row) for row in rows]


@dataclasses.dataclass(frozen=True)
class Definition:
    """A version of a scripted workflow; `live`: how many of it have not ended, None: not counted in time."""

    name: str
    version: int
    current: bool
    steps: int | None
    live: int | None
    created_at: int | None
    definition: str


def definitions(connection: sqlite3.Connection, *, all_versions: bool = False) -> list[Definition]:
    """The current version of each definition, or all of them, newest first."""
    if not has_tables(connection):
        return []
    where = "" if all_versions else " WHERE current"
    columns = "name, version, current, steps, created_at, definition"
    try:
        with limited(connection):
            rows = connection.execute(f"SELECT {columns}, live FROM wf_definitions{where} ORDER BY name, version DESC").fetchall()
    except Interrupted:
        rows = [(*row, None) for row in connection.execute(f"SELECT {columns} FROM wf_definitions{where} ORDER BY name, version DESC")]
    return [fitted(Definition, (name, version, current, steps, live, at, definition)) for name, version, current, steps, at, definition, live in rows]


@dataclasses.dataclass(frozen=True)
class Doubt:
    """A step that was begun and never finished. `held`: its workflow waits for a verdict (wf_resolve); else the next attempt decides by itself."""

    workflow_id: str
    step: str
    key: str
    held: bool
    begun_at: int | None
    worker: str | None


def in_doubt(connection: sqlite3.Connection, *, held_only: bool = False, workflow_id: str | None = None, limit: int = 500) -> list[Doubt]:
    """Steps in doubt, those that are held first, of one workflow or of all; at most `limit`."""
    found: list[Doubt] = []
    if not has_tables(connection):
        return found
    where, values = ("", ()) if workflow_id is None else (" AND workflow_id = ?", (workflow_id,))
    for held in (1,) if held_only else (1, 0):
        rows = connection.execute(f"SELECT workflow_id, step, key, held, begun_at, worker FROM wf_in_doubt WHERE held = ?{where} LIMIT ?", (held, *values, limit - len(found)))
        found += [fitted(Doubt, row) for row in rows]
    return found


@dataclasses.dataclass(frozen=True)
class Finding:
    """A line of wf_doctor."""

    name: str
    value: Any
    ok: bool
    advice: str | None


_OWN = {"synchronous", "busy timeout", "query only", "trusted schema", "threads", "fullfsync"}


def doctor(connection: sqlite3.Connection, *, writable: bool = False) -> list[Finding]:
    """What wf_doctor says of the file. What it says of its own connection, which is this one and not a worker's (synchronous, busy timeout and so on), is left out, unless that is one
    that writes (`writable`)."""
    rows = connection.execute("SELECT name, value, ok, advice FROM wf_doctor")
    return [Finding(name, value, bool(ok), advice) for name, value, ok, advice in rows if writable or name not in _OWN]


@dataclasses.dataclass(frozen=True)
class Problem:
    """What wf_check has found."""

    problem: str
    where: str


def check(connection: sqlite3.Connection, integrity: str = "full") -> list[Problem]:
    """wf_check: reads the whole file, so it takes its time. `integrity`: full, quick or none."""
    found = parsed(connection.execute("SELECT wf_check(json_object('integrity', ?))", (integrity,)).fetchone()[0])
    return [Problem(str(each.get("problem")), str(each.get("where"))) for each in found or []]
