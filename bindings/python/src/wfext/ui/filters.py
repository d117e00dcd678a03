"""The filter of a list, in the address of the page."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import ImmutableMultiDict

from ..view import lists
from ..view.files import FIRST_MILLIS, LAST_MILLIS

FIELDS = ("status", "name", "queue", "version", "worker", "id", "tag", "since", "error")


class BadFilter(ValueError):
    """A value of the address means nothing; the text says which."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the address asks for: `filter` for the engine, `given` as it was written, `before` the page."""

    filter: lists.Filter
    given: dict[str, Any]
    before: int | None

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """The address' parameters, with changes (None: left out), from the first page on."""
        return {**self.given, **changes}

    def query(self) -> str:
        """The same as text, for a form."""
        return urlencode([(key, each) for key, value in self.given.items() for each in (value if isinstance(value, list) else [value])])


def whole(text: str | None) -> int | None:
    """A number from an address; None for none. Raises BadFilter."""
    if text is None or text == "":
        return None
    if not re.fullmatch(r"\d{1,18}", text):
        raise BadFilter(f"{text[:40]} is no number")
    return int(text)


def moment(text: str) -> int:
    """Milliseconds since 1970: of a duration ago (30m, 2h, 7d), or of a time (2027-01-15T08:00, UTC unless it says). Raises BadFilter."""
    ago = re.fullmatch(r"(\d{1,6})\s*([smhdw])", text)
    try:
        if ago:
            unit = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[ago[2]]
            found = datetime.now(timezone.utc).timestamp() - int(ago[1]) * unit
        else:
            moment = datetime.fromisoformat(text)
            found = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        found = -1.0
    millis = round(found * 1000)
    if not FIRST_MILLIS <= millis <= LAST_MILLIS:
        raise BadFilter(f"since is {text[:40]}: 30m, 2h, 7d, or a time such as 2027-01-15T08:00, from 1970 to 9999")
    return millis


def read(query: ImmutableMultiDict[str, str] | Mapping[str, str], *, strict: bool = False) -> Asked:
    """The filter of an address. `strict`: nothing else may stand there, as a filter that was left out for a wrong letter would mean all workflows. Raises BadFilter."""
    multi = query if isinstance(query, ImmutableMultiDict) else ImmutableMultiDict(query)
    if strict and (unknown := next((key for key in multi if key not in FIELDS), None)) is not None:
        raise BadFilter(f"There is no filter {unknown[:40]}: {', '.join(FIELDS)}")
    given: dict[str, Any] = {}
    statuses = [each for each in multi.getlist("status") if each]
    for each in statuses:
        if each not in lists.STATUSES:
            raise BadFilter(f"status is {each[:40]}: one of {', '.join(lists.STATUSES)}")
    if statuses:
        given["status"] = statuses
    for key in FIELDS[1:]:
        value = multi.get(key)
        if value:
            given[key] = value
    wanted = lists.Filter(
        status=tuple(statuses),
        name=given.get("name"),
        queue=given.get("queue"),
        version=given.get("version"),
        worker=given.get("worker"),
        id_prefix=given.get("id"),
        tag=given.get("tag"),
        error=given.get("error"),
        since=moment(given["since"]) if "since" in given else None,
    )
    return Asked(wanted, given, whole(multi.get("before")))
