"""Tables of the application that have the names of SQLite's own table-valued functions."""

import json

import pytest

NAMES = ["json_each", "json_tree", "pragma_table_info", "pragma_journal_mode", "pragma_synchronous", "pragma_busy_timeout", "pragma_quick_check",
         "pragma_integrity_check", "pragma_query_only", "pragma_trusted_schema"]


@pytest.mark.parametrize("schema", ["main", "temp"])
def test_a_table_named_json_each_is_in_nobodys_way(db, schema):
    for name in NAMES:
        db.execute(f"CREATE TABLE {schema}.{name}(key, value, a)")
        db.execute(f"INSERT INTO {schema}.{name} VALUES(0, 'wrong', 'wrong')")
    ask = lambda sql, *args: json.loads(db.value(sql, *args))  # noqa: E731
    db.wf_start("job", id="w")
    db.wf_emit("y", "1")
    assert ask("SELECT wf_await_event('w', 'e', '[\"x\",\"y\"]')")["event"] == "y"
    child = db.wf_spawn("w", "c", "child")
    assert db.wf_join("w", "j", f'["{child}"]') is None
    db.wf_complete(child, "2")
    assert ask("SELECT wf_join('w', 'j', ?)", f'["{child}"]')[0]["output"] == 2
    db.wf_signal("w", "go", "3")
    assert ask("SELECT wf_await('w', 's', '[\"stop\",\"go\"]')")["payload"] == 3
    assert db.value("SELECT count(*) FROM wf_workflows WHERE status IN ('completed', 'pending') AND id IN ('w', ?)", child) == 2
    assert db.value("SELECT count(*) FROM wf_doctor WHERE value = 'wal'") == 1
    assert db.value("SELECT count(*) FROM wf_pending") == 1
    assert db.wf_check() is None
    db.at(3600)
    assert db.wf_purge(older_than=0, status="completed") in (0, 1)
