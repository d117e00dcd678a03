-- Leases.

-- name: lease_state
SELECT due_at, lease FROM main._wf_workflow WHERE seq = :seq AND nonce = :nonce AND status = 'running'

-- name: lease_extend
UPDATE main._wf_workflow SET due_at = :due, lease = coalesce(:lease, lease), updated_at = :now WHERE seq = :seq

-- name: lease_end_lost
UPDATE main._wf_workflow
SET status = 'pending', place = :place, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END, again = 1, lost = :lost, failures = :failures,
    mark = (SELECT coalesce(max(n), 0) FROM main._wf_step WHERE wf = :seq), updated_at = :now
WHERE seq = :seq
