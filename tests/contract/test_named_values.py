"""wf_set, wf_get, wf_append: what a workflow shows to the outside."""

import time

import pytest
from support import BASE, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("job", id="w1")
    return db


# wf_set and wf_get


def test_a_value_is_set_and_read_by_anyone(db, connect):
    assert db.wf_set(db.claim()["token"], "progress", '{"percent": 50}') == 1
    other = connect()
    assert other.wf_get("w1", "progress") == '{"percent": 50}'


def test_the_last_value_stands(db):
    for n in range(3):
        db.wf_set("w1", "n", n)
    assert db.wf_get("w1", "n") == 2
    assert db.value("SELECT count(*) FROM wf_values") == 1


@pytest.mark.parametrize("value, back", [(5, 5), (5.5, 5.5), (b"\x00\x01", b"\x00\x01"), ("[1, 2]", "[1, 2]"), (None, "null"), ("x" * 5000, '"%s"' % ("x" * 5000))])
def test_values_come_back_as_they_are(db, value, back):
    db.wf_set("w1", "v", value)
    assert db.wf_get("w1", "v") == back


def test_json_comes_back_as_json(db):
    db.wf_set("w1", "v", '{"a":1}')
    assert db.value("SELECT json_object('v', wf_get('w1', 'v'))") == '{"v":{"a":1}}'


def test_what_was_not_set_is_null(db):
    assert (db.wf_get("w1", "none"), db.wf_get("nobody", "none")) == (None, None)


def test_values_stay_after_the_end_but_none_is_set_then(db):
    db.wf_set("w1", "v", 1)
    db.wf_complete("w1")
    with wf_error("WF_STATE", "completed"):
        db.wf_set("w1", "v", 2)
    assert db.wf_get("w1", "v") == 1


def test_a_lost_claim_sets_nothing(db):
    old = db.claim()["token"]
    db.at(31)
    db.claim()
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_set(old, "v", 1)
    with wf_error("WF_LEASE_LOST", "w1"):
        db.wf_append(old, "log", 1)
    assert (db.wf_get("w1", "v"), db.rows("SELECT * FROM wf_streams")) == (None, [])


def test_a_script_does_not_set_values_under_a_live_lease(db):
    db.claim(None, "worker-1")
    with wf_error("WF_LEASED", "worker-1"):
        db.wf_set("w1", "v", 1)
    with wf_error("WF_LEASED", "worker-1"):
        db.wf_append("w1", "log", 1)


def test_the_table_shows_them(db):
    db.wf_set("w1", "b", 1, now=BASE + 5)
    db.wf_set("w1", "a", '"x"')
    assert db.rows("SELECT workflow_id, key, value, updated_at FROM wf_values ORDER BY key") == [
        ("w1", "a", '"x"', sql_time(0)), ("w1", "b", 1, sql_time(5))]


@pytest.mark.parametrize("key", ["", None, 5, "a\n", "a" * 256])
def test_keys_and_streams_are_names(db, key):
    for call in (lambda: db.wf_set("w1", key, 1), lambda: db.wf_get("w1", key), lambda: db.wf_append("w1", key, 1)):
        with wf_error("WF_INVALID"):
            call()


def test_unknown_workflows_have_no_values(db):
    for call in (lambda: db.wf_set("nobody", "k", 1), lambda: db.wf_append("nobody", "k", 1)):
        with wf_error("WF_NOT_FOUND", "nobody"):
            call()


def test_a_value_is_undone_with_the_transaction_around_it(db):
    db.execute("BEGIN")
    db.wf_set("w1", "v", 1)
    db.wf_append("w1", "log", 1)
    db.execute("ROLLBACK")
    assert (db.wf_get("w1", "v"), db.rows("SELECT * FROM wf_streams")) == (None, [])


# wf_append


def test_offsets_count_from_0_in_each_stream(db):
    db.wf_start("job", id="w2")
    assert [db.wf_append("w1", "log", n) for n in range(3)] == [0, 1, 2]
    assert (db.wf_append("w1", "other", 1), db.wf_append("w2", "log", 1)) == (0, 0)


def test_the_table_reads_from_any_offset(db):
    for n in range(10):
        db.wf_append("w1", "log", n * n)
    assert db.column("SELECT value FROM wf_streams WHERE workflow_id = 'w1' AND stream = 'log' AND offset >= 8") == [64, 81]
    assert db.column("SELECT value FROM wf_streams WHERE workflow_id = 'w1' AND stream = 'log' ORDER BY offset DESC LIMIT 1") == [81]
    assert db.column("SELECT offset FROM wf_streams WHERE workflow_id = 'w1' AND stream = 'log'") == list(range(10))


@pytest.mark.parametrize("value, back", [(5, 5), ("token", '"token"'), (b"\x01", b"\x01"), ('{"a": 1}', '{"a": 1}'), (None, "null")])
def test_items_come_back_as_they_are(db, value, back):
    db.wf_append("w1", "log", value)
    assert db.column("SELECT value FROM wf_streams") == [back]


def test_with_an_offset_it_is_appended_there_once(db):
    assert [db.wf_append("w1", "log", n, offset=n) for n in (0, 1, 1, 0, 2)] == [0, 1, 1, 0, 2]
    assert db.column("SELECT value FROM wf_streams ORDER BY offset") == [0, 1, 2]


def test_an_offset_taken_by_another_value_is_a_conflict(db):
    db.wf_append("w1", "log", 1)
    with wf_error("WF_CONFLICT", "log"):
        db.wf_append("w1", "log", 2, offset=0)


@pytest.mark.parametrize("offset", [-1, 2, 1.5, "0"])
def test_an_offset_leaves_no_gap(db, offset):
    db.wf_append("w1", "log", 1)
    with wf_error("WF_INVALID", "offset"):
        db.wf_append("w1", "log", 2, offset=offset)


def test_nothing_is_appended_after_the_end(db):
    db.wf_append("w1", "log", 1)
    db.wf_complete("w1")
    with wf_error("WF_STATE"):
        db.wf_append("w1", "log", 2)
    assert db.column("SELECT value FROM wf_streams") == [1]


def test_triggers_may_append(db):
    db.execute("CREATE TABLE message(wf, text)")
    db.execute("CREATE TRIGGER t AFTER INSERT ON message BEGIN SELECT wf_append(new.wf, 'chat', json_quote(new.text)); END")
    db.execute("INSERT INTO message VALUES ('w1', 'hello'), ('w1', 'there')")
    assert db.column("SELECT value FROM wf_streams ORDER BY offset") == ['"hello"', '"there"']


def test_a_hundred_thousand_items_cost_the_same_each(db):
    """The last tenth takes as long as the first, within what chance does to time."""
    token = db.claim(lease=86400)["token"]
    ratios = []
    for turn in range(3):
        stream = "log %d" % turn
        took = []
        db.execute("BEGIN")
        for part in range(10):
            begun = time.process_time()
            db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000)"
                       " SELECT count(wf_append(?, ?, i)) FROM n", (token, stream)).fetchall()
            took.append(time.process_time() - begun)
        db.execute("COMMIT")
        assert db.value("SELECT max(offset) FROM wf_streams WHERE workflow_id = 'w1' AND stream = ?", stream) == 99_999
        ratios.append(took[9] / took[0])
        if ratios[-1] < 3:
            return
    raise AssertionError(ratios)
