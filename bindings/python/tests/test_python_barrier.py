"""The replication barrier, against a stand-in for Litestream's control socket."""

import asyncio
import threading

import pytest
from support.control_socket import ControlSocket

import wfext
from test_python_scenarios import finish, wait_for


@pytest.fixture
def app(tmp_path):
    app = wfext.App(tmp_path / "test.db")  # synchronous=FULL, as a barrier wants it
    yield app
    app.close()


def asks(app, server):
    app.client.call("wf_config", "sync_socket", server.path)


def test_sync(app):
    """All that was committed before is on the replica; whatever keeps it from being sure is an error."""
    with ControlSocket((7, 7), 500) as server:
        assert (app.sync("10s", socket=server.path)["txid"], len(server.asked)) == (7, 1)
        asks(app, server)
        with pytest.raises(wfext.WrongState, match="error 500"):
            asyncio.run(asyncio.to_thread(app.sync))
        with pytest.raises(wfext.WrongState, match="none"):
            app.sync(1, socket=server.path + "none")

        @app.transaction
        def inside(tx: wfext.Transaction) -> None:
            app.sync()

        @app.workflow
        def w(ctx: wfext.Context) -> None:
            inside()

        with app.worker():
            with pytest.raises(wfext.WorkflowFailed, match="in a transaction"):
                finish(w.start())
    assert len(server.asked) == 2


def test_of_a_file_that_a_power_cut_may_shorten(tmp_path):
    app = wfext.App(tmp_path / "test.db", synchronous="normal")
    with ControlSocket((1, 1)) as server:
        with pytest.raises(wfext.WrongState, match="below FULL"):
            app.sync(socket=server.path)
        assert app.sync(socket=server.path, allow_normal=True)["txid"] == 1
    app.close()


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_durable_effect(app, colour):
    """Claim, intent, barrier, and only then the effect. Without the barrier it is not tried, and that is no failure of its."""
    seen = []

    def answer(request, number):
        begun = app.client.rows("SELECT count(*) FROM _wf_step WHERE name = 'pay' AND status = 'begun'")[0][0]
        seen.append(f"barrier behind {begun} intent")
        return 500 if number == 1 else {"status": "synced", "path": request["body"]["path"], "txid": number, "replicated_txid": number}

    @app.effect(durable=True)
    def pay(what: str) -> str:
        seen.append(f"pay {what}")
        return wfext.idempotency_key()

    @app.workflow
    def plain(ctx: wfext.Context) -> str:
        key = pay("tea")
        ctx.sleep(0.01)
        return key

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> str:
        key = await ctx.step(pay, "tea")
        await ctx.sleep(0.01)
        return key

    with ControlSocket(answer) as server, app.worker():
        asks(app, server)
        handle = (plain if colour == "plain" else looping).start()
        wait_for(lambda: handle.status == "pending" and seen)
        assert seen == ["barrier behind 1 intent"]
        assert app.client.call("wf_reschedule", handle.id) == 1
        assert finish(handle) == app.client.call("wf_key", handle.id, "pay")
    assert seen == ["barrier behind 1 intent", "barrier behind 1 intent", "pay tea"]
    assert app.client.rows("SELECT count(*) FROM wf_failures") == [(0,)]


def test_effects_side_by_side_share_a_barrier(app, monkeypatch):
    """Those that are wanted while one is under way are one: it begins behind all that have come by then."""
    under_way, goes, come, together = threading.Event(), threading.Event(), [], []
    enter = app.barrier.enter

    def entering():
        entered = enter()
        come.append(entered)
        return entered

    monkeypatch.setattr(app.barrier, "enter", entering)

    def answer(request, number):
        under_way.set()
        assert goes.wait(60)
        together.append(app.client.rows("SELECT count(*) FROM wf_steps WHERE workflow_id = 'others' AND status = 'begun'")[0][0])
        return {"status": "synced", "path": request["body"]["path"], "txid": number, "replicated_txid": number}

    @app.effect(durable=True)
    def pay(n: int) -> int:
        return n

    @app.workflow
    async def w(ctx: wfext.AsyncContext, numbers: list[int]) -> int:
        return sum(await asyncio.gather(*(ctx.step(pay, n) for n in numbers)))

    with ControlSocket(answer) as server, app.worker():
        asks(app, server)
        first = w.start([0])
        assert under_way.wait(60)
        others = w.options(id="others").start(list(range(1, 40)))  # more than there are threads
        wait_for(lambda: len(come) == 40)
        goes.set()
        assert (finish(first), finish(others)) == (0, sum(range(1, 40)))
        assert len(server.asked) == 2 and together == [39, 39]


def test_who_goes_takes_the_barrier_from_nobody(app):
    """Of two that wait for the same one, the first, who is to ask, is cancelled meanwhile."""
    under_way, goes = threading.Event(), threading.Event()

    def answer(request, number):
        under_way.set()
        assert goes.wait(60)
        return (number, number)

    async def three():
        before = asyncio.create_task(app.barrier.join_from_loop())
        await asyncio.to_thread(under_way.wait, 60)
        first, second = asyncio.create_task(app.barrier.join_from_loop()), asyncio.create_task(app.barrier.join_from_loop())
        await asyncio.sleep(0)  # both wait
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        goes.set()
        return [(await each)["txid"] for each in (before, second)]

    with ControlSocket(answer) as server:
        asks(app, server)
        assert asyncio.run(three()) == [1, 2]
        assert len(server.asked) == 2


def test_durable_is_for_effects(app):
    with pytest.raises(TypeError, match="durable is for effects"):
        wfext.Step(test_sync, durable=True)
