"""wf_run counts the steps that were executed and are still so when it returns."""

import pytest

UNDONE = "CREATE TRIGGER t BEFORE INSERT ON _wf_step WHEN NEW.name = 'b' BEGIN SELECT RAISE(ABORT, 'x'); END"
LAST_OF_ALL = "CREATE TRIGGER t BEFORE UPDATE ON _wf_workflow WHEN NEW.status = 'completed' BEGIN SELECT RAISE(ABORT, 'x'); END"


def stands(db):
    return db.value("SELECT count(*) FROM _wf_step WHERE status IN ('done', 'failed', 'skipped')")


@pytest.fixture
def flows(db):
    db.at(0)
    db.execute("CREATE TABLE app(v)")
    db.wf_define("flow", {"steps": [{"name": name, "sql": "INSERT INTO app VALUES('%s')" % name} for name in "ab"]})
    for id in ("w1", "w2"):
        db.wf_start("flow", id=id)
    return db


@pytest.mark.parametrize("trigger", [UNDONE, LAST_OF_ALL])
@pytest.mark.parametrize("begin", [None, "BEGIN", "SAVEPOINT s"])
def test_steps_that_were_undone_do_not_count(flows, begin, trigger):
    """In a transaction as without one: the step before the one that cannot be recorded stands."""
    flows.execute(trigger)
    if begin:
        flows.execute(begin)
    assert (flows.wf_run(), stands(flows), flows.column("SELECT v FROM app")) == (2, 2, ["a", "a"])
    assert flows.column("SELECT wf FROM _wf_trouble ORDER BY wf") == flows.column("SELECT seq FROM _wf_workflow ORDER BY seq")
    if begin:
        flows.execute("COMMIT" if begin == "BEGIN" else "RELEASE s")
    flows.execute("DROP TRIGGER t")
    flows.at(5)
    assert (flows.wf_run(), stands(flows), flows.column("SELECT v FROM app")) == (2, 4, ["a", "a", "b", "b"])
    assert flows.wf_check() is None


@pytest.mark.parametrize("begin", [None, "BEGIN"])
def test_none_counts_where_the_first_is_undone(flows, begin):
    flows.execute(UNDONE.replace("'b'", "'a'"))
    if begin:
        flows.execute(begin)
    assert (flows.wf_run(), stands(flows), flows.column("SELECT v FROM app")) == (0, 0, [])


@pytest.mark.parametrize("begin", [None, "BEGIN"])
@pytest.mark.parametrize("at_b", ["CREATE TRIGGER t BEFORE INSERT ON app WHEN NEW.v = 'b' BEGIN SELECT RAISE(ABORT, 'x'); END", None])
def test_a_limit_is_of_steps_that_stand(flows, begin, at_b):
    if at_b:
        flows.execute(at_b)
    if begin:
        flows.execute(begin)
    assert (flows.wf_run(limit=3), stands(flows) + flows.value("SELECT count(*) FROM _wf_step WHERE status = 'ready' AND error IS NOT NULL")) == (3, 3)
