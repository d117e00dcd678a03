"""The app: a file, and what is declared for it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from . import values
from .async_context import AsyncContext
from .barrier import Barrier
from .client import Client, Handle, Named
from .database import Database
from .definitions import Duration, StartOptions, Step, Workflow, duration, seconds, whole_from
from .errors import Error
from .names import check_some_text, check_text
from .sync_context import Context
from .transaction import Transaction
from .worker import Worker

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("wfext")


class StepDecorator(Protocol):
    def __call__(self, fn: Callable[P, R], /) -> Step[P, R]: ...


class TransactionDecorator(Protocol):
    def __call__(self, fn: Callable[Concatenate[Transaction, P], R], /) -> Step[P, R]: ...


class WorkflowDecorator(Protocol):
    @overload
    def __call__(self, fn: Callable[Concatenate[AsyncContext, P], Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[Context, P], R], /) -> Workflow[P, R]: ...


def _of_cluster(path: str | os.PathLike[str]) -> Database | None:
    if not isinstance(path, str) or not path.startswith(("http://", "https://")):
        return None
    from .cluster_database import ClusterDatabase

    return ClusterDatabase(path)


class App:
    """Workflows, steps, queues and schedules of one file.

    path       the database file, or the nodes of a cluster that keeps it: "http://:TOKEN@host:port,host:port" (see `ClusterDatabase`, which has no use for the last five)
    lifespan   a function of the app that gives a context manager, plain or async, entered when a worker starts and left when it stops: what it gives is `app.state`, once a process
    driver, journal, synchronous, busy_timeout, pragmas: see `Database`
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lifespan: Callable[[App], contextlib.AbstractContextManager[Any] | contextlib.AbstractAsyncContextManager[Any]] | None = None,
        driver: Any = None,
        journal: str = "wal",
        synchronous: str = "full",
        busy_timeout: Duration = 30,
        pragmas: Mapping[str, int | str] | None = None,
    ):
        if lifespan is not None and not callable(lifespan):
            raise TypeError(f"lifespan is {lifespan!r}: a function of the app that gives a context manager")
        self.database = _of_cluster(path) or Database(path, driver=driver, journal=journal, synchronous=synchronous, busy_timeout=seconds(busy_timeout, "busy_timeout"), pragmas=pragmas)
        self.client = Client(self)
        self.barrier = Barrier(self.database)
        self.workflows: dict[str, Workflow[..., Any]] = {}
        self.queues: dict[str, dict[str, Any]] = {}
        self.rates: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, tuple[str, Workflow[..., Any], str, dict[str, Any]]] = {}
        self.state: Any = None
        self._steps: dict[str, Step[..., Any]] = {}
        self._lifespan = lifespan
        self._life = threading.Lock()
        self._lives = 0
        self._manager: Any = None
        self._manager_loop: asyncio.AbstractEventLoop | None = None

    # Declaring

    @overload
    def step(self, fn: Callable[P, R], /) -> Step[P, R]: ...
    @overload
    def step(
        self,
        *,
        name: str | None = None,
        attempts: int = 1,
        backoff: Duration | None = None,
        retry_on: type[BaseException] | Iterable[type[BaseException]] = (Exception,),
        timeout: Duration | None = None,
    ) -> StepDecorator: ...
    def step(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Declares a step: its result is recorded, once for each call of it in a workflow.

        name       as it is recorded; default: the function's
        attempts   how often it is tried when it raises. When they are used up, its error is its record, and every replay raises the same StepFailed
        backoff    how long before the second try (seconds, a text such as '10ms', a timedelta), doubled each time up to 5 minutes; default: the workflow's own
        retry_on   exceptions that are worth another try
        timeout    of each try; async functions only
        """
        return self._declare(fn, "step", options)

    @overload
    def effect(self, fn: Callable[P, R], /) -> Step[P, R]: ...
    @overload
    def effect(
        self,
        *,
        name: str | None = None,
        in_doubt: str = "retry",
        durable: bool = False,
        attempts: int = 1,
        backoff: Duration | None = None,
        retry_on: type[BaseException] | Iterable[type[BaseException]] = (Exception,),
        timeout: Duration | None = None,
    ) -> StepDecorator: ...
    def effect(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Declares a step with an effect outside, which is recorded before it is tried, too: wfext.idempotency_key() is the key to send along.

        in_doubt   what to do where it was begun and never finished: 'retry' (the other side knows the key), 'hold' (a person decides), 'fail'
        durable    it is tried once its record is on Litestream's replica (App.sync), so that a file that was lost and restored knows of it. Where that cannot be had, it is not tried, and the workflow is
                   given back for a while
        """
        return self._declare(fn, "effect", options)

    @overload
    def transaction(self, fn: Callable[Concatenate[Transaction, P], R], /) -> Step[P, R]: ...
    @overload
    def transaction(self, *, name: str | None = None) -> TransactionDecorator: ...
    def transaction(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Declares a step that writes rows of the application's: its first parameter is a Transaction. Rows and record are one commit."""
        return self._declare(fn, "transaction", options)

    def _declare(self, fn: Any, kind: str, options: dict[str, Any]) -> Any:
        if fn is None:
            return lambda given: self._declare(given, kind, options)
        step: Step[..., Any] = Step(fn, kind=kind, **options)
        self._check_name(self._steps.get(step.name), step, "step")
        self._steps[step.name] = step
        return step

    @staticmethod
    def _check_name(before: Any, now: Any, what: str) -> None:
        """The same function again replaces itself (a module that is loaded anew); another one of its name is a mistake."""
        if before is not None and (before.fn.__module__, before.fn.__qualname__) != (now.fn.__module__, now.fn.__qualname__):
            raise Error(f"there are two {what}s of the name {now.name!r}: {before.fn.__module__}.{before.fn.__qualname__} and {now.fn.__module__}.{now.fn.__qualname__}")

    @overload
    def workflow(self, fn: Callable[Concatenate[AsyncContext, P], Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...
    @overload
    def workflow(self, fn: Callable[Concatenate[Context, P], R], /) -> Workflow[P, R]: ...
    @overload
    def workflow(self, *, name: str | None = None, queue: str = "default", undo: bool | None = None, **defaults: Any) -> WorkflowDecorator: ...
    def workflow(self, fn: Any = None, /, *, name: str | None = None, queue: str = "default", undo: bool | None = None, **defaults: Any) -> Any:  # type: ignore[misc]
        """Declares a workflow: its first parameter is the context, the others are its input. `defaults`: options of its starts, see `StartOptions`.

        undo   whether it calls ctx.compensate(); default: whether its function does
        """
        if fn is None:
            return lambda given: self._declare_workflow(given, name, queue, undo, defaults)
        return self._declare_workflow(fn, name, queue, undo, defaults)

    def _declare_workflow(self, fn: Any, name: str | None, queue: str, undo: bool | None, defaults: dict[str, Any]) -> Workflow[..., Any]:
        workflow: Workflow[..., Any] = Workflow(self, fn, name=name, queue=queue, defaults=StartOptions(**defaults), undo=undo)
        self._check_name(self.workflows.get(workflow.name), workflow, "workflow")
        self.workflows[workflow.name] = workflow
        return workflow

    def queue(self, name: str, **options: Any) -> None:
        """Declares a queue with its limits: options of wf_queue. Applied when a worker starts."""
        self.queues[check_text(name, "the name of a queue")] = options

    def rate(self, name: str, *, limit: int, per: Duration) -> None:
        """Declares a rate for ctx.acquire(): at most so many shares in a time. Applied when a worker starts."""
        name = check_text(name, "the name of a rate")
        whole_from(1, limit, f"the rate {name}: limit")
        if seconds(per, f"the rate {name}: per") == 0:
            raise ValueError(f"the rate {name}: per is {per!r}: more than 0 seconds")
        self.rates[name] = {"limit": limit, "per": duration(per)}

    def schedule(self, name: str, timing: str, workflow: Workflow[P, Any], *args: P.args, **kwargs: P.kwargs) -> Schedule:
        """Declares a schedule: a cron text or an interval as of wf_schedule, and the workflow with its arguments. Applied when a worker starts. Options: see what it returns."""
        name = check_text(name, "the name of a schedule")
        check_some_text(timing, f"the timing of the schedule {name}")
        if not isinstance(workflow, Workflow):
            raise TypeError(f"the workflow of the schedule {name} is {workflow!r}: what @app.workflow has declared")
        options: dict[str, Any] = {}
        self.schedules[name] = (timing, workflow, workflow.input(args, kwargs), options)
        return Schedule(options)

    def _apply(self) -> None:
        for name, options in self.queues.items():
            self.client.call("wf_queue", name, values.dumps(options))
        for name, options in self.rates.items():
            self.client.call("wf_rate", name, values.dumps(options))
        for name, (timing, workflow, given, options) in self.schedules.items():
            start = {"queue": workflow.queue, **workflow.defaults.given(), **({"cleanup": True} if workflow.undoes else {}), **options.get("start", {})}
            self.client.call("wf_schedule", name, timing, workflow.name, given, values.dumps({**options, "start": start}))
        if undeclared := self.undeclared():
            log.warning("in the file, and not declared by this code (any more): %s", ", ".join(undeclared))

    def undeclared(self) -> list[str]:
        """What stands in the file for this app's workflows and is not declared: schedules, and limits of queues. It stays until it is taken away (wf_unschedule, wf_queue with null)."""
        rows = self.client.rows("SELECT name FROM wf_schedules WHERE workflow IN (SELECT value FROM json_each(?)) ORDER BY name", values.dumps(list(self.workflows)))
        found = [f"schedule {name!r}" for (name,) in rows if name not in self.schedules]
        limits = ("concurrency", "worker_concurrency", "partition_concurrency", "rate")
        columns = ", ".join("rate_limit" if limit == "rate" else limit for limit in limits)
        for queue, *given in self.client.rows(f"SELECT queue, {columns} FROM wf_queues ORDER BY queue"):
            if queue in self.queues or any(workflow.queue == queue for workflow in self.workflows.values()):
                found += [f"{limit} of queue {queue!r}" for limit, value in zip(limits, given) if value is not None and limit not in self.queues.get(queue, {})]
        return found

    # Resources

    @property
    def _has_async_lifespan(self) -> bool:
        made_of = getattr(self._lifespan, "__wrapped__", self._lifespan)
        return inspect.isasyncgenfunction(made_of) or hasattr(made_of, "__aenter__")

    def _enter(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """A worker begins: the first of the process enters the lifespan."""
        with self._life:
            if self._lives > 0 and self._has_async_lifespan:
                raise Error("an async lifespan belongs to the loop of one worker, and there is one in this process already")
            if self._lives == 0 and self._lifespan is not None:
                manager: Any = self._lifespan(self)
                if self._has_async_lifespan:
                    assert loop is not None
                    self.state = asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result()
                else:
                    self.state = manager.__enter__()
                self._manager, self._manager_loop = manager, loop
            self._lives += 1

    def _leave(self) -> None:
        with self._life:
            self._lives -= 1
            if self._lives > 0 or self._manager is None:
                return
            manager, self._manager, self.state = self._manager, None, None
            try:
                if self._has_async_lifespan:
                    assert self._manager_loop is not None
                    asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), self._manager_loop).result(30)
                else:
                    manager.__exit__(None, None, None)
            except Exception:
                log.exception("the lifespan of the app did not end well")

    # Working

    def start(self, **options: Any) -> Worker:
        """Starts a worker beside other code; touches no signal handlers. Options: those of `Worker`."""
        return Worker(self, **options).start()

    @contextlib.contextmanager
    def worker(self, **options: Any) -> Iterator[Worker]:
        """A worker for the time of a `with` block."""
        worker = self.start(**options)
        try:
            yield worker
        finally:
            worker.stop()

    def run(self, **options: Any) -> None:
        """The main of a service: works until SIGTERM or SIGINT. For the main thread."""
        stop = threading.Event()
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with self.worker(**options) as worker:
                while not stop.wait(0.5) and not worker.is_stopped:
                    pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def sync(self, timeout: Duration = 30, *, socket: str | None = None, path: str | None = None, allow_normal: bool = False) -> dict[str, Any]:
        """Returns once all that was committed before is on Litestream's replica: {"txid", "replicated_txid", "ms", "calls"}. Whatever keeps it from being sure is an error (`WrongState`), never a success.

        socket, path    of Litestream's control socket and of this file in its configuration; default: those of wf_config
        allow_normal    also where `synchronous` is below FULL

        For an event loop: `await asyncio.to_thread(app.sync)`.
        """
        given = {"socket": socket, "path": path, "allow_normal": allow_normal or None}
        return self.barrier.wait(duration(timeout), {key: value for key, value in given.items() if value is not None})

    def connect(self) -> Any:
        """A connection of the app's own driver for the application, with the extension loaded. Never open the file by another SQLite library in the same process."""
        return self.database.connect()

    def close(self) -> None:
        self.database.close()

    def ref(self, name: str, **options: Any) -> Named:
        """A workflow by its name, for callers that do not import its code: `app.ref("order", queue="orders").start({"sku": "tea"})`. Options: those of `StartOptions`."""
        return Named(self.client, name, StartOptions(**options))

    @overload
    def handle(self, id: str) -> Handle[Any]: ...
    @overload
    def handle(self, id: str, workflow: Workflow[..., R]) -> Handle[R]: ...
    def handle(self, id: str, workflow: Workflow[..., Any] | None = None) -> Handle[Any]:
        """A workflow that was started before; with its declaration, its output comes back as annotated."""
        return self.client.handle(id, workflow)


class Schedule:
    """What App.schedule() has declared. `app.schedule("nightly", "0 3 * * *", clean_up).options(timezone="Europe/Berlin")`"""

    def __init__(self, options: dict[str, Any]):
        self._options = options

    def options(self, **options: Any) -> Schedule:
        """Options of wf_schedule: timezone, catch_up, grace, overlap, paused; and `start`, options of its starts."""
        self._options.update(options)
        return self
