"""Texts for people. Whatever was stored is escaped here: it can neither move the cursor nor colour the terminal, nor turn the direction of what follows."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence

from ..view.values import Value, error_text, one_line


def safe(text: object) -> str:
    """The text in one line, with every character that is not printable as an escape (\\x1b, \\u202e)."""
    word = str(text)
    if word.isascii() and word.isprintable():
        return word
    return "".join(c if c.isprintable() else _escape(c) for c in word)


_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(c: str) -> str:
    n = ord(c)
    return _NAMED.get(c) or (f"\\x{n:02x}" if n < 0x100 else f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}")


def width(text: str) -> int:
    """Columns that a safe text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, most: int) -> str:
    """A safe text in at most so many columns."""
    if width(text) <= most:
        return text
    out = ""
    for c in text:
        if width(out + c) > max(most, 0):
            break
        out += c
    return out


def columns() -> int | None:
    """How wide the output is; None: as wide as it wants to be (it goes into a file or a pipe)."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    if sys.stdout.isatty():
        import shutil

        return shutil.get_terminal_size().columns
    return None


def stored(value: Value) -> str:
    """A stored value in one line; of what is longer than a line of the output can be, the beginning."""
    return safe(_clip(one_line(value)))


def trouble(error: Value) -> str:
    """A recorded error, likewise."""
    return safe(_clip(error_text(error)))


def _clip(text: str) -> str:
    room = columns()
    return text if room is None else text[: 2 * max(room, 20)]  # (the rest would be escaped and measured for nothing)


def is_fancy() -> bool:
    """Whether the output can show bars of a timeline as blocks."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") in ("utf8", "utf16", "utf32")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: str = "", flexible: str | None = None, indent: str = "") -> str:
    """Lines of a table; the columns named in `right` (between spaces) are numbers, `flexible` the one that is cut to what the output has room for. Cells are safe already."""
    body = [list(row) for row in rows]
    numbers = set(right.split())
    sizes = [max(width(head), *(width(row[i]) for row in body)) if body else width(head) for i, head in enumerate(heads)]
    room = columns()
    if flexible is not None and room is not None:
        i = list(heads).index(flexible)
        sizes[i] = max(min(sizes[i], room - len(indent) - (sum(sizes) - sizes[i] + 2 * (len(heads) - 1))), 12, width(flexible))
    lines = []
    for row in [list(heads), *body]:
        cells = []
        for i, cell in enumerate(row):
            cell = cut(cell, sizes[i])
            blank = " " * (sizes[i] - width(cell))
            cells.append(blank + cell if heads[i] in numbers else cell + blank)
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


# Times: milliseconds since 1970


def span(millis: float) -> str:
    """A duration in its largest unit: 326 ms, 1.9 s, 12 m, 7 d."""
    millis = max(millis, 0)
    if millis < 1000:
        return f"{millis:.0f} ms"
    if millis < 59_950:
        return f"{millis / 1000:.1f} s"
    return age(millis)


def age(millis: float) -> str:
    """A longer time in whole units: 5 s, 12 m, 3 h, 7 d."""
    seconds = max(millis, 0) / 1000
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds < 59.5 else "1 m"
    if seconds < 3600:
        return f"{seconds // 60:.0f} m"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h"
    return f"{seconds // 86400:,.0f} d"


def ago(at: int | None, now: int) -> str:
    """12 m ago, in 3 h, now; - for none."""
    if at is None:
        return "-"
    if abs(now - at) < 500:
        return "now"
    return f"{age(now - at)} ago" if at < now else f"in {age(at - now)}"


def local(at: int, now: int) -> str:
    """The time on this machine's clock: 13:57:44 on the day of `now`, else with its date."""
    moment, today = time.localtime(at / 1000), time.localtime(now / 1000)
    return time.strftime("%H:%M:%S" if moment[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", moment)


def when(at: int | None, now: int) -> str:
    """13:57:44 (20 m ago)"""
    return "-" if at is None else f"{local(at, now)} ({ago(at, now)})"


def size(count: int) -> str:
    """Bytes: 706 MB."""
    number = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 9.95 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def number(count: int | None) -> str:
    """10,076; ? where it was not counted in time."""
    return "?" if count is None else f"{count:,}"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


class Progress:
    """A bar on stderr, if that is a terminal. `total` None: not known."""

    def __init__(self, what: str, total: int | None):
        self.what = what
        self.total = total
        self.shown = sys.stderr.isatty()

    def to(self, count: int) -> None:
        """So many are done."""
        if not self.shown:
            return
        if self.total:
            part = min(count / self.total, 1.0)
            bar = "#" * round(part * 30)
            print(f"\r{self.what} [{bar:<30}] {count:,} of {max(count, self.total):,}", end="", file=sys.stderr, flush=True)
        else:
            print(f"\r{self.what} {count:,}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.shown:
            print(file=sys.stderr)
