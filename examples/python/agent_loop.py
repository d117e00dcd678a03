"""An AI agent whose conversation survives: kill it at any moment, run it again, and it goes on where it was.

    python3 examples/python/agent_loop.py [task-id [order]]        works until the task has its answer

Answers of the model and results of tools are steps; the words as they come are a stream. The model is a stub.
"""
import asyncio, os, random, sqlite3, sys

import wfext

app = wfext.App(os.environ.get("AGENTS", "agents.db"))
app.rate("model", limit=600, per="1m")               # calls a minute, of all agents together

# --- What stands for the outside: a model that streams, and services that act once for each idempotency key ----------

async def model(messages):
    """Yields words, and last the message. Never the same words twice, as real ones do."""
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
        await asyncio.sleep(0.005)
        yield word
    yield {"role": "assistant", "content": text, "calls": calls}

def service(sql, *args):
    db = sqlite3.connect("outside.db", timeout=30, isolation_level=None)
    db.executescript("CREATE TABLE IF NOT EXISTS refund(key PRIMARY KEY, o, cents); CREATE TABLE IF NOT EXISTS mail(key PRIMARY KEY, t, text)")
    db.execute(sql, args)                            # commits at once, as a service would
    db.close()

# --- The agent --------------------------------------------------------------------------------------------------------

@app.step(attempts=5, backoff=0.1)
async def ask(ctx: wfext.AsyncContext, turn: int, messages: list) -> dict:
    await ctx.append("words", {"turn": turn, "begin": 1})      # for a reader: takes back the words of a try that was cut off
    async for piece in model(messages):
        if isinstance(piece, dict):
            return piece
        await ctx.append("words", {"turn": turn, "word": piece})

@app.step
def look_up(order: str) -> dict:
    return {"order": order, "cents": 1200, "state": "arrived broken"}

@app.effect                                          # a service that knows no keys would be in_doubt="hold": a person decides
def refund(order: str, cents: int) -> dict:
    service("INSERT OR IGNORE INTO refund VALUES(?, ?, ?)", wfext.idempotency_key(), order, cents)
    return {"refunded": cents}

@app.effect
def mail(to: str, text: str) -> dict:
    service("INSERT OR IGNORE INTO mail VALUES(?, ?, ?)", wfext.idempotency_key(), to, text)
    return {"sent": to}

TOOLS = {step.name: step for step in (look_up, refund, mail)}

@app.workflow
async def agent(ctx: wfext.AsyncContext, order: str) -> str:
    messages = [{"role": "user", "content": order}]
    for turn in range(10):
        await ctx.acquire("model")
        answer = await ask(ctx, turn, messages)
        messages.append(answer)
        if not answer["calls"]:
            return answer["content"]
        results = await asyncio.gather(*(ctx.step(TOOLS[tool], **arguments) for tool, arguments in answer["calls"]))
        messages += [{"role": "tool", "content": result} for result in results]
    raise RuntimeError("no answer after 10 turns")

if __name__ == "__main__":
    task, order = (sys.argv[1:] + ["task-1", "order-17"][len(sys.argv) - 1:])[:2]
    with app.worker():
        print(agent.options(id=task, if_exists="return").start(order).result(timeout=120))
