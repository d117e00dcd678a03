-- The queries behind the virtual tables: the row's number first, then the columns of ext/tables/tables.cpp, times in milliseconds.
-- A query's conditions and order are added around it by table_select; SQLite flattens that into one query over the base tables.
-- Parameters: :now, :functions and :host.
-- (NOT INDEXED: where ANALYZE has seen that lanes are few, SQLite would read all of an index of theirs for every workflow, also where no column of them is asked for.)

-- name: table_workflows
SELECT w.seq AS _n, w.id AS id, l.name AS name, w.status AS status, l.queue AS queue, l.priority AS priority,
       nullif(l.version, '') AS version, nullif(l.partition, '') AS partition, substr(w.dedup, length(l.queue) + 2) AS dedup,
       w.attempt AS attempt, w.resumed AS resumed,
       coalesce(w.max_attempts, (SELECT q.max_attempts FROM main._wf_queue AS q WHERE q.queue = l.queue),
                (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10) AS max_attempts,
       w.worker AS worker,
       coalesce(w.input, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 0), 'null') AS input,
       CASE WHEN w.status = 'completed' THEN coalesce(w.output, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 1), 'null') END AS output,
       coalesce(w.error, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 2),
                CASE WHEN 'pending' NOT IN (w.status, coalesce(w.paused_from, '')) THEN NULL
                     WHEN w.flags & 16 THEN (SELECT s.error FROM main._wf_step AS s WHERE s.status = 'ready' AND s.wf = w.seq AND s.error IS NOT NULL ORDER BY s.due_at LIMIT 1)
                     WHEN w.closed = 'fail:pending' AND w.ending IS NULL THEN (SELECT f.error FROM main._wf_failure AS f WHERE f.{{rows_of_w}} ORDER BY f.n DESC LIMIT 1) END) AS error,
       w.headers AS headers, (SELECT p.id FROM main._wf_workflow AS p WHERE p.seq = w.parent) AS parent_id, w.ending AS ending,
       w.due_at AS due_at, w.deadline_at AS deadline_at, w.created_at AS created_at, w.started_at AS started_at,
       w.finished_at AS completed_at, w.updated_at AS updated_at,
       w.period AS period, w.attempt_at AS attempt_at,
       nullif((SELECT json_group_object(g.key, CAST(substr(g.tag, length(g.key) + 2) AS TEXT)) FROM main._wf_tag AS g WHERE g.wf = w.seq), '{}') AS tags,
       w.seq AS seq, NULL AS tag, w.parent AS _parent, w.place AS _place, w.late AS _late, w.created_at AS _created
FROM main._wf_workflow AS w LEFT JOIN main._wf_lane AS l NOT INDEXED ON l.lane = w.lane

-- name: table_pending
SELECT w.seq AS _n, w.id AS id, l.name AS name, w.status AS status, l.queue AS queue, l.priority AS priority,
       w.place IN (0, 1, 3, 4, 5) AND w.due_at <= :now AND coalesce(w.deadline_at > :now, 1)
         AND ({{waits_on}} OR NOT {{poisoned}}) AND NOT {{put_off}} AND NOT {{too_long}} AND {{refusal}} IS NULL AND NOT {{in_vain}} AS ready, w.due_at AS due_at,
       CASE
         WHEN w.status = 'paused' THEN 'paused'
         WHEN {{put_off}} THEN (
           SELECT 'failed ' || x.tries || CASE x.tries WHEN 1 THEN ' time' ELSE ' times' END || ', next try '
                  || strftime('%Y-%m-%d %H:%M:%f', x.next_at / 1000.0, 'unixepoch') || ': ' || x.error
           FROM main._wf_trouble AS x WHERE x.wf = w.seq)
         WHEN {{met}} THEN 'it has a value that is too long for this connection (SQLITE_LIMIT_LENGTH)'
         WHEN w.deadline_at <= :now THEN 'out of time'
         WHEN l.kind = 1 THEN coalesce(
           (SELECT 'step ' || s.name || ': ' || json_extract(s.error, '$.message') FROM main._wf_step AS s
            WHERE s.status = 'ready' AND s.wf = w.seq AND CASE WHEN json_valid(s.error) THEN json_extract(s.error, '$.code') = 'statement' END),
           CASE WHEN w.due_at <= :now THEN CASE WHEN w.ending IS NULL THEN 'ready for wf_run' ELSE 'undo before ' || w.ending END END,
           (SELECT 'retry ' || (s.attempts + 1) || ' of step ' || s.name FROM main._wf_step AS s
            WHERE s.status = 'ready' AND s.wf = w.seq AND s.error IS NOT NULL ORDER BY s.due_at),
           (SELECT group_concat(word, '; ') FROM (
              SELECT CASE WHEN json_extract({{sound_how}}, '$.items') IS NOT NULL THEN 'waiting for the items of step ' || s.name
                          ELSE coalesce({{waits_for}}, 'waiting for ' || s.kind || ' ' || s.name) END AS word
              FROM main._wf_step AS s WHERE s.status = 'waiting' AND s.wf = w.seq AND (s.kind = 'undo' OR NOT instr(s.name, '[')) ORDER BY s.n)),
           'scheduled')
         WHEN w.status = 'running' AND w.due_at > :now THEN 'running on ' || coalesce(w.worker, 'a worker')
         WHEN w.status = 'running' AND NOT {{waits_on}} THEN 'lease of ' || coalesce(w.worker, 'a worker') || CASE WHEN {{poisoned}} THEN ' expired, once too often' ELSE ' expired' END
         WHEN l.kind = 0 AND w.place IN (0, 1, 3, 4, 5) AND w.due_at <= :now AND {{too_long}} THEN 'its input is too long for this connection (SQLITE_LIMIT_LENGTH)'
         WHEN w.place IN (0, 1, 3, 4, 5) AND w.due_at <= :now AND {{refusal}} IS NOT NULL THEN
           {{refusal}}
         WHEN w.status IN ('waiting', 'running') AND (coalesce(w.due_at > :now, 1) OR {{in_vain}}) THEN coalesce((
           SELECT group_concat(word, '; ') FROM (SELECT coalesce({{waits_for}}, 'held: step ' || s.name || ' is in doubt') AS word FROM main._wf_step AS s WHERE s.status = 'waiting' AND s.wf = w.seq ORDER BY s.n)), 'waiting')
         WHEN w.ending IS NOT NULL AND w.due_at <= :now THEN 'cleanup before ' || w.ending
         WHEN w.closed LIKE 'fail:%' AND w.due_at > :now THEN 'retry ' || ({{failures_in_a_row}} + 1) || ' of '
           || coalesce(w.max_attempts, (SELECT q.max_attempts FROM main._wf_queue AS q WHERE q.queue = l.queue),
                       (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10)
         WHEN w.due_at > :now THEN 'scheduled'
         WHEN w.flags & 1 THEN 'ready, by id only'
         ELSE 'ready'
       END AS reason,
       w.attempt AS attempt, w.worker AS worker, w.deadline_at AS deadline_at, w.created_at AS created_at, w.seq AS seq, NULL AS tag,
       w.place AS _place, w.late AS _late, w.created_at AS _created
FROM main._wf_workflow AS w LEFT JOIN main._wf_lane AS l NOT INDEXED ON l.lane = w.lane
WHERE w.place IS NOT NULL

-- Of a row s that is numbered inside its workflow, w: its place there, with the affinity of a number.
-- name: fragment_place
CAST(s.n & 268435455 AS INTEGER)

-- Where the rows of w begin, and whose row it is: for ext/tables/plan.cpp, which makes ranges of the table of what is said about seq. (The + in the
-- queries keeps SQLite from finding the rows of a workflow by an index that does not have them in order.)
-- name: fragment_owners
w.seq << 28 AS _begin, w.seq AS _owner, s.wf AS _wf

-- What has ended s, a wait: a child that has not ended is what a join shows at its timeout.
-- name: fragment_ended_by
CASE WHEN s.status <> 'done' THEN NULL
     WHEN s.kind = 'sleep' THEN CASE WHEN s.how = '{"rescheduled":true}' THEN 'rescheduled' ELSE 'timer' END
     WHEN s.kind NOT IN ('await', 'await_event', 'join', 'wait_any', 'acquire') OR NOT json_valid(s.output) THEN NULL
     WHEN json_type(s.output) = 'array' THEN
       CASE WHEN EXISTS (SELECT 1 FROM _wf.json_each(s.output)
                         WHERE json_valid(value) AND (json_extract(value, '$.timeout') OR json_extract(value, '$.status') IN ('pending', 'running', 'waiting', 'paused')))
              THEN 'timeout'
            WHEN s.kind = 'join' THEN 'join' ELSE 'all' END
     WHEN json_extract(s.output, '$.timeout') THEN 'timeout'
     WHEN s.kind = 'acquire' THEN 'share'
     ELSE coalesce('signal ' || json_extract(s.output, '$.signal'), 'event ' || json_extract(s.output, '$.event'),
                   CASE WHEN json_extract(s.output, '$.sleep') IS NULL THEN 'join' WHEN s.how = '{"rescheduled":true}' THEN 'rescheduled' ELSE 'timer' END) END

-- Whether s, a step of a scripted workflow w, has failed and is passed over (on_error): its outcome is an error.
-- name: fragment_passed_over
(s.status = 'failed' AND s.nonce IS 1 AND w.flags & 16)

-- name: table_steps
SELECT s.n AS _n, w.id AS workflow_id, {{place}} AS seq, s.name AS name, s.kind AS kind, CASE WHEN {{passed_over}} THEN 'error' ELSE s.status END AS status,
       CASE WHEN s.status = 'done' THEN coalesce(s.output, 'null') END AS output, s.error AS error, s.attempts AS attempts,
       s.begun_at AS begun_at, CASE WHEN s.status IN ('done', 'error') OR {{passed_over}} THEN s.at END AS recorded_at, {{its_attempt}} AS attempt, {{its_worker}} AS worker,
       {{ended_by}} AS ended_by, CASE WHEN typeof(s.hash) = 'integer' THEN printf('%016x', s.hash) END AS hash, {{owners}}
FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = +s.wf AND s.{{rows_of_w}}

-- name: table_failures
SELECT s.n AS _n, w.id AS workflow_id, {{place}} AS seq, s.attempt AS attempt, s.step AS step, s.worker AS worker, s.error AS error, s.at AS at,
       s.claimed_at AS claimed_at, {{owners}}
FROM main._wf_failure AS s JOIN main._wf_workflow AS w ON w.seq = +s.wf AND s.{{rows_of_w}}

-- name: table_signals
SELECT s.n AS _n, w.id AS workflow_id, {{place}} AS seq, s.name AS name, s.key AS key, coalesce(s.payload, 'null') AS payload, s.at AS received_at,
       (SELECT name FROM main._wf_step WHERE n = s.taken) AS taken_by, {{owners}}
FROM main._wf_signal AS s JOIN main._wf_workflow AS w ON w.seq = +s.wf AND s.{{rows_of_w}}
WHERE s.taken IS NOT 0

-- name: table_events
SELECT rowid AS _n, name AS name, coalesce(payload, 'null') AS payload, at AS emitted_at FROM main._wf_event

-- name: table_values
SELECT v.rowid AS _n, w.id AS workflow_id, v.key AS key, coalesce(v.value, 'null') AS value, v.at AS updated_at
FROM main._wf_value AS v JOIN main._wf_workflow AS w ON w.seq = v.wf

-- name: table_streams
SELECT s.rowid AS _n, w.id AS workflow_id, s.stream AS stream, s.offset AS offset, coalesce(s.value, 'null') AS value, s.at AS appended_at,
       EXISTS (SELECT 1 FROM main._wf_stream_end AS e WHERE e.wf = s.wf AND e.stream = s.stream AND e.closed) AS closed,
       (SELECT value FROM main._wf_meta WHERE key = 'epoch') AS epoch
FROM main._wf_stream AS s JOIN main._wf_workflow AS w ON w.seq = s.wf

-- The file's own first: what its workflows need is there when they come.
-- name: table_exports
SELECT 0 AS _n, CAST(NULL AS TEXT) AS id, :now || ' ' AS document
UNION ALL
SELECT seq, id, :now || ' ' || id FROM main._wf_workflow

-- What was begun, and what holds its workflow: each has its index.
-- name: table_in_doubt
SELECT s.n AS _n, w.id AS workflow_id, s.name AS step, w.seq || ' ' || s.name AS key, 0 AS held, s.begun_at AS begun_at, w.worker AS worker
FROM main._wf_step AS s CROSS JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE s.status = 'begun' AND s.kind = 'step' AND w.place IS NOT NULL
  AND s.nonce IS NOT NULL AND NOT (s.nonce IS w.nonce AND w.status = 'running' AND w.due_at > :now)
UNION ALL
SELECT s.n, w.id, s.name, w.seq || ' ' || s.name, 1, s.begun_at, w.worker
FROM main._wf_step AS s INDEXED BY _wf_held CROSS JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE s.status = 'waiting' AND s.kind = 'step' AND w.place IS NOT NULL

-- How many are in line, and since when: what is new by lanes, l, or where many lanes have something due by blocks of them, b; what goes on by itself, or where that is
-- much by blocks. What is put off is in line, too; of a lane in which all is the claims know when they look again. (The new ones of a lane are a range of the index,
-- of which the first is the oldest; those of a block have to be looked at.)
-- name: fragment_in_line
json_array((SELECT count(*) FROM main._wf_workflow AS w INDEXED BY _wf_due WHERE w.place = 0 AND w.lane = l.lane AND w.nth IS NULL AND w.due_at <= :now),
           (SELECT min(w.due_at) FROM main._wf_workflow AS w INDEXED BY _wf_due WHERE w.place = 0 AND w.lane = l.lane AND w.nth IS NULL AND w.due_at <= :now))

-- name: fragment_in_line_of_block
(SELECT _wf_in_line(w.due_at, :now) FROM main._wf_workflow AS w INDEXED BY _wf_due WHERE w.lane BETWEEN b.first AND b.last AND w.place IN

-- Whether many have something to go on with; else they are found by an index of theirs.
-- name: fragment_many_resumed
(SELECT count(*) > 1000 FROM (SELECT 1 FROM main._wf_workflow INDEXED BY _wf_resumed WHERE place > 2 AND due_at <= :now LIMIT 1001))

-- name: table_queues
SELECT CAST(row_number() OVER (ORDER BY n.queue) AS INTEGER) AS _n, n.queue AS queue, q.concurrency AS concurrency, q.worker_concurrency AS worker_concurrency,
       q.partition_concurrency AS partition_concurrency, coalesce(q.hold, 'lease') AS hold, q.rate_limit AS rate_limit,
       q.rate_per / 1000.0 AS rate_per, coalesce(q.paused, 0) AS paused, q.lease / 1000.0 AS lease, q.max_attempts AS max_attempts, q.backoff AS backoff,
       coalesce(d.depth, 0) AS depth, coalesce(r.running, 0) AS running, d.oldest_due_at AS oldest_due_at
FROM (SELECT queue FROM main._wf_queue UNION SELECT queue FROM {{blocks}}) AS n LEFT JOIN main._wf_queue AS q ON q.queue = n.queue
LEFT JOIN (SELECT queue, sum(json_extract(v, '$[0]')) AS depth, min(json_extract(v, '$[1]')) AS oldest_due_at
           FROM (SELECT l.queue AS queue, {{in_line}} AS v
                 FROM (SELECT * FROM {{open_lanes}} LIMIT CASE WHEN {{many_open}} THEN 0 ELSE -1 END) AS l
                 UNION ALL
                 SELECT l.queue, {{in_line}} FROM main._wf_lane AS l
                 WHERE NOT {{many_open}} AND l.turn IS NULL AND coalesce(l.next_due > :now, 1) AND l.lane IN (SELECT o.lane FROM main._wf_trouble AS x CROSS JOIN main._wf_workflow AS o ON o.seq = x.wf)
                 UNION ALL
                 SELECT b.queue, {{in_line_of_block}} (0)) FROM {{blocks}} AS b WHERE {{many_open}}
                 UNION ALL
                 SELECT b.queue, {{in_line_of_block}} (3, 5)) FROM {{blocks}} AS b WHERE {{many_resumed}}
                 UNION ALL
                 SELECT l.queue, json_array(1, w.due_at) FROM main._wf_workflow AS w INDEXED BY _wf_resumed CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
                 WHERE w.place > 2 AND w.due_at <= :now AND w.place IN (3, 5) AND NOT {{many_resumed}} LIMIT -1)
           GROUP BY queue) AS d ON d.queue = n.queue
LEFT JOIN (SELECT l.queue AS queue, count(*) AS running
           FROM (SELECT seq FROM {{claimed}}
                 UNION ALL
                 SELECT x.seq FROM main._wf_lane AS k CROSS JOIN main._wf_workflow AS x ON x.place = 2 AND x.lane = k.lane AND x.nth IS NULL AND x.due_at > :now AND x.status = 'paused'
                 WHERE k.count_paused > 0) AS c
           CROSS JOIN main._wf_workflow AS w ON w.seq = c.seq AND w.nonce IS NOT NULL AND w.due_at > :now CROSS JOIN main._wf_lane AS l ON l.lane = w.lane
           GROUP BY l.queue) AS r ON r.queue = n.queue

-- One row for each key that was used lately, and one for none. The keys are found one after the other, whatever they have in their windows.
-- name: table_rates
SELECT CAST(row_number() OVER (ORDER BY l.name, k.per_key) AS INTEGER) AS _n, l.name AS name, nullif(k.per_key, '') AS key, l.rate_limit AS rate_limit,
       l.rate_per / 1000.0 AS rate_per,
       coalesce((SELECT upto FROM main._wf_share WHERE rate = l.name AND per_key = k.per_key ORDER BY at DESC LIMIT 1), 0)
       - {{given_before}} AS spent,
       (SELECT count(*) FROM main._wf_line WHERE rate = l.name AND per_key = k.per_key) AS waiting,
       (SELECT min(due_at) FROM main._wf_line WHERE rate = l.name AND per_key = k.per_key) AS next_at
FROM main._wf_limit AS l
JOIN (WITH RECURSIVE
        s(rate, per_key) AS (SELECT * FROM (SELECT rate, per_key FROM main._wf_share ORDER BY rate, per_key LIMIT 1)
                             UNION ALL
                             SELECT (SELECT x.rate FROM main._wf_share AS x WHERE (x.rate, x.per_key) > (s.rate, s.per_key) ORDER BY x.rate, x.per_key LIMIT 1),
                                    (SELECT x.per_key FROM main._wf_share AS x WHERE (x.rate, x.per_key) > (s.rate, s.per_key) ORDER BY x.rate, x.per_key LIMIT 1)
                             FROM s WHERE s.rate IS NOT NULL)
      SELECT rate, per_key FROM s WHERE rate IS NOT NULL
      UNION SELECT rate, per_key FROM main._wf_line
      UNION SELECT name, '' FROM main._wf_limit) AS k ON k.rate = l.name

-- name: table_schedules
SELECT s.rowid AS _n, s.name AS name, s.cron AS cron, json_extract(s.valid, '$.timezone') AS timezone, s.workflow AS workflow,
       coalesce(s.input, 'null') AS input, json_extract(s.valid, '$.catch_up') AS catch_up, json_extract(s.valid, '$.grace') AS grace,
       json_extract(s.valid, '$.overlap') AS overlap, s.paused AS paused, s.next_at AS next_at, s.last_at AS last_at,
       {{last_firing}} AS last_id,
       s.skipped AS skipped, json_extract(s.valid, '$.start') AS start, s.created_at AS created_at,
       (SELECT x.error FROM main._wf_trouble AS x WHERE x.wf = 0 AND x.schedule = s.name) AS error
FROM (SELECT rowid, *, CASE WHEN json_valid(settings) THEN settings END AS valid FROM main._wf_schedule) AS s

-- name: table_definitions
SELECT d.rowid AS _n, d.name AS name, d.version AS version, d.current AS current,
       CASE WHEN json_valid(d.definition) THEN json_array_length(d.definition, '$.steps') END AS steps, d.definition AS definition, d.created_at AS created_at,
       (SELECT count(*) FROM main._wf_lane AS l CROSS JOIN main._wf_workflow AS w ON w.lane = l.lane AND w.place IN (0, 1, 2, 3, 4, 5)
        WHERE l.kind = 1 AND l.name = d.name AND l.version = CAST(d.version AS TEXT)) AS live
FROM main._wf_definition AS d

-- How many of the block of lanes b are in a place.
-- name: fragment_of_place
(SELECT count(*) FROM main._wf_workflow AS x INDEXED BY _wf_due WHERE x.lane BETWEEN b.first AND b.last AND x.place =

-- How many workflows there are, by name, queue and status. What has ended is numbered; what failed, was cancelled or is paused is counted by lanes; what is
-- live is counted by blocks of lanes and its place, which says the status but for the rest, which is listed by it. (What a lane says that cannot be, by a hand
-- edit, is passed over: a sum of it might overflow.)
-- name: fragment_counts
(SELECT c.name AS name, c.queue AS queue, c.status AS status, sum(c.n) AS count
 FROM (SELECT g.name AS name, g.queue AS queue, s.column1 AS status,
              CASE s.column1 WHEN 'pending' THEN g.pending WHEN 'running' THEN g.running WHEN 'waiting' THEN g.waiting - g.paused WHEN 'completed' THEN g.completed
                             WHEN 'failed' THEN g.failed WHEN 'cancelled' THEN g.cancelled ELSE g.paused END AS n
       FROM (SELECT name, queue, sum(pending) AS pending, sum(running) AS running, sum(waiting) AS waiting, sum(json_extract(ended, '$[0]')) AS completed,
                    sum(json_extract(ended, '$[1]')) AS failed, sum(json_extract(ended, '$[2]')) AS cancelled, sum(json_extract(ended, '$[3]')) AS paused
             FROM (SELECT b.name AS name, b.queue AS queue, {{of_place}} 0) AS pending, {{of_place}} 1) + {{of_place}} 4) AS running,
                          {{of_place}} 2) + {{of_place}} 3) + {{of_place}} 5) AS waiting,
                          (SELECT _wf_numbered(CASE k.partition WHEN '' THEN (SELECT max(0, min(o.nth, 34359738367)) FROM main._wf_workflow AS o WHERE o.lane = k.lane AND o.place IS NULL ORDER BY o.nth DESC LIMIT 1)
                                                                ELSE k.count_to END, k.gone, k.count_failed, k.count_cancelled, k.count_paused)
                           FROM main._wf_lane AS k WHERE k.lane BETWEEN b.first AND b.last) AS ended
                   FROM {{blocks}} AS b LIMIT -1)
             GROUP BY name, queue) AS g
            CROSS JOIN (VALUES('pending'), ('running'), ('waiting'), ('completed'), ('failed'), ('cancelled'), ('paused')) AS s
       UNION ALL
       SELECT l.name, l.queue, CASE s.value WHEN 1 THEN r.status ELSE r.usual END, CASE s.value WHEN 1 THEN r.n ELSE -r.n END
       FROM (SELECT min(lane) AS lane, status, CASE WHEN place IS NULL THEN 'completed' WHEN place = 0 THEN 'pending' WHEN place IN (1, 4) THEN 'running' ELSE 'waiting' END AS usual, count(*) AS n
             FROM main._wf_workflow INDEXED BY _wf_status WHERE {{unusual}} AND status IN ('pending', 'running', 'waiting') GROUP BY lane >> 8, status, usual) AS r
            CROSS JOIN _wf.json_each('[0,1]') AS s CROSS JOIN main._wf_lane AS l ON l.lane = r.lane) AS c
 GROUP BY c.name, c.queue, c.status HAVING sum(c.n) > 0)

-- name: table_counts
SELECT CAST(row_number() OVER (ORDER BY name, queue, status) AS INTEGER) AS _n, name, queue, status, count FROM {{counts}} AS c

-- Seconds from the first claim to the end, or until now: of those among the newest 2,000. (First by blocks of lanes, which are numbers: names take twice as long
-- to be put in order.)
-- name: table_stats
SELECT CAST(row_number() OVER (ORDER BY c.name, c.queue, c.status) AS INTEGER) AS _n, c.name AS name, c.queue AS queue, c.status AS status, c.count AS count,
       json_extract(d.spread, '$[0]') / 1000.0 AS p50, json_extract(d.spread, '$[1]') / 1000.0 AS p95, json_extract(d.spread, '$[2]') / 1000.0 AS max
FROM {{counts}} AS c LEFT JOIN (
  SELECT l.name AS name, l.queue AS queue, w.status AS status, _wf_spread(w.ms) AS spread
  FROM (SELECT lane >> 8 AS block, status, json_group_array(ms) AS ms
        FROM (SELECT lane, status, CAST(coalesce(finished_at, :now) - coalesce(started_at, created_at) AS INTEGER) AS ms FROM main._wf_workflow ORDER BY seq DESC LIMIT 2000)
        GROUP BY block, status LIMIT -1) AS w
       CROSS JOIN main._wf_lane AS l ON l.lane = (SELECT min(k.lane) FROM main._wf_lane AS k WHERE k.lane BETWEEN w.block << 8 AND w.block << 8 | 255)
  GROUP BY l.name, l.queue, w.status LIMIT -1) AS d ON d.name = c.name AND d.queue = c.queue AND d.status = c.status

-- name: table_functions
SELECT key AS _n, json_extract(value, '$.name') AS name, json_extract(value, '$.signature') AS signature,
       json_extract(value, '$.summary') AS summary, json_extract(value, '$.writes') AS writes,
       json_extract(value, '$.in_writing_statement') AS in_writing_statement, json_extract(value, '$.idempotent') AS idempotent
FROM _wf.json_each(:functions)

-- name: table_doctor
SELECT 1 AS _n, 'wfext version' AS name, json_extract(:host, '$.version') AS value, 1 AS ok, NULL AS advice
UNION ALL
SELECT 2, 'sqlite version', json_extract(:host, '$.sqlite'), 1, NULL
UNION ALL
SELECT 3, 'file', nullif(json_extract(:host, '$.file'), ''), json_extract(:host, '$.file') <> '',
       CASE WHEN json_extract(:host, '$.file') = '' THEN 'an in-memory or temporary database: nothing outlives the connection' END
UNION ALL
SELECT 4, 'schema version', json_extract(:host, '$.schema'), coalesce(json_extract(:host, '$.schema') BETWEEN 1 AND json_extract(:host, '$.format'), 1),
       CASE WHEN json_extract(:host, '$.schema') IS NULL THEN 'no tables yet: the first write makes them, or SELECT wf_init()'
            WHEN json_extract(:host, '$.schema') < 1 THEN 'the row of _wf_meta is damaged: schema_version is a number from 1'
            WHEN json_extract(:host, '$.schema') > json_extract(:host, '$.format') THEN 'a newer extension has written this file: load that one'
            WHEN json_extract(:host, '$.schema') < json_extract(:host, '$.format') THEN 'the next write upgrades it, or SELECT wf_init()' END
UNION ALL
SELECT 5, 'journal mode', journal_mode, journal_mode <> 'off' AND (journal_mode <> 'memory' OR json_extract(:host, '$.file') = ''),
       CASE journal_mode WHEN 'wal' THEN NULL WHEN 'off' THEN 'a crash destroys the file: PRAGMA journal_mode = WAL'
            WHEN 'memory' THEN CASE WHEN json_extract(:host, '$.file') <> '' THEN 'a crash may destroy the file: PRAGMA journal_mode = WAL' END
            ELSE 'PRAGMA journal_mode = WAL makes commits cheaper and lets readers go on' END
FROM _wf.pragma_journal_mode
UNION ALL
SELECT 6, 'synchronous', CASE synchronous WHEN 0 THEN 'OFF' WHEN 1 THEN 'NORMAL' WHEN 2 THEN 'FULL' ELSE 'EXTRA' END,
       CASE WHEN json_extract(:host, '$.file') = '' THEN 1
            WHEN journal_mode IN ('memory', 'off') THEN 0
            WHEN journal_mode = 'delete' THEN synchronous >= 3
            ELSE synchronous >= 2 END,
       CASE WHEN json_extract(:host, '$.file') = '' THEN NULL
            WHEN journal_mode IN ('memory', 'off') THEN 'in this journal mode a power cut may destroy the file, whatever synchronous is: PRAGMA journal_mode = WAL'
            WHEN synchronous = 0 THEN 'a power cut may destroy the file: PRAGMA synchronous = ' || CASE journal_mode WHEN 'delete' THEN 'EXTRA' ELSE 'FULL' END
            WHEN synchronous = 1 THEN 'a power cut loses acknowledged steps (killing the process does not): PRAGMA synchronous = '
                                      || CASE journal_mode WHEN 'delete' THEN 'EXTRA' ELSE 'FULL' END
            WHEN synchronous = 2 AND journal_mode = 'delete' THEN
              'a power cut may lose the last acknowledged call in this journal mode: PRAGMA synchronous = EXTRA, or PRAGMA journal_mode = WAL' END
FROM _wf.pragma_synchronous, _wf.pragma_journal_mode
UNION ALL
SELECT 7, 'busy timeout', CASE WHEN timeout = 0 AND json_extract(:host, '$.fair') > 0 THEN json_extract(:host, '$.fair') || ' by wf_busy_timeout' ELSE timeout END,
       timeout > 0 OR json_extract(:host, '$.fair') > 0,
       CASE WHEN timeout = 0 AND json_extract(:host, '$.fair') = 0 THEN 'two writers at once give "database is locked": SELECT wf_busy_timeout(5)' END
FROM _wf.pragma_busy_timeout
UNION ALL
SELECT 8, 'trusted schema', trusted_schema, 1,
       CASE WHEN trusted_schema = 0 THEN 'wf_ functions do not run in triggers and views; PRAGMA trusted_schema = ON allows it' END
FROM _wf.pragma_trusted_schema
UNION ALL
SELECT 9, 'query only', query_only, query_only = 0, CASE WHEN query_only THEN 'no function can write: PRAGMA query_only = OFF' END
FROM _wf.pragma_query_only
UNION ALL
SELECT 10, 'file system', coalesce(nullif(json_extract(:host, '$.network'), ''), 'local'), json_extract(:host, '$.network') = '',
       CASE WHEN json_extract(:host, '$.network') <> '' THEN 'locks of network and shared file systems are not reliable: keep the file on a local disk' END
UNION ALL
SELECT 11, 'threads', CASE json_extract(:host, '$.threadsafe') WHEN 0 THEN 'single' WHEN 1 THEN 'serialized' ELSE 'multi' END, 1, NULL
UNION ALL
SELECT 12, 'clock', json_extract(:host, '$.clock'), json_extract(:host, '$.test_clock') IS NULL,
       'for tests, and stands still at ' || json_extract(:host, '$.test_clock') || ' for everyone until wf_config(''test_clock'') moves it: nothing real may run in this file'
UNION ALL
SELECT 13, 'file in place', CASE json_extract(:host, '$.moved') WHEN 0 THEN 'yes' WHEN 1 THEN 'no' END, json_extract(:host, '$.moved') IS NOT 1,
       CASE WHEN json_extract(:host, '$.moved') THEN
         'the file, or its WAL, was deleted or replaced while it is open: what this connection writes is lost; stop, put the file right, open it anew' END
UNION ALL
SELECT 14, 'wal size', json_extract(:host, '$.wal'), coalesce(json_extract(:host, '$.wal') <= 67108864, 1),
       CASE WHEN json_extract(:host, '$.wal') > 67108864 THEN
         'bytes that are not in the file yet: end the transaction that has been open for long somewhere, then PRAGMA wal_checkpoint(TRUNCATE)' END
UNION ALL
SELECT 15, 'write lock', CASE json_extract(:host, '$.locked') WHEN 0 THEN 'free' WHEN 1 THEN 'held by another connection' END,
       json_extract(:host, '$.locked') IS NOT 1,
       CASE WHEN json_extract(:host, '$.locked') THEN 'nobody else can write meanwhile: look for a transaction that was begun and not ended' END
UNION ALL
SELECT 16, 'rates in the future', coalesce(json_extract(:host, '$.rates.count'), 0), coalesce(json_extract(:host, '$.rates.count'), 0) = 0,
       CASE WHEN json_extract(:host, '$.rates.count') > 0 THEN
         'queue ' || json_extract(:host, '$.rates.what') || ' was claimed by a clock that said ' || json_extract(:host, '$.rates.at') || ': set the clocks right' END
UNION ALL
SELECT 17, 'items put off', coalesce(json_extract(:host, '$.troubles.count'), 0), coalesce(json_extract(:host, '$.troubles.count'), 0) = 0,
       CASE WHEN json_extract(:host, '$.troubles.count') > 0 THEN
         json_extract(:host, '$.troubles.what') || ' failed at ' || json_extract(:host, '$.troubles.at') || ': ' || json_extract(:host, '$.troubles.error') END
UNION ALL
SELECT 20, 'restored', CASE json_extract(:host, '$.restored') WHEN 0 THEN 'no' WHEN 1 THEN 'yes, or copied' END, json_extract(:host, '$.restored') IS NOT 1,
       CASE WHEN json_extract(:host, '$.restored') THEN
         'this is not the file that was made or recovered last, but a copy of it: before workers claim, see that the other one is not in use, and SELECT wf_recover()' END
UNION ALL
SELECT 19, 'wake-ups', CASE json_extract(:host, '$.unwatched') WHEN '' THEN 'at once' ELSE 'by looking' END, json_extract(:host, '$.watch_limit') IS NOT 1,
       CASE WHEN json_extract(:host, '$.unwatched') <> '' THEN
         'wf_wait looks every 10 milliseconds, which costs a percent of a core: ' || json_extract(:host, '$.unwatched') END
UNION ALL
SELECT 18, 'fullfsync', fullfsync, fullfsync, CASE WHEN NOT fullfsync THEN 'a power cut may lose acknowledged steps on macOS: PRAGMA fullfsync = ON' END
FROM _wf.pragma_fullfsync WHERE json_extract(:host, '$.macos')
