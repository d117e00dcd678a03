-- wf_fleet: what is counted in each of its files, and its index, a file of its own. See ext/tables/fleet.cpp.

-- What may be in doubt is found among the open steps: their condition stands here as index _wf_open has it, by which SQLite sees that it may use it, and what is ready is
-- taken away behind that. All steps of a file are never walked through.
-- name: fleet_counts
SELECT (SELECT count(*) FROM main._wf_workflow WHERE status = 'failed' AND {{unusual}}), total(status = 'running'), total(status = 'waiting'),
       (SELECT value FROM main._wf_meta WHERE key = 'epoch'),
       (SELECT count(*) FROM main._wf_step AS s CROSS JOIN main._wf_workflow AS w ON w.seq = s.wf
        WHERE (s.status = 'waiting' OR s.status = 'begun' OR s.status = 'ready') AND s.status <> 'ready' AND s.kind = 'step' AND w.place IS NOT NULL AND s.nonce IS NOT NULL
          AND (s.status = 'waiting' OR NOT (s.nonce IS w.nonce AND w.status = 'running' AND w.due_at > :now)))
FROM main._wf_workflow WHERE place >= 0

-- Of how many files something was kept: what can be lost with the machine, as all can be looked up again.
-- name: fleet_index_quick
PRAGMA main.synchronous = off

-- name: fleet_index_make
CREATE TABLE IF NOT EXISTS main.fleet_index(
  file TEXT NOT NULL PRIMARY KEY,
  state BLOB,                          -- of the file and its -wal when it was looked into; NULL: it was not to be relied on
  error TEXT, next_due INTEGER, ready INTEGER, running INTEGER, waiting INTEGER, failed INTEGER, in_doubt INTEGER, epoch INTEGER
) WITHOUT ROWID

-- name: fleet_index_all
SELECT file, state, error, next_due, ready, running, waiting, failed, in_doubt, epoch FROM main.fleet_index ORDER BY file

-- name: fleet_index_begin
BEGIN IMMEDIATE

-- name: fleet_index_put
REPLACE INTO main.fleet_index VALUES(:file, :state, :error, :next_due, :ready, :running, :waiting, :failed, :in_doubt, :epoch)

-- name: fleet_index_drop
DELETE FROM main.fleet_index WHERE file = :file
