-- Recording and reading steps.

-- By :id, or by a token of the present period.
-- name: step_read
SELECT output, status = 'done', kind FROM main._wf_step
WHERE wf = CASE WHEN :nonce IS NULL THEN (SELECT seq FROM main._wf_workflow WHERE id = :id)
                ELSE (SELECT seq FROM main._wf_workflow WHERE seq = :seq AND NOT (period - :nonce) & 65535) END
  AND name = :step

-- Records a step if its handle is plainly good: a token that is the current claim, with no need to renew its lease (:slow does not ask for
-- that), or the id of a workflow that is due and that nobody has claimed. Where nothing is recorded, record_step finds out why. One statement, so that it is atomic in triggers too. A clock
-- that was not said (:said) is not good enough for a file that wants it said, or has a clock of its own, nor is a file of another format.
-- name: step_record
INSERT INTO main._wf_step(wf, name, kind, status, attempts, at, output)
SELECT seq, :step, 'step', 'done', 1, :now, :output FROM main._wf_workflow
WHERE seq = coalesce(:seq, (SELECT seq FROM main._wf_workflow WHERE id = :id))
  AND ((nonce = :nonce AND (:slow OR (due_at - :now >= lease / 2 AND place <> 4))) OR (:nonce IS NULL AND status = 'pending' AND due_at <= :now AND NOT flags & 16))
  AND (:said OR NOT EXISTS (SELECT 1 FROM main._wf_meta WHERE key = 'clock' AND value <> 'system'))
  AND (SELECT value FROM main._wf_meta WHERE key = 'schema_version') = :format
ON CONFLICT(wf, name) DO UPDATE
SET n = (SELECT max(n) + 1 FROM main._wf_step), status = 'done', attempts = attempts + 1, at = excluded.at, output = excluded.output, error = NULL
WHERE kind = 'step' AND status <> 'done'
