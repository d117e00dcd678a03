-- Settings of the file, in _wf_meta.

-- name: setting_get
SELECT value FROM main._wf_meta WHERE key = :key

-- name: setting_put
INSERT INTO main._wf_meta(key, value) VALUES(:key, :value)
ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: setting_drop all or none
DELETE FROM main._wf_meta WHERE key = :key

-- What the file has that the present clock has dated, NULL if there is nothing.
-- name: setting_dated
SELECT CASE WHEN EXISTS (SELECT 1 FROM main._wf_workflow) THEN 'a workflow'
            WHEN EXISTS (SELECT 1 FROM main._wf_schedule) THEN 'a schedule'
            WHEN EXISTS (SELECT 1 FROM main._wf_event) THEN 'an event' END

-- The retry policy: the workflow's own, else the queue's, else the file's.
-- name: workflow_policy
SELECT coalesce(w.max_attempts, q.max_attempts, (SELECT value FROM main._wf_meta WHERE key = 'max_attempts')),
       coalesce(w.backoff, q.backoff, (SELECT value FROM main._wf_meta WHERE key = 'backoff')),
       coalesce(w.max_failures, (SELECT value FROM main._wf_meta WHERE key = 'max_failures'))
FROM main._wf_workflow AS w LEFT JOIN main._wf_queue AS q ON q.queue = :queue
WHERE w.seq = :seq

-- name: setting_query_only
SELECT query_only FROM main.pragma_query_only
