"""One attempt at a workflow: from a claim to its end, its suspension, or its loss.

What both colours of code share is here: the records that the claim has brought, the names, what a call of the engine means for the attempt. `sync_context` and `async_context` are the code that
waits for it, plainly or in a loop.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from . import values
from .database import Database
from .definitions import Step, Workflow
from .errors import AlreadySuspended, Busy, EngineError, Nondeterminism, NotJSON, NotOurs, OutsideWorkflow, StepFailed, WorkflowCancelled, WorkflowFailed, final, is_of_the_machine
from .names import Names

if TYPE_CHECKING:
    from .app import App

log = logging.getLogger("wfext")


class AttemptOver(BaseException):
    """The attempt ends here: the workflow waits, or is somebody else's by now. Not an Exception, so that code which catches everything lets it pass."""


class Claim:
    """What wf_claim has given."""

    def __init__(self, given: dict[str, Any]):
        self.token: str = given["token"]
        self.id: str = given["id"]
        self.name: str = given["name"]
        self.input: Any = given["input"]
        self.number: int = given["attempt"]
        self.ending: str | None = given["ending"]
        self.headers: dict[str, Any] = given["headers"] or {}
        self.steps: list[dict[str, Any]] | None = given.get("steps")
        self.steps_more: bool = bool(given.get("steps_more"))


class StepRun:
    """What code inside of a step may ask about it."""

    __slots__ = ("attempt", "cut_short", "key", "name")

    def __init__(self, attempt: Attempt, name: str, key: str | None):
        self.attempt = attempt
        self.name = name
        self.key = key
        self.cut_short = False  # it has seen that the attempt is lost

    def ends_if_cut_short(self) -> None:
        """What a step returns or raises after it has seen that the attempt is lost is no whole result."""
        if self.cut_short:
            self.attempt.ends("not ours")


current_attempt: contextvars.ContextVar[Attempt | None] = contextvars.ContextVar("wfext attempt", default=None)
current_step: contextvars.ContextVar[StepRun | None] = contextvars.ContextVar("wfext step", default=None)
# In a branch of ctx.map(): the prefix of its names, and the names it has used.
current_branch: contextvars.ContextVar[tuple[str, Names] | None] = contextvars.ContextVar("wfext branch", default=None)



class Attempt:
    """The state of one attempt. Its methods that call the engine return the SQL of the call and what its answer means; who calls decides how to wait."""

    def __init__(self, app: App, workflow: Workflow[..., Any], claim: Claim, records: list[dict[str, Any]], lease: float):
        self.app = app
        self.database: Database = app.database
        self.workflow = workflow
        self.claim = claim
        self.lease = lease
        self.records = {record["name"]: record for record in records}
        self.names = Names()
        self.used: set[str] = set()
        self.streams: dict[str, int] = {}  # the last item that each had when this attempt came to it
        self.undo: list[tuple[Step[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self.replays_only = claim.ending is not None  # in the second phase the code is only read back, to find what is to be undone
        self.over: str | None = None  # why the attempt is over, from the first moment that anybody knows
        self.lost = threading.Event()
        self.cut_short = False  # the workflow's own code has seen that
        self.longest_pause = 5.0  # seconds between two tries of a step; a longer one gives the workflow back
        self.said_cleanup = False
        self.context: Any = None  # the one of its colour

    # Names and records

    def scope(self) -> Names:
        """The names of the branch of map() that calls, or those of the whole."""
        branch = current_branch.get()
        return self.names if branch is None else branch[1]

    def take_name(self, name: str, branch: Any, in_order: bool = False) -> str:
        scope = current_branch.get()
        taken = self.names.take(name, branch, in_order) if scope is None else scope[0] + scope[1].take(name, branch, in_order)
        self.used.add(taken)
        return taken

    def recorded(self, name: str, kinds: tuple[str, ...]) -> dict[str, Any] | None:
        """The record of the step, if it is finished. One of another kind is a mistake in the code."""
        record = self.records.get(name)
        if record is None:
            return None
        if record["kind"] not in kinds:
            raise Nondeterminism(f"WF_NONDETERMINISM: the step {name!r} of {self.claim.id!r} is recorded as {record['kind']}, and called as {kinds[0]}")
        return record if record["status"] in ("done", "error") else None

    def end_of(self, name: str) -> dict[str, Any] | None:
        """Its record, if it had ended before this attempt."""
        record = self.records.get(name)
        return record if record is not None and record["status"] in ("done", "error") else None

    def read_back(self, step: Step[..., Any], name: str) -> tuple[bool, Any]:
        record = self.recorded(name, ("step", "effect", "begin"))
        if record is None:
            return False, None
        if record["status"] == "error":
            raise StepFailed(name, record.get("error"))
        return True, values.convert(step.returns, record.get("output"), f"the output of {name}")

    def announces(self, step: Step[..., Any]) -> bool:
        """Whether the step is recorded before it is tried: an effect, and whatever may have to be undone. A cancel in its middle then waits for its record."""
        return step.kind == "effect" or (step.kind == "step" and self.workflow.undoes and self.claim.ending is None)

    def barrier(self, step: Step[..., Any], name: str) -> bool:
        """Whether the intent of a durable effect is on the replica. Without that it is not tried, and it is no failure of its."""
        if not step.durable:
            return True
        try:
            self.app.barrier.join()
        except Exception as error:
            self._no_barrier(name, error)
            return False
        return True

    async def barrier_from_loop(self, step: Step[..., Any], name: str) -> bool:
        """The same for a coroutine."""
        if not step.durable:
            return True
        try:
            await self.app.barrier.join_from_loop()
        except Exception as error:
            self._no_barrier(name, error)
            return False
        return True

    def _no_barrier(self, name: str, error: Exception) -> None:
        log.error("workflow %s: the effect %s is not tried now, since its record is not on the replica: %s", self.claim.id, name, error)

    def begin(self) -> None:
        """Before anything is done that is not recorded."""
        if self.over is not None or self.lost.is_set():
            self.ends(self.over or "not ours")
        if self.replays_only:
            self.ends("read back")

    def ends(self, why: str) -> None:
        if self.over is None:
            self.over = why
        raise AttemptOver(why)

    # Calls of the engine

    def options(self, **more: Any) -> str | None:
        """Options for what records something: the first record of code that can undo says so. (One that fails says nothing: see `failed`.)"""
        if self.workflow.undoes and not self.said_cleanup and not self.claim.ending:
            self.said_cleanup = True
            more["cleanup"] = True
        return values.dumps(more) if more else None

    def fails(self, error: BaseException) -> None:
        """What an error of the engine means for the attempt. Raises AttemptOver where it is over, else returns: the error is the code's."""
        if isinstance(error, NotOurs):
            self.lost.set()
            self.ends("suspended" if isinstance(error, AlreadySuspended) else "not ours")

    def call_fails(self, error: BaseException, until: float) -> None:
        """The same of a call that this package has made: returns where it is to be made again, raises AttemptOver where the machine is to blame, else the error."""
        self.said_cleanup = False  # nothing of it stands
        self.fails(error)
        if self.may_repeat(error, until):
            return
        if is_of_the_machine(error):
            log.error("workflow %s: a call failed, its attempt ends: %s", self.claim.id, error)
            self.ends("the engine failed")
        raise error

    def may_repeat(self, error: BaseException, until: float) -> bool:
        """Whether a record that met a locked file is to be tried again: the effect has happened, so as long as the lease lasts."""
        return isinstance(error, Busy) and time.monotonic() < until and not self.lost.is_set()

    def call(self, function: str, *params: Any) -> tuple[str, tuple[Any, ...]]:
        return f"SELECT {function}({', '.join('?' * (1 + len(params)))})", (self.claim.token, *params)


def error_value(error: BaseException) -> dict[str, Any]:
    """As an error is recorded."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # the group of a TaskGroup says nothing more
    out: dict[str, Any] = {"type": type(error).__qualname__, "message": _text(error)}
    code = getattr(error, "code", None)
    if isinstance(code, (str, int)):
        out["code"] = code
    if isinstance(error, StepFailed):
        out["step"] = error.step
        out["cause"] = error.error
    elif isinstance(error, (WorkflowFailed, WorkflowCancelled)):
        out["workflow"] = error.id
        out["cause"] = error.error
    else:
        out["stack"] = _well_formed("".join(traceback.format_exception(error))[-4000:])
    return out


def _well_formed(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _text(error: BaseException) -> str:
    try:
        return _well_formed(str(error))
    except Exception:  # of its own __str__
        return f"an error of type {type(error).__qualname__} that cannot be shown"


def is_final(error: BaseException) -> bool:
    """Whether another attempt would only come to the same: what is recorded, or a mistake in the code. Of a group, all of it."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_final(each) for each in error.exceptions)
    if hasattr(error, "_wfext_is_final"):
        return True
    return isinstance(error, (StepFailed, WorkflowFailed, WorkflowCancelled, Nondeterminism, NotJSON, OutsideWorkflow)) or (isinstance(error, EngineError) and not isinstance(error, (NotOurs, Busy)))


def ends_process(error: BaseException, where: str) -> Exception:
    """An error in the place of one that would end the thread or the loop, and with it other workflows."""
    return final(RuntimeError(f"{type(error).__name__}({error}) in {where}: a workflow does not end the process"))


def step_pause(step: Step[..., Any], failures: int, pause: float) -> float:
    """Seconds before the next try of a step that has failed so often: its own backoff, doubled each time up to 5 minutes, or the engine's."""
    if step.backoff is None:
        return pause
    return min(300.0, step.backoff * float(2 ** min(failures - 1, 20)))


def call_step(step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a step as if it were the function."""
    if current_step.get() is not None:
        if step.kind == "transaction":
            raise OutsideWorkflow(f"the transaction {step.name} is called inside of another step: {step.name}.fn(tx, ...) is the plain function")
        return step.fn(*args, **kwargs)
    attempt = current_attempt.get()
    if attempt is None:
        raise OutsideWorkflow(f"the step {step.name} is called outside of a workflow: {step.name}.fn(...) is the plain function")
    return attempt.context.call_step(step, args, kwargs)
