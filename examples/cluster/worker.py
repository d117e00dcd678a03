"""A worker on a cluster, by the engine's own calls: wfext-node (hiqlite) or rqlite. Kill it, or the node that leads, at any moment.

    python3 examples/cluster/worker.py URL start order-1 order-2      starts orders, and waits for them
    python3 examples/cluster/worker.py URL work                       works until there is nothing left

URL: http://:TOKEN@host:port,host:port for wfext-node; http://user:password@host:port for rqlite. With the package's App none of this is written: see README.md.
"""
import json, os, sys

from wfext import Cluster, NotOurs

cluster = Cluster(sys.argv[1])


def start(orders):
    cluster.write([["CREATE TABLE IF NOT EXISTS sale(workflow TEXT, cents INTEGER)"]], repeat=True)
    for id in orders:
        cluster.call("wf_start", "order", json.dumps({"cents": 400}), json.dumps({"id": id}))
    for id in orders:
        while cluster.call("wf_status", id) not in ("completed", "failed", "cancelled"):
            cluster.wait(5, {"id": id})
        print(id, cluster.call("wf_result", id))


def work(order):
    """One attempt. Each call may be made twice: what is recorded stands."""
    token, cents = order["token"], order["input"]["cents"]
    if cluster.call("wf_step", token, "price") is None:
        cluster.call("wf_step", token, "price", json.dumps(cents))
    # A row of the application's, and the record that it is written: one transaction, once.
    cluster.transaction(token, "book", [["INSERT INTO sale VALUES(?, ?)", [order["id"], cents]]], json.dumps({"booked": cents}))
    cluster.call("wf_complete", token, json.dumps({"paid": cents}))


def work_all():
    while cluster.call("wf_pending") > 0:
        claimed = cluster.call("wf_claim", "default", f"worker-{os.getpid()}")
        if claimed is None:
            cluster.wait(5, {"queue": "default"})        # on a node that does not lead
            continue
        try:
            work(json.loads(claimed))
        except NotOurs:
            pass                                         # somebody else goes on with it


if __name__ == "__main__":
    start(sys.argv[3:]) if sys.argv[2] == "start" else work_all()
