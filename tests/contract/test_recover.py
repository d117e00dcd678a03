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
    assert (claim["attempt"], claim["resumed"], claim["steps"]) == (1, 1, {"a": 1})


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
