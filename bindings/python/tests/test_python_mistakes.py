"""What is a mistake of the code, whose failure an error is, and what a cut short step leaves: each of them once was retried without end, dropped, or taken for a result."""

import asyncio
import sqlite3
import sys
import threading
import time

import pytest

import wfext
from wfext.command.serving import grace

LONG = 60  # seconds: a net for hangs, no measure


def failed(handle):
    """The error that it has failed with, and in how many attempts."""
    with pytest.raises(wfext.WorkflowFailed) as caught:
        handle.result(timeout=LONG)
    return caught.value.error, handle._client.rows("SELECT attempt FROM wf_workflows WHERE id = ?", handle.id)[0][0]


def test_an_error_about_another_workflow_is_the_failure_of_the_step(app):
    """WF_CANCELLED and the like end an attempt where they are about its own claim, in a call of the package's. In a step they are what the step raises, in either colour."""
    done = []

    @app.step
    async def steps_async(id: str) -> None:
        done.append("async")
        await asyncio.to_thread(app.client.call, "wf_step", id, "x", "1")

    @app.step
    def steps_plain(id: str) -> None:
        done.append("plain")
        app.client.call("wf_step", id, "x", "1")

    @app.transaction
    def writes(tx: wfext.Transaction, id: str) -> None:
        done.append("transaction")
        tx.execute("SELECT wf_step(?, 'x', '1')", (id,)).fetchall()

    @app.workflow
    async def of_a_loop(ctx: wfext.AsyncContext, id: str) -> list[str]:
        out = []
        for step in (steps_async, steps_plain, writes):
            try:
                await ctx.step(step, id)
            except wfext.StepFailed as error:
                out.append(error.error["code"])
        return out

    @app.workflow
    def of_a_thread(ctx: wfext.Context, id: str) -> list[str]:
        out = []
        for step in (steps_plain, writes):
            try:
                step(id)
            except wfext.StepFailed as error:
                out.append(error.error["code"])
        return out

    other = app.client.start("nobody")
    other.cancel()
    with app.worker():
        assert of_a_loop.start(other.id).result(timeout=LONG) == ["WF_CANCELLED"] * 3
        assert of_a_thread.start(other.id).result(timeout=LONG) == ["WF_CANCELLED"] * 2
    assert sorted(done) == ["async", "plain", "plain", "transaction", "transaction"]


def test_an_error_of_the_engine_in_a_transaction_is_recorded_in_both_colours(app):
    @app.transaction
    def twice(tx: wfext.Transaction) -> None:
        for given in ("1", "2"):
            tx.execute("SELECT wf_start('nobody', ?, '{\"id\":\"same\"}')", (given,)).fetchall()

    @app.workflow
    async def of_a_loop(ctx: wfext.AsyncContext) -> str:
        try:
            await ctx.step(twice)
        except wfext.StepFailed as error:
            return str(error.error["code"])
        return "no error"

    @app.workflow
    def of_a_thread(ctx: wfext.Context) -> str:
        try:
            twice()
        except wfext.StepFailed as error:
            return str(error.error["code"])
        return "no error"

    with app.worker():
        for workflow in (of_a_loop, of_a_thread):
            handle = workflow.start()
            assert handle.result(timeout=LONG) == "WF_CONFLICT"
            assert [(step["name"], step["status"]) for step in handle.steps()] == [("twice", "error")]


def test_a_file_that_a_transaction_cannot_open_is_its_own_failure(app):
    """CANTOPEN says of the app's file that the machine is to blame. Not where the function's statement, or its own connection, is about another file."""
    tries = []

    @app.transaction
    def attaches(tx: wfext.Transaction) -> None:
        tries.append("attaches")
        tx.execute("ATTACH '/nonexistent/x.db' AS y")

    @app.transaction
    def connects(tx: wfext.Transaction) -> None:
        tries.append("connects")
        sqlite3.connect("/nonexistent/x.db")

    @app.workflow
    async def of_a_loop(ctx: wfext.AsyncContext, name: str) -> str:
        await ctx.step({"attaches": attaches, "connects": connects}[name])
        return "done"

    @app.workflow
    def of_a_thread(ctx: wfext.Context, name: str) -> str:
        {"attaches": attaches, "connects": connects}[name]()
        return "done"

    with app.worker():
        for name in ("attaches", "connects"):
            for workflow in (of_a_loop, of_a_thread):
                error, attempts = failed(workflow.start(name))
                assert (error["type"], error["step"], attempts) == ("StepFailed", name, 1)
    assert tries == ["attaches", "attaches", "connects", "connects"]


def test_what_is_returned_after_ctx_lost_is_not_recorded(app):
    """`if ctx.lost: return` is no result, neither of a step nor of the workflow: whoever goes on does it again."""
    begun = threading.Event()
    rounds = []

    def looks(ctx, what):
        rounds.append(what)
        begun.set()
        until = time.monotonic() + (LONG if rounds.count(what) == 1 else 0.01)
        while time.monotonic() < until:
            if ctx.lost:
                return "cut short"
            time.sleep(0.005)
        return "whole"

    held = {}

    @app.step
    def step_of_a_thread() -> str:
        return looks(held["plain"], "step")

    @app.workflow
    def in_a_step(ctx: wfext.Context) -> str:
        held["plain"] = ctx
        return step_of_a_thread()

    @app.workflow
    def in_the_workflow(ctx: wfext.Context) -> str:
        return looks(ctx, "workflow")

    @app.step
    def step_of_a_loop() -> str:
        return looks(held["async"], "step of a loop")

    @app.workflow
    async def in_a_loop(ctx: wfext.AsyncContext) -> str:
        held["async"] = ctx
        return await ctx.step(step_of_a_loop)

    @app.transaction
    def rows(tx: wfext.Transaction) -> str:
        return looks(held["rows"], "transaction")

    @app.workflow
    def in_a_transaction(ctx: wfext.Context) -> str:
        held["rows"] = ctx
        return rows()

    for workflow in (in_a_step, in_the_workflow, in_a_loop, in_a_transaction):
        begun.clear()
        with app.worker():
            handle = workflow.start()
            assert begun.wait(LONG)
        assert handle.steps() == [] and handle.status == "pending", workflow
        with app.worker():
            assert handle.result(timeout=LONG) == "whole"


def test_a_step_that_ends_whole_during_the_stop_is_recorded(app):
    begun = threading.Event()

    @app.step
    def slow() -> str:
        begun.set()
        time.sleep(0.2)
        return "whole"

    @app.workflow
    def works(ctx: wfext.Context) -> str:
        return slow()

    with app.worker():
        handle = works.start()
        assert begun.wait(LONG)
    assert [step["output"] for step in handle.steps()] == ["whole"]


def test_a_backoff_as_text_is_taken(app):
    times = []

    @app.step(attempts=4, backoff="1ms", retry_on=[ValueError], timeout="1m")
    async def flaky() -> int:
        times.append(1)
        if len(times) < 4:
            raise ValueError("not yet")
        return len(times)

    @app.workflow
    async def tries(ctx: wfext.AsyncContext) -> int:
        return await flaky()

    assert (flaky.backoff, flaky.timeout, flaky.retry_on) == (0.001, 60.0, (ValueError,))
    with app.worker(lease="30s", grace="1s"):
        assert tries.start().result(timeout="1m") == 4


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"attempts": "3"}, "'3'"),
        ({"attempts": 0}, "0"),
        ({"backoff": "soon"}, "'soon'"),
        ({"backoff": [1]}, r"\[1\]"),
        ({"retry_on": "ValueError"}, "'ValueError'"),
        ({"retry_on": [ValueError, 3]}, "3"),
        ({"timeout": "7 days"}, "'7 days'"),
    ],
)
def test_wrong_options_of_a_step_are_said_where_it_is_declared(app, given, named):
    async def work() -> None:
        pass

    with pytest.raises((TypeError, ValueError), match=f"work: .*{named}"):
        app.step(**given)(work)


def test_durations_that_are_none_are_said_by_their_value(app):
    @app.workflow
    def any_one(ctx: wfext.Context) -> None:
        pass

    for given in ({"lease": "soon"}, {"grace": "later"}, {"lease": None}, {"concurrency": "8"}):
        with pytest.raises((TypeError, ValueError), match=f"{next(iter(given))}.* {next(iter(given.values()))!r}"):
            app.start(**given)
    assert (grace("20"), grace("1m30s")) == (20, 90)
    with pytest.raises(ValueError, match="'later'"):
        grace("later")
    with pytest.raises(ValueError, match="timeout.*'never'"):
        any_one.start().result(timeout="never")


def test_mistakes_of_the_code_fail_for_good_in_the_first_attempt(app):
    @app.step
    def plain(n: int) -> int:
        return n

    @app.step
    async def of_a_loop(n: int) -> int:
        return n

    @app.step
    def leaves() -> None:
        sys.exit(3)

    @app.workflow
    async def calls_a_plain_step(ctx: wfext.AsyncContext) -> int:
        return plain(1)

    @app.workflow
    def calls_an_async_step(ctx: wfext.Context) -> int:
        return of_a_loop(1)

    @app.workflow
    def gives_a_counted_name(ctx: wfext.Context) -> None:
        ctx.sleep("1s", name="a#1")

    @app.workflow
    def leaves_in_a_step(ctx: wfext.Context) -> None:
        leaves()

    @app.workflow
    def leaves_itself(ctx: wfext.Context) -> None:
        sys.exit(3)

    @app.workflow
    async def leaves_a_loop(ctx: wfext.AsyncContext) -> None:
        sys.exit(3)

    @app.workflow
    def wants_input(ctx: wfext.Context, n: int) -> int:
        return n

    @app.workflow
    def sleeps_a_list(ctx: wfext.Context) -> None:
        ctx.sleep([1])

    @app.workflow
    def starts_with_too_much(ctx: wfext.Context) -> None:
        ctx.start(wants_input, 1, 2)

    with app.worker():
        for workflow in (calls_a_plain_step, calls_an_async_step, gives_a_counted_name, leaves_in_a_step, leaves_itself, leaves_a_loop, sleeps_a_list, starts_with_too_much):
            error, attempts = failed(workflow.start())
            assert attempts == 1, (workflow, error)
        error, attempts = failed(app.ref("wants_input").start({"m": 1}))
        assert attempts == 1 and "wants_input" in error["message"]


def test_a_recorded_timeout_that_nobody_catches_fails_for_good(app):
    @app.workflow
    def of_a_thread(ctx: wfext.Context) -> None:
        ctx.wait_signal("never", timeout="1ms")

    @app.workflow
    async def of_a_loop(ctx: wfext.AsyncContext) -> None:
        await ctx.wait_signal("never", timeout="1ms")

    @app.workflow
    async def side_by_side(ctx: wfext.AsyncContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.wait_signal("never", timeout="1ms"))
            group.create_task(ctx.wait_event("nor this", timeout="1ms"))

    with app.worker():
        for workflow in (of_a_thread, of_a_loop, side_by_side):
            handle = workflow.start()
            error, _ = failed(handle)
            assert error["type"] in ("TimeoutError", "ExceptionGroup")
            assert app.client.rows("SELECT count(*) FROM wf_failures WHERE workflow_id = ?", handle.id)[0][0] == 1


def test_pragmas_reach_every_connection(tmp_path):
    """foreign_keys=ON on a connection of the application's alone lets a transaction write what refers to nothing."""
    app = wfext.App(tmp_path / "test.db", synchronous="normal", pragmas={"foreign_keys": 1})

    @app.transaction
    def refers(tx: wfext.Transaction) -> None:
        tx.execute("INSERT INTO child VALUES (99)")

    @app.workflow
    def writes(ctx: wfext.Context) -> str:
        try:
            refers()
        except wfext.StepFailed as error:
            return str(error.error["message"])
        return "written"

    db = app.connect()
    assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)
    db.execute("CREATE TABLE parent(id PRIMARY KEY)")
    db.execute("CREATE TABLE child(id REFERENCES parent)")
    with app.worker():
        assert "FOREIGN KEY" in writes.start().result(timeout=LONG)
    assert db.execute("SELECT count(*) FROM child").fetchone() == (0,)
    db.close()
    app.close()
    for given in ({"journal_mode": "off"}, {"foreign_keys": "1; DROP TABLE child"}, {"a b": 1}):
        with pytest.raises(ValueError, match="pragmas has"):
            wfext.App(tmp_path / "test.db", pragmas=given)
