"""wfext.cpp, the whole extension as one file: one compiler call makes a module of it, which works and shows nothing but its entry points."""

import os
import re
import shutil
import sqlite3
import subprocess

import pytest
from making import amalgamate, dist

# As the first lines of the file say, but unoptimized: quicker, and warnings are errors.
COMMAND = ("-std=c++20", "-fPIC", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-ffp-contract=off", "-Wall", "-Wextra", "-Wshadow", "-Werror")


@pytest.fixture(scope="module")
def module(amalgamation, tmp_path_factory):
    """Made in a folder that holds nothing but what the first lines of the file name."""
    folder = tmp_path_factory.mktemp("module")
    for file in (amalgamation / "wfext.cpp", dist.sqlite_headers() / "sqlite3ext.h", dist.sqlite_headers() / "sqlite3.h"):
        shutil.copy(file, folder)
    done = subprocess.run([os.environ.get("CXX", "c++"), *COMMAND, "-I.", "-shared", "wfext.cpp", "-o", "libwfext.so"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-8000:]
    return folder / "libwfext.so"


def test_the_same_sources_give_the_same_bytes(amalgamation, tmp_path):
    again = amalgamate(tmp_path)
    for name in ("wfext.cpp", "wfext.h"):
        assert (again / name).read_bytes() == (amalgamation / name).read_bytes()
    assert str(tmp_path).encode() not in (again / "wfext.cpp").read_bytes()


def test_it_stands_alone(amalgamation):
    """What it includes is the C and C++ libraries' and SQLite's."""
    lines = (amalgamation / "wfext.cpp").read_text().splitlines()
    assert [line for line in lines if line.startswith('#include "')] == []
    assert "sql_statements" in "\n".join(lines)


def test_a_module_of_one_compiler_call_works(module, tmp_path):
    db = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(str(module))

    def value(sql):
        return db.execute(sql).fetchone()[0]

    assert value("SELECT wf_version()") == "0.1.0"
    assert value("""SELECT wf_start('job', '{"n": 1.5}', '{"id": "w"}')""") == "w"
    assert value("SELECT wf_step('w', 's', '[1]')") == "[1]"
    assert value("SELECT wf_complete('w', 0.1)") == "completed"
    assert value("SELECT wf_result('w')") == 0.1
    assert value("SELECT wf_start('job', NULL, '{\"id\": \"claimed\"}')") == "claimed"
    assert '"id":"claimed"' in value("SELECT wf_claim('default', 'worker')")
    # Scripts, schedules and tables, too.
    assert value("""SELECT wf_define('twice', '{"steps": [{"name": "a", "sql": "SELECT 2"}]}') IS NOT NULL""") == 1
    assert value("SELECT wf_schedule('daily', '0 9 * * *', 'job') IS NOT NULL") == 1
    assert value("SELECT count(*) > 40 FROM wf_functions") == 1
    assert value("SELECT wf_check()") is None
    db.close()


def test_nothing_else_is_seen_from_outside(module):
    """Without any flag: what is ours says that it is hidden. (Weak are the C++ library's templates, where they were not inlined.)"""
    names = subprocess.run(["nm", "-D", "-C", "--defined-only", str(module)], capture_output=True, text=True, check=True).stdout
    seen = [line.split(maxsplit=2)[1:] for line in names.splitlines()]
    assert {name for kind, name in seen if kind not in "WVuw"} == {"sqlite3_wfext_init", "sqlite3_extension_init"}
    # By its mangled name: that of a function of the library's says what it returns, too.
    ours = re.compile(r"_Z[A-Z]*N?K?2wf")
    mangled = subprocess.run(["nm", "-D", "--defined-only", str(module)], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in mangled if ours.match(name)] == []
