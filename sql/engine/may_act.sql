-- Who may do what to a workflow.

-- The first open wait of a workflow, and after the row :after the next.
-- name: workflow_open_wait
SELECT n, kind, topics, due_at, how, name FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND (:after IS NULL OR n > :after)
ORDER BY n LIMIT 1
