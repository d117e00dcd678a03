"""A definition, drawn: in layers, as SVG, as a Mermaid flowchart, or in DOT."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from typing import Any

from .files import has_tables


@dataclasses.dataclass(frozen=True)
class Node:
    """A step of a definition: `action` in a few words, `after` the names it comes after, `state` that of a workflow ('' for the definition alone), `conditional`: it has a `when`."""

    name: str
    kind: str
    action: str
    after: tuple[str, ...]
    conditional: bool
    loop: bool
    each: bool
    state: str


@dataclasses.dataclass(frozen=True)
class Graph:
    """A definition with the state of each step where it is that of a workflow. `version` None: of a document that is not stored."""

    name: str
    version: int | None
    workflow_id: str | None
    nodes: list[Node]


_ACTIONS = ("sql", "task", "start", "sleep", "sleep_until", "await", "await_event", "emit", "acquire", "signal", "join", "set", "append")


def graph(connection: sqlite3.Connection, what: str) -> Graph | None:
    """Of the name of a definition, or the id of a workflow that is scripted; None: there is neither."""
    if not has_tables(connection):
        return None
    row = connection.execute("SELECT definition, version FROM wf_definitions WHERE name = ? AND current", (what,)).fetchone()
    if row is not None:
        return Graph(what, row[1], None, _nodes(row[0], {}))
    found = connection.execute("SELECT name, version FROM wf_workflows WHERE id = ?", (what,)).fetchone()
    if found is None:
        return None
    row = connection.execute("SELECT definition, version FROM wf_definitions WHERE name = ? AND version = CAST(? AS INTEGER)", found).fetchone()
    if row is None:
        return None
    return Graph(found[0], row[1], what, _nodes(row[0], _states(connection, what)))


def _states(connection: sqlite3.Connection, id: str) -> dict[str, str]:
    """As wf_explain tells them: in the lines 'n. name  [state]'."""
    import re

    text = connection.execute("SELECT wf_explain(?)", (id,)).fetchone()[0]
    found = {}
    for line in str(text).splitlines():
        match = re.match(r" *\d+\. (\S(?:.*?\S)?) +\[([^\]]*)\]", line)
        if match:
            found[match.group(1)] = match.group(2)
    return found


def _nodes(text: str, states: dict[str, str]) -> list[Node]:
    try:
        steps = json.loads(text)["steps"]
    except (ValueError, KeyError, TypeError):
        return []
    nodes: list[Node] = []
    previous: str | None = None
    for step in steps:
        name = str(step.get("name"))
        kind = next((each for each in _ACTIONS if each in step), next((key for key in step if key not in ("name", "after", "when")), ""))
        after = step.get("after")
        names = (after,) if isinstance(after, str) else tuple(str(each) for each in after) if isinstance(after, list) else (previous,) if previous is not None else ()
        action = " ".join(str(_plain(step.get(kind))).split())
        action = action if kind == "sql" else f"{kind} {action}"
        nodes.append(Node(name, kind, action, tuple(each for each in names if each), "when" in step, "while" in step, "for_each" in step, states.get(name, "")))
        previous = name
    return nodes


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False)


def layers(nodes: list[Node]) -> list[list[int]]:
    """Places of the nodes in rows: each below all that it comes after; within a row in the order of the middle of what is above them."""
    at = {node.name: i for i, node in enumerate(nodes)}
    depth = [0] * len(nodes)
    above = [[at[name] for name in node.after if name in at] for node in nodes]
    for i in _order(above):
        depth[i] = max((depth[k] + 1 for k in above[i]), default=0)
    rows: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for i, d in enumerate(depth):
        rows[d].append(i)
    place: dict[int, float] = {}
    for row in rows:
        known = {i: [place[k] for k in above[i] if k in place] for i in row}
        row.sort(key=lambda i: (sum(known[i]) / len(known[i]) if known[i] else 0.0, i))
        for x, i in enumerate(row):
            place[i] = x - (len(row) - 1) / 2
    return rows


def _order(above: list[list[int]]) -> list[int]:
    """The nodes such that each comes behind those above it (what is in a circle comes last)."""
    below: dict[int, list[int]] = {}
    missing = [len(set(each)) for each in above]
    for i, each in enumerate(above):
        for k in set(each):
            below.setdefault(k, []).append(i)
    ready = [i for i, count in enumerate(missing) if count == 0]
    for i in ready:
        for k in below.get(i, ()):
            missing[k] -= 1
            if missing[k] == 0:
                ready.append(k)
    return ready + [i for i in range(len(above)) if missing[i] > 0]


_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN = 200, 46, 24, 40, 12


def svg(drawn: Graph, *, standalone: bool = True) -> str:
    """The drawing as SVG. Classes: node, state-<first word of the state>, conditional, edge, name, action. `standalone`: with a style of its own, for a file."""
    from xml.sax.saxutils import escape, quoteattr

    rows = layers(drawn.nodes)
    widest = max((len(row) for row in rows), default=1)
    width = widest * (_WIDTH + _ACROSS) - _ACROSS + 2 * _MARGIN
    height = max(1, len(rows)) * (_HEIGHT + _DOWN) - _DOWN + 2 * _MARGIN
    corner: dict[str, tuple[float, float]] = {}
    row_of: dict[str, int] = {}
    gaps: list[list[float]] = []  # of each row: where a line can pass its boxes, between them and beside them
    for y, row in enumerate(rows):
        left: float = (width - (len(row) * (_WIDTH + _ACROSS) - _ACROSS)) / 2
        gaps.append([min(max(4, left - _ACROSS / 2 + x * (_WIDTH + _ACROSS)), width - 4) for x in range(len(row) + 1)])
        for x, i in enumerate(row):
            corner[drawn.nodes[i].name] = (left + x * (_WIDTH + _ACROSS), _MARGIN + y * (_HEIGHT + _DOWN))
            row_of[drawn.nodes[i].name] = y
    title = f"{drawn.name} version {drawn.version}" if drawn.version is not None else drawn.name
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" class="definition">',
        f"<title>{escape(_clean(title))}</title>",
    ]
    if standalone:
        out.append(f"<style>{_STYLE}</style>")
    out.append('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" class="head"/></marker></defs>')
    for node in drawn.nodes:
        x1, y1 = corner[node.name]
        for name in node.after:
            if name in corner:
                between = gaps[row_of[name] + 1 : row_of[node.name]]
                out.append(f'<path class="edge" marker-end="url(#arrow)" d="{_edge(*corner[name], x1, y1, between)}"/>')
    for node in drawn.nodes:
        x2, y2 = corner[node.name]
        classes = "node" + (f" state-{_word(node.state)}" if node.state else "") + (" conditional" if node.conditional else "")
        signs = "".join(sign for sign, is_there in ((" ?", node.conditional), (" *", node.each), (" \u21bb", node.loop)) if is_there)
        out.append(f"<g class={quoteattr(classes)}><title>{escape(_clean(f'{node.name}: {node.action}' + (f' ({node.state})' if node.state else '')))}</title>")
        out.append(f'<rect x="{x2:g}" y="{y2:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="{18 if node.conditional else 5}"/>')
        out.append(f'<text class="name" x="{x2 + 10:g}" y="{y2 + 19:g}">{escape(_cut(node.name + signs, 24))}</text>')
        out.append(f'<text class="action" x="{x2 + 10:g}" y="{y2 + 36:g}">{escape(_cut(f"{node.state}: {node.action}" if node.state else node.action, 29))}</text></g>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _edge(x0: float, y0: float, x1: float, y1: float, between: list[list[float]]) -> str:
    """A line from the box with the one corner to that with the other, through a gap of each row `between` them: the one that is least out of its way."""
    x, y, to = x0 + _WIDTH / 2, y0 + _HEIGHT, x1 + _WIDTH / 2
    path = f"M{x:g} {y:g}"

    def curve(x: float, y: float, x_to: float, y_to: float) -> str:
        return f"C{x:g} {y + _DOWN * 0.6:g} {x_to:g} {y_to - _DOWN * 0.6:g} {x_to:g} {y_to:g}"

    for left, gaps in enumerate(between):
        wanted = x + (to - x) / (len(between) - left + 1)
        gap = min(gaps, key=lambda each: abs(each - wanted))
        path += curve(x, y, gap, y + _DOWN) + f"v{_HEIGHT}"
        x, y = gap, y + _DOWN + _HEIGHT
    return path + curve(x, y, to, y1 - 2)


_STYLE = (
    "text{font:12px sans-serif;fill:#222}.name{font-weight:bold}.action{font-size:10px;fill:#555}rect{fill:#fff;stroke:#888}.edge{fill:none;stroke:#888}.head{fill:#888}"
    ".state-done rect{fill:#e3f4e3;stroke:#3a8a3a}.state-waiting rect,.state-retry rect,.state-ready rect,.state-round rect{fill:#fff6d8;stroke:#b08a10}"
    ".state-failed rect{fill:#fbe3e3;stroke:#b03030}.state-skipped rect,.state-planned rect{stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}.action{fill:#bbb}rect{fill:#222}.state-done rect{fill:#173317}.state-failed rect{fill:#401a1a}"
    ".state-waiting rect,.state-retry rect,.state-ready rect,.state-round rect{fill:#3a3010}}"
)


def _word(state: str) -> str:
    first = state.split(" ")[0] if state else ""
    return "running" if first.isdigit() else "".join(c for c in first if c.isalnum())


def _clean(text: str) -> str:
    """With U+FFFD for what is not printable: XML cannot hold some of it, and on a terminal it would move the cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def _cut(text: str, most: int) -> str:
    text = _clean(text)
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def mermaid(connection: sqlite3.Connection, what: str) -> str | None:
    """The flowchart in Mermaid's language that wf_explain makes; None: there is no such definition or scripted workflow."""
    if graph(connection, what) is None:
        return None
    text = str(connection.execute("SELECT wf_explain(?, '{\"format\": \"mermaid\"}')", (what,)).fetchone()[0])
    return "".join(_clean(line) + "\n" for line in text.rstrip("\n").split("\n"))


def dot(drawn: Graph) -> str:
    """The drawing in DOT, the language of Graphviz."""

    def quoted(text: str) -> str:
        return '"' + _clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'

    at = {node.name: i for i, node in enumerate(drawn.nodes)}
    out = [f"digraph {quoted(drawn.name)} {{", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    for i, node in enumerate(drawn.nodes):
        label = f"{node.name}: {_cut(node.action, 70)}" + (f" ({node.state})" if node.state else "")
        out.append(f"  s{i} [label={quoted(label)}{', shape=hexagon' if node.conditional else ''}];")
        out += [f"  s{at[name]} -> s{i};" for name in node.after if name in at]
        if node.loop:
            out.append(f'  s{i} -> s{i} [label="while", style=dashed];')
    out.append("}")
    return "\n".join(out) + "\n"
