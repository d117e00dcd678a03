"""Each nominal time fires once, whoever looks, however often, and whatever happens to them."""

import json
import multiprocessing
import random
import time
from collections import Counter

import pytest
from firing_workers import look_again_and_again, tick_until_killed
from support import BASE, sql_time

SECONDS = 400


@pytest.fixture
def log(db):
    """A table of every workflow that was ever inserted."""
    db.wf_init()
    db.execute("CREATE TABLE log(id, at)")
    db.execute("CREATE TRIGGER note AFTER INSERT ON _wf_workflow BEGIN INSERT INTO log VALUES(new.id, new.scheduled_at); END")
    db.at(0)
    return db


def expected_ids(name, step, seconds):
    times = range(step, seconds + 1, step)
    return ["%s@%sZ" % (name, sql_time(t).replace(" ", "T")[:19]) for t in times]


@pytest.mark.parametrize("processes", [2, 4])
def test_many_processes_at_once(log, tmp_path, processes):
    for name, step in (("a", 1), ("b", 5), ("c", 60)):
        log.wf_schedule(name, "@every %ds" % step, "job", None, json.dumps({"catch_up": "all"}))
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=look_again_and_again, args=(str(tmp_path / "test.db"), seed, SECONDS, results)) for seed in range(processes)
    ]
    for worker in workers:
        worker.start()
    errors = [results.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    assert errors == [[]] * processes
    log.wf_tick(now=BASE + SECONDS)
    started = Counter(log.column("SELECT id FROM log"))
    assert [id for id, times in started.items() if times > 1] == []
    for name, step in (("a", 1), ("b", 5), ("c", 60)):
        wanted = expected_ids(name, step, SECONDS)
        found = sorted(id for id in started if id.startswith(name + "@"))
        assert found[: len(wanted)] == sorted(wanted)


def test_with_overlap_skip_never_two_at_a_time(log, tmp_path):
    log.wf_schedule("a", "@every 1s", "job", None, None)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=look_again_and_again, args=(str(tmp_path / "test.db"), seed, 60, results)) for seed in range(3)]
    for worker in workers:
        worker.start()
    errors = [results.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    assert errors == [[]] * 3
    assert log.value("SELECT count(*) FROM log") == 1
    assert log.value("SELECT skipped FROM wf_schedules") > 10


def test_killed_again_and_again(log, tmp_path):
    log.execute("PRAGMA wal_autocheckpoint = 0")
    log.wf_schedule("a", "@every 1s", "job", None, json.dumps({"catch_up": "all"}))
    log.wf_schedule("b", "@every 3s", "job", None, json.dumps({"catch_up": "all"}))
    context = multiprocessing.get_context("spawn")
    rng = random.Random(3)
    for _ in range(6):
        worker = context.Process(target=tick_until_killed, args=(str(tmp_path / "test.db"),))
        worker.start()
        before = log.value("SELECT count(*) FROM log")
        deadline = time.monotonic() + 600
        while log.value("SELECT count(*) FROM log") == before and time.monotonic() < deadline:
            time.sleep(0.01)  # it passes what has been done in no time, and then goes on
        time.sleep(rng.random() * 0.2)
        worker.kill()
        worker.join()
    assert log.value("PRAGMA integrity_check") == "ok"
    count = log.value("SELECT count(*) FROM log WHERE id LIKE 'a@%'")
    assert count > 6
    for name, step in (("a", 1), ("b", 3)):
        found = log.column("SELECT id FROM log WHERE id LIKE ? ORDER BY at", name + "@%")
        assert found == expected_ids(name, step, step * len(found))
    next_at = dict(log.rows("SELECT name, next_at FROM wf_schedules"))
    assert next_at["a"] == sql_time(count + 1)


def test_after_an_outage_each_policy_does_what_it_says(log):
    for policy in ("last", "all", "skip"):
        log.wf_schedule(policy, "0 * * * *", "job", None, json.dumps({"catch_up": policy, "overlap": "allow"}))
    three_days = 3 * 86400 + 1800
    while log.wf_tick(now=BASE + three_days) != 0:
        pass
    counts = dict(log.rows("SELECT substr(id, 1, instr(id, '@') - 1), count(*) FROM log GROUP BY 1"))
    assert counts == {"last": 1, "all": 72}
    assert log.column("SELECT id FROM log WHERE id LIKE 'last@%'") == ["last@2027-01-18T08:00:00Z"]
    assert {next_at for (next_at,) in log.rows("SELECT next_at FROM wf_schedules")} == {"2027-01-18 09:00:00.000"}
