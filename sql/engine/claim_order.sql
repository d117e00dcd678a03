-- The order of claims.
--
-- `lane = +:lane`: SQLite 3.54 looks at a bound value by itself, whether it is 0 or 1, and compiles the statement anew for the next one.

-- The lane of a workflow that holds no slot of a full partition: it is looked at again when a slot may have run out, or one that holds a slot
-- is due.
-- name: lane_close
UPDATE main._wf_lane
SET turn = coalesce(turn, next_due * 4096), line = 3, next_due = (
  SELECT min(due_at) FROM main._wf_workflow
  WHERE limited = :queue || char(31) || :partition AND due_at > :now AND (nonce IS NOT NULL OR place IN (0, 1, 3, 4, 5)))
WHERE lane = +:lane

-- The lanes that are not in line, from the highest priority below :below on; in each the full ones first, then those whose time is to come, then
-- the loose ones, each by next_due. The last column: the highest priority that has lanes in line.
-- name: lane_open
SELECT lane, next_due, name, version, priority, line,
       (SELECT priority FROM main._wf_lane WHERE queue = +:queue AND kind = +:kind AND turn IS NOT NULL AND priority < :below ORDER BY priority DESC LIMIT 1)
FROM main._wf_lane WHERE queue = +:queue AND kind = +:kind AND next_due IS NOT NULL AND priority < :below
ORDER BY priority DESC, line DESC, next_due

-- name: lane_in_line
SELECT priority FROM main._wf_lane WHERE queue = +:queue AND kind = +:kind AND turn IS NOT NULL AND priority < :below ORDER BY priority DESC LIMIT 1

-- The loose lanes of one priority that may hold something due.
-- name: lane_loose
SELECT lane, next_due, name, version, priority FROM main._wf_lane
WHERE queue = +:queue AND kind = +:kind AND priority = +:priority AND line = 0 AND next_due <= :now
ORDER BY next_due

-- Those in line, in turn.
-- name: lane_turns
SELECT turn, partition FROM main._wf_lane
WHERE queue = +:queue AND kind = +:kind AND priority = +:priority AND line = 1 AND turn IS NOT NULL
ORDER BY turn

-- Those whose time has come, since they were written.
-- name: lane_timed
SELECT next_due * 4096, partition FROM main._wf_lane
WHERE queue = +:queue AND kind = +:kind AND priority = +:priority AND line = 2 AND next_due <= :now
ORDER BY next_due

-- Those of full partitions where a slot may have run out.
-- name: lane_reopening
SELECT lane, partition FROM main._wf_lane
WHERE queue = +:queue AND kind = +:kind AND priority = +:priority AND line = 3 AND next_due <= :now
ORDER BY next_due LIMIT +:most

-- The lanes of one partition that may hold something due.
-- name: lane_of_partition
SELECT lane, name, version FROM main._wf_lane
WHERE queue = +:queue AND kind = +:kind AND partition = +:partition AND priority = +:priority AND (turn IS NOT NULL OR next_due <= :now)

-- The first due rows of a lane, with their rank: what was begun (woken, or lost once), what is new, what stands behind (lost again, or released);
-- and whether there is no other of the same rank.
-- name: lane_heads
SELECT * FROM (SELECT due_at, seq, 0, 0 FROM main._wf_workflow WHERE lane = +:lane AND place = 3 AND nth IS NULL AND due_at <= :now ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 0, 1 FROM main._wf_workflow WHERE lane = +:lane AND place = 1 AND nth IS NULL AND due_at <= :now ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 1, 1 FROM main._wf_workflow WHERE lane = +:lane AND place = 0 AND nth IS NULL AND due_at <= :now ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 2, 0 FROM main._wf_workflow WHERE lane = +:lane AND place = 4 AND nth IS NULL AND due_at <= :now ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq, 2, 1 FROM main._wf_workflow WHERE lane = +:lane AND place = 5 AND nth IS NULL AND due_at <= :now ORDER BY due_at, seq LIMIT 1)

-- The same, past those that are put off, and those that are too long for this connection; for who only :looks also past those that a claim would put back.
-- (One after the other, as long as they are asked for. It is compiled more often than it is run.)
-- name: lane_heads_passing_over
SELECT h.due_at, h.seq, p.column2, p.column3
FROM (VALUES (3, 0, 0), (1, 0, 1), (0, 1, 1), (4, 2, 0), (5, 2, 1)) AS p CROSS JOIN main._wf_workflow AS h NOT INDEXED ON h.seq = (
  SELECT w.seq FROM main._wf_workflow AS w
  WHERE w.lane = +:lane AND w.place = p.column1 AND w.nth IS NULL AND w.due_at <= :now AND NOT {{put_off}} AND NOT {{too_long}} AND NOT (:looks AND {{in_vain}}) ORDER BY w.due_at, w.seq LIMIT 1)

-- How long a text of this file's encoding may be, if it were of UTF-8.
-- name: lane_longest
SELECT :longest / CASE encoding WHEN 'UTF-8' THEN 1 ELSE 2 END FROM main.pragma_encoding

-- Those that hold a slot to the end and are due to go on: they need no other.
-- name: queue_held
SELECT w.due_at, w.seq, l.priority, {{rank}}, {{turn}}, l.name, l.version, l.partition, 1, {{goes_on}}
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.limited >= :queue || char(31) AND w.limited < :queue || char(32) AND w.flags & 8 AND +w.place IN (0, 1, 3, 4, 5) AND w.due_at <= :now
  AND l.kind = +:kind AND NOT {{put_off}} AND NOT {{too_long}} AND NOT (:looks AND {{in_vain}})

-- (+w.lane: by the few that hold a slot, and not by all that wait in the lane.)
-- name: queue_held_in_lane
SELECT w.due_at, w.seq, {{rank}}, 0 FROM main._wf_workflow AS w
WHERE w.limited = :queue || char(31) || :partition AND w.flags & 8 AND +w.lane = +:lane AND w.due_at <= :now AND +w.place IN (0, 1, 3, 4, 5)
  AND NOT {{put_off}} AND NOT {{too_long}} AND NOT (:looks AND {{in_vain}})

-- What is due to be resumed; the ninth column: it holds a slot.
-- name: queue_resumed
SELECT w.due_at, w.seq, l.priority, {{rank}}, {{turn}}, l.name, l.version, l.partition, w.flags & 8 AND w.limited IS NOT NULL, 1
FROM main._wf_workflow AS w INDEXED BY _wf_resumed CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.place > 2 AND {{goes_on}} AND w.due_at <= :now AND l.queue = +:queue AND l.kind = +:kind AND NOT {{put_off}} AND NOT {{too_long}} AND NOT (:looks AND {{in_vain}})
