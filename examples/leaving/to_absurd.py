"""Turns a file of workflows into the tables of Absurd, a durable execution engine in PostgreSQL: docs/leaving.md.

    python3 examples/leaving/to_absurd.py build/libwfext app.db > app.sql
    psql -v ON_ERROR_STOP=1 -f app.sql                 # on a database that has Absurd's schema

One document at a time goes through memory. All of it is one transaction in PostgreSQL. What has no place there is counted, and said on stderr.
"""

import collections
import datetime
import json
import sqlite3
import sys
import uuid

STATES = {"pending": "pending", "waiting": "sleeping", "completed": "completed", "failed": "failed", "cancelled": "cancelled"}
OF_WFEXT = uuid.UUID("6f1d3c52-8d0e-5c6b-9c4e-0f6d1a7b2e11")  # the namespace of ids that are no UUIDs


def documents(library, path):
    """Those of wf_exports: the first is of what the file holds beside its workflows."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.enable_load_extension(True)
    db.load_extension(library)
    for (document,) in db.execute("SELECT document FROM wf_exports"):
        yield json.loads(document)
    db.close()


def value(cell):
    """What a cell of a document holds, as JSON text."""
    if cell is None:
        return "null"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, dict) and "$real" in cell:
        import struct

        return json.dumps(struct.unpack(">d", bytes.fromhex(cell["$real"]))[0])
    return json.dumps(cell)  # a number, or {"$blob": "<hex>"}


def quote(text):
    if text is None:
        return "NULL"
    if "\0" in text:
        raise SystemExit(f"PostgreSQL has no texts with a NUL: {text!r:.100}")
    return "'" + text.replace("'", "''") + "'"


def as_json(text):
    if text is None:
        return "NULL"
    if "\\u0000" in text.replace("\\\\", ""):
        raise SystemExit(f"PostgreSQL's jsonb has no texts with a NUL: {text:.100}")
    return quote(text) + "::jsonb"


def moment(milliseconds):
    if milliseconds is None:
        return "NULL"
    return quote((datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=milliseconds)).isoformat()) + "::timestamptz"


def task_id(id):
    """Absurd's ids are UUIDs: an id that is one stays, of another a UUID is made, always the same."""
    try:
        return str(uuid.UUID(id)) if str(uuid.UUID(id)) == id else str(uuid.uuid5(OF_WFEXT, id))
    except ValueError:
        return str(uuid.uuid5(OF_WFEXT, id))


def insert(prefix, queue, row):
    columns, values = zip(*row.items())
    name = '"' + (prefix + queue).replace('"', '""') + '"'
    return f"INSERT INTO absurd.{name} ({', '.join(columns)}) VALUES ({', '.join(values)});"


def checkpoint(step):
    """The state of a step that is done, as Absurd's code reads it back."""
    text = value(step.get("output"))
    if step["kind"] in ("await", "await_event"):
        return json.dumps(json.loads(text).get("payload"))  # what its await_event() returns; null after a timeout
    if step["kind"] == "sleep":
        return json.dumps(json.loads(text).replace(" ", "T").rstrip("Z") + "+00:00")
    return text


def retry(backoff):
    given = json.loads(backoff or "{}")
    seconds = {key: given[key] for key in ("initial", "max") if isinstance(given.get(key), (int, float))}
    return {"kind": "exponential", "base_seconds": seconds.get("initial", 1), "factor": given.get("factor", 2), "max_seconds": seconds.get("max", 300)}


def wait_of(workflow, steps):
    """The event that it waits for, the checkpoint and the end of the wait; (None, None, time) of a sleep."""
    for step in steps:
        if step["status"] != "waiting":
            continue
        if step["kind"] == "sleep":
            return None, step["name"], step.get("due_at")
        if step["kind"] in ("await", "await_event"):
            topic = json.loads(step["topics"])[0]
            return (topic if step["kind"] == "await_event" else f"{topic}:{workflow['id']}"), step["name"], step.get("due_at")
        return None, None, None  # of children, of several things, of a share: its code asks again
    return None, None, None


def of_workflow(document, lost):
    workflow, steps, queue = document["workflow"], document["steps"], document["workflow"]["queue"]
    task, state = task_id(workflow["id"]), STATES[workflow["status"]]
    run = str(uuid.uuid5(uuid.UUID(task), "run"))
    event, step, due = wait_of(workflow, steps) if state == "sleeping" else (None, None, None)
    if state == "sleeping" and step is None:
        state = "pending"
    attempt = max(1, workflow["attempt"])
    cancellation = None if workflow.get("time_left") is None else json.dumps({"max_duration": max(1, workflow["time_left"] // 1000)})
    yield insert("t_", queue, {
        "task_id": quote(task), "task_name": quote(workflow["name"]), "params": as_json(value(workflow.get("input"))), "headers": as_json(workflow.get("headers")),
        "retry_strategy": as_json(json.dumps(retry(workflow.get("backoff")))), "max_attempts": str(workflow.get("max_attempts") or 10), "cancellation": as_json(cancellation),
        "enqueue_at": moment(workflow["created_at"]), "first_started_at": moment(workflow.get("started_at")), "state": quote(state), "attempts": str(attempt), "last_attempt_run": quote(run),
        "completed_payload": as_json(value(workflow.get("output"))) if state == "completed" else "NULL", "cancelled_at": moment(workflow.get("finished_at")) if state == "cancelled" else "NULL",
        "idempotency_key": quote(workflow["id"]),
    })
    until = "'infinity'::timestamptz" if event and due is None else moment(due if state == "sleeping" else workflow.get("due_at") or workflow["created_at"])
    yield insert("r_", queue, {
        "run_id": quote(run), "task_id": quote(task), "attempt": str(attempt), "state": quote(state), "available_at": until, "wake_event": quote(event), "started_at": moment(workflow.get("attempt_at")),
        "completed_at": moment(workflow.get("finished_at")) if state == "completed" else "NULL", "failed_at": moment(workflow.get("finished_at")) if state == "failed" else "NULL",
        "result": as_json(value(workflow.get("output"))) if state == "completed" else "NULL", "failure_reason": as_json(workflow.get("error")) if state == "failed" else "NULL",
        "created_at": moment(workflow["created_at"]),
    })
    if event:
        yield insert("w_", queue, {"task_id": quote(task), "run_id": quote(run), "step_name": quote(step), "event_name": quote(event), "timeout_at": moment(due)})
    for each in steps:
        done = checkpoint(each) if each["status"] == "done" else None
        if each["status"] == "waiting" and each["kind"] == "sleep":  # its time is fixed already
            done = json.dumps((datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=each["due_at"])).isoformat())
        if done is not None:
            yield insert("c_", queue, {"task_id": quote(task), "checkpoint_name": quote(each["name"]), "state": as_json(done), "owner_run_id": quote(run), "updated_at": moment(each["at"])})
        else:
            lost[f"steps that are {'begun, in doubt' if each['status'] == 'begun' else each['status']}"] += each["status"] in ("error", "begun", "failed")
    sent = set()
    for signal in document["signals"]:
        if "taken" in signal or signal["over"]:
            continue
        name = f"{signal['name']}:{workflow['id']}"
        if name in sent:
            lost["signals in line behind another of their name"] += 1
            continue
        sent.add(name)
        yield f"SELECT absurd.emit_event({quote(queue)}, {quote(name)}, {as_json(value(signal.get('payload')))});"
    for part in ("failures", "values", "tags", "streams"):
        lost[part] += len(document[part])
    lost["places among the children of another"] += "parent" in workflow
    lost["workflows scripted in SQL"] += bool(workflow["kind"])
    lost["second phases (compensation)"] += "ending" in workflow


def main(library, path):
    lost, queues, events = collections.Counter(), set(), []
    print("BEGIN;")
    for document in documents(library, path):
        if "queues" in document:
            events = document["events"]
            for part in ("rates", "definitions", "schedules"):
                lost[part] += len(document[part])
            lost["limits of queues"] += sum(1 for queue in document["queues"] if len(queue) > 2 or queue["paused"])
            continue
        queue = document["workflow"]["queue"]
        if queue not in queues:
            queues.add(queue)
            print(f"SELECT absurd.create_queue({quote(queue)});")
            for event in events:  # Absurd's events are of a queue
                print(f"SELECT absurd.emit_event({quote(queue)}, {quote(event['name'])}, {as_json(value(event.get('payload')))});")
        for statement in of_workflow(document, lost):
            print(statement)
    print("COMMIT;")
    for what, count in sorted(lost.items()):
        if count > 0:
            print(f"left behind: {count} {what}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
