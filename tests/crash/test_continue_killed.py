"""wf_continue killed at every stage: the old period with all of its history, or the next with none."""

import shutil

from crashing import killed_after, warm_up
from support import open_database

STEPS = 20
EVERY = 37  # operations of SQLite between the moments tried


def prepared(path):
    """A workflow at the end of a period, with something of everything. Returns its token."""
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal")
    db.wf_queue("default", '{"partition_concurrency":1,"hold":"started"}')
    db.wf_start("job", '"first"', id="w", partition="p")
    db.wf_start("job", id="next", partition="p")
    token = db.claim(None, "worker", id="w", lease="1h")["token"]
    for n in range(STEPS):
        db.wf_step(token, "s%d" % n, str(n))
        db.wf_append(token, "log", str(n))
    for key in ("a", "b"):
        db.wf_signal("w", "go", 1, key=key)
    db.wf_await(token, "got", "go")
    db.wf_spawn(token, "kid", "child", id="kid")
    db.close()
    return token


def state(db):
    row = db.record("SELECT period, status, input FROM wf_workflows WHERE id = 'w'")
    return (row["period"], row["status"], row["input"], db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = 'w'"),
            db.value("SELECT count(*) FROM wf_streams"), db.value("SELECT count(*) FROM wf_signals"), db.wf_status("kid"))


OLD = (1, "running", '"first"', STEPS + 2, STEPS, 2, "pending")
NEW = (2, "pending", '"second"', 0, 0, 1, "cancelled")


def test_a_killed_continue_has_happened_or_has_not(tmp_path):
    warm_up()
    token = prepared(tmp_path / "made.db")
    seen, operations, killed = [], 1, True
    while killed:
        path = tmp_path / ("%d.db" % operations)
        shutil.copy(tmp_path / "made.db", path)
        killed = killed_after(operations, path, lambda db: db.wf_continue(token, '"second"', streams=False) == "pending")
        db = open_database(path)
        assert db.wf_check() is None
        seen.append(state(db))
        assert seen[-1] == (OLD if killed else NEW) or seen[-1] == NEW, operations
        assert db.wf_continue(token, '"second"', streams=False) == "pending"   # what a worker does that has got no answer
        assert state(db) == NEW
        assert db.wf_key("w", "s0") and db.wf_check() is None
        db.close()
        operations += EVERY
    assert seen[0] == OLD and seen[-1] == NEW and len(seen) > 10
