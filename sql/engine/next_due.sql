-- When the file wants attention next: see ext/engine/next_due.h.

-- Whether there is anything of which a claim, wf_run or wf_tick could make something, at whatever time.
-- name: next_due_ever
SELECT EXISTS (SELECT 1 FROM main._wf_workflow WHERE place IN (0, 1, 3, 4, 5)) OR EXISTS (SELECT 1 FROM main._wf_schedule WHERE next_at IS NOT NULL AND paused = 0)
       OR EXISTS (SELECT 1 FROM main._wf_workflow WHERE deadline_at IS NOT NULL AND finished_at IS NULL) OR EXISTS (SELECT 1 FROM main._wf_trouble)
       OR EXISTS (SELECT 1 FROM main._wf_workflow WHERE (lost > 0 OR max_attempts = 1) AND due_at > -9e15) OR EXISTS (SELECT 1 FROM main._wf_gone)
       OR EXISTS (SELECT 1 FROM main._wf_queue WHERE max_attempts = 1) OR EXISTS (SELECT 1 FROM main._wf_meta WHERE key = 'max_attempts' AND value = 1)

-- What time brings first after :now, as far as it is written down: the answer, but for what a limit, a rate or a wait holds back. (Of many lanes some will do.)
-- Then, whether there is anything that is done on the way, and anything that wf_tick alone does.
-- name: next_due_guess
SELECT min(at),
       EXISTS (SELECT 1 FROM main._wf_workflow WHERE deadline_at IS NOT NULL AND finished_at IS NULL)
       OR EXISTS (SELECT 1 FROM main._wf_schedule WHERE next_at IS NOT NULL AND paused = 0) OR EXISTS (SELECT 1 FROM main._wf_trouble),
       EXISTS (SELECT 1 FROM main._wf_workflow WHERE (lost > 0 OR max_attempts = 1) AND due_at > -9e15) OR EXISTS (SELECT 1 FROM main._wf_gone)
       OR EXISTS (SELECT 1 FROM main._wf_queue WHERE max_attempts = 1) OR EXISTS (SELECT 1 FROM main._wf_meta WHERE key = 'max_attempts' AND value = 1)
FROM (
  SELECT min(deadline_at) AS at FROM main._wf_workflow WHERE deadline_at > :now AND finished_at IS NULL
  UNION ALL SELECT min(next_at) FROM main._wf_schedule WHERE next_at > :now AND paused = 0
  UNION ALL SELECT min(next_at) FROM main._wf_trouble WHERE next_at > :now
  UNION ALL
  SELECT (SELECT min(due_at) FROM main._wf_workflow AS w WHERE w.lane = l.lane AND w.place = p.column1 AND w.nth IS NULL AND w.due_at > :now)
  FROM (SELECT * FROM (SELECT lane FROM main._wf_lane WHERE next_due IS NOT NULL ORDER BY queue, kind, priority DESC, line DESC, next_due LIMIT 32)
        UNION SELECT * FROM (SELECT lane FROM main._wf_lane WHERE turn IS NOT NULL ORDER BY queue, kind, priority DESC, line, turn LIMIT 32)) AS l
    CROSS JOIN (VALUES (0), (1), (3), (4), (5)) AS p)

-- The queues that have lanes, and the kinds of these: two look-ups each, however many lanes there are.
-- name: next_due_queues
WITH RECURSIVE q(queue, kind) AS (
  SELECT * FROM (SELECT queue, kind FROM main._wf_lane ORDER BY queue, kind LIMIT 1)
  UNION ALL
  SELECT l.queue, l.kind FROM q CROSS JOIN main._wf_lane AS l NOT INDEXED
    ON l.lane = coalesce((SELECT o.lane FROM main._wf_lane AS o WHERE o.queue = q.queue AND o.kind > q.kind ORDER BY o.kind LIMIT 1),
                         (SELECT o.lane FROM main._wf_lane AS o WHERE o.queue > q.queue ORDER BY o.queue, o.kind LIMIT 1)))
SELECT queue, kind FROM q
