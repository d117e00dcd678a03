"""The contract as a plain Python program: an executable specification, no SQL in it.

A function takes the arguments of its SQL namesake, the options as their JSON text, and returns what SQL would return, or
raises WfError. All it knows is in `self.state`. Tokens and generated ids are opaque: `self.hint` holds what the extension
answered to the same call, and the model takes them from there.

This file has the life of a workflow and the service functions; waits, children and intent are in model_waiting, control in
model_control, the limits of queues in model_queues.
"""

import collections
import json
import math

import model_arguments as arg
from model_arguments import WfError, duration, in_json, in_seconds, json_time, options, report, sql_time
from model_control import Control
from model_queues import Queues
from model_schedules import Schedules
from model_state import State, Step, Workflow
from model_waiting import Waiting

READING = {"wf_status", "wf_result", "wf_error", "wf_key", "wf_pending", "wf_ready", "wf_get"}


class Json:
    """A result to be compared as a JSON value."""

    def __init__(self, value):
        self.value = value


class ModelCore:
    json = Json

    def __init__(self):
        self.state = State()
        self.clock = 0        # of the connection that calls
        self.hint = None      # what the extension answered
        self.locked = False   # another connection holds the write lock, or has written since our snapshot
        self.inline = False   # called within a statement that writes
        self.numbers = {}     # token: seq
        self.later = {}       # id of a recovery: how much later its epoch is
        self.periods = {}     # token: the period that it belongs to

    def call(self, function, *args):
        """One call: all of its effect, or none."""
        before, self.now = self.state.copy(), self.clock
        try:
            result = getattr(self, function)(*args)
            self.keep_lines()
            return result
        except WfError as error:
            self.state.become(error.after or before)
            raise

    # What every function does first

    def write(self, given):
        """The arguments are good; now the call takes the write lock. Returns the time of the call."""
        if self.locked:
            raise WfError("BUSY")
        if given["now"] is None and self.state.config.get("clock") == "explicit":
            raise arg.invalid("now is required")
        self.state.made = True
        self.now = self.clock if given["now"] is None else given["now"]
        return self.now

    def at_top_level(self, function):
        if self.inline:
            raise WfError("WF_CONTEXT", function)

    def find(self, handle):
        """The workflow of an id or a token, or None."""
        if arg.is_token(handle):
            return self.state.workflows.get(self.numbers.get(handle))
        return next((w for w in self.state.workflows.values() if w.id == handle), None)

    def load(self, handle, of_any_period=False):
        w = self.find(handle)
        if w is None:
            raise WfError("WF_NOT_FOUND", handle)
        if arg.is_token(handle) and not of_any_period:
            self.of_this_period(handle, w)
        return w

    def of_this_period(self, token, w):
        if self.periods[token] != w.period:
            raise WfError("WF_LEASE_LOST", "a period that is over")

    # Who may do what: the rules of tokens, bare ids, pauses and waits

    @staticmethod
    def made_last_closing(handle, w):
        return w.closed is not None and w.closed[0] == (handle if arg.is_token(handle) else "id")

    def may(self, handle, w, now, act="write"):
        """Raises unless the handle may act: `record` an output that has happened, `complete`, `give back` the claim, or `write` anything else."""
        if arg.is_token(handle):
            self.may_by_token(handle, w, now, act)
        else:
            self.may_by_id(w, now)

    def may_by_token(self, token, w, now, act):
        current = token == w.token
        if w.over:
            if w.status == "cancelled" and current and act == "record":
                return  # it was cancelled in the middle of an effect: what did happen is kept
            raise self.over_error(w)
        if not current:
            if w.real == "waiting" and self.made_last_closing(token, w):
                raise WfError("WF_PAUSED" if w.status == "paused" else "WF_SUSPENDED")
            raise WfError("WF_LEASE_LOST")
        if not w.claimed and act != "record":
            raise WfError("WF_CANCELLED", "to be cleaned up")
        if act == "write" and self.slot_is_lost(w, now):
            raise WfError("WF_LEASE_LOST", "its slot is given away")
        if w.status == "paused" and act in ("write", "give back"):
            raise WfError("WF_PAUSED")

    def may_by_id(self, w, now):
        if w.over:
            raise self.over_error(w)
        if w.real == "pending" and w.due > now:
            raise WfError("WF_STATE", "due_at")
        if w.live(now):
            raise WfError("WF_LEASED")
        if w.status == "paused":
            raise WfError("WF_PAUSED")
        if w.status == "waiting":
            raise WfError("WF_SUSPENDED")

    @staticmethod
    def over_error(w):
        return WfError("WF_CANCELLED" if w.status == "cancelled" else "WF_STATE", w.status)

    # Policy

    def setting(self, w, own, key, default):
        """The workflow's own, else the queue's, else the file's."""
        for value in (own, self.state.queues.get(w.queue, {}).get(key), self.state.config.get(key)):
            if value is not None:
                return value
        return default

    def max_attempts(self, w):
        return self.setting(w, w.own_attempts, "max_attempts", 10)

    def max_failures(self, w):
        return w.own_failures or self.state.config.get("max_failures") or 1000

    def backoff(self, w, failures):
        b = self.setting(w, w.own_backoff, "backoff", arg.DEFAULT_BACKOFF)
        wait = b["initial"]
        for _ in range(failures - 1):
            wait = min(wait * b["factor"], b["max"])
        return round(min(wait, b["max"]))

    def lease(self, w, given):
        return self.setting(w, given, "lease", 30_000)

    # Changes that several functions make

    def note_failure(self, w, error, now, step=None, worker=None, claimed=False):
        self.state.failures.append((w.seq, w.attempt, step, worker, error, now, w.attempt_at if claimed else None))

    def note_lost_lease(self, w, now):
        self.note_failure(w, '{"code":"lease_lost","expired_at":"%s"}' % json_time(w.due), now, worker=w.worker, claimed=True)

    def end_lost_claim(self, handle, w, now):
        """A write by bare id ends an expired claim."""
        if w.claimed and not arg.is_token(handle):
            self.note_lost_lease(w, now)
            w.lost += 1
            w.status, w.token, w.key, w.again, w.retrying, w.updated = "pending", None, None, True, False, now
            self.stands(w, "lost")

    def progress(self, w, step, now):
        """A step or a wait is recorded: it moves to the end, and the row of lost leases is broken."""
        self.state.count += 1
        step.order, step.place, step.at, w.lost, w.again_lost = self.state.count, self.next_place(w), now, 0, False
        if step.kind == "step" and step.status == "done":
            w.failures = 0
        w.steps[step.name] = step

    @staticmethod
    def next_place(w):
        return 1 + max((step.place for step in w.steps.values()), default=0)

    @staticmethod
    def made_by(handle, w):
        return (w.attempt, w.worker) if arg.is_token(handle) else (None, None)

    def record(self, w, name, kind, output, now, handle=None, is_error=False):
        step = w.steps.get(name) or Step(name, kind, 0)
        step.made = self.made_by(handle, w) if handle else step.made
        step.status, step.output, step.error, step.attempts = "done", output, None, step.attempts + 1
        if is_error:
            step.status, step.output, step.error = "error", None, output
        step.deadline = step.topics = None
        self.progress(w, step, now)
        return step

    def back_in_line(self, handle, w, function, due, again, now):
        paused = w.status == "paused"
        w.due, w.token, w.key, w.again, w.updated = due, None, None, again, now
        w.status, w.under = ("paused", "pending") if paused else ("pending", w.under)
        self.close(handle, w, function, "pending")
        self.stands(w, "retry" if function == "wf_fail" else "release", last=not again and not paused)

    def close(self, handle, w, function, result):
        w.closed = (handle if arg.is_token(handle) else "id", function, result)

    def finish(self, w, status, output, error, now, force=False):
        """Ends the workflow, or begins the phase in which it cleans up. Returns the status it has then."""
        if status != "completed" or w.ending is not None:
            self.end_children(w, now, force)
        return self.finish_alone(w, status, output, error, now, force)

    def finish_alone(self, w, status, output, error, now, force):
        keep = w.token if status == "cancelled" and w.live(now) else None
        self.drop_wait(w)
        w.token, w.key, w.under, w.left, w.updated = keep, None, None, None, now
        if status != "completed" and w.cleanup and w.ending is None and not force:
            # In the middle of an effect: when that is recorded, the claim given back, or its lease over.
            due = w.due if keep is not None and self.is_in_effect(w, keep) else now
            w.status, w.due, w.again, w.ending, w.error = "pending", due, True, status, error
            w.failures, w.lost, w.failed, w.deadline, w.retrying = 0, 0, 0, None, False
            self.stands(w, "cleanup")
        else:
            w.status, w.due, w.finished, w.output = w.ending or status, None, now, output
            if w.ending is None and error is not None:
                w.error = error
        if w.over:
            w.slot = False
            self.wake_joins(w, now)
        return w.status

    @staticmethod
    def is_in_effect(w, token):
        return any(step.kind == "step" and step.status == "begun" and not step.resolved and step.by == token for step in w.steps.values())

    def end_wait_for_record(self, handle, w, now, given_back=False):
        """The second phase is due once nothing is left that the claim which was live at the cancel has begun. Whether the handle is that claim."""
        if handle != w.token or w.ending is None or w.status != "pending":
            return False
        if w.due > now and (given_back or not self.is_in_effect(w, handle)):
            w.due, w.updated = now, now
        return True

    def time_out(self, w, now):
        self.finish(w, "failed", None, '{"code":"timeout","deadline_at":"%s"}' % json_time(w.deadline), now)

    def fire_deadlines(self, now, most=math.inf):
        late = [w for w in self.state.workflows.values() if not w.over and w.deadline is not None and w.deadline <= now]
        fired = 0
        for w in sorted(late, key=lambda w: w.deadline):
            # Its parent may have taken it along.
            if fired < most and not w.over and w.deadline is not None:
                self.time_out(w, now)
                fired += 1
        return fired

    def poison(self, w, now):
        self.note_lost_lease(w, now)
        self.finish(w, "failed", None, '{"code":"poison","lost_leases":%d}' % (w.lost + 1), now)

    # wf_start

    def wf_start(self, name, input=None, given=None):
        given = options("wf_start", given)
        name, input = arg.name(name), arg.input_value(input)
        given.exclusive("delay", "at")
        now = self.write(given)
        if given["report"] and isinstance(self.hint, str) and self.hint.startswith("{"):
            self.hint = json.loads(self.hint)["id"]
        before = len(self.state.workflows)
        w = self.start(name, input, given, now)
        outcome = "created" if len(self.state.workflows) > before else "existing"
        if outcome == "existing" and given["if_exists"] in ("replace", "restart"):
            outcome = self.start_again(w, name, input, given, now)
        return Json({"id": w.id, "created": outcome == "created", "outcome": outcome}) if given["report"] else w.id

    @staticmethod
    def is_same_input(w, input):
        return arg.same_value(w.input if w.first is None else w.first[0], input)

    def start(self, name, input, given, now):
        existing = given["id"] and self.find(given["id"])
        if existing:
            if existing.name != name or given["if_exists"] == "fail":
                raise WfError("WF_CONFLICT", "another name, or it may not be there")
            if given["if_exists"] in (None, "same") and not self.is_same_input(existing, input):
                raise WfError("WF_CONFLICT", "another input")
            return existing
        queue = given["queue"] or "default"
        if given["dedup"]:
            for w in self.state.workflows.values():
                if not w.over and (w.queue, w.dedup) == (queue, given["dedup"]):
                    if given["if_exists"] == "fail":
                        raise WfError("WF_CONFLICT", "its dedup key is held")
                    return w
        if given["id"] is None and self.state.config.get("clock") == "explicit":
            raise arg.invalid("id is required")
        seq = max(self.state.deleted, *self.state.workflows, 0) + 1
        due = given["at"] if given["at"] is not None else now + (given["delay"] or 0)
        w = Workflow(seq, given["id"] or str(self.hint), name, input, queue, created=now, due=due, updated=now)
        w.priority = given["priority"] or 0
        w.version, w.partition, w.dedup, w.headers = given["version"], given["partition"], given["dedup"], given["headers"]
        w.manual, w.cleanup, w.detached = bool(given["manual"]), bool(given["cleanup"]), bool(given["detached"])
        w.own_attempts, w.own_backoff, w.timeout = given["max_attempts"], given["backoff"], given["timeout"]
        w.own_failures = given["max_failures"]
        w.tags = dict(given["tags"] or {})
        if w.timeout is not None:
            w.deadline = due + w.timeout
        self.state.workflows[seq] = w
        return w

    def start_again(self, w, name, input, given, now):
        """The option if_exists: it is there, and is to be replaced or restarted."""
        if w.name != name:
            raise WfError("WF_CONFLICT", "another name")
        if given["if_exists"] == "restart":
            fits = w.over
        else:
            fits = w.real == "pending" and w.started is None and w.closed is None and not w.steps and w.ending is None
        if not fits:
            if not self.is_same_input(w, input):
                raise WfError("WF_STATE", w.status)
            return "existing"
        if w.over:
            self.is_whole(w)
            rivals = [o for o in self.state.workflows.values() if not o.over and o.dedup is not None and (o.queue, o.dedup) == (w.queue, w.dedup)]
            if rivals:
                raise WfError("WF_CONFLICT", "its dedup key is held")
            if any(step.status == "begun" for step in w.steps.values()):
                raise WfError("WF_STATE", "a step was begun")
            self.drop_history(w, now)
            w.output, w.finished, w.ending, w.token = None, None, None, None
            w.status, outcome = "pending", "restarted"
        else:
            outcome = "replaced"
        w.input, w.first, w.closed, w.key, w.again, w.updated = input, None, None, None, True, now
        for key in ("version", "priority", "headers", "timeout", "tags"):
            if given[key] is not None:
                setattr(w, key, given[key])
        for key, own in (("max_attempts", "own_attempts"), ("max_failures", "own_failures"), ("backoff", "own_backoff")):
            if given[key] is not None:
                setattr(w, own, given[key])
        w.due = given["at"] if given["at"] is not None else now + (given["delay"] or 0)
        deadline = None if w.timeout is None else w.due + w.timeout
        w.deadline, w.left = (None, deadline and deadline - now) if w.status == "paused" else (deadline, None)
        self.stands(w, "start")
        return outcome

    # wf_claim

    def wf_claim(self, queue=None, worker=None, given=None):
        self.at_top_level("wf_claim")
        given = options("wf_claim", given)
        queues = self.queues(queue)
        worker = arg.optional_name(worker)
        given.exclusive("key", "limit")
        now = self.write(given)
        self.fire_deadlines(now)
        self.fire_schedules(now)
        self.hints, self.hinted, self.taken = self.hinted_tokens(), self.hinted_ids(), 0
        held = given["key"] and self.claim_under(given["key"])
        renewed = held and self.due_work_stands(self.renew, held, given, now)
        if renewed:
            return Json(renewed)
        if given["id"]:
            w = self.due_work_stands(self.claim_id, given, worker, now)
            claims = [self.show(w, given)] if w else []
        else:
            claims = []
            while len(claims) < (given["limit"] or 1):
                w = self.claim_next(queues, given, worker, now)
                if w is None:
                    break
                claims.append(self.show(w, given))
        if not claims:
            return None
        return Json(claims if given["limit"] else claims[0])

    def due_work_stands(self, function, *args):
        """A claim that is refused leaves done what time had made due, also the end of the very workflow that was asked for."""
        try:
            return function(*args)
        except WfError as error:
            error.after = self.state.copy()
            raise

    @staticmethod
    def queues(queue):
        if queue is None:
            return ["default"]
        if not isinstance(queue, str) or not queue.startswith("["):
            return [arg.name(queue)]
        if not arg.is_json(queue) or not json.loads(queue):
            raise arg.invalid("queue")
        return [arg.name(each) for each in json.loads(queue)]

    def hinted_tokens(self):
        try:
            claims = json.loads(self.hint)
        except (TypeError, ValueError):
            return iter(())
        return iter([claim["token"] for claim in (claims if isinstance(claims, list) else [claims])])

    def hinted_ids(self):
        try:
            claims = json.loads(self.hint)
        except (TypeError, ValueError):
            return []
        return [claim["id"] for claim in (claims if isinstance(claims, list) else [claims])]

    def claim_under(self, key):
        return next((w for w in self.state.workflows.values() if w.key == key and w.claimed and w.status == "running"), None)

    def renew(self, w, given, now):
        """The claim under this key again."""
        if given["id"] and given["id"] != w.id:
            other = self.load(given["id"])
            if other.over or other.live(now):
                self.may_by_id(other, now)
            raise WfError("WF_CONFLICT", "the key holds another claim")
        lease = self.lease(w, given["lease"])
        if now + lease > w.due:
            if self.slot_is_lost(w, now):
                return None
            w.due, w.lease, w.updated = now + lease, lease, now
        return self.show(w, given)

    def claimable(self, w, now):
        """Whether a claim by id may take it, were it not for its state: what is not due is not there."""
        return w.due is not None and w.due <= now

    def claim_id(self, given, worker, now):
        w = self.load(given["id"])
        while True:
            if not w.over:
                if w.live(now):
                    raise WfError("WF_LEASED")
                if w.status == "paused":
                    raise WfError("WF_PAUSED")
                if not self.claimable(w, now):
                    return None
            else:
                raise self.over_error(w)
            if self.take(w, given, worker, now):
                return w

    def offered(self, w, now):
        """Whether a claim comes to it by itself."""
        return self.is_offered(w, now) and self.refusal(w, now) is None

    @staticmethod
    def is_offered(w, now):
        return (not w.over and w.status != "paused" and not w.manual and w.due is not None and w.due <= now
                and (w.deadline is None or w.deadline > now))

    def may_be_ready(self, w, now):
        return self.is_offered(w, now) and self.would_be_taken(w, now)

    def counts_as_ready(self, w, now):
        """What a claim looks at, but for what it would fail instead of taking it."""
        return self.offered(w, now) and self.would_be_taken(w, now)

    def would_be_taken(self, w, now):
        """And not put back, nor ended for having lost too many leases."""
        return not self.in_vain(w, now) and (bool(w.waits) or not self.is_poisoned(w, now))

    def claim_next(self, queues, given, worker, now):
        while True:
            candidates = [
                w for w in self.state.workflows.values()
                if w.queue in queues and self.offered(w, now) and self.refusal(w, now, (worker,)) is None
                and (given["names"] is None or w.name in given["names"])
                and (given["versions"] is None or w.version is None or w.version in given["versions"])
            ]
            if not candidates:
                return None
            w = self.first(candidates)
            if self.take(w, given, worker, now):
                return w

    def first(self, candidates):
        """Priority, then the turn of the partition within its queue, then rank, due time, start order. What is known of turns: a partition that
        has had something in line ever since another was served comes before that one. For the rest the extension decides."""
        best = max(w.priority for w in candidates)
        order = lambda w: (w.rank, w.due, w.seq)
        queues = {}
        for w in candidates:
            if w.priority == best:
                queues.setdefault(w.queue, {}).setdefault(w.partition_key, []).append(w)
        choices = []
        for partitions in queues.values():
            firsts = {key: min(group, key=order) for key, group in partitions.items()}
            since = {key: max(self.state.served.get(key, 0), min(seen, default=math.inf)) for key in firsts
                     for seen in [[at for lane, at in self.state.line.items() if lane[:3] == key]]}
            choices.append([w for key, w in firsts.items() if key[:2] in self.state.unsure or self.now < self.state.latest
                            or all(since[other] >= self.state.served.get(key, 0) for other in firsts if other != key)])
        for w in sum(choices, []):
            if w.claimed and w.waits and w.id in self.put_to_wait:
                return w  # the extension has come to it
        hinted = self.hinted[self.taken] if self.taken < len(self.hinted) else None
        for choice in choices:
            for w in choice:
                if w.id == hinted and all(other is choice or order(w) <= max(map(order, other)) for other in choices):
                    return w
        return min((min(choice, key=order) for choice in choices), key=order)

    def keep_lines(self):
        """Which lanes have something due now, by the clock of the call."""
        self.state.turn += 1
        due = {(*w.partition_key, w.name, w.version) for w in self.state.workflows.values()
               if not w.over and w.status != "paused" and not w.manual and w.due is not None and w.due <= self.now}
        live = {w.partition_key[:2] for w in self.state.workflows.values() if not w.over}
        self.state.unsure = live if self.now < self.state.latest else self.state.unsure & live
        self.state.latest = max(self.state.latest, self.now)
        self.state.line = {lane: self.state.line.get(lane, self.state.turn) for lane in due}

    @staticmethod
    def stands(w, why, last=False):
        """It is in line, for that reason."""
        w.wake, w.last, w.again_lost, w.begun = why, last, False, False

    def take(self, w, given, worker, now):
        """Leases it. False: too many leases were lost, and it has failed instead."""
        if w.claimed and w.waits:
            self.suspend(w.token, w, None, now, "wf_release")  # no loss
        again = w.again or w.claimed
        if w.claimed:
            if w.lost + 1 >= self.max_attempts(w):
                self.poison(w, now)
                return False
            self.note_lost_lease(w, now)
            w.lost, w.wake = w.lost + 1, "lost"
        if w.status == "waiting" and not self.decide(w, now):
            return False
        self.admit(w, again, now)
        w.attempt, w.resumed = w.attempt + again, w.resumed + (not again)
        w.status, w.again, w.retrying, w.begun = "running", False, False, False
        w.again_lost = w.lost > 0 or w.wake == "recover"
        self.state.turn += 1
        self.state.served[w.partition_key] = self.state.turn
        self.taken += 1
        for other in self.state.workflows.values():
            if given["key"] and other.key == given["key"]:
                other.key = None
        w.lease, w.worker, w.key = self.lease(w, given["lease"]), worker, given["key"]
        w.token, w.due, w.updated = next(self.hints, "run_?"), now + w.lease, now
        if w.started is None:
            w.started = now
        if again:
            w.attempt_at = now
        self.numbers[w.token], self.periods[w.token] = w.seq, w.period
        return True

    @staticmethod
    def shown_step(step):
        shown = {"seq": step.place, "name": step.name, "kind": step.kind, "status": step.status}
        if step.status == "done":
            shown["output"] = json_time(step.deadline) if step.kind == "sleep" else in_json(step.output)
        elif step.status in ("failed", "error"):
            shown["error"], shown["attempts"] = in_json(step.error), step.attempts
        if step.print:
            shown["hash"] = step.print
        return shown

    def show(self, w, given):
        parent = self.state.workflows.get(w.parent)
        claim = {
            "token": w.token, "id": w.id, "name": w.name, "input": in_json(w.input), "attempt": w.attempt, "resumed": w.resumed,
            "ending": w.ending, "queue": w.queue, "priority": w.priority, "worker": w.worker, "lease_expires_at": json_time(w.due),
            "deadline_at": json_time(w.deadline), "version": w.version, "headers": w.headers and json.loads(w.headers),
            "parent": parent and parent.id, "scheduled_at": json_time(w.scheduled), "wake": w.wake,
        }
        if given["steps"]:
            claim["steps"] = [self.shown_step(step) for step in sorted(w.steps.values(), key=lambda step: step.order)]
            claim["steps_more"] = False
        return claim

    # wf_step

    @staticmethod
    def only_reads(args):
        """A wf_step without an output, or with NULL and values."""
        if len(args) == 2:
            return True
        try:
            return args[2] is None and bool(options("wf_step", args[3] if len(args) > 3 else None)["values"])
        except WfError:
            return False

    def wf_step(self, handle, step, *rest):
        given = options("wf_step", rest[1] if len(rest) > 1 else None)
        handle, name, print = arg.handle(handle), arg.name(step), given.print
        if not self.only_reads((handle, step, *rest)):
            return self.record_step(handle, name, report(rest[0]), given)
        if given["error"] or given["once"] or given["cleanup"]:
            raise arg.invalid("it only reads")
        w = self.load(handle)
        step = w.steps.get(name)
        self.of_print(step, print)
        if step and step.over:
            return self.what_stands(step, given)
        now = self.clock if given["now"] is None else given["now"]
        self.may(handle, w, 2**60 if given["now"] is None and self.state.config.get("clock") == "explicit" else now)
        self.of_kind(step, "step")
        return None

    def what_stands(self, step, given):
        if step.status == "done":
            return step.output
        if not given["values"]:
            raise WfError("WF_STEP_FAILED", step.error)
        return Json({"error": in_json(step.error)})

    @staticmethod
    def of_print(step, print):
        """It is called with what it was called with before, as far as both is known."""
        if step and print and step.print not in (None, print):
            raise WfError("WF_NONDETERMINISM", "it was called with something else")

    @staticmethod
    def of_kind(step, kind):
        if step and step.kind != kind:
            raise WfError("WF_NONDETERMINISM", step.kind)

    def record_step(self, handle, name, output, given):
        now = self.write(given)
        w = self.load(handle)
        step = w.steps.get(name)
        done = step and step.kind == "step" and step.over
        # What a claim has begun it may record while the workflow waits, until the next claim.
        begun = (step and step.kind == "step" and step.status == "begun" and not step.resolved and w.real == "waiting" and self.made_last_closing(handle, w)
                 and step.by == (handle if arg.is_token(handle) else "id"))
        if not begun and not (done and self.may_repeat(handle, w)):
            self.may(handle, w, now, "record")
        self.of_kind(step, "step")
        self.of_print(step, given.print)
        if done:
            if given["once"]:
                raise WfError("WF_CONFLICT", "recorded already")
            result = self.what_stands(step, given)
            self.cleans_up(handle, w, given["cleanup"], now)
            return result
        self.end_lost_claim(handle, w, now)
        self.cleans_up(handle, w, given["cleanup"], now)
        step = self.record(w, name, "step", output, now, handle, bool(given["error"]))
        step.print = given.print or step.print
        if not self.end_wait_for_record(handle, w, now):
            self.renew_late(handle, w, now)
        return Json({"error": in_json(output)}) if given["error"] and given["values"] else output

    @staticmethod
    def cleans_up(handle, w, cleanup, now):
        """Its code says that it ends in two phases."""
        if cleanup and not w.over and not w.cleanup and handle in (w.id, w.token):
            w.cleanup, w.updated = True, now

    def renew_late(self, handle, w, now):
        """Whoever records something keeps the lease, once under half of it is left."""
        if handle == w.token and w.status == "running" and w.due - now < w.lease / 2 and not self.slot_is_lost(w, now):
            w.due, w.updated = now + w.lease, now

    def may_repeat(self, handle, w):
        """What is recorded is given again to who may have recorded it, also when nothing new may be."""
        return w.status in ("completed", "failed", "waiting") and (not arg.is_token(handle) or self.made_last_closing(handle, w))

    # Closing calls

    def repeated(self, handle, w, function, now):
        """What this closing call returned when the same handle made it before, or None."""
        if not self.made_last_closing(handle, w) or w.closed[1] != function or handle == w.token:
            return None
        result = w.closed[2]
        if arg.is_token(handle) or (w.status == result and (w.over or w.due > now)):
            return result
        return None

    def wf_complete(self, handle, output=None, given=None):
        given = options("wf_complete", given)
        handle, output = arg.handle(handle), report(output)
        now = self.write(given)
        w = self.load(handle)
        before = self.repeated(handle, w, "wf_complete", now)
        if before:
            return before
        if w.status == "completed" and (not arg.is_token(handle) or self.made_last_closing(handle, w)):
            return "completed"
        self.may(handle, w, now, "complete")
        self.end_lost_claim(handle, w, now)
        result = self.finish(w, "completed", output, None, now)
        self.close(handle, w, "wf_complete", result)
        return result

    def wf_continue(self, handle, input=None, given=None):
        self.at_top_level("wf_continue")
        given = options("wf_continue", given)
        handle, new = arg.handle(handle), input is not None
        input = arg.input_value(input)
        by_token = arg.is_token(handle)
        if not by_token and given["period"] is None:
            raise arg.invalid("period is required")
        now = self.write(given)
        w = self.load(handle, of_any_period=True)
        if not by_token and given["period"] < w.period:
            return "pending"
        if by_token and handle != w.token and self.made_last_closing(handle, w) and w.closed[1] == "wf_continue":
            return "pending"
        if by_token:
            self.of_this_period(handle, w)
        self.may(handle, w, now, "give back")
        if w.ending or (given["period"] or w.period) != w.period or any(step.status == "begun" for step in w.steps.values()):
            raise WfError("WF_STATE")
        self.drop_history(w, now)
        if given["streams"] is False:
            w.streams = {}
        if new:
            w.first, w.input = w.first or (w.input,), input
        for key in ("version", "priority", "headers", "timeout"):
            if given[key] is not None:
                setattr(w, key, given[key])
        self.back_in_line(handle, w, "wf_continue", now + (given["delay"] or 0), True, now)
        self.stands(w, "start")
        w.deadline = None if w.timeout is None else w.due + w.timeout
        return "pending"

    def drop_history(self, w, now):
        """What a period leaves nothing of."""
        for stream in w.streams.values():
            stream.closed = False
        self.end_children(w, now, False)
        for child in self.state.workflows.values():
            if child.parent == w.seq and child.over:
                child.parent = None
        w.steps, w.signals = {}, [s for s in w.signals if s.taken is None or s.key is not None]
        for signal in w.signals:
            signal.over = signal.taken is not None
            signal.taken = signal.taken and 0
        self.state.failures = [failure for failure in self.state.failures if failure[0] != w.seq]
        w.failures, w.lost, w.failed, w.started, w.attempt_at, w.error, w.slot, w.retrying = 0, 0, 0, None, None, None, False, False
        w.period, w.redo_all, w.redo = w.period + 1, w.redo_all + 1 + max(w.redo.values(), default=0), {}

    def wf_fail(self, handle, error, given=None):
        given = options("wf_fail", given)
        handle, error = arg.handle(handle), report(error)
        given.exclusive("delay", "at")
        if given["max_attempts"] and not given["step"]:
            raise arg.invalid("max_attempts belongs to a step")
        if given["keep"]:
            return self.fail_keeping(handle, error, given)
        now = self.write(given)
        w = self.load(handle)
        before = self.repeated(handle, w, "wf_fail", now)
        if before:
            return before
        self.may(handle, w, now, "give back")
        worker = w.worker if arg.is_token(handle) else None
        self.end_lost_claim(handle, w, now)
        if given["step"]:
            failures = self.fail_step(handle, w, given["step"], error, now)
            allowed = given["max_attempts"] or self.max_attempts(w)
        else:
            failures = w.failures + 1
            allowed = self.max_attempts(w)
        self.note_failure(w, error, now, given["step"], worker, arg.is_token(handle))
        due = self.asked_due(given, now, now + self.backoff(w, failures))
        too_late = w.deadline is not None and due >= w.deadline
        if given["retry"] is False or failures >= allowed or w.failed + 1 >= self.max_failures(w) or too_late:
            result = self.finish(w, "failed", None, error, now)
            self.close(handle, w, "wf_fail", result)
            return result
        w.failed += 1
        if not given["step"]:
            w.failures = failures
        self.back_in_line(handle, w, "wf_fail", due, True, now)
        w.retrying = True
        return "pending"

    def fail_keeping(self, handle, error, given):
        """A failure of a step after which the claim goes on."""
        if not given["step"] or given["retry"] is False:
            raise arg.invalid("keep belongs to a step that is tried again")
        now = self.write(given)
        w = self.load(handle)
        self.may(handle, w, now)
        worker = w.worker if arg.is_token(handle) else None
        self.end_lost_claim(handle, w, now)
        failures = self.fail_step(handle, w, given["step"], error, now)
        due = self.asked_due(given, now, now + self.backoff(w, failures))
        too_late = w.deadline is not None and due >= w.deadline
        if failures >= (given["max_attempts"] or self.max_attempts(w)) or w.failed + 1 >= self.max_failures(w) or too_late:
            raise WfError("WF_STATE", "there is no next try")
        self.note_failure(w, error, now, given["step"], worker, arg.is_token(handle))
        w.failed, w.updated = w.failed + 1, now
        self.renew_late(handle, w, now)
        return Json({"failures": failures, "pause": in_seconds(due - now)})

    @staticmethod
    def asked_due(given, now, otherwise):
        if given["at"] is not None:
            return max(given["at"], now)
        return otherwise if given["delay"] is None else now + given["delay"]

    def fail_step(self, handle, w, name, error, now):
        step = w.steps.get(name)
        self.of_kind(step, "step")
        if step is None:
            self.state.count += 1
            step = w.steps[name] = Step(name, "step", self.state.count, place=self.next_place(w))
        elif step.over:
            raise WfError("WF_STATE", "recorded already")
        step.status, step.error, step.begun_at, step.by, step.made = "failed", error, None, None, self.made_by(handle, w)
        step.attempts += 1
        return step.attempts

    def wf_release(self, handle, given=None):
        given = options("wf_release", given)
        handle = arg.handle(handle)
        given.exclusive("delay", "at")
        now = self.write(given)
        w = self.load(handle)
        if self.repeated(handle, w, "wf_release", now):
            return 1
        if self.end_wait_for_record(handle, w, now, True):
            return 1
        self.may(handle, w, now, "release")
        if arg.is_token(handle) and given["at"] is None and given["delay"] is None and w.waits:
            self.suspend(handle, w, None, now, "wf_release")
            return 1
        self.end_lost_claim(handle, w, now)
        due = self.asked_due(given, now, now)
        self.back_in_line(handle, w, "wf_release", due, not arg.is_token(handle) and w.again, now)
        w.retrying = False
        return 1

    def wf_heartbeat(self, handle, length=None, given=None):
        given = options("wf_heartbeat", given)
        if length is not None:
            length = duration(length)
            if length == 0:
                raise arg.invalid("duration")
        if isinstance(handle, str) and handle.startswith("["):
            tokens = json.loads(handle) if arg.is_json(handle) else [None]
            for token in tokens:
                if not arg.is_token(arg.handle(token)):
                    raise arg.invalid("a token is needed")
            now = self.write(given)
            return Json([self.beat_or_why(token, length, now) for token in tokens])
        if not arg.is_token(arg.handle(handle)):
            raise arg.invalid("a token is needed")
        return sql_time(self.beat(handle, length, self.write(given)))

    def beat(self, token, length, now):
        w = self.load(token)
        self.may(token, w, now)
        expiry = now + (length or w.lease)
        if expiry > w.due:
            w.due, w.updated = expiry, now
        return w.due

    def beat_or_why(self, token, length, now):
        try:
            return json_time(self.beat(token, length, now))
        except WfError as error:
            return {"code": error.code}

    # Reading

    def wf_status(self, id):
        w = self.find(arg.handle(id))
        return w and w.status

    def wf_result(self, id):
        w = self.find(arg.handle(id))
        return w.output if w and w.status == "completed" else None

    def wf_error(self, id):
        w = self.find(arg.handle(id))
        if not w or w.status not in ("failed", "cancelled"):
            return None
        return w.error

    def shown_error(self, w):
        """While a retry is pending it is the last one."""
        if w.error is None and w.real == "pending" and w.ending is None and w.closed and w.closed[1:] == ("wf_fail", "pending"):
            return as_text(next(error for seq, _, _, _, error, *_ in reversed(self.state.failures) if seq == w.seq))
        return w.error

    def wf_key(self, handle, step):
        handle, step = arg.handle(handle), arg.name(step)
        w = self.load(handle)
        return ("key", w.id, step, w.redo_of(step))  # any text, the same for the same three

    def wf_pending(self, queue=None):
        queue = arg.optional_name(queue)
        return sum(not w.over and queue in (None, w.queue) for w in self.state.workflows.values())

    query_only = False  # whether the connection that asks cannot write

    def wf_ready(self, queue=None):
        queue = arg.optional_name(queue)
        if self.state.config.get("clock") == "explicit" and not self.query_only:
            raise arg.invalid("now is required on a connection that can write")
        ready = [w for w in self.state.workflows.values() if queue in (None, w.queue) and self.may_be_ready(w, self.clock)]
        return sum(self.together(name, [w for w in ready if w.queue == name], self.clock) for name in {w.queue for w in ready})

    # Service

    def wf_init(self):
        self.at_top_level("wf_init")
        self.write(arg.Options(now=0))
        return 1

    def wf_recover(self, given=None):
        self.at_top_level("wf_recover")
        given = options("wf_recover", given)
        now = self.write(given)
        if given["worker"] is None:
            if given["id"] is None and self.state.config.get("clock") == "explicit":
                raise arg.invalid("id is required")
            if given["id"] is not None and given["id"] == self.state.recovery:
                return Json({"epoch": self.state.epoch, "leases_voided": 0, "in_doubt": self.count_in_doubt()})
        voided = 0
        for w in self.state.workflows.values():
            if w.token is None or given["worker"] not in (None, w.worker):
                continue
            voided += self.lose(w, now) if given["lost"] else self.void(w, now)
            w.token = w.key = None
        for w in self.state.workflows.values():  # the token that suspended it records nothing any more
            if w.real == "waiting" and given["worker"] in (None, w.worker) and w.closed and w.closed[0] != "id":
                w.closed = None if any(step.status == "begun" for step in w.steps.values()) else w.closed
        if given["pause"]:
            for w in self.state.workflows.values():
                self.pause(w, now)
            for s in self.state.schedules.values():
                s.paused, s.next = True, None
        if given["worker"] is None:
            self.state.epoch = max(self.state.epoch + 1, now)
            if given["id"] is not None:
                self.state.recovery = given["id"]
                self.state.epoch += self.later_by(given["id"])
        return Json({"epoch": self.state.epoch, "leases_voided": voided, "in_doubt": self.count_in_doubt()})

    def later_by(self, recovery):
        """How much later the epoch of a recovery with an id is: something of its own for each id, always the same, and less than 2^20 ms."""
        if recovery not in self.later and isinstance(self.hint, str):
            shown = json.loads(self.hint)["epoch"] - self.state.epoch
            if 0 <= shown < 2**20 and shown not in self.later.values():
                self.later[recovery] = shown
        return self.later.get(recovery, -1)

    @staticmethod
    def pause(w, now):
        if w.over or w.status == "paused":
            return 0
        w.under, w.status, w.updated, w.last, w.again_lost, w.begun = w.status, "paused", now, False, False, False
        if w.deadline is not None:
            w.left, w.deadline = w.deadline - now, None
        return 1

    @staticmethod
    def void(w, now):
        """Ends a claim without counting it as lost."""
        if not w.claimed:
            return 0
        if w.status == "paused":
            w.under = "pending"
        else:
            w.status = "pending"
        last = w.again_lost and w.status != "paused" and not w.manual
        w.due, w.again, w.updated, w.retrying = now, False, now, False
        w.wake, w.last, w.again_lost = "recover", last, False
        return 1

    def lose(self, w, now):
        """Ends a claim as if its lease had run out now."""
        if not w.claimed:
            return 0
        if w.status == "running" and w.due <= now and w.waits:
            self.suspend(w.token, w, None, now, "wf_release")  # no loss
            return 1
        w.due = min(w.due, now)
        if w.lost + 1 >= self.max_attempts(w):
            self.poison(w, now)
            return 1
        self.note_lost_lease(w, now)
        if w.status == "paused":
            w.under = "pending"
        else:
            w.status = "pending"
        stands = w.status != "paused" and not w.manual
        last = w.again_lost and stands
        w.lost, w.again, w.updated, w.retrying = w.lost + 1, True, now, False
        self.stands(w, "lost", last=last)
        w.begun = stands
        return 1

    CONFIG = {"lease": 30_000, "max_attempts": 10, "max_failures": 1000, "backoff": arg.DEFAULT_BACKOFF, "clock": "system", "test_clock": None}

    def wf_config(self, key, *value):
        arg.name(key)
        if key not in self.CONFIG and key not in ("schema_version", "epoch"):
            raise arg.invalid("no such setting")
        if value:
            if key not in self.CONFIG:
                raise arg.invalid("read-only")
            stored = None if value[0] is None else self.config_value(key, value[0])
            if key == "clock" and stored is None and self.state.config.get("clock") == "explicit":
                raise arg.invalid("system, to leave the explicit mode")
            self.write(arg.Options(now=0))
            if self.may_set(key, stored):
                self.state.config.pop(key, None)
                if stored is not None:
                    self.state.config[key] = stored
        if key not in self.CONFIG:
            return {"schema_version": 1, "epoch": self.state.epoch}[key]
        stored = self.state.config.get(key, self.CONFIG[key])
        if key == "backoff":
            return Json(stored | {part: stored[part] / 1000 for part in ("initial", "max")})
        return in_seconds(stored) if key == "lease" else sql_time(stored) if key == "test_clock" else stored

    def may_set(self, key, value):
        """Whether it changes: the clock for tests (connections here have clocks of their own, so it says nothing to them) and the explicit mode
        exclude each other."""
        has_one = "test_clock" in self.state.config
        if key == "clock" and has_one:
            if value == "explicit":
                raise WfError("WF_STATE", "a clock for tests")
            return False
        if key == "test_clock":
            if value is not None and self.state.config.get("clock") == "explicit":
                raise WfError("WF_STATE", "explicit")
            if has_one != (value is not None) and (self.state.workflows or self.state.schedules or self.state.events):
                raise WfError("WF_STATE", "something is dated by the present clock")
        return True

    @staticmethod
    def config_value(key, value):
        if key == "lease":
            return arg.some_duration(value)
        if key in ("max_attempts", "max_failures"):
            return arg.integer(1, 1_000_000)(value)
        if key == "backoff":
            if not isinstance(value, str) or not arg.is_json(value):
                raise arg.invalid("backoff")
            return arg.backoff(json.loads(value))
        return arg.time(value) if key == "test_clock" else arg.one_of("system", "explicit")(value)

    # Tables, as lists of rows; times in SQLite's form

    def by_id(self):
        return sorted(self.state.workflows.values(), key=lambda w: w.id)

    def table_workflows(self):
        rows = []
        for w in self.by_id():
            parent = self.state.workflows.get(w.parent)
            rows.append((
                w.id, w.name, w.status, w.queue, w.priority, w.version, w.partition, w.dedup, w.attempt, w.resumed, self.max_attempts(w), w.worker,
                w.input, w.output if w.status == "completed" else None, self.shown_error(w), w.headers, parent and parent.id, w.ending,
                sql_time(w.due), sql_time(w.deadline), sql_time(w.created), sql_time(w.started), sql_time(w.finished), sql_time(w.updated),
                w.period, sql_time(w.attempt_at), json.dumps(dict(sorted(w.tags.items())), separators=(",", ":")) if w.tags else None, w.seq))
        return rows

    def table_newest(self):
        return [(w.id, sql_time(w.created)) for w in sorted(self.state.workflows.values(), key=lambda w: (w.created, w.seq), reverse=True)]

    def table_counts(self):
        counts = collections.Counter((w.name, w.queue, w.status) for w in self.state.workflows.values())
        return [(*group, count) for group, count in sorted(counts.items())]

    def table_pending(self):
        return [(w.id, int(self.counts_as_ready(w, self.clock)), sql_time(w.due), self.reason(w, self.clock))
                for w in self.by_id() if not w.over]

    def reason(self, w, now):
        """As the contract words it; None where it leaves the wording open."""
        worker = w.worker or "a worker"
        if w.status == "paused" or (w.deadline is not None and w.deadline <= now):
            return None
        if w.status == "running":
            expired = "expired, once too often" if self.is_poisoned(w, now) else "expired"
            if w.due <= now and w.waits:
                return None
            return "running on " + worker if w.due > now else "lease of %s %s" % (worker, expired)
        if w.status == "waiting" and (w.due is None or w.due > now):
            reasons = [self.reason_of_wait(step) for step in w.waits]
            return None if None in reasons else "; ".join(reasons)
        if w.status == "pending" and w.due > now:
            return "retry %d of %d" % (w.failures + 1, self.max_attempts(w)) if w.retrying else None
        if w.ending or w.manual or self.in_vain(w, now):
            return None
        return self.refusal(w, now) or "ready"

    def table_steps(self):
        steps = [((w.seq, step.order), w.id, step) for w in self.state.workflows.values() for step in w.steps.values()]
        return [
            (id, s.name, s.kind, s.status, s.output if s.status == "done" else None, as_text(s.error), s.attempts, sql_time(s.begun_at),
             sql_time(s.at) if s.over else None, *s.made, s.print)
            for _, id, s in sorted(steps, key=lambda row: row[0])
        ]

    def table_failures(self):
        rows = [(self.state.workflows[seq].id, attempt, step, worker, as_text(error), sql_time(at), sql_time(claimed))
                for seq, attempt, step, worker, error, at, claimed in self.state.failures]
        return sorted(rows, key=lambda row: row[0])


def as_text(error):
    """Columns of errors hold text."""
    return str(error) if isinstance(error, (int, float)) else error


class Model(Waiting, Control, Queues, Schedules, ModelCore):
    """All of it."""
