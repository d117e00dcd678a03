"""The amalgamation of the sources as they are, made once."""

import os
import sys

import pytest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
import making  # noqa: E402


@pytest.fixture(scope="session")
def amalgamation(tmp_path_factory):
    return making.amalgamate(tmp_path_factory.mktemp("amalgamation"))
