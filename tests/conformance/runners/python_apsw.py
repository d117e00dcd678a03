"""apsw."""

import apsw
from protocol import given, play

module, lines, folder = given()


def connect(path):
    # [load]
    db = apsw.Connection(path)
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
    print(apsw.sqlite_lib_version())
else:
    play(lines, folder, connect, run, close, lambda error: getattr(error, "extendedresult", "?"))
