"""docs/definition.schema.json says the same as wf_define."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = json.loads((DOCS / "definition.schema.json").read_text())
ACTIONS = ("sql", "task", "start", "sleep", "await", "await_event", "emit", "acquire")


def test_it_has_the_keys_that_wf_define_allows(memdb):
    """An unknown key makes wf_define list those it knows."""
    step = SCHEMA["$defs"]["step"]["properties"]
    undo = next(kind for kind in step["undo"]["anyOf"] if kind.get("type") == "object")["properties"]
    known = set()
    for action in ACTIONS:
        known |= allowed(memdb, {"steps": [{"name": "a", action: "SELECT 1", "?": 1}]})
    assert known == set(step)
    assert allowed(memdb, {"steps": [{"name": "a", "sql": "SELECT 1", "undo": {"sql": "SELECT 1", "?": 1}}]}) == set(undo)
    assert allowed(memdb, {"steps": [{"name": "a", "sql": "SELECT 1"}], "?": 1}) == set(SCHEMA["properties"])


def allowed(db, document):
    with pytest.raises(Exception) as raised:
        db.wf_define("d", document)
    return set(re.search("allowed are ([a-z_$, ]+)", str(raised.value))[1].split(", "))


def test_the_documentation_has_a_row_for_every_key():
    text = (DOCS / "scripts.md").read_text()
    table = text[text.index("| key |") : text.index("Exactly one of")]
    keys = set(re.findall("`([a-z_$]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))))
    assert keys == set(SCHEMA["properties"]) | set(SCHEMA["$defs"]["step"]["properties"])


@pytest.fixture(scope="module")
def is_valid():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA).is_valid


def is_defined(db, document):
    try:
        db.wf_define("d", json.dumps(document))
        return True
    except sqlite3.OperationalError as error:
        assert str(error).startswith("WF_INVALID: "), error
        return False


def test_the_document_of_the_documentation_is_valid_for_both(memdb, is_valid):
    memdb.execute("CREATE TABLE stock(sku, free, held)")
    memdb.execute("CREATE TABLE shipment(sku, qty)")
    found = re.findall(r"wf_define\('[a-z]+', '(\{.*?\})'\)", (DOCS / "scripts.md").read_text(), re.S)
    document = json.loads(found[0].replace("''", "'"))
    assert is_valid(document) and is_defined(memdb, document)


def sql(text="SELECT 1", **keys):
    return {"steps": [{"name": "a", "sql": text, **keys}]}


def act(action, value, **keys):
    return {"steps": [{"name": "a", action: value, **keys}]}


GOOD = [
    sql(), sql(expect=2.0), sql(expect=9223372036854775807), sql(rows="all"), sql(max_attempts=3.0), sql(max_attempts=1000000), sql(after=[]), sql(name="a" * 100), sql(name="_1"), sql(name="identity"),
    sql("-- why\n/* a * b **/ select 1"), sql("with c(x) as (select 1) select x from c"), sql("VALUES(1)"), sql(" insert into t values(1)"), sql("REPLACE INTO t VALUES(1)"),
    sql(when="/* so */ SELECT 1"), sql(backoff={}), sql(backoff={"initial": "1s", "max": "1ms", "factor": 1000, "jitter": 0}), sql(description=""), sql(on_error="continue"),
    sql(undo="DELETE FROM t"), sql(undo={"sql": "DELETE FROM t", "max_attempts": 2}), sql(undo={"task": "q", "input": "SELECT 1", "backoff": {"initial": 1}}),
    sql(for_each="SELECT 1"), sql(**{"while": "SELECT 0"}),
    *(act("sleep", value) for value in (0, 1.5, 315569519999, "30s", "1.5h", "1d2h3m4s5ms", "5m", "5ms", "00000000001d", "select 1", "\n SELECT 1", "values(5)")),
    *(act("sleep", 1, **{key: value}) for key, value in (("max_attempts", 3), ("when", "SELECT 1"), ("while", "SELECT 0"), ("undo", "SELECT 1"))),
    *(act("await", value) for value in ("s", ["s"], ["a", "a"], "select 1", "\u00e9" * 100)), act("await", "s", timeout="7d"),
    *(act("await", [value]) for value in ({"signal": "s"}, {"signal": ["a", "b"], "as": "x"}, {"event": "e"}, {"sleep": "1h"}, {"sleep": 5}, {"sleep": "2027-01-01"})),
    act("await", [{"signal": "a"}, {"sleep": 1}], mode="all"), act("await", "s", mode="any"),
    *(act("await_event", value) for value in ("e", "SELECT 1", "select", "with", "selected items", "values_of x")), act("await_event", "e", timeout=0),
    *(act("emit", value) for value in ("e", "SELECT 1", "x" * 255)), act("emit", "e", input="SELECT 1", max_attempts=3),
    act("task", "q", input="SELECT 1", timeout=5, for_each="SELECT 1"), act("task", "run_x", **{"while": "SELECT 0"}),
    act("start", "["), act("start", "w", queue="q", detached=True, timeout=3, for_each="SELECT 1", on_error="continue"),
    {"input": {}, **sql()}, {"input": {"x": "text", "Y1": "any", "z" * 100: "json"}, **sql()}, {"timeout": 0, **sql()}, {"timeout": "1d", "queue": "q", "max_attempts": 5, "backoff": {"initial": "1s"}, "description": "d", **sql()},
    {"output": "SELECT 1", **sql()}, {"$schema": "https://json-schema.org/", **sql()}, {"steps": [{"name": "s%d" % i, "sleep": 1} for i in range(1000)]},
    {"steps": [{"name": "a", "sleep": 1}, {"name": "b", "sleep": 1, "after": []}, {"name": "c", "sleep": 1, "after": ["a", "b"]}]},
]  # fmt: skip
BAD = [
    [], {}, {"steps": []}, {"steps": None}, {"steps": [None]}, {"steps": ["x"]}, {"steps": [{}]}, {"steps": [{"name": "a"}]}, {"steps": [{"sql": "SELECT 1"}]}, {"steps": [{"name": None, "sql": "SELECT 1"}]},
    {"steps": [{"name": "s%d" % i, "sleep": 1} for i in range(1001)]}, {"priority": 1, **sql()}, sql(sleep=1), sql(sleep=None), sql(sql2=1), sql(None), sql(5), sql(""), sql("-- nothing"), sql("SELEC 1"),
    sql("PRAGMA user_version"), sql("/* SELECT 1 */"), sql("-- SELECT 1"), sql("/* */ x */ SELECT 1"), sql("; SELECT 1"), sql("SELECTED"), sql("EXPLAIN SELECT 1"),
    *(sql(name=name) for name in ("", "1a", "a b", "a-b", "a\n", "\u00e9", "a" * 101, None, 5, "id", "input", "output", "Item", "NOW", "attempt", "iteration", "ERROR")),
    *({"input": {name: "text"}, **sql()} for name in ("", "1a", "a b", "a\n", "x" * 101, "id", "ID", "Output")), *({"input": value, **sql()} for value in (None, [], {"x": None}, {"x": "TEXT"}, {"x": "number"})),
    *(sql(**{key: value}) for key, value in (("queue", "q"), ("detached", True), ("timeout", 5), ("input", "SELECT 1"), ("expect", -1), ("expect", 1.5), ("expect", 1e300), ("expect", 9223372036854775808), ("rows", "ALL"))),
    *(sql(**{key: value}) for key, value in (("max_attempts", 0), ("max_attempts", 1000001), ("max_attempts", 1.5), ("on_error", "x"), ("when", ""), ("when", "insert into t values(1)"), ("when", "x"), ("description", 5))),
    *(sql(backoff=value) for value in (5, {"factor": 1001}, {"factor": 0.5}, {"jitter": 2}, {"initial": None}, {"initial": -1}, {"initial": "x"}, {"initial": 1, "initial2": 2})),
    *(sql(after=value) for value in (5, [None], "", "1a", ["id"], {})), sql(for_each="SELECT 1", **{"while": "SELECT 0"}), sql(for_each="DELETE FROM t"),
    *(sql(undo=value) for value in ("", {}, 5, [], "x", {"sql": "SELECT 1", "input": "SELECT 2"}, {"task": "q", "sql": "SELECT 1"}, {"task": "q", "timeout": 3}, {"task": "q", "description": "x"}, {"task": ""})),
    *(act("sleep", value) for value in (-1, 1e300, 315569520001, "", "30", "30S", ".5h", "1.h", "1h 30m", "1h1h", "5ms3h", "1w", "100000y", "99999999999d", "a while", "selected", "select", "s", "-- c\nselect 1", [1], None, True, "1h\n")),
    *(act("sleep", 1, **{key: value}) for key, value in (("expect", 1), ("rows", "all"), ("for_each", "SELECT 1"), ("timeout", 5), ("input", "SELECT 1"), ("queue", "q"), ("detached", True))),
    *(act("await", [value]) for value in ({}, {"signal": 5}, {"signal": []}, {"join": ["w"]}, {"sleep": "soon"}, {"sleep": None}, {"signal": "a", "event": "b"}, {"signal": "a", "x": 1}, {"signal": "a", "as": ""})),
    act("await", ["a", {"signal": "b"}]), act("await", "s", mode="first"), act("sleep", 1, mode="all"),
    *(act("await", value) for value in ("", [], ["a", 5], ["a", ""], "x\ny", None, 5, "x" * 256)), *(act("await", "s", **{key: "SELECT 1"}) for key in ("for_each", "input")),
    *(act("await_event", value) for value in ("", "x\u0001", "x" * 256, ["e"], None)), *(act("emit", value) for value in ("", "x\u0085", "x" * 256, 5, None)),
    *(act("emit", "e", **{key: value}) for key, value in (("while", "SELECT 0"), ("for_each", "SELECT 1"), ("timeout", 3), ("expect", 1))),
    *(act("task", value) for value in ("", "a\n", 5, None)), *(act("task", "q", **{key: value}) for key, value in (("expect", 1), ("rows", "all"), ("queue", "q"), ("detached", True))),
    act("start", 7), act("start", "x", queue=""), act("start", "x", detached="yes"), act("start", "x", detached=None), act("start", "x", rows="all"),
    *({key: None, **sql()} for key in ("queue", "timeout", "max_attempts", "backoff", "description", "output", "$schema")), {"queue": "", **sql()}, {"timeout": -1, **sql()}, {"timeout": "later", **sql()},
    {"output": "", **sql()}, {"output": "DELETE FROM t", **sql()}, {"$schema": 5, **sql()},
]  # fmt: skip


@pytest.mark.parametrize("verdict, documents", [(True, GOOD), (False, BAD)])
def test_both_give_the_same_verdict(memdb, is_valid, verdict, documents):
    memdb.execute("CREATE TABLE t(x)")
    for document in documents:
        shown = json.dumps(document)[:200]
        assert is_defined(memdb, document) == verdict, "wf_define: " + shown
        assert is_valid(document) == verdict, "the schema: " + shown


def test_both_give_the_same_verdict_on_every_key_with_every_action(memdb, is_valid):
    values = ["SELECT 1", "DELETE FROM t", "b", "5m", "all", "fail", "", "text", 0, 1, 7.5, -1, 1e18, True, False, None, [], ["b"], [1], {}, {"sql": "SELECT 1"}, {"task": "q"}, {"initial": 1}]
    memdb.execute("CREATE TABLE t(x)")
    accepted = 0
    for action in ACTIONS:
        for key in SCHEMA["$defs"]["step"]["properties"]:
            for value in values:
                if value in ("all", "fail", "text", "5m") and key == "after":
                    continue  # no such step
                document = {"steps": [{"name": "b", "sql": "SELECT 1"}, {"name": "a", action: "SELECT 1", key: value}]}
                if key == "name":
                    document["steps"][0]["name"] = "other"
                defined = is_defined(memdb, document)
                assert defined == is_valid(document), "wf_define says %s: %s" % (defined, json.dumps(document))
                accepted += defined
    assert accepted > 100
