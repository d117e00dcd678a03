"""Closing: sqlite3_close() must say OK and free the file, whatever was used, left open or swept away before."""

import os

import pytest

import capi
from capi import Db, lib, sql_lifecycle

USES = {
    "nothing": [],
    "version": ["SELECT wf_version()"],
    "reading an empty file": ["SELECT wf_status('x')", "SELECT wf_pending()", "SELECT * FROM wf_workflows"],
    "start": ["SELECT wf_start('job')"],
    "everything": None,
    "tables": ["SELECT wf_start('job')", "SELECT * FROM wf_workflows", "SELECT * FROM wf_pending", "SELECT * FROM wf_doctor"],
    "an error": ["SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "!SELECT wf_start('other', 1, '{\"id\":\"w\"}')", "!SELECT wf_complete('no')"],
    "an open transaction": ["BEGIN", "SELECT wf_start('job')", "SELECT wf_claim()"],
    "a schema rolled back": ["BEGIN", "SELECT wf_start('job')", "ROLLBACK"],
    "a vacuum": ["SELECT wf_start('job')", "VACUUM", "SELECT wf_claim()"],
    "tables dropped": ["SELECT wf_start('job')", "DROP TABLE _wf_workflow", "DROP TABLE _wf_step", "!SELECT wf_claim()"],
    "an attached file": ["ATTACH ':memory:' AS other", "SELECT wf_start('job')"],
}


def open_files(path):
    """How many descriptors of this process point at the database or its side files."""
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{fd}").startswith(str(path))
        except OSError:
            pass
    return found


def use(c, name):
    if USES[name] is None:
        sql_lifecycle(c)
        return
    for sql in USES[name]:
        if sql.startswith("!"):
            with pytest.raises(capi.Error):
                c.exec(sql[1:])
        else:
            c.exec(sql)


@pytest.mark.parametrize("close", ["close", "close_v2"])
@pytest.mark.parametrize("name", USES)
def test_close_after(path, name, close):
    c = Db(path)
    c.exec("PRAGMA journal_mode = wal")
    c.load()
    use(c, name)
    assert open_files(path) > 0
    assert getattr(c, close)() == capi.OK
    assert open_files(path) == 0


def test_close_with_a_statement_of_the_application_left_is_busy_and_changes_nothing(path):
    """SQLite's own rule; the connection stays usable, and closes once the statement is gone."""
    c = Db(path).load()
    sql_lifecycle(c)
    stmt = c.prepare("SELECT wf_status('w')")
    assert lib.sqlite3_step(stmt) == capi.ROW
    assert c.close() == capi.BUSY
    lib.sqlite3_finalize(stmt)
    assert c.value("SELECT wf_start('job', 1, '{\"id\":\"again\"}')") == "again"
    assert c.value("SELECT count(*) FROM wf_workflows") == "2"
    assert c.value("SELECT json_extract(wf_claim(), '$.id')") == "again"
    assert c.close() == capi.OK
    assert open_files(path) == 0


def test_close_v2_with_a_statement_left_is_finished_by_its_finalize(path):
    c = Db(path).load()
    sql_lifecycle(c)
    stmt = c.prepare("SELECT wf_status('w')")
    lib.sqlite3_step(stmt)
    assert c.close_v2() == capi.OK
    lib.sqlite3_finalize(stmt)
    assert open_files(path) == 0


@pytest.mark.parametrize("name", ["start", "everything", "tables", "an open transaction"])
def test_host_that_finalizes_every_statement_before_closing(path, name):
    """Some hosts sweep sqlite3_next_stmt() and finalize what they find, ours included. No use after free, and OK."""
    c = Db(path).load()
    use(c, name)
    assert c.statements(), "nothing is cached: this test has lost its point"
    for stmt in c.statements():
        assert lib.sqlite3_finalize(stmt) == capi.OK
    assert c.close() == capi.OK
    assert open_files(path) == 0


def test_no_statement_of_ours_is_busy_between_calls(path):
    c = Db(path).load()
    c.exec("SELECT wf_start('job', 1, '{\"id\":\"w\"}')")
    for sql in (
        "SELECT wf_claim()",
        "SELECT wf_step('x', 'a')",
        "SELECT wf_start('other', 1, '{\"id\":\"w\"}')",
        "SELECT wf_status('w')",
        "SELECT * FROM wf_workflows LIMIT 1",
        "SELECT wf_recover()",
    ):
        try:
            c.exec(sql)
        except capi.Error:
            pass
        busy = [lib.sqlite3_sql(s) for s in c.statements() if lib.sqlite3_stmt_busy(s)]
        assert busy == [], sql
    assert c.close() == capi.OK


def test_statements_are_prepared_once(path):
    """Calls reuse their statements: the third round of everything adds none. (The first makes the tables.)"""
    c = Db(path).load()
    for n in range(3):
        c.exec("SELECT wf_start('job', 1)")
        token = c.value("SELECT json_extract(wf_claim(), '$.token')")
        c.exec("SELECT wf_step(?, 'a')", token)
        c.exec("SELECT wf_step(?, 'a', '1')", token)
        c.exec("SELECT wf_heartbeat(?, '1h')", token)
        c.exec("SELECT wf_complete(?)", token)
        if n == 1:
            cached = len(c.statements())
    assert 0 < cached == len(c.statements()) < 60
    assert c.close() == capi.OK


def test_reopen_in_the_same_process_many_times(path):
    for n in range(40):
        c = Db(path).load()
        assert c.value("SELECT wf_start('job', ?, json_object('id', ?))", str(n), f"w{n}") == f"w{n}"
        assert c.close() == capi.OK
    assert open_files(path) == 0
