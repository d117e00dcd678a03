-- wf_digest. A statement for each of our tables that gives its rows; of one workflow for those that have any of it. What says where this file is, or which tables it has, and not what is in
-- it, is left out; of the size of a value, which is another in another encoding, whether it is right. (No other name begins so and could be put into a statement as it is.)

-- name: digest_tables
SELECT m.name, 'SELECT ' || CASE m.name WHEN '_wf_large' THEN 'wf, what, value, size = length(CAST(value AS BLOB))' ELSE '*' END || ' FROM main.' || m.name || CASE
         WHEN :seq IS NULL THEN CASE m.name WHEN '_wf_meta' THEN ' WHERE key NOT IN (''place'', ''made'')' ELSE '' END
         WHEN m.name = '_wf_workflow' THEN ' WHERE seq = ' || :seq
         WHEN EXISTS (SELECT 1 FROM _wf.pragma_table_info(m.name) AS c WHERE c.name = 'n') THEN ' WHERE n BETWEEN ' || (:seq << 28) || ' AND ' || ((:seq << 28) + 268435455)
         ELSE ' WHERE wf = ' || :seq END
FROM main.sqlite_master AS m
WHERE m.type = 'table' AND m.name GLOB '_wf_[a-z]*' AND m.name NOT GLOB '*[^a-z_]*'
  AND (:seq IS NULL OR m.name = '_wf_workflow' OR EXISTS (SELECT 1 FROM _wf.pragma_table_info(m.name) AS c WHERE c.name = 'wf'))

-- name: digest_workflow
SELECT seq FROM main._wf_workflow WHERE id = :id
