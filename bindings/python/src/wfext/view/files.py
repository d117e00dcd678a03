"""Files that are looked at: found by patterns, opened read-only or for writing, and closed without a trace."""

from __future__ import annotations

import contextlib
import glob
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone  # (sqlite3 imports it, too)

from .. import loading

# A query that takes longer is ended, so that none takes 50 ms: what reads for long keeps the WAL from being written back. (The rest is for what happens between two looks at the clock.)
PORTION_SECONDS = 0.04
_STEPS = 2000  # instructions of SQLite between two looks at the clock


class Interrupted(Exception):
    """A query has taken longer than it may."""


class NoFile(Exception):
    """There is no such file, or no file matches the pattern; the text says which."""


def find_files(patterns: Sequence[str]) -> list[str]:
    """The files that paths and patterns ('agents/*.db') name, each once, patterns in the order of names. Raises NoFile for one that names nothing."""
    found: dict[str, None] = {}
    for pattern in patterns:
        if os.path.exists(pattern):
            names = [pattern]
        elif glob.has_magic(pattern):
            names = sorted(name for name in glob.glob(pattern, recursive=True) if os.path.isfile(name) and not name.endswith(("-wal", "-shm", "-journal")))
        else:
            names = []
        if not names:
            raise NoFile(f"{pattern}: no such file" if not glob.has_magic(pattern) else f"{pattern}: no file matches")
        found.update(dict.fromkeys(names))
    return list(found)


def place_of(path: str) -> tuple[int, int]:
    """Another one once another file has the name; (0, 0): there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


class File:
    """An open file: `connection` (of sqlite3, in autocommit, with the extension), `path`, `writable`, and `note`: what is unusual about how it was opened, or None.

    Use it in one thread at a time, and close it, or say `with open_file(...) as file`.
    """

    def __init__(self, path: str, connection: sqlite3.Connection, writable: bool, leaves_wal: bool, place: tuple[int, int], note: str | None):
        self.path = path
        self.connection = connection
        self.writable = writable
        self.note = note
        self._leaves_wal = leaves_wal
        self._place = place

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes it. A reader makes the files -wal and -shm where they are missing, and may not remove them: those that this one has made are removed, unless others use them.

        Where another file has the name now (a restore), they are left alone: what is in the -wal would be written into that one.
        """
        self.connection.close()
        if self._leaves_wal and place_of(self.path) == self._place:
            with contextlib.suppress(sqlite3.Error):
                tidy = sqlite3.connect(_uri(self.path, "rw"), uri=True, isolation_level=None, timeout=0)
                with contextlib.closing(tidy):
                    _look(tidy)


_PLAIN = frozenset(b"/-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _uri(path: str, mode: str) -> str:
    """(pathlib would make it, and take longer to be imported than most queries.)"""
    whole = os.path.abspath(path).replace(os.sep, "/")
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in os.fsencode(whole))
    return f"file:{'' if name.startswith('/') else '/'}{name}?" + ("immutable=1" if mode == "immutable" else f"mode={mode}")


def open_file(path: str, *, write: bool = False, create: bool = False, timeout: float = 5, shared: bool = False) -> File:
    """Opens a file with the extension loaded: read-only by mode=ro, or for writing.

    timeout   seconds to wait for locks, fairly (wf_busy_timeout)
    create    with write: makes the file where there is none
    shared    the connection may be used by several threads, one after the other
    A file in WAL mode that is read-only in a read-only folder, and that nobody has open, is read as one that does not change; `note` says so.
    Raises NoFile, and sqlite3.Error for what is damaged, locked or no database at all: the file is read once.
    """
    if not os.path.exists(path) and not (write and create):
        raise NoFile(f"{path}: no such file")
    if os.path.isdir(path):
        raise NoFile(f"{path}: a folder, and no file")
    place = place_of(path)
    had_wal = os.path.exists(path + "-wal")
    mode = ("rwc" if create else "rw") if write else "ro"
    note = None
    connection = _connect(path, mode, timeout, shared)
    try:
        try:
            _look(connection)
        except sqlite3.OperationalError as error:
            if write:
                raise
            connection.close()
            if error.sqlite_errorcode == _READONLY_ROLLBACK and os.access(path, os.W_OK):
                # Whoever wrote last has died in the middle: the first one who may write takes that back, as any program that opens the file does.
                with contextlib.closing(_connect(path, "rw", timeout, False)) as other:
                    _look(other)
                connection = _connect(path, mode, timeout, shared)
                _look(connection)
            elif error.sqlite_errorcode & 255 in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) and not had_wal and not os.path.exists(path + "-journal"):
                # WAL mode wants to write its index beside the file.
                connection = _connect(path, "immutable", timeout, shared)
                _look(connection)
                note = "the folder cannot be written: read as a file that does not change"
            else:
                raise
        loading.load(connection)
        connection.execute("SELECT wf_busy_timeout(?)", (timeout,)).fetchall()
        if write:
            connection.execute("PRAGMA synchronous = FULL").fetchall()
    except BaseException:
        connection.close()
        raise
    leaves = not write and note is None and not had_wal and os.access(path, os.W_OK) and os.path.exists(path + "-wal")
    return File(path, connection, write, leaves, place, note)


_READONLY_ROLLBACK = sqlite3.SQLITE_READONLY | 3 << 8


def _connect(path: str, mode: str, timeout: float, shared: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(_uri(path, mode), uri=True, isolation_level=None, timeout=timeout, check_same_thread=not shared)
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str:
    """A stored text; what in it is no UTF-8 (rows that were changed by hand) as U+FFFD."""
    return stored.decode("utf-8", "replace")


def _look(connection: sqlite3.Connection) -> None:
    """Reads something, which tells whether it can be read."""
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()


@contextlib.contextmanager
def limited(connection: sqlite3.Connection, seconds: float = PORTION_SECONDS, patience: float = 5) -> Iterator[None]:
    """Ends a query inside that is still at it after `seconds` of work, or `patience` times as long on a machine that has no time for it, with Interrupted. (Rows that have come by then are good.)"""
    work, until = time.thread_time() + seconds, time.monotonic() + patience * seconds
    connection.set_progress_handler(lambda: time.thread_time() > work or time.monotonic() > until, _STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 255 == sqlite3.SQLITE_INTERRUPT:
            raise Interrupted from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def mark(connection: sqlite3.Connection) -> str:
    """A text that is another one once somebody else has changed the file: of this connection, so keep it open."""
    return str(connection.execute("PRAGMA data_version").fetchone()[0])


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether the file holds workflows, or could: the engine has made its tables."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_wf_meta'").fetchone() is not None


def now(connection: sqlite3.Connection) -> int:
    """The time of the file: the system's, unless the file has a clock for tests. Milliseconds since 1970, UTC."""
    moment = to_millis(connection.execute("SELECT wf_clock()").fetchone()[0])
    assert moment is not None
    return moment


def to_millis(text: str | None) -> int | None:
    """A time of the engine's tables ('2026-11-23 10:00:00.000', UTC) in milliseconds since 1970. None for None, and for what is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)


FIRST_MILLIS, LAST_MILLIS = 0, 253_402_300_799_999  # the times that a filter may name: from 1970 to the end of the year 9999


def to_sql_time(millis: int) -> str:
    """The same moment as the engine's tables show it, to compare with their columns."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=millis)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
