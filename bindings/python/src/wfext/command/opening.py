"""Files and filters of a command line; and what its errors mean."""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from typing import IO

from ..view.files import FIRST_MILLIS, LAST_MILLIS, File, NoFile, find_files, now, open_file
from ..view.lists import LIVE, Filter
from .shown import safe

OK, NOT_FOUND, USAGE, LOCKED, REFUSED = range(5)


class Usage(Exception):
    """What was said cannot be done; exit code 2."""


class Missing(Exception):
    """What was asked for is not there; exit code 1."""


def code_of(error: BaseException) -> int:
    """The exit code for an error."""
    from ..errors import Busy, NotFound

    if isinstance(error, (NoFile, NotFound, Missing)):
        return NOT_FOUND
    if isinstance(error, Usage):
        return USAGE
    if isinstance(error, Busy) or (isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) or 0) & 255 in (5, 6)):
        return LOCKED
    return REFUSED


def complain(text: object) -> None:
    print(f"wfext: {safe(text)}", file=sys.stderr)


def read_files(given: argparse.Namespace) -> Iterator[File]:
    """The files of a command that reads, one after the other. One of several that cannot be read is complained about and passed over; `given.worst` is the code for it."""
    paths = find_files(given.file)
    given.many = len(paths) > 1
    given.worst = OK
    for path in paths:
        try:
            file = open_file(path, timeout=given.timeout)
        except (sqlite3.Error, NoFile) as error:
            if not given.many:
                raise
            complain(error if isinstance(error, NoFile) else f"{path}: {error}")
            given.worst = max(given.worst, REFUSED if isinstance(error, NoFile) else code_of(error))  # (1 would say of all of them that it is not there)
            continue
        with file:
            if file.note and not given.json:
                complain(f"{path}: {file.note}")
            try:
                yield file
            except sqlite3.Error as error:
                if not given.many:
                    raise
                complain(f"{path}: {error}")
                given.worst = max(given.worst, code_of(error))


def is_part_of(path: str, *databases: str) -> bool:
    """Whether a path leads to one of these databases, or to a file that SQLite keeps beside it."""
    parts = [each + end for each in databases for end in ("", "-wal", "-shm", "-journal")]
    if not os.path.exists(path):
        return os.path.realpath(path) in map(os.path.realpath, parts)
    return any(os.path.exists(each) and os.path.samefile(path, each) for each in parts)


def write_to(path: str, database: str) -> IO[str]:
    """A text file to write to. Raises Usage for the database itself, and what belongs to it."""
    if is_part_of(path, database):
        raise Usage(f"{path}: is the file that is read, and would be written over")
    return open(path, "w", encoding="utf-8", errors="backslashreplace")


def one_file(given: argparse.Namespace, *, write: bool, create: bool = False) -> File:
    """The file of a command that is about one."""
    file = open_file(given.file, write=write, create=create, timeout=given.timeout)
    if file.note:
        complain(f"{given.file}: {file.note}")
    return file


_duration = re.compile(r"(?=.)(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)


def to_seconds(text: str) -> float | None:
    """A duration such as 90, 30s, 1h30m, 7d in seconds; None: it is none."""
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return float(text)
    found = _duration.fullmatch(text)
    if not found:
        return None
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (86400, 3600, 60, 1)))


def moment(text: str, current: int) -> int:
    """A time in milliseconds: a duration before `current`, or an ISO time (of this machine's zone, unless it says one)."""
    seconds = to_seconds(text)
    try:
        if seconds is not None:
            found = current - round(seconds * 1000)
        else:
            from datetime import datetime

            found = round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError):
        found = None
    if found is None or not FIRST_MILLIS <= found <= LAST_MILLIS:
        raise Usage(f"{text}: a duration such as 30m or 7d (so long ago), or a time such as 2026-11-23T10:00, from 1970 to 9999")
    return found


def filter_of(given: argparse.Namespace, file: File) -> Filter:
    """What the options of a filter say."""
    statuses: list[str] = []
    for each in given.status or []:
        statuses += LIVE if each == "live" else [each]
    since = given.since
    return Filter(
        status=tuple(dict.fromkeys(statuses)), name=given.name, queue=given.queue, version=given.version, worker=given.worker, id_prefix=given.prefix, tag=given.tag, error=given.error,
        since=None if since is None else moment(since, now(file.connection)),
    )  # fmt: skip


def describe(wanted: Filter) -> str:
    """The filter in words."""
    words = [f"status {' or '.join(wanted.status)}"] if wanted.status else []
    words += [f"{label} {value}" for label, value in (("name", wanted.name), ("queue", wanted.queue), ("version", wanted.version), ("worker", wanted.worker)) if value is not None]
    words += [f"{label} {value}" for label, value in (("tag", wanted.tag), ("error", wanted.error)) if value is not None]
    if wanted.id_prefix is not None:
        words.append(f"id {wanted.id_prefix}...")
    if wanted.since is not None:
        from .report import rfc3339

        words.append(f"since {rfc3339(wanted.since)}")
    return ", ".join(words) or "all"


def failed(error: Exception, given: argparse.Namespace) -> int:
    """Says what went wrong, and gives the exit code. What is no error of the file, the engine or the usage is raised again."""
    from ..errors import Busy, Error, translate

    if isinstance(error, UnicodeError):
        error = Usage(f"{repr(error.object)[:80]}: no UTF-8")  # type: ignore[attr-defined]
    elif isinstance(error, RecursionError):
        error = Usage("JSON that is nested too deep")
    found = translate(error)
    if not isinstance(found, (Error, sqlite3.Error, NoFile, Usage, Missing, OSError)) and type(found) is not RuntimeError:  # (that one: this Python loads no extensions)
        raise error
    code = code_of(found)
    text = str(found)
    file = getattr(given, "file", None)
    if isinstance(found, (Busy, sqlite3.Error)) and file:  # (the engine's own errors name what they are about)
        text = f"{file if isinstance(file, str) else ' '.join(file)}: {text}"
    if code == LOCKED:
        text = f"{text}: another connection holds the file (waited {given.timeout:g} s; --timeout waits longer)"
    if getattr(given, "json", False):
        from . import report

        report.emit({"error": text, "exit": code})
    complain(text)
    return code
