"""Each command on an empty file, one without tables, a damaged one, one that is read-only, and one that is locked; and stored texts that would move the cursor."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import wfext
from command_line import NOW, SOURCE, Maker, process, shop, wfext_
from test_command import check_schema

# Each command with its arguments behind the file, and its exit code where there are no workflows.
READING = {
    "status": ([], 0), "ls": ([], 0), "show": (["w-1"], 1), "steps": (["w-1"], 1), "errors": ([], 0), "watch": (["--for", "0"], 0), "watch one": (["w-1", "--for", "0"], 1), "top": (["--count", "1"], 0),
    "queues": ([], 0), "schedules": ([], 0), "definitions": ([], 0), "explain": (["w-1"], 1), "doctor": ([], 0), "check": ([], 0), "fleet": ([], 0), "export": (["w-1"], 1), "export all": (["--all"], 0),
}  # fmt: skip
WRITING = {
    "start": (["job", "--id", "w-1"], 0), "signal": (["w-1", "go"], 1), "signal all": (["-", "go", "--status", "live", "--yes"], 0), "emit": (["e"], 0), "cancel": (["w-1"], 1),
    "cancel all": (["--all", "--yes"], 0), "pause": (["w-1"], 1), "resume": (["w-1"], 1), "retry": (["w-1"], 1), "fork": (["w-1"], 1), "resolve": (["w-1", "s", "done"], 1), "reschedule": (["w-1"], 1),
    "delete": (["w-1"], 0), "purge": (["--older-than", "1d", "--yes"], 0), "run": ([], 0), "import": (["document.json"], 0), "queues pause": (["--pause", "q"], 0), "schedules pause": (["--pause", "s"], 1),
}  # fmt: skip
ALL = {**READING, **WRITING}


def of_shop(name):
    """The exit code of a command that looks at the shop: its doctor complains about the clock for tests."""
    return 4 if name == "doctor" else ALL[name][1]


def run(name, *arguments, **options):
    return wfext_(name.split()[0], "app.db", *ALL[name][0], *arguments, **options)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maker = Maker("source.db")
    maker.call("wf_start", "job", None, {"id": "from-elsewhere"})
    Path("document.json").write_text(maker.call("wf_export", "from-elsewhere"))
    maker.db.close()


def test_every_command_is_here():
    from wfext.command.arguments import HOMES

    commands = {name for names in HOMES.values() for name in names.split()}
    assert commands - {name.split()[0] for name in ALL} == {"worker", "ui", "mcp", "path"}


@pytest.mark.parametrize("kind", ["empty", "without tables"])
@pytest.mark.parametrize("name", ALL)
def test_without_workflows(kind, name):
    """Nothing is there, which is no error; who only looks makes nothing."""
    db = sqlite3.connect("app.db")
    if kind != "empty":
        db.execute("CREATE TABLE mine(x)")
    db.close()
    Path("app.db").touch()
    before = Path("app.db").read_bytes()
    done = run(name)
    assert done.code == ALL[name][1], done
    if name in READING:
        assert Path("app.db").read_bytes() == before
        assert not Path("app.db-wal").exists() and not Path("app.db-journal").exists()
        for line in run(name, "--json").json if not name.startswith("export") else []:
            check_schema("error" if "error" in line and line.keys() == {"error", "exit"} else name.split()[0], line)


@pytest.mark.parametrize("name", ALL)
def test_no_database_at_all(name):
    Path("app.db").write_bytes(b"this is a text, and was one from the beginning\n" * 100)
    done = run(name)
    assert done.code == 4 and "Traceback" not in done.err, done
    assert "not a database" in done.out if name == "fleet" else "wfext: app.db: file is not a database" in done.err, done


@pytest.mark.parametrize("name", ALL)
def test_a_folder(name):
    Path("app.db").mkdir()
    done = run(name)
    assert (done.code, done.err) == (1, f"wfext: app.db: {'no file could be looked at' if name == 'fleet' else 'a folder, and no file'}\n"), done


@pytest.mark.parametrize("name", ALL)
def test_a_damaged_file(name):
    """With every page but the first overwritten: no crash, no answer, no trace of Python."""
    shop("app.db").db.close()
    with open("app.db", "r+b") as file:
        size = os.path.getsize("app.db")
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    done = run(name)
    assert done.code == 4 and "Traceback" not in done.err, done


@pytest.mark.parametrize("name", ALL)
def test_a_read_only_file(name):
    """Looking works, in a folder that cannot be written, too; whatever writes says that it is read-only."""
    place = Path(tempfile.mkdtemp())  # (that of the test is closed to other users)
    try:
        shop(place / "app.db").db.close()
        (place / "document.json").write_bytes(Path("document.json").read_bytes())
        os.chmod(place / "app.db", 0o444)
        os.chmod(place, 0o555)
        as_user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}  # root may write everything
        done = process(name.split()[0], "app.db", *ALL[name][0], cwd=place, **as_user)
        assert "Traceback" not in done.stderr, done
        if name in WRITING:
            nothing_to_do = {"signal all", "cancel all"} & {name}
            assert done.returncode == (4 if not nothing_to_do else done.returncode) and "readonly" in done.stderr, done
        else:
            assert done.returncode == of_shop(name), done
            assert "does not change" in done.stderr or "--json" in ALL[name][0] or name in ("fleet", "top"), done
        assert sorted(each.name for each in place.iterdir()) == ["app.db", "document.json"]
    finally:
        os.chmod(place, 0o755)
        shutil.rmtree(place)


@pytest.fixture
def lock():
    """Makes the file, and holds it: a writer in WAL mode, or somebody alone without it."""
    holding = []

    def hold(journal, statement):
        maker = shop("app.db")
        assert maker.value(f"PRAGMA journal_mode = {journal}") == journal
        maker.db.execute(statement)
        holding.append(maker.db)

    yield hold
    for each in holding:
        each.close()


@pytest.mark.parametrize("name", WRITING)
def test_a_file_that_somebody_else_writes(name, lock):
    lock("wal", "BEGIN IMMEDIATE")
    done = run(name, "--timeout", "0.05")
    assert done.code == 3 and "another connection holds the file (waited 0.05 s" in done.err, done


@pytest.mark.parametrize("name", [*READING, *WRITING])
def test_a_file_that_somebody_has_for_himself(name, lock):
    lock("delete", "BEGIN EXCLUSIVE")
    done = run(name, "--timeout", "0.05")
    if name == "fleet":  # wf_fleet reads a file that holds still without a lock
        assert done.code == 0 and "  3  " in done.out
        return
    assert done.code == 3 and "wfext: app.db: database is locked: another connection holds the file (waited 0.05 s" in done.err, done


def test_who_only_looks_is_not_held_up_by_a_writer(lock):
    lock("wal", "BEGIN IMMEDIATE")
    for name in READING:
        done = run(name, "--timeout", "0.05")
        assert done.code == of_shop(name), (name, done)


def test_who_looks_leaves_nothing_behind():
    """A file in WAL mode that nobody has open has no -wal and no -shm; nor has it afterwards. What somebody else uses stays."""
    shop("app.db").db.close()
    assert not Path("app.db-wal").exists()
    for name in READING:
        assert run(name).code == of_shop(name)
        assert not Path("app.db-wal").exists() and not Path("app.db-shm").exists(), name
    maker = Maker("app.db")
    maker.at(1)
    assert run("status").code == 0
    assert Path("app.db-wal").exists() and maker.call("wf_start", "job", None, {"id": "after"}) == "after"
    maker.db.close()


# Stored texts

HOSTILE = "\x1b[2J\x1b]0;title\x07\r\x08\x9b31m\u202eright\u2066\u200bto left\x7f\n\tend"


def test_stored_text_stays_text():
    """Whatever was stored, also by hand into the tables: each byte that goes out is printable, or ends a line."""
    maker = Maker("app.db")
    maker.at(0)
    text = __import__("json").dumps(HOSTILE, ensure_ascii=False)
    for id, queue in (("w-1", "q"), ("w-2", "q"), ("w-3", "doubt")):
        maker.call("wf_start", "job", text, {"id": id, "queue": queue, "tags": {"k": "\u202evalue"}, "headers": {"h": HOSTILE}})
    token = maker.claim("q", "w", id="w-1")
    maker.call("wf_step", token, "s", text)
    maker.call("wf_set", token, "k", text)
    maker.call("wf_append", token, "log", text)
    maker.call("wf_signal", "w-1", "note", text)
    maker.call("wf_fail", token, {"type": HOSTILE, "message": HOSTILE}, {"retry": False})
    token = maker.claim("q", "w", id="w-2")
    maker.call("wf_fail", token, HOSTILE, {"step": "s2", "delay": "1h"})
    maker.call("wf_begin", maker.claim("doubt", "w", id="w-3"), "transfer")
    maker.call("wf_recover", {"lost": True})
    maker.call("wf_schedule", "nightly", "0 3 * * *", "job", text)
    maker.call("wf_define", "script", __import__("json").dumps({"steps": [{"name": "a", "sql": f"SELECT '{HOSTILE}'"}, {"name": "b", "sleep": "1h"}]}))
    maker.call("wf_start", "script", None, {"id": "scripted"})
    maker.call("wf_run")
    # What the engine refuses as a name, by hand.
    for table, column in (("_wf_workflow", "worker"), ("_wf_step", "name"), ("_wf_lane", "name"), ("_wf_lane", "queue"), ("_wf_value", "key"), ("_wf_stream", "stream"), ("_wf_failure", "worker")):
        maker.db.execute(f"UPDATE {table} SET {column} = {column} || ? WHERE {column} IS NOT NULL AND rowid < 3", (HOSTILE,))
    maker.db.execute("UPDATE _wf_workflow SET id = id || ? WHERE id = 'w-2'", (HOSTILE,))
    maker.db.close()
    hostile_id = "w-2" + HOSTILE
    commands = [
        ["status"], ["ls"], ["show", "w-1"], ["show", hostile_id], ["show", "w-3"], ["show", "scripted"], ["steps", "w-1"], ["steps", "scripted"], ["errors"], ["errors", "--status", "live"], ["queues"],
        ["schedules"], ["definitions"], ["explain", "w-1"], ["explain", hostile_id], ["explain", "w-3"], ["explain", "scripted"], ["explain", "script", "--dot", "-"], ["explain", "script", "--svg", "-"],
        ["explain", "scripted", "--mermaid", "-"],
        ["doctor"], ["check"], ["fleet"], ["watch", "--for", "0"], ["watch", "w-1", "--for", "0"], ["top", "--count", "1"], ["show", "nobody" + HOSTILE], ["ls", "--since", HOSTILE],
        ["cancel", hostile_id], ["retry", "--error", HOSTILE, "--yes"], ["cancel", "--name", HOSTILE, "--yes"],
    ]  # fmt: skip
    seen = ""
    for words in commands:
        for json in ([], ["--json"]):
            for columns in (60, 100_000):
                done = wfext_(words[0], "app.db", *words[1:], *json, columns=columns)
                shown = done.out + done.err
                assert "Traceback" not in shown
                bad = {c for line in shown.split("\n") for c in line if not c.isprintable()}
                assert not bad, (words, json, bad)
                seen += shown
    assert "\\x1b[2J" in seen and "\\u202e" in seen and "\\u001b" in seen  # it was there, as escapes


def test_escapes_of_every_character():
    """The rule itself: no character of category C, and no line or paragraph separator, goes through."""
    import unicodedata

    from wfext.command.shown import safe

    for n in range(0x110000):
        c = chr(n)
        if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029\r\n\t":
            assert safe(c) != c and safe(c).isprintable()
    assert safe("Zoë 日本 ✓ a b") == "Zoë 日本 ✓ a b"


def test_wide_characters_keep_the_columns():
    from wfext.command.shown import cut, table, width

    assert table(("A", "B"), [("日本", "1"), ("ab", "2")]) == "A     B\n日本  1\nab    2"
    assert cut("日本語", 5) == "日本" and width("e\u0301") == 1


def test_the_clock_of_the_file_is_the_one_that_counts():
    maker = Maker("app.db")
    maker.at(0)
    maker.call("wf_start", "job", None, {"id": "w-1"})
    maker.at(3600)
    maker.db.close()
    done = wfext_("status", "app.db", "--json")
    assert done.json[0]["now"] == "2027-01-15T09:00:00.000Z" and NOW == 1_800_000_000
    assert "1 h ago" in wfext_("ls", "app.db").out
    assert wfext.__version__ in wfext_("doctor", "app.db").out


def test_a_file_whose_writer_died_in_the_middle(tmp_path):
    """Without WAL: its half-written pages are taken back first, and never shown."""
    maker = Maker("app.db")
    maker.value("PRAGMA journal_mode = delete")
    maker.db.execute("CREATE TABLE mine(x)")
    maker.call("wf_start", "job", None, {"id": "before"})
    maker.db.execute("PRAGMA cache_size = 1")
    maker.db.execute("BEGIN IMMEDIATE")
    for i in range(300):
        maker.call("wf_start", "job", None, {"id": f"half-{i}"})
    for name in ("app.db", "app.db-journal"):  # as they are on the disk at this moment
        shutil.copy(name, "copy" + name[3:])
    maker.db.execute("ROLLBACK")
    maker.db.close()
    assert Path("copy.db-journal").stat().st_size > 0
    done = wfext_("ls", "copy.db")
    assert done.code == 0 and [line.split()[0] for line in done.out.splitlines()] == ["ID", "before"], done
    assert not Path("copy.db-journal").exists()


def test_texts_that_are_no_utf8_and_numbers_that_are_no_json(tmp_path):
    maker = Maker("app.db")
    for i, bad in enumerate(("CAST(x'22ff22' AS TEXT)", "'NaN'", "9e999", "'[1e999]'", "'{'")):
        maker.call("wf_start", "job", "1", {"id": f"w-{i}"})
        maker.db.execute(f"UPDATE _wf_workflow SET input = {bad} WHERE id = 'w-{i}'")
    maker.db.close()
    shown = [wfext_("show", "app.db", f"w-{i}", "--json").json[0]["workflow"]["input"] for i in range(5)]
    assert shown == ["\ufffd", {"$text": "NaN"}, {"$text": "inf"}, [{"$text": "inf"}], {"$text": "{"}]
    assert "\ufffd" in wfext_("show", "app.db", "w-0").out


@pytest.mark.parametrize("output", ["app.db", "link.db", "app.db-wal", "app.db-journal"])
@pytest.mark.parametrize("command", [["export", "app.db", "--all", "-o"], ["explain", "app.db", "fulfil", "--svg"], ["ui", "app.db", "--host", "0.0.0.0", "--log"]], ids=lambda each: each[0])
def test_the_file_itself_is_never_written_over(command, output):
    m = shop("app.db")
    Path("link.db").symlink_to("app.db")
    before = Path("app.db").read_bytes()
    done = wfext_(*command, output)
    assert done.code == 2 and "would be written" in done.err, done
    assert Path("app.db").read_bytes() == before and not Path("app.db-journal").exists()
    assert m.value("PRAGMA integrity_check") == "ok"


def test_an_export_of_nothing_leaves_what_is_there():
    shop("app.db").db.close()
    Path("backup.jsonl").write_text("what was saved before\n")
    assert wfext_("export", "app.db", "order-1999003x", "-o", "backup.jsonl").code == 1
    assert Path("backup.jsonl").read_text() == "what was saved before\n"


@pytest.mark.parametrize("closed", ["1", "2"])
def test_an_output_that_is_closed(closed):
    shop("app.db").db.close()
    command = f"exec {sys.executable} -m wfext ls app.db {closed}>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(SOURCE), "WFEXT_LIBRARY": os.path.abspath(wfext.loadable_path())})
    assert done.returncode == 0 and "Traceback" not in done.stderr, done


def test_an_export_moves_no_cursor():
    """It may go to a terminal: what JSON may hold as it is (C1 controls, DEL, what turns the direction) is escaped, and comes back as it was."""
    maker = Maker("app.db")
    stored = '"\x9b31m red \u202e \x7f \U000e0001 größe"'
    maker.call("wf_start", "job", stored, {"id": "w-1"})
    maker.db.close()
    out = wfext_("export", "app.db", "w-1").out
    assert out.rstrip("\n").isprintable() and "größe" in out and "\\u009b31m" in out
    assert wfext_("import", "other.db", input=out).code == 0
    assert Maker("other.db").value("SELECT input FROM wf_workflows") == stored


def test_an_export_keeps_numbers_as_they_are():
    maker = Maker("app.db")
    maker.call("wf_start", "job", '{"a":\n 1.10,\r\n "b": 12345678901234567890.12345678901234567890, "c": 1e400}', {"id": "w-1"})
    maker.db.close()
    done = wfext_("export", "app.db", "w-1")
    assert len(done.out.splitlines()) == 1 and "1.10," in done.out and "12345678901234567890.12345678901234567890" in done.out and "1e400" in done.out, done
    assert wfext_("import", "other.db", input=done.out).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "app.db", "\udcff"], ["cancel", "app.db", "\udcff"], ["start", "app.db", "job", '"\udcff"'], ["ls", "app.db", "--prefix", "\udcff"], ["import", "app.db", "bad.txt"],
        ["ls", "app.db", "--since", "99999999d"], ["ls", "app.db", "--since", "0001-01-01"], ["ls", "app.db", "--since", "0001-01-01T00:00+14:00"], ["ls", "app.db", "--since", "9999-12-31T23:59:59-10:00"],
        ["ls", "app.db", "--before", "9" * 30], ["ls", "app.db", "-n", "9" * 30], ["steps", "app.db", "w-1", "--after", "9" * 30], ["steps", "app.db", "w-1", "--after", "-1"],
        ["fork", "app.db", "w-1", "--input", "[" * 100_000], ["purge", "app.db", "--older-than", "99999999d", "--yes"], ["purge", "app.db", "--keep", "-1", "--yes"],
        ["ui", "app.db", "--port", "65536"], ["ui", "app.db", "--port", "-1"], ["ui", "app.db", "--auth", "os:sep", "--host", "0.0.0.0"],
    ],
    ids=lambda each: " ".join(each)[:50].encode("ascii", "backslashreplace").decode(),
)  # fmt: skip
def test_nonsense_is_wrong_usage(arguments):
    """And no traceback, whose exit code would say that there is no such workflow."""
    maker = Maker("app.db")
    maker.call("wf_start", "job", None, {"id": "w-1"})
    maker.db.close()
    Path("bad.txt").write_bytes(b"\xff\xfe\n")
    done = wfext_(*arguments)
    assert done.code == 2 and done.err and "Traceback" not in done.err, done


def test_a_group_of_errors_can_be_copied_from_one_command_to_the_next():
    """Whatever is in the error, and however narrow the terminal is."""
    maker = Maker("app.db")
    for i in range(3):
        maker.call("wf_start", "job", None, {"id": f"w-{i}"})
        maker.call("wf_fail", f"w-{i}", {"type": "E", "message": f"line {i}\n\tof \x1b[1m'many' \u202e words " + "and more " * 15}, {"retry": False})
    maker.db.close()
    line = wfext_("errors", "app.db", columns=40).out.splitlines()[1]
    group = line.split("  ", 1)[1].rsplit("  job", 1)[0].strip()
    assert wfext_("retry", "app.db", "--error", group, "--yes").out == "3 workflows retried\n"


def test_documents_before_one_that_is_refused_are_there():
    maker = Maker("other.db")
    lines = []
    for i in range(4):
        maker.call("wf_start", "job", str(i), {"id": f"w-{i}"})
        lines.append(maker.call("wf_export", f"w-{i}"))
    maker.db.close()
    lines[2] = '{"format": 1}'
    Path("four.jsonl").write_text("\n".join(lines))
    done = wfext_("import", "app.db", "four.jsonl")
    assert done.code == 4 and "2 workflows imported before document 3 was refused" in done.err and "WF_INVALID" in done.err
    lines[2] = lines[1]
    Path("four.jsonl").write_text("\n".join(lines))
    assert wfext_("import", "app.db", "four.jsonl").out.startswith("4 workflows imported")
    assert {row["id"] for row in wfext_("ls", "app.db", "--json").json[0]["workflows"]} == {"w-0", "w-1", "w-3"}


def test_letters_that_the_terminal_does_not_know():
    maker = Maker("app.db")
    maker.call("wf_start", "job", '"größe 日本"', {"id": "größe"})
    maker.db.close()
    done = process("show", "app.db", "größe", env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "gr\\xf6\\xdfe" in done.stdout, done


ANY_VALUES = [None, -1, 0, 2**62, -(2**62), 1.5, float("inf"), "", "x", "completed", "waiting", '{"a":', "[1]", "\x1b[31m", b"\xff\x00", "NaN", "9" * 50, '{"type": {"a": 1}, "message": [1]}']


@pytest.mark.parametrize("seed", range(24))
def test_rows_that_were_changed_by_hand(seed):
    """Any value in any column of any table: an answer or an error, and never a stack of calls; and what goes out is printable."""
    import random

    chance = random.Random(seed)
    shop("app.db").db.close()
    db = sqlite3.connect("app.db", isolation_level=None)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '\\_wf\\_%' ESCAPE '\\' ORDER BY name")]
    changes = []
    while len(changes) < 4:
        table = chance.choice(tables)
        column = chance.choice([row[1] for row in db.execute(f"PRAGMA table_info({table})")])
        try:
            db.execute(f'UPDATE {table} SET "{column}" = ?', (chance.choice(ANY_VALUES),))
            changes.append((table, column))
        except sqlite3.IntegrityError:
            continue
    db.close()
    commands = [
        ["status"], ["ls"], ["show", "order-1999003"], ["show", "trial-1"], ["show", "refund-7"], ["show", "fulfil-1"], ["show", "pay-1"], ["steps", "fulfil-1"], ["errors"], ["queues"], ["schedules"],
        ["definitions"], ["explain", "fulfil-1"], ["explain", "refund-7"], ["explain", "fulfil", "--svg", "-"], ["explain", "fulfil-1", "--mermaid", "-"], ["doctor"], ["check"], ["fleet"],
        ["watch", "--for", "0"], ["watch", "order-1999003", "--for", "0"], ["retry", "--status", "failed", "--yes"], ["pause", "--all", "--yes"],
    ]  # fmt: skip
    for words in chance.sample(commands, 8):
        for json in ([], ["--json"]):
            done = wfext_(words[0], "app.db", *words[1:], *json)
            assert done.code in (0, 1, 2, 4), (changes, words, done)
            assert not {c for line in (done.out + done.err).split("\n") for c in line if not c.isprintable()}, (changes, words)


def test_a_python_that_loads_no_extensions(monkeypatch):
    """Says what to do, and no stack of calls."""
    from wfext import loading

    def load(connection):
        class Plain:
            execute = connection.execute

        return real(Plain())

    real = loading.load
    monkeypatch.setattr(loading, "load", load)
    Path("app.db").touch()
    done = wfext_("status", "app.db")
    assert done.code == 4 and "built without loadable extensions" in done.err
