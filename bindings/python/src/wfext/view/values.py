"""What was stored, as it is shown: JSON text, numbers and BLOBs."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

Value = str | int | float | bytes | None  # as a table gives it: a text is JSON


def parsed(value: Value) -> Any:
    """The value for JSON output: what the text holds; {"$text": ...} for a text that is no JSON, {"$blob": "<hex>"} for bytes."""
    if isinstance(value, bytes):
        return {"$blob": value.hex()}
    if isinstance(value, str):
        try:
            return json.loads(value, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return {"$text": value}
    return value


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def signal_names(kind: str, topics: Any) -> list[str] | None:
    """The signals that a step of kind await or wait_any waits for, by what its row says; None: it does not say it (a row that was changed by hand)."""
    try:
        found = json.loads(topics)
        return [str(each) for each in (found if kind == "await" else [name for each in found["waits"] for name in each.get("signal", [])])]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def one_line(value: Value) -> str:
    """The value as stored, for people. Still to be escaped for where it is shown."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        head = value[:32].hex()
        return f"x'{head}{'...' if len(value) > 32 else ''}' ({len(value):,} bytes)"
    return str(value)


def error_text(error: Value) -> str:
    """One line about a recorded error: its type (or code) and message where it has them."""
    found = parsed(error)
    if isinstance(found, dict):
        kind = next((str(found[key]) for key in ("type", "code") if found.get(key)), "")
        message = str(found.get("message") or "")
        if kind or message:
            return f"{kind}: {message}" if kind and message else kind or message
        if set(found) == {"$text"}:
            return str(found["$text"])
    return found if isinstance(found, str) else one_line(error)


_varies = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|0x[0-9a-fA-F]+|\b[0-9a-f]{16,}\b|\b\d+(?:\.\d+)?")


def error_group(error: Value) -> str:
    """What errors of one kind have in common: the line about it, cut at 200 characters, with # for what varies (numbers that are not part of a word, UUIDs, long hexadecimal words).

    It is printable, so that it can be copied from one place and said in another: what is not is a blank.
    """
    return _group_of_known(error) if isinstance(error, str) and len(error) <= 1000 else _group(error)


def _group(error: Value) -> str:
    text = error_text(error)[:400]
    return _varies.sub("#", " ".join((text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)).split()))[:200]


_group_of_known = functools.lru_cache(4096)(_group)  # (a page that lives asks for the same ones every two seconds)
