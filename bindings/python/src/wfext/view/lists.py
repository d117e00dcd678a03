"""Lists of workflows, newest first: filters, pages by key, and how far was looked.

No query runs for longer than 50 ms. What a filter does not find by an index is looked for in portions, from the newest workflow down, until there are enough, the first is reached, or
the time is up; the page says how far that was, and the next one goes on there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import time
from typing import Any

from .files import Interrupted, has_tables, limited, to_millis, to_sql_time
from .rows import fitted, text
from .values import Value, error_group, error_text

STATUSES = ("pending", "running", "waiting", "paused", "completed", "failed", "cancelled")
LIVE = ("pending", "running", "waiting", "paused")


@dataclasses.dataclass(frozen=True)
class Filter:
    """Which workflows; None (or empty): any.

    tag            key=value
    error          that of a group (view.errors)
    since          started (created) at or after it, in milliseconds since 1970
    ended_before   those that have ended before it
    """

    status: tuple[str, ...] = ()
    name: str | None = None
    queue: str | None = None
    version: str | None = None
    worker: str | None = None
    id_prefix: str | None = None
    since: int | None = None
    tag: str | None = None
    error: str | None = None
    ended_before: int | None = None

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return self != Filter()


@dataclasses.dataclass(frozen=True)
class Row:
    """A workflow in a list. Times are milliseconds since 1970, UTC. `why` is the reason why a live one does not run, or the error of one that has failed or was cancelled."""

    seq: int
    id: str
    name: str | None
    status: str
    queue: str | None
    version: str | None
    worker: str | None
    attempt: int
    created_at: int | None
    started_at: int | None
    completed_at: int | None
    updated_at: int | None
    due_at: int | None
    why: str | None
    error: Value


@dataclasses.dataclass(frozen=True)
class Page:
    """rows, newest first. `next`: pass it as `before` to go on; None: that was all. `complete` False: the time was up before there were `limit`; then `looked_to` says how far was
    looked: the time when the workflow was created down to which all were looked at."""

    rows: list[Row]
    next: int | None
    complete: bool
    looked_to: int | None
    seconds: float


ROW_COLUMNS = "w.seq, w.id, w.name, w.status, w.queue, w.version, w.worker, w.attempt, w.created_at, w.started_at, w.completed_at, w.updated_at, w.due_at, w.error"


def conditions(wanted: Filter) -> tuple[str, list[Any]]:
    """What the filter means in SQL over wf_workflows AS w, without `error`, and its parameters."""
    parts: list[str] = []
    values: list[Any] = []
    if wanted.status:
        parts.append("w.status = ?" if len(wanted.status) == 1 else f"w.status IN ({', '.join('?' * len(wanted.status))})")
        values += wanted.status
    for column in ("name", "queue", "version", "worker", "tag"):
        value = getattr(wanted, column)
        if value is not None:
            parts.append(f"w.{column} = ?")
            values.append(value)
    if wanted.id_prefix is not None:
        parts.append("w.id GLOB ?")
        values.append("".join(f"[{c}]" if c in "*?[" else c for c in wanted.id_prefix) + "*")
    if wanted.since is not None:
        parts.append("w.created_at >= ?")
        values.append(to_sql_time(wanted.since))
    if wanted.ended_before is not None:
        parts.append("w.completed_at < ?")
        values.append(to_sql_time(wanted.ended_before))
    return " AND ".join(parts) or "1", values


def last_seq(connection: sqlite3.Connection) -> int:
    """The number of the newest workflow, 0: there is none."""
    row = connection.execute("SELECT seq FROM wf_workflows ORDER BY seq DESC LIMIT 1").fetchone() if has_tables(connection) else None
    return row[0] if row else 0


_FEW = 2000
AIM_SECONDS = 0.02  # of a portion: the next one is made so wide that it takes as long as this
NARROWEST, WIDEST = 16, 1 << 20


class Scan:
    """Rows of `columns` that the filter asks for, newest first, in portions that are short. `at`: all from this number on were looked at."""

    def __init__(self, connection: sqlite3.Connection, wanted: Filter, columns: str, before: int | None, until: float):
        self.connection = connection
        self.columns = columns
        self.until = until
        self.at = before if before is not None else last_seq(connection) + 1
        self.where, self.values = conditions(wanted)
        self.error = wanted.error
        self.width = 4096  # numbers that a portion looks at
        self.took = 0.0  # seconds of work of the last query
        self.numbers = self._numbers() if wanted.id_prefix is not None and self.at > 1 else None
        self.complete = False

    def _numbers(self) -> list[int] | None:
        """Of a beginning of ids that few have, which the index of ids finds: their numbers, newest first. None: too many of them."""
        try:
            with limited(self.connection):
                rows = self.connection.execute(f"SELECT w.seq FROM wf_workflows AS w WHERE {self.where} LIMIT ?", (*self.values, _FEW + 1)).fetchall()
        except Interrupted:
            return None
        return sorted((number for (number,) in rows if number < self.at), reverse=True) if len(rows) <= _FEW else None

    def _listed(self, limit: int) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        numbers = self.numbers or []
        while numbers and len(found) < limit:
            self.at = numbers.pop(0)
            row = self.connection.execute(f"SELECT {self.columns} FROM wf_workflows AS w WHERE w.seq = ? AND {self.where}", (self.at, *self.values)).fetchone()
            if row is not None and (self.error is None or error_group(row[-1]) == self.error):
                found.append(row)
        if not numbers:
            self.at = 0
        self.complete = True
        return found

    def _take(self, low: int, limit: int, into: list[tuple[Any, ...]]) -> bool:
        """Takes rows from `at` down to `low`; whether all of them were looked at. (A portion is not waited for on a machine that has no time for it: a narrower one may pass.)"""
        sql = f"SELECT {self.columns} FROM wf_workflows AS w WHERE {self.where} AND w.seq < ? AND w.seq >= ? ORDER BY w.seq DESC LIMIT ?"
        came: list[tuple[Any, ...]] = []
        whole, began = True, time.thread_time()
        try:
            with limited(self.connection, patience=1 if low > 0 else 5):
                for row in self.connection.execute(sql, (*self.values, self.at, low, limit)):
                    came.append(row)
        except Interrupted:
            whole = False
        self.took = time.thread_time() - began
        # (not while the query is open: what is done to errors takes its time)
        into += came if self.error is None else [row for row in came if error_group(row[-1]) == self.error]
        if came and not (whole and len(came) < limit):
            self.at = came[-1][0]
        elif whole:
            self.at = low
        return whole

    def rows(self, limit: int) -> list[tuple[Any, ...]]:
        """At most `limit` of them (with `error` a few more may be looked at). `complete` says whether the first workflow was reached or there are enough."""
        if self.numbers is not None:
            return self._listed(limit)
        found: list[tuple[Any, ...]] = []
        at_once, has_looked = True, False  # at once where an index finds it, and else in portions
        while self.at > 0 and len(found) < limit and (not has_looked or time.monotonic() < self.until):
            has_looked = True
            wanted = limit - len(found) if self.error is None else max(limit, 500)
            if at_once:
                at_once = self._take(0, wanted, found)
                continue
            from_here = self.at
            whole = self._take(max(0, self.at - self.width), wanted, found)
            fits = int((from_here - self.at) * AIM_SECONDS / max(self.took, 1e-4)) if whole else self.width // 4
            self.width = max(NARROWEST, min(fits, 2 * self.width, WIDEST))
        if self.error is not None and len(found) > limit:
            found = found[:limit]
            self.at = found[-1][0]
        self.complete = self.at <= 0 or len(found) >= limit
        return found


def list_workflows(connection: sqlite3.Connection, wanted: Filter = Filter(), *, before: int | None = None, limit: int = 50, seconds: float = 2) -> Page:
    """A page of workflows, newest first. `before` is `next` of the page before it. Stops after `seconds`."""
    began = time.monotonic()
    scan = Scan(connection, wanted, ROW_COLUMNS, before, began + seconds)
    raw = scan.rows(limit) if has_tables(connection) else []
    reasons = reasons_of(connection, [row[0] for row in raw if row[3] in LIVE])
    rows = [to_row(each, reasons) for each in raw]
    is_end = scan.at <= 1 if raw or scan.at else True
    return Page(rows, None if is_end else scan.at, scan.complete or is_end, None if scan.complete or is_end else created_near(connection, scan.at), time.monotonic() - began)


def to_row(row: tuple[Any, ...], reasons: dict[int, str]) -> Row:
    """A row of ROW_COLUMNS, with the reason that is known of it."""
    seq, status, error = row[0], row[3], row[-1]
    why = reasons.get(seq) if status in LIVE else None
    if why is None and error is not None and status in ("failed", "cancelled"):
        why = error_text(error)
    return fitted(Row, (*row[:-1], why, error))


NOT_LOOKED_UP = "(not looked up in time)"


def reasons_of(connection: sqlite3.Connection, numbers: list[int], *, seconds: float = 1) -> dict[int, str]:
    """Why they do not run: all at once, and what has not come of that in time one by one; NOT_LOOKED_UP for what is left after `seconds`."""
    found: dict[int, str] = {}
    until = time.monotonic() + seconds
    with contextlib.suppress(Interrupted), limited(connection):
        for number, reason in connection.execute("SELECT seq, reason FROM wf_pending WHERE seq IN (SELECT value FROM json_each(?))", (json.dumps(numbers),)):
            found[number] = text(reason) or ""
        return found  # (those that are missing have ended meanwhile)
    for number in [each for each in numbers if each not in found]:
        found[number] = NOT_LOOKED_UP
        if time.monotonic() >= until:
            continue
        try:
            with limited(connection):
                row = connection.execute("SELECT reason FROM wf_pending WHERE seq = ?", (number,)).fetchone()
        except Interrupted:
            continue
        if row is None:  # it has ended meanwhile
            del found[number]
        else:
            found[number] = text(row[0]) or ""
    return found


def created_near(connection: sqlite3.Connection, seq: int) -> int | None:
    """When the workflow of that number, or the next one after it, was created."""
    row = connection.execute("SELECT created_at FROM wf_workflows WHERE seq >= ? ORDER BY seq LIMIT 1", (seq,)).fetchone()
    return to_millis(row[0]) if row else None


@dataclasses.dataclass(frozen=True)
class Count:
    """How many: exactly, or at least so many (`exact` False: the time was up)."""

    count: int
    exact: bool

    def __str__(self) -> str:
        return f"{self.count:,}{'' if self.exact else '+'}"


def matching_ids(connection: sqlite3.Connection, wanted: Filter, *, before: int | None = None, limit: int = 1000, seconds: float = 2) -> tuple[list[str], int | None]:
    """Ids of the workflows that match, newest first, and where to go on (`before`), None: that was all. There may be fewer than `limit`, even none, with more behind them."""
    if not has_tables(connection):
        return [], None
    scan = Scan(connection, wanted, "w.seq, w.id, w.error" if wanted.error is not None else "w.seq, w.id", before, time.monotonic() + seconds)
    rows = scan.rows(limit)
    return [text(row[1]) or "" for row in rows], scan.at if scan.at > 1 else None


def count_matching(connection: sqlite3.Connection, wanted: Filter, *, seconds: float = 2) -> Count:
    """How many workflows match. From the engine's counts where the filter is of status, name and queue alone; else they are looked at, for at most `seconds`."""
    if not has_tables(connection):
        return Count(0, True)
    if dataclasses.replace(wanted, status=(), name=None, queue=None) == Filter():
        where, values = conditions(wanted)
        try:
            with limited(connection):
                row = connection.execute(f"SELECT coalesce(sum(w.count), 0) FROM wf_stats AS w WHERE {where}", values).fetchone()
                return Count(row[0], True)
        except Interrupted:
            pass
    until = time.monotonic() + seconds
    total, before = 0, None
    while time.monotonic() < until:
        ids, before = matching_ids(connection, wanted, before=before, limit=1000, seconds=until - time.monotonic())
        total += len(ids)
        if before is None:
            return Count(total, True)
    return Count(total, False)
