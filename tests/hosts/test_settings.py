"""Settings of the connection and of the file that change how SQLite behaves underneath us."""

import sqlite3

import pytest

import capi
from capi import Db, sql_lifecycle
from hostlib import TOOBIG, lifecycle, one, open_plain, sqlite_error, stored
from support import open_database, wf_error


@pytest.mark.parametrize(
    "pragma",
    [
        "foreign_keys = ON",
        "recursive_triggers = ON",
        "count_changes = ON",
        "reverse_unordered_selects = ON",
        "case_sensitive_like = ON",
        "short_column_names = OFF",
        "full_column_names = ON",
        "empty_result_callbacks = ON",
        "ignore_check_constraints = ON",
        "defer_foreign_keys = ON",
        "legacy_alter_table = ON",
        "trusted_schema = OFF",
        "read_uncommitted = ON",
        "locking_mode = EXCLUSIVE",
        "locking_mode = NORMAL",
        "cache_size = 1",
        "cache_spill = 1",
        "mmap_size = 1048576",
        "secure_delete = ON",
        "automatic_index = OFF",
        "cell_size_check = ON",
        "temp_store = FILE",
        "synchronous = OFF",
        "synchronous = EXTRA",
        "journal_mode = WAL",
        "journal_mode = TRUNCATE",
        "journal_mode = PERSIST",
        "journal_mode = MEMORY",
        "journal_mode = OFF",
        "writable_schema = ON",
        "threads = 4",
    ],
)
def test_lifecycle_under_a_pragma(db, pragma):
    db.execute(f"PRAGMA {pragma}").fetchall()
    lifecycle(db)
    db.execute("BEGIN")
    lifecycle(db, "second")
    db.execute("COMMIT")
    db.execute("INSERT INTO app(v) VALUES (wf_start('job', 1, '{\"id\":\"inline\"}'))")
    assert db.claim()["id"] == "inline"
    assert db.wf_pending() == 1
    assert db.column("SELECT id FROM wf_workflows ORDER BY id") == ["inline", "life", "second"]
    db.execute("PRAGMA count_changes = OFF").fetchall()
    assert one(db, "PRAGMA integrity_check") == "ok"


def test_pragma_count_changes_after_the_statements_are_cached(db):
    """It turns every INSERT and UPDATE into a statement that returns a row."""
    lifecycle(db)
    db.execute("PRAGMA count_changes = ON").fetchall()
    lifecycle(db, "second")
    assert not db.in_transaction


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_encoding_of_the_file(db, path, connect, encoding):
    db.close()
    path.unlink()
    db = connect()
    db.execute(f"PRAGMA encoding = '{encoding}'")
    db.execute("CREATE TABLE app(v)")
    assert one(db, "PRAGMA encoding") == encoding
    wid, value = "weiß-Ω-日本-😀", '{"schlüssel":"Ω 日本 😀","n":[1,2]}'
    lifecycle(db, wid, value)
    db.wf_start("Größe", value, id="ü", queue="Schlange-ß")
    claim = db.claim("Schlange-ß", "Arbeiter-ö", steps=True)
    assert (claim["id"], claim["name"], claim["worker"], claim["input"]) == ("ü", "Größe", "Arbeiter-ö", {"schlüssel": "Ω 日本 😀", "n": [1, 2]})
    assert db.wf_step(claim["token"], "Schritt-é", value) == value
    assert db.wf_fail(claim["token"], "schön kaputt 😀", retry=False) == "failed"
    assert db.wf_error("ü") == '"schön kaputt 😀"'
    assert db.value("SELECT input FROM wf_workflows WHERE id = ?", "ü") == value
    assert db.column("SELECT name FROM wf_steps WHERE workflow_id = 'ü'") == ["Schritt-é"]
    with wf_error("WF_INVALID", "ungültig"):
        db.wf_start("job", None, **{"ungültig": 1})
    again = connect()
    assert again.wf_result(wid) == value
    assert again.wf_start("Größe", value, id="ü", queue="anders") == "ü"


@pytest.mark.parametrize("page_size", [512, 65536])
def test_page_sizes(path, connect, page_size):
    db = connect()
    db.execute(f"PRAGMA page_size = {page_size}")
    lifecycle(db, value='"%s"' % ("x" * 100_000))
    assert one(db, "PRAGMA page_size") == page_size


@pytest.mark.parametrize("mode", ["FULL", "INCREMENTAL"])
def test_auto_vacuum(connect, mode):
    db = connect()
    db.execute(f"PRAGMA auto_vacuum = {mode}")
    lifecycle(db)
    db.execute("PRAGMA incremental_vacuum").fetchall()
    assert one(db, "PRAGMA integrity_check") == "ok"


def settings(path, **values):
    c = Db(path)
    for name, value in values.items():
        c.config(getattr(capi, name), value)
    return c.load()


@pytest.mark.parametrize(
    "name, value",
    [("DEFENSIVE", 1), ("ENABLE_TRIGGER", 0), ("ENABLE_VIEW", 0), ("DQS_DML", 0), ("DQS_DDL", 0), ("TRUSTED_SCHEMA", 0)],
)
def test_lifecycle_under_a_db_config(path, name, value):
    """Nothing of ours is a trigger or a view, quotes strings with double quotes, or needs a trusted schema."""
    c = settings(path, **{name: value})
    sql_lifecycle(c)
    assert c.value("SELECT wf_status('w')") == "completed"
    assert c.value("SELECT count(*) FROM wf_workflows") == "1"
    assert c.close() == capi.OK


def test_settings_changed_after_the_statements_are_cached(path):
    c = Db(path).load()
    sql_lifecycle(c)
    c.config(capi.DEFENSIVE, 1)
    c.config(capi.ENABLE_TRIGGER, 0)
    c.config(capi.DQS_DML, 0)
    c.config(capi.TRUSTED_SCHEMA, 0)
    assert c.value("SELECT wf_start('job', 1, '{\"id\":\"again\"}')") == "again"
    assert c.value("SELECT json_extract(wf_claim(), '$.id')") == "again"
    assert c.close() == capi.OK


def test_untrusted_schema_refuses_calls_from_triggers_and_views(db):
    db.wf_init()
    db.execute("CREATE TRIGGER tr AFTER INSERT ON app BEGIN SELECT wf_start('job', NEW.k); END")
    db.execute("CREATE VIEW vw AS SELECT wf_status('x') AS s")
    db.execute("INSERT INTO app(v) VALUES (1)")
    assert db.wf_pending() == 1
    db.execute("PRAGMA trusted_schema = OFF")
    for sql in ("INSERT INTO app(v) VALUES (2)", "SELECT * FROM vw"):
        with pytest.raises(sqlite3.OperationalError, match="unsafe use of wf_"):
            db.execute(sql).fetchall()
    assert db.wf_pending() == 1
    assert one(db, "SELECT count(*) FROM app") == 1
    assert db.wf_start("job") is not None


def test_functions_in_views_and_triggers_of_a_trusted_schema(db):
    db.wf_start("job", id="w")
    db.execute("CREATE VIEW vw AS SELECT id, wf_status(id) AS s FROM wf_workflows")
    assert db.rows("SELECT * FROM vw") == [("w", "pending")]


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 31), reason="DIRECTONLY is 3.31")
def test_the_clock_cannot_be_changed_from_the_schema(db):
    db.execute("CREATE VIEW vw AS SELECT wf_clock(0)")
    with pytest.raises(sqlite3.OperationalError, match="unsafe use of wf_clock"):
        db.execute("SELECT * FROM vw").fetchall()


def test_functions_cannot_be_used_in_the_schema_as_if_deterministic(db):
    """Nothing that reads tables, clocks or randomness may stand in an index or a generated column."""
    for call in ("wf_start('x')", "wf_status('x')", "wf_pending()", "wf_claim()", "wf_step('w', 'a')", "wf_clock()"):
        with pytest.raises(sqlite3.OperationalError, match="non-deterministic|unsafe use"):
            db.execute(f"CREATE INDEX ix ON app({call})")


def test_length_limit_of_the_connection(db):
    """A text that outgrows the limit when it is quoted: TOOBIG, with nothing half written."""
    token = db.running("w")["token"]
    before = stored(db)
    if not hasattr(db, "setlimit"):
        pytest.skip("no setlimit in this Python")
    quotes = '"' * 60_000  # as a JSON string 120,002 bytes
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    with sqlite_error(TOOBIG):
        db.wf_step(token, "a", quotes)
    assert not db.in_transaction
    assert stored(db) == before
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    assert len(db.wf_step(token, "a", quotes)) == 120_002


def test_attached_limit_and_other_limits_do_not_matter(connect):
    db = connect()
    if not hasattr(db, "setlimit"):
        pytest.skip("no setlimit in this Python")
    db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    db.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    db.setlimit(sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 3)
    db.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
    lifecycle(db)


def test_full_file_passes_through_and_undoes_the_call(db):
    """SQLITE_FULL by max_page_count: no half effects, usable again with more room."""
    token = db.running("w")["token"]
    before = stored(db)
    db.execute(f"PRAGMA max_page_count = {one(db, 'PRAGMA page_count') + 1}").fetchall()
    with pytest.raises(sqlite3.OperationalError) as info:
        db.wf_step(token, "a", '"%s"' % ("x" * 500_000))
    assert info.value.sqlite_errorname == "SQLITE_FULL"
    assert not db.in_transaction
    assert stored(db) == before
    db.execute("BEGIN")
    db.execute("INSERT INTO app(v) VALUES (1)")
    with pytest.raises(sqlite3.OperationalError):
        db.wf_step(token, "a", '"%s"' % ("x" * 500_000))
    assert db.wf_step(token, "a") is None
    if db.in_transaction:
        db.execute("ROLLBACK")
    db.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert db.wf_step(token, "a", 1) == 1


def test_journal_mode_may_change_after_use(db, path):
    lifecycle(db)
    for mode in ("wal", "delete", "wal", "truncate"):
        assert one(db, f"PRAGMA journal_mode = {mode}") == mode
        lifecycle(db, "after-" + mode + str(one(db, "SELECT wf_pending() + (SELECT count(*) FROM wf_workflows)")))
    plain = open_plain(path)
    assert one(plain, "PRAGMA integrity_check") == "ok"
    plain.close()


def test_open_database_twice_with_different_settings(path):
    first, second = open_database(path), open_database(path)
    first.execute("PRAGMA recursive_triggers = ON")
    lifecycle(first, "first")
    lifecycle(second, "second")
    assert first.wf_status("second") == second.wf_status("first") == "completed"
    first.close()
    second.close()
