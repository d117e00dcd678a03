"""The crate: as it is packaged, used by a program of its own, with rusqlite and with sqlx.

What is compiled for it stays outside of the clone, by version: ${XDG_CACHE_HOME:-~/.cache}/wfext.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from languages import CARGO, ROOT
from languages import CARGO_TARGET as CACHE

sys.path.insert(0, str(ROOT / "scripts"))
from crate import crate  # noqa: E402
from dist import VERSION  # noqa: E402

README = ROOT / "bindings" / "rust" / "README.md"
PROGRAMS = re.findall(r"```rust\n(.*?)```", README.read_text(), re.DOTALL)
CONSUMER = ROOT / "bindings" / "rust" / "consumer"

pytestmark = pytest.mark.skipif(CARGO is None, reason="Rust is not set up (scripts/setup.sh rust)")


def cargo(*arguments, cwd, **variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WFEXT")}
    done = subprocess.run([CARGO, *map(str, arguments)], cwd=cwd, env={**environment, "CARGO_TARGET_DIR": str(CACHE), **variables}, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    return done.stdout


@pytest.fixture(scope="module")
def consumer(tmp_path_factory):
    """A program that depends on what the package holds, whose two binaries are those of the page."""
    amalgamation = tmp_path_factory.mktemp("amalgamation")
    embedded = Path(os.environ["WFEXT_LIBRARY"]).resolve().parent / "generated"
    subprocess.run([sys.executable, ROOT / "scripts" / "amalgamate.py", embedded, amalgamation], check=True)
    source = crate(tmp_path_factory.mktemp("source") / "wfext", amalgamation)
    cargo("package", "--no-verify", "--allow-dirty", "--quiet", cwd=source)
    # One folder for all runs: Cargo goes by paths and times when it looks for what is compiled already.
    folder = CACHE / "consumer"
    folder.mkdir(parents=True, exist_ok=True)
    packaged = CACHE / "package" / f"wfext-{VERSION}.crate"
    _unpack(packaged, folder / "wfext")
    for path in CONSUMER.rglob("*"):
        if path.is_file():
            _write(folder / path.relative_to(CONSUMER), path.read_bytes())
    for name, program in zip(("hello", "with_sqlx"), PROGRAMS, strict=True):
        _write(folder / "src" / "bin" / f"{name}.rs", program.encode())
    return folder


def _write(path, content):
    """Leaves a file alone that holds this already: its time says whether it has to be compiled again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def _unpack(packaged, folder):
    import tarfile

    with tarfile.open(packaged) as tar:
        for entry in tar:
            if entry.isfile():
                _write(folder / Path(entry.name).relative_to(f"wfext-{VERSION}"), tar.extractfile(entry).read())


@pytest.fixture(scope="module")
def built(consumer):
    cargo("build", "--workspace", "--bins", "--tests", "--quiet", cwd=consumer)
    return consumer


@pytest.mark.parametrize("program", [0, 1], ids=["hello", "with_sqlx"])
def test_readme(program, built, tmp_path):
    """The page's programs, word for word and twice."""
    expected = "\n".join(re.findall(r"// => (.*)", PROGRAMS[program])) + "\n"
    for _ in range(2):
        done = subprocess.run([CACHE / "debug" / ("hello", "with_sqlx")[program]], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.stdout == expected, done.stderr


def test_a_consumer(built):
    """Its own tests, bindings/rust/consumer/tests, and with them those of the crate, on the same SQLite."""
    said = cargo("test", "--workspace", "--quiet", cwd=built)
    sources = [*CONSUMER.rglob("*.rs"), ROOT / "bindings" / "rust" / "src" / "lib.rs"]
    assert sum(map(int, re.findall(r"(\d+) passed", said))) == sum(len(re.findall(r"#\[test\]", path.read_text())) for path in sources)


def test_version_is_the_extensions():
    assert re.search(r'^version = "(.+)"', (ROOT / "bindings" / "rust" / "Cargo.toml").read_text(), re.MULTILINE).group(1) == VERSION


def test_every_code_of_the_engine_is_a_code_of_the_crate():
    """Against the list of the engine."""
    engine = set(re.findall(r'"(WF_[A-Z_]+)"', (ROOT / "ext" / "base" / "status.cpp").read_text().split("kNames[] = {")[1].split("};")[0]))
    here = set(re.findall(r'= "(WF_[A-Z_]+)",', (ROOT / "bindings" / "rust" / "src" / "lib.rs").read_text()))
    assert here == engine
