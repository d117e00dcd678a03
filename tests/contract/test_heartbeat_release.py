"""wf_heartbeat keeps a claim, wf_release gives it back."""

import json
import re
import sqlite3
from pathlib import Path

import pytest
from support import BASE, code, json_time, sql_time, wf_error

# wf_heartbeat


def test_a_heartbeat_returns_the_new_expiry(db):
    db.at(0)
    token = db.running()["token"]
    db.at(10)
    assert db.wf_heartbeat(token, 60) == sql_time(70)
    assert db.workflow()["due_at"] == sql_time(70)


def test_without_a_duration_a_heartbeat_renews_the_lease_at_its_own_length(db):
    db.at(0)
    token = db.running(lease=100)["token"]
    db.at(10)
    assert db.wf_heartbeat(token) == sql_time(110)


def test_a_heartbeat_never_shortens(db):
    db.at(0)
    token = db.running(lease=100)["token"]
    db.at(10)
    assert db.wf_heartbeat(token, 5) == sql_time(100)
    assert db.workflow()["due_at"] == sql_time(100)


def test_a_heartbeat_keeps_others_out(db):
    db.at(0)
    token = db.running()["token"]
    for beat in range(1, 20):
        db.at(beat * 20)
        db.wf_heartbeat(token)
        assert db.claim() is None
    assert db.wf_complete(token) == "completed"
    assert db.workflow()["attempt"] == 1


def test_a_heartbeat_revives_an_expired_claim_that_nobody_took(db):
    db.at(0)
    token = db.running()["token"]
    db.at(500)
    assert db.wf_heartbeat(token) == sql_time(530)
    assert db.claim() is None


@pytest.mark.parametrize("duration", [0, -1, "0s", 0.0])
def test_the_duration_of_a_heartbeat_is_above_zero(db, duration):
    token = db.running()["token"]
    with wf_error("WF_INVALID"):
        db.wf_heartbeat(token, duration)


def test_a_heartbeat_needs_a_token(db):
    db.running()
    with wf_error("WF_INVALID", "token"):
        db.wf_heartbeat("w1")


def test_an_array_of_tokens_is_one_call_and_answers_in_order(db):
    db.at(0)
    tokens = [db.running("w%d" % number, lease=10)["token"] for number in range(5)]
    db.wf_complete(tokens[1])
    db.at(11)
    db.claim(id="w3")
    assert json.loads(db.wf_heartbeat(tokens, 60)) == [json_time(71), {"code": "WF_STATE"}, json_time(71), {"code": "WF_LEASE_LOST"}, json_time(71)]
    assert [db.workflow("w%d" % number)["due_at"] for number in (0, 2, 3, 4)] == [sql_time(71), sql_time(71), sql_time(41), sql_time(71)]


def leases_of_every_kind(db):
    """Claims by what has become of them since, tokens of which are good in the first and the last place."""
    tokens = {name: db.running(name, lease=1000, cleanup=name == "to clean up")["token"] for name in (
        "good", "cancelled", "paused", "waiting", "paused while it waits", "completed", "failed", "released", "recovered", "deleted", "to clean up",
        "taken", "begun anew", "also good")}
    db.wf_cancel('["cancelled", "to clean up"]')
    db.wf_sleep(tokens["waiting"], "nap", 60)
    db.wf_sleep(tokens["paused while it waits"], "nap", 60)
    db.wf_pause('["paused", "paused while it waits"]')
    db.wf_complete(tokens["completed"])
    db.wf_fail(tokens["failed"], "no", retry=False)
    db.wf_release(tokens["released"])
    db.wf_delete("deleted", force=True)
    db.wf_continue(tokens["begun anew"])
    db.wf_start("job", id="other")
    for name, worker in (("recovered", "lost"), ("taken", "slow")):
        db.execute("UPDATE _wf_workflow SET worker = ? WHERE id = ?", (worker, name))
    db.wf_recover(worker="lost")
    db.wf_recover(worker="slow")
    assert db.claim(id="taken")["token"] != tokens["taken"]
    return tokens


def test_an_array_says_of_each_token_what_a_heartbeat_of_it_alone_raises(db):
    db.at(0)
    tokens = leases_of_every_kind(db)
    tokens["no workflow"], tokens["no token"] = "run_zz_1", "run_nonsense"
    alone = {name: code(db, "SELECT wf_heartbeat(?)", token) for name, token in tokens.items()}
    said = dict(zip(tokens, json.loads(db.wf_heartbeat(list(tokens.values()), 2000))))
    assert said == {name: json_time(2000) if why is None else {"code": why} for name, why in alone.items()}
    assert alone == {
        "good": None, "cancelled": "WF_CANCELLED", "paused": "WF_PAUSED", "waiting": "WF_SUSPENDED", "paused while it waits": "WF_PAUSED",
        "completed": "WF_STATE", "failed": "WF_STATE", "released": "WF_LEASE_LOST", "recovered": "WF_LEASE_LOST", "deleted": "WF_NOT_FOUND",
        "to clean up": "WF_CANCELLED", "taken": "WF_LEASE_LOST", "begun anew": "WF_LEASE_LOST", "also good": None, "no workflow": "WF_NOT_FOUND",
        "no token": "WF_INVALID"}


def test_the_page_has_each_code_that_an_array_can_bring(db):
    tokens = [*leases_of_every_kind(db).values(), "run_zz_1", "run_nonsense"]
    db.execute("CREATE TRIGGER no BEFORE UPDATE ON _wf_workflow WHEN NEW.id = 'good' BEGIN SELECT RAISE(ABORT, 'not this one'); END")
    said = {answer["code"] for answer in json.loads(db.wf_heartbeat(tokens, 2000)) if isinstance(answer, dict)}
    page = (Path(__file__).resolve().parents[2] / "docs" / "workers.md").read_text()
    table = page.split("| the code |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == said


def test_a_claim_that_was_paused_lives_again_after_the_resume(db):
    db.at(0)
    token = db.running(lease=10)["token"]
    db.wf_pause("w1")
    assert json.loads(db.wf_heartbeat([token])) == [{"code": "WF_PAUSED"}]
    db.at(60)
    db.wf_resume("w1")
    assert json.loads(db.wf_heartbeat([token])) == [json_time(70)]
    assert db.wf_step(token, "a", "1") == "1"


def test_a_row_that_cannot_be_written_hides_no_other_lease(db):
    db.at(0)
    tokens = [db.running("w%d" % number)["token"] for number in range(3)]
    db.execute("CREATE TRIGGER no BEFORE UPDATE ON _wf_workflow WHEN NEW.id = 'w1' BEGIN SELECT RAISE(ABORT, 'not this one'); END")
    assert json.loads(db.wf_heartbeat(tokens, 60)) == [json_time(60), {"code": "SQLITE_ERROR", "message": "not this one"}, json_time(60)]
    assert [db.workflow("w%d" % number)["due_at"] for number in range(3)] == [sql_time(60), sql_time(30), sql_time(60)]
    db.execute("CREATE TABLE app(v)")
    with pytest.raises(sqlite3.IntegrityError, match="not this one"):
        db.execute("INSERT INTO app VALUES(wf_heartbeat(?, 90))", (json.dumps(tokens),))
    assert [db.workflow("w%d" % number)["due_at"] for number in range(3)] == [sql_time(60), sql_time(30), sql_time(60)]


def test_that_the_clock_has_to_be_said_is_no_fault_of_a_token(db):
    token = db.running()["token"]
    db.wf_config("clock", "explicit")
    with wf_error("WF_INVALID", "now"):
        db.wf_heartbeat([token], 60)
    assert json.loads(db.wf_heartbeat([token], 60, now=BASE * 2)) == ["2084-01-29T16:01:00.000Z"]


def test_an_array_of_heartbeats_shortens_none(db):
    db.at(0)
    tokens = [db.running("w1", lease=10)["token"], db.running("w2", lease=100)["token"]]
    assert json.loads(db.wf_heartbeat(tokens, 50)) == [json_time(50), json_time(100)]


@pytest.mark.parametrize("handles", ['["w1"]', "[5]", "[null]", '["run_1_1", ""]', "[", "{}"])
def test_an_array_of_anything_else_is_invalid(db, handles):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", {'["run_1_1", ""]': "empty"}.get(handles, handles.strip("[]") or handles)):
        db.wf_heartbeat(handles)


@pytest.mark.parametrize("begin", [None, "BEGIN"])
@pytest.mark.parametrize("call", ["SELECT wf_heartbeat(?, 500)", "INSERT INTO app VALUES(wf_heartbeat(?, 500))"])
def test_an_array_with_something_else_in_it_renews_none(db, begin, call):
    db.execute("CREATE TABLE app(v)")
    db.at(0)
    token = db.running()["token"]
    if begin:
        db.execute(begin)
    with wf_error("WF_INVALID"):
        db.rows(call, json.dumps([token, "w1"]))
    assert db.workflow()["due_at"] == sql_time(30)


# wf_release


def test_a_release_gives_the_claim_back_and_consumes_no_attempt(db):
    db.at(0)
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    assert db.wf_release(token) == 1
    workflow = db.workflow()
    assert (workflow["status"], workflow["attempt"]) == ("pending", 1)
    claim = db.claim(None, "worker-2", steps=True)
    assert (claim["id"], claim["attempt"], claim["resumed"], db.outputs(claim)) == ("w1", 1, 1, {"a": 1})
    assert claim["token"] != token
    assert db.rows("SELECT * FROM wf_failures") == []


@pytest.mark.parametrize("options", [{"delay": 60}, {"delay": "1m"}, {"at": BASE + 60}, {"at": json_time(60)}])
def test_a_release_may_put_the_next_claim_off(db, options):
    db.at(0)
    token = db.running()["token"]
    assert db.wf_release(token, **options) == 1
    assert db.workflow()["due_at"] == sql_time(60)
    db.at(59.999)
    assert db.claim() is None
    db.at(60)
    assert db.claim()["resumed"] == 1


def test_after_a_release_the_token_is_no_longer_current(db):
    token = db.running()["token"]
    db.wf_release(token)
    for act in (lambda: db.wf_step(token, "a"), lambda: db.wf_step(token, "a", "1"), lambda: db.wf_heartbeat(token)):
        with wf_error("WF_LEASE_LOST", "w1"):
            act()


def test_releases_never_exhaust_a_workflow(db):
    db.wf_start("job", id="w1", max_attempts=1)
    for resumed in range(50):
        claim = db.claim()
        assert (claim["attempt"], claim["resumed"]) == (1, resumed)
        db.wf_release(claim["token"])
    assert db.wf_complete("w1") == "completed"


def test_the_signature_says_that_it_takes_tokens(db):
    assert db.value("SELECT signature FROM wf_functions WHERE name = 'wf_heartbeat'").startswith("wf_heartbeat(token [")


RENEW = {
    "step": lambda db, t: db.wf_step(t, "a", 1), "begin": lambda db, t: db.wf_begin(t, "a"), "spawn": lambda db, t: db.wf_spawn(t, "a", "kid"),
    "set": lambda db, t: db.wf_set(t, "k", 1), "append": lambda db, t: db.wf_append(t, "s", 1), "await": lambda db, t: db.wf_await(t, "a", "go", 0),
    "event": lambda db, t: db.wf_await_event(t, "a", "go", 0), "join": lambda db, t: db.wf_join(t, "a"), "sleep": lambda db, t: db.wf_sleep(t, "a", 0),
    "heartbeat": lambda db, t: db.wf_heartbeat(t),
}
KEEP = {"guard": lambda db, t: db.wf_step(t, "a"), "key": lambda db, t: db.wf_key(t, "a"), "get": lambda db, t: db.wf_get(t, "k")}


@pytest.mark.parametrize("call", sorted(RENEW | KEEP))
def test_what_renews_the_lease_is_what_the_page_says(db, call):
    db.at(0)
    token = db.running(lease=30)["token"]
    db.at(20)
    (RENEW | KEEP)[call](db, token)
    assert db.workflow()["due_at"] == sql_time(50 if call in RENEW else 30)


@pytest.mark.parametrize("given", [{}, {"delay": 60}])
def test_a_paused_claim_is_given_back(db, given):
    """After the resume nobody waits for a lease that is nobody's any more, and it does not count as lost."""
    db.at(0)
    token = db.running(lease=30)["token"]
    db.wf_pause("w1")
    assert db.wf_release(token, **given) == 1
    assert db.wf_release(token, **given) == 1
    assert db.workflow()["status"] == "paused" and db.claim() is None
    db.at(1)
    db.wf_resume("w1")
    if given:
        assert db.claim() is None
        db.at(60)
    claim = db.claim()
    assert (claim["attempt"], claim["resumed"], claim["wake"]) == (1, 1, "release")
    assert db.value("SELECT count(*) FROM wf_failures") == 0
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "late", "1")
    assert db.wf_check() is None


def test_a_paused_claim_is_given_back_into_its_waits(db):
    db.at(0)
    token = db.running(lease=30)["token"]
    db.wf_await(token, "go", "go", keep=True)
    db.wf_pause("w1")
    assert db.wf_release(token) == 1
    db.wf_signal("w1", "go", "1")
    assert db.claim() is None
    db.wf_resume("w1")
    claim = db.claim()
    assert db.value("SELECT json_extract(wf_await(?, 'go', 'go'), '$.payload')", claim["token"]) == 1
    assert db.wf_check() is None


def test_a_stale_token_gives_nothing_back_under_a_pause(db):
    db.at(0)
    token = db.running(lease=30)["token"]
    db.at(31)
    other = db.claim()["token"]
    db.wf_pause("w1")
    with wf_error("WF_LEASE_LOST"):
        db.wf_release(token)
    with wf_error("WF_LEASED"):
        db.wf_release("w1")
    assert db.wf_release(other) == 1
    with wf_error("WF_PAUSED"):
        db.wf_release("w1")
