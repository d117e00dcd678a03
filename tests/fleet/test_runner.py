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


# What must not be missed: between a notification and its commit, between a look and the close. The runner is taken apart, and its pauses are the test's, so that each moment is
# met every time, and nothing depends on how fast the machine is.

sys.path.insert(0, str(RUNNER.parent))
import runner as example  # noqa: E402


class Pauses:
    """In the place of the event by which a file's thread is told of notifications: `script` is called with (number of the pause, its length), and says whether there was one."""

    def __init__(self, script):
        self.script, self.lengths = script, []

    def clear(self):
        pass

    set = clear

    def wait(self, pause):
        self.lengths.append(pause)
        return bool(self.script(len(self.lengths), pause))


@pytest.fixture
def taken_apart(agents, monkeypatch):
    """A runner that looks at nothing by itself, and a file with an open connection; it notes in `seen` what it was given to do."""
    made = example.Runner(agents, {"three": lambda job: made.noted.append(job.id)}, library=extension_path(), notify=False)
    made.noted, made.results = [], []
    db = agent(agents / "a.db")
    db.execute("PRAGMA synchronous = full")
    db.wf_init()
    yield made, db
    db.close()
    made.pool.shutdown()


def serve(runner, script=lambda n, pause: False):
    """Serves a.db in this thread, as the runner's would, and takes it back; what became of it."""
    pauses = Pauses(script)
    runner.active["a.db"] = pauses
    served = runner.serve("a.db", pauses)
    done = example.concurrent.futures.Future()
    done.set_result(served)
    runner.results.append(done)
    runner.finish()
    return served, pauses.lengths


def age(agents, seconds=60):
    """Nothing was written to the file for so long."""
    for path in agents.glob("a.db*"):
        past = time.time_ns() - int(seconds * 1e9)
        os.utime(path, ns=(past, past))


@pytest.mark.parametrize("at", [1, 5, 12, 20])
@pytest.mark.parametrize("takes", [1, 3, 8])
def test_a_notification_comes_before_its_commit(taken_apart, at, takes):
    """However quiet it had been: the looks that follow a notification are close to each other again, so that less than 50 ms go by after the commit."""
    runner, db = taken_apart

    def script(n, pause):
        if n == at + takes:
            db.wf_start("three", id="w")  # the commit that was told of so many looks ago
        return n == at

    served, lengths = serve(runner, script)
    assert runner.noted == ["w"] and served.done == 1
    assert lengths[at] == example.PAUSES[0] and max(lengths) < 0.05
    assert sum(lengths) < 3


def test_a_commit_between_the_last_look_and_the_close_is_nobody_else_s(taken_apart, monkeypatch):
    """It was taken for work of another, which is looked at again a second later, then after 2, 4 ... 60."""
    runner, db = taken_apart
    state = runner.state

    def commits(name):
        monkeypatch.setattr(runner, "state", state)
        db.wf_start("three", id="w")
        return state(name)

    served, _ = serve(runner, lambda n, pause: n == 20 and monkeypatch.setattr(runner, "state", commits))
    assert runner.noted == [] and served.done == 0 and not served.others
    assert runner.due["a.db"] <= time.time() and not runner.failed["a.db"]
    assert serve(runner)[0].done == 1 and runner.noted == ["w"]


def test_what_becomes_due_between_the_last_look_and_the_close_is_nobody_else_s(taken_apart, monkeypatch):
    runner, db = taken_apart
    db.wf_start("three", id="w", delay=3600)
    real, looks = time.time, []

    def next_due(db):
        looks.append(1)
        if len(looks) == 22:  # the last one is when it is closed
            monkeypatch.setattr(example.time, "time", lambda: real() + 3601)
        return real() + 3600

    monkeypatch.setattr(runner, "next_due", next_due)
    served, _ = serve(runner)
    assert len(looks) == 22 and not served.others and not runner.failed["a.db"] and runner.due["a.db"] <= time.time()


def test_what_is_really_another_s_is_left_alone_for_a_while(taken_apart):
    """What makes the two tests above ones; and after a thousand times it still is."""
    runner, db = taken_apart
    db.wf_start("another", id="w")
    waits = []
    for times in (0, 1, 2, 2000):
        runner.failed["a.db"] = times
        served, _ = serve(runner)
        assert served.others and served.done == 0
        waits.append(round(runner.due["a.db"] - time.time()))
    assert waits == [1, 2, 4, 60]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_commit_that_takes_long_is_not_in_what_was_seen(taken_apart, agents, mode):
    """It was written, which dates the file, and is being brought to the disk, which may take any time; what was seen by then is without it, and no notification follows."""
    runner, db = taken_apart
    db.execute("PRAGMA journal_mode = " + mode)
    age(agents)
    assert serve(runner)[0].state is not None and runner.due["a.db"] is None
    db.execute("BEGIN IMMEDIATE")
    db.wf_start("three", id="w")
    age(agents)
    served, _ = serve(runner)
    assert served.state is None and runner.due["a.db"] <= time.time() + 2 * example.FRESH
    db.execute("COMMIT")
    age(agents)
    served, _ = serve(runner)
    assert runner.noted == ["w"]


def test_a_file_that_is_left_for_others_while_it_is_written_is_soon_looked_at_again(taken_apart, agents):
    """Where others wait for its place it is closed after one look, and a commit that was told of may come a moment later."""
    runner, db = taken_apart
    runner.waiting.append("b.db")
    age(agents)
    served, lengths = serve(runner)
    assert lengths == [] and not served.quiet
    assert served.state is not None and runner.due["a.db"] is None  # nobody was writing: so nothing can come without another notification
    db.execute("BEGIN IMMEDIATE")
    db.wf_start("three", id="w")
    age(agents)
    assert serve(runner)[0].state is None
    assert runner.due["a.db"] - time.time() < 0.05
    db.execute("COMMIT")
    assert serve(runner)[0].done == 1
    db.wf_start("another", id="w2")
    assert serve(runner)[0].others and runner.due["a.db"] - time.time() < 0.05


def test_who_waits_for_a_place_does_not_wait_for_a_pause(taken_apart):
    """Files that are open because something may yet come to them are told at once that others want their places."""
    runner, db = taken_apart
    runner.active = {"b%d.db" % i: example.threading.Event() for i in range(runner.most_open)}
    runner.begin()
    assert not any(event.is_set() for event in runner.active.values())
    for name in ("a.db", "c.db"):
        runner.look_at(name, 0)
    runner.begin()
    assert [name for name, event in runner.active.items() if event.is_set()] == ["b0.db", "b1.db"] and list(runner.waiting) == ["a.db", "c.db"]


def test_a_look_through_the_folder_forgets_no_notification(taken_apart, agents):
    """The file has changed, and its commit cannot be seen yet: what wf_fleet says of it is what was before."""
    runner, db = taken_apart
    serve(runner)
    db.execute("BEGIN IMMEDIATE")
    db.wf_start("three", id="w")
    (agents / "a.db-wal").touch()
    runner.has_changed("a.db-wal")
    assert runner.due["a.db"] == 0
    runner.look_through()
    assert runner.due["a.db"] == 0
    db.execute("COMMIT")
    runner.begin()
    runner.pool.shutdown()
    assert runner.noted == ["w"]


def test_a_file_that_takes_the_place_of_one_that_is_open_is_opened(taken_apart, agents):
    runner, db = taken_apart
    other = agent(agents.parent / "other.db")
    other.wf_start("three", id="of the other")
    other.close()
    db.close()
    age(agents)
    os.utime(agents.parent / "other.db", (0, 0))
    served, _ = serve(runner, lambda n, pause: n == 20 and os.replace(agents.parent / "other.db", agents / "a.db"))
    assert served.state is None and runner.due["a.db"] <= time.time() + 2 * example.FRESH and runner.noted == []
    assert serve(runner)[0].done == 1 and runner.noted == ["of the other"]


@pytest.mark.skipif(sys.platform != "linux", reason="has no notifications of this kind")
def test_a_folder_that_is_taken_away_and_another_one_in_its_place(agents, run):
    """The notifications are of the folder that was there first: so they are asked for again."""
    db = agent(agents / "a.db")
    db.wf_init()
    db.close()
    running = ready(run("--every", "3600"), agents)
    os.rename(agents, agents.parent / "away")
    wait_for(lambda: running.counts()["files"] == 0)
    agents.mkdir()
    shutil.copy(agents.parent / "away/a.db", agents / "a.db")
    wait_for(lambda: running.counts()["files"] == 1)
    for i in range(10):
        db = agent(agents / "a.db")
        db.wf_start("three", {}, id="w%d" % i)
        wait_for(lambda: db.wf_status("w%d" % i) == "completed")
        db.close()
    assert running.stop() == 0


def test_an_index_that_is_broken_is_put_aside(taken_apart, agents, capfd):
    """It is written without sync: a power cut may leave anything in its place."""
    runner, db = taken_apart
    runner.look_through()
    index = agents.parent / "agents.fleet"
    whole = index.read_bytes()
    for broken in (b"no database at all " * 1000, whole[:4096] + b"\xff" * (len(whole) - 4096), whole[:100] + b"\xff" * (len(whole) - 100)):
        index.write_bytes(broken)
        runner.due.clear()
        runner.look_through()
        assert set(runner.due) == {"a.db"}
        assert (agents.parent / "agents.fleet.damaged").read_bytes() == broken and str(index) in capfd.readouterr().err
        runner.look_through()
        assert index.exists() and capfd.readouterr().err == ""


def test_an_index_that_cannot_be_written_is_done_without(taken_apart, agents, capfd):
    runner, db = taken_apart
    runner.index = str(agents.parent / "no such folder" / "index")
    runner.look_through()
    assert set(runner.due) == {"a.db"} and "unable to open" in capfd.readouterr().err


def test_a_clock_that_is_set_back_delays_nothing(taken_apart, monkeypatch):
    runner, db = taken_apart
    serve(runner)
    runner.look_at("a.db", time.time() + 0.2)  # it is to be looked at once more, a moment later
    runner.mind_the_clock()
    assert runner.due["a.db"] > 0
    real = time.time
    monkeypatch.setattr(example.time, "time", lambda: real() - 86400)
    runner.mind_the_clock()
    assert runner.due["a.db"] == 0
    runner.look_at("a.db", None)
    monkeypatch.setattr(example.time, "time", lambda: real() - 86400.5)  # a little is no jump
    runner.mind_the_clock()
    assert runner.due["a.db"] is None


def test_without_watches_left_it_looks_each_second_until_there_are(agents, monkeypatch):
    """fs.inotify.max_user_watches is used up by others."""
    events, refused = example.FolderEvents, []

    def none_left(folder):
        refused.append(folder)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(example.sys, "platform", "linux")
    monkeypatch.setattr(example, "FolderEvents", none_left)
    runner = example.Runner(agents, {}, library=extension_path())
    assert refused and runner.events is None and runner.every == 1
    if events is not None and os.path.exists("/proc/sys/fs/inotify"):
        monkeypatch.setattr(example, "FolderEvents", events)
        runner.watch()
        assert runner.events is not None and runner.every == 30
        runner.events.close()
    runner.pool.shutdown()
