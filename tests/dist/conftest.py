"""The amalgamation of the sources as they are, and the archives: made once, or those that are to be handed out (WFEXT_ARCHIVES=dist)."""

import os
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from making import MADE, amalgamate, build, dist, made_once  # noqa: E402


def made_before(folder, work):
    """The archives in a folder that `make dist` has filled, and maybe `make packages` behind it, in one of their own."""
    out = work / "out"
    out.mkdir()
    names = [f"wfext-{dist.VERSION}-{name}.tar.gz" for name in [*MADE, "amalgamation"]]
    for name in [*names, "SHA256SUMS"]:
        shutil.copy(Path(folder) / name, out)
    sums = (out / "SHA256SUMS").read_text().splitlines(keepends=True)
    (out / "SHA256SUMS").write_text("".join(line for line in sums if line.split()[1] in names))


@pytest.fixture(scope="session")
def amalgamation(tmp_path_factory):
    return made_once(tmp_path_factory, "amalgamation", amalgamate)


@pytest.fixture(scope="session")
def out(amalgamation, tmp_path_factory):
    """The folder with the archives."""
    given = os.environ.get("WFEXT_ARCHIVES")
    return made_once(tmp_path_factory, "archives", lambda folder: made_before(given, folder) if given else build(amalgamation, folder, *MADE)) / "out"


@pytest.fixture(scope="session")
def unpacked(out, tmp_path_factory):
    """Gives the folder of a target's archive."""
    folder = tmp_path_factory.mktemp("unpacked")
    for archive in out.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder)
    return lambda name: folder / f"wfext-{dist.VERSION}-{name}"
