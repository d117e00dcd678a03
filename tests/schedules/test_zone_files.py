"""The reader of time zone files: what it understands, and that no file hurts it."""

import json
import os
import random
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from calendar_reference import CHANGES, EPOCH, UTC, next_firing, random_expression
from support import BASE, sql_time, wf_error
from zone_file import zone_file

SYSTEM = Path("/usr/share/zoneinfo")
BERLIN = (SYSTEM / "Europe" / "Berlin").read_bytes()
SMALL = zone_file(((-(2**40), 1), (0, 0), (2**31, 1)), ((0, 0), (3600, 1)), "CET-1CEST,M3.5.0,M10.5.0/3")
NOW = "2027-01-15T08:00:00Z"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is TZDIR."""
    folder = tmp_path / "zones"
    folder.mkdir()
    monkeypatch.setenv("TZDIR", str(folder))
    return folder


def next_time(db, zone, cron="30 2 * * *", now=NOW, name="s"):
    db.rows("SELECT wf_unschedule(?)", name)
    return db.wf_schedule(name, cron, "job", None, json.dumps({"timezone": zone, "now": now}))


def test_the_zones_of_the_system_are_read(memdb):
    assert next_time(memdb, "Europe/Berlin") == "2027-01-16 01:30:00.000"


def test_tzdir_comes_instead(memdb, folder):
    with wf_error("WF_INVALID", "Europe/Berlin"):
        next_time(memdb, "Europe/Berlin")
    (folder / "Europe").mkdir()
    (folder / "Europe" / "Berlin").write_bytes((SYSTEM / "America" / "New_York").read_bytes())
    assert next_time(memdb, "Europe/Berlin") == "2027-01-16 07:30:00.000"


def test_a_wrong_name_differs_from_no_files_at_all(memdb, folder, monkeypatch):
    with wf_error("WF_INVALID", "no zone files were found here", "Europe/Berlin", "tzdata"):
        next_time(memdb, "Europe/Berlin")
    monkeypatch.setenv("TZDIR", str(folder / "nowhere"))
    with wf_error("WF_INVALID", "no zone files were found here"):
        next_time(memdb, "Europe/Berlin")
    monkeypatch.setenv("TZDIR", str(folder))
    (folder / "Here").write_bytes(zone_file(types=((3600, 0),), footer="AAA-1"))
    with wf_error("WF_INVALID", "there is no time zone 'Europe/Berlin'"):
        next_time(memdb, "Europe/Berlin")


def test_that_a_machine_has_no_zone_files_is_no_damage_of_a_file(memdb, folder, monkeypatch):
    monkeypatch.delenv("TZDIR")
    memdb.wf_schedule("s", "0 9 * * *", "job", None, timezone="Europe/Berlin")
    monkeypatch.setenv("TZDIR", str(folder))
    assert memdb.wf_check() is None
    memdb.execute("UPDATE _wf_schedule SET cron = 'never'")
    assert "'never'" in memdb.wf_check()


def test_an_empty_tzdir_is_none(memdb, monkeypatch):
    monkeypatch.setenv("TZDIR", "")
    assert next_time(memdb, "Europe/Berlin") == "2027-01-16 01:30:00.000"


def test_utc_and_offsets_need_no_files(memdb, folder):
    assert next_time(memdb, "UTC") == "2027-01-16 02:30:00.000"
    assert next_time(memdb, "+01:00") == "2027-01-16 01:30:00.000"
    assert next_time(memdb, "-03") == "2027-01-16 05:30:00.000"


def test_a_file_is_read_by_each_call(memdb, folder):
    (folder / "Here").write_bytes(zone_file(types=((3600, 0),), footer="AAA-1"))
    assert next_time(memdb, "Here") == "2027-01-16 01:30:00.000"
    (folder / "Here").write_bytes(zone_file(types=((7200, 0),), footer="AAA-2"))
    assert next_time(memdb, "Here") == "2027-01-16 00:30:00.000"


class RuleOfC(tzinfo):
    """A rule as the C library understands it. (Python's own zoneinfo counts days of the year wrongly.)"""

    def __init__(self, rule):
        self.key = rule

    def at(self, seconds):
        os.environ["TZ"] = self.key
        time.tzset()
        return time.localtime(seconds).tm_gmtoff

    def fromutc(self, dt):
        seconds = round((dt.replace(tzinfo=UTC) - EPOCH).total_seconds())
        return dt + timedelta(seconds=self.at(seconds))

    def utcoffset(self, dt):
        local = round((dt.replace(tzinfo=UTC) - EPOCH).total_seconds())
        before, after = self.at(local - 86400), self.at(local + 86400)
        right = [offset for offset in (before, after) if self.at(local - offset) == offset]
        return timedelta(seconds=right[0] if len(set(right)) == 1 else (before, after)[dt.fold])

    def dst(self, dt):
        return None


@pytest.fixture
def keep_tz():
    before = os.environ.get("TZ")
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.parametrize(
    "footer",
    [
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "IST-1GMT0,M10.5.0,M3.5.0/1",               # winter is the special one
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",          # before midnight of the day
        "IST-2IDT,M3.4.4/26,M10.5.0",               # after it
        "AAA3BBB,J60/0,300/12",                     # 1 March; the 301st day
        "AAA-3BBB,59,J365/23",
        "AAA5BBB,M3.2.0/167,M11.1.0/-167",
        "AAA-4:30:15",
        "<ABC>+0",
    ],
)  # fmt: skip
def test_rules_after_the_last_change(memdb, folder, keep_tz, footer):
    (folder / "Here").write_bytes(zone_file(((-(2**40), 1), (0, 0)), ((0, 0), (-5000, 0)), footer, version=b"3"))
    zone = RuleOfC(footer)
    rng = random.Random(footer)
    around = [change for change in CHANGES.of(zone) if change.year > 1990]
    memdb.execute("BEGIN")
    for n in range(120):
        expression = random_expression(rng)
        if around and n % 2:
            after = rng.choice(around) + timedelta(seconds=rng.randint(-100000, 20000))
        else:
            after = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randint(0, 100 * 365 * 86400))
        found = next_time(memdb, "Here", expression.text, after.strftime("%Y-%m-%dT%H:%M:%SZ"))
        expected = next_firing(expression, zone, after)
        assert found == expected.strftime("%Y-%m-%d %H:%M:%S.000"), (expression.text, str(after))


def test_summer_time_all_year(memdb, folder):
    (folder / "Here").write_bytes(zone_file(footer="EST5EDT,0/0,J365/25", version=b"3"))
    for now, expected in (("2027-01-15T08:00:00Z", "2027-01-16 06:30:00.000"), ("2027-12-31T12:00:00Z", "2028-01-01 06:30:00.000")):
        assert next_time(memdb, "Here", now=now) == expected


def test_a_file_of_the_first_version(memdb, folder):
    changes = ((1_900_000_000, 1), (1_950_000_000, 0))  # 2030-03-17 17:46:40, 2031-10-17 10:40:00
    (folder / "Here").write_bytes(zone_file(changes, ((0, 0), (7200, 1)), version=b"\0"))
    assert next_time(memdb, "Here", now="2030-03-16T12:00:00Z") == "2030-03-17 02:30:00.000"
    assert next_time(memdb, "Here", now="2030-03-17T12:00:00Z") == "2030-03-18 00:30:00.000"
    assert next_time(memdb, "Here", now="2040-01-01T00:00:00Z") == "2040-01-01 02:30:00.000"


def test_changes_before_and_between(memdb, folder):
    changes = ((1_900_000_000, 1), (1_900_000_000 + 600, 2), (1_900_000_000 + 1200, 0))
    (folder / "Here").write_bytes(zone_file(changes, ((0, 0), (7200, 1), (-7200, 1))))
    # 17:46:40 -> 19:46:40, ten minutes, 19:56:40 -> 15:56:40, ten minutes, 16:06:40 -> 18:06:40
    asked = [("18 0", "2030-03-17 17:46:40"), ("19 50", "2030-03-17 17:50:00"), ("16 0", "2030-03-17 16:00:00"), ("17 50", "2030-03-17 17:46:40")]
    for at, expected in asked:
        hour, minute = at.split()
        assert next_time(memdb, "Here", "%s %s * * *" % (minute, hour), "2030-03-17T12:00:00Z") == expected + ".000"
    assert next_time(memdb, "Here", "0 16 * * *", "2030-03-17T17:30:00Z") == "2030-03-18 16:00:00.000"
    assert next_time(memdb, "Here", "0 */1 * * *", "2030-03-17T17:30:00Z") == "2030-03-17 18:00:00.000"
    assert next_time(memdb, "Here", "*/1 16 * * *", "2030-03-17T17:30:00Z") == "2030-03-17 18:00:00.000"


# Files that hurt


def test_a_truncated_file_is_refused_at_every_length(memdb, folder):
    memdb.execute("BEGIN")
    for data in (SMALL[:size] for size in range(len(SMALL))):
        (folder / "Here").write_bytes(data)
        with wf_error("WF_INVALID", "Here"):
            next_time(memdb, "Here")
    for size in range(0, len(BERLIN), 7):
        (folder / "Here").write_bytes(BERLIN[:size])
        with wf_error("WF_INVALID", "Here"):
            next_time(memdb, "Here")


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_read_or_refused(memdb, folder, seed):
    rng = random.Random(seed)
    memdb.execute("BEGIN")
    read = 0
    for n in range(400):
        data = bytearray(rng.choice((BERLIN, SMALL)))
        for _ in range(rng.choice((1, 1, 2, 5, 30))):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        (folder / "Here").write_bytes(data)
        try:
            next_time(memdb, "Here", rng.choice(("30 2 * * *", "*/7 * * * *", "0 0 29 2 */3")), rng.choice((NOW, "1800-01-01", "2500-01-01")))
            read += 1
        except Exception as error:
            assert str(error).startswith("WF_INVALID: the file of time zone 'Here' is damaged"), error
    assert 0 < read < 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"TZif",
        b"not a zone file at all" * 10,
        b"TZif2" + bytes(39),                                                      # no types
        zone_file(footer="CET-1CEST,M3.5.0,M10.5.0/3")[:-1],                       # the line does not end
        zone_file(types=((93600, 0),)),                                            # 26 hours
        zone_file(types=((-(2**31), 0),)),
        zone_file(((5, 0), (5, 0))),                                               # not one after the other
        zone_file(((5, 1),)),                                                      # no such type
        zone_file(leaps=((78796800, 1),)),                                         # counts leap seconds
        zone_file(tuple((n, 0) for n in range(9000))),                             # too large
        *(zone_file(footer=f) for f in ("x", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-25", "<CET-1", "CET-1,M3.5.0,M10.5.0",
                                        "CET-1CEST,M3.5.0,M10.5.0/168", "CET-1CEST,M3.5.0,M10.5.0 ", "CET-1CEST,J0,J365", "CET-1CEST,366,1", "CE-1", "CET-1:60")),
    ],
    ids=range(25),
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_refused(memdb, folder, data):
    (folder / "Here").write_bytes(data)
    with wf_error("WF_INVALID", "'Here'"):
        next_time(memdb, "Here")


def test_most_changes_that_fit(memdb, folder):
    """A clock that changes every second, for two hours."""
    changes = tuple((1_800_000_000 + n, n % 2) for n in range(7000))
    (folder / "Here").write_bytes(zone_file(changes, ((0, 0), (90000, 1)), "AAA0"))
    for cron in ("30 2 * * *", "* * * * *", "* 3 29 2 */7", "30 3 29 2 */7"):
        assert next_time(memdb, "Here", cron) is not None


@pytest.mark.parametrize("kind", ["folder", "pipe", "dead link", "loop", "unreadable"])
def test_what_is_no_file_is_no_zone(memdb, folder, kind):
    path = folder / "Here"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dead link":
        path.symlink_to(folder / "Nowhere")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.write_bytes(BERLIN)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("root reads everything")
    with wf_error("WF_INVALID", "Here"):
        next_time(memdb, "Here")


def test_a_link_is_followed(memdb, folder):
    (folder / "Here").symlink_to(SYSTEM / "Europe" / "Berlin")
    assert next_time(memdb, "Here") == "2027-01-16 01:30:00.000"


def test_a_zone_that_is_gone_puts_the_firing_off_and_hides_no_other(db, folder):
    (folder / "Here").write_bytes(BERLIN)
    db.at(0)
    db.rows("SELECT wf_schedule('a', '0 10 * * *', 'job', NULL, '{\"timezone\": \"Here\"}'), wf_schedule('b', '0 * * * *', 'job')")
    (folder / "Here").unlink()
    db.at(3600)
    assert db.claim()["id"] == "b@2027-01-15T09:00:00Z"
    error, next_at = db.rows("SELECT error, next_at FROM wf_schedules WHERE name = 'a'")[0]
    assert "'Here'" in error and next_at == sql_time(3600)
    (folder / "Here").write_bytes(BERLIN)
    assert db.wf_tick(now=BASE + 3660) == 1
    assert db.rows("SELECT error, last_at FROM wf_schedules WHERE name = 'a'") == [(None, sql_time(3600))]
