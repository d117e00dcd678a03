"""Three nodes on this machine, workers, and one node after the other is killed while it leads: what was acknowledged is there, once, on all nodes.

    make demo-cluster                                    500 workflows of 3 steps, 8 workers, 10 kills, one node rebuilt from nothing
    python3 cluster/demo.py NODE [--workflows 500] [--workers 8] [--kills 10] [--all-at-once 0]

A step writes a row of the application's and its record in one transaction, and the table of these rows has no key: what is done twice is there twice.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bindings" / "python" / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from nodes import Nodes  # noqa: E402

from wfext import NotOurs  # noqa: E402
from wfext.errors import Busy  # noqa: E402

STEPS = ("reserve", "charge", "ship")


class Workload:
    """Starts workflows, works on them, and remembers what it was told."""

    def __init__(self, nodes, workflows, workers):
        self.nodes, self.workflows, self.workers = nodes, workflows, workers
        self.started, self.stepped, self.completed = set(), set(), set()
        self.gaps, self.errors = [], []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = []

    def begin(self):
        cluster = self.nodes.cluster(patience=120)
        cluster.write([["CREATE TABLE IF NOT EXISTS done(workflow TEXT, step TEXT, worker TEXT)"], ["CREATE TABLE IF NOT EXISTS probe(id INTEGER PRIMARY KEY, n INTEGER)"]], repeat=True)
        self._thread(self._start_all)
        self._thread(self._probe)
        for number in range(self.workers):
            self._thread(self._work, f"worker-{number}")
        return self

    def _thread(self, target, *args):
        def run():
            try:
                target(*args)
            except Exception as error:
                with self.lock:
                    self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _start_all(self):
        cluster = self.nodes.cluster(patience=120)
        for number in range(self.workflows):
            id = f"order-{number}"
            cluster.call("wf_start", "order", json.dumps({"number": number}), json.dumps({"id": id}))
            with self.lock:
                self.started.add(id)

    def _probe(self):
        """A write every few milliseconds: the longest time between two that were answered is the gap that callers see."""
        cluster, last, n = self.nodes.cluster(patience=120), None, 0
        while not self.over.is_set():
            n += 1
            cluster.write([["REPLACE INTO probe VALUES (1, ?)", [n]]], repeat=True)
            now = time.monotonic()
            if last is not None:
                self.gaps.append((now - last, now))
            last = now
            time.sleep(0.02)

    def _work(self, name):
        cluster = self.nodes.cluster(patience=120)
        while not self.over.is_set():
            claim = cluster.call("wf_claim", "default", name, json.dumps({"lease": 60}))
            if claim is None:
                if self.is_done():
                    return
                try:
                    cluster.wait(2.0, {"queue": "default"})
                except Busy:
                    time.sleep(0.1)
                continue
            claim = json.loads(claim)
            try:
                for step in STEPS:
                    cluster.transaction(claim["token"], step, [["INSERT INTO done VALUES (?, ?, ?)", [claim["id"], step, name]]], json.dumps({"by": name}))
                    with self.lock:
                        self.stepped.add((claim["id"], step))
                cluster.call("wf_complete", claim["token"], '"shipped"')
                with self.lock:
                    self.completed.add(claim["id"])
            except NotOurs:
                continue  # somebody else goes on with it

    def is_done(self):
        with self.lock:
            return len(self.completed) >= self.workflows

    def progress(self):
        with self.lock:
            return len(self.completed)

    def finish(self, patience):
        """Waits until all are completed, and everything has stopped."""
        until = time.monotonic() + patience
        while not self.is_done():
            if self.errors:
                raise self.errors[0]
            if time.monotonic() > until:
                raise TimeoutError(f"{self.progress()} of {self.workflows} workflows after {patience} s")
            time.sleep(0.05)
        self.over.set()
        for thread in self.threads:
            thread.join(60)
        if self.errors:
            raise self.errors[0]

    def check(self):
        """Compares what was acknowledged with what a node has."""
        cluster = self.nodes.cluster(patience=60)
        ids = {row[0] for row in cluster.read([["SELECT id FROM wf_workflows WHERE name = 'order'"]], level="strong")[0].rows}
        ended = {row[0] for row in cluster.read([["SELECT id FROM wf_workflows WHERE name = 'order' AND status = 'completed'"]], level="strong")[0].rows}
        recorded = {tuple(row) for row in cluster.read([["SELECT workflow_id, name FROM wf_steps"]], level="strong")[0].rows}
        done = [tuple(row) for row in cluster.read([["SELECT workflow, step FROM done"]], level="strong")[0].rows]
        return {
            "acknowledged": len(self.started) + len(self.stepped) + len(self.completed),
            "lost": len(self.started - ids) + len(self.stepped - recorded) + len(self.stepped - set(done)) + len(self.completed - ended),
            "done twice": len(done) - len(set(done)),
            "rows without record": len(set(done) - recorded),
        }


def run(binary, folder, *, workflows, workers, kills, all_at_once=0, rebuild=True, say=print, patience=1800):
    """The whole of it: a dictionary of what came out."""
    with Nodes(binary, folder, snapshot=2000) as nodes:  # many snapshots, so that nodes begin anew from one, too
        nodes.start().wait_healthy()
        load = Workload(nodes, workflows, workers).begin()
        killed = []
        for number in range(kills + all_at_once):
            reached = workflows * (number + 1) // (kills + all_at_once + 2)
            while load.progress() < reached and not load.errors:
                time.sleep(0.01)
            if load.errors:
                raise load.errors[0]
            if number >= kills:
                nodes.kill(*nodes.ports)
                nodes.start().wait_healthy()
                say(f"killed all nodes at once at {load.progress()} workflows")
                continue
            nodes.wait_healthy()  # two of three at once would be more than they bear
            leader = nodes.leader()
            at = time.monotonic()
            nodes.kill(leader)
            killed.append(at)
            with contextlib.suppress(TimeoutError):  # another one is being made anew: there is no majority until this one is back
                nodes.leader(patience=10)
            if rebuild and number == kills // 2:
                nodes.wipe(leader)
            nodes.start(leader).wait_healthy()
            say(f"killed node {leader}, which led, at {load.progress()} workflows{', and rebuilt it from nothing' if rebuild and number == kills // 2 else ''}")
        load.finish(patience)
        nodes.wait_equal()
        result = load.check()
        digests = {node: nodes.digest(node) for node in nodes.ports}
        result["digests"] = digests
        result["began anew"] = sum(nodes.log(node).read_text().count("wfext-node: begins anew") for node in nodes.ports)
        result["equal"] = len(set(digests.values())) == 1
        around = [max((gap for gap, ended in load.gaps if at <= ended <= at + 30 and ended - gap <= at + 1), default=0.0) for at in killed]
        result["gaps"] = [round(gap, 2) for gap in around]
        result["longest gap"] = max(result["gaps"], default=0.0)
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("node", help="the program wfext-node")
    parser.add_argument("--workflows", type=int, default=500)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--all-at-once", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wfext-cluster-") as folder:
        result = run(given.node, folder, workflows=given.workflows, workers=given.workers, kills=given.kills, all_at_once=given.all_at_once)
    print()
    for name in ("acknowledged", "lost", "done twice"):
        print(f"{name:<20}{result[name]}")
    print(f"{'digests equal':<20}{'yes' if result['equal'] else 'NO'}   {' '.join(result['digests'].values())}")
    print(f"{'longest gap':<20}{result['longest gap']:.2f} s   {' '.join(map(str, result['gaps']))}")
    return 0 if result["lost"] == 0 and result["done twice"] == 0 and result["rows without record"] == 0 and result["equal"] else 1


if __name__ == "__main__":
    random.seed()
    sys.exit(main())
