"""The lines of rates against the rule in plain Python (model_lines.py): random callers, in order, at the moment."""

import json
import random

import pytest
from model_lines import Line
from support import sql_time

PER = 60_000
KEYS = [None, "k"]


class Play:
    def __init__(self, db, seed, mixed):
        self.db, self.rng, self.mixed = db, random.Random("line %d %s" % (seed, mixed)), mixed
        self.limit = self.rng.choice([1, 2, 3, 7])
        self.now, self.count = 0, 0
        self.lines = {key: Line(self.limit, PER) for key in KEYS}
        self.told = []
        self.move(0)
        db.wf_rate("api", limit=self.limit, per=PER / 1000)
        db.wf_define("flow", {"input": {"n": "integer", "k": "text"}, "steps": [{"name": "share", "acquire": "api", "key": "SELECT :k", "amount": "SELECT :n"}]})

    def move(self, now):
        self.now = now
        self.db.at(now / 1000)

    def acquire(self, token, amount, key, timeout=None):
        options = {"key": key, "timeout": timeout}
        got = self.db.wf_acquire(token, "share", "api", amount, **{name: value for name, value in options.items() if value is not None})
        return got is not None

    def arrive(self):
        self.count += 1
        id, key = "w%d" % self.count, self.rng.choice(KEYS)
        amount = self.rng.randint(1, self.limit) if self.mixed else 1
        scripted = self.rng.random() < 0.3
        timeout = self.rng.choice([0, 20, 90, 200]) if self.rng.random() < 0.2 and not scripted else None
        line = self.lines[key]
        expected = line.ask(id, amount, self.now, None if timeout is None else self.now + timeout * 1000)
        if scripted:
            self.db.wf_start("flow", json.dumps({"n": amount, "k": key}), id=id)
            self.db.wf_run(id=id)
            assert (self.db.wf_status(id) == "completed") == expected, (id, self.now)
            return
        self.db.wf_start("job", json.dumps([amount, key]), id=id)
        token = self.db.claim(id=id)["token"]
        got = self.acquire(token, amount, key, timeout)
        assert got == (expected or timeout == 0), (id, self.now)
        if got:
            self.db.wf_complete(token)

    def leave(self):
        waiting = [wait[0] for line in self.lines.values() for wait in line.waits]
        if not waiting:
            return
        id = self.rng.choice(waiting)
        for line in self.lines.values():
            line.leave(id)
        self.db.wf_cancel(id)
        self.serve()

    def change(self):
        """The limit, up only: who was told under a higher one makes any period wrong."""
        self.limit += self.rng.choice([1, 2])
        for line in self.lines.values():
            line.limit = self.limit
        self.db.wf_rate("api", limit=self.limit)
        self.serve()

    def serve(self):
        """Everyone who was woken comes now, and is told as the rule says, each line in its order."""
        expected = {key: line.told(self.now) for key, line in self.lines.items()}
        told = []
        while True:
            before = len(told)
            for row in self.db.rows("SELECT id, name FROM wf_pending WHERE ready AND due_at <= ? ORDER BY due_at, rowid", sql_time(self.now / 1000)):
                told += self.come(*row)
            if len(told) == before:
                break
        names = {id: key for key, ids in expected.items() for id in ids}
        assert sorted(told) == sorted(names), (self.now, told, expected)
        for key, ids in expected.items():
            assert [id for id in told if names[id] == key] == ids, (self.now, told, expected)

    def come(self, id, name):
        if name == "flow":
            self.db.wf_run(id=id)
            return [id] if self.db.wf_status(id) == "completed" else []
        claim = self.db.claim(id=id)
        if claim is None:
            return []
        amount, key = claim["input"]
        got = self.acquire(claim["token"], amount, key)
        if got:
            self.db.wf_complete(claim["token"])
        return [id] if got else []

    def wait(self):
        """Until the next one's turn, or somewhere before it."""
        times = [time for time in (line.next_time(self.now) for line in self.lines.values()) if time is not None]
        step = self.rng.choice([1, 500, 7_000, 31_000])
        if times and self.rng.random() < 0.7:
            self.move(max(self.now, min(times)))
        else:
            self.move(min([self.now + step, *[time for time in times if time >= self.now]]))
        self.serve()

    def look(self):
        for key, line in self.lines.items():
            rows = self.db.rows("SELECT spent, waiting, next_at FROM wf_rates WHERE name = 'api' AND key IS ?", key)
            spent, waiting, next_at = rows[0] if rows else (0, 0, None)
            assert (spent, waiting) == (line.spent(self.now), len(line.waits)), (self.now, key)
        assert self.db.wf_check() is None

    def run(self, events):
        for _ in range(events):
            self.rng.choice([self.arrive] * 5 + [self.wait] * 4 + [self.leave] + ([self.change] if self.rng.random() < 0.1 else []))()
            self.look()
        while any(line.waits for line in self.lines.values()):
            self.wait()
        self.look()


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_everyone_is_told_in_turn_and_at_the_moment(db, seed, mixed):
    play = Play(db, seed, mixed)
    play.run(40)
    assert all(line.is_exact() for line in play.lines.values())
