"""The app: a file, and what is declared for it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, overload

from . import values
from .client import Client, Handle
from .database import Database
from .definitions import Duration, StartOptions, Step, Workflow
from .errors import Error
from .worker import Worker

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class App:
    """Workflows, steps, queues and schedules of one file.

    path       the database file
    lifespan   a context manager of the app, entered when a worker starts and left when it stops; what it gives is `app.state`
    driver, journal, synchronous, busy_timeout: see `Database`
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lifespan: Callable[[App], contextlib.AbstractContextManager[Any]] | None = None,
        driver: Any = None,
        journal: str = "wal",
        synchronous: str = "full",
        busy_timeout: float = 30,
    ):
        self.database = Database(path, driver=driver, journal=journal, synchronous=synchronous, busy_timeout=busy_timeout)
        self.client = Client(self)
        self.workflows: dict[str, Workflow[..., Any]] = {}
        self.queues: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, tuple[str, str, Any, dict[str, Any], bool]] = {}
        self.state: Any = None
        self._steps: dict[str, Step[..., Any]] = {}
        self._lifespan = lifespan

    # Declaring

    @overload
    def step(self, fn: Callable[P, R], /) -> Step[P, R]: ...
    @overload
    def step(
        self, *, name: str | None = None, attempts: int = 1, backoff: Duration | None = None, retry_on: tuple[type[BaseException], ...] = (Exception,), timeout: float | None = None
    ) -> Callable[[Callable[P, R]], Step[P, R]]: ...
    def step(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Declares a step: its result is recorded, once for each call of it in a workflow.

        name       as it is recorded; default: the function's
        attempts   how often it is tried when it raises. When they are used up, its error is its record, and every replay raises the same StepFailed
        backoff    seconds before the second try, doubled each time up to 5 minutes; default: the workflow's own
        retry_on   exceptions that are worth another try
        timeout    seconds; async functions only
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
        attempts: int = 1,
        backoff: Duration | None = None,
        retry_on: tuple[type[BaseException], ...] = (Exception,),
        timeout: float | None = None,
    ) -> Callable[[Callable[P, R]], Step[P, R]]: ...
    def effect(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Declares a step with an effect outside, which is recorded before it is tried, too: wfext.idempotency_key() is the key to send along.

        in_doubt   what to do where it was begun and never finished: 'retry' (the other side knows the key), 'hold' (a person decides), 'fail'
        """
        return self._declare(fn, "effect", options)

    @overload
    def transaction(self, fn: Callable[P, R], /) -> Step[P, R]: ...
    @overload
    def transaction(self, *, name: str | None = None) -> Callable[[Callable[P, R]], Step[P, R]]: ...
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
    def workflow(self, fn: Callable[..., R], /) -> Workflow[..., R]: ...
    @overload
    def workflow(self, *, name: str | None = None, queue: str = "default", undo: bool | None = None, **defaults: Any) -> Callable[[Callable[..., R]], Workflow[..., R]]: ...
    def workflow(self, fn: Any = None, /, *, name: str | None = None, queue: str = "default", undo: bool | None = None, **defaults: Any) -> Any:  # type: ignore[misc]
        """Declares a workflow: its first parameter is the context, the others are its input. `defaults`: options of its starts, see `StartOptions`.

        undo   whether it calls ctx.compensate(); default: whether its function does
        """
        if fn is None:
            return lambda given: self.workflow(given, name=name, queue=queue, undo=undo, **defaults)  # type: ignore[call-overload]
        workflow: Workflow[..., Any] = Workflow(self, fn, name=name, queue=queue, defaults=StartOptions(**defaults), undo=undo)
        self._check_name(self.workflows.get(workflow.name), workflow, "workflow")
        self.workflows[workflow.name] = workflow
        return workflow

    def queue(self, name: str, **options: Any) -> None:
        """Declares a queue with its limits: options of wf_queue. Applied when a worker starts."""
        self.queues[name] = options

    def schedule(self, name: str, timing: str, workflow: Workflow[..., Any], *args: Any, **options: Any) -> None:
        """Declares a schedule: a cron text or an interval as of wf_schedule, and the workflow's arguments. Applied when a worker starts."""
        self.schedules[name] = (timing, workflow.name, workflow.input(args, {}), {"queue": workflow.queue, **options}, workflow.undoes)

    def _apply(self) -> None:
        for name, options in self.queues.items():
            self.client.call("wf_queue", name, values.dumps(options))
        for name, (timing, workflow, given, options, undoes) in self.schedules.items():
            if undoes:
                options = {**options, "start": {"cleanup": True, **options.get("start", {})}}
            self.client.call("wf_schedule", name, timing, workflow, given, values.dumps(options))

    # Working

    def start(self, **options: Any) -> Worker:
        """Starts a worker beside other code; touches no signal handlers. Options: those of `Worker`."""
        return Worker(self, **options).start()

    @contextlib.contextmanager
    def worker(self, **options: Any) -> Iterator[Worker]:
        """A worker for the time of a `with` block."""
        with self._lifespan(self) if self._lifespan else contextlib.nullcontext() as state:
            self.state = state
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
            with self.worker(**options):
                while not stop.wait(0.5):
                    pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def connect(self) -> Any:
        """A connection of the app's own driver for the application, with the extension loaded. Never open the file by another SQLite library in the same process."""
        return self.database.connect()

    def close(self) -> None:
        self.database.close()

    def ref(self, id: str, workflow: Workflow[..., R] | None = None) -> Handle[R]:
        """A handle of a workflow that was started before."""
        return self.client.ref(id, workflow)


