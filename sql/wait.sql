-- Waits: sleeps, signals, events, joins. A wait is a row of _wf_step with status 'waiting'.

-- name: wait_step
SELECT kind, status, output, n, topics, due_at, how FROM main._wf_step WHERE wf = :seq AND name = :step

-- name: wait_next_n
SELECT coalesce(max(n), 0) + 1 FROM main._wf_step

-- name: wait_open
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, due_at, topics, how)
VALUES(:n, :seq, :step, :kind, 'waiting', 0, :now, :due, :topics, :how)

-- name: wait_done
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, due_at, topics, how, output)
VALUES(:n, :seq, :step, :kind, 'done', 1, :now, :due, :topics, :how, :output)
ON CONFLICT(wf, name) DO UPDATE SET status = 'done', attempts = 1, at = excluded.at, output = excluded.output

-- name: wait_suspend
UPDATE main._wf_workflow
SET status = 'waiting', place = :place, due_at = :due, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END,
    closed_nonce = :closed_nonce, closed = 'suspend:waiting', again = :again, lost = 0, updated_at = :now
WHERE seq = :seq

-- A wait that was decided by bare id, or whose step is gone: claimable at once.
-- name: wait_over
UPDATE main._wf_workflow
SET status = CASE status WHEN 'paused' THEN status ELSE 'pending' END, paused_from = CASE status WHEN 'paused' THEN 'pending' END,
    place = CASE status WHEN 'paused' THEN 2 ELSE :place END, due_at = :now, updated_at = :now
WHERE seq = :seq

-- A wake-up for nothing: back to where it was.
-- name: wait_go_on
UPDATE main._wf_workflow SET place = :place, due_at = :due WHERE seq = :seq

-- name: wait_wake
UPDATE main._wf_workflow
SET due_at = :now, place = CASE WHEN status = 'paused' OR flags & 1 THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq = :seq AND (due_at IS NULL OR due_at > :now) AND 'waiting' IN (status, paused_from)

-- The workflows that wait for a topic.
-- name: wait_waiters
SELECT x.wf, w.lane, w.flags & 16 FROM main._wf_waiter AS x JOIN main._wf_workflow AS w ON w.seq = x.wf WHERE x.topic = :topic

-- name: wait_wake_lanes
UPDATE main._wf_lane SET next_due = :now
WHERE lane IN (SELECT w.lane FROM main._wf_waiter AS x JOIN main._wf_workflow AS w ON w.seq = x.wf WHERE x.topic = :topic)
  AND (next_due IS NULL OR next_due > :now)

-- name: wait_wake_all
UPDATE main._wf_workflow
SET due_at = :now, place = CASE WHEN status = 'paused' OR flags & 1 THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq IN (SELECT wf FROM main._wf_waiter WHERE topic = :topic) AND (due_at IS NULL OR due_at > :now)
  AND ('waiting' IN (status, paused_from) OR (flags & 16 AND finished_at IS NULL))

-- name: wait_forget_workflow
DELETE FROM main._wf_waiter WHERE wf = :seq

-- What a workflow that ends leaves open. A step in doubt is only no longer held.
-- name: wait_close
DELETE FROM main._wf_step WHERE wf = :seq AND status = 'waiting' AND kind <> 'step'

-- name: wait_unhold
UPDATE main._wf_step SET status = 'begun' WHERE wf = :seq AND status = 'waiting' AND kind = 'step'

-- name: signal_add
INSERT INTO main._wf_signal(wf, name, key, at, payload) VALUES(:seq, :name, :key, :now, :payload)

-- name: signal_of_key
SELECT 1 FROM main._wf_signal WHERE wf = :seq AND name = :name AND key = :key

-- Whether the open wait of the workflow is for this signal.
-- name: signal_awaited
SELECT 1 FROM main._wf_step AS s, main.json_each(s.topics) AS t
WHERE s.status = 'waiting' AND s.wf = :seq AND s.kind = 'await' AND t.value = :name

-- The earliest signal in line of any of the names, if it arrived in time.
-- name: signal_next
SELECT s.n, s.name, s.at, s.payload
FROM main.json_each(:topics) AS t CROSS JOIN main._wf_signal AS s
  ON s.n = (SELECT n FROM main._wf_signal WHERE wf = :seq AND name = t.value AND taken IS NULL AND (:due IS NULL OR at <= :due) ORDER BY n LIMIT 1)
ORDER BY s.n LIMIT 1

-- name: signal_take
UPDATE main._wf_signal SET taken = :step WHERE n = :n

-- name: event_add
INSERT INTO main._wf_event(name, at, payload) VALUES(:name, :now, :payload)

-- name: event_get
SELECT payload, at FROM main._wf_event WHERE name = :name

-- name: event_first
SELECT e.name, e.at, e.payload FROM main.json_each(:topics) AS t CROSS JOIN main._wf_event AS e ON e.name = t.value
WHERE :due IS NULL OR e.at <= :due
ORDER BY e.at, e.name LIMIT 1

-- name: event_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf) SELECT 'e' || value, :seq FROM main.json_each(:topics)

-- name: join_children
SELECT json_group_array(json_extract(output, '$')) FROM (
  SELECT output FROM main._wf_step WHERE wf = :seq AND kind = 'spawn' AND status = 'done' ORDER BY n)

-- name: join_unknown
SELECT j.value FROM main.json_each(:topics) AS j WHERE NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE id = j.value) LIMIT 1

-- name: join_wait
INSERT OR IGNORE INTO main._wf_waiter(topic, wf)
SELECT 'w' || w.seq, :seq FROM main.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value WHERE w.finished_at IS NULL

-- Whether one that is waited for has not ended.
-- name: join_open
SELECT 1 FROM main.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value WHERE w.finished_at IS NULL LIMIT 1

-- name: join_waits
SELECT 1 FROM main._wf_waiter WHERE wf = :seq LIMIT 1

-- The one that ended first.
-- name: join_first
SELECT j.key FROM main.json_each(:topics) AS j CROSS JOIN main._wf_workflow AS w ON w.id = j.value
WHERE w.finished_at IS NOT NULL ORDER BY w.finished_at, j.key LIMIT 1

-- name: join_show
SELECT j.value, w.status, w.finished_at IS NOT NULL,
       coalesce(w.output, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 1)),
       coalesce(w.error, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 2))
FROM main.json_each(:topics) AS j LEFT JOIN main._wf_workflow AS w ON w.id = j.value
WHERE :only IS NULL OR j.key = :only
ORDER BY j.key

-- name: join_retire
DELETE FROM main._wf_waiter WHERE topic = :topic AND wf = :seq

-- Whether a workflow waits in a join for any one.
-- name: join_is_any
SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND kind = 'join' AND json_extract(how, '$.mode') = 'any'
