-- A workflow that begins anew under its own id.

-- name: continue_begun
SELECT name FROM main._wf_step WHERE status = 'begun' AND wf = :seq LIMIT 1

-- name: continue_lane
SELECT queue, partition, name, version, priority, kind FROM main._wf_lane WHERE lane = :lane

-- Children that have ended are nobody's, so that wf_purge takes them.
-- name: continue_orphan all
UPDATE main._wf_workflow SET parent = NULL, parent_step = NULL, parent_redo = NULL WHERE parent = :seq AND finished_at IS NOT NULL

-- name: continue_steps all
DELETE FROM main._wf_step WHERE {{its_rows}}

-- name: continue_streams all
DELETE FROM main._wf_stream WHERE wf = :seq

-- name: continue_stream_ends all
DELETE FROM main._wf_stream_end WHERE wf = :seq

-- name: continue_failures all
DELETE FROM main._wf_failure WHERE {{its_rows}}

-- name: continue_signals all
DELETE FROM main._wf_signal WHERE {{its_rows}} AND taken IS NOT NULL AND key IS NULL

-- The keys of those that were taken stay, so that a repeated wf_signal is still known: taken by the step 0, which there is not.
-- name: continue_keys all
UPDATE main._wf_signal SET taken = 0, payload = NULL WHERE {{its_rows}} AND taken > 0

-- name: continue_keep_first
INSERT OR IGNORE INTO main._wf_large(wf, what, size, value)
SELECT :seq, 3, length(CAST(value AS BLOB)), value
FROM (SELECT coalesce(input, (SELECT value FROM main._wf_large WHERE wf = :seq AND what = 0), 'null') AS value FROM main._wf_workflow WHERE seq = :seq)

-- name: continue_kept_first
SELECT 1 FROM main._wf_large WHERE wf = :seq AND what = 3

-- name: continue_drop_input all
DELETE FROM main._wf_large WHERE wf = :seq AND what = 0

-- The token of each period differs from those of the others: see ext/engine/workflow.h.
-- name: continue_workflow
UPDATE main._wf_workflow
SET lane = :lane, status = 'pending', place = :place, due_at = :due, nonce = NULL, claim_key = NULL, limited = NULL, flags = flags & ~40,
    again = 1, wake = 0, failures = 0, lost = 0, failed = 0, mark = 0, period = period + 1, closed_nonce = :closed_nonce, closed = :closed,
    started_at = NULL, attempt_at = NULL, deadline_at = min(:due + coalesce(:timeout, timeout), 253402300799999), timeout = coalesce(:timeout, timeout),
    headers = coalesce(:headers, headers), input = CASE WHEN :own_input THEN :input ELSE input END, error = NULL, updated_at = :now
WHERE seq = :seq
