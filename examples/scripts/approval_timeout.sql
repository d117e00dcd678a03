-- A person has three days to approve; then the expense is refused. Between the runs there is no process, only a row.
--
--   sqlite3 -bail app.db < examples/scripts/approval_timeout.sql      again and again: from cron, or after an answer
--
-- The answer is a signal, from any connection, also before the workflow came to its wait:
--
--   SELECT wf_signal('expense-1', 'decision', '{"ok": true, "by": "ann"}', '{"key": "ann"}');
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS expense(id TEXT PRIMARY KEY, cents INTEGER, state TEXT DEFAULT 'open');

SELECT wf_define('approval', '{
  "input": {"cents": "integer"},
  "steps": [
    {"name": "ask",    "sql": "INSERT INTO expense(id, cents) VALUES (:id, :cents)"},
    {"name": "answer", "await": "decision", "timeout": "3d"},
    {"name": "pay",    "when": "SELECT json_extract(:answer, ''$.payload.ok'')",
                       "sql": "UPDATE expense SET state = ''paid, approved by '' || json_extract(:answer, ''$.payload.by'') WHERE id = :id"},
    {"name": "refuse", "when": "SELECT :pay IS NULL",
                       "sql": "UPDATE expense SET state = CASE WHEN :answer::timeout THEN ''refused: nobody answered'' ELSE ''refused by '' || json_extract(:answer, ''$.payload.by'') END WHERE id = :id"}
  ],
  "output": "SELECT state FROM expense WHERE id = :id"
}') AS approval_version;

SELECT wf_start('approval', '{"cents": 4200}', '{"id": "expense-1"}');
SELECT wf_start('approval', '{"cents": 9900}', '{"id": "expense-2"}');
SELECT wf_run();
SELECT id, reason, due_at FROM wf_pending WHERE name = 'approval';

-- To see the end at once: Ann answers for the first one, and this connection's clock is set to four days from now.
SELECT wf_signal('expense-1', 'decision', '{"ok": true, "by": "ann"}', '{"key": "ann"}') WHERE wf_status('expense-1') = 'waiting';
SELECT wf_run();
SELECT wf_clock(datetime('now', '+4 days')) AS now;
SELECT wf_run();

.headers on
.mode column
SELECT id, status, output FROM wf_workflows WHERE name = 'approval' ORDER BY id;
