-- Workflows scripted in SQL: their definitions, and one step after the other. ext/scripts/step_row.h says what the rows of _wf_step mean here.

-- name: explain
EXPLAIN

-- name: definition_newest
SELECT version, definition FROM main._wf_definition WHERE name = :name ORDER BY version DESC LIMIT 1

-- name: definition_current
SELECT version, definition FROM main._wf_definition WHERE name = :name AND current = 1

-- name: definition_version
SELECT version, definition FROM main._wf_definition WHERE name = :name AND version = :version

-- The version :but becomes the current one, the others are none.
-- name: definition_retire
UPDATE main._wf_definition SET current = version = :but WHERE name = :name AND current <> (version = :but)

-- name: definition_add
INSERT INTO main._wf_definition(name, version, current, definition, created_at) VALUES(:name, :version, 1, :definition, :now)

-- Versions of which no workflow was ever started.
-- name: definition_drop
DELETE FROM main._wf_definition
WHERE name = :name AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS l WHERE l.kind = 1 AND l.name = :name AND l.version = CAST(_wf_definition.version AS TEXT))

-- The version of the definition that was that of a lane, which is about to go, unless it is the current one or another lane has it.
-- name: definition_drop_with_lane
DELETE FROM main._wf_definition
WHERE current = 0 AND (name, CAST(version AS TEXT)) = (SELECT name, version FROM main._wf_lane WHERE lane = :lane)
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.kind > 0 AND o.lane <> :lane AND o.name = _wf_definition.name
                  AND o.version = CAST(_wf_definition.version AS TEXT))

-- ---- wf_run ----------------------------------------------------------------------------------------------------------

-- Depends on the schemas of main and of TEMP, and reads nothing.
-- name: run_witness
SELECT 1 FROM main._wf_meta, temp.sqlite_master LIMIT 0

-- The queues that have scripted workflows, as a JSON array.
-- name: run_queues
SELECT json_group_array(queue) FROM (SELECT DISTINCT queue FROM main._wf_lane WHERE kind > 0)

-- A workflow, and the first of its steps that is to be looked at: one that is ready, else one whose time is up.
-- name: run_next
SELECT w.status, w.ending IS NOT NULL, w.again, w.attempt, l.name, l.version, l.priority, l.queue,
       s.n, s.name, s.kind, s.attempts, s.begun_at IS NOT NULL, s.due_at, s.topics, s.how,
       NOT EXISTS (SELECT 1 FROM main._wf_step AS any WHERE any.wf = w.seq)
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
LEFT JOIN main._wf_step AS s ON s.n = coalesce(
  (SELECT n FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND due_at <= :now ORDER BY due_at, n LIMIT 1),
  (SELECT n FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND due_at <= :now ORDER BY due_at, n LIMIT 1))
WHERE w.seq = :seq

-- What parameters stand for.
-- name: run_facts
SELECT id, coalesce(input, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 0)),
       coalesce(error, (SELECT value FROM main._wf_large WHERE wf = seq AND what = 2)), redo
FROM main._wf_workflow WHERE seq = :seq

-- The nearest double, as SQLite reads it.
-- name: run_real
SELECT CAST(:text AS REAL)

-- name: run_status
SELECT status, ending IS NOT NULL, again FROM main._wf_workflow WHERE seq = :seq

-- The first claim of an attempt.
-- name: run_take
UPDATE main._wf_workflow
SET attempt = attempt + 1, again = 0, started_at = coalesce(started_at, :now), updated_at = :now, place = CASE place WHEN 0 THEN 3 ELSE place END,
    limited = CASE WHEN :until_end THEN (SELECT l.queue || char(31) || l.partition FROM main._wf_lane AS l WHERE l.lane = _wf_workflow.lane) END,
    flags = CASE WHEN :until_end THEN flags | 8 ELSE flags & ~8 END
WHERE seq = :seq

-- name: run_output
SELECT output FROM main._wf_step WHERE wf = :seq AND name = :step

-- name: run_item
SELECT topics FROM main._wf_step WHERE wf = :seq AND name = :step

-- name: run_add
INSERT INTO main._wf_step(wf, name, kind, status, attempts, at, due_at, topics) VALUES(:seq, :step, :kind, 'ready', 0, :now, :due, :topics)
ON CONFLICT(wf, name) DO NOTHING

-- Over.
-- name: run_record or none
UPDATE main._wf_step SET status = :status, attempts = attempts + (:status <> 'skipped'), at = :now, output = coalesce(:output, output), error = :error, nonce = :goes_on WHERE n = :n

-- Over without having been in line.
-- name: run_insert
INSERT INTO main._wf_step(wf, name, kind, status, attempts, at, due_at, topics, output)
VALUES(:seq, :step, :kind, :status, :status <> 'skipped', :now, :now, :topics, :output)

-- The same, unless the step has deleted its workflow.
-- name: run_insert_if
INSERT INTO main._wf_step(wf, name, kind, status, attempts, at, due_at, topics, output)
SELECT seq, :step, :kind, :status, :status <> 'skipped', :now, :now, :topics, :output FROM main._wf_workflow WHERE seq = :seq

-- Its place in the order of recording: the last, so far.
-- name: run_renumber
UPDATE main._wf_step SET n = (SELECT max(n) + 1 FROM main._wf_step) WHERE n = :n AND n <> (SELECT max(n) FROM main._wf_step)

-- name: run_move_signals
UPDATE main._wf_signal SET taken = :n WHERE wf = :seq AND taken = :before

-- name: run_last_n
SELECT n FROM main._wf_step WHERE wf = :seq AND name = :step

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
SELECT 1 FROM main._wf_step WHERE wf = :seq AND name = :step AND (status IN ('done', 'skipped') OR (status = 'failed' AND nonce = 1))

-- Whether an item is open. The + keeps SQLite from walking through all items by their names.
-- name: run_items_open
SELECT 1 FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND +name >= :step || '[' AND +name < :step || '\'
UNION ALL
SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND +name >= :step || '[' AND +name < :step || '\'
LIMIT 1

-- name: run_items
SELECT coalesce(output, 'null') FROM main._wf_step
WHERE wf = :seq AND name >= :step || '[' AND name < :step || '\' ORDER BY CAST(substr(name, length(:step) + 2) AS INTEGER)

-- The items of a step that are not over are to be done, or done again.
-- name: run_items_again
UPDATE main._wf_step SET status = 'ready', attempts = 0, error = NULL, output = NULL, begun_at = NULL, at = :now, due_at = :now
WHERE wf = :seq AND name >= :step || '[' AND name < :step || '\' AND status = 'failed' AND nonce IS NOT 1

-- As redo_raise, of the rows that run_drop_steps drops.
-- name: run_redo_dropped
INSERT INTO main._wf_redo(wf, step, redo)
SELECT :seq, s.name, 1 FROM main._wf_step AS s
WHERE wf = :seq AND :n <= coalesce((SELECT l.n FROM main._wf_step AS l WHERE l.wf = :seq AND {{lists_item}}), n)
ON CONFLICT(wf, step) DO UPDATE SET redo = redo + 1

-- Drops the steps from :n on; items go with the step that has listed them, whenever they were recorded.
-- name: run_drop_steps
DELETE FROM main._wf_step AS s
WHERE wf = :seq AND :n <= coalesce((SELECT l.n FROM main._wf_step AS l WHERE l.wf = :seq AND {{lists_item}}), n)

-- The copy of a scripted workflow: the steps that are over, and lists of items, of which what is open is as if it had been stopped.
-- name: run_fork_steps
INSERT INTO main._wf_step(wf, name, kind, status, attempts, begun_at, at, due_at, nonce, topics, how, output, error)
SELECT :new, name, kind, CASE WHEN is_over THEN status ELSE 'failed' END, attempts, begun_at, at, due_at, CASE WHEN status = 'failed' THEN nonce END, topics, how,
       CASE WHEN is_over THEN output END,
       CASE WHEN is_over THEN error ELSE coalesce(error, '{"code":"stopped","message":"the workflow was forked"}') END
FROM (SELECT s.*, (s.status IN ('done', 'skipped') OR (s.status = 'failed' AND s.nonce IS 1)) AND NOT EXISTS (
                SELECT 1 FROM main._wf_step AS u WHERE u.wf = :seq AND u.kind = 'undo' AND u.status = 'done'
                AND (u.name = 'undo ' || s.name OR (u.name >= 'undo ' || s.name || '[' AND u.name < 'undo ' || s.name || '\'))) AS is_over, coalesce(l.how, s.how) AS list, coalesce(l.n, s.n) AS since
      FROM main._wf_step AS s LEFT JOIN main._wf_step AS l ON l.wf = s.wf AND {{lists_item}}
      WHERE s.wf = :seq AND s.kind <> 'undo')
WHERE (:n IS NULL OR since < :n) AND (is_over OR list LIKE '{"items":%')
ORDER BY n

-- When the next step is to be looked at, and whether any waits.
-- name: run_due
SELECT (SELECT due_at FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
       (SELECT due_at FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
       EXISTS (SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = :seq)

-- name: run_suspend
UPDATE main._wf_workflow SET status = :status, due_at = :due, place = :place, updated_at = :now WHERE seq = :seq

-- name: run_undo_begun
SELECT 1 FROM main._wf_step WHERE wf = :seq AND kind = 'undo' LIMIT 1

-- name: run_done
SELECT name FROM main._wf_step WHERE wf = :seq AND status = 'done' AND kind <> 'undo' ORDER BY n DESC

-- name: run_next_planned
UPDATE main._wf_step SET due_at = :now
WHERE n = (SELECT n FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND due_at IS NULL ORDER BY n LIMIT 1)

-- name: run_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step) SELECT :kind || value, :seq, :step FROM _wf.json_each(:topics)

-- name: run_forget
DELETE FROM main._wf_waiter WHERE wf = :seq AND step = :step

-- Steps of scripted workflows that wait for a topic are ready to be looked at.
-- name: run_wake_steps
UPDATE main._wf_step SET status = 'ready', due_at = :now
WHERE +status = 'waiting'
  AND n IN (SELECT s.n FROM main._wf_waiter AS x CROSS JOIN main._wf_step AS s ON s.wf = x.wf AND s.name = x.step WHERE x.topic = :topic AND x.step <> '')

-- name: run_wake_signal
UPDATE main._wf_step SET status = 'ready', due_at = :now
WHERE status = 'waiting' AND wf = :seq AND kind = 'await' AND EXISTS (SELECT 1 FROM _wf.json_each(topics) WHERE value = :name)

-- name: run_wake
UPDATE main._wf_workflow SET due_at = :now, place = CASE WHEN status = 'paused' THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq = :seq AND finished_at IS NULL AND (due_at IS NULL OR due_at > :now)

-- What a scripted workflow that ends, or is undone, leaves open: loops remember how far they are, a for_each its list of items.
-- name: run_stop
UPDATE main._wf_step SET status = 'failed', error = '{"code":"stopped","message":"the workflow has ended"}'
WHERE wf = :seq AND (status = 'ready' OR status = 'waiting') AND (how IS NOT NULL OR (kind <> 'undo' AND instr(name, '[')))

-- name: run_close
DELETE FROM main._wf_step WHERE wf = :seq AND (status = 'ready' OR status = 'waiting')

-- wf_retry: what was undone is to be done again, by new children and with the signals it had taken, and so is what had failed.
-- name: run_redo_undone
INSERT INTO main._wf_redo(wf, step, redo)
SELECT :seq, substr(name, column1), 1 FROM main._wf_step, (VALUES(1), (6)) WHERE wf = :seq AND kind = 'undo' AND status = 'done'
ON CONFLICT(wf, step) DO UPDATE SET redo = redo + 1

-- name: run_untake_undone
UPDATE main._wf_signal SET taken = NULL
WHERE wf = :seq AND taken IN (SELECT b.n FROM main._wf_step AS u JOIN main._wf_step AS b ON b.wf = u.wf AND b.name = substr(u.name, 6)
                              WHERE u.wf = :seq AND u.kind = 'undo' AND u.status = 'done')

-- A for_each keeps the list of its items: an item that was undone, and the step with it, are as if they had been stopped.
-- name: run_reopen_undone
UPDATE main._wf_step SET status = 'failed', nonce = NULL, output = NULL, error = '{"code":"undone","message":"it was undone"}'
WHERE wf = :seq AND kind <> 'undo' AND (
  name IN (SELECT substr(name, 6) FROM main._wf_step WHERE wf = :seq AND kind = 'undo' AND status = 'done' AND instr(name, '['))
  OR name IN (SELECT substr(name, 6, instr(name, '[') - 6) FROM main._wf_step WHERE wf = :seq AND kind = 'undo' AND status = 'done' AND instr(name, '[')))

-- name: run_forget_undone
DELETE FROM main._wf_step
WHERE wf = :seq AND (kind = 'undo'
  OR name IN (SELECT substr(name, 6) FROM main._wf_step WHERE wf = :seq AND kind = 'undo' AND status = 'done' AND NOT instr(name, '[')))

-- name: run_forget_failed
DELETE FROM main._wf_step WHERE wf = :seq AND status = 'failed' AND nonce IS NOT 1 AND how IS NULL AND NOT instr(name, '[')

-- A loop, or the items of a step, that were stopped.
-- name: run_again
UPDATE main._wf_step SET status = 'ready', attempts = 0, error = NULL, begun_at = NULL, at = :now, due_at = :now
WHERE wf = :seq AND name = :step AND status = 'failed' AND nonce IS NOT 1

-- ---- wf_explain ------------------------------------------------------------------------------------------------------

-- name: explain_workflow
SELECT w.seq, l.name, l.version, w.status FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane WHERE w.id = :id AND l.kind = 1

-- The state of a step in a few words.
-- name: explain_step
SELECT coalesce((
  SELECT CASE WHEN u.status = 'done' THEN 'undone'
              WHEN u.status = 'failed' THEN 'undo failed'
              WHEN i.undone = i.all_of_them THEN 'undone'
              WHEN i.undone > 0 THEN 'partly undone'
              WHEN s.status IN ('done', 'skipped', 'failed') THEN s.status
              WHEN json_extract(s.how, '$.items') IS NOT NULL THEN
                (SELECT count(*) FROM main._wf_step WHERE wf = :seq AND name >= :step || '[' AND name < :step || '\' AND status NOT IN ('ready', 'waiting'))
                || ' of ' || json_extract(s.how, '$.items')
              WHEN s.status = 'waiting' THEN 'waiting'
              WHEN s.error IS NOT NULL THEN 'retry ' || (s.attempts + 1)
              WHEN json_extract(s.how, '$.iteration') IS NOT NULL THEN 'round ' || (json_extract(s.how, '$.iteration') + 1)
              ELSE 'ready' END
  FROM main._wf_step AS s LEFT JOIN main._wf_step AS u ON u.wf = s.wf AND u.name = 'undo ' || s.name
  LEFT JOIN (SELECT sum(status = 'done') AS undone, count(*) AS all_of_them FROM main._wf_step
             WHERE wf = :seq AND name >= 'undo ' || :step || '[' AND name < 'undo ' || :step || '\') AS i
  WHERE s.wf = :seq AND s.name = :step), 'planned')
