-- What time makes due.

-- name: tick_anything
SELECT {{anything_due}}

-- name: tick_deadlines
-- (Rows that a hand edit has made none of the engine's are left out: nothing would end them, and they would be due for ever.)
SELECT w.seq FROM main._wf_workflow AS w
WHERE w.deadline_at <= :now AND w.finished_at IS NULL AND w.status IN ('pending', 'running', 'waiting', 'paused')
  AND EXISTS (SELECT 1 FROM main._wf_lane WHERE lane = w.lane) AND NOT {{put_off}} AND NOT {{met}}
ORDER BY w.deadline_at

-- Expired claims that may have been one too many: this one and those before it. They are found by an index of those that have lost one before, or may lose none; and
-- by their lanes, where a queue or the file lets nobody lose one. (+w.seq: else all are walked in the order of seq. The lane's next_due knows nothing of manual workflows.)
-- name: tick_poison
SELECT +w.seq FROM main._wf_workflow AS w CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE (w.lost > 0 OR w.max_attempts = 1) AND w.due_at <= :now AND +w.place IN (1, 2, 4) AND w.status = 'running'
  AND {{may_be_poison}} AND NOT {{waits_on}} AND NOT {{put_off}} AND NOT {{met}}
UNION ALL
SELECT +w.seq FROM (SELECT 1 FROM main._wf_queue WHERE max_attempts = 1 UNION ALL SELECT 1 FROM main._wf_meta WHERE key = 'max_attempts' AND value = 1 LIMIT 1)
  CROSS JOIN main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place IN (1, 2, 4) AND w.nth IS NULL AND w.due_at <= :now
WHERE w.lost = 0 AND w.max_attempts IS NULL AND w.status = 'running' AND {{may_be_poison}} AND NOT {{waits_on}} AND NOT {{put_off}} AND NOT {{met}}
ORDER BY 1
