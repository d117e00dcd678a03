"""Lists of names so long that they are looked at in portions: what comes is found wherever it stands, and the order of the list is kept."""

import json

COUNT = 3000
NAMES = [f"{number:05}-{'x' * 50}" for number in range(COUNT)]


def lists(db, sql, *parameters):
    return json.loads(db.value(sql, *parameters))


def test_an_event_far_back_in_a_long_list_ends_the_wait(db):
    db.value("SELECT wf_start('job', 1, '{\"id\":\"w\"}')")
    assert db.value("SELECT wf_await_event('w', 's', ?)", json.dumps(NAMES)) is None
    assert db.value("SELECT count(*) FROM _wf_waiter") == COUNT
    db.value("SELECT wf_emit(?, 7)", NAMES[2500])
    came = lists(db, "SELECT wf_await_event('w', 's', ?)", json.dumps(NAMES))
    assert (came["event"], came["payload"]) == (NAMES[2500], 7)
    assert db.value("SELECT count(*) FROM _wf_waiter") == 0
    assert db.value("SELECT wf_check()") is None


def test_the_first_signal_is_taken_wherever_its_name_stands(db):
    db.value("SELECT wf_start('job', 1, '{\"id\":\"w\"}')")
    for name in (NAMES[2999], NAMES[0], NAMES[1500]):
        db.value("SELECT wf_signal('w', ?, 1)", name)
    taken = [lists(db, "SELECT wf_await('w', ?, ?)", f"s{i}", json.dumps(NAMES))["signal"] for i in range(3)]
    assert taken == [NAMES[2999], NAMES[0], NAMES[1500]]


def test_a_long_join_waits_for_all_and_shows_them_in_order(db):
    db.value("SELECT wf_start('job', 1, '{\"id\":\"w\"}')")
    db.execute("BEGIN")
    for name in NAMES:
        db.value("SELECT wf_start('job', 1, ?)", json.dumps({"id": name}))
    db.execute("COMMIT")
    assert db.value("SELECT wf_join('w', 'j', ?)", json.dumps(NAMES)) is None
    db.value("SELECT wf_cancel(?)", json.dumps(NAMES[:-1]))
    assert db.value("SELECT wf_join('w', 'j', ?)", json.dumps(NAMES)) is None
    db.value("SELECT wf_complete(?, 5)", NAMES[-1])
    ends = lists(db, "SELECT wf_join('w', 'j', ?)", json.dumps(NAMES))
    assert [end["id"] for end in ends] == NAMES
    assert {end["status"] for end in ends[:-1]} == {"cancelled"} and ends[-1]["output"] == 5


def test_a_long_join_for_any_shows_the_one_that_ended_first(db):
    for name in ("w", "late", "open", *NAMES[:3]):
        db.value("SELECT wf_start('job', 1, ?)", json.dumps({"id": name}))
    db.at(1)
    db.value("SELECT wf_complete(?, 5)", NAMES[2])
    db.at(2)
    db.value("SELECT wf_complete(?, 6)", NAMES[0])
    ids = [NAMES[1]] * 2000 + [NAMES[0]] * 2000 + [NAMES[2]] + [NAMES[0]] * 2000
    ends = lists(db, "SELECT wf_join('w', 'j', ?, '{\"mode\":\"any\"}')", json.dumps(ids))
    assert [(end["id"], end["output"]) for end in ends] == [(NAMES[2], 5)]
