"""The random calls: what is called with what, in groups. A method with @play makes one call, or a few that belong together."""

import model_calls as calls
from model_calls import Some

where = Some([0] * 8 + [1] * 2 + [2])
inline = Some([False] * 11 + [True])
flag = Some([False, True])
some = Some(range(6))


def play(weight=1, **pools):
    def mark(method):
        method.play = weight, pools
        return method

    return mark


class Lifecycle:
    @play(4, c=where, name=calls.names, input=calls.inputs, options=calls.start_options, inline=inline)
    def start(self, c, name, input, options, inline):
        self.check(c, "wf_start", name, input, options=options, inline=inline)

    @play(2, c=where, input=calls.inputs, options=calls.start_options, id=Some(calls.IDS))
    def start_by_id(self, c, input, options, id):
        self.check(c, "wf_start", "job", input, options=options | {"id": id} if isinstance(options, dict) else options)

    @play(3, c=where, queue=calls.queues, worker=calls.workers, options=calls.claim_options, inline=inline)
    def claim(self, c, queue, worker, options, inline):
        self.check(c, "wf_claim", queue, worker, options=options, inline=inline)

    @play(5, c=where, worker=calls.workers)
    def claim_next(self, c, worker):
        self.check(c, "wf_claim", '["default","q"]', worker, options={})

    @play(3, c=where, id=calls.claimable_ids, worker=calls.workers, options=calls.claim_id_options)
    def claim_by_id(self, c, id, worker, options):
        self.check(c, "wf_claim", None, worker, options=options | {"id": id} if isinstance(options, dict) else options)

    @play(1, c=where, handle=calls.handles, step=calls.steps)
    def read_step(self, c, handle, step):
        self.check(c, "wf_step", handle, step)

    @play(3, c=where, handle=calls.handles, step=calls.steps, output=calls.reports, options=calls.step_options, inline=inline)
    def record_step(self, c, handle, step, output, options, inline):
        self.check(c, "wf_step", handle, step, output, options=options, inline=inline)

    @play(2, c=where, handle=calls.handles, step=calls.steps, error=calls.errors, options=calls.error_options, inline=inline)
    def record_error(self, c, handle, step, error, options, inline):
        self.check(c, "wf_step", handle, step, error, options=options | {"error": True} if isinstance(options, dict) else options, inline=inline)

    @play(4, c=where, id=calls.claimable_ids, step=calls.steps, other=calls.steps, what=Some(["retry", "retry", "fork", "fail", "keep", "keep"]), options=calls.errors_options)
    def an_error_stands(self, c, id, step, other, what, options):
        """It is the outcome of one step; then the workflow goes on, fails, is retried or forked."""
        id, token = self.resolve(id), calls.Ref("token", 0)
        self.check(c, "wf_claim", None, "worker-1", options={"id": id, "lease": "1h"})
        if what == "fail":
            self.check(c, "wf_fail", token, "e", options={"delay": 5})
            self.set_time(self.now + 5000)
            self.check(c, "wf_claim", None, "worker-1", options={"id": id})
        self.check(c, "wf_step", token, step, '"no"', options={"error": True})
        if what == "retry":
            self.check(c, "wf_fail", token, "e", options={"retry": False})
            self.check(c, "wf_retry", id, options=options)
            self.check(c, "wf_key", id, step)
        elif what == "fork":
            self.check(c, "wf_fork", id, options={"id": "w3"})
            self.check(c, "wf_step", "w3", step)
        elif what == "fail":
            self.check(c, "wf_fail", token, "e", options={"delay": 5})
        else:
            for _ in range(3):
                self.check(c, "wf_fail", token, "e", options={"step": other, "keep": True})
            self.check(c, "wf_fail", token, "e", options={"delay": 5})

    @play(1, c=where, handle=calls.handles, step=calls.steps, options=calls.error_options)
    def read_step_as_value(self, c, handle, step, options):
        self.check(c, "wf_step", handle, step, None, options=options | {"values": True} if isinstance(options, dict) else options)

    @play(2, c=where, handle=calls.handles, output=calls.reports, options=calls.now_options, inline=inline)
    def complete(self, c, handle, output, options, inline):
        self.check(c, "wf_complete", handle, output, options=options, inline=inline)

    @play(2, c=where, handle=calls.handles, error=calls.errors, options=calls.fail_options, inline=inline)
    def fails(self, c, handle, error, options, inline):
        self.check(c, "wf_fail", handle, error, options=options, inline=inline)

    @play(1, c=where, handle=calls.handles, error=calls.errors, options=calls.fail_step_options, step=calls.steps, most=Some([None, 1, 2, 3]))
    def fails_in_a_step(self, c, handle, error, options, step, most):
        if isinstance(options, dict):
            options = options | {"step": step} | ({"max_attempts": most} if most else {})
        self.check(c, "wf_fail", handle, error, options=options)

    @play(2, c=where, handle=calls.handles, input=calls.inputs, options=calls.continue_options, inline=inline)
    def continues(self, c, handle, input, options, inline):
        self.check(c, "wf_continue", handle, input, options=options, inline=inline)

    @play(2, c=where, handle=calls.handles, options=calls.release_options, inline=inline)
    def release(self, c, handle, options, inline):
        self.check(c, "wf_release", handle, options=options, inline=inline)

    @play(1, c=where, handle=calls.handles, length=calls.durations, options=calls.now_options, inline=inline)
    def heartbeat(self, c, handle, length, options, inline):
        self.check(c, "wf_heartbeat", handle, length, options=options, inline=inline)

    @play(1, c=where, handles=calls.Several(Some(calls.LIVE * 3 + calls.TOKEN), 1, 3), length=calls.durations)
    def heartbeat_of_several(self, c, handles, length):
        self.check(c, "wf_heartbeat", handles, length, options={})

    @play(1, c=where, id=calls.ids, step=calls.steps, queue=calls.some_queue)
    def read(self, c, id, step, queue):
        for function in ("wf_status", "wf_result", "wf_error"):
            self.check(c, function, id)
        self.check(c, "wf_key", id, step)
        for function in ("wf_pending", "wf_ready"):
            self.check(c, function, queue)

    @play(2, c=where, worker=calls.workers, n=some)
    def leases_are_lost(self, c, worker, n):
        """A claim whose worker dies: the next one comes when its lease has run out."""
        for _ in range(1 + n % 3):
            self.check(c, "wf_claim", '["default","q"]', worker, options={"lease": 5})
            self.set_time(self.now + 5000)


class Service:
    @play(1, c=where, options=calls.recover_options, inline=inline)
    def recover(self, c, options, inline):
        self.check(c, "wf_recover", options=options, inline=inline)

    @play(1, c=where, setting=calls.settings)
    def config(self, c, setting):
        self.check(c, "wf_config", *setting)


class Waiting:
    @play(2, c=where, handle=calls.handles, step=calls.steps, until=calls.moments, options=calls.wait_options, inline=inline)
    def sleep(self, c, handle, step, until, options, inline):
        self.check(c, "wf_sleep", handle, step, until, options=options, inline=inline)

    @play(4, c=where, id=calls.ids, signal=calls.topic, payload=calls.payloads, options=calls.signal_options, inline=inline)
    def signal(self, c, id, signal, payload, options, inline):
        self.check(c, "wf_signal", id, signal, payload, options=options, inline=inline)

    @play(4, c=where, handle=calls.handles, step=calls.steps, signal=calls.topics, timeout=calls.timeouts, options=calls.wait_options, inline=inline)
    def await_signal(self, c, handle, step, signal, timeout, options, inline):
        self.check(c, "wf_await", handle, step, signal, timeout, options=options, inline=inline)

    @play(1, c=where, event=calls.topic, payload=calls.payloads, options=calls.now_options, inline=inline)
    def emit(self, c, event, payload, options, inline):
        self.check(c, "wf_emit", event, payload, options=options, inline=inline)

    @play(2, c=where, handle=calls.handles, step=calls.steps, event=calls.topics, timeout=calls.timeouts, options=calls.wait_options, inline=inline)
    def await_event(self, c, handle, step, event, timeout, options, inline):
        self.check(c, "wf_await_event", handle, step, event, timeout, options=options, inline=inline)

    @play(5, c=where, handle=calls.handles, step=calls.steps, waits=calls.waits, timeout=calls.timeouts, options=calls.wait_any_options, inline=inline)
    def wait_for_several(self, c, handle, step, waits, timeout, options, inline):
        self.check(c, "wf_wait_any", handle, step, waits, timeout, options=options, inline=inline)

    @play(3, c=where, n=some, by_id=flag)
    def repeat_the_open_wait(self, c, n, by_id):
        """As a script does that is run again."""
        waiting = [w for w in self.model.state.workflows.values() if w.real == "waiting" and w.wait.kind != "step"]
        if waiting:
            w = waiting[n % len(waiting)]
            handle = w.id if by_id or not w.closed or w.closed[0] == "id" else w.closed[0]
            more = {"sleep": [5], "await": ["x"], "await_event": ["x"], "join": [], "wait_any": ['[{"signal":"x"}]']}[w.wait.kind]
            self.check(c, "wf_" + w.wait.kind, handle, w.wait.name, *more, options={})

    @play(2, c=where, id=calls.claimable_ids, step=calls.steps, signal=Some(["x", '["x","y"]']), timeout=calls.timeouts, woken=flag)
    def claim_and_await(self, c, id, step, signal, timeout, woken):
        self.check(c, "wf_claim", None, "worker-1", options={"id": id})
        self.check(c, "wf_await", calls.Ref("token", 0), step, signal, timeout, options={})
        if woken:
            self.check(c, "wf_signal", calls.Ref("waiting", 0), "x", options={})

    @play(3, c=where, id=calls.claimable_ids, step=calls.steps, other=calls.steps, signal=Some(["x", "y"]), what=Some(["release", "sleep", "late", "signal"]))
    def keep_waits_side_by_side(self, c, id, step, other, signal, what):
        self.check(c, "wf_claim", None, "worker-1", options={"id": id, "lease": 10})
        self.check(c, "wf_await", calls.Ref("token", 0), step, signal, None, options={"keep": True})
        self.check(c, "wf_wait_any", calls.Ref("token", 0), other, '[{"event":"x"},{"sleep":"20s"}]', None, options={"keep": True})
        if what == "release":
            self.check(c, "wf_release", calls.Ref("token", 0), options={})
        elif what == "sleep":
            self.check(c, "wf_sleep", calls.Ref("token", 0), "d", 15, options={})
        elif what == "late":
            self.set_time(self.now + 11_000)
            self.check(c, "wf_claim", None, "worker-1", options={})
        else:
            self.check(c, "wf_signal", calls.Ref("waiting", 0), signal, None, options={})


class Children:
    @play(3, c=where, handle=calls.handles, step=calls.steps, name=calls.names, input=calls.inputs, options=calls.spawn_options, inline=inline)
    def spawn(self, c, handle, step, name, input, options, inline):
        self.check(c, "wf_spawn", handle, step, name, input, options=options, inline=inline)

    @play(2, c=where, handle=calls.handles, step=calls.steps, ids=calls.join_ids, options=calls.join_options, inline=inline)
    def join(self, c, handle, step, ids, options, inline):
        self.check(c, "wf_join", handle, step, ids, options=options, inline=inline)

    @play(2, c=where, handle=calls.handles, options=calls.spawn_options, mode=Some(["all", "any"]), n=some)
    def spawn_and_join(self, c, handle, options, mode, n):
        handle = self.resolve(handle)
        for step in "ab"[:1 + n % 2]:
            self.check(c, "wf_spawn", handle, step, "job", None, options={} if n < 3 else options)
        self.check(c, "wf_join", handle, "j", None, options={"mode": mode})

    @play(2, c=where, n=some, how=Some(["wf_complete", "wf_complete", "wf_fail", "wf_cancel"]))
    def a_child_ends(self, c, n, how):
        children = [w.id for w in self.model.state.workflows.values() if w.parent is not None and not w.over]
        if children:
            options = {"retry": False} if how == "wf_fail" else {}
            self.check(c, how, children[n % len(children)], '{"n":1}', options=options)


class Intent:
    @play(3, c=where, handle=calls.handles, step=calls.steps, options=calls.begin_options, inline=inline)
    def begin_step(self, c, handle, step, options, inline):
        self.check(c, "wf_begin", handle, step, options=options, inline=inline)

    @play(1, c=where, id=calls.ids, step=calls.steps, verdict=calls.verdicts, value=calls.reports, options=calls.now_options, inline=inline)
    def resolve_step(self, c, id, step, verdict, value, options, inline):
        self.check(c, "wf_resolve", id, step, verdict, value, options=options, inline=inline)

    @play(2, c=where, verdict=calls.verdicts, value=calls.reports, n=some)
    def resolve_one_in_doubt(self, c, verdict, value, n):
        doubtful = self.model.in_doubt()
        if doubtful:
            w, step = doubtful[n % len(doubtful)]
            self.check(c, "wf_resolve", w.id, step.name, verdict, value, options={})

    @play(2, c=where, id=calls.claimable_ids, step=calls.steps, what=Some(["hold", "hold", "fail", "retry"]))
    def leave_in_doubt(self, c, id, step, what):
        """Begun by a claim that is given back; the next one asks."""
        for options in ({}, {"in_doubt": what}):
            id = self.resolve(id)
            self.check(c, "wf_claim", None, "worker-2", options={"id": id})
            self.check(c, "wf_begin", calls.Ref("token", 0), step, options=options)
            if not options:
                self.check(c, "wf_release", calls.Ref("token", 0), options={})


class Values:
    @play(1, c=where, handle=calls.handles, key=calls.topic, value=calls.reports, options=calls.now_options, inline=inline)
    def set_value(self, c, handle, key, value, options, inline):
        self.check(c, "wf_set", handle, key, value, options=options, inline=inline)

    @play(1, c=where, id=calls.ids, key=calls.topic)
    def get_value(self, c, id, key):
        self.check(c, "wf_get", id, key)

    @play(2, c=where, handle=calls.handles, stream=calls.topic, value=calls.reports, options=calls.append_options, inline=inline)
    def append(self, c, handle, stream, value, options, inline):
        self.check(c, "wf_append", handle, stream, value, options=options, inline=inline)

    @play(1, c=where, handle=calls.handles, stream=calls.topic, items=calls.items, options=calls.append_options, inline=inline)
    def append_several(self, c, handle, stream, items, options, inline):
        self.check(c, "wf_append", handle, stream, items, options=options | {"each": True} if isinstance(options, dict) else options, inline=inline)

    @play(1, c=where, handle=calls.handles, key=calls.tag_keys, value=calls.tag_values, options=calls.now_options, inline=inline)
    def tag(self, c, handle, key, value, options, inline):
        self.check(c, "wf_tag", handle, key, value, options=options, inline=inline)

    @play(1, c=where, handle=calls.handles, stream=calls.topic)
    def close_stream(self, c, handle, stream):
        self.check(c, "wf_append", handle, stream, None, options={"close": True})

    @play(1, c=where, id=calls.ids, stream=calls.topic, offset=calls.offsets, options=calls.trim_options, inline=inline)
    def trim(self, c, id, stream, offset, options, inline):
        self.check(c, "wf_trim", id, stream, offset, options=options, inline=inline)


class Control:
    @play(3, c=where, ids=calls.some_ids, reason=calls.reasons, options=calls.cancel_options, inline=inline)
    def cancel(self, c, ids, reason, options, inline):
        self.check(c, "wf_cancel", ids, reason, options=options, inline=inline)

    @play(2, c=where, ids=calls.some_ids, options=calls.pause_options, inline=inline)
    def pause(self, c, ids, options, inline):
        self.check(c, "wf_pause", ids, options=options, inline=inline)

    @play(1, c=where, ids=calls.some_ids, options=calls.pause_options, inline=inline)
    def resume(self, c, ids, options, inline):
        self.check(c, "wf_resume", ids, options=options, inline=inline)

    @play(2, c=where)
    def resume_all_paused(self, c):
        paused = [w.id for w in self.model.state.workflows.values() if w.status == "paused"]
        if paused:
            self.check(c, "wf_resume", paused, options={})

    @play(2, c=where, ids=calls.some_ids, time=calls.times, options=calls.pause_options, inline=inline)
    def reschedule(self, c, ids, time, options, inline):
        self.check(c, "wf_reschedule", ids, time, options=options, inline=inline)

    @play(1, c=where, ids=calls.some_ids, options=calls.retry_options, inline=inline)
    def retry(self, c, ids, options, inline):
        self.check(c, "wf_retry", ids, options=options, inline=inline)

    @play(4, c=where, options=calls.retry_options, n=some)
    def retry_one_that_ended(self, c, options, n):
        ended = [w.id for w in self.model.state.workflows.values() if w.status in ("failed", "cancelled")]
        if ended:
            self.check(c, "wf_retry", ended[n % len(ended)], options=options)

    @play(1, c=where, ids=calls.some_ids, options=calls.delete_options, inline=inline)
    def delete(self, c, ids, options, inline):
        self.check(c, "wf_delete", ids, options=options, inline=inline)

    @play(1, c=where, id=calls.ids, options=calls.fork_options, inline=inline)
    def fork(self, c, id, options, inline):
        self.check(c, "wf_fork", id, options=options, inline=inline)

    @play(1, c=where, options=calls.purge_options, inline=inline)
    def purge(self, c, options, inline):
        self.check(c, "wf_purge", options={"older_than": 10} | options if isinstance(options, dict) else options, inline=inline)


class Tick:
    @play(1, c=where, options=calls.tick_options, inline=inline)
    def tick(self, c, options, inline):
        self.check(c, "wf_tick", options=options, inline=inline)


class FlowControl:
    @play(1, c=where, name=calls.queue_names, options=calls.queue_options, inline=inline)
    def queue(self, c, name, options, inline):
        self.check(c, "wf_queue", name, options=options, inline=inline)

    @play(1, c=where, name=calls.queue_names, worker=calls.workers, options=calls.start_options)
    def start_and_claim(self, c, name, worker, options):
        if isinstance(options, dict):
            self.check(c, "wf_start", "job", None, options=options | {"queue": name, "partition": "p1"})
        self.check(c, "wf_claim", name, worker, options={})


class Schedules:
    @play(3, c=where, name=calls.schedule_names, cron=calls.crons, workflow=calls.names, input=calls.inputs, options=calls.schedule_options, inline=inline)
    def schedule(self, c, name, cron, workflow, input, options, inline):
        self.check(c, "wf_schedule", name, cron, workflow, input, options=options, inline=inline)

    @play(1, c=where, name=calls.schedule_names, time=calls.times, options=calls.trigger_options)
    def trigger(self, c, name, time, options):
        self.check(c, "wf_trigger", name, time, options=options)

    @play(1, c=where, name=calls.schedule_names, options=calls.now_options, inline=inline)
    def unschedule(self, c, name, options, inline):
        self.check(c, "wf_unschedule", name, options=options, inline=inline)

    @play(3, c=where, seconds=Some([1, 10, 60, 61, 300]))
    def time_comes_and_a_claim(self, c, seconds):
        self.set_time(self.now + seconds * 1000)
        self.check(c, "wf_claim", None, "worker-1", options={})

    @play(2, c=where, n=some)
    def a_firing_ends(self, c, n):
        fired = [w.id for w in self.model.state.workflows.values() if w.scheduled is not None and not w.over]
        if fired:
            self.check(c, "wf_cancel", fired[n % len(fired)], options={})


class Rates:
    @play(1, c=where, name=calls.rates, options=calls.rate_options)
    def rate(self, c, name, options):
        self.check(c, "wf_rate", name, options=options)

    @play(3, c=where, handle=calls.handles, step=calls.steps, name=calls.rates, amount=calls.amounts, options=calls.acquire_options, inline=inline)
    def acquire(self, c, handle, step, name, amount, options, inline):
        if isinstance(options, dict):
            options = {"timeout": 0} | options
        self.check(c, "wf_acquire", handle, step, name, amount, options=options, inline=inline)

    @play(4, c=where, seconds=Some([1, 2, 5, 10, 0.5, -3]), amounts=calls.Several(calls.good_amounts, 3, 6), key=Some([None, None, "k1"]))
    def calls_in_a_row(self, c, seconds, amounts, key):
        """Enough of them to come to the limit."""
        self.check(c, "wf_rate", "api", options={"limit": 3, "per": 10})
        self.check(c, "wf_claim", None, "worker-1", options={})
        for n, amount in enumerate(amounts):
            self.check(c, "wf_acquire", calls.Ref("live", 0), "call %d" % n, "api", amount, options={"timeout": 0, "key": key} if key else {"timeout": 0})
            self.set_time(self.now + round(seconds * 1000))


# The groups, each with a function that the extension has to have for it.
GROUPS = {
    "wf_start": Lifecycle, "wf_config": Service, "wf_await": Waiting, "wf_spawn": Children, "wf_begin": Intent, "wf_append": Values,
    "wf_cancel": Control, "wf_tick": Tick, "wf_queue": FlowControl, "wf_schedule": Schedules, "wf_rate": Rates,
}
