"""Loading: twice, late, early, under locks, by either entry point, and in a hundred connections."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap

import pytest

import capi
from capi import Db
from hostlib import Holder, lifecycle, one, open_plain
from support import extension_path, open_database


def load(conn, path=None):
    conn.enable_load_extension(True)
    conn.load_extension(path or extension_path())
    conn.enable_load_extension(False)


def test_load_twice(connect):
    db = connect()
    load(db)
    lifecycle(db)
    load(db)
    lifecycle(db, "second")


def test_load_twice_while_a_statement_runs(db):
    """Connection pools load again and again; sqlite3_create_function says BUSY while a statement runs."""
    db.execute("INSERT INTO app(v) VALUES (1), (2), (3)")
    lifecycle(db)
    cursor = db.execute("SELECT k FROM app")
    cursor.fetchone()
    load(db)
    lifecycle(db, "second")
    assert len(cursor.fetchall()) == 2


def test_load_for_the_first_time_while_a_statement_runs(path):
    conn = open_plain(path)
    conn.execute("CREATE TABLE app(k)")
    conn.execute("INSERT INTO app VALUES (1), (2), (3)")
    cursor = conn.execute("SELECT k FROM app")
    cursor.fetchone()
    load(conn)
    assert one(conn, "SELECT wf_start('job', NULL, '{\"id\":\"w\"}')") == "w"
    assert len(cursor.fetchall()) == 2
    conn.close()


def test_load_inside_a_transaction(path):
    conn = open_plain(path)
    conn.execute("BEGIN")
    conn.execute("CREATE TABLE app(k)")
    load(conn)
    assert conn.in_transaction
    one(conn, "SELECT wf_start('job', NULL, '{\"id\":\"w\"}')")
    conn.execute("ROLLBACK")
    assert one(conn, "SELECT count(*) FROM sqlite_master") == 0
    conn.close()


def test_load_a_second_copy_of_the_file(connect, tmp_path):
    """A pool that finds the module under two paths: the second load changes nothing."""
    copy = tmp_path / "libwfext.so"
    shutil.copyfile(extension_path(), copy)
    db = connect()
    token = db.running("w")["token"]
    load(db, str(copy))
    assert db.wf_step(token, "a", 1) == 1
    lifecycle(db)
    db.close()


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_load_into_a_file_that_is_locked(path, lock):
    """Loading reads and writes nothing, so nobody's lock can make it fail."""
    open_plain(path).execute("CREATE TABLE app(k)")
    with Holder(path, lock):
        db = open_database(path, timeout=0)
        assert one(db, "SELECT wf_version()")
    lifecycle(db)
    db.close()


def test_load_into_a_file_that_is_no_database(path):
    path.write_bytes(b"this is not a database" * 100)
    db = open_database(path)
    assert one(db, "SELECT wf_version()")
    for sql in ("SELECT wf_start('job')", "SELECT wf_status('w')", "SELECT * FROM wf_workflows", "SELECT wf_claim()"):
        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            db.execute(sql).fetchall()
    db.close()


@pytest.mark.parametrize("entry", [b"sqlite3_wfext_init", b"sqlite3_extension_init", None])
def test_entry_points(path, entry):
    c = Db(path).load(entry)
    assert c.value("SELECT wf_version()")
    assert c.load(entry).value("SELECT wf_version()")
    assert c.close() == capi.OK


def test_load_through_sql(path):
    conn = open_plain(path)
    conn.enable_load_extension(True)
    stem = os.path.splitext(extension_path())[0]
    assert one(conn, "SELECT load_extension(?)", stem) is None
    assert one(conn, "SELECT load_extension(?, 'sqlite3_wfext_init')", stem) is None
    assert one(conn, "SELECT wf_version()")
    conn.close()


def test_loaded_version_is_the_documented_one(connect):
    assert connect().wf_version() == "0.1.0"


def test_hundred_connections(path):
    """State belongs to the connection: a pool of them, opened, used and closed in any order."""
    pool = [open_database(path, timeout=5) for _ in range(100)]
    for n, db in enumerate(pool):
        db.wf_start("job", n, id=f"w{n}")
    for n, db in enumerate(reversed(pool)):
        assert db.wf_status(f"w{n}") == "pending"
    for db in pool[::2] + pool[1::2]:
        db.close()
    db = open_database(path)
    assert db.wf_pending() == 100
    db.close()


@pytest.mark.skipif("WFEXT_SANITIZE" in os.environ, reason="address sanitizer keeps freed memory for a while")
def test_open_load_close_does_not_grow_the_process(path):
    """No leak per connection: 300 of them change the resident size by less than 1 MiB."""
    code = textwrap.dedent(
        """
        import sqlite3, sys
        def cycle():
            c = sqlite3.connect(sys.argv[1], isolation_level=None)
            c.enable_load_extension(True)
            c.load_extension(sys.argv[2])
            c.execute("SELECT wf_start('job', 1, '{\\"id\\":\\"w\\"}')").fetchall()
            c.execute("SELECT wf_status('w')").fetchall()
            c.execute("SELECT * FROM wf_workflows").fetchall()
            c.close()
        def resident():
            with open('/proc/self/statm') as f:
                return int(f.read().split()[1]) * 4
        for _ in range(50): cycle()
        before = resident()
        for _ in range(300): cycle()
        print(resident() - before)
        """
    )
    grown = subprocess.run(
        [sys.executable, "-c", code, str(path), extension_path()], capture_output=True, text=True, check=True
    )
    assert int(grown.stdout) < 1024, grown.stdout


def test_fork_of_a_process_that_has_the_module_loaded(path):
    """Pre-forking servers load in the parent and open their own connections in the children."""
    code = textwrap.dedent(
        """
        import os, sqlite3, sys
        def connect(path):
            c = sqlite3.connect(path, isolation_level=None, timeout=10)
            c.enable_load_extension(True)
            c.load_extension(sys.argv[2])
            return c
        connect(':memory:').execute("SELECT wf_start('x')").fetchall()
        children = []
        for n in range(4):
            pid = os.fork()
            if pid == 0:
                c = connect(sys.argv[1])
                for m in range(10):
                    c.execute("SELECT wf_start('job')").fetchall()
                c.close()
                os._exit(0)
            children.append(pid)
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
        c = connect(sys.argv[1])
        print(c.execute("SELECT wf_pending()").fetchone()[0])
        """
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), extension_path()], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "40\n"), done.stderr


@pytest.mark.parametrize("call", ["SELECT wf_start('job', NULL, '{\"id\":\"w\"}')", "SELECT wf_status('w')",
                                  "SELECT wf_pending()", "SELECT wf_config('schema_version')", "SELECT wf_claim()"])
def test_tables_that_another_process_makes_at_that_moment_are_seen(path, call):
    """Between the statement that missed them and the look at the schema: it was `no such table: main._wf_meta`.

    (Virtual tables read in the transaction of their statement, which nobody can come between.)
    """
    other = open_database(path)
    mine = open_database(path)
    made = []

    def trace(sql):
        if "sqlite_master" in sql and not made:
            made.append(other.wf_start("job", id="w"))

    mine.set_trace_callback(trace)
    rows = mine.rows(call)
    mine.set_trace_callback(None)
    assert made or "wf_claim" in call  # a claim asks nothing: it makes the tables
    expected = {"wf_status": [("pending",)], "wf_pending": [(1,)], "wf_start": [("w",)], "schema_version": [(1,)]}
    for word, result in expected.items():
        if word in call:
            assert rows == result
