"""What must hold between any two calls in any file, asked in plain SQL of the stored tables."""

# Tables that a file may not have yet, with the columns that the rules name: to them such a one is empty.
RARE = {"_wf_large": ("wf", "what"), "_wf_gone": ("wf",), "_wf_failure": ("n", "wf")}

# Each query returns the workflows (or rows) that break the rule.
RULES = {
    "status is known": """
        SELECT id, status FROM _wf_workflow
        WHERE status NOT IN ('pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled')""",
    "terminal means finished, out of line, without claim": """
        SELECT id, status, place, due_at, nonce, finished_at FROM _wf_workflow
        WHERE (status IN ('completed', 'failed', 'cancelled')) <> (finished_at IS NOT NULL)
           OR (finished_at IS NOT NULL AND (place IS NOT NULL OR due_at IS NOT NULL OR nonce IS NOT NULL OR claim_key IS NOT NULL))
           OR (finished_at IS NULL AND place IS NULL)""",
    "running means leased": """
        SELECT id, place, due_at, nonce, lease FROM _wf_workflow
        WHERE status = 'running' AND (nonce IS NULL OR due_at IS NULL OR lease <= 0 OR CASE place WHEN 4 THEN 1 ELSE place END <> CASE flags & 1 WHEN 1 THEN 2 ELSE 1 END)""",
    "pending means unclaimed and due some time": """
        SELECT id, place, due_at, nonce FROM _wf_workflow
        WHERE status = 'pending' AND (due_at IS NULL OR (nonce IS NOT NULL AND ending IS NULL) OR CASE place WHEN 5 THEN 3 ELSE place END NOT IN (2, CASE again WHEN 1 THEN 0 ELSE 3 END) OR (place = 2) <> (flags & 1))""",
    "failed says why": "SELECT id FROM _wf_workflow AS w WHERE status = 'failed' AND error IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM _wf_large WHERE wf = w.seq AND what = 2)",
    "started at the first claim": """
        SELECT id, attempt, resumed, started_at FROM _wf_workflow WHERE (attempt + resumed > 0) <> (started_at IS NOT NULL)""",
    "counts are not negative": "SELECT id FROM _wf_workflow WHERE min(attempt, resumed, failures, lost, mark, redo) < 0",
    "a value is stored once": """
        SELECT id FROM _wf_workflow AS w JOIN _wf_large AS b ON b.wf = w.seq
        WHERE CASE b.what WHEN 0 THEN w.input WHEN 1 THEN w.output WHEN 2 THEN w.error END IS NOT NULL""",
    "the claim finds every workflow that has its turn": """
        SELECT w.id, w.due_at, l.next_due FROM _wf_workflow AS w LEFT JOIN _wf_lane AS l ON l.lane = w.lane
        WHERE l.lane IS NULL OR (w.place IN (0, 1, 3, 4, 5) AND l.line IN (0, 2) AND (l.next_due IS NULL OR l.next_due > w.due_at))""",
    "one claim has one key": "SELECT claim_key FROM _wf_workflow WHERE claim_key IS NOT NULL AND status = 'running'"
    " GROUP BY claim_key HAVING count(*) > 1",
    "steps belong to a workflow": "SELECT n, wf FROM _wf_step WHERE wf NOT IN (SELECT seq FROM _wf_workflow UNION ALL SELECT wf FROM _wf_gone)",
    "failures belong to a workflow": "SELECT n, wf FROM _wf_failure WHERE wf NOT IN (SELECT seq FROM _wf_workflow UNION ALL SELECT wf FROM _wf_gone)",
    "large values belong to a workflow": "SELECT wf, what FROM _wf_large WHERE wf NOT IN (SELECT seq FROM _wf_workflow UNION ALL SELECT wf FROM _wf_gone)",
    "step names are unique": "SELECT wf, name FROM _wf_step GROUP BY wf, name HAVING count(*) > 1",
    "done steps have no error, failed ones no output": """
        SELECT wf, name, status FROM _wf_step
        WHERE status NOT IN ('done', 'failed', 'waiting', 'begun') OR (status = 'done' AND (error IS NOT NULL OR attempts < 1))
           OR (status = 'failed' AND (error IS NULL OR output IS NOT NULL))""",
    "one open wait at most": "SELECT wf FROM _wf_step WHERE status = 'waiting' GROUP BY wf HAVING count(*) > 1",
    "waiting means an open wait": """
        SELECT id FROM _wf_workflow AS w
        WHERE status = 'waiting' AND NOT EXISTS (SELECT 1 FROM _wf_step WHERE wf = w.seq AND status IN ('waiting', 'begun'))""",
}


def violations(conn):
    """Broken rules as {rule: some of the rows}, and what SQLite itself finds wrong. {} for a file without our tables."""
    found = {}
    check = [row[0] for row in conn.execute("PRAGMA integrity_check").fetchall()]
    if check != ["ok"]:
        found["integrity_check"] = check
    tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '_wf_*'")}
    if not tables:
        return found
    missing = ["%s(%s) AS (SELECT %s WHERE 0)" % (table, ", ".join(columns), ", ".join("0" for _ in columns)) for table, columns in RARE.items() if table not in tables]
    with_empty = "WITH %s " % ", ".join(missing) if missing else ""
    for rule, sql in RULES.items():
        rows = conn.execute(with_empty + sql).fetchmany(5)
        if rows:
            found[rule] = rows
    return found
