-- wf_reschedule.

-- What waits for its time, and it has not come: an open sleep; of a scripted workflow also a step that is tried again later. (Its column how has
-- another use.)
-- name: reschedule_sleeps all
UPDATE main._wf_step SET due_at = :due, how = CASE WHEN :scripted THEN how ELSE '{"rescheduled":true}' END
WHERE status = 'waiting' AND wf = :seq AND kind = 'sleep' AND due_at > :now AND due_at <> :due

-- name: reschedule_tries all
UPDATE main._wf_step SET due_at = :due WHERE status = 'ready' AND wf = :seq AND due_at > :now AND due_at <> :due

-- What waits for several things.
-- name: reschedule_several
SELECT n, topics FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND n > :after AND kind IN ('wait_any', 'await') AND substr(topics, 1, 1) = '{' ORDER BY n LIMIT 1

-- name: reschedule_write
UPDATE main._wf_step SET topics = :topics, due_at = :due, how = CASE WHEN :scripted THEN how ELSE '{"rescheduled":true}' END WHERE n = :n

-- When the first open step of a workflow is due, and how many are open.
-- name: reschedule_first
SELECT min(due_at), count(*) FROM (
  SELECT due_at FROM main._wf_step WHERE status = 'waiting' AND wf = :seq
  UNION ALL
  SELECT due_at FROM main._wf_step WHERE status = 'ready' AND wf = :seq)

-- :by moves the deadline of one that nobody has begun.
-- name: reschedule_workflow
UPDATE main._wf_workflow
SET due_at = :due, updated_at = :now, deadline_at = min(deadline_at + :by, 253402300799999), paused_left = max(paused_left + :by, 0)
WHERE seq = :seq
