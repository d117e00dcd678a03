"""Many files, one row each: by the engine's wf_fleet, which looks into each without holding anybody up."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Sequence

from .. import loading
from .files import NoFile, find_files, to_millis


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


def fleet(patterns: Sequence[str], *, timeout: float = 1, index: str | None = None) -> list[FleetFile]:
    """A row for each file that the paths and patterns name, each once. Raises NoFile where one of them names none.

    timeout   seconds to wait for a file that somebody locks
    index     a file that keeps what was seen, so that only those are looked into that have changed since, or want something now
    """
    found: dict[str, FleetFile] = {}
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.text_factory = os.fsdecode  # a name may be any bytes
        loading.load(connection)
        connection.execute("SELECT wf_busy_timeout(?)", (timeout,)).fetchall()
        for pattern in patterns:
            paths = set(find_files([pattern]))
            # (a path may hold what a pattern gives a meaning to, and ** is a pattern of this side alone)
            asked = [pattern] if len(paths) > 1 and "**" not in pattern else [_plain(path) for path in sorted(paths)]
            for each in asked:
                for row in connection.execute("SELECT file, error, size, next_due, ready, running, waiting, failed, in_doubt, epoch FROM wf_fleet(CAST(? AS TEXT), ?)", (os.fsencode(each), index)):
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
