-- The steps that a claim comes with.

-- name: claim_steps
SELECT n & 268435455, name, kind, status, CASE status WHEN 'done' THEN CASE kind WHEN 'sleep' THEN NULL ELSE output END ELSE error END,
       CASE kind WHEN 'sleep' THEN due_at END, attempts, hash
FROM main._wf_step WHERE {{its_rows}} ORDER BY n
