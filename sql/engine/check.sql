-- wf_check: what must hold between any two calls, and does not. Each part gives (problem, where).

-- name: check_exists
SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = '_wf_workflow'

-- Of the rare tables those that were made, by the note in _wf_meta, and the indexes of those that there are.
-- name: check_objects
SELECT 'a table or index is missing', j.value
FROM _wf.json_each('["_wf_lane","_wf_workflow","_wf_step","_wf_step_name","_wf_lane_open","_wf_lane_block","_wf_lane_turn","_wf_lane_scripted","_wf_due","_wf_resumed","_wf_status","_wf_late","_wf_lost","_wf_held","_wf_claim_key","_wf_limited","_wf_deadline","_wf_dedup","_wf_child","_wf_open"]') AS j
WHERE NOT EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = j.value)
UNION ALL
SELECT 'a table or index is missing', j.value
FROM _wf.json_each('["' || replace((SELECT value FROM main._wf_meta WHERE key = 'made' AND value NOT GLOB '*[^a-z_ ]*' AND instr(hex(value), '00') = 0), ' ', '","') || '"]') AS j
WHERE NOT EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = j.value)
UNION ALL
SELECT 'a table or index is missing', j.key
FROM _wf.json_each('{"_wf_failure_at":"_wf_failure","_wf_signal_queue":"_wf_signal","_wf_signal_key":"_wf_signal","_wf_waiter_of":"_wf_waiter","_wf_schedule_next":"_wf_schedule","_wf_trouble_next":"_wf_trouble","_wf_tag_of":"_wf_tag","_wf_line_of":"_wf_line","_wf_line_due":"_wf_line"}') AS j
WHERE EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = j.value) AND NOT EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = j.key)

-- SQLite's own check of the file, all of it or without a look into every index. (As a table it knows no schema before SQLite 3.33.)
-- name: check_file
PRAGMA main.integrity_check(1000)

-- name: check_file_quickly
PRAGMA main.quick_check(1000)

-- For each of our tables a statement that finds what a column cannot hold, by its declared type and its name; a column is checked as soon as
-- it is there. A number is one from 0, unless it says here otherwise.
-- name: check_columns
WITH span(name, least, most) AS (VALUES
    ('priority', -100, 100), ('seq', 1, 34359738367), ('wf', 1, 34359738367), ('lane', 1, NULL), ('parent', 1, 34359738367), ('parent_redo', 0, 9007199254740992), ('last_at', -62167219200000, 253402300799999), ('max_attempts', 1, 1000000),
    ('rate_per', 1, 315569519999999), ('lease', 1, 315569519999999), ('timeout', 0, 315569519999999),
    ('paused_left', -315569519999999, 315569519999999), ('attempt', 0, 9007199254740992), ('resumed', 0, 9007199254740992),
    ('failures', 0, 9007199254740992), ('lost', 0, 9007199254740992), ('redo', 0, 9007199254740992), ('period', 1, 9007199254740992), ('failed', 0, 9007199254740992), ('max_failures', 1, 9007199254740992), ('attempts', 0, 9007199254740992), ('tries', 1, 9007199254740992),
    ('again', 0, 1), ('ends', 0, 2), ('line', 0, 3), ('turn', -9223372036854775807, NULL), ('wake', 0, 10), ('paused', 0, 1), ('current', 0, 1), ('closed', 0, 1), ('what', 0, 3), ('version', 1, NULL),
    ('place', 0, 9007199254740992), ('nth', 1, 9007199254740992), ('upto', 1, 9007199254740992), ('amount', 1, 9007199254740992), ('named', 1, 1)),
  col AS (
    SELECT t.name AS t, i.cid, i.name, i.type, CASE WHEN i."notnull" OR i.pk THEN ''')' ELSE ''', ''null'')' END AS close,
           CASE WHEN i.name GLOB '*_at' OR i.name IN ('at', 'next_due', 'late') THEN '-62167219200000 AND 253402300799999'
                ELSE coalesce((SELECT least || ' AND ' || coalesce(most, 9223372036854775807) FROM span WHERE span.name = i.name AND NOT (i.name = 'wf' AND t.name = '_wf_trouble')), '0 AND 9223372036854775807')
           END AS span
    FROM main.sqlite_master AS t, _wf.pragma_table_info(t.name, 'main') AS i WHERE t.type = 'table' AND t.name GLOB '_wf_[a-z]*'),
  rule AS (
    SELECT t, cid, name, replace(CASE
        WHEN type = 'INTEGER' THEN 'typeof("%") NOT IN (''integer' || close || ' OR "%" NOT BETWEEN ' || span
        WHEN name = 'error' AND t <> '_wf_trouble' THEN 'typeof("%") = ''text'' AND NOT json_valid("%")'  -- a BLOB is one, too
        WHEN type = 'TEXT' THEN 'typeof("%") NOT IN (''text' || close || CASE
          WHEN name IN ('how', 'headers', 'backoff', 'settings', 'definition')
            THEN ' OR CASE WHEN json_valid("%") THEN json_type("%") <> ''object'' ELSE "%" IS NOT NULL END'
          WHEN name = 'topics' THEN ' OR ("%" IS NOT NULL AND NOT json_valid("%"))'
          WHEN name IN ('id', 'queue', 'name', 'worker', 'claim_key', 'key', 'stream', 'workflow', 'topic', 'rate') OR (name = 'step' AND t <> '_wf_waiter')
            THEN ' OR "%" = '''' OR length("%") > 255 OR "%" GLOB ''*[' || char(1) || '-' || char(31) || char(127) || ']*'''
          WHEN name IN ('per_key', 'partition', 'version') AND type = 'TEXT'
            THEN ' OR length("%") > 255 OR "%" GLOB ''*[' || char(1) || '-' || char(31) || char(127) || ']*'''
          WHEN name = 'claim' THEN ' OR ("%" <> '''' AND "%" NOT GLOB ''[0-9]* *'')'
          WHEN name = 'cron' THEN ' OR trim("%", char(32, 9)) = '''''
          ELSE '' END
        WHEN t <> '_wf_meta' THEN 'typeof("%") = ''text'' AND NOT json_valid("%")' END, '%', name) AS wrong
    FROM col)
SELECT 'SELECT ''a column holds what it cannot'', ''' || t || '.'' || CASE ' || group_concat('WHEN ' || wrong || ' THEN ''' || name || '''', ' ')
       || ' END || '' where ' || max(CASE cid WHEN 0 THEN name END) || ' is '' || quote("' || max(CASE cid WHEN 0 THEN name END) || '") FROM main.' || t
       || ' WHERE ' || group_concat('(' || wrong || ')', ' OR ')
FROM rule WHERE wrong IS NOT NULL GROUP BY t

-- For each of our tables a statement that gives its rows with a text that is looked at more closely, and beside it the columns of that: where, then
-- their texts. A name is one by check_name(), any other text is UTF-8, what json_valid() does not ask for.
-- name: check_texts
WITH col AS (
  SELECT t.name AS t, i.cid, i.name FROM main.sqlite_master AS t, _wf.pragma_table_info(t.name, 'main') AS i
  WHERE t.type = 'table' AND t.name GLOB '_wf_[a-z]*')
SELECT 'SELECT quote("' || max(CASE cid WHEN 0 THEN name END) || '"), ' || group_concat('CASE WHEN typeof("' || name || '") = ''text'' THEN "' || name || '" END', ', ')
       || ' FROM main.' || t || ' WHERE ' || group_concat('(typeof("' || name || '") = ''text'' AND "' || name || '" GLOB ''*[^ -~]*'')', ' OR '),
       t, json_group_array(name), json_group_array(name IN ('queue', 'name', 'worker', 'claim_key', 'key', 'stream', 'workflow', 'version', 'partition', 'parent_step', 'schedule', 'rate', 'per_key')
                                                   OR (name = 'step' AND t <> '_wf_waiter'))
FROM col WHERE (t, name) NOT IN (VALUES ('_wf_definition', 'version'), ('_wf_workflow', 'id')) GROUP BY t

-- Waits: WaitRow::read() says whether what they wait for is anything.
-- name: check_waits
SELECT 'a wait waits for what is nothing', w.id || ' ' || s.name, s.kind, s.topics, s.due_at, s.how
FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf WHERE {{is_wait}}

-- Backoffs: stored_backoff() says whether they are sound.
-- name: check_backoffs
SELECT 'a backoff is none', id, backoff FROM main._wf_workflow WHERE backoff IS NOT NULL
UNION ALL
SELECT 'a backoff is none', 'queue ' || queue, backoff FROM main._wf_queue WHERE backoff IS NOT NULL
UNION ALL
SELECT 'a backoff is none', 'backoff of wf_config', value FROM main._wf_meta WHERE key = 'backoff'

-- What may be no id: it is looked at more closely. (255 bytes of UTF-8 may be 170 of UTF-16.)
-- name: check_ids
SELECT 'an id is not allowed', id FROM main._wf_workflow
WHERE typeof(id) <> 'text' OR id = '' OR length(CAST(id AS BLOB)) > 169 OR substr(id, 1, 4) = 'run_' OR substr(id, 1, 1) = '[' OR id GLOB '*[^ -~]*'

-- name: check_meta
SELECT 'a setting has a wrong value', key FROM main._wf_meta
WHERE coalesce(CASE key WHEN 'schema_version' THEN typeof(value) <> 'integer' OR value < 1
               WHEN 'epoch' THEN typeof(value) <> 'integer' OR value NOT BETWEEN 1 AND 9007199254740992
               WHEN 'last_seq' THEN typeof(value) <> 'integer' OR value NOT BETWEEN 1 AND 34359738367
               WHEN 'lease' THEN typeof(value) <> 'integer' OR value NOT BETWEEN 1 AND 315569519999999
               WHEN 'max_attempts' THEN typeof(value) <> 'integer' OR value NOT BETWEEN 1 AND 1000000
               WHEN 'max_failures' THEN typeof(value) <> 'integer' OR value NOT BETWEEN 1 AND 1000000
               WHEN 'backoff' THEN CASE WHEN json_valid(value) THEN json_type(value) <> 'object' ELSE 1 END
               WHEN 'place' THEN typeof(value) <> 'text'
               WHEN 'recovery' THEN typeof(value) <> 'text'
               WHEN 'made' THEN typeof(value) <> 'text' OR value GLOB '*[^a-z_ ]*' OR instr(hex(value), '00') > 0
               WHEN 'require_recover' THEN value IS NOT 1
               WHEN 'sync_socket' THEN typeof(value) <> 'text' OR value NOT GLOB '/*'
               WHEN 'sync_path' THEN typeof(value) <> 'text' OR value NOT GLOB '/*'
               WHEN 'time' THEN typeof(value) <> 'text' OR (value <> 'explicit' AND (CAST(CAST(value AS INTEGER) AS TEXT) <> value OR CAST(value AS INTEGER) NOT BETWEEN -62167219200000 AND 253402300799999))
               ELSE 1 END, 1)
UNION ALL
SELECT 'a setting is missing', j.value FROM _wf.json_each('["schema_version","epoch"]') AS j
WHERE NOT EXISTS (SELECT 1 FROM main._wf_meta WHERE key = j.value)

-- name: check_workflows
SELECT 'the status is unknown', id FROM main._wf_workflow
WHERE status NOT IN ('pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled')
UNION ALL
SELECT 'the lane does not exist', id FROM main._wf_workflow AS w WHERE NOT EXISTS (SELECT 1 FROM main._wf_lane WHERE lane = w.lane)
UNION ALL
SELECT 'its flags are unknown', id FROM main._wf_workflow WHERE flags > 127 OR (flags & 64 AND finished_at IS NULL)
UNION ALL
SELECT 'why it is in line is unknown', id FROM main._wf_workflow WHERE wake > 10
UNION ALL
SELECT 'it has ended, or has not, but its row says otherwise', id FROM main._wf_workflow
WHERE (status IN ('completed', 'failed', 'cancelled')) <> (finished_at IS NOT NULL) OR (finished_at IS NULL) <> (place IS NOT NULL)
   OR (finished_at IS NULL) <> (nth IS NULL)
   OR (finished_at IS NOT NULL AND (due_at IS NOT NULL OR claim_key IS NOT NULL OR limited IS NOT NULL OR paused_from IS NOT NULL
                                    OR (nonce IS NOT NULL AND status <> 'cancelled')))
UNION ALL
SELECT 'the place in line does not fit the status', id FROM main._wf_workflow
WHERE finished_at IS NULL AND CASE place WHEN 4 THEN 1 WHEN 5 THEN 3 ELSE place END IS NOT CASE
    WHEN status = 'paused' OR flags & 1 THEN 2
    WHEN status = 'running' THEN 1
    WHEN status = 'waiting' AND due_at IS NULL THEN 2
    WHEN again AND NOT (wake = 6 AND place IN (3, 5)) THEN 0
    ELSE 3 END
UNION ALL
SELECT 'it is running without a claim', id FROM main._wf_workflow
WHERE 'running' IN (status, paused_from) AND (nonce IS NULL OR due_at IS NULL OR lease IS NULL OR started_at IS NULL OR attempt + resumed = 0)
UNION ALL
SELECT 'it is pending and has a claim, or no due time', id FROM main._wf_workflow
WHERE 'pending' IN (status, paused_from) AND (due_at IS NULL OR claim_key IS NOT NULL OR (nonce IS NOT NULL AND ending IS NULL))
UNION ALL
SELECT 'the pause does not fit the status', id FROM main._wf_workflow
WHERE (status = 'paused') <> (paused_from IS NOT NULL) OR paused_from NOT IN ('pending', 'running', 'waiting')
   OR (status = 'paused' AND deadline_at IS NOT NULL) OR (status <> 'paused' AND paused_left IS NOT NULL)
UNION ALL
SELECT 'it waits, but for nothing', id FROM main._wf_workflow AS w
WHERE 'waiting' IN (status, paused_from) AND NOT EXISTS (SELECT 1 FROM main._wf_step WHERE wf = w.seq AND status = 'waiting')
  AND NOT (flags & 16 AND EXISTS (SELECT 1 FROM main._wf_step WHERE wf = w.seq AND status = 'ready'))
  AND (due_at IS NULL OR due_at > updated_at)
UNION ALL
SELECT 'the coming status is none', id FROM main._wf_workflow WHERE ending NOT IN ('failed', 'cancelled')
UNION ALL
SELECT 'it failed without an error', id FROM main._wf_workflow AS w
WHERE status = 'failed' AND error IS NULL AND NOT EXISTS (SELECT 1 FROM main._wf_large WHERE wf = w.seq AND what = 2)
UNION ALL
SELECT 'a value is stored twice', w.id FROM main._wf_workflow AS w JOIN main._wf_large AS b ON b.wf = w.seq
WHERE CASE b.what WHEN 0 THEN w.input WHEN 1 THEN w.output WHEN 2 THEN w.error END IS NOT NULL
UNION ALL
SELECT 'the size of a value is wrong', w.id FROM main._wf_workflow AS w JOIN main._wf_large AS b ON b.wf = w.seq
WHERE b.size IS NOT length(CAST(b.value AS BLOB))
UNION ALL
SELECT 'the parent does not exist', id FROM main._wf_workflow AS w
WHERE parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE seq = w.parent)
UNION ALL
SELECT 'it is a child without a step, or the other way round', id FROM main._wf_workflow
WHERE (parent IS NOT NULL AND parent_step IS NULL) OR typeof(parent_step) NOT IN ('text', 'null')
   OR typeof(parent_redo) <> CASE WHEN parent_step IS NULL THEN 'null' ELSE 'integer' END OR parent_redo < 0
UNION ALL
SELECT 'the redo number of the step that has spawned it is still to come', c.id FROM main._wf_workflow AS c JOIN main._wf_workflow AS p ON p.seq = c.parent
WHERE c.parent_redo > p.redo + coalesce((SELECT redo FROM main._wf_redo WHERE wf = p.seq AND step = c.parent_step), 0)
UNION ALL
SELECT 'the step that has spawned it is not there', c.id FROM main._wf_workflow AS c JOIN main._wf_workflow AS p ON p.seq = c.parent
WHERE NOT p.flags & 16 AND c.parent_redo = p.redo + coalesce((SELECT redo FROM main._wf_redo WHERE wf = p.seq AND step = c.parent_step), 0)
  AND NOT EXISTS (SELECT 1 FROM main._wf_step WHERE wf = p.seq AND name = c.parent_step AND {{named}} AND kind = 'spawn')
UNION ALL
SELECT 'its token is one of another period', id FROM main._wf_workflow WHERE (nonce - period) & 65535 <> 0
UNION ALL
SELECT 'its newest step was one of another workflow', id FROM main._wf_workflow WHERE mark <> 0 AND mark >> 28 <> seq
UNION ALL
SELECT 'what the last closing call returned is nothing', id FROM main._wf_workflow
WHERE (closed IS NULL AND closed_nonce IS NOT NULL)
   OR substr(closed, instr(closed, ':') + 1) NOT IN {{closings}}
UNION ALL
SELECT 'it is to wake at a time that is none of its waits', id FROM main._wf_workflow AS w
WHERE 'waiting' IN (status, paused_from) AND wake = 2 AND NOT flags & 48
  AND due_at IS NOT (SELECT min(due_at) FROM main._wf_step WHERE status = 'waiting' AND wf = w.seq)
UNION ALL
SELECT 'it is deleted, and it is not', id FROM main._wf_workflow WHERE seq IN (SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'the slot is not one of its queue', w.id FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.limited IS NOT NULL AND w.limited <> l.queue || char(31) || l.partition
UNION ALL
SELECT 'the dedup key is not one of its queue', w.id FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.dedup IS NOT NULL AND substr(w.dedup, 1, length(l.queue) + 1) <> l.queue || char(31)

-- Of what has ended the numbers go on without a tie, and a lane knows how many of them are missing; and what shows in the order of its start is in that order.
-- name: check_lanes
SELECT 'the lane counts it twice', id FROM main._wf_workflow AS w WHERE place IS NULL AND EXISTS (SELECT 1 FROM main._wf_workflow AS o WHERE o.lane = w.lane AND o.place IS NULL AND o.nth = w.nth AND o.seq <> w.seq)
UNION ALL
SELECT 'a lane has another count of its workflows', 'lane ' || lane FROM main._wf_lane WHERE {{miscounted}}
UNION ALL
SELECT 'a lane has a number among those of others', 'lane ' || l.lane FROM main._wf_lane AS l CROSS JOIN main._wf_lane AS o ON o.lane > l.lane AND o.lane <= l.lane | 255
WHERE o.queue <> l.queue OR o.kind <> l.kind OR o.name <> l.name
UNION ALL
SELECT 'it is out of the order of its creation', id FROM main._wf_workflow AS w
WHERE coalesce(late, created_at) < (SELECT coalesce(p.late, p.created_at) FROM main._wf_workflow AS p WHERE p.seq < w.seq ORDER BY p.seq DESC LIMIT 1)
UNION ALL
SELECT 'it is scripted in SQL, or is not, but its lane says otherwise', w.id
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane WHERE (w.flags & 16 <> 0) <> (l.kind = 1)
UNION ALL
SELECT 'its definition does not exist', w.id FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE l.kind = 1 AND w.place IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM main._wf_definition WHERE name = l.name AND version = CAST(l.version AS INTEGER) AND json_valid(definition))
UNION ALL
SELECT 'claims do not find this workflow: its lane looks too late', w.id
FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane
WHERE w.place IN (0, 1, 3, 4, 5) AND l.line IN (0, 2) AND (l.next_due IS NULL OR l.next_due > w.due_at)
  AND NOT EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq AND x.next_at >= l.next_due)
UNION ALL
SELECT 'claims do not find this lane: its partition is called full, but there is no limit', 'lane ' || lane FROM main._wf_lane AS l
WHERE line = 3 AND (partition = '' OR NOT EXISTS (SELECT 1 FROM main._wf_queue AS q WHERE q.queue = l.queue AND q.partition_concurrency IS NOT NULL))
UNION ALL
SELECT 'a lane is damaged', 'lane ' || lane FROM main._wf_lane
WHERE kind NOT IN (0, 1) OR line NOT IN (0, 1, 2, 3) OR (turn IS NOT NULL) <> (line IN (1, 3)) OR (line = 0 AND partition <> '')
   OR (line = 1 AND next_due IS NOT NULL) OR (kind = 1 AND CAST(CAST(version AS INTEGER) AS TEXT) <> version)

-- name: check_steps
SELECT 'a step has a number of another workflow', s.name FROM main._wf_step AS s WHERE s.n >> 28 <> s.wf OR s.n & 268435455 = 0
UNION ALL
SELECT 'two steps of a workflow have one name', s.wf || ' ' || s.name FROM main._wf_step AS s
WHERE s.named IS NULL AND NOT s.n & 268435424
  AND (EXISTS (SELECT 1 FROM main._wf_step AS r WHERE r.n > s.wf << 28 AND r.n < s.wf << 28 | 32 AND r.name = s.name AND r.n <> s.n)
       OR EXISTS (SELECT 1 FROM main._wf_step AS r WHERE r.wf = s.wf AND r.name = s.name AND {{named}}))
UNION ALL
SELECT 'a step is not in the index of names', s.wf || ' ' || s.name FROM main._wf_step AS s
WHERE s.named IS NULL AND NOT s.n & 268435424
  AND (s.kind <> 'step' OR s.status <> 'done' OR EXISTS (SELECT 1 FROM main._wf_step AS r WHERE r.n = s.wf << 28 | 32 AND r.named IS NULL))
UNION ALL
SELECT 'a step belongs to no workflow', s.name FROM main._wf_step AS s WHERE NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE seq = s.wf) AND s.wf NOT IN (SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a step has an unknown status or kind', w.id || ' ' || s.name FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE (NOT w.flags & 16 AND (s.status NOT IN ('done', 'error', 'failed', 'waiting', 'begun') OR s.kind NOT IN ('step', 'sleep', 'await', 'await_event', 'spawn', 'join', 'wait_any', 'acquire')))
   OR (w.flags & 16 AND (s.status NOT IN ('done', 'failed', 'skipped', 'ready', 'waiting')
                         OR s.kind NOT IN ('sql', 'task', 'start', 'sleep', 'await', 'await_event', 'emit', 'acquire', 'undo')))
UNION ALL
SELECT 'a step does not fit its status', w.id || ' ' || s.name FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE (s.status = 'done' AND (s.error IS NOT NULL OR s.attempts < 1)) OR (s.status = 'failed' AND s.error IS NULL)
   OR (s.status = 'error' AND (s.error IS NULL OR s.attempts < 1 OR s.kind <> 'step' OR s.nonce IS NOT NULL))
   OR (NOT w.flags & 16 AND ((s.status <> 'done' AND s.output IS NOT NULL) OR (s.kind <> 'step' AND s.status IN ('failed', 'begun'))
                             OR (s.kind IN ('await', 'await_event', 'join', 'wait_any', 'acquire') AND (s.topics IS NULL OR NOT json_valid(s.topics) OR (s.kind = 'wait_any') <> (json_type(CASE WHEN json_valid(s.topics) THEN s.topics END) = 'object')))))
   OR (s.kind = 'step' AND (s.topics IS NOT NULL OR s.due_at IS NOT NULL))
   OR (NOT w.flags & 16 AND {{odd_step}})
   OR (w.flags & 16 AND s.topics IS NULL AND s.kind <> 'undo' AND s.name GLOB '*[[]*')
UNION ALL
SELECT 'a wait is open, but the workflow does not wait', w.id || ' ' || s.name FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE (s.status = 'waiting' AND NOT w.flags & 48 AND 'waiting' NOT IN (w.status, coalesce(w.paused_from, '')))
   OR (s.status IN ('ready', 'waiting') AND w.place IS NULL)
UNION ALL
SELECT 'two waits are open', w.id FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE s.status = 'waiting' AND NOT w.flags & 48 GROUP BY s.wf HAVING count(*) > 1

-- A join lists those that had not ended when it looked last. One that goes on since (retried, or deleted and started anew) is listed when it
-- looks again: nothing is wrong as long as someone is listed who will wake it, or it has been woken.
-- name: check_rest
SELECT 'a failure has a number of another workflow', 'failure ' || n FROM main._wf_failure WHERE n >> 28 <> wf OR n & 268435455 = 0
UNION ALL
SELECT 'a signal has a number of another workflow', 'signal ' || n FROM main._wf_signal WHERE n >> 28 <> wf OR n & 268435455 = 0
UNION ALL
SELECT 'a failure belongs to no workflow', 'failure ' || n FROM main._wf_failure WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a redo number belongs to no workflow, or is none', step FROM main._wf_redo
WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone) OR typeof(redo) <> 'integer' OR redo < 1
UNION ALL
SELECT 'a large value belongs to no workflow', 'workflow number ' || wf FROM main._wf_large WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone) OR what NOT IN (0, 1, 2, 3)
UNION ALL
SELECT 'a signal belongs to no workflow', 'signal ' || n FROM main._wf_signal WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a signal was taken by no await', 'signal ' || n FROM main._wf_signal AS g
WHERE g.taken <> 0 AND g.wf NOT IN (SELECT wf FROM main._wf_gone) AND NOT EXISTS (SELECT 1 FROM main._wf_step WHERE n = g.taken AND wf = g.wf AND kind IN ('await', 'wait_any'))
UNION ALL
SELECT 'a signal of a period that is over has a payload, or no key', 'signal ' || n FROM main._wf_signal WHERE taken = 0 AND (key IS NULL OR payload IS NOT NULL)
UNION ALL
SELECT 'a named value belongs to no workflow', key FROM main._wf_value WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a stream belongs to no workflow', stream FROM main._wf_stream WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a stream has a gap', stream FROM main._wf_stream WHERE wf NOT IN (SELECT wf FROM main._wf_gone) GROUP BY wf, stream
HAVING min(offset) <> coalesce((SELECT first FROM main._wf_stream_end AS e WHERE e.wf = _wf_stream.wf AND e.stream = _wf_stream.stream), 0) OR max(offset) - min(offset) <> count(*) - 1
UNION ALL
SELECT 'a tag belongs to no workflow', tag FROM main._wf_tag WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a tag is not one of its key', tag FROM main._wf_tag WHERE substr(tag, 1, length(key) + 1) IS NOT key || '=' OR length(tag) <= length(key) + 1 OR instr(key, '=')
UNION ALL
SELECT 'the end of a stream belongs to no workflow', stream FROM main._wf_stream_end WHERE wf NOT IN (SELECT seq FROM main._wf_workflow UNION ALL SELECT wf FROM main._wf_gone)
UNION ALL
SELECT 'a stream ends elsewhere than its items', stream FROM main._wf_stream_end AS e WHERE wf NOT IN (SELECT wf FROM main._wf_gone) AND {{wrong_end}}
UNION ALL
SELECT 'someone is listed as waiting who does not wait', topic FROM main._wf_waiter AS x
WHERE NOT EXISTS (SELECT 1 FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf WHERE {{is_listed_by}} AND (s.status = 'waiting' OR (s.status = 'ready' AND w.flags & 16))
                    AND (w.flags & 16 OR s.kind IN ('await_event', 'join', 'wait_any')))
UNION ALL
SELECT 'an event is waited for, but the wait is not listed', w.id FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf, {{awaited}}
WHERE s.status = 'waiting' AND k.key = 'event'
  AND NOT EXISTS (SELECT 1 FROM main._wf_waiter WHERE wf = s.wf AND topic = 'e' || t.value AND step = {{key}})
UNION ALL
SELECT 'a workflow is waited for, but the wait is not listed', w.id FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf, {{awaited}} JOIN main._wf_workflow AS c ON c.id = t.value
WHERE s.status = 'waiting' AND k.key = 'join' AND c.finished_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM main._wf_waiter WHERE wf = s.wf AND step = {{key}}) AND w.due_at IS s.due_at
  AND EXISTS (SELECT 1 FROM main._wf_workflow AS w WHERE w.seq = c.seq AND {{is_meant_by_wait}})
UNION ALL
SELECT 'the settings of a queue are damaged', queue FROM main._wf_queue
WHERE concurrency < 0 OR worker_concurrency < 0 OR partition_concurrency < 0 OR hold <> 'started' OR rate_limit < 0 OR paused NOT IN (0, 1)
   OR lease < 1 OR max_attempts < 1 OR (rate_limit IS NULL) <> (rate_per IS NULL) OR (backoff IS NOT NULL AND NOT json_valid(backoff))
UNION ALL
SELECT 'a rate is damaged', name FROM main._wf_limit WHERE name = '' OR rate_limit < 1
UNION ALL
SELECT 'shares of a rate do not add up', rate || ' ' || per_key || ' at ' || at FROM main._wf_share AS s
WHERE n < 1 OR upto < n
   OR upto - n <> coalesce((SELECT upto FROM main._wf_share WHERE rate = s.rate AND per_key = s.per_key AND at < s.at ORDER BY at DESC LIMIT 1), upto - n)
UNION ALL
SELECT 'someone stands in line who does not wait for a share', rate || ' ' || per_key || ' ' || place FROM main._wf_line AS x
WHERE amount < 1 OR place < amount
   OR NOT EXISTS (SELECT 1 FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
                  WHERE s.wf = x.wf AND s.name = x.step AND {{s_named}} AND (s.status = 'waiting' OR (s.status = 'ready' AND w.flags & 16)) AND s.kind = 'acquire'
                    AND CASE WHEN json_valid(s.topics) THEN json_extract(s.topics, '$[0]') = x.rate AND coalesce(json_extract(s.topics, '$[1]'), '') = x.per_key END
                    AND coalesce(CASE WHEN json_valid(s.how) THEN json_extract(s.how, '$.amount') END, 1) = x.amount)
UNION ALL
SELECT 'a share is waited for, but not in line', w.id FROM main._wf_step AS s JOIN main._wf_workflow AS w ON w.seq = s.wf
WHERE s.status = 'waiting' AND s.kind = 'acquire' AND NOT EXISTS (SELECT 1 FROM main._wf_line WHERE wf = s.wf AND step = s.name)
UNION ALL
SELECT 'a share is due and nobody is to look for it', w.id FROM main._wf_line AS x JOIN main._wf_workflow AS w ON w.seq = x.wf
WHERE 'waiting' IN (w.status, w.paused_from) AND coalesce(w.due_at > x.due_at AND x.due_at > w.updated_at, 1) AND NOT EXISTS (SELECT 1 FROM main._wf_trouble WHERE wf = w.seq)
UNION ALL
SELECT 'two versions of a definition are the current one', name FROM main._wf_definition WHERE current = 1 GROUP BY name HAVING count(*) > 1
UNION ALL
SELECT 'a schedule is damaged', name FROM main._wf_schedule
WHERE typeof(next_at) NOT IN ('integer', 'null') OR paused NOT IN (0, 1) OR (paused = 1 AND next_at IS NOT NULL)
UNION ALL
SELECT 'an item is put off that does not exist', CASE schedule WHEN '' THEN 'workflow number ' || wf ELSE 'schedule ' || schedule END FROM main._wf_trouble AS x
WHERE CASE WHEN schedule = '' THEN NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE seq = x.wf)
           ELSE wf <> 0 OR NOT EXISTS (SELECT 1 FROM main._wf_schedule WHERE name = x.schedule) END
UNION ALL
SELECT 'a time for which an item is put off is none', CASE schedule WHEN '' THEN 'workflow number ' || wf ELSE 'schedule ' || schedule END FROM main._wf_trouble
WHERE typeof(tries) <> 'integer' OR tries < 1 OR typeof(at) <> 'integer' OR typeof(next_at) <> 'integer' OR typeof(error) <> 'text' OR typeof(wf) <> 'integer' OR typeof(schedule) <> 'text'
