"""Errors in groups: those of failed workflows, and the failures of the last hour. What of a text varies (numbers, UUIDs) is not looked at: `values.error_group`."""

from __future__ import annotations

import dataclasses
import sqlite3
import time

from .files import Interrupted, has_tables, limited, to_millis, to_sql_time
from .files import now as now_of
from .lists import Filter, Scan, created_near
from .rows import text
from .values import Value, error_group, error_text


@dataclasses.dataclass(frozen=True)
class Group:
    """Errors that are alike. `error` is what they have in common (Filter.error finds them); `example` the newest of them as one line. Times in milliseconds since 1970."""

    error: str
    example: str
    count: int
    names: tuple[str, ...]
    steps: tuple[str, ...]
    first_at: int | None
    last_at: int | None
    last_id: str


@dataclasses.dataclass(frozen=True)
class Groups:
    """groups, the largest first. `complete` False: there are more than were looked at (`looked_to`: those since then were)."""

    groups: list[Group]
    looked_at: int
    complete: bool
    looked_to: int | None


LONGEST = 2000  # characters of an example: an error may be megabytes


class _Gathering:
    def __init__(self) -> None:
        self.found: dict[str, dict[str, object]] = {}
        self.counts: dict[str, int] = {}
        self.names: dict[str, dict[str, None]] = {}
        self.steps: dict[str, dict[str, None]] = {}
        self.newest: dict[str, tuple[int, str, str]] = {}
        self.oldest: dict[str, int] = {}

    def add(self, error: Value, id: str, name: str | None, step: str | None, at: int | None) -> None:
        key = error_group(error)
        when = at if at is not None else 0
        self.counts[key] = self.counts.get(key, 0) + 1
        names, steps = self.names.setdefault(key, {}), self.steps.setdefault(key, {})
        if name is not None and len(names) < 20:
            names[name] = None
        if step is not None and len(steps) < 20:
            steps[step] = None
        if key not in self.newest or when > self.newest[key][0]:
            self.newest[key] = (when, id, error_text(error)[:LONGEST])
        self.oldest[key] = min(when, self.oldest.get(key, when))

    def groups(self) -> list[Group]:
        made = [
            Group(key, self.newest[key][2], count, tuple(self.names[key]), tuple(self.steps[key]), self.oldest[key] or None, self.newest[key][0] or None, self.newest[key][1])
            for key, count in self.counts.items()
        ]
        return sorted(made, key=lambda each: (-each.count, -(each.last_at or 0), each.error))


def errors(connection: sqlite3.Connection, wanted: Filter = Filter(status=("failed",)), *, seconds: float = 1) -> Groups:
    """Workflows that have failed (or what the filter asks for), in groups of one error, newest first looked at, for at most `seconds`."""
    gathering = _Gathering()
    if not has_tables(connection):
        return Groups([], 0, True, None)
    until = time.monotonic() + seconds
    if not wanted.status:
        wanted = dataclasses.replace(wanted, status=("failed",))
    columns = "w.seq, w.id, w.name, w.completed_at, (SELECT f.step FROM wf_failures AS f WHERE f.workflow_id = w.id ORDER BY f.seq DESC LIMIT 1), w.error"
    scan = Scan(connection, wanted, columns, None, until)
    looked = 0
    while scan.at > 0 and time.monotonic() < until:
        at = scan.at
        for _, id, name, ended, step, error in scan.rows(200):
            looked += 1
            gathering.add(error, text(id) or "", text(name), text(step), to_millis(ended))
        if scan.at == at:
            break
    done = scan.at <= 1
    return Groups(gathering.groups(), looked, done, None if done else created_near(connection, scan.at))


def recent_failures(connection: sqlite3.Connection, *, since: int | None = None, most: int = 2000) -> Groups:
    """Failed attempts and lost leases since a time (default: of the last hour), of steps and workflows, in groups; of more than `most` the newest."""
    gathering = _Gathering()
    if not has_tables(connection):
        return Groups([], 0, True, None)
    if since is None:
        since = now_of(connection) - 3_600_000
    looked, oldest, complete = 0, None, True
    try:
        with limited(connection):
            for id, step, error, at in connection.execute(
                "SELECT workflow_id, step, error, at FROM wf_failures WHERE at >= ? ORDER BY at DESC LIMIT ?", (to_sql_time(since), most)
            ):
                looked += 1
                oldest = to_millis(at)
                gathering.add(error, text(id) or "", None, text(step), oldest)
    except Interrupted:
        complete = False
    complete = complete and looked < most
    return Groups(gathering.groups(), looked, complete, None if complete else oldest)
