-- What time makes due.

-- name: due_deadlines
SELECT seq FROM main._wf_workflow WHERE deadline_at <= :now AND finished_at IS NULL ORDER BY deadline_at

-- name: due_put_off
UPDATE main._wf_workflow SET deadline_at = :until WHERE seq = :seq

-- Expired claims that may have been one too many: this one and those before it.
-- name: due_poison
SELECT w.seq FROM main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place = 1 AND w.due_at <= :now
WHERE l.next_due <= :now AND w.lost + 1 >= coalesce(
  w.max_attempts, (SELECT max_attempts FROM main._wf_queue WHERE queue = l.queue), (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10)
