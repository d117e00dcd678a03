-- Deleting and purging.

-- A workflow and its descendants, parents first; what belongs to a detached one is left to that.
-- name: remove_tree
WITH RECURSIVE t(seq) AS (
  SELECT seq FROM main._wf_workflow WHERE seq = :seq
  UNION
  SELECT w.seq FROM t JOIN main._wf_workflow AS w ON w.parent = t.seq WHERE NOT w.flags & 4)
SELECT w.seq, w.id, w.status, w.finished_at IS NULL FROM t CROSS JOIN main._wf_workflow AS w ON w.seq = t.seq

-- name: remove_orphan all
UPDATE main._wf_workflow SET parent = NULL, parent_step = NULL, parent_redo = NULL WHERE parent = :seq

-- name: remove_is_last
SELECT :seq = (SELECT max(seq) FROM main._wf_workflow)

-- Before the workflow with the highest number goes: its number stays used.
-- name: remove_keep_seq
INSERT INTO main._wf_meta(key, value) VALUES('last_seq', :seq)
ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)

-- name: remove_note
INSERT INTO main._wf_gone(wf) VALUES(:seq) ON CONFLICT(wf) DO UPDATE SET wf = excluded.wf

-- name: remove_workflow
DELETE FROM main._wf_workflow WHERE seq = :seq

-- A workflow of which rows may be left. (One that is there was not deleted: the statement that should have failed, inside a statement that writes.)
-- name: gone_next
SELECT wf FROM main._wf_gone WHERE wf > :after AND wf NOT IN (SELECT seq FROM main._wf_workflow) ORDER BY wf LIMIT 1

-- (In order: machines that repeat each other's calls may have other plans, and clear away the same.)
-- name: gone_steps
DELETE FROM main._wf_step WHERE n IN (SELECT n FROM main._wf_step WHERE {{its_rows}} ORDER BY n LIMIT +:rows)

-- name: gone_failures
DELETE FROM main._wf_failure WHERE n IN (SELECT n FROM main._wf_failure WHERE {{its_rows}} ORDER BY n LIMIT +:rows)

-- name: gone_large
DELETE FROM main._wf_large WHERE rowid IN (SELECT rowid FROM main._wf_large WHERE wf = :seq ORDER BY what LIMIT +:rows)

-- name: gone_signals
DELETE FROM main._wf_signal WHERE n IN (SELECT n FROM main._wf_signal WHERE {{its_rows}} ORDER BY n LIMIT +:rows)

-- name: gone_values
DELETE FROM main._wf_value WHERE rowid IN (SELECT rowid FROM main._wf_value WHERE wf = :seq ORDER BY key LIMIT +:rows)

-- name: gone_streams
DELETE FROM main._wf_stream WHERE rowid IN (SELECT rowid FROM main._wf_stream WHERE wf = :seq ORDER BY stream, offset LIMIT +:rows)

-- name: gone_stream_ends
DELETE FROM main._wf_stream_end WHERE wf = :seq AND stream IN (SELECT stream FROM main._wf_stream_end WHERE wf = :seq ORDER BY stream LIMIT +:rows)

-- name: gone_tags
DELETE FROM main._wf_tag WHERE wf = :seq AND key IN (SELECT key FROM main._wf_tag WHERE wf = :seq ORDER BY key LIMIT +:rows)

-- name: gone_redos
DELETE FROM main._wf_redo WHERE wf = :seq AND step IN (SELECT step FROM main._wf_redo WHERE wf = :seq ORDER BY step LIMIT +:rows)

-- Not as long as a trigger keeps anything of it.
-- name: gone_forget
DELETE FROM main._wf_gone
WHERE wf = :seq
  AND NOT EXISTS (SELECT 1 FROM main._wf_step WHERE {{its_rows}}) AND NOT EXISTS (SELECT 1 FROM main._wf_failure WHERE {{its_rows}})
  AND NOT EXISTS (SELECT 1 FROM main._wf_signal WHERE {{its_rows}}) AND NOT EXISTS (SELECT 1 FROM main._wf_large WHERE wf = :seq)
  AND NOT EXISTS (SELECT 1 FROM main._wf_value WHERE wf = :seq) AND NOT EXISTS (SELECT 1 FROM main._wf_stream WHERE wf = :seq)
  AND NOT EXISTS (SELECT 1 FROM main._wf_stream_end WHERE wf = :seq) AND NOT EXISTS (SELECT 1 FROM main._wf_tag WHERE wf = :seq)
  AND NOT EXISTS (SELECT 1 FROM main._wf_redo WHERE wf = :seq)

-- Of w, a workflow, and l, its lane: whether a purge is asked for it: it has ended, and is the root of a tree.
-- name: fragment_purged
w.created_at <= :before AND w.finished_at <= :before AND (:status IS NULL OR w.status IN (SELECT value FROM _wf.json_each(:status)))
  AND (:name IS NULL OR l.name = :name) AND (:queue IS NULL OR l.queue = :queue)
  AND NOT EXISTS (SELECT 1 FROM main._wf_workflow AS p WHERE p.seq = w.parent AND (p.finished_at IS NULL OR NOT w.flags & 4))

-- The oldest of those that are to stay although a purge is asked for them.
-- name: purge_keeps_from
SELECT seq FROM (
  SELECT * FROM (SELECT w.seq AS seq FROM main._wf_workflow AS w CROSS JOIN main._wf_lane AS l ON l.lane = w.lane WHERE {{purged}} AND w.seq <= :upto AND w.late IS NULL ORDER BY w.seq DESC LIMIT +:keep)
  UNION ALL
  SELECT * FROM (SELECT w.seq FROM main._wf_workflow AS w INDEXED BY _wf_late CROSS JOIN main._wf_lane AS l ON l.lane = w.lane WHERE {{purged}} AND w.late IS NOT NULL ORDER BY w.seq DESC LIMIT +:keep))
ORDER BY seq DESC LIMIT 1 OFFSET +:keep - 1

-- Whether all below w have ended, too.
-- name: fragment_tree_is_purged
NOT EXISTS (
  WITH RECURSIVE t(seq, finished_at) AS (
    SELECT seq, finished_at FROM main._wf_workflow WHERE parent = w.seq AND NOT flags & 4
    UNION
    SELECT c.seq, c.finished_at FROM t JOIN main._wf_workflow AS c ON c.parent = t.seq WHERE NOT c.flags & 4)
  SELECT 1 FROM t WHERE finished_at IS NULL OR finished_at > :before)

-- The roots of trees that have ended as a whole: in the order of their creation, which ends :upto, and those that are not in it.
-- name: purge_roots
SELECT seq FROM (
  SELECT * FROM (SELECT w.seq AS seq FROM main._wf_workflow AS w CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
                 WHERE {{purged}} AND w.seq > :after AND w.seq <= :upto AND w.late IS NULL AND (:below IS NULL OR w.seq < :below) AND {{tree_is_purged}} ORDER BY w.seq LIMIT +:limit)
  UNION ALL
  SELECT * FROM (SELECT w.seq FROM main._wf_workflow AS w INDEXED BY _wf_late CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
                 WHERE {{purged}} AND w.seq > :after AND w.late IS NOT NULL AND (:below IS NULL OR w.seq < :below) AND {{tree_is_purged}} ORDER BY w.seq LIMIT +:limit))
ORDER BY seq LIMIT +:limit

-- The root of a tree of which some is gone.
-- name: purge_mark
UPDATE main._wf_workflow SET flags = flags | 64 WHERE seq = :seq

-- name: purge_events
SELECT rowid FROM main._wf_event WHERE at <= :before AND rowid > :after ORDER BY rowid LIMIT +:limit

-- name: purge_event or more
DELETE FROM main._wf_event WHERE rowid = :n
