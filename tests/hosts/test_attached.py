"""Everything happens in `main`: attached files and TEMP are left alone, whatever they contain and whoever locks them."""

import sqlite3

import pytest

from hostlib import Holder, lifecycle, one, open_plain, stored
from support import open_database


def files(folder, name):
    """Bytes of a database and of every side file of it."""
    return {p.name: p.read_bytes() for p in folder.glob(name + "*")}


@pytest.fixture
def other(tmp_path):
    """A second file that is itself in use by the module."""
    where = tmp_path / "other.db"
    db = open_database(where)
    db.execute("CREATE TABLE app(v)")
    db.running("theirs")
    db.close()
    return where


def test_attached_database_is_not_touched(db, other, tmp_path):
    before = files(tmp_path, "other.db")
    db.execute("ATTACH ? AS other", (str(other),))
    lifecycle(db)
    assert db.wf_status("theirs") is None
    assert db.value("SELECT count(*) FROM wf_workflows") == 1
    db.wf_recover()
    db.execute("BEGIN")
    lifecycle(db, "second")
    db.execute("COMMIT")
    assert db.claim() is None
    assert files(tmp_path, "other.db") == before


def test_attached_to_a_memory_database(connect, other, tmp_path):
    before = files(tmp_path, "other.db")
    db = connect(":memory:")
    db.execute("ATTACH ? AS other", (str(other),))
    lifecycle(db)
    assert files(tmp_path, "other.db") == before


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_attached_database_locked_by_another_process_does_not_matter(db, other, lock):
    db.execute("ATTACH ? AS other", (str(other),))
    with Holder(other, lock):
        db.wf_init()
        lifecycle(db)
        assert db.value("SELECT count(*) FROM wf_workflows") == 1
        db.wf_recover()


def test_attached_after_the_schema_and_detached_again(db, other):
    """No statement of ours may hold an attached file: DETACH says 'locked' otherwise."""
    lifecycle(db)
    db.execute("ATTACH ? AS other", (str(other),))
    lifecycle(db, "second")
    db.execute("DETACH other")
    lifecycle(db, "third")


def test_attached_read_only(connect, path, other):
    db = connect(f"file:{path}", uri=True)
    db.execute("ATTACH ? AS other", (f"file:{other}?mode=ro",))
    lifecycle(db)


def test_main_without_the_schema_while_the_attached_file_has_it(db, other):
    """An unqualified name would find the attached file's tables."""
    db.execute("ATTACH ? AS other", (str(other),))
    assert db.wf_pending() == 0
    assert db.wf_status("theirs") is None
    assert db.rows("SELECT id FROM wf_workflows") == []
    assert db.claim() is None
    assert one(db, "SELECT count(*) FROM other._wf_workflow") == 1
    assert one(db, "SELECT status FROM other._wf_workflow") == "running"


def shadow(db):
    """TEMP tables with the names and columns of ours, each with a row that would be found."""
    reference = open_database(":memory:")
    reference.running("ghost")
    reference.make()
    for name, sql in reference.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"):
        db.execute(sql.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
        for row in reference.execute(f"SELECT * FROM {name}").fetchall():
            db.execute(f"INSERT INTO temp.{name} VALUES ({','.join('?' * len(row))})", row)
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_temp_master WHERE type = 'table' AND name LIKE '\\_wf%' ESCAPE '\\'")]
    assert "_wf_workflow" in names
    reference.close()
    return names


@pytest.mark.parametrize("when", ["before the schema", "after the schema", "after use"])
def test_temp_tables_of_the_same_name(db, when):
    if when != "before the schema":
        db.wf_init()
    if when == "after use":
        lifecycle(db, "early")
    names = shadow(db)
    before = {n: db.rows(f"SELECT * FROM temp.{n}") for n in names}
    assert db.wf_status("ghost") is None
    assert db.value("SELECT count(*) FROM wf_workflows WHERE id = 'ghost'") == 0
    assert db.value("SELECT count(*) FROM wf_pending") == 0
    lifecycle(db)
    assert db.value("SELECT count(*) FROM wf_workflows WHERE id = 'life'") == 1
    assert db.value("SELECT status FROM main._wf_workflow WHERE id = 'life'") == "completed"
    assert {n: db.rows(f"SELECT * FROM temp.{n}") for n in names} == before


def test_temp_view_of_the_same_name(db):
    db.execute("CREATE TEMP VIEW _wf_workflow AS SELECT 1 AS seq, 'ghost' AS id")
    db.execute("CREATE TEMP VIEW _wf_meta AS SELECT 'schema_version' AS key, 99 AS value")
    lifecycle(db)
    assert db.wf_status("ghost") is None


def test_memory_databases_are_independent(connect):
    first, second = connect(":memory:"), connect(":memory:")
    lifecycle(first)
    assert second.wf_status("life") is None
    lifecycle(second)
    assert first.value("SELECT count(*) FROM wf_workflows") == 1


def test_temporary_file_database(connect):
    lifecycle(connect(""))


def test_two_connections_see_each_other(db, connect):
    other = connect()
    assert other.wf_pending() == 0
    db.wf_start("job", "[1]", id="w")
    assert other.wf_status("w") == "pending"
    claim = other.claim()
    assert claim["id"] == "w"
    assert db.claim() is None
    assert db.wf_step(claim["token"], "a", 1) == 1
    assert other.wf_step(claim["token"], "a") == 1
    assert other.wf_complete(claim["token"], 5) == "completed"
    assert db.wf_result("w") == 5


def test_schema_made_by_another_connection_after_ours_was_used(db, connect):
    assert db.wf_status("w") is None
    assert db.rows("SELECT * FROM wf_workflows") == []
    other = connect()
    other.wf_start("job", id="w")
    assert db.wf_status("w") == "pending"
    assert db.column("SELECT id FROM wf_workflows") == ["w"]
    assert db.claim()["id"] == "w"


def test_schema_dropped_by_another_connection(db, path):
    """A host that recreates its file under an open connection: the next call starts afresh."""
    lifecycle(db)
    other = open_plain(path)
    for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '\\_wf%' ESCAPE '\\'").fetchall():
        other.execute(f"DROP TABLE {name}")
    other.close()
    assert db.wf_status("life") is None
    assert db.rows("SELECT * FROM wf_workflows") == []
    lifecycle(db)


def test_file_replaced_by_the_backup_api(db, connect):
    """sqlite3_backup into a connection that has cached statements."""
    source = connect(":memory:")
    source.wf_start("job", id="restored")
    lifecycle(db)
    source.backup(db)
    assert db.wf_status("life") is None
    assert db.claim()["id"] == "restored"
    lifecycle(db)


def test_shared_cache_memory_database(connect):
    uri = "file:shared_host_test?mode=memory&cache=shared"
    try:
        first, second = connect(uri, uri=True), connect(uri, uri=True)
    except sqlite3.OperationalError:
        pytest.skip("built without shared cache")
    lifecycle(first)
    assert second.wf_status("life") == "completed"
    lifecycle(second, "second")
    assert first.wf_status("second") == "completed"
    assert stored(first) == stored(second)


SHADOWS = ["json_each"] + ["pragma_" + name for name in ("journal_mode", "synchronous", "busy_timeout", "trusted_schema", "query_only")]


# Found by review: a table-valued function is looked for among the tables of TEMP first.
@pytest.mark.parametrize("kind", ["TABLE {}(x)", "VIEW {} AS SELECT 1 AS x"])
def test_temp_objects_named_like_table_valued_functions(db, kind):
    for name in SHADOWS:
        db.execute("CREATE TEMP " + kind.format(name))
    lifecycle(db)
    db.wf_start("job", id="waits")
    assert db.wf_await("waits", "a", '["x", "y"]') is None
    assert db.value("SELECT reason FROM wf_pending WHERE id = 'waits'") == "waiting for signal x, y"
    db.wf_start("job", id="joins")
    assert db.wf_join("joins", "j", '["waits"]') is None
    assert db.wf_check() is None
    assert db.value("SELECT count(*) FROM wf_functions") > 10
    assert db.value("SELECT count(*) FROM wf_doctor") == 19
    assert db.column("SELECT id FROM wf_workflows WHERE id IN ('waits', 'joins') ORDER BY created_at") == ["waits", "joins"]


def test_a_temp_table_named_like_the_hook_on_closing(tmp_path):
    where = tmp_path / "hook.db"
    db = open_database(where)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TEMP TABLE _wf_close_hook(x)")
    lifecycle(db)
    db.close()
    assert [path.name for path in tmp_path.glob("hook.db-*")] == [], "the connection is still open"
