"""wf_doctor and wf_functions: what the extension says about its surroundings and about itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import extension_path

# Everything issue 3 promises.
WRITING = "wf_init wf_start wf_step wf_claim wf_complete wf_fail wf_heartbeat wf_release wf_recover wf_config".split()
READING = "wf_version wf_status wf_result wf_error wf_key wf_pending wf_ready wf_clock".split()


def rows_about(db, *words):
    """The rows of wf_doctor whose name contains one of the words."""
    return [row for row in db.records("SELECT * FROM wf_doctor") if any(word in row["name"].lower() for word in words)]


def one_about(db, *words):
    (row,) = rows_about(db, *words)
    return row


def test_doctor_has_these_columns_and_says_ok_or_not(db):
    cursor = db.execute("SELECT * FROM wf_doctor")
    assert [column[0] for column in cursor.description] == ["name", "value", "ok", "advice"]
    rows = db.records("SELECT * FROM wf_doctor")
    assert {row["ok"] for row in rows} <= {0, 1}
    assert len({row["name"] for row in rows}) == len(rows)
    assert all(row["advice"] for row in rows if not row["ok"])


def test_doctor_knows_the_versions(db):
    values = [str(row["value"]) for row in rows_about(db, "version")]
    assert any("0.1.0" in value for value in values)
    assert any(db.value("SELECT sqlite_version()") in value for value in values)


def test_doctor_knows_the_schema_version(db):
    db.wf_init()
    assert str(one_about(db, "schema_version", "schema version")["value"]) == "1"


def test_doctor_knows_the_schema_version_of_a_file_with_a_clock(db):
    """The clock's row comes behind that of the version."""
    db.wf_config("test_clock", 1_800_000_000)
    assert (one_about(db, "schema version")["value"], one_about(db, "schema version")["ok"]) == (1, 1)


@pytest.mark.parametrize("mode, ok", [("wal", 1), ("memory", 0), ("off", 0)])
def test_doctor_knows_the_journal_mode(connect, tmp_path, mode, ok):
    db = connect(tmp_path / "journal.db")
    db.value("PRAGMA journal_mode = " + mode)
    row = one_about(db, "journal")
    assert row["value"].lower() == mode
    assert row["ok"] == ok


@pytest.mark.parametrize("synchronous, ok", [("off", 0), ("normal", 0), ("full", 1), ("extra", 1)])
def test_doctor_warns_that_normal_loses_acknowledged_steps_in_a_power_cut(db, synchronous, ok):
    db.execute("PRAGMA synchronous = " + synchronous)
    row = one_about(db, "synchronous")
    assert (row["value"].lower(), row["ok"]) == (synchronous, ok)
    assert ok or "power" in row["advice"]


@pytest.mark.parametrize("timeout, ok", [(0, 0), (5000, 1)])
def test_doctor_knows_the_busy_timeout(db, timeout, ok):
    db.execute("PRAGMA busy_timeout = %d" % timeout)
    row = one_about(db, "busy")
    assert str(timeout) in str(row["value"]) or str(timeout // 1000) in str(row["value"])
    assert row["ok"] == ok


@pytest.mark.parametrize("trusted", [0, 1])
def test_doctor_knows_whether_the_schema_is_trusted(db, trusted):
    db.execute("PRAGMA trusted_schema = %d" % trusted)
    row = one_about(db, "trusted")
    assert row["value"] == trusted
    assert ("trigger" in (row["advice"] or "")) == (not trusted)


def test_doctor_knows_the_file_system(db):
    assert one_about(db, "file system")["value"]


def test_doctor_works_before_the_first_write_in_memory_and_on_a_newer_file(db, memdb, connect):
    for each in (db, memdb):
        assert each.value("SELECT count(*) FROM wf_doctor") > 5
        assert each.rows("SELECT * FROM sqlite_master") == []
    db.wf_init()
    db.execute("UPDATE _wf_meta SET value = 999 WHERE key = 'schema_version'")
    row = one_about(connect(), "schema_version", "schema version")
    assert (str(row["value"]), row["ok"]) == ("999", 0)


@pytest.mark.parametrize("journal, synchronous, ok, advice", [
    ("wal", "normal", 0, "synchronous = FULL"), ("wal", "full", 1, None), ("wal", "extra", 1, None),
    ("truncate", "normal", 0, "synchronous = FULL"), ("truncate", "full", 1, None),
    ("persist", "full", 1, None), ("persist", "off", 0, "synchronous = FULL"),
    ("delete", "normal", 0, "synchronous = EXTRA"), ("delete", "full", 0, "synchronous = EXTRA"), ("delete", "extra", 1, None),
    ("memory", "extra", 0, "journal_mode = WAL"), ("off", "extra", 0, "journal_mode = WAL"),
])
def test_doctor_knows_what_each_journal_mode_needs(connect, tmp_path, journal, synchronous, ok, advice):
    db = connect(tmp_path / "journal.db")
    db.value("PRAGMA journal_mode = " + journal)
    db.execute("PRAGMA synchronous = " + synchronous)
    row = one_about(db, "synchronous")
    assert row["ok"] == ok and (row["advice"] is None) == ok
    assert ok or advice in row["advice"] and "power cut" in row["advice"]


def test_doctor_asks_for_fullfsync_on_macos_only(db):
    """The query itself, with what a Mac would tell it."""
    text = (Path(__file__).parents[2] / "sql" / "tables" / "tables.sql").read_text()
    query = text[text.index("-- name: table_doctor"):].split("\n-- name:")[0]
    names = "file network format schema".split()
    on = {name: "" for name in names}
    for mac, setting, rows in [(0, 0, []), (1, 0, [(0, 0)]), (1, 1, [(1, 1)])]:
        db.execute("PRAGMA fullfsync = %d" % setting)
        found = [row for row in db.execute(query, {"host": json.dumps({**on, "macos": mac})}) if row[1] == "fullfsync"]
        assert [(value, ok) for (_, _, value, ok, _) in found] == rows
        assert all(ok or "power cut" in advice for (_, _, _, ok, advice) in found)


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("change", ["deleted", "replaced", "renamed"])
def test_doctor_sees_that_the_file_has_gone_from_its_place(connect, tmp_path, journal, change):
    path = tmp_path / "gone.db"
    db = connect(path)
    db.value("PRAGMA journal_mode = " + journal)
    db.wf_start("job")
    assert (one_about(db, "in place")["value"], one_about(db, "in place")["ok"]) == ("yes", 1)
    if change == "renamed":
        path.rename(tmp_path / "other.db")
    else:
        path.unlink()
    if change == "replaced":
        connect(tmp_path / "new.db").wf_init()
        (tmp_path / "new.db").rename(path)
    row = one_about(db, "in place")
    assert (row["value"], row["ok"]) == ("no", 0) and "deleted or replaced" in row["advice"]


def test_doctor_sees_that_the_wal_was_deleted(db, tmp_path):
    db.wf_start("job")
    (tmp_path / "test.db-wal").unlink()
    assert one_about(db, "in place")["ok"] == 0


def test_doctor_does_not_mistake_an_empty_wal_for_a_deleted_one(db):
    db.wf_start("job")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert (one_about(db, "in place")["ok"], one_about(db, "wal size")["value"]) == (1, 0)


def test_doctor_knows_the_size_of_the_wal(db, connect, tmp_path):
    db.execute("CREATE TABLE t(x)")
    size = one_about(db, "wal size")["value"]
    assert size == (tmp_path / "test.db-wal").stat().st_size > 0
    reader = connect()
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    for _ in range(4):
        db.execute("INSERT INTO t VALUES (zeroblob(20000000))")
    row = one_about(db, "wal size")
    assert row["value"] > 64 * 1024 * 1024 and row["ok"] == 0 and "wal_checkpoint" in row["advice"]
    other = connect(tmp_path / "other.db")
    other.value("PRAGMA journal_mode = delete")
    assert (one_about(other, "wal size")["value"], one_about(other, "wal size")["ok"]) == (None, 1)


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_doctor_sees_that_another_connection_holds_the_write_lock(connect, tmp_path, journal):
    db, other = connect(tmp_path / "lock.db"), connect(tmp_path / "lock.db")
    db.value("PRAGMA journal_mode = " + journal)
    db.wf_init()
    assert (one_about(db, "write lock")["value"], one_about(db, "write lock")["ok"]) == ("free", 1)
    other.execute("BEGIN IMMEDIATE")
    row = one_about(db, "write lock")
    assert (row["value"], row["ok"]) == ("held by another connection", 0)
    assert one_about(other, "write lock")["ok"] == 1  # its own
    other.execute("INSERT INTO _wf_meta VALUES('last_seq', 1)")
    other.execute("COMMIT")
    assert one_about(db, "write lock")["value"] == "free"
    db.execute("CREATE TABLE kept AS SELECT * FROM wf_doctor")  # writes meanwhile itself
    assert db.value("SELECT ok FROM kept WHERE name = 'write lock'") == 1
    assert other.wf_start("job", id="w1") == "w1"
    assert db.wf_check() is None


def test_doctor_takes_no_lock_of_its_own_away(connect):
    """A look in the middle of a writing statement or a transaction leaves its lock where it is."""
    db, other = connect(timeout=0), connect(timeout=0)
    db.value("PRAGMA journal_mode = wal")
    db.wf_init()
    db.execute("BEGIN IMMEDIATE")
    db.rows("SELECT * FROM wf_doctor")
    with pytest.raises(Exception, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    db.execute("COMMIT")
    other.execute("BEGIN IMMEDIATE")
    other.execute("COMMIT")


def test_doctor_knows_of_rates_in_the_future(db):
    assert one_about(db, "future")["ok"] == 1
    db.at(0)
    db.wf_queue("r", rate={"limit": 1, "per": 60})
    db.wf_start("job", queue="r")
    db.wf_claim("r", None, now="2036-01-01T00:00:00Z")
    row = one_about(db, "future")
    assert (row["value"], row["ok"]) == (1, 0)
    assert "queue r" in row["advice"] and "2036-01-01 00:00:00.000" in row["advice"]
    db.wf_clock("2036-01-01T00:00:01Z")
    assert one_about(db, "future")["ok"] == 1


def test_doctor_knows_of_items_that_failed(db):
    db.at(0)
    db.wf_init()
    assert (one_about(db, "put off")["value"], one_about(db, "put off")["ok"]) == (0, 1)
    db.wf_start("job", id="t", timeout=1)
    db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON _wf_workflow BEGIN SELECT raise(ABORT, 'no such luck'); END")
    db.at(2)
    db.wf_tick()
    row = one_about(db, "put off")
    assert (row["value"], row["ok"]) == (1, 0)
    assert row["advice"] == "workflow t failed at 2027-01-15 08:00:02.000: no such luck"
    db.execute("DROP TRIGGER refuse")
    db.wf_cancel("t")
    assert one_about(db, "put off")["ok"] == 1


# wf_functions


def test_functions_have_these_columns(db):
    cursor = db.execute("SELECT * FROM wf_functions")
    assert [column[0] for column in cursor.description] == "name signature summary writes in_writing_statement idempotent".split()


def test_every_function_is_listed_once_and_exists(db):
    names = db.column("SELECT name FROM wf_functions")
    assert len(names) == len(set(names))
    assert set(WRITING + READING) <= set(names)
    existing = set(db.column("SELECT name FROM pragma_function_list WHERE name LIKE 'wf\\_%' ESCAPE '\\'"))
    assert existing == set(names)


def test_every_signature_and_summary_says_something(db):
    for row in db.records("SELECT * FROM wf_functions"):
        assert row["signature"].startswith(row["name"] + "("), row
        assert len(row["summary"]) > 10, row


@pytest.mark.parametrize("name, writes", [(name, 1) for name in WRITING] + [(name, 0) for name in READING])
def test_writes_says_whether_a_function_writes(db, name, writes):
    assert db.value("SELECT writes FROM wf_functions WHERE name = ?", name) == writes


@pytest.mark.parametrize("name", ["wf_start", "wf_step", "wf_complete", "wf_fail", "wf_heartbeat", "wf_release", "wf_claim", "wf_init"])
def test_in_writing_statement_is_the_truth(db, name):
    db.wf_init()
    db.execute("CREATE TABLE app(v)")
    token = db.running(backoff={"initial": 0})["token"]
    call = {
        "wf_start": "wf_start('job')",
        "wf_step": "wf_step('%s', 'a', '1')" % token,
        "wf_complete": "wf_complete('%s')" % token,
        "wf_fail": "wf_fail('%s', 'e')" % token,
        "wf_heartbeat": "wf_heartbeat('%s')" % token,
        "wf_release": "wf_release('%s')" % token,
        "wf_claim": "wf_claim()",
        "wf_init": "wf_init()",
    }[name]
    said = db.value("SELECT in_writing_statement FROM wf_functions WHERE name = ?", name)
    try:
        db.execute("INSERT INTO app VALUES(%s)" % call)
        works = True
    except Exception as error:
        assert str(error).startswith("WF_CONTEXT: ")
        works = False
    assert bool(said) == works
    assert works == (name not in ("wf_claim", "wf_init"))


def test_a_signature_names_the_options(db):
    signatures = dict(db.rows("SELECT name, signature || ' ' || summary FROM wf_functions"))
    for name in ("wf_start", "wf_claim", "wf_step", "wf_complete", "wf_fail", "wf_heartbeat", "wf_release", "wf_recover"):
        assert "options" in signatures[name], signatures[name]



def test_doctor_says_how_a_wait_is_woken(db, memdb):
    row = one_about(memdb, "wake-ups")
    assert (row["value"], row["ok"]) == ("by looking", 1) and "in memory" in row["advice"]
    row = one_about(db, "wake-ups")
    assert (row["value"], row["ok"], row["advice"]) == ("at once", 1, None)


@pytest.mark.skipif(sys.platform != "linux", reason="only there is it a descriptor")
def test_doctor_says_that_no_more_files_can_be_watched(db, tmp_path):
    code = """
import os, resource, sqlite3, sys
db = sqlite3.connect(sys.argv[2], isolation_level=None)
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
ask = "SELECT value, ok, advice FROM wf_doctor WHERE name = 'wake-ups'"
db.execute("SELECT count(*) FROM wf_workflows").fetchone()
most = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(*db.execute(ask).fetchone())
"""
    db.wf_init()
    told = subprocess.run([sys.executable, "-c", code, extension_path(), str(tmp_path / "test.db")], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert told.startswith("by looking 0 ") and "limits" in told
