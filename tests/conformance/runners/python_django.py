"""Django, on sqlite3 of the standard library."""

import sqlite3

from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler
from protocol import given, main

module = given()[0]
settings.configure(USE_TZ=True)


# [load]
def load(connection, **_):
    connection.connection.enable_load_extension(True)
    connection.connection.load_extension(module)
    connection.connection.enable_load_extension(False)


connection_created.connect(load)  # in the ready() of an AppConfig
# [/load]


def connect(path):
    db = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}})["default"]
    db.ensure_connection()
    return db


def run(db, sql, parameters):
    with db.cursor() as cursor:
        cursor.execute(sql.replace("%", "%%"), parameters)
        return cursor.fetchall()


main(sqlite3.sqlite_version, connect, run, code=lambda error: getattr(error.__cause__, "sqlite_errorcode", "?"))
