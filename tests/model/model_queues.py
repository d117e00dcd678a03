"""Flow control, as a mixin of the model: the settings of a queue, and the limits that they set to claims.

A claim by id obeys none of the limits, but counts.
"""

import json
import math

import model_arguments as arg
from model_arguments import Options, WfError, options, sql_time

LIMITS = ("concurrency", "worker_concurrency", "partition_concurrency")


class Queues:
    def wf_queue(self, name, given=None):
        try:
            read, name = options("wf_queue", given), arg.name(name)
        except WfError:
            self.at_top_level("wf_queue")
            raise
        if given is not None:
            self.at_top_level("wf_queue")
        settings = dict(self.state.queues.get(name, {}))
        if given is not None:
            self.write(Options(now=0))
            for key, value in json.loads(given).items():
                if value is None:
                    settings.pop(key, None)
                elif key != "now":
                    settings[key] = read[key]
            self.state.queues[name] = settings
            if all(value in (False, "lease") for value in settings.values()):
                del self.state.queues[name]  # it says nothing
            for w in self.state.workflows.values():
                if w.queue == name and not w.over:
                    w.slot = self.until_end(name) and w.started is not None  # as the new settings count it
        shown = {key: settings.get(key) for key in (*LIMITS, "rate", "lease", "max_attempts", "backoff")}
        shown |= {"queue": name, "hold": settings.get("hold", "lease"), "paused": settings.get("paused", False)}
        if shown["lease"] is not None:
            shown["lease"] /= 1000
        if shown["rate"]:
            shown["rate"] = {"limit": shown["rate"]["limit"], "per": shown["rate"]["per"] / 1000}
        if shown["backoff"]:
            shown["backoff"] = shown["backoff"] | {part: shown["backoff"][part] / 1000 for part in ("initial", "max")}
        return self.json(shown)

    def until_end(self, queue):
        """Whether a slot is held from the first claim to the end."""
        settings = self.state.queues.get(queue, {})
        return settings.get("hold") == "started" and any(limit in settings for limit in LIMITS)

    def refusal(self, w, now, claim_by=None):
        """The limit that keeps it back, if one does. `claim_by`: the worker who asks, in a tuple."""
        settings = self.state.queues.get(w.queue, {})
        if settings.get("paused"):
            return "queue paused"
        if settings.get("worker_concurrency") == 0:
            return "worker limit"
        others = [o for o in self.state.workflows.values() if o.queue == w.queue and not o.over and (o.slot or o.live(now))]
        if claim_by and "worker_concurrency" in settings:
            if sum(o.live(now) and o.worker == claim_by[0] for o in others) >= settings["worker_concurrency"]:
                return "worker limit"
        if not w.slot:
            if "concurrency" in settings and len(others) >= settings["concurrency"]:
                return "concurrency limit"
            if w.partition is not None and "partition_concurrency" in settings:
                if sum(o.partition == w.partition for o in others) >= settings["partition_concurrency"]:
                    return "partition limit"
        if "rate" in settings and (w.again or w.claimed) and self.started_lately(w.queue, settings["rate"], now) >= settings["rate"]["limit"]:
            return "rate limit"
        return None

    def together(self, queue, ready, now):
        """How many of these a worker that holds nothing could claim, one after the other."""
        settings = self.state.queues.get(queue, {})
        if settings.get("paused"):
            return 0
        others = [o for o in self.state.workflows.values() if o.queue == queue and not o.over and (o.slot or o.live(now))]
        starts = lambda w: w.again or w.claimed
        def left(limit, used):
            return max(0, settings[limit] - used) if limit in settings else math.inf
        slots, rate = left("concurrency", len(others)), settings.get("rate")
        rate = max(0, rate["limit"] - self.started_lately(queue, rate, now)) if rate else math.inf
        held, free = [w for w in ready if w.slot], [w for w in ready if not w.slot]
        held_new = min(rate, sum(map(starts, held)))
        goes_on = new = 0
        for partition in {w.partition for w in free}:
            here = [starts(w) for w in free if w.partition == partition]
            room = math.inf if partition is None else left("partition_concurrency", sum(o.partition == partition for o in others))
            on = min(room, here.count(False))
            goes_on, new = goes_on + on, new + min(room - on, here.count(True))
        taken = sum(not starts(w) for w in held) + held_new + min(slots, goes_on + min(rate - held_new, new))
        return min(taken, settings.get("worker_concurrency", math.inf))

    def slot_is_lost(self, w, now):
        """Whether its claim has run out and others have taken the slot."""
        settings = self.state.queues.get(w.queue, {})
        if w.due > now:
            return False
        others = [o for o in self.state.workflows.values() if o.queue == w.queue and not o.over and (o.slot or o.live(now))]
        def full(limit, *who):
            return limit in settings and len(who) >= settings[limit]
        return (full("worker_concurrency", *(o for o in others if o.live(now) and o.worker == w.worker))
                or not w.slot and (full("concurrency", *others)
                                   or w.partition is not None and full("partition_concurrency", *(o for o in others if o.partition == w.partition))))

    def started_lately(self, queue, rate, now):
        return sum(each == queue and now - rate["per"] < at <= now for each, at in self.state.starts)

    def admit(self, w, again, now):
        rate = self.state.queues.get(w.queue, {}).get("rate")
        if again and rate:
            self.state.starts = [(queue, at) for queue, at in self.state.starts if queue != w.queue or now - rate["per"] < at <= now]
            self.state.starts.append((w.queue, now))
        w.slot = self.until_end(w.queue)

    def table_queues(self):
        rows, now = [], self.clock
        for name, s in sorted(self.state.queues.items()):
            rate, lease = s.get("rate"), s.get("lease")
            here = [w for w in self.state.workflows.values() if w.queue == name and not w.over]
            due = [w.due for w in here if w.status in ("pending", "waiting") and not w.manual and w.due is not None and w.due <= now]
            rows.append((
                name, *(s.get(limit) for limit in LIMITS), s.get("hold", "lease"), rate and rate["limit"], rate and rate["per"] / 1000,
                int(s.get("paused", False)), lease and lease / 1000, s.get("max_attempts"), len(due), sum(w.live(now) for w in here),
                sql_time(min(due, default=None))))
        return rows
