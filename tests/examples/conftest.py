"""Fixtures of the example tests."""

import pytest

from furnish import furnish


@pytest.fixture
def directory(tmp_path):
    """A directory as the repository is after make."""
    return furnish(tmp_path)
