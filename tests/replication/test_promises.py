"""The table of docs/replication.md: what is lost when, by setting. (Volumes: test_destroyed_volumes.py; an old machine that lives: test_litestream.py; killed
processes and power cuts of the file alone: tests/crash, tests/unit/power_test.cc.)"""

import os
import subprocess

import pytest
from support import wf_error
from support.litestream import database
from test_litestream import Litestream, litestream, sync  # noqa: F401


@pytest.fixture
def replicated(litestream, tmp_path):  # noqa: F811
    path = tmp_path / "test.db"
    db = database(path)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.wf_init()
    return path, db, litestream({"path": str(path), "replica": {"type": "file", "path": str(tmp_path / "replica"), "sync-interval": "1h"}})


def power_cut(path, server, restore):
    """Everything ends at once; the disk has what `restore` puts there."""
    server.process.kill()
    server.process.wait()
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(f"{path}{suffix}"):
            os.unlink(f"{path}{suffix}")
    restore()


def test_with_normal_a_power_cut_takes_from_both_what_a_barrier_was_behind(replicated, tmp_path):
    """The disk has nothing of the WAL since the last checkpoint: the replica is ahead of the file, and Litestream publishes the older file over it."""
    path, db, server = replicated
    db.execute("PRAGMA synchronous = normal")
    sync(db, server, allow_normal=True)
    kept = {suffix: open(f"{path}{suffix}", "rb").read() for suffix in ("", "-wal")}
    db.wf_start("job", id="behind a barrier")
    sync(db, server, allow_normal=True)
    restored = server.restore(path, tmp_path / "before.db")
    assert restored.wf_status("behind a barrier") == "pending"
    restored.close()

    def put_back():
        for suffix, data in kept.items():
            with open(f"{path}{suffix}", "wb") as file:
                file.write(data)

    with wf_error("WF_STATE", "FULL"):  # so it is refused unless it is allowed
        sync(db, server)
    power_cut(path, server, put_back)
    server.start()
    after = database(path)
    assert after.wf_status("behind a barrier") is None
    after.wf_start("job", id="new")
    sync(after, server)
    restored = server.restore(path, tmp_path / "after.db")
    assert (restored.wf_status("behind a barrier"), restored.wf_status("new")) == (None, "pending")
    restored.close()
    after.close()


def test_a_forgotten_recovery_leaves_claims_that_two_machines_hold(replicated, tmp_path):
    """What wf_recover in the entrypoint is for."""
    path, db, server = replicated
    token = db.running("w", lease=3600)["token"]
    sync(db, server)
    forgotten = server.restore(path, tmp_path / "forgotten.db")
    assert forgotten.wf_heartbeat(token) is not None
    assert db.wf_heartbeat(token) is not None
    forgotten.wf_recover()
    with wf_error("WF_LEASE_LOST"):
        forgotten.wf_heartbeat(token)
    forgotten.close()


def test_two_writers_on_one_path_lose_what_barriers_have_acknowledged(replicated, tmp_path):
    """What a path of its own is for. How it ends depends on who writes which file of the replica last: one machine's part is gone without a word, or parts of both are mixed, which some
    checks find and some do not. That all of it is there, as all of the barriers have said, is the one thing that cannot be."""
    path, old, server = replicated
    sync(old, server)
    (tmp_path / "new").mkdir()
    server.restore(path, tmp_path / "new/test.db").close()
    new = database(tmp_path / "new/test.db")
    new.execute("PRAGMA journal_mode = wal").fetchall()
    new.wf_recover()
    other = Litestream(tmp_path / "new", [{"path": str(tmp_path / "new/test.db"), "replica": {"type": "file", "path": str(tmp_path / "replica"), "sync-interval": "1h"}}])
    try:
        for n in range(5):
            for db, listens, name in ((old, server, "old"), (new, other, "new")):
                db.wf_start("job", id=f"{name}-{n}")
                answer = sync(db, listens)
                assert answer["replicated_txid"] >= answer["txid"] >= 1
        for db, name in ((old, "old"), (new, "new")):
            assert [db.wf_status(f"{name}-{n}") for n in range(5)] == ["pending"] * 5
            db.close()
        try:
            restored = other.restore(tmp_path / "new/test.db", tmp_path / "restored.db")
        except subprocess.CalledProcessError:
            return
        there = {name for name in ("old", "new") if all(restored.wf_status(f"{name}-{n}") for n in range(5))}
        assert len(there) < 2 or restored.wf_check() is not None
        restored.close()
    finally:
        other.close()
