-- Lanes; see ext/engine/lane.h for the rule of next_due.

-- name: lane_find
SELECT lane, next_due FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND partition = :partition AND name = :name AND version = :version AND priority = :priority

-- name: lane_add
INSERT INTO main._wf_lane(queue, kind, partition, name, version, priority, next_due)
VALUES(:queue, :kind, :partition, :name, :version, :priority, :due)

-- name: lane_expect
UPDATE main._wf_lane SET next_due = :due WHERE lane = :lane AND (next_due IS NULL OR next_due > :due)

-- name: lane_settle
UPDATE main._wf_lane SET next_due = {{earliest}}
WHERE lane = :lane

-- The highest priority below :below that has open lanes.
-- name: lane_priority
SELECT priority FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND next_due IS NOT NULL AND priority < :below
ORDER BY priority DESC LIMIT 1

-- The lanes of one priority that may hold something due, earliest first.
-- name: lane_due
SELECT lane, next_due, name, version, partition FROM main._wf_lane
WHERE queue = :queue AND kind = :kind AND priority = :priority AND next_due <= :now
ORDER BY next_due

-- The first due row of each place of a lane: in line, lost lease, to be resumed.
-- name: lane_heads
SELECT * FROM (SELECT due_at, seq FROM main._wf_workflow AS w WHERE lane = :lane AND place = 0 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq FROM main._wf_workflow AS w WHERE lane = :lane AND place = 1 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
UNION ALL
SELECT * FROM (SELECT due_at, seq FROM main._wf_workflow AS w WHERE lane = :lane AND place = 3 AND due_at <= :now AND NOT {{put_off}} ORDER BY due_at, seq LIMIT 1)
