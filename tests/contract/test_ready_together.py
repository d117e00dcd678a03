"""wf_ready counts what could be claimed now, together."""

import pytest
from support import BASE

CASES = [
    ({"concurrency": 1}, None, 1),
    ({"concurrency": 0}, None, 0),
    ({"worker_concurrency": 2}, None, 2),
    ({"worker_concurrency": 0}, None, 0),
    ({"rate": {"limit": 2, "per": 60}}, None, 2),
    ({"partition_concurrency": 1}, "p", 1),
    ({"partition_concurrency": 1}, None, 3),
    ({"partition_concurrency": 2, "concurrency": 1}, "p", 1),
    ({"paused": True}, None, 0),
    ({}, None, 3),
]


@pytest.mark.parametrize("settings,partition,count", CASES)
def test_what_wf_ready_says_can_be_claimed(db, settings, partition, count):
    db.at(0)
    if settings:
        db.wf_queue("r", settings)
    for n in range(3):
        db.wf_start("job", id="w%d" % n, queue="r", **({"partition": partition} if partition else {}))
    assert (db.wf_ready("r"), db.wf_ready()) == (count, count)
    assert len(db.claim("r", "w", limit=10) or []) == count
    assert db.wf_ready("r") == (1 if "worker_concurrency" in settings and count else 0)


def test_partitions_add_up(db):
    db.wf_queue("default", {"partition_concurrency": 1})
    for partition in "abc":
        for n in range(2):
            db.wf_start("job", partition=partition)
    assert db.wf_ready() == 3
    db.claim()
    assert db.wf_ready() == 2


def test_a_rate_that_was_used_with_a_clock_of_the_future_does_not_count(db):
    db.at(0)
    db.wf_queue("default", {"rate": {"limit": 1, "per": 60}})
    for n in range(3):
        db.wf_start("job", id="w%d" % n)
    assert db.claim(now=BASE + 10 * 365 * 86400)["id"] == "w0"
    assert db.wf_ready() == 1
    assert db.claim()["id"] == "w1"
    assert (db.wf_ready(), db.claim()) == (0, None)
    assert db.value("SELECT count(*) FROM _wf_rate WHERE at > ?", (BASE + 60) * 1000) == 0


@pytest.mark.parametrize("partitions", [1, 7])
@pytest.mark.parametrize("limits", [{}, {"concurrency": 9, "hold": "started"}, {"partition_concurrency": 2}])
def test_what_is_not_just_new_among_much_that_is(db, partitions, limits):
    db.at(0)
    if limits:
        db.wf_queue("q", **limits)
    for i in range(40):
        db.wf_start("job", id="w%d" % i, queue="q", partition="p%d" % (i % partitions), **({"timeout": 5} if i == 1 else {}))
    for i in (2, 3, 9):  # released, to be retried, its lease to run out
        token = db.claim(id="w%d" % i, lease=3)
        if token and i == 2:
            db.wf_release(token["token"])
        elif token and i == 3:
            db.wf_fail(token["token"], "no", delay=4)
    db.wf_sleep("w4", "nap", 4)
    db.wf_await("w5", "go", "go")
    db.wf_await("w6", "go", "go")
    db.wf_signal("w6", "go")
    db.wf_pause("w7")
    db.make("_wf_trouble")
    db.execute("INSERT INTO _wf_trouble(wf, schedule, tries, at, next_at, error) SELECT seq, '', 1, 0, 9e15, 'x' FROM _wf_workflow WHERE id = 'w8'")
    db.at(10)
    ready = db.wf_ready("q")
    ids = [claim["id"] for claim in db.claim("q", limit=100)]
    assert ready == len(ids) > 1
    assert not {"w1", "w5", "w7", "w8"} & set(ids)
