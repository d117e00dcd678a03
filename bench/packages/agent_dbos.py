"""The same agent on DBOS, in its SQLite mode with the settings of ours: agent_dbos.py FILE HOW_MANY."""

import logging
import os
import sqlite3
import sys
import time

from dbos import DBOS

# --- the agent ---


@DBOS.step(retries_allowed=True, max_attempts=3)
async def ask(messages: list) -> dict:
    turn = sum(m["role"] == "assistant" for m in messages)
    return {"role": "assistant", "text": f"turn {turn}", "tool": "look_up" if turn < 4 else None}


@DBOS.step()
async def look_up(turn: int) -> dict:
    return {"role": "tool", "text": f"result {turn}"}


@DBOS.workflow()
async def agent(task: str) -> str:
    messages = [{"role": "user", "text": task}]
    for turn in range(10):
        reply = await ask(messages)
        messages.append(reply)
        if reply["tool"] is None:
            break
        messages.append(await look_up(turn))
    ok = await DBOS.recv_async("approval", timeout_seconds=7 * 86400)
    return reply["text"] if ok else "refused"


# --- the settings, and the clock ---


class Connection(sqlite3.Connection):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = FULL")


async def main(count):
    begin = time.perf_counter()
    handles = [await DBOS.start_workflow_async(agent, f"task {n}") for n in range(count)]
    for handle in handles:
        await DBOS.send_async(handle.workflow_id, True, "approval")
    assert {await handle.get_result() for handle in handles} == {"turn 4"}
    print("seconds", time.perf_counter() - begin, flush=True)
    os._exit(0)


if __name__ == "__main__":
    import asyncio

    logging.disable(logging.CRITICAL)
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{sys.argv[1]}", "application_version": "1", "log_level": "CRITICAL",
                 "db_engine_kwargs": {"connect_args": {"factory": Connection, "timeout": 60}}})
    DBOS.launch()
    asyncio.run(main(int(sys.argv[2])))
