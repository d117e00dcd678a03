"""What wakes a wait: commits, signals, interrupts, time; on every kind of file, without a descriptor that is left, or one that takes locks away."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from hostlib import Waiting
from support import extension_path, open_database
from support.processes import forked

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what is watched")


def descriptors():
    """What is behind those of this process, by number."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[int(number)] = os.readlink("/proc/self/fd/" + number)
        except OSError:
            pass
    return found


def watched():
    """The inodes that inotify watches for this process."""
    inodes = set()
    for number, behind in descriptors().items():
        if "inotify" in behind:
            with open("/proc/self/fdinfo/%d" % number) as lines:
                inodes |= {int(word[4:], 16) for line in lines if line.startswith("inotify") for word in line.split() if word.startswith("ino:")}
    return inodes


def until(true, patience=60):
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def db(connect):
    db = connect()
    db.execute("PRAGMA journal_mode = wal")
    return db


JOURNALS = ["wal", "delete", "truncate", "persist", "memory", "off"]


@pytest.fixture(params=JOURNALS)
def file(request, connect, tmp_path):
    db = connect()
    assert db.value("PRAGMA journal_mode = " + request.param) == request.param
    db.wf_init()
    db.path = str(tmp_path / "test.db")
    return db


@linux
def test_the_file_is_watched_that_commits_write(file):
    waiting = Waiting(file.path, 60)
    names = [file.path] + ([file.path + "-wal"] if file.value("PRAGMA journal_mode") == "wal" else [])
    until(lambda: {os.stat(name).st_ino for name in names} <= watched())
    file.wf_start("job")
    assert waiting.done() == 1


def test_every_commit_is_seen(file):
    for n in range(5):
        waiting = Waiting(file.path, 60, id="w%d" % n) if file.wf_start("job", id="w%d" % n) else None
        time.sleep(0.01 * n)
        file.wf_complete("w%d" % n)
        assert waiting.done() == 1


def test_a_wait_for_nothing_hardly_looks(file):
    waiting = Waiting(file.path, 3)
    assert waiting.done() == 0
    assert waiting.statements < 100  # a look every 10 ms would be 1,800


def test_commits_of_no_concern_are_passed_over(file):
    waiting = Waiting(file.path, 60, queue="mine")
    for _ in range(20):
        file.wf_start("job", queue="others")
    assert waiting.result is None
    file.wf_start("job", queue="mine")
    assert waiting.done() == 1


def test_a_wal_that_goes_and_comes_again(connect, tmp_path):
    path = str(tmp_path / "test.db")
    for _ in range(3):
        db = open_database(path)
        db.execute("PRAGMA journal_mode = wal")
        db.wf_init()
        waiting = Waiting(path, 60)
        db.wf_start("job", id="w1")
        assert waiting.done() == 1
        db.wf_cancel("w1")
        db.wf_delete("w1")
        db.close()  # the last: it deletes the WAL
        assert not os.path.exists(path + "-wal")


def test_a_journal_that_changes_meanwhile(connect, tmp_path):
    db = connect()
    db.wf_init()
    waiting = Waiting(str(tmp_path / "test.db"), 60)
    time.sleep(0.05)
    assert db.value("PRAGMA journal_mode = wal") == "wal"
    db.wf_start("job")
    assert waiting.done() == 1


def test_a_wal_that_is_emptied_meanwhile(db, tmp_path):
    db.wf_init()
    waiting = Waiting(str(tmp_path / "test.db"), 60)
    for _ in range(3):
        db.wf_start("job", queue="others")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.wf_start("job")
    assert waiting.done() == 1


def test_a_transaction_that_takes_long_to_commit(file):
    """It writes long before: more than its cache holds."""
    if file.value("PRAGMA journal_mode") == "off":
        return
    waiting = Waiting(file.path, 60)
    file.execute("PRAGMA cache_size = 5")
    file.execute("BEGIN IMMEDIATE")
    for n in range(50):
        file.wf_start("job", {"n": "x" * 900})
    time.sleep(0.1)
    file.execute("COMMIT")
    assert waiting.done() == 1


def test_in_memory_and_shared(tmp_path):
    name = "file:shared-wait?mode=memory&cache=shared"
    db = open_database(name, uri=True)
    db.wf_init()
    waiting = Waiting(name, 60)
    time.sleep(0.05)
    db.wf_start("job")
    assert waiting.done() == 1
    db.close()


def test_in_memory_time_and_timeouts_go_on(memdb):
    memdb.wf_start("job", delay=0.1)
    assert memdb.wf_wait(60) == 1
    memdb.claim()
    assert memdb.wf_wait(0.05) == 0


def test_of_a_shared_cache(db, tmp_path):
    path = "file:%s?cache=shared" % (tmp_path / "test.db")
    db.wf_init()
    mine = open_database(path, uri=True)
    waiting = Waiting(path, 60)
    time.sleep(0.05)
    mine.wf_start("job")
    assert waiting.done() == 1
    mine.close()


def test_read_only(db, tmp_path):
    db.wf_init()
    waiting = Waiting("file:%s?mode=ro" % (tmp_path / "test.db"), 60)
    db.wf_start("job")
    assert waiting.done() == 1


def test_a_file_that_is_locked_meanwhile_is_waited_for(file, connect):
    waiting = Waiting(file.path, 60)
    time.sleep(0.05)
    holder = connect()
    for _ in range(3):
        holder.execute("BEGIN EXCLUSIVE")
        time.sleep(0.02)
        holder.execute("COMMIT")
    holder.wf_start("job")
    assert waiting.done() == 1


def test_an_interrupt_before_it_in_the_same_statement(db):
    db.wf_init()
    db.create_function("stop", 0, lambda: db.interrupt())
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        db.value("SELECT stop() + wf_wait(300)")


def test_an_interrupt_ends_it_soon(file):
    waiting = Waiting(file.path, 300)
    deadline = time.monotonic() + 100
    while waiting.thread.is_alive() and time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it has just been closed
            waiting.db.interrupt()  # again, if the first came before it waited
        waiting.thread.join(0.1)
    assert waiting.error == "interrupted"


# Signals

SIGNALS = """
import os, signal, sqlite3, sys, threading, time
db = sqlite3.connect(sys.argv[2], isolation_level=None)
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
db.execute("SELECT wf_init()")
seen = set()
which = getattr(signal, sys.argv[3])
# (Python leaves SIGINT alone where it was started with it ignored, as a shell does with what it runs in the background.)
signal.signal(which, signal.default_int_handler if which == signal.SIGINT else lambda *_: seen.add(1))
print("waiting", flush=True)
try:
    if which == signal.SIGALRM:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)  # again, if the first came before it waited
    result = db.execute(sys.argv[4]).fetchone()[0]
    print("returned", result, list(seen), flush=True)
except KeyboardInterrupt:
    print("interrupted by the keyboard", flush=True)
"""


def told_by(tmp_path, name, where, sql="SELECT wf_wait()", sent=True):
    child = subprocess.Popen([sys.executable, "-c", SIGNALS, extension_path(), str(where), name, sql], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "waiting\n"
        while sent and child.poll() is None:
            time.sleep(0.3)  # again, if the first came before it waited
            child.send_signal(getattr(signal, name))
        return child.communicate(timeout=100)[0]
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("where", ["test.db", ":memory:"])
def test_ctrl_c_ends_a_wait_without_an_end(tmp_path, where):
    where = where if where == ":memory:" else tmp_path / where
    assert told_by(tmp_path, "SIGINT", where) == "interrupted by the keyboard\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_handler_runs_at_once_and_the_wait_returns_0(tmp_path, name):
    output = told_by(tmp_path, name, tmp_path / "test.db")
    assert output.startswith("returned 0 [1")


def test_an_alarm_ends_a_wait(tmp_path):
    assert told_by(tmp_path, "SIGALRM", tmp_path / "test.db", sent=False) == "returned 0 [1]\n"


def test_with_any_a_signal_gives_null(tmp_path):
    assert told_by(tmp_path, "SIGALRM", tmp_path / "test.db", """SELECT wf_wait(NULL, '{"any":[{}]}')""", sent=False) == "returned None [1]\n"


# Descriptors


@linux
def test_no_descriptor_is_left(db, tmp_path):
    def others():  # SQLite itself keeps those of the file while another connection holds a lock on it
        return sorted(behind for behind in descriptors().values() if "test.db" not in behind)

    db.wf_init()
    before = others()
    for _ in range(3):
        other = open_database(tmp_path / "test.db")
        assert (other.wf_wait(0.01), other.wf_wait(0.01)) == (0, 0)
        other.close()
    assert others() == before


@linux
def test_one_more_descriptor_while_it_waits_and_none_on_the_file(db, tmp_path):
    db.wf_init()
    waiting = open_database(tmp_path / "test.db")
    waiting.wf_wait(0)
    before = sorted(descriptors().values())
    waiting.wf_wait(0.01)
    more = sorted(descriptors().values())
    for behind in before:
        more.remove(behind)
    assert more == ["anon_inode:inotify"]
    waiting.close()


@linux
def test_a_program_that_is_started_does_not_get_it(db, tmp_path):
    db.wf_init()
    db.wf_wait(0.01)
    assert "anon_inode:inotify" in descriptors().values()
    listed = subprocess.run([sys.executable, "-c", "import os; print([os.readlink('/proc/self/fd/' + n) for n in os.listdir('/proc/self/fd') if int(n) > 2 and os.path.exists('/proc/self/fd/' + n)])"],
                            stdout=subprocess.PIPE, close_fds=False, text=True, check=True).stdout
    assert "inotify" not in listed


@linux
def test_a_process_without_descriptors_looks_instead(db, tmp_path):
    db.wf_init()
    code = """
import resource, sqlite3, sys
db = sqlite3.connect(sys.argv[2], isolation_level=None)
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
print(db.execute("SELECT wf_wait(0)").fetchone()[0], flush=True)
import os
most = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(db.execute("SELECT wf_wait(60)").fetchone()[0], flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", code, extension_path(), str(tmp_path / "test.db")], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "0\n"
    time.sleep(0.2)
    db.wf_start("job")
    assert child.communicate(timeout=100)[0] == "1\n"


@linux
def test_a_child_waits_by_itself(db, tmp_path):
    """With a connection of its own; what its parent watches is left alone."""
    db.wf_init()
    db.wf_wait(0.01)

    def body():
        assert open_database(tmp_path / "test.db").wf_wait(60, queue="child") == 1

    child = forked(body)
    db.wf_start("job", queue="child")
    assert os.waitpid(child, 0)[1] == 0
    db.wf_start("job")
    assert db.wf_wait(60) == 1


def test_many_wait_and_one_start_is_had_by_one(db, tmp_path):
    db.wf_init()
    waiting = [Waiting(tmp_path / "test.db", 60, queue="q%d" % (n % 4)) for n in range(16)]
    for n in range(4):
        db.wf_start("job", queue="q%d" % n)
    assert [one.done() for one in waiting] == [1] * 16
