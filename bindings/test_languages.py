"""One file, workers in Python, Node and Go, killed at random: workflows that were begun in one are carried on in another."""

import os

import pytest
from languages import GO, NODE, NODE_WORKER, PYTHON_WORKER, go_worker, killed_at_random

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node is not set up (scripts/setup.sh node)"),
    pytest.mark.skipif(GO is None, reason="Go is not set up (scripts/setup.sh go)"),
]


def test_workers_of_three_languages(tmp_path):
    import wfext

    app = wfext.App(tmp_path / "chaos.db", synchronous="normal")
    jobs, kills = (300, 60) if os.environ.get("WFEXT_DEEP") else (90, 12)
    killed_at_random(app, tmp_path, [PYTHON_WORKER, NODE_WORKER, go_worker(tmp_path)], jobs, kills, (0.05, 0.8))
    workers = app.client.rows("SELECT count(DISTINCT worker) FROM wf_steps WHERE workflow_id IN (SELECT id FROM wf_workflows WHERE name = 'job') GROUP BY workflow_id ORDER BY 1 DESC LIMIT 1")
    assert workers[0][0] > 1  # some were carried on by another
    app.close()
