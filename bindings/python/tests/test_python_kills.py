"""Processes that are killed, stopped, and come back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import wfext

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from languages import PYTHON_WORKER, killed_at_random  # noqa: E402

LONG = 120


def start_worker(path, folder):
    return subprocess.Popen([*PYTHON_WORKER, str(path), str(folder)], stderr=subprocess.DEVNULL)


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
    killed_at_random(app, tmp_path, [PYTHON_WORKER] * 3, jobs, kills, (0.05, 0.6))


def test_a_full_loop_is_killed(app, tmp_path):
    """One process with all of them in its loop at once, killed and started again."""
    jobs, kills = (2000, 10) if os.environ.get("WFEXT_DEEP") else (120, 2)
    killed_at_random(app, tmp_path, [["env", f"CHAOS_LOOP={jobs}", *PYTHON_WORKER]], jobs, kills, (0.3, 1.0))


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
