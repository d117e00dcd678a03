"""Sagas: what was done is undone, whoever has started the workflow and whatever its code does first."""

import threading
import time

import pytest

import wfext
from test_python_scenarios import finish, wait_for

FIRST = {
    "wait": lambda ctx, child: ctx.wait_signal("first", timeout=0.01, default=None),
    "sleep": lambda ctx, child: ctx.sleep(0.01),
    "child": lambda ctx, child: ctx.start(child, 1),
    "child joined": lambda ctx, child: ctx.call(child, 1),
    "stream": lambda ctx, child: ctx.append("log", "done"),
    "value": lambda ctx, child: ctx.set("state", "done"),
    "patch": lambda ctx, child: ctx.patched("new"),
}


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("first", FIRST)
def test_an_undo_of_a_workflow_that_plain_sql_has_started(app, first, colour):
    """Its start knew nothing of it: the code's first record says so, also where that is a child or a wait."""
    undone = []

    @app.step
    def give_back(what: str) -> None:
        undone.append(what)

    @app.workflow
    def child(ctx: wfext.Context, n: int) -> int:
        return n

    @app.workflow
    def plain(ctx: wfext.Context) -> None:
        FIRST[first](ctx, child)
        ctx.compensate(give_back, "money")
        ctx.wait_signal("go")

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> None:
        await FIRST[first](ctx, child)
        ctx.compensate(give_back, "money")
        await ctx.wait_signal("go")

    with app.worker():
        app.client.call("wf_start", "plain" if colour == "plain" else "looping", None, '{"id": "w"}')
        handle = app.handle("w")
        wait_for(lambda: app.client.rows("SELECT count(*) FROM wf_steps WHERE workflow_id = 'w' AND name = 'go' AND status = 'waiting'") == [(1,)])
        handle.cancel()
        with pytest.raises(wfext.WorkflowCancelled):
            finish(handle)
    assert undone == ["money"]


def test_a_record_that_fails_says_nothing_of_the_undo(app):
    """The first call is refused: the next one says it."""
    undone, tried = [], []

    @app.step
    def give_back() -> None:
        undone.append(1)

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        if not tried:
            tried.append(1)
            with pytest.raises(wfext.NotFound):
                ctx.acquire("no such rate")
        ctx.compensate(give_back)
        ctx.wait_signal("go")

    with app.worker():
        app.client.call("wf_start", "w", None, '{"id": "w"}')
        handle = app.handle("w")
        wait_for(lambda: handle.status == "waiting")
        handle.cancel()
        with pytest.raises(wfext.WorkflowCancelled):
            finish(handle)
    assert undone == [1]


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_cancel_while_the_charge_is_under_way_is_refunded(app, colour):
    """What is said before an effect undoes it, also where the cancel comes in its middle: it has happened, and is never recorded."""
    charging, did = threading.Event(), []

    @app.step
    def charge(order: str) -> None:
        charging.set()
        wait_for(lambda: handle.status == "cancelled" or app.client.rows("SELECT ending FROM wf_workflows WHERE id = ?", order)[0][0])
        did.append(("charge", order))

    @app.step
    def refund(order: str) -> None:
        did.append(("refund", order))

    @app.workflow
    def plain(ctx: wfext.Context) -> None:
        ctx.set("state", "begun")
        ctx.compensate(refund, ctx.id)
        charge(ctx.id)

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> None:
        await ctx.set("state", "begun")
        ctx.compensate(refund, ctx.id)
        await ctx.step(charge, ctx.id)

    with app.worker():
        handle = {"plain": plain, "async": looping}[colour].start()
        assert charging.wait(60)
        handle.cancel()
        with pytest.raises(wfext.WorkflowCancelled):
            finish(handle)
    assert sorted(did) == [("charge", handle.id), ("refund", handle.id)]


@pytest.mark.parametrize("kind", ["step", "effect", "async step"])
def test_a_cancel_in_the_middle_of_a_step(app, kind):
    """It waits for the record: what was done is undone, also where that is said behind it."""
    charging, goes, did = threading.Event(), threading.Event(), []

    def charge() -> str:
        charging.set()
        assert goes.wait(60)
        return "paid"

    charge = (app.effect if kind == "effect" else app.step)(charge)

    @app.step
    def refund(what: str) -> None:
        did.append(f"refund {what}")

    @app.step
    def never() -> None:
        did.append("never")

    @app.workflow
    def plain(ctx: wfext.Context) -> None:
        what = charge()
        ctx.compensate(refund, what)
        never()

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> None:
        what = await ctx.step(charge)
        ctx.compensate(refund, what)
        await ctx.step(never)

    with app.worker():
        handle = (looping if kind == "async step" else plain).start()
        assert charging.wait(60)
        handle.cancel()
        assert app.client.rows("SELECT status, ending FROM wf_workflows") == [("pending", "cancelled")]
        time.sleep(0.05)
        assert did == []
        goes.set()
        with pytest.raises(wfext.WorkflowCancelled):
            finish(handle)
    assert did == ["refund paid"]


def test_a_pause_gives_the_workflow_back(app):
    """After the resume it is claimed at once, and no lease counts as lost."""
    busy, goes = threading.Event(), threading.Event()

    @app.step
    def slow(n: int) -> int:
        busy.set()
        assert goes.wait(60)
        return n

    @app.workflow
    def w(ctx: wfext.Context) -> int:
        return slow(1) + slow(2)

    with app.worker(lease=3600):
        handle = w.start()
        assert busy.wait(60)
        handle.pause()
        goes.set()
        wait_for(lambda: app.client.rows("SELECT nonce FROM _wf_workflow") == [(None,)])
        handle.resume()
        assert finish(handle) == 3
    assert app.client.rows("SELECT count(*) FROM wf_failures") == [(0,)]
