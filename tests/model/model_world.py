"""What SQLite promises to several connections of one WAL file, around the model: snapshots, the write lock, undoing.

A transaction that has read sees its snapshot until it ends. One connection at a time writes. Who has a snapshot that is no
longer the newest cannot begin to write. The busy timeout of the test is zero, so that waiting is an error at once.
"""

from dataclasses import dataclass, field

from model_arguments import WfError
from model_state import State


@dataclass
class Connection:
    open: bool = False         # in a transaction
    view: State = None         # its snapshot, once it has read
    version: int = None        # of that snapshot
    writing: bool = False
    savepoints: list = field(default_factory=list)  # (name, copy of the state), outermost first
    begun_by_savepoint: bool = False


class World:
    def __init__(self, model, connections):
        self.model = model
        self.state = State()   # as committed
        self.version = 0
        self.connections = [Connection() for _ in range(connections)]

    def writer(self):
        return next((c for c in self.connections if c.writing), None)

    def locked(self, c):
        """Whether it cannot begin to write now."""
        writer = self.writer()
        return (writer is not None and writer is not c) or (c.view is not None and not c.writing and c.version != self.version)

    def seen(self, c):
        """The state as this connection sees it."""
        return c.view if c.view is not None else self.state

    def pin(self, c):
        """It has read within its transaction."""
        if c.open and c.view is None:
            c.version, c.view = self.version, self.copied(self.state)

    def begin_writing(self, c):
        if self.locked(c):
            raise WfError("BUSY")
        if c.open:
            self.pin(c)
            c.writing = True

    @staticmethod
    def copied(state):
        copy = State()
        copy.become(state.copy())
        return copy

    def call(self, c, function, writes, args):
        """The model's answer to a call on this connection."""
        self.model.locked = self.locked(c)
        self.pin(c)
        self.model.state = self.seen(c)
        try:
            return self.model.call(function, *args)
        finally:
            if writes and not c.open and not self.model.locked:
                self.version += 1  # the test sees to it that there is a commit

    # The caller's transactions

    def begin(self, c, immediate):
        if immediate and self.locked(c):
            raise WfError("BUSY")
        c.open, c.begun_by_savepoint = True, False
        if immediate:
            self.begin_writing(c)

    def commit(self, c):
        if c.writing:
            self.state, self.version = c.view, self.version + 1
        self.rollback(c)

    def rollback(self, c):
        c.open, c.view, c.version, c.writing, c.savepoints = False, None, None, False, []

    def savepoint(self, c, name):
        if not c.open:
            c.open, c.begun_by_savepoint = True, True
        self.pin(c)
        c.savepoints.append((name, c.view.copy()))

    def depth(self, c, name):
        """Where the innermost savepoint of this name is."""
        return max(i for i, (each, _) in enumerate(c.savepoints) if each == name)

    def rollback_to(self, c, name):
        depth = self.depth(c, name)
        c.view.become(c.savepoints[depth][1])
        del c.savepoints[depth + 1:]

    def release(self, c, name):
        depth = self.depth(c, name)
        del c.savepoints[depth:]
        if not c.savepoints and c.begun_by_savepoint:
            self.commit(c)
