"""What a wait has recorded is read like any step; and what an explicit clock forbids."""

import json

import pytest
from support import json_time, sql_time, wf_error


@pytest.fixture
def waited(db):
    """A workflow with a recorded wait of each kind, and its token."""
    db.at(0)
    token = db.running()["token"]
    db.wf_sleep(token, "nap", 0)
    db.wf_await(token, "signal", "go", 0)
    db.wf_await_event(token, "event", "news", 0)
    db.wf_join(token, "join", "[]")
    db.wf_spawn(token, "kid", "child", id="kid")
    return token


KINDS = ["nap", "signal", "event", "join", "kid"]


@pytest.mark.parametrize("step", KINDS)
@pytest.mark.parametrize("status", ["running", "waiting", "completed", "failed", "cancelled", "paused", "pending"])
def test_the_guard_returns_what_a_wait_has_recorded_in_any_status(db, waited, step, status):
    {
        "running": lambda: None,
        "waiting": lambda: db.wf_sleep(waited, "night", 100),
        "completed": lambda: db.wf_complete(waited),
        "failed": lambda: db.wf_fail(waited, '"e"', retry=False),
        "cancelled": lambda: db.wf_cancel("w1"),
        "paused": lambda: db.wf_pause("w1"),
        "pending": lambda: db.wf_release(waited, delay=100),
    }[status]()
    assert db.wf_status("w1") == status
    output = db.value("SELECT output FROM wf_steps WHERE name = ?", step)
    assert db.wf_step(waited, step) == output and db.wf_step("w1", step) == output


@pytest.mark.parametrize("step", KINDS)
def test_recording_under_the_name_of_a_wait_is_refused(db, waited, step):
    with wf_error("WF_NONDETERMINISM", step):
        db.wf_step(waited, step, "1")


def test_an_open_wait_is_not_recorded(db, waited):
    assert db.wf_sleep(waited, "night", 100) is None
    with wf_error("WF_SUSPENDED", "night"):
        db.wf_step(waited, "night")


def test_sleeps_in_the_steps_of_a_claim_are_in_the_form_of_json(db, waited):
    db.wf_sleep(waited, "night", 100)
    db.at(100)
    steps = db.outputs(db.claim(id="w1", steps=True))
    assert (steps["nap"], steps["night"]) == (json_time(0), json_time(100))
    assert steps["signal"] == {"signal": None, "timeout": True}


def test_waits_say_when_they_began(db, waited):
    db.at(10)
    db.wf_sleep(waited, "night", 100)
    assert db.value("SELECT begun_at FROM wf_steps WHERE name = 'night'") == sql_time(10)
    db.at(200)
    db.claim(id="w1")
    assert db.rows("SELECT begun_at, recorded_at FROM wf_steps WHERE name = 'night'") == [(sql_time(10), sql_time(200))]
    assert db.rows("SELECT begun_at, recorded_at FROM wf_steps WHERE name = 'nap'") == [(sql_time(0), sql_time(0))]


# The explicit clock: no machine's own clock decides anything


@pytest.fixture
def explicit(db):
    db.wf_config("clock", "explicit")
    db.wf_start("job", id="w1", now=1_800_000_000)
    return db


@pytest.mark.parametrize("clock", [-100_000, 0, 100_000])
def test_the_guard_says_the_same_by_every_clock(explicit, clock):
    db = explicit
    db.wf_queue("default", '{"concurrency":1,"now":1800000000}')
    db.wf_start("job", id="delayed", delay=50, now=1_800_000_000)
    token = db.claim(id="w1", lease=30, now=1_800_000_000)["token"]
    db.at(clock)
    assert db.wf_step(token, "s") is None
    assert db.wf_step("w1", "s") is None              # the call that records says the time, and decides
    assert db.wf_step("delayed", "s") is None
    with wf_error("WF_LEASED"):
        db.wf_step("w1", "s", "1", now=1_800_000_010)
    with wf_error("WF_STATE"):
        db.wf_step("delayed", "s", "1", now=1_800_000_010)


def test_wf_wait_is_refused_where_the_connection_can_write(explicit, connect):
    with wf_error("WF_CONTEXT", "explicit"):
        explicit.wf_wait(0)
    explicit.execute("PRAGMA query_only = ON")
    assert explicit.wf_wait(0) in (0, 1)
    explicit.execute("PRAGMA query_only = OFF")
    reader = connect("file:%s?mode=ro" % explicit.value("SELECT file FROM pragma_database_list WHERE name = 'main'"), uri=True)
    assert reader.wf_wait(0) in (0, 1)


def test_only_a_word_leaves_the_explicit_mode(explicit):
    with wf_error("WF_INVALID", "system"):
        explicit.wf_config("clock", None)
    assert json.loads(json.dumps(explicit.wf_config("clock"))) == "explicit"
    assert explicit.wf_config("clock", "system") == "system"
    assert explicit.wf_config("clock", None) == "system"
