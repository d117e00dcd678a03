"""wf_check finds what no column can hold, in every column there is: whatever cannot be told from a right value is listed here."""

import sqlite3

import pytest

from damage import columns_of, tables

HALF = '{"n":'
TEXTS = ["", " ", HALF, "x"]
WORDS = {"status", "kind", "paused_from", "ending", "hold"}                  # one of a few words
OBJECTS = {"how", "headers", "backoff", "settings", "definition"}
JSON = OBJECTS | {"topics"}
NAMES = {"id", "queue", "name", "worker", "claim_key", "key", "stream", "workflow", "topic"}
SIGNED = {"priority", "paused_left", "hash"}
# Large, and random or counted by others: of these any number may be.
LARGE = {"n", "nonce", "closed_nonce", "concurrency", "worker_concurrency", "partition_concurrency", "rate_limit", "skipped", "mark", "version", "hash"}


def is_time(name):
    return name.endswith("_at") or name in ("at", "next_due", "late")


def cannot_be(table, name, type):
    """The damages that the column must not hide."""
    if type == "INTEGER":
        wrong = TEXTS + [b"\x00"]
        if not is_time(name) and name not in SIGNED:
            wrong.append(-1)
        if name not in LARGE:
            wrong.append(2**63 - 1)
        return wrong
    if name == "error" and table != "_wf_trouble":  # that one is a message
        return TEXTS
    if type == "TEXT":
        if name in WORDS:
            return TEXTS + [b"\x00", -1]
        return [b"\x00"] + (TEXTS if name in JSON else [""] if name in NAMES else []) + ([-1, "[]"] if name in OBJECTS else [])
    return TEXTS


@pytest.mark.parametrize("table", tables())
def test_what_a_column_cannot_hold_is_found(sound, table):
    db = sound
    hidden = []
    for name, type in db.rows("SELECT name, type FROM pragma_table_info(?)", table):
        if table == "_wf_meta":
            continue  # by the key: test_check.py
        for value in cannot_be(table, name, type):
            db.execute("BEGIN")
            try:
                changed = db.execute("UPDATE OR IGNORE %s SET %s = ? WHERE %s IS NOT ?" % (table, name, name), (value, value)).rowcount
            except sqlite3.IntegrityError:
                changed = 0  # no integer for a rowid
            if changed > 0 and db.wf_check(integrity="none") is None:
                hidden.append((name, value))
            db.execute("ROLLBACK")
    assert hidden == []
    assert columns_of(db, table)


@pytest.mark.parametrize("key", ["lease", "max_attempts", "epoch", "schema_version", "last_seq", "backoff", "time"])
@pytest.mark.parametrize("value", [None, "", " ", HALF, b"\x00", -1, "x"])
def test_what_a_setting_cannot_be_is_found(sound, key, value):
    sound.execute("BEGIN")
    sound.execute("INSERT OR REPLACE INTO _wf_meta(key, value) VALUES (?, ?)", (key, value))
    found = sound.wf_check(integrity="none")
    sound.execute("ROLLBACK")
    assert found is not None and key in found


def test_errors_may_be_any_value(memdb):
    for n, error in enumerate(("text", 5, 1.5, b"\x00\xff", None)):
        memdb.wf_start("job", id="w%d" % n)
        memdb.wf_fail("w%d" % n, error, step="s")
        memdb.wf_fail("w%d" % n, error, retry=False)
    assert memdb.wf_check() is None
