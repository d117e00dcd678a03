"""What Litestream and its barrier cost: `make bench` prints it where scripts/setup.sh litestream has been.

    run.py [--seconds 2] [--barriers 300] [--save file.json]

Barriers, to a folder and to a loopback S3: a step and a barrier behind it, alone; a barrier behind nothing new; 100 steps and one barrier. Commits: steps that
are recorded one by one, without and with Litestream, by synchronous and wal_autocheckpoint, and how long the WAL has become. Less than two minutes, on a slow disk too:
each line has so many barriers, or as many as there is time for. The tables are those of docs/replication.md.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples/litestream"))
from loopback_s3 import S3  # noqa: E402

LITESTREAM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wfext/litestream-0.5.18/litestream"
MOST = 10
MODULE = os.environ.get("WFEXT") or str(ROOT / "build/libwfext.so")


class Setup:
    """A file with a workflow that is claimed, and Litestream beside it, where there is a replica."""

    def __init__(self, replica, synchronous="FULL", autocheckpoint=1000, environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="wfb")
        folder = Path(self.folder.name)
        self.path, self.socket = folder / "app.db", str(folder / "s")
        db = self.db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        db.enable_load_extension(True)
        db.load_extension(MODULE)
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", f"wal_autocheckpoint = {autocheckpoint}"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("SELECT wf_config('sync_socket', ?)", (self.socket,))
        db.execute("SELECT wf_start('job')")
        self.token = json.loads(db.execute("SELECT wf_claim(NULL, 'w', '{\"lease\":86400}')").fetchone()[0])["token"]
        self.steps, self.litestream = 0, None
        if replica is None:
            return
        replica = {"type": "file", "path": str(folder / "replica")} if replica == "file" else replica
        (folder / "c.yml").write_text(json.dumps({"socket": {"enabled": True, "path": self.socket}, "dbs": [{"path": str(self.path), "replica": {**replica, "sync-interval": "1s"}}]}))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.litestream = subprocess.Popen([LITESTREAM, "replicate", "-config", folder / "c.yml"], env={**inherited, **(environment or {})}, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while True:
            try:
                self.barrier()
                break
            except sqlite3.OperationalError:  # it is just starting
                assert self.litestream.poll() is None and time.monotonic() < end, "Litestream does not start"
                time.sleep(0.01)

    def step(self):
        self.steps += 1
        self.db.execute("SELECT wf_step(?, ?, ?)", (self.token, str(self.steps), self.steps))

    def barrier(self):
        self.db.execute("SELECT wf_sync(60, '{\"allow_normal\":true}')").fetchone()

    def close(self):
        self.db.close()
        if self.litestream is not None:
            self.litestream.kill()
            self.litestream.wait()
        self.folder.cleanup()


def milliseconds(action, count):
    """(p50, p99) of so many, or of as many as are done in MOST seconds."""
    took, end = [], time.perf_counter() + MOST
    while len(took) < count and time.perf_counter() < end:
        begin = time.perf_counter()
        action()
        took.append((time.perf_counter() - begin) * 1000)
    took.sort()
    return took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)]


def barriers(replica, count, environment=None):
    setup = Setup(replica, environment=environment)

    def alone():
        setup.step()
        setup.barrier()

    def hundred():
        for _ in range(100):
            setup.step()
        setup.barrier()

    def one_transaction():
        setup.db.execute("BEGIN IMMEDIATE")
        for _ in range(100):
            setup.step()
        setup.db.execute("COMMIT")
        setup.barrier()

    found = {}
    few = max(20, count // 10)
    for name, action, times in (("a step and a barrier", alone, count), ("nothing new", setup.barrier, count), ("100 steps in a transaction, and a barrier", one_transaction, few),
                                ("100 steps one by one (100 commits), and a barrier", hundred, few)):
        found[name] = milliseconds(action, times)
    setup.close()
    return found


def commits(replica, synchronous, autocheckpoint, seconds):
    """(steps per second, the longest one in ms, MB of the WAL)."""
    setup = Setup(replica, synchronous, autocheckpoint)
    begin = last = time.perf_counter()
    longest = 0
    while last - begin < seconds:
        setup.step()
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    wal = os.path.getsize(f"{setup.path}-wal") / 1e6
    rate = setup.steps / (last - begin)
    setup.close()
    return rate, longest * 1000, wal


def short(number):
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


def table(head, rows):
    print()
    for cells in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(cells) + " |")


def main():
    options = argparse.ArgumentParser(prog="bench/replication/run.py")
    options.add_argument("--seconds", type=float, default=2, help="for each line of commits")
    options.add_argument("--barriers", type=int, default=300)
    options.add_argument("--save", help="the same beside the tables, as JSON into a file")
    given = options.parse_args()
    if not LITESTREAM.exists():
        print("\nno Litestream: scripts/setup.sh litestream makes it, for the figures of docs/replication.md")
        return
    saved = {"barriers": {}, "commits": {}}
    with tempfile.TemporaryDirectory() as folder:
        s3 = S3(Path(folder))
        try:
            replica = {"type": "s3", "bucket": "bucket", "path": "app", "endpoint": s3.direct, "region": "us-east-1", "force-path-style": True}
            saved["barriers"] = {"folder": barriers("file", given.barriers), "S3 on loopback": barriers(replica, given.barriers, s3.environment())}
        finally:
            s3.close()
    folder, s3 = saved["barriers"].values()
    table(["barriers, milliseconds", "folder, p50", "p99", "S3 on loopback, p50", "p99"], [[name, *map(short, folder[name]), *map(short, s3[name])] for name in folder])
    rows = []
    for synchronous in ("FULL", "NORMAL"):
        for autocheckpoint in (1000, 0):
            alone, beside = (commits(replica, synchronous, autocheckpoint, given.seconds) for replica in (None, "file"))
            saved["commits"][f"{synchronous}, {autocheckpoint}"] = {"alone": alone, "with Litestream": beside}
            rows.append([f"`{synchronous}`, `wal_autocheckpoint` {autocheckpoint}", f"{alone[0]:,.0f}", f"{beside[0]:,.0f}", f"{beside[2]:.0f} MB"])
    table(["steps one by one", "alone, per second", "with Litestream", f"WAL after {given.seconds:g} seconds, with Litestream"], rows)
    if given.save:
        Path(given.save).write_text(json.dumps(saved, indent=1))


if __name__ == "__main__":
    main()
