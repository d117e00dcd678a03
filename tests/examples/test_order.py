"""examples/order.sql may be killed at any point and run again: nothing is done twice, nothing is left out."""

import signal
import sqlite3
import subprocess

import pytest

from furnish import EXAMPLES, furnish
from support import open_database

SCRIPT = (EXAMPLES / "order.sql").read_text()


def pieces(text):
    """The script cut after each statement or dot command."""
    found, buffer = [], ""
    for line in text.splitlines(keepends=True):
        buffer += line
        code = "".join(part for part in buffer.splitlines(keepends=True) if not part.startswith("--")).strip()
        if code.startswith(".") or (code and sqlite3.complete_statement(code)):
            found.append(buffer)
            buffer = ""
    return found


PIECES = pieces(SCRIPT)


def shell(directory, script):
    return subprocess.run(["sqlite3", "-bail", "app.db"], input=script, cwd=directory, capture_output=True, text=True, timeout=60)


def run(directory, script=SCRIPT):
    done = shell(directory, script)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def state(directory):
    with open_database(directory / "app.db") as db:
        found = {
            "stock": db.rows("SELECT * FROM stock"),
            "payments": db.rows("SELECT * FROM payment"),
            "shipments": db.rows("SELECT * FROM shipment"),
            "steps": db.rows("SELECT name, status, output FROM wf_steps ORDER BY seq"),
            "workflow": db.rows("SELECT id, status, output FROM wf_workflows"),
        }
    db.close()
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = furnish(tmp_path_factory.mktemp("undisturbed"))
    assert run(directory).splitlines()[-1].startswith("completed|{")
    return state(directory)


def test_it_does_what_it_says(undisturbed):
    assert undisturbed["stock"] == [("tea", 7)]
    ((key, cents),) = undisturbed["payments"]
    assert cents == 1200
    assert undisturbed["shipments"] == [("order-1", "tea", 3)]
    assert [step[:2] for step in undisturbed["steps"]] == [("reserve", "done"), ("charge", "done"), ("ship", "done")]
    assert undisturbed["workflow"] == [("order-1", "completed", '{"payment":"%s"}' % key)]


def test_it_runs_as_its_comment_says(directory, undisturbed):
    for _ in range(2):
        command = "sqlite3 -bail app.db < examples/order.sql"
        assert command in SCRIPT
        subprocess.run(command, shell=True, cwd=directory, check=True, stdout=subprocess.DEVNULL)
    assert state(directory) == undisturbed


@pytest.mark.parametrize("count", range(1, len(PIECES) + 1))
def test_killed_after_any_statement_it_continues(directory, undisturbed, count):
    killed = shell(directory, "".join(PIECES[:count]) + ".shell kill -KILL $PPID\n")
    assert killed.returncode == -signal.SIGKILL
    run(directory)
    assert state(directory) == undisturbed


def test_killed_once_after_each_statement_it_comes_to_its_end(directory, undisturbed):
    for count in range(1, len(PIECES) + 1):
        shell(directory, "".join(PIECES[:count]) + ".shell kill -KILL $PPID\n")
    run(directory)
    assert state(directory) == undisturbed


def test_a_failing_statement_leaves_an_order_that_can_go_on(directory, undisturbed):
    furnished = "CREATE TABLE stock(sku TEXT PRIMARY KEY, free INTEGER CHECK(free >= 0)); INSERT INTO stock VALUES('tea', 2);"
    shell(directory, furnished)
    failed = shell(directory, SCRIPT)
    assert failed.returncode != 0 and "CHECK constraint failed" in failed.stderr
    with open_database(directory / "app.db") as db:
        assert db.rows("SELECT * FROM wf_steps") == [] and db.rows("SELECT * FROM payment") == []
        db.execute("UPDATE stock SET free = 10")
    db.close()
    run(directory)
    assert state(directory) == undisturbed
