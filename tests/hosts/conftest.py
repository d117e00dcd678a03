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


@pytest.fixture
def token(db, journal):
    """Of a claimed workflow, beside one that is pending."""
    db.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    token = db.running("w")["token"]
    db.wf_start("job", id="p")
    return token
