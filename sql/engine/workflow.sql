-- One workflow: found by its number or its id, and what is kept beside it.

-- By :seq, or where that is NULL by :id. One primary-key look-up in the first case.
-- name: workflow_load
SELECT {{workflow}}
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.seq = coalesce(:seq, (SELECT seq FROM main._wf_workflow WHERE id = :id))

-- What wf_status, wf_result and wf_error show.
-- name: workflow_outcome
SELECT status,
       coalesce(output, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 1)),
       coalesce(error, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 2)), seq
FROM main._wf_workflow
WHERE seq = coalesce(:seq, (SELECT seq FROM main._wf_workflow WHERE id = :id))
