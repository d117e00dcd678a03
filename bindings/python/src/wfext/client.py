"""Starting workflows and asking after them, from any code: a web handler, a script, another workflow's step."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import values
from .attempt import current_attempt, current_step
from .database import Database, Row
from .definitions import Bound, Duration, StartOptions, Workflow, duration, moment, seconds, whole_from
from .errors import Error, NotFound, WorkflowCancelled, WorkflowFailed
from .names import check_text

if TYPE_CHECKING:
    from .app import App

R = TypeVar("R")
_ENDED = ("completed", "failed", "cancelled")


def new_id() -> str:
    """A UUID of version 7, as the engine makes them: said by the caller, so that a start may be repeated when its answer was lost."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | (rest * 4096 // 1_000_000) << 64 | 2 << 62 | secrets.randbits(62)))


class Handle(Generic[R]):
    """A workflow, by its id."""

    def __init__(self, client: Client, id: str, returns: Any = Any):
        self._client = client
        self.id = id
        self._returns = returns

    def __repr__(self) -> str:
        return f"<workflow {self.id!r}>"

    def _call(self, function: str, *params: Any) -> Any:
        return self._client.call(function, self.id, *params)

    @property
    def status(self) -> str:
        """pending, running, waiting, paused, completed, failed or cancelled. NotFound where there is no such workflow."""
        status = self._call("wf_status")
        if status is None:
            raise NotFound(f"WF_NOT_FOUND: there is no workflow {self.id!r}")
        return str(status)

    async def astatus(self) -> str:
        """The same for an event loop."""
        return await asyncio.to_thread(lambda: self.status)

    def result(self, timeout: Duration | None = None) -> R:
        """Waits until it has ended: its output. Raises WorkflowFailed, WorkflowCancelled, or TimeoutError after so long (seconds, or a text such as '30s')."""
        _refuse_inside("result()", "ctx.join() or ctx.call()")
        return self._client._result(self, timeout)  # type: ignore[no-any-return]

    async def aresult(self, timeout: Duration | None = None) -> R:
        """The same for an event loop."""
        _refuse_inside("aresult()", "ctx.join() or ctx.call()")
        return await asyncio.to_thread(self._client._result, self, timeout)

    @property
    def error(self) -> Any:
        """What it failed with, or None."""
        return values.loads(self._call("wf_error"))

    def signal(self, name: str, payload: Any = None, *, key: str | None = None) -> bool:
        """Sends a signal, which is kept until it is taken. With a key it is sent once: False for a repeat."""
        options = {} if key is None else {"key": key}
        return bool(self._call("wf_signal", name, values.dumps(payload, f"the payload of {name}"), values.dumps(options)))

    async def asignal(self, name: str, payload: Any = None, *, key: str | None = None) -> bool:
        """The same for an event loop."""
        return await asyncio.to_thread(lambda: self.signal(name, payload, key=key))

    def cancel(self, reason: Any = None) -> bool:
        return bool(self._call("wf_cancel", *(() if reason is None else (values.dumps(reason, "the reason"),))))

    def pause(self) -> bool:
        return bool(self._call("wf_pause"))

    def resume(self) -> bool:
        return bool(self._call("wf_resume"))

    def retry(self, **options: Any) -> None:
        """Begins a failed or cancelled workflow again; options of wf_retry."""
        self._client.call("wf_retry", self.id, values.dumps(options))

    def fork(self, **options: Any) -> Handle[R]:
        """A new workflow with the finished steps of this one; options of wf_fork."""
        return Handle(self._client, self._client.call("wf_fork", self.id, values.dumps(options)), self._returns)

    def reschedule(self, at: datetime.datetime | str | None = None) -> bool:
        """Due now, or at this time, where it waits for one: its start, its next try, the end of a sleep. Whether it did."""
        given = moment(at) if isinstance(at, datetime.datetime) else at
        return bool(self._call("wf_reschedule", *(() if given is None else (given,))))

    def steps(self) -> list[dict[str, Any]]:
        """What is recorded, in order."""
        rows = self._client.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", self.id)
        return [{"name": n, "kind": k, "status": s, "output": values.loads(o), "error": values.loads(e)} for n, k, s, o, e in rows]

    def get(self, key: str) -> Any:
        """A value that the workflow has set, or None."""
        return values.loads(self._call("wf_get", key))

    def stream(self, name: str, offset: int = 0, *, follow: bool = True) -> Iterator[Any]:
        """The items of a stream from an offset on; waits for more until the stream is closed or the workflow has ended."""
        _check_stream(name, offset)
        return self._client._stream(self.id, name, offset, follow)

    async def astream(self, name: str, offset: int = 0, *, follow: bool = True) -> AsyncIterator[Any]:
        """The same for an event loop: `async for item in handle.astream("words")`."""
        _check_stream(name, offset)
        items = self._client._stream(self.id, name, offset, follow)
        over = object()
        try:
            while (item := await asyncio.to_thread(next, items, over)) is not over:
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                try:
                    close()
                except ValueError:  # a thread still waits in it, at most for some seconds
                    pass


def _check_stream(name: Any, offset: Any) -> None:
    check_text(name, "the name of a stream")
    whole_from(0, offset, f"the offset in the stream {name}")


_function = re.compile(r"wf_[a-z_]+", re.ASCII)


def _check_call(function: Any, params: tuple[Any, ...]) -> None:
    if not isinstance(function, str) or not _function.fullmatch(function):
        raise TypeError(f"the function of a call is {function!r}: the name of one of the engine's, such as 'wf_status'")
    # (An error of sqlite3 about it may have the message of the one before.)
    for at, value in enumerate(params, 1):
        if not (value is None or isinstance(value, (str, int, float, bytes, bytearray, memoryview))):
            raise TypeError(f"parameter {at} of {function}() is {value!r}: a text, a number, bytes or None; JSON is a text, too")


def _refuse_inside(what: str, instead: str) -> None:
    if current_attempt.get() is not None and current_step.get() is None:
        raise Error(f"{what} inside of a workflow would hold it without being recorded: {instead}")


class Named:
    """A workflow by its name, with the options of its next starts: for callers that do not import its code."""

    def __init__(self, client: Client, name: str, options: StartOptions):
        self._client = client
        self.name = check_text(name, "the name of a workflow")
        self.given = options

    def __repr__(self) -> str:
        return f"<workflow {self.name}, by its name>"

    def options(self, **options: Any) -> Named:
        return Named(self._client, self.name, dataclasses.replace(self.given, **options))

    def _params(self, input: Any) -> tuple[str, str, str]:
        _refuse_inside("start()", f"ctx.start({self.name!r}, input), which starts a child")
        return self.name, values.dumps(input, f"the input of {self.name}"), values.dumps({"id": new_id(), **self.given.given()})

    def start(self, input: Any = None) -> Handle[Any]:
        """Starts it with this input: an object of the parameters of a workflow of this package."""
        return Handle(self._client, self._client.call("wf_start", *self._params(input)))

    async def astart(self, input: Any = None) -> Handle[Any]:
        return Handle(self._client, await asyncio.wrap_future(self._client._database.submit("SELECT wf_start(?, ?, ?)", *self._params(input))))


class Client:
    """Calls of an app's file from outside of workflows."""

    def __init__(self, app: App):
        self._app = app

    @property
    def _database(self) -> Database:
        return self._app.database

    def call(self, function: str, *params: Any) -> Any:
        """Any function of the engine, by its name."""
        _check_call(function, params)
        sql = f"SELECT {function}({', '.join('?' * len(params))})"
        if function == "wf_wait":  # it may last
            with self._database.borrowed() as connection:
                return connection.execute(sql, params).fetchall()[0][0]
        if function == "wf_run":  # it runs statements of the application's, and so belongs into no group
            return self._database.rows(sql, *params)[0][0]
        return self._database.call(sql, *params)

    def rows(self, sql: str, *params: Any) -> list[Row]:
        return self._database.rows(sql, *params)

    def _started(self, bound: Bound[..., Any], id: str) -> Handle[Any]:
        return Handle(self, id, bound.workflow.returns)

    def _start(self, bound: Bound[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Handle[Any]:
        _refuse_inside("start()", "ctx.start(workflow, ...), which starts a child")
        return self._started(bound, self.call("wf_start", *bound.call(args, kwargs, new_id())))

    async def _astart(self, bound: Bound[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Handle[Any]:
        _refuse_inside("astart()", "ctx.start(workflow, ...), which starts a child")
        return self._started(bound, await asyncio.wrap_future(self._database.submit("SELECT wf_start(?, ?, ?)", *bound.call(args, kwargs, new_id()))))

    def start(self, name: str, input: Any = None, **options: Any) -> Handle[Any]:
        """Starts a workflow by its name, whose code is elsewhere. Options: those of `StartOptions`."""
        return Named(self, name, StartOptions(**options)).start(input)

    def handle(self, id: str, workflow: Workflow[..., Any] | None = None) -> Handle[Any]:
        """A workflow that was started before."""
        if workflow is not None and not isinstance(workflow, Workflow):
            raise TypeError(f"the workflow of a handle is {workflow!r}: what @app.workflow has declared, or None")
        return Handle(self, check_text(id, "the id of a workflow"), workflow.returns if workflow is not None else Any)

    def list(self, *, where: str = "1", params: tuple[Any, ...] = (), limit: int = 100, **equal: Any) -> list[dict[str, Any]]:
        """Workflows, newest first: columns of wf_workflows that are equal to something (status='failed'), or a condition in SQL with its parameters."""
        whole_from(0, limit, "limit")
        columns = [row[1] for row in self.rows("PRAGMA table_info(wf_workflows)")]
        for column in equal:
            if column not in columns and column != "tag":
                raise ValueError(f"wf_workflows has no column {column!r}: {', '.join(columns)}")
        conditions = " AND ".join([f"({where})", *(f"{column} = ?" for column in equal)])
        rows = self.rows(f"SELECT {', '.join(columns)} FROM wf_workflows WHERE {conditions} ORDER BY created_at DESC LIMIT ?", *params, *equal.values(), limit)
        return [dict(zip(columns, row)) for row in rows]

    def emit(self, event: str, payload: Any = None) -> Any:
        """States a fact for everyone, once. The payload that stands."""
        return values.loads(self.call("wf_emit", event, values.dumps(payload, f"the payload of {event}")))

    def rate(self, name: str, *, limit: int, per: Duration) -> None:
        """At most so many shares in a time, for ctx.acquire()."""
        self.call("wf_rate", check_text(name, "the name of a rate"), values.dumps({"limit": limit, "per": duration(per)}))

    # Waiting, on connections of their own

    def _until(self, wanted: dict[str, Any], timeout: float | None, found: Any) -> Any:
        until = None if timeout is None else time.monotonic() + timeout
        if (answer := found()) is not None:
            return answer
        with self._database.borrowed() as connection:
            while (answer := found()) is None:
                left = 5.0 if until is None else min(5.0, until - time.monotonic())
                if left <= 0:
                    return None
                connection.execute("SELECT wf_wait(?, ?)", (left, values.dumps(wanted))).fetchall()
        return answer

    def _result(self, handle: Handle[Any], timeout: Duration | None) -> Any:
        id = handle.id
        longest = None if timeout is None else seconds(timeout, "timeout")

        def found() -> str | None:
            status = handle.status
            return status if status in _ENDED else None

        status = self._until({"id": id}, longest, found)
        if status is None:
            raise TimeoutError(f"workflow {id!r} has not ended within {timeout if isinstance(timeout, str) else f'{longest:g} s'}")
        if status == "completed":
            return values.convert(handle._returns, values.loads(self.call("wf_result", id)), f"the output of {id}")
        error = values.loads(self.call("wf_error", id))
        raise (WorkflowFailed if status == "failed" else WorkflowCancelled)(id, error)

    def _stream(self, id: str, name: str, offset: int, follow: bool) -> Iterator[Any]:
        while True:
            rows = self.rows('SELECT "offset", value FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? ORDER BY "offset" LIMIT 100', id, name, offset)
            for at, value in rows:
                offset = at + 1
                yield values.loads(value)
            if rows:
                continue
            ended = self.call("wf_status", id) in (None, *_ENDED) or self._is_closed(id, name)
            if not follow or ended:
                if self.rows('SELECT 1 FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? LIMIT 1', id, name, offset):
                    continue
                return
            more = self._until({"streams": {"id": id, "stream": name, "offset": offset}}, None, lambda: self._has_more(id, name, offset))
            if more is None:
                return

    def _has_more(self, id: str, name: str, offset: int) -> bool | None:
        if self.rows('SELECT 1 FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? LIMIT 1', id, name, offset):
            return True
        return True if self.call("wf_status", id) in (None, *_ENDED) or self._is_closed(id, name) else None

    def _is_closed(self, id: str, name: str) -> bool:
        return bool(self.rows("SELECT 1 FROM wf_streams WHERE workflow_id = ? AND stream = ? AND closed LIMIT 1", id, name))
