"""Commands that go on: they look again when the file has changed."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time

from ..view import files, lists, one
from ..view.values import error_text, one_line
from . import report
from .opening import OK, REFUSED, Missing, filter_of, one_file, read_files
from .reading import emit_status, status_text
from .shown import local, safe


def top(given: argparse.Namespace) -> int:
    from ..view import overview

    turn = 0
    is_screen = sys.stdout.isatty() and not given.json
    while True:
        texts = []
        for file in read_files(given):
            found = overview.overview(file.connection, file.path)
            if given.json:
                emit_status(found)
            else:
                texts.append(status_text(found))
        if not given.json:
            text = "\n\n".join(texts)
            if is_screen:  # from the upper left corner; what stood there is wiped line by line, so that nothing flickers
                text = "\x1b[H" + "".join(line + "\x1b[K\n" for line in text.split("\n")) + "\x1b[J"
            print(text, end="" if is_screen else "\n\n", flush=True)
        turn += 1
        if given.count is not None and turn >= given.count:
            return int(given.worst)
        time.sleep(max(given.interval, 0.1))


def watch(given: argparse.Namespace) -> int:
    with one_file(given, write=False) as file:
        if given.id is not None:
            return _one(given, file.connection)
        return _list(given, file)


class _Pause:
    """Waits until the file was changed, and looks no oftener than the interval says."""

    def __init__(self, given: argparse.Namespace, connection: sqlite3.Connection):
        self.interval = max(given.interval, 0.02)
        self.until = None if given.duration is None else time.monotonic() + given.duration
        self.connection = connection
        self.mark = files.mark(connection)

    def __call__(self) -> bool:
        """False: the time is up."""
        looked = 0
        while self.until is None or time.monotonic() < self.until:
            time.sleep(self.interval if self.until is None else max(0.0, min(self.interval, self.until - time.monotonic())))
            looked += 1
            mark = files.mark(self.connection)
            if mark != self.mark or looked >= 10:  # (time alone changes something, too)
                self.mark = mark
                return True
        return False


def _one(given: argparse.Namespace, connection: sqlite3.Connection) -> int:
    """Each step and failure as it is recorded, and each change of the state; until it has ended."""
    pause = _Pause(given, connection)
    state: tuple[str, str | None] | None = None
    seen: dict[int, str] = {}
    after = failed = 0
    while True:
        workflow = one.workflow(connection, given.id)
        if workflow is None:
            raise Missing(f"there is no workflow {given.id}")
        now = files.now(connection)
        events: list[tuple[int, int, str, object, str]] = []
        part = one.steps(connection, given.id, after=after, limit=500)
        for step in part:
            if seen.get(step.seq) != step.status:
                seen[step.seq] = step.status
                text = error_text(step.error) if step.error is not None else "" if step.output is None else one_line(step.output)
                at = step.recorded_at or step.begun_at or now
                events.append((at, 0, "step", step, f"{local(at, now)}  step {step.name}  {step.status}  {text}"))
        for number in sorted(seen):  # what is recorded for good need not be read again
            if seen[number] not in ("done", "error", "skipped"):
                break
            del seen[number]
            after = number
        for failure in one.failures(connection, given.id):
            if failure.seq > failed:
                failed = failure.seq
                what = f"step {failure.step}, attempt {failure.attempt}" if failure.step else f"attempt {failure.attempt}"
                events.append((failure.at or now, 1, "failure", failure, f"{local(failure.at or now, now)}  {what} failed  {error_text(failure.error)}"))
        for _, _, kind, found, text in sorted(events, key=lambda each: each[:2]):
            _event(given, kind, found, text)
        if len(part) == 500 and after == part[-1].seq:
            continue
        if (workflow.status, workflow.reason) != state:
            state = (workflow.status, workflow.reason)
            _event(given, "workflow", workflow, f"{local(now, now)}  {workflow.status}" + (f": {workflow.reason}" if workflow.reason else ""))
        if workflow.completed_at is not None:
            return OK if workflow.status == "completed" else REFUSED
        if not pause():
            return OK


def _event(given: argparse.Namespace, kind: str, found: object, text: str) -> None:
    if given.json:
        report.emit({"file": given.file, kind: found})
    else:
        print(safe(text.rstrip()), flush=True)


def _list(given: argparse.Namespace, file: files.File) -> int:
    """What is new or has changed among the newest 200 that match."""
    wanted = filter_of(given, file)
    pause = _Pause(given, file.connection)
    known: dict[int, tuple[str, int | None, int]] = {}
    while True:
        page = lists.list_workflows(file.connection, wanted, limit=200)
        now = files.now(file.connection)
        for row in reversed(page.rows):
            what = (row.status, row.updated_at, row.attempt)
            if known.get(row.seq) != what:
                known[row.seq] = what
                _event(given, "workflow", row, f"{local(row.updated_at or now, now)}  {row.id}  {row.name}  {row.status}" + (f": {row.why}" if row.why else ""))
        known = {row.seq: known[row.seq] for row in page.rows}
        if not pause():
            return OK
