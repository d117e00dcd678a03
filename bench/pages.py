"""Writes what was measured into docs/performance.md, between its markers: `make figures` measures what it needs, and runs it.

    <!-- figures: NAME -->
    ... replaced ...
    <!-- end of figures -->

Figures come from build/bench.json (make bench BENCH="--only throughput --only claim") and build/bench-peers.json (bench/peers/run.py). What was not measured stays as it is.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "peers"))


def table(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def rounded(value):
    """Three figures are more than a machine keeps to."""
    step = 10 ** max(len(str(int(value))) - 3, 0)
    return f"{round(value / step) * step:,.0f}"


def beside(row):
    return float(re.match(r"raw ([\d.]+)/s", row["note"])[1])


def steps(by_name):
    rows = []
    for synchronous in ("NORMAL", "FULL"):
        for words, what in (("each call a commit", "each a commit"), ("10 in a transaction", "10 in a transaction"), ("100 in a transaction", "100 in a transaction")):
            row = by_name[f"wf_step, {what}, {synchronous}"]
            rows.append([words, f"`{synchronous}`", rounded(row["ratio"]), rounded(beside(row))])
    return table(["`wf_step`, one worker", "`synchronous`", "steps a second", "plain rows a second"], rows)


def jobs(by_name):
    rows = []
    for processes in (1, 2, 4, 8):
        cells = [str(processes)]
        for synchronous in ("NORMAL", "FULL"):
            row = by_name[f"jobs, {processes} process{'es' if processes > 1 else ''}, {synchronous}"]
            cells += [rounded(row["ratio"]), rounded(beside(row))]
        rows.append(cells)
    return table(["processes", "`NORMAL`: jobs a second", "plain", "`FULL`: jobs a second", "plain"], rows)


def claims(by_name):
    found = [(re.fullmatch(r"claim (\d+) / (\d+): (.*)", name), row) for name, row in by_name.items()]
    found = [(m, row) for m, row in found if m]
    large, small = found[0][0][1], found[0][0][2]
    head = ["what the file holds", f"{int(small):,} workflows", f"{int(large):,} workflows", "ratio"]
    return table(head, [[m[3], f"{row['raw_us']:.0f} µs", f"{row['us']:.0f} µs", f"{row['ratio']:.2f}"] for m, row in found])


def peers(results):
    import report
    import systems

    return report.text(results, systems.ALL, True)


def write(page, name, text):
    marked = re.compile(rf"(<!-- figures: {name} -->\n).*?(\n<!-- end of figures -->)", re.S)
    if not marked.search(page):
        raise SystemExit(f"no markers for {name}")
    return marked.sub(lambda m: m[1] + "\n" + text.strip() + "\n" + m[2], page, count=1)


def main():
    path = ROOT / "docs/performance.md"
    page = path.read_text()
    bench, compared = ROOT / "build/bench.json", ROOT / "build/bench-peers.json"
    if bench.exists():
        rows = json.loads(bench.read_text())
        by_name = {row["name"]: row for row in rows}
        for name, make in (("steps", steps), ("jobs", jobs), ("claims", claims)):
            try:
                page = write(page, name, make(by_name))
            except (KeyError, IndexError) as missing:
                print(f"pages: {name} was not measured ({missing})", file=sys.stderr)
    if compared.exists():
        page = write(page, "peers", peers(json.loads(compared.read_text())))
    path.write_text(page)


if __name__ == "__main__":
    main()
