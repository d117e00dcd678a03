"""Everything moves to another file: what it holds beside its workflows, too."""

import json

import pytest
from support import BASE, open_database, sql_time, wf_error

DEFINITION = {"steps": [{"name": "note", "sql": "SELECT 1"}]}


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_queue("mail", concurrency=3, rate={"limit": 5, "per": 60}, hold="started", backoff={"initial": 2})
    db.wf_queue("quiet", paused=True)
    db.wf_rate("model", limit=10, per=60)
    db.wf_emit("open", {"since": 1})
    db.wf_emit("raw", b"\x00\xff")
    db.wf_emit("real", 1.5)
    db.wf_define("script", DEFINITION)
    db.wf_schedule("nightly", "0 3 * * *", "job", {"n": 1}, timezone="+02:00", overlap="queue", start={"queue": "mail"})
    db.wf_start("parent", id="p")
    db.wf_spawn("p", "kid", "child", {"k": 1})
    db.wf_start("job", {"n": 2}, id="j", queue="mail")
    db.wf_step("j", "a", '"done"')
    db.wf_start("script", id="s")
    return db


@pytest.fixture
def there(connect, tmp_path):
    other = connect(tmp_path / "there.db")
    other.at(100)
    return other


def all_documents(db):
    return json.loads(db.value("SELECT wf_export()"))


def test_everything_comes_back(db, there):
    document = db.value("SELECT wf_export()")
    counts, *ids = json.loads(there.wf_import(document))
    assert counts == {"queues": 2, "rates": 1, "events": 3, "definitions": 1, "schedules": 1}
    assert ids == ["p", "p/kid", "j", "s"]
    for table, columns in {
        "wf_queues": "queue, concurrency, hold, rate_limit, rate_per, paused, backoff",
        "wf_rates": "name, rate_limit, rate_per",
        "wf_events": "*",
        "wf_definitions": "name, version, current, definition",
        "wf_schedules": "name, cron, timezone, workflow, input, overlap, start, skipped, created_at",
        "wf_steps": "workflow_id, name, output",
    }.items():
        assert there.rows(f"SELECT {columns} FROM {table}") == db.rows(f"SELECT {columns} FROM {table}"), table
    assert there.rows("SELECT paused, next_at FROM wf_schedules") == [(1, None)]
    assert there.column("SELECT DISTINCT status FROM wf_workflows") == ["paused"]
    assert there.wf_check() is None
    assert json.loads(there.wf_import(document)) == [counts, *ids]  # as it arrived
    there.wf_resume(json.dumps(ids))
    there.wf_schedule("nightly", "0 3 * * *", "job", {"n": 1}, timezone="+02:00", overlap="queue", start={"queue": "mail"}, paused=False)
    assert there.value("SELECT next_at FROM wf_schedules") is not None
    assert there.claim(json.dumps(["default", "mail"]))["id"] == "p"
    assert there.value("SELECT wf_run()") == 1
    assert there.wf_check() is None


def test_an_array_of_ids(db):
    documents = json.loads(db.wf_export('["j", "none", "p"]'))
    assert [each and each["workflow"]["id"] for each in documents] == ["j", None, "p"]
    assert documents[0] == json.loads(db.wf_export("j"))
    assert db.wf_export("[]") == "[]"
    for bad in ("[1]", "[", '["j"'):
        with wf_error("WF_INVALID", "ids"):
            db.wf_export(bad)


def test_exports_has_one_document_a_row(db):
    rows = db.rows("SELECT id, document FROM wf_exports")
    assert [id for id, _ in rows] == [None, "p", "p/kid", "j", "s"]
    assert [json.loads(document) for _, document in rows] == all_documents(db)
    assert db.rows("SELECT document FROM wf_exports WHERE id = 'j'") == [(db.wf_export("j"),)]
    assert db.column("SELECT id FROM wf_exports WHERE id IN ('s', 'p', 'none')") == ["p", "s"]
    assert len(db.rows("SELECT document FROM wf_exports WHERE id IS NULL")) == 1
    assert db.value("SELECT count(*) FROM wf_exports WHERE json_extract(document, '$.workflow.queue') = 'mail'") == 1
    assert db.column("SELECT id FROM wf_exports ORDER BY id DESC LIMIT 2") == ["s", "p/kid"]


def test_of_a_file_without_tables_there_is_nothing(there):
    assert there.value("SELECT wf_export()") is None
    assert there.rows("SELECT * FROM wf_exports") == []
    assert there.wf_export('["j"]') is None


def test_documents_one_by_one_in_any_order(db, there):
    for (document,) in reversed(db.rows("SELECT document FROM wf_exports")):
        there.wf_import(document)
    assert there.rows("SELECT id, parent_id FROM wf_workflows ORDER BY id") == db.rows("SELECT id, parent_id FROM wf_workflows ORDER BY id")
    assert there.wf_check() is None


def test_all_or_nothing(db, there):
    documents = all_documents(db)
    documents[-2]["workflow"]["status"] = "odd"
    with wf_error("WF_INVALID"):
        there.wf_import(json.dumps(documents))
    assert there.value("SELECT count(*) FROM sqlite_master") == 0 or there.value("SELECT (SELECT count(*) FROM wf_workflows) + (SELECT count(*) FROM wf_events)") == 0


DIFFER = {
    "queues": lambda db: db.wf_queue("mail", concurrency=4),
    "rates": lambda db: db.wf_rate("model", limit=11, per=60),
    "events": lambda db: db.wf_emit("open", {"since": 2}),
    "schedules": lambda db: db.wf_schedule("nightly", "0 4 * * *", "job"),
}


@pytest.mark.parametrize("part", DIFFER)
def test_what_stands_there_otherwise_is_a_conflict(db, there, part):
    DIFFER[part](there)
    before = there.everything()
    with wf_error("WF_CONFLICT", part):
        there.wf_import(db.value("SELECT document FROM wf_exports WHERE id IS NULL"))
    assert there.everything() == before


def test_a_definition_that_stands_there_stays_the_current_one(db, there):
    there.wf_define("script", {"steps": [{"name": "other", "sql": "SELECT 2"}]})
    there.wf_import(db.value("SELECT document FROM wf_exports WHERE id IS NULL"))
    assert there.rows("SELECT version, current FROM wf_definitions ORDER BY version") == [(1, 1), (2, 0)]


def test_who_waits_for_an_event_that_comes_is_woken(db, there):
    there.wf_start("job", id="w")
    there.wf_await_event(there.claim()["token"], "open", "open")
    there.wf_import(db.value("SELECT document FROM wf_exports WHERE id IS NULL"))
    claim = there.claim()
    assert json.loads(there.wf_await_event(claim["token"], "open", "open"))["payload"] == {"since": 1}


BAD = {
    "unknown member": (lambda d: d.update(other=[]), "other"),
    "missing": (lambda d: d.pop("rates"), "rates"),
    "no array": (lambda d: d.update(events={}), "events"),
    "format": (lambda d: d.update(format=2), "format"),
    "a queue of no kind": (lambda d: d["queues"][0].update(hold="ever"), r"queues\[0\]"),
    "a rate of nothing": (lambda d: d["rates"][0].update(rate_limit=0), r"rates\[0\]"),
    "no JSON": (lambda d: d["events"][0].update(payload="{"), r"events\[0\].payload"),
    "a name": (lambda d: d["events"][1].update(name=""), r"events\[1\].name"),
    "a definition": (lambda d: d["definitions"][0].update(definition="{}"), "steps"),
    "a schedule": (lambda d: d["schedules"][0].update(cron="every now and then"), "nightly"),
    "its settings": (lambda d: d["schedules"][0].update(settings="{\"overlap\":\"odd\"}"), "nightly"),
    "unknown column": (lambda d: d["schedules"][0].update(next_at=1), r"schedules\[0\].next_at"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_is_named(db, there, what):
    document = all_documents(db)[0]
    change, place = BAD[what]
    change(document)
    with wf_error("WF_INVALID" if "queue" not in what and "rate" not in what else "WF_CONFLICT", place.replace("\\", "")):
        there.wf_import(json.dumps(document))
    assert there.value("SELECT count(*) FROM wf_events") == 0
