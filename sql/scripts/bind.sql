-- What the parameters of a definition's statements stand for.

-- What parameters stand for.
-- name: run_facts
SELECT id, coalesce(input, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 0)),
       coalesce(error, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 2)), redo
FROM main._wf_workflow WHERE seq = :seq

-- The nearest double, as SQLite reads it.
-- name: run_real
SELECT CAST(:text AS REAL)

-- name: run_output
SELECT output FROM main._wf_step WHERE wf = :seq AND name = :step AND {{named}}

-- name: run_item
SELECT topics FROM main._wf_step WHERE wf = :seq AND name = :step AND {{named}}
