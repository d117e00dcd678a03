"""Assertions on the stable error codes."""

import sqlite3
import sys
from contextlib import contextmanager

SQLITE_ERROR = 1
SQLITE_CONSTRAINT_FUNCTION = 19 | (4 << 8)


class Caught:
    text = ""


@contextmanager
def wf_error(code, *mentions):
    """The block raises `code: ...`, names everything in `mentions`, and carries the promised SQLite result code."""
    caught = Caught()
    try:
        yield caught
    except sqlite3.Error as error:
        caught.text = str(error)
        assert caught.text.startswith(code + ": "), "expected %s, got: %s" % (code, caught.text)
        assert len(caught.text) > len(code) + 2, "an empty message: " + caught.text
        for mention in mentions:
            assert str(mention) in caught.text, "the message does not name %r: %s" % (mention, caught.text)
        constraint = code == "WF_CONFLICT"
        assert type(error) is (sqlite3.IntegrityError if constraint else sqlite3.OperationalError)
        if sys.version_info >= (3, 11):
            assert error.sqlite_errorcode == (SQLITE_CONSTRAINT_FUNCTION if constraint else SQLITE_ERROR)
    else:
        raise AssertionError("expected %s, but nothing was raised" % code)


def code(db, sql, *parameters):
    """The code of the error that the statement raises, or None."""
    try:
        db.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        return str(error).split(":")[0]
    return None
