-- Items that are put off: see ext/engine/trouble.h. Fragment put_off says which are.

-- name: trouble_note
INSERT INTO main._wf_trouble(wf, schedule, tries, at, next_at, error, ends, reason)
VALUES(:wf, :schedule, 1, :now, min(:now + min(1000, :longest), 253402300799999), :error, :ends, :reason)
ON CONFLICT(wf, schedule) DO UPDATE
SET tries = tries + 1, at = excluded.at, next_at = min(:now + min(1000 << min(tries, 20), :longest), 253402300799999), error = excluded.error,
    ends = max(ends, excluded.ends), reason = coalesce(reason, excluded.reason)

-- What is to be ended stays so: control_delete_trouble forgets that.
-- name: trouble_forget
DELETE FROM main._wf_trouble WHERE wf = :wf AND schedule = :schedule AND NOT ends

-- name: trouble_is_put_off
SELECT 1 FROM main._wf_trouble WHERE wf = :wf AND schedule = '' AND next_at > :now AND ends >= :ends

-- name: trouble_first
SELECT next_at <= :now FROM main._wf_trouble ORDER BY next_at LIMIT 1

-- name: trouble_sweep
DELETE FROM main._wf_trouble
WHERE next_at <= :now
  AND CASE WHEN schedule <> '' THEN NOT EXISTS (SELECT 1 FROM main._wf_schedule AS s WHERE s.name = _wf_trouble.schedule)
           ELSE NOT EXISTS (SELECT 1 FROM main._wf_workflow AS w
                            WHERE w.seq = _wf_trouble.wf AND w.place IS NOT NULL
                              AND (ends OR (w.status <> 'paused' AND (w.due_at <= :now OR w.deadline_at <= :now)))) END
