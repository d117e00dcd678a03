-- Joins: waiting for workflows to end. Of those that are named the ones that are not there any more count as ended.

-- name: join_children
SELECT json_group_array(json_extract(output, '$')) FILTER (WHERE json_type(CASE WHEN json_valid(output) THEN output END) = 'text') FROM (
  SELECT output FROM main._wf_step WHERE {{its_rows}} AND kind = 'spawn' AND status = 'done' ORDER BY n)

-- name: join_unknown
SELECT j.value, EXISTS (SELECT 1 FROM main._wf_workflow WHERE id = j.value) FROM _wf.json_each(:topics) AS j
WHERE NOT EXISTS (SELECT 1 FROM main._wf_workflow AS w WHERE w.id = j.value AND {{is_meant}}) LIMIT 1

-- Whether one that is waited for has not ended.
-- name: join_open
SELECT 1 FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value WHERE w.finished_at IS NULL AND {{is_meant}} LIMIT 1

-- name: join_waits
SELECT 1 FROM main._wf_waiter WHERE wf = :seq AND step = :key LIMIT 1

-- The one that ended first.
-- name: join_first
SELECT j.key, w.finished_at FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value
WHERE w.finished_at IS NOT NULL AND {{is_meant}} ORDER BY w.finished_at, j.key LIMIT 1

-- When the last one has ended.
-- name: join_last
SELECT max(w.finished_at) FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value WHERE {{is_meant}}

-- In the order of the ids, which is made before their outputs are read: they would be held all at once.
-- name: join_show
SELECT j.value, w.status, w.finished_at IS NOT NULL,
       coalesce(w.output, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 1)),
       coalesce(w.error, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 2))
FROM (SELECT key, value FROM _wf.json_each(:topics) WHERE :only IS NULL OR key = :only ORDER BY key LIMIT -1) AS j
LEFT JOIN main._wf_workflow AS w ON w.id = j.value AND {{is_meant}}

-- name: join_retire or more
DELETE FROM main._wf_waiter WHERE topic = :topic AND wf = :seq AND step = :key

-- Whether what a workflow waits for under :key is a join for any one.
-- name: join_is_any
SELECT 1 FROM main._wf_step AS s
WHERE s.wf = :seq AND {{s_named}} AND s.status = 'waiting' AND s.name = CASE instr(:key, char(31)) WHEN 0 THEN :key ELSE substr(:key, 1, instr(:key, char(31)) - 1) END AND 'any' = CASE WHEN instr(:key, char(31)) THEN json_extract({{sound_topics}}, '$.waits[' || substr(:key, instr(:key, char(31)) + 1) || '].mode') ELSE json_extract({{sound_how}}, '$.mode') END
