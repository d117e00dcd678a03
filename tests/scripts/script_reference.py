"""What a definition means: an interpreter in plain Python that executes the statements on a connection without the extension.

The order of independent steps is free. So the interpreter follows the order in which the extension recorded them, refuses a
step that was not yet allowed, and computes every result itself. Only times are taken from the record.
"""

import json
import re
import sqlite3

ACTIONS = ("sql", "task", "start", "sleep", "await", "await_event", "emit", "acquire")
CHILDREN = ("task", "start")
SKIP, END = object(), object()
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3}Z?")
MAX_ATTEMPTS = 10


class Difference(Exception):
    """The record is not what the definition means."""


class Failure(Exception):
    """A step failed for good."""

    def __init__(self, attempts, error):
        super().__init__(error)
        self.attempts, self.error = attempts, error


class Unexpected(Exception):
    """`expect` is not met."""


def check(condition, *words):
    if not condition:
        raise Difference(" ".join(map(str, words)))


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def to_json(value):
    """An SQL value as a JSON value."""
    return {"$blob": value.hex()} if isinstance(value, bytes) else value


def to_sql(value):
    """A JSON value as an SQL value, as `:name::member` binds it."""
    if isinstance(value, dict) and list(value) == ["$blob"]:
        return bytes.fromhex(value["$blob"])
    if isinstance(value, (dict, list)):
        return text(value)
    return int(value) if isinstance(value, bool) else value


def taken_as_json(value):
    """What an input, payload or output becomes: text that is JSON is JSON, other text a string."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return to_json(value)


def stored(value):
    """A JSON value from the form in which inputs and outputs are stored."""
    return json.loads(value) if isinstance(value, str) else to_json(value)


def field(value, kind):
    """An input field as it is bound."""
    if value is None:
        return None
    return {"text": str, "integer": int, "real": float, "json": text, "any": to_sql}[kind](value)


class Step:
    def __init__(self, body, before):
        self.body, self.name = body, body["name"]
        (self.kind,) = [action for action in ACTIONS if action in body]
        after = body.get("after", [before] if before else [])
        self.after = [after] if isinstance(after, str) else after

    def get(self, key, default=None):
        return self.body.get(key, default)

    @property
    def goes_on(self):
        return self.get("on_error") == "continue"


class Row:
    """A finished row. `result` is a JSON value."""

    def __init__(self, kind, status, attempts, result=None, error=None):
        self.kind, self.status, self.attempts, self.result, self.error = kind, status, attempts, result, error


class Bindings(dict):
    """The parameters of one statement, looked up when SQLite asks for them."""

    def __init__(self, look_up, json_of):
        super().__init__()
        self.look_up, self.json_of = look_up, json_of

    def __missing__(self, parameter):
        name, _, member = parameter.partition("::")
        value = self.look_up(name)
        if not member:
            return value
        holder = self.json_of(name, value)
        return to_sql(holder.get(member)) if isinstance(holder, dict) else None


class Reference:
    """One workflow. `world` says what the outside does: it answers tasks, sends signals, emits events."""

    def __init__(self, db, id, definition, input, world):
        self.db, self.id, self.definition, self.input, self.world = db, id, definition, input, world
        self.fields = definition.get("input", {})
        self.steps, before = {}, None
        for body in definition["steps"]:
            self.steps[body["name"]] = Step(body, before)
            before = body["name"]
        if "output" in definition:
            self.steps["output"] = Step({"name": "output", "sql": definition["output"]}, None)
            self.steps["output"].after = [name for name in self.steps if name != "output"]
        self.rows, self.items, self.failures = {}, {}, {}
        self.fatal = None  # the row that failed for good
        self.reason = None  # JSON value of :error
        self.retried = False
        self.progress = {}  # loops that failed: result of the last iteration, number of the next

    # Statements

    def execute(self, sql, scope):
        """(columns or None, rows, changes)"""
        cursor = self.db.execute(sql, Bindings(lambda name: self.parameter(name, scope), self.json_of))
        rows = cursor.fetchall()
        columns = [column[0] for column in cursor.description] if cursor.description else None
        return columns, rows, self.db.execute("SELECT changes()").fetchone()[0]

    def parameter(self, name, scope):
        if name in scope:
            return scope[name]
        if name in self.fields:
            return field((self.input or {}).get(name), self.fields[name])
        if name == "input":
            return text(self.input)
        if name == "id":
            return self.id
        if name == "now":
            return "2027-01-15 08:00:00.000"  # of the right type and length
        row = self.rows.get(name)
        return None if row is None or row.status == "skipped" else text(row.result)

    def json_of(self, name, value):
        """What `:name::member` looks into: of a field its JSON value, so that a text is never taken for an object."""
        return (self.input or {}).get(name) if name in self.fields else taken_as_json(value) if isinstance(value, str) else None

    def first_value(self, sql, scope):
        rows = self.execute(sql, scope)[1]
        return rows[0][0] if rows else None

    def is_true(self, sql, scope):
        value = self.first_value(sql, scope)
        return bool(self.db.execute("SELECT 1 WHERE ?", (value,)).fetchall())

    def query_or(self, value, scope):
        """A value that may be given by a query."""
        if isinstance(value, str) and re.match(r"(?i)\s*(select|values|with)[\s(]", value):
            return self.first_value(value, scope)
        return value

    def payload(self, step, scope, default):
        if step.get("input") is None:
            return default
        return taken_as_json(self.first_value(step.get("input"), scope))

    # Attempts

    def attempts(self, row, most, scope, body):
        """Runs body until it succeeds: (result, attempts). Its writes go when it fails."""
        for attempt in range(1, most + 1):
            self.db.execute("BEGIN")
            try:
                result = body(dict(scope, attempt=attempt))
                self.db.execute("COMMIT")
                return result, attempt
            except (sqlite3.Error, Unexpected) as error:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                self.failures[row] = self.failures.get(row, 0) + 1
                last = {"code": "expect" if isinstance(error, Unexpected) else "sql", "message": str(error)}
        raise Failure(most, last)

    def most(self, body):
        return body.get("max_attempts", self.definition.get("max_attempts", MAX_ATTEMPTS))

    # Actions: each takes the step, the row's name and the scope, and returns (result, attempts).

    def act(self, step, row, scope, gate=None):
        """One execution, repeated until it succeeds. gate(scope): what ends it before its action, SKIP or END, else None."""

        def body(scope):
            end = gate(scope) if gate else None
            if end:
                return end
            return self.input_of_child(step, scope) if step.kind in CHILDREN else self.once(step, row, scope)

        result, attempts = self.attempts(row, self.most(step.body), scope, body)
        if step.kind in CHILDREN and result is not SKIP and result is not END:
            return self.child(step, row, scope, result), attempts
        return result, attempts

    def once(self, step, row, scope):
        if step.kind == "sql":
            return self.statement(step, scope)
        value = self.query_or(step.get(step.kind), scope)
        if step.kind == "emit":
            default = taken_as_json(scope["item"]) if "item" in scope else self.input
            return self.world.emit(value, self.payload(step, scope, default))
        if step.kind == "sleep":
            time = self.world.recorded_output(self.id, row)
            check(isinstance(time, str) and TIME.fullmatch(time), row, "slept until", time)
            return time
        if step.kind == "acquire":
            key, amount = self.query_or(step.get("key"), scope), self.query_or(step.get("amount", 1), scope)
            time = (self.world.recorded_output(self.id, row) or {}).get("acquired_at")
            check(isinstance(time, str) and TIME.fullmatch(time), row, "acquired at", time)
            return {"rate": value} | ({"key": key} if key is not None else {}) | {"amount": int(amount), "acquired_at": time}
        names = [value] if isinstance(value, str) else value
        found = self.world.take(self.id, names) if step.kind == "await" else self.world.event(value)
        what = "signal" if step.kind == "await" else "event"
        if found is None:
            check("timeout" in step.body, row, "waits for", names, "for ever")
            return {what: None, "timeout": True}
        time = (self.world.recorded_output(self.id, row) or {}).get("received_at")
        check(isinstance(time, str) and TIME.fullmatch(time), row, "received at", time)
        return {what: found[0], "payload": found[1], "received_at": time}

    def statement(self, step, scope):
        columns, rows, changes = self.execute(step.get("sql"), scope)
        count = changes if columns is None else len(rows)
        if step.get("expect", count) != count:
            raise Unexpected("expected %d" % step.get("expect"))
        if columns is None:
            return {"changes": changes}
        if step.name == "output":
            return taken_as_json(rows[0][0]) if rows else None
        objects = [dict(zip(columns, map(to_json, row))) for row in rows]
        if step.get("rows") == "all":
            return objects
        return objects[0] if objects else None

    def input_of_child(self, step, scope):
        return self.payload(step, scope, taken_as_json(scope["item"]) if "item" in scope else self.input)

    def child(self, step, row, scope, input):
        child = self.id + "/" + row + ("[%d]" % scope["iteration"] if "iteration" in scope else "")
        status, value = self.world.child(child, step.get("start") or row.partition("[")[0], input, step.body, self.db)
        if step.get("detached"):
            return {"id": child}
        if status != "completed":
            self.failures[row] = self.failures.get(row, 0) + 1
            raise Failure(1, value)
        return value

    # Steps

    def replay(self, recorded):
        """Takes the names of the finished rows in their order; `undo ...` and the row that failed for good come last."""
        fatal = [name for name, status in recorded if status == "failed" and not self.may_fail(name)]
        check(len(fatal) <= 1, "several steps failed for good:", fatal)
        for name, _ in recorded:
            if name not in fatal and name not in self.rows and not name.startswith("undo "):
                self.finish(name)
        for name in fatal:
            self.finish(name)
            check(self.fatal == name, name, "failed for good, and should not")

    def may_fail(self, name):
        return name.startswith("undo ") or self.step_of(name)[0].goes_on

    def step_of(self, name):
        match = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", name)
        check(match and match.group(1) in self.steps, "unknown row", name)
        return self.steps[match.group(1)], None if match.group(2) is None else int(match.group(2))

    def before(self, step):
        """All steps that have to be finished before this one."""
        names, found = list(step.after), set()
        while names:
            name = names.pop()
            if name not in found:
                found.add(name)
                names += self.steps[name].after
        return sorted(found)

    def is_finished(self, name):
        return name in self.rows

    def finish(self, name):
        step, index = self.step_of(name)
        missing = [other for other in self.before(step) if not self.is_finished(other)]
        check(not missing, name, "was recorded before", missing)
        check(self.fatal is None, name, "was recorded after", self.fatal, "had failed")
        if index is not None:
            self.finish_item(step, name, index)
            return
        try:
            if "for_each" in step.body:
                self.finish_items(step, name)
            elif "while" in step.body:
                self.finish_loop(step, name)
            else:
                result, attempts = self.act(step, name, {}, lambda scope: self.when(step, scope))
                self.close(step, name, result, attempts)
        except Failure as failure:
            self.fail(step, name, failure)

    def close(self, step, name, result, attempts):
        self.rows[name] = Row(step.kind, "skipped", None) if result is SKIP else Row(step.kind, "done", attempts, result)

    def when(self, step, scope):
        return None if "when" not in step.body or self.is_true(step.get("when"), scope) else SKIP

    def fail(self, step, name, failure):
        self.rows[name] = Row(step.kind, "error" if step.goes_on else "failed", failure.attempts, {"error": self.world.recorded_error(self.id, name)}, failure.error)
        if not step.goes_on:
            self.fatal = name

    def expand(self, step):
        """The values of :item, once for all; SKIP."""
        if step.name not in self.items:

            def query(scope):
                return self.when(step, scope) or self.execute(step.get("for_each"), scope)[:2]

            found, _ = self.attempts(step.name, self.most(step.body), {}, query)
            if found is not SKIP:
                columns, rows = found
                found = [row[0] if len(columns) == 1 else text(dict(zip(columns, map(to_json, row)))) for row in rows]
            self.items[step.name] = found
        return self.items[step.name]

    def finish_item(self, step, name, index):
        check("for_each" in step.body, step.name, "has no items")
        items = self.expand(step)
        check(items is not SKIP, step.name, "is skipped and has items")
        check(index < len(items), name, "of", len(items), "items")
        try:
            result, attempts = self.act(step, name, {"item": items[index]})
            self.rows[name] = Row(step.kind, "done", attempts, result)
        except Failure as failure:
            self.fail(step, name, failure)

    def finish_items(self, step, name):
        items = self.expand(step)
        names = [] if items is SKIP else ["%s[%d]" % (name, i) for i in range(len(items))]
        missing = [item for item in names if item not in self.rows]
        check(not missing, name, "is finished without", missing)
        self.close(step, name, SKIP if items is SKIP else [self.rows[item].result for item in names], None)

    def finish_loop(self, step, name):
        result, iteration = self.progress.get(name, (None, 0))
        while True:
            self.progress[name] = result, iteration
            scope = {"iteration": iteration, name: None if iteration == 0 else text(result)}

            def gate(scope):
                first = self.when(step, scope) if scope["iteration"] == 0 else None
                return first or (None if self.is_true(step.get("while"), scope) else END)

            found, _ = self.act(step, name, scope, gate)
            if found is SKIP or found is END:
                del self.progress[name]
                self.close(step, name, found if found is SKIP else result, None)
                return
            result, iteration = found, iteration + 1

    # Undo

    def undone(self, recorded):
        """What is to be undone, in order."""
        names = []
        for name, status in reversed(recorded):
            if status == "done" and not name.startswith("undo "):
                step, index = self.step_of(name)
                if "undo" in step.body and (index is not None or "for_each" not in step.body):
                    names.append(name)
        return names

    def undo(self, recorded, reason):
        """Follows the undo rows. reason: JSON value of :error, None for NULL."""
        self.reason = reason
        expected = ["undo " + name for name in self.undone(recorded)]
        found = [name for name, _ in recorded if name.startswith("undo ")]
        check(found == expected, "undone", found, "instead of", expected)
        for row in expected:
            self.undo_one(row)

    def undo_one(self, row):
        name = row[len("undo ") :]
        step, index = self.step_of(name)
        undo = step.get("undo")
        undo = {"sql": undo} if isinstance(undo, str) else undo
        scope = {"error": None if self.reason is None else text(self.reason), step.name: text(self.rows[name].result)}
        if index is not None:
            scope["item"] = self.items[step.name][index]
        try:
            if "sql" in undo:
                inner = Step(dict(undo, name=step.name), None)
                result, attempts = self.attempts(row, self.most(undo), scope, lambda scope: self.statement(inner, scope))
            else:
                inner = Step(dict(undo, name=step.name), None)
                result, attempts = self.act(inner, row, scope)
            self.rows[row] = Row("undo", "done", attempts, result)
        except Failure as failure:
            self.rows[row] = Row("undo", "failed", failure.attempts, None, failure.error)

    def retry(self):
        """wf_retry: what was undone and what failed is to be done again."""
        undone = {row[len("undo ") :] for row in self.rows if row.startswith("undo ") and self.rows[row].status == "done"}
        undone |= {row.partition("[")[0] for row in undone} | {self.fatal}
        self.rows = {row: value for row, value in self.rows.items() if not row.startswith("undo ") and row not in undone}
        self.fatal = self.reason = None
        self.retried = True

    # The end

    @property
    def status(self):
        if self.fatal is not None:
            return "failed"
        return "completed" if all(map(self.is_finished, self.steps)) else "unfinished"

    @property
    def output(self):
        return self.rows["output"].result if "output" in self.steps and self.status == "completed" else None
