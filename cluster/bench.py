"""Writes per second and how long one takes, for 1, 8 and 32 clients: three nodes on this machine beside the single file at synchronous=FULL.

    make bench-cluster                     CLUSTER="--seconds 10" passes arguments

A write is wf_start; a client is a process that waits for each answer. The nodes and the clients share this machine and its disk, so a cluster of three machines does better.
"""

import argparse
import json
import multiprocessing
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bindings" / "python" / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from nodes import Nodes  # noqa: E402

from wfext import Cluster, load, loadable_path  # noqa: E402


def of_cluster(url, name, barrier, seconds, times):
    cluster = Cluster(url, engine="hiqlite")
    cluster.functions()
    cluster.call("wf_start", "warm-up", None, json.dumps({"id": f"{name}-warm-up"}))
    measure(lambda n: cluster.call("wf_start", "job", None, json.dumps({"id": f"{name}-{n}"})), barrier, seconds, times)


def of_batches(url, name, barrier, seconds, times):
    cluster = Cluster(url, engine="hiqlite")
    cluster.functions()

    def start_twenty(n):
        cluster.write([cluster.statement("wf_start", ["job", None, json.dumps({"id": f"{name}-{n}-{i}"})]) for i in range(20)], repeat=True)

    measure(start_twenty, barrier, seconds, times)


def of_file(path, name, barrier, seconds, times):
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    load(db)
    db.execute("SELECT wf_busy_timeout(60)").fetchall()
    db.execute("PRAGMA synchronous = FULL")
    measure(lambda n: db.execute("SELECT wf_start('job', NULL, ?)", (json.dumps({"id": f"{name}-{n}"}),)).fetchall(), barrier, seconds, times)


def measure(write, barrier, seconds, times):
    barrier.wait()
    until, taken, n = time.monotonic() + seconds, [], 0
    while (begun := time.monotonic()) < until:
        write(n)
        taken.append(time.monotonic() - begun)
        n += 1
    times.put(taken)


def run(client, where, clients, seconds):
    barrier, times = multiprocessing.Barrier(clients), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=client, args=(where, f"{os.getpid()}-{clients}-{client.__name__}-{n}", barrier, seconds, times)) for n in range(clients)]
    for process in processes:
        process.start()
    taken = sorted(one for _ in processes for one in times.get())
    for process in processes:
        process.join()
    return len(taken) / seconds, statistics.median(taken) * 1000, taken[int(len(taken) * 0.99)] * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("node", help="the program wfext-node")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32])
    given = parser.parse_args()
    loadable_path()
    print(f"{'':<42}{'clients':>8}{'writes/s':>10}{'p50 ms':>9}{'p99 ms':>9}")

    def line(name, clients, measured, times=1):
        print(f"{name:<42}{clients:>8}{measured[0] * times:>10.0f}{measured[1]:>9.2f}{measured[2]:>9.2f}", flush=True)

    with tempfile.TemporaryDirectory(prefix="wfext-bench-", dir=os.environ.get("WFEXT_BENCH_DIR")) as folder:
        path = os.path.join(folder, "single.db")
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode = wal")
        db.close()
        for clients in given.clients:
            line("one file, synchronous=FULL", clients, run(of_file, path, clients, given.seconds))
        for fsync in ("answer", "200"):
            with Nodes(given.node, os.path.join(folder, f"nodes-{fsync}"), fsync=fsync) as nodes:
                nodes.start().wait_healthy()
                for clients in given.clients:
                    line(f"three nodes, --fsync {fsync}", clients, run(of_cluster, nodes.urls, clients, given.seconds))
                line(f"three nodes, --fsync {fsync}, 20 in a request", 8, run(of_batches, nodes.urls, 8, given.seconds), 20)


if __name__ == "__main__":
    main()
