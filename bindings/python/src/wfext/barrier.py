"""The replication barrier: what was committed before it is on Litestream's replica behind it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from . import values
from .database import Database
from .errors import Error, translate

JOINED_TIMEOUT = 30.0  # seconds


class Barrier:
    """Barriers of one process. Those that are wanted while one is under way are one: it begins after all of them have come."""

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self._one = threading.Lock()  # who has it asks
        self._next: Future[Any] | None = None

    def wait(self, timeout: float | str, options: dict[str, Any]) -> dict[str, Any]:
        """Asks by itself."""
        if self._database.is_replicated:
            raise Error("app.sync() is for a file that Litestream copies: what a cluster has answered is on most of its nodes")
        self._database.refuse_inside("app.sync()")
        with self._database.borrowed() as connection:
            try:
                text = connection.execute("SELECT wf_sync(?, ?)", (timeout, values.dumps(options))).fetchall()[0][0]
            except Exception as error:
                raise translate(error) from error
        return values.loads(text)  # type: ignore[no-any-return]

    def join(self) -> dict[str, Any]:
        """With those that come meanwhile."""
        if self._database.is_replicated:
            return {}
        with self._lock:
            leads = self._next is None
            if leads:
                self._next = Future()
            mine = self._next
        assert mine is not None
        if leads:
            with self._one:
                with self._lock:
                    self._next = None  # who comes from now on may have committed too late for this one
                try:
                    mine.set_result(self.wait(JOINED_TIMEOUT, {}))
                except BaseException as error:
                    mine.set_exception(error)
        return mine.result()  # type: ignore[no-any-return]
