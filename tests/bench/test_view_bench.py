"""The bench of what the command line and the page ask (bench/view/run.py) runs: a line for each question, each command, and the start; and the file that it makes is sound."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="the package wants Python 3.11")


def run(program, *arguments):
    environment = {**os.environ, "WFEXT_LIBRARY": os.path.abspath(os.environ["WFEXT"]), "PYTHONPATH": str(ROOT / "bindings/python/src")}
    done = subprocess.run([sys.executable, str(ROOT / "bench/view" / program), *map(str, arguments)], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs(tmp_path):
    rows = json.loads(run("run.py", "--count", 4000, "--lanes", 0, "--lanes", 40, "--rounds", 1, "--dir", tmp_path, "--json"))
    names = [row["name"] for row in rows]
    assert len(rows) == len({(row["name"], row["lanes"]) for row in rows}) and "wfext ls of a small file" in names
    for lanes in (0, 40):
        of = {row["name"]: row for row in rows if row["lanes"] == lanes}
        assert sum(name.startswith("list: ") for name in of) == 18 and sum(name.startswith("wfext ") for name in of) == (5 if lanes == 0 else 4)
        assert all(row["ms"] > 0 for row in of.values())
        asked = [row for row in of.values() if not row["name"].startswith("wfext")]
        assert all(row["longest"] > 0 and row["statement"].startswith(("SELECT", "WITH", "PRAGMA")) for row in asked), asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lanes", [0, 40])
def test_its_file_is_one_that_the_engine_could_have_made(tmp_path, lanes):
    path = tmp_path / "made.db"
    run("million.py", path, 4000, lanes)
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(os.path.abspath(os.environ["WFEXT"]))
    assert db.execute("SELECT count(*) FROM wf_workflows").fetchone() == (4010,)
    assert dict(db.execute("SELECT status, sum(count) FROM wf_stats GROUP BY status")) == dict(db.execute("SELECT status, count(*) FROM wf_workflows GROUP BY status"))
    problems = json.loads(db.execute("SELECT wf_check()").fetchone()[0] or "[]")
    assert problems[:20] == []
