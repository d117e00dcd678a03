"""What other processes do in tests of contention. Importable, so that they can be spawned."""

import os
import sqlite3
import sys
import time
import traceback

from .database import open_database


def forked(body):
    """A child that runs body() and ends, with 1 and a traceback where that raises; its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        body()
        code = 0
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def work_until_done(path, count, results):
    """Completes workflows until `count` are done by all; reports every error and what this process did."""
    db = open_database(path, timeout=300)
    db.execute("PRAGMA synchronous = normal")
    errors, done = [], []
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            claim = db.claim(None, "worker", lease=60)
            if claim is None:
                if db.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == count:
                    break
                time.sleep(0.005)
                continue
            for step in ("a", "b", "c"):
                db.wf_step(claim["token"], step, claim["id"])
            db.wf_complete(claim["token"])
            done.append(claim["id"])
        except sqlite3.Error as error:
            errors.append(str(error))
    db.close()
    results.put((errors, done))


def hold_lock(path, seconds, results):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    results.put("locked")
    time.sleep(seconds)
    db.execute("ROLLBACK")
    db.close()
