-- Who is to be woken.

-- name: event_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step) SELECT 'e' || value, :seq, :key FROM _wf.json_each(:topics)

-- name: join_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step)
SELECT 'w' || w.seq, :seq, :key FROM _wf.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value WHERE w.finished_at IS NULL
