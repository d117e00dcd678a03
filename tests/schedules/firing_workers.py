"""Processes that fire schedules. Importable, so that they can be spawned."""

import random
import sqlite3
import time

from support import BASE, open_database


def look_again_and_again(path, seed, seconds, results):
    """Claims and ticks while its clock, which is its own, goes forward and now and then back."""
    rng = random.Random(seed)
    db = open_database(path, timeout=300)
    db.execute("PRAGMA synchronous = normal")
    errors, at = [], 0.0
    while at < seconds:
        at += rng.choice((0.1, 0.5, 1, 1, 2, 7, -3))
        try:
            if rng.random() < 0.5:
                db.claim("elsewhere", now=BASE + at)
            else:
                db.wf_tick(now=BASE + at, **rng.choice(({}, {"limit": 3})))
        except sqlite3.Error as error:
            errors.append(str(error))
    db.close()
    results.put(errors)


def tick_until_killed(path):
    db = open_database(path, timeout=300)
    at = 0
    while True:
        at += 1
        db.wf_tick(now=BASE + at)
        time.sleep(0.0005)
