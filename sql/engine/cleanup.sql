-- Cleanup that the code of a workflow has said.

-- name: cleanup_set
UPDATE main._wf_workflow SET flags = flags | 2, updated_at = :now WHERE seq = :seq
