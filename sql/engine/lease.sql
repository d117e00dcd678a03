-- Leases.

-- name: lease_state
SELECT due_at, lease, place FROM main._wf_workflow WHERE seq = :seq AND nonce = :nonce AND status = 'running'

-- name: lease_extend
UPDATE main._wf_workflow SET due_at = :due, lease = coalesce(:lease, lease), updated_at = :now WHERE seq = :seq

-- A step is recorded since the lease was lost: should it be lost again, it is the first time.
-- name: lease_progressed
UPDATE main._wf_workflow SET place = 1
WHERE seq = :seq AND place = 4 AND EXISTS (SELECT 1 FROM main._wf_step WHERE n > max(mark, :seq << 28) AND n <= :seq << 28 | 268435455 AND status IN ('done', 'error', 'waiting'))

-- name: lease_end_lost
UPDATE main._wf_workflow
SET status = 'pending', place = :place, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END, again = 1, lost = :lost, wake = 6, failures = :failures,
    mark = {{last_step}}, updated_at = :now
WHERE seq = :seq
