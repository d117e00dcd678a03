"""wf_check includes SQLite's own check, is linear, and is right in files of UTF-16."""

import json

import pytest

from support import open_database, wf_error


def problems(db, **options):
    text = db.wf_check(**options)
    return [] if text is None else json.loads(text)


def break_an_index(db):
    """An index that its table has outgrown: a hand edit of the schema."""
    for i in range(3):
        db.wf_start("job", id="w%d" % i)
    db.wf_release("w0")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = replace(sql, 'WHERE place > 2', 'WHERE place = 0') WHERE name = '_wf_resumed'")
    db.execute("PRAGMA writable_schema = RESET")


def test_a_broken_index_is_found(db, connect):
    break_an_index(db)
    other = connect()
    found = problems(other)
    assert found and all(p["problem"] == "SQLite finds the file damaged" and "_wf_resumed" in p["where"] for p in found)
    assert problems(other, integrity="full") == found
    assert problems(other, integrity="none") == []
    assert problems(other, integrity="quick") == []


def test_a_table_of_the_application_is_a_part_of_the_file(db, connect):
    db.wf_init()
    db.execute("CREATE TABLE app(a, b)")
    db.execute("CREATE INDEX app_a ON app(a) WHERE b = 1")
    db.execute("INSERT INTO app VALUES (1, 1), (2, 2)")
    assert problems(db) == []
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = replace(sql, 'b = 1', 'b >= 1') WHERE name = 'app_a'")
    db.execute("PRAGMA writable_schema = RESET")
    assert "app_a" in json.dumps(problems(connect()))


def test_only_main_is_looked_at(db, connect, tmp_path):
    bad = connect(tmp_path / "bad.db")
    bad.wf_init()
    break_an_index(bad)
    db.wf_init()
    db.execute("ATTACH ? AS other", (str(tmp_path / "bad.db"),))
    db.execute("CREATE TEMP TABLE _wf_workflow(seq INTEGER, id TEXT)")
    db.execute("INSERT INTO temp._wf_workflow VALUES ('x', 7)")
    assert problems(db) == []


def test_the_option_is_one_of_three(db):
    with wf_error("WF_INVALID", "integrity", "quick"):
        db.wf_check(integrity="some")
    with wf_error("WF_INVALID", "deep"):
        db.wf_check(deep=True)


@pytest.mark.parametrize("form", ["INSERT INTO log SELECT wf_check() FROM (VALUES (1), (2))", "UPDATE app SET v = coalesce(wf_check(), 'sound')",
                                  "INSERT INTO app VALUES (9, 9)", "REPLACE INTO app SELECT k, wf_check() FROM app"])
def test_within_a_statement_that_writes(db, form):
    for i in range(20):
        db.wf_start("job", id="w%d" % i)
    db.execute("CREATE TABLE log(v)")
    db.execute("CREATE TABLE app(k INTEGER PRIMARY KEY, v UNIQUE)")
    db.execute("CREATE INDEX app_v ON app(v, k)")
    db.execute("CREATE TRIGGER t AFTER INSERT ON app BEGIN INSERT INTO log SELECT wf_check(); UPDATE app SET v = wf_check() || NEW.k WHERE k = NEW.k; END")
    db.execute("INSERT INTO app VALUES (1, 1)")
    db.execute(form)
    assert db.column("SELECT DISTINCT v FROM log") == [None]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_long_ids_in_every_encoding(connect, encoding):
    db = connect()
    db.execute("PRAGMA encoding = '%s'" % encoding)
    for id in ("x" * 128, "y" * 255, "\u00e4" * 127, "\u20ac" * 85, "\U0001f600" * 63):
        assert db.wf_start("job", id=id, queue=id, partition=id, dedup=id) == id
        db.wf_spawn(id, "s" * 100, id, id="c" + id[:40])
    assert problems(db) == []
    db.execute("UPDATE _wf_workflow SET id = ? WHERE id = ?", ("\u20ac" * 86, "\u20ac" * 85))
    assert [p["problem"] for p in problems(db)] == ["an id is not allowed"]


def test_children_of_one_join_cost_no_more_each_than_few(memdb):
    def cost(parent, count):
        memdb.execute("BEGIN")
        memdb.wf_start("job", id=parent)
        for n in range(count):
            memdb.wf_spawn(parent, "s%d" % n, "child")
        assert memdb.wf_join(parent, "j") is None
        memdb.execute("COMMIT")
        steps = [0]
        memdb.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 1000)
        assert problems(memdb) == []
        memdb.set_progress_handler(None, 0)
        return steps[0]

    few = cost("few", 500)
    assert cost("many", 5000) < 2 * 11 * few


def test_a_page_of_the_file_that_is_no_page(tmp_path):
    path = tmp_path / "test.db"
    db = open_database(path)
    for i in range(200):
        db.wf_start("job", "1", id="w%03d" % i)
    root, size = db.value("SELECT rootpage FROM sqlite_master WHERE name = '_wf_workflow'"), db.value("PRAGMA page_size")
    db.close()
    with open(path, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xee" * size)
    db = open_database(path)
    assert "SQLite finds the file damaged" in db.wf_check()
    db.close()
