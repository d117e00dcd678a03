"""The limits of a queue are exact under eight processes, and what is blocked never blocks what stands behind it."""

import json
import mmap
import os
import random
import sqlite3
import time

import pytest

from pool import Process, errors, name_of, prepare, run, warm_up
from support import BASE, open_database

PROCESSES = 8
DEEP = bool(os.environ.get("WFEXT_DEEP"))


class Board:
    """Shared memory in which every process shows what it holds; a claim is shown after it was given and taken down before it ends."""

    def __init__(self, partitions=1):
        self.partitions = partitions
        self.cells = memoryview(mmap.mmap(-1, 8 * PROCESSES * partitions)).cast("q")

    def show(self, process, partition=0, held=1):
        self.cells[partition * PROCESSES + process] = held

    def held(self, partition=None):
        cells = self.cells if partition is None else self.cells[partition * PROCESSES:(partition + 1) * PROCESSES]
        return sum(cells)


def work(path, number, board, limits, worker="worker", hold=0.001):
    """Claims until nothing is left. `limits`: how many may be held in all, and in one partition."""

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = off")
        rng = random.Random(number)
        done, most, most_here = 0, 0, 0
        while True:
            try:
                claim = db.claim(None, worker, lease=60)
                if claim is None:
                    if db.wf_pending() == 0:
                        break
                    time.sleep(rng.uniform(0, 0.002))
                    continue
                partition = claim["input"]["partition"]
                board.show(number, partition)
                most, most_here = max(most, board.held()), max(most_here, board.held(partition))
                time.sleep(rng.uniform(0, hold))
                most, most_here = max(most, board.held()), max(most_here, board.held(partition))
                way = rng.randrange(5)
                if way == 0 and not claim["resumed"]:
                    board.show(number, partition, 0)
                    db.wf_sleep(claim["token"], "nap", 0.002)
                elif way == 1 and claim["attempt"] < 3:
                    board.show(number, partition, 0)
                    db.wf_fail(claim["token"], "e", delay=0.002)
                elif way == 2 and claim["resumed"] < 2:
                    board.show(number, partition, 0)
                    db.wf_release(claim["token"])
                else:
                    board.show(number, partition, 0)
                    db.wf_complete(claim["token"])
                    done += 1
            except sqlite3.Error as error:
                board.show(number, 0, 0)
                report(error=name_of(error))
                break
        if most > limits[0] or most_here > limits[1]:
            report(error="held %d of %s in all, %d of %s in one partition" % (most, limits[0], most_here, limits[1]))
        report(done=done, most=most, most_here=most_here)

    return body


def watch(path, limit, where, report):
    """Another process that counts live leases in snapshots of the file."""
    db = open_database(path, timeout=300)
    most = 0
    while db.wf_pending():
        most = max(most, db.value("SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM wf_workflows WHERE status = 'running' %s)" % where))
        time.sleep(0.001)
    if most > limit:
        report(error="%d leases at once" % most)
    report(seen=most)


def fill(path, count, partitions=1, named=True, **queue):
    prepare(path)
    db = open_database(path)
    db.wf_queue("default", **queue)
    db.execute("BEGIN")
    for n in range(count):
        partition = n % partitions
        db.wf_start("job", {"partition": partition}, id="w%d" % n, max_attempts=1000, **({"partition": "p%d" % partition} if named else {}))
    db.execute("COMMIT")
    db.close()


def settle(path, reports, count):
    assert errors(reports) == []
    assert sum(r.get("done", 0) for r in reports) == count
    db = open_database(path)
    assert db.rows("SELECT status, count(*) FROM wf_workflows GROUP BY 1") == [("completed", count)]
    assert db.wf_check() is None
    assert db.value("SELECT count(*) FROM _wf_workflow WHERE limited IS NOT NULL") == 0
    db.close()


@pytest.mark.parametrize("limit", [1, 3])
def test_concurrency_is_exact(tmp_path, limit):
    path, count = tmp_path / "limits.db", 2000 if DEEP else 300
    fill(path, count, named=False, concurrency=limit)
    board = Board()
    reports = run([work(path, n, board, (limit, 99)) for n in range(PROCESSES)] + [lambda report: watch(path, limit, "", report)], tmp_path)
    settle(path, reports, count)
    assert max(r.get("most", 0) for r in reports) >= min(limit, 2), "the limit was not used"


def test_partition_concurrency_is_exact(tmp_path):
    path, count = tmp_path / "limits.db", 3000 if DEEP else 400
    fill(path, count, 4, partition_concurrency=1)
    board = Board(4)
    reports = run([work(path, n, board, (4, 1)) for n in range(PROCESSES)]
                  + [lambda report: watch(path, 1, "GROUP BY partition", report)], tmp_path)
    settle(path, reports, count)
    assert max(r.get("most", 0) for r in reports) >= 2, "partitions did not run at the same time"


def test_worker_concurrency_is_exact(tmp_path):
    """Two processes share each worker's name."""
    path, count = tmp_path / "limits.db", 3000 if DEEP else 400
    fill(path, count, named=False, worker_concurrency=1)
    board = Board()
    reports = run([work(path, n, board, (4, 99), "worker-%d" % (n // 2)) for n in range(PROCESSES)]
                  + [lambda report: watch(path, 1, "GROUP BY worker", report)], tmp_path)
    settle(path, reports, count)


def test_all_limits_together_are_exact(tmp_path):
    path, count = tmp_path / "limits.db", 3000 if DEEP else 400
    fill(path, count, 5, concurrency=5, partition_concurrency=2, worker_concurrency=3)
    board = Board(5)
    reports = run([work(path, n, board, (5, 2), "worker-%d" % (n // 4)) for n in range(PROCESSES)]
                  + [lambda report: watch(path, 5, "", report), lambda report: watch(path, 2, "GROUP BY partition", report),
                     lambda report: watch(path, 3, "GROUP BY worker", report)], tmp_path)
    settle(path, reports, count)


def test_a_slot_held_from_the_first_claim_to_the_end_is_exact(tmp_path):
    """Serial partitions: no workflow of a partition begins before the one that began before it has ended."""
    path, count = tmp_path / "limits.db", 2000 if DEEP else 300
    fill(path, count, 4, partition_concurrency=1, hold="started")
    board = Board(4)
    reports = run([work(path, n, board, (4, 1)) for n in range(PROCESSES)], tmp_path)
    settle(path, reports, count)
    db = open_database(path)
    for n in range(4):
        spans = db.rows("SELECT started_at, completed_at FROM wf_workflows WHERE partition = ? ORDER BY started_at, completed_at", "p%d" % n)
        assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:]))
    db.close()


def test_the_rate_is_exact(tmp_path):
    """At no time have more than `limit` attempts begun within the last `per`."""
    path, limit, per = tmp_path / "limits.db", 20, 0.25
    count = 1000 if DEEP else 120
    fill(path, count, named=False, rate={"limit": limit, "per": per})

    def body(report):
        db = open_database(path, timeout=300)
        db.execute("PRAGMA synchronous = off")
        while db.wf_pending():
            claim = db.claim()
            if claim is None:
                time.sleep(0.002)
                continue
            db.wf_complete(claim["token"])
            report(done=1)

    reports = run([body] * PROCESSES, tmp_path)
    settle(path, reports, count)
    db = open_database(path)
    starts = [round(s * 1000) for s in db.column("SELECT (julianday(started_at) - 2440587.5) * 86400.0 AS t FROM wf_workflows ORDER BY t")]
    for first, last in zip(starts, starts[limit:]):
        assert last - first >= per * 1000 - 1, "more than the limit within the window"
    db.close()


def test_the_slot_of_a_killed_worker_comes_free_with_its_lease(tmp_path):
    path = tmp_path / "limits.db"
    fill(path, 3, named=False, concurrency=1)
    warm_up()
    reports = str(tmp_path / "reports")

    def body(report):
        db = open_database(path, timeout=300)
        db.claim(None, "dead", lease=0.5)
        report(claimed=True)
        time.sleep(3600)

    victim = Process(body, reports)
    deadline = time.monotonic() + 600
    while not (os.path.exists(reports) and os.path.getsize(reports)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim.kill()
    db = open_database(path)
    db.wf_wait(300)
    claim = db.claim(None, "alive")
    assert claim is not None
    assert db.claim(None, "other") is None
    db.close()


def test_limits_that_change_while_everyone_works_are_obeyed_from_then_on(tmp_path):
    path, count = tmp_path / "limits.db", 400
    fill(path, count, named=False, concurrency=8)
    board = Board()

    def change(report):
        db = open_database(path, timeout=300)
        for n in range(60):
            db.wf_queue("default", concurrency=1 + n % 4)
            time.sleep(0.005)
        db.wf_queue("default", concurrency=2)
        while db.value("SELECT count(*) FROM wf_workflows WHERE status = 'running'") > 2:
            time.sleep(0.001)
        for _ in range(50):
            running = db.value("SELECT count(*) FROM wf_workflows WHERE status = 'running'")
            if running > 2:
                report(error="%d running under a limit of 2" % running)
            time.sleep(0.001)

    settle(path, run([work(path, n, board, (8, 99)) for n in range(PROCESSES)] + [change], tmp_path), count)


# What is blocked never blocks what stands behind it


@pytest.fixture
def still(db):
    db.at(0)
    return db


def test_a_full_queue_does_not_block_another_queue_of_the_same_claim(still):
    still.wf_queue("full", concurrency=1)
    for n in range(5):
        still.wf_start("job", id="f%d" % n, queue="full", priority=100)
    still.wf_start("job", id="free", queue="other", priority=-100)
    queues = '["full","other"]'
    assert [still.claim(queues)["id"] for _ in range(2)] == ["f0", "free"]
    assert still.claim(queues) is None


@pytest.mark.parametrize("block", [{"paused": True}, {"concurrency": 0}, {"rate": {"limit": 1, "per": 1000}}])
def test_a_blocked_queue_does_not_block_another_one(still, block):
    still.wf_start("job", id="first", queue="blocked", priority=100)
    still.claim("blocked", id="first")
    still.wf_queue("blocked", **block)
    if "rate" in block:
        still.wf_start("job", id="second", queue="blocked", priority=100)
        still.claim("blocked")
    still.wf_start("job", id="third", queue="blocked", priority=100)
    still.wf_start("job", id="free", queue="other")
    assert still.claim('["blocked","other"]')["id"] == "free"
    assert still.claim('["blocked","other"]') is None


def test_a_full_partition_does_not_block_the_others(still):
    still.wf_queue("default", partition_concurrency=1)
    for n in range(50):
        still.wf_start("job", id="a%d" % n, partition="a", priority=100)
    still.wf_start("job", id="b", partition="b")
    still.wf_start("job", id="none", priority=-100)
    assert [still.claim()["id"] for _ in range(3)] == ["a0", "b", "none"]
    assert still.claim() is None


def test_a_claim_of_many_takes_what_is_not_blocked(still):
    still.wf_queue("default", partition_concurrency=2)
    for n in range(20):
        still.wf_start("job", id="w%02d" % n, partition="p%d" % (n % 4))
    claims = still.claim(limit=100)
    assert sorted(c["id"] for c in claims) == ["w%02d" % n for n in range(8)]


def test_a_wake_up_is_not_blocked_by_the_rate(still):
    still.wf_queue("default", rate={"limit": 1, "per": 1000})
    token = still.running()["token"]
    still.wf_await(token, "wait", "go")
    still.wf_start("job", id="w2", priority=100)
    assert still.claim() is None
    still.wf_signal("w1", "go", 1)
    assert still.claim()["id"] == "w1"
    assert still.claim() is None


def test_a_retry_of_an_attempt_counts_against_the_rate(still):
    still.wf_queue("default", rate={"limit": 1, "per": 100})
    still.wf_fail(still.running()["token"], "e", delay=0)
    assert still.claim() is None
    still.at(100)
    assert still.claim()["attempt"] == 2


def test_a_claim_that_finds_nothing_uses_nothing_of_the_rate(still):
    still.wf_queue("default", rate={"limit": 1, "per": 100})
    for _ in range(5):
        assert still.claim() is None
    still.wf_start("job", id="w1")
    assert still.claim()["id"] == "w1"


def test_a_rolled_back_claim_uses_nothing(still):
    still.wf_queue("default", rate={"limit": 1, "per": 100}, concurrency=1)
    still.wf_start("job", id="w1")
    for _ in range(3):
        still.execute("BEGIN")
        assert still.claim()["id"] == "w1"
        still.execute("ROLLBACK")
    assert still.claim()["id"] == "w1"


def test_an_expired_lease_stops_counting_at_once(still):
    still.wf_queue("default", concurrency=1, worker_concurrency=1, partition_concurrency=1)
    still.wf_start("job", id="w1", partition="p")
    still.wf_start("job", id="w2", partition="p")
    old = still.claim(None, "worker-1")
    still.at(29.999)
    assert still.claim(None, "worker-1") is None
    still.at(30.001)
    assert still.claim(None, "worker-1") is not None
    assert old["id"] == "w1"


def test_a_heartbeat_keeps_the_slot(still):
    still.wf_queue("default", concurrency=1)
    token = still.running()["token"]
    still.wf_start("job", id="w2")
    still.at(20)
    still.wf_heartbeat(token, 100)
    still.at(60)
    assert still.claim() is None
    still.at(121)
    assert still.claim() is not None


def test_without_a_partition_it_is_not_limited_by_partition(still):
    still.wf_queue("default", partition_concurrency=1)
    for n in range(5):
        still.wf_start("job", id="w%d" % n)
    assert len(still.claim(limit=10)) == 5


def test_partitions_of_different_queues_are_different(still):
    for queue in ("a", "b"):
        still.wf_queue(queue, partition_concurrency=1)
        still.wf_start("job", id=queue, queue=queue, partition="p")
    assert [still.claim(queue)["id"] for queue in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize("end", [
    lambda db, token: db.wf_complete(token), lambda db, token: db.wf_fail(token, "e", retry=False), lambda db, token: db.wf_cancel("w1"),
    lambda db, token: (db.at(1001), db.wf_tick()), lambda db, token: db.wf_delete("w1", force=True)],
    ids=["complete", "fail", "cancel", "timeout", "delete"])
@pytest.mark.parametrize("hold", ["lease", "started"])
def test_every_end_frees_the_slot(still, hold, end):
    still.wf_queue("default", concurrency=1, hold=hold)
    token = still.running(lease=5000, timeout=1000)["token"]
    still.wf_start("job", id="w2")
    assert still.claim() is None
    end(still, token)
    assert still.claim()["id"] == "w2"


@pytest.mark.parametrize("leave", [
    lambda db, token: db.wf_sleep(token, "nap", 60), lambda db, token: db.wf_release(token, delay=60), lambda db, token: db.wf_fail(token, "e", delay=60),
    lambda db, token: db.at(31)], ids=["sleep", "release", "fail", "lost"])
@pytest.mark.parametrize("hold", ["lease", "started"])
def test_what_goes_on_later_keeps_its_slot_only_if_it_is_held_from_the_start(still, hold, leave):
    still.wf_queue("default", partition_concurrency=1, hold=hold)
    token = still.running(partition="p", priority=-1)["token"]
    still.wf_start("job", id="w2", partition="p")
    leave(still, token)
    claim = still.claim()
    if hold == "lease":
        assert claim["id"] == "w2"
    else:
        assert claim is None or claim["id"] == "w1"


def test_removing_a_limit_lets_everything_through(still):
    still.wf_queue("default", concurrency=1)
    for n in range(3):
        still.wf_start("job", id="w%d" % n)
    assert len(still.claim(limit=10)) == 1
    still.wf_queue("default", concurrency=None)
    assert len(still.claim(limit=10)) == 2


def test_settings_are_those_of_the_contract(still):
    settings = json.loads(still.wf_queue("q"))
    assert set(settings) >= {"concurrency", "worker_concurrency", "partition_concurrency", "hold", "rate", "paused", "lease", "max_attempts", "backoff"}
    still.wf_queue("q", rate={"limit": 3, "per": "1m"}, now=BASE)
    assert json.loads(still.wf_queue("q"))["rate"] == {"limit": 3, "per": 60}
    still.wf_queue("q", rate=None)
    assert json.loads(still.wf_queue("q"))["rate"] is None


@pytest.mark.parametrize("blocked", ["partition", "queue"])
def test_a_claim_never_scans_what_is_blocked(still, blocked):
    """The cost of a claim behind 20,000 blocked workflows is that behind 20."""
    def cost(count, offset):
        still.execute("BEGIN")
        still.execute("WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT count(wf_start('job', NULL, json_object('id', 'b' || i,"
                      " 'priority', 50, 'queue', ?, 'partition', 'full'))) FROM n", (offset, count, "default" if blocked == "partition" else "full")).fetchall()
        still.execute("COMMIT")
        best = 1e9
        for turn in range(50):
            id = "free %d %d" % (offset, turn)
            still.wf_start("job", id=id)
            begun = time.process_time()
            claim = still.claim('["full","default"]' if blocked == "queue" else None)
            best = min(best, time.process_time() - begun)
            assert claim["id"] == id
            still.wf_complete(claim["token"])
        return best

    if blocked == "partition":
        still.wf_queue("default", partition_concurrency=1)
        still.wf_start("job", id="holder", partition="full", priority=100)
    else:
        still.wf_queue("full", concurrency=1)
        still.wf_start("job", id="holder", queue="full", priority=100)
    assert still.claim('["full","default"]', None, lease=86400)["id"] == "holder"
    few = cost(20, 0)
    many = cost(20_000, 100)
    assert many < 3 * few + 0.001, (few, many)
