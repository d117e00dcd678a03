-- The check of a definition's statements.

-- name: explain
EXPLAIN
