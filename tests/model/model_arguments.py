"""What the functions accept: names, handles, values, durations, times and the options of each function.

Everything here raises WF_INVALID, and needs no database to decide.
"""

import json
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TEN_YEARS = 10 * 365 * 86_400_000
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


class WfError(Exception):
    """An error with its stable code; BUSY stands for SQLite's own 'database is locked'."""

    def __init__(self, code, why=""):
        super().__init__("%s: %s" % (code, why))
        self.code = code
        self.after = None     # the state that the refused call leaves, where that is not the one before it


def invalid(why):
    return WfError("WF_INVALID", why)


# Time, in milliseconds since 1970


@lru_cache(maxsize=10_000)
def sql_time(millis):
    if millis is None:
        return None
    moment = EPOCH + timedelta(milliseconds=millis)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + "%03d" % (moment.microsecond // 1000)


def json_time(millis):
    return None if millis is None else sql_time(millis).replace(" ", "T") + "Z"


def in_seconds(millis):
    return millis // 1000 if millis % 1000 == 0 else millis / 1000


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def duration(value):
    if is_number(value):
        if not 0 <= value < 1e11:
            raise invalid("duration")
        return round(value * 1000)
    match = isinstance(value, str) and value and re.fullmatch(
        "".join(r"(?:(\d+(?:\.\d+)?)%s)?" % unit for unit in ("d", "h", "m(?!s)", "s", "ms")), value)
    if not match:
        raise invalid("duration")
    return round(sum(float(count) * size for count, size in zip(match.groups(), UNITS.values()) if count))


def time(value):
    if is_number(value):
        return round(value * 1000)
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        raise invalid("time")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise invalid("time")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - EPOCH) // timedelta(milliseconds=1)


# Names


def name(value):
    if not isinstance(value, str) or not value or len(value.encode()) > 255 or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise invalid("name")
    return value


def optional_name(value):
    return None if value is None else name(value)


def identifier(value):
    if name(value).startswith(("run_", "[")):
        raise invalid("id")
    return value


def is_token(handle):
    return handle.startswith("run_")


def handle(value):
    if not is_token(name(value)):
        return identifier(value)
    if not re.fullmatch(r"run_[0-9a-z]+_[0-9a-z]+", value):
        raise invalid("token")
    return value


def names(value):
    """A name or a JSON array of names, as a list."""
    return [name(item) for item in value] if isinstance(value, list) else [name(value)]


def names_text(value):
    """The same as an argument in SQL: a name, or the text of a JSON array."""
    if not isinstance(value, str) or not value.startswith("["):
        return [name(value)]
    if not is_json(value):
        raise invalid("names")
    return names(json.loads(value))


# JSON and values


def parse_json(text):
    """Strict RFC 8259, an object as a list of pairs wrapped in Pairs, so that duplicate keys are seen."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def is_json(text):
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def input_value(value):
    """An input or a payload: text has to be JSON. SQL NULL is JSON null."""
    if value is None:
        return "null"
    if isinstance(value, str) and not is_json(value):
        raise invalid("not JSON")
    return value


def report(value):
    """An output, an error, a reason: never refused."""
    if value is None:
        return "null"
    if isinstance(value, str) and not is_json(value):
        return json.dumps(value, ensure_ascii=False)
    return value


def in_json(value):
    """A stored value as it appears inside JSON results."""
    if isinstance(value, bytes):
        return {"$blob": value.hex()}
    return parse_json(value) if isinstance(value, str) else value


def same_json(a, b):
    """Equality of JSON values: 1 is 1.0, true is not 1, the order of keys does not matter."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if is_number(a) and is_number(b):
        return a == b
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same_json, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_json(a[key], b[key]) for key in a)
    return a == b


def same_value(a, b):
    if isinstance(a, bytes) or isinstance(b, bytes):
        return a == b
    return same_json(in_json(a), in_json(b))


# Options: for each type a function from the JSON value to what it means


def integer(low, high):
    def read(value):
        if is_number(value) and value == int(value) and low <= value <= high:
            return int(value)
        raise invalid("integer")

    return read


def boolean(value):
    if isinstance(value, bool) or (is_number(value) and value in (0, 1)):
        return bool(value)
    raise invalid("boolean")


def some_duration(value):
    """More than nothing, up to ten years: a lease."""
    if 0 < duration(value) <= TEN_YEARS:
        return duration(value)
    raise invalid("more than zero")


def any_object(value):
    if isinstance(value, dict):
        return json.dumps(value)
    raise invalid("object")


def number(low, high):
    def read(value):
        if is_number(value) and low <= value <= high:
            return value
        raise invalid("number")

    return read


BACKOFF = {"initial": duration, "factor": number(1, 1000), "max": duration, "jitter": number(0, 1)}
DEFAULT_BACKOFF = {"initial": 1000, "factor": 2, "max": 300_000, "jitter": 0}


def backoff(value):
    if not isinstance(value, dict) or not value.keys() <= BACKOFF.keys():
        raise invalid("backoff")
    return DEFAULT_BACKOFF | {key: BACKOFF[key](part) for key, part in value.items()}


def one_of(*words):
    def read(value):
        if value in words and isinstance(value, str):
            return value
        raise invalid("one of " + ", ".join(words))

    return read


def rate(value):
    if not isinstance(value, dict) or value.keys() != {"limit", "per"}:
        raise invalid("rate")
    return {"limit": integer(0, 2**31 - 1)(value["limit"]), "per": some_duration(value["per"])}


def option_value(value):
    """A JSON value as it is stored."""
    return json.dumps(value)


def tags(value):
    if not isinstance(value, dict):
        raise invalid("tags")
    return {name(key): name(text) for key, text in value.items() if "=" not in key or not name("")}


def canonical(value):
    """The same for JSON values that are the same, and hashable."""
    if isinstance(value, dict):
        return "object", frozenset((key, canonical(part)) for key, part in value.items())
    if isinstance(value, list):
        return "array", tuple(map(canonical, value))
    return type(value).__name__.replace("float", "int"), value


def called_with(value):
    return "input", canonical(value)


PRINT = {"input": called_with, "hash": lambda value: ("hash", name(value))}
START = {
    "id": identifier, "queue": name, "priority": integer(-100, 100), "delay": duration, "at": time, "timeout": duration,
    "max_attempts": integer(1, 1_000_000), "max_failures": integer(1, 1_000_000), "backoff": backoff, "version": name, "partition": name, "dedup": name,
    "headers": any_object, "manual": boolean, "cleanup": boolean, "report": boolean, "tags": tags,
}
SCHEDULED = {key: read for key, read in START.items() if key not in ("id", "at", "dedup", "report")}


def start_of_schedule(value):
    """Options of wf_start for what a schedule starts."""
    if not isinstance(value, dict) or not value.keys() <= SCHEDULED.keys():
        raise invalid("start")
    return {key: SCHEDULED[key](part) for key, part in value.items() if part is not None}


LIMIT = integer(0, 2**31 - 1)

# What each function takes besides "now".
OPTIONS = {
    "wf_start": START | {"if_exists": one_of("same", "return", "fail", "replace", "restart")},
    "wf_claim": {"lease": some_duration, "limit": integer(1, 1000), "names": names, "versions": names, "id": identifier, "key": name,
                 "steps": boolean},
    "wf_step": PRINT | {"once": boolean, "cleanup": boolean, "error": boolean, "values": boolean},
    "wf_complete": {},
    "wf_continue": {"period": integer(1, 2**63 - 1), "delay": duration, "timeout": duration, "version": name, "priority": integer(-100, 100),
                    "headers": any_object, "streams": boolean},
    "wf_fail": {"retry": boolean, "delay": duration, "at": time, "step": name, "max_attempts": integer(1, 1_000_000), "keep": boolean},
    "wf_heartbeat": {},
    "wf_release": {"delay": duration, "at": time},
    "wf_recover": {"pause": boolean, "id": name, "worker": name, "lost": boolean},
    "wf_sleep": PRINT | {"keep": boolean},
    "wf_signal": {"key": name},
    "wf_rate": {"limit": integer(1, 2**31 - 1), "per": some_duration},
    "wf_acquire": PRINT | {"key": name, "timeout": duration, "keep": boolean},
    "wf_await": PRINT | {"keep": boolean},
    "wf_emit": {},
    "wf_await_event": PRINT | {"keep": boolean},
    "wf_spawn": START | PRINT | {"detached": boolean, "parent_cleanup": boolean, "if_exists": one_of("same", "return", "fail")},
    "wf_join": PRINT | {"keep": boolean, "mode": one_of("all", "any"), "timeout": duration, "outputs": boolean},
    "wf_wait_any": PRINT | {"keep": boolean, "mode": one_of("any", "all")},
    "wf_begin": PRINT | {"in_doubt": one_of("retry", "hold", "fail"), "cleanup": boolean},
    "wf_resolve": {},
    "wf_set": {},
    "wf_append": {"offset": integer(0, 2**62), "each": boolean, "close": boolean, "step": name, "cleanup": boolean},
    "wf_tag": {},
    "wf_trigger": {"from": time, "to": time, "limit": integer(1, 100_000)},
    "wf_trim": {"limit": integer(1, 2**63 - 1)},
    "wf_cancel": {"force": boolean, "skip": boolean},
    "wf_pause": {"skip": boolean},
    "wf_resume": {"skip": boolean},
    "wf_reschedule": {"skip": boolean},
    "wf_retry": {"from": name, "children": one_of("failed"), "errors": one_of("drop", "keep"), "max_attempts": integer(1, 1_000_000), "skip": boolean},
    "wf_delete": {"force": boolean, "skip": boolean},
    "wf_fork": {"id": identifier, "from": name, "input": option_value},
    "wf_purge": {"older_than": duration, "keep": integer(0, 2**63 - 1), "status": names, "name": name, "queue": name, "events": boolean, "limit": integer(1, 1_000_000)},
    "wf_queue": {"concurrency": LIMIT, "worker_concurrency": LIMIT, "partition_concurrency": LIMIT, "hold": one_of("lease", "started"),
                 "rate": rate, "paused": boolean, "lease": some_duration, "max_attempts": integer(1, 1_000_000), "backoff": backoff},
    "wf_schedule": {"timezone": one_of("UTC"), "catch_up": one_of("last", "all", "skip"), "grace": duration, "overlap": one_of("skip", "allow", "queue"),
                    "paused": boolean, "start": start_of_schedule},
    "wf_unschedule": {},
    "wf_tick": {"limit": integer(1, 2**63 - 1)},
}


class Options(dict):
    """The options that were given and are not null; missing ones read as None."""

    def __missing__(self, key):
        return None

    def exclusive(self, *keys):
        if all(key in self for key in keys):
            raise invalid("%s exclude each other" % (keys,))

    @property
    def print(self):
        """What a step is called with; None where nothing is said of it."""
        self.exclusive("input", "hash")
        return self["input"] or self["hash"]


def waits(text):
    """The array of wf_wait_any: (kind, topics, a function of now that gives the end of a sleep, how, as) of each."""
    try:
        entries = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not entries:
        raise invalid("waits")
    read = []
    for entry in entries:
        kinds = {"signal": "await", "event": "await_event", "join": "join", "sleep": "sleep"}
        if not isinstance(entry, dict) or not entry.keys() <= {*kinds, "as", "mode", "outputs"} or len(entry.keys() & kinds.keys()) != 1:
            raise invalid("one of waits")
        (word,) = entry.keys() & kinds.keys()
        topics, moment, how = None, None, None
        if word == "join":
            how = {"any": one_of("all", "any")(entry.get("mode", "all")) == "any", "outputs": boolean(entry.get("outputs", True))}
            topics = None if entry["join"] is None else names(entry["join"])
        elif entry.keys() & {"mode", "outputs"}:
            raise invalid("mode and outputs are of a join")
        elif word == "sleep":
            try:
                length = duration(entry["sleep"])
                moment = lambda now, length=length: now + length  # noqa: E731
            except WfError:
                if not isinstance(entry["sleep"], str):
                    raise
                end = time(entry["sleep"])
                moment = lambda now, end=end: end  # noqa: E731
        else:
            topics = names(entry[word])
            if not topics:
                raise invalid("no names")
        read.append((kinds[word], topics, moment, how, name(entry["as"]) if "as" in entry else None))
    return read


def options(function, text):
    if text is None:
        return Options()

    def no_twins(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise invalid("a key twice")
        return dict(pairs)

    try:
        given = json.loads(text, object_pairs_hook=no_twins) if isinstance(text, str) else None
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise invalid("options are a JSON object")
    described = OPTIONS[function] | {"now": time}
    if not given.keys() <= described.keys():
        raise invalid("unknown option")
    return Options((key, described[key](value)) for key, value in given.items() if value is not None)
