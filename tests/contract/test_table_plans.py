"""Conditions, order and limits on the virtual tables reach the indexes of the base tables: their own plans show it.

The query behind a table is read with the plan that the extension hands to SQLite (EXPLAIN QUERY PLAN shows it), and planned in its turn.
"""

import re
import sqlite3

import pytest

# Query, and the line of the plan below that says how the rows are found.
PLANS = [
    ("SELECT * FROM wf_workflows WHERE id = 'w7'", "SEARCH w USING INDEX sqlite_autoindex__wf_workflow_1 (id=?)"),
    ("SELECT * FROM wf_workflows WHERE id > 'w2' AND id <= 'w5'", "SEARCH w USING INDEX sqlite_autoindex__wf_workflow_1 (id>? AND id<?)"),
    ("SELECT * FROM wf_workflows WHERE id IN ('w1', 'w2') ORDER BY id", "SEARCH w USING INDEX sqlite_autoindex__wf_workflow_1 (id=?)"),
    ("SELECT * FROM wf_workflows ORDER BY id LIMIT 3", "SCAN w USING INDEX sqlite_autoindex__wf_workflow_1"),
    ("SELECT * FROM wf_workflows ORDER BY id DESC LIMIT 3 OFFSET 2", "SCAN w USING INDEX sqlite_autoindex__wf_workflow_1"),
    ("SELECT * FROM wf_workflows WHERE rowid = 3", "SEARCH w USING INTEGER PRIMARY KEY (rowid=?)"),
    ("SELECT * FROM wf_workflows WHERE rowid > 3 ORDER BY rowid", "SEARCH w USING INTEGER PRIMARY KEY (rowid>?)"),
    ("SELECT * FROM wf_workflows WHERE tag = 'customer=7'", "SEARCH _wf_tag USING COVERING INDEX _wf_tag_of (tag=?)"),
    ("SELECT * FROM wf_workflows WHERE tag = 'customer=7' ORDER BY rowid DESC LIMIT 5", "SEARCH w USING INTEGER PRIMARY KEY (rowid=?)"),
    ("SELECT * FROM wf_pending WHERE tag = 'customer=7'", "SEARCH w USING INTEGER PRIMARY KEY (rowid=?)"),
    ("SELECT * FROM wf_pending WHERE id = 'w7'", "SEARCH w USING INDEX sqlite_autoindex__wf_workflow_1 (id=?)"),
    ("SELECT * FROM wf_steps WHERE workflow_id = 'w7'", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_steps WHERE workflow_id = 'w7' ORDER BY seq DESC LIMIT 1", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_steps WHERE workflow_id = 'w7' AND seq > 100 ORDER BY seq LIMIT 10", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_steps WHERE workflow_id = 'w7' AND seq = 3", "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"),
    ("SELECT * FROM wf_steps WHERE workflow_id = 'w7' AND kind = 'step' ORDER BY seq", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_steps WHERE workflow_id = 'w7' AND name = 'a'",
     "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"),
    ("SELECT * FROM wf_steps WHERE rowid BETWEEN 3 AND 5 ORDER BY rowid", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_steps ORDER BY rowid DESC LIMIT 5", "SCAN s"),
    ("SELECT * FROM wf_failures WHERE workflow_id = 'w7' ORDER BY rowid", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_failures WHERE workflow_id = 'w7' ORDER BY seq DESC LIMIT 1", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_signals WHERE workflow_id = 'w7' ORDER BY seq", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM wf_events WHERE name = 'e'", "SEARCH _wf_event USING INDEX sqlite_autoindex__wf_event_1 (name=?)"),
    ("SELECT * FROM wf_values WHERE workflow_id = 'w7' AND key = 'k'", "SEARCH v USING INDEX sqlite_autoindex__wf_value_1 (wf=? AND key=?)"),
    ("SELECT * FROM wf_streams WHERE workflow_id = 'w7' AND stream = 's' AND offset >= 5 ORDER BY offset LIMIT 10",
     "SEARCH s USING INDEX sqlite_autoindex__wf_stream_1 (wf=? AND stream=? AND offset>?)"),
    ("SELECT * FROM wf_schedules WHERE name = 'n'", "SEARCH _wf_schedule USING INDEX sqlite_autoindex__wf_schedule_1 (name=?)"),
]


def plan(db, sql):
    """How SQLite runs a statement, one line each, as newer and older versions agree to write it."""
    parameters = dict.fromkeys(re.findall(r":([a-z]\w*)", sql))
    lines = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
    return [re.sub(r"^(SCAN|SEARCH) (?:TABLE )?(?:main\.)?(\w+)(?: AS (\w+))?", lambda m: "%s %s" % (m[1], m[3] or m[2]), line) for line in lines]


def query_below(db, sql):
    """The query over the base tables that a virtual table makes of `sql`."""
    (line,) = [line for line in plan(db, sql) if "VIRTUAL TABLE INDEX" in line]
    return line.split("\n", 1)[1]


@pytest.mark.parametrize("sql, found_by", PLANS, ids=[sql.split(" FROM ")[1] for sql, _ in PLANS])
def test_it_reaches_the_index(memdb, sql, found_by):
    memdb.wf_init()
    memdb.make()
    newer = sqlite3.sqlite_version_info >= (3, 38)
    if " IN " in sql and not newer:
        pytest.skip("before 3.38 SQLite looks the values up one by one, and sorts")
    below = query_below(memdb, sql)
    lines = plan(memdb, below)
    assert found_by in lines, lines
    # No other base table is walked through, and what is asked for in order comes in order: nothing is sorted, here or there.
    # (Lists in one row, as of what a wait waits for, are.)
    assert [line for line in lines if line.startswith("SCAN") and line != found_by and "json_each" not in line
            and not re.match(r"SCAN (\(subquery|SUBQUERY \d|\w+ VIRTUAL)", line)] == []
    if "ORDER BY" in sql:
        assert [line for line in lines + plan(memdb, sql) if "TEMP B-TREE" in line] == []
    if "LIMIT" in sql and newer:
        assert "LIMIT" in below


def test_a_query_without_an_index_is_seen(memdb):
    """So that the test above can fail."""
    memdb.wf_init()
    assert "SCAN w" in plan(memdb, query_below(memdb, "SELECT * FROM wf_workflows WHERE worker = 'ann'"))


def test_lanes_are_found_by_their_number_also_where_statistics_say_that_they_are_few(memdb):
    for i in range(300):
        memdb.wf_start("job", queue="abc"[i % 3])
    memdb.execute("ANALYZE")
    memdb.execute("UPDATE sqlite_stat1 SET stat = '1000000 ' || stat WHERE tbl = '_wf_workflow'")
    memdb.execute("ANALYZE sqlite_schema" if sqlite3.sqlite_version_info >= (3, 33) else "ANALYZE sqlite_master")
    asked = plan(memdb, query_below(memdb, "SELECT id, status FROM wf_workflows ORDER BY id LIMIT 10"))
    assert [line for line in asked if re.match(r"\w+ l\b", line)] == []  # no column of theirs is asked for: not at all
    asked = plan(memdb, query_below(memdb, "SELECT id, status, queue FROM wf_workflows ORDER BY id LIMIT 10"))
    assert [line.replace(" LEFT-JOIN", "") for line in asked if re.match(r"\w+ l\b", line)] == ["SEARCH l USING INTEGER PRIMARY KEY (rowid=?)"]
