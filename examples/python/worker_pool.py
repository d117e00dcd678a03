"""Worker processes on one SQLite file: what fails is tried again, and what a killed worker held is taken over.

    cd examples/python && wfext worker worker_pool:app -p 4        four workers, until SIGTERM; one that dies is replaced
    python3 examples/python/worker_pool.py order-1 order-2         starts orders, and waits for them
"""
import os, random, sys

import wfext

app = wfext.App(os.environ.get("POOL", "pool.db"))

@app.effect(attempts=10, backoff=0.02)
def charge(cents: int) -> dict:
    """Stands for a payment service that charges once for each key, and is busy now and then."""
    if random.random() < 0.1:
        raise ConnectionError("the payment service is busy")
    return {"cents": cents, "key": wfext.idempotency_key()}

@app.step
def ship(paid: dict) -> dict:
    return {"paid": paid["cents"]}

@app.workflow
def order(ctx: wfext.Context, cents: int) -> dict:
    return ship(charge(cents))

if __name__ == "__main__":
    orders = [order.options(id=id, if_exists="return").start(100 + n) for n, id in enumerate(sys.argv[1:])]
    for each in orders:
        print(each.id, each.result(timeout=120))
