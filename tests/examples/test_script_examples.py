"""examples/scripts: workflows scripted in SQL, from the stock shell only; each may be run again, and killed anywhere."""

import json
import random
import re
import signal
import subprocess
import time

import pytest

from furnish import EXAMPLES, furnish
from support import open_database
from test_order import pieces

NAMES = sorted(path.stem for path in (EXAMPLES / "scripts").glob("*.sql"))


def script(name):
    return (EXAMPLES / "scripts" / (name + ".sql")).read_text()


def shell(directory, text):
    return subprocess.run(["sqlite3", "-bail", "app.db"], input=text, cwd=directory, capture_output=True, text=True, timeout=60)


def run(directory, name):
    done = shell(directory, script(name))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def ask(directory, sql):
    with open_database(directory / "app.db") as db:
        found = db.rows(sql)
    db.close()
    return found


def steps(directory, id):
    return ask(directory, "SELECT name, status, attempts FROM wf_steps WHERE workflow_id = '%s' ORDER BY seq" % id)


def contents(directory):
    """All rows of the application, and of the engine what does not depend on the time."""
    tables = [
        name
        for (name,) in ask(
            directory,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
        )
    ]
    found = {table: ask(directory, "SELECT * FROM %s" % table) for table in tables}
    found["wf_steps"] = ask(directory, "SELECT workflow_id, name, kind, status, attempts FROM wf_steps ORDER BY workflow_id, seq")
    found["wf_workflows"] = ask(directory, "SELECT id, status, error FROM wf_workflows ORDER BY id")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_same_comes_of_it_on_the_sqlite_of_the_tests(directory, name):
    """The shell has one of its own: here it may be the oldest supported one."""
    run(directory, name)
    other = directory / "other"
    other.mkdir()
    with open_database(other / "app.db") as db:
        db.executescript(re.sub(r"(?m)^\..*$", "", script(name)))
    db.close()
    # A constraint without a name is called by its table or by its text, as the version will.
    shown, again = (re.sub(r"(CHECK constraint failed: )[^'\"]*", r"\1...", repr(contents(each))) for each in (directory, other))
    assert "'wf_steps': []" not in shown and shown == again


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_its_comment_says_and_again(directory, name):
    command = "sqlite3 -bail app.db < examples/scripts/%s.sql" % name
    assert command in script(name)
    outputs = []
    for _ in range(2):
        done = subprocess.run(command, shell=True, cwd=directory, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(done.stdout)
        outputs.append(contents(directory))
    assert outputs[1] == outputs[3], "the second run did something again"
    assert ask(directory, "SELECT wf_check()") == [(None,)]
    assert ask(directory, "SELECT id FROM wf_pending") == []


def test_there_are_six():
    assert NAMES == ["approval_timeout", "converge", "etl", "fanout", "nightly", "order_saga"]


def test_etl(directory):
    out = run(directory, "etl")
    assert dict(row[:2] for row in steps(directory, "etl 2026-11-23")) == {
        "check": "done",
        "load": "done",
        "reject": "done",
        "alert": "done",
        "report": "done",
        "output": "done",
    }
    assert ("check", "done", 3) in steps(directory, "etl 2026-11-23")
    result = {"read": 5, "loaded": 3, "rejected": 2, "report": [{"sku": "cocoa", "amount": 2.25}, {"sku": "tea", "amount": 7.5}]}
    status, _, output = out.splitlines()[-1].partition("|")
    assert (status, json.loads(output)) == ("completed", result)
    assert ask(directory, "SELECT text FROM alert") == [("2 rows rejected on 2026-11-23",)]


def test_order_saga(directory):
    out = run(directory, "order_saga")
    assert [row[:2] for row in steps(directory, "order-2")] == [
        ("reserve", "done"),
        ("charge", "done"),
        ("note", "done"),
        ("ship", "failed"),
        ("undo note", "done"),
        ("undo charge", "done"),
        ("undo reserve", "done"),
    ]
    assert ask(directory, "SELECT free FROM stock") == [(17,)]
    assert ask(directory, "SELECT customer, cents FROM account ORDER BY customer") == [("ann", 8800), ("bob", 10000)]
    assert ask(directory, "SELECT order_id, qty FROM parcel") == [("order-1", 3)]
    assert ask(directory, "SELECT id, status FROM wf_workflows ORDER BY id") == [("order-1", "completed"), ("order-2", "failed")]
    assert "order-2   given back: step 'ship' failed: CHECK constraint failed" in out


def test_nightly(directory):
    run(directory, "nightly")
    (found,) = ask(directory, "SELECT deleted, days FROM night")
    (kept,) = ask(directory, "SELECT count(*) FROM event")
    assert found[0] + kept[0] == 2000 and found[0] > 400 and found[1] == found[0] / 50
    assert ask(directory, "SELECT sum(events) FROM day") == [(found[0],)]
    ((id, status),) = ask(directory, "SELECT id, status FROM wf_workflows")
    assert id.startswith("nightly@") and id.endswith("T03:00:00Z") and status == "completed"


def test_fanout(directory):
    run(directory, "fanout")
    assert ask(directory, "SELECT count(*), count(DISTINCT document), sum(words) FROM word_count") == [
        (990, 990, sum(i % 7 + 1 for i in range(1, 1001) if i % 100))
    ]
    ((output,),) = ask(directory, "SELECT wf_result('count')")
    assert json.loads(output) == {"items": 1000, "counted": 990, "failed": 10}
    assert ask(directory, "SELECT count(*) FROM wf_failures") == [(20,)]


def test_approval_with_a_timeout(directory):
    run(directory, "approval_timeout")
    assert ask(directory, "SELECT id, state FROM expense ORDER BY id") == [
        ("expense-1", "paid, approved by ann"),
        ("expense-2", "refused: nobody answered"),
    ]
    assert steps(directory, "expense-1")[3][1] == "skipped" and steps(directory, "expense-2")[2][1] == "skipped"


def test_approval_refused_by_a_person(directory):
    text = script("approval_timeout").replace(
        '{"ok": true, "by": "ann"}\', \'{"key": "ann"}\') WHERE', '{"ok": false, "by": "bob"}\', \'{"key": "bob"}\') WHERE'
    )
    assert text != script("approval_timeout")
    assert shell(directory, text).stderr == ""
    assert ask(directory, "SELECT state FROM expense WHERE id = 'expense-1'") == [("refused by bob",)]


def test_converge(directory):
    run(directory, "converge")
    chains = [{id * 37 % 61 for id in range(first, first + 20)} for first in (1, 21, 41)]
    assert ask(directory, "SELECT id, part FROM place ORDER BY id") == sorted((id, min(chain)) for chain in chains for id in chain)
    ((output,),) = ask(directory, "SELECT wf_result('map')")
    assert json.loads(output) == [{"part": part, "places": 20} for part in sorted(map(min, chains))]
    ((how,),) = ask(directory, "SELECT how FROM _wf_step WHERE name = 'spread'")
    assert 3 <= json.loads(how)["iteration"] <= 20


def code_lines(block):
    return sum(bool(line.strip()) and not line.strip().startswith("--") for line in block.splitlines())


def test_the_comparison_counts_lines_honestly():
    page = (EXAMPLES.parent / "docs" / "scripts-compared.md").read_text()
    table = re.findall(r"^\| \[[^]]*\]\(#([\w-]+)\) \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    counted = []
    for section in sections:
        blocks = {mark: re.findall(r"^```%s\n(.*?)^```" % mark, section, re.MULTILINE | re.DOTALL) for mark in ("sql", "text")}
        if blocks["text"]:
            anchor = re.sub(r"[^\w\- ]", "", section.splitlines()[0].lower()).replace(" ", "-")
            counted.append((anchor, *(str(sum(map(code_lines, blocks[mark]))) for mark in ("sql", "text"))))
    assert counted == table and len(table) == len(NAMES)


PIECES = {name: pieces(script(name)) for name in ("order_saga", "etl")}


@pytest.mark.parametrize("name, count", [(name, count) for name, parts in PIECES.items() for count in range(1, len(parts) + 1)])
def test_killed_after_any_statement_it_continues(tmp_path, name, count):
    expected = furnish_and(tmp_path / "undisturbed", lambda directory: run(directory, name))
    directory = furnish_and(tmp_path / "killed", lambda directory: None)
    killed = shell(directory, "".join(PIECES[name][:count]) + ".shell kill -KILL $PPID\n")
    assert killed.returncode == -signal.SIGKILL
    run(directory, name)
    assert contents(directory) == contents(expected)


def furnish_and(directory, act):
    directory.mkdir()
    furnish(directory)
    act(directory)
    return directory


def test_fanout_killed_at_random_moments_and_run_again(tmp_path):
    """The 1,000 items come to the same end, each once, however often the shell is killed."""
    begin = time.monotonic()
    expected = furnish_and(tmp_path / "undisturbed", lambda directory: run(directory, "fanout"))
    whole = time.monotonic() - begin
    directory = furnish_and(tmp_path / "killed", lambda directory: None)
    rng = random.Random(1)
    kills = 0
    while kills < 12:
        process = subprocess.Popen(
            ["sqlite3", "-bail", "app.db"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory
        )
        process.stdin.write(script("fanout").encode())
        process.stdin.close()
        time.sleep(rng.uniform(0.3, 0.9) * whole / 20 * 1.25**kills)  # early at first: the machine may be faster now
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
    assert kills > 1
    run(directory, "fanout")
    there, reference = contents(directory), contents(expected)
    assert sorted(there.pop("wf_steps")) == sorted(reference.pop("wf_steps"))
    assert sorted(there.pop("word_count")) == sorted(reference.pop("word_count"))
    assert there == reference
