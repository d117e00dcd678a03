"""The built file itself: what it exports and needs, how big it is, and that stock programs load it."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from support import extension_path

MODULE = Path(extension_path()).resolve()
released = pytest.mark.skipif(
    bool(os.environ.get("WFEXT_SANITIZE")) or "debug" in MODULE.parts, reason="a promise of release builds"
)


def tool(*command, **options):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


def test_exports_the_entry_points_and_nothing_else():
    """SQLite opens modules with RTLD_GLOBAL: any other exported name could be bound by, or to, another extension."""
    names = {line.split()[-1] for line in tool("nm", "-D", "--defined-only", str(MODULE)).splitlines()}
    assert names == {"sqlite3_wfext_init", "sqlite3_extension_init"}


@released
def test_entry_points_are_not_bound_to_another_copy_in_the_process():
    """Found by review: the entry point called the other exported one, which was that of the copy that had been loaded first."""
    assert "sqlite3_" not in tool("readelf", "-rW", str(MODULE))


@released
def test_needs_libc_and_libm_only():
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", tool("readelf", "-d", str(MODULE))))
    assert needed <= {"libc.so.6", "libm.so.6"}
    assert "libc.so.6" in needed


@released
def test_needs_no_libc_newer_than_2_17():
    versions = set(re.findall(r"GLIBC_([0-9.]+)", tool("objdump", "-T", str(MODULE))))
    assert versions, "no versioned symbol at all: this test has lost its point"
    assert max(tuple(map(int, v.split("."))) for v in versions) <= (2, 17), versions


@released
def test_needs_nothing_of_the_cpp_runtime():
    wanted = tool("nm", "-D", "--undefined-only", "-C", str(MODULE))
    assert not re.search(r"std::|operator new|operator delete|__cxa_throw|__gxx_personality|_Unwind|__stack_chk|_chk@", wanted), wanted


@released
def test_calls_sqlite_through_the_table_it_is_given_only():
    """A direct reference would bind to whatever SQLite the process exports, or fail to load."""
    assert "sqlite3_" not in tool("nm", "-D", "--undefined-only", str(MODULE))


@released
def test_runs_no_code_before_its_entry_point():
    """No constructors of our own, no thread-locals with destructors, and lazy or eager binding both work."""
    sections = tool("readelf", "-SW", str(MODULE))
    found = re.search(r" \.init_array\s+\S+\s+\S+\s+\S+\s+([0-9a-f]+)", sections)
    assert found is None or int(found.group(1), 16) <= 8, "static constructors"  # 8: the frame_dummy of crtbegin.o
    assert ".tdata" not in sections and ".tbss" not in sections


@released
def test_size():
    size = MODULE.stat().st_size
    assert size <= 600_000, size  # the contract's bar; its goal is 450,000


@released
def test_is_stripped_and_hardened():
    assert ".symtab" not in tool("readelf", "-SW", str(MODULE))
    stack = re.search(r"GNU_STACK.*\n?.*", tool("readelf", "-lW", str(MODULE))).group(0)
    assert "RWE" not in stack, "an executable stack"
    assert "TEXTREL" not in tool("readelf", "-d", str(MODULE))


def test_names_no_path_of_the_machine_that_built_it():
    content = MODULE.read_bytes()
    if not os.environ.get("WFEXT_SANITIZE"):
        assert str(Path(__file__).resolve().parents[2]).encode() not in content
    assert b"\x7fELF" == content[:4]


def shell(script, *arguments, cwd=None):
    """The stock sqlite3 shell; ours is not needed to use the module."""
    if shutil.which("sqlite3") is None:
        pytest.skip("no sqlite3 shell")
    if os.environ.get("WFEXT_SANITIZE"):
        pytest.skip("the shell would need the sanitizer's library")
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    return subprocess.run(
        ["sqlite3", "-batch", *arguments], input=script, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


def test_loads_in_the_shell_by_the_name_users_type():
    done = shell(".load ./libwfext\nSELECT wf_version();\n", ":memory:", cwd=MODULE.parent)
    assert (done.stdout, done.stderr) == ("0.1.0\n", "")


@pytest.mark.parametrize("entry", ["sqlite3_wfext_init", "sqlite3_extension_init"])
def test_loads_in_the_shell_by_entry_point(entry):
    done = shell(f".load ./libwfext {entry}\nSELECT wf_version();\n", ":memory:", cwd=MODULE.parent)
    assert (done.stdout, done.stderr) == ("0.1.0\n", "")


def test_loads_under_other_file_names(tmp_path):
    """The name may carry a version, or be anything: the second entry point does not depend on it."""
    for name in ("libwfext-0.1.0.so", "wfext.so", "anything_at_all.so"):
        shutil.copyfile(MODULE, tmp_path / name)
        done = shell(f".load ./{name}\nSELECT wf_version();\n", ":memory:", cwd=tmp_path)
        assert (done.stdout, done.stderr) == ("0.1.0\n", ""), name


def test_whole_workflow_in_the_shell(tmp_path):
    """`sqlite3 -bail app.db < job.sql`, twice: the second run finds everything done."""
    script = f""".load {MODULE.with_suffix('')}
SELECT wf_start('etl', '{{"day":1}}', '{{"id":"etl-1"}}');
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS fact(n);
INSERT INTO fact SELECT 1 WHERE (SELECT wf_step('etl-1', 'load')) IS NULL;
SELECT wf_step('etl-1', 'load', json_object('rows', (SELECT count(*) FROM fact)));
COMMIT;
SELECT wf_complete('etl-1', '"fine"');
SELECT id, status, output FROM wf_workflows;
"""
    expected = 'etl-1\n{"rows":1}\ncompleted\netl-1|completed|"fine"\n'
    first = shell(script, "-bail", "app.db", cwd=tmp_path)
    assert (first.stdout, first.stderr, first.returncode) == (expected, "", 0)
    # A completed workflow takes no new steps, reads its old ones, and says 'completed' again.
    again = shell(script, "-bail", "app.db", cwd=tmp_path)
    assert (again.stdout, again.stderr, again.returncode) == (expected, "", 0)
    with sqlite3.connect(tmp_path / "app.db") as conn:
        assert conn.execute("SELECT count(*) FROM fact").fetchone() == (1,)


def test_bail_stops_a_script_at_an_error(tmp_path):
    script = f".load {MODULE.with_suffix('')}\nSELECT wf_step('nobody', 's', 1);\nSELECT 'went on';\n"
    done = shell(script, "-bail", "app.db", cwd=tmp_path)
    assert done.returncode != 0
    assert "WF_NOT_FOUND: " in done.stderr
    assert "went on" not in done.stdout


def test_many_connections_in_one_program_with_dlclose_between():
    """The library is unmapped with its last connection and mapped again: no state may survive, or be missed."""
    code = (
        "import sqlite3, sys\n"
        "for n in range(20):\n"
        "    c = sqlite3.connect(':memory:', isolation_level=None)\n"
        "    c.enable_load_extension(True)\n"
        "    c.load_extension(sys.argv[1])\n"
        "    assert c.execute(\"SELECT wf_start('job', 1, '{\\\"id\\\":\\\"w\\\"}')\").fetchone() == ('w',)\n"
        "    assert c.execute('SELECT count(*) FROM wf_workflows').fetchone() == (1,)\n"
        "    c.close()\n"
        "    assert sys.argv[1] not in open('/proc/self/maps').read(), 'still mapped'\n"
    )
    if os.environ.get("WFEXT_SANITIZE"):
        code = code.replace("    assert sys.argv[1] not in open('/proc/self/maps').read(), 'still mapped'\n", "")
    done = subprocess.run([sys.executable, "-c", code, str(MODULE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_refuses_what_is_too_old():
    """A table of functions whose every slot answers 3030000, sqlite3_libversion_number among them: an error, no crash."""
    code = (
        "import ctypes, sys\n"
        "answer = ctypes.CFUNCTYPE(ctypes.c_long)(lambda: 3030000)\n"
        "table = (ctypes.c_void_p * 400)(*[ctypes.cast(answer, ctypes.c_void_p).value] * 400)\n"
        "entry = ctypes.CDLL(sys.argv[1]).sqlite3_wfext_init\n"
        "entry.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)\n"
        "print('refused' if entry(None, None, ctypes.addressof(table)) else 'accepted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(MODULE)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr
