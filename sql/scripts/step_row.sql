-- The rows of a scripted workflow's steps: ext/scripts/step_row.h says what they mean.

-- name: run_add
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, due_at, topics)
VALUES({{next_step}}, :seq, :step, :kind, 'ready', 0, :now, :due, :topics)
ON CONFLICT(wf, name) WHERE {{named}} DO NOTHING

-- Over.
-- name: run_record or none
UPDATE main._wf_step SET status = :status, attempts = attempts + (:status <> 'skipped'), at = :now, output = coalesce(:output, output), error = :error, nonce = :goes_on WHERE n = :n

-- Over without having been in line.
-- name: run_insert
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, due_at, topics, output)
VALUES({{next_step}}, :seq, :step, :kind, :status, :status <> 'skipped', :now, :now, :topics, :output)

-- name: run_next_n
SELECT {{next_step}}

-- The same, unless the step has deleted its workflow. (A SELECT that reads the table would be kept in one of its own first.)
-- name: run_insert_if
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, due_at, topics, output)
SELECT :n, seq, :step, :kind, :status, :status <> 'skipped', :now, :now, :topics, :output FROM main._wf_workflow WHERE seq = :seq

-- Its place in the order of recording: the last, so far.
-- name: run_renumber
UPDATE main._wf_step SET n = {{next_step}} WHERE n = :n AND n <> {{last_step}}

-- name: run_move_signals
UPDATE main._wf_signal SET taken = :n WHERE wf = :seq AND taken = :before

-- name: run_last_n
SELECT n FROM main._wf_step WHERE wf = :seq AND name = :step AND {{named}}

-- Opened: it waits.
-- name: run_open
UPDATE main._wf_step SET status = 'waiting', begun_at = coalesce(begun_at, :now), at = :now, due_at = :due, topics = coalesce(:topics, topics), how = coalesce(:how, how)
WHERE n = :n

-- The next round of a loop.
-- name: run_iterate or none
UPDATE main._wf_step SET status = 'ready', begun_at = NULL, attempts = 0, at = :now, due_at = :now, how = :how, output = :output, error = NULL WHERE n = :n

-- name: run_retry
UPDATE main._wf_step SET status = 'ready', begun_at = NULL, attempts = :attempts, at = :now, due_at = :due, error = :error WHERE n = :n

-- It cannot be run on this connection.
-- name: run_unfit
UPDATE main._wf_step SET due_at = :due, error = :error WHERE n = :n

-- name: run_row
SELECT attempts, status IN ('ready', 'waiting') FROM main._wf_step WHERE n = :n AND wf = :seq

-- name: run_finished
SELECT 1 FROM main._wf_step WHERE wf = :seq AND name = :step AND {{named}} AND (status IN ('done', 'skipped') OR (status = 'failed' AND nonce = 1))

-- Whether an item is open. The + keeps SQLite from walking through all items by their names.
-- name: run_items_open
SELECT 1 FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND +name >= :step || '[' AND +name < :step || '\'
UNION ALL
SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND +name >= :step || '[' AND +name < :step || '\'
LIMIT 1

-- name: run_items
SELECT coalesce(output, 'null') FROM main._wf_step
WHERE wf = :seq AND {{named}} AND name >= :step || '[' AND name < :step || '\' ORDER BY CAST(substr(name, length(:step) + 2) AS INTEGER)

-- The items of a step that are not over are to be done, or done again.
-- name: run_items_again
UPDATE main._wf_step SET status = 'ready', attempts = 0, error = NULL, output = NULL, begun_at = NULL, at = :now, due_at = :now
WHERE wf = :seq AND {{named}} AND name >= :step || '[' AND name < :step || '\' AND status = 'failed' AND nonce IS NOT 1

-- When the next step is to be looked at, and whether any waits.
-- name: run_due
SELECT (SELECT due_at FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
       (SELECT due_at FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
       EXISTS (SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = :seq)

-- name: run_undo_begun
SELECT 1 FROM main._wf_step WHERE {{its_rows}} AND kind = 'undo' LIMIT 1

-- name: run_next_planned
UPDATE main._wf_step SET due_at = :now
WHERE n = (SELECT n FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND due_at IS NULL ORDER BY n LIMIT 1)

-- name: run_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step) SELECT :kind || value, :seq, :step FROM _wf.json_each(:topics)

-- name: run_unlisted
SELECT 1 FROM _wf.json_each(:topics) AS j
WHERE NOT EXISTS (SELECT 1 FROM main._wf_waiter AS x WHERE x.topic = :kind || j.value AND x.wf = :seq AND x.step = :step) LIMIT 1

-- name: run_forget all
DELETE FROM main._wf_waiter WHERE wf = :seq AND (step = :step OR (step > :step || char(31) AND step < :step || ' '))

-- A loop, or the items of a step, that were stopped.
-- name: run_again
UPDATE main._wf_step SET status = 'ready', attempts = 0, error = NULL, begun_at = NULL, at = :now, due_at = :now
WHERE wf = :seq AND name = :step AND {{named}} AND status = 'failed' AND nonce IS NOT 1
