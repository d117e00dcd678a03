-- Giving a claim back.

-- name: complete_back_in_line
UPDATE main._wf_workflow
SET status = 'pending', place = :place, due_at = :due, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END,
    closed_nonce = :closed_nonce, closed = :closed, again = :again, wake = :wake, failures = :failures, lost = :lost, failed = failed + :failed,
    mark = CASE WHEN :in_a_row THEN {{last_step}} ELSE mark END, updated_at = :now
WHERE seq = :seq

-- name: complete_step_state
SELECT kind, status, attempts FROM main._wf_step WHERE wf = :seq AND name = :step

-- name: complete_step_failed
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, error)
VALUES({{next_step}}, :seq, :step, 'step', 'failed', :attempts, :now, {{claim}}, :error)
ON CONFLICT(wf, name) DO UPDATE
SET status = 'failed', attempts = excluded.attempts, at = excluded.at, claim = excluded.claim, error = excluded.error,
    nonce = NULL, begun_at = NULL

-- name: failure_add
INSERT INTO main._wf_failure(n, wf, attempt, step, worker, claimed_at, error, at)
VALUES({{next_failure}}, :seq, :attempt, :step, :worker, (SELECT attempt_at FROM main._wf_workflow WHERE seq = :seq AND :claimed), :error, :now)

-- A failure of a step after which the claim goes on.
-- name: fail_keeping
UPDATE main._wf_workflow SET failed = failed + 1, updated_at = :now WHERE seq = :seq
