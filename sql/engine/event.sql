-- Events: named facts for everyone.

-- name: event_add
INSERT INTO main._wf_event(name, at, payload) VALUES(:name, :now, :payload)

-- name: event_get
SELECT payload, at FROM main._wf_event WHERE name = :name

-- name: event_first
SELECT e.name, e.at, e.payload FROM _wf.json_each(:topics) AS t CROSS JOIN main._wf_event AS e ON e.name = t.value
WHERE :due IS NULL OR e.at <= :due
ORDER BY e.at, e.name LIMIT 1

-- name: wait_wake_lanes
UPDATE main._wf_lane SET {{expecting}}
WHERE lane IN (SELECT w.lane FROM main._wf_waiter AS x JOIN main._wf_workflow AS w ON w.seq = x.wf WHERE x.topic = :topic)
  AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- name: wait_wake_all
UPDATE main._wf_workflow
SET due_at = :now, wake = :wake, place = CASE WHEN status = 'paused' OR flags & 1 THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq IN (SELECT wf FROM main._wf_waiter WHERE topic = :topic) AND (due_at IS NULL OR due_at > :now)
  AND ('waiting' IN (status, paused_from) OR (flags & 16 AND finished_at IS NULL))
