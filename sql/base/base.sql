-- Transactions, the schema's presence, and the close hook.

-- SQLite's own tables (json_each, pragma_...) are named with a schema that there is not, _wf: a table of the application's that has such a name
-- would take its place in main, and in TEMP.

-- Its second row cannot be made without memory: see WriteScope::begin_probe.
-- name: memory_probe
SELECT '' UNION ALL SELECT 'a' || count(*) FROM main.sqlite_master

-- The same, before anything is locked: SQLite rolls back for a statement that reads a file, whichever.
-- name: memory_probe_early
SELECT '' UNION ALL SELECT 'a' || count(*) FROM temp.sqlite_master

-- name: savepoint
SAVEPOINT _wf

-- name: savepoint_release
RELEASE _wf

-- name: savepoint_undo
ROLLBACK TO _wf

-- name: commit
COMMIT

-- name: roll_back
ROLLBACK

-- Runs as long as nothing stops the call: see Stop. SQLite compiles it anew where the schema has changed or an authorizer was set, and never otherwise:
-- see Db::notice_change().
-- name: look
SELECT 1

-- Takes main's write lock and changes nothing. With :undo the constraint fails, and SQLite rolls the whole transaction back; so it does
-- where something stops this statement, for it is one that writes. No other way back is as sure: it has just run, so that it needs neither
-- memory nor an authorizer's leave.
-- name: lock
INSERT OR ROLLBACK INTO main._wf_meta(key) SELECT NULL WHERE :undo

-- What ANALYZE has found in our tables: ext/base/statistics.h. (SQLite reads it when it opens a file, or is told to.)
-- name: statistics_are_ours
SELECT 1 FROM main.sqlite_stat1 WHERE tbl GLOB '_wf_*' LIMIT 1

-- name: script_drop_samples
DELETE FROM main.sqlite_stat4 WHERE tbl GLOB '_wf_*'

-- Old versions of SQLite, 3.31 is one, go on with the last number of rows of a table that has no figures any more: so it is first told the one that tables
-- have by default.
-- name: script_drop_statistics
UPDATE main.sqlite_stat1 SET idx = NULL, stat = '1048576' WHERE tbl GLOB '_wf_*';
ANALYZE main.sqlite_master;
DELETE FROM main.sqlite_stat1 WHERE tbl GLOB '_wf_*';
ANALYZE main.sqlite_master;

-- name: plain_triggers
SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name COLLATE NOCASE IN ('_wf_step', '_wf_workflow') LIMIT 1

-- Compiling it opens the connection's TEMP database, with a page cache of its own.
-- name: plain_triggers_temp
SELECT 1 FROM temp.sqlite_master WHERE type = 'trigger' AND tbl_name COLLATE NOCASE IN ('_wf_step', '_wf_workflow') LIMIT 1

-- name: close_hook
SELECT 1 FROM main._wf_close_hook

-- name: schema_exists
SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = '_wf_meta'

-- Before it come the rows of what the file says of its clock.
-- name: schema_version
SELECT value, key = 'schema_version' FROM main._wf_meta WHERE key >= 'schema_version' ORDER BY key DESC

-- name: clock_is_explicit
SELECT 1 FROM main._wf_meta WHERE key = 'time' AND value = 'explicit'

-- name: place_put
INSERT INTO main._wf_meta(key, value) VALUES('place', :place) ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: schema_reached
UPDATE main._wf_meta SET value = :version WHERE key = 'schema_version' AND value IS NOT :version

-- How many of the tables and indexes of a script there are. (_wf_meta is made before.)
-- name: schema_made
SELECT count(*) FROM main.sqlite_master WHERE instr(:script, 'main.' || name) AND type IN ('table', 'index') AND name <> '_wf_meta'

-- Changes nothing where the table was made before.
-- name: rare_made
INSERT INTO main._wf_meta(key, value) VALUES('made', :table)
ON CONFLICT(key) DO UPDATE SET value = value || ' ' || excluded.value WHERE NOT instr(value || ' ', excluded.value || ' ')

-- name: create_meta
CREATE TABLE IF NOT EXISTS main._wf_meta(
  key TEXT NOT NULL PRIMARY KEY,       -- schema_version, epoch, and the keys of wf_config
  value
) WITHOUT ROWID

-- Compiles if the extension is on this connection.
-- name: loaded
SELECT wf_version()
