"""What has ended is counted by numbers that its rows have, and what has started is in the order of its creation but for what says that it is not:
after everything that may change either, with clocks that go back."""

import random

import pytest
from support import BASE

COUNTS = """SELECT l.lane, coalesce((SELECT max(nth) FROM _wf_workflow AS w WHERE w.lane = l.lane AND place IS NULL), 0) - gone,
                   (SELECT count(*) FROM _wf_workflow AS w WHERE w.lane = l.lane AND place IS NULL) FROM _wf_lane AS l"""


def check(db):
    wrong = [row for row in db.rows(COUNTS) if row[1] != row[2]]
    assert wrong == []
    in_order = db.column("SELECT created_at FROM _wf_workflow WHERE late IS NULL ORDER BY seq")
    assert in_order == sorted(in_order)
    assert db.wf_check() is None


class Play:
    def __init__(self, db, seed):
        self.db, self.random, self.time, self.next = db, random.Random(seed), 1000.0, 0

    def one(self, *states):
        marks = ", ".join("?" * len(states))
        ids = self.db.column("SELECT id FROM wf_workflows WHERE status IN (%s)" % marks, *states)
        return self.random.choice(ids) if ids else None

    def start(self):
        self.next += 1
        partition = self.random.choice([{}, {"partition": "p"}])
        self.db.wf_start(self.random.choice("ab"), id="w%d" % self.next, queue=self.random.choice(["q", "r"]), **partition)

    def due(self):
        ids = self.db.column("SELECT id FROM _wf_workflow WHERE status = 'pending' AND due_at <= ?", round((BASE + self.time) * 1000))
        return self.random.choice(ids) if ids else None

    def complete(self):
        if id := self.due():
            self.db.wf_complete(id)

    def claim_and_complete(self):
        if claim := self.db.claim("q"):
            self.db.wf_complete(claim["token"])

    def fail(self):
        if id := self.due():
            self.db.wf_fail(id, "no", retry=False)

    def cancel(self):
        if id := self.one("pending", "paused"):
            self.db.wf_cancel(id)

    def pause(self):
        if id := self.one("pending"):
            self.db.wf_pause(id)

    def retry(self):
        if id := self.one("failed", "cancelled"):
            self.db.wf_retry(id)

    def restart(self):
        if id := self.one("completed", "failed"):
            name, queue, version = self.db.rows("SELECT name, queue, version FROM wf_workflows WHERE id = ?", id)[0]
            self.db.wf_start(name, id=id, queue=queue, if_exists="restart", priority=self.random.choice([0, 3]))

    def delete(self):
        if id := self.one("completed", "failed", "cancelled"):
            self.db.wf_delete(id)

    def delete_last(self):
        id = self.db.column("SELECT id FROM _wf_workflow WHERE place IS NULL ORDER BY nth DESC LIMIT 1")
        if id:
            self.db.wf_delete(id[0])

    def purge(self):
        self.db.wf_purge(older_than=self.random.choice([0, 5, 50]), limit=3)

    def fork(self):
        if id := self.one("completed", "failed"):
            self.next += 1
            self.db.wf_fork(id, **{"id": "w%d" % self.next})

    def move(self):
        if id := self.one("completed", "failed", "pending", "cancelled"):
            document = self.db.wf_export(id)
            self.db.wf_delete(id, force=True)
            self.db.wf_import(document)

    def recover(self):
        self.db.wf_recover()

    def step(self):
        self.time += self.random.choice([0, 0.001, 1, 10, -0.001, -5, -20])
        self.db.at(self.time)
        weighed = [self.start] * 6 + [self.complete] * 3 + [self.claim_and_complete] * 2 + [
            self.fail, self.cancel, self.pause, self.retry, self.restart, self.delete, self.delete_last, self.purge, self.fork, self.move, self.recover]
        self.random.choice(weighed)()


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
