"""Tests of workflows: a clock that is moved by hand, and no threads but the database's.

    def test_reminder(wfext_harness):
        harness = wfext_harness(app_of_my_module)
        handle = reminder.start("tea")
        harness.advance("7d")
        assert handle.result(timeout=0) == "reminded"
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import json
from typing import Any, TypeVar

from . import values
from .app import App
from .attempt import Attempt, Claim
from .client import Handle
from .definitions import Duration, seconds
from .worker import Worker

R = TypeVar("R")

class Harness:
    """Runs an app's workflows one after the other, on a clock of the file's own that stands still until it is moved.

    The file is a new one: the clock is switched on while it has no workflow.
    """

    def __init__(self, app: App, start: str = "2026-01-01T00:00:00.000Z"):
        if not isinstance(app, App):
            raise TypeError(f"the app of the harness is {app!r}: an App")
        self.app = app
        try:
            self._now = datetime.datetime.fromisoformat(start)
            if self._now.tzinfo is None:
                raise ValueError("it says no time zone")
        except (TypeError, ValueError) as error:
            raise ValueError(f"start is {start!r}: a time such as '2026-01-01T00:00:00.000Z' ({error})") from None
        self._worker = Worker(app, lease=3600 * 24 * 365)
        self._worker.name = "test"
        self._runner = asyncio.Runner()  # one loop for all attempts, as in a worker
        self._manager: Any = None
        self._set()
        app._apply()
        if app._lifespan is not None:
            self._manager = app._lifespan(app)
            app.state = self._run(self._manager.__aenter__()) if app._has_async_lifespan else self._manager.__enter__()

    def _run(self, code: Any) -> Any:
        return self._runner.run(code, context=contextvars.copy_context())

    def close(self) -> None:
        """Leaves the lifespan of the app."""
        manager, self._manager = self._manager, None
        if manager is not None:
            if self.app._has_async_lifespan:
                self._run(manager.__aexit__(None, None, None))
            else:
                manager.__exit__(None, None, None)
            self.app.state = None
        self._runner.close()

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def now(self) -> datetime.datetime:
        return self._now

    def _set(self) -> None:
        text = self._now.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.app.client.call("wf_config", "test_clock", text)

    def run(self) -> int:
        """Runs until nothing is due. How many attempts that were."""
        attempts = 0
        while True:
            options = {"names": list(self.app.workflows), "steps": True, "lease": self._worker.lease}
            given = self.app.database.call("SELECT wf_claim(?, ?, ?)", values.dumps(self._worker.queues), "test", values.dumps(options))
            if given is None:
                return attempts
            self._attempt(Claim(json.loads(given)))
            attempts += 1

    def _attempt(self, claim: Claim) -> None:
        attempt = Attempt(self.app, self.app.workflows[claim.name], claim, [], self._worker.lease)
        attempt.longest_pause = 0  # the clock stands still meanwhile
        if attempt.workflow.is_async:
            self._run(self._worker._run_async(attempt))
        else:
            self._worker._run_sync(attempt)

    def advance(self, time: Duration) -> None:
        """Moves the clock, and stops on the way wherever something becomes due, to run it."""
        end = self._now + datetime.timedelta(seconds=seconds(time, "time"))
        self.run()
        while (due := self._next_due()) is not None and due <= end:
            self._now = max(due, self._now + datetime.timedelta(milliseconds=1))
            self._set()
            self.app.client.call("wf_tick")
            self.run()
        self._now = max(end, self._now)
        self._set()
        self.run()

    def _next_due(self) -> datetime.datetime | None:
        rows = self.app.client.rows("SELECT min(due_at) FROM (SELECT due_at FROM wf_pending WHERE due_at IS NOT NULL UNION ALL SELECT next_at FROM wf_schedules WHERE next_at IS NOT NULL)")
        found = rows[0][0]
        return None if found is None else datetime.datetime.fromisoformat(found).replace(tzinfo=datetime.timezone.utc)

    def result(self, handle: Handle[R], within: Duration = "365d") -> R:
        """Moves the clock until the workflow has ended, at most so far: its output."""
        end = self._now + datetime.timedelta(seconds=seconds(within, "within"))
        self.run()
        while handle.status not in ("completed", "failed", "cancelled"):
            due = self._next_due()
            if due is None or due > end:
                raise TimeoutError(f"workflow {handle.id!r} is {handle.status}, and nothing is due that would change it: {self._reason(handle)}")
            self._now = max(due, self._now + datetime.timedelta(milliseconds=1))
            self._set()
            self.app.client.call("wf_tick")
            self.run()
        return handle.result(timeout=0)

    def _reason(self, handle: Handle[Any]) -> Any:
        rows = self.app.client.rows("SELECT reason FROM wf_pending WHERE id = ?", handle.id)
        return rows[0][0] if rows else None
