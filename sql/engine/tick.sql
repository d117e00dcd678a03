-- What time makes due.

-- Whether there may be anything to do, or anything is put off: nearly always there is nothing.
-- name: tick_anything
SELECT EXISTS (SELECT 1 FROM main._wf_workflow WHERE deadline_at <= +:now AND finished_at IS NULL)
    OR EXISTS (SELECT 1 FROM main._wf_schedule WHERE next_at <= +:now AND paused = 0) OR EXISTS (SELECT 1 FROM main._wf_trouble)

-- name: tick_deadlines
-- (Rows that a hand edit has made none of the engine's are left out: nothing would end them, and they would be due for ever.)
SELECT w.seq FROM main._wf_workflow AS w
WHERE w.deadline_at <= :now AND w.finished_at IS NULL AND w.status IN ('pending', 'running', 'waiting', 'paused')
  AND EXISTS (SELECT 1 FROM main._wf_lane WHERE lane = w.lane) AND NOT {{put_off}} AND NOT {{met}}
ORDER BY w.deadline_at

-- Expired claims that may have been one too many: this one and those before it. The lane's next_due knows nothing of manual workflows.
-- name: tick_poison
SELECT w.seq FROM main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place IN (1, 4) AND w.due_at <= :now
WHERE (l.turn IS NOT NULL OR l.next_due <= :now) AND {{may_be_poison}} AND NOT {{waits_on}} AND NOT {{put_off}} AND NOT {{met}}
UNION ALL
SELECT w.seq FROM main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place = 2 AND w.due_at <= :now
WHERE w.status = 'running' AND {{may_be_poison}} AND NOT {{waits_on}} AND NOT {{put_off}} AND NOT {{met}}
ORDER BY 1
