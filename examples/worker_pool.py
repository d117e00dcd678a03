"""Worker processes on one SQLite file: retries and crash recovery, with the standard library only.

    /usr/bin/python3 examples/worker_pool.py app.db [workers]     runs until nothing is pending
"""
import json, os, random, sqlite3, subprocess, sys, time

def connect(path):
    db = sqlite3.connect(path, timeout=30, isolation_level=None)  # autocommit: every call is a transaction
    db.enable_load_extension(True)
    db.load_extension(os.environ.get("WFEXT", "build/libwfext.so"))
    db.enable_load_extension(False)
    db.execute("PRAGMA journal_mode = wal")
    return db

def call(db, sql, *args):
    return db.execute(sql, args).fetchone()[0]

def step(db, token, name, do):
    """Read the step; if it is not there, do it and record it. A crash in between does it again: at least once."""
    output = call(db, "SELECT wf_step(?, ?)", token, name)
    if output is None: output = call(db, "SELECT wf_step(?, ?, ?)", token, name, json.dumps(do()))
    return json.loads(output)

def charge(cents, key):  # stands for a payment service that charges once for each key, and is busy now and then
    if random.random() < 0.1: raise ConnectionError("the payment service is busy")
    return {"cents": cents, "key": key}

def order(db, token, given):
    paid = step(db, token, "charge", lambda: charge(given["cents"], call(db, "SELECT wf_key(?, 'charge')", token)))
    return step(db, token, "ship", lambda: {"paid": paid["cents"]})

def attempt(db, job):
    try:
        output = json.dumps(order(db, job["token"], job["input"]))
    except Exception as error:  # ours or SQLite's: on record, and again after the backoff, at most max_attempts times
        if db.in_transaction: db.execute("ROLLBACK")
        return call(db, "SELECT wf_fail(?, ?)", job["token"], repr(error))  # raises if the workflow is no longer ours
    return call(db, "SELECT wf_complete(?, ?)", job["token"], output)

def work(db, worker):
    while call(db, "SELECT wf_pending('default')"):
        try:
            claim = call(db, "SELECT wf_claim('default', ?)", worker)
            time.sleep(0.05) if claim is None else attempt(db, json.loads(claim))
        except sqlite3.Error as error:  # WF_LEASE_LOST, WF_CANCELLED, ...: no longer ours; or the file is locked, or full
            print(worker, error, file=sys.stderr)
            time.sleep(0.05)

def supervise(db, path, workers):
    pool = {}
    while call(db, "SELECT wf_pending('default')"):
        for name in (f"worker-{n + 1}" for n in range(workers)):
            if name not in pool or pool[name].poll() is not None:  # new, or dead: what it held is free at once
                call(db, "SELECT wf_recover(json_object('worker', ?, 'lost', 1))", name)
                pool[name] = subprocess.Popen([sys.executable, __file__, path, name])
        time.sleep(0.05)
    for process in pool.values(): process.wait()

path, what = sys.argv[1], (sys.argv[2:] or ["4"])[0]
supervise(connect(path), path, int(what)) if what.isdigit() else work(connect(path), what)
