"""wf_tick: what time has made due. wf_wait: until there is something to do. wf_clock: a month in milliseconds."""

import json
import threading
import time

import pytest
from support import BASE, sql_time, wf_error

# wf_tick


@pytest.fixture
def still(db):
    db.at(0)
    return db


def test_nothing_due_is_0(still):
    assert still.wf_tick() == 0
    still.wf_start("job", timeout=100)
    assert still.wf_tick() == 0


def test_it_fires_deadlines_and_returns_how_many(still):
    for n in range(3):
        still.wf_start("job", id="w%d" % n, timeout=10 * (n + 1))
    still.at(20.001)
    assert (still.wf_tick(), still.wf_tick()) == (2, 0)
    assert [still.wf_status("w%d" % n) for n in range(3)] == ["failed", "failed", "pending"]
    assert json.loads(still.wf_error("w0"))["code"] == "timeout"


@pytest.mark.parametrize("prepare", [
    lambda db: None, lambda db: db.claim(None, None, lease=1000), lambda db: db.wf_sleep("w1", "nap", 1000), lambda db: db.wf_await("w1", "a", "go")])
def test_a_deadline_is_fired_in_every_state(still, prepare):
    still.wf_start("job", id="w1", timeout=10)
    prepare(still)
    still.at(10.001)
    assert (still.wf_tick(), still.wf_status("w1"), still.wf_check()) == (1, "failed", None)


def test_it_fails_what_lost_too_many_leases(still):
    still.running(max_attempts=1)
    still.at(29)
    assert still.wf_tick() == 0
    still.at(31)
    assert (still.wf_tick(), still.wf_status("w1")) == (1, "failed")
    assert json.loads(still.wf_error("w1"))["code"] == "poison"


def test_it_fails_a_manual_workflow_too(still):
    """Found by the model test: only claims that workers are offered were looked at."""
    still.running(manual=True, max_attempts=1)
    still.running("w2", manual=True, max_attempts=2)
    still.at(31)
    assert (still.wf_tick(), still.wf_status("w1"), still.wf_status("w2"), still.wf_check()) == (1, "failed", "running", None)
    assert json.loads(still.wf_error("w1"))["code"] == "poison"


def test_a_paused_claim_is_not_poison(still):
    still.running(manual=True, max_attempts=1)
    still.wf_pause("w1")
    still.at(31)
    assert (still.wf_tick(), still.wf_status("w1")) == (0, "paused")


def test_a_sweep_alone_does_not_end_an_expired_claim(still):
    token = still.running()["token"]
    still.at(31)
    still.wf_tick()
    assert still.wf_complete(token) == "completed"


def test_it_fires_schedules(still):
    still.wf_schedule("nightly", "@every 10m", "report")
    still.at(601)
    assert still.wf_tick() == 1
    assert still.column("SELECT name FROM wf_workflows") == ["report"]


def test_limit_bounds_it(still):
    for n in range(10):
        still.wf_start("job", id="w%d" % n, timeout=1)
    still.at(2)
    assert [still.wf_tick(limit=4) for _ in range(4)] == [4, 4, 2, 0]


def test_limit_counts_all_kinds_together_in_their_order(still):
    """Timeouts first, then firings, then lost leases."""
    still.wf_start("job", id="late", timeout=1)
    for n in range(3):
        still.running("lost%d" % n, max_attempts=1, manual=n == 1)
    still.wf_schedule("s", "@every 10s", "report", catch_up="all")
    still.at(40)
    begun = []
    for _ in range(9):
        count = still.wf_tick(limit=1)
        begun.append((count, still.value("SELECT count(*) FROM wf_workflows WHERE name = 'report'"), still.value("SELECT count(*) FROM wf_workflows WHERE status = 'failed'")))
    assert begun == [(1, 0, 1), (1, 1, 1), (1, 2, 1), (1, 3, 1), (1, 4, 1), (1, 4, 2), (1, 4, 3), (1, 4, 4), (0, 4, 4)]


def test_a_limit_larger_than_what_is_due_is_none(still):
    still.wf_start("job", timeout=1)
    still.wf_schedule("s", "@every 1s", "report", catch_up="all")
    still.at(5000)
    assert [still.wf_tick(limit=10**12), still.wf_tick()] == [5001, 0]


def test_who_is_taken_along_by_its_parents_timeout_counts_as_nothing(still):
    """Found by the model test: it was counted as one more that time has ended, and with a limit it would stand for another."""
    for n in range(3):
        still.wf_start("job", id="p%d" % n, timeout=5)
        for child in range(3):
            still.wf_spawn("p%d" % n, "c%d" % child, "child", timeout=5)
    still.at(6)
    assert [still.wf_tick(limit=2), still.wf_tick(limit=2), still.wf_pending()] == [2, 1, 0]
    assert still.value("SELECT count(*) FROM wf_workflows WHERE status = 'cancelled'") == 9


def test_a_timeout_that_cannot_be_fired_hides_none_behind_it(still):
    """Found by review: a round in which all that was due failed was taken for the last one."""
    still.wf_init()
    still.execute("CREATE TRIGGER refuse BEFORE UPDATE OF status ON _wf_workflow WHEN new.id GLOB 'bad*' BEGIN SELECT raise(ABORT, 'no'); END")
    for n in range(40):
        still.wf_start("job", id="bad%d" % n, timeout=1)
    still.wf_start("job", id="good", timeout=2)
    still.at(3)
    assert (still.wf_tick(), still.wf_status("good"), still.wf_status("bad7")) == (1, "failed", "pending")


def test_a_lost_lease_that_cannot_be_ended_undoes_nothing_else(still):
    """Found by review: wf_tick raised what a trigger said, every time, and undid all it had done."""
    still.wf_init()
    still.execute("CREATE TRIGGER refuse BEFORE UPDATE OF status ON _wf_workflow WHEN old.id = 'bad' AND new.status = 'failed' BEGIN SELECT raise(ABORT, 'no'); END")
    still.running("bad", max_attempts=1)
    still.running("lost", max_attempts=1)
    still.wf_start("job", id="late", timeout=1)
    still.at(31)
    assert (still.wf_tick(), still.wf_tick()) == (2, 0)
    assert [still.wf_status(id) for id in ("late", "lost", "bad")] == ["failed", "failed", "running"]


def test_a_backlog_of_any_size_is_done(still):
    still.execute("BEGIN")
    for n in range(3000):
        still.wf_start("job", id="w%d" % n, timeout=1)
    still.execute("COMMIT")
    still.at(2)
    assert (still.wf_tick(), still.wf_tick()) == (3000, 0)
    assert still.wf_pending() == 0


def test_now_is_the_moment(still):
    still.wf_start("job", id="w1", timeout=1)
    assert (still.wf_tick(now=BASE + 0.5), still.wf_tick(now=BASE + 2)) == (0, 1)


def test_it_claims_nothing(still):
    still.wf_start("job", id="w1")
    still.wf_tick()
    assert still.wf_status("w1") == "pending"


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": -1}, {"limit": "x"}, {"limit": 1.5}, {"limit": 1e19}, {"colour": 1}])
def test_options_have_their_values(still, options):
    with wf_error("WF_INVALID", *options):
        still.wf_tick(**options)


def test_a_tick_in_a_writing_statement_is_refused(still):
    still.execute("CREATE TABLE t(x)")
    still.wf_start("job", id="w1", timeout=1)
    still.at(2)
    with wf_error("WF_CONTEXT"):
        still.execute("INSERT INTO t SELECT wf_tick()")
    assert still.wf_status("w1") == "pending"


def test_a_tick_joins_the_transaction_around_it(still):
    still.wf_start("job", id="w1", timeout=1)
    still.at(2)
    still.execute("BEGIN")
    assert still.wf_tick() == 1
    still.execute("ROLLBACK")
    assert still.wf_status("w1") == "pending"


def test_a_claim_does_it_too(still):
    still.wf_start("job", id="w1", timeout=1)
    still.wf_start("job", id="w2")
    still.at(2)
    assert still.claim()["id"] == "w2"
    assert still.wf_status("w1") == "failed"


# wf_wait


def test_it_returns_1_at_once_when_a_claim_would_return_something(db):
    db.wf_start("job", id="w1")
    begun = time.monotonic()
    assert db.wf_wait(60) == 1
    assert time.monotonic() - begun < 30
    assert db.wf_status("w1") == "pending"


def test_it_returns_0_when_the_timeout_passes(db):
    db.wf_init()
    begun = time.monotonic()
    assert db.wf_wait("300ms") == 0
    assert 0.29 <= time.monotonic() - begun < 30


def test_timeout_0_looks(db):
    assert db.wf_wait(0) == 0
    db.wf_start("job")
    assert db.wf_wait(0) == 1


def test_a_file_without_the_tables_has_nothing_and_stays_so(db):
    assert db.wf_wait(0.05) == 0
    assert db.rows("SELECT name FROM sqlite_master") == []


def test_it_wakes_up_when_time_makes_something_due(db):
    begun = time.monotonic()
    db.wf_start("job", delay=0.3)
    assert db.wf_wait(300) == 1
    assert 0.29 < time.monotonic() - begun < 250


def test_it_wakes_up_for_a_lease_that_runs_out(db):
    db.wf_start("job")
    db.claim(None, None, lease=0.3)
    begun = time.monotonic()
    assert db.wf_wait(300) == 1
    assert time.monotonic() - begun < 100


def test_it_wakes_up_when_housekeeping_is_due(db):
    db.wf_start("job", id="w1", timeout=0.3)
    db.wf_await("w1", "wait", "go")
    assert db.wf_wait(30) == 1
    time.sleep(0.01)
    assert db.wf_tick() == 1


@pytest.mark.parametrize("commit", [
    lambda db: db.wf_start("job"),
    lambda db: db.wf_signal("waiting", "go", 1),
    lambda db: db.wf_resume("paused"),
])
def test_it_is_woken_by_commits_of_others(db, connect, commit):
    db.wf_start("job", id="waiting")
    db.wf_await("waiting", "wait", "go")
    db.wf_start("job", id="paused")
    db.wf_pause("paused")
    committed = []

    def other():
        time.sleep(0.3)
        with_other = connect(check_same_thread=False)
        commit(with_other)
        committed.append(time.monotonic())

    thread = threading.Thread(target=other)
    thread.start()
    assert db.wf_wait(300) == 1
    woken = time.monotonic()
    thread.join()
    assert woken - committed[0] < 100


def test_it_looks_at_the_queue_the_names_and_the_versions_a_claim_would_look_at(db):
    db.wf_start("mail", queue="mails", version="2")
    assert db.wf_wait(0) == 0
    assert db.wf_wait(0, queue="mails") == 1
    assert db.wf_wait(0, queue=["default", "mails"]) == 1
    assert db.wf_wait(0, queue="mails", names=["mail"]) == 1
    assert db.wf_wait(0, queue="mails", names=["other"]) == 0
    assert db.wf_wait(0, queue="mails", versions=["2"]) == 1
    assert db.wf_wait(0, queue="mails", versions=["1"]) == 0


def test_what_a_limit_holds_back_does_not_count(db):
    db.wf_queue("default", concurrency=1)
    db.wf_start("job")
    db.wf_start("job")
    db.claim()
    assert db.wf_wait(0.05) == 0


def test_with_id_it_waits_until_that_workflow_is_terminal(db, connect):
    db.wf_start("job", id="w1")
    assert db.wf_wait(0.05, id="w1") == 0

    def other():
        time.sleep(0.3)
        connect(check_same_thread=False).wf_complete("w1")

    thread = threading.Thread(target=other)
    thread.start()
    assert db.wf_wait(30, id="w1") == 1
    thread.join()
    assert (db.wf_status("w1"), db.wf_wait(0, id="w1")) == ("completed", 1)


def test_with_an_unknown_id_it_is_not_found(db):
    db.wf_init()
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_wait(0.05, id="nobody")


def test_inside_a_transaction_it_is_refused(db):
    db.wf_init()
    db.execute("BEGIN")
    with wf_error("WF_CONTEXT"):
        db.wf_wait(0)
    db.execute("ROLLBACK")


def test_it_is_not_for_triggers(db):
    db.execute("CREATE TABLE t(x)")
    db.execute("CREATE TRIGGER t1 AFTER INSERT ON t BEGIN SELECT wf_wait(0); END")
    with pytest.raises(Exception, match="unsafe use of wf_wait"):
        db.execute("INSERT INTO t VALUES (1)")


def test_it_can_be_interrupted(db):
    db.wf_init()
    timer = threading.Timer(0.3, db.interrupt)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(Exception, match="interrupted"):
        db.wf_wait(300)
    assert time.monotonic() - begun < 100
    timer.join()
    assert db.wf_wait(0) == 0


def test_it_blocks_nobody_while_it_waits(db, connect):
    db.wf_init()
    writes = []

    def other():
        with_other = connect(check_same_thread=False, timeout=0)
        with_other.wf_init()
        for n in range(20):
            with_other.wf_start("job", queue="elsewhere")
            writes.append(n)
            time.sleep(0.01)

    thread = threading.Thread(target=other)
    thread.start()
    assert db.wf_wait(0.5) == 0
    thread.join()
    assert len(writes) == 20


def test_it_keeps_the_processor_free(db):
    db.wf_init()
    begun = time.thread_time()
    db.wf_wait(1)
    assert time.thread_time() - begun < 0.2


@pytest.mark.parametrize("timeout", [-1, "soon", "30", b"1"])
def test_the_timeout_is_a_duration(db, timeout):
    with wf_error("WF_INVALID", "timeout"):
        db.wf_wait(timeout)


@pytest.mark.parametrize("options", [{"queue": 5}, {"names": 5}, {"versions": [5]}, {"id": ""}, {"colour": 1}])
def test_options_of_a_wait_have_their_values(db, options):
    with wf_error("WF_INVALID", *options):
        db.wf_wait(0, **options)


# Time travel


def test_a_workflow_of_thirty_days_runs_in_milliseconds(db):
    """A trial month: a nap of a week, an approval that comes late, retries, a schedule, and a deadline."""
    db.wf_clock("2026-11-01")
    db.wf_start("trial", id="t1", timeout="60d", backoff={"initial": "1h", "factor": 2, "max": "1d"})
    db.wf_schedule("report", "0 6 * * 1", "report", None, start={"queue": "reports"})
    log = []
    begun = time.monotonic()
    for _ in range(10_000):
        if db.wf_status("t1") == "completed":
            break
        claim = db.claim()
        if claim is None:
            db.wf_clock(db.value("SELECT min(due_at) FROM (SELECT due_at FROM wf_pending WHERE id = 't1' AND due_at IS NOT NULL"
                                 " UNION ALL SELECT next_at FROM wf_schedules)"))
            continue
        token = claim["token"]
        if db.wf_step(token, "welcome") is None:
            db.wf_step(token, "welcome", '"sent"')
        if db.wf_sleep(token, "week", "7d") is None:
            continue
        if claim["attempt"] < 5:
            log.append(db.wf_clock())
            db.wf_fail(token, "mail server down")
            continue
        answer = db.wf_await(token, "answer", "reply", "14d")
        if answer is None:
            continue
        if db.wf_sleep(token, "rest", "9d") is None:
            continue
        db.wf_complete(token, answer)
    assert db.wf_result("t1") == '{"signal":null,"timeout":true}'
    assert db.workflow("t1")["completed_at"] == "2026-12-01 15:00:00.000"
    assert log[0] == "2026-11-08 00:00:00.000" and log[-1] == "2026-11-08 07:00:00.000"
    assert db.column("SELECT id FROM wf_workflows WHERE name = 'report' ORDER BY id") == [
        "report@2026-11-%02dT06:00:00Z" % day for day in (2, 9, 16, 23, 30)][: db.value("SELECT count(*) FROM wf_workflows WHERE name = 'report'")]
    assert db.value("SELECT count(*) FROM wf_workflows WHERE name = 'report'") >= 1
    assert time.monotonic() - begun < 600


def test_a_clock_that_goes_backwards_delays_and_repeats_nothing(db):
    db.at(100)
    token = db.running()["token"]
    db.wf_sleep(token, "nap", 60)
    db.at(0)
    assert db.claim() is None
    db.at(160)
    token = db.claim()["token"]
    assert db.wf_sleep(token, "nap", 60) == sql_time(160)
    db.at(0)
    assert db.wf_sleep(token, "nap", 60) == sql_time(160)
    assert db.wf_complete(token) == "completed"


def test_a_tick_does_not_look_into_every_partition(still):
    """Whose next loss of a lease is one too many is found by an index: ten times the partitions, each with a claim that has run out, cost no more."""

    def operations():
        count = [0]
        still.execute("SELECT wf_tick()").fetchall()
        still.set_progress_handler(lambda: count.__setitem__(0, count[0] + 1), 10)
        still.execute("SELECT wf_tick()").fetchall()
        still.set_progress_handler(None, 0)
        return count[0] * 10

    def more(partitions):
        for i in range(partitions):
            still.wf_start("w", None, {"queue": f"q{partitions}", "partition": str(i)})
        assert len(json.loads(still.wf_claim(f"q{partitions}", "w", {"limit": partitions}))) == partitions
        still.at(60 * partitions)

    more(30)
    few = operations()
    more(300)
    assert operations() < 2 * few + 500


@pytest.mark.parametrize("where", ["workflow", "queue", "file"])
def test_who_may_lose_no_lease_ends_with_the_first(still, where):
    """Wherever that is said: a tick ends it, though it has lost none before."""
    if where == "queue":
        still.wf_queue("default", {"max_attempts": 1})
    elif where == "file":
        still.wf_config("max_attempts", 1)
    still.wf_start("w", None, {"id": "w1", "partition": "p", **({"max_attempts": 1} if where == "workflow" else {})})
    still.wf_start("w", None, {"id": "w2", "partition": "p", "max_attempts": 2})
    assert len(json.loads(still.wf_claim("default", "w", {"limit": 2}))) == 2
    still.at(120)
    still.wf_tick()
    assert still.wf_status("w1") == "failed" and json.loads(still.wf_error("w1"))["code"] == "poison"
    assert still.wf_status("w2") == "running"
