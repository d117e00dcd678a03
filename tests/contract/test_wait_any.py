"""wf_wait_any: several waits at once, of which the first decides, or all."""

import json

import pytest
from support import wf_error

NOW = 1_800_000_000


def at(seconds):
    return NOW + seconds


def waits(*entries):
    return json.dumps(entries)


ANY = waits({"signal": ["ok", "no"], "as": "answer"}, {"event": "closed"}, {"join": ["kid"]}, {"sleep": "1h", "as": "too late"})


@pytest.fixture
def job(db):
    db.wf_clock(NOW)
    db.wf_start("job", id="kid")
    db.wf_start("job", id="w1")
    return db


def got(db, handle, step, entries, *args, **options):
    text = db.wf_wait_any(handle, step, entries, *args, **options)
    return text if text is None else json.loads(text)


def pending(db, id="w1"):
    return db.rows("SELECT status, ready, reason FROM wf_pending WHERE id = ?", id)[0]


def ready(db, id):
    return db.value("SELECT ready FROM wf_pending WHERE id = ?", id)


def test_null_until_the_first_is_satisfied_then_recorded_for_good(job):
    assert got(job, "w1", "wait", ANY) is None
    assert pending(job) == ("waiting", 0, "waiting for signal ok, no or event closed or 1 workflow or a time")
    assert got(job, "w1", "wait", ANY) is None
    job.wf_signal("w1", "ok", '{"by":"ann"}')
    assert pending(job)[:2] == ("waiting", 1)
    assert job.wf_status("w1") == "waiting"
    result = got(job, "w1", "wait", ANY)
    assert result == {"index": 0, "as": "answer", "signal": "ok", "payload": {"by": "ann"}, "received_at": "2027-01-15T08:00:00.000Z"}
    job.wf_emit("closed")
    assert got(job, "w1", "wait", ANY) == result == json.loads(job.wf_step("w1", "wait"))
    assert job.rows("SELECT name, kind, status FROM wf_steps WHERE workflow_id = 'w1'") == [("wait", "wait_any", "done")]
    assert job.wf_check() is None


def test_each_kind_wins_with_what_the_single_wait_gives(job):
    for step, satisfy, expected in [
        ("event", lambda: job.wf_emit("closed", 5), {"index": 1, "event": "closed", "payload": 5, "received_at": "2027-01-15T08:00:00.000Z"}),
        ("join", lambda: job.wf_complete("kid", 7), {"index": 2, "join": [{"id": "kid", "status": "completed", "output": 7}]}),
        ("sleep", lambda: job.wf_clock(at(3600)), {"index": 3, "as": "too late", "sleep": "2027-01-15T09:00:00.000Z"}),
    ]:
        job.execute("SAVEPOINT s")
        job.wf_clock(NOW)
        assert got(job, "w1", step, ANY) is None
        satisfy()
        assert ready(job, "w1") == 1
        claim = job.claim(id="w1")
        assert got(job, claim["token"], step, ANY) == expected
        assert job.value("SELECT count(*) FROM _wf_waiter") == 0
        assert job.wf_check() is None
        job.execute("ROLLBACK TO s")


@pytest.mark.parametrize("satisfied, wake", [("signal", "signal"), ("event", "event"), ("join", "join"), ("sleep", "timer")])
def test_the_claim_says_what_has_woken_it(job, satisfied, wake):
    assert got(job, job.claim(id="w1")["token"], "wait", ANY) is None
    {"signal": lambda: job.wf_signal("w1", "no"), "event": lambda: job.wf_emit("closed"), "join": lambda: job.wf_complete("kid"),
     "sleep": lambda: job.wf_clock(at(4000))}[satisfied]()
    assert job.claim(id="w1")["wake"] == wake


def test_only_the_winner_consumes_a_signal(job):
    job.wf_signal("w1", "a", 1)
    job.wf_signal("w1", "b", 2)
    assert got(job, "w1", "first", waits({"signal": "b"}, {"signal": "a"}))["signal"] == "a"
    assert json.loads(job.wf_await("w1", "second", "b"))["payload"] == 2
    assert job.rows("SELECT name, taken_by FROM wf_signals ORDER BY seq") == [("a", "first"), ("b", "second")]
    assert job.wf_check() is None


def test_a_signal_stays_in_line_where_something_else_wins(job):
    job.wf_emit("closed")
    job.wf_signal("w1", "ok", now=at(5))
    assert got(job, "w1", "wait", ANY, now=at(6))["event"] == "closed"
    assert json.loads(job.wf_await("w1", "later", "ok"))["signal"] == "ok"


def test_ties_go_to_the_earliest_arrival_then_to_the_order_given(job):
    job.wf_signal("w1", "ok", now=at(9))
    job.wf_emit("closed", now=at(8))
    assert got(job, "w1", "earliest", ANY, now=at(10))["index"] == 1
    job.wf_signal("w1", "x", now=at(20))
    job.wf_emit("y", now=at(20))
    assert got(job, "w1", "order", waits({"event": "y"}, {"signal": "x"}), now=at(20))["index"] == 0
    assert got(job, "w1", "other order", waits({"signal": "x"}, {"event": "y"}), now=at(20))["index"] == 0


def test_what_came_before_the_time_wins_whenever_anyone_looks(job):
    entries = waits({"sleep": 60}, {"signal": "ok"})
    assert got(job, "w1", "a", entries) is None
    job.wf_signal("w1", "ok", now=at(59))
    assert got(job, "w1", "a", entries, now=at(1000))["index"] == 1
    assert got(job, "w1", "b", entries, now=at(1000)) is None
    job.wf_signal("w1", "ok", now=at(1061))
    assert got(job, "w1", "b", entries, now=at(2000)) == {"index": 0, "sleep": "2027-01-15T08:17:40.000Z"}


def test_a_sleep_may_be_a_time(job):
    entries = waits({"sleep": "2027-01-15 08:00:30"}, {"sleep": "2027-01-15 08:00:20"})
    assert got(job, "w1", "a", entries) is None
    assert job.value("SELECT due_at FROM wf_pending WHERE id = 'w1'") == "2027-01-15 08:00:20.000"
    assert got(job, "w1", "a", entries, now=at(40))["index"] == 1


def test_a_timeout(job):
    entries = waits({"signal": "ok"}, {"event": "closed"})
    assert got(job, "w1", "a", entries, "10s") is None
    assert job.value("SELECT due_at FROM wf_pending WHERE id = 'w1'") == "2027-01-15 08:00:10.000"
    job.wf_signal("w1", "ok", now=at(11))
    job.wf_emit("closed", now=at(11))
    assert got(job, "w1", "a", entries, "10s", now=at(12)) == {"index": None, "timeout": True}
    assert got(job, "w1", "b", waits({"signal": "no"}), 0, now=at(12)) == {"index": None, "timeout": True}
    assert got(job, "w1", "c", entries, "10s", now=at(12))["index"] == 0


# All of them

ALL = waits({"signal": "ok", "as": "first"}, {"signal": "ok", "as": "second"}, {"event": "closed"}, {"join": ["kid"], "outputs": False})


def test_all_of_them(job):
    assert got(job, "w1", "wait", ALL, mode="all") is None
    assert pending(job) == ("waiting", 0, "waiting for signal ok and signal ok and event closed and 1 workflow")
    job.wf_signal("w1", "ok", 1, now=at(1))
    job.wf_complete("kid", 5, now=at(2))
    assert got(job, "w1", "wait", ALL, mode="all", now=at(3)) is None
    assert job.rows("SELECT taken_by FROM wf_signals") == [(None,)]
    job.wf_emit("closed", now=at(4))
    assert got(job, "w1", "wait", ALL, mode="all", now=at(5)) is None
    job.wf_signal("w1", "ok", 2, now=at(6))
    claim = job.claim(id="w1", now=at(7))
    assert got(job, claim["token"], "wait", ALL, mode="all", now=at(7)) == [
        {"as": "first", "signal": "ok", "payload": 1, "received_at": "2027-01-15T08:00:01.000Z"},
        {"as": "second", "signal": "ok", "payload": 2, "received_at": "2027-01-15T08:00:06.000Z"},
        {"event": "closed", "payload": None, "received_at": "2027-01-15T08:00:04.000Z"},
        {"join": [{"id": "kid", "status": "completed"}]},
    ]
    assert job.rows("SELECT taken_by FROM wf_signals") == [("wait",), ("wait",)]
    assert job.wf_check() is None


def test_at_a_timeout_what_is_satisfied_stands(job):
    assert got(job, "w1", "wait", ALL, 60, mode="all") is None
    job.wf_signal("w1", "ok", 1, now=at(1))
    job.wf_signal("w1", "ok", 2, now=at(61))
    assert got(job, "w1", "wait", ALL, 60, mode="all", now=at(70)) == [
        {"as": "first", "signal": "ok", "payload": 1, "received_at": "2027-01-15T08:00:01.000Z"}, {"as": "second", "timeout": True},
        {"timeout": True}, {"timeout": True}]
    assert job.rows("SELECT taken_by FROM wf_signals") == [("wait",), (None,)]


def test_each_entry_takes_the_earliest_signal_that_no_earlier_one_took(job):
    entries = waits({"signal": ["a", "b"]}, {"signal": "a"}, {"signal": "b"})
    job.wf_signal("w1", "a", 1)
    job.wf_signal("w1", "b", 2)
    assert got(job, "w1", "wait", entries, mode="all") is None
    job.wf_signal("w1", "a", 3)
    assert [entry["payload"] for entry in got(job, "w1", "wait", entries, mode="all")] == [1, 3, 2]


def test_what_of_all_is_not_complete_is_not_ready(job):
    token = job.claim(id="w1")["token"]
    assert got(job, token, "wait", ALL, mode="all") is None
    for _ in range(2):
        job.wf_signal("w1", "ok")
        assert job.claim() is None or True
        assert ready(job, "w1") == 0


# Joins in it

def test_the_children_spawned_so_far(job):
    token = job.claim(id="w1")["token"]
    job.wf_spawn(token, "a", "child")
    job.wf_spawn(token, "b", "child")
    entries = waits({"join": None}, {"signal": "stop"})
    assert got(job, token, "wait", entries) is None
    job.wf_complete("w1/a", 1)
    assert ready(job, "w1") == 0  # one wake-up, when all have ended
    job.wf_complete("w1/b", 2)
    assert ready(job, "w1") == 1
    assert [each["output"] for each in got(job, job.claim(id="w1")["token"], "wait", entries)["join"]] == [1, 2]


def test_the_earliest_of_several_workflows_and_two_joins_at_once(job):
    for name in "abcd":
        job.wf_start("job", id=name)
    entries = waits({"join": ["a", "b"]}, {"join": ["a", "c", "d"], "mode": "any"}, {"join": ["b"]})
    assert got(job, "w1", "wait", entries) is None
    assert pending(job)[2] == "waiting for 2 workflows or any of 3 workflows or 1 workflow"
    job.wf_complete("d", 1)
    assert ready(job, "w1") == 1
    assert got(job, "w1", "wait", entries) == {"index": 1, "join": [{"id": "d", "status": "completed", "output": 1}]}
    assert got(job, "w1", "rest", waits({"join": ["a", "b"]}, {"join": ["a", "c"]})) is None
    job.wf_complete("b")
    job.wf_complete("c")
    assert ready(job, "w1") == 0
    job.wf_complete("a")
    assert got(job, "w1", "rest", waits({"join": ["a", "b"]}, {"join": ["a", "c"]}))["index"] == 0
    assert job.wf_check() is None


def test_a_workflow_of_a_join_is_deleted(job):
    entries = waits({"join": ["kid"]}, {"signal": "stop"})
    assert got(job, "w1", "wait", entries) is None
    job.wf_delete("kid", force=True)
    assert ready(job, "w1") == 1
    assert got(job, "w1", "wait", entries) == {"index": 0, "join": [{"id": "kid", "status": None}]}


# Mistakes

@pytest.mark.parametrize("entries", [
    "[]", "{}", "x", "5", '"a"', "[5]", '["a"]', "[{}]", '[{"as":"a"}]', '[{"signal":"a","event":"b"}]', '[{"signal":5}]', '[{"signal":[]}]',
    '[{"signal":""}]', '[{"signal":["a",5]}]', '[{"event":null}]', '[{"sleep":"soon"}]', '[{"sleep":-1}]', '[{"sleep":null}]',
    '[{"join":"kid"}]', '[{"join":["run_1"]}]', '[{"join":["kid"],"mode":"some"}]', '[{"join":[],"mode":"any"}]', '[{"join":["kid"],"outputs":5}]',
    '[{"signal":"a","mode":"any"}]', '[{"signal":"a","outputs":false}]', '[{"signal":"a","as":""}]', '[{"signal":"a","as":5}]',
    '[{"signal":"a","signal":"b"}]', '[{"signal":"a","colour":1}]', '[{"join":["w1"]}]',
])
def test_mistakes_are_named(job, entries):
    with wf_error("WF_INVALID"):
        job.wf_wait_any("w1", "wait", entries)
    assert job.rows("SELECT name FROM wf_steps") == []


def test_errors(job):
    with wf_error("WF_NOT_FOUND"):
        job.wf_wait_any("w1", "wait", waits({"join": ["nobody"]}))
    with wf_error("WF_INVALID"):
        job.wf_wait_any("w1", "wait", ANY, mode="some")
    job.wf_step("w1", "step", 1)
    with wf_error("WF_NONDETERMINISM"):
        job.wf_wait_any("w1", "step", ANY)
    assert got(job, "w1", "wait", ANY) is None
    with wf_error("WF_SUSPENDED"):
        job.wf_wait_any("w1", "other", ANY)
    with wf_error("WF_SUSPENDED"):
        job.wf_await("w1", "other", "ok")
    job.wf_emit("closed")
    got(job, "w1", "wait", ANY)
    with wf_error("WF_NONDETERMINISM"):
        job.wf_await("w1", "wait", "ok")


# What happens to it meanwhile

def test_a_pause(job):
    assert got(job, "w1", "wait", ANY) is None
    job.wf_pause("w1")
    with wf_error("WF_PAUSED"):
        job.wf_wait_any("w1", "wait", ANY)
    job.wf_signal("w1", "ok")
    assert job.claim(id="kid") and job.claim() is None
    job.wf_resume("w1")
    assert got(job, job.claim(id="w1")["token"], "wait", ANY)["index"] == 0


def test_a_cancel_leaves_nothing(job):
    assert got(job, "w1", "wait", ANY) is None
    job.wf_cancel("w1")
    assert job.value("SELECT count(*) FROM _wf_waiter") == 0
    assert job.rows("SELECT name FROM wf_steps") == []
    assert job.wf_check() is None


def test_a_retry_from_it_puts_its_signals_back_in_line(job):
    for payload in (1, 2):
        job.wf_signal("w1", "ok", payload)
    both = waits({"signal": "ok"}, {"signal": "ok"})
    assert len(got(job, "w1", "wait", both, mode="all")) == 2
    job.wf_fail("w1", "no", retry=False)
    job.wf_retry("w1", **{"from": "wait"})
    assert job.rows("SELECT taken_by FROM wf_signals") == [(None,), (None,)]
    assert [each["payload"] for each in got(job, "w1", "wait", both, mode="all")] == [1, 2]


def test_a_fork_copies_what_is_recorded(job):
    job.wf_emit("closed", 9)
    result = got(job, "w1", "wait", ANY)
    job.wf_fork("w1", id="copy")
    assert got(job, "copy", "wait", ANY) == result
    assert job.wf_check() is None


def test_reschedule_ends_its_sleeps(job):
    entries = waits({"sleep": "1h"}, {"signal": "ok"}, {"sleep": "2026-01-01"}, {"sleep": "3h"})
    assert got(job, "w1", "past", entries)["index"] == 2
    entries = waits({"signal": "ok"}, {"sleep": "1h"}, {"sleep": "3h"})
    assert got(job, "w1", "wait", entries, "2h") is None
    assert job.wf_reschedule("w1", at(60)) == 1
    assert job.value("SELECT due_at FROM wf_pending WHERE id = 'w1'") == "2027-01-15 08:01:00.000"
    assert got(job, "w1", "wait", entries, now=at(60)) == {"index": 1, "sleep": "2027-01-15T08:01:00.000Z"}
    assert got(job, "w1", "none", waits({"signal": "ok"}), "2h", now=at(60)) is None
    assert job.wf_reschedule("w1") == 0  # nothing sleeps: a timeout stands


def test_it_moves_to_another_file(job, connect, tmp_path):
    job.wf_signal("w1", "before", 1)
    assert got(job, "w1", "first", waits({"signal": "before"}))["payload"] == 1
    assert got(job, "w1", "wait", waits({"signal": "ok"}, {"event": "closed"}, {"join": ["kid"]}, {"sleep": "1h"}), "2h") is None
    document = job.wf_export("w1")
    other = connect(tmp_path / "other.db")
    other.wf_clock(at(10))
    other.wf_start("job", id="kid")
    other.wf_import(document)
    assert json.loads(other.wf_export("w1")) == json.loads(document) | {"workflow": json.loads(other.wf_export("w1"))["workflow"]}
    assert other.wf_check() is None
    other.wf_resume("w1")
    other.wf_emit("closed")
    assert got(other, other.claim(id="w1")["token"], "wait", ANY)["index"] == 1
    assert other.wf_check() is None


@pytest.mark.parametrize("topics", ['[5]', '{}', '{"waits":[]}', '{"mode":"any","waits":[{"signal":5}]}', '{"mode":"any","waits":[{"sleep":"x"}]}',
                                    '{"mode":"any","waits":["a"]}', '{"mode":"few","waits":[{"signal":["a"]}]}', '{"mode":"any","waits":[{"signal":["a"],"x":1}]}'])
def test_a_foreign_document_is_checked(job, topics):
    assert got(job, "w1", "wait", waits({"signal": "ok"})) is None
    document = json.loads(job.wf_export("w1"))
    document["workflow"]["id"] = "w2"
    document["steps"][0]["topics"] = topics
    with wf_error("WF_INVALID"):
        job.wf_import(json.dumps(document))


def test_many_waiters_of_one_event_wake_in_one_statement(db):
    db.wf_clock(NOW)
    for i in range(50):
        db.wf_start("job", id=f"w{i}")
        assert db.wf_wait_any(f"w{i}", "wait", waits({"event": "go"}, {"signal": "stop"})) is None
    db.wf_emit("go")
    assert db.wf_ready() == 50
    assert len(json.loads(db.value("SELECT wf_claim(NULL, NULL, '{\"limit\":100}')"))) == 50
    assert db.value("SELECT count(*) FROM _wf_waiter") == 0


def test_a_join_of_many_wakes_once(db):
    db.wf_clock(NOW)
    db.wf_start("job", id="p")
    for i in range(30):
        db.wf_spawn("p", f"c{i}", "child", queue="q")
    assert db.wf_wait_any("p", "wait", waits({"join": None}, {"signal": "stop"})) is None
    for i in range(30):
        assert db.wf_ready("default") == 0
        db.wf_complete(f"p/c{i}")
    assert db.wf_ready("default") == 1


def test_explicit_mode(db):
    db.wf_config("clock", "explicit")
    db.wf_start("job", id="w1", now=NOW)
    assert db.wf_wait_any("w1", "wait", waits({"sleep": 5}, {"signal": "go"}), now=NOW) is None
    with wf_error("WF_INVALID"):
        db.wf_wait_any("w1", "wait", waits({"sleep": 5}))
    assert json.loads(db.wf_wait_any("w1", "wait", waits({"sleep": 5}), now=at(5)))["index"] == 0
