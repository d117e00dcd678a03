-- The time that SQLite's own busy handler waits; 0: it is not in force.
-- name: busy_timeout
PRAGMA busy_timeout
