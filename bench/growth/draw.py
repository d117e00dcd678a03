"""Draws what `wfext_bench --only growth --save FIGURES.json` measured: draw.py FIGURES.json FOLDER. Plain SVG, readable in light and in dark."""

import json
import sys
from html import escape
from pathlib import Path

STYLE = """<style>
svg { --page: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d8dee4; --a: #0b62d6; --b: #b54708; --c: #1a7f37; --d: #8250df; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --ink: #e6edf3; --soft: #9aa4af; --grid: #30363d; --a: #6cb2ff; --b: #ffa657; --c: #56d364; --d: #d2a8ff; }
}
rect.page { fill: var(--page); }
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--soft); }
text.title { font-size: 14px; font-weight: 600; fill: var(--ink); }
text.key { fill: var(--ink); }
.grid { stroke: var(--grid); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.s0 { stroke: var(--a); } .s1 { stroke: var(--b); stroke-dasharray: 7 3; } .s2 { stroke: var(--c); stroke-dasharray: 2 3; } .s3 { stroke: var(--d); stroke-dasharray: 9 3 2 3; }
.m0 { fill: var(--a); } .m1 { fill: var(--b); } .m2 { fill: var(--c); } .m3 { fill: var(--d); }
</style>"""
WIDE, HIGH, PER_ROW = 400, 220, 2
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 44
MARKS = ('<circle class="m0" cx="{0}" cy="{1}" r="4"/>', '<rect class="m1" x="{2}" y="{3}" width="8" height="8"/>',
         '<path class="m2" d="M{0} {4}l5 9h-10z"/>', '<path class="m3" d="M{0} {4}l5 5-5 5-5-5z"/>')


def mark(series, x, y):
    return MARKS[series].format(round(x, 1), round(y, 1), round(x - 4, 1), round(y - 4, 1), round(y - 5, 1))


def short(n):
    return next(f"{n // size:,}{unit}" for size, unit in ((10**6, "M"), (10**3, "k"), (1, "")) if n >= size)


def top_of(highest):
    """A round number not below, with the ticks up to it."""
    step = next(digit * 10.0**power for power in range(-3, 12) for digit in (1, 1.5, 2, 2.5, 4, 5) if digit * 10.0**power * 4 >= highest)
    return step * 4, [step * i for i in range(5)]


def label(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def panel(title, unit, below, lines, x0, y0):
    """One small diagram: `lines` is a list of {n: value}, one for each mix; n grows by tens, the value from 0."""
    if unit == "µs" and max(v for line in lines for v in line.values()) >= 10_000:
        unit, lines = "ms", [{n: v / 1000 for n, v in line.items()} for line in lines]
    out = [f'<text class="title" x="{x0 + LEFT}" y="{y0 + 18}">{escape(title)}, {unit}</text>']
    sizes = sorted({n for line in lines for n in line})
    top, ticks = top_of(max(v for line in lines for v in line.values()) or 1)
    width, height = WIDE - LEFT - RIGHT, HIGH - TOP - BOTTOM

    def place(n, value):
        return x0 + LEFT + width * sizes.index(n) / max(len(sizes) - 1, 1), y0 + TOP + height * (1 - value / top)

    for tick in ticks:
        y = place(sizes[0], tick)[1]
        out.append(f'<line class="grid" x1="{x0 + LEFT}" x2="{x0 + WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text x="{x0 + LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label(tick)}</text>')
    for n in sizes:
        anchor = "middle" if n not in (sizes[0], sizes[-1]) or len(sizes) == 1 else "start" if n == sizes[0] else "end"
        out.append(f'<text x="{place(n, 0)[0]:.1f}" y="{y0 + HIGH - BOTTOM + 18}" text-anchor="{anchor}">{short(n)}</text>')
    out.append(f'<text x="{x0 + LEFT + width / 2:.1f}" y="{y0 + HIGH - BOTTOM + 34}" text-anchor="middle">{below}</text>')
    for series, line in enumerate(lines):
        points = [place(n, line[n]) for n in sorted(line)]
        if points:
            out.append(f'<polyline class="line s{series}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
            out += [mark(series, x, y) for x, y in points]
    return "\n".join(out)


def picture(panels, keys, says):
    """All the panels, two in a row, below one line that says which line is what."""
    head = 22 * ((len(keys) + 1) // 2) + 12
    rows = (len(panels) + PER_ROW - 1) // PER_ROW
    width, height = WIDE * PER_ROW, head + HIGH * rows
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(says)}">',
           f"<title>{escape(says)}</title>", STYLE, f'<rect class="page" width="{width}" height="{height}"/>']
    for series, key in enumerate(keys):
        x, y = LEFT + WIDE * (series % 2), 22 + 22 * (series // 2)
        out += [f'<path class="line s{series}" d="M{x - 30} {y - 4}h34"/>', mark(series, x - 13, y - 4), f'<text class="key" x="{x + 14}" y="{y}">{escape(key)}</text>']
    for i, (title, unit, below, lines) in enumerate(panels):
        out.append(panel(title, unit, below, lines, WIDE * (i % PER_ROW), head + HIGH * (i // PER_ROW)))
    return "\n".join([*out, "</svg>", ""])


def read(path):
    """{what: {mix: {n: value}}}, and the unit of each."""
    found, units = {}, {}
    for row in json.loads(Path(path).read_text()):
        what, mix, n = row["name"].split(" | ")
        found.setdefault(what, {}).setdefault(mix, {})[int(n)] = row["ratio"]
        units[what] = {"us": "µs", "B each": "bytes a workflow"}.get(row["unit"], row["unit"])
    return found, units


def main(figures, folder):
    found, units = read(figures)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mixes = list(found["wf_claim"])
    calls = [what for what in found if what.startswith("wf_") and "one workflow" not in found[what]]

    def panels(names, below, keys):
        return [(name.capitalize() if name in ("file", "memory") else name, units[name], below, [found[name].get(key, {}) for key in keys]) for name in names]

    (folder / "calls.svg").write_text(picture(panels([*calls], "workflows in the file", mixes), mixes, "Time of each call by the number of workflows in the file"))
    (folder / "size.svg").write_text(picture(panels(["file", "memory"], "workflows in the file", mixes), mixes, "Size of the file, and memory of a connection"))
    steps = [what for what in found if "one workflow" in found[what]]
    (folder / "steps.svg").write_text(picture(panels(steps, "steps of one workflow", ["one workflow"]), ["one workflow, its k-th step"], "Time of wf_step by the number of steps"))


if __name__ == "__main__":
    main(*sys.argv[1:])
