"""wf_digest: what two files have to have in common, and what not."""

import json
import sqlite3

import pytest

from support import BASE, wf_error


def work(db):
    db.wf_config("clock", "explicit")
    for n in range(5):
        db.wf_start("job", {"n": n}, id="w%d" % n, now=BASE, tags={"customer": "c%d" % n})
        db.wf_step("w%d" % n, "a", "x" * 5000, now=BASE)
        db.wf_append("w%d" % n, "log", n, now=BASE)
    db.wf_start("job", ["ü" * 3000], id="large", now=BASE)
    db.wf_signal("w1", "go", 1.5, now=BASE)
    db.wf_fail("w2", "no", retry=False, now=BASE)


def test_files_of_the_same_calls_have_the_same_digest(connect, tmp_path):
    digests = []
    for name, pragmas in (("a", []), ("b", ["PRAGMA page_size = 1024", "CREATE TABLE app(v)"]), ("c", ["PRAGMA encoding = 'UTF-16le'"])):
        db = connect(tmp_path / name)
        for pragma in pragmas:
            db.execute(pragma)
        assert db.wf_digest() is None and db.wf_digest("w1") is None
        work(db)
        digests.append((db.wf_digest(), db.wf_digest("w1")))
        db.execute("VACUUM")
        assert (db.wf_digest(), db.wf_digest("w1")) == digests[-1]
    assert len(set(digests)) == 1
    assert len(digests[0][0]) == 16


def test_whatever_differs_shows(connect):
    db = connect(":memory:")
    work(db)
    tables = db.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '\\_wf\\_%' ESCAPE '\\'")
    whole, other, of_1 = db.wf_digest(), db.wf_digest("w3"), db.wf_digest("w1")
    seq = db.value("SELECT seq FROM _wf_workflow WHERE id = 'w1'")
    looked = 0
    for table in tables:
        columns = db.column("SELECT name FROM pragma_table_info(?) WHERE pk = 0", table)
        for column in columns:
            if table == "_wf_meta" or not db.value("SELECT count(*) FROM %s" % table):
                continue  # a damaged format is an error of every function
            own = "wf = %d" % seq if "wf" in db.column("SELECT name FROM pragma_table_info(?)", table) else "id = 'w1'" if table == "_wf_workflow" else "1"
            db.execute("BEGIN")
            db.execute("PRAGMA ignore_check_constraints = 1")
            changed = db.execute("UPDATE %s SET %s = 'another' WHERE %s" % (table, column, own)).rowcount
            if changed:
                looked += 1
                assert db.wf_digest() != whole, (table, column)
                if own != "1" and column not in ("wf", "id"):
                    assert db.wf_digest("w1") != of_1, (table, column)
                    assert db.wf_digest("w3") == other, (table, column)
            db.execute("ROLLBACK")
    assert looked > 60
    db.execute("BEGIN")
    db.wf_config("lease", 7)
    assert db.wf_digest() != whole and db.wf_digest("w1") == of_1
    db.execute("ROLLBACK")
    db.execute("BEGIN")
    db.execute("DELETE FROM _wf_tag WHERE wf = ?", (seq,))
    assert db.wf_digest() != whole and db.wf_digest("w1") != of_1
    db.execute("ROLLBACK")
    assert db.wf_digest() == whole


def test_it_only_reads(connect, tmp_path):
    db = connect(tmp_path / "a")
    work(db)
    reader = connect("file:%s?mode=ro" % (tmp_path / "a"), uri=True)
    assert reader.wf_digest() == db.wf_digest()
    assert reader.wf_digest("none") is None
    with wf_error("WF_INVALID", "id"):
        reader.wf_digest("run_1")


def test_it_sees_one_state_of_the_file(connect, tmp_path):
    db, other = connect(tmp_path / "a"), connect(tmp_path / "a")
    db.execute("PRAGMA journal_mode = wal")
    work(db)
    before = db.wf_digest()
    wrote = []

    def write_once():
        if not wrote:
            wrote.append(other.wf_step("w4", "late", 1, now=BASE))
        return 0

    db.set_progress_handler(write_once, 300)
    during = db.wf_digest()
    db.set_progress_handler(None, 0)
    after = db.wf_digest()
    assert wrote == [1] and after != before and during in (before, after)


def plan_by(db, favoured):
    """Statistics of which that index is the best of all, so that this machine's plans are others."""
    db.execute("ANALYZE")
    db.execute("DELETE FROM sqlite_stat1")
    for table, index in db.rows("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE '\\_wf\\_%' ESCAPE '\\'"):
        columns = db.value("SELECT count(*) FROM pragma_index_info(?)", index)
        db.execute("INSERT INTO sqlite_stat1 VALUES(?, ?, ?)", (table, index, "10000000" + (" 1" if index == favoured else " 10000000") * columns))


def keep_figures(db):
    """Else the engine takes away what there is of its tables: see test_old_statistics.py."""
    db.set_authorizer(lambda action, table, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_DELETE and table == "sqlite_stat1" else sqlite3.SQLITE_OK)


def work_of_which_the_order_shows(db):
    db.wf_config("clock", "explicit")
    db.wf_queue("q", {"partition_concurrency": 2})
    for queue in ("default", "q"):
        for name in ("z", "y", "x", "w"):
            for partition in ("b", "a"):
                db.wf_start(name, id=queue + name + partition, queue=queue, partition=partition, now=BASE)
    for n in range(5):
        claims = [json.loads(claim) for claim in [db.wf_claim(queue, "worker", now=BASE + n, lease=60) for queue in ("default", "q")] if claim]
        for claim in claims:
            for step in ("d", "c", "b", "a"):
                db.wf_step(claim["token"], step, 1, now=BASE + n)
                db.wf_set(claim["token"], step, 1, now=BASE + n)
            db.wf_complete(claim["token"], 1, now=BASE + n)
    db.wf_claim("q", "worker", now=BASE + 5, lease=60)
    db.wf_recover(now=BASE + 6, id="r")
    digests = [db.wf_digest()]
    for n in range(6):
        db.wf_purge(now=BASE + 100 + n, older_than=0, limit=1)
        digests.append(db.wf_digest())
    return digests


def test_the_plans_of_a_machine_decide_nothing(connect, tmp_path):
    """Rows that stand one behind the other, or of which a part is cleared away, are in an order of their own: not in that of an index."""
    db = connect(tmp_path / "plain")
    db.wf_init()
    indexes = db.column("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('_wf_lane', '_wf_step', '_wf_value')")
    expected = work_of_which_the_order_shows(db)
    for index in indexes:
        other = connect(tmp_path / index)
        other.wf_init()
        plan_by(other, index)
        other.close()
        other = connect(tmp_path / index)
        keep_figures(other)
        assert work_of_which_the_order_shows(other) == expected, index
