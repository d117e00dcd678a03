-- Failures and lost leases in a row.

-- What was recorded since the last of them: a step, which breaks both rows; anything, which breaks that of the lost leases.
-- name: budget_progress
SELECT EXISTS (SELECT 1 FROM main._wf_step WHERE n > max(:mark, :seq << 28) AND n <= :seq << 28 | 268435455 AND kind = 'step' AND status = 'done'),
       EXISTS (SELECT 1 FROM main._wf_step WHERE n > max(:mark, :seq << 28) AND n <= :seq << 28 | 268435455 AND status IN ('done', 'error', 'waiting'))
