-- Settings of the file, in _wf_meta.

-- name: setting_get
SELECT value FROM main._wf_meta WHERE key = :key

-- name: setting_put
INSERT INTO main._wf_meta(key, value) VALUES(:key, :value)
ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: setting_drop or none
DELETE FROM main._wf_meta WHERE key = :key
