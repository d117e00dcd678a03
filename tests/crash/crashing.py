"""Children that run until they are killed, forked from this warm process so that a life costs a few milliseconds."""

import os
import random
import signal
import sqlite3
import time

from support import open_database
from support.processes import forked

# The module stays mapped while this connection lives: children then load it without reading the file.
_warm = []
SLOWER = 2 if os.environ.get("WFEXT_SANITIZE") else 1  # all moments come later with sanitizers


def warm_up():
    if not _warm:
        _warm.append(open_database(":memory:"))
        _warm[0].wf_start("warm")
        _warm[0].claim()


def kill_after(operations, db):
    """This process is killed when the connection has done so many operations of SQLite's machine."""
    left = [operations]

    def tick():
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    db.set_progress_handler(tick, 1)


def killed_after(operations, path, call):
    """In a child: the call, killed after so many operations of SQLite. True if it was killed; else it has given something true."""
    def body():
        db = open_database(path)
        db.value("SELECT count(*) FROM wf_steps")
        kill_after(operations, db)
        assert call(db)

    _, status = os.waitpid(forked(body), 0)
    assert os.WIFSIGNALED(status) or status == 0
    return os.WIFSIGNALED(status)


class Journal:
    """What a child was told: one line per acknowledgement, on disk before the child goes on."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, *words):
        os.write(self.fd, ("\t".join(map(str, words)) + "\n").encode())
        os.fsync(self.fd)


def read_journal(path):
    """All complete lines; a torn last line was never acknowledged to anyone."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [tuple(line[:-1].split("\t")) for line in lines if line.endswith("\n")]


def run_and_kill(body, seconds):
    """Runs body() in a child and kills it after so many seconds. True if it was killed, False if it had finished."""
    pid = forked(body)
    time.sleep(seconds * SLOWER)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed, see its traceback above"
    return False


def moment(rng: random.Random, longest):
    """A random time to live; half of the lives end early, where opening and claiming happen."""
    return rng.uniform(0.0005, longest / 4) if rng.random() < 0.5 else rng.uniform(0, longest)


def raw(path):
    return sqlite3.connect(str(path), isolation_level=None, timeout=300)
