"""The examples, on three nodes of which the one that leads is killed."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bindings" / "python" / "src"


def begin(nodes, folder, program, *arguments, **environment):
    given = {**os.environ, "PYTHONPATH": str(PACKAGE), "WFEXT_LIBRARY": extension_path(), **environment}
    return subprocess.Popen([sys.executable, ROOT / program, *arguments], cwd=folder, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-4000:]
    return out


@pytest.fixture
def nodes(fresh):
    return fresh().start().wait_healthy()


def test_the_agent(nodes, tmp_path):
    """wfext.App with an address: steps of both colours, effects, a rate, a stream; the leader dies meanwhile."""
    agents = [begin(nodes, tmp_path, "examples/python/agent_loop.py", f"task-{n}", f"order-{n}", AGENTS=nodes.urls) for n in range(3)]
    cluster = nodes.cluster(patience=120)
    while not cluster.read([["SELECT count(*) FROM wf_steps"]])[0].value:
        assert all(agent.poll() in (None, 0) for agent in agents), agents[0].communicate()
    leader = nodes.leader()
    nodes.kill(leader)
    said = [end(agent) for agent in agents]
    assert all(f"order-{n} is refunded." in text for n, text in enumerate(said)), said
    outside = sqlite3.connect(tmp_path / "outside.db")
    assert outside.execute("SELECT count(*), count(DISTINCT o) FROM refund").fetchone() == (3, 3)
    outside.close()
    nodes.start(leader).wait_healthy().wait_equal()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_the_worker(nodes, tmp_path):
    orders = [f"order-{n}" for n in range(6)]
    starter = begin(nodes, tmp_path, "examples/cluster/worker.py", nodes.urls, "start", *orders)
    cluster = nodes.cluster(patience=120)
    while len(cluster.read([["SELECT id FROM wf_workflows"]])[0].rows) < len(orders):
        assert starter.poll() is None, starter.communicate()
    workers = [begin(nodes, tmp_path, "examples/cluster/worker.py", nodes.urls, "work") for _ in range(2)]
    leader = nodes.leader()
    nodes.kill(leader)
    assert sorted(end(starter).split("\n")[:-1]) == [f'{id} {json.dumps({"paid": 400})}' for id in orders]
    for worker in workers:
        end(worker)
    assert cluster.read([["SELECT count(*), count(DISTINCT workflow) FROM sale"]], level="strong")[0].rows == [[6, 6]]
