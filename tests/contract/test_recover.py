"""wf_recover: after a crash or a restore no older token is ever accepted."""

import json

from support import BASE, json_time, sql_time, wf_error


def recover(db, **options):
    return json.loads(db.wf_recover(**options))


def test_recovery_reports_epoch_voided_leases_and_steps_in_doubt(db):
    db.at(0)
    for id in ("w1", "w2"):
        db.running(id)
    db.wf_start("job", id="w3")
    assert recover(db) == {"epoch": BASE * 1000, "leases_voided": 2, "in_doubt": 0}


def test_each_recovery_opens_a_new_epoch_even_if_the_clock_stands_or_goes_back(db):
    db.at(0)
    epochs = [recover(db)["epoch"] for _ in range(3)]
    db.at(-1000)
    epochs.append(recover(db)["epoch"])
    assert epochs == [BASE * 1000 + n for n in range(4)]
    assert db.wf_config("epoch") == epochs[-1]


def test_recovery_voids_every_lease_live_or_expired(db):
    db.at(0)
    tokens = [db.running("w1", lease=10)["token"], db.running("w2", lease=1000)["token"]]
    db.at(50)
    assert recover(db)["leases_voided"] == 2
    for token in tokens:
        with wf_error("WF_LEASE_LOST"):
            db.wf_step(token, "a", "1")


def test_voided_work_is_due_now_and_the_next_claim_is_the_same_attempt(db):
    db.at(0)
    token = db.running(lease=1000)["token"]
    db.wf_step(token, "a", "1")
    db.at(5)
    db.wf_recover()
    workflow = db.workflow()
    assert (workflow["status"], workflow["due_at"]) == ("pending", sql_time(5))
    claim = db.claim(steps=True)
    assert (claim["attempt"], claim["resumed"], db.outputs(claim)) == (1, 1, {"a": 1})


def test_voided_leases_do_not_count_as_lost(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=1)
    for _ in range(5):
        assert db.claim()["id"] == "w1"
        db.wf_recover()
    assert db.rows("SELECT * FROM wf_failures") == []
    assert db.wf_complete(db.claim()["token"]) == "completed"


def test_recovery_leaves_backoff_delays_steps_and_results_alone(db):
    db.at(0)
    db.wf_start("job", id="delayed", delay=60)
    db.wf_start("job", id="failing")
    db.wf_fail("failing", "e", delay=60)
    db.wf_start("job", id="done")
    db.wf_step("done", "a", "1")
    db.wf_complete("done", "2")
    before = db.everything()
    assert recover(db)["leases_voided"] == 0
    assert db.everything() == before


def test_no_token_of_an_older_epoch_is_ever_accepted_again(db):
    db.at(0)
    old = [db.running()["token"]]
    for _ in range(3):
        db.wf_recover()
        for token in old:
            with wf_error("WF_LEASE_LOST"):
                db.wf_heartbeat(token)
        old.append(db.claim()["token"])
    assert len(set(old)) == 4


def test_pause_keeps_everything_until_it_has_been_looked_at(db):
    db.at(0)
    db.running("leased")
    db.wf_start("job", id="ready", timeout=10)
    db.wf_start("job", id="delayed", delay=5)
    db.wf_start("job", id="done")
    db.wf_complete("done")
    assert recover(db, pause=True)["leases_voided"] == 1
    db.at(1000)
    assert db.wf_claim() is None
    assert db.rows("SELECT id, status FROM wf_workflows ORDER BY id") == [
        ("delayed", "paused"), ("done", "completed"), ("leased", "paused"), ("ready", "paused")]
    assert (db.wf_pending(), db.wf_ready()) == (3, 0)


def test_pause_holds_schedules_until_they_are_made_again(db):
    """A backup that was restored may have missed times that have fired since."""
    db.at(0)
    for name, options in (("a", {"catch_up": "all"}), ("b", {}), ("stopped", {"paused": True})):
        db.wf_schedule(name, "@every 1m", "job", **options)
    db.at(30)
    db.wf_recover(pause=True)
    db.at(3600)
    assert (db.claim(), db.wf_tick(), db.wf_wait(0), db.wf_pending()) == (None, 0, 0, 0)
    assert db.rows("SELECT name, paused, next_at FROM wf_schedules ORDER BY name") == [("a", 1, None), ("b", 1, None), ("stopped", 1, None)]
    assert db.wf_check() is None
    db.wf_schedule("a", "@every 1m", "job", catch_up="all")
    db.at(3660)
    assert (db.wf_tick(), db.wf_pending()) == (1, 1)


def test_what_is_started_after_a_paused_recovery_runs(db):
    db.wf_start("job", id="old")
    db.wf_recover(pause=True)
    db.wf_start("job", id="new")
    assert db.claim()["id"] == "new"


def test_worker_voids_only_the_leases_of_that_worker_and_opens_no_epoch(db):
    db.at(0)
    epoch = recover(db)["epoch"]
    first = db.running("w1", worker="worker-1")["token"]
    second = db.running("w2", worker="worker-2")["token"]
    assert recover(db, worker="worker-1") == {"epoch": epoch, "leases_voided": 1, "in_doubt": 0}
    with wf_error("WF_LEASE_LOST"):
        db.wf_heartbeat(first)
    assert db.wf_complete(second) == "completed"
    assert db.wf_config("epoch") == epoch
    claim = db.claim()
    assert (claim["id"], claim["attempt"], claim["resumed"]) == ("w1", 1, 1)


def test_an_unknown_worker_has_no_leases(db):
    token = db.running()["token"]
    assert recover(db, worker="nobody")["leases_voided"] == 0
    assert db.wf_complete(token) == "completed"


def test_recovering_an_empty_database_is_allowed(db):
    assert recover(db)["leases_voided"] == 0
    assert db.wf_start("job", id="w1") == "w1"


def test_now_decides_the_epoch(db):
    db.at(0)
    assert recover(db, now=json_time(77))["epoch"] == (BASE + 77) * 1000


# lost: a crash is the reason


def failures(db, id="w1"):
    return [(row["attempt"], row["worker"], json.loads(row["error"])["code"]) for row in db.records(
        "SELECT * FROM wf_failures WHERE workflow_id = ? ORDER BY seq", id)]


def test_a_worker_that_dies_at_every_start_and_recovers_ends_its_poison_after_max_attempts(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=3)
    deaths = 0
    while (claim := db.claim(None, "worker-1", lease=3600)) is not None:
        assert (claim["id"], claim["attempt"], claim["wake"]) == ("w1", deaths + 1, "lost" if deaths else "start")
        deaths += 1
        assert recover(db, worker="worker-1", lost=True)["leases_voided"] == 1
    assert deaths == 3
    assert db.wf_status("w1") == "failed"
    assert json.loads(db.wf_error("w1")) == {"code": "poison", "message": "its leases ran out again and again", "lost_leases": 3}
    assert failures(db) == [(1, "worker-1", "lease_lost"), (2, "worker-1", "lease_lost"), (3, "worker-1", "lease_lost")]


def test_lost_leases_are_lost_at_once(db):
    db.at(0)
    token = db.running(lease=3600)["token"]
    db.at(5)
    assert recover(db, worker="worker-1", lost=True) == {"epoch": 1, "leases_voided": 1, "in_doubt": 0}
    assert (db.workflow()["status"], db.workflow()["due_at"]) == ("pending", sql_time(5))
    assert failures(db) == [(1, "worker-1", "lease_lost")]
    assert db.value("SELECT json_extract(error, '$.expired_at') FROM wf_failures") == json_time(5)
    with wf_error("WF_LEASE_LOST"):
        db.wf_step(token, "a", "1")
    claim = db.claim()
    assert (claim["attempt"], claim["resumed"], claim["wake"]) == (2, 0, "lost")
    assert db.wf_check() is None


def test_progress_breaks_the_row_of_leases_lost_by_recovery(db):
    db.at(0)
    db.wf_start("job", id="w1", max_attempts=2)
    for n in range(5):
        db.wf_step(db.claim(None, "worker-1")["token"], "step-%d" % n, "1")
        db.wf_recover(worker="worker-1", lost=True)
    assert db.wf_status("w1") == "pending"
    db.claim(None, "worker-1")
    db.wf_recover(worker="worker-1", lost=True)
    assert json.loads(db.wf_error("w1"))["lost_leases"] == 2


def test_leases_lost_by_recovery_and_by_time_are_one_row(db):
    db.at(0)
    db.running(worker="worker-1", lease=10, max_attempts=3)
    db.at(10)
    db.claim(None, "worker-1")
    db.wf_recover(worker="worker-1", lost=True)
    assert db.claim(None, "worker-1")["attempt"] == 3
    db.at(1000)
    assert db.claim() is None
    assert [attempt for attempt, _, _ in failures(db)] == [1, 2, 3]


def test_only_the_leases_of_the_worker_that_died_are_lost(db):
    db.at(0)
    db.running("w1", worker="worker-1")
    other = db.running("w2", worker="worker-2")["token"]
    assert recover(db, worker="worker-1", lost=True)["leases_voided"] == 1
    assert db.wf_complete(other) == "completed"
    assert failures(db, "w2") == []


def test_all_leases_are_lost_where_the_machine_crashed(db):
    db.at(0)
    tokens = [db.running("w%d" % n, worker="worker-%d" % n, max_attempts=n)["token"] for n in (1, 2, 3)]
    epoch = recover(db)["epoch"]
    for n in (1, 2, 3):
        tokens.append(db.claim(id="w%d" % n)["token"])
    assert recover(db, lost=True) == {"epoch": epoch + 1, "leases_voided": 3, "in_doubt": 0}
    assert db.rows("SELECT id, status FROM wf_workflows ORDER BY id") == [("w1", "failed"), ("w2", "pending"), ("w3", "pending")]
    for token in tokens[1:]:
        with wf_error("WF_STATE" if token is tokens[3] else "WF_LEASE_LOST"):
            db.wf_heartbeat(token)


def test_what_was_lost_once_by_recovery_goes_before_new_work_and_behind_it_after_that(db):
    db.at(0)
    db.running("w1", worker="worker-1")
    db.at(1)
    db.wf_start("job", id="new-1")
    db.wf_recover(worker="worker-1", lost=True)
    assert db.claim(None, "worker-1")["id"] == "w1"
    db.wf_recover(worker="worker-1", lost=True)
    assert [db.claim()["id"], db.claim()["id"]] == ["new-1", "w1"]
    assert db.wf_check() is None


def test_an_attempt_after_a_lease_lost_by_recovery_counts_against_the_rate(db):
    db.at(0)
    db.wf_queue("q", rate={"limit": 1, "per": 60})
    db.wf_start("job", id="w1", queue="q")
    assert db.claim("q", "worker-1")["id"] == "w1"
    db.wf_recover(worker="worker-1", lost=True)
    assert db.wf_ready("q") == 0
    assert db.claim("q") is None
    assert db.value("SELECT reason FROM wf_pending") == "rate limit"
    db.at(60)
    assert (db.wf_ready("q"), db.claim("q")["attempt"]) == (1, 2)


def test_a_second_phase_begins_where_the_last_lease_was_lost_by_recovery(db):
    db.at(0)
    db.running(max_attempts=1, cleanup=True)
    db.wf_recover(worker="worker-1", lost=True)
    claim = db.claim(None, "worker-1")
    assert (claim["ending"], claim["wake"]) == ("failed", "cleanup")
    db.wf_recover(worker="worker-1", lost=True)
    assert db.wf_status("w1") == "failed"


def test_a_paused_claim_that_is_lost_waits_for_the_resume_or_ends(db):
    db.at(0)
    db.running("w1", max_attempts=2)
    db.running("w2", max_attempts=1)
    db.wf_pause('["w1", "w2"]')
    assert recover(db, worker="worker-1", lost=True)["leases_voided"] == 2
    assert (db.wf_status("w1"), db.wf_status("w2")) == ("paused", "failed")
    assert db.claim() is None
    db.wf_resume("w1")
    assert (db.claim()["wake"], db.wf_check()) == ("lost", None)


def test_a_parent_that_ends_by_a_lost_lease_takes_its_claimed_children_along(db):
    db.at(0)
    token = db.running(max_attempts=1)["token"]
    child = db.wf_spawn(token, "kid", "job")
    assert db.claim(None, "worker-1", id=child)["id"] == child
    assert recover(db, worker="worker-1", lost=True)["leases_voided"] == 1
    assert (db.wf_status("w1"), db.wf_status(child)) == ("failed", "cancelled")
    assert db.wf_check() is None


def test_without_lost_nothing_counts(db):
    db.at(0)
    db.running(max_attempts=1)
    assert recover(db, worker="worker-1", lost=False)["leases_voided"] == 1
    assert failures(db) == []
    assert db.claim()["attempt"] == 1
