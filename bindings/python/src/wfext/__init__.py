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

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import App
    from .async_context import AsyncContext
    from .attempt import AttemptOver
    from .calls import Child, Signal
    from .client import Client, Handle, Named
    from .cluster import Cluster
    from .cluster_database import ClusterDatabase
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
    from .attempt import current_step
    from .errors import OutsideWorkflow

    run = current_step.get()
    if run is None or run.key is None:
        raise OutsideWorkflow("idempotency_key() is for the code of an effect (@app.effect)")
    return run.key


# What the package offers is imported when it is first asked for: the command must not wait for all of it (asyncio alone takes longer than a query).
_HOME = {
    "app": ("App",),
    "async_context": ("AsyncContext",),
    "attempt": ("AttemptOver",),
    "calls": ("Child", "Signal"),
    "client": ("Client", "Handle", "Named"),
    "cluster": ("Cluster",),
    "cluster_database": ("ClusterDatabase",),
    "database": ("Database",),
    "definitions": ("StartOptions", "Step", "Workflow"),
    "errors": ("AlreadySuspended", "Busy", "Cancelled", "Conflict", "EngineError", "Error", "Invalid", "Leased", "LeaseLost", "Nondeterminism", "NotFound", "NotJSON", "NotOurs", "OutsideWorkflow", "Paused", "StepFailed", "WorkflowCancelled", "WorkflowFailed", "WrongContext", "WrongState"),
    "loading": ("load", "loadable_path"),
    "logs": ("LogContext",),
    "sync_context": ("Context",),
    "transaction": ("Transaction",),
    "worker": ("Worker",),
}


if not TYPE_CHECKING:  # (a type checker is to know the names above, and no others)

    def __getattr__(name: str) -> Any:
        import importlib

        home = next((module for module, names in _HOME.items() if name in names), None)
        if home is not None:
            value = getattr(importlib.import_module(f".{home}", __name__), name)
        elif not name.startswith("_"):
            try:
                value = importlib.import_module(f".{name}", __name__)
            except ModuleNotFoundError as error:
                if error.name != f"{__name__}.{name}":
                    raise
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "AlreadySuspended",
    "App",
    "AsyncContext",
    "AttemptOver",
    "Busy",
    "Cancelled",
    "Child",
    "Client",
    "Cluster",
    "ClusterDatabase",
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
