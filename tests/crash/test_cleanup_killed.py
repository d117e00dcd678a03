"""A call that says that its workflow cleans up, killed at every stage: its record and that word are both there, or neither."""

import shutil

import pytest
from crashing import killed_after, warm_up
from support import open_database

EVERY = 5  # operations of SQLite between the moments tried
CALLS = {
    "wf_step": lambda db, token: db.wf_step(token, "charge", '"paid"', cleanup=True),
    "wf_begin": lambda db, token: db.wf_begin(token, "charge", cleanup=True),
    "wf_spawn": lambda db, token: db.wf_spawn(token, "charge", "child", id="kid", parent_cleanup=True),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_killed_call_has_said_it_with_its_record_or_not_at_all(tmp_path, call):
    warm_up()
    db = open_database(tmp_path / "made.db")
    db.execute("PRAGMA journal_mode = wal")
    token = db.running(lease="1h")["token"]
    db.close()
    seen, operations, killed = [], 1, True
    while killed:
        path = tmp_path / ("%d.db" % operations)
        shutil.copy(tmp_path / "made.db", path)
        killed = killed_after(operations, path, lambda db: CALLS[call](db, token))
        db = open_database(path)
        recorded = db.value("SELECT count(*) FROM wf_steps")
        assert db.wf_check() is None
        db.wf_cancel("w1")          # somebody who knows nothing of it
        assert db.workflow()["ending"] == ("cancelled" if recorded else None), operations
        assert killed or recorded
        seen.append(recorded)
        db.close()
        operations += EVERY
    assert seen[0] == 0 and seen[-1] == 1 and len(seen) > 10
