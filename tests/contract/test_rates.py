"""Rates for calls: wf_rate and wf_acquire."""

import json

import pytest
from support import BASE as NOW
from support import json_time, sql_time, wf_error


@pytest.fixture
def db(db):
    db.at(0)
    return db


def claimed(db, id="w1", **options):
    db.wf_start("job", id=id, **options)
    return db.claim(id=id)["token"]


def acquire(db, handle, step="share", rate="api", amount=None, **options):
    got = db.wf_acquire(handle, step, rate, amount, **options)
    return None if got is None else json.loads(got)


def spend(db, id="x", **options):
    token = claimed(db, id)
    assert acquire(db, token, **options)
    db.wf_complete(token)


def reason(db, id):
    return db.value("SELECT reason FROM wf_pending WHERE id = ?", id)


def rates(db):
    return db.rows("SELECT name, key, rate_limit, rate_per, spent, waiting, next_at FROM wf_rates")


def waiting(db, count, first=1, **options):
    """Workflows that wait for a share, in this order."""
    ids = [f"w{i}" for i in range(first, first + count)]
    for id in ids:
        assert acquire(db, claimed(db, id), **options) is None
    return ids


def take_all(db):
    """Who gets a share now, each claimed as a worker would."""
    told = []
    while (claim := db.claim()) is not None:
        if acquire(db, claim["token"]) is not None:
            told.append(claim["id"])
            db.wf_complete(claim["token"])
    return told


# Settings


def test_a_rate_is_set_read_changed_and_taken_away(db):
    assert db.wf_rate("api") is None
    assert json.loads(db.wf_rate("api", limit=60, per="1m")) == {"name": "api", "limit": 60, "per": 60.0}
    assert json.loads(db.wf_rate("api")) == {"name": "api", "limit": 60, "per": 60.0}
    assert json.loads(db.wf_rate("api", limit=5)) == {"name": "api", "limit": 5, "per": 60.0}
    assert json.loads(db.wf_rate("api", per=0.5)) == {"name": "api", "limit": 5, "per": 0.5}
    assert rates(db) == [("api", None, 5, 0.5, 0, 0, None)]
    assert db.value("SELECT wf_rate('api', NULL)") is None
    assert (db.wf_rate("api"), rates(db)) == (None, [])
    assert db.value("SELECT wf_rate('api', NULL)") is None
    db.wf_rate("api", limit=5, per=1)
    assert db.wf_rate("api", limit=None) is None
    assert (rates(db), db.wf_check()) == ([], None)


@pytest.mark.parametrize("options", [{"limit": 5}, {"per": "1m"}, {}])
def test_a_new_rate_needs_both(db, options):
    with wf_error("WF_INVALID", "limit", "per"):
        db.wf_rate("api", json.dumps(options))
    assert db.wf_rate("api") is None


@pytest.mark.parametrize("options", [{"limit": 0, "per": 1}, {"limit": 1, "per": 0}, {"limit": 2**31, "per": 1}, {"limit": 1.5, "per": 1}, {"limit": 1, "per": -1}])
def test_a_rate_out_of_range(db, options):
    with wf_error("WF_INVALID"):
        db.wf_rate("api", json.dumps(options))


def test_a_rate_that_does_not_exist_is_no_rate_without_limit(db):
    token = claimed(db)
    with wf_error("WF_NOT_FOUND", "'api'", "wf_rate"):
        db.wf_acquire(token, "share", "api")
    assert db.wf_status("w1") == "running"


@pytest.mark.parametrize("amount", [0, -1, 1.5, "x", b"1"])
def test_an_amount_is_an_integer_from_one(db, amount):
    db.wf_rate("api", limit=5, per=1)
    with wf_error("WF_INVALID", "amount", f"got an integer {amount}" if isinstance(amount, int) else ""):
        db.wf_acquire(claimed(db), "share", "api", amount)


def test_options_in_the_place_of_the_amount(db):
    db.wf_rate("api", limit=5, per=1)
    with wf_error("WF_INVALID", "they come last"):
        db.value("SELECT wf_acquire(?, 'share', 'api', '{\"key\":\"x\"}')", claimed(db))


def test_more_than_the_limit_is_never_there(db):
    db.wf_rate("api", limit=5, per=1)
    token = claimed(db)
    with wf_error("WF_INVALID", "6", "'api'", "5"):
        db.wf_acquire(token, "share", "api", 6)
    assert acquire(db, token, amount=5.0)["amount"] == 5


# Shares


def test_a_share_is_given_at_once_and_recorded(db):
    db.wf_rate("api", limit=2, per="1m")
    token = claimed(db)
    assert acquire(db, token) == {"rate": "api", "amount": 1, "acquired_at": json_time()}
    first = db.wf_acquire(token, "share", "api")
    db.at(5)
    assert db.wf_acquire(token, "share", "api") == first
    assert rates(db)[0][4:] == (1, 0, None)
    assert db.rows("SELECT name, kind, status, ended_by FROM wf_steps") == [("share", "acquire", "done", "share")]
    assert (db.wf_step(token, "share"), db.wf_check()) == (first, None)


def test_without_a_share_the_workflow_is_suspended_until_the_window_gives_one_back(db):
    db.wf_rate("api", limit=2, per="1m")
    spend(db, "a")
    db.at(10)
    spend(db, "b")
    db.at(20)
    c = claimed(db, "c")
    assert acquire(db, c) is None
    assert db.wf_status("c") == "waiting"
    assert reason(db, "c") == "waiting for a share of 'api'"
    assert rates(db)[0][4:] == (2, 1, sql_time(60))
    assert acquire(db, c) is None
    with wf_error("WF_SUSPENDED", "share", "acquire"):
        db.wf_step(c, "x", 1)
    db.at(59.999)
    assert db.claim() is None
    assert db.wf_check() is None
    db.at(60)
    claim = db.claim()
    assert (claim["id"], claim["wake"], claim["attempt"], claim["resumed"]) == ("c", "timer", 1, 1)
    assert rates(db)[0][4:6] == (1, 1)  # counted when it is told, not before
    assert db.wf_check() is None
    assert acquire(db, claim["token"])["rate"] == "api"
    assert rates(db)[0][4:] == (2, 0, None)
    assert db.wf_check() is None


def test_workers_away_for_an_hour_find_neither_saved_nor_used_shares(db):
    db.wf_rate("api", limit=2, per="1m")
    for i in range(2):
        spend(db, f"x{i}")
    waiting(db, 7)
    db.at(3600)
    assert rates(db)[0][4:6] == (0, 7)
    assert take_all(db) == ["w1", "w2"]
    assert rates(db)[0][4:6] == (2, 5)
    db.at(3659.999)
    assert take_all(db) == []
    db.at(3660)
    assert take_all(db) == ["w3", "w4"]
    db.at(3720)
    assert take_all(db) == ["w5", "w6"]
    db.at(3780)
    assert (take_all(db), db.wf_check()) == (["w7"], None)


def test_shares_come_in_turn_and_a_newcomer_never_overtakes(db):
    db.wf_rate("api", limit=1, per="10s")
    spend(db)
    waiting(db, 3)
    db.at(10)
    new = claimed(db, "new")
    assert acquire(db, new) is None  # a share is there, but w1's turn is first
    assert take_all(db) == ["w1"]
    for i, id in enumerate(["w2", "w3", "new"]):
        db.at(19.999 + 10 * i)
        assert take_all(db) == []
        db.at(20 + 10 * i)
        assert take_all(db) == [id]


def test_one_that_needs_much_is_not_overtaken_by_those_that_need_little(db):
    db.wf_rate("api", limit=5, per="10s")
    spend(db, amount=4)
    much = claimed(db, "much")
    assert acquire(db, much, amount=3) is None
    assert acquire(db, claimed(db, "little")) is None
    db.at(10)
    claim = db.claim()
    assert (claim["id"], acquire(db, claim["token"])["amount"]) == ("much", 3)
    claim = db.claim()
    assert (claim["id"], acquire(db, claim["token"])["amount"]) == ("little", 1)
    assert db.wf_check() is None


def test_one_that_was_woken_and_does_not_come_holds_nobody_up_for_long(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    waiting(db, 2)
    db.at(60)
    dead = db.claim(lease=3600)
    assert dead["id"] == "w1"
    db.at(89)
    assert acquire(db, claimed(db, "new")) is None  # it is waited for
    db.at(120)
    assert take_all(db) == ["w2"]
    assert acquire(db, dead["token"]) is None       # alive after all: in its place, which is the first
    db.at(180)
    assert db.claim()["id"] == "w1"
    assert db.wf_check() is None


@pytest.mark.parametrize("end", ["cancel", "delete", "pause"])
def test_those_behind_move_up_where_one_leaves(db, end):
    db.wf_rate("api", limit=1, per="10s")
    spend(db)
    waiting(db, 3)
    if end == "cancel":
        db.wf_cancel("w1")
    elif end == "delete":
        db.wf_delete("w1", force=True)
    else:
        db.wf_pause("w1")
    assert db.wf_check() is None
    told = []
    for second in (10, 20, 30, 40):
        db.at(second)
        told.append(take_all(db))
    assert told == ([[], ["w2"], ["w3"], []] if end == "pause" else [["w2"], ["w3"], [], []])
    assert db.wf_check() is None


def test_no_more_are_woken_than_there_are_shares(db):
    db.wf_rate("api", limit=3, per="1m")
    for i in range(3):
        spend(db, f"x{i}")
    waiting(db, 20)
    for minute in range(1, 7):
        db.at(60 * minute)
        assert db.wf_ready() == 3
        assert take_all(db) == [f"w{3 * minute - 2 + i}" for i in range(3)]
        assert db.claim() is None


def test_a_recorded_share_is_spent_and_a_retry_needs_another(db):
    db.wf_rate("api", limit=1, per="1m")
    token = claimed(db)
    assert acquire(db, token)
    db.wf_fail(token, "it broke", delay=0)
    token = db.claim()["token"]
    assert acquire(db, token)
    assert rates(db)[0][4] == 1
    assert acquire(db, token, step="share again") is None


def test_each_key_counts_by_itself(db):
    db.wf_rate("api", limit=1, per="1m")
    assert acquire(db, claimed(db, "a"), key="ann") == {"rate": "api", "key": "ann", "amount": 1, "acquired_at": json.loads(db.wf_step("a", "share"))["acquired_at"]}
    assert acquire(db, claimed(db, "b"), key="bob")
    assert acquire(db, claimed(db, "n"))
    c = claimed(db, "c")
    assert acquire(db, c, key="ann") is None
    assert reason(db, "c") == "waiting for a share of 'api' for ann"
    assert [(row[1], *row[4:6]) for row in rates(db)] == [(None, 1, 0), ("ann", 1, 1), ("bob", 1, 0)]
    assert db.wf_check() is None


def test_the_times_of_a_clock_that_was_wrong_are_cut_to_now(db):
    db.wf_rate("api", limit=2, per="1m")
    db.at(10 * 365 * 86400)
    spend(db, amount=2)
    waiting(db, 3)
    db.at(0)
    assert acquire(db, claimed(db, "new")) is None
    assert db.wf_check() is None
    db.at(60)
    assert take_all(db) == ["w1", "w2"]
    db.at(120)
    assert take_all(db) == ["w3", "new"]


def test_shares_of_the_future_without_anyone_in_line(db):
    db.wf_rate("api", limit=2, per="1m")
    db.at(86400)
    spend(db)
    db.at(0)
    assert rates(db)[0][4] == 1
    spend(db, "y")
    assert acquire(db, claimed(db, "z")) is None
    assert db.value("SELECT max(at) <= ? FROM _wf_share", NOW * 1000)
    db.at(60)
    assert (take_all(db), db.wf_check()) == (["z"], None)


# Changes of the limit


def test_a_raised_limit_holds_at_once_for_those_who_wait(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    waiting(db, 5)
    db.wf_rate("api", limit=4)
    assert db.wf_check() is None
    assert take_all(db) == ["w1", "w2", "w3"]
    db.at(60)
    assert take_all(db) == ["w4", "w5"]


def test_a_shorter_period_holds_at_once_for_those_who_wait(db):
    db.wf_rate("api", limit=1, per="1h")
    spend(db)
    waiting(db, 2)
    db.wf_rate("api", per="10s")
    db.at(10)
    assert take_all(db) == ["w1"]
    db.at(20)
    assert take_all(db) == ["w2"]


def test_a_lowered_limit_holds_at_once_for_those_who_wait(db):
    db.wf_rate("api", limit=4, per="1m")
    for i in range(4):
        spend(db, f"x{i}")
    waiting(db, 4)
    db.wf_rate("api", limit=1)
    db.at(60)
    assert take_all(db) == ["w1"]
    db.at(120)
    assert take_all(db) == ["w2"]
    assert db.wf_check() is None


def test_one_that_waits_for_more_than_a_lowered_limit_is_told(db):
    db.wf_rate("api", limit=4, per="1m")
    spend(db, amount=4)
    a, b = claimed(db, "a"), claimed(db, "b")
    assert acquire(db, a, amount=3) is None
    assert acquire(db, b) is None
    db.wf_rate("api", limit=2)
    db.at(60)
    claim = db.claim()
    assert claim["id"] == "a"
    with wf_error("WF_INVALID", "3", "2"):
        db.wf_acquire(claim["token"], "share", "api", 3)
    db.wf_fail(claim["token"], "too much", retry=False)
    assert take_all(db) == ["b"]
    assert db.wf_check() is None


def test_those_who_wait_are_let_through_where_the_rate_is_taken_away(db):
    db.wf_rate("api", limit=1, per="1h")
    spend(db)
    waiting(db, 3)
    db.value("SELECT wf_rate('api', NULL)")
    assert take_all(db) == ["w1", "w2", "w3"]
    with wf_error("WF_NOT_FOUND"):
        db.wf_acquire(claimed(db, "new"), "share", "api")
    assert (db.rows("SELECT * FROM _wf_line"), db.wf_check()) == ([], None)


def test_a_rate_that_is_taken_away_and_comes_back_knows_what_was_spent(db):
    db.wf_rate("api", limit=2, per="1m")
    spend(db)
    db.value("SELECT wf_rate('api', NULL)")
    db.at(30)
    db.wf_rate("api", limit=2, per="1m")
    spend(db, "y")
    assert acquire(db, claimed(db, "z")) is None
    assert rates(db)[0][4:] == (2, 1, sql_time(60))
    assert db.wf_check() is None


def test_a_rate_that_is_taken_away_leaves_nothing_for_ever(db):
    db.wf_rate("api", limit=2, per="1m")
    db.wf_rate("other", limit=2, per="1m")
    spend(db)
    db.at(60)
    db.value("SELECT wf_rate('api', NULL)")
    assert db.rows("SELECT * FROM _wf_share") == []
    spend(db, "y", rate="other")
    db.value("SELECT wf_rate('other', NULL)")
    assert db.value("SELECT count(*) FROM _wf_share") == 1
    db.wf_rate("api", limit=2, per="1m")
    db.at(60 + 366 * 86400)
    db.value("SELECT wf_rate('api', NULL)")
    assert db.rows("SELECT * FROM _wf_share") == []


@pytest.mark.parametrize("mode", ["any", "all"])
def test_it_is_no_entry_of_several_waits_and_the_message_says_why(db, mode):
    db.wf_rate("api", limit=2, per="1m")
    with wf_error("WF_INVALID", "waits[0]", "acquire", "wf_acquire()", "keep"):
        db.wf_wait_any(claimed(db), "s", json.dumps([{"acquire": "api"}]), None, mode=mode)


# As every wait


def test_a_timeout(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    assert acquire(db, claimed(db, "a"), timeout="30s") is None
    token = claimed(db, "b")
    assert acquire(db, token, timeout=0) == {"rate": None, "timeout": True}
    db.wf_complete(token)
    assert acquire(db, claimed(db, "c")) is None
    db.at(30)
    claim = db.claim()
    assert (claim["id"], acquire(db, claim["token"])) == ("a", {"rate": None, "timeout": True})
    db.wf_complete(claim["token"])
    assert db.rows("SELECT ended_by FROM wf_steps WHERE workflow_id = 'a'") == [("timeout",)]
    db.at(60)
    assert take_all(db) == ["c"]
    assert db.wf_check() is None


def test_a_share_that_is_there_at_the_timeout_counts_and_one_after_it_does_not(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    assert acquire(db, claimed(db, "a"), timeout="1m") is None
    db.at(60)
    token = db.claim()["token"]
    assert acquire(db, token)["rate"] == "api"
    db.wf_complete(token)
    assert acquire(db, claimed(db, "b"), timeout="1m") is None
    db.at(121)
    token = db.claim()["token"]
    assert acquire(db, token) == {"rate": None, "timeout": True}
    assert rates(db)[0][4] == 0


def test_by_bare_id(db):
    db.wf_rate("api", limit=1, per="1m")
    db.wf_start("job", id="a")
    db.wf_start("job", id="b")
    assert acquire(db, "a")
    assert acquire(db, "b") is None
    assert acquire(db, "b") is None
    with wf_error("WF_SUSPENDED"):
        db.wf_step("b", "x", 1)
    db.at(60)
    assert acquire(db, "b")["rate"] == "api"
    assert (db.wf_status("b"), db.wf_check()) == ("pending", None)
    assert db.wf_complete("b") == "completed"


def test_in_a_transaction_that_is_rolled_back_the_share_is_there_again(db):
    db.wf_rate("api", limit=1, per="1m")
    token = claimed(db)
    db.execute("BEGIN")
    assert acquire(db, token)
    assert acquire(db, token, step="more") is None
    db.execute("ROLLBACK")
    assert (rates(db)[0][4:6], db.rows("SELECT * FROM _wf_line"), db.wf_check()) == ((0, 0), [], None)
    assert acquire(db, token)


def test_with_keep_the_claim_goes_on(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    token = claimed(db)
    assert acquire(db, token, keep=True) is None
    assert db.wf_step(token, "meanwhile", 1) == 1
    assert acquire(db, token, keep=True) is None
    db.at(60)
    assert acquire(db, token, keep=True)["rate"] == "api"
    assert db.wf_check() is None


@pytest.mark.parametrize("over", ["release", "lease"])
def test_a_kept_wait_suspends_where_the_claim_is_over(db, over):
    db.wf_rate("api", limit=1, per="1h")
    spend(db)
    token = claimed(db)
    assert acquire(db, token, keep=True) is None
    if over == "release":
        db.wf_release(token)
        assert db.wf_status("w1") == "waiting"
    else:
        db.at(60)
        assert reason(db, "w1") == "waiting for a share of 'api'"
    assert db.claim() is None
    db.at(3600)
    claim = db.claim()
    assert (claim["id"], claim["attempt"]) == ("w1", 1)
    assert acquire(db, claim["token"])
    assert db.wf_check() is None


def test_a_worker_that_dies_before_it_asks_is_a_lost_lease(db):
    """Or one that dies at every start would never be called poison."""
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    assert acquire(db, claimed(db, "w1", max_attempts=3)) is None
    now = NOW + 60
    for _ in range(3):
        db.wf_clock(now)
        assert db.claim(lease=30)["id"] == "w1"
        now += 31
    db.wf_clock(now)
    assert db.claim() is None
    assert db.wf_status("w1") == "failed"
    assert (db.rows("SELECT * FROM _wf_line"), db.wf_check()) == ([], None)


def test_one_that_fails_before_it_asks_keeps_its_place(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    waiting(db, 2)
    db.at(60)
    claim = db.claim()
    db.wf_fail(claim["token"], "no", delay=5)
    assert db.wf_check() is None
    db.at(65)
    claim = db.claim()
    assert (claim["id"], claim["attempt"]) == ("w1", 2)
    assert acquire(db, claim["token"])
    assert db.wf_check() is None


def test_one_that_waits_for_something_else_instead_is_not_claimed_again_and_again(db):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    waiting(db, 1)
    db.at(60)
    token = db.claim()["token"]
    assert db.wf_sleep(token, "nap", "1h") is None  # not what it was woken for
    assert (db.claim(), db.wf_check()) == (None, None)
    db.at(90)
    claim = db.claim()
    assert claim["id"] == "w1"
    assert acquire(db, claim["token"])
    assert db.wf_sleep(claim["token"], "nap", "1h") is None
    assert (db.claim(), db.wf_check()) == (None, None)


def test_it_is_no_entry_of_a_wait_for_several_things(db):
    db.wf_rate("api", limit=1, per="1m")
    with wf_error("WF_INVALID", "unknown key"):
        db.wf_wait_any(claimed(db), "s", '[{"share":"api"}]')


def test_another_kind_of_step(db):
    db.wf_rate("api", limit=1, per="1m")
    token = claimed(db)
    db.wf_step(token, "a", 1)
    with wf_error("WF_NONDETERMINISM", "'a'"):
        db.wf_acquire(token, "a", "api")
    acquire(db, token, step="b", hash="one")
    with wf_error("WF_NONDETERMINISM"):
        db.wf_acquire(token, "b", "api", None, hash="two")


@pytest.mark.parametrize("end", ["complete", "fail", "continue", "cancel with cleanup", "deadline"])
def test_who_ends_stands_in_no_line(db, end):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    token = claimed(db, "w1", cleanup=end == "cancel with cleanup", **({"timeout": "1h"} if end == "deadline" else {}))
    assert acquire(db, token, keep=True) is None
    if end == "complete":
        db.wf_complete(token)
    elif end == "fail":
        db.wf_fail(token, "no", retry=False)
    elif end == "continue":
        db.wf_continue(token)
    elif end == "deadline":
        db.at(3600)
        db.wf_tick()
    else:
        db.wf_cancel("w1")
    assert (db.rows("SELECT * FROM _wf_line"), db.wf_check()) == ([], None)


def test_a_retry_from_the_step_takes_another_share_and_a_fork_none(db):
    db.wf_rate("api", limit=5, per="1m")
    token = claimed(db)
    assert acquire(db, token)
    db.wf_step(token, "call", 1)
    db.wf_fail(token, "no", retry=False)
    fork = db.wf_fork("w1", id="fork")
    assert db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = ? AND kind = 'acquire'", fork) == 1
    db.wf_retry("w1", **{"from": "share"})
    assert rates(db)[0][4] == 1
    assert acquire(db, db.claim(id="w1")["token"])
    assert rates(db)[0][4] == 2


def test_one_that_is_exported_stands_in_the_line_of_the_other_file(db, connect, tmp_path):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    assert acquire(db, claimed(db, "w1"), key=None) is None
    document = db.wf_export("w1")
    there = connect(tmp_path / "there.db")
    there.wf_clock(NOW)
    with wf_error("WF_NOT_FOUND", "'api'"):
        there.wf_import(document)
    there.wf_rate("api", limit=1, per="1m")
    spend(there, "y")
    assert there.wf_import(document) == "w1"
    assert there.wf_import(document) == "w1"
    assert there.wf_check() is None
    there.wf_resume("w1")
    assert there.claim() is None
    there.wf_clock(NOW + 60)
    assert take_all(there) == ["w1"]
    assert there.wf_check() is None


@pytest.mark.parametrize("change", [{"topics": "[]"}, {"topics": '["a","b","c"]'}, {"topics": "[1]"}, {"how": '{"amount":0}'}, {"how": '{"amount":"x"}'}, {"how": None}])
def test_a_foreign_document_is_checked(db, connect, tmp_path, change):
    db.wf_rate("api", limit=1, per="1m")
    spend(db)
    assert acquire(db, claimed(db, "w1")) is None
    document = json.loads(db.wf_export("w1"))
    document["steps"][0].update(change)
    document["workflow"]["id"] = "other"
    with wf_error("WF_INVALID"):
        db.wf_import(json.dumps(document))


def test_in_explicit_mode_every_call_says_the_time(connect, tmp_path):
    db = connect(tmp_path / "explicit.db")
    db.wf_config("clock", "explicit")
    with wf_error("WF_INVALID", "now"):
        db.wf_rate("api", limit=1, per="1m")
    db.wf_rate("api", limit=1, per="1m", now=NOW)
    db.wf_start("job", id="w1", now=NOW)
    token = db.claim(id="w1", now=NOW)["token"]
    with wf_error("WF_INVALID", "now"):
        db.wf_acquire(token, "share", "api")
    assert acquire(db, token, now=NOW)
    assert db.wf_rate("api", limit=None, now=NOW) is None


# What it costs


def test_keys_that_are_used_once_are_cleared_away(db):
    db.wf_rate("api", limit=1, per="1s")
    token = claimed(db)
    for i in range(300):
        db.at(i)
        assert acquire(db, token, step=f"s{i}", key=f"k{i * 7919 % 1000:03}")
    assert db.value("SELECT count(*) FROM _wf_share") < 40
    assert db.wf_check() is None


def test_what_has_left_the_window_is_cleared_away(db):
    db.wf_rate("api", limit=10, per="1s")
    token = claimed(db)
    for i in range(500):
        db.at(i)
        assert acquire(db, token, step=f"s{i}")
    assert db.value("SELECT count(*) FROM _wf_share") < 40


@pytest.mark.parametrize("damage", [
    "UPDATE _wf_limit SET rate_limit = 0", "UPDATE _wf_limit SET rate_per = 0", "UPDATE _wf_share SET n = 0", "UPDATE _wf_share SET upto = upto + 1 WHERE at = (SELECT max(at) FROM _wf_share)",
    "DELETE FROM _wf_line", "UPDATE _wf_line SET wf = 99", "UPDATE _wf_line SET step = 'x'", "UPDATE _wf_line SET amount = 2, place = 2",
    "UPDATE _wf_line SET rate = 'x'", "UPDATE _wf_line SET per_key = 'x'", "UPDATE _wf_step SET topics = '[\"x\"]' WHERE status = 'waiting'",
    "UPDATE _wf_workflow SET due_at = NULL, place = 2 WHERE status = 'waiting'",
])
def test_damage_is_found(db, damage):
    db.wf_rate("api", limit=2, per="1m")
    spend(db)
    db.at(1)
    assert acquire(db, claimed(db, "y"))
    waiting(db, 1)
    assert db.wf_check() is None
    db.execute(damage)
    assert db.wf_check() is not None
