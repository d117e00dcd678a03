"""The parts of SQLite's C interface that Python's sqlite3 hides: hooks, settings, closing, who holds which statement.

It binds the same libsqlite3 that Python uses; a second copy in one process would break file locks.
"""

import ctypes
import ctypes.util
import os
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p

import _sqlite3  # noqa: F401  (maps the library)

from support import extension_path

OK, ERROR, BUSY, MISUSE, ROW, DONE = 0, 1, 5, 21, 100, 101
OPEN_READONLY, OPEN_READWRITE, OPEN_CREATE = 1, 2, 4
OPEN_URI, OPEN_NOMUTEX, OPEN_FULLMUTEX = 0x40, 0x8000, 0x10000
DEFENSIVE, ENABLE_TRIGGER, ENABLE_VIEW, DQS_DML, DQS_DDL, TRUSTED_SCHEMA = 1010, 1003, 1015, 1013, 1014, 1017
ENABLE_LOAD_EXTENSION = 1005


def _library():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            name = line.split()[-1]
            if os.path.basename(name).startswith("libsqlite3.so"):
                return ctypes.CDLL(name)
    return ctypes.CDLL(ctypes.util.find_library("sqlite3"))


lib = _library()
for _name, _result, _args in (
    ("sqlite3_open_v2", c_int, (c_char_p, POINTER(c_void_p), c_int, c_char_p)),
    ("sqlite3_close", c_int, (c_void_p,)),
    ("sqlite3_close_v2", c_int, (c_void_p,)),
    ("sqlite3_exec", c_int, (c_void_p, c_char_p, c_void_p, c_void_p, c_void_p)),
    ("sqlite3_prepare_v2", c_int, (c_void_p, c_char_p, c_int, POINTER(c_void_p), c_void_p)),
    ("sqlite3_bind_text", c_int, (c_void_p, c_int, c_char_p, c_int, c_void_p)),
    ("sqlite3_step", c_int, (c_void_p,)),
    ("sqlite3_reset", c_int, (c_void_p,)),
    ("sqlite3_finalize", c_int, (c_void_p,)),
    ("sqlite3_column_text", c_char_p, (c_void_p, c_int)),
    ("sqlite3_column_type", c_int, (c_void_p, c_int)),
    ("sqlite3_column_int64", c_int64, (c_void_p, c_int)),
    ("sqlite3_errmsg", c_char_p, (c_void_p,)),
    ("sqlite3_extended_errcode", c_int, (c_void_p,)),
    ("sqlite3_get_autocommit", c_int, (c_void_p,)),
    ("sqlite3_last_insert_rowid", c_int64, (c_void_p,)),
    ("sqlite3_changes", c_int, (c_void_p,)),
    ("sqlite3_total_changes", c_int, (c_void_p,)),
    ("sqlite3_next_stmt", c_void_p, (c_void_p, c_void_p)),
    ("sqlite3_stmt_busy", c_int, (c_void_p,)),
    ("sqlite3_sql", c_char_p, (c_void_p,)),
    ("sqlite3_busy_timeout", c_int, (c_void_p, c_int)),
    ("sqlite3_busy_handler", c_int, (c_void_p, c_void_p, c_void_p)),
    ("sqlite3_commit_hook", c_void_p, (c_void_p, c_void_p, c_void_p)),
    ("sqlite3_rollback_hook", c_void_p, (c_void_p, c_void_p, c_void_p)),
    ("sqlite3_update_hook", c_void_p, (c_void_p, c_void_p, c_void_p)),
    ("sqlite3_wal_hook", c_void_p, (c_void_p, c_void_p, c_void_p)),
    ("sqlite3_set_authorizer", c_int, (c_void_p, c_void_p, c_void_p)),
    ("sqlite3_progress_handler", None, (c_void_p, c_int, c_void_p, c_void_p)),
    ("sqlite3_trace_v2", c_int, (c_void_p, ctypes.c_uint, c_void_p, c_void_p)),
    ("sqlite3_enable_load_extension", c_int, (c_void_p, c_int)),
    ("sqlite3_load_extension", c_int, (c_void_p, c_char_p, c_char_p, POINTER(c_char_p))),
    ("sqlite3_interrupt", None, (c_void_p,)),
    ("sqlite3_libversion_number", c_int, ()),
    ("sqlite3_threadsafe", c_int, ()),
    ("sqlite3_db_config", c_int, None),
):
    _function = getattr(lib, _name)
    _function.restype = _result
    if _args is not None:
        _function.argtypes = _args

COMMIT_HOOK = CFUNCTYPE(c_int, c_void_p)
ROLLBACK_HOOK = CFUNCTYPE(None, c_void_p)
UPDATE_HOOK = CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p, c_int64)
WAL_HOOK = CFUNCTYPE(c_int, c_void_p, c_void_p, c_char_p, c_int)
AUTHORIZER = CFUNCTYPE(c_int, c_void_p, c_int, c_char_p, c_char_p, c_char_p, c_char_p)
PROGRESS = CFUNCTYPE(c_int, c_void_p)
BUSY_HANDLER = CFUNCTYPE(c_int, c_void_p, c_int)
TRACE = CFUNCTYPE(c_int, ctypes.c_uint, c_void_p, c_void_p, c_void_p)
TRANSIENT = c_void_p(-1)


class Error(Exception):
    def __init__(self, code, message):
        super().__init__(f"{message} ({code})")
        self.code, self.message = code, message


class Db:
    """A connection held by its C pointer."""

    def __init__(self, path, flags=OPEN_READWRITE | OPEN_CREATE | OPEN_FULLMUTEX):
        self.db = c_void_p()
        self.kept = []  # callbacks must outlive their registration
        code = lib.sqlite3_open_v2(str(path).encode(), byref(self.db), flags, None)
        if code != OK:
            self.fail(code)

    def fail(self, code):
        raise Error(lib.sqlite3_extended_errcode(self.db) or code, lib.sqlite3_errmsg(self.db).decode())

    def load(self, entry=None):
        lib.sqlite3_enable_load_extension(self.db, 1)
        message = c_char_p()
        code = lib.sqlite3_load_extension(self.db, extension_path().encode(), entry, byref(message))
        lib.sqlite3_enable_load_extension(self.db, 0)
        if code != OK:
            raise Error(code, (message.value or b"").decode())
        return self

    def prepare(self, sql):
        stmt = c_void_p()
        code = lib.sqlite3_prepare_v2(self.db, sql.encode(), -1, byref(stmt), None)
        if code != OK:
            self.fail(code)
        return stmt

    def rows(self, sql, *args):
        """All rows as tuples of text or None; arguments are text."""
        stmt = self.prepare(sql)
        for i, arg in enumerate(args, 1):
            if arg is not None:
                lib.sqlite3_bind_text(stmt, i, arg.encode(), -1, TRANSIENT)
        found = []
        columns = lib.sqlite3_column_count(stmt)
        while (code := lib.sqlite3_step(stmt)) == ROW:
            cells = (lib.sqlite3_column_text(stmt, i) for i in range(columns))
            found.append(tuple(None if cell is None else cell.decode() for cell in cells))
        if code != DONE:
            error = Error(lib.sqlite3_extended_errcode(self.db), lib.sqlite3_errmsg(self.db).decode())
            lib.sqlite3_finalize(stmt)
            raise error
        lib.sqlite3_finalize(stmt)
        return found

    exec = rows

    def value(self, sql, *args):
        found = self.rows(sql, *args)
        return found[0][0] if found else None

    def autocommit(self):
        return lib.sqlite3_get_autocommit(self.db) != 0

    def config(self, option, value):
        now = c_int(-1)
        code = lib.sqlite3_db_config(self.db, c_int(option), c_int(value), byref(now))
        assert code == OK and now.value == value, (option, code, now.value)

    def statements(self):
        """Every statement of the connection: ours and the module's."""
        found, stmt = [], lib.sqlite3_next_stmt(self.db, None)
        while stmt:
            found.append(stmt)
            stmt = lib.sqlite3_next_stmt(self.db, stmt)
        return found

    def _hook(self, name, kind, function, tag):
        """Registers and returns what the slot held before."""
        callback = kind(function) if function else None
        self.kept.append(callback)
        pointer = ctypes.cast(callback, c_void_p) if callback else None
        return getattr(lib, name)(self.db, pointer, c_void_p(tag))

    def commit_hook(self, function, tag=0):
        return self._hook("sqlite3_commit_hook", COMMIT_HOOK, function and (lambda _: function()), tag)

    def rollback_hook(self, function, tag=0):
        return self._hook("sqlite3_rollback_hook", ROLLBACK_HOOK, function and (lambda _: function()), tag)

    def update_hook(self, function, tag=0):
        return self._hook("sqlite3_update_hook", UPDATE_HOOK, function and (lambda *a: function(*a[1:])), tag)

    def wal_hook(self, function, tag=0):
        return self._hook("sqlite3_wal_hook", WAL_HOOK, function and (lambda *a: function(a[3])), tag)

    def authorizer(self, function):
        return self._hook("sqlite3_set_authorizer", AUTHORIZER, function and (lambda *a: function(*a[1:])), 0)

    def busy_handler(self, function):
        return self._hook("sqlite3_busy_handler", BUSY_HANDLER, function and (lambda _, n: function(n)), 0)

    def progress(self, every, function):
        callback = PROGRESS(lambda _: function())
        self.kept.append(callback)
        lib.sqlite3_progress_handler(self.db, every, ctypes.cast(callback, c_void_p), None)

    def trace(self, function):
        """Calls function(sql) whenever a statement, nested ones included, starts."""
        callback = TRACE(lambda _kind, _context, stmt, _text: function(lib.sqlite3_sql(stmt)) or 0)
        self.kept.append(callback)
        lib.sqlite3_trace_v2(self.db, 1, ctypes.cast(callback, c_void_p), None)

    def close(self):
        return lib.sqlite3_close(self.db)

    def close_v2(self):
        return lib.sqlite3_close_v2(self.db)


lib.sqlite3_column_count.argtypes = (c_void_p,)


def sql_lifecycle(c):
    """Every writing function once, through SQL text alone."""
    c.exec("SELECT wf_start('job', 1, '{\"id\":\"w\"}')")
    token = c.value("SELECT json_extract(wf_claim(NULL, 'me', '{\"id\":\"w\"}'), '$.token')")
    c.exec("SELECT wf_step(?, 'a', '1')", token)
    c.exec("SELECT wf_heartbeat(?, '1h')", token)
    c.exec("SELECT wf_fail(?, 'x', '{\"delay\":0}')", token)
    token = c.value("SELECT json_extract(wf_claim(NULL, 'me', '{\"id\":\"w\"}'), '$.token')")
    c.exec("SELECT wf_complete(?)", token)
    c.exec("SELECT * FROM wf_workflows")
    c.exec("SELECT wf_recover()")
