"""sqlite3 of Python's standard library, or a package that stands in for it."""

import importlib
import os

from protocol import given, play

module, lines, folder = given()
sqlite3 = importlib.import_module(os.environ.get("SQLITE3_MODULE", "sqlite3"))


def connect(path):
    # [load]
    db = sqlite3.connect(path, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(module)
    db.enable_load_extension(False)
    # [/load]
    return db


def close(db):
    db.close()


def run(db, sql, parameters):
    return db.execute(sql, parameters).fetchall()


if module == "version":
    print(sqlite3.sqlite_version)
else:
    play(lines, folder, connect, run, close, lambda error: getattr(error, "sqlite_errorcode", "?"))
