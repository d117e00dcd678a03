-- Who is to be woken.

-- name: event_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step) SELECT 'e' || value, :seq, :key FROM _wf.json_each(:topics)

-- name: event_unlisted
SELECT 1 FROM _wf.json_each(:topics) AS j
WHERE NOT EXISTS (SELECT 1 FROM main._wf_waiter AS x WHERE x.topic = 'e' || j.value AND x.wf = :seq AND x.step = :key) LIMIT 1

-- name: join_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step)
SELECT 'w' || w.seq, :seq, :key FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value
WHERE w.finished_at IS NULL AND {{is_meant}}

-- name: join_unlisted
SELECT 1 FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value
WHERE w.finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM main._wf_waiter AS x WHERE x.topic = 'w' || w.seq AND x.wf = :seq AND x.step = :key)
  AND {{is_meant}} LIMIT 1
