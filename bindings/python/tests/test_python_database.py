"""The thread of the database: groups, their errors, forks, closing."""

import os
import sqlite3
import threading

import pytest

import wfext
from wfext import Transaction
from wfext.database import Database


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "test.db", synchronous="normal")
    yield database
    database.close()


def in_one_group(database, calls):
    """Submits calls while the thread is held, so that they are one group."""
    held, go = threading.Event(), threading.Event()

    def hold(connection):
        held.set()
        go.wait(60)

    holding = database.submit_alone(hold)
    assert held.wait(60)
    futures = [database.submit(*call) for call in calls]
    go.set()
    holding.result(60)
    return futures


def outcome(future):
    error = future.exception(60)
    return future.result() if error is None else error


def test_a_group_is_one_commit(database):
    """Fifty calls are one commit, and two with room for thirty in each."""
    database.group_seconds = 60
    database.call("SELECT wf_init()")
    other = database.connect()
    before = other.execute("PRAGMA data_version").fetchone()[0]
    commits = []
    database.submit_alone(lambda connection: connection.set_trace_callback(commits.append)).result()
    futures = in_one_group(database, [("SELECT wf_start(?, NULL, ?)", "w", '{"id": "%d"}' % i) for i in range(50)])
    assert [future.result(60) for future in futures] == [str(i) for i in range(50)]
    database.submit_alone(lambda connection: connection.set_trace_callback(None)).result()
    assert commits.count("COMMIT") == 1
    database.group_calls = 30
    commits.clear()
    database.submit_alone(lambda connection: connection.set_trace_callback(commits.append)).result()
    for future in in_one_group(database, [("SELECT wf_start('w')",)] * 50):
        future.result(60)
    database.submit_alone(lambda connection: connection.set_trace_callback(None)).result()
    assert commits.count("COMMIT") == 2
    assert other.execute("PRAGMA data_version").fetchone()[0] != before
    other.close()


def test_an_error_is_its_calls_own(database):
    """One call of a group that fails takes back nothing of the others."""
    futures = in_one_group(
        database,
        [("SELECT wf_start('w', NULL, '{\"id\": \"1\"}')",), ("SELECT wf_start('')",), ("SELECT wf_complete('nobody')",), ("SELECT wf_start('w', NULL, '{\"id\": \"2\"}')",)],
    )
    results = [outcome(future) for future in futures]
    assert results[0] == "1" and results[3] == "2"
    assert isinstance(results[1], wfext.Invalid) and isinstance(results[2], wfext.NotFound)
    assert database.call("SELECT count(*) FROM wf_workflows") == 2


def test_a_rollback_of_the_whole_is_answered_for_each(database):
    """What ends the whole transaction (a trigger's ROLLBACK, a full disk) makes each call of the group be made again alone: none is acknowledged and lost."""
    database.call("SELECT wf_init()")

    def trigger(connection):
        connection.execute("CREATE TRIGGER stop BEFORE INSERT ON _wf_workflow WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no bad ones'); END")

    database.submit_alone(trigger).result()
    futures = in_one_group(database, [("SELECT wf_start('w', NULL, ?)", '{"id": "%s"}' % id) for id in ("1", "2", "bad", "3")])
    results = [outcome(future) for future in futures]
    assert [results[i] for i in (0, 1, 3)] == ["1", "2", "3"]
    assert "no bad ones" in str(results[2])
    assert database.rows("SELECT id FROM wf_workflows ORDER BY id") == [("1",), ("2",), ("3",)]


def test_a_commit_that_fails_is_answered_for_each(database):
    """A constraint that is looked at by COMMIT: the one that violates it fails alone."""
    database.call("SELECT wf_init()")

    def constraint(connection):
        connection.execute("PRAGMA foreign_keys = on")
        connection.executescript(
            """CREATE TABLE parent(id PRIMARY KEY);
            CREATE TABLE child(id REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
            CREATE TRIGGER audit AFTER INSERT ON _wf_workflow WHEN NEW.id = 'bad' BEGIN INSERT INTO child VALUES (NEW.id); END"""
        )

    database.submit_alone(constraint).result()
    futures = in_one_group(database, [("SELECT wf_start('w', NULL, ?)", '{"id": "%s"}' % id) for id in ("1", "bad", "2")])
    results = [outcome(future) for future in futures]
    assert [results[0], results[2]] == ["1", "2"]
    assert "FOREIGN KEY" in str(results[1])
    assert database.rows("SELECT id FROM wf_workflows ORDER BY id") == [("1",), ("2",)]


def test_transactions_are_whole(database):
    database.submit_alone(lambda connection: connection.execute("CREATE TABLE t(a)")).result()

    def half(tx: Transaction):
        tx.execute("INSERT INTO t VALUES (1)")
        raise KeyError("half way")

    with pytest.raises(KeyError):
        database.submit_transaction(half).result()
    kept = []
    database.submit_transaction(lambda tx: (kept.append(tx), tx.execute("INSERT INTO t VALUES (2)"))).result()
    assert database.rows("SELECT a FROM t") == [(2,)]
    with pytest.raises(wfext.Error, match="has ended"):
        kept[0].execute("INSERT INTO t VALUES (3)")


def test_order_is_kept(database):
    """Calls, reads and transactions are done in the order in which they were submitted."""
    seen = []
    futures = []
    for i in range(100):
        futures.append(database.submit("SELECT wf_start('w', NULL, ?)", '{"id": "%d"}' % i))
        if i % 7 == 0:
            futures.append(database.submit_alone(lambda connection: seen.append(connection.execute("SELECT count(*) FROM wf_workflows").fetchone()[0])))
    for future in futures:
        future.result(60)
    assert seen == [i + 1 for i in range(100) if i % 7 == 0]


def test_closed(database):
    future = database.submit("SELECT wf_start('w')")
    database.close()
    assert future.result(60)
    with pytest.raises(wfext.Error, match="is closed"):
        database.call("SELECT 1")
    database.close()


def test_a_file_that_cannot_be_opened(tmp_path):
    database = Database(tmp_path / "no" / "folder.db")
    with pytest.raises(sqlite3.OperationalError):
        database.call("SELECT 1")
    with pytest.raises(sqlite3.OperationalError):
        database.call("SELECT 1")
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
def test_fork(database):
    """The child has a thread and a connection of its own."""
    assert database.call("SELECT wf_start('w', NULL, '{\"id\": \"parent\"}')") == "parent"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, database.call("SELECT wf_start('w', NULL, '{\"id\": \"child\"}')").encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 100) == b"child"
    os.close(read)
    os.waitpid(pid, 0)
    assert database.call("SELECT count(*) FROM wf_workflows") == 2


def test_settings_are_checked(tmp_path):
    for options in ({"journal": "memory"}, {"synchronous": "sometimes"}):
        with pytest.raises(ValueError):
            Database(tmp_path / "x.db", **options)


def test_a_plain_call_that_finds_nothing_under_way_is_made_at_once(database):
    """By the thread that wants it; one that comes behind others keeps its place."""
    database.call("SELECT wf_init()")
    assert database._thread is None  # nobody was needed
    seen = []
    database.submit_alone(lambda connection: seen.append(threading.current_thread())).result(60)
    assert database.call("SELECT 1") == 1 and database.rows("SELECT 1, 2") == [(1, 2)]
    assert seen == [database._thread]
    held, go = threading.Event(), threading.Event()
    database.submit_alone(lambda connection: (held.set(), go.wait(60)))
    assert held.wait(60)
    first = database.submit("SELECT wf_start('w', NULL, '{\"id\": \"first\"}')")
    second = threading.Thread(target=lambda: seen.append(database.rows("SELECT id FROM wf_workflows")))
    second.start()
    go.set()
    second.join(60)
    assert first.result(60) == "first" and seen[1] == [("first",)]


def test_an_error_of_a_call_that_is_made_at_once(database):
    with pytest.raises(wfext.Invalid):
        database.call("SELECT wf_start('')")
    with pytest.raises(sqlite3.OperationalError):
        database.rows("SELECT * FROM nothing")
    assert database.call("SELECT wf_start('w', NULL, '{\"id\": \"1\"}')") == "1"
    database.close()
    with pytest.raises(wfext.Error, match="closed"):
        database.call("SELECT 1")


def test_many_threads_at_once(database):
    """Each gets its own answer, whoever made the call."""
    database.call("SELECT wf_init()")
    wrong = []

    def caller(n):
        for i in range(30):
            id = f"{n}-{i}"
            if database.call("SELECT wf_start('w', NULL, ?)", '{"id": "%s"}' % id) != id:
                wrong.append(id)

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == [] and database.call("SELECT count(*) FROM wf_workflows") == 240


def test_connections_of_those_who_wait_are_kept(database):
    with database.borrowed() as first:
        first.execute("SELECT 1").fetchall()
    with database.borrowed() as second, database.borrowed() as third:
        assert second is first and third is not first
    with pytest.raises(ZeroDivisionError):
        with database.borrowed() as broken:
            raise ZeroDivisionError
    with pytest.raises(sqlite3.ProgrammingError):
        broken.execute("SELECT 1")
    with database.borrowed() as fresh:
        database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        fresh.execute("SELECT 1")


def test_a_signal_handler_may_ask(database):
    """It may have interrupted a call of its own thread, for which it cannot wait."""
    database.call("SELECT wf_start('w', NULL, '{\"id\": \"1\"}')")
    assert database._leads()
    assert database._at_once(lambda connection: (database.call("SELECT wf_status('1')"), database.rows("SELECT id FROM wf_workflows"))) == ("pending", [("1",)])
    assert database._leads()
    with pytest.raises(wfext.NotFound):
        database._at_once(lambda connection: database.call("SELECT wf_signal('nobody', 'x')"))
    assert database.call("SELECT 1") == 1
