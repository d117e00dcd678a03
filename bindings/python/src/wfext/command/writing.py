"""Commands that change something. Over a filter they say how many workflows it concerns and ask, and do at most 1,000 in a transaction."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from typing import Any

from ..view import actions, lists
from ..view.values import parsed
from . import report
from .opening import OK, Usage, complain, describe, filter_of, one_file
from .shown import Progress, number, plural, safe


def _text(word: str | None) -> str | None:
    return sys.stdin.read() if word == "-" else word


def start(given: argparse.Namespace) -> int:
    options = {"id": given.id, "queue": given.queue, "priority": given.priority, "delay": given.delay, "at": given.at, "timeout": given.deadline, "max_attempts": given.max_attempts}
    options |= {"version": given.version, "partition": given.partition, "dedup": given.dedup, "if_exists": given.if_exists, "tags": dict(given.tag) if given.tag else None}
    with one_file(given, write=True, create=True) as file:
        id = actions.start(file.connection, given.name, _text(given.input), **options)
    _said(given, {"id": id}, id)
    return OK


def _said(given: argparse.Namespace, found: dict[str, Any], text: str) -> None:
    if given.json:
        report.emit({"file": given.file, **found})
    else:
        print(safe(text))


def emit(given: argparse.Namespace) -> int:
    with one_file(given, write=True) as file:
        stands = actions.emit(file.connection, given.event, _text(given.payload))
    _said(given, {"event": given.event, "payload": parsed(stands)}, str(stands))
    return OK


def fork(given: argparse.Namespace) -> int:
    import json

    options: dict[str, Any] = {"from": given.from_step, "id": given.new_id}
    if given.input is not None:
        try:
            options["input"] = json.loads(given.input)
        except ValueError as error:
            raise Usage(f"--input: {error}") from None
    with one_file(given, write=True) as file:
        id = actions.fork(file.connection, given.id, **options)
    _said(given, {"id": id}, id)
    return OK


def resolve(given: argparse.Namespace) -> int:
    with one_file(given, write=True) as file:
        actions.resolve(file.connection, given.id, given.step, given.verdict, _text(given.value))
    _said(given, {"id": given.id, "step": given.step, "verdict": given.verdict}, f"{given.id}: step {given.step} is settled: {given.verdict}")
    return OK


# On ids, or on all that match

_DONE = {"cancel": "cancelled", "pause": "paused", "resume": "resumed", "retry": "retried", "reschedule": "rescheduled", "delete": "deleted", "signal": "signalled"}
# Which workflows an action can concern, where the filter names no status.
_USUAL = {
    "cancel": lists.LIVE, "pause": ("pending", "running", "waiting"), "resume": ("paused",), "retry": ("failed", "cancelled"), "reschedule": ("pending", "waiting"),
    "delete": ("completed", "failed", "cancelled"), "signal": lists.LIVE,
}  # fmt: skip


def _ask(given: argparse.Namespace, question: str) -> None:
    """Raises Usage where the answer is no, or nobody is there to give one."""
    if given.yes:
        return
    if not sys.stdin.isatty():
        raise Usage(f"{question}: say --yes, as nobody is there to be asked")
    print(f"{safe(question)}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Usage("nothing was done")


def _bulk(given: argparse.Namespace, **options: Any) -> int:
    action = given.command
    ids: list[str] = ([] if given.id == "-" else [given.id]) if action == "signal" else given.id
    with one_file(given, write=True) as file:
        wanted = filter_of(given, file)
        everything = getattr(given, "all", False) or (action == "signal" and given.id == "-" and bool(wanted))
        if ids and (wanted or getattr(given, "all", False)):
            raise Usage("ids, or a filter: not both")
        if not ids and not wanted and not everything:
            raise Usage("say which workflows: ids, a filter (--status, --name ...), or --all")
        if ids:
            changed = actions.act(file.connection, action, ids if len(ids) > 1 else ids[0], **options)
            _said(given, {"changed": changed, "looked_at": len(ids)}, f"{plural(changed, 'workflow')} {_DONE[action]}")
            return OK
        if not wanted.status:
            import dataclasses

            forced = action == "delete" and options.get("force")
            wanted = dataclasses.replace(wanted, status=lists.STATUSES if forced else _USUAL[action])
        return _all(given, file.connection, action, wanted, options)


def _all(given: argparse.Namespace, connection: sqlite3.Connection, action: str, wanted: lists.Filter, options: dict[str, Any]) -> int:
    count = lists.count_matching(connection, wanted)
    if count.count == 0 and count.exact:
        _said(given, {"changed": 0, "looked_at": 0}, f"no workflow matches ({describe(wanted)})")
        return OK
    _ask(given, f"{action}: {'' if count.exact else 'at least '}{plural(count.count, 'workflow')} of {given.file} ({describe(wanted)})")
    bar = Progress(action, count.count if count.exact else None)
    try:
        done = actions.run_all(connection, action, wanted, progress=lambda at: bar.to(at.looked_at), **options)
    finally:
        bar.end()
    of = f" of {number(done.looked_at)}" if done.looked_at != done.changed else ""
    _said(given, {"changed": done.changed, "looked_at": done.looked_at}, f"{plural(done.changed, 'workflow')} {_DONE[action]}{of}")
    return OK


def signal(given: argparse.Namespace) -> int:
    return _bulk(given, signal=given.signal, payload=_text(given.payload), key=given.key)


def cancel(given: argparse.Namespace) -> int:
    return _bulk(given, reason=given.reason, force=given.force or None)


def pause(given: argparse.Namespace) -> int:
    return _bulk(given)


def resume(given: argparse.Namespace) -> int:
    return _bulk(given)


def retry(given: argparse.Namespace) -> int:
    return _bulk(given, **{"from": given.from_step, "children": given.children, "max_attempts": given.max_attempts})


def reschedule(given: argparse.Namespace) -> int:
    return _bulk(given, time=given.to)


def delete(given: argparse.Namespace) -> int:
    return _bulk(given, force=given.force or None)


def purge(given: argparse.Namespace) -> int:
    from ..view import files
    from .opening import to_seconds

    if given.older_than is None and given.keep is None:
        raise Usage("say --older-than (30d), or --keep")
    options = {"older_than": given.older_than, "keep": given.keep, "status": given.status, "name": given.name, "queue": given.queue, "events": given.events or None}
    seconds = None if given.older_than is None else to_seconds(given.older_than)
    if given.older_than is not None and seconds is None:
        raise Usage(f"--older-than {given.older_than}: a duration such as 30d, 12h, 90m")
    with one_file(given, write=True) as file:
        before = None if seconds is None else files.now(file.connection) - round(seconds * 1000)
        if before is not None and before < files.FIRST_MILLIS:
            raise Usage(f"--older-than {given.older_than}: that is before 1970")
        wanted = lists.Filter(status=tuple(given.status or ("completed", "failed", "cancelled")), name=given.name, queue=given.queue, ended_before=before)
        count = lists.count_matching(file.connection, wanted)
        words = [describe(wanted)] + ([] if seconds is None else [f"ended {given.older_than} ago"]) + ([] if given.keep is None else [f"without the newest {given.keep:,}"])
        _ask(given, f"purge: {plural(count.count, 'workflow')}{'' if count.exact else ' or more'} of {given.file} ({', '.join(words)})")
        bar = Progress("purge", count.count if count.exact else None)
        gone = 0
        try:
            for gone in actions.purge(file.connection, **options):
                bar.to(gone)
        finally:
            bar.end()
    _said(given, {"changed": gone, "looked_at": gone}, f"{plural(gone, 'workflow')} purged")
    return OK


def run(given: argparse.Namespace) -> int:
    import json
    import signal as signals

    options = json.dumps({key: value for key, value in (("id", given.id), ("queue", given.queue), ("limit", given.limit)) if value is not None})
    stopped = False

    def stop(*_: Any) -> None:
        nonlocal stopped
        stopped = True

    if given.every is not None:
        signals.signal(signals.SIGTERM, stop)
        signals.signal(signals.SIGINT, stop)
    total = 0
    with one_file(given, write=True) as file:
        while True:
            steps = int(actions.call(file.connection, "SELECT wf_run(?)", options))
            total += steps
            if given.every is None:
                break
            if steps:
                _said(given, {"steps": steps}, plural(steps, "step"))
            until = time.monotonic() + given.every
            while not stopped and (left := until - time.monotonic()) > 0:
                time.sleep(min(left, 0.2))
            if stopped:
                complain(plural(total, "step") + " in all")
                return OK
    _said(given, {"steps": total}, plural(total, "step"))
    return OK
