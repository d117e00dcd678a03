"""wf_start: identity, what a duplicate is, and every option."""

import json
import re
import uuid

import pytest
from support import BASE, json_time, sql_time, wf_error


def test_start_returns_the_id_given(db):
    assert db.wf_start("job", {"n": 1}, id="order-1") == "order-1"
    workflow = db.workflow("order-1")
    assert (workflow["name"], workflow["status"], workflow["input"]) == ("job", "pending", '{"n":1}')


def test_the_default_id_is_a_version_7_uuid_of_the_clock(db):
    db.at(0)
    id = db.wf_start("job")
    assert re.match(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id)
    assert (uuid.UUID(id).version, uuid.UUID(id).variant) == (7, uuid.RFC_4122)
    assert uuid.UUID(id).int >> 80 == BASE * 1000


def test_default_ids_differ_and_sort_by_start_time(db):
    ids = []
    for offset in range(20):
        db.at(offset)
        ids.append(db.wf_start("job"))
    assert len(set(ids)) == 20
    assert ids == sorted(ids)
    db.at(0)
    assert len({db.wf_start("job") for _ in range(200)}) == 200


# The same id again

EQUAL = [
    ('{"a":1,"b":[true,null]}', ' { "b" : [ true , null ] , "a" : 1 } '),
    ('{"a":{"x":1,"y":2}}', '{"a":{"y":2,"x":1}}'),
    ('"a"', '"\\u0061"'),
    ('{"\\u0061":1}', '{"a":1}'),
    ('"\\ud83d\\ude42"', '"🙂"'),
    ('"\\/"', '"/"'),
    ("1", "1.0"),
    ("100", "1e2"),
    ("0.1", "0.10"),
    ("1e400", "1e400"),
    ("9007199254740993", "9007199254740993"),
    (5, "5"),
    (5, 5.0),
    (0.5, "0.5"),
    (None, "null"),
    (b"\x00\xff", b"\x00\xff"),
    ("[" * 1000 + "]" * 1000, "[" * 1000 + " " + "]" * 1000),
]
DIFFERENT = [
    ('{"a":1}', '{"a":2}'),
    ('{"a":1}', '{"a":1,"b":null}'),
    ('{"a":1}', '{"A":1}'),
    ("[1,2]", "[2,1]"),
    ("[1]", "[1,1]"),
    ("[]", "{}"),
    ("[]", "null"),
    ('""', "null"),
    ("1", "true"),
    ("0", "false"),
    ("1", '"1"'),
    ('"a"', '"A"'),
    ('"a"', '"a\\u0000"'),
    ("9007199254740993", "9007199254740992"),
    ("9223372036854775807", "9223372036854775806"),
    ("1", "1.0000001"),
    (5, 6),
    (b"5", "5"),
    (b"5", 5),
    (b"a", b"b"),
    (b"", None),
    (b"a", '{"$blob":"61"}'),
]


@pytest.mark.parametrize("first, second", EQUAL, ids=lambda value: repr(value)[:30])
def test_an_equal_input_is_the_same_start_and_nothing_changes(db, first, second):
    assert db.wf_start("job", first, id="w1") == "w1"
    before = db.everything()
    assert db.wf_start("job", second, id="w1") == "w1"
    assert db.everything() == before


@pytest.mark.parametrize("first, second", DIFFERENT, ids=repr)
@pytest.mark.parametrize("swap", [False, True])
def test_another_input_is_a_conflict_and_nothing_changes(db, first, second, swap):
    if swap:
        first, second = second, first
    db.wf_start("job", first, id="w1")
    before = db.everything()
    with wf_error("WF_CONFLICT", "w1"):
        db.wf_start("job", second, id="w1")
    assert db.everything() == before


def test_another_name_is_a_conflict(db):
    db.wf_start("job", id="w1")
    with wf_error("WF_CONFLICT", "w1", "job"):
        db.wf_start("Job", id="w1")


def test_ids_are_compared_exactly(db):
    assert db.wf_start("job", id="w1") == "w1"
    assert db.wf_start("other", id="W1") == "W1"
    assert db.wf_start("other", id="w1 ") == "w1 "
    assert db.wf_pending() == 3


def test_other_options_of_a_duplicate_are_not_compared_and_change_nothing(db):
    db.wf_start("job", id="w1")
    before = db.everything()
    assert db.wf_start("job", id="w1", queue="other", priority=9, delay=60, max_attempts=1, version="2", headers={"a": 1}) == "w1"
    assert db.everything() == before


@pytest.mark.parametrize("end", ["running", "completed", "failed"])
def test_a_duplicate_in_any_status_is_the_same_start(db, end):
    token = db.running()["token"]
    if end == "completed":
        db.wf_complete(token)
    elif end == "failed":
        db.wf_fail(token, "e", retry=False)
    before = db.everything()
    assert db.wf_start("job", id="w1") == "w1"
    with wf_error("WF_CONFLICT"):
        db.wf_start("job", 1, id="w1")
    assert db.everything() == before
    assert db.wf_status("w1") == end


# Options


def test_the_defaults(db):
    db.at(0)
    db.wf_start("job", id="w1")
    workflow = db.workflow()
    expected = dict(queue="default", priority=0, max_attempts=10, due_at=sql_time(0), version=None, partition=None, dedup=None,
                    headers=None, deadline_at=None, ending=None, parent_id=None, input="null")
    assert {key: workflow[key] for key in expected} == expected


def test_queue_version_partition_and_headers_are_kept(db):
    db.wf_start("job", id="w1", queue="q", version="v2", partition="p", headers={"trace": [1, "é"]}, dedup="d", priority=-7)
    workflow = db.workflow()
    assert (workflow["queue"], workflow["version"], workflow["partition"], workflow["priority"]) == ("q", "v2", "p", -7)
    assert workflow["dedup"] == "d"
    claim = db.claim("q")
    assert (claim["version"], claim["priority"], claim["headers"]) == ("v2", -7, {"trace": [1, "é"]})


def test_delay_puts_the_first_due_moment_off(db):
    db.at(0)
    db.wf_start("job", id="w1", delay="1h")
    assert db.workflow()["due_at"] == sql_time(3600)
    assert (db.claim(), db.wf_ready()) == (None, 0)
    db.at(3600)
    assert (db.wf_ready(), db.claim()["id"]) == (1, "w1")


def test_at_sets_the_first_due_moment(db):
    db.at(0)
    db.wf_start("job", id="w1", at=json_time(90))
    assert db.workflow()["due_at"] == sql_time(90)
    db.at(89.999)
    assert db.claim() is None
    db.at(90)
    assert db.claim()["id"] == "w1"


def test_at_in_the_past_is_due_at_once(db):
    db.at(0)
    db.wf_start("job", id="w1", at="2001-01-01")
    assert db.claim()["id"] == "w1"


@pytest.mark.parametrize("options, deadline", [({}, 60), ({"delay": 100}, 160), ({"at": BASE + 50}, 110)])
def test_timeout_runs_from_the_first_due_moment(db, options, deadline):
    db.at(0)
    db.wf_start("job", id="w1", timeout="1m", **options)
    assert db.workflow()["deadline_at"] == sql_time(deadline)


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_max_attempts_is_the_failure_budget(db, max_attempts):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=max_attempts, backoff={"initial": 0})
    results = [db.wf_fail(db.claim()["token"], "e") for _ in range(max_attempts)]
    assert results == ["pending"] * (max_attempts - 1) + ["failed"]


def test_a_manual_workflow_is_claimable_by_id_only(db):
    db.wf_start("job", id="w1", manual=True)
    assert (db.claim(), db.claim(names=["job"]), db.wf_ready()) == (None, None, 0)
    assert db.wf_pending() == 1
    assert db.claim(id="w1")["id"] == "w1"


def test_a_manual_workflow_stays_manual_after_a_release_and_a_lost_lease(db):
    db.at(0)
    db.wf_start("job", id="w1", manual=True)
    db.wf_release(db.claim(id="w1")["token"])
    assert db.claim() is None
    assert db.claim(id="w1")["attempt"] == 1
    db.at(31)
    assert db.claim() is None
    assert db.claim(id="w1")["attempt"] == 2


# dedup


def test_dedup_returns_the_existing_workflow_of_the_queue_and_key(db):
    first = db.wf_start("job", {"n": 1}, dedup="k")
    assert db.wf_start("job", {"n": 1}, dedup="k") == first
    assert db.wf_start("other", {"n": 2}, dedup="k", priority=5) == first
    assert db.wf_pending() == 1
    assert db.workflow(first)["input"] == '{"n":1}'


def test_dedup_counts_per_queue_and_key(db):
    ids = {db.wf_start("job", dedup="k"), db.wf_start("job", dedup="k2"), db.wf_start("job", queue="q", dedup="k"), db.wf_start("job")}
    assert len(ids) == 4


def test_dedup_lets_the_next_one_start_once_the_first_has_ended(db):
    first = db.wf_start("job", dedup="k")
    db.wf_complete(first)
    second = db.wf_start("job", dedup="k")
    assert second != first
    db.wf_fail(second, "e", retry=False)
    assert db.wf_start("job", dedup="k") not in (first, second)


@pytest.mark.parametrize("status", ["running", "backoff", "delayed"])
def test_dedup_holds_in_every_status_that_is_not_terminal(db, status):
    first = db.wf_start("job", dedup="k", delay=60 if status == "delayed" else 0)
    if status != "delayed":
        token = db.claim()["token"]
        if status == "backoff":
            db.wf_fail(token, "e")
    assert db.wf_start("job", dedup="k") == first


def test_dedup_is_looked_up_after_the_id(db):
    db.wf_start("job", id="w1", dedup="k")
    db.wf_start("job", id="w2")
    assert db.wf_start("job", id="w2", dedup="k") == "w2"
    assert db.wf_start("job", id="w3", dedup="k") == "w1"
    with wf_error("WF_CONFLICT"):
        db.wf_start("other", id="w2", dedup="k")
    assert db.column("SELECT id FROM wf_workflows ORDER BY id") == ["w1", "w2"]


# Found by review: a double was written with 17 digits, and 0.10000000000000001 is not the 0.1 of a text.
@pytest.mark.parametrize("number, text", [
    (0.1, "0.1"), (0.1, "1e-1"), (0.1, "0.10000000000000001"), (0.1 + 0.2, "0.30000000000000004"), (1e23, "1e23"), (-2.5, "-2.50"), (5e-324, "5e-324"),
    (12345678901234567890.0, "12345678901234567890"), (9007199254740993.0, "9007199254740993"), (1.7976931348623157e308, "1.7976931348623157e308")])
def test_a_number_is_the_same_input_bound_as_a_double_or_written_as_text(db, number, text):
    for id, first, second in (("a", number, text), ("b", text, number)):
        db.wf_start("job", first, id=id)
        assert db.wf_start("job", second, id=id) == id
        with wf_error("WF_CONFLICT"):
            db.wf_start("job", -number, id=id)
    for other in ('"%s"' % text, "[%s]" % text, None, "true"):
        with wf_error("WF_CONFLICT"):
            db.wf_start("job", other, id="a")


@pytest.mark.parametrize("number", [0.1, 0.3, 0.1 + 0.2, 1e23, 1 / 3, 1e-7, 123456.789, 2.0])
def test_a_double_is_shown_with_the_digits_it_needs(db, number):
    db.wf_start("job", number)
    text = db.wf_claim()
    assert json.loads(text)["input"] == number
    digits = text.split('"input":')[1].split(",")[0].split("e")[0].replace(".", "").strip("0")
    assert len(digits) == len(repr(number).split("e")[0].replace(".", "").strip("0"))


# Where nothing but the workflow's row has to be written, one statement does it (start_plain); a trigger on the table makes it go the long way.


@pytest.mark.parametrize("options", [
    {}, {"delay": "1h", "timeout": "2h"}, {"priority": 3, "queue": "q", "version": "2", "headers": {"a": 1}, "max_attempts": 4, "max_failures": 9},
    {"backoff": {"initial": 1, "factor": 2}, "cleanup": True}, {"manual": True}, {"partition": "p"}, {"dedup": "d"}, {"tags": {"a": "b"}}])
@pytest.mark.parametrize("value", [None, '{"a":1}', b"x", "long"])
def test_starting_in_one_statement_leaves_the_same_row_as_the_long_way(memdb, value, options):
    memdb.at(0)
    value = '"%s"' % ("x" * 2000) if value == "long" else value
    memdb.wf_start("job", value, id="w0", **{**options, **({"dedup": "other"} if "dedup" in options else {})})  # the lane
    lanes = memdb.rows("SELECT * FROM _wf_lane")
    rows = []
    for long_way in (False, True):
        if long_way:
            memdb.execute("CREATE TEMP TRIGGER watches AFTER INSERT ON main._wf_workflow BEGIN SELECT 1; END")
        assert memdb.wf_start("job", value, id="w1", **options) == "w1"
        rows.append(memdb.record("SELECT * FROM _wf_workflow WHERE id = 'w1'"))
        assert memdb.rows("SELECT * FROM _wf_lane") == lanes
        assert memdb.wf_check() is None
        memdb.wf_delete("w1", force=True)
    assert {**rows[0], "seq": 0} == {**rows[1], "seq": 0}


def test_a_start_in_one_statement_is_told_of_what_is_there_and_of_what_comes_earlier(memdb):
    memdb.at(0)
    memdb.wf_start("job", "1", id="w1", delay="1h")
    assert memdb.wf_start("job", "1", id="w1", delay="1h") == "w1"
    with pytest.raises(Exception, match="WF_CONFLICT"):
        memdb.wf_start("job", "2", id="w1", delay="1h")
    memdb.wf_start("job", id="w2")  # due before all that its lane knows of
    assert memdb.claim()["id"] == "w2"
    memdb.wf_start("job", id="w3")  # a definition that comes later makes the name a script's
    memdb.wf_define("job", '{"steps":[{"name":"a","sql":"SELECT 1"}]}')
    memdb.wf_start("job", id="w4")
    assert memdb.rows("SELECT id, kind FROM _wf_workflow JOIN _wf_lane USING(lane) ORDER BY seq")[-2:] == [("w3", 0), ("w4", 1)]
