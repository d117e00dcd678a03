"""Killed while a table is made that the file did not have: it is there with its indexes and its first row, or none of it is."""

import shutil

import pytest
from crashing import killed_after, warm_up
from support import open_database

EVERY = 17  # operations of SQLite between the moments tried
CALLS = {
    "_wf_signal": lambda db: db.wf_signal("w", "go", 1, key="k") == 1,
    "_wf_event": lambda db: db.wf_emit("news", 1) == 1,
    "_wf_tag": lambda db: db.wf_tag("w", "customer", "7") == 1,
    "_wf_failure": lambda db: db.wf_fail("w", "no") == "pending",
    "_wf_value": lambda db: db.execute("INSERT INTO app SELECT wf_set('w', 'k', 1)").rowcount == 1,  # inside a statement that writes
}


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("table", CALLS)
def test_a_table_is_made_or_is_not(tmp_path, table, journal):
    warm_up()
    db = open_database(tmp_path / "made.db")
    db.execute("PRAGMA journal_mode = %s" % journal).fetchall()
    db.execute("CREATE TABLE app(v)")
    db.wf_start("job", id="w")
    objects = "SELECT name FROM sqlite_master WHERE tbl_name = '%s' ORDER BY 1" % table
    db.execute("BEGIN")
    CALLS[table](db)
    whole = db.column(objects)
    db.execute("ROLLBACK")
    db.close()
    made, operations, killed = [], 1, True
    while killed:
        path = tmp_path / ("%d.db" % operations)
        shutil.copy(tmp_path / "made.db", path)
        killed = killed_after(operations, path, CALLS[table])
        db = open_database(path)
        assert db.wf_check() is None and db.value("PRAGMA integrity_check") == "ok"
        assert db.column(objects) in ([], whole)
        made.append(db.column(objects) == whole)
        assert db.value("SELECT count(*) FROM " + table) == made[-1]
        assert killed or made[-1]
        if not made[-1]:
            assert CALLS[table](db)
            assert db.column(objects) == whole
        assert db.wf_check() is None
        db.close()
        operations += EVERY
    assert not made[0] and made[-1] and len(made) > 10
