-- A start where the workflow is there already.

-- Whether anything was done for it by its id.
-- name: start_again_steps
SELECT 1 FROM main._wf_step WHERE {{its_rows}} LIMIT 1

-- Of one that was continued: the input of this start is what later ones are compared with.
-- name: start_again_drop_first all
DELETE FROM main._wf_large WHERE wf = :seq AND what = 3

-- One that has ended begins a new period, with a token that differs from those before; one that is paused stays so.
-- name: start_again_workflow
UPDATE main._wf_workflow
SET lane = :lane, place = CASE status WHEN 'paused' THEN 2 ELSE :place END, due_at = :due, nonce = NULL, claim_key = NULL, limited = NULL,
    flags = flags & ~(8 + CASE WHEN :cleanup IS NULL THEN 0 ELSE 2 END) | coalesce(:cleanup, 0), again = 1, wake = 0, failures = 0, lost = 0, failed = 0, mark = 0, period = period + :restart, closed_nonce = NULL, closed = NULL,
    started_at = NULL, attempt_at = NULL, finished_at = NULL, nth = NULL, ending = NULL, output = NULL, error = NULL,
    deadline_at = CASE status WHEN 'paused' THEN NULL ELSE min(:due + coalesce(:timeout, timeout), 253402300799999) END,
    paused_left = CASE status WHEN 'paused' THEN min(:due + coalesce(:timeout, timeout), 253402300799999) - :now END,
    timeout = coalesce(:timeout, timeout), max_attempts = coalesce(:max_attempts, max_attempts), max_failures = coalesce(:max_failures, max_failures),
    backoff = coalesce(:backoff, backoff), headers = coalesce(:headers, headers), input = :input, updated_at = :now,
    status = CASE status WHEN 'paused' THEN status ELSE 'pending' END
WHERE seq = :seq
