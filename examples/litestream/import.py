"""A durable import: takes batches from a source that forgets what was acknowledged, and may lose its volume at any moment.

    import.py <database> <folder of the source> <barriers: with or without>

A batch is a file of the source. Its rows and the step that says so are one transaction: they are there once, whatever happens to the process. What
happens to the volume is another matter: a source must not forget a batch that is on this machine alone. So one barrier covers the batches of a while,
and they are acknowledged behind it.
"""

import json
import os
import sqlite3
import sys
import time
from pathlib import Path

BATCHES_OF_A_BARRIER = 10


def main(database, source, barriers):
    db = sqlite3.connect(database, isolation_level=None, timeout=30)
    db.enable_load_extension(True)
    db.load_extension(os.environ["WFEXT"])
    db.execute("PRAGMA synchronous = FULL")
    call = lambda sql, *values: db.execute("SELECT " + sql, values).fetchone()[0]  # noqa: E731
    db.execute("CREATE TABLE IF NOT EXISTS item(batch TEXT, n INTEGER, PRIMARY KEY(batch, n))")
    call("wf_start('import', NULL, '{\"id\":\"import\"}')")
    claim = call("wf_claim(NULL, 'importer', '{\"id\":\"import\",\"lease\":600}')")
    if claim is None:
        return  # it is complete
    token = json.loads(claim)["token"]
    waiting = []

    def acknowledge():
        if not waiting:
            return
        if barriers == "with":
            call("wf_sync('1m', json_object('socket', ?))", os.environ["SOCKET"])
        for batch in waiting:
            batch.unlink()  # the source has forgotten it
        waiting.clear()

    for batch in sorted(source.glob("batch-*.json")):
        db.execute("BEGIN IMMEDIATE")
        rows = json.loads(batch.read_text())
        if call("wf_step(?, ?)", token, batch.stem) is None:  # not recorded yet
            db.executemany("INSERT INTO item VALUES (?, ?)", [(batch.stem, n) for n in rows])
            call("wf_step(?, ?, ?)", token, batch.stem, len(rows))
        db.execute("COMMIT")
        waiting.append(batch)
        if barriers == "without" or len(waiting) == BATCHES_OF_A_BARRIER:
            acknowledge()
        time.sleep(0.005)  # parsing and checking take their time
    acknowledge()
    call("wf_complete(?)", token)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
