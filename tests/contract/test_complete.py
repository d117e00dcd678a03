"""wf_complete: the end, and the output that stands."""

import pytest
from support import BASE, sql_time, wf_error


@pytest.mark.parametrize("by_token", [True, False])
def test_completing_returns_completed_and_keeps_the_output(db, by_token):
    db.at(0)
    db.wf_start("job", id="w1")
    handle = db.claim()["token"] if by_token else "w1"
    db.at(5)
    assert db.wf_complete(handle, '{"sum":7}') == "completed"
    assert (db.wf_status("w1"), db.wf_result("w1")) == ("completed", '{"sum":7}')
    workflow = db.workflow()
    assert (workflow["completed_at"], workflow["updated_at"], workflow["output"]) == (sql_time(5), sql_time(5), '{"sum":7}')


@pytest.mark.parametrize("arguments", [(), (None,)])
def test_the_default_output_is_null(db, arguments):
    db.wf_start("job", id="w1")
    db.wf_complete("w1", *arguments)
    assert db.wf_result("w1") == "null"


def test_on_a_completed_workflow_the_first_output_stands(db):
    token = db.running()["token"]
    db.wf_complete(token, "1")
    before = db.everything()
    assert db.wf_complete(token, "2") == "completed"
    assert db.wf_complete("w1", "3") == "completed"
    assert db.wf_result("w1") == "1"
    assert db.everything() == before


def test_on_a_completed_workflow_another_token_is_refused(db):
    db.at(0)
    stale = db.running()["token"]
    db.at(31)
    db.wf_complete(db.claim()["token"])
    with wf_error("WF_STATE", "w1", "completed"):
        db.wf_complete(stale)


def test_a_failed_workflow_is_not_completed(db):
    token = db.running()["token"]
    db.wf_fail(token, "e", retry=False)
    for handle in (token, "w1"):
        with wf_error("WF_STATE", "w1", "failed"):
            db.wf_complete(handle)
    assert db.wf_result("w1") is None


def test_a_workflow_in_its_backoff_is_not_completed_by_bare_id(db):
    db.wf_start("job", id="w1", backoff={"initial": 60})
    db.wf_fail("w1", "e")
    with wf_error("WF_STATE", "due_at"):
        db.wf_complete("w1")


def test_completing_does_not_touch_other_workflows(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    before = db.workflow("w2")
    db.wf_complete("w1", "1")
    assert db.workflow("w2") == before
    assert (db.wf_pending(), db.wf_ready()) == (1, 1)


# Where nothing but the workflow's row has to change, one statement does it (complete_plain); a trigger on the table makes it go the long way.


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("output", [None, 1, '{"a":1}', "no JSON", b"x"])
def test_completing_in_one_statement_leaves_the_same_row_as_the_long_way(memdb, output, key):
    memdb.at(0)
    rows = []
    for long_way in (False, True):
        memdb.wf_start("job", id="w1")
        token = memdb.claim(None, "worker-1", **({"key": key} if key else {}))["token"]
        if long_way:
            memdb.execute("CREATE TEMP TRIGGER watches AFTER UPDATE ON main._wf_workflow BEGIN SELECT 1; END")
        assert memdb.wf_complete(token, output) == "completed"
        assert memdb.wf_complete(token, output) == "completed"  # a repetition
        row = memdb.record("SELECT * FROM _wf_workflow WHERE id = 'w1'")
        assert row.pop("closed_nonce") > 0
        rows.append((row, memdb.wf_result("w1")))
        assert memdb.wf_check() is None
        memdb.wf_delete("w1")  # and its lane, so that the next one has the same
    for row, _ in rows:
        del row["seq"]
    assert rows[0] == rows[1]


def test_claims_in_another_order_than_the_starts_split_no_pages(memdb):
    """A row that grows by its claim in a full page splits it: a quarter of such claims did."""
    memdb.at(0)
    for n in range(1500):
        memdb.wf_start("job", id="w%d" % n, at=BASE - 2000 + n * 7919 % 1500)
    pages = memdb.value("PRAGMA page_count")
    for _ in range(300):
        memdb.claim("default", "worker-1:17")
    assert memdb.value("PRAGMA page_count") - pages <= 4
