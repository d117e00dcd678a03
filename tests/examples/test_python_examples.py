"""examples/python: the examples on the package. Killed at any moment and run again, nothing is done twice and nothing left out; and each is shorter than the one without the package."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from furnish import EXAMPLES

if sys.version_info < (3, 11):
    pytest.skip("the package wants Python 3.11", allow_module_level=True)

import wfext

FOLDER = EXAMPLES / "python"
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("POOL", "EXPENSES", "AGENTS")}
LONG = 120


def start(directory, *arguments, **variables):
    return subprocess.Popen([sys.executable, *map(str, arguments)], cwd=directory, env={**ENVIRONMENT, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(directory, *arguments, **variables):
    process = start(directory, *arguments, **variables)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize("name, without", [("worker_pool.py", "worker_pool.py"), ("agent_loop.py", "agent_loop.py"), ("approval.py", "approval.sql")])
def test_it_is_shorter_than_without_the_package(name, without):
    lines, before = (len(path.read_text().splitlines()) for path in (FOLDER / name, EXAMPLES / without))
    assert lines < before


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


def is_worker(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return "spawn_main" in file.read()
    except OSError:
        return False


def test_worker_pool_loses_workers(tmp_path):
    """As its comment says; workers are killed meanwhile."""
    where = {"POOL": str(tmp_path / "pool.db")}
    assert "wfext worker worker_pool:app -p 4" in (FOLDER / "worker_pool.py").read_text()
    pool = start(FOLDER, "-m", "wfext.cli", "worker", "worker_pool:app", "-p", "3", PYTHONDONTWRITEBYTECODE="1", **where)
    try:
        orders = [f"order-{n}" for n in range(40)]
        starting = start(tmp_path, FOLDER / "worker_pool.py", *orders, **where)
        kills, until = 0, time.monotonic() + LONG
        while kills < 3 and time.monotonic() < until:
            time.sleep(random.uniform(0.2, 0.5))
            victims = [pid for pid in children(pool.pid) if is_worker(pid)]
            if victims:
                os.kill(random.choice(victims), signal.SIGKILL)
                kills += 1
        out, err = starting.communicate(timeout=LONG)
        assert out == "".join(f"{id} {{'paid': {100 + n}}}\n" for n, id in enumerate(orders)), err
    finally:
        pool.terminate()
        pool.communicate(timeout=LONG)
    assert pool.returncode == 0
    app = wfext.App(tmp_path / "pool.db")
    assert app.client.rows("SELECT name, status, count(*) FROM wf_steps GROUP BY 1, 2 ORDER BY 1") == [("charge", "done", 40), ("ship", "done", 40)]
    app.close()


def test_approval(tmp_path):
    """Answered before the wait, after it, with a no; and nobody is paid twice."""
    where = {"EXPENSES": str(tmp_path / "expenses.db")}

    def say(*words):
        return run(tmp_path, FOLDER / "approval.py", *words, **where)

    assert say("start", "expense-7", "4200") == "expense-7\n"
    say("start", "expense-8", "100")
    say("answer", "expense-8", "yes", "ann")
    worker = start(tmp_path, FOLDER / "approval.py", "work", **where)
    app = wfext.App(tmp_path / "expenses.db")
    try:
        assert app.handle("expense-8").result(timeout=LONG) == {"paid": True}
        until = time.monotonic() + LONG
        while app.handle("expense-7").status != "waiting" and time.monotonic() < until:
            time.sleep(0.02)
        for _ in range(2):
            say("answer", "expense-7", "yes", "bob")
        assert app.handle("expense-7").result(timeout=LONG) == {"paid": True}
        say("start", "expense-9", "5")
        say("answer", "expense-9", "no", "ann")
        assert app.handle("expense-9").result(timeout=LONG) == {"paid": False}
    finally:
        worker.terminate()
        worker.communicate(timeout=LONG)
    assert app.client.rows("SELECT * FROM paid ORDER BY 1") == [("expense-7", 4200, "bob"), ("expense-8", 100, "ann")]
    app.close()


def assert_done_once(directory):
    outside = sqlite3.connect(directory / "outside.db")
    assert outside.execute("SELECT o, cents FROM refund").fetchall() == [("order-17", 1200)]
    assert outside.execute("SELECT t, text FROM mail").fetchall() == [("ann", "You get 1200 cents back.")]
    outside.close()
    app = wfext.App(directory / "agents.db")
    steps = {step["name"]: step for step in app.handle("task-1").steps() if step["kind"] != "acquire"}
    assert list(steps) == ["ask", "look_up", "ask#2", "refund", "mail", "ask#3"] or list(steps) == ["ask", "look_up", "ask#2", "mail", "refund", "ask#3"]
    shown = {}
    for (text,) in app.client.rows('SELECT value FROM wf_streams ORDER BY "offset"'):
        item = json.loads(text)
        shown[item["turn"]] = [] if "begin" in item else [*shown[item["turn"]], item["word"]]
    assert [" ".join(words) for _, words in sorted(shown.items())] == [steps[name]["output"]["content"] for name in ("ask", "ask#2", "ask#3")]
    app.close()


def test_agent_loop_is_killed_at_random(tmp_path):
    for _ in range(4):
        process = start(tmp_path, FOLDER / "agent_loop.py")
        time.sleep(random.uniform(0.3, 0.7))
        process.kill()
        process.communicate()
    first = run(tmp_path, FOLDER / "agent_loop.py")
    assert first.rstrip().endswith("order-17 is refunded.")
    assert run(tmp_path, FOLDER / "agent_loop.py") == first
    assert_done_once(tmp_path)


def test_agent_loop_goes_on_behind_every_word(tmp_path, monkeypatch):
    """A model that dies at each word in turn: the agent's words and effects come out once."""
    program = (FOLDER / "agent_loop.py").read_text()
    cut = program.replace("        yield word\n", "        yield word\n        dies()\n").replace(
        "async def model(messages):\n",
        "def dies():\n    place = 'deaths'\n    deaths = int(open(place).read()) if os.path.exists(place) else 0\n    dies.words = getattr(dies, 'words', -1) + 1\n"
        "    if dies.words == deaths:\n        open(place, 'w').write(str(deaths + 5))\n        os.kill(os.getpid(), 9)\n\nasync def model(messages):\n",
    )
    assert cut != program
    (tmp_path / "cut.py").write_text(cut)
    for _ in range(3):
        process = start(tmp_path, "cut.py")
        process.communicate(timeout=LONG)
    run(tmp_path, FOLDER / "agent_loop.py")
    assert_done_once(tmp_path)
