"""Which workflow a line of a log is about."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .attempt import current_attempt, current_step


def fields() -> dict[str, Any]:
    """workflow_id, workflow, attempt and step of the code that calls; each None outside of a workflow, and step outside of a step."""
    step = current_step.get()
    attempt = current_attempt.get() if step is None else step.attempt
    if attempt is None:
        return {"workflow_id": None, "workflow": None, "attempt": None, "step": None}
    return {"workflow_id": attempt.claim.id, "workflow": attempt.claim.name, "attempt": attempt.claim.number, "step": None if step is None else step.name}


class LogContext(logging.Filter):
    """Gives each record the fields: `handler.addFilter(wfext.LogContext())`, and a format with %(workflow_id)s %(workflow)s %(attempt)s %(step)s."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in fields().items():
            if getattr(record, name, None) is None:
                setattr(record, name, value)
        return True


class WorkflowLog(logging.LoggerAdapter[logging.Logger]):
    """The logger of a context: `wfext.<workflow>`, whose records carry the fields."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**fields(), **(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
