"""Runs the fenced blocks of a Markdown page, as a reader would: in order, in one directory, on one database, app.db.

sql      in the stock sqlite3 shell; blocks that follow each other share a session. The module is loaded.
sh       in bash, -e
python   by this interpreter
others   are not run, nor is a block whose info string says no-run.

The directory holds build/libwfext.so and examples/, as the repository does after make. Expected output stands in comments:

    SELECT wf_status('w');       -- => pending          one for each row of the statement before; ... stands for anything
    SELECT wf_step('x', 's');    -- => WF_NOT_FOUND: ...                              an error, by its text
    print(wf_status)             # => pending           one for each line that the block prints

A statement without such a comment may return anything, but must not fail. NULL shows as NULL.

Readers run things twice. Programs (sh, python) print the same when the page is played again on what it has left; a SQL statement
may then return something else, or be refused by the engine, which knows what is done (WF_...), but fails for no other reason.
"""

import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = ("sql", "sh", "python")
# The Python package is there as if it were installed.
ENVIRONMENT = {"WFEXT_LIBRARY": str(ROOT / "build" / "libwfext.so"), **os.environ, "PYTHONPATH": str(ROOT / "bindings" / "python" / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
if "WFEXT" in os.environ:
    ENVIRONMENT["WFEXT_LIBRARY"] = os.path.abspath(os.environ["WFEXT"])


@dataclass
class Block:
    language: str
    line: int
    text: str


@dataclass
class Statement:
    line: int
    lines: list
    expected: list


def blocks(page):
    """The blocks of a page that are to be run."""
    found, info, start, body = [], None, 0, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = re.match(r"\s*```(.*)$", line)
        if fence and info is None:
            info, start, body = fence.group(1).split(), number + 1, []
        elif fence:
            text = "\n".join(body) + "\n"
            is_too_new = sys.version_info < (3, 11) and re.search(r"^import (.*, )?wfext$", text, re.MULTILINE)
            if info and info[0] in LANGUAGES and "no-run" not in info and not is_too_new:
                found.append(Block(info[0], start, text))
            info = None
        elif info is not None:
            body.append(line)
    assert info is None, f"{page}: the block at line {start - 1} is not closed"
    return found


def matches(expected, actual):
    return re.fullmatch(".*".join(map(re.escape, expected.split("..."))), actual, re.DOTALL) is not None


def compare(where, expected, actual):
    same = len(expected) == len(actual) and all(map(matches, expected, actual))
    assert same, f"{where}:\n  expected {expected}\n  got      {actual}"


def statements(block):
    """The block cut into dot commands and SQL statements, each with its expected rows."""
    found, lines, start = [], [], 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        code, _, expected = line.partition("-- => ")
        if not lines:
            start = number
        if code.strip() and not (not lines and code.strip().startswith("--")):
            lines.append(code)
        whole = "\n".join(lines)
        if lines and ((len(lines) == 1 and whole.startswith(".")) or sqlite3.complete_statement(whole + "\n")):
            found.append(Statement(start, lines, []))
            lines = []
        if expected:
            assert found and not lines, f"line {number}: expected output without a statement before it"
            found[-1].expected.append(expected.strip())
    assert not lines, f"line {start}: a statement without an end"
    return found


def run_sql(page, directory, group, again=False):
    """Runs sql blocks in one shell. A line @<n> ends the output of each statement; errors name the line of the script."""
    parts = [s for block in group for s in statements(block)]
    script, owner = [".load build/libwfext", ".nullvalue NULL", ".timeout 5000"], {}
    for n, part in enumerate(parts):
        for line in part.lines:
            script.append(line)
            owner[len(script)] = n
        script += [f".print @{n}"]
    shell = subprocess.run(
        ["sqlite3", "-batch", "app.db"], input="\n".join(script) + "\n", cwd=directory, capture_output=True, text=True, timeout=1200
    )
    errors, unplaced = {}, []
    for line in shell.stderr.splitlines():
        error = re.match(r"(?:\w+ )?[Ee]rror:? near line (\d+): (.*?)(?: \(\d+\))?$", line)
        if error and int(error.group(1)) in owner:
            errors.setdefault(owner[int(error.group(1))], []).append(error.group(2))
        elif not line.startswith("  "):  # the shell quotes the statement below some errors
            unplaced.append(line)
    assert not unplaced, f"{page.name}: {unplaced}"
    output = shell.stdout.splitlines()
    for n, part in enumerate(parts):
        end = output.index(f"@{n}")
        rows, output = output[:end], output[end + 1 :]
        where = f"{page.name}:{part.line}: {part.lines[0].strip()}"
        if again:
            known = [e for e in errors.get(n, []) if e.startswith("WF_") or any(matches(x, e) for x in part.expected)]
            assert known == errors.get(n, []), f"{where}, the second time: {errors[n]}"
        elif part.expected:
            compare(where, part.expected, rows + errors.get(n, []))
        else:
            assert n not in errors, f"{where}: {errors[n]}"


def run_command(page, directory, block, command):
    done = subprocess.run(command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, timeout=1200)
    where = f"{page.name}:{block.line}"
    assert done.returncode == 0, f"{where}: {done.stderr}"
    expected = re.findall(r"# => (.*?)\s*$", block.text, re.MULTILINE)
    if expected:
        compare(where, expected, done.stdout.splitlines())


def prepare(directory):
    (directory / "build").mkdir()
    (directory / "build" / "libwfext.so").symlink_to(os.path.realpath(extension_path()))
    (directory / "examples").symlink_to(ROOT / "examples")


def play(page, directory, again=False):
    group = []
    for block in [*blocks(page), None]:
        if block and block.language == "sql":
            group.append(block)
            continue
        if group:
            run_sql(page, directory, group, again)
            group = []
        if block and block.language == "sh":
            run_command(page, directory, block, ["bash", "-euo", "pipefail", "-c", block.text])
        elif block:
            run_command(page, directory, block, [sys.executable, "-c", block.text])


def run_page(page, directory):
    prepare(directory)
    play(page, directory)
    play(page, directory, again=True)
