"""wf_doctor and wf_functions: what the extension says about its surroundings and about itself."""

import pytest

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

