"""The database of an app whose file is kept by a cluster: the interface of `Database`, over HTTP.

What differs from a file: a transaction of a step cannot read (its statements travel together), and nothing else than the engine's calls is repeated when an answer is lost. Calls that have
queued up travel in one request, each a transaction of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from .client import new_id
from .cluster import Cluster, Statement, StatementFailed, guard
from .database import Database, Row
from .errors import Error, translate
from .transaction import Transaction

T = TypeVar("T")

_call = re.compile(r"SELECT (wf_\w+)\(((?:\?(?:, \?)*)?)\)$")
_reads = re.compile(r"\s*(SELECT|WITH|VALUES|PRAGMA|EXPLAIN)\b", re.IGNORECASE)
_CLAIMS_AT_ONCE = 8


class Rows:
    """What a statement gave, as a cursor has it."""

    def __init__(self, rows: list[Row], columns: list[str]):
        self._rows = iter(rows)
        self.description = [(name, None, None, None, None, None, None) for name in columns]

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class HttpConnection:
    """What stands for a connection of the driver: execute() of one statement, read at the leader or written through the log."""

    in_transaction = False

    def __init__(self, database: ClusterDatabase):
        self._database = database

    def execute(self, sql: str, params: Any = ()) -> Rows:
        return self._database._execute(sql, params)

    def close(self) -> None:
        pass


class _Gathered:
    """The connection of a transaction: what it is given travels when the function has returned."""

    in_transaction = True

    def __init__(self, database: ClusterDatabase):
        self._database = database
        self.statements: list[Statement] = []
        self.guarded = False
        self.step: tuple[Any, ...] = ()

    def execute(self, sql: str, params: Any = ()) -> Rows:
        call = _call.match(sql)
        cluster = self._database.cluster
        if call and call[1] == "wf_step" and len(params) == 2:
            stands = cluster.read([cluster.statement("wf_step", params)])[0].value
            self.guarded, self.step = True, tuple(params)
            self.statements.append(guard(*params))
            return Rows([(stands,)], ["result"])
        if call:
            self.statements.append(cluster.statement(call[1], params))
            return Rows([(params[2] if call[1] == "wf_step" else None,)], ["result"])
        if _reads.match(sql):
            raise Error(
                "a transaction of a step cannot read on a cluster, as its statements travel together: "
                "put the query into the statement that writes (INSERT ... SELECT, UPDATE ... WHERE), or read in a step before it"
            )
        self.statements.append([sql, params])
        return Rows([], [])

    def executemany(self, sql: str, rows: Any) -> Rows:
        for row in rows:
            self.execute(sql, row)
        return Rows([], [])


class ClusterDatabase(Database):
    """All calls of an app to the nodes of a cluster.

    url   as of `Cluster`
    A request carries at most `group_calls` calls; `senders` of them are under way at once.
    """

    is_replicated = True

    group_calls = 100
    senders = 4

    def __init__(self, url: str, **options: Any):
        self.cluster = Cluster(url, **options)
        self.path = url
        self.pragmas = {}
        self.driver = None
        self.settings = ("wal", "full", self.cluster.patience)
        self.clock = None
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any] | None, str, tuple[Any, ...], Future[Any]] | None] = queue.SimpleQueue()
        self._started: list[threading.Thread] = []
        self._pid = os.getpid()
        self._thread = None
        self._closed = False
        self._waiting: dict[str, list[Any]] = {}  # connections of those who wait for a name
        self._woken: set[str] = set()

    # Connections

    def connect(self) -> Any:
        """An object with execute(sql, params), whose rows are read from the leader, and whose writes are on a majority of the nodes when it returns."""
        return HttpConnection(self)

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Any]:
        yield HttpConnection(self)

    def _execute(self, sql: str, params: Any) -> Rows:
        call = _call.match(sql)
        try:
            if call and call[1] == "wf_wait":
                return Rows([(self._wait(*params),)], ["result"])
            if call:
                return Rows([(self._engine(call[1], tuple(params)),)], ["result"])
            if _reads.match(sql):
                result = self.cluster.read([[sql, params]])[0]
            else:
                result = self.cluster.write([[sql, params]])[0]
        except StatementFailed as error:
            raise translate(error) from error
        return Rows([tuple(row) for row in result.rows], result.columns)

    def _engine(self, function: str, params: tuple[Any, ...]) -> Any:
        if function == "wf_wake":
            return self._wake(*params)
        if function == "wf_claim" and len(params) == 3 and "limit" in json.loads(params[2]):
            return self._claim(*params)
        return self.cluster.call(function, *params)

    def _claim(self, queues: Any, worker: Any, options: str) -> str | None:
        """Several claims, each under a key of its own, so that what was claimed is given again where the answer was lost. The option `limit` has none."""
        given = json.loads(options)
        at_once = min(int(given.pop("limit")), _CLAIMS_AT_ONCE)
        statements = [self.cluster.statement("wf_claim", (queues, worker, json.dumps({**given, "key": new_id()}))) for _ in range(at_once)]
        results = self.cluster.write(statements, each=True, repeat=True)
        for result in results:
            if isinstance(result, StatementFailed):
                raise result
        found = [result.value for result in results if result.value is not None]
        return f"[{','.join(found)}]" if found else None

    # Calls

    def submit(self, sql: str, *params: Any) -> Future[Any]:
        return self._queue_up(None, sql, params)

    def submit_alone(self, work: Callable[[Any], T]) -> Future[T]:
        return self._queue_up(lambda: work(HttpConnection(self)), "", ())

    def call(self, sql: str, *params: Any) -> Any:
        call = _call.match(sql)
        if call and not self.cluster.writes(call[1]):
            return self._execute(sql, params).fetchall()[0][0]
        return self.submit(sql, *params).result()

    def rows(self, sql: str, *params: Any) -> list[Row]:
        return self._execute(sql, params).fetchall()

    def submit_transaction(self, work: Callable[[Transaction], T]) -> Future[T]:
        def run() -> Any:
            gathered = _Gathered(self)
            transaction = Transaction(gathered)
            try:
                result = work(transaction)
            finally:
                transaction._end()
            if len(gathered.statements) <= gathered.guarded:
                return result
            try:
                answered = self.cluster.write(gathered.statements, repeat=gathered.guarded)
            except StatementFailed as error:
                if gathered.guarded and error.statement == 0:
                    stands = self.cluster.call("wf_step", *gathered.step)  # raises where the claim is not ours any more
                    if stands is not None:
                        return stands
                raise
            return answered[-1].value if gathered.guarded else result

        return self._queue_up(run, "", ())

    def close(self) -> None:
        with self._lock:
            self._closed = True
            started, self._started = self._started, []
        for _ in started:
            self._calls.put(None)
        for thread in started:
            if thread is not threading.current_thread():
                thread.join()
        self.cluster.close()

    # The threads that send

    def _queue_up(self, work: Callable[[], Any] | None, sql: str, params: tuple[Any, ...]) -> Future[Any]:
        future: Future[Any] = Future()
        if self._pid != os.getpid():  # after a fork the threads are the parent's, and what it has queued
            self._pid, self._lock, self._calls, self._started = os.getpid(), threading.Lock(), queue.SimpleQueue(), []
        with self._lock:
            if self._closed:
                raise Error(f"the database {self.path} is closed")
            if len(self._started) < self.senders:
                thread = threading.Thread(target=self._run_sender, name="wfext database", daemon=True)
                self._started.append(thread)
                thread.start()
            self._calls.put((work, sql, params, future))
        return future

    def _run_sender(self) -> None:
        while (first := self._calls.get()) is not None:
            group, alone, ended = [], None, False
            following: Any = first
            while following is not None:
                if following[0] is not None or not self._travels_with_others(following[1], following[2]):
                    alone = following
                    break
                group.append(following)
                if len(group) >= self.group_calls:
                    break
                try:
                    following = self._calls.get_nowait()
                except queue.Empty:
                    break
                ended = following is None
            if group:
                self._send_group(group)
            if alone is not None:
                work, sql, params, future = alone
                _settle(future, work if work is not None else lambda: self._execute(sql, params).fetchall()[0][0])
            if ended:
                return

    def _travels_with_others(self, sql: str, params: tuple[Any, ...]) -> bool:
        call = _call.match(sql)
        try:
            return call is not None and call[1] not in ("wf_wait", "wf_wake", "wf_run") and self.cluster.writes(call[1]) and not (call[1] == "wf_claim" and len(params) == 3)
        except Exception:
            return False  # by itself it meets the same, and says so

    def _send_group(self, group: list[Any]) -> None:
        taken = [each for each in group if each[3].set_running_or_notify_cancel()]
        statements = []
        kept = []
        for entry in taken:
            call = _call.match(entry[1])
            assert call is not None
            try:
                statements.append(self.cluster.statement(call[1], entry[2]))
                kept.append(entry)
            except Exception as error:
                entry[3].set_exception(error)
        if not kept:
            return
        try:
            results = self.cluster.write(statements, each=True, repeat=True)
        except Exception as error:
            for entry in kept:
                entry[3].set_exception(translate(error))
            return
        for entry, result in zip(kept, results):
            if isinstance(result, StatementFailed):
                entry[3].set_exception(translate(result))
            else:
                entry[3].set_result(result.value)

    # Waiting

    def _wait(self, timeout: float, options: str) -> Any:
        wanted = json.loads(options)
        names = [each["wake"] for each in wanted.get("any", [wanted]) if "wake" in each]
        held: list[Any] = []

        def hold(connection: Any) -> None:
            with self._lock:
                if any(name in self._woken for name in names):
                    raise _Woken
                held.append(connection)
                for name in names:
                    self._waiting.setdefault(name, []).append(connection)

        try:
            return self.cluster.wait(timeout, wanted, hold=hold)
        except _Woken:
            return None
        except Error:
            with self._lock:
                if any(name in self._woken for name in names):
                    return None
            raise
        finally:
            with self._lock:
                for name in names:
                    self._woken.discard(name)
                    self._waiting[name] = [each for each in self._waiting.get(name, []) if each not in held]
                    if not self._waiting[name]:
                        del self._waiting[name]

    def _wake(self, name: str) -> int:
        """Of this process alone, as wf_wake is: who waits for the name returns."""
        with self._lock:
            self._woken.add(name)
            waiting = list(self._waiting.get(name, ()))
        for connection in waiting:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        return 1


class _Woken(Exception):
    pass


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(translate(error))
    else:
        future.set_result(result)
