"""Who starts workflows and asks after them: by name, by id, with filters, in a loop."""

import asyncio
import datetime

import pytest

import wfext
from test_python_scenarios import finish, wait_for


@pytest.fixture
def double(app):
    @app.workflow(queue="numbers")
    def double(ctx: wfext.Context, n: int) -> int:
        return 2 * n

    return double


def test_a_workflow_by_its_name(app, double, tmp_path):
    """Of a caller that does not have the code."""
    caller = wfext.App(tmp_path / "test.db", synchronous="normal")
    named = caller.ref("double", queue="numbers")
    with app.worker():
        assert named.options(id="by name").start({"n": 2}).result(timeout=60) == 4
        assert asyncio.run(starts_and_waits(named)) == 6
        assert finish(caller.handle("by name")) == 4
    caller.close()


async def starts_and_waits(named):
    handle = await named.astart({"n": 3})
    return await handle.aresult(timeout=60)


def test_a_list_with_filters(app, double):
    handles = [double.options(id=f"w-{n}", tags={"customer": str(n % 2)}, priority=n).start(n) for n in range(4)]
    handles[3].cancel()
    assert [row["id"] for row in app.client.list()] == ["w-3", "w-2", "w-1", "w-0"]
    assert [row["id"] for row in app.client.list(status="cancelled")] == ["w-3"]
    assert [row["id"] for row in app.client.list(tag="customer=0", queue="numbers")] == ["w-2", "w-0"]
    assert [row["id"] for row in app.client.list(where="priority > ?", params=(1,), limit=1)] == ["w-3"]
    with pytest.raises(ValueError, match="no column 'colour'"):
        app.client.list(colour="red")


def test_all_that_a_handle_can(app, double):
    """status result error signal cancel pause resume retry fork reschedule steps"""
    handle = double.options(delay="1h").start(1)
    assert handle.pause() and handle.status == "paused" and handle.resume()
    assert handle.reschedule("2100-01-01") and handle.reschedule(datetime.datetime.now(datetime.timezone.utc)) and not handle.reschedule()
    with app.worker():
        assert finish(handle) == 2 and handle.steps() == [] and handle.error is None
        assert finish(handle.fork(id="fork")) == 2
    other = double.start(5)
    assert other.cancel("no need") and not other.cancel()
    assert other.error == "no need"
    with pytest.raises(wfext.WorkflowCancelled, match="no need"):
        other.result(timeout=60)
    other.retry()
    with app.worker():
        assert finish(other) == 10
    for wrong in (lambda: app.handle("nobody").status, lambda: app.handle("nobody").signal("x"), lambda: app.handle("nobody").cancel()):
        with pytest.raises(wfext.NotFound):
            wrong()


def test_options_of_a_start(app, double):
    later = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    handle = double.options(
        at=later, timeout=datetime.timedelta(hours=1), priority=3, partition="p", dedup="d", headers={"from": "test"}, max_attempts=2, max_failures=5, backoff={"initial": 1}, manual=True, version="2"
    ).start(1)
    (row,) = app.client.list()
    assert (row["id"], row["priority"], row["partition"], row["version"], row["due_at"]) == (handle.id, 3, "p", "2", "2100-01-01 00:00:00.000")
    assert double.options(dedup="d").start(9).id == handle.id
    assert double.options(id="x", if_exists="return").start(1).id == "x"
    assert double.options(id="x", if_exists="return").start(2).id == "x"
    with pytest.raises(wfext.Conflict):
        double.options(id="x").start(2)
    with pytest.raises(ValueError, match="no time zone"):
        double.options(at=datetime.datetime(2100, 1, 1)).start(1)
    with pytest.raises(TypeError):
        double.options(colour="red")


def test_an_event_and_a_workflow_that_waits_for_it(app):
    @app.workflow
    def opening(ctx: wfext.Context) -> dict:
        return ctx.wait_event("shop opens")

    with app.worker():
        handle = opening.start()
        wait_for(lambda: handle.status == "waiting")
        assert app.client.emit("shop opens", {"at": 9}) == {"at": 9} == app.client.emit("shop opens", {"at": 10})
        assert finish(handle) == {"at": 9}


def test_errors_have_classes(app, double):
    handle = double.options(id="w").start(1)
    claim = app.client.call("wf_claim", '["numbers"]', "somebody")
    assert claim
    with pytest.raises(wfext.Leased):
        app.client.call("wf_step", handle.id, "x", "1")
    with pytest.raises(wfext.Invalid):
        app.client.call("wf_start", "")
    with pytest.raises(wfext.EngineError) as caught:
        app.client.call("wf_resume", "nobody")
    assert isinstance(caught.value, wfext.NotFound) and caught.value.code == "WF_NOT_FOUND"


def test_a_start_says_its_id(app, double):
    """So that it may be repeated when its answer was lost: it was made once, in the order of time."""
    ids = [double.start(1).id for _ in range(3)] + [app.ref("double").start({"n": 1}).id]
    assert sorted(ids) == ids and len(set(ids)) == 4
    assert all(id[14] == "7" for id in ids)
    assert double.options(dedup="one").start(1).id == double.options(dedup="one").start(2).id


def test_calls_that_belong_into_no_group(app, double):
    """wf_wait does not hold the connection of the others, and wf_run is made alone."""
    assert app.client.call("wf_wait", 0.01, '{"queue": "nothing here"}') == 0
    app.client.call("wf_define", "script", '{"steps": [{"name": "one", "sql": "SELECT 1"}]}')
    handle = app.ref("script").start()
    app.client.call("wf_run")
    assert handle.status == "completed"
