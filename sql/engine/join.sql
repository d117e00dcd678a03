-- Joins: waiting for workflows to end.

-- name: join_children
SELECT json_group_array(json_extract(output, '$')) FROM (
  SELECT output FROM main._wf_step WHERE wf = :seq AND kind = 'spawn' AND status = 'done' ORDER BY n)

-- name: join_unknown
SELECT j.value FROM _wf.json_each(:topics) AS j WHERE NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE id = j.value) LIMIT 1

-- Whether one that is waited for has not ended.
-- name: join_open
SELECT 1 FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value WHERE w.finished_at IS NULL LIMIT 1

-- name: join_waits
SELECT 1 FROM main._wf_waiter WHERE wf = :seq LIMIT 1

-- The one that ended first.
-- name: join_first
SELECT j.key FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value
WHERE w.finished_at IS NOT NULL ORDER BY w.finished_at, j.key LIMIT 1

-- name: join_show
SELECT j.value, w.status, w.finished_at IS NOT NULL,
       coalesce(w.output, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 1)),
       coalesce(w.error, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 2))
FROM _wf.json_each(:topics) AS j LEFT JOIN main._wf_workflow AS w ON w.id = j.value
WHERE :only IS NULL OR j.key = :only
ORDER BY j.key

-- name: join_retire
DELETE FROM main._wf_waiter WHERE topic = :topic AND wf = :seq

-- Whether a workflow waits in a join for any one.
-- name: join_is_any
SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND kind = 'join' AND json_extract(how, '$.mode') = 'any'

-- The workflows that wait for a topic.
-- name: wait_waiters
SELECT x.wf, w.lane, w.flags & 16 FROM main._wf_waiter AS x JOIN main._wf_workflow AS w ON w.seq = x.wf WHERE x.topic = :topic
