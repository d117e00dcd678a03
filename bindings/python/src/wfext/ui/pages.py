"""The pages: what is asked for each, one short question after the other, and the template that shows it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..view import drawing, errors, files, lists, one, overview, tables
from . import charts, filters, timelines
from .answer import Visit, tally
from .sources import Look


class Missing(Exception):
    """There is no such thing; the text says what."""


def overview_page(request: Request) -> Response:
    visit = Visit(request)
    if visit.file_name is None and not visit.desk.sources.single:
        return RedirectResponse(visit.link("/files"), 303)

    def context(source: Look) -> dict[str, Any]:
        counted = tally(source)
        ended, complete = source.shared("ended", overview.ended_per_minute)
        return {
            "need": source.shared("need", overview.need_you),
            "live": source.shared("live", lambda c: overview.live(c, counted)),
            "groups": counted.groups(source.shared("oldest", overview.oldest_due, 10)) if counted else None,
            "people": source.shared("people", lambda c: overview.people(c, 12)),
            "failures": source.shared("failures", errors.recent_failures),
            "queues": queues(source),
            "schedules": source.shared("schedules", tables.schedules),
            "workers": source.shared("workers", overview.workers),
            "doctor": [each for each in source.shared("doctor", lambda c: tables.doctor(c, writable=False), 10) if not each.ok],
            "chart": charts.per_minute(ended),
            "ended": ended,
            "complete": complete,
            "bytes": file_size(source.path),
            "statuses": lists.STATUSES,
        }

    return visit.answer("overview.html", context)


def queues(source: Look) -> list[tables.Queue]:
    counted = tally(source)
    return source.shared("queues", lambda c: tables.queues(c, counted.live_by_queue() if counted else None))


def file_size(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None


RESTS_SECONDS = 0.5
COUNTS_SECONDS = 10.0  # how old the counts above the list may be: they cost more than it does
NAMES = 100  # for a field to choose from


def workflows_page(request: Request) -> Response:
    visit = Visit(request)
    asked = filters.read(visit.query)

    def context(source: Look) -> dict[str, Any]:
        counting = source.beside("tally", overview.tally, COUNTS_SECONDS)
        with source.reader() as file:  # (a search that took long is not done again every two seconds, for each who has left it open)
            page = lists.list_workflows(file.connection, asked.filter, before=asked.before, limit=50, seconds=2)
        counted = counting()
        names, queues = counted.names() if counted else source.shared("names", overview.names, COUNTS_SECONDS)
        return {
            "asked": asked,
            "page": page,
            "counts": counted.by_status() if counted else None,
            "workflow_names": names[:NAMES],
            "queue_names": queues[:NAMES],
            "statuses": lists.STATUSES,
            "rests": page.seconds > RESTS_SECONDS,
        }

    return visit.answer("workflows.html", context)


def bulk_page(request: Request) -> Response:
    """What is to be done to all that match: how many that are, and the buttons."""
    visit = Visit(request)
    asked = filters.read(visit.query)
    if not visit.may_write:
        raise HTTPException(403, "This page only reads: start it with --write")
    source = visit.source().look()
    with source.reader() as file:
        count = lists.count_matching(file.connection, asked.filter, seconds=2)
    return visit.respond("bulk.html", {**visit.about(source), "asked": asked, "count": count, "again": visit.query.get("again"), "from_seq": filters.whole(visit.query.get("from_seq"))})


MOST_BYTES = 4_000_000  # of the outputs of a part of steps: with larger ones it has fewer


def workflow_page(request: Request) -> Response:
    visit = Visit(request)
    id = visit.query.get("id", "")
    begin = filters.whole(visit.query.get("after")) or 0

    def context(source: Look) -> dict[str, Any]:
        after = begin
        with source.reader() as file:
            c = file.connection
            found = one.workflow(c, id)
            if found is None:
                raise Missing(f"There is no workflow {id}")
            now = files.now(c)
            if visit.query.get("last"):
                steps = one.last_steps(c, id, most=MOST_BYTES)
                after = steps[0].seq - 1 if steps else 0
            else:
                steps = one.steps(c, id, after=after, most=MOST_BYTES)
            more = bool(steps) and bool(one.steps(c, id, after=steps[-1].seq, limit=1))
            failures = one.failures(c, id, limit=200)
            children = one.children(c, id, limit=100)
            graph = drawing.graph(c, id) if found.scripted else None
            step = visit.query.get("step")
            context: dict[str, Any] = {
                "chosen": next((each for each in steps if each.name == step), None) or (one.step(c, id, step) if step else None),
                "in_doubt": {each.step for each in tables.in_doubt(c, workflow_id=id)},
                "grandchildren": grandchildren(c, children),
                "w": found,
                "now": now,
                "steps": steps,
                "after": after,
                "next_after": steps[-1].seq if more else None,
                "failures": failures,
                "signals": one.signals(c, id, limit=100),
                "awaited": one.awaited(c, id),
                "named": one.values(c, id, limit=100),
                "streams": [(each, tail(c, id, each)) for each in one.streams(c, id, limit=20)],
                "children": children,
                "ancestors": one.ancestors(c, id),
                "drawn": drawing.svg(graph, standalone=False) if graph else None,
            }
        context["row"] = timelines.row
        context["timeline"] = timelines.rows(found, steps, failures, children, now, first=after == 0)
        return context

    return visit.answer("workflow.html", context)


TAIL, TAIL_BYTES = 50, 500_000


def tail(connection: sqlite3.Connection, id: str, stream: one.Stream) -> list[one.Item]:
    """The last items of a stream: 50, or fewer where they are large. They are read some at a time, from the end."""
    found: list[one.Item] = []
    size, at = 0, stream.next
    while at > stream.first and len(found) < TAIL and size < TAIL_BYTES:
        begin = max(stream.first, at - 5)
        part = one.items(connection, id, stream.name, start=begin, limit=at - begin)
        size += sum(len(each.value) for each in part if isinstance(each.value, (str, bytes)))
        found = part + found
        at = begin
    return found


def grandchildren(connection: sqlite3.Connection, children: list[lists.Row]) -> dict[str, list[lists.Row]]:
    """The children of the first ten children, ten of each: deeper ones are on their own pages."""
    return {child.id: found for child in children[:10] if (found := one.children(connection, child.id, limit=10))}


def value_page(request: Request) -> Response:
    """One stored value in full, as text to save."""
    visit = Visit(request)
    id, what, step = visit.query.get("id", ""), visit.query.get("what", ""), visit.query.get("step")
    with visit.source().look().reader() as file:
        found: Any = one.step(file.connection, id, step) if step is not None else one.workflow(file.connection, id)
    if found is None or what not in ("input", "output", "error") or not hasattr(found, what):
        raise Missing("There is no such value")
    value = getattr(found, what)
    if isinstance(value, bytes):
        return Response(value, media_type="application/octet-stream", headers={"Content-Disposition": "attachment; filename=value.bin"})
    return Response("null" if value is None else str(value), media_type="text/plain; charset=utf-8")


def errors_page(request: Request) -> Response:
    def context(source: Look) -> dict[str, Any]:
        return {
            "query_of": lambda group: urlencode([("status", "failed"), ("error", group.error)]),
            "groups": source.shared("errors", lambda c: errors.errors(c, seconds=1), 5),
            "recent": source.shared("failures", errors.recent_failures),
        }

    return Visit(request).answer("errors.html", context)


def in_doubt_page(request: Request) -> Response:
    return Visit(request).answer("in_doubt.html", lambda source: {"doubts": source.shared("doubts", tables.in_doubt)})


def definitions_page(request: Request) -> Response:
    visit = Visit(request)
    name = visit.query.get("name")

    def context(source: Look) -> dict[str, Any]:
        all_of_them = source.shared("definitions", lambda c: tables.definitions(c, all_versions=False), 5)
        chosen = next((each for each in all_of_them if each.name == name), None) if name is not None else all_of_them[0] if len(all_of_them) == 1 else None
        if name is not None and chosen is None:
            raise Missing(f"There is no definition {name}")
        drawn = None
        if chosen is not None:
            with source.reader() as file:
                graph = drawing.graph(file.connection, chosen.name)
            drawn = drawing.svg(graph, standalone=False) if graph else None
        return {"definitions": all_of_them, "chosen": chosen, "drawn": drawn}

    return visit.answer("definitions.html", context)


def queues_page(request: Request) -> Response:
    return Visit(request).answer("queues.html", lambda source: {"queues": queues(source), "workers": source.shared("workers", overview.workers)})


def schedules_page(request: Request) -> Response:
    return Visit(request).answer("schedules.html", lambda source: {"schedules": source.shared("schedules", tables.schedules)})


def doctor_page(request: Request) -> Response:
    return Visit(request).answer("doctor.html", lambda source: {"findings": source.shared("doctor", lambda c: tables.doctor(c, writable=False), 5)})


FILES_A_PAGE = 50


def files_page(request: Request) -> Response:
    visit = Visit(request)
    all_names = visit.desk.sources.names()
    wanted = visit.query.get("find", "").strip()
    matching = [name for name in all_names if wanted in name]
    start = filters.whole(visit.query.get("start")) or 0
    lines = visit.desk.sources.lines(tuple(matching[start : start + FILES_A_PAGE]))
    following = start + FILES_A_PAGE if start + FILES_A_PAGE < len(matching) else None
    context = {"lines": lines, "now": round(time.time() * 1000), "total": len(all_names), "matching": len(matching), "wanted": wanted, "start": start, "following": following, "a_page": FILES_A_PAGE}
    return visit.respond("files.html", context, state="files")


ADDRESSES: dict[str, str] = {
    "/": "overview_page",
    "/workflows": "workflows_page",
    "/bulk": "bulk_page",
    "/workflow": "workflow_page",
    "/value": "value_page",
    "/errors": "errors_page",
    "/in-doubt": "in_doubt_page",
    "/definitions": "definitions_page",
    "/queues": "queues_page",
    "/schedules": "schedules_page",
    "/doctor": "doctor_page",
    "/files": "files_page",
}


def _of_http(request: Request, error: HTTPException) -> Response:
    return _failed(error.status_code, lambda _: str(error.detail))(request, error)


def _failed(status: int, heading: Callable[[Any], str]) -> Callable[[Request, Any], Response]:
    def handler(request: Request, error: Any) -> Response:
        return Visit(request).respond("failed.html", {"heading": heading(error), "text": str(getattr(error, "detail", error)), "path": ""}, status=status)

    return handler


def _of_sqlite(request: Request, error: Any) -> Response:
    busy = getattr(error, "sqlite_errorcode", 0) & 255 in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return _failed(503, lambda _: "The file is locked" if busy else "The file cannot be read")(request, error)


HANDLERS: Any = {
    Missing: _failed(404, lambda error: str(error)),
    files.NoFile: _failed(404, lambda _: "There is no such file"),
    files.Interrupted: _failed(503, lambda _: "This took longer than a page may read"),
    sqlite3.Error: _of_sqlite,
    filters.BadFilter: _failed(400, lambda _: "This cannot be asked"),
    HTTPException: _of_http,
}
