-- Recovery, and the counts of what is left to do.

-- name: recover_lanes
UPDATE main._wf_lane SET next_due = :now
WHERE lane IN (SELECT lane FROM main._wf_workflow
               WHERE place IS NOT NULL AND nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker))
  AND (next_due IS NULL OR next_due > :now)

-- name: recover_void
UPDATE main._wf_workflow
SET status = CASE status WHEN 'running' THEN 'pending' ELSE status END,
    paused_from = CASE paused_from WHEN 'running' THEN 'pending' ELSE paused_from END,
    place = CASE place WHEN 1 THEN 3 ELSE place END,
    due_at = :now, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END, again = 0, updated_at = :now
WHERE place IS NOT NULL AND 'running' IN (status, paused_from) AND nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker)

-- The rest: the claims that were live when their workflow was cancelled.
-- name: recover_void_ended
UPDATE main._wf_workflow SET nonce = NULL
WHERE nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker)

-- Slots have come free: the lanes of limited partitions look anew.
-- name: recover_partitions
UPDATE main._wf_lane SET next_due = {{earliest}}
WHERE kind = 0 AND partition <> '' AND queue IN (SELECT queue FROM main._wf_queue WHERE partition_concurrency IS NOT NULL)

-- name: recover_pause
UPDATE main._wf_workflow
SET paused_from = status, status = 'paused', place = 2, paused_left = deadline_at - :now, deadline_at = NULL, updated_at = :now
WHERE place IS NOT NULL AND status <> 'paused'

-- name: recover_in_doubt
SELECT count(*) FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE (s.status = 'begun' OR s.status = 'waiting') AND s.kind = 'step' AND s.nonce IS NOT NULL AND s.nonce IS NOT w.nonce AND w.place IS NOT NULL

-- name: count_pending
SELECT count(*) FROM main._wf_workflow WHERE place IS NOT NULL AND (:queue IS NULL OR lane IN (SELECT lane FROM main._wf_lane WHERE queue = :queue))

-- name: count_ready
SELECT count(*) FROM main._wf_lane AS l JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place IN (0, 1, 3) AND w.due_at <= :now AND coalesce(w.deadline_at > :now, 1)
WHERE l.kind = 0 AND l.next_due <= :now AND (:queue IS NULL OR l.queue = :queue)
  AND NOT {{poisoned}} AND NOT {{put_off}} AND {{refusal}} IS NULL
