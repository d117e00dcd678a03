"""wf_stats, wf_queues, wf_signals, wf_events, wf_values, wf_streams, wf_in_doubt: settings and live figures."""

import sqlite3

import pytest
from support import sql_time

COLUMNS = {
    "wf_signals": "workflow_id seq name key payload received_at taken_by",
    "wf_events": "name payload emitted_at",
    "wf_values": "workflow_id key value updated_at",
    "wf_streams": "workflow_id stream offset value appended_at closed epoch",
    "wf_in_doubt": "workflow_id step key held begun_at worker",
    "wf_queues": "queue concurrency worker_concurrency partition_concurrency hold rate_limit rate_per paused lease max_attempts backoff "
    "depth running oldest_due_at",
    "wf_stats": "name queue status count p50 p95 max",
}


@pytest.fixture
def db(db):
    db.at(0)
    return db


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_the_columns_are_these_in_this_order(db, table):
    assert [column[0] for column in db.execute("SELECT * FROM " + table).description] == COLUMNS[table].split()


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_before_the_first_write_they_are_empty(db, table):
    assert db.rows("SELECT * FROM " + table) == []
    assert db.rows("SELECT name FROM sqlite_master") == []


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_they_are_read_only_and_need_no_creation(db, table):
    fill(db)
    assert db.rows("SELECT * FROM " + table) != []
    column = COLUMNS[table].split()[0]
    for statement in ("INSERT INTO {0} DEFAULT VALUES", "DELETE FROM {0}", "UPDATE {0} SET {1} = NULL"):
        with pytest.raises(sqlite3.OperationalError, match="may not be modified"):
            db.execute(statement.format(table, column))


def fill(db, workflows=6):
    db.wf_queue("default", concurrency=100)
    for n in range(workflows):
        id = "w%d" % n
        db.at(n)
        db.wf_start("job%d" % (n % 2), id=id)
        for m in range(3):
            db.wf_signal(id, "s%d" % m, m, key="k")
            db.wf_set(id, "v%d" % m, m)
            db.wf_append(id, "log", m)
        db.wf_await(id, "wait", "s1")
        db.wf_begin(id, "pay")
        db.wf_emit("e%d" % n, n)
        if n % 3 == 0:
            db.wf_complete(id)


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_every_query_gives_what_a_copy_of_the_table_gives(db, table):
    fill(db)
    db.execute("CREATE TEMP TABLE copy AS SELECT * FROM " + table)
    columns = COLUMNS[table].split()
    queries = ["SELECT count(*) FROM {}"]
    for column in columns:
        values = db.column("SELECT DISTINCT %s FROM copy LIMIT 3" % column)
        for value in values + ["nothing", 1]:
            for op in ("=", "<", ">=", "IS", "<>"):
                queries.append(("SELECT * FROM {} WHERE %s %s ? ORDER BY 1, 2, 3" % (column, op), value))
        queries.append("SELECT * FROM {} ORDER BY %s DESC, 1, 2, 3 LIMIT 4" % column)
        queries.append("SELECT %s, count(*) FROM {} GROUP BY 1 ORDER BY 1" % column)
        queries.append("SELECT * FROM {} WHERE %s IN (SELECT %s FROM copy LIMIT 2) ORDER BY 1, 2, 3" % (column, column))
        queries.append("SELECT * FROM {} WHERE %s IS NULL ORDER BY 1, 2, 3" % column)
    for query in queries:
        sql, parameters = (query, ()) if isinstance(query, str) else (query[0], query[1:])
        assert db.rows(sql.format(table), *parameters) == db.rows(sql.format("copy"), *parameters), (query,)


@pytest.mark.parametrize("table, where", [
    ("wf_signals", "workflow_id = 'w1'"), ("wf_values", "workflow_id = 'w1'"), ("wf_streams", "workflow_id = 'w1' AND stream = 'log' AND offset > 1"),
    ("wf_events", "name = 'e1'"), ("wf_in_doubt", "workflow_id = 'w1'")])
def test_joins_with_workflows_work(db, table, where):
    fill(db)
    key = "name" if table == "wf_events" else "workflow_id"
    got = db.rows("SELECT t.*, w.name FROM %s AS t JOIN wf_workflows AS w ON w.id = %s WHERE %s ORDER BY 1, 2, 3" % (
        table, "'w1'" if key == "name" else "t.workflow_id", where.replace(key, "t." + key).replace("t.name = 'e1'", "t.name = 'e1'")))
    assert got and all(row[-1] == "job1" for row in got)


# wf_queues


def test_a_queue_shows_its_settings(db):
    db.wf_queue("q", concurrency=5, worker_concurrency=2, partition_concurrency=1, hold="started", rate={"limit": 10, "per": "1m"}, paused=True,
                lease=60, max_attempts=3, backoff={"initial": 2})
    queue = db.record("SELECT * FROM wf_queues")
    backoff = queue.pop("backoff")
    assert queue == dict(queue="q", concurrency=5, worker_concurrency=2, partition_concurrency=1, hold="started", rate_limit=10, rate_per=60.0,
                         paused=1, lease=60.0, max_attempts=3, depth=0, running=0, oldest_due_at=None)
    assert "2" in backoff


def test_a_queue_without_settings_is_shown_once_it_is_used(db):
    db.wf_start("job", queue="q")
    queue = db.record("SELECT queue, concurrency, paused, depth, running FROM wf_queues")
    assert queue == dict(queue="q", concurrency=None, paused=0, depth=1, running=0)


def test_depth_counts_what_is_ready_and_running_the_live_leases(db):
    for n in range(5):
        db.at(n)
        db.wf_start("job", id="w%d" % n)
    db.wf_start("job", id="later", delay=100)
    figures = "SELECT depth, running, oldest_due_at FROM wf_queues WHERE queue = 'default'"
    assert db.rows(figures) == [(5, 0, sql_time(0))]
    claim = db.claim(id="w0")
    db.claim(id="w1")
    assert db.rows(figures) == [(3, 2, sql_time(2))]
    db.wf_sleep(claim["token"], "nap", 10)
    assert db.rows(figures) == [(3, 1, sql_time(2))]
    db.at(14)
    assert db.rows(figures) == [(4, 1, sql_time(2))]
    db.wf_complete("w2")
    db.wf_cancel("w3")
    assert db.rows(figures) == [(2, 1, sql_time(4))]


# wf_stats


def test_stats_count_per_name_queue_and_status(db):
    db.wf_start("a", id="a1")
    db.wf_start("a", id="a2", queue="q")
    db.wf_start("b", id="b1")
    db.wf_start("b", id="b2")
    db.wf_complete("b2")
    db.wf_cancel("b1")
    assert db.rows("SELECT name, queue, status, count FROM wf_stats ORDER BY 1, 2, 3") == [
        ("a", "default", "pending", 1), ("a", "q", "pending", 1), ("b", "default", "cancelled", 1), ("b", "default", "completed", 1)]


def test_durations_run_from_the_first_claim_to_the_end(db):
    for n in range(1, 101):
        db.at(0)
        db.wf_start("job", id="w%d" % n)
        token = db.claim(lease=1000)["token"]
        db.at(n)
        db.wf_complete(token)
    stats = db.record("SELECT count, p50, p95, max FROM wf_stats WHERE status = 'completed'")
    assert stats == dict(count=100, p50=50.0, p95=95.0, max=100.0)


def test_a_single_workflow_is_its_own_percentile(db):
    token = db.running()["token"]
    db.at(7)
    db.wf_complete(token)
    assert db.rows("SELECT count, p50, p95, max FROM wf_stats") == [(1, 7.0, 7.0, 7.0)]


def test_the_counts_add_up(db):
    fill(db, 12)
    assert db.value("SELECT sum(count) FROM wf_stats") == db.value("SELECT count(*) FROM wf_workflows") == 12
    assert db.rows("SELECT status, sum(count) FROM wf_stats GROUP BY 1 ORDER BY 1") == db.rows("SELECT status, count(*) FROM wf_workflows GROUP BY 1 ORDER BY 1")


def test_values_over_one_kilobyte_are_shown(db):
    db.wf_start("job", id="w1")
    text = '"%s"' % ("x" * 5000)
    db.wf_signal("w1", "go", text)
    db.wf_set("w1", "k", text)
    db.wf_append("w1", "log", text)
    db.wf_emit("e", text)
    for table, column in (("wf_signals", "payload"), ("wf_values", "value"), ("wf_streams", "value"), ("wf_events", "payload")):
        assert db.column("SELECT %s FROM %s" % (column, table)) == [text]


def test_a_text_with_a_nul_is_shown_to_its_end(db):
    db.wf_start("job", id="w")
    db.execute("UPDATE _wf_workflow SET worker = 'a' || char(0) || 'b'")
    assert db.rows("SELECT worker, length(CAST(worker AS BLOB)) FROM wf_workflows") == [("a\x00b", 3)]
