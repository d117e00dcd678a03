"""Errors: a stable code, what went wrong with the names involved, and the first code of the list when several apply."""

import pytest
from support import wf_error


@pytest.fixture
def world(db):
    """One workflow in every situation the functions so far can reach."""
    db.at(0)
    db.wf_start("job", id="ready")
    db.wf_step("ready", "done", "1")
    db.wf_start("job", id="delayed", delay=1000)
    db.wf_start("job", id="completed")
    db.wf_step("completed", "done", "1")
    db.wf_complete("completed")
    db.wf_start("job", id="failed")
    db.wf_fail("failed", "e", retry=False)
    db.tokens = {"expired": db.running("expired", worker="w", lease=5)["token"]}
    db.tokens["stale"] = db.running("leased", worker="w", lease=5)["token"]
    db.at(10)
    db.tokens["leased"] = db.claim(None, "worker-9", id="leased", lease=100)["token"]
    db.wf_step(db.tokens["leased"], "done", "1")
    return db


def newer(db):
    """The file as a later version would leave it behind."""
    db.execute("CREATE TABLE _wf_of_the_future(n)")
    db.execute("UPDATE _wf_meta SET value = 999 WHERE key = 'schema_version'")
    return db


# One way to each code


@pytest.mark.parametrize(
    "call",
    ["wf_start('job')", "wf_claim()", "wf_step('ready', 'a', '1')", "wf_complete('ready')", "wf_fail('ready', 'e')", "wf_recover()",
     "wf_status('ready')", "wf_pending()", "wf_step('ready', 'done')", "wf_init()"],
)
def test_wf_schema_when_the_file_needs_a_newer_extension(world, connect, call):
    newer(world)
    with wf_error("WF_SCHEMA", "999"):
        connect().value("SELECT " + call)


def test_wf_schema_is_noticed_by_a_connection_that_is_already_at_work(world, connect):
    newer(connect())
    with wf_error("WF_SCHEMA", "999"):
        world.wf_start("job")


def test_wf_context_inside_a_writing_statement(world):
    world.execute("CREATE TABLE app(v)")
    with wf_error("WF_CONTEXT", "wf_claim"):
        world.execute("INSERT INTO app SELECT wf_claim()")


def test_wf_invalid_names_the_argument(world):
    with wf_error("WF_INVALID", "name"):
        world.wf_start("")


def test_wf_not_found_names_the_workflow(world):
    with wf_error("WF_NOT_FOUND", "nobody"):
        world.wf_complete("nobody")


@pytest.mark.parametrize("id", ["completed", "failed"])
def test_wf_state_names_the_workflow_and_its_status(world, id):
    with wf_error("WF_STATE", id):
        world.wf_step(id, "new", "1")


def test_wf_lease_lost_names_the_workflow(world):
    with wf_error("WF_LEASE_LOST", "leased"):
        world.wf_step(world.tokens["stale"], "a", "1")


def test_wf_leased_names_the_worker_and_until_when(world):
    with wf_error("WF_LEASED", "leased", "worker-9", "08:01:50"):
        world.wf_step("leased", "a", "1")


def test_wf_paused_names_the_workflow(world):
    world.wf_recover(pause=True)
    with wf_error("WF_PAUSED", "ready"):
        world.wf_step("ready", "a", "1")


def test_wf_conflict_of_a_start_names_the_id_and_what_differs(world):
    with wf_error("WF_CONFLICT", "ready"):
        world.wf_start("other job", id="ready")
    with wf_error("WF_CONFLICT", "ready"):
        world.wf_start("job", {"n": 1}, id="ready")


def test_wf_conflict_of_a_step_names_the_step(world):
    with wf_error("WF_CONFLICT", "done"):
        world.wf_step("ready", "done", "2", once=True)


# Precedence: each case makes two codes possible; the earlier one of the table wins.


def in_statement(call):
    return lambda db: db.execute("INSERT INTO app SELECT " + call)


PRECEDENCE = [
    ("WF_CONTEXT", "WF_INVALID", in_statement("wf_claim(5)")),
    ("WF_CONTEXT", "WF_NOT_FOUND", in_statement("wf_claim(NULL, NULL, '{\"id\":\"nobody\"}')")),
    ("WF_INVALID", "WF_NOT_FOUND", lambda db: db.wf_step("nobody", "")),
    ("WF_INVALID", "WF_NOT_FOUND", lambda db: db.wf_complete("nobody", colour=1)),
    ("WF_INVALID", "WF_NOT_FOUND", lambda db: db.wf_claim(id="nobody", lease=0)),
    ("WF_INVALID", "WF_NOT_FOUND", lambda db: db.wf_heartbeat("nobody")),
    ("WF_INVALID", "WF_STATE", lambda db: db.wf_step("completed", "", "1")),
    ("WF_INVALID", "WF_STATE", lambda db: db.wf_fail("completed", "e", delay=-1)),
    ("WF_INVALID", "WF_STATE", lambda db: db.wf_step("delayed", "a", "1", colour=1)),
    ("WF_INVALID", "WF_LEASE_LOST", lambda db: db.wf_step(db.tokens["stale"], "")),
    ("WF_INVALID", "WF_LEASE_LOST", lambda db: db.wf_heartbeat(db.tokens["stale"], 0)),
    ("WF_INVALID", "WF_LEASED", lambda db: db.wf_complete("leased", colour=1)),
    ("WF_INVALID", "WF_CONFLICT", lambda db: db.wf_start("other", id="ready", priority=1000)),
    ("WF_INVALID", "WF_CONFLICT", lambda db: db.wf_start("job", "not json", id="ready")),
    ("WF_INVALID", "WF_CONFLICT", lambda db: db.wf_step("ready", "done", "1", once=True, colour=1)),
    ("WF_NOT_FOUND", "WF_CONFLICT", lambda db: db.claim(key="k") and db.wf_claim(id="nobody", key="k")),
    ("WF_STATE", "WF_CONFLICT", lambda db: db.claim(key="k") and db.wf_claim(id="completed", key="k")),
    ("WF_LEASED", "WF_CONFLICT", lambda db: db.claim(key="k") and db.wf_claim(id="leased", key="k")),
    ("WF_LEASE_LOST", "WF_CONFLICT", lambda db: db.wf_step(db.tokens["stale"], "done", "1", once=True)),
    ("WF_LEASED", "WF_CONFLICT", lambda db: db.wf_step("leased", "done", "1", once=True)),
]


@pytest.mark.parametrize("wins, loses, call", PRECEDENCE, ids=lambda value: value if isinstance(value, str) else "")
def test_when_several_codes_apply_the_first_of_the_list_wins(world, wins, loses, call):
    world.execute("CREATE TABLE app(v)")
    with wf_error(wins):
        call(world)


def test_on_a_terminal_workflow_a_stale_token_is_told_the_status(db):
    db.at(0)
    stale = db.running("w1")["token"]
    db.at(31)
    db.wf_complete(db.claim()["token"])
    for call in (
        lambda: db.wf_step(stale, "a"),
        lambda: db.wf_step(stale, "a", "1"),
        lambda: db.wf_complete(stale),
        lambda: db.wf_fail(stale, "e"),
        lambda: db.wf_release(stale),
        lambda: db.wf_heartbeat(stale),
    ):
        with wf_error("WF_STATE", "w1", "completed"):
            call()


def test_a_lost_lease_comes_before_a_pause(world):
    world.wf_recover(pause=True)
    with wf_error("WF_LEASE_LOST"):
        world.wf_step(world.tokens["leased"], "a", "1")


def test_a_newer_file_comes_before_a_wrong_context_and_a_wrong_argument(world, connect):
    world.execute("CREATE TABLE app(v)")
    newer(world)
    other = connect()
    with wf_error("WF_SCHEMA"):
        other.execute("INSERT INTO app SELECT wf_claim(5)")
    with wf_error("WF_SCHEMA"):
        other.wf_start("")


@pytest.mark.parametrize(
    "call",
    ["wf_start()", "wf_start('a', NULL, NULL, NULL)", "wf_step('a')", "wf_step('a', 'b', '1', NULL, NULL)", "wf_complete()", "wf_fail('a')",
     "wf_heartbeat()", "wf_release()", "wf_status()", "wf_result()", "wf_error()", "wf_key('a')", "wf_version(1)", "wf_config()",
     "wf_pending(1, 2)", "wf_ready(1, 2, 3)", "wf_clock(1, 2)", "wf_recover(NULL, NULL)"],
)
def test_a_wrong_number_of_arguments_is_reported_by_sqlite_itself(db, call):
    with pytest.raises(Exception, match="wrong number of arguments to function wf_"):
        db.value("SELECT " + call)


# Found by review: a connection at work did not notice that the file had become one of a newer format.
def test_the_guard_and_the_tables_notice_a_file_that_has_become_newer(db, connect):
    token = db.running("w1")["token"]
    db.wf_step(token, "done", 1)
    assert db.wf_step(token, "next") is None
    assert db.value("SELECT count(*) FROM wf_workflows") == 1
    newer(connect())
    for step in ("done", "next"):
        with wf_error("WF_SCHEMA", "999"):
            db.wf_step(token, step)
    for name in ("wf_workflows", "wf_pending", "wf_steps", "wf_failures", "wf_signals", "wf_queues", "wf_stats"):
        for each in (db, connect()):
            with wf_error("WF_SCHEMA", "999"):
                each.rows("SELECT * FROM " + name)
    assert db.value("SELECT count(*) FROM wf_functions") > 10
    assert db.value("SELECT value FROM wf_doctor WHERE name = 'schema version'") == 999
    db.execute("UPDATE _wf_meta SET value = 1 WHERE key = 'schema_version'")
    assert db.wf_step(token, "done") == 1
    assert db.value("SELECT count(*) FROM wf_workflows") == 1


def test_a_token_in_a_file_without_tables_is_not_an_empty_name(db):
    for call in ("wf_step('run_1_1', 's')", "wf_key('run_1_1', 's')"):
        with wf_error("WF_NOT_FOUND", "token") as caught:
            db.value("SELECT " + call)
        assert "''" not in caught.text
