"""wf_signal and wf_await: messages to one workflow."""

import json

import pytest
from support import BASE, json_time, sql_time, wf_error

TIMED_OUT = {"signal": None, "timeout": True}


@pytest.fixture
def db(db):
    db.at(0)
    return db


@pytest.fixture
def w1(db):
    db.wf_start("job", id="w1")
    return db


def received(db, step, *arguments, handle="w1"):
    """What wf_await returns, its JSON parsed."""
    text = db.wf_await(handle, step, *arguments)
    return None if text is None else json.loads(text)


# Sending


def test_sending_returns_1(w1):
    assert w1.wf_signal("w1", "go", {"n": 1}) == 1


def test_an_early_signal_is_kept(w1):
    w1.wf_signal("w1", "go", {"n": 1})
    w1.at(5)
    assert received(w1, "wait", "go") == {"signal": "go", "payload": {"n": 1}, "received_at": json_time(0)}
    assert w1.wf_status("w1") == "pending"


def test_without_a_payload_it_is_null(w1):
    w1.wf_signal("w1", "go")
    assert received(w1, "wait", "go")["payload"] is None


@pytest.mark.parametrize("payload, shown", [(5, 5), (1.5, 1.5), ('"text"', "text"), ("[1, 2]", [1, 2]), (None, None), (b"\x01\xff", {"$blob": "01ff"})])
def test_payloads_are_values(w1, payload, shown):
    w1.wf_signal("w1", "go", payload)
    got = received(w1, "wait", "go")["payload"]
    assert (str(got).lower() if isinstance(got, dict) else got) == (str(shown).lower() if isinstance(shown, dict) else shown)


def test_a_payload_that_is_not_json_is_invalid(w1):
    with wf_error("WF_INVALID", "json_quote"):
        w1.wf_signal("w1", "go", "text")
    assert w1.rows("SELECT * FROM wf_signals") == []


def test_signals_are_first_in_first_out_and_each_is_consumed_by_one_await(w1):
    for n in range(3):
        w1.wf_signal("w1", "go", n)
    assert [received(w1, step, "go")["payload"] for step in ("a", "b", "c")] == [0, 1, 2]
    assert received(w1, "d", "go") is None
    assert received(w1, "a", "go")["payload"] == 0


def test_order_is_that_of_arrival_not_of_the_clock(w1):
    w1.wf_signal("w1", "go", 1, now=BASE + 100)
    w1.wf_signal("w1", "go", 2, now=BASE + 50)
    assert [received(w1, step, "go")["payload"] for step in ("a", "b")] == [1, 2]


def test_signals_of_other_names_and_workflows_are_not_touched(w1):
    w1.wf_start("job", id="w2")
    w1.wf_signal("w1", "stop", 1)
    w1.wf_signal("w2", "go", 2)
    assert received(w1, "wait", "go") is None
    assert w1.column("SELECT taken_by FROM wf_signals") == [None, None]


@pytest.mark.parametrize("payload", [1, 2])
def test_a_key_makes_sending_idempotent(w1, payload):
    assert w1.wf_signal("w1", "go", 1, key="k") == 1
    assert w1.wf_signal("w1", "go", payload, key="k") == 0
    assert received(w1, "a", "go")["payload"] == 1
    assert received(w1, "b", "go") is None


def test_a_key_that_was_consumed_is_a_repeat_still(w1):
    w1.wf_signal("w1", "go", 1, key="k")
    received(w1, "a", "go")
    assert w1.wf_signal("w1", "go", 1, key="k") == 0
    assert received(w1, "b", "go") is None


def test_keys_belong_to_one_workflow(w1):
    w1.wf_start("job", id="w2")
    assert (w1.wf_signal("w1", "go", 1, key="k"), w1.wf_signal("w2", "go", 1, key="k")) == (1, 1)


def test_without_a_key_each_call_sends(w1):
    assert (w1.wf_signal("w1", "go", 1), w1.wf_signal("w1", "go", 1)) == (1, 1)
    assert w1.value("SELECT count(*) FROM wf_signals") == 2


def test_signals_to_unknown_workflows_are_not_found(w1):
    with wf_error("WF_NOT_FOUND", "nobody"):
        w1.wf_signal("nobody", "go")


@pytest.mark.parametrize("end, error", [("complete", "WF_STATE"), ("fail", "WF_STATE"), ("cancel", "WF_CANCELLED")])
def test_signals_to_terminal_workflows_are_refused_but_a_repeated_key_is_0(w1, end, error):
    w1.wf_signal("w1", "go", 1, key="k")
    {"complete": lambda: w1.wf_complete("w1"), "fail": lambda: w1.wf_fail("w1", "e", retry=False), "cancel": lambda: w1.wf_cancel("w1")}[end]()
    with wf_error(error, "w1"):
        w1.wf_signal("w1", "go", 2)
    assert w1.wf_signal("w1", "go", 1, key="k") == 0


@pytest.mark.parametrize("prepare", [lambda db: db.claim(), lambda db: db.wf_pause("w1"), lambda db: db.wf_sleep("w1", "nap", 60)])
def test_a_signal_reaches_a_workflow_in_every_open_state(w1, prepare):
    prepare(w1)
    before = w1.wf_status("w1")
    assert w1.wf_signal("w1", "go", 1) == 1
    assert w1.wf_status("w1") == before


@pytest.mark.parametrize("name", ["", None, 5, "a\n", "a" * 256])
def test_a_signal_has_a_name(w1, name):
    with wf_error("WF_INVALID"):
        w1.wf_signal("w1", name)
    with wf_error("WF_INVALID"):
        w1.wf_await("w1", "wait", name)


def test_a_rolled_back_signal_was_never_sent(w1):
    received(w1, "wait", "go")
    w1.execute("BEGIN")
    w1.wf_signal("w1", "go", 1)
    assert w1.wf_ready() == 1
    w1.execute("ROLLBACK")
    assert (w1.wf_ready(), received(w1, "wait", "go")) == (0, None)


def test_the_table_shows_each_signal_and_who_took_it(w1):
    w1.wf_signal("w1", "go", {"n": 1}, key="k")
    w1.wf_signal("w1", "stop", 2, now=BASE + 1)
    received(w1, "wait", "go")
    assert w1.records("SELECT * FROM wf_signals ORDER BY name") == [
        dict(workflow_id="w1", seq=1, name="go", key="k", payload='{"n":1}', received_at=sql_time(0), taken_by="wait"),
        dict(workflow_id="w1", seq=2, name="stop", key=None, payload=2, received_at=sql_time(1), taken_by=None),
    ]


# Awaiting


def test_a_signal_wakes_the_workflow(w1):
    token = w1.claim()["token"]
    assert received(w1, "wait", "go", handle=token) is None
    w1.at(7)
    w1.wf_signal("w1", "go", 5)
    assert w1.workflow()["due_at"] == sql_time(7)
    w1.at(9)
    claim = w1.claim()
    assert received(w1, "wait", "go", handle=claim["token"]) == {"signal": "go", "payload": 5, "received_at": json_time(7)}


def test_other_signals_do_not_wake_it(w1):
    received(w1, "wait", "go")
    w1.wf_signal("w1", "stop", 1)
    assert (w1.wf_ready(), w1.claim()) == (0, None)


def test_of_several_names_the_earliest_arrival_wins(w1):
    w1.wf_signal("w1", "c", 1)
    w1.wf_signal("w1", "b", 2)
    w1.wf_signal("w1", "a", 3)
    names = ["a", "b"]
    assert [received(w1, step, names)["signal"] for step in ("x", "y")] == ["b", "a"]
    assert received(w1, "z", names) is None


def test_a_wait_for_several_names_is_woken_by_any(w1):
    assert received(w1, "wait", ["a", "b"]) is None
    assert "a" in w1.value("SELECT reason FROM wf_pending")
    w1.wf_signal("w1", "b", 1)
    assert received(w1, "wait", ["a", "b"])["signal"] == "b"


@pytest.mark.parametrize("names", ["[]", '["a",5]', '["a",""]', "[", '["a",null]', "[[]]"])
def test_an_array_of_names_holds_names(w1, names):
    with wf_error("WF_INVALID"):
        w1.wf_await("w1", "wait", names)
    assert w1.wf_status("w1") == "pending"


def test_the_timeout_is_an_answer(w1):
    assert received(w1, "wait", "go", "10s") is None
    w1.at(9.999)
    assert (received(w1, "wait", "go", "10s"), w1.wf_ready()) == (None, 0)
    w1.at(10)
    assert w1.wf_ready() == 1
    assert received(w1, "wait", "go", "10s", handle=w1.claim()["token"]) == TIMED_OUT


def test_a_timeout_is_recorded_for_good(w1):
    received(w1, "wait", "go", 10)
    w1.at(10.001)
    assert received(w1, "wait", "go", 10) == TIMED_OUT
    w1.wf_signal("w1", "go", 1)
    assert received(w1, "wait", "go", 10) == TIMED_OUT


@pytest.mark.parametrize("again", [[], [5], [1000], [None]])
def test_the_timeout_is_fixed_at_the_first_call(w1, again):
    received(w1, "wait", "go", 60)
    w1.at(30)
    assert received(w1, "wait", "go", *again) is None
    assert w1.workflow()["due_at"] == sql_time(60)
    w1.at(61)
    assert received(w1, "wait", "go", *again) == TIMED_OUT


def test_no_timeout_waits_for_ever(w1):
    assert received(w1, "wait", "go") is None
    w1.at(10 * 365 * 86400)
    assert (received(w1, "wait", "go"), w1.claim()) == (None, None)


@pytest.mark.parametrize("arrival, counts", [(0, True), (9.999, True), (10, True), (10.001, False), (11, False)])
@pytest.mark.parametrize("looked_at", [11, 5000])
def test_a_signal_counts_if_it_arrived_by_the_timeout_whenever_anyone_looks(w1, arrival, counts, looked_at):
    received(w1, "wait", "go", 10)
    w1.at(arrival)
    w1.wf_signal("w1", "go", 1)
    w1.at(looked_at)
    got = received(w1, "wait", "go", 10, handle=w1.claim()["token"])
    assert got == ({"signal": "go", "payload": 1, "received_at": json_time(arrival)} if counts else TIMED_OUT)


def test_a_later_one_stays_queued(w1):
    received(w1, "wait", "go", 10)
    w1.at(11)
    w1.wf_signal("w1", "go", 1)
    assert received(w1, "wait", "go", 10) == TIMED_OUT
    assert w1.column("SELECT taken_by FROM wf_signals") == [None]
    assert received(w1, "again", "go")["payload"] == 1


def test_a_signal_wins_over_a_timeout_that_would_come_later(w1):
    token = w1.claim()["token"]
    received(w1, "wait", "go", 3600, handle=token)
    w1.at(1)
    w1.wf_signal("w1", "go", 1)
    assert received(w1, "wait", "go", handle=w1.claim()["token"])["payload"] == 1


def test_timeout_0_polls_and_never_suspends(w1):
    token = w1.claim()["token"]
    assert received(w1, "poll 1", "go", 0, handle=token) == TIMED_OUT
    assert w1.wf_status("w1") == "running"
    w1.wf_signal("w1", "go", 1)
    assert received(w1, "poll 1", "go", 0, handle=token) == TIMED_OUT
    assert received(w1, "poll 2", "go", 0, handle=token)["payload"] == 1


@pytest.mark.parametrize("timeout", [-1, "soon", "30", b"1"])
def test_a_timeout_is_a_duration(w1, timeout):
    with wf_error("WF_INVALID", "timeout"):
        w1.wf_await("w1", "wait", "go", timeout)
    assert w1.wf_status("w1") == "pending"


def test_a_repeated_await_takes_nothing_more(w1):
    for n in range(2):
        w1.wf_signal("w1", "go", n)
    for _ in range(3):
        assert received(w1, "wait", "go")["payload"] == 0
    assert w1.column("SELECT taken_by FROM wf_signals ORDER BY payload") == ["wait", None]


def test_a_claim_of_another_connection_sees_what_was_decided(w1, connect):
    other = connect()
    other.at(0)
    received(w1, "wait", "go")
    other.wf_signal("w1", "go", 1)
    claim = w1.claim()
    got = received(w1, "wait", "go", handle=claim["token"])
    assert received(other, "wait", "go", handle=claim["token"]) == got


def test_a_thousand_early_signals_come_back_in_order(w1):
    w1.execute("BEGIN")
    for n in range(1000):
        w1.wf_signal("w1", "go", n)
    assert [received(w1, "s%d" % n, "go")["payload"] for n in range(1000)] == list(range(1000))
    w1.execute("COMMIT")


def test_triggers_may_send_signals(w1):
    w1.execute("CREATE TABLE approval(id, ok)")
    w1.execute("CREATE TRIGGER t AFTER INSERT ON approval BEGIN SELECT wf_signal(new.id, 'go', new.ok, json_object('key', 'k' || new.id)); END")
    received(w1, "wait", "go")
    w1.execute("INSERT INTO approval VALUES ('w1', 1)")
    assert received(w1, "wait", "go")["payload"] == 1
