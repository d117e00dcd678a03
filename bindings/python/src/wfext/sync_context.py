"""Plain code: a context whose methods return when they are done."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar, overload

from . import tracing, values
from .attempt import Attempt, StepRun, current_attempt, current_branch, current_step, ends_process, error_value, step_pause
from .calls import UNSET, Calls, Child, Wait
from .definitions import Bound, Duration, Step, Workflow
from .errors import EngineError, NotJSON, OutsideWorkflow, StepFailed, WrongState, final, is_of_the_machine, translate
from .names import Names
from .transaction import FunctionFailed, Transaction

P = ParamSpec("P")
T = TypeVar("T")


class Context(Calls):
    """What a workflow of plain code is given. Not for other threads."""

    def __init__(self, attempt: Attempt):
        super().__init__(attempt)
        self._thread = threading.get_ident()

    def _branch(self) -> Any:
        if threading.get_ident() != self._thread:
            raise OutsideWorkflow("this call comes from a thread that the workflow did not begin in: call it from the workflow's own code")
        return self._thread

    def _record(self, sql: str, params: tuple[Any, ...]) -> Any:
        """A call of the engine; again while the file is locked, since what it records has happened."""
        until = time.monotonic() + self._attempt.lease
        while True:
            try:
                return self._attempt.database.call(sql, *params)
            except Exception as error:
                self._attempt.call_fails(error, until)

    # Steps

    def step(self, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a step; the same as step(...) in plain code."""
        if not isinstance(step, Step):
            raise final(TypeError(f"{step!r} is no step: declare it with @app.step"))
        return self.call_step(step, args, kwargs)  # type: ignore[no-any-return]

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.is_async:
            raise final(TypeError(f"the step {step.name} is async, and the workflow {self.name} is not"))
        name = self._take(step.name)
        found, value = self._attempt.read_back(step, name)
        if found:
            return value
        self._attempt.begin()
        until = time.monotonic() + self._attempt.lease
        while step.kind == "transaction":
            try:
                stands = run_transaction(self._attempt, step, name, args, kwargs).result()
                return values.convert(step.returns, values.loads(stands), f"the output of {name}")
            except FunctionFailed as failed:
                self._attempt.said_cleanup = False  # nothing of it stands
                self._failed(step, name, failed.error)
            except Exception as error:
                if isinstance(error, NotJSON) or (not isinstance(error, EngineError) and not is_of_the_machine(error)):
                    self._failed(step, name, error)  # its commit was refused, by a constraint that was deferred
                else:
                    self._attempt.call_fails(error, until)
        while True:
            key = None
            if self._attempt.announces(step):
                begun = values.loads(self._record(*self._attempt.call("wf_begin", name, self._attempt.options(in_doubt=step.in_doubt))))
                if begun is None:
                    self._attempt.ends("held")
                if "error" in begun:
                    raise StepFailed(name, begun["error"])
                if "output" in begun:
                    return values.convert(step.returns, begun["output"], f"the output of {name}")
                key = begun["key"]
                if not self._attempt.barrier(step, name):
                    self._attempt.ends("the engine failed")
            of_step = StepRun(self._attempt, name, key)
            run = current_step.set(of_step)
            self._attempt.names.begins()
            try:
                if tracing.trace is None:
                    result = step.fn(*args, **kwargs)
                else:
                    with tracing.step(self._attempt, name, step.kind):
                        result = step.fn(*args, **kwargs)
                text = values.dumps(result, f"what {name} returns")
            except Exception as error:
                failure: Exception = error
                of_step.ends_if_cut_short()
            except SystemExit as error:
                failure = ends_process(error, f"the step {name}")
            else:
                of_step.ends_if_cut_short()
                stands = self._record(*self._attempt.call("wf_step", name, text, self._attempt.options()))
                return values.convert(step.returns, values.loads(stands), f"the output of {name}")
            finally:
                current_step.reset(run)
                self._attempt.names.settles()
            self._failed(step, name, failure)

    def _failed(self, step: Step[..., Any], name: str, error: Exception) -> None:
        """Returns where the step is to be tried again."""
        given = values.dumps(error_value(error))
        if step.attempts > 1 and isinstance(error, step.retry_on) and not isinstance(error, NotJSON):
            try:
                counted = values.loads(self._record(*self._attempt.call("wf_fail", given, values.dumps({"step": name, "keep": True, "max_attempts": step.attempts}))))
            except WrongState:
                pass  # that was the last
            else:
                pause = step_pause(step, counted["failures"], counted["pause"])
                if pause >= self._attempt.longest_pause:
                    self._record(*self._attempt.call("wf_release", values.dumps({"delay": pause})))
                    self._attempt.ends("given back")
                self._attempt.lost.wait(pause)
                self._attempt.begin()
                return
        self._record(*self._attempt.call("wf_step", name, given, self._attempt.options(error=True)))
        raise StepFailed(name, values.loads(given)) from error

    # Waits

    def _wait(self, wait: Wait) -> Any:
        record = self._attempt.recorded(wait.name, wait.kinds)
        if record is not None:
            return wait.meaning(record.get("output"))
        self._attempt.begin()
        answer = self._record(*wait.call(self._attempt, keep=False))
        if answer is None:
            self._attempt.ends("suspended")
        return wait.meaning(answer if wait.function == "wf_sleep" else values.loads(answer))

    def sleep(self, time: Duration | datetime.datetime, *, name: str | None = None) -> None:
        """Seconds, a text such as '7d', a timedelta, or until a time. Survives a restart; holds no thread."""
        self._wait(self._sleep(time, name))

    def wait_signal(self, name: str | list[str], *, timeout: Duration | None = None, default: Any = UNSET, returns: Any = Any) -> Any:
        """The payload of the earliest signal of the name; of several names, a Signal. After the timeout `default`, or TimeoutError where none is given."""
        return self._wait(self._wait_signal(name, timeout, default, returns))

    def wait_event(self, event: str, *, timeout: Duration | None = None, default: Any = UNSET, name: str | None = None, returns: Any = Any) -> Any:
        """The payload of an event, which is stated once for everyone."""
        return self._wait(self._wait_event(event, timeout, default, name, returns))

    def acquire(self, rate: str, amount: int = 1, *, key: str | None = None, timeout: Duration | None = None, name: str | None = None) -> None:
        """Waits in line for a share of a rate (app.rate)."""
        self._wait(self._acquire(rate, amount, key, timeout, name))

    def join(self, *children: Child[T], timeout: Duration | None = None, return_exceptions: bool = False, name: str | None = None) -> list[T]:
        """The outputs of children, once all have ended. One that failed raises WorkflowFailed."""
        return self._wait(self._join(children, timeout, return_exceptions, name))  # type: ignore[no-any-return]

    # Children, values, streams

    @overload
    def start(self, workflow: Workflow[P, T] | Bound[P, T], *args: P.args, **kwargs: P.kwargs) -> Child[T]: ...
    @overload
    def start(self, workflow: str, input: Any = None, /) -> Child[Any]: ...
    def start(self, workflow: Any, *args: Any, **kwargs: Any) -> Child[Any]:
        """Starts a child, once: a workflow, one with options, or the name of one and its input."""
        step, returns, call = self._spawn(workflow, args, kwargs)
        if call is None:
            return returns  # type: ignore[no-any-return]
        return Child(self._record(*call), step, returns)

    @overload
    def call(self, workflow: Workflow[P, T] | Bound[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def call(self, workflow: str, input: Any = None, /) -> Any: ...
    def call(self, workflow: Any, *args: Any, **kwargs: Any) -> Any:
        """Starts a child and waits for its output."""
        return self.join(self.start(workflow, *args, **kwargs))[0]

    def append(self, stream: str, value: Any) -> int:
        """Appends to a stream of this workflow, and returns the item's offset; a replay does not repeat it. In a step it is appended at the end."""
        text = values.dumps(value, f"an item of {stream}")
        step = self._append_name(stream)
        offset = None if step is None else self._appended(step)
        if offset is not None and (self._attempt.replays_only or offset <= self._last_offset(stream)):
            return offset
        return self._record(*self._append(stream, text, step))  # type: ignore[no-any-return]

    def _last_offset(self, stream: str) -> int:
        sql, params = self._last_item(stream)
        until = time.monotonic() + self._attempt.lease
        while stream not in self._attempt.streams:
            try:
                rows = self._attempt.database.rows(sql, *params)
                self._attempt.streams[stream] = rows[0][0] if rows else -1
            except Exception as error:
                self._attempt.call_fails(error, until)
        return self._attempt.streams[stream]

    def set(self, key: str, value: Any) -> None:
        """A named value that others can read."""
        if not self._attempt.replays_only:
            self._record(*self._set(key, value))

    def continue_as(self, *args: Any, **kwargs: Any) -> None:
        """Ends this period: the workflow begins anew, with an empty history and this input (none: the old one)."""
        self._record(*self._continue(args, kwargs))
        self._attempt.ends("continued")

    def patched(self, name: str) -> bool:
        _, answer, call = self._patch(name)
        if call is not None:
            self._record(*call)
        return answer

    def map(self, name: str, items: Iterable[Any], fn: Callable[[Any], T]) -> list[T]:
        """fn of each item, whose steps get names of their own: `name[0].step`. One after the other in plain code."""
        out = []
        prefix = self._branches(name, items, fn)
        for i, item in enumerate(items):
            token = current_branch.set((f"{prefix}[{i}].", Names()))
            try:
                out.append(fn(item))
            finally:
                current_branch.reset(token)
        return out


def run_transaction(attempt: Attempt, step: Step[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future[Any]:
    """The rows of the function and the record of the step, in one commit, by the thread of the database. What stands as the output, as JSON text."""
    sql, params = attempt.call("wf_step", name)
    said_before = attempt.said_cleanup
    options = attempt.options()
    if not said_before:
        attempt.said_cleanup = False  # it may be rolled back: the next record says it again

    def work(tx: Transaction) -> Any:
        stands = tx.execute(sql, params).fetchall()[0][0]  # raises where the claim is not ours any more
        if stands is not None:
            return stands
        of_step = StepRun(attempt, name, None)
        token = current_step.set(of_step)
        try:
            with tracing.step(attempt, name, step.kind):
                text = values.dumps(step.fn(tx, *args, **kwargs), f"what {name} returns")
        except Exception as error:
            if tx._has_met(error):
                raise
            translated = translate(error)
            raise FunctionFailed(translated if isinstance(translated, Exception) else error) from error
        except (SystemExit, KeyboardInterrupt) as error:
            raise FunctionFailed(ends_process(error, f"the step {name}")) from error
        finally:
            current_step.reset(token)
        of_step.ends_if_cut_short()
        record, given = attempt.call("wf_step", name, text, options)
        return tx.execute(record, given).fetchall()[0][0]

    return attempt.database.submit_transaction(work)


def run(attempt: Attempt) -> Any:
    """Runs the workflow's function, or, in the second phase, what undoes it. What it returns is the output; its exceptions are the workflow's."""
    context = attempt.context = Context(attempt)
    token = current_attempt.set(attempt)
    try:
        if attempt.claim.ending is None:
            try:
                return attempt.workflow.fn(context, **attempt.workflow.arguments(attempt.claim.input))
            except SystemExit as error:
                raise ends_process(error, f"the workflow {attempt.claim.id}") from error
        try:
            attempt.workflow.fn(context, **attempt.workflow.arguments(attempt.claim.input))
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)) or attempt.over not in (None, "read back"):
                raise
        attempt.over = None
        attempt.replays_only = False
        attempt.names = Names()  # what was cut off in the code is in flight for ever
        failed: StepFailed | None = None
        for step, args, kwargs in reversed(attempt.undo):
            undo: Step[..., Any] = Step(step.fn, kind=step.kind, name=f"undo {step.name}", attempts=step.attempts, backoff=step.backoff, retry_on=step.retry_on, in_doubt=step.in_doubt, durable=step.durable)
            try:
                context.call_step(undo, args, kwargs)
            except StepFailed as error:  # the others are undone all the same
                failed = failed or error
        if failed is not None:
            raise failed
        return None
    finally:
        current_attempt.reset(token)
