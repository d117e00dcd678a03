"""The times of cron expressions against another implementation: calendar_reference.py, and walks minute by minute."""

import json
import os
import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from calendar_reference import CHANGES, UTC, ZONES, local_time, next_firing, random_expression, triples, with_last

DEEP = bool(os.environ.get("WFEXT_DEEP"))
BLOCKS = 100 if DEEP else 10


class Calendar:
    """Asks wf_schedule, each time for a new schedule."""

    def __init__(self, db):
        self.db, self.count = db, 0
        db.wf_init()
        db.execute("BEGIN")

    def next(self, cron, zone, after):
        self.count += 1
        now = after.strftime("%Y-%m-%dT%H:%M:%SZ")
        options = json.dumps({"timezone": zone, "now": now})
        text = self.db.value("SELECT wf_schedule(?, ?, 'job', NULL, ?)", "s%d" % self.count, cron, options)
        return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def calendar(memdb):
    return Calendar(memdb)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_expressions_zones_and_times(calendar, block):
    wrong = []
    for expression, zone, after in triples(block, 1200):
        expected, found = next_firing(expression, zone, after), calendar.next(expression.text, zone.key, after)
        if found != expected:
            wrong.append("%s in %s after %s: %s, not %s" % (expression.text, zone.key, after, found, expected))
    assert wrong == []


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_expressions_with_the_last_of_the_month(calendar, block):
    rng, wrong = random.Random(block), []
    for expression, zone, after in triples(2000 + block, 200):
        last = with_last(rng, expression)
        expected, found = next_firing(last, zone, after), calendar.next(last.text, zone.key, after)
        if found != expected:
            wrong.append("%s in %s after %s: %s, not %s" % (last.text, zone.key, after, found, expected))
    assert wrong == []


def firings_by_walking(expression, zone, since, until, step):
    """Looks at the clock at every step: what it shows, or for fixed hours what it shows for the first time or has left out."""
    latest = max(local_time(zone, since - timedelta(hours=h)) for h in range(26))
    moment = since
    while moment < until:
        moment += step
        local = local_time(zone, moment)
        if not expression.fixed_hours:
            if expression.has_date(local.date()) and expression.has_time(local):
                yield moment
            continue
        new = []
        while latest < local:
            latest += step
            new.append(latest)
        if any(expression.has_date(n.date()) and expression.has_time(n) for n in new):
            yield moment


@pytest.mark.parametrize("zone", [zone for zone in ZONES if zone not in ("UTC", "Asia/Kolkata")])
def test_minute_by_minute_through_changes_of_the_clock(calendar, zone):
    rng = random.Random(zone)
    zone = ZoneInfo(zone)
    changes = [change for change in CHANGES.of(zone) if change.year >= 1975]
    for change in rng.sample(changes, min(len(changes), 12)):
        while True:
            expression = random_expression(rng, seconds=False)
            since = change - timedelta(hours=rng.randint(1, 30), minutes=rng.randint(0, 59), seconds=change.second)
            until = change + timedelta(hours=30)
            expected = list(firings_by_walking(expression, zone, since, until, timedelta(minutes=1)))
            if expected:
                break
        found, after = [], since
        for _ in expected:
            after = calendar.next(expression.text, zone.key, after)
            found.append(after)
        assert found == expected, (expression.text, zone.key, str(since))


def test_second_by_second_through_a_repeated_hour(calendar):
    rng = random.Random(1)
    zone = ZoneInfo("Europe/Berlin")
    since, until = datetime(2026, 10, 25, 0, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    compared = 0
    while compared < 10:
        expression = random_expression(rng, seconds=True)
        expected = list(firings_by_walking(expression, zone, since, until, timedelta(seconds=1)))[:100]
        compared += bool(expected)
        after = since
        for moment in expected:
            after = calendar.next(expression.text, zone.key, after)
            assert after == moment, (expression.text, str(moment))


# Both changes, by hand. Local times are given; the answers are in UTC.

BERLIN = "Europe/Berlin"         # 2027-03-28 02:00 -> 03:00 (01:00 UTC); 2027-10-31 03:00 -> 02:00 (01:00 UTC)
NEW_YORK = "America/New_York"    # 2027-03-14 02:00 -> 03:00 (07:00 UTC); 2027-11-07 02:00 -> 01:00 (06:00 UTC)
LORD_HOWE = "Australia/Lord_Howe"  # 2027-10-03 02:00 -> 02:30 (15:30 UTC the day before); 2027-04-04 02:00 -> 01:30 (15:00 UTC)
CASABLANCA = "Africa/Casablanca"  # 2026-02-15 03:00 -> 02:00 (02:00 UTC); 2026-03-22 02:00 -> 03:00 (02:00 UTC)
APIA = "Pacific/Apia"            # 2011-12-30 is left out: 2011-12-29 24:00 -> 2011-12-31 00:00 (10:00 UTC on the 30th)


@pytest.mark.parametrize(
    "zone, cron, after, expected",
    [
        # The hour that is left out. Fixed hours: at the moment of the change, once.
        (BERLIN, "30 2 * * *", "2027-03-27 12:00", ["03-28 01:00", "03-29 00:30"]),
        (BERLIN, "0,30 2 * * *", "2027-03-27 12:00", ["03-28 01:00", "03-29 00:00", "03-29 00:30"]),
        (BERLIN, "0 2,3 * * *", "2027-03-27 12:00", ["03-28 01:00", "03-29 00:00", "03-29 01:00"]),
        (BERLIN, "59 1 * * *", "2027-03-27 12:00", ["03-28 00:59", "03-28 23:59"]),
        (NEW_YORK, "30 2 * * *", "2027-03-13 12:00", ["03-14 07:00", "03-15 06:30"]),
        (LORD_HOWE, "15 2 * * *", "2027-10-02 12:00", ["10-02 15:30", "10-03 15:15"]),
        (LORD_HOWE, "45 2 * * *", "2027-10-02 12:00", ["10-02 15:45", "10-03 15:45"]),
        (CASABLANCA, "30 2 * * *", "2026-03-21 12:00", ["03-22 02:00", "03-23 01:30"]),
        (APIA, "0 12 * * *", "2011-12-28 23:00", ["12-29 22:00", "12-30 10:00", "12-30 22:00"]),
        (APIA, "0 0 30 12 *", "2011-06-01 00:00", ["12-30 10:00"]),
        # Others: what the clock does not show does not come.
        (BERLIN, "*/30 * * * *", "2027-03-28 00:15", ["03-28 00:30", "03-28 01:00", "03-28 01:30"]),
        (BERLIN, "*/30 2 * * *", "2027-03-27 12:00", ["03-29 00:00", "03-29 00:30"]),
        (BERLIN, "30 * * * *", "2027-03-28 00:15", ["03-28 00:30", "03-28 01:30"]),
        (BERLIN, "0 */2 * * *", "2027-03-27 23:30", ["03-28 02:00", "03-28 04:00"]),
        (LORD_HOWE, "*/20 * * * *", "2027-10-02 15:05", ["10-02 15:10", "10-02 15:40", "10-02 16:00"]),
        (APIA, "0 */12 * * *", "2011-12-29 21:00", ["12-29 22:00", "12-30 10:00", "12-30 22:00"]),
        # The hour that comes twice. Fixed hours: the first time.
        (BERLIN, "30 2 * * *", "2027-10-30 12:00", ["10-31 00:30", "11-01 01:30"]),
        (BERLIN, "30 2 * * *", "2027-10-31 01:10", ["11-01 01:30"]),
        (BERLIN, "0 3 * * *", "2027-10-30 12:00", ["10-31 02:00", "11-01 02:00"]),
        (BERLIN, "59 2 * * *", "2027-10-30 12:00", ["10-31 00:59", "11-01 01:59"]),
        (NEW_YORK, "30 1 * * *", "2027-11-06 12:00", ["11-07 05:30", "11-08 06:30"]),
        (LORD_HOWE, "45 1 * * *", "2027-04-03 12:00", ["04-03 14:45", "04-04 15:15"]),
        (CASABLANCA, "30 2 * * *", "2026-02-14 12:00", ["02-15 01:30", "02-16 02:30"]),
        # Others: both times.
        (BERLIN, "*/30 2 * * *", "2027-10-30 12:00", ["10-31 00:00", "10-31 00:30", "10-31 01:00", "10-31 01:30", "11-01 01:00"]),
        (BERLIN, "30 * * * *", "2027-10-31 00:00", ["10-31 00:30", "10-31 01:30", "10-31 02:30"]),
        (BERLIN, "0 */2 * * *", "2027-10-30 22:30", ["10-31 00:00", "10-31 01:00", "10-31 03:00"]),
        # Seconds make no difference, nor do the macros.
        (BERLIN, "*/20 30 2 * * *", "2027-03-27 12:00", ["03-28 01:00", "03-29 00:30"]),
        (BERLIN, "30 30 2 * * *", "2027-10-30 12:00", ["10-31 00:30:30", "11-01 01:30:30"]),
        (BERLIN, "@hourly", "2027-10-31 00:30", ["10-31 01:00", "10-31 02:00"]),
        (BERLIN, "@daily", "2027-10-30 12:00", ["10-30 22:00", "10-31 23:00"]),
        (BERLIN, "@every 1h", "2027-03-28 00:30", ["03-28 01:00", "03-28 02:00"]),
        # Days without midnight, where the clock changes at 00:00.
        ("America/Sao_Paulo", "0 0 * * *", "2018-11-03 12:00", ["11-04 03:00", "11-05 02:00"]),
        ("Africa/Cairo", "@daily", "2026-04-23 12:00", ["04-23 22:00", "04-24 21:00"]),
    ],
)
def test_changes_of_the_clock(calendar, zone, cron, after, expected):
    moment, found = datetime.fromisoformat(after).replace(tzinfo=UTC), []
    for _ in expected:
        moment = calendar.next(cron, zone, moment)
        found.append(moment.strftime("%m-%d %H:%M:%S" if moment.second else "%m-%d %H:%M"))
    assert found == expected


def test_the_comments_on_the_changes_are_true():
    for zone, moment, before, after in (
        (BERLIN, "2027-03-28 01:00", 1, 2), (BERLIN, "2027-10-31 01:00", 2, 1), (NEW_YORK, "2027-03-14 07:00", -5, -4),
        (NEW_YORK, "2027-11-07 06:00", -4, -5), (LORD_HOWE, "2027-10-02 15:30", 10.5, 11), (LORD_HOWE, "2027-04-03 15:00", 11, 10.5),
        (CASABLANCA, "2026-02-15 02:00", 1, 0), (CASABLANCA, "2026-03-22 02:00", 0, 1), (APIA, "2011-12-30 10:00", -10, 14),
    ):  # fmt: skip
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        offsets = [(at + timedelta(seconds=s)).astimezone(ZoneInfo(zone)).utcoffset() for s in (-1, 0)]
        assert offsets == [timedelta(hours=before), timedelta(hours=after)], (zone, moment)


# Rare dates


@pytest.mark.parametrize(
    "cron, after, expected",
    [
        ("0 0 29 2 *", "2096-03-01", "2104-02-29"),
        ("0 0 29 2 */7", "2088-03-01", "2128-02-29"),  # a Sunday, past 2100
        ("0 0 31 */7 *", "2026-02-01", "2026-08-31"),  # January and August
        ("0 0 31 2,12 *", "2026-02-01", "2026-12-31"),
        ("59 59 23 31 12 *", "2026-12-31", "2026-12-31 23:59:59"),
        ("0 0 1 1 *", "1969-06-01", "1970-01-01"),
        ("0 0 1 1 *", "0000-01-01", "0001-01-01"),
    ],
)
def test_rare_dates(memdb, cron, after, expected):
    found = memdb.wf_schedule("s", cron, "job", None, json.dumps({"now": after}))
    assert found == (expected if " " in expected else expected + " 00:00:00") + ".000"
