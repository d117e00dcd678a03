"""What may be done to workflows, on ids or on all that match a filter: then in portions of at most 1,000, each a transaction of its own.

The connection is one that was opened for writing. Errors of the engine come as those of `wfext.errors` (NotFound, WrongState ...), SQLite's own as sqlite3.Error or Busy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import translate
from .lists import Filter, matching_ids

PORTION = 1000
BULK = ("cancel", "pause", "resume", "retry", "reschedule", "delete", "signal")


@dataclasses.dataclass(frozen=True)
class Done:
    """How far an action has come: `changed` workflows, of `looked_at`. `next`: pass it as `before` to go on; None: that was all."""

    changed: int
    looked_at: int
    next: int | None


def call(connection: sqlite3.Connection, sql: str, *values: Any) -> Any:
    """The first column of a call; errors translated."""
    try:
        row = connection.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise translate(error) from error
    return row[0][0] if row else None


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it, or, with the error that it raises, nothing."""
    call(connection, "BEGIN IMMEDIATE")
    try:
        yield
        call(connection, "COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _options(given: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in given.items() if value is not None}, ensure_ascii=False)


def act(connection: sqlite3.Connection, action: str, ids: str | Sequence[str], **options: Any) -> int:
    """cancel, pause, resume, retry, reschedule, delete or signal of one id or several (one transaction); how many changed.

    Options are the engine's (`force`, `from`, `children`, `skip` ...; None: not given). Beside them: `reason` of cancel, `time` of reschedule, `signal`, `payload` (JSON text) of signal.
    Of several ids one that cannot be is left out with skip=True, else nothing changes. Raises NotFound, WrongState and so on.
    """
    target = ids if isinstance(ids, str) else json.dumps(list(ids))
    if action == "cancel":
        return int(call(connection, "SELECT wf_cancel(?, ?, ?)", target, options.pop("reason", None), _options(options)))
    if action == "reschedule":
        return int(call(connection, "SELECT wf_reschedule(?, ?, ?)", target, options.pop("time", None), _options(options)))
    if action in ("pause", "resume", "retry", "delete"):
        return int(call(connection, f"SELECT wf_{action}(?, ?)", target, _options(options)))
    if action == "signal":
        return _signal(connection, [ids] if isinstance(ids, str) else list(ids), **options)
    raise ValueError(f"{action}: one of {', '.join(BULK)}")


def _signal(connection: sqlite3.Connection, ids: list[str], *, signal: str, payload: Any = None, key: str | None = None, skip: bool | None = None) -> int:
    """Sends it to each, all or (without skip) none."""
    from ..errors import NotFound, WrongState

    sent = 0
    with _transaction(connection):
        for id in ids:
            try:
                sent += int(call(connection, "SELECT wf_signal(?, ?, ?, ?)", id, signal, payload, _options({"key": key})))
            except (NotFound, WrongState):
                if not skip:
                    raise
    return sent


def act_on_all(connection: sqlite3.Connection, action: str, wanted: Filter, *, before: int | None = None, portion: int = PORTION, **options: Any) -> Iterator[Done]:
    """The same on all workflows that match, newest first (`before`: from there on); after each portion how far it is. What cannot be (it has ended meanwhile, say) is left out.

    The caller may stop between two portions: what was done stays done.
    """
    changed = looked = 0
    while True:
        ids, before = matching_ids(connection, wanted, before=before, limit=min(portion, PORTION), seconds=2)
        if ids:
            changed += act(connection, action, ids, skip=True, **options)
            looked += len(ids)
        yield Done(changed, looked, before)
        if before is None:
            return


def run_all(connection: sqlite3.Connection, action: str, wanted: Filter, *, progress: Callable[[Done], None] | None = None, **options: Any) -> Done:
    """act_on_all to its end."""
    done = Done(0, 0, None)
    for done in act_on_all(connection, action, wanted, **options):
        if progress:
            progress(done)
    return done


def start(connection: sqlite3.Connection, name: str, input: Any = None, **options: Any) -> str:
    """wf_start; `input` as JSON text, a number or bytes. Its id."""
    return str(call(connection, "SELECT wf_start(?, ?, ?)", name, input, _options(options)))


def emit(connection: sqlite3.Connection, event: str, payload: Any = None) -> Any:
    """wf_emit; the payload that stands."""
    return call(connection, "SELECT wf_emit(?, ?)", event, payload)


def fork(connection: sqlite3.Connection, id: str, /, **options: Any) -> str:
    """wf_fork (`from`, `id`, `input`, a JSON value); the id of the new workflow."""
    return str(call(connection, "SELECT wf_fork(?, ?)", id, _options(options)))


def resolve(connection: sqlite3.Connection, id: str, step: str, verdict: str, value: Any = None) -> None:
    """wf_resolve: 'done' with the output, 'retry', or 'failed' with an error."""
    call(connection, "SELECT wf_resolve(?, ?, ?, ?)", id, step, verdict, value)


def purge(connection: sqlite3.Connection, **options: Any) -> Iterator[int]:
    """wf_purge (`older_than`, `keep`, `status`, `name`, `queue`, `events`) again and again until nothing is left; after each call how many are gone."""
    gone = 0
    while True:
        found = int(call(connection, "SELECT wf_purge(?)", _options(options)))
        gone += found
        if not found:
            return
        yield gone


def pause_schedule(connection: sqlite3.Connection, name: str, paused: bool) -> None:
    """Pauses a schedule, or lets it go on: it is made again as it was, but for that. Raises NotFound."""
    from ..errors import NotFound

    with _transaction(connection):
        row = connection.execute("SELECT cron, workflow, input, timezone, catch_up, grace, overlap, start FROM wf_schedules WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise NotFound(f"WF_NOT_FOUND: there is no schedule {name}")
        cron, workflow, input, timezone, catch_up, grace, overlap, begin = row
        options = {"timezone": timezone, "catch_up": catch_up, "grace": grace, "overlap": overlap, "paused": paused, "start": json.loads(begin) if begin else None}
        call(connection, "SELECT wf_schedule(?, ?, ?, ?, ?)", name, cron, workflow, input, _options(options))


def fire(connection: sqlite3.Connection, name: str) -> str:
    """Fires a schedule now; the id of the workflow."""
    return str(call(connection, "SELECT wf_trigger(?)", name))


def pause_queue(connection: sqlite3.Connection, name: str, paused: bool) -> None:
    """Pauses a queue, or lets it go on."""
    call(connection, "SELECT wf_queue(?, ?)", name, _options({"paused": paused}))
