"""examples/agent_loop.py: killed at any statement and run again, it does nothing twice and leaves nothing out."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from furnish import EXAMPLES, furnish
from support import open_database

LOOP = EXAMPLES / "agent_loop.py"
STEPS = ["turn 0", "turn 0, 0: look_up", "turn 1", "turn 1, 0: refund", "turn 1, 1: mail", "turn 2"]

# Runs the example and kills it before or after its n-th statement, on whatever file.
KILLER = """
import os, runpy, signal, sqlite3, sys
count, left = sys.argv[1], int(sys.argv[2])
class Connection(sqlite3.Connection):
    def execute(self, *arguments):
        global left
        left -= 1
        if left == 0 and count == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        cursor = super().execute(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return cursor
plain = sqlite3.connect
sqlite3.connect = lambda *a, **k: plain(*a, factory=Connection, **k)
sys.argv = ["examples/agent_loop.py", "app.db"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("WFEXT", "AGENT_NAME")}


def run(directory, *arguments):
    command = [sys.executable, "examples/agent_loop.py", "app.db", *arguments]
    done = subprocess.run(command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run_and_kill(directory, when, number):
    command = [sys.executable, "-c", KILLER, when, str(number)]
    done = subprocess.run(command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    return done.returncode != 0


def assert_done_once(directory, tasks=("task-1",)):
    outside = sqlite3.connect(directory / "outside.db")
    assert outside.execute("SELECT o, cents FROM refund").fetchall() == [("order-17", 1200)] * len(tasks)
    assert outside.execute("SELECT t, text FROM mail").fetchall() == [("ann", "You get 1200 cents back.")] * len(tasks)
    outside.close()
    with open_database(directory / "app.db") as db:
        for task in tasks:
            assert db.wf_status(task) == "completed"
            assert json.loads(db.wf_result(task)).endswith("order-17 is refunded.")
            steps = db.rows("SELECT name, status FROM wf_steps WHERE workflow_id = ? AND kind = 'step' ORDER BY seq", task)
            assert steps == [(name, "done") for name in STEPS]
            assert_words(db, task)
        assert db.rows("SELECT * FROM wf_in_doubt") == []
    db.close()


def assert_words(db, task):
    """What a reader shows who starts a step anew at its "begin" is what the model has said."""
    shown = {}
    for (item,) in db.rows("SELECT value FROM wf_streams WHERE workflow_id = ? ORDER BY offset", task):
        item = json.loads(item)
        shown[item["step"]] = [] if "begin" in item else [*shown[item["step"]], item["word"]]
    said = dict(db.rows("SELECT name, json_extract(output, '$.content') FROM wf_steps WHERE workflow_id = ? AND name NOT LIKE '%,%'", task))
    assert {step: " ".join(words) for step, words in shown.items()} == said


def test_it_answers_and_a_second_run_changes_nothing(directory):
    first = run(directory)
    assert first.rstrip().endswith('order-17 is refunded."')
    assert run(directory) == first
    assert_done_once(directory)


def test_two_tasks_in_one_file(directory):
    run(directory, "task-1")
    run(directory, "task-2")
    assert_done_once(directory, ("task-1", "task-2"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_statement_it_goes_on(tmp_path_factory, when):
    """A sample of the statements of a run, another one each time; always in a new directory."""
    number, killed = random.randint(1, 6), True
    while killed:
        place = furnish(tmp_path_factory.mktemp("kill"))
        killed = run_and_kill(place, when, number)
        run(place)
        assert_done_once(place)
        number += 6
    assert number > 40


def test_killed_again_and_again_one_statement_later(directory):
    kills, number = 0, 1
    while run_and_kill(directory, random.choice(["before", "after"]), number):
        kills, number = kills + 1, number + 4
    assert kills > 5
    run(directory)
    assert_done_once(directory)


def test_killed_at_random_moments(directory):
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "examples/agent_loop.py", "app.db"], cwd=directory, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(0.05, 0.3))
        process.kill()
        process.wait()
    run(directory)
    assert_done_once(directory)


def test_a_model_that_is_away_is_asked_again(directory, tmp_path):
    """The first answer fails: the workflow comes back after its backoff, and the failure is on record."""
    broken = tmp_path / "away.py"
    source = LOOP.read_text().replace(
        "    results = [m for", "    if not os.path.exists('asked'):\n        open('asked', 'w').close()\n        raise ConnectionError('overloaded')\n    results = [m for", 1
    )
    broken.write_text(source)
    subprocess.run([sys.executable, str(broken), "app.db"], cwd=directory, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL, timeout=60)
    assert_done_once(directory)
    with open_database(directory / "app.db") as db:
        assert "overloaded" in db.value("SELECT error FROM wf_failures")
    db.close()


def test_an_error_of_sqlite_in_one_task_is_recorded_and_starves_nobody(directory):
    """A row that cannot be written is a failure: the worker neither spins on its key nor keeps the rest waiting."""
    source = LOOP.read_text().replace(
        "def agent(db, job):\n", 'def agent(db, job):\n    if job["id"] == "bad": db.execute("BEGIN"); db.execute("INSERT INTO sent VALUES(1), (1)")\n', 1)
    assert "INSERT INTO sent" in source
    (directory / "loop.py").write_text(source)
    with open_database(directory / "app.db") as db:
        db.execute("CREATE TABLE sent(id INTEGER PRIMARY KEY)")
        options = {"queue": "agents", "priority": 9, "max_attempts": 3, "backoff": {"initial": 0.01}}
        db.wf_start("agent", {"order": "order-1"}, id="bad", **options)
    done = subprocess.run([sys.executable, "loop.py", "app.db"], cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().endswith('order-17 is refunded."')
    assert db.wf_status("bad") == "failed"
    errors = db.column("SELECT error FROM wf_failures WHERE workflow_id = 'bad'")
    assert len(errors) == 3 and all("UNIQUE constraint failed: sent.id" in error for error in errors)
    db.close()


def test_a_model_under_a_limit_is_waited_for(directory):
    command = [sys.executable, "examples/agent_loop.py", "app.db"]
    limit = {"limit": 1, "per": "500ms"}
    done = subprocess.run(command, cwd=directory, env={**ENVIRONMENT, "MODEL_RATE": json.dumps(limit)}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert_done_once(directory)
    with open_database(directory / "app.db") as db:
        shares = [row[0] for row in db.rows("SELECT at FROM _wf_step WHERE kind = 'acquire' AND status = 'done' ORDER BY at")]
        assert len(shares) == 3
        assert all(b - a >= 500 for a, b in zip(shares, shares[1:]))
    db.close()
