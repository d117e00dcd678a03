"""Workers: stopping from inside, resources, filters, what is declared, a machine that fails."""

import asyncio
import contextlib
import logging
import threading
import time

import pytest

import wfext
from test_python_scenarios import LONG, finish, wait_for


@pytest.mark.parametrize("where", ["plain workflow", "plain step", "async workflow", "async step", "transaction"])
def test_stop_inside_of_a_workflow(app, where):
    """It cannot wait for itself: it asks for the stop and returns, and the workflow is given back or ends."""
    worker = None
    took = []

    def stop(*_):
        begin = time.monotonic()
        worker.stop()
        took.append(time.monotonic() - begin)

    @app.step
    def plain_step() -> None:
        stop()

    @app.step
    async def async_step() -> None:
        stop()

    @app.transaction
    def in_transaction(tx: wfext.Transaction) -> None:
        stop()

    @app.workflow
    def plain(ctx: wfext.Context) -> None:
        if not took:
            {"plain workflow": stop, "plain step": plain_step, "transaction": in_transaction}[where]()

    @app.workflow
    async def looping(ctx: wfext.AsyncContext) -> None:
        if not took:
            await async_step() if where == "async step" else stop()

    worker = app.start(grace=LONG)
    handle = (looping if "async" in where else plain).start()
    wait_for(lambda: took)
    worker.stop()  # waits for the one that goes on
    assert took[0] < LONG / 2
    assert handle.status in ("completed", "pending")
    with app.worker():
        finish(handle)


def test_run_ends_where_a_workflow_stops_the_worker(app):
    worker = []

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        worker[0].stop()

    with app.worker() as started:
        worker.append(started)
        w.start()
        wait_for(lambda: started.is_stopped)


def test_resources_of_the_process(tmp_path):
    """Entered once, for all its workers, and left with the last."""
    seen = []

    @contextlib.contextmanager
    def lifespan(app):
        seen.append("in")
        yield {"client": 7}
        seen.append("out")

    app = wfext.App(tmp_path / "test.db", synchronous="normal", lifespan=lifespan)

    @app.workflow
    def w(ctx: wfext.Context) -> int:
        return ctx.app.state["client"] + ctx.state["client"]

    with app.worker():
        second = app.start()
        assert finish(w.start()) == 14
        second.stop()
        assert seen == ["in"]
    assert seen == ["in", "out"] and app.state is None
    with app.worker():
        assert finish(w.start()) == 14
    app.close()


def test_resources_of_a_loop(tmp_path):
    """An async lifespan is entered and left in the loop of the worker."""
    loops = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        loops.append(asyncio.get_running_loop())
        yield asyncio.Lock()
        loops.append(asyncio.get_running_loop())

    app = wfext.App(tmp_path / "test.db", synchronous="normal", lifespan=lifespan)

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> bool:
        async with ctx.state:
            return asyncio.get_running_loop() is loops[0]

    with app.worker():
        assert finish(w.start()) is True
        with pytest.raises(wfext.Error, match="one worker"):
            app.start()
        assert finish(w.start()) is True
    assert len(loops) == 2 and loops[0] is loops[1]
    app.close()


def test_a_lifespan_that_fails_starts_no_worker(tmp_path):
    @contextlib.contextmanager
    def lifespan(app):
        raise ConnectionError("no server")
        yield

    app = wfext.App(tmp_path / "test.db", synchronous="normal", lifespan=lifespan)

    @app.workflow
    def w(ctx: wfext.Context) -> None:
        pass

    for _ in range(2):
        with pytest.raises(ConnectionError):
            app.start(name="one")
    app.close()


def test_versions_and_workflows_of_a_worker(app):
    @app.workflow
    def bill(ctx: wfext.Context) -> int:
        return 1

    @app.workflow(version="3")
    def other(ctx: wfext.Context) -> int:
        return 2

    old, new, any_version, others = bill.options(version="1").start(), bill.options(version="2").start(), bill.start(), other.start()
    with app.worker(versions=["2"]):
        assert (finish(new), finish(any_version)) == (1, 1)
        assert (old.status, others.status) == ("pending", "pending")
    with app.worker(workflows=["other"]):
        assert finish(others) == 2
        assert old.status == "pending"
    with app.worker():
        assert finish(old) == 1
    with pytest.raises(wfext.Error, match="no workflow 'nothing'"):
        app.start(workflows=["nothing"])


def test_queues_and_schedules_are_declared_with_the_code(app, caplog):
    """Applied when a worker starts; what stands in the file and is not declared is said."""
    most, running, lock = [0], [0], threading.Lock()

    @app.workflow(queue="narrow")
    def one_by_one(ctx: wfext.Context, n: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return n

    app.queue("narrow", concurrency=1)
    app.rate("calls", limit=5, per="1h")
    app.schedule("nightly", "0 3 * * *", one_by_one, 7).options(timezone="Europe/Berlin")
    app.client.call("wf_schedule", "yearly", "@yearly", "one_by_one", '{"n": 1}')
    app.client.call("wf_schedule", "of others", "@yearly", "elsewhere")
    app.client.call("wf_queue", "narrow", '{"partition_concurrency": 3}')
    with caplog.at_level(logging.WARNING, "wfext"), app.worker():
        handles = [one_by_one.start(n) for n in range(5)]
        assert [finish(handle) for handle in handles] == list(range(5))
    assert most == [1]
    assert app.client.rows("SELECT name, workflow, input, timezone, json_extract(start, '$.queue') FROM wf_schedules WHERE name = 'nightly'") == [
        ("nightly", "one_by_one", '{"n":7}', "Europe/Berlin", "narrow")
    ]
    assert app.client.rows("SELECT rate_limit FROM wf_rates WHERE name = 'calls'") == [(5,)]
    assert app.undeclared() == ["schedule 'yearly'", "partition_concurrency of queue 'narrow'"]
    assert "schedule 'yearly', partition_concurrency of queue 'narrow'" in caplog.text


def test_a_schedule_fires(app):
    @app.workflow(queue="clockwork")
    def tick(ctx: wfext.Context, n: int = 3) -> int:
        return n

    app.schedule("ticks", "@hourly", tick)
    with app.worker():
        app.client.call("wf_trigger", "ticks")
        wait_for(lambda: app.client.list(name="tick", status="completed"))


def of_colour(app, colour, work):
    """A workflow of that colour, which has one attempt, and whose one step is `work`."""

    @app.workflow(max_attempts=1)
    def plain(ctx: wfext.Context) -> int:
        return work()

    @app.workflow(max_attempts=1)
    async def looping(ctx: wfext.AsyncContext) -> int:
        return await ctx.step(work)

    return plain if colour == "plain" else looping


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_machine_that_fails_is_no_failure_of_the_workflow(app, colour, monkeypatch):
    """A full disk, while a step is recorded: the attempt ends, nothing is counted, and another one comes through."""
    import sqlite3

    from wfext import database, worker

    monkeypatch.setattr(worker, "_AFTER_TROUBLE", 0.05)
    broken = [2]
    plain_value = database._value

    def value(connection, sql, params):
        if "wf_step" in sql and params[2] == "1" and broken[0] > 0:
            broken[0] -= 1
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = 13
            raise error
        return plain_value(connection, sql, params)

    monkeypatch.setattr(database, "_value", value)

    @app.step
    def work() -> int:
        return 1

    workflow = of_colour(app, colour, work)
    with app.worker():
        handle = workflow.start()
        assert finish(handle) == 1
    assert app.client.rows("SELECT count(*) FROM wf_failures") == [(0,)]


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_record_that_meets_a_locked_file_is_repeated_and_the_step_is_not(app, colour, monkeypatch):
    """As long as the lease lasts: the effect has happened."""
    from wfext import database

    done, locked = [], [3]
    plain_value = database._value

    def value(connection, sql, params):
        if "wf_step" in sql and params[2] == "1" and locked[0] > 0:
            locked[0] -= 1
            raise wfext.Busy("database is locked")
        return plain_value(connection, sql, params)

    monkeypatch.setattr(database, "_value", value)

    @app.step
    def work() -> int:
        done.append(1)
        return 1

    workflow = of_colour(app, colour, work)
    with app.worker():
        assert finish(workflow.start()) == 1
    assert (done, locked) == ([1], [0])


@pytest.mark.parametrize("in_doubt", ["hold", "retry", "fail"])
def test_effect_in_doubt(app, in_doubt):
    """Begun, and its worker went away: a person decides, or it is tried again under its key, or the workflow fails."""
    keys = []

    @app.effect(in_doubt=in_doubt)
    async def charge() -> str:
        keys.append(wfext.idempotency_key())
        if len(keys) == 1:
            await asyncio.sleep(LONG)
        return "paid"

    @app.workflow
    async def buy(ctx: wfext.AsyncContext) -> str:
        return await charge()

    worker = app.start()
    handle = buy.start()
    wait_for(lambda: keys)
    worker.stop()
    with app.worker():
        if in_doubt == "hold":
            wait_for(lambda: app.client.rows("SELECT workflow_id, step FROM wf_in_doubt") == [(handle.id, "charge")])
            app.client.call("wf_resolve", handle.id, "charge", "done", '"paid by hand"')
            assert finish(handle) == "paid by hand" and len(keys) == 1
        elif in_doubt == "retry":
            assert finish(handle) == "paid" and len(keys) == 2 and len(set(keys)) == 1
        else:
            with pytest.raises(wfext.WorkflowFailed):
                finish(handle)
            assert len(keys) == 1


def test_after_a_fork(app):
    """The child has connections of its own, and may start workflows."""
    import os

    @app.workflow
    def w(ctx: wfext.Context) -> int:
        return 1

    parent = w.start()  # the app has a connection now; no thread is inside of SQLite while the child is made
    pid = os.fork()
    if pid == 0:
        try:
            app.ref("w", id="of the child").start({})
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    with app.worker():
        assert finish(parent) == 1
        assert finish(app.handle("of the child")) == 1


def test_a_log_says_which_workflow(app):
    """Records of ctx.log, and of any logger whose handler has the filter, carry id, name, attempt and step."""
    lines = []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append((record.getMessage(), record.workflow_id, record.workflow, record.attempt, record.step))

    handler = Handler()
    handler.addFilter(wfext.LogContext())
    other = logging.getLogger("of the application")
    logging.getLogger("wfext").addHandler(handler)
    other.addHandler(handler)
    other.setLevel(logging.INFO)

    @app.step
    def plain() -> None:
        other.info("in the step")

    @app.transaction
    def rows(tx: wfext.Transaction) -> None:
        other.info("in the transaction")

    @app.workflow
    async def w(ctx: wfext.AsyncContext) -> None:
        ctx.log.warning("in the code")
        await ctx.step(plain)
        await ctx.step(rows)

    try:
        with app.worker():
            finish(w.options(id="w-1").start())
        other.info("outside")
    finally:
        logging.getLogger("wfext").removeHandler(handler)
        other.removeHandler(handler)
    assert lines == [
        ("in the code", "w-1", "w", 1, None),
        ("in the step", "w-1", "w", 1, "plain"),
        ("in the transaction", "w-1", "w", 1, "rows"),
        ("outside", None, None, None, None),
    ]
