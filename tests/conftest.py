"""Fixtures: databases with the extension loaded, in autocommit mode, closed after each test."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support import extension_path, open_database  # noqa: E402
from support.skips import (  # noqa: E402, F401  (hooks of pytest)
    pytest_collectreport,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_terminal_summary,
)


def pytest_sessionstart(session):
    if not os.path.exists(extension_path()):
        pytest.exit("no extension at %s: run `make`, or set WFEXT to the module to test" % extension_path(), 2)


@pytest.fixture
def connect(tmp_path):
    """Opens a database file (by default the one of the `db` fixture) as often as wanted."""
    opened = []

    def open_one(path=None, **options):
        db = open_database(tmp_path / "test.db" if path is None else path, **options)
        opened.append(db)
        return db

    yield open_one
    for db in opened:
        db.close()


@pytest.fixture
def db(connect):
    """A database file in WAL mode."""
    db = connect()
    assert db.value("PRAGMA journal_mode = wal") == "wal"
    db.execute("PRAGMA synchronous = normal")
    return db


@pytest.fixture
def memdb(connect):
    """A database in memory."""
    return connect(":memory:")
