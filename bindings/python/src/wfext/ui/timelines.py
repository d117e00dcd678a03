"""The timeline of a workflow as rows of a table, each with its drawing: the story that view.timeline tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from html import escape
from urllib.parse import quote

from markupsafe import Markup

from ..view import lists, one, timeline
from ..view.values import one_line, parsed
from .render import STATES, brief, duration, percent, state

ATTEMPTS = 30  # rows of attempts at most, the last ones
_USUAL = ("step", "line", "attempt", "sql")  # kinds that need no saying
_NARROW = 0.003  # what took next to nothing is drawn that wide, to be seen


@dataclasses.dataclass(frozen=True)
class Line:
    """A row. `state` gives glyph and colour, `drawing` is SVG, `text` a beginning of what came out (or the error), `key` an id for the row, `child` the id of a workflow to go to."""

    key: str
    label: str
    kind: str
    state: str
    drawing: Markup
    took: str
    text: str
    is_error: bool
    step: one.Step | None = None
    child: str | None = None


@dataclasses.dataclass(frozen=True)
class Drawn:
    """lines, and the axis above them; `folded`: how much time is drawn shorter than it was (''; nothing is)."""

    lines: list[Line]
    axis: Markup
    folded: str


def rows(workflow: one.Workflow, steps: Sequence[one.Step], failures: Sequence[one.Failure], children: Sequence[lists.Row], now: int, *, first: bool) -> Drawn:
    """Of what was read of a workflow. `first`: these are its first steps: queueing and attempts are drawn above them."""
    made = timeline.timeline(workflow, steps, failures, now)
    scale = made.scale
    pen = _Pen(scale, "".join(f'<line class="fold" x1="{x}" x2="{x}" y1="0" y2="100%"/>' for x in (percent((fold.at + fold.to) / 2) for fold in scale.folds)))
    tries: dict[str, list[one.Failure]] = {}
    for each in failures:
        if each.step is not None:
            tries.setdefault(each.step, []).append(each)
    by_id = {child.id: child for child in children}
    lines: list[Line] = []
    if first:
        if made.line is not None and made.line.millis >= 0:
            lines.append(_line(made.line, pen, "in line", "until its first claim"))
        if len(made.attempts) > ATTEMPTS:
            rest = f"{len(made.attempts) - ATTEMPTS:,} attempts before"
            lines.append(Line("t-before", rest, "attempt", "planned", Markup(""), "", "below, under Failures", False))
        for bar in made.attempts[-ATTEMPTS:]:
            who = f"attempt {bar.attempt}" + (f" · {bar.worker}" if bar.worker else "")
            lines.append(_line(bar, pen, who, bar.error or ""))
    for bar in made.bars:
        if bar.step is None:  # what goes on and is not recorded yet
            lines.append(_line(bar, pen, bar.name, "not recorded yet"))
            continue
        child = _child(bar, by_id)
        lines.append(_step(bar, pen, child, now, tries.get(bar.name, [])))
    return Drawn(lines, _axis(scale), duration(sum(fold.end - fold.begin for fold in scale.folds)) if scale.folds else "")


def row(line: Line, base: str, chosen: str | None, link: Callable[..., str]) -> Markup:
    """The row of the table, of 500 that a page may have: put together by hand, which takes a quarter of what a template does, so what is stored is escaped here.

    base     the address of the page with no step chosen
    chosen   the step that is: its link leads back
    link     from a path and its parameters to an address
    """
    label = escape(line.label)
    name: str = state(line.state, line.label)
    if line.step is not None:
        step = "" if line.step.name == chosen else f"&amp;step={quote(line.step.name)}"
        name = f'<a data-row data-soft href="{escape(base)}{step}#{line.key}" title="{label}">{name}</a>'
    else:
        name = f'<span class="soft" title="{label}">{name}</span>'
    kind = "" if line.kind in _USUAL else f' <span class="tag">{escape(line.kind)}</span>'
    if line.child is not None:
        what = f'<a class="one-line id" href="{escape(link("/workflow", id=line.child))}">{escape(line.child)}</a>'
    else:
        text = escape(brief(line.text))
        what = f'<span class="one-line{" bad" if line.is_error else ""}" title="{text if len(line.text) <= 160 else escape(brief(line.text, 600))}">{text}</span>'
    part = ' class="part"' if line.kind == "line" else ""
    return Markup(
        f'<tr id="{line.key}"{part}>\n<td class="name">{name}{kind}</td>\n<td class="draw">{line.drawing}</td>\n<td class="took n">{line.took}</td>\n'
        f'<td class="what">{what}</td>\n</tr>'
    )


def _child(bar: timeline.Bar, by_id: dict[str, lists.Row]) -> lists.Row | None:
    """The child that a step has spawned: its output is the child's id."""
    if bar.step is None or bar.step.output is None or bar.step.kind not in ("spawn", "task", "start"):
        return None
    found = parsed(bar.step.output)
    return by_id.get(found) if isinstance(found, str) else None


def _line(bar: timeline.Bar, pen: _Pen, label: str, text: str) -> Line:
    state = {"line": "pending", "suspended": "waiting"}.get(bar.state, bar.state)
    failed = state in ("failed", "lost")
    return Line(f"t-{bar.kind}-{bar.attempt or 0}", label, bar.kind, state, _draw(bar, pen), duration(bar.millis), text, failed)


def _step(bar: timeline.Bar, pen: _Pen, child: lists.Row | None, now: int, tries: Sequence[one.Failure]) -> Line:
    step = bar.step
    assert step is not None
    how_often = f"{step.attempts} tries" if step.attempts > 1 else ""
    if step.status in ("failed", "error"):
        text = bar.error or ""
    elif step.status == "done":
        text = one_line(step.output) if step.output is not None else ""
    else:
        text = {"waiting": "waiting", "begun": "begun, not finished"}.get(step.status, step.status)
    if step.ended_by and step.kind != "spawn":
        text = f"{step.ended_by}: {text}" if text and step.kind != "sleep" else step.ended_by
    drawing = _draw(bar, pen, tries)
    took = duration(bar.millis)
    if child is not None:
        begin, end = child.started_at or child.created_at, child.completed_at or now
        if begin is not None:
            took = duration(end - begin)
            drawing = _draw(dataclasses.replace(bar, kind="child", begin=begin, end=max(begin, end), is_open=child.completed_at is None, state=child.status), pen)
        text = f"{child.status}"
    return Line(
        f"t-s-{step.seq}", step.name, step.kind, step.status, drawing, took, " · ".join(each for each in (how_often, text) if each), step.status in ("failed", "error"), step,
        child.id if child is not None else None,
    )


def _said(bar: timeline.Bar) -> str:
    """What the drawing says, for who reads it without seeing."""
    begin = "" if bar.exact else "about "
    return f"{bar.name}: {begin}{duration(bar.millis)}{', goes on' if bar.is_open else ''}, {bar.state}"


@dataclasses.dataclass(frozen=True)
class _Pen:
    scale: timeline.Scale
    folds: str  # drawn in each row


def _draw(bar: timeline.Bar, pen: _Pen, tries: Sequence[one.Failure] = ()) -> Markup:
    """A row's drawing, put together by hand, too: what is stored is escaped here, and a state that is none of ours (a file changed by hand) is not written."""
    state = bar.state if bar.state in STATES or bar.state in ("line", "suspended") else "planned"
    thick = 12 if bar.kind in ("step", "child") else 6
    said = escape(_said(bar))
    out = [f'<svg role="img" aria-label="{said}">{pen.folds}']
    failed = [(max(bar.begin if not bar.exact else 0, each.claimed_at if each.claimed_at is not None else each.at), each.at) for each in tries if each.at is not None]
    if failed:  # each try by itself; a thin line through all of them
        parts = [("try", min(bar.begin, failed[0][0]), bar.end, 2), *(("step s-failed", begin, end, thick) for begin, end in failed)]
        if bar.state not in ("failed", "error"):
            parts.append((f"{bar.kind} s-{state}", max(bar.begin, failed[-1][1]), bar.end, thick))
    else:
        parts = [(f"{bar.kind} s-{state}", bar.begin, bar.end, thick)]
    for kind, begin, end, height in parts:
        at, to = pen.scale.place(begin), pen.scale.place(end)
        width = max(_NARROW, to - at)
        radius = min(1.5, height / 2)
        out.append(f'<rect class="t-{kind}" x="{percent(min(at, 1 - width))}" width="{percent(width)}" y="{(19 - height) / 2}" height="{height}" rx="{radius}"><title>{said}</title></rect>')
    out.append("</svg>")
    return Markup("".join(out))


def _axis(scale: timeline.Scale) -> Markup:
    """The time since the beginning, at both ends and where it was folded."""
    out = [Markup('<svg role="presentation"><text x="0" y="12">0</text>')]
    taken = [0.0]
    for fold in scale.folds:
        middle = (fold.at + fold.to) / 2
        if middle - taken[-1] > 0.12 and middle < 0.9:
            out.append(Markup('<text x="{}" y="12" text-anchor="middle">⋯ {} ⋯</text>').format(percent(middle), duration(fold.end - fold.begin)))
            taken.append(middle)
    out.append(Markup('<text x="100%" y="12" text-anchor="end">{}</text></svg>').format(duration(scale.end - scale.begin)))
    return Markup("").join(out)
