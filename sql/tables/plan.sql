-- A table's query, with its conditions.

-- name: table_select
SELECT %s FROM (%s) AS t

-- The workflows that a question is about, where its queue, its name or its status says that they are few: of the lanes :queue and :name (NULL: any) the
-- live ones, those with a claim, and those that have ended.
-- name: plan_live
SELECT x.seq FROM {{blocks}} AS k CROSS JOIN main._wf_workflow AS x INDEXED BY _wf_due ON x.place IN (0, 1, 2, 3, 4, 5) AND x.lane BETWEEN k.first AND k.last
WHERE (:queue IS NULL OR k.queue = :queue) AND (:name IS NULL OR k.name = :name)

-- name: plan_running
SELECT x.seq FROM {{claimed}} AS x CROSS JOIN main._wf_lane AS k ON k.lane = x.lane
WHERE (:queue IS NULL OR k.queue = :queue) AND (:name IS NULL OR k.name = :name)

-- name: plan_ended
SELECT x.seq FROM {{blocks}} AS k CROSS JOIN main._wf_workflow AS x INDEXED BY _wf_due ON x.place IS NULL AND x.lane BETWEEN k.first AND k.last
WHERE (:queue IS NULL OR k.queue = :queue) AND (:name IS NULL OR k.name = :name)

-- Whether they are few.
-- name: plan_live_count
SELECT count(*) FROM (
  SELECT 1 FROM {{blocks}} AS k CROSS JOIN main._wf_workflow AS x INDEXED BY _wf_due ON x.place IN (0, 1, 2, 3, 4, 5) AND x.lane BETWEEN k.first AND k.last
  WHERE (:queue IS NULL OR k.queue = :queue) AND (:name IS NULL OR k.name = :name) LIMIT +:most)

-- name: plan_ended_count
SELECT count(*) FROM (
  SELECT 1 FROM {{blocks}} AS k CROSS JOIN main._wf_workflow AS x INDEXED BY _wf_due ON x.place IS NULL AND x.lane BETWEEN k.first AND k.last
  WHERE (:queue IS NULL OR k.queue = :queue) AND (:name IS NULL OR k.name = :name) LIMIT +:most)

-- The step of a workflow by its name.
-- name: plan_step_named
AND _n = coalesce((SELECT n FROM main._wf_step WHERE wf = _owner AND name = :p%d AND {{named}}),
                  (SELECT n FROM main._wf_step WHERE n > _begin AND n < _begin | 32 AND name = :p%d))

-- name: plan_of
AND _n IN (%s)

-- name: plan_of_both
AND _n IN (%s UNION ALL %s)

-- Of what ids begin with: whether any does.
-- name: plan_any_between
SELECT 1 FROM main._wf_workflow WHERE id >= :low AND id < :high LIMIT 1

-- What SQLite has to be told of those that failed, were cancelled or are paused, to see that index _wf_status has them all.
-- name: plan_unusual
'%s' AND status <> CASE WHEN _place IS NULL THEN 'completed' WHEN _place = 0 THEN 'pending' WHEN _place = 1 THEN 'running' WHEN _place = 4 THEN 'running' ELSE 'waiting' END
