"""ANALYZE in a file that was nearly empty: its plans must not look at every workflow, or every lane again and again, once there are many."""

import pytest

from support import open_database


def steps(db, sql):
    """How many steps of SQLite's machine that takes, in tens."""
    taken = []
    db.set_progress_handler(lambda: taken.append(1) and 0, 10)
    db.execute(sql).fetchall()
    db.set_progress_handler(None, 0)
    return len(taken)


def file_of(names, analyzed):
    db = open_database(":memory:")
    db.at(0)
    db.wf_start("job")
    if analyzed:
        db.wf_complete(db.claim()["token"], 1)
        db.execute("ANALYZE")
        db.execute("ANALYZE sqlite_master")
    for i in range(600):
        db.wf_start("n%d" % (i % names))
    return db


@pytest.mark.parametrize(("names", "sql"), [(1, "SELECT wf_start('n0')"), (600, "SELECT wf_start('n0')"), (200, "SELECT wf_next_due()")])
def test_statistics_from_when_there_was_little(names, sql):
    fresh, old = file_of(names, analyzed=False), file_of(names, analyzed=True)
    for _ in range(2):
        without, with_them = steps(fresh, sql), steps(old, sql)
    assert with_them < 3 * without + 100, (without, with_them)
    fresh.close()
    old.close()
