"""scripts/setup.sh on a machine that has nothing: one installation brings all that the tests need, cronsim included.

The machine is a folder of stubs: an apt-get that notes what it is told to install, and a python3 that has what was installed.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TOOLS = ("bash", "cat", "chmod", "cp", "dirname", "env", "grep", "id", "mkdir", "rm", "sed", "tail", "test", "touch", "true")

APT_GET = """#!/bin/bash
echo "$*" >> "$STATE/apt.log"
for word in "$@"; do
  case $word in
    -*|update|install) ;;
    *) touch "$STATE/$word" ;;
  esac
done
if [ -e "$STATE/g++" ] && [ ! -e "$BIN/c++" ]; then
  for tool in c++ cmake ninja pkg-config sqlite3 readelf valgrind; do printf '#!/bin/bash\\ncat > /dev/null\\n' > "$BIN/$tool"; done
fi
[ ! -e "$STATE/python3" ] || cp "$STATE/python3.stub" "$PYTHON"
chmod +x "$BIN"/c++ "$BIN"/cmake "$BIN"/ninja "$BIN"/pkg-config "$BIN"/sqlite3 "$BIN"/readelf "$BIN"/valgrind "$PYTHON" 2>/dev/null
true
"""

PYTHON = """#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
  [ -e "$STATE/python3-pip" ] || { echo "No module named pip" >&2; exit 1; }
  [ "$3" = --version ] && exit 0
  [ -z "${NO_NETWORK:-}" ] || { echo "no route to the index" >&2; exit 1; }
  mkdir -p "$STATE/../build/python/cronsim"
  exit 0
fi
if [ "$2" = "import cronsim, hatchling, mypy" ]; then [ -e "$PYTHONPATH/cronsim" ]; exit; fi
shift 2
for module in "$@"; do
  [ -e "$STATE/python3-$module" ] || [ -e "$STATE/python3-pytest-$module" ] || { echo "ModuleNotFoundError: No module named '$module'"; exit 1; }
done
echo "$0"
"""


@pytest.fixture
def machine(tmp_path):
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    (tmp_path / "state").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    for name, text in (("apt-get", APT_GET), ("sudo", '#!/bin/bash\n[ "$1" != -n ] || shift\nexec "$@"\n')):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "state" / "python3.stub").write_text(PYTHON)
    environment = {
        "PATH": str(tmp_path / "bin"),
        "BIN": str(tmp_path / "bin"),
        "STATE": str(tmp_path / "state"),
        "PYTHON": str(tmp_path / "bin" / "python3"),
    }

    def setup(*purposes, **more):
        command = ["bash", str(tmp_path / "scripts" / "setup.sh"), *purposes]
        return subprocess.run(command, env=environment | more, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    setup.installed = lambda: set((tmp_path / "state" / "apt.log").read_text().split("install", 1)[1].split())
    setup.folder = tmp_path
    return setup


def test_one_installation_brings_everything(machine):
    done = machine("build", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = {"g++", "cmake", "ninja-build", "libsqlite3-dev", "libgtest-dev", "pkg-config", "sqlite3", "binutils", "valgrind"}
    wanted |= {"python3", "python3-pytest", "python3-hypothesis", "python3-jsonschema", "python3-pip"}
    assert wanted - machine.installed() == set()
    assert (machine.folder / "build" / "python" / "cronsim").exists()
    assert done.stderr == ""


def test_a_second_run_installs_nothing_and_is_silent(machine):
    machine("build", "test")
    (machine.folder / "state" / "apt.log").unlink()
    done = machine("build", "test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (machine.folder / "state" / "apt.log").exists()


def test_without_a_network_it_says_why_cronsim_is_missing(machine):
    done = machine("build", "test", NO_NETWORK="1")
    assert done.returncode == 0
    assert "cronsim, hatchling and mypy cannot be had" in done.stderr and "no route to the index" in done.stderr


def test_a_build_wants_no_python(machine):
    done = machine("build")
    assert done.returncode == 0, done.stderr
    assert not any(package.startswith("python") for package in machine.installed())


def program(machine, name, text):
    path = machine.folder / "bin" / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def old_rust(machine):
    """setup("cluster", release=...) on a machine whose Rust is that of Debian 12, and which has the rest."""
    program(machine, "c++", "cat > /dev/null")
    program(machine, "strace", "true")
    program(machine, "cargo", "echo cargo 1.85.0")

    def setup(release):
        (machine.folder / "os-release").write_text(release)
        return machine("cluster", OS_RELEASE=str(machine.folder / "os-release"), HOME=str(machine.folder))

    setup.log = machine.folder / "state" / "apt.log"
    return setup


def test_a_rust_that_is_too_old_is_named_and_no_error(old_rust):
    """Debian 12 has no package that would help: asking for one would fail all that is set up with it."""
    done = old_rust("ID=debian\nVERSION_ID=12")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "no node of a cluster can be built: its tests are skipped" in done.stderr
    assert "Rust 1.95 or later is wanted, and" in done.stderr and "bin/cargo is 1.85" in done.stderr and "rustup toolchain install stable" in done.stderr
    assert not old_rust.log.exists()


def test_rustup_brings_a_new_rust(old_rust, machine):
    """And the user's own default stays."""
    new = machine.folder / "new"
    program(machine, "rustup", f'[ "$1" = which ] && {{ [ -e {new}/cargo ] && echo {new}/cargo; exit; }}\n[ "$1 $2" = "toolchain install" ] && mkdir {new} && printf "#!/bin/bash\\necho cargo 1.96.0" > {new}/cargo && chmod +x {new}/cargo')
    done = old_rust("ID=debian\nVERSION_ID=13")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = subprocess.run(["bash", str(machine.folder / "scripts" / "cargo.sh"), "95"], env={"PATH": str(machine.folder / "bin"), "HOME": str(machine.folder)}, capture_output=True, text=True)
    assert found.stdout.strip() == str(new)
    assert old_rust("ID=debian\nVERSION_ID=13").stdout == ""


def test_a_debian_that_has_rustup_is_asked_for_it(old_rust):
    old_rust("ID=debian\nVERSION_ID=13")
    assert "rustup" in old_rust.log.read_text()


@pytest.mark.parametrize("target", ["build", "demo"])
def test_make_builds_the_module_alone(target):
    """And not the static library, which nobody asked for."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    said = subprocess.run(["make", "-n", target], cwd=SCRIPTS.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    builds = [line for line in said.stdout.splitlines() if line.startswith("cmake --build")]
    assert len(builds) == 1 and builds[0].endswith(" --target wfext"), said.stdout
