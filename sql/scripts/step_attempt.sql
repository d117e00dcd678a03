-- Whether a workflow is still what it was when its step began.

-- name: run_status
SELECT status, ending IS NOT NULL, again FROM main._wf_workflow WHERE seq = :seq
