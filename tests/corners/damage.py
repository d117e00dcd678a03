"""A program, run by test_every_column.py: rows changed by hand, then every function and every table. Errors may come; a crash, a hang or a
transaction that is left open may not, nor a result that is no JSON, or no text that can be read, nor an error that has no code.

    damage.py columns <share> <table> ...          every damage to every column of the tables
    damage.py fuzz <share> <seed> <rounds>         random values in random columns of random rows, in autocommit

The share, up to 1, is that of the calls that are made after each damage.

It says what it is about to do, so that the last lines before a crash tell what to look at.
"""

import json
import os
import random
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import BASE, open_database  # noqa: E402

HOUR = 3600


class NoUtf8(bytes):
    """Text of these bytes."""


VALUES = [None, "", " ", '{"n":', '["a",', b"\x00\xff", NoUtf8(b"a\xff\xc3"), -1, 2**63 - 1, -(2**63), "x", 7, 1.5, '{"a":1}', '["a"]']
MOST_STEPS = 40_000_000  # of SQLite's programs, in one call: a second or two

SCRIPT = {
    "input": {"n": "integer", "list": "json"},
    "steps": [
        {"name": "each", "for_each": "SELECT value FROM json_each(:list)", "task": "work"},
        {"name": "local", "after": [], "for_each": "SELECT value FROM json_each(:list)", "sql": "SELECT :item AS i, :n AS n, :item::a AS a"},
        {"name": "again", "after": [], "while": "SELECT :iteration < 2", "sql": "SELECT :iteration AS i"},
        {"name": "nap", "after": ["local"], "sleep": "1h"},
        {"name": "go", "after": ["nap"], "await": ["go", "stop"], "timeout": "3h"},
        {"name": "fact", "after": [], "await_event": "later", "timeout": "3h"},
        {"name": "say", "after": ["again"], "emit": "said"},
        {"name": "child", "after": ["say"], "start": "line"},
        {"name": "back", "after": [], "sql": "SELECT 1 AS one", "undo": "SELECT :back::one"},
    ],
    "output": "SELECT json_object('n', :n, 'go', :go)",
}


def build(db):
    """Something in every table and, as far as that goes, in every column."""
    db.at(0)
    db.wf_init()
    db.execute("CREATE TABLE app(k INTEGER PRIMARY KEY, v)")
    db.wf_start("job", id="redone")
    db.wf_step("redone", "a", 1)
    db.wf_fail("redone", "no", retry=False)
    db.wf_retry("redone", **{"from": "a"})
    db.wf_config("lease", "20s")
    db.wf_config("max_attempts", 5)
    db.wf_config("backoff", '{"initial":1}')
    db.wf_queue("q", concurrency=5, partition_concurrency=1, worker_concurrency=4, hold="started", rate={"limit": 9, "per": 60},
                lease="10s", max_attempts=4, backoff={"initial": 2})
    db.wf_queue("work", rate={"limit": 100, "per": 60})
    for i in range(3):
        db.wf_start("job", i, id="part%d" % i, queue="q", partition="p", dedup="d%d" % i, priority=i, timeout="1h", version="1",
                    headers={"a": 1}, backoff={"initial": 2}, max_attempts=3)
    token = db.claim("q", "worker", key="k")["token"]
    db.wf_step(token, "a", '{"x":1}')
    db.wf_set(token, "progress", 5)
    db.wf_append(token, "log", '"one"')
    db.wf_append(token, "log", '"two"')
    db.wf_append(token, "read", "[1,2]", each=True)
    db.wf_begin(token, "pay")
    db.wf_start("job", json.dumps("x" * 3000), id="large", tags={"kind": "big", "customer": "7"})
    for id in ("signal", "event", "parent", "any", "sleep", "several", "all", "failed", "retry", "paused", "doubt", "done", "ending", "cancelled", "lost", "mute"):
        db.wf_start("job", 1, id=id, cleanup=id == "ending", timeout="90m", manual=id == "mute")
    db.wf_signal("signal", "go", 1, key="one")
    db.wf_await("signal", "first", "go")
    db.wf_await("signal", "second", '["stop","halt"]', "1h")
    db.wf_signal("large", "go", '{"a":1}')
    for id in ("part2", "part1", "part0"):
        db.wf_trim(id, "read", 1)
    db.wf_emit("old", 1)
    db.wf_await_event("event", "old", "old")
    db.wf_await_event("event", "news", "news", "2h")
    db.wf_spawn("parent", "kid", "child", 1)
    db.wf_join("parent", "all")
    db.wf_join("any", "one", '["large","done"]', mode="any", timeout="2h")
    db.wf_sleep("sleep", "nap", "1h")
    db.wf_wait_any("several", "some", SEVERAL, "2h")
    db.wf_wait_any("all", "some", SEVERAL, mode="all")
    db.wf_start("job", 1, id="kept")
    token = db.claim(id="kept", lease="1h")["token"]
    db.wf_await_event(token, "news", "news", "2h", keep=True)
    db.wf_sleep(token, "nap", "1h", keep=True)
    db.wf_rate("api", limit=1, per="1h")
    for id in ("acquired", "line", "behind"):
        db.wf_start("job", 1, id=id)
        db.wf_acquire(id, "share", "api", None, key="7")
    db.wf_fail("failed", "no", retry=False)
    db.wf_fail("retry", "no", step="s", delay="1h")
    db.wf_pause("paused")
    db.wf_begin("doubt", "pay")
    db.wf_begin("doubt", "pay", in_doubt="hold")
    db.wf_complete("done", json.dumps("y" * 3000))
    db.wf_fail("ending", "no", retry=False)
    db.wf_cancel("cancelled", '"why"')
    for now in (0, 60):
        db.at(now)
        db.claim(id="lost", lease="1s")
    db.wf_schedule("hourly", "@every 1h", "line", '{"n":1}', start={"queue": "q", "backoff": {"initial": 1}}, catch_up="all")
    db.wf_schedule("daily", "0 5 * * *", "job", timezone="Europe/Berlin", overlap="queue", paused=False)
    db.wf_define("line", {"input": {"n": "integer"}, "steps": [{"name": "a", "sql": "SELECT :n AS n"}, {"name": "b", "sleep": "1h"}]})
    db.wf_define("script", SCRIPT)
    db.wf_start("line", {"n": 1}, id="line1")
    db.wf_start("script", {"n": 1, "list": [{"a": 1}, 2, "x"]}, id="script1", timeout="90m")
    db.wf_start("script", {"n": 1, "list": [1]}, id="script2")
    db.wf_run(id="line1")
    db.wf_run(id="script1")
    db.wf_define("shares", {"steps": [{"name": "share", "acquire": "api", "key": "7", "while": "SELECT :iteration < 2"}]})
    db.wf_start("shares", id="share1")
    db.wf_run(id="share1")
    db.execute("INSERT INTO app VALUES (1, replace(wf_export('large'), '\"large\"', '\"imported\"'))")
    db.wf_start("job", id="stuck", timeout=0.5)
    db.at(61)
    db.execute("CREATE TRIGGER stuck BEFORE UPDATE ON _wf_workflow WHEN NEW.id = 'stuck' BEGIN SELECT RAISE(ABORT, 'stuck'); END")
    db.wf_tick(limit=1)
    db.execute("DROP TRIGGER stuck")
    db.wf_start("job", id="gone")
    db.wf_append("gone", "log", json.dumps(list(range(10500))), each=True)
    db.wf_delete("gone", force=True)


SEVERAL = '[{"signal":["stop","go"],"as":"s"},{"event":"news"},{"join":["large","done"],"mode":"any"},{"sleep":"1h"}]'
IDS = ["redone", "stuck", "part0", "part1", "part2", "large", "signal", "event", "parent", "any", "sleep", "several", "all", "kept", "acquired", "line", "behind", "failed", "retry", "paused", "doubt", "done", "ending",
       "cancelled", "lost", "mute", "parent/kid", "line1", "script1", "script2", "share1"]
EACH = [
    "wf_status({})", "wf_result({})", "wf_error({})", "wf_get({}, 'progress')", "wf_export({})", "wf_key({}, 'a')", "wf_step({}, 'a')",
    "wf_explain({})",
]
WRITES = [
    "wf_step({}, 'first')", "wf_step({}, 'z', 1)", "wf_begin({}, 'pay')", "wf_await({}, 'second', '[\"stop\",\"halt\"]', '1h')",
    "wf_await_event({}, 'news', 'news', '2h')", "wf_join({}, 'all')", "wf_join({}, 'one', '[\"large\",\"done\"]')", "wf_sleep({}, 'nap', '1h')",
    "wf_wait_any({}, 'some', '[{{\"signal\":\"x\"}}]')", "wf_wait_any({}, 'some', '[{{\"signal\":\"x\"}}]', NULL, '{{\"mode\":\"all\"}}')",
    "wf_acquire({}, 'share', 'api')", "wf_acquire({}, 'mine', 'api', NULL, '{{\"key\":\"7\"}}')",
    "wf_spawn({}, 'kid', 'child', 1)", "wf_signal({}, 'go', 2, '{{\"key\":\"one\"}}')", "wf_signal({}, 'stop')", "wf_set({}, 'progress', 6)",
    "wf_append({}, 'log', 3)", "wf_append({}, 'read', '[2,3]', '{{\"each\":true,\"offset\":1}}')", "wf_trim({}, 'read', 2)", "wf_tag({}, 'kind', 'large')", "wf_resolve({}, 'pay', 'done', 1)", "wf_heartbeat({})", "wf_pause({})", "wf_resume({})",
    "wf_fail({}, 'no', '{{\"step\":\"pay\"}}')", "wf_release({})", "wf_fork({})", "wf_reschedule({})", "wf_continue({}, 2, '{{\"period\":0}}')", "wf_cancel({})", "wf_complete({}, 1)",
    "wf_retry({}, '{{\"from\":\"a\"}}')", "wf_retry({}, '{{\"children\":\"failed\"}}')", "wf_delete({}, '{{\"force\":true}}')",
]
ALL = [
    "wf_check()", "wf_digest()", "wf_sync()", "wf_pending()", "wf_ready()", "wf_ready('q')", "wf_next_due()", "wf_explain('script')", "wf_version()", "wf_wait(0)",
    "wf_claim('q', 'worker')", "wf_claim('q', 'worker', '{\"key\":\"k\"}')", "wf_claim('[\"default\",\"work\"]', NULL, '{\"limit\":3,\"steps\":true}')",
    "wf_run('{\"limit\":3}')", "wf_tick('{\"limit\":200}')", "wf_claim()", "wf_run('{\"id\":\"script1\",\"limit\":5}')", "wf_run('{\"limit\":9}')",
    "wf_emit('news', 1)", "wf_emit('later', 1)", "wf_start('script', '{\"n\":2,\"list\":[]}')", "wf_start('job', 1, '{\"id\":\"large\"}')",
    "wf_trigger('hourly', '2027-01-01')", "wf_trigger('daily', NULL, '{\"from\":\"2027-01-01\",\"limit\":3}')",
    "wf_start('job', 2, '{\"id\":\"mute\",\"if_exists\":\"replace\"}')", "wf_start('job', 2, '{\"id\":\"done\",\"if_exists\":\"restart\"}')",
    "wf_start('job', 1, '{\"queue\":\"q\",\"partition\":\"p\",\"dedup\":\"d0\"}')", "wf_define('line', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 2\"}]}')",
    "wf_queue('q', '{\"paused\":false}')", "wf_rate('api', '{\"limit\":2}')", "wf_rate('api')", "wf_schedule('hourly', '@every 1h', 'line', '{\"n\":1}')", "wf_schedule('daily', '@daily', 'job')",
    "wf_import((SELECT v FROM app WHERE k = 1))", "wf_config('lease')", "wf_config('backoff')", "wf_config('epoch')", "wf_config('max_attempts', 6)",
]
LAST = ["wf_recover('{\"worker\":\"w1\",\"lost\":true}')", "wf_recover()", "wf_claim('q')", "wf_claim()", "wf_run('{\"limit\":5}')", "wf_tick('{\"limit\":200}')", "wf_recover('{\"pause\":true}')", "wf_unschedule('hourly')",
        "wf_undefine('line')", "wf_rate('api', NULL)", "wf_purge('{\"older_than\":0}')", "wf_init()", "wf_clock()", "wf_busy_timeout(5)", "wf_wake('x')", "wf_check()"]


# What they give is JSON: it parses, whatever is stored.
JSON = {"wf_acquire", "wf_await", "wf_await_event", "wf_begin", "wf_check", "wf_claim", "wf_emit", "wf_error", "wf_export", "wf_get", "wf_join", "wf_queue", "wf_rate", "wf_recover",
        "wf_result", "wf_step", "wf_wait_any"}
# How errors may begin.
FAIR = ("WF_",)


class Hangs(Exception):
    pass


def readable(text):
    """A text factory: what hosts cannot read is a failure, and no error of the call."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise AssertionError("no UTF-8: %r" % text)


class Trial:
    def __init__(self, db, share):
        self.db = db
        self.share = share
        db.text_factory = readable
        self.left = MOST_STEPS
        db.set_progress_handler(self.tick, 20000)
        # wf_fleet reads other files, and these through the tables that are tried here.
        self.tables = db.column("SELECT name FROM pragma_module_list WHERE name GLOB 'wf_*' AND name <> 'wf_fleet'")
        self.called = set()

    def tick(self):
        self.left -= 20000
        return self.left < 0

    def ask(self, sql):
        self.left = MOST_STEPS
        open_before = self.db.in_transaction
        rows = []
        try:
            rows = self.db.execute(sql).fetchall()
        except sqlite3.Error as error:
            if "interrupted" in str(error):
                raise Hangs(sql)
            said = str(error)
            # A table is read whole, whatever one row holds; a call says its code, and so does an export, which leaves nothing out.
            whole = sql.startswith("SELECT *") and not sql.endswith(" wf_exports")
            if not said.startswith("WF_SCHEMA") and (whole or not said.startswith(FAIR)):
                raise AssertionError("%s: %s" % (sql, said))
        if self.db.in_transaction != open_before:
            raise AssertionError("left the transaction %s: %s" % ("open" if self.db.in_transaction else "ended", sql))
        return rows

    def call(self, text):
        function = text.split("(")[0]
        self.called.add(function)
        for (result,) in self.ask("SELECT " + text):
            if function in JSON and isinstance(result, str):
                try:
                    json.loads(result)
                except ValueError:
                    raise AssertionError("no JSON: %s: %r" % (text, result[:300]))

    def everything(self, ids, seed):
        """Every table and function, or a share of them; which calls that are, and which write goes to which workflow, depends on the seed."""
        pick = random.Random(seed)

        def some(calls):
            return [call for call in calls if pick.random() < self.share]

        def look():
            for table in some(self.tables):
                self.ask("SELECT * FROM %s" % table)

        self.db.at(0)
        look()
        for text in some(EACH):
            for id in pick.sample(ids, 6):
                self.call(text.format("'%s'" % id))
        self.db.at(2 * HOUR)
        for text in some(ALL):
            self.call(text)
        for text in some(WRITES):
            for id in pick.sample(ids, 2):
                self.call(text.format("'%s'" % id))
        look()
        for text in some(LAST):
            self.call(text)


def tables():
    """All tables that a file can have."""
    db = open_database(":memory:")
    db.wf_init()
    db.make()
    names = db.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '_wf_*' ORDER BY name")
    db.close()
    return names


def columns_of(db, table):
    return [name for (name,) in db.rows("SELECT name FROM pragma_table_info(?)", table)]


def damage(db, table, column, value):
    """How many rows it could be made to stand in, in which it did not."""
    marker = "CAST(? AS TEXT)" if isinstance(value, NoUtf8) else "?"
    db.execute("PRAGMA ignore_check_constraints = ON")
    try:
        return db.execute("UPDATE OR IGNORE {0} SET {1} = {2} WHERE {1} IS NOT {2}".format(table, column, marker), (value, value)).rowcount
    except sqlite3.IntegrityError:
        return 0  # no integer for a rowid
    finally:
        db.execute("PRAGMA ignore_check_constraints = OFF")


def say(*words):
    print(*words, flush=True)


def run_columns(share, tables):
    db = open_database(":memory:")
    build(db)
    names = {table: columns_of(db, table) for table in tables}
    trial = Trial(db, share)
    for i, (table, column) in enumerate((table, column) for table in tables for column in names[table]):
        trials = 0
        for k, value in enumerate(VALUES):
            say(table, column, repr(value))
            db.execute("BEGIN")
            changed = damage(db, table, column, value)
            if changed > 0:
                trial.everything(IDS, 100 * i + k)
                trials += 1
            db.execute("ROLLBACK")
        if trials == 0:
            raise AssertionError("build() has no row for column %s of %s" % (column, table))
    if share < 0.2:
        return
    registered = set(db.column("SELECT name FROM wf_functions"))
    if registered - trial.called:
        raise AssertionError("add a call of these: %s" % sorted(registered - trial.called))


def run_fuzz(share, seed, rounds):
    pick = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        template = open_database(os.path.join(folder, "template.db"))
        build(template)
        names = tables()
        for round in range(rounds):
            db = open_database(":memory:")
            template.backup(db)
            for _ in range(pick.choice([1, 1, 2, 5])):
                table = pick.choice(names)
                column = pick.choice(columns_of(db, table))
                value = pick.choice(VALUES + [pick.randrange(-3, 40), pick.choice([BASE * 1000 - 1, "waiting", "pending", "done", "step", "undo", "each[0]", "each[9"])])
                count = db.value("SELECT count(*) FROM " + table)
                where = pick.choice(["", " LIMIT 1 OFFSET %d" % pick.randrange(max(1, count))])
                key = columns_of(db, table)[0]
                sql = "UPDATE OR %s %s SET %s = ? WHERE %s IN (SELECT %s FROM %s%s)" % (pick.choice(["IGNORE", "REPLACE"]), table, column, key, key, table, where)
                say(round, sql, repr(value))
                try:
                    db.execute(sql, (value,))
                except sqlite3.IntegrityError:
                    pass
            Trial(db, share).everything(IDS, pick.random())
            db.close()
        template.close()


if __name__ == "__main__":
    began = time.time()
    if sys.argv[1] == "columns":
        run_columns(float(sys.argv[2]), sys.argv[3:])
    else:
        run_fuzz(float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    say("seconds: %.1f" % (time.time() - began))
