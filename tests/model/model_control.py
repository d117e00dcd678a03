"""Control, as a mixin of the model: cancel, pause, resume, retry, delete, fork, purge, tick."""

import json
import math
from copy import deepcopy

import model_arguments as arg
from model_arguments import WfError, options, report
from model_state import Workflow


class Control:
    # Most functions take one id or a JSON array of ids, do all or nothing, and return how many workflows they changed.

    def each(self, function, ids, given, change, unknown=None):
        """Adds up what `change(workflow, now)` returns."""
        many = isinstance(ids, str) and ids.startswith("[")
        if many:
            self.at_top_level(function)
            if not arg.is_json(ids):
                raise arg.invalid("ids")
        given = options(function, given)
        ids = [arg.identifier(id) for id in (json.loads(ids) if many else [ids])]
        now = self.write(given)
        count = 0
        for id in ids:
            w = self.find(id) if unknown == "ignored" else self.load(id)
            count += w is not None and change(w, given, now)
        return count

    # wf_cancel

    def wf_cancel(self, ids, reason=None, given=None):
        reason = None if reason is None else report(reason)
        return self.each("wf_cancel", ids, given, lambda w, given, now: self.cancel(w, reason, bool(given["force"]), now))

    def cancel(self, w, reason, force, now):
        if w.over or (w.ending is not None and not force):
            return 0
        self.finish(w, "cancelled", None, reason, now, force)
        return 1

    # wf_pause, wf_resume

    def wf_pause(self, ids, given=None):
        return self.each("wf_pause", ids, given, lambda w, _, now: self.pause(w, now))

    def wf_resume(self, ids, given=None):
        return self.each("wf_resume", ids, given, lambda w, _, now: self.resume(w, now))

    @staticmethod
    def resume(w, now):
        if w.status != "paused":
            return 0
        w.status, w.under, w.updated = w.under, None, now
        if w.left is not None:
            w.deadline, w.left = now + w.left, None  # it stood still
        return 1

    # wf_retry

    def wf_retry(self, ids, given=None):
        return self.each("wf_retry", ids, given, self.retry)

    def retry(self, w, given, now):
        if w.status not in ("failed", "cancelled"):
            return 0
        if given["children"]:
            for child in self.ended_badly_below(w):
                self.begin_again(child, now)
        if given["from"]:
            if given["from"] not in w.steps:
                raise WfError("WF_NOT_FOUND", given["from"])
            self.drop_steps(w, w.steps[given["from"]].order, now)
        self.begin_again(w, now)
        return 1

    def ended_badly_below(self, w):
        """Its failed and cancelled children, and theirs."""
        found, level = [], [w]
        while level:
            level = [c for p in level for c in self.state.workflows.values() if c.parent == p.seq and c.status in ("failed", "cancelled")]
            found += level
        return found

    def begin_again(self, w, now):
        """Keeps what is recorded; new budgets, the timeout anew."""
        if w.dedup is not None and any(o is not w and not o.over and (o.queue, o.dedup) == (w.queue, w.dedup) for o in self.state.workflows.values()):
            raise WfError("WF_CONFLICT", "the dedup key is taken")
        for step in w.steps.values():
            if step.status == "failed":
                step.attempts = 0
        w.status, w.due, w.updated, w.finished = "pending", now, now, None
        w.token = w.key = w.ending = w.closed = w.output = w.error = None
        w.failures, w.lost, w.failed, w.again, w.retrying = 0, 0, 0, True, False
        self.stands(w, "retry")
        w.deadline = None if w.timeout is None else now + w.timeout

    def drop_steps(self, w, order, now):
        """The step recorded there and all after it: their signals queue again, the children they started are cancelled."""
        dropped = {name: step for name, step in w.steps.items() if step.order >= order}
        for step in dropped.values():
            child = self.find(json.loads(step.output)) if step.kind == "spawn" else None
            if child and child.parent == w.seq:
                self.cancel(child, None, False, now)
        for signal in w.signals:
            if signal.taken in dropped:
                signal.taken = None
        w.steps = {name: step for name, step in w.steps.items() if name not in dropped}
        w.redo += 1

    # wf_delete, wf_purge

    def wf_delete(self, ids, given=None):
        return self.each("wf_delete", ids, given, self.delete, unknown="ignored")

    def delete(self, w, given, now):
        if not w.over and not given["force"]:
            raise WfError("WF_STATE", w.status)
        self.remove(w, now)
        return 1

    def remove(self, w, now):
        del self.state.workflows[w.seq]
        self.state.deleted = max(self.state.deleted, w.seq)
        self.state.failures = [failure for failure in self.state.failures if failure[0] != w.seq]
        for other in self.state.workflows.values():
            if other.parent == w.seq:
                other.parent = None
        self.wake_joins(w, now)

    def wf_purge(self, given=None):
        self.at_top_level("wf_purge")
        given = options("wf_purge", given)
        if given["older_than"] is None:
            raise arg.invalid("older_than is required")
        if not set(given["status"] or ()) <= {"completed", "failed", "cancelled"}:
            raise arg.invalid("status")
        now = self.write(given)
        before, limit = now - given["older_than"], given["limit"] or 1000
        live = {seq for seq, w in self.state.workflows.items() if not w.over}
        old = [w for _, w in sorted(self.state.workflows.items())
               if w.over and w.finished <= before and w.parent not in live and given["name"] in (None, w.name)
               and (given["status"] is None or w.status in given["status"])][:limit]
        for w in old:
            self.remove(w, now)
        events = [name for name, (_, at) in self.state.events.items() if given["events"] and at <= before][:limit - len(old)]
        for name in events:
            del self.state.events[name]
        return len(old) + len(events)

    # wf_fork

    def wf_fork(self, id, given=None):
        self.at_top_level("wf_fork")
        given = options("wf_fork", given)
        id = arg.identifier(id)
        now = self.write(given)
        if given["id"] is None and self.state.config.get("clock") == "explicit":
            raise arg.invalid("id is required")
        w = self.load(id)
        steps = sorted((step for step in w.steps.values() if step.status == "done"), key=lambda step: step.order)
        if given["from"]:
            if given["from"] not in w.steps:
                raise WfError("WF_NOT_FOUND", given["from"])
            steps = [step for step in steps if step.order < w.steps[given["from"]].order]
        if given["id"] and self.find(given["id"]):
            raise WfError("WF_CONFLICT", "it exists")
        seq = max(self.state.deleted, *self.state.workflows) + 1
        input = w.input if given["input"] is None else given["input"]
        new = Workflow(seq, given["id"] or str(self.hint), w.name, input, w.queue, created=now, due=now, updated=now)
        for field in ("priority", "version", "partition", "headers", "manual", "cleanup", "own_attempts", "own_failures", "own_backoff", "timeout"):
            setattr(new, field, getattr(w, field))
        new.deadline = None if w.timeout is None else now + w.timeout
        for step in steps:
            self.state.count += 1
            copy = new.steps[step.name] = deepcopy(step)
            copy.order, copy.by = self.state.count, None
        self.state.workflows[seq] = new
        return new.id

    # wf_tick

    def wf_tick(self, given=None):
        self.at_top_level("wf_tick")
        given = options("wf_tick", given)
        now = self.write(given)
        limit = given["limit"] or math.inf
        done = self.fire_deadlines(now, limit)
        done += self.fire_schedules(now, limit - done)
        for w in list(self.state.workflows.values()):
            if done < limit and self.is_poisoned(w, now):
                self.poison(w, now)
                done += 1
        return done

    def is_poisoned(self, w, now):
        return w.status == "running" and w.due <= now and w.lost + 1 >= self.max_attempts(w)
