"""Why a workflow does not run, and what could be done about it, in sentences."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from . import one, tables
from .files import now as now_of
from .files import to_sql_time
from .lists import LIVE
from .values import error_text


def in_utc(at: int, now: int) -> str:
    """How a time is said where nothing else is asked for."""
    return f"{to_sql_time(at)} UTC" + (" (that has passed)" if at <= now else "")


def by_command(action: str, *words: str) -> str:
    """How a remedy is said: as a command."""
    return " ".join(["wfext", action, "FILE", *words])


def reasons(
    connection: sqlite3.Connection, workflow: one.Workflow, *, said: Callable[[int, int], str] = in_utc, remedy: Callable[..., str] = by_command
) -> list[str]:
    """Lines about a workflow: its state, the engine's reason, what it waits for with the times, its last failure, and which call would move it.

    said      a time, and what is now, both in milliseconds since 1970, in words
    remedy    an action (signal, resolve, resume, retry, reschedule) with its arguments in words
    """
    w = workflow
    lines = [f"{w.id} ({w.name}) is {w.status}" + (f": {w.reason}" if w.reason else "")]
    now = now_of(connection)
    if w.ending:
        lines.append(f"it is coming to its end: it will be {w.ending} once its worker has cleaned up")
    if w.status in ("failed", "cancelled") and w.error is not None:
        lines.append(f"{'error' if w.status == 'failed' else 'reason'}: {error_text(w.error)}")
    if w.status in LIVE:
        if w.due_at is not None:
            word = "the lease ends" if w.status == "running" else "due"
            lines.append(f"{word} at {said(w.due_at, now)}")
        if w.deadline_at is not None:
            lines.append(f"it fails at {said(w.deadline_at, now)} unless it has ended")
        for name in one.awaited(connection, w.id):
            lines.append(f"it waits for the signal {name}: {remedy('signal', w.id, name, '[PAYLOAD]')}")
        for doubt in tables.in_doubt(connection, workflow_id=w.id):
            verdict = f": {remedy('resolve', w.id, doubt.step, 'done|retry|failed')}" if doubt.held else ""
            lines.append(f"step {doubt.step} was begun by {doubt.worker or 'somebody'} and never finished: it may have happened{verdict}")
        queue = next((each for each in tables.queues(connection) if each.name == w.queue), None)
        if queue is not None and queue.limits():
            lines.append(f"its queue {queue.name} has limits: {queue.limits()}; {queue.running if queue.running is not None else '?'} are running")
    failed = one.failures(connection, w.id, limit=1)
    if failed and w.status in LIVE:
        last = failed[-1]
        lines.append(f"last failure: attempt {last.attempt}" + (f", step {last.step}" if last.step else "") + (f", on {last.worker}" if last.worker else "") + f": {error_text(last.error)}")
    if w.status == "paused":
        lines.append(f"somebody has paused it: {remedy('resume', w.id)}")
    elif w.status in ("failed", "cancelled"):
        lines.append(f"to run it again with its recorded steps: {remedy('retry', w.id)}")
    elif w.due_at is not None and w.due_at > now and (w.status == "pending" or w.status == "waiting" and "sleeping" in (w.reason or "")):
        lines.append(f"to make it due now: {remedy('reschedule', w.id)}")
    return lines
