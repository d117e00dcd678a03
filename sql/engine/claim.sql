-- Claiming.

-- name: claim_of_key
SELECT seq FROM main._wf_workflow WHERE claim_key = :key AND nonce IS NOT NULL AND status = 'running'

-- A key stands for one claim: that of a paused workflow gives it up to the next.
-- name: claim_free_key
UPDATE main._wf_workflow SET claim_key = NULL WHERE claim_key = :key AND seq <> :seq

-- name: claim_take
UPDATE main._wf_workflow
SET status = 'running', place = :place, due_at = :due, nonce = :nonce, worker = :worker, claim = :claim, lease = :lease, claim_key = :key,
    attempt = attempt + :again, resumed = resumed + 1 - :again, again = 0, lost = :lost, failures = :failures, wake = :wake,
    limited = CASE WHEN :limits THEN (SELECT l.queue || char(31) || l.partition FROM main._wf_lane AS l WHERE l.lane = _wf_workflow.lane) END,
    flags = CASE WHEN :until_end THEN flags | 8 ELSE flags & ~8 END,
    mark = CASE WHEN :lost_now THEN {{last_step}} ELSE mark END,
    started_at = coalesce(started_at, :now), attempt_at = CASE WHEN :again THEN :now ELSE attempt_at END, updated_at = :now
WHERE seq = :seq

-- A workflow that is to be claimed, or was: what a claim shows, what its queue says, and how long claims are where neither that nor the call says it.
-- name: claim_row
SELECT {{workflow}}, {{queue}}, (SELECT value FROM main._wf_meta WHERE key = 'lease'),
       l.name, coalesce(w.input, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 0)), l.priority, l.version, w.headers,
       CASE WHEN w.parent IS NOT NULL THEN (SELECT p.id FROM main._wf_workflow AS p WHERE p.seq = w.parent) END, w.scheduled_at, q.queue IS NOT NULL
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane LEFT JOIN main._wf_queue AS q ON q.queue = l.queue
WHERE w.seq = +:seq

-- Fails if the result of a claim is too long to be one.
-- name: claim_fits
SELECT :claims
