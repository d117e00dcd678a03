"""examples/trigger.sql: the row and its workflow commit together, or neither."""

import json
import subprocess

from furnish import EXAMPLES
from support import open_database

COMMAND = "sqlite3 -bail shop.db < examples/trigger.sql"


def run(directory):
    assert COMMAND in (EXAMPLES / "trigger.sql").read_text()
    return subprocess.run(COMMAND, shell=True, cwd=directory, check=True, capture_output=True, text=True).stdout


def test_every_row_has_its_workflow(directory):
    out = run(directory)
    assert "order-1" in out and "pending" in out
    with open_database(directory / "shop.db") as db:
        started = db.rows("SELECT id, name, status, input FROM wf_workflows ORDER BY id")
        rows = db.rows("SELECT 'order-' || id, 'order', 'pending', json_object('sku', sku, 'qty', qty) FROM orders ORDER BY id")
        assert started == rows and len(rows) == 2
    db.close()


def test_it_may_run_again(directory):
    run(directory)
    run(directory)
    with open_database(directory / "shop.db") as db:
        assert db.value("SELECT count(*) FROM wf_workflows") == db.value("SELECT count(*) FROM orders") == 4
    db.close()


def test_the_workflow_can_be_claimed(directory):
    run(directory)
    with open_database(directory / "shop.db") as db:
        claim = json.loads(db.value("SELECT wf_claim()"))
        assert (claim["id"], claim["input"]) == ("order-1", {"sku": "tea", "qty": 3})
        assert db.wf_complete(claim["token"]) == "completed"
    db.close()
