"""What `make install` puts down: the module, and the static library by CMake package and by pkg-config, each used by a small program."""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from support import extension_path

BUILD = Path(extension_path()).resolve().parent

pytestmark = [
    pytest.mark.skipif(bool(os.environ.get("WFEXT_SANITIZE")), reason="programs would have to be linked with the sanitizers"),
    pytest.mark.skipif(bool(os.environ.get("WFEXT_COMPAT")), reason="programs are linked with the system's SQLite"),
    pytest.mark.skipif(not (BUILD / "cmake_install.cmake").exists(), reason="the module was not built here"),
]

PROGRAM = r"""
#include <sqlite3.h>
#include <stdio.h>
#include <wfext.h>

static int print(void *unused, int columns, char **values, char **names) {
  (void)unused, (void)columns, (void)names;
  puts(values[0]);
  return 0;
}

/* With an argument: the path of the module to load; without: what was linked in. */
int main(int argc, char **argv) {
  sqlite3 *db = NULL;
  int rc;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  if (argc > 1) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, (int *)NULL);
    rc = sqlite3_load_extension(db, argv[1], NULL, NULL);
  } else {
    rc = sqlite3_wfext_init(db, NULL, NULL);
  }
  if (rc != SQLITE_OK) return 2;
  if (sqlite3_exec(db, "SELECT wf_start('job', 1, '{\"id\":\"w\"}'); SELECT wf_complete('w'); SELECT reason FROM wf_pending; SELECT wf_version()",
                   print, NULL, NULL) != SQLITE_OK) return 3;
  printf("close %d\n", sqlite3_close(db));
  return 0;
}
"""

CMAKE = """
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(wfext {version} REQUIRED)
find_package(SQLite3 REQUIRED)
add_executable(consumer program.c)
target_link_libraries(consumer PRIVATE wfext::wfext_static SQLite::SQLite3)
file(WRITE "${{CMAKE_BINARY_DIR}}/module.txt" "${{WFEXT_MODULE}}")
"""


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, **options)
    assert done.returncode == 0, "%s\n%s%s" % (command, done.stdout, done.stderr)
    return done.stdout


def needs(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(tool + " is not installed")


@pytest.fixture(scope="module")
def version():
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    db.load_extension(extension_path())
    return db.execute("SELECT wf_version()").fetchone()[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what was installed, moved away from where it was installed to."""
    needs("cmake")
    folder = tmp_path_factory.mktemp("install")
    run("cmake", "--install", BUILD, "--prefix", folder / "first")
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


def found(prefix, pattern):
    (file,) = prefix.rglob(pattern)
    return file


def check(program, module, version):
    expected = "w\ncompleted\n%s\nclose 0\n" % version
    assert run(program) == expected
    assert run(program, module) == expected


def test_these_files_are_installed(installed):
    names = {file.name for file in installed.rglob("*") if file.is_file()}
    assert {"libwfext.so", "libwfext.a", "wfext.h", "wfext.pc", "wfextConfig.cmake", "wfextConfigVersion.cmake", "wfextTargets.cmake"} <= names
    assert {name for name in names if not name.startswith(("libwfext.", "wfext"))} == set(), "something else is installed"


def test_a_program_finds_it_by_cmake(installed, version, tmp_path):
    needs("cmake", "cc")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(version=version))
    run("cmake", "-S", tmp_path, "-B", tmp_path / "out", "-DCMAKE_PREFIX_PATH=%s" % installed)
    run("cmake", "--build", tmp_path / "out")
    module = (tmp_path / "out" / "module.txt").read_text()
    assert Path(module) == found(installed, "libwfext.so")
    check(tmp_path / "out" / "consumer", module, version)


def test_cmake_refuses_another_version(installed, tmp_path):
    needs("cmake", "cc")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(version="99.0"))
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "out", "-DCMAKE_PREFIX_PATH=%s" % installed], capture_output=True, check=False)
    assert done.returncode != 0 and b"99.0" in done.stderr


def test_a_program_finds_it_by_pkg_config(installed, version, tmp_path):
    needs("pkg-config", "cc")
    (tmp_path / "program.c").write_text(PROGRAM)
    file = found(installed, "wfext.pc")
    # It names the folder it was installed to, as usual; this one was moved.
    place = ["--define-variable=%s" % v for v in ("prefix=%s" % installed, "libdir=%s" % file.parent.parent, "includedir=%s" % (installed / "include"))]
    search = {**os.environ, "PKG_CONFIG_PATH": str(file.parent)}
    assert run("pkg-config", "--modversion", "wfext", env=search).strip() == version
    flags = run("pkg-config", *place, "--cflags", "--libs", "wfext", env=search).split()
    run("cc", "program.c", "-o", "consumer", *flags, cwd=tmp_path)
    module = run("pkg-config", *place, "--variable=module", "wfext", env=search).strip()
    assert Path(module) == found(installed, "libwfext.so")
    check(tmp_path / "consumer", module, version)
