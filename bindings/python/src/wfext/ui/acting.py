"""Actions: one form each, checked, done, logged with who and when, and then the page again, which says what was done."""

from __future__ import annotations

import dataclasses
import json
import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..errors import Error
from ..view import actions, files
from . import filters
from .answer import Visit
from .render import plural

log = logging.getLogger("wfext.ui")

MOST_BYTES = 4_000_000  # of a form: the payload of a signal is the largest there is
BULK_SECONDS = 10.0  # of actions on all that match, in one request; then it says how far it is, and a button goes on
ON_WORKFLOWS = ("cancel", "pause", "resume", "retry", "delete", "reschedule")
WORDS = {"cancel": "cancelled", "pause": "paused", "resume": "resumed", "retry": "to be tried again", "delete": "deleted", "reschedule": "due now"}


class BadForm(ValueError):
    """A field is missing or wrong; the text says which."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What to say, where to go on, and what the log has."""

    note: str
    to: str
    details: dict[str, Any]


Form: TypeAlias = "ImmutableMultiDict[str, str]"


async def act(request: Request) -> Response:
    """POST /act: the field `action` says what. 403 without the right, 400 for a form that is wrong; the engine's refusal is a note on the page."""
    visit = Visit(request)
    if not visit.may_write:
        return PlainTextResponse("This page only reads: start it with --write.\n", 403)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return PlainTextResponse("A form is wanted.\n", 415)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return PlainTextResponse(f"The form is larger than {MOST_BYTES:,} bytes.\n", 413)
    try:
        form: Form = ImmutableMultiDict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=5000))
    except ValueError:
        return PlainTextResponse("The form cannot be read.\n", 400)
    return await run_in_threadpool(_do, visit, form)


def _do(visit: Visit, form: Form) -> Response:
    action = form.get("action", "")
    done = ACTIONS.get(action)
    if done is None:
        return PlainTextResponse(f"There is no action {action[:40]!r}.\n", 400)
    visit.file_name = form.get("file") or None
    source = visit.source()
    back = _way_back(visit, form)
    entry: dict[str, Any] = {"file": source.path, "action": action}
    try:
        with files.open_file(source.path, write=True, timeout=5) as file:
            outcome = done(visit, file.connection, form, back)
    except BadForm as error:
        return PlainTextResponse(f"{error}\n", 400)
    except filters.BadFilter as error:
        return PlainTextResponse(f"{error}\n", 400)
    except (Error, sqlite3.Error) as error:
        _log(visit, {**entry, **_named(form), "error": str(error)})
        return visit.go(back, str(error), "bad")
    finally:
        source.forget()
    _log(visit, {**entry, **outcome.details})
    return visit.go(outcome.to, outcome.note)


def _named(form: Form) -> dict[str, Any]:
    return {key: form[key] for key in ("id", "step", "name", "signal") if key in form}


def _log(visit: Visit, entry: dict[str, Any]) -> None:
    client = visit.request.client
    entry = {"from_step" if key == "from" else key: value for key, value in entry.items()}  # (`from` is the address)
    line = {"at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "who": visit.viewer.name, "from": client.host if client else None, **entry}
    log.info(json.dumps(line, ensure_ascii=True, default=str))


def _way_back(visit: Visit, form: Form) -> str:
    """Where the form came from, if that is an address of this page; else the first one."""
    given: str = form.get("back", "")
    return given if given.startswith(visit.root + "/") and not given.startswith("//") and "\\" not in given and given.isprintable() else visit.link("/")


def _need(form: Form, field: str) -> str:
    value: str = form.get(field, "")
    if not value:
        raise BadForm(f"The form has no {field}")
    return value


def _json(form: Form, field: str) -> str | None:
    """A field for a value: JSON as it is, other text as a JSON string; None where it is empty."""
    text: str = form.get(field, "").strip()
    if not text:
        return None
    try:
        json.loads(text)
    except RecursionError:
        return text  # the engine refuses it
    except ValueError:
        return json.dumps(text)
    return text


def _on_workflows(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    """One workflow, those selected, or all that match the filter of the list."""
    action = form["action"]
    options: dict[str, Any] = {}
    if action == "cancel" and form.get("reason"):
        options["reason"] = _json(form, "reason")
    if action == "retry" and form.get("from"):
        options["from"] = form["from"]
    if action == "reschedule" and form.get("time"):
        options["time"] = form["time"]
    if "filter" in form and form.get("all"):
        return _on_all(visit, c, form, action, options)
    ids = form.getlist("ids")
    if ids:
        changed = actions.act(c, action, ids, skip=True, **options)
        left = f"; {plural(len(ids) - changed, 'other')} could not be" if changed < len(ids) else ""
        return Outcome(f"{plural(changed, 'workflow')} {WORDS[action]}{left}", back, {"ids": ids, "changed": changed, **options})
    id = _need(form, "id")
    changed = actions.act(c, action, id, **options)
    to = visit.link("/workflows") if action == "delete" else back
    return Outcome(f"{id}: {WORDS[action] if changed else 'was so already'}", to, {"id": id, "changed": changed, **options})


def _on_all(visit: Visit, c: sqlite3.Connection, form: Form, action: str, options: dict[str, Any]) -> Outcome:
    """In portions of at most 1,000, each a transaction, for some seconds; then the list says how far it is, and has a button to go on."""
    asked = filters.read(ImmutableMultiDict(parse_qsl(form["filter"])), strict=True)
    until = time.monotonic() + BULK_SECONDS
    done = actions.Done(0, 0, None)
    for done in actions.act_on_all(c, action, asked.filter, before=filters.whole(form.get("from_seq")), **options):
        if time.monotonic() > until:
            break
    details = {"filter": asked.given, "changed": done.changed, "looked_at": done.looked_at, "finished": done.next is None, **options}
    note = f"{plural(done.changed, 'workflow')} {WORDS[action]}" + (f" of {done.looked_at:,} that matched" if done.looked_at != done.changed else "")
    if done.next is not None:
        return Outcome(f"{note}; there may be more: go on", visit.link("/bulk", **asked.given, again=action, from_seq=done.next), details)
    return Outcome(note, visit.link("/workflows", **asked.given), details)


def _signal(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    id, name, payload, key = _need(form, "id"), _need(form, "signal"), _json(form, "payload"), form.get("key") or None
    sent = actions.act(c, "signal", id, signal=name, payload=payload, key=key)
    return Outcome(f"Signal {name} sent" if sent else f"A signal {name} with the key {key} was sent before", back, {"id": id, "signal": name, "payload": payload, "key": key, "changed": sent})


def _fork(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    id = _need(form, "id")
    options = {"from": form.get("from") or None, "id": form.get("new_id") or None}
    made = actions.fork(c, id, **options)
    return Outcome(f"Forked from {id}" + (f" before {options['from']}" if options["from"] else ""), visit.link("/workflow", id=made), {"id": id, "made": made, "from": options["from"]})


def _resolve(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    id, step, verdict = _need(form, "id"), _need(form, "step"), _need(form, "verdict")
    if verdict not in ("done", "retry", "failed"):
        raise BadForm(f"verdict is {verdict[:40]}: done, retry or failed")
    value = None if verdict == "retry" else _json(form, "value")
    actions.resolve(c, id, step, verdict, value)
    return Outcome(f"Step {step} of {id}: {verdict}", back, {"id": id, "step": step, "verdict": verdict, "value": value})


def _emit(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    event, payload = _need(form, "event"), _json(form, "payload")
    actions.emit(c, event, payload)
    return Outcome(f"Event {event} stands", back, {"event": event, "payload": payload})


def _schedule(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    name = _need(form, "name")
    if form["action"] == "fire":
        made = actions.fire(c, name)
        return Outcome(f"{name} has started {made}", back, {"name": name, "made": made})
    paused = form["action"] == "pause-schedule"
    actions.pause_schedule(c, name, paused)
    return Outcome(f"{name} {'is paused' if paused else 'goes on'}", back, {"name": name})


def _queue(visit: Visit, c: sqlite3.Connection, form: Form, back: str) -> Outcome:
    name, paused = _need(form, "name"), form["action"] == "pause-queue"
    actions.pause_queue(c, name, paused)
    return Outcome(f"Queue {name} {'is paused' if paused else 'goes on'}", back, {"name": name})


ACTIONS: dict[str, Callable[[Visit, sqlite3.Connection, Form, str], Outcome]] = {
    **dict.fromkeys(ON_WORKFLOWS, _on_workflows),
    "signal": _signal,
    "fork": _fork,
    "resolve": _resolve,
    "emit": _emit,
    "fire": _schedule,
    "pause-schedule": _schedule,
    "resume-schedule": _schedule,
    "pause-queue": _queue,
    "resume-queue": _queue,
}
