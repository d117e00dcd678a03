"""What is a mistake of the code, whose failure an error is, and what a cut short step leaves: each of them once was retried without end, dropped, or taken for a result."""

import asyncio
import datetime
import enum
import sqlite3
import sys
import threading
import time

import pytest

import wfext
from wfext.command.serving import grace
from wfext.testing import Harness

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


NAN = float("nan")
LONG_NAME = "x" * 300


def declared(app):
    """Something of each kind to give to the wrong place."""

    @app.workflow
    def w(ctx: wfext.Context, n: int = 0) -> int:
        return n

    @app.step
    def s(n: int = 0) -> int:
        return n

    @app.step
    async def of_a_loop(n: int = 0) -> int:
        return n

    return w, s, of_a_loop


@pytest.mark.parametrize(
    ("named", "given"),
    [
        ("path of the file is None", {"path": None}),
        ("path of the file is 5", {"path": 5}),
        ("path of the file is ''", {"path": ""}),
        ("path of the file is b'x'", {"path": b"x"}),
        ("'synchronus'", {"synchronus": "full"}),
        ("journal is 5", {"journal": 5}),
        ("journal is 'off'", {"journal": "off"}),
        ("synchronous is 1", {"synchronous": 1}),
        ("busy_timeout: .* -1", {"busy_timeout": -1}),
        ("busy_timeout: .* nan", {"busy_timeout": NAN}),
        ("pragmas is 5", {"pragmas": 5}),
        (r"pragmas is \['a'\]", {"pragmas": ["a"]}),
        ("pragmas has 5", {"pragmas": {5: 1}}),
        ("driver is 'nope'", {"driver": "nope"}),
        ("driver is 5", {"driver": 5}),
        ("lifespan is 5", {"lifespan": 5}),
    ],
)
def test_what_an_app_is_given_wrongly_is_named(tmp_path, named, given):
    with pytest.raises((TypeError, ValueError, ImportError), match=named):
        wfext.App(**{"path": tmp_path / "wrong.db", **given})


def test_what_is_declared_wrongly_is_named(app):
    w, s, of_a_loop = declared(app)
    for named, work in [
        ("name of a workflow is 5", lambda: app.workflow(name=5)(w.fn)),
        ("name of a workflow is ''", lambda: app.workflow(name="")(w.fn)),
        ("name of a workflow has 300 bytes", lambda: app.workflow(name=LONG_NAME)(w.fn)),
        ("queue of x is 5", lambda: app.workflow(name="x", queue=5)(w.fn)),
        ("queue of x is ''", lambda: app.workflow(name="x", queue="")(w.fn)),
        ("undo is 'yes'", lambda: app.workflow(name="x", undo="yes")(w.fn)),
        ("'queu'", lambda: app.workflow(queu="a")(w.fn)),
        ("timeout: .* nan", lambda: app.workflow(name="x", timeout=NAN)(w.fn)),
        (r"delay: .* \[1\]", lambda: app.workflow(name="x", delay=[1])(w.fn)),
        ("name of a step is 5", lambda: app.step(name=5)(s.fn)),
        ("name of a step has 300 bytes", lambda: app.step(name=LONG_NAME)(s.fn)),
        ("'attempt'", lambda: app.step(attempt=3)(s.fn)),
        ("backoff: .* -1", lambda: app.step(backoff=-1)(s.fn)),
        ("backoff: .* nan", lambda: app.step(backoff=NAN)(s.fn)),
        ("timeout needs an async function", lambda: app.step(timeout=1)(s.fn)),
        ("timeout is 0", lambda: app.step(timeout=0)(of_a_loop.fn)),
        ("a plain function", lambda: app.transaction(of_a_loop.fn)),
        ("in_doubt is 'maybe'", lambda: app.effect(in_doubt="maybe")(s.fn)),
        ("durable is 'yes'", lambda: app.effect(durable="yes")(s.fn)),
        ("name of a queue is 5", lambda: app.queue(5)),
        ("name of a rate is 5", lambda: app.rate(5, limit=1, per=1)),
        ("limit is 'many'", lambda: app.rate("r", limit="many", per=1)),
        ("limit is -1", lambda: app.rate("r", limit=-1, per=1)),
        ("per: .* nan", lambda: app.rate("r", limit=1, per=NAN)),
        ("per is 0", lambda: app.rate("r", limit=1, per=0)),
        ("name of a schedule is 5", lambda: app.schedule(5, "1h", w)),
        ("timing of the schedule s is 5", lambda: app.schedule("s", 5, w)),
        ("workflow of the schedule s is 'w'", lambda: app.schedule("s", "1h", "w")),
        ("workflow of the schedule s is <function", lambda: app.schedule("s", "1h", w.fn)),
        ("too many positional", lambda: app.schedule("s", "1h", w, 1, 2)),
        ("name of a worker is 5", lambda: app.start(name=5)),
        ("name of a worker is ''", lambda: app.start(name="")),
        ("queues is 'default'", lambda: app.start(queues="default")),
        (r"queues is \[5\]", lambda: app.start(queues=[5])),
        (r"queues is \[\]", lambda: app.start(queues=[])),
        ("workflows is 'w'", lambda: app.start(workflows="w")),
        (r"versions is \[5\]", lambda: app.start(versions=[5])),
        ("'concurency'", lambda: app.start(concurency=5)),
        ("grace: .* -1", lambda: app.start(grace=-1)),
        ("app of a worker is 'x'", lambda: wfext.Worker("x")),
        ("app of the harness is 'x.db'", lambda: Harness("x.db")),
        ("start is 'yesterday'", lambda: Harness(app, start="yesterday")),
        ("start is 5", lambda: Harness(app, start=5)),
        (r"load\(\) was given 'x.db'", lambda: wfext.load("x.db")),
    ]:
        with pytest.raises((TypeError, ValueError), match=named):
            work()
    assert set(app.workflows) == {"w"} and not app.schedules and not app.queues and not app.rates
    with pytest.raises(wfext.Invalid, match="concurency"):  # what the engine knows better
        app.queue("q", concurency=3)
        app.start()


class Name(str, enum.Enum):
    """Its str() is 'Name.A'."""

    A = "a"


def test_members_of_an_enum_are_the_text_that_they_are(app):
    """Whoever declares by one and whoever starts by the text, or the other way round, mean the same; and each record is found again."""

    @app.step(name=Name.A)
    def one() -> int:
        return 1

    @app.workflow(name=Name.A, queue=Name.A)
    def first(ctx: wfext.Context) -> list[int]:
        ctx.append(Name.A, 0)
        ctx.set(Name.A, 0)
        return [one(), one(), *ctx.map(Name.A, [1], lambda n: one())]

    @app.workflow(name="b")
    def second(ctx: wfext.Context) -> None:
        ctx.acquire(Name.A)
        ctx.wait_event(Name.A)
        ctx.join(ctx.start(Name.A))
        ctx.wait_signal(Name.A)

    app.queue(Name.A, concurrency=5)
    app.rate(Name.A, limit=100, per="1m")
    app.schedule(Name.A, "0 0 1 1 *", first)
    app.client.emit(Name.A, "1")
    for declared_ in (app.workflows, app.queues, app.rates, app.schedules):
        assert all(type(each) is str for each in declared_)
    with app.worker(name=Name.A, queues=[Name.A, "default"], workflows=[Name.A, "b"]):
        assert app.undeclared() == []
        by_member, by_text = app.ref(Name.A, queue=Name.A).start(), app.ref("a", queue="a").start()
        assert by_member.result(timeout=LONG) == by_text.result(timeout=LONG) == [1, 1, 1]
        assert [row["name"] for row in by_text.steps()] == ["append a", "a", "a#2", "a#3[0].a"]
        other = second.start()
        other.signal(Name.A, 1)
        other.result(timeout=LONG)
    assert [row["name"] for row in other.steps()] == ["a", "a#2", "a#3", "join", "a#4"]


def test_a_timing_may_be_longer_than_a_name(app):
    w, _, _ = declared(app)
    each = [",".join(map(str, range(*given))) for given in ((60,), (24,), (1, 29))]
    timing = f"{' '.join(each)} * *"
    assert len(timing) > 255
    app.schedule("often", timing, w)
    with app.worker():
        assert app.client.rows("SELECT cron FROM wf_schedules") == [(timing,)]
    for given in (5, ""):
        with pytest.raises(TypeError, match="timing of the schedule s is"):
            app.schedule("s", given, w)


def test_what_a_client_is_given_wrongly_is_named(app):
    w, _, _ = declared(app)
    handle = w.start()
    for named, work in [
        ("'idd'", lambda: w.options(idd="x")),
        ("delay: .* nan", lambda: w.options(delay=NAN).start()),
        ('"delay" must be 0 or more, got -1', lambda: w.options(delay=-1).start()),
        ('"id" has 300 bytes', lambda: w.options(id=LONG_NAME).start()),
        ("says no time zone", lambda: w.options(at=datetime.datetime(2030, 1, 1)).start()),
        ("unexpected keyword argument 'm'", lambda: w.start(m=1)),
        ("input of w.n is nan", lambda: w.start(NAN)),
        ("name of a workflow is 5", lambda: app.ref(5)),
        ("name of a workflow is ''", lambda: app.ref("")),
        ("'idd'", lambda: app.ref("w", idd="x")),
        ("id of a workflow is 5", lambda: app.handle(5)),
        ("id of a workflow is None", lambda: app.handle(None)),
        ("workflow of a handle is 'w'", lambda: app.handle("x", "w")),
        ("no workflow 'nope'", lambda: app.handle("nope").result(timeout=LONG)),
        ("timeout: .* -1", lambda: handle.result(timeout=-1)),
        ("timeout: .* nan", lambda: handle.result(timeout=NAN)),
        (r"parameter 2 of wf_signal\(\) is \['go'\]", lambda: handle.signal(["go"])),
        ("payload of go is nan", lambda: handle.signal("go", NAN)),
        ("says no time zone", lambda: handle.reschedule(datetime.datetime(2030, 1, 1))),
        (r"parameter 2 of wf_get\(\) is \[\]", lambda: handle.get([])),
        ("name of a stream is 5", lambda: handle.stream(5)),
        ("offset in the stream s is 'x'", lambda: handle.stream("s", "x")),
        ("offset in the stream s is -1", lambda: handle.stream("s", -1)),
        ('no option "fromm"', lambda: handle.retry(fromm=1)),
        ("event of wf_emit.* 5", lambda: app.client.emit(5)),
        (r"parameter 1 of wf_emit\(\) is \[\]", lambda: app.client.emit([])),  # sqlite3 says here what was wrong in the call before
        ("limit is 'x'", lambda: app.client.list(limit="x")),
        ("limit is -1", lambda: app.client.list(limit=-1)),
        ("no column 'statuss'", lambda: app.client.list(statuss="failed")),
        ("function of a call is 5", lambda: app.client.call(5)),
        ("function of a call is \"wf_status", lambda: app.client.call("wf_status('x'); DROP TABLE t")),
        ("name of a rate is 5", lambda: app.client.rate(5, limit=1, per=1)),
        ("duration is nan", lambda: app.sync(NAN)),
    ]:
        with pytest.raises((TypeError, ValueError, wfext.EngineError, wfext.NotJSON), match=named):
            work()
    assert [row["id"] for row in app.client.list()] == [handle.id]


IN_A_WORKFLOW = {
    "sleep": ("got -1", lambda c, d: c.sleep(-1)),
    "sleep nan": ("duration is nan", lambda c, d: c.sleep(NAN)),
    "sleep soon": ("'soon'", lambda c, d: c.sleep("soon")),
    "sleep none": ("duration is None", lambda c, d: c.sleep(None)),
    "sleep until": ("says no time zone", lambda c, d: c.sleep(datetime.datetime(2030, 1, 1))),
    "sleep name": ("name of a step has 300 bytes", lambda c, d: c.sleep(1, name=LONG_NAME)),
    "signal": ("name of a signal is 5", lambda c, d: c.wait_signal(5)),
    "signal none": ("name of a signal is None", lambda c, d: c.wait_signal(None)),
    "signal list": ("name of a signal is []", lambda c, d: c.wait_signal([])),
    "signal of two": ("name of a signal is 5", lambda c, d: c.wait_signal(["a", 5])),
    "signal timeout": ("duration is nan", lambda c, d: c.wait_signal("a", timeout=NAN)),
    "signal timeout negative": ("got -1", lambda c, d: c.wait_signal("a", timeout=-1)),
    "event": ("name of an event is ['e']", lambda c, d: c.wait_event(["e"], name="n")),
    "event long": ("name of an event has 300 bytes", lambda c, d: c.wait_event(LONG_NAME)),
    "join": ("what is joined is 'x'", lambda c, d: c.join("x")),
    "join list": ("what is joined is []", lambda c, d: c.join([])),
    "acquire": ("name of a rate is ['r']", lambda c, d: c.acquire(["r"], name="q")),
    "acquire amount": ("got text 'x'", lambda c, d: c.acquire("r", "x")),
    "start": ("what is started is 5", lambda c, d: c.start(5)),
    "start function": ("what is started is <function", lambda c, d: c.start(d[0].fn)),
    "start step": ("what is started is <step s>", lambda c, d: c.start(d[1])),
    "start nothing": ("name of a workflow is ''", lambda c, d: c.start("")),
    "start option": ("delay: a duration is nan", lambda c, d: c.start(d[0].options(delay=NAN))),
    "call": ("what is started is None", lambda c, d: c.call(None)),
    "append": ("name of a stream is ['x']", lambda c, d: c.append(["x"], 1)),
    "append nan": ("is nan", lambda c, d: c.append("x", NAN)),
    "set": ("key of a value is ['k']", lambda c, d: c.set(["k"], 1)),
    "map name": ("name of a step is 5", lambda c, d: c.map(5, [1], print)),
    "map items": ("items of map('m') are 5", lambda c, d: c.map("m", 5, print)),
    "map function": ("function of map('m') is 5", lambda c, d: c.map("m", [1], 5)),
    "patched": ("name of a step is 5", lambda c, d: c.patched(5)),
    "compensate": ("not <function", lambda c, d: c.compensate(d[1].fn)),
    "step": ("5 is no step", lambda c, d: c.step(5)),
}


def test_what_a_context_is_given_wrongly_fails_the_workflow_in_the_first_attempt(app):
    """In both colours, by an error that names it; not ten attempts, and no wait for ever."""
    others = declared(app)

    @app.workflow
    def of_a_thread(ctx: wfext.Context, what: str) -> None:
        IN_A_WORKFLOW[what][1](ctx, others)

    @app.workflow
    async def of_a_loop(ctx: wfext.AsyncContext, what: str) -> None:
        given = IN_A_WORKFLOW[what][1](ctx, others)
        if given is not None and hasattr(given, "__await__"):
            await given

    with app.worker():
        begun = [(what, workflow, workflow.start(what)) for what in IN_A_WORKFLOW for workflow in (of_a_thread, of_a_loop)]
        for what, workflow, handle in begun:
            error, attempts = failed(handle)
            assert IN_A_WORKFLOW[what][0] in error["message"] and attempts <= 2, (what, workflow, error, attempts)
