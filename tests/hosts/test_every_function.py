"""Every function of the registry, in the situations that its entry makes a promise about. A function without a call here fails."""

import sqlite3

import pytest
from support.control_socket import ControlSocket

# A call of each that succeeds; one that writes does write. {t} is the current token of 'w'; 'p' is pending, 'f' failed, 's' paused.
CALLS = {
    "wf_start": "wf_start('job')",
    "wf_claim": "wf_claim()",
    "wf_step": "wf_step({t}, 'a', 1)",
    "wf_complete": "wf_complete({t})",
    "wf_continue": "wf_continue({t}, 5)",
    "wf_fail": "wf_fail({t}, 'no')",
    "wf_heartbeat": "wf_heartbeat({t}, '1h')",
    "wf_release": "wf_release({t})",
    "wf_sleep": "wf_sleep({t}, 'a', 60)",
    "wf_signal": "wf_signal('w', 'go')",
    "wf_await": "wf_await({t}, 'a', 'go')",
    "wf_emit": "wf_emit('news')",
    "wf_await_event": "wf_await_event({t}, 'a', 'news')",
    "wf_spawn": "wf_spawn({t}, 'a', 'child')",
    "wf_join": "wf_join({t}, 'a', '[\"p\"]')",
    "wf_wait_any": "wf_wait_any({t}, 'a', '[{\"signal\":\"go\"},{\"event\":\"news\"},{\"join\":[\"p\"]},{\"sleep\":60}]')",
    "wf_acquire": "wf_acquire({t}, 'a', 'api')",
    "wf_begin": "wf_begin({t}, 'a')",
    "wf_resolve": "wf_resolve('p', 'doubt', 'done')",
    "wf_set": "wf_set({t}, 'k', 1)",
    "wf_get": "wf_get('w', 'k')",
    "wf_append": "wf_append({t}, 'log', 1)",
    "wf_tag": "wf_tag({t}, 'customer', '7')",
    "wf_trim": "wf_trim('s', 'log', 1)",
    "wf_cancel": "wf_cancel('p')",
    "wf_pause": "wf_pause('p')",
    "wf_resume": "wf_resume('s')",
    "wf_reschedule": "wf_reschedule('s')",
    "wf_retry": "wf_retry('f')",
    "wf_delete": "wf_delete('f')",
    "wf_fork": "wf_fork('f')",
    "wf_purge": "wf_purge('{\"older_than\":0}')",
    "wf_queue": "wf_queue('q', '{\"concurrency\":1}')",
    "wf_rate": "wf_rate('calls', '{\"limit\":1,\"per\":1}')",
    "wf_schedule": "wf_schedule('new', '@daily', 'job')",
    "wf_unschedule": "wf_unschedule('old')",
    "wf_trigger": "wf_trigger('old')",
    "wf_tick": "wf_tick()",
    "wf_wait": "wf_wait(0)",
    "wf_wake": "wf_wake('stop')",
    "wf_sync": "wf_sync(60, '{\"socket\":\"{socket}\",\"allow_normal\":true}')",
    "wf_status": "wf_status('w')",
    "wf_result": "wf_result('w')",
    "wf_error": "wf_error('f')",
    "wf_key": "wf_key('w', 'a')",
    "wf_pending": "wf_pending()",
    "wf_ready": "wf_ready()",
    "wf_next_due": "wf_next_due()",
    "wf_recover": "wf_recover()",
    "wf_define": "wf_define('new', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"}]}')",
    "wf_undefine": "wf_undefine('flow')",
    "wf_explain": "wf_explain('flow')",
    "wf_run": "wf_run()",
    "wf_export": "wf_export('w')",
    "wf_import": "wf_import((SELECT v FROM app WHERE k = 1))",
    "wf_check": "wf_check()",
    "wf_digest": "wf_digest()",
    "wf_init": "wf_init()",
    "wf_config": "wf_config('lease', 30)",
    "wf_clock": "wf_clock()",
    "wf_busy_timeout": "wf_busy_timeout(0)",
    "wf_version": "wf_version()",
}
FUNCTIONS = sorted(CALLS)


@pytest.fixture(scope="module")
def litestream():
    with ControlSocket((7, 7)) as server:
        yield server


@pytest.fixture
def ready(db, litestream):
    """Returns the connection and the call of a function."""
    db.execute("PRAGMA synchronous = off")
    for id in ("w", "p", "f", "s", "x"):
        db.wf_start("job", 1, id=id)
    db.wf_begin("p", "doubt")
    db.wf_fail("f", "no", retry=False)
    db.wf_append("s", "log", 1)
    db.wf_pause("s")
    db.wf_rate("api", limit=1, per=60)
    db.wf_schedule("old", "@daily", "job")
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "INSERT INTO app VALUES(99, :id)"}]})
    db.wf_start("flow", id="scripted")
    db.execute("INSERT INTO app VALUES (1, replace(wf_export('x'), '\"id\":\"x\"', '\"id\":\"y\"'))")
    token = db.claim(id="w")["token"]
    return db, lambda function: CALLS[function].replace("{t}", "'%s'" % token).replace("{socket}", litestream.path)


def promise(db, column, function):
    return bool(db.value("SELECT %s FROM wf_functions WHERE name = ?" % column, function))


def test_every_function_has_a_call_here(db):
    registered = set(db.column("SELECT name FROM wf_functions"))
    assert registered - set(CALLS) == set(), "add a call of these to CALLS in %s" % __file__.rsplit("/", 1)[-1]
    assert set(CALLS) == registered


@pytest.mark.parametrize("function", FUNCTIONS)
def test_works_or_refuses_inside_a_writing_statement_as_it_says(ready, function):
    db, call = ready
    try:
        db.execute("INSERT INTO app(v) VALUES (%s)" % call(function))
        works = True
    except sqlite3.OperationalError as error:
        assert str(error).startswith("WF_CONTEXT: ")
        works = False
    assert works == promise(db, "in_writing_statement", function)
    assert not db.in_transaction
    assert db.wf_check() is None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_writes_or_only_reads_as_it_says(ready, function):
    db, call = ready
    db.execute("PRAGMA query_only = ON")
    try:
        db.value("SELECT " + call(function))
        writes = False
    except sqlite3.OperationalError as error:
        assert str(error) == "attempt to write a readonly database"
        writes = True
    assert writes == promise(db, "writes", function)
    db.execute("PRAGMA query_only = OFF")
    assert db.value("SELECT count(*) FROM (SELECT %s)" % call(function)) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_is_undone_with_the_transaction_around_it(ready, function, path):
    db, call = ready
    dump = "SELECT group_concat(quote(t.id) || t.status || coalesce(t.due_at, '')) FROM (SELECT * FROM wf_workflows ORDER BY id) AS t"
    before = db.value(dump)
    db.execute("BEGIN")
    try:
        db.value("SELECT " + call(function))
    except sqlite3.OperationalError as error:
        assert function in ("wf_wait", "wf_sync") and str(error).startswith("WF_CONTEXT: ")
    assert db.in_transaction
    db.execute("ROLLBACK")
    assert db.value(dump) == before
    assert db.wf_check() is None


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("where", ["alone", "transaction", "writing statement", "busy", "busy transaction"])
def test_leaves_the_busy_timeout_as_it_was(ready, function, where, path):
    """Also where the call fails. (But for the one whose effect it is.)"""
    db, call = ready
    db.execute("PRAGMA busy_timeout = 7").fetchall()
    other = sqlite3.connect(str(path), isolation_level=None, timeout=0)
    if "busy" in where:
        other.execute("BEGIN IMMEDIATE")
    if "transaction" in where:
        db.execute("BEGIN")
    try:
        db.execute(("INSERT INTO app(v) VALUES (%s)" if where == "writing statement" else "SELECT %s") % call(function)).fetchall()
    except sqlite3.OperationalError as error:
        assert str(error) == "database is locked" or str(error).startswith("WF_CONTEXT: ")
    assert db.value("PRAGMA busy_timeout") == (0 if function == "wf_busy_timeout" else 7)
    if db.in_transaction:
        db.execute("ROLLBACK")
    other.close()
    assert db.value("PRAGMA busy_timeout") == (0 if function == "wf_busy_timeout" else 7)
