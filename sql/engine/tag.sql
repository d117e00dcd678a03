-- Tags.

-- name: tag_put
INSERT INTO main._wf_tag(wf, key, tag) VALUES(:seq, :key, :key || '=' || :value) ON CONFLICT(wf, key) DO UPDATE SET tag = excluded.tag

-- name: tag_drop all
DELETE FROM main._wf_tag WHERE wf = :seq AND key = :key

-- name: tag_drop_all all
DELETE FROM main._wf_tag WHERE wf = :seq
