-- Named values, shown to the outside.

-- name: value_set
INSERT INTO main._wf_value(wf, key, at, value) VALUES(:seq, :key, :now, :value)
ON CONFLICT(wf, key) DO UPDATE SET at = excluded.at, value = excluded.value

-- name: value_get
SELECT value FROM main._wf_value WHERE wf = coalesce(:seq, (SELECT seq FROM main._wf_workflow WHERE id = :id)) AND key = :key
