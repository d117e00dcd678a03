-- A person has to approve: the script starts the expense, waits without a process, and runs on when the answer is there.
--
--   sqlite3 -bail app.db < examples/approval.sql          again and again: from cron, or after the answer
--
-- The answer is a signal, from any connection, before or after the script came to its wait:
--
--   SELECT wf_signal('expense-7', 'decision', '{"ok": true, "by": "ann"}', '{"key": "ann"}');
--
-- While it waits, the script stops with WF_SUSPENDED at the first line that would do something new. Nobody answers for
-- three days: the expense is refused. It may be killed anywhere.
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS paid(expense TEXT, cents INTEGER, approved_by TEXT);

SELECT wf_start('expense', '{"cents": 4200}', '{"id": "expense-7"}');

-- NULL: not yet. Otherwise the signal, or {"signal":null,"timeout":true}; from then on always the same.
SELECT wf_await('expense-7', 'approval', 'decision', '3d');

-- The decision into rows, and its record, together. While the wait is open nothing new is recorded: WF_SUSPENDED, -bail
-- ends the script, and the transaction is undone.
BEGIN IMMEDIATE;
INSERT INTO paid
  SELECT workflow_id, 4200, json_extract(output, '$.payload.by') FROM wf_steps
  WHERE workflow_id = 'expense-7' AND name = 'approval' AND json_extract(output, '$.payload.ok')
    AND (SELECT wf_step('expense-7', 'settle')) IS NULL;
SELECT wf_step('expense-7', 'settle', json_object('paid', count(*))) FROM paid WHERE expense = 'expense-7';
SELECT wf_complete('expense-7', wf_step('expense-7', 'settle'));
COMMIT;

SELECT wf_status('expense-7'), wf_result('expense-7');
