"""wf_run: workflows scripted in SQL, step by step."""

import json
import re
import sqlite3

import pytest
from support import sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.execute("CREATE TABLE log(x)")
    db.execute("CREATE TABLE stock(sku TEXT PRIMARY KEY, free INTEGER CHECK(free >= 0), held INTEGER DEFAULT 0)")
    db.execute("INSERT INTO stock VALUES('a', 10, 0)")
    return db


def sql(name, text, **keys):
    return {"name": name, "sql": text, **keys}


def note(name, **keys):
    return sql(name, "INSERT INTO log VALUES('%s')" % name, **keys)


def define(db, *steps, name="flow", **keys):
    return db.wf_define(name, {"steps": list(steps), **keys})


def start(db, *steps, input=None, **keys):
    """Defines `flow` with these steps and starts w1."""
    options = {key: keys.pop(key) for key in ("max_attempts", "timeout", "queue", "priority", "backoff") if key in keys}
    define(db, *steps, **keys)
    return db.wf_start("flow", input, id="w1", **options)


def log(db):
    return db.column("SELECT x FROM log ORDER BY rowid")


def steps(db, id="w1"):
    return dict(db.rows("SELECT name, status FROM wf_steps WHERE workflow_id = ?", id))


def result(db, step, id="w1"):
    return json.loads(db.value("SELECT output FROM _wf_step WHERE name = ? AND wf = (SELECT seq FROM _wf_workflow WHERE id = ?)", step, id) or "null")


def error(db, id="w1"):
    return json.loads(db.wf_error(id))


def reason(db, id="w1"):
    return db.value("SELECT reason FROM wf_pending WHERE id = ?", id)


# The order of steps


def test_it_runs_the_steps_in_order_and_says_how_many(db):
    start(db, note("a"), note("b"), note("c"))
    assert db.wf_run() == 3
    assert log(db) == ["a", "b", "c"] and db.wf_status("w1") == "completed"
    assert db.wf_run() == 0 and db.wf_check() is None


def test_branches_run_when_what_they_come_after_is_over(db):
    start(db, note("a"), note("b", after="a"), note("c", after="a"), note("d", after=["b", "c"]), note("e", after=[]))
    db.wf_run()
    order = log(db)
    assert sorted(order) == list("abcde")
    assert order.index("a") < order.index("b") < order.index("d") and order.index("c") < order.index("d")


def test_after_may_name_a_later_step(db):
    start(db, note("a", after="b"), note("b", after=[]))
    db.wf_run()
    assert log(db) == ["b", "a"]


def test_a_step_whose_when_is_false_null_or_empty_is_skipped_and_the_rest_goes_on(db):
    start(
        db,
        note("a", when="SELECT 0"),
        note("b", when="SELECT NULL"),
        note("c", when="SELECT 1 WHERE 0"),
        note("d", when="SELECT 'no'"),
        note("e", when="SELECT 0.5"),
        sql("f", "INSERT INTO log VALUES(coalesce(:a, 'null'))"),
    )
    db.wf_run()
    assert log(db) == ["e", "null"]
    assert steps(db) == {"a": "skipped", "b": "skipped", "c": "skipped", "d": "skipped", "e": "done", "f": "done"}
    assert db.wf_check() is None


# Results and parameters


def test_the_result_is_the_first_row_as_an_object(db):
    start(db, sql("a", "SELECT 1 AS i, 2.5 AS r, 'x' AS t, NULL AS n, x'00ff' AS b UNION ALL SELECT 9, 9, 9, 9, 9"))
    db.wf_run()
    assert result(db, "a") == {"i": 1, "r": 2.5, "t": "x", "n": None, "b": {"$blob": "00ff"}}


def test_rows_all_gives_them_all_and_no_row_is_null(db):
    start(db, sql("a", "SELECT value AS v FROM json_each('[1,2]')", rows="all"), sql("b", "SELECT 1 WHERE 0"), sql("c", "SELECT 1 WHERE 0", rows="all"))
    db.wf_run()
    assert (result(db, "a"), result(db, "b"), result(db, "c")) == ([{"v": 1}, {"v": 2}], None, [])


def test_a_statement_without_columns_says_how_many_rows_it_changed(db):
    start(db, sql("a", "INSERT INTO log SELECT value FROM json_each('[1,2,3]')"))
    db.wf_run()
    assert result(db, "a") == {"changes": 3}


def test_fields_are_bound_as_declared(db):
    db.wf_define(
        "flow",
        {
            "input": {"t": "text", "i": "integer", "r": "real", "j": "json", "x": "any", "missing": "text"},
            "steps": [sql("a", "SELECT typeof(:t) || typeof(:i) || typeof(:r) || typeof(:j) || typeof(:x) || typeof(:missing) AS types, :t AS t, :i AS i, :r AS r, :j AS j, :x AS x")],
        },
    )
    db.wf_start("flow", {"t": "it's; DROP TABLE log", "i": 3, "r": 1.5, "j": [1, "2"], "x": True}, id="w1")
    db.wf_run()
    got = result(db, "a")
    assert got["types"] == "textintegerrealtextintegernull"
    assert (got["t"], got["i"], got["r"], json.loads(got["j"]), got["x"]) == ("it's; DROP TABLE log", 3, 1.5, [1, "2"], 1)


def test_built_in_parameters(db):
    start(db, sql("a", "SELECT :id AS id, :attempt AS attempt, :input AS input, :now AS now"), input={"k": 1})
    db.wf_run()
    assert result(db, "a") == {"id": "w1", "attempt": 1, "input": '{"k":1}', "now": sql_time(0)}


def test_members_of_results_have_their_sql_types(db):
    start(
        db,
        sql("a", "SELECT 1 AS i, 2.5 AS r, 'x' AS t, NULL AS n, x'00ff' AS b, json_array(1) AS j"),
        sql("b", "SELECT typeof(:a::i) || typeof(:a::r) || typeof(:a::t) || typeof(:a::n) || typeof(:a::b) || typeof(:a::none) AS types, hex(:a::b) AS b, :a::j AS j, :a AS a"),
    )
    db.wf_run()
    got = result(db, "b")
    assert (got["types"], got["b"], got["j"]) == ("integerrealtextnullblobnull", "00FF", "[1]")
    assert json.loads(got["a"])["t"] == "x"


def test_output_is_the_workflows_output(db):
    start(db, sql("a", "SELECT 41 AS n"), output="SELECT json_object('n', :a::n + 1)")
    db.wf_run()
    assert json.loads(db.wf_result("w1")) == {"n": 42}


def test_without_output_it_is_null(db):
    start(db, note("a"))
    db.wf_run()
    assert db.wf_result("w1") == "null"


# Loops and fan-out


def test_for_each_runs_once_per_row_and_collects_the_results(db):
    start(db, sql("a", "INSERT INTO log VALUES(:item::n || :item::w) RETURNING x" if sqlite3.sqlite_version_info >= (3, 35) else "SELECT :item::n || :item::w AS x",
                  for_each="SELECT value AS n, 'w' AS w FROM json_each('[3,1,2]')"), sql("b", "SELECT :a AS all_"))
    assert db.wf_run() == 5
    assert [r["x"] for r in json.loads(result(db, "b")["all_"])] == ["3w", "1w", "2w"]
    assert db.wf_check() is None


def test_an_item_of_one_column_is_its_value(db):
    start(db, sql("a", "SELECT typeof(:item) AS t, :item AS v", for_each="VALUES(1), (2.5), ('x'), (NULL), ('{\"k\":7}'), (x'01')"))
    db.wf_run()
    assert [r["t"] for r in result(db, "a")] == ["integer", "real", "text", "null", "text", "blob"]


def test_a_for_each_without_rows_has_an_empty_result(db):
    start(db, sql("a", "SELECT :item AS v", for_each="SELECT 1 WHERE 0"), note("b"))
    db.wf_run()
    assert result(db, "a") == [] and log(db) == ["b"]


def test_while_repeats_and_sees_its_last_result(db):
    start(db, sql("a", "SELECT coalesce(:a::n, 1) * 2 AS n, :iteration AS i", **{"while": "SELECT coalesce(:a::n, 0) < 20"}), sql("b", "INSERT INTO log VALUES(:a::n)"))
    assert db.wf_run() == 7
    assert result(db, "a") == {"n": 32, "i": 4} and log(db) == [32]
    assert db.wf_check() is None


def test_a_while_that_is_false_at_once_has_no_result(db):
    start(db, note("a", **{"while": "SELECT 0"}), note("b"))
    db.wf_run()
    assert log(db) == ["b"] and result(db, "a") is None


# Time, signals, events


def test_sleep_waits_until_its_time(db):
    start(db, {"name": "nap", "sleep": "1h"}, note("a"))
    assert db.wf_run() == 1
    assert (db.wf_status("w1"), reason(db), log(db)) == ("waiting", "sleeping", [])
    db.at(3599)
    assert db.wf_run() == 0
    db.at(3600)
    db.wf_run()
    assert log(db) == ["a"] and db.wf_check() is None


def test_sleep_of_a_query(db):
    start(db, {"name": "nap", "sleep": "SELECT '250ms'"}, note("a"))
    db.wf_run()
    db.at(0.25)
    db.wf_run()
    assert log(db) == ["a"]


def test_await_takes_a_signal(db):
    start(db, {"name": "ok", "await": "approval"}, sql("a", "INSERT INTO log VALUES(:ok::signal || json_extract(:ok, '$.payload.by'))"))
    db.wf_run()
    assert reason(db) == "waiting for signal approval" and db.wf_check() is None
    db.wf_signal("w1", "other")
    assert db.wf_run() == 0
    db.wf_signal("w1", "approval", {"by": "me"})
    db.wf_run()
    assert log(db) == ["approvalme"] and db.wf_status("w1") == "completed"


def test_an_early_signal_is_kept(db):
    start(db, {"name": "ok", "await": ["yes", "no"]}, sql("a", "INSERT INTO log VALUES(:ok::signal)"))
    db.wf_signal("w1", "no")
    db.wf_run()
    assert log(db) == ["no"] and db.wf_check() is None


def test_await_times_out(db):
    start(db, {"name": "ok", "await": "approval", "timeout": 60}, sql("a", "INSERT INTO log VALUES(coalesce(:ok::signal, 'none'))"))
    db.wf_run()
    db.at(60)
    db.wf_run()
    assert log(db) == ["none"] and result(db, "ok") == {"signal": None, "timeout": True}


def test_two_branches_wait_at_once(db):
    start(db, {"name": "one", "await": "x", "after": []}, {"name": "two", "await": "y", "after": []}, note("end", after=["one", "two"]))
    db.wf_run()
    db.wf_signal("w1", "y")
    db.wf_run()
    assert steps(db)["two"] == "done" and db.wf_status("w1") == "waiting" and db.wf_check() is None
    db.wf_signal("w1", "x")
    db.wf_run()
    assert log(db) == ["end"]


def test_events_are_emitted_and_awaited(db):
    define(db, {"name": "tell", "emit": "SELECT 'done-' || :id", "input": "SELECT json_object('n', 7)"}, name="teller")
    start(db, {"name": "hear", "await_event": "done-t1"}, sql("a", "INSERT INTO log VALUES(json_extract(:hear, '$.payload.n'))"))
    db.wf_run()
    assert reason(db) == "waiting for event done-t1" and db.wf_check() is None
    db.wf_start("teller", id="t1")
    db.wf_run()
    assert log(db) == [7] and result(db, "tell", "t1") == {"n": 7} and db.wf_check() is None


# Children


def test_a_task_is_a_child_for_workers(db):
    start(db, {"name": "charge", "task": "payments", "input": "SELECT json_object('n', 5)", "max_attempts": 3}, sql("a", "INSERT INTO log VALUES(:charge::ref)"))
    db.wf_run()
    assert reason(db) == "waiting for task charge" and db.wf_check() is None
    claim = db.claim("payments")
    assert (claim["id"], claim["name"], claim["input"], claim["parent"]) == ("w1/charge", "charge", {"n": 5}, "w1")
    db.wf_complete(claim["token"], {"ref": "r9"})
    db.wf_run()
    assert log(db) == ["r9"] and db.wf_check() is None


def test_a_task_that_fails_fails_its_step(db):
    start(db, {"name": "charge", "task": "payments", "max_attempts": 1})
    db.wf_run()
    db.wf_fail(db.claim("payments")["token"], "no money")
    db.wf_run()
    assert db.wf_status("w1") == "failed" and error(db)["step"] == "charge" and error(db)["error"] == "no money"
    assert db.wf_retry("w1") == 1
    db.wf_run()
    db.wf_complete(db.claim("payments")["token"])
    db.wf_run()
    assert db.wf_status("w1") == "completed" and db.wf_check() is None


def test_a_thousand_tasks_of_one_step(db):
    start(db, {"name": "mail", "for_each": "SELECT value FROM json_each(:input)", "task": "email"}, note("end"), input=list(range(1000)))
    db.wf_run()
    for claim in json.loads(db.wf_claim("email", None, limit=1000)):
        db.wf_complete(claim["token"], claim["input"])
    db.wf_run()
    assert result(db, "mail") == list(range(1000)) and log(db) == ["end"] and db.wf_check() is None


def test_start_runs_another_scripted_workflow(db):
    define(db, note("inner"), name="part", output="SELECT 7")
    start(db, {"name": "sub", "start": "part", "queue": "q"}, sql("a", "INSERT INTO log VALUES(:sub)"))
    db.wf_run()
    assert log(db) == ["inner", "7"] and db.workflow("w1/sub")["queue"] == "q"


def test_a_detached_start_is_not_waited_for(db):
    start(db, {"name": "sub", "start": "job", "detached": True}, note("a"))
    db.wf_run()
    assert (log(db), result(db, "sub"), db.wf_status("w1/sub")) == (["a"], {"id": "w1/sub"}, "pending")


# Failure


def test_a_failing_step_leaves_nothing_but_the_record_and_is_tried_again(db):
    start(db, sql("a", "INSERT INTO log SELECT value FROM json_each('[1,2]') UNION ALL SELECT abs(-9223372036854775807 - 1)"), max_attempts=2)
    assert db.wf_run() == 1
    assert log(db) == [] and reason(db) == "retry 2 of step a"
    assert db.rows("SELECT step, attempt FROM wf_failures") == [("a", 1)]
    db.at(1)
    db.wf_run()
    assert db.wf_status("w1") == "failed" and error(db)["error"]["message"] == "integer overflow"
    assert db.wf_check() is None


def test_the_attempt_is_counted_and_the_backoff_is_the_steps_own(db):
    start(db, sql("a", "INSERT INTO log SELECT :attempt WHERE :attempt > 2 UNION ALL SELECT abs(-9223372036854775807 - (:attempt < 3)) WHERE :attempt < 3",
                  max_attempts=5, backoff={"initial": 10, "factor": 3}))
    db.wf_run()
    db.at(9)
    assert db.wf_run() == 0
    db.at(10)
    db.wf_run()
    db.at(39)
    assert db.wf_run() == 0
    db.at(40)
    db.wf_run()
    assert log(db) == [3] and db.wf_status("w1") == "completed"


def test_expect_is_the_number_of_rows(db):
    start(db, sql("a", "UPDATE stock SET free = free - 1 WHERE sku = 'b'", expect=1), max_attempts=1)
    db.wf_run()
    assert error(db)["error"] == {"code": "expect", "message": "1 rows expected, got 0"}


def test_on_error_continue_goes_on(db):
    start(db, sql("a", "UPDATE stock SET free = -1", on_error="continue"), sql("b", "INSERT INTO log VALUES(json_extract(:a, '$.error.code'))"), max_attempts=1)
    db.wf_run()
    assert log(db) == ["sql"] and steps(db) == {"a": "error", "b": "done"} and db.wf_check() is None


def test_items_that_fail_are_in_the_result_with_on_error_continue(db):
    start(db, sql("a", "INSERT INTO stock(sku, free) VALUES(:item, :item)", for_each="VALUES(1), (-1), (2)", on_error="continue"), max_attempts=1)
    db.wf_run()
    assert [list(r) for r in result(db, "a")] == [["changes"], ["error"], ["changes"]]


def test_undo_runs_backwards_once_the_workflow_fails_for_good(db):
    start(db, note("a", undo="INSERT INTO log VALUES('undo a ' || :a::changes)"), note("b", undo="INSERT INTO log VALUES('undo b')"), note("c"),
          sql("d", "UPDATE stock SET free = -1", undo="INSERT INTO log VALUES('never')"), max_attempts=1)
    db.wf_run()
    assert log(db) == ["a", "b", "c", "undo b", "undo a 1"]
    assert db.wf_status("w1") == "failed" and error(db)["step"] == "d" and db.wf_check() is None


def test_undo_of_items_sees_them(db):
    start(db, sql("a", "INSERT INTO log VALUES(:item)", for_each="VALUES(1), (2)", undo="INSERT INTO log VALUES(-:item)"), sql("b", "UPDATE stock SET free = -1"), max_attempts=1)
    db.wf_run()
    assert log(db) == [1, 2, -2, -1] and db.wf_check() is None


def test_a_cancel_undoes_what_was_done(db):
    start(db, note("a", undo="INSERT INTO log VALUES(coalesce(json_extract(:error, '$'), 'null'))"), {"name": "nap", "sleep": "1h"})
    db.wf_run()
    db.wf_cancel("w1", "changed my mind")
    assert reason(db) == "undo before cancelled"
    db.wf_run()
    assert log(db) == ["a", "changed my mind"] and db.wf_status("w1") == "cancelled" and db.wf_check() is None


def test_a_cancel_with_force_undoes_nothing(db):
    start(db, note("a", undo="INSERT INTO log VALUES('undo')"), {"name": "nap", "sleep": "1h"})
    db.wf_run()
    db.wf_cancel("w1", None, force=True)
    assert db.wf_run() == 0 and log(db) == ["a"] and db.wf_status("w1") == "cancelled" and db.wf_check() is None


def test_a_timeout_undoes_too(db):
    start(db, note("a", undo="INSERT INTO log VALUES('undo')"), {"name": "nap", "sleep": "1h"}, timeout=60)
    db.wf_run()
    db.at(60)
    db.wf_run()
    assert log(db) == ["a", "undo"] and db.wf_status("w1") == "failed" and error(db)["code"] == "timeout"


def test_an_undo_that_fails_is_tried_again_and_then_passed_over(db):
    start(db, note("a", undo="INSERT INTO log VALUES('undo a')"), note("b", undo={"sql": "UPDATE stock SET free = -1", "max_attempts": 2}),
          sql("c", "UPDATE stock SET free = -1", max_attempts=1))
    db.wf_run()
    assert log(db) == ["a", "b"] and reason(db) == "retry 2 of step undo b"
    db.at(60)
    db.wf_run()
    assert log(db) == ["a", "b", "undo a"] and db.wf_status("w1") == "failed" and steps(db)["undo b"] == "failed"
    assert db.wf_check() is None


def test_an_undo_may_be_a_task(db):
    start(db, note("a", undo={"task": "refunds", "input": "SELECT :a"}), sql("b", "UPDATE stock SET free = -1"), max_attempts=1)
    db.wf_run()
    claim = db.claim("refunds")
    assert (claim["id"], claim["input"], claim["name"]) == ("w1/undo a", {"changes": 1}, "undo a")
    db.wf_complete(claim["token"])
    db.wf_run()
    assert db.wf_status("w1") == "failed" and db.wf_check() is None


def test_a_retry_does_again_what_was_undone(db):
    start(db, note("a", undo="INSERT INTO log VALUES('undo a')"), note("b"), sql("c", "UPDATE stock SET free = free - 11"), max_attempts=1)
    db.wf_run()
    assert db.wf_status("w1") == "failed"
    db.execute("UPDATE stock SET free = 20")
    db.wf_retry("w1")
    db.wf_run()
    assert log(db) == ["a", "b", "undo a", "a"] and db.wf_status("w1") == "completed" and db.wf_check() is None


def test_a_retry_from_a_step_does_it_and_the_later_ones_again(db):
    start(db, note("a"), note("b"), sql("c", "UPDATE stock SET free = free - 11"), max_attempts=1)
    db.wf_run()
    db.execute("UPDATE stock SET free = 20")
    assert db.wf_retry("w1", **{"from": "b"}) == 1
    db.wf_run()
    assert log(db) == ["a", "b", "b"] and db.wf_status("w1") == "completed"


def test_a_fork_goes_on_from_a_step(db):
    start(db, note("a"), note("b"), note("c"))
    db.wf_run()
    assert db.wf_fork("w1", id="f", **{"from": "c"}) == "f"
    db.wf_run()
    assert log(db) == ["a", "b", "c", "c"] and db.wf_status("f") == "completed" and db.wf_check() is None


def test_a_statement_that_does_not_compile_here_takes_no_attempt(db, connect):
    db.create_function("twice", 1, lambda x: 2 * x)
    start(db, note("a"), sql("b", "INSERT INTO log VALUES(twice(4))"), note("c"))
    other = connect()
    other.at(0)
    assert other.wf_run() == 1
    assert log(db) == ["a"] and reason(db) == "step b: no such function: twice"
    assert db.rows("SELECT * FROM wf_failures") == [] and db.wf_check() is None
    db.at(1)
    db.wf_run()
    assert log(db) == ["a", 8, "c"] and db.wf_status("w1") == "completed"


@pytest.mark.parametrize("action", ["ABORT", "FAIL"])
def test_a_trigger_that_raises_fails_the_step_only(db, action):
    db.execute("CREATE TRIGGER no BEFORE INSERT ON log WHEN new.x = 'b' BEGIN SELECT raise(%s, 'not this'); END" % action)
    start(db, note("a"), note("b"), max_attempts=1)
    db.execute("BEGIN")
    db.execute("INSERT INTO stock VALUES('mine', 1, 1)")
    db.wf_run()
    db.execute("COMMIT")
    assert (log(db), db.wf_status("w1"), error(db)["error"]["message"]) == (["a"], "failed", "not this")
    assert db.value("SELECT count(*) FROM stock") == 2


@pytest.mark.parametrize("inside", [False, True])
def test_a_deferred_foreign_key_fails_the_step_that_breaks_it(db, inside):
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("CREATE TABLE part(of TEXT REFERENCES stock(sku) DEFERRABLE INITIALLY DEFERRED)")
    start(db, sql("a", "INSERT INTO part VALUES('none')"), max_attempts=1)
    if inside:
        db.execute("BEGIN")
    db.wf_run()
    if inside:
        db.execute("COMMIT")
    assert db.wf_status("w1") == "failed" and "FOREIGN KEY" in error(db)["error"]["message"] and db.value("SELECT count(*) FROM part") == 0


# Statements that use wf_ functions


def test_a_step_may_cancel_its_own_workflow(db):
    start(db, note("a"), sql("b", "SELECT wf_cancel(:id, 'enough')"), note("c"))
    db.wf_run()
    assert log(db) == ["a"] and db.wf_status("w1") == "cancelled" and db.wf_check() is None


def test_what_a_step_did_before_it_cancelled_its_workflow_is_recorded_and_undone(db):
    start(db, sql("a", "INSERT INTO log SELECT coalesce(wf_cancel(:id), 'x')", undo="INSERT INTO log VALUES('undo')"), note("b"))
    db.wf_run()
    assert log(db) == [1, "undo"] and db.wf_status("w1") == "cancelled" and db.wf_check() is None


def test_a_step_may_delete_its_own_workflow(db):
    start(db, sql("a", "SELECT wf_delete(:id, '{\"force\":true}')"), note("b"))
    db.wf_run()
    assert log(db) == [] and db.wf_status("w1") is None and db.wf_check() is None


def test_numbers_come_back_exactly(db):
    reals = [1e300, 5e-324, 0.1, 1 / 3, -2.5e-7, 123456789.123456789]
    db.execute("CREATE TABLE r(x REAL)")
    db.executemany("INSERT INTO r VALUES(?)", [(x,) for x in reals])
    start(db, sql("a", "INSERT INTO log SELECT 'found' FROM r WHERE x = :item", for_each="SELECT x FROM r", expect=1), max_attempts=1)
    db.wf_run()
    assert log(db) == ["found"] * len(reals)
    db.wf_define("g", {"input": {"n": "integer"}, "steps": [sql("a", "SELECT typeof(:n) AS t")]})
    db.wf_start("g", '{"n": 3.0}', id="g1")
    db.wf_run()
    assert result(db, "a", "g1") == {"t": "integer"}


def test_a_step_may_pause_its_own_workflow(db):
    start(db, note("a"), sql("b", "SELECT wf_pause(:id)"), note("c"))
    db.wf_run()
    assert log(db) == ["a"] and db.wf_status("w1") == "paused" and db.wf_check() is None
    db.wf_resume("w1")
    db.wf_run()
    assert log(db) == ["a", "c"] and db.wf_status("w1") == "completed"


def test_a_step_may_start_signal_and_set(db):
    define(db, {"name": "go", "await": "go"}, name="other")
    db.wf_start("other", id="o1")
    start(db, sql("a", "SELECT wf_start('job', NULL, json_object('id', :id || '-job')), wf_signal('o1', 'go'), wf_set(:id, 'k', '1')"))
    db.wf_run()
    assert (db.wf_status("w1-job"), db.wf_status("o1"), db.wf_get("w1", "k")) == ("pending", "completed", "1")


def test_a_step_cannot_run_wf_run(db):
    start(db, sql("a", "SELECT wf_run()"), max_attempts=1)
    db.wf_run()
    assert "WF_CONTEXT" in error(db)["error"]["message"]


def test_nobody_else_writes_to_a_scripted_workflow(db):
    start(db, note("a"), {"name": "nap", "sleep": "1h"})
    for call in (
        lambda: db.wf_step("w1", "x", "1"),
        lambda: db.wf_step("w1", "x"),
        lambda: db.wf_complete("w1"),
        lambda: db.wf_fail("w1", "e"),
        lambda: db.wf_release("w1"),
        lambda: db.wf_sleep("w1", "s", 1),
        lambda: db.wf_spawn("w1", "s", "job"),
        lambda: db.wf_begin("w1", "s"),
        lambda: db.wf_claim(None, None, id="w1"),
    ):
        with wf_error("WF_STATE", "scripted"):
            call()
    assert db.claim() is None and db.wf_ready() == 0
    db.wf_run()
    assert log(db) == ["a"]


# wf_run itself


def test_limit_bounds_the_steps(db):
    start(db, note("a"), note("b"), note("c"))
    assert [db.wf_run(limit=2), db.wf_run(limit=2), db.wf_run(limit=2)] == [2, 1, 0]


def test_a_budget_is_not_nothing_and_lets_one_step_run(db):
    start(db, note("a"), note("b"))
    with wf_error("WF_INVALID", "budget"):
        db.wf_run(budget=0)
    assert db.wf_run(budget="1ms") >= 1


def test_a_budget_ends_an_endless_loop(db):
    start(db, note("a", **{"while": "SELECT 1"}))
    assert db.wf_run(budget="50ms") > 0
    assert db.wf_status("w1") == "pending"


def test_id_runs_this_one_only(db):
    start(db, note("a"))
    db.wf_start("flow", id="w2")
    assert db.wf_run(id="w2") == 1
    assert (db.wf_status("w1"), db.wf_status("w2")) == ("pending", "completed")
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_run(id="nobody")
    db.wf_start("job", id="j")
    with wf_error("WF_STATE", "not scripted"):
        db.wf_run(id="j")


def test_queue_runs_those_of_the_queue(db):
    start(db, note("a"), queue="one")
    db.wf_start("flow", id="w2", queue="two")
    assert db.wf_run(queue="two") == 1 and db.wf_status("w1") == "pending"
    assert db.wf_run(queue=["one", "three"]) == 1


def test_a_paused_queue_is_left_alone(db):
    start(db, note("a"))
    db.wf_queue("default", '{"paused":true}')
    assert db.wf_run() == 0
    db.wf_queue("default", '{"paused":false}')
    assert db.wf_run() == 1


def test_priority_comes_first(db):
    define(db, sql("a", "INSERT INTO log VALUES(:id)"))
    for id, priority in (("low", -1), ("high", 5), ("mid", 0)):
        db.wf_start("flow", id=id, priority=priority)
    db.wf_run()
    assert log(db) == ["high", "mid", "low"]


def test_what_a_rolled_back_transaction_has_run_is_run_again(db):
    start(db, note("a"), note("b"))
    db.execute("BEGIN")
    assert db.wf_run() == 2
    db.execute("ROLLBACK")
    assert log(db) == [] and db.wf_run() == 2 and log(db) == ["a", "b"]


@pytest.mark.parametrize("failing", [
    sql("bad", "UPDATE stock SET free = -1"),
    sql("bad", "INSERT OR FAIL INTO log SELECT 'bad' UNION ALL SELECT abs(-9223372036854775808)"),
    sql("bad", "INSERT INTO log VALUES('bad')", expect=2),
    sql("bad", "INSERT INTO log SELECT 'bad' FROM vanishing"),
], ids=["constraint", "or fail", "expect", "cannot run"])
def test_a_step_that_fails_in_a_transaction_takes_nothing_of_the_others_along(db, failing):
    """Steps share a savepoint there until one fails: then they are done again, each in its own."""
    returning = sqlite3.sqlite_version_info >= (3, 35)
    before = [note("a"), sql("b", "UPDATE stock SET held = held + 1" + " RETURNING held" * returning)]
    db.execute("CREATE TABLE vanishing(x)")
    start(db, *before, {**failing, "max_attempts": 2, "backoff": {"initial": 10, "factor": 1, "jitter": 0}, "on_error": "continue"}, note("c"))
    db.execute("DROP TABLE vanishing")
    db.execute("BEGIN")
    db.wf_run()
    first = (log(db), db.value("SELECT held FROM stock"), steps(db)["a"], steps(db)["b"], db.value("SELECT count(*) FROM wf_steps WHERE name = 'b'"))
    assert first == (["a"], 1, "done", "done", 1) and result(db, "b") == ({"held": 1} if returning else {"changes": 1})
    db.execute("COMMIT")
    if "vanishing" in failing["sql"]:
        assert "no such table" in reason(db) and db.value("SELECT count(*) FROM wf_failures") == 0
        return
    assert db.value("SELECT count(*) FROM wf_failures") == 1 and db.wf_status("w1") == "pending"
    db.at(10)
    db.execute("BEGIN")
    assert db.wf_run() == 2
    db.execute("COMMIT")
    assert log(db) == ["a", "c"] and db.wf_status("w1") == "completed" and db.value("SELECT count(*) FROM wf_failures") == 2
    assert db.wf_check() is None


def test_a_long_run_in_a_transaction_is_taken_back_to_a_savepoint(db):
    start(db, *(note("s%02d" % n) for n in range(80)))
    db.execute("BEGIN")
    assert db.wf_run(limit=3) == 3
    db.execute("SAVEPOINT mine")
    assert db.wf_run(limit=70) == 70
    assert log(db) == ["s%02d" % n for n in range(73)] == [name for name, status in steps(db).items() if status == "done"]
    db.execute("ROLLBACK TO mine")
    assert log(db) == ["s00", "s01", "s02"] and db.wf_run(limit=1) == 1
    db.execute("COMMIT")
    assert log(db) == ["s00", "s01", "s02", "s03"] and db.wf_run() == 76 and db.wf_status("w1") == "completed"


def test_a_run_that_fails_late_in_a_transaction_leaves_nothing_of_it_there(db):
    """All of the call or nothing: also where it was at work for longer than it stays with one workflow."""
    start(db, *(note("s%02d" % n) for n in range(80)))
    db.wf_start("flow", id="w2")
    db.execute("CREATE TRIGGER refuse BEFORE INSERT ON _wf_step WHEN new.name = 's70' BEGIN SELECT RAISE(ABORT, 'no such luck'); END")
    before = db.everything()
    db.execute("BEGIN")
    db.execute("INSERT INTO log VALUES('mine')")
    with pytest.raises(sqlite3.Error, match="no such luck"):
        db.wf_run(id="w1")
    assert (db.in_transaction, log(db), db.everything()) == (True, ["mine"], before)
    db.execute("COMMIT")
    db.execute("DROP TRIGGER refuse")
    assert db.wf_run() == 160 and db.wf_check() is None


def test_it_is_refused_inside_a_writing_statement(db):
    start(db, note("a"))
    with wf_error("WF_CONTEXT", "wf_run"):
        db.execute("INSERT INTO log VALUES(wf_run())")


def test_it_is_not_for_triggers_and_views(db):
    db.execute("CREATE VIEW v AS SELECT wf_run()")
    with pytest.raises(sqlite3.OperationalError, match="unsafe use"):
        db.rows("SELECT * FROM v")


def test_it_fires_schedules(db):
    define(db, note("nightly"))
    db.wf_schedule("s", "0 * * * *", "flow")
    db.at(3600)
    assert db.wf_run() == 1 and log(db) == ["nightly"]


def test_two_connections_take_turns(db, connect):
    other = connect()
    other.at(0)
    start(db, *(note("s%d" % n) for n in range(10)))
    while db.wf_run(limit=1) + other.wf_run(limit=1):
        pass
    assert log(db) == ["s%d" % n for n in range(10)]


def test_items_are_not_done_again_by_a_retry(db):
    start(db, sql("a", "INSERT INTO log SELECT :item WHERE :item < 3 OR (SELECT free FROM stock) > 10", expect=1, for_each="VALUES(1), (2), (3)"), max_attempts=1)
    db.wf_run()
    assert log(db) == [1, 2] and db.wf_status("w1") == "failed"
    db.execute("UPDATE stock SET free = 20")
    db.wf_retry("w1")
    db.wf_run()
    assert log(db) == [1, 2, 3] and db.wf_status("w1") == "completed" and db.wf_check() is None


# A query of a step that ends, pauses or deletes its own workflow

OVERTAKING = {
    "when": dict(sql="INSERT INTO log VALUES('b')", when="{}"),
    "while": dict(sql="INSERT INTO log VALUES('b')", **{"while": "{}"}),
    "for_each": dict(sql="INSERT INTO log VALUES('b')", for_each="{}"),
    "input": dict(task="hands", input="{}"),
    "start input": dict(start="other", input="{}"),
    "sleep": dict(sleep="{}"),
    "await_event": dict(await_event="{}"),
    "emit": dict(emit="{}"),
    "payload": dict(emit="e", input="{}"),
}


@pytest.mark.parametrize("call", ["wf_cancel(:id)", "wf_pause(:id)", "wf_delete(:id, '{\"force\":true}')"])
@pytest.mark.parametrize("place", [*OVERTAKING, "output"])
def test_a_query_that_ends_its_own_workflow_ends_it(db, place, call):
    query = "SELECT " + call
    step = {"name": "b", **{key: value.format(query) for key, value in OVERTAKING.get(place, {"sql": "SELECT 1"}).items()}}
    keys = {"output": query} if place == "output" else {}
    start(db, note("a", undo="INSERT INTO log VALUES('undo a')"), step, *([] if place == "output" else [note("c")]), **keys)
    while db.wf_run():
        pass
    after = {"wf_cancel": ["a", "undo a"], "wf_pause": ["a"], "wf_delete": ["a"]}[call.split("(")[0]]
    assert log(db) == after and db.wf_check() is None
    assert db.column("SELECT status FROM wf_workflows") == {"wf_cancel": ["cancelled"], "wf_pause": ["paused"], "wf_delete": []}[call.split("(")[0]]
    assert db.value("SELECT count(*) FROM wf_events") == 0
    if "delete" in call:
        assert db.value("SELECT count(*) FROM _wf_step") == 0


# The items of a for_each stand once they are listed


def each(query, statement, **keys):
    return sql("f", statement, for_each=query, max_attempts=1, **keys)


@pytest.fixture
def jobs(db):
    db.execute("CREATE TABLE job(id INTEGER PRIMARY KEY, done INT DEFAULT 0)")
    db.execute("INSERT INTO job(id) VALUES(10), (20), (30)")
    db.execute("CREATE TABLE broken(id)")
    db.execute("INSERT INTO broken VALUES(20)")
    db.execute("CREATE TRIGGER breaks BEFORE UPDATE ON job WHEN NEW.id IN (SELECT id FROM broken) BEGIN SELECT RAISE(ABORT, 'broken'); END")
    return db


DO = "UPDATE job SET done = done + 1 WHERE id = :item"


@pytest.mark.parametrize("meanwhile", ["SELECT 1", "INSERT INTO job(id) VALUES(5)", "DELETE FROM job WHERE id = 10"])
def test_a_retry_goes_on_with_the_items_that_there_were(jobs, meanwhile):
    start(jobs, each("SELECT id FROM job WHERE NOT done ORDER BY id", DO), note("z"))
    jobs.wf_run()
    assert jobs.wf_status("w1") == "failed" and jobs.rows("SELECT id FROM job WHERE done = 1") == [(10,)] and jobs.wf_check() is None
    assert steps(jobs) == {"f": "failed", "f[0]": "done", "f[1]": "failed", "f[2]": "failed"}
    jobs.execute(meanwhile)
    jobs.execute("DELETE FROM broken")
    jobs.wf_retry("w1")
    assert jobs.wf_run() == 4
    assert jobs.wf_status("w1") == "completed" and jobs.wf_check() is None
    assert jobs.rows("SELECT id, done FROM job WHERE id NOT IN (5, 10)") == [(20, 1), (30, 1)]
    assert set(jobs.column("SELECT done FROM job WHERE id = 10")) <= {1} and set(jobs.column("SELECT done FROM job WHERE id = 5")) <= {0}


def test_items_that_were_undone_are_done_again_with_the_same_values(jobs):
    start(jobs, each("SELECT id FROM job WHERE NOT done ORDER BY id", DO, undo="INSERT INTO log VALUES('undo ' || :item)", after=[]), note("other", after=[]))
    jobs.wf_run()
    assert jobs.wf_status("w1") == "failed" and "undo 10" in log(jobs)
    jobs.execute("DELETE FROM broken")
    jobs.wf_retry("w1")
    while jobs.wf_run():
        pass
    assert jobs.wf_status("w1") == "completed" and jobs.wf_check() is None
    assert jobs.rows("SELECT id, done FROM job") == [(10, 2), (20, 1), (30, 1)]
    assert log(jobs).count("other") == 1


def test_items_wait_for_what_comes_before_their_step_is_done_again(jobs):
    start(jobs, note("first", undo="INSERT INTO log VALUES('undo first')"), each("SELECT id FROM job ORDER BY id", "INSERT INTO log SELECT :item WHERE (SELECT count(*) FROM broken) = 0", expect=1))
    jobs.wf_run()
    jobs.wf_run()
    assert log(jobs) == ["first", "undo first"] and jobs.wf_status("w1") == "failed"
    jobs.execute("DELETE FROM broken")
    jobs.wf_retry("w1")
    while jobs.wf_run():
        pass
    assert log(jobs)[:3] == ["first", "undo first", "first"] and sorted(log(jobs)[3:]) == [10, 20, 30]


def test_a_fork_from_a_for_each_lists_its_items_anew(db):
    define(db, note("a"), sql("f", "INSERT INTO log VALUES(:item)", for_each="SELECT value FROM json_each(:p)"), input={"p": "json"})
    db.wf_start("flow", {"p": [1, 2]}, id="w1")
    db.wf_run()
    db.wf_fork("w1", **{"id": "k", "from": "f", "input": {"p": [7, 8, 9]}})
    db.wf_run()
    assert log(db) == ["a", 1, 2, 7, 8, 9] and db.wf_check() is None


def test_a_fork_of_a_half_done_for_each_goes_on_with_its_items(jobs):
    start(jobs, note("a"), each("SELECT id FROM job WHERE NOT done ORDER BY id", DO), note("z"))
    jobs.wf_run(limit=2)  # a, and the list
    jobs.wf_run(limit=1)
    jobs.execute("DELETE FROM broken")
    jobs.wf_fork("w1", id="k")
    jobs.wf_cancel("w1")
    jobs.wf_run()
    assert jobs.rows("SELECT id, done FROM job") == [(10, 1), (20, 1), (30, 1)]
    assert jobs.wf_status("k") == "completed" and log(jobs) == ["a", "z"] and jobs.wf_check() is None


def test_a_retry_from_a_step_lists_the_items_after_it_anew(jobs):
    start(jobs, note("a"), each("SELECT id FROM job WHERE NOT done ORDER BY id", DO))
    jobs.wf_run()
    jobs.execute("DELETE FROM broken")
    jobs.wf_retry("w1", **{"from": "a"})
    jobs.wf_run()
    assert jobs.wf_status("w1") == "completed" and steps(jobs) == {"a": "done", "f": "done", "f[0]": "done", "f[1]": "done"}


# What goes wrong with one workflow does not stop the others


def test_statements_that_do_not_compile_stop_nobody_else(db):
    db.execute("CREATE TABLE gone(a)")
    define(db, sql("a", "INSERT INTO gone VALUES(:item)", for_each="VALUES(1), (2), (3)"), name="bad")
    define(db, note("good"), name="good")
    db.wf_start("bad", id="bad", priority=1)
    db.wf_start("good", id="good")
    db.execute("DROP TABLE gone")
    assert db.wf_run() == 2 and log(db) == ["good"]
    assert db.wf_status("bad") == "waiting" and "no such table" in reason(db, "bad") and db.wf_run() == 0
    db.execute("CREATE TABLE gone(a)")
    db.at(1)
    assert db.wf_run() == 3 and db.column("SELECT a FROM gone ORDER BY a") == [1, 2, 3]


def test_what_the_statement_meets_is_a_failure_of_its_step(db, tmp_path):
    """Also a read-only file that is attached, and a damaged index; only what passes, or concerns the file itself, is an error of wf_run."""
    other = tmp_path / "other.db"
    sqlite3.connect(other).executescript("CREATE TABLE t(x)")
    db.execute("ATTACH ? AS ro", ("file:%s?mode=ro" % other,))
    start(db, sql("a", "INSERT INTO ro.t VALUES(1)", max_attempts=1, on_error="continue"), note("b"))
    assert db.wf_run() == 2 and log(db) == ["b"] and db.wf_status("w1") == "completed"
    assert "readonly" in db.value("SELECT error FROM wf_failures")


def test_a_result_that_is_too_long_is_a_failure_of_its_step(db):
    start(db, sql("a", "SELECT hex(zeroblob(300)) AS x, hex(zeroblob(300)) AS y", max_attempts=1, on_error="continue"), note("b"))
    if sqlite3.sqlite_version_info < (3, 39):  # it reads nothing of a row that is longer than its limit: no table can be made beside those of ours
        db.make("_wf_failure")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
    assert db.wf_run() == 2 and log(db) == ["b"]
    assert "too big" in db.value("SELECT error FROM wf_failures")


# The application's transaction

ROLLS_BACK = "CREATE {} TRIGGER g AFTER INSERT ON log BEGIN SELECT RAISE(ROLLBACK, 'boo'); END"


def in_a_transaction(db):
    """Runs a new workflow in a transaction; whether that is still there."""
    db.wf_start("flow")
    db.execute("BEGIN")
    db.execute("INSERT INTO stock(sku) VALUES('precious')")
    count = db.wf_run()
    assert db.in_transaction and db.value("SELECT count(*) FROM stock WHERE sku = 'precious'") == 1
    db.execute("ROLLBACK")
    return count


def test_a_temp_trigger_that_took_the_place_of_another_is_seen(db):
    start(db, note("a"))
    db.execute("CREATE TEMP TRIGGER g AFTER INSERT ON log BEGIN SELECT 1; END")
    assert db.wf_run() == 1
    db.execute("DROP TRIGGER g")
    db.execute(ROLLS_BACK.format("TEMP"))
    assert in_a_transaction(db) == 0


def test_a_trigger_with_the_schema_version_of_one_that_was_rolled_back_is_seen(db):
    define(db, note("a"))
    db.execute("BEGIN")
    db.execute("CREATE TRIGGER g AFTER INSERT ON log BEGIN SELECT 1; END")
    db.wf_start("flow")
    assert db.wf_run() == 1
    db.execute("ROLLBACK")
    db.execute(ROLLS_BACK.format(""))
    assert in_a_transaction(db) == 0


def test_a_trigger_that_a_pragma_wakes_is_seen(db):
    db.execute("CREATE TABLE t(x PRIMARY KEY)")
    db.execute("CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT RAISE(ROLLBACK, 'boo'); END")
    define(db, sql("a", "REPLACE INTO t VALUES(1)"))
    db.wf_start("flow")
    assert db.wf_run() == 1
    db.execute("PRAGMA recursive_triggers = ON")
    assert in_a_transaction(db) == 0


def test_a_rollback_that_nothing_foretells_fails_the_step(db):
    """A trigger on a table that the statement does not name: of a virtual table's own tables, or of what a wf_ function writes."""
    start(db, note("a"), sql("b", "SELECT wf_signal(:id, 'x')", max_attempts=1, on_error="continue"), note("c"))
    db.make("_wf_signal")
    db.execute("CREATE TRIGGER g AFTER INSERT ON _wf_signal BEGIN SELECT RAISE(ROLLBACK, 'boo'); END")
    assert db.wf_run() == 3 and log(db) == ["a", "c"] and db.wf_status("w1") == "completed" and steps(db)["b"] == "error"
    assert "boo" in db.value("SELECT error FROM wf_failures")
    db.wf_start("flow", id="w2")
    db.execute("BEGIN")
    with wf_error("WF_STATE", "step 'b' of workflow 'w2' has rolled back the transaction"):
        db.wf_run()
    assert not db.in_transaction and log(db) == ["a", "c"]


def test_wf_explain_tells_what_was_undone(db):
    undo = "INSERT INTO log VALUES('undo')"
    start(db, note("a", undo=undo), note("b", undo="UPDATE stock SET free = -1"), sql("each", "INSERT INTO log VALUES(:item)", for_each="VALUES(1), (2)", undo=undo),
          sql("some", "INSERT INTO log VALUES(:item)", for_each="VALUES(1), (2)", undo="UPDATE stock SET free = 1 - 2 * (:item = 1)"), sql("z", "UPDATE stock SET free = -1"), max_attempts=1)
    while db.wf_run():
        pass
    plan = db.wf_explain("w1")
    assert re.findall(r"^ +\d+\. \w+ +\[(.*?)\]", plan, re.M) == ["undone", "undo failed", "undone", "partly undone", "failed"], plan


# Cancelled before anything, or in the middle of its first step


def saga(*first):
    return [*first, note("a", undo="INSERT INTO log VALUES('undo a')"), note("b", undo="INSERT INTO log VALUES('undo b')")]


@pytest.mark.parametrize("first", [None, {"name": "f", "await": "go"}, {"name": "f", "sleep": "1h"}, {"name": "f", "task": "hands"},
                                   sql("f", "UPDATE stock SET free = -1")], ids=["not begun", "await", "sleep", "task", "retry"])
@pytest.mark.parametrize("ends", ["cancel", "timeout"])
def test_a_workflow_that_ends_before_a_step_is_done_does_nothing_more(db, first, ends):
    start(db, *saga(*[first] if first else []), timeout=60)
    if first:
        db.wf_run()
    if ends == "cancel":
        db.wf_cancel("w1")
    else:
        db.at(61)
    while db.wf_run():
        pass
    assert log(db) == [] and db.wf_status("w1") == {"cancel": "cancelled", "timeout": "failed"}[ends] and db.wf_check() is None


@pytest.mark.parametrize("undo", [{}, {"undo": "INSERT INTO log VALUES('undo a')"}])
def test_a_loop_whose_statement_cancels_its_workflow_goes_round_no_more(db, undo):
    start(db, note("a", **undo), sql("loop", "SELECT wf_cancel(:id)", **{"while": "SELECT :iteration < 3"}), note("c"))
    while db.wf_run():
        pass
    assert log(db) == ["a", *(["undo a"] if undo else [])] and db.wf_status("w1") == "cancelled" and db.wf_check() is None


def undone(db):
    start(db, *saga(), sql("c", "UPDATE stock SET free = -1"), max_attempts=1)
    while db.wf_run():
        pass
    assert log(db) == ["a", "b", "undo b", "undo a"] and db.wf_status("w1") == "failed"
    db.execute("DELETE FROM log")
    db.execute("DROP TABLE stock")
    db.execute("CREATE TABLE stock(free)")


def test_a_retry_from_a_step_does_again_what_was_undone_before_it(db):
    undone(db)
    db.wf_retry("w1", **{"from": "b"})
    while db.wf_run():
        pass
    assert log(db) == ["a", "b"] and db.wf_status("w1") == "completed" and db.wf_check() is None


def test_a_fork_does_what_was_undone(db):
    undone(db)
    db.wf_fork("w1", id="k")
    while db.wf_run():
        pass
    assert log(db) == ["a", "b"] and db.wf_status("k") == "completed" and db.wf_check() is None


def test_a_fork_does_items_that_were_undone(jobs):
    start(jobs, each("SELECT id FROM job ORDER BY id", DO, undo="UPDATE job SET done = done - 1 WHERE id = :item"))
    while jobs.wf_run():
        pass
    jobs.execute("DELETE FROM broken")
    jobs.wf_fork("w1", id="k")
    while jobs.wf_run():
        pass
    assert jobs.rows("SELECT id, done FROM job") == [(10, 1), (20, 1), (30, 1)] and jobs.wf_status("k") == "completed" and jobs.wf_check() is None


@pytest.mark.parametrize("call", ["wf_retry", "wf_fork"])
@pytest.mark.parametrize("from_", ["f[1]", "undo f"])
def test_from_names_a_step_not_an_item(jobs, call, from_):
    start(jobs, each("SELECT id FROM job", DO))
    jobs.wf_run()
    with wf_error("WF_INVALID", from_):
        getattr(jobs, call)("w1", **{"from": from_})


def test_a_trigger_that_a_step_has_made_in_passing_is_seen_by_the_next(db):
    """By a function of the application, in the middle of a transaction."""
    db.create_function("make_trigger", 0, lambda: db.execute(ROLLS_BACK.format("TEMP")) and 1)
    start(db, note("a"), sql("b", "SELECT make_trigger()"), note("c"))
    db.execute("INSERT INTO log VALUES('kept')")
    db.execute("BEGIN")
    db.execute("INSERT INTO stock(sku) VALUES('precious')")
    db.wf_run()
    assert db.in_transaction and log(db) == ["kept", "a"] and "ROLLBACK" in reason(db)
    db.execute("ROLLBACK")


BETWEEN = {
    "the step": (lambda other: other.wf_run(limit=1), "completed", ["first", "s", "s", "t"]),
    "all of it": (lambda other: other.wf_run(), "completed", ["first", "s", "s", "t"]),
    "a cancel": (lambda other: other.wf_cancel("w1"), "cancelled", ["first"]),
    "a pause": (lambda other: other.wf_pause("w1"), "paused", ["first"]),
    "a delete": (lambda other: other.wf_delete("w1", force=True), None, ["first"]),
}


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("act, status, wanted", BETWEEN.values(), ids=BETWEEN)
def test_what_others_do_before_a_failure_is_recorded_stands(db, connect, act, status, wanted, journal):
    """Between what is taken back and the record of why, another process comes: then it has not failed."""
    db.execute("PRAGMA journal_mode = " + journal)
    other = connect()
    other.at(0)
    other.execute("PRAGMA busy_timeout = 0")
    db.wf_queue("default", '{"concurrency":1,"hold":"started"}')
    failing, done = [], []
    db.create_function("who", 0, lambda: failing.append(1) or 1)
    other.create_function("who", 0, lambda: 2)
    start(db, note("first"), sql("s", "INSERT INTO log SELECT 's' FROM json_each('[1,2]') WHERE value <= who()", expect=2, max_attempts=1), note("t"))

    def between():
        if failing and not done and not db.in_transaction:
            try:
                done.append(act(other))
            except sqlite3.OperationalError:  # not yet
                pass
        return 0

    db.set_progress_handler(between, 1)
    db.wf_run(limit=2)
    db.set_progress_handler(None, 1)
    assert done, "nobody came between"
    db.wf_run()
    assert db.wf_status("w1") == status and log(db) == wanted
    assert db.value("SELECT count(*) FROM _wf_failure") == 0 and db.wf_check() is None
    assert db.value("SELECT count(*) FROM _wf_workflow WHERE limited IS NOT NULL AND finished_at IS NOT NULL") == 0


FOREVER = {"name": "spin", "sql": "INSERT INTO log VALUES(:id)", "while": "SELECT 1"}


@pytest.mark.parametrize("transaction", [False, True])
def test_a_loop_without_a_pause_keeps_nothing_else_from_its_turn(db, transaction):
    """What loops was begun once and would stand before all that is new for ever: after 32 steps in a row it stands behind."""
    define(db, FOREVER)
    define(db, note("a"), note("b"), name="short")
    db.wf_start("flow", id="loop")
    db.wf_start("short", id="s1")
    if transaction:
        db.execute("BEGIN")
    assert (db.wf_run(limit=100), db.wf_status("s1"), db.wf_status("loop")) == (100, "completed", "pending")
    if transaction:
        db.execute("COMMIT")
    assert (log(db)[:34], db.wf_check()) == (["loop"] * 32 + ["a", "b"], None)
    db.wf_start("short", id="s2")
    assert (db.wf_run(limit=2), db.wf_status("s2")) == (2, "completed")


def test_loops_take_turns_with_each_other_and_in_partitions(db):
    db.wf_queue("default", concurrency=10)
    define(db, FOREVER)
    for id in ("l1", "l2", "l3"):
        db.wf_start("flow", id=id, partition=id if id != "l3" else None)
    for now in range(1, 10):
        db.at(now)
        assert db.wf_run(limit=32) == 32
    # 96 each, but for who was interrupted: 50 milliseconds are as many steps as the machine does in them.
    ran = [log(db).count(id) for id in ("l1", "l2", "l3")]
    assert (sum(ran), max(ran) - min(ran) <= 32) == (288, True), ran
    assert db.wf_check() is None


def test_a_step_that_fails_again_and_again_within_its_workflow_stands_behind_too(db):
    define(db, {"name": "each", "for_each": "SELECT value FROM json_each('[%s]')" % ",".join(["1"] * 60), "on_error": "continue", "max_attempts": 1,
                "sql": "INSERT INTO stock(sku, free) VALUES('x', -1)"})
    define(db, note("a"), name="short")
    db.wf_start("flow", id="w1")
    db.wf_start("short", id="s1")
    assert (db.wf_run(limit=40), db.wf_status("s1"), db.wf_status("w1")) == (40, "completed", "pending")
    assert (db.wf_run(), db.wf_status("w1"), db.wf_check()) == (22, "completed", None)


def test_a_workflow_that_is_interrupted_before_that_goes_on_first(db):
    define(db, *[note("n%d" % n) for n in range(20)])
    for id in ("w1", "w2"):
        db.wf_start("flow", id=id)
    for _ in range(4):
        assert db.wf_run(limit=5) == 5
    assert (db.wf_status("w1"), db.wf_status("w2")) == ("completed", "pending")


@pytest.mark.parametrize("kind, topic", [("await", "signal"), ("await_event", "event")])
def test_a_wait_that_is_woken_for_nothing_goes_on_until_its_own_timeout(db, kind, topic):
    """Two branches wait for the same signal: the one that does not get it has not run out of time. The same of events, one after the other."""
    names = ("go", "go") if kind == "await" else ("e1", "e2")
    steps = [{"name": name, kind: wanted, "timeout": "1h", "after": []} for name, wanted in zip("ab", names)]
    start(db, *steps)
    db.wf_run()
    for now in (10, 20):
        db.at(now)
        db.wf_signal("w1", "other", 0)
        db.wf_run()
    db.wf_signal("w1", "go", 1) if kind == "await" else db.wf_emit("e1", 1)
    db.wf_run()
    assert db.column("SELECT status FROM wf_steps ORDER BY name") == ["done", "waiting"]
    db.at(3600 - 0.001)
    assert (db.wf_run(), db.wf_status("w1")) == (0, "waiting")
    db.at(3600)
    db.wf_run()
    outputs = [json.loads(output) for output in db.column("SELECT output FROM wf_steps ORDER BY name")]
    assert ([output[topic] for output in outputs], outputs[1]["timeout"], db.wf_status("w1")) == ([names[0], None], True, "completed")


def test_the_second_of_two_waits_gets_the_second_signal(db):
    start(db, *[{"name": name, "await": "go", "timeout": "1h", "after": []} for name in "ab"])
    db.wf_run()
    for now in (10, 20):
        db.at(now)
        db.wf_signal("w1", "go", now)
        db.wf_run()
    assert [json.loads(output)["payload"] for output in db.column("SELECT output FROM wf_steps ORDER BY name")] == [10, 20]


def test_a_wait_for_an_event_that_is_woken_after_trouble_goes_on(db):
    """Whoever wakes one that could not be woken does not know for what."""
    start(db, *[{"name": name, "await_event": "e" + name, "timeout": "1h", "after": []} for name in "ab"])
    db.wf_run()
    db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON _wf_workflow BEGIN SELECT raise(ABORT, 'no'); END")
    db.wf_emit("ea", 1)
    db.execute("DROP TRIGGER refuse")
    db.at(5)
    db.wf_run()
    assert (db.column("SELECT status FROM wf_steps ORDER BY name"), db.wf_check()) == (["done", "waiting"], None)
