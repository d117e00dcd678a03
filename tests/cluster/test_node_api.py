"""What a node of wfext-node answers: docs/cluster.md, "The API"."""

import json
import os
import re
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest


@pytest.fixture
def ask(three):
    """ask(path, body): status and answer of the node that leads."""
    leader = three.leader()
    return lambda path, body=None, **options: three.ask(leader, path, body, **options)


def write(ask, *statements, **more):
    return ask("/write", {"statements": list(statements), **more})


def value(answer):
    return answer[1]["results"][0]["rows"][0][0]


def options(**given):
    return json.dumps({"now": time.time(), **given})


def test_a_statement_is_bound_and_answered(ask):
    status, answer = write(ask, "CREATE TABLE a(x, y)", ["INSERT INTO a VALUES(?, :y)", [1, "tea"]], ["INSERT INTO a VALUES(:x, :y) RETURNING y, x", {"x": 2, "y": None}])
    assert status == 200, answer
    assert answer["results"][1]["changes"] == 1
    assert answer["results"][2]["columns"] == ["y", "x"] and answer["results"][2]["rows"] == [[None, 2]]


def test_values_come_back_as_they_went(ask):
    given = [None, 1, -(2**63), 2**63 - 1, 0.1, 5e-324, "tea \u00e9 \U0001f375", "", {"blob": "AP8="}, {"blob": ""}, {"real": "inf"}]
    status, answer = write(ask, ["SELECT " + ", ".join("?" * len(given)), given])
    assert status == 200 and answer["results"][0]["rows"] == [given]
    assert value(write(ask, ["SELECT typeof(?)", [True]])) == "integer"


@pytest.mark.parametrize("given", [2**63, [1], {"a": 1}, {"blob": "?"}])
def test_a_value_that_cannot_be_bound_is_refused(ask, given):
    status, answer = write(ask, ["SELECT ?", [given]])
    assert status == 422 and "parameter 1" in answer["error"]["message"]


def test_a_request_is_one_transaction(ask):
    write(ask, "CREATE TABLE b(x PRIMARY KEY)")
    status, answer = write(ask, "INSERT INTO b VALUES(1)", "INSERT INTO b VALUES(1)")
    assert (status, answer["error"]["statement"], answer["error"]["sqlite"]) == (422, 1, 19)
    assert value(write(ask, "SELECT count(*) FROM b")) == 0


def test_each_by_itself(ask):
    write(ask, "CREATE TABLE c(x PRIMARY KEY)")
    status, answer = write(ask, "INSERT INTO c VALUES(1)", "INSERT INTO c VALUES(1)", "INSERT INTO c VALUES(2)", each=True)
    assert status == 200 and answer["results"][1]["error"]["extended"] == 1555
    assert value(write(ask, "SELECT count(*) FROM c")) == 2


def test_rows_of_the_application_and_the_step_are_one_transaction(ask):
    write(ask, "CREATE TABLE sale(x)")
    write(ask, ["SELECT wf_start('job', NULL, ?)", [options(id="with-rows")]])
    token = json.loads(value(write(ask, ["SELECT wf_claim('default', 'w', ?)", [options(id="with-rows")]])))["token"]
    status, answer = write(ask, "INSERT INTO sale VALUES(1)", ["SELECT wf_step(?, 'a', '1', ?)", [token, options()]])
    assert status == 200 and answer["results"][1]["rows"] == [["1"]]
    status, answer = write(ask, "INSERT INTO sale VALUES(2)", ["SELECT wf_step('nonsense.1.2', 'a', '1', ?)", [options()]])
    assert status == 422 and answer["error"]["message"].startswith("WF_"), answer
    assert value(write(ask, "SELECT count(*) FROM sale")) == 1


def test_drop_and_alter(ask):
    assert write(ask, "CREATE TABLE d(x)", "CREATE INDEX dx ON d(x)")[0] == 200
    assert write(ask, "ALTER TABLE d ADD COLUMN y", ["INSERT INTO d(y) VALUES(?)", [5]])[0] == 200
    assert value(write(ask, "SELECT y FROM d")) == 5
    assert write(ask, "DROP TABLE d")[0] == 200
    status, answer = write(ask, "DROP TABLE d")
    assert status == 422 and "no such table" in answer["error"]["message"]


@pytest.mark.parametrize("sql", ["BEGIN", "COMMIT", "PRAGMA synchronous = 0", "ATTACH ':memory:' AS x", "VACUUM", "CREATE TEMP TABLE t(x)", "", "SELECT 1; SELECT 2"])
def test_what_is_about_one_machine_is_refused(ask, sql):
    status, answer = write(ask, sql)
    assert status == 422 and answer["error"]["code"] == "SQLITE", answer


@pytest.mark.parametrize("sql", ["SELECT random()", "SELECT datetime('now')", "SELECT unixepoch()", "SELECT hex(randomblob(4))", "SELECT CURRENT_TIMESTAMP", "SELECT total_changes()", "SELECT date(0, 'unixepoch', 'localtime')"])
def test_what_differs_between_nodes_is_refused(ask, three, sql):
    write(ask, "CREATE TABLE IF NOT EXISTS e(x)")
    status, answer = write(ask, f"INSERT INTO e {sql}")
    assert status == 422 and "every node" in answer["error"]["message"], answer
    assert value(ask("/read", {"statements": ["SELECT datetime('now') IS NOT NULL AND random() IS NOT NULL"]})) == 1


def test_dates_of_a_given_time_are_as_ever(ask):
    """hiqlite takes these away from statements that write, and with them schedules of the engine's."""
    assert value(write(ask, ["SELECT datetime(?, 'unixepoch')", [1800000000]])) == "2027-01-15 08:00:00"
    given = options()
    assert write(ask, ["SELECT wf_schedule('nightly', '* * * * *', 'job', NULL, ?)", [given]])[0] == 200
    later = json.dumps({"now": json.loads(given)["now"] + 120})
    status, answer = write(ask, ["SELECT wf_tick(?)", [later]])
    assert status == 200, answer
    status, answer = write(ask, ["SELECT wf_trigger('nightly', NULL, ?)", [later]])
    assert status == 200 and answer["results"][0]["rows"][0][0].startswith("nightly@"), answer


def test_the_file_is_in_explicit_mode(ask):
    assert value(write(ask, "SELECT wf_config('clock')")) == "explicit"
    status, answer = write(ask, "SELECT wf_start('job', NULL, '{\"id\": \"no-time\"}')")
    assert status == 422 and answer["error"]["message"].startswith("WF_INVALID") and "now" in answer["error"]["message"]


def test_a_long_poll_is_no_write(ask, three):
    status, answer = write(ask, "SELECT wf_wait(5)")
    assert status == 422 and answer["error"]["message"].startswith("WF_CONTEXT"), answer
    assert write(ask, "SELECT 1")[0] == 200


def test_reads(ask, three):
    write(ask, "CREATE TABLE f(x)", "INSERT INTO f VALUES(7)")
    for level in ("leader", "strong"):
        status, answer = ask(f"/read?level={level}", {"statements": ["SELECT x FROM f", ["SELECT ?", [1]]]})
        assert status == 200 and [result["rows"] for result in answer["results"]] == [[[7]], [[1]]]
    three.wait_equal()
    for node in three.ports:
        status, answer = three.ask(node, "/read?level=local", {"statements": ["SELECT x FROM f"]})
        assert status == 200 and answer["results"][0]["rows"] == [[7]]


@pytest.mark.parametrize("sql", ["INSERT INTO f VALUES(8)", "PRAGMA synchronous = 0", "SELECT wf_emit('x', '1', '{\"now\": 1}')", "PRAGMA query_only = 0", "ATTACH ':memory:' AS x"])
def test_a_read_writes_nothing(ask, sql):
    write(ask, "CREATE TABLE IF NOT EXISTS f(x)")
    status, answer = ask("/read", {"statements": [sql]})
    assert status == 422, answer
    assert value(write(ask, "SELECT count(*) FROM wf_events")) == 0


def test_a_follower_names_the_leader(three):
    leader = three.leader()
    follower = next(node for node in three.ports if node != leader)
    for path, body in (("/write", {"statements": ["SELECT 1"]}), ("/read", {"statements": ["SELECT 1"]}), ("/leave", {"node": 9})):
        status, answer = three.ask(follower, path, body)
        assert (status, answer["error"]["leader"]) == (307, {"id": leader, "url": three.url(leader)})


def test_a_long_poll_on_a_follower_wakes(three):
    leader = three.leader()
    follower = next(node for node in three.ports if node != leader)
    came = []
    poll = threading.Thread(target=lambda: came.append(three.ask(follower, "/wait", {"timeout": 60, "options": {"queue": "polled"}}, timeout=70)))
    poll.start()
    while three.ask(follower, "/metrics")[1].decode().split("wfext_node_waiting ")[-1].strip() != "1":
        time.sleep(0.01)
    assert three.ask(leader, "/write", {"statements": [["SELECT wf_start('job', NULL, ?)", [options(id="polled", queue="polled")]]]})[0] == 200
    poll.join(60)
    assert came == [(200, {"result": 1})]
    assert three.ask(follower, "/wait", {"timeout": 0, "options": {"queue": "nothing"}}) == (200, {"result": 0})


def test_a_long_poll_that_nobody_waits_for_ends(three):
    node = next(node for node in three.ports if node != three.leader())
    assert three.ask(node, "/wait", {"timeout": 300, "options": {"queue": "nothing"}}, timeout=0.5)[0] == 0
    until = time.monotonic() + 30
    while "wfext_node_waiting 0" not in three.ask(node, "/metrics")[1].decode():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("path", ["/write", "/read", "/wait", "/cluster", "/backup", "/metrics", "/leave"])
def test_the_token_is_wanted(three, path):
    body = {} if path in ("/write", "/read", "/wait", "/leave") else None
    status, answer = three.ask(1, path, body, token="wrong")
    assert status == 401 and answer["error"]["code"] == "UNAUTHORIZED"


def test_health_wants_no_token(three):
    status, answer = three.ask(2, "/health", token="wrong")
    assert status == 200 and answer["healthy"] and answer["leader"] == three.leader()


@pytest.mark.parametrize("body", [{}, {"statements": []}, {"statements": [1]}, {"statements": "SELECT 1"}, [], {"statements": [["SELECT 1", 5]]}])
def test_a_wrong_request_is_said(ask, body):
    status, answer = ask("/write", body)
    assert status == 400 and answer["error"]["message"]


def test_a_path_that_is_none(ask):
    assert ask("/db/execute", {})[0] == 404
    assert ask("/read?level=linearizable", {"statements": ["SELECT 1"]})[0] == 400


def test_metrics(three):
    text = three.ask(three.leader(), "/metrics")[1].decode()
    values = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
    assert values["wfext_node_is_leader"] == "1" and values["wfext_node_voters"] == "3" and int(values["wfext_node_writes_total"]) > 0


def test_a_backup_is_a_file_of_its_own(three, connect, tmp_path):
    leader = three.leader()
    assert three.ask(leader, "/write", {"statements": [["SELECT wf_start('job', NULL, ?)", [options(id="in-backup")]]]})[0] == 200
    status, data = three.ask(leader, "/backup")
    assert status == 200
    path = tmp_path / "backup.db"
    path.write_bytes(data)
    db = connect(path)
    assert db.wf_status("in-backup") == "pending"
    assert db.value("PRAGMA integrity_check") == "ok" and db.wf_check() is None
    assert db.value("SELECT count(*) FROM sqlite_master WHERE name IN ('_metadata', '_migrations')") == 0
    assert not [each for each in three.data(leader).iterdir() if each.name.startswith("backup-")]


def test_the_requests_of_the_page(three, tmp_path):
    """Those of docs/cluster.md, as they stand there."""
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()
    blocks = [block for block in re.findall(r"```sh no-run\n(.*?)```", page, re.DOTALL) if "curl" in block]
    leader = three.leader()
    environment = {**os.environ, "NODE": three.url(leader), "TOKEN": three.token}
    said = [subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout for block in blocks]
    assert '"rows":[["o-1"]]' in said[0] and '["o-1","pending"]' in said[0] and '{"result":1}' in said[0] and '"members"' in said[0], said
    assert sqlite3.connect(tmp_path / "copy.db").execute("SELECT count(*) FROM _wf_workflow").fetchone()[0] > 0


def test_all_nodes_have_the_same(three):
    three.wait_equal()
    assert len({three.digest(node) for node in three.ports}) == 1
