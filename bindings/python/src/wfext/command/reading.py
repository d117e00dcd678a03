"""Commands that look: they open files read-only."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable
from typing import Any

from ..view import files, lists
from . import report
from .opening import NOT_FOUND, OK, REFUSED, Missing, Usage, complain, filter_of, one_file, read_files, write_to
from .shown import age, ago, is_fancy, local, number, plural, safe, size, stored, table, trouble, when


def status(given: argparse.Namespace) -> int:
    from ..view import overview

    first = True
    for file in read_files(given):
        found = overview.overview(file.connection, file.path)
        if given.json:
            emit_status(found)
            continue
        if not first:
            print()
        first = False
        print(status_text(found))
    return int(given.worst)


def emit_status(found: Any) -> None:
    """A line of JSON about an Overview."""
    fields = report.plain(found)
    report.emit({"file": fields.pop("path"), **fields})


def status_text(found: Any) -> str:
    """What `wfext status` prints of an Overview."""
    need = f"{found.need_you} {'needs' if found.need_you.count == 1 and found.need_you.exact else 'need'} you"
    if not found.has_tables:
        return f"{safe(found.path)}  {size(found.size)}, no workflows: the engine has made no tables yet"
    lines = [f"{safe(found.path)}  {size(found.size)}, {number(found.live)} live, {need}"]
    if found.queues:
        lines += ["", queue_text(found.queues, found.now)]
    if found.failures.groups:
        lines += ["", "Failures of the last hour" + ("" if found.failures.complete else f" (the newest {found.failures.looked_at:,}: since {local(found.failures.looked_to or found.now, found.now)})")]
        rows = [(f"{g.count:,}", safe(g.example), safe(", ".join(g.steps) or "-"), ago(g.last_at, found.now)) for g in found.failures.groups[:10]]
        lines.append(table(("N", "ERROR", "STEP", "LAST"), rows, "N", "ERROR"))
        if len(found.failures.groups) > 10:
            lines.append(f"and {len(found.failures.groups) - 10:,} more kinds: wfext errors")
    return "\n".join(lines)


def queue_text(found: Any, now: int) -> str:
    """The table of queues (tables.Queue)."""
    rows = [(safe(q.name), number(q.ready), number(q.running), number(q.live), "-" if q.oldest_due_at is None else age(now - q.oldest_due_at), safe(q.limits() or "-")) for q in found]
    return table(("QUEUE", "READY", "RUNNING", "LIVE", "OLDEST", "LIMITS"), rows, "READY RUNNING LIVE", "LIMITS")


_LIST = ("ID", "STATUS", "NAME", "QUEUE", "STARTED", "WHY")


def list_text(rows: list[tuple[str | None, lists.Row]], now: int) -> str:
    """The table of `wfext ls`; with the file where there are several."""
    many = any(path is not None for path, _ in rows)
    cells = [
        (*((safe(path or ""),) if many else ()), safe(r.id), r.status, safe(r.name or "-"), safe(r.queue or "-"), ago(r.created_at, now), safe(r.why or "-"))
        for path, r in rows
    ]  # fmt: skip
    return table((("FILE",) if many else ()) + _LIST, cells, "", "WHY")


def ls(given: argparse.Namespace) -> int:
    rows: list[tuple[str | None, lists.Row]] = []
    pages = []
    now = 0
    for file in read_files(given):
        page = lists.list_workflows(file.connection, filter_of(given, file), before=given.before, limit=given.limit)
        if given.json:
            report.emit({"file": file.path, "workflows": page.rows, "next": page.next, "complete": page.complete, "looked_to": report.rfc3339(page.looked_to)})
            continue
        now = max(now, files.now(file.connection))
        pages.append((file.path, page))
        rows += [(file.path if given.many else None, row) for row in page.rows]
    if given.json:
        return int(given.worst)
    if given.many:
        rows = sorted(rows, key=lambda each: -(each[1].created_at or 0))[: given.limit]
    if rows:
        print(list_text(rows, now))
    elif all(page.complete for _, page in pages):
        complain("no workflow matches" if pages else "nothing could be read")
    for path, page in pages:
        name = f"{path}: " if given.many else ""
        if not page.complete and page.looked_to is not None:
            complain(f"{name}looked for {page.seconds:.1f} s, down to those started at {local(page.looked_to, now)}; further with --before {page.next}")
        elif page.next is not None and not given.many:
            complain(f"more with --before {page.next}")
    return int(given.worst)


def show(given: argparse.Namespace) -> int:
    from ..view import one
    from .showing import workflow_report, workflow_text

    found = False
    for file in read_files(given):
        workflow = one.workflow(file.connection, given.id)
        if workflow is None:
            continue
        if given.json:
            report.emit({"file": file.path, **workflow_report(file.connection, workflow, given.limit)})
        else:
            print(("\n" if found else "") + (f"{safe(file.path)}: " if given.many else "") + workflow_text(file.connection, workflow, given.limit, fancy=is_fancy()))
        found = True
    if not found:
        raise Missing(f"there is no workflow {given.id}")
    return OK


def steps(given: argparse.Namespace) -> int:
    from ..view import one
    from ..view.values import error_text, one_line

    with one_file(given, write=False) as file:
        if one.workflow(file.connection, given.id) is None:
            raise Missing(f"there is no workflow {given.id}")
        if given.step is not None:
            step = one.step(file.connection, given.id, given.step)
            if step is None:
                raise Missing(f"workflow {given.id} has no step {given.step}")
            if given.json:
                report.emit({"file": file.path, "id": given.id, "steps": [step], "next": None})
            else:
                print(safe(one_line(step.output) if step.error is None else error_text(step.error)))  # all of it, whatever the width
            return OK
        found = one.steps(file.connection, given.id, after=given.after, limit=given.limit + 1)
        following = found[given.limit - 1].seq if len(found) > given.limit else None
        found = found[: given.limit]
        if given.json:
            report.emit({"file": file.path, "id": given.id, "steps": found, "next": following})
            return OK
        now = files.now(file.connection)
        rows = [
            (str(s.seq), safe(s.name), s.kind, s.status, str(s.attempts), ago(s.recorded_at, now), trouble(s.error) if s.error is not None else "-" if s.output is None else stored(s.output))
            for s in found
        ]
        print(table(("N", "STEP", "KIND", "STATUS", "TRIES", "RECORDED", "OUTPUT"), rows, "N TRIES", "OUTPUT"))
        if following is not None:
            complain(f"more with --after {following}")
    return OK


def errors(given: argparse.Namespace) -> int:
    from ..view import errors as view

    for file in read_files(given):
        found = view.errors(file.connection, filter_of(given, file))
        if given.json:
            report.emit({"file": file.path, **report.plain(found)})
            continue
        now = files.now(file.connection)
        name = f"{file.path}: " if given.many else ""
        if not found.groups:
            complain(f"{name}no workflow has failed" if found.complete else f"{name}none found in time")
        else:
            if given.many:
                print(safe(file.path))
            rows = [(f"{g.count:,}", safe(g.error), safe(", ".join(g.names) or "-"), safe(", ".join(g.steps) or "-"), ago(g.last_at, now), safe(g.last_id)) for g in found.groups]
            print(table(("N", "ERROR", "NAME", "STEP", "LAST", "ID"), rows, "N"))  # (never cut: --error wants the whole of it)
        if not found.complete:
            complain(f"{name}of the newest {found.looked_at:,}: since {local(found.looked_to or now, now)}")
    return int(given.worst)


def _listed(given: argparse.Namespace, name: str, find: Callable[[sqlite3.Connection], list[Any]], text: Callable[[list[Any], int], str]) -> int:
    """What find(connection) finds, file by file: as `name` of a line of JSON, or text(found, now)."""
    for file in read_files(given):
        found = find(file.connection)
        if given.json:
            report.emit({"file": file.path, name: found})
            continue
        now = files.now(file.connection)
        if given.many:
            print(safe(file.path))
        print(text(found, now))
    return int(given.worst)


def _on_each(given: argparse.Namespace, work: Callable[[sqlite3.Connection], None]) -> None:
    paths = files.find_files(given.file)
    if len(paths) > 1:
        raise Usage(f"this is said of one file, not of {len(paths)}")
    with files.open_file(paths[0], write=True, timeout=given.timeout) as file:
        work(file.connection)


def _paused(given: argparse.Namespace, pause: Callable[[sqlite3.Connection, str, bool], None]) -> None:
    """--pause and --resume: pause(connection, name, whether it is to be paused)."""
    for name, paused in ((given.pause, True), (given.resume, False)):
        if name is not None:
            _on_each(given, lambda connection: pause(connection, name, paused))


def queues(given: argparse.Namespace) -> int:
    from ..view import actions, tables

    _paused(given, actions.pause_queue)
    return _listed(given, "queues", tables.queues, queue_text)


def schedules(given: argparse.Namespace) -> int:
    from ..view import actions, tables

    _paused(given, actions.pause_schedule)
    if given.fire is not None:
        _on_each(given, lambda connection: complain("fired: " + actions.fire(connection, given.fire)))
    return _listed(given, "schedules", tables.schedules, _schedule_text)


def _schedule_text(found: Any, now: int) -> str:
    rows = [
        (
            safe(s.name), safe(s.cron + (f" {s.timezone}" if s.timezone else "")), safe(s.workflow), "paused" if s.paused else ago(s.next_at, now),
            "-" if s.last_at is None else f"{ago(s.last_at, now)}, {safe(s.last_status or 'gone')}", f"{s.skipped:,}", safe(s.error or "-"),
        )
        for s in found
    ]  # fmt: skip
    return table(("SCHEDULE", "CRON", "WORKFLOW", "NEXT", "LAST", "SKIPPED", "ERROR"), rows, "SKIPPED", "ERROR")


def definitions(given: argparse.Namespace) -> int:
    from ..view import tables

    return _listed(given, "definitions", lambda connection: tables.definitions(connection, all_versions=given.all), _definition_text)


def _definition_text(found: Any, now: int) -> str:
    rows = [(safe(d.name), str(d.version) + ("" if d.current else " old"), number(d.steps), number(d.live), ago(d.created_at, now)) for d in found]
    return table(("DEFINITION", "VERSION", "STEPS", "LIVE", "DEFINED"), rows, "STEPS LIVE")


def explain(given: argparse.Namespace) -> int:
    from ..view import drawing, one, why

    with one_file(given, write=False) as file:
        drawn = drawing.graph(file.connection, given.what)
        workflow = one.workflow(file.connection, given.what)
        if drawn is None and workflow is None:
            raise Missing(f"there is no definition and no workflow {given.what}")
        forms = [(form, getattr(given, form)) for form in ("svg", "dot", "mermaid") if getattr(given, form) is not None]
        if forms and drawn is None:
            raise Usage(f"{given.what} is not scripted in SQL: there is nothing to draw")
        for form, path in forms:
            assert drawn is not None
            text = drawing.svg(drawn) if form == "svg" else drawing.dot(drawn) if form == "dot" else drawing.mermaid(file.connection, given.what) or ""
            if path == "-":
                print(text, end="")
            else:
                with write_to(path, given.file) as out:
                    out.write(text)
        if forms:
            return OK
        lines = why.reasons(file.connection, workflow, **({} if given.json else {"said": when})) if workflow is not None else []
        plan = str(file.connection.execute("SELECT wf_explain(?)", (given.what,)).fetchone()[0]) if drawn is not None else None
        if given.json:
            report.emit({"file": file.path, "what": given.what, "graph": drawn, "plan": plan, "why": lines})
            return OK
        if plan is not None:
            print("\n".join(safe(line) for line in plan.rstrip("\n").split("\n")))
        for line in lines:
            print(safe(line))
    return OK


def doctor(given: argparse.Namespace) -> int:
    from ..view import tables

    worst = OK
    for file in read_files(given):
        found = tables.doctor(file.connection)
        if any(not each.ok for each in found):
            worst = REFUSED
        if given.json:
            report.emit({"file": file.path, "findings": found})
            continue
        if given.many:
            print(safe(file.path))
        for each in found:
            print(f"{'ok ' if each.ok else 'NO '} {each.name:<20} {safe(each.value if each.value is not None else '-')}")
            if each.advice and (not each.ok or each.name != "clock"):
                print(f"    {safe(each.advice)}")
    return max(worst, int(given.worst))


def check(given: argparse.Namespace) -> int:
    from ..view import tables

    worst = OK
    for file in read_files(given):
        found = tables.check(file.connection, given.integrity)
        if given.json:
            report.emit({"file": file.path, "problems": found})
        else:
            print(f"{safe(file.path)}: {'sound' if not found else plural(len(found), 'problem')}")
            for each in found:
                print(f"  {safe(each.where)}: {safe(each.problem)}")
        if found:
            worst = REFUSED
    return max(worst, int(given.worst))


def fleet(given: argparse.Namespace) -> int:
    from ..view import fleet as view

    rows = view.fleet(given.file, timeout=given.timeout, index=given.index)
    if given.json:
        for row in rows:
            report.emit(row)
    else:
        cells = [
            (
                safe(r.file), "-" if r.size is None else size(r.size), *("-" if r.error is not None else number(n) for n in (r.ready, r.running, r.waiting, r.failed, r.in_doubt)),
                "-" if r.next_due_at is None else local(r.next_due_at, 0), safe(r.error or "-"),
            )
            for r in rows
        ]  # fmt: skip
        print(table(("FILE", "SIZE", "READY", "RUNNING", "WAITING", "FAILED", "DOUBT", "NEXT", "ERROR"), cells, "SIZE READY RUNNING WAITING FAILED DOUBT", "ERROR"))
        bad = sum(r.error is not None for r in rows)
        complain(f"{plural(len(rows), 'file')}, {bad:,} that could not be read")
    return max((r.code for r in rows), default=NOT_FOUND)


