"""Random definitions, each with its input and a plan of what the outside does: signals, events, answers to tasks, the end.

Every step draws from a generator of its own, named by seed and position, so that leaving steps out (`omit`) keeps the others.
Steps that may run at the same time write rows of their own, and read only what those before them wrote.
"""

import json
import sqlite3
from dataclasses import dataclass, field
from random import Random

RETURNING = sqlite3.sqlite_version_info >= (3, 35)

SCHEMA = """
CREATE TABLE log(n INTEGER PRIMARY KEY, wf TEXT NOT NULL, step TEXT NOT NULL, v, attempt);
CREATE INDEX log_of ON log(wf, step);
CREATE TABLE gate(wf, step, attempt, need, CHECK(attempt >= need));
CREATE TABLE door(wf, step, attempt, need);
CREATE TRIGGER door_closed BEFORE INSERT ON door WHEN NEW.attempt < NEW.need BEGIN SELECT RAISE(ABORT, 'the door is closed'); END;
CREATE TABLE hinge(oiled);
INSERT INTO hinge VALUES(0);
CREATE TABLE shelf(id INTEGER PRIMARY KEY);
CREATE TABLE pick(wf, step, shelf REFERENCES shelf(id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE purse(wf, step, n INTEGER NOT NULL, PRIMARY KEY(wf, step));
CREATE TRIGGER purse_log AFTER UPDATE ON purse BEGIN INSERT INTO log(wf, step, v) VALUES(NEW.wf, NEW.step, NEW.n - OLD.n); END;
INSERT INTO shelf VALUES(1);
"""
TABLES = ("log", "gate", "door", "pick", "purse")

# Workflows that steps start as children.
LIBRARY = {
    "lib_put": {
        "input": {"x": "any"},
        "steps": [{"name": "put", "sql": "INSERT INTO log(wf, step, v) VALUES(:id, 'put', :x)"}],
        "output": "SELECT json_object('put', :put::changes, 'x', typeof(:x))",
    },
    "lib_nap": {
        "steps": [{"name": "nap", "sleep": "40m"}, {"name": "try", "sql": "INSERT INTO gate VALUES(:id, 'try', :attempt, 2)"}],
        "output": "SELECT 'rested'",
    },
    "lib_fail": {
        "max_attempts": 2,
        "steps": [
            {
                "name": "did",
                "sql": "INSERT INTO log(wf, step, v) VALUES(:id, 'did', 1)",
                "undo": "INSERT INTO log(wf, step, v) VALUES(:id, 'undid', :error::step)",
            },
            {"name": "never", "sql": "INSERT INTO gate VALUES(:id, 'never', 0, 1)"},
        ],
    },
}


@dataclass
class Case:
    seed: str
    id: str
    definition: dict
    input: object
    signals: list = field(default_factory=list)  # {"step", "name", "payload", "late"}, in order
    events: dict = field(default_factory=dict)  # event: {"payload", "late"}
    answers: dict = field(default_factory=dict)  # step: {"fails": k, "every": m}
    awaits: dict = field(default_factory=dict)  # step: event it waits for
    ending: str = None  # what ends it early: "cancel", "force", "timeout"; "mended": it fails until the hinge is oiled, and is then retried
    cancel_after: int = 0
    reason: str = None
    sequence: bool = False

    @property
    def name(self):
        return "d-" + self.id

    @property
    def loops(self):
        return {step["name"] for step in self.definition["steps"] if "while" in step}

    def show(self):
        lines = [
            "-- seed %s, %s" % (self.seed, "sequence" if self.sequence else "graph"),
            json.dumps(self.definition, indent=1, ensure_ascii=False),
        ]
        for what in ("input", "signals", "events", "answers", "ending", "reason"):
            if getattr(self, what):
                lines.append("%s: %s" % (what, json.dumps(getattr(self, what), ensure_ascii=False)))
        return "\n".join(lines)


FIELD_VALUES = {
    "text": [None, "a", "it's", "", "é 😀", '{"k":1}', "17"],
    "integer": [None, 0, 1, 3, -7, 9007199254740993],
    "real": [None, 0.5, 2, -1.25],
    "json": [[1, 2, 3], ["a", "b"], {"k": 1, "l": [2]}, [], [1, "x", None, 2.5, [4]], "s"],
    "any": [None, "t", 5, 0.25, True, False, [1], {"k": "v"}],
}
CONSTANTS = ["1", "0", "42", "'x'", "'it''s'", "NULL", "x'00ff'", "2.5", "'é'", "'{\"k\":1}'", "'12'", "''", "hex(zeroblob(900))"]
CONDITIONS = [
    ("SELECT 1", 1),
    ("SELECT 0", 0),
    ("SELECT NULL", 0),
    ("SELECT 1 WHERE 0", 0),
    ("SELECT 'yes'", 0),
    ("SELECT '1x'", 1),
    ("SELECT 0.5", 1),
    ("VALUES (-1)", 1),
    ("SELECT x'31'", 1),
    ("SELECT '0.0'", 0),
    ("WITH c(x) AS (SELECT 3) SELECT x FROM c", 1),
]
NAMES = ["load", "Check", "_c", "d4", "Send_it", "f", "g_g", "H", "i9", "jot", "k", "Last"]


class Generator:
    def __init__(self, seed, id, size=None, omit=(), endings=True):
        self.seed, self.id, self.omit = seed, id, omit
        rng = self.rng = Random("%s case" % seed)
        self.sequence = rng.random() < 0.4
        self.size = size or rng.choice([1, 2, 3, 3, 4, 4, 5, 6, 7, 9, 12])
        self.case = Case(str(seed), id, {}, None, sequence=self.sequence)
        self.fields = {}
        for name, kind in zip("abcde", rng.sample(["text", "integer", "real", "json", "any", "json"], rng.randrange(5))):
            self.fields["in_" + name] = kind
        fatal = rng.random() < 0.25
        self.fatal_at = rng.randrange(self.size) if fatal else None
        if endings and not fatal and rng.random() < 0.15:
            self.case.ending = rng.choice(["cancel", "cancel", "cancel", "force", "timeout", "timeout"])
            self.case.cancel_after = rng.randrange(1, 3 * self.size + 2)
            self.case.reason = rng.choice([None, '"changed my mind"', '{"step":"me","code":7}'])
        elif endings and fatal and rng.random() < 0.3:
            self.case.ending = "mended"
        self.mended = self.case.ending == "mended"
        self.many_undos = rng.random() < (0.7 if fatal or self.case.ending else 0.15)
        self.steps, self.ancestors, self.shapes, self.emits = [], {}, {}, {}

    def generate(self):
        rng = self.rng
        last = None
        for i in range(self.size):
            if i in self.omit:
                continue
            step = self.step(Random("%s step %d" % (self.seed, i)), NAMES[i], i == self.fatal_at, last)
            self.steps.append(step)
            last = step["name"]
        if not self.sequence and rng.random() < 0.5:
            rng.shuffle(self.steps)
        self.simplify_after()
        definition = {"steps": self.steps}
        if self.fields:
            definition["input"] = self.fields
        if rng.random() < 0.75:
            definition["output"] = self.output(rng)
        if rng.random() < 0.3:
            definition["max_attempts"] = rng.randrange(3, 6)
        if rng.random() < 0.3:
            definition["backoff"] = rng.choice([{"initial": 0}, {"initial": "10ms", "factor": 1}, {"initial": 60, "max": "5m"}])
        if self.case.ending == "timeout":
            definition["timeout"] = "12h"
        if rng.random() < 0.2:
            definition["queue"] = rng.choice(["scripts", "night work"])
        keys = list(definition)
        rng.shuffle(keys)
        self.case.definition = {key: definition[key] for key in keys}
        if self.fields:
            self.case.input = {name: rng.choice(FIELD_VALUES[kind]) for name, kind in self.fields.items() if rng.random() < 0.9}
            if rng.random() < 0.3:
                self.case.input["more"] = [1, {"x": None}]
        else:
            self.case.input = rng.choice([None, 5, "text", [1, 2], {"k": "v"}])
        return self.case

    def simplify_after(self):
        """Says nothing where the default says the same."""
        before = None
        for step in self.steps:
            default = [before] if before else []
            if step["after"] == default and self.rng.random() < 0.7:
                del step["after"]
            elif len(step["after"]) == 1 and self.rng.random() < 0.5:
                step["after"] = step["after"][0]
            before = step["name"]

    # One step

    def step(self, rng, name, fatal, last):
        existing = [step["name"] for step in self.steps]
        if self.sequence:
            after = [last] if last else []
        else:
            after = rng.sample(existing, min(len(existing), rng.choice([0, 1, 1, 1, 2, 3])))
        above = set(after).union(*(self.ancestors[other] for other in after))
        self.ancestors[name] = above
        scope = {"name": name, "above": sorted(above), "more": []}
        step = {"name": name, "after": after}
        if fatal:
            self.fail_for_good(rng, step, scope)
        else:
            kind = rng.choice(
                ["sql"] * 9
                if self.mended
                else ["sql"] * 9 + ["task"] * 3 + ["start", "sleep", "sleep", "await", "await", "await_event", "emit", "acquire"]
            )
            self.shape(rng, step, scope, kind)
            getattr(self, kind)(rng, step, scope)
            if rng.random() < 0.25 and not self.mended:
                step["when"] = self.condition(rng, dict(scope, more=[]))
            for key in ("when", "for_each", "while"):
                if key in step and kind in ("sql", "sleep"):
                    step[key] = self.faltering(rng, step, step[key])
            if kind in ("sql", "task", "start") and rng.random() < 0.2 and not self.mended:
                step["on_error"] = rng.choice(["continue", "continue", "fail"])
        if self.many_undos and rng.random() < 0.7 or rng.random() < 0.05:
            if not self.mended or "sql" in step:
                step["undo"] = self.undo(rng, step, scope)
        if rng.random() < 0.1:
            step["description"] = "what it is for"
        return step

    def shape(self, rng, step, scope, kind):
        """for_each or while, before the action, which may then use :item or :iteration."""
        chance = rng.random()
        if kind in ("sql", "task", "start") and chance < 0.2:
            step["for_each"] = self.items(rng, scope)
            scope["more"] = [":item", ":item", ":item::k", "typeof(:item)"]
        elif kind != "emit" and chance > 0.85:
            most = rng.randrange(4)
            step["while"] = rng.choice(["SELECT :iteration < %d", "SELECT 1 WHERE :iteration < %d", "VALUES (:iteration - %d)"]) % most
            if step["while"].startswith("VALUES"):
                step["while"] = "SELECT :iteration IS NOT %d" % most
            scope["more"] = [":iteration", ":iteration", ":" + step["name"], ":%s::v" % step["name"]]
            scope["iterations"] = most

    def items(self, rng, scope):
        choices = [
            "VALUES (1), ('a b'), (x'00ff'), (2.5), (NULL), ('[1]')",
            "SELECT 1 AS k, 'x' AS l UNION ALL SELECT 2, NULL",
            "SELECT 7 WHERE 0",
            "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c" % rng.randrange(15),
        ]
        for name, kind in self.fields.items():
            if kind == "json":
                choices += ["SELECT value FROM json_each(:%s)" % name] * 3
        for other in scope["above"] if not self.mended else []:
            choices.append("SELECT v FROM log WHERE wf = :id AND step = '%s' ORDER BY typeof(v), v" % other)
            if self.shapes.get(other) == "list":
                choices += ["SELECT value FROM json_each(:%s)" % other] * 2
        return rng.choice(choices)

    def expression(self, rng, scope):
        choices = [rng.choice(CONSTANTS), rng.choice(CONSTANTS), ":attempt", ":id", ":input", "typeof(:now)", "length(@now)"] + scope[
            "more"
        ] * 3
        for name, kind in self.fields.items():
            choices += [":" + name, "$%s" % name, ":input::%s" % name, "json_extract(:input, '$.%s')" % name]
            choices += [":%s::k" % name] if kind in ("json", "any") else []
        for other in scope["above"]:
            choices += [
                ":" + other,
                "@%s" % other,
                ":%s::changes" % other,
                "$%s::v" % other,
                ":%s::payload" % other,
                ":%s::echo" % other,
                "json_type(:%s)" % other,
                ":%s::nothing" % other,
                "json_extract(:%s, '$.v')" % other,
                "(SELECT count(*) FROM log WHERE wf = :id AND step = '%s')" % other,
            ]
        if self.sequence and "undo" not in scope:
            choices += ["(SELECT count(*) FROM log WHERE wf = :id)", "(SELECT max(n) FROM purse WHERE wf = :id)"]
        return rng.choice(choices)

    def condition(self, rng, scope):
        if rng.random() < 0.5:
            return rng.choice(CONDITIONS)[0]
        return rng.choice(
            ["SELECT %s", "SELECT (%s) IS NOT NULL", "SELECT coalesce(%s, 0) > 1", "select %s", "SELECT typeof(%s) = 'text'"]
        ) % self.expression(rng, scope)

    # Actions

    def sql(self, rng, step, scope):
        name = step["name"]
        e = lambda: self.expression(rng, scope)
        choice = rng.random()
        if choice < 0.3:
            step["sql"] = "INSERT INTO log(wf, step, v, attempt) VALUES(:id, '%s', %s, :attempt)" % (name, e())
            if rng.random() < 0.2:
                step["expect"] = 1
        elif choice < 0.45:
            step["sql"] = rng.choice(
                ["SELECT %s AS v, %s AS w", "VALUES (%s, %s)", "SELECT 1 AS v, %s AS w, %s AS k UNION ALL SELECT 2, 3, 4"]
            ) % (e(), e())
            self.rows(rng, step)
        elif choice < 0.52:
            step["sql"] = (
                "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i, i * i AS v FROM c"
                % rng.randrange(1, 6)
            )
            self.rows(rng, step)
        elif choice < 0.6:
            step["sql"] = "INSERT INTO log(wf, step, v) SELECT :id, '%s', value FROM json_each(json_array(1, 2, %s))" % (
                name,
                e().replace("x'00ff'", "3"),
            )
            if "json_array(1, 2, :" in step["sql"] or "$" in step["sql"] or "@" in step["sql"]:
                step["sql"] = "INSERT INTO log(wf, step, v) SELECT :id, '%s', i FROM (SELECT 1 AS i UNION ALL SELECT 2)" % name
        elif choice < 0.68 and RETURNING:
            step["sql"] = "INSERT INTO log(wf, step, v) VALUES(:id, '%s', %s), (:id, '%s', 2) RETURNING v, step" % (name, e(), name)
            self.rows(rng, step)
        elif choice < 0.78 and "for_each" not in step and "while" not in step:
            step["sql"] = "INSERT OR REPLACE INTO purse VALUES(:id, '%s', %d)" % (name, rng.randrange(100))
        elif choice < 0.86 and self.sequence:
            step["sql"] = rng.choice(
                [
                    "UPDATE purse SET n = n + %d WHERE wf = :id" % rng.randrange(5),
                    "DELETE FROM log WHERE wf = :id AND step < 'g'",
                    "REPLACE INTO purse SELECT wf, step, n + 1 FROM purse WHERE wf = :id",
                    "/* a */ WITH c(x) AS (VALUES(3)) UPDATE purse SET n = (SELECT x FROM c) WHERE wf = :id -- b",
                    "DELETE FROM purse WHERE wf = :id",
                ]
            )
        else:
            most = step["max_attempts"] = rng.randrange(1, 5)
            need = rng.randrange(1, most + 1)
            if "item" in str(scope["more"]) and not self.mended and rng.random() < 0.5:
                need = "CASE WHEN typeof(:item) = 'integer' AND :item %% 3 = 1 THEN %d ELSE 1 END" % (
                    need + rng.randrange(2) * (step.setdefault("on_error", "continue") == "continue")
                )
            step["sql"] = self.failing(rng, name, need)
            if rng.random() < 0.3:
                step["backoff"] = rng.choice([{"initial": 0}, {"initial": 2, "factor": 3}, {"initial": "50ms", "jitter": 0.5}])
        if rng.random() < 0.05:
            step["sql"] = "  -- comment\n" + step["sql"] + " ; -- end"

    def rows(self, rng, step):
        if rng.random() < 0.5:
            step["rows"] = rng.choice(["all", "all", "first"])
        if step.get("rows") == "all" and "for_each" not in step and "while" not in step:
            self.shapes[step["name"]] = "list"

    def failing(self, rng, name, need):
        """A statement that fails while :attempt is less than need, after it has written something. (Without random() old versions of SQLite, 3.31 is one,
        compute what is constant beforehand, needed or not, and it would fail in every attempt.)"""
        return rng.choice(
            [
                "INSERT INTO gate VALUES(:id, '%s', :attempt, %s)",
                "INSERT OR FAIL INTO gate SELECT :id, '%s', a, b FROM (SELECT 1 AS a, 1 AS b UNION ALL SELECT :attempt, %s)",
                "INSERT INTO door VALUES(:id, '%s', :attempt, %s)",
                "INSERT INTO door SELECT :id, '%s', a, b FROM (SELECT 1 AS a, 1 AS b UNION ALL SELECT :attempt, %s)",
                "INSERT INTO log(wf, step, v) SELECT :id, '%s', CASE WHEN :attempt < %s THEN abs(-9223372036854775808 + 0 * random()) ELSE 7 END",
                "INSERT INTO log(wf, step, v) SELECT :id, '%s', CASE WHEN :attempt < %s THEN json('{broken' || random()) ELSE 8 END",
                "INSERT INTO pick SELECT :id, '%s', CASE WHEN :attempt < %s THEN 99 ELSE 1 END",
            ]
        ) % (name, need)

    def fail_for_good(self, rng, step, scope):
        most = step["max_attempts"] = rng.randrange(1, 4)
        choice = rng.random()
        need = "(SELECT 99 - 99 * oiled FROM hinge)" if self.mended else most + 1
        if self.mended or choice < 0.6:
            if rng.random() < 0.25:
                step["for_each"] = rng.choice(
                    [
                        "VALUES (1), (2), (3)",
                        "SELECT 2",
                        "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 9) SELECT i FROM c",
                    ]
                )
                need = "CASE WHEN :item = 2 THEN %s ELSE 1 END" % need
            elif rng.random() < 0.25:
                step["while"] = "SELECT :iteration < 4"
                need = "CASE WHEN :iteration = %d THEN %s ELSE 1 END" % (rng.randrange(4), need)
            step["sql"] = self.failing(rng, step["name"], need)
        elif choice < 0.7:
            step["sql"], step["expect"] = (
                "INSERT INTO log(wf, step, v) VALUES(:id, '%s', 1), (:id, '%s', 2)" % (step["name"], step["name"]),
                3,
            )
        elif choice < 0.8:
            step["sql"], step["expect"] = "SELECT 1 UNION ALL SELECT 2", 1
        elif choice < 0.9:
            step["task"] = "work"
            self.case.answers[step["name"]] = {"fails": most, "every": 1}
        else:
            step["start"] = "lib_fail"

    def faltering(self, rng, step, query):
        """Sometimes the query fails in the first attempt, or in the first two."""
        if rng.random() > 0.15:
            return query
        step["max_attempts"] = max(4, step.get("max_attempts", 0))
        return "WITH f(x) AS (SELECT CASE WHEN :attempt < %d THEN json('{broken' || random()) END) SELECT q.* FROM f, (%s) AS q WHERE f.x IS NULL" % (
            rng.randrange(2, 4),
            query,
        )

    def task(self, rng, step, scope):
        step["task"] = "work"
        if rng.random() < 0.6:
            step["input"] = rng.choice(["SELECT %s", "SELECT json_object('v', %s)", "SELECT json_array(%s)"]) % self.expression(
                rng, scope
            ).replace("x'00ff'", "'no blob'")
            if "json_" in step["input"]:
                step["input"] = step["input"].replace(":item)", "typeof(:item))")  # JSON cannot hold BLOBs
        if rng.random() < 0.5:
            most = step["max_attempts"] = rng.randrange(1, 5)
            fails = rng.randrange(most)
            if rng.random() < 0.2:
                fails, step["on_error"] = most, "continue"
            self.case.answers[step["name"]] = {"fails": fails, "every": rng.choice([1, 2, 3])}
        if rng.random() < 0.1:
            step["task"], step["timeout"], step["on_error"] = "void", rng.choice([5, "30s", "1m"]), "continue"
        elif rng.random() < 0.2:
            step["timeout"] = "1000d"

    def start(self, rng, step, scope):
        step["start"] = rng.choice(["lib_put", "lib_put", "lib_nap", "lib_fail", "by_worker"])
        if step["start"] == "lib_put":
            step["input"] = "SELECT json_object('x', typeof(%s))" % self.expression(rng, scope)
        if step["start"] == "lib_fail":
            step["on_error"] = "continue"
        if step["start"] == "by_worker":
            step["queue"] = "work"
        if rng.random() < 0.15:
            step["detached"] = rng.choice([True, False])

    def sleep(self, rng, step, scope):
        step["sleep"] = rng.choice([0, 1, 0.25, "10m", "1h30m", "SELECT 5", "SELECT '2m'", "select 1.5 * 2", "VALUES ('250ms')"])
        if "SELECT" in str(step["sleep"]):
            step["sleep"] = self.faltering(rng, step, step["sleep"])

    def acquire(self, rng, step, scope):
        step["acquire"] = rng.choice(["calls", "calls", "SELECT 'calls'"])
        if rng.random() < 0.5:
            step["key"] = rng.choice(["k", "SELECT NULL", "SELECT 'k'", "SELECT :id"])
        if rng.random() < 0.5:
            step["amount"] = rng.choice([1, 2, "SELECT 2", "SELECT 3.0"])
        if "SELECT" in str(step.get("amount")):
            step["amount"] = self.faltering(rng, step, step["amount"])

    def emit(self, rng, step, scope):
        event = "%s-%s" % (self.id, step["name"])
        step["emit"] = event if rng.random() < 0.6 else "SELECT :id || '-%s'" % step["name"]
        if rng.random() < 0.7:
            step["input"] = self.faltering(rng, step, "SELECT %s" % self.expression(rng, scope))
        if rng.random() < 0.2:
            self.case.events[event] = {"payload": {"first": True}, "late": False}
        self.emits[step["name"]] = event

    def messages(self, rng, step, scope):
        """How often it waits, and how each wait ends: an early or a late message, or None for the timeout."""
        times = scope.get("iterations", 1)
        kinds = ["early", "late"]
        if rng.random() < 0.5:
            step["timeout"] = rng.choice(["1000d", 86400000])
        kinds = [rng.choice(kinds)] * times
        if rng.random() < 0.3:
            step["timeout"] = rng.choice([0, 3, "20m"])
            kinds = [rng.choice(["early", "never"])] * times
        return kinds

    def await_(self, rng, step, scope):
        name = step["name"]
        names = ["sig " + name, "other " + name]
        step["await"] = rng.choice([names[0], [names[0]], names])
        for i, kind in enumerate(self.messages(rng, step, scope)):
            if kind != "never":
                chosen = rng.choice(names) if step["await"] == names else names[0]
                payload = rng.choice([None, 1, "s", {"v": i, "ok": True}, [i]])
                self.case.signals.append({"step": name, "name": chosen, "payload": payload, "late": kind == "late"})

    def await_event(self, rng, step, scope):
        name = step["name"]
        emitters = [emitter for emitter in self.emits if all(emitter != s["name"] or "when" not in s for s in self.steps)]
        if emitters and rng.random() < 0.5:
            event = self.emits[rng.choice(emitters)]
        else:
            event = "%s-ev-%s" % (self.id, name)
            kind = (self.messages(rng, step, scope) or ["early"])[0]
            if kind != "never":
                self.case.events[event] = {"payload": rng.choice([None, 2, {"v": "x"}]), "late": kind == "late"}
        step["await_event"] = event if rng.random() < 0.7 else "SELECT '%s'" % event
        self.case.awaits[name] = event

    # The rest

    def undo(self, rng, step, scope):
        name = step["name"]
        own = {
            "undo": True,
            "above": scope["above"],
            "more": [":" + name, ":%s::v" % name, ":error::step", ":error::code", ":error IS NULL"],
        }
        own["more"] += [":item"] if "for_each" in step else []
        sql = "INSERT INTO log(wf, step, v) VALUES(:id, 'undo %s', %s)" % (name, self.expression(rng, own))
        choice = rng.random()
        if choice < 0.5:
            return sql
        if choice < 0.7:
            return {"sql": sql, "max_attempts": 2}
        if choice < 0.85:
            return {"sql": self.failing(rng, "undo " + name, rng.randrange(1, 4)), "max_attempts": 2, "backoff": {"initial": 1}}
        self.case.answers["undo " + name] = {"fails": rng.randrange(3), "every": 1}
        return {"task": "work", "input": "SELECT json_array('undo', :id)", "max_attempts": 2}

    def output(self, rng):
        scope = {"above": sorted(step["name"] for step in self.steps), "more": []}
        return rng.choice(
            [
                "SELECT %s",
                "SELECT count(*) FROM log WHERE wf = :id",
                "SELECT json_object('o', typeof(%s))",
                "VALUES (%s)",
                "SELECT 1 WHERE 0",
            ]
        ).replace("%s", self.expression(rng, scope))


setattr(Generator, "await", Generator.await_)


def make_case(seed, id, **options):
    return Generator(seed, id, **options).generate()
