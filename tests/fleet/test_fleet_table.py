"""wf_fleet: one row a file, whatever is wrong with one of them, and no lock of this process lost."""

import gc
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

from support import open_database
from support.clock import BASE, seconds_of
from support.next_due import play, what_happens

COLUMNS = ["file", "error", "next_due", "ready", "running", "waiting", "failed", "in_doubt", "epoch", "size"]


@pytest.fixture
def db(connect):
    db = connect(":memory:")
    db.at(0)
    return db


@pytest.fixture
def agents(tmp_path):
    (tmp_path / "agents").mkdir()
    return tmp_path / "agents"


def agent(path, mode="wal"):
    db = open_database(path)
    db.execute("PRAGMA journal_mode = " + mode)
    db.at(0)
    return db


def fleet(db, agents, *index):
    return {os.path.basename(row["file"]): row for row in db.records("SELECT * FROM wf_fleet(%s)" % ", ".join("?" * (1 + len(index))), str(agents / "*.db"), *map(str, index))}


def settle(agents):
    """Until a write to the files could not have the same time as the one before."""
    newest = max(file.stat().st_mtime_ns for file in agents.iterdir())
    while time.time_ns() - newest < 200_000_000:
        time.sleep(0.01)


def test_columns_and_names(db, agents):
    for name in ("b", "a", "c d?#%1"):
        agent(agents / (name + ".db")).close()
    a = agent(agents / "a.db")
    a.wf_init()
    rows = db.records("SELECT * FROM wf_fleet(?)", str(agents / "*.db"))
    assert [row["file"] for row in rows] == [str(agents / name) for name in ("a.db", "b.db", "c d?#%1.db")]
    assert list(rows[0]) == COLUMNS
    assert rows[0]["error"] is None and rows[0]["epoch"] == 1 and rows[0]["next_due"] is None and rows[0]["ready"] == 0
    assert rows[1]["error"] == rows[2]["error"] == "WF_NOT_FOUND: there are no workflows in this file, nor tables for them"
    a.close()


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("is_open", [True, False])
def test_what_is_counted(db, agents, mode, is_open):
    a = agent(agents / "a.db", mode)
    for i in range(3):
        a.wf_start("job", id="w%d" % i)
    a.wf_start("job", id="late", delay=100)
    assert fleet(db, agents)["a.db"]["ready"] == 3
    a.wf_fail("w0", "no", retry=False)
    a.wf_await("w1", "s", "go")
    token = a.claim(None, "worker-1")["token"]
    a.wf_begin(token, "pay")
    a.wf_recover()
    a.wf_start("job", id="doubt")
    a.wf_begin("doubt", "pay")
    expected = {"ready": a.wf_ready(), "running": 0, "waiting": 1, "failed": 1, "in_doubt": a.value("SELECT count(*) FROM wf_in_doubt"), "epoch": a.wf_config("epoch")}
    assert expected["ready"] == 2 and expected["in_doubt"] == 2
    assert a.claim()["id"] == "w2"
    expected.update(ready=1, running=1)
    if not is_open:
        a.close()
    before = sorted(os.listdir(agents))
    row = fleet(db, agents)["a.db"]
    assert {key: row[key] for key in expected} == expected and row["error"] is None
    assert row["next_due"] == "2027-01-15 08:00:00.000"
    assert row["size"] == sum(file.stat().st_size for file in agents.iterdir() if not file.name.endswith("-shm"))
    assert sorted(os.listdir(agents)) == before  # nothing is left beside it
    db.at(1000)
    assert fleet(db, agents)["a.db"]["ready"] == 3
    if is_open:
        a.close()


def test_damaged_locked_foreign_new(db, agents):
    agent(agents / "ok.db").wf_start("job")
    (agents / "text.db").write_text("no database at all, however long it is, and longer than a hundred bytes, which is what a header takes of it\n" * 10)
    (agents / "empty.db").write_bytes(b"")
    (agents / "folder.db").mkdir()
    plain = sqlite3.connect(agents / "plain.db")
    plain.execute("CREATE TABLE t(x)")
    plain.close()
    agent(agents / "broken.db", "delete").wf_start("job")
    whole = (agents / "broken.db").read_bytes()
    (agents / "broken.db").write_bytes(whole[:4096] + b"\xff" * 4096 * 20 + whole[4096 * 21:])
    newer = agent(agents / "newer.db")
    newer.wf_init()
    newer.execute("UPDATE _wf_meta SET value = 1000 WHERE key = 'schema_version'")
    locked = agent(agents / "locked.db", "delete")
    locked.wf_start("job")
    locked.execute("PRAGMA locking_mode = exclusive")
    locked.execute("BEGIN EXCLUSIVE")
    locked.wf_start("job")
    rows = fleet(db, agents)
    assert sorted(rows) == ["broken.db", "empty.db", "locked.db", "newer.db", "ok.db", "plain.db", "text.db"]
    assert rows["ok.db"]["error"] is None and rows["ok.db"]["ready"] == 1
    assert rows["text.db"]["error"] == "file is not a database"
    assert rows["empty.db"]["error"].startswith("WF_NOT_FOUND") and rows["plain.db"]["error"].startswith("WF_NOT_FOUND")
    assert "malformed" in rows["broken.db"]["error"] or "damaged" in rows["broken.db"]["error"]
    assert rows["locked.db"]["error"] == "database is locked"
    assert rows["newer.db"]["error"].startswith("WF_SCHEMA")
    assert all(row["size"] is not None and row["ready"] is None for row in rows.values() if row["error"])
    locked.execute("COMMIT")
    locked.close()
    newer.close()
    assert fleet(db, agents)["locked.db"]["ready"] == 2


def test_patterns(db, tmp_path):
    for path in ("x/a1.db", "x/a2.db", "y/a1.db", "y/b.db", "y/.hidden.db"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        agent(tmp_path / path).wf_init()

    def found(pattern):
        return [os.path.relpath(path, tmp_path) for path in db.column("SELECT file FROM wf_fleet(?)", str(tmp_path / pattern))]

    assert found("*/a?.db") == ["x/a1.db", "x/a2.db", "y/a1.db"]
    assert found("[y]/*.db") == ["y/a1.db", "y/b.db"]
    assert found("y/.*.db") == ["y/.hidden.db"]
    assert found("*") == [] and found("none/*.db") == [] and found("x/none.db") == []
    assert found("x/a1.db") == ["x/a1.db"]
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert db.column("SELECT file FROM wf_fleet('x/*.db')") == ["x/a1.db", "x/a2.db"]
    finally:
        os.chdir(here)


@pytest.mark.parametrize("call, message", [
    ("wf_fleet", "wf_fleet wants a pattern"), ("wf_fleet('')", "WF_INVALID: wf_fleet() wants a pattern"), ("wf_fleet(NULL)", "WF_INVALID"),
    ("wf_fleet(printf('%5000d', 1))", "WF_INVALID"), ("wf_fleet('x', '/no/such/folder/index')", "unable to open database file"),
])
def test_bad_arguments(db, call, message):
    with pytest.raises(sqlite3.OperationalError, match="^" + message.replace("(", r"\(").replace(")", r"\)") if message.startswith("WF") else message.split("(")[0]):
        db.execute("SELECT * FROM " + call).fetchall()


def test_no_view_and_no_trigger_may(db):
    db.execute("CREATE VIEW v AS SELECT file FROM wf_fleet('*')")
    with pytest.raises(sqlite3.OperationalError, match='unsafe use of virtual table "wf_fleet"'):
        db.execute("SELECT * FROM v")


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    db.execute("BEGIN IMMEDIATE")
    print("taken")
except sqlite3.OperationalError as refused:
    print(refused)
"""


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_lock_of_this_process_stays(db, agents, mode):
    """To close a second descriptor of a file drops the locks of the process on it: not where SQLite knows both."""
    a = agent(agents / "a.db", mode)
    a.wf_start("job")
    a.execute("BEGIN IMMEDIATE")
    a.wf_start("job")
    row = fleet(db, agents)["a.db"]
    assert row["ready"] == 1 and row["error"] is None
    other = subprocess.run([sys.executable, "-c", HOLD, str(agents / "a.db")], capture_output=True, text=True, check=True)
    assert other.stdout == "database is locked\n", other
    a.execute("COMMIT")
    other = subprocess.run([sys.executable, "-c", HOLD, str(agents / "a.db")], capture_output=True, text=True, check=True)
    assert other.stdout == "taken\n"
    assert fleet(db, agents)["a.db"]["ready"] == 2
    a.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a link is a right of its own there")
def test_what_is_beside_the_file_behind_a_link(db, agents, tmp_path):
    """A file that is reached by a link has its -wal beside itself: what is in it counts, and a write to it is a change."""
    index = tmp_path / "fleet.idx"
    (tmp_path / "behind").mkdir()
    a = agent(tmp_path / "behind" / "a.db")
    a.wf_init()
    a.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (agents / "first.db").symlink_to("second.db")
    (agents / "second.db").symlink_to("../behind/a.db")
    settle(tmp_path / "behind")
    assert [row["ready"] for row in fleet(db, agents, index).values()] == [0, 0]
    settle(tmp_path / "behind")
    fleet(db, agents, index)
    assert looked_into(db, agents, index) == []
    a.wf_start("job")
    assert [row["ready"] for row in fleet(db, agents).values()] == [1, 1]
    assert looked_into(db, agents, index) == ["first.db", "second.db"]
    assert [(row["ready"], row["size"]) for row in fleet(db, agents).values()] == [(1, os.path.getsize(tmp_path / "behind/a.db") + os.path.getsize(tmp_path / "behind/a.db-wal"))] * 2
    a.close()


ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 30000000)"  # half a minute


def test_an_endless_file_or_index_is_interrupted(db, agents, tmp_path):
    """What runs on and on in one of the files ends when who asks is interrupted, and so does its progress handler's word."""
    a = agent(agents / "a.db")
    a.wf_init()
    a.execute("DROP TABLE _wf_step")
    a.execute("CREATE VIEW _wf_step AS %s SELECT 1 AS n, 1 AS wf, 'a' AS name, 'step' AS kind, 'begun' AS status, 1 AS nonce FROM r" % ENDLESS)
    a.close()
    agent(agents / "b.db").close()
    hostile = sqlite3.connect(tmp_path / "fleet.idx")
    columns = "'b' AS error, 1 AS next_due, 1 AS ready, 1 AS running, 1 AS waiting, 1 AS failed, 1 AS in_doubt, 1 AS epoch"
    hostile.execute("CREATE VIEW fleet_index AS %s SELECT 'a' AS file, x'' AS state, %s FROM r WHERE x < 0" % (ENDLESS, columns))
    hostile.close()
    for arguments in ([agents / "*.db"], [agents / "b.db", tmp_path / "fleet.idx"]):
        asked = []
        db.set_progress_handler(lambda: asked.append(1) or len(asked) > 20, 1)
        with pytest.raises(Exception, match="interrupted"):
            db.rows("SELECT * FROM wf_fleet(%s)" % ", ".join("?" * len(arguments)), *map(str, arguments))
        db.set_progress_handler(None, 0)
    assert db.rows("SELECT file FROM wf_fleet(?)", str(agents / "b.db")) == [(str(agents / "b.db"),)]


def test_its_own_file(tmp_path):
    own = open_database(tmp_path / "a.db")
    own.execute("PRAGMA journal_mode = wal")
    own.wf_start("job")
    own.execute("BEGIN IMMEDIATE")
    own.wf_start("job")
    assert own.column("SELECT ready FROM wf_fleet(?)", str(tmp_path / "*.db")) == [1]
    own.execute("COMMIT")
    assert own.column("SELECT ready FROM wf_fleet(?)", str(tmp_path / "*.db")) == [2]
    own.close()


def spoil(index):
    """Makes what the index says of each file no figure at all: whoever reads it from there shows it, whoever looks does not."""
    kept = sqlite3.connect(index)
    kept.execute("UPDATE fleet_index SET failed = 777 WHERE state IS NOT NULL")
    kept.commit()
    kept.close()


def looked_into(db, agents, index):
    """The files that were opened, and not known from the index."""
    spoil(index)
    rows = fleet(db, agents, index)
    return sorted(name for name, row in rows.items() if row["failed"] != 777)


def test_only_what_has_changed_is_opened(db, agents, tmp_path):
    index = tmp_path / "fleet.idx"
    open_ones = {}
    for i in range(4):
        open_ones[i] = agent(agents / ("a%d.db" % i), "wal" if i % 2 else "delete")
        open_ones[i].wf_start("job", delay=500)
    first = fleet(db, agents, index)
    assert all(row["next_due"] == "2027-01-15 08:08:20.000" for row in first.values())
    settle(agents)
    fleet(db, agents, index)
    assert looked_into(db, agents, index) == []
    assert looked_into(db, agents, index) == []
    open_ones[1].wf_start("job", delay=100)
    open_ones[2].wf_start("job", delay=100)
    assert looked_into(db, agents, index) == ["a1.db", "a2.db"]
    settle(agents)
    looked_into(db, agents, index)
    assert looked_into(db, agents, index) == []
    open_ones[3].close()  # its -wal goes into the file
    assert "a3.db" in looked_into(db, agents, index)
    settle(agents)
    looked_into(db, agents, index)
    # Another file in its place, of the same size and time.
    stat = (agents / "a0.db").stat()
    shutil.copy2(agents / "a0.db", agents / "other")
    open_ones[0].close()
    os.replace(agents / "other", agents / "a0.db")
    os.utime(agents / "a0.db", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert looked_into(db, agents, index) == ["a0.db"]
    # What is due is looked into, and new files are; what is gone leaves the index.
    settle(agents)
    looked_into(db, agents, index)
    os.remove(agents / "a0.db")
    agent(agents / "new.db").wf_start("job")
    db.at(100)
    assert looked_into(db, agents, index) == ["a1.db", "a2.db", "new.db"]
    assert fleet(db, agents, index)["a1.db"]["ready"] == 1
    kept = sqlite3.connect(index)
    assert [name for (name,) in kept.execute("SELECT file FROM fleet_index ORDER BY file")] == [str(agents / name) for name in ("a1.db", "a2.db", "a3.db", "new.db")]
    kept.close()
    for i in (1, 2):
        open_ones[i].close()


def test_a_damaged_file_is_known_a_locked_one_is_not(db, agents, tmp_path):
    index = tmp_path / "fleet.idx"
    (agents / "text.db").write_text("no database at all, however long it is\n" * 100)
    locked = agent(agents / "locked.db", "delete")
    locked.wf_start("job")
    locked.execute("BEGIN EXCLUSIVE")
    locked.wf_start("job")
    settle(agents)
    fleet(db, agents, index)
    assert fleet(db, agents, index)["text.db"]["error"] == "file is not a database"
    kept = sqlite3.connect(index)
    assert dict(kept.execute("SELECT error, state IS NOT NULL FROM fleet_index")) == {"file is not a database": 1, "database is locked": 0}
    kept.close()
    locked.execute("COMMIT")
    assert fleet(db, agents, index)["locked.db"]["ready"] == 2
    locked.close()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_commit_that_takes_long_is_not_taken_for_seen(db, agents, tmp_path, mode):
    """It is written, which dates the file, then brought to the disk, and seen only then: nothing that can be told from outside changes any more. So whoever looks in between does not rely
    on what he saw."""
    index = tmp_path / "fleet.idx"

    def is_relied_on():
        fleet(db, agents, index)
        kept = sqlite3.connect(index)
        ((state,),) = kept.execute("SELECT state IS NOT NULL FROM fleet_index").fetchall()
        kept.close()
        return bool(state)

    a = agent(agents / "a.db", mode)
    a.wf_init()
    settle(agents)
    assert is_relied_on() and looked_into(db, agents, index) == []
    a.execute("BEGIN IMMEDIATE")
    a.wf_start("job", delay=500)
    for path in agents.glob("a.db-wal"):
        os.utime(path, (1e9, 1e9))  # it was written long ago, and is being brought to the disk
    assert mode == "delete" or not is_relied_on()
    a.execute("COMMIT")
    settle(agents)
    assert fleet(db, agents, index)["a.db"]["next_due"] == "2027-01-15 08:08:20.000"
    assert is_relied_on() and looked_into(db, agents, index) == []
    a.close()


def test_an_index_that_is_none(db, agents, tmp_path):
    (tmp_path / "index").write_text("something else altogether " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="file is not a database"):
        fleet(db, agents, tmp_path / "index")
    assert (tmp_path / "index").read_text().startswith("something else")


def test_it_tells_the_same_with_an_index_and_without(db, agents, tmp_path):
    """Whatever happens between two looks."""
    rng = random.Random(5)
    index = tmp_path / "fleet.idx"
    now = 0
    for turn in range(40):
        name = agents / ("a%d.db" % rng.randrange(5))
        a = agent(name, rng.choice(["wal", "delete"]))
        a.wf_clock(BASE + now)
        if rng.random() < 0.7:
            a.wf_start("job", delay=rng.choice([0, 3, 50]))
        claim = a.claim()
        if claim and rng.random() < 0.6:
            a.wf_fail(claim["token"], "no", retry=False) if rng.random() < 0.5 else a.wf_sleep(claim["token"], "s", 5)
        a.close()
        now += rng.choice([0, 1, 4])
        db.wf_clock(BASE + now)
        assert fleet(db, agents, index) == fleet(db, agents), turn
        if turn % 7 == 0:
            settle(agents)
            assert fleet(db, agents, index) == fleet(db, agents), turn


def test_what_it_looks_at_does_not_grow_with_what_has_ended(db, agents):
    """Counted by how often it looks whether who asks was interrupted, which is every so many instructions of SQLite's virtual machine."""
    looks = []
    for n in (10, 20_000):
        a = agent(agents / ("a%d.db" % n))
        a.execute("BEGIN")
        for i in range(n):
            a.wf_start("job", id="w%d" % i)
            a.wf_step("w%d" % i, "s", 1)
            a.wf_complete("w%d" % i)
        a.execute("COMMIT")
        assert a.value("SELECT count(*) FROM wf_workflows WHERE status = 'completed'") == n
        a.close()
        asked = []
        db.set_progress_handler(lambda: asked.append(1) and 0, 1)
        (row,) = db.records("SELECT * FROM wf_fleet(?)", str(agents / ("a%d.db" % n)))
        db.set_progress_handler(None, 0)
        assert row["error"] is None
        looks.append(len(asked))
    assert looks[1] <= looks[0], looks


def is_exact(row, path, now):
    """Something is to be done in the file at that time, and nothing before."""
    a = open_database(path)
    try:
        if row["next_due"] is None:
            return not what_happens(a, 250_000_000_000)
        due = seconds_of(row["next_due"])
        return what_happens(a, due) and (due <= BASE + now or not what_happens(a, due - 0.001))
    finally:
        a.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_index_is_exact_in_both_directions(db, agents, tmp_path, seed):
    """Whoever sleeps until the time that it says finds something to do then, and a millisecond before would have found nothing: also where it was kept, and time alone went on."""
    rng = random.Random(seed)
    index = tmp_path / "fleet.idx"
    now, kept, seen = 0, 0, set()
    for turn in range(30):
        a = agent(agents / ("a%d.db" % rng.randrange(4)))

        def at(offset):
            a.clock = offset
            a.at(offset)

        at(now)
        if turn < 4:
            a.wf_rate("calls", limit=2, per=10)
            a.wf_define("flow", {"steps": [{"name": "a", "sql": "SELECT 1"}, {"name": "nap", "sleep": "7s"}, {"name": "go", "await": "go", "timeout": "90s"}]})
        for _ in range(rng.randrange(1, 6)):
            try:
                play(a, at, rng)
            except sqlite3.Error as refused:
                assert "WF_" in str(refused), refused
        now = a.clock
        a.close()
        if turn % 5 == 4:
            settle(agents)
            fleet(db, agents, index)
            settle(agents)
            fleet(db, agents, index)
            now += rng.choice([0, 3, 40])
            db.at(now)
            kept += len(known_by(index, now))
        db.at(now)
        for name, row in fleet(db, agents, index).items():
            assert row["error"] is None and is_exact(row, agents / name, now), (turn, name, row)
            seen.add(row["next_due"])
    assert kept > 0 and len(seen) > 10


def known_by(index, now):
    """The files of which the index alone tells at that time."""
    rows = sqlite3.connect(index)
    try:
        return rows.execute("SELECT file FROM fleet_index WHERE state IS NOT NULL AND (next_due IS NULL OR next_due > ?)", ((BASE + now) * 1000,)).fetchall()
    finally:
        rows.close()


def test_no_descriptor_is_left(db, agents, tmp_path):
    for i in range(30):
        agent(agents / ("a%d.db" % i)).wf_init()
    fleet(db, agents, tmp_path / "idx")
    gc.collect()  # connections of this and other tests, which would be closed at any time
    before = len(os.listdir("/proc/self/fd"))
    fleet(db, agents, tmp_path / "idx")
    rows = db.execute("SELECT * FROM wf_fleet(?)", [str(agents / "*.db")])
    rows.fetchone()
    assert len(os.listdir("/proc/self/fd")) == before


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from support import open_database
for i in range(150):
    db = open_database(sys.argv[2], timeout=30)
    db.wf_start("job", id="w%d" % i)
    db.close()
"""


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("with_index", [True, False])
def test_beside_one_that_opens_writes_and_closes(db, agents, tmp_path, mode, with_index):
    """Where nobody is at a file it is read without a lock; what has moved meanwhile is read again. So nothing half is ever seen."""
    db.wf_clock(None)
    agent(agents / "a.db", mode).wf_init()
    index = [tmp_path / "index"] if with_index else []
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tests, str(agents / "a.db")])
    seen, errors, looks = [0], set(), 0
    while writer.poll() is None:
        row = fleet(db, agents, *index)["a.db"]
        looks += 1
        if row["error"] is None:
            assert row["ready"] >= seen[-1]
            seen.append(row["ready"])
        else:
            errors.add(row["error"])
    assert writer.returncode == 0 and errors <= {"database is locked"} and looks > 20 and len(set(seen)) > 3
    assert fleet(db, agents, *index)["a.db"]["ready"] == 150
