-- What operators do to workflows.

-- name: children_failed
WITH RECURSIVE t(seq) AS (
  SELECT seq FROM main._wf_workflow WHERE parent = :seq AND status IN ('failed', 'cancelled')
  UNION
  SELECT w.seq FROM t JOIN main._wf_workflow AS w ON w.parent = t.seq WHERE w.status IN ('failed', 'cancelled'))
SELECT seq FROM t

-- name: control_pause
UPDATE main._wf_workflow
SET paused_from = status, status = 'paused', place = 2, paused_left = deadline_at - :now, deadline_at = NULL, updated_at = :now
WHERE seq = :seq

-- name: control_resume
UPDATE main._wf_workflow
SET status = paused_from, place = :place, paused_from = NULL, deadline_at = min(:now + paused_left, 253402300799999), paused_left = NULL, updated_at = :now
WHERE seq = :seq

-- The root of the tree of a workflow, if some of it was purged.
-- name: control_purged
WITH RECURSIVE above(seq, parent, flags, id) AS (
  SELECT seq, CASE WHEN NOT flags & 4 THEN parent END, flags, id FROM main._wf_workflow WHERE seq = :seq
  UNION
  SELECT w.seq, CASE WHEN NOT w.flags & 4 THEN w.parent END, w.flags, w.id FROM above JOIN main._wf_workflow AS w ON w.seq = above.parent)
SELECT id FROM above WHERE flags & 64 LIMIT 1

-- name: control_dedup_taken
SELECT o.id FROM main._wf_workflow AS w JOIN main._wf_workflow AS o ON o.dedup = w.dedup AND o.finished_at IS NULL
WHERE w.seq = :seq AND w.dedup IS NOT NULL AND o.seq <> w.seq

-- name: control_step_n
SELECT n FROM main._wf_step WHERE n = {{step_n}}

-- name: control_spawned_from
SELECT w.seq FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.id = CASE WHEN json_valid(s.output) THEN json_extract(s.output, '$') END
WHERE s.n BETWEEN :n AND :seq << 28 | 268435455 AND s.kind = 'spawn' AND w.parent = :seq AND w.parent_step = s.name

-- name: control_untake all
UPDATE main._wf_signal SET taken = NULL WHERE wf = :seq AND taken >= :n

-- What was begun later and is not finished was not recorded: it stays in doubt.
-- name: control_drop_steps all
DELETE FROM main._wf_step WHERE n BETWEEN :n AND :seq << 28 | 268435455 AND (n = :n OR status <> 'begun')

-- Steps whose outcome is an error are to be done again, under a new key.
-- name: control_count_errors
SELECT count(*) FROM main._wf_step WHERE {{its_rows}} AND status = 'error'

-- name: control_redo_errors
INSERT INTO main._wf_redo(wf, step, redo)
SELECT :seq, name, 1 FROM main._wf_step WHERE {{its_rows}} AND status = 'error'
ON CONFLICT(wf, step) DO UPDATE SET redo = redo + 1

-- name: control_drop_errors all
DELETE FROM main._wf_step WHERE {{its_rows}} AND status = 'error'

-- name: control_drop_outcome all
DELETE FROM main._wf_large WHERE wf = :seq AND what IN (1, 2)

-- name: control_forgive_steps all
UPDATE main._wf_step SET attempts = 0 WHERE {{its_rows}} AND status = 'failed' AND attempts <> 0

-- name: control_retry
UPDATE main._wf_workflow
SET status = 'pending', place = :place, due_at = :now, nonce = NULL, claim_key = NULL, again = 1, wake = 1, failures = 0, lost = 0, failed = 0, mark = {{last_step}},
    max_attempts = coalesce(:max_attempts, max_attempts), closed_nonce = NULL, closed = NULL, finished_at = NULL, nth = NULL, ending = NULL, output = NULL, error = NULL, deadline_at = min(:now + timeout, 253402300799999),
    updated_at = :now
WHERE seq = :seq

-- A new period, or steps that are done again: streams that were closed go on.
-- name: control_open_streams all
UPDATE main._wf_stream_end SET closed = 0 WHERE wf = :seq AND closed <> 0

-- Children of :seq that could not be ended with it: they are to go on with it.
-- name: children_left_behind
SELECT w.seq FROM main._wf_workflow AS w JOIN main._wf_trouble AS x ON x.wf = w.seq AND x.ends WHERE w.parent = :seq AND NOT w.flags & 4

-- name: control_delete_trouble all
DELETE FROM main._wf_trouble WHERE wf = :seq

-- A scripted one counts as tried once: then its run looks at all that a step comes after, and not at the last alone.
-- name: fork_workflow
INSERT INTO main._wf_workflow(seq, id, lane, attempt, status, place, due_at, created_at, updated_at, deadline_at, timeout, flags, max_attempts, max_failures, backoff,
                              headers, late, input)
SELECT :new, :id, lane, flags & 16 <> 0, 'pending', CASE WHEN flags & 1 THEN 2 ELSE 0 END, :now, :now, :now, min(:now + timeout, 253402300799999), timeout,
       flags & 19, max_attempts, max_failures, backoff,
       headers, {{late}}, CASE WHEN :own_input THEN :input ELSE input END
FROM main._wf_workflow WHERE seq = :seq

-- name: fork_large_input
SELECT value FROM main._wf_large WHERE wf = :seq AND what = 0

-- name: fork_tags
INSERT INTO main._wf_tag(wf, key, tag) SELECT :new, key, tag FROM main._wf_tag WHERE wf = :seq

-- name: fork_tags_count
SELECT count(*) FROM main._wf_tag WHERE wf = :seq

-- Row by row: what an INSERT reads from its own table SQLite keeps in a table of its own first, several times the length of a long value.
-- The children of the other workflow stay its own. (Of a scripted workflow: run_fork_steps.)
-- name: fork_steps
SELECT n & 268435455, name, kind, status, attempts, begun_at, at, due_at, claim, NULL, hash, topics,
       CASE kind WHEN 'spawn' THEN '{"child":false}' ELSE how END, output, error
FROM main._wf_step WHERE {{its_rows}} AND status IN ('done', 'error') AND (:n IS NULL OR n < :n) ORDER BY n

-- name: fork_step
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, claim, nonce, hash, topics, how, output, error)
VALUES(:seq << 28 | :n, :seq, :step, :kind, :status, :attempts, :begun, :now, :due, :claim, :nonce, :hash, :topics, :how, :output, :error)
