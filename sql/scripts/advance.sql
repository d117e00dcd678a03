-- What wf_run is to do next with a workflow.

-- A workflow, and the first of its steps that is to be looked at: one that is ready, else one whose time is up.
-- name: run_next
SELECT w.status, w.ending IS NOT NULL, w.again, w.attempt, l.name, l.version, l.priority, l.queue,
       s.n, s.name, s.kind, s.attempts, s.begun_at, s.due_at, s.topics, s.how,
       NOT EXISTS (SELECT 1 FROM main._wf_step AS any WHERE any.n BETWEEN w.seq << 28 AND w.seq << 28 | 268435455)
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
LEFT JOIN main._wf_step AS s ON s.n = coalesce(
  (SELECT n FROM main._wf_step WHERE status = 'ready' AND wf = :seq AND due_at <= :now ORDER BY due_at, n LIMIT 1),
  (SELECT n FROM main._wf_step WHERE status = 'waiting' AND wf = :seq AND due_at <= :now ORDER BY due_at, n LIMIT 1))
WHERE w.seq = :seq
