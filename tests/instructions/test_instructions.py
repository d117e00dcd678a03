"""No function costs more instructions than is on record (figures.json); `make instructions` records them anew, and the change is read with the commit."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from support import extension_path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import counting  # noqa: E402

ALLOWED = 0.05
MODULE = Path(extension_path()).resolve()
pytestmark = [
    pytest.mark.skipif(bool(os.environ.get("WFEXT_SANITIZE")) or "debug" in MODULE.parts, reason="a promise of release builds"),
    pytest.mark.skipif(bool(os.environ.get("WFEXT_COMPAT")), reason="programs are linked with the system's SQLite"),
]


def test_no_function_costs_more_than_is_on_record():
    """Nor much less: then the record is out of date, and would let the next change take it back."""
    assert shutil.which("valgrind"), "valgrind is not installed: scripts/setup.sh test"
    kept = counting.kept().get(counting.key(str(MODULE)))
    if kept is None:
        pytest.skip("no figures for %s: make instructions takes new ones" % counting.key(str(MODULE)))
    counted = counting.count(MODULE)
    assert min(counted.values()) > 100, "too little is counted: this test has lost its point"
    assert set(counted) == set(kept), "make instructions takes new figures"
    changed = {name: (kept[name], now) for name, now in counted.items() if abs(now - kept[name]) > ALLOWED * kept[name]}
    assert not changed, "on record and now; if it is meant, `make instructions` takes new figures"
