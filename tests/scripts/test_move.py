"""Scripted workflows move to another file with their definition, go on there where they were, and meet no other definition of the name."""

import json

import pytest

from support import open_database, wf_error

HOUR = 3600
SCRIPT = {
    "input": {"n": "integer", "list": "json"},
    "steps": [
        {"name": "first", "sql": "SELECT :n + 1 AS n"},
        {"name": "each", "for_each": "SELECT value FROM json_each(:list)", "task": "work"},
        {"name": "local", "after": ["first"], "for_each": "SELECT value FROM json_each(:list)", "sql": "SELECT :item AS i"},
        {"name": "again", "after": ["first"], "while": "SELECT :iteration < 2", "sql": "SELECT :iteration AS i"},
        {"name": "nap", "after": ["local"], "sleep": "1h"},
        {"name": "go", "after": ["nap"], "await": ["go", "stop"]},
        {"name": "fact", "after": ["first"], "await_event": "fact"},
        {"name": "last", "after": ["each", "again", "go", "fact"], "sql": "SELECT :go::signal AS s, :first::n AS n", "undo": "SELECT 1"},
    ],
    "output": "SELECT json_object('n', :last::n, 's', :last::s)",
}


@pytest.fixture
def there(connect, tmp_path):
    return connect(tmp_path / "there.db")


def finish(db, id="w1"):
    """Everything that is left, also the children's work."""
    for turn in range(60):
        db.at(HOUR * (turn + 2))
        db.wf_run()
        if db.wf_status(id) in ("completed", "failed"):
            break
        claim = db.claim("work")
        if claim:
            db.wf_complete(claim["token"], 5)
        if turn == 3:
            db.wf_emit("fact", 1)
            db.wf_signal(id, "go")
    assert db.wf_check() is None
    return db.wf_status(id)


def start(db):
    db.at(0)
    db.wf_define("script", SCRIPT)
    db.wf_start("script", {"n": 1, "list": [1, "two", {"a": 3}]}, id="w1")


@pytest.mark.parametrize("steps", range(0, 15))
def test_goes_on_where_it_was(db, there, steps):
    start(db)
    if steps:
        db.wf_run(limit=steps)
    expected = None
    documents = [db.wf_export("w1")] + [db.wf_export(id) for id in db.column("SELECT id FROM wf_workflows WHERE id <> 'w1' ORDER BY id")]
    there.at(0)
    for document in documents:
        assert there.wf_import(document) == json.loads(document)["workflow"]["id"]
        assert there.wf_import(document) == json.loads(document)["workflow"]["id"]  # again: nothing changes
    assert there.wf_status("w1") == "paused" and there.wf_run() == 0
    assert there.wf_check() is None
    assert there.rows("SELECT name, status, output FROM wf_steps WHERE status IN ('done', 'skipped') AND workflow_id = 'w1'") == \
        db.rows("SELECT name, status, output FROM wf_steps WHERE status IN ('done', 'skipped') AND workflow_id = 'w1'")
    there.wf_resume(json.dumps(there.column("SELECT id FROM wf_workflows WHERE status = 'paused'")))
    expected = finish(db)
    assert finish(there) == expected == "completed"
    assert there.wf_result("w1") == db.wf_result("w1") == '{"n":2,"s":"go"}'
    assert there.rows("SELECT count(*) FROM wf_steps WHERE workflow_id = 'w1'") == db.rows("SELECT count(*) FROM wf_steps WHERE workflow_id = 'w1'")


def test_one_that_has_ended_moves_too(db, there):
    start(db)
    finish(db)
    there.wf_import(db.wf_export("w1"))
    assert there.wf_status("w1") == "completed" and there.wf_result("w1") == db.wf_result("w1")
    assert there.wf_check() is None


def test_an_event_that_is_a_fact_there_is_seen(db, there):
    start(db)
    db.wf_run()
    there.at(0)
    there.wf_emit("fact", 7)
    for id in db.column("SELECT id FROM wf_workflows ORDER BY created_at, id"):
        there.wf_import(db.wf_export(id))
    there.wf_resume("w1")
    there.wf_run()
    assert there.value("SELECT status FROM wf_steps WHERE workflow_id = 'w1' AND name = 'fact'") == "done"


def other(n):
    return {"steps": [{"name": "first", "sql": "SELECT %d AS n" % n}]}


def versions(db):
    return [tuple(row) for row in db.rows("SELECT version, current FROM wf_definitions WHERE name = 'script' ORDER BY version")]


def test_the_definition_keeps_its_number_or_gets_a_new_one(db, there):
    start(db)
    document = db.wf_export("w1")
    there.wf_import(document)
    assert versions(there) == [(1, 0)]
    assert there.value("SELECT version FROM wf_workflows") == "1"
    assert there.wf_start("script", '{"x":1}', id="plain") == "plain"       # no definition of this name is current there
    assert there.claim()["id"] == "plain"

    third = open_database(":memory:")
    third.wf_define("script", other(1))
    third.wf_define("script", other(2))
    third.wf_import(document)
    assert versions(third) == [(1, 0), (2, 1), (3, 0)]
    assert third.value("SELECT version FROM wf_workflows") == "3"
    assert third.wf_import(document) == "w1"
    third.wf_start("script", id="w2")
    third.wf_resume("w1")
    third.wf_run(id="w1", limit=1)
    third.wf_run(id="w2", limit=1)
    assert sorted(third.column("SELECT output FROM wf_steps WHERE name = 'first'")) == ['{"n":2}', '{"n":2}']

    fourth = open_database(":memory:")
    fourth.wf_define("script", other(1))
    fourth.wf_define("script", json.dumps(SCRIPT, indent=3))                # the same, in other words
    fourth.wf_import(document)
    assert versions(fourth) == [(1, 0), (2, 1)]
    assert fourth.value("SELECT version FROM wf_workflows") == "2"


@pytest.mark.parametrize("change, mention", [
    (lambda d: d.pop("definition"), "definition"),
    (lambda d: d.update(definition=7), "definition"),
    (lambda d: d.update(definition={"steps": []}), "steps"),
    (lambda d: d["definition"]["steps"].pop(0), "first"),
    (lambda d: d["steps"][0].update(name="other"), "other"),
    (lambda d: d["steps"][0].update(name="first[0]"), "first[0]"),
    (lambda d: d["steps"][0].update(kind="step"), "first"),
    (lambda d: d["steps"][0].update(kind="undo"), "first"),
    (lambda d: d["steps"][0].update(status="odd"), "first"),
    (lambda d: d["steps"][0].update(attempts=-1), "steps[0]"),
    (lambda d: d["steps"][0].update(topics="["), "steps[0].topics"),
    (lambda d: d["workflow"].update(version="x"), "version"),
    (lambda d: d["workflow"].update(version=None), "version"),
    (lambda d: d["workflow"].update(kind=0), "definition"),
    (lambda d: d["workflow"].update(kind=2), "workflow"),
    (lambda d: d["workflow"].update(flags=1), "workflow"),
])
def test_a_document_that_cannot_be(db, there, change, mention):
    start(db)
    db.wf_run(limit=3)
    document = json.loads(db.wf_export("w1"))
    change(document)
    with wf_error("WF_INVALID", mention):
        there.wf_import(document)
    assert there.rows("SELECT * FROM wf_workflows") == [] and there.rows("SELECT * FROM wf_definitions") == []


def test_a_worker_s_workflow_brings_no_definition(db, there):
    db.wf_start("job", id="w1")
    document = json.loads(db.wf_export("w1"))
    assert "definition" not in document
    document["definition"] = SCRIPT
    with wf_error("WF_INVALID", "definition"):
        there.wf_import(document)


def test_a_child_that_did_not_come_along_is_missed(db, there):
    start(db)
    db.wf_run()
    there.at(0)
    there.wf_import(db.wf_export("w1"))
    there.wf_resume("w1")
    there.wf_run()
    assert there.wf_status("w1") == "failed" and "deleted" in there.wf_error("w1")
