"""A real rqlite: RQLITED=path of rqlited, 10.0 or later. It is in no package registry, so without it these are skipped, and the summary says so.

    RQLITED=~/rqlite-v10.2.7-linux-amd64/rqlited make test PYTEST="-k test_rqlite"
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from support import extension_path

RQLITED = os.environ.get("RQLITED")
if not RQLITED:
    pytest.skip("RQLITED names no rqlited: this is NOT tested (docs/cluster.md)", allow_module_level=True)
if sys.version_info < (3, 11):
    pytest.skip("the package wants Python 3.11", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "cluster"), str(ROOT / "bindings" / "python" / "src")]

import wfext
from nodes import free_ports
from wfext import Cluster


class Rqlite:
    """Three nodes on this machine, as docs/cluster.md starts them."""

    def __init__(self, folder):
        self.folder, self.ports, self.running = folder, dict(enumerate(free_ports(3), 1)), {}

    def start(self, *nodes):
        for node in nodes or self.ports:
            port = self.ports[node]
            join = [] if node == 1 else ["-join", f"127.0.0.1:{self.ports[1] + 1}"]
            command = [RQLITED, "-node-id", str(node), "-http-addr", f"127.0.0.1:{port}", "-raft-addr", f"127.0.0.1:{port + 1}", "-extensions-path", extension_path(), *join, str(self.folder / f"node-{node}")]
            with open(self.folder / f"node-{node}.log", "ab") as log:
                self.running[node] = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TZ": "UTC"})
            self.wait_ready(node)
        return self

    def wait_ready(self, node):
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[node]}/readyz", timeout=1):
                    return
            except OSError:
                assert time.monotonic() < until and self.running[node].poll() is None, (self.folder / f"node-{node}.log").read_text()[-2000:]
                time.sleep(0.1)

    @property
    def url(self):
        return "http://" + ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def leader(self):
        cluster = Cluster(self.url, engine="rqlite", patience=60)
        cluster.read([["SELECT 1"]], level="strong")
        return next(node for node, port in self.ports.items() if (cluster._leader or "").endswith(f":{port}"))

    def kill(self, node):
        self.running[node].send_signal(signal.SIGKILL)
        self.running.pop(node).wait()

    def close(self):
        for node in list(self.running):
            self.kill(node)


@pytest.fixture
def rqlite(tmp_path):
    nodes = Rqlite(tmp_path)
    yield nodes.start()
    nodes.close()


@pytest.fixture
def cluster(rqlite):
    cluster = Cluster(rqlite.url, patience=60)
    cluster.write([["SELECT wf_init()"], ["SELECT wf_config('clock', 'explicit')"]], repeat=True)
    return cluster


def digests(rqlite):
    tables = ["_wf_workflow", "_wf_step", "_wf_config"]
    out = []
    for port in rqlite.ports.values():
        one = Cluster(f"http://127.0.0.1:{port}", engine="rqlite")
        one._look_around = lambda: None
        out.append([one.read([[f"SELECT * FROM {table}"]], level="local")[0].rows for table in tables])
    return out


def test_workflows_go_on_while_leaders_die(rqlite, cluster):
    cluster.write([["CREATE TABLE done(workflow, step)"]])
    over, trouble = threading.Event(), []

    def work(name):
        mine = Cluster(rqlite.url, patience=60)
        try:
            while not over.is_set():
                claimed = mine.call("wf_claim", "default", name)
                if claimed is None:
                    mine.wait(0.5, {"queue": "default"})
                    continue
                claim = json.loads(claimed)
                for step in ("a", "b", "c"):
                    mine.transaction(claim["token"], step, [["INSERT INTO done VALUES(?, ?)", [claim["id"], step]]], '"x"')
                mine.call("wf_complete", claim["token"], '"y"')
        except wfext.NotOurs:
            pass
        except Exception as error:
            trouble.append(error)

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for n in range(60):
        cluster.call("wf_start", "job", None, json.dumps({"id": f"j{n}"}))
    for _ in range(2):
        leader = rqlite.leader()
        rqlite.kill(leader)
        cluster.call("wf_status", "j0")
        rqlite.start(leader)
    while cluster.read([["SELECT count(*) FROM wf_workflows WHERE status <> 'completed'"]])[0].value and not trouble:
        time.sleep(0.1)
    over.set()
    for worker in workers:
        worker.join()
    assert trouble == []
    assert cluster.read([["SELECT count(*), count(DISTINCT workflow || step) FROM done"]], level="strong")[0].rows == [[180, 180]]
    until = time.monotonic() + 60
    while len({json.dumps(each) for each in digests(rqlite)}) > 1:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_an_app(rqlite, cluster):
    app = wfext.App(rqlite.url)

    @app.step
    def double(n: int) -> int:
        return 2 * n

    @app.workflow
    def twice(ctx: wfext.Context, n: int) -> int:
        ctx.sleep(0.01)
        return double(n)

    with app.worker():
        assert twice.start(4).result(timeout=60) == 8
    app.close()


def test_a_write_by_a_read_is_refused(cluster):
    with pytest.raises(wfext.Error):
        cluster.read([["SELECT wf_emit('x', '1', '{\"now\": 1}')"]])


def test_a_file_goes_in_and_comes_out(rqlite, cluster, connect, tmp_path):
    db = connect(tmp_path / "single.db")
    db.wf_start("job", id="from-file")
    db.wf_config("clock", "explicit")
    db.close()
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{rqlite.ports[rqlite.leader()]}/db/load", (tmp_path / "single.db").read_bytes(), {"Content-Type": "application/octet-stream"})):
        pass
    assert cluster.call("wf_status", "from-file") == "pending"
    with urllib.request.urlopen(f"http://127.0.0.1:{rqlite.ports[rqlite.leader()]}/db/backup") as response:
        (tmp_path / "back.db").write_bytes(response.read())
    back = connect(tmp_path / "back.db")
    assert back.wf_status("from-file") == "pending" and back.wf_check() is None
