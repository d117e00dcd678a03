"""One workflow: its state, why it does not run, and what belongs to it, in parts of 500."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable
from typing import Any

from .files import has_tables
from .lists import LIVE, ROW_COLUMNS, Row, reasons_of, to_row
from .rows import fitted, whole
from .values import Value, parsed, signal_names

PART = 500


@dataclasses.dataclass(frozen=True)
class Workflow:
    """A workflow with all that its row says. Times are milliseconds since 1970, UTC; values as stored (JSON text, number, bytes). `reason`: why a live one does not run."""

    seq: int
    id: str
    name: str | None
    status: str
    reason: str | None
    queue: str | None
    priority: int
    version: str | None
    partition: str | None
    dedup: str | None
    attempt: int
    resumed: int
    max_attempts: int
    period: int
    worker: str | None
    ending: str | None
    parent_id: str | None
    input: Value
    output: Value
    error: Value
    headers: Value
    tags: dict[str, str]
    created_at: int | None
    started_at: int | None
    attempt_at: int | None
    completed_at: int | None
    updated_at: int | None
    due_at: int | None
    deadline_at: int | None
    scripted: bool


@dataclasses.dataclass(frozen=True)
class Step:
    """A step, wait or child in the order of recording. `status`: done, error, failed (will be tried again), waiting, begun, ready, skipped."""

    seq: int
    name: str
    kind: str
    status: str
    output: Value
    error: Value
    attempts: int
    begun_at: int | None
    recorded_at: int | None
    attempt: int | None
    worker: str | None
    ended_by: str | None


@dataclasses.dataclass(frozen=True)
class Failure:
    """A failed attempt or a lost lease; `step` None: the workflow as a whole."""

    seq: int
    attempt: int
    step: str | None
    worker: str | None
    error: Value
    at: int | None
    claimed_at: int | None


@dataclasses.dataclass(frozen=True)
class Signal:
    """A signal; `taken_by` the step that took it, None: in line."""

    seq: int
    name: str
    key: str | None
    payload: Value
    received_at: int | None
    taken_by: str | None


@dataclasses.dataclass(frozen=True)
class NamedValue:
    """What wf_set has shown."""

    key: str
    value: Value
    updated_at: int | None


@dataclasses.dataclass(frozen=True)
class Stream:
    """A stream: items are at offsets from `first` to before `next`."""

    name: str
    first: int
    next: int
    closed: bool


@dataclasses.dataclass(frozen=True)
class Item:
    """An item of a stream."""

    offset: int
    value: Value
    appended_at: int | None


_COLUMNS = [each.name for each in dataclasses.fields(Workflow) if each.name not in ("reason", "scripted")]


def workflow(connection: sqlite3.Connection, id: str) -> Workflow | None:
    """The workflow of that id; None: there is none."""
    if not has_tables(connection):
        return None
    row = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM wf_workflows WHERE id = ?", (id,)).fetchone()
    if row is None:
        return None
    live = row[_COLUMNS.index("status")] in LIVE
    found = connection.execute("SELECT reason FROM wf_pending WHERE seq = ?", (row[0],)).fetchone() if live else None
    kind = connection.execute("SELECT l.kind FROM _wf_workflow AS w JOIN _wf_lane AS l USING (lane) WHERE w.seq = ?", (row[0],)).fetchone()
    values: dict[str, Any] = dict(zip(_COLUMNS, row))
    tags = parsed(values["tags"])
    values |= {"tags": tags if isinstance(tags, dict) else {}, "reason": found[0] if found else None, "scripted": kind is not None and kind[0] == 1}
    return fitted(Workflow, [values[each.name] for each in dataclasses.fields(Workflow)])


_STEPS = "seq, name, kind, status, output, error, attempts, begun_at, recorded_at, attempt, worker, ended_by"


def steps(connection: sqlite3.Connection, id: str, *, after: int = 0, limit: int = PART, most: int | None = None) -> list[Step]:
    """The steps that were recorded after number `after` (0: from the beginning), at most `limit`, in order; fewer where their outputs come to more than `most` bytes, but one at least."""
    if not has_tables(connection):
        return []
    rows = connection.execute(f"SELECT {_STEPS} FROM wf_steps WHERE workflow_id = ? AND seq > ? ORDER BY seq LIMIT ?", (id, after, limit))
    return _as_far(rows, most)


def _as_far(rows: Iterable[tuple[Any, ...]], most: int | None) -> list[Step]:
    found: list[Step] = []
    size = 0
    for row in rows:
        found.append(fitted(Step, row))
        if most is not None:
            size += sum([len(value) for value in row[4:6] if isinstance(value, (str, bytes))])
            if size > most:
                break
    return found


def last_steps(connection: sqlite3.Connection, id: str, *, before: int | None = None, limit: int = PART, most: int | None = None) -> list[Step]:
    """The last `limit` steps (before number `before`), in order; fewer where their outputs come to more than `most` bytes, but one at least."""
    if not has_tables(connection):
        return []
    rows = connection.execute(f"SELECT {_STEPS} FROM wf_steps WHERE workflow_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?", (id, before if before is not None else 1 << 60, limit))
    return _as_far(rows, most)[::-1]


def step(connection: sqlite3.Connection, id: str, name: str) -> Step | None:
    """The step of that name."""
    if not has_tables(connection):
        return None
    row = connection.execute(f"SELECT {_STEPS} FROM wf_steps WHERE workflow_id = ? AND name = ?", (id, name)).fetchone()
    return fitted(Step, row) if row else None


def failures(connection: sqlite3.Connection, id: str, *, before: int | None = None, limit: int = PART) -> list[Failure]:
    """Failed attempts and lost leases, the last `limit` (before number `before`), in order."""
    if not has_tables(connection):
        return []
    rows = connection.execute(
        "SELECT seq, attempt, step, worker, error, at, claimed_at FROM wf_failures WHERE workflow_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
        (id, before if before is not None else 1 << 60, limit),
    )
    return [fitted(Failure, row) for row in rows][::-1]


def signals(connection: sqlite3.Connection, id: str, *, after: int = 0, limit: int = PART) -> list[Signal]:
    """Signals in the order of their arrival, after number `after`."""
    if not has_tables(connection):
        return []
    rows = connection.execute(
        "SELECT seq, name, key, payload, received_at, taken_by FROM wf_signals WHERE workflow_id = ? AND seq > ? ORDER BY seq LIMIT ?", (id, after, limit)
    )
    return [fitted(Signal, row) for row in rows]


def awaited(connection: sqlite3.Connection, id: str) -> list[str]:
    """Names of the signals that the workflow waits for now: what a form to send one offers."""
    if not has_tables(connection):
        return []
    rows = connection.execute(
        "SELECT s.kind, s.topics FROM _wf_workflow AS w JOIN _wf_step AS s ON s.wf = w.seq WHERE w.id = ? AND s.status = 'waiting' AND s.kind IN ('await', 'wait_any') LIMIT 100", (id,)
    )
    return list(dict.fromkeys(name for kind, topics in rows for name in signal_names(kind, topics) or ()))


def values(connection: sqlite3.Connection, id: str, *, after: str = "", limit: int = PART) -> list[NamedValue]:
    """Named values in the order of their keys, those after the key `after`."""
    if not has_tables(connection):
        return []
    rows = connection.execute("SELECT key, value, updated_at FROM wf_values WHERE workflow_id = ? AND key > ? ORDER BY key LIMIT ?", (id, after, limit))
    return [fitted(NamedValue, row) for row in rows]


def streams(connection: sqlite3.Connection, id: str, *, limit: int = PART) -> list[Stream]:
    """The streams of the workflow, each found by its first and last item."""
    if not has_tables(connection):
        return []
    row = connection.execute("SELECT seq FROM _wf_workflow WHERE id = ?", (id,)).fetchone()
    if row is None:
        return []
    found: list[Stream] = []
    ended = {
        name: (first, next, closed)
        for name, first, next, closed in connection.execute("SELECT stream, first, next, closed FROM _wf_stream_end WHERE wf = ? ORDER BY stream LIMIT ?", (row[0], limit))
    }
    name = ""
    while len(found) < limit:
        at = connection.execute('SELECT stream, "offset" FROM _wf_stream WHERE wf = ? AND stream > ? ORDER BY stream, "offset" LIMIT 1', (row[0], name)).fetchone()
        if at is None:
            break
        name = at[0]
        last = connection.execute('SELECT "offset" FROM _wf_stream WHERE wf = ? AND stream = ? ORDER BY "offset" DESC LIMIT 1', (row[0], name)).fetchone()
        found.append(fitted(Stream, (name, at[1], (whole(last[0]) or 0) + 1, ended.pop(name, (0, 0, 0))[2])))
    found += [fitted(Stream, (each, next, next, closed)) for each, (_, next, closed) in ended.items()]  # all of them trimmed
    return sorted(found, key=lambda each: each.name)[:limit]


def items(connection: sqlite3.Connection, id: str, stream: str, *, start: int = 0, limit: int = PART) -> list[Item]:
    """Items of a stream from offset `start` on."""
    if not has_tables(connection):
        return []
    rows = connection.execute(
        'SELECT "offset", value, appended_at FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?', (id, stream, start, limit)
    )
    return [fitted(Item, row) for row in rows]


def children(connection: sqlite3.Connection, id: str, *, after: int = 0, limit: int = PART) -> list[Row]:
    """The children of the workflow in the order of their start, those after number `after` (Row.seq)."""
    if not has_tables(connection):
        return []
    rows = connection.execute(f"SELECT {ROW_COLUMNS} FROM wf_workflows AS w WHERE w.parent_id = ? AND w.seq > ? ORDER BY w.seq LIMIT ?", (id, after, limit)).fetchall()
    reasons = reasons_of(connection, [row[0] for row in rows if row[3] in LIVE])
    return [to_row(row, reasons) for row in rows]


def ancestors(connection: sqlite3.Connection, id: str, *, limit: int = 20) -> list[str]:
    """Ids of the parent, its parent and so on, nearest first."""
    found: list[str] = []
    while len(found) < limit and has_tables(connection):
        row = connection.execute("SELECT parent_id FROM wf_workflows WHERE id = ?", (id,)).fetchone()
        if row is None or row[0] is None or row[0] in found:
            break
        id = row[0]
        found.append(id)
    return found
