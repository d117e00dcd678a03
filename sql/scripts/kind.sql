-- Scripted workflows in calls of the engine.

-- The version of the definition that was that of a lane, which is about to go, unless it is the current one or another lane has it.
-- name: definition_drop_with_lane
DELETE FROM main._wf_definition
WHERE current = 0 AND (name, CAST(version AS TEXT)) = (SELECT name, version FROM main._wf_lane WHERE lane = :lane)
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.kind > 0 AND o.lane <> :lane AND o.name = _wf_definition.name
                  AND o.version = CAST(_wf_definition.version AS TEXT))

-- Steps from :n on; items go with the step that has listed them, whenever they were recorded.
-- name: fragment_dropped
{{its_rows}} AND :n <= coalesce((SELECT l.n FROM main._wf_step AS l WHERE l.wf = :seq AND {{l_named}} AND {{lists_item}}), n)

-- name: run_dropped_count
SELECT count(*) FROM main._wf_step AS s WHERE {{dropped}}

-- As redo_raise, of the rows that run_drop_steps drops.
-- name: run_redo_dropped
INSERT INTO main._wf_redo(wf, step, redo)
SELECT :seq, s.name, 1 FROM main._wf_step AS s WHERE {{dropped}}
ON CONFLICT(wf, step) DO UPDATE SET redo = redo + 1

-- name: run_drop_steps all
DELETE FROM main._wf_step AS s WHERE {{dropped}}

-- The copy of a scripted workflow: the steps that are over, and lists of items, of which what is open is as if it had been stopped.
-- name: run_fork_steps
SELECT n & 268435455, name, kind, CASE WHEN is_over THEN status ELSE 'failed' END, attempts, begun_at, at, due_at, '', CASE WHEN status = 'failed' THEN nonce END, NULL, topics, how,
       CASE WHEN is_over THEN output END,
       CASE WHEN is_over THEN error ELSE coalesce(error, '{"code":"stopped","message":"the workflow was forked"}') END
FROM (SELECT s.*, (s.status IN ('done', 'skipped') OR (s.status = 'failed' AND s.nonce IS 1)) AND NOT EXISTS (
                SELECT 1 FROM main._wf_step AS u WHERE u.wf = :seq AND u.kind = 'undo' AND u.status = 'done'
                AND (({{u_named}} AND u.name = 'undo ' || s.name) OR ({{u_named}} AND u.name >= 'undo ' || s.name || '[' AND u.name < 'undo ' || s.name || '\'))) AS is_over, coalesce(l.how, s.how) AS list, coalesce(l.n, s.n) AS since
      FROM main._wf_step AS s LEFT JOIN main._wf_step AS l ON l.wf = s.wf AND {{l_named}} AND {{lists_item}}
      WHERE s.n BETWEEN :seq << 28 AND :seq << 28 | 268435455 AND s.kind <> 'undo')
WHERE (:n IS NULL OR since < :n) AND (is_over OR list LIKE '{"items":%')
ORDER BY n

-- name: fragment_wait_for_topic
+status = 'waiting'
AND n IN (SELECT s.n FROM main._wf_waiter AS x CROSS JOIN main._wf_workflow AS w ON w.seq = x.wf AND w.flags & 16
          CROSS JOIN main._wf_step AS s ON {{is_listed_by}} WHERE x.topic = :topic)

-- Steps of scripted workflows that wait for a topic are ready to be looked at.
-- name: run_wake_steps
UPDATE main._wf_step SET status = 'ready', due_at = :now WHERE {{wait_for_topic}}

-- name: run_wake_steps_left
SELECT 1 FROM main._wf_step WHERE {{wait_for_topic}} LIMIT 1

-- name: fragment_its_waits
status = 'waiting' AND wf = :seq
  AND (name IN (SELECT step FROM main._wf_waiter WHERE wf = :seq AND (:topic IS NULL OR topic = :topic)) OR (:topic IS NULL AND kind IN ('await', 'acquire')))

-- The same of one workflow; without a topic all that wait for any, or for a signal.
-- name: run_wake_steps_of
UPDATE main._wf_step SET status = 'ready', due_at = :now WHERE {{its_waits}}

-- name: run_wake_steps_of_left
SELECT 1 FROM main._wf_step WHERE {{its_waits}} LIMIT 1

-- name: fragment_waits_for_signal
status = 'waiting' AND wf = :seq AND n IN (
  SELECT s.n FROM main._wf_step AS s, {{awaited}} WHERE s.status = 'waiting' AND s.wf = :seq AND k.key = 'signal' AND t.value = :name)

-- name: run_wake_signal
UPDATE main._wf_step SET status = 'ready', due_at = :now WHERE {{waits_for_signal}}

-- name: run_wake_signal_left
SELECT 1 FROM main._wf_step WHERE {{waits_for_signal}} LIMIT 1

-- name: run_wake all
UPDATE main._wf_workflow SET due_at = :now, place = CASE WHEN status = 'paused' THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq = :seq AND finished_at IS NULL AND (due_at IS NULL OR due_at > :now)

-- Whether column how says how far a loop is, or how many items were listed; alone, it may be how many shares are waited for.
-- name: fragment_goes_on_by
coalesce(how, '') LIKE '{"i%'

-- What a scripted workflow that ends, or is undone, leaves open: loops remember how far they are, a for_each its list of items.
-- name: run_stop all
UPDATE main._wf_step SET status = 'failed', error = '{"code":"stopped","message":"the workflow has ended"}'
WHERE wf = :seq AND (status = 'ready' OR status = 'waiting') AND ({{goes_on_by}} OR (kind <> 'undo' AND instr(name, '[')))

-- name: run_close all
DELETE FROM main._wf_step WHERE wf = :seq AND (status = 'ready' OR status = 'waiting')

-- wf_retry: what was undone is to be done again, by new children and with the signals it had taken, and so is what had failed.
-- name: run_redo_undone
INSERT INTO main._wf_redo(wf, step, redo)
SELECT :seq, substr(name, column1), 1 FROM main._wf_step, (VALUES(1), (6)) WHERE {{its_rows}} AND kind = 'undo' AND status = 'done'
ON CONFLICT(wf, step) DO UPDATE SET redo = redo + 1

-- name: run_untake_undone
UPDATE main._wf_signal SET taken = NULL
WHERE wf = :seq AND taken IN (SELECT b.n FROM main._wf_step AS u JOIN main._wf_step AS b ON b.wf = u.wf AND b.name = substr(u.name, 6) AND {{b_named}}
                              WHERE u.{{its_rows}} AND u.kind = 'undo' AND u.status = 'done')

-- A for_each keeps the list of its items: an item that was undone, and the step with it, are as if they had been stopped.
-- name: run_reopen_undone
UPDATE main._wf_step SET status = 'failed', nonce = NULL, output = NULL, error = '{"code":"undone","message":"it was undone"}'
WHERE {{its_rows}} AND kind <> 'undo' AND (
  name IN (SELECT substr(name, 6) FROM main._wf_step WHERE {{its_rows}} AND kind = 'undo' AND status = 'done' AND instr(name, '['))
  OR name IN (SELECT substr(name, 6, instr(name, '[') - 6) FROM main._wf_step WHERE {{its_rows}} AND kind = 'undo' AND status = 'done' AND instr(name, '[')))

-- name: run_forget_undone all
DELETE FROM main._wf_step
WHERE {{its_rows}} AND (kind = 'undo'
  OR name IN (SELECT substr(name, 6) FROM main._wf_step WHERE {{its_rows}} AND kind = 'undo' AND status = 'done' AND NOT instr(name, '[')))

-- name: run_forget_failed all
DELETE FROM main._wf_step WHERE {{its_rows}} AND status = 'failed' AND nonce IS NOT 1 AND NOT {{goes_on_by}} AND NOT instr(name, '[')

-- A child or a share that is to be looked at is shown as one that is waited for: in the other file it is looked at anyway. (When a share is due is said by its line.)
-- name: move_show_steps
SELECT name, kind, CASE WHEN looked_at THEN 'waiting' ELSE status END, attempts, begun_at, at, CASE WHEN NOT looked_at THEN due_at END, 0, topics, how, output, error
FROM (SELECT *, begun_at IS NOT NULL AND ((status = 'ready' AND kind IN ('task', 'start', 'undo') AND coalesce(how, '') NOT LIKE '{"items":%') OR (status IN ('ready', 'waiting') AND kind = 'acquire')) AS looked_at
      FROM main._wf_step WHERE {{its_rows}})
ORDER BY n
