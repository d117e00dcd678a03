"""Durations and times: what is read, and the two forms in which a time is shown."""

import re

import pytest
from support import BASE, json_time, sql_time, wf_error

DURATIONS = [
    ("250ms", 0.25),
    ("30s", 30),
    ("5m", 300),
    ("2h", 7200),
    ("7d", 604800),
    ("1h30m", 5400),
    ("1d2h3m4s5ms", 93784.005),
    ("1d1ms", 86400.001),
    ("1.5s", 1.5),
    ("0.5d", 43200),
    ("90m", 5400),
    ("0s", 0),
    (0, 0),
    (2, 2),
    (0.25, 0.25),
    (90.0, 90),
]
NOT_DURATIONS = ["", " ", "30", "1.5", "s", "-5s", "+5s", "5 s", "5s ", "5x", "5min", "1m1h", "1h1h", "1s1m", "PT5M", "1:30",
                 "1e3s", "1..5s", ".s", "99999999999999999999d", -1, -0.001, 1e300, True, None, [], {}]


@pytest.mark.parametrize("duration, seconds", DURATIONS)
def test_a_duration_is_seconds_or_text_with_units(db, duration, seconds):
    db.at(0)
    db.wf_start("job", id="w1", delay=duration)
    assert db.workflow()["due_at"] == sql_time(seconds)


@pytest.mark.parametrize("duration", [value for value in NOT_DURATIONS if value is not None])
def test_anything_else_is_not_a_duration(db, duration):
    with wf_error("WF_INVALID", "delay"):
        db.wf_start("job", id="w1", delay=duration)
    assert db.wf_pending() == 0


@pytest.mark.parametrize("duration, seconds", [case for case in DURATIONS if case[1] > 30])
def test_a_duration_as_an_argument_reads_like_one_in_options(db, duration, seconds):
    db.at(0)
    token = db.running()["token"]
    assert db.wf_heartbeat(token, duration) == sql_time(seconds)


@pytest.mark.parametrize("duration", ["'30'", "'soon'", "''", "-1", "x'35'", "1e300", "CAST(x'357300' AS TEXT)"])
def test_an_argument_that_is_no_duration_is_invalid(db, duration):
    db.at(0)
    token = db.running()["token"]
    with wf_error("WF_INVALID"):
        db.value("SELECT wf_heartbeat(?, %s)" % duration, token)
    assert db.workflow()["due_at"] == sql_time(30)


TIMES = [
    ("2027-01-15T08:00:00Z", 0),
    ("2027-01-15 08:00:00", 0),
    ("2027-01-15T08:00:00", 0),
    ("2027-01-15 08:00:00Z", 0),
    ("2027-01-15T08:00", 0),
    ("2027-01-15", -8 * 3600),
    ("2027-01-15T08:00:00.5Z", 0.5),
    ("2027-01-15 08:00:00.123", 0.123),
    ("2027-01-15T08:00:00.123400Z", 0.123),
    ("2027-01-15T10:00:00+02:00", 0),
    ("2027-01-15T03:30:00-04:30", 0),
    ("2027-01-16T00:30:00+16:30", None),
    ("2027-01-15T08:00:00.000+00:00", 0),
    (BASE, 0),
    (BASE + 0.25, 0.25),
    (float(BASE), 0),
]


@pytest.mark.parametrize("time, offset", [case for case in TIMES if case[1] is not None])
def test_a_time_is_iso_8601_text_or_unix_seconds(db, time, offset):
    db.wf_start("job", id="w1", at=time, now=0)
    assert db.workflow()["due_at"] == sql_time(offset)
    assert db.wf_clock(time) == sql_time(offset)


@pytest.mark.parametrize(
    "time, shown",
    [
        ("0000-01-01", "0000-01-01 00:00:00.000"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31 23:59:59.999"),
        ("2028-02-29", "2028-02-29 00:00:00.000"),
        ("2000-02-29", "2000-02-29 00:00:00.000"),
        ("1969-12-31T23:59:59Z", "1969-12-31 23:59:59.000"),
        (0, "1970-01-01 00:00:00.000"),
        (-1, "1969-12-31 23:59:59.000"),
        (-0.001, "1969-12-31 23:59:59.999"),
        (951782400, "2000-02-29 00:00:00.000"),
        ("2027-01-01T00:30:00+01:00", "2026-12-31 23:30:00.000"),
    ],
)
def test_the_calendar_is_right_from_year_0_to_year_9999(db, time, shown):
    assert db.wf_clock(time) == shown


NOT_TIMES = ["", "now", "tomorrow", "08:00", "1800000000", "2027", "2027-01", "2027-1-5", "2027-13-01", "2027-00-01", "2027-01-00",
             "2027-01-32", "2027-02-29", "2100-02-29", "2027-04-31", "2027-01-15T24:00:01", "2027-01-15T25:00", "2027-01-15T08:60",
             "2027-01-15T08:00:61", "2027-01-15T08:00:00.", "2027-01-15T08:00:00X", "2027-01-15T08:00:00+2", "2027-01-15T08:00:00+99:00",
             "2027-01-15 ", "x2027-01-15", "10000-01-01", "-001-01-01", "20270115T080000Z", "2027-01-15T08:00:00 +02:00x"]


@pytest.mark.parametrize("time", NOT_TIMES)
def test_anything_else_is_not_a_time(db, time):
    with wf_error("WF_INVALID", "at"):
        db.wf_start("job", id="w1", at=time)
    with wf_error("WF_INVALID"):
        db.wf_clock(time)
    assert db.wf_pending() == 0


@pytest.mark.parametrize("time", [1e18, -1e18, 253402300800, 9.3e15, True, [], {}])
def test_a_time_beyond_the_calendar_or_of_another_type_is_invalid(db, time):
    with wf_error("WF_INVALID", "at"):
        db.wf_start("job", id="w1", at=time)


@pytest.mark.parametrize("key", ["delay", "timeout"])
def test_a_duration_that_leads_beyond_the_calendar_is_invalid_or_kept_at_its_end(db, key):
    """Never a time that cannot be shown."""
    db.at(0)
    try:
        db.wf_start("job", id="w1", **{key: "9000000d"})
    except Exception as error:
        assert str(error).startswith("WF_INVALID: ")
    else:
        for column in ("due_at", "deadline_at"):
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$", db.workflow()[column])


def test_in_sql_a_time_is_shown_in_the_form_of_sqlite(db):
    db.at(0)
    token = db.running(timeout=60, lease=10)["token"]
    workflow = db.workflow()
    assert workflow["created_at"] == "2027-01-15 08:00:00.000"
    assert workflow["started_at"] == "2027-01-15 08:00:00.000"
    assert workflow["due_at"] == "2027-01-15 08:00:10.000"
    assert workflow["deadline_at"] == "2027-01-15 08:01:00.000"
    assert db.wf_heartbeat(token, 20) == "2027-01-15 08:00:20.000"
    assert db.wf_clock() == "2027-01-15 08:00:00.000"


def test_inside_json_a_time_is_shown_in_rfc_3339(db):
    db.at(0)
    claim = db.running(timeout=60, lease=10)
    assert claim["lease_expires_at"] == json_time(10) == "2027-01-15T08:00:10.000Z"
    assert claim["deadline_at"] == "2027-01-15T08:01:00.000Z"
    assert db.wf_heartbeat([claim["token"]], 20) == '["2027-01-15T08:00:20.000Z"]'


@pytest.mark.parametrize(
    "condition, found",
    [
        ("created_at > datetime('now', '-1 hour')", 1),
        ("created_at > datetime('now', '+1 hour')", 0),
        ("created_at < datetime('now', '+1 hour')", 1),
        ("created_at < datetime('now', '-1 hour')", 0),
        ("created_at BETWEEN date('now', '-1 day') AND date('now', '+2 days')", 1),
        ("unixepoch(created_at) BETWEEN unixepoch() - 60 AND unixepoch()", 1),
    ],
)
def test_times_compare_with_those_of_sqlite(db, condition, found):
    db.wf_start("job")
    if "unixepoch" in condition and db.value("SELECT sqlite_version() < '3.38'"):
        condition = condition.replace("unixepoch(created_at)", "strftime('%s', created_at) + 0").replace(
            "unixepoch()", "strftime('%s', 'now')")
    assert db.value("SELECT count(*) FROM wf_workflows WHERE " + condition) == found


def test_times_are_stored_as_integer_milliseconds(db):
    db.wf_start("job", id="w1", now=BASE + 0.25)
    assert db.rows("SELECT typeof(created_at), created_at FROM _wf_workflow") == [("integer", BASE * 1000 + 250)]


# A clock that goes backwards delays things and repeats nothing.


def test_a_clock_that_goes_backwards_keeps_a_lease_and_a_result(db):
    db.at(1000)
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    db.at(0)
    assert db.claim() is None
    assert db.wf_step(token, "a", "2") == "1"
    assert db.wf_heartbeat(token) == sql_time(1030)
    assert db.wf_complete(token) == "completed"


def test_a_clock_that_goes_backwards_delays_a_start_and_a_retry(db):
    db.at(1000)
    db.wf_start("job", id="w1")
    db.at(0)
    assert db.claim() is None
    db.at(1000)
    token = db.claim()["token"]
    db.wf_fail(token, "e")
    db.at(0)
    assert db.claim() is None
    assert db.value("SELECT count(*) FROM wf_failures") == 1
    db.at(1001)
    assert db.claim()["attempt"] == 2
