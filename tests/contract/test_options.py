"""The options object at the end of every writing function."""

import json

import pytest
from support import BASE, sql_time, wf_error

# function, the arguments before the options
CALLS = [
    ("wf_start", ("job", None)),
    ("wf_claim", (None, None)),
    ("wf_step", ("w1", "a", "1")),
    ("wf_complete", ("w1", None)),
    ("wf_fail", ("w1", "e")),
    ("wf_heartbeat", ("run_1_1", None)),
    ("wf_release", ("w1",)),
    ("wf_recover", ()),
]


@pytest.fixture
def w1(db):
    db.wf_start("job", id="w1")
    return db


@pytest.mark.parametrize("function, arguments", CALLS)
def test_an_unknown_key_is_invalid_and_the_message_names_it_and_what_is_allowed(w1, function, arguments):
    before = w1.everything()
    with wf_error("WF_INVALID", "colour", "now"):
        w1.call(function, *arguments, '{"colour":"red"}')
    assert w1.everything() == before


@pytest.mark.parametrize("options", ["[]", "5", '"now"', "null", "{", "{now:1}", "", "text"])
@pytest.mark.parametrize("function, arguments", CALLS)
def test_options_are_a_json_object(w1, function, arguments, options):
    with wf_error("WF_INVALID"):
        w1.call(function, *arguments, options)


@pytest.mark.parametrize("options", ["5", "5.5", "x'7b7d'", "CAST(x'7b7d00' AS TEXT)", "CAST(x'7b22ff223a317d' AS TEXT)"])
def test_options_are_text(w1, options):
    with wf_error("WF_INVALID"):
        w1.value("SELECT wf_start('job', NULL, %s)" % options)


@pytest.mark.parametrize("options", [None, "{}", " { } "])
def test_absent_options_mean_the_defaults(db, options):
    id = db.call("wf_start", "job", None, options)
    workflow = db.workflow(id)
    assert (workflow["queue"], workflow["priority"], workflow["max_attempts"]) == ("default", 0, 10)


def test_null_skips_an_optional_argument_before_the_options(w1):
    assert w1.claim(None, None, lease=90)["id"] == "w1"


@pytest.mark.parametrize(
    "function, arguments, options",
    [
        ("wf_start", ("job", None), '{"id":"a","id":"b"}'),
        ("wf_claim", (None, None), '{"lease":5,"lease":6}'),
        ("wf_step", ("w1", "a", "1"), '{"once":true,"once":true}'),
        ("wf_start", ("job", None), '{"backoff":{"factor":2,"factor":3}}'),
    ],
)
def test_a_key_given_twice_is_invalid(w1, function, arguments, options):
    before = w1.everything()
    with wf_error("WF_INVALID"):
        w1.call(function, *arguments, options)
    assert w1.everything() == before


INVALID_VALUES = [
    ("wf_start", "priority", ["1", True, 1.5, 101, -101, [], {}, 1e30]),
    ("wf_start", "max_attempts", ["3", True, 1.5, 0, -1, 1_000_001, 1e30]),
    ("wf_start", "delay", [-1, "5", "soon", True, [], {}]),
    ("wf_start", "at", ["soon", "2027-02-30", True, [], {}]),
    ("wf_start", "timeout", [-1, "5", "soon", True, []]),
    ("wf_start", "headers", [[], "text", 5, True]),
    ("wf_start", "manual", ["yes", 2, [], {}]),
    ("wf_start", "cleanup", ["yes", 2, [], {}]),
    ("wf_start", "backoff", ["5s", 5, [], {"initial": -1}, {"initial": True}, {"factor": 0.5}, {"factor": 1001},
                             {"factor": "2"}, {"max": "x"}, {"jitter": 1.5}, {"jitter": -0.1}, {"colour": 1}]),
    ("wf_start", "now", ["soon", True, [], {}]),
    ("wf_claim", "lease", [0, -1, "0s", "30", "soon", True, [], 400_000_000]),
    ("wf_claim", "limit", [0, -1, 1001, 1.5, "5", True, []]),
    ("wf_claim", "names", [5, {}, True]),
    ("wf_claim", "versions", [5, {}, True]),
    ("wf_claim", "steps", ["yes", 2, []]),
    ("wf_step", "once", ["yes", 2, []]),
    ("wf_fail", "retry", ["no", 2, []]),
    ("wf_fail", "delay", [-1, "5", "soon", True]),
    ("wf_fail", "at", ["soon", True, []]),
    ("wf_release", "delay", [-1, "5", True]),
    ("wf_release", "at", ["soon", True]),
    ("wf_recover", "pause", ["yes", 2, []]),
]


@pytest.mark.parametrize(
    "function, key, value", [(function, key, value) for function, key, values in INVALID_VALUES for value in values]
)
def test_a_wrong_type_or_a_number_out_of_range_is_invalid_and_the_message_names_the_key(w1, function, key, value):
    before = w1.everything()
    with wf_error("WF_INVALID", key):
        w1.call(function, *dict(CALLS)[function], **{key: value})
    assert w1.everything() == before


@pytest.mark.parametrize(
    "key, value, allowed",
    [("priority", 101, "100"), ("priority", -101, "-100"), ("max_attempts", 0, "1"), ("max_attempts", 1_000_001, "1000000")],
)
def test_the_message_says_what_is_allowed(db, key, value, allowed):
    with wf_error("WF_INVALID", key, allowed):
        db.wf_start("job", **{key: value})


@pytest.mark.parametrize("key", ["priority", "max_attempts"])
@pytest.mark.parametrize("number", [3, 3.0])
def test_a_whole_number_that_arrives_as_a_double_is_an_integer(db, key, number):
    db.wf_start("job", id="w1", **{key: number})
    found = db.workflow()[key]
    assert (found, type(found)) == (3, int)


def test_a_limit_that_arrives_as_a_double_is_an_integer(w1):
    assert [claim["id"] for claim in w1.claim(limit=2.0)] == ["w1"]


@pytest.mark.parametrize("priority", [-100, 100])
def test_the_ends_of_a_range_are_allowed(db, priority):
    db.wf_start("job", id="w1", priority=priority, max_attempts=1_000_000)
    assert db.workflow()["priority"] == priority


@pytest.mark.parametrize("function", ["wf_start", "wf_fail", "wf_release"])
def test_delay_and_at_exclude_each_other(w1, function):
    before = w1.everything()
    with wf_error("WF_INVALID", "delay", "at"):
        w1.call(function, *dict(CALLS)[function], delay=1, at=BASE)
    assert w1.everything() == before


# "now" in every writing function


@pytest.mark.parametrize("now", [BASE + 5, BASE + 5.0, "2027-01-15T08:00:05Z", "2027-01-15 08:00:05"])
def test_now_overrides_the_clock_of_a_start(db, now):
    db.wf_start("job", id="w1", now=now)
    assert db.workflow()["created_at"] == sql_time(5)


def test_now_overrides_the_clock_of_one_call_only(db):
    db.at(0)
    db.wf_start("job", id="w1", now=BASE + 5)
    db.wf_start("job", id="w2")
    assert db.column("SELECT created_at FROM wf_workflows ORDER BY id") == [sql_time(5), sql_time(0)]


def test_now_overrides_the_clock_of_a_claim(db):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    assert db.claim() is None
    assert db.claim(now=BASE + 60)["id"] == "w1"
    assert db.workflow()["due_at"] == sql_time(90)


def test_now_overrides_the_clock_of_a_step(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1", now=BASE + 7)
    assert db.value("SELECT recorded_at FROM wf_steps") == sql_time(7)


def test_now_overrides_the_clock_of_a_completion(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_complete("w1", now=BASE + 8)
    assert db.workflow()["completed_at"] == sql_time(8)


def test_now_overrides_the_clock_of_a_failure(db):
    db.at(0)
    db.wf_start("job", id="w1")
    db.wf_fail("w1", "e", delay=10, now=BASE + 9)
    assert db.workflow()["due_at"] == sql_time(19)
    assert db.value("SELECT at FROM wf_failures") == sql_time(9)


def test_now_overrides_the_clock_of_a_heartbeat(db):
    db.at(0)
    token = db.running()["token"]
    assert db.wf_heartbeat(token, 100, now=BASE + 10) == sql_time(110)


def test_now_overrides_the_clock_of_a_release(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_release(token, delay=5, now=BASE + 11)
    assert db.workflow()["due_at"] == sql_time(16)


def test_now_overrides_the_clock_of_a_recovery(db):
    db.at(0)
    db.running()
    db.wf_recover(now=BASE + 12)
    assert db.workflow()["due_at"] == sql_time(12)


# Found by review: the last seven were refused.
@pytest.mark.parametrize("offset", [9223372036854775800, 9223372036854775801, 9223372036854775807])
def test_an_integer_may_have_all_its_64_bits(db, offset):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", offset, "goes on at 0"):
        db.wf_append("w1", "s", 1, offset=offset)


def test_an_integer_of_more_than_64_bits_is_refused(db):
    db.wf_start("job", id="w1")
    for offset in (9223372036854775808, 92233720368547758070, -9223372036854775809):
        with wf_error("WF_INVALID", "offset"):
            db.wf_append("w1", "s", 1, offset=offset)


# Options in a name's place


@pytest.mark.parametrize("call", [
    """wf_claim('{"lease":"5m"}')""", """wf_claim(NULL, '{"lease":"5m"}')""", """wf_claim('{"leese":"5m"}')""", """wf_claim('{}')""",
    """wf_start('{"id":"x"}')""", """wf_cancel('{"force":true}')""", """wf_queue('{"concurrency":1}')""", """wf_spawn('w1', '{"id":"x"}', 'job')""",
    """wf_spawn('w1', 'kid', '{"queue":"x"}')""", """wf_signal('w1', '{"key":"k"}')""", """wf_step('w1', '{"once":true}', 1)""",
    """wf_pending('{"queue":"q"}')""", """wf_ready('{"queue":"q"}')""", """wf_delete('{"force":true}')""", """wf_release('{"delay":1}')""",
    """wf_schedule('s', '@daily', '{"timezone":"UTC"}')"""])
def test_options_in_a_name_s_place_are_invalid_with_a_hint(db, call):
    db.wf_start("job", id="w1")
    before = db.everything()
    with wf_error("WF_INVALID", "options", call.split("(")[0] + "("):
        db.value("SELECT " + call)
    assert db.everything() == before


@pytest.mark.parametrize("blank", [" ", "\n", "\r\n\t "])
@pytest.mark.parametrize("call", ["wf_claim(?)", "wf_claim(NULL, ?)", "wf_wait(?)", "wf_join('w1', 'j', ?)", "wf_await('w1', 'a', 'go', ?)", "wf_pause(?)", "wf_start(?)"])
def test_options_in_another_place_are_known_behind_blanks_too(db, call, blank):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "looks like options", call.split("(")[0] + "("):
        db.value("SELECT " + call, blank + '{"id":"x","keep":true,"mode":"any","skip":true}')


@pytest.mark.parametrize("blank", [" ", "\n", "\r\n\t "])
def test_an_array_may_have_blanks_before_it(db, blank):
    for id in ("w1", "w2"):
        db.wf_start("job", id=id, queue="q")
    assert db.wf_pause(blank + '["w1","w2"]') == 2 == db.wf_resume(blank + '["w1","w2"]')
    claims = [db.claim(blank + '["q"]') for _ in range(2)]
    assert [claim["id"] for claim in claims] == ["w1", "w2"]
    assert len(json.loads(db.wf_heartbeat(blank + json.dumps([claim["token"] for claim in claims])))) == 2
    assert db.wf_await(claims[0]["token"], "a", blank + '["go"]') is None
    assert db.wf_join(claims[1]["token"], "j", blank + '["w1"]') is None
    with wf_error("WF_INVALID", "must not start with"):
        db.wf_start("job", id=" [")


def test_other_json_may_be_a_name(db):
    db.wf_start('{"kind":"job"}', id='{"n":1}')
    assert db.wf_step('{"n":1}', '{"fetch":"x"}', 1) == 1
    assert db.claim(names=['{"kind":"job"}'])["id"] == '{"n":1}'


@pytest.mark.parametrize("call, names", [
    ("wf_wait('{\"queue\":\"q\"}')", "timeout"), ("wf_heartbeat('run_1_1', '{\"now\":1}')", "duration"),
    ("wf_sleep('w1', 'nap', '{\"now\":1}')", "duration_or_time"), ("wf_await('w1', 'a', 'go', '{\"now\":1}')", "timeout"),
    ("wf_await_event('w1', 'a', 'go', '{\"now\":1}')", "timeout"), ("wf_reschedule('w1', '{\"skip\":true}')", "time"),
    ("wf_join('w1', 'j', '{\"mode\":\"any\"}')", "ids"), ("wf_pause('{\"skip\":true}')", "ids"), ("wf_claim('{\"lease\":5}')", "queue"),
    ("wf_claim('q', '{}')", "worker"), ("wf_start('{\"id\":\"x\"}')", "name")])
def test_options_in_the_place_of_another_argument_are_told_where_they_belong(db, call, names):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "for %s of " % names, "looks like options: they come last, after NULL for what is left out"):
        db.value("SELECT " + call)


@pytest.mark.parametrize("call", ["wf_pending('{\"queue\":\"q\"}')"])
def test_a_function_without_options_says_that_it_has_none(db, call):
    with wf_error("WF_INVALID", "looks like options: it has none"):
        db.value("SELECT " + call)


def test_values_may_look_like_options(db):
    db.wf_start("job", id="w1")
    assert db.value("SELECT wf_step('w1', 'a', '{\"once\":true}')") == '{"once":true}'
    assert db.value("SELECT wf_complete('w1', '{\"now\":1}')") == "completed"
    assert db.wf_result("w1") == '{"now":1}'
