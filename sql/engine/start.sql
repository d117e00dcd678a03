-- Starting a workflow.

-- name: start_same_id
SELECT l.name, {{first_input}},
       w.parent, w.parent_step, w.parent_redo, (SELECT id FROM main._wf_workflow WHERE seq = w.parent), w.status
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.id = :id

-- name: start_same_dedup
SELECT id FROM main._wf_workflow WHERE dedup = :dedup AND finished_at IS NULL

-- Those who may wait for a new workflow, and for one another: its parent, and upwards as long as none is detached or has ended. Whether they keep, or will
-- keep once they are claimed, all the slots of which this one needs one, each to its own end.
-- name: start_is_shut_out
WITH RECURSIVE above(seq, parent, lane) AS (
  SELECT seq, CASE WHEN NOT flags & 4 THEN parent END, lane FROM main._wf_workflow WHERE seq = :parent AND finished_at IS NULL
  UNION
  SELECT w.seq, CASE WHEN NOT w.flags & 4 THEN w.parent END, w.lane FROM above JOIN main._wf_workflow AS w ON w.seq = above.parent WHERE w.finished_at IS NULL)
SELECT 1 FROM main._wf_queue AS q
WHERE q.queue = :queue AND q.hold = 'started'
  AND (q.concurrency <= (SELECT count(*) FROM above JOIN main._wf_lane AS l ON l.lane = above.lane WHERE l.queue = :queue)
       OR (:partition <> '' AND q.partition_concurrency <= (
             SELECT count(*) FROM above JOIN main._wf_lane AS l ON l.lane = above.lane WHERE l.queue = :queue AND l.partition = :partition)))

-- name: start_next_seq
SELECT coalesce({{seq_after_deleted}}, (SELECT max(seq) FROM main._wf_workflow) + 1, 1)

-- Of a row that is as long as its first claim will make it: one that grows in a full page splits it, and where claims come in another order than starts, nearly
-- every one would meet a full page.
-- name: fragment_new_row
'pending', :place, :due, '0 ..............................................', :now, :now, :deadline, :timeout, :flags,
:max_attempts, :max_failures, :backoff, :parent, :parent_step, :parent_redo, :scheduled, :dedup, :headers, {{late}}, :input

-- name: fragment_columns_of_new_row
status, place, due_at, claim, created_at, updated_at, deadline_at, timeout, flags,
max_attempts, max_failures, backoff, parent, parent_step, parent_redo, scheduled_at, dedup, headers, late, input

-- name: start_insert
INSERT INTO main._wf_workflow(seq, id, lane, {{columns_of_new_row}})
VALUES(coalesce(:seq, {{seq_after_deleted}}), :id, :lane, {{new_row}})

-- Starts a workflow where nothing but its row has to be written: it is one for workers, its id is free, its lane is there and need not be told of it (as
-- lane_for() says). Where nothing has been inserted, start() finds out why: what is not that plain has no lane, and a row without one is ignored. One
-- statement, as step_record is.
-- name: start_plain
INSERT OR IGNORE INTO main._wf_workflow(seq, id, lane, {{columns_of_new_row}})
VALUES({{seq_after_deleted}}, :id,
       (SELECT lane FROM main._wf_lane
        WHERE queue = :queue AND kind = 0 AND partition = :partition AND name = :name AND version = :version AND priority = :priority
          AND (line & 1 OR next_due <= :due) AND NOT EXISTS (SELECT 1 FROM main._wf_definition WHERE name = :name) AND {{plain_file}}),
       {{new_row}})

-- name: start_drop_large
DELETE FROM main._wf_large WHERE wf = :seq

-- name: large_put
INSERT INTO main._wf_large(wf, what, size, value) VALUES(:seq, :what, length(CAST(:value AS BLOB)), :value)
ON CONFLICT(wf, what) DO UPDATE SET size = excluded.size, value = excluded.value
