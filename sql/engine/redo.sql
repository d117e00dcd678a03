-- Redo numbers; see ext/engine/redo.h.

-- name: redo_of
SELECT redo FROM main._wf_redo WHERE wf = :seq AND step = :step

-- Steps that have a record, from :n on. One that was begun and is not finished has none: what is done under its key may have happened.
-- name: fragment_recorded
n BETWEEN :n AND :seq << 28 | 268435455 AND status IN ('done', 'failed', 'error')

-- name: redo_count
SELECT count(*) FROM main._wf_step WHERE {{recorded}}

-- name: redo_raise
INSERT INTO main._wf_redo(wf, step, redo)
SELECT :seq, name, 1 FROM main._wf_step WHERE {{recorded}}
ON CONFLICT(wf, step) DO UPDATE SET redo = redo + 1

-- name: redo_raise_all
UPDATE main._wf_workflow SET redo = redo + 1 + coalesce((SELECT max(redo) FROM main._wf_redo WHERE wf = :seq), 0) WHERE seq = :seq

-- name: redo_forget all
DELETE FROM main._wf_redo WHERE wf = :seq
