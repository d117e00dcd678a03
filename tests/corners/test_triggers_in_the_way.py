"""Triggers of the application on the base tables: what they keep from being written is an error, and undoes the call."""

import sqlite3

import pytest

from support import extension_path, open_database

CALLS = {
    "start": "wf_start('job', 1, '{\"id\":\"new\"}')",
    "start large": "wf_start('job', json_quote(hex(zeroblob(2000))), '{\"id\":\"new\"}')",
    "replace": "wf_start('job', 2, '{\"id\":\"fresh\",\"if_exists\":\"replace\",\"delay\":60}')",
    "replace large": "wf_start('job', json_quote(hex(zeroblob(2000))), '{\"id\":\"fresh\",\"if_exists\":\"replace\"}')",
    "restart": "wf_start('job', 2, '{\"id\":\"failed\",\"if_exists\":\"restart\"}')",
    "restart large": "wf_start('job', json_quote(hex(zeroblob(2000))), '{\"id\":\"failed\",\"if_exists\":\"restart\"}')",
    "recover a worker": "wf_recover('{\"worker\":\"me\"}')",
    "claim of a partition": "wf_claim('parts', 'me')",
    "claim of a queue that has partitions": "wf_claim('parts', 'me', '{\"id\":\"none\"}')",
    "claim": "wf_claim(NULL, 'me', '{\"id\":\"w\"}')",
    "step": "wf_step('w', 'z', 1)",
    "step again": "wf_step('w', 'broken', 1)",
    "complete": "wf_complete('w')",
    "complete large": "wf_complete('w', json_quote(hex(zeroblob(2000))))",
    "fail": "wf_fail('w', 'no')",
    "fail for good": "wf_fail('w', 'no', '{\"retry\":false}')",
    "fail step": "wf_fail('w', 'no', '{\"step\":\"s\"}')",
    "sleep": "wf_sleep('w', 's', '1h')",
    "await": "wf_await('w', 's', 'go')",
    "await what is there": "wf_await('w', 's', 'sent')",
    "await event": "wf_await_event('w', 's', 'e')",
    "wait any": "wf_wait_any('w', 's', '[{\"signal\":\"go\"},{\"event\":\"e\"},{\"join\":[\"paused\"]}]')",
    "wait any, there": "wf_wait_any('w', 's', '[{\"signal\":\"sent\"},{\"event\":\"e\"}]')",
    "acquire": "wf_acquire('w', 's', 'api')",
    "acquire and wait": "wf_acquire('w', 's', 'full')",
    "acquire what has come": "wf_acquire('inline', 's', 'gone', NULL, '{\"now\":\"2027-01-15 08:00:13\"}')",
    "claim one in line": "wf_claim(NULL, 'me', '{\"id\":\"inline\",\"now\":\"2027-01-15 08:00:13\"}')",
    "cancel one in line": "wf_cancel('inline')",
    "delete one in line": "wf_delete('inline', '{\"force\":true}')",
    "rate": "wf_rate('new', '{\"limit\":1,\"per\":1}')",
    "rate raised": "wf_rate('gone', '{\"limit\":9}')",
    "rate taken away": "wf_rate('gone', '{\"limit\":null}')",
    "shares of a wrong clock": "wf_acquire('w', 's', 'later')",
    "signal": "wf_signal('w', 'go', 1)",
    "emit": "wf_emit('e', 1)",
    "signal one that waits": "wf_signal('sleeper', 'bell', 1)",
    "emit to one that waits": "wf_emit('bell', 1)",
    "cancel with children": "wf_cancel('parent')",
    "spawn": "wf_spawn('w', 's', 'child')",
    "begin": "wf_begin('w', 's')",
    "set": "wf_set('w', 'k', 1)",
    "append": "wf_append('w', 's', 1)",
    "append several": "wf_append('w', 's', '[1, 2, 3]', '{\"each\":true}')",
    "start with tags": "wf_start('job', 1, '{\"id\":\"new\",\"tags\":{\"a\":\"1\"}}')",
    "tag": "wf_tag('w', 'a', '1')",
    "tag taken away": "wf_tag('w', 'tagged', NULL)",
    "close": "wf_append('w', 's', NULL, '{\"close\":true}')",
    "trim": "wf_trim('w', 'read', 2)",
    "cancel": "wf_cancel('w')",
    "pause": "wf_pause('w')",
    "resume": "wf_resume('paused')",
    "retry": "wf_retry('failed')",
    "delete": "wf_delete('failed')",
    "fork": "wf_fork('w', '{\"id\":\"f\"}')",
    "fork large": "wf_fork('large', '{\"id\":\"f\"}')",
    "fork scripted": "wf_fork('ran', '{\"id\":\"f\"}')",
    "queue": "wf_queue('q', '{\"concurrency\":1}')",
    "trigger": "wf_trigger('fired', '2027-01-01')",
    "schedule": "wf_schedule('s', '@hourly', 'job')",
    "define": "wf_define('flow', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"}]}')",
    "config": "wf_config('lease', '45s')",
    "heartbeat": "wf_heartbeat('{token}', '2h')",
    "release": "wf_release('{token}')",
    "release by id": "wf_release('w')",
    "join": "wf_join('w', 'j', '[\"failed\"]')",
    "join of one that goes on": "wf_join('w', 'j', '[\"paused\"]')",
    "complete one that is joined": "wf_complete('kid')",
    "delete one that waits": "wf_delete('parent', '{\"force\":true}')",
    "retry from": "wf_retry('failed', '{\"from\":\"a\"}')",
    "continue": "wf_continue('w', 2, '{\"period\":1,\"streams\":false}')",
    "purge": "wf_purge('{\"older_than\":0}')",
    "recover": "wf_recover()",
    "recover as lost": "wf_recover('{\"lost\":true}')",
    "recover and pause": "wf_recover('{\"pause\":true}')",
    "reschedule": "wf_reschedule('dozes')",
    "reschedule several": "wf_reschedule('dozes several')",
    "reschedule a script": "wf_reschedule('naps')",
    "resolve": "wf_resolve('doubt', 'b', 'done', 1)",
    "resolve as failed": "wf_resolve('doubt', 'b', 'failed', 1)",
    "unschedule": "wf_unschedule('fired')",
    "undefine": "wf_undefine('unused')",
    "step as an error": "wf_step('w', 's', 'no', '{\"error\":true,\"values\":true}')",
    "step with cleanup": "wf_step('w', 's', 1, '{\"cleanup\":true}')",
    "fail and keep": "wf_fail('w', 'no', '{\"step\":\"s\",\"keep\":true}')",
    "complete with the last step": "wf_complete('w', 1, '{\"step\":\"s\"}')",
    "cancel by force": "wf_cancel('parent', NULL, '{\"force\":true}')",
    "retry with children": "wf_retry('broken', '{\"children\":\"failed\"}')",
    "retry of errors": "wf_retry('broken')",
    "purge with events": "wf_purge('{\"older_than\":0,\"events\":true}')",
    "limit what runs": "wf_queue('held', '{\"concurrency\":1,\"rate\":{\"limit\":1,\"per\":60}}')",
    "forget a queue": "wf_queue('tight', '{\"partition_concurrency\":null}')",
    "a default setting": "wf_config('max_attempts', NULL)",
    "limit partitions": "wf_queue('parts', '{\"partition_concurrency\":1}')",
    "tick": "wf_tick('{\"now\":\"2027-01-15 12:00:00\"}')",
    "import": "wf_import((SELECT document FROM moved))",
    "run until it waits": "wf_run('{\"id\":\"waits\"}')",
    "run a loop": "wf_run('{\"id\":\"loops\"}')",
    "run a share": "wf_run('{\"id\":\"shares\"}')",
    "run until it stands in line": "wf_run('{\"id\":\"third\"}')",
    "run one in line": "wf_run('{\"id\":\"share\",\"now\":\"2027-01-15 08:01:13\"}')",
    "cancel a scripted one in line": "wf_cancel('share')",
    "run all": "wf_run()",
    "run": "wf_run('{\"id\":\"scripted\"}')",
}
# What stays of a deleted workflow is noted, and a later call clears it away.
LATER = {("_wf_gone", "DELETE")}
CLEARED_AWAY = {(table, "DELETE") for table in ("_wf_step", "_wf_failure", "_wf_large", "_wf_signal", "_wf_value", "_wf_stream", "_wf_stream_end", "_wf_redo")}
CLEARS_AWAY = {"delete", "delete one that waits", "delete one in line", "purge", "purge with events"}
# What housekeeping cannot do is put off and said so, as whoever waits and cannot be woken: no error of the call.
PUTS_OFF = {"signal one that waits", "emit to one that waits", "cancel with children", "cancel by force", "tick", "claim of a partition", "complete one that is joined", "cancel one in line", "cancel a scripted one in line", "delete one in line", "rate raised", "rate taken away"}
# What was done before the step that fails stays: looked at is only that the call ends, and leaves no transaction.
STEP_BY_STEP = {"run all"}
TOKEN = []


@pytest.fixture(scope="module")
def prepared():
    db = open_database(":memory:")
    db.wf_init()
    db.make()  # a trigger can be on each
    for call in ("wf_clock('2027-01-15 08:00:00')", "wf_start('job', 1, '{\"id\":\"w\"}')", "wf_step('w', 'before', 1)", "wf_signal('w', 'sent', 1)", "wf_schedule('fired', '@hourly', 'job')", "wf_append('w', 'read', '[1, 2, 3]', '{\"each\":true}')",
                 "wf_fail('w', 'no', '{\"step\":\"broken\",\"delay\":0}')",
                 "wf_start('job', 1, '{\"id\":\"fresh\"}')",
                 "wf_start('job', 1, '{\"id\":\"paused\"}')", "wf_pause('paused')", "wf_start('job', 1, '{\"id\":\"failed\"}')",
                 "wf_step('failed', 'a', 1)", "wf_signal('failed', 'sent', 1)", "wf_await('failed', 'b', 'sent')", "wf_append('failed', 's', 1)", "wf_set('failed', 'k', 1)",
                 "wf_step('failed', 'large', json_quote(hex(zeroblob(2000))))", "wf_fail('failed', json_quote(hex(zeroblob(2000))), '{\"retry\":false}')",
                 "wf_signal('w', 'taken', 1)", "wf_await('w', 'taken', 'taken')", "wf_signal('w', 'taken', 2, '{\"key\":\"k\"}')", "wf_await('w', 'keyed', 'taken')",
                 "wf_rate('api', '{\"limit\":5,\"per\":60}')", "wf_rate('full', '{\"limit\":1,\"per\":60}')", "wf_rate('gone', '{\"limit\":1,\"per\":12}')", "wf_rate('later', '{\"limit\":5,\"per\":60}')",
                 "wf_acquire('w', 'had', 'full')", "wf_acquire('w', 'old', 'gone')", "wf_acquire('w', 'wrong', 'later', NULL, '{\"now\":\"2028-01-01\"}')",
                 "wf_start('job', 1, '{\"id\":\"inline\"}')", "wf_acquire('inline', 's', 'gone')", "wf_start('job', 1, '{\"id\":\"behind\"}')", "wf_acquire('behind', 's', 'gone')",
                 "wf_tag('w', 'tagged', '1')", "wf_start('job', 1, '{\"id\":\"parent\"}')", "wf_spawn('parent', 'c', 'kid', NULL, '{\"id\":\"kid\"}')", "wf_join('parent', 'j')",
                 "wf_start('job', 1, '{\"id\":\"sleeper\"}')", "wf_await('sleeper', 's', 'bell')", "wf_start('job', 1, '{\"id\":\"listener\"}')", "wf_await_event('listener', 's', 'bell')",
                 "wf_start('job', 1, '{\"id\":\"dozes\"}')", "wf_sleep('dozes', 's', '1h')", "wf_start('job', 1, '{\"id\":\"dozes several\"}')",
                 "wf_wait_any('dozes several', 's', '[{\"sleep\":3600},{\"signal\":\"go\"}]')",
                 "wf_start('job', 1, '{\"id\":\"doubt\"}')", "wf_begin('doubt', 'b')", "wf_define('unused', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"}]}')",
                 "wf_define('naps', '{\"steps\":[{\"name\":\"a\",\"sleep\":\"1h\"}]}')", "wf_start('naps', NULL, '{\"id\":\"naps\"}')", "wf_run('{\"id\":\"naps\"}')",
                 "wf_queue('tight', '{\"partition_concurrency\":1}')", "wf_start('job', 1, '{\"id\":\"tight\",\"queue\":\"tight\",\"partition\":\"1\"}')", "wf_config('max_attempts', 7)",
                 "wf_start('job', 1, '{\"id\":\"broken\"}')", "wf_spawn('broken', 'c', 'kid')", "wf_step('broken', 'e', 'no', '{\"error\":true,\"values\":true}')",
                 "wf_fail('broken', 'no', '{\"retry\":false}')",
                 "wf_start('job', 1, '{\"id\":\"late\",\"timeout\":3600}')", "wf_start('job', 1, '{\"id\":\"held\",\"queue\":\"held\"}')",
                 "wf_define('script', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"},{\"name\":\"b\",\"sql\":\"SELECT :a\"}]}')", "wf_start('script', NULL, '{\"id\":\"ran\"}')", "wf_run('{\"id\":\"ran\"}')",
                 "wf_start('job', json_quote(hex(zeroblob(2000))), '{\"id\":\"large\"}')", "wf_start('script', NULL, '{\"id\":\"scripted\"}')",
                 "wf_start('job', 1, '{\"id\":\"p1\",\"queue\":\"parts\",\"partition\":\"1\"}')", "wf_start('job', 1, '{\"id\":\"p2\",\"queue\":\"parts\",\"partition\":\"1\"}')",
                 "wf_start('job', 1, '{\"id\":\"p3\",\"queue\":\"parts\",\"partition\":\"2\"}')", "wf_start('job', 1, '{\"id\":\"none\",\"queue\":\"parts\"}')",
                 "wf_define('loops', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT :iteration\",\"while\":\"SELECT :iteration < 2\"}]}')", "wf_start('loops', NULL, '{\"id\":\"loops\"}')",
                 "wf_define('waits', '{\"steps\":[{\"name\":\"a\",\"await_event\":\"e\"}]}')", "wf_start('waits', NULL, '{\"id\":\"waits\"}')",
                 "wf_define('share', '{\"steps\":[{\"name\":\"a\",\"acquire\":\"gone\"}]}')", "wf_start('share', NULL, '{\"id\":\"share\"}')", "wf_run('{\"id\":\"share\"}')",
                 "wf_define('shares', '{\"steps\":[{\"name\":\"a\",\"acquire\":\"api\"}]}')", "wf_start('shares', NULL, '{\"id\":\"shares\"}')", "wf_start('share', NULL, '{\"id\":\"third\"}')"):
        db.execute(f"SELECT {call}").fetchall()
    TOKEN[:] = db.execute("SELECT json_extract(wf_claim('held', 'me'), '$.token')").fetchone()
    db.execute("CREATE TABLE moved AS SELECT replace(wf_export('w'), '\"id\":\"w\"', '\"id\":\"x\"') AS document")
    yield db
    db.close()


def copy_of(prepared):
    db = sqlite3.connect(":memory:", isolation_level=None)
    prepared.backup(db)
    db.enable_load_extension(True)
    db.load_extension(extension_path())
    db.execute("SELECT wf_clock('2027-01-15 08:00:10')").fetchall()
    return db


def tables(db):
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '!_wf!_%' ESCAPE '!'")]


def content(db):
    found = {}
    for table in tables(db):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in ("nonce", "closed_nonce")]
        found[table] = sorted(db.execute(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)
    return found


def undisturbed(prepared, call):
    """What the call leaves, and what it does to which table."""
    db = copy_of(prepared)
    db.execute("CREATE TEMP TABLE log(what, verb)")
    for table in tables(db):
        for verb in ("INSERT", "UPDATE", "DELETE"):
            db.execute(f"CREATE TEMP TRIGGER log_{table}_{verb} BEFORE {verb} ON {table} BEGIN INSERT INTO log VALUES('{table}', '{verb}'); END")
    db.execute(f"SELECT {call}").fetchall()
    touched = db.execute("SELECT DISTINCT what, verb FROM log WHERE what <> 'last_seq'").fetchall()
    left = content(db)
    db.close()
    assert touched, call
    return left, touched


@pytest.mark.parametrize("name", CALLS)
def test_no_trigger_leaves_half_a_call(prepared, name):
    call = CALLS[name].replace("{token}", TOKEN[0])
    after, touched = undisturbed(prepared, call)
    clean = content(prepared)
    refused, wrong = 0, []
    for table, verb in touched:
        for when in ("BEFORE", "AFTER"):
            for action in ("IGNORE", "FAIL, 'no'"):
                for way in ("SELECT", "BEGIN", "INSERT"):
                    db = copy_of(prepared)
                    # As one that has been at work: its statements are compiled.
                    db.execute("BEGIN")
                    db.execute("SELECT wf_step('w', 'warm', 1)").fetchall()
                    db.execute("ROLLBACK")
                    db.execute("CREATE TABLE app(v)")
                    db.execute(f"CREATE TRIGGER t {when} {verb} ON {table} BEGIN SELECT RAISE({action}); END")
                    if way == "BEGIN":
                        db.execute("BEGIN")
                    looks = iter(range(2_000))  # a call that goes round for ever ends here
                    db.set_progress_handler(lambda looks=looks: next(looks, None) is None, 1000)
                    try:
                        db.execute(f"INSERT INTO app VALUES({call})" if way == "INSERT" else f"SELECT {call}").fetchall()
                        failed = None
                    except sqlite3.Error as error:
                        failed = str(error)
                    db.set_progress_handler(None, 1000)
                    where = (table, verb, when, action, way, failed)
                    if failed == "interrupted":
                        wrong.append(("for ever", *where))
                    if db.in_transaction != (way == "BEGIN"):
                        wrong.append(("transaction", *where))
                    if way == "BEGIN" and db.in_transaction:
                        db.execute("COMMIT")
                    now = content(db)
                    db.close()
                    if name in STEP_BY_STEP:
                        continue
                    if failed and "cannot run inside a statement that writes" in failed:
                        continue
                    refused += failed is not None
                    if failed is not None and now != clean:
                        wrong.append(("half", *where))
                    may_stay = (table, verb) in LATER or (name in CLEARS_AWAY and (table, verb) in CLEARED_AWAY)
                    if failed is None and now != after and not may_stay and not (name in PUTS_OFF and now["_wf_trouble"]):
                        wrong.append(("missing", *where))
    assert wrong == []
    assert refused > 0 or name in PUTS_OFF or name in STEP_BY_STEP


def test_a_round_of_a_loop_that_is_ignored_ends_the_run(prepared):
    db = copy_of(prepared)
    db.execute("""CREATE TRIGGER t BEFORE UPDATE ON _wf_step WHEN new.how LIKE '{"iteration%' BEGIN SELECT RAISE(IGNORE); END""")
    looks = iter(range(10_000))
    db.set_progress_handler(lambda: next(looks, None) is None, 1000)
    with pytest.raises(sqlite3.Error, match="_wf_step was not written"):
        db.execute("""SELECT wf_run('{"id":"loops"}')""").fetchall()
    db.close()
