"""wf_continue: a workflow without an end begins anew under its own id, with an empty history."""

import json

import pytest
from support import sql_time, wf_error


@pytest.fixture
def token(db):
    db.at(0)
    return db.running(input={"n": 1})["token"]


def test_it_is_pending_and_claimable_again(db, token):
    assert db.wf_continue(token) == "pending"
    claim = db.claim()
    assert claim["id"] == "w1" and claim["attempt"] == 2 and db.workflow()["period"] == 2
    assert db.wf_complete(claim["token"], "1") == "completed"


# The history is empty


def test_steps_waits_and_failures_are_gone(db):
    db.at(0)
    token = db.running(max_attempts=2)["token"]
    db.wf_step(token, "s", "1")
    db.wf_sleep(token, "nap", 0)
    db.wf_fail(token, '"e"', step="t", delay=0)
    token = db.claim()["token"]
    db.wf_fail(token, '"e"', delay=0)
    token = db.claim()["token"]
    db.wf_continue(token)
    assert db.rows("SELECT * FROM wf_steps") == [] and db.rows("SELECT * FROM wf_failures") == []
    assert db.value("SELECT count(*) FROM _wf_step") == 0
    token = db.claim()["token"]
    assert db.wf_step(token, "s") is None
    assert db.wf_sleep(token, "nap", 10) is None


def test_the_budgets_are_new(db):
    db.at(0)
    token = db.running(max_attempts=2, max_failures=3)["token"]
    assert db.wf_fail(token, '"e"', delay=0) == "pending"
    db.wf_continue(db.claim()["token"])
    assert db.wf_fail(db.claim()["token"], '"e"', delay=0) == "pending"
    assert db.wf_fail(db.claim()["token"], '"e"', delay=0) == "failed"


def test_lost_leases_are_forgotten(db):
    db.at(0)
    db.running(max_attempts=2)
    db.at(40)
    db.wf_continue(db.claim()["token"])
    db.claim()
    db.at(80)
    assert db.claim() is not None


def test_attempt_and_resumed_count_on(db, token):
    db.wf_release(token)
    db.wf_continue(db.claim()["token"])
    row = db.workflow()
    assert (row["attempt"], row["resumed"], row["period"]) == (1, 1, 2)
    claim = db.claim()
    assert (claim["attempt"], claim["resumed"]) == (2, 1)


def test_the_key_of_every_step_changes(db, token):
    before = {step: db.wf_key("w1", step) for step in ("a", "b")}
    seen = [before]
    for _ in range(3):
        db.wf_continue(token)
        token = db.claim()["token"]
        seen.append({step: db.wf_key("w1", step) for step in ("a", "b")})
    keys = [key for each in seen for key in each.values()]
    assert len(set(keys)) == len(keys)


def test_no_key_comes_again_after_a_retry_in_an_earlier_period(db, token):
    seen = [db.wf_key("w1", "a")]
    for _ in range(2):
        db.wf_step(token, "a", "1")
        db.wf_fail(token, '"e"', retry=False)
        db.wf_retry("w1", **{"from": "a"})
        seen.append(db.wf_key("w1", "a"))
        token = db.claim()["token"]
    db.wf_continue(token)
    seen.append(db.wf_key("w1", "a"))
    assert len(set(seen)) == 4


def test_a_child_of_the_same_step_is_another(db, token):
    first = db.wf_spawn(token, "s", "child")
    db.wf_continue(token)
    token = db.claim(names=["job"])["token"]
    second = db.wf_spawn(token, "s", "child")
    assert second != first and db.wf_status(second) == "pending"


# Old tokens

USES = {
    "wf_step": lambda db, t: db.wf_step(t, "s", "1"),
    "the guard": lambda db, t: db.wf_step(t, "s"),
    "the guard of a recorded step": lambda db, t: db.wf_step(t, "new"),
    "wf_complete": lambda db, t: db.wf_complete(t),
    "wf_fail": lambda db, t: db.wf_fail(t, '"e"'),
    "wf_release": lambda db, t: db.wf_release(t),
    "wf_heartbeat": lambda db, t: db.wf_heartbeat(t),
    "wf_sleep": lambda db, t: db.wf_sleep(t, "nap", 0),
    "wf_await": lambda db, t: db.wf_await(t, "s", "go"),
    "wf_spawn": lambda db, t: db.wf_spawn(t, "s", "child"),
    "wf_join": lambda db, t: db.wf_join(t, "s", "[]"),
    "wf_begin": lambda db, t: db.wf_begin(t, "new"),
    "wf_set": lambda db, t: db.wf_set(t, "k", "1"),
    "wf_append": lambda db, t: db.wf_append(t, "log", "1"),
    "wf_key": lambda db, t: db.wf_key(t, "s"),
}


@pytest.mark.parametrize("use", sorted(USES))
@pytest.mark.parametrize("later", ["at once", "in the next period", "once it has ended", "while it waits"])
def test_an_old_token_is_stale(db, token, use, later):
    db.wf_continue(token)
    if later != "at once":
        new = db.claim()["token"]
        db.wf_step(new, "new", '"of the next period"')
        db.wf_sleep(new, "nap", 0)
        if later == "once it has ended":
            db.wf_complete(new)
        elif later == "while it waits":
            db.wf_sleep(new, "night", 100)
    with wf_error("WF_LEASE_LOST", "'w1'"):
        USES[use](db, token)


def test_a_token_of_an_earlier_claim_is_stale_too(db, token):
    db.wf_release(token)
    db.wf_continue(db.claim()["token"])
    db.wf_step(db.claim()["token"], "s", "1")
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "s")
    with wf_error("WF_LEASE_LOST"):
        db.wf_continue(token)


def test_within_a_period_recorded_steps_are_read_by_any_of_its_tokens(db, token):
    db.wf_continue(token)
    token = db.claim()["token"]
    db.wf_step(token, "s", "1")
    db.wf_release(token)
    db.claim()
    assert db.wf_step(token, "s") == "1"


def test_a_repeat_by_its_token_changes_nothing(db, token):
    assert db.wf_continue(token, "2") == "pending"
    before = db.everything()
    assert db.wf_continue(token, "3") == "pending"
    assert db.everything() == before
    db.wf_step(db.claim()["token"], "s", "1")
    assert db.wf_continue(token, "3") == "pending"
    assert len(db.rows("SELECT * FROM wf_steps")) == 1


def test_the_claim_that_ended_a_later_period_is_not_an_older_one(db, token):
    db.wf_continue(token)
    second = db.claim()["token"]
    db.wf_continue(second)
    assert db.wf_continue(second) == "pending"
    with wf_error("WF_LEASE_LOST"):
        db.wf_continue(token)
    assert db.workflow()["period"] == 3


# By bare id


def test_an_id_needs_the_period(db):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "period"):
        db.wf_continue("w1")
    assert db.wf_continue("w1", period=1) == "pending"
    assert db.wf_continue("w1", period=1) == "pending"
    assert db.workflow()["period"] == 2
    with wf_error("WF_STATE", "period 2", "3"):
        db.wf_continue("w1", period=3)
    assert db.wf_continue("w1", period=2) == "pending"
    db.wf_complete("w1")
    assert db.wf_continue("w1", period=2) == "pending"
    with wf_error("WF_STATE", "completed"):
        db.wf_continue("w1", period=3)


def test_an_id_under_a_lease_is_refused(db, token):
    with wf_error("WF_LEASED"):
        db.wf_continue("w1", period=1)
    db.at(40)
    assert db.wf_continue("w1", period=1) == "pending"
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "s", "1")


def test_a_token_may_say_the_period_too(db, token):
    with wf_error("WF_STATE", "period 1", "2"):
        db.wf_continue(token, period=2)
    assert db.wf_continue(token, period=1) == "pending"


# When it may not


def test_a_begun_step_has_to_be_finished_first(db, token):
    db.wf_begin(token, "charge")
    with wf_error("WF_STATE", "charge"):
        db.wf_continue(token)
    db.wf_step(token, "charge", "1")
    assert db.wf_continue(token) == "pending"


def test_a_step_in_doubt_holds_it_too(db, token):
    db.wf_begin(token, "charge")
    db.wf_release(token)
    token = db.claim()["token"]
    with wf_error("WF_STATE", "charge"):
        db.wf_continue(token)
    db.wf_resolve("w1", "charge", "retry")
    with wf_error("WF_STATE", "charge"):
        db.wf_continue(token)


def test_one_that_is_ending_does_not_begin_anew(db):
    db.at(0)
    token = db.running(cleanup=True)["token"]
    db.wf_fail(token, '"e"', retry=False)
    token = db.claim()["token"]
    with wf_error("WF_STATE", "failed"):
        db.wf_continue(token)


def test_scripted_workflows_do_not_continue(db):
    db.wf_define("scripted", {"steps": [{"name": "a", "sql": "SELECT 1"}]})
    db.wf_start("scripted", id="w1")
    with wf_error("WF_STATE", "scripted"):
        db.wf_continue("w1", period=1)


def test_what_has_ended_waits_or_is_paused_does_not_continue(db, token):
    db.wf_pause("w1")
    with wf_error("WF_PAUSED"):
        db.wf_continue(token)
    db.wf_resume("w1")
    db.wf_sleep(token, "nap", 100)
    with wf_error("WF_SUSPENDED", "nap"):
        db.wf_continue(token)
    with wf_error("WF_SUSPENDED", "nap"):
        db.wf_continue("w1", period=1)
    db.wf_cancel("w1")
    with wf_error("WF_CANCELLED"):
        db.wf_continue("w1", period=1)
    with wf_error("WF_NOT_FOUND"):
        db.wf_continue("nobody", period=1)


def test_it_is_refused_inside_a_statement_that_writes(db, token):
    db.execute("CREATE TABLE t(x)")
    with wf_error("WF_CONTEXT"):
        db.execute("INSERT INTO t SELECT wf_continue(?)", (token,))
    assert db.workflow()["period"] == 1


# The input


def test_the_next_input(db, token):
    db.wf_continue(token, {"n": 2})
    claim = db.claim()
    assert claim["input"] == {"n": 2}
    db.wf_continue(claim["token"])
    claim = db.claim()
    assert claim["input"] == {"n": 2}
    db.wf_continue(claim["token"], "null")
    assert db.claim()["input"] is None


@pytest.mark.parametrize("first", [None, '{"n":1}', 5, b"\x00", json.dumps("x" * 5000), b"y" * 5000], ids=["null", "json", "number", "blob", "large", "large blob"])
@pytest.mark.parametrize("second", [None, '"b"', json.dumps("z" * 5000)], ids=["the old one", "small", "large"])
def test_a_repeated_start_is_compared_with_the_first_input(db, first, second):
    db.wf_start("job", first, id="w1")
    for period in (1, 2):
        db.wf_continue("w1", second, period=period)
        assert db.wf_start("job", first, id="w1") == "w1"
        with wf_error("WF_CONFLICT", "input"):
            db.wf_start("job", '"another"', id="w1")
        if second:
            with wf_error("WF_CONFLICT", "input"):
                db.wf_start("job", second, id="w1")
            assert db.workflow()["input"] == second
    assert db.wf_check() is None


def test_text_that_is_not_json_is_refused(db, token):
    with wf_error("WF_INVALID", "json_quote"):
        db.wf_continue(token, "no JSON")


# What stays


def test_signals_in_line_stay_and_keys_of_consumed_ones(db, token):
    for n, key in enumerate([None, "k1", None]):
        db.wf_signal("w1", "go", n, **({"key": key} if key else {}))
    db.wf_await(token, "a", "go")
    db.wf_await(token, "b", "go")
    db.wf_continue(token)
    assert db.rows("SELECT name, payload, taken_by FROM wf_signals") == [("go", 2, None)]
    assert db.value("SELECT count(*) FROM _wf_signal") == 2
    assert db.wf_signal("w1", "go", 1, key="k1") == 0
    assert db.wf_signal("w1", "go", 1, key="k2") == 1
    token = db.claim()["token"]
    assert json.loads(db.wf_await(token, "a", "go"))["payload"] == 2
    assert json.loads(db.wf_await(token, "b", "go"))["payload"] == 1
    assert db.wf_await(token, "c", "go") is None
    assert db.wf_check() is None


def test_values_streams_dedup_and_the_nominal_time_stay(db):
    db.at(0)
    db.wf_schedule("daily", "@every 1h", "job")
    db.at(3600)
    db.wf_tick()
    claim = db.claim()
    token = claim["token"]
    db.wf_set(token, "k", "1")
    db.wf_append(token, "log", '"a"')
    db.wf_continue(token)
    assert db.wf_get(claim["id"], "k") == "1"
    assert db.value("SELECT count(*) FROM wf_streams") == 1
    again = db.claim()
    assert again["scheduled_at"] == claim["scheduled_at"]
    assert db.wf_append(again["token"], "log", '"b"') == 1


def test_the_dedup_key_stays_taken(db):
    db.at(0)
    token = db.running(dedup="one")["token"]
    db.wf_continue(token)
    assert db.wf_start("job", id="w2", dedup="one") == "w1"


def test_a_schedule_counts_it_as_running(db):
    db.at(0)
    db.wf_schedule("hourly", "@every 1h", "job")
    db.at(3600)
    db.wf_tick()
    db.wf_continue(db.claim()["token"], delay="5h")
    db.at(7200)
    db.wf_tick()
    assert db.value("SELECT count(*) FROM wf_workflows") == 1
    assert db.value("SELECT skipped FROM wf_schedules") == 1


def test_streams_go_if_it_says_so(db, token):
    db.wf_append(token, "log", '"a"')
    db.wf_continue(token, streams=False)
    assert db.value("SELECT count(*) FROM wf_streams") == 0
    assert db.wf_append(db.claim()["token"], "log", '"b"') == 0


def test_its_place_among_the_children_of_its_parent_stays(db):
    db.at(0)
    parent = db.running("parent")["token"]
    child = db.wf_spawn(parent, "s", "child")
    assert db.wf_join(parent, "all") is None
    db.wf_continue(db.claim(names=["child"])["token"])
    assert db.claim(names=["job"]) is None                 # the join waits on: it has not ended
    claim = db.claim(names=["child"])
    assert claim["parent"] == "parent"
    db.wf_complete(claim["token"], "7")
    token = db.claim(names=["job"])["token"]
    assert json.loads(db.wf_join(token, "all")) == [{"id": child, "status": "completed", "output": 7}]
    assert db.wf_spawn(token, "s", "child") == child


def test_it_ends_with_its_parent(db):
    db.at(0)
    parent = db.running("parent")["token"]
    child = db.wf_spawn(parent, "s", "child")
    db.wf_continue(db.claim(names=["child"])["token"])
    db.wf_cancel("parent")
    assert db.wf_status(child) == "cancelled"


# Children


def test_live_attached_children_are_cancelled_and_ended_ones_lose_their_parent(db, token):
    for step in ("live", "over", "free", "free-over"):
        db.wf_spawn(token, step, "child", id=step, **({"detached": True} if step.startswith("free") else {}))
    db.wf_spawn(db.claim(names=["child"], id="live")["token"], "s", "grandchild", id="below")
    for step in ("over", "free-over"):
        db.wf_complete(step)
    db.wf_continue(token)
    rows = dict(db.rows("SELECT id, status || ' ' || coalesce(parent_id, '-') FROM wf_workflows WHERE id <> 'w1'"))
    assert rows == {"live": "cancelled -", "over": "completed -", "free": "pending w1", "free-over": "completed -", "below": "cancelled live"}
    assert json.loads(db.wf_error("live"))["code"] == "parent"
    db.at(1000)
    for _ in range(9):
        db.wf_purge(json.dumps({"older_than": 100}))
    assert db.column("SELECT id FROM wf_workflows ORDER BY id") == ["free", "w1"]
    assert db.wf_check() is None


def test_children_that_clean_up_go_on_doing_so(db, token):
    db.wf_spawn(token, "s", "child", id="kid", cleanup=True)
    db.wf_continue(token)
    claim = db.claim(names=["child"])
    assert claim["ending"] == "cancelled"
    assert db.wf_complete(claim["token"]) == "cancelled"


def test_a_join_of_all_children_joins_those_of_the_period(db, token):
    db.wf_spawn(token, "s", "child", id="one")
    db.wf_continue(token)
    token = db.claim(names=["job"])["token"]
    assert json.loads(db.wf_join(token, "all")) == []


# The claim


def test_the_key_of_the_claim_is_given_back(db):
    db.wf_start("job", id="w1")
    claim = db.claim(key="k")
    db.wf_continue(claim["token"], delay=100)
    db.wf_start("job", id="w2")
    assert db.claim(key="k")["id"] == "w2"


def test_a_slot_held_to_the_end_is_given_back(db):
    db.at(0)
    db.wf_queue("default", '{"partition_concurrency":1,"hold":"started"}')
    db.wf_start("job", id="w1", partition="p")
    db.wf_start("job", id="w2", partition="p")
    token = db.claim()["token"]
    assert db.claim() is None
    db.at(10)
    db.wf_continue(token)
    assert db.claim()["id"] == "w2"
    assert db.claim() is None
    assert db.wf_check() is None


def test_it_may_continue_after_its_slot_was_given_away(db):
    db.at(0)
    db.wf_queue("default", '{"concurrency":1}')
    token = db.running()["token"]
    db.wf_start("job", id="w2")
    db.at(31)
    assert db.claim(id="w2")["id"] == "w2"
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "s")
    assert db.wf_continue(token) == "pending"


# Options


def test_a_delay(db, token):
    db.wf_continue(token, delay=60)
    assert db.claim() is None
    assert db.value("SELECT due_at || ' ' || reason FROM wf_pending") == sql_time(60) + " scheduled"
    db.at(60)
    assert db.claim()["id"] == "w1"


def test_the_timeout_runs_anew(db):
    db.at(0)
    token = db.running(timeout=100)["token"]
    db.at(50)
    db.wf_continue(token, delay=10)
    assert db.workflow()["deadline_at"] == sql_time(160)
    db.at(60)
    token = db.claim()["token"]
    db.wf_continue(token, timeout=5)
    assert db.workflow()["deadline_at"] == sql_time(65)
    db.at(66)
    db.wf_tick()
    assert db.wf_status("w1") == "failed"


def test_version_priority_and_headers(db):
    db.at(0)
    token = db.running(version="v1", headers={"a": 1}, priority=3, partition="p")["token"]
    db.wf_continue(token, version="v2")
    row = db.workflow()
    assert (row["version"], row["priority"], row["headers"], row["partition"]) == ("v2", 3, '{"a": 1}', "p")
    assert db.claim(versions=["v1"]) is None
    token = db.claim(versions=["v2"])["token"]
    db.wf_continue(token, priority=-5, headers={"b": 2})
    claim = db.claim()
    assert (claim["version"], claim["priority"], claim["headers"]) == ("v2", -5, {"b": 2})
    assert db.wf_check() is None


def test_an_unknown_option_is_refused(db, token):
    with wf_error("WF_INVALID", "dedup"):
        db.wf_continue(token, dedup="d")


# Other functions know periods


def test_a_fork_begins_in_its_first_period_with_the_present_input(db, token):
    db.wf_continue(token, '"b"')
    db.wf_step(db.claim()["token"], "s", "1")
    db.wf_fork("w1", id="f")
    row = db.workflow("f")
    assert (row["period"], row["input"]) == (1, '"b"')
    assert db.wf_start("job", '"b"', id="f") == "f"
    assert db.wf_step("f", "s") == "1"


def test_a_retry_stays_in_its_period(db, token):
    db.wf_continue(token, '"b"')
    db.wf_fail(db.claim()["token"], '"e"', retry=False)
    db.wf_retry("w1")
    claim = db.claim()
    assert (db.workflow()["period"], claim["input"]) == (2, "b")


@pytest.mark.parametrize("second", [None, '"b"', json.dumps("z" * 5000)], ids=["the old one", "small", "large"])
def test_it_is_exported_with_its_period_and_first_input(db, connect, tmp_path, token, second):
    db.wf_signal("w1", "go", 1, key="k")
    db.wf_await(token, "a", "go")
    db.wf_continue(token, second)
    other = connect(tmp_path / "other.db")
    document = db.wf_export("w1")
    other.wf_import(document)
    assert other.wf_import(document) == "w1"
    other.wf_resume("w1")
    other.at(0)
    assert other.workflow()["period"] == 2
    assert other.wf_key("w1", "s") == db.wf_key("w1", "s")
    assert other.wf_start("job", {"n": 1}, id="w1") == "w1"
    assert other.wf_signal("w1", "go", 1, key="k") == 0
    assert other.wf_await(other.claim()["token"], "a", "go") is None
    assert other.wf_check() is None


def test_deleting_leaves_nothing(db, token):
    db.wf_signal("w1", "go", 1, key="k")
    db.wf_await(token, "a", "go")
    db.wf_continue(token, '"b"')
    db.wf_delete("w1", force=True)
    for _ in range(5):
        db.wf_purge(json.dumps({"older_than": 0}))
    for table in ("_wf_step", "_wf_signal", "_wf_large", "_wf_workflow"):
        assert db.value("SELECT count(*) FROM " + table) == 0


def test_a_file_does_not_grow_with_the_periods(db, token):
    def rows():
        return sum(db.value("SELECT count(*) FROM " + t) for t in db.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '_wf_%'"))

    seen = []
    for n in range(12):
        for step in range(5):
            db.wf_step(token, "s%d" % step, str(step))
        db.wf_signal("w1", "go", n)
        db.wf_await(token, "got", "go")
        db.wf_spawn(token, "kid", "child")
        db.wf_append(token, "log", str(n))
        db.wf_fail(token, '"e"', delay=0)
        db.wf_continue(db.claim(names=["job"])["token"], str(n), streams=False)
        db.at(1000 * n + 1000)
        db.wf_purge(json.dumps({"older_than": 10, "limit": 1000}))
        token = db.claim(names=["job"])["token"]
        seen.append(rows())
    assert max(seen[3:]) <= max(seen[:3])
    assert db.wf_check() is None


def test_a_period_says_its_number_in_explicit_mode(db):
    db.wf_config("clock", "explicit")
    db.wf_start("job", id="w1", now=1000)
    claim = db.claim(now=1000)
    db.wf_continue(claim["token"], now=1001)
    again = db.claim(now=1002)
    assert again["token"] != claim["token"]
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(claim["token"], "s", "1", now=1003)
