"""The bench of the page (bench/view/page.py) runs: a line for each page and for the longest of its queries, and one for what viewers cost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not (ROOT / "build/ui/starlette").exists(), reason="the page is not set up (scripts/setup.sh ui)")
def test_it_runs(tmp_path):
    command = [sys.executable, str(ROOT / "bench/view/page.py"), "--quick", "--dir", str(tmp_path), "--library", os.environ["WFEXT"], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    names = [row["name"] for row in rows]
    assert [sum(word in name for name in names) for word in ("500 steps", "newest 50", "longest query", "ten viewers")] == [2, 2, 22, 1]
    assert all(row["ratio"] > 0 for row in rows)
    assert list(tmp_path.iterdir()) == []
