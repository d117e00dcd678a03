"""wf_export and wf_import: a workflow moves to another file and goes on there."""

import json
import os
from random import Random

import pytest
from support import BASE, extension_path, open_database, sql_time, wf_error


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
    assert (claim["id"], claim["name"], claim["input"], there.outputs(claim)) == ("w1", "job", {"n": 1}, {"a": {"ref": 9}})
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
    for turn in range(2):
        db.wf_step("w1", "charge", 1)
        db.wf_step("w1", "mail", 1)
        db.wf_fail("w1", "e", retry=False)
        db.wf_retry("w1", **{"from": "mail" if turn else "charge"})
    move(db, there)
    for step in ("charge", "mail", "never"):
        assert there.wf_key("w1", step) == db.wf_key("w1", step)
    assert (there.rows("SELECT step, redo FROM _wf_redo"), there.wf_check()) == ([("charge", 1), ("mail", 2)], None)


def test_a_child_is_known_to_its_parent_where_both_have_moved(db, there):
    db.wf_spawn("w1", "kid", "child", 1)
    for id in ("w1", "w1/kid"):
        document = db.wf_export(id)
        assert [there.wf_import(document) for _ in range(2)] == [id, id]
    there.execute("DELETE FROM _wf_step")
    there.wf_resume(["w1", "w1/kid"])
    assert there.wf_spawn("w1", "kid", "child", 1) == "w1/kid"
    assert (there.workflow("w1/kid")["parent_id"], there.wf_check()) == ("w1", None)


def test_one_that_arrives_without_its_parent_is_nobody_s_child(db, there):
    db.wf_spawn("w1", "kid", "child", 1)
    document = db.wf_export("w1/kid")
    assert [there.wf_import(document) for _ in range(2)] == ["w1/kid", "w1/kid"]
    assert (there.rows("SELECT parent, parent_step, parent_redo FROM _wf_workflow"), there.wf_check()) == ([(None, "kid", 0)], None)
    there.wf_start("job", id="w1")
    with wf_error("WF_CONFLICT", "w1/kid", "nobody's child"):
        there.wf_spawn("w1", "kid", "child", 1)


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


@pytest.mark.parametrize("text", ["", "{", "[[]]", "5", "{}", '{"id":"w1"}', "null", None, 5, b"{}"])
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


# What comes along, in every detail

VALUES = [
    None, 0, -1, 2**63 - 1, -(2**63), 2**53 + 1, 0.1, 1.0, -0.0, 1e300, 5e-324, float("inf"), b"", b"\x00\xff" * 5000,
    '{"$blob":"00"}', '{ "$real" : "3ff0000000000000" }', ' [1,\n 2.50, "\\u00fc ü \\ud83d\\ude00 \\u0000"] ', '"' + "ü" * 3000 + '"', "1.0", "null", "true", "{}",
]  # fmt: skip


def contents(db, id):
    """Everything that the base tables hold of a workflow, but for what a move may change (and the row of failures, which a step has broken)."""
    (row,) = db.records("SELECT w.*, l.queue, l.kind, l.partition, l.name, l.version, l.priority FROM _wf_workflow AS w JOIN _wf_lane AS l USING(lane) WHERE id = ?", id)
    seq = row["seq"]
    for key in ("seq", "lane", "mark", "failures", "wake", "updated_at", "parent", "nonce", "place", "status", "paused_from", "limited", "lease", "claim", "claim_key", "closed_nonce"):
        del row[key]
    return row, {
        table: db.rows("SELECT %s FROM %s WHERE wf = ? ORDER BY %s" % (columns, table, order), seq)
        for table, columns, order in (
            ("_wf_step", "name, kind, status, attempts, begun_at, at, due_at, topics, how, output, typeof(output), error", "n"),
            ("_wf_failure", "attempt, step, worker, error, at", "n"),
            ("_wf_signal AS s", "name, key, at, payload, typeof(payload), (SELECT name FROM _wf_step WHERE n = s.taken)", "n"),
            ("_wf_value", "key, at, value, typeof(value)", "key"),
            ("_wf_stream", "stream, offset, at, value, typeof(value)", "stream, offset"),
            ("_wf_stream_end", "stream, first, next, closed", "stream"),
            ("_wf_large", "what, value, typeof(value)", "what"),
        )
    }


def rich(db, id="rich"):
    """A workflow with something of everything."""
    db.wf_start("job", '{ "big": "%s" }' % ("x" * 2000), id=id, queue="q", headers={"h": [1, 2]}, timeout=5000, dedup="only-one", cleanup=True,
                backoff={"initial": 0.1, "factor": 1.1, "jitter": 0.1})  # fmt: skip
    db.wf_fail(id, "first", delay=0)
    token = db.claim("q", "worker-1", id=id)["token"]
    db.wf_fail(token, 1.5, step="flaky", delay=0)
    token = db.claim("q", "worker-1", id=id)["token"]
    for n, value in enumerate(VALUES):
        db.wf_step(token, "s%d" % n, value)
        db.wf_append(token, "log", value)
    db.wf_set(token, "blob", b"\x01")
    db.wf_set(token, "text", '{ "a": 1 }')
    db.wf_spawn(token, "child", "job", id=id + "-child")
    for n in range(3):
        db.wf_signal(id, "go", n, key="k%d" % n)
    db.wf_signal(id, "other", b"\x00")
    db.wf_await(token, "taken", "go")
    db.wf_sleep(token, "short", 0)
    db.wf_begin(token, "charge")
    return token


def there_as_here(db, there, id):
    document = db.wf_export(id)
    assert there.wf_import(document) == id
    assert there.wf_check() is None
    assert contents(there, id) == contents(db, id)
    assert there.wf_export(id) == document


def test_everything_comes_along(db, there):
    token = rich(db)
    db.wf_release(token)
    db.wf_pause("rich")  # so that the deadline stands still here as well
    there_as_here(db, there, "rich")
    db.wf_resume("rich"), there.wf_resume("rich")
    assert there.wf_key("rich", "x") == db.wf_key("rich", "x")
    assert there.workflow("rich")["deadline_at"] == db.workflow("rich")["deadline_at"]
    there.wf_pause("rich")
    assert there.wf_check() is None


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_values_come_back_of_the_same_type(db, there, number):
    value = VALUES[number]
    db.wf_start("job", value, id="w2")
    db.wf_step("w2", "a", value)
    db.wf_complete("w2", value)
    move(db, there, "w2")
    for read in (lambda d: d.wf_step("w2", "a"), lambda d: d.wf_result("w2"), lambda d: d.workflow("w2")["input"]):
        here, moved = read(db), read(there)
        assert (type(moved), repr(moved)) == (type(here), repr(here))


def test_an_export_of_what_arrived_is_the_same_document(db, there, connect, tmp_path):
    rich(db)
    document = db.wf_export("rich")
    there.wf_import(document)
    again = there.wf_export("rich")
    assert again == document
    third = connect(tmp_path / "third.db")
    assert (third.wf_import(again), third.wf_export("rich"), third.wf_check()) == ("rich", document, None)


def test_white_space_in_the_document_does_not_matter(db, there):
    rich(db)
    assert there.wf_import(json.dumps(json.loads(db.wf_export("rich")), indent=2)) == "rich"
    assert there.wf_export("rich") == db.wf_export("rich")


def test_a_claim_that_was_live_is_over_and_not_lost(db, there):
    claim = db.claim("q", "worker-1", lease=60)
    move(db, there)
    assert there.rows("SELECT * FROM wf_failures") == []
    there.wf_resume("w1")
    again = there.claim("q")
    assert (again["attempt"], again["resumed"]) == (claim["attempt"], claim["resumed"] + 1)


def test_lost_leases_are_counted_on(db, there):
    for n in range(3):
        db.at(n * 100)
        assert db.claim("q") is not None
    move(db, there)
    there.at(400)
    there.wf_resume("w1")
    assert there.claim("q") is not None  # the third claim was live: it is not lost
    there.at(500)
    there.wf_tick()
    assert there.wf_status("w1") == "running"
    there.claim("q")
    there.at(600)
    there.wf_tick()
    assert there.wf_status("w1") == "failed"


def test_the_time_to_the_deadline_stands_still_on_the_way(db, there):
    db.at(400)
    document = db.wf_export("w1")
    there.at(10000)
    there.wf_import(document)
    there.at(20000)
    there.wf_resume("w1")
    assert there.workflow()["deadline_at"] == sql_time(20600)


def test_a_backoff_goes_on(db, there):
    db.wf_fail("w1", "no", delay=60)
    move(db, there)
    there.wf_resume("w1")
    assert there.record("SELECT reason, due_at FROM wf_pending") == {"reason": "retry 2 of 4", "due_at": sql_time(60)}
    assert there.wf_fail("w1", "no", delay=60) == "pending"  # repeats the call that was made here
    assert there.value("SELECT count(*) FROM wf_failures") == 1


def test_a_workflow_that_is_to_be_cleaned_up_goes_on_with_that(db, there):
    db.wf_start("job", id="w2", queue="c", cleanup=True)
    db.wf_fail("w2", '"%s"' % ("e" * 3000), retry=False)
    move(db, there, "w2")
    there.wf_resume("w2")
    claim = there.claim("c")
    assert claim["ending"] == "failed"
    assert there.wf_complete(claim["token"]) == "failed"
    assert there.wf_error("w2") == db.workflow("w2")["error"]
    assert there.wf_check() is None


def test_a_failed_one_is_retried_there(db, there):
    for n in range(2):
        db.wf_signal("w1", "go", n)
    db.wf_await("w1", "a", "go")
    db.wf_step("w1", "b", 1)
    db.wf_fail("w1", "e", retry=False)
    move(db, there)
    there.wf_retry("w1", **{"from": "a"})
    assert [json.loads(there.wf_await("w1", step, "go"))["payload"] for step in ("a", "c")] == [0, 1]
    assert there.wf_check() is None


def test_a_manual_workflow_stays_manual(db, there):
    db.wf_start("job", id="w2", queue="m", manual=True)
    move(db, there, "w2")
    there.wf_resume("w2")
    assert (there.claim("m"), there.claim("m", id="w2")["id"], there.wf_check()) == (None, "w2", None)


# Repeating, and what stands in the way


def test_a_repeat_changes_nothing(db, there):
    rich(db)
    document = db.wf_export("rich")
    there.wf_import(document)
    before = there.everything()
    there.at(50)
    assert there.wf_import(json.dumps(json.loads(document), indent=1)) == "rich"
    assert there.everything() == before


def test_once_it_has_moved_on_a_repeat_is_a_conflict(db, there):
    document = db.wf_export("w1")
    there.wf_import(document)
    there.wf_resume("w1")
    with wf_error("WF_CONFLICT", "w1"):
        there.wf_import(document)
    there.wf_step("w1", "a", 1)
    there.wf_pause("w1")
    with wf_error("WF_CONFLICT", "w1"):
        there.wf_import(document)
    assert there.wf_step("w1", "a") == 1


def test_a_file_does_not_take_its_own_live_workflow(db):
    with wf_error("WF_CONFLICT", "w1"):
        db.wf_import(db.wf_export("w1"))
    assert db.wf_status("w1") == "pending"


def test_a_dedup_key_that_is_held_there_is_a_conflict(db, there):
    db.wf_start("job", id="w2", queue="q", dedup="k")
    document = db.wf_export("w2")
    there.wf_start("job", id="holder", queue="q", dedup="k")
    with wf_error("WF_CONFLICT", "holder", "dedup"):
        there.wf_import(document)
    there.wf_cancel("holder")
    assert there.wf_import(document) == "w2"
    assert there.wf_start("job", queue="q", dedup="k") == "w2"
    assert there.wf_check() is None


def test_what_is_wrong_comes_before_what_is_in_the_way(db, there):
    db.wf_step("w1", "a", 1)
    document = json.loads(db.wf_export("w1"))
    document["steps"][0]["status"] = "begun"
    there.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "steps[0]"):
        there.wf_import(document)


@pytest.mark.parametrize(
    "place, change",
    [
        ("format", lambda d: d.update(format=2)),
        ("format", lambda d: d.pop("format")),
        ("more", lambda d: d.update(more=1)),
        ("wfext", lambda d: d.update(wfext=1)),
        ("signals", lambda d: d.pop("signals")),
        ("values", lambda d: d.update(values={})),
        ("steps[1]", lambda d: d["steps"].append(d["steps"][0])),
        ("steps[0].at", lambda d: d["steps"][0].pop("at")),
        ("steps[0].at", lambda d: d["steps"][0].update(at=2**60)),
        ("steps[0].more", lambda d: d["steps"][0].update(more=1)),
        ("steps[0].output", lambda d: d["steps"][0].update(output="{")),
        ("steps[0].output", lambda d: d["steps"][0].update(output=1.5)),
        ("steps[0].output", lambda d: d["steps"][0].update(output={"$blob": "0g"})),
        ("steps[0].output", lambda d: d["steps"][0].update(output={"$real": "00"})),
        ("steps[0]", lambda d: d["steps"][0].update(kind="spawn", output={"$blob": ""})),
        ("steps[0]", lambda d: d["steps"][0].update(kind="sleep")),
        ("steps[0].name", lambda d: d["steps"][0].update(name="a\n")),
        ("workflow.id", lambda d: d["workflow"].update(id="run_1_1")),
        ("workflow.backoff", lambda d: d["workflow"].update(backoff='{"factor":1e9}')),
        ("workflow.headers", lambda d: d["workflow"].update(headers="[]")),
        ("workflow", lambda d: d["workflow"].update(priority=101)),
        ("workflow", lambda d: d["workflow"].update(status="running")),
        ("workflow", lambda d: d["workflow"].update(status="waiting")),
        ("workflow", lambda d: d["workflow"].update(status="completed")),
    ],
)
def test_an_error_names_the_place(db, there, place, change):
    db.wf_step("w1", "a", 1)
    document = json.loads(db.wf_export("w1"))
    change(document)
    with wf_error("WF_INVALID", place):
        there.wf_import(document)
    assert there.rows("SELECT * FROM wf_workflows") == [] and there.wf_check() is None


def test_members_that_are_given_twice_are_refused(db, there):
    document = db.wf_export("w1")
    for twice in (document.replace('"priority":5', '"priority":5,"priority":6'), document.replace('"steps":[]', '"steps":[],"steps":[]')):
        assert twice != document
        with wf_error("WF_INVALID", "twice"):
            there.wf_import(twice)


# Waits, parents, children


def test_an_event_that_comes_before_it_is_resumed_wakes_it(db, there):
    db.wf_await_event("w1", "wait", "news")
    move(db, there)
    assert there.wf_check() is None
    there.wf_emit("news", 1)
    there.wf_resume("w1")
    assert there.wf_ready() == 1
    assert json.loads(there.wf_await_event(there.claim("q")["token"], "wait", "news"))["payload"] == 1


def test_the_timeout_of_a_wait_stays_where_it_was(db, there):
    db.wf_await("w1", "wait", "go", 60)
    move(db, there)
    there.at(61)
    there.wf_resume("w1")
    assert json.loads(there.wf_await(there.claim("q")["token"], "wait", "go")) == {"signal": None, "timeout": True}


def test_a_family_moves_the_children_first(db, there):
    token = db.claim("q")["token"]
    for step in ("a", "b"):
        db.wf_spawn(token, step, "job", queue="k")
    assert db.wf_join(token, "all") is None
    for id in ("w1/a", "w1/b", "w1"):
        move(db, there, id)
    assert there.wf_check() is None
    there.wf_resume('["w1","w1/a","w1/b"]')
    assert there.claim("q") is None
    there.wf_complete("w1/a", 1), there.wf_complete("w1/b", 2)
    assert [each["output"] for each in json.loads(there.wf_join(there.claim("q")["token"], "all"))] == [1, 2]
    assert there.wf_check() is None


def test_a_family_moves_the_parent_first(db, there):
    token = db.claim("q")["token"]
    db.wf_spawn(token, "a", "job", queue="k")
    assert db.wf_join(token, "all") is None
    db.wf_complete("w1/a", 5)
    for id in ("w1", "w1/a"):
        move(db, there, id)
        assert there.wf_check() is None
    assert there.workflow("w1/a")["parent_id"] == "w1"
    there.wf_resume("w1")
    assert json.loads(there.wf_join(there.claim("q")["token"], "all")) == [{"id": "w1/a", "status": "completed", "output": 5}]


def test_a_child_that_arrives_later_is_waited_for(db, there):
    token = db.claim("q")["token"]
    db.wf_spawn(token, "a", "job", queue="k")
    db.wf_spawn(token, "b", "job", queue="k")
    assert db.wf_join(token, "all") is None
    for id in ("w1/a", "w1"):
        move(db, there, id)
    there.wf_resume('["w1","w1/a"]')
    assert there.claim("q") is None
    move(db, there, "w1/b")
    there.wf_resume("w1/b")
    assert there.wf_check() is None
    there.wf_complete("w1/a", 1)
    assert there.claim("q") is None
    there.wf_complete("w1/b", 2)
    assert [each["output"] for each in json.loads(there.wf_join(there.claim("q")["token"], "all"))] == [1, 2]


def test_a_child_that_stays_behind_is_unknown_there(db, there):
    token = db.claim("q")["token"]
    db.wf_spawn(token, "a", "job", queue="k")
    assert db.wf_join(token, "all") is None
    move(db, there)
    there.wf_resume("w1")
    assert json.loads(there.wf_join(there.claim("q")["token"], "all")) == [{"id": "w1/a", "status": None}]


def test_a_child_without_its_parent_has_none(db, there):
    db.wf_spawn("w1", "a", "job", queue="k")
    document = db.wf_export("w1/a")
    move(db, there, "w1/a")
    assert there.workflow("w1/a")["parent_id"] is None
    assert there.wf_import(document) == "w1/a"
    assert there.wf_check() is None


def test_a_step_that_is_held_is_resolved_there(db, there):
    db.wf_begin(db.claim("q", lease=10)["token"], "charge")
    db.at(20)
    assert db.wf_begin(db.claim("q")["token"], "charge", in_doubt="hold") is None
    move(db, there)
    there.wf_resume("w1")
    assert there.record("SELECT step, held FROM wf_in_doubt") == {"step": "charge", "held": 1}
    there.wf_resolve("w1", "charge", "done", 7)
    assert there.wf_step(there.claim("q")["token"], "charge") == 7


# Where it may be called


def test_both_in_the_callers_transaction(db, there):
    document = db.wf_export("w1")
    there.execute("BEGIN")
    there.wf_import(document)
    there.execute("ROLLBACK")
    assert there.wf_status("w1") is None
    there.execute("BEGIN")
    there.wf_import(document)
    there.wf_resume("w1")
    there.execute("COMMIT")
    assert there.wf_status("w1") == "pending"


def test_import_is_refused_inside_a_writing_statement(db, there):
    there.wf_init()
    there.execute("CREATE TABLE t(x)")
    with wf_error("WF_CONTEXT", "wf_import"):
        there.execute("INSERT INTO t SELECT wf_import(?)", (db.wf_export("w1"),))
    assert there.wf_status("w1") is None


def test_export_is_for_queries_of_any_kind(db):
    db.execute("CREATE TABLE archive(id, document)")
    db.execute("INSERT INTO archive SELECT id, wf_export(id) FROM wf_workflows")
    assert db.value("SELECT json_extract(document, '$.workflow.id') FROM archive") == "w1"
    assert db.value("SELECT json_extract(json_object('d', wf_export('w1')), '$.d.format')") == 1


def test_an_export_before_the_first_write_is_null(there):
    assert there.wf_export("w1") is None


def test_now_is_the_clock_of_the_import(db, there):
    there.wf_config("clock", "explicit")
    with wf_error("WF_INVALID", "now"):
        there.wf_import(db.wf_export("w1"))
    there.wf_import(db.wf_export("w1"), now=BASE + 77)
    assert there.workflow()["updated_at"] == sql_time(77)


# Hostile documents


def use(there, id):
    """Everything that may come next."""
    for table in ("wf_workflows", "wf_pending", "wf_steps", "wf_failures", "wf_signals", "wf_values", "wf_streams", "wf_in_doubt", "wf_queues"):
        there.rows("SELECT * FROM " + table)
    for call in (
        lambda: there.wf_export(id), lambda: there.wf_resume(id), lambda: there.claim("q", id=id), lambda: there.wf_signal(id, "stop"), lambda: there.wf_emit("news"),
        lambda: there.claim("q"), lambda: there.wf_tick(), lambda: there.wf_recover(), lambda: there.wf_step(id, "new", 1), lambda: there.wf_fail(id, "e"),
        lambda: there.wf_sleep(id, "short", 1), lambda: there.wf_join(id, "all"), lambda: there.wf_spawn(id, "child", "x"), lambda: there.wf_cancel(id),
        lambda: there.claim("q", id=id), lambda: there.wf_complete(id), lambda: there.wf_retry(id, **{"from": "s1"}), lambda: there.wf_retry(id), lambda: there.wf_fork(id),
        lambda: there.wf_complete(id), lambda: there.wf_delete(id, force=True),
    ):  # fmt: skip
        try:
            call()
        except Exception as error:  # pylint: disable=broad-except
            assert str(error).startswith("WF_"), error
        assert there.wf_check() is None


def hostile(random, documents):
    """A document of which a part or two were replaced, mostly by what stands elsewhere in one."""
    document = json.loads(json.dumps(random.choice(documents)))
    for _ in range(random.choice((1, 1, 2, 3))):
        part = random.choice(("workflow", "workflow", "steps", "steps", "steps", "failures", "signals", "signals", "values", "streams"))
        rows = [document["workflow"]] if part == "workflow" else document[part]
        others = [row for other in documents for row in ([other["workflow"]] if part == "workflow" else other[part])]
        if not rows:
            rows.append(dict(random.choice(others)))
            continue
        row = random.choice(rows)
        key = random.choice(sorted({key for other in others for key in other}))
        move = random.random()
        if move < 0.5:
            row[key] = random.choice(others).get(key)
        elif move < 0.75:
            row[key] = random.choice((None, 0, 1, -1, 7, 2**31, 2**52, -(2**63), "", "x", "[]", '["x"]', "{}", "null", '"x"', {"$blob": "00"}, {"$real": "7ff8000000000000"}))
        elif move < 0.85:
            row.pop(key, None)
        elif part != "workflow":
            random.choice((lambda: rows.remove(row), lambda: rows.append(dict(row)), lambda: rows.append(dict(random.choice(others))), lambda: random.shuffle(rows)))()
    return document


def test_no_document_builds_a_damaged_file(db, there):
    """Whatever is taken is a workflow with which everything can be done."""
    rich(db, "rich")
    db.wf_start("job", id="w2", queue="q", cleanup=True, timeout=50, dedup="d")
    db.wf_step("w2", "s1", "[]")
    db.wf_await("w2", "wait", '["stop","go"]', 60)
    db.wf_start("job", id="w3", queue="q", partition="p", version="1", manual=True)
    db.wf_spawn("w3", "child", "job")
    db.wf_join("w3", "all", None, mode="any")
    db.wf_start("job", id="w4", queue="q")
    db.wf_step("w4", "s1", 1)
    db.wf_await_event("w4", "wait", "news")
    db.wf_fail("w1", '"%s"' % ("x" * 2000), retry=False)
    db.wf_start("job", id="w5", queue="q", cleanup=True)
    db.wf_fail("w5", '"%s"' % ("x" * 2000), retry=False)
    db.wf_start("job", id="w6", queue="q")
    db.wf_begin("w6", "s1")
    db.wf_complete("w6", 1)
    db.wf_start("job", id="w7", queue="q")
    db.wf_sleep("w7", "short", 5)
    documents = [json.loads(db.wf_export(id)) for id in ("rich", "rich-child", "w1", "w2", "w3", "w3/child", "w4", "w5", "w6", "w7")]
    there.wf_start("job", id="w3/child", queue="q")
    there.wf_start("waiter", id="waiter", queue="q")
    there.wf_queue("q", concurrency=3, hold="started")
    there.make()  # and not in each of the transactions that are undone
    taken = 0
    for seed in range(20000 if os.environ.get("WFEXT_DEEP") else 1200):
        document = hostile(Random(seed), documents)
        there.execute("BEGIN")
        try:
            id = there.wf_import(document)
            taken += 1
            assert there.wf_check() is None
            use(there, id)
        except Exception as error:  # pylint: disable=broad-except
            assert str(error).startswith("WF_"), (seed, error)
            assert there.wf_check() is None
        finally:
            there.execute("ROLLBACK")
    assert taken > 200


@pytest.mark.parametrize("member, value", [("due_at", 1_800_000_000_000), ("topics", '["x"]')])
def test_a_step_that_is_no_wait_waits_for_nothing(db, there, member, value):
    db.wf_step("w1", "a", 1)
    document = json.loads(db.wf_export("w1"))
    document["steps"][0][member] = value
    with wf_error("WF_INVALID", "steps[0]"):
        there.wf_import(json.dumps(document))
    assert there.rows("SELECT * FROM wf_workflows") == []
