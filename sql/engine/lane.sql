-- Lanes; see ext/engine/lane.h for their rules.

-- name: lane_find
SELECT lane, line, next_due FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND partition = :partition AND name = :name AND version = :version AND priority = :priority

-- name: lane_add
INSERT INTO main._wf_lane(lane, queue, kind, partition, name, version, priority, line, next_due, turn)
SELECT {{new_lane}}, queue, kind, partition, :name, :version, priority, line, CASE line WHEN 1 THEN NULL ELSE :due END, CASE line WHEN 1 THEN {{last_turn}} END
FROM (SELECT queue, kind, partition, priority, CASE WHEN partition = '' AND NOT {{mixed}} THEN 0 WHEN :due <= :now THEN 1 ELSE 2 END AS line
FROM (SELECT :queue AS queue, :kind AS kind, :partition AS partition, :priority AS priority) AS _wf_lane) AS _wf_lane

-- name: lane_expect
UPDATE main._wf_lane SET {{expecting}} WHERE lane = :lane AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- Whether it does not expect that yet.
-- name: lane_expects_not
SELECT 1 FROM main._wf_lane WHERE lane = :lane AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- name: lane_settle
UPDATE main._wf_lane SET {{settled}} WHERE lane = :lane

-- A lane in which a claim has found nothing, although it said that there is: what is put off is due when it is tried again.
-- name: lane_correct
UPDATE main._wf_lane SET (line, next_due, turn) = (SELECT {{stand}} FROM (
  SELECT min(due) AS due FROM (
    SELECT (SELECT min(due_at) FROM main._wf_workflow AS w
            WHERE w.lane = _wf_lane.lane AND w.place = p.value AND w.nth IS NULL AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq)) AS due
    FROM _wf.json_each('[0,1,3,4,5]') AS p
    UNION ALL
    SELECT min(max(w.due_at, x.next_at)) FROM main._wf_trouble AS x CROSS JOIN main._wf_workflow AS w ON w.seq = x.wf
    WHERE w.lane = _wf_lane.lane AND w.place IN (0, 1, 3, 4, 5))))
WHERE lane = :lane

-- The lanes of a lane's partition, after a slot of it has come free. (In the order of their numbers, whatever the plan: each stands behind the one before.)
-- name: lane_settle_partition or more
UPDATE main._wf_lane SET {{settled}}
WHERE lane IN (SELECT o.lane FROM main._wf_lane AS o WHERE o.queue = :queue AND o.kind IN (0, 1) AND o.partition = (SELECT partition FROM main._wf_lane WHERE lane = :lane))

-- After the partition of a lane was served: it stands last, with all its lanes of this priority, in the order of their numbers; the lane itself is one.
-- name: lane_served or more
UPDATE main._wf_lane
SET (line, next_due, turn) = (
  SELECT CASE WHEN due <= :now THEN 1 ELSE 2 END, CASE WHEN due > :now THEN due END, CASE WHEN due <= :now THEN {{last_turn}} END
  FROM (SELECT {{earliest}} AS due))
WHERE lane IN (SELECT o.lane FROM main._wf_lane AS l CROSS JOIN main._wf_lane AS o
               ON o.queue = l.queue AND o.kind = l.kind AND o.partition = l.partition AND o.priority = l.priority
               WHERE l.lane = :lane AND o.line <> 0 AND (o.lane = :lane OR o.turn IS NOT NULL OR o.next_due <= :now))

-- Lanes without partition where there are partitions beside them: the first.
-- name: lane_mixed
SELECT 1 FROM main._wf_lane WHERE queue = :queue AND kind = :kind AND partition = '' AND line = 0 AND next_due IS NOT NULL AND {{mixed}}
LIMIT 1

-- They take part: no partition is one partition. In line since the first of what is due in it has been due.
-- name: lane_join_line or more
UPDATE main._wf_lane
SET (line, next_due, turn) = (
  SELECT CASE WHEN due <= :now THEN 1 ELSE 2 END, CASE WHEN due > :now THEN due END, CASE WHEN due <= :now THEN due * 4096 END
  FROM (SELECT {{earliest}} AS due))
WHERE queue = :queue AND kind = :kind AND partition = '' AND line = 0
  AND {{mixed}}

-- Where there are no partitions beside them any more, they need no turn. (Not counted: one that keeps its turn is exact still.)
-- name: lane_leave_line
UPDATE main._wf_lane SET line = 0, turn = NULL, next_due = {{earliest}}
WHERE (queue, kind, partition, priority) = (SELECT queue, kind, '', priority FROM main._wf_lane WHERE lane = :lane) AND line <> 0
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind AND o.priority = _wf_lane.priority
                  AND o.turn IS NOT NULL AND o.partition <> '')
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind AND o.priority = _wf_lane.priority
                  AND o.line > 0 AND o.next_due IS NOT NULL AND o.partition <> '')

-- A workflow of a lane changes its status, or comes or goes, in :was or :is (others are not counted).
-- name: fragment_counting
count_failed = max(0, count_failed + (:is IS 'failed') - (:was IS 'failed')),
count_cancelled = max(0, count_cancelled + (:is IS 'cancelled') - (:was IS 'cancelled')),
count_paused = max(0, count_paused + (:is IS 'paused') - (:was IS 'paused'))

-- name: lane_count
UPDATE main._wf_lane SET {{counting}} WHERE lane = :lane

-- Before a workflow that has ended goes from its lane: one number less, or as many as there are up to the one before it if it was the last.
-- name: lane_end_undone
UPDATE main._wf_lane
SET {{counting}},
    gone = (SELECT CASE WHEN EXISTS (SELECT 1 FROM main._wf_workflow AS o WHERE o.lane = _wf_lane.lane AND o.place IS NULL AND o.nth > w.nth) THEN _wf_lane.gone + 1
                        ELSE coalesce(_wf_lane.gone + 1 - w.nth
                                      + coalesce((SELECT o.nth FROM main._wf_workflow AS o WHERE o.lane = _wf_lane.lane AND o.place IS NULL AND o.nth < w.nth ORDER BY o.nth DESC LIMIT 1), 0), _wf_lane.gone) END
            FROM main._wf_workflow AS w WHERE w.seq = :seq)
WHERE lane = :lane

-- Whether the last workflow of a lane has gone.
-- name: lane_is_empty
SELECT NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE lane = :lane AND place IN (0, 1, 2, 3, 4, 5))
   AND NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE lane = :lane AND place IS NULL)

-- name: lane_drop
DELETE FROM main._wf_lane WHERE lane = :lane
