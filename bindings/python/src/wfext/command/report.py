"""What was found, as JSON: one object for each file, in a line. Times are RFC 3339 in UTC, stored values what their JSON holds ({"$blob": hex}, {"$text": ...} for what is none)."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from ..view.rows import is_time
from ..view.values import parsed

def rfc3339(millis: int | None) -> str | None:
    """2026-11-23T10:00:00.000Z"""
    if millis is None:
        return None
    from ..view.files import to_sql_time

    return to_sql_time(millis).replace(" ", "T") + "Z"


def plain(found: Any) -> Any:
    """A dataclass (or a list, a dict of them) as what JSON holds."""
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        return {field.name: _field(field, getattr(found, field.name)) for field in dataclasses.fields(found) if not field.name.startswith("_")}
    if isinstance(found, (list, tuple)):
        return [plain(each) for each in found]
    if isinstance(found, dict):
        return {str(key): plain(value) for key, value in found.items()}
    return {"$blob": found.hex()} if isinstance(found, bytes) else found


def _field(field: Any, value: Any) -> Any:
    if field.type == "Value":
        return parsed(value)
    if is_time(field.name) and (value is None or isinstance(value, int)):
        return rfc3339(value)
    return plain(value)


def _finite(found: Any) -> Any:
    if isinstance(found, float) and found - found != 0:
        return {"$text": str(found)}
    if isinstance(found, dict):
        return {key: _finite(value) for key, value in found.items()}
    return [_finite(each) for each in found] if isinstance(found, list) else found


def emit(found: Any) -> None:
    """Prints a line of JSON, in ASCII."""
    made = plain(found)
    try:
        text = json.dumps(made, allow_nan=False)
    except ValueError:  # numbers that JSON does not have
        text = json.dumps(_finite(made))
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")
    sys.stdout.flush()
