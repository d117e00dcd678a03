"""After fork() every process draws ids and tokens of its own, also on connections that were open before."""

import json
import os
import sqlite3

import pytest

from support import extension_path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def drawn(db):
    claim = json.loads(db.execute("SELECT wf_claim('q', 'w')").fetchone()[0])
    started = db.execute("SELECT wf_start('job')").fetchone()[0]
    return [started[-20:], claim["token"]]  # without the time


def in_a_child(db):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(drawn(db)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def test_children_draw_different_ids_and_tokens():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(extension_path())
    db.execute("""SELECT wf_start('job', 1, '{"id":"w","queue":"q"}')""").fetchone()
    db.execute("SELECT wf_start('job')").fetchone()
    ids, tokens = zip(*(in_a_child(db) for _ in range(3)), drawn(db), strict=True)
    assert len(set(ids)) == 4
    assert len(set(tokens)) == 4
