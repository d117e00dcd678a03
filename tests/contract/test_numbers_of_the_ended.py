"""What has ended is counted by numbers that its rows have, and what has started is in the order of its creation but for what says that it is not:
after everything that may change either, with clocks that go back."""

import pytest
from support.play import Play

COUNTS = """SELECT l.lane, coalesce((SELECT max(nth) FROM _wf_workflow AS w WHERE w.lane = l.lane AND place IS NULL), 0) - gone,
                   (SELECT count(*) FROM _wf_workflow AS w WHERE w.lane = l.lane AND place IS NULL) FROM _wf_lane AS l"""


def check(db):
    wrong = [row for row in db.rows(COUNTS) if row[1] != row[2]]
    assert wrong == []
    for column, status in (("count_failed", "failed"), ("count_cancelled", "cancelled"), ("count_paused", "paused")):
        assert db.rows("SELECT lane, %s FROM _wf_lane ORDER BY 1" % column) == db.rows(
            "SELECT lane, (SELECT count(*) FROM _wf_workflow AS w WHERE w.lane = l.lane AND w.status = ?) FROM _wf_lane AS l ORDER BY 1", status), status
    assert db.rows("SELECT name, queue, status, count FROM wf_stats ORDER BY 1, 2, 3") == db.rows(
        "SELECT l.name, l.queue, w.status, count(*) FROM _wf_workflow AS w JOIN _wf_lane AS l USING(lane) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
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
    for column in ("gone", "count_failed", "count_cancelled", "count_paused"):
        db.execute("UPDATE _wf_lane SET %s = 7" % column)
        assert "another count" in db.wf_check()
        db.wf_recover()
        check(db)


def test_lanes_are_numbered_in_blocks_of_one_queue_and_name(db):
    """Of several in turn; some go, and others come, more than a block has numbers."""
    db.wf_init()
    db.execute("BEGIN")
    for n in range(900):
        db.wf_start("abc"[n % 3], id="w%d" % n, queue="q%d" % (n % 2), partition="p%d" % n)
        if n % 4 == 0:
            db.wf_complete("w%d" % n)
        if n % 4 == 1:
            db.wf_pause("w%d" % n)
    db.execute("COMMIT")
    blocks = db.rows("SELECT lane >> 8, count(DISTINCT queue || name), count(*) FROM _wf_lane GROUP BY 1")
    assert len(blocks) == 6 and all(row[1:] == (1, 150) for row in blocks)
    db.execute("BEGIN")
    for n in range(0, 900, 2):
        db.wf_delete("w%d" % n, force=True)
    for n in range(900, 2000):
        db.wf_start("a", id="w%d" % n, queue="q1", partition="p%d" % n)
    db.execute("COMMIT")
    assert db.value("SELECT max(n) FROM (SELECT count(DISTINCT queue || name) AS n FROM _wf_lane GROUP BY lane >> 8)") == 1
    assert db.value("SELECT count(DISTINCT lane >> 8) FROM _wf_lane") == 3 + 1100 // 256
    check(db)
    db.execute("UPDATE _wf_lane SET name = 'other' WHERE partition = 'p1001'")
    assert "among those of others" in db.wf_check()


def test_a_start_by_a_clock_that_went_back_is_found_out_of_order(db):
    for n, time in enumerate([10, 20, 15, 19, 20, 30]):
        db.at(time)
        db.wf_start("job", id="w%d" % n)
    assert db.column("SELECT id FROM _wf_workflow WHERE late IS NOT NULL ORDER BY seq") == ["w2", "w3"]
    db.execute("UPDATE _wf_workflow SET late = NULL")
    assert "out of the order" in db.wf_check()
