-- Schedules. next_at is the first nominal time that is not handled yet. A hand edit may have left settings that are no JSON.

-- name: schedule_all
SELECT name, created_at FROM main._wf_schedule

-- name: schedule_put
INSERT INTO main._wf_schedule(name, cron, workflow, settings, paused, next_at, created_at, input)
VALUES(:name, :cron, :workflow, :settings, :paused, :next, :now, :input)
ON CONFLICT(name) DO UPDATE
SET cron = excluded.cron, workflow = excluded.workflow, settings = excluded.settings, paused = excluded.paused, next_at = excluded.next_at,
    input = excluded.input

-- Until somebody has looked: wf_recover.
-- name: schedule_hold all
UPDATE main._wf_schedule SET paused = 1, next_at = NULL WHERE paused = 0

-- name: schedule_drop all or none
DELETE FROM main._wf_schedule WHERE name = :name

-- Those to look at: due, not put off, and not in line behind a firing that still runs.
-- name: schedule_due
SELECT s.name FROM main._wf_schedule AS s
WHERE s.next_at <= :now AND s.paused = 0 AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = 0 AND x.schedule = s.name AND x.next_at > :now)
  AND CASE WHEN NOT json_valid(s.settings) THEN 1
           WHEN json_extract(s.settings, '$.overlap') IS 'queue' THEN NOT EXISTS (
             SELECT 1 FROM main._wf_workflow AS w WHERE w.finished_at IS NULL AND w.id = {{last_firing}})
           ELSE 1 END
ORDER BY s.next_at LIMIT +:most

-- name: schedule_advance
UPDATE main._wf_schedule SET next_at = :next, last_at = coalesce(:last, last_at), skipped = skipped + :skipped
WHERE name = :name
