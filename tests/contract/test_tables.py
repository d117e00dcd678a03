"""wf_workflows, wf_steps and wf_failures: every column, read-only, and the same answers as a plain table."""

import sqlite3

import pytest
from support import BASE, sql_time

COLUMNS = {
    "wf_workflows": "id name status queue priority version partition dedup attempt resumed max_attempts worker input output error headers parent_id "
    "ending due_at deadline_at created_at started_at completed_at updated_at period attempt_at tags seq",
    "wf_steps": "workflow_id seq name kind status output error attempts begun_at recorded_at attempt worker ended_by hash",
    "wf_failures": "workflow_id seq attempt step worker error at claimed_at",
}


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_the_columns_are_these_in_this_order(db, table):
    cursor = db.execute("SELECT * FROM " + table)
    assert [column[0] for column in cursor.description] == COLUMNS[table].split()


@pytest.mark.parametrize("table", ["wf_workflows", "wf_pending", "wf_steps", "wf_failures", "wf_doctor", "wf_functions"])
def test_tables_need_no_creation_and_are_read_only(db, table):
    db.running()
    assert db.rows("SELECT name FROM sqlite_master WHERE name = ?", table) == []
    column = db.execute("SELECT * FROM " + table).description[0][0]
    for statement in ("INSERT INTO {0} DEFAULT VALUES", "DELETE FROM {0}", "UPDATE {0} SET {1} = NULL"):
        with pytest.raises(sqlite3.OperationalError, match="may not be modified"):
            db.execute(statement.format(table, column))


# wf_workflows


def test_a_workflow_that_has_just_started(db):
    db.at(0)
    db.wf_start("job", '{"n": 1}', id="w1", queue="q", priority=3, version="v", partition="p", dedup="d", max_attempts=4,
                headers={"h": 1}, timeout=100, delay=5)
    assert db.workflow() == dict(
        id="w1", name="job", status="pending", queue="q", priority=3, version="v", partition="p", dedup="d", attempt=0, resumed=0, max_attempts=4,
        worker=None, input='{"n": 1}', output=None, error=None, headers='{"h": 1}', parent_id=None, ending=None, due_at=sql_time(5),
        deadline_at=sql_time(105), created_at=sql_time(0), started_at=None, completed_at=None, updated_at=sql_time(0),
        period=1, attempt_at=None, tags=None, seq=1)


def test_a_workflow_through_its_life(db):
    def changes(before, after):
        return {key: after[key] for key in after if after[key] != before[key]}

    db.at(0)
    db.wf_start("job", id="w1")
    started = db.workflow()
    db.at(1)
    token = db.claim(None, "worker-1", lease=10)["token"]
    claimed = db.workflow()
    assert changes(started, claimed) == dict(
        status="running", attempt=1, worker="worker-1", started_at=sql_time(1), attempt_at=sql_time(1), due_at=sql_time(11),
        updated_at=sql_time(1))
    db.at(2)
    db.wf_fail(token, '"e"', delay=3)
    failed = db.workflow()
    failed["worker"] = claimed["worker"]  # the last one, or none
    assert changes(claimed, failed) == dict(status="pending", due_at=sql_time(5), updated_at=sql_time(2), error='"e"')
    db.at(5)
    token = db.claim(None, "worker-2", lease=10)["token"]
    db.at(6)
    db.wf_complete(token, "7")
    done = db.workflow()
    assert (done["status"], done["output"], done["error"], done["due_at"]) == ("completed", "7", None, None)
    assert (done["completed_at"], done["updated_at"], done["started_at"], done["attempt"]) == (sql_time(6), sql_time(6), sql_time(1), 2)
    assert done["attempt_at"] == sql_time(5)


def test_a_failed_workflow_shows_its_error(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_fail("w1", '{"n": 1}', retry=False)
    workflow = db.workflow()
    assert (workflow["status"], workflow["error"], workflow["output"], workflow["updated_at"]) == ("failed", '{"n": 1}', None, sql_time(0))


# Filters, order and limits answer like a plain table of the same rows.

QUERIES = [
    "SELECT id FROM {} WHERE id = 'w07'",
    "SELECT id FROM {} WHERE id = 'nobody'",
    "SELECT id FROM {} WHERE id = 7",
    "SELECT id FROM {} WHERE id IN ('w03', 'w11', 'nobody', NULL) ORDER BY id DESC",
    "SELECT id FROM {} WHERE id > 'w05' AND id <= 'w09' ORDER BY id",
    "SELECT id FROM {} WHERE id BETWEEN 'w18' AND 'w99' ORDER BY id LIMIT 3",
    "SELECT id FROM {} WHERE id LIKE 'w1%' ORDER BY id",
    "SELECT id FROM {} WHERE id IS NULL",
    "SELECT id FROM {} ORDER BY id LIMIT 5 OFFSET 10",
    "SELECT id FROM {} ORDER BY id DESC LIMIT 5",
    "SELECT id FROM {} WHERE status = 'failed' ORDER BY id",
    "SELECT id FROM {} WHERE status IN ('completed', 'running') ORDER BY id LIMIT 4",
    "SELECT id FROM {} WHERE status != 'pending' ORDER BY id DESC LIMIT 2 OFFSET 1",
    "SELECT id FROM {} WHERE queue = 'q1' AND priority >= 0 ORDER BY priority DESC, id",
    "SELECT id FROM {} WHERE queue = 'q1' OR name = 'job-2' ORDER BY id",
    "SELECT id FROM {} WHERE created_at > '2027-01-15 08:00:07' ORDER BY created_at, id",
    "SELECT id FROM {} WHERE created_at >= '2027-01-15 08:00:07.000' AND created_at < '2027-01-15 08:00:09' ORDER BY id",
    "SELECT id FROM {} WHERE created_at = '2027-01-15 08:00:07.000'",
    "SELECT id FROM {} WHERE created_at <= '2027' ORDER BY id",
    "SELECT id FROM {} WHERE due_at IS NULL ORDER BY id",
    "SELECT id FROM {} WHERE due_at <= '2027-01-15 08:00:20.500' ORDER BY due_at DESC, id DESC LIMIT 3",
    "SELECT id FROM {} WHERE worker IS NOT NULL ORDER BY id",
    "SELECT id FROM {} WHERE attempt = 1.0 ORDER BY id",
    "SELECT status, count(*) FROM {} GROUP BY status ORDER BY status",
    "SELECT count(*), min(id), max(id), max(created_at) FROM {}",
    "SELECT count(*) FROM {} AS a JOIN {} AS b ON b.id = a.id WHERE a.queue = 'q2'",
    "SELECT id FROM {} WHERE rowid > 0 AND id = 'w02'",
    "SELECT DISTINCT queue FROM {} ORDER BY queue",
    "SELECT id FROM {} WHERE id COLLATE NOCASE = 'W07'",
    "SELECT id FROM {} WHERE id = 'W07'",
    "SELECT id FROM {} WHERE id = 'w07' AND status = 'no such status'",
    "SELECT id FROM {} WHERE id IN (SELECT id FROM {} WHERE queue = 'q0') ORDER BY id LIMIT 4",
    # Few and many values of an IN, of every type; and more than one IN.
    *("SELECT id FROM {} WHERE id IN (%s) ORDER BY id LIMIT 9" % ", ".join("'w%02d'" % (n * 7 % 20) for n in range(count))
      for count in (0, 1, 2, 3, 7, 8, 9, 10, 40)),
    "SELECT id FROM {} WHERE id IN ('w03', NULL, X'773035', 'w03', 7, 7.5, '') ORDER BY id",
    "SELECT id FROM {} WHERE id IN (NULL) ORDER BY id",
    "SELECT id FROM {} WHERE priority IN (1, 2.0, '0', NULL, X'32', 1e300) ORDER BY id DESC LIMIT 5",
    "SELECT id FROM {} WHERE priority IN (1, 2.0, '0', NULL, X'32', 1e300, 9, 8, 7, 6, 5) ORDER BY id DESC LIMIT 5",
    "SELECT id FROM {} WHERE status IN ('failed', 'completed') AND priority IN (-2, -1, 0) AND created_at < '2028' ORDER BY id LIMIT 3 OFFSET 1",
    "SELECT id FROM {} WHERE created_at = '2027-01-15 08:00:07.000' AND status IN ('failed', 'pending', 'completed') ORDER BY id",
    "SELECT status, id, updated_at FROM {} WHERE name IN ('job-1', 'job-2', 'job-9') AND id IN ('w01', 'w02', 'w03', 'w05') ORDER BY name, id",
    "SELECT id FROM {} ORDER BY priority, name DESC, id LIMIT 6",
    "SELECT id FROM {} LIMIT 0",
]


@pytest.fixture
def many(db):
    for number in range(20):
        db.at(number)
        id = "w%02d" % number
        db.wf_start("job-%d" % (number % 4), id=id, queue="q%d" % (number % 3), priority=number % 5 - 2)
        if number % 5 == 1:
            db.wf_complete(id, str(number))
        elif number % 5 == 2:
            db.wf_fail(id, "e", retry=False)
        elif number % 5 == 3:
            db.claim(None, "worker-%d" % number, id=id)
    db.execute("CREATE TEMP TABLE plain AS SELECT * FROM wf_workflows")
    return db


def test_a_filtered_ordered_or_limited_query_answers_like_a_plain_table(many):
    assert many.value("SELECT count(*) FROM plain") == 20
    for query in QUERIES:
        tables = query.count("{}")
        assert many.rows(query.format(*["wf_workflows"] * tables)) == many.rows(query.format(*["plain"] * tables)), query


def test_a_comparison_with_a_column_takes_its_affinity(db):
    """A value that is text on one side and a number on the other."""
    db.wf_start("job", id="w1")
    for payload in ("5", '"5"', "5.0", "6"):
        db.wf_signal("w1", "s", payload)
    db.wf_queue("q1", '{"concurrency":3}')
    db.wf_queue("q2", '{"concurrency":4}')
    db.execute("CREATE TEMP TABLE t(i INTEGER, x TEXT, any)")
    db.execute("INSERT INTO t VALUES(5, '5', '5'), (3, '3', 3)")
    for table in ("wf_signals", "wf_queues"):
        db.execute("CREATE TEMP TABLE plain_%s AS SELECT * FROM %s" % (table, table))
    for query in ("SELECT payload FROM {}wf_signals JOIN t ON payload = t.i", "SELECT payload FROM {}wf_signals JOIN t ON payload = t.x",
                  "SELECT payload FROM {}wf_signals WHERE payload IN (SELECT i FROM t)", "SELECT queue FROM {}wf_queues JOIN t ON concurrency = t.any",
                  "SELECT queue FROM {}wf_queues JOIN t ON concurrency = t.x", "SELECT queue FROM {}wf_queues WHERE rowid < '2'",
                  "SELECT queue FROM {}wf_queues WHERE queue >= 'q2'", "SELECT queue FROM {}wf_queues WHERE queue IN ('q1', 'q2') ORDER BY queue DESC LIMIT 1"):
        assert sorted(db.rows(query.format(""))) == sorted(db.rows(query.format("plain_"))), query


def test_a_query_may_be_open_while_the_engine_writes(many):
    cursor = many.execute("SELECT id FROM wf_workflows ORDER BY id")
    first = cursor.fetchone()
    many.wf_start("job", id="zzz")
    rest = cursor.fetchall()
    assert [first] + [row for row in rest if row != ("zzz",)] == [("w%02d" % number,) for number in range(20)]


# wf_steps


def test_steps_are_listed_in_order_with_these_columns(db):
    db.at(0)
    token = db.running()["token"]
    for number, step in enumerate(["b", "a", "c"], start=1):
        db.at(number)
        db.wf_step(token, step, str(number))
    steps = db.records("SELECT * FROM wf_steps WHERE workflow_id = 'w1'")
    sequence = [step.pop("seq") for step in steps]
    assert sequence == [1, 2, 3]
    assert steps == [
        dict(workflow_id="w1", name=name, kind="step", status="done", output=str(number), error=None, attempts=1, begun_at=None,
             recorded_at=sql_time(number), attempt=1, worker="worker-1", ended_by=None, hash=None)
        for number, name in enumerate(["b", "a", "c"], start=1)
    ]


def test_a_step_that_failed_shows_its_error_until_it_is_done(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_fail(token, '"boom"', step="a", delay=0)
    step = db.record("SELECT status, output, error, attempts FROM wf_steps")
    assert step == dict(status="failed", output=None, error='"boom"', attempts=1)
    db.at(1)
    db.wf_step(db.claim()["token"], "a", "1")
    step = db.record("SELECT status, output, attempts, recorded_at FROM wf_steps")
    assert step == dict(status="done", output="1", attempts=2, recorded_at=sql_time(1))


def test_steps_of_several_workflows(db):
    for id in ("w1", "w2", "w3"):
        db.wf_start("job", id=id)
    for step in ("a", "b"):
        for id in ("w1", "w2", "w3"):
            db.wf_step(id, step, '"%s%s"' % (id, step))
    assert db.rows("SELECT name, output FROM wf_steps WHERE workflow_id = 'w2' ORDER BY seq") == [("a", '"w2a"'), ("b", '"w2b"')]
    assert db.rows("SELECT workflow_id FROM wf_steps WHERE workflow_id IN ('w1', 'w3') AND name = 'b' ORDER BY workflow_id DESC") == [
        ("w3",), ("w1",)]
    assert db.value("SELECT count(*) FROM wf_workflows w JOIN wf_steps s ON s.workflow_id = w.id") == 6


# wf_failures


def test_failures_hold_every_failed_attempt_and_lost_lease(db):
    db.at(0)
    token = db.running(worker="worker-1", max_attempts=5)["token"]
    db.wf_fail(token, '{"n":1}', delay=0)
    db.claim(None, "worker-2", lease=10)
    db.at(11)
    token = db.claim(None, "worker-3")["token"]
    db.wf_fail(token, '"charge"', step="charge", delay=0)
    db.wf_fail("w1", '"by hand"')
    failures = db.records("SELECT workflow_id, attempt, step, worker, error, at FROM wf_failures WHERE workflow_id = 'w1'")
    lost = failures.pop(1)
    assert {key: lost[key] for key in ("workflow_id", "attempt", "step", "worker")} == dict(
        workflow_id="w1", attempt=2, step=None, worker="worker-2")
    assert "lease" in lost["error"]
    assert failures == [
        dict(workflow_id="w1", attempt=1, step=None, worker="worker-1", error='{"n":1}', at=sql_time(0)),
        dict(workflow_id="w1", attempt=3, step="charge", worker="worker-3", error='"charge"', at=sql_time(11)),
        dict(workflow_id="w1", attempt=3, step=None, worker=None, error='"by hand"', at=sql_time(11)),
    ]


def test_failures_stay_after_the_workflow_has_completed(db):
    db.at(0)
    db.wf_fail(db.running()["token"], "e", delay=0)
    db.wf_complete(db.claim()["token"])
    assert db.value("SELECT count(*) FROM wf_failures WHERE workflow_id = 'w1'") == 1


def test_times_filter_failures(db):
    for number in range(5):
        db.wf_start("job", id="w%d" % number, now=BASE)
        db.wf_fail("w%d" % number, "e", retry=False, now=BASE + number)
    assert db.column("SELECT workflow_id FROM wf_failures WHERE at >= '2027-01-15 08:00:03'") == ["w3", "w4"]
