import sys
from pathlib import Path

import pytest

from support import open_database

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "corners"))  # a file with rows in every table: damage.py
from damage import build  # noqa: E402


@pytest.fixture(scope="module")
def sound():
    """A file of which wf_check has nothing to say, with rows in every table; to be left as it was."""
    db = open_database(":memory:")
    build(db)
    assert db.wf_check() is None
    yield db
    db.close()
