"""What the packages cost, beside what one would write by hand: make bench, or

    run.py [--quick] [--only LANGUAGE|MEASURE]... [--json] [--save FILE] [--dir DIRECTORY] [--library FILE]

A language is a driver in this folder, started as `driver MEASURE FILE SETTINGS` (settings as JSON): it prints one line of JSON, {"us", "raw_us"} or {"value"}, and "note". What a driver does not
have it answers with {"skip": why}. The table is that of bench/report.cpp: smaller is better.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "bindings"), str(ROOT / "bench")]

import lines  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Measure:
    """One line for each language. bar and goal as in bench/README.md; 0: the line is for information."""

    name: str
    what: str
    settings: dict
    quick: dict
    unit: str = "x"
    bar: float = 0
    goal: float = 0


SECONDS = 20  # after which no round of a measure begins but its first: all of it is done in minutes on a slow disk, too
MEASURES = [
    Measure("step", "a step / the bare call, synchronous=NORMAL", {"steps": 1000, "rounds": 9}, {"steps": 50, "rounds": 3}, bar=2, goal=1.5),
    Measure("slots", "a workflow of 8 plain slots / with a connection for each, FULL", {"workflows": 1000, "slots": 8, "rounds": 3}, {"workflows": 40, "slots": 8, "rounds": 1}, bar=0.5, goal=0.25),
    Measure("loop", "a workflow of 200 in a loop / with a connection for each, FULL", {"workflows": 2000, "slots": 200, "rounds": 3}, {"workflows": 60, "slots": 20, "rounds": 1}, bar=0.5, goal=0.25),
    Measure("delay", "event loop delay, 50 workflows at once, FULL, p99", {"workflows": 1000, "slots": 50}, {"workflows": 60, "slots": 20}, unit="ms", bar=60, goal=20),
    Measure("memory", "memory of 1,000 workflows that wait", {"workflows": 1000}, {"workflows": 50}, unit="KiB"),
    Measure("agent", "an agent of 30 lines / on DBOS, WAL, FULL", {"agents": 100, "rounds": 3}, {"agents": 4, "rounds": 1}, bar=1, goal=0.25),
]


def drivers():
    """{language: how its driver is started, or why it cannot be}"""
    import languages

    found = {"Python": [sys.executable, str(HERE / "python.py")]}
    node, go = HERE / "node.mjs", HERE / "go"
    if node.exists():
        found["Node"] = [str(languages.NODE), "--no-warnings", str(node)] if languages.NODE else "Node is not set up (scripts/setup.sh node)"
    if go.exists():
        found["Go"] = go_driver(languages, go)
    return found


def go_driver(languages, folder):
    if not languages.GO:
        return "Go is not set up (scripts/setup.sh go)"
    program = ROOT / "build/bench-packages-go"
    done = subprocess.run([languages.GO, "build", "-o", str(program), "."], cwd=folder, env={**os.environ, "CGO_ENABLED": "1"}, capture_output=True, text=True)
    return [str(program)] if done.returncode == 0 else f"it does not build: {(done.stderr.strip() or 'failed').splitlines()[-1]}"


def measure(language, command, measure, given, scratch):
    """The row, or why there is none."""
    if isinstance(command, str):
        return command
    settings = {**(measure.quick if given.quick else measure.settings), "seconds": SECONDS, "library": str(Path(given.library).resolve()), "peers": str(ROOT / "build/peers")}
    # Without what Python finds by itself for this process: another interpreter may be behind the command.
    environment = {**os.environ, "WFEXT_LIBRARY": settings["library"], "PYTHONPATH": str(ROOT / "bindings/python/src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*command, measure.name, str(scratch / f"{language}-{measure.name}"), json.dumps(settings)], env=environment, capture_output=True, text=True, timeout=1800)
    said = [text for text in done.stdout.splitlines() if text.startswith("{")]
    if done.returncode != 0 or not said:
        return f"failed: {(done.stderr.strip() or 'it said nothing').splitlines()[-1]}"
    answer = json.loads(said[-1])
    if "skip" in answer:
        return answer["skip"]
    us, raw_us = answer.get("us", 0), answer.get("raw_us", 0)
    value = answer["value"] if "value" in answer else us / raw_us
    return lines.row(f"{language}: {measure.what}", value, measure.unit, measure.bar, measure.goal, us, raw_us, answer.get("note", ""))


def main():
    parser = lines.options("bench/packages/run.py", "tiny sizes")
    parser.add_argument("--only", action="append", default=[], help=f"a language, or a measure ({' '.join(each.name for each in MEASURES)}); may be repeated")
    given = parser.parse_args()
    only = {word.lower() for word in given.only}
    commands = {language: command for language, command in drivers().items() if not only & {"python", "node", "go"} or language.lower() in only}
    measures = [each for each in MEASURES if not only & {other.name for other in MEASURES} or each.name in only]
    rows, skipped = [], 0
    if not given.json:
        print(lines.head(), flush=True)
    scratch = Path(tempfile.mkdtemp(dir=given.dir, prefix="wfext-packages-"))
    try:
        for each in measures:
            for language, command in commands.items():
                row = measure(language, command, each, given, scratch)
                if isinstance(row, str):
                    skipped += 1
                    if not given.json:
                        print(lines.skipped(f"{language}: {each.what}", row), flush=True)
                    continue
                rows.append(row)
                if not given.json:
                    print(lines.line(row), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines.give(rows, given)
    if given.json:
        return
    counts = [sum(row["verdict"] == what for row in rows) for what in ("goal", "bar", "MISS")]
    print("\n%d at the goal, %d within the bar, %d missed, %d skipped." % (*counts, skipped))


if __name__ == "__main__":
    main()
