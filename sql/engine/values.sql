-- Named values and streams, shown to the outside.

-- name: value_set
INSERT INTO main._wf_value(wf, key, at, value) VALUES(:seq, :key, :now, :value)
ON CONFLICT(wf, key) DO UPDATE SET at = excluded.at, value = excluded.value

-- name: value_get
SELECT value FROM main._wf_value WHERE wf = coalesce(:seq, (SELECT seq FROM main._wf_workflow WHERE id = :id)) AND key = :key

-- name: stream_next
SELECT coalesce((SELECT offset + 1 FROM main._wf_stream WHERE wf = :seq AND stream = :stream ORDER BY offset DESC LIMIT 1), 0)

-- name: stream_at
SELECT value FROM main._wf_stream WHERE wf = :seq AND stream = :stream AND offset = :offset

-- name: stream_add
INSERT INTO main._wf_stream(wf, stream, offset, at, value) VALUES(:seq, :stream, :offset, :now, :value)
