"""From values to what a page shows: templates, times, durations, figures. Everything stored is text, and escaped."""

from __future__ import annotations

import functools
import json
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup, escape

from ..view import values as view

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000


def duration(millis: float | None) -> str:
    """389 ms, 1.9 s, 20 m, 3 h 5 m, 7 d."""
    if millis is None:
        return ""
    millis = max(0, millis)
    if millis < _SECOND:
        return f"{millis:.0f} ms"
    if millis < 10 * _SECOND:
        return f"{millis / _SECOND:.1f} s"
    if millis < _MINUTE:
        return f"{millis / _SECOND:.0f} s"
    for size, unit, smaller, smaller_unit in ((_HOUR, "m", _SECOND, "s"), (_DAY, "h", _MINUTE, "m"), (float("inf"), "d", _HOUR, "h")):
        if millis < size:
            base = {"m": _MINUTE, "h": _HOUR, "d": _DAY}[unit]
            whole, rest = divmod(int(millis), base)
            rest //= smaller
            return f"{whole:,} {unit}" + (f" {rest} {smaller_unit}" if rest and whole < 10 else "")
    return ""


def _roughly(millis: int) -> str:
    """A duration as one looks at a clock: no seconds with minutes."""
    return duration(millis) if millis < _MINUTE or millis >= _HOUR else f"{millis // _MINUTE} m"


def _iso(millis: int) -> str:
    moment = datetime.fromtimestamp(millis / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{millis % 1000:03d}Z"


def ago(millis: int | None, now: int) -> Markup:
    """A moment as seen from now: 12 m ago, in 3 h; the exact time is its title."""
    if millis is None:
        return Markup("")
    text = f"{_roughly(now - millis)} ago" if millis <= now else f"in {_roughly(millis - now)}"
    iso = _iso(millis)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso[:19].replace("T", " ") + " UTC", "now" if abs(now - millis) < _SECOND else text)


def clock(millis: int | None) -> Markup:
    """A moment in full; the script of the page shows it in the time zone of who looks."""
    if millis is None:
        return Markup("")
    iso = _iso(millis)
    return Markup('<time class="at" datetime="{}">{}</time>').format(iso, iso[:19].replace("T", " ") + " UTC")


def size(count: int | None) -> str:
    """Bytes: 706 MB."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 10 else f"{value:,.1f} {unit}"
        value /= 1000
    return ""


def number(value: int | float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


SHOWN = 20_000  # characters of a value that a page shows


def pretty(value: view.Value) -> str:
    """A stored value for reading: JSON indented, long ones cut, and said so."""
    if isinstance(value, str):
        try:
            text = json.dumps(json.loads(value), indent=2, ensure_ascii=False) if len(value) <= SHOWN else value
        except (ValueError, RecursionError):
            text = value
    else:
        text = view.one_line(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… {len(text) - SHOWN:,} characters more"


def brief(value: view.Value, length: int = 160) -> str:
    """The beginning of a stored value, in one line."""
    text = " ".join(view.one_line(value)[: 2 * length].split())
    return text if len(text) <= length else text[: length - 1] + "…"


def percent(place: float) -> str:
    """A place from 0 to 1 as an SVG attribute."""
    return f"{100 * place:.3f}%".replace(".000%", "%")


STATES = {  # glyphs of 16 by 16: each state has a shape, so that colour says nothing that shape does not
    "pending": '<circle cx="8" cy="8" r="5.2" class="o"/>',
    "running": '<path d="M4.2 2.6 13 8l-8.8 5.400z"/>',
    "waiting": '<circle cx="8" cy="8" r="5.6" class="o"/><path d="M8 4.600V8l2.4 1.6" class="o"/>',
    "paused": '<path d="M4 3h3v10H4zM9 3h3v10H9z"/>',
    "completed": '<path d="m3 8.6 3.4 3.400L13 4.8" class="o w"/>',
    "failed": '<path d="m4 4 8 8M12 4l-8 8" class="o w"/>',
    "cancelled": '<circle cx="8" cy="8" r="5.4" class="o"/><path d="m4.3 4.3 7.4 7.4" class="o"/>',
}
STATES |= {
    "done": STATES["completed"],
    "error": STATES["failed"],
    "begun": STATES["running"],
    "ready": STATES["pending"],
    "planned": '<circle cx="8" cy="8" r="2"/>',
    "skipped": '<path d="M3 8h10" class="o w"/>',
    "lost": '<path d="M8 2 15 14H1z" class="o"/><path d="M8 6.500v3.500M8 11.500v1" class="o"/>',
    "doubt": '<path d="M5.2 5.500a2.8 2.8 0 1 1 3.8 2.700c-.7.3-1 .7-1 1.600M8 12v1.2" class="o w"/>',
}


@functools.lru_cache(maxsize=64)
def glyph(state: str) -> Markup:
    kind = state if state in STATES else "planned"
    return Markup(f'<svg class="g {kind}" viewBox="0 0 16 16" aria-hidden="true">{STATES[kind]}</svg>')


def state(status: str, word: str | None = None) -> Markup:
    """A status by shape, colour and word."""
    kind = status if status in STATES else "planned"
    return Markup(f'<span class="state {kind}">{glyph(kind)}{escape(status if word is None else word)}</span>')


def address(path: str, **parameters: Any) -> str:
    """A path with parameters; those that are None or empty are left out."""
    flat: list[tuple[str, str]] = []
    for key, value in parameters.items():
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if each is not None and each != "":
                flat.append((key, str(each)))
    return path + ("?" + urlencode(flat, errors="surrogateescape") if flat else "")


def environment() -> jinja2.Environment:
    from . import charts

    made = jinja2.Environment(loader=jinja2.PackageLoader("wfext.ui"), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    made.filters.update(duration=duration, ago=ago, clock=clock, size=size, number=number, pretty=pretty, brief=brief, percent=percent, error_text=view.error_text)
    made.globals.update(glyph=glyph, state=state, plural=plural, meter=charts.meter)
    return made
