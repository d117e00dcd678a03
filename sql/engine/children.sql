-- Children.

-- name: spawn_record
INSERT INTO main._wf_step(wf, name, kind, status, attempts, at, output) VALUES(:seq, :step, 'spawn', 'done', 1, :now, :output)

-- The live descendants that end with a workflow, parents first; also those below a child that has ended.
-- name: children_attached
WITH RECURSIVE t(seq, is_live) AS (
  SELECT seq, finished_at IS NULL FROM main._wf_workflow WHERE parent = :seq AND NOT flags & 4
  UNION
  SELECT w.seq, w.finished_at IS NULL FROM t JOIN main._wf_workflow AS w ON w.parent = t.seq WHERE NOT w.flags & 4)
SELECT seq FROM t WHERE is_live

-- name: children_failed
WITH RECURSIVE t(seq) AS (
  SELECT seq FROM main._wf_workflow WHERE parent = :seq AND status IN ('failed', 'cancelled')
  UNION
  SELECT w.seq FROM t JOIN main._wf_workflow AS w ON w.parent = t.seq WHERE w.status IN ('failed', 'cancelled'))
SELECT seq FROM t
