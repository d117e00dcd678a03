"""examples/fleet/runner.py: one process for many files, none of them open while nothing is to be done, and killed at any moment."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import extension_path, open_database

RUNNER = Path(__file__).resolve().parents[2] / "examples" / "fleet" / "runner.py"
PATIENCE = 60  # seconds that a test waits for a state, on any machine

FUNCTIONS = '''
import os, time
TRACE = os.environ["TRACE"]

def note(what):
    with open(TRACE, "a") as trace:
        trace.write(what + "\\n")
    time.sleep(float(os.environ.get("SLOW", "0")))
    return what

def three(job):
    for step in ("a", "b", "c"):
        job.step(step, note, job.id + " " + step)
    if job.input.get("nap"):
        job.sleep("nap", job.input["nap"])
    if job.input.get("signal"):
        return job.signal("wait", job.input["signal"])
    if job.input.get("fail"):
        raise ValueError("no such thing")
    return job.id

FUNCTIONS = {"three": three}
'''


@pytest.fixture
def agents(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    return tmp_path / "agents"


def agent(path):
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal")
    return db


class Running:
    def __init__(self, agents, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(RUNNER), str(agents), "--library", extension_path(), "--functions", "functions:FUNCTIONS", *arguments], cwd=agents.parent,
            env={**os.environ, "TRACE": str(agents.parent / "trace")}, stdout=subprocess.PIPE, stderr=open(agents.parent / "errors", "a"), text=True)

    def counts(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def descriptors(self):
        found = []
        for fd in os.listdir("/proc/%d/fd" % self.process.pid):
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                found.append(os.readlink("/proc/%d/fd/%s" % (self.process.pid, fd)))
        return found

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(PATIENCE)


@pytest.fixture
def run(agents):
    started = []

    def start(*arguments):
        started.append(Running(agents, *arguments))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.stop(signal.SIGKILL)


def wait_for(state):
    end = time.monotonic() + PATIENCE
    while not (value := state()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return value


def status(path, id):
    db = open_database(path)
    try:
        return db.wf_status(id)
    finally:
        db.close()


def ready(running, agents):
    """Waits until it has looked through the folder, and takes signals."""
    wait_for(lambda: (agents.parent / "agents.fleet").exists() and running.process.poll() is None)
    time.sleep(0.3)
    return running


@pytest.mark.parametrize("how", [[], ["--no-notify", "--every", "0.1"]])
def test_what_comes_from_another_process_is_done(agents, run, how):
    for name in "abc":
        db = agent(agents / (name + ".db"))
        db.wf_init()
        db.close()
    running = ready(run(*how), agents)
    for name in "abc":
        db = agent(agents / (name + ".db"))
        db.wf_start("three", {}, id=name)
        db.wf_start("three", {"nap": 0.3}, id=name + "-nap")
        db.wf_start("three", {"signal": "go"}, id=name + "-signal")
        db.wf_start("three", {"fail": True}, id=name + "-fail", max_attempts=2, backoff={"initial": 0.2})
        db.close()
    for name in "abc":
        path = agents / (name + ".db")
        wait_for(lambda: status(path, name) == "completed" and status(path, name + "-nap") == "completed" and status(path, name + "-fail") == "failed")
        wait_for(lambda: status(path, name + "-signal") == "waiting")
        db = agent(path)
        db.wf_signal(name + "-signal", "go", {"n": 1})
        wait_for(lambda: db.wf_status(name + "-signal") == "completed")
        assert json.loads(db.wf_result(name + "-signal")) == {"n": 1}
        assert "no such thing" in db.wf_error(name + "-fail")
        db.close()
    new = agent(agents / "new.db")
    new.wf_start("three", {}, id="w")
    wait_for(lambda: new.wf_status("w") == "completed")
    new.close()
    made = agent(agents.parent / "moved")
    made.wf_start("three", {}, id="w")
    made.close()
    os.rename(agents.parent / "moved", agents / "moved.db")
    wait_for(lambda: status(agents / "moved.db", "w") == "completed")
    assert running.stop() == 0


def test_an_open_connection_of_another_process_is_heard_again_and_again(agents, run):
    """Also while it keeps the file open, so that the -wal stays."""
    db = agent(agents / "a.db")
    db.execute("PRAGMA synchronous = full")
    db.wf_init()
    ready(run("--every", "3600"), agents)
    for i in range(30):
        db.wf_start("three", {}, id="w%d" % i)
        wait_for(lambda: db.wf_status("w%d" % i) == "completed")
        time.sleep(random.Random(i).choice([0, 0, 0.01, 0.1, 0.7]))
    db.close()


def test_nothing_is_open_while_idle_and_few_are_at_once(agents, run):
    first = agent(agents / "a0.db")
    first.execute("PRAGMA page_size = 512")
    first.execute("VACUUM")
    first.wf_start("three", {"signal": "go"}, id="w")
    first.close()
    for i in range(1, 120):
        shutil.copy(agents / "a0.db", agents / ("a%d.db" % i))
    running = ready(run("--open", "4", "--every", "0.3"), agents)
    wait_for(lambda: all(status(agents / ("a%d.db" % i), "w") == "waiting" for i in (0, 60, 119)))
    wait_for(lambda: running.counts()["active"] == 0 and running.counts()["done"] >= 120)

    def rests():
        """Five looks through the folder, and not one file was opened."""
        before = running.counts()
        wait_for(lambda: running.counts()["looks"] >= before["looks"] + 5)
        after = running.counts()
        return after["opened"] == before["opened"] and after["active"] == 0 and after["files"] == 120

    wait_for(rests)
    names = running.descriptors()
    assert not [name for name in names if str(agents) + "/" in name] and len(names) < 16, names
    # All at once: no more than four of them are open.
    for i in range(120):
        db = open_database(agents / ("a%d.db" % i))
        db.wf_signal("w", "go")
        db.close()
        if i % 20 == 0:
            files = {name.split(".db")[0] for name in running.descriptors() if str(agents) + "/" in name}
            assert len(files) <= 8, files  # (it is no list of one moment)
    wait_for(lambda: all(status(agents / ("a%d.db" % i), "w") == "completed" for i in range(120)))
    assert running.stop() == 0


def test_what_is_damaged_foreign_or_another_s_holds_nobody_up(agents, run):
    (agents / "text.db").write_text("no database at all, however long it is\n" * 200)
    (agents / "empty.db").write_bytes(b"")
    plain = sqlite3.connect(agents / "plain.db")
    plain.execute("CREATE TABLE t(x)")
    plain.commit()
    plain.close()
    other = agent(agents / "other.db")
    other.wf_start("another", {}, id="w")
    other.close()
    before = {name: (agents / name).read_bytes() for name in ("text.db", "empty.db", "plain.db")}
    running = ready(run(), agents)
    good = agent(agents / "good.db")
    good.wf_start("three", {}, id="w")
    wait_for(lambda: good.wf_status("w") == "completed")
    good.close()
    wait_for(lambda: running.counts()["opened"] >= 2)
    time.sleep(3)
    counts = running.counts()
    assert counts["opened"] < 40, counts  # no loop around what it cannot do
    assert {name: (agents / name).read_bytes() for name in before} == before
    assert status(agents / "other.db", "w") == "pending"
    os.remove(agents / "text.db")
    assert running.stop() == 0


def test_killed_at_any_moment(agents, run, monkeypatch):
    """Every workflow completes, every step is recorded once; what a killed one held is taken up at once, not when its lease ends."""
    rng = random.Random(3)
    monkeypatch.setenv("SLOW", "0.03")  # so that a kill is in the middle of them
    for i in range(12):
        db = agent(agents / ("a%d.db" % i))
        for k in range(4):
            db.wf_start("three", {"nap": rng.choice([0, 0.2])}, id="a%d-%d" % (i, k))
        db.close()

    def left():
        count = 0
        for i in range(12):
            db = open_database(agents / ("a%d.db" % i))
            count += db.wf_pending()
            db.close()
        return count

    def noted():
        trace = agents.parent / "trace"
        return len(trace.read_text().splitlines()) if trace.exists() else 0

    kills = 0
    while left():
        running, before, more = run("--open", "3"), noted(), rng.randrange(1, 12)
        wait_for(lambda: noted() >= before + more or not left())  # in the middle of things, wherever they are
        kills += 1
        running.stop(signal.SIGKILL)
    assert kills > 3, kills
    for i in range(12):
        db = open_database(agents / ("a%d.db" % i))
        assert db.wf_check() is None
        assert db.value("SELECT count(*) FROM wf_steps WHERE kind = 'step'") == 12
        assert db.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == 4
        db.close()


def test_two_runners_share_the_work(agents, run):
    for i in range(6):
        db = agent(agents / ("a%d.db" % i))
        for k in range(5):
            db.wf_start("three", {}, id="a%d-%d" % (i, k))
        db.close()
    both = [run(), run()]
    wait_for(lambda: all(status(agents / ("a%d.db" % i), "a%d-%d" % (i, k)) == "completed" for i in range(6) for k in range(5)))
    lines = (agents.parent / "trace").read_text().splitlines()
    assert sorted(lines) == sorted("a%d-%d %s" % (i, k, s) for i in range(6) for k in range(5) for s in "abc")
    assert [running.process.poll() for running in both] == [None, None]
