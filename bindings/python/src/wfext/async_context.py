"""Code of an event loop: a context whose methods are awaited.

Steps run side by side as tasks do. Waits (a sleep, a signal, a child) do not hold the attempt: once nothing of it is in flight any more, what it waits for goes to the engine, the tasks are
cancelled, and the workflow is a row until what it waits for is there. Then it is run again from its beginning.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, ParamSpec, TypeVar, overload

from . import values
from .async_steps import QUIET_TURNS, AsyncSteps
from .attempt import Attempt, AttemptOver, current_attempt, current_branch, current_step, ends_process
from .calls import UNSET, Child, Wait
from .definitions import Bound, Duration, Step, Workflow
from .errors import StepFailed
from .names import Names

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("wfext")
_CLOCK = 0.002  # seconds in which the engine's clock, which counts milliseconds, goes on


class _Open:
    """A wait that somebody in the attempt awaits."""

    __slots__ = ("future", "kept", "wait")

    def __init__(self, wait: Wait, future: asyncio.Future[Any]):
        self.wait = wait
        self.future = future
        self.kept = False


class AsyncContext(AsyncSteps):
    """What an async workflow is given."""

    def __init__(self, attempt: Attempt, loop: asyncio.AbstractEventLoop):
        super().__init__(attempt, loop)
        self._reading = asyncio.Lock()  # how far streams go
        self._waits: list[_Open] = []
        self._looking = False

    # Waits

    def _nothing_in_flight(self) -> None:
        if self._waits:
            self._look()

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._quiet, QUIET_TURNS)

    def _quiet(self, turns: int) -> None:
        if self._in_flight > 0 or self._over.is_set():
            self._looking = False
        elif turns > 0:
            self._loop.call_soon(self._quiet, turns - 1)
        else:
            self._add_task(self._loop.create_task(self._hand_over()))

    async def _hand_over(self) -> None:
        """Nothing is in flight: what is waited for goes to the engine. A single wait suspends the workflow itself; several are opened beside each other, and then the claim is given back."""
        if time.monotonic() - self._committed_at < _CLOCK and any(entry.kept or entry.wait.name in self._attempt.records for entry in self._waits):
            await asyncio.sleep(_CLOCK)  # a wait that was opened long ago has its place by the time of its end: that is to be behind what was recorded just now
        open_waits = [entry for entry in self._waits if not entry.future.done()]
        self._waits = open_waits
        try:
            if self._in_flight > 0:
                return
            single = len(open_waits) == 1 and not open_waits[0].kept
            answers = await asyncio.gather(*(self._submit(*entry.wait.call(self._attempt, keep=not single), entry.wait.name) for entry in open_waits), return_exceptions=True)
            satisfied = False
            for entry, answer in zip(open_waits, answers):
                entry.kept = not single
                if isinstance(answer, AttemptOver):
                    raise answer
                if answer is None:
                    continue
                satisfied = True
                if entry.future.done():
                    continue
                if isinstance(answer, BaseException):
                    entry.future.set_exception(answer)
                else:
                    entry.future.set_result(answer)
            if satisfied or not open_waits:
                return
            if not single:
                if self._in_flight > 0:
                    return  # something has begun meanwhile: its end asks again
                await self._submit(*self._attempt.call("wf_release"))
            self._ends("suspended")
        except AttemptOver:
            self._over.set()
        except Exception as error:
            for entry in open_waits:
                if not entry.future.done():
                    entry.future.set_exception(error)
        finally:
            self._looking = False
            self._waits = [entry for entry in self._waits if not entry.future.done()]
            # Others wait still, or have begun to meanwhile: what was satisfied has its turn first.
            if self._waits and self._in_flight == 0 and not self._over.is_set():
                self._look()

    def _wait(self, wait: Wait) -> Coroutine[Any, Any, Any]:
        return self._beside_others(self._waiting(wait), wait.name)

    async def _waiting(self, wait: Wait) -> Any:
        record = self._attempt.recorded(wait.name, wait.kinds)
        if record is not None:
            return wait.meaning(record.get("output"))
        self._begin()
        entry = _Open(wait, self._loop.create_future())
        self._waits.append(entry)
        if self._in_flight == 0:
            self._look()
        answer = await entry.future
        return wait.meaning(answer if wait.function == "wf_sleep" else values.loads(answer))

    def sleep(self, time: Duration | datetime.datetime, *, name: str | None = None) -> Awaitable[None]:
        """Seconds, a text such as '7d', a timedelta, or until a time. Survives a restart; holds nothing."""
        return self._wait(self._sleep(time, name))

    def wait_signal(self, name: str | list[str], *, timeout: Duration | None = None, default: Any = UNSET, returns: Any = Any) -> Awaitable[Any]:
        """The payload of the earliest signal of the name; of several names, a Signal. After the timeout `default`, or TimeoutError where none is given."""
        return self._wait(self._wait_signal(name, timeout, default, returns))

    def wait_event(self, event: str, *, timeout: Duration | None = None, default: Any = UNSET, name: str | None = None, returns: Any = Any) -> Awaitable[Any]:
        """The payload of an event, which is stated once for everyone."""
        return self._wait(self._wait_event(event, timeout, default, name, returns))

    def acquire(self, rate: str, amount: int = 1, *, key: str | None = None, timeout: Duration | None = None, name: str | None = None) -> Awaitable[None]:
        """Waits in line for a share of a rate (app.rate)."""
        return self._wait(self._acquire(rate, amount, key, timeout, name))

    def join(self, *children: Child[T], timeout: Duration | None = None, return_exceptions: bool = False, name: str | None = None) -> Awaitable[list[T]]:
        """The outputs of children, once all have ended. One that failed raises WorkflowFailed."""
        return self._wait(self._join(children, timeout, return_exceptions, name))

    # Children, values, streams

    @overload
    def start(self, workflow: Workflow[P, T] | Bound[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[Child[T]]: ...
    @overload
    def start(self, workflow: str, input: Any = None, /) -> Awaitable[Child[Any]]: ...
    def start(self, workflow: Any, *args: Any, **kwargs: Any) -> Awaitable[Child[Any]]:
        """Starts a child, once: a workflow, one with options, or the name of one and its input."""
        step, starting = self._starting(workflow, args, kwargs)
        return self._beside_others(starting, step, is_long=False)

    def _starting(self, workflow: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Coroutine[Any, Any, Child[Any]]]:
        step, returns, call = self._spawn(workflow, args, kwargs)

        async def starting() -> Child[Any]:
            if call is None:
                return returns  # type: ignore[no-any-return]
            return Child(await self._record(call, step), step, returns)

        return step, starting()

    @overload
    def call(self, workflow: Workflow[P, T] | Bound[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    @overload
    def call(self, workflow: str, input: Any = None, /) -> Awaitable[Any]: ...
    def call(self, workflow: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Starts a child and waits for its output. Both names are taken now."""
        _, starting = self._starting(workflow, args, kwargs)
        join = self._take("join")

        async def calling() -> Any:
            child = await starting
            return (await self._waiting(self._join_as(join, (child,))))[0]

        return self._beside_others(calling(), join)

    def append(self, stream: str, value: Any) -> Awaitable[int]:
        """Appends to a stream of this workflow, and returns the item's offset; a replay does not repeat it. In a step it is appended at the end."""
        text = values.dumps(value, f"an item of {stream}")
        step = self._append_name(stream)
        if step is None:
            return self._record(self._append(stream, text, None))

        async def appending() -> int:
            offset = self._appended(step)
            if offset is not None and (self._attempt.replays_only or offset <= await self._last_offset(stream)):
                return offset
            return await self._record(self._append(stream, text, step), step)  # type: ignore[no-any-return]

        return self._beside_others(appending(), step, is_long=False)

    async def _last_offset(self, stream: str) -> int:
        attempt = self._attempt
        sql, params = self._last_item(stream)
        until = time.monotonic() + attempt.lease
        with self._calling():
            async with self._reading:
                while stream not in attempt.streams:
                    try:
                        rows = await asyncio.wrap_future(attempt.database.submit_alone(lambda connection: connection.execute(sql, params).fetchall()))
                        attempt.streams[stream] = rows[0][0] if rows else -1
                    except Exception as error:
                        self._call_fails(error, until)
        return attempt.streams[stream]

    async def set(self, key: str, value: Any) -> None:
        """A named value that others can read."""
        if not self._attempt.replays_only:
            await self._record(self._set(key, value))

    async def continue_as(self, *args: Any, **kwargs: Any) -> None:
        """Ends this period: the workflow begins anew, with an empty history and this input (none: the old one)."""
        await self._record(self._continue(args, kwargs))
        self._ends("continued")

    def patched(self, name: str) -> Awaitable[bool]:  # type: ignore[override]
        step, answer, call = self._patch(name)

        async def patching() -> bool:
            if call is not None:
                await self._record(call, step)
            return answer

        return self._beside_others(patching(), step, is_long=False)

    def map(self, name: str, items: Iterable[Any], fn: Callable[[Any], Awaitable[T]]) -> Awaitable[list[T]]:
        """fn of each item, side by side, with names of their own for the steps of each: `name[0].step`."""
        prefix = self._branches(name, items, fn)

        async def branch(i: int, item: Any) -> T:
            current_branch.set((f"{prefix}[{i}].", Names()))  # of this task alone
            return await fn(item)

        async def all_of_them() -> list[T]:
            return list(await asyncio.gather(*(self._loop.create_task(branch(i, item)) for i, item in enumerate(items))))

        return self._beside_others(all_of_them(), prefix, is_recorded=False)

    # The end

    def is_lost(self) -> None:
        """From any thread: the workflow is not ours any more, or the worker stops."""
        self._attempt.lost.set()
        self._loop.call_soon_threadsafe(self._over.set)


def _task(loop: asyncio.AbstractEventLoop, code: Coroutine[Any, Any, Any], **given: Any) -> asyncio.Task[Any]:
    """The loop's way to make a task: one that a workflow's code makes belongs to its attempt. (What a step makes is its own: a pool of connections goes on when the workflow waits.)"""
    task = asyncio.Task(code, loop=loop, **given)
    attempt = current_attempt.get()
    if attempt is not None and current_step.get() is None and isinstance(attempt.context, AsyncContext):
        attempt.context._add_task(task)
    return task


async def run(attempt: Attempt) -> Any:
    """Runs the workflow's function, or, in the second phase, what undoes it. What it returns is the output; its exceptions are the workflow's.

    Where the attempt is over before its code is (it waits, or is lost), the code's tasks are cancelled and awaited, and AttemptOver is raised.
    """
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        loop.set_task_factory(_task)  # type: ignore[arg-type]
    context = attempt.context = AsyncContext(attempt, loop)
    current_attempt.set(attempt)
    if attempt.lost.is_set():
        context._over.set()
    if attempt.claim.ending is None:
        return await _until_over(context, _code(context))
    try:
        await _until_over(context, _code(context))
    except BaseException as error:
        if attempt.over not in (None, "read back") or (isinstance(error, asyncio.CancelledError) and not context._over.is_set()):
            raise
    attempt.over = None
    attempt.replays_only = False
    attempt.names = Names()  # what was cut off in the code is in flight for ever
    context._over.clear()
    return await _until_over(context, _undo(context))


async def _code(context: AsyncContext) -> Any:
    attempt = context._attempt
    try:
        return await attempt.workflow.fn(context, **attempt.workflow.arguments(attempt.claim.input))
    except (SystemExit, KeyboardInterrupt) as error:
        raise ends_process(error, f"the workflow {attempt.claim.id}") from error


async def _undo(context: AsyncContext) -> None:
    failed: StepFailed | None = None
    for step, args, kwargs in reversed(context._attempt.undo):
        undo: Step[..., Any] = Step(
            step.fn, kind=step.kind, name=f"undo {step.name}", attempts=step.attempts, backoff=step.backoff, retry_on=step.retry_on, timeout=step.timeout, in_doubt=step.in_doubt, durable=step.durable
        )
        try:
            await context.step(undo, *args, **kwargs)
        except StepFailed as error:  # the others are undone all the same
            failed = failed or error
    if failed is not None:
        raise failed


async def _until_over(context: AsyncContext, code: Coroutine[Any, Any, Any]) -> Any:
    attempt = context._attempt
    main = asyncio.ensure_future(code)
    over = asyncio.ensure_future(context._over.wait())
    try:
        await asyncio.wait({main, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = main.done() and not context._over.is_set() and attempt.over is None
        await context._end_tasks()
    if not ended:
        if main.done() and not main.cancelled() and main.exception() is None:
            log.error("workflow %s: the code went on after its attempt was over (%s) and swallowed that; nothing of it counts", context.id, attempt.over or "not ours")
        raise AttemptOver(attempt.over or "not ours")
    return main.result()
