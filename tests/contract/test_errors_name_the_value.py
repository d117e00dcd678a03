"""What is wrong with an argument, an option or a setting is said with the value that was given, so that one who did not write it finds where it comes from."""

import json
import re
import sqlite3

import pytest

from support import open_database

# No option or setting is like these; each shows by its mark in the message. (-987654321 is in the bounds of none.)
BAD = [([["x7x"]], "x7x"), ({"x7x": {"x7x": 1}}, "x7x"), (-987654321, "-987654321"), (0.987654321, "0.987654321"), ("x7x\u0001x", "x7x")]


@pytest.fixture(scope="module")
def shared():
    db = open_database(":memory:")
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    db.wf_schedule("old", "@daily", "job")
    db.wf_start("job", id="w")
    yield db
    db.close()


def call(db, function, *arguments):
    """What it says is wrong with them; None: nothing, or not with them."""
    db.execute("SAVEPOINT s")
    try:
        db.value("SELECT %s(%s)" % (function, ", ".join("?" * len(arguments))), *arguments)
    except sqlite3.Error as error:
        return str(error) if str(error).startswith("WF_INVALID: ") else None
    finally:
        db.execute("ROLLBACK TO s")
        db.execute("RELEASE s")
    return None


def functions(db):
    """Name, names of the arguments and how many of them are required."""
    for name, signature in db.rows("SELECT name, signature FROM wf_functions"):
        inside = signature[signature.index("(") + 1:-1]
        yield name, re.findall(r"\w+", inside), len(re.findall(r"\w+", inside.split("[")[0]))


GOOD = {"handle": "w", "id": "w", "ids": "w", "step": "a", "name": "old", "waits": '[{"signal":"go"}]', "cron": "@daily", "definition": '{"steps":[{"name":"a","sql":"SELECT 1"}]}', "outcome": "done",
        "error": "no", "input": 1, "limit": "api", "value": 1, "json": "{}", "offset": 0}


def good(argument):
    return GOOD.get(argument, "x")


def options(db, function, arguments):
    message = call(db, function, *[good(a) for a in arguments[:-1]], '{"x7x":1}') or ""
    return re.findall(r"\w+", message.split("; allowed are ")[1]) if "; allowed are " in message else []


def test_of_every_option(shared):
    tried = 0
    for name, arguments, _ in functions(shared):
        if not arguments or arguments[-1] != "options":
            continue
        known = options(shared, name, arguments)
        assert known or name in ("wf_sync", "wf_wait"), name
        for option in known:
            for value, mark in BAD:
                message = call(shared, name, *[good(a) for a in arguments[:-1]], json.dumps({option: value}))
                if message is not None and 'the option "%s"' % option in message:
                    tried += 1
                    assert mark in message, (name, option, value)
    assert tried > 500


def test_of_every_argument(shared):
    tried = 0
    for name, arguments, required in functions(shared):
        for i, argument in enumerate(arguments):
            if argument == "options":
                continue
            for value, mark in [("x7x\u0001x", "x7x"), ('{"x7x":', "x7x"), ('["x7x", 987654]', "x7x"), (-987654321, "-987654321"), (-0.987654321, "-0.987654321"), (b"x7x", "a BLOB"), ("", "empty")]:
                given = [good(a) for a in arguments[:max(required, i + 1)]]
                given[i] = value
                message = call(shared, name, *given)
                if message is not None and re.search(r"\b%s\b" % argument, message):
                    tried += 1
                    assert mark in message or (mark == "empty" and "''" in message) or (value == '["x7x", 987654]' and "987654" in message) or "got a blob" in message, (name, argument, value, message)
    assert tried > 200


def test_of_every_setting(shared):
    settings = re.findall(r"\w+", call(shared, "wf_config", "x7x", 1).split("there are")[1])
    assert len(settings) > 8
    for setting in settings:
        refused = 0
        for value, mark in [("x7x\u0001x", "x7x"), (-987654321, "-987654321"), (-0.987654321, "-0.987654321"), (b"x7x", "a BLOB")]:
            message = call(shared, "wf_config", setting, value)
            if message is not None and "read-only" not in message:
                refused += 1
                assert mark in message or (mark == "a BLOB" and "got a blob" in message), (setting, value, message)
        assert refused or setting in ("schema_version", "epoch"), setting
