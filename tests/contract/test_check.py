"""wf_check: NULL for whatever the engine itself writes, and a problem for every kind of damage that a hand edit can make."""

import json

import pytest


def build(db):
    """A file with something in every table."""
    db.wf_clock("2026-11-23 10:00:00")
    db.wf_queue("q", json.dumps({"concurrency": 3, "partition_concurrency": 1, "rate": {"limit": 9, "per": 60}}))
    db.wf_start("job", 1, id="run", queue="q", partition="p", dedup="d")
    token = db.claim("q", "worker", key="k")["token"]
    db.wf_step(token, "a", '{"x":1}')
    db.wf_set(token, "progress", 5)
    db.wf_append(token, "log", '"one"')
    db.wf_append(token, "log", '"two"')
    db.wf_start("job", json.dumps("x" * 3000), id="large")
    db.wf_start("job", id="signal")
    db.wf_signal("signal", "go", 1)
    db.wf_await("signal", "first", "go")
    db.wf_await("signal", "second", "stop", "1h")
    db.wf_start("job", id="event")
    db.wf_await_event("event", "news", "news")
    db.wf_emit("old", 1)
    db.wf_start("job", id="parent")
    db.wf_spawn("parent", "kid", "child")
    db.wf_join("parent", "all")
    db.wf_start("job", id="failed")
    db.wf_fail("failed", "no", retry=False)
    db.wf_start("job", id="retry")
    db.wf_fail("retry", "no", step="s")
    db.wf_start("job", id="paused")
    db.wf_pause("paused")
    db.wf_start("job", id="doubt")
    db.wf_begin("doubt", "pay")
    db.wf_start("job", id="done")
    db.wf_complete("done", 1)


def test_nothing_is_wrong_with_what_the_engine_writes(db):
    assert db.value("SELECT wf_check()") is None
    build(db)
    assert db.value("SELECT wf_check()") is None


DAMAGE = [
    "UPDATE _wf_workflow SET status = 'odd' WHERE id = 'run'",
    "UPDATE _wf_workflow SET status = 'pending' WHERE id = 'run'",
    "UPDATE _wf_workflow SET lane = 99 WHERE id = 'run'",
    "UPDATE _wf_workflow SET id = '' WHERE id = 'run'",
    "UPDATE _wf_workflow SET id = 'run_1_1' WHERE id = 'run'",
    "UPDATE _wf_workflow SET due_at = 'soon' WHERE id = 'run'",
    "UPDATE _wf_workflow SET nonce = NULL WHERE id = 'run'",
    "UPDATE _wf_workflow SET place = 0 WHERE id = 'run'",
    "UPDATE _wf_workflow SET limited = 'other' WHERE id = 'run'",
    "UPDATE _wf_workflow SET dedup = 'other' WHERE id = 'run'",
    "UPDATE _wf_workflow SET attempt = -1 WHERE id = 'run'",
    "UPDATE _wf_workflow SET finished_at = 1 WHERE id = 'run'",
    "UPDATE _wf_workflow SET status = 'completed' WHERE id = 'run'",
    "UPDATE _wf_workflow SET input = '{' WHERE id = 'run'",
    "UPDATE _wf_workflow SET input = 1 WHERE id = 'large'",
    "UPDATE _wf_workflow SET place = 3 WHERE id = 'signal'",
    "UPDATE _wf_workflow SET due_at = NULL WHERE id = 'retry'",
    "UPDATE _wf_workflow SET paused_from = NULL WHERE id = 'paused'",
    "UPDATE _wf_workflow SET paused_from = 'completed' WHERE id = 'paused'",
    "UPDATE _wf_workflow SET error = NULL WHERE id = 'failed'",
    "UPDATE _wf_workflow SET place = 0 WHERE id = 'done'",
    "UPDATE _wf_workflow SET ending = 'soon' WHERE id = 'retry'",
    "UPDATE _wf_workflow SET parent = 99 WHERE id = 'parent/kid'",
    "DELETE FROM _wf_workflow WHERE id = 'parent'",
    "DELETE FROM _wf_workflow WHERE id = 'signal'",
    "DELETE FROM _wf_workflow WHERE id = 'run'",
    "DELETE FROM _wf_workflow WHERE id = 'large'",
    "DELETE FROM _wf_workflow WHERE id = 'failed'",
    "DELETE FROM _wf_lane",
    "UPDATE _wf_lane SET next_due = NULL",
    "UPDATE _wf_lane SET next_due = 'soon'",
    "UPDATE _wf_lane SET name = '' WHERE queue = 'q'",
    "DELETE FROM _wf_step WHERE status = 'waiting'",
    "UPDATE _wf_step SET status = 'odd' WHERE name = 'a'",
    "UPDATE _wf_step SET kind = 'odd' WHERE name = 'a'",
    "UPDATE _wf_step SET status = 'waiting' WHERE name = 'a'",
    "UPDATE _wf_step SET status = 'failed' WHERE name = 'a'",
    "UPDATE _wf_step SET output = '{' WHERE name = 'a'",
    "UPDATE _wf_step SET topics = NULL WHERE name = 'second'",
    "UPDATE _wf_step SET status = 'waiting' WHERE name = 'first'",
    "UPDATE _wf_step SET wf = 99 WHERE name = 'a'",
    "UPDATE _wf_signal SET wf = 99",
    "UPDATE _wf_signal SET taken = 99",
    "UPDATE _wf_value SET wf = 99",
    "UPDATE _wf_stream SET wf = 99",
    "DELETE FROM _wf_stream WHERE offset = 0",
    "DELETE FROM _wf_waiter WHERE topic LIKE 'e%'",
    "DELETE FROM _wf_waiter WHERE topic LIKE 'w%'",
    "INSERT INTO _wf_waiter VALUES ('ex', 1, '')",
    "UPDATE _wf_queue SET concurrency = -1",
    "UPDATE _wf_queue SET hold = 'odd'",
    "UPDATE _wf_queue SET rate_per = NULL",
    "UPDATE _wf_meta SET value = 'x' WHERE key = 'epoch'",
    "INSERT INTO _wf_meta VALUES ('odd', 1)",
    "INSERT INTO _wf_meta VALUES ('last_seq', 'x')",
    "DELETE FROM _wf_meta WHERE key = 'epoch'",
    "INSERT INTO _wf_large VALUES (99, 0, 1, 1)",
    "DROP INDEX _wf_due",
    "DROP TABLE _wf_rate",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(db, damage):
    build(db)
    db.execute(damage)
    problems = json.loads(db.value("SELECT wf_check()"))
    assert problems and all(set(p) == {"problem", "where"} for p in problems)


# Found by review: legal, and reported as damage.
@pytest.mark.parametrize("again", ["retried", "deleted and started anew"])
@pytest.mark.parametrize("mode", ["all", "any"])
def test_a_join_whose_workflow_goes_on_after_its_end_is_no_problem(db, again, mode):
    for id in ("a", "b", "p"):
        db.wf_start("job", id=id)
    assert db.wf_join("p", "j", '["a","b"]', mode=mode) is None

    def begin_anew():
        db.wf_fail("a", "no", retry=False)
        if again == "retried":
            db.wf_retry("a")
        else:
            db.wf_delete("a")
            db.wf_start("job", id="a")
        assert db.wf_check() is None

    begin_anew()
    if mode == "any":
        assert db.claim(id="p") is None  # it looks, and waits on for both
        assert db.wf_check() is None
        db.wf_complete("a", 1)
        assert json.loads(db.wf_join("p", "j", '["a","b"]', mode=mode))[0]["id"] == "a"
        return
    db.wf_complete("b", 2)
    assert db.wf_check() is None
    assert db.claim(id="p") is None
    assert db.wf_check() is None
    begin_anew()
    assert db.wf_join("p", "j", '["a","b"]') is None
    db.wf_complete("a", 1)
    assert [one["output"] for one in json.loads(db.wf_join("p", "j", '["a","b"]'))] == [1, 2]
    assert db.wf_check() is None


def test_every_table_and_index_is_asked_for(memdb):
    """What the schema makes, and what wf_check misses when it is gone."""
    memdb.wf_init()
    always = memdb.column("SELECT name FROM sqlite_master WHERE type = 'table'")
    memdb.make()
    rare = [name for name in memdb.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '_wf_*'") if name not in always]
    assert len(rare) >= 19
    memdb.execute("INSERT INTO _wf_meta(key, value) VALUES ('made', ?)", (" ".join(rare),))
    made = [name for name, sql in memdb.rows("SELECT name, sql FROM sqlite_master WHERE name GLOB '_wf_*'") if sql is not None and name != "_wf_meta"]
    hidden = []
    for name in made:
        memdb.execute("BEGIN")
        memdb.execute("DROP %s %s" % (memdb.value("SELECT type FROM sqlite_master WHERE name = ?", name), name))
        try:
            found = memdb.wf_check(integrity="none")
        except Exception as error:
            found = str(error)
        memdb.execute("ROLLBACK")
        if found is None:
            hidden.append(name)
    assert hidden == []
