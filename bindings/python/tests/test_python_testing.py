"""The harness for tests: days in milliseconds."""

import asyncio

import pytest

import wfext
from wfext.testing import Harness

pytest_plugins = ["wfext.pytest_plugin"]


@pytest.fixture
def empty(tmp_path):
    app = wfext.App(tmp_path / "test.db", synchronous="off")
    yield app
    app.close()


def test_days_in_milliseconds(empty):
    told = []

    @empty.step
    def tell(what: str) -> str:
        told.append(what)
        return what

    @empty.workflow
    def reminder(ctx: wfext.Context, what: str) -> str:
        ctx.sleep("3d")
        tell(what)
        return ctx.wait_signal("ok", timeout="4d", default="no answer")

    @empty.workflow
    async def areminder(ctx: wfext.AsyncContext, what: str) -> list:
        await ctx.step(tell, what)
        return await asyncio.gather(ctx.sleep("7d"), ctx.wait_signal("ok", timeout="8d", default="no answer"))

    harness = Harness(empty)
    first, second = reminder.start("tea"), areminder.start("milk")
    harness.run()
    assert told == ["milk"]
    harness.advance("3d")
    assert told == ["milk", "tea"]
    assert first.status == "waiting"
    harness.advance("4d")
    assert first.result(timeout=0) == "no answer"
    assert second.status == "waiting"
    assert harness.result(second) == [None, "no answer"]
    with pytest.raises(TimeoutError, match="sleeping"):
        harness.result(reminder.start("x"), within="1d")


def test_retries_are_not_waited_for(empty):
    tries = []

    @empty.step(attempts=3, backoff=100)
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("away")
        return len(tries)

    @empty.workflow
    def w(ctx: wfext.Context) -> int:
        return flaky()

    harness = Harness(empty)
    before = harness.now
    assert harness.result(w.start()) == 3
    assert (harness.now - before).total_seconds() == pytest.approx(300, abs=1)


def test_the_fixture(empty, wfext_harness):
    @empty.workflow
    def w(ctx: wfext.Context) -> int:
        return 7

    before = empty.database
    harness = wfext_harness(empty)
    assert empty.database is not before
    assert harness.result(w.start()) == 7
