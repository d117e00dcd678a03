"""What a workflow may rely on, one scenario a test. The names are those of the table in bindings/README.md; every language has the same."""

import asyncio
import dataclasses
import enum
import datetime
import json
import re
import threading
import time
import uuid
from pathlib import Path
from typing import TypedDict

import pytest

import wfext

LONG = 60  # seconds: a net for hangs, no measure


def finish(handle):
    return handle.result(timeout=LONG)


def test_replay(app):
    """Code runs again from its beginning, steps do not."""
    runs, done = [], []

    @app.step
    def work(n: int) -> int:
        done.append(n)
        return n * 2

    @app.workflow
    def twice(ctx: wfext.Context, n: int) -> int:
        runs.append(ctx.attempt)
        first = work(n)
        ctx.sleep(0.01)
        return first + work(n + 1)

    with app.worker():
        assert finish(twice.start(3)) == 14
    assert done == [3, 4]
    assert len(runs) == 2


def test_replay_async(app):
    runs, done = [], []

    @app.step
    async def work(n: int) -> int:
        done.append(n)
        return n * 2

    @app.workflow
    async def twice(ctx: wfext.AsyncContext, n: int) -> int:
        runs.append(ctx.attempt)
        first = await work(n)
        await ctx.sleep(0.01)
        return first + await work(n + 1)

    with app.worker():
        assert finish(twice.start(3)) == 14
    assert done == [3, 4]
    assert len(runs) == 2


def test_parallel_branches(app):
    """Steps called side by side are named where they are called, in order, however they end."""

    @app.step
    async def wait(n: int) -> int:
        await asyncio.sleep(0.05 / n)
        return n

    @app.workflow
    async def fan(ctx: wfext.AsyncContext) -> list[int]:
        first = await asyncio.gather(*(wait(n) for n in (1, 2, 3)))
        await ctx.sleep(0.01)
        return first + await asyncio.gather(*(wait(n) for n in (4, 5)))

    with app.worker():
        handle = fan.start()
        assert finish(handle) == [1, 2, 3, 4, 5]
        assert [step["name"] for step in handle.steps() if step["kind"] == "step"].count("wait#5") == 1


def two_steps(app):
    """The first takes the longer the larger its number; the second takes no time."""

    @app.step
    async def first(n: int) -> int:
        await asyncio.sleep(0.01 * n)
        return n

    @app.step
    async def second(n: int) -> int:
        return n * 10

    return first, second


def test_parallel_branches_of_one_name(app):
    """A name that is repeated by branches side by side could get the other's result: refused, and ctx.map is the way out."""

    first, second = two_steps(app)

    async def branch(n):
        return await second(await first(n))

    @app.workflow
    async def wrong(ctx: wfext.AsyncContext) -> list[int]:
        return await asyncio.gather(branch(2), branch(1))

    @app.workflow
    async def racy(ctx: wfext.AsyncContext) -> list[int]:
        out = []
        for ended in asyncio.as_completed([first(2), first(1)]):
            out.append(await second(await ended))
        return out

    @app.workflow
    async def racy_together(ctx: wfext.AsyncContext) -> list[int]:
        out = []
        for ended in asyncio.as_completed([second(2), second(1)]):     # both come out at once
            out.append(await first(await ended))
        return out

    @app.workflow
    async def loop(ctx: wfext.AsyncContext) -> int:
        return sum([sum(await asyncio.gather(first(1), second(n))) for n in range(3)])

    @app.workflow
    async def right(ctx: wfext.AsyncContext) -> list[int]:
        return await ctx.map("branch", [2, 1], branch)

    with app.worker():
        for workflow in (wrong, racy, racy_together):
            with pytest.raises(wfext.WorkflowFailed, match="WF_NONDETERMINISM"):
                finish(workflow.start())
        assert finish(loop.start()) == 33
        handle = right.start()
        assert finish(handle) == [20, 10]
        assert {step["name"] for step in handle.steps()} == {"branch[0].first", "branch[0].second", "branch[1].first", "branch[1].second"}


def test_recorded_failure(app):
    """A step that has failed for good fails the same way in every replay, and is not tried again."""
    tries = []

    @app.step
    def charge() -> None:
        tries.append(1)
        raise ValueError("declined")

    @app.workflow
    def buy(ctx: wfext.Context) -> str:
        try:
            charge()
        except wfext.StepFailed as error:
            ctx.sleep(0.01)
            return error.error["message"]
        return "charged"

    @app.workflow
    def buy_uncaught(ctx: wfext.Context) -> None:
        charge()

    with app.worker():
        assert finish(buy.start()) == "declined"
        assert len(tries) == 1
        with pytest.raises(wfext.WorkflowFailed, match="declined"):
            finish(buy_uncaught.start())
        assert len(tries) == 2


def test_failure_is_tried_again(app):
    """Tries of a step count over restarts of the attempt; when they are used up, the error is the record."""
    tries = []

    @app.step(attempts=3, backoff=0.01)
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("away")
        return len(tries)

    @app.step(attempts=2, backoff=0.01)
    async def broken() -> None:
        tries.append(1)
        raise ConnectionError("gone")

    @app.workflow
    def patient(ctx: wfext.Context) -> int:
        return flaky()

    @app.workflow
    async def hopeless(ctx: wfext.AsyncContext) -> None:
        await broken()

    with app.worker():
        assert finish(patient.start()) == 3
        tries.clear()
        with pytest.raises(wfext.WorkflowFailed, match="gone"):
            finish(hopeless.start())
        assert len(tries) == 2


def test_failure_of_the_code_is_tried_again(app):
    """An exception of the workflow's own code is another attempt, after the engine's backoff."""
    seen = []

    @app.workflow
    def shaky(ctx: wfext.Context) -> int:
        seen.append(ctx.attempt)
        if len(seen) == 1:
            raise RuntimeError("not now")
        return len(seen)

    app.client.call("wf_config", "backoff", '{"initial": 0.01}')
    with app.worker():
        assert finish(shaky.start()) == 2


def test_waits_side_by_side(app):
    """Several waits at once are open at once, and each keeps its own record."""

    @app.workflow
    async def both(ctx: wfext.AsyncContext) -> list:
        return await asyncio.gather(ctx.wait_signal("a", timeout="1h"), ctx.wait_signal("b", timeout="1h"), ctx.wait_signal("c", timeout=0.05, default="late"))

    with app.worker():
        handle = both.start()
        wait_for(lambda: handle.status == "waiting")
        handle.signal("b", 2)
        time.sleep(0.2)
        handle.signal("a", 1)
        assert finish(handle) == [1, 2, "late"]


def test_wait_beside_a_step(app):
    """A wait does not take the claim away from a step that runs beside it: nothing is done twice."""
    done = []

    @app.step
    async def slow() -> str:
        await asyncio.sleep(0.2)
        done.append(1)
        return "slow"

    @app.workflow
    async def agent(ctx: wfext.AsyncContext) -> list:
        return await asyncio.gather(slow(), ctx.wait_signal("go", timeout="1h"))

    with app.worker():
        handle = agent.start()
        wait_for(lambda: handle.status == "waiting")
        handle.signal("go", "gone")
        assert finish(handle) == ["slow", "gone"]
    assert done == [1]


def test_waits_of_which_one_is_there_already(app):
    """Those that are left are handed over, too."""

    @app.workflow
    async def both(ctx: wfext.AsyncContext) -> list:
        return await asyncio.gather(ctx.wait_signal("a", timeout="1h"), ctx.wait_signal("b", timeout="1h"))

    with app.worker():
        handle = both.start()
        handle.signal("a", 1)
        wait_for(lambda: handle.status == "waiting")
        handle.signal("b", 2)
        assert finish(handle) == [1, 2]


def test_two_steps_in_a_long_pause(app):
    """They give the workflow back together."""

    @app.step(attempts=3, backoff=60)
    async def away(n: int) -> None:
        raise OSError(n)

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> None:
        await asyncio.gather(away(1), away(2))

    with app.worker():
        handle = w.start()
        wait_for(lambda: handle.status == "pending" and app.client.rows("SELECT count(*) FROM wf_failures")[0][0] == 2)


def test_what_would_end_the_process_fails_the_workflow(app):
    @app.step
    async def leaves() -> None:
        raise SystemExit(3)

    @app.workflow
    async def in_a_step(ctx: wfext.AsyncContext) -> None:
        await leaves()

    @app.workflow
    async def by_itself(ctx: wfext.AsyncContext) -> None:
        raise SystemExit(4)

    @app.workflow
    async def cancels_itself(ctx: wfext.AsyncContext) -> None:
        raise asyncio.CancelledError

    @app.workflow
    async def fine(ctx: wfext.AsyncContext) -> int:
        return 1

    with app.worker():
        for workflow in (in_a_step, by_itself, cancels_itself):
            with pytest.raises(wfext.WorkflowFailed):
                finish(workflow.options(max_attempts=1).start())
        assert finish(fine.start()) == 1


def test_what_runs_after_the_grace_keeps_its_lease(app):
    """Plain code cannot be stopped: nobody else gets the workflow while it goes on, nor the worker's name."""
    go, begun, runs = threading.Event(), threading.Event(), []

    @app.workflow
    def stubborn(ctx: wfext.Context) -> int:
        runs.append(1)
        begun.set()
        go.wait(LONG)
        return len(runs)

    worker = app.start(lease=3, grace=0.1, name="one")
    handle = stubborn.start()
    assert begun.wait(LONG)
    worker.stop()
    with pytest.raises(wfext.Error, match="'one' is running"):
        app.start(name="one")
    with app.worker():
        time.sleep(5)
        assert (runs, handle.status) == ([1], "running")
        go.set()
        assert finish(handle) == 1
    wait_for(lambda: not worker._attempts)


def test_a_plain_step_is_waited_for_when_the_worker_stops(app):
    """In an async workflow it runs in a thread that cannot be stopped: it is recorded, and not done again."""
    done, begun = [], threading.Event()

    @app.step
    def slow() -> int:
        begun.set()
        time.sleep(0.5)
        done.append(1)
        return 1

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> int:
        return await ctx.step(slow)

    worker = app.start()
    handle = w.start()
    assert begun.wait(LONG)
    worker.stop()
    with app.worker():
        assert finish(handle) == 1
    assert done == [1]


def test_a_transaction_that_calls_the_app(app):
    """An error, and no deadlock."""

    @app.transaction
    def wrong(tx: wfext.Transaction) -> None:
        app.client.call("wf_version")

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        wrong()

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed, match="wait for itself"):
            finish(w.start())


def test_a_result_that_is_no_json_is_not_tried_again(app):
    tries = []

    @app.step(attempts=4, backoff=0.01)
    def bad() -> object:
        tries.append(1)
        return object()

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        bad()

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed, match="JSON cannot hold"):
            finish(w.start())
    assert tries == [1]


def test_timeout_of_a_wait(app):
    """TimeoutError unless a default is given; a payload of null is no timeout."""

    @app.workflow
    def patient(ctx: wfext.Context) -> list:
        try:
            ctx.wait_signal("never", timeout=0.01)
        except TimeoutError:
            return [ctx.wait_signal("never", timeout=0.01, default="default"), ctx.wait_signal("null", timeout="1h", default="default")]
        return []

    with app.worker():
        handle = patient.start()
        handle.signal("null", None)
        assert finish(handle) == ["default", None]


def test_suspension_swallowed(app, caplog):
    """Code that catches everything, that of its own end too, is logged and never completed."""

    @app.workflow
    async def deaf(ctx: wfext.AsyncContext) -> str:
        try:
            await ctx.wait_signal("go", timeout="1h")
        except asyncio.CancelledError:
            return "nothing came"
        return "it came"

    @app.workflow
    def deaf_too(ctx: wfext.Context) -> str:
        try:
            return ctx.wait_signal("go", timeout="1h")
        except BaseException:
            return "nothing came"

    with app.worker():
        for workflow in (deaf, deaf_too):
            handle = workflow.start()
            wait_for(lambda: handle.status == "waiting")
            assert handle.status == "waiting"
            handle.signal("go", "came")
            assert finish(handle) in ("it came", "came")
            assert f"workflow {handle.id}: the code went on after its attempt was over (suspended)" in caplog.text


def test_cancel_reaches_the_code(app):
    """Async code is cancelled, plain code is told, while it is at work."""
    started = threading.Event()
    told = threading.Event()
    cancelled = threading.Event()

    @app.workflow
    def plain(ctx: wfext.Context) -> None:
        started.set()
        while not ctx.lost:
            time.sleep(0.01)
        told.set()

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> None:
        started.set()
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with app.worker():
        for workflow, event in ((plain, told), (looping, cancelled)):
            started.clear()
            handle = workflow.start()
            assert started.wait(LONG)
            handle.cancel("enough")
            assert event.wait(LONG)
            with pytest.raises(wfext.WorkflowCancelled, match="enough"):
                finish(handle)


def test_children(app):
    """A child is started once, joined, and its failure is an exception."""

    @app.workflow
    def child(ctx: wfext.Context, n: int) -> int:
        if n == 3:
            raise wfext.NotJSON("no threes")
        return n * n

    @app.workflow
    def parent(ctx: wfext.Context) -> list:
        children = [ctx.start(child, n) for n in (1, 2)]
        out = ctx.join(*children)
        try:
            ctx.call(child, 3)
        except wfext.WorkflowFailed as error:
            out.append(error.error["message"])
        return out

    @app.workflow
    async def aparent(ctx: wfext.AsyncContext) -> list:
        children = [await ctx.start(child, n) for n in (1, 2)]
        return await ctx.join(*children) + [await ctx.call(child.options(id="by name"), 5)]

    with app.worker():
        assert finish(parent.start()) == [1, 4, "no threes"]
        assert finish(aparent.start()) == [1, 4, 25]


def test_effect(app):
    """The key is the same in every try; what is in doubt is held where the code says so."""
    keys = []

    @app.effect(attempts=2, backoff=0.01)
    def charge() -> str:
        keys.append(wfext.idempotency_key())
        if len(keys) == 1:
            raise ConnectionError("no answer")
        return "paid"

    @app.workflow
    def buy(ctx: wfext.Context) -> str:
        return charge()

    with app.worker():
        assert finish(buy.start()) == "paid"
    assert len(keys) == 2 and len(set(keys)) == 1


def test_transaction_with_rows(app):
    """Rows and record are one commit; an error takes the rows back."""
    connection = app.connect()
    connection.execute("CREATE TABLE answer(run TEXT, text TEXT)")

    @app.transaction
    def remember(tx: wfext.Transaction, run: str, text: str) -> int:
        tx.execute("INSERT INTO answer VALUES (?, ?)", (run, text))
        if text == "bad":
            raise ValueError("bad")
        return 1

    @app.workflow
    def plain(ctx: wfext.Context, text: str) -> int:
        return remember(ctx.id, text)

    @app.workflow
    async def looping(ctx: wfext.AsyncContext, text: str) -> int:
        return await ctx.step(remember, ctx.id, text)

    with app.worker():
        for workflow in (plain, looping):
            assert finish(workflow.options(id=workflow.name).start("good")) == 1
            with pytest.raises(wfext.WorkflowFailed, match="bad"):
                finish(workflow.start("bad"))
    assert connection.execute("SELECT * FROM answer ORDER BY 1").fetchall() == [("looping", "good"), ("plain", "good")]
    connection.close()


def test_transaction_is_the_steps_own(app):
    @app.transaction
    def wrong(tx: wfext.Transaction, sql: str) -> None:
        tx.execute(sql)

    @app.workflow
    def w(ctx: wfext.Context, sql: str) -> None:
        wrong(sql)

    with app.worker():
        for sql in ("COMMIT", " rollback;", "SAVEPOINT x", "begin immediate", "/* x */ COMMIT", "-- x\n;COMMIT"):
            with pytest.raises(wfext.WorkflowFailed, match="begun and ended around"):
                finish(w.start(sql))


def test_a_transaction_that_was_rolled_back_goes_no_further(app):
    """A trigger's ROLLBACK, or an INSERT OR ROLLBACK, that the code catches: what follows would be committed by itself."""
    connection = app.connect()
    connection.execute("CREATE TABLE t(a UNIQUE)")
    connection.execute("INSERT INTO t VALUES (1)")

    @app.transaction
    def careless(tx: wfext.Transaction) -> None:
        tx.execute("INSERT INTO t VALUES ('before')")
        try:
            tx.execute("INSERT OR ROLLBACK INTO t VALUES (1)")
        except Exception:
            pass
        tx.execute("INSERT INTO t VALUES ('after')")

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        careless()

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed, match="rolled back"):
            finish(w.start())
    assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]
    connection.close()


def test_saga(app):
    """What was done is undone in reverse order, where the workflow fails or is cancelled."""
    undone = []

    @app.step
    def book(what: str) -> str:
        if what == "hotel":
            raise ValueError("no room")
        return what

    @app.step
    def give_back(what: str) -> None:
        undone.append(what)

    @app.workflow
    def trip(ctx: wfext.Context, parts: list[str]) -> None:
        for part in parts:
            book(part)
            ctx.compensate(give_back, part)

    @app.workflow
    def trip_that_waits(ctx: wfext.Context) -> None:
        book("car")
        ctx.compensate(give_back, "car")
        ctx.wait_signal("go")

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed, match="no room"):
            finish(trip.start(["flight", "car", "hotel", "boat"]))
        assert undone == ["car", "flight"]
        undone.clear()
        handle = trip_that_waits.start()
        wait_for(lambda: handle.status == "waiting")
        handle.cancel()
        with pytest.raises(wfext.WorkflowCancelled):
            finish(handle)
        assert undone == ["car"]


def test_an_undo_is_not_lost(app):
    """Not to a transaction that came first and failed, nor to another undo that fails, nor where there was only a child."""
    undone = []

    @app.step
    def book(what: str) -> str:
        return what

    @app.step
    def give_back(what: str) -> None:
        undone.append(what)
        if what == "car":
            raise ValueError("they keep it")

    @app.transaction
    def bad(tx: wfext.Transaction) -> None:
        raise ValueError("no")

    @app.workflow
    def trip(ctx: wfext.Context) -> None:
        try:
            bad()
        except wfext.StepFailed:
            pass
        for part in ("flight", "car", "hotel"):
            book(part)
            ctx.compensate(give_back, part)
        ctx.wait_signal("go")

    @app.workflow
    def child(ctx: wfext.Context) -> int:
        return 1

    @app.workflow
    async def only_a_child(ctx: wfext.AsyncContext) -> None:
        await ctx.call(child)
        ctx.compensate(give_back, "child")
        await ctx.wait_signal("go")

    with app.worker():
        for workflow, expected in ((trip, ["hotel", "car", "flight"]), (only_a_child, ["child"])):
            undone.clear()
            handle = workflow.options(max_attempts=1).start()
            wait_for(lambda: handle.status == "waiting" and app.client.rows("SELECT count(*) FROM wf_pending WHERE id = ? AND reason LIKE '%go%'", handle.id)[0][0] == 1)
            handle.cancel()
            with pytest.raises((wfext.WorkflowCancelled, wfext.WorkflowFailed)):
                finish(handle)
            assert undone == expected


def test_an_error_that_is_no_text(app):
    """What cannot be shown, or is half a surrogate pair, is recorded all the same."""

    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no")

    @app.step
    def half() -> None:
        raise ValueError("\udce9")

    @app.workflow
    def w(ctx: wfext.Context, n: int) -> None:
        if n == 0:
            raise Odd
        half()

    with app.worker():
        for n in (0, 1):
            with pytest.raises(wfext.WorkflowFailed):
                finish(w.options(max_attempts=1).start(n))


def test_stream_followed_live(app):
    """A reader waits for what comes; a replay appends nothing twice."""

    @app.workflow
    def talk(ctx: wfext.Context) -> None:
        ctx.append("words", "one")
        ctx.sleep(0.01)
        ctx.append("words", "two")

    with app.worker():
        assert list(talk.start().stream("words")) == ["one", "two"]


def test_big_integers_and_floats(app):
    """Whole numbers of any size survive; a float that is whole is written as a whole number."""

    @app.step
    def give() -> dict:
        return {"big": 2**63 - 1, "float": 3.0, "null": None, "text": "\u2028 ö 🦆", "small": 1e-7, "large": 1e300}

    @app.workflow
    def w(ctx: wfext.Context) -> dict:
        return give()

    with app.worker():
        handle = w.start()
        assert finish(handle) == {"big": 2**63 - 1, "float": 3, "null": None, "text": "\u2028 ö 🦆", "small": 1e-7, "large": 1e300}
        assert '"float":3,' in app.client.call("wf_result", handle.id)


def test_numbers_are_written_alike_in_every_language(app):
    """The same numbers as in the other packages."""
    numbers = json.loads((Path(__file__).parents[2] / "numbers.json").read_text())

    @app.step
    def give() -> dict:
        return {"floats": [float(literal) for literal, _ in numbers["floats"]], "integers": [int(text) for text in numbers["integers"]]}

    @app.workflow
    def w(ctx: wfext.Context) -> dict:
        return give()

    @app.step
    def annotated() -> list[float]:
        return [1e18, 3.0]

    @app.workflow
    def of_floats(ctx: wfext.Context) -> str:
        return repr(annotated())

    with app.worker():
        handle = w.start()
        back = finish(handle)
        assert finish(of_floats.start()) == "[1e+18, 3.0]"
    text = app.client.call("wf_result", handle.id)
    assert text == '{"floats":[' + ",".join(text for _, text in numbers["floats"]) + '],"integers":[' + ",".join(numbers["integers"]) + "]}"
    assert [float(value) for value in back["floats"]] == [float(literal) for literal, _ in numbers["floats"]]
    assert [type(value) for value in back["floats"]] == [int if re.fullmatch(r"-?\d+", text) else float for _, text in numbers["floats"]]
    assert back["integers"] == [int(text) for text in numbers["integers"]]


def test_a_step_returns_what_its_record_reads_as(app):
    @app.step
    def pair() -> tuple:
        return (1, 2)

    @app.step
    def nothing() -> None:
        return None

    @app.workflow
    def w(ctx: wfext.Context) -> list:
        return [pair() == (1, 2), pair(), nothing()]

    with app.worker():
        assert finish(w.start()) == [False, [1, 2], None]


def test_values_that_are_not_json(app):
    """An error that names the place, never a quoted or rounded value."""

    @app.step
    def bad() -> dict:
        return {"list": [1, {"set": {1}}]}

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        bad()

    with app.worker():
        with pytest.raises(wfext.WorkflowFailed, match=r"what bad returns\.list\[1\]\.set is of type builtins\.set"):
            finish(w.start())


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Line:
    sku: str
    at: datetime.datetime
    colours: list[Colour]
    id: uuid.UUID
    note: str | None = None


class Typed(TypedDict):
    line: Line


def test_types_come_back(app):
    line = Line("tea", datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), [Colour.RED], uuid.UUID(int=7))

    @app.step
    def same(given: Typed) -> Typed:
        return given

    @app.workflow
    def w(ctx: wfext.Context, given: Line) -> Line:
        assert given == line
        assert same({"line": given}) == {"line": line}
        return given

    with app.worker():
        handle = w.start(line)
        assert finish(handle) == line
        assert app.client.rows("SELECT json_extract(input, '$.sku') FROM wf_workflows")[0] == ("tea",)


def test_outside_of_a_workflow(app):
    @app.step
    def inner() -> int:
        return 1

    @app.step
    def outer() -> int:
        return inner() + 1

    @app.workflow
    def w(ctx: wfext.Context) -> int:
        return outer()

    @app.workflow
    def in_a_thread(ctx: wfext.Context) -> str:
        caught = []

        def run():
            try:
                outer()
            except wfext.OutsideWorkflow as error:
                caught.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return caught[0]

    with pytest.raises(wfext.OutsideWorkflow):
        outer()
    assert inner.fn() == 1
    with app.worker():
        handle = w.start()
        assert finish(handle) == 2
        assert [step["name"] for step in handle.steps()] == ["outer"]
        assert "outside of a workflow" in finish(in_a_thread.start())


def test_colours(app):
    """A plain step in an async workflow is awaited through the context; the wrong way is a TypeError."""

    @app.step
    def plain() -> int:
        return 1

    @app.step
    async def coloured() -> int:
        return 2

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> list:
        try:
            plain()
        except TypeError:
            return [await ctx.step(plain), await ctx.step(coloured), await coloured()]
        return []

    with app.worker():
        assert finish(w.start()) == [1, 2, 2]


def test_changed_code(app):
    """patched(): new code for those that come here first, old code for those that were past it."""

    @app.step
    def old() -> str:
        return "old"

    @app.workflow(name="change")
    def before(ctx: wfext.Context) -> str:
        first = old()
        ctx.wait_signal("go")
        return first

    with app.worker():
        under_way = before.start()
        wait_for(lambda: under_way.status == "waiting")
    del app.workflows["change"]

    @app.workflow(name="change")
    def after(ctx: wfext.Context) -> str:
        if ctx.patched("new"):
            ctx.wait_signal("go")
            return "new"
        first = old()
        ctx.wait_signal("go")
        return first

    with app.worker():
        fresh = after.start()
        for handle in (fresh, under_way):
            handle.signal("go")
        assert finish(fresh) == "new"
        assert finish(under_way) == "old"


def test_continue_as(app):
    @app.workflow
    def count(ctx: wfext.Context, n: int) -> int:
        if n < 3:
            ctx.continue_as(n + 1)
        return n

    with app.worker():
        handle = count.start(0)
        assert finish(handle) == 3
        assert handle.steps() == []


def test_two_workers_of_one_name(app):
    @app.workflow
    def w(ctx: wfext.Context) -> None:
        pass

    first = app.start(name="one")
    try:
        with pytest.raises(wfext.Error, match="'one' is running"):
            app.start(name="one")
        second = app.start()
        third = app.start()
        assert second.name != third.name
        second.stop()
        third.stop()
    finally:
        first.stop()


def test_stop_gives_back(app):
    """Async work is cancelled and given back at once, and another worker goes on with it."""
    runs = []

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> int:
        runs.append(1)
        if len(runs) == 1:
            await asyncio.sleep(LONG)
        return len(runs)

    worker = app.start()
    handle = w.start()
    wait_for(lambda: runs == [1])
    worker.stop()
    assert handle.status == "pending"
    with app.worker():
        assert finish(handle) == 2


def test_declarations_that_cannot_be(app):
    with pytest.raises(TypeError, match="lambda"):
        app.step(lambda: 1)
    with pytest.raises(TypeError, match="generator"):

        @app.step
        def generator():
            yield 1

    with pytest.raises(TypeError, match="async function"):

        @app.step(timeout=1)
        def plain():
            pass

    with pytest.raises(TypeError, match="args"):

        @app.workflow
        def many(ctx, *args):
            pass

    with pytest.raises(TypeError, match="positional-only"):

        @app.workflow
        def positional(ctx, a, /):
            pass

    with pytest.raises(ValueError, match="ends in #"):

        @app.step(name="x#2")
        def counted():
            pass

    @app.step
    def one():
        pass

    with pytest.raises(wfext.Error, match="two steps of the name 'one'"):

        @app.step(name="one")
        def other():
            pass


def wait_for(condition):
    until = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < until, "it has not come"
        time.sleep(0.01)
