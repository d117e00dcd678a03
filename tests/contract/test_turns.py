"""Partitions of a queue take turns: the one that was served longest ago first."""

import pytest
from support import BASE


def start(db, *ids, **options):
    for id in ids:
        db.wf_start("job", id=id, **options)


def claimed(db, n=1, queue=None, **options):
    return [claim["id"] for claim in db.claim(queue, None, limit=n, **options)]


@pytest.fixture(autouse=True)
def stopped_clock(db):
    db.at(0)


def test_a_partition_with_much_to_do_does_not_keep_the_others_waiting(db):
    start(db, "ann-1", "ann-2", "ann-3", partition="ann")
    start(db, "bob-1", partition="bob")
    assert claimed(db, 4) == ["ann-1", "bob-1", "ann-2", "ann-3"]


@pytest.mark.parametrize("limit", ['{"concurrency":1}', '{"concurrency":1,"partition_concurrency":1}', '{"partition_concurrency":1,"worker_concurrency":1}'])
def test_turns_are_taken_where_there_are_fewer_slots_than_partitions(db, limit):
    db.wf_queue("default", limit)
    for who in "abc":
        start(db, *("%s%d" % (who, n) for n in (1, 2, 3)), partition=who)
    order = []
    for _ in range(9):
        claim = db.claim()
        order.append(claim["id"])
        db.wf_complete(claim["token"])
    assert order == ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"]


def test_no_partition_is_one_partition(db):
    start(db, "a1", "a2", partition="a")
    start(db, "free1", "free2", "free3")
    start(db, "b1", "b2", partition="b")
    assert claimed(db, 7) == ["a1", "free1", "b1", "a2", "free2", "b2", "free3"]


def test_no_partition_takes_its_turn_whatever_was_claimed_while_it_was_alone(db):
    start(db, "free1", "free2", "free3", "free4")
    assert claimed(db, 2) == ["free1", "free2"]
    start(db, "a1", "a2", partition="a")
    assert claimed(db, 4) == ["free3", "a1", "free4", "a2"]


def test_without_partition_a_claim_writes_no_lane(db):
    start(db, "w1", "w2")
    lanes = db.rows("SELECT * FROM _wf_lane")
    db.claim()
    assert db.rows("SELECT * FROM _wf_lane") == lanes


def test_one_that_comes_stands_last(db):
    start(db, "a1", "a2", partition="a")
    start(db, "b1", "b2", partition="b")
    assert claimed(db) == ["a1"]
    start(db, "c1", "c2", partition="c")
    assert claimed(db, 5) == ["b1", "a2", "c1", "b2", "c2"]


def test_one_that_comes_with_a_time_of_long_ago_stands_last(db):
    start(db, "a1", "a2", partition="a")
    start(db, "b1", partition="b", at=BASE - 3600)
    assert claimed(db, 3) == ["a1", "b1", "a2"]


def test_one_that_comes_back_stands_last(db):
    start(db, "a1", partition="a")
    start(db, "b1", "b2", "b3", partition="b")
    db.wf_complete(db.claim()["token"])
    assert claimed(db) == ["b1"]
    start(db, "a2", partition="a")
    assert claimed(db, 3) == ["b2", "a2", "b3"]


def test_one_that_comes_back_after_its_lane_was_deleted_stands_last(db):
    start(db, "a1", partition="a")
    start(db, "b1", "b2", "b3", partition="b")
    db.wf_complete(db.claim()["token"])
    db.wf_delete("a1")
    assert db.column("SELECT DISTINCT partition FROM _wf_lane") == ["b"]
    assert claimed(db) == ["b1"]
    start(db, "a2", partition="a")
    assert claimed(db, 3) == ["b2", "a2", "b3"]


def test_one_whose_time_comes_stands_where_its_time_came(db):
    start(db, "a1", "a2", "a3", partition="a")
    start(db, "b1", "b2", partition="b", delay=10)
    db.at(5)
    assert claimed(db) == ["a1"]
    db.at(20)
    start(db, "c1", partition="c")
    assert claimed(db, 5) == ["a2", "b1", "c1", "a3", "b2"]


def test_what_is_resumed_is_a_turn(db):
    start(db, "a1", "a2", partition="a")
    start(db, "b1", "b2", partition="b")
    token = db.claim()["token"]
    db.wf_sleep(token, "nap", 10)
    db.at(10)
    assert claimed(db, 2) == ["b1", "a1"]  # woken
    assert claimed(db, 2) == ["b2", "a2"]


def test_a_claim_by_id_is_a_turn(db):
    start(db, "a1", "a2", partition="a")
    start(db, "b1", "b2", partition="b")
    db.claim(id="a2")
    assert claimed(db, 2) == ["b1", "a1"]


def test_turns_belong_to_a_priority(db):
    start(db, "a1", "a2", partition="a", priority=5)
    start(db, "a3", "a4", partition="a")
    start(db, "b3", partition="b")
    assert claimed(db, 5) == ["a1", "a2", "a3", "b3", "a4"]


def test_the_names_of_a_partition_take_one_turn(db):
    for name in ("one", "two"):
        db.wf_start(name, id="a-" + name, partition="a")
    start(db, "b1", "b2", partition="b")
    assert claimed(db, 4) == ["a-one", "b1", "a-two", "b2"]


def test_a_full_partition_keeps_its_turn(db):
    db.wf_queue("default", '{"partition_concurrency":1}')
    start(db, "a1", "a2", partition="a")
    start(db, "b1", "b2", partition="b")
    one, two = (claim["token"] for claim in db.claim(None, None, limit=2))
    assert db.claim() is None
    start(db, "c1", partition="c")
    db.wf_complete(two)
    db.wf_complete(one)
    assert claimed(db, 3) == ["a2", "b2", "c1"]


def test_a_full_partition_keeps_its_turn_where_a_lease_runs_out(db):
    db.wf_queue("default", '{"partition_concurrency":1,"max_attempts":1}')
    start(db, "a1", "a2", partition="a")
    db.claim(lease=10)
    start(db, "b1", "b2", partition="b")
    assert claimed(db) == ["b1"]
    assert db.claim() is None
    db.at(10)
    assert claimed(db) == ["a2"]  # the lost one was poison


def test_a_rate_that_is_used_up_leaves_turns_to_what_goes_on(db):
    db.wf_queue("default", '{"rate":{"limit":3,"per":60}}')
    start(db, "a1", "a2", partition="a")
    start(db, "b1", partition="b")
    for claim in db.claim(None, None, limit=3):
        db.wf_release(claim["token"])
    assert claimed(db, 3) == ["a1", "b1", "a2"]


def test_turns_are_exact_where_no_claim_looked_in_between(db):
    start(db, "a1", "a2", partition="a", delay=1)
    start(db, "b1", "b2", partition="b", delay=2)
    start(db, "c1", "c2", partition="c", delay=3)
    db.at(60)
    assert claimed(db, 6) == ["a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_clock_that_was_wrong_starves_nobody(db):
    start(db, "a1", "a2", "a3", partition="a")
    start(db, "b1", "b2", "b3", partition="b")
    db.claim(now=BASE + 10 * 365 * 86400)
    assert claimed(db, 5) == ["b1", "a2", "b2", "a3", "b3"]


def test_wf_check_knows_lanes_that_claims_do_not_find(db):
    start(db, "a1", partition="a")
    assert db.wf_check() is None
    for damage in ("line = 2, turn = NULL", "turn = NULL", "line = 3, next_due = NULL", "line = 0", "line = 7", "next_due = 'x'"):
        db.execute("SAVEPOINT damage")
        db.execute("UPDATE _wf_lane SET " + damage)
        assert db.wf_check() is not None, damage
        db.execute("ROLLBACK TO damage")
        db.execute("RELEASE damage")


def test_scripted_workflows_take_turns(db):
    db.execute("CREATE TABLE done(n INTEGER PRIMARY KEY, id TEXT)")
    db.wf_define("s", '{"steps":[{"name":"one","sql":"INSERT INTO done(id) VALUES(:id)"}]}')
    for id in ("a1", "a2", "b1"):
        db.wf_start("s", id=id, partition=id[0])
    db.wf_run()
    assert db.column("SELECT id FROM done ORDER BY n") == ["a1", "b1", "a2"]


def test_a_claim_by_id_is_a_turn_of_those_without_partition_too(db):
    start(db, "w0", "w1")
    start(db, "of-p", partition="p")
    assert db.claim(id="w1")["id"] == "w1"
    assert claimed(db) == ["of-p"]
    assert db.wf_check() is None
