"""Connections that may not write: SQLITE_READONLY passes through, everything that reads still works."""

import os
import shutil

import pytest

from hostlib import READONLY, WRITING, lifecycle, one, open_plain, sqlite_error, stored
from support import open_database, wf_error


@pytest.fixture
def token(db, journal):
    db.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    db.wf_start("job", id="p")
    token = db.running("w")["token"]
    db.wf_step(token, "done", '{"n":1}')
    return token


def check_reading(db, token):
    assert db.wf_status("w") == "running"
    assert db.wf_step(token, "done") == '{"n":1}'
    assert db.wf_step(token, "open") is None
    assert db.wf_pending() == 2
    assert db.wf_ready() == 1
    assert len(db.wf_key("w", "done")) == 36
    assert db.wf_config("schema_version") is not None
    assert db.wf_status("nobody") is None
    assert db.column("SELECT id FROM wf_workflows ORDER BY id") == ["p", "w"]
    assert db.column("SELECT name FROM wf_steps") == ["done"]
    assert db.value("SELECT count(*) FROM wf_pending") == 2
    assert db.value("SELECT count(*) FROM wf_failures") == 0
    assert db.value("SELECT count(*) FROM wf_doctor") > 0
    assert db.value("SELECT count(*) FROM wf_functions") > 0


@pytest.mark.parametrize("what", WRITING)
def test_query_only(db, token, what):
    before = stored(db)
    db.execute("PRAGMA query_only = ON")
    with sqlite_error(READONLY):
        WRITING[what](db, token)
    assert not db.in_transaction
    assert stored(db) == before
    check_reading(db, token)
    db.execute("PRAGMA query_only = OFF")
    assert WRITING[what](db, token) is not None


def test_query_only_inside_a_transaction(db, token):
    db.execute("BEGIN")
    db.execute("INSERT INTO app(v) VALUES (1)")
    db.execute("PRAGMA query_only = ON")
    with sqlite_error(READONLY):
        db.wf_step(token, "a", 1)
    assert db.in_transaction
    db.execute("PRAGMA query_only = OFF")
    db.wf_step(token, "a", 1)
    db.execute("COMMIT")
    assert one(db, "SELECT count(*) FROM app") == 1
    assert db.wf_step(token, "a") == 1


@pytest.mark.parametrize("what", WRITING)
def test_read_only_connection(db, path, token, what):
    before = stored(db)
    reader = open_database(f"file:{path}?mode=ro", uri=True)
    check_reading(reader, token)
    with sqlite_error(READONLY):
        WRITING[what](reader, token)
    assert not reader.in_transaction
    check_reading(reader, token)
    reader.close()
    assert stored(db) == before


def test_immutable_file(db, path, token, tmp_path):
    db.execute("PRAGMA journal_mode = delete").fetchall()
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    content = copy.read_bytes()
    os.chmod(copy, 0o444)
    reader = open_database(f"file:{copy}?immutable=1", uri=True)
    check_reading(reader, token)
    with sqlite_error(READONLY):
        reader.wf_start("job")
    reader.close()
    assert copy.read_bytes() == content
    assert sorted(p.name for p in tmp_path.glob("copy.db*")) == ["copy.db"]


@pytest.mark.parametrize("how", ["query_only", "mode_ro"])
def test_read_only_without_the_schema(connect, path, how):
    """Nothing to read is not an error: empty tables, NULL, 0; writing is READONLY, not a missing table."""
    open_plain(path).execute("CREATE TABLE app(v)")
    db = connect(f"file:{path}?mode=ro", uri=True) if how == "mode_ro" else connect()
    if how == "query_only":
        db.execute("PRAGMA query_only = ON")
    assert db.wf_status("w") is None
    assert db.wf_result("w") is None
    assert db.wf_error("w") is None
    assert db.wf_pending() == 0
    assert db.wf_ready() == 0
    for table in ("wf_workflows", "wf_pending", "wf_steps", "wf_failures"):
        assert db.rows(f"SELECT * FROM {table}") == []
    with wf_error("WF_NOT_FOUND"):
        db.wf_step("w", "a")
    for call in (lambda: db.wf_start("job"), db.wf_init):
        with sqlite_error(READONLY):
            call()
    assert not db.in_transaction
    assert stored(db) == {}


def test_reading_an_empty_file_does_not_create_the_schema(db, path):
    db.wf_status("w")
    db.wf_pending()
    db.rows("SELECT * FROM wf_workflows")
    db.rows("SELECT * FROM wf_doctor")
    assert stored(db) == {}
    lifecycle(db)


def test_loading_changes_no_byte(connect, path):
    open_plain(path).execute("CREATE TABLE app(v)")
    content = path.read_bytes()
    connect().close()
    assert path.read_bytes() == content
