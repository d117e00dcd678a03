"""Branches, waits and children side by side, and the tasks that code leaves behind."""

import asyncio
import threading

import pytest

import wfext
from test_python_scenarios import LONG, finish, two_steps, wait_for


def test_calls_of_children_side_by_side(app):
    """They are named where they are called, in order."""

    @app.workflow
    def child(ctx: wfext.Context, n: int) -> int:
        return n * n

    @app.workflow
    async def parent(ctx: wfext.AsyncContext) -> list[int]:
        first = await asyncio.gather(ctx.call(child, 2), ctx.call(child, 3))
        return first + [await ctx.call(child, 4)]

    with app.worker():
        handle = parent.start()
        assert finish(handle) == [4, 9, 16]
        assert sorted(step["name"] for step in handle.steps()) == ["child", "child#2", "child#3", "join", "join#2", "join#3"]


def test_waits_whose_order_is_that_of_their_ends(app):
    """The first to end is another one in a replay: a name that is repeated behind them is refused."""

    @app.step
    async def note(what: str) -> str:
        return what

    @app.workflow
    async def racy(ctx: wfext.AsyncContext) -> list[str]:
        out = []
        for ended in asyncio.as_completed([ctx.wait_signal("a", timeout="1h"), ctx.wait_signal("b", timeout="1h")]):
            out.append(await note(await ended))
        return out

    with app.worker():
        handle = racy.options(max_attempts=1).start()
        wait_for(lambda: handle.status == "waiting")
        handle.signal("b", "b")
        handle.signal("a", "a")
        with pytest.raises(wfext.WorkflowFailed, match="WF_NONDETERMINISM"):
            finish(handle)


def test_branches_of_a_map_look_after_their_own_names(app):
    """Also inside of a branch an order of ends is refused; and the branches do not disturb each other."""

    first, second = two_steps(app)

    async def straight(n):
        return await second(await second(await first(n)))

    async def racy(n):
        return [await second(await ended) for ended in asyncio.as_completed([first(2), first(1)])]

    @app.workflow
    async def right(ctx: wfext.AsyncContext) -> list[int]:
        return await ctx.map("branch", [2, 1], straight)

    @app.workflow
    async def wrong(ctx: wfext.AsyncContext) -> list[int]:
        return await ctx.map("branch", [1], racy)

    with app.worker():
        assert finish(right.start()) == [200, 100]
        with pytest.raises(wfext.WorkflowFailed, match="WF_NONDETERMINISM"):
            finish(wrong.start())


@pytest.mark.parametrize("end", ["suspended", "completed"])
def test_tasks_that_never_called_the_context_end_with_the_attempt(app, end):
    """Cancelled and awaited, also those that begin meanwhile: none goes on where another attempt runs."""
    running, ended = [], threading.Event()

    async def ticker(name):
        running.append(name)
        try:
            await asyncio.sleep(LONG)
        finally:
            if name == "outer":
                asyncio.create_task(ticker("late"))
            running.remove(name)
            if not running:
                ended.set()

    @app.workflow
    async def leaves_tasks(ctx: wfext.AsyncContext) -> str:
        asyncio.create_task(ticker("outer"))
        asyncio.get_running_loop().create_task(ticker("inner"))
        await asyncio.sleep(0.01)
        if end == "suspended":
            await ctx.wait_signal("go", timeout="1h")
        return "done"

    with app.worker():
        handle = leaves_tasks.start()
        wait_for(lambda: handle.status in ("waiting", "completed"))
        assert ended.wait(LONG)
        wait_for(lambda: running == [])


def test_what_a_step_leaves_behind_goes_on(app):
    """The task of a pool that a step has opened is not the workflow's."""
    alive = []

    async def keeper():
        while True:
            alive.append(1)
            await asyncio.sleep(0.005)

    @app.step
    async def opens_a_pool() -> None:
        asyncio.get_running_loop().keeper = asyncio.create_task(keeper())

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> None:
        await opens_a_pool()
        await ctx.wait_signal("go", timeout="1h")

    with app.worker():
        handle = w.start()
        wait_for(lambda: handle.status == "waiting")
        before = len(alive)
        wait_for(lambda: len(alive) > before + 3)


def test_a_group_of_tasks_says_what_went_wrong_in_it(app):
    """One error in a TaskGroup is that error; and a suspension inside of it is no error."""

    @app.step
    async def fails() -> None:
        raise ValueError("declined")

    @app.workflow
    async def one(ctx: wfext.AsyncContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())

    @app.workflow
    async def waits(ctx: wfext.AsyncContext) -> str:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(ctx.wait_signal("go", timeout="1h"))
        return task.result()

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed) as caught:
            finish(one.start())
        assert caught.value.error["type"] == "StepFailed" and caught.value.error["step"] == "fails"
        handle = waits.start()
        wait_for(lambda: handle.status == "waiting")
        handle.signal("go", "gone")
        assert finish(handle) == "gone"
        assert app.client.rows("SELECT count(*) FROM wf_failures WHERE workflow_id = ?", handle.id) == [(0,)]
