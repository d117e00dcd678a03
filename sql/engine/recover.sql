-- Recovery, and the counts of what is left to do.

-- name: recover_lanes
UPDATE main._wf_lane SET {{expecting}}
WHERE lane IN (SELECT lane FROM main._wf_workflow
               WHERE place IN (0, 1, 2, 3, 4, 5) AND nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker))
  AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- name: recover_lanes_count
SELECT count(*) FROM main._wf_lane
WHERE lane IN (SELECT lane FROM main._wf_workflow
               WHERE place IN (0, 1, 2, 3, 4, 5) AND nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker))
  AND line <> 1 AND (next_due IS NULL OR next_due > :due)

-- name: recover_void all
UPDATE main._wf_workflow
SET status = CASE status WHEN 'running' THEN 'pending' ELSE status END,
    paused_from = CASE paused_from WHEN 'running' THEN 'pending' ELSE paused_from END,
    place = CASE place WHEN 1 THEN 3 WHEN 4 THEN 5 ELSE place END, wake = 7,
    due_at = :now, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END, again = 0, updated_at = :now
WHERE place IN (0, 1, 2, 3, 4, 5) AND 'running' IN (status, paused_from) AND nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker)

-- The token that suspended a workflow: what it had begun it may record no more. (One that has begun nothing can do nothing but ask its wait again.)
-- name: fragment_suspended_begun
seq IN (SELECT wf FROM main._wf_step WHERE status = 'begun') AND 'waiting' IN (status, paused_from) AND closed_nonce <> 0 AND (:worker IS NULL OR worker = :worker)

-- name: recover_void_suspended
UPDATE main._wf_workflow SET closed_nonce = NULL WHERE {{suspended_begun}}

-- name: recover_void_suspended_count
SELECT count(*) FROM main._wf_workflow WHERE {{suspended_begun}}

-- name: recover_claimed
SELECT seq FROM main._wf_workflow
WHERE place IN (0, 1, 2, 3, 4, 5) AND 'running' IN (status, paused_from) AND nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker)
ORDER BY seq

-- It stands where the next claim of an expired lease would find it: with what was begun, or behind what is new if it was lost before.
-- name: recover_lost
UPDATE main._wf_workflow
SET status = CASE status WHEN 'running' THEN 'pending' ELSE status END,
    paused_from = CASE paused_from WHEN 'running' THEN 'pending' ELSE paused_from END,
    place = CASE place WHEN 1 THEN 3 WHEN 4 THEN 5 ELSE place END, wake = 6, again = 1, lost = :lost, failures = :failures,
    mark = {{last_step}},
    due_at = :due, nonce = NULL, claim_key = NULL, limited = CASE WHEN flags & 8 THEN limited END, updated_at = :now
WHERE seq = :seq

-- The rest: the claims that were live when their workflow was cancelled.
-- name: recover_void_ended all
UPDATE main._wf_workflow SET nonce = NULL
WHERE nonce IS NOT NULL AND (:worker IS NULL OR worker = :worker)

-- Slots have come free: the lanes of limited partitions look anew, in the order of their numbers.
-- name: recover_partitions
UPDATE main._wf_lane SET {{settled}}
WHERE lane IN (SELECT o.lane FROM main._wf_queue AS q CROSS JOIN main._wf_lane AS o ON o.queue = q.queue WHERE q.partition_concurrency IS NOT NULL AND o.kind = 0 AND o.partition <> '')

-- name: recover_partitions_count
SELECT count(*) FROM main._wf_lane
WHERE kind = 0 AND partition <> '' AND queue IN (SELECT queue FROM main._wf_queue WHERE partition_concurrency IS NOT NULL)

-- name: recover_pause all
UPDATE main._wf_workflow
SET paused_from = status, status = 'paused', place = 2, paused_left = deadline_at - :now, deadline_at = NULL, updated_at = :now
WHERE place IN (0, 1, 2, 3, 4, 5) AND status <> 'paused'

-- name: recover_in_doubt
SELECT count(*) FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE (s.status = 'begun' OR s.status = 'waiting') AND s.kind = 'step' AND s.nonce IS NOT NULL AND s.nonce IS NOT w.nonce AND w.place IS NOT NULL

-- name: count_pending
SELECT sum((SELECT count(*) FROM main._wf_workflow AS x INDEXED BY _wf_due WHERE x.place = p.value AND x.lane BETWEEN b.first AND b.last))
FROM {{blocks}} AS b CROSS JOIN _wf.json_each('[0,1,2,3,4,5]') AS p WHERE :queue IS NULL OR b.queue = :queue

-- Of workflows that are due, all but those that are just new: place 0, without a slot, and nothing against them. (Others too: each is looked at.)
-- An input can only be too long in a file that is larger: else that is not asked for each.
-- name: fragment_may_differ
(SELECT seq FROM main._wf_workflow INDEXED BY _wf_due WHERE place = 1 AND due_at <= :now
 UNION SELECT seq FROM main._wf_workflow INDEXED BY _wf_resumed WHERE place > 2 AND due_at <= :now
 UNION SELECT seq FROM main._wf_workflow INDEXED BY _wf_deadline WHERE deadline_at <= :now AND finished_at IS NULL
 UNION SELECT wf FROM main._wf_trouble
 UNION SELECT seq FROM main._wf_workflow INDEXED BY _wf_status WHERE status IN ('waiting', 'running') AND {{unusual}}
 UNION SELECT seq FROM main._wf_workflow INDEXED BY _wf_limited WHERE limited IS NOT NULL
 UNION SELECT value FROM _wf.json_each('[' || trim(:met, ',') || ']')
 UNION SELECT w.seq FROM (SELECT 1 FROM main.pragma_page_count AS c, main.pragma_page_size AS s WHERE c.page_count * s.page_size * 2 + 4096 > :longest)
       CROSS JOIN {{open_lanes}} AS l CROSS JOIN main._wf_workflow AS w INDEXED BY _wf_due ON w.place = 0 AND w.lane = l.lane AND w.nth IS NULL AND w.due_at <= :now
       CROSS JOIN main._wf_large AS x ON x.wf = w.seq AND x.what = 0 AND x.size * 2 + 4096 > :longest)

-- The queues that limit their partitions.
-- name: fragment_limited_queues
(SELECT queue FROM main._wf_queue WHERE partition_concurrency IS NOT NULL)

-- The partition of l, a lane, where its queue limits each.
-- name: fragment_limited_partition
CASE WHEN l.partition <> '' AND l.queue IN {{limited_queues}} THEN l.partition ELSE '' END

-- What claims could take now, together, one after the other, by a worker that holds nothing: of those that are due, by queue and partition,
-- what holds its slot, and what only goes on with an attempt, as far as slots and rates allow. (l and w as {{refusal}} has them, one rule.)
-- What is new is counted by the index alone, by lanes, or where many lanes have something due and a queue does not limit its partitions by blocks of them, less what a
-- lane holds that has nothing due but what was put off; what may not be just new is looked at, each, and taken out of that count.
-- name: count_ready
SELECT coalesce(sum(min(workers, held_on + min(starts, held_new) + min(slots, goes_on + min(starts - min(starts, held_new), new)))), 0)
FROM (SELECT p.queue,
             coalesce(q.worker_concurrency, 9e15) AS workers,
             coalesce(max(0, q.concurrency - (SELECT count(*) FROM main._wf_workflow AS x WHERE x.limited >= p.queue || char(31) AND x.limited < p.queue || char(32) AND {{holds_slot}})), 9e15) AS slots,
             coalesce(max(0, q.rate_limit - (SELECT total(n) FROM main._wf_rate AS r WHERE r.queue = p.queue AND r.at > :now - q.rate_per AND r.at <= :now)), 9e15) AS starts,
             sum(held_on) AS held_on, sum(held_new) AS held_new, sum(min(goes_on, slots)) AS goes_on, sum(min(new, max(slots - goes_on, 0))) AS new
      FROM (SELECT d.queue, sum(held_on) AS held_on, sum(held_new) AS held_new, sum(goes_on) AS goes_on, sum(new) AS new,
                   CASE WHEN d.partition = '' THEN 9e15
                        ELSE coalesce(max(0, (SELECT q.partition_concurrency FROM main._wf_queue AS q WHERE q.queue = d.queue)
                               - (SELECT count(*) FROM main._wf_workflow AS x WHERE x.limited = d.queue || char(31) || d.partition AND {{holds_slot}})), 9e15) END AS slots
            FROM (SELECT l.queue AS queue, {{limited_partition}} AS partition, 0 AS held_on, 0 AS held_new, 0 AS goes_on,
                         (SELECT count(*) FROM main._wf_workflow AS w INDEXED BY _wf_due WHERE w.place = 0 AND w.lane = l.lane AND w.nth IS NULL AND w.due_at <= :now) AS new
                  FROM (SELECT * FROM {{open_lanes}} LIMIT CASE WHEN {{many_open}} AND NOT EXISTS {{limited_queues}} THEN 0 ELSE -1 END) AS l
                  WHERE l.kind = 0 AND (:queue IS NULL OR l.queue = :queue) AND (l.queue IN {{limited_queues}} OR NOT {{many_open}})
                  UNION ALL
                  SELECT b.queue, '', 0, 0, 0,
                         (SELECT count(*) FROM main._wf_workflow AS w INDEXED BY _wf_due WHERE w.place = 0 AND w.lane BETWEEN b.first AND b.last AND w.due_at <= :now)
                  FROM {{blocks}} AS b WHERE b.kind = 0 AND (:queue IS NULL OR b.queue = :queue) AND b.queue NOT IN {{limited_queues}} AND {{many_open}}
                  UNION ALL
                  SELECT l.queue, '', 0, 0, 0, -1
                  FROM main._wf_trouble AS x CROSS JOIN main._wf_workflow AS w ON w.seq = x.wf AND w.place = 0 AND w.nth IS NULL AND w.due_at <= :now CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
                  WHERE l.kind = 0 AND l.turn IS NULL AND coalesce(l.next_due > :now, 1) AND (:queue IS NULL OR l.queue = :queue) AND l.queue NOT IN {{limited_queues}} AND {{many_open}}
                  UNION ALL
                  SELECT queue, partition, can AND holds AND goes_on, can AND holds AND NOT goes_on, can AND NOT holds AND goes_on, (can AND NOT holds AND NOT goes_on) - (place = 0)
                  FROM (SELECT l.queue, {{limited_partition}} AS partition, w.place, w.flags & 8 AND w.limited IS NOT NULL AS holds, {{goes_on}} AS goes_on,
                               coalesce(coalesce(w.deadline_at > :now, 1) AND ({{waits_on}} OR NOT {{poisoned}}) AND NOT {{put_off}} AND NOT {{too_long}} AND NOT {{in_vain}}, 0) AS can
                        FROM {{may_differ}} AS s CROSS JOIN main._wf_workflow AS w ON w.seq = s.seq AND w.place IN (0, 1, 3, 4, 5) AND w.nth IS NULL AND w.due_at <= :now
                        CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
                        WHERE l.kind = 0 AND (l.turn IS NOT NULL OR l.next_due <= :now) AND (:queue IS NULL OR l.queue = :queue) LIMIT -1)) AS d
            GROUP BY d.queue, d.partition) AS p
      LEFT JOIN main._wf_queue AS q ON q.queue = p.queue
      WHERE coalesce(q.paused, 0) = 0
      GROUP BY p.queue)

-- How many have ended in each lane, from the workflows themselves.
-- name: lane_recount
UPDATE main._wf_lane
SET gone = {{recounted}}, count_to = {{last_nth}}, count_failed = {{of_status}} = 'failed'), 0), count_cancelled = {{of_status}} = 'cancelled'), 0),
    count_paused = {{of_status}} = 'paused'), 0)
WHERE {{miscounted}}

-- name: lane_recount_count
SELECT count(*) FROM main._wf_lane WHERE {{miscounted}}
