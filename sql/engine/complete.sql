-- Giving a claim back.

-- Completes a workflow by its current claim where nothing but its row has to change: it is in its first phase, none of its waits is open, nobody joins it,
-- it holds no slot and its lane is not in line. Where nothing has changed, complete() finds out why. One statement, as step_record is.
-- name: complete_plain
UPDATE main._wf_workflow
SET status = 'completed', place = NULL, due_at = NULL, nonce = NULL, claim = NULL, claim_key = NULL, closed_nonce = :nonce, closed = 'complete:completed',
    finished_at = :now, updated_at = :now, nth = {{next_nth}}, output = :output
WHERE seq = :seq AND nonce = :nonce AND status = 'running' AND limited IS NULL AND ending IS NULL AND NOT flags & 48
  AND NOT EXISTS (SELECT 1 FROM main._wf_waiter WHERE topic = 'w' || :seq)
  AND (SELECT line FROM main._wf_lane WHERE lane = _wf_workflow.lane) = 0 AND {{plain_file}}

-- name: complete_back_in_line
UPDATE main._wf_workflow
SET status = CASE status WHEN 'paused' THEN status ELSE 'pending' END, paused_from = CASE status WHEN 'paused' THEN 'pending' END,
    place = CASE status WHEN 'paused' THEN 2 ELSE :place END, due_at = :due, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END,
    closed_nonce = :closed_nonce, closed = :closed, again = :again, wake = :wake, failures = :failures, lost = :lost, failed = failed + :failed,
    mark = CASE WHEN :in_a_row THEN {{last_step}} ELSE mark END, updated_at = :now
WHERE seq = :seq

-- name: complete_step_state
SELECT kind, status, attempts FROM main._wf_step WHERE n = {{step_n}}

-- name: complete_step_failed
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, error)
VALUES({{next_step}}, :seq, {{new_name}}, 'step', 'failed', :attempts, :now, {{claim}}, :error)
ON CONFLICT(wf, name) WHERE {{named}} DO UPDATE
SET status = 'failed', attempts = excluded.attempts, at = excluded.at, claim = excluded.claim, error = excluded.error,
    nonce = NULL, begun_at = NULL

-- name: failure_add
INSERT INTO main._wf_failure(n, wf, attempt, step, worker, claimed_at, error, at)
VALUES({{next_failure}}, :seq, :attempt, :step, :worker, (SELECT attempt_at FROM main._wf_workflow WHERE seq = :seq AND :claimed), :error, :now)

-- A failure of a step after which the claim goes on.
-- name: fail_keeping
UPDATE main._wf_workflow SET failed = failed + 1, updated_at = :now WHERE seq = :seq
