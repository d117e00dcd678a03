"""Who is meant by a child's id, once the child was deleted and a stranger has come to it: never the stranger."""

import json

import pytest
from support import wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("parent", id="p")
    return db


@pytest.fixture
def there(connect, tmp_path):
    there = connect(tmp_path / "there.db")
    there.at(0)
    return there


def stranger(db, id="p/c", output=666):
    db.wf_start("child", id=id)
    if output is not None:
        db.wf_complete(id, output)


def lost_child(db, output=666):
    """The child of p has ended and was deleted; a stranger has its id."""
    db.wf_spawn("p", "c", "child")
    db.wf_complete("p/c", 1)
    db.wf_delete("p/c")
    stranger(db, output=output)


GONE = [{"id": "p/c", "status": None}]


def join(db, *arguments, handle="p", **options):
    text = db.wf_join(handle, "j", *arguments, **options)
    return None if text is None else json.loads(text)


@pytest.mark.parametrize("output", [666, None])
def test_a_stranger_that_came_before_the_join_is_not_joined(db, output):
    lost_child(db, output)
    assert join(db) == GONE
    assert db.wf_check() is None


@pytest.mark.parametrize("output", [666, None])
def test_a_join_that_names_the_child_says_that_it_is_gone(db, output):
    lost_child(db, output)
    with wf_error("WF_NOT_FOUND", "p/c", "'p'", "another workflow has its id"):
        join(db, ["p/c"])
    with wf_error("WF_NOT_FOUND", "p/c"):
        db.wf_wait_any("p", "w", [{"join": ["p/c"]}])
    assert db.wf_status("p") == "pending"


def test_who_is_not_the_parent_means_whoever_has_the_id(db):
    lost_child(db)
    db.wf_start("other", id="o")
    assert join(db, ["p/c"], handle="o") == [{"id": "p/c", "status": "completed", "output": 666}]


@pytest.mark.parametrize("output", [666, None])
@pytest.mark.parametrize("by", ["token", "id"])
def test_a_stranger_that_comes_while_the_parent_waits_is_not_joined(db, by, output):
    db.wf_spawn("p", "c", "child")
    handle = db.claim(id="p")["token"] if by == "token" else "p"
    assert join(db, handle=handle) is None
    db.wf_delete("p/c", force=True)
    stranger(db, output=output)
    handle = db.claim(id="p")["token"] if by == "token" else "p"
    assert join(db, handle=handle) == GONE
    assert db.rows("SELECT * FROM _wf_waiter") == [] and db.wf_check() is None


def test_one_of_several_is_gone_and_the_rest_is_waited_for(db):
    for step in "cd":
        db.wf_spawn("p", step, "child")
    assert join(db) is None
    db.wf_delete("p/c", force=True)
    stranger(db, output=None)
    assert join(db) is None
    db.wf_complete("p/d", 2)
    assert db.claim(id="p")["wake"] == "join"
    assert db.wf_step("p", "j") == '[{"id":"p/c","status":null},{"id":"p/d","status":"completed","output":2}]'


def test_any_does_not_take_the_stranger_for_the_first(db):
    for step in "cd":
        db.wf_spawn("p", step, "child")
    db.wf_delete("p/c", force=True)
    stranger(db)
    assert join(db, mode="any") is None
    db.at(5)
    db.wf_complete("p/d", 2)
    assert join(db, mode="any") == [{"id": "p/d", "status": "completed", "output": 2}]


def test_any_of_children_that_are_gone_is_none(db):
    lost_child(db)
    assert join(db, mode="any") == []


def test_the_joins_of_several_waits_mean_the_child_too(db):
    db.wf_spawn("p", "c", "child")
    assert db.wf_wait_any("p", "w", [{"signal": "s"}, {"join": ["p/c"], "as": "child"}]) is None
    db.wf_delete("p/c", force=True)
    stranger(db)
    assert json.loads(db.wf_wait_any("p", "w", [{"signal": "s"}])) == {"index": 1, "as": "child", "join": GONE}


def test_a_kept_join_means_the_child_too(db):
    db.wf_spawn("p", "c", "child")
    token = db.claim(id="p")["token"]
    assert join(db, handle=token, keep=True) is None
    db.wf_delete("p/c", force=True)
    stranger(db, output=None)
    assert join(db, handle=token, keep=True) == GONE


def test_the_timeout_of_a_join_does_not_show_the_stranger(db):
    for step in "cd":
        db.wf_spawn("p", step, "child")
    assert join(db, timeout=10) is None
    db.wf_delete("p/c", force=True)
    stranger(db)
    db.at(10)
    assert join(db) == GONE + [{"id": "p/d", "status": "pending"}]


def test_a_stranger_found_by_dedup_is_joined_on_purpose(db):
    db.wf_start("child", id="s", dedup="d")
    assert db.wf_spawn("p", "c", "child", None, dedup="d") == "s"
    assert join(db) is None
    db.wf_complete("s", 5)
    assert join(db) == [{"id": "s", "status": "completed", "output": 5}]
    assert db.wf_check() is None


def test_one_that_is_returned_whatever_its_input_is_joined_on_purpose(db):
    db.wf_start("child", 1, id="s")
    assert db.wf_spawn("p", "c", "child", 2, id="s", if_exists="return") == "s"
    db.wf_complete("s", 5)
    assert join(db) == [{"id": "s", "status": "completed", "output": 5}]


def test_the_child_of_another_step_found_by_dedup_is_joined_and_not_dropped_with_this_step(db):
    db.wf_spawn("p", "a", "child", None, dedup="d")
    assert db.wf_spawn("p", "b", "child", None, dedup="d") == "p/a"
    assert join(db) is None
    db.execute("UPDATE _wf_workflow SET status = 'failed', place = NULL, due_at = NULL, finished_at = 0, error = '1' WHERE id = 'p'")
    db.execute("DELETE FROM _wf_step WHERE name = 'j'")
    db.execute("DELETE FROM _wf_waiter")
    db.wf_retry("p", **{"from": "b"})
    assert db.wf_status("p/a") == "pending"


def test_a_new_child_of_the_id_is_joined(db):
    """Another step has spawned it since."""
    db.wf_spawn("p", "c", "child", None, id="k")
    db.wf_complete("k", 1)
    db.wf_delete("k")
    db.wf_spawn("p", "d", "child", None, id="k")
    assert join(db, ["k"]) is None
    db.wf_complete("k", 2)
    assert join(db, ["k"]) == [{"id": "k", "status": "completed", "output": 2}]


def test_a_child_of_the_step_that_is_done_again_is_joined(db):
    db.wf_spawn("p", "c", "child", None, id="k")
    db.wf_fail("p", "e", retry=False)
    db.wf_retry("p", **{"from": "c"})
    db.wf_delete("k")
    db.wf_spawn("p", "c", "child", None, id="k")
    assert join(db) is None
    db.wf_complete("k", 2)
    assert join(db) == [{"id": "k", "status": "completed", "output": 2}]


@pytest.mark.parametrize("id", ['a"b\\c', "é/ü", "\u2028\U0001f600", "a%2Fb", "<&>"])
def test_a_child_is_known_by_any_id(db, id):
    db.wf_spawn("p", "c", "child", None, id=id)
    assert join(db) is None
    db.wf_complete(id, 2)
    assert join(db) == [{"id": id, "status": "completed", "output": 2}]
    db.wf_delete(id)
    stranger(db, id)
    db.execute("DELETE FROM _wf_step WHERE name = 'j'")
    assert join(db) == [{"id": id, "status": None}]


def test_the_stranger_does_not_end_with_the_parent_nor_is_it_deleted_with_it(db):
    lost_child(db, None)
    db.wf_cancel("p")
    assert db.wf_status("p/c") == "pending"
    db.wf_retry("p", children="failed", **{"from": "c"})
    assert db.wf_status("p/c") == "pending"
    db.wf_cancel("p")
    db.wf_delete("p", force=True)
    assert db.wf_status("p/c") == "pending"


def test_a_fork_joins_the_children_of_the_other_by_their_ids(db):
    db.wf_spawn("p", "c", "child")
    fork = db.wf_fork("p", id="f")
    assert db.wf_join(fork, "j") is None
    db.wf_complete("p/c", 1)
    assert json.loads(db.wf_join(fork, "j")) == [{"id": "p/c", "status": "completed", "output": 1}]
    assert db.wf_check() is None


def test_a_script_does_not_take_the_stranger_for_its_child(db):
    db.wf_define("flow", {"steps": [{"name": "c", "task": "q"}]})
    db.wf_start("flow", id="f", max_attempts=1)
    db.wf_run()
    assert db.wf_status("f/c") == "pending"
    db.wf_delete("f/c", force=True)
    stranger(db, "f/c")
    db.wf_run()
    assert (db.wf_status("f"), json.loads(db.wf_error("f"))["message"]) == ("failed", "step 'c' failed: the child was deleted")


# ---- Moved to another file ---------------------------------------------------------------------------------------------


def move(db, there, *ids):
    for id in ids:
        there.wf_import(db.wf_export(id))


@pytest.mark.parametrize("order", [("p", "p/c"), ("p/c", "p")])
def test_a_family_that_has_moved_is_one_in_any_order(db, there, order):
    db.wf_spawn("p", "c", "child")
    assert join(db) is None
    move(db, there, *order)
    assert (there.workflow("p/c")["parent_id"], there.wf_check()) == ("p", None)
    there.wf_resume(["p", "p/c"])
    there.wf_complete("p/c", 1)
    assert join(there) == [{"id": "p/c", "status": "completed", "output": 1}]
    there.wf_cancel("p")


@pytest.mark.parametrize("order", [("f", "f/c[0]"), ("f/c[0]", "f")])
def test_a_scripted_family_too(db, there, order):
    db.wf_define("flow", {"steps": [{"name": "c", "for_each": "VALUES(1)", "task": "q"}]})
    db.wf_start("flow", id="f")
    db.wf_run()
    move(db, there, *order)
    assert there.workflow("f/c[0]")["parent_id"] == "f"
    there.wf_resume(["f", "f/c[0]"])
    there.wf_complete("f/c[0]", 1)
    there.wf_run()
    assert (there.wf_status("f"), there.wf_check()) == ("completed", None)


@pytest.mark.parametrize("output", [666, None])
@pytest.mark.parametrize("waits", [False, True])
def test_a_parent_that_moves_to_a_file_with_a_stranger_does_not_join_it(db, there, waits, output):
    db.wf_spawn("p", "c", "child")
    if waits:
        assert join(db) is None
    stranger(there, output=output)
    move(db, there, "p")
    there.wf_resume("p")
    assert (join(there), there.wf_check()) == (GONE, None)


def test_a_child_that_moves_to_a_file_where_another_has_its_parent_s_id_is_not_that_one_s(db, there):
    db.wf_spawn("p", "c", "child")
    there.wf_start("parent", id="p")
    move(db, there, "p/c")
    assert there.workflow("p/c")["parent_id"] is None
    there.wf_cancel("p")
    assert (there.wf_status("p/c"), there.wf_check()) == ("paused", None)
    there.wf_delete("p")
    assert there.wf_status("p/c") == "paused"


def test_a_child_of_a_step_that_was_dropped_moves_to_its_parent(db, there):
    db.wf_spawn("p", "c", "child", None, cleanup=True)
    db.wf_fail("p", "e", retry=False)
    db.wf_retry("p", **{"from": "c"})
    db.wf_spawn("p", "c", "child")
    move(db, there, "p", "p/c", "p/c~1")
    assert [there.workflow(id)["parent_id"] for id in ("p/c", "p/c~1")] == ["p", "p"]


def test_it_goes_on_to_a_third_file_before_its_parent_comes(db, there, connect):
    db.wf_spawn("p", "c", "child")
    move(db, there, "p/c")
    third = connect(":memory:")
    move(there, third, "p/c")
    move(db, third, "p")
    assert (third.workflow("p/c")["parent_id"], third.wf_check()) == ("p", None)


def test_a_join_of_many_strangers_by_one_of_many_children_is_quick(db):
    """Each id is looked up once: with 4,000 of each a look at all steps for each id would be 16,000,000 looks, which time out the suite."""
    count = 4000
    db.execute("BEGIN")
    for i in range(count):
        db.wf_spawn("p", "c%d" % i, "child")
        db.wf_start("other", id="s%d" % i)
    db.execute("COMMIT")
    steps = 0

    def counted():
        nonlocal steps
        steps += 1

    db.set_progress_handler(counted, 1000)
    assert join(db, ["s%d" % i for i in range(count)]) is None
    db.set_progress_handler(None, 0)
    assert steps < 3000, "%d thousand steps of SQLite's machine" % steps
