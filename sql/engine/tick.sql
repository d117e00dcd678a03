-- What time makes due.

-- name: tick_deadlines
-- (Rows that a hand edit has made none of the engine's are left out: ending them would fail, and they would be due for ever.)
SELECT seq FROM main._wf_workflow AS w
WHERE deadline_at <= :now AND finished_at IS NULL AND status IN ('pending', 'running', 'waiting', 'paused')
  AND EXISTS (SELECT 1 FROM main._wf_lane WHERE lane = w.lane)
ORDER BY deadline_at

-- name: tick_put_off
UPDATE main._wf_workflow SET deadline_at = :until WHERE seq = :seq

-- Expired claims that may have been one too many: this one and those before it. The lane's next_due knows nothing of manual workflows.
-- name: tick_poison
SELECT w.seq FROM main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place = 1 AND w.due_at <= :now
WHERE l.next_due <= :now AND {{may_be_poison}}
UNION ALL
SELECT w.seq FROM main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place = 2 AND w.due_at <= :now
WHERE w.status = 'running' AND {{may_be_poison}}
ORDER BY 1
