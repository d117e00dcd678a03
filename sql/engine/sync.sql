-- wf_sync.

-- name: sync_mode
SELECT synchronous FROM _wf.pragma_synchronous
