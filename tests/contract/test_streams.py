"""Streams: several items at once, closing, trimming, waiting for more."""

import json
import threading
import time

import pytest
from support import extension_path, open_database, wf_error  # noqa: F401


@pytest.fixture
def db(db):
    db.at(0)
    db.wf_start("job", id="w1")
    return db


def items(db, stream="s", id="w1"):
    return db.rows("SELECT offset, value FROM wf_streams WHERE workflow_id = ? AND stream = ? ORDER BY offset", id, stream)


# Several at once


def test_each_item_of_an_array_gets_its_offset_and_the_first_comes_back(db):
    db.wf_append("w1", "s", 0)
    assert db.wf_append("w1", "s", ["a", {"b": 1}, None, 2.50, True], each=True) == 1
    assert items(db) == [(0, 0), (1, '"a"'), (2, '{"b":1}'), (3, "null"), (4, "2.5"), (5, "true")]
    assert db.wf_append("w1", "s", '["\\u00e9",  1.0 ]', each=True) == 6
    assert items(db)[6:] == [(6, '"\\u00e9"'), (7, "1.0")]
    assert db.wf_append("w1", "s", [[1], [2]], each=False) == 8
    assert items(db)[8:] == [(8, "[[1],[2]]")]
    assert db.wf_check() is None


def test_none_of_an_empty_array_and_the_offset_at_which_it_would_be(db):
    assert db.wf_append("w1", "s", [], each=True) == 0
    db.wf_append("w1", "s", [1, 2], each=True)
    assert db.wf_append("w1", "s", [], each=True) == 2


@pytest.mark.parametrize("value", [None, 5, b"[1]", '{"a":1}', "no JSON", "[1"])
def test_each_takes_an_array(db, value):
    with wf_error("WF_INVALID", "array", "each"):
        db.wf_append("w1", "s", value, each=True)
    assert items(db) == []


def test_several_with_an_offset_are_appended_once(db):
    assert db.wf_append("w1", "s", [1, 2, 3], each=True, offset=0) == 0
    assert db.wf_append("w1", "s", [1, 2, 3], each=True, offset=0) == 0
    assert db.wf_append("w1", "s", [3, 4], each=True, offset=2) == 2  # the first of them was there
    assert [value for _, value in items(db)] == ["1", "2", "3", "4"]
    with wf_error("WF_CONFLICT", "offset 3"):
        db.wf_append("w1", "s", [3, 5, 6], each=True, offset=2)
    with wf_error("WF_INVALID", "goes on at 4"):
        db.wf_append("w1", "s", [5], each=True, offset=5)
    assert len(items(db)) == 4


def test_several_are_one_commit(db, connect):
    other = connect()
    version = other.value("PRAGMA data_version")
    db.wf_append("w1", "s", list(range(500)), each=True)
    assert other.value("PRAGMA data_version") == version + 1
    assert len(items(other)) == 500


@pytest.mark.parametrize("transaction", [False, True])
def test_several_of_which_one_cannot_be_written_leave_none(db, transaction):
    db.wf_append("w1", "s", 0)
    db.execute("CREATE TRIGGER no BEFORE INSERT ON _wf_stream WHEN new.offset = 3 BEGIN SELECT RAISE(FAIL, 'no'); END")
    db.execute("CREATE TABLE app(v)")
    for statement in ("SELECT %s", "INSERT INTO app VALUES(%s)"):
        if transaction:
            db.execute("BEGIN")
        with pytest.raises(Exception, match="no"):
            db.execute(statement % "wf_append('w1', 's', '[1,2,3]', '{\"each\":true}')")
        if transaction:
            db.execute("COMMIT")
        assert items(db) == [(0, 0)]
    assert db.wf_check() is None


# Closing


def test_closing_appends_nothing_and_ends_the_stream(db):
    db.wf_append("w1", "s", 1)
    assert db.value("SELECT closed FROM wf_streams") == 0
    assert db.wf_append("w1", "s", None, close=True) == 1
    assert db.rows("SELECT offset, value, closed FROM wf_streams") == [(0, 1, 1)]
    with wf_error("WF_STATE", "'s'", "'w1'", "closed"):
        db.wf_append("w1", "s", 2)
    assert db.wf_append("w1", "s", None, close=True) == 1
    assert db.wf_append("w1", "s", 1, offset=0) == 0  # as it was
    assert db.wf_append("w1", "s", [], each=True) == 1
    assert db.wf_append("w1", "other", 2) == 0
    assert db.wf_check() is None


def test_a_stream_may_be_closed_without_an_item(db):
    assert db.wf_append("w1", "s", None, close=True) == 0
    with wf_error("WF_STATE"):
        db.wf_append("w1", "s", 1)
    assert db.wf_check() is None


@pytest.mark.parametrize("value, options", [(1, {}), ("no JSON", {}), (None, {"each": True}), (None, {"offset": 0})])
def test_closing_goes_with_nothing_else(db, value, options):
    with wf_error("WF_INVALID", "close"):
        db.wf_append("w1", "s", value, close=True, **options)


def test_a_lost_claim_closes_nothing(db):
    token = db.claim()["token"]
    db.at(31)
    db.claim()
    with wf_error("WF_LEASE_LOST"):
        db.wf_append(token, "s", None, close=True)
    with wf_error("WF_LEASED"):
        db.wf_append("w1", "s", None, close=True)


def test_closing_renews_a_lease_that_is_half_over(db):
    token = db.claim()["token"]
    db.at(20)
    db.wf_append(token, "s", None, close=True)
    assert db.workflow()["due_at"] == "2027-01-15 08:00:50.000"


# Trimming


def test_what_was_read_is_trimmed_and_offsets_go_on(db):
    db.wf_append("w1", "s", [0, 1, 2, 3, 4], each=True)
    assert db.wf_trim("w1", "s", 2) == 2
    assert items(db) == [(2, "2"), (3, "3"), (4, "4")]
    assert db.wf_trim("w1", "s", 2) == 0
    assert db.wf_trim("w1", "s", 1) == 0
    assert db.wf_append("w1", "s", 5) == 5
    assert db.wf_trim("w1", "s", 6) == 4
    assert items(db) == []
    assert db.wf_check() is None
    assert db.wf_append("w1", "s", 6) == 6
    assert items(db) == [(6, 6)]
    assert db.wf_check() is None


def test_trimming_beyond_the_end_skips_no_offset(db):
    db.wf_append("w1", "s", [0, 1], each=True)
    assert db.wf_trim("w1", "s", 100) == 2
    assert db.wf_append("w1", "s", 2) == 2
    assert db.wf_check() is None


def test_an_append_that_is_repeated_after_its_item_was_trimmed_is_a_repeat(db):
    db.wf_append("w1", "s", [0, 1, 2], each=True)
    db.wf_trim("w1", "s", 2)
    assert db.wf_append("w1", "s", 1, offset=1) == 1
    assert db.wf_append("w1", "s", [1, 2, 3], each=True, offset=1) == 1
    assert items(db) == [(2, "2"), (3, "3")]
    with wf_error("WF_CONFLICT", "offset 2"):
        db.wf_append("w1", "s", [1, 5], each=True, offset=1)


def test_trimming_in_parts(db):
    db.wf_append("w1", "s", list(range(10)), each=True)
    assert [db.wf_trim("w1", "s", 7, limit=3) for _ in range(4)] == [3, 3, 1, 0]
    assert items(db)[0][0] == 7
    assert db.wf_check() is None


@pytest.mark.parametrize("end", ["running", "paused", "waiting", "completed", "cancelled"])
def test_trimming_is_by_id_whatever_the_workflow_does(db, end):
    token = db.claim()["token"]
    db.wf_append(token, "s", [1, 2], each=True)
    if end == "paused":
        db.wf_pause("w1")
    elif end == "waiting":
        db.wf_await(token, "a", "go")
    elif end == "completed":
        db.wf_complete(token)
    elif end == "cancelled":
        db.wf_cancel("w1")
    assert db.wf_trim("w1", "s", 1) == 1
    with wf_error("WF_INVALID", "id"):
        db.wf_trim(token, "s", 1)


def test_trimming_what_is_not_there(db):
    assert db.wf_trim("w1", "none", 5) == 0
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_trim("nobody", "s", 5)
    for offset in (-1, None, "1", 1.5):
        with wf_error("WF_INVALID", "offset"):
            db.wf_trim("w1", "s", offset)
    assert db.rows("SELECT * FROM _wf_stream_end") == []


def test_a_closed_stream_is_trimmed_and_stays_closed(db):
    db.wf_append("w1", "s", [0, 1], each=True)
    db.wf_append("w1", "s", None, close=True)
    assert db.wf_trim("w1", "s", 2) == 2
    with wf_error("WF_STATE", "closed"):
        db.wf_append("w1", "s", 2)
    assert db.wf_append("w1", "s", None, close=True) == 2
    assert db.wf_check() is None


def test_triggers_trim(db):
    db.wf_append("w1", "s", [0, 1, 2], each=True)
    db.execute("CREATE TABLE seen(offset)")
    db.execute("CREATE TRIGGER read AFTER INSERT ON seen BEGIN SELECT wf_trim('w1', 's', new.offset + 1); END")
    db.execute("INSERT INTO seen VALUES(1)")
    assert items(db) == [(2, "2")]


# What becomes of it


def test_nothing_is_kept_of_streams_that_were_neither_trimmed_nor_closed(db):
    db.wf_append("w1", "s", [0, 1], each=True)
    db.wf_append("w1", "s", 2, offset=2)
    assert db.rows("SELECT * FROM _wf_stream_end") == []


@pytest.mark.parametrize("how", ["continue", "restart"])
def test_a_new_period_opens_what_was_closed_and_offsets_go_on(db, how):
    token = db.claim()["token"]
    db.wf_append(token, "s", [0, 1], each=True)
    db.wf_trim("w1", "s", 1)
    db.wf_append(token, "s", None, close=True)
    if how == "continue":
        db.wf_continue(token)
    else:
        db.wf_complete(token)
        db.wf_start("job", 2, id="w1", if_exists="restart")
    assert db.column("SELECT closed FROM wf_streams") == [0]
    assert db.wf_append("w1", "s", 2) == 2
    assert db.wf_check() is None


def test_a_new_period_without_streams_begins_at_0(db):
    token = db.claim()["token"]
    db.wf_append(token, "s", [0, 1], each=True)
    db.wf_trim("w1", "s", 2)
    db.wf_continue(token, streams=False)
    assert db.wf_append("w1", "s", 0) == 0
    assert db.wf_check() is None


def test_a_retry_from_a_step_opens_what_was_closed(db):
    token = db.claim()["token"]
    db.wf_step(token, "a", 1)
    db.wf_append(token, "s", 0)
    db.wf_append(token, "s", None, close=True)
    db.wf_fail(token, "no", retry=False)
    db.wf_retry("w1")
    with wf_error("WF_STATE"):
        db.wf_append("w1", "s", 1)
    db.wf_cancel("w1")
    db.wf_retry("w1", **{"from": "a"})
    assert db.wf_append("w1", "s", 1) == 1


def test_a_fork_has_no_streams(db):
    db.wf_append("w1", "s", 0)
    db.wf_append("w1", "s", None, close=True)
    db.wf_fork("w1", id="f")
    assert db.wf_append("f", "s", 5) == 0


@pytest.mark.parametrize("how", ["delete", "purge"])
def test_nothing_is_left_of_a_workflow_that_is_gone(db, how):
    db.wf_append("w1", "s", 0)
    db.wf_append("w1", "s", None, close=True)
    db.wf_append("w1", "t", None, close=True)
    db.wf_complete("w1")
    if how == "delete":
        db.wf_delete("w1")
    else:
        while db.wf_purge(older_than=0, limit=1, now="2030-01-01"):
            pass
    while db.wf_tick():
        pass
    assert db.rows("SELECT * FROM _wf_stream_end") == db.rows("SELECT * FROM _wf_stream") == []
    assert db.wf_check() is None


def test_offsets_and_ends_move_to_another_file(db, connect, tmp_path):
    db.wf_append("w1", "s", [0, 1, 2], each=True)
    db.wf_trim("w1", "s", 2)
    db.wf_append("w1", "t", [0], each=True)
    db.wf_trim("w1", "t", 1)
    db.wf_append("w1", "u", 0)
    db.wf_append("w1", "u", None, close=True)
    document = db.wf_export("w1")
    there = connect(tmp_path / "there.db")
    assert there.wf_import(document) == "w1"
    assert there.wf_import(document) == "w1"
    there.at(0)
    there.wf_resume("w1")
    assert there.wf_check() is None
    assert json.loads(there.wf_export("w1"))["streams"] == json.loads(document)["streams"]
    assert there.rows("SELECT stream, first, next, closed FROM _wf_stream_end ORDER BY stream") == [("s", 2, 3, 0), ("t", 1, 1, 0), ("u", 0, 1, 1)]
    assert (there.wf_append("w1", "s", 3), there.wf_append("w1", "t", 1)) == (3, 1)
    with wf_error("WF_STATE"):
        there.wf_append("w1", "u", 1)


@pytest.mark.parametrize("part, change", [
    ("streams", {"offset": 3}), ("streams", {"offset": 0}), ("stream_ends", {"first": 1}), ("stream_ends", {"first": 3}), ("stream_ends", {"next": 4}),
    ("stream_ends", {"closed": 2}), ("stream_ends", {"next": -1}), ("stream_ends", {"first": -1}), ("stream_ends", {"next": 2, "closed": 1}), ("stream_ends", None)])
def test_a_document_whose_streams_contradict_themselves_is_refused(db, connect, tmp_path, part, change):
    db.wf_append("w1", "s", [0, 1, 2], each=True)
    db.wf_trim("w1", "s", 2)
    document = json.loads(db.wf_export("w1"))
    if change is None:
        document[part] = []
    else:
        document[part][0].update(change)
    there = connect(tmp_path / "there.db")
    with wf_error("WF_INVALID"):
        there.wf_import(document)


@pytest.mark.parametrize("damage", [
    "UPDATE _wf_stream_end SET first = 0", "UPDATE _wf_stream_end SET first = 9", "UPDATE _wf_stream_end SET next = 9", "UPDATE _wf_stream_end SET closed = 2",
    "UPDATE _wf_stream_end SET wf = 99", "DELETE FROM _wf_stream WHERE offset = 1", "DELETE FROM _wf_stream_end", "DELETE FROM _wf_stream",
    "UPDATE _wf_stream_end SET closed = 1; INSERT INTO _wf_stream(wf, stream, offset, at, value) SELECT wf, stream, offset + 1, at, value FROM _wf_stream WHERE offset = 2"])
def test_wf_check_finds_streams_that_lost_something(db, damage):
    db.wf_append("w1", "s", [0, 1, 2], each=True)
    db.wf_trim("w1", "s", 1)
    assert db.wf_check() is None
    db.executescript(damage)
    assert db.wf_check() is not None


# Waiting for more


def wait(db, stream, offset=None, id="w1", timeout=0):
    return db.wf_wait(timeout, streams={"id": id, "stream": stream} | ({} if offset is None else {"offset": offset}))


def test_a_wait_for_an_item_that_is_there_or_for_none(db):
    db.wf_append("w1", "s", [0, 1], each=True)
    assert wait(db, "s") == 1
    assert wait(db, "s", 1) == 1
    assert wait(db, "s", 2) == 0
    assert wait(db, "none") == 0
    with wf_error("WF_NOT_FOUND", "nobody"):
        wait(db, "s", id="nobody")


def test_a_wait_ends_when_nothing_can_come(db):
    db.wf_append("w1", "s", 0)
    assert wait(db, "s", 1) == 0
    db.wf_append("w1", "s", None, close=True)
    assert wait(db, "s", 1) == 1
    assert wait(db, "other", 1) == 0
    db.wf_complete("w1")
    assert wait(db, "other", 1) == 1


def test_a_wait_for_several_streams(db):
    db.wf_append("w1", "s", 0)
    both = [{"id": "w1", "stream": "s", "offset": 1}, {"id": "w1", "stream": "t"}]
    assert db.wf_wait(0, streams=both) == 0
    db.wf_append("w1", "t", 0)
    assert db.wf_wait(0, streams=both) == 1


@pytest.mark.parametrize("streams, words", [
    ({"stream": "s"}, ["id"]), ({"id": "w1"}, ["stream"]), ({"id": "w1", "stream": "s", "offset": -1}, ["offset"]), ("s", ["streams"]),
    ([{"id": "w1", "stream": "s"}, 5], []), ({"id": "w1", "stream": "s", "at": 5}, ["at"])])
def test_options_of_a_wait_for_a_stream(db, streams, words):
    with wf_error("WF_INVALID", *words):
        db.wf_wait(0, streams=streams)


def test_an_append_of_another_connection_wakes_the_reader(db, tmp_path):
    path = tmp_path / "test.db"
    waiting, seen = threading.Event(), []

    def read():
        reader = open_database(path, check_same_thread=False)
        offset = 0
        waiting.set()
        while True:
            seen.append(wait(reader, "s", offset, timeout=60))
            got = reader.column("SELECT value FROM wf_streams WHERE workflow_id = 'w1' AND stream = 's' AND offset >= ?", offset)
            if not got:
                break
            offset += len(got)
            seen.extend(got)
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    waiting.wait()
    for n in range(3):
        time.sleep(0.02)
        db.wf_append("w1", "s", [n], each=True)
    while "2" not in seen:
        time.sleep(0.01)
    db.wf_append("w1", "s", None, close=True)
    thread.join(60)
    assert not thread.is_alive()
    assert [value for value in seen if value != 1] == ["0", "1", "2"]


# Recorded as a step


def test_an_append_that_is_a_step_is_done_once(db):
    token = db.claim(id="w1")["token"]
    assert db.wf_append(token, "s", "a", step="append s") == 0
    assert db.wf_append("w1" if False else token, "s", "of a step") == 1
    assert db.wf_append(token, "s", "b", step="append s#2") == 2
    assert [db.wf_append(token, "s", "a", step="append s"), db.wf_append(token, "s", "b", step="append s#2")] == [0, 2]
    assert items(db) == [(0, '"a"'), (1, '"of a step"'), (2, '"b"')]
    assert db.rows("SELECT name, kind, status, output FROM wf_steps") == [("append s", "step", "done", 0), ("append s#2", "step", "done", 2)]
    assert db.wf_check() is None


def test_an_append_that_is_a_step_takes_several(db):
    assert db.wf_append("w1", "s", [1, 2], step="both", each=True) == 0
    assert db.wf_append("w1", "s", [1, 2], step="both", each=True) == 0
    with wf_error("WF_CONFLICT", "offset 1"):
        db.wf_append("w1", "s", [1, 3], step="both", each=True)
    assert items(db) == [(0, "1"), (1, "2")]


def test_an_append_that_is_a_step_says_what_is_wrong(db):
    with wf_error("WF_INVALID", "step"):
        db.wf_append("w1", "s", 1, step="a", offset=0)
    with wf_error("WF_INVALID", "cleanup"):
        db.wf_append("w1", "s", 1, cleanup=True)
    token = db.claim(id="w1")["token"]
    assert db.wf_sleep(token, "nap", 0) is not None
    with wf_error("WF_NONDETERMINISM", "nap"):
        db.wf_append(token, "s", 1, step="nap")
    db.wf_step(token, "bad", '"no"', error=True)
    with wf_error("WF_STATE", "bad"):
        db.wf_append(token, "s", 1, step="bad")
    assert items(db) == []


def test_an_append_that_is_a_step_says_that_there_is_a_second_phase(db):
    db.wf_append("w1", "s", 1, step="a", cleanup=True)
    db.wf_cancel("w1")
    assert db.workflow()["ending"] == "cancelled"


def test_a_fork_has_the_items_of_the_steps_that_it_replays(db):
    db.wf_append("w1", "s", "a", step="a")
    db.wf_append("w1", "s", "b", step="b")
    id = db.wf_fork("w1")
    assert items(db, id=id) == []
    for _ in range(2):
        assert [db.wf_append(id, "s", "a", step="a"), db.wf_append(id, "s", "b", step="b")] == [0, 1]
    assert items(db, id=id) == [(0, '"a"'), (1, '"b"')]


def test_a_fork_has_them_without_what_the_steps_of_the_other_have_appended(db):
    db.wf_append("w1", "s", "a", step="a")
    db.wf_append("w1", "s", "of a step")
    db.wf_append("w1", "s", "b", step="b")
    id = db.wf_fork("w1")
    for _ in range(2):
        assert [db.wf_append(id, "s", "a", step="a"), db.wf_append(id, "s", "b", step="b")] == [0, 1]
    assert items(db, id=id) == [(0, '"a"'), (1, '"b"')]
    assert items(db) == [(0, '"a"'), (1, '"of a step"'), (2, '"b"')]


def test_a_trigger_that_refuses_the_record_leaves_no_item(db):
    db.execute("CREATE TRIGGER no BEFORE INSERT ON _wf_step BEGIN SELECT raise(FAIL, 'no step'); END")
    with pytest.raises(Exception, match="no step"):
        db.wf_append("w1", "s", 1, step="a")
    assert items(db) == []
