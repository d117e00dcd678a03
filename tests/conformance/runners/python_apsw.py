"""apsw."""

import apsw
from protocol import given, main

module = given()[0]


def connect(path):
    # [load]
    db = apsw.Connection(path)
    db.enable_load_extension(True)
    db.load_extension(module)
    db.enable_load_extension(False)
    # [/load]
    return db


main(apsw.sqlite_lib_version(), connect, code=lambda error: getattr(error, "extendedresult", "?"))
