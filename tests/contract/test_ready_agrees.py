"""wf_ready, wf_pending and wf_wait say that there is work where a claim finds some, and nowhere else."""

import json
import random

import pytest


@pytest.fixture
def db(db):
    db.at(0)
    return db


def says(db):
    """What the three say: one answer."""
    ready = db.wf_ready()
    shown = db.value("SELECT count(*) FROM wf_pending WHERE ready")
    waits = db.wf_wait(0)
    assert (ready > 0) == (shown > 0) == (waits == 1), (ready, shown, waits, db.records("SELECT * FROM wf_pending"))
    return ready > 0


def reason(db, id="w1"):
    return db.value("SELECT reason FROM wf_pending WHERE id = ?", id)


def test_one_of_all_that_are_needed_is_not_enough(db):
    db.wf_start("job", id="w1")
    db.wf_wait_any("w1", "w", [{"signal": "a"}, {"signal": "b"}], None, mode="all")
    db.wf_signal("w1", "a")
    assert not says(db) and reason(db) == "waiting for signal a and signal b"
    assert db.claim() is None
    db.wf_signal("w1", "b")
    assert says(db) and reason(db) == "ready"
    assert db.claim()["id"] == "w1"


def test_two_signals_of_a_name_are_needed(db):
    db.wf_start("job", id="w1")
    db.wf_wait_any("w1", "w", [{"signal": "a"}, {"signal": ["a", "b"]}], None, mode="all")
    db.wf_signal("w1", "a")
    assert not says(db)
    db.wf_signal("w1", "a")
    assert says(db) and db.claim()["id"] == "w1"


@pytest.mark.parametrize("max_attempts", [1, 10])
def test_a_lease_has_run_out_beside_a_kept_wait(db, max_attempts):
    db.wf_start("job", id="w1", max_attempts=max_attempts)
    token = db.claim()["token"]
    db.wf_await(token, "w", "go", keep=True)
    db.at(31)
    assert not says(db) and reason(db) == "waiting for signal go"
    db.wf_signal("w1", "go")
    assert says(db) and reason(db) == "ready"
    claim = db.claim()
    assert (claim["id"], claim["wake"], claim["attempt"]) == ("w1", "signal", 1)


def test_a_lease_has_run_out_beside_a_kept_sleep(db):
    db.wf_start("job", id="w1")
    db.wf_sleep(db.claim()["token"], "nap", 40, keep=True)
    db.at(39)
    assert not says(db)
    db.at(40)
    assert says(db) and db.claim()["wake"] == "timer"


def test_one_that_is_joined_goes_on(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="c", queue="other")
    db.wf_join("w1", "j", ["c"])
    db.wf_fail("c", "e", retry=False)
    assert says(db)
    db.wf_retry("c")
    assert db.wf_ready("default") == 0
    assert db.claim() is None
    db.wf_complete("c")
    assert says(db) and db.claim()["id"] == "w1"


def test_what_is_in_vain_hides_nothing_behind_it(db):
    db.wf_start("job", id="w1")
    db.wf_wait_any("w1", "w", [{"signal": "a"}, {"signal": "b"}], None, mode="all")
    db.wf_signal("w1", "a")
    db.at(1)
    db.wf_start("job", id="w2")
    assert (db.wf_ready(), db.wf_wait(0)) == (1, 1)
    assert db.claim()["id"] == "w2"


def test_a_damaged_wait_is_not_ready(db):
    db.wf_start("job", id="w1")
    db.wf_wait_any("w1", "w", [{"signal": "a"}])
    db.wf_signal("w1", "a")
    db.execute("""UPDATE _wf_step SET topics = '{"mode":"any","waits":[5]}'""")
    assert db.wf_ready() == 0
    assert db.claim() is None


# ---- Any situation ---------------------------------------------------------------------------------------------------------

IDS = ["w%d" % i for i in range(4)]
QUEUES = ["default", "default", "q", "r"]


class Play:
    """Calls at random. What they refuse does not matter here."""

    def __init__(self, db, seed):
        self.db, self.random, self.tokens, self.now, self.steps = db, random.Random(seed), [], 0, 0
        db.wf_queue("q", partition_concurrency=1, hold="started")
        db.wf_queue("r", concurrency=2, rate={"limit": 3, "per": 20})

    def thing(self):
        return self.random.choice([{"signal": self.random.choice("ab")}, {"signal": ["a", "b"]}, {"event": self.random.choice("ef")}, {"sleep": self.random.randint(1, 40)},
                                   {"join": self.random.sample(IDS, 2), "mode": self.random.choice(["all", "any"])}])

    def wait(self):
        self.steps += 1
        options = {"keep": True} if self.random.random() < 0.6 else {}
        options["mode"] = self.random.choice(["any", "all"])
        handle = self.random.choice(self.tokens + IDS)
        if not handle.startswith("run_"):
            options.pop("keep", None)
        step = "s%d" % self.random.randint(1, self.steps)
        kind = self.random.randint(0, 3)
        if kind == 0:
            options.pop("mode")
            return self.db.wf_await(handle, "a" + step, self.random.choice(["a", "b"]), self.random.choice([None, 15]), **options)
        if kind == 1:
            return self.db.wf_join(handle, "j" + step, self.random.sample(IDS, 2), **options)
        return self.db.wf_wait_any(handle, step, [self.thing() for _ in range(self.random.randint(1, 3))], self.random.choice([None, 15]), **options)

    def move(self):
        db, pick, id = self.db, self.random.choice, self.random.choice(IDS)
        handle = pick(self.tokens + IDS)
        queue = pick(QUEUES)
        return pick([
            lambda: db.wf_start("job", id=id, queue=queue, partition=pick("xy"), max_attempts=pick([1, 2, 10]), **({"timeout": 60} if pick([0, 0, 1]) else {})),
            lambda: db.wf_signal(id, pick("ab")), lambda: db.wf_signal(id, pick("ab")),
            lambda: db.wf_emit(pick("ef")),
            self.wait, self.wait, self.wait,
            lambda: db.wf_complete(handle), lambda: db.wf_fail(handle, "e", **pick([{}, {"retry": False}])),
            lambda: db.wf_release(handle, **pick([{}, {"delay": 5}])),
            lambda: db.wf_retry(id), lambda: db.wf_cancel(id), lambda: db.wf_pause(id), lambda: db.wf_resume(id), lambda: db.wf_reschedule(id),
            lambda: db.wf_delete(id, force=True), lambda: db.wf_step(handle, "x", 1), lambda: db.wf_recover(**pick([{}, {"lost": True}])),
        ])

    def claims(self):
        """What a claim of all queues gives, in any of its queues."""
        text = self.db.wf_claim(json.dumps(sorted(set(QUEUES))), lease=self.random.choice([5, 30]))
        return None if text is None else json.loads(text)

    def run(self, turns):
        db = self.db
        for turn in range(turns):
            try:
                self.move()()
            except Exception as error:
                assert "WF_" in str(error), error
            if self.random.random() < 0.4:
                self.now += self.random.randint(1, 12)
                db.at(self.now)
            if self.random.random() < 0.6:
                continue
            db.wf_tick()
            before = db.records("SELECT * FROM wf_pending"), db.records("SELECT * FROM _wf_step WHERE status = 'waiting'")
            ready = db.wf_ready()
            waits = db.wf_wait(0, queue=sorted(set(QUEUES)))
            shown = db.value("SELECT count(*) FROM wf_pending WHERE ready")
            claim = self.claims()
            assert (ready > 0) == (claim is not None), (turn, ready, claim, before)
            assert (shown > 0) == (claim is not None), (turn, shown, claim, before)
            assert claim is None or waits == 1, (turn, claim, before)
            assert waits == 0 or claim is not None, (turn, waits, before)
            if claim is not None:
                self.tokens = self.tokens[-3:] + [claim["token"]]


@pytest.mark.parametrize("seed", range(40))
def test_in_any_situation(memdb, seed):
    memdb.at(0)
    Play(memdb, seed).run(250)
    assert memdb.wf_check() is None
