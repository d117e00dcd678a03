-- wf_run: where there is something to do.

-- The queues that have scripted workflows, as a JSON array.
-- name: run_queues
SELECT json_group_array(queue) FROM (SELECT DISTINCT queue FROM main._wf_lane INDEXED BY _wf_lane_scripted WHERE kind > 0 AND typeof(queue) = 'text')
