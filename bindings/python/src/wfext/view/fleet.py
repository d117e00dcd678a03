"""Many files, one row each: by the engine's wf_fleet where it has one, else by opening each."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Sequence

from .. import loading
from .files import Interrupted, NoFile, find_files, has_tables, limited, open_file, to_millis
from .overview import by_status
from .tables import queues


@dataclasses.dataclass(frozen=True)
class FleetFile:
    """A file and its figures, or `error` why it could not be read; `code`: 0, 3 it is locked, 4 it is damaged. `next_due_at`: when it wants attention next, None: never."""

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
    epoch: int | None


def fleet(patterns: Sequence[str], *, timeout: float = 1) -> list[FleetFile]:
    """A row for each file that the paths and patterns name, each once. Raises NoFile where one of them names none. `timeout`: seconds to wait for a file that somebody locks."""
    found: dict[str, FleetFile] = {}
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        loading.load(connection)
        if connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'wf_fleet'").fetchone() is None:
            return [_look(path, timeout) for path in find_files(patterns)]
        connection.execute("SELECT wf_busy_timeout(?)", (timeout,)).fetchall()
        for pattern in patterns:
            paths = set(find_files([pattern]))
            # (a path may hold what a pattern gives a meaning to, and ** is a pattern of this side alone)
            asked = [pattern] if len(paths) > 1 and "**" not in pattern else [_plain(path) for path in sorted(paths)]
            for each in asked:
                for row in connection.execute("SELECT file, error, size, next_due, ready, running, waiting, failed, in_doubt, epoch FROM wf_fleet(?)", (each,)):
                    found.setdefault(row[0], _row(*row))
    if not found:
        raise NoFile(f"{', '.join(patterns)}: no file could be looked at")
    return list(found.values())


def _plain(path: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _row(file: str, error: str | None, size: int | None, next_due: str | None, *numbers: int | None) -> FleetFile:
    if error is not None and error.startswith("WF_NOT_FOUND"):  # it has no tables: as everywhere, a file without workflows
        return FleetFile(file, None, 0, size, None, 0, 0, 0, 0, 0, None)
    code = 0 if error is None else 3 if "locked" in error else 4
    return FleetFile(file, error, code, size, to_millis(next_due), *numbers)


def _look(path: str, timeout: float) -> FleetFile:
    size = os.path.getsize(path) if os.path.exists(path) else None
    try:
        with open_file(path, timeout=timeout) as file:
            return _figures(file.connection, path)
    except (sqlite3.Error, NoFile, OSError) as error:
        locked = (getattr(error, "sqlite_errorcode", 0) or 0) & 255 in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return FleetFile(path, str(error), 3 if locked else 1 if isinstance(error, NoFile) else 4, size, None, None, None, None, None, None, None)


def _figures(connection: sqlite3.Connection, path: str) -> FleetFile:
    size = connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
    if not has_tables(connection):
        return FleetFile(path, None, 0, size, None, 0, 0, 0, 0, 0, None)
    counts = by_status(connection)
    found = queues(connection)
    ready = sum(each.ready for each in found if each.ready is not None) if all(each.ready is not None for each in found) else None
    epoch = connection.execute("SELECT value FROM _wf_meta WHERE key = 'epoch'").fetchone()
    doubt: int | None = None
    next_due: int | None = None
    try:
        with limited(connection):
            doubt = int(connection.execute("SELECT count(*) FROM wf_in_doubt").fetchone()[0])
        with limited(connection):
            next_due = to_millis(connection.execute("SELECT wf_next_due()").fetchone()[0])
    except Interrupted:
        pass
    if counts is None:
        return FleetFile(path, None, 0, size, next_due, ready, None, None, None, doubt, epoch[0] if epoch else None)
    return FleetFile(path, None, 0, size, next_due, ready, counts.get("running", 0), counts.get("waiting", 0), counts.get("failed", 0), doubt, epoch[0] if epoch else None)
