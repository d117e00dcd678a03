"""Two SQLite libraries in one process: the second is refused as long as the first has a connection, and neither is called by the other's."""

import os
import shutil
import subprocess
import sys
import textwrap

import capi
import pytest

from support import extension_path

PROGRAM = r"""
import ctypes, sqlite3, sys
module, copy, folder = sys.argv[1:]
lib = ctypes.CDLL(copy)
for name in ("sqlite3_errmsg", "sqlite3_column_text"):
    getattr(lib, name).restype = ctypes.c_char_p

def open_other():
    db = ctypes.c_void_p()
    assert lib.sqlite3_open((folder + "/b.db").encode(), ctypes.byref(db)) == 0
    lib.sqlite3_enable_load_extension(db, 1)
    return db

def load_other(db):
    message = ctypes.c_void_p()
    code = lib.sqlite3_load_extension(db, module.encode(), None, ctypes.byref(message))
    text = ctypes.string_at(message).decode() if message else ""
    if message:
        lib.sqlite3_free(message)
    return code, text

def open_first():
    db = sqlite3.connect(folder + "/a.db", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(module)
    return db

first = open_first()
first.execute("SELECT wf_start('job', 1, '{\"id\":\"w\"}')").fetchall()
other = open_other()
for _ in range(2):
    code, text = load_other(other)
    assert code != 0 and "this process has two SQLite libraries: they must not open the same file" in text, (code, text)
    assert first.execute("SELECT wf_status('w')").fetchall() == [("pending",)]
first.close()
assert load_other(other) == (0, "")
assert lib.sqlite3_exec(other, b"SELECT wf_start('job'); SELECT wf_claim(); SELECT * FROM wf_workflows", None, None, None) == 0, lib.sqlite3_errmsg(other)
try:
    open_first()
except sqlite3.OperationalError as error:
    assert "two SQLite libraries" in str(error), error
else:
    raise AssertionError("the first was not refused")
assert lib.sqlite3_close(other) == 0
first = open_first()
assert first.execute("SELECT wf_complete('w')").fetchall() == [("completed",)]
first.close()
print("fine")
"""


@pytest.mark.skipif(bool(os.environ.get("WFEXT_SANITIZE")), reason="the sanitizer's run-time library takes a copy for the same library")
def test_the_second_library_is_refused_until_the_first_has_closed(tmp_path):
    copy = tmp_path / "another-sqlite.so"
    shutil.copy(os.path.realpath(capi.lib._name), copy)
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM), extension_path(), str(copy), str(tmp_path)],
                            capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (0, "fine\n"), result.stderr
