"""Tables that most files never need are made when their first row is written: docs/file-format.md. Until then a file is as if they were there, and empty."""

import itertools
import json
import sqlite3
import threading

import pytest
from support import open_database

LARGE = "'\"' || hex(zeroblob(2000)) || '\"'"
FLOW = """wf_define('flow', '{"steps":[{"name":"a","sql":"SELECT 1"},{"name":"b","emit":"said"}]}')"""
REFUSE = "CREATE TRIGGER refuse BEFORE UPDATE ON _wf_workflow WHEN new.id = 't' BEGIN SELECT raise(ABORT, 'no such luck'); END"
# Table -> the calls that may need it first, each with what has to come before. (w is claimed, {t} its token; p is pending, f has failed.)
FIRST = {
    "_wf_large": [([], f"wf_start('job', {LARGE})"), ([], f"wf_complete({{t}}, {LARGE})"), ([], f"wf_fail({{t}}, {LARGE}, '{{\"retry\":false}}')"), ([], f"wf_continue({{t}}, {LARGE})"),
                  ([], "wf_continue({t}, 7)")],
    "_wf_redo": [(["wf_step('p', 'a', 1)", "wf_cancel('p')"], "wf_retry('p', '{\"from\":\"a\"}')")],
    "_wf_failure": [([], "wf_fail({t}, 'no')"), ([], "wf_fail({t}, 'no', '{\"step\":\"a\"}')"), (["wf_clock(1900000000)"], "wf_claim(NULL, NULL, '{\"id\":\"w\"}')")],
    "_wf_queue": [([], "wf_queue('q', '{\"concurrency\":1}')")],
    "_wf_signal": [([], "wf_signal('w', 'go')"), ([], "wf_signal('p', 'go', 1, '{\"key\":\"k\"}')")],
    "_wf_event": [([], "wf_emit('news', 1)"), ([FLOW, "wf_start('flow')"], "wf_run()")],
    "_wf_waiter": [([], "wf_await_event({t}, 'a', 'news')"), ([], "wf_join({t}, 'a', '[\"p\"]')"), ([], "wf_wait_any({t}, 'a', '[{\"event\":\"news\"},{\"sleep\":60}]')")],
    "_wf_value": [([], "wf_set({t}, 'k', 1)")],
    "_wf_stream": [([], "wf_append({t}, 'log', 1)")],
    "_wf_stream_end": [(["wf_append({t}, 'log', 1)"], "wf_trim('w', 'log', 1)"), (["wf_append({t}, 'log', 1)"], "wf_append({t}, 'log', NULL, '{\"close\":true}')")],
    "_wf_tag": [([], "wf_tag({t}, 'customer', '7')"), ([], "wf_start('job', 1, '{\"tags\":{\"customer\":\"7\"}}')")],
    "_wf_rate": [(["wf_queue('default', '{\"rate\":{\"limit\":5,\"per\":60}}')"], "wf_claim()")],
    "_wf_limit": [([], "wf_rate('api', '{\"limit\":1,\"per\":60}')")],
    "_wf_share": [(["wf_rate('api', '{\"limit\":1,\"per\":60}')"], "wf_acquire({t}, 'a', 'api')")],
    "_wf_line": [(["wf_rate('api', '{\"limit\":1,\"per\":60}')", "wf_acquire({t}, 'a', 'api')"], "wf_acquire({t}, 'b', 'api')")],
    "_wf_schedule": [([], "wf_schedule('s', '@daily', 'job')")],
    "_wf_definition": [([], FLOW)],
    "_wf_gone": [(["wf_complete({t})"], "wf_delete('w')")],
    "_wf_trouble": [(["wf_start('job', 1, '{\"id\":\"t\",\"timeout\":1}')", REFUSE, "wf_clock(1900000000)"], "wf_tick()")],
}
CASES = [pytest.param(table, before, call, id="%s-%d" % (table, i)) for table, cases in FIRST.items() for i, (before, call) in enumerate(cases)]
# Of a claim, a continuation or what runs SQL no statement that writes may be around.
ALONE = ("wf_claim", "wf_run", "wf_continue", "wf_queue", "wf_rate", "wf_define", "wf_tick")


def tables(db):
    return set(db.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '_wf_*'"))


def objects(db):
    return db.rows("SELECT name, tbl_name, sql FROM sqlite_master WHERE tbl_name GLOB '_wf_*' ORDER BY name")


ALWAYS = {"_wf_meta", "_wf_lane", "_wf_workflow", "_wf_step"}


def prepared(db, before):
    """Returns what puts the token into a call."""
    db.at(0)
    db.execute("CREATE TABLE IF NOT EXISTS app(k INTEGER PRIMARY KEY, v)")
    for id in ("w", "p"):
        db.wf_start("job", 1, id=id)
    token = db.claim(id="w", lease="1h")["token"]

    def call(text):
        return text.replace("{t}", "'%s'" % token)

    for one in before:
        db.execute(one if one == REFUSE else "SELECT " + call(one)).fetchall()
    return call


def test_a_new_file_has_the_tables_that_every_file_needs(db):
    db.wf_init()
    assert tables(db) == ALWAYS
    assert db.wf_check() is None
    assert db.value("SELECT count(*) FROM _wf_meta WHERE key = 'made'") == 0


def test_a_job_makes_none(db):
    claim = db.running(input={"n": 1}, priority=3, timeout="1h")
    for step in "abc":
        db.wf_step(claim["token"], step, 1)
    db.wf_sleep(claim["token"], "nap", 0)
    db.wf_heartbeat(claim["token"])
    db.wf_complete(claim["token"], {"n": 2})
    db.wf_tick()
    assert tables(db) == ALWAYS


@pytest.mark.parametrize("table, before, call", CASES)
def test_made_with_its_first_row(db, table, before, call):
    fill = prepared(db, before)
    assert table not in tables(db)
    shown = db.rows("SELECT * FROM " + table)
    assert shown == []
    db.value("SELECT " + fill(call))
    assert table in tables(db)
    assert db.value("SELECT count(*) FROM " + table) >= (table != "_wf_gone")  # (what is cleared away at once leaves nothing there)
    assert db.wf_check() is None
    assert db.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("table, before, call", CASES)
def test_undone_with_the_transaction(db, table, before, call):
    fill = prepared(db, before)
    was, digest = objects(db), db.wf_digest()
    meta = db.rows("SELECT * FROM _wf_meta")
    for end in ("ROLLBACK", "ROLLBACK TO s"):
        db.execute("BEGIN")
        db.execute("SAVEPOINT s")
        db.value("SELECT " + fill(call))
        assert table in tables(db)
        db.execute(end)
        assert objects(db) == was
        assert db.wf_digest() == digest
        assert db.rows("SELECT * FROM _wf_meta") == meta
        if end != "ROLLBACK":
            db.value("SELECT " + fill(call))
            assert table in tables(db)
            db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM " + table) >= (table != "_wf_gone")  # (what is cleared away at once leaves nothing there)
    assert db.wf_check() is None
    assert db.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("around", ["statement", "trigger"])
@pytest.mark.parametrize("table, before, call", [case for case in CASES if not case.values[2].startswith(ALONE)])
def test_made_inside_a_statement_that_writes(db, table, before, call, around):
    fill = prepared(db, before)
    if around == "trigger" and not call.startswith(("wf_start", "wf_signal", "wf_emit", "wf_append")):
        around = "statement"
    if around == "trigger":
        db.execute("CREATE TRIGGER t AFTER INSERT ON app BEGIN UPDATE app SET v = %s WHERE k = new.k; END" % fill(call))
    insert = "INSERT INTO app(k) VALUES (1)" if around == "trigger" else "INSERT INTO app(k, v) SELECT 1, %s" % fill(call)
    was = objects(db)
    db.execute("BEGIN")
    db.execute(insert)
    assert table in tables(db)
    db.execute("ROLLBACK")
    assert objects(db) == was
    db.execute(insert)
    assert table in tables(db)
    assert db.value("SELECT count(*) FROM " + table) >= (table != "_wf_gone")  # (what is cleared away at once leaves nothing there)
    assert db.wf_check() is None
    assert db.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("call", ["wf_signal('p', 'go', 1)", "wf_emit('news', 1)", "wf_append('p', 'log', 1)", "wf_start('job', %s)" % LARGE])
@pytest.mark.parametrize("transaction", [False, True])
def test_a_statement_that_fails_takes_along_the_table_that_was_made_in_it(db, connect, call, transaction):
    prepared(db, [])
    was, digest = objects(db), db.wf_digest()
    db.execute("CREATE TRIGGER t AFTER INSERT ON app BEGIN UPDATE app SET v = %s WHERE k = new.k; SELECT RAISE(ABORT, 'no') WHERE new.k > 2; END" % call)
    if transaction:
        db.execute("BEGIN")
    db.execute("INSERT INTO app(k) VALUES (1)") if transaction else None
    for _ in range(2):
        if transaction:
            db.execute("ROLLBACK")
            db.execute("BEGIN")
        with pytest.raises(sqlite3.IntegrityError, match="no"):
            db.execute("INSERT INTO app(k) VALUES (3), (4)")
        assert objects(db) == was
        assert db.wf_digest() == digest
        db.execute("INSERT INTO app(k) VALUES (1)")
        assert len(objects(db)) > len(was)
        if not transaction:
            break
    if transaction:
        db.execute("COMMIT")
    other = connect()
    for one in (db, other):
        assert one.wf_check() is None
        assert one.value("PRAGMA integrity_check") == "ok"
        assert one.wf_digest() != digest
    assert objects(other) == objects(db)


def test_a_reader_that_was_open_before_sees_it_when_it_looks_anew(db, connect):
    prepared(db, [])
    reader = connect()
    reader.execute("BEGIN")
    assert reader.rows("SELECT * FROM wf_signals") == reader.rows("SELECT * FROM _wf_signal") == []
    assert reader.wf_get("p", "k") is None
    db.wf_signal("p", "go")
    db.wf_set("p", "k", 1)
    assert reader.rows("SELECT * FROM wf_signals") == reader.rows("SELECT * FROM _wf_signal") == []
    assert reader.wf_get("p", "k") is None
    reader.execute("COMMIT")
    assert reader.value("SELECT name FROM wf_signals") == reader.value("SELECT name FROM _wf_signal") == "go"
    assert reader.wf_get("p", "k") == 1
    reader.wf_signal("p", "stop")
    assert db.column("SELECT name FROM wf_signals ORDER BY seq") == ["go", "stop"]


@pytest.mark.parametrize("table, before, call", CASES)
def test_what_the_application_reads_meanwhile_goes_on(db, table, before, call):
    """A table that is made and undone in the same call would end it."""
    fill = prepared(db, before)
    for i in range(50):
        db.wf_start("job", id="n%d" % i, delay=3600000)
    readers = [db.execute(sql % table) for sql in ("SELECT id FROM wf_workflows -- %s", "SELECT id, (SELECT count(*) FROM %s) FROM _wf_workflow")]
    read = [reader.fetchmany(5) for reader in readers]
    db.value("SELECT " + fill(call))
    assert table in tables(db)
    for rows, reader in zip(read, readers):
        assert len(rows + reader.fetchall()) >= 50


@pytest.mark.parametrize("how", ["query_only", "mode=ro", "immutable=1"])
def test_a_connection_that_cannot_write_reads_as_if_it_were_there(db, path, how):
    prepared(db, [])
    db.execute("PRAGMA journal_mode = delete")
    reader = open_database(path if how == "query_only" else "file:%s?%s" % (path, how), uri=how != "query_only")
    if how == "query_only":
        reader.execute("PRAGMA query_only = ON")
    for table in FIRST:
        assert reader.rows("SELECT * FROM " + table) == []
    for name in reader.column("SELECT name FROM pragma_module_list WHERE name GLOB 'wf_[a-z]*' AND name <> 'wf_fleet'"):
        reader.rows("SELECT * FROM " + name)
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        reader.wf_signal("p", "go")
    reader.close()


def test_two_connections_that_need_it_first_at_once(db, path):
    prepared(db, [])
    errors = []
    for round, (_, call) in enumerate(case for cases in FIRST.values() for case in cases if not case[0] and "{t}" not in case[1]):
        gate = threading.Barrier(2)

        def work(call=call, gate=gate):
            mine = open_database(path, timeout=20)
            try:
                gate.wait()
                mine.value("SELECT " + call)
            except sqlite3.Error as error:
                errors.append((call, str(error)))
            mine.close()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert round < 20
    assert errors == []
    assert db.value("SELECT count(*) FROM _wf_signal WHERE name = 'go' AND key IS NULL") == 2
    made = db.value("SELECT value FROM _wf_meta WHERE key = 'made'").split(" ")
    assert len(made) == len(set(made)) and set(made) == tables(db) - ALWAYS
    assert db.wf_check() is None


def test_what_was_dropped_is_noticed_and_not_made_anew(db):
    fill = prepared(db, [])
    db.wf_signal("p", "go")
    db.wf_tag("p", "customer", "7")
    db.execute("DROP TABLE _wf_signal")
    db.execute("DROP INDEX _wf_tag_of")
    assert {(one["problem"], one["where"]) for one in json.loads(db.wf_check())} == {
        ("a table or index is missing", name) for name in ("_wf_signal", "_wf_tag_of")}
    with pytest.raises(sqlite3.OperationalError, match="^WF_STATE: the table _wf_signal is missing"):
        db.wf_signal("p", "go")
    db.value("SELECT " + fill("wf_set({t}, 'k', 1)"))
    assert not db.in_transaction


def test_an_authorizer_that_forbids_to_make_tables(db):
    prepared(db, [])
    was = objects(db), db.wf_digest()
    for answer, words in ((sqlite3.SQLITE_DENY, "not authorized"), (sqlite3.SQLITE_IGNORE, "^WF_STATE: .*authorizer")):
        db.set_authorizer(lambda action, *_, answer=answer: answer if action == sqlite3.SQLITE_CREATE_TABLE else sqlite3.SQLITE_OK)
        with pytest.raises(sqlite3.DatabaseError, match=words):
            db.wf_signal("p", "go")
        db.set_authorizer(None)
        assert (objects(db), db.wf_digest()) == was
    assert db.wf_signal("p", "go") == 1


def test_tables_of_that_name_elsewhere_are_not_taken_for_it(db):
    prepared(db, [])
    db.execute("ATTACH ':memory:' AS other")
    for schema in ("temp", "other"):
        db.execute("CREATE TABLE %s._wf_value(wf, key, at, value)" % schema)
        db.execute("INSERT INTO %s._wf_value VALUES (2, 'k', 0, 'wrong')" % schema)
    assert db.wf_get("p", "k") is None
    db.wf_set("p", "k", 1)
    assert db.wf_get("p", "k") == 1
    for schema in ("temp", "other"):
        assert db.rows("SELECT value FROM %s._wf_value" % schema) == [("wrong",)]


def test_a_view_over_a_table_that_is_not_there_yet(db):
    prepared(db, [])
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("CREATE VIEW v AS SELECT name FROM _wf_signal")
    assert db.rows("SELECT * FROM v") == []
    db.wf_signal("p", "go")
    assert db.rows("SELECT * FROM v") == [("go",)]


def test_nobody_else_inserts_a_row(db):
    prepared(db, [])
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        db.execute("INSERT INTO _wf_gone(wf) VALUES (1)")
    assert db.execute("DELETE FROM _wf_gone").rowcount == 0
    assert db.execute("UPDATE _wf_gone SET wf = 1").rowcount == 0


def test_the_columns_are_those_of_the_tables(db, memdb):
    db.wf_init()
    memdb.wf_init()
    names = [name for name in db.column("SELECT name FROM pragma_module_list WHERE name GLOB '_wf_*' ORDER BY 1") if name != "_wf_close_hook"]
    assert len(names) == len(set(names)) >= 19
    columns = {name: db.column("SELECT name FROM pragma_table_info(?)", name) for name in names}
    memdb.make(*names)
    assert {name: memdb.column("SELECT name FROM pragma_table_info(?)", name) for name in names} == columns
    assert set(FIRST) == set(names)


def test_digests_do_not_say_which_tables_there_are(db, memdb):
    for one in (db, memdb):
        one.at(0)
        one.wf_start("job", id="w")
    memdb.make(*FIRST)
    db.wf_emit("x", 1, now=1)
    memdb.wf_emit("x", 1, now=1)
    assert tables(db) != tables(memdb)
    assert db.wf_digest() == memdb.wf_digest()
    assert db.wf_digest("w") == memdb.wf_digest("w")


def test_machines_of_a_cluster_make_them_alike(connect):
    """Each call, repeated on another file in explicit mode, leaves the same tables."""
    one, two = connect(":memory:"), connect(":memory:")
    calls = ["wf_config('clock', 'explicit')", "wf_start('job', 1, '{\"id\":\"w\",\"now\":1}')", "wf_signal('w', 'go', 1, '{\"now\":1}')", "wf_await('w', 'a', 'go', 5, '{\"now\":1}')",
             "wf_fork('w', '{\"id\":\"x\",\"now\":2}')", "wf_emit('e', 1, '{\"now\":2}')", "wf_fail('x', 'no', '{\"retry\":false,\"now\":3}')", "wf_retry('x', '{\"now\":4}')",
             "wf_set('x', 'k', 1, '{\"now\":4}')", "wf_delete('x', '{\"force\":true,\"now\":5}')"]
    for call in calls:
        one.value("SELECT " + call)
    for call in calls:  # and with a transaction that is undone before each
        two.execute("BEGIN")
        two.value("SELECT " + call)
        two.execute("ROLLBACK")
        two.value("SELECT " + call)
    assert objects(one) == objects(two)
    assert one.wf_digest() == two.wf_digest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test.db"


def test_making_them_in_any_order_ends_alike(connect):
    """The order in which they are made leaves no trace but their place in the file."""
    ends = set()
    for order in itertools.permutations(["wf_signal('p', 'go')", "wf_set('p', 'k', 1)", "wf_tag('p', 'a', 'b')"]):
        db = connect(":memory:")
        prepared(db, order)
        ends.add(tuple(objects(db)))
        assert db.wf_check() is None
    assert len(ends) == 1
