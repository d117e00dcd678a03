"""The call and the caller's transaction: commits alone in autocommit, joins what is open, leaves it as it was."""

import pytest

from capi import Db, Error
from hostlib import lifecycle, one, open_plain, stored
from support import wf_error


def test_autocommit_commits_by_itself(db, path):
    db.wf_start("job", id="a")
    assert not db.in_transaction
    other = open_plain(path)
    assert one(other, "SELECT count(*) FROM _wf_workflow WHERE id = 'a'") == 1
    other.close()


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "SAVEPOINT mine"])
def test_joins_an_open_transaction_and_leaves_it_open(db, path, journal, begin):
    db.value(f"PRAGMA journal_mode = {journal}")
    db.execute(begin)
    lifecycle(db)
    assert db.in_transaction
    db.execute("RELEASE mine" if begin.startswith("SAVEPOINT") else "COMMIT")
    assert not db.in_transaction
    other = open_plain(path)
    assert one(other, "SELECT status FROM _wf_workflow WHERE id = 'life'") == "completed"
    other.close()


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT mine"])
def test_rolled_back_with_the_transaction(db, begin):
    db.wf_init()
    before = stored(db)
    db.execute(begin)
    lifecycle(db)
    assert stored(db) != before
    if begin.startswith("SAVEPOINT"):
        db.execute("ROLLBACK TO mine")
        db.execute("RELEASE mine")
    else:
        db.execute("ROLLBACK")
    assert stored(db) == before
    lifecycle(db)


def test_savepoint_of_the_caller_rolled_back_inside_a_transaction(db):
    db.wf_start("job", id="a")
    token = db.claim()["token"]
    db.execute("BEGIN IMMEDIATE")
    db.wf_step(token, "kept", 1)
    db.execute("SAVEPOINT s")
    db.wf_step(token, "undone", 2)
    db.wf_complete(token)
    db.execute("ROLLBACK TO s")
    assert db.wf_step(token, "kept") == 1
    assert db.wf_step(token, "undone") is None
    assert db.wf_status("a") == "running"
    db.wf_step(token, "undone", 3)
    db.execute("COMMIT")
    assert db.wf_step("a", "undone") == 3


@pytest.mark.parametrize("name", ["_wf", "wf", "wfext", "_wf_call"])
def test_savepoint_of_the_caller_may_have_any_name(db, name):
    db.wf_init()
    db.execute(f"SAVEPOINT {name}")
    db.execute("INSERT INTO app(v) VALUES ('undone')")
    db.wf_start("job", id="a")
    assert db.claim() is not None
    db.execute(f"ROLLBACK TO {name}")
    assert db.value("SELECT count(*) FROM app") == 0
    assert db.wf_status("a") is None
    db.execute(f"RELEASE {name}")
    assert not db.in_transaction


def test_application_rows_and_step_roll_back_together(db):
    db.wf_start("job", id="a")
    token = db.claim()["token"]
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO app(v) VALUES ('charged')")
    db.wf_step(token, "charge", '{"ok":true}', once=True)
    db.execute("ROLLBACK")
    assert db.value("SELECT count(*) FROM app") == 0
    assert db.wf_step(token, "charge") is None

    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO app(v) VALUES ('charged')")
    db.wf_step(token, "charge", '{"ok":true}', once=True)
    db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM app") == 1
    assert db.wf_step(token, "charge") == '{"ok":true}'


def test_rollback_of_the_transaction_that_made_the_schema(db):
    db.execute("BEGIN")
    db.wf_start("job")
    lifecycle(db)
    db.execute("ROLLBACK")
    assert stored(db) == {}
    assert db.wf_status("life") is None
    assert db.value("SELECT count(*) FROM wf_workflows") == 0
    lifecycle(db)
    assert len(stored(db)["_wf_workflow"]) == 1


def test_rollback_of_wf_init(db):
    db.execute("BEGIN")
    assert db.wf_init() == 1
    db.execute("ROLLBACK")
    assert stored(db) == {}
    assert db.wf_init() == 1
    assert db.wf_init() == 1
    lifecycle(db)


def test_rollback_to_a_savepoint_before_the_schema(db):
    db.execute("BEGIN")
    db.execute("INSERT INTO app(v) VALUES (1)")
    db.execute("SAVEPOINT s")
    lifecycle(db)
    db.execute("ROLLBACK TO s")
    assert stored(db) == {}
    lifecycle(db)
    db.execute("COMMIT")
    assert db.wf_status("life") == "completed"
    assert db.value("SELECT count(*) FROM app") == 1


def test_an_error_of_ours_leaves_the_transaction_open_and_its_rows_alone(db):
    db.wf_start("job", id="a")
    db.execute("BEGIN")
    db.execute("INSERT INTO app(v) VALUES (1)")
    before = stored(db)
    with wf_error("WF_CONFLICT"):
        db.wf_start("other", id="a")
    with wf_error("WF_NOT_FOUND"):
        db.wf_step("nobody", "s", 1)
    with wf_error("WF_INVALID"):
        db.wf_start("job", "{not json")
    assert db.in_transaction
    assert stored(db) == before
    db.wf_step("a", "s", 1)
    db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM app") == 1
    assert db.wf_step("a", "s") == 1


def test_an_error_of_ours_in_autocommit_leaves_no_transaction(db, path):
    with wf_error("WF_INVALID"):
        db.wf_start("")
    with wf_error("WF_NOT_FOUND"):
        db.wf_complete("nobody")
    assert not db.in_transaction
    other = open_plain(path)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("ROLLBACK")
    other.close()


def test_deferred_foreign_key_violation_of_the_caller_is_none_of_our_business(db):
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("CREATE TABLE child(p REFERENCES app(k) DEFERRABLE INITIALLY DEFERRED)")
    db.wf_init()
    db.execute("BEGIN")
    db.execute("INSERT INTO child VALUES (99)")
    lifecycle(db)
    db.execute("INSERT INTO app(k) VALUES (99)")
    db.execute("COMMIT")
    assert db.wf_status("life") == "completed"


def test_python_legacy_transactions_need_an_explicit_begin(connect):
    """SELECT opens no transaction in Python's default mode: rollback() after it undoes nothing. Documented, so pinned."""
    conn = connect()
    conn.isolation_level = ""
    conn.wf_start("job", id="a")
    conn.rollback()
    assert conn.wf_status("a") == "pending"
    with conn:
        conn.execute("BEGIN IMMEDIATE")
        conn.wf_start("job", id="b")
        conn.rollback()
    assert conn.wf_status("b") is None


def test_commit_hook_that_refuses_leaves_nothing_half_done(path):
    """A refused commit is an error of SQLite's own; the call's rows go with it, and no transaction stays open."""
    c = Db(path).load()
    c.exec("SELECT wf_start('job', NULL, '{\"id\":\"a\"}')")
    c.commit_hook(lambda: 1)
    for sql in (
        "SELECT wf_start('job', NULL, '{\"id\":\"b\"}')",
        "SELECT wf_claim()",
        "SELECT wf_step('a', 's', 1)",
        "SELECT wf_complete('a')",
        "SELECT wf_fail('a', 'x')",
    ):
        with pytest.raises(Error) as info:
            c.exec(sql)
        assert info.value.code == 531, (sql, info.value)  # SQLITE_CONSTRAINT_COMMITHOOK
        assert c.autocommit()
    c.commit_hook(None)
    assert c.value("SELECT wf_status('b')") is None
    assert c.value("SELECT wf_step('a', 's')") is None
    assert c.value("SELECT wf_status('a')") == "pending"
    assert c.value("SELECT count(*) FROM wf_failures") == "0"
    assert c.close() == 0
