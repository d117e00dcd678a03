"""Streams: numbered by themselves, over replays, periods and forks."""

import asyncio

import pytest

import wfext
from test_python_scenarios import finish, wait_for


def items(app, id):
    return [value for (value,) in app.client.rows('SELECT value FROM wf_streams WHERE workflow_id = ? ORDER BY "offset"', id)]


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_stream_over_continue_as(app, colour):
    """It goes on behind what earlier periods have appended, and a replay appends nothing twice."""

    @app.workflow
    def plain(ctx: wfext.Context, n: int) -> int:
        ctx.append("log", f"begin {n}")
        ctx.sleep(0.01)
        ctx.append("log", f"end {n}")
        if n < 3:
            ctx.continue_as(n + 1)
        return n

    @app.workflow
    async def looping(ctx: wfext.AsyncContext, n: int) -> int:
        await ctx.append("log", f"begin {n}")
        await ctx.sleep(0.01)
        await ctx.append("log", f"end {n}")
        if n < 3:
            await ctx.continue_as(n + 1)
        return n

    with app.worker():
        handle = (plain if colour == "plain" else looping).start(1)
        assert finish(handle) == 3
    assert items(app, handle.id) == [f'"{what} {n}"' for n in (1, 2, 3) for what in ("begin", "end")]


def test_the_same_item_in_each_period_is_there_each_time(app):
    """It was taken for a repetition of the one that stands at its offset."""

    @app.workflow
    def w(ctx: wfext.Context, n: int) -> int:
        ctx.append("log", "tick")
        if n < 2:
            ctx.continue_as(n + 1)
        return n

    with app.worker():
        handle = w.start(0)
        finish(handle)
    assert items(app, handle.id) == ['"tick"'] * 3


def test_a_stream_of_which_all_was_trimmed_goes_on(app):
    @app.workflow
    def w(ctx: wfext.Context, n: int) -> int:
        ctx.append("log", n)
        ctx.wait_signal("on")
        if n < 2:
            ctx.continue_as(n + 1)
        return n

    with app.worker():
        handle = w.start(1)
        wait_for(lambda: handle.status == "waiting")
        assert app.client.call("wf_trim", handle.id, "log", 1) == 1
        handle.signal("on")
        wait_for(lambda: app.client.rows("SELECT period FROM wf_workflows WHERE id = ?", handle.id) == [(2,)] and handle.status == "waiting")
        handle.signal("on")
        finish(handle)
    assert app.client.rows('SELECT "offset", value FROM wf_streams') == [(1, "2")]


def test_a_fork_of_a_later_period_has_a_stream_of_its_own(app):
    @app.step
    def work(n: int) -> int:
        return n

    @app.workflow
    def w(ctx: wfext.Context, n: int) -> int:
        ctx.append("log", n)
        if n < 2:
            ctx.continue_as(n + 1)
        work(n)
        ctx.wait_signal("on")
        ctx.append("log", "end")
        return n

    with app.worker():
        handle = w.start(1)
        wait_for(lambda: handle.status == "waiting")
        fork = handle.fork(id="fork")
        for each in (handle, fork):
            each.signal("on")
            finish(each)
    assert (items(app, handle.id), items(app, "fork")) == (["1", "2", '"end"'], ["2", '"end"'])


def test_many_at_once_keep_their_order(app):
    @app.workflow
    async def w(ctx: wfext.AsyncContext, period: int) -> None:
        await asyncio.gather(*(ctx.append(f"log {n % 2}", n) for n in range(20)))
        if period < 2:
            await ctx.continue_as(period + 1)

    with app.worker():
        handle = w.start(1)
        finish(handle)
    for stream in (0, 1):
        rows = app.client.rows('SELECT value FROM wf_streams WHERE stream = ? ORDER BY "offset"', f"log {stream}")
        assert [int(value) for (value,) in rows] == [n for n in range(20) if n % 2 == stream] * 2


def test_what_a_step_appends_is_not_numbered_by_the_workflow(app):
    """No replay runs it again, so it must not count: the items behind it would be taken for its own."""

    @app.step
    async def says(ctx: wfext.AsyncContext, words: list[str]) -> None:
        for word in words:
            await ctx.append("words", word)

    @app.workflow
    async def talk(ctx: wfext.AsyncContext) -> None:
        await says(ctx, ["one", "two"])
        await ctx.sleep(0.01)
        await says(ctx, ["three"])

    with app.worker():
        handle = talk.start()
        assert list(handle.stream("words")) == ["one", "two", "three"]
        finish(handle)


def test_a_stream_in_a_loop(app):
    """async for: without holding the loop, and left in the middle."""

    @app.workflow
    def talk(ctx: wfext.Context) -> None:
        for n in range(3):
            ctx.append("words", n)
            ctx.sleep(0.01)

    async def reads(handle):
        found = [item async for item in handle.astream("words")]
        async for first in handle.astream("words"):
            break
        return found, first

    with app.worker():
        assert asyncio.run(reads(talk.start())) == ([0, 1, 2], 0)


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_appends_of_the_code_and_of_its_steps(app, colour):
    """One after the other, in whatever order, over a replay and in a fork; those of branches are counted with them."""

    @app.step
    def says(ctx: wfext.Context, word: str) -> None:
        ctx.append("log", word)

    @app.step
    async def speaks(ctx: wfext.AsyncContext, word: str) -> None:
        await ctx.append("log", word)

    @app.workflow
    def plain(ctx: wfext.Context) -> list[int]:
        offsets = [ctx.append("log", "code")]
        says(ctx, "step")
        offsets.append(ctx.append("log", "code"))
        ctx.sleep(0.01)
        says(ctx, "step")
        offsets += ctx.map("branch", [1, 2], lambda n: ctx.append("log", n))
        ctx.wait_signal("on")
        return [*offsets, ctx.append("log", "code")]

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> list[int]:
        offsets = [await ctx.append("log", "code")]
        await speaks(ctx, "step")
        offsets.append(await ctx.append("log", "code"))
        await ctx.sleep(0.01)
        await speaks(ctx, "step")
        offsets += await ctx.map("branch", [1, 2], lambda n: ctx.append("log", n))
        await ctx.wait_signal("on")
        return [*offsets, await ctx.append("log", "code")]

    with app.worker():
        handle = (plain if colour == "plain" else looping).start()
        wait_for(lambda: handle.status == "waiting" and len(items(app, handle.id)) == 6)
        fork = handle.fork(id="fork")
        for each in (handle, fork):
            each.signal("on")
        assert finish(handle) == [0, 2, 4, 5, 6]
        finish(fork)
    assert items(app, handle.id) == ['"code"', '"step"', '"code"', '"step"', "1", "2", '"code"']
    assert items(app, "fork") == ['"code"', '"code"', "1", "2", '"code"']  # without what the steps of the other have done
    names = [name for (name,) in app.client.rows("SELECT name FROM wf_steps WHERE workflow_id = ? AND name LIKE '%append%'", handle.id)]
    assert names == ["append log", "append log#2", "branch[0].append log", "branch[1].append log", "append log#3"]
