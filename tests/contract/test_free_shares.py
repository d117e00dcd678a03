"""A share that is free, which takes two statements: it is as one that is waited for in all else."""

import json
import sqlite3

import pytest
from support import BASE as NOW
from support import wf_error


@pytest.fixture
def token(db):
    """Of a workflow, with a key that was used before."""
    db.at(0)
    db.wf_rate("api", limit=3, per="1m")
    db.wf_start("job", id="w1")
    token = db.claim(lease=60)["token"]
    db.wf_acquire(token, "first", "api")
    return token


def spent(db):
    return db.value("SELECT spent FROM wf_rates")


def row(db, name):
    return db.rows("SELECT kind, status, attempts, due_at, claim, topics, how FROM _wf_step WHERE name = ?", name)


def test_its_row_is_as_that_of_any(db, token):
    db.wf_acquire(token, "second", "api", 2, timeout="5m", input="x")
    assert row(db, "second") == [("acquire", "done", 1, (NOW + 300) * 1000, "1 ", '["api"]', '{"amount":2}')]
    assert row(db, "first") == [("acquire", "done", 1, None, "1 ", '["api"]', '{"amount":1}')]
    assert db.rows("SELECT DISTINCT typeof(hash), begun_at, at FROM _wf_step ORDER BY name") == [("null", NOW * 1000, NOW * 1000), ("integer", NOW * 1000, NOW * 1000)]
    with wf_error("WF_NONDETERMINISM"):
        db.wf_acquire(token, "second", "api", 2, input="y")
    assert db.wf_check() is None


@pytest.mark.parametrize("end", ["cancel", "pause", "lost", "released"])
def test_a_claim_that_is_over_gets_none(db, token, end):
    code = {"cancel": "WF_CANCELLED", "pause": "WF_PAUSED", "lost": "WF_LEASE_LOST", "released": "WF_LEASE_LOST"}[end]
    if end == "cancel":
        db.wf_cancel("w1")
    elif end == "pause":
        db.wf_pause("w1")
    elif end == "released":
        db.wf_release(token)
    else:
        db.wf_recover()
    with wf_error(code):
        db.wf_acquire(token, "second", "api")
    assert spent(db) == 1


def test_in_the_second_phase_the_claim_of_it_gets_one(db, token):
    db.wf_start("job", id="w2", cleanup=True)
    old = db.claim(id="w2")["token"]
    db.wf_cancel("w2")
    with wf_error("WF_CANCELLED"):
        db.wf_acquire(old, "second", "api")
    assert db.wf_acquire(db.claim(id="w2")["token"], "second", "api")
    assert spent(db) == 2


def test_the_lease_is_renewed(db, token):
    db.at(40)
    assert db.wf_acquire(token, "second", "api")
    assert db.value("SELECT due_at FROM _wf_workflow") == (NOW + 100) * 1000


def test_a_transaction_that_is_rolled_back_gives_it_back(db, token):
    db.execute("BEGIN")
    db.wf_acquire(token, "second", "api")
    assert spent(db) == 2
    db.execute("ROLLBACK")
    assert (spent(db), row(db, "second"), db.wf_check()) == (1, [], None)


@pytest.mark.parametrize("what", ["RAISE(ABORT, 'no')", "RAISE(FAIL, 'no')", "RAISE(IGNORE)", "RAISE(ROLLBACK, 'no')"])
@pytest.mark.parametrize("table", ["_wf_step", "_wf_share"])
def test_where_its_row_is_not_written_nothing_is_spent(db, token, table, what):
    db.execute(f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN SELECT {what}; END")
    with pytest.raises(Exception):
        db.wf_acquire(token, "second", "api")
    db.execute("DROP TRIGGER t")
    assert (spent(db), row(db, "second"), db.wf_check()) == (1, [], None)
    assert db.wf_acquire(token, "second", "api")


def test_where_its_row_fails_nothing_is_recorded(db, token):
    """With an error of SQLite's own, as where there are no tables."""
    db.wf_acquire(token, "before", "api")
    db.execute("CREATE TRIGGER t BEFORE INSERT ON _wf_share BEGIN SELECT json('not json'); END")
    for step in ("a", "b"):
        with pytest.raises(sqlite3.OperationalError, match="malformed JSON"):
            db.wf_acquire(token, step, "api")
    assert db.value("SELECT count(*) FROM wf_steps WHERE kind = 'acquire'") == 2


def test_where_every_call_has_to_say_the_time(db, token):
    db.wf_config("clock", "explicit")
    with wf_error("WF_INVALID", "now"):
        db.wf_acquire(token, "second", "api")
    assert json.loads(db.wf_acquire(token, "second", "api", now=NOW + 1))["acquired_at"].endswith("01.000Z")


def test_shares_that_count_no_more_are_cleared_away(db):
    db.wf_rate("api", limit=3, per=1)
    db.wf_rate("other", limit=3, per=1)
    db.wf_start("job", id="w1")
    token = db.claim(lease=86400, now=NOW)["token"]
    for i in range(200):
        assert db.wf_acquire(token, f"s{i}", "api", now=NOW + 2 * i)
        assert db.wf_acquire(token, f"o{i}", "other", key=f"k{i}", now=NOW + 2 * i)
    assert db.value("SELECT count(*) FROM _wf_share WHERE rate = 'api'") < 50
    assert db.value("SELECT count(*) FROM _wf_share WHERE rate = 'other'") < 50
    assert db.wf_check() is None


def test_inside_a_statement_that_writes(db, token):
    db.execute("CREATE TABLE t(x)")
    db.execute(f"INSERT INTO t VALUES(wf_acquire('{token}', 'second', 'api'))")
    assert (db.value("SELECT json_extract(x, '$.rate') FROM t"), spent(db)) == ("api", 2)
