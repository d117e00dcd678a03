"""The comparison with others (bench/peers) runs, and no system is dropped in silence: each row has a figure, or says why not."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURES = {"jobs", "many", "wake", "kill"}


def compare(tmp_path, *options):
    if sqlite3.sqlite_version_info < (3, 35):
        pytest.skip("RETURNING is 3.35")
    out = tmp_path / "peers.json"
    command = [sys.executable, str(ROOT / "bench/peers/run.py"), "--quick", "--no-install", "--dir", str(tmp_path), "--json", str(out),
               "--module", os.environ["WFEXT"], *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text()), done.stdout


def test_wfext_beside_a_plain_table(tmp_path):
    results, text = compare(tmp_path, "--only", "plain")
    assert MEASURES < set(results)
    for name in ("wfext, from Python", "plain table, `UPDATE ... RETURNING`, looks each 100 ms"):
        assert name in text
        for measure in ("jobs", "many"):
            for synchronous in ("NORMAL", "FULL"):
                row = results[measure][name][synchronous]
                assert row["failures"] == 0 and row["jobs_per_second"] > 0, row
        assert results["wake"][name]["n"] == 3
        assert results["kill"][name]["first_step_done"] == 1 and "seconds" in results["kill"][name]


def test_who_is_not_there_is_named_with_the_reason(tmp_path):
    results, text = compare(tmp_path, "--only", "plain", "--only", "honker", "--only", "dbos", "--only", "openworkflow", "--only", "wake", "--markdown")
    for package in ("honker", "dbos", "openworkflow"):
        assert package in results["versions"] or package in results["missing"]
    assert text.count("\n| ---") == 1
    for row in ("honker", "DBOS as shipped", "OpenWorkflow as shipped"):
        line = next(line for line in text.splitlines() if line.startswith(f"| {row}"))
        assert " ms" in line or "not measured: " in line, line


def test_all_of_them(tmp_path):
    if not (ROOT / "build/peers/py").exists():
        pytest.skip("the packages of bench/peers are not installed")
    results, text = compare(tmp_path, "--only", "jobs", "--only", "kill")
    assert "not measured" not in text or results["missing"], text
