"""One connection used from several threads at once, in SQLite's serialized mode."""

import sqlite3
import threading

import pytest

import capi
from capi import Db
from hostlib import lifecycle
from support import open_database

pytestmark = pytest.mark.skipif(capi.lib.sqlite3_threadsafe() != 1, reason="this SQLite is not serialized")


def together(*bodies):
    """Runs all bodies at the same time and returns what they raised."""
    raised = []

    def guarded(body):
        try:
            body()
        except Exception as error:  # pylint: disable=broad-except
            raised.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    return raised


def test_whole_workflows_from_eight_threads(path):
    c = Db(path).load()
    c.exec("PRAGMA journal_mode = wal")
    c.exec("PRAGMA synchronous = off")

    def body(number):
        for n in range(25):
            wid = f"t{number}-{n}"
            assert c.value("SELECT wf_start('job', ?, json_object('id', ?))", str(n), wid) == wid
            token = c.value("SELECT json_extract(wf_claim(NULL, NULL, json_object('id', ?)), '$.token')", wid)
            assert c.value("SELECT wf_step(?, 'a')", token) is None
            for step in "abc":
                assert c.value("SELECT wf_step(?, ?, ?)", token, step, f'"{wid}{step}"') == f'"{wid}{step}"'
            c.value("SELECT count(*) FROM wf_steps WHERE workflow_id = ?", wid)
            assert c.value("SELECT wf_complete(?)", token) == "completed"
            assert c.value("SELECT wf_status(?)", wid) == "completed"

    assert together(*(lambda i=i: body(i) for i in range(8))) == []
    assert c.autocommit()
    assert c.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == "200"
    assert c.value("SELECT count(*) FROM wf_steps") == "600"
    assert c.value("SELECT count(*) FROM _wf_step WHERE output <> '\"' || (SELECT id FROM _wf_workflow WHERE seq = wf) || name || '\"'") == "0"
    assert c.close() == capi.OK


def test_claims_from_threads_never_give_one_workflow_twice(path):
    c = Db(path).load()
    c.exec("PRAGMA synchronous = off")
    c.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT wf_start('job', i) FROM n")
    seen, lock = [], threading.Lock()

    def body():
        while (text := c.value("SELECT json_extract(wf_claim(), '$.id')")) is not None:
            with lock:
                seen.append(text)

    assert together(*[body] * 6) == []
    assert len(seen) == len(set(seen)) == 200
    assert c.close() == capi.OK


def test_first_calls_of_all_threads_at_once(path):
    """The schema and the cached statements are made by whoever comes first."""
    for n in range(10):
        c = Db(f"{path}-{n}").load()
        started = threading.Barrier(6)

        def body(c=c, started=started):
            started.wait()
            c.value("SELECT wf_start('job')")
            c.value("SELECT wf_status('x')")
            c.value("SELECT count(*) FROM wf_workflows")

        assert together(*[body] * 6) == []
        assert c.value("SELECT wf_pending()") == "6"
        assert c.close() == capi.OK


def test_a_long_read_of_one_thread_beside_calls_of_another(path):
    """A statement of the application is open between rows while the other thread writes."""
    c = Db(path).load()
    c.exec("PRAGMA synchronous = off")
    c.exec("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n")

    def reader():
        for _ in range(5):
            assert len(c.rows("SELECT i FROM t")) == 2000

    def writer():
        for n in range(60):
            assert c.value("SELECT wf_start('job', 1, json_object('id', ?))", f"w{n}") == f"w{n}"

    assert together(reader, writer, reader) == []
    assert c.value("SELECT wf_pending()") == "60"
    assert c.close() == capi.OK


def test_connections_of_their_own_in_threads(path):
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal").fetchall()

    def body(number):
        own = open_database(path, timeout=20)
        own.execute("PRAGMA synchronous = off")
        for n in range(10):
            lifecycle(own, f"{number}-{n}")
        own.close()

    assert together(*(lambda i=i: body(i) for i in range(4))) == []
    assert db.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == 40
    db.close()


def test_python_connection_shared_by_threads(path):
    if getattr(sqlite3, "threadsafety", 1) != 3:
        pytest.skip("this Python does not say that it is serialized")
    db = open_database(path, check_same_thread=False)
    db.execute("PRAGMA synchronous = off")

    def body(number):
        for n in range(20):
            assert db.wf_start("job", n, id=f"{number}-{n}") == f"{number}-{n}"

    assert together(*(lambda i=i: body(i) for i in range(4))) == []
    assert db.wf_pending() == 80
    db.close()
