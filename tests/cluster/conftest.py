"""Three real nodes on this machine: the program of cluster/hiqlite, built once, with the extension that is tested in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "cluster"), str(ROOT / "bindings" / "python" / "src")]


@pytest.fixture(scope="session")
def cargo():
    """The folder of a Cargo that is new enough, or None."""
    return subprocess.run(["bash", ROOT / "scripts" / "cargo.sh", "95"], capture_output=True, text=True).stdout.strip() or None


def crates_can_be_had(cargo):
    command = [f"{cargo}/cargo", "fetch", "--quiet", "--locked", "--manifest-path", ROOT / "cluster" / "hiqlite" / "Cargo.toml"]
    return subprocess.run(command, capture_output=True, env={**os.environ, "PATH": f"{cargo}:{os.environ['PATH']}"}).returncode == 0


@pytest.fixture(scope="session")
def binary(cargo):
    """The program wfext-node."""
    if os.environ.get("WFEXT_SANITIZE"):
        pytest.skip("programs would have to be linked with the sanitizers")
    if os.environ.get("WFEXT_COMPAT"):
        pytest.skip("programs are linked with the system's SQLite")
    if sys.version_info < (3, 11):
        pytest.skip("the package wants Python 3.11")
    if cargo is None:
        pytest.skip("Rust 1.95 is not set up (scripts/setup.sh cluster)")
    build = Path(extension_path()).parent
    if not (build / "libwfext.a").exists():
        subprocess.run(["cmake", "--build", build, "--target", "wfext_static"], check=True, capture_output=True)
    done = subprocess.run(["bash", ROOT / "scripts" / "cluster.sh", build], capture_output=True, text=True)
    if done.returncode and not crates_can_be_had(cargo):
        pytest.skip("the crates of the cluster's node cannot be had")
    assert done.returncode == 0, done.stderr[-4000:]
    return build / "cluster" / "wfext-node"


@pytest.fixture(scope="module")
def three(binary, tmp_path_factory):
    """Three nodes that a module shares: its tests kill none of them."""
    from nodes import Nodes

    with Nodes(binary, tmp_path_factory.mktemp("three")) as nodes:
        yield nodes.start().wait_healthy()


@pytest.fixture
def fresh(binary, tmp_path):
    """Gives nodes of a test's own, which are started by it."""
    from nodes import Nodes

    made = []

    def make(count=3, **flags):
        made.append(Nodes(binary, tmp_path / f"cluster-{len(made)}", count, **flags))
        return made[-1]

    yield make
    for nodes in made:
        nodes.__exit__()
