"""What the pages show and what their buttons do, by HTTP: each page on files of all kinds, each action, the mark, stored text that would be HTML."""

import heapq
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from urllib.parse import quote, urlencode

import pytest
import ui_page
import ui_shop

pytestmark = pytest.mark.skipif(not ui_page.IS_SET_UP, reason=ui_page.NOT_SET_UP)

PAGES = ["/", "/workflows", "/errors", "/in-doubt", "/definitions", "/queues", "/schedules", "/doctor", "/files"]


@pytest.fixture
def serve():
    """Starts a page; all end with the test."""
    started = []

    def start(files, **options):
        started.append(ui_page.Served(files, **options))
        return started[-1]

    yield start
    for each in started:
        if each.process.returncode is None:
            each.close()


@pytest.fixture
def shop(tmp_path):
    return ui_shop.make(tmp_path / "shop.db")


@pytest.fixture
def engine(tmp_path):
    """A file of its own clock, with tables and nothing in them."""
    db = ui_shop.wfext.Database(tmp_path / "test.db", synchronous="off").connect()
    db.execute("SELECT wf_init()")
    return db


def value(db, sql, *parameters):
    return db.execute(sql, parameters).fetchone()[0]


# Pages


def test_every_page_shows_what_is_there(shop, serve):
    page = serve(shop.path)
    expected = {
        "/": ["live", "need you", "34", "ConnectionError: gateway timeout after 1000 ms", "payout-1", "worker-2", "nightly", "8 at once, 100 per 60 s", "119"],
        "/workflows": ["order-1999139", "lease of worker-3 expired", "SMTPError: 55124: no such user", "2026.11"],
        "/workflows?status=failed&name=order": ["order-1999135", "ConnectionError"],
        "/workflows?id=import-2": ["import-23", "concurrency limit"],
        "/workflows?tag=customer%3Dc-1029": ["order-42"],
        "/workflows?worker=worker-5&version=2026.11": ["order-42"],
        "/workflow?id=order-42": ["waiting for signal approval, refusal", "worker-1", "lease_lost", "picked from shelf 7", "order-42/invoice", "ch_77", "waits for approval or refusal", "customer=c-1029"],
        "/workflow?id=order-42&step=charge": ["begun", "ch_77"],
        "/workflow?id=fulfil-1": ["state-waiting", "approved", "await approval"],
        "/errors": ["SMTPError: 55124: no such user", "ConnectionError"],
        "/in-doubt": ["payout-1", "transfer", "held until somebody decides"],
        "/definitions?name=fulfil": ["reserve", "UPDATE stock SET held"],
        "/queues": ["payments", "8 at once, 100 per 60 s", "paused"],
        "/schedules": ["Europe/Berlin", "0 3 * * *", "monthly"],
        "/doctor": ["journal mode", "wal"],
        "/value?id=order-42&what=input": ['"customer": "c-1029"'],
    }
    for path, words in expected.items():
        answer = page.get(path)
        assert answer.status == 200, (path, answer)
        assert [word for word in words if word not in answer.text] == [], path
    completed = page.get("/workflows?status=completed").text
    assert "order-1999132" in completed and "order-1999135" not in completed


def test_pages_by_key(shop, serve):
    """50 at once, each workflow once, newest first."""
    page = serve(shop.path)
    seen, path = [], "/workflows"
    while path:
        text = page.get(path).text
        seen += re.findall(r'<td class="id"><a data-row href="/workflow\?id=([^"]+)" title=', text)
        found = re.search(r'rel="next" class="button" href="([^"]+)"', text)
        path = found[1].replace("&amp;", "&") if found else None
    assert [each.replace("%2F", "/").replace("%40", "@").replace("%3A", ":") for each in seen] == [row[0] for row in shop.db.execute("SELECT id FROM wf_workflows ORDER BY seq DESC")]


def test_long_histories_come_in_parts(engine, serve, tmp_path):
    engine.execute("SELECT wf_start('long', NULL, '{\"id\": \"long\"}')").fetchall()
    engine.execute("BEGIN").fetchall()
    for n in range(1203):
        engine.execute("SELECT wf_step('long', ?, ?)", (f"step-{n}", json.dumps(n))).fetchall()
    engine.execute("COMMIT").fetchall()
    page = serve(tmp_path / "test.db")
    sizes, path = [], "/workflow?id=long"
    while path:
        text = page.get(path).text
        sizes.append(len(set(re.findall(r">(step-\d+)</span>", text))))
        found = re.search(r'rel="next" class="button" href="([^"]+)"', text)
        path = found[1].replace("&amp;", "&") if found else None
    assert sizes == [500, 500, 203]
    last = page.get("/workflow?id=long&last=1").text
    assert set(re.findall(r">(step-\d+)</span>", last)) == {f"step-{n}" for n in range(703, 1203)} and "First steps</a>" in last
    # Large outputs: fewer at once, and all of them
    engine.execute("SELECT wf_start('large', NULL, '{\"id\": \"large\"}')").fetchall()
    for n in range(7):
        engine.execute("SELECT wf_step('large', ?, ?)", (f"step-{n}", json.dumps("x" * 1_500_000))).fetchall()
    seen, path = [], "/workflow?id=large"
    while path:
        text = page.get(path).text
        assert len(text) < 100_000
        seen.append(re.findall(r">(step-\d+)</span>", text))
        found = re.search(r'rel="next" class="button" href="([^"]+)"', text)
        path = found[1].replace("&amp;", "&") if found else None
    assert [len(each) for each in seen] == [3, 3, 1] and sum(seen, []) == [f"step-{n}" for n in range(7)]
    assert len(page.get("/value?id=large&step=step-6&what=output").text) == 1_500_002


def test_the_end_of_a_stream(engine, serve, tmp_path):
    """The last 50 items; of large ones the last few."""
    engine.execute("SELECT wf_start('job', NULL, '{\"id\": \"job\"}')").fetchall()
    for n in range(120):
        engine.execute("SELECT wf_append('job', 'short', ?)", (json.dumps(f"short-{n}."),)).fetchall()
    for n in range(12):
        engine.execute("SELECT wf_append('job', 'large', ?)", (json.dumps(f"large-{n}." + "x" * 200_000),)).fetchall()
    text = serve(tmp_path / "test.db").get("/workflow?id=job").text
    assert [n for n in range(120) if f"short-{n}." in text] == list(range(70, 120)) and "120 items, the last 50" in text
    assert [n for n in range(12) if f"large-{n}." in text] == list(range(7, 12)) and "12 items, the last 5" in text


@pytest.mark.parametrize("kind", ["empty", "without tables", "with tables", "read-only"])
def test_files_of_all_kinds(kind, tmp_path, serve):
    path = tmp_path / "test.db"
    if kind == "empty":
        path.touch()
    else:
        db = ui_shop.wfext.Database(path, synchronous="off").connect()
        db.execute("CREATE TABLE own(x)")
        if kind != "without tables":
            db.execute("SELECT wf_init()").fetchall()
        db.close()
    if kind == "read-only":
        path.chmod(0o444)
    page = serve(path, write=True)
    for each in PAGES:
        assert page.get(each).status == 200, (each, page.get(each))
    assert page.get("/workflow?id=x").status == 404


def test_files_that_cannot_be_read(tmp_path, serve):
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + b"\7" * 5000)
    (tmp_path / "no.db").write_bytes(b"this is no database" * 300)
    for name in ("damaged.db", "no.db"):
        page = serve(tmp_path / name)
        answer = page.get("/")
        assert answer.status == 503 and "cannot be read" in answer.text, answer
    page = serve(tmp_path / "missing.db")
    assert page.get("/").status == 404
    assert not (tmp_path / "missing.db").exists()
    ui_shop.wfext.Database(tmp_path / "missing.db", synchronous="off").connect().close()  # it comes, and is there
    assert page.get("/").status == 200


def test_a_file_that_is_locked(tmp_path, serve):
    path = tmp_path / "locked.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE own(x)")
    page = serve(path)
    assert page.get("/").status == 200
    db.execute("BEGIN EXCLUSIVE")
    answer = page.get("/")
    assert answer.status == 503 and "locked" in answer.text
    db.execute("ROLLBACK")
    assert page.get("/").status == 200


def test_a_fleet(tmp_path, serve):
    dbs = [ui_shop.wfext.Database(tmp_path / f"agent-{n}.db", synchronous="off").connect() for n in range(3)]
    for n, db in enumerate(dbs):
        db.execute("SELECT wf_start('job', NULL, ?)", (json.dumps({"id": f"job-{n}"}),)).fetchall()
    for db in dbs[:2]:  # (who drops a connection of this module without close() has it open until the garbage is collected)
        db.close()
    (tmp_path / "agent-bad.db").write_bytes(b"this is no database" * 300)
    page = serve(tmp_path / "agent-*.db")
    assert page.get("/").headers["location"] == "/files"
    listed = page.get("/files").text
    assert [f"agent-{n}.db" in listed for n in range(3)] == [True] * 3 and "not a database" in listed
    name = str(tmp_path / "agent-1.db")
    text = page.get("/workflows?" + urlencode({"file": name})).text
    assert "job-1" in text and "job-0" not in text and "file=" + quote(name, safe="").replace("/", "%2F") in text
    assert page.get("/files?find=agent-2").text.count('class="id"') == 1
    # A file that another one takes the place of is that one: one that nobody has open, and one that is in use, with what it has in its -wal.
    for n in (0, 2):
        beside = [end for end in ("-wal", "-shm") if (tmp_path / f"agent-{n}.db{end}").exists()]
        assert beside == ([] if n == 0 else ["-wal", "-shm"])
        for end in ("", *beside):
            os.replace(tmp_path / f"agent-{n}.db{end}", tmp_path / f"agent-1.db{end}")
        assert page.get("/value?" + urlencode({"file": name, "id": f"job-{n}", "what": "input"})).status == 200
        assert f"job-{n}" in page.get("/workflows?" + urlencode({"file": name})).text


def test_it_leaves_nothing_behind(shop, tmp_path, serve):
    """A reader in WAL mode makes the files -wal and -shm: they go with it."""
    shop.db.close()
    before = sorted(each.name for each in tmp_path.iterdir())
    page = serve(shop.path)
    assert page.get("/").status == page.get("/workflow?id=order-42").status == 200
    page.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == before == ["shop.db"]


# The mark


def test_nothing_changed_is_204(shop, serve):
    """The file stands still: 204, over the turn of ten seconds too, as the text is the same. A commit by anyone: the page."""
    page = serve(shop.path)
    for path in ("/", "/workflows", "/workflow?id=order-42", "/queues", "/files"):
        first = page.get(path)
        mark = first.headers["wfext-mark"]
        again = page.get(path, Wfext_Mark=mark)
        assert (again.status, again.text) == (204, ""), path
    state, digest = mark.split("-")
    other = page.get("/queues", Wfext_Mark="old-" + page.get("/queues").headers["wfext-mark"].split("-")[1])
    assert other.status == 204 and other.headers["wfext-mark"].split("-")[0] != "old"
    mark = page.get("/workflow?id=order-1999139").headers["wfext-mark"]
    shop.call("wf_pause", "order-1999139")
    changed = page.get("/workflow?id=order-1999139", Wfext_Mark=mark)
    assert changed.status == 200 and "paused" in changed.text
    assert changed.headers["wfext-mark"] != mark
    # What is shared for two seconds follows without another change of the file: a page that has something older of it has a mark that is not the file's.
    path, mark, seen = "/workflows?status=paused", "none", ""
    while "paused <small>2</small>" not in seen:
        answer = page.get(path, Wfext_Mark=mark)
        mark = answer.headers["wfext-mark"]
        seen = answer.text or seen


@pytest.mark.parametrize("viewers", [1, 10, 100])
def test_all_viewers_together_take_a_twentieth_of_a_processor(viewers):
    """However many pages are left open: each of them asks less often then. (In a play, of ten minutes: each answer takes 30 ms, with what is around it.)"""
    sys.path.append(str(ui_page.LIBRARIES))
    from wfext.ui.answer import Pace

    pace, took = Pace(), []
    coming = [(n * 2 / viewers, n) for n in range(viewers)]
    while coming[0][0] < 600:
        at, n = heapq.heappop(coming)
        took.append(at)
        heapq.heappush(coming, (at + pace.took(0.03 - Pace.AROUND, at), n))
    share = sum(0.03 for at in took if at > 300) / 300
    assert pace.pause == Pace.SHORTEST if viewers == 1 else Pace.SHORTEST < pace.pause <= Pace.LONGEST
    assert share == pytest.approx(0.015 if viewers == 1 else 0.05 if viewers == 10 else 0.1, rel=0.1)  # (with a hundred it is 30 seconds: it stays alive)


def test_the_pause_is_said(shop, serve):
    page = serve(shop.path)
    first = page.get("/")
    assert first.headers["wfext-pause"] == page.get("/", Wfext_Mark=first.headers["wfext-mark"]).headers["wfext-pause"] == "2.0"
    slow = serve(shop.path, before="from wfext.ui.answer import Pace; Pace.SHARE = 1e-6")
    assert slow.get("/").headers["wfext-pause"] == "2.0"  # it is for those that live
    assert slow.get("/", Wfext_Mark="other").headers["wfext-pause"] == "30.0"


def test_ten_viewers_ask_once(shop, serve):
    """The answers that cost are shared: of ten who look at once, all see the page, and the file is read by few connections."""
    page = serve(shop.path)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(page.get("/").status)) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [200] * 10
    if os.path.exists("/proc/self/fd"):
        folder = f"/proc/{page.process.pid}/fd"
        assert len([fd for fd in os.listdir(folder) if os.path.realpath(f"{folder}/{fd}") == os.path.realpath(shop.path)]) <= 5


COUNTING = """
from wfext.ui import pages
from wfext.view import overview
said = []


def tally(connection):
    said.append(1)
    return overview.Tally([("a queue", "a name", "pending", len(said))])


overview.tally = tally
pages.COUNTS_SECONDS = %s
"""


UNCOUNTED = "from wfext.view import overview; overview.tally = lambda connection: None"


def test_counts_above_the_list_may_be_older_than_the_list(shop, serve):
    """They cost more than it does: they are asked once for all who look at lists, and not for a page that does not show them."""
    for seconds, expected in (("1e9", ["1", "1"]), ("-1", ["1", "2"])):
        page = serve(shop.path, before=COUNTING % seconds)
        assert page.get("/workflow?id=order-42").status == page.get("/errors").status == page.get("/in-doubt").status == 200
        seen = []
        for id in ("first", "second"):
            shop.call("wf_start", "order", None, id=f"{id} of {seconds}")
            text = page.get("/workflows").text
            assert f"{id} of {seconds}" in text and "<option>a queue</option>" in text and "<option>a name</option>" in text
            seen += re.findall(r"</svg>pending <small>(\d+)</small>", text)
        assert seen == expected


def test_names_to_choose_from_do_not_wait_for_the_counts(shop, serve):
    """In a file where nothing can be counted in time, too."""
    page = serve(shop.path, before=UNCOUNTED).get("/workflows").text
    there = [name for column in ("name", "queue") for (name,) in shop.db.execute(f"SELECT DISTINCT {column} FROM wf_workflows")]
    assert len(there) > 10 and set(there) <= set(re.findall(r"<option>([^<]*)</option>", page))


@pytest.mark.parametrize("what", ["an action", "another file of this name"])
def test_an_answer_that_was_under_way_is_not_kept(shop, tmp_path, what):
    """Who acts sees what is so afterwards: an older answer is for those who asked for it, and for nobody after the action."""
    sys.path.append(str(ui_page.LIBRARIES))
    from wfext.ui.sources import Sources

    asked, may_answer = threading.Event(), threading.Event()

    def count(connection):
        return connection.execute("SELECT count(*) FROM wf_workflows WHERE status = 'paused'").fetchone()[0]

    def slowly(connection):
        found = count(connection)
        asked.set()
        assert may_answer.wait(60)
        return found

    here, restored = tmp_path / "here.db", tmp_path / "restored.db"
    shop.db.execute("VACUUM INTO ?", (str(here),))
    shop.call("wf_pause", "order-1999139")
    shop.db.execute("VACUUM INTO ?", (str(restored),))
    sources = Sources([shop.path if what == "an action" else str(here)])
    try:
        source = sources.get(None)
        coming = source.look().beside("count", slowly, 1e9)
        assert asked.wait(60)
        if what == "an action":
            shop.call("wf_resume", "order-1999139")
            source.forget()
        else:
            os.replace(restored, here)
            source.look()
        may_answer.set()
        before, after = (2, 1) if what == "an action" else (1, 2)
        assert coming() == before and source.look().shared("count", count, 1e9) == after
    finally:
        may_answer.set()
        sources.close()


# Actions


def test_actions_on_one(shop, serve):
    page = serve(shop.path, write=True)
    db = shop.db

    def status(id):
        return value(db, "SELECT wf_status(?)", id)

    assert page.note(page.post("pause", id="order-1999139")) == ["order-1999139: paused"] and status("order-1999139") == "paused"
    assert page.note(page.post("pause", id="order-1999139")) == ["order-1999139: was so already"]
    assert page.note(page.post("resume", id="order-1999139")) and status("order-1999139") == "pending"
    page.post("cancel", id="order-1999139", reason="the customer has called")
    assert status("order-1999139") == "cancelled" and "the customer has called" in page.get("/workflow?id=order-1999139").text
    page.post("retry", id="order-1999135")
    assert status("order-1999135") == "pending"
    page.post("reschedule", id="order-later")
    assert value(db, "SELECT due_at <= '2027-01-15 08:00:00.000' FROM wf_workflows WHERE id = 'order-later'") == 1
    assert page.post("delete", id="order-1999132").headers["location"].startswith("/workflows?note=")
    assert status("order-1999132") is None
    # Retry from a step: it and what came after it is dropped.
    page.post("retry", id="order-1999124", **{"from": "charge"})
    assert [row[0] for row in db.execute("SELECT name FROM wf_steps WHERE workflow_id = 'order-1999124'")] == ["reserve"]
    # Fork from a step: a new workflow, with those before it.
    to = page.post("fork", id="order-42", **{"from": "charge"}, new_id="order-42-again").headers["location"]
    assert to.startswith("/workflow?id=order-42-again&note=")
    assert [row[0] for row in db.execute("SELECT name FROM wf_steps WHERE workflow_id = 'order-42-again'")] == ["check", "reserve"]


def test_a_signal(shop, serve):
    page = serve(shop.path, write=True)
    assert page.note(page.post("signal", id="order-42", signal="approval", payload='{"ok": true}', key="k1")) == ["Signal approval sent"]
    assert "was sent before" in page.note(page.post("signal", id="order-42", signal="approval", payload="2", key="k1"))[0]
    page.post("signal", id="refund-1", signal="approval", payload="as you like")
    page.post("signal", id="refund-2", signal="approval")
    rows = shop.db.execute("SELECT workflow_id, name, key, payload FROM wf_signals").fetchall()
    assert sorted(rows) == [("order-42", "approval", "k1", '{"ok": true}'), ("refund-1", "approval", None, '"as you like"'), ("refund-2", "approval", None, "null")]


def test_verdicts(shop, serve):
    page = serve(shop.path, write=True)
    page.post("resolve", id="payout-1", step="transfer", verdict="done", value='{"ref": 7}')
    page.post("resolve", id="payout-2", step="transfer", verdict="failed", value="the bank says no")
    page.post("resolve", id="payout-3", step="transfer", verdict="retry", value="ignored")
    assert value(shop.db, "SELECT output FROM wf_steps WHERE workflow_id = 'payout-1'") == '{"ref": 7}'
    assert value(shop.db, "SELECT wf_status('payout-2')") == "failed" and "the bank says no" in value(shop.db, "SELECT error FROM wf_workflows WHERE id = 'payout-2'")
    assert shop.db.execute("SELECT * FROM wf_in_doubt").fetchall() == []


def test_schedules_and_queues(shop, serve):
    page = serve(shop.path, write=True)
    assert page.note(page.post("fire", name="monthly"))[0].startswith("monthly has started monthly@")
    assert value(shop.db, "SELECT count(*) FROM wf_workflows WHERE name = 'invoice-run'") == 1
    before = shop.db.execute("SELECT name, cron, timezone, workflow, input, catch_up, grace, overlap, start FROM wf_schedules ORDER BY name").fetchall()
    page.post("pause-schedule", name="nightly")
    page.post("resume-schedule", name="monthly")
    assert shop.db.execute("SELECT name, paused FROM wf_schedules ORDER BY name").fetchall() == [("monthly", 0), ("nightly", 1), ("poll", 0)]
    assert shop.db.execute("SELECT name, cron, timezone, workflow, input, catch_up, grace, overlap, start FROM wf_schedules ORDER BY name").fetchall() == before
    page.post("pause-queue", name="bulk")
    page.post("resume-queue", name="imports")
    assert dict(shop.db.execute("SELECT queue, paused FROM wf_queues WHERE queue IN ('bulk', 'imports')").fetchall()) == {"bulk": 1, "imports": 0}
    assert value(shop.db, "SELECT concurrency FROM wf_queues WHERE queue = 'bulk'") == 8


def test_bulk_on_a_selection(shop, serve):
    page = serve(shop.path, write=True)
    chosen = ["order-1999135", "order-1999124", "order-1999132"]  # two that failed, and one that is done
    assert page.note(page.post("retry", [("ids", id) for id in chosen])) == ["2 workflows to be tried again; 1 other could not be"]
    assert [value(shop.db, "SELECT wf_status(?)", id) for id in chosen] == ["pending", "pending", "completed"]


def test_bulk_on_all_that_match(shop, serve):
    """The page asks how many; then all of them, and no others."""
    page = serve(shop.path, write=True)
    text = page.get("/bulk?" + urlencode({"name": "import", "queue": "bulk"})).text
    assert "<b>24</b> workflows match" in text
    note = page.note(page.post("pause", all="1", filter=urlencode({"name": "import", "queue": "bulk"})))
    assert note == ["24 workflows paused"]
    assert value(shop.db, "SELECT count(*) FROM wf_workflows WHERE status = 'paused' AND queue = 'bulk'") == 24
    assert value(shop.db, "SELECT wf_status('import-all')") == "pending"
    # Of an error: those that failed with it
    failed = value(shop.db, "SELECT count(*) FROM wf_workflows WHERE status = 'failed' AND error LIKE '%SMTPError%'")
    others = value(shop.db, "SELECT count(*) FROM wf_workflows WHERE status = 'failed'") - failed
    import html
    (filter,) = {html.unescape(each) for each in re.findall(r'name="filter" value="([^"]*SMTP[^"]*)"', page.get("/errors").text)}
    assert page.note(page.post("retry", all="1", filter=filter)) == [f"{failed} workflows to be tried again"]
    assert value(shop.db, "SELECT count(*) FROM wf_workflows WHERE status = 'failed'") == others > 0


def many(engine, count):
    engine.execute("BEGIN").fetchall()
    engine.execute("SELECT count(wf_start('job')) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n)", (count,)).fetchall()
    engine.execute("COMMIT").fetchall()


COUNTED = """
# Time is counted in looks at the clock, and a query is ended after so many instructions: the same on any machine.
import contextlib
import itertools
import types
from wfext.view import files, lists

ticks = itertools.count()
lists.time = types.SimpleNamespace(monotonic=lambda: next(ticks), thread_time=lambda: 0.0)


@contextlib.contextmanager
def limited(connection, seconds=None, patience=5):
    left = iter(range(40))
    connection.set_progress_handler(lambda: next(left, None) is None, 100)
    try:
        yield
    except files.sqlite3.OperationalError as error:
        raise files.Interrupted from error
    finally:
        connection.set_progress_handler(None, 0)


lists.limited = limited
real = lists.list_workflows
lists.list_workflows = lambda *a, **k: real(*a, **{**k, "seconds": 30})
"""


def test_a_search_says_how_far_it_has_looked(engine, serve, tmp_path):
    """It looks at some, says so, and goes on from there until it has looked at all."""
    import html
    many(engine, 3000)
    page = serve(tmp_path / "test.db", before=COUNTED)
    path, pages = "/workflows?version=none", 0
    while path and pages < 100:
        text = page.get(path).text
        pages += 1
        assert "Nothing matches" in text
        found = re.search(r'<a href="([^"]+)">Look further</a>', text)
        assert bool(found) == bool(re.search(r"Looked for \d+ seconds, at all that were started since", text))
        path = html.unescape(found[1]) if found else None
    assert 1 < pages < 100


def test_a_search_that_takes_long_does_not_renew_itself(engine, serve, tmp_path):
    many(engine, 50)
    page = serve(tmp_path / "test.db", before="import wfext.ui.pages; wfext.ui.pages.RESTS_SECONDS = -1")
    answer = page.get("/workflows?version=none")
    assert 'data-mark=""' in answer.text and "wfext-mark" not in answer.headers and "does not renew itself" in answer.text
    quick = serve(tmp_path / "test.db").get("/workflows?version=none")
    assert 'data-mark=""' not in quick.text and "does not renew itself" not in quick.text


def test_bulk_says_how_far_it_is_and_goes_on(engine, serve, tmp_path):
    """(With no time at all: one transaction a request.)"""
    many(engine, 2500)
    page = serve(tmp_path / "test.db", write=True, before="from wfext.ui import acting; acting.BULK_SECONDS = -1")
    answer = page.post("cancel", all="1", filter="name=job")
    text = page.get(answer.headers["location"]).text
    assert ui_page.notes(text) == ["1,000 workflows cancelled; there may be more: go on"]
    assert 'name="from_seq" value="1501"' in text and "There may be more that match" in text
    assert page.note(page.post("cancel", all="1", filter="name=job", from_seq="1501")) == ["1,000 workflows cancelled; there may be more: go on"]
    assert page.note(page.post("cancel", all="1", filter="name=job", from_seq="501")) == ["500 workflows cancelled"]
    assert value(engine, "SELECT sum(count) FROM wf_stats WHERE status = 'cancelled'") == 2500


def test_bulk_of_many_goes_on_where_it_stopped(engine, serve, tmp_path):
    """More than one transaction's worth; `from_seq` is where the next request goes on."""
    many(engine, 2500)
    page = serve(tmp_path / "test.db", write=True)
    assert page.note(page.post("cancel", all="1", filter="name=job", from_seq="1001")) == ["1,000 workflows cancelled"]
    assert page.note(page.post("cancel", all="1", filter="name=job&status=pending")) == ["1,500 workflows cancelled"]
    assert value(engine, "SELECT sum(count) FROM wf_stats WHERE status = 'cancelled'") == 2500


# Stored text


EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'`&amp;{{7*7}}"


def make_evil(path):
    """A file in which everything that can be named or stored is a piece of HTML."""
    db = ui_shop.wfext.Database(path, synchronous="off").connect()

    def call(function, *arguments, **options):
        bound = [*arguments, json.dumps(options)] if options else arguments
        return db.execute(f"SELECT {function}({', '.join('?' * len(bound))})", bound).fetchone()[0]

    text = json.dumps(EVIL)
    call("wf_start", EVIL, text, id=EVIL, queue=EVIL, version=EVIL, tags={"evil": EVIL}, headers={EVIL: EVIL}, dedup=EVIL, partition=EVIL)
    token = json.loads(call("wf_claim", EVIL, EVIL))["token"]
    call("wf_step", token, EVIL, text)
    call("wf_begin", token, EVIL + "2")
    call("wf_fail", token, json.dumps({"type": EVIL, "message": EVIL}), step=EVIL + "3", retry=True, delay=0)
    token = json.loads(call("wf_claim", EVIL, EVIL))["token"]
    call("wf_set", token, EVIL, text)
    call("wf_append", token, EVIL, text)
    call("wf_spawn", token, EVIL + "4", EVIL, text)
    call("wf_signal", EVIL, EVIL, text, key=EVIL)
    call("wf_await", token, EVIL + "5", EVIL + "none")
    call("wf_start", EVIL, text, id=EVIL + "f", queue=EVIL)
    token = json.loads(call("wf_claim", EVIL, EVIL, id=EVIL + "f"))["token"]
    call("wf_fail", token, json.dumps({"type": EVIL, "message": EVIL}), retry=False)
    call("wf_start", EVIL, text, id=EVIL + "o", queue=EVIL)
    token = json.loads(call("wf_claim", EVIL, EVIL, id=EVIL + "o"))["token"]
    call("wf_complete", token, text)
    call("wf_schedule", EVIL, "@every 1h", EVIL, text)
    call("wf_define", "drawn", json.dumps({"steps": [{"name": "s1", "sql": "SELECT '<script>alert(1)</script>' AS \"]]><script>\"", "description": EVIL}]}))
    call("wf_start", "drawn", id="drawn<script>")
    return db


def addresses():
    ids = [EVIL, EVIL + "f", EVIL + "o", "drawn<script>"]
    found = [*PAGES, "/definitions?name=drawn", "/bulk?" + urlencode({"name": EVIL}), "/workflows?" + urlencode({"name": EVIL, "queue": EVIL, "id": EVIL[:8], "error": EVIL, "tag": EVIL, "worker": EVIL})]
    found += ["/workflow?" + urlencode({"id": id}) for id in ids] + ["/workflow?" + urlencode({"id": EVIL, "step": EVIL}), "/workflow?" + urlencode({"id": "<script>alert(2)</script>"})]
    return found


def test_stored_text_is_text(tmp_path, serve):
    from html.parser import HTMLParser

    make_evil(tmp_path / "evil.db")
    page = serve(tmp_path / "evil.db", write=True)
    page.post("pause", id="<script>alert(3)</script>")
    seen = 0
    for path in addresses():
        answer = page.get(path)
        assert answer.status in (200, 404), (path, answer)
        seen += answer.text.count("&lt;script&gt;")
        assert "{{7*7}}" in answer.text or "49" not in answer.text or "7*7" not in path
        tags = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
        parser.feed(answer.text)
        assert [attributes.get("src") for tag, attributes in tags if tag == "script"] == ["/static/page.js"], path
        assert [tag for tag, attributes in tags if tag in ("img", "iframe", "style", "object", "embed") or any(name.startswith("on") or name == "style" for name in attributes)] == [], path
        assert all((attributes.get("href") or "/").startswith(("/", "#")) for _, attributes in tags), path
    assert seen > 50
    value_of = page.get("/value?" + urlencode({"id": EVIL, "what": "input"}))
    assert value_of.headers["content-type"] == "text/plain; charset=utf-8" and EVIL in json.loads(value_of.text)


def test_half_a_character_does_not_take_the_page_away(tmp_path, serve):
    """JSON may hold the half of a surrogate pair, which no UTF-8 can: it is shown as its escape."""
    db = ui_shop.wfext.Database(tmp_path / "half.db", synchronous="off").connect()
    db.execute("""SELECT wf_start('job', '{"a": "\\ud800"}', '{"id": "half"}')""").fetchall()
    token = json.loads(db.execute("SELECT wf_claim('default', 'w')").fetchone()[0])["token"]
    db.execute("""SELECT wf_step(?, 'one', '"\\ud83d"')""", (token,)).fetchall()
    db.execute("""SELECT wf_fail(?, '{"type": "E", "message": "half \\udc00"}', '{"retry": false}')""", (token,)).fetchall()
    page = serve(tmp_path / "half.db")
    for path in ("/", "/workflows", "/errors", "/workflow?id=half", "/workflow?id=half&step=one"):
        answer = page.get(path)
        assert answer.status == 200 and (path == "/errors" or "half" in answer.text), (path, answer)
    assert "half \\udc00" in page.get("/workflows").text


def test_an_error_of_megabytes_is_not_in_every_page(tmp_path, serve):
    db = ui_shop.wfext.Database(tmp_path / "long.db", synchronous="off").connect()
    db.execute("SELECT wf_start('job', NULL, '{\"id\": \"long\"}')").fetchall()
    db.execute("SELECT wf_fail('long', ?, '{\"retry\": false}')", (json.dumps({"type": "E", "message": "z" * 3_000_000}),)).fetchall()
    page = serve(tmp_path / "long.db")
    sizes = {path: len(page.get(path).text) for path in ("/", "/workflows", "/errors", "/workflow?id=long")}
    assert max(sizes.values()) < 50_000, sizes


def test_of_very_many_groups_of_errors_the_largest_are_shown(tmp_path, serve):
    db = ui_shop.wfext.Database(tmp_path / "many.db", synchronous="off").connect()
    db.execute("BEGIN")
    for n in range(301):
        word = "".join("abcdefghij"[int(digit)] for digit in str(n))
        for id in (word, word + "-again") if n == 300 else (word,):
            db.execute("SELECT wf_start('job', NULL, ?)", (json.dumps({"id": id}),)).fetchall()
            db.execute("SELECT wf_fail(?, ?, '{\"retry\": false}')", (id, json.dumps({"type": "E", "message": f"{word} is broken"}))).fetchall()
    db.execute("COMMIT")
    text = serve(tmp_path / "many.db").get("/errors").text
    assert text.count('<tr id="e-') == 200 and "The 100 largest groups of 301." in text and "daa is broken" in text


def test_names_of_files_that_are_odd(tmp_path, serve):
    """Any bytes, blanks, quotes, what means something in an address or a pattern; and a pattern that matches nothing hides no other."""
    names = [os.fsencode(name) for name in ("a b.db", "x\"><script>.db", "%2e%2e%2f.db", "[x]*.db", "a&file=b#c?d.db", "it's.db")] + [b"\xff\xfe.db"]
    for i, name in enumerate(names):
        db = ui_shop.wfext.Database(os.fsdecode(os.fsencode(tmp_path) + b"/made.db"), synchronous="off").connect()
        db.execute("SELECT wf_start('job', NULL, ?)", (json.dumps({"id": f"in-{i}"}),)).fetchall()
        db.close()
        os.rename(tmp_path / "made.db", os.fsencode(tmp_path) + b"/" + name)
    page = serve([tmp_path / "*.db", tmp_path / "none" / "*.db"])
    listed = page.get("/files")
    assert listed.status == 200 and "<script>." not in listed.text
    for i, name in enumerate(names):
        address = urlencode({"file": os.fsencode(tmp_path) + b"/" + name})
        assert address in listed.text, (name, listed)
        answer = page.get(f"/workflows?{address}")
        assert answer.status == 200 and f"in-{i}" in answer.text and f"/workflow?{address}" in answer.text, (name, answer)
        assert page.get(f"/?{address}").status == 200, name


# In an application


MOUNTED = (ui_page.ROOT / "docs/view.md").read_text().partition("```python no-run\n")[2].partition("```")[0] + """

from fastapi.testclient import TestClient

client = TestClient(api, base_url="https://ops.example", follow_redirects=False)


def show(answer):
    print(answer.status_code, answer.headers.get("location", ""), answer.headers["referrer-policy"])


form = {"action": "pause", "id": "order-1999139", "back": "/ops/workflow?id=order-1999139"}
show(client.get("/ops/"))
show(client.get("/ops/", headers={"x-user": "bob"}))
print(client.get("/ops/workflows", headers={"x-user": "bob"}).text.count('href="/ops/workflow?id='))
show(client.post("/ops/act", data=form, headers={"x-user": "bob", "origin": "https://ops.example"}))
show(client.post("/ops/act", data=form, headers={"x-user": "ann", "origin": "https://evil.example"}))
answer = client.post("/ops/act", data=form, headers={"x-user": "ann", "origin": "https://ops.example"})
show(answer)
print("order-1999139: paused" in client.get(answer.headers["location"], headers={"x-user": "ann"}).text)
print(client.get("/ops/static/page.css", headers={"x-user": "bob"}).status_code)
page = wfext.ui.app("app.db", auth=None)
for _ in range(2):  # it ends, and begins again
    with TestClient(page) as client:
        print(client.get("/workflows").status_code)
"""


@pytest.mark.skipif(not (ui_page.ROOT / "build/recipes/fastapi").exists(), reason="the libraries of the recipes are not set up (scripts/setup.sh recipes)")
def test_mounted_in_fastapi(tmp_path):
    """The program of the documentation, word for word."""
    ui_shop.make(tmp_path / "app.db")
    done = subprocess.run(
        [sys.executable, "-c", MOUNTED], cwd=tmp_path, env=ui_page.environment(ui_page.ROOT / "build/recipes"), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["403  same-origin", "200  same-origin"] and int(lines[2]) >= 50
    assert lines[3:5] == ["403  same-origin", "403  same-origin"]
    assert lines[5].startswith("303 /ops/workflow?id=order-1999139&note=") and lines[6:] == ["True", "200", "200", "200"]


def test_without_its_libraries_it_says_what_to_install():
    done = subprocess.run([sys.executable, "-S", "-c", "import wfext.ui"], env={**ui_page.environment(), "PYTHONPATH": str(ui_page.ROOT / "bindings/python/src")}, capture_output=True, text=True)
    assert 'pip install "wfext[ui]"' in done.stderr


# The command

NEEDS = """
import wfext.ui

def who(request):
    name = request.headers.get("x-user")
    return wfext.ui.Viewer(name, write=name == "ann") if name else None
"""


def command(folder, *arguments):
    return subprocess.Popen([sys.executable, "-m", "wfext.cli", "ui", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ui_page.environment())


def test_the_command(shop, tmp_path):
    """wfext ui 'agents/*.db' --write --port 0; who is let in by --auth; a port that is taken, a file and a function that are not there are said."""
    started = command(tmp_path, "*.db", "--write", "--port", "0")
    try:
        address = started.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:") and "?token=" in address
        port = address.split(":")[2].split("/")[0]
        taken = command(tmp_path, "shop.db", "--port", port)
        assert f"port {port}" in taken.communicate(timeout=60)[1] and taken.returncode not in (0, None)
    finally:
        started.terminate()
        assert started.wait(30) in (0, -15)
    (tmp_path / "needs.py").write_text(NEEDS)
    started = command(tmp_path, "shop.db", "--write", "--port", "0", "--auth", "needs:who")
    try:
        address = started.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:") and "token" not in address
        import urllib.error
        import urllib.request

        def get(**headers):
            try:
                with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, ""

        assert get()[0] == 403
        status, text = get(**{"x-user": "bob"})
        assert status == 200 and "bob" in text and "read-only" in text
        assert "may act" in get(**{"x-user": "ann"})[1]
    finally:
        started.terminate()
        started.wait(30)
    for arguments, says in {("none.db",): "none.db", ("shop.db", "--auth", "needs:nobody"): "needs:nobody", ("shop.db", "--host", "0.0.0.0"): "others could reach"}.items():
        done = command(tmp_path, *arguments)
        assert says in done.communicate(timeout=60)[1] and done.returncode not in (0, None), arguments


def test_the_wheel_has_the_templates(tmp_path):
    """What is not Python is handed out, too."""
    import zipfile

    tools = ui_page.ROOT / "build/python"
    if not (tools / "hatchling").exists():
        pytest.skip("hatchling and mypy cannot be had: neither installed nor in build/python (scripts/setup.sh test)")
    import shutil

    package = ui_page.ROOT / "bindings/python"
    shutil.copytree(package, tmp_path / "package", ignore=shutil.ignore_patterns("build", "tests", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=tmp_path / "package", env={**ui_page.environment(), "PYTHONPATH": str(tools)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"wfext/ui/{folder}/{each.name}" for folder in ("templates", "static") for each in (package / "src/wfext/ui" / folder).iterdir()}
    assert len(expected) > 15 and expected <= names
