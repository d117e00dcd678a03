"""Every node of a replicated file computes the same, on any processor: `a * b + c` is two roundings, and never one.

A compiler may make one of them (arm64 by default), and then a number in a document is another one on that node. -ffp-contract=off forbids it, and every build that there is says so.
"""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import dist  # noqa: E402

OFF = "-ffp-contract=off"
# Flags that a build of the extension cannot do without: where they are, it is compiled.
OF_A_BUILD = re.compile(r"-fno-rtti|-fno-threadsafe-statics")
SEARCHED = ("CMakeLists.txt", "Makefile", "cmake", "scripts", "bindings", "bench", "cluster", "docs", "examples", "tests", "tools")
NOT_OURS = {"node_modules", "target", "build", "dist", "__pycache__"}


def texts():
    for name in SEARCHED:
        paths = [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*"))
        for path in paths:
            if path.is_file() and not NOT_OURS & set(path.relative_to(ROOT).parts) and path.suffix not in (".png", ".db", ".lock") and path != Path(__file__).resolve():
                try:
                    yield path.relative_to(ROOT), path.read_text()
                except UnicodeDecodeError:
                    continue


def test_every_build_says_so():
    """The one of CMake, of the archives (whose libraries are in the packages for Python, Node and Go, too), of the crate, and what the one file and its page tell others to type."""
    found = {}
    for path, text in texts():
        lines = text.splitlines()
        for at, line in enumerate(lines):
            if OF_A_BUILD.search(line):
                found.setdefault(str(path), []).append(OFF in line)
    assert {"CMakeLists.txt", "scripts/dist.py", "scripts/amalgamate.py", "bindings/rust/build.rs", "docs/archives.md"} <= set(found)
    assert [path for path, said in found.items() if not all(said)] == []


def test_no_flag_of_a_build_takes_it_back():
    """A later one would win."""
    taken = re.compile(r"-ffast-math|-Ofast|-funsafe-math-optimizations|-ffp-contract=(?!off)|-ffp-model|/fp:(fast|contract)")
    assert [str(path) for path, text in texts() if taken.search(text)] == []


def test_what_is_tested_was_built_so():
    """Every file of the library, as the build folder remembers."""
    ninja = Path(extension_path()).resolve().parent / "build.ninja"
    compiled = re.findall(r"^build CMakeFiles/wfext(?:_static)?\.dir/.*?\.o: CXX_COMPILER.*?\n((?:  .*\n)+)", ninja.read_text(), re.MULTILINE)
    assert len(compiled) > 20
    assert [block for block in compiled if OFF not in block] == []


@pytest.mark.parametrize("build", ["none", "dist", "crate"])
def test_the_compiler_does_as_it_says(build, tmp_path):
    """On a processor that has such an instruction it is there without the flag, and not with it: the numbers of documents are read by one."""
    if platform.machine() not in ("x86_64", "aarch64", "arm64"):
        pytest.skip("no processor whose instructions are known here")
    crate = re.findall(r'"(-f[^"]+)"', (ROOT / "bindings/rust/build.rs").read_text())
    flags = {"none": [], "dist": [flag for flag in dist.FLAGS if flag.startswith("-f")], "crate": crate}[build]
    machine = ["-mfma"] if platform.machine() == "x86_64" else []
    source = ROOT / "ext/base/json_number.cpp"
    headers = dist.sqlite_headers()
    generated = Path(extension_path()).resolve().parent / "generated"
    command = ["c++", "-std=c++20", "-O2", *machine, *flags, "-I", ROOT / "ext", "-I", generated, "-I", headers, "-c", source, "-o", "number.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    code = subprocess.run(["objdump", "-d", "number.o"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert bool(re.search(r"\bv?f(n?m(add|sub)|m(la|ls))", code)) == (build == "none")
