"""A file that was restored or copied, and the future that it lost: what is noticed, what is not, and what keys, tokens and offsets are then."""

import os
import shutil

import pytest

from support import BASE, wf_error


@pytest.fixture
def file(connect, tmp_path):
    """A file with a workflow, closed."""
    path = tmp_path / "app.db"
    db = connect(path)
    db.wf_start("job", id="w1", now=BASE)
    db.close()
    return path


def row(db):
    return db.rows("SELECT value, ok, advice FROM wf_doctor WHERE name = 'restored'")[0]


def is_noticed(db):
    value, ok, advice = row(db)
    assert (value, ok, advice is None) in (("no", 1, True), ("yes, or copied", 0, False)), (value, ok, advice)
    return not ok


# What is noticed

def copy_of(path, into):
    shutil.copy(path, into)


def backup_of(path, into):
    import sqlite3

    source, target = sqlite3.connect(path), sqlite3.connect(into)
    source.backup(target)
    source.close(), target.close()


def vacuum_of(path, into):
    import sqlite3

    source = sqlite3.connect(path)
    source.execute("VACUUM INTO ?", (str(into),))
    source.close()


@pytest.mark.parametrize("way", [copy_of, backup_of, vacuum_of])
def test_a_copy_is_noticed_until_it_is_recovered(file, connect, tmp_path, way):
    way(file, tmp_path / "copy.db")
    db = connect(tmp_path / "copy.db")
    assert is_noticed(db) and "wf_recover()" in row(db)[2]
    db.wf_start("job", id="w2", now=BASE)
    assert is_noticed(db)
    db.wf_recover(worker="one of many")
    assert is_noticed(db)
    db.wf_recover()
    assert not is_noticed(db)
    assert not is_noticed(connect(file))


def test_a_file_that_was_restored_into_its_old_place_is_noticed(file, connect, tmp_path):
    backup_of(file, tmp_path / "backup")
    os.remove(file)
    backup_of(tmp_path / "backup", file)
    assert is_noticed(connect(file))


# False alarms: there are none of these.

def test_a_file_that_was_moved_is_not_taken_for_a_copy(file, connect, tmp_path):
    (tmp_path / "folder").mkdir()
    os.rename(file, tmp_path / "folder" / "other.db")
    assert not is_noticed(connect(tmp_path / "folder" / "other.db"))
    os.symlink(tmp_path / "folder" / "other.db", tmp_path / "link.db")
    assert not is_noticed(connect(tmp_path / "link.db"))


def test_opening_it_anew_and_vacuum_change_nothing(file, connect):
    for statement in ("VACUUM", "PRAGMA journal_mode = wal", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = delete"):
        db = connect(file)
        db.execute(statement).fetchall()
        assert not is_noticed(db)
        db.close()


def test_in_memory_and_before_the_tables_nothing_is_said(connect, tmp_path):
    db = connect(":memory:")
    assert row(db) == (None, 1, None)
    db.wf_init()
    assert row(db) == (None, 1, None)
    assert row(connect(tmp_path / "new.db")) == (None, 1, None)


def test_in_explicit_mode_nothing_is_kept_of_the_machine(file, connect, tmp_path):
    db = connect(file)
    digest = db.wf_digest()
    db.wf_config("clock", "explicit")
    assert db.rows("SELECT * FROM _wf_meta WHERE key = 'place'") == []
    db.execute("PRAGMA query_only = 1")
    assert row(db) == (None, 1, None)
    db.execute("PRAGMA query_only = 0")
    db.close()
    copy_of(file, tmp_path / "node2.db")
    other = connect(tmp_path / "node2.db")
    other.wf_config("clock", "system")  # from here on this is its place
    assert not is_noticed(other)
    assert other.wf_digest() == digest


# What is not: the page on restores says so.

def test_what_was_restored_into_the_same_file_is_not_noticed(file, connect, tmp_path):
    backup_of(file, tmp_path / "backup")
    backup_of(tmp_path / "backup", file)
    assert not is_noticed(connect(file))


# wf_config('require_recover', 1)

def test_nothing_is_claimed_in_a_copy_before_it_is_recovered(file, connect, tmp_path):
    db = connect(file)
    assert db.wf_config("require_recover") == 0
    assert db.wf_config("require_recover", 1) == 1
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    db.wf_start("flow", None, id="f")
    token = db.claim(now=BASE)["token"]
    db.close()
    copy_of(file, tmp_path / "copy.db")
    first, second = connect(tmp_path / "copy.db"), connect(tmp_path / "copy.db")
    for db in (first, second):
        for call in (lambda: db.wf_claim(now=BASE + 100), lambda: db.wf_claim(), lambda: db.wf_claim(None, None, id="w1"), lambda: db.wf_run()):
            before = db.everything()
            with wf_error("WF_STATE", "restored", "wf_recover()"):
                call()
            assert db.everything() == before
    first.wf_recover(now=BASE + 100)
    assert second.wf_run() == 1
    assert second.claim(now=BASE + 100)["id"] == "w1"
    assert first.wf_claim(now=BASE + 100) is None
    with wf_error("WF_LEASE_LOST"):
        first.wf_step(token, "a", 1)


def test_without_it_a_copy_is_claimed_from(file, connect, tmp_path):
    copy_of(file, tmp_path / "copy.db")
    assert connect(tmp_path / "copy.db").claim(now=BASE)["id"] == "w1"


def test_what_another_says_of_it_holds_at_once(file, connect, tmp_path):
    db = connect(file)
    for n in range(40):
        db.wf_start("job", n)
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    db.close()
    copy_of(file, tmp_path / "copy.db")
    worker, other = connect(tmp_path / "copy.db"), connect(tmp_path / "copy.db")
    for n in range(3):
        # (A claim in vain, so that plain ones are tried again later: both ways to claim are met.)
        for _ in range(1 + 5 * n):
            assert worker.claim() is not None
        other.wf_config("require_recover", 1)
        for call in (lambda: worker.wf_claim(), lambda: worker.wf_claim(None, None, limit=2), lambda: worker.wf_run()):
            with wf_error("WF_STATE", "restored", "wf_recover()"):
                call()
        other.wf_config("require_recover", 0)
    other.wf_config("require_recover", 1)
    other.wf_recover()
    assert worker.claim() is not None


def test_in_its_place_nobody_is_refused(file, connect):
    worker, other = connect(file), connect(file)
    worker.wf_start("job")
    assert worker.claim() is not None
    other.wf_config("require_recover", 1)
    worker.wf_start("job")
    assert worker.claim() is not None


def test_it_is_0_or_1(db):
    for value in (2, "yes", 0.5, "1"):
        with wf_error("WF_INVALID", "require_recover", str(value)):
            db.wf_config("require_recover", value)
    db.wf_config("require_recover", 1)
    assert db.wf_check() is None
    for value in (0, None):
        assert db.wf_config("require_recover", value) == 0


# Explicit mode: tokens of a future that was lost

@pytest.fixture
def node(connect, tmp_path):
    """A snapshot of a node of a cluster, and what restores it under a name."""
    db = connect(tmp_path / "node.db")
    db.wf_config("clock", "explicit")
    for id in ("w1", "w2"):
        db.wf_start("job", id=id, now=BASE)
    db.close()

    def restore(name):
        copy_of(tmp_path / "node.db", tmp_path / name)
        return connect(tmp_path / name)

    return restore


def test_a_recovery_in_explicit_mode_has_an_id(node):
    db = node("a")
    with wf_error("WF_INVALID", "id", "UUID"):
        db.wf_recover(now=BASE)
    db.wf_recover(now=BASE, worker="one of many")
    db.wf_recover(now=BASE, id="r1")


def test_two_restores_recovered_at_the_same_time_differ(node):
    one, two = node("a"), node("b")
    tokens = []
    epochs = []
    for db, id in ((one, "r1"), (two, "r2")):
        db.wf_recover(now=BASE + 10, id=id)
        epochs.append(db.wf_config("epoch"))
        tokens.append(db.claim(now=BASE + 10)["token"])
    assert len(set(epochs)) == len(set(tokens)) == 2 and min(epochs) >= (BASE + 10) * 1000
    for db, token in ((one, tokens[1]), (two, tokens[0])):
        with wf_error("WF_LEASE_LOST"):
            db.wf_complete(token, now=BASE + 10)


def test_nodes_that_repeat_a_recovery_stay_alike(node):
    one, two = node("a"), node("b")
    for db in (one, two):
        db.wf_recover(now=BASE + 10, id="r1")
        db.claim(now=BASE + 11)
    assert one.wf_digest() == two.wf_digest()


def test_a_recovery_that_is_repeated_is_the_same_one(node):
    db = node("a")
    db.claim(now=BASE)
    import json

    first = json.loads(db.wf_recover(now=BASE + 10, id="r1"))
    assert first["leases_voided"] == 1
    token = db.claim(now=BASE + 11)["token"]
    again = json.loads(db.wf_recover(now=BASE + 12, id="r1"))
    assert again == {**first, "leases_voided": 0}
    assert db.wf_complete(token, now=BASE + 13) == "completed"
    assert json.loads(db.wf_recover(now=BASE + 14, id="r2"))["epoch"] > first["epoch"]


def test_a_token_of_a_lost_future_is_not_given_again_when_recovery_was_forgotten(node):
    future, restored = node("a"), node("b")
    lost = future.claim(now=BASE + 1, limit=2)
    again = restored.claim(now=BASE + 2, limit=2)
    assert [claim["id"] for claim in lost] == [claim["id"] for claim in again]
    for claim in lost:
        with wf_error("WF_LEASE_LOST"):
            restored.wf_complete(claim["token"], now=BASE + 3)


# Stream offsets, and keys

def test_readers_of_a_stream_get_the_epoch_with_the_offsets(file, connect, tmp_path):
    db = connect(file)
    db.wf_append("w1", "log", [1, 2], each=True, now=BASE)
    backup_of(file, tmp_path / "backup")
    db.wf_append("w1", "log", "lost", now=BASE)
    seen = db.rows('SELECT "offset", epoch FROM wf_streams ORDER BY "offset"')
    assert [epoch for _, epoch in seen] == [db.wf_config("epoch")] * 3
    restored = connect(tmp_path / "backup")
    restored.wf_recover()
    restored.wf_append("w1", "log", "another", now=BASE)
    again = restored.rows('SELECT "offset", epoch FROM wf_streams ORDER BY "offset"')
    assert [offset for offset, _ in again] == [offset for offset, _ in seen]  # given out anew
    assert again[2][1] == restored.wf_config("epoch") > seen[2][1]           # and told apart


def keys(db):
    return [db.wf_key("w1", step) for step in ("a", "b")]


def test_keys_after_a_lost_retry_are_those_that_it_gave(connect, tmp_path):
    db = connect(tmp_path / "app.db")
    db.wf_start("job", id="w1", now=BASE)
    db.wf_step("w1", "a", 1, now=BASE)
    db.wf_step("w1", "b", 2, now=BASE)
    db.wf_fail("w1", "no", retry=False, now=BASE)
    before = keys(db)
    backup_of(tmp_path / "app.db", tmp_path / "backup")
    db.wf_retry("w1", **{"from": "b", "now": BASE})
    lost = keys(db)
    restored = connect(tmp_path / "backup")
    restored.wf_recover()
    assert keys(restored) == before            # it has not happened
    restored.wf_retry("w1", **{"from": "b", "now": BASE})
    assert keys(restored) == lost              # and happens again: what was done outside then is found by its key
    assert lost[0] == before[0] and lost[1] != before[1]


def test_keys_after_a_lost_continue_are_those_of_the_period_that_it_began(connect, tmp_path):
    db = connect(tmp_path / "app.db")
    db.wf_start("job", {"n": 1}, id="w1", now=BASE)
    db.wf_step("w1", "a", 1, now=BASE)
    before = keys(db)
    backup_of(tmp_path / "app.db", tmp_path / "backup")
    db.wf_continue("w1", {"n": 2}, period=1, now=BASE)
    lost = keys(db)
    restored = connect(tmp_path / "backup")
    restored.wf_recover()
    assert keys(restored) == before
    # With whatever input it goes on: a key says which step of which period, and nothing of the input.
    restored.wf_continue("w1", {"n": 3}, period=1, now=BASE)
    assert keys(restored) == lost
    assert not set(lost) & set(before)
