"""examples/approval.sql: stops while it waits, goes on after the answer or the timeout, and may be killed anywhere."""

import signal
import subprocess

import pytest

from furnish import EXAMPLES
from support import open_database
from test_order import pieces

SCRIPT = (EXAMPLES / "approval.sql").read_text()
PIECES = pieces(SCRIPT)
COMMAND = "sqlite3 -bail app.db < examples/approval.sql"
YES = '{"ok": true, "by": "ann"}'
FOUR_DAYS_LATER = "SELECT wf_clock(strftime('%Y-%m-%d %H:%M:%f', 'now', '+4 days'));\n"


def shell(directory, script=SCRIPT):
    return subprocess.run(["sqlite3", "-bail", "app.db"], input=script, cwd=directory, capture_output=True, text=True, timeout=60)


def travelled(script):
    return script.replace(".load build/libwfext\n", ".load build/libwfext\n" + FOUR_DAYS_LATER)


def say(directory, payload=YES):
    with open_database(directory / "app.db") as db:
        db.wf_signal("expense-7", "decision", payload, '{"key": "ann"}')
    db.close()


def state(directory):
    with open_database(directory / "app.db") as db:
        found = (db.wf_status("expense-7"), db.rows("SELECT * FROM paid"), db.rows("SELECT name FROM wf_steps WHERE status = 'done' ORDER BY seq"))
    db.close()
    return found


PAID = ("completed", [("expense-7", 4200, "ann")], [("approval",), ("settle",)])
REFUSED = ("completed", [], [("approval",), ("settle",)])


def test_it_runs_as_its_comment_says(directory):
    assert COMMAND in SCRIPT
    waiting = subprocess.run(COMMAND, shell=True, cwd=directory, capture_output=True, text=True)
    assert waiting.returncode != 0 and "WF_SUSPENDED" in waiting.stderr
    assert "SELECT wf_signal('expense-7', 'decision', '{\"ok\": true, \"by\": \"ann\"}', '{\"key\": \"ann\"}');" in SCRIPT
    say(directory)
    for _ in range(2):
        done = subprocess.run(COMMAND, shell=True, cwd=directory, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == 'completed|{"paid":1}'
    assert state(directory) == PAID


def test_while_it_waits_nothing_is_paid(directory):
    for _ in range(3):
        assert "WF_SUSPENDED: workflow 'expense-7' waits in step 'approval'" in shell(directory).stderr
    assert state(directory) == ("waiting", [], [])


def test_a_no_pays_nothing(directory):
    shell(directory)
    say(directory, '{"ok": false, "by": "ann"}')
    assert shell(directory).stderr == ""
    assert state(directory) == REFUSED


def test_nobody_answers_for_three_days(directory):
    shell(directory)
    assert shell(directory, travelled(SCRIPT)).stderr == ""
    assert state(directory) == REFUSED
    with open_database(directory / "app.db") as db:
        assert db.value("SELECT output FROM wf_steps WHERE name = 'approval'") == '{"signal":null,"timeout":true}'
    db.close()


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("count", range(1, len(PIECES) + 1))
def test_killed_after_any_statement_it_continues(directory, count, answered):
    if answered:
        shell(directory)
        say(directory)
    killed = shell(directory, "".join(PIECES[:count]) + ".shell kill -KILL $PPID\n")
    assert killed.returncode == -signal.SIGKILL or "WF_SUSPENDED" in killed.stderr
    shell(directory)
    say(directory)
    assert shell(directory).stderr == ""
    assert state(directory) == PAID
