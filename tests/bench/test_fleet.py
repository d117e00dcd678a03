"""The bench of fleets runs, and has all its lines."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_runs(tmp_path):
    command = [sys.executable, str(ROOT / "bench/fleet/run.py"), "--quick", "--dir", str(tmp_path), "--library", os.environ["WFEXT"], "--save", str(tmp_path / "rows.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    for what in ("wf_fleet, 20 files", "wf_fleet with its index, 20 files", "wf_next_due", "an empty file, page_size 4096", "an empty file, page_size 512"):
        (row,) = [row for name, row in rows.items() if name.startswith(what)]
        assert row["ratio"] > 0
        assert set(row) == {"name", "ratio", "unit", "bar", "goal", "verdict", "us", "raw_us", "note"}
    assert sys.platform != "linux" or len([name for name in rows if name.startswith(("the runner", "the same, p99"))]) == 3
    assert len(done.stdout.splitlines()) == len(rows)
    assert os.listdir(tmp_path) == ["rows.json"]
