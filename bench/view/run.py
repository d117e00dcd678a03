"""What a look at a large file takes: make bench, or

    run.py [--count N] [--lanes N]... [--rounds N] [--save FILE] [--dir DIRECTORY] [--json]

A file of a million workflows is made (million.py), in 9 lanes and in 10,000; then each question of `wfext.view` is asked, and the commands are run. `ms` is the median of the rounds,
`longest` the longest single statement of all of them, for which the bar is 50 ms, `cpu` the median on the processor: what is left of `ms` was waited for. The commands are processes of their
own, beside a Python that does nothing. `busy` is a statement that took longer, but not on the processor: the machine had no time for it, so ask again when it has.
"""

import argparse
import contextlib
import io
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(ROOT / "bindings/python/src"))
os.environ.setdefault("WFEXT_LIBRARY", str(ROOT / "build/libwfext.so"))

import million  # noqa: E402
from wfext import cli  # noqa: E402
from wfext.view import errors, files, lists, one, overview, tables, timeline  # noqa: E402

BAR = 50  # milliseconds of a statement

statements = []  # (milliseconds, milliseconds on the processor, SQL) of those that were made


class Cursor(sqlite3.Cursor):
    """Takes the time from the call to the last row. (Python's own work between two rows is in it.)"""

    def execute(self, sql, *values):
        self.sql, self.began, self.work, self.open = sql, time.perf_counter(), time.thread_time(), True
        super().execute(sql, *values)
        if self.description is None:
            self.end()
        return self

    def end(self):
        if self.open:
            self.open = False
            statements.append(((time.perf_counter() - self.began) * 1000, (time.thread_time() - self.work) * 1000, self.sql))

    def fetchone(self):
        row = super().fetchone()
        self.end()
        return row

    def fetchall(self):
        rows = super().fetchall()
        self.end()
        return rows

    def __next__(self):
        try:
            return super().__next__()
        except (StopIteration, sqlite3.Error):
            self.end()
            raise


class Connection(sqlite3.Connection):
    def execute(self, sql, *values):
        return self.cursor(Cursor).execute(sql, *values)


def questions(connection):
    """(what, the call) of everything that is asked."""
    f = lists.Filter
    now = files.now(connection)
    middle = lists.last_seq(connection) // 2

    def listed(**given):
        return lambda: lists.list_workflows(connection, f(**given))

    yield "list: newest", listed()
    yield "list: a page in the middle", lambda: lists.list_workflows(connection, before=middle)
    for status in lists.STATUSES:
        yield f"list: {status}", listed(status=(status,))
    yield "list: of a name", listed(name="charge")
    yield "list: of a rare queue", listed(queue="rare")
    yield "list: of a queue, failed", listed(queue="mail", status=("failed",))
    yield "list: of a worker", listed(worker="worker-7")
    yield "list: of a worker that there is not (2 s)", listed(worker="nobody")
    yield "list: of a version that there is not (2 s)", listed(version="7")
    yield "list: by the start of an id", listed(id_prefix="00000a7")
    yield "list: of the last minute", listed(since=now - 60_000)
    yield "list: of an error", listed(status=("failed",), error="Error3: no answer after # ms")
    yield "count: failed of a name", lambda: lists.count_matching(connection, f(status=("failed",), name="charge"))
    yield "count: of an error (2 s)", lambda: lists.count_matching(connection, f(status=("failed",), error="Error3: no answer after # ms"))
    yield "workflow: all of it, 20,000 steps", lambda: whole(connection, "mail-charge")
    yield "workflow: the middle part of its steps", lambda: one.steps(connection, "mail-charge", after=10_000)
    yield "overview", lambda: overview.overview(connection)
    yield "overview: ended per minute", lambda: overview.ended_per_minute(connection)
    yield "overview: what waits for people", lambda: overview.people(connection)
    yield "overview: workers", lambda: overview.workers(connection)
    yield "errors in groups (1 s)", lambda: errors.errors(connection)
    yield "queues", lambda: tables.queues(connection)
    yield "schedules, definitions, in doubt", lambda: (tables.schedules(connection), tables.definitions(connection), tables.in_doubt(connection))


def whole(connection, id):
    workflow = one.workflow(connection, id)
    steps, failures = one.last_steps(connection, id), one.failures(connection, id)
    timeline.timeline(workflow, steps, failures, files.now(connection))
    return one.signals(connection, id), one.values(connection, id), one.streams(connection, id), one.children(connection, id)


def measure(path, lanes, rounds):
    lines = []
    with files.open_file(path) as file:
        for what, ask in questions(file.connection):
            taken, cpu, longest = [], [], (0.0, 0.0, "")
            for _ in range(rounds + 1):  # the first one reads the file
                statements.clear()
                began, work = time.perf_counter(), time.process_time()
                ask()
                taken.append((time.perf_counter() - began) * 1000)
                cpu.append((time.process_time() - work) * 1000)
                longest = max(longest, max(statements, default=(0.0, 0.0, "")))
            line = {"name": what, "lanes": lanes, "ms": statistics.median(taken[1:]), "cpu": statistics.median(cpu[1:]), "longest": longest[0], "longest_cpu": longest[1], "bar": BAR}
            line["verdict"] = "ok" if longest[0] <= BAR else "MISS" if longest[1] > BAR else "busy"
            line["statement"] = " ".join(longest[2].split())[:200]
            lines.append(line)
            show(line)
    return lines


def show(line):
    if not arguments.json:
        print(f"{line['name']:<46}{line['lanes'] or '':>7}  {line['ms']:>9.1f} ms{line['cpu']:>9.1f} cpu{line['longest']:>8.1f} longest{line.get('longest_cpu', 0):>8.1f} cpu  {line['verdict']}", flush=True)


def commands(path, lanes, rounds):
    """Processes, in turns with a Python that does nothing."""
    lines = []
    nothing = [sys.executable, "-c", "import sqlite3"]
    for words in (["status", path], ["ls", path], ["show", path, "mail-charge"], ["errors", path]):
        ours, bare, cpu = [], [], []
        for _ in range(rounds):
            for command, into in ((nothing, bare), ([sys.executable, "-m", "wfext.cli", *words], ours)):
                began = time.perf_counter()
                used = os.times()
                done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")}, capture_output=True)
                into.append((time.perf_counter() - began) * 1000)
                if into is ours:
                    assert done.returncode == 0, done.stderr.decode()
                    after = os.times()
                    cpu.append((after.children_user + after.children_system - used.children_user - used.children_system) * 1000)
        line = {"name": f"wfext {words[0]}", "lanes": lanes, "ms": statistics.median(ours), "cpu": statistics.median(cpu), "longest": 0, "bar": 0, "verdict": f"a Python that does nothing: {statistics.median(bare):.0f} ms"}
        lines.append(line)
        show(line)
    return lines


def start_up(rounds):
    """What a command takes in a file that is next to empty: for the bar of 100 ms."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "small.db")
        with contextlib.redirect_stdout(io.StringIO()):
            cli.main(["start", path, "job"])
        found = commands_on(path, rounds)
    return found


def commands_on(path, rounds):
    taken, cpu = [], []
    for _ in range(rounds * 3):
        began, used = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-m", "wfext.cli", "ls", path], env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")}, capture_output=True, check=True)
        after = os.times()
        taken.append((time.perf_counter() - began) * 1000)
        cpu.append((after.children_user + after.children_system - used.children_user - used.children_system) * 1000)
    middle = statistics.median(taken)
    line = {"name": "wfext ls of a small file", "lanes": 0, "ms": middle, "cpu": statistics.median(cpu), "longest": 0, "bar": 100, "verdict": "ok" if middle <= 100 else "MISS"}
    show(line)
    return [line]


def main():
    sqlite3_connect = sqlite3.connect
    files.sqlite3.connect = lambda *given, **named: sqlite3_connect(*given, **{"factory": Connection, **named})
    lines = start_up(arguments.rounds)
    for lanes in arguments.lanes or [0, 10_000]:
        with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
            path = os.path.join(folder, "million.db")
            million.make(path, arguments.count, lanes)
            lines += measure(path, lanes, arguments.rounds)
            lines += commands(path, lanes, arguments.rounds)
    if arguments.json:
        print(json.dumps(lines, indent=1))
    if arguments.save:
        Path(arguments.save).write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--lanes", type=int, action="append", help="0: nine lanes; may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save")
    parser.add_argument("--dir")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    main()
