"""SQLAlchemy, on sqlite3 of the standard library."""

import sqlite3

from protocol import given, main
from sqlalchemy import create_engine, event

module = given()[0]


def connect(path):
    # [load]
    engine = create_engine("sqlite:///" + path, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def load(db, _record):
        db.enable_load_extension(True)
        db.load_extension(module)
        db.enable_load_extension(False)

    # [/load]
    return engine, engine.connect()


def close(pair):
    pair[1].close()
    pair[0].dispose()


def run(pair, sql, parameters):
    result = pair[1].exec_driver_sql(sql, tuple(parameters))
    return result.fetchall() if result.returns_rows else []


main(sqlite3.sqlite_version, connect, run, close, lambda error: getattr(getattr(error, "orig", None), "sqlite_errorcode", "?"))
