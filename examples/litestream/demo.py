"""make demo-litestream: a durable import on a volume that is destroyed again and again, and what each loss has cost.

    demo.py <folder for it all> [losses]

Each of four imports runs by entrypoint.sh on a machine of its own, replicated to a folder or to a loopback S3, without and with barriers. At random
moments the machine is killed and its volume deleted; the next one restores, recovers, and goes on with what the source still has.
Settings from the environment: WFEXT, the extension; LITESTREAM, the folder that has its binary.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from loopback_s3 import S3  # noqa: E402

HERE = Path(__file__).parent.resolve()
BATCHES, ROWS = int(os.environ.get("BATCHES", 600)), 100


class Machine:
    def __init__(self, folder, replica, environment):
        self.volume, self.log = folder / "volume", folder / "log"
        self.volume.mkdir()
        self.db = self.volume / "app.db"
        self.sockets = tempfile.TemporaryDirectory(prefix="wfs")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = {**inherited, **environment, "DB": str(self.db), "REPLICA": replica, "SOCKET": f"{self.sockets.name}/s", "PATH": f"{os.environ['LITESTREAM']}:{os.environ['PATH']}"}

    def start(self, *application):
        with open(self.log, "a") as log:
            return subprocess.Popen(["bash", HERE / "entrypoint.sh", "run", *map(str, application)], env=self.environment, stdout=log, stderr=log, start_new_session=True)

    def entrypoint(self, command):
        subprocess.run(["bash", HERE / "entrypoint.sh", command], env=self.environment, check=True, capture_output=True)

    def destroy(self, process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(self.volume)
        self.volume.mkdir()


def rows_of(database):
    db = sqlite3.connect(database)
    exists = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'item'").fetchone()[0]
    rows = set(db.execute("SELECT batch, n FROM item")) if exists else set()
    db.close()
    return rows


def show(losses):
    print(f"{'replica':8} {'barriers':9} {'loss':>5} {'acknowledged':>13} {'restored':>9} {'lost for good':>14}")
    for line in losses:
        print("{:8} {:9} {:>5} {:>13,} {:>9,} {:>14,}".format(*line))


def run(folder, kind, barriers, how_many, environment, replica, losses):
    """One import until it is complete; returns how many of its rows were acknowledged, and are nowhere."""
    folder.mkdir()
    source = folder / "source"
    source.mkdir()
    everything = set()
    for number in range(BATCHES):
        name = f"batch-{number:04}"
        (source / f"{name}.json").write_text(json.dumps(list(range(ROWS))))
        everything |= {(name, n) for n in range(ROWS)}
    machine = Machine(folder, replica, environment)
    start = lambda: machine.start(sys.executable, HERE / "import.py", machine.db, source, barriers)  # noqa: E731
    left = lambda: len(list(source.glob("*.json")))  # noqa: E731
    machine.entrypoint("begin")
    process, known = start(), set()
    for loss in range(1, how_many + 1):
        wanted = left() - random.randrange(BATCHES // how_many // 3, BATCHES // how_many - 10)
        while left() > wanted:
            if process.poll() is not None:
                sys.exit(f"it has ended too early: {machine.log.read_text()[-2000:]}")
            time.sleep(0.002)
        time.sleep(random.random() * 0.1)
        machine.destroy(process)
        acknowledged = everything - {(batch.stem, n) for batch in source.glob("*.json") for n in range(ROWS)} - known
        machine.entrypoint("prepare")
        restored = rows_of(machine.db)
        gone = acknowledged - restored
        known |= gone  # are not counted again
        losses.append((kind, barriers, loss, len(acknowledged), len(restored), len(gone)))
        process = start()
    if process.wait() != 0:
        sys.exit(f"the import failed: {machine.log.read_text()[-2000:]}")
    finally_there = rows_of(machine.db)
    assert left() == 0 and finally_there <= everything
    return len(everything - finally_there)


def main(folder, how_many):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    s3 = S3(folder / "s3")
    losses, missing = [], {}
    try:
        for kind in ("file", "S3"):
            for barriers in ("without", "with"):
                print(f"an import of {BATCHES * ROWS:,} rows, replica {kind}, {barriers} barriers: {how_many} volumes are destroyed", flush=True)
                replica = f"file://{folder}/replicas/{barriers}" if kind == "file" else f"s3://bucket/{barriers}"
                missing[kind, barriers] = run(folder / f"{kind}-{barriers}", kind, barriers, how_many, s3.environment() if kind == "S3" else {}, replica, losses)
    finally:
        s3.close()
    print()
    show(losses)
    print()
    for (kind, barriers), rows in missing.items():
        print(f"{kind}, {barriers} barriers: of {BATCHES * ROWS:,} rows {rows:,} are missing at the end")
    if any(rows for (_, barriers), rows in missing.items() if barriers == "with"):
        sys.exit("rows behind a barrier were lost")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
