"""Steps are found by their names: the first 31 of a workflow by a look at each, where they were recorded plainly, all others by an index (_wf_step_name)."""

import random
import sqlite3

import pytest
from support import wf_error

BORDER = 32  # the first place whose row is always in the index


def claimed(db, id="w1", steps=0, **options):
    db.wf_start("job", id=id, **options)
    token = db.claim(id=id, lease=100000)["token"]
    for i in range(steps):
        assert db.wf_step(token, "s%d" % i, i) == i
    return token


def unindexed(db, id="w1"):
    return db.value("SELECT count(*) FROM _wf_step AS s JOIN _wf_workflow AS w ON w.seq = s.wf WHERE w.id = ? AND s.named IS NULL AND NOT s.n & 268435424", id)


def test_the_first_steps_write_no_entry_of_the_index(db):
    claimed(db, steps=3)
    assert unindexed(db) == 3
    db.wf_start("job", id="w2")
    db.wf_step("w2", "by id", 1)
    assert unindexed(db, "w2") == 1


@pytest.mark.parametrize("steps", [1, 30, 31, 32, 33, 62, 63, 64, 65, 100])
@pytest.mark.parametrize("by_id", [False, True], ids=["token", "id"])
def test_each_step_is_recorded_once_however_many_there_are(db, steps, by_id):
    token = claimed(db, steps=0 if by_id else steps)
    if by_id:
        db.wf_release(token)
        for i in range(steps):
            assert db.wf_step("w1", "s%d" % i, i) == i
    handle = "w1" if by_id else token
    for i in range(steps):
        assert db.wf_step(handle, "s%d" % i, -9) == i
        assert db.wf_step(handle, "s%d" % i) == i
        assert db.value("SELECT output FROM wf_steps WHERE workflow_id = 'w1' AND name = ?", "s%d" % i) == i
    assert db.column("SELECT seq FROM wf_steps") == list(range(1, steps + 1))
    assert db.column("SELECT name FROM wf_steps ORDER BY seq") == ["s%d" % i for i in range(steps)]
    assert unindexed(db) == (steps if steps < BORDER else 0)
    assert db.wf_check() is None


# What writes rows of its own, each with a name of its own.
OTHERS = {
    "begin": lambda db, t, name: db.wf_begin(t, name),
    "spawn": lambda db, t, name: db.wf_spawn(t, name, "child"),
    "fail": lambda db, t, name: db.wf_fail(t, 1, step=name, keep=True),
    "error": lambda db, t, name: db.wf_step(t, name, 1, error=True),
    "append": lambda db, t, name: db.wf_append(t, "log", 1, step=name),
    "await": lambda db, t, name: (db.wf_signal("w1", "go", 1), db.wf_await(t, name, "go")),
    "acquire": lambda db, t, name: (db.wf_rate("api", limit=1000, per=1), db.wf_acquire(t, name, "api")),
    "fingerprint": lambda db, t, name: db.wf_step(t, name, 1, input=[1]),
}


@pytest.mark.parametrize("kind", list(OTHERS))
@pytest.mark.parametrize("place", [0, 5, 30, 31, 32, 62, 63])
def test_other_rows_among_the_first_change_nothing(db, kind, place):
    token = claimed(db, steps=place)
    OTHERS[kind](db, token, "other")
    for i in range(place, 70):
        assert db.wf_step(token, "s%d" % i, i) == i
    for i in range(70):
        assert db.wf_step(token, "s%d" % i, -9) == i
    assert db.value("SELECT count(*) FROM wf_steps") == 71
    assert db.column("SELECT seq FROM wf_steps") == list(range(1, 72))
    assert unindexed(db) == 0
    assert db.wf_check() is None


@pytest.mark.parametrize("steps", [3, 31, 40])
@pytest.mark.parametrize("call", [
    lambda db, t: db.wf_begin(t, "s1"), lambda db, t: db.wf_sleep(t, "s1", 5), lambda db, t: db.wf_spawn(t, "s1", "child"), lambda db, t: db.wf_await(t, "s1", "go"),
    lambda db, t: (db.wf_rate("api", limit=9, per=1), db.wf_acquire(t, "s1", "api")), lambda db, t: db.wf_fail(t, 1, step="s1"),
    lambda db, t: db.wf_step(t, "s1", 2, error=True), lambda db, t: db.wf_step(t, "s1", 2, once=True),
], ids=["begin", "sleep", "spawn", "await", "acquire", "fail", "error", "once"])
def test_a_name_that_a_plain_step_has_taken_is_taken_for_all_others(db, call, steps):
    token = claimed(db, steps=steps)
    try:
        call(db, token)
    except sqlite3.Error:
        pass
    assert db.rows("SELECT seq, kind, status, output FROM wf_steps WHERE name = 's1'") == [(2, "step", "done", 1)]
    assert db.value("SELECT count(*) FROM wf_steps") == steps
    assert db.wf_check() is None


@pytest.mark.parametrize("steps", [20, 31, 32, 40, 63, 64, 80])
@pytest.mark.parametrize("start", [0, 1, 19])
def test_steps_that_are_dropped_and_done_again(db, steps, start):
    token = claimed(db, steps=steps)
    db.wf_begin(token, "in doubt")
    db.wf_fail(token, 1, retry=False)
    db.wf_retry("w1", **{"from": "s%d" % start})
    token = db.claim(id="w1", lease=100000)["token"]
    for i in range(steps):
        assert db.wf_step(token, "s%d" % i, -1) == (i if i < start else -1)
    for i in range(steps):
        assert db.wf_step(token, "s%d" % i) == (i if i < start else -1)
    assert db.value("SELECT count(*) FROM wf_steps WHERE name <> 'in doubt'") == steps
    assert db.wf_check() is None


@pytest.mark.parametrize("steps", [3, 31, 32, 63, 64, 70])
def test_copies_know_their_steps(db, connect, tmp_path, steps):
    token = claimed(db, steps=steps)
    db.wf_complete(token, 1)
    fork = db.wf_fork("w1", **{"from": "s%d" % (steps - 1)})
    other = connect(tmp_path / "other.db")
    other.wf_import(db.wf_export("w1"))
    for file, id, done in ((db, fork, steps - 1), (other, "w1", steps)):
        if file is other:
            file.wf_retry("w1") if file.wf_status("w1") != "completed" else None
        else:
            token = file.claim(id=id, lease=100000)["token"]
            for i in range(80):
                assert file.wf_step(token, "s%d" % i, -1) == (i if i < done else -1)
        assert file.column("SELECT name FROM wf_steps WHERE workflow_id = ? ORDER BY seq", id)[:done] == ["s%d" % i for i in range(done)]
        assert file.wf_check() is None


def test_wf_continue_begins_anew(db):
    token = claimed(db, steps=40)
    db.wf_continue(token)
    token = db.claim(id="w1", lease=100000)["token"]
    for i in range(40):
        assert db.wf_step(token, "s%d" % i, -1) == -1
    assert db.value("SELECT count(*) FROM wf_steps") == 40 and db.wf_check() is None


def test_wf_check_finds_a_name_that_is_there_twice(db):
    claimed(db, steps=40)
    claimed(db, "w2", steps=3)
    db.execute("UPDATE _wf_step SET name = 's1' WHERE wf = 2 AND name = 's2'")
    assert "two steps of a workflow have one name" in db.wf_check()
    db.execute("UPDATE _wf_step SET name = 's2' WHERE n = 2 << 28 | 3")
    assert db.wf_check() is None
    db.execute("UPDATE _wf_step SET named = NULL WHERE n = 1 << 28 | 3")
    assert "a step is not in the index of names" in db.wf_check()


@pytest.mark.parametrize("table, event, call", [
    ("_wf_workflow", "INSERT", lambda db, t: db.wf_spawn(t, "twice", "child")),
    ("_wf_stream", "INSERT", lambda db, t: db.wf_append(t, "log", 1, step="twice")),
    ("_wf_failure", "INSERT", lambda db, t: db.wf_fail(t, 1, step="twice", keep=True)),
    ("_wf_step", "INSERT", lambda db, t: db.wf_begin(t, "twice")),
    ("_wf_step", "INSERT", lambda db, t: db.wf_sleep(t, "twice", 5)),
], ids=["spawn", "append", "fail", "begin", "sleep"])
def test_a_trigger_that_records_the_same_name_meanwhile(db, table, event, call):
    token = claimed(db, steps=2)
    db.wf_append(token, "other", 1)
    db.wf_fail(token, 1, step="other", keep=True)
    db.execute("CREATE TRIGGER records BEFORE %s ON %s BEGIN SELECT wf_step('%s', 'twice', 7); END" % (event, table, token))
    try:
        call(db, token)
    except sqlite3.OperationalError as error:
        assert str(error).startswith("WF_"), error
    db.execute("DROP TRIGGER records")
    assert db.value("SELECT count(*) FROM _wf_step WHERE name = 'twice'") <= 1
    assert db.wf_check() is None


@pytest.mark.parametrize("status", ["failed", "begun"])
def test_one_of_the_first_steps_whose_status_was_changed_by_hand(db, status):
    token = claimed(db, steps=3)
    db.execute("UPDATE _wf_step SET status = ?, output = NULL, begun_at = 1, error = CASE ? WHEN 'failed' THEN '1' END WHERE name = 's1'", (status, status))
    assert "a step is not in the index of names" in db.wf_check()
    for call in (lambda: db.wf_step(token, "s1", 5), lambda: db.wf_begin(token, "s1"), lambda: db.wf_fail(token, 1, step="s1", keep=True)):
        try:
            call()
        except sqlite3.OperationalError as error:
            assert str(error).startswith("WF_STATE"), error
        assert db.value("SELECT count(*) FROM _wf_step WHERE name = 's1'") == 1


def test_steps_and_waits_in_turn(db):
    """What comes behind place 31 is a wait, again and again: the first rows go into the index all the same."""
    token = claimed(db)
    for i in range(40):
        assert db.wf_step(token, "s%d" % i, i) == i
        db.wf_signal("w1", "go", i)
        assert db.wf_await(token, "a%d" % i, "go") is not None
    assert unindexed(db) == 0
    assert db.value("SELECT named FROM _wf_step WHERE n = 1 << 28 | 32") is None
    assert db.wf_check() is None


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_each_name_is_recorded_once(db, seed):
    """What stands is read by a walk through all steps; what the calls find by a name has to be the same."""
    rng = random.Random(seed)
    token = claimed(db)
    for _ in range(260):
        before = {name: rest for name, *rest in db.rows("SELECT name, kind, status, output FROM wf_steps")}
        kind = rng.choice(["step"] * 12 + list(OTHERS) + ["retry"])
        name, value = "n%d" % rng.randrange(120), rng.randrange(1000)
        if kind == "step":
            stands = before.get(name)
            if stands is None or (stands[0] == "step" and stands[1] in ("begun", "failed")):
                assert db.wf_step(token, name, value) == value
            elif stands[:2] == ["step", "done"]:
                assert db.wf_step(token, name, value) == stands[2] and db.wf_step(token, name) == stands[2]
            else:
                with wf_error("WF_STEP_FAILED" if stands[1] == "error" else "WF_NONDETERMINISM"):
                    db.wf_step(token, name, value)
        elif kind != "retry":
            try:
                OTHERS[kind](db, token, name)
            except sqlite3.OperationalError as error:
                assert name in before and str(error).startswith("WF_"), (kind, error)
        elif rng.random() < 0.3:
            db.wf_fail(token, 1, retry=False)
            done = [name for name, (of_kind, status, _) in before.items() if (of_kind, status) == ("step", "done")]
            db.wf_retry("w1", **({"from": rng.choice(done)} if done else {}))
            token = db.claim(id="w1", lease=100000)["token"]
        names = db.column("SELECT name FROM wf_steps")
        assert len(names) == len(set(names)), kind
        assert db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = 'w1' AND name = ?", name) == (name in names)
    assert db.wf_check() is None
