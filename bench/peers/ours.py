"""wfext, from Python's sqlite3."""

import json
import os
import sqlite3

STEPS = ("reserve", "charge", "ship")


class System:
    def __init__(self, path, settings):
        self.db = sqlite3.connect(path, timeout=5, isolation_level=None)
        self.db.enable_load_extension(True)
        self.db.load_extension(os.environ["WFEXT"])
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(f"PRAGMA synchronous = {settings['synchronous']}")
        self.lease = json.dumps({"lease": settings["lease"]} if settings.get("lease") else {})

    def call(self, sql, *values):
        return self.db.execute(sql, values).fetchone()[0]

    def job(self):
        self.call("SELECT wf_start('bench', ?)", '{"order": 17}')
        claim = self.call("SELECT wf_claim()")
        if claim is None:
            return
        token = json.loads(claim)["token"]
        for name in STEPS:
            self.call("SELECT wf_step(?, ?, ?)", token, name, '{"ref": "r9"}')
        self.call("SELECT wf_complete(?, ?)", token, '{"ok": true}')

    def enqueue(self, job):
        self.call("SELECT wf_start('serve', ?)", json.dumps(job))

    def serve(self, steps, ready):
        ready()
        while True:
            self.call("SELECT wf_wait('10s')")
            claim = self.call("SELECT wf_claim('default', NULL, ?)", self.lease)
            if claim is None:
                continue
            claim = json.loads(claim)
            for name, do in steps:
                if self.call("SELECT wf_step(?, ?)", claim["token"], name) is None:
                    self.call("SELECT wf_step(?, ?, ?)", claim["token"], name, json.dumps(do(claim["input"])))
            self.call("SELECT wf_complete(?)", claim["token"])

    def close(self):
        self.db.close()
