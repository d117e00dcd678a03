-- Whether kept statements are still good.

-- Depends on the schemas of main and of TEMP, and reads nothing.
-- name: run_witness
SELECT 1 FROM main._wf_meta, temp.sqlite_master LIMIT 0
