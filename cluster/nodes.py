"""Nodes of a cluster on this machine, for trying out and for tests: started, killed, wiped, started again. docs/cluster.md

    with Nodes(binary, folder) as nodes:
        nodes.start()
        cluster = nodes.cluster()
"""

import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path


def free_ports(count):
    """Ports that nothing listens at now, each with the next two behind it."""
    found, held = [], []
    while len(found) < count:
        base = 20000 + secrets.randbelow(10000)
        sockets = []
        try:
            for port in range(base, base + 3):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
        except OSError:
            for each in sockets:
                each.close()
            continue
        held += sockets
        found.append(base)
    for each in held:
        each.close()
    return found


class Nodes:
    """Some nodes, each with a folder and a log of what it prints."""

    def __init__(self, binary, folder, count=3, **flags):
        """flags: those of the program."""
        self.binary, self.folder = str(binary), Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = dict(enumerate(free_ports(count), 1))
        self.token, self.secret = secrets.token_hex(16), secrets.token_hex(16)
        self.flags = flags
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in list(self.running):
            self.kill(node)

    def url(self, node):
        return f"{'https' if self.flags.get('tls') else 'http'}://127.0.0.1:{self.ports[node]}"

    @property
    def urls(self):
        """The address for an App or a Cluster."""
        return f"http://:{self.token}@" + ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def data(self, node):
        return self.folder / f"node-{node}"

    def log(self, node):
        return self.folder / f"node-{node}.log"

    def start(self, *nodes, **flags):
        """Starts these, or all, and does not wait for them."""
        members = [f"--node={node}=127.0.0.1:{port}" for node, port in self.ports.items()]
        for node in nodes or self.ports:
            given = {**self.flags, **flags}
            more = [f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
            environment = {**os.environ, "WFEXT_NODE_SECRET": self.secret, "WFEXT_NODE_TOKEN": self.token, "RUST_LOG": os.environ.get("RUST_LOG", "warn")}
            with open(self.log(node), "ab") as log:
                command = [self.binary, f"--id={node}", f"--data={self.data(node)}", *members, *more]
                self.running[node] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        return self

    def kill(self, *nodes):
        """SIGKILL, to all of them at once."""
        for node in nodes:
            self.running[node].send_signal(signal.SIGKILL)
            self.running[node].send_signal(signal.SIGCONT)
        for node in nodes:
            self.running.pop(node).wait()

    def stop(self, node, timeout=60):
        """SIGTERM: the exit code."""
        process = self.running.pop(node)
        process.terminate()
        return process.wait(timeout)

    def freeze(self, node):
        """As if its machine were gone without a word: connections stay open, and nobody answers."""
        self.running[node].send_signal(signal.SIGSTOP)

    def thaw(self, node):
        self.running[node].send_signal(signal.SIGCONT)

    def wipe(self, node):
        shutil.rmtree(self.data(node))

    def ask(self, node, path, body=None, token=None, timeout=10):
        """Status and answer of a request to one node; (0, why) where there is none."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        request = urllib.request.Request(self.url(node) + path, None if body is None else json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(_Stay)
        try:
            with opener.open(request, timeout=timeout) as response:
                status, data = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, data = error.code, error.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        try:
            return status, json.loads(data)
        except ValueError:
            return status, data

    def leader(self, patience=60):
        """The node that leads, as a majority of those that run see it."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            said = [answer["leader"] for status, answer in (self.ask(node, "/cluster", timeout=1) for node in list(self.running)) if status == 200]
            self._look_after()
            for node in self.running:
                if said.count(node) * 2 > len(self.ports):
                    return node
            time.sleep(0.02)
        raise TimeoutError(f"no leader within {patience} s")

    def _look_after(self):
        for node, process in self.running.items():
            if process.poll() is not None:
                raise RuntimeError(f"node {node} has ended: {self.log(node).read_text()[-2000:]}")

    def wait_healthy(self, *nodes, patience=120):
        """Until these, or all that run, are members with a vote, and as far as the leader is."""
        until = time.monotonic() + patience
        left = set(nodes or self.running)
        while left:
            for node in sorted(left):
                status, _ = self.ask(node, "/health", timeout=1)
                if status == 200:
                    left.discard(node)
            self._look_after()
            if left and time.monotonic() > until:
                raise TimeoutError(f"nodes {sorted(left)} are not healthy within {patience} s: {self.log(min(left)).read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def wait_equal(self, patience=120):
        """Until all nodes have applied what the leader has, and nothing is under way."""
        until = time.monotonic() + patience
        while True:
            self._look_after()
            said = [self.ask(node, "/cluster") for node in self.ports]
            logs = {(answer["last_log"], answer["applied"]) for status, answer in said if status == 200}
            if len(logs) == 1 and all(status == 200 for status, _ in said) and len(set(logs.copy().pop())) == 1:
                return self
            if time.monotonic() > until:
                raise TimeoutError(f"the nodes are not equally far within {patience} s: {said}")
            time.sleep(0.05)

    def digest(self, node):
        """A hash of all that the node keeps: of the engine's tables by wf_digest where there is such a function, and of every row of every table."""
        own = []
        status, answer = self.ask(node, "/read?level=local", {"statements": ["SELECT count(*) FROM wf_functions WHERE name = 'wf_digest'"]})
        if status == 200 and answer["results"][0]["rows"][0][0]:
            status, answer = self.ask(node, "/read?level=local", {"statements": ["SELECT wf_digest()"]})
            own = answer["results"][0]["rows"][0]
        status, data = self.ask(node, "/backup", timeout=60)
        if status != 200:
            raise RuntimeError(f"the backup of node {node}: {status} {data}")
        path = self.folder / f"digest-{node}.db"
        path.write_bytes(data)
        with sqlite3.connect(path) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name")]
            whole = hashlib.sha256(repr(own).encode())
            whole.update(repr(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY type, name").fetchall()).encode())
            for table in tables:
                columns = len(db.execute(f'PRAGMA table_info("{table}")').fetchall())
                for row in db.execute(f'SELECT * FROM "{table}" ORDER BY {", ".join(map(str, range(1, columns + 1)))}'):
                    whole.update(repr((table, row)).encode())
        db.close()
        path.unlink()
        return whole.hexdigest()[:16]

    def cluster(self, **options):
        from wfext import Cluster

        return Cluster(self.urls, engine="hiqlite", **options)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
