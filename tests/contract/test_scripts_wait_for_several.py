"""Steps of scripted workflows that wait for several things at once."""

import json

import pytest
from support import wf_error

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


@pytest.mark.parametrize("names", [["ann", "bob"], ["bob", "ann"]])
def test_all_of_them_means_names_too(db, names):
    started(db, {"await": names, "mode": "all"})
    assert reason(db) == "waiting for signal %s and signal %s" % tuple(names)
    db.wf_signal("w1", "bob", 2)
    assert got(db) is None
    db.wf_signal("w1", "ann", 1)
    assert [(each["signal"], each["payload"]) for each in got(db)] == [(name, {"ann": 1, "bob": 2}[name]) for name in names]
    assert (db.wf_status("w1"), db.wf_check()) == ("completed", None)


def test_all_of_one_name_and_a_timeout_of_all(db):
    started(db, {"await": "ok", "mode": "all"})
    db.wf_signal("w1", "ok", 1)
    assert [each["payload"] for each in got(db)] == [1]
    started(db, {"await": ["ok", "no"], "mode": "all", "timeout": "10s"}, "w2")
    db.wf_signal("w2", "ok", 1)
    db.wf_run()
    db.wf_clock(NOW + 11)
    db.wf_signal("w2", "no", 1)
    assert got(db, "w2") == [{"signal": "ok", "payload": 1, "received_at": "2027-01-15T08:00:00.000Z"}, {"timeout": True}]


TWO = {"steps": [{"name": "a", "await": "go", "timeout": "1h"}, {"name": "b", "after": [], "await": "go", "timeout": "1h"}]}


@pytest.mark.parametrize("more", ["second signal", "timeout", "second signal late", "second signal in time, looked at late"])
def test_of_two_steps_that_await_one_signal_the_one_that_gets_none_waits_on(db, more):
    db.wf_define("flow", TWO)
    db.wf_start("flow", id="w1")
    db.wf_run()
    db.wf_clock(NOW + 10)
    db.wf_signal("w1", "go", 1)
    db.wf_run()
    outputs = dict(db.rows("SELECT name, status FROM wf_steps"))
    assert sorted(outputs.values()) == ["done", "waiting"]
    waits = next(name for name in outputs if outputs[name] == "waiting")
    assert db.value("SELECT due_at FROM wf_pending") == "2027-01-15 09:00:00.000"
    if more == "second signal":
        db.wf_clock(NOW + 3599)
        db.wf_signal("w1", "go", 2)
    elif more == "timeout":
        db.wf_clock(NOW + 3600)
    elif more == "second signal late":
        db.wf_clock(NOW + 3601)
        db.wf_signal("w1", "go", 2)
    else:
        db.wf_signal("w1", "go", 2)
        db.wf_clock(NOW + 9999)
    db.wf_run()
    output = json.loads(db.value("SELECT output FROM wf_steps WHERE name = ?", waits))
    assert output.get("payload") == (2 if more in ("second signal", "second signal in time, looked at late") else None)
    assert (db.wf_status("w1"), db.wf_check()) == ("completed", None)


def test_two_steps_of_objects_that_await_one_signal(db):
    db.wf_define("flow", {"steps": [{"name": name, "after": [], "await": [{"signal": "go"}, {"event": "e"}], "timeout": "1h"} for name in "ab"]})
    db.wf_start("flow", id="w1")
    db.wf_run()
    db.wf_clock(NOW + 10)
    db.wf_signal("w1", "go", 1)
    db.wf_run()
    assert sorted(db.column("SELECT status FROM wf_steps")) == ["done", "waiting"]
    db.wf_signal("w1", "go", 2)
    db.wf_run()
    assert [json.loads(output)["payload"] for output in db.column("SELECT output FROM wf_steps ORDER BY seq")] == [1, 2]


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


@pytest.mark.parametrize("step, call", [
    ({"sleep": "1h"}, "wf_sleep('w1', 'wait', '1h')"), ({"await": "ok"}, "wf_await('w1', 'wait', 'ok')"), ({"await_event": "e"}, "wf_await_event('w1', 'wait', 'e')"),
    ({"acquire": "api"}, "wf_acquire('w1', 'wait', 'api')"),
])
def test_a_wait_of_a_script_is_not_decided_by_a_call_of_its_id(db, step, call):
    """It was: the wait was over, and the steps behind it never came."""
    db.wf_rate("api", limit=1, per="1m")
    db.wf_start("job", id="other")
    db.wf_acquire("other", "share", "api")
    started(db, step)
    db.wf_signal("w1", "ok")
    db.wf_emit("e")
    before = db.rows("SELECT status, due_at FROM _wf_step WHERE name = 'wait'")
    with wf_error("WF_STATE", "scripted"):
        db.value("SELECT " + call)
    db.wf_clock(NOW + 3600)
    with wf_error("WF_STATE", "scripted"):
        db.value("SELECT " + call)
    assert db.rows("SELECT status, due_at FROM _wf_step WHERE name = 'wait'") == before
    db.wf_run()
    assert (db.wf_status("w1"), db.wf_check()) == ("completed", None)
    assert db.value("SELECT " + call) is not None


def test_the_reason_names_all_branches_that_wait_but_no_items(db):
    """It named one of them."""
    db.wf_define("flow", {"steps": [
        {"name": "ok", "await": "ok"}, {"name": "nap", "after": [], "sleep": "1h"}, {"name": "task", "after": [], "task": "t"}, {"name": "each", "after": [], "for_each": "VALUES(1), (2)", "task": "t"},
    ]})
    db.wf_start("flow", id="w1")
    db.wf_run()
    assert sorted(reason(db).split("; ")) == ["sleeping", "waiting for signal ok", "waiting for task task", "waiting for the items of step each"]
