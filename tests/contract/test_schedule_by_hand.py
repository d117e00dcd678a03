"""wf_trigger: a schedule fires by hand, now, for a time, or for all times of a span."""

import json

import pytest
from support import BASE, json_time, sql_time, wf_error

MINUTE = 60


@pytest.fixture
def db(db):
    db.at(0)  # 2027-01-15 08:00:00
    db.wf_schedule("s", "*/10 * * * *", "job", {"n": 1}, start={"priority": 5})
    return db


def firing(offset):
    return "s@" + json_time(offset).replace(".000Z", "Z")


def span(db, name="s", **options):
    return json.loads(db.wf_trigger(name, **options))


def ids(db):
    return db.column("SELECT id FROM wf_workflows ORDER BY id")


def test_it_fires_now(db):
    db.at(95)
    assert db.wf_trigger("s") == firing(95)
    workflow = db.workflow(firing(95))
    assert (workflow["name"], workflow["input"], workflow["priority"], workflow["status"]) == ("job", '{"n":1}', 5, "pending")
    assert db.claim()["scheduled_at"] == json_time(95)
    assert db.wf_check() is None


def test_it_fires_for_a_time_once(db):
    assert db.wf_trigger("s", "2027-01-10 05:00") == "s@2027-01-10T05:00:00Z"
    assert db.wf_trigger("s", "2027-01-10 05:00") == "s@2027-01-10T05:00:00Z"
    assert db.wf_trigger("s", BASE - 3600) == firing(-3600)
    assert len(ids(db)) == 2


def test_what_was_fired_by_hand_does_not_fire_when_its_time_comes(db):
    assert db.wf_trigger("s", BASE + 600) == firing(600)
    db.at(600)
    db.wf_tick()
    assert ids(db) == [firing(600)]
    db.at(1200)
    db.wf_complete(firing(600))
    db.wf_tick()
    assert ids(db) == [firing(600), firing(1200)]


def test_what_has_fired_is_not_fired_again_by_hand_even_when_it_has_ended(db):
    db.at(600)
    db.wf_tick()
    db.wf_complete(db.claim()["token"])
    assert db.wf_trigger("s", BASE + 600) == firing(600)
    assert db.wf_status(firing(600)) == "completed"


def test_the_schedule_itself_goes_on_as_before(db):
    before = db.rows("SELECT * FROM _wf_schedule")
    db.at(5)
    db.wf_trigger("s")
    db.wf_trigger("s", BASE - 6000)
    span(db, **{"from": BASE - 3600})
    assert db.rows("SELECT * FROM _wf_schedule") == before


def test_a_paused_schedule_may_be_triggered(db):
    db.wf_schedule("s", "*/10 * * * *", "job", paused=True)
    assert db.wf_trigger("s") == firing(0)
    assert span(db, **{"from": BASE - 600})["ids"] == [firing(-600), firing(0)]
    assert db.value("SELECT paused FROM wf_schedules") == 1


def test_a_live_firing_does_not_hold_up_one_by_hand(db):
    db.at(600)
    db.wf_tick()
    db.at(601)
    assert db.wf_trigger("s") == firing(601)
    assert len(ids(db)) == 2


# Spans


def test_a_span_fires_every_time_in_it_ends_included(db):
    assert span(db, **{"from": BASE - 1800, "to": BASE - 600}) == {"ids": [firing(-1800), firing(-1200), firing(-600)], "started": 3, "next": None}
    assert span(db, **{"from": BASE - 1799, "to": BASE - 601}) == {"ids": [firing(-1200)], "started": 0, "next": None}
    assert span(db, **{"from": BASE - 2400}) == {"ids": [firing(offset) for offset in range(-2400, 1, 600)], "started": 2, "next": None}
    assert span(db, **{"from": BASE - 5, "to": BASE - 4}) == {"ids": [], "started": 0, "next": None}
    assert db.wf_check() is None


def test_a_large_span_says_how_to_go_on(db):
    first = span(db, **{"from": BASE - 6000, "limit": 4})
    assert (len(first["ids"]), first["started"], first["next"]) == (4, 4, json_time(-6000 + 2400))
    second = span(db, **{"from": first["next"], "limit": 4})
    assert second["ids"][0] == firing(-3600)
    third = span(db, **{"from": second["next"], "limit": 4})
    assert (third["ids"], third["next"]) == ([firing(-1200), firing(-600), firing(0)], None)
    assert len(ids(db)) == 11


def test_the_default_limit(db):
    result = span(db, **{"from": BASE - 86400 * 30})
    assert (len(result["ids"]), result["started"]) == (1000, 1000)
    assert result["next"] == json_time(-86400 * 30 + 600 * 1000)


def test_a_span_in_another_zone(db):
    db.wf_schedule("d", "30 5 * * *", "job", timezone="+02:00")
    assert span(db, "d", **{"from": "2027-01-13", "to": "2027-01-14"})["ids"] == ["d@2027-01-13T03:30:00Z"]


def test_a_period_that_begins_at_the_epoch(db):
    db.wf_schedule("e", "@every 90s", "job")
    assert span(db, "e", **{"from": BASE - 180, "to": BASE})["started"] == sum(1 for t in range(BASE - 180, BASE + 1) if t % 90 == 0)


# Errors


def test_who_is_not_there(db):
    with wf_error("WF_NOT_FOUND", "'none'"):
        db.wf_trigger("none")


@pytest.mark.parametrize("time, options, named", [
    ("soon", {}, "time"), (None, {"to": BASE}, "from"), (BASE, {"from": BASE - 60}, "from"), (None, {"from": BASE, "to": BASE - 1}, "to"),
    (None, {"from": BASE, "to": BASE + 1}, "to"), (None, {"limit": 5}, "limit"), (None, {"from": BASE, "limit": 0}, "limit"), (b"x", {}, "time")])
def test_wrong_arguments(db, time, options, named):
    with wf_error("WF_INVALID", named):
        db.wf_trigger("s", time, **options)
    assert ids(db) == []


def test_an_id_that_is_somebody_elses_is_a_conflict_for_one_and_left_in_a_span(db):
    db.wf_start("other", 5, id=firing(-600))
    assert db.wf_trigger("s", BASE - 600) == firing(-600)  # it counts as the firing, as for the calendar
    assert span(db, **{"from": BASE - 600})["started"] == 1


def test_a_failure_in_a_span_leaves_nothing_of_it(db):
    db.execute("CREATE TRIGGER no BEFORE INSERT ON _wf_workflow WHEN new.id = '%s' BEGIN SELECT RAISE(FAIL, 'no'); END" % firing(-600))
    with pytest.raises(Exception, match="no"):
        span(db, **{"from": BASE - 1800})
    assert ids(db) == []


def test_damaged_settings_are_said(db):
    db.execute("UPDATE _wf_schedule SET settings = 'x'")
    with wf_error("WF_INVALID", "damaged"):
        db.wf_trigger("s")
    db.execute("UPDATE _wf_schedule SET settings = '{}', cron = 'x'")
    with wf_error("WF_INVALID"):
        span(db, **{"from": BASE - 1800})


def test_its_time_is_shown_as_that_of_any_firing(db):
    db.wf_trigger("s", "2027-01-15 07:30:00.250")
    assert ids(db) == ["s@2027-01-15T07:30:00.250Z"]
    assert db.workflow(ids(db)[0])["created_at"] == sql_time(0)
