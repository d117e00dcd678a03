"""Half of a surrogate pair is JSON, but no text: in a name it is refused like bytes that are not UTF-8; in a value it stays as it was written."""

import json

import pytest

from support import wf_error

HALVES = ["\\ud83d", "\\ud83c", "\\udc00", "\\uD83D x", "a\\ud83d\\ud83d", "\\ude00\\ud83d"]
half = pytest.mark.parametrize("half", HALVES)

# What takes a name within JSON: {h} is the half.
NAMED = [
    """wf_start('job', NULL, '{"id":"o-{h}"}')""", """wf_start('job', NULL, '{"queue":"o-{h}"}')""", """wf_start('job', NULL, '{"partition":"o-{h}"}')""",
    """wf_start('job', NULL, '{"dedup":"o-{h}"}')""", """wf_start('job', NULL, '{"version":"o-{h}"}')""", """wf_claim(NULL, NULL, '{"key":"o-{h}"}')""",
    """wf_claim('["o-{h}"]')""", """wf_claim(NULL, NULL, '{"names":["a","o-{h}"]}')""", """wf_await('w1', 's', '["o-{h}"]')""",
    """wf_await_event('w1', 's', '["o-{h}"]')""", """wf_join('w1', 's', '["o-{h}"]')""", """wf_signal('w1', 'go', 1, '{"key":"o-{h}"}')""",
    """wf_cancel('["o-{h}"]')""", """wf_delete('["o-{h}"]')""", """wf_spawn('w1', 's', 'child', NULL, '{"id":"o-{h}"}')""",
    """wf_heartbeat('["run_{h}"]')""", """wf_fail('w1', 'no', '{"step":"o-{h}"}')""", """wf_run('{"queue":"o-{h}"}')""",
    """wf_schedule('s', '@daily', 'job', NULL, '{"start":{"queue":"o-{h}"}}')""",
    """wf_define('d', '{"steps":[{"name":"o{h}","sql":"SELECT 1"}]}')""", """wf_define('d', '{"steps":[{"name":"a","task":"o-{h}"}]}')""",
    """wf_define('d', '{"steps":[{"name":"a","sql":"SELECT ''{h}''"}]}')""", """wf_define('d', '{"steps":[{"name":"a","await":["x","o-{h}"]}]}')""",
    """wf_define('d', '{"input":{"o{h}":"text"},"steps":[{"name":"a","sql":"SELECT 1"}]}')""",
]


@half
@pytest.mark.parametrize("call", NAMED, ids=[call.split("(")[0] + str(i) for i, call in enumerate(NAMED)])
def test_in_a_name_it_is_refused(db, half, call):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID"):
        db.value("SELECT " + call.replace("{h}", half))
    assert db.value("SELECT count(*) FROM wf_workflows") == 1 and db.rows("SELECT * FROM wf_steps") == []


def test_a_whole_pair_is_a_character(db):
    assert db.value("""SELECT wf_start('job', NULL, '{"id":"o-\\ud83d\\ude00"}')""") == "o-\U0001f600"


@half
def test_in_a_value_it_stays_as_it_was_written(db, half):
    value = '{"a":"%s"}' % half
    db.wf_start("job", value, id="w1")
    db.wf_signal("w1", "go", value)
    db.wf_await("w1", "got", "go")
    db.wf_step("w1", "s", value)
    db.wf_set("w1", "k", value)
    assert [db.wf_step("w1", "s"), db.wf_get("w1", "k"), db.value("SELECT input FROM wf_workflows")] == [value] * 3
    assert value in db.value("SELECT output FROM wf_steps WHERE name = 'got'")
    assert db.wf_start("job", value, id="w1") == "w1"
    with wf_error("WF_CONFLICT"):
        db.wf_start("job", '{"a":"\\ud800"}', id="w1")
    db.wf_complete("w1", value)
    assert db.wf_result("w1") == value
    assert db.wf_check() is None


@half
def test_for_sql_it_is_a_replacement_character(db, half):
    db.wf_define("it", '{"input":{"n":"text"},"steps":[{"name":"a","sql":"SELECT :n AS n, length(:n) AS l"}]}')
    db.wf_start("it", '{"n":"%s"}' % half, id="w1")
    db.wf_run()
    result = json.loads(db.value("SELECT output FROM wf_steps"))
    assert "\ufffd" in result["n"] and result["l"] == len(result["n"])


def test_in_a_document_it_is_refused(db, memdb):
    db.wf_start("job", '"\\ud83d"', id="w1")
    document = db.wf_export("w1")
    assert memdb.wf_import(document) == "w1"
    assert memdb.value("SELECT input FROM wf_workflows") == '"\\ud83d"'
    for at in ('"id":"w1', '"name":"job', '"queue":"default'):
        with wf_error("WF_INVALID"):
            memdb.wf_import(document.replace(at, at + "\\ud83d"))
