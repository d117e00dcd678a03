"""examples/worker_pool.py: several processes, failures that are retried, workers that are killed."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from furnish import EXAMPLES
from support import open_database

POOL = EXAMPLES / "worker_pool.py"
ORDERS = 60


def start_pool(directory, workers=4):
    return subprocess.Popen(
        [sys.executable, "examples/worker_pool.py", "app.db", str(workers)],
        cwd=directory,
        env={k: v for k, v in os.environ.items() if k != "WFEXT"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers_of(pool):
    """The process ids of the pool's workers."""
    try:
        with open(f"/proc/{pool.pid}/task/{pool.pid}/children") as children:
            return [int(pid) for pid in children.read().split()]
    except FileNotFoundError:
        return []


def end(pool):
    out, _ = pool.communicate(timeout=120)
    return out


@pytest.fixture
def db(directory):
    db = open_database(directory / "app.db", timeout=30)
    db.execute("PRAGMA journal_mode = wal").fetchone()
    yield db
    db.close()


def start_orders(db, **options):
    backoff = {"initial": 0.02, "max": 0.1}
    db.execute("BEGIN IMMEDIATE")
    for n in range(ORDERS):
        db.wf_start("order", {"cents": 100 + n}, id=f"order-{n}", backoff=backoff, **options)
    db.execute("COMMIT")


def assert_all_done_once(db):
    assert db.rows("SELECT status, count(*) FROM wf_workflows GROUP BY 1") == [("completed", ORDERS)]
    assert db.rows("SELECT name, status, count(*) FROM wf_steps GROUP BY 1, 2 ORDER BY 1") == [("charge", "done", ORDERS), ("ship", "done", ORDERS)]
    for n in range(ORDERS):
        assert db.wf_result(f"order-{n}") == '{"paid": %d}' % (100 + n)


def test_it_is_short():
    assert len(POOL.read_text().splitlines()) <= 60


def test_several_processes_complete_everything_and_retry_what_fails(directory, db):
    start_orders(db)
    pool = start_pool(directory)
    out = end(pool)
    assert (pool.returncode, out) == (0, "")
    assert_all_done_once(db)
    busy = db.rows("SELECT workflow_id, error FROM wf_failures")
    assert all("the payment service is busy" in error for _, error in busy)


def test_killed_workers_are_replaced_and_what_they_held_is_done(directory, db):
    start_orders(db, max_attempts=1000)
    pool = start_pool(directory)
    kills, until = 0, time.monotonic() + 60
    while kills < 12 and pool.poll() is None and time.monotonic() < until:
        time.sleep(random.uniform(0.03, 0.15))
        victims = workers_of(pool)
        if victims:
            os.kill(random.choice(victims), signal.SIGKILL)
            kills += 1
    end(pool)
    assert kills > 0
    assert_all_done_once(db)


def test_the_whole_pool_is_killed_and_started_again(directory, db):
    start_orders(db, max_attempts=1000)
    for delay in (0.15, 0.3):
        pool = start_pool(directory)
        time.sleep(delay)
        pool.kill()  # first the supervisor, so that it replaces nobody
        for pid in workers_of(pool):
            os.kill(pid, signal.SIGKILL)
        pool.communicate()
    end(start_pool(directory))
    assert_all_done_once(db)


def test_an_order_that_always_fails_ends_as_failed(directory, db):
    db.wf_start("order", {}, id="broken", max_attempts=3, backoff={"initial": 0.01})
    end(start_pool(directory, 2))
    assert db.wf_status("broken") == "failed"
    assert "KeyError" in db.wf_error("broken")
    assert db.value("SELECT count(*) FROM wf_failures WHERE workflow_id = 'broken'") == 3


def test_an_error_of_the_application_in_sql_is_a_failure_with_its_text_and_not_poison(directory, db):
    """A UNIQUE violation, in a transaction that it leaves open: on record, tried again, and the rest goes on."""
    db.execute("CREATE TABLE paid(cents INTEGER UNIQUE)")
    db.execute("INSERT INTO paid VALUES(666)")
    source = POOL.read_text().replace(
        "    return step(db, token, \"ship\",",
        '    db.execute("BEGIN IMMEDIATE")\n    db.execute("INSERT INTO paid VALUES(?)", (given["cents"],))\n    db.execute("COMMIT")\n'
        '    return step(db, token, "ship",', 1)
    assert "INSERT INTO paid" in source
    (directory / "pool.py").write_text(source)
    options = {"max_attempts": 3, "backoff": {"initial": 0.01}}
    db.wf_start("order", {"cents": 666}, id="bad", priority=1, **options)
    db.wf_start("order", {"cents": 1}, id="good", **{**options, "max_attempts": 100})
    environment = {k: v for k, v in os.environ.items() if k != "WFEXT"}
    done = subprocess.run([sys.executable, "pool.py", "app.db", "1"], cwd=directory, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert db.wf_status("good") == "completed"
    assert db.wf_status("bad") == "failed"
    errors = db.column("SELECT error FROM wf_failures WHERE workflow_id = 'bad' AND error NOT LIKE '%busy%'")
    assert errors and all("UNIQUE constraint failed: paid.cents" in error for error in errors)
