"""Many files, one row each: by the engine's table wf_fleet where it has one, else by opening each."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Sequence

from .files import Interrupted, NoFile, find_files, has_tables, limited, open_file, to_millis
from .files import now as now_of
from .overview import by_status
from .tables import queues


@dataclasses.dataclass(frozen=True)
class FleetFile:
    """A file: its figures at `now`, by its own clock, or `error` why it could not be read. `code`: 0, 3 it is locked, 4 it is damaged. A figure is None where it was not counted in time."""

    file: str
    error: str | None
    code: int
    size: int | None
    next_due_at: int | None
    ready: int | None
    running: int | None
    waiting: int | None
    failed: int | None
    in_doubt: int | None
    now: int | None


def fleet(patterns: Sequence[str], *, timeout: float = 1) -> list[FleetFile]:
    """A row for each file that the paths and patterns name. Raises NoFile where they name none."""
    return [_look(path, timeout) for path in find_files(patterns)]


def _look(path: str, timeout: float) -> FleetFile:
    size = os.path.getsize(path) if os.path.exists(path) else None
    try:
        with open_file(path, timeout=timeout) as file:
            return _figures(file.connection, path)
    except (sqlite3.Error, NoFile, OSError) as error:
        locked = (getattr(error, "sqlite_errorcode", 0) or 0) & 255 in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return FleetFile(path, str(error), 3 if locked else 1 if isinstance(error, NoFile) else 4, size, None, None, None, None, None, None, None)


def _figures(connection: sqlite3.Connection, path: str) -> FleetFile:
    now = now_of(connection)
    size = connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
    if not has_tables(connection):
        return FleetFile(path, None, 0, size, None, 0, 0, 0, 0, 0, now)
    counts = by_status(connection)
    found = queues(connection)
    ready = sum(each.ready for each in found if each.ready is not None) if all(each.ready is not None for each in found) else None
    doubt: int | None = None
    next_due: int | None = None
    try:
        with limited(connection):
            doubt = int(connection.execute("SELECT count(*) FROM wf_in_doubt").fetchone()[0])
        with limited(connection):
            row = connection.execute(
                "SELECT min(at) FROM (SELECT min((SELECT min(w.due_at) FROM _wf_workflow AS w WHERE w.lane = l.lane AND w.place = p.place)) AS at FROM _wf_lane AS l,"
                " (SELECT 0 AS place UNION ALL SELECT 1 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) AS p UNION ALL SELECT min(next_at) FROM _wf_schedule WHERE NOT paused)"
            ).fetchone()
            next_due = row[0] if isinstance(row[0], int) else to_millis(row[0])
    except Interrupted:
        pass
    if counts is None:
        return FleetFile(path, None, 0, size, next_due, ready, None, None, None, doubt, now)
    return FleetFile(path, None, 0, size, next_due, ready, counts.get("running", 0), counts.get("waiting", 0), counts.get("failed", 0), doubt, now)
