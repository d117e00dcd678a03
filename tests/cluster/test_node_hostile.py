"""Requests that would make nodes differ, end them, or reach what is not theirs: each is refused, on all nodes alike, and the cluster goes on."""

import json
import socket
import time
import urllib.error
import urllib.request

import pytest

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"


@pytest.fixture
def write(three):
    """write(*statements): status and answer of the node that leads."""

    def ask(*statements, path="/write"):
        until = time.monotonic() + 60
        while True:
            status, answer = three.ask(three.leader(), path, {"statements": list(statements)}, timeout=60)
            if status not in (307, 503) or answer["error"]["outcome"] == "unknown" or time.monotonic() > until:
                return status, answer  # else another one is elected: nothing was done
            time.sleep(0.05)

    return ask


@pytest.mark.parametrize(
    "sql",
    [
        "EXPLAIN PRAGMA query_only = 1",
        "SELECT 1; PRAGMA query_only = 1",
        "SELECT 1; PRAGMA writable_schema = 1",
        "CREATE /* words between */ TEMP TABLE hidden(x)",
        "CREATE TABLE temp.hidden(x)",
        "CREATE TRIGGER temp.hidden AFTER INSERT ON kept BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE temp.hidden USING fts5(x)",
        "SELECT wf_busy_timeout(1)",
        "SELECT wfext_node_run('{\"statements\": [\"ROLLBACK\"]}')",
        "SELECT load_extension('x')",
        "SELECT 1\0; DROP TABLE kept",
    ],
)
def test_what_changes_a_connection_is_refused_wherever_it_hides(write, three, sql):
    write("CREATE TABLE IF NOT EXISTS kept(x)")
    status, answer = write(sql)
    assert status == 422 and answer["error"]["code"] == "SQLITE", answer
    assert write("INSERT INTO kept VALUES(1)")[0] == 200
    three.wait_equal()
    assert len({three.digest(node) for node in three.ports}) == 1


@pytest.mark.parametrize("sql", ["SELECT file FROM pragma_database_list", "SELECT pageno FROM dbstat", "SELECT file FROM wf_fleet('/etc/*')", "SELECT data_version FROM pragma_data_version"])
def test_what_tells_of_one_machine_is_not_written(write, sql):
    write("CREATE TABLE IF NOT EXISTS kept(x)")
    status, answer = write(f"INSERT INTO kept {sql}")
    assert status == 422 and "one machine" in answer["error"]["message"], answer


@pytest.mark.parametrize("sql", ["DROP TABLE _metadata", "DELETE FROM _metadata", "ALTER TABLE _metadata RENAME TO other", "CREATE TRIGGER a AFTER INSERT ON _metadata BEGIN SELECT 1; END"])
def test_the_tables_of_hiqlite_are_its_own(write, three, sql):
    """It goes by them when it starts, and by what they say of the log."""
    status, answer = write(sql)
    assert status == 422 and "hiqlite" in answer["error"]["message"], answer


def test_a_request_knows_nothing_of_the_one_before(fresh):
    """A node that was started in between has no last row: it would write another one."""
    nodes = fresh().start().wait_healthy()
    leader = nodes.leader()
    assert nodes.ask(leader, "/write", {"statements": ["CREATE TABLE kept(x, y)", "INSERT INTO kept VALUES(1, 1), (2, 2)"]})[0] == 200
    nodes.wait_equal()
    away = next(node for node in nodes.ports if node != leader)
    nodes.kill(away)
    nodes.start(away).wait_healthy()
    leader = nodes.leader()
    assert nodes.ask(leader, "/write", {"statements": ["INSERT INTO kept SELECT last_insert_rowid(), changes()"]})[0] == 200
    nodes.wait_equal()
    for node in nodes.ports:
        answer = nodes.ask(node, "/read?level=local", {"statements": ["SELECT x, y FROM kept ORDER BY rowid DESC LIMIT 1"]})[1]
        assert answer["results"][0]["rows"] == [[0, 0]]
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


@pytest.mark.parametrize("path", ["/write", "/read"])
@pytest.mark.parametrize("sql", [ENDLESS, "SELECT length(zeroblob(900000000))"])
def test_an_answer_and_a_value_have_an_end(write, three, path, sql):
    """Else one statement takes the memory of every node, and again when they repeat their logs."""
    status, answer = write(sql, path=path)
    assert (status, answer["error"]["sqlite"]) == (422, 18), answer
    three.wait_equal()  # those that follow make it too; a busy machine elects another leader meanwhile
    assert write("SELECT 1")[0] == 200
    assert all(process.poll() is None for process in three.running.values())


@pytest.mark.parametrize("sql", ["VACUUM INTO '{}'", "SELECT file FROM wf_fleet('/etc/*')", "ATTACH '{}' AS x", "EXPLAIN PRAGMA query_only = 0", "SELECT 1; PRAGMA query_only = 0"])
def test_a_read_reaches_no_other_file(write, tmp_path, sql):
    target = tmp_path / "reached.db"
    status, answer = write(sql.format(target), path="/read")
    assert (status, answer["error"]["sqlite"]) == (422, 23), answer
    assert not target.exists()


def test_a_write_whose_answer_is_too_long_stands_not_at_all(write):
    """And is not one whose fate is unknown: as JSON its answer is longer than the value that it travels in."""
    write("CREATE TABLE IF NOT EXISTS long(x)")
    for sql in ("INSERT INTO long VALUES(zeroblob(60000000)) RETURNING x", "INSERT INTO long VALUES(cast(zeroblob(12000000) AS TEXT)) RETURNING x", "INSERT INTO long SELECT zeroblob(60000000)"):
        status, answer = write(sql, "SELECT x FROM long")
        assert (status, answer["error"].get("sqlite")) == (422, 18), answer
    assert write("SELECT count(*) FROM long")[1]["results"][0]["rows"] == [[0]]


def raw(three, body):
    request = urllib.request.Request(three.url(three.leader()) + "/write", body, {"Authorization": f"Bearer {three.token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text


def test_a_request_that_grows_in_the_log_is_refused(write, three):
    """Of 4 MB when it is read, and of 15 as it is written down: longer than a file of the log, which its writer does not survive."""
    status, answer = raw(three, b'{"statements": [["SELECT ?", [' + b",".join([b"1e15"] * 800_000) + b"]]]}")
    assert status == 413 and "bytes in the log" in answer["error"]["message"], answer
    assert write("SELECT 1")[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"null", b"[" * 100_000, b'{"statements": ["SELECT \\ud800"]}', b'{"statements": [["SELECT ?", [1e999]]]}', b'{"statements": [null]}'])
def test_what_is_no_json_is_said(three, body):
    status, answer = raw(three, body)
    assert status == 400 and answer["error"]["code"] == "BAD_REQUEST", answer


def test_a_request_that_is_too_long_is_refused(write, three):
    try:
        status, _ = raw(three, b'{"statements": ["SELECT 1' + b" " * (5 << 20) + b'"]}')
        assert status == 413
    except urllib.error.URLError as error:  # it hangs up on what it does not read, which may come before its answer
        assert isinstance(error.reason, (BrokenPipeError, ConnectionResetError)), error
    assert write("SELECT 1")[0] == 200


def test_clients_that_say_nothing_hold_up_nobody(write, three):
    """Connections whose request never comes to its end."""
    port = three.ports[three.leader()]
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    try:
        for number, each in enumerate(slow):
            each.sendall(b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Bearer " + three.token.encode() + (b"\r\n\r\n{" if number % 2 else b""))
        assert write("SELECT 1")[0] == 200
        assert three.ask(three.leader(), "/read", {"statements": ["SELECT 1"]})[0] == 200
    finally:
        for each in slow:
            each.close()


def test_all_nodes_have_the_same(three):
    three.wait_equal()
    assert len({three.digest(node) for node in three.ports}) == 1
