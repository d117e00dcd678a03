"""Mistakes planted into a good definition: each with the path that wf_define has to name, and words of the message."""

import copy

# Tables that only mistakes use.
SCHEMA = """
CREATE TABLE trap(n UNIQUE ON CONFLICT ROLLBACK);
CREATE TABLE unguarded(n);
CREATE TABLE mine(n);
CREATE TRIGGER mine_raises BEFORE INSERT ON mine BEGIN SELECT RAISE(ROLLBACK, 'boom') WHERE NEW.n > 5; END;
CREATE TABLE outer_mine(n);
CREATE TRIGGER outer_mine_inserts AFTER DELETE ON outer_mine BEGIN INSERT INTO mine VALUES(OLD.n); END;
"""

# Statements that no step may hold, with a word of the reason ("" if any will do).
STATEMENTS = [
    ("UPDATE stokc SET n = 1", "no such table: stokc"),
    ("SELECT nope FROM log", "no such column: nope"),
    ("SELECT no_function(1)", "no such function: no_function"),
    ("SELEC 1", ""),
    ("SELECT (1", ""),
    ("", ""),
    ("-- nothing", ""),
    ("SELECT 1; SELECT 2", ""),
    ("DELETE FROM log; DROP TABLE log", ""),
    ("PRAGMA user_version = 5", ""),
    ("CREATE TABLE t(x)", ""),
    ("DROP TABLE log", ""),
    ("ALTER TABLE log ADD COLUMN z", ""),
    ("BEGIN", ""),
    ("COMMIT", ""),
    ("SAVEPOINT s", ""),
    ("ROLLBACK", ""),
    ("ATTACH ':memory:' AS other", ""),
    ("VACUUM", ""),
    ("REINDEX", ""),
    ("EXPLAIN SELECT 1", ""),
    ("INSERT OR ROLLBACK INTO log(wf, step) VALUES(:id, 'x')", ""),
    ("UPDATE OR ROLLBACK purse SET n = NULL", ""),
    ("INSERT OR ROLLBACK INTO unguarded VALUES(1)", "OR ROLLBACK"),
    ("SELECT :id::x, :attempt", ":id::x"),
    ("INSERT INTO trap VALUES(1)", ""),
    ("INSERT INTO mine VALUES(1)", ""),
    ("DELETE FROM outer_mine", ""),
    ("SELECT ?", "?"),
    ("SELECT ?1", "?"),
    ("SELECT :unheard_of", "unheard_of"),
    ("SELECT $unheard_of::member", "unheard_of"),
    ("SELECT :item", "item"),
    ("SELECT :iteration", "iteration"),
    ("SELECT :error", "error"),
    ("INSERT INTO log(wf, step, v) VALUES(:id, 'x')", ""),
]
# Texts that are no query.
QUERIES = [
    ("DELETE FROM log WHERE 0", ""),
    ("UPDATE purse SET n = 1", ""),
    ("SELECT 1; SELECT 2", ""),
    ("SELECT x FROM nowhere", "no such table: nowhere"),
    ("PRAGMA user_version", ""),
    ("SELECT :unheard_of", "unheard_of"),
]
# Keys with values that they may not have, in a step with this action.
VALUES = [
    ("sql", "expect", -1),
    ("sql", "expect", "one"),
    ("sql", "expect", 1.5),
    ("task", "expect", 1),
    ("sql", "rows", "some"),
    ("sleep", "rows", "all"),
    ("sql", "on_error", "ignore"),
    ("sql", "max_attempts", 0),
    ("task", "max_attempts", "many"),
    ("sql", "backoff", 5),
    ("sql", "backoff", {"start": 1}),
    ("task", "timeout", "soon"),
    ("sql", "timeout", 5),
    ("sleep", "timeout", 5),
    ("await", "timeout", -1),
    ("start", "detached", "yes"),
    ("task", "detached", True),
    ("task", "queue", "q"),
    ("sql", "input", "SELECT 1"),
    ("sleep", "for_each", "SELECT 1"),
    ("emit", "for_each", "SELECT 1"),
    ("emit", "while", "SELECT 0"),
    ("sql", "when", True),
    ("sql", "after", "nowhere"),
    ("sql", "after", ["load", "nowhere"]),
    ("sql", "after", 5),
    ("sql", "description", 5),
    ("sql", "undo", 7),
    ("sql", "undo", {"sql": "SELECT 1", "queue": "x"}),
    ("sql", "undo", {"sql": "SELECT 1", "task": "x"}),
    ("sql", "undo", {}),
    ("sql", "undo", {"sql": "SELECT nope"}),
    ("sql", "undo", "SELECT 1; SELECT 2"),
    ("sql", "undo", {"task": "q", "input": "SELECT nope"}),
    ("sql", "undo", "PRAGMA user_version"),
    ("sql", "when", "SELECT :zz_other"),
    ("sql", "retries", 3),
    ("sql", "undo", None),
    ("task", "input", None),
    ("sleep", "when", None),
    ("sql", "For_each", "SELECT 1"),
]
ACTIONS = {"sql": "SELECT 1", "task": "q", "start": "w", "sleep": 1, "await": "s", "await_event": "e", "emit": "e", "acquire": "r"}
BAD_ACTIONS = [
    ("sleep", "a while"),
    ("sleep", -1),
    ("sleep", [1]),
    ("sleep", "SELECT nope"),
    ("await", []),
    ("await", 5),
    ("await", ["a", 5]),
    ("await", [{"signal": 5}]),
    ("await", ["a", {"signal": "b"}]),
    ("await", [{"join": ["w"]}]),
    ("await", [{"signal": "a", "event": "b"}]),
    ("await", ""),
    ("emit", 5),
    ("emit", "SELECT nope"),
    ("await_event", ""),
    ("await_event", ["a"]),
    ("task", ""),
    ("task", 5),
    ("start", 7),
    ("sql", 5),
    ("sql", ["SELECT 1"]),
    ("sql", None),
    ("await", None),
    ("emit", None),
    ("acquire", 5),
    ("acquire", ""),
    ("acquire", "SELECT nope"),
]
NAMES = ["", "1a", "a b", "a-b", "é", "input", "ID", "attempt", "now", "item", "iteration", "error", "output", "x" * 101, 5]
TOP = [
    ("stepz", []),
    ("max_attempts", 0),
    ("max_attempts", "x"),
    ("backoff", {"initial": -1}),
    ("timeout", "later"),
    ("queue", ""),
    ("queue", 5),
    ("description", 5),
    ("output", "SELECT nope"),
    ("output", "DELETE FROM log"),
    ("output", 5),
    ("output", "SELECT :unheard_of"),
    ("input", []),
    ("input", {"zz f": "text"}),
    ("input", {"zz_f": "number"}),
    ("input", {"zz_f": 5}),
    ("input", {"id": "text"}),
    ("input", {"Now": "text"}),
    ("queue", None),
    ("$schema", 5),
]


def plant(rng, definition):
    """(the definition with mistakes, [(path, words)])"""
    definition = copy.deepcopy(definition)
    definition.pop("output", None)
    found, used = [], set()
    for n in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.choice([statement, statement, query, value, value, name, action, top, shape])
        wrong = copy.deepcopy(definition)
        path, words = kind(rng, wrong, n)
        if path not in used:  # two mistakes in one place may hide each other
            definition = wrong
            used.add(path)
            found.append((path, words))
    return definition, found


def add(definition, step):
    definition["steps"].append(step)
    return "steps[%d]" % (len(definition["steps"]) - 1)


def statement(rng, definition, n):
    sql, word = rng.choice(STATEMENTS)
    plain = [
        i
        for i, step in enumerate(definition["steps"])
        if isinstance(step, dict)
        and "sql" in step
        and "for_each" not in step
        and "while" not in step
        and not str(step.get("name", "zz")).startswith("zz")
    ]
    if plain and rng.random() < 0.5:
        i = rng.choice(plain)
        definition["steps"][i]["sql"] = sql
        definition["steps"][i].pop("expect", None)
        return "steps[%d].sql" % i, [word]
    return add(definition, {"name": "zz%d" % n, "sql": sql, "after": []}) + ".sql", [word]


def query(rng, definition, n):
    sql, word = rng.choice(QUERIES)
    key = rng.choice(["when", "for_each", "while", "input"])
    action = "task" if key == "input" else "sql"
    return add(definition, {"name": "zz%d" % n, action: ACTIONS[action], key: sql}) + "." + key, [word]


def value(rng, definition, n):
    action, key, wrong = rng.choice(VALUES)
    step = {"name": "zz%d" % n, action: ACTIONS[action], key: wrong}
    if wrong == "SELECT :zz_other":
        add(definition, {"name": "zz_other", "sql": "SELECT 1"})
        step["after"] = []
    return add(definition, step) + "." + key, ["zz_other"] if "zz_other" in str(wrong) else []


def name(rng, definition, n):
    first = str(definition["steps"][0]["name"])
    wrong = rng.choice(NAMES + [first.swapcase(), first, None, *definition.get("input", {})])
    step = {"name": wrong, "sql": "SELECT 1"}
    if wrong is None:
        del step["name"]
    return add(definition, step) + ".name", []


def action(rng, definition, n):
    key, wrong = rng.choice(BAD_ACTIONS)
    return add(definition, {"name": "zz%d" % n, key: wrong}) + "." + key, []


def top(rng, definition, n):
    key, wrong = rng.choice(TOP)
    if key == "input" and isinstance(wrong, dict):
        if "input" in definition:
            wrong = {**definition["input"], **wrong}
        definition[key] = wrong
        return key, []
    if key == "input":
        if definition.get("input"):
            key, wrong = "stepz", []
    definition[key] = wrong
    return key, ["unheard_of"] if "unheard_of" in str(wrong) else []


def shape(rng, definition, n):
    """A step as a whole is wrong."""
    kind = rng.randrange(5)
    if kind == 0:
        return add(definition, {"name": "zz%d" % n}), []
    if kind == 1:
        return add(definition, {"name": "zz%d" % n, "sql": "SELECT 1", "sleep": 5}), []
    if kind == 2:
        return add(definition, {"name": "zz%d" % n, "sql": "SELECT 1", "for_each": "SELECT 1", "while": "SELECT 0"}), []
    if kind == 3:
        return add(definition, {"name": "zz%d" % n, "sql": "SELECT 1", "after": "zz%d" % n}) + ".after", []
    return add(definition, "SELECT 1"), []
