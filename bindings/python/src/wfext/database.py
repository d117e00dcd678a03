"""One connection, and a thread that commits in groups.

All calls of a process to one file go through one `Database`. What has queued up while a commit was under way runs in the next one: one BEGIN IMMEDIATE, each call in a savepoint of
its own, one COMMIT, and only then the answers. So a hundred slots cost one wait for the disk and not a hundred, and they do not wait for each other's locks.
A plain call that finds nothing under way and nothing queued is made by the thread that wants it, which costs no change of threads; the connection belongs to one thread at a time.

A batch holds only single calls of the engine, which may be repeated. What else runs on this connection runs alone: reads, and transactions with statements of the application's.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from . import drivers, loading
from .errors import Error, translate
from .transaction import Transaction

T = TypeVar("T")

_JOURNALS = ("wal", "delete", "truncate", "persist")
_OF_THE_APP = {"journal_mode": "journal", "synchronous": "synchronous", "busy_timeout": "busy_timeout"}
_word = re.compile(r"-?\w+", re.ASCII)
_SYNCHRONOUS = ("off", "normal", "full", "extra")

Row = tuple[Any, ...]


class _Call:
    """Something to be done on the connection, and where its answer goes."""

    __slots__ = ("alone", "args", "future")

    def __init__(self, alone: Callable[[Any], Any] | None, args: tuple[str, tuple[Any, ...]] | None):
        self.alone = alone
        self.args = args
        self.future: Future[Any] = Future()


class _Gone(Exception):
    """SQLite has ended the whole transaction (disk full, an I/O error, a trigger's ROLLBACK)."""


def _value(connection: Any, sql: str, params: tuple[Any, ...]) -> Any:
    rows = connection.execute(sql, params).fetchall()
    return rows[0][0] if rows else None


class Database:
    """The connection of a process to one file.

    path           the database file. Not ":memory:" beside a worker: a waiting thread has a connection of its own.
    A group has at most `group_calls` calls and takes no new one after `group_seconds`, so that those who wait are answered soon. Where several came together the last time, as many are waited for,
    for at most `gather_seconds`: they were answered together, and so they are about to call again.

    driver         `sqlite3`, a module like it (`pysqlite3`), or `apsw`, or the name of one: ONE SQLite library for a file in one process. Two lose each other's locks, and rows with them.
    pragmas        what else is set on every connection, those of app.connect() and of transactions alike: {"foreign_keys": 1}
    journal, synchronous, busy_timeout (seconds): WAL, FULL and 30, unless said otherwise. The timeout is that of wf_busy_timeout: waiting for the lock is fair.
    """

    is_replicated = False  # what it has answered is on more than one machine
    group_calls = 100
    group_seconds = 0.005
    gather_seconds = 0.0005
    kept_connections = 4

    def __init__(self, path: str | os.PathLike[str], *, driver: Any = None, journal: str = "wal", synchronous: str = "full", busy_timeout: float = 30, pragmas: Mapping[str, int | str] | None = None):
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or not isinstance(os.fspath(path), str):
            raise TypeError(f"the path of the file is {path!r}: a text or a Path")
        if not isinstance(journal, str) or journal.lower() not in _JOURNALS:
            raise ValueError(f"journal is {journal!r}: one of {', '.join(_JOURNALS)}")
        if not isinstance(synchronous, str) or synchronous.lower() not in _SYNCHRONOUS:
            raise ValueError(f"synchronous is {synchronous!r}: one of {', '.join(_SYNCHRONOUS)}")
        if not isinstance(pragmas or {}, Mapping):
            raise TypeError(f"pragmas is {pragmas!r}: a dictionary of names and values")
        for name, value in (pragmas or {}).items():
            if not isinstance(name, str) or not _word.fullmatch(name) or isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and _word.fullmatch(value))):
                raise ValueError(f"pragmas has {name!r}: {value!r}: names of pragmas, each with a whole number or a word")
            if name.lower() in _OF_THE_APP:
                raise ValueError(f"pragmas has {name!r}: say it by App({_OF_THE_APP[name.lower()]}=...)")
        self.path = os.fspath(path)
        self.pragmas = dict(pragmas or {})
        self.driver = drivers.find(driver)
        self.settings = (journal.lower(), synchronous.lower(), float(busy_timeout))
        self.clock: Any = None  # of tests: what wf_clock is set to on each connection
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._thread_id = -1
        self._connection: Any = None
        self._owner = threading.Lock()  # who has it uses the connection
        self._inside = -1  # the thread that makes a call at once
        self._idle: list[Any] = []  # connections of those who wait, for the next one
        self._together = 1  # calls of the last group
        self._unanswered = 0  # calls that are under way or queued; under the lock
        self._closed = False
        _databases.add(self)

    # Connections

    def connect(self) -> Any:
        """A new connection of the driver to the file, in autocommit, with the extension loaded and the settings made. For the thread that calls."""
        connection = drivers.connect(self.driver, self.path, self.settings[2])
        try:
            loading.load(connection)
            journal, synchronous, timeout = self.settings
            connection.execute("SELECT wf_busy_timeout(?)", (timeout,)).fetchall()
            connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
            connection.execute(f"PRAGMA synchronous = {synchronous}").fetchall()
            for name, value in self.pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}").fetchall()
            if self.clock is not None:
                connection.execute("SELECT wf_clock(?)", (self.clock,)).fetchall()
        except BaseException as error:
            connection.close()
            raise translate(error) from error
        return connection

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Any]:
        """A connection of the caller's own for a while, such as to wait on; some are kept for the next one."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self.connect()
        is_sound = False
        try:
            yield connection
            is_sound = not connection.in_transaction
        finally:
            with self._lock:
                is_kept = is_sound and not self._closed and len(self._idle) < self.kept_connections
                if is_kept:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()

    # Calls

    def refuse_inside(self, what: str) -> None:
        """For what a transaction cannot do."""
        if threading.current_thread() is self._thread:
            raise Error(f"{what} in a transaction, or on the database's thread: it is for what was committed")

    def submit(self, sql: str, *params: Any) -> Future[Any]:
        """One call of the engine (`SELECT wf_...(?, ?)`), in a group. Its first column, once it is committed."""
        return self._put(_Call(None, (sql, params)))

    def submit_alone(self, work: Callable[[Any], T]) -> Future[T]:
        """work(connection), between two groups. It leaves no transaction open."""
        return self._put(_Call(work, None))

    def call(self, sql: str, *params: Any) -> Any:
        """The same, and waits."""
        if self._leads():
            return self._at_once(lambda connection: _value(connection, sql, params))
        if self._inside == threading.get_ident():
            return self._beside(lambda connection: _value(connection, sql, params))
        return self.submit(sql, *params).result()

    def rows(self, sql: str, *params: Any) -> list[Row]:
        """All rows of a query."""

        def read(connection: Any) -> list[Row]:
            found: list[Row] = connection.execute(sql, params).fetchall()
            return found

        if self._leads():
            return self._at_once(read)
        return self._beside(read) if self._inside == threading.get_ident() else self.submit_alone(read).result()

    def submit_transaction(self, work: Callable[[Transaction], T]) -> Future[T]:
        """work(transaction) inside BEGIN IMMEDIATE ... COMMIT; all of it or, with the error that it raises, nothing."""

        def run(connection: Any) -> T:
            connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            try:
                result = work(transaction)
                if not connection.in_transaction:
                    raise Error("the transaction was rolled back by one of its statements")
                _commit(connection, self.settings[2])
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                transaction._end()
            return result

        return self.submit_alone(run)

    def close(self) -> None:
        """What was submitted is done; then the connection is closed. May be called again."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            thread = self._thread
            if thread is not None:
                self._queue.put(None)
        for connection in idle:
            connection.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        if thread is not threading.current_thread():
            with self._owner:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # Calls that are made at once

    def _leads(self) -> bool:
        """Whether nothing is under way and nothing queued: then the connection is the caller's, until _at_once() has returned."""
        with self._lock:
            if self._unanswered > 0 or self._together > 1 or self._closed or threading.get_ident() == self._thread_id:
                return False
            self._unanswered = 1
        self._owner.acquire()
        return True

    def _beside(self, work: Callable[[Any], T]) -> T:
        """For what has interrupted a call of this very thread (a signal handler): it cannot wait for it."""
        with self.borrowed() as connection:
            try:
                return work(connection)
            except Exception as error:
                raise translate(error) from error

    def _at_once(self, work: Callable[[Any], T]) -> T:
        self._inside = threading.get_ident()
        try:
            if self._connection is None:
                self._connection = self.connect()
            try:
                return work(self._connection)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except BaseException as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error
        finally:
            self._inside = -1
            self._answered(1)
            self._owner.release()

    def _answered(self, count: int) -> None:
        """Said before the answers are given: who gets one may make the next call at once."""
        with self._lock:
            self._unanswered -= count

    # The thread

    def _put(self, call: _Call) -> Future[Any]:
        if threading.current_thread() is self._thread:
            raise Error("a transaction (or what else runs on the database's thread) cannot call the app: it would wait for itself")
        with self._lock:
            if self._closed:
                raise Error(f"the database {self.path} is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=(self._queue,), name="wfext database", daemon=True)
                self._thread.start()
            self._unanswered += 1
            self._queue.put(call)
        return call.future

    def _run(self, calls: queue.SimpleQueue[_Call | None]) -> None:
        ended = False
        self._thread_id = threading.get_ident()
        while not ended:
            call = calls.get()
            if call is None:
                break
            with self._owner:
                try:
                    if self._connection is None:
                        self._connection = self.connect()
                except BaseException as error:
                    self._answered(1)
                    _fail(call, error)
                    continue
                while call is not None:
                    if call.alone is not None:
                        self._alone(self._connection, call)
                        break
                    call, ended = self._group(self._connection, call, calls)
        with self._owner:
            self._disconnect()

    def _alone(self, connection: Any, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            self._answered(1)
            return
        try:
            result = call.alone(connection) if call.alone is not None else _value(connection, *call.args or ("", ()))
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._answered(1)
            call.future.set_exception(translate(error))
        else:
            self._answered(1)
            call.future.set_result(result)

    def _gather(self, first: _Call, calls: queue.SimpleQueue[_Call | None]) -> tuple[list[_Call], _Call | None, bool]:
        """Calls that are one group, what comes behind them and does not belong there, and whether that is the end."""
        group = [first]
        until = time.monotonic() + self.gather_seconds
        while len(group) < self.group_calls:
            left = until - time.monotonic() if len(group) < self._together else 0.0
            following, end = _next(calls, left)
            if following is None or following.alone is not None:
                return group, following, end
            group.append(following)
        return group, None, False

    def _group(self, connection: Any, first: _Call, calls: queue.SimpleQueue[_Call | None]) -> tuple[_Call | None, bool]:
        """Runs calls from `first` on in one transaction, as long as more are there. What comes behind them and does not belong there, and whether that is the end."""
        group, following, end = self._gather(first, calls)
        self._together = len(group)
        if len(group) == 1:
            self._alone(connection, first)
            return following, end
        done: list[tuple[_Call, Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            until = time.monotonic() + self.group_seconds
            at = 0
            while at < len(group):
                if group[at].future.set_running_or_notify_cancel():
                    done.append(_in_savepoint(connection, group[at]))
                at += 1
                if at == len(group) and at < self.group_calls and time.monotonic() < until and not end and following is None:
                    following, end = _next(calls)
                    if following is not None and following.alone is None:
                        group.append(following)
                        following = None
            _commit(connection, self.settings[2])
        except BaseException:
            # Nothing of it stands. Each may be repeated, and by itself it answers for itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for call in group:
                self._answered(1)
                if not call.future.done():
                    _again(connection, call)
        else:
            self._answered(len(group))
            for call, result, error in done:
                if error is None:
                    call.future.set_result(result)
                else:
                    call.future.set_exception(error)
        return following, end


def _next(calls: queue.SimpleQueue[_Call | None], patience: float = 0.0) -> tuple[_Call | None, bool]:
    try:
        call = calls.get(timeout=patience) if patience > 0 else calls.get_nowait()
    except queue.Empty:
        return None, False
    return call, call is None


def _in_savepoint(connection: Any, call: _Call) -> tuple[_Call, Any, BaseException | None]:
    connection.execute("SAVEPOINT wfext_call")
    try:
        result = _value(connection, *call.args or ("", ()))
    except BaseException as error:
        if not connection.in_transaction:
            raise _Gone from error
        connection.execute("ROLLBACK TO wfext_call")
        connection.execute("RELEASE wfext_call")
        return call, None, translate(error)
    if not connection.in_transaction:
        raise _Gone
    connection.execute("RELEASE wfext_call")
    return call, result, None


def _again(connection: Any, call: _Call) -> None:
    try:
        result = _value(connection, *call.args or ("", ()))
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        _fail(call, error)
    else:
        if not call.future.cancelled():
            call.future.set_result(result)


def _fail(call: _Call, error: BaseException) -> None:
    if not call.future.cancelled():
        call.future.set_exception(translate(error))


def _commit(connection: Any, timeout: float) -> None:
    """COMMIT leaves the transaction open where readers are in the way (without WAL): then it is tried again."""
    until = time.monotonic() + timeout
    while True:
        try:
            connection.execute("COMMIT")
            return
        except BaseException as error:
            if not connection.in_transaction or "locked" not in str(error) or time.monotonic() >= until:
                raise
        time.sleep(0.001)


# After a fork the thread is gone, and a connection may not be used in the child: both are made anew there, and what the parent's queue holds is the parent's.
_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_of_the_parent: list[Any] = []  # never closed here: that would clear away what the parent uses


def _after_fork() -> None:
    for database in list(_databases):
        database._lock = threading.Lock()
        database._owner = threading.Lock()
        database._queue = queue.SimpleQueue()
        database._thread = None
        database._thread_id = -1
        database._unanswered = 0
        database._inside = -1
        _of_the_parent.extend([database._connection, *database._idle])
        database._connection = None
        database._idle = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
