"""wf_check, column by column: which values of each are wrong although they are of its type, as changes of a sound file; and which columns have none."""

import json

import pytest

from damage import columns_of, tables

NO_UTF8 = "CAST(x'61ff' AS TEXT)"
LONG = "printf('%.256c', 'x')"
NAMES = ["''", "char(10)", "char(133)", LONG, NO_UTF8]   # of a column that holds a name
VALUES = ["''", "'{'", "'{\"a\":' || %s || '}'" % NO_UTF8, "'\"' || %s || '\"'" % NO_UTF8]
NO_TIME = ["-62167219200001", "253402300800000", "'soon'"]
NO_COUNT = ["-1", "9007199254740993", "'many'", "1.5"]
NO_FLAG = ["-1", "2", "'yes'"]
BACKOFFS = ["'{}x'", "'[]'", "'{\"initial\":-1}'", "'{\"initial\":\"1\"}'", "'{\"factor\":0.5}'", "'{\"max\":1e30}'", "'{\"jitter\":2}'", "'{\"other\":1}'"]
NO_LANE = ["0", "99", "-1"]


def where(id, *values):
    return [(value, "seq = (SELECT seq FROM _wf_workflow WHERE id = '%s')" % id) for value in values]


def step(name, *values):
    return [(value, "name = '%s'" % name) for value in values]


# Table, column: expressions that are wrong there, in any row, or with a condition in the rows that it names.
WRONG = {
    "_wf_meta": {
        "key": NAMES + [("'other'", "key = 'lease'")],
        "value": [(value, "key = '%s'" % key) for key, values in {
            "lease": ["0", "315569520000000", "'1s'"], "max_attempts": ["0", "1000001"], "epoch": ["0", "9007199254740993"], "schema_version": ["0", "'1'"],
            "backoff": BACKOFFS, "made": ["''", "1", "'A'", "'\"'", "x'00ff'", "x'5f77'", "CAST(x'5f776600ff' AS TEXT)"]}.items() for value in values],
    },
    "_wf_lane": {
        "lane": [("9000", "queue = 'q'")], "queue": NAMES, "kind": NO_FLAG + [("1", "kind = 0"), ("0", "kind = 1")], "partition": NAMES[1:], "name": NAMES,
        "version": NAMES[1:] + [("'x'", "kind = 1"), ("'99'", "kind = 1")], "priority": ["-101", "101"], "line": ["-1", "4", ("3", "partition = ''")],
        "next_due": NO_TIME + [("253402300799999", "next_due IS NOT NULL")], "turn": ["'x'", ("5", "turn IS NULL")], "gone": ["-1", "1", "'x'"],
        "count_to": ["-1", "'x'", ("7", "partition <> ''")], "count_failed": ["-1", "1000", "'x'"], "count_cancelled": ["-1", "1000", "'x'"],
        "count_paused": ["-1", "1000", "'x'"],
    },
    "_wf_workflow": {
        "seq": ["34359738368", ("9999", "id = 'parent'")], "id": NAMES + ["'run_1_1'", "'[x'"], "lane": NO_LANE, "status": ["'odd'", "''"], "place": ["9", "-1", *where("large", "1")],
        "due_at": NO_TIME + where("sleep", "NULL", "1800000000000") + where("large", "NULL"), "nonce": ["-1", "'x'"] + where("kept", "NULL", "nonce + 1"),
        "attempt": NO_COUNT, "resumed": NO_COUNT, "again": NO_FLAG, "wake": ["-1", "11"], "failures": NO_COUNT, "lost": NO_COUNT, "failed": NO_COUNT,
        "mark": ["-1", "5", "9223372036854775807"], "redo": NO_COUNT, "period": ["0", "-1"], "worker": NAMES, "claim": ["'x'", "'-1 w'", NO_UTF8], "lease": ["0", "-1", "315569520000000"], "claim_key": NAMES,
        "limited": where("part0", "'other'") + [NO_UTF8], "closed_nonce": ["-1", "'x'"], "closed": ["'fail'", "'fail:odd'", "''"] + where("sleep", "NULL"),
        "created_at": NO_TIME, "started_at": NO_TIME, "attempt_at": NO_TIME, "finished_at": NO_TIME + where("large", "1"), "updated_at": NO_TIME, "deadline_at": NO_TIME,
        "timeout": ["-1", "315569520000000"], "paused_from": where("paused", "NULL", "'odd'", "'paused'") + where("large", "'pending'"), "paused_left": where("large", "5") + ["'x'"],
        "ending": ["'odd'", "''"], "flags": ["-1", "64", "'x'"], "max_attempts": ["0", "-1", "1000001"], "max_failures": ["0", "-1"], "backoff": BACKOFFS,
        "parent": ["99", "0", "-1"], "parent_step": where("parent/kid", "NULL", "'other'") + [NO_UTF8, "x'00'"], "parent_redo": where("parent/kid", "NULL", "-1", "7", "'x'"),
        "scheduled_at": NO_TIME, "dedup": ["'other'", NO_UTF8], "headers": ["'[]'", "''", "'{'"], "late": NO_TIME + where("large", "1"),
        "nth": ["'x'", "0"] + where("parent", "5"), "input": VALUES, "output": VALUES, "error": VALUES,
    },
    "_wf_large": {"wf": NO_LANE, "what": ["-1", "4"], "size": ["0", "-1", "'x'"], "value": VALUES},
    "_wf_step": {
        "n": ["5", "-1", "9223372036854775807"], "wf": NO_LANE, "name": NAMES, "kind": ["'odd'", "''"] + step("second", "'join'", "'sleep'", "'step'", "'await_event'") + step("a", "'await'", "'spawn'")
        + step("kid", "'step'", "'join'") + step("all", "'await'"), "status": ["'odd'", "''"] + step("second", "'begun'", "'failed'") + step("a", "'waiting'", "'failed'"), "attempts": NO_COUNT,
        "begun_at": NO_TIME + step("second", "NULL") + step("nap", "NULL"), "at": NO_TIME, "due_at": NO_TIME + step("nap", "NULL") + step("second", "NULL"), "nonce": ["-1", "'x'"], "claim": ["'x'", "'-1 w'", NO_UTF8],
        "hash": ["'x'", "1.5"], "topics": ["''", "'['"] + step("second", "NULL", "'{}'", "'[]'", "'[1]'") + step("some", "'{}'", "'{\"mode\":\"x\",\"waits\":[]}'", "'[\"a\"]'"),
        "how": ["'{'", "'[]'"] + step("second", "'{}'") + step("all", "NULL", "'{}'"), "output": VALUES + step("first", "NULL", "7") + step("kid", "NULL", "7"), "error": VALUES,
        "named": ["0", "2", "'x'"] + step("second", "NULL") + step("nap", "NULL"),
    },
    "_wf_redo": {"wf": NO_LANE, "step": NAMES, "redo": ["0", "-1"]},
    "_wf_gone": {"wf": ["0", "-1", "34359738368", "(SELECT seq FROM _wf_workflow WHERE id = 'large')"]},
    "_wf_failure": {"n": ["5"], "wf": NO_LANE, "attempt": NO_COUNT, "step": NAMES, "worker": NAMES, "claimed_at": NO_TIME, "error": VALUES, "at": NO_TIME},
    "_wf_queue": {
        "queue": NAMES, "concurrency": ["-1", "'x'"], "worker_concurrency": ["-1"], "partition_concurrency": ["-1"], "hold": ["'odd'", "''"], "rate_limit": ["-1", "NULL"],
        "rate_per": ["0", "-1", "NULL"], "paused": NO_FLAG, "lease": ["0", "-1"], "max_attempts": ["0", "1000001"], "backoff": BACKOFFS,
    },
    "_wf_signal": {"n": ["5"], "wf": NO_LANE, "name": NAMES, "key": NAMES, "at": NO_TIME, "taken": ["5", "-1", ("0", "payload IS NOT NULL")], "payload": VALUES},
    "_wf_event": {"name": NAMES[1:], "at": NO_TIME, "payload": VALUES},
    "_wf_waiter": {"topic": ["'x'", "''", "'eother'", "'w99'", NO_UTF8], "wf": NO_LANE, "step": ["'x'", "''", NO_UTF8]},
    "_wf_value": {"wf": NO_LANE, "key": NAMES, "at": NO_TIME, "value": VALUES},
    "_wf_tag": {"wf": NO_LANE, "key": NAMES + ["'other'"], "tag": ["'other'", "key || '='", "key || '=' || %s" % NO_UTF8]},
    "_wf_stream": {"wf": NO_LANE, "stream": NAMES, "offset": ["-1", "5000"], "at": NO_TIME, "value": VALUES},
    "_wf_stream_end": {"wf": NO_LANE, "stream": NAMES, "first": ["-1", "99"], "next": ["-1", "99"], "closed": NO_FLAG},
    "_wf_rate": {"queue": NAMES, "at": NO_TIME, "n": ["-1", "'x'"]},
    "_wf_limit": {"name": NAMES, "rate_limit": ["0", "-1", "'x'"], "rate_per": ["0", "-1", "'x'"]},
    "_wf_share": {"rate": ["''", NO_UTF8], "per_key": NAMES[1:], "at": NO_TIME, "n": ["0", "-1", "7"], "upto": ["0", "-1"]},
    "_wf_line": {"rate": ["'other'", "''", NO_UTF8], "per_key": ["'other'", NO_UTF8], "place": ["0", "-1"], "wf": NO_LANE, "step": ["'other'", "''", NO_UTF8], "amount": ["0", "-1", "99"],
                 "due_at": NO_TIME},
    "_wf_schedule": {
        "name": NAMES, "cron": ["''", "'* *'", "'61 * * * *'", NO_UTF8], "workflow": NAMES,
        "settings": ["'{}'", "'[]'", "'{'", "replace(settings, 'Europe/Berlin', 'Nowhere/Else') || ' '", "replace(settings, '\"grace\":60', '\"grace\":-60')", "replace(settings, '\"overlap\":\"', '\"overlap\":\"x')",
                     "replace(settings, '{\"initial\":1', '{\"initial\":-1') || ' '"],
        "paused": NO_FLAG + ["1"], "next_at": NO_TIME + ["NULL"], "last_at": NO_TIME, "skipped": ["-1", "'x'"], "created_at": NO_TIME, "input": VALUES,
    },
    "_wf_trouble": {"wf": ["99", "-1"], "schedule": ["'other'", NO_UTF8], "tries": ["0", "-1"], "at": NO_TIME, "next_at": NO_TIME, "error": [NO_UTF8, "x'00'"], "ends": ["-1", "3"], "reason": [NO_UTF8, "x'00'"]},
    "_wf_definition": {"name": NAMES, "version": ["0", "-1", ("99", "name = 'line'")], "current": NO_FLAG, "definition": ["'{}'", "'[]'", "''", "'{\"steps\":[]}'", "'{\"steps\":[{\"name\":\"a\"}]}'"], "created_at": NO_TIME},
}


def test_every_column_is_here(sound):
    assert sorted(WRONG) == sorted(tables())
    for table, columns in WRONG.items():
        assert sorted(columns) == sorted(columns_of(sound, table)), table


@pytest.mark.parametrize("table", sorted(WRONG))
def test_a_wrong_value_is_named(sound, table):
    db = sound
    hidden = []
    for column, wrong in WRONG[table].items():
        for change in wrong:
            value, condition = change if isinstance(change, tuple) else (change, "1")
            db.execute("BEGIN")
            if table != "_wf_workflow":
                condition = condition.replace("seq = (", "wf = (")
            changed = db.execute("UPDATE OR IGNORE {0} SET {1} = {2} WHERE {1} IS NOT {2} AND {3}".format(table, column, value, condition)).rowcount
            try:
                found = db.wf_check(integrity="none")
            finally:
                db.execute("ROLLBACK")
            if changed > 0 and found is None:
                hidden.append((column, value, condition))
            elif found is not None:
                assert all(set(problem) == {"problem", "where"} for problem in json.loads(found))
    assert hidden == [], hidden
