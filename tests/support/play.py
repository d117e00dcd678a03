"""Random calls on a database, whatever the state of its workflows, with a clock that goes back now and then."""

import random

from .clock import BASE


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
