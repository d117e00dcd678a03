-- Streams.

-- From which offset items are there, where it goes on, and whether it is closed.
-- name: stream_end
SELECT coalesce(e.first, 0),
       max(coalesce((SELECT offset + 1 FROM main._wf_stream WHERE wf = :seq AND stream = :stream ORDER BY offset DESC LIMIT 1), 0), coalesce(e.next, 0)),
       coalesce(e.closed, 0)
FROM (SELECT 1) LEFT JOIN main._wf_stream_end AS e ON e.wf = :seq AND e.stream = :stream

-- name: stream_at
SELECT value FROM main._wf_stream WHERE wf = :seq AND stream = :stream AND offset = :offset

-- name: stream_add
INSERT INTO main._wf_stream(wf, stream, offset, at, value) VALUES(:seq, :stream, :offset, :now, :value)

-- name: stream_drop_from
DELETE FROM main._wf_stream WHERE wf = :seq AND stream = :stream AND offset >= :offset

-- name: stream_move_record
UPDATE main._wf_step SET output = :offset WHERE n = {{step_n}}

-- name: stream_put_end
INSERT INTO main._wf_stream_end(wf, stream, first, next, closed) VALUES(:seq, :stream, :first, :next, :closed)
ON CONFLICT(wf, stream) DO UPDATE SET first = excluded.first, next = excluded.next, closed = excluded.closed

-- name: stream_trim
DELETE FROM main._wf_stream WHERE wf = :seq AND stream = :stream AND offset < :first

-- name: stream_trimmed
SELECT 1 FROM main._wf_stream WHERE wf = :seq AND stream = :stream AND offset < :first LIMIT 1

-- Whether there is anything at or behind an offset, or nothing more can come.
-- name: stream_ready
SELECT 1 FROM main._wf_stream WHERE wf = :seq AND stream = :stream AND offset >= :offset
UNION ALL
SELECT 1 FROM main._wf_stream_end WHERE wf = :seq AND stream = :stream AND closed <> 0
LIMIT 1
