"""What a file holds, as the model sees it: plain data, copied as a whole where a transaction may be undone."""

import pickle
from dataclasses import dataclass, field, fields

from model_arguments import json_time

TERMINAL = ("completed", "failed", "cancelled")


@dataclass
class Step:
    name: str
    kind: str
    order: int              # recording order within the file
    status: str = "done"    # done error failed waiting begun
    output: object = None
    error: object = None
    attempts: int = 0       # failures, and one more once it is done
    begun_at: int = None
    at: int = None          # recorded, or began to wait
    deadline: int = None    # of a wait: its wake-up or its timeout
    topics: list = None     # what a wait waits for: signals, events, workflow ids
    how: dict = None        # options of a join
    several: list = None    # of wf_wait_any instead of topics and how: steps that are one thing each, their name what the result calls it
    all: bool = False       # all of them are needed
    timeout: int = None     # of wf_wait_any: deadline is also the end of the first sleep
    by: str = None          # the claim that began it; "id" by bare id
    resolved: bool = False  # an operator said retry
    place: int = 0          # recording order within the workflow
    print: tuple = None     # what it was called with, if that was said
    child: int = None       # of a spawn: its child's number; None: it found a stranger
    made: tuple = (None, None)  # the attempt and the worker that recorded, failed or began it

    @property
    def over(self):
        """An output or an error stands, for good."""
        return self.status in ("done", "error")


@dataclass
class Signal:
    name: str
    payload: object
    at: int
    key: str = None
    taken: str = None       # the step that took it
    over: bool = False      # taken in a period that is over: only its key is left


@dataclass
class Workflow:
    seq: int
    id: str
    name: str
    input: object
    queue: str
    created: int
    due: int
    priority: int = 0
    version: str = None
    partition: str = None
    dedup: str = None
    headers: str = None
    manual: bool = False
    cleanup: bool = False
    detached: bool = False
    own_attempts: int = None  # max_attempts, as said at the start
    own_failures: int = None  # max_failures, likewise
    own_backoff: dict = None
    timeout: int = None
    deadline: int = None
    left: int = None          # to the deadline, while it is paused
    status: str = "pending"
    under: str = None         # the status under a pause
    ending: str = None        # the coming status, in the second phase
    token: str = None         # of the current claim; after a cancel, of the claim that was live
    worker: str = None
    lease: int = None         # length of the last lease
    key: str = None           # of the current claim
    attempt: int = 0
    resumed: int = 0
    again: bool = True        # the next claim starts an attempt
    failures: int = 0         # of the workflow itself, in a row since the last recorded step
    failed: int = 0           # failures in all
    lost: int = 0             # leases lost in a row since the last recorded step or wait
    wake: str = "start"       # why it is in line, or was claimed
    again_lost: bool = False  # should this claim be lost, it is not the first one in a row
    begun: bool = False       # recovered as lost: it stands with what was begun, though an attempt is to start
    last: bool = False        # it was released, or recovered once more: it stands behind new work
    closed: tuple = None      # the last closing call: (token or "id", function, result)
    retrying: bool = False    # it waits for its next attempt after a failure
    started: int = None
    attempt_at: int = None
    finished: int = None
    updated: int = None
    output: object = None
    error: object = None
    parent: int = None
    spawned: tuple = None     # of a child: the step of its parent, and the redo number that step had
    scheduled: int = None     # nominal time, if a schedule started it
    redo: dict = field(default_factory=dict)  # step: how often it was dropped
    redo_all: int = 0         # of every step, beside its own
    purged: bool = False      # some of its descendants were purged, and it goes next
    period: int = 1
    first: tuple = None       # the input of the start, once wf_continue has given another
    slot: bool = False        # holds a slot of its queue from the first claim to the end
    steps: dict = field(default_factory=dict)
    signals: list = field(default_factory=list)
    values: dict = field(default_factory=dict)
    streams: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)

    def redo_of(self, step):
        return self.redo_all + self.redo.get(step, 0)

    @property
    def real(self):
        """The status, that under a pause if it is paused."""
        return self.under if self.status == "paused" else self.status

    @property
    def partition_key(self):
        return self.queue, self.priority, self.partition

    @property
    def rank(self):
        """Its place in its partition: what was begun, what is new, what stands behind."""
        if self.claimed:
            return 2 if self.again_lost else 0
        return 1 if self.again and not self.begun else 2 if self.last else 0

    @property
    def over(self):
        return self.status in TERMINAL

    @property
    def claimed(self):
        """There is a current claim, be its lease live or not."""
        return self.token is not None and self.real == "running"

    def live(self, now):
        return self.claimed and self.due > now

    @property
    def wait(self):
        """The first open wait, if there is one."""
        return next(iter(self.waits), None)

    @property
    def waits(self):
        """All that are open: several, if they have kept the claim."""
        return sorted((step for step in self.steps.values() if step.status == "waiting"), key=lambda step: step.order)


@dataclass
class Share:
    at: int
    n: int
    old: bool = False     # it counted no more by some call's time: it may have been cleared away


@dataclass
class Stream:
    items: list = field(default_factory=list)  # (value, at)
    first: int = 0        # the offset of the first of them: what stood before was trimmed
    closed: bool = False
    has_end: bool = False # it was trimmed or closed once

    @property
    def next(self):
        return self.first + len(self.items)


@dataclass
class Schedule:
    name: str
    cron: str
    workflow: str
    input: object
    created: int
    catch_up: str = "last"  # last all skip
    grace: int = 60_000
    overlap: str = "skip"   # skip allow queue
    paused: bool = False
    start: dict = field(default_factory=dict)
    next: int = None        # the first time that is not handled
    last: int = None        # the last one that was started
    skipped: int = 0

    def settings(self):
        return self.cron, self.workflow, self.catch_up, self.grace, self.overlap, self.paused, self.start

    def firing(self, time):
        """The id of the workflow that it starts for a time."""
        return "%s@%s" % (self.name, json_time(time).replace(".000Z", "Z"))


@dataclass
class State:
    workflows: dict = field(default_factory=dict)  # by seq
    deleted: int = 0                               # the highest seq of those that are gone: none is given out again
    left: int = 0                                  # rows of deleted workflows that are not cleared away
    failures: list = field(default_factory=list)   # (seq, attempt, step, worker, error, at)
    events: dict = field(default_factory=dict)     # name: (payload, at)
    queues: dict = field(default_factory=dict)
    rates: dict = field(default_factory=dict)      # of calls: name: (limit, per)
    shares: dict = field(default_factory=dict)     # (name, key): Shares that were given
    schedules: dict = field(default_factory=dict)
    starts: list = field(default_factory=list)     # (queue, at) of claims that started an attempt, for the rate limits
    config: dict = field(default_factory=dict)
    epoch: int = 1
    recovery: str = None                           # the id of the last recovery that had one
    count: int = 0                                 # of step rows so far
    made: bool = False                             # the tables are known to exist
    turn: int = 0                                  # counts what matters to turns
    line: dict = field(default_factory=dict)       # lane: the turn at which it was seen to have something due, as long as it has
    served: dict = field(default_factory=dict)     # partition: the turn of its last claim
    latest: int = 0                                # the latest time of a call
    unsure: set = field(default_factory=set)       # (queue, priority) where clocks have disagreed: turns are times too
    app: list = field(default_factory=list)        # a table of the application

    def copy(self):
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    def become(self, copy):
        other = pickle.loads(copy)
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))
