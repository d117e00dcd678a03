"""The bench of replication runs, and prints the lines of the tables of docs/replication.md."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.litestream import binary

ROOT = Path(__file__).resolve().parents[2]


def first_cells(text):
    return re.findall(r"^\| ([^|-][^|]*?) \|", text, re.M)


def test_it_runs(tmp_path):
    binary()
    command = [sys.executable, str(ROOT / "bench/replication/run.py"), "--seconds", "0.05", "--barriers", "3", "--save", str(tmp_path / "rows.json")]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    page = first_cells((ROOT / "docs/replication.md").read_text().partition("## Figures")[2])
    said = first_cells(done.stdout)
    assert len(said) == 10 and said == page
    assert os.listdir(tmp_path) == ["rows.json"]
