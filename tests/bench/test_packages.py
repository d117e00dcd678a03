"""The bench of the packages (bench/packages) runs, and no line is dropped in silence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

if sys.version_info < (3, 11):
    pytest.skip("the package wants Python 3.11", allow_module_level=True)


@pytest.mark.parametrize("language", ["node", "go"])
def test_other_languages(language, tmp_path):
    sys.path.insert(0, str(ROOT / "bindings"))
    import languages

    if {"node": languages.NODE, "go": languages.GO}[language] is None:
        pytest.skip(f"{language.title()} is not set up (scripts/setup.sh {language})")
    command = [sys.executable, str(ROOT / "bench/packages/run.py"), "--quick", "--only", language, "--dir", str(tmp_path), "--library", os.environ["WFEXT"], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    measured = [row["name"].split(": ")[1].split()[:2] for row in json.loads(done.stdout)]
    assert measured == {"node": [["a", "step"], ["a", "workflow"], ["event", "loop"], ["memory", "of"]], "go": [["a", "step"], ["a", "workflow"], ["a", "workflow"], ["memory", "of"]]}[language]


def test_python(tmp_path):
    command = [sys.executable, str(ROOT / "bench/packages/run.py"), "--quick", "--only", "python", "--dir", str(tmp_path), "--library", os.environ["WFEXT"], "--save", str(tmp_path / "rows.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = {row["name"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    for what in ("a step", "a workflow of 8 plain slots", "a workflow of 200 in a loop", "event loop delay", "memory of 1,000"):
        (row,) = [row for name, row in rows.items() if name.startswith(f"Python: {what}")]
        assert row["ratio"] > 0 or what.startswith("memory"), row
        assert set(row) == {"name", "ratio", "unit", "bar", "goal", "verdict", "us", "raw_us", "note"}
    (agent,) = [line for line in lines if line.startswith("Python: an agent of 30 lines")]
    assert " skip " in agent or "lines: " in agent
    assert "failed: " not in done.stdout
    assert lines[-1].endswith(f"{6 - len(rows)} skipped.")
