"""One workflow for people: the head, and the timeline as bars."""

from __future__ import annotations

import sqlite3
from typing import Any

from ..view import one
from ..view.files import now as now_of
from ..view.timeline import Bar, Timeline, timeline
from .report import plain
from .shown import columns, cut, plural, safe, span, stored, trouble, when, width

BAR = 36  # columns of a timeline


def workflow_report(connection: sqlite3.Connection, workflow: one.Workflow, limit: int) -> dict[str, Any]:
    """The same for programs: the last `limit` steps, and what else belongs to it, each at most 500."""
    id = workflow.id
    return {
        "workflow": plain(workflow), "steps": plain(one.last_steps(connection, id, limit=limit)), "failures": plain(one.failures(connection, id)), "signals": plain(one.signals(connection, id)),
        "values": plain(one.values(connection, id)), "streams": plain(one.streams(connection, id)), "children": plain(one.children(connection, id)),
    }  # fmt: skip


def workflow_text(connection: sqlite3.Connection, workflow: one.Workflow, limit: int, *, fancy: bool = True) -> str:
    """What `wfext show` prints."""
    w = workflow
    now = now_of(connection)
    lines = [f"{safe(w.id)}  {w.status}" + (f": {safe(w.reason)}" if w.reason else ""), "  " + _head(w, now)]
    for label, value in (("input", w.input), ("output", w.output if w.status == "completed" else None)):
        if value is not None:
            lines.append(_fit(f"  {label:<8}{stored(value)}"))
    if w.error is not None:
        lines.append(_fit(f"  {'reason' if w.status == 'cancelled' else 'error':<8}{trouble(w.error)}"))
    if w.tags:
        lines.append(_fit("  tags    " + safe(", ".join(f"{key}={value}" for key, value in w.tags.items()))))
    if w.parent_id is not None:
        lines.append(f"  parent  {safe(w.parent_id)}")
    steps = one.last_steps(connection, w.id, limit=limit)
    failures = one.failures(connection, w.id)
    line = timeline(w, steps, failures, now)
    lines += ["", *timeline_lines(line, fancy)]
    if steps and steps[0].seq > 1:
        lines.append(f"  the last {plural(len(steps), 'step')}, from number {steps[0].seq:,} on: all of them by wfext steps")
    whole = [each for each in failures if each.step is None]
    if len(whole) == 1 and whole[0].error == w.error and w.completed_at is not None:
        whole = []  # it stands in the head
    if whole:
        lines += ["", f"  Failures{'' if len(whole) <= 5 else f', the last 5 of {len(whole):,}'}"]
        lines += [_fit(f"  attempt {f.attempt}{f' on {safe(f.worker)}' if f.worker else ''}, {when(f.at, now)}: {trouble(f.error)}") for f in whole[-5:]]
    lines += _others(connection, w, now)
    return "\n".join(line.rstrip() for line in lines)


def _fit(line: str) -> str:
    room = columns()
    return line if room is None else cut(line, max(room, 20))


def _head(w: one.Workflow, now: int) -> str:
    parts = [f"{safe(w.name)} on queue {safe(w.queue)}"]
    if w.version is not None:
        parts[0] += f", version {safe(w.version)}"
    if w.started_at is not None:
        parts.append(f"started {when(w.started_at, now)}")
    elif w.created_at is not None:
        parts.append(f"created {when(w.created_at, now)}")
    if w.attempt:
        parts.append(f"attempt {w.attempt}" + (f" on {safe(w.worker)}" if w.worker else ""))
    if w.completed_at is not None and w.started_at is not None:
        parts.append(f"took {span(w.completed_at - w.started_at)}")
    elif w.completed_at is None and w.due_at is not None:
        parts.append(f"{'lease until' if w.status == 'running' else 'due'} {when(w.due_at, now)}")
    if w.deadline_at is not None and w.completed_at is None:
        parts.append(f"deadline {when(w.deadline_at, now)}")
    return ", ".join(parts)


def timeline_lines(line: Timeline, fancy: bool = True) -> list[str]:
    """A line for each bar: name, where it was, how long, what came of it."""
    bars: list[Bar] = ([line.line] if line.line is not None else []) + line.bars
    names = [safe(bar.name) for bar in bars]
    room = max((min(width(name), 28) for name in names), default=0)
    times = [span(bar.millis) + ("" if not bar.is_open else " so far") for bar in bars]
    most = max((len(each) for each in times), default=0)
    out = []
    for name, bar, time in zip(names, bars, times):
        name = cut(name, 28)
        shown = _bar(bar, line, fancy)
        out.append(_fit(f"  {name}{' ' * (room - width(name))} {shown}  {time:>{most}}{_outcome(bar)}"))
    folded = sum(each.end - each.begin for each in line.scale.folds)
    if folded:
        out.append(f"  {'~' if not fancy else '┊'} {plural(len(line.scale.folds), 'time')} in which no step ran, {span(folded)} in all, drawn shorter")
    return out


def _bar(bar: Bar, line: Timeline, fancy: bool) -> str:
    full, light, edge, fold = ("█", "░", "│", "┊") if fancy else ("#", ".", "|", "~")
    begin = min(int(line.scale.place(bar.begin) * BAR), BAR - 1)
    end = max(begin + 1, min(round(line.scale.place(bar.end) * BAR), BAR))
    sign = full if bar.kind == "step" else light
    cells = [" "] * begin + [sign] * (end - begin) + [" "] * (BAR - end)
    for each in line.scale.folds:
        at = min(int((each.at + each.to) / 2 * BAR), BAR - 1)
        cells[at] = fold
    return edge + "".join(cells) + edge


def _outcome(bar: Bar) -> str:
    step = bar.step
    if step is None:
        return f"  on {safe(bar.worker)}" if bar.state == "running" and bar.worker else ""
    parts = []
    if step.status in ("begun", "waiting", "skipped", "ready"):
        parts.append(step.status if step.status != "begun" else "begun, not finished")
    if bar.tries > 1 or (step.status == "failed" and bar.tries):
        parts.append(plural(bar.tries, "try").replace("trys", "tries"))
    if bar.error is not None:
        parts.append(safe(bar.error))
    if step.status == "done" and step.output is not None and (step.kind != "sleep"):
        parts.append(stored(step.output))
    return "".join("  " + part for part in parts)


def _others(connection: sqlite3.Connection, w: one.Workflow, now: int) -> list[str]:
    lines = []
    waiting = [each for each in one.signals(connection, w.id) if each.taken_by is None]
    if waiting:
        lines += ["", "  Signals in line"] + [_fit(f"  {safe(s.name)}, {when(s.received_at, now)}: {stored(s.payload)}") for s in waiting[:10]]
    values = one.values(connection, w.id, limit=20)
    if values:
        lines += ["", "  Values"] + [_fit(f"  {safe(v.key)} = {stored(v.value)}") for v in values]
    streams = one.streams(connection, w.id, limit=20)
    if streams:
        lines += ["", "  Streams"] + [f"  {safe(s.name)}: {plural(s.next - s.first, 'item')} from {s.first}{', closed' if s.closed else ''}" for s in streams]
    children = one.children(connection, w.id, limit=21)
    if children:
        lines += ["", "  Children"] + [_fit(f"  {safe(c.id)}  {c.status}{f': {safe(c.why)}' if c.why else ''}") for c in children[:20]]
        if len(children) > 20:
            lines.append("  and more")
    return lines


