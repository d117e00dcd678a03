"""The client beside a machine that says nothing: its connections are taken, and no answer comes."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fake_rqlite import FakeRqlite
from support import extension_path

if sys.version_info < (3, 11):
    pytest.skip("the package wants Python 3.11", allow_module_level=True)

from wfext import Cluster
from wfext.cluster import Unreachable

LONG = 3600.0


class Nodes:
    """What three nodes of hiqlite answer to a client; those in `silent` nothing."""

    def __init__(self):
        self.leader, self.term, self.silent, self.cut_off = 2, 1, set(), None
        self.go_on = threading.Event()
        self.servers = {id: self._serve(id) for id in (1, 2, 3)}
        self.urls = {id: f"http://127.0.0.1:{server.server_address[1]}" for id, server in self.servers.items()}

    def _serve(self, id):
        nodes = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._say({"healthy": True} if self.path == "/health" else nodes.view(id))

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                if id == nodes.leader:
                    self._say({"results": [{"columns": [], "rows": [], "changes": 1}]})
                else:
                    self._say({"error": {"code": "NOT_LEADER", "outcome": "none", "message": "another leads", "leader": {"id": nodes.leader, "url": nodes.urls[nodes.leader]}}}, 307)

            def _say(self, what, status=200):
                if id in nodes.silent:
                    nodes.go_on.wait()
                data = json.dumps(what).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def view(self, id):
        cut_off = id == self.cut_off
        return {"node": id, "leader": None if cut_off else self.leader, "term": self.term + 100 * cut_off, "time": time.time() * 1000,
                "members": [{"id": other, "url": url} for other, url in self.urls.items()]}

    def close(self):
        self.go_on.set()
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


@pytest.fixture
def nodes():
    nodes = Nodes()
    yield nodes
    nodes.close()


def in_a_minute(call):
    """What `call` returns; it has to end although something is silent for an hour."""
    out = []
    thread = threading.Thread(target=lambda: out.append(call()), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for the silent one"
    return out


@pytest.mark.parametrize("address", ["all", "one", "localhost"])
def test_a_leader_that_falls_silent_is_given_up_however_the_cluster_was_addressed(nodes, address):
    """By one node, by other names than those that the nodes have of each other."""
    urls = [url.removeprefix("http://") for url in nodes.urls.values()]
    given = {"all": urls, "one": urls[:1], "localhost": [url.replace("127.0.0.1", "localhost") for url in urls]}[address]
    cluster = Cluster("http://" + ",".join(given), token="x", timeout=LONG, patience=LONG)
    cluster.write([["INSERT"]], repeat=True)
    nodes.silent, nodes.leader, nodes.term = {2}, 3, 2
    assert in_a_minute(lambda: cluster.write([["INSERT"]], repeat=True))
    cluster.close()


def test_a_node_that_is_cut_off_hides_no_leader(nodes):
    """It stands for election again and again, so its term is the highest, and it knows no leader."""
    cluster = Cluster("http://" + ",".join(url.removeprefix("http://") for url in nodes.urls.values()), token="x", timeout=LONG, patience=LONG)
    cluster.write([["INSERT"]], repeat=True)
    nodes.silent, nodes.leader, nodes.term, nodes.cut_off = {2}, 3, 2, 1
    assert in_a_minute(lambda: cluster.write([["INSERT"]], repeat=True))
    cluster.close()


def test_threads_wait_for_the_first_look_that_is_answered(nodes, tmp_path):
    """Before it, nobody knows which engine it is."""
    nodes.silent = {1, 2, 3}
    silent = nodes.urls[1].removeprefix("http://")
    cluster = Cluster(f"http://{silent},127.0.0.1:9", patience=0.1)
    with pytest.raises(Unreachable):
        cluster.write([["SELECT 1"]])
    fake = FakeRqlite(tmp_path / "rqlite.db", extension_path())
    try:
        cluster.nodes = [nodes.urls[1], fake.url]
        cluster.patience = LONG
        threads = [threading.Thread(target=lambda: done.append(cluster.write([["SELECT 1"]], repeat=True)), daemon=True) for _ in range(3)]
        done = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(done) == 3 and cluster.engine == "rqlite"
    finally:
        fake.close()
        cluster.close()
