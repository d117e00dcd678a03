"""wf_digest: what two files have to have in common, and what not."""

import pytest

from support import BASE, wf_error


def work(db):
    db.wf_config("clock", "explicit")
    for n in range(5):
        db.wf_start("job", {"n": n}, id="w%d" % n, now=BASE, tags={"customer": "c%d" % n})
        db.wf_step("w%d" % n, "a", "x" * 5000, now=BASE)
        db.wf_append("w%d" % n, "log", n, now=BASE)
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
