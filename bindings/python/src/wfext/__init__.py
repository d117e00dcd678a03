"""Durable workflows in a SQLite file.

    app = wfext.App("hello.db")

    @app.step
    def greet(name: str) -> str: ...

    @app.workflow
    def hello(ctx: wfext.Context, name: str) -> str: ...

    with app.worker():
        print(hello.start("World").result(timeout=10))
"""

from __future__ import annotations

from .app import App
from .async_context import AsyncContext
from .attempt import AttemptOver
from .attempt import current_step as _current_step
from .calls import Child, Signal
from .client import Client, Handle, Named
from .database import Database
from .definitions import StartOptions, Step, Workflow
from .errors import (
    AlreadySuspended,
    Busy,
    Cancelled,
    Conflict,
    EngineError,
    Error,
    Invalid,
    Leased,
    LeaseLost,
    Nondeterminism,
    NotFound,
    NotJSON,
    NotOurs,
    OutsideWorkflow,
    Paused,
    StepFailed,
    WorkflowCancelled,
    WorkflowFailed,
    WrongContext,
    WrongState,
)
from .loading import load, loadable_path
from .logs import LogContext
from .sync_context import Context
from .transaction import Transaction
from .worker import Worker

__version__ = "0.1.0"


def idempotency_key() -> str:
    """Inside of an effect: the key of this try, the same in every try of it, to send to the other side."""
    run = _current_step.get()
    if run is None or run.key is None:
        raise OutsideWorkflow("idempotency_key() is for the code of an effect (@app.effect)")
    return run.key


__all__ = [
    "AlreadySuspended",
    "App",
    "AsyncContext",
    "AttemptOver",
    "Busy",
    "Cancelled",
    "Child",
    "Client",
    "Conflict",
    "Context",
    "Database",
    "EngineError",
    "Error",
    "Handle",
    "Invalid",
    "LeaseLost",
    "Leased",
    "LogContext",
    "Named",
    "Nondeterminism",
    "NotFound",
    "NotJSON",
    "NotOurs",
    "OutsideWorkflow",
    "Paused",
    "Signal",
    "StartOptions",
    "Step",
    "StepFailed",
    "Transaction",
    "Worker",
    "Workflow",
    "WorkflowCancelled",
    "WorkflowFailed",
    "WrongContext",
    "WrongState",
    "idempotency_key",
    "load",
    "loadable_path",
]
