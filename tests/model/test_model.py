"""The model test: model and extension get the same random calls and have to agree on every result, error and table.

A sequence plays on one WAL file with several connections: calls of every function with good and bad arguments, current and
stale tokens; the caller's transactions and savepoints; a clock that goes forward, to the next moment that matters, and
sometimes back; connections that are closed, and files that are opened again.

WFEXT_DEEP=1 plays far more and longer sequences, at random.
"""

import json
import os
import shutil
import sqlite3
from random import Random

import known_differences
import model_calls as calls
import model_plays as plays
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from model import READING, Json, Model
from model_arguments import WfError, json_time, sql_time
from model_calls import Ref, Some
from model_plays import play
from model_world import World
from support import BASE, open_database

DEEP = bool(os.environ.get("WFEXT_DEEP"))
SEQUENCES = 100_000 if DEEP else int(os.environ.get("WFEXT_SEQUENCES", 2000))
LENGTH = 80 if DEEP else 40
CONNECTIONS = 3
ANY = Some(range(CONNECTIONS))
START = BASE * 1000

# Where all that is random in a move comes from.
NUMBER = st.integers(0, 2**32 - 1)

# Index of the options argument of every function that has one.
OPTIONS_AT = {
    "wf_start": 2, "wf_claim": 2, "wf_step": 3, "wf_complete": 2, "wf_continue": 2, "wf_fail": 2, "wf_heartbeat": 2, "wf_release": 1, "wf_recover": 0,
    "wf_rate": 1, "wf_acquire": 4, "wf_sleep": 3, "wf_signal": 3, "wf_await": 4, "wf_emit": 2, "wf_await_event": 4, "wf_spawn": 4, "wf_join": 3, "wf_wait_any": 4, "wf_begin": 2, "wf_resolve": 4,
    "wf_set": 3, "wf_append": 3, "wf_trim": 3, "wf_tag": 3, "wf_trigger": 2, "wf_cancel": 2, "wf_pause": 1, "wf_resume": 1, "wf_reschedule": 2, "wf_retry": 1, "wf_delete": 1, "wf_fork": 1, "wf_purge": 0,
    "wf_queue": 1, "wf_tick": 0, "wf_schedule": 4, "wf_unschedule": 1,
}

TABLES = {
    "table_workflows": "SELECT * FROM wf_workflows ORDER BY id",
    "table_pending": "SELECT id, ready, due_at, reason FROM wf_pending ORDER BY id",
    "table_steps": "SELECT workflow_id, name, kind, status, output, error, attempts, begun_at, recorded_at, attempt, worker, hash FROM wf_steps",
    "table_newest": "SELECT id, created_at FROM wf_workflows ORDER BY created_at DESC, seq DESC",
    "table_counts": "SELECT name, queue, status, count FROM wf_stats ORDER BY name, queue, status",
    "table_failures": "SELECT workflow_id, attempt, step, worker, error, at, claimed_at FROM wf_failures ORDER BY workflow_id, seq",
}

# These only after some of the calls: it saves time.
MORE_TABLES = {
    "table_schedules": "SELECT name, cron, workflow, input, catch_up, grace, overlap, paused, next_at, last_at, last_id, skipped, created_at "
    "FROM wf_schedules ORDER BY name",
    "table_queues": "SELECT queue, concurrency, worker_concurrency, partition_concurrency, hold, rate_limit, rate_per, paused, lease, max_attempts, "
    "depth, running, oldest_due_at FROM wf_queues ORDER BY queue",
    "table_rates": "SELECT DISTINCT name, rate_limit, rate_per FROM wf_rates ORDER BY name",
    "table_signals": "SELECT workflow_id, name, key, payload, received_at, taken_by FROM wf_signals ORDER BY workflow_id, seq",
    "table_events": "SELECT * FROM wf_events ORDER BY name",
    "table_values": "SELECT * FROM wf_values ORDER BY workflow_id, key",
    "table_streams": "SELECT workflow_id, stream, offset, value, appended_at, closed FROM wf_streams ORDER BY workflow_id, stream, offset",
    "table_in_doubt": "SELECT workflow_id, step, held, begun_at FROM wf_in_doubt ORDER BY workflow_id, step",
}


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "x'%s'" % value.hex()
    return "'%s'" % value.replace("'", "''") if isinstance(value, str) else repr(value)


def outcome(call):
    """What a call gives: a value, or an error's code."""
    try:
        return call()
    except WfError as error:
        return error
    except sqlite3.Error as error:
        text = str(error)
        if text == "database is locked":
            return WfError("BUSY", text)
        assert text.startswith("WF_"), text
        return WfError(text.split(":")[0], text)


def without_message(value):
    """The engine words its own errors as it likes."""
    if isinstance(value, str) and '"code":"' in value:
        try:
            return silent(json.loads(value))
        except ValueError:
            pass
    return value


def silent(value):
    if isinstance(value, dict):
        return {key: silent(part) for key, part in value.items() if key != "message"}
    return [silent(part) for part in value] if isinstance(value, list) else value


class Machine:
    """One sequence. Its own moves are those of the host: time, transactions, connections."""

    def __init__(self, folder, groups):
        self.groups = groups
        self.path = str(folder / "model.db")
        for end in ("", "-wal", "-shm"):
            if os.path.exists(self.path + end):
                os.remove(self.path + end)
        shutil.copyfile(str(folder / "template.db"), self.path)
        self.model = Model()
        self.world = World(self.model, CONNECTIONS)
        self.dbs = [None] * CONNECTIONS
        self.now = START
        self.tokens, self.keys, self.prints, self.log = [], {}, {}, []
        self.calls = self.checks = 0

    def close(self):
        for db in self.dbs:
            if db is not None:
                db.close()

    # Connections

    def db(self, c):
        if self.dbs[c] is None:
            self.dbs[c] = open_database(self.path, timeout=0)
            self.dbs[c].execute("PRAGMA synchronous = off")
            self.set_clock(c)
        return self.dbs[c]

    def set_clock(self, c):
        self.dbs[c].execute("SELECT wf_clock(?)", [sql_time(self.now)])

    def sql(self, c, sql, *parameters):
        return self.db(c).execute(sql, parameters).fetchall()

    def say(self, c, sql):
        self.log.append("%s /* %d, %s */;" % (sql, c, sql_time(self.now)[11:]))

    def do(self, c, sql):
        """A statement of the caller's own."""
        self.say(c, sql)
        return outcome(lambda: self.sql(c, sql))

    # One call on both

    def resolve(self, value):
        if isinstance(value, (dict, list)):
            return type(value)((key, self.resolve(v)) for key, v in value.items()) if isinstance(value, dict) else [self.resolve(v) for v in value]
        if not isinstance(value, Ref):
            return value
        if value.kind == "now_and":
            return json_time(self.now + value.value * 1000)
        if value.kind == "id":
            return calls.IDS[value.value]
        if value.kind == "token" and self.tokens:
            return self.tokens[-1 - value.value % len(self.tokens)]
        workflows = list(self.model.state.workflows.values())
        if value.kind == "known" and workflows:
            return workflows[-1 - value.value % len(workflows)].id
        if value.kind == "live":
            running = [w.token for w in workflows if w.claimed]
            return running[value.value % len(running)] if running else self.resolve(Ref("known", value.value))
        if value.kind == "waiting":
            waiting = [w.id for w in workflows if w.real == "waiting"]
            return waiting[value.value % len(waiting)] if waiting else self.resolve(Ref("known", value.value))
        return calls.IDS[value.value % len(calls.IDS)]

    def check(self, c, function, *args, options=None, inline=False):
        """Makes the call on the extension and on the model, and compares the two answers; after some calls the tables too."""
        connection = self.world.connections[c]
        state = self.model.state = self.world.seen(connection)
        args = [self.resolve(arg) for arg in args]
        if options is not None:
            options = self.resolve(options)
            self.calls += 1
            if state.config.get("clock") == "explicit" and isinstance(options, dict) and self.calls % 6:
                options = {"now": json_time(self.now)} | options
                if function == "wf_start" and self.calls % 5:
                    options = {"id": calls.IDS[self.calls % 4]} | options
                if function == "wf_recover" and self.calls % 5:
                    options = {"id": "r%d" % (self.calls % 3)} | options
            if options != {} or self.calls % 2:
                args += [None] * (OPTIONS_AT[function] - len(args)) + [json.dumps(options) if isinstance(options, dict) else options]
        args = [json.dumps(arg, separators=(",", ":")) if isinstance(arg, list) else arg for arg in args]
        self.model.clock = self.now
        if known_differences.avoided(self.model, function, args):
            return
        writes = self.writes(function, args)
        call = "%s(%s)" % (function, ", ".join("?" * len(args)))
        inline = inline and state.made and not self.world.locked(connection)
        sql = ("INSERT INTO app SELECT " if inline else "SELECT ") + call
        self.say(c, (sql.replace("?", "%s") % tuple(literal(arg) for arg in args)))

        actual = outcome(lambda: self.sql(c, sql, *args))
        if inline and not isinstance(actual, WfError):
            actual = self.sql(c, "SELECT v FROM app WHERE rowid = (SELECT max(rowid) FROM app)")
        if not isinstance(actual, WfError):
            ((actual,),) = actual
        self.model.clock, self.model.hint, self.model.inline = self.now, actual, inline
        self.model.put_to_wait = self.waiting(c) if function == "wf_claim" and not isinstance(actual, WfError) and state.made else set()
        expected = outcome(lambda: self.world.call(connection, function, writes or inline, args))
        self.compare(function, args, expected, actual)
        if inline and not isinstance(actual, WfError):
            self.world.seen(connection).app.append(actual)
        self.learn(function, actual)
        self.settle(c, writes or inline)
        self.checks += 1
        if DEEP or self.checks % 2 == 0:
            self.compare_tables(c, self.checks % 8 == 0)

    def waiting(self, c):
        return {id for id, in self.sql(c, "SELECT id FROM _wf_workflow WHERE status = 'waiting'")}

    @staticmethod
    def writes(function, args):
        if function == "wf_step":
            return not Model.only_reads(args)
        if function in ("wf_queue", "wf_rate"):
            return len(args) > 1 and args[1] is not None
        if function == "wf_config":
            return len(args) > 1
        return function not in READING

    def settle(self, c, writes):
        """Makes certain what the contract leaves open: after a call that writes the connection holds the lock, or there was a commit;
        after one that reads a transaction has its snapshot."""
        connection = self.world.connections[c]
        if writes and not self.world.locked(connection):
            if connection.open:
                self.sql(c, "UPDATE bump SET n = n WHERE 0")
                self.world.begin_writing(connection)
            elif any(each.view is not None for each in self.world.connections):
                self.sql(c, "UPDATE bump SET n = n + 1")
        elif connection.open:
            self.sql(c, "SELECT n FROM bump")
            self.world.pin(connection)

    def compare(self, function, args, expected, actual):
        if isinstance(expected, WfError) or isinstance(actual, WfError):
            same = isinstance(expected, WfError) and isinstance(actual, WfError) and expected.code == actual.code
        elif isinstance(expected, Json):
            actual = json.loads(actual) if isinstance(actual, str) else actual
            wanted = expected.value
            self.name_prints(wanted, actual)
            if isinstance(wanted, dict) and "key" in wanted and isinstance(actual, dict):
                same = self.is_key(wanted["key"], actual.get("key")) and wanted | {"key": None} == actual | {"key": None}
            else:
                same = silent(actual) == silent(wanted)
        elif function == "wf_key":
            same = self.is_key(expected, actual)
        else:
            same = without_message(expected) == without_message(actual) and type(expected) is type(actual)
        if not same and not known_differences.other_code(function, expected, actual):
            self.fail("%s%r" % (function, tuple(args)), expected.value if isinstance(expected, Json) else expected, actual)

    def is_key(self, meaning, key):
        """Keys are any text, the same for the same and only for them."""
        return self.keys.setdefault(meaning, key) == key and list(self.keys.values()).count(key) == 1

    def is_print(self, meaning, shown):
        """Likewise fingerprints."""
        return self.prints.setdefault(meaning, shown) == shown and list(self.prints.values()).count(shown) == 1

    def name_prints(self, wanted, actual):
        """Puts into a claim's steps what their fingerprints stand for."""
        if isinstance(wanted, list) and isinstance(actual, list):
            for one, other in zip(wanted, actual):
                self.name_prints(one, other)
        elif isinstance(wanted, dict) and isinstance(actual, dict):
            self.name_prints(wanted.get("steps"), actual.get("steps"))
            if wanted.get("hash") and actual.get("hash") and self.is_print(wanted["hash"], actual["hash"]):
                actual["hash"] = wanted["hash"]

    def compare_tables(self, c, more=True):
        self.model.state = self.world.seen(self.world.connections[c])
        self.model.clock = self.now
        for table, sql in (TABLES | MORE_TABLES if more else TABLES).items():
            expected = getattr(self.model, table)()
            self.sql(c, "PRAGMA query_only = 1")  # what cannot write may look at its clock in explicit mode, too
            actual = self.sql(c, sql)
            self.sql(c, "PRAGMA query_only = 0")
            if table == "table_queues":  # it lists queues without settings too
                actual = [row for row in actual if row[0] in self.model.state.queues]
            if table == "table_steps" and len(expected) == len(actual):
                actual = [row[:-1] + (ours[-1] if row[-1] and ours[-1] and self.is_print(ours[-1], row[-1]) else row[-1],)
                          for row, ours in zip(actual, expected)]
            if expected == actual:
                continue
            expected = [tuple(map(without_message, row)) for row in expected]
            actual = [tuple(map(without_message, row)) for row in actual]
            if table == "table_pending" and len(expected) == len(actual):
                actual = [row[:3] + ((None,) if ours[3] is None else row[3:]) for row, ours in zip(actual, expected)]
            if expected != actual:
                self.fail(table, expected, actual)
        for count in ("wf_pending", "wf_ready"):
            self.sql(c, "PRAGMA query_only = 1")
            actual = self.sql(c, "SELECT %s()" % count)[0][0]
            self.sql(c, "PRAGMA query_only = 0")
            self.model.query_only = True
            expected = getattr(self.model, count)()
            self.model.query_only = False
            if actual != expected:
                self.fail(count, expected, actual)
        if [value for value, in self.sql(c, "SELECT v FROM app")] != self.model.state.app:
            self.fail("app", self.model.state.app, self.sql(c, "SELECT v FROM app"))

    def fail(self, what, expected, actual):
        lines = ["%s differs" % what, "  contract:  %r" % (expected,), "  extension: %r" % (actual,), "after"] + self.log
        pytest.fail("\n".join(lines), pytrace=False)

    def learn(self, function, actual):
        if function == "wf_claim" and isinstance(actual, str):
            found = json.loads(actual)
            self.tokens += [claim["token"] for claim in (found if isinstance(found, list) else [found])]

    # Time

    def set_time(self, now):
        self.now = now
        for c, db in enumerate(self.dbs):
            if db is not None:
                self.set_clock(c)

    @play(4, seconds=Some([1, 5, 10, 30, 31, 60, 300, 0.001, -1, -20]))
    def time_goes_by(self, seconds):
        self.set_time(self.now + round(seconds * 1000))

    @play(5, beyond=Some([0, 0, 1, -1]))
    def the_next_moment_comes(self, beyond):
        """To a due time or a deadline, a millisecond before or after it."""
        moments = [moment for w in self.model.state.workflows.values() for moment in (w.due, w.deadline) if moment and moment > self.now]
        if moments:
            self.set_time(min(moments) + beyond)

    # The caller's transactions

    @play(1, c=ANY, immediate=plays.flag)
    def begin(self, c, immediate):
        connection = self.world.connections[c]
        if connection.open:
            return self.end(c, immediate)
        actual = self.do(c, "BEGIN IMMEDIATE" if immediate else "BEGIN")
        expected = outcome(lambda: self.world.begin(connection, immediate))
        if isinstance(actual, WfError) != isinstance(expected, WfError):
            self.fail("BEGIN", expected, actual)

    def end(self, c, keep):
        connection = self.world.connections[c]
        if keep and connection.writing:
            self.sql(c, "UPDATE bump SET n = n + 1")
        self.do(c, "COMMIT" if keep else "ROLLBACK")
        self.world.commit(connection) if keep else self.world.rollback(connection)
        self.compare_tables(c)

    @play(3, keep=plays.flag)
    def transactions_end(self, keep):
        for c, connection in enumerate(self.world.connections):
            if connection.open:
                self.end(c, keep)

    @play(2, c=ANY, name=Some(["s", "t"]), what=Some(["SAVEPOINT", "ROLLBACK TO", "RELEASE"]))
    def savepoint(self, c, name, what):
        connection = self.world.connections[c]
        known = any(each == name for each, _ in connection.savepoints)
        if what == "SAVEPOINT" or not known:
            if len(connection.savepoints) > 3:
                return
            self.do(c, "SAVEPOINT " + name)
            self.sql(c, "SELECT n FROM bump")
            self.world.savepoint(connection, name)
            return
        if what == "ROLLBACK TO":
            self.do(c, "ROLLBACK TO " + name)
            self.world.rollback_to(connection, name)
        else:
            if connection.writing and connection.begun_by_savepoint and self.world.depth(connection, name) == 0:
                self.sql(c, "UPDATE bump SET n = n + 1")
            self.do(c, "RELEASE " + name)
            self.world.release(connection, name)
        self.compare_tables(c)

    # Closing and opening

    @play(1, c=ANY)
    def a_connection_closes(self, c):
        if self.dbs[c] is not None:
            self.say(c, "-- closed")
            self.dbs[c].close()
            self.dbs[c] = None
            self.world.rollback(self.world.connections[c])

    @play(1)
    def all_connections_close(self):
        for c in range(CONNECTIONS):
            self.a_connection_closes(c)
        self.compare_tables(0)

    # A sequence

    def run(self, first, rest):
        """What happens comes from one number each: drawing every argument from Hypothesis takes longer than the calls."""
        random = Random(first)
        # Some kinds of calls are left out of the sequence, so that the others meet more often.
        groups = [plays.Lifecycle, Machine] + [group for group in self.groups[1:] if random.random() < 0.6]
        weights = [5, 4] + [3] * (len(groups) - 2)
        if random.random() < 0.5:
            self.check(0, "wf_init")
        for n in range(random.randrange(4)):
            self.check(0, "wf_start", "job", None, options=calls.start_options.draw(random) | {"id": calls.IDS[n]})
        for number in rest:
            random = Random(number)
            self.make_a_move(random, random.choices(groups, weights)[0])
        self.all_connections_close()

    def make_a_move(self, random, group):
        spoiled = random.random() < 0.1
        moves = [move for move in vars(group).values() if hasattr(move, "play")]
        move = random.choices(moves, [move.play[0] for move in moves])[0]
        move(self, **{name: pool.draw(random, spoiled) for name, pool in move.play[1].items()})


@settings(max_examples=SEQUENCES, derandomize=not DEEP, database=None, deadline=None, print_blob=False,
          phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))
@given(first=NUMBER, rest=st.lists(NUMBER, min_size=LENGTH // 2, max_size=LENGTH))
def test_model_and_extension_agree(template, first, rest):
    machine = Machine(*template)
    try:
        machine.run(first, rest)
    finally:
        machine.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The folder with the file that every sequence begins with, and the groups of calls that the extension has the functions for."""
    folder = tmp_path_factory.mktemp("model")
    db = sqlite3.connect(str(folder / "template.db"), isolation_level=None)
    db.executescript("PRAGMA journal_mode = wal; CREATE TABLE app(v); CREATE TABLE bump(n); INSERT INTO bump VALUES(0);")
    db.close()
    db = open_database(":memory:")  # stays open, so that the module stays loaded
    there = {name for name, in db.execute("SELECT name FROM wf_functions")}
    yield folder, [group for function, group in plays.GROUPS.items() if function in there]
    db.close()
