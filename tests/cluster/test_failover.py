"""Nodes are killed while they lead: what was acknowledged is there, once, on all nodes."""

import importlib.util
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

DEEP = bool(os.environ.get("WFEXT_DEEP"))


def demo():
    """cluster/demo.py. (Another demo may be imported already.)"""
    path = Path(__file__).resolve().parents[2] / "cluster" / "demo.py"
    spec = importlib.util.spec_from_file_location("demo_of_the_cluster", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def played(binary, tmp_path, **given):
    result = demo().run(binary, tmp_path / "demo", workers=8, **given)
    print(json.dumps(result))
    assert result["lost"] == 0 and result["done twice"] == 0 and result["rows without record"] == 0, result
    assert result["equal"], result["digests"]
    assert result["acknowledged"] == 5 * given["workflows"]  # a start, three steps, an end


def test_leaders_are_killed_and_one_node_is_rebuilt(binary, tmp_path):
    played(binary, tmp_path, workflows=500, kills=3)


def test_all_nodes_are_killed_at_once(binary, tmp_path):
    played(binary, tmp_path, workflows=60, kills=0, all_at_once=2, rebuild=False)


@pytest.mark.skipif(not DEEP, reason="only in the deep run: 5,000 workflows and 30 kills")
def test_the_deep_run(binary, tmp_path):
    played(binary, tmp_path, workflows=5000, kills=30, all_at_once=3, patience=7200)


def put(nodes, node, key, patience=60):
    """A write that a node accepts; it is the only one of its key."""
    until = time.monotonic() + patience
    while True:
        status, answer = nodes.ask(node, "/write", {"statements": [["REPLACE INTO kept VALUES(?)", [key]]]}, timeout=20)
        if status == 200:
            return
        assert time.monotonic() < until, (status, answer)
        time.sleep(0.02)


def with_a_table(nodes, keys=0, columns="x PRIMARY KEY"):
    """The leader, and another node: nodes that have a table `kept`, with so many keys."""
    leader = nodes.leader()
    status, answer = nodes.ask(leader, "/write", {"statements": [f"CREATE TABLE kept({columns})"]})
    assert status == 200, answer
    for number in range(keys):
        put(nodes, leader, number)
    return leader, next((node for node in nodes.ports if node != leader), None)


def test_a_leader_that_says_nothing_is_replaced(fresh):
    """Its machine is gone without a word: connections to it stay open, and hiqlite's own client would wait for 35 s."""
    nodes = fresh().start().wait_healthy()
    leader, _ = with_a_table(nodes)
    put(nodes, leader, 1)
    nodes.freeze(leader)
    begun = time.monotonic()
    process = nodes.running.pop(leader)
    try:
        new = nodes.leader()
        put(nodes, new, 2)
        took = time.monotonic() - begun
    finally:
        nodes.running[leader] = process
        nodes.thaw(leader)
    nodes.wait_healthy().wait_equal()
    assert nodes.ask(leader, "/read?level=local", {"statements": ["SELECT x FROM kept ORDER BY x"]})[1]["results"][0]["rows"] == [[1], [2]]
    assert len({nodes.digest(node) for node in nodes.ports}) == 1
    assert took < 30, f"a write was accepted {took:.1f} s later: it waited for hiqlite's client"


def test_a_client_gives_a_leader_up_that_says_nothing(fresh):
    """Once another one leads: its own time for an answer is far longer. So does a write that may not be repeated, and says so."""
    from wfext.cluster import OutcomeUnknown

    nodes = fresh().start().wait_healthy()
    cluster, other = nodes.cluster(timeout=300, patience=300), nodes.cluster(timeout=300, patience=300)
    cluster.write([["CREATE TABLE kept(x PRIMARY KEY)"]])
    other.read([["SELECT * FROM kept"]])
    leader = nodes.leader()
    nodes.freeze(leader)
    process = nodes.running.pop(leader)
    begun = time.monotonic()
    try:
        cluster.write([["REPLACE INTO kept VALUES(1)"]], repeat=True)
        with pytest.raises(OutcomeUnknown, match="does not answer, and .* leads"):
            other.write([["REPLACE INTO kept VALUES(2)"]])
        took = time.monotonic() - begun
    finally:
        nodes.running[leader] = process
        nodes.thaw(leader)
    assert took < 120, f"{took:.1f} s: it waited for an answer of a machine that is gone"
    cluster.close()
    other.close()


def test_a_client_waits_for_a_leader_that_is_slow(three):
    """Others are asked meanwhile, and say that it leads: nothing is given up, and nothing sent again."""
    cluster = three.cluster(timeout=300)
    asked = []
    leads_instead = cluster._leads_instead
    cluster._leads_instead = lambda node: asked.append(leads_instead(node)) or asked[-1]
    cluster.write([["CREATE TABLE slow(n)"]])
    rows = 1_000_000
    while not asked:
        rows *= 2
        sql = "INSERT INTO slow WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT max(i) FROM n"
        cluster.write([[sql, [rows]]])
    assert set(asked) == {None}
    assert cluster.read([["SELECT count(*), max(n) FROM slow GROUP BY n HAVING count(*) > 1"]])[0].rows == []
    cluster.close()


def test_without_a_majority_nothing_is_written(fresh):
    nodes = fresh(timeout=1000).start().wait_healthy()
    leader, _ = with_a_table(nodes)
    others = [node for node in nodes.ports if node != leader]
    nodes.kill(*others)
    status, answer = nodes.ask(leader, "/write", {"statements": ["INSERT INTO kept VALUES(1)"]})
    assert status == 503, answer  # unknown, as it may yet come through; or none, where it knows that it leads no more
    status, answer = nodes.ask(leader, "/read?level=strong", {"statements": ["SELECT 1"]})
    assert status == 503, answer
    assert nodes.ask(leader, "/read?level=local", {"statements": ["SELECT count(*) FROM kept"]})[1]["results"][0]["rows"] == [[0]]
    nodes.start(*others)
    nodes.wait_healthy()
    put(nodes, nodes.leader(), 2)
    nodes.wait_equal()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_an_answered_write_is_on_the_disk_of_a_majority(fresh, tmp_path):
    """What kill -9 cannot show: between a request and its answer at least two nodes have had the disk write down what they wrote into the log."""
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("strace is not installed (scripts/setup.sh cluster)")
    nodes = fresh().start().wait_healthy()
    leader, _ = with_a_table(nodes, columns="x")
    nodes.wait_equal()
    tracers = {}
    for node, process in nodes.running.items():
        log = tmp_path / f"trace-{node}"
        command = [tracer, "-f", "-y", "-ttt", "-e", "trace=msync,fsync,fdatasync", "-o", str(log), "-p", str(process.pid)]
        tracers[node] = (subprocess.Popen(command, stderr=subprocess.PIPE, text=True), log)
        assert "attached" in tracers[node][0].stderr.readline()
    spans = []
    for number in range(20):
        begun = time.time()
        status, answer = nodes.ask(leader, "/write", {"statements": [["INSERT INTO kept VALUES(?)", [number]]]}, timeout=60)
        spans.append((begun, time.time()))
        assert status == 200, answer
    for tracing, _ in tracers.values():
        tracing.terminate()
        tracing.wait()
    synced = {node: sorted(float(line.split()[1]) for line in log.read_text().splitlines() if is_sync(line)) for node, (_, log) in tracers.items()}
    for begun, ended in spans:
        on_disk = [node for node, times in synced.items() if any(begun <= at <= ended for at in times)]
        assert len(on_disk) >= 2, (begun, ended, synced)


def is_sync(line):
    """A call that has the disk write: begun and ended in one line, or its end."""
    if "unfinished" in line or "= 0" not in line:
        return False
    return "msync" in line and ("MS_SYNC" in line or "resumed" in line) or "fdatasync" in line or "fsync" in line


def test_a_node_that_is_far_behind_gets_a_snapshot(fresh):
    """More than once: hiqlite's log does not survive it in the process that got it, which then begins anew in its own place."""
    nodes = fresh(snapshot=100).start().wait_healthy()
    leader, behind = with_a_table(nodes)
    for turn in range(3):
        nodes.kill(behind)
        for number in range(350):
            put(nodes, leader, turn * 1000 + number)
        nodes.start(behind).wait_healthy().wait_equal()
        put(nodes, leader, turn * 1000 + 999)
        nodes.wait_equal()
        assert nodes.ask(behind, "/read?level=local", {"statements": ["SELECT count(*) FROM kept"]})[1]["results"][0]["rows"] == [[(turn + 1) * 351]]
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_a_node_whose_raft_ends_while_it_joins_begins_anew(fresh):
    """As after a snapshot that came in the meantime: the reader of the log has a file with nothing in it before it, Raft ends, and hiqlite would ask its numbers for ever."""
    nodes = fresh().start().wait_healthy()
    _, joining = with_a_table(nodes, keys=20)
    nodes.kill(joining)
    nodes.wipe(joining)
    nodes.start(joining)
    log = nodes.data(joining) / "logs" / "0000000000000001.wal"
    until = time.monotonic() + 60
    while not log.exists() or log.stat().st_size == 0:
        assert time.monotonic() < until, nodes.log(joining).read_text()[-2000:]
        time.sleep(0.001)
    other = log.with_suffix(".other")
    other.write_bytes(bytes(log.stat().st_size))
    other.replace(log)  # the writer has the one that was there, and the reader opens this one when there is something to read
    nodes.wait_healthy(joining).wait_equal()
    assert "wfext-node: begins anew" in nodes.log(joining).read_text()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_a_node_that_is_killed_while_it_joins_gets_its_vote(fresh):
    """hiqlite makes a learner of it, and later a voter; in between it is a member, and would stay one without a vote."""
    nodes = fresh().start().wait_healthy()
    leader = nodes.leader()
    joining = next(node for node in nodes.ports if node != leader)
    nodes.kill(joining)
    nodes.wipe(joining)
    nodes.start(joining)

    def voter():
        return {member["id"]: member["voter"] for member in nodes.ask(leader, "/cluster")[1]["members"]}.get(joining)

    until = time.monotonic() + 60
    while voter() is not False:
        assert time.monotonic() < until, nodes.log(joining).read_text()[-2000:]
        time.sleep(0.005)
    while not has_entries(nodes, joining):  # else it joins from the beginning
        assert time.monotonic() < until
        time.sleep(0.005)
    nodes.kill(joining)
    assert voter() is False
    nodes.start(joining).wait_healthy(joining).wait_equal()
    assert voter() is True


def has_entries(nodes, node):
    return any(True for log in (nodes.data(node) / "logs").glob("*.wal") for _ in entries(log))


def test_a_leader_that_has_not_yet_read_its_log_says_nothing(fresh):
    """What was answered before is there at the first answer of a read at the leader, though it leads before it has repeated its log."""
    nodes = fresh(1).start().wait_healthy()
    with_a_table(nodes)
    slow = "INSERT INTO kept WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT ? + 0 * max(i) FROM n"
    for number in range(6):
        status, answer = nodes.ask(1, "/write", {"statements": [[slow, [number]]]}, timeout=60)
        assert status == 200, answer
    nodes.kill(1)
    nodes.start()
    until = time.monotonic() + 120
    refused = 0
    while True:
        status, answer = nodes.ask(1, "/read", {"statements": ["SELECT count(*) FROM kept"]})
        if status == 200 or status == 422:
            break
        refused += status == 503
        assert time.monotonic() < until, (status, answer)
        time.sleep(0.005)
    assert status == 200 and answer["results"][0]["rows"] == [[6]], answer
    assert refused > 0, "it had read its log before it was asked"


def checksum(data):
    """CRC-32 as POSIX's cksum has it, but for the length."""
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def entries(log):
    """Of a file of the log: place, number and content of each."""
    data = log.read_bytes()
    at, end = int.from_bytes(data[24:28], "big"), int.from_bytes(data[28:32], "big")
    while at < end:
        length = int.from_bytes(data[at + 12 : at + 16], "big")
        yield at, int.from_bytes(data[at : at + 8], "big"), data[at + 16 : at + 16 + length]
        at += 17 + length


def test_a_log_whose_end_cannot_be_read_ends_no_node_silently(fresh):
    """The thread that reads the log panics, and Raft with it: nobody is told but by the panic."""
    nodes = fresh().start().wait_healthy()
    _, broken = with_a_table(nodes, keys=20)
    nodes.wait_equal()
    nodes.kill(broken)
    [log] = sorted((nodes.data(broken) / "logs").glob("*.wal"))
    at, _, content = list(entries(log))[-1]
    with open(log, "r+b") as file:
        file.seek(at)
        file.write(bytes(16 + len(content)))
    (nodes.data(broken) / "logs" / "lock.hql").unlink()  # as if it had been closed: what is closed is not looked through
    nodes.start(broken).wait_healthy().wait_equal()
    assert "begins anew" in nodes.log(broken).read_text()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_entries_that_were_taken_back_do_not_return(fresh):
    """A leader's entries that no majority had are overwritten by those of the next one; behind these, the rest of them is still in the file, and a killed node finds it."""
    nodes = fresh().start().wait_healthy()
    leader, _ = with_a_table(nodes)
    put(nodes, leader, "once")
    nodes.wait_equal()
    nodes.kill(leader)
    nodes.leader()
    nodes.start(leader).wait_healthy()
    put(nodes, nodes.leader(), "later")
    nodes.wait_equal()
    node = next(node for node in nodes.ports if node != nodes.leader())
    nodes.kill(node)
    [log] = sorted((nodes.data(node) / "logs").glob("*.wal"))
    found = list(entries(log))
    at, last, content = found[-1]
    assert checksum(content) == log.read_bytes()[at + 8 : at + 12]
    [(number, old)] = [(number, content) for _, number, content in found if b"once" in content]
    assert int.from_bytes(old[:8], "little") < int.from_bytes(content[:8], "little"), "the terms are where they are looked for"
    taken_back = old.replace(number.to_bytes(8, "little"), (last + 1).to_bytes(8, "little"))
    assert taken_back != old
    with open(log, "r+b") as file:
        file.seek(at + 17 + len(content))
        file.write((last + 1).to_bytes(8, "big") + checksum(taken_back) + len(taken_back).to_bytes(4, "big") + taken_back)
    before = nodes.log(node).stat().st_size
    nodes.start(node).wait_healthy().wait_equal()
    said = nodes.log(node).read_bytes()[before:].decode()
    assert "they were taken back" in said and "Found unexpected, valid WAL record" not in said, said
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


@pytest.mark.parametrize("content", [b"", bytes(4096)], ids=["empty", "without a header"])
def test_a_file_of_the_log_that_was_being_made(fresh, content):
    """hiqlite passes it over, and the log ends for good where it would be made."""
    nodes = fresh(1).start().wait_healthy()
    with_a_table(nodes, columns="x")
    nodes.kill(1)
    [log] = sorted((nodes.data(1) / "logs").glob("*.wal"))
    log.with_name(f"{int(log.stem) + 1:016}.wal").write_bytes(content)
    nodes.start().wait_healthy()
    long = "x" * 1_500_000  # more than a file
    for _ in range(8):
        status, answer = nodes.ask(1, "/write", {"statements": [["INSERT INTO kept VALUES(?)", [long]]]}, timeout=60)
        assert status == 200, answer
    assert "begins anew" not in nodes.log(1).read_text()
    assert len(sorted((nodes.data(1) / "logs").glob("*.wal"))) > 1


def test_a_second_process_of_a_node_takes_nothing_away(fresh):
    """It found the log locked, took it for broken, and put the folder of the one that runs aside."""
    nodes = fresh().start().wait_healthy()
    first = nodes.running[2]
    nodes.start(2)
    try:
        assert nodes.running[2].wait(60) == 1
    finally:
        nodes.running[2] = first
    assert "another process has" in nodes.log(2).read_text()
    assert nodes.data(2).exists() and not (nodes.folder / "node-2.broken").exists()
    assert first.poll() is None
    with_a_table(nodes, columns="x")
    nodes.wait_equal()


def test_node_1_begins_no_second_cluster(fresh):
    """Its disk is lost, and the node that hiqlite asks does not answer."""
    nodes = fresh().start().wait_healthy()
    with_a_table(nodes)
    nodes.wait_equal()
    nodes.kill(1, 2)
    nodes.wipe(1)
    nodes.start(1)
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:  # 3 knows that there is a cluster, and alone it cannot take node 1 in
        status, answer = nodes.ask(1, "/health", timeout=1)
        assert status != 200, answer
        time.sleep(0.1)
    nodes.start(2)
    nodes.wait_healthy(patience=240).wait_equal()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def garble(nodes, node):
    """Takes an entry out of the middle of its log, which leaves a gap in the numbers."""
    [log] = sorted((nodes.data(node) / "logs").glob("*.wal"))
    data = bytearray(log.read_bytes())
    at = 32  # behind the header: number, checksum, length, content, a byte between
    for _ in range(10):
        at += 17 + int.from_bytes(data[at + 12 : at + 16], "big")
    size = 17 + int.from_bytes(data[at + 12 : at + 16], "big")
    assert 17 < size < 10_000
    with open(log, "r+b") as file:
        file.seek(at)
        file.write(data[at + size :])


def test_a_node_whose_log_is_broken_begins_from_the_others(fresh):
    nodes = fresh().start().wait_healthy()
    _, broken = with_a_table(nodes, keys=20)
    nodes.wait_equal()
    nodes.kill(broken)
    garble(nodes, broken)
    nodes.start(broken).wait_healthy().wait_equal()
    assert "begins anew from the others" in nodes.log(broken).read_text()
    assert (nodes.folder / f"node-{broken}.broken" / "logs").exists()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1


def test_a_broken_log_is_kept_where_no_other_node_leads(fresh):
    """It may be the last one."""
    nodes = fresh(1).start().wait_healthy()
    with_a_table(nodes, keys=20)
    nodes.kill(1)
    garble(nodes, 1)
    before = sorted((nodes.data(1) / "logs").glob("*.wal"))
    nodes.start(1)
    assert nodes.running[1].wait(60) == 1
    assert "it keeps what it has" in nodes.log(1).read_text()
    assert sorted((nodes.data(1) / "logs").glob("*.wal")) == before and not (nodes.folder / "node-1.broken").exists()


def test_readers_and_writers_at_once(fresh):
    """Long polls and reads do not hold up the log."""
    nodes = fresh().start().wait_healthy()
    leader = nodes.leader()
    over = threading.Event()
    trouble = []

    def keep(path, body, node):
        while not over.is_set():
            status, answer = nodes.ask(node, path, body, timeout=60)
            if status != 200:
                trouble.append(answer)
                return

    threads = [threading.Thread(target=keep, args=("/wait", {"timeout": 0.2, "options": {"queue": "none"}}, node)) for node in nodes.ports for _ in range(3)]
    threads += [threading.Thread(target=keep, args=("/read?level=local", {"statements": ["SELECT count(*) FROM wf_workflows"]}, node)) for node in nodes.ports]
    for thread in threads:
        thread.start()
    for number in range(50):
        given = json.dumps({"id": f"w{number}", "now": time.time()})
        status, answer = nodes.ask(leader, "/write", {"statements": [["SELECT wf_start('job', NULL, ?)", [given]]]}, timeout=60)
        assert status == 200, answer
    over.set()
    for thread in threads:
        thread.join()
    assert trouble == []
    nodes.wait_equal()
    assert len({nodes.digest(node) for node in nodes.ports}) == 1
