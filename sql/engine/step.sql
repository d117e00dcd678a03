-- Recording and reading steps.

-- What stands, an output or an error. By :id, or by a token of the present period.
-- name: step_read
SELECT CASE s.status WHEN 'error' THEN s.error ELSE s.output END, s.status, s.kind, s.hash
FROM (SELECT CASE WHEN :nonce IS NULL THEN (SELECT seq FROM main._wf_workflow WHERE id = :id)
                  ELSE (SELECT seq FROM main._wf_workflow WHERE seq = :seq AND NOT (period - :nonce) & 65535) END AS seq) AS w
CROSS JOIN main._wf_step AS s
  ON s.n = coalesce((SELECT n FROM main._wf_step WHERE wf = w.seq AND name = :step AND {{named}}),
                    (SELECT n FROM main._wf_step WHERE n > w.seq << 28 AND n < w.seq << 28 | 32 AND name = :step))

-- Unless an output stands already.
-- name: fragment_or_rerecord
ON CONFLICT(wf, name) WHERE {{named}} DO UPDATE
SET n = excluded.n, status = 'done', attempts = attempts + 1, at = excluded.at, claim = excluded.claim, output = excluded.output,
    hash = coalesce(excluded.hash, hash), error = NULL
WHERE kind = 'step' AND status NOT IN ('done', 'error') AND coalesce(hash = excluded.hash, 1)

-- Records a step if it is new and its handle is plainly good: a token that is the current claim, with no need to renew its lease. Where nothing is recorded,
-- record_step finds out why. One statement, so that it is atomic in triggers too. What is not good has no claim, what is not new has no name among the first
-- rows, or is in the index, and behind place 31, where those first are to be put into the index, the number is one that is taken: such a row is ignored. (A
-- SELECT that reads the table it inserts into would first be kept in one of its own, which costs as much again.) At 63 that is done where it was not at 31, since
-- something else was recorded there. (try_insert() knows the order in which the parameters appear, here and in the next one.)
-- name: step_record
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, output, hash, named)
VALUES({{next_plain_step}}, :seq,
  CASE WHEN {{all_named}} OR NOT EXISTS (SELECT 1 FROM main._wf_step WHERE {{first_rows}} AND name = :step) THEN :step END,
  'step', 'done', 1, :now,
  (SELECT claim FROM main._wf_workflow WHERE seq = :seq AND nonce = :nonce AND due_at - :now >= lease / 2 AND place <> 4 AND {{plain_file}}), :output, :hash, NULL)

-- The same for the id of a workflow that is due and that nobody has claimed.
-- name: step_record_by_id
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, at, output, hash, named)
VALUES(
  (SELECT coalesce((SELECT n + (n & 268435423 <> 31) FROM main._wf_step WHERE n BETWEEN w.seq << 28 AND w.seq << 28 | 268435454 ORDER BY n DESC LIMIT 1), w.seq << 28 | 1)
   FROM main._wf_workflow AS w WHERE id = :id),
  (SELECT seq FROM main._wf_workflow WHERE id = :id AND status = 'pending' AND due_at <= :now AND NOT flags & 16 AND {{plain_file}}),
  (SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM main._wf_step WHERE n > w.seq << 28 AND n < w.seq << 28 | 32 AND name = :step) THEN :step END
   FROM main._wf_workflow AS w WHERE id = :id),
  'step', 'done', 1, :now, :output, :hash, NULL)

-- The same for one that has been looked at. Only a row that is in the index meets the one of its name there: so it is, if that is.
-- name: step_write
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, output, hash, named)
VALUES({{next_step}}, :seq, {{new_name}}, 'step', 'done', 1, :now, :claim, :output, :hash, (SELECT named FROM main._wf_step WHERE wf = :seq AND name = :step AND {{named}}))
{{or_rerecord}}

-- Its outcome is an error.
-- name: step_write_error
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, error, hash)
VALUES({{next_step}}, :seq, {{new_name}}, 'step', 'error', 1, :now, :claim, :output, :hash)
ON CONFLICT(wf, name) WHERE {{named}} DO UPDATE
SET n = excluded.n, status = 'error', attempts = attempts + 1, at = excluded.at, claim = excluded.claim, error = excluded.error,
    hash = coalesce(excluded.hash, hash), nonce = NULL
WHERE kind = 'step' AND status NOT IN ('done', 'error')
