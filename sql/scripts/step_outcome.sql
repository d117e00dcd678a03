-- The workflow of a step that was executed.

-- The first claim of an attempt.
-- name: run_take
UPDATE main._wf_workflow
SET attempt = attempt + 1, again = 0, started_at = coalesce(started_at, :now), attempt_at = :now, updated_at = :now, place = CASE place WHEN 0 THEN 3 ELSE place END,
    limited = CASE WHEN :until_end THEN (SELECT l.queue || char(31) || l.partition FROM main._wf_lane AS l WHERE l.lane = _wf_workflow.lane) END,
    flags = CASE WHEN :until_end THEN flags | 8 ELSE flags & ~8 END
WHERE seq = :seq

-- name: run_suspend
UPDATE main._wf_workflow SET status = :status, due_at = :due, place = :place, updated_at = :now WHERE seq = :seq

-- It has had its turn, and is due on: it stands behind the others.
-- name: run_behind
UPDATE main._wf_workflow SET due_at = :now, place = 5 WHERE seq = :seq AND place IN (3, 5) AND due_at <= :now
