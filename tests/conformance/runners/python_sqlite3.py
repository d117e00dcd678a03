"""sqlite3 of Python's standard library, or a package that stands in for it."""

import importlib
import os

from protocol import given, main

module = given()[0]
sqlite3 = importlib.import_module(os.environ.get("SQLITE3_MODULE", "sqlite3"))


def connect(path):
    # [load]
    db = sqlite3.connect(path, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(module)
    db.enable_load_extension(False)
    # [/load]
    return db


main(sqlite3.sqlite_version, connect)
