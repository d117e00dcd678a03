"""The figures of the first page and of `wfext status`. Each is asked for within 50 ms, or is None (not counted in time)."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from typing import Any

from .errors import Groups, recent_failures
from .files import Interrupted, has_tables, limited, to_millis, to_sql_time
from .files import now as now_of
from .lists import LIVE, Count
from .rows import fitted, moment
from .tables import Queue, in_doubt, queues
from .values import signal_names

CAP = 1000  # of what is counted row by row


@dataclasses.dataclass(frozen=True)
class Group:
    """How many workflows of a name have a status; `oldest_at`: the earliest time at which one of the live ones was or is due (None: not live, or not known)."""

    name: str
    status: str
    count: int
    oldest_at: int | None


@dataclasses.dataclass(frozen=True)
class Minute:
    """Workflows that ended in a minute (`at`: its beginning, milliseconds since 1970)."""

    at: int
    completed: int
    failed: int
    cancelled: int


@dataclasses.dataclass(frozen=True)
class Worker:
    """A worker with live leases: how many, and the nearest and farthest end of them."""

    name: str | None
    leases: int
    expired: int
    nearest: int | None
    farthest: int | None


@dataclasses.dataclass(frozen=True)
class Person:
    """A workflow that waits for somebody: for a signal (`what`: its name), or for a verdict on a step in doubt. `kind`: signal, doubt."""

    workflow_id: str
    name: str | None
    kind: str
    step: str
    what: str
    since: int | None


@dataclasses.dataclass(frozen=True)
class Overview:
    """Everything. `need_you`: workflows that wait for a signal or a verdict, counted up to 1,000. `counts` None: not counted in time."""

    path: str
    size: int
    now: int
    has_tables: bool
    live: int | None
    need_you: Count
    counts: list[Group] | None
    queues: list[Queue]
    failures: Groups


@dataclasses.dataclass(frozen=True)
class Tally:
    """All workflows by queue, name and status: (queue, name, status, count). Counted once, for all figures that are sums of these."""

    rows: list[tuple[Any, Any, Any, int]]

    def by_status(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for _, _, status, count in self.rows:
            found[status] = found.get(status, 0) + count
        return found

    def live(self) -> int:
        """How many have not ended."""
        return sum(count for _, _, status, count in self.rows if status in LIVE)

    def live_by_queue(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for queue, _, status, count in self.rows:
            found[queue] = found.get(queue, 0) + (count if status in LIVE else 0)
        return found

    def names(self) -> tuple[list[str], list[str]]:
        """The names of workflows, and of queues, that there are."""
        names = {name for _, name, _, _ in self.rows if isinstance(name, str)}
        queues = {queue for queue, _, _, _ in self.rows if isinstance(queue, str)}
        return sorted(names), sorted(queues)

    def groups(self, ages: dict[tuple[str, str], int]) -> list[Group]:
        """By name and status, with the earliest due time of what is live (`oldest_due`)."""
        found: dict[tuple[Any, Any], int] = {}
        for _, name, status, count in self.rows:
            found[name, status] = found.get((name, status), 0) + count
        return [fitted(Group, (*key, count, ages.get(key))) for key, count in sorted(found.items(), key=lambda each: (str(each[0][0]), str(each[0][1])))]


def tally(connection: sqlite3.Connection) -> Tally | None:
    """From the engine's counts; None: not counted in time."""
    if not has_tables(connection):
        return Tally([])
    try:
        with limited(connection):
            return Tally(connection.execute("SELECT queue, name, status, sum(count) FROM wf_stats GROUP BY queue, name, status").fetchall())
    except Interrupted:
        return None


# Lanes of one queue, kind and name have their numbers in blocks of 256: the first lane of each block is enough, however many partitions there are.
_NAMES = """
WITH RECURSIVE block(first) AS (
  SELECT min(lane) FROM _wf_lane UNION ALL SELECT (SELECT min(l.lane) FROM _wf_lane AS l WHERE l.lane > block.first | 255) FROM block WHERE block.first IS NOT NULL)
SELECT l.name, l.queue FROM block CROSS JOIN _wf_lane AS l ON l.lane = block.first"""


def names(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """The same as Tally.names without counting, for where that takes too long; of more than can be read in time those that have come."""
    names: set[str] = set()
    queues: set[str] = set()
    if has_tables(connection):
        with contextlib.suppress(Interrupted), limited(connection):
            for name, queue in connection.execute(_NAMES):
                if isinstance(name, str) and isinstance(queue, str):
                    names.add(name)
                    queues.add(queue)
    return sorted(names), sorted(queues)


_FEW = 2000  # of a place: all of them are looked at; else each lane is asked for its first one
_PLACES = ("pending", "running", "waiting", "waiting", "running", "waiting")


def oldest_due(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """The earliest due time of what is pending, running or waiting, by name and status; of those that were found in time."""
    found: dict[tuple[str, str], int] = {}
    if not has_tables(connection):
        return found
    of_all = "SELECT l.name, min(w.due_at) FROM _wf_workflow AS w INDEXED BY _wf_due CROSS JOIN _wf_lane AS l ON l.lane = w.lane WHERE w.place = ? AND w.nth IS NULL GROUP BY l.name"
    of_lanes = (
        "SELECT l.name, min((SELECT min(w.due_at) FROM _wf_workflow AS w INDEXED BY _wf_due WHERE w.lane = l.lane AND w.place = ? AND w.nth IS NULL)) FROM _wf_lane AS l GROUP BY l.name"
    )
    for place, status in enumerate(_PLACES):
        try:
            with limited(connection):
                many = connection.execute("SELECT 1 FROM _wf_workflow INDEXED BY _wf_due WHERE place = ? LIMIT 1 OFFSET ?", (place, _FEW)).fetchone()
                rows = connection.execute(of_lanes if many else of_all, (place,)).fetchall()
        except (Interrupted, sqlite3.OperationalError):  # (the second: a file that was changed by hand)
            continue
        for name, due in rows:
            if (due := moment(due)) is not None:
                found[name, status] = min(due, found.get((name, status), due))
    return found


def live(connection: sqlite3.Connection, counted: Tally | None = None) -> int | None:
    """How many workflows have not ended; None: not counted in time."""
    if counted is not None or not has_tables(connection):
        return counted.live() if counted else 0
    try:
        with limited(connection):
            return int(connection.execute("SELECT wf_pending()").fetchone()[0])
    except Interrupted:
        return None


def _count(connection: sqlite3.Connection, rows: str, most: int) -> Count:
    """How many rows there are, counted up to `most`; 0, and not exact, where that takes too long."""
    if not has_tables(connection):
        return Count(0, True)
    found, exact = 0, False
    with contextlib.suppress(Interrupted), limited(connection):
        found = connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT ?)", (most + 1,)).fetchone()[0]
        exact = found <= most
    return Count(min(found, most), exact)


def failed(connection: sqlite3.Connection, most: int = CAP) -> Count:
    """How many workflows have failed, counted up to `most`."""
    return _count(connection, "wf_workflows WHERE status = 'failed'", most)


def need_you(connection: sqlite3.Connection, most: int = CAP) -> Count:
    """How many workflows wait for a signal or for a verdict on a step in doubt, counted up to `most`."""
    return _count(connection, "_wf_step WHERE status = 'waiting' AND (kind IN ('await', 'step') OR kind = 'wait_any' AND topics LIKE '%\"signal\"%')", most)


def people(connection: sqlite3.Connection, limit: int = 50) -> list[Person]:
    """What waits for a person: steps in doubt that are held, then workflows that wait for a signal; as many as are found within 50 ms, at most `limit`."""
    if not has_tables(connection):
        return []
    held = in_doubt(connection, held_only=True, limit=limit)
    found = [Person(each.workflow_id, None, "doubt", each.step, each.step, each.begun_at) for each in held]
    try:
        with limited(connection):
            for id, name, step, topics, kind, at in connection.execute(
                "SELECT w.id, l.name, s.name, s.topics, s.kind, s.begun_at FROM _wf_step AS s CROSS JOIN _wf_workflow AS w ON w.seq = s.wf LEFT JOIN _wf_lane AS l ON l.lane = w.lane"
                " WHERE s.status = 'waiting' AND (s.kind = 'await' OR s.kind = 'wait_any' AND s.topics LIKE '%\"signal\"%') LIMIT ?",
                (max(0, limit - len(found)),),
            ):
                names = signal_names(kind, topics)
                found.append(fitted(Person, (id, name, "signal", step, str(topics) if names is None else ", ".join(names), at)))
    except Interrupted:
        pass
    return found


def workers(connection: sqlite3.Connection) -> list[Worker] | None:
    """Workers that hold leases, those with most of them first; None: not found in time."""
    if not has_tables(connection):
        return []
    now = to_sql_time(now_of(connection))
    try:
        with limited(connection):
            rows = connection.execute(
                "SELECT worker, sum(due_at > ?1), sum(due_at <= ?1), min(CASE WHEN due_at > ?1 THEN due_at END), max(due_at) FROM wf_workflows WHERE status = 'running' GROUP BY worker"
                " ORDER BY 2 DESC, worker",
                (now,),
            ).fetchall()
    except Interrupted:
        return None
    return [fitted(Worker, row) for row in rows]


def ended_per_minute(connection: sqlite3.Connection, minutes: int = 60, most: int = 10_000) -> tuple[list[Minute], bool]:
    """Workflows that ended in each of the last minutes, oldest first, and whether these are all: only the newest `most` workflows are looked at."""
    if not has_tables(connection):
        return [], True
    end = now_of(connection) // 60_000 * 60_000
    begin = end - (minutes - 1) * 60_000
    tally: dict[int, list[int]] = {}
    complete = True
    since = to_sql_time(begin)
    try:
        with limited(connection):
            for minute, status, count in connection.execute(
                "SELECT substr(completed_at, 1, 16), status, count(*) FROM (SELECT completed_at, status FROM wf_workflows ORDER BY seq DESC LIMIT ?)"
                " WHERE completed_at >= ? GROUP BY 1, 2",
                (most, since),
            ):
                moment = to_millis(minute + ":00")
                if moment is not None and status in ("completed", "failed", "cancelled"):
                    tally.setdefault(moment, [0, 0, 0])[("completed", "failed", "cancelled").index(status)] += count
            row = connection.execute("SELECT created_at FROM wf_workflows ORDER BY seq DESC LIMIT 1 OFFSET ?", (most - 1,)).fetchone()
            oldest = to_millis(row[0]) if row else None
            complete = oldest is None or oldest < begin
    except Interrupted:
        complete = False
    return [Minute(each, *tally.get(each, [0, 0, 0])) for each in range(begin, end + 1, 60_000)], complete


def overview(connection: sqlite3.Connection, path: str = "") -> Overview:
    """What `wfext status` shows. `size`: bytes, with what is in the WAL."""
    size = connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
    counted = tally(connection)
    return Overview(
        path,
        size,
        now_of(connection),
        has_tables(connection),
        live(connection, counted),
        need_you(connection),
        counted.groups(oldest_due(connection)) if counted else None,
        queues(connection, counted.live_by_queue() if counted else None),
        recent_failures(connection),
    )
