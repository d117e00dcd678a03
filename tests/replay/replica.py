"""A node of a cluster that repeats each other's calls: executes a log of requests on a file of its own. Its clock is wrong, and runs at another speed.

    replica.py <file> <log> <results> <first> <last> <seconds that its clock is off> <speed of its clock> <instructions between two pauses, 0: none>

A line of the log is a request: {"transaction": bool, "statements": [[sql, [parameters]], ...]}. A line of the results is what came of it. At the end it prints a
digest of all rows of all tables, and wf_digest().
"""

import ctypes
import hashlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import open_database  # noqa: E402

UNIX_EPOCH = 210866760000000  # of the Julian day in milliseconds
CURRENT_TIME, CURRENT_TIME_INT64 = 120, 136  # places in sqlite3_vfs, of 64 bits
KEPT = []


def misset_clock(off, speed):
    """Everything in this process that asks SQLite for the time gets another one: the extension, and date functions."""
    library = ctypes.CDLL("libsqlite3.so.0")
    library.sqlite3_vfs_find.restype = ctypes.c_void_p
    vfs = library.sqlite3_vfs_find(None)
    began = time.time()

    def now():
        return int((began + off + (time.time() - began) * speed) * 1000) + UNIX_EPOCH

    def current(_, out):
        out[0] = now() / 86400000.0
        return 0

    def current64(_, out):
        out[0] = now()
        return 0

    KEPT.append(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_double))(current))
    KEPT.append(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))(current64))
    for place, function in zip((CURRENT_TIME, CURRENT_TIME_INT64), KEPT):
        ctypes.c_void_p.from_address(vfs + place).value = ctypes.cast(function, ctypes.c_void_p).value


def execute(db, request):
    """Results of the statements; an error ends a transaction, and is a result."""
    results = []
    if request["transaction"]:
        db.execute("BEGIN IMMEDIATE")
    for sql, parameters in request["statements"]:
        try:
            results.append(db.execute(sql, parameters).fetchall())
        except Exception as error:  # noqa: BLE001  (whatever it is, every node has to have it)
            results.append("%s: %s" % (type(error).__name__, error))
            if request["transaction"]:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                return results
    if request["transaction"] and db.in_transaction:
        db.execute("COMMIT")
    return results


def shown(results):
    return json.dumps(results, default=lambda blob: blob.hex())


def digest(db):
    """Of every row of every table, and the one that wf_digest() says."""
    whole = hashlib.sha256()
    for table in db.column("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
        whole.update(table.encode())
        for row in sorted(map(repr, db.rows("SELECT * FROM " + table))):
            whole.update(row.encode())
    return "%s %s" % (whole.hexdigest(), db.wf_digest())


def slow_down(db, instructions):
    def pause():
        time.sleep(0.0002)
        return 0

    if instructions:
        db.set_progress_handler(pause, instructions)


def prepare(db):
    db.execute("PRAGMA synchronous = OFF")
    db.create_function("twice", 1, lambda value: None if value is None else 2 * value, deterministic=True)


def main(path, log, results, first, last, off, speed, instructions):
    misset_clock(float(off), float(speed))
    db = open_database(path)
    prepare(db)
    slow_down(db, int(instructions))
    with open(log) as lines, open(results, "w") as out:
        for number, line in enumerate(lines):
            if int(first) <= number < int(last):
                out.write(shown(execute(db, json.loads(line))) + "\n")
    db.set_progress_handler(None, 0)
    print(digest(db))
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
