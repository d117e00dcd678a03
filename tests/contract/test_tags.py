"""Tags: short texts by which workflows are found again."""

import json

import pytest
from support import wf_error


def tags(db, id="w1"):
    text = db.value("SELECT tags FROM wf_workflows WHERE id = ?", id)
    return None if text is None else json.loads(text)


def tagged(db, *tags, more=""):
    return db.column("SELECT id FROM wf_workflows WHERE %s %s ORDER BY id" % (" AND ".join(["tag = ?"] * len(tags)), more), *tags)


def test_a_workflow_is_found_by_its_tags(db):
    db.wf_start("job", id="w1", tags={"customer": "7", "kind": "a=b"})
    db.wf_start("job", id="w2", tags={"customer": "7"})
    db.wf_start("job", id="w3", tags={"customer": "70"})
    db.wf_start("job", id="w4")
    assert tagged(db, "customer=7") == ["w1", "w2"]
    assert db.column("SELECT id FROM wf_workflows WHERE tag = 'customer=7' AND id IN (SELECT id FROM wf_workflows WHERE tag = 'kind=a=b')") == ["w1"]
    assert tagged(db, "customer=7", more="AND id > 'w1'") == ["w2"]
    assert tagged(db, "customer=70") == ["w3"]
    assert tagged(db, "customer") == tagged(db, "customer=") == tagged(db, "Customer=7") == tagged(db, "nothing=1") == []
    assert db.column("SELECT id FROM wf_pending WHERE tag = 'customer=7' ORDER BY id") == ["w1", "w2"]
    assert (tags(db), tags(db, "w4")) == ({"customer": "7", "kind": "a=b"}, None)
    assert db.wf_check() is None


def test_one_workflow_of_several_tags_is_one_row(db):
    db.wf_start("job", id="w1", tags={"a": "1", "b": "2"})
    db.wf_start("job", id="w2", tags={"b": "2"})
    version = tuple(map(int, db.value("SELECT sqlite_version()").split(".")))
    for either in ("tag IN ('a=1', 'b=2')", "tag = 'a=1' OR tag = 'b=2'"):  # the same for SQLite, which looks the values up one by one before 3.38
        if version >= (3, 38):
            assert db.column("SELECT id FROM wf_workflows WHERE %s ORDER BY id" % either) == ["w1", "w2"]
        assert db.column("SELECT DISTINCT id FROM wf_workflows WHERE %s ORDER BY id" % either) == ["w1", "w2"]
    assert db.value("SELECT count(*) FROM wf_workflows WHERE tag = 'b=2' AND status = 'pending'") == 2
    assert db.column("SELECT w.id FROM (SELECT 'b=2' AS x) AS j CROSS JOIN wf_workflows AS w ON w.tag = j.x ORDER BY w.id") == ["w1", "w2"]


def test_tags_are_found_through_an_index(db):
    db.execute("BEGIN")
    for n in range(200):
        db.wf_start("job", id="w%d" % n, tags={"customer": str(n % 50)})
    db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM wf_workflows WHERE tag = 'customer=7'") == 4
    assert db.column("SELECT id FROM wf_workflows WHERE tag = 'customer=7' ORDER BY rowid LIMIT 2") == ["w7", "w57"]
    plan = " ".join(row[3] for row in db.rows("EXPLAIN QUERY PLAN SELECT * FROM _wf_workflow AS w WHERE w.seq IN (SELECT wf FROM _wf_tag WHERE tag = 'customer=7')"))
    assert "SEARCH" in plan and "_wf_tag_of" in plan and "SCAN" not in plan


def test_the_column_is_for_comparing_alone(db):
    db.wf_start("job", id="w1", tags={"a": "1"})
    assert "tag" not in [column[0] for column in db.execute("SELECT * FROM wf_workflows").description]
    for query in ("SELECT tag FROM wf_workflows", "SELECT id FROM wf_workflows WHERE tag LIKE 'a=%'", "SELECT id FROM wf_workflows WHERE tag <> 'a=1'",
                  "SELECT id FROM wf_workflows ORDER BY tag", "SELECT id FROM wf_workflows WHERE tag = 'A=1' COLLATE NOCASE"):
        with wf_error("WF_INVALID", "tag = 'key=value'"):
            db.rows(query)


@pytest.mark.parametrize("wrong", [[], "a", {"a": 1}, {"a": None}, {"a": ""}, {"": "1"}, {"a=b": "1"}, {"a": "x" * 256}, {"a" * 256: "1"}, {"a": "x\ny"}, {"a": ["1"]}])
def test_tags_are_short_texts_under_names(db, wrong):
    with wf_error("WF_INVALID", "tag"):
        db.wf_start("job", id="w1", tags=wrong)
    assert db.wf_status("w1") is None


def test_a_key_twice_is_refused(db):
    with wf_error("WF_INVALID", "twice"):
        db.value("SELECT wf_start('job', NULL, '{\"tags\":{\"a\":\"1\",\"\\u0061\":\"2\"}}')")


@pytest.mark.parametrize("places", [(0, 1), (0, 99), (50, 98), (98, 99)])
def test_a_key_twice_among_many_is_found_wherever_it_stands(db, places):
    keys = ["key %d" % n for n in range(98)]
    for place in places:
        keys.insert(place, "\\u0061" if place == places[0] else "a")
    with wf_error("WF_INVALID", "'a' twice"):
        db.value("SELECT wf_start('job', NULL, ?)", '{"tags":{%s}}' % ",".join('"%s":"1"' % key for key in keys))
    del keys[places[1]]
    assert db.value("SELECT wf_start('job', NULL, ?)", '{"id":"w1","tags":{%s}}' % ",".join('"%s":"1"' % key for key in keys)) == "w1"


def test_an_empty_object_is_none(db):
    db.wf_start("job", id="w1", tags={})
    assert tags(db) is None


# wf_tag


def test_a_tag_is_set_changed_and_removed(db):
    token = db.running()["token"]
    assert db.wf_tag(token, "customer", "7") == 1
    assert tagged(db, "customer=7") == ["w1"]
    assert db.wf_tag(token, "customer", "8") == 1
    assert (tagged(db, "customer=7"), tagged(db, "customer=8")) == ([], ["w1"])
    assert db.wf_tag(token, "customer", None) == 1
    assert db.wf_tag(token, "customer", None) == 1
    assert (tagged(db, "customer=8"), tags(db)) == ([], None)
    assert db.rows("SELECT * FROM _wf_tag") == []


@pytest.mark.parametrize("status", ["running", "waiting", "paused", "completed", "cancelled"])
def test_anybody_tags_by_id_in_any_status(db, status):
    token = db.running()["token"]
    if status == "waiting":
        db.wf_await(token, "a", "go")
    elif status == "paused":
        db.wf_pause("w1")
    elif status == "completed":
        db.wf_complete(token)
    elif status == "cancelled":
        db.wf_cancel("w1")
    before = db.workflow() | {"tags": None}
    assert db.wf_tag("w1", "seen", "by ann") == 1
    assert tagged(db, "seen=by ann") == ["w1"]
    assert db.workflow() | {"tags": None} == before


def test_a_lost_claim_tags_nothing(db):
    old = db.running()["token"]
    db.wf_clock(2_000_000_000)
    db.claim()
    with wf_error("WF_LEASE_LOST"):
        db.wf_tag(old, "a", "1")
    with wf_error("WF_NOT_FOUND", "nobody"):
        db.wf_tag("nobody", "a", "1")


@pytest.mark.parametrize("key, value", [("", "1"), ("a=b", "1"), (5, "1"), (None, "1"), ("a", 5), ("a", ""), ("a", "x\n"), ("a", b"1")])
def test_wrong_tags_are_refused(db, key, value):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID"):
        db.wf_tag("w1", key, value)
    assert tags(db) is None


def test_a_trigger_tags(db):
    db.wf_start("job", id="w1")
    db.execute("CREATE TABLE app(v)")
    db.execute("CREATE TRIGGER t AFTER INSERT ON app WHEN new.v = 'x' BEGIN SELECT wf_tag('w1', 'v', new.v); END")
    db.execute("INSERT INTO app VALUES('x')")
    assert tagged(db, "v=x") == ["w1"]
    db.execute("INSERT INTO app VALUES(wf_start('job', NULL, '{\"id\":\"w2\",\"tags\":{\"v\":\"x\"}}'))")
    assert tagged(db, "v=x") == ["w1", "w2"]


# What becomes of them


def test_nothing_is_stored_where_there_are_none(db):
    db.running()
    assert db.rows("SELECT * FROM _wf_tag") == []


def test_a_repeated_start_changes_none(db):
    db.wf_start("job", id="w1", tags={"a": "1"})
    db.wf_start("job", id="w1", tags={"b": "1"})
    db.wf_start("job", id="w1", if_exists="return", tags={"b": "1"})
    assert tags(db) == {"a": "1"}


@pytest.mark.parametrize("mode", ["replace", "restart"])
def test_replace_and_restart_take_those_that_are_said(db, mode):
    db.wf_start("job", id="w1", tags={"a": "1"})
    for given, expected in (({}, {"a": "1"}), ({"tags": {"b": "2"}}, {"b": "2"})):
        if mode == "restart":
            db.wf_complete(db.claim()["token"])
        db.wf_start("job", 5, id="w1", if_exists=mode, **given)
        assert tags(db) == expected
    assert db.wf_check() is None


def test_they_stay_over_a_period_and_a_retry_and_go_along_in_a_fork(db):
    token = db.running(tags={"a": "1"})["token"]
    db.wf_continue(token)
    assert tags(db) == {"a": "1"}
    db.wf_cancel("w1")
    db.wf_retry("w1")
    assert tags(db) == {"a": "1"}
    db.wf_fork("w1", id="f")
    assert tags(db, "f") == {"a": "1"}
    db.wf_tag("f", "a", None)
    assert tags(db) == {"a": "1"}


def test_children_have_their_own(db):
    token = db.running(tags={"a": "1"})["token"]
    db.wf_spawn(token, "plain", "child")
    db.wf_spawn(token, "own", "child", tags={"b": "2"})
    assert (tags(db, "w1/plain"), tags(db, "w1/own")) == (None, {"b": "2"})


def test_what_a_schedule_starts_has_those_of_its_start(db):
    db.at(0)
    db.wf_schedule("s", "@every 1m", "job", start={"tags": {"from": "s"}})
    before = db.rows("SELECT * FROM _wf_schedule")
    db.wf_schedule("s", "@every 1m", "job", start={"tags": {"from": "s"}})
    assert db.rows("SELECT * FROM _wf_schedule") == before
    db.at(61)
    assert db.wf_tick() == 1
    assert len(tagged(db, "from=s")) == 1
    assert db.wf_check() is None


@pytest.mark.parametrize("how", ["delete", "purge"])
def test_nothing_is_left_of_a_workflow_that_is_gone(db, how):
    db.running(tags={"a": "1", "b": "2"})
    db.wf_cancel("w1")
    if how == "delete":
        db.wf_delete("w1")
    else:
        while db.wf_purge(older_than=0, limit=1, now="2040-01-01"):
            pass
    while db.wf_tick():
        pass
    assert db.rows("SELECT * FROM _wf_tag") == []
    assert db.wf_check() is None


def test_they_move_to_another_file(db, connect, tmp_path):
    db.wf_start("job", id="w1", tags={"a": "é=1", "b": "2"})
    document = db.wf_export("w1")
    there = connect(tmp_path / "there.db")
    assert there.wf_import(document) == there.wf_import(document) == "w1"
    assert tagged(there, "a=é=1") == ["w1"]
    assert there.wf_check() is None
    for change in ({"key": "a=b"}, {"key": ""}, {"value": ""}, {"key": "b"}):
        wrong = json.loads(document)
        wrong["workflow"]["id"] = "w2"
        wrong["tags"][0].update(change)
        with wf_error("WF_INVALID"):
            there.wf_import(wrong)


@pytest.mark.parametrize("damage", ["UPDATE _wf_tag SET wf = 99", "UPDATE _wf_tag SET tag = 'x'", "UPDATE _wf_tag SET tag = 'a='", "UPDATE _wf_tag SET key = 'b'",
                                    "UPDATE _wf_tag SET tag = 5", "UPDATE _wf_tag SET key = ''"])
def test_wf_check_looks_at_them(db, damage):
    db.wf_start("job", id="w1", tags={"a": "1"})
    assert db.wf_check() is None
    db.execute(damage)
    assert db.wf_check() is not None


def test_a_start_that_cannot_be_written_leaves_no_tags(db):
    db.wf_init()
    db.execute("CREATE TRIGGER no BEFORE INSERT ON _wf_workflow BEGIN SELECT RAISE(FAIL, 'no'); END")
    db.execute("CREATE TABLE app(v)")
    db.execute("BEGIN")
    for statement in ("SELECT %s", "INSERT INTO app VALUES(%s)"):
        with pytest.raises(Exception, match="no"):
            db.execute(statement % "wf_start('job', 1, '{\"id\":\"w1\",\"tags\":{\"a\":\"1\"}}')")
    db.execute("COMMIT")
    assert db.rows("SELECT * FROM _wf_tag") == []
