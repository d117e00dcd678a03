-- Parts of statements: {{refusal}} in a statement stands for the text of fragment_refusal here.

-- Why the queue of a due workflow does not let it be claimed now, for a worker that holds nothing; NULL: it does. Of w, a workflow, and l, its lane.
-- name: fragment_refusal
(SELECT CASE
         WHEN q.paused THEN 'queue paused'
         WHEN NOT (w.flags & 8 AND w.limited IS NOT NULL) AND q.concurrency <= (
           SELECT count(*) FROM main._wf_workflow AS x
           WHERE x.limited >= l.queue || char(31) AND x.limited < l.queue || char(32)
             AND (x.flags & 8 OR (x.nonce IS NOT NULL AND x.due_at > :now))) THEN 'concurrency limit'
         WHEN NOT (w.flags & 8 AND w.limited IS NOT NULL) AND l.partition <> '' AND q.partition_concurrency <= (
           SELECT count(*) FROM main._wf_workflow AS x
           WHERE x.limited = l.queue || char(31) || l.partition
             AND (x.flags & 8 OR (x.nonce IS NOT NULL AND x.due_at > :now))) THEN 'partition limit'
         WHEN w.place <> 3 AND q.rate_limit <= (
           SELECT total(n) FROM main._wf_rate AS r WHERE r.queue = l.queue AND r.at > :now - q.rate_per) THEN 'rate limit'
       END FROM main._wf_queue AS q WHERE q.queue = l.queue)

-- Whether w, a workflow, is put off: ext/engine/trouble.h.
-- name: fragment_put_off
(EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq AND x.next_at > :now))

-- When the first of the workflows of a lane is due, a row of _wf_lane; NULL: there is none to claim.
-- name: fragment_earliest
(
  SELECT min(due) FROM (
    SELECT min(due_at) AS due FROM main._wf_workflow AS w
    WHERE lane = _wf_lane.lane AND place = 0 AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq)
    UNION ALL
    SELECT min(due_at) FROM main._wf_workflow AS w
    WHERE lane = _wf_lane.lane AND place = 1 AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq)
    UNION ALL
    SELECT min(due_at) FROM main._wf_workflow AS w
    WHERE lane = _wf_lane.lane AND place = 3 AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq)
    UNION ALL
    SELECT min(max(w.due_at, x.next_at)) FROM main._wf_trouble AS x CROSS JOIN main._wf_workflow AS w ON w.seq = x.wf
    WHERE w.lane = _wf_lane.lane AND w.place IN (0, 1, 3)))

-- The id of the last workflow that a schedule, s, has started: as id_of() of ext/schedules/schedule.cpp makes it.
-- name: fragment_last_firing
s.name || '@' || strftime('%Y-%m-%dT%H:%M:%S', (s.last_at - (s.last_at % 1000 + 1000) % 1000) / 1000, 'unixepoch')
       || CASE s.last_at % 1000 WHEN 0 THEN '' ELSE printf('.%03d', (s.last_at % 1000 + 1000) % 1000) END || 'Z'

-- The number of a workflow that starts after the one with the highest number was deleted; NULL: the one after the highest there is. A number
-- that is given out again would let an old token speak for another workflow.
-- name: fragment_seq_after_deleted
(SELECT value + 1 FROM main._wf_meta WHERE key = 'last_seq' AND value >= coalesce((SELECT max(seq) FROM main._wf_workflow), 0))

-- Whether the next claim would not take but end it, for a lease was lost once too often: as count_lost() of ext/engine/lease.cpp counts. Of w and l.
-- name: fragment_poisoned
(w.place = 1 AND coalesce(w.max_attempts, (SELECT max_attempts FROM main._wf_queue WHERE queue = l.queue),
                          (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10)
   <= CASE WHEN w.lost AND EXISTS (SELECT 1 FROM main._wf_step WHERE wf = w.seq AND n > w.mark AND status IN ('done', 'waiting')) THEN 1
           ELSE w.lost + 1 END)

-- Whether one more lost lease may be too many for w, a workflow of the lane l.
-- name: fragment_may_be_poison
w.lost + 1 >= coalesce(
  w.max_attempts, (SELECT max_attempts FROM main._wf_queue WHERE queue = l.queue), (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10)

-- Whether the row l of _wf_step is the for_each that has listed the row s, which is then an item: `step[i]`.
-- name: fragment_lists_item
instr(s.name, '[') AND l.name = substr(s.name, 1, instr(s.name, '[') - 1)

-- The failures of w, a workflow, since a step was recorded: as in_a_row() of ext/engine/budget.cpp counts.
-- name: fragment_failures_in_a_row
CASE WHEN w.failures AND EXISTS (SELECT 1 FROM main._wf_step WHERE wf = w.seq AND n > w.mark AND kind = 'step' AND status = 'done') THEN 0 ELSE w.failures END
