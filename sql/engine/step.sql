-- Recording and reading steps.

-- What stands, an output or an error. By :id, or by a token of the present period.
-- name: step_read
SELECT CASE status WHEN 'error' THEN error ELSE output END, status, kind, hash FROM main._wf_step
WHERE wf = CASE WHEN :nonce IS NULL THEN (SELECT seq FROM main._wf_workflow WHERE id = :id)
                ELSE (SELECT seq FROM main._wf_workflow WHERE seq = :seq AND NOT (period - :nonce) & 65535) END
  AND name = :step

-- Unless an output stands already.
-- name: fragment_or_rerecord
ON CONFLICT(wf, name) DO UPDATE
SET n = excluded.n, status = 'done', attempts = attempts + 1, at = excluded.at, claim = excluded.claim, output = excluded.output,
    hash = coalesce(excluded.hash, hash), error = NULL
WHERE kind = 'step' AND status NOT IN ('done', 'error') AND coalesce(hash = excluded.hash, 1)

-- Records a step if its handle is plainly good: a token that is the current claim, with no need to renew its lease. Where nothing is recorded,
-- record_step finds out why. One statement, so that it is atomic in triggers too. What is not good has no claim, and a row without one is ignored: a
-- SELECT that reads the table it inserts into would first be kept in one of its own, which costs as much again. (try_insert() knows the order in
-- which the parameters appear, here and in the next one.)
-- name: step_record
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, output, hash)
VALUES({{next_step}}, :seq, :step, 'step', 'done', 1, :now,
  (SELECT claim FROM main._wf_workflow WHERE seq = :seq AND nonce = :nonce AND due_at - :now >= lease / 2 AND place <> 4 AND {{plain_file}}), :output, :hash)
{{or_rerecord}}

-- The same for the id of a workflow that is due and that nobody has claimed.
-- name: step_record_by_id
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, at, output, hash)
VALUES(
  (SELECT coalesce((SELECT n FROM main._wf_step WHERE n BETWEEN w.seq << 28 AND w.seq << 28 | 268435454 ORDER BY n DESC LIMIT 1), w.seq << 28) + 1
   FROM main._wf_workflow AS w WHERE id = :id),
  (SELECT seq FROM main._wf_workflow WHERE id = :id AND status = 'pending' AND due_at <= :now AND NOT flags & 16 AND {{plain_file}}),
  :step, 'step', 'done', 1, :now, :output, :hash)
{{or_rerecord}}

-- The same for one that has been looked at.
-- name: step_write
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, output, hash)
VALUES({{next_step}}, :seq, :step, 'step', 'done', 1, :now, :claim, :output, :hash)
{{or_rerecord}}

-- Its outcome is an error.
-- name: step_write_error
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, error, hash)
VALUES({{next_step}}, :seq, :step, 'step', 'error', 1, :now, :claim, :output, :hash)
ON CONFLICT(wf, name) DO UPDATE
SET n = excluded.n, status = 'error', attempts = attempts + 1, at = excluded.at, claim = excluded.claim, error = excluded.error,
    hash = coalesce(excluded.hash, hash), nonce = NULL
WHERE kind = 'step' AND status NOT IN ('done', 'error')
