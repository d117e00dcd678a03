"""wf_export and wf_import: a workflow moves to another file and goes on there."""

import json

import pytest
from support import extension_path, open_database, sql_time, wf_error


def has_functions():
    db = open_database(":memory:")
    names = db.column("SELECT name FROM wf_functions")
    db.close()
    return {"wf_export", "wf_import"} <= set(names)


pytestmark = pytest.mark.skipif(not has_functions(), reason="wf_export and wf_import are not in " + extension_path())


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("job", {"n": 1}, id="w1", queue="q", priority=5, version="2", partition="p", headers={"h": 1}, timeout=1000, max_attempts=4)
    return db


@pytest.fixture
def there(connect, tmp_path):
    other = connect(tmp_path / "there.db")
    other.at(0)
    return other


def move(db, there, id="w1"):
    assert there.wf_import(db.wf_export(id)) == id
    return there


def test_an_export_is_json_and_changes_nothing(db):
    db.wf_step("w1", "a", "1")
    before = db.everything()
    assert isinstance(json.loads(db.wf_export("w1")), dict)
    assert db.everything() == before


def test_an_unknown_workflow_has_no_export(db):
    assert db.wf_export("nobody") is None


def test_it_arrives_paused(db, there):
    move(db, there)
    assert (there.wf_status("w1"), there.claim("q"), there.wf_check()) == ("paused", None, None)


def test_resumed_it_goes_on_there(db, there):
    db.wf_step("w1", "a", '{"ref": 9}')
    move(db, there)
    assert there.wf_resume("w1") == 1
    claim = there.claim("q", steps=True)
    assert (claim["id"], claim["name"], claim["input"], claim["steps"]) == ("w1", "job", {"n": 1}, {"a": {"ref": 9}})
    assert there.wf_step(claim["token"], "a") == '{"ref": 9}'
    assert there.wf_complete(claim["token"], "5") == "completed"
    assert there.wf_check() is None


def test_what_it_was_started_with_comes_along(db, there):
    move(db, there)
    before, after = db.workflow(), there.workflow()
    for key in ("name", "queue", "priority", "version", "partition", "input", "headers", "max_attempts", "attempt", "created_at"):
        assert after[key] == before[key], key


@pytest.mark.parametrize("output", [5, 1.5, b"\x00\xff", '{"a": 1}', None, "x" * 5000])
def test_outputs_come_back_byte_for_byte(db, there, output):
    kept = db.wf_step("w1", "a", output)
    move(db, there)
    assert there.wf_step("w1", "a") == kept


def test_queued_signals_come_along_in_their_order(db, there):
    for n in range(3):
        db.wf_signal("w1", "go", n, key="k%d" % n)
    db.wf_await("w1", "first", "go")
    move(db, there)
    there.wf_resume("w1")
    assert json.loads(there.wf_await("w1", "first", "go"))["payload"] == 0
    assert [json.loads(there.wf_await("w1", step, "go"))["payload"] for step in ("b", "c")] == [1, 2]
    assert there.wf_signal("w1", "go", 0, key="k0") == 0


def test_values_and_streams_come_along(db, there):
    db.wf_set("w1", "progress", '{"percent": 50}')
    for n in range(3):
        db.wf_append("w1", "log", n)
    move(db, there)
    assert there.wf_get("w1", "progress") == '{"percent": 50}'
    assert there.column("SELECT value FROM wf_streams WHERE workflow_id = 'w1' ORDER BY offset") == [0, 1, 2]
    there.wf_resume("w1")
    assert there.wf_append("w1", "log", 3) == 3


def test_the_keys_of_its_steps_stay_the_same(db, there):
    db.wf_fail("w1", "e", retry=False)
    db.wf_retry("w1")
    move(db, there)
    assert there.wf_key("w1", "charge") == db.wf_key("w1", "charge")


def test_an_open_wait_goes_on_waiting(db, there):
    db.wf_sleep("w1", "nap", 60)
    move(db, there)
    there.wf_resume("w1")
    assert (there.wf_status("w1"), there.claim("q")) == ("waiting", None)
    there.at(60)
    assert there.wf_sleep(there.claim("q")["token"], "nap", 60) == sql_time(60)


def test_a_wait_for_a_signal_goes_on_waiting(db, there):
    db.wf_await("w1", "wait", "go", 600)
    move(db, there)
    there.wf_resume("w1")
    assert there.wf_await("w1", "wait", "go") is None
    there.wf_signal("w1", "go", 1)
    assert json.loads(there.wf_await("w1", "wait", "go"))["payload"] == 1


def test_a_wait_for_an_event_sees_the_events_of_the_new_file(db, there):
    db.wf_await_event("w1", "wait", "news")
    there.wf_emit("news", 1)
    move(db, there)
    there.wf_resume("w1")
    assert json.loads(there.wf_await_event(there.claim("q")["token"], "wait", "news"))["payload"] == 1


def test_tokens_of_the_old_file_are_not_accepted(db, there):
    old = db.claim("q")["token"]
    move(db, there)
    with pytest.raises(Exception, match="^WF_(LEASE_LOST|NOT_FOUND|PAUSED): "):
        there.wf_step(old, "a", "1")
    there.wf_resume("w1")
    with pytest.raises(Exception, match="^WF_(LEASE_LOST|NOT_FOUND): "):
        there.wf_step(old, "a", "1")
    assert there.wf_step(there.claim("q")["token"], "a", "1") == "1"


def test_a_step_that_was_begun_is_in_doubt_there(db, there):
    db.wf_begin(db.claim("q")["token"], "charge")
    move(db, there)
    there.wf_resume("w1")
    assert there.column("SELECT step FROM wf_in_doubt") == ["charge"]
    assert there.wf_begin(there.claim("q")["token"], "charge", in_doubt="hold") is None


def test_an_id_that_is_taken_is_a_conflict(db, there):
    there.wf_start("other", id="w1")
    with wf_error("WF_CONFLICT", "w1"):
        there.wf_import(db.wf_export("w1"))
    assert there.workflow()["name"] == "other"


@pytest.mark.parametrize("end", [lambda db: db.wf_complete("w1", '{"a": 1}'), lambda db: db.wf_fail("w1", "e", retry=False), lambda db: db.wf_cancel("w1", "why")])
def test_a_terminal_workflow_moves_as_it_is(db, there, end):
    end(db)
    move(db, there)
    for read in ("wf_status", "wf_result", "wf_error"):
        assert there.call(read, "w1") == db.call(read, "w1")
    assert there.wf_check() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", '{"id":"w1"}', "null", None, 5, b"{}"])
def test_what_is_not_an_export_is_invalid(there, text):
    with wf_error("WF_INVALID"):
        there.wf_import(text)
    assert there.rows("SELECT * FROM wf_workflows") == []


def test_every_damage_of_an_export_is_refused_or_harmless(db, there):
    """Each part of the export is replaced by something else: an error, or a file in which nothing is wrong."""
    db.wf_step("w1", "a", "1")
    db.wf_signal("w1", "go", 1)
    db.wf_set("w1", "k", 1)
    db.wf_append("w1", "log", 1)
    db.wf_await("w1", "wait", "stop", 60)
    export = json.loads(db.wf_export("w1"))
    there.wf_init()

    def mutants(node, replace):
        for other in (None, -1, "odd", [], {}, 1e300):
            yield replace(other)
        if isinstance(node, dict):
            for key in node:
                yield from mutants(node[key], lambda new, key=key: replace({**node, key: new}))
                yield replace({k: v for k, v in node.items() if k != key})
        elif isinstance(node, list):
            for i in range(len(node)):
                yield from mutants(node[i], lambda new, i=i: replace(node[:i] + [new] + node[i + 1:]))

    for mutant in mutants(export, lambda new: new):
        there.execute("BEGIN")
        try:
            there.wf_import(json.dumps(mutant))
        except Exception as error:  # pylint: disable=broad-except
            assert str(error).startswith("WF_"), (mutant, error)
        problems = there.wf_check()
        there.execute("ROLLBACK")
        assert problems is None, (mutant, problems)


def test_it_is_not_for_triggers(there):
    there.execute("CREATE TABLE t(x)")
    there.execute("CREATE TRIGGER t1 AFTER INSERT ON t BEGIN SELECT wf_import(new.x); END")
    with pytest.raises(Exception, match="unsafe use of wf_import"):
        there.execute("INSERT INTO t VALUES ('{}')")
