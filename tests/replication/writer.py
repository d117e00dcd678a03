"""An application that does durable work, and writes outside of its file what it was told, what is safe, and what it has done to the world.

    writer.py <database> <folder for its notes> <name> <seed>

Notes, a JSON array on each line:  <name>.told      what a call has acknowledged: ["start", id], ["signal", id, key], ["begin", id, step], ["step", id, step, output],
                                                    ["row", n] (an application row), ["complete", id]
                                   <name>.safe      how many lines of told were there when a wf_sync began that has succeeded
                                   <name>.effects   [id, step, key]: done to the world, outside of any transaction
                                   <name>.tokens    [token]: of every claim
It runs until it is killed.
"""

import json
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.litestream import database  # noqa: E402


class Notes:
    def __init__(self, folder, name):
        self.files = {kind: open(Path(folder) / f"{name}.{kind}", "a", buffering=1) for kind in ("told", "safe", "effects", "tokens")}
        self.told = 0

    def add(self, kind, *what):
        self.files[kind].write(json.dumps(what) + "\n")  # one write each: a kill leaves no half line
        self.told += kind == "told"


def work(path, folder, name, seed):
    chance = random.Random(seed)
    notes = Notes(folder, name)
    db = database(path)
    db.execute(f"PRAGMA wal_autocheckpoint = {chance.choice([0, 10, 1000])}").fetchall()
    db.execute("CREATE TABLE IF NOT EXISTS app(name, n, PRIMARY KEY(name, n))")
    socket = os.environ["SOCKET"]

    def barrier():
        told = notes.told
        db.wf_sync(60, socket=socket)
        notes.add("safe", told)

    number = 0
    while True:
        number += 1
        id = f"{name}-{number}"
        db.wf_start("order", {"n": number}, id=id)
        notes.add("told", "start", id)
        if chance.random() < 0.3:
            db.wf_signal(id, "note", number, key="k")
            notes.add("told", "signal", id, "k")
        if chance.random() < 0.3:
            barrier()
            if chance.random() < 0.5:
                continue  # left for later, or for whoever comes then
        claim = db.claim(None, name, lease=3600)
        if claim is None:
            continue
        token, id = claim["token"], claim["id"]
        notes.add("tokens", token)
        begun = json.loads(db.wf_begin(token, "charge"))
        if begun.get("go"):
            notes.add("told", "begin", id, "charge")
            barrier()  # between the intent and the effect
            notes.add("effects", id, "charge", begun["key"])
            output = chance.randrange(10**9)
            db.wf_step(token, "charge", output)
            notes.add("told", "step", id, "charge", output)
        row = chance.randrange(10**12)
        db.execute("BEGIN IMMEDIATE")
        recorded = db.wf_step(token, "row", row)  # another one, if it was done before the last loss
        if recorded == row:
            db.execute("INSERT INTO app VALUES (?, ?)", (name, row))
        db.execute("COMMIT")
        if recorded == row:
            notes.add("told", "row", row)
        notes.add("told", "step", id, "row", recorded)
        db.wf_complete(token)
        notes.add("told", "complete", id)
        if chance.random() < 0.3:
            barrier()  # one for a batch


def main(path, folder, name, seed):
    children = []
    for n in range(2):  # two writers: the txid of an answer may cover what the other has committed since
        pid = os.fork()
        if pid == 0:
            work(path, folder, f"{name}{'ab'[n]}", f"{seed}-{n}")
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
