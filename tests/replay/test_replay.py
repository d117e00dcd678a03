"""Nodes that repeat each other's calls stay alike, row by row and result by result, whatever their clocks, zone files, speed and SQLite are; also one that was restarted
from a snapshot and is fed the log once more, later. docs/explicit-mode.md"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import BASE, open_database

sys.path.insert(0, str(Path(__file__).resolve().parent))

from calls import FLOW, LONG, SCHEMA, Calls  # noqa: E402
from replica import digest, execute, prepare, shown  # noqa: E402

HERE = Path(__file__).resolve().parent
OLD_SQLITE = HERE.parents[1] / "build" / "compat" / "sqlite"
DEEP = bool(os.environ.get("WFEXT_DEEP"))
REQUESTS = 12_000 if DEEP else 600  # of 1 to 5 calls, 20,000 in all


@pytest.fixture(scope="module", params=range(3) if not DEEP else range(1))
def log(request, tmp_path_factory):
    """A log that was made on the first node, call by call: its folder, with what came of each and what it left."""
    folder = tmp_path_factory.mktemp("replay")
    db = open_database(folder / "leader.db")
    prepare(db)
    calls = Calls(random.Random("replay %d" % request.param), BASE)
    setup = [[sql, []] for sql in SCHEMA]
    setup += [calls.call("wf_define", name, json.dumps(document)) for name, document in (("flow", FLOW), ("long", LONG))]
    requests = [{"transaction": False, "statements": setup}]
    count = good = 0
    with open(folder / "log", "w") as log, open(folder / "results", "w") as results:
        for number in range(REQUESTS + 1):
            asked = requests[0] if number == 0 else calls.request()
            came = execute(db, asked)
            calls.learn(came)
            count += len(came)
            good += sum(isinstance(result, list) for result in came)
            log.write(json.dumps(asked) + "\n")
            results.write(shown(came) + "\n")
    said = (folder / "results").read_text()
    # It is no play of errors: much has succeeded, and much was rolled back.
    assert good > count / 3, (good, count)
    assert min(said.count(word) for word in ("completed", "failed", "token")) > REQUESTS / 200
    assert "completed" in said and "failed" in said and '"{\\"token\\"' in said
    assert said.count("UNIQUE constraint failed") > REQUESTS / 200 and "no_such_function" in said and "WF_INVALID" in said
    assert db.wf_check() is None
    assert count > REQUESTS
    (folder / "digest").write_text(digest(db))
    db.close()
    return folder


def play(folder, name, first=0, last=10**9, off=0.0, speed=1.0, pause=0, file=None, **environment):
    """Plays the log on a node; what it says at the end. Its results are compared one by one."""
    file = file or folder / (name + ".db")
    results = folder / (name + ".results")
    arguments = [str(x) for x in (file, folder / "log", results, first, last, off, speed, pause)]
    done = subprocess.run([sys.executable, str(HERE / "replica.py"), *arguments], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = (folder / "results").read_text().splitlines()[first:last]
    came = results.read_text().splitlines()
    asked = (folder / "log").read_text().splitlines()[first:last]
    for number, (one, other) in enumerate(zip(expected, came)):
        assert one == other, "request %d: %s" % (first + number, asked[number])
    assert len(came) == len(expected)
    return done.stdout.strip()


def test_a_node_with_another_clock_and_no_zone_files(log, tmp_path):
    (tmp_path / "zones").mkdir()
    assert play(log, "future", off=9 * 365 * 86400, speed=5000, TZDIR=str(tmp_path / "zones"), TZ="Asia/Tokyo") == (log / "digest").read_text()


def test_a_node_that_is_slow_and_whose_clock_stands_still(log):
    assert play(log, "slow", off=-20 * 365 * 86400, speed=0, pause=400 if not DEEP else 20000) == (log / "digest").read_text()


def test_a_node_that_was_restarted_from_a_snapshot_and_is_fed_the_log_again_later(log):
    half = REQUESTS // 2
    play(log, "first half", last=half, off=1000)
    shutil.copy(log / "first half.db", log / "snapshot.db")
    end = (log / "digest").read_text()
    assert play(log, "goes on", first=half, off=2000, file=log / "first half.db") == end
    assert play(log, "again", first=half, off=86400 * 700, speed=100, file=log / "snapshot.db") == end


@pytest.mark.skipif(not (OLD_SQLITE / "libsqlite3.so.0").exists(), reason="SQLite 3.31 is not built here: make test-compat")
def test_a_node_of_an_older_sqlite(log):
    assert play(log, "old", off=77, LD_LIBRARY_PATH=str(OLD_SQLITE)) == (log / "digest").read_text()
