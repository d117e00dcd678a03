-- A claim of what is plainly next.

-- Claims, for one worker of one queue, where nothing has to be looked at but the heads of one lane, nor written but a row: time has made nothing due, the
-- queue has no settings, nothing forbids to claim here, no lane is in line, no other of the highest priority may hold something due, what comes first is new or to be retried, and
-- no lease was lost. One statement, which also takes the write lock; where it has changed nothing, claim.cpp finds out why. (_wf_take: see base/taker.h.)
-- name: claim_plain
UPDATE main._wf_workflow
SET status = 'running', place = 1, due_at = :due, lease = :lease, worker = :worker, claim = (attempt + again) || ' ' || :name,
    attempt = attempt + again, resumed = resumed + 1 - again, again = 0,
    started_at = coalesce(started_at, :now), attempt_at = CASE WHEN again THEN :now ELSE attempt_at END, updated_at = :now,
    nonce = _wf_take(seq, id, attempt + again, resumed + 1 - again, period, wake, ending, deadline_at, headers, scheduled_at,
                     coalesce(input, (SELECT value FROM main._wf_large WHERE wf = _wf_workflow.seq AND what = 0)),
                     CASE WHEN parent IS NOT NULL THEN (SELECT p.id FROM main._wf_workflow AS p WHERE p.seq = _wf_workflow.parent) END,
                     (SELECT l.name || char(31) || l.version || char(31) || l.priority FROM main._wf_lane AS l WHERE l.lane = _wf_workflow.lane))
WHERE seq = (
    SELECT w.seq FROM main._wf_workflow AS w
    WHERE w.place = 0 AND w.nth IS NULL AND w.due_at <= +:now AND w.lane = (
      SELECT CASE WHEN l.line = 0 AND l.next_due <= :now AND NOT EXISTS (
                    SELECT 1 FROM main._wf_lane AS o
                    WHERE o.queue = +:queue AND o.kind = 0 AND o.priority = l.priority AND o.line = 0 AND o.next_due <= +:now AND o.lane <> l.lane)
             THEN l.lane END
      FROM main._wf_lane AS l WHERE l.queue = +:queue AND l.kind = 0 AND l.next_due IS NOT NULL
      ORDER BY l.priority DESC, l.line DESC, l.next_due LIMIT 1)
    ORDER BY w.due_at, w.seq LIMIT 1)
  AND status = 'pending' AND lost = 0 AND wake <> 7 AND again IN (0, 1) AND attempt >= 0 AND attempt + resumed < 1000000000
  AND limited IS NULL AND claim_key IS NULL AND NOT flags & 24
  AND NOT EXISTS (SELECT 1 FROM main._wf_workflow AS o WHERE o.lane = _wf_workflow.lane AND o.place = 3 AND o.nth IS NULL AND o.due_at <= +:now)
  AND NOT EXISTS (SELECT 1 FROM main._wf_workflow AS o WHERE o.lane = _wf_workflow.lane AND o.place = 1 AND o.nth IS NULL AND o.due_at <= +:now)
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane WHERE queue = +:queue AND kind = 0 AND turn IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM main._wf_queue WHERE queue = +:queue)
  AND (:says_lease OR NOT EXISTS (SELECT 1 FROM main._wf_meta WHERE key = 'lease'))
  AND (:in_place OR NOT EXISTS (SELECT 1 FROM main._wf_meta WHERE key = 'require_recover'))
  AND NOT {{anything_due}} AND {{plain_file}}
