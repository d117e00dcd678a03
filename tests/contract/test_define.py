"""wf_define, wf_undefine, wf_explain, and starting what is defined."""

import json
import sqlite3

import pytest
from support import wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.execute("CREATE TABLE t(x INTEGER PRIMARY KEY, y)")
    db.execute("CREATE TABLE strict(x UNIQUE ON CONFLICT ROLLBACK)")
    db.execute("CREATE TABLE plain(x)")
    db.execute("CREATE TABLE guarded(x)")
    db.execute("CREATE TRIGGER guard BEFORE INSERT ON guarded BEGIN SELECT raise(ROLLBACK, 'no'); END")
    return db


def step(text="SELECT 1", name="a", **keys):
    return {"name": name, "sql": text, **keys}


def document(*steps, **keys):
    return {"steps": list(steps) or [step()], **keys}


def test_it_returns_the_version_and_the_same_document_again_changes_nothing(db):
    assert db.wf_define("f", document()) == 1
    assert db.wf_define("f", ' {"steps" : [ {"sql":"SELECT 1", "name":"a"} ] }') == 1
    assert db.wf_define("f", document(step("SELECT 2"))) == 2
    assert db.rows("SELECT name, version, current, steps FROM wf_definitions ORDER BY version") == [("f", 1, 0, 1), ("f", 2, 1, 1)]
    assert db.wf_check() is None


@pytest.mark.parametrize(
    "doc, path, says",
    [
        ("[]", "", "must be a JSON object"),
        ("{", "", "not valid JSON"),
        ({}, "steps:", "at least one step"),
        ({"steps": []}, "steps:", "at least one step"),
        ({"steps": 5}, "steps:", "must be an array, got 5"),
        ({"steps": [5]}, "steps[0]:", "must be an object, got 5"),
        (document(stepz=1), "stepz:", "no such key; allowed are max_attempts"),
        (document({"name": "a"}), "steps[0]:", "one of sql, task, start"),
        (document({"name": "a", "sql": "SELECT 1", "sleep": 5}), "steps[0]:", "one of sql, task, start"),
        (document(step(name="")), "steps[0].name:", "a name"),
        (document({"sql": "SELECT 1"}), "steps[0].name:", "needs a name"),
        (document(step(name="no-dash")), "steps[0].name:", "no-dash"),
        (document(step(name="item")), "steps[0].name:", "means something already"),
        (document(step(name="Output")), "steps[0].name:", "means something already"),
        (document(step(), step(name="A")), "steps[1].name:", "steps[0]"),
        (document(step(name="f"), input={"f": "text"}), "steps[0].name:", "field of the input"),
        (document(step(), input={"f": "string"}), "input.f:", "text, integer, real, json or any"),
        (document(step(), input={"id": "text"}), "input.id:", "means something already"),
        (document(step(), input={"ID": "text"}), "input.ID:", "means something already"),
        (document(step(), input={"Output": "text"}), "input.Output:", "means something already"),
        (document(step(), input={"city": "text", "City": "text"}), "input.City:", "the field is given twice"),
        (document(step(wen="SELECT 1")), "steps[0].wen:", "allowed are name, sql, when"),
        (document({"name": "a", "sleep": "5s", "expect": 1}), "steps[0].expect:", "a step with sleep has no such key"),
        (document({"name": "a", "sleep": "a while"}), "steps[0].sleep:", "a duration"),
        (document({"name": "a", "sleep": -1}), "steps[0].sleep:", "a duration"),
        (document({"name": "a", "await": []}), "steps[0].await:", "array of names"),
        (document(step(after="z")), "steps[0].after:", "no step 'z'"),
        (document(step(after="a")), "steps[0].after:", "itself"),
        (document(step(after="b"), step(name="b", after="a")), "steps[0].after:", "circle"),
        (document(step(expect=-1)), "steps[0].expect:", "integer from 0"),
        (document(step(rows="some")), "steps[0].rows:", "first or all"),
        (document(step(on_error="stop")), "steps[0].on_error:", "fail or continue"),
        (document(step(max_attempts=0)), "steps[0].max_attempts:", "from 1"),
        (document(step(backoff={"initial": "x"})), "steps[0].backoff:", "initial, max"),
        (document(step(undo={})), "steps[0].undo:", "sql or task"),
        (document(step(undo={"sql": "SELECT 1", "what": 1})), "steps[0].undo.what:", "an undo has no such key"),
        (document(step(for_each="SELECT 1", **{"while": "SELECT 1"})), "steps[0].while:", "exclude each other"),
        (document(step("SELECT * FROM stokc")), "steps[0].sql:", "no such table: stokc"),
        (document(step("SELEC 1")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("SELECT 1; SELECT 2")), "steps[0].sql:", "one statement"),
        (document(step("; SELECT 1")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("PRAGMA journal_mode")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("ATTACH 'x' AS y")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("BEGIN")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("CREATE TABLE z(x)")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("EXPLAIN SELECT 1")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("VACUUM")), "steps[0].sql:", "must begin with SELECT"),
        (document(step("INSERT OR ROLLBACK INTO t VALUES(1, 1)")), "steps[0].sql:", "roll the whole transaction back"),
        (document(step("INSERT OR ROLLBACK INTO plain VALUES(1)")), "steps[0].sql:", "roll the whole transaction back"),
        (document(step("with c(x) as (values(1)) insert/**/or -- so\n rollback into plain select x from c")), "steps[0].sql:", "roll the whole transaction back"),
        (document(step('UPDATE OR ROLLBACK plain SET x = \'"\'')), "steps[0].sql:", "roll the whole transaction back"),
        (document(step(undo="INSERT OR ROLLBACK INTO plain VALUES(1)")), "steps[0].undo:", "roll the whole transaction back"),
        (document(step("INSERT INTO strict VALUES(1)")), "steps[0].sql:", "roll the whole transaction back"),
        (document(step("INSERT INTO guarded VALUES(1)")), "steps[0].sql:", "roll the whole transaction back"),
        (document(step(when="DELETE FROM t")), "steps[0].when:", "only read"),
        (document(step(undo="SELECT * FROM stokc")), "steps[0].undo:", "no such table: stokc"),
        (document(step(), output="SELECT * FROM stokc"), "output:", "no such table: stokc"),
        (document(step("SELECT ?")), "steps[0].sql:", "parameters have names"),
        (document(step("SELECT ?5")), "steps[0].sql:", "parameters have names"),
        (document(step("SELECT :nobody")), "steps[0].sql:", ":nobody: there is no field, step or built-in"),
        (document(step("SELECT :item")), "steps[0].sql:", "with for_each"),
        (document(step("SELECT :iteration")), "steps[0].sql:", "with while"),
        (document(step("SELECT :error")), "steps[0].sql:", "in an undo"),
        (document(step(undo="SELECT :iteration", **{"while": "SELECT :iteration < 3"})), "steps[0].undo:", "not in its undo"),
        (document(step(undo={"task": "q", "input": "SELECT :iteration"}, **{"while": "SELECT 0"})), "steps[0].undo.input:", "not in its undo"),
        (document(step("SELECT :attempt::x")), "steps[0].sql:", ":attempt::x: it has no members"),
        (document(step("SELECT :id::x")), "steps[0].sql:", ":id::x: it has no members"),
        (document(step("SELECT $now::x")), "steps[0].sql:", "$now::x: it has no members"),
        (document(step("SELECT :iteration::x", **{"while": "SELECT 0"})), "steps[0].sql:", ":iteration::x: it has no members"),
        (document(step("SELECT :a")), "steps[0].sql:", "own result"),
        (document(step("SELECT :b", after=[]), step(name="b", after=[])), "steps[0].sql:", "does not come after"),
        (document(step("SELECT :f::x"), input={"f": "text"}), "steps[0].sql:", "no members"),
        (document(step("SELECT 1\x00")), "steps[0].sql:", "NUL"),
    ],
)
def test_a_mistake_is_named_with_its_path(db, doc, path, says):
    with wf_error("WF_INVALID", "definition 'f': " + path, says) as raised:
        db.wf_define("f", doc if isinstance(doc, str) else json.dumps(doc))
    assert db.rows("SELECT * FROM wf_definitions") == []


@pytest.mark.parametrize("action", ["sql", "task", "start", "sleep", "await", "await_event", "emit"])
def test_null_is_no_action(db, action):
    with wf_error("WF_INVALID", "definition 'f': steps[0].%s: it must be a" % action, ", got null"):
        db.wf_define("f", {"steps": [{"name": "a", action: None}]})


@pytest.mark.parametrize(
    "path, doc",
    [
        ("steps[0].name", document(step(name=None))),
        *(("steps[0]." + key, document(step(**{key: None}))) for key in ("when", "after", "for_each", "while", "on_error", "expect", "rows", "max_attempts", "backoff", "undo", "description")),
        *(("steps[0]." + key, document({"name": "a", "start": "w", key: None})) for key in ("input", "timeout", "queue", "detached")),
        *(("steps[0].undo." + key, document(step(undo={"task": "q", key: None}))) for key in ("input", "max_attempts", "backoff")),
        *((key, document(**{key: None})) for key in ("input", "output", "queue", "timeout", "max_attempts", "backoff", "description")),
        ("steps", {"steps": None}),
    ],
)  # fmt: skip
def test_null_is_no_value_of_a_key(db, path, doc):
    with wf_error("WF_INVALID", "definition 'f': %s: it must be " % path, ", got null"):
        db.wf_define("f", doc)


def test_null_counts_as_a_second_action(db):
    with wf_error("WF_INVALID", "definition 'f': steps[0]: it must have one of"):
        db.wf_define("f", document(step(sleep=None)))


def test_all_mistakes_are_reported_at_once(db):
    with wf_error("WF_INVALID", "has 4 mistakes", "steps[0].sql: no such table: stokc", "steps[1].name", "steps[2].sleep", "steps[2].wen"):
        db.wf_define("f", document(step("SELECT * FROM stokc"), step(name="1"), {"name": "c", "sleep": "x", "wen": 1}))


def mistakes(db, doc):
    """{path: message} of what wf_define says."""
    with wf_error("WF_INVALID", "definition 'f'") as caught:
        db.wf_define("f", doc)
    text = caught.text.partition(": definition 'f'")[2].partition(": ")[2]
    found = dict(piece.split(": ", 1) for piece in text.split("; "))
    assert len(found) == 1 or " has %d mistakes: " % len(found) in caught.text, caught.text
    return found


NOT_AFTER = ":b: this step does not come after that one"
CIRCLE = "the steps wait for each other in a circle"


@pytest.mark.parametrize(
    "elsewhere, path",
    [
        (step(name="c", expect=-1), "steps[2].expect"),
        (step("SELECT * FROM stokc", name="c"), "steps[2].sql"),
        (step(name="c", after="nope"), "steps[2].after"),
        (step(name="c", after=5), "steps[2].after"),
        (step(name="1c"), "steps[2].name"),
        (step(name="A"), "steps[2].name"),
        (step(name="c", after="c"), "steps[2].after"),
        ({"name": "c"}, "steps[2]"),
        ("c", "steps[2]"),
    ],
)
def test_a_mistake_elsewhere_hides_no_wrong_order(db, elsewhere, path):
    found = mistakes(db, document(step("SELECT :b", after=[]), step(name="b"), elsewhere))
    assert set(found) == {"steps[0].sql", path} and found["steps[0].sql"] == NOT_AFTER


@pytest.mark.parametrize(
    "steps, path",
    [
        ([step("SELECT :b", after="bb"), step(name="b", after=[])], "steps[0].after"),
        ([step("SELECT :b", after=["c", "bb"]), step(name="b", after=[]), step(name="c", after=[])], "steps[0].after"),
        ([step(name="b", after=[]), step(name="c", after=5), step("SELECT :b", after="c")], "steps[1].after"),
        ([step(name="b", after=[]), "c", step("SELECT :b")], "steps[1]"),
        ([step(name="b", after=[]), step(name="c", after=[]), step(name="b"), step("SELECT :b", name="d")], "steps[2].name"),
    ],
)
def test_an_order_that_is_not_known_is_no_mistake(db, steps, path):
    """What is meant there could well come after it."""
    assert set(mistakes(db, document(*steps))) == {path}


def test_an_unknown_name_in_after_hides_no_circle(db):
    found = mistakes(db, document(step(after="b"), step(name="b", after="a"), step(name="c", after="nope")))
    assert found == {"steps[0].after": CIRCLE, "steps[2].after": "there is no step 'nope'"}


def test_every_circle_is_reported_once(db):
    steps = [step(after=[]), step(name="b", after="c"), step(name="c", after="d"), step(name="d", after="b"), step(name="e", after=["b", "f"]), step(name="f"), step(name="g")]
    assert mistakes(db, document(*steps, output="SELECT :a, :g")) == {"steps[1].after": CIRCLE, "steps[4].after": CIRCLE}


def test_a_field_that_is_given_again_and_again_is_one_mistake_each_time(db):
    with wf_error("WF_INVALID", "has 2 mistakes: input.X: the field is given twice", "; input.x: the field is given twice"):
        db.wf_define("f", '{"input":{"x":"text","X":"text","x":"any"},"steps":[{"name":"a","sleep":1}]}')


def test_no_step_is_found_by_an_empty_name(db):
    assert set(mistakes(db, document({"sql": "SELECT 1"}, step(after="")))) == {"steps[0].name", "steps[1].after"}


@pytest.mark.parametrize(
    "text",
    ["SELECT 1", "VALUES(1)", "WITH c AS (SELECT 1) SELECT * FROM c", "INSERT INTO t(y) VALUES(1)", "UPDATE t SET y = 1", "DELETE FROM t", "REPLACE INTO t VALUES(1, 1)",
     "-- a comment\n /* another */ select 1;  -- the end", "INSERT OR IGNORE INTO t VALUES(1, 1)", "SELECT @f, $f, :f"],
)  # fmt: skip
def test_what_may_run_is_accepted(db, text):
    assert db.wf_define("f", document(step(text), input={"f": "any"})) == 1


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO odd VALUES('INSERT OR ROLLBACK INTO t', 1, 1, 1) /* INSERT OR ROLLBACK */ -- UPDATE OR ROLLBACK",
        "INSERT INTO odd(\"update\", rollback) SELECT 'it''s INSERT OR ROLLBACK', \"update\" OR rollback FROM odd",
        "UPDATE odd SET [or] = [insert or rollback] OR rollback, [insert or rollback] = `update` or rollback",
        "INSERT INTO odd(rollback) SELECT :update OR rollback FROM odd UNION ALL SELECT $x::insert or rollback FROM odd",
        "INSERT OR ABORT INTO odd(rollback) VALUES(1)",
        "UPDATE OR IGNORE odd SET rollback = 1 OR rollback",
    ],
)
def test_words_of_a_conflict_may_stand_in_texts_comments_and_names(db, text):
    db.execute('CREATE TABLE odd("update", "or", rollback, "insert or rollback")')
    assert db.wf_define("f", document(step(text), input={"update": "any", "x": "json"})) == 1


def test_an_undo_may_use_members_of_the_error(db):
    assert db.wf_define("f", document(step("SELECT :input::x", undo="SELECT :error::message, :attempt, :id, :now, :a::n"))) == 1


def test_the_schema_of_editors_may_be_named(db):
    assert db.wf_define("f", {"$schema": "https://example.com/definition.schema.json", **document()}) == 1
    with wf_error("WF_INVALID", "$schema: it must be a text, got 5"):
        db.wf_define("f", {"$schema": 5, **document()})


@pytest.mark.parametrize("value", [5, None, b"{}"])
def test_a_definition_is_text(db, value):
    with wf_error("WF_INVALID", "definition of wf_define"):
        db.wf_define("f", value)


def test_odd_documents_are_refused_or_stored(db):
    deep = "[" * 5000 + "]" * 5000
    with wf_error("WF_INVALID", "not valid JSON"):
        db.wf_define("f", '{"steps":' + deep + "}")
    with wf_error("WF_INVALID", "steps: there may be 1000 steps"):
        db.wf_define("f", document(*(step(name="s%d" % n) for n in range(1001))))
    with wf_error("WF_INVALID", "the key is given twice"):
        db.wf_define("f", '{"steps":[{"name":"a","sql":"SELECT 1","sql":"SELECT 2"}]}')
    assert db.wf_define("f", document(*(step(name="s%d" % n, description="x" * 1000) for n in range(1000)))) == 1


def test_only_direct_calls_define_and_run(db):
    db.wf_init()
    for call in ("wf_define('f', '{}')", "wf_undefine('f')", "wf_run()"):
        db.execute("CREATE VIEW v AS SELECT %s" % call)
        with pytest.raises(sqlite3.OperationalError, match="unsafe use"):
            db.rows("SELECT * FROM v")
        db.execute("DROP VIEW v")
        with wf_error("WF_CONTEXT"):
            db.execute("INSERT INTO t(y) VALUES(%s)" % call)


def test_a_text_of_after_may_be_long_and_escaped(db):
    name = "b" * 100
    escaped = "".join("\\u%04x" % ord(c) for c in name)
    assert db.wf_define("f", '{"steps":[{"name":"%s","sleep":1},{"name":"a","after":["%s","%s"],"sql":"SELECT :%s"}]}' % (name, escaped, escaped, name)) == 1
    for size in [*range(100, 5000, 100), 100_000, 3_000_000]:
        for after in ('"\\/%s"', '["\\/%s","\\/%s"]'):
            text = after.replace("%s", "A" * size)
            with wf_error("WF_INVALID", "steps[0].after: there is no step '/AAAA"):
                db.wf_define("f", '{"steps":[{"name":"a","sleep":1,"after":%s}]}' % text)


def test_a_view_cannot_explain(db):
    """It compiles what it is handed."""
    db.wf_define("f", document())
    db.execute("CREATE VIEW v AS SELECT wf_explain('f')")
    with pytest.raises(sqlite3.OperationalError, match="unsafe use"):
        db.rows("SELECT * FROM v")
    db.execute("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT wf_explain('f'); END")
    with pytest.raises(sqlite3.OperationalError, match="unsafe use"):
        db.execute("INSERT INTO t(y) VALUES(1)")


# Starting


def test_a_start_is_bound_to_the_version_that_was_current(db):
    db.wf_define("f", document(step("INSERT INTO t(y) VALUES('one')")))
    db.wf_start("f", id="old")
    db.wf_define("f", document(step("INSERT INTO t(y) VALUES('two')")))
    db.wf_start("f", id="new")
    db.wf_start("f", id="asked", version="1")
    assert dict(db.rows("SELECT id, version FROM wf_workflows")) == {"old": "1", "new": "2", "asked": "1"}
    assert db.rows("SELECT version, live FROM wf_definitions ORDER BY version") == [(1, 2), (2, 1)]
    db.wf_run()
    assert sorted(db.column("SELECT y FROM t")) == ["one", "one", "two"]


@pytest.mark.parametrize("version", ["3", "0", "x"])
def test_a_version_that_is_not_there_is_not_found(db, version):
    db.wf_define("f", document())
    with wf_error("WF_NOT_FOUND", "'f' has no version '%s'" % version):
        db.wf_start("f", version=version)


@pytest.mark.parametrize(
    "given, says",
    [
        ({"t": 5}, "field 't' of the input of 'f' must be text, got 5"),
        ({"i": 1.5}, "field 'i' of the input of 'f' must be an integer, got 1.5"),
        ({"r": "x"}, "field 'r' of the input of 'f' must be a number"),
        ([1], "must be a JSON object"),
        (5, "must be a JSON object"),
    ],
)
def test_the_input_is_checked_at_the_start(db, given, says):
    db.wf_define("f", document(input={"t": "text", "i": "integer", "r": "real", "j": "json", "x": "any"}))
    with wf_error("WF_INVALID", says):
        db.wf_start("f", given)
    assert db.wf_start("f", {"i": 3.0, "more": 1}, id="ok") == "ok"
    assert db.wf_start("f", id="none") == "none"


def test_a_scripted_workflow_is_not_manual(db):
    db.wf_define("f", document())
    with wf_error("WF_INVALID", "manual"):
        db.wf_start("f", manual=True)


def test_the_document_gives_defaults_for_the_start(db):
    db.wf_define("f", document(queue="q", timeout=60, max_attempts=3, backoff={"initial": 5}))
    db.wf_start("f", id="w1")
    db.wf_start("f", id="w2", queue="other", timeout=5, max_attempts=2)
    assert db.rows("SELECT queue, max_attempts, deadline_at - 0 > 0 FROM wf_workflows ORDER BY id") == [("q", 3, 1), ("other", 2, 1)]


def test_undefine_lets_go_on_what_is_under_way(db):
    db.wf_define("f", document(step("INSERT INTO t(y) VALUES('done')")))
    db.wf_start("f", id="w1")
    assert (db.wf_undefine("f"), db.wf_undefine("f")) == (1, 0)
    db.wf_start("f", id="w2")                              # an ordinary workflow, for workers
    db.wf_run()
    assert (db.wf_status("w1"), db.wf_status("w2")) == ("completed", "pending")
    assert db.claim()["id"] == "w2" and db.wf_check() is None
    assert db.wf_define("f", document(step("INSERT INTO t(y) VALUES('done')"))) == 1


def test_a_definition_that_was_never_used_goes_away_whole(db):
    db.wf_define("f", document())
    db.wf_undefine("f")
    assert db.rows("SELECT * FROM wf_definitions") == []


def test_a_trigger_may_start_what_is_defined_but_not_run_it(db):
    db.wf_define("f", document(step("INSERT INTO t(y) VALUES(:input)")))
    db.execute("CREATE TABLE inbox(x)")
    db.execute("CREATE TRIGGER go AFTER INSERT ON inbox BEGIN SELECT wf_start('f', json_quote(new.x)); END")
    db.execute("INSERT INTO inbox VALUES('hello')")
    assert db.wf_pending() == 1
    db.wf_run()
    assert db.column("SELECT y FROM t") == ['"hello"']


# wf_explain


def test_explain_draws_a_definition_by_name_and_by_document(db):
    doc = document(step("UPDATE t SET y = 1", expect=1, max_attempts=3), {"name": "nap", "sleep": "90s"}, step(name="c", after="a", when="SELECT 1", undo="DELETE FROM t"))
    db.wf_define("f", doc)
    plan = db.value("SELECT wf_explain('f')")
    assert plan.splitlines()[0] == "f version 1"
    for piece in ("1. a", "UPDATE t SET y = 1", "expects 1 row; at most 3 attempts", "sleep 90s", "when SELECT 1", "after a", "undo DELETE FROM t"):
        assert piece in plan, piece
    assert db.value("SELECT wf_explain(?)", json.dumps(doc)).splitlines()[1:] == plan.splitlines()[1:]


def test_explain_takes_a_document_that_begins_with_white_space(db):
    plan = db.value("SELECT wf_explain(?)", json.dumps(document()))
    assert db.value("SELECT wf_explain(?)", " \r\n\t" + json.dumps(document(), indent=1)) == plan


def test_explain_shows_the_state_of_a_workflows_steps(db):
    db.wf_define("f", document(step(), {"name": "nap", "sleep": "90s"}, step(name="c")))
    db.wf_start("f", id="w1")
    db.wf_run()
    plan = db.value("SELECT wf_explain('w1')")
    assert plan.splitlines()[0] == "w1: f version 1, waiting"
    assert "[done]" in plan and "[waiting]" in plan and "[planned]" in plan


def test_explain_as_a_flowchart(db):
    chart = db.value("SELECT wf_explain(?, '{\"format\":\"mermaid\"}')", json.dumps(document(step("SELECT 'x'"), step(name="b"))))
    assert chart.splitlines() == ["flowchart TD", "  s0[\"a: SELECT 'x'\"]", "  s1[\"b: SELECT 1\"]", "  s0 --> s1"]


def test_explain_of_nothing_is_not_found_and_of_nonsense_invalid(db):
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.value("SELECT wf_explain('nobody')")
    with wf_error("WF_INVALID", "definition: steps"):
        db.value("SELECT wf_explain('{}')")
    db.wf_start("job", id="j")
    with wf_error("WF_NOT_FOUND", "'j'"):
        db.value("SELECT wf_explain('j')")
