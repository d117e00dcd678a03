-- Steps that are begun before an outside effect.

-- name: begin_row
SELECT kind, status, CASE status WHEN 'error' THEN error ELSE output END, nonce, hash FROM main._wf_step WHERE n = {{step_n}}

-- name: begin_begin
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, nonce, claim, hash)
VALUES({{next_step}}, :seq, {{new_name}}, 'step', 'begun', 0, :now, :now, :nonce, {{claim}}, :hash)
ON CONFLICT(wf, name) WHERE {{named}} DO UPDATE SET status = 'begun', begun_at = coalesce(begun_at, :now), at = :now, nonce = :nonce, claim = excluded.claim,
  hash = coalesce(excluded.hash, hash)

-- name: begin_hold
UPDATE main._wf_step SET status = 'waiting', at = :now WHERE n = {{step_n}}

-- name: begin_retry
UPDATE main._wf_step SET status = 'begun', nonce = NULL, at = :now WHERE n = {{step_n}}

-- name: begin_done
UPDATE main._wf_step
SET n = {{next_step}}, status = 'done', attempts = attempts + 1, at = :now, output = :output, error = NULL
WHERE n = {{step_n}}

-- name: begin_failed
UPDATE main._wf_step SET status = 'failed', attempts = attempts + 1, at = :now, error = :error, nonce = NULL, begun_at = NULL
WHERE n = {{step_n}}
