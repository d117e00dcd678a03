"""A worker that test_kills.py starts and kills. Arguments: database, folder of effects."""

import asyncio
import os
import sys

import wfext

app = wfext.App(sys.argv[1], synchronous="normal")
FOLDER = sys.argv[2]


def effect(name: str) -> None:
    """Leaves a trace outside of the file, with the process and the moment."""
    with open(os.path.join(FOLDER, "effects"), "a") as file:
        file.write(f"{name}\n")


@app.step
def plain(n: int) -> int:
    effect(f"plain {n}")
    return n


@app.effect
async def looping(n: int) -> int:
    effect(f"looping {n} {wfext.idempotency_key()}")
    await asyncio.sleep(0.002)
    return n


@app.transaction
def row(tx: wfext.Transaction, n: int) -> None:
    tx.execute("INSERT INTO result VALUES (?)", (n,))


@app.workflow
def child(ctx: wfext.Context, n: int) -> int:
    return plain(n)


@app.workflow
async def job(ctx: wfext.AsyncContext, n: int) -> int:
    a, b = await asyncio.gather(looping(n), ctx.step(plain, n))
    await ctx.step(row, n)
    await ctx.sleep(0.01)
    return a + b + await ctx.call(child, n)


if __name__ == "__main__":
    app.run(concurrency=4, async_concurrency=int(os.environ.get("CHAOS_LOOP", 200)), lease=2, grace=5)
