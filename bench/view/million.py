"""A file of a million workflows of all kinds, made by SQL on the engine's tables in a minute, for measuring what looks at it.

    python3 bench/view/million.py FILE [COUNT] [LANES]

Of every 200: 2 failed, 1 cancelled, 1 paused, 4 waiting (a sleep, or a signal), and the rest completed, but for the newest 8 %, which are pending, and a few of them running. In 9 lanes, or
in LANES partitions.
"""

import os
import sqlite3
import sys

import wfext

NUMBERS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i FROM n)"


def rows_like(db, table, changes, source):
    names = [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    return f"INSERT INTO {table}({', '.join(names)}) SELECT {', '.join(changes.get(name, f't.{name}') for name in names)} FROM {source}"


def make(path, count=1_000_000, lanes=0):
    """Makes the file anew. The newest workflow was created now; one every 3 milliseconds."""
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)
    db = sqlite3.connect(path, isolation_level=None)
    wfext.load(db)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute("PRAGMA synchronous = off")
    part = ',"partition":"x"' if lanes else ""
    for queue in ("mail", "orders", "reports", "rare"):
        for name in ("send", "charge", "build") if queue != "rare" else ("send",):
            db.execute(f"""SELECT wf_start('{name}', '{{"n":1}}', '{{"id":"{queue}-{name}","queue":"{queue}"{part}}}')""").fetchall()
    db.execute("BEGIN")
    (first,) = db.execute("SELECT min(created_at) - ? FROM _wf_workflow", (count * 3,)).fetchone()
    db.execute("UPDATE _wf_workflow SET created_at = ?1, updated_at = ?1, due_at = ?1", (first,))
    db.execute("UPDATE _wf_lane SET next_due = ? WHERE next_due IS NOT NULL", (first,))
    if lanes:
        changes = {"lane": "65536 * (1 + (i - 1) % 9) + (i - 1) / 9", "partition": "'c' || i"}
        db.execute(rows_like(db, "_wf_lane", changes, NUMBERS % (lanes - 10) + ", _wf_lane AS t WHERE t.lane = max(1, (i - 1) % 9 * 256)"))
    # The lanes of the rows above are 1, 256, 512 and so on: each begins a block.
    nth = f"i * 7 % {lanes - 10}"
    lane = f"65536 * (1 + {nth} % 9) + ({nth}) / 9" if lanes else "max(1, i * 7 % 9 * 256)"
    status = (
        f"CASE WHEN i > {count * 92 // 100} THEN CASE WHEN i % 2000 = 7 THEN 'running' ELSE 'pending' END WHEN i % 200 < 2 THEN 'failed' WHEN i % 200 = 2 THEN 'cancelled'"
        " WHEN i % 200 = 3 THEN 'paused' WHEN i % 200 < 8 THEN 'waiting' ELSE 'completed' END"
    )
    ended, begun = "s IN ('completed', 'failed', 'cancelled')", "s NOT IN ('pending', 'paused')"
    error = """CASE s WHEN 'failed' THEN json_object('type', 'Error' || (i / 200 % 7), 'message', 'no answer after ' || i || ' ms') END"""
    changes = {
        "seq": "10 + i", "id": "printf('%08x-%04x-7000-8000-%012x', (10 + i) >> 16, (10 + i) & 65535, i)", "lane": f"CASE WHEN i % 3500 = 9 THEN 9 * 256 ELSE {lane} END",
        "status": "s", "place": "CASE s WHEN 'pending' THEN 0 WHEN 'running' THEN 1 WHEN 'waiting' THEN CASE i % 2 WHEN 0 THEN 3 ELSE 2 END WHEN 'paused' THEN 2 END",
        "due_at": f"CASE WHEN {ended} OR (s = 'waiting' AND i % 2) THEN NULL WHEN s IN ('running', 'waiting') THEN t.due_at + 90000000000 ELSE t.due_at + i END",
        "paused_from": "CASE s WHEN 'paused' THEN 'pending' END", "wake": "CASE s WHEN 'waiting' THEN 2 ELSE 0 END", "again": "s NOT IN ('waiting', 'running')",
        "nonce": "CASE s WHEN 'running' THEN 65537 END", "attempt": begun, "lease": "CASE s WHEN 'running' THEN 300000 END",
        "worker": f"CASE WHEN {begun} THEN 'worker-' || (i % 16) END", "started_at": f"CASE WHEN {begun} THEN t.created_at + i * 3 + 5 END",
        "attempt_at": f"CASE WHEN {begun} THEN t.created_at + i * 3 + 5 END", "finished_at": f"CASE WHEN {ended} THEN t.created_at + i * 3 + 50 + i % 1000 END",
        "nth": f"CASE WHEN {ended} THEN i END", "error": error, "created_at": "t.created_at + i * 3", "updated_at": "t.created_at + i * 3",
        "parent": "CASE WHEN i % 20000 = 77 THEN 1 END", "parent_step": "CASE WHEN i % 20000 = 77 THEN 'c' || i END", "parent_redo": "CASE WHEN i % 20000 = 77 THEN 0 END",
    }  # fmt: skip
    db.execute(rows_like(db, "_wf_workflow", changes, f"(SELECT i, {status} AS s FROM {NUMBERS % count}), _wf_workflow AS t WHERE t.seq = 1"))
    of_lane = "FROM _wf_workflow AS w WHERE w.lane = _wf_lane.lane AND place IS NULL"
    last = f"coalesce((SELECT max(nth) {of_lane}), 0)"
    db.execute(f"UPDATE _wf_lane SET gone = {last} - (SELECT count(*) {of_lane}), count_to = CASE WHEN partition = '' THEN 0 ELSE {last} END")
    for each in ("failed", "cancelled", "paused"):
        count = f"(SELECT n FROM (SELECT lane AS l, count(*) AS n FROM _wf_workflow WHERE status = '{each}' GROUP BY lane LIMIT -1) WHERE l = lane)"
        db.execute(f"UPDATE _wf_lane SET count_{each} = coalesce({count}, 0)")
    due = "(SELECT min(due_at) FROM _wf_workflow AS w WHERE w.lane = _wf_lane.lane AND place IN (0, 1, 3))"
    db.execute(f"UPDATE _wf_lane SET line = 2, turn = NULL, next_due = {due} WHERE line > 0")
    # One that has failed and is gone, for the table: it is made with its first row.
    for call in ("wf_start('once', NULL, '{\"id\":\"once\",\"queue\":\"once\"}')", "wf_fail('once', 'no', '{\"retry\":false}')", "wf_delete('once')"):
        db.execute("SELECT " + call).fetchall()
    db.execute(
        "INSERT INTO _wf_failure(n, wf, attempt, step, worker, claimed_at, error, at) SELECT seq << 28 | 1, seq, 1, 'charge', worker, started_at, error, finished_at FROM _wf_workflow"
        " WHERE status = 'failed'"
    )
    db.execute(
        "INSERT INTO _wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, topics) SELECT seq << 28 | 1, seq, CASE WHEN due_at IS NULL THEN 'approve' ELSE 'nap' END,"
        " CASE WHEN due_at IS NULL THEN 'await' ELSE 'sleep' END, 'waiting', 0, created_at, created_at, due_at, CASE WHEN due_at IS NULL THEN '[\"approve\"]' END"
        " FROM _wf_workflow WHERE status = 'waiting'"
    )
    db.execute(
        "INSERT INTO _wf_step(n, wf, name, kind, status, attempts, at, claim, output) SELECT 1 << 28 | row_number() OVER (ORDER BY seq), 1, parent_step, 'spawn', 'done', 1, created_at, '',"
        " json_quote(id) FROM _wf_workflow WHERE parent = 1"
    )
    # One that is long: 20,000 steps.
    db.execute(
        f"INSERT INTO _wf_step(n, wf, name, kind, status, attempts, at, claim, output) SELECT w.seq << 28 | i, w.seq, 'step ' || i, 'step', 'done', 1, w.created_at + i * 40, '1 worker-1',"
        f" json_object('i', i) FROM {NUMBERS % 20_000} CROSS JOIN _wf_workflow AS w WHERE w.id = 'mail-charge'"
    )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()


if __name__ == "__main__":
    make(sys.argv[1], *(int(each) for each in sys.argv[2:]))
