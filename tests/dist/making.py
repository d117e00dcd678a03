"""What the tests of this folder make: the amalgamation, libraries of other platforms, and programs that load them."""

import fcntl
import os
import platform
import subprocess
import sys
from pathlib import Path

from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import dist  # noqa: E402

ZIG = dist.zig_path()
DEEP = bool(os.environ.get("WFEXT_DEEP"))
NATIVE = f"linux-{'arm64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}"
MADE = list(dist.TARGETS) if DEEP else [NATIVE]  # what the tests build


def made_once(tmp_path_factory, name, make):
    """The folder that `make` has filled, in whichever of the processes that share the tests came first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / f"made-{name}"
    folder.mkdir(exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{folder}.done"):
            make(folder)
            open(f"{folder}.done", "w").close()
    return folder


def amalgamate(folder):
    """With the statements that the build has embedded."""
    embedded = Path(extension_path()).resolve().parent / "generated"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "amalgamate.py"), str(embedded), str(folder)], check=True)
    return folder


def build(amalgamation, folder, *names):
    command = [sys.executable, ROOT / "scripts" / "dist.py", "--amalgamation", amalgamation, "--work", folder / "work", "--out", folder / "out", *names]
    subprocess.run([str(each) for each in command], check=True)
    return folder / "out"


def zig(*command, cwd):
    done = subprocess.run([ZIG, *map(str, command)], cwd=cwd, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    assert done.returncode == 0, done.stderr[-8000:]


def sqlite_source():
    """A folder with sqlite3.c, of a newer version than most systems have."""
    done = subprocess.run(["bash", str(ROOT / "scripts" / "old-sqlite.sh"), "12.4.1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
