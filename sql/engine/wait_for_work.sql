-- wf_wait.

-- name: wait_query_only
SELECT query_only FROM main.pragma_query_only
