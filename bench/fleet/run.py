"""What a fleet of many files costs (docs/fleets.md): part of make bench, or

    run.py [--quick] [--files N] [--json] [--save FILE] [--dir DIRECTORY] [--library FILE]

Times and shares of this machine, in the table of bench/report.cpp; the bars are those of the contract, for 1,000 files. Each file has 100 workflows that wait.
"""

import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import lines  # noqa: E402

FUNCTIONS = '''
import os, time

def note(job):
    now = time.time_ns()
    with open(os.environ["TRACE"], "a") as trace:
        trace.write("%s %d\\n" % (job.id, now))

FUNCTIONS = {"note": note}
'''


def connect(path, library):
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.enable_load_extension(True)
    db.load_extension(str(library))
    return db


def make_fleet(folder, files, library):
    folder.mkdir()
    first = folder / "agent-0.db"
    db = connect(first, library)
    db.execute("PRAGMA page_size = 1024")
    db.execute("PRAGMA journal_mode = wal")
    db.execute("BEGIN IMMEDIATE")
    for i in range(100):
        db.execute("SELECT wf_await(wf_start('chat', NULL, json_object('id', ?)), 'message', 'message')", ("w%d" % i,))
    db.execute("COMMIT")
    db.close()
    for i in range(1, files):
        shutil.copy(first, folder / f"agent-{i}.db")


def median_ms(rounds, function):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        function()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def open_each(folder):
    """What anyone has to do who looks into each file: one statement in each."""
    for path in sorted(folder.glob("*.db")):
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        db.execute("SELECT count(*) FROM _wf_workflow WHERE place IS NOT NULL").fetchone()
        db.close()


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("bench/fleet: waited in vain")
        time.sleep(0.002)


def of_the_runner(folder, given, rows, quick):
    """The idle runner, and how soon it begins what another process has put into a file."""
    (folder.parent / "functions.py").write_text(FUNCTIONS)
    trace = folder.parent / "trace"
    trace.touch()
    runner = subprocess.Popen([sys.executable, str(ROOT / "examples/fleet/runner.py"), str(folder), "--library", str(given.library), "--functions", "functions:FUNCTIONS"],
                              cwd=folder.parent, env={**os.environ, "TRACE": str(trace)}, stderr=subprocess.DEVNULL)
    try:
        rng, times, syncs = random.Random(1), [], []
        files = rng.sample(sorted(folder.glob("*.db")), min(100, given.files))
        read = 0

        def begun():
            return trace.stat().st_size > read

        for i in range(10 if quick else 500):
            db = connect(rng.choice(files), given.library)
            db.execute("SELECT wf_start('note', NULL, json_object('id', ?))", ("job-%d" % i,))
            committed = time.time_ns()
            wait_for(begun)
            times.append((int(trace.read_bytes()[read:].split()[1]) - committed) / 1e6)
            read = trace.stat().st_size
            db.close()
            began = time.perf_counter()
            with open(folder.parent / "synced", "w") as file:
                file.write("x" * 4096)
                file.flush()
                os.fsync(file.fileno())
            syncs.append((time.perf_counter() - began) * 1e3)
        syncs.sort()
        times = sorted(times[1:])  # without the one that came while it started
        time.sleep(1 if quick else 3)
        seconds = 1 if quick else 35   # one look through the folder for safety's sake is among them
        before = cpu_of(runner.pid)
        time.sleep(seconds)
        share = (cpu_of(runner.pid) - before) / seconds * 100
        descriptors = len(os.listdir(f"/proc/{runner.pid}/fd"))
        rows.append(("the runner: from another process's commit to the function, p50", statistics.median(times), "ms", 50, 10, ""))
        rows.append(("the same, p99", times[int(len(times) * 0.99)], "ms", 50, 10, f"the longest {times[-1]:.1f} ms; a file brought to this disk (the claim is), p99 {syncs[int(len(syncs) * 0.99)]:.1f} ms"))
        rows.append(("the runner while nothing is to be done, of a core", share, "%", 1, 0.1, f"{descriptors} descriptors"))
    finally:
        runner.terminate()
        runner.wait()


def measure(given, scratch):
    rows = []
    folder, index = scratch / "agents", scratch / "agents.idx"
    make_fleet(folder, given.files, given.library)
    time.sleep(0.3)                    # so that no time of a file is too young to be relied on
    db = connect(":memory:", given.library)
    pattern = str(folder / "*.db")

    def look(*index):
        found = db.execute("SELECT * FROM wf_fleet(%s)" % ", ".join("?" * (1 + len(index))), (pattern, *map(str, index))).fetchall()
        if len(found) != given.files or any(row[1] for row in found):
            raise SystemExit("bench/fleet: a file was not read")

    rounds = 1 if given.quick else 7
    raw = median_ms(rounds, lambda: open_each(folder))
    rows.append((f"wf_fleet, {given.files:,} files, each looked into", median_ms(rounds, look), "ms", 1000, 500, f"a count(*) in each of them {raw:.0f} ms"))
    look(index)
    rows.append((f"wf_fleet with its index, {given.files:,} files, none changed", median_ms(5 * rounds, lambda: look(index)), "ms", 50, 10, ""))
    one = connect(folder / "agent-0.db", given.library)
    rows.append(("wf_next_due of an open file", median_ms(20 * rounds, lambda: one.execute("SELECT wf_next_due()").fetchone()), "ms", 0, 0, ""))
    one.close()
    for size in (4096, 1024, 512):
        empty = connect(scratch / f"empty-{size}.db", given.library)
        empty.execute(f"PRAGMA page_size = {size}")
        empty.execute("SELECT wf_init()")
        rows.append((f"an empty file, page_size {size}", empty.execute("SELECT page_count * page_size / 1024 FROM pragma_page_count, pragma_page_size").fetchone()[0], "KiB", 0, 0, ""))
        empty.close()
    if sys.platform == "linux":
        of_the_runner(folder, given, rows, given.quick)
    return [lines.row(name, value, unit, bar, goal, note=note) for name, value, unit, bar, goal, note in rows]


def main():
    parser = lines.options("bench/fleet/run.py", "few files, few rounds")
    parser.add_argument("--files", type=int, default=0)
    given = parser.parse_args()
    given.files = given.files or (20 if given.quick else 1000)
    given.library = os.path.abspath(given.library)
    scratch = Path(tempfile.mkdtemp(dir=given.dir, prefix="wfext-fleet-"))
    try:
        rows = measure(given, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines.give(rows, given)
    if not given.json:
        print("\n".join(map(lines.line, rows)))


if __name__ == "__main__":
    main()
