"""What can go wrong, as classes.

The engine names its errors `WF_CODE: what, with the values`. Each code is a class here, so that `except wfext.NotFound` says what it means. Three kinds matter to code that
works on a workflow: what says that it is *not ours any more* (`NotOurs`: stop quietly), what may be tried *again* (`Busy`), and the rest, which is a mistake or a fact.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

T = TypeVar("T", bound=BaseException)


class Error(Exception):
    """Any error of this package. `code` is the engine's, such as WF_NOT_FOUND, or None."""

    code: str | None = None


class EngineError(Error):
    """The engine refused a call."""

    def __init__(self, message: str, code: str | None = None):
        super().__init__(message)
        if code is not None:
            self.code = code


class NotOurs(EngineError):
    """The workflow is not this attempt's any more: whoever holds it now goes on with it. Nothing needs to be done."""


class LeaseLost(NotOurs):
    code = "WF_LEASE_LOST"


class Cancelled(NotOurs):
    code = "WF_CANCELLED"


class Paused(NotOurs):
    code = "WF_PAUSED"


class AlreadySuspended(NotOurs):
    code = "WF_SUSPENDED"


class NotFound(EngineError):
    code = "WF_NOT_FOUND"


class Conflict(EngineError):
    code = "WF_CONFLICT"


class Invalid(EngineError):
    code = "WF_INVALID"


class WrongState(EngineError):
    code = "WF_STATE"


class Leased(EngineError):
    """Somebody else holds the workflow."""

    code = "WF_LEASED"


class WrongContext(EngineError):
    """A call where it cannot be made, such as a claim inside of a statement that writes."""

    code = "WF_CONTEXT"


class Nondeterminism(EngineError):
    """The code took another way than the records of its earlier attempts."""

    code = "WF_NONDETERMINISM"


class Busy(EngineError):
    """Others hold the file for longer than the busy timeout. The call may be made again."""

    code = "SQLITE_BUSY"


class StepFailed(Error):
    """A step has failed for good, and this is recorded: every replay raises the same. `error` is what was recorded, `step` its name."""

    def __init__(self, step: str, error: Any):
        self.step = step
        self.error = error
        super().__init__(f"step {step!r} failed: {describe(error)}")


class WorkflowFailed(Error):
    """result() of a workflow that has failed. `error` is what was recorded."""

    def __init__(self, id: str, error: Any):
        self.id = id
        self.error = error
        super().__init__(f"workflow {id!r} failed: {describe(error)}")


class WorkflowCancelled(Error):
    """result() of a workflow that was cancelled. `error` is the reason, if one was given."""

    def __init__(self, id: str, error: Any = None):
        self.id = id
        self.error = error
        super().__init__(f"workflow {id!r} was cancelled" + (f": {describe(error)}" if error is not None else ""))


class OutsideWorkflow(Error, RuntimeError):
    """A step was called where no workflow runs: outside of one, or in a thread that this package did not start."""


class NotJSON(Error, TypeError):
    """A value that JSON cannot hold; the message names the place in it."""


_by_code: dict[str, type[EngineError]] = {
    str(cls.code): cls for cls in (LeaseLost, Cancelled, Paused, AlreadySuspended, NotFound, Conflict, Invalid, WrongState, Leased, WrongContext, Nondeterminism)
}
_message = re.compile(r"(WF_[A-Z_]+): ")


def describe(error: Any) -> str:
    """One line about a recorded error."""
    if isinstance(error, dict):
        parts = [str(error[key]) for key in ("type", "code") if error.get(key)][:1]
        if error.get("message"):
            parts.append(str(error["message"]))
        if parts:
            return ": ".join(parts)
    return error if isinstance(error, str) else repr(error)


# Primary codes of SQLite that say something of the disk, the file or the memory, and nothing of the statement.
_OF_THE_MACHINE = {3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26}  # PERM BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT FULL CANTOPEN PROTOCOL NOTADB


def blames_the_machine(error: BaseException) -> bool:
    """The same of an error as the driver has raised it."""
    return is_of_the_machine(translate(error))


def final(error: T) -> T:
    """The error, as one that every attempt would come to: a mistake in the code, or what is recorded."""
    error.__dict__["_wfext_is_final"] = True
    return error


def is_of_the_machine(error: BaseException) -> bool:
    """Whether a call failed for a reason that is not the workflow's: the file is locked, the disk full. Another attempt may come through."""
    code = getattr(error, "sqlite_errorcode", getattr(error, "result", None))  # of sqlite3, of apsw
    return isinstance(error, Busy) or (isinstance(code, int) and code & 255 in _OF_THE_MACHINE)


def translate(error: BaseException) -> BaseException:
    """The class for an error that the driver has raised; the error itself where it is none of the engine's."""
    text = str(error)
    found = _message.match(text)
    if found:
        code = found.group(1)
        cls = _by_code.get(code)
        return cls(text) if cls else EngineError(text, code)
    if "database is locked" in text or "database table is locked" in text or "database schema is locked" in text:
        return Busy(text)
    return error
