"""The real Litestream, by the scripts of examples/litestream, and a loopback S3. Made by scripts/setup.sh litestream."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from .database import extension_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/litestream"
sys.path.insert(0, str(EXAMPLE))

import loopback_s3  # noqa: E402
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wfext"


def binary():
    """Where Litestream is; skips without one that is new enough."""
    for found in (CACHE / "litestream-0.5.18/litestream", shutil.which("litestream")):
        if found and Path(found).exists():
            version = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout.strip()
            if [int(n) for n in version.removeprefix("v").split("-")[0].split(".")] >= [0, 5, 18]:
                return Path(found)
    pytest.skip("Litestream is not set up (scripts/setup.sh litestream)")


def S3(folder):
    """A loopback S3; skips without one."""
    try:
        return loopback_s3.S3(folder)
    except FileNotFoundError:
        pytest.skip("Litestream is not set up (scripts/setup.sh litestream)")


def until(condition, what, seconds=120):
    """Waits for a state; as long as a machine that does other things may take."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain for: " + what
        time.sleep(0.01)
    return found


class Machine:
    """One machine: a volume with the database, and what runs on it by entrypoint.sh. It may be lost at any moment, and another one takes its place."""

    def __init__(self, folder, replica, environment=None, name="machine"):
        self.volume = folder / name
        self.volume.mkdir()
        self.db = self.volume / "app.db"
        self.sockets = tempfile.TemporaryDirectory(prefix="wfs")  # short: a socket's path has 107 bytes
        self.socket = str(Path(self.sockets.name) / "s")
        self.log = folder / f"{name}.log"
        self.process = None
        module = Path(extension_path())
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **(environment or {}), "PATH": f"{binary().parent}:{os.environ['PATH']}", "DB": str(self.db), "REPLICA": replica, "SOCKET": self.socket,
            "WFEXT": str(module.with_suffix("")), "PYTHONDONTWRITEBYTECODE": "1",
        }

    def entrypoint(self, *arguments, **environment):
        return subprocess.run(["bash", str(EXAMPLE / "entrypoint.sh"), *arguments], env={**self.environment, **environment}, capture_output=True, text=True, timeout=300)

    def become(self, *arguments, **environment):
        """entrypoint.sh with these arguments, in a process group of its own."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(["bash", str(EXAMPLE / "entrypoint.sh"), *map(str, arguments)], env={**self.environment, **environment}, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def start(self, *application, **environment):
        self.become("run", *application, **environment)

    def until(self, condition, what):
        """Waits for a state while it runs."""
        return until(lambda: condition() or (self.process.poll() is not None and pytest.fail(f"it has ended: {self.log.read_text()[-3000:]}")), what)

    def cut_off(self):
        """All of its processes end at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def destroy(self):
        """The volume is gone, and what ran on it."""
        self.cut_off()
        shutil.rmtree(self.volume)
        self.volume.mkdir()

    def close(self):
        if self.process is not None:
            self.cut_off()
        self.sockets.cleanup()


def database(path):
    """A connection as the pages want it beside Litestream, with a busy timeout."""
    from .database import open_database

    db = open_database(path, timeout=30)
    db.execute("PRAGMA synchronous = full")
    return db
