"""A real rqlite: RQLITED=path of rqlited (8.43 and 10 were tried). It is in no package registry, so without it these are skipped, and the summary says so.

    RQLITED=~/rqlite-v8.43.4-linux-amd64/rqlited make test PYTEST="-k test_rqlite"
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
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
    """Nodes on this machine, as docs/cluster.md starts them."""

    def __init__(self, folder, count):
        self.folder, self.ports, self.running = folder, dict(enumerate(free_ports(count), 1)), {}

    def start(self, *nodes, join=1):
        for node in nodes or self.ports:
            port = self.ports[node]
            join_by = [] if node == join else ["-join", f"127.0.0.1:{self.ports[join] + 1}"]
            command = [RQLITED, "-node-id", str(node), "-http-addr", f"127.0.0.1:{port}", "-raft-addr", f"127.0.0.1:{port + 1}", "-extensions-path", extension_path(), *join_by, str(self.folder / f"node-{node}")]
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


    def followers(self):
        leader = self.leader()
        return [node for node in self.ports if node != leader]

    def ask(self, path, body=None, node=None):
        """Status and answer of a request as it is, without the client."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[node or self.leader()]}{path}", data, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, answer = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, answer = error.code, error.read()
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer


@pytest.fixture(params=[1, 3], ids=["one-node", "three-nodes"])
def rqlite(request, tmp_path):
    nodes = Rqlite(tmp_path, request.param)
    yield nodes.start()
    nodes.close()


@pytest.fixture
def three(tmp_path):
    nodes = Rqlite(tmp_path, 3)
    yield nodes.start()
    nodes.close()


def prepared(nodes):
    cluster = Cluster(nodes.url, patience=60)
    cluster.write([["SELECT wf_init()"], ["SELECT wf_config('clock', 'explicit')"]], repeat=True)
    return cluster


@pytest.fixture
def cluster(rqlite):
    return prepared(rqlite)


def digests(nodes, *tables):
    """Of the engine's tables by wf_digest, and every row of others, as each node has them."""
    out = set()
    for node in nodes.ports:
        rows = [nodes.ask("/db/query?level=none", [["SELECT wf_digest() AS digest"]], node)[1]["results"][0]["values"]]
        rows += [nodes.ask("/db/query?level=none", [[f"SELECT * FROM {table} ORDER BY 1, 2"]], node)[1]["results"][0].get("values") for table in tables]
        out.add(json.dumps(rows))
    return out


def wait_equal(nodes, *tables):
    until = time.monotonic() + 60
    while len(digests(nodes, *tables)) > 1:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_workflows_go_on_while_nodes_die(rqlite, cluster):
    """500 of 3 steps, 4 workers, and whoever leads is killed three times."""
    count = 500
    cluster.write([["CREATE TABLE done(workflow, step)"]])
    over, trouble = threading.Event(), []

    def work(name):
        mine = Cluster(rqlite.url, patience=120)
        try:
            while not over.is_set():
                claimed = mine.call("wf_claim", "default", name)
                if claimed is None:
                    mine.wait(0.5, {"queue": "default"})
                    continue
                claim = json.loads(claimed)
                try:
                    for step in ("a", "b", "c"):
                        mine.transaction(claim["token"], step, [["INSERT INTO done VALUES(?, ?)", [claim["id"], step]]], '"x"')
                    mine.call("wf_complete", claim["token"], '"y"')
                except wfext.NotOurs:
                    continue  # its lease has ended, and somebody else goes on with it
        except wfext.cluster.Unreachable as error:
            if not over.is_set():
                trouble.append(error)
        except Exception as error:
            trouble.append(error)

    def start_all():
        mine = Cluster(rqlite.url, patience=120)
        try:
            for n in range(count):
                mine.call("wf_start", "job", None, json.dumps({"id": f"j{n}"}))
        except Exception as error:
            trouble.append(error)

    def completed():
        return cluster.read([["SELECT count(*) FROM wf_workflows WHERE status = 'completed'"]])[0].value

    threads = [threading.Thread(target=start_all), *(threading.Thread(target=work, args=(f"w{n}",)) for n in range(4))]
    for thread in threads:
        thread.start()
    for kill in range(1, 4):
        while completed() < count * kill // 5 and not trouble:
            time.sleep(0.05)
        leader = rqlite.leader()
        rqlite.kill(leader)
        if len(rqlite.ports) > 1:
            cluster.call("wf_status", "j0")
        rqlite.start(leader)
    while completed() < count and not trouble:
        time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert cluster.read([["SELECT count(*), count(DISTINCT workflow || step) FROM done"]], level="strong")[0].rows == [[3 * count, 3 * count]]
    assert cluster.read([["SELECT count(*) FROM wf_steps"]], level="strong")[0].value == 3 * count
    wait_equal(rqlite, "done")


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


def test_a_call_is_a_strong_request_and_its_column_has_a_name(rqlite, cluster):
    """To any node. Below strong it is refused, as it would run on one node alone."""
    given = json.dumps({"id": "w", "now": 1_800_000_000})
    for node in rqlite.ports:
        status, answer = rqlite.ask("/db/request?level=strong", [["SELECT wf_start(?, ?, ?) AS result", "job", None, given]], node)
        assert (status, answer["results"][0]["columns"], answer["results"][0]["values"]) == (200, ["result"], [["w"]]), answer
    for path in ("/db/request", "/db/request?level=none", "/db/request?level=weak", "/db/query?level=none", "/db/query?level=weak", "/db/query?level=strong"):
        status, answer = rqlite.ask(path, [["SELECT wf_start('job', NULL, '{\"id\": \"no\", \"now\": 1}') AS result"]])
        assert status == 200 and "error" in answer["results"][0], (path, answer)
    assert cluster.read([["SELECT count(*) FROM wf_workflows"]], level="strong")[0].value == 1
    wait_equal(rqlite)


def test_what_execute_gives(rqlite, cluster):
    """Why it is not for calls: it writes, and gives no row."""
    status, answer = rqlite.ask("/db/execute", [["SELECT wf_start('job', NULL, '{\"id\": \"w\", \"now\": 1}') AS result"]])
    assert status == 200 and "values" not in answer["results"][0], answer
    assert cluster.read([["SELECT id FROM wf_workflows"]], level="strong")[0].rows == [["w"]]


def test_rows_and_step_are_one_transaction(rqlite, cluster):
    cluster.write([["CREATE TABLE sale(cents INTEGER CHECK (cents > 0))"]])
    cluster.call("wf_start", "job", None, '{"id": "w"}')
    token = json.loads(cluster.call("wf_claim", "default", "me"))["token"]
    with pytest.raises(wfext.Error, match="CHECK"):
        cluster.transaction(token, "book", [["INSERT INTO sale VALUES(1)"], ["INSERT INTO sale VALUES(-1)"]])
    assert cluster.read([["SELECT count(*) FROM sale"]], level="strong")[0].value == 0
    for _ in range(2):  # the second time it is recorded already
        assert cluster.transaction(token, "book", [["INSERT INTO sale VALUES(?)", [400]]], '"booked"') == '"booked"'
    assert cluster.read([["SELECT cents FROM sale"]], level="strong")[0].rows == [[400]]
    wait_equal(rqlite, "sale, sale")
    # As it is: what stood before the failure is listed, and rolled back.
    now = json.dumps({"now": time.time()})
    given = [["INSERT INTO sale VALUES(7)"], ["SELECT wf_step(?, ?, ?, ?) AS result", token, "more", "1", now], ["INSERT INTO sale VALUES(-1)"]]
    status, answer = rqlite.ask("/db/request?level=strong&transaction", given)
    assert status == 200 and "error" in answer["results"][-1] and "error" not in answer["results"][0], answer
    assert cluster.read([["SELECT count(*) FROM sale"]], level="strong")[0].value == 1
    assert cluster.call("wf_step", token, "more") is None


def test_a_long_poll_on_a_node_that_does_not_lead(rqlite, cluster):
    node = (rqlite.followers() or [1])[0]
    told = []

    def poll():
        told.append(rqlite.ask("/db/query?level=none", [["SELECT wf_wait(?, ?) AS result", 30, '{"queue": "default"}']], node))

    poller = threading.Thread(target=poll)
    begun = time.monotonic()
    poller.start()
    time.sleep(0.5)
    cluster.call("wf_start", "job", None, '{"id": "w"}')  # meanwhile writes go on
    poller.join()
    [(status, answer)] = told
    assert status == 200 and answer["results"][0]["values"] == [[1]], answer
    assert time.monotonic() - begun < 25


def test_a_wait_that_every_node_would_make_is_refused(rqlite, cluster):
    """Replicated once, it would stop all of them, and again whenever they read their logs."""
    status, answer = rqlite.ask("/db/request?level=strong", [["SELECT wf_wait(5) AS result"]])
    assert status == 200 and "WF_CONTEXT" in answer["results"][0]["error"], answer
    status, answer = rqlite.ask("/db/request?level=strong", [["SELECT wf_start('job') AS result"]])
    assert status == 200 and "WF_INVALID" in answer["results"][0]["error"], answer  # no `now`
    assert cluster.call("wf_status", "none") is None


def test_values_go_in_and_come_out(rqlite, cluster):
    values = [None, 1, -(2**63), 2**63 - 1, 0.5, 1e300, "tea \u2615", "", b"\x00\xff", b""]
    cluster.write([["CREATE TABLE kept(x, data BLOB)"], *(["INSERT INTO kept VALUES(?1, ?1)", [value]] for value in values)])
    assert [row[0] for row in cluster.read([["SELECT data FROM kept ORDER BY rowid"]], level="strong")[0].rows] == values
    # A blob is one where the column is declared so, else rqlite gives it as a text.
    assert [row[0] for row in cluster.read([["SELECT x FROM kept ORDER BY rowid"]], level="strong")[0].rows][:8] == values[:8]
    assert cluster.read([["SELECT count(DISTINCT typeof(x)), count(*) FROM kept WHERE x IS data"]], level="strong")[0].rows == [[5, len(values)]]
    assert cluster.write([["SELECT :a AS a, :b AS b", {"a": 1, "b": "x"}]])[0].rows == [[1, "x"]]


def test_a_write_by_a_read_is_refused(cluster):
    with pytest.raises(wfext.Error):
        cluster.read([["SELECT wf_emit('x', '1', '{\"now\": 1}')"]])


def test_a_node_that_is_new_gets_all_of_it(three):
    """From the log, and again from a snapshot."""
    cluster = prepared(three)
    for n in range(20):
        cluster.call("wf_start", "job", None, json.dumps({"id": f"j{n}"}))
    lost = three.followers()[0]
    three.kill(lost)
    shutil.rmtree(three.folder / f"node-{lost}")
    cluster.call("wf_start", "job", None, '{"id": "meanwhile"}')
    three.start(lost, join=next(node for node in three.ports if node != lost))
    wait_equal(three)


def test_a_file_goes_in_and_comes_out(rqlite, cluster, connect, tmp_path):
    """One of a single machine that is in use elsewhere; leases of before are void. What comes out is a file of a single machine again."""
    db = connect(tmp_path / "single.db")
    db.execute("PRAGMA journal_mode = wal")
    db.wf_start("job", id="from-file")
    db.wf_start("job", id="held")
    token = json.loads(db.wf_claim("default", "old", id="held"))["token"]
    db.wf_config("clock", "explicit")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    status, answer = rqlite.ask("/db/load", (tmp_path / "single.db").read_bytes())
    assert status == 200, answer
    db.close()
    cluster = Cluster(rqlite.url, patience=60)
    cluster.call("wf_recover")
    assert cluster.call("wf_status", "from-file") == "pending"
    with pytest.raises(wfext.NotOurs):
        cluster.call("wf_step", token, "late", "1")
    assert json.loads(cluster.call("wf_claim", "default", "me", '{"id": "held"}'))["id"] == "held"
    wait_equal(rqlite)
    status, data = rqlite.ask("/db/backup")
    assert status == 200 and data[:15] == b"SQLite format 3"
    (tmp_path / "back.db").write_bytes(data)
    back = connect(tmp_path / "back.db")
    back.wf_recover(now=time.time(), id="back")
    back.wf_config("clock", "system")
    assert back.wf_status("from-file") == "pending" and back.wf_check() is None
    assert json.loads(back.wf_claim("default", "single"))["id"] in ("from-file", "held")
