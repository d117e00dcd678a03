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
            w = self.find(id) if unknown == "ignored" or given["skip"] else self.load(id)
            if w and given["skip"] and not self.inline:
                count += self.or_skip(w, given, now, change)
            else:
                count += w is not None and change(w, given, now)
        return count

    def or_skip(self, w, given, now, change):
        """What cannot be done is left out."""
        before = self.state.copy()
        try:
            return change(w, given, now)
        except WfError:
            self.state.become(before)
            return 0

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

    # wf_reschedule

    def wf_reschedule(self, ids, time=None, given=None):
        if isinstance(ids, str) and ids.startswith("["):
            self.at_top_level("wf_reschedule")
        time = None if time is None else arg.time(time)
        return self.each("wf_reschedule", ids, given, lambda w, _, now: self.reschedule(w, now if time is None else max(time, now), now))

    def reschedule(self, w, to, now):
        if w.real == "waiting":
            sleeps = [thing for step in w.waits for thing in self.things(step) if thing.kind == "sleep" and now < thing.deadline != to]
            if not sleeps:
                return 0
            for thing in sleeps:
                thing.deadline = to
            for step in w.waits:
                self.next_time(step, now)
            to = min(step.deadline for step in w.waits if step.deadline is not None)
        elif w.real == "pending":
            if to == w.due or (to == now and w.due <= now):
                return 0
            if w.started is None and w.closed is None:  # nobody has begun it
                w.deadline = None if w.deadline is None else w.deadline + to - w.due
                w.left = None if w.left is None else max(w.left + to - w.due, 0)
        else:
            return 0
        w.due, w.updated = to, now
        return 1

    # wf_retry

    def wf_retry(self, ids, given=None):
        return self.each("wf_retry", ids, given, self.retry)

    def retry(self, w, given, now):
        if w.status not in ("failed", "cancelled"):
            return 0
        if given["from"] and given["from"] not in w.steps:
            raise WfError("WF_NOT_FOUND", given["from"])
        self.is_whole(w)
        if given["children"]:
            for child in self.ended_badly_below(w):
                if given["errors"] != "keep":
                    self.drop_errors(child)
                self.begin_again(child, now)
        if given["from"]:
            self.drop_steps(w, given["from"], now)
            for stream in w.streams.values():
                stream.closed = False
        if given["errors"] != "keep" and (given["errors"] == "drop" or not given["from"]):
            self.drop_errors(w)
        self.begin_again(w, now)
        w.own_attempts = given["max_attempts"] or w.own_attempts
        return 1

    def is_whole(self, w):
        """What is left of a tree that is being purged does not begin again."""
        while w:
            if w.purged:
                raise WfError("WF_STATE", "purged")
            w = None if w.detached else self.state.workflows.get(w.parent)

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

    @staticmethod
    def drop_errors(w):
        """Steps whose outcome is an error are done again, under new keys."""
        for name in [name for name, step in w.steps.items() if step.status == "error"]:
            del w.steps[name]
            w.redo[name] = w.redo.get(name, 0) + 1

    def drop_steps(self, w, first, now):
        """The step and all recorded after it: their signals queue again, the children they started are cancelled, they have new keys. What is
        begun is not recorded: it has the key that it had, and stays in doubt unless it is the one that is named."""
        order = w.steps[first].order
        dropped = {name: step for name, step in w.steps.items() if step.order >= order and (name == first or step.status != "begun")}
        for step in dropped.values():
            child = self.find(json.loads(step.output)) if step.kind == "spawn" else None
            if child and child.parent == w.seq and child.spawned[0] != step.name:
                continue  # another step's, found by its dedup key
            if child and child.parent == w.seq and child.over:
                self.end_children(child, now, False)
            elif child and child.parent == w.seq:
                self.cancel(child, None, False, now)
        for signal in w.signals:
            if signal.taken in dropped:
                signal.taken = None
        w.steps = {name: step for name, step in w.steps.items() if name not in dropped}
        for name, step in dropped.items():
            if step.status != "begun":
                w.redo[name] = w.redo.get(name, 0) + 1

    # wf_delete, wf_purge

    def wf_delete(self, ids, given=None):
        return self.each("wf_delete", ids, given, self.delete, unknown="ignored")

    def delete(self, w, given, now):
        tree = self.tree(w)
        if any(not each.over for each in tree) and not given["force"]:
            raise WfError("WF_STATE", w.status)
        for each in reversed(tree):
            self.remove(each, now)
        self.clear_away(10_000)
        return 1

    def tree(self, w):
        """The workflow and its descendants, but for detached ones and theirs."""
        below = [w]
        for parent in below:
            below += [c for c in self.state.workflows.values() if c.parent == parent.seq and not c.detached]
        return below

    def remove(self, w, now):
        """It is gone at once; rows that belong to it are left."""
        del self.state.workflows[w.seq]
        self.state.deleted = max(self.state.deleted, w.seq)
        large = [value for value in (w.input, w.output, w.error) if isinstance(value, (str, bytes)) and len(value if isinstance(value, bytes) else value.encode()) > 1024]
        self.state.left += len(w.steps) + len(w.signals) + len(w.values) + sum(len(s.items) + s.has_end for s in w.streams.values()) + len(w.tags) + len(w.redo) + len(large)
        self.state.left += sum(failure[0] == w.seq for failure in self.state.failures)
        self.state.failures = [failure for failure in self.state.failures if failure[0] != w.seq]
        for other in self.state.workflows.values():
            if other.parent == w.seq:
                other.parent = other.spawned = None
        self.wake_joins(w, now)

    def clear_away(self, most):
        """Returns how many rows."""
        cleared = min(most, self.state.left)
        self.state.left -= cleared
        return cleared

    def wf_purge(self, given=None):
        self.at_top_level("wf_purge")
        given = options("wf_purge", given)
        if given["older_than"] is None and given["keep"] is None:
            raise arg.invalid("older_than is required")
        if not set(given["status"] or ()) <= {"completed", "failed", "cancelled"}:
            raise arg.invalid("status")
        now = self.write(given)
        before, rows, most = now - (given["older_than"] or 0), given["limit"] or 10_000, given["limit"] or 1000
        count, cleared = 0, self.clear_away(rows)
        rows -= cleared
        asked = [w for _, w in sorted(self.state.workflows.items()) if self.is_asked_for(w, given, before)]
        if given["keep"]:
            asked = asked[:-given["keep"]]
        for root in asked:
            tree = self.tree(root)
            if all(w.over and w.finished <= before for w in tree):
                for w in reversed(tree):
                    if rows > 0 and count < most:
                        self.remove(w, now)
                        count, rows = count + 1, rows - 1
                        rows -= self.clear_away(rows)
                root.purged = root.purged or len(self.tree(root)) < len(tree)
        events = [name for name, (_, at) in self.state.events.items() if given["events"] and at <= before][:min(rows, most - count)]
        for name in events:
            del self.state.events[name]
        return count + len(events) or int(cleared > 0)

    def is_asked_for(self, w, given, before):
        """The root of a tree that has ended, and is as the options say."""
        parent = self.state.workflows.get(w.parent)
        return (w.over and w.created <= before and w.finished <= before and (parent is None or (w.detached and parent.over)) and given["name"] in (None, w.name)
                and given["queue"] in (None, w.queue) and (given["status"] is None or w.status in given["status"]))

    # wf_fork

    def wf_fork(self, id, given=None):
        self.at_top_level("wf_fork")
        given = options("wf_fork", given)
        id = arg.identifier(id)
        now = self.write(given)
        if given["id"] is None and self.state.config.get("clock") == "explicit":
            raise arg.invalid("id is required")
        w = self.load(id)
        steps = sorted((step for step in w.steps.values() if step.over), key=lambda step: step.order)
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
        new.tags = dict(w.tags)
        for step in steps:
            self.state.count += 1
            copy = new.steps[step.name] = deepcopy(step)
            copy.order, copy.by, copy.child = self.state.count, None, None
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
        return done + (done < limit and self.clear_away(10_000) > 0)

    def is_poisoned(self, w, now):
        return w.status == "running" and w.due <= now and w.lost + 1 >= self.max_attempts(w) and not w.waits
