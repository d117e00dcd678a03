-- Lanes; see ext/engine/lane.h for their rules.

-- name: lane_find
SELECT lane, line, next_due FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND partition = :partition AND name = :name AND version = :version AND priority = :priority

-- name: lane_add
INSERT INTO main._wf_lane(queue, kind, partition, name, version, priority, line, next_due, turn)
SELECT queue, kind, partition, :name, :version, priority, line, CASE line WHEN 1 THEN NULL ELSE :due END, CASE line WHEN 1 THEN {{last_turn}} END
FROM (SELECT queue, kind, partition, priority, CASE WHEN partition = '' AND NOT {{mixed}} THEN 0 WHEN :due <= :now THEN 1 ELSE 2 END AS line
FROM (SELECT :queue AS queue, :kind AS kind, :partition AS partition, :priority AS priority) AS _wf_lane) AS _wf_lane

-- name: lane_expect
UPDATE main._wf_lane SET {{expecting}} WHERE lane = :lane AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- name: lane_settle
UPDATE main._wf_lane SET {{settled}} WHERE lane = :lane

-- The lanes of a lane's partition, after a slot of it has come free.
-- name: lane_settle_partition
UPDATE main._wf_lane SET {{settled}}
WHERE queue = :queue AND kind IN (0, 1) AND partition = (SELECT partition FROM main._wf_lane WHERE lane = :lane)

-- After the partition of a lane was served: it stands last, with all its lanes of this priority.
-- name: lane_served
UPDATE main._wf_lane
SET (line, next_due, turn) = (
  SELECT CASE WHEN due <= :now THEN 1 ELSE 2 END, CASE WHEN due > :now THEN due END, CASE WHEN due <= :now THEN {{last_turn}} END
  FROM (SELECT {{earliest}} AS due))
WHERE (queue, kind, partition, priority) = (SELECT queue, kind, partition, priority FROM main._wf_lane WHERE lane = :lane) AND line <> 0
  AND (lane = :lane OR turn IS NOT NULL OR next_due <= :now)

-- The lane of a workflow that holds no slot of a full partition: it is looked at again when a slot may have run out, or one that holds a slot
-- is due.
-- name: lane_close
UPDATE main._wf_lane
SET turn = coalesce(turn, next_due * 4096), line = 3, next_due = (
  SELECT min(due_at) FROM main._wf_workflow
  WHERE limited = :queue || char(31) || :partition AND due_at > :now AND (nonce IS NOT NULL OR place IN (0, 1, 3, 4, 5)))
WHERE lane = :lane

-- Lanes without partition where there are partitions beside them: the first.
-- name: lane_mixed
SELECT 1 FROM main._wf_lane WHERE queue = :queue AND kind = :kind AND partition = '' AND line = 0 AND next_due IS NOT NULL AND {{mixed}}
LIMIT 1

-- They take part: no partition is one partition. In line since the first of what is due in it has been due.
-- name: lane_join_line
UPDATE main._wf_lane
SET (line, next_due, turn) = (
  SELECT CASE WHEN due <= :now THEN 1 ELSE 2 END, CASE WHEN due > :now THEN due END, CASE WHEN due <= :now THEN due * 4096 END
  FROM (SELECT {{earliest}} AS due))
WHERE queue = :queue AND kind = :kind AND partition = '' AND line = 0
  AND {{mixed}}

-- Where there are no partitions beside them any more, they need no turn.
-- name: lane_leave_line
UPDATE main._wf_lane SET line = 0, turn = NULL, next_due = {{earliest}}
WHERE (queue, kind, partition, priority) = (SELECT queue, kind, '', priority FROM main._wf_lane WHERE lane = :lane) AND line <> 0
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind AND o.priority = _wf_lane.priority
                  AND o.turn IS NOT NULL AND o.partition <> '')
  AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind AND o.priority = _wf_lane.priority
                  AND o.line > 0 AND o.next_due IS NOT NULL AND o.partition <> '')

-- The lanes that are not in line, from the highest priority below :below on; in each the full ones first, then those whose time is to come, then
-- the loose ones, each by next_due. The last column: the highest priority that has lanes in line.
-- name: lane_open
SELECT lane, next_due, name, version, priority, line,
       (SELECT priority FROM main._wf_lane WHERE queue = :queue AND kind = :kind AND turn IS NOT NULL AND priority < :below ORDER BY priority DESC LIMIT 1)
FROM main._wf_lane WHERE queue = :queue AND kind = :kind AND next_due IS NOT NULL AND priority < :below
ORDER BY priority DESC, line DESC, next_due

-- name: lane_in_line
SELECT priority FROM main._wf_lane WHERE queue = :queue AND kind = :kind AND turn IS NOT NULL AND priority < :below ORDER BY priority DESC LIMIT 1

-- The loose lanes of one priority that may hold something due.
-- name: lane_loose
SELECT lane, next_due, name, version, priority FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND priority = :priority AND line = 0 AND next_due <= :now
ORDER BY next_due

-- Those in line, in turn.
-- name: lane_turns
SELECT turn, partition FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND priority = :priority AND line = 1 AND turn IS NOT NULL
ORDER BY turn

-- Those whose time has come, since they were written.
-- name: lane_timed
SELECT next_due * 4096, partition FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND priority = :priority AND line = 2 AND next_due <= :now
ORDER BY next_due

-- Those of full partitions where a slot may have run out.
-- name: lane_reopening
SELECT lane, partition FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND priority = :priority AND line = 3 AND next_due <= :now
ORDER BY next_due LIMIT :most

-- The lanes of one partition that may hold something due.
-- name: lane_of_partition
SELECT lane, name, version FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND partition = :partition AND priority = :priority AND (turn IS NOT NULL OR next_due <= :now)

-- The first due rows of a lane, with their rank: what was begun (woken, or lost once), what is new, what stands behind (lost again, or released);
-- and whether there is no other of the same rank.
-- name: lane_heads
SELECT * FROM (SELECT due_at, seq, 0, 0 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 3 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 0, 1 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 1 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 1, 1 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 0 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 2, 0 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 4 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 2, 1 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 5 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)

-- The same, but for those that are too long for this connection.
-- name: lane_heads_that_fit
SELECT * FROM (SELECT due_at, seq, 0, 0 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 3 AND due_at <= :now AND NOT {{put_off}} AND NOT {{too_long}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 0, 1 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 1 AND due_at <= :now AND NOT {{put_off}} AND NOT {{too_long}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 1, 1 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 0 AND due_at <= :now AND NOT {{put_off}} AND NOT {{too_long}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 2, 0 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 4 AND due_at <= :now AND NOT {{put_off}} AND NOT {{too_long}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 2, 1 FROM main._wf_workflow AS w WHERE lane = :lane AND place = 5 AND due_at <= :now AND NOT {{put_off}} AND NOT {{too_long}} ORDER BY due_at, seq LIMIT 1)

-- Whether the last workflow of a lane has gone.
-- name: lane_is_empty
SELECT NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE lane = :lane AND place IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE lane = :lane AND place IS NULL)

-- name: lane_drop
DELETE FROM main._wf_lane WHERE lane = :lane

-- How long a text of this file's encoding may be, if it were of UTF-8.
-- name: lane_longest
SELECT :longest / CASE encoding WHEN 'UTF-8' THEN 1 ELSE 2 END FROM main.pragma_encoding
