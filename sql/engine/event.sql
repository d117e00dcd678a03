-- Events: named facts for everyone.

-- name: event_add
INSERT INTO main._wf_event(name, at, payload) VALUES(:name, :now, :payload)

-- name: event_get
SELECT payload, at FROM main._wf_event WHERE name = :name

-- name: event_show
SELECT name, at, payload FROM main._wf_event WHERE rowid = :n

-- name: event_first
SELECT e.name, e.at, e.rowid FROM _wf.json_each(:topics) AS t CROSS JOIN main._wf_event AS e ON e.name = t.value
WHERE :due IS NULL OR e.at <= :due
ORDER BY e.at, e.name LIMIT 1
