"""Writes what was measured into docs/performance.md, between its markers: `make figures` measures what it needs, and runs it.

    <!-- figures: NAME -->
    ... replaced ...
    <!-- end of figures -->

Figures come from build/bench.json (make bench BENCH="--only throughput --only claim --only crowds") and build/bench-peers.json (bench/peers/run.py). What was not measured stays as it is.
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


def span(us):
    return f"{us / 1e6:.1f} s" if us >= 999_500 else f"{us / 1000:.0f} ms"


def of_crowds(by_name):
    """What `--only crowds` says: (processes, journal, synchronous, who else, its row, the figures of its note: ours and with SQLite's own waiting)."""
    found = []
    for name, row in by_name.items():
        words = re.fullmatch(r"(\d+) processes, (\w+), (\w+)(?:, (.*))?: longest call", name)
        note = re.match(r"failed (\d+) \((\d+)\), fewest/most ([\d.]+) \(([\d.]+)\), calls/s (\d+) \((\d+)\)(?:, of applications (\d+) \((\d+)\))?", row["note"])
        if words and note:
            found.append((int(words[1]), words[2], words[3], words[4] or "", row, note))
    if not found:
        raise KeyError("crowds")
    return found


def crowds(by_name):
    rows = [
        [f"{journal}, `{synchronous}`", str(processes), f"{span(row['us'])} ({span(row['raw_us'])})", f"{note[3]} ({note[4]})",
         f"{rounded(float(note[5]))} ({rounded(float(note[6]))})", f"{note[1]} ({note[2]})"]
        for processes, journal, synchronous, others, row, note in of_crowds(by_name) if not others
    ]
    return table(["journal, `synchronous`", "processes", "longest call", "fewest / most calls of a process", "calls a second", "failed"], rows)


BESIDE = {
    "half applications": "as many applications",
    "half applications with wf_busy_timeout": "the same with `wf_busy_timeout`",
    "one holds the lock for 1 s": "one that holds the lock for 1 s",
}


def beside_others(by_name):
    rows = []
    for key, words in BESIDE.items():
        for processes, journal, synchronous, others, row, note in of_crowds(by_name):
            if others == key and processes in (8, 32):
                theirs = f"{rounded(float(note[7]))} ({rounded(float(note[8]))})" if note[7] else ""
                rows.append([words, f"{journal}, `{synchronous}`", str(processes), f"{span(row['us'])} ({span(row['raw_us'])})",
                             f"{rounded(float(note[5]))} ({rounded(float(note[6]))})", theirs, f"{note[1]} ({note[2]})"])
    return table(["beside our writers", "journal, `synchronous`", "processes", "longest call", "calls a second", "of them the applications", "failed"], rows)


def packages(rows):
    """A line for each measure, a column for each language."""
    found, languages = {}, []
    for row in rows:
        language, what = row["name"].split(": ", 1)
        languages += [] if language in languages else [language]
        found.setdefault(what, {})[language] = f"{row['ratio']:.2f}" if row["unit"] == "x" else f"{row['ratio']:.1f} {row['unit']}" if row["ratio"] < 100 else f"{row['ratio']:,.0f} {row['unit']}"
    return table(["", *languages], [[what, *(cells.get(language, "") for language in languages)] for what, cells in found.items()])


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
        for name, make in (("steps", steps), ("jobs", jobs), ("claims", claims), ("crowds", crowds), ("beside", beside_others)):
            try:
                page = write(page, name, make(by_name))
            except (KeyError, IndexError) as missing:
                print(f"pages: {name} was not measured ({missing})", file=sys.stderr)
    of_packages = ROOT / "build/bench-packages.json"
    if of_packages.exists():
        page = write(page, "packages", packages(json.loads(of_packages.read_text())))
    if compared.exists():
        page = write(page, "peers", peers(json.loads(compared.read_text())))
    path.write_text(page)


if __name__ == "__main__":
    main()
