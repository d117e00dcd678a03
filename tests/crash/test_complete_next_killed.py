"""A worker killed at every moment of a call that records the last step, completes and claims the next: all of it is there, or nothing."""

import json
import shutil

from crashing import killed_after, warm_up
from support import BASE, open_database

EVERY = 7  # operations of SQLite between the moments tried
CALL = {"step": "last", "next": {"key": "mine", "worker": "w"}}


def prepared(path):
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal")
    db.wf_config("test_clock", BASE)
    for id in ("w1", "w2", "w3"):
        db.wf_start("job", id=id)
    token = db.claim(None, "w", key="mine")["token"]
    db.close()
    return token


def test_killed_at_every_moment_it_is_done_once(tmp_path):
    warm_up()
    token = prepared(tmp_path / "made.db")
    seen, operations, killed = set(), 1, True
    while killed:
        path = tmp_path / ("%d.db" % operations)
        shutil.copy(tmp_path / "made.db", path)
        killed = killed_after(operations, path, lambda db: db.wf_complete(token, "1", **CALL))
        db = open_database(path)
        assert db.wf_check() is None
        state = tuple(db.wf_status(id) for id in ("w1", "w2", "w3")), db.value("SELECT count(*) FROM wf_steps")
        seen.add(state)
        held = db.value("SELECT token FROM (SELECT json_extract(wf_claim(NULL, 'w', '{\"key\":\"mine\"}'), '$.token') AS token)")
        assert (held == token) == (state[1] == 0)
        done = json.loads(db.wf_complete(token, "1", **CALL))          # it asks again
        assert (done["status"], done["claim"]["id"]) == ("completed", "w2")
        assert [db.wf_status(id) for id in ("w1", "w2", "w3")] == ["completed", "running", "pending"]
        assert (db.value("SELECT count(*) FROM wf_steps"), db.wf_result("w1"), db.wf_check()) == (1, "1", None)
        db.close()
        operations += EVERY
    assert seen == {(("running", "pending", "pending"), 0), (("completed", "running", "pending"), 1)}
