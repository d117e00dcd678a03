"""A call meets an empty file, and another connection makes the tables at any moment of it: the call sees a file without tables, or one with them, and nothing between."""

import sqlite3

import pytest
from support import open_database

CALLS = {
    "wf_start": ("wf_start('job')", None), "wf_claim": ("wf_claim()", None), "wf_step": ("wf_step('w', 's', 1)", "WF_NOT_FOUND"), "wf_step, read": ("wf_step('w', 's')", "WF_NOT_FOUND"),
    "wf_complete": ("wf_complete('w', 1)", "WF_NOT_FOUND"), "wf_status": ("wf_status('w')", None), "wf_result": ("wf_result('w')", None), "wf_get": ("wf_get('w', 'k')", None),
    "wf_set": ("wf_set('w', 'k', 1)", "WF_NOT_FOUND"), "wf_begin": ("wf_begin('w', 's')", "WF_NOT_FOUND"), "wf_ready": ("wf_ready()", None), "wf_tick": ("wf_tick()", None), "wf_emit": ("wf_emit('e', 1)", None),
    "wf_signal": ("wf_signal('w', 'go')", "WF_NOT_FOUND"), "wf_wait": ("wf_wait(0)", None), "wf_export": ("wf_export('w')", None), "wf_key": ("wf_key('w', 's')", "WF_NOT_FOUND"),
    "wf_queue": ("wf_queue('q')", None), "wf_rate": ("wf_rate('r')", None), "wf_config": ("wf_config('clock')", None), "wf_run": ("wf_run()", None), "wf_next_due": ("wf_next_due()", None),
    "wf_digest": ("wf_digest()", None), "wf_check": ("wf_check()", None),
}


def call_while_tables_are_made(path, call, moment, told=lambda asked: None):
    """The error of the call, during which the tables are made when SQLite asks for that time whether to go on. `told`: how often it had asked, as each statement begins."""
    for end in ("", "-wal", "-shm"):
        (path.parent / (path.name + end)).unlink(missing_ok=True)
    mine, other = open_database(path), open_database(path, timeout=0)
    mine.execute("PRAGMA journal_mode = wal")
    other.execute("PRAGMA journal_mode = wal")
    asked = 0

    def look():
        nonlocal asked
        asked += 1
        if asked == moment:
            try:
                other.execute("SELECT wf_init()")
            except sqlite3.OperationalError:
                pass  # the call has the lock, and makes them itself
        return 0

    mine.set_progress_handler(look, 1)
    mine.set_trace_callback(lambda statement: told(asked))
    try:
        mine.execute("SELECT " + call).fetchall()
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        mine.close()
        other.close()


@pytest.mark.parametrize("name", CALLS)
def test_the_tables_are_made_at_any_moment_of_a_call(tmp_path, name):
    call, expected = CALLS[name]
    moments = []
    call_while_tables_are_made(tmp_path / "t.db", call, -1, moments.append)
    assert len(set(moments)) > 3
    for moment in sorted({moment + later for moment in moments[:60] for later in (1, 2)}):
        error = call_while_tables_are_made(tmp_path / "t.db", call, moment)
        assert (error or "").partition(":")[0] == (expected or ""), (moment, error)
