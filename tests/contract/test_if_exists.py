"""What wf_start does where the workflow is there already: the options if_exists and report."""

import json

import pytest
from support import sql_time, wf_error

LARGE, LARGER = json.dumps("x" * 3000), json.dumps("y" * 5000)


def shown(value):
    return {LARGE: "large", LARGER: "larger"}.get(value, repr(value))


def report(db, *arguments, **options):
    return json.loads(db.wf_start(*arguments, report=True, **options))


def said(id, outcome):
    return {"id": id, "created": outcome == "created", "outcome": outcome}


def ended(db, how="completed", id="w1", **options):
    token = db.running(id, **options)["token"]
    if how == "cancelled":
        db.wf_cancel(id)
    elif how == "failed":
        db.wf_fail(token, "broken", retry=False)
    else:
        db.wf_complete(token, {"done": 1})
    assert db.wf_status(id) == how
    return token


# A new one is a new one


@pytest.mark.parametrize("mode", [None, "same", "return", "fail", "replace", "restart"])
def test_what_is_not_there_is_created_whatever_is_said(db, mode):
    options = {} if mode is None else {"if_exists": mode}
    assert report(db, "job", 1, id="w1", **options) == said("w1", "created")
    assert report(db, "job", 1, dedup="k", **options)["created"] is True
    assert db.wf_pending() == 2
    assert db.wf_check() is None


@pytest.mark.parametrize("wrong", ["Same", "", 1, True])
def test_another_word_is_invalid(db, wrong):
    with wf_error("WF_INVALID", "if_exists", "same return fail replace restart"):
        db.wf_start("job", id="w1", if_exists=wrong)


# same, return, fail


@pytest.mark.parametrize("mode", ["same", None])
def test_same_is_the_rule_without_the_option(db, mode):
    db.wf_start("job", 1, id="w1")
    db.wf_start("job", 1, id="w2", dedup="k")
    assert report(db, "job", 1, id="w1", if_exists=mode) == said("w1", "existing")
    assert report(db, "other", 2, dedup="k", if_exists=mode) == said("w2", "existing")
    with wf_error("WF_CONFLICT", "w1"):
        db.wf_start("job", 2, id="w1", if_exists=mode)


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed", "cancelled"])
def test_return_gives_what_is_there_whatever_its_input_and_status(db, status):
    if status == "pending":
        db.wf_start("job", 1, id="w1")
    elif status == "running":
        db.running("w1", input=1)
    else:
        ended(db, status, input=1)
    before = db.everything()
    assert report(db, "job", 2, id="w1", if_exists="return", delay=60) == said("w1", "existing")
    assert db.everything() == before


def test_return_by_id_is_no_door_to_work_of_another_name(db):
    db.wf_start("job", 1, id="w1")
    with wf_error("WF_CONFLICT", "w1", "'job'", "'other'"):
        db.wf_start("other", 1, id="w1", if_exists="return")


def test_fail_refuses_even_the_same_start(db):
    db.wf_start("job", 1, id="w1")
    before = db.everything()
    with wf_error("WF_CONFLICT", "w1", "pending"):
        db.wf_start("job", 1, id="w1", if_exists="fail")
    db.wf_start("job", 1, id="w2", dedup="k")
    with wf_error("WF_CONFLICT", "w2", "'k'", "default"):
        db.wf_start("job", 1, dedup="k", if_exists="fail")
    assert db.wf_delete("w2", force=True) == 1
    assert db.everything() == before


def test_fail_by_dedup_is_about_those_that_have_not_ended(db):
    ended(db, id="w1", dedup="k")
    assert report(db, "job", id="w2", dedup="k", if_exists="fail") == said("w2", "created")


# replace


@pytest.mark.parametrize("by", [{"id": "w1"}, {"dedup": "k"}], ids=["id", "dedup"])
@pytest.mark.parametrize("first, second", [("1", "2"), ("1", LARGE), (LARGE, "2"), (LARGE, LARGER), (None, "1"), (LARGE, None)], ids=shown)
def test_replace_gives_the_newest_input_and_delay_to_one_that_was_never_claimed(db, by, first, second):
    db.at(0)
    db.wf_start("job", first, id="w1", dedup="k", delay=10, timeout=60)
    db.at(4)
    assert report(db, "job", second, if_exists="replace", delay=10, **by) == said("w1", "replaced")
    workflow = db.workflow()
    assert (workflow["input"], workflow["due_at"], workflow["deadline_at"]) == (second or "null", sql_time(14), sql_time(74))
    assert workflow["created_at"] == sql_time(0)
    assert db.wf_check() is None
    db.at(13)
    assert db.claim() is None
    db.at(14)
    assert db.claim()["input"] == json.loads(second or "null")
    assert db.wf_check() is None


def test_what_was_replaced_is_compared_with_what_replaced_it(db):
    db.wf_start("job", 1, id="w1", delay=60)
    db.wf_start("job", 2, id="w1", if_exists="replace")
    assert db.wf_start("job", 2, id="w1") == "w1"
    with wf_error("WF_CONFLICT"):
        db.wf_start("job", 1, id="w1")


def test_replace_without_a_delay_is_due_now(db):
    db.at(0)
    db.wf_start("job", 1, id="w1", delay=60)
    assert db.claim() is None
    db.wf_start("job", 1, id="w1", if_exists="replace")
    assert db.claim()["id"] == "w1"


def test_replace_takes_what_else_is_said_and_keeps_what_is_not(db):
    db.at(0)
    db.wf_start("job", 1, id="w1", priority=1, headers={"a": 1}, version="v1", max_attempts=3, queue="q", partition="p", cleanup=True)
    db.wf_start("job", 2, id="w1", if_exists="replace", priority=2, version="v2")
    workflow = db.workflow()
    assert (workflow["priority"], workflow["version"], workflow["headers"], workflow["max_attempts"]) == (2, "v2", '{"a": 1}', 3)
    assert (workflow["queue"], workflow["partition"]) == ("q", "p")
    db.wf_start("job", 2, id="w1", if_exists="replace", headers={"b": 1}, max_attempts=1, timeout=5, queue="other", partition="o")
    workflow = db.workflow()
    assert (workflow["priority"], workflow["version"], workflow["headers"], workflow["max_attempts"]) == (2, "v2", '{"b": 1}', 1)
    assert (workflow["queue"], workflow["partition"], workflow["deadline_at"]) == ("q", "p", sql_time(5))
    assert db.wf_check() is None
    claim = db.claim("q")
    assert (claim["id"], claim["version"], claim["priority"]) == ("w1", "v2", 2)


@pytest.mark.parametrize("partition", [None, "p"])
def test_replace_moves_it_later_and_earlier_in_a_line_with_others(db, partition):
    db.at(0)
    more = {} if partition is None else {"partition": partition}
    db.wf_start("job", 1, id="w1", **more)
    db.wf_start("job", 1, id="w2", delay=30, **more)
    db.wf_start("job", 2, id="w1", if_exists="replace", delay=60, **more)
    assert db.claim() is None
    assert db.wf_check() is None
    db.wf_start("job", 2, id="w2", if_exists="replace", delay=5, priority=7, **more)
    assert db.wf_check() is None
    db.at(5)
    assert db.claim()["id"] == "w2"
    assert db.wf_check() is None
    db.at(60)
    assert db.claim(lease="1h")["id"] in ("w1", "w2")
    assert db.wf_check() is None


@pytest.mark.parametrize("how", ["claimed", "released", "failed", "waits", "step", "completed", "cancelled"])
def test_replace_of_one_that_was_begun_is_wf_state_unless_it_is_the_same(db, how):
    db.at(0)
    if how == "step":
        db.wf_start("job", 1, id="w1")
        db.wf_step("w1", "a", 1)
    elif how in ("completed", "cancelled"):
        ended(db, how, input=1)
    else:
        token = db.running("w1", input=1)["token"]
        if how == "released":
            db.wf_release(token)
        elif how == "failed":
            db.wf_fail(token, "no")
        elif how == "waits":
            assert db.wf_await(token, "a", "go") is None
    before = db.everything()
    with wf_error("WF_STATE", "w1", db.wf_status("w1")):
        db.wf_start("job", 2, id="w1", if_exists="replace")
    assert report(db, "job", 1, id="w1", if_exists="replace") == said("w1", "existing")
    assert db.everything() == before


def test_replace_of_what_a_continued_period_is_to_do_is_refused(db):
    token = db.running("w1", input=1)["token"]
    db.wf_continue(token, 2)
    with wf_error("WF_STATE"):
        db.wf_start("job", 3, id="w1", if_exists="replace")


def test_replace_leaves_a_pause_in_place(db):
    db.at(0)
    db.wf_start("job", 1, id="w1", timeout=100)
    db.wf_pause("w1")
    db.wf_start("job", 2, id="w1", if_exists="replace", delay=10, priority=3)
    assert (db.wf_status("w1"), db.claim()) == ("paused", None)
    assert db.wf_check() is None
    db.wf_resume("w1")
    assert (db.workflow()["due_at"], db.workflow()["deadline_at"]) == (sql_time(10), sql_time(110))
    db.at(10)
    assert db.claim()["input"] == 2
    assert db.wf_check() is None


def test_replace_of_a_manual_one_keeps_it_manual(db):
    db.wf_start("job", 1, id="w1", manual=True)
    db.wf_start("job", 2, id="w1", if_exists="replace", version="v")
    assert db.claim() is None
    assert db.wf_check() is None
    assert db.claim(id="w1")["input"] == 2


@pytest.mark.parametrize("mode", ["replace", "restart"])
def test_another_name_is_a_conflict(db, mode):
    db.wf_start("job", 1, id="w1", dedup="k")
    for by in ({"id": "w1"}, {"dedup": "k"}):
        with wf_error("WF_CONFLICT", "w1", "'job'", "'other'"):
            db.wf_start("other", 1, if_exists=mode, **by)


# restart


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("first, second", [("1", "2"), ("1", "1"), ("1", LARGE), (LARGE, "2"), (LARGE, None)], ids=shown)
def test_restart_begins_one_that_has_ended_anew(db, how, first, second):
    db.at(0)
    token = db.running("w1", input=first, timeout=100)["token"]
    db.wf_step(token, "a", 1)
    key = db.wf_key("w1", "a")
    db.wf_append(token, "s", 1)
    db.wf_set(token, "v", 1)
    db.wf_signal("w1", "early", 1)
    if how == "completed":
        db.wf_complete(token, LARGE)
    elif how == "failed":
        db.wf_fail(token, LARGE, retry=False)
    else:
        db.wf_cancel("w1")
    db.at(5)
    assert report(db, "job", second, id="w1", if_exists="restart", delay=10) == said("w1", "restarted")
    workflow = db.workflow()
    expected = dict(status="pending", input=second or "null", output=None, error=None, due_at=sql_time(15), deadline_at=sql_time(115), completed_at=None,
                    started_at=None, created_at=sql_time(0), period=2, ending=None)
    assert {key: workflow[key] for key in expected} == expected
    assert (db.wf_result("w1"), db.wf_error("w1")) == (None, None)
    assert db.rows("SELECT * FROM wf_steps") == db.rows("SELECT * FROM wf_failures") == []
    assert db.wf_key("w1", "a") != key
    assert (db.wf_get("w1", "v"), db.column("SELECT value FROM wf_streams")) == (1, [1])
    assert db.wf_check() is None
    assert db.claim() is None
    db.at(15)
    claim = db.claim()
    assert claim["input"] == json.loads(second or "null")
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "a", 1)
    assert json.loads(db.wf_await(claim["token"], "s", "early"))["payload"] == 1
    assert db.wf_complete(claim["token"], 7) == "completed"
    assert db.wf_result("w1") == 7
    assert db.wf_check() is None


def test_what_was_restarted_is_compared_with_what_restarted_it(db):
    ended(db, input=1)
    db.wf_start("job", 2, id="w1", if_exists="restart")
    assert db.wf_start("job", 2, id="w1") == "w1"
    with wf_error("WF_CONFLICT"):
        db.wf_start("job", 1, id="w1")


def test_what_was_continued_and_has_ended_is_restarted(db):
    token = db.running(input=1)["token"]
    db.wf_continue(token, 2)
    db.wf_complete(db.claim()["token"])
    assert report(db, "job", 3, id="w1", if_exists="restart") == said("w1", "restarted")
    assert db.wf_start("job", 3, id="w1") == "w1"
    assert (db.workflow()["period"], db.workflow()["input"]) == (3, 3)
    assert db.wf_check() is None


def test_restart_takes_what_else_is_said_and_keeps_what_is_not(db):
    ended(db, headers={"a": 1}, priority=1, max_attempts=2)
    db.wf_start("job", 1, id="w1", if_exists="restart", version="v2")
    workflow = db.workflow()
    assert (workflow["version"], workflow["headers"], workflow["priority"], workflow["max_attempts"]) == ("v2", '{"a": 1}', 1, 2)
    assert db.wf_check() is None
    assert db.claim()["version"] == "v2"


@pytest.mark.parametrize("status", ["pending", "running", "waiting", "paused"])
def test_restart_of_a_live_one_is_wf_state_naming_its_status_unless_it_is_the_same(db, status):
    db.wf_start("job", 1, id="w1", dedup="k")
    if status in ("running", "waiting"):
        token = db.claim()["token"]
        if status == "waiting":
            db.wf_await(token, "a", "go")
    elif status == "paused":
        db.wf_pause("w1")
    before = db.everything()
    for by in ({"id": "w1"}, {"dedup": "k"}):
        with wf_error("WF_STATE", "w1", status):
            db.wf_start("job", 2, if_exists="restart", **by)
        assert report(db, "job", 1, if_exists="restart", **by) == said("w1", "existing")
    assert db.everything() == before


def test_a_restart_that_is_repeated_is_one(db):
    ended(db)
    assert report(db, "job", 2, id="w1", if_exists="restart") == said("w1", "restarted")
    before = db.everything()
    assert report(db, "job", 2, id="w1", if_exists="restart") == said("w1", "existing")
    assert db.everything() == before


def test_a_restart_does_not_forget_the_key_of_an_effect_that_may_have_happened(db):
    token = db.running()["token"]
    db.wf_begin(token, "pay")
    db.wf_cancel("w1")
    before = db.everything()
    with wf_error("WF_STATE", "pay", "w1"):
        db.wf_start("job", 2, id="w1", if_exists="restart")
    assert db.everything() == before
    db.wf_step(token, "pay", "done")  # its worker says so after all
    assert report(db, "job", 2, id="w1", if_exists="restart")["outcome"] == "restarted"


def test_restart_cancels_children_that_live_and_leaves_those_that_have_ended_alone(db):
    token = db.running()["token"]
    for child in ("live", "done"):
        db.wf_spawn(token, child, "child", queue="q")
    db.wf_complete(db.claim("q", id="w1/done")["token"])
    db.wf_complete(token)
    db.wf_start("job", 2, id="w1", if_exists="restart")
    assert db.wf_status("w1/live") == "cancelled"
    assert db.column("SELECT parent_id FROM wf_workflows WHERE id LIKE 'w1/%' ORDER BY id") == [None, None]
    token = db.claim()["token"]
    assert db.wf_spawn(token, "live", "child", queue="q") == "w1/live~1"
    assert db.wf_check() is None


def test_restart_is_refused_while_another_holds_its_dedup_key(db):
    ended(db, dedup="k")
    db.wf_start("job", 1, id="w2", dedup="k")
    with wf_error("WF_CONFLICT", "w1", "w2"):
        db.wf_start("job", 2, id="w1", if_exists="restart")
    db.wf_cancel("w2")
    assert report(db, "job", 2, id="w1", if_exists="restart")["outcome"] == "restarted"


def test_a_join_has_its_result_for_good_and_one_to_come_waits_for_the_new_end(db):
    db.wf_start("parent", id="p", queue="p")
    token = db.claim("p")["token"]
    ended(db, id="w1")
    first = db.wf_join(token, "first", ["w1"])
    db.wf_start("job", 2, id="w1", if_exists="restart")
    assert db.wf_join(token, "first", ["w1"]) == first
    assert db.wf_join(token, "second", ["w1"]) is None
    db.wf_complete(db.claim()["token"], "again")
    assert json.loads(db.wf_join("p", "second", ["w1"]))[0]["output"] == "again"


def test_a_slot_held_to_the_end_is_taken_anew_by_the_restarted_one(db):
    db.wf_queue("default", partition_concurrency=1, hold="started")
    ended(db, partition="p")
    db.wf_start("job", 2, id="w1", if_exists="restart")
    db.wf_start("job", 1, id="w2", partition="p")
    assert db.wf_check() is None
    assert db.claim()["id"] == "w1"
    assert db.claim() is None
    assert db.wf_check() is None


# Scripted in SQL


def flow(db, table="done"):
    db.execute("CREATE TABLE IF NOT EXISTS done(x)")
    db.wf_define("flow", {"input": {"x": "integer"}, "steps": [{"name": "a", "sql": "INSERT INTO %s VALUES(:x)" % table}, {"name": "b", "sql": "SELECT :x + 1 AS y"}],
                          "output": "SELECT :b"})


def test_scripted_ones_are_replaced_and_restarted_too(db):
    flow(db)
    db.wf_start("flow", {"x": 1}, id="w1", delay=60)
    assert report(db, "flow", {"x": 2}, id="w1", if_exists="replace") == said("w1", "replaced")
    assert db.wf_run() > 0
    assert db.wf_status("w1") == "completed"
    assert report(db, "flow", {"x": 3}, id="w1", if_exists="restart") == said("w1", "restarted")
    assert db.wf_check() is None
    assert db.wf_run() > 0
    assert (db.wf_status("w1"), db.column("SELECT x FROM done")) == ("completed", [2, 3])
    assert db.wf_check() is None


@pytest.mark.parametrize("mode", ["replace", "restart"])
def test_a_scripted_one_begins_anew_by_the_newest_definition(db, mode):
    flow(db)
    db.wf_start("flow", {"x": 1}, id="w1")
    if mode == "restart":
        assert db.wf_run() > 0
    db.execute("CREATE TABLE other(x)")
    flow(db, "other")
    db.wf_start("flow", {"x": 5}, id="w1", if_exists=mode)
    assert db.wf_run() > 0
    assert db.column("SELECT x FROM other") == [5]
    assert db.wf_check() is None


@pytest.mark.parametrize("mode", ["replace", "restart"])
def test_what_was_for_workers_does_not_become_scripted(db, mode):
    db.execute("CREATE TABLE done(x)")
    if mode == "restart":
        ended(db)
        db.execute("UPDATE _wf_lane SET name = 'flow'")
    else:
        db.wf_start("flow", {"x": 1}, id="w1")
    flow(db)
    with wf_error("WF_CONFLICT", "w1", "scripted"):
        db.wf_start("flow", {"x": 2}, id="w1", if_exists=mode)
    assert db.wf_check() is None


def test_a_scripted_one_that_failed_and_undid_restarts_from_nothing(db):
    db.execute("CREATE TABLE done(x)")
    db.wf_define("flow", {"steps": [{"name": "a", "sql": "INSERT INTO done VALUES(1)", "undo": "DELETE FROM done"},
                                    {"name": "b", "sql": "SELECT 1 FROM done WHERE x = :w", "expect": 1, "max_attempts": 1}], "input": {"w": "integer"}})
    db.wf_start("flow", {"w": 2}, id="w1")
    while db.wf_run():
        pass
    assert (db.wf_status("w1"), db.value("SELECT count(*) FROM done")) == ("failed", 0)
    db.wf_start("flow", {"w": 1}, id="w1", if_exists="restart")
    while db.wf_run():
        pass
    assert (db.wf_status("w1"), db.value("SELECT count(*) FROM done")) == ("completed", 1)
    assert db.wf_check() is None


# wf_spawn


def test_a_spawn_may_take_or_refuse_what_is_there(db):
    db.wf_start("job", 1, id="other", queue="q")
    token = db.running()["token"]
    with wf_error("WF_CONFLICT", "nobody's child"):
        db.wf_spawn(token, "a", "job", 1, id="other")
    with wf_error("WF_CONFLICT", "other"):
        db.wf_spawn(token, "a", "job", 1, id="other", if_exists="fail")
    taken = json.loads(db.wf_spawn(token, "a", "job", 5, id="other", if_exists="return", report=True))
    assert taken == said("other", "existing")
    assert db.wf_spawn(token, "a", "job", 5, id="other", if_exists="fail") == "other"  # recorded
    assert db.value("SELECT parent_id FROM wf_workflows WHERE id = 'other'") is None
    assert json.loads(db.wf_spawn(token, "b", "job", 5, report=True)) == said("w1/b", "created")
    assert json.loads(db.wf_spawn(token, "b", "job", 5, report=True)) == said("w1/b", "existing")
    for mode in ("replace", "restart"):
        with wf_error("WF_INVALID", "if_exists"):
            db.wf_spawn(token, "c", "job", if_exists=mode)


def test_a_schedule_keeps_its_own_rule_for_ids(db):
    for option in ("if_exists", "report"):
        with wf_error("WF_INVALID", option):
            db.wf_schedule("s", "@hourly", "job", start={option: "fail" if option == "if_exists" else True})


# Inside statements that write


@pytest.mark.parametrize("mode, second", [("replace", "2"), ("replace", LARGE), ("restart", "2"), ("restart", LARGE)], ids=shown)
def test_triggers_replace_and_restart(db, mode, second):
    db.wf_init()
    db.execute("CREATE TABLE message(text)")
    db.execute("CREATE TRIGGER told AFTER INSERT ON message BEGIN SELECT wf_start('job', new.text, '{\"id\":\"w1\",\"if_exists\":\"%s\"}'); END" % mode)
    db.execute("INSERT INTO message VALUES(?)", ("1",))
    assert db.wf_status("w1") == "pending"
    if mode == "restart":
        token = db.claim()["token"]
        db.wf_step(token, "a", 1)
        db.wf_complete(token, LARGE)
    db.execute("BEGIN")
    db.execute("INSERT INTO message VALUES(?)", (second,))
    db.execute("ROLLBACK")
    assert (db.workflow()["input"], db.workflow()["period"]) == ("1", 1)
    assert len(db.rows("SELECT * FROM wf_steps")) == (mode == "restart")
    db.execute("INSERT INTO message VALUES(?)", (second,))
    assert db.claim()["input"] == json.loads(second)
    assert db.wf_check() is None


@pytest.mark.parametrize("first, second", [("1", LARGE), (LARGE, LARGER), (LARGE, "1"), (None, LARGE), (LARGE, None)], ids=shown)
def test_a_replacement_that_cannot_be_written_leaves_the_old_one_whole(db, first, second):
    db.wf_start("job", first, id="w1", delay=60)
    db.execute("CREATE TRIGGER no BEFORE UPDATE ON _wf_workflow BEGIN SELECT RAISE(FAIL, 'no'); END")
    before = db.everything()
    db.execute("CREATE TABLE app(v)")
    db.execute("BEGIN")
    for statement in ("SELECT %s", "INSERT INTO app VALUES(%s)"):
        with pytest.raises(Exception, match="no"):
            db.execute(statement % "wf_start('job', ?, '{\"id\":\"w1\",\"if_exists\":\"replace\"}')", (second,))
    db.execute("COMMIT")
    assert db.everything() == before
    db.execute("DROP TRIGGER no")
    assert db.wf_check() is None
