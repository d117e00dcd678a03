"""The questions of a dashboard: their answers are those of a plain computation, whatever has happened, and they do not look at all that there is.

Their SQL is that of docs/dashboards.md.
"""

import collections

import pytest
from support import BASE, sql_time
from support.play import Play

ALL = """SELECT w.seq, w.id, l.queue, l.name, w.status, w.worker, w.created_at, p.id, w.finished_at
         FROM _wf_workflow AS w JOIN _wf_lane AS l USING(lane) LEFT JOIN _wf_workflow AS p ON p.seq = w.parent"""
Row = collections.namedtuple("Row", "seq id queue name status worker created parent finished")
STATES = ["pending", "running", "waiting", "paused", "completed", "failed", "cancelled"]


def time(ms):
    return sql_time(ms / 1000 - BASE)


def newest(rows, most=5, key=lambda row: row.seq):
    return [row.id for row in sorted(rows, key=lambda row: (key(row), row.seq), reverse=True)[:most]]


def created(row):
    return (row.created, row.seq)


def look(db):
    rows = [Row(*row) for row in db.rows(ALL)]
    if not rows:
        return
    for order in ("ORDER BY seq DESC", "ORDER BY created_at DESC, seq DESC", "ORDER BY created_at DESC"):
        key = created if "created" in order else lambda row: row.seq
        conditions = {"1": lambda row: True, "queue = 'q'": lambda row: row.queue == "q", "name = 'a'": lambda row: row.name == "a", "worker = 'w'": lambda row: row.worker == "w",
                      "queue = 'r' AND name = 'b' AND status = 'pending'": lambda row: (row.queue, row.name, row.status) == ("r", "b", "pending"),
                      "status IN ('failed', 'cancelled')": lambda row: row.status in ("failed", "cancelled"), "queue = 'none'": lambda row: False,
                      **{"status = '%s'" % state: lambda row, state=state: row.status == state for state in STATES}}
        for condition, holds in conditions.items():
            ours = db.column("SELECT id FROM wf_workflows WHERE %s %s LIMIT 5" % (condition, order))
            if order.endswith("created_at DESC"):  # ties come as they like
                times = [row.created for row in sorted(filter(holds, rows), key=created, reverse=True)[:5]]
                by_id = {row.id: row for row in rows}
                assert [by_id[id].created for id in ours] == times and all(holds(by_id[id]) for id in ours), (condition, order)
            else:
                assert ours == newest(filter(holds, rows), key=key), (condition, order)
        live = [row for row in rows if row.finished is None]
        if order != "ORDER BY created_at DESC":
            assert db.column("SELECT id FROM wf_pending %s LIMIT 5" % order) == newest(live, key=key)
            assert db.column("SELECT id FROM wf_pending WHERE queue = 'q' %s LIMIT 5" % order) == newest([row for row in live if row.queue == "q"], key=key)
    assert db.column("SELECT id FROM wf_workflows ORDER BY created_at, seq") == [row.id for row in sorted(rows, key=created)]
    times = sorted(row.created for row in rows)
    first, last = times[len(times) // 3], times[2 * len(times) // 3]
    inside = [row for row in rows if first <= row.created < last]
    for order in ("", "ORDER BY created_at", "ORDER BY seq DESC", "ORDER BY id"):
        ours = db.rows("SELECT id, seq, created_at FROM wf_workflows WHERE created_at >= ? AND created_at < ? " + order, time(first), time(last))
        assert sorted(row[0] for row in ours) == sorted(row.id for row in inside)
        at = {"ORDER BY created_at": 2, "ORDER BY id": 0}.get(order)
        if at is not None:
            assert [row[at] for row in ours] == sorted(row[at] for row in ours)
        elif order:
            assert [row[1] for row in ours] == sorted((row.seq for row in inside), reverse=True)
    assert sorted(db.column("SELECT id FROM wf_workflows WHERE created_at = ?", time(first))) == sorted(row.id for row in rows if row.created == first)
    seventh = sorted(rows, key=lambda row: row.seq)[len(rows) // 2]
    assert db.column("SELECT id FROM wf_workflows WHERE seq < ? ORDER BY seq DESC LIMIT 5", seventh.seq) == newest([row for row in rows if row.seq < seventh.seq])
    for pattern in ("w1%", "W1%", "%2", "w_1%", "x%", "w1"):
        regular = [row.id for row in rows if like(pattern, row.id)]
        assert sorted(db.column("SELECT id FROM wf_workflows WHERE id LIKE ?", pattern)) == sorted(regular), pattern
    assert sorted(db.column("SELECT id FROM wf_workflows WHERE id GLOB 'w1*'")) == sorted(row.id for row in rows if row.id.startswith("w1"))
    for parent in {row.parent for row in rows} | {"nobody"}:
        children = [row for row in rows if row.parent == parent] if parent else []
        assert db.column("SELECT id FROM wf_workflows WHERE parent_id = ? ORDER BY seq DESC LIMIT 5", parent) == newest(children)
    counts = collections.Counter((row.name, row.queue, row.status) for row in rows)
    assert {tuple(row[:3]): row[3] for row in db.rows("SELECT name, queue, status, count FROM wf_stats")} == counts
    assert {tuple(row[:3]): row[3] for row in db.rows("SELECT * FROM wf_stats")} == counts
    for column in ("status", "name", "queue"):
        expected = collections.Counter(getattr(row, column) for row in rows)
        assert dict(db.rows("SELECT %s, sum(count) FROM wf_stats GROUP BY 1" % column)) == expected
    failures = db.column("SELECT at FROM _wf_failure ORDER BY at DESC LIMIT 5")
    assert db.column("SELECT at FROM wf_failures ORDER BY at DESC LIMIT 5") == [time(at) for at in failures]


def like(pattern, id):
    import fnmatch

    return fnmatch.fnmatchcase(id.lower(), pattern.lower().replace("%", "*").replace("_", "?"))


@pytest.mark.parametrize("seed", range(10, 13))
def test_the_answers_are_those_of_a_plain_computation(db, seed):
    db.wf_init()
    play = Play(db, seed)
    for round in range(120):
        play.step()
        if round % 4 == 0:
            look(db)


def test_what_stands_where_others_of_its_status_do_not_is_counted_by_its_status(db):
    db.at(0)
    db.wf_start("job", id="woken")  # waits by its bare id, and is woken before any claim
    db.wf_await("woken", "s", "go")
    db.wf_signal("woken", "go", 1)
    db.wf_start("job", id="mute", manual=True)
    db.running("by hand", manual=True)
    db.wf_release(db.running("given back")["token"])
    db.running("lost")
    db.wf_start("job", id="paused")
    db.wf_pause("paused")
    look(db)
    db.wf_recover()
    look(db)


@pytest.mark.parametrize("pattern", ["Order-1%", "ORDER-1%", "oRdEr-1%", "order_1%", "or%", "orders-and-more%", "[%", "%", "", "~%", "\u00e9%", "o\u00e9%"])
def test_like_finds_both_cases_and_nothing_is_missed(db, pattern):
    for id in ("order-1", "ORDER-1", "Order-10", "order-2", "orders-and-more-1", "ORDERS-AND-MORE-2", "\u00e9t\u00e9", "o\u00e9", "~a", "Z", "or"):
        db.wf_start("job", id=id)
    db.execute("CREATE TEMP TABLE copy AS SELECT id FROM wf_workflows")
    for op in ("LIKE", "GLOB", "NOT LIKE"):
        sql = "SELECT id FROM %%s WHERE id %s ? ORDER BY id" % op
        for value in (pattern, pattern.replace("%", "*")):
            assert db.column(sql % "wf_workflows", value) == db.column(sql % "copy", value)
    assert db.column("SELECT id FROM wf_workflows WHERE id LIKE NULL") == []
    assert db.column("SELECT id FROM wf_workflows WHERE id LIKE 'order^_%' ESCAPE '^'") == []


# ---- Nothing is walked through -----------------------------------------------------------------------------------------

QUESTIONS = {
    "newest": "SELECT id FROM wf_workflows ORDER BY seq DESC LIMIT 20",
    "newest by time": "SELECT id FROM wf_workflows ORDER BY created_at DESC LIMIT 20",
    "next page": "SELECT id FROM wf_workflows WHERE created_at < '2027-01-15 08:00:00.900' ORDER BY created_at DESC LIMIT 20",
    "newest failed": "SELECT id FROM wf_workflows WHERE status = 'failed' ORDER BY created_at DESC LIMIT 5",
    "newest paused": "SELECT id FROM wf_workflows WHERE status = 'paused' ORDER BY seq DESC LIMIT 5",
    "newest completed": "SELECT id FROM wf_workflows WHERE status = 'completed' ORDER BY seq DESC LIMIT 20",
    "running": "SELECT id, worker FROM wf_workflows WHERE status = 'running'",
    "few pending": "SELECT id FROM wf_workflows WHERE status = 'pending' ORDER BY seq DESC LIMIT 5",
    "a rare queue": "SELECT id FROM wf_workflows WHERE queue = 'rare' ORDER BY created_at DESC LIMIT 5",
    "a rare name": "SELECT id FROM wf_workflows WHERE name = 'rare' ORDER BY seq DESC LIMIT 5",
    "a queue": "SELECT id FROM wf_workflows WHERE queue = 'default' ORDER BY seq DESC LIMIT 20",
    "pending": "SELECT id FROM wf_pending ORDER BY created_at DESC LIMIT 5",
    "a span": "SELECT id FROM wf_workflows WHERE created_at >= '2027-01-15 08:00:00.400' AND created_at < '2027-01-15 08:00:00.430'",
    "a span, failed": "SELECT id FROM wf_workflows WHERE status = 'failed' AND created_at < '2027-01-15 08:00:00.300' ORDER BY created_at DESC LIMIT 2",
    "the start of an id": "SELECT id FROM wf_workflows WHERE id LIKE 'rare-%'",
    "GLOB": "SELECT id FROM wf_workflows WHERE id GLOB 'rare-*'",
    "children": "SELECT id FROM wf_workflows WHERE parent_id = 'parent'",
    "children by time": "SELECT id FROM wf_workflows WHERE parent_id = 'parent' ORDER BY created_at DESC LIMIT 5",
    "counts by status": "SELECT status, sum(count) FROM wf_stats GROUP BY status",
    "counts by name": "SELECT name, sum(count) FROM wf_stats GROUP BY name",
    "counts by queue": "SELECT queue, sum(count) FROM wf_stats GROUP BY queue",
    "newest failures": "SELECT workflow_id, error FROM wf_failures ORDER BY at DESC LIMIT 5",
    "in doubt": "SELECT workflow_id FROM wf_in_doubt",
    "purge": "SELECT wf_purge('{\"older_than\":\"1d\",\"now\":\"2027-01-15 09:00:00\"}')",
    "purge keeping": "SELECT wf_purge('{\"older_than\":\"1d\",\"keep\":5,\"now\":\"2027-01-15 09:00:00\"}')",
}


def crowd(db, done):
    """As many completed ones, and a few of every other kind, the same whatever there is beside them; created one per millisecond."""
    db.at(0)
    db.wf_start("job", id="parent")
    for n in range(3):
        db.wf_spawn("parent", "step %d" % n, "kid")
    for n in range(10):
        db.wf_start("job", id="failed-%d" % n)
        db.wf_fail("failed-%d" % n, "no", retry=False)
        db.wf_start("rare", id="rare-%d" % n, queue="rare")
        db.wf_start("job", id="paused-%d" % n)
        db.wf_pause("paused-%d" % n)
    db.running("claimed")
    db.wf_begin(db.running("doubtful", lease=1)["token"], "pay")
    db.wf_start("job", id="done")
    db.wf_complete("done")
    columns = db.column("SELECT name FROM pragma_table_info('_wf_workflow')")
    changes = {"seq": "o.seq + i", "id": "'copy-' || i", "created_at": "o.created_at + i * 1000 / %d" % done, "finished_at": "o.finished_at + i * 1000 / %d" % done, "nth": "o.nth + i"}
    db.execute("INSERT INTO _wf_workflow(%s) SELECT %s FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i FROM n), _wf_workflow AS o WHERE o.id = 'done'"
               % (", ".join(columns), ", ".join(changes.get(column, "o." + column) for column in columns), done))
    assert db.wf_check() is None
    db.at(2)


def operations(db, sql):
    """How many operations of SQLite's it takes, the rows included, once everything is prepared."""
    db.execute(sql).fetchall()
    count = 0

    def one():
        nonlocal count
        count += 1

    db.set_progress_handler(one, 10)
    rows = db.execute(sql).fetchall()
    db.set_progress_handler(None, 0)
    return count * 10, rows


@pytest.fixture(scope="module")
def crowds():
    from support import open_database

    small, large = open_database(":memory:"), open_database(":memory:")
    crowd(small, 1000)
    crowd(large, 20000)
    yield small, large
    small.close()
    large.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_twenty_times_as_many_workflows_cost_the_same(crowds, question):
    (few, rows), (many, more) = [operations(db, QUESTIONS[question]) for db in crowds]
    assert question.startswith("purge") or rows != [] or question == "in doubt"
    assert len(more) == len(rows) or question == "a span"
    # A span has as many more rows as there are; of a queue up to 5,000 are counted before it is known that they are many.
    ceiling = {"a span": 25 * few, "a queue": 3 * few + 30_000}.get(question, 3 * few + 200)
    assert many <= ceiling, (few, many)


def test_what_has_to_look_at_everything_is_seen(crowds):
    """So that the test above can fail."""
    (few, _), (many, _) = [operations(db, "SELECT count(*) FROM wf_workflows WHERE headers IS NOT NULL") for db in crowds]
    assert many > 10 * few


def test_a_status_is_a_text(db):
    """Bytes equal no text, here as in any column."""
    db.wf_start("w", None, {"id": "a"})
    db.wf_cancel("a")
    assert db.rows("SELECT id FROM wf_workflows WHERE status = ?", "cancelled") == [("a",)]
    assert db.rows("SELECT id FROM wf_workflows WHERE status = ?", b"cancelled") == []
    assert db.rows("SELECT id FROM wf_pending WHERE status = ?", b"pending") == []
