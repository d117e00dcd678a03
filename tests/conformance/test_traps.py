"""What docs/hosts.md says of single hosts is so: each trap is walked into. One that is gone is to be taken from the page."""

import re
import shutil
import sqlite3
import subprocess

import pytest
from hosts import HOST
from table import PAGE
from test_conformance import command_of

from support import extension_path

BIG = 2**53 + 1


@pytest.fixture
def run(tmp_path):
    """Runs a program in a host, in an empty folder; {module} and {folder} are put in. What it prints."""

    def one(name, program, suffix, *arguments):
        command = command_of(HOST[name])
        file = tmp_path / ("program." + suffix)
        file.write_text(program.replace("{module}", extension_path()))
        command = [part.replace("{folder}", extension_path().rpartition("/")[0]) for part in command[:-1]]
        done = subprocess.run([*command, *arguments, str(file)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()

    return one


@pytest.fixture
def recorded(tmp_path):
    def value(sql):
        db = sqlite3.connect(tmp_path / "t.db")
        found = db.execute(sql).fetchall()
        db.close()
        return found

    return value


STEP = """SELECT wf_step((SELECT wf_start('job', NULL, '{"id":"w"}')), 'a', %d)""" % BIG


def test_node_throws_what_is_recorded_by_then(run, recorded):
    program = """
    import { DatabaseSync } from "node:sqlite";
    const db = new DatabaseSync("t.db", { allowExtension: true });
    db.loadExtension("{module}");
    try { db.prepare(`STEP`).get(); console.log("no error"); } catch (error) { console.log(error.code); }
    """
    assert run("Node 24, node:sqlite", program.replace("STEP", STEP), "mjs") == ["ERR_OUT_OF_RANGE"]
    assert recorded("SELECT output FROM _wf_step") == [(BIG,)]


ROUNDED = """
const db = new Database("t.db");
db.loadExtension("{module}");
console.log(Object.values(db.prepare(`STEP`).get())[0]);
""".replace("STEP", STEP)


def test_better_sqlite3_rounds(run, recorded):
    command = command_of(HOST["Node 24, better-sqlite3"])
    package = command[-1].rpartition("/")[0] + "/node_modules/better-sqlite3"
    assert run("Node 24, better-sqlite3", 'const Database = require("%s");' % package + ROUNDED, "cjs") == [str(BIG - 1)]
    assert recorded("SELECT output FROM _wf_step") == [(BIG,)]


def test_bun_rounds(run, recorded):
    assert run("Bun, bun:sqlite", 'import { Database } from "bun:sqlite";' + ROUNDED, "mjs") == [str(BIG - 1)]
    assert recorded("SELECT output FROM _wf_step") == [(BIG,)]


LOAD = "db.enable_load_extension(True); db.load_extension('{module}')\n"


def test_python_in_its_default_mode_opens_no_transaction_before_a_select(run):
    program = "import sqlite3\ndb = sqlite3.connect('t.db')\n" + LOAD
    program += "db.execute(\"SELECT wf_start('job')\").fetchall(); db.rollback(); print(db.execute('SELECT wf_pending()').fetchone()[0])"
    assert run("Python, sqlite3", program, "py") == ["1"]


def test_two_libraries_in_one_python(run):
    program = """
import sqlite3, apsw
db = sqlite3.connect("t.db"); db.enable_load_extension(True); db.load_extension("{module}")
other = apsw.Connection("t.db"); other.enable_load_extension(True)
try:
    other.load_extension("{module}")
except apsw.ExtensionLoadingError as error:
    print("two SQLite libraries" in str(error))
print(db.execute("SELECT wf_version()").fetchone()[0])
"""
    assert run("Python, apsw", program, "py") == ["True", "0.1.0"]


def test_two_libraries_in_one_node(run):
    package = command_of(HOST["Node 24, better-sqlite3"])[-1].rpartition("/")[0] + "/node_modules/better-sqlite3"
    program = """
    const { DatabaseSync } = require("node:sqlite");
    const Database = require("PACKAGE");
    const db = new DatabaseSync("t.db", { allowExtension: true });
    db.loadExtension("{module}");
    try { new Database("t.db").loadExtension("{module}"); } catch (error) { console.log(error.message.includes("two SQLite libraries")); }
    console.log(db.prepare("SELECT wf_version() AS v").get().v);
    """
    assert run("Node 24, better-sqlite3", program.replace("PACKAGE", package), "cjs") == ["true", "0.1.0"]


def test_sqlalchemy_in_its_default_mode_opens_no_transaction_before_a_select(run):
    program = """
from sqlalchemy import create_engine, event, text
engine = create_engine("sqlite:///t.db")
@event.listens_for(engine, "connect")
def load(db, _record):
    db.enable_load_extension(True); db.load_extension('{module}')
with engine.connect() as db:
    db.execute(text("SELECT wf_start('job')")).all(); db.rollback(); print(db.execute(text("SELECT wf_pending()")).scalar())
"""
    assert run("Python, SQLAlchemy", program, "py") == ["1"]


def test_a_wait_holds_the_thread_of_aiosqlite(run):
    program = """
import asyncio, time, aiosqlite
async def main():
    db = await aiosqlite.connect("t.db", isolation_level=None)
    await db.enable_load_extension(True); await db.load_extension("{module}")
    began = time.monotonic()
    wait = asyncio.create_task(db.execute_fetchall("SELECT wf_wait(0.5)"))
    await asyncio.sleep(0)
    await db.execute_fetchall("SELECT 1")
    print(wait.done() or time.monotonic() - began >= 0.5)
    await wait; await db.close()
asyncio.run(main())
"""
    assert run("Python, aiosqlite", program, "py") == ["True"]


def test_php_makes_each_call_twice(run):
    """And the function of the page makes it once."""
    page = re.search(r"```php\n(function call.*?)```", PAGE.read_text(), re.DOTALL).group(1)
    start = "foreach (['a', 'b', 'c', 'd'] as $id) call($db, 'wf_start', 'job', PHP_INT_MAX, '{\"id\":\"' . $id . '\"}');\n"
    page = page.replace("$claim", "%s$claim" % start)
    program = """<?php
    $db = new SQLite3("t.db"); $db->enableExceptions(true); $db->loadExtension("%s");
    $running = "SELECT count(*) FROM wf_workflows WHERE status = 'running'";
    %s
    echo $db->querySingle($running), " ", $db->querySingle("SELECT input FROM wf_workflows WHERE id = 'a'") === PHP_INT_MAX ? "same " : "other ";
    $db->query("SELECT wf_claim()")->fetchArray(); echo $db->querySingle($running);
    """ % (extension_path().rpartition("/")[2], page)
    assert run("PHP, SQLite3", program, "php") == ["1", "same", "3"]


def test_r_switches_synchronous_off(run):
    program = """library(DBI)
    db <- dbConnect(RSQLite::SQLite(), "t.db"); cat(dbGetQuery(db, "PRAGMA synchronous")[[1]], ""); dbDisconnect(db)
    db <- dbConnect(RSQLite::SQLite(), "t.db", synchronous = NULL); cat(dbGetQuery(db, "PRAGMA synchronous")[[1]]); dbDisconnect(db)"""
    assert run("R, RSQLite", program, "R") == ["0", "2"]


def test_deno_wants_to_be_allowed(tmp_path):
    command = [part for part in command_of(HOST["Deno, node:sqlite"])[:-1] if part != "--allow-ffi"]
    (tmp_path / "program.mjs").write_text("import { DatabaseSync } from 'node:sqlite'; new DatabaseSync('t.db', { allowExtension: true }).loadExtension('%s');" % extension_path())
    done = subprocess.run([*command, "program.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "--allow-ffi" in done.stderr


def test_pdo_cannot_load():
    """Before PHP 8.4."""
    command_of(HOST["PHP, SQLite3"])
    said = subprocess.run([shutil.which("php"), "-r", 'echo PHP_VERSION_ID >= 80400 || !method_exists("PDO", "loadExtension") ? "so" : "not so";'], capture_output=True, text=True).stdout
    assert said == "so"


def test_without_the_module_rows_can_be_inserted_and_a_trigger_that_starts_fails(memdb):
    memdb.execute("CREATE TABLE wanted(id)")
    memdb.execute("CREATE TABLE o(id)")
    memdb.execute("CREATE TRIGGER ships AFTER INSERT ON o BEGIN SELECT wf_start('ship'); END")
    script = "\n".join(memdb.iterdump())
    plain = sqlite3.connect(":memory:", isolation_level=None)
    plain.executescript(script)
    plain.execute("INSERT INTO wanted VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="no such function: wf_start"):
        plain.execute("INSERT INTO o VALUES (1)")
    plain.close()
