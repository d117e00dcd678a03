"""What decides when a file wants something: random calls, and whether there is something to do at a time."""

from .database import open_database

QUEUES = ("default", "limited", "parts", "held", "rated")


def copy(db, at):
    other = open_database(":memory:")
    db.backup(other)
    other.wf_clock(at)
    return other


def what_happens(db, at):
    """What claims, wf_run and wf_tick do in a copy of the file at that time: nothing, or something."""
    other = copy(db, at)
    before = "\n".join(line for line in other.iterdump() if "_wf_lane" not in line)
    other.wf_tick()
    other.wf_run()
    claims = [other.wf_claim(queue) for queue in QUEUES + ("work",)]
    after = "\n".join(line for line in other.iterdump() if "_wf_lane" not in line)
    other.close()
    return [claim for claim in claims if claim] or before != after


LIMITS = (13, 14, 15, 16)


def play(db, at, rng, without=()):
    """One random call, but for those `without`; what it refuses is none of ours."""
    ids = db.column("SELECT id FROM wf_workflows WHERE completed_at IS NULL") or ["none"]
    id, queue = rng.choice(ids), rng.choice(QUEUES)
    step = "s%d" % rng.randrange(4)
    some = rng.choice([0.5, 3, 20, 45, 300])
    call = rng.choice([call for call in range(23) if call not in without])
    if call < 4:
        options = {"queue": queue}
        if rng.random() < 0.3: options["delay"] = some
        if rng.random() < 0.3: options["timeout"] = rng.choice([10, 100, 1000])
        if rng.random() < 0.3: options["max_attempts"] = rng.choice([1, 2])
        if rng.random() < 0.6: options["partition"] = rng.choice("ab")
        if rng.random() < 0.1: options["manual"] = True
        if rng.random() < 0.2: options["cleanup"] = True
        options["priority"] = rng.choice([0, 0, 5])
        db.wf_start(rng.choice(["job", "mail"]), **options)
    elif call < 9:
        claim = db.claim(queue, rng.choice([None, "worker"]), lease=rng.choice([5, 30, 200]))
        if claim and rng.random() < 0.7:
            token = claim["token"]
            what = rng.randrange(8)
            if what == 0: db.wf_complete(token)
            elif what == 1: db.wf_fail(token, "no")
            elif what == 2: db.wf_release(token, delay=some)
            elif what == 3: db.wf_sleep(token, step, some, keep=rng.random() < 0.5)
            elif what == 4: db.wf_await(token, step, "go", rng.choice([None, some]), keep=rng.random() < 0.5)
            elif what == 5: db.wf_acquire(token, step, "calls", rng.choice([1, 2]))
            elif what == 6: db.wf_wait_any(token, step, [{"signal": "go"}, {"sleep": some}], None, mode=rng.choice(["any", "all"]))
            else: db.wf_begin(token, step), db.wf_fail(token, "no", step=step)
    elif call == 9: db.wf_signal(id, "go")
    elif call == 10: db.wf_pause(id)
    elif call == 11: db.wf_resume(id)
    elif call == 12: db.wf_cancel(id)
    elif call == 13: db.wf_queue("limited", concurrency=rng.choice([1, 2]), paused=rng.random() < 0.2)
    elif call == 14: db.wf_queue("held", concurrency=1, hold=rng.choice(["lease", "started"]))
    elif call == 15: db.wf_queue("parts", partition_concurrency=rng.choice([1, 2]), hold=rng.choice(["lease", "started"]))
    elif call == 16: db.wf_queue("rated", rate={"limit": rng.choice([1, 2]), "per": rng.choice([1, 60])})
    elif call == 17: db.wf_schedule("s%d" % rng.randrange(2), rng.choice(["@every 1m", "@every 1h"]), "job", None, overlap=rng.choice(["skip", "queue", "allow"]),
                                    paused=rng.random() < 0.4)
    elif call == 18: db.wf_start("flow", id="f%d" % rng.randrange(9))
    elif call == 19: db.wf_run(limit=rng.choice([1, 10]))
    elif call == 20: db.wf_tick()
    elif call == 21: db.claim(None, None, id=id, lease=rng.choice([5, 30]))
    else: db.wf_rate("calls", limit=rng.choice([1, 3]), per=rng.choice([2, 30]))
    if rng.random() < 0.4:
        at(db.clock + rng.choice([0.001, 1, 7, 31, 200]))
