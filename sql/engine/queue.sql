-- Settings of queues, and what they admit. A slot is held by a row with `limited`: its queue, char(31), its partition.

-- name: queue_settings
SELECT {{queue}} FROM main._wf_queue AS q WHERE q.queue = :queue

-- name: queue_forget all
DELETE FROM main._wf_queue WHERE queue = :queue

-- name: queue_put
INSERT INTO main._wf_queue(queue, concurrency, worker_concurrency, partition_concurrency, hold, rate_limit, rate_per, paused, lease, max_attempts, backoff)
VALUES(:queue, :concurrency, :worker_concurrency, :partition_concurrency, :hold, :rate_limit, :rate_per, :paused, :lease, :max_attempts, :backoff)
ON CONFLICT(queue) DO UPDATE
SET concurrency = excluded.concurrency, worker_concurrency = excluded.worker_concurrency, partition_concurrency = excluded.partition_concurrency,
    hold = excluded.hold, rate_limit = excluded.rate_limit, rate_per = excluded.rate_per, paused = excluded.paused, lease = excluded.lease,
    max_attempts = excluded.max_attempts, backoff = excluded.backoff

-- Who holds a slot after the settings have changed: the claimed ones, or with :started all that were ever claimed.
-- name: queue_mark
UPDATE main._wf_workflow
SET limited = CASE WHEN :limits AND ((:started AND started_at IS NOT NULL) OR nonce IS NOT NULL)
                   THEN (SELECT l.queue || char(31) || l.partition FROM main._wf_lane AS l WHERE l.lane = _wf_workflow.lane) END,
    flags = CASE WHEN :limits AND :started AND started_at IS NOT NULL THEN flags | 8 ELSE flags & ~8 END
WHERE place IN (0, 1, 2, 3, 4, 5) AND lane IN (SELECT lane FROM main._wf_lane WHERE queue = :queue)
  AND (started_at IS NOT NULL OR limited IS NOT NULL)

-- name: queue_mark_count
SELECT count(*) FROM main._wf_workflow
WHERE place IN (0, 1, 2, 3, 4, 5) AND lane IN (SELECT lane FROM main._wf_lane WHERE queue = :queue)
  AND (started_at IS NOT NULL OR limited IS NOT NULL)

-- Partitions that were full are looked at anew.
-- name: queue_reopen all
UPDATE main._wf_lane SET line = 1, next_due = NULL WHERE queue = :queue AND line = 3

-- Slots in use, counted up to :most.
-- name: queue_used
SELECT count(*) FROM (
  SELECT 1 FROM main._wf_workflow
  WHERE limited >= :queue || char(31) AND limited < :queue || char(32) AND (flags & 8 OR (nonce IS NOT NULL AND due_at > :now)) LIMIT +:most)

-- name: queue_used_by_worker
SELECT count(*) FROM (
  SELECT 1 FROM main._wf_workflow
  WHERE limited >= :queue || char(31) AND limited < :queue || char(32) AND worker IS :worker AND nonce IS NOT NULL AND due_at > :now LIMIT +:most)

-- name: queue_used_in_partition
SELECT count(*) FROM (
  SELECT 1 FROM main._wf_workflow
  WHERE limited = :queue || char(31) || :partition AND (flags & 8 OR (nonce IS NOT NULL AND due_at > :now)) LIMIT +:most)

-- The slot of a claim that has run out.
-- name: queue_slot
SELECT l.queue, l.partition, w.worker, w.flags & 8 FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.seq = :seq AND w.limited IS NOT NULL AND w.due_at <= :now

-- name: rate_used
SELECT total(n) FROM main._wf_rate WHERE queue = :queue AND at > :now - :per AND at <= :now

-- name: rate_add
INSERT INTO main._wf_rate(queue, at, n) VALUES(:queue, :now, 1) ON CONFLICT(queue, at) DO UPDATE SET n = n + 1

-- Those later than now are of a clock that was wrong.
-- name: rate_prune
DELETE FROM main._wf_rate WHERE queue = :queue AND (at <= :now - :per OR at > :now)
