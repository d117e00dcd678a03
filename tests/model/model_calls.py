"""What the random calls are made of.

Few names, so that calls meet; references instead of tokens and generated ids, so that a sequence can be replayed and shrunk.
Every pool has good members and bad ones; a call draws from the bad ones only where it is to be spoiled.
"""

IDS = ["w0", "w1", "w2", "w3"]
STEPS = ["a", "b", "c", "d"]


class Ref:
    """Stands for something only known when the call is made."""

    def __init__(self, kind, value=None):
        self.kind, self.value = kind, value


class Some:
    """A pool to draw one of."""

    def __init__(self, good, bad=()):
        self.good, self.bad = list(good), list(bad)

    def draw(self, random, spoiled=False):
        return random.choice(self.bad if spoiled and self.bad and random.random() < 0.4 else self.good)


class Several:
    """A list of members of a pool."""

    def __init__(self, pool, least, most):
        self.pool, self.least, self.most = pool, least, most

    def draw(self, random, spoiled=False):
        return [self.pool.draw(random) for _ in range(random.randint(self.least, self.most))]


class Either:
    def __init__(self, *pools):
        self.pools = pools

    def draw(self, random, spoiled=False):
        return random.choice(self.pools).draw(random, spoiled)


class Options:
    """An object of up to `most` of these options, often none. `also` holds wrong values."""

    def __init__(self, most=3, also=None, **choices):
        self.most, self.choices, self.keys = most, choices, sorted(choices)
        self.wrong = [{key: value} for key, values in (also or {}).items() for value in values]
        self.wrong += [{"colour": 1}, "[]", "no", 5, '{"now":1,"now":1}', {"now": "soon"}]

    def draw(self, random, spoiled=False):
        if spoiled and random.random() < 0.5:
            return random.choice(self.wrong)
        count = random.choice([0, 0, 1, 1] + list(range(self.most + 1)))
        return {key: random.choice(self.choices[key]) for key in random.sample(self.keys, min(count, len(self.keys)))}


def now_and(seconds):
    return Ref("now_and", seconds)


ID = [Ref("id", n) for n in range(4)]
KNOWN = [Ref("known", n) for n in range(6)]
TOKEN = [Ref("token", n) for n in range(5)]
LIVE = [Ref("live", n) for n in range(3)]
WAITING = [Ref("waiting", n) for n in range(2)]
BAD_HANDLES = [None, 5, "", "run_", "run_no token", "run_zzzz_1", "nobody", b"w0", "[", "x" * 256]

# The live claims most often, then ids and older tokens.
handles = Some(LIVE * 8 + KNOWN * 2 + WAITING * 2 + TOKEN + ID[:1], BAD_HANDLES)
ids = Some(KNOWN * 6 + WAITING * 2 + ID + TOKEN[:1], BAD_HANDLES)
claimable_ids = Some(KNOWN * 6 + ID)
id_lists = Several(Some(KNOWN * 4 + ID), 0, 3)
some_ids = Either(ids, ids, ids, id_lists, Some(["[]"], ["[5]", '["run_1_1"]', "[no", '["nobody"]']))
steps = Some(STEPS, ["", None, "d\n", 5])

VALUES = ['{"n":1}', "1", None, "[1, 2]", '"text"', "2", 7, 0.5, b"\x00\xff", "true"]
reports = Some(VALUES + ["no JSON", 'a "quoted" line\n', ""])
inputs = Some([None, None, None, "1", "1.0", '{"a":1,"b":2}', '{"b":2, "a":1}', 1, b"1"], ["no JSON"])
payloads = Some(VALUES, ["no JSON"])
errors = Some(['"e"', "broken", '{"code":7}', None, 5, b"e"])
reasons = Some([None, None, '"stop"', "no JSON", 5, b"r"])

NOW = [now_and(0), now_and(5), now_and(-5), now_and(40)]
NAMES = ["", 5]

start_options = Options(
    4, {"id": ["", 5, "run_1", "[x"], "priority": [101, 1.5, "1"], "delay": [-1, "soon"], "at": ["soon"], "max_attempts": [0],
        "backoff": [5, {"factor": 0}, {"colour": 1}], "headers": [[]], "manual": [2], "if_exists": ["never", 1]},
    if_exists=["same", "return", "fail"] + ["replace", "restart"] * 5, report=[True, False], tags=[{"a": "1"}, {"b": "2", "a": "2"}, {}], id=IDS * 3, queue=["default", "q"], priority=[5, -5, 0, 3.0], delay=[10, "1s", 0], at=[now_and(20), now_and(-3)], timeout=[25, "2m", 0],
    max_attempts=[1, 2, 3, 2.0], max_failures=[2, 4], backoff=[{"initial": 0}, {"initial": 5, "factor": 3}, {"initial": "1m", "max": 90}], version=["v1", "v2"],
    partition=["p1", "p2"], dedup=["d1", "d2"], headers=[{"h": 1}], manual=[True, 0], cleanup=[True], now=NOW)
claim_options = Options(
    2, {"lease": [0, "30"], "limit": [0, 1001], "names": [5, [""]], "id": [""]},
    lease=[10, "1m", 0.5, 40.0], limit=[2, 5, 1, 2.0], names=[["job"], "other", ["job", "other"], []], versions=["v1", ["v1", "v2"], []],
    key=["k1", "k2"], steps=[True, False], now=NOW)
claim_id_options = Options(2, lease=[10, "1m"], key=["k1", "k2"], steps=[True], limit=[1], now=NOW)
PRINT = {"input": [1, 1, 1.0, {"a": [True, "x"]}], "hash": ["h"]}
step_options = Options(2, {"once": ["yes"], "cleanup": [7], "error": ["no"]}, once=[True, False], cleanup=[True, False], error=[True, True, False], values=[True], now=NOW, **PRINT)
errors_options = Some([{}, {}, {"errors": "keep"}, {"errors": "drop"}, {"from": "a"}, {"from": "b", "errors": "drop"}])
error_options = Options(1, {"values": [3]}, values=[True], cleanup=[True], now=NOW, **PRINT)
now_options = Options(1, {"now": [True, []]}, now=NOW)
tick_options = Options(2, {"limit": [0, "x"]}, limit=[1, 1, 2, 3.0], now=NOW)
fail_options = Options(
    3, {"retry": [2], "delay": [-1], "step": ["", 5], "max_attempts": [2, 0]},
    retry=[False, False, True], delay=[0, 5, "1m"], step=STEPS, now=NOW)
fail_step_options = Options(3, at=[now_and(15), now_and(-1)], step=STEPS, retry=[False], keep=[True, True, False], now=NOW)
release_options = Options(1, {"delay": [-1]}, delay=[5, 0, "1m"], at=[now_and(7), now_and(-2)], now=NOW)
continue_options = Options(3, {"period": [0, "1"], "streams": ["no"]}, period=[1, 1, 2, 3], delay=[5, 0], timeout=[20], version=["v1", "v2"], priority=[5],
                           headers=[{"h": 2}], streams=[False, True], now=NOW)
recover_options = Options(2, {"pause": ["yes"], "id": [""], "worker": [""], "lost": [2]}, pause=[True, False, False], lost=[True, False],
                          id=["r0", "r1", "r2"], worker=["worker-1", "worker-2", "nobody"], now=NOW)

queues = Some([None] * 6 + ["default", "q", "q", '["default","q"]', '["q", "default"]'], ["[]", '["q",5]', 5, ""])
workers = Some(["worker-1", "worker-2", None], ["", 5])
names = Some(["job"] * 6 + ["other"] * 2, NAMES)
durations = Some([None, 10, "1m", 0.25, "1h30m", "250ms", 100], [0, -1, "30", b"5"])
some_queue = Some([None, "default", "q", "none"], [""])
settings = Some([
    ("lease", 20), ("lease", None), ("lease", "250ms"), ("max_attempts", 2), ("max_attempts", None), ("max_failures", 3), ("max_failures", None), ("backoff", '{"initial":3,"factor":1}'),
    ("backoff", None), ("lease",), ("max_attempts",), ("backoff",), ("clock",), ("clock", "explicit"), ("clock", "system"), ("clock", None),
    ("clock", "system"), ("test_clock", 1_800_000_000), ("test_clock", "2030-01-01"), ("test_clock", None), ("test_clock",)], [("test_clock", "soon"), ("lease", 0), ("clock", "sundial"), ("epoch", 5), ("colour",), ("max_attempts", 0)])

# Waiting, children, intent, values

moments = Some([5, 10, "20s", 0, now_and(15), now_and(-1), 0.5], ["30", None, -1, b"5"])
topics = Some(["x", "x", "y", '["x","y"]', '["y"]'], ["", 5, '["x",5]', "[x"])
timeouts = Some([None, None, None, 10, 0, "30s", 5], ["soon", -1])
topic = Some(["x", "x", "y"], ["", None])
rates = Some(["api", "api", "api", "other"], ["", None, 5])
rate_options = Some([{"limit": 3, "per": 10}, {"limit": 3, "per": 10}, {"limit": 2, "per": "1m"}, {"limit": 5}, {"per": 5}, {"limit": None}, {"limit": 4, "per": 0.5}],
                    [{"limit": 0, "per": 1}, {"limit": 1, "per": 0}, {"colour": 1}, "no"])
amounts = Some([None, None, None, 1, 2, 3, 2.0], [0, 1.5, "x"])
good_amounts = Some([None, None, 1, 1, 2])
acquire_options = Options(2, {"key": [""], "keep": ["no"]}, key=["k1", "k2"], keep=[True], now=NOW, **PRINT)
signal_options = Options(2, {"key": NAMES}, key=["k1", "k2"], now=NOW)
spawn_options = Options(3, {"detached": ["no"], "if_exists": ["restart"]}, if_exists=["return", "fail", "same"], report=[True], id=IDS, queue=["q"], detached=[True], delay=[5], timeout=[20], cleanup=[True], parent_cleanup=[True],
                        max_attempts=[1], dedup=["d1"], priority=[3], now=NOW, hash=["h", "other"])
join_ids = Either(Some([None]), Several(Some(KNOWN), 1, 1), Several(Some(KNOWN), 0, 3), Some([None], ['["nobody"]', "w0", "[5]", 5]))
wait_options = Options(2, {"keep": ["yes"], "now": [True, []]}, keep=[True, True, False], now=NOW, **PRINT)
join_options = Options(3, {"mode": ["some", 1]}, keep=[True], hash=["h", "other"], mode=["any", "any", "all"], timeout=[10, 0], outputs=[False, True], now=NOW)
waits = Some(
    ['[{"signal":"x"},{"event":"y","as":"e"}]', '[{"signal":["x","y"],"as":"s"},{"sleep":15}]', '[{"sleep":"20s","as":"late"},{"signal":"y"},{"signal":"y"}]',
     '[{"join":null},{"signal":"x"}]', '[{"event":["x","y"]},{"join":["w0"],"mode":"any","outputs":false,"as":"j"}]', '[{"signal":"x"},{"signal":"x"}]',
     '[{"join":["w0","w1"]},{"join":["w1"]},{"event":"x"}]', '[{"join":null,"mode":"any"},{"sleep":0.5}]', '[{"event":"x"}]'],
    ["[]", None, '["x"]', '[{"signal":"x","event":"y"}]', '[{"signal":5}]', '[{"sleep":"soon"}]', '[{"join":["nobody"]}]', "[{", 5])
wait_any_options = Options(2, {"mode": ["first", 5]}, keep=[True], mode=["all", "all", "any"], now=NOW, **PRINT)
begin_options = Options(2, {"in_doubt": ["guess"]}, in_doubt=["hold", "hold", "fail", "retry"], cleanup=[True], now=NOW, **PRINT)
append_options = Options(2, {"offset": [-1, "1"], "each": [2], "close": ["yes"]}, offset=[0, 0, 1, 2], each=[True, False], close=[True, False], now=NOW)
tag_keys = Some(["a", "b"], ["", None, "a=b", 5])
tag_values = Some(["1", "2", None], ["", 5, b"1"])
trigger_options = Options(2, {"from": ["soon"], "to": [now_and(100)], "limit": [0]}, **{"from": [now_and(-300), now_and(-100)], "to": [now_and(-60), now_and(0)],
                                                                                        "limit": [1, 2], "now": NOW})
trim_options = Options(1, {"limit": [0]}, limit=[1, 2], now=NOW)
items = Some(['[1,2]', '["a"]', "[]", '[1]', "[null,true,{}]"], [None, "{}", 5, "[1"])
offsets = Some([0, 1, 1, 2, 3, 5], [-1, None, "1", b"1"])
verdicts = Some(["done", "retry", "failed"], ["perhaps", None])

# Control and flow control

cancel_options = Options(2, {"force": ["yes"]}, force=[True, False], skip=[True, False], now=NOW)
pause_options = Options(1, {"now": [True, []]}, skip=[True], now=NOW)
retry_options = Options(2, {"from": NAMES, "children": ["all", True]}, **{"from": STEPS * 2, "children": ["failed"], "errors": ["drop", "keep"], "max_attempts": [1, 3], "skip": [True], "now": NOW})
times = Some([None, None, now_and(7), now_and(40), now_and(-3)], ["30", b"5", "soon"])
delete_options = Options(2, {"force": [2]}, force=[True, False], skip=[True, False], now=NOW)
fork_options = Options(2, {"id": ["", "run_1"], "from": [""]},
                       **{"id": IDS, "from": STEPS, "input": [1, "text", {"n": 2}, [1], None, 0.5], "now": NOW})
purge_options = Options(3, {"status": ["pending", 5], "limit": [0], "older_than": [-1]}, older_than=[0, 10, "1m"],
                        status=["completed", ["failed", "cancelled"], []], name=["job", "other"], queue=["q"], keep=[0, 1, 2], events=[True],
                        limit=[1, 2], now=NOW)
queue_names = Some(["default", "q"], NAMES)
queue_options = Options(
    3, {"concurrency": ["two", 1.5], "hold": ["forever"], "rate": [5, {"limit": 1}], "paused": ["no"], "lease": [0]},
    concurrency=[1, 1, 2, None], worker_concurrency=[1, 2, None], partition_concurrency=[1, 2, None], hold=["lease", "started", "started", None],
    rate=[{"limit": 1, "per": 10}, {"limit": 2, "per": "1m"}, None], paused=[True, False, None], lease=[5, "1m", None], max_attempts=[2, None],
    backoff=[{"initial": 4}, None], now=NOW)

# Schedules

schedule_names = Some(["s1", "s2"], ["", 5, "run_1"])
crons = Some(["@every 1m", "@every 1m", "@every 90s", "* * * * *", "*/5 * * * *", "@hourly", "30 8 * * *"],
             ["61 * * * *", "* * *", "@fortnightly", "@every soon", None, 5, ""])
schedule_options = Options(
    3, {"catch_up": ["some"], "overlap": [5], "start": [5, {"id": "w1"}, {"colour": 1}, {"delay": -1}], "grace": [-1]},
    catch_up=["last", "all", "skip"], overlap=["skip", "allow", "queue"], grace=[0, 30, "2m"], paused=[True, False],
    start=[{"priority": 3}, {"delay": 5, "timeout": 20}, {"max_attempts": 2, "partition": "p1"}, {"queue": "q"}], now=NOW)
