"""wf_spawn and wf_join: children, and waiting for workflows to end."""

import json

import pytest
from support import BASE, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("job", id="w1")
    return db


def joined(db, step="join", *ids, handle="w1", **options):
    text = db.wf_join(handle, step, *ids, **options)
    return None if text is None else json.loads(text)


def spawn(db, *names):
    return [db.wf_spawn("w1", name, "child", {"name": name}) for name in names]


# wf_spawn


def test_it_returns_the_id_of_the_child_which_names_parent_and_step(db):
    token = db.claim()["token"]
    assert db.wf_spawn(token, "mail", "send", {"to": "x"}) == "w1/mail"
    child = db.workflow("w1/mail")
    assert (child["name"], child["input"], child["parent_id"], child["status"]) == ("send", '{"to":"x"}', "w1", "pending")


def test_it_does_not_suspend(db):
    token = db.claim()["token"]
    db.wf_spawn(token, "mail", "send")
    assert db.wf_status("w1") == "running"
    assert db.wf_step(token, "next", "1") == "1"


def test_the_child_is_started_once(db):
    for _ in range(3):
        assert db.wf_spawn("w1", "mail", "send", 1) == "w1/mail"
    assert db.value("SELECT count(*) FROM wf_workflows") == 2


def test_the_child_is_started_once_after_it_ended_and_was_deleted_too(db):
    db.wf_spawn("w1", "mail", "send", 1)
    db.wf_complete("w1/mail")
    assert db.wf_spawn("w1", "mail", "send", 1) == "w1/mail"
    db.wf_delete("w1/mail")
    assert db.wf_spawn("w1", "mail", "send", 1) == "w1/mail"
    assert db.wf_status("w1/mail") is None


def test_the_step_is_recorded_with_the_id_of_the_child(db):
    db.wf_spawn("w1", "mail", "send")
    assert db.rows("SELECT name, kind, status, output FROM wf_steps") == [("mail", "spawn", "done", '"w1/mail"')]


def test_it_takes_the_options_of_a_start(db):
    id = db.wf_spawn("w1", "mail", "send", None, id="m1", queue="mails", priority=7, delay=60, timeout=100, max_attempts=3, version="2",
                     partition="p", dedup="d", headers={"h": 1})
    assert id == "m1"
    child = db.workflow("m1")
    assert [child[key] for key in ("queue", "priority", "due_at", "deadline_at", "max_attempts", "version", "partition", "dedup", "headers")] == [
        "mails", 7, sql_time(60), sql_time(160), 3, "2", "p", "d", '{"h": 1}']
    assert child["parent_id"] == "w1"


def test_without_options_the_child_has_the_defaults(db):
    db.wf_start("job", id="w2", queue="q", priority=9)
    db.wf_spawn("w2", "kid", "child")
    child = db.workflow("w2/kid")
    assert (child["queue"], child["priority"]) == ("default", 0)


def test_a_child_id_that_is_another_workflow_is_a_conflict(db):
    db.wf_start("other", 1, id="taken")
    with wf_error("WF_CONFLICT", "taken"):
        db.wf_spawn("w1", "kid", "child", 1, id="taken")
    assert db.rows("SELECT * FROM wf_steps") == []


# Who is whose child


def test_a_slash_in_a_step_is_escaped_in_the_default_id(db):
    db.wf_start("job", id="a")
    db.wf_start("job", id="a/b")
    assert (db.wf_spawn("a", "b/c", "kid"), db.wf_spawn("a/b", "c", "kid")) == ("a/b%2Fc", "a/b/c")
    assert (db.workflow("a/b%2Fc")["parent_id"], db.workflow("a/b/c")["parent_id"]) == ("a", "a/b")


def test_no_two_steps_have_the_same_default_id(db):
    steps = ["x", "x~1", "x%7E1", "50%", "50%25", "a/b", "a%2Fb"]
    assert len({db.wf_spawn("w1", step, "kid") for step in steps}) == len(steps)
    db.wf_fail("w1", "e", retry=False)
    db.wf_retry("w1", **{"from": "x"})
    assert db.wf_spawn("w1", "x", "kid") == "w1/x~1"
    assert db.wf_spawn("w1", "x~1", "kid") == "w1/x%7E1~1"


def test_the_child_of_another_is_a_conflict_that_names_whose_it_is(db):
    db.wf_start("job", id="w2")
    db.wf_spawn("w2", "kid", "child", 1, id="k")
    with wf_error("WF_CONFLICT", "k", "w2", "kid"):
        db.wf_spawn("w1", "kid", "child", 1, id="k")
    with wf_error("WF_CONFLICT", "k", "w2", "kid"):
        db.wf_spawn("w2", "kid2", "child", 1, id="k")
    assert db.rows("SELECT workflow_id FROM wf_steps") == [("w2",)]


def test_a_workflow_that_is_nobody_s_child_does_not_become_one(db):
    db.wf_start("child", 1, id="w1/kid")
    with wf_error("WF_CONFLICT", "w1/kid", "nobody's child"):
        db.wf_spawn("w1", "kid", "child", 1)
    assert db.workflow("w1/kid")["parent_id"] is None


def test_a_detached_child_of_a_deleted_parent_is_nobody_s(db):
    db.wf_spawn("w1", "kid", "child", 1, detached=True)
    db.wf_complete("w1")
    db.wf_delete("w1")
    db.wf_start("job", id="w1")
    with wf_error("WF_CONFLICT", "w1/kid"):
        db.wf_spawn("w1", "kid", "child", 1, detached=True)


def test_after_a_redo_an_explicit_id_does_not_find_the_old_child(db):
    db.wf_spawn("w1", "kid", "child", None, id="k")
    db.wf_fail("k", "e", retry=False)
    db.wf_fail("w1", "e", retry=False)
    db.wf_retry("w1", **{"from": "kid"})
    with wf_error("WF_CONFLICT", "k", "w1", "kid", "dropped"):
        db.wf_spawn("w1", "kid", "child", None, id="k")
    db.wf_delete("k")
    assert (db.wf_spawn("w1", "kid", "child", None, id="k"), db.wf_status("k")) == ("k", "pending")


def test_a_child_without_its_step_is_found_again(db):
    """As a spawn leaves it whose last statement fails inside a statement that writes."""
    db.wf_spawn("w1", "kid", "child", 1)
    db.execute("DELETE FROM _wf_step")
    assert db.wf_spawn("w1", "kid", "child", 1) == "w1/kid"
    assert db.value("SELECT count(*) FROM wf_workflows") == 2


def test_dedup_gives_a_stranger_to_join_and_no_child(db):
    db.wf_start("child", id="s", dedup="d")
    assert db.wf_spawn("w1", "kid", "child", None, dedup="d") == "s"
    assert (db.workflow("s")["parent_id"], db.wf_status("w1/kid")) == (None, None)
    assert joined(db) is None
    db.wf_cancel("w1")
    assert db.wf_status("s") == "pending"
    db.wf_delete("w1")
    assert db.wf_status("s") == "pending"


def test_an_id_of_more_than_255_bytes_is_invalid(db):
    with wf_error("WF_INVALID"):
        db.wf_spawn("w1", "s" * 254, "child")
    assert db.rows("SELECT * FROM wf_steps") == []


def test_the_claim_of_a_child_names_its_parent(db):
    db.wf_spawn("w1", "kid", "child", None, queue="q")
    assert db.claim("q")["parent"] == "w1"


def test_parent_and_child_are_started_in_one_transaction(db):
    db.execute("BEGIN")
    db.wf_spawn("w1", "kid", "child")
    db.execute("ROLLBACK")
    assert db.wf_status("w1/kid") is None
    assert db.rows("SELECT * FROM wf_steps") == []


def test_a_child_that_is_spawned_by_a_lost_claim_is_not_started(db):
    old = db.claim()["token"]
    db.at(31)
    db.claim()
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_spawn(old, "kid", "child")
    assert db.value("SELECT count(*) FROM wf_workflows") == 1


END = {
    "cancel": lambda db: db.wf_cancel("w1", "why"),
    "final failure": lambda db: db.wf_fail("w1", "e", retry=False),
    "last failure": lambda db: db.wf_fail("w1", "e"),
    "timeout": lambda db: (db.at(101), db.wf_tick()),
}


@pytest.mark.parametrize("end", sorted(END))
def test_cancel_final_failure_and_timeout_of_the_parent_cancel_its_children_unless_detached(db, end):
    db.wf_delete("w1", force=True)
    db.wf_start("job", id="w1", timeout=100, max_attempts=1)
    db.wf_spawn("w1", "kid", "child")
    db.wf_spawn("w1", "free", "child", None, detached=True)
    db.wf_spawn("w1/kid", "grandkid", "child")
    db.wf_spawn("w1/free", "grandkid", "child")
    db.wf_spawn("w1", "done", "child")
    db.wf_complete("w1/done", 1)
    END[end](db)
    assert db.wf_status("w1") in ("cancelled", "failed")
    assert {id: db.wf_status("w1/" + id) for id in ("kid", "kid/grandkid", "free", "free/grandkid", "done")} == {
        "kid": "cancelled", "kid/grandkid": "cancelled", "free": "pending", "free/grandkid": "pending", "done": "completed"}


@pytest.mark.parametrize("settings, where", [
    ({"partition_concurrency": 1, "hold": "started"}, "queue 'q', partition 'p'"),
    ({"concurrency": 1, "hold": "started"}, "queue 'q'"),
])
def test_a_child_that_could_not_begin_before_its_parent_has_ended_is_refused(db, settings, where):
    """The parent keeps the one slot to its end: waiting for the child would never end."""
    db.wf_queue("q", **settings)
    db.wf_start("job", id="p", queue="q", partition="p")
    token = db.claim("q")["token"]
    with wf_error("WF_STATE", "p/kid", where, "detached"):
        db.wf_spawn(token, "kid", "job", None, queue="q", partition="p")
    assert (db.rows("SELECT * FROM wf_steps"), db.wf_status("p/kid")) == ([], None)
    assert db.wf_spawn(token, "kid", "job", None, queue="q", partition="p", detached=True) == "p/kid"
    assert db.wf_spawn(token, "elsewhere", "job") == "p/elsewhere"
    db.wf_complete(token)
    assert db.claim("q")["id"] == "p/kid"


@pytest.mark.parametrize("settings", [
    {"partition_concurrency": 2, "hold": "started"}, {"partition_concurrency": 1}, {"concurrency": 2, "hold": "started"},
])
def test_a_child_that_can_begin_beside_its_parent_is_not_refused(db, settings):
    db.wf_queue("q", **settings)
    db.wf_start("job", id="p", queue="q", partition="p")
    token = db.claim("q")["token"]
    db.wf_spawn(token, "kid", "job", None, queue="q", partition="p")
    assert db.wf_join(token, "join") is None
    assert db.claim("q")["id"] == "p/kid"


SERIAL = [{"partition_concurrency": 1, "hold": "started"}, {"concurrency": 1, "hold": "started"}]


@pytest.mark.parametrize("settings", SERIAL)
def test_a_parent_that_nobody_has_claimed_yet_shuts_out_its_child_too(db, settings):
    db.wf_queue("q", **settings)
    db.wf_start("job", id="p", queue="q", partition="p")
    with wf_error("WF_STATE", "p/kid", "queue 'q'", "detached"):
        db.wf_spawn("p", "kid", "job", None, queue="q", partition="p")
    assert (db.rows("SELECT * FROM wf_steps"), db.wf_status("p/kid")) == ([], None)


@pytest.mark.parametrize("settings", SERIAL)
@pytest.mark.parametrize("claims", [False, True])
def test_a_grandchild_is_shut_out_by_whoever_waits_above_it(db, claims, settings):
    db.wf_queue("q", **settings)
    db.wf_start("job", id="p", queue="q", partition="p")
    top = db.claim("q")["token"] if claims else "p"
    db.wf_spawn(top, "kid", "job")
    middle = db.claim(id="p/kid")["token"] if claims else "p/kid"
    with wf_error("WF_STATE", "p/kid/kid", "queue 'q'", "or one above it"):
        db.wf_spawn(middle, "kid", "job", None, queue="q", partition="p")
    assert db.wf_spawn(middle, "free", "job", None, queue="q", partition="p", detached=True) == "p/kid/free"


def test_who_does_not_wait_shuts_nobody_out(db):
    """One above that has ended, and those above a detached one."""
    db.wf_queue("q", concurrency=1, hold="started")
    db.wf_start("job", id="p", queue="q")
    db.wf_spawn("p", "kid", "job")
    db.wf_spawn("p", "free", "job", None, detached=True)
    assert db.wf_spawn("p/free", "kid", "job", None, queue="q") == "p/free/kid"
    db.wf_complete("p")
    assert db.wf_spawn("p/kid", "kid", "job", None, queue="q") == "p/kid/kid"


@pytest.mark.parametrize("settings", [{"partition_concurrency": 3}, {"concurrency": 3}])
def test_as_many_may_be_nested_as_there_are_slots(db, settings):
    db.wf_queue("q", hold="started", **settings)
    place = {"queue": "q", "partition": "p"}
    db.wf_start("job", id="p", **place)
    db.wf_spawn("p", "a", "job", None, **place)
    db.wf_spawn("p/a", "elsewhere", "job")
    assert db.wf_spawn("p/a/elsewhere", "b", "job", None, **place) == "p/a/elsewhere/b"
    with wf_error("WF_STATE", "queue 'q'"):
        db.wf_spawn("p/a/elsewhere/b", "c", "job", None, **place)
    assert db.wf_spawn("p/a/elsewhere/b", "c", "job") == "p/a/elsewhere/b/c"


def test_another_partition_is_no_obstacle_and_neither_is_none(db):
    db.wf_queue("q", hold="started", partition_concurrency=1)
    db.wf_start("job", id="p", queue="q", partition="p")
    db.wf_spawn("p", "a", "job", None, queue="q", partition="o")
    db.wf_spawn("p", "b", "job", None, queue="q")
    db.wf_start("job", id="n", queue="q")
    db.wf_spawn("n", "a", "job", None, queue="q")


def test_what_was_refused_would_never_have_ended(db):
    """Without the refusal, as it was before settings were made narrower: both wait for ever. Nothing but a cancel ends it."""
    db.wf_start("job", id="p", queue="q")
    token = db.claim("q")["token"]
    db.wf_spawn(token, "kid", "job", None, queue="q")
    db.wf_queue("q", hold="started", concurrency=1)
    assert joined(db, handle=token) is None
    assert (db.claim("q"), db.wf_ready("q")) == (None, 0)
    db.wf_cancel("p")
    assert db.wf_status("p/kid") == "cancelled"


def test_a_child_of_a_script_that_could_not_begin_fails_its_step(db):
    db.wf_queue("q", concurrency=1, hold="started")
    db.wf_define("flow", {"steps": [{"name": "kid", "task": "q"}]})
    db.wf_start("flow", id="w", queue="q", max_attempts=1)
    db.wf_run()
    assert db.wf_status("w") == "failed" and "queue 'q'" in db.wf_error("w")


def test_a_failure_that_is_retried_cancels_nothing(db):
    spawn(db, "kid")
    db.wf_fail("w1", "e")
    assert db.wf_status("w1/kid") == "pending"


def test_the_completion_of_the_parent_leaves_its_children_alone(db):
    spawn(db, "kid")
    db.wf_complete("w1")
    assert db.wf_status("w1/kid") == "pending"


def test_the_worker_of_a_cancelled_child_is_told(db):
    spawn(db, "kid")
    token = db.claim(id="w1/kid")["token"]
    db.wf_cancel("w1")
    assert db.wf_step(token, "charge", "1") == "1"
    with wf_error("WF_CANCELLED", "w1/kid"):
        db.wf_complete(token)


def test_a_child_with_cleanup_cleans_up_when_its_parent_is_cancelled(db):
    db.wf_spawn("w1", "kid", "child", None, cleanup=True)
    db.wf_cancel("w1")
    assert db.wf_status("w1/kid") == "pending"
    claim = db.claim()
    assert (claim["id"], claim["ending"]) == ("w1/kid", "cancelled")
    assert db.wf_complete(claim["token"]) == "cancelled"


def test_the_end_of_a_child_does_not_end_the_parent(db):
    spawn(db, "a", "b")
    db.wf_cancel("w1/a")
    db.wf_fail("w1/b", "e", retry=False)
    assert db.wf_status("w1") == "pending"


# wf_join


def test_it_waits_until_all_are_terminal(db):
    spawn(db, "a", "b")
    token = db.claim(id="w1")["token"]
    assert joined(db, handle=token) is None
    db.wf_complete("w1/a", 1)
    assert (joined(db), db.workflow()["due_at"]) == (None, None)
    db.wf_complete("w1/b", 2)
    claim = db.claim()
    assert claim["id"] == "w1"
    assert joined(db, handle=claim["token"]) == [
        {"id": "w1/a", "status": "completed", "output": 1}, {"id": "w1/b", "status": "completed", "output": 2}]


def test_each_entry_has_the_output_or_the_error(db):
    spawn(db, "a", "b", "c", "d")
    db.wf_complete("w1/a", {"n": 1})
    db.wf_fail("w1/b", "why", retry=False)
    db.wf_cancel("w1/c", "because")
    db.wf_complete("w1/d", b"\x01")
    result = joined(db)
    assert result[:3] == [
        {"id": "w1/a", "status": "completed", "output": {"n": 1}},
        {"id": "w1/b", "status": "failed", "error": "why"},
        {"id": "w1/c", "status": "cancelled", "error": "because"},
    ]
    assert result[3]["output"] == {"$blob": "01"}


def test_the_result_is_in_the_order_given(db):
    spawn(db, "a", "b", "c")
    for id in ("b", "c", "a"):
        db.wf_complete("w1/" + id)
    order = ["w1/c", "w1/a", "w1/b"]
    assert [entry["id"] for entry in joined(db, "join", order)] == order


def test_without_ids_it_joins_all_children_spawned_so_far_in_the_order_of_their_steps(db):
    spawn(db, "b", "a")
    db.wf_complete("w1/a")
    db.wf_complete("w1/b")
    assert [entry["id"] for entry in joined(db, "first")] == ["w1/b", "w1/a"]
    spawn(db, "c")
    db.wf_complete("w1/c")
    assert [entry["id"] for entry in joined(db, "second")] == ["w1/b", "w1/a", "w1/c"]
    assert [entry["id"] for entry in joined(db, "first")] == ["w1/b", "w1/a"]


def test_without_children_the_result_is_empty_at_once(db):
    token = db.claim()["token"]
    assert joined(db, handle=token) == []
    assert joined(db, "again", [], handle=token) == []
    assert db.wf_status("w1") == "running"


def test_any_workflow_ids_will_do(db):
    db.wf_start("other", id="x")
    assert joined(db, "join", ["x"]) is None
    db.wf_complete("x", 5)
    assert joined(db, "join", ["x"]) == [{"id": "x", "status": "completed", "output": 5}]


def test_one_id_may_be_joined_by_many(db):
    db.wf_start("other", id="x")
    db.wf_start("job", id="w2")
    for id in ("w1", "w2"):
        assert joined(db, "join", ["x"], handle=id) is None
    db.wf_complete("x")
    assert db.wf_ready() == 2
    for id in ("w1", "w2"):
        assert len(joined(db, "join", ["x"], handle=id)) == 1


def test_an_unknown_id_is_not_found(db):
    with wf_error("WF_NOT_FOUND", "nobody"):
        joined(db, "join", ["nobody"])
    assert db.wf_status("w1") == "pending"


def test_a_workflow_does_not_join_itself(db):
    with wf_error("WF_INVALID", "w1"):
        joined(db, "join", ["w1"])


@pytest.mark.parametrize("ids", ["[5]", '[""]', "[", '[["x"]]', 5])
def test_ids_are_an_array_of_ids(db, ids):
    with wf_error("WF_INVALID"):
        db.wf_join("w1", "join", ids)


def test_any_takes_the_earliest(db):
    spawn(db, "a", "b", "c")
    assert joined(db, mode="any") is None
    db.at(1)
    db.wf_fail("w1/b", "e", retry=False)
    db.at(2)
    db.wf_complete("w1/a", 1)
    assert joined(db, mode="any") == [{"id": "w1/b", "status": "failed", "error": "e"}]
    db.wf_complete("w1/c", 1)
    assert joined(db, mode="any") == [{"id": "w1/b", "status": "failed", "error": "e"}]


def test_any_takes_the_earliest_of_those_that_ended_before(db):
    spawn(db, "a", "b", "c")
    for second, id in enumerate(("c", "a", "b")):
        db.at(second)
        db.wf_complete("w1/" + id)
    assert [entry["id"] for entry in joined(db, mode="any")] == ["w1/c"]


def test_any_is_woken_once_by_the_first(db):
    spawn(db, "a", "b")
    joined(db, mode="any")
    db.wf_complete("w1/b")
    assert db.wf_ready() == 2
    claim = db.claim(id="w1")
    assert joined(db, handle=claim["token"], mode="any")[0]["id"] == "w1/b"
    db.wf_complete("w1/a")
    assert db.wf_step(claim["token"], "next", "1") == "1"


def test_there_is_one_wake_up_when_it_is_satisfied(db):
    spawn(db, "a", "b", "c")
    token = db.claim(id="w1")["token"]
    joined(db, handle=token)
    for id in ("a", "b"):
        db.wf_complete("w1/" + id)
        assert db.value("SELECT ready FROM wf_pending WHERE id = 'w1'") == 0
    db.at(9)
    db.wf_complete("w1/c")
    assert (db.workflow()["status"], db.workflow()["due_at"]) == ("waiting", sql_time(9))
    claim = db.claim()
    assert (claim["attempt"], claim["resumed"]) == (1, 1)


@pytest.mark.parametrize("mode, result", [
    ("all", [{"id": "w1/a", "status": "completed", "output": 1}, {"id": "w1/b", "status": "pending"}]),
])
def test_on_a_timeout_the_present_statuses_are_the_result(db, mode, result):
    spawn(db, "a", "b")
    assert joined(db, mode=mode, timeout=10) is None
    db.wf_complete("w1/a", 1)
    db.at(10)
    assert db.wf_ready() == 2
    assert joined(db, mode=mode, timeout=10) == result
    db.wf_complete("w1/b", 2)
    assert joined(db, mode=mode, timeout=10) == result


def test_timeout_0_looks_and_never_suspends(db):
    spawn(db, "a")
    token = db.claim(id="w1")["token"]
    assert joined(db, handle=token, timeout=0) == [{"id": "w1/a", "status": "pending"}]
    assert db.wf_status("w1") == "running"


def test_outputs_false_leaves_them_out(db):
    spawn(db, "a", "b")
    db.wf_complete("w1/a", {"big": 1})
    db.wf_fail("w1/b", "e", retry=False)
    assert [entry.get("output") for entry in joined(db, outputs=False)] == [None, None]
    assert [entry["status"] for entry in joined(db, outputs=False)] == ["completed", "failed"]


def test_a_child_that_is_deleted_meanwhile_has_no_status(db):
    spawn(db, "a", "b")
    joined(db)
    db.wf_complete("w1/a", 1)
    db.wf_delete("w1/b", force=True)
    assert joined(db) == [{"id": "w1/a", "status": "completed", "output": 1}, {"id": "w1/b", "status": None}]


@pytest.mark.parametrize("options", [{"mode": "some"}, {"mode": 1}, {"timeout": -1}, {"outputs": 2}, {"colour": 1}])
def test_options_have_their_values(db, options):
    with wf_error("WF_INVALID", *options):
        db.wf_join("w1", "join", None, **options)


@pytest.mark.parametrize("options", [{"detached": 2}, {"priority": 101}, {"colour": 1}, {"id": "run_1"}])
def test_options_of_a_spawn_have_their_values(db, options):
    with wf_error("WF_INVALID", *options):
        db.wf_spawn("w1", "kid", "child", None, **options)


def test_the_failure_of_a_child_is_visible_to_the_parent(db):
    """A parent waits, the child fails for good, the parent goes on with the error in hand."""
    token = db.claim()["token"]
    db.wf_spawn(token, "charge", "payment", None, queue="payments", max_attempts=2)
    joined(db, handle=token)
    for _ in range(2):
        db.wf_fail(db.claim("payments")["token"], '{"code":"declined"}', delay=0)
    claim = db.claim()
    assert joined(db, handle=claim["token"]) == [{"id": "w1/charge", "status": "failed", "error": {"code": "declined"}}]


def test_a_join_in_a_loop_takes_the_children_one_by_one(db):
    left = spawn(db, "a", "b", "c")
    order = []
    for turn, id in enumerate(("w1/b", "w1/c", "w1/a")):
        assert joined(db, "turn %d" % turn, left, mode="any") is None
        db.wf_complete(id)
        (entry,) = joined(db, "turn %d" % turn, left, mode="any")
        order.append(entry["id"])
        left.remove(entry["id"])
    assert order == ["w1/b", "w1/c", "w1/a"]


def test_the_timeout_of_a_child_wakes_its_parent(db):
    db.wf_spawn("w1", "kid", "child", None, timeout=10)
    joined(db)
    db.at(11)
    claim = db.claim()
    assert claim["id"] == "w1"
    (entry,) = joined(db, handle=claim["token"])
    assert (entry["status"], entry["error"]["code"]) == ("failed", "timeout")


def test_children_may_be_spawned_with_a_moment(db):
    db.wf_spawn("w1", "kid", "child", None, now=BASE + 50)
    assert db.workflow("w1/kid")["created_at"] == sql_time(50)


def test_a_cancel_reaches_all_below_through_workflows_that_have_ended_too(db):
    db.wf_start("job", id="w1")
    db.wf_spawn("w1", "open", "job")
    db.wf_spawn("w1/open", "below", "job")
    db.wf_spawn("w1", "over", "job")
    db.wf_spawn("w1/over", "below", "job")
    db.wf_complete("w1/over")
    assert db.wf_cancel("w1") == 1
    assert [db.wf_status(id) for id in ("w1/open", "w1/open/below", "w1/over", "w1/over/below")] == ["cancelled", "cancelled", "completed", "cancelled"]


def test_it_stops_at_detached_ones(db):
    db.wf_spawn("w1", "free", "job", None, detached=True)
    db.wf_spawn("w1/free", "below", "job")
    db.wf_complete("w1/free")
    db.wf_cancel("w1")
    assert db.wf_status("w1/free/below") == "pending"


def test_what_a_dropped_child_has_left_is_cancelled_though_it_has_ended_itself(db):
    db.wf_spawn("w1", "kid", "job")
    db.wf_spawn("w1/kid", "below", "job")
    db.wf_complete("w1/kid")
    db.execute("UPDATE _wf_workflow SET status = 'failed', place = NULL, due_at = NULL, finished_at = 0, error = '1' WHERE id = 'w1'")
    db.wf_retry("w1", **{"from": "kid"})
    assert db.wf_status("w1/kid/below") == "cancelled"


# ---- A join of none ----------------------------------------------------------------------------------------------------
def test_a_join_of_none_with_mode_any_is_refused(db):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "mode any"):
        db.wf_join("w1", "j", "[]", mode="any")
    with wf_error("WF_INVALID", "mode any"):
        db.wf_join("w1", "j", None, mode="any")
    with wf_error("WF_INVALID", "mode any"):
        db.wf_join("nobody", "j", "[ ]", mode="any")
    assert db.rows("SELECT * FROM wf_steps") == [] and db.wf_status("w1") == "pending"
    db.wf_spawn("w1", "a", "child")
    assert db.wf_join("w1", "j", None, mode="any") is None
    db.wf_delete("w1/a", force=True)
    assert json.loads(db.wf_join("w1", "j", None, mode="any")) == []  # it was one of some, and none is left
    assert json.loads(db.wf_join("w1", "all", "[]")) == []
