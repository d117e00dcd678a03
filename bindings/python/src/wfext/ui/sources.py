"""The files that the page shows: found by their patterns, read by a few connections each, watched for changes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import glob
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ..view import files as view
from ..view import fleet

T = TypeVar("T")

READERS = 4  # connections of a file that read at once; who comes then waits
KEPT_FILES = 64  # files whose connections stay open, those used last
SHARED_SECONDS = 2.0  # an answer that costs milliseconds is given to all who ask within that time
SAME_SECONDS = 5.0  # and for so long while the file is the same: what is due is a matter of time, too
LINES_SECONDS = 5.0  # and so are the lines of the list of files
LOOKS_SECONDS = 2.0  # the patterns are looked at again after this long


class Source:
    """One file. Connections are opened when they are wanted, read-only, and kept."""

    def __init__(self, path: str, helpers: concurrent.futures.Executor):
        self.path = path
        self.helpers = helpers
        self._free = threading.BoundedSemaphore(READERS)
        self._idle: list[view.File] = []
        self._lock = threading.Lock()
        self._watch: view.File | None = None
        self._watching = threading.Lock()
        self._born = secrets.token_hex(3)
        self._answers: dict[str, _Answer] = {}
        self._generation = 0  # of the answers: what was asked for in an older one is not kept
        self._asking: dict[str, threading.Lock] = {}
        self._place = view.place_of(path)
        self._age = 0  # of the connections: those of an older one are not kept
        self._closed = False

    @contextlib.contextmanager
    def reader(self) -> Iterator[view.File]:
        """A connection of the caller's own, for a moment. Raises view.NoFile and sqlite3.Error."""
        with self._free:
            with self._lock:
                file = self._idle.pop() if self._idle else None
                age = self._age
            if file is None:
                file = view.open_file(self.path, shared=True, timeout=1)
            sound = False
            try:
                yield file
                sound = True
            except sqlite3.OperationalError as error:
                sound = error.sqlite_errorcode & 255 in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY)
                raise
            finally:
                with self._lock:
                    kept = sound and age == self._age and not self._closed
                    if kept:
                        self._idle.append(file)
                if not kept:
                    file.close()

    def version(self) -> str:
        """Another text once somebody has changed the file. Costs a look at the file's header."""
        with self._watching:
            place = view.place_of(self.path)
            if place != self._place:  # another file has its name (a restore): what is open is the old one
                self._place = place
                self._drop()
            if self._watch is None:
                self._watch = view.open_file(self.path, shared=True, timeout=1)
                self._born = secrets.token_hex(3)
            return f"{self._born}{view.mark(self._watch.connection)}"

    def look(self) -> Look:
        """The file as it is now."""
        return Look(self, self.version())

    def shared(self, name: str, ask: Callable[[sqlite3.Connection], T], version: str, seconds: float) -> tuple[T, bool]:
        """What ask(connection) says, or has said within the last `seconds`; of this version of the file within SAME_SECONDS. And whether it is of this version."""
        with self._lock:
            lock = self._asking.setdefault(name, threading.Lock())
        with lock:
            known = self._answers.get(name)
            age = time.monotonic() - known.at if known else float("inf")
            if known is None or age > (max(SAME_SECONDS, seconds) if known.version == version else seconds):
                began, generation = time.monotonic(), self._generation
                with self.reader() as file:
                    known = _Answer(began, version, ask(file.connection))
                with self._lock:
                    if generation == self._generation:
                        self._answers[name] = known
        answer: T = known.answer
        return answer, known.version == version

    def forget(self) -> None:
        """What was shared is asked again, and so is what somebody is asking just now: after an action, so that who acted sees it."""
        with self._lock:
            self._generation += 1
            self._answers.clear()

    def _drop(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
            self._age += 1
            self._generation += 1
            self._answers.clear()
        for file in [*idle, *([self._watch] if self._watch else [])]:
            file.close()
        self._watch = None

    def close(self) -> None:
        with self._watching:
            self._closed = True
            self._drop()


@dataclasses.dataclass(frozen=True)
class _Answer:
    at: float
    version: str
    answer: Any


class Look:
    """A file at a moment, for one page. `stale`: something was shared that is a little older than the file is."""

    def __init__(self, source: Source, version: str):
        self.source = source
        self.path = source.path
        self.version = version
        self.stale = False
        self.work = 0.0  # seconds on the processor of what was asked beside

    def reader(self) -> contextlib.AbstractContextManager[view.File]:
        return self.source.reader()

    def shared(self, name: str, ask: Callable[[sqlite3.Connection], T], seconds: float = SHARED_SECONDS) -> T:
        """ask(connection), or what it has said to somebody a moment ago: so that ten viewers cost what one does."""
        answer, is_new = self.source.shared(name, ask, self.version, seconds)
        self.stale = self.stale or not is_new
        return answer

    def beside(self, name: str, ask: Callable[[sqlite3.Connection], T], seconds: float = SHARED_SECONDS) -> Callable[[], T]:
        """As `shared`, asked while the page goes on; call what this gives for the answer. (Not while you have a reader: the answer may wait for one.)"""

        def asked() -> tuple[T, float]:
            began = time.thread_time()
            return self.shared(name, ask, seconds), time.thread_time() - began

        coming = self.source.helpers.submit(asked)

        def answer() -> T:
            said, work = coming.result()
            self.work += work
            return said

        return answer


class Sources:
    """All files that the patterns name. A name that they do not is none: no address opens another file."""

    def __init__(self, patterns: Sequence[str]):
        self.patterns = list(patterns)
        self.single = len(self.patterns) == 1 and not glob.has_magic(self.patterns[0])
        self._lock = threading.Lock()
        self._names: list[str] = []
        self._looked = float("-inf")
        self._open: dict[str, Source] = {}
        self._counting = threading.Lock()
        self._helpers = concurrent.futures.ThreadPoolExecutor(READERS, "wfext-ui")
        self._lines: dict[tuple[str, ...], tuple[float, list[fleet.FleetFile]]] = {}

    def names(self) -> list[str]:
        """The files that are there now."""
        if self.single:
            return self.patterns
        with self._lock:
            if time.monotonic() - self._looked > LOOKS_SECONDS:
                found: dict[str, None] = {}
                for pattern in self.patterns:
                    with contextlib.suppress(view.NoFile):  # of this one; what the others name is there
                        found.update(dict.fromkeys(view.find_files([pattern])))
                self._names = list(found)
                self._looked = time.monotonic()
            return self._names

    def get(self, name: str | None) -> Source:
        """The file of that name, without one the only (or first) file. Raises view.NoFile."""
        names = self.names()
        if name is None:
            if not names:
                raise view.NoFile(f"{', '.join(self.patterns)}: no file matches")
            name = names[0]
        elif name not in names:
            raise view.NoFile(f"{name}: no file of this page")
        over: list[Source] = []
        with self._lock:
            source = self._open.pop(name, None) or Source(name, self._helpers)
            self._open[name] = source  # the last one used is the last
            while len(self._open) > KEPT_FILES:
                over.append(self._open.pop(next(iter(self._open))))
        for each in over:
            each.close()
        return source

    def lines(self, names: tuple[str, ...]) -> list[fleet.FleetFile]:
        """A line about each of these files; of a moment ago where somebody else has asked for the same."""
        with self._counting:
            known = self._lines.get(names)
            if known is None or time.monotonic() - known[0] > LINES_SECONDS:
                self._lines = {key: value for key, value in self._lines.items() if time.monotonic() - value[0] <= LINES_SECONDS}
                there = [name for name in names if os.path.exists(name)]
                known = self._lines[names] = (time.monotonic(), fleet.fleet(there, timeout=0.2) if there else [])
            return known[1]

    def close(self) -> None:
        with self._lock:
            sources, self._open = list(self._open.values()), {}
        for each in sources:
            each.close()


def short_name(path: str) -> str:
    """What a heading calls the file: its own name, with the folder where that says more."""
    folder, name = os.path.split(path)
    return f"{os.path.basename(folder)}/{name}" if folder and os.path.basename(folder) not in (".", "") else name
