"""Steps of scripted workflows that take a share of a rate for calls."""

import json

import pytest
from support import BASE as NOW
from support import json_time, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_rate("api", limit=2, per="1m")
    return db


def define(db, step=None, name="flow", steps=None, **more):
    db.wf_define(name, {"steps": steps or [{"name": "share", "acquire": "api"} | (step or {}), {"name": "call", "sql": "SELECT :share AS got"}]} | more)


def start(db, *ids, name="flow", **options):
    for id in ids:
        db.wf_start(name, id=id, **options)
        db.wf_run()


def output(db, id, step="share"):
    text = db.value("SELECT output FROM wf_steps WHERE workflow_id = ? AND name = ?", id, step)
    return text if text is None else json.loads(text)


def states(db, *ids):
    return [db.wf_status(id) for id in ids]


def line(db):
    return db.column("SELECT w.id FROM _wf_line AS x JOIN _wf_workflow AS w ON w.seq = x.wf ORDER BY x.rate, x.per_key, x.place")


def spent(db):
    return db.rows("SELECT key, spent, waiting FROM wf_rates ORDER BY key")


def fill(db, rate="api", amount=2, id="other", **options):
    """Nothing is left of it."""
    db.wf_start("job", id=id)
    assert db.wf_acquire(id, "share", rate, amount, **options)
    db.wf_complete(id)


# Taking and waiting


def test_a_free_share_is_taken_with_its_step(db):
    define(db)
    start(db, "w1")
    assert output(db, "w1") == {"rate": "api", "amount": 1, "acquired_at": json_time()}
    assert (db.wf_status("w1"), spent(db), line(db)) == ("completed", [(None, 1, 0)], [])
    assert db.rows("SELECT name, kind, status, ended_by FROM wf_steps WHERE workflow_id = 'w1'") == [("share", "acquire", "done", "share"), ("call", "sql", "done", None)]
    assert json.loads(db.value("SELECT output FROM wf_steps WHERE name = 'call'"))["got"] == db.value("SELECT output FROM wf_steps WHERE name = 'share'")
    assert db.wf_check() is None


def test_without_one_it_stands_in_line_until_its_turn(db):
    define(db)
    start(db, "w1", "w2", "w3", "w4", "w5")
    assert states(db, "w1", "w2", "w3", "w4", "w5") == ["completed", "completed", "waiting", "waiting", "waiting"]
    assert line(db) == ["w3", "w4", "w5"]
    assert db.rows("SELECT due_at, ready, reason FROM wf_pending WHERE id = 'w3'") == [(sql_time(60), 0, "waiting for a share of 'api'")]
    assert db.value("SELECT due_at FROM wf_pending WHERE id = 'w5'") == sql_time(120)
    assert (db.wf_run(), db.wf_check()) == (0, None)
    db.at(59.999)
    assert db.wf_run() == 0
    db.at(60)
    assert db.wf_run() == 4
    assert states(db, "w3", "w4", "w5") == ["completed", "completed", "waiting"]
    assert output(db, "w4")["acquired_at"] == json_time(60)
    db.at(120)
    db.wf_run()
    assert (db.wf_status("w5"), line(db), db.wf_check()) == ("completed", [], None)


def test_scripts_and_workers_stand_in_one_line(db):
    define(db)
    fill(db)
    start(db, "s1")
    db.wf_start("job", id="w1")
    assert db.wf_acquire("w1", "share", "api") is None
    start(db, "s2")
    assert line(db) == ["s1", "w1", "s2"]
    db.at(60)
    assert db.claim()["id"] == "w1"
    db.wf_run()
    assert states(db, "s1", "s2") == ["completed", "waiting"]
    assert db.wf_check() is None


def test_a_share_that_nobody_asks_for_is_waited_for_a_while_only(db):
    db.wf_rate("api", limit=1)
    define(db)
    fill(db, amount=1)
    start(db, "away", "w2")
    db.at(60)
    assert db.wf_run(id="w2") == 0
    db.at(120)
    db.wf_run(id="w2")
    assert states(db, "away", "w2") == ["waiting", "completed"]
    db.at(180)
    db.wf_run()
    assert (db.wf_status("away"), db.wf_check()) == ("completed", None)


def test_other_branches_go_on(db):
    define(db, steps=[{"name": "share", "acquire": "api"}, {"name": "beside", "after": [], "sql": "SELECT 1"}, {"name": "last", "after": ["share", "beside"], "sql": "SELECT 2"}])
    fill(db)
    start(db, "w1")
    assert db.rows("SELECT name, status FROM wf_steps WHERE workflow_id = 'w1' ORDER BY name") == [("beside", "done"), ("share", "waiting")]
    db.at(60)
    db.wf_run()
    assert (db.wf_status("w1"), db.wf_check()) == ("completed", None)


def test_each_round_of_a_loop_takes_one(db):
    define(db, {"while": "SELECT :iteration < 5", "amount": "SELECT CASE :iteration WHEN 2 THEN 2 ELSE 1 END"})
    start(db, "w1")
    for second, how in [(0, '{"iteration":2,"amount":2}'), (60, '{"iteration":3,"amount":1}')]:
        assert db.column("SELECT how FROM _wf_step WHERE name = 'share'") == [how]
        assert (line(db), db.wf_check()) == (["w1"], None)
        db.at(second + 60)
        db.wf_run()
    assert (db.wf_status("w1"), output(db, "w1")["acquired_at"], db.wf_check()) == ("completed", json_time(120), None)


# Names and amounts


@pytest.mark.parametrize("more, key, amount", [
    ({"key": "k"}, "k", 1), ({"key": "SELECT :of"}, "ann", 1), ({"key": "SELECT NULL"}, None, 1), ({"key": "SELECT 1 WHERE 0"}, None, 1), ({"amount": 2}, None, 2),
    ({"amount": "SELECT 1 + 1", "key": "VALUES('x')"}, "x", 2), ({"amount": "SELECT 2.0"}, None, 2), ({"acquire": "SELECT 'a' || 'pi'"}, None, 1),
])
def test_names_and_amounts_stand_there_or_are_asked_for(db, more, key, amount):
    define(db, more, input={"of": "text"})
    db.wf_start("flow", '{"of":"ann"}', id="w1")
    db.wf_run()
    assert db.wf_status("w1") == "completed"
    assert output(db, "w1") == {"rate": "api"} | ({"key": key} if key else {}) | {"amount": amount, "acquired_at": json_time()}
    assert (key, amount, 0) in spent(db)


@pytest.mark.parametrize("more, message", [
    ({"acquire": "misspelt"}, "no rate 'misspelt': wf_rate() makes one"),
    ({"acquire": "SELECT 5"}, "the query gives no name of a rate"),
    ({"acquire": "SELECT NULL"}, "the query gives no name of a rate"),
    ({"acquire": "SELECT ''"}, "the name of a rate is empty"),
    ({"key": "SELECT 5"}, "the query gives no name of a key"),
    ({"key": "SELECT ''"}, "the name of a key is empty"),
    ({"key": "SELECT char(10)"}, "the name of a key"),
    ({"amount": "SELECT 0"}, "the query of amount gives no integer from 1"),
    ({"amount": "SELECT 1.5"}, "the query of amount gives no integer from 1"),
    ({"amount": "SELECT 1e300"}, "the query of amount gives no integer from 1"),
    ({"amount": "SELECT '1'"}, "the query of amount gives no integer from 1"),
    ({"amount": "SELECT NULL"}, "the query of amount gives no integer from 1"),
    ({"amount": 3}, "3 shares of 'api' are more than its limit, 2"),
    ({"amount": "SELECT 9223372036854775807"}, "9223372036854775807 shares of 'api' are more than its limit, 2"),
])
def test_what_cannot_be_a_share_fails_the_step(db, more, message):
    define(db, more | {"max_attempts": 1})
    start(db, "w1")
    assert message in json.loads(db.wf_error("w1"))["message"]
    assert db.wf_status("w1") == "failed"
    define(db, more | {"max_attempts": 1, "on_error": "continue"})
    start(db, "w2")
    assert (db.wf_status("w2"), message in output(db, "w2", "call")["got"]) == ("completed", True)
    assert (spent(db), line(db), db.wf_check()) == ([(None, 0, 0)], [], None)


def test_a_rate_that_is_made_later_is_found_by_the_next_attempt(db):
    define(db, {"acquire": "late", "max_attempts": 2, "backoff": {"initial": 5, "jitter": 0}})
    start(db, "w1")
    assert db.value("SELECT count(*) FROM wf_failures") == 1
    db.wf_rate("late", limit=1, per=1)
    db.at(5)
    db.wf_run()
    assert (db.wf_status("w1"), db.wf_check()) == ("completed", None)


@pytest.mark.parametrize("step, words", [
    ({"acquire": ""}, "steps[0].acquire: it must be a name or a query"),
    ({"acquire": 5}, "steps[0].acquire: it must be a name or a query"),
    ({"acquire": ["a"]}, "steps[0].acquire: it must be a name or a query"),
    ({"acquire": "a", "key": ""}, "steps[0].key: it must be a name or a query"),
    ({"acquire": "a", "key": 7}, "steps[0].key: it must be a name or a query"),
    ({"acquire": "a", "amount": 0}, "steps[0].amount: it must be an integer from 1 or a query, got 0"),
    ({"acquire": "a", "amount": 1.5}, "steps[0].amount: it must be an integer from 1 or a query"),
    ({"acquire": "a", "amount": "two"}, "steps[0].amount: it must be an integer from 1 or a query"),
    ({"acquire": "a", "amount": ""}, "steps[0].amount: it must be an integer from 1 or a query"),
    ({"acquire": "a", "amount": None}, "steps[0].amount: it must be an integer from 1 or a query"),
    ({"acquire": "a", "amount": 9223372036854775808}, "steps[0].amount: it must be an integer from 1 or a query"),
    ({"acquire": "a", "amount": "SELECT nope"}, "steps[0].amount: no such column"),
    ({"acquire": "a", "key": "SELECT :nobody"}, "steps[0].key: :nobody"),
    ({"acquire": "SELECT nope"}, "steps[0].acquire: no such column"),
    ({"acquire": "a", "key": "SELECT 1", "amount": "SELECT 1; SELECT 2"}, "steps[0].amount: "),
    ({"acquire": "a", "for_each": "SELECT 1"}, "steps[0].for_each: a step with acquire has no such key"),
    ({"acquire": "a", "input": "SELECT 1"}, "steps[0].input: a step with acquire has no such key"),
    ({"sql": "SELECT 1", "amount": 1}, "steps[0].amount: a step with sql has no such key"),
    ({"await": "a", "key": "b"}, "steps[0].key: a step with await has no such key"),
    ({"acquire": "a", "sleep": 1}, "it must have one of sql, task, start, sleep, await, await_event, emit, acquire"),
    ({"await": [{"acquire": "a"}]}, "steps[0].await: it must be"),
])
def test_mistakes_of_a_definition(db, step, words):
    with wf_error("WF_INVALID", words):
        db.wf_define("flow", {"steps": [{"name": "share"} | step]})


def test_explain_says_what_is_acquired(db):
    define(db, steps=[
        {"name": "a", "acquire": "api", "amount": 3, "key": "k", "timeout": "1m"}, {"name": "b", "acquire": "SELECT 'x'", "amount": "SELECT 2", "key": "SELECT :id"}, {"name": "c", "acquire": "api"},
    ])
    lines = [line.split("  ")[-1].strip() for line in db.wf_explain("flow").splitlines()[1:]]
    assert lines == ["acquire 3 of api for k, timeout 1m", "acquire SELECT 2 of SELECT 'x' for SELECT :id", "acquire api"]


# What comes in between


def test_a_timeout_leaves_the_line_and_spends_nothing(db):
    define(db, {"timeout": "10s"})
    define(db, name="patient")
    fill(db)
    start(db, "w1")
    start(db, "w2", name="patient")
    assert db.value("SELECT due_at FROM wf_pending WHERE id = 'w1'") == sql_time(10)
    db.at(10)
    db.wf_run()
    assert (output(db, "w1"), db.wf_status("w1")) == ({"rate": None, "timeout": True}, "completed")
    assert db.column("SELECT ended_by FROM wf_steps WHERE workflow_id = 'w1' AND name = 'share'") == ["timeout"]
    assert (line(db), spent(db), db.wf_check()) == (["w2"], [(None, 2, 1)], None)


def test_a_timeout_of_zero_asks_once(db):
    define(db, {"timeout": 0})
    start(db, "w1", "w2", "w3")
    assert [output(db, id)["rate"] for id in ("w1", "w2", "w3")] == ["api", "api", None]
    assert (line(db), db.wf_check()) == ([], None)


def test_the_timeout_is_counted_from_when_it_began_to_wait(db):
    db.wf_rate("api", limit=1)
    define(db, {"timeout": "70s"})
    fill(db, amount=1)
    start(db, "w1", "w2")
    db.at(60)
    db.wf_run()
    assert states(db, "w1", "w2") == ["completed", "waiting"]
    db.at(69.999)
    db.wf_run()
    assert db.wf_status("w2") == "waiting"
    db.at(70)
    db.wf_run()
    assert output(db, "w2") == {"rate": None, "timeout": True}
    assert db.wf_check() is None


@pytest.mark.parametrize("end", ["cancel", "delete", "deadline"])
def test_who_ends_leaves_the_line_and_those_behind_move_up(db, end):
    db.wf_rate("api", limit=1)
    define(db)
    fill(db, amount=1)
    start(db, "w1", timeout="30s")
    start(db, "w2")
    assert db.value("SELECT due_at FROM wf_pending WHERE id = 'w2'") == sql_time(120)
    if end == "cancel":
        db.wf_cancel("w1")
    elif end == "delete":
        db.wf_delete("w1", force=True)
    else:
        db.at(31)
        db.wf_run()
    assert (line(db), db.value("SELECT due_at FROM wf_pending WHERE id = 'w2'")) == (["w2"], sql_time(60))
    assert db.wf_check() is None
    db.at(60)
    db.wf_run()
    assert db.wf_status("w2") == "completed"


def test_another_branch_that_fails_the_workflow_takes_it_out_of_the_line(db):
    define(db, steps=[
        {"name": "first", "sql": "SELECT 1", "undo": "SELECT :first"}, {"name": "share", "acquire": "api"}, {"name": "bad", "after": "first", "task": "t", "max_attempts": 1},
    ])
    fill(db)
    start(db, "w1")
    assert line(db) == ["w1"]
    db.wf_fail(db.claim("t")["token"], "no")
    db.wf_run()
    assert (db.wf_status("w1"), line(db), db.wf_check()) == ("failed", [], None)
    db.wf_retry("w1")
    db.wf_run()
    assert (line(db), db.wf_check()) == (["w1"], None)


def test_a_pause_keeps_its_place(db):
    db.wf_rate("api", limit=1)
    define(db)
    fill(db, amount=1)
    start(db, "w1", "w2")
    db.wf_pause("w1")
    assert (line(db), db.wf_check()) == (["w1", "w2"], None)
    db.at(60)
    db.wf_run()
    db.wf_resume("w1")
    db.wf_run()
    assert (states(db, "w1", "w2"), db.wf_check()) == (["completed", "waiting"], None)


def test_more_shares_hold_at_once(db):
    define(db)
    fill(db)
    start(db, "w1", "w2", "w3")
    db.wf_pause("w2")
    db.wf_rate("api", limit=4)
    assert db.value("SELECT ready FROM wf_pending WHERE id = 'w1'") == 1
    assert db.wf_check() is None
    db.wf_run()
    db.wf_resume("w2")
    db.wf_run()
    assert (states(db, "w1", "w2", "w3"), db.wf_check()) == (["completed", "completed", "waiting"], None)


def test_a_rate_that_is_taken_away_lets_them_through(db):
    define(db)
    fill(db)
    start(db, "w1", "w2")
    assert db.wf_rate("api", None) is None
    db.wf_run()
    assert (states(db, "w1", "w2"), line(db), db.wf_check()) == (["completed", "completed"], [], None)


@pytest.mark.parametrize("keep_on", [False, True])
def test_a_limit_that_is_less_than_what_is_waited_for_fails_the_step(db, keep_on):
    define(db, {"amount": 2, "max_attempts": 1} | ({"on_error": "continue"} if keep_on else {}))
    fill(db)
    start(db, "w1", "w2")
    db.wf_rate("api", limit=1)
    db.at(60)
    db.wf_run()
    assert states(db, "w1", "w2") == ["completed" if keep_on else "failed"] * 2
    assert "2 shares of 'api' are more than its limit, 1" in db.value("SELECT error FROM wf_failures LIMIT 1")
    assert (line(db), db.wf_check()) == ([], None)


def test_a_failed_attempt_leaves_the_line_and_the_next_stands_at_its_end(db):
    define(db, {"amount": 2, "max_attempts": 2, "backoff": {"initial": 5, "jitter": 0}})
    define(db, name="one")
    fill(db)
    start(db, "w1")
    start(db, "w2", name="one")
    db.wf_rate("api", limit=1)
    db.at(59)
    db.wf_rate("api", limit=2)
    db.wf_rate("api", limit=1)
    db.at(60)
    db.wf_run(id="w1")
    assert (line(db), db.wf_check()) == (["w2"], None)
    db.wf_rate("api", limit=2)
    db.at(65)
    db.wf_run(id="w1")
    assert (line(db), db.wf_check()) == (["w2", "w1"], None)


# Again


def test_a_retry_from_the_step_takes_another_and_one_from_behind_it_none(db):
    define(db, steps=[{"name": "share", "acquire": "api"}, {"name": "call", "task": "t", "max_attempts": 1}])
    start(db, "w1")
    db.wf_fail(db.claim("t")["token"], "no")
    db.wf_run()
    db.wf_retry("w1")
    db.wf_run()
    assert spent(db) == [(None, 1, 0)]
    db.wf_fail(db.claim("t")["token"], "no")
    db.wf_run()
    assert db.wf_status("w1") == "failed"
    db.wf_retry("w1", **{"from": "share"})
    db.wf_run()
    assert (spent(db), db.wf_check()) == ([(None, 2, 0)], None)


def test_a_share_that_was_undone_is_taken_anew_by_a_retry(db):
    define(db, steps=[{"name": "share", "acquire": "api", "undo": "SELECT :share::amount"}, {"name": "call", "task": "t", "max_attempts": 1}])
    start(db, "w1")
    db.wf_fail(db.claim("t")["token"], "no")
    db.wf_run()
    assert db.wf_status("w1") == "failed"
    db.wf_retry("w1")
    db.wf_run()
    assert (spent(db), db.wf_check()) == ([(None, 2, 0)], None)


def test_a_fork_takes_none_that_is_recorded_and_waits_for_its_own(db):
    define(db, steps=[{"name": "share", "acquire": "api"}, {"name": "more", "acquire": "api", "amount": 2}])
    start(db, "w1")
    assert line(db) == ["w1"]
    db.wf_fork("w1", id="copy")
    db.wf_run()
    assert (line(db), spent(db)) == (["w1", "copy"], [(None, 1, 2)])
    assert output(db, "copy") == output(db, "w1")
    assert db.wf_check() is None


def test_a_transaction_that_is_rolled_back_spends_nothing(db):
    define(db)
    db.wf_start("flow", id="w1")
    db.execute("BEGIN")
    db.wf_run()
    assert spent(db) == [(None, 1, 0)]
    db.execute("ROLLBACK")
    assert (spent(db), db.wf_check()) == ([(None, 0, 0)], None)


# Another file


def test_in_another_file_it_stands_at_the_end_of_the_line(db, memdb):
    define(db, {"amount": "SELECT 2", "key": "k"})
    fill(db, key="k")
    start(db, "w1")
    document = db.wf_export("w1")
    memdb.at(1)
    with wf_error("WF_NOT_FOUND", "no rate 'api'", "share"):
        memdb.wf_import(document)
    memdb.wf_rate("api", limit=2, per="1m")
    memdb.wf_start("job", id="here")
    assert memdb.wf_acquire("here", "share", "api", 1, key="k")
    memdb.wf_start("job", id="before")
    assert memdb.wf_acquire("before", "share", "api", 2, key="k") is None
    assert memdb.wf_import(document) == "w1"
    assert memdb.wf_import(document) == "w1"
    assert memdb.wf_check() is None
    memdb.wf_resume("w1")
    memdb.wf_run()
    assert (line(memdb), memdb.wf_check()) == (["before", "w1"], None)
    memdb.at(61)
    memdb.wf_run()
    assert memdb.wf_status("w1") == "waiting"
    assert memdb.wf_acquire("before", "share", "api")
    memdb.at(121)
    memdb.wf_run()
    assert (memdb.wf_status("w1"), output(memdb, "w1")["amount"], memdb.wf_check()) == ("completed", 2, None)


def test_in_another_file_a_free_share_is_taken_at_once(db, memdb):
    define(db)
    fill(db)
    start(db, "w1")
    memdb.at(1)
    memdb.wf_rate("api", limit=2, per="1m")
    memdb.wf_import(db.wf_export("w1"))
    memdb.wf_resume("w1")
    memdb.wf_run()
    assert (memdb.wf_status("w1"), output(memdb, "w1")["acquired_at"], memdb.wf_check()) == ("completed", json_time(1), None)


def test_an_import_that_nobody_has_advanced_yet_moves_on(db, memdb, tmp_path):
    define(db, {"while": "SELECT :iteration < 2"})
    fill(db, amount=1)
    start(db, "w1")
    document = db.wf_export("w1")
    memdb.at(1)
    memdb.wf_rate("api", limit=2, per="1m")
    memdb.wf_import(document)
    again = json.loads(memdb.wf_export("w1"))
    assert again["steps"] == json.loads(document)["steps"]


# Each is (member, what it is instead, as the document has it).
ODD = (
    [("how", how) for how in (None, "{}", '{"amount":0}', '{"amount":-5}', '{"amount":"x"}', '{"amount":[1]}', '{"amount":null}', '{"amount":1.5}', '{"amount":2.0}', '{"amount":2e0}',
                              '{"amount":1e300}', '{"amount":2147483648}', '{"amount":9223372036854775807}', '{"amount":2,"amount":1}')]
    + [("topics", topics) for topics in (None, "[]", '"api"', "{}", '{"waits":[]}', "[5]", '[""]', '["api",""]', '["api","k","z"]', '["api",7]', '["%s"]' % ("a" * 256))]
)


@pytest.fixture
def waits(db, memdb):
    """Documents of two who wait, one of them scripted, and another file for them; which of their steps waits."""
    memdb.at(1)
    memdb.wf_rate("api", limit=2, per="1m")
    define(db)
    fill(db)
    start(db, "script")
    assert db.wf_acquire(db.running("worker")["token"], "share", "api", 2) is None
    return {id: json.loads(db.wf_export(id)) for id in ("script", "worker")}


@pytest.mark.parametrize("id", ["script", "worker"])
@pytest.mark.parametrize("member, value", ODD)
def test_a_document_with_an_odd_share(memdb, waits, id, member, value):
    (step,) = waits[id]["steps"]
    assert step["how"].startswith('{"amount":') and step["topics"] == '["api"]'
    step[member] = value
    with wf_error("WF_INVALID", "step"):
        memdb.wf_import(json.dumps(waits[id]))
    assert (memdb.rows("SELECT * FROM wf_workflows"), line(memdb)) == ([], [])


@pytest.mark.parametrize("id", ["script", "worker"])
@pytest.mark.parametrize("member, value", [odd for odd in ODD if odd[1] is not None])
def test_a_share_that_was_made_odd_by_hand_is_found(db, waits, id, member, value):
    assert db.wf_check() is None
    db.execute("UPDATE _wf_step SET %s = ? WHERE status = 'waiting' AND wf = (SELECT seq FROM _wf_workflow WHERE id = ?)" % member, (value, id))
    assert {"problem": "a wait waits for what is nothing", "where": id + " share"} in json.loads(db.wf_check())


@pytest.mark.parametrize("wait, topics", [({"await": "go"}, ["[]", '"go"', "[5]", '{"waits":[]}', '{"mode":"any","waits":[]}']), ({"await_event": "done"}, ["[]", '"done"', '[""]']), ({"sleep": "1h"}, [])])
def test_a_script_of_a_document_waits_for_something(db, memdb, wait, topics):
    define(db, steps=[{"name": "wait"} | wait])
    start(db, "w1")
    document = json.loads(db.wf_export("w1"))
    (step,) = document["steps"]
    for odd in topics:
        with wf_error("WF_INVALID", "steps[0] contradicts itself"):
            memdb.wf_import(json.dumps(document | {"steps": [step | {"topics": odd}]}))
        db.execute("UPDATE _wf_step SET topics = ? WHERE status = 'waiting'", (odd,))
        assert "a wait waits for what is nothing" in db.wf_check()
    if "sleep" in wait:
        del step["due_at"]
        with wf_error("WF_INVALID", "steps[0] contradicts itself"):
            memdb.wf_import(json.dumps(document))


def test_a_document_that_waits_for_the_most_leaves_room_behind_it(memdb, waits):
    for id in ("script", "worker"):
        (step,) = waits[id]["steps"]
        step["how"] = '{"amount":2147483647}'
        memdb.wf_import(json.dumps(waits[id]))
    for id in ("w1", "w2"):
        assert memdb.wf_acquire(memdb.running(id)["token"], "share", "api") is None
    assert (line(memdb), memdb.wf_check()) == (["script", "worker", "w1", "w2"], None)


@pytest.mark.parametrize("how", ['{"iteration":-1}', '{"iteration":1e300}', '{"iteration":1.5}', '{"iteration": 1}', '{"items":-1}', '{"items":"x"}', '{"items":1,"items":2}', '{"x":1}',
                                 '{"amount":1,"iteration":1}', '{"iteration":-1,"amount":1}', '{"amount": 1}'])
@pytest.mark.parametrize("step", [{"acquire": "api"}, {"sql": "SELECT 1", "while": "SELECT :iteration < 2"}, {"task": "elsewhere", "for_each": "SELECT 1"}])
def test_a_script_of_a_document_is_as_far_as_a_call_can_have_said(db, memdb, step, how):
    define(db, steps=[{"name": "share"} | step])
    fill(db)
    db.wf_start("flow", id="w1")
    db.wf_run(limit=1)
    document = json.loads(db.wf_export("w1"))
    document["steps"][0]["how"] = how
    memdb.wf_rate("api", limit=2, per="1m")
    with wf_error("WF_INVALID", "contradicts itself"):
        memdb.wf_import(json.dumps(document))


# Damage


@pytest.mark.parametrize("edit", ["topics = '[5]'", "topics = '['", "topics = '[\"api\",\"a\",\"b\"]'", "topics = NULL", "topics = '{}'"])
def test_what_is_waited_for_was_edited_by_hand(db, edit):
    define(db, {"max_attempts": 1})
    fill(db)
    start(db, "w1")
    db.execute("UPDATE _wf_step SET %s WHERE name = 'share' AND kind = 'acquire' AND status = 'waiting'" % edit)
    assert db.wf_check() is not None
    db.at(60)
    db.wf_run()
    assert (db.wf_status("w1"), line(db)) == ("failed", [])


def test_a_place_that_was_deleted_by_hand_is_found_and_taken_anew(db):
    define(db)
    fill(db)
    start(db, "w1")
    db.execute("DELETE FROM _wf_line")
    assert "not in line" in db.wf_check()
    db.at(60)
    db.wf_run()
    assert (db.wf_status("w1"), db.wf_check()) == ("completed", None)


@pytest.mark.parametrize("place", [2**60, 2**63 - 1, 1e300, "'x'", "x'ff'"])
def test_a_place_that_is_none_ends_the_line(db, place):
    """It would be the next one of itself."""
    define(db)
    fill(db)
    start(db, "w1", "w2")
    db.execute("UPDATE _wf_line SET place = %s, due_at = 0 WHERE wf = (SELECT seq FROM _wf_workflow WHERE id = 'w2')" % place)
    left = [100]

    def tick():
        left[0] -= 1
        return left[0] < 0

    db.set_progress_handler(tick, 10000)
    assert db.wf_rate("api", None) is None
    db.set_progress_handler(None, 0)
    assert db.value("SELECT due_at FROM wf_workflows WHERE id = 'w1'") == sql_time()
