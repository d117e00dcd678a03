-- A schedule as it is stored, and its firings.

-- name: schedule_read
SELECT cron, workflow, settings, paused, next_at, last_at, input,
       json(CASE WHEN json_valid(settings) THEN settings END) = json(:settings)
FROM main._wf_schedule WHERE name = :name

-- Whether the workflow exists, and whether it goes on.
-- name: schedule_workflow
SELECT finished_at IS NULL FROM main._wf_workflow WHERE id = :id
