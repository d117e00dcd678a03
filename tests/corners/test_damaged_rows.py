"""Rows changed by hand may give wrong answers, but no crash and no hang."""

import json
import sqlite3
import subprocess

import pytest

from support import BASE, wf_error

HOUR = 3600


def bounded(db, seconds=20):
    """From now on a statement that runs on and on is interrupted: a hang becomes a failure."""
    left = [seconds * 1_000_000]

    def tick():
        left[0] -= 1000
        return left[0] < 0

    db.set_progress_handler(tick, 1000)


@pytest.mark.parametrize("kind", ["", "odd", "spawn"])
def test_a_wait_of_no_known_kind_is_given_up(db, kind):
    db.at(0)
    db.wf_start("job", id="w1")
    assert db.wf_await("w1", "aw", "go", "1h") is None
    db.execute("UPDATE _wf_step SET kind = ?", (kind,))
    db.at(2 * HOUR)
    bounded(db)
    with wf_error("WF_STATE", "w1", "aw", "damaged"):
        db.wf_claim(None, None, id="w1")
    try:  # it ends, whatever comes of it
        db.wf_claim()
    except Exception as error:
        assert "damaged" in str(error)


def test_a_wait_that_became_a_step_is_held(db):
    db.at(0)
    db.wf_start("job", id="w1")
    assert db.wf_await("w1", "aw", "go", "1h") is None
    db.execute("UPDATE _wf_step SET kind = 'step'")
    db.at(2 * HOUR)
    bounded(db)
    db.wf_start("job", id="w2")
    assert db.claim()["id"] == "w2"
    assert db.claim() is None
    assert db.wf_ready() == 0


# ---- Stored JSON that is none ------------------------------------------------------------------------------------------
HALVES = ["", " ", "{", "[", '"', '{"n":', '["a",', '{"$blob":', '{"items":', '"\\', '"\\u12', "nul", "-", "1e", "x", "\x00"]


@pytest.mark.parametrize("half", HALVES)
def test_the_input_of_a_schedule_is_no_json(db, half):
    db.at(0)
    db.wf_define("fulfil", '{"input":{"n":"integer"},"steps":[{"name":"a","sql":"SELECT :n AS n"}]}')
    db.wf_schedule("hourly", "@every 1h", "fulfil", '{"n":1}')
    db.execute("UPDATE _wf_schedule SET input = ?", (half,))
    db.at(2 * HOUR)
    assert db.wf_claim() is None
    assert "JSON" in db.value("SELECT error FROM wf_schedules")
    assert db.wf_tick() == 0


@pytest.mark.parametrize("column", ["topics", "how", "output", "error"])
@pytest.mark.parametrize("half", HALVES + [None])
def test_the_item_of_a_step_is_no_json(db, column, half):
    db.at(0)
    db.wf_define("all", {"steps": [
        {"name": "each", "for_each": "SELECT value FROM json_each('[1,2]')", "sql": "SELECT :item AS i, :item::n AS n"},
        {"name": "child", "for_each": "SELECT 'x' UNION ALL SELECT 'y'", "task": "q"},
        {"name": "signalled", "await": ["go"], "timeout": "1h"}]})
    db.wf_start("all", id="w1")
    bounded(db)
    for limit in range(12):
        db.execute("UPDATE OR IGNORE _wf_step SET %s = ?" % column, (half,))
        db.at(limit * HOUR / 3)
        try:
            db.wf_run(limit=1)
            db.wf_claim("q")
        except Exception as error:
            assert "crash" not in str(error)
    db.value("SELECT wf_check()")
    db.rows("SELECT * FROM wf_steps")


@pytest.mark.parametrize("half", HALVES)
def test_settings_headers_and_backoffs_are_no_json(db, half):
    db.at(0)
    db.wf_schedule("hourly", "@every 1h", "job", '{"n":1}', start={"headers": {"a": 1}, "backoff": {"initial": 1}})
    db.wf_queue("default", backoff={"initial": 5})
    db.wf_start("job", id="w1", headers={"a": 1}, backoff={"initial": 2})
    db.wf_config("backoff", '{"initial":3}')
    for change in ("_wf_schedule SET settings", "_wf_queue SET backoff", "_wf_workflow SET backoff", "_wf_workflow SET headers", "_wf_meta SET value"):
        db.execute("UPDATE %s = ?%s" % (change, " WHERE key = 'backoff'" if "meta" in change else ""), (half,))
    db.at(2 * HOUR)
    assert db.wf_claim() is not None
    db.wf_fail("w1", "no") if db.wf_status("w1") == "pending" else None
    db.value("SELECT wf_check()")
    for table in ("wf_workflows", "wf_queues", "wf_schedules"):
        db.rows("SELECT * FROM " + table)


# ---- What is no JSON in results that are ---------------------------------------------------------------------------------
TEXTS = ["", " ", "{", '{"n":', "x", "\x00"]


def shown(text):
    return {"$text": text}


@pytest.mark.parametrize("text", TEXTS)
def test_one_damaged_input_hides_nothing_else_in_a_claim(db, text):
    db.at(0)
    for i in range(3):
        db.wf_start("job", {"n": i}, id="w%d" % i, headers={"a": i})
    db.execute("UPDATE _wf_workflow SET input = ? WHERE id = 'w1'", (text,))
    db.execute("UPDATE _wf_workflow SET headers = ? WHERE id = 'w2'", (text,))
    claims = {claim["id"]: claim for claim in db.claim(limit=10)}
    assert [claims["w%d" % i]["input"] for i in range(3)] == [{"n": 0}, shown(text), {"n": 2}]
    assert [claims["w%d" % i]["headers"] for i in range(3)] == [{"a": 0}, {"a": 1}, shown(text)]
    assert "_wf_workflow.input" in db.wf_check() and "_wf_workflow.headers" in db.wf_check()


@pytest.mark.parametrize("text", TEXTS)
def test_damaged_steps_in_a_claim_and_where_they_are_read(db, text):
    db.at(0)
    db.wf_start("job", id="w1")
    for step in ("a", "b", "c"):
        db.wf_step("w1", step, '"%s"' % step)
    db.execute("UPDATE _wf_step SET output = ? WHERE name = 'b'", (text,))
    assert [step["output"] for step in db.claim(steps=True, key="k")["steps"]] == ["a", shown(text), "c"]
    for call in ("wf_step('w1', 'b')", "wf_step('w1', 'b', 1)"):
        found = json.loads(db.value("SELECT " + call.replace("'w1'", "'%s'" % db.claim(key="k")["token"])))
        assert found == shown(text)
    found = json.loads(db.wf_begin(db.claim(key="k")["token"], "b"))
    assert found == {"output": shown(text)}


@pytest.mark.parametrize("text", TEXTS)
def test_damaged_outputs_payloads_and_values(db, text):
    db.at(0)
    for id in ("p", "one", "two"):
        db.wf_start("job", id=id)
    db.wf_complete("one", 1)
    db.wf_fail("two", "no", retry=False)
    db.wf_signal("p", "go", 1)
    db.wf_emit("news", 1)
    db.wf_set("p", "k", 1)
    db.execute("UPDATE _wf_workflow SET output = ? WHERE id = 'one'", (text,))
    db.execute("UPDATE _wf_workflow SET error = ? WHERE id = 'two'", (text,))
    for table, column in (("signal", "payload"), ("event", "payload"), ("value", "value")):
        db.execute("UPDATE _wf_%s SET %s = ?" % (table, column), (text,))
    assert json.loads(db.wf_result("one")) == shown(text) and json.loads(db.wf_error("two")) == shown(text)
    assert json.loads(db.wf_get("p", "k")) == shown(text)
    assert json.loads(db.wf_emit("news", 2)) == shown(text)
    assert json.loads(db.wf_join("p", "j", '["one","two"]')) == [
        {"id": "one", "status": "completed", "output": shown(text)}, {"id": "two", "status": "failed", "error": shown(text)}]
    assert json.loads(db.wf_await("p", "a", "go"))["payload"] == shown(text)
    assert json.loads(db.wf_await_event("p", "e", "news"))["payload"] == shown(text)
    both = json.loads(db.wf_wait_any("p", "any", '[{"join":["one"]},{"event":"news"}]', mode="all"))
    assert both[0]["join"][0]["output"] == shown(text) and both[1]["payload"] == shown(text)
    # What was recorded of them is JSON.
    db.execute("DELETE FROM _wf_value")
    db.execute("DELETE FROM _wf_signal")
    assert all(json.loads(output) for output in db.column("SELECT output FROM wf_steps"))
    db.execute("UPDATE _wf_step SET output = ? WHERE name = 'j'", (text,))
    assert json.loads(db.wf_join("p", "j", '["one","two"]')) == shown(text)


def test_a_value_as_deep_as_can_be_has_no_room_in_another(db):
    deep, fits = "[" * 1000 + "]" * 1000, "[" * 990 + "]" * 990
    parse = "SELECT json_extract(?, ?)"
    db.at(0)
    db.wf_start("job", deep, id="deep", headers={"a": 1})
    db.wf_start("job", fits, id="fits")
    db.wf_step("deep", "a", deep)
    db.wf_step("deep", "b", fits)
    assert db.wf_step("deep", "a") == deep
    claims = db.wf_claim(limit=2, steps=True, names=["job"])
    assert db.value(parse, claims, "$[0].input.$text") == deep and db.value(parse, claims, "$[0].headers.a") == 1
    assert db.value(parse, claims, "$[1].input") == fits
    assert db.value(parse, claims, "$[0].steps[0].output.$text") == deep and db.value(parse, claims, "$[0].steps[1].output") == fits
    db.wf_complete(db.value(parse, claims, "$[1].token"), fits)
    db.wf_start("job", id="p")
    for step in ("one", "two"):
        joined = db.wf_wait_any("p", step, '[{"join":["fits"]}]', mode="all")
        assert db.value(parse, joined, "$[0].join[0].output") == fits
    steps = db.wf_claim(None, None, id="p", steps=True)
    assert db.value("SELECT json_valid(?)", steps) == 1


# ---- Names that hosts could not read -----------------------------------------------------------------------------------
# Text of bytes that are no UTF-8: each becomes U+FFFD in what is shown.
def rename(db, table, column, where):
    db.execute("UPDATE _wf_%s SET %s = CAST(x'61ff62c3' AS TEXT) WHERE %s" % (table, column, where))


NAME = "a\ufffdb\ufffd"


def test_names_that_are_no_utf8_in_results(db):
    db.at(0)
    for id in ("w1", "w2"):
        db.wf_start("job", id=id, queue="q", dedup=id)
    db.wf_step("w1", "s", 1)
    rename(db, "workflow", "id", "id = 'w1'")
    rename(db, "workflow", "worker", "1")
    rename(db, "lane", "name", "1")
    rename(db, "step", "name", "1")
    assert db.value("SELECT wf_start('job', NULL, '{\"queue\":\"q\",\"dedup\":\"w1\"}')") == NAME
    claim = db.claim("q", steps=True)
    assert (claim["id"], claim["name"], claim["steps"][0]["name"]) == (NAME, NAME, NAME)
    assert sorted(db.column("SELECT id FROM wf_workflows")) == [NAME, "w2"]
    assert db.column("SELECT name FROM wf_steps") == [NAME]
    assert NAME in db.wf_check()
    assert db.column("SELECT DISTINCT name FROM wf_pending") == [NAME]


def test_names_that_are_no_utf8_in_messages(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_start("job", id="w2")
    assert db.wf_await("w2", "s", "go") is None
    rename(db, "workflow", "worker", "id = 'w1'")
    rename(db, "step", "name", "1")
    with wf_error("WF_LEASED", NAME):
        db.wf_complete("w1")
    with wf_error("WF_SUSPENDED", NAME):
        db.wf_complete("w2")
    rename(db, "workflow", "id", "id = 'w1'")
    with wf_error("WF_LEASE_LOST", NAME):
        db.wf_complete(token[:-1] + ("1" if token[-1] != "1" else "2"))
    # What an application's trigger says is shown by SQLite's own error.
    db.execute("CREATE TRIGGER t BEFORE UPDATE ON _wf_workflow BEGIN SELECT RAISE(ABORT, 'no \u00e4'); END")
    with pytest.raises(Exception, match="no \u00e4"):
        db.wf_complete(token)


# ---- A row that is there and is not found ------------------------------------------------------------------------------
def test_a_workflow_without_its_lane_is_in_the_way_by_a_code(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.execute("UPDATE _wf_workflow SET lane = 99")
    with wf_error("WF_STATE", "damaged", "_wf_workflow.id"):
        db.wf_start("job", id="w1", if_exists="replace")


def test_the_numbers_of_workflows_have_an_end(db):
    db.wf_start("job", id="w1")
    db.execute("INSERT OR REPLACE INTO _wf_meta VALUES ('last_seq', 34359738367)")
    with wf_error("WF_STATE", "34359738367"):
        db.wf_start("job", id="w2")
    with wf_error("WF_STATE", "34359738367"):
        db.wf_start("job", json.dumps("x" * 3000), id="w2", tags={"a": "b"})
    with wf_error("WF_STATE", "34359738367"):
        db.wf_fork("w1")
    db.execute("UPDATE _wf_meta SET value = 34359738366 WHERE key = 'last_seq'")
    token = db.running("w2")["token"]
    db.wf_step(token, "a", 1)
    assert db.rows("SELECT name, seq FROM wf_steps WHERE workflow_id = 'w2'") == [("a", 1)]


# ---- Settings of the file ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", ["x", b"\x00", None, 0, -5, 1.5, "1 ", 2**62])
def test_a_schema_version_that_is_none_is_not_set_right(db, connect, version):
    db.wf_start("job", id="w1")
    db.execute("UPDATE _wf_meta SET value = ? WHERE key = 'schema_version'", (version,))
    kept = db.rows("SELECT typeof(value), value FROM _wf_meta WHERE key = 'schema_version'")
    for other in (db, connect()):
        for call in ("wf_start('job')", "wf_init()", "wf_claim()", "wf_config('schema_version')", "wf_config('lease', 5)", "wf_recover()"):
            with wf_error("WF_SCHEMA", "schema version"):
                other.value("SELECT " + call)
        assert other.value("SELECT ok FROM wf_doctor WHERE name = 'schema version'") == 0
        if version != 2**62:
            assert "schema_version" in other.wf_check()
    assert db.rows("SELECT typeof(value), value FROM _wf_meta WHERE key = 'schema_version'") == kept


@pytest.mark.parametrize("epoch", [2**63 - 1, 2**60, "x", None, b"\x00", -5, 1.5])
def test_an_epoch_that_is_none(db, epoch):
    db.at(0)
    db.wf_start("job", id="w1")
    db.execute("UPDATE _wf_meta SET value = ? WHERE key = 'epoch'", (epoch,))
    assert "epoch" in db.wf_check()
    assert json.loads(db.wf_recover())["epoch"] == BASE * 1000
    assert db.wf_check() is None
    assert json.loads(db.wf_recover())["epoch"] == BASE * 1000 + 1


# ---- Numbers that do not fit -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("time", ["9223372036854775.8075", "9223372036854775.8074", "-9223372036854775.8085", "1e400", "9223372036854775807", "-1e30"])
def test_a_time_that_does_not_fit(db, time):
    with wf_error("WF_INVALID", "now"):
        db.value("SELECT wf_start('job', NULL, ?)", '{"now":%s}' % time)
    assert db.value("SELECT count(*) FROM wf_workflows") == 0


@pytest.mark.parametrize("number", ["99999999999999999999", "-99999999999999999999", "9223372036854775808", "1e3", "1.5"])
@pytest.mark.parametrize("column", ["created_at", "due_at", "attempt", "priority", "timeout"])
def test_a_number_of_a_document_that_does_not_fit(db, memdb, number, column):
    db.at(0)
    db.wf_start("job", id="w1", timeout=5)
    document = json.loads(db.wf_export("w1"))
    document["workflow"][column] = 424242
    text = json.dumps(document).replace("424242", number)
    with wf_error("WF_INVALID", "workflow." + column):
        memdb.wf_import(text)


def test_the_smallest_integer_is_one(db):
    db.wf_define("it", '{"input":{"n":"integer"},"steps":[{"name":"a","sql":"SELECT :n AS n, typeof(:n) AS t"}]}')
    for id, n in (("least", -(2**63)), ("most", 2**63 - 1)):
        db.wf_start("it", '{"n":%d}' % n, id=id)
        db.wf_run()
        assert json.loads(db.value("SELECT output FROM wf_steps WHERE workflow_id = ?", id)) == {"n": n, "t": "integer"}


def test_deadlines_of_rows_that_are_none_do_not_keep_a_tick(db):
    db.at(0)
    for i in range(40):
        db.wf_start("job", id="w%d" % i, timeout=60)
    db.execute("UPDATE _wf_workflow SET status = CASE WHEN seq % 2 THEN 'completed' ELSE status END, lane = CASE WHEN seq % 2 THEN lane ELSE 99 END")
    db.at(120)
    bounded(db)
    db.wf_tick()
    db.wf_claim()
    assert db.wf_check() is not None


@pytest.mark.parametrize("column", ["step", "rate", "per_key"])
@pytest.mark.parametrize("call", ["wf_delete('w2', '{\"force\":true}')", "wf_cancel('w2')", "wf_rate('api', NULL)", "wf_complete('w1')"])
def test_a_line_for_shares_that_names_no_text_is_left(db, column, call):
    db.wf_rate("api", limit=1, per="1h")
    for id in ("w1", "w2", "w3"):
        db.wf_start("job", id=id)
        db.wf_acquire(id, "share", "api")
    db.execute("UPDATE _wf_line SET %s = x'00ff' WHERE wf = (SELECT seq FROM _wf_workflow WHERE id = 'w2')" % column)
    bounded(db)
    try:
        db.value("SELECT " + call)
    except sqlite3.OperationalError as error:
        assert str(error).startswith("WF_")
    assert not db.in_transaction
