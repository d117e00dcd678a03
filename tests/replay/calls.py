"""Random requests for a file in explicit mode: all that the engine does, with rows of an application, statements that fail and transactions that are rolled back."""

import json

SCHEMA = [
    "SELECT wf_init()",
    "SELECT wf_config('clock', 'explicit')",
    "CREATE TABLE app(id INTEGER PRIMARY KEY, v UNIQUE)",
    "CREATE TABLE audit(n INTEGER PRIMARY KEY, what)",
    "CREATE TRIGGER audited AFTER INSERT ON app BEGIN INSERT INTO audit(what) VALUES('app ' || NEW.v); END",
]
FLOW = {"input": {"n": "integer"}, "steps": [
    {"name": "a", "sql": "INSERT INTO app(v) VALUES(:id || '-' || :n)", "max_attempts": 2, "backoff": {"initial": 3, "factor": 1.7, "jitter": 0.4}},
    {"name": "b", "sql": "SELECT twice(:n) AS two, datetime(:now, '+1 day') AS day"},
    {"name": "each", "for_each": "SELECT value FROM json_each('[1,2,3]')", "sql": "INSERT INTO audit(what) VALUES(:item)"},
    {"name": "nap", "sleep": 20},
    {"name": "c", "when": "SELECT :n % 2", "task": "tasks", "input": "SELECT json_object('n', :n)", "max_attempts": 2},
    {"name": "go", "await": "go", "timeout": 60},
], "output": "SELECT json_object('n', :n)"}
LONG = {"steps": [{"name": "s%d" % n, "sql": "INSERT INTO audit(what) VALUES('%d of ' || :id)" % n} for n in range(45)]}
UNSTEADY = {"steps": [{"name": "a", "sql": "INSERT INTO audit(what) VALUES(random())"}]}


class Calls:
    """Makes requests, and learns tokens and ids from their results."""

    def __init__(self, random, now):
        self.random, self.now = random, now
        self.ids, self.tokens, self.made = ["none"], ["run_none"], 0

    def options(self, **options):
        # Time goes on, mostly; clients do not agree about it.
        self.now += self.random.choice([0, 0, 0.001, 0.25, 1, 1, 5, 30, 400, -2])
        return json.dumps({"now": round(self.now, 3), **{key: value for key, value in options.items() if value is not None}})

    def maybe(self, *values):
        return self.random.choice([None, None, None, *values])

    def id(self):
        return self.random.choice(self.ids[-30:])

    def handle(self):
        return self.random.choice(self.tokens[-12:] + [self.id()]) if self.random.random() < 0.9 else self.random.choice(self.tokens)

    def step(self):
        return "s%d" % self.random.randrange(6)

    def call(self, function, *arguments, **options):
        bound = [*arguments, self.options(**options)]
        return ["SELECT %s(%s)" % (function, ", ".join("?" * len(bound))), bound]

    def start(self):
        self.made += 1
        id, r = "w%d" % self.made, self.random
        self.ids.append(id)
        name = r.choice(["job", "job", "other", "flow", "flow", "long"])
        return self.call("wf_start", name, json.dumps({"n": r.randrange(9)}), id=id, queue=None if name == "flow" else self.maybe("q", "limited"), priority=self.maybe(5, -3),
                         delay=self.maybe(2, "1m"), partition=self.maybe("p1", "p2"), dedup=self.maybe("same"), timeout=self.maybe(50, 1000), max_attempts=self.maybe(1, 3),
                         backoff=self.maybe({"initial": 0.3, "factor": 1.37, "max": 100, "jitter": 0.7}), tags=self.maybe({"k": "v"}), cleanup=self.maybe(True), manual=self.maybe(True))

    def claim(self):
        r = self.random
        return self.call("wf_claim", r.choice([None, "q", "limited", "tasks", '["default","q","tasks"]']), r.choice(["ann", "bob", None]), limit=self.maybe(3, 10),
                         lease=self.maybe(1, 20, 600), key=self.maybe("k%d" % r.randrange(5)), names=self.maybe("job", ["other", "c"]), steps=self.maybe(True))

    def one(self):
        r = self.random
        kinds = {
            10: [self.start, self.claim],
            6: [lambda: self.call("wf_step", self.handle(), self.step(), r.choice(["1", '{"x":[1,2]}', 2.5, "text"])),
                lambda: ["SELECT wf_step(?, ?)", [self.handle(), self.step()]],
                lambda: self.call("wf_complete", self.handle(), r.choice([None, "7"])),
                lambda: self.call("wf_run", limit=self.maybe(1, 7, 50))],
            3: [lambda: self.call("wf_fail", self.handle(), r.choice(["no", '{"code":1}']), retry=self.maybe(False), step=self.maybe(self.step())),
                lambda: self.call("wf_heartbeat", self.handle(), r.choice([None, 40])),
                lambda: self.call("wf_release", self.handle(), delay=self.maybe(7)),
                lambda: self.call("wf_sleep", self.handle(), self.step(), r.choice([1, "30s", 0.2])),
                lambda: self.call("wf_await", self.handle(), self.step(), r.choice(["go", '["go","stop"]']), r.choice([None, 0, 15]), keep=self.maybe(True)),
                lambda: self.call("wf_signal", self.id(), r.choice(["go", "stop"]), "1", key=self.maybe("k1", "k2")),
                lambda: self.call("wf_spawn", self.handle(), self.step(), "job", "1", detached=self.maybe(True), queue=self.maybe("q")),
                lambda: self.call("wf_begin", self.handle(), self.step(), in_doubt=self.maybe("hold", "fail")),
                lambda: self.call("wf_append", self.handle(), "log", r.choice(["1", '"x"'])),
                lambda: self.call("wf_tick")],
            2: [lambda: self.call("wf_join", self.handle(), self.step(), None, mode=self.maybe("any"), timeout=self.maybe(9)),
                lambda: self.call("wf_emit", "e%d" % r.randrange(40), "1"),
                lambda: self.call("wf_await_event", self.handle(), self.step(), "e%d" % r.randrange(40), self.maybe(10)),
                lambda: self.call("wf_acquire", self.handle(), self.step(), "calls", 1, key=self.maybe("a", "b")),
                lambda: self.call("wf_cancel", self.id(), "why", force=self.maybe(True)),
                lambda: self.call("wf_retry", self.id(), **{"from": self.maybe(self.step())}),
                lambda: self.call("wf_continue", self.handle(), "3", period=self.maybe(1, 2)),
                lambda: self.call("wf_set", self.handle(), "v%d" % r.randrange(3), "5"),
                lambda: self.call("wf_resolve", self.id(), self.step(), r.choice(["done", "retry", "failed"]), "1"),
                lambda: ["INSERT INTO audit(what) SELECT group_concat(id || ready || coalesce(reason, ''), ' ') FROM (SELECT * FROM wf_pending WHERE now = ? ORDER BY id)", [self.now]],
                lambda: ["INSERT INTO audit(what) VALUES(wf_ready(NULL, ?))", [self.options()]]],
            1: [lambda: self.call(r.choice(["wf_pause", "wf_resume"]), self.id()),
                lambda: self.call("wf_delete", self.id(), force=self.maybe(True)),
                lambda: self.call("wf_purge", older_than=r.choice([100, 1000]), limit=self.maybe(5)),
                lambda: self.call("wf_fork", self.id(), id="fork%d" % self.made),
                lambda: self.call("wf_reschedule", self.id(), delay=self.maybe(3)),
                lambda: self.call("wf_queue", "limited", concurrency=self.maybe(1, 2), partition_concurrency=self.maybe(1), rate=self.maybe({"limit": 2, "per": 30})),
                lambda: self.call("wf_rate", "calls", r.choice(['{"limit":2,"per":10}', '{"limit":5,"per":"1m"}'])),
                lambda: self.call("wf_schedule", "s%d" % r.randrange(3), r.choice(["*/5 * * * *", "@hourly", "@every 90s"]), "job", "1",
                                  timezone=self.maybe("+05:30", "Europe/Berlin", "Mars/Base"), catch_up=self.maybe("all", "skip"), overlap=self.maybe("allow", "queue")),
                lambda: self.call("wf_define", r.choice(["flow", "flow", "bad"]), r.choice([json.dumps(FLOW), json.dumps({**FLOW, "description": "x%d" % r.randrange(2)}), json.dumps(UNSTEADY)])),
                lambda: self.call("wf_recover", id="r%d" % self.made, worker=self.maybe("ann"), lost=self.maybe(True)),
                lambda: self.call("wf_export", self.id()),
                lambda: self.call("wf_tag", self.id(), "k", r.choice(["v", None])),
                lambda: self.call("wf_trim", self.id(), "log", 1),
                lambda: ["SELECT wf_digest(), wf_digest(?)", [self.id()]],
                # What a node must not be asked: the same error everywhere.
                lambda: r.choice([["SELECT wf_ready()", []], ["SELECT wf_clock()", []], ["SELECT count(*) FROM wf_pending", []], ["SELECT wf_wait(5)", []], ["SELECT wf_claim()", []],
                                  ["SELECT wf_config('clock', NULL)", []], ["SELECT wf_run('{\"budget\":1,\"now\":0}')", []], ["SELECT wf_export('w1')", []]])],
        }
        weight = r.choices(list(kinds), [24, 34, 26, 16, 11])[0]
        return r.choice(kinds[weight])()

    def row(self):
        """A row of the application; now and then one that violates a constraint."""
        return ["INSERT INTO app(v) VALUES(?)", ["row %d" % self.random.randrange(400)]]

    def request(self):
        r = self.random
        if r.random() < 0.6:
            return {"transaction": False, "statements": [self.one()]}
        statements = [self.one() if r.random() < 0.7 else self.row() for _ in range(r.randrange(2, 5))]
        if r.random() < 0.1:
            statements.append(["SELECT no_such_function()", []])
        return {"transaction": r.random() < 0.7, "statements": statements}

    def learn(self, results):
        for result in results:
            for row in result if isinstance(result, list) else ():
                for value in row:
                    if isinstance(value, str) and '"token"' in value:
                        claims = json.loads(value)
                        for claim in claims if isinstance(claims, list) else [claims]:
                            if isinstance(claim, dict) and "token" in claim:
                                self.tokens.append(claim["token"])
                                if claim["id"] not in self.ids:
                                    self.ids.append(claim["id"])
