"""wf_retry: failed and cancelled workflows run again."""

import json

import pytest
from support import json_time, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    return db


def failed(db, *steps, id="w1", **options):
    """A workflow that recorded these steps and failed for good."""
    db.wf_start("job", id=id, **options)
    for step in steps:
        db.wf_step(id, step, '"%s"' % step)
    db.wf_fail(id, "e", retry=False)


@pytest.mark.parametrize("end", [lambda db: db.wf_fail("w1", "e", retry=False), lambda db: db.wf_cancel("w1", "why")])
def test_failed_and_cancelled_ones_become_pending_and_keep_their_steps(db, end):
    db.wf_start("job", {"n": 1}, id="w1")
    db.wf_step("w1", "a", "1")
    end(db)
    db.at(50)
    assert db.wf_retry("w1") == 1
    workflow = db.workflow()
    assert (workflow["status"], workflow["due_at"], workflow["completed_at"], workflow["error"]) == ("pending", sql_time(50), None, None)
    claim = db.claim(steps=True)
    assert (claim["id"], claim["input"], db.outputs(claim)) == ("w1", {"n": 1}, {"a": 1})
    assert db.wf_complete(claim["token"], "2") == "completed"


@pytest.mark.parametrize("prepare", [
    lambda db: None, lambda db: db.claim(), lambda db: db.wf_complete("w1"), lambda db: db.wf_pause("w1"), lambda db: db.wf_sleep("w1", "nap", 9)])
def test_others_are_not_counted_and_do_not_change(db, prepare):
    db.wf_start("job", id="w1")
    prepare(db)
    before = db.everything()
    assert db.wf_retry("w1") == 0
    assert db.everything() == before


def test_an_array_counts_what_changed(db):
    failed(db, id="a")
    failed(db, id="b")
    db.wf_start("job", id="c")
    assert db.wf_retry(["a", "b", "c"]) == 2


def test_an_unknown_id_undoes_all(db):
    failed(db, id="a")
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_retry(["a", "nobody"])
    assert db.wf_status("a") == "failed"


def test_it_has_new_budgets(db):
    db.wf_start("job", id="w1", max_attempts=2, backoff={"initial": 5, "factor": 2})
    for _ in range(2):
        db.wf_clock(db.workflow()["due_at"])
        db.wf_fail(db.claim()["token"], "e")
    db.wf_retry("w1")
    db.wf_clock(db.workflow()["due_at"])
    assert db.wf_fail(db.claim()["token"], "e") == "pending"
    now = db.wf_clock()
    assert db.value("SELECT round((julianday(due_at) - julianday(?)) * 86400) FROM wf_workflows", now) == 5
    db.wf_clock(db.workflow()["due_at"])
    assert db.wf_fail(db.claim()["token"], "e") == "failed"


def test_a_failed_step_has_a_new_budget(db):
    db.wf_start("job", id="w1")
    assert [db.wf_fail(db.claim()["token"], "e", step="charge", max_attempts=2, delay=0) for _ in range(2)] == ["pending", "failed"]
    db.wf_retry("w1")
    assert [db.wf_fail(db.claim()["token"], "e", step="charge", max_attempts=2, delay=0) for _ in range(2)] == ["pending", "failed"]


def test_lost_leases_are_forgotten(db):
    db.wf_start("job", id="w1", max_attempts=2)
    for turn in range(2):
        db.claim()
        db.at(31 * (turn + 1))
    assert (db.claim(), db.wf_status("w1")) == (None, "failed")
    db.wf_retry("w1")
    db.claim()
    db.at(100)
    assert db.claim()["id"] == "w1"


def test_the_timeout_runs_anew(db):
    failed(db, timeout=100)
    db.at(1000)
    db.wf_retry("w1")
    assert db.claim()["deadline_at"] == json_time(1100)


def test_one_that_timed_out_gets_its_time_again(db):
    db.wf_start("job", id="w1", timeout=10)
    db.at(11)
    db.wf_tick()
    assert (db.wf_status("w1"), db.wf_retry("w1")) == ("failed", 1)
    assert db.claim()["deadline_at"] == json_time(21)


def test_old_tokens_stay_lost(db):
    old = db.running()["token"]
    db.wf_fail(old, "e", retry=False)
    db.wf_retry("w1")
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_step(old, "a", "1")
    new = db.claim()["token"]
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_step(old, "a", "1")
    assert db.wf_step(new, "a", "1") == "1"


def test_its_failures_stay_listed(db):
    failed(db)
    db.wf_retry("w1")
    assert db.value("SELECT count(*) FROM wf_failures") == 1


def test_an_open_wait_begins_anew(db):
    db.wf_start("job", id="w1")
    db.wf_sleep("w1", "nap", 60)
    db.wf_cancel("w1")
    db.at(30)
    db.wf_retry("w1")
    token = db.claim()["token"]
    assert db.wf_sleep(token, "nap", 60) is None
    assert db.workflow()["due_at"] == sql_time(90)


def test_a_satisfied_wait_stays(db):
    db.wf_start("job", id="w1")
    db.wf_signal("w1", "go", 1)
    got = db.wf_await("w1", "wait", "go")
    db.wf_cancel("w1")
    db.wf_retry("w1")
    assert db.wf_await("w1", "wait", "go") == got


def test_a_workflow_that_ended_in_two_phases_runs_again_from_the_first(db):
    db.wf_start("job", id="w1", cleanup=True)
    db.wf_cancel("w1")
    db.wf_complete("w1")
    assert db.wf_retry("w1") == 1
    claim = db.claim()
    assert claim["ending"] is None
    assert db.wf_complete(claim["token"]) == "completed"


def test_a_dedup_key_that_was_taken_meanwhile_is_a_conflict(db):
    failed(db, dedup="d")
    db.wf_start("job", id="w2", dedup="d")
    with wf_error("WF_CONFLICT", "d"):
        db.wf_retry("w1")
    assert db.wf_status("w1") == "failed"


def test_the_key_of_a_step_is_the_same(db):
    failed(db)
    key = db.wf_key("w1", "charge")
    db.wf_retry("w1")
    assert db.wf_key("w1", "charge") == key


# from


def test_from_drops_that_step_and_all_recorded_after_it(db):
    failed(db, "c", "a", "b", "d")
    assert db.wf_retry("w1", **{"from": "a"}) == 1
    assert db.column("SELECT name FROM wf_steps ORDER BY seq") == ["c"]
    token = db.claim()["token"]
    assert (db.wf_step(token, "c"), db.wf_step(token, "a"), db.wf_step(token, "d")) == ('"c"', None, None)


def test_from_the_first_step_drops_all(db):
    failed(db, "a", "b")
    db.wf_retry("w1", **{"from": "a"})
    assert db.rows("SELECT * FROM wf_steps") == []


def test_an_unknown_from_is_not_found(db):
    failed(db, "a")
    with wf_error("WF_NOT_FOUND", "nowhere"):
        db.wf_retry("w1", **{"from": "nowhere"})
    assert (db.wf_status("w1"), db.column("SELECT name FROM wf_steps")) == ("failed", ["a"])


def test_keys_change_with_from(db):
    failed(db, "a", "b")
    before = db.wf_key("w1", "b")
    db.wf_retry("w1", **{"from": "b"})
    first = db.wf_key("w1", "b")
    assert first != before
    db.wf_step("w1", "b", "1")
    db.wf_cancel("w1")
    db.wf_retry("w1", **{"from": "b"})
    assert db.wf_key("w1", "b") not in (before, first)


def test_what_was_not_dropped_keeps_its_key(db):
    """charge is begun, mail recorded, the worker dies, the workflow fails and is retried from mail: charge may have happened."""
    token = db.running()["token"]
    db.wf_step(token, "early", "1")
    charge = json.loads(db.wf_begin(token, "charge"))["key"]
    db.wf_step(token, "mail", "1")
    before = {step: db.wf_key("w1", step) for step in ("early", "mail", "never")}
    assert db.wf_key("w1", "charge") == charge
    db.at(31)
    db.wf_fail(db.claim()["token"], "e", retry=False)
    db.wf_retry("w1", **{"from": "mail"})
    assert json.loads(db.wf_begin(db.claim()["token"], "charge")) == {"go": True, "key": charge}
    after = {step: db.wf_key("w1", step) for step in ("early", "mail", "never")}
    assert [after[step] == before[step] for step in ("early", "mail", "never")] == [True, False, True]


def test_a_begun_step_stays_in_doubt_with_its_key_whatever_is_dropped(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "mail", "1")
    key = json.loads(db.wf_begin("w1", "charge"))["key"]
    db.wf_cancel("w1")
    db.wf_retry("w1", **{"from": "mail"})
    assert db.column("SELECT step FROM wf_in_doubt") == ["charge"]
    assert db.wf_key("w1", "charge") == key
    assert db.wf_begin("w1", "charge", in_doubt="hold") is None
    db.wf_cancel("w1")
    db.wf_retry("w1", **{"from": "charge"})  # named: it is no longer in doubt, but may have happened
    assert json.loads(db.wf_begin("w1", "charge", in_doubt="fail")) == {"go": True, "key": key}


def test_redo_numbers_are_kept_for_dropped_steps_alone(db):
    failed(db, "a", "b", "c")
    assert db.value("SELECT count(*) FROM _wf_redo") == 0
    for turn in range(2):
        db.wf_retry("w1", **{"from": "b"})
        db.wf_step("w1", "b", "1")
        db.wf_fail("w1", "e", retry=False)
    assert db.rows("SELECT step, redo FROM _wf_redo") == [("b", 2), ("c", 1)]
    assert db.wf_check() is None
    db.wf_delete("w1")
    assert db.value("SELECT count(*) FROM _wf_redo") == 0


def test_signals_of_dropped_waits_queue_again_in_their_order(db):
    db.wf_start("job", id="w1")
    for n in range(3):
        db.wf_signal("w1", "go", n)
    for step in ("a", "b", "c"):
        db.wf_await("w1", step, "go")
    db.wf_fail("w1", "e", retry=False)
    db.wf_retry("w1", **{"from": "b"})
    assert json.loads(db.wf_await("w1", "x", "go"))["payload"] == 1
    assert json.loads(db.wf_await("w1", "y", "go"))["payload"] == 2
    assert json.loads(db.wf_await("w1", "a", "go"))["payload"] == 0


def test_dropped_spawns_get_new_child_ids_and_their_children_are_cancelled(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1")
    db.wf_spawn("w1", "kid", "child", 1, detached=True)
    db.wf_fail("w1", "e", retry=False)
    assert db.wf_status("w1/kid") == "pending"
    db.wf_retry("w1", **{"from": "kid"})
    assert db.wf_status("w1/kid") == "cancelled"
    assert db.wf_spawn("w1", "kid", "child", 2) == "w1/kid~1"
    assert db.workflow("w1/kid~1")["input"] == 2


def test_a_join_after_a_redo_waits_for_the_new_children(db):
    db.wf_start("job", id="w1")
    db.wf_spawn("w1", "kid", "child")
    db.wf_complete("w1/kid", "1")
    db.wf_join("w1", "join")
    db.wf_fail("w1", "e", retry=False)
    db.wf_retry("w1", **{"from": "kid"})
    db.wf_spawn("w1", "kid", "child")
    assert db.wf_join("w1", "join") is None
    db.wf_complete("w1/kid~1", "2")
    assert [entry["id"] for entry in json.loads(db.wf_join("w1", "join"))] == ["w1/kid~1"]


def test_steps_in_doubt_that_are_dropped_are_forgotten(db):
    db.wf_start("job", id="w1")
    db.wf_begin("w1", "charge")
    db.wf_cancel("w1")
    db.wf_retry("w1", **{"from": "charge"})
    assert json.loads(db.wf_begin("w1", "charge", in_doubt="fail"))["go"] is True


def test_steps_in_doubt_stay_in_doubt_without_from(db):
    db.wf_start("job", id="w1")
    db.wf_begin("w1", "charge")
    db.wf_cancel("w1")
    db.wf_retry("w1")
    assert db.column("SELECT step FROM wf_in_doubt") == ["charge"]
    assert db.wf_begin("w1", "charge", in_doubt="hold") is None


# children


def test_children_failed_retries_those_too(db):
    db.wf_start("job", id="w1")
    for kid in ("a", "b", "c"):
        db.wf_spawn("w1", kid, "child", None, max_attempts=1)
    db.wf_complete("w1/a")
    db.wf_fail("w1/b", "e")
    db.wf_fail("w1", "e", retry=False)
    assert db.wf_status("w1/c") == "cancelled"
    assert db.wf_retry("w1", children="failed") == 1
    assert [db.wf_status("w1/" + kid) for kid in "ab"] == ["completed", "pending"]


def test_without_it_children_stay_as_they_are(db):
    db.wf_start("job", id="w1")
    db.wf_spawn("w1", "kid", "child")
    db.wf_fail("w1/kid", "e", retry=False)
    db.wf_fail("w1", "e", retry=False)
    db.wf_retry("w1")
    assert db.wf_status("w1/kid") == "failed"


@pytest.mark.parametrize("options", [{"children": "all"}, {"children": True}, {"from": 5}, {"from": ""}, {"colour": 1}])
def test_options_have_their_values(db, options):
    failed(db, "a")
    with wf_error("WF_INVALID", *options):
        db.wf_retry("w1", **options)


# Found by review: a time that no table could show.
def test_a_deadline_never_passes_the_last_valid_time(db):
    last = 253402300799999  # 9999-12-31 23:59:59.999

    def deadline(id):
        return db.value("SELECT deadline_at FROM _wf_workflow WHERE id = ?", id)

    db.wf_start("job", id="w1", timeout=3600)
    db.wf_cancel("w1")
    late = "9999-12-31 23:59:00"
    assert db.wf_retry("w1", now=late) == 1
    assert deadline("w1") == last
    db.wf_pause("w1", now="9999-12-31 23:00:00")
    db.wf_resume("w1", now=late)
    assert deadline("w1") == last
    db.wf_fork("w1", id="w2", now=late)
    assert deadline("w2") == last


def test_skip_leaves_out_what_cannot_be_retried(db):
    failed(db, "a", id="x")
    failed(db, dedup="d", id="y")
    db.wf_start("job", id="z", dedup="d")
    with wf_error("WF_CONFLICT", "y"):
        db.wf_retry(["x", "y"])
    assert db.wf_retry(["x", "y", "nobody"], skip=True) == 1
    assert [db.wf_status(id) for id in "xy"] == ["pending", "failed"]
    failed(db, "a", id="u")
    failed(db, id="v")
    assert db.wf_retry(["v", "u"], **{"from": "a", "skip": True}) == 1


def test_max_attempts_is_the_workflow_s_from_now_on(db):
    db.wf_start("job", id="w1", max_attempts=1)
    db.wf_fail("w1", "e")
    assert db.wf_retry("w1", max_attempts=3) == 1
    assert db.workflow()["max_attempts"] == 3
    assert [db.wf_fail(db.claim()["token"], "e", delay=0) for _ in range(3)] == ["pending", "pending", "failed"]
    db.wf_retry("w1")
    assert db.workflow()["max_attempts"] == 3
    for wrong in (0, "x", 1.5):
        with wf_error("WF_INVALID", "max_attempts"):
            db.wf_retry("w1", max_attempts=wrong)
