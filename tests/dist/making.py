"""What the tests of this folder make: the amalgamation, libraries of other platforms, and programs that load them."""

import os
import subprocess
import sys
from pathlib import Path

from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import dist  # noqa: E402

ZIG = dist.zig_path()


def amalgamate(folder):
    """With the statements that the build has embedded."""
    embedded = Path(extension_path()).resolve().parent / "generated"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "amalgamate.py"), str(embedded), str(folder)], check=True)
    return folder


def zig(*command, cwd):
    done = subprocess.run([ZIG, *map(str, command)], cwd=cwd, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    assert done.returncode == 0, done.stderr[-8000:]


def sqlite_source():
    """A folder with sqlite3.c, of a newer version than most systems have."""
    done = subprocess.run(["bash", str(ROOT / "scripts" / "old-sqlite.sh"), "12.4.1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
