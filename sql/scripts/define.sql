-- Definitions of workflows scripted in SQL.

-- name: definition_newest
SELECT version, definition FROM main._wf_definition WHERE name = :name ORDER BY version DESC LIMIT 1

-- name: definition_current
SELECT version, definition FROM main._wf_definition WHERE name = :name AND current = 1

-- name: definition_version
SELECT version, definition FROM main._wf_definition WHERE name = :name AND version = :version

-- name: definition_all
SELECT name, definition FROM main._wf_definition

-- The version :but becomes the current one, the others are none.
-- name: definition_retire all
UPDATE main._wf_definition SET current = version = :but WHERE name = :name AND current <> (version = :but)

-- name: definition_add
INSERT INTO main._wf_definition(name, version, current, definition, created_at) VALUES(:name, :version, 1, :definition, :now)

-- Versions of which no workflow was ever started.
-- name: definition_drop all
DELETE FROM main._wf_definition
WHERE name = :name AND NOT EXISTS (SELECT 1 FROM main._wf_lane AS l WHERE l.kind = 1 AND l.name = :name AND l.version = CAST(_wf_definition.version AS TEXT))
