"""Steps of scripted workflows that wait for several things at once."""

import json

import pytest

NOW = 1_800_000_000
EITHER = [{"signal": "ok", "as": "yes"}, {"event": "closed"}, {"sleep": "1h", "as": "late"}]


@pytest.fixture
def db(db):
    db.wf_clock(NOW)
    return db


def started(db, step, id="w1"):
    db.wf_define("flow", {"steps": [{"name": "wait"} | step, {"name": "after", "sql": "SELECT :wait AS got"}]})
    db.wf_start("flow", id=id)
    db.wf_run()
    return db


def got(db, id="w1"):
    db.wf_run()
    (text,) = db.column("SELECT output FROM wf_steps WHERE workflow_id = ? AND name = 'wait'", id)
    return text if text is None else json.loads(text)


def reason(db):
    return db.value("SELECT reason FROM wf_pending WHERE id = 'w1'")


@pytest.mark.parametrize("happens, expected", [
    (lambda db: db.wf_signal("w1", "ok", 5), {"index": 0, "as": "yes", "signal": "ok", "payload": 5, "received_at": "2027-01-15T08:00:00.000Z"}),
    (lambda db: db.wf_emit("closed", 6), {"index": 1, "event": "closed", "payload": 6, "received_at": "2027-01-15T08:00:00.000Z"}),
    (lambda db: db.wf_clock(NOW + 3600), {"index": 2, "as": "late", "sleep": "2027-01-15T09:00:00.000Z"}),
])
def test_the_first_decides(db, happens, expected):
    started(db, {"await": EITHER})
    assert (reason(db), got(db)) == ("waiting for signal ok or event closed or a time", None)
    happens(db)
    assert got(db) == expected
    assert db.wf_status("w1") == "completed"
    assert db.value("SELECT count(*) FROM _wf_waiter") == 0
    assert db.wf_check() is None


def test_a_timeout(db):
    started(db, {"await": EITHER[:2], "timeout": "10s"})
    db.wf_clock(NOW + 11)
    db.wf_signal("w1", "ok")
    assert got(db) == {"index": None, "timeout": True}


def test_all_of_them(db):
    started(db, {"await": [{"signal": "ok"}, {"signal": "ok"}], "mode": "all"})
    db.wf_signal("w1", "ok", 1)
    assert got(db) is None
    db.wf_signal("w1", "ok", 2)
    assert [each["payload"] for each in got(db)] == [1, 2]
    assert db.column("SELECT taken_by FROM wf_signals") == ["wait", "wait"]


def test_it_is_shown_and_rescheduled_and_moves(db, connect, tmp_path):
    started(db, {"await": EITHER})
    assert "waiting" in db.wf_explain("w1")
    assert db.wf_check() is None
    document = db.wf_export("w1")
    assert db.wf_reschedule("w1") == 1
    assert got(db)["as"] == "late"
    other = connect(tmp_path / "other.db")
    other.wf_clock(NOW)
    other.wf_import(document)
    other.wf_resume("w1")
    assert other.wf_check() is None
    other.wf_emit("closed")
    assert got(other)["index"] == 1


def test_workers_and_scripts_wait_for_one_event(db):
    started(db, {"await": EITHER})
    db.wf_start("job", id="job")
    assert db.wf_wait_any("job", "wait", json.dumps(EITHER)) is None
    db.wf_emit("closed")
    assert db.wf_check() is None
    assert (got(db)["index"], db.claim()["id"]) == (1, "job")
