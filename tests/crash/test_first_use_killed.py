"""Killed while the schema is being made, while the file grows, and while scripts and closers run."""

import random

import pytest

from crashing import Journal, moment, raw, read_journal, run_and_kill, warm_up
from invariants import violations
from support import open_database

# What the file holds after wf_init(): the reference for "all or nothing".
def objects(conn):
    return sorted(row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE name GLOB '_wf_*'"))


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_killed_while_the_schema_is_made(tmp_path, journal):
    warm_up()
    reference = open_database(":memory:")
    reference.wf_init()
    whole = objects(reference)
    reference.close()
    rng = random.Random(journal)
    made = lives = 0
    longest = 0.012  # seconds; follows the machine, so that half of the lives end before the schema is there
    while lives < 40 or not 0 < made < lives:
        lives += 1
        assert lives < 400, "the moments are badly chosen: always before or always after"
        path = tmp_path / f"{lives}.db"
        prepared = raw(path)
        prepared.execute(f"PRAGMA journal_mode = {journal}").fetchall()
        prepared.close()

        def body(path=path):
            db = open_database(path, timeout=300)
            db.wf_start("job", id="first")
            Journal(str(path) + ".told").note("first")

        run_and_kill(body, rng.uniform(0, longest))
        conn = raw(path)
        found = objects(conn)
        assert found in ([], whole), "half a schema"
        assert violations(conn) == {}
        if read_journal(str(path) + ".told"):
            assert conn.execute("SELECT count(*) FROM _wf_workflow").fetchone() == (1,)
        conn.close()
        made += found == whole
        longest *= 0.8 if found == whole else 1.25
        db = open_database(path)
        assert db.wf_start("job", id="first") == "first"
        assert db.wf_pending() == 1
        db.close()


def test_script_killed_and_run_again_until_done(tmp_path):
    """The script idiom by bare id: guard, do, record; killed anywhere, started again, each row once."""
    warm_up()
    path = tmp_path / "script.db"
    setup = open_database(path)
    setup.execute("PRAGMA journal_mode = wal").fetchall()
    setup.execute("CREATE TABLE line(n)")
    setup.close()

    def script():
        db = open_database(path, timeout=300)
        db.wf_start("import", id="import")
        for n in range(400):
            db.execute("BEGIN IMMEDIATE")
            if db.wf_step("import", f"line {n}") is None:
                db.execute("INSERT INTO line VALUES (?)", (n,))
                db.wf_step("import", f"line {n}", n, once=True)
            db.execute("COMMIT")
        db.wf_complete("import", '"done"')

    rng = random.Random(5)
    kills = 0
    # Short lives first, so that some are killed on any machine; then longer ones, so that it comes to an end on any.
    while run_and_kill(script, moment(rng, 0.004 * 1.06**kills)):
        kills += 1
        conn = raw(path)
        assert violations(conn) == {}
        lines = [n for (n,) in conn.execute("SELECT n FROM line ORDER BY n")]
        assert lines == list(range(len(lines)))
        if objects(conn):
            assert conn.execute("SELECT count(*) FROM _wf_step").fetchone() == (len(lines),)
        conn.close()
        assert kills < 200
    assert kills > 2
    db = open_database(path)
    assert db.column("SELECT n FROM line ORDER BY n") == list(range(400))
    assert db.wf_result("import") == '"done"'
    db.close()


def test_killed_in_the_middle_of_large_values(tmp_path):
    """Inputs and outputs of some 100 KiB: a value is there in full or not at all."""
    warm_up()
    path = tmp_path / "large.db"
    open_database(path).wf_init()
    big = '"%s"' % ("y" * 150_000)

    def body():
        db = open_database(path, timeout=300)
        told = Journal(str(path) + ".told")
        while True:
            wid = db.wf_start("big", big)
            told.note(wid, "start")
            db.wf_step(wid, "s", big)
            told.note(wid, "step")
            db.wf_complete(wid, big)
            told.note(wid, "complete")

    rng = random.Random(9)
    longest, lives = 0.06, 0
    while lives < 40 or len(read_journal(str(path) + ".told")) < 40:
        lives += 1
        longest *= 1 if lives < 40 else 1.1
        assert lives < 120, "the workers hardly lived: nothing was tested"
        run_and_kill(body, moment(rng, longest))
        conn = raw(path)
        assert violations(conn) == {}
        conn.close()
    db = open_database(path)
    for wid, what in read_journal(str(path) + ".told"):
        assert db.value("SELECT input FROM wf_workflows WHERE id = ?", wid) == big
        if what == "step":
            assert db.wf_step(wid, "s") == big
        if what == "complete":
            assert db.wf_result(wid) == big
    assert db.value("SELECT count(*) FROM wf_workflows WHERE length(input) <> ?", len(big)) == 0
    db.close()
