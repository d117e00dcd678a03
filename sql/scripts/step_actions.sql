-- Children of scripted workflows.

-- The child of a step. Who has come to its id since it was deleted is another.
-- name: run_child
SELECT status,
       coalesce(output, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 1)),
       coalesce(error, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 2)), seq
FROM main._wf_workflow
WHERE id = :id AND parent = :seq AND parent_step = :step AND parent_redo = :redo
