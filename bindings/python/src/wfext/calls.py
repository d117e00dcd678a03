"""What a context offers, in either colour: each method says which call of the engine it is, and what its answer means.

`Context` (plain code) waits for the answer where it is called; `AsyncContext` gives something to await. So the rules stand here once.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from . import values
from .attempt import Attempt, current_step
from .definitions import Bound, Duration, StartOptions, Step, Workflow, duration, moment
from .errors import WorkflowCancelled, WorkflowFailed, final
from .logs import WorkflowLog
from .names import check_name, check_text

T = TypeVar("T")
UNSET: Any = object()


@dataclasses.dataclass
class Wait:
    """A call of the engine that may have to be waited for: its step, its kinds as they are recorded, the function with what comes behind handle and step, and what the answer means."""

    name: str
    kinds: tuple[str, ...]
    function: str
    params: tuple[Any, ...]
    options: dict[str, Any]
    meaning: Callable[[Any], Any]

    def call(self, attempt: Attempt, keep: bool) -> tuple[str, tuple[Any, ...]]:
        options = dict(self.options, keep=True) if keep else self.options
        return attempt.call(self.function, self.name, *self.params, attempt.options(**options) or "{}")


@dataclasses.dataclass(frozen=True)
class Signal:
    """One of several signals that were waited for."""

    name: str
    payload: Any


@dataclasses.dataclass(frozen=True)
class Child(Generic[T]):
    """A workflow that was started by this one."""

    id: str
    workflow: str
    returns: Any = Any


def _timed_out(what: str, default: Any) -> Any:
    if default is UNSET:
        raise final(TimeoutError(f"{what} did not come in time"))  # which is recorded
    return default


def outcome(child: Child[Any], ended: dict[str, Any]) -> Any:
    """The output of a child that was joined, or its end as an exception."""
    if ended.get("status") == "completed":
        return values.convert(child.returns, ended.get("output"), f"the output of {child.id}")
    if ended.get("status") == "cancelled":
        raise WorkflowCancelled(child.id, ended.get("error"))
    raise WorkflowFailed(child.id, ended.get("error"))


class Calls:
    """The common part of the contexts."""

    def __init__(self, attempt: Attempt):
        self._attempt = attempt

    # What is known without asking

    @property
    def id(self) -> str:
        """The workflow's id."""
        return self._attempt.claim.id

    @property
    def name(self) -> str:
        return self._attempt.claim.name

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._attempt.claim.number

    @property
    def token(self) -> str:
        """The handle of this claim, for calls of the engine by hand."""
        return self._attempt.claim.token

    @property
    def headers(self) -> dict[str, Any]:
        return self._attempt.claim.headers

    @property
    def app(self) -> Any:
        return self._attempt.app

    @property
    def state(self) -> Any:
        """What the lifespan of the app has given, once a process."""
        return self._attempt.app.state

    @property
    def lost(self) -> bool:
        """Whether the workflow is no longer this attempt's (cancelled, paused, its lease lost) or the worker is to stop.

        Long plain code looks now and then and returns. What a step or a workflow returns or raises after it has seen True is not recorded: it is no whole result, and whoever goes on does it again.
        """
        if not self._attempt.lost.is_set():
            return False
        step = current_step.get()
        if step is not None:
            step.cut_short = True
        else:
            self._attempt.cut_short = True
        return True

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry id, name, attempt and step (see `LogContext` for other loggers)."""
        return WorkflowLog(logging.getLogger(f"wfext.{self.name}"), {})

    def patched(self, name: str) -> bool:
        """Code that has changed, for workflows under way: true where an attempt comes here first with this code, false where one was past it already."""
        raise NotImplementedError

    # Waits

    def _branch(self) -> Any:
        raise NotImplementedError

    def _take(self, name: str) -> str:
        return self._attempt.take_name(name, self._branch())

    def _sleep(self, time: Duration | datetime.datetime, name: str | None) -> Wait:
        step = self._take(check_name(name) if name else "sleep")
        if isinstance(time, datetime.datetime):
            given: Any = moment(time)
        else:
            given = duration(time)
        return Wait(step, ("sleep",), "wf_sleep", (given,), {}, lambda answer: None)

    def _wait_signal(self, name: str | list[str], timeout: Duration | None, default: Any, returns: Any) -> Wait:
        several = not isinstance(name, str)
        names = [check_text(each, "the name of a signal") for each in (name if isinstance(name, (list, tuple)) and name else [name])]
        step = self._take(check_name(names[0], "a signal"))

        def meaning(answer: Any) -> Any:
            if answer.get("timeout"):
                return _timed_out(f"the signal {' or '.join(map(repr, names))}", default)
            payload = values.convert(returns, answer.get("payload"), f"the payload of {answer['signal']}")
            return Signal(answer["signal"], payload) if several else payload

        given = values.dumps(names) if several else names[0]
        return Wait(step, ("await",), "wf_await", (given, None if timeout is None else duration(timeout)), {}, meaning)

    def _wait_event(self, event: str, timeout: Duration | None, default: Any, name: str | None, returns: Any) -> Wait:
        event = check_text(event, "the name of an event")
        step = self._take(check_name(event, "an event") if name is None else check_name(name))

        def meaning(answer: Any) -> Any:
            if answer.get("timeout"):
                return _timed_out(f"the event {event!r}", default)
            return values.convert(returns, answer.get("payload"), f"the payload of {event}")

        return Wait(step, ("await_event", "event"), "wf_await_event", (event, None if timeout is None else duration(timeout)), {}, meaning)

    def _join(self, children: tuple[Child[Any], ...], timeout: Duration | None, return_exceptions: bool, name: str | None) -> Wait:
        return self._join_as(self._take(check_name(name) if name else "join"), children, timeout, return_exceptions)

    def _join_as(self, step: str, children: tuple[Child[Any], ...], timeout: Duration | None = None, return_exceptions: bool = False) -> Wait:
        for given in children:
            if not isinstance(given, Child):
                raise final(TypeError(f"what is joined is {given!r}: children, as ctx.start() gives them"))

        def meaning(answer: list[dict[str, Any]]) -> list[Any]:
            ended = {entry["id"]: entry for entry in answer}
            out: list[Any] = []
            for child in children:
                entry = ended[child.id]
                try:
                    if entry.get("status") not in ("completed", "failed", "cancelled"):
                        raise final(TimeoutError(f"the child {child.id} has not ended in time"))
                    out.append(outcome(child, entry))
                except Exception as error:
                    if not return_exceptions:
                        raise
                    out.append(error)
            return out

        options = {} if timeout is None else {"timeout": duration(timeout)}
        return Wait(step, ("join",), "wf_join", (values.dumps([child.id for child in children]),), options, meaning)

    def _acquire(self, rate: str, amount: int, key: str | None, timeout: Duration | None, name: str | None) -> Wait:
        rate = check_text(rate, "the name of a rate")
        step = self._take(check_name(rate, "a rate") if name is None else check_name(name))
        options: dict[str, Any] = {}
        if key is not None:
            options["key"] = key
        if timeout is not None:
            options["timeout"] = duration(timeout)

        def meaning(answer: Any) -> None:
            if answer.get("timeout"):
                raise final(TimeoutError(f"there was no share of {rate!r} in time"))

        return Wait(step, ("acquire",), "wf_acquire", (rate, amount), options, meaning)

    # Calls that are answered at once

    def _spawn(self, workflow: Workflow[..., Any] | Bound[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any, tuple[str, tuple[Any, ...]] | None]:
        """The step, what the child returns, and the call where it is not recorded yet."""
        if isinstance(workflow, str):
            if args[1:] or kwargs:
                raise final(TypeError(f"a child by name takes one value, its input: {workflow!r}"))
            name, returns = check_text(workflow, "the name of a workflow"), Any
            given = values.dumps(args[0] if args else None, f"the input of {workflow}")
            options = "{}"
        elif not isinstance(workflow, (Workflow, Bound)):
            raise final(TypeError(f"what is started is {workflow!r}: a workflow (@app.workflow), one with options, or the name of one"))
        else:
            bound = workflow if isinstance(workflow, Bound) else Bound(workflow, StartOptions())
            name, given, options = bound.call(args, kwargs)
            returns = bound.workflow.returns
        step = self._take(name)
        record = self._attempt.recorded(step, ("spawn",))
        if record is not None:
            return step, Child(record["output"], name, returns), None
        self._attempt.begin()
        if self._attempt.options() is not None:  # `cleanup` itself would be the child's
            options = values.dumps({**values.loads(options), "parent_cleanup": True})
        return step, returns, self._attempt.call("wf_spawn", step, name, given, options)

    # Streams. What the workflow's code appends is a record, `append <stream>`: the item's offset. So a replay appends nothing twice, whatever steps append beside it.

    def _append_name(self, stream: str) -> str | None:
        """None inside of a step, which no replay runs again: there it is appended at the end."""
        stream = check_text(stream, "the name of a stream")
        return self._attempt.take_name(f"append {stream}", self._branch(), in_order=True) if current_step.get() is None else None

    def _appended(self, step: str) -> int | None:
        """Where it stands."""
        record = self._attempt.recorded(step, ("step",))
        return None if record is None else int(record["output"])

    def _last_item(self, stream: str) -> tuple[str, tuple[Any, ...]]:
        """The query for the last item of a stream. A fork has the records of another workflow, and no items."""
        return 'SELECT "offset" FROM wf_streams WHERE workflow_id = ? AND stream = ? ORDER BY "offset" DESC LIMIT 1', (self.id, stream)

    def _append(self, stream: str, text: str, step: str | None) -> tuple[str, tuple[Any, ...]]:
        self._attempt.begin()
        options = () if step is None else (self._attempt.options(step=step),)
        return self._attempt.call("wf_append", stream, text, *options)

    def _set(self, key: str, value: Any) -> tuple[str, tuple[Any, ...]]:
        check_text(key, "the key of a value")
        self._attempt.begin()
        return self._attempt.call("wf_set", key, values.dumps(value, f"the value {key}"))

    def _continue(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        self._attempt.begin()
        return self._attempt.call("wf_continue", self._attempt.workflow.input(args, kwargs) if args or kwargs else None)

    def compensate(self, step: Step[..., Any], *args: Any, **kwargs: Any) -> None:
        """If the workflow fails for good, is cancelled or times out, this step undoes another one. The last first.

        Said after the step: a cancel in its middle waits for its record, no longer than the lease. Said before a step that may last longer than that, or is async and cancelled with its task: it may
        have happened and is never recorded, and said after it this line is never reached. Then it has to bear that there is nothing to undo.
        """
        if not isinstance(step, Step):
            raise final(TypeError(f"what compensates is a step (@app.step), not {step!r}"))
        if not self._attempt.workflow.undoes:
            raise final(TypeError(f"the workflow {self.name} calls compensate() in a function of its own: declare it with undo=True, so that its first record says that there is something to undo"))
        self._attempt.undo.append((step, args, kwargs))

    def _branches(self, name: str, items: Any, fn: Any) -> str:
        """The name that map() takes, once what it was given is seen to be right."""
        name = check_name(name)
        if not isinstance(items, Iterable):
            raise final(TypeError(f"the items of map({name!r}) are {items!r}: something to go through"))
        if not callable(fn):
            raise final(TypeError(f"the function of map({name!r}) is {fn!r}"))
        return self._take(name)

    def _patch(self, name: str) -> tuple[str, bool, tuple[str, tuple[Any, ...]] | None]:
        """The step, the answer, and the call that records it where it is not."""
        attempt = self._attempt
        step = self._take(f"patch {check_name(name)}")
        if attempt.recorded(step, ("step",)) is not None:
            return step, True, None
        if any(known not in attempt.used for known in attempt.records):
            return step, False, None
        attempt.begin()
        return step, True, attempt.call("wf_step", step, "true", attempt.options())
