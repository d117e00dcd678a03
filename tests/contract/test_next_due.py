"""wf_next_due: until then a claim, wf_run and wf_tick find nothing, and then they do."""

import os
import random

import pytest

from support.clock import BASE, seconds_of
from support.next_due import LIMITS, play, what_happens

NEVER = 250_000_000_000  # seconds: in the year 9892


@pytest.fixture
def db(connect):
    db = connect(":memory:")
    db.at(0)
    return db


def due(db):
    """The answer in seconds after BASE; None: never. It is written in no file, and the same in a copy that only reads."""
    before = db.total_changes
    text = db.wf_next_due()
    assert db.total_changes == before
    return None if text is None else seconds_of(text) - BASE


def check(db):
    """The answer is right, to the millisecond."""
    now = BASE + db.clock
    answer = due(db)
    if answer is None:
        assert not what_happens(db, NEVER)
        return None
    assert what_happens(db, BASE + answer), answer
    if BASE + answer > now:
        assert not what_happens(db, BASE + answer - 0.001), answer
    return answer


@pytest.fixture
def at(db):
    def move(offset):
        db.clock = offset
        db.at(offset)
    db.clock = 0
    return move


def test_no_tables_and_nothing_to_do(db, at):
    assert db.wf_next_due() is None
    db.wf_init()
    assert db.wf_next_due() is None


def test_a_start_a_delay_a_lease(db, at):
    db.wf_start("job", id="late", delay=100)
    assert check(db) == 100
    db.wf_start("job", id="w1")
    assert check(db) == 0
    token = db.claim()["token"]
    assert check(db) == 30  # the lease
    db.wf_complete(token)
    assert check(db) == 100
    at(100)
    assert check(db) == 100
    at(1000)
    assert check(db) == 1000  # what is overdue is wanted now


def test_a_sleep_a_wait_with_timeout_and_one_without(db, at):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    db.wf_start("job", id="w3")
    db.wf_sleep("w1", "s", 50)
    db.wf_await("w2", "a", "go", 40)
    db.wf_await("w3", "a", "go")
    assert check(db) == 40
    db.wf_signal("w3", "go")
    assert check(db) == 0
    db.wf_cancel('["w2","w3"]')
    assert check(db) == 50
    db.wf_cancel("w1")
    assert check(db) is None


def test_a_timeout_of_what_is_not_claimable(db, at):
    db.wf_start("job", id="w1", manual=True, timeout=70)
    assert check(db) == 70
    db.wf_pause("w1")
    assert check(db) is None
    db.wf_resume("w1")
    assert check(db) == 70


def test_a_lane_that_stays_in_the_past(db, at):
    for i in range(3):
        db.wf_start("job", id="w%d" % i)
        db.wf_complete("w%d" % i)
    db.wf_start("job", id="late", delay=500)
    db.wf_start("job", id="w")
    db.wf_complete(db.claim()["token"])
    assert db.value("SELECT min(next_due) FROM _wf_lane") < (BASE + 500) * 1000
    assert check(db) == 500


def test_an_overdue_schedule(db, at):
    db.wf_schedule("s", "@every 1m", "tick")
    first = check(db)
    assert 0 < first <= 60
    at(first + 3600)
    assert check(db) == first + 3600
    db.wf_tick()
    db.wf_complete(db.claim()["token"])
    assert 0 < check(db) - (first + 3600) <= 60
    db.wf_schedule("s", "@every 1m", "tick", None, paused=True)
    assert check(db) is None


def test_slots_rates_and_pauses(db, at):
    db.wf_queue("limited", concurrency=1)
    db.wf_start("job", queue="limited", id="w1")
    db.wf_start("job", queue="limited", id="w2")
    token = db.claim("limited")["token"]
    assert check(db) == 30
    db.wf_heartbeat(token, 90)
    assert check(db) == 90
    db.wf_complete(token)
    assert check(db) == 0
    db.wf_queue("limited", paused=True)
    assert check(db) is None
    db.wf_queue("rated", rate={"limit": 1, "per": "10m"})
    db.wf_start("job", queue="rated", id="r1")
    db.wf_start("job", queue="rated", id="r2")
    db.wf_complete(db.claim("rated")["token"])
    assert check(db) == 600


def test_wf_run_is_wanted(db, at):
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "SELECT 1"}, {"name": "nap", "sleep": "5m"}, {"name": "b", "sql": "SELECT 2"}]})
    db.wf_start("flow", id="f")
    assert check(db) == 0
    db.wf_run()
    assert check(db) == 300
    at(300)
    db.wf_run()
    assert db.wf_status("f") == "completed"
    assert check(db) is None


def test_what_a_huge_deleted_workflow_has_left(db, at):
    db.wf_start("job", id="w1")
    db.make("_wf_gone")
    db.execute("INSERT INTO _wf_gone(wf) VALUES(77)")
    db.wf_cancel("w1")
    assert check(db) == 0
    db.wf_tick()
    assert check(db) is None


@pytest.mark.parametrize("without", [(), LIMITS], ids=["limits", "no queue has settings"])
@pytest.mark.parametrize("seed", range(12))
def test_of_any_file(db, at, seed, without):
    rng = random.Random(seed)
    db.wf_rate("calls", limit=2, per=10)
    db.wf_define("flow", {"steps": [
        {"name": "a", "sql": "SELECT 1"}, {"name": "nap", "sleep": "7s"}, {"name": "go", "await": "go", "timeout": "90s"}, {"name": "job", "task": "work"}]})
    answers = []
    for _ in range(120):
        try:
            play(db, at, rng, without)
        except Exception as refused:
            assert "WF_" in str(refused), refused
        answers.append(check(db))
    assert len(set(answers)) > 20


def test_it_takes_the_moment_between(db, at):
    """Whoever sleeps until then, and claims, misses nothing: started by a stranger at any time, done at that time."""
    rng = random.Random(7)
    for i in range(20):
        db.wf_start("job", id="w%d" % i, delay=round(rng.uniform(0, 1000), 3))
    seen = []
    while True:
        answer = due(db)
        if answer is None:
            break
        assert answer >= db.clock
        at(answer)
        claim = db.claim()
        assert claim is not None
        db.wf_complete(claim["token"])
        seen.append(claim["id"])
    assert len(seen) == 20 and db.wf_pending() == 0


@pytest.mark.parametrize("options", [{}, {"partition": "p"}], ids=["loose", "in turn"])
def test_of_many_lanes_any_one(db, at, options):
    """More of them than are looked at for a first guess, and only the last one has something in it."""
    for i in range(100):
        db.wf_start("job%d" % i, id="w%d" % i, delay=1000 + i, **options)
    for i in range(99):
        db.wf_cancel("w%d" % i)
    assert check(db) == 1099
    at(1099)
    db.wf_await("w99", "s", "go")
    assert check(db) is None
    db.wf_signal("w99", "go")
    assert check(db) == 1099


def test_a_manual_one_that_may_lose_no_lease(db, at):
    db.wf_start("job", id="w1", manual=True, max_attempts=1)
    db.wf_start("job", id="w2", manual=True)
    db.claim(id="w1", lease=40), db.claim(id="w2", lease=20)
    assert check(db) == 40  # then wf_tick ends it; the other one is nobody's to take but by its id
    at(40)
    assert check(db) == 40
    db.wf_tick()
    assert db.wf_status("w1") == "failed" and check(db) is None


def cost(db):
    """The instructions of SQLite's virtual machine that the answer takes, once its statements are compiled."""
    db.wf_next_due()
    count = 0

    def one():
        nonlocal count
        count += 1

    db.set_progress_handler(one, 1)
    db.wf_next_due()
    db.set_progress_handler(None, 1)
    assert count > 100
    return count


MIXES = {
    "all sleep": lambda db, n: db.execute("SELECT count(wf_start('job', i, json_object('delay', 1000 + i))) FROM n"),
    "all are due": lambda db, n: db.execute("SELECT count(wf_start('job', i)) FROM n"),
    "all are due, and the queue is paused": lambda db, n: (
        db.execute("SELECT count(wf_start('job', i, json_object('timeout', 5000 + i))) FROM n"), db.wf_queue("default", paused=True)),
    "all are due, and one runs": lambda db, n: (
        db.wf_queue("default", concurrency=1), db.execute("SELECT count(wf_start('job', i)) FROM n"), db.wf_claim()),
    "a rate is used up": lambda db, n: (
        db.wf_queue("default", rate={"limit": 1, "per": 60}), db.execute("SELECT count(wf_start('job', i)) FROM n"), db.wf_claim()),
    "each in its partition": lambda db, n: db.execute("SELECT count(wf_start('job', i, json_object('partition', 'p' || i, 'delay', 1000 + i))) FROM n"),
    "one partition is full": lambda db, n: (
        db.wf_queue("default", partition_concurrency=1), db.execute("SELECT count(wf_start('job', i, '{\"partition\":\"p\"}')) FROM n"), db.wf_claim()),
    "all have ended": lambda db, n: db.execute("SELECT count(wf_complete(wf_start('job', i))) FROM n"),
    "all wait": lambda db, n: db.execute("SELECT count(1), count(wf_await(wf_start('job', i), 'a', 'go')) FROM n"),
}


MANY = 1_000_000 if os.environ.get("WFEXT_DEEP") else 20_000 if os.environ.get("WFEXT_SANITIZE") else 100_000


@pytest.mark.parametrize("mix", MIXES)
def test_what_it_looks_at_does_not_grow(connect, mix):
    costs = []
    for n in (200, MANY):
        db = connect(":memory:")
        db.at(0)
        db.execute("CREATE TABLE n AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i FROM n" % n)
        db.execute("BEGIN")
        MIXES[mix](db, n)
        db.execute("COMMIT")
        costs.append(cost(db))
        db.close()
    assert costs[1] <= costs[0] * 1.3, costs
