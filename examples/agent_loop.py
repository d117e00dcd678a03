"""An AI agent whose conversation survives: kill it at any moment, run it again, and it goes on where it was.

    /usr/bin/python3 examples/agent_loop.py app.db [task-id [order]]      works until no task is pending

Every answer of the model and every result of a tool is a step. After a kill the code starts from its beginning, gets
what is recorded at once, and asks the model and the tools for the rest only. One process for each AGENT_NAME.
"""
import json, os, random, sqlite3, sys, time

# --- What stands for the outside: a model that streams, and services that act once for each idempotency key ----------

def model(messages):
    """Yields pieces of text, and last the message. Never the same words twice, as real ones do."""
    results = [m for m in messages if m["role"] == "tool"]
    order = messages[0]["content"]
    if not results:
        text, calls = random.choice(["Let me look at it.", "I will look up the order."]), [["look_up", {"order": order}]]
    elif len(results) == 1:
        cents = results[0]["content"]["cents"]
        text = random.choice(["It arrived broken, so I pay it back.", "A refund is due."])
        calls = [["refund", {"order": order, "cents": cents}], ["mail", {"to": "ann", "text": f"You get {cents} cents back."}]]
    else:
        text, calls = random.choice(["Done: ", "All is settled: "]) + f"{order} is refunded.", []
    for word in text.split():
        time.sleep(0.005)
        yield word
    yield {"role": "assistant", "content": text, "calls": calls}

def service(sql, *args):
    db = sqlite3.connect("outside.db", timeout=30, isolation_level=None)
    db.executescript("CREATE TABLE IF NOT EXISTS refund(key PRIMARY KEY, o, cents); CREATE TABLE IF NOT EXISTS mail(key PRIMARY KEY, t, text)")
    db.execute(sql, args)  # commits at once, as a service would
    db.close()

def look_up(key, order):
    return {"order": order, "cents": 1200, "state": "arrived broken"}

def refund(key, order, cents):
    service("INSERT OR IGNORE INTO refund VALUES(?, ?, ?)", key, order, cents)
    return {"refunded": cents}

def mail(key, to, text):
    service("INSERT OR IGNORE INTO mail VALUES(?, ?, ?)", key, to, text)
    return {"sent": to}

# A service that does not know keys would be "hold": after a crash in the middle a person decides, with wf_resolve.
TOOLS = {"look_up": (look_up, "retry"), "refund": (refund, "retry"), "mail": (mail, "retry")}

# --- The agent --------------------------------------------------------------------------------------------------------

class Suspended(Exception):
    """The workflow waits for something; whoever claims it afterwards goes on."""

def connect(path):
    db = sqlite3.connect(path, timeout=30, isolation_level=None)  # autocommit: every call is a transaction
    db.enable_load_extension(True)
    db.load_extension(os.environ.get("WFEXT", "build/libwfext.so"))
    db.enable_load_extension(False)
    db.execute("PRAGMA journal_mode = wal")
    return db

def call(db, sql, *args):
    return db.execute(sql, args).fetchone()[0]

def ask(db, job, step, messages):
    """One answer of the model: the recorded one, or a new one, whose words anyone can watch in wf_streams."""
    token = job["token"]
    recorded = call(db, "SELECT wf_step(?, ?)", token, step)
    if recorded is not None:
        return json.loads(recorded)
    # The model takes so many calls a minute, of all agents together. A share that was recorded is spent: another attempt needs its own.
    if call(db, "SELECT wf_acquire(?, ?, 'model')", token, f"{step}, share {job['attempt']}") is None:
        raise Suspended(step)
    # An answer that a crash cut off stays in the stream: for a reader, "begin" takes back the words of that step.
    unseen, shown = [{"step": step, "begin": 1}], time.monotonic()
    for piece in model(messages):
        if isinstance(piece, dict):
            show(db, token, unseen)
            return json.loads(call(db, "SELECT wf_step(?, ?, ?)", token, step, json.dumps(piece)))
        unseen.append({"step": step, "word": piece})
        if time.monotonic() - shown > 0.01:  # a tenth of a second, in earnest
            show(db, token, unseen)
            unseen, shown = [], time.monotonic()

def show(db, token, items):
    """One commit for several words: with one for each, the disk would be slower than the model."""
    db.execute("BEGIN IMMEDIATE")
    for item in items:
        call(db, "SELECT wf_append(?, 'words', ?)", token, json.dumps(item))
    call(db, "SELECT wf_heartbeat(?)", token)
    db.execute("COMMIT")

def use(db, token, step, tool, arguments):
    """One call of a tool. wf_begin notes the intent first, and gives the key under which the service acts once."""
    function, in_doubt = TOOLS[tool]
    begun = call(db, "SELECT wf_begin(?, ?, json_object('in_doubt', ?))", token, step, in_doubt)
    if begun is None:
        raise Suspended(step)
    begun = json.loads(begun)
    if "output" in begun:
        return begun["output"]
    try:
        result = function(begun["key"], **arguments)
    except ValueError as error:  # the tool refuses: the model should know
        result = {"error": str(error)}
    return json.loads(call(db, "SELECT wf_step(?, ?, ?)", token, step, json.dumps(result)))

def agent(db, job):
    token, messages = job["token"], [{"role": "user", "content": job["input"]["order"]}]
    for turn in range(10):
        answer = ask(db, job, f"turn {turn}", messages)
        messages.append(answer)
        if not answer["calls"]:
            return answer["content"]
        for n, (tool, arguments) in enumerate(answer["calls"]):
            messages.append({"role": "tool", "content": use(db, token, f"turn {turn}, {n}: {tool}", tool, arguments)})
    raise RuntimeError("no answer after 10 turns")

def attempt(db, job):
    try:
        output = json.dumps(agent(db, job))
    except Suspended as wait:
        print("waiting in", wait, file=sys.stderr)
    except Exception as error:  # the model or a service is away, a row cannot be written: on record, and again after the backoff
        if db.in_transaction:
            db.execute("ROLLBACK")
        call(db, "SELECT wf_fail(?, ?)", job["token"], repr(error))  # raises if the workflow is no longer ours
    else:
        call(db, "SELECT wf_complete(?, ?)", job["token"], output)

def work(db, worker):
    while call(db, "SELECT wf_pending('agents')"):
        try:
            # The key: a worker that comes back under its name gets the claim that it still holds, without waiting.
            claim = call(db, "SELECT wf_claim('agents', ?, json_object('key', ?))", worker, worker)
            if claim is not None:
                attempt(db, json.loads(claim))
                continue
        except sqlite3.Error as error:  # WF_LEASE_LOST, WF_CANCELLED, ...: no longer ours; or the file is locked, or full
            print(error, file=sys.stderr)
        time.sleep(0.05)

path, task, order = (sys.argv[1:] + ["app.db", "task-1", "order-17"][len(sys.argv) - 1:])[:3]
db = connect(path)
call(db, "SELECT wf_rate('model', ?)", os.environ.get("MODEL_RATE", '{"limit": 600, "per": "1m"}'))
call(db, "SELECT wf_start('agent', json_object('order', ?), json_object('id', ?, 'queue', 'agents'))", order, task)
work(db, os.environ.get("AGENT_NAME", "agent-1"))
print(call(db, "SELECT wf_result(?)", task))
