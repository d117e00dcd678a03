-- A workflow as a document. The columns of export_... and the parameters of import_... are the members that ext/engine/export_import.cpp lists,
-- in the same order. An import_... whose row cannot be writes nothing.

-- name: export_ids
SELECT id FROM main._wf_workflow ORDER BY seq

-- A claim does not travel: it is as if wf_recover had voided it.
-- name: export_workflow
SELECT w.id, l.name, l.queue, l.kind, l.priority, nullif(l.version, ''), nullif(l.partition, ''),
       CASE WHEN w.place IS NULL THEN w.status WHEN 'waiting' IN (w.status, w.paused_from) THEN 'waiting' ELSE 'pending' END,
       CASE WHEN w.claimed THEN :now ELSE w.due_at END, w.attempt, w.resumed, CASE WHEN w.claimed THEN 0 ELSE w.again END,
       {{failures_in_a_row}},
       CASE WHEN NOT EXISTS (SELECT 1 FROM main._wf_step WHERE {{rows_since_mark_of_w}} AND status IN ('done', 'error', 'waiting')) THEN w.lost ELSE 0 END,
       w.failed, w.redo, w.period, w.worker, w.closed, w.closed_nonce IS 0, w.created_at, w.started_at, w.attempt_at, w.finished_at,
       CASE WHEN w.place IS NULL THEN w.deadline_at END, CASE WHEN w.place IS NOT NULL THEN coalesce(w.paused_left, w.deadline_at - :now) END,
       w.timeout, w.ending, w.flags & 7, w.max_attempts, w.max_failures, w.backoff, (SELECT id FROM main._wf_workflow WHERE seq = w.parent), w.parent_step,
       w.parent_redo, w.scheduled_at, substr(w.dedup, length(l.queue) + 2), w.headers,
       coalesce(w.input, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 0)), (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 3),
       coalesce(w.output, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 1)),
       coalesce(w.error, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 2)), x.ends, x.reason, w.seq
FROM (SELECT *, 'running' IN (status, coalesce(paused_from, '')) AS claimed FROM main._wf_workflow WHERE id = :id) AS w
JOIN main._wf_lane AS l ON l.lane = w.lane
LEFT JOIN main._wf_trouble AS x ON x.wf = w.seq AND x.schedule = '' AND x.ends AND w.place IS NOT NULL

-- name: export_steps
SELECT name, kind, status, attempts, begun_at, at, due_at, status IN ('begun', 'waiting') AND nonce IS NOT NULL, {{its_attempt}}, {{its_worker}}, hash, topics, how, output, error
FROM main._wf_step AS s WHERE {{its_rows}} ORDER BY n

-- name: export_redos
SELECT step, redo FROM main._wf_redo WHERE wf = :seq ORDER BY step

-- name: export_failures
SELECT attempt, step, worker, claimed_at, error, at FROM main._wf_failure WHERE {{its_rows}} ORDER BY n

-- name: export_signals
SELECT name, key, at, (SELECT name FROM main._wf_step WHERE n = g.taken), taken IS 0, payload FROM main._wf_signal AS g WHERE {{its_rows}} ORDER BY n

-- name: export_values
SELECT key, at, value FROM main._wf_value WHERE wf = :seq ORDER BY key

-- name: export_tags
SELECT key, substr(tag, length(key) + 2) FROM main._wf_tag WHERE wf = :seq ORDER BY key

-- name: export_stream_ends
SELECT stream, first, next, closed FROM main._wf_stream_end WHERE wf = :seq ORDER BY stream

-- name: export_streams
SELECT stream, offset, at, value FROM main._wf_stream WHERE wf = :seq ORDER BY stream, offset

-- name: import_id
SELECT :id, :kind, :name, :version

-- For comparing: what the file has, if the workflow is as it arrived, and the document, both without what depends on the file.
-- name: import_same
SELECT json_remove(:is, '$.wfext', '$.workflow.parent', '$.workflow.parent_step', '$.workflow.parent_redo', '$.workflow.due_at', CASE WHEN flags & 16 THEN '$.workflow.version' ELSE '$.wfext' END),
       json_remove(:document, '$.wfext', '$.workflow.parent', '$.workflow.parent_step', '$.workflow.parent_redo', '$.workflow.due_at', CASE WHEN flags & 16 THEN '$.workflow.version' ELSE '$.wfext' END)
FROM main._wf_workflow WHERE id = :id AND nonce IS NULL AND (place IS NULL OR status = 'paused')

-- name: import_step
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, nonce, claim, hash, topics, how, output, error)
SELECT :seq << 28 | :n, :seq, :name, :kind, :status, :attempts, :begun_at, :at, :due_at, CASE WHEN :in_doubt THEN 0 END, CASE WHEN coalesce(:attempt, :worker) IS NULL THEN '' ELSE coalesce(:attempt, 0) || ' ' || coalesce(:worker, '') END, :hash, :topics, :how, :output, :error
WHERE :attempts >= (:status IN ('done', 'error')) AND :in_doubt IN (0, 1) AND (:output IS NULL OR :status = 'done')
  AND (:error IS NULL OR (:kind = 'step' AND :status <> 'done'))
  AND CASE WHEN :kind = 'step' THEN :status IN ('done', 'begun', 'waiting') OR (:status IN ('failed', 'error') AND :error IS NOT NULL)
           WHEN :status = 'done' THEN typeof(:output) = 'text'
           ELSE :status = 'waiting' END
  AND CASE :kind WHEN 'step' THEN :due_at IS NULL AND :topics IS NULL
                 WHEN 'sleep' THEN :due_at IS NOT NULL
                 WHEN 'spawn' THEN :status = 'done' AND json_type(CASE typeof(:output) WHEN 'text' THEN :output END) = 'text'
                 WHEN 'wait_any' THEN json_type(:topics) = 'object' AND (:status = 'waiting' OR typeof(:output) = 'text')
                 ELSE :kind IN ('await', 'await_event', 'join', 'acquire') AND json_type(:topics) = 'array' AND json_array_length(:topics) >= (:status = 'waiting') END

-- What waits, of any kind: WaitRow::check() says whether it can.
-- name: import_waits
SELECT (s.n & 268435455) - 1, s.kind, s.topics, s.due_at, s.how FROM main._wf_step AS s JOIN (SELECT 16 * :kind AS flags) AS w WHERE s.{{its_rows}} AND {{is_wait}}

-- name: import_redo
INSERT OR IGNORE INTO main._wf_redo(wf, step, redo) SELECT :seq, :step, :redo WHERE :redo > 0

-- name: import_other_step
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, topics, how, output, error)
SELECT :seq << 28 | :n, :seq, :name, :kind, :status, :attempts, :begun_at, :at, :due_at, :topics, :how, :output, :error WHERE :attempts >= (:status = 'done') AND :in_doubt = 0

-- name: import_failure
INSERT OR IGNORE INTO main._wf_failure(n, wf, attempt, step, worker, claimed_at, error, at)
SELECT :seq << 28 | :n, :seq, :attempt, :step, :worker, :claimed_at, :error, :at WHERE :attempt >= 0

-- name: import_signal
INSERT OR IGNORE INTO main._wf_signal(n, wf, name, key, at, taken, payload)
SELECT :seq << 28 | :n, :seq, :name, :key, :at, CASE WHEN :over THEN 0 ELSE s.n END, :payload
FROM (SELECT 1) LEFT JOIN main._wf_step AS s ON s.wf = :seq AND s.name = :taken AND {{s_named}} AND s.kind IN ('await', 'wait_any') AND s.status = 'done'
WHERE (:taken IS NULL) = (s.n IS NULL) AND CASE :over WHEN 0 THEN 1 WHEN 1 THEN :taken IS NULL AND :key IS NOT NULL END

-- name: import_value
INSERT OR IGNORE INTO main._wf_value(wf, key, at, value) VALUES(:seq, :key, :at, :value)

-- name: import_tag
INSERT OR IGNORE INTO main._wf_tag(wf, key, tag) SELECT :seq, :key, :key || '=' || :value WHERE instr(:key, '=') = 0

-- name: import_stream_end
INSERT OR IGNORE INTO main._wf_stream_end(wf, stream, first, next, closed)
SELECT :seq, :stream, :first, :next, :closed WHERE :first BETWEEN 0 AND :next AND :next <= 9007199254740992 AND :closed IN (0, 1)

-- name: import_stream
INSERT OR IGNORE INTO main._wf_stream(wf, stream, offset, at, value)
SELECT :seq, :stream, :offset, :at, :value
WHERE :offset = coalesce((SELECT offset + 1 FROM main._wf_stream WHERE wf = :seq AND stream = :stream ORDER BY offset DESC LIMIT 1),
                         (SELECT first FROM main._wf_stream_end WHERE wf = :seq AND stream = :stream), 0)

-- Whether the workflow can be, with the steps that are there by now; and the one that is in its way.
-- name: import_look
SELECT (:kind OR :status = 'pending' OR EXISTS (SELECT 1 FROM main._wf_step WHERE wf = :seq AND status = 'waiting') = (:status = 'waiting'))
   AND NOT EXISTS (SELECT 1 FROM main._wf_step AS s, {{awaited}} WHERE s.wf = :seq AND s.status = 'waiting' AND k.key = 'join' AND t.value = :id)
   AND (:kind OR NOT EXISTS (SELECT 1 FROM main._wf_step AS s WHERE s.{{its_rows}} AND {{odd_step}}))
   AND CASE WHEN :closed IS NULL THEN NOT :by_id ELSE substr(:closed, instr(:closed, ':') + 1) IN {{closings}} END
   AND NOT EXISTS (SELECT 1 FROM main._wf_stream_end AS e WHERE e.wf = :seq AND {{wrong_end}})
   AND CASE WHEN :status IN ('completed', 'failed', 'cancelled') THEN :finished_at IS NOT NULL AND :time_left IS NULL AND coalesce(:ending = :status, 1)
            ELSE :finished_at IS NULL AND :deadline_at IS NULL AND :output IS NULL AND (:error IS NULL OR :ending IS NOT NULL)
                 AND (:status = 'waiting' OR (:status = 'pending' AND :due_at IS NOT NULL)) END
   AND coalesce(:ending IN ('failed', 'cancelled'), 1) AND (:error IS NOT NULL OR 'failed' NOT IN (:status, coalesce(:ending, '')))
   AND min(:attempt, :resumed, :failures, :lost, :failed, :redo, :period - 1, coalesce(:timeout, 0)) >= 0 AND :again IN (0, 1) AND :by_id IN (0, 1) AND :kind IN (0, 1)
   AND (:parent IS NULL OR :parent_step IS NOT NULL) AND (:parent_step IS NULL) = (:parent_redo IS NULL) AND coalesce(:parent_redo, 0) >= 0
   AND :flags BETWEEN 0 AND 7 AND NOT (:kind AND :flags & 1) AND :priority BETWEEN -100 AND 100 AND coalesce(:max_attempts, 1) BETWEEN 1 AND 1000000 AND coalesce(:max_failures, 1) BETWEEN 1 AND 1000000
   AND CASE WHEN :ends IS NULL THEN :ends_reason IS NULL ELSE :ends IN (1, 2) AND :finished_at IS NULL END,
       o.id, o.id = :id, :ends IS NOT NULL
FROM (SELECT 1) LEFT JOIN main._wf_workflow AS o
  ON o.seq = coalesce((SELECT seq FROM main._wf_workflow WHERE id = :id),
                      (SELECT seq FROM main._wf_workflow WHERE dedup = :queue || char(31) || :dedup AND finished_at IS NULL AND :finished_at IS NULL))

-- name: import_lane
INSERT OR IGNORE INTO main._wf_lane(lane, queue, kind, partition, name, version, priority, line)
VALUES({{new_lane}}, :queue, :kind, coalesce(:partition, ''), :name, coalesce(:version, ''), :priority, CASE WHEN :partition IS NULL THEN 0 ELSE 2 END)

-- Whether the workflow :id was spawned by p, a workflow, and not by another of its id: a step of it says so, or one that was dropped since. (The children
-- of a scripted workflow have the id that its steps look for.)
-- name: fragment_is_parent
(p.flags & 16 OR EXISTS (
  SELECT 1 FROM (SELECT p.redo + coalesce((SELECT redo FROM main._wf_redo WHERE wf = p.seq AND step = :parent_step), 0) AS redo) AS r
  WHERE r.redo > :parent_redo OR (r.redo = :parent_redo AND EXISTS (
    SELECT 1 FROM main._wf_step WHERE wf = p.seq AND name = :parent_step AND {{named}} AND kind = 'spawn' AND how IS NULL AND output = json_quote(:id)))))

-- A child that comes without its parent remembers the step.
-- name: import_workflow
INSERT INTO main._wf_workflow(seq, id, lane, status, place, due_at, attempt, resumed, again, wake, failures, lost, failed, mark, redo, period, worker, closed_nonce, closed,
                              created_at, started_at, attempt_at, finished_at, updated_at, deadline_at, timeout, paused_from, paused_left, ending, flags,
                              max_attempts, max_failures, backoff, parent, parent_step, parent_redo, scheduled_at, dedup, headers, late, nth, input, output, error)
SELECT :seq, :id, l.lane, CASE WHEN :finished_at IS NULL THEN 'paused' ELSE :status END, CASE WHEN :finished_at IS NULL THEN 2 END,
       CASE WHEN :finished_at IS NULL THEN coalesce((
         SELECT min(min(coalesce(:due_at, s.due_at), coalesce(s.due_at, :due_at))) FROM main._wf_step AS s WHERE s.wf = :seq AND s.status = 'waiting' AND NOT :kind AND :status = 'waiting'), :due_at) END,
       :attempt, :resumed, :again, 9, :failures, :lost, :failed, {{last_step}}, :redo, :period, :worker,
       CASE WHEN :by_id THEN 0 END, :closed, :created_at, :started_at, :attempt_at, :finished_at, :now, :deadline_at, :timeout,
       CASE WHEN :finished_at IS NULL THEN :status END, :time_left, :ending, :flags | 16 * :kind | 32 * (NOT :kind AND EXISTS (SELECT 1 FROM main._wf_step WHERE wf = :seq AND status = 'waiting')), :max_attempts, :max_failures, :backoff,
       p.seq, :parent_step, :parent_redo, :scheduled_at, :queue || char(31) || :dedup, :headers, {{latest}},
       CASE WHEN :finished_at IS NOT NULL THEN coalesce((SELECT o.nth FROM main._wf_workflow AS o WHERE o.lane = l.lane AND o.place IS NULL ORDER BY o.nth DESC LIMIT 1), 0) + 1 END,
       CASE WHEN length(CAST(:input AS BLOB)) <= 1024 THEN :input END, CASE WHEN length(CAST(:output AS BLOB)) <= 1024 THEN :output END,
       CASE WHEN length(CAST(:error AS BLOB)) <= 1024 THEN :error END
FROM main._wf_lane AS l LEFT JOIN main._wf_workflow AS p ON p.id = :parent AND {{is_parent}}
WHERE l.queue = :queue AND l.kind = :kind AND l.partition = coalesce(:partition, '') AND l.name = :name AND l.version = coalesce(:version, '')
  AND l.priority = :priority

-- name: import_count or more
UPDATE main._wf_lane
SET count_to = {{last_nth}}, count_failed = count_failed + (:finished_at IS NOT NULL AND :status = 'failed'),
    count_cancelled = count_cancelled + (:finished_at IS NOT NULL AND :status = 'cancelled'), count_paused = count_paused + (:finished_at IS NULL)
WHERE lane = (SELECT lane FROM main._wf_workflow WHERE seq = :seq)

-- name: import_large
INSERT INTO main._wf_large(wf, what, size, value)
SELECT :seq, what, length(CAST(value AS BLOB)), value FROM (SELECT 0 AS what, :input AS value UNION ALL SELECT 1, :output UNION ALL SELECT 2, :error)
WHERE length(CAST(value AS BLOB)) > 1024
UNION ALL
SELECT :seq, 3, length(CAST(:first_input AS BLOB)), :first_input WHERE :first_input IS NOT NULL

-- It is still to be ended, with what it belonged to: once it is resumed.
-- name: import_ends
INSERT INTO main._wf_trouble(wf, schedule, tries, at, next_at, error, ends, reason)
VALUES(:seq, '', 1, :now, :now, 'it came from another file, where it could not be ended', :ends, :ends_reason)

-- Its children that have come before it.
-- name: import_orphans
SELECT w.seq FROM main._wf_workflow AS p CROSS JOIN main._wf_step AS r ON r.n BETWEEN :seq << 28 AND :seq << 28 | 268435455
CROSS JOIN main._wf_workflow AS w ON w.id = json_extract(r.output, '$')
WHERE p.seq = :seq AND r.kind = 'spawn' AND r.how IS NULL AND w.parent IS NULL AND w.parent_step = r.name
  AND w.parent_redo = p.redo + coalesce((SELECT redo FROM main._wf_redo WHERE wf = :seq AND step = r.name), 0)
UNION ALL
SELECT w.seq FROM main._wf_workflow AS p CROSS JOIN main._wf_workflow AS w ON w.id > p.id || '/' AND w.id < p.id || '0'
WHERE p.seq = :seq AND p.flags & 16 AND w.parent IS NULL AND w.parent_step IS NOT NULL

-- name: import_adopt
UPDATE main._wf_workflow SET parent = :parent WHERE seq = :seq

-- Its own open wait, and those of others that know it by its id.
-- name: import_waiters
INSERT OR IGNORE INTO main._wf_waiter(topic, wf, step)
SELECT 'e' || t.value, s.wf, {{key}} FROM main._wf_step AS s, {{awaited}} WHERE s.status = 'waiting' AND s.wf = :seq AND k.key = 'event'
UNION ALL
SELECT 'w' || w.seq, s.wf, {{key}} FROM main._wf_step AS s, {{awaited}} JOIN main._wf_workflow AS w ON w.id = t.value
WHERE s.status = 'waiting' AND k.key = 'join' AND (w.seq = :seq OR (s.wf = :seq AND w.finished_at IS NULL)) AND {{is_meant_by_wait}}

-- A limit of which it waits for a share, and which this file does not have.
-- name: import_no_limit
SELECT json_extract(topics, '$[0]'), name FROM main._wf_step
WHERE wf = :seq AND status = 'waiting' AND kind = 'acquire' AND json_extract(topics, '$[0]') NOT IN (SELECT name FROM main._wf_limit) LIMIT 1

-- name: import_line
INSERT INTO main._wf_line(rate, per_key, place, wf, step, amount, due_at)
SELECT rate, per_key,
       coalesce((SELECT place FROM main._wf_line AS x WHERE x.rate = s.rate AND x.per_key = s.per_key ORDER BY place DESC LIMIT 1), 0)
       + sum(amount) OVER (PARTITION BY rate, per_key ORDER BY n), :seq, name, amount,
       max(:now, coalesce((SELECT due_at FROM main._wf_line AS x WHERE x.rate = s.rate AND x.per_key = s.per_key ORDER BY place DESC LIMIT 1), :now))
FROM (SELECT n, name, json_extract(topics, '$[0]') AS rate, coalesce(json_extract(topics, '$[1]'), '') AS per_key, coalesce(json_extract(how, '$.amount'), 1) AS amount
      FROM main._wf_step WHERE wf = :seq AND status = 'waiting' AND kind = 'acquire') AS s

-- Something that it waits for is there already, or will never be: the first claim looks.
-- name: import_wake
UPDATE main._wf_workflow SET due_at = :now
WHERE seq = :seq AND (due_at IS NULL OR due_at > :now) AND 'waiting' IN (status, paused_from)
  AND (EXISTS (SELECT 1 FROM main._wf_step AS s WHERE s.wf = :seq AND s.status = 'waiting' AND s.kind = 'acquire')
       OR EXISTS (SELECT 1 FROM main._wf_step AS s, {{awaited}}
              WHERE s.wf = :seq AND s.status = 'waiting'
                AND CASE k.key WHEN 'signal' THEN EXISTS (SELECT 1 FROM main._wf_signal WHERE wf = :seq AND name = t.value AND taken IS NULL)
                               WHEN 'event' THEN EXISTS (SELECT 1 FROM main._wf_event WHERE name = t.value)
                               WHEN 'join' THEN NOT EXISTS (SELECT 1 FROM main._wf_workflow AS w WHERE w.id = t.value AND w.finished_at IS NULL AND {{is_meant_by_wait}}) END))
