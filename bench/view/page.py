"""What the page costs on a file with 1,000,000 workflows: make bench-page, or

    page.py [--quick] [--json] [--save FILE] [--dir DIRECTORY] [--library FILE]

For each page, in a file of 10 lanes and in one of 10,000 partitions: milliseconds to make it, the median, when nobody has asked before; and the longest of its queries, as a query that
is long keeps the WAL from being written back. Then what ten viewers cost a worker: its jobs, while they look every two seconds and while they do not, in turns. The table is that of
bench/report.cpp: smaller is better.

It needs the libraries of the page (scripts/setup.sh ui).
"""

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT / "bindings/python/src"), str(ROOT / "bindings/python/tests")]
sys.path.append(str(ROOT / "build/ui"))

import lines  # noqa: E402

PAGES = {
    "overview": "/",
    "workflows, newest 50": "/workflows",
    "workflows, failed": "/workflows?status=failed",
    "workflows, waiting": "/workflows?status=waiting",
    "workflows, of a queue": "/workflows?queue=rare",
    "a workflow": "/workflow?id=orders-charge",
    "a workflow, 500 steps": "/workflow?id=mail-charge",
    "queues": "/queues",
    "in doubt": "/in-doubt",
}
# Looked for, for seconds: what counts is that no query is long.
SEARCHES = {"workflows, a filter without an index": "/workflows?version=none", "errors": "/errors"}


longest = [0.0, ""]


class Timed(sqlite3.Connection):
    """Runs each statement to its end at once, and keeps how long the longest has taken."""

    def execute(self, sql, *parameters):
        began = time.perf_counter()
        try:
            return Rows(super().execute(sql, *parameters).fetchall())
        finally:
            took = time.perf_counter() - began
            if took > longest[0]:
                longest[:] = [took, sql]


class Rows(list):
    def fetchall(self):
        return self

    def fetchone(self):
        return self[0] if self else None


def visit(app, path):
    """Makes a page as the server does, without the network."""
    from urllib.parse import urlsplit

    import wfext.ui
    from starlette.requests import Request
    from wfext.ui import pages

    parts = urlsplit(path)
    scope = {"type": "http", "method": "GET", "scheme": "http", "server": ("127.0.0.1", 80), "path": parts.path, "query_string": parts.query.encode(), "headers": [], "root_path": "", "wfext.root": ""}
    answer = getattr(pages, pages.ADDRESSES[parts.path])(Request({**scope, "app": app, "wfext.viewer": wfext.ui.Viewer("bench")}))
    assert answer.status_code == 200, (path, answer.status_code)


def pages_of(path, mix, rounds):
    import wfext.ui

    app = wfext.ui.app(path, auth=None)
    for name, address in {**PAGES, **SEARCHES}.items():
        times, queries = [], []
        count = rounds if name in PAGES else 2
        for n in range(count + 1):
            app.state.desk.sources.get(None).forget()
            longest[:] = [0.0, ""]
            began = time.perf_counter()
            visit(app, address)
            if n:  # the first warms up
                times.append(time.perf_counter() - began)
                queries.append(tuple(longest))
        query, sql = sorted(queries)[len(queries) // 2]
        bars = (50, 20) if name in PAGES else (0, 0)
        yield lines.row(f"{name}, {mix}", statistics.median(times) * 1000, "ms", *bars)
        yield lines.row("  its longest query", query * 1000, "ms", 50, 40, note=" ".join(sql.split())[:90])
    app.state.desk.sources.close()


WORK = """
import sys, time, wfext
path, seconds = sys.argv[1], float(sys.argv[2])
db = wfext.Database(path, synchronous="normal").connect()
def job():
    db.execute("SELECT wf_start('bench', '{}', '{\\"queue\\": \\"bench\\"}')").fetchall()
    token = db.execute("SELECT json_extract(wf_claim('bench', 'w'), '$.token')").fetchone()[0]
    for step in ("a", "b", "c"):
        db.execute("SELECT wf_step(?, ?, '1')", (token, step)).fetchall()
    db.execute("SELECT wf_complete(?)", (token,)).fetchall()
for _ in range(200): job()
print("ready", flush=True)
for line in sys.stdin:
    end, jobs = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        job()
        jobs += 1
    print(jobs, flush=True)
"""


def viewers_cost(path, slices, seconds, viewers=10):
    """Time of a job while ten look, over that while nobody looks."""
    import ui_page

    served = ui_page.Served(path)
    worker = subprocess.Popen([sys.executable, "-c", WORK, str(path), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ui_page.environment())
    assert worker.stdout.readline() == "ready\n"
    looking, ending, seen = threading.Event(), threading.Event(), [0, 0]

    def look(n):
        address, mark, pause = list(PAGES.values())[n % len(PAGES)], "", 2.0
        time.sleep(n * 2 / viewers)
        while not ending.is_set():
            if looking.is_set():
                answer = served.get(address, Wfext_Mark=mark)
                mark = answer.headers.get("wfext-mark", "")
                pause = float(answer.headers.get("wfext-pause", 2))
                seen[answer.status == 204] += 1
            ending.wait(pause)

    threads = [threading.Thread(target=look, args=(n,)) for n in range(viewers)]
    for each in threads:
        each.start()
    jobs = {False: [], True: []}
    for n in range(2 * slices):
        with_viewers = n % 2 == 1
        looking.set() if with_viewers else looking.clear()
        worker.stdin.write("go\n")
        worker.stdin.flush()
        jobs[with_viewers].append(int(worker.stdout.readline()))
    ending.set()
    for each in threads:
        each.join()
    worker.stdin.close()
    worker.wait()
    served.close()
    alone, looked_at = statistics.median(jobs[False]), statistics.median(jobs[True])
    note = f"{looked_at / seconds:,.0f} jobs/s; {seen[0]} pages, {seen[1]} times nothing new"
    return lines.row("a worker's job, ten viewers / nobody looks", alone / looked_at, "x", 1.05, 1.02, note=note)


def main():
    given = lines.options("bench/view/page.py", "a small file").parse_args()
    os.environ["WFEXT_LIBRARY"] = str(Path(given.library).resolve())
    import million

    scratch = Path(tempfile.mkdtemp(dir=given.dir, prefix="wfext-view-"))
    real = sqlite3.connect
    rows = []

    def say(row):
        rows.append(row)
        if not given.json:
            print(lines.line(row), flush=True)

    if not given.json:
        print(lines.head(), flush=True)
    try:
        count = 2000 if given.quick else 1_000_000
        for mix, partitions in {"10 lanes": 0, f"{count // 100:,} partitions": count // 100}.items():
            path = scratch / f"{partitions}.db"
            million.make(str(path), count, partitions)
            sqlite3.connect = lambda *arguments, **options: real(*arguments, **{"factory": Timed, **options})
            for row in pages_of(path, mix, 3 if given.quick else 9):
                say(row)
            sqlite3.connect = real
            if not partitions:
                say(viewers_cost(path, 1 if given.quick else 7, 1 if given.quick else 6))
            path.unlink()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines.give(rows, given)


if __name__ == "__main__":
    main()
