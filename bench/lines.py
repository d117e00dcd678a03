"""What the measurements in Python have in common: their options, and their lines, in the table of bench/report.cpp."""

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def options(program, quick):
    """The options that each has."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--quick", action="store_true", help=f"{quick}: does it run at all? (not a figure)")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--save", help="the same beside the table, into a file")
    parser.add_argument("--dir", help="where the databases go")
    parser.add_argument("--library", default=str(ROOT / "build/libwfext.so"))
    return parser


def row(name, value, unit, bar=0, goal=0, us=0, raw_us=0, note=""):
    """A line; bar and goal as in bench/README.md, 0: the line is for information."""
    verdict = "-" if bar == 0 else "goal" if value <= goal else "bar" if value <= bar else "MISS"
    return {"name": name, "ratio": value, "unit": unit, "bar": bar, "goal": goal, "verdict": verdict, "us": us, "raw_us": raw_us, "note": note}


def number(value, unit):
    return f"x{value:.2f}" if unit == "x" else f"{value:.2f} {unit}" if value < 10 and unit != "KiB" else f"{value:.0f} {unit}"


def micros(us):
    return "" if us == 0 else f"{us:.2f}" if us < 100 else f"{us:.0f}"


def head():
    return f"{'what':<70} {'ratio':>9} {'bar':>8} {'goal':>8}  {'':<6} {'us':>11} {'raw us':>11}  note"


def line(row):
    bar, goal = (number(row[key], row["unit"]) if row[key] else "" for key in ("bar", "goal"))
    return f"{row['name']:<70} {number(row['ratio'], row['unit']):>9} {bar:>8} {goal:>8}  {row['verdict']:<6} {micros(row['us']):>11} {micros(row['raw_us']):>11}  {row['note']}".rstrip()


def skipped(name, why):
    return f"{name:<70} {'':>9} {'':>8} {'':>8}  {'skip':<6} {'':>11} {'':>11}  {why}"


def give(rows, given):
    """All of them, to where the options say: as JSON."""
    text = json.dumps(rows, indent=1) + "\n"
    if given.save:
        Path(given.save).write_text(text)
    if given.json:
        print(text, end="")
