"""The replication barrier: what was committed before it is on Litestream's replica behind it."""

from __future__ import annotations

import asyncio
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
        mine, leads = self.enter()
        if leads:
            self._lead(mine)
        return mine.result()  # type: ignore[no-any-return]

    async def join_from_loop(self) -> dict[str, Any]:
        """The same for a coroutine: however many wait, they take one thread, so that all of them can come before the next one begins."""
        mine, leads = self.enter()
        if leads:
            threading.Thread(target=self._lead, args=(mine,), name="wfext-barrier", daemon=True).start()
        return await asyncio.wrap_future(mine)

    def enter(self) -> tuple[Future[Any], bool]:
        """The next barrier, and whether the caller is the first to want it, and has to ask."""
        mine: Future[Any]
        if self._database.is_replicated:
            mine = Future()
            mine.set_result({})
            return mine, False
        with self._lock:
            leads = self._next is None
            if self._next is None:
                self._next = Future()
                self._next.set_running_or_notify_cancel()  # who goes away takes it from nobody else
            return self._next, leads

    def _lead(self, mine: Future[Any]) -> None:
        with self._one:
            with self._lock:
                self._next = None  # who comes from now on may have committed too late for this one
            try:
                mine.set_result(self.wait(JOINED_TIMEOUT, {}))
            except BaseException as error:
                mine.set_exception(error)
