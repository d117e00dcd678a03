"""When a cron expression fires, worked out another way: every day's candidates are tried with Python's zoneinfo.

Expressions are made at random together with what they mean, so nothing here reads cron syntax.
"""

import random
from bisect import bisect
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANGES = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/Sao_Paulo",
    "Asia/Kathmandu", "America/St_Johns", "Europe/Dublin", "America/Nuuk", "Antarctica/Troll", "Asia/Tehran", "Africa/Cairo",
    "America/Santiago", "Pacific/Chatham", "Asia/Kolkata", "Pacific/Kwajalein", "America/Caracas", "Europe/Istanbul",
]  # fmt: skip
DATES = [(day.month, day.day) for day in (date(2000, 1, 1) + timedelta(n) for n in range(366))]


@dataclass
class Field:
    text: str
    values: set
    last: frozenset = frozenset()  # of day: True for the last of the month; of weekday: those whose last in the month is meant

    @property
    def open(self):
        return self.text[0] in "*?"


@dataclass
class Expression:
    fields: dict

    @property
    def text(self):
        return " ".join(field.text for field in self.fields.values())

    @property
    def seconds(self):
        return self.fields["second"].values if "second" in self.fields else {0}

    @property
    def fixed_hours(self):
        return not self.fields["minute"].open and not self.fields["hour"].open

    @property
    def times_a_day(self):
        return len(self.seconds) * len(self.fields["minute"].values) * len(self.fields["hour"].values)

    def has_date(self, day):
        f = self.fields
        if day.month not in f["month"].values:
            return False
        weekday, left = day.isoweekday() % 7, monthrange(day.year, day.month)[1] - day.day
        by_day = day.day in f["day"].values or (left == 0 and True in f["day"].last)
        by_weekday = weekday in f["weekday"].values or (left < 7 and weekday in f["weekday"].last)
        return by_day and by_weekday if f["day"].open or f["weekday"].open else by_day or by_weekday

    def has_time(self, local):
        f = self.fields
        return local.second in self.seconds and local.minute in f["minute"].values and local.hour in f["hour"].values

    def clock_times(self):
        """All times of a day that match, in seconds."""
        f = self.fields
        return sorted(h * 3600 + m * 60 + s for h in f["hour"].values for m in f["minute"].values for s in self.seconds)


def random_field(rng, name, openness):
    low, high = RANGES[name]
    if rng.random() < openness:
        return Field(rng.choice("***?"), normal(name, range(low, high + 1)))
    items, values = [], set()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.choice(("value", "value", "range", "step of all", "step of range", "step from"))
        a = rng.randint(low, high)
        b = rng.randint(a, high)
        step = rng.randint(1, max(1, (high - low) // 2))
        if kind == "value":
            items.append(spelled(rng, name, a))
            values.add(a)
        elif kind == "range":
            names = a != 7 and b != 0 and (a, b) != (0, 7)  # SUN is 0 at the front of a range and 7 at its end
            items.append("%s-%s" % ((spelled(rng, name, a), spelled(rng, name, b)) if names else (a, b)))
            values.update(range(a, b + 1))
        elif kind == "step of all":
            items.append("*/%d" % step)
            values.update(range(low, high + 1, step))
        elif kind == "step of range":
            items.append("%d-%d/%d" % (a, b, step))
            values.update(range(a, b + 1, step))
        else:
            items.append("%d/%d" % (a, step))
            values.update(range(a, high + 1, step))
    return Field(",".join(items), normal(name, values))


def normal(name, values):
    return {v % 7 for v in values} if name == "weekday" else set(values)


def spelled(rng, name, value):
    names = {"month": MONTHS, "weekday": WEEKDAYS}.get(name)
    if names is None or rng.random() < 0.5:
        return rng.choice(("%d", "%02d")) % value
    return rng.choice((str.upper, str.lower, str.title))(names[value - 1 if name == "month" else value % 7])


def random_expression(rng, seconds=None):
    """A random one that comes, but not more than 300 times a day."""
    with_seconds = rng.random() < 0.25 if seconds is None else seconds
    while True:
        openness = {"second": 0.1, "minute": 0.15, "hour": 0.35, "day": 0.6, "month": 0.7, "weekday": 0.6}
        names = list(RANGES) if with_seconds else list(RANGES)[1:]
        expression = Expression({name: random_field(rng, name, openness[name]) for name in names})
        f = expression.fields
        comes = any(m in f["month"].values and d in f["day"].values for m, d in DATES)
        either = not f["day"].open and not f["weekday"].open
        if (comes or either) and expression.times_a_day <= 300:
            return expression


def with_last(rng, expression):
    """The same with L: the last day of the month, or 5L, its last Friday, or both."""
    f = dict(expression.fields)
    for name in rng.choice((["day"], ["weekday"], ["day", "weekday"])):
        number = True if name == "day" else rng.randint(0, 7)
        text = rng.choice("Ll") if name == "day" else "%d%s" % (number, rng.choice("Ll"))
        values = set() if f[name].open else f[name].values
        texts = [text] if f[name].open else [f[name].text, text]
        f[name] = Field(",".join(texts), values, frozenset({True if name == "day" else number % 7}))
    return Expression(f)


def local_time(zone, moment):
    """What the zone's clock shows, without its zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def moments(zone, local):
    """The moments at which the clock shows `local`: none, one or two."""
    found = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(m for m in found if local_time(zone, m) == local)


def end_of_gap(zone, local):
    """The moment of the change by which `local` is left out."""
    low, high = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def fires_at(expression, zone, local):
    found = moments(zone, local)
    if expression.fixed_hours:
        return found[:1] or [end_of_gap(zone, local)]
    return found


class Changes:
    """The moments at which the clocks of the zones change, from 1970 to 2110."""

    def __init__(self):
        self.known = {}

    def of(self, zone):
        if zone.key not in self.known:
            self.known[zone.key] = list(self.find(zone))
        return self.known[zone.key]

    def between(self, zone, since, until):
        return bisect(self.of(zone), since) != bisect(self.of(zone), until)

    @staticmethod
    def find(zone):
        step, low = timedelta(days=5), EPOCH
        while low.year < 2110:
            before, high = low.astimezone(zone).utcoffset(), low + step
            if before != high.astimezone(zone).utcoffset():
                left, right = low, high
                while right - left > timedelta(seconds=1):
                    middle = (left + (right - left) / 2).replace(microsecond=0)
                    if middle.astimezone(zone).utcoffset() == before:
                        left = middle
                    else:
                        right = middle
                yield right
            low = high


CHANGES = Changes()
FAR = timedelta(days=3)


def next_firing(expression, zone, after):
    """The first firing after `after`."""
    start = local_time(zone, after)
    times = expression.clock_times()
    best = None
    day = start.date() - timedelta(days=2)
    while best is None or day <= local_time(zone, best).date() + timedelta(days=2):
        midnight = datetime(day.year, day.month, day.day)
        first = bisect(times, (start - timedelta(hours=26) - midnight).total_seconds() - 1)
        for time in times[first:] if expression.has_date(day) else ():
            local = midnight + timedelta(seconds=time)
            if best is not None and local > local_time(zone, best) + timedelta(hours=26):
                break
            for moment in fires_at(expression, zone, local):
                if moment > after and (best is None or moment < best):
                    best = moment
            # Away from changes what comes first on the clock comes first.
            if best is not None and local > start and not CHANGES.between(zone, max(after, best - FAR) - FAR, best + FAR):
                return best
        day += timedelta(days=1)
    return best


def random_moment(rng, zone):
    """From 1975 to 2100; every second one is close to a change of the clock, if there is any."""
    years = [change for change in CHANGES.of(zone) if 1975 < change.year < 2040 or change.year > 2095]
    if years and rng.random() < 0.5:
        return rng.choice(years) + timedelta(seconds=rng.randint(-40 * 3600, 10 * 3600))
    return datetime(1975, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randint(0, 125 * 365 * 86400))


def triples(seed, count):
    """Random (expression, zone, moment)."""
    rng = random.Random(seed)
    for _ in range(count):
        zone = ZoneInfo(rng.choice(ZONES))
        yield random_expression(rng), zone, random_moment(rng, zone)
