"""The loops that pages show are worth copying: whatever goes wrong in a workflow is on record, and holds up nothing else."""

import subprocess
import sys

import pytest

from blocks import ROOT, blocks, prepare

PAGE = ROOT / "docs" / "workers.md"
LAST = "call(\"\"\"SELECT wf_start('order'"

BROKEN = '''
db.execute("CREATE TABLE paid(id TEXT PRIMARY KEY)")
db.execute("INSERT INTO paid VALUES('taken')")

def unique(token, given):
    db.execute("INSERT INTO paid VALUES('taken')")

def in_transaction(token, given):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO paid VALUES('new')")
    db.execute("INSERT INTO paid VALUES('taken')")

def mistake(token, given):
    call("SELECT wf_step(?, 7, 1)", token)

def no_json(token, given):
    return {1, 2}

def cancelled(token, given):
    call("SELECT wf_cancel('cancelled')")
    step(token, "charge", lambda: 1)

WORKFLOWS.update(unique=unique, in_transaction=in_transaction, mistake=mistake, no_json=no_json, cancelled=cancelled)
for name in ("unique", "in_transaction", "mistake", "no_json", "cancelled"):
    call("SELECT wf_start(?, NULL, json_object('id', ?, 'max_attempts', 2, 'priority', 5, 'backoff', json('{\\"initial\\": 0.01}')))", name, name)
'''

REPORT = '''
print(call("SELECT count(*) FROM paid"), db.in_transaction)
for name in ("unique", "in_transaction", "mistake", "no_json", "cancelled"):
    print(name, call("SELECT wf_status(?)", name), call("SELECT count(*) FROM wf_failures WHERE workflow_id = ?", name), call("SELECT wf_error(?)", name))
'''


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What the loop says when one workflow of each kind goes wrong, and the last line of the page itself."""
    text = next(b.text for b in blocks(PAGE) if b.language == "python")
    assert text.count(LAST) == 1
    place = tmp_path_factory.mktemp("loop")
    prepare(place)
    program = text.replace(LAST, BROKEN + LAST) + REPORT
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def line(report, name):
    (found,) = [text for text in report if text.startswith(name + " ")]
    return found


def test_the_rest_goes_on(report):
    assert '{"paid": 1200}' in report


@pytest.mark.parametrize("name", ["unique", "in_transaction"])
def test_an_error_of_sqlite_is_a_failure_and_not_a_lost_lease(report, name):
    assert line(report, name) == f"{name} failed 2 \"IntegrityError('UNIQUE constraint failed: paid.id')\""


def test_a_transaction_that_an_error_left_open_is_rolled_back(report):
    assert "1 False" in report


def test_a_mistake_in_the_program_is_on_record(report):
    assert line(report, "mistake").startswith("mistake failed 2") and "WF_INVALID" in line(report, "mistake")
    assert line(report, "no_json").startswith("no_json failed 2") and "TypeError" in line(report, "no_json")


def test_a_cancelled_workflow_is_let_go_without_a_failure(report):
    assert line(report, "cancelled").startswith("cancelled cancelled 0 ")
    assert any("WF_CANCELLED" in text for text in report)
