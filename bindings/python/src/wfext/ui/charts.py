"""Charts as SVG, made on the server: rectangles with places in percent, so that they are as wide as there is room, and classes, as the page allows no style in an attribute."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ..view import overview
from .render import percent

_HEIGHT = 92  # of the bars


def _round_up(value: int) -> int:
    """The next of 2, 4, 10, 20, 40, 100 ... that is not below it: half of it is a whole number, too."""
    step = 2
    while True:
        for each in (step, 2 * step, 5 * step):
            if each >= value:
                return each
        step *= 10


def per_minute(minutes: Sequence[overview.Minute]) -> Markup:
    """What ended in each minute: completed, failed on top, cancelled above. A bar's title has its figures."""
    if not minutes:
        return Markup("")
    top = _round_up(max(1, *(each.completed + each.failed + each.cancelled for each in minutes)))
    out = [Markup('<div class="chart"><svg class="side" height="{}" aria-hidden="true">').format(_HEIGHT + 20)]
    levels = [(top // 2, _HEIGHT - (_HEIGHT - 12) / 2), (top, 12.0)]
    out += [Markup('<text x="100%" y="{:.1f}" text-anchor="end">{:,}</text>').format(y + 4, level) for level, y in [(0, _HEIGHT), *levels]]
    out.append(Markup('</svg><svg class="bars" height="{}" role="img" aria-label="Workflows that ended, by minute">').format(_HEIGHT + 20))
    out += [Markup('<line class="grid" x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>').format(y) for _, y in levels]
    out.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(_HEIGHT))
    width = 1 / len(minutes)
    for i, each in enumerate(minutes):
        y = float(_HEIGHT)
        x, w = percent((i + 0.12) * width), percent(width * 0.76)
        for count, name in ((each.completed, "ok"), (each.failed, "bad"), (each.cancelled, "void")):
            if count:
                height = max(1.5, count / top * (_HEIGHT - 12))
                y -= height
                out.append(Markup('<rect class="b-{}" x="{}" width="{}" y="{:.1f}" height="{:.1f}"/>').format(name, x, w, y, height))
        moment = Markup('<rect class="hit" x="{}" width="{}" y="0" height="{}"><title>{}: {} completed, {} failed, {} cancelled</title></rect>')
        out.append(moment.format(percent(i * width), percent(width), _HEIGHT, _minute(each.at), each.completed, each.failed, each.cancelled))
    for i in range(0, len(minutes), 15):
        out.append(Markup('<text x="{}" y="{}">{}</text>').format(percent(i * width), _HEIGHT + 15, f"{len(minutes) - i} m ago"))
    out.append(Markup('<text x="100%" y="{}" text-anchor="end">now</text></svg></div>').format(_HEIGHT + 15))
    return Markup("").join(out)


def _minute(millis: int) -> str:
    minutes = millis // 60_000
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d} UTC"


def meter(part: int | None, whole: int | None) -> Markup:
    """How much of a limit is used; nothing where there is no limit."""
    if part is None or not whole:
        return Markup("")
    share = min(1.0, part / whole)
    shape = Markup('<svg class="meter" role="img" aria-label="{0} of {1}"><rect class="of" width="100%" height="100%" rx="2"/><rect class="{2}" width="{3}" height="100%" rx="2"/></svg>')
    return shape.format(part, whole, "full" if share >= 1 else "is", percent(share))
