"""The cases, as lines for a runner, and what a runner printed, compared with what the cases expect. README.md describes both."""

import functools
import json
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


@functools.lru_cache(maxsize=None)
def load():
    """All cases, in order."""
    return [case for file in sorted((HERE / "cases").glob("*.json")) for case in json.loads(file.read_text("utf-8"))]


# ---------------------------------------------------------------- to the runner


def plain(value):
    """A value of a case as None, int, float, str or bytes."""
    if not isinstance(value, dict):
        return value
    ((kind, given),) = value.items()
    if kind == "repeat":
        return plain(given[0]) * given[1]
    return {"int": int, "real": float, "blob": bytes.fromhex}[kind](given)


def cell(value):
    if isinstance(value, dict) and "kept" in value:
        return "k" + value["kept"]
    value = plain(value)
    if value is None:
        return "n"
    if isinstance(value, (int, float)):
        return ("i%d" if isinstance(value, int) else "r%r") % value
    return "t" + value.encode().hex() if isinstance(value, str) else "b" + value.hex()


def lines(cases):
    """The lines, and for each call of them (what a runner prints a line for) its case and its expectation."""
    text, calls = [], []

    def call(case, expected, *fields):
        text.append("\t".join(fields))
        calls.append((case, expected))

    for number, case in enumerate(cases):
        text.append("case\t%d" % number)
        opened = set()

        def opening(name):
            opened.add(name)
            text.append("open\t" + name)
            call(case["case"], {}, "call", name, "PRAGMA synchronous = off")

        opening("A")
        for step in case["calls"]:
            name = step.get("on", "A")
            if step.get("do") == "close":
                text.append("close\t" + name)
                continue
            if step.get("do") == "open" or name not in opened:
                opening(name)
            if "sql" in step:
                call(case["case"], step, "reuse" if step.get("reuse") else "call", name, step["sql"], *map(cell, step.get("with", [])))
            if "keep" in step:
                text.append("keep\t" + step["keep"])
    return "".join(line + "\n" for line in text), calls


# ---------------------------------------------------------------- from the runner


def same(printed, expected):
    """Is this cell the value? (u: text of a host whose values have no types.)"""
    kind, rest = printed[:1], printed[1:]
    if isinstance(expected, dict) and "like" in expected:
        pattern = ".*".join(map(re.escape, expected["like"].split("...")))
        return kind in "tu" and re.fullmatch(pattern, bytes.fromhex(rest).decode(), re.DOTALL) is not None
    value = plain(expected)
    if value is None:
        return kind == "n"
    if kind == "u":
        raw = bytes.fromhex(rest)
        if isinstance(value, float):
            return float(raw) == value
        return raw == (value if isinstance(value, bytes) else str(value).encode())
    if isinstance(value, int):
        return printed == "i%d" % value
    if isinstance(value, float):
        return kind == "r" and float(rest) == value
    return printed.lower() == cell(value)


ERROR, CONFLICT = 1, 19 | 4 << 8  # SQLITE_ERROR, SQLITE_CONSTRAINT_FUNCTION
CODES = {"SQLITE_ERROR": ERROR, "SQLITE_CONSTRAINT_FUNCTION": CONFLICT}


def trouble(printed, expected):
    """What is wrong with the line that was printed for a call, or None."""
    head, *cells = printed.split("\t")
    said = bytes.fromhex(cells[0]).decode(errors="replace") if head.startswith("!") else None
    if expected.get("fails"):
        return None if said is not None else "it did not fail"
    if "error" in expected:
        if said is None:
            return "no error"
        ours = re.fullmatch(r"WF_[A-Z_]+", expected["error"])
        if (expected["error"] + ": " if ours else expected["error"]) not in said:
            return "the error is: " + said
        code = CODES.get(head[1:]) or (int(head[1:]) if head[1:].isdigit() else None)
        wanted = CONFLICT if expected["error"].startswith("WF_CONFLICT") else ERROR
        if ours and code not in (None, wanted, wanted & 255):
            return "the result code is %s" % head[1:]
        return None
    if said is not None:
        return "error: " + said
    rows = [[expected["gives"]]] if "gives" in expected else expected.get("rows")
    if rows is None:
        return None if not cells or expected.get("sql", "PRAGMA").startswith("PRAGMA") else "rows that nobody expects"
    values = [value for row in rows for value in row]
    if head != "=%d" % len(rows) or len(cells) != len(values):
        return "%s rows instead of %d: %s" % (head[1:], len(rows), readable(cells))
    if not all(same(one, other) for one, other in zip(cells, values)):
        return "it gives %s instead of %s" % (readable(cells), json.dumps(values, ensure_ascii=False))
    return None


def readable(cells):
    return ", ".join(bytes.fromhex(one[1:]).decode(errors="replace")[:300] if one[:1] in ("t", "u") else one[:300] for one in cells)


def play(command, module, folder, cases=None, **environment):
    """Has a runner play the cases: {case: what is wrong} of those that did not pass."""
    cases = load() if cases is None else cases
    text, calls = lines(cases)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lines").write_text(text, "utf-8", newline="\n")
    command = [part.replace("{folder}", str(Path(module).parent)) for part in command]
    done = subprocess.run([*command, str(module), str(folder / "lines"), str(folder)], capture_output=True, timeout=900, **environment)
    printed = done.stdout.decode("utf-8", "replace").splitlines()
    failed = {}
    for (case, expected), line in zip(calls, printed):
        wrong = trouble(line, expected)
        if wrong and case not in failed:
            failed[case] = "%s: %s" % (expected.get("sql", "opening"), wrong)
    for case, expected in calls[len(printed) :]:
        failed.setdefault(case, "the runner has ended (%s): %s" % (done.returncode, done.stderr.decode(errors="replace")[-2000:]))
    if done.returncode or len(printed) > len(calls):
        failed.setdefault(cases[-1]["case"], "the runner has ended with %s: %s" % (done.returncode, done.stderr.decode(errors="replace")[-2000:]))
    return failed
