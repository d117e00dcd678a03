-- Ending a workflow.

-- The live descendants that end with a workflow, parents first; also those below a child that has ended. Past those of which it is noted already that
-- they are to.
-- name: children_attached
WITH RECURSIVE t(seq, is_live) AS (
  SELECT seq, finished_at IS NULL FROM main._wf_workflow WHERE parent = :seq AND NOT flags & 4
  UNION
  SELECT w.seq, w.finished_at IS NULL FROM t JOIN main._wf_workflow AS w ON w.parent = t.seq WHERE NOT w.flags & 4)
SELECT seq FROM t
WHERE is_live AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = t.seq AND x.ends > :force AND x.next_at > :now)

-- One that could not be ended with what it belongs to, and is due to be tried again: the first after :after. A pause holds that, too.
-- name: end_left_behind
SELECT x.wf, x.ends, x.reason FROM main._wf_trouble AS x
WHERE x.ends AND x.wf > :after AND CASE WHEN :only IS NULL THEN x.next_at <= :now ELSE x.wf = :only END
  AND NOT EXISTS (SELECT 1 FROM main._wf_workflow AS w WHERE w.seq = x.wf AND w.status = 'paused') ORDER BY x.wf LIMIT 1

-- name: end_end
UPDATE main._wf_workflow
SET status = :status, place = NULL, due_at = NULL, nonce = CASE WHEN :keep THEN nonce END, claim = NULL, claim_key = NULL, limited = NULL, flags = flags & ~8, paused_from = NULL, paused_left = NULL,
    closed_nonce = coalesce(:closed_nonce, closed_nonce), closed = coalesce(:closed, closed), finished_at = :now, updated_at = :now,
    nth = CASE WHEN place IS NULL THEN nth ELSE {{next_nth}} END, output = :output, error = coalesce(:error, error)
WHERE seq = :seq

-- name: end_in_effect
SELECT 1 FROM main._wf_step WHERE status = 'begun' AND wf = :seq AND nonce = :nonce LIMIT 1

-- name: end_cleanup_due
UPDATE main._wf_workflow SET due_at = :now, updated_at = :now WHERE seq = :seq

-- The second phase: its worker cleans up. Without `lease` the plain statement that records a step does nothing: what waits for the record is told.
-- name: end_cleanup
UPDATE main._wf_workflow
SET status = 'pending', place = :place, due_at = :due, nonce = CASE WHEN :keep THEN nonce END, claim_key = NULL,
    limited = CASE WHEN flags & 8 THEN limited END, paused_from = NULL, paused_left = NULL,
    lease = CASE WHEN :due > :now THEN NULL ELSE lease END, ending = :ending, again = 1, wake = 10, failures = 0, lost = 0, failed = 0, deadline_at = NULL,
    closed_nonce = coalesce(:closed_nonce, closed_nonce), closed = coalesce(:closed, closed), updated_at = :now, error = :error
WHERE seq = :seq
