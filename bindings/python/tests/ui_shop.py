"""A file as a shop has it after an hour of work, for the tests of the page: something of everything that a page shows.

Every call says its time, so the file looks the same whenever it is made; where `stands` the file's clock stands at the end of that hour.
"""

import json
import random

import wfext

ORDERS = 140
NOW = 1_800_000_000  # 2027-01-15 08:00:00 UTC

FULFIL = {
    "description": "Reserves, charges, waits for an approval and ships",
    "input": {"sku": "text", "qty": "integer"},
    "steps": [
        {"name": "reserve", "sql": "UPDATE stock SET held = held + :qty WHERE sku = :sku", "undo": "UPDATE stock SET held = held - :qty WHERE sku = :sku"},
        {"name": "charge", "task": "payments", "input": "SELECT json_object('qty', :qty)", "after": ["reserve"]},
        {"name": "label", "sql": "SELECT :sku AS label", "after": ["reserve"]},
        {"name": "approved", "await": "approval", "timeout": "7d", "after": ["charge"]},
        {"name": "pack", "sql": "SELECT 1 AS packed", "after": ["label", "approved"]},
        {"name": "cool", "sleep": "24h", "after": ["pack"]},
        {"name": "ship", "sql": "SELECT 'sent' AS state", "after": ["cool"]},
    ],
}


class Shop:
    """A connection, and the calls with their time."""

    def __init__(self, path, now):
        self.path = str(path)
        self.end = now
        self.db = wfext.Database(self.path, synchronous="off").connect()

    def call(self, function, *arguments, at=0.0, **options):
        """A function of the engine, `at` seconds before the end of the hour (or after, with a negative number)."""
        bound = [json.dumps(a) if isinstance(a, (dict, list)) else a for a in arguments]
        marks = ", ".join("?" * (len(bound) + 1))
        return self.db.execute(f"SELECT {function}({marks})", (*bound, json.dumps({**options, "now": self.end - at}))).fetchone()[0]

    def start(self, name, value, at, **options):
        return self.call("wf_start", name, json.dumps(value), at=at, **options)

    def claim(self, at, worker, id, lease=30):
        return json.loads(self.call("wf_claim", None, worker, at=at, id=id, lease=lease))["token"]


def orders(shop, chance):
    """Orders that came in over the hour, most of them done; each takes some seconds."""
    for n in range(ORDERS):
        at = 3550 - n * 25 + chance.random() * 12
        id = f"order-{1999000 + n}"
        sku, qty = chance.choice(["tea", "coffee", "cups", "spoons"]), chance.randint(1, 9)
        shop.start("order", {"sku": sku, "qty": qty, "customer": f"c-{1000 + n * 7 % 90}"}, at, id=id, version="2026.11" if n > 60 else "2026.10", max_attempts=3, tags={"customer": f"c-{1000 + n * 7 % 90}"})
        if n >= ORDERS - 4:
            continue  # they are in line
        at -= 0.3 + chance.random()
        worker = f"worker-{1 + n % 6}"
        token = shop.claim(at, worker, id)
        at -= 0.2 + chance.random() / 2
        shop.call("wf_step", token, "reserve", json.dumps({"ref": f"r{n}", "cents": 400 * qty}), at=at)
        if n % 11 == 3:
            for _ in range(2):
                at -= 1.1
                shop.call("wf_fail", token, json.dumps({"type": "ConnectionError", "message": "gateway timeout after 1000 ms"}), at=at, step="charge", delay=2, max_attempts=3 if n % 22 == 3 else 9)
                at -= 2.3
                token = shop.claim(at, f"worker-{1 + (n + 2) % 6}", id)
        if n % 22 == 3:
            at -= 0.9
            shop.call("wf_fail", token, json.dumps({"type": "ConnectionError", "message": "gateway timeout after 1000 ms"}), at=at, step="charge", max_attempts=3)
            continue
        at -= 0.4 + chance.random()
        shop.call("wf_step", token, "charge", json.dumps({"paid": 400 * qty}), at=at)
        if n % 17 == 5:
            at -= 0.2
            shop.call("wf_fail", token, json.dumps({"type": "SMTPError", "message": f"{55000 + n}: no such user"}), at=at, step="mail", retry=False)
            continue
        if n >= ORDERS - 7:
            shop.call("wf_heartbeat", token, 120, at=at)
            continue  # at work
        at -= 0.1 + chance.random() / 3
        shop.call("wf_step", token, "mail", json.dumps("sent"), at=at)
        shop.call("wf_complete", token, json.dumps({"paid": 400 * qty}), at=at - 0.1)


def story(shop):
    """One order with everything that a timeline shows: a lost lease, failures, a sleep, a child, a signal, a value, a stream."""
    id = "order-42"
    shop.start("order", {"sku": "tea", "qty": 3, "customer": "c-1029", "note": "a long one: " + "lorem ipsum " * 12}, 3000, id=id, version="2026.11", max_attempts=9, timeout="2h", tags={"customer": "c-1029", "shop": "north"})
    token = shop.claim(2990, "worker-1", id, 20)
    shop.call("wf_step", token, "check", json.dumps(True), at=2988)
    shop.call("wf_step", token, "reserve", json.dumps({"ref": "r9", "cents": 1200}), at=2984)
    token = shop.claim(2950, "worker-2", id, 60)  # worker-1 was lost
    shop.call("wf_begin", token, "charge", at=2949)
    shop.call("wf_fail", token, json.dumps({"type": "ConnectionError", "message": "gateway timeout after 1000 ms"}), at=2945, step="charge", delay=5)
    token = shop.claim(2940, "worker-3", id, 60)
    shop.call("wf_begin", token, "charge", at=2940)
    shop.call("wf_step", token, "charge", json.dumps({"paid": 1200, "ref": "ch_77"}), at=2934)
    shop.call("wf_set", token, "stage", json.dumps("charged"), at=2934)
    shop.call("wf_spawn", token, "invoice", "invoice", json.dumps({"order": id}), at=2933)
    child = shop.claim(2931, "worker-4", f"{id}/invoice")
    shop.call("wf_step", child, "render", json.dumps({"pages": 2}), at=2926)
    shop.call("wf_complete", child, json.dumps({"url": "https://example.org/i/42.pdf"}), at=2925)
    shop.call("wf_join", token, "invoices", None, at=2924)
    for n, line in enumerate(["picked from shelf 7", "weighed: 312 g", "packed in a box of size S", "label printed"]):
        shop.call("wf_append", token, "log", json.dumps(line), at=2923 - n)
    shop.call("wf_set", token, "progress", json.dumps(0.8), at=2919)
    shop.call("wf_sleep", token, "cool", "20m", at=2918)
    token = shop.claim(1710, "worker-5", id, 60)
    shop.call("wf_step", token, "mail", json.dumps("sent"), at=1706)
    shop.call("wf_await", token, "approved", json.dumps(["approval", "refusal"]), "4h", at=1704)


def people(shop):
    """What waits for a person: two refunds for an approval, three charges in doubt."""
    for n in (1, 2):
        id = f"refund-{n}"
        shop.start("refund", {"order": f"order-{1999003 + n}", "cents": 990 * n}, 900 * n, id=id)
        token = shop.claim(900 * n - 1, "worker-2", id)
        shop.call("wf_await", token, "approval", "approval", None, at=900 * n - 2)
    for n in (1, 2, 3):
        id = f"payout-{n}"
        shop.start("payout", {"to": f"c-10{n}", "cents": 5000 * n}, 700 + n, id=id, queue="payouts")
        token = json.loads(shop.call("wf_claim", "payouts", "worker-6", at=690 + n, id=id, lease=20))["token"]
        shop.call("wf_begin", token, "transfer", at=688 + n)
        if n < 3:
            token = json.loads(shop.call("wf_claim", "payouts", "worker-1", at=600 + n, id=id, lease=20))["token"]
            shop.call("wf_begin", token, "transfer", at=598 + n, in_doubt="hold")


def bulk(shop):
    """A queue with limits, and what stands in it."""
    shop.call("wf_queue", "bulk", at=3600, concurrency=8, rate={"limit": 100, "per": "60s"})
    shop.call("wf_queue", "imports", at=3600, concurrency=1, paused=True)
    for n in range(24):
        id = f"import-{n}"
        shop.start("import", {"file": f"part-{n}.csv"}, 400 - n, id=id, queue="bulk", priority=n % 3)
        if n < 8:
            json.loads(shop.call("wf_claim", "bulk", f"worker-{1 + n % 3}", at=60 - n, id=id, lease=90))
    shop.start("import", {"file": "all.csv"}, 5000, id="import-all", queue="imports")
    shop.start("order", {"sku": "cups"}, 120, id="order-later", delay="2h")
    shop.start("order", {"sku": "cups"}, 130, id="order-held")
    shop.call("wf_pause", "order-held", at=100)
    shop.start("order", {"sku": "cups"}, 140, id="order-void")
    shop.call("wf_cancel", "order-void", "the customer has called", at=90)


def schedules(shop):
    shop.call("wf_schedule", "nightly", "0 3 * * *", "report", {"kind": "sales"}, at=3600, timezone="Europe/Berlin")
    shop.call("wf_schedule", "poll", "@every 10m", "poll", None, at=3600)
    shop.call("wf_schedule", "monthly", "0 0 1 * *", "invoice-run", None, at=3600, paused=True)


def scripted(shop):
    shop.db.execute("CREATE TABLE IF NOT EXISTS stock(sku TEXT PRIMARY KEY, held INTEGER NOT NULL DEFAULT 0)")
    shop.db.execute("INSERT OR IGNORE INTO stock(sku) VALUES ('tea'), ('cups')")
    shop.call("wf_define", "fulfil", FULFIL, at=3600)
    for n in (1, 2):
        shop.start("fulfil", {"sku": "tea", "qty": n}, 800, id=f"fulfil-{n}")
    shop.call("wf_run", at=799)
    token = json.loads(shop.call("wf_claim", "payments", "worker-2", at=790))["token"]
    shop.call("wf_complete", token, json.dumps({"paid": True}), at=788)
    shop.call("wf_run", at=787)


def make(path, *, now=NOW, stands=True):
    """Makes the file at `path`; `now` (seconds since 1970) is the end of its hour."""
    shop = Shop(path, now)
    if stands:
        shop.db.execute("SELECT wf_config('test_clock', ?)", (now - 3600,))
    for part in (scripted, schedules, bulk, story, people):
        part(shop)
    orders(shop, random.Random(16))
    shop.call("wf_tick", at=0)
    if stands:
        shop.db.execute("SELECT wf_config('test_clock', ?)", (now,))
    return shop


if __name__ == "__main__":
    import sys
    import time

    make(sys.argv[1], **({"now": time.time(), "stands": False} if "live" in sys.argv else {}))
