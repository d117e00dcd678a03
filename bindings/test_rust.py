"""The crate: as it is packaged, used by a program of its own, with rusqlite and with sqlx.

What is compiled for it stays outside of the clone, by version: ${XDG_CACHE_HOME:-~/.cache}/wfext.
"""

import os
import re
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
def packaged(tmp_path_factory):
    """What the package holds, as its users get it."""
    amalgamation = tmp_path_factory.mktemp("amalgamation")
    embedded = Path(os.environ["WFEXT_LIBRARY"]).resolve().parent / "generated"
    subprocess.run([sys.executable, ROOT / "scripts" / "amalgamate.py", embedded, amalgamation], check=True)
    source = crate(tmp_path_factory.mktemp("source") / "wfext", amalgamation)
    cargo("package", "--no-verify", "--allow-dirty", "--quiet", cwd=source)
    return CACHE / "package" / f"wfext-{VERSION}.crate"


def consume(packaged, name, programs, change=lambda text: text):
    """A program that depends on it, whose binaries are those of the page; `change`: of its Cargo.toml. One folder for all runs: Cargo goes by paths and times when it looks for what is compiled already."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    _unpack(packaged, folder / "wfext")
    for path in CONSUMER.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            _write(folder / path.relative_to(CONSUMER), change(content.decode()).encode() if path.name == "Cargo.toml" else content)
    for program, text in programs.items():
        _write(folder / "src" / "bin" / f"{program}.rs", text.encode())
    return folder


@pytest.fixture(scope="module")
def consumer(packaged):
    """With rusqlite and sqlx, which have to agree on one SQLite: that is not always the newest rusqlite."""
    return consume(packaged, "consumer", {"hello": PROGRAMS[0], "with_sqlx": PROGRAMS[1]})


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


@pytest.mark.skipif(not os.environ.get("WFEXT_DEEP"), reason="only in the deep run: compiles SQLite and the extension once more")
def test_the_rusqlite_of_the_page(packaged, tmp_path):
    """The page says the newest one, without sqlx: its program, and the tests of the consumer."""
    if int(re.match(r"cargo 1\.(\d+)", cargo("--version", cwd=tmp_path)).group(1)) < 89:
        pytest.skip("the newest rusqlite wants Rust 1.89")
    said = re.search(r'^rusqlite = .*version = "(\S+)"', README.read_text(), re.MULTILINE).group(1)

    def change(text):
        return re.sub(r'(?m)^(?:sqlx|tokio) = .*\n', "", re.sub(r'(?m)^(rusqlite = .*version = )"\S+"', rf'\1"{said}"', text))

    folder = consume(packaged, "newest", {"hello": PROGRAMS[0]}, change)
    # A folder of its own for what is compiled: the program is of the same name as the one with the other rusqlite.
    passed = cargo("test", "--workspace", "--quiet", cwd=folder, CARGO_TARGET_DIR=str(CACHE / "newest-target"))
    assert sum(map(int, re.findall(r"(\d+) passed", passed))) > 5
    assert f'name = "rusqlite"\nversion = "{said}.' in (folder / "Cargo.lock").read_text()
    done = cargo("run", "--quiet", "--manifest-path", folder / "Cargo.toml", "--bin", "hello", cwd=tmp_path, CARGO_TARGET_DIR=str(CACHE / "newest-target"))
    assert done == "\n".join(re.findall(r"// => (.*)", PROGRAMS[0])) + "\n"


def test_version_is_the_extensions():
    assert re.search(r'^version = "(.+)"', (ROOT / "bindings" / "rust" / "Cargo.toml").read_text(), re.MULTILINE).group(1) == VERSION


def test_every_code_of_the_engine_is_a_code_of_the_crate():
    """Against the list of the engine."""
    engine = set(re.findall(r'"(WF_[A-Z_]+)"', (ROOT / "ext" / "base" / "status.cpp").read_text().split("kNames[]")[1].split("};")[0]))
    here = set(re.findall(r'= "(WF_[A-Z_]+)",', (ROOT / "bindings" / "rust" / "src" / "lib.rs").read_text()))
    assert here == engine
