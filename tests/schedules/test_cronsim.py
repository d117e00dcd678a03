"""The times of cron expressions against the package cronsim: the rules of Debian's cron, both changes of the clock included, by other hands.

`make test` installs it into build/python. Where it does something else, and why that is not compared, stands in `otherwise()`.
"""

import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from calendar_reference import CHANGES, MONTHS, UTC, WEEKDAYS, triples

sys.path.append(str(Path(__file__).resolve().parents[2] / "build" / "python"))
cronsim = pytest.importorskip("cronsim", reason="the package cronsim cannot be had: neither installed nor in build/python (scripts/setup.sh test)")

BLOCKS, SIZE = (300 if os.environ.get("WFEXT_DEEP") else 30), 500
HOUR = timedelta(hours=1)


def number(text):
    names = {name: n for n, name in enumerate(WEEKDAYS)} | {name: n + 1 for n, name in enumerate(MONTHS)}
    return names.get(text.upper(), text.lstrip("0"))


def with_one_value(item):
    """A range like 2-2 with a step."""
    ends = re.fullmatch(r"(\w+)-(\w+)/\d+", item)
    return ends and number(ends[1]) == number(ends[2])


def uneven(zone, change):
    """A change by or at something else than full hours, or one that leaves out a midnight."""
    before, after = (change - timedelta(seconds=1)).astimezone(zone), change.astimezone(zone)
    old, new = (change + moment.utcoffset() for moment in (before, after))
    jump = new - old
    midnight = old.replace(hour=0, minute=0, second=0) + timedelta(days=(old.hour, old.minute, old.second) > (0, 0, 0))
    return jump % HOUR or old.minute or old.second or old <= midnight < new


def changes(zone, since, until):
    return [change for change in CHANGES.of(zone) if since <= change <= until]


def otherwise(expression, zone, start, found):
    """Why cronsim's answer is another one by its design or its defects; None: it has to be the same."""
    fields = expression.fields
    if any(with_one_value(item) for field in fields.values() for item in field.text.split(",")):
        return "it takes 2-2/3 for 2/3"
    if re.search("-sun", fields["weekday"].text, re.IGNORECASE):
        return "it does not know that SUN ends a week, too"
    if found.year - start.year >= 50:
        return "it gives up after 50 years"
    day = 25 * HOUR
    if expression.fixed_hours and "second" in fields and changes(zone, start - day, found + day):
        return "it has the rules of fixed hours for five fields only"
    if not expression.fixed_hours and any(uneven(zone, change) for change in changes(zone, start - day, found + day)):
        return "it goes from hour to hour of real time from a full one, and from day to day from a midnight that may not exist"
    return None


def next_time(expression, zone, start, after):
    times = cronsim.CronSim(expression.text.replace("?", "*"), start.astimezone(zone))
    return next(moment for moment in (time.astimezone(UTC) for time in times) if moment > after)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_next_times_are_those_of_cronsim(memdb, block):
    memdb.wf_init()
    memdb.execute("BEGIN")
    wrong, compared, at_a_change = [], 0, 0
    for n, (expression, zone, after) in enumerate(triples(1000 + block, SIZE)):
        text = memdb.wf_schedule("s%d" % n, expression.text, "job", timezone=zone.key, now=after.strftime("%Y-%m-%dT%H:%M:%SZ"))
        found = datetime.fromisoformat(text).replace(tzinfo=UTC)
        # For fixed hours it forgets which of two equal times on the clock it begins at: then it begins before.
        start = after - timedelta(days=2) if after.astimezone(zone).fold else after
        if otherwise(expression, zone, start, found):
            continue
        compared += 1
        at_a_change += bool(changes(zone, after, found + 2 * HOUR))
        expected = next_time(expression, zone, start, after)
        if found != expected:
            wrong.append("%s in %s after %s: %s, cronsim says %s" % (expression.text, zone.key, after, found, expected))
    assert wrong == []
    assert compared > 320 and at_a_change > 40, (compared, at_a_change)


def test_what_is_compared_is_of_all_kinds():
    kinds = set()
    for expression, zone, after in triples(0, 2000):
        until = after + 26 * HOUR
        if not otherwise(expression, zone, after, until):
            jumps = {(c.astimezone(zone).utcoffset() > (c - HOUR / 3600).astimezone(zone).utcoffset()) for c in changes(zone, after, until)}
            kinds.add((expression.fixed_hours, "second" in expression.fields, *sorted(jumps)[:1]))
    five, six = {(f, False, *j) for f in (True, False) for j in ((), (True,), (False,))}, {(True, True), (False, True, True), (False, True, False)}
    assert kinds >= five | six
