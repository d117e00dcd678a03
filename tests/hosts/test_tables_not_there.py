"""Every function, and every table, of a file without any of the rare tables gives what it gives where all of them are there, and empty."""

import re
import sqlite3

import pytest
from support import open_database
from test_every_function import CALLS

RARE = [name for name in open_database(":memory:").column("SELECT name FROM pragma_module_list WHERE name GLOB '_wf_*'") if name != "_wf_close_hook"]
SHOWN = [name for name in open_database(":memory:").column("SELECT name FROM pragma_module_list WHERE name GLOB 'wf_[a-z]*' ORDER BY 1")
         if name not in ("wf_fleet", "wf_functions", "wf_doctor")]
LATER = 5000  # seconds: leases, delays and timeouts are over


def masked(value):
    """Without what is random: tokens and ids that were made up."""
    return re.sub(r"run_\w+|[0-9a-f]{8}-[0-9a-f-]{27}", "#", value) if isinstance(value, str) else value


def result(db, sql):
    try:
        return [tuple(map(masked, row)) for row in db.rows(sql)]
    except sqlite3.Error as error:
        return masked(str(error))


def all_of_it(db):
    return {table: result(db, "SELECT * FROM " + table) for table in SHOWN}


def prepared(path, made):
    db = open_database(path)
    db.at(0)
    db.wf_init()
    if made:
        db.make()
    db.execute("CREATE TABLE app(k INTEGER PRIMARY KEY, v)")
    for id in ("w", "p", "x"):
        db.wf_start("job", 1, id=id, timeout="1h", max_attempts=1)
    db.execute("INSERT INTO app VALUES (1, replace(wf_export('x'), '\"id\":\"x\"', '\"id\":\"y\"'))")
    return db, db.claim(id="w")["token"]


@pytest.mark.parametrize("inside", ["SELECT %s", "INSERT INTO app(v) SELECT %s"])
@pytest.mark.parametrize("function", sorted(set(CALLS) - {"wf_sync", "wf_digest"}))
def test_gives_the_same(tmp_path, function, inside):
    ends = []
    for made in (False, True):
        db, token = prepared(tmp_path / ("%d.db" % made), made)
        call = CALLS[function].replace("{t}", "'%s'" % token)
        said = [result(db, inside % call) for _ in range(2)]
        if not made and function != "wf_import":
            assert len(set(db.column("SELECT name FROM sqlite_master WHERE name GLOB '_wf_*' AND type = 'table'")) & set(RARE)) <= 3
        said.append(all_of_it(db))
        said.append(db.wf_check())
        db.at(LATER)
        said += [result(db, "SELECT wf_tick(), wf_ready(), wf_next_due()"), result(db, "SELECT wf_claim()"), all_of_it(db), db.wf_check()]
        ends.append(said)
        db.close()
    assert ends[0] == ends[1]
    assert ends[0][3] is None
