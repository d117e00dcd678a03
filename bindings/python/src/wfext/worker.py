"""A worker: claims workflows of an app and runs them.

Threads: one that claims and waits for work (a connection of its own, `wf_wait`), one that sends the heartbeats of all leases in one call and learns from it what is lost, one loop for async
workflows, and one thread for each slot of plain code. All calls of the engine but the wait go through the app's database thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from . import async_context, sync_context, tracing, values
from .attempt import Attempt, AttemptOver, Claim, current_attempt, error_value, is_final
from .database import Database
from .definitions import Duration, seconds, whole
from .errors import Busy, Error, NotOurs
from .names import check_text
from .worker_name import WorkerName

if TYPE_CHECKING:
    from .app import App

log = logging.getLogger("wfext")

_MORE_AT_ONCE = 50  # workflows in one claim
_WAIT_SECONDS = 5.0
_TRIES = 8
_STEP_THREADS = 64  # for plain steps of async workflows
_AFTER_TROUBLE = 5.0  # seconds before a workflow is tried again whose attempt has met a full disk, or the like
_LAST_WORDS = 2.0  # seconds for tasks that are cancelled because the loop ends
_HEARTBEAT = "wfext heartbeat"


class Worker:
    """Runs workflows of an app until stop(). `App.worker()` and `App.run()` make one."""

    def __init__(
        self,
        app: App,
        *,
        concurrency: int = 8,
        async_concurrency: int = 200,
        lease: Duration = 30,
        name: str | None = None,
        queues: list[str] | None = None,
        workflows: list[str] | None = None,
        versions: list[str] | None = None,
        grace: Duration = 10,
    ):
        """
        concurrency         workflows of plain code at once, a thread each
        async_concurrency   async workflows at once, in one loop
        lease               how long a workflow is ours (seconds, or a text such as '30s'); a heartbeat renews it
        name                of this worker; default `host:N`. A name that another living worker has is an error
        queues, workflows   names of those to work on; default: all that the app declares
        versions            only workflows of these versions (option `version` of a start), and those without one
        grace               how long plain code has to come to its next call when the worker stops
        """
        for option, given in (("queues", queues), ("workflows", workflows), ("versions", versions)):
            if given is not None and not (isinstance(given, (list, tuple, set, frozenset)) and given and all(isinstance(each, str) and each for each in given)):
                raise TypeError(f"{option} is {given!r}: a list of texts, of one at least; None is all")
        if name is not None:
            name = check_text(name, "the name of a worker")
        if min(whole(concurrency, "concurrency"), whole(async_concurrency, "async_concurrency")) < 1:
            raise ValueError(f"concurrency is {concurrency} and async_concurrency {async_concurrency}: at least 1 each")
        lease_seconds = seconds(lease, "lease")
        if lease_seconds <= 0:
            raise ValueError(f"lease is {lease!r}: more than 0 seconds")
        if not hasattr(app, "workflows"):
            raise TypeError(f"the app of a worker is {app!r}: an App")
        self.app = app
        self.database: Database = app.database
        self.lease = lease_seconds
        self.grace = seconds(grace, "grace")
        if not app.workflows:
            raise Error("this app has no workflow: declare one with @app.workflow")
        if unknown := set(workflows or ()) - set(app.workflows):
            raise Error(f"this app has no workflow {sorted(unknown)[0]!r}: {', '.join(sorted(app.workflows))}")
        of_these = [workflow for workflow in app.workflows.values() if workflows is None or workflow.name in workflows]
        self.queues = list(queues or ()) or sorted({workflow.queue for workflow in of_these} | (set(app.queues) if workflows is None else set()))
        self._slots = {False: concurrency, True: async_concurrency}
        self._names = {is_async: [w.name for w in of_these if w.is_async is is_async] for is_async in (False, True)}
        self._filter = {} if versions is None else {"versions": list(versions)}
        self._wake = f"worker {secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._attempts: dict[str, Attempt] = {}
        self._futures: set[Any] = set()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._ended_all = threading.Event()
        self._resources = False
        self._given_name = name
        self.name = ""
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: ThreadPoolExecutor | None = None

    # Beginning and end

    def start(self) -> Worker:
        """Begins to work, beside other code. Returns itself."""
        held = WorkerName(self.database.path, self._given_name)
        self._name, self.name = held, held.name
        try:
            if held.is_locked:
                self.database.call("SELECT wf_recover(?)", values.dumps({"worker": self.name, "lost": True}))
            self.app._apply()
            if self._names[True] or self.app._has_async_lifespan:
                self._loop = asyncio.new_event_loop()
                self._thread(self._run_loop, "wfext loop")
            self.app._enter(self._loop)
            self._resources = True
        except BaseException:
            self._end_loop()
            held.release()
            raise
        self._pool = ThreadPoolExecutor(self._slots[False], "wfext slot")
        self._thread(self._claim_and_wait, "wfext worker")
        self._thread(self._heartbeats, _HEARTBEAT)
        return self

    def _thread(self, target: Any, name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self, *, grace: Duration | None = None) -> None:
        """No new claims; async work is cancelled and given back, plain code gets the grace period to come to its next call. Returns when nothing runs any more, or the time is over.

        What still runs then keeps its lease: given back, two would do it. In a workflow or a step of this worker it only asks for all that and returns: the worker cannot wait for itself.
        """
        time_left = self.grace if grace is None else seconds(grace, "grace")
        with self._lock:
            first = not self._stopping.is_set()
            self._stopping.set()
        if first and self._is_inside():
            threading.Thread(target=self._stop, args=(time_left,), name="wfext stop", daemon=True).start()
        elif first:
            self._stop(time_left)
        elif not self._is_inside():
            self._ended_all.wait()

    def _is_inside(self) -> bool:
        attempt = current_attempt.get()
        mine = attempt is not None and attempt.app is self.app
        return mine or threading.current_thread() in self._threads or threading.current_thread() is self.database._thread

    def _stop(self, grace: float) -> None:
        try:
            with self._lock:
                attempts = list(self._attempts.values())
                self._changed.notify_all()
            for attempt in attempts:
                self._tell(attempt)
            self._wake_up()
            until = time.monotonic() + grace
            with self._lock:
                while self._attempts and (left := until - time.monotonic()) > 0:
                    self._changed.wait(left)
                left_over = [attempt.claim.id for attempt in self._attempts.values()]
            if left_over:
                log.warning("%d workflows still run after the grace period and keep their leases: %s", len(left_over), ", ".join(left_over[:5]))
            with self._lock:
                for token, attempt in list(self._attempts.items()):
                    if attempt.workflow.is_async:
                        del self._attempts[token]  # its loop stops: nothing of it goes on
                runs_on = bool(self._attempts)
                self._stopped.set()
                self._changed.notify_all()
            self._wake_up()
            if self._resources:
                self.app._leave()
            self._end_loop()
            for thread in self._threads:
                if not (runs_on and thread.name == _HEARTBEAT):
                    thread.join(5)
            if self._pool is not None:
                self._pool.shutdown(wait=not left_over, cancel_futures=True)
        finally:
            self._ended_all.set()

    def _end_loop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _wake_up(self) -> None:
        try:
            self.database.call("SELECT wf_wake(?)", self._wake)
        except Error:
            log.exception("the worker could not be woken")

    # Claims

    def _free(self, is_async: bool) -> int:
        return self._slots[is_async] - sum(1 for attempt in self._attempts.values() if attempt.workflow.is_async is is_async)

    def _claim_and_wait(self) -> None:
        connection: Any = None
        pause = 0.1
        while not self._stopping.is_set():
            try:
                if connection is None:
                    connection = self.database.connect()
                self._claim_all()
                if not self._stopping.is_set():
                    self._wait(connection)
                pause = 0.1
            except Exception as error:
                # A failure of the engine fails no workflow: the worker tries again.
                log.error("the worker could not claim: %s", error)
                self._stopping.wait(pause)
                pause = min(5.0, pause * 2)
        if connection is not None:
            connection.close()

    def _claim_all(self) -> None:
        for is_async in (False, True):
            while self._names[is_async] and not self._stopping.is_set():
                with self._lock:
                    free = min(self._free(is_async), _MORE_AT_ONCE)
                if free <= 0:
                    break
                options = {"names": self._names[is_async], "limit": free, "steps": True, "lease": self.lease, **self._filter}
                given = self.database.call("SELECT wf_claim(?, ?, ?)", values.dumps(self.queues), self.name, values.dumps(options))
                claims = [Claim(each) for each in json.loads(given)] if given else []
                for claim in claims:
                    self._begin(claim)
                if len(claims) < free:
                    break

    def _wait(self, connection: Any) -> None:
        with self._lock:
            names = [name for is_async in (False, True) if self._free(is_async) > 0 for name in self._names[is_async]]
            tokens = list(self._attempts)
        wanted: list[dict[str, Any]] = [{"wake": self._wake}]
        if names:
            wanted.append({"queue": self.queues, "worker": self.name, "names": names, **self._filter})
        if tokens:
            wanted.append({"tokens": tokens})
        came = connection.execute("SELECT wf_wait(?, ?)", (_WAIT_SECONDS, values.dumps({"any": wanted}))).fetchall()[0][0]
        if tokens and came and any(entry.get("index") == len(wanted) - 1 for entry in json.loads(came)):
            self._beat()

    # Attempts

    def _begin(self, claim: Claim) -> None:
        workflow = self.app.workflows[claim.name]
        attempt = Attempt(self.app, workflow, claim, [], self.lease)
        with self._lock:
            stopping = self._stopping.is_set()
            if not stopping:
                self._attempts[claim.token] = attempt
        if stopping:  # stop() has told all attempts, and would not know of this one
            self._report(attempt, "SELECT wf_release(?)", (claim.token,))
            return
        if workflow.is_async and self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_async, attempt)
        elif self._pool is not None:
            self._pool.submit(self._run_sync, attempt)

    def _records(self, attempt: Attempt) -> list[dict[str, Any]]:
        """All that is recorded. What did not come with the claim is read."""
        claim = attempt.claim
        if claim.steps is not None and not claim.steps_more:
            return claim.steps
        rows = self.database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", claim.id)
        return [{"name": n, "kind": k, "status": s, "output": values.loads(o), "error": values.loads(e)} for n, k, s, o, e in rows]

    def _ready(self, attempt: Attempt) -> None:
        attempt.records = {record["name"]: record for record in self._records(attempt)}

    def _run_sync(self, attempt: Attempt) -> None:
        end: tuple[str, tuple[Any, ...]] | None
        try:
            try:
                self._ready(attempt)
                with tracing.attempt(attempt):
                    end = ("SELECT wf_complete(?, ?)", (attempt.claim.token, self._output(attempt, sync_context.run(attempt))))
            except AttemptOver as over:
                end = self._over(attempt, str(over))
            except BaseException as error:
                end = self._error(attempt, error)
            if end is not None:
                self._report(attempt, *end)
        finally:
            self._ended(attempt)

    def _begin_async(self, attempt: Attempt) -> None:
        task = asyncio.get_running_loop().create_task(self._run_async(attempt))
        self._futures.add(task)
        task.add_done_callback(self._futures.discard)

    async def _run_async(self, attempt: Attempt) -> None:
        end: tuple[str, tuple[Any, ...]] | None
        try:
            try:
                if attempt.claim.steps is None or attempt.claim.steps_more:
                    await asyncio.to_thread(self._ready, attempt)
                else:
                    self._ready(attempt)
                with tracing.attempt(attempt):
                    end = ("SELECT wf_complete(?, ?)", (attempt.claim.token, self._output(attempt, await async_context.run(attempt))))
            except AttemptOver as over:
                end = self._over(attempt, str(over))
            except BaseException as error:
                end = self._error(attempt, error)
            if end is not None:
                await self._report_async(attempt, *end)
        finally:
            self._ended(attempt)

    def _output(self, attempt: Attempt, value: Any) -> str:
        if attempt.over is not None:
            log.error("workflow %s: the code went on after its attempt was over (%s) and swallowed that; nothing of it counts", attempt.claim.id, attempt.over)
            raise AttemptOver(attempt.over)
        if attempt.cut_short:
            attempt.ends("not ours")
        return values.dumps(value, f"what {attempt.workflow.name} returns")

    def _over(self, attempt: Attempt, why: str) -> tuple[str, tuple[Any, ...]] | None:
        if why == "not ours":  # the worker stops, or it was paused or cancelled: nobody is to wait for the end of its lease
            return "SELECT wf_release(?)", (attempt.claim.token,)
        if why == "the engine failed":
            return "SELECT wf_release(?, ?)", (attempt.claim.token, values.dumps({"delay": _AFTER_TROUBLE}))
        return None

    def _error(self, attempt: Attempt, error: BaseException) -> tuple[str, tuple[Any, ...]] | None:
        if attempt.over is not None or attempt.cut_short:
            return self._over(attempt, attempt.over or "not ours")
        if self._stopping.is_set() and not isinstance(error, Exception):
            return "SELECT wf_release(?)", (attempt.claim.token,)
        recorded = error_value(error)  # its message can be shown, whatever str() of it does
        log.warning("workflow %s (%s), attempt %d failed: %s: %s", attempt.claim.id, attempt.workflow.name, attempt.claim.number, recorded["type"], recorded["message"], exc_info=not is_final(error))
        return "SELECT wf_fail(?, ?, ?)", (attempt.claim.token, values.dumps(recorded), values.dumps({"retry": False} if is_final(error) else {}))

    def _report(self, attempt: Attempt, sql: str, params: tuple[Any, ...]) -> None:
        for tries in range(_TRIES):
            try:
                self.database.call(sql, *params)
                return
            except Busy:
                time.sleep(min(1.0, 0.05 * 2**tries))
            except NotOurs:
                return
            except Exception as error:
                log.error("workflow %s: its end could not be recorded, it will be tried again: %s", attempt.claim.id, error)
                return

    async def _report_async(self, attempt: Attempt, sql: str, params: tuple[Any, ...]) -> None:
        try:
            await asyncio.wrap_future(self.database.submit(sql, *params))
        except NotOurs:
            pass
        except Busy:
            await asyncio.to_thread(self._report, attempt, sql, params)
        except Exception as error:
            log.error("workflow %s: its end could not be recorded, it will be tried again: %s", attempt.claim.id, error)

    def _ended(self, attempt: Attempt) -> None:
        with self._lock:
            was_full = self._free(attempt.workflow.is_async) <= 0
            self._attempts.pop(attempt.claim.token, None)
            self._changed.notify_all()
        if was_full and not self._stopping.is_set():
            self._wake_soon()

    def _wake_soon(self) -> None:
        try:
            self.database.submit("SELECT wf_wake(?)", self._wake)
        except Error:
            pass  # closed

    # Leases

    def _heartbeats(self) -> None:
        # What plain code still does after the grace period keeps its lease, and the worker its name, as long as the process lives.
        next_beat = time.monotonic() + self.lease / 3
        while True:
            with self._lock:
                if self._stopped.is_set() and not self._attempts:
                    break
                self._changed.wait(max(0.001, next_beat - time.monotonic()))
            if time.monotonic() < next_beat:
                continue
            next_beat = time.monotonic() + self.lease / 3
            try:
                self._beat()
            except Exception as error:
                log.error("the heartbeat failed: %s", error)
        self._name.release()

    def _beat(self) -> None:
        with self._lock:
            attempts = list(self._attempts.values())
        if not attempts:
            return
        answers = json.loads(self.database.call("SELECT wf_heartbeat(?)", values.dumps([attempt.claim.token for attempt in attempts])))
        for attempt, answer in zip(attempts, answers):
            if isinstance(answer, dict) and answer.get("code") != "SQLITE_ERROR":
                self._tell(attempt)

    def _tell(self, attempt: Attempt) -> None:
        """The code learns it with its next call; async code is cancelled."""
        attempt.lost.set()
        context = attempt.context
        if isinstance(context, async_context.AsyncContext):
            context.is_lost()

    def _run_loop(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        loop.set_default_executor(ThreadPoolExecutor(_STEP_THREADS, "wfext step"))
        try:
            loop.run_forever()
            left = asyncio.all_tasks(loop)  # what steps have left behind, and code that took no notice
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=_LAST_WORDS))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


