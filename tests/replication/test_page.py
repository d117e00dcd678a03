"""docs/replication.md: its patterns do what they say, beside the real Litestream."""

import json
import re
from pathlib import Path

import pytest
from support.litestream import database
from test_litestream import litestream, replicated  # noqa: F401

PAGE = (Path(__file__).resolve().parents[2] / "docs/replication.md").read_text()


def pattern(title):
    """The block behind a title of the page."""
    return re.search(r"\*\*%s\.\*\*.*?```python no-run\n(.*?)```" % re.escape(title), PAGE, re.DOTALL)[1]


@pytest.fixture
def restored(replicated, tmp_path):  # noqa: F811
    """What a restore would find now."""
    made = []

    def now():
        made.append(replicated.restore(tmp_path / "test.db", tmp_path / f"restored{len(made)}.db"))
        return made[-1]

    yield now
    for one in made:
        one.close()


@pytest.fixture
def app(db, replicated):  # noqa: F811
    db.wf_config("sync_socket", replicated.socket)
    return db


def test_one_barrier_for_a_batch(app, restored):
    acknowledged = []

    def acknowledge(order):
        if not acknowledged:
            assert restored().wf_pending() == 50
        acknowledged.append(order["id"])

    for _ in range(2):  # sent again, it is the same
        exec(pattern("One barrier for a batch"), {"db": app, "json": json, "acknowledge": acknowledge})  # pylint: disable=exec-used
        assert len(acknowledged) == 50 and app.wf_pending() == 50
        acknowledged.clear()


def test_the_intent_is_on_the_replica_before_the_effect(app, restored):
    app.wf_start("order", {"cents": 250}, id="w")
    charged = []

    def charge(cents, idempotency_key):
        copy = restored()
        copy.wf_recover()
        assert copy.rows("SELECT workflow_id, step, key FROM wf_in_doubt") == [("w", "charge", idempotency_key)]
        charged.append((cents, idempotency_key))
        return {"receipt": 1}

    block = pattern("Claim, begin, barrier, effect")
    exec(block, {"db": app, "json": json, "charge": charge})  # pylint: disable=exec-used
    assert charged == [(250, app.wf_key("w", "charge"))]
    assert app.wf_status("w") == "completed"
    # The volume is lost behind the effect: it is done once more, under the same key.
    copy = restored()
    copy.wf_config("sync_socket", app.wf_config("sync_socket"))
    copy.wf_recover()
    again = copy.claim()
    assert json.loads(copy.wf_begin(again["token"], "charge")) == {"go": True, "key": charged[0][1]}


def test_the_order_of_the_blocks_matters(app, restored):
    """Without the barrier in between the restored file knows nothing of the effect."""
    app.wf_start("order", {"cents": 250}, id="w")
    app.wf_sync(60)

    def charge(**_):
        copy = restored()
        copy.wf_recover()
        assert copy.rows("SELECT * FROM wf_in_doubt") == []
        return {}

    block = re.sub(r"\n.*wf_sync.*", "", pattern("Claim, begin, barrier, effect")).replace('charge(claim["input"]["cents"], idempotency_key=begun["key"])', "charge()")
    exec(block, {"db": app, "json": json, "charge": charge})  # pylint: disable=exec-used


def test_what_the_page_says_is_what_there_is():
    assert "0.5.18" in PAGE
    for name in ("sync_socket", "sync_path", "allow_normal", "txid", "replicated_txid", "calls"):
        assert f"`{name}`" in PAGE or f'"{name}"' in PAGE or f"'{name}'" in PAGE, name
