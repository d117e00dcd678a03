-- Starting a workflow.

-- name: start_same_id
SELECT l.name, {{first_input}},
       w.parent, w.parent_step, w.parent_redo, (SELECT id FROM main._wf_workflow WHERE seq = w.parent), w.status
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.id = :id

-- name: start_same_dedup
SELECT id FROM main._wf_workflow WHERE dedup = :dedup AND finished_at IS NULL

-- Whether the parent of a new workflow keeps to its own end the one slot that this would need.
-- name: start_is_shut_out
SELECT 1 FROM main._wf_workflow AS p JOIN main._wf_queue AS q ON q.queue = :queue
WHERE p.seq = :parent AND p.flags & 8
  AND ((q.partition_concurrency <= 1 AND :partition <> '' AND p.limited = :queue || char(31) || :partition)
       OR (q.concurrency <= 1 AND p.limited >= :queue || char(31) AND p.limited < :queue || char(32)))

-- name: start_next_seq
SELECT coalesce({{seq_after_deleted}}, (SELECT max(seq) FROM main._wf_workflow) + 1, 1)

-- name: start_insert
INSERT INTO main._wf_workflow(seq, id, lane, status, place, due_at, created_at, updated_at, deadline_at, timeout, flags,
                              max_attempts, max_failures, backoff, parent, parent_step, parent_redo, scheduled_at, dedup, headers, input)
VALUES(coalesce(:seq, {{seq_after_deleted}}), :id, :lane, 'pending', :place, :due, :now, :now, :deadline, :timeout, :flags,
       :max_attempts, :max_failures, :backoff, :parent, :parent_step, :parent_redo, :scheduled, :dedup, :headers, :input)

-- name: start_drop_large
DELETE FROM main._wf_large WHERE wf = :seq

-- name: large_put
INSERT INTO main._wf_large(wf, what, size, value) VALUES(:seq, :what, length(CAST(:value AS BLOB)), :value)
ON CONFLICT(wf, what) DO UPDATE SET size = excluded.size, value = excluded.value
