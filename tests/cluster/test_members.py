"""Starting, stopping, joining, leaving, restoring, and TLS."""

import json
import os
import re
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_units_of_the_node(binary, cargo):
    """cargo test, on what the program was built from."""
    env = {**os.environ, "WFEXT_STATIC": str(binary.parents[1]), "PATH": f"{cargo}:{os.environ['PATH']}"}
    version = re.search(r'^hiqlite = .*"=([^"]+)"', (ROOT / "cluster/hiqlite/Cargo.toml").read_text(), re.MULTILINE)[1]
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), f"wfext/hiqlite-{version}")
    command = ["cargo", "test", "--release", "--locked", "--quiet", "--manifest-path", ROOT / "cluster/hiqlite/Cargo.toml", "--target-dir", target]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "test result: ok" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]


def start_workflow(nodes, id):
    status, answer = nodes.ask(nodes.leader(), "/write", {"statements": [["SELECT wf_start('job', NULL, ?)", [json.dumps({"id": id, "now": time.time()})]]]})
    assert status == 200, answer


def ids(nodes, node):
    return [row[0] for row in nodes.ask(node, "/read?level=local", {"statements": ["SELECT id FROM wf_workflows ORDER BY id"]})[1]["results"][0]["rows"]]


def test_one_node_alone(fresh):
    """It stops by SIGTERM, and goes on where it was."""
    nodes = fresh(1).start().wait_healthy()
    start_workflow(nodes, "before")
    assert nodes.stop(1) == 0
    nodes.start().wait_healthy()
    assert ids(nodes, 1) == ["before"]
    nodes.kill(1)
    nodes.start().wait_healthy()
    start_workflow(nodes, "after")
    assert ids(nodes, 1) == ["after", "before"]


def test_a_node_joins_and_another_leaves(fresh):
    nodes = fresh(4)
    nodes.start(1, 2, 3).wait_healthy(1, 2, 3)
    start_workflow(nodes, "of-three")
    nodes.start(4).wait_healthy(4)
    assert ids(nodes, 4) == ["of-three"]
    leaving = next(node for node in nodes.ports if node != nodes.leader())
    status, answer = nodes.ask(nodes.leader(), "/leave", {"node": leaving}, timeout=60)
    assert status == 200, answer
    assert nodes.ask(nodes.leader(), "/leave", {"node": leaving})[0] == 404
    members = {member["id"] for member in nodes.ask(nodes.leader(), "/cluster")[1]["members"]}
    assert members == set(nodes.ports) - {leaving}
    nodes.kill(leaving)
    del nodes.ports[leaving]
    start_workflow(nodes, "of-the-rest")
    nodes.wait_equal()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_a_graceful_stop_hands_over(fresh):
    nodes = fresh().start().wait_healthy()
    leader = nodes.leader()
    start_workflow(nodes, "a")
    assert nodes.stop(leader) == 0
    start_workflow(nodes, "b")
    nodes.start(leader).wait_healthy().wait_equal()
    assert ids(nodes, leader) == ["a", "b"]
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_a_cluster_begins_from_a_file(fresh, connect, tmp_path):
    """A file of one machine, in use a moment ago: leases of before are void, and the file is in explicit mode."""
    db = connect(tmp_path / "single.db")
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, what)")
    db.execute("INSERT INTO orders VALUES(1, 'tea')")
    db.wf_start("job", id="from-file")
    token = json.loads(db.wf_claim("default", "before"))["token"]
    nodes = fresh()
    nodes.start(1, restore=tmp_path / "single.db")
    nodes.start(2, 3).wait_healthy()
    nodes.wait_equal()
    for node in nodes.ports:
        assert ids(nodes, node) == ["from-file"]
        status, answer = nodes.ask(node, "/read?level=local", {"statements": ["SELECT what FROM orders", "SELECT wf_config('clock')"]})
        assert [result["rows"] for result in answer["results"]] == [[["tea"]], [["explicit"]]]
    status, answer = nodes.ask(nodes.leader(), "/write", {"statements": [["SELECT wf_complete(?, '1', ?)", [token, json.dumps({"now": time.time()})]]]})
    assert status == 422 and answer["error"]["message"].startswith("WF_LEASE_LOST"), answer
    assert len({nodes.digest(node) for node in nodes.ports}) == 1
    nodes.kill(2)
    nodes.wipe(2)
    nodes.start(2).wait_healthy().wait_equal()
    assert ids(nodes, 2) == ["from-file"]


def test_a_backup_is_restored(fresh):
    nodes = fresh(1).start().wait_healthy()
    start_workflow(nodes, "kept")
    backup = nodes.folder / "backup.db"
    backup.write_bytes(nodes.ask(1, "/backup")[1])
    start_workflow(nodes, "lost")
    nodes.stop(1)
    nodes.start(1, restore=backup).wait_healthy()
    assert ids(nodes, 1) == ["kept"]
    start_workflow(nodes, "lost")
    assert ids(nodes, 1) == ["kept", "lost"]


def test_what_is_no_database_is_not_restored(fresh, tmp_path):
    (tmp_path / "no.db").write_bytes(b"not a database" * 1000)
    nodes = fresh(1).start().wait_healthy()
    start_workflow(nodes, "kept")
    nodes.stop(1)
    nodes.start(1, restore=tmp_path / "no.db")
    assert nodes.running[1].wait(60) == 1
    assert "no.db" in nodes.log(1).read_text()
    nodes.start().wait_healthy()
    assert ids(nodes, 1) == ["kept"]


def test_tls(fresh, tmp_path):
    """Certificates made at start: nodes among each other, and clients."""
    nodes = fresh(tls="auto").start()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    def ask(node, path, body=None):
        request = urllib.request.Request(nodes.url(node) + path, None if body is None else json.dumps(body).encode(), {"Authorization": f"Bearer {nodes.token}"})
        with urllib.request.urlopen(request, timeout=10, context=trusting) as response:
            return json.loads(response.read())

    until = time.monotonic() + 120
    while True:
        try:
            assert all(ask(node, "/health")["healthy"] for node in nodes.ports)
            break
        except OSError:
            assert time.monotonic() < until, nodes.log(1).read_text()[-2000:]
            time.sleep(0.1)
    from wfext import Cluster

    cluster = Cluster(f"https://:{nodes.token}@127.0.0.1:{nodes.ports[1]}", tls=trusting)
    assert cluster.call("wf_start", "job", None, '{"id": "over-tls"}') == "over-tls"
    assert cluster.call("wf_status", "over-tls") == "pending"
    nodes.flags.clear()
    assert nodes.ask(1, "/health", timeout=5)[0] == 0  # plain HTTP is not answered


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--id=9"], "--id 9"),
        (["--secret=short"], "--secret"),
        (["--token=short"], "--token"),
        (["--fsync=0"], "--fsync"),
        (["--election=100"], "--election"),
        (["--restore=/nowhere"], "/nowhere"),
        (["--node=x"], "ID=HOST:PORT"),
    ],
)
def test_wrong_flags_are_named(binary, tmp_path, flags, said):
    given = {"--id": "--id=1", "--data": f"--data={tmp_path}", "--node": "--node=1=127.0.0.1:7000", "--secret": "--secret=" + "s" * 16, "--token": "--token=" + "t" * 16}
    given.update({flag.split("=")[0]: flag for flag in flags})
    done = subprocess.run([binary, *given.values()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and said in done.stderr
