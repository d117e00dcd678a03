"""Fixtures: an app on a file of its own, closed after the test."""

import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("the package wants Python 3.11", allow_module_level=True)

import wfext  # noqa: E402


@pytest.fixture
def app(tmp_path):
    app = wfext.App(tmp_path / "test.db", synchronous="normal")
    yield app
    app.close()
