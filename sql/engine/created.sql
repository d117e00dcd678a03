-- The order of creation; see ext/engine/created.h.

-- name: created_last
SELECT max(seq) FROM main._wf_workflow

-- The latest created_at up to a row: it never falls.
-- name: created_latest
SELECT seq, coalesce(late, created_at) FROM main._wf_workflow WHERE seq <= :seq ORDER BY seq DESC LIMIT 1

-- name: created_any_late
SELECT 1 FROM main._wf_workflow INDEXED BY _wf_late WHERE late IS NOT NULL LIMIT 1
