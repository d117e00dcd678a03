"""The backoff of the n-th failure: min(max, initial * factor ^ (n - 1)), less a share of at most `jitter`."""

import pytest
from support import BASE
from support.clock import seconds_of


def delays(db, count, id="w1", **backoff):
    """The backoff in seconds after each of `count` failures."""
    db.wf_start("job", id=id, max_attempts=1_000_000, **({"backoff": backoff} if backoff else {}))
    now, found = BASE, []
    db.execute("BEGIN")
    for _ in range(count):
        token = db.claim(id=id, now=now)["token"]
        assert db.wf_fail(token, "e", now=now) == "pending"
        due = seconds_of(db.value("SELECT due_at FROM wf_workflows WHERE id = ?", id))
        found.append(round(due - now, 3))
        now = round(due, 3)
    db.execute("COMMIT")
    return found


@pytest.fixture(autouse=True)
def stopped_clock(memdb):
    memdb.at(0)


def near(expected):
    return pytest.approx(expected, abs=0.002)


def test_the_default_doubles_from_one_second_up_to_five_minutes(memdb):
    assert delays(memdb, 12) == near([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])


@pytest.mark.parametrize(
    "backoff, expected",
    [
        ({"initial": 5}, [5, 10, 20, 40, 80, 160, 300, 300]),
        ({"initial": "250ms"}, [0.25, 0.5, 1, 2, 4, 8]),
        ({"factor": 1}, [1, 1, 1, 1]),
        ({"factor": 3}, [1, 3, 9, 27, 81, 243, 300]),
        ({"factor": 1.5}, [1, 1.5, 2.25, 3.375, 5.0625]),
        ({"factor": 1000}, [1, 300, 300]),
        ({"max": 3}, [1, 2, 3, 3]),
        ({"initial": 10, "max": 3}, [3, 3, 3]),
        ({"initial": 0}, [0, 0, 0]),
        ({"max": 0}, [0, 0, 0]),
        ({"initial": "1h", "max": "1d", "factor": 10}, [3600, 36000, 86400, 86400]),
        ({}, [1, 2, 4]),
    ],
)
def test_each_part_may_be_given(memdb, backoff, expected):
    assert delays(memdb, len(expected), **backoff) == near(expected)


@pytest.mark.parametrize("backoff", [{}, {"factor": 1000}, {"initial": 0.001, "factor": 1000, "max": 300}])
def test_there_is_no_overflow_at_attempt_1000(memdb, backoff):
    memdb.wf_config("max_failures", 2000)
    found = delays(memdb, 1000, **backoff)
    assert found == sorted(found)
    assert found[20:] == near([300.0] * 980)


def test_jitter_takes_a_share_away_and_never_adds(memdb):
    found = delays(memdb, 200, initial=100, factor=1, jitter=0.5)
    assert all(50 <= delay <= 100 for delay in found)
    assert min(found) < 60 and max(found) > 90
    assert len(set(found)) > 150


def test_jitter_of_one_may_take_everything(memdb):
    found = delays(memdb, 200, initial=100, factor=1, jitter=1)
    assert all(0 <= delay <= 100 for delay in found)
    assert min(found) < 10


def test_jitter_is_a_function_of_the_id_and_the_failure(memdb, connect):
    other = connect(":memory:")
    options = dict(initial=100, factor=1, jitter=1)
    assert delays(memdb, 20, "w1", **options) == delays(other, 20, "w1", **options)
    assert delays(memdb, 20, "w2", **options) != delays(other, 20, "w3", **options)


def test_the_backoff_of_a_step_follows_the_failures_of_that_step(memdb):
    memdb.wf_start("job", id="w1", max_attempts=100)
    found = []
    for step in ("a", "a", "a", "b", None):
        memdb.wf_clock(memdb.workflow()["due_at"])
        memdb.wf_fail(memdb.claim()["token"], "e", **({"step": step} if step else {}))
        found.append(memdb.value("SELECT round((julianday(due_at) - julianday(wf_clock())) * 86400, 1) FROM wf_workflows"))
    assert found == [1, 2, 4, 1, 1]
