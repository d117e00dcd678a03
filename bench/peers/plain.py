"""The queue that people write by hand: two tables, a claim by UPDATE ... RETURNING, a look every so often."""

import sqlite3
import time

STEPS = ("reserve", "charge", "ship")
TABLES = """
CREATE TABLE IF NOT EXISTS job(id INTEGER PRIMARY KEY, input TEXT, output TEXT, done INTEGER NOT NULL DEFAULT 0, free_at REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS job_free ON job(free_at) WHERE done = 0;
CREATE TABLE IF NOT EXISTS step(job INTEGER, name TEXT, output TEXT, PRIMARY KEY(job, name)) WITHOUT ROWID;
"""
CLAIM = """UPDATE job SET free_at = ?2 WHERE id = (SELECT id FROM job WHERE done = 0 AND free_at <= ?1 ORDER BY free_at LIMIT 1)
RETURNING id, input"""


class System:
    def __init__(self, path, settings):
        self.db = sqlite3.connect(path, timeout=5, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(f"PRAGMA synchronous = {settings['synchronous']}")
        self.db.executescript(TABLES)
        self.lease, self.poll = settings.get("lease") or 30, settings.get("poll", 0.1)

    def claim(self):
        now = time.time()
        return self.db.execute(CLAIM, (now, now + self.lease)).fetchall()

    def job(self):
        self.db.execute("INSERT INTO job(input) VALUES(?)", ('{"order": 17}',))
        for number, _ in self.claim():
            for name in STEPS:
                self.db.execute("INSERT INTO step VALUES(?, ?, ?)", (number, name, '{"ref": "r9"}'))
            self.db.execute("UPDATE job SET done = 1, output = ? WHERE id = ?", ('{"ok": true}', number))

    def enqueue(self, job):
        self.db.execute("INSERT INTO job(input) VALUES(?)", (job,))

    def serve(self, steps, ready):
        ready()
        while True:
            claimed = self.claim()
            if not claimed:
                time.sleep(self.poll)
            for number, job in claimed:
                for name, do in steps:
                    if not self.db.execute("SELECT 1 FROM step WHERE job = ? AND name = ?", (number, name)).fetchone():
                        self.db.execute("INSERT INTO step VALUES(?, ?, ?)", (number, name, str(do(job))))
                self.db.execute("UPDATE job SET done = 1 WHERE id = ?", (number,))

    def close(self):
        self.db.close()
