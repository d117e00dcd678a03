"""Repeating a call is safe: hosts evaluate a SELECT twice, or report an error after a commit."""

import json

import pytest
from support import wf_error


def test_a_start_with_an_id_may_be_repeated(db):
    assert db.wf_start("job", {"n": 1}, id="w1") == "w1"
    before = db.everything()
    assert db.wf_start("job", {"n": 1}, id="w1") == "w1"
    assert db.everything() == before


def test_a_start_without_id_starts_another_workflow(db):
    assert db.wf_start("job") != db.wf_start("job")
    assert db.wf_pending() == 2


def test_a_step_may_be_repeated(db):
    token = db.running()["token"]
    assert db.wf_step(token, "a", "1") == "1"
    before = db.everything()
    assert db.wf_step(token, "a", "1") == "1"
    assert db.everything() == before


@pytest.mark.parametrize(
    "close, result, status",
    [
        (lambda db, handle: db.wf_complete(handle, "1"), "completed", "completed"),
        (lambda db, handle: db.wf_fail(handle, "e"), "pending", "pending"),
        (lambda db, handle: db.wf_fail(handle, "e", retry=False), "failed", "failed"),
        (lambda db, handle: db.wf_fail(handle, "e", step="a"), "pending", "pending"),
        (lambda db, handle: db.wf_release(handle), 1, "pending"),
        (lambda db, handle: db.wf_release(handle, delay=60), 1, "pending"),
    ],
    ids=["complete", "fail", "final fail", "fail a step", "release", "delayed release"],
)
class TestClosing:
    def test_a_closing_call_repeated_by_its_token_returns_the_same_and_changes_nothing(self, db, close, result, status):
        db.at(0)
        token = db.running()["token"]
        assert close(db, token) == result
        before = db.everything()
        db.at(5)
        assert close(db, token) == result
        assert close(db, token) == result
        db.at(0)
        assert db.everything() == before
        assert db.wf_status("w1") == status

    def test_it_is_remembered_in_the_file(self, db, connect, close, result, status):
        token = db.running()["token"]
        close(db, token)
        assert close(connect(), token) == result

    def test_another_token_does_not_share_it(self, db, close, result, status):
        db.at(0)
        old = db.running()["token"]
        db.at(31)
        close(db, db.claim(id="w1")["token"])
        before = db.everything()
        with wf_error("WF_STATE" if status in ("completed", "failed") else "WF_LEASE_LOST"):
            close(db, old)
        assert db.everything() == before


def test_a_closing_call_of_another_kind_is_no_repetition(db):
    token = db.running("w1")["token"]
    db.wf_release(token)
    with wf_error("WF_LEASE_LOST"):
        db.wf_complete(token)
    token = db.running("w2")["token"]
    db.wf_complete(token)
    with wf_error("WF_STATE", "completed"):
        db.wf_fail(token, "e")
    with wf_error("WF_STATE", "completed"):
        db.wf_release(token)
    token = db.running("w3")["token"]
    db.wf_fail(token, "e", retry=False)
    with wf_error("WF_STATE", "failed"):
        db.wf_complete(token)
    token = db.running("w4")["token"]
    db.wf_fail(token, "e")
    with wf_error("WF_LEASE_LOST"):
        db.wf_complete(token)


def test_the_last_closing_call_is_remembered_while_the_next_claim_is_at_work(db):
    db.at(0)
    token = db.running()["token"]
    assert db.wf_fail(token, "e") == "pending"
    db.at(1)
    assert db.claim()["attempt"] == 2
    before = db.everything()
    assert db.wf_fail(token, "e") == "pending"
    assert db.everything() == before


def test_a_failure_repeated_by_its_token_counts_once(db):
    token = db.running(max_attempts=2)["token"]
    for _ in range(5):
        assert db.wf_fail(token, "e") == "pending"
    assert db.value("SELECT count(*) FROM wf_failures") == 1


def test_a_completion_repeated_by_bare_id_keeps_the_first_output(db):
    db.wf_start("job", id="w1")
    assert db.wf_complete("w1", "1") == "completed"
    before = db.everything()
    assert db.wf_complete("w1", "2") == "completed"
    assert db.everything() == before
    assert db.wf_result("w1") == "1"


def test_a_completion_by_token_may_be_repeated_by_bare_id_and_the_other_way_round(db):
    token = db.running("w1")["token"]
    db.wf_complete(token, "1")
    assert db.wf_complete("w1", "2") == "completed"
    assert db.wf_result("w1") == "1"


def test_a_claim_with_a_key_returns_the_same_claim(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    first = db.claim(key="call-1")
    assert db.claim(key="call-1")["token"] == first["token"]
    assert db.wf_ready() == 1


def test_a_claim_without_key_takes_the_next_workflow(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    assert [db.claim()["id"], db.claim()["id"], db.claim()] == ["w1", "w2", None]


def test_initialising_may_be_repeated(db):
    assert [db.wf_init(), db.wf_init()] == [1, 1]


TWICE = [
    "SELECT v, v FROM (SELECT {} AS v FROM one)",
    "SELECT {0} AS v FROM one WHERE v IS NOT NULL",
    "SELECT {} AS v FROM one GROUP BY v",
]


@pytest.mark.parametrize("statement", TWICE)
def test_a_host_that_evaluates_a_select_twice_does_no_harm(db, statement):
    db.execute("CREATE TABLE one AS SELECT 1")
    db.rows(statement.format("wf_start('job', NULL, '{\"id\":\"w1\"}')"))
    token = json.loads(db.rows(statement.format("wf_claim(NULL, NULL, '{\"key\":\"k\"}')"))[0][0])["token"]
    assert db.rows(statement.format("wf_step('%s', 'a', '1')" % token))[0][0] == "1"
    assert db.rows(statement.format("wf_complete('%s', '2')" % token))[0][0] == "completed"
    assert db.rows("SELECT id, attempt, status, output FROM wf_workflows") == [("w1", 1, "completed", "2")]
    assert db.rows("SELECT name, output FROM wf_steps") == [("a", "1")]


def test_what_is_not_idempotent_says_so_in_the_function_table(db):
    notes = dict(db.rows("SELECT name, idempotent FROM wf_functions"))
    assert "key" in str(notes["wf_claim"])
    assert "id" in str(notes["wf_start"])
