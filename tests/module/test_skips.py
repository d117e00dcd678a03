"""A test that CI skips for a reason that nobody has listed is an error there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "text, ci, status",
    [
        ("def test_it(): pytest.skip('no mood')", False, 0),
        ("def test_it(): pytest.skip('no mood')", True, 1),
        ("pytest.importorskip('a_module_that_nobody_has')", True, 5),
        ("@pytest.mark.skipif(True, reason='no mood')\ndef test_it(): pass", True, 1),
        ("@pytest.mark.xfail\ndef test_it(): assert False", True, 0),
        ("def test_it(): pass", True, 0),
    ],
)
def test_an_unlisted_skip_is_an_error_in_ci_alone(tmp_path, text, ci, status):
    (tmp_path / "test_one.py").write_text("import pytest\n" + text + "\ndef test_other(): pass\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("WFEXT_NO_SKIPS", "LD_PRELOAD")} | {"PYTHONPATH": str(TESTS)}
    if ci:
        environment["WFEXT_NO_SKIPS"] = "1"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "support.skips", "test_one.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("without a listed reason" in done.stdout) == ("skip" in text)
