"""wf_sync against a socket that answers as Litestream does, and as it never would. It is never a success by mistake."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import extension_path, open_database, wf_error
from support.control_socket import HANG_UP, Never, Pause, chunks, http


def sync(db, server, timeout=20, **options):
    return json.loads(db.wf_sync(timeout, socket=getattr(server, "path", server), **options))


def never(*_):
    raise Never


def synced(request, txid=7, replicated=7, **more):
    return {"status": "synced", "path": request["body"]["path"], "txid": txid, "replicated_txid": replicated, **more}


# What it asks, and what it says -------------------------------------------------------------------------------------------


def test_it_asks_for_the_file_and_says_what_was_reached(db, listen, tmp_path):
    server = listen((7, 7))
    done = sync(db, server, 30)
    assert {**done, "ms": 0} == {"txid": 7, "replicated_txid": 7, "ms": 0, "calls": 1}
    assert 0 < done["ms"] < 30_000
    assert [r["what"] for r in server.requests] == ["GET /info", "POST /sync"]
    assert server.asked == [{"path": os.path.realpath(tmp_path / "test.db"), "wait": True, "timeout": 29}]


def test_the_result_is_json_text_with_four_keys(db, listen):
    server = listen((7, 9))
    text = db.wf_sync(5, socket=server.path)
    assert list(json.loads(text)) == ["txid", "replicated_txid", "ms", "calls"]
    assert db.value("SELECT json_extract(wf_sync(5, ?), '$.replicated_txid')", json.dumps({"socket": server.path})) == 9


def test_no_change_is_a_success_too(db, listen):
    assert sync(db, listen(lambda request, _: synced(request, status="no_change")))["txid"] == 7


def test_the_first_txid_is_the_target_and_later_ones_are_others(db, listen):
    """The txid is read after the copy was made: it may cover what others have committed since, and grow with every answer."""
    server = listen((10, 8), (12, 9), (15, 11), (20, 12))
    done = sync(db, server)
    assert (done["txid"], done["replicated_txid"], done["calls"]) == (10, 11, 3)


def test_a_replica_that_never_gets_there_is_a_time_out(db, listen):
    server = listen((10, 9))
    with wf_error("WF_STATE", "the time is over", "txid 10", "had 9", server.path):
        sync(db, server, 0.4)
    assert len(server.asked) > 3


def test_the_timeout_is_in_fractions_though_litestream_takes_whole_seconds(db, listen):
    server = listen(never)
    for timeout, asked in ((0.3, 1), ("250ms", 1)):
        before = time.monotonic()
        with wf_error("WF_STATE", "the time is over"):
            db.wf_sync(timeout, socket=server.path)
        assert time.monotonic() - before >= 0.2
        assert server.asked[-1]["timeout"] == asked
    server.syncs = [(1, 1)]
    for timeout, asked in ((2.5, 2), (5, 4), ("1m", 59), (None, 29), ("300000d", 3650 * 86400 - 1)):
        sync(db, server, timeout)
        assert server.asked[-1]["timeout"] == asked


@pytest.mark.parametrize("timeout", [0, -1, "soon", "", b"5", 1e300])
def test_a_timeout_is_a_duration_above_0(db, listen, timeout):
    with wf_error("WF_INVALID", "timeout"):
        sync(db, listen(), timeout)


def test_options_come_last(db, listen):
    options = json.dumps({"socket": listen((3, 3)).path})
    with wf_error("WF_INVALID", "they come last"):
        db.value("SELECT wf_sync(?)", options)
    assert json.loads(db.value("SELECT wf_sync(NULL, ?)", options))["txid"] == 3


def test_numbers_may_be_large(db, listen):
    assert sync(db, listen((2**62, 2**62)))["txid"] == 2**62


def test_each_call_has_a_connection_of_its_own_and_leaves_none(db, listen):
    server = listen((7, 7))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(20):
        sync(db, server)
    for answer in (500, http(200, b"{"), HANG_UP):
        server.syncs = [answer]
        with wf_error("WF_STATE"):
            sync(db, server)
    deadline = time.monotonic() + 20
    while any(thread.is_alive() for thread in server.threads) and time.monotonic() < deadline:
        time.sleep(0.01)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


# Settings -----------------------------------------------------------------------------------------------------------------


def test_socket_and_path_are_kept_by_the_file(db, connect, listen):
    server = listen((7, 7))
    assert (db.wf_config("sync_socket"), db.wf_config("sync_path")) == (None, None)
    assert db.wf_config("sync_socket", server.path) == server.path
    assert db.wf_config("sync_path", "/data/app.db") == "/data/app.db"
    other = connect()
    other.execute("PRAGMA synchronous = full")
    assert json.loads(other.wf_sync())["txid"] == 7
    assert server.asked[-1]["path"] == "/data/app.db"
    assert sync(other, server, path="/data/other.db")["txid"] == 7
    assert server.asked[-1]["path"] == "/data/other.db"
    assert db.wf_check() is None
    assert db.wf_config("sync_path", None) is None
    sync(db, server)
    assert server.asked[-1]["path"].endswith("test.db")


def test_a_copy_of_the_file_is_not_taken_for_the_original(db, connect, listen, tmp_path):
    """It has the setting, too: an answer for the original says nothing of it."""
    server = listen((7, 7))
    db.wf_config("sync_path", str(tmp_path / "test.db"))
    assert sync(db, server)["txid"] == 7
    db.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    copy = connect(tmp_path / "copy.db")
    copy.execute("PRAGMA synchronous = full")
    asked = len(server.asked)
    with wf_error("WF_STATE", "another file", "test.db", "copy.db"):
        sync(copy, server)
    with wf_error("WF_STATE", "another file"):
        sync(copy, server, path=str(tmp_path / "test.db"))
    assert len(server.asked) == asked
    copy.wf_config("sync_path", None)
    sync(copy, server)
    assert server.asked[-1]["path"].endswith("copy.db")


@pytest.mark.parametrize("key", ["sync_socket", "sync_path"])
@pytest.mark.parametrize("value", ["relative/path", "", 5, b"/x", "/" + "x" * 255])
def test_settings_are_absolute_paths(db, key, value):
    with wf_error("WF_INVALID", key):
        db.wf_config(key, value)
    assert db.wf_config(key) is None


@pytest.mark.parametrize("key", ["sync_socket", "sync_path"])
@pytest.mark.parametrize("value", ["'x'", "''", "5", "x'2f78'", "NULL"])
def test_a_setting_by_hand_that_is_no_path_is_found(db, listen, key, value):
    server = listen((7, 7))
    db.execute(f"INSERT INTO _wf_meta VALUES ('{key}', {value})")
    assert key in db.wf_check()
    if value == "'x'":  # what is no text is as if it were not there
        with wf_error("WF_INVALID", key.removeprefix("sync_"), "'x'"):
            db.wf_sync(0.1)
    assert sync(db, server, path="/data/app.db")["txid"] == 7


def test_options_are_absolute_paths(db, listen):
    for options in ({"socket": "s"}, {"socket": listen().path, "path": "test.db"}):
        with wf_error("WF_INVALID", "sync_" + list(options)[-1], list(options.values())[-1]):
            db.wf_sync(1, **options)


def test_a_path_of_108_bytes_is_none_of_a_socket(db):
    with wf_error("WF_INVALID", "107"):
        db.wf_sync(1, socket="/" + "x" * 107)


def test_a_path_with_quotes_and_umlauts_is_asked_for_as_it_is(connect, listen, tmp_path):
    db = connect(tmp_path / 'a "b" \\ ü.db')
    db.execute("PRAGMA synchronous = full")
    server = listen((7, 7))
    sync(db, server)
    assert server.asked[0]["path"].endswith('/a "b" \\ ü.db')


def test_it_needs_none_of_our_tables_and_makes_none(connect, listen, tmp_path):
    db = connect(tmp_path / "plain.db")
    db.execute("CREATE TABLE app(v)")
    assert sync(db, listen((7, 7)))["txid"] == 7
    assert db.column("SELECT name FROM sqlite_master") == ["app"]


# Refusals -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["OFF", "NORMAL"])
def test_below_full_it_is_refused_unless_allowed(db, listen, mode):
    server = listen((7, 7))
    db.execute(f"PRAGMA synchronous = {mode}")
    with wf_error("WF_STATE", "synchronous", "FULL", "allow_normal"):
        sync(db, server)
    assert server.requests == []
    assert sync(db, server, allow_normal=True)["txid"] == 7


def test_extra_is_more_than_full(db, listen):
    db.execute("PRAGMA synchronous = EXTRA")
    assert sync(db, listen((7, 7)))["txid"] == 7


@pytest.mark.parametrize("version", ["0.5.17", "v0.5.17", "0.4.99", "v0.3.13", "(development build)", "(development build 0123abcd)", "", "x", "0.5", "0..18"])
def test_an_older_litestream_is_refused(db, listen, version):
    server = listen((7, 7), info=version)
    with wf_error("WF_STATE", version) as caught:
        sync(db, server)
    assert ("0.5.18" in caught.text) == (version != "")
    assert server.asked == []


@pytest.mark.parametrize("version", ["0.5.18", "v0.5.18", "0.5.19", "0.6.0", "1.0.0", "v0.5.18-rc1", "0.10.1", "v0.5.19-0.20260901-abcdef", "2026.11.0"])
def test_a_newer_one_is_not(db, listen, version):
    assert sync(db, listen((7, 7), info=version))["txid"] == 7


HINT = "socket: {enabled: true, path: ...}"


def test_no_socket(db, tmp_path):
    with wf_error("WF_STATE", "/nowhere/litestream.sock", "No such file", HINT, "wf_config('sync_socket', ...)", "docs/replication.md"):
        db.wf_sync(1, socket="/nowhere/litestream.sock")


def test_the_default_is_that_of_litestream(db):
    if os.path.exists("/var/run/litestream.sock"):
        pytest.fail("a Litestream runs here")
    with wf_error("WF_STATE", "/var/run/litestream.sock"):
        db.wf_sync(1)


def test_nobody_behind_the_socket(db, listen):
    server = listen()
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(server.path + "2")  # and does not listen
        with wf_error("WF_STATE", server.path + "2", "refused", HINT):
            db.wf_sync(1, socket=server.path + "2")


def test_a_file_that_is_no_socket(db, tmp_path):
    (tmp_path / "f").write_text("")
    with wf_error("WF_STATE", str(tmp_path / "f")):
        db.wf_sync(1, socket=str(tmp_path / "f"))


OTHERS = {
    "another server's 404": http(404, b"404 page not found\n"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "no version": http(200, {"name": "docker"}),
    "version is a number": http(200, {"version": 5}),
    "a list": http(200, []),
    "garbage": http(200, b"\xff\xfe{{{"),
    "nothing": http(200, b""),
    "an endless one": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
}


@pytest.mark.parametrize("info", OTHERS.values(), ids=OTHERS)
def test_something_else_behind_the_socket(db, listen, info):
    server = listen((7, 7), info=info)
    with wf_error("WF_STATE", "something else", server.path) as caught:
        sync(db, server)
    assert server.asked == [] and HINT not in caught.text


def test_a_database_that_is_not_registered_is_named(db, listen, tmp_path):
    server = listen(404)
    before = time.monotonic()
    with wf_error("WF_STATE", "does not replicate", "test.db", "error 404 of Litestream"):
        sync(db, server)
    assert time.monotonic() - before >= 1.5
    assert len(server.asked) > 5


@pytest.mark.parametrize("first", [404, 409])
def test_one_that_is_just_being_registered_is_waited_for(db, listen, first):
    server = listen(first, first, first, (7, 7))
    assert sync(db, server)["calls"] == 4


def test_an_unreachable_replica_says_what_litestream_says(db, listen):
    server = listen(http(500, {"error": "sync database: operation error S3: PutObject, connection refused"}))
    with wf_error("WF_STATE", "cannot bring to the replica", "operation error S3"):
        sync(db, server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 405, 429, 501, 503, 999])
def test_no_other_status_is_a_success(db, listen, status):
    for body in ({"status": "synced", "path": "x", "txid": 1, "replicated_txid": 1}, {"error": "words"}, b"", b"<html>"):
        with wf_error("WF_STATE"):
            sync(db, listen(http(status, body)))


def test_in_a_transaction_it_is_refused(db, listen):
    server = listen((7, 7))
    for begin in ("BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT s"):
        db.execute(begin)
        with wf_error("WF_CONTEXT", "COMMIT"):
            sync(db, server)
        db.execute("ROLLBACK")
    assert server.requests == []


def test_inside_a_writing_statement_it_is_refused(db, listen):
    db.execute("CREATE TABLE app(v)")
    with wf_error("WF_CONTEXT", "wf_sync"):
        db.execute("INSERT INTO app SELECT wf_sync(5, ?)", (json.dumps({"socket": listen((7, 7)).path}),))


def test_where_machines_repeat_the_calls_it_is_refused(db, connect, listen):
    server = listen((7, 7))
    db.wf_config("clock", "explicit")
    with wf_error("WF_CONTEXT", "wf_sync", "explicit"):
        sync(db, server)
    db.execute("PRAGMA query_only = ON")
    assert sync(db, server)["txid"] == 7


def test_not_from_triggers_and_views(db, listen):
    db.execute("CREATE VIEW v AS SELECT wf_sync()")
    with pytest.raises(sqlite3.OperationalError, match="unsafe use of wf_sync"):
        db.execute("SELECT * FROM v")


def test_a_database_in_memory_has_no_path(memdb, listen):
    with wf_error("WF_INVALID", "sync_path"):
        sync(memdb, listen((7, 7)))
    assert sync(memdb, listen((7, 7)), path="/data/it.db")["txid"] == 7


# Answers ------------------------------------------------------------------------------------------------------------------


def good(request, **options):
    return http(200, synced(request), **options)


def in_chunks(request, size, **options):
    body = json.dumps(synced(request)).encode()
    head = b"HTTP/1.1 200 OK\r\ntransfer-ENCODING:  Chunked\r\n\r\n"
    return head + chunks(*[body[i:i + size] for i in range(0, len(body), size)], **options)


SOUND = {
    "as Go writes it": good,
    "in one chunk": lambda r: in_chunks(r, 10_000),
    "a byte in each chunk": lambda r: in_chunks(r, 1),
    "chunks with extensions and a trailer": lambda r: in_chunks(r, 9, extension=' ; a="b"', trailer="X-Sum: 1\r\n"),
    "HTTP/1.0, to the end": lambda r: b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(synced(r)).encode(),
    "HTTP/1.1 without a length, to the end": lambda r: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps(synced(r)).encode(),
    "a byte at a time": lambda r: [b"%c" % byte for byte in good(r)],
    "slowly": lambda r: [part for byte in good(r)[::1] for part in (b"%c" % byte, Pause(0.001))],
    "split in the middle of the head's end": lambda r: [good(r).partition(b"\r\n\r\n")[0] + b"\r\n\r", Pause(0.05), b"\n" + good(r).partition(b"\r\n\r\n")[2]],
    "split within a chunk's length": lambda r: [in_chunks(r, 20)[:57], Pause(0.05), in_chunks(r, 20)[57:]],
    "headers in capitals": lambda r: http(200, synced(r), headers=["CONTENT-LENGTH: %d" % (len(json.dumps(synced(r))) + 1)]),
    "more than its length": lambda r: good(r) + b"HTTP/1.1 500 garbage",
    "and the connection stays open": lambda r: [good(r), Pause(60)],
    "with keys that nobody knows": lambda r: http(200, synced(r, later={"txid": 1, "error": "x"}, lag=[1, 2])),
}


@pytest.mark.parametrize("answer", SOUND.values(), ids=SOUND)
def test_a_sound_answer_is_read(db, listen, answer):
    server = listen(lambda request, _: answer(request), info=lambda *_: http(200, {"version": "0.5.18"}))
    assert (sync(db, server)["txid"], len(server.asked)) == (7, 1)


def test_info_may_come_in_chunks_too(db, listen):
    info = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b'{"vers', b'ion":"v0.5', b'.18"}')
    assert sync(db, listen((7, 7), info=info))["txid"] == 7


def cut(request, at):
    data = good(request)
    return data[:at if at >= 0 else len(data) + at]


BROKEN = {
    "nothing": lambda r: [],
    "half a status line": lambda r: cut(r, 10),
    "half the head": lambda r: cut(r, 40),
    "all but the last byte": lambda r: cut(r, -1),
    "half the body": lambda r: cut(r, -30),
    "hangs up": lambda r: HANG_UP,
    "chunks without an end": lambda r: in_chunks(r, 20)[:-5],
    "half a chunk": lambda r: in_chunks(r, 20)[:70],
    "a length that is none": lambda r: http(200, synced(r), headers=["Content-Length: 12x"]),
    "a negative length": lambda r: http(200, synced(r), headers=["Content-Length: -5"]),
    "an empty length": lambda r: http(200, synced(r), headers=["Content-Length:"]),
    "an enormous length": lambda r: http(200, synced(r), headers=["Content-Length: 99999999999999999999999"]),
    "a chunk's length that is none": lambda r: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + good(r),
    "a chunk that is longer than it says": lambda r: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + good(r),
    "an interim answer": lambda r: b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + good(r),
    "compressed": lambda r: http(200, synced(r), headers=["Transfer-Encoding: gzip"]),
    "a status that is none": lambda r: http("2x0", synced(r)),
    "no status": lambda r: b"HTTP/1.1 \r\n\r\n",
    "200 and garbage": lambda r: http(200, b"\x00\xff garbage"),
    "200 and nothing": lambda r: http(200, b""),
    "200 and half of JSON": lambda r: http(200, b'{"txid":7,"replicated_txid":7,"path":'),
    "200 and JSON with something behind it": lambda r: http(200, json.dumps(synced(r)).encode() + b" and so on"),
    "200 and a list": lambda r: http(200, [synced(r)]),
    "200 and null": lambda r: http(200, None),
    "no path": lambda r: http(200, {"txid": 7, "replicated_txid": 7}),
    "another path": lambda r: http(200, synced(r, path="/other.db")),
    "no txid": lambda r: http(200, {"path": r["body"]["path"], "replicated_txid": 7}),
    "a txid of 0": lambda r: http(200, synced(r, 0, 0)),
    "a negative txid": lambda r: http(200, synced(r, -5, -5)),
    "a txid in text": lambda r: http(200, synced(r, "7", "7")),
    "a txid that is half": lambda r: http(200, synced(r, 7.5, 7.5)),
    "a txid of null": lambda r: http(200, synced(r, None, None)),
    "a txid of true": lambda r: http(200, synced(r, True, True)),
    "a txid beyond all numbers": lambda r: http(200, synced(r, 10**30, 10**30)),
    "a negative replicated one": lambda r: http(200, synced(r, 7, -7)),
    "an error with 200": lambda r: http(200, {"error": "no"}),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_no_success(db, listen, answer):
    server = listen(lambda request, _: answer(request))
    with wf_error("WF_STATE", "it is not known", server.path):
        sync(db, server)
    assert len(server.asked) == 1


LAGGING = {
    "no replicated txid": {"txid": 7},
    "null": {"txid": 7, "replicated_txid": None},
    "text": {"txid": 7, "replicated_txid": "7"},
    "the one of before": {"txid": 7, "replicated_txid": 6},
}


@pytest.mark.parametrize("answer", LAGGING.values(), ids=LAGGING)
def test_without_a_replicated_txid_that_reaches_it_it_waits_to_the_end(db, listen, answer):
    server = listen(lambda request, _: {"path": request["body"]["path"], **answer})
    with wf_error("WF_STATE", "the time is over", "txid 7"):
        sync(db, server, 0.3)


SILENT = {
    "does not answer": never,
    "does not answer /info": None,
    "half the head, and then nothing": lambda r, _: [cut(r, 30), Pause(60)],
    "half the body, and then nothing": lambda r, _: [cut(r, -10), Pause(60)],
    "a byte now and then": lambda r, _: [part for byte in good(r) for part in (b"%c" % byte, Pause(5))],
}


@pytest.mark.parametrize("answer", SILENT.values(), ids=SILENT)
def test_who_is_silent_is_waited_for_until_the_time_is_over(db, listen, answer):
    server = listen(answer) if answer else listen(info=never)
    before = time.monotonic()
    with wf_error("WF_STATE", "the time is over"):
        sync(db, server, 0.4)
    assert time.monotonic() - before >= 0.4


def test_a_late_answer_is_waited_for(db, listen):
    server = listen(lambda request, _: [Pause(1), good(request)])
    assert sync(db, server)["ms"] >= 1000


def test_one_that_goes_between_two_answers(db, listen):
    server = listen((10, 5), HANG_UP)
    with wf_error("WF_STATE", "ended", "txid 10", "had 5"):
        sync(db, server)


# While it waits -----------------------------------------------------------------------------------------------------------


def start_waiting(server, path, timeout=60):
    """Calls wf_sync in a thread of its own; returns its connection, the thread, and a list that gets what came of it."""
    db, came = open_database(path, check_same_thread=False), []
    db.execute("PRAGMA synchronous = full")

    def wait():
        try:
            came.append(sync(db, server, timeout))
        except sqlite3.Error as error:
            came.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.asked:
        assert time.monotonic() < deadline, came
        time.sleep(0.001)
    return db, thread, came


def test_no_lock_is_held_and_what_others_commit_is_their_own(db, listen, tmp_path):
    go = threading.Event()

    def later(request, _):
        go.wait(60)
        return synced(request)

    server = listen(later)
    waiting, thread, came = start_waiting(server, tmp_path / "test.db")
    db.execute("BEGIN EXCLUSIVE")
    db.execute("CREATE TABLE app(v)")
    db.execute("COMMIT")
    assert db.rows("PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]  # nobody reads
    go.set()
    thread.join(60)
    assert came[0]["txid"] == 7
    waiting.close()


def test_an_interrupt_is_seen_within_half_a_second(db, listen, tmp_path):
    server = listen(never)
    waiting, thread, came = start_waiting(server, tmp_path / "test.db")
    began = time.monotonic()
    waiting.interrupt()
    thread.join(60)
    took = time.monotonic() - began
    assert str(came[0]) == "interrupted"
    assert took < 5  # half a second on a machine that has nothing else to do
    assert waiting.value("SELECT 1") == 1
    waiting.close()


def test_a_progress_handler_may_end_it(db, listen):
    server = listen(never)
    db.set_progress_handler(lambda: bool(server.asked), 1)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        sync(db, server, 60)


CALLER = """
import json, os, signal, sqlite3, sys
signal.signal(signal.SIGALRM, lambda *_: None)
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.enable_load_extension(True)
db.load_extension(sys.argv[3])
db.execute("PRAGMA synchronous = full")
print("ready", flush=True)
sys.stdin.readline()
try:
    print(db.execute("SELECT wf_sync(60, ?)", (json.dumps({"socket": sys.argv[2]}),)).fetchone()[0])
except sqlite3.Error as error:
    print(error)
"""


def caller(server, path):
    process = subprocess.Popen([sys.executable, "-c", CALLER, str(path), server.path, extension_path()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not server.asked:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return process


def test_a_signal_ends_it_so_that_its_handler_runs(db, listen, tmp_path):
    process = caller(listen(never), tmp_path / "test.db")
    while process.poll() is None:  # it comes while poll() waits, sooner or later
        process.send_signal(signal.SIGALRM)
        time.sleep(0.05)
    assert process.stdout.read().startswith("WF_STATE: wf_sync(): it is not known whether all of this is on the replica: a signal came in between")


def test_a_server_that_hangs_up_while_it_is_written_to_kills_nobody(db, listen, tmp_path):
    """SIGPIPE would. (Python ignores it: so a process that does not.)"""
    path = listen().path + "2"
    script = CALLER.replace("lambda *_: None)", "lambda *_: None)\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def hang_up():
        for _ in range(500):
            connection, _ = listener.accept()
            connection.close()

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    script = script.replace("\ntry:", "\nfor _ in range(499):\n  try: db.execute(\"SELECT wf_sync(60, ?)\", (json.dumps({\"socket\": sys.argv[2]}),))\n  except sqlite3.Error: pass\ntry:")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "test.db"), path, extension_path()], input="go\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    thread.join(60)
    listener.close()
    assert "WF_STATE" in done.stdout and "ended" in done.stdout


def test_a_server_that_has_more_callers_than_it_takes_is_tried_again(db, tmp_path, listen):
    """connect() says EAGAIN, which poll() knows nothing of."""
    spare = listen()
    path = spare.path + "3"
    busy = socket.socket(socket.AF_UNIX)
    busy.bind(path)
    busy.listen(0)
    queued = []
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
        except BlockingIOError:
            one.close()
            break
        queued.append(one)
    with wf_error("WF_STATE", "the time is over"):
        db.wf_sync(0.2, socket=path)

    def serve():
        while True:
            try:
                connection, _ = busy.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(4096)
                body = asked.partition(b"\r\n\r\n")[2]
                if asked.startswith(b"GET"):
                    connection.sendall(http(200, {"version": "0.5.18"}))
                elif body:
                    connection.sendall(http(200, {"path": json.loads(body)["path"], "txid": 7, "replicated_txid": 7}))

    for one in queued:
        one.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert json.loads(db.wf_sync(30, socket=path))["txid"] == 7
    busy.close()


def test_the_socket_is_not_inherited(db, listen, tmp_path):
    """By a program that is started while a call waits."""
    if not Path("/proc/self/fd").exists():
        return
    go = threading.Event()
    server = listen(lambda request, _: go.wait(60) and synced(request))
    waiting, thread, came = start_waiting(server, tmp_path / "test.db")
    inherited = subprocess.run(["/bin/sh", "-c", "ls -l /proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
    go.set()
    thread.join(60)
    assert came[0]["txid"] == 7
    assert "socket:" not in inherited
    waiting.close()


def test_many_threads_wait_at_once(db, listen, tmp_path):
    server = listen(lambda request, number: synced(request, 100 + number, 100 + number - number % 3))
    came, threads = [], []

    def one():
        own = open_database(tmp_path / "test.db")
        own.execute("PRAGMA synchronous = full")
        for _ in range(5):
            came.append(sync(own, server))
        own.close()

    for _ in range(8):
        threads.append(threading.Thread(target=one))
        threads[-1].start()
    for thread in threads:
        thread.join(120)
    assert len(came) == 40
    assert all(done["replicated_txid"] >= done["txid"] for done in came)
