"""Waiting, signals, events, children, intent and values, as a mixin of the model."""

import json

import model_arguments as arg
from model_arguments import Options, WfError, in_json, input_value, json_time, options, report, sql_time
from model_state import Share, Signal, Step, Stream


class Waiting:
    # Every wait: satisfied at once, or opened and the workflow suspended; its outcome is recorded for good.

    def wait(self, handle, name, kind, given, open):
        """`open(workflow, now)` makes the row of a new wait."""
        handle, name, print = arg.handle(handle), arg.name(name), given.print
        if given["keep"] and not arg.is_token(handle):
            raise arg.invalid("keep is of a claim")
        now = self.write(given)
        w = self.load(handle)
        step = w.steps.get(name)
        if step and step.kind == kind:
            self.of_print(step, print)
            if step.status == "done":
                return step.output
        is_open, suspended = step and step.kind == kind and step.status == "waiting", w.real == "waiting"
        new = None
        if is_open and suspended and (self.made_last_closing(handle, w) or not arg.is_token(handle)):
            if w.status == "paused":
                raise WfError("WF_PAUSED")
            if arg.is_token(handle):
                return None
        else:
            new = open(w, now) if step is None else None
            self.may(handle, w, now)
            if not is_open:
                self.of_kind(step, kind)
        self.end_lost_claim(handle, w, now)
        if is_open:
            outcome = self.outcome(w, step, now, name)
            if outcome is not None:
                self.satisfy(step, outcome, now)
            if suspended:
                if outcome is not None:
                    self.leave_wait(w, now)
            elif outcome is not None or given["keep"]:
                self.renew_late(handle, w, now)
            else:
                self.suspend(handle, w, step, now)
            return outcome
        outcome = self.outcome(w, new, now, name)
        self.state.count += 1
        new.name, new.order, new.at, new.begun_at = name, self.state.count, now, now
        new.place, new.print = self.next_place(w), print
        w.steps[name], new.made = new, self.made_by(handle, w)
        w.lost, w.again_lost = 0, False
        if outcome is None:
            new.status = "waiting"
            if given["keep"]:
                self.renew_late(handle, w, now)
            else:
                self.suspend(handle, w, new, now)
            return None
        self.satisfy(new, outcome, now)
        self.renew_late(handle, w, now)
        return outcome

    def suspend(self, handle, w, step, now, function="suspend"):
        """In this wait, and in all that are open; with another of them satisfied it is due at once."""
        due = None if step is None or step.kind == "step" else step.deadline
        for other in w.waits:
            if other is step or other.kind == "step":
                continue
            time = now if self.is_satisfied(w, other, now) else self.next_time(other, now)
            due = time if due is None else due if time is None else min(due, time)
        w.due, w.token, w.key, w.lost, w.retrying, w.updated = due, None, None, 0, False, now
        w.status, w.under = ("paused", "waiting") if w.status == "paused" else ("waiting", w.under)
        w.again = w.again and not arg.is_token(handle)
        self.stands(w, "timer")
        self.close(handle, w, function, "waiting")

    @staticmethod
    def next_time(step, now):
        """When a wait is to be looked at; of several things all of which are needed, a sleep that has passed is no reason."""
        if step.several:
            sleeps = [thing.deadline for thing in step.several if thing.kind == "sleep"]
            sleeps = [each for each in [max(sleeps)] if each > now] if step.all and sleeps else sleeps
            step.deadline = min(sleeps + ([] if step.timeout is None else [step.timeout]), default=None)
        return step.deadline

    def is_satisfied(self, w, step, now):
        """Takes nothing."""
        taken = [signal.taken for signal in w.signals]
        outcome = self.outcome(w, step, now, step.name)
        for signal, before in zip(w.signals, taken):
            signal.taken = before
        return outcome is not None

    @staticmethod
    def satisfy(step, outcome, now):
        step.status, step.output, step.attempts, step.at = "done", outcome, 1, now

    def in_vain(self, w, now):
        """It waits, though it may have been woken: a claim would put it back."""
        return w.status in ("waiting", "running") and bool(w.waits) and not any(step.kind != "step" and self.is_satisfied(w, step, now) for step in w.waits)

    def decide(self, w, now):
        """Records the outcomes of the open waits that have one by now; whether any has."""
        satisfied, times = not w.waits, []
        for step in w.waits:
            if step.kind == "step":
                continue  # held, until it is resolved
            outcome = self.outcome(w, step, now, step.name)
            if outcome is None:
                times.append(self.next_time(step, now))
            else:
                self.satisfy(step, outcome, now)
                w.wake = w.wake if satisfied else self.by
                satisfied = True
        if not satisfied:
            w.due, w.wake = min((time for time in times if time is not None), default=None), "timer"
        return satisfied

    @staticmethod
    def leave_wait(w, now):
        """It goes on, claimable at once."""
        if w.status == "paused":
            w.under = "pending"
        else:
            w.status = "pending"
        w.due, w.updated, w.wake = now, now, "resume"

    @staticmethod
    def drop_wait(w):
        """What a workflow that ends leaves open. A step in doubt is only no longer held."""
        for step in w.waits:
            if step.kind == "step":
                step.status = "begun"
            else:
                del w.steps[step.name]

    @staticmethod
    def wake(w, now, why):
        if w.due is None or w.due > now:
            w.due, w.wake = now, why

    @staticmethod
    def things(step):
        return step.several or [step]

    def awaits(self, w, kind, topic):
        """Whether the open wait of a workflow is for this, among others."""
        return w.real == "waiting" and any(thing.kind == kind and topic in thing.topics for step in w.waits for thing in self.things(step))

    def outcome(self, w, step, now, name):
        """JSON text, or None: not satisfied. An arrival counts if it came by the deadline, whenever anyone looks."""
        if step.several:
            return self.outcome_of_several(w, step, now, name)
        time_is_up = step.deadline is not None and step.deadline <= now
        self.by = "timer"
        if step.kind == "sleep":
            return '"%s"' % sql_time(step.deadline) if time_is_up else None
        if step.kind == "await":
            for signal in w.signals:
                if signal.taken is None and signal.name in step.topics and (step.deadline is None or signal.at <= step.deadline):
                    signal.taken, self.by = name, "signal"
                    return arrival("signal", signal.name, signal.payload, signal.at)
            return '{"signal":null,"timeout":true}' if time_is_up else None
        if step.kind == "acquire":
            return self.share(step, now) or ('{"rate":null,"timeout":true}' if time_is_up else None)
        if step.kind == "await_event":
            found = [(at, event, payload) for event, (payload, at) in self.state.events.items()
                     if event in step.topics and (step.deadline is None or at <= step.deadline)]
            if found:
                at, event, payload = min(found, key=lambda each: each[:2])
                self.by = "event"
                return arrival("event", event, payload, at)
            return '{"event":null,"timeout":true}' if time_is_up else None
        what = self.came(w, step, step, [], now)
        if what and step.deadline is not None and what[0] > step.deadline:
            what = None  # too late, whenever anyone looks
        self.by = "join" if what else "timer"
        return self.show_join(w, step, self.joined(w, step) if what else step.topics) if what or time_is_up else None

    def outcome_of_several(self, w, step, now, name):
        came, taken = [], []
        for thing in step.several:
            came.append(self.came(w, step, thing, taken if step.all else [], now))
            if came[-1] and step.timeout is not None and came[-1][0] > step.timeout:
                came[-1] = None  # too late, whenever anyone looks
            if came[-1] and thing.kind == "await":
                taken.append(came[-1][1])
        time_is_up = step.timeout is not None and step.timeout <= now
        if not (all(came) if step.all else any(came)) and not time_is_up:
            return None
        texts = ["%s%s" % ('"as":%s,' % json.dumps(thing.name) if thing.name else "", '"timeout":true' if what is None else what[2])
                 for thing, what in zip(step.several, came)]
        ended = {"sleep": "timer", "await": "signal", "await_event": "event", "join": "join"}
        self.by = "timer"
        if step.all:
            if all(came):
                last = max(range(len(came)), key=lambda i: (came[i][0], i))
                self.by = ended[step.several[last].kind]
            winners, text = [what for what in came if what], "[%s]" % ",".join("{%s}" % text for text in texts)
        elif any(came):
            first = None
            for i, what in enumerate(came):
                if what and (first is None or self.came_before(w, what, came[first])):
                    first = i
            self.by = ended[step.several[first].kind]
            winners, text = [came[first]], '{"index":%d,%s}' % (first, texts[first])
        else:
            winners, text = [], '{"index":null,"timeout":true}'
        for _, signal, _ in winners:
            if signal:
                signal.taken = name
        return text

    @staticmethod
    def came_before(w, one, other):
        """Signals arrive in an order, other things at times."""
        if one[1] and other[1]:
            return w.signals.index(one[1]) < w.signals.index(other[1])
        return one[0] < other[0]

    def came(self, w, step, thing, taken, now):
        """When, which signal, and what is shown; None: not yet."""
        if thing.kind == "sleep":
            return (thing.deadline, None, '"sleep":"%s"' % json_time(thing.deadline)) if thing.deadline <= now else None
        if thing.kind == "await":
            for s in w.signals:
                if s.taken is None and s.name in thing.topics and (step.timeout is None or s.at <= step.timeout) and not any(s is t for t in taken):
                    return s.at, s, arrival("signal", s.name, s.payload, s.at)[1:-1]
            return None
        if thing.kind == "await_event":
            found = [(at, event, payload) for event, (payload, at) in self.state.events.items()
                     if event in thing.topics and (step.timeout is None or at <= step.timeout)]
            if not found:
                return None
            at, event, payload = min(found, key=lambda each: each[:2])
            return at, None, arrival("event", event, payload, at)[1:-1]
        ids = self.joined(w, thing)
        if ids is None:
            return None
        ended = [self.meant(w, id).finished for id in thing.topics if self.meant(w, id) and self.meant(w, id).over]
        at = (min(ended) if thing.how["any"] else max(ended)) if ended else now
        return at, None, '"join":' + self.show_join(w, thing, ids)

    def wf_wait_any(self, handle, step, waits, timeout=None, given=None):
        given = options("wf_wait_any", given)
        entries = arg.waits(waits)
        timeout = None if timeout is None else arg.duration(timeout)

        def open(w, now):
            several = []
            for entry in entries:
                kind, topics, moment, how, called = entry
                if kind == "join":
                    spawned = sorted((s for s in w.steps.values() if s.kind == "spawn"), key=lambda s: s.order)
                    if topics and w.id in topics:
                        raise arg.invalid("it cannot wait for itself")
                    for id in topics or []:
                        if self.meant(w, id) is None:
                            raise WfError("WF_NOT_FOUND", id)
                    topics = [json.loads(s.output) for s in spawned] if topics is None else topics
                several.append(Step(called, kind, 0, topics=topics, how=how, deadline=moment and moment(now)))
            if any(thing.kind == "join" and thing.how["any"] and not thing.topics for thing in several):
                self.may(arg.handle(handle), w, now)
                raise arg.invalid("a join of none with mode any")
            until = None if timeout is None else now + timeout
            waiting = Step(step, "wait_any", 0, several=several, all=given["mode"] == "all", timeout=until)
            self.next_time(waiting, now)
            return waiting

        return self.wait(handle, step, "wait_any", given, open)

    # Sleep

    def wf_sleep(self, handle, step, until, given=None):
        given = options("wf_sleep", given)
        try:
            length, moment = arg.duration(until), None
        except WfError:
            if not isinstance(until, str):
                raise
            length, moment = None, arg.time(until)
        output = self.wait(handle, step, "sleep", given,
                           lambda w, now: Step(step, "sleep", 0, deadline=moment if length is None else now + length))
        return output and json.loads(output)

    # Shares of rates. Nobody stands in line here: who asks gives up at once. (tests/contract/test_rates.py has the lines.)

    def wf_rate(self, name, given=None):
        try:
            read, name = options("wf_rate", given), arg.name(name)
        except WfError:
            self.at_top_level("wf_rate")
            raise
        if given is not None:
            self.at_top_level("wf_rate")
            now = self.write(read)
            limit, per = self.state.rates.get(name, (None, None))
            if "limit" in json.loads(given):
                limit = read["limit"]
            per = read["per"] or per
            if limit is None and "limit" not in json.loads(given) or limit is not None and per is None:
                raise arg.invalid("a new rate needs both")
            if limit is not None:
                self.state.rates[name] = limit, per
            elif name in self.state.rates:
                del self.state.rates[name]
                for of, shares in self.state.shares.items():
                    if of[0] == name:
                        shares[:] = [share for share in shares if share.at > now - per]
        if name not in self.state.rates:
            return None
        limit, per = self.state.rates[name]
        return self.json({"name": name, "limit": limit, "per": per / 1000})

    def wf_acquire(self, handle, step, rate, amount=None, given=None):
        given = options("wf_acquire", given)
        rate, amount = arg.name(rate), 1 if amount is None else arg.integer(1, 2**53)(amount)

        def open(w, now):
            if rate not in self.state.rates:
                raise WfError("WF_NOT_FOUND", rate)
            if amount > self.state.rates[rate][0]:
                raise arg.invalid("more than there ever are")
            return Step(step, "acquire", 0, deadline=now + given["timeout"], topics=[rate, given["key"]], how={"amount": amount})

        return self.wait(handle, step, "acquire", given, open)

    def share(self, step, now):
        """Of those that count no more by the time of some call, nobody knows which are cleared away, should clocks go back."""
        (rate, key), n = step.topics, step.how["amount"]
        limit, per = self.state.rates[rate]
        shares = self.state.shares.setdefault((rate, key), [])
        counted = [share for share in shares if share.at > now - per]
        spent, sure = sum(share.n for share in counted), sum(share.n for share in counted if not share.old)
        if sure + n > limit:
            return None
        if spent + n > limit and "null" in str(self.hint):
            return None
        for share in shares:
            share.at = min(share.at, now)
        shares.append(Share(now, n))
        for of, others in self.state.shares.items():
            for share in others:
                share.old = share.old or (of[0] == rate and share.at <= now - per)
        return '{"rate":%s%s,"amount":%d,"acquired_at":"%s"}' % (json.dumps(rate), key and ',"key":' + json.dumps(key) or "", n, json_time(now))

    def table_rates(self):
        """Who says how much is spent looks at the connection's time; what may be cleared away is not compared."""
        return [(name, limit, per / 1000) for name, (limit, per) in sorted(self.state.rates.items())]

    # Signals and events

    def wf_signal(self, id, signal, payload=None, given=None):
        given = options("wf_signal", given)
        id, signal, payload = arg.identifier(id), arg.name(signal), input_value(payload)
        now = self.write(given)
        w = self.load(id)
        if given["key"] and any((s.name, s.key) == (signal, given["key"]) for s in w.signals):
            return 0
        if w.over:
            raise self.over_error(w)
        if self.awaits(w, "await", signal):
            self.wake(w, now, "signal")
        w.signals.append(Signal(signal, payload, now, given["key"]))
        return 1

    def wf_emit(self, event, payload=None, given=None):
        given = options("wf_emit", given)
        event, payload = arg.name(event), input_value(payload)
        now = self.write(given)
        if event not in self.state.events:
            self.state.events[event] = (payload, now)
            for w in self.state.workflows.values():
                if self.awaits(w, "await_event", event):
                    self.wake(w, now, "event")
        return self.state.events[event][0]

    def wf_await(self, handle, step, signal, timeout=None, given=None):
        return self.wait_for(handle, step, "await", signal, timeout, given)

    def wf_await_event(self, handle, step, event, timeout=None, given=None):
        return self.wait_for(handle, step, "await_event", event, timeout, given)

    def wait_for(self, handle, step, kind, topics, timeout, given):
        given = options("wf_" + kind, given)
        topics = arg.names_text(topics)
        timeout = None if timeout is None else arg.duration(timeout)
        return self.wait(handle, step, kind, given,
                         lambda w, now: Step(step, kind, 0, deadline=None if timeout is None else now + timeout, topics=topics))

    # Children

    def wf_spawn(self, handle, step, name, input=None, given=None):
        given = options("wf_spawn", given)
        handle, step, name, input = arg.handle(handle), arg.name(step), arg.name(name), input_value(input)
        given.exclusive("delay", "at")
        print = given.print
        now = self.write(given)
        w = self.load(handle)
        made = w.steps.get(step)

        def said(id, outcome):
            return self.json({"id": id, "created": outcome == "created", "outcome": outcome}) if given["report"] else id

        if made and made.kind == "spawn":
            self.of_print(made, print)
            self.cleans_up(handle, w, given["parent_cleanup"], now)
            return said(json.loads(made.output), "existing")
        self.may(handle, w, now)
        self.of_kind(made, "spawn")
        self.end_lost_claim(handle, w, now)
        self.cleans_up(handle, w, given["parent_cleanup"], now)
        spawned = (step, w.redo_of(step))
        escaped = step.replace("%", "%25").replace("/", "%2F").replace("~", "%7E")
        id = given["id"] or "%s/%s%s" % (w.id, escaped, "~%d" % spawned[1] if spawned[1] else "")
        known = set(self.state.workflows)
        there = self.find(arg.identifier(id))
        ours = there and (there.parent, there.spawned) == (w.seq, spawned)
        if there and not ours and given["if_exists"] != "return":
            raise WfError("WF_CONFLICT", "another's child")
        rule = "same" if ours and given["if_exists"] == "fail" else given["if_exists"]
        child = self.start(name, input, Options(given | {"id": id, "if_exists": rule}), now)
        if child.seq not in known:
            child.parent, child.spawned = w.seq, spawned
        made = self.record(w, step, "spawn", json.dumps(child.id), now, handle)
        made.print = print
        made.child = child.seq if (child.parent, child.spawned) == (w.seq, spawned) else None
        self.renew_late(handle, w, now)
        return said(child.id, "existing" if child.seq in known else "created")

    def wf_join(self, handle, step, ids=None, given=None):
        given = options("wf_join", given)
        if ids is not None and not (isinstance(ids, str) and ids.startswith("[")):
            raise arg.invalid("ids are a JSON array")
        ids = None if ids is None else arg.names_text(ids)
        if ids == [] and given["mode"] == "any":
            raise arg.invalid("a join of none with mode any")

        def open(w, now):
            spawned = sorted((s for s in w.steps.values() if s.kind == "spawn"), key=lambda s: s.order)
            topics = [json.loads(s.output) for s in spawned] if ids is None else ids
            if not topics and given["mode"] == "any":
                self.may(arg.handle(handle), w, now)  # what it has spawned is looked up once it may wait
                raise arg.invalid("a join of none with mode any")
            if ids is not None and w.id in ids:
                raise arg.invalid("it cannot wait for itself")
            for id in ids or []:
                if self.meant(w, id) is None:
                    raise WfError("WF_NOT_FOUND", id)
            how = {"any": given["mode"] == "any", "outputs": given["outputs"] is not False}
            return Step(step, "join", 0, topics=topics, how=how, deadline=None if given["timeout"] is None else now + given["timeout"])

        return self.wait(handle, step, "join", given, open)

    def by_own_id(self, id):
        return next((w for w in self.state.workflows.values() if w.id == id), None)

    def meant(self, w, id):
        """Whom it means by an id: its own child, if it has spawned one of it, and no stranger."""
        children = [s.child for s in w.steps.values() if s.kind == "spawn" and s.child is not None and json.loads(s.output) == id]
        found = self.by_own_id(id)
        return found if found and (not children or found.seq in children) else None

    def joined(self, joiner, step):
        """The ids to show if the join is satisfied, else None. Who is deleted meanwhile holds nobody up."""
        found = [self.meant(joiner, id) for id in step.topics]
        if not step.how["any"]:
            return step.topics if all(w is None or w.over for w in found) else None
        ended = [w for w in found if w and w.over]
        if ended:
            return [min(ended, key=lambda w: w.finished).id]
        return [] if not any(found) else None

    def show_join(self, joiner, step, ids):
        shown = []
        for id in ids:
            w = self.meant(joiner, id)
            text = '{"id":%s,"status":%s' % (json.dumps(id), json.dumps(w and w.status))
            if w and w.over and step.how["outputs"]:
                text += ',"output":' + as_json(w.output) if w.status == "completed" else ',"error":' + as_json(w.error)
            shown.append(text + "}")
        return "[%s]" % ",".join(shown)

    def wake_joins(self, w, now):
        """One wake-up, when the join is satisfied."""
        for other in self.state.workflows.values():
            if other.real != "waiting":
                continue
            if self.meant(other, w.id) not in (None, w):
                continue
            if any(thing.kind == "join" and w.id in thing.topics and self.joined(other, thing) is not None for step in other.waits for thing in self.things(step)):
                self.wake(other, now, "join")

    def end_children(self, w, now, force):
        """Whoever does not complete takes its descendants along, unless they are detached."""
        for child in self.tree(w)[1:]:
            if not child.over and (child.ending is None or force):
                self.finish_alone(child, "cancelled", None, '{"code":"parent","parent":%s}' % json.dumps(w.id), now, force)

    # Intent

    def wf_begin(self, handle, name, given=None):
        given = options("wf_begin", given)
        handle, name, print = arg.handle(handle), arg.name(name), given.print
        now = self.write(given)
        w = self.load(handle)
        step = w.steps.get(name)
        own = step if step and step.kind == "step" else None
        self.of_print(own, print)
        if own and own.over:
            self.cleans_up(handle, w, given["cleanup"], now)
            return self.json({"output": in_json(own.output)} if own.status == "done" else {"error": in_json(own.error)})
        if own and own.status == "waiting" and w.status == "waiting" and (self.made_last_closing(handle, w) or not arg.is_token(handle)):
            return None  # still held
        self.may(handle, w, now)
        self.of_kind(step, "step")
        held = own and own.status == "waiting"  # another wait has woken the workflow
        in_doubt = held or own and own.status == "begun" and not own.resolved and own.by != (handle if arg.is_token(handle) else None)
        self.end_lost_claim(handle, w, now)
        self.cleans_up(handle, w, given["cleanup"], now)
        if in_doubt and given["in_doubt"] == "hold":
            own.status = "waiting"
            self.suspend(handle, w, own, now)
            return None
        if in_doubt and given["in_doubt"] == "fail":
            result = self.finish(w, "failed", None, '{"code":"in_doubt","step":%s}' % json.dumps(name), now)
            self.close(handle, w, "wf_fail", result)
            return None
        if step is None:
            self.state.count += 1
            step = w.steps[name] = Step(name, "step", self.state.count, place=self.next_place(w))
        step.made, step.print = self.made_by(handle, w), print or step.print
        step.status, step.by, step.resolved = "begun", handle if arg.is_token(handle) else "id", False
        step.begun_at = now if step.begun_at is None else step.begun_at
        self.renew_late(handle, w, now)
        return self.json({"go": True, "key": ("key", w.id, name, w.redo_of(name))})

    def wf_resolve(self, id, name, verdict, value=None, given=None):
        given = options("wf_resolve", given)
        id, name = arg.identifier(id), arg.name(name)
        arg.one_of("done", "retry", "failed")(verdict)
        error = value if value is None else report(value)
        now = self.write(given)
        w = self.load(id)
        step = w.steps.get(name)
        if step is None or step.kind != "step" or step.status == "failed":
            raise WfError("WF_NOT_FOUND", name)
        if w.over:
            raise self.over_error(w)
        if step.over:
            raise WfError("WF_STATE", "recorded already")
        held = step.status == "waiting"
        if not held and w.live(now) and step.by == w.token:
            raise WfError("WF_LEASED")
        if verdict == "failed":
            error = '{"code":"in_doubt","step":%s}' % json.dumps(name) if error is None else error
            step.status, step.error, step.by, step.begun_at = "failed", error, None, None
            step.attempts += 1
            if held and w.real == "waiting":
                self.leave_wait(w, now)
            self.finish(w, "failed", None, error, now)
            return 1
        if verdict == "done":
            self.record(w, name, "step", report(value), now)
        else:
            step.status, step.resolved = "begun", True
        if held and w.real == "waiting":
            self.leave_wait(w, now)
        return 1

    def in_doubt(self):
        """Steps that were begun and never finished, and whose claim does not live."""
        return [
            (w, step) for w in self.by_id() if not w.over for _, step in sorted(w.steps.items())
            if step.kind == "step" and (step.status == "waiting" or (
                step.status == "begun" and not step.resolved
                and not (step.by == w.token and w.status == "running" and w.live(self.clock))))
        ]

    def count_in_doubt(self):
        return sum(step.status == "waiting" or step.by != w.token for w, step in self.in_doubt())

    # Values and streams

    def writer(self, handle, now):
        w = self.load(handle)
        self.may(handle, w, now)
        self.end_lost_claim(handle, w, now)
        self.renew_late(handle, w, now)
        return w

    def wf_set(self, handle, key, value, given=None):
        given = options("wf_set", given)
        handle, key, value = arg.handle(handle), arg.name(key), report(value)
        now = self.write(given)
        self.writer(handle, now).values[key] = (value, now)
        return 1

    def wf_get(self, id, key):
        w, key = self.find(arg.handle(id)), arg.name(key)
        return w.values[key][0] if w and key in w.values else None

    def wf_append(self, handle, stream, value, given=None):
        given = options("wf_append", given)
        handle, stream = arg.handle(handle), arg.name(stream)
        if given["close"] and (given["each"] or given["offset"] is not None or value is not None):
            raise arg.invalid("close goes with nothing else")
        if given["each"] and not (isinstance(value, str) and arg.is_json(value) and isinstance(json.loads(value), list)):
            raise arg.invalid("an array")
        items = [] if given["close"] else [json.dumps(item) for item in json.loads(value)] if given["each"] else [report(value)]
        now = self.write(given)
        w = self.load(handle)
        self.may(handle, w, now)
        s = w.streams.get(stream) or Stream()
        offset = s.next if given["offset"] is None else given["offset"]
        if offset > s.next:
            raise arg.invalid("a gap")
        for at, item in enumerate(items[:s.next - offset], offset):
            if at >= s.first and not arg.same_value(s.items[at - s.first][0], item):
                raise WfError("WF_CONFLICT", "another value there")
        new = items[s.next - offset:]
        if new or (given["close"] and not s.closed):
            if s.closed:
                raise WfError("WF_STATE", "it is closed")
            self.end_lost_claim(handle, w, now)
            self.renew_late(handle, w, now)
            s.items += [(item, now) for item in new]
            s.closed = bool(given["close"])
            s.has_end = s.has_end or s.closed
            w.streams[stream] = s
        return offset

    def wf_tag(self, handle, key, value, given=None):
        given = options("wf_tag", given)
        handle, key = arg.handle(handle), arg.name(key)
        if "=" in key:
            raise arg.invalid("=")
        value = None if value is None else arg.name(value)
        now = self.write(given)
        w = self.load(handle)
        if arg.is_token(handle):
            self.may(handle, w, now)
        w.tags.pop(key, None)
        if value is not None:
            w.tags[key] = value
        return 1

    def wf_trim(self, id, stream, offset, given=None):
        given = options("wf_trim", given)
        id, stream = arg.identifier(id), arg.name(stream)
        if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
            raise arg.invalid("offset")
        self.write(given)
        s = self.load(id).streams.get(stream) or Stream()
        first = max(min(offset, s.next, s.first + (given["limit"] or s.next)), s.first)
        count, s.items = first - s.first, s.items[first - s.first:]
        s.first, s.has_end = first, s.has_end or count > 0
        return count

    # Tables

    def reason_of_wait(self, step):
        if step.several:
            words = [{"sleep": lambda thing: "a time", "join": lambda thing: None}.get(thing.kind, lambda thing: self.reason_of_wait(thing)[12:])(thing) for thing in step.several]
            return None if None in words else "waiting for " + (" and " if step.all else " or ").join(words)
        if step.kind == "sleep":
            return "sleeping"
        if step.kind in ("await", "await_event"):
            return "waiting for %s %s" % ("signal" if step.kind == "await" else "event", ", ".join(step.topics))
        return None

    def table_signals(self):
        return [(w.id, s.name, s.key, s.payload, sql_time(s.at), s.taken) for w in self.by_id() for s in w.signals if not s.over]

    def table_events(self):
        return [(name, payload, sql_time(at)) for name, (payload, at) in sorted(self.state.events.items())]

    def table_values(self):
        return [(w.id, key, value, sql_time(at)) for w in self.by_id() for key, (value, at) in sorted(w.values.items())]

    def table_streams(self):
        return [(w.id, stream, offset, value, sql_time(at), int(s.closed))
                for w in self.by_id() for stream, s in sorted(w.streams.items()) for offset, (value, at) in enumerate(s.items, s.first)]

    def table_in_doubt(self):
        return [(w.id, step.name, int(step.status == "waiting"), sql_time(step.begun_at)) for w, step in self.in_doubt()]


def as_json(value):
    """A stored value inside JSON text: text is JSON already."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return '{"$blob":"%s"}' % value.hex()
    return value if isinstance(value, str) else repr(value)


def arrival(what, name, payload, at):
    return '{"%s":%s,"payload":%s,"received_at":"%s"}' % (what, json.dumps(name), as_json(payload), json_time(at))
