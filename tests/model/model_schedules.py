"""Schedules, as a mixin of the model: workflows that are started again and again.

The calendar here knows `@every` and the times of every day, in UTC; days, months and time zones have a test of their own.
"""

import math
from bisect import bisect_right
from functools import lru_cache

import model_arguments as arg
from model_arguments import Options, in_seconds, json_time, options, sql_time
from model_state import Schedule

DAY = 86_400_000
NAMED = {"@hourly": "0 0 * * * *", "@daily": "0 0 0 * * *", "@midnight": "0 0 0 * * *"}


@lru_cache(maxsize=None)
def times_of_day(cron):
    """Milliseconds of the day; WF_INVALID for what this calendar does not know."""
    fields = NAMED.get(cron, cron).split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6 or fields[3:] != ["*"] * 3:
        raise arg.invalid("cron")
    seconds, minutes, hours = (field_values(field, most) for field, most in zip(fields, (59, 59, 23)))
    return [((hour * 60 + minute) * 60 + second) * 1000 for hour in hours for minute in minutes for second in seconds]


def field_values(field, most):
    values, _, step = field.partition("/")
    first, _, last = values.partition("-")
    if not all(part.isdigit() for part in (first, last, step) if part and part != "*"):
        raise arg.invalid("cron")
    low, high = (0, most) if first == "*" else (int(first), int(last or (most if step else first)))
    if high > most or low > high:
        raise arg.invalid("cron")
    return range(low, high + 1, int(step or 1))


def every(cron):
    return arg.duration(cron[len("@every "):]) if cron.startswith("@every ") else None


def check_cron(cron):
    if not isinstance(cron, str) or (every(cron) is not None and every(cron) < 1000):
        raise arg.invalid("cron")
    if every(cron) is None:
        times_of_day(cron)


def next_time(cron, after):
    length = every(cron)
    if length:
        return (after // length + 1) * length
    times, day = times_of_day(cron), after // DAY * DAY
    at = bisect_right(times, after - day)
    return day + times[at] if at < len(times) else day + DAY + times[0]


class Schedules:
    def wf_schedule(self, name, cron, workflow, input=None, given=None):
        given = options("wf_schedule", given)
        name, workflow, input = arg.identifier(name), arg.name(workflow), arg.input_value(input)
        check_cron(cron)
        now = self.write(given)
        new = Schedule(name, cron, workflow, input, created=now)
        new.catch_up, new.paused = given["catch_up"] or "last", bool(given["paused"])
        new.overlap = given["overlap"] or ("allow" if new.catch_up == "all" else "skip")
        new.grace = 60_000 if given["grace"] is None else given["grace"]
        new.start = {key: value for key, value in (given["start"] or {}).items() if value not in (0, False, "default") or key == "timeout"}
        old = self.state.schedules.get(name)
        if old and old.settings() == new.settings() and arg.same_value(old.input, new.input):
            return sql_time(old.next)
        if old:
            new.created, new.last, new.skipped = old.created, old.last, old.skipped
        if not new.paused:
            goes_on = old and not old.paused and old.cron == cron  # with the same calendar, what is due stays due
            new.next = old.next if goes_on else next_time(cron, max(now, new.last or now))
        self.state.schedules[name] = new
        return sql_time(new.next)

    def wf_trigger(self, name, time=None, given=None):
        given = options("wf_trigger", given)
        name = arg.identifier(name)
        time = None if time is None else arg.time(time)
        if given["from"] is None and (given["to"] is not None or given["limit"] is not None):
            raise arg.invalid("from is missing")
        if given["from"] is not None and time is not None:
            raise arg.invalid("from and a time")
        if given["from"] is not None:
            self.at_top_level("wf_trigger")
        now = self.write(given)
        to = now if given["to"] is None else given["to"]
        if given["from"] is not None and not given["from"] <= to <= now:
            raise arg.invalid("from, to")
        s = self.state.schedules.get(name)
        if s is None:
            raise arg.WfError("WF_NOT_FOUND", name)
        if given["from"] is None:
            at = now if time is None else time
            self.fire_for(s, at, now)
            return s.firing(at)
        ids, started, at = [], 0, next_time(s.cron, given["from"] - 1)
        while at <= to and len(ids) < (given["limit"] or 1000):
            started += self.fire_for(s, at, now)
            ids.append(s.firing(at))
            at = next_time(s.cron, at)
        return self.json({"ids": ids, "started": started, "next": json_time(at) if at <= to else None})

    def fire_for(self, s, time, now):
        """Starts the workflow of a time, once."""
        if self.find(s.firing(time)):
            return 0
        self.start(s.workflow, s.input, Options(s.start | {"id": s.firing(time)}), now).scheduled = time
        return 1

    def wf_unschedule(self, name, given=None):
        options("wf_unschedule", given)
        name = arg.identifier(name)
        self.write(Options(now=0))
        return int(self.state.schedules.pop(name, None) is not None)

    def fire_schedules(self, now, most=math.inf):
        """Does what is due, time after time, up to `most` workflows; returns how many were started."""
        started = 0
        while True:
            due = [s for s in self.state.schedules.values() if s.next is not None and s.next <= now and not (s.overlap == "queue" and self.goes_on(s))]
            if not due:
                return started
            for schedule in sorted(due, key=lambda s: s.next):
                if started >= most:
                    return started
                started += self.fire(schedule, now)

    def goes_on(self, schedule):
        """Whether the workflow of its last firing has not ended."""
        last = schedule.last is not None and self.find(schedule.firing(schedule.last))
        return bool(last) and not last.over

    def fire(self, s, now):
        due = [s.next]
        while (following := next_time(s.cron, due[-1])) <= now:
            due.append(following)
        overlaps = s.overlap == "skip" and self.goes_on(s)
        if s.catch_up == "all" and overlaps:
            s.skipped, s.next = s.skipped + len(due), following
            return 0
        time = due[0] if s.catch_up == "all" else due[-1]
        s.next = next_time(s.cron, time)
        if overlaps or (s.catch_up == "skip" and now - time > s.grace):
            s.skipped += 1
            return 0
        s.last = time
        return self.fire_for(s, time, now)

    def table_schedules(self):
        return [(s.name, s.cron, s.workflow, s.input, s.catch_up, in_seconds(s.grace), s.overlap, int(s.paused), sql_time(s.next), sql_time(s.last),
                 None if s.last is None else s.firing(s.last), s.skipped, sql_time(s.created))
                for _, s in sorted(self.state.schedules.items())]
