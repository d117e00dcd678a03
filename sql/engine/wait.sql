-- Waits. A wait is a row of _wf_step with status 'waiting'.

-- name: wait_step
SELECT n, kind, topics, due_at, how, status, output, hash FROM main._wf_step WHERE n = {{step_n}}

-- name: wait_next_n
SELECT {{next_step}}

-- name: wait_open
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, claim, hash, topics, how)
VALUES(:n, :seq, {{new_name}}, :kind, 'waiting', 0, :now, :now, :due, {{claim}}, :hash, :topics, :how)

-- name: wait_done
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, claim, hash, topics, how, output)
VALUES(:n, :seq, {{new_name}}, :kind, 'done', 1, :now, :now, :due, {{claim}}, :hash, :topics, :how, :output)
ON CONFLICT(wf, name) WHERE {{named}} DO UPDATE SET status = 'done', attempts = 1, at = excluded.at, output = excluded.output

-- name: wait_suspend
UPDATE main._wf_workflow
SET status = CASE status WHEN 'paused' THEN status ELSE 'waiting' END, paused_from = CASE status WHEN 'paused' THEN 'waiting' END,
    place = CASE status WHEN 'paused' THEN 2 ELSE :place END, due_at = :due, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END,
    closed_nonce = :closed_nonce, closed = :closed, again = :again, wake = 2, lost = 0, updated_at = :now
WHERE seq = :seq

-- name: wait_keep
UPDATE main._wf_workflow SET flags = flags | 32 WHERE seq = :seq

-- A wait that was decided by bare id, or whose step is gone: claimable at once.
-- name: wait_over
UPDATE main._wf_workflow
SET status = CASE status WHEN 'paused' THEN status ELSE 'pending' END, paused_from = CASE status WHEN 'paused' THEN 'pending' END,
    place = CASE status WHEN 'paused' THEN 2 ELSE :place END, wake = 9, due_at = :now, updated_at = :now
WHERE seq = :seq

-- name: wait_due
UPDATE main._wf_step SET due_at = :due WHERE n = :n

-- A wake-up for nothing: back to where it was.
-- name: wait_go_on
UPDATE main._wf_workflow SET place = :place, due_at = :due, wake = 2 WHERE seq = :seq

-- name: wait_wake all
UPDATE main._wf_workflow
SET due_at = :now, wake = :wake, place = CASE WHEN status = 'paused' OR flags & 1 THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq = :seq AND (due_at IS NULL OR due_at > :now) AND 'waiting' IN (status, paused_from)

-- name: wait_forget all
DELETE FROM main._wf_waiter WHERE wf = :seq AND (step = :step OR (step > :step || char(31) AND step < :step || ' '))

-- name: wait_forget_workflow all
DELETE FROM main._wf_waiter WHERE wf = :seq

-- What a workflow that ends leaves open. A step in doubt is only no longer held.
-- name: wait_close all
DELETE FROM main._wf_step WHERE wf = :seq AND status = 'waiting' AND kind <> 'step'

-- name: wait_unhold all
UPDATE main._wf_step SET status = 'begun' WHERE wf = :seq AND status = 'waiting' AND kind = 'step'
