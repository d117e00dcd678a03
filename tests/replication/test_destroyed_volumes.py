"""Volumes destroyed at random moments, restored from what Litestream has brought away, recovered, and gone on with: nothing that was behind a barrier is lost.

Ten in all here, half of them replicated to a folder, half to S3; a hundred in the deep run.
"""

import json
import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest
from support import open_database
from support.litestream import S3, Machine, binary

WRITER = Path(__file__).parent / "writer.py"
LOSSES = 50 if os.environ.get("WFEXT_DEEP") else 5


@pytest.fixture(params=["file", "s3"])
def replica(request, tmp_path):
    binary()
    if request.param == "file":
        yield f"file://{tmp_path / 'replicas'}", {}
        return
    s3 = S3(tmp_path / "s3")
    yield "s3://bucket/some/app", s3.environment()
    s3.close()


class World:
    """What is known outside of all volumes: the notes of the writers."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def lines(self, kind):
        """[(writer, [note, ...])]; a line that a kill has cut short was not written."""
        found = []
        for file in sorted(self.folder.glob(f"*.{kind}")):
            found.append((file.stem, [json.loads(line) for line in file.read_text().split("\n")[:-1]]))
        return found

    def count(self, kind):
        return sum(len(notes) for _, notes in self.lines(kind))

    def told(self):
        """(what was behind a barrier, what was only acknowledged)."""
        safe = {writer: notes[-1][0] if notes else 0 for writer, notes in self.lines("safe")}
        sure, unsure = [], []
        for writer, notes in self.lines("told"):
            sure += [(writer, *note) for note in notes[:safe.get(writer, 0)]]
            unsure += [(writer, *note) for note in notes[safe.get(writer, 0):]]
        return sure, unsure


def is_there(db, writer, kind, *what):
    if kind == "start":
        return db.wf_status(what[0]) is not None
    if kind == "signal":
        return db.value("SELECT count(*) FROM wf_signals WHERE workflow_id = ? AND key = ?", *what) == 1
    if kind == "begin":
        return db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = ? AND name = ?", *what) == 1
    if kind == "step":
        return db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = ? AND name = ? AND status = 'done' AND output = ?", *what) == 1
    if kind == "row":
        return db.value("SELECT count(*) FROM app WHERE name = ? AND n = ?", writer, what[0]) == 1
    assert kind == "complete"
    return db.wf_status(what[0]) == "completed"


def accepted(db, token):
    """The call, if any, that takes the token for a current one."""
    for call in ("wf_heartbeat(?)", "wf_step(?, 'stale', 1)", "wf_begin(?, 'stale')", "wf_set(?, 'stale', 1)", "wf_fail(?, 'stale')", "wf_complete(?, 'stale')"):
        try:
            db.value("SELECT " + call, token)
            if "complete" not in call or db.value("SELECT count(*) FROM wf_workflows WHERE output = '\"stale\"'"):  # to repeat the call that has completed it is fine
                return call
        except db.Error as error:
            assert str(error).startswith(("WF_LEASE_LOST: ", "WF_NOT_FOUND: ", "WF_STATE: ", "WF_CONFLICT: ")), error
    return None


def look_at(db, world):
    """Counts what is wrong with the file that was restored and recovered."""
    assert db.wf_check() is None
    sure, unsure = world.told()
    in_doubt = set(db.rows("SELECT workflow_id, step FROM wf_in_doubt"))
    missing, changed = [], []
    for _, effects in world.lines("effects"):
        for id, step, key in effects:
            done = db.value("SELECT count(*) FROM wf_steps WHERE workflow_id = ? AND name = ? AND status = 'done'", id, step)
            if not done and (id, step) not in in_doubt:
                missing.append((id, step))
            if db.wf_key(id, step) != key:
                changed.append((id, step))
    return {
        "acknowledged behind a barrier": len(sure),
        "of these lost": [(note, db.rows("SELECT name, status, output FROM wf_steps WHERE workflow_id = ?", note[2])) for note in sure if not is_there(db, *note)],
        "acknowledged without": len(unsure),
        "of these gone": len([note for note in unsure if not is_there(db, *note)]),
        "stale tokens accepted": [(token, call) for _, tokens in world.lines("tokens") for (token,) in tokens if (call := accepted(db, token))],
        "unrecorded effects missing in wf_in_doubt": missing,
        "keys changed": changed,
    }


WRONG = ("of these lost", "stale tokens accepted", "unrecorded effects missing in wf_in_doubt", "keys changed")


def test_nothing_behind_a_barrier_is_lost_with_a_volume(replica, tmp_path):
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    where, environment = replica
    machine = Machine(tmp_path, where, environment)
    world = World(tmp_path / "world")
    gone = 0
    try:
        assert machine.entrypoint("begin").returncode == 0
        for loss in range(LOSSES):
            begun = world.count("safe")
            machine.start(sys.executable, WRITER, machine.db, world.folder, f"w{loss}", f"{seed}-{loss}")
            wanted = chance.randrange(1, 60)
            machine.until(lambda: world.count("safe") >= begun + wanted, f"{wanted} barriers")
            time.sleep(chance.random() * 0.05)  # anywhere between two of them
            machine.destroy()
            assert not machine.db.exists()

            done = machine.entrypoint("prepare")
            assert done.returncode == 0, done
            assert "recovered" in done.stdout
            copy = tmp_path / "looked at.db"  # calls by stale tokens would write, if they were accepted
            shutil.copy(machine.db, copy)
            db = open_database(copy)
            found = look_at(db, world)
            db.close()
            wrong = {what: found[what] for what in WRONG if found[what]}
            assert not wrong, (f"seed {seed}, loss {loss}", wrong, found, machine.log.read_text()[-3000:])
            gone += found["of these gone"]
            if loss == LOSSES - 1:
                print(found)
    finally:
        machine.close()
    assert world.count("safe") > LOSSES
    assert gone > 0, "what was behind no barrier was there each time: this test destroys nothing"
