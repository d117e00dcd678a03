"""Options input and hash: a replay that calls a step with something else is noticed."""

import json

import pytest
from support import open_database, wf_error

CALLS = {
    "wf_step": lambda db, t, **o: db.wf_step(t, "s", 1, **o),
    "wf_step error": lambda db, t, **o: db.wf_step(t, "s", 1, error=True, values=True, **o),
    "wf_begin": lambda db, t, **o: db.wf_begin(t, "s", **o),
    "wf_spawn": lambda db, t, **o: db.wf_spawn(t, "s", "child", None, **o),
    "wf_sleep": lambda db, t, **o: db.wf_sleep(t, "s", 0, **o),
    "wf_await": lambda db, t, **o: db.wf_await(t, "s", "go", 0, **o),
    "wf_await_event": lambda db, t, **o: db.wf_await_event(t, "s", "day", 0, **o),
    "wf_join": lambda db, t, **o: db.wf_join(t, "s", None, **o),
    "wf_wait_any": lambda db, t, **o: db.wf_wait_any(t, "s", '[{"sleep":0}]', None, **o),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("by_id", [False, True], ids=["token", "id"])
def test_another_one_is_named_with_the_one_that_stands(db, call, by_id):
    handle = db.running()["token"]
    if by_id:
        db.wf_release(handle)
        handle = "w1"
    call(db, handle, input={"n": 1})
    (stands,) = db.column("SELECT hash FROM wf_steps")
    assert len(stands) == 16 and int(stands, 16) >= 0
    call(db, handle, input={"n": 1})
    call(db, handle)                                        # without one nothing is compared
    with wf_error("WF_NONDETERMINISM", "s", stands):
        call(db, handle, input={"n": 2})
    assert db.column("SELECT hash FROM wf_steps") == [stands] and db.wf_check() is None


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nothing_is_kept_where_none_is_given(db, call):
    handle = db.running()["token"]
    call(db, handle)
    assert db.column("SELECT hash FROM wf_steps") == [None]
    call(db, handle, hash="late")
    assert db.column("SELECT hash FROM wf_steps")[0] is None or "wf_begin" in str(CALLS)


def prints(db, *inputs):
    for n, text in enumerate(inputs):
        db.value("SELECT wf_step('w1', ?, 1, ?)", "p%d" % n, '{"input":%s}' % text)
    return db.column("SELECT hash FROM wf_steps ORDER BY seq")


def test_the_same_value_is_the_same_however_it_is_written(db):
    db.wf_start("job", id="w1")
    same = prints(db, '{"a":1,"b":[1,2,{"c":"x"}]}', '{ "b" : [1.0, 2e0, {"c":"\\u0078"}], "a" : 10e-1 }', '{"b":[1,2,{"c":"x"}],"a":1}')
    assert len(set(same)) == 1


def test_other_values_are_others(db):
    db.wf_start("job", id="w1")
    values = ['{}', '[]', 'true', 'false', '""', '"null"', '0', '1', '-1', '0.5', '"0"', '"1"', '[1]', '[[1]]', '[1,2]', '[2,1]', '{"a":1}', '{"a":2}', '{"b":1}', '{"a":{"a":1}}', '[{}]',
              '[[]]', '{"a":1,"b":2}', '{"a":2,"b":1}', '[null]', '[null,null]', '9007199254740993', '9007199254740992', '1e300', '-1e300']
    assert len(set(prints(db, *values))) == len(values)


def test_the_guard_looks_too(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "s", 1, hash="v1")
    assert db.wf_step("w1", "s", None, values=True, hash="v1") == 1
    with wf_error("WF_NONDETERMINISM"):
        db.wf_step("w1", "s", None, values=True, hash="v2")


def test_what_was_begun_with_it_is_recorded_with_it(db):
    token = db.running()["token"]
    db.wf_begin(token, "s", hash="v1")
    with wf_error("WF_NONDETERMINISM"):
        db.wf_step(token, "s", 1, hash="v2")
    assert db.value("SELECT status FROM wf_steps") == "begun"
    before = db.value("SELECT hash FROM wf_steps")
    db.wf_step(token, "s", 1)
    assert db.rows("SELECT status, hash FROM wf_steps") == [("done", before)]


def test_a_text_and_a_value_exclude_each_other(db):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", "input", "hash"):
        db.wf_step("w1", "s", 1, input=1, hash="v1")


def test_claims_forks_and_other_files_have_it(db, tmp_path):
    token = db.running()["token"]
    db.wf_step(token, "s", 1, input=[1])
    stands = db.value("SELECT hash FROM wf_steps")
    db.wf_fail(token, 1, delay=0)
    assert db.claim(steps=True, key="k")["steps"][0]["hash"] == stands
    db.wf_fork("w1", id="f")
    assert db.column("SELECT hash FROM wf_steps") == [stands] * 2
    there = open_database(tmp_path / "there.db")
    there.wf_import(db.wf_export("w1"))
    assert there.column("SELECT hash FROM wf_steps") == [stands]
    there.wf_resume("w1")
    with wf_error("WF_NONDETERMINISM", stands):
        there.wf_step("w1", "s", 1, input=[2])
    there.close()


def test_a_damaged_one_does_no_harm(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "s", 1, hash="v")
    for damage in ("x", b"\x00", 1.5, 2**63 - 1, -(2**63)):
        db.execute("UPDATE _wf_step SET hash = ?", (damage,))
        db.rows("SELECT hash FROM wf_steps")
        with wf_error("WF_NONDETERMINISM"):
            db.wf_step("w1", "s", 1, hash="v")
        json.loads(db.wf_claim(None, None, steps=True, id="w1", key="k"))
        db.wf_recover()
