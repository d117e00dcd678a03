"""The agent of the bench on wfext: agent_wfext.py FILE HOW_MANY."""

import sys
import time

import wfext

# --- the agent ---
app = wfext.App(sys.argv[1])


@app.step(attempts=3)
async def ask(messages: list) -> dict:
    turn = sum(m["role"] == "assistant" for m in messages)
    return {"role": "assistant", "text": f"turn {turn}", "tool": "look_up" if turn < 4 else None}


@app.step
async def look_up(turn: int) -> dict:
    return {"role": "tool", "text": f"result {turn}"}


@app.workflow
async def agent(ctx: wfext.AsyncContext, task: str) -> str:
    messages = [{"role": "user", "text": task}]
    for turn in range(10):
        reply = await ask(messages)
        messages.append(reply)
        if reply["tool"] is None:
            break
        messages.append(await look_up(turn))
    ok = await ctx.wait_signal("approval", timeout="7d", default=False)
    return reply["text"] if ok else "refused"


if __name__ == "__main__":
    with app.worker():
        # --- the clock ---
        begin = time.perf_counter()
        handles = [agent.start(f"task {n}") for n in range(int(sys.argv[2]))]
        for handle in handles:
            handle.signal("approval", True)
        assert {handle.result(timeout=600) for handle in handles} == {"turn 4"}
        print("seconds", time.perf_counter() - begin, flush=True)
