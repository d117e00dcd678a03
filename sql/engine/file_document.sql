-- What a file holds beside its workflows, as a document: as export_import.sql. An import_... of what stands already as it is brought changes nothing and counts; of
-- something else under its name it writes nothing.

-- name: export_queues
SELECT queue, concurrency, worker_concurrency, partition_concurrency, hold, rate_limit, rate_per, paused, lease, max_attempts, backoff FROM main._wf_queue ORDER BY queue

-- name: export_rates
SELECT name, rate_limit, rate_per FROM main._wf_limit ORDER BY name

-- name: export_events
SELECT name, at, payload FROM main._wf_event ORDER BY at, name

-- name: export_definitions
SELECT name, version, current, definition FROM main._wf_definition ORDER BY name, version

-- name: export_schedules
SELECT name, cron, workflow, settings, created_at, last_at, skipped, input FROM main._wf_schedule ORDER BY name

-- name: import_queue
INSERT OR IGNORE INTO main._wf_queue(queue, concurrency, worker_concurrency, partition_concurrency, hold, rate_limit, rate_per, paused, lease, max_attempts, backoff)
SELECT :queue, :concurrency, :worker_concurrency, :partition_concurrency, :hold, :rate_limit, :rate_per, :paused, :lease, :max_attempts, :backoff
WHERE min(coalesce(:concurrency, 0), coalesce(:worker_concurrency, 0), coalesce(:partition_concurrency, 0), coalesce(:rate_limit, 0)) >= 0 AND coalesce(:hold, 'started') = 'started'
  AND min(coalesce(:rate_per, 1), coalesce(:lease, 1), coalesce(:max_attempts, 1)) >= 1 AND :paused IN (0, 1) AND (:rate_limit IS NULL) = (:rate_per IS NULL)
ON CONFLICT(queue) DO UPDATE SET queue = excluded.queue
WHERE (concurrency, worker_concurrency, partition_concurrency, hold, rate_limit, rate_per, paused, lease, max_attempts, backoff)
   IS (excluded.concurrency, excluded.worker_concurrency, excluded.partition_concurrency, excluded.hold, excluded.rate_limit, excluded.rate_per, excluded.paused, excluded.lease,
       excluded.max_attempts, excluded.backoff)

-- name: import_rate
INSERT OR IGNORE INTO main._wf_limit(name, rate_limit, rate_per) SELECT :name, :rate_limit, :rate_per WHERE min(:rate_limit, :rate_per) >= 1
ON CONFLICT(name) DO UPDATE SET name = excluded.name WHERE (rate_limit, rate_per) IS (excluded.rate_limit, excluded.rate_per)

-- name: import_event
INSERT OR IGNORE INTO main._wf_event(name, at, payload) SELECT :name, :at, :payload WHERE 1
ON CONFLICT(name) DO UPDATE SET name = excluded.name WHERE payload IS excluded.payload

-- name: import_definition
SELECT :name, :version, :current, :definition

-- Where the file has no current version of its own.
-- name: import_current
UPDATE main._wf_definition SET current = 1
WHERE name = :name AND version = CAST(:version AS INTEGER) AND current <> 1 AND NOT EXISTS (SELECT 1 FROM main._wf_definition AS o WHERE o.name = :name AND o.current = 1)

-- It arrives paused: its times are counted anew when it goes on.
-- name: import_schedule
INSERT OR IGNORE INTO main._wf_schedule(name, cron, workflow, settings, paused, next_at, last_at, skipped, created_at, input)
SELECT :name, :cron, :workflow, :settings, 1, NULL, :last_at, :skipped, :created_at, :input WHERE :skipped >= 0
ON CONFLICT(name) DO UPDATE SET name = excluded.name
WHERE (cron, workflow, settings, input) IS (excluded.cron, excluded.workflow, excluded.settings, excluded.input)
