"""Test time: every offset counts seconds from one fixed moment."""

from datetime import datetime, timedelta, timezone

BASE = 1_800_000_000  # 2027-01-15T08:00:00Z


def sql_time(offset=0):
    """The moment as tables and scalar results show it: 2027-01-15 08:00:00.000"""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=round((BASE + offset) * 1000))
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + "%03d" % (moment.microsecond // 1000)


def seconds_of(text):
    """The seconds since 1970 of a time in either form. (julianday() of older SQLites is a millisecond off now and then.)"""
    return datetime.fromisoformat(text.replace("Z", "") + "+00:00").timestamp()


def json_time(offset=0):
    """The same moment as JSON results show it: 2027-01-15T08:00:00.000Z"""
    return sql_time(offset).replace(" ", "T") + "Z"
