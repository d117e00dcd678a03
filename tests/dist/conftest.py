"""The amalgamation of the sources as they are, and the archives, made once."""

import os
import sys
import tarfile

import pytest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from making import MADE, amalgamate, build, dist, made_once  # noqa: E402


@pytest.fixture(scope="session")
def amalgamation(tmp_path_factory):
    return made_once(tmp_path_factory, "amalgamation", amalgamate)


@pytest.fixture(scope="session")
def out(amalgamation, tmp_path_factory):
    """The folder with the archives."""
    return made_once(tmp_path_factory, "archives", lambda folder: build(amalgamation, folder, *MADE)) / "out"


@pytest.fixture(scope="session")
def unpacked(out, tmp_path_factory):
    """Gives the folder of a target's archive."""
    folder = tmp_path_factory.mktemp("unpacked")
    for archive in out.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder)
    return lambda name: folder / f"wfext-{dist.VERSION}-{name}"
