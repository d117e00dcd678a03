-- The check of a definition's statements.

-- name: explain
EXPLAIN

-- Whether SQLite knows the function to be deterministic: it says so, or it is an aggregate of SQLite's own. NULL: it does not know the function at all.
-- name: function_is_steady
SELECT min(flags & 2048 OR (builtin AND type <> 's')) FROM _wf.pragma_function_list WHERE name = :name AND narg = CAST(:count AS INTEGER)
