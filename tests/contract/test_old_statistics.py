"""ANALYZE in a file that was nearly empty: its plans must not look at every workflow, or every lane again and again, once there are many."""

import sqlite3

import pytest

from support import open_database


def steps(db, sql):
    """How many steps of SQLite's machine that takes, in tens."""
    taken = []
    db.set_progress_handler(lambda: taken.append(1) and 0, 10)
    db.execute(sql).fetchall()
    db.set_progress_handler(None, 0)
    return len(taken)


def file_of(names, analyzed):
    db = open_database(":memory:")
    db.at(0)
    db.wf_start("job")
    if analyzed:
        db.wf_complete(db.claim()["token"], 1)
        db.execute("ANALYZE")
        db.execute("ANALYZE sqlite_master")
    for i in range(600):
        db.wf_start("n%d" % (i % names))
    return db


@pytest.mark.parametrize(("names", "sql"), [(1, "SELECT wf_start('n0')"), (600, "SELECT wf_start('n0')"), (200, "SELECT wf_next_due()")])
def test_statistics_from_when_there_was_little(names, sql):
    fresh, old = file_of(names, analyzed=False), file_of(names, analyzed=True)
    for _ in range(2):
        without, with_them = steps(fresh, sql), steps(old, sql)
    assert with_them < 3 * without + 100, (without, with_them)
    fresh.close()
    old.close()


OURS = "SELECT count(*) FROM sqlite_stat1 WHERE tbl GLOB '_wf_*'"


@pytest.fixture
def path(connect, tmp_path):
    """A file that was analyzed when it had one workflow; the application has a table of its own."""
    db = connect(tmp_path / "old.db")
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TABLE app(k, v)")
    db.execute("CREATE INDEX app_k ON app(k)")
    db.execute("INSERT INTO app VALUES(1, 2)")
    db.wf_start("job")
    db.wf_complete(db.claim()["token"], 1)
    db.execute("ANALYZE")
    assert db.value(OURS) > 0
    db.close()
    return tmp_path / "old.db"


def fill(db):
    for i in range(400):
        db.wf_start("n%d" % (i % 100), queue="q", partition="p%d" % i)


@pytest.mark.parametrize("sql", [
    "SELECT wf_claim('q', 'w')", "SELECT wf_claim('q', 'w', '{\"limit\":3}')", "SELECT count(*) FROM wf_workflows WHERE name = 'n7'",
    "SELECT * FROM wf_pending WHERE queue = 'q' ORDER BY due_at LIMIT 5", "SELECT * FROM wf_stats", "SELECT wf_ready('q')", "SELECT * FROM wf_queues", "SELECT * FROM wf_steps WHERE workflow_id = 'x'",
])
def test_a_file_that_was_analyzed_when_it_was_nearly_empty(connect, path, tmp_path, sql):
    fresh, old = connect(tmp_path / "fresh.db"), connect(path)
    for db in (fresh, old):
        fill(db)
    old.close()
    old = connect(path)
    for _ in range(2):
        without, with_them = steps(fresh, sql), steps(old, sql)
    assert with_them < 1.2 * without + 20, (without, with_them)


def test_the_figures_of_our_tables_go_with_the_first_write_and_those_of_the_application_stay(connect, path):
    db = connect(path)
    db.rows("SELECT * FROM wf_workflows")
    assert db.value(OURS) > 0  # who only reads writes nothing
    db.wf_start("job")
    assert db.rows("SELECT * FROM sqlite_stat1") == [("app", "app_k", "1 1")]
    assert db.value("PRAGMA integrity_check") == "ok" and db.wf_check() is None


def test_who_analyzes_has_the_old_plans_again_soon(connect, path):
    db = connect(path)
    fill(db)
    before = [steps(db, "SELECT wf_claim('q', 'w')") for _ in range(3)][2]
    db.execute("DELETE FROM _wf_workflow WHERE seq > 1")
    db.execute("ANALYZE")
    fill(db)
    assert db.value(OURS) == 0
    assert steps(db, "SELECT wf_claim('q', 'w')") < 1.2 * before + 20


def test_inside_of_a_transaction_nothing_is_taken_away(connect, path):
    db = connect(path)
    db.execute("BEGIN")
    db.wf_start("job", id="a")
    assert db.value(OURS) > 0
    db.execute("ROLLBACK")
    db.execute("INSERT INTO app SELECT wf_start('job', NULL, '{\"id\":\"b\"}'), 1")
    assert db.value(OURS) > 0
    db.wf_start("job", id="c")
    assert db.value(OURS) == 0
    assert db.column("SELECT id FROM wf_workflows WHERE length(id) = 1 ORDER BY id") == ["b", "c"]


def test_where_they_cannot_be_taken_away_calls_go_on(connect, path):
    db = connect(path)
    db.set_authorizer(lambda action, table, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_DELETE and table == "sqlite_stat1" else sqlite3.SQLITE_OK)
    assert db.wf_start("job", id="a") == "a"
    assert db.claim()["id"] == "a"
    db.set_authorizer(None)
    assert db.value(OURS) > 0
