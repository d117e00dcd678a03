"""Spans of OpenTelemetry for attempts and steps, where its API is installed (`pip install wfext[otel]`); else nothing.

The context of who starts a workflow travels in its headers (`traceparent`), so that attempts in other processes, days later, belong to the same trace.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

propagate: Any = None
trace: Any = None
try:
    propagate = importlib.import_module("opentelemetry.propagate")
    trace = importlib.import_module("opentelemetry.trace")
except ImportError:
    pass

if TYPE_CHECKING:
    from .attempt import Attempt


def headers(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Headers of a start, with the context of the present span."""
    if trace is None or not trace.get_current_span().get_span_context().is_valid:
        return given
    carrier: dict[str, Any] = {}
    propagate.inject(carrier)
    return {**carrier, **(given or {})}


def attempt(of: Attempt) -> contextlib.AbstractContextManager[Any]:
    """The span of an attempt."""
    if trace is None:
        return contextlib.nullcontext()
    context = propagate.extract({key: value for key, value in of.claim.headers.items() if isinstance(value, str)})
    attributes = {"wfext.workflow.id": of.claim.id, "wfext.workflow.name": of.claim.name, "wfext.attempt": of.claim.number}
    span: contextlib.AbstractContextManager[Any] = trace.get_tracer("wfext").start_as_current_span(f"workflow {of.claim.name}", context=context, attributes=attributes)
    return span


def step(of: Attempt, name: str, kind: str) -> contextlib.AbstractContextManager[Any]:
    """The span of one try of a step."""
    if trace is None:
        return contextlib.nullcontext()
    attributes = {"wfext.workflow.id": of.claim.id, "wfext.step": name, "wfext.step.kind": kind}
    span: contextlib.AbstractContextManager[Any] = trace.get_tracer("wfext").start_as_current_span(f"{kind} {name}", attributes=attributes)
    return span
