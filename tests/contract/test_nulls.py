"""NULL means "not yet"; reading what does not exist gives NULL, acting on it raises; reading writes nothing."""

import pytest
from support import wf_error

READS = [
    ("wf_status('nobody')", None),
    ("wf_result('nobody')", None),
    ("wf_error('nobody')", None),
    ("wf_pending()", 0),
    ("wf_pending('default')", 0),
    ("wf_ready()", 0),
    ("wf_ready('default')", 0),
    ("wf_config('max_attempts')", 10),
    ("(SELECT count(*) FROM wf_workflows)", 0),
    ("(SELECT count(*) FROM wf_pending)", 0),
    ("(SELECT count(*) FROM wf_steps)", 0),
    ("(SELECT count(*) FROM wf_failures)", 0),
]

ACTS = [
    ("wf_step('nobody', 'a')"),
    ("wf_step('nobody', 'a', '1')"),
    ("wf_complete('nobody')"),
    ("wf_fail('nobody', 'e')"),
    ("wf_fail('nobody', 'e', '{\"step\":\"a\"}')"),
    ("wf_release('nobody')"),
    ("wf_key('nobody', 'a')"),
    ('wf_claim(NULL, NULL, \'{"id":"nobody"}\')'),
]


@pytest.mark.parametrize("call, result", READS)
def test_before_the_first_write_everything_reads_as_empty_and_reading_writes_nothing(db, call, result):
    assert db.value("SELECT " + call) == result
    assert db.rows("SELECT * FROM sqlite_master") == []


@pytest.mark.parametrize("call, result", READS)
def test_reading_what_does_not_exist_gives_null_or_nothing(db, call, result):
    db.wf_init()
    assert db.value("SELECT " + call) == result


@pytest.mark.parametrize("call", ACTS)
@pytest.mark.parametrize("initialised", [False, True])
def test_acting_on_an_unknown_workflow_raises_not_found_and_names_it(db, call, initialised):
    if initialised:
        db.wf_init()
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.value("SELECT " + call)


def test_claiming_from_an_empty_database_gives_null(db):
    assert db.wf_claim() is None
    db.wf_init()
    assert db.wf_claim() is None
    assert db.wf_claim(limit=10) is None


def test_what_has_not_happened_yet_is_null(db):
    token = db.running()["token"]
    assert db.wf_step(token, "a") is None
    assert db.wf_result("w1") is None
    assert db.wf_error("w1") is None
    workflow = db.workflow()
    assert (workflow["output"], workflow["error"], workflow["completed_at"], workflow["deadline_at"]) == (None,) * 4


def test_a_result_belongs_to_a_completed_workflow_and_an_error_to_a_failed_one(db):
    db.running("w1")
    db.wf_recover()
    db.wf_fail("w1", "e")
    assert (db.wf_result("w1"), db.wf_error("w1")) == (None, None)
    db.wf_start("job", id="w2")
    db.wf_complete("w2", "1")
    assert (db.wf_result("w2"), db.wf_error("w2")) == ("1", None)
    db.wf_start("job", id="w3")
    db.wf_fail("w3", "e", retry=False)
    assert (db.wf_result("w3"), db.wf_error("w3")) == (None, '"e"')


def test_once_satisfied_a_function_returns_the_same_for_ever(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1")
    db.wf_complete("w1", "2")
    for _ in range(3):
        assert (db.wf_step("w1", "a"), db.wf_result("w1"), db.wf_status("w1")) == ("1", "2", "completed")


@pytest.mark.parametrize("call", ["wf_start(NULL)", "wf_step(NULL, 'a')", "wf_step('w1', NULL)", "wf_complete(NULL)",
                                  "wf_fail(NULL, 'e')", "wf_heartbeat(NULL)", "wf_release(NULL)"])
def test_null_where_a_name_is_required_is_invalid(db, call):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID"):
        db.value("SELECT " + call)


def test_the_guard_idiom_stops_at_the_first_recorded_output(db):
    db.wf_start("job", id="w1")
    db.create_function("effect", 0, lambda: effects.append(1) or len(effects))
    effects = []
    for _ in range(3):
        assert db.value("SELECT coalesce(wf_step('w1', 'a'), wf_step('w1', 'a', effect()))") == 1
    assert effects == [1]
