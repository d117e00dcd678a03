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
