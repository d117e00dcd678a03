"""The steps of async code, the tasks that it makes, and its calls of the engine: what `AsyncContext` is built on.

Steps run side by side as tasks do. All tasks that the workflow's code makes belong to the attempt, and end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar, overload

from . import tracing, values
from .attempt import Attempt, AttemptOver, StepRun, current_step, ends_process, error_value, step_pause
from .calls import Calls
from .definitions import Step
from .errors import EngineError, NotJSON, OutsideWorkflow, StepFailed, WrongState, final, is_of_the_machine
from .names import Names
from .side_by_side import Ends, InFlight
from .sync_context import run_transaction
from .transaction import FunctionFailed

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("wfext")
# Turns of the loop in which nothing is in flight before a wait goes to the engine: what a finished step wakes has had its turn by then.
QUIET_TURNS = 4
_TASKS_OF_ONE_LINE = 2  # the one of the code, and the one that waits for the end of the attempt
_PATIENCE = 5.0  # seconds before a task is cancelled once more


class _Failed(Exception):
    """The step's function has failed, not its record."""

    def __init__(self, error: Exception):
        self.error = error
        super().__init__(str(error))


class AsyncSteps(Calls):
    """What an attempt at async code does and records."""

    def __init__(self, attempt: Attempt, loop: asyncio.AbstractEventLoop):
        super().__init__(attempt)
        self._loop = loop
        self._over = asyncio.Event()
        self._finishing: set[asyncio.Task[Any]] = set()
        self._pauses: list[float] = []  # of steps that give the workflow back
        self._tasks: set[asyncio.Task[Any]] = set()
        self._in_flight = 0
        self._calls = 0  # of the engine, in the workflow's own code
        self._beside = 0  # steps and waits that were called and have not come out
        self._committed: dict[str, int] = {}  # in which order what this attempt has recorded was
        self._commits = 0
        self._committed_at = 0.0
        self._order: dict[str, int] | None = None  # the same of what was recorded before
        self._order_is_read = False
        self._ends_in_order = Ends(loop, self._rank)
        self._ends_in_order.know = self._know_order
        self._ends_in_order.is_busy = lambda: self._calls > 0

    def _nothing_in_flight(self) -> None:
        """Called when the last of what was in flight has settled."""
        raise NotImplementedError

    def _settled(self) -> None:
        self._in_flight -= 1
        if self._in_flight == 0:
            self._nothing_in_flight()

    def _branch(self) -> Any:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is None or asyncio.get_running_loop() is not self._loop:
            raise OutsideWorkflow("this call comes from a thread, or from a loop, that the workflow did not begin in: call it from the workflow's own tasks")
        return task

    def _add_task(self, task: asyncio.Task[Any]) -> None:
        """The workflow's own: it ends with the attempt."""
        self._tasks.add(task)
        task.add_done_callback(self._task_is_done)

    def _task_is_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(getattr(task, "_exception", None), AttemptOver):
            task.exception()  # nobody has to hear of it

    async def _end_tasks(self) -> None:
        """Cancels what the workflow's code has begun and awaits it, also what begins meanwhile; and what is recorded of steps that have happened."""
        told: dict[asyncio.Task[Any], float] = {}
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                if time.monotonic() - told.get(task, -_PATIENCE) >= _PATIENCE:
                    if task in told:
                        log.error("workflow %s: its attempt is over, and a task of its code goes on although it was cancelled: %r", self.id, task)
                    told[task] = time.monotonic()
                    task.cancel()
            await asyncio.wait(left, timeout=_PATIENCE)
        await asyncio.gather(*self._finishing, return_exceptions=True)

    def _ends(self, why: str) -> None:
        self._over.set()
        self._attempt.ends(why)

    async def _submit(self, sql: str, params: tuple[Any, ...], name: str | None = None) -> Any:
        """A call of the engine; what it records may be the end of this step."""
        until = time.monotonic() + self._attempt.lease
        while True:
            try:
                return await self._answer(self._attempt.database.submit(sql, *params), name)
            except Exception as error:
                self._call_fails(error, until)

    def _answer(self, future: Future[Any], name: str | None) -> Awaitable[Any]:
        if name is not None:
            future.add_done_callback(lambda _: self._is_committed(name))  # in the thread that has committed it, so in that order
        return asyncio.wrap_future(future)

    def _is_committed(self, name: str) -> None:
        self._commits += 1
        self._committed[name] = self._commits
        self._committed_at = time.monotonic()

    def _call_fails(self, error: BaseException, until: float) -> None:
        try:
            self._attempt.call_fails(error, until)
        except AttemptOver:
            self._over.set()
            raise

    def _begin(self) -> None:
        try:
            self._attempt.begin()
        except AttemptOver:
            self._over.set()
            raise

    async def _record(self, call: tuple[str, tuple[Any, ...]], name: str | None = None) -> Any:
        """A call of the engine, which keeps the waits of the attempt from being handed over."""
        with self._calling():
            return await self._submit(*call, name)

    @contextlib.contextmanager
    def _calling(self) -> Iterator[None]:
        in_the_code = current_step.get() is None
        self._in_flight += 1
        self._calls += in_the_code
        try:
            yield
        finally:
            self._calls -= in_the_code
            self._settled()

    # Steps

    @overload
    def step(self, step: Step[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    @overload
    def step(self, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    def step(self, step: Step[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """A step of either colour; plain ones run in a thread. The name is taken now, not when it is awaited."""
        if not isinstance(step, Step):
            raise final(TypeError(f"{step!r} is no step: declare it with @app.step"))
        name = self._take(step.name)
        return self._beside_others(self._run_step(step, name, args, kwargs), name)

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not step.is_async:
            raise final(TypeError(f"the step {step.name} is plain, and the workflow {self.name} is async: await ctx.step({step.name}, ...)"))
        return self.step(step, *args, **kwargs)

    async def _run_step(self, step: Step[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found, value = self._attempt.read_back(step, name)
        return value if found else await self._do_step(step, name, args, kwargs)

    def _beside_others(self, work: Coroutine[Any, Any, T], name: str, *, is_recorded: bool = True, is_long: bool = True) -> Coroutine[Any, Any, T]:
        """A step or a wait, in flight from now on; or a map() of them, which has no record of its own; or what is recorded by a call and lasts no longer."""
        names = self._attempt.scope() if is_long else Names()
        names.begins()
        self._beside += is_recorded

        async def in_flight() -> T:
            try:
                return await work
            finally:
                await self._comes_out(names, name, is_recorded)

        def never(dropped: bool) -> None:
            work.close()
            names.drops()
            self._beside -= is_recorded
            if dropped and not self._over.is_set():
                log.error("workflow %s: %s was called and is never awaited, so it is not done: is an `await` missing?", self.id, name)

        return InFlight(in_flight(), never)

    async def _comes_out(self, names: Names, name: str, is_recorded: bool) -> None:
        """What is side by side comes out one after the other, in the order of the records: also where all come out together, as they do when they are read back."""
        # Other tasks may have yet to call what ended before it, or be in the middle of their calls.
        others = self._beside - is_recorded > 0 or names.in_flight > 1 or len(self._tasks) > _TASKS_OF_ONE_LINE
        alone = not others and self._ends_in_order.is_idle()
        self._in_flight += 1
        try:
            if not alone and not self._over.is_set():
                await self._ends_in_order.turn(name)
        finally:
            names.settles()
            self._beside -= is_recorded
            self._settled()

    def _rank(self, name: str) -> tuple[int, int] | None:
        """What was recorded before this attempt comes first."""
        end = self._attempt.end_of(name)
        if end is not None:
            if not self._order_is_read and end["kind"] not in ("step", "effect", "begin", "spawn"):
                self._ends_in_order.is_unknown = True
            if self._order is None:
                self._order = {known: at for at, known in enumerate(self._attempt.records)}
            return 0, self._order.get(name, -1)
        return (1, self._committed[name]) if name in self._committed else None

    async def _know_order(self) -> bool:
        """A wait has its place among the records since it was opened: where it ends beside others, it is asked when each was recorded."""
        sql = "SELECT name FROM wf_steps WHERE workflow_id = ? AND recorded_at IS NOT NULL ORDER BY recorded_at, seq"
        until = time.monotonic() + self._attempt.lease
        while not self._order_is_read:
            try:
                rows = await asyncio.wrap_future(self._attempt.database.submit_alone(lambda connection: connection.execute(sql, (self.id,)).fetchall()))
                self._order = {known: at for at, (known,) in enumerate(rows)}
                self._order_is_read, self._ends_in_order.is_unknown = True, False
            except Exception as error:
                self._call_fails(error, until)
        return True

    async def _do_step(self, step: Step[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._begin()
        self._in_flight += 1
        until = time.monotonic() + self._attempt.lease
        try:
            while True:
                try:
                    text = await self._try_step(step, name, args, kwargs)
                except _Failed as failed:
                    await self._failed(step, name, failed.error)
                except Exception as error:
                    if isinstance(error, StepFailed):
                        raise
                    self._call_fails(error, until)  # else a transaction that met a locked file: nothing of it has happened
                else:
                    return values.convert(step.returns, values.loads(text), f"the output of {name}")
        finally:
            self._settled()

    async def _try_step(self, step: Step[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What stands as the output, as JSON text."""
        attempt = self._attempt
        if step.kind == "transaction":
            try:
                return await self._answer(run_transaction(attempt, step, name, args, kwargs), name)
            except AttemptOver:
                self._over.set()
                raise
            except FunctionFailed as failed:
                attempt.said_cleanup = False  # nothing of it stands
                raise _Failed(failed.error) from failed.error
            except Exception as error:
                if not isinstance(error, NotJSON) and (isinstance(error, EngineError) or is_of_the_machine(error)):
                    raise
                raise _Failed(error) from error  # its commit was refused, by a constraint that was deferred
        key = None
        if attempt.announces(step):
            begun = values.loads(await self._submit(*attempt.call("wf_begin", name, attempt.options(in_doubt=step.in_doubt))))
            if begun is None:
                self._ends("held")
            if "error" in begun:
                raise StepFailed(name, begun["error"])
            if "output" in begun:
                return values.dumps(begun["output"])
            key = begun["key"]
            if not await attempt.barrier_from_loop(step, name):
                self._ends("the engine failed")
        if step.is_async:
            text = await self._function(step, name, key, args, kwargs)
            # The effect has happened: its record goes on even where the one who called was cancelled meanwhile.
            return await self._to_its_end(self._submit(*attempt.call("wf_step", name, text, attempt.options()), name))

        async def plain() -> Any:  # a thread cannot be stopped: it is waited for, and what it has done is recorded
            text = await self._function(step, name, key, args, kwargs)
            return await self._submit(*attempt.call("wf_step", name, text, attempt.options()), name)

        return await self._to_its_end(plain())

    async def _to_its_end(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Goes on where who awaits it is cancelled; the attempt is not given back before it has ended."""
        task = self._loop.create_task(work)
        self._tasks.discard(task)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return await asyncio.shield(task)

    async def _function(self, step: Step[..., Any], name: str, key: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """What the step's function returns, as JSON text; _Failed with its error."""
        of_step = StepRun(self._attempt, name, key)
        token = current_step.set(of_step)
        try:
            with tracing.step(self._attempt, name, step.kind):
                if not step.is_async:
                    result = await asyncio.to_thread(step.fn, *args, **kwargs)
                elif step.timeout is not None:
                    async with asyncio.timeout(step.timeout):
                        result = await step.fn(*args, **kwargs)
                else:
                    result = await step.fn(*args, **kwargs)
                text = values.dumps(result, f"what {name} returns")
                self._ends_if_cut_short(of_step)
                return text
        except Exception as error:
            self._ends_if_cut_short(of_step)
            raise _Failed(error) from error
        except (SystemExit, KeyboardInterrupt) as error:
            raise _Failed(ends_process(error, f"the step {name}")) from error
        finally:
            current_step.reset(token)

    def _ends_if_cut_short(self, of_step: StepRun) -> None:
        if of_step.cut_short:
            self._ends("not ours")

    async def _failed(self, step: Step[..., Any], name: str, error: Exception) -> None:
        """Returns where the step is to be tried again."""
        attempt = self._attempt
        given = values.dumps(error_value(error))
        if step.attempts > 1 and isinstance(error, step.retry_on) and not isinstance(error, NotJSON):
            try:
                counted = values.loads(await self._submit(*attempt.call("wf_fail", given, values.dumps({"step": name, "keep": True, "max_attempts": step.attempts}))))
            except WrongState:
                pass  # that was the last
            else:
                pause = step_pause(step, counted["failures"], counted["pause"])
                if pause >= attempt.longest_pause:
                    await self._give_back(pause)
                await asyncio.sleep(pause)
                self._begin()
                return
        await self._submit(*attempt.call("wf_step", name, given, attempt.options(error=True)), name)
        raise StepFailed(name, values.loads(given)) from error

    async def _give_back(self, pause: float) -> None:
        """Once what runs beside has settled, or wants the same: results are recorded first, and the shortest pause counts."""
        self._pauses.append(pause)
        while self._in_flight > len(self._pauses):
            await asyncio.sleep(0.05)
        if self._pauses[0] is pause or self._attempt.over is None:
            await self._submit(*self._attempt.call("wf_release", values.dumps({"delay": min(self._pauses)})))
        self._ends("given back")
