"""No step of the work walks all others: an item of 6,000 costs about what an item of 500 costs, and so does a step of a long chain."""

import time

import pytest

from script_reference import text
from support import open_database

KINDS = {
    "sql": {"sql": "INSERT INTO log VALUES(:item)"},
    "task": {"task": "q"},
    "undo": {"sql": "INSERT INTO log VALUES(:item)", "undo": "INSERT INTO log VALUES(-:item)"},
}


def seconds_per_item(kind, items):
    """CPU time from the start to the end, everything included."""
    db = open_database(":memory:")
    db.execute("CREATE TABLE log(v)")
    numbers = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c" % items
    steps = [{"name": "f", "for_each": numbers, **KINDS[kind]}]
    if kind == "undo":
        steps.append({"name": "fail", "sql": "SELECT json('{')", "max_attempts": 1})
    db.wf_define("d", text({"steps": steps}))
    db.wf_start("d", None, id="w")
    begin = time.process_time()
    db.wf_run()
    while claims := db.claim("q", limit=100):
        for claim in claims:
            db.wf_complete(claim["token"], 1)
    db.wf_run()
    spent = time.process_time() - begin
    assert db.wf_status("w") == ("failed" if kind == "undo" else "completed")
    db.close()
    return spent / items


@pytest.mark.parametrize("kind", KINDS)
def test_the_cost_of_an_item_does_not_grow_with_their_number(kind):
    few, many = min(seconds_per_item(kind, 500) for _ in range(3)), seconds_per_item(kind, 6000)
    assert many < 3 * few, "%.0f us each of 500, %.0f us each of 6,000" % (few * 1e6, many * 1e6)


def seconds_per_step(steps):
    db = open_database(":memory:")
    chain = [{"name": "s%d" % i, "sql": "SELECT %s + 1 AS x" % (":s%d::x + :s0::x" % (i - 1) if i else 0)} for i in range(steps)]
    db.wf_define("d", text({"steps": chain}))
    db.wf_start("d", None, id="w")
    begin = time.process_time()
    db.wf_run()
    spent = time.process_time() - begin
    assert db.wf_status("w") == "completed"
    db.close()
    return spent / steps


def test_the_cost_of_a_step_does_not_grow_with_their_number():
    few, many = min(seconds_per_step(60) for _ in range(3)), seconds_per_step(1000)
    assert many < 4 * few, "%.0f us each of 60, %.0f us each of 1,000" % (few * 1e6, many * 1e6)
