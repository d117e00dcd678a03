"""Random calls on a database, whatever the state of its workflows, with a clock that goes back now and then."""

import random
import sqlite3

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
        partition = self.random.choice([{}, {"partition": "p"}, {"partition": "p%d" % (self.next % 3)}])
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
        if id := self.one("pending", "running", "waiting"):
            self.db.wf_pause(id)

    def resume(self):
        if id := self.one("paused"):
            self.db.wf_resume(id)

    def claim(self):
        self.db.claim(self.random.choice("qr"), lease=self.random.choice([1, 20]))

    def wait(self):
        """By a claim, or by its bare id."""
        claim = self.db.claim("q") if self.random.random() < 0.5 else None
        if handle := claim["token"] if claim else self.due():
            self.db.wf_await(handle, "wait", "go")

    def signal(self):
        if id := self.one("waiting", "paused", "pending"):
            self.db.wf_signal(id, "go")

    def end_in_two_phases(self):
        self.next += 1
        self.db.wf_start("a", id="w%d" % self.next, queue="q", cleanup=True, partition=self.random.choice(["p", "x"]))
        self.db.wf_pause("w%d" % self.next)
        self.db.wf_cancel("w%d" % self.next, force=self.random.random() < 0.3)

    def end_a_tree(self):
        """A parent that is cancelled with its children, of which one is paused."""
        if id := self.due():
            for n in range(2):
                self.next += 1
                self.db.wf_spawn(id, "child %d" % self.next, "b", id="w%d" % self.next, queue="r", partition=self.random.choice(["p", "y"]))
            self.db.wf_pause("w%d" % self.next)
            self.db.wf_cancel(id)

    def pause_while_claimed(self):
        """What was claimed before the pause may complete."""
        if claim := self.db.claim("q", lease=50):
            self.db.wf_pause(claim["id"])
            self.db.wf_complete(claim["token"])

    def replace(self):
        """One that is paused stays so, in another lane."""
        if id := self.one("paused"):
            name, queue, input = self.db.rows("SELECT name, queue, input FROM wf_workflows WHERE id = ?", id)[0]
            if not self.db.rows("SELECT 1 FROM _wf_step AS s JOIN _wf_workflow AS w ON w.seq = s.wf WHERE w.id = ? UNION ALL SELECT 1 FROM _wf_workflow WHERE id = ? AND (started_at OR ending NOTNULL)", id, id):
                self.db.wf_start(name, '{"other":%d}' % self.next, id=id, queue=queue, if_exists="replace", priority=self.random.choice([0, 3]))

    def go_on(self):
        if claim := self.db.claim("r"):
            self.db.wf_continue(claim["token"], version=self.random.choice(["1", "2"]))

    def pause_all(self):
        if self.random.random() < 0.3:
            self.db.wf_recover(pause=True)

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
            self.fail, self.cancel, self.pause, self.retry, self.restart, self.delete, self.delete_last, self.purge, self.fork, self.move, self.recover,
            self.resume, self.resume, self.claim, self.wait, self.wait, self.signal, self.end_in_two_phases, self.end_a_tree, self.pause_while_claimed, self.replace, self.go_on, self.pause_all]
        try:
            self.random.choice(weighed)()
        except sqlite3.OperationalError as refused:  # what is refused changes nothing
            if not str(refused).startswith(("WF_STATE", "WF_CONFLICT")):
                raise
