"""Fixtures of the host tests: files in SQLite's default state, with an application table beside ours."""

import pytest


@pytest.fixture(params=["delete", "wal"])
def journal(request):
    """Journal modes behave differently wherever locks matter."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """The file of `db` and `connect`."""
    return tmp_path / "test.db"


@pytest.fixture
def db(connect):
    """A new file, the module loaded, the schema not yet made."""
    db = connect(timeout=0)
    db.execute("CREATE TABLE app(k INTEGER PRIMARY KEY, v UNIQUE)")
    return db
