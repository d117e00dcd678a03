"""Rows of the engine's tables as dataclasses, each value of the type that its field says: in a file that was changed by hand a column may hold anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .files import FIRST_MILLIS, LAST_MILLIS, to_millis

T = TypeVar("T")

TIMES = {"since", "at", "now", "looked_to", "nearest", "farthest", "begin", "end"}


def is_time(name: str) -> bool:
    """Whether a field of that name is a time in milliseconds."""
    return name in TIMES or (name.endswith("_at") and name != "looked_at")


def moment(value: Any) -> int | None:
    """A time of a table (text), or of the tables below (milliseconds); None where it is none."""
    if isinstance(value, int):
        return value if FIRST_MILLIS <= value <= LAST_MILLIS else None
    return to_millis(value)


def whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) else None


_BY_TYPE: dict[str, tuple[tuple[type, ...], Callable[[Any], Any]]] = {  # the types that are right, and what makes the others so
    "int": ((int,), lambda value: whole(value) or 0),
    "int | None": ((int, type(None)), whole),
    "str": ((str,), lambda value: text(value) or ""),
    "str | None": ((str, type(None)), text),
    "float | None": ((float, type(None)), _number),
    "bool": ((), bool),
}
_AS_IT_IS: tuple[tuple[type, ...], Callable[[Any], Any]] = ((), lambda value: value)
_converters: dict[type[Any], list[tuple[tuple[type, ...], Callable[[Any], Any]]]] = {}


def fitted(cls: type[T], row: Sequence[Any]) -> T:
    """cls(*row), with times as text made milliseconds, and what is not of its field's type made so: None, 0 or its text."""
    found = _converters.get(cls)
    if found is None:
        found = _converters[cls] = [
            ((), moment) if each.type == "int | None" and is_time(each.name) else _BY_TYPE.get(str(each.type), _AS_IT_IS) for each in dataclasses.fields(cls)  # type: ignore[arg-type]
        ]
    return cls(*[value if type(value) in right else convert(value) for (right, convert), value in zip(found, row, strict=True)])
