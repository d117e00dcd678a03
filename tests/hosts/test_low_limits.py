"""Limits of the connection: those that the documentation calls enough are, and lower ones lose nothing."""

import re
import sqlite3
from pathlib import Path

import pytest

from support import extension_path

pytestmark = pytest.mark.skipif(not hasattr(sqlite3.Connection, "setlimit"), reason="this Python sets no limits")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"
ENOUGH = {name: int(most) for name, most in re.findall(r"^\| `(SQLITE_LIMIT_[A-Z_]+)` \| ([0-9]+)", PAGE.read_text(), re.MULTILINE)}
CALLS = r"""
SELECT wf_init()
SELECT wf_start('job', 1, '{"id":"w","partition":"p"}')
SELECT wf_claim(NULL,'me','{"id":"w","key":"k","steps":true}')
SELECT wf_step('w','z')
SELECT wf_release((SELECT json_extract(wf_claim(NULL,'me','{"key":"k"}'),'$.token')))
SELECT wf_step('w','z',1)
SELECT wf_fail('w','no','{"delay":0,"step":"s"}')
SELECT wf_set('w','k',1)
SELECT wf_append('w','s',1)
SELECT wf_signal('w','go',1)
SELECT wf_await('w','a',  '["go","x"]')
SELECT wf_emit('e',1)
SELECT wf_await_event('w','b','e')
SELECT wf_spawn('w','c','child')
SELECT wf_begin('w','d')
SELECT wf_fork('w','{"id":"f"}')
SELECT wf_export('w')
SELECT wf_import(replace(wf_export('f'),'"id":"f"','"id":"g"'))
SELECT wf_sleep('f','s','1h')
SELECT wf_join('w','j')
SELECT wf_pause('w')
SELECT wf_resume('w')
SELECT wf_cancel('w')
SELECT wf_retry('w','{"from":"c"}')
SELECT wf_queue('q','{"concurrency":1,"rate":{"limit":1,"per":1}}')
SELECT wf_schedule('s','@hourly','job')
SELECT wf_tick()
SELECT wf_define('flow','{"input":{"n":"integer"},"steps":[{"name":"a","sql":"SELECT :n AS n"},{"name":"b","for_each":"VALUES(1),(2)","sql":"SELECT :item, :a"},{"name":"c","sleep":"1h"}]}')
SELECT wf_start('flow','{"n":1}','{"id":"x"}')
SELECT wf_run()
SELECT wf_explain('x')
SELECT wf_pending(), wf_ready(), wf_status('w'), wf_result('w'), wf_error('w'), wf_key('w','a')
SELECT * FROM wf_workflows WHERE status IN ('a','b') AND queue='q' ORDER BY created_at LIMIT 3
SELECT * FROM wf_pending
SELECT * FROM wf_steps
SELECT * FROM wf_failures
SELECT * FROM wf_queues
SELECT * FROM wf_schedules
SELECT * FROM wf_stats
SELECT * FROM wf_doctor
SELECT * FROM wf_functions
SELECT * FROM wf_definitions
SELECT wf_check()
SELECT wf_recover()
SELECT wf_purge('{"older_than":0}')
SELECT wf_delete('w','{"force":true}')
SELECT wf_config('lease','45s')
SELECT wf_wait(0)
""".strip().splitlines()
# What the order of these calls brings about by itself.
EXPECTED = ("WF_LEASED", "WF_STATE", "WF_SUSPENDED", "WF_CONFLICT")


@pytest.fixture
def db():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(extension_path())
    yield db
    db.close()


def unexpected(db):
    errors = []
    for call in CALLS:
        try:
            db.execute(call).fetchall()
        except (sqlite3.Error, MemoryError) as error:
            if not str(error).startswith(EXPECTED):
                errors.append((call, str(error)))
    return errors


def test_the_page_names_every_limit():
    assert len(ENOUGH) == 11


def test_what_the_page_calls_enough_is(db):
    for name, most in ENOUGH.items():
        db.setlimit(getattr(sqlite3, name), most)
    assert unexpected(db) == []


@pytest.mark.parametrize("name", sorted(ENOUGH))
def test_too_low_a_limit_is_an_error_and_loses_nothing(db, name):
    limit = getattr(sqlite3, name)
    db.execute("SELECT wf_start('job', 1, '{\"id\":\"kept\"}')").fetchall()
    db.execute("SELECT wf_step('kept', 'a', 1)").fetchall()
    before = db.getlimit(limit)
    for low in (1, 3, 10, 30, 100):  # with 0 for the length SQLite 3.31 spoils its own memory
        if low >= ENOUGH[name]:
            continue
        db.setlimit(limit, low)
        errors = unexpected(db)
        assert not db.in_transaction, low
        db.setlimit(limit, before)
        assert db.execute("SELECT wf_step('kept', 'a'), wf_check()").fetchall() == [(1, None)], (low, errors)
