"""wf_next_due: until then a claim, wf_run and wf_tick find nothing, and then they do."""

import random

import pytest

from support import open_database
from support.clock import BASE

NEVER = 250_000_000_000  # seconds: in the year 9892
QUEUES = ("default", "limited", "parts", "held", "rated")


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
    return None if text is None else round(db.value("SELECT (julianday(?) - 2440587.5) * 86400000", text)) / 1000 - BASE


def copy(db, at):
    other = open_database(":memory:")
    db.backup(other)
    other.wf_clock(at)
    return other


def what_happens(db, at):
    """What claims, wf_run and wf_tick do in a copy of the file at that time: nothing, or something."""
    other = copy(db, at)
    before = "\n".join(line for line in other.iterdump() if "_wf_lane" not in line)
    other.wf_tick()
    other.wf_run()
    claims = [other.wf_claim(queue) for queue in QUEUES + ("work",)]
    after = "\n".join(line for line in other.iterdump() if "_wf_lane" not in line)
    other.close()
    return [claim for claim in claims if claim] or before != after


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
    db.execute("INSERT INTO _wf_gone(wf) VALUES(77)")
    db.wf_cancel("w1")
    assert check(db) == 0
    db.wf_tick()
    assert check(db) is None


def play(db, at, rng):
    """One random call; what it refuses is none of ours."""
    ids = db.column("SELECT id FROM wf_workflows WHERE completed_at IS NULL") or ["none"]
    id, queue = rng.choice(ids), rng.choice(QUEUES)
    step = "s%d" % rng.randrange(4)
    some = rng.choice([0.5, 3, 20, 45, 300])
    call = rng.randrange(23)
    if call < 4:
        options = {"queue": queue}
        if rng.random() < 0.3: options["delay"] = some
        if rng.random() < 0.3: options["timeout"] = rng.choice([10, 100, 1000])
        if rng.random() < 0.3: options["max_attempts"] = rng.choice([1, 2])
        if rng.random() < 0.6: options["partition"] = rng.choice("ab")
        if rng.random() < 0.1: options["manual"] = True
        if rng.random() < 0.2: options["cleanup"] = True
        options["priority"] = rng.choice([0, 0, 5])
        db.wf_start(rng.choice(["job", "mail"]), **options)
    elif call < 9:
        claim = db.claim(queue, rng.choice([None, "worker"]), lease=rng.choice([5, 30, 200]))
        if claim and rng.random() < 0.7:
            token = claim["token"]
            what = rng.randrange(8)
            if what == 0: db.wf_complete(token)
            elif what == 1: db.wf_fail(token, "no")
            elif what == 2: db.wf_release(token, delay=some)
            elif what == 3: db.wf_sleep(token, step, some, keep=rng.random() < 0.5)
            elif what == 4: db.wf_await(token, step, "go", rng.choice([None, some]), keep=rng.random() < 0.5)
            elif what == 5: db.wf_acquire(token, step, "calls", rng.choice([1, 2]))
            elif what == 6: db.wf_wait_any(token, step, [{"signal": "go"}, {"sleep": some}], None, mode=rng.choice(["any", "all"]))
            else: db.wf_begin(token, step), db.wf_fail(token, "no", step=step)
    elif call == 9: db.wf_signal(id, "go")
    elif call == 10: db.wf_pause(id)
    elif call == 11: db.wf_resume(id)
    elif call == 12: db.wf_cancel(id)
    elif call == 13: db.wf_queue("limited", concurrency=rng.choice([1, 2]), paused=rng.random() < 0.2)
    elif call == 14: db.wf_queue("held", concurrency=1, hold=rng.choice(["lease", "started"]))
    elif call == 15: db.wf_queue("parts", partition_concurrency=rng.choice([1, 2]), hold=rng.choice(["lease", "started"]))
    elif call == 16: db.wf_queue("rated", rate={"limit": rng.choice([1, 2]), "per": rng.choice([1, 60])})
    elif call == 17: db.wf_schedule("s%d" % rng.randrange(2), rng.choice(["@every 1m", "@every 1h"]), "job", None, overlap=rng.choice(["skip", "queue", "allow"]),
                                    paused=rng.random() < 0.4)
    elif call == 18: db.wf_start("flow", id="f%d" % rng.randrange(9))
    elif call == 19: db.wf_run(limit=rng.choice([1, 10]))
    elif call == 20: db.wf_tick()
    elif call == 21: db.claim(None, None, id=id, lease=rng.choice([5, 30]))
    else: db.wf_rate("calls", limit=rng.choice([1, 3]), per=rng.choice([2, 30]))
    if rng.random() < 0.4:
        at(db.clock + rng.choice([0.001, 1, 7, 31, 200]))


@pytest.mark.parametrize("seed", range(12))
def test_of_any_file(db, at, seed):
    rng = random.Random(seed)
    db.wf_rate("calls", limit=2, per=10)
    db.wf_define("flow", {"steps": [
        {"name": "a", "sql": "SELECT 1"}, {"name": "nap", "sleep": "7s"}, {"name": "go", "await": "go", "timeout": "90s"}, {"name": "job", "task": "work"}]})
    answers = []
    for _ in range(120):
        try:
            play(db, at, rng)
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


@pytest.mark.parametrize("mix", MIXES)
def test_what_it_looks_at_does_not_grow(connect, mix):
    costs = []
    for n in (200, 8000):
        db = connect(":memory:")
        db.at(0)
        db.execute("CREATE TABLE n AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i FROM n" % n)
        db.execute("BEGIN")
        MIXES[mix](db, n)
        db.execute("COMMIT")
        costs.append(cost(db))
    assert costs[1] <= costs[0] * 1.3, costs
