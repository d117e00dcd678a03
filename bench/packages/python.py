"""The Python package beside the same calls by hand. What is measured stands in run.py."""

import asyncio
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import wfext

HERE = Path(__file__).resolve().parent


def by_hand(path, synchronous):
    """A connection as one opens it without the package."""
    db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    wfext.load(db)
    db.execute("PRAGMA journal_mode = wal")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    return db


def call(db, sql, *params):
    return db.execute(sql, params).fetchone()[0]


def step(path, steps, rounds, **_):
    """Microseconds of a step in a workflow of plain code, which is what a worker's slot runs, and of the bare call that records one; turn by turn in one file."""
    app = wfext.App(path, synchronous="normal")
    took = []

    @app.step
    def charge(n: int) -> dict:
        return {"ref": "r9"}

    @app.workflow
    def job(ctx: wfext.Context, count: int) -> None:
        begin = time.perf_counter()
        for n in range(count):
            charge(n)
        took.append((time.perf_counter() - begin) / count)

    db = by_hand(path, "normal")
    bare = []
    with app.worker(lease=600):
        for _ in range(rounds):
            job.start(steps).result(timeout=600)
            call(db, "SELECT wf_start('bare', NULL, '{\"queue\": \"bare\"}')")
            token = json.loads(call(db, "SELECT wf_claim('bare', 'me', '{\"lease\": 600}')"))["token"]
            begin = time.perf_counter()
            for n in range(steps):
                json.loads(call(db, "SELECT wf_step(?, ?, ?)", token, f"charge#{n}", json.dumps({"ref": "r9"})))
            bare.append((time.perf_counter() - begin) / steps)
            call(db, "SELECT wf_complete(?)", token)
    return {"us": statistics.median(took) * 1e6, "raw_us": statistics.median(bare) * 1e6}


def all_ended(app, name, ids):
    """Returns when all of these have ended."""
    for id in ids:
        app.handle(id).result(timeout=600)


def slots(path, workflows, slots, rounds, seconds, **_):
    """Of workflows of two steps: the time of each with the package's worker, and with as many threads that claim and record by a connection each."""
    app = wfext.App(path, synchronous="full")

    @app.step
    def charge(n: int) -> int:
        return n

    @app.workflow
    def job(ctx: wfext.Context, n: int) -> int:
        return charge(n) + charge(n)

    def package():
        ids = [job.start(n).id for n in range(workflows)]
        begin = time.perf_counter()
        with app.worker(concurrency=slots):
            all_ended(app, "job", ids)
            return time.perf_counter() - begin

    def work(db):
        while (claim := call(db, "SELECT wf_claim('hand', NULL, '{\"steps\": true}')")) is not None:
            job = json.loads(claim)
            n = job["input"]["n"]
            for name in ("charge", "charge#2"):
                call(db, "SELECT wf_step(?, ?, ?)", job["token"], name, json.dumps(n))
            call(db, "SELECT wf_complete(?, ?)", job["token"], json.dumps(n + n))

    def hand():
        fill(app, "hand", workflows)
        threads = [threading.Thread(target=lambda: work(by_hand(path, "full"))) for _ in range(slots)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin

    return compared(package, hand, workflows, rounds, seconds)


def fill(app, queue, workflows):
    """Starts them, in one transaction."""
    app.database.submit_transaction(lambda tx: [tx.execute("SELECT wf_start('hand', ?, ?)", (f'{{"n": {n}}}', f'{{"queue": "{queue}"}}')).fetchone() for n in range(workflows)]).result()


def loop(path, workflows, slots, rounds, seconds, **_):
    """The same of a loop: coroutines of which each has a connection, used in a thread."""
    app = wfext.App(path, synchronous="full")

    @app.step
    async def charge(n: int) -> int:
        await asyncio.sleep(0)
        return n

    @app.workflow
    async def job(ctx: wfext.AsyncContext, n: int) -> int:
        return await charge(n) + await charge(n)

    def package():
        ids = [job.start(n).id for n in range(workflows)]
        begin = time.perf_counter()
        with app.worker(async_concurrency=slots):
            all_ended(app, "job", ids)
            return time.perf_counter() - begin

    async def work():
        db = by_hand(path, "full")
        while (claim := await asyncio.to_thread(call, db, "SELECT wf_claim('hand', NULL, '{\"steps\": true}')")) is not None:
            job = json.loads(claim)
            n = job["input"]["n"]
            for name in ("charge", "charge#2"):
                await asyncio.to_thread(call, db, "SELECT wf_step(?, ?, ?)", job["token"], name, json.dumps(n))
            await asyncio.to_thread(call, db, "SELECT wf_complete(?, ?)", job["token"], json.dumps(n + n))
        db.close()

    async def all_of_them():
        await asyncio.gather(*(work() for _ in range(slots)))

    def hand():
        fill(app, "hand", workflows)
        begin = time.perf_counter()
        asyncio.run(all_of_them())
        return time.perf_counter() - begin

    return compared(package, hand, workflows, rounds, seconds)


def in_time(rounds, seconds):
    """The rounds, of which none but the first begins when the time is over."""
    begin = time.perf_counter()
    for round in range(rounds):
        if round == 0 or time.perf_counter() - begin < seconds:
            yield round


def compared(package, hand, workflows, rounds, seconds):
    ours, theirs = [], []
    for round in in_time(rounds, seconds):
        for what, times in ((package, ours), (hand, theirs)) if round % 2 == 0 else ((hand, theirs), (package, ours)):
            times.append(what())
    us, raw_us = (statistics.median(times) / workflows * 1e6 for times in (ours, theirs))
    return {"us": us, "raw_us": raw_us, "note": f"{1e6 / us:.0f} a second, by hand {1e6 / raw_us:.0f}"}


def delay(path, workflows, slots, **_):
    """How late a coroutine that sleeps for a millisecond wakes, in the loop that runs the workflows."""
    app = wfext.App(path, synchronous="full")
    late, over = [], threading.Event()

    @app.step
    async def charge(n: int) -> int:
        await asyncio.sleep(0.001)
        return n

    @app.workflow
    async def job(ctx: wfext.AsyncContext, n: int) -> int:
        return await charge(n) + await charge(n)

    async def watch():
        while not over.is_set():
            begin = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - begin - 0.001)

    ids = [job.start(n).id for n in range(workflows)]
    with app.worker(async_concurrency=slots) as worker:
        watching = asyncio.run_coroutine_threadsafe(watch(), worker._loop)
        all_ended(app, "job", ids)
        over.set()
        watching.result(60)
    late.sort()
    return {"value": late[int(len(late) * 0.99)] * 1000, "note": f"p50 {late[len(late) // 2] * 1000:.2f} ms, longest {late[-1] * 1000:.0f} ms"}


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1024


def memory(path, workflows, **_):
    """What the process holds more of, once they wait."""
    app = wfext.App(path, synchronous="normal")

    @app.step
    async def ask(n: int) -> int:
        return n

    @app.workflow
    async def patient(ctx: wfext.AsyncContext, n: int) -> int:
        return await ask(n) + await ctx.wait_signal("go", timeout="7d")

    def suspend(count):
        handles = [patient.start(n) for n in range(count)]
        while any(app.client.rows("SELECT 1 FROM wf_workflows WHERE status IN ('pending', 'running') LIMIT 1")):
            time.sleep(0.05)
        assert handles[-1].status == "waiting"

    with app.worker():
        suspend(20)
        before = resident()
        suspend(workflows)
        after = resident()
    return {"value": max(after - before, 0), "note": f"{before / 1024:.0f} MiB before; a row each, no coroutine"}


def agent(path, agents, rounds, peers, seconds, **_):
    """agent_wfext.py and agent_dbos.py, turn by turn, in processes of their own: seconds of so many agents at once, of which each asks five times, uses four tools, and waits for a person."""
    dbos = Path(peers) / "py/bin/python"
    if not dbos.exists():
        return {"skip": "DBOS is not installed (make bench-peers does)"}
    ours, theirs = [], []
    for round in in_time(rounds, seconds):
        ours.append(run_agent([sys.executable, HERE / "agent_wfext.py"], f"{path}-ours-{round}", agents))
        theirs.append(run_agent([dbos, HERE / "agent_dbos.py"], f"{path}-dbos-{round}", agents))
    us, raw_us = (statistics.median(times) / agents * 1e6 for times in (ours, theirs))
    return {"us": us, "raw_us": raw_us, "note": f"lines: {lines('agent_wfext.py')} and {lines('agent_dbos.py')}"}


def lines(name):
    text = (HERE / name).read_text().split("# --- the agent ---\n")[1].split("# --- ")[0]
    return sum(1 for line in text.splitlines() if line.strip())


def run_agent(command, path, agents):
    done = subprocess.run([*map(str, command), path, str(agents)], capture_output=True, text=True, timeout=1200, env={**os.environ, "PYTHONPATH": os.environ["PYTHONPATH"]})
    if done.returncode != 0:
        raise SystemExit((done.stderr.strip() or "the agent failed").splitlines()[-1])
    return float([line for line in done.stdout.splitlines() if line.startswith("seconds ")][-1].split()[1])


if __name__ == "__main__":
    name, path, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    measures = {each.__name__: each for each in (step, slots, loop, delay, memory, agent)}
    print(json.dumps(measures[name](path, **settings)), flush=True)
    os._exit(0)
