-- A table's query, with its conditions.

-- name: table_select
SELECT %s FROM (%s) AS t
