-- Who may do what to a workflow.

-- The open wait of a workflow.
-- name: workflow_open_wait
SELECT n, kind, topics, due_at, how, name FROM main._wf_step WHERE status = 'waiting' AND wf = :seq
