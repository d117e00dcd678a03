-- Scripted workflows that move to another file.

-- Those of a name, the one of a number first.
-- name: definition_versions
SELECT version, definition FROM main._wf_definition WHERE name = :name ORDER BY version <> :version, version DESC

-- One that no new workflow starts by.
-- name: definition_add_old
INSERT INTO main._wf_definition(name, version, current, definition, created_at) VALUES(:name, :version, 0, :definition, :now)

-- name: move_definition
SELECT l.name, l.version FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane WHERE w.seq = :seq

-- As StepRow::read() wants it, and whether the row can be.
-- name: move_steps
SELECT n, name, kind, attempts, begun_at, due_at, topics, how,
       CASE status WHEN 'done' THEN error IS NULL WHEN 'failed' THEN error IS NOT NULL WHEN 'skipped' THEN 1 WHEN 'ready' THEN 1
                   WHEN 'waiting' THEN begun_at IS NOT NULL ELSE 0 END
       AND (kind = 'undo' OR topics IS NOT NULL OR name NOT GLOB '*[[]*')
FROM main._wf_step WHERE {{its_rows}}

-- Children are looked for, shares, and what waits for an event that is a fact here.
-- name: move_wake
UPDATE main._wf_step SET status = 'ready', due_at = :now
WHERE status = 'waiting' AND wf = :seq
  AND (kind = 'acquire' OR (kind IN ('task', 'start', 'undo') AND coalesce(how, '') NOT LIKE '{"items":%')
       OR n IN (SELECT s.n FROM main._wf_step AS s, {{awaited}} JOIN main._wf_event AS e ON e.name = t.value WHERE s.status = 'waiting' AND s.wf = :seq AND k.key = 'event'))

-- name: move_due
UPDATE main._wf_workflow SET due_at = :now WHERE seq = :seq AND finished_at IS NULL
