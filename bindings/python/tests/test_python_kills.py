"""Processes that are killed, stopped, and come back."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import wfext

HERE = os.path.dirname(os.path.abspath(__file__))
LONG = 120


def start_worker(path, folder):
    return subprocess.Popen([sys.executable, os.path.join(HERE, "chaos_worker.py"), str(path), str(folder)], stderr=subprocess.DEVNULL)


@pytest.fixture
def app(tmp_path):
    app = wfext.App(tmp_path / "chaos.db", synchronous="normal")
    app.client.call("wf_init")
    app.database.submit_alone(lambda connection: connection.execute("CREATE TABLE result(n)")).result()
    yield app
    app.close()


def test_killed_at_random(app, tmp_path):
    """Three workers, killed at random: every workflow ends right, no row is missing or double, no effect got a second key."""
    jobs, kills = (500, 50) if os.environ.get("WFEXT_DEEP") else (60, 8)
    handles = [app.client.start("job", {"n": n}, max_attempts=1000) for n in range(jobs)]
    rng = random.Random(7)
    workers = [start_worker(tmp_path / "chaos.db", tmp_path) for _ in range(3)]
    try:
        for _ in range(kills):
            time.sleep(rng.uniform(0.05, 0.6))
            at = rng.randrange(3)
            workers[at].kill()
            workers[at].wait()
            workers[at] = start_worker(tmp_path / "chaos.db", tmp_path)
        for n, handle in enumerate(handles):
            assert handle.result(timeout=LONG) == 3 * n
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert app.client.rows("SELECT n FROM result ORDER BY n") == [(n,) for n in range(jobs)]
    with open(tmp_path / "effects") as file:
        lines = file.read().split("\n")[:-1]
    keys = {}
    for line in lines:
        if line.startswith("looping "):
            _, n, key = line.split()
            keys.setdefault(n, set()).add(key)
    assert len(keys) == jobs and all(len(each) == 1 for each in keys.values())
    assert {f"plain {n}" for n in range(jobs)} <= set(lines)
    assert app.client.call("wf_check") is None


def test_sigterm(app, tmp_path):
    """A worker ends on SIGTERM with exit code 0, gives back what it can, and another goes on."""
    worker = start_worker(tmp_path / "chaos.db", tmp_path)
    handles = [app.client.start("job", {"n": n}) for n in range(20)]
    handles[0].result(timeout=LONG)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(LONG) == 0
    assert app.client.rows("SELECT id FROM wf_workflows WHERE status = 'running'") == []
    worker = start_worker(tmp_path / "chaos.db", tmp_path)
    try:
        for n, handle in enumerate(handles):
            assert handle.result(timeout=LONG) == 3 * n
    finally:
        worker.kill()
        worker.wait()
