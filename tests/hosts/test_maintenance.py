"""What an administrator does to a file that is in use: no statement of ours may stand in the way."""

import sqlite3
import subprocess
import sys
import textwrap

import pytest

from hostlib import lifecycle, one, open_plain
from support import extension_path, open_database


def use_everything(db):
    """Leaves as many cached statements behind as the module can have."""
    lifecycle(db)
    db.wf_start("job", id="open")
    token = db.claim(id="open")["token"]
    db.wf_step(token, "a", '"%s"' % ("x" * 50_000))
    for call in (lambda: db.wf_start("other", id="open"), lambda: db.wf_step("nobody", "s", 1), lambda: db.wf_claim(None, None, id="nobody")):
        with pytest.raises(sqlite3.Error):
            call()
    for table in ("wf_workflows", "wf_pending", "wf_steps", "wf_failures", "wf_doctor", "wf_functions"):
        db.rows(f"SELECT * FROM {table}")
        db.execute(f"SELECT * FROM {table}").fetchone()
    db.wf_pending(), db.wf_ready(), db.wf_key("open", "a"), db.wf_config("lease"), db.wf_clock()
    return token


def test_vacuum_after_use(db, path):
    token = use_everything(db)
    db.execute("VACUUM")
    assert db.wf_step(token, "b", 1) == 1
    db.execute("VACUUM")
    lifecycle(db, "after")
    assert one(db, "PRAGMA integrity_check") == "ok"


def test_vacuum_into(db, tmp_path):
    token = use_everything(db)
    db.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    copy = open_database(tmp_path / "copy.db")
    assert copy.wf_status("life") == "completed"
    assert copy.wf_step(token, "a") == db.wf_step(token, "a")
    lifecycle(copy, "after")
    copy.close()


def test_checkpoint_truncate_after_use(db, tmp_path):
    db.execute("PRAGMA journal_mode = wal").fetchall()
    use_everything(db)
    assert db.rows("PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
    assert (tmp_path / "test.db-wal").stat().st_size == 0
    lifecycle(db, "after")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_journal_mode_after_use(db, mode):
    use_everything(db)
    assert one(db, f"PRAGMA journal_mode = {mode}") == mode
    lifecycle(db, "after")
    assert one(db, "PRAGMA journal_mode = delete") == "delete"


def test_schema_changes_of_the_application_after_use(db):
    token = use_everything(db)
    db.execute("CREATE INDEX ix ON app(v)")
    assert db.wf_step(token, "b", 1) == 1
    db.execute("ALTER TABLE app RENAME TO app2")
    db.execute("ALTER TABLE app2 ADD COLUMN extra")
    assert db.wf_step(token, "c", 1) == 1
    db.execute("DROP TABLE app2")
    lifecycle(db, "after")


def test_analyze_and_reindex_after_use(db):
    token = use_everything(db)
    db.execute("ANALYZE")
    db.execute("REINDEX")
    assert db.wf_step(token, "b", 1) == 1
    lifecycle(db, "after")


def test_drop_of_our_tables_after_use(db):
    """`DROP TABLE` says 'database table is locked' if a statement of ours was left unreset."""
    use_everything(db)
    for table in db.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '\\_wf%' ESCAPE '\\'"):
        db.execute(f"DROP TABLE {table}")
    assert db.wf_status("life") is None
    assert db.rows("SELECT * FROM wf_workflows") == []
    lifecycle(db)


def test_exclusive_transaction_of_another_connection_after_use(db, path):
    """No read transaction stays open behind the caller's back."""
    use_everything(db)
    other = open_plain(path)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("ROLLBACK")
    other.close()


def test_backup_after_use(db, tmp_path):
    use_everything(db)
    target = sqlite3.connect(tmp_path / "backup.db")
    db.backup(target)
    target.close()
    copy = open_database(tmp_path / "backup.db")
    assert copy.wf_status("life") == "completed"
    lifecycle(copy, "after")
    copy.close()


def test_serialize_and_deserialize(db, connect):
    if not hasattr(db, "serialize"):
        pytest.skip("no serialize in this Python")
    use_everything(db)
    copy = connect(":memory:")
    # No virtual table before: SQLite itself reads freed memory in eponymous ones after a deserialize (in json_each too).
    copy.wf_start("job", None, '{"id":"before"}')
    copy.wf_step("before", "s", 1)
    copy.deserialize(db.serialize())
    assert copy.wf_status("before") is None
    assert copy.wf_status("life") == "completed"
    lifecycle(copy, "after")


@pytest.mark.parametrize("place", ["memory", "file"])
def test_deserialize_again_and_again(connect, tmp_path, place):
    """Names of tables that are not there yet stand for virtual tables, which SQLite gives to the main of that time: the next call gives them to the one of now."""
    full, bare = connect(":memory:"), connect(":memory:")
    if not hasattr(full, "serialize"):
        pytest.skip("no serialize in this Python")
    for one in (full, bare):
        one.wf_start("job", id="w")
    full.wf_set("w", "k", 1)
    full.wf_signal("w", "go")
    db = connect(":memory:" if place == "memory" else tmp_path / "other.db")
    db.wf_start("job", id="before")
    assert db.wf_get("before", "k") is None
    for round, source in enumerate((full, bare, full, bare)):
        db.deserialize(source.serialize())
        assert db.wf_status("before") is None
        assert db.wf_get("w", "k") == (1 if source is full else None)
        db.wf_set("w", "k", round)
        assert db.wf_get("w", "k") == round
        assert db.wf_signal("w", "stop") == 1
        assert db.wf_start("job", id="new") == "new"
        assert db.value("SELECT count(*) FROM _wf_signal") == (2 if source is full else 1)


def test_readable_and_writable_without_the_module(db, path):
    """The file is an ordinary SQLite file: dump, restore and check need nothing of ours."""
    use_everything(db)
    plain = open_plain(path)
    assert one(plain, "PRAGMA integrity_check") == "ok"
    assert one(plain, "SELECT status FROM _wf_workflow WHERE id = 'life'") == "completed"
    assert one(plain, "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%VIRTUAL TABLE%' OR type IN ('view', 'trigger')") == 0
    script = "\n".join(plain.iterdump())
    plain.close()
    restored = open_database(":memory:")
    restored.executescript(script)
    assert restored.wf_status("life") == "completed"
    assert restored.wf_status("open") == "running"
    lifecycle(restored, "after")
    restored.close()


def test_trigger_of_the_application_on_our_tables(db):
    """An audit trigger whose body calls us from inside our own statement."""
    db.wf_init()
    db.execute(
        "CREATE TRIGGER audit AFTER INSERT ON _wf_step BEGIN"
        " INSERT INTO app(v) VALUES (NEW.name);"
        " SELECT wf_start('audit', json_quote(NEW.name), json_object('id', 'audit-' || NEW.name)); END"
    )
    token = db.running("w")["token"]
    assert db.wf_step(token, "a", 1) == 1
    assert db.wf_step(token, "b", 2) == 2
    assert db.column("SELECT v FROM app ORDER BY k") == ["a", "b"]
    assert db.column("SELECT id FROM wf_workflows WHERE name = 'audit' ORDER BY id") == ["audit-a", "audit-b"]
    db.execute("BEGIN")
    db.wf_step(token, "c", 3)
    db.execute("ROLLBACK")
    assert db.wf_status("audit-c") is None


def test_trigger_that_calls_us_without_end_is_an_error_not_a_crash(path):
    code = textwrap.dedent(
        """
        import sqlite3, sys
        c = sqlite3.connect(sys.argv[1], isolation_level=None)
        c.enable_load_extension(True)
        c.load_extension(sys.argv[2])
        c.execute("SELECT wf_init()").fetchall()
        c.execute("CREATE TRIGGER more AFTER INSERT ON _wf_workflow BEGIN SELECT wf_start('more'); END")
        try:
            c.execute("SELECT wf_start('first')").fetchall()
            print('no error')
        except sqlite3.Error as error:
            print('error', c.in_transaction, c.execute("SELECT count(*) FROM _wf_workflow").fetchone()[0])
        c.execute("DROP TRIGGER more")
        print(c.execute("SELECT wf_start('after', NULL, '{\\"id\\":\\"after\\"}')").fetchone()[0])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), extension_path()], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "error False 0\nafter\n"), (done.returncode, done.stdout, done.stderr[-500:])
