"""Values: what goes into the file as JSON and what comes out of it.

Strict on the way in: what JSON cannot hold is an error that names its place, never quoted, rounded or left out. A number is written as ECMAScript writes it (3.0 is 3), so that
every language reads the same. On the way out annotations decide: a dataclass, an enum, a datetime or a model of pydantic comes back as what it was.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import enum
import json
import math
import types
import typing
import uuid
from typing import Any

from .errors import NotJSON

_quote = json.encoder.encode_basestring
_decode = json.JSONDecoder().decode
_AS_THEY_ARE = (Any, None, type(None), str, int, bool, dict, list, object)


def _number(value: float, path: str) -> str:
    if not math.isfinite(value):
        raise NotJSON(f"{path} is {value!r}, which JSON cannot hold")
    text = repr(value)
    if "e" not in text:
        return text if value != int(value) else str(int(value))
    digits, power = text.split("e")
    exponent = int(power)
    if 0 < exponent < 21:  # the digits that say which number it is, and zeros
        sign, digits = "-" * (value < 0), digits.lstrip("-")
        return sign + digits.replace(".", "").ljust(exponent + 1, "0")
    if -7 < exponent < 0:  # ECMAScript writes these out
        sign = "-" if digits.startswith("-") else ""
        return sign + "0." + "0" * (-exponent - 1) + digits.lstrip("-").replace(".", "")
    return f"{digits}e{'+' if exponent > 0 else ''}{exponent}"


def _text(value: str, path: str) -> str:
    if value.isascii():
        return _quote(value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotJSON(f"{path} has half a surrogate pair at character {error.start}, which is no text") from None
    return _quote(value)


def _write(value: Any, path: str, out: list[str], above: list[int]) -> None:
    kind = type(value)
    if kind is str:
        out.append(_text(value, path))
    elif kind is dict or kind is list:
        _write_compound(value, path, out, above)
    elif value is None:
        out.append("null")
    elif value is True:
        out.append("true")
    elif value is False:
        out.append("false")
    elif isinstance(value, enum.Enum):
        _write(value.value, path, out, above)
    elif isinstance(value, str):
        out.append(_text(value, path))
    elif isinstance(value, int):
        out.append(int.__repr__(value))
    elif isinstance(value, float):
        out.append(_number(value, path))
    elif isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        out.append(_quote(value.isoformat()))
    elif isinstance(value, uuid.UUID):
        out.append(_quote(str(value)))
    else:
        _write_compound(value, path, out, above)


def _write_compound(value: Any, path: str, out: list[str], above: list[int]) -> None:
    if id(value) in above:
        raise NotJSON(f"{path} contains itself")
    above.append(id(value))
    if isinstance(value, dict) or isinstance(value, collections.abc.Mapping):
        _write_object(value.items(), path, out, above)
    elif isinstance(value, (list, tuple)):
        out.append("[")
        for i, item in enumerate(value):
            if i:
                out.append(",")
            _write(item, f"{path}[{i}]", out, above)
        out.append("]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _write_object(((field.name, getattr(value, field.name)) for field in dataclasses.fields(value)), path, out, above)
    elif hasattr(value, "model_dump") and hasattr(type(value), "model_validate"):  # pydantic, where it is installed
        _write(value.model_dump(mode="json"), path, out, above)
    else:
        raise NotJSON(f"{path} is of type {type(value).__module__}.{type(value).__qualname__}, which JSON cannot hold")
    above.pop()


def _write_object(items: Any, path: str, out: list[str], above: list[int]) -> None:
    out.append("{")
    first = True
    for key, item in items:
        if isinstance(key, enum.Enum):
            key = key.value
        if not isinstance(key, str):
            raise NotJSON(f"{path} has the key {key!r}: keys are texts")
        out.append(("" if first else ",") + _text(key, f"a key of {path}") + ":")
        first = False
        _write(item, f"{path}.{key}", out, above)
    out.append("}")


def dumps(value: Any, what: str = "the value") -> str:
    """JSON text of the value. `what` names it in errors."""
    out: list[str] = []
    _write(value, what, out, [])
    return "".join(out)


def loads(text: str | bytes | int | float | None) -> Any:
    """The value of a JSON text that the engine has given; None for NULL. A number that was recorded as one is given as it is."""
    if text is None or isinstance(text, (int, float)):
        return text
    return _decode(text) if isinstance(text, str) else json.loads(text)


def _is_model(tp: Any) -> bool:
    return isinstance(tp, type) and (dataclasses.is_dataclass(tp) or typing.is_typeddict(tp) or hasattr(tp, "model_validate"))


def is_model(tp: Any) -> bool:
    """Whether one parameter of this type *is* the input: a dataclass, a TypedDict or a model."""
    return _is_model(tp)


def convert(tp: Any, value: Any, what: str = "the value") -> Any:
    """The value as its annotation wants it. What has no annotation, or one that says nothing about JSON, comes back as it is."""
    if any(tp is plain for plain in _AS_THEY_ARE) or isinstance(tp, (str, typing.TypeVar)):
        return value
    origin = typing.get_origin(tp)
    if origin is not None:
        return _convert_generic(tp, origin, value, what)
    if not isinstance(tp, type) or value is None:
        return value
    if typing.is_typeddict(tp):
        hints = typing.get_type_hints(tp)
        return {k: convert(hints.get(k, Any), v, f"{what}.{k}") for k, v in value.items()} if isinstance(value, dict) else value
    if dataclasses.is_dataclass(tp):
        return _dataclass(tp, value, what)
    if hasattr(tp, "model_validate"):
        return tp.model_validate(value)
    try:
        return _scalar(tp, value)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{what} is {value!r}, which is no {tp.__qualname__}: {error}") from error


def _scalar(tp: type, value: Any) -> Any:
    if issubclass(tp, enum.Enum):
        return tp(value)
    if issubclass(tp, (datetime.datetime, datetime.date, datetime.time)) and isinstance(value, str):
        return tp.fromisoformat(value)
    if issubclass(tp, uuid.UUID) and isinstance(value, str):
        return tp(value)
    if tp is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _dataclass(tp: Any, value: Any, what: str) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{what} is {value!r}, which is no {tp.__qualname__}")
    hints = typing.get_type_hints(tp)
    fields = {field.name: field for field in dataclasses.fields(tp)}
    given = {k: convert(hints.get(k, Any), v, f"{what}.{k}") for k, v in value.items() if k in fields}
    try:
        made = tp(**{k: v for k, v in given.items() if fields[k].init})
    except TypeError as error:
        raise TypeError(f"{what} is no {tp.__qualname__}: {error}") from None
    return made


def _convert_generic(tp: Any, origin: Any, value: Any, what: str) -> Any:
    args = typing.get_args(tp)
    if origin is typing.Annotated:
        return convert(args[0], value, what)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(args, value, what)
    if origin in (typing.Required, typing.NotRequired) or origin is typing.Final:
        return convert(args[0], value, what)
    if origin is tuple and isinstance(value, list):
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        return tuple(convert(k, v, f"{what}[{i}]") for i, (k, v) in enumerate(zip(kinds, value)))
    if isinstance(origin, type) and args:
        if issubclass(origin, collections.abc.Mapping) and isinstance(value, dict):
            return {k: convert(args[-1], v, f"{what}.{k}") for k, v in value.items()}
        if issubclass(origin, collections.abc.Sequence) and isinstance(value, list):
            return [convert(args[0], v, f"{what}[{i}]") for i, v in enumerate(value)]
        if dataclasses.is_dataclass(origin):
            return _dataclass(origin, value, what)
    return value


def _misfit(kind: Any, value: dict[str, Any]) -> int:
    """How badly the object fits the dataclass: what it has too much, and what is missing. Others come behind those that fit."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return 1
    fields = dataclasses.fields(kind)
    unknown = len(set(value) - {field.name for field in fields})
    required = {field.name for field in fields if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING}
    return 2 * (unknown + len(required - set(value)))


def _convert_union(kinds: tuple[Any, ...], value: Any, what: str) -> Any:
    if value is None:
        return None
    failed: Exception | None = None
    if isinstance(value, dict):
        kinds = tuple(sorted(kinds, key=lambda kind: _misfit(kind, value)))
    for kind in kinds:
        if kind is type(None):
            continue
        if isinstance(kind, type) and type(value) is kind:
            return value
        try:
            made = convert(kind, value, what)
        except Exception as error:  # not this one
            failed = error
            continue
        if made is not value or not isinstance(kind, type) or isinstance(value, kind):
            return made
    if failed is not None and len([k for k in kinds if k is not type(None)]) == 1:
        raise failed
    return value
