-- Waking those who wait for a topic.

-- name: wait_wake_lanes
UPDATE main._wf_lane SET {{expecting}}
WHERE lane IN (SELECT w.lane FROM main._wf_waiter AS x JOIN main._wf_workflow AS w ON w.seq = x.wf WHERE x.topic = :topic)
  AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- name: wait_wake_all
UPDATE main._wf_workflow
SET due_at = :now, wake = :wake, place = CASE WHEN status = 'paused' OR flags & 1 THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq IN (SELECT wf FROM main._wf_waiter WHERE topic = :topic) AND (due_at IS NULL OR due_at > :now)
  AND ('waiting' IN (status, paused_from) OR (flags & 16 AND finished_at IS NULL))

-- Whether one was left asleep.
-- name: wake_left
SELECT 1 FROM main._wf_workflow AS w
WHERE w.seq IN (SELECT wf FROM main._wf_waiter WHERE topic = :topic) AND (w.due_at IS NULL OR w.due_at > :now)
  AND ('waiting' IN (w.status, w.paused_from) OR (w.flags & 16 AND w.finished_at IS NULL)) LIMIT 1

-- Who waits for a topic: the first after :after and :key.
-- name: wake_next
SELECT x.wf, w.lane, w.flags & 16, x.step FROM main._wf_waiter AS x JOIN main._wf_workflow AS w ON w.seq = x.wf
WHERE x.topic = :topic AND (x.wf, x.step) > (:after, :key) ORDER BY x.wf, x.step LIMIT 1

-- Those that could not be woken when their time had come: they are put off, and wait.
-- name: wake_asleep
SELECT w.seq, w.lane, w.flags & 16, EXISTS (SELECT 1 FROM main._wf_waiter AS e WHERE e.wf = w.seq AND e.topic >= 'e' AND e.topic < 'f')
FROM main._wf_trouble AS x CROSS JOIN main._wf_workflow AS w ON w.seq = x.wf
WHERE x.next_at <= :now AND NOT x.ends AND w.place IS NOT NULL AND (w.due_at IS NULL OR w.due_at > :now) AND ('waiting' IN (w.status, w.paused_from) OR w.flags & 16)
