"""Many children and long streams cost no more each than few."""

import json
import time


def timed(call):
    begun = time.process_time()
    call()
    return time.process_time() - begun


def test_ten_thousand_children_are_joined_without_quadratic_cost(memdb):
    def cost(parent, count):
        memdb.execute("BEGIN")
        memdb.wf_start("job", id=parent)
        for n in range(count):
            memdb.wf_spawn(parent, "s%d" % n, "child")

        def end_all():
            assert memdb.wf_join(parent, "j") is None
            for n in range(count):
                memdb.wf_complete("%s/s%d" % (parent, n))
            assert len(json.loads(memdb.wf_join(parent, "j"))) == count

        spent = timed(end_all)
        memdb.execute("COMMIT")
        return spent / count

    few = cost("few", 1000)
    assert cost("many", 10_000) < 4 * few


def test_twenty_thousand_tags_are_looked_at_without_quadratic_cost(memdb):
    def cost(count):
        tags = {"key %d" % n: "x" for n in range(count)}
        return min(timed(lambda: memdb.wf_start("job", id="%d of %d" % (turn, count), tags=tags)) for turn in range(3)) / count

    few = cost(1000)
    assert cost(20_000) < 5 * few


def test_a_stream_of_a_hundred_thousand_items_grows_at_constant_cost(memdb):
    memdb.wf_start("job", id="w1")
    memdb.execute("BEGIN")

    def append(count):
        for _ in range(count):
            memdb.execute("SELECT wf_append('w1', 's', '1')").fetchone()

    first = timed(lambda: append(10_000))
    append(80_000)
    assert timed(lambda: append(10_000)) < 4 * first
    memdb.execute("COMMIT")
    assert memdb.value("SELECT count(*) FROM wf_streams WHERE workflow_id = 'w1'") == 100_000
