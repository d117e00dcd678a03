"""What runs side by side comes out in the same order in every replay: a race has the same winner, and items that branches append have the same places."""

import asyncio
import random
import time

import pytest

import wfext

LONG = 60  # seconds: a net for hangs, no measure


def until_waiting(handle, step):
    """Until the workflow waits for this step, and no attempt is at work."""
    end = time.monotonic() + LONG
    while not (handle.status == "waiting" and any(each["name"] == step for each in handle.steps())):
        assert time.monotonic() < end, (handle.status, handle.steps())
        time.sleep(0.005)


def test_a_race_of_waits_has_the_same_winner_in_a_replay(app):
    """The timer is named first, the signal comes first, and by the next replay the timer has ended, too."""
    paths = []

    @app.step
    async def took(path: str) -> str:
        return path

    @app.workflow
    async def race(ctx: wfext.AsyncContext) -> list[str]:
        timer = asyncio.ensure_future(ctx.sleep("200ms"))
        signal = asyncio.ensure_future(ctx.wait_signal("go"))
        done, _ = await asyncio.wait({timer, signal}, return_when=asyncio.FIRST_COMPLETED)
        path = "timer" if timer in done else "signal"
        paths.append(path)
        first = await took(path)
        await ctx.wait_signal("end")
        return [path, first]

    with app.worker():
        handle = race.start()
        handle.signal("go")
        until_waiting(handle, "end")
        while not any(step["name"] == "sleep" and step["status"] == "done" for step in handle.steps()):
            time.sleep(0.01)
        handle.signal("end")
        assert handle.result(timeout=LONG) == ["signal", "signal"]
    assert len(paths) >= 2 and set(paths) == {"signal"}


def test_a_race_of_steps_has_the_same_winner_in_a_replay(app):
    paths = []

    @app.step
    async def slow() -> None:
        await asyncio.sleep(0.05)

    @app.step
    async def fast() -> None:
        pass

    @app.workflow
    async def race(ctx: wfext.AsyncContext) -> list[str]:
        both = {asyncio.ensure_future(slow()): "slow", asyncio.ensure_future(fast()): "fast"}
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        paths.append([both[each] for each in both if each in done])
        await asyncio.wait(both)
        await ctx.sleep("1ms")
        return paths[-1]

    with app.worker():
        assert race.start().result(timeout=LONG) == ["fast"]
    assert paths == [["fast"], ["fast"]]


def test_results_behind_map_are_not_swapped(app):
    """Branches of map() are in flight where map() was called: a name that is repeated behind the order of their ends is refused."""

    @app.step
    async def work(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @app.step
    async def say(given: list[float]) -> str:
        return f"say {given}"

    @app.workflow
    async def race(ctx: wfext.AsyncContext) -> list[object]:
        out = []
        for ended in asyncio.as_completed([ctx.map("a", [0.03], work), ctx.map("b", [0.01], work)]):
            given = await ended
            out.append([given, await say(given)])
        await ctx.sleep("1ms")
        return out

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed, match="WF_NONDETERMINISM.*'say'"):
            race.start().result(timeout=LONG)


def test_parallel_appends_to_one_stream(app):
    """A branch that ended first has appended first; in the replay the other comes first to its line. The places are those of the first run."""

    @app.workflow
    async def talk(ctx: wfext.AsyncContext) -> None:
        await ctx.append("log", "start")

        async def a() -> None:
            await ctx.wait_signal("go")
            for n in range(3):
                await ctx.append("log", f"A{n}")

        async def b() -> None:
            await ctx.sleep("1ms")
            for n in range(3):
                await ctx.append("log", f"B{n}")

        await asyncio.gather(a(), b())
        await ctx.append("log", "end")
        await ctx.sleep("1ms", name="last")

    with app.worker():
        handle = talk.start()
        until_waiting(handle, "go")
        while len(list(handle.stream("log", follow=False))) < 4:
            time.sleep(0.005)
        handle.signal("go")
        handle.result(timeout=LONG)
        assert list(handle.stream("log")) == ["start", "B0", "B1", "B2", "A0", "A1", "A2", "end"]


def test_the_first_append_beside_an_open_wait_is_done(app):
    @app.workflow
    async def asks(ctx: wfext.AsyncContext, period: int) -> int:
        async def talk() -> None:
            for n in range(3):
                await ctx.append("log", f"{period}.{n}")

        await asyncio.gather(ctx.wait_signal("ok"), talk())
        if period == 1:
            await ctx.continue_as(2)
        return period

    with app.worker():
        handle = asks.start(1)
        for period in (1, 2):
            until_waiting(handle, "ok")
            end = time.monotonic() + LONG
            while (items := list(handle.stream("log", follow=False))) != [f"{p}.{n}" for p in range(1, period + 1) for n in range(3)]:
                assert time.monotonic() < end, items
                time.sleep(0.005)
            handle.signal("ok")
        assert handle.result(timeout=LONG) == 2


@pytest.mark.parametrize("seed", range(4))
def test_code_takes_the_same_way_in_every_replay(app, seed):
    """Branches of steps, waits, transactions and appends, in any order: what a replay comes to begins with all that the attempts before came to."""
    chance = random.Random(seed)
    plan = [[(chance.choice(("step", "plain", "rows", "wait", "sleep", "append", "effect", "fails", "start", "call", "set", "patched")), chance.randint(0, 4)) for _ in range(6)] for _ in range(4)]
    ways = []

    @app.step
    async def step(pause: int) -> None:
        await asyncio.sleep(pause * 0.001)

    @app.step
    def plain(pause: int) -> None:
        time.sleep(pause * 0.001)

    @app.transaction
    def rows(tx: wfext.Transaction, pause: int) -> None:
        tx.execute("SELECT 1").fetchall()

    @app.effect
    async def effect(pause: int) -> None:
        await asyncio.sleep(pause * 0.001)

    tried = set()

    @app.step(attempts=2, backoff="1ms")
    async def fails(key: str) -> None:
        if key not in tried:
            tried.add(key)
            raise ValueError("once")

    @app.workflow
    async def child(ctx: wfext.AsyncContext, pause: int) -> None:
        await asyncio.sleep(pause * 0.001)

    calls = {
        "append": lambda ctx, key, pause: ctx.append("log", key),
        "call": lambda ctx, key, pause: ctx.call(child, pause),
        "fails": lambda ctx, key, pause: fails(key),
        "patched": lambda ctx, key, pause: ctx.patched(f"new {key}"),
        "set": lambda ctx, key, pause: ctx.set("key", key),
        "sleep": lambda ctx, key, pause: ctx.sleep(f"{pause}ms"),
        "start": lambda ctx, key, pause: ctx.start(child, pause),
        "wait": lambda ctx, key, pause: ctx.wait_signal(f"signal {key}"),
    }
    steps = {"effect": effect, "plain": plain, "rows": rows, "step": step}

    @app.workflow
    async def ways_of(ctx: wfext.AsyncContext) -> int:
        way = []
        ways.append(way)

        async def branch(i: int) -> None:
            for n, (kind, pause) in enumerate(plan[i]):
                await (ctx.step(steps[kind], pause) if kind in steps else calls[kind](ctx, f"{i}.{n}", pause))
                way.append((i, n))

        await ctx.map("branch", range(len(plan)), branch)
        await ctx.sleep("1ms")
        return len(way)

    with app.worker():
        handle = ways_of.start()
        signals = [f"signal {i}.{n}" for i, branch in enumerate(plan) for n, (kind, _) in enumerate(branch) if kind == "wait"]
        chance.shuffle(signals)
        for name in signals:
            time.sleep(chance.choice((0, 0.003, 0.02)))
            handle.signal(name)
        assert handle.result(timeout=LONG) == 24
    assert len(ways) >= 2
    for before, after in zip(ways, ways[1:]):
        assert after[: len(before)] == before


def test_a_step_that_is_never_awaited_is_not_in_flight(app, caplog):
    @app.step
    async def work(n: int) -> int:
        return n

    @app.workflow
    async def forgets(ctx: wfext.AsyncContext) -> list[int]:
        work(1)
        ctx.map("none", [1], work)
        return [await work(2), await work(3)]

    @app.workflow
    async def cancels(ctx: wfext.AsyncContext) -> list[int]:
        task = asyncio.ensure_future(work(1))
        task.cancel()  # before it has begun
        out = [await work(2), await work(3)]
        assert task.cancelled()
        return out

    with app.worker():
        assert forgets.start().result(timeout=LONG) == [2, 3]
        assert cancels.start().result(timeout=LONG) == [2, 3]
    said = [record.message for record in caplog.records if "`await`" in record.message]
    assert len(said) == 2 and "work was called" in said[0] and "none was called" in said[1]
