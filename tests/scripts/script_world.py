"""The outside of a workflow, twice: what it does to the extension (Outside) and what it means to the reference (World)."""

import json
import re
import sqlite3
from datetime import datetime

from script_cases import LIBRARY
from script_reference import Reference, check, stored, text

BY_PLAN = "refused by plan"


def answer(case, child, input, failures):
    """What a worker says to a task: (True, output) or (False, error). `child` is <id>/<row>[iteration]."""
    row = child[len(case.id) + 1 :]
    name, _, index = row.partition("[")
    plan = case.answers.get(name, {"fails": 0, "every": 1})
    fails = plan["fails"] if int(index.split("]")[0] or 0) % plan["every"] == 0 else 0 if index else plan["fails"]
    if failures < fails:
        return False, BY_PLAN
    return True, {"echo": input, "of": row}


class Outside:
    """Answers tasks, sends late signals and events, over one connection."""

    def __init__(self, db, cases):
        self.db = db
        self.cases = {case.id: case for case in cases}

    def begin(self):
        """Definitions, early signals and events, starts."""
        self.db.wf_rate("calls", limit=3, per="10m")
        for name, definition in LIBRARY.items():
            self.db.wf_define(name, text(definition))
        for case in self.cases.values():
            self.db.wf_define(case.name, text(case.definition))
            self.start(case)

    def start(self, case):
        self.db.wf_start(case.name, text(case.input), id=case.id)
        for event, plan in case.events.items():
            if not plan["late"]:
                self.db.wf_emit(event, text(plan["payload"]))
        for message in case.signals:
            if not message["late"]:
                self.db.wf_signal(case.id, message["name"], text(message["payload"]))

    def serve(self):
        """Does whatever can be done now; whether that was anything."""
        return any([self.work(), self.send()])

    def work(self):
        worked = False
        while True:
            claim = self.db.claim('["work","default"]', "worker", lease="3000d")
            if claim is None:
                return worked
            worked = True
            try:
                self.handle(claim)
            except sqlite3.OperationalError as error:
                if not str(error).startswith("WF_CANCELLED: "):  # by another process, since the claim
                    raise

    def handle(self, claim):
        child = claim["id"]
        owner = child.split("/")[0]
        if claim["ending"]:
            self.db.wf_complete(claim["token"])
            return
        failures = self.db.value("SELECT count(*) FROM wf_failures WHERE workflow_id = ? AND error LIKE ?", child, "%" + BY_PLAN + "%")
        good, value = answer(self.cases[owner], child, claim["input"], failures)
        if good:
            self.db.wf_complete(claim["token"], text(value))
        else:
            self.db.wf_fail(claim["token"], value)

    def send(self):
        sent = False
        waiting = self.db.rows("SELECT workflow_id, name FROM wf_steps WHERE status = 'waiting' AND kind IN ('await', 'await_event')")
        for id, name in waiting:
            case = self.cases.get(id)
            if case is None:
                continue
            sent |= self.send_signal(case, name)
            event = case.awaits.get(name)
            plan = case.events.get(event)
            if plan and plan["late"] and self.db.value("SELECT count(*) FROM wf_events WHERE name = ?", event) == 0:
                self.db.wf_emit(event, text(plan["payload"]))
                sent = True
        return sent

    def send_signal(self, case, name):
        messages = [message for message in case.signals if message["step"] == name and message["late"]]
        names = json.dumps(sorted({message["name"] for message in messages}))
        count = self.db.value(
            "SELECT count(*) FROM _wf_signal WHERE wf = (SELECT seq FROM _wf_workflow WHERE id = ?) AND name IN (SELECT value FROM json_each(?))",
            case.id,
            names,
        )
        if count >= len(messages):
            return False
        message = messages[count]
        return bool(self.db.wf_signal(case.id, message["name"], text(message["payload"]), key="%s %d" % (name, count)))


class World:
    """What the reference sees of the outside. `db`: the extension's database, asked only for its record and for times."""

    def __init__(self, db, case):
        self.db, self.case = db, case
        self.queue = list(case.signals)
        self.emitted = {}
        self.children = []  # all that were started and waited for

    def rows(self, id):
        return self.db.records(
            "SELECT name, kind, status, output, error, attempts, begun_at, recorded_at FROM wf_steps WHERE workflow_id = ? ORDER BY seq", id
        )

    def recorded_output(self, id, row):
        found = self.db.rows("SELECT output FROM wf_steps WHERE workflow_id = ? AND name = ?", id, row)
        return stored(found[0][0]) if found else None

    def recorded_error(self, id, row):
        found = self.db.rows("SELECT error FROM wf_steps WHERE workflow_id = ? AND name = ?", id, row)
        return stored(found[0][0]) if found else None

    def take(self, id, names):
        for message in self.queue:
            if id == self.case.id and message["name"] in names:
                self.queue.remove(message)
                return message["name"], message["payload"]
        return None

    def emit(self, event, payload):
        plan = self.case.events.get(event)
        if plan and not plan["late"]:
            return plan["payload"]
        return self.emitted.setdefault(event, payload)

    def event(self, event):
        if event in self.case.events:
            return event, self.case.events[event]["payload"]
        return (event, self.emitted[event]) if event in self.emitted else None

    def child(self, id, name, input, step, twin):
        """(status, output or error) of a child, from what it is."""
        if step.get("detached"):
            return "completed", None
        self.children.append(id)
        if step.get("task") == "void":
            return "failed", {"code": "timeout"}
        given = self.db.rows("SELECT name, input FROM wf_workflows WHERE id = ?", id)
        check(given, "the child", id, "is missing")
        check(given[0][0] in (name, name.removeprefix("undo ")), "the child", id, "is named", given[0][0], "instead of", name)
        check(stored(given[0][1]) == input, "the child", id, "has the input", given[0][1], "instead of", text(input))
        if name in LIBRARY:
            return self.scripted(id, name, input, step, twin)
        most = step.get("max_attempts", 10)
        for failures in range(most):
            good, value = answer(self.case, id, input, failures)
            if good:
                return "completed", value
        return "failed", value

    def scripted(self, id, name, input, step, twin):
        given = {key: step[key] for key in ("max_attempts",) if key in step}  # options of the start win
        child = Reference(twin, id, {**LIBRARY[name], **given}, input, self)
        follow(child, self, self.db.record("SELECT * FROM wf_workflows WHERE id = ?", id))
        return child.status, child.output if child.status == "completed" else {"code": "step"}


def closed(rows):
    """The finished rows. A fan-out or loop that was cut off by the end of the workflow is none, though its row is kept."""
    return [(row["name"], row["status"]) for row in rows if row["status"] in ("done", "failed", "error", "skipped") and not was_stopped(row)]


def was_stopped(row):
    return row["status"] == "failed" and isinstance(error := json.loads(row["error"] or "0"), dict) and error.get("code") == "stopped"


def follow(reference, world, workflow, ending=None):
    """Replays a finished workflow in the reference and compares everything that both have."""
    rows = world.rows(reference.id)
    for row in filter(was_stopped, rows):
        body = reference.step_of(row["name"])[0].body
        check("for_each" in body or "while" in body, row["name"], "was stopped, and has nothing to stop")
    rows = [row for row in rows if not was_stopped(row)]
    recorded = closed(rows)
    check(len({row["name"] for row in rows}) == len(rows), "a row is there twice:", rows)
    check(len(recorded) == len(rows), "rows are left open:", [dict(row) for row in rows if (row["name"], row["status"]) not in recorded])
    status, error = workflow["status"], json.loads(workflow["error"] or "null")
    reference.replay(recorded)
    expected = reference.status
    if expected == "unfinished" and ending is not None:
        check(status == {"cancel": "cancelled", "force": "cancelled", "timeout": "failed"}[ending], "status", status)
        if ending == "timeout":
            check(error.get("code") == "timeout", "error", error)
    else:
        check(status == expected, "status", status, "instead of", expected)
    if expected == "failed":
        check(error.get("code") == "step", "error", error)
        check(error.get("step") == reference.fatal, "error names step", error, "instead of", reference.fatal)
        check("'%s'" % reference.fatal in error.get("message", ""), "message", error)
    if status == "cancelled" and ending == "force":
        check(not any(name.startswith("undo ") for name, _ in recorded), "a forced cancel undid something:", recorded)
    elif status != "completed":
        reference.undo(recorded, error if workflow["error"] is not None else None)
    for row in rows:
        compare_row(row, reference.rows[row["name"]])
        compare_times(reference, world, row)
    output = stored(workflow["output"])
    check(
        output == reference.output and type(output) is type(reference.output),
        "output",
        workflow["output"],
        "instead of",
        text(reference.output),
    )
    counts = {}
    for (name,) in world.db.rows("SELECT step FROM wf_failures WHERE workflow_id = ? AND step IS NOT NULL", reference.id):
        counts[name] = counts.get(name, 0) + 1
    closed_ones = {name for name, _ in recorded}
    counts = {name: count for name, count in counts.items() if name in closed_ones}
    expected = {name: count for name, count in reference.failures.items() if name in closed_ones}
    if not reference.retried:  # the budgets are new then, and what was cut off in its attempts fails again
        check(counts == expected, "failures", counts, "instead of", expected)
    return reference


def seconds(duration):
    """A duration as definitions give it."""
    if not isinstance(duration, str):
        return duration
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(float(n) * units[unit] for n, unit in re.findall(r"([\d.]+)(ms|s|m|h|d)", duration))


def compare_times(reference, world, row):
    """Attempts keep their distance; a sleep lasts as long as it is said."""
    step = reference.step_of(row["name"])[0] if not row["name"].startswith("undo ") else None
    if step is None or "while" in step.body or reference.retried:
        return
    if step.kind == "sleep" and not str(step.get("sleep"))[:1].lower() in "svw" and row["status"] == "done":
        begun, ends = instant(row["begun_at"] or row["recorded_at"]), instant(json.loads(row["output"]))
        check(abs(ends - begun - seconds(step.get("sleep"))) < 0.0015, row["name"], "slept from", row["begun_at"], "to", row["output"])
    if step.kind == "sql":
        policy = {"initial": 1, "factor": 2, "max": 300, **step.get("backoff", reference.definition.get("backoff", {}))}
        times = [
            instant(at)
            for (at,) in world.db.rows(
                "SELECT at FROM wf_failures WHERE workflow_id = ? AND step = ? ORDER BY rowid", reference.id, row["name"]
            )
        ]
        times += [instant(row["recorded_at"])] if row["status"] == "done" else []
        for n, (one, other) in enumerate(zip(times, times[1:])):
            least = min(seconds(policy["initial"]) * policy["factor"] ** n, seconds(policy["max"])) * (1 - policy.get("jitter", 0))
            check(other - one > least - 0.0015, row["name"], "was tried again after", other - one, "instead of", least, "seconds")


def instant(time):
    return datetime.fromisoformat(time.replace("Z", "").replace("T", " ")).timestamp()


def compare_row(row, expected):
    name = row["name"]
    check(row["kind"] == expected.kind, name, "has kind", row["kind"], "instead of", expected.kind)
    check(row["status"] == expected.status, name, "is", row["status"], "instead of", expected.status)
    if expected.attempts is not None:
        check(row["attempts"] == expected.attempts, name, "has", row["attempts"], "attempts instead of", expected.attempts)
    if expected.status == "done":
        result = stored(row["output"])
        check(
            result == expected.result and text(result) == text(expected.result),
            name,
            "gave",
            row["output"],
            "instead of",
            text(expected.result),
        )
    if expected.status == "skipped":
        check(row["output"] is None, name, "is skipped and gave", row["output"])
    if expected.status in ("failed", "error"):
        error = json.loads(row["error"] or "null")
        check(error is not None, name, "failed without an error")
        if isinstance(expected.error, dict) and isinstance(error, dict):
            check(error.get("code") == expected.error["code"], name, "failed with", error, "instead of", expected.error)
            if expected.error.get("code") == "sql":
                check(expected.error["message"] in error["message"], name, "failed with", error, "instead of", expected.error)
        else:
            check(error == expected.error, name, "failed with", error, "instead of", expected.error)


def twin_database(schema):
    twin = sqlite3.connect(":memory:", isolation_level=None)
    twin.execute("PRAGMA foreign_keys = on")
    twin.executescript(schema)
    return twin


def compare_tables(db, twin, tables, ids, ignored):
    """The application's rows of these workflows, as sets; the rows of loops that were cut off do not count."""
    for table in tables:
        columns = [
            name for (name,) in twin.execute("SELECT name FROM pragma_table_info(?) WHERE name <> 'n' OR ? = 'purse'", (table, table))
        ]
        query = "SELECT %s FROM %s" % (", ".join(columns), table)

        def content(connection):
            rows = connection.execute(query).fetchall()
            return sorted((repr(row) for row in rows if row[0] in ids and row[1] not in ignored))

        there, expected = content(db), content(twin)
        check(there == expected, "table", table, "more:", minus(there, expected), "missing:", minus(expected, there))


def minus(left, right):
    right = list(right)
    return [row for row in left if row not in right or right.remove(row)]
