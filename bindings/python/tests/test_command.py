"""The command line: what it prints for people (tests/golden; WFEXT_GOLDEN=write makes it anew), and for programs (docs/cli.schema.json)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import wfext
from command_line import Maker, process, shop, wfext_
from wfext.command.serving import find_app

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).with_name("golden")
SCHEMA = json.loads((ROOT / "docs/cli.schema.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "app.db"
    maker = shop(path)
    yield path, maker
    maker.db.close()


@pytest.fixture
def file(made, tmp_path, monkeypatch):
    """A copy of the shop, `app.db` in the current folder."""
    source, maker = made
    target = tmp_path / "app.db"
    maker.db.execute("VACUUM INTO ?", (str(target),))
    monkeypatch.chdir(tmp_path)
    other = Maker("app.db")  # (in WAL mode as the first one)
    other.db.close()
    return "app.db"


# Each with what it prints; {file} is the file.
READING = {
    "status": ["status", "app.db"],
    "status-narrow": ["status", "app.db", 60],
    "ls": ["ls", "app.db"],
    "ls-filter": ["ls", "app.db", "--status", "failed", "--name", "charge", "-n", "2"],
    "ls-nothing": ["ls", "app.db", "--name", "nobody"],
    "ls-error": ["ls", "app.db", "--error", "ConnectionError: gateway timeout after # ms", "--status", "failed"],
    "ls-tag": ["ls", "app.db", "--tag", "customer=1029"],
    "ls-since": ["ls", "app.db", "--since", "5m", "--status", "live"],
    "show-failed": ["show", "app.db", "order-1999003"],
    "show-slept": ["show", "app.db", "trial-1"],
    "show-waits": ["show", "app.db", "refund-7"],
    "show-doubt": ["show", "app.db", "pay-1"],
    "show-running": ["show", "app.db", "build-1"],
    "show-scripted": ["show", "app.db", "fulfil-1"],
    "steps": ["steps", "app.db", "order-1999003"],
    "step": ["steps", "app.db", "order-1999003", "reserve"],
    "errors": ["errors", "app.db"],
    "queues": ["queues", "app.db"],
    "schedules": ["schedules", "app.db"],
    "definitions": ["definitions", "app.db"],
    "explain": ["explain", "app.db", "fulfil"],
    "explain-waits": ["explain", "app.db", "refund-7"],
    "explain-doubt": ["explain", "app.db", "pay-1"],
    "explain-retries": ["explain", "app.db", "charge-4"],
    "explain-dot": ["explain", "app.db", "fulfil-1", "--dot", "-"],
    "explain-mermaid": ["explain", "app.db", "fulfil-1", "--mermaid", "-"],
    "fleet": ["fleet", "app.db"],
    "check": ["check", "app.db"],
    "watch": ["watch", "app.db", "order-1999003", "--for", "0"],
    "watch-list": ["watch", "app.db", "--status", "live", "--for", "0"],
    "top": ["top", "app.db", "--count", "1"],
}


def masked(text):
    """Without sizes, which are the format's."""
    return re.sub(r" *\b\d+(\.\d+)? [KM]B", " SIZE", text)


@pytest.mark.parametrize("name", READING)
def test_golden(file, name):
    arguments = [each for each in READING[name] if isinstance(each, str)]
    columns = next((each for each in READING[name] if isinstance(each, int)), 100)
    done = wfext_(*arguments, columns=columns)
    text = f"$ wfext {' '.join(arguments)}\n{masked(done.out)}" + (f"--- stderr\n{masked(done.err)}" if done.err else "") + f"--- exit {done.code}\n"
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("WFEXT_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_golden_output_is_of_a_case():
    assert {path.stem for path in GOLDEN.iterdir()} == set(READING)


def check_schema(command, value):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{command}"}).validate(value)


@pytest.mark.parametrize("name", [each for each, words in READING.items() if "--dot" not in words and "--mermaid" not in words])
def test_json_of_what_reads(file, name):
    arguments = [each for each in READING[name] if isinstance(each, str)]
    done = wfext_(*arguments, "--json")
    assert done.code == wfext_(*arguments).code
    lines = done.json
    assert lines
    for line in lines:
        check_schema(arguments[0], line)
        assert line["file"] == file


WRITING = [
    ["start", "app.db", "order", "--id", "new-1", "--tag", "a=b", "--delay", "1h", '{"n": 1}'],
    ["signal", "app.db", "refund-7", "approve", '{"ok": true}', "--key", "k"],
    ["emit", "app.db", "opened", "1"],
    ["cancel", "app.db", "--reason", "no more", "build-1", "charge-4"],
    ["pause", "app.db", "charge-4"],
    ["resume", "app.db", "charge-4"],
    ["retry", "app.db", "--from", "charge", "order-1999003"],
    ["fork", "app.db", "trial-1", "--new-id", "trial-2", "--input", "7"],
    ["resolve", "app.db", "pay-1", "transfer", "done", '{"ref": 1}'],
    ["reschedule", "app.db", "charge-4", "--to", "2030-01-01T00:00Z"],
    ["delete", "app.db", "trial-1"],
    ["purge", "app.db", "--older-than", "1m", "--status", "failed", "--yes"],
    ["run", "app.db", "--limit", "3"],
    ["export", "app.db", "trial-1", "-o", "out.jsonl"],
]


@pytest.mark.parametrize("arguments", WRITING, ids=lambda words: words[0])
def test_json_of_what_writes(file, arguments):
    done = wfext_(*arguments, "--json")
    assert done.code == 0, done
    (line,) = done.json
    check_schema(arguments[0], line)


def rows(path, sql, *values):
    maker = Maker(path)
    try:
        return maker.db.execute(sql, values).fetchall()
    finally:
        maker.db.close()


def test_what_writes_has_written(file):
    """Each does the call of its name, with its options."""
    for words in WRITING[:10]:
        assert wfext_(*words).code == 0, words
    assert rows(file, "SELECT input, due_at, tags FROM wf_workflows WHERE id = 'new-1'") == [('{"n": 1}', "2027-01-15 09:00:00.000", '{"a":"b"}')]
    assert rows(file, "SELECT payload, key FROM wf_signals WHERE workflow_id = 'refund-7' AND name = 'approve'") == [('{"ok": true}', "k")]
    assert rows(file, "SELECT payload FROM wf_events") == [("1",)]
    assert rows(file, "SELECT status, error FROM wf_workflows WHERE id = 'build-1'") == [("cancelled", '"no more"')]
    assert rows(file, "SELECT name FROM wf_steps WHERE workflow_id = 'order-1999003'") == [("reserve",)]
    assert rows(file, "SELECT input FROM wf_workflows WHERE id = 'trial-2'") == [("7",)]
    assert rows(file, "SELECT output FROM wf_steps WHERE workflow_id = 'pay-1' AND name = 'transfer'") == [('{"ref": 1}',)]


def test_all_that_match_are_asked_for_first(file):
    """How many it concerns; without an answer nothing is done, and nobody there is no answer."""
    done = wfext_("retry", file, "--name", "charge")
    assert done.code == 2 and "retry: 4 workflows of app.db (status failed or cancelled, name charge): say --yes" in done.err
    for answer, code in (("\n", 2), ("no\n", 2), ("y\n", 0)):
        done = wfext_("retry", file, "--name", "charge", input=answer, terminal=True)
        assert done.code == code and "retry: 4 workflows of app.db (status failed or cancelled, name charge). Go on? [y/N]" in done.err
        assert rows(file, "SELECT count(*) FROM wf_workflows WHERE name = 'charge' AND status = 'failed'") == [(4 if code else 0,)]
    assert done.out == "4 workflows retried\n"
    assert wfext_("retry", file, "--name", "charge", "--yes").out == "no workflow matches (status failed or cancelled, name charge)\n"


def test_a_signal_to_all_that_match(file):
    assert wfext_("signal", file, "-", "stop", "--status", "waiting", "--yes").out == "3 workflows signalled\n"
    assert rows(file, "SELECT count(*) FROM wf_signals WHERE name = 'stop'") == [(3,)]


def test_at_most_1000_in_a_transaction(tmp_path):
    """2,500 are three transactions: as the WAL says, in which each commit is one."""
    path = tmp_path / "many.db"
    maker = Maker(path)
    maker.db.execute("BEGIN")
    maker.db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2500) SELECT count(wf_start('job', i, json_object('id', 'job-' || i))) FROM n").fetchall()
    maker.db.execute("COMMIT")
    from wfext.view import actions, files, lists

    with files.open_file(str(path), write=True) as file:
        seen = []
        for done in actions.act_on_all(file.connection, "pause", lists.Filter(name="job")):
            seen.append((done.changed, maker.value("SELECT count(*) FROM wf_workflows WHERE status = 'paused'")))
    assert seen[:3] == [(1000, 1000), (2000, 2000), (2500, 2500)] and seen[-1][0] == 2500
    maker.db.close()


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry", "reschedule", "delete"])
def test_without_ids_or_a_filter_nothing_is_done(file, action):
    done = wfext_(action, file)
    assert done.code == 2 and "say which workflows" in done.err
    done = wfext_(action, file, "build-1", "--name", "build")
    assert done.code == 2 and "not both" in done.err


def test_exit_codes(file):
    assert wfext_("show", file, "nobody").code == 1
    assert wfext_("ls", "nothing.db").code == 1
    assert wfext_("ls", "nothing/*.db").code == 1
    assert wfext_("cancel", file, "nobody").code == 1
    assert wfext_("resolve", file, "pay-1", "other", "done").code == 1
    assert wfext_("nonsense").code == 2
    assert wfext_("ls", file, "--since", "yesterday").code == 2
    assert wfext_("start", file, "order", "{bad").code == 4
    assert wfext_("delete", file, "build-1").code == 4
    error = wfext_("delete", file, "build-1", "--json")
    check_schema("error", error.json[0])
    assert error.json[0]["exit"] == 4 and error.json[0]["error"].startswith("WF_STATE")


def test_a_file_is_no_module(tmp_path, monkeypatch):
    """It is said to be one where there is no module of that name; a module with a file beside it is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    program = "import wfext\n\napp = wfext.App('jobs.db')\nother = 5\n"
    for name, text in {"at_home": "", "at_home.py": program, "alone": "", "alone.db": "", "wants": "", "wants.py": "import nothing_of_this_name\n"}.items():
        Path(name).write_text(text)
    try:
        for text in ("alone", "alone.db", "./alone.db", str(Path("alone.db").absolute()), "at_home.py"):
            assert wfext_("worker", text).code == f"wfext: {text} is a file: say where its App is, module:name"
        assert wfext_("worker", "wants").code == "wfext: wants:app: No module named 'nothing_of_this_name'"
        assert wfext_("worker", "at_home:other").code == "wfext: at_home:other is int, not wfext.App"
        assert wfext_("worker", "at_home:none").code == "wfext: at_home:none: module 'at_home' has no attribute 'none'"
        for text in ("at_home", "at_home:", "at_home:app"):
            assert isinstance(find_app(text), wfext.App)
    finally:
        if "at_home" in sys.modules:
            sys.modules.pop("at_home").app.close()


def test_documents_go_to_another_file(file):
    """By files, and by a pipe; several in one file, a line each."""
    assert wfext_("export", file, "--name", "charge", "-o", "out.jsonl").out == "5 workflows exported\n"
    assert len(Path("out.jsonl").read_text().splitlines()) == 5
    done = wfext_("import", "other.db", "out.jsonl")
    assert (done.code, done.out) == (0, "5 workflows imported; those that have not ended are paused\n"), done
    assert rows("other.db", "SELECT status, count(*) FROM wf_workflows GROUP BY 1 ORDER BY 1") == [("failed", 4), ("paused", 1)]
    text = wfext_("export", file, "trial-1").out
    done = wfext_("import", "other.db", "--json", input=text)
    check_schema("import", done.json[0])
    assert done.json == [{"file": "other.db", "id": "trial-1"}]
    assert wfext_("export", file, "nobody").code == 1


def test_drawings_are_written_to_files(file):
    done = wfext_("explain", file, "fulfil-1", "--svg", "a.svg", "--dot", "a.dot", "--mermaid", "a.mmd")
    assert (done.code, done.out) == (0, "")
    import xml.etree.ElementTree as ET

    drawn = ET.parse("a.svg").getroot()
    texts = ["".join(each.itertext()) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "pick" in texts and "done: SELECT :sku AS sku" in texts and "approved ?" in texts
    assert Path("a.dot").read_text().startswith('digraph "fulfil" {') and Path("a.mmd").read_text().startswith("flowchart TD\n")
    assert wfext_("explain", file, "refund-7", "--svg", "-").code == 2


def test_queues_and_schedules_are_paused_and_fired(file):
    assert "paused" in wfext_("queues", file, "--pause", "bulk").out
    assert "paused" not in wfext_("queues", file, "--resume", "bulk").out
    assert "paused" in wfext_("schedules", file, "--pause", "nightly").out
    done = wfext_("schedules", file, "--resume", "nightly", "--json").json[0]["schedules"][0]
    assert not done["paused"] and done["next_at"] == "2027-01-16T03:00:00.000Z"
    assert rows(file, "SELECT cron, workflow, start FROM wf_schedules") == [("0 3 * * *", "report", '{"queue":"bulk"}')]
    assert "fired: nightly@2027-01-15T08:00:00Z" in wfext_("schedules", file, "--fire", "nightly").err
    assert wfext_("schedules", file, "--pause", "nobody").code == 1


def test_several_files(file, tmp_path):
    """One that is damaged is complained about, and the others are shown."""
    os.mkdir("agents")
    for name in "ab":
        maker = Maker(f"agents/{name}.db")
        maker.call("wf_start", "agent", None, {"id": f"agent-{name}", "now": 1_700_000_000 + ord(name)})
        maker.db.close()
    Path("agents/c.db").write_text("no database at all, but longer than a header of one: " * 20)
    done = wfext_("ls", "agents/*.db")
    assert done.code == 4 and "agents/c.db: file is not a database" in done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [["FILE", "ID"], ["agents/b.db", "agent-b"], ["agents/a.db", "agent-a"]]
    assert [line["file"] for line in wfext_("status", "agents/*.db", "--json").json] == ["agents/a.db", "agents/b.db"]
    shown = wfext_("show", "agents/[ab].db", "agent-b")
    assert shown.code == 0 and shown.out.startswith("agents/b.db: agent-b  pending")
    done = wfext_("fleet", "agents/*.db", "--json")
    assert done.code == 4
    for line in done.json:
        check_schema("fleet", line)
    for _ in range(2):
        kept = wfext_("fleet", "agents/*.db", "--json", "--index", "seen").json
        assert [(line["file"], line["ready"], line["error"]) for line in kept] == [(line["file"], line["ready"], line["error"]) for line in done.json]
    assert Path("seen").exists()
    assert [(Path(line["file"]).name, line["ready"], line["error"]) for line in done.json] == [("a.db", 1, None), ("b.db", 1, None), ("c.db", None, "file is not a database")]


@pytest.mark.parametrize("given", [["folder.db", "good.db"], ["good.db", "folder.db"]])
def test_a_folder_among_several_files(given, tmp_path, monkeypatch):
    """It is complained about, and the others are shown."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder.db")
    maker = Maker("good.db")
    maker.call("wf_start", "job", None, {"id": "here"})
    maker.db.close()
    for command in ("ls", "status", "queues"):
        done = wfext_(command, *given, "--json")
        assert (done.code, done.err) == (4, "wfext: folder.db: a folder, and no file\n"), done
        assert [line["file"] for line in done.json] == ["good.db"]
    assert "here" in wfext_("ls", *given).out


def test_watch_ends_with_the_workflow(file):
    """It prints what comes while it looks, and its code says how it has ended."""
    watching = subprocess.Popen(
        [sys.executable, "-u", "-m", "wfext.cli", "watch", file, "refund-7", "--json", "--interval", "0.05"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")},
    )  # fmt: skip
    kinds = [json.loads(watching.stdout.readline()), json.loads(watching.stdout.readline())]
    assert [list(each)[1] for each in kinds] == ["step", "workflow"] and kinds[1]["workflow"]["reason"] == "waiting for signal approve"
    maker = Maker(file)
    maker.call("wf_signal", "refund-7", "approve", "1")
    token = maker.claim("default", "w", names=["refund"])
    maker.call("wf_await", token, "approved", "approve")
    maker.call("wf_complete", token)
    maker.db.close()
    rest = [json.loads(line) for line in watching.stdout]
    for line in kinds + rest:
        check_schema("watch", line)
    assert rest[-1]["workflow"]["status"] == "completed" and watching.wait(60) == 0


def test_a_reader_that_leaves_is_no_error(file):
    done = subprocess.run(
        f'"{sys.executable}" -m wfext.cli ls {file} | head -n 1', shell=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")}
    )
    assert done.stderr == "" and done.stdout.startswith("ID ")


def test_the_command_is_also_python_m_wfext(tmp_path):
    done = subprocess.run([sys.executable, "-m", "wfext", "--version"], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")})
    assert (done.returncode, done.stdout.split()[0]) == (0, "wfext"), done


def test_a_terminal_that_knows_ascii_alone(file):
    done = process("show", file, "order-1999003", env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and done.stdout.isascii() and "|  #" in done.stdout.replace("|     #", "|  #"), done


def test_it_starts_without_what_it_does_not_need(file):
    """Counted by modules, not by time: status takes no more than these, and none of the large ones."""
    program = (
        "import sys; before = set(sys.modules)\nfrom wfext.cli import main\nassert main(['status', sys.argv[1], '--json']) == 0\n"
        "print(*sorted(set(sys.modules) - before), sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")})
    modules = set(done.stderr.split())
    for large in ("asyncio", "logging", "multiprocessing", "concurrent.futures", "threading.local", "wfext.app", "wfext.worker", "wfext.database", "starlette", "mcp", "pydantic", "xml", "unicodedata", "shutil", "pathlib"):
        assert large not in modules
    assert len(modules) <= 90, (len(modules), sorted(modules))


def test_the_page_is_that_of_the_command():
    done = subprocess.run([sys.executable, str(ROOT / "tools/command_docs.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_bar_shows_how_far_it_is(monkeypatch):
    """On a terminal alone."""
    import io

    from wfext.command.shown import Progress

    for is_terminal in (False, True):
        err = io.StringIO()
        err.isatty = lambda is_terminal=is_terminal: is_terminal
        monkeypatch.setattr(sys, "stderr", err)
        for total in (3000, None):
            bar = Progress("retry", total)
            bar.to(1000)
            bar.to(3000)
            bar.end()
        monkeypatch.undo()
        wanted = "\rretry [##########                    ] 1,000 of 3,000\rretry [##############################] 3,000 of 3,000\n\rretry 1,000\rretry 3,000\n"
        assert err.getvalue() == (wanted if is_terminal else "")


def test_run_again_and_again_until_it_is_told_to_stop(tmp_path):
    import signal

    path = tmp_path / "app.db"
    maker = Maker(path)
    maker.call("wf_define", "two", json.dumps({"steps": [{"name": "a", "sql": "SELECT 1"}, {"name": "b", "sql": "SELECT 2"}]}))
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "wfext.cli", "run", path, "--every", "0.05"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")},
    )  # fmt: skip
    for i in range(2):
        maker.call("wf_start", "two", None, {"id": f"two-{i}"})
        assert running.stdout.readline() == "2 steps\n"
        assert maker.call("wf_status", f"two-{i}") == "completed"
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (0, "", "wfext: 4 steps in all\n")
    maker.db.close()


def test_purge_says_what_it_will_take(file):
    done = wfext_("purge", file, "--older-than", "1m", "--name", "charge", "--keep", "1", input="y\n", terminal=True)
    assert "purge: 4 workflows of app.db (status completed or failed or cancelled, name charge, ended 1m ago, without the newest 1). Go on?" in done.err
    assert (done.code, done.out) == (0, "3 workflows purged\n")
    assert wfext_("purge", file, "--yes").code == 2 and wfext_("purge", file, "--older-than", "soon", "--yes").code == 2
    assert rows(file, "SELECT count(*) FROM wf_workflows WHERE name = 'charge'") == [(2,)]


def test_the_version():
    import wfext

    assert wfext_("--version").out == f"wfext {wfext.__version__}\n"


def test_more_pages(file):
    """The one says how to get the next."""
    first = wfext_("ls", file, "-n", "10")
    (before,) = re.findall(r"more with --before (\d+)", first.err)
    second = wfext_("ls", file, "-n", "10", "--before", before)
    ids = [line.split()[0] for done in (first, second) for line in done.out.splitlines()[1:]]
    assert len(ids) == len(set(ids)) == 14 and "more" not in second.err
    done = wfext_("steps", file, "order-1999003", "-n", "1")
    (after,) = re.findall(r"more with --after (\d+)", done.err)
    assert "charge" in wfext_("steps", file, "order-1999003", "--after", after).out and "charge" not in done.out


def test_the_help_has_a_line_for_each_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = wfext_("--help")
    assert re.search(r"^    definitions +workflows that", done.out, re.M) and not re.search(r"^    \S+$", done.out, re.M)
