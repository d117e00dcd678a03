"""Rows changed by hand may give wrong answers, but no crash and no hang."""

import subprocess
import sys

import pytest

from support import BASE, wf_error

HOUR = 3600


def bounded(db, seconds=20):
    """From now on a statement that runs on and on is interrupted: a hang becomes a failure."""
    left = [seconds * 1_000_000]

    def tick():
        left[0] -= 1000
        return left[0] < 0

    db.set_progress_handler(tick, 1000)


@pytest.mark.parametrize("kind", ["", "odd", "spawn"])
def test_a_wait_of_no_known_kind_is_given_up(db, kind):
    db.at(0)
    db.wf_start("job", id="w1")
    assert db.wf_await("w1", "aw", "go", "1h") is None
    db.execute("UPDATE _wf_step SET kind = ?", (kind,))
    db.at(2 * HOUR)
    bounded(db)
    with wf_error("WF_STATE", "w1", "aw", "damaged"):
        db.wf_claim(None, None, id="w1")
    try:  # it ends, whatever comes of it
        db.wf_claim()
    except Exception as error:
        assert "damaged" in str(error)


def test_a_wait_that_became_a_step_is_held(db):
    db.at(0)
    db.wf_start("job", id="w1")
    assert db.wf_await("w1", "aw", "go", "1h") is None
    db.execute("UPDATE _wf_step SET kind = 'step'")
    db.at(2 * HOUR)
    bounded(db)
    db.wf_start("job", id="w2")
    assert db.claim()["id"] == "w2"
    assert db.claim() is None
    assert db.wf_ready() == 0


# ---- Stored JSON that is none ------------------------------------------------------------------------------------------
HALVES = ["", " ", "{", "[", '"', '{"n":', '["a",', '{"$blob":', '{"items":', '"\\', '"\\u12', "nul", "-", "1e", "x", "\x00"]


@pytest.mark.parametrize("half", HALVES)
def test_the_input_of_a_schedule_is_no_json(db, half):
    db.at(0)
    db.wf_define("fulfil", '{"input":{"n":"integer"},"steps":[{"name":"a","sql":"SELECT :n AS n"}]}')
    db.wf_schedule("hourly", "@every 1h", "fulfil", '{"n":1}')
    db.execute("UPDATE _wf_schedule SET input = ?", (half,))
    db.at(2 * HOUR)
    assert db.wf_claim() is None
    assert "JSON" in db.value("SELECT error FROM wf_schedules")
    assert db.wf_tick() == 0


@pytest.mark.parametrize("column", ["topics", "how", "output", "error"])
@pytest.mark.parametrize("half", HALVES + [None])
def test_the_item_of_a_step_is_no_json(db, column, half):
    db.at(0)
    db.wf_define("all", {"steps": [
        {"name": "each", "for_each": "SELECT value FROM json_each('[1,2]')", "sql": "SELECT :item AS i, :item::n AS n"},
        {"name": "child", "for_each": "SELECT 'x' UNION ALL SELECT 'y'", "task": "q"},
        {"name": "signalled", "await": ["go"], "timeout": "1h"}]})
    db.wf_start("all", id="w1")
    bounded(db)
    for limit in range(12):
        db.execute("UPDATE OR IGNORE _wf_step SET %s = ?" % column, (half,))
        db.at(limit * HOUR / 3)
        try:
            db.wf_run(limit=1)
            db.wf_claim("q")
        except Exception as error:
            assert "crash" not in str(error)
    db.value("SELECT wf_check()")
    db.rows("SELECT * FROM wf_steps")


@pytest.mark.parametrize("half", HALVES)
def test_settings_headers_and_backoffs_are_no_json(db, half):
    db.at(0)
    db.wf_schedule("hourly", "@every 1h", "job", '{"n":1}', start={"headers": {"a": 1}, "backoff": {"initial": 1}})
    db.wf_queue("default", backoff={"initial": 5})
    db.wf_start("job", id="w1", headers={"a": 1}, backoff={"initial": 2})
    db.wf_config("backoff", '{"initial":3}')
    for change in ("_wf_schedule SET settings", "_wf_queue SET backoff", "_wf_workflow SET backoff", "_wf_workflow SET headers", "_wf_meta SET value"):
        db.execute("UPDATE %s = ?%s" % (change, " WHERE key = 'backoff'" if "meta" in change else ""), (half,))
    db.at(2 * HOUR)
    assert db.wf_claim() is not None
    db.wf_fail("w1", "no") if db.wf_status("w1") == "pending" else None
    db.value("SELECT wf_check()")
    for table in ("wf_workflows", "wf_queues", "wf_schedules"):
        db.rows("SELECT * FROM " + table)
