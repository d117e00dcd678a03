"""Where more than a thousand partitions have something due, it is counted by blocks of lanes and not lane by lane: the counts are the same."""

import pytest
from support import BASE

NOW = 10
PARTITIONS = 1010
NUMBERS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i FROM n)"


def every(db, call, count):
    """One transaction: calls by the thousand."""
    db.execute("BEGIN")
    db.rows("SELECT %s FROM %s" % (call, NUMBERS % count))
    db.execute("COMMIT")


@pytest.fixture(params=[3, 1005])
def many(db, request):
    """Much that is new, and besides: what is put off alone in its partition, what is not due, a queue that limits its partitions, and few or many that go on after a sleep."""
    db.at(0)
    db.wf_start("job", id="put off", queue="free", partition="alone")
    db.make("_wf_trouble")
    db.execute("INSERT INTO _wf_trouble(wf, schedule, tries, at, next_at, error) SELECT seq, '', 1, 0, 9e15, 'x' FROM _wf_workflow")
    db.wf_start("job", id="taken", queue="free", partition="another")
    assert db.claim("free")["id"] == "taken"
    assert db.value("SELECT turn IS NULL AND next_due > ? FROM _wf_lane WHERE partition = 'alone'", 1000 * (BASE + NOW)) == 1
    every(db, "wf_start('job', NULL, json_object('id', 'w' || i, 'queue', 'free', 'partition', 'p' || i))", PARTITIONS)
    every(db, "wf_start('job', NULL, json_object('id', 'later' || i, 'queue', 'free', 'partition', 'p' || i, 'delay', 60))", 20)
    every(db, "wf_sleep('w' || i, 'nap', 5)", request.param)
    db.wf_queue("limited", {"partition_concurrency": 1})
    every(db, "wf_start('job', NULL, json_object('id', 'l' || i, 'queue', 'limited', 'partition', 'p' || (i % 10)))", 30)
    db.at(NOW)
    return db


def claims(db, queue):
    ids = []
    while claim := db.claim(queue, limit=1000):
        ids += [each["id"] for each in claim]
    return ids


@pytest.mark.parametrize("limits", [{}, {"partition_concurrency": 2}, {"concurrency": 700}])
def test_wf_ready_says_how_many_claims_find(many, limits):
    if limits:
        many.wf_queue("free", limits)
    ready = {queue: many.wf_ready(queue) for queue in ("free", "limited")}
    assert ready == {"free": limits.get("concurrency", PARTITIONS + 1) - 1, "limited": 10} and many.wf_ready() == sum(ready.values())
    found = claims(many, "free")
    assert len(found) == ready["free"] and "put off" not in found and not any(id.startswith("later") for id in found)
    assert len(claims(many, "limited")) == ready["limited"]


def test_wf_queues_says_what_is_in_line(many):
    shown = many.rows("SELECT queue, depth, oldest_due_at FROM wf_queues")
    assert shown == many.rows(
        "SELECT l.queue, count(*), strftime('%Y-%m-%d %H:%M:%f', min(w.due_at) / 1000.0, 'unixepoch') FROM _wf_workflow AS w JOIN _wf_lane AS l ON l.lane = w.lane "
        "WHERE w.place IN (0, 3, 5) AND w.due_at <= ? GROUP BY 1", 1000 * (BASE + NOW))  # fmt: skip
    assert shown[0][1] == PARTITIONS + 1  # that which is put off, too


def test_wf_stats_says_what_there_is(many):
    many.wf_fail("w1006", "no", retry=False)
    many.wf_cancel("w1007")
    many.wf_pause("w1008")
    many.wf_complete("w1009")
    assert many.rows("SELECT name, queue, status, count FROM wf_stats") == many.rows(
        "SELECT l.name, l.queue, w.status, count(*) FROM _wf_workflow AS w JOIN _wf_lane AS l ON l.lane = w.lane GROUP BY 1, 2, 3")  # fmt: skip


def test_wf_stats_says_how_long_they_take(many):
    """Of each name, queue and status, though its workflows are in several blocks of lanes."""
    for i in range(3, 900):
        many.wf_cancel("w%d" % (1006 - i), now=BASE + NOW + i * 7919 % 1000)
    times = {}
    for name, queue, status, ms in many.rows(
            "SELECT l.name, l.queue, w.status, coalesce(w.finished_at, ?) - coalesce(w.started_at, w.created_at) FROM _wf_workflow AS w JOIN _wf_lane AS l ON l.lane = w.lane "
            "ORDER BY w.seq DESC LIMIT 2000", 1000 * (BASE + NOW)):  # fmt: skip
        times.setdefault((name, queue, status), []).append(ms / 1000)
    spread = {key: (sorted(each)[(len(each) + 1) // 2 - 1], sorted(each)[(len(each) * 95 + 99) // 100 - 1], max(each)) for key, each in times.items()}
    assert {(name, queue, status): tuple(rest) for name, queue, status, *rest in many.rows("SELECT name, queue, status, p50, p95, max FROM wf_stats")} == spread


@pytest.mark.parametrize("partitions", [3, 1010])
def test_wf_queues_says_since_when_the_first_of_any_place_is_due(db, partitions):
    """What is new, what goes on, and what comes behind new work: in few lanes and in many, and of each the first."""
    db.at(0)
    every(db, "wf_start('job', NULL, json_object('id', 'w' || i, 'queue', 'q' || (i % 2), 'partition', 'p' || i, 'delay', 20 - i % 10))", partitions)
    places = [0, 3, 5]
    for i, place in enumerate(places):
        db.wf_start("job", id="x%d" % place, queue="q0", partition="p1")
        db.execute("UPDATE _wf_workflow SET place = ?, due_at = ? WHERE id = ?", (place, 1000 * BASE + 5000 - i, "x%d" % place))
    db.execute("UPDATE _wf_lane SET line = 1, turn = lane, next_due = NULL")
    for now in (0, 4.998, 4.999, 5, 12, 30):
        db.at(now)
        assert db.rows("SELECT queue, depth, oldest_due_at FROM wf_queues") == db.rows(
            "SELECT l.queue, sum(due), strftime('%Y-%m-%d %H:%M:%f', min(CASE WHEN due THEN w.due_at END) / 1000.0, 'unixepoch') "
            "FROM (SELECT *, place IN (0, 3, 5) AND due_at <= ? AS due FROM _wf_workflow) AS w JOIN _wf_lane AS l ON l.lane = w.lane GROUP BY 1", int(1000 * (BASE + now)))  # fmt: skip
