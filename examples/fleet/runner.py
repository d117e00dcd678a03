"""One process that serves a folder of many files: one workflow file for each agent, customer or device.

    python3 runner.py agents --library libwfext

    from runner import Job, Runner
    Runner("agents", {"greet": greet}, library="libwfext").run()     # greet(job: Job) -> output

Nothing is open while nothing is to be done: not even one of a thousand files. What wakes the runner:
- the clock: wf_next_due() of each file, which it keeps in memory, and which wf_fleet() keeps in an index beside the folder (a file that may be deleted);
- the folder: another process has written to a file, made one, or moved one here. Linux tells so at once (inotify); elsewhere the folder is looked through
  every second, which costs a few milliseconds, as only what has changed is opened.

It may be killed at any moment: what it knows is in the files. Two runners on one folder do no harm: a claim is one's alone. Python's standard library and the
extension are all it needs.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import ctypes
import ctypes.util
import dataclasses
import datetime
import fnmatch
import heapq
import json
import os
import select
import signal
import sqlite3
import struct
import sys
import threading
import time
from pathlib import Path

PAUSES = [0.001 * 2 ** min(i, 5) for i in range(20)]  # between looks at a file that was just written to: half a second in all
SETTLE = 8                                 # looks in a row that have found nothing new: 0.1 s
BACK_OFF = (1.0, 60.0)                     # seconds, from and to: for a file that wants something which nobody here can do
FRESH = 0.1                                # what was written so shortly ago may be written again and have the same time
SOON = 0.01                                # for a file that was left, as others wait, while somebody was writing to it


class Suspended(Exception):
    """The workflow waits; its function is called again when there is something to go on with."""


class Refused(Exception):
    """The workflow was cancelled, paused, or taken by another: it says so itself."""


class Job:
    """What a function of yours gets: one claim of a workflow, in one file."""

    def __init__(self, db, claim):
        self.db, self.token = db, claim["token"]
        self.id, self.name, self.input, self.attempt = claim["id"], claim["name"], claim["input"], claim["attempt"]

    def _call(self, call, *arguments):
        try:
            return self.db.execute("SELECT " + call, (self.token, *arguments)).fetchone()[0]
        except sqlite3.Error as error:
            if str(error).startswith("WF_"):
                raise Refused(str(error)) from error
            raise

    def step(self, name, function, *arguments):
        """The result of function(*arguments), which is called until it was recorded once."""
        recorded = self._call("wf_step(?, ?)", name)
        if recorded is None:
            recorded = self._call("wf_step(?, ?, ?)", name, json.dumps(function(*arguments)))
        return json.loads(recorded)

    def sleep(self, name, duration):
        if self._call("wf_sleep(?, ?, ?)", name, duration) is None:
            raise Suspended

    def signal(self, name, signal):
        """The payload of the next signal of this name."""
        message = self._call("wf_await(?, ?, ?)", name, signal)
        if message is None:
            raise Suspended
        return json.loads(message)["payload"]


@dataclasses.dataclass
class Served:
    """What became of a file that was served."""

    name: str
    done: int = 0          # how much
    due: float = None      # when it wants something again, in seconds since 1970
    others: bool = False   # what it wants now cannot be done here
    held: bool = False     # somebody was in the middle of a transaction
    quiet: bool = True     # it was left because nothing came any more
    state: tuple = None    # Runner.state() when it was closed, if another write would have another one


class FolderEvents:
    """Names of files in a folder that were written, made, or moved there, as Linux tells them."""

    MASK = 0x2 | 0x80 | 0x100 | 0x200 | 0x800  # written, moved here, made, deleted; the folder itself was moved away
    OVERFLOW, MOVED, IGNORED = 0x4000, 0x800, 0x8000

    def __init__(self, folder):
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        self.ended = False  # the folder is gone: whatever has its name now is not this one
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, os.fsencode(folder), self.MASK) < 0:
            error = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
            self.close()
            raise error

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)

    def read(self):
        """The names; None among them: some were lost."""
        names = set()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.fd, 1 << 16):
                at = 0
                while at < len(data):
                    _, mask, _, size = struct.unpack_from("iIII", data, at)
                    self.ended = self.ended or bool(mask & (self.MOVED | self.IGNORED))
                    names.add(None if mask & (self.OVERFLOW | self.MOVED | self.IGNORED) else os.fsdecode(data[at + 16:at + 16 + size].rstrip(b"\0")))
                    at += 16 + size
        return names


class Runner:
    """Serves the files of `folder` that match `pattern`.

    functions    {name of a workflow: function(Job) -> output}; other workflows are left to others
    most_open    files that are open at once, each in a thread of its own
    index        what wf_fleet keeps; by default beside the folder
    every        seconds between two looks through the folder; with notifications that is only for safety's sake, and 30
    """

    def __init__(self, folder, functions, *, pattern="*.db", library="libwfext", queues=("default",), most_open=16, index=None, every=None, lease=60, notify=True):
        self.folder, self.functions, self.pattern, self.library = Path(folder).resolve(), functions, pattern, library
        self.queues, self.lease, self.most_open = json.dumps(list(queues)), lease, most_open
        self.index = str(index or self.folder.with_name(self.folder.name + ".fleet"))
        self.notify, self.events, self.given_every = notify and sys.platform == "linux", None, every
        self.watch()
        self.alone = self.is_alone()
        self.worker = "fleet" if self.alone else "fleet-%d" % os.getpid()
        self.left = set()                    # files in which a runner of our name, that is no more, holds something
        self.due = {}                        # file: when it wants to be looked at, in seconds since 1970
        self.heap = []                       # (when, file), some of them out of date
        self.seen = {}                       # file: its state when it was closed
        self.failed = collections.Counter()  # file: looks in a row that have found it wanting, and nothing to be done
        self.active = {}                     # file that is being served: the event that says that something has changed
        self.waiting = collections.deque()   # files to be served
        self.lock = threading.Lock()
        self.stopped = False
        self.offset = time.time() - time.monotonic()
        self.counts = collections.Counter()
        self.bell = os.pipe()
        os.set_blocking(self.bell[0], False)
        self.pool = concurrent.futures.ThreadPoolExecutor(most_open)
        self.fleet = self.connect(":memory:")

    def is_alone(self):
        """Whether no other runner of this folder is at work on this machine: then what one of our name holds was left by one that was killed."""
        try:
            import fcntl
            self.lock_file = open(self.index + ".lock", "w")
            fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (ImportError, OSError):
            return False

    def watch(self):
        """Where notifications can be had, from now on; a folder that is not there, or one watch too many, is tried again with each look through it."""
        if self.events and self.events.ended:
            self.events.close()
            self.events = None
        if self.notify and not self.events:
            with contextlib.suppress(OSError):
                self.events = FolderEvents(self.folder)
        self.every = 1 if self.notify and not self.events else self.given_every or (30 if self.events else 1)

    # -- One file -----------------------------------------------------------------------------------------------------

    def connect(self, path):
        uri = path if path == ":memory:" else Path(path).as_uri() + "?mode=rw"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
        try:
            db.enable_load_extension(True)
            db.load_extension(str(self.library))
            db.enable_load_extension(False)
        except BaseException:
            db.close()
            raise
        return db

    def state(self, name):
        """What changes with every write to the file, or None: it is not there."""
        try:
            file = os.stat(self.folder / name)
        except OSError:
            return None
        wal = (0, 0, 0)
        with contextlib.suppress(OSError):
            stat = os.stat(self.folder / (name + "-wal"))
            wal = (stat.st_ino, stat.st_size, stat.st_mtime_ns) if stat.st_size else wal
        return (file.st_ino, file.st_size, file.st_mtime_ns, *wal)

    @staticmethod
    def next_due(db):
        text, = db.execute("SELECT wf_next_due()").fetchone()
        return None if text is None else datetime.datetime.fromisoformat(text + "+00:00").timestamp()

    def work(self, db):
        """Does what the file has for us now; how much, and whether there is more, which is somebody else's."""
        done = 0
        while True:
            due = self.next_due(db)
            if due is None or due > time.time() or self.stopped:
                return done, False                     # nothing was written, in a file that has no workflows either
            moved = db.execute("SELECT wf_run('{\"limit\":100}') + wf_tick()").fetchone()[0]
            options = {"names": list(self.functions), "lease": self.lease}
            claim, = db.execute("SELECT wf_claim(?, ?, ?)", (self.queues, self.worker, json.dumps(options))).fetchone()
            if claim is not None:
                self.call(db, json.loads(claim))
            elif not moved:
                return done, True
            done += 1

    def call(self, db, claim):
        job = Job(db, claim)
        try:
            end = "wf_complete(?, ?)", json.dumps(self.functions[job.name](job))
        except (Suspended, Refused):
            return
        except Exception as error:
            if str(error).startswith("WF_"):
                return
            end = "wf_fail(?, ?)", json.dumps({"code": type(error).__name__, "message": str(error)})
        with contextlib.suppress(Refused):
            job._call(*end)

    @staticmethod
    def no_one_writes(db):
        """Whether nobody is in the middle of a transaction: what is in the files, and what readers see, is the same then. (A commit is written first, then synced, and then
        seen, however long that takes; and only the first of these can be told from outside.)"""
        try:
            db.execute("PRAGMA busy_timeout = 0")
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
            return True
        except sqlite3.OperationalError as refused:
            if "locked" not in str(refused):
                raise
            return False
        finally:
            db.execute("PRAGMA busy_timeout = 5000")

    def serve(self, name, changed):
        """In a thread: opens the file, does what there is, and goes on until it has been quiet for a while, or others want its place."""
        served = Served(name)
        try:
            with contextlib.closing(self.connect(self.folder / name)) as db:
                self.counts["opened"] += 1
                inode = (self.state(name) or [None])[0]
                if name in self.left:                  # the runner that was killed holds nothing any more
                    db.execute("SELECT wf_recover(?)", (json.dumps({"worker": self.worker, "lost": True}),))
                    self.left.discard(name)
                version, quiet, written = None, 0, False
                while True:
                    changed.clear()
                    now, = db.execute("PRAGMA data_version").fetchone()
                    more, others = self.work(db)
                    served.done += more
                    if more or now != version:
                        version, quiet, written = now, 0, written or more
                    if self.stopped or self.waiting or quiet == len(PAUSES):
                        break
                    if changed.wait(PAUSES[quiet]):    # a notification may come before its commit: so all of the looks that follow one follow this one, too
                        quiet = 0
                        if (self.state(name) or [None])[0] != inode:
                            others = False             # another file has its name now
                            break
                    else:
                        quiet += 1
                    if written and quiet == SETTLE:    # early enough that the time of the file says whether somebody has written after us
                        db.execute("PRAGMA busy_timeout = 0")
                        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                        db.execute("PRAGMA busy_timeout = 5000")
                        written = False
                served.quiet = quiet == len(PAUSES)
                before = self.state(name)
                served.held = not self.no_one_writes(db)
                served.due = self.next_due(db)         # (a commit since the last look is no work of somebody else's)
                served.others = others and db.execute("PRAGMA data_version").fetchone()[0] == version
            state = self.state(name)
            if not served.held and state == before and state and state[0] == inode and time.time_ns() - max(state[2], state[5]) > FRESH * 1e9:
                served.state = state
        except sqlite3.Error as error:
            self.counts["errors"] += 1
            if self.failed[name] == 0:
                print("%s: %s" % (name, error), file=sys.stderr, flush=True)
            return Served(name, due=time.time(), others=True, state=self.state(name))
        return served

    # -- All of them --------------------------------------------------------------------------------------------------

    def look_at(self, name, when):
        """The file wants to be looked at, then; None: never, as it is."""
        self.due[name] = when
        if when is not None:
            heapq.heappush(self.heap, (when, name))

    def rows(self):
        """What wf_fleet says, with the index if that can be used: it is written without sync, so a power cut may have broken it."""
        columns, files = "SELECT file, next_due, running FROM ", str(self.folder / self.pattern)
        try:
            return self.fleet.execute(columns + "wf_fleet(?, ?)", (files, self.index)).fetchall()
        except sqlite3.Error as error:
            self.counts["errors"] += 1
            print("%s: %s" % (self.index, error), file=sys.stderr, flush=True)
            if "malformed" in str(error) or "not a database" in str(error):
                with contextlib.suppress(OSError):     # put aside, for it may have been given by mistake
                    os.replace(self.index, self.index + ".damaged")
            return self.fleet.execute(columns + "wf_fleet(?)", (files,)).fetchall()

    def mind_the_clock(self):
        """Where it was set back, what was to be looked at a moment later would be by as much: all is looked at."""
        offset = time.time() - time.monotonic()
        if offset < self.offset - 1:
            self.failed.clear()
            for name in self.due:
                self.look_at(name, 0)
        self.offset = offset

    def look_through(self):
        """All files: only those that have changed are opened, and those that are due."""
        rows = self.rows()
        self.counts["looks"] += 1
        found = set()
        for path, due, running in rows:
            name = os.path.basename(path)
            found.add(name)
            when = None if due is None else datetime.datetime.fromisoformat(due + "+00:00").timestamp()
            if self.alone and running and self.counts["looks"] == 1:
                self.left.add(name)
                when = 0
            known = self.due.get(name, when)           # (it is looked at no later than was known: a notification may have come before its commit)
            if name not in self.due or (name not in self.active and not self.failed[name] and when is not None and (known is None or when < known)):
                self.look_at(name, when)
        for name in [name for name in self.due if name not in found]:
            del self.due[name]
            self.seen.pop(name, None)
            self.failed.pop(name, None)

    def has_changed(self, name):
        """A notification: of a file of ours, or its -wal. What we have written ourselves is known."""
        name = name.removesuffix("-wal").removesuffix("-journal")
        if name.endswith("-shm") or not fnmatch.fnmatch(name, self.pattern):
            return
        if name in self.active:
            self.active[name].set()
        elif self.state(name) not in (None, self.seen.get(name)):
            self.failed.pop(name, None)
            self.look_at(name, 0)

    def begin(self):
        """Hands over what is due, as far as there is room."""
        now = time.time()
        while self.heap and self.heap[0][0] <= now:
            when, name = heapq.heappop(self.heap)
            if self.due.get(name) == when and name not in self.active and name not in self.waiting:
                self.waiting.append(name)
        while self.waiting and len(self.active) < self.most_open:
            name = self.waiting.popleft()
            self.active[name] = threading.Event()
            self.pool.submit(self.serve, name, self.active[name]).add_done_callback(self.ended)
        for name in list(self.active)[:len(self.waiting)]:     # those that have been open the longest give way now, and not after their pause
            self.active[name].set()

    def ended(self, future):
        with self.lock:
            self.results.append(future)
        os.write(self.bell[1], b"!")

    def finish(self):
        """Takes back what was served."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.bell[0], 4096)
        with self.lock:
            results, self.results = self.results, []
        for future in results:
            served = future.result()
            name, due = served.name, served.due
            del self.active[name]
            self.counts["done"] += served.done
            self.seen[name] = served.state
            now = time.time()
            if served.others:                          # another's work, or a damaged file
                self.failed[name] = 1 if served.done else min(self.failed[name] + 1, 20)
                due = now + min((BACK_OFF[0] if served.quiet else SOON) * 2 ** (self.failed[name] - 1), BACK_OFF[1])
            else:
                self.failed.pop(name, None)
            if served.state is None and not served.others:     # it cannot be told yet whether somebody has written
                again = now + (SOON if served.held and not served.quiet else 2 * FRESH)
                due = again if due is None else min(due, again)
            elif served.state is not None and served.state != self.state(name):
                due = now
            self.look_at(name, due)

    def run(self, until=lambda runner: False):
        """Until stop(), or `until` says so."""
        self.results = []
        next_look = 0
        while not self.stopped and not until(self):
            if (began := time.monotonic()) >= next_look:
                self.watch()
                self.look_through()                    # (much is opened where much is due, and then there is better to do)
                took = time.monotonic() - began
                next_look = began + took + max(self.every, 5 * took)
            self.mind_the_clock()
            self.begin()
            wait = next_look - time.monotonic()
            if self.heap:
                wait = min(wait, self.heap[0][0] - time.time())
            ready = select.poll()
            for fd in [self.bell[0]] + ([self.events.fd] if self.events else []):
                ready.register(fd, select.POLLIN)
            ready.poll(max(wait, 0) * 1000)
            self.finish()
            if self.events:
                names = self.events.read()
                if None in names:
                    next_look = 0
                for name in names - {None}:
                    self.has_changed(name)
        self.pool.shutdown()

    def stop(self, *_):
        """What is begun is ended, and then no more is; also for signal.signal()."""
        self.stopped = True
        for event in list(self.active.values()):
            event.set()
        os.write(self.bell[1], b"!")


# ---- As a program ---------------------------------------------------------------------------------------------------

def greet(job):
    greeting = job.step("greeting", lambda: "Hello, %s!" % job.input["name"])
    job.sleep("pause", 0.1)
    return greeting


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--library", default="libwfext", help="the extension")
    parser.add_argument("--pattern", default="*.db")
    parser.add_argument("--open", type=int, default=16, help="files that are open at once")
    parser.add_argument("--functions", default="", help="module:dict with the functions of the workflows; by default 'greet' alone")
    parser.add_argument("--every", type=float, help="seconds between two looks through the folder")
    parser.add_argument("--no-notify", action="store_true", help="do without notifications")
    arguments = parser.parse_args()
    functions = {"greet": greet}
    if arguments.functions:
        import importlib
        module, _, name = arguments.functions.partition(":")
        sys.path.insert(0, os.getcwd())
        functions = getattr(importlib.import_module(module), name)
    runner = Runner(arguments.folder, functions, library=arguments.library, pattern=arguments.pattern, most_open=arguments.open, every=arguments.every, notify=not arguments.no_notify)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, runner.stop)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, lambda *_: print(json.dumps(dict(runner.counts, files=len(runner.due), active=len(runner.active))), flush=True))
    runner.run()


if __name__ == "__main__":
    main()
