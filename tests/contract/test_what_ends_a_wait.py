"""What has ended a wait: in `wake` of the claim, in `ended_by` of the step, and who may still say something about it."""

import json

import pytest
from support import sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("job", id="w1")
    return db


def child(db):
    db.wf_start("child", id="c")


HAPPENS = {
    "signal": lambda db: db.wf_signal("w1", "s"),
    "event": lambda db: db.wf_emit("e"),
    "join": lambda db: db.wf_complete("c"),
    "timer": lambda db: db.at(100),
}
WAITS = [{"signal": "s"}, {"event": "e"}, {"join": ["c"]}, {"sleep": 100}]


def ended_by(db, step="w"):
    return db.value("SELECT ended_by FROM wf_steps WHERE name = ?", step)


@pytest.mark.parametrize("why", sorted(HAPPENS))
@pytest.mark.parametrize("when", ["before its lease ends", "after", "before the release"])
def test_the_claim_says_what_ended_a_kept_wait(db, why, when):
    child(db)
    token = db.claim(id="w1", lease=1000 if why == "timer" or when == "before the release" else 30)["token"]
    assert db.wf_wait_any(token, "w", WAITS, None, keep=True) is None
    if when == "before the release":
        HAPPENS[why](db)
        db.wf_release(token)
    elif when == "after":
        if why == "timer":
            db.wf_release(token)
        else:
            db.at(40)
        assert db.claim(id="w1") is None
        HAPPENS[why](db)
    else:
        HAPPENS[why](db)
        db.at(1001 if why == "timer" else 40)
    assert db.claim(id="w1")["wake"] == why


@pytest.mark.parametrize("why", sorted(HAPPENS))
def test_the_claim_says_what_ended_a_wait(db, why):
    child(db)
    db.wf_wait_any("w1", "w", WAITS)
    HAPPENS[why](db)
    assert db.claim(id="w1")["wake"] == why


def test_the_timeout_is_a_timer_though_a_signal_had_come(db):
    db.wf_wait_any("w1", "w", [{"signal": "s"}, {"signal": "t"}], 10, mode="all")
    db.wf_signal("w1", "s")
    db.at(10)
    assert db.claim()["wake"] == "timer"


def test_of_all_of_them_it_is_the_last(db):
    child(db)
    db.wf_wait_any("w1", "w", [{"join": ["c"]}, {"signal": "s"}, {"sleep": 1}], None, mode="all")
    db.at(2)
    db.wf_signal("w1", "s")
    db.at(3)
    db.wf_complete("c")
    db.at(4)
    assert db.claim(id="w1")["wake"] == "join"


def test_a_sleep_among_others_that_is_rescheduled_says_so(db):
    db.wf_wait_any("w1", "w", [{"signal": "s"}, {"sleep": "1h"}])
    assert db.wf_reschedule("w1") == 1
    assert db.claim()["wake"] == "timer"
    assert ended_by(db) == "rescheduled"
    assert db.wf_check() is None


def test_a_signal_that_comes_before_the_sleep_that_was_rescheduled_is_what_ended_it(db):
    db.wf_wait_any("w1", "w", [{"signal": "s"}, {"sleep": "1h"}])
    assert db.wf_reschedule("w1", 60) == 1
    db.wf_signal("w1", "s")
    db.claim()
    assert ended_by(db) == "signal s"


# What comes after the timeout does not count, whenever anyone looks: one rule for all that can be waited for.


@pytest.mark.parametrize("function", ["wf_join", "wf_wait_any"])
@pytest.mark.parametrize("at, in_time", [(10, True), (11, False)])
def test_an_end_counts_if_it_came_in_time(db, function, at, in_time):
    for id in "cd":
        db.wf_start("child", id=id)
    if function == "wf_join":
        db.wf_join("w1", "w", ["c", "d"], mode="any", timeout=10)
    else:
        db.wf_wait_any("w1", "w", [{"join": ["c", "d"], "mode": "any"}], 10)
    db.wf_pause("w1")
    db.at(at)
    db.wf_complete("d", 1)
    db.at(50)
    db.wf_resume("w1")
    claim = db.claim(id="w1")
    assert claim["wake"] == ("join" if in_time else "timer")
    ended = [{"id": "d", "status": "completed", "output": 1}]
    output = json.loads(db.wf_step("w1", "w"))
    if function == "wf_join":
        assert output == (ended if in_time else [{"id": "c", "status": "pending"}] + ended)
    else:
        assert output == ({"index": 0, "join": ended} if in_time else {"index": None, "timeout": True})


@pytest.mark.parametrize("due, in_time", [(10, True), (11, False)])
def test_a_sleep_counts_if_it_was_over_in_time(db, due, in_time):
    db.wf_wait_any("w1", "w", [{"sleep": due}], 10)
    db.at(50)
    db.claim()
    assert ("sleep" in json.loads(db.wf_step("w1", "w"))) == in_time


# Who may still record


@pytest.mark.parametrize("options", [{}, {"worker": "a"}, {"lost": True}])
def test_after_a_recovery_the_token_that_has_suspended_records_nothing(db, options):
    """What a claim has begun may be recorded while the workflow waits, until the next claim; but wf_recover ends every older token."""
    token = db.claim(None, "a")["token"]
    db.wf_begin(token, "charge")
    db.wf_sleep(token, "nap", "1h")
    db.wf_recover(**options)
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_step(token, "charge", 1)
    assert db.column("SELECT step FROM wf_in_doubt") == ["charge"]
    assert db.wf_check() is None
    db.at(3600)
    claim = db.claim()
    assert (claim["wake"], db.wf_sleep(claim["token"], "nap", "1h")) == ("timer", sql_time(3600))


def test_the_recovery_of_another_worker_ends_nothing_of_it(db):
    token = db.claim(None, "a")["token"]
    db.wf_begin(token, "charge")
    db.wf_sleep(token, "nap", "1h")
    db.wf_recover(worker="b")
    assert db.wf_step(token, "charge", 1) == 1


def test_what_was_begun_by_id_is_recorded_by_id_after_a_recovery(db):
    db.wf_begin("w1", "charge")
    db.wf_sleep("w1", "nap", "1h")
    db.wf_recover()
    assert db.wf_step("w1", "charge", 1) == 1


# The name of an open wait


def test_a_step_is_not_read_under_the_name_of_an_open_wait(db):
    """Who gets NULL from wf_step(h, s) may do the step: the name is taken, so it is told, before anything was done."""
    token = db.claim()["token"]
    assert db.wf_await(token, "k", "go", "1h", keep=True) is None
    for arguments in [("k",), ("k", 1)]:
        with wf_error("WF_NONDETERMINISM", "k", "await", "step"):
            db.wf_step(token, *arguments)
    db.wf_signal("w1", "go", 5)
    output = db.wf_await(token, "k", "go", "1h", keep=True)
    assert db.wf_step(token, "k") == output
