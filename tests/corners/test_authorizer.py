"""An authorizer that answers SQLITE_IGNORE: what SQLite would leave out without a word is an error, and nothing is done without it."""

import re
import sqlite3
from pathlib import Path

import pytest
from support import wf_error

SQL = Path(__file__).resolve().parents[2] / "sql"
OK, DENY, IGNORE = 0, 1, 2
INSERT, READ, UPDATE, FUNCTION = 18, 20, 23, 31

pytestmark = pytest.mark.skipif(not hasattr(sqlite3.Connection, "setlimit"), reason="no setlimit in this Python")


@pytest.fixture
def ignoring(db):
    """Ignores what `matches` (action, table, column) says, until it is called without."""
    db.wf_start("job", id="w")
    db.wf_step("w", "before", 1)

    def set_to(matches=None):
        db.set_authorizer(None if matches is None else lambda code, one, two, *_: IGNORE if matches(code, one, two) else OK)
    return set_to


CASES = {
    "UPDATE": (lambda code, one, two: code == UPDATE, "UPDATE of _wf_"),
    "UPDATE of one column": (lambda code, one, two: (code, one, two) == (UPDATE, "_wf_workflow", "status"), "UPDATE of _wf_workflow.status"),
    "INSERT": (lambda code, one, two: code == INSERT, "INSERT of _wf_"),
    "READ of one column": (lambda code, one, two: (code, one, two) == (READ, "_wf_workflow", "nonce"), "READ of _wf_workflow"),
    "FUNCTION": (lambda code, one, two: (code, two) == (FUNCTION, "coalesce"), "FUNCTION coalesce"),
}
CALLS = {
    "start": "wf_start('job', 1, '{\"id\":\"new\"}')", "claim": "wf_claim()", "step": "wf_step('w', 'a', 1)", "guard": "wf_step('w', 'before')",
    "complete": "wf_complete('w')", "status": "wf_status('w')", "emit": "wf_emit('e', 1)", "tick": "wf_tick()",
}
# A call that inserts or changes nothing is not asked for it.
NEEDS = {"INSERT": {"start", "claim", "step", "complete", "emit", "tick"}, "UPDATE": {"claim", "complete"},
         "UPDATE of one column": {"claim", "complete"}, "READ of one column": {"claim", "step", "complete", "status", "guard"}, "FUNCTION": set(CALLS)}


def content(db):
    return [db.rows("SELECT * FROM " + table) for table in ("_wf_workflow", "_wf_step", "_wf_event", "_wf_meta", "_wf_trouble")]


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("what", CASES)
def test_what_is_left_out_is_an_error(db, ignoring, what, call, warm):
    if warm:  # its statements are compiled, and will be anew
        db.execute("BEGIN")
        db.value("SELECT " + CALLS[call])
        db.execute("ROLLBACK")
    before = content(db)
    matches, says = CASES[what]
    for _ in range(2):
        ignoring(matches)
        if call in NEEDS[what]:
            with wf_error("WF_STATE", "an authorizer", says):
                db.value("SELECT " + CALLS[call])
        else:
            db.execute("BEGIN")
            try:
                db.value("SELECT " + CALLS[call])
            except sqlite3.Error as error:
                assert "an authorizer" in str(error)
            db.execute("ROLLBACK")
        ignoring()
        assert content(db) == before
    # What was compiled under it is gone with it.
    assert db.value("SELECT " + CALLS[call]) is not None
    assert db.wf_check() is None


def test_two_claims_are_two_workflows(db, ignoring):
    ignoring(lambda code, one, two: code == UPDATE and one == "_wf_workflow")
    for _ in range(2):
        with wf_error("WF_STATE", "UPDATE of _wf_workflow"):
            db.wf_claim()
    ignoring()
    assert (db.claim()["id"], db.claim()) == ("w", None)


def test_housekeeping_holds_nothing_against_a_workflow(db):
    db.at(0)
    db.wf_start("job", id="t", timeout=1)
    db.at(2)
    db.set_authorizer(lambda code, one, two, *_: IGNORE if (code, one) == (UPDATE, "_wf_workflow") else OK)
    with wf_error("WF_STATE", "an authorizer"):
        db.wf_tick()
    db.set_authorizer(None)
    assert (db.rows("SELECT * FROM _wf_trouble"), db.wf_tick(), db.wf_status("t")) == ([], 1, "failed")


def test_one_that_ignores_what_is_not_ours_is_no_matter(db, ignoring):
    db.execute("CREATE TABLE app(secret)")
    ignoring(lambda code, one, two: one == "app")
    assert (db.wf_complete("w"), db.wf_status("w")) == ("completed", "completed")


def test_what_is_denied_is_still_sqlites_own_error(db, ignoring):
    db.set_authorizer(lambda code, one, two, *_: DENY if (code, one) == (UPDATE, "_wf_workflow") else OK)
    with pytest.raises(sqlite3.Error, match="not authorized"):
        db.wf_complete("w")
    db.set_authorizer(None)
    assert db.wf_complete("w") == "completed"


def test_every_function_of_the_statements_is_looked_at():
    """What the engine's statements call, rights.sql calls: an authorizer that ignores it is noticed there."""
    def calls(text):
        text = re.sub(r"--[^\n]*|'[^']*'", "", text)
        return set(re.findall(r"(?<![.\w])([a-z][a-z0-9_]*)\((?![a-z_, ]*\) AS \()", text)) - set(re.findall(r"([a-z]+)\([a-z_, ]*\) AS \(", text))
    own = re.compile(r"^(wf_|pragma_)")
    used = set()
    for file in SQL.glob("*/*.sql"):
        if file.parent.name != "tables":
            used |= {name for name in calls(file.read_text()) if not own.match(name)}
    looked_at = calls((SQL / "base" / "rights.sql").read_text())
    assert used - looked_at == set()
