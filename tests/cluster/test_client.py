"""The client, with answers that come too late, twice, or not at all: rqlite's, as they were seen to be, from a fake."""

import json
import sys
import time

import pytest
from fake_rqlite import FakeRqlite
from support import extension_path

if sys.version_info < (3, 11):
    pytest.skip("the package wants Python 3.11", allow_module_level=True)

import wfext
from wfext import Cluster, errors
from wfext.cluster import ClocksDisagree, OutcomeUnknown, Refused, StatementFailed, Unreachable


@pytest.fixture
def fake(tmp_path):
    fake = FakeRqlite(tmp_path / "rqlite.db", extension_path())
    fake.writer.execute("SELECT wf_config('clock', 'explicit')").fetchall()
    yield fake
    fake.close()


@pytest.fixture
def cluster(fake):
    cluster = Cluster(fake.url, patience=20)
    cluster.functions()
    fake.seen.clear()
    yield cluster
    cluster.close()


def test_the_request_form(cluster, fake):
    """Through the log at level strong, with bound parameters and a named column; never linearizable; the time from here."""
    before = time.time()
    cluster.call("wf_start", "order", '{"sku": "tea"}', '{"id": "o1"}')
    path, asked, [[sql, *params]], _ = fake.seen[-1]
    assert path == "/db/request" and asked == {"level": "strong", "blob_array": "", "transaction": ""}
    assert sql == "SELECT wf_start(?, ?, ?) AS result" and params[:2] == ["order", '{"sku": "tea"}']
    assert json.loads(params[2])["id"] == "o1" and before - 1 <= json.loads(params[2])["now"] <= time.time()
    assert cluster.call("wf_status", "o1") == "pending"
    assert fake.seen[-1][0] == "/db/query" and fake.seen[-1][1] == {"level": "weak", "blob_array": ""}


def test_a_recovery_has_an_id_and_stands_once(cluster, fake):
    """Which explicit mode wants, and by which the second try is known."""
    cluster.call("wf_start", "order", None)
    fake.faults[:] = ["lost"]
    assert json.loads(cluster.call("wf_recover"))["epoch"]
    said = [json.loads(params[-1])["id"] for _, _, statements, *_ in fake.seen for sql, *params in statements if "wf_recover" in sql]
    assert len(said) == 2 and len(set(said)) == 1, said


@pytest.mark.parametrize("fault", ["lost", "leader lost", "no leader", "text", "closed"])
def test_calls_are_repeated_and_stand_once(cluster, fake, fault):
    """Whatever becomes of an answer."""
    fake.faults[:] = [fault]
    id = cluster.call("wf_start", "order", None)
    fake.faults[:] = [fault, fault]
    claim = json.loads(cluster.call("wf_claim", "default", "w"))
    fake.faults[:] = [fault]
    assert cluster.call("wf_signal", id, "approval", '{"ok": true}') == 1 or fault in ("lost", "leader lost")
    fake.faults[:] = [fault]
    assert cluster.call("wf_step", claim["token"], "a", "1") == "1"
    fake.faults[:] = [fault]
    assert cluster.call("wf_complete", claim["token"], "2") == "completed"
    counts = "SELECT (SELECT count(*) FROM wf_workflows), (SELECT count(*) FROM wf_signals), (SELECT count(*) FROM wf_steps), (SELECT max(attempt) FROM wf_workflows)"
    assert cluster.read([[counts]])[0].rows == [[1, 1, 1, 1]]


@pytest.mark.parametrize("fault", ["lost", "leader lost", "no leader", "text", "closed"])
def test_rows_and_step_stand_once(cluster, fake, fault):
    cluster.write([["CREATE TABLE sale(workflow, cents)"]])
    cluster.call("wf_start", "order", None, '{"id": "o1"}')
    token = json.loads(cluster.call("wf_claim"))["token"]
    fake.faults[:] = [fault]
    assert cluster.transaction(token, "pay", [["INSERT INTO sale VALUES(?, ?)", ["o1", 400]]], '{"cents": 400}') == '{"cents": 400}'
    # Again, as by a worker that was killed before it saw the answer: what stands is said.
    assert cluster.transaction(token, "pay", [["INSERT INTO sale VALUES(?, ?)", ["o1", 999]]], '{"cents": 999}') == '{"cents": 400}'
    assert cluster.read([["SELECT * FROM sale"]])[0].rows == [["o1", 400]]


def test_rows_of_a_lost_claim_are_not_written(cluster):
    cluster.write([["CREATE TABLE sale(workflow, cents)"]])
    cluster.call("wf_start", "order", None, '{"id": "o1"}')
    token = json.loads(cluster.call("wf_claim"))["token"]
    cluster.call("wf_recover", '{"id": "r-1"}')
    with pytest.raises(errors.LeaseLost):
        cluster.transaction(token, "pay", [["INSERT INTO sale VALUES('o1', 400)"]])
    assert cluster.read([["SELECT * FROM sale"]])[0].rows == []


@pytest.mark.parametrize("fault", ["lost", "leader lost", "text", "closed"])
def test_other_writes_are_not_repeated(cluster, fake, fault):
    """INSERT twice is two rows: the caller is told that nobody knows."""
    cluster.write([["CREATE TABLE t(x)"]])
    fake.faults[:] = [fault]
    with pytest.raises(OutcomeUnknown):
        cluster.write([["INSERT INTO t VALUES(1)"]])
    assert cluster.read([["SELECT count(*) FROM t"]])[0].value == (fault in ("lost", "leader lost"))


def test_a_write_that_was_not_done_is_repeated(cluster, fake):
    """That there is no leader is known before anything is written."""
    cluster.write([["CREATE TABLE t(x)"]])
    fake.faults[:] = ["no leader", "no leader"]
    cluster.write([["INSERT INTO t VALUES(1)"]])
    assert cluster.read([["SELECT count(*) FROM t"]])[0].value == 1


def test_a_failed_statement_is_named(cluster):
    """Where a transaction failed, rqlite still lists the results of what it rolled back."""
    cluster.write([["CREATE TABLE t(x PRIMARY KEY)"]])
    with pytest.raises(StatementFailed, match="UNIQUE") as raised:
        cluster.write([["INSERT INTO t VALUES(1)"], ["INSERT INTO t VALUES(1)"]])
    assert raised.value.statement == 1
    assert cluster.read([["SELECT count(*) FROM t"]])[0].value == 0
    each = cluster.write([["INSERT INTO t VALUES(1)"], ["INSERT INTO t VALUES(1)"], ["INSERT INTO t VALUES(2)"]], each=True)
    assert isinstance(each[1], StatementFailed) and each[2].changes == 1


def test_errors_of_the_engine_have_their_class(cluster):
    with pytest.raises(wfext.NotFound):
        cluster.call("wf_signal", "nobody", "x")
    with pytest.raises(wfext.Invalid):
        cluster.call("wf_start", "order", "no json")


def test_a_long_poll(cluster, fake):
    cluster.call("wf_start", "order", None)
    assert cluster.wait(5, {"queue": "default"}) == 1
    path, asked, [[sql, timeout, given]], _ = fake.seen[-1]
    assert (path, asked["level"], sql, timeout, json.loads(given)) == ("/db/query", "none", "SELECT wf_wait(?, ?) AS result", 5, {"queue": "default"})


def test_a_long_poll_on_a_node_that_is_behind(cluster, fake, tmp_path):
    """It has not yet heard of the workflow. The one that leads has the last word."""
    behind = FakeRqlite(tmp_path / "behind.db", extension_path())
    behind.writer.execute("SELECT wf_config('clock', 'explicit')").fetchall()
    try:
        cluster.call("wf_start", "order", None, '{"id": "new"}')
        cluster._look_around = lambda: None
        cluster.nodes, cluster._leader = [fake.url, behind.url], fake.url
        assert cluster.wait(0, {"id": "new"}) in (None, 0)
        assert [asked["level"] for _, asked, *_ in behind.seen] == ["none"], "it was not asked"
        with pytest.raises(wfext.NotFound):
            cluster.wait(0, {"id": "absent"})
    finally:
        behind.close()


def test_blobs(cluster):
    cluster.write([["CREATE TABLE t(x BLOB)"], ["INSERT INTO t VALUES(?)", [b"\x00\xff"]]])
    assert cluster.read([["SELECT hex(x), typeof(x), x FROM t"]])[0].rows == [["00FF", "blob", b"\x00\xff"]]


def test_a_password_is_sent(fake):
    cluster = Cluster(fake.url.replace("http://", "http://bob:se%3Acret@"))
    cluster.functions()
    assert fake.seen[-1][3] == "Basic Ym9iOnNlOmNyZXQ="


def test_nobody_there(tmp_path):
    began = time.monotonic()
    with pytest.raises(Unreachable):
        Cluster("http://127.0.0.1:9", engine="rqlite", patience=0.5).write([["SELECT 1"]])
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_clock_that_is_far_off_is_refused(fake, ahead):
    """A caller whose clock is an hour ahead would end the leases of all others."""
    fake.ahead = ahead
    with pytest.raises(ClocksDisagree, match="3[56]..\\.. s (behind|ahead of)"):
        Cluster(fake.url).call("wf_start", "order", None)
    Cluster(fake.url, max_skew=7200).call("wf_start", "order", None)


def test_the_time_never_goes_back(cluster, monkeypatch):
    first = cluster.now()
    monkeypatch.setattr(time, "time", lambda: first - 100)
    assert cluster.now() == first


@pytest.mark.parametrize("url", ["", "localhost:4001", "ftp://x", "http://", "http://:token@"])
def test_an_address_that_is_none(url):
    with pytest.raises(ValueError, match="address"):
        Cluster(url)


def test_a_path_that_is_not_there(cluster):
    with pytest.raises(Refused):
        cluster._send("/db/nowhere", [], repeat=True, read=cluster._read_rqlite)


# ---- App ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(fake):
    app = wfext.App(fake.url)
    yield app
    app.close()


def test_an_app_on_a_cluster(app, fake):
    """Steps, an effect, a signal, a sleep, a child and rows of the application's, while answers are lost."""
    app.database.cluster.write([["CREATE TABLE sale(workflow, cents)"]])
    tried = []

    @app.step
    def price(sku: str) -> int:
        tried.append(sku)
        return 400

    @app.effect
    def charge(cents: int) -> str:
        return wfext.idempotency_key()

    @app.transaction
    def book(tx: wfext.Transaction, workflow: str, cents: int) -> int:
        tx.execute("INSERT INTO sale VALUES (?, ?)", (workflow, cents))
        return cents

    @app.workflow
    def child(ctx: wfext.Context, n: int) -> int:
        return n + 1

    @app.workflow
    def order(ctx: wfext.Context, sku: str) -> dict:
        cents = price(sku)
        key = charge(cents)
        ctx.sleep(0.01)
        ok = ctx.wait_signal("approval", timeout="1m")
        return {"cents": book(ctx.id, cents), "key": key, "ok": ok, "child": ctx.call(child, 1)}

    app.database.cluster.functions()
    with app.worker(concurrency=4):
        fake.faults[:] = ["lost", "no leader", "leader lost", "text", "lost"]
        handle = order.options(id="o1").start("tea")
        assert handle.signal("approval", True, key="click")
        fake.faults += ["lost", "leader lost"] * 5
        result = handle.result(timeout=60)
    assert result["cents"] == 400 and result["ok"] is True and result["child"] == 2 and result["key"]
    assert app.client.rows("SELECT * FROM sale") == [("o1", 400)]
    assert [step["name"] for step in handle.steps()] == ["price", "charge", "sleep", "approval", "book", "child", "join"]


def test_a_transaction_of_a_cluster_cannot_read(app):
    @app.transaction
    def count(tx: wfext.Transaction) -> int:
        return tx.execute("SELECT 1").fetchall()[0][0]

    @app.workflow
    def counting(ctx: wfext.Context) -> int:
        return count()

    with app.worker(), pytest.raises(wfext.WorkflowFailed, match="travel together"):
        counting.start().result(timeout=60)


def test_a_transaction_that_fails_leaves_nothing(app):
    app.database.cluster.write([["CREATE TABLE sale(workflow PRIMARY KEY)"], ["INSERT INTO sale VALUES('o1')"]])

    @app.transaction
    def book(tx: wfext.Transaction, workflow: str) -> None:
        tx.execute("INSERT INTO sale VALUES ('other')")
        tx.execute("INSERT INTO sale VALUES (?)", (workflow,))

    @app.workflow
    def order(ctx: wfext.Context) -> None:
        book(ctx.id)

    with app.worker(), pytest.raises(wfext.WorkflowFailed, match="UNIQUE"):
        order.options(id="o1").start().result(timeout=60)
    assert app.client.rows("SELECT * FROM sale") == [("o1",)]


def test_an_async_app_on_a_cluster(app):
    import asyncio

    @app.step
    async def double(n: int) -> int:
        return 2 * n

    @app.workflow
    async def many(ctx: wfext.AsyncContext, n: int) -> int:
        doubled = await ctx.map("each", range(n), double)
        await ctx.append("words", "done")
        return sum(doubled)

    with app.worker():
        handles = [many.start(5) for _ in range(10)]
        assert [handle.result(timeout=60) for handle in handles] == [20] * 10
        assert list(handles[0].stream("words")) == ["done"]
        assert asyncio.run(many.start(2).aresult(timeout=60)) == 2


def test_stopping_does_not_wait_for_the_poll(app):
    @app.workflow
    def nothing(ctx: wfext.Context) -> None:
        pass

    worker = app.start()
    time.sleep(0.2)
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 4
