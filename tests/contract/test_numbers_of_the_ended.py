"""What has ended is counted by numbers that its rows have, and what has started is in the order of its creation but for what says that it is not:
after everything that may change either, with clocks that go back."""

import pytest
from support.play import Play

COUNTS = """SELECT l.lane, coalesce((SELECT max(nth) FROM _wf_workflow AS w WHERE w.lane = l.lane AND place IS NULL), 0) - gone,
                   (SELECT count(*) FROM _wf_workflow AS w WHERE w.lane = l.lane AND place IS NULL) FROM _wf_lane AS l"""


def check(db):
    wrong = [row for row in db.rows(COUNTS) if row[1] != row[2]]
    assert wrong == []
    in_order = db.column("SELECT created_at FROM _wf_workflow WHERE late IS NULL ORDER BY seq")
    assert in_order == sorted(in_order)
    assert db.wf_check() is None


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_right_after_every_call(db, seed):
    db.wf_init()
    play = Play(db, seed)
    for _ in range(150):
        play.step()
        check(db)
    assert db.rows("SELECT count(*) > 0 FROM _wf_workflow WHERE late IS NOT NULL") == [(1,)]


def test_a_count_that_a_hand_edit_has_spoiled_is_found_and_mended(db):
    for n in range(3):
        db.wf_start("job", id="w%d" % n)
        db.wf_complete("w%d" % n)
    db.execute("UPDATE _wf_lane SET gone = 7")
    assert "another count" in db.wf_check()
    db.wf_recover()
    check(db)


def test_a_start_by_a_clock_that_went_back_is_found_out_of_order(db):
    for n, time in enumerate([10, 20, 15, 19, 20, 30]):
        db.at(time)
        db.wf_start("job", id="w%d" % n)
    assert db.column("SELECT id FROM _wf_workflow WHERE late IS NOT NULL ORDER BY seq") == ["w2", "w3"]
    db.execute("UPDATE _wf_workflow SET late = NULL")
    assert "out of the order" in db.wf_check()
