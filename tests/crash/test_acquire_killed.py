"""A worker killed at every stage between its claim and its share: a share is spent if, and only if, it is recorded, and nobody waits for ever."""

import json
import shutil

from crashing import killed_after, warm_up
from support import BASE, open_database

EVERY = 23  # operations of SQLite between the moments tried


def prepared(path):
    """A rate of one share a minute, which is spent, and two who wait for the next; the first may have it."""
    db = open_database(path)
    db.execute("PRAGMA journal_mode = wal")
    db.wf_config("test_clock", BASE)
    db.wf_rate("api", limit=1, per="1m")
    for id in ("spent", "w1", "w2"):
        db.wf_start("job", id=id, max_attempts=1000)
        token = db.claim(id=id)["token"]
        if db.wf_acquire(token, "share", "api"):
            db.wf_complete(token)
    db.wf_config("test_clock", BASE + 60)
    db.close()


def work(db, id=None):
    """One round of a worker; who has got a share."""
    options = {"id": id} if id else {}
    claim = db.claim(None, "worker", lease=10, **options)
    if claim is None:
        return None
    got = db.wf_acquire(claim["token"], "share", "api")
    if got:
        db.wf_complete(claim["token"])
    return got and claim["id"]


def spent(db):
    recorded = db.value("SELECT count(*) FROM wf_steps WHERE kind = 'acquire' AND status = 'done' AND workflow_id <> 'spent'")
    assert db.value("SELECT spent FROM wf_rates") == recorded <= 1
    return recorded


def test_a_worker_killed_between_its_claim_and_its_share(tmp_path):
    warm_up()
    prepared(tmp_path / "made.db")
    seen, operations, killed = set(), 1, True
    while killed:
        path = tmp_path / ("%d.db" % operations)
        shutil.copy(tmp_path / "made.db", path)
        killed = killed_after(operations, path, lambda db: work(db) == "w1")
        db = open_database(path)
        assert db.wf_check() is None
        seen.add((db.wf_status("w1"), spent(db)))
        told = db.value("SELECT output FROM wf_steps WHERE workflow_id = 'w1' AND name = 'share'")
        # The lease runs out. It goes on with the share that is recorded, or takes the one that is still there.
        db.wf_config("test_clock", BASE + 71)
        if db.wf_status("w1") != "completed":
            assert work(db, "w1") == "w1"
        assert spent(db) == 1
        if told:
            assert db.value("SELECT output FROM wf_steps WHERE workflow_id = 'w1' AND name = 'share'") == told
        at = db.value("SELECT strftime('%s', json_extract(output, '$.acquired_at')) + 0 FROM wf_steps WHERE workflow_id = 'w1' AND name = 'share'")
        db.wf_config("test_clock", at + 59)
        assert work(db) is None
        db.wf_config("test_clock", at + 60)
        assert work(db) == "w2"
        assert (db.value("SELECT count(*) FROM _wf_line"), db.wf_check()) == (0, None)
        db.close()
        operations += EVERY
    assert {("waiting", 0), ("running", 0), ("running", 1), ("completed", 1)} <= seen


def test_one_that_dies_again_and_again_holds_up_the_others_for_a_while_only(tmp_path):
    path = tmp_path / "made.db"
    prepared(path)
    db = open_database(path)
    claim = db.claim(None, "worker", lease=3600)     # it hangs
    assert claim["id"] == "w1"
    times = []
    for second in range(60, 200):
        db.wf_config("test_clock", BASE + second)
        got = work(db)
        if got:
            times.append((got, second))
    assert times == [("w2", 120)]                    # as if w1 had taken its own
    assert json.loads(db.wf_acquire(claim["token"], "share", "api"))["rate"] == "api"
    assert db.wf_check() is None
    db.close()
