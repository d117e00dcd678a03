"""The timeline of one workflow: in line, attempts by worker, steps, waits, failures; times of idleness folded.

What a file knows of time: when a workflow was created, first claimed and ended; when each attempt that failed was claimed and failed, when the last one was claimed; when each step was
recorded, and when it was begun, if it said so (effects and waits do). Where the beginning of a step was not said, it is the end of what came before it in the same attempt: of the last
step, or the claim.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .one import Failure, Step, Workflow
from .values import error_text

_WAITS = ("sleep", "await", "await_event", "join", "wait_any", "acquire")


@dataclasses.dataclass(frozen=True)
class Bar:
    """A span of time. `kind`: line, attempt, step, wait, failure. `begin`, `end`: milliseconds since 1970; `is_open`: not ended yet (then `end` is now).

    `state`: of an attempt done, failed, lost, running or suspended; of a step and a wait its status. `exact`: the beginning is recorded, not taken from what came before.
    """

    kind: str
    name: str
    begin: int
    end: int
    is_open: bool
    state: str
    worker: str | None
    attempt: int | None
    exact: bool
    step: Step | None = None
    error: str | None = None
    tries: int = 0

    @property
    def millis(self) -> int:
        return self.end - self.begin


@dataclasses.dataclass(frozen=True)
class Fold:
    """A time that is drawn shorter than it was, as no step ran in it. `at` and `to` are places from 0 to 1."""

    begin: int
    end: int
    at: float
    to: float


@dataclasses.dataclass(frozen=True)
class Scale:
    """Times to places from 0 to 1."""

    begin: int
    end: int
    folds: tuple[Fold, ...]
    _points: tuple[tuple[int, float], ...]

    def place(self, time: int) -> float:
        """Where a time is drawn, from 0 (the beginning) to 1 (the end)."""
        points = self._points
        if time <= points[0][0]:
            return 0.0
        for (t0, p0), (t1, p1) in zip(points, points[1:]):
            if time <= t1:
                return p0 + (p1 - p0) * ((time - t0) / (t1 - t0) if t1 > t0 else 1.0)
        return 1.0


@dataclasses.dataclass(frozen=True)
class Timeline:
    """line: until the first claim (None: no time is known). attempts, bars (steps and waits in the order of recording), failures: marks at a moment. scale: where to draw them."""

    line: Bar | None
    attempts: list[Bar]
    bars: list[Bar]
    failures: list[Bar]
    scale: Scale


def timeline(workflow: Workflow, steps: Sequence[Step], failures: Sequence[Failure], now: int) -> Timeline:
    """Of a workflow and what was read of it (a part of its steps is drawn as far as it goes). Pure computation; `now` in milliseconds."""
    created = next(each for each in (workflow.created_at, workflow.started_at, now) if each is not None)
    claimed = next((each for each in (workflow.started_at, workflow.completed_at) if each is not None), None)
    line = Bar("line", "in line", created, max(created, now if claimed is None else claimed), claimed is None, "line", None, None, True)
    attempts = _attempts(workflow, failures, now)
    bars = _bars(workflow, steps, failures, attempts, line, now)
    if attempts and attempts[-1].is_open:  # what it is at is not recorded before it is done
        last = attempts[-1]
        done = max((each.end for each in bars if not each.is_open), default=last.begin)
        if not any(each.is_open and each.kind == "step" for each in bars):
            bars.append(Bar("step", "running", max(last.begin, done), max(last.end, done), True, "running", last.worker, last.attempt, False))
    marks = [
        Bar("failure", each.step or "attempt", each.at, each.at, False, "failed", each.worker, each.attempt, True, None, error_text(each.error)) for each in failures if each.at is not None
    ]
    everything = [line, *attempts, *bars, *marks] if not steps or steps[0].seq <= 1 else [*bars]
    return Timeline(line, attempts, bars, marks, _scale(everything, workflow, now))


def _attempts(workflow: Workflow, failures: Sequence[Failure], now: int) -> list[Bar]:
    found: dict[int, Bar] = {}
    for each in failures:
        if each.at is None:
            continue
        begin = each.claimed_at if each.claimed_at is not None else each.at
        known = found.get(each.attempt)
        found[each.attempt] = Bar(
            "attempt",
            f"attempt {each.attempt}",
            min(begin, known.begin) if known else begin,
            max(each.at, begin),
            False,
            "lost" if '"lease_lost"' in str(each.error) else "failed",
            each.worker,
            each.attempt,
            True,
            None,
            error_text(each.error),
        )
    claimed = workflow.attempt_at if workflow.attempt_at is not None else workflow.started_at
    if workflow.attempt > 0 and claimed is not None and (workflow.attempt not in found or found[workflow.attempt].begin < claimed):
        is_open = workflow.completed_at is None
        running = workflow.status == "running"
        end = workflow.completed_at if workflow.completed_at is not None else now if running else now if workflow.updated_at is None else workflow.updated_at
        state = "done" if workflow.status == "completed" else "running" if running else "suspended" if is_open else workflow.status
        found[workflow.attempt] = Bar("attempt", f"attempt {workflow.attempt}", claimed, max(claimed, end), is_open and running, state, workflow.worker, workflow.attempt, True)
    return [found[each] for each in sorted(found)]


def _bars(workflow: Workflow, steps: Sequence[Step], failures: Sequence[Failure], attempts: list[Bar], line: Bar, now: int) -> list[Bar]:
    claims = {each.attempt: each.begin for each in attempts}
    errors = {each.step: error_text(each.error) for each in failures if each.step is not None}
    tries: dict[str, list[Failure]] = {}
    for each in failures:
        if each.step is not None:
            tries.setdefault(each.step, []).append(each)
    found = []
    previous: int | None = None
    for step in steps:
        is_wait = step.kind in _WAITS or step.status == "waiting"
        end = step.recorded_at
        is_open = end is None and step.status in ("waiting", "begun", "ready") and workflow.completed_at is None
        if end is None:
            last = next((each.at for each in reversed(tries.get(step.name, ()))), None)
            ends = (now if is_open and (is_wait or step.status == "begun") else None, last, workflow.completed_at, step.begun_at, now)
            end = next(each for each in ends if each is not None)
        exact = step.begun_at is not None
        begin = step.begun_at
        if begin is None:
            begin = max((each for each in (previous, claims.get(step.attempt)) if each is not None), default=line.end)
            if step.name in tries:  # it failed before: from the claim of its first try on
                first = tries[step.name][0]
                began = first.claimed_at if first.claimed_at is not None else first.at
                begin = min(begin, max((each for each in (began, previous) if each is not None), default=begin))
        begin = min(begin, end)
        failed = errors.get(step.name) or (error_text(step.error) if step.error is not None else None)
        found.append(
            Bar("wait" if is_wait else "step", step.name, begin, end, is_open, step.status, step.worker, step.attempt, exact, step, failed, step.attempts)
        )
        if not is_open and step.recorded_at is not None:
            previous = end if previous is None else max(previous, end)
    return found


def _scale(everything: Sequence[Bar], workflow: Workflow, now: int) -> Scale:
    begin = min((each.begin for each in everything), default=now if workflow.created_at is None else workflow.created_at)
    end = max((each.end for each in everything), default=begin)
    if workflow.completed_at is not None and (not everything or len(everything) > 0 and everything[0].kind == "line"):
        end = max(end, workflow.completed_at)
    if end <= begin:
        end = begin + 1
    # A step that runs is known by its end alone: any time of an attempt may be one's, unless it is that of a wait.
    waits = _union([(each.begin, each.end) for each in everything if each.kind == "wait"])
    attempts = _without(_union([(each.begin, each.end) for each in everything if each.kind == "attempt"]), waits)
    busy = [span for span in _union([*((each.begin, each.end) for each in everything if each.kind == "step"), *attempts]) if span[1] > span[0]]
    edges = sorted({begin, end, *(moment for span in busy for moment in span)})
    begins = {span[0] for span in busy}
    idle = [(t0, t1) for t0, t1 in zip(edges, edges[1:]) if t0 not in begins] if busy else []
    active = sum(e - b for b, e in busy)
    longest = max(active, 1) / 4  # an idle time above a quarter of what all steps took is drawn as long as that
    folded = {t0: t1 for t0, t1 in _union(idle) if t1 - t0 > longest * 2}
    points: list[tuple[int, float]] = [(begin, 0.0)]
    spans: list[tuple[int, int]] = []
    length = 0.0
    at = begin
    for t0 in sorted(folded):
        length += t0 - at
        points.append((t0, length))
        length += longest
        points.append((folded[t0], length))
        spans.append((t0, folded[t0]))
        at = folded[t0]
    length += end - at
    points.append((end, length))
    scaled = tuple((time, place / length if length else 0.0) for time, place in points)
    places = dict(scaled)
    folds = tuple(Fold(t0, t1, next(p for t, p in scaled if t == t0), places[t1]) for t0, t1 in spans)
    return Scale(begin, end, folds, scaled)


def _union(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, those that touch made one."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _without(spans: Sequence[tuple[int, int]], holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of the spans is in none of the holes; both are in order."""
    found = []
    at = 0
    for begin, end in spans:
        while at < len(holes) and holes[at][1] <= begin:
            at += 1
        k = at
        while begin < end and k < len(holes) and holes[k][0] < end:
            if holes[k][0] > begin:
                found.append((begin, holes[k][0]))
            begin = max(begin, holes[k][1])
            k += 1
        if begin < end:
            found.append((begin, end))
    return found
