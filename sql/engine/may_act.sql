-- Who may do what to a workflow.

-- The open wait of a workflow.
-- name: workflow_open_wait
SELECT kind, name, topics, n, due_at, how FROM main._wf_step WHERE status = 'waiting' AND wf = :seq
