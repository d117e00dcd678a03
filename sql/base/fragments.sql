-- Parts of statements: {{refusal}} in a statement stands for the text of fragment_refusal here.

-- What read_workflow() reads, of w, a workflow, and l, its lane.
-- name: fragment_workflow
w.seq, w.id, w.lane, l.queue, l.partition <> '', w.status, w.paused_from, w.due_at, w.nonce, w.attempt, w.resumed, w.again,
w.failures, w.lost, w.mark, w.lease, w.deadline_at, w.closed_nonce, w.closed, w.worker, w.claim_key, w.ending,
w.flags, w.redo, w.parent, w.limited IS NOT NULL, w.failed, w.wake, l.line <> 0, w.started_at, w.period

-- What read_queue() reads, of q, the row of a queue.
-- name: fragment_queue
q.concurrency, q.worker_concurrency, q.partition_concurrency, q.hold = 'started', q.rate_limit, q.rate_per, q.paused, q.lease, q.max_attempts, q.backoff

-- Rows of _wf_step, _wf_failure and _wf_signal have the number of their workflow above their place in its order, which begins at 1. So the rows of
-- one workflow lie together, and its newest one, those since some row, or all of them are a range of the table: no index is needed. The place
-- of a row that is gone may be given out again. Those of the workflow :seq:
-- name: fragment_its_rows
n BETWEEN :seq << 28 AND :seq << 28 | 268435455

-- Those of w, a workflow.
-- name: fragment_rows_of_w
n BETWEEN w.seq << 28 AND w.seq << 28 | 268435455

-- Those of w since it failed or lost a lease, or of a row of _wf_workflow; since :mark those of :seq.
-- name: fragment_rows_since_mark_of_w
n > max(w.mark, w.seq << 28) AND n <= w.seq << 28 | 268435455

-- The number of the next row. Where all are used up, in their order, it is the last one, which is taken: see Query::run().
-- name: fragment_next_step
coalesce((SELECT n FROM main._wf_step WHERE n BETWEEN :seq << 28 AND :seq << 28 | 268435454 ORDER BY n DESC LIMIT 1), :seq << 28) + 1

-- The same where a row is written plainly: one that is taken, behind place 31 and behind 63, for there the first rows go into the index of names (step_names.h).
-- name: fragment_next_plain_step
coalesce((SELECT n + (n & 268435423 <> 31) FROM main._wf_step WHERE n BETWEEN :seq << 28 AND :seq << 28 | 268435454 ORDER BY n DESC LIMIT 1), :seq << 28 | 1)

-- Of the workflow :seq the first rows, those at the places that the index of names may leave out.
-- name: fragment_first_rows
n > :seq << 28 AND n < :seq << 28 | 32

-- Which rows of _wf_step index _wf_step_name has, in its own words; and of s, b, u and l, rows of _wf_step. Rows of waits and of scripted workflows always are.
-- name: fragment_named
(named OR n & 268435424)

-- name: fragment_s_named
(s.named OR s.n & 268435424)

-- name: fragment_b_named
(b.named OR b.n & 268435424)

-- name: fragment_u_named
(u.named OR u.n & 268435424)

-- name: fragment_l_named
(l.named OR l.n & 268435424)

-- Which workflows have none of the first rows outside of it: those whose row at place 32 says so.
-- name: fragment_all_named
EXISTS (SELECT 1 FROM main._wf_step WHERE n = :seq << 28 | 32 AND named IS NULL)

-- The number of the step :step of the workflow :seq; NULL: there is none.
-- name: fragment_step_n
coalesce((SELECT n FROM main._wf_step WHERE wf = :seq AND name = :step AND {{named}}),
         (SELECT n FROM main._wf_step WHERE {{first_rows}} AND name = :step))

-- The name of a row that is new: NULL, which no row may have, if one of the first rows that are not in the index has it. Whoever adds a row has looked before; but a
-- trigger of the application may have recorded it since.
-- name: fragment_new_name
CASE WHEN NOT EXISTS (SELECT 1 FROM main._wf_step WHERE {{first_rows}} AND name = :step AND named IS NULL) THEN :step END

-- name: fragment_next_failure
coalesce((SELECT n FROM main._wf_failure WHERE n BETWEEN :seq << 28 AND :seq << 28 | 268435454 ORDER BY n DESC LIMIT 1), :seq << 28) + 1

-- name: fragment_next_signal
coalesce((SELECT n FROM main._wf_signal WHERE n BETWEEN :seq << 28 AND :seq << 28 | 268435454 ORDER BY n DESC LIMIT 1), :seq << 28) + 1

-- The newest step; 0: there is none.
-- name: fragment_last_step
coalesce((SELECT n FROM main._wf_step WHERE {{its_rows}} ORDER BY n DESC LIMIT 1), 0)

-- By which attempt, and which worker, the row of a step is written.
-- name: fragment_claim
coalesce((SELECT claim FROM main._wf_workflow WHERE seq = :seq AND nonce IS NOT NULL AND status = 'running'), '')

-- And by which that of s was.
-- name: fragment_its_attempt
nullif(CAST(s.claim AS INTEGER), 0)

-- name: fragment_its_worker
nullif(substr(s.claim, instr(s.claim, ' ') + 1), '')

-- Whether a call may decide without looking at anything else: a clock that was not said (:said) is not good enough for a file that wants it said, or has a
-- clock of its own, nor is a file of another format. The version is the last row of _wf_meta, but for that of the clock, which is a text.
-- name: fragment_plain_file
((SELECT value FROM main._wf_meta ORDER BY key DESC LIMIT 1) = :format
 OR (:said AND (SELECT value FROM main._wf_meta WHERE key = 'schema_version') = :format))

-- Whether time may have made anything due, or anything is put off: nearly always there is nothing.
-- name: fragment_anything_due
(EXISTS (SELECT 1 FROM main._wf_workflow WHERE deadline_at <= +:now AND finished_at IS NULL)
 OR EXISTS (SELECT 1 FROM main._wf_schedule WHERE next_at <= +:now AND paused = 0) OR EXISTS (SELECT 1 FROM main._wf_trouble))

-- Whether x, a workflow with a slot, has it still.
-- name: fragment_holds_slot
(x.flags & 8 OR (x.nonce IS NOT NULL AND x.due_at > :now))

-- Whether the claim of w, a workflow in line, goes on with an attempt: rates count starts alone. (What was lost may stand with what was begun.)
-- name: fragment_goes_on
(w.place IN (3, 5) AND NOT w.again)

-- Why the queue of a due workflow does not let it be claimed now, for a worker that holds nothing; NULL: it does. Of w, a workflow, and l, its lane.
-- name: fragment_refusal
(SELECT CASE
         WHEN q.paused THEN 'queue paused'
         WHEN q.worker_concurrency = 0 THEN 'worker limit'
         WHEN NOT (w.flags & 8 AND w.limited IS NOT NULL) AND q.concurrency <= (
           SELECT count(*) FROM main._wf_workflow AS x
           WHERE x.limited >= l.queue || char(31) AND x.limited < l.queue || char(32)
             AND {{holds_slot}}) THEN 'concurrency limit'
         WHEN NOT (w.flags & 8 AND w.limited IS NOT NULL) AND l.partition <> '' AND q.partition_concurrency <= (
           SELECT count(*) FROM main._wf_workflow AS x
           WHERE x.limited = l.queue || char(31) || l.partition
             AND {{holds_slot}}) THEN 'partition limit'
         WHEN NOT {{goes_on}} AND q.rate_limit <= (
           SELECT total(n) FROM main._wf_rate AS r WHERE r.queue = l.queue AND r.at > :now - q.rate_per AND r.at <= :now) THEN 'rate limit'
       END FROM main._wf_queue AS q WHERE q.queue = l.queue)

-- Whether w, a workflow, is put off: ext/engine/trouble.h. One that is to be ended is nobody's to claim.
-- name: fragment_put_off
(EXISTS (SELECT 1 FROM main._wf_trouble AS x WHERE x.wf = w.seq AND (x.next_at > :now OR x.ends)))

-- Whether w, a workflow, has a value that was too long for this connection: ext/base/too_long.h.
-- name: fragment_met
(instr(:met, ',' || w.seq || ',') > 0)

-- Whether the input of w, a workflow, is too long to be claimed by a connection that takes texts of :longest bytes, or something else was. The rest of
-- a claim takes less than 4 KiB, but for the headers; BLOBs are shown in hex. (No length of a value can be asked for where it is too long to be read.)
-- name: fragment_too_long
({{met}} OR EXISTS (SELECT 1 FROM main._wf_large AS x WHERE x.wf = w.seq AND x.what = 0 AND x.size * (1 + (typeof(x.value) = 'blob')) + 4096 > :longest))

-- Where a workflow in line, w, stands among those of its partition: 0 what was begun (woken, or lost once), 1 what is new, 2 what was released or
-- lost again.
-- name: fragment_rank
CASE w.place WHEN 0 THEN 1 WHEN 4 THEN 2 WHEN 5 THEN 2 ELSE 0 END

-- The turn of the partition of a lane, l.
-- name: fragment_turn
(SELECT min(coalesce(o.turn, o.next_due * 4096)) FROM main._wf_lane AS o
 WHERE o.queue = l.queue AND o.kind = l.kind AND o.partition = l.partition AND o.priority = l.priority AND (o.turn IS NOT NULL OR o.next_due <= :now))

-- When the first of the workflows of a lane is due, a row of _wf_lane; NULL: there is none to claim. What is put off counts like any other:
-- the claim that meets nothing else puts the lane right (lane_correct).
-- name: fragment_earliest
(
  SELECT min(due) FROM (
    SELECT min(due_at) AS due FROM main._wf_workflow WHERE lane = _wf_lane.lane AND place = 0 AND nth IS NULL
    UNION ALL SELECT min(due_at) FROM main._wf_workflow WHERE lane = _wf_lane.lane AND place = 1 AND nth IS NULL
    UNION ALL SELECT min(due_at) FROM main._wf_workflow WHERE lane = _wf_lane.lane AND place = 3 AND nth IS NULL
    UNION ALL SELECT min(due_at) FROM main._wf_workflow WHERE lane = _wf_lane.lane AND place = 4 AND nth IS NULL
    UNION ALL SELECT min(due_at) FROM main._wf_workflow WHERE lane = _wf_lane.lane AND place = 5 AND nth IS NULL))

-- The turn behind all of a row of _wf_lane's queue and priority. A thousandth of a second has 4,096 turns.
-- name: fragment_last_turn
max(1 + :now * 4096,
    1 + coalesce((SELECT max(o.turn) FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind
                  AND o.priority = _wf_lane.priority AND o.line = 1 AND o.turn IS NOT NULL), 0),
    1 + coalesce((SELECT max(o.turn) FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind
                  AND o.priority = _wf_lane.priority AND o.line = 3 AND o.turn IS NOT NULL), 0))

-- The turn of a lane that is in line by :now and was not when its row was written: it came when its time did, or comes now.
-- name: fragment_new_turn
CASE WHEN next_due <= :now THEN next_due * 4096 ELSE {{last_turn}} END

-- Columns line, next_due and turn of a row of _wf_lane in which the first is due at `due`.
-- name: fragment_stand
CASE WHEN line = 0 THEN 0 WHEN due <= :now THEN 1 ELSE 2 END, CASE WHEN line = 0 OR due > :now THEN due END,
CASE WHEN line <> 0 AND due <= :now THEN coalesce(turn, {{new_turn}}) END

-- The last `nth` of a lane, a row of _wf_lane.
-- name: fragment_last_nth
coalesce((SELECT o.nth FROM main._wf_workflow AS o WHERE o.lane = _wf_lane.lane AND o.place IS NULL ORDER BY o.nth DESC LIMIT 1), 0)

-- A row of _wf_lane as its workflows are; for SET.
-- name: fragment_settled
count_to = {{last_nth}}, (line, next_due, turn) = (SELECT {{stand}} FROM (SELECT {{earliest}} AS due))

-- Whether there are partitions in line, or that will be, beside a row of _wf_lane without partition.
-- name: fragment_mixed
(EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind AND o.priority = _wf_lane.priority
           AND o.turn IS NOT NULL)
 OR EXISTS (SELECT 1 FROM main._wf_lane AS o WHERE o.queue = _wf_lane.queue AND o.kind = _wf_lane.kind AND o.priority = _wf_lane.priority
              AND o.line > 0 AND o.next_due IS NOT NULL))

-- Whether a row of _wf_lane is to be exact, now that something comes to it.
-- name: fragment_becomes_exact
(line <> 0 OR (next_due IS NULL AND {{mixed}}))

-- A row of _wf_lane before one of its workflows gets the due time :due, for SET; needed where line <> 1 AND (next_due IS NULL OR next_due > :due).
-- name: fragment_expecting
turn = CASE WHEN turn IS NULL AND :due <= :now AND {{becomes_exact}} THEN {{new_turn}} ELSE turn END,
next_due = CASE WHEN :due > :now OR NOT {{becomes_exact}} THEN :due END,
line = CASE WHEN NOT {{becomes_exact}} THEN 0 WHEN :due <= :now THEN 1 WHEN line = 0 THEN 2 ELSE line END

-- The id of the last workflow that a schedule, s, has started: as id_of() of ext/schedules/schedule.cpp makes it.
-- name: fragment_last_firing
s.name || '@' || strftime('%Y-%m-%dT%H:%M:%S', (s.last_at - (s.last_at % 1000 + 1000) % 1000) / 1000, 'unixepoch')
       || CASE s.last_at % 1000 WHEN 0 THEN '' ELSE printf('.%03d', (s.last_at % 1000 + 1000) % 1000) END || 'Z'

-- The number of a workflow that starts after the one with the highest number was deleted; NULL: the one after the highest there is. A number
-- that is given out again would let an old token speak for another workflow.
-- name: fragment_seq_after_deleted
(SELECT min(CAST(value AS INTEGER), 34359738367) + 1 FROM main._wf_meta WHERE key = 'last_seq' AND value >= coalesce((SELECT max(seq) FROM main._wf_workflow), 0))

-- Whether the next claim would not take but end it, for a lease was lost once too often: as count_lost() of ext/engine/lease.cpp counts. Of w and l.
-- name: fragment_poisoned
(w.place IN (1, 4) AND coalesce(w.max_attempts, (SELECT max_attempts FROM main._wf_queue WHERE queue = l.queue),
                          (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10)
   <= CASE WHEN w.lost AND EXISTS (SELECT 1 FROM main._wf_step WHERE {{rows_since_mark_of_w}} AND status IN ('done', 'error', 'waiting')) THEN 1
           ELSE w.lost + 1 END)

-- Whether w, whose lease has run out, has waits open that kept it: no lease was lost, the next claim suspends it or finds one satisfied.
-- name: fragment_waits_on
(w.flags & 32 AND w.status = 'running' AND EXISTS (SELECT 1 FROM main._wf_step WHERE status = 'waiting' AND wf = w.seq AND (kind <> 'acquire' OR how GLOB '*"keep":true*')))

-- Whether w, which waits and is due, does so in vain: what it was woken for, or has come while its claim went on, is not enough, and a claim only puts it
-- back. (The function is wait.h's.)
-- name: fragment_in_vain
((w.status = 'waiting' OR (w.flags & 32 AND w.status = 'running')) AND NOT w.flags & 16 AND _wf_in_vain(w.seq, w.flags, :now))

-- Whether one more lost lease may be too many for w, a workflow of the lane l.
-- name: fragment_may_be_poison
w.lost + 1 >= coalesce(
  w.max_attempts, (SELECT max_attempts FROM main._wf_queue WHERE queue = l.queue), (SELECT value FROM main._wf_meta WHERE key = 'max_attempts'), 10)

-- Whether the row l of _wf_step is the for_each that has listed the row s, which is then an item: `step[i]`.
-- name: fragment_lists_item
instr(s.name, '[') AND l.name = substr(s.name, 1, instr(s.name, '[') - 1)

-- The failures of w, a workflow, since a step was recorded: as in_a_row() of ext/engine/budget.cpp counts.
-- name: fragment_failures_in_a_row
CASE WHEN w.failures AND EXISTS (SELECT 1 FROM main._wf_step WHERE {{rows_since_mark_of_w}} AND kind = 'step' AND status = 'done') THEN 0 ELSE w.failures END

-- The input that w, a workflow, was started with.
-- name: fragment_first_input
coalesce(CASE WHEN w.period > 1 THEN (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 3) END,
         w.input, (SELECT value FROM main._wf_large WHERE wf = w.seq AND what = 0))

-- Columns of s, a row of _wf_step, for SQLite's functions, which fail where they are no JSON.
-- name: fragment_sound_how
CASE WHEN json_valid(s.how) THEN s.how END

-- name: fragment_sound_topics
CASE WHEN json_valid(s.topics) THEN s.topics END

-- Whether s, a row of _wf_step of a workflow that workers claim, has what its kind never has, or not what it always has.
-- name: fragment_odd_step
((s.kind = 'sleep' AND (s.due_at IS NULL OR s.topics IS NOT NULL)) OR (s.kind = 'spawn' AND s.topics IS NOT NULL)
 OR (s.begun_at IS NULL AND s.status IN ('begun', 'waiting'))
 OR CASE s.kind WHEN 'join' THEN json_type({{sound_how}}, '$.mode') IS NOT 'text' WHEN 'sleep' THEN s.how <> '{"rescheduled":true}'
                WHEN 'spawn' THEN s.how <> '{"child":false}' WHEN 'wait_any' THEN 0 WHEN 'acquire' THEN 0 ELSE s.how IS NOT NULL END
 OR (s.status = 'done' AND s.kind IN ('await', 'await_event', 'join', 'wait_any') AND typeof(s.output) <> 'text')
 OR (s.status = 'done' AND s.kind = 'spawn' AND json_type(CASE WHEN json_valid(s.output) THEN s.output END) IS NOT 'text'))

-- What the last closing call returned, of a row of _wf_workflow or a document: whether that is anything.
-- name: fragment_closings
('pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled')

-- Whether s, a row of _wf_step, is that of a wait, which WaitRow::check() says whether it can be; w.flags: those of its workflow. (A script's row has
-- what it waits for once it is open.)
-- name: fragment_is_wait
CASE WHEN w.flags & 16 THEN s.kind IN ('await', 'await_event', 'acquire', 'sleep') AND (s.status = 'waiting' OR (s.status = 'ready' AND s.begun_at IS NOT NULL AND s.kind <> 'sleep'))
     ELSE s.kind = 'acquire' OR (s.kind IN ('await', 'await_event', 'join', 'wait_any') AND NOT (s.status = 'done' AND s.topics = '[]')) END

-- What s, the row of a wait, waits for: each thing p, an object, and each member k of it. For FROM; of a row that is no wait, or is damaged, none.
-- name: fragment_things
_wf.json_each(CASE WHEN s.kind IN ('await', 'await_event', 'join', 'wait_any') AND json_valid(s.topics)
                   THEN CASE json_type(s.topics) WHEN 'object' THEN s.topics
                             ELSE json_object('waits', json_array(json_object(CASE s.kind WHEN 'await' THEN 'signal' WHEN 'await_event' THEN 'event' ELSE 'join' END, json(s.topics)))) END
              END, '$.waits') AS p,
_wf.json_each(CASE p.type WHEN 'object' THEN p.value END) AS k

-- The same, and each name t in them, where k is signal, event or join.
-- name: fragment_awaited
{{things}}, _wf.json_each(CASE k.type WHEN 'array' THEN k.value END) AS t

-- Whether s, a row of _wf_step, is the wait that x, a row of _wf_waiter, lists.
-- name: fragment_is_listed_by
s.wf = x.wf AND s.name = CASE instr(x.step, char(31)) WHEN 0 THEN x.step ELSE substr(x.step, 1, instr(x.step, char(31)) - 1) END AND {{s_named}}

-- The key by which _wf_waiter lists the thing p of the wait s.
-- name: fragment_key
s.name || CASE json_type(s.topics) WHEN 'object' THEN char(31) || p.key ELSE '' END

-- What s, the row of a wait of w, waits for, in words.
-- name: fragment_waits_for
CASE WHEN s.kind = 'sleep' THEN 'sleeping'
     WHEN s.kind = 'acquire' AND json_valid(s.topics) THEN 'waiting for a share of ' || coalesce('''' || json_extract(s.topics, '$[0]') || '''' || coalesce(' for ' || json_extract(s.topics, '$[1]'), ''), 'something damaged')
     WHEN s.kind IN ('await', 'await_event', 'join', 'wait_any') THEN 'waiting for ' || coalesce((
       SELECT group_concat(word, CASE WHEN json_type({{sound_topics}}) = 'object' AND json_extract(s.topics, '$.mode') = 'all' THEN ' and ' ELSE ' or ' END)
       FROM (SELECT CASE k.key
                      WHEN 'sleep' THEN 'a time'
                      WHEN 'join' THEN (
                        SELECT CASE WHEN coalesce(json_extract(p.value, '$.mode'), json_extract({{sound_how}}, '$.mode')) = 'any' AND json_type(s.topics) = 'object' THEN 'any of ' ELSE '' END
                               || count(*) || CASE count(*) WHEN 1 THEN ' workflow' ELSE ' workflows' END
                        FROM main._wf_waiter AS x WHERE x.wf = s.wf AND x.step = {{key}})
                      ELSE k.key || ' ' || (SELECT group_concat(t.value, ', ') FROM _wf.json_each(CASE k.type WHEN 'array' THEN k.value END) AS t)
                    END AS word
             FROM {{things}} WHERE k.key IN ('signal', 'event', 'join', 'sleep') ORDER BY p.key)), 'something damaged')
END

-- Whether w, a workflow, is the child that a step of its parent has recorded: parent, step, redo number and id agree.
-- name: fragment_is_recorded_child
(EXISTS (SELECT 1 FROM main._wf_step AS r JOIN main._wf_workflow AS o ON o.seq = r.wf
         WHERE r.wf = w.parent AND r.name = w.parent_step AND {{named}} AND r.kind = 'spawn' AND r.how IS NULL AND r.output = json_quote(w.id)
           AND w.parent_redo = o.redo + coalesce((SELECT redo FROM main._wf_redo WHERE wf = r.wf AND step = r.name), 0)))

-- Whether w, a workflow, is what :seq means by its id: one that its steps have recorded as that of a child means this child, and no stranger that has
-- come to the id since it was deleted. (Last what takes a look at all steps, once a statement: where children are meant it is not met.)
-- name: fragment_is_meant
((w.parent = :seq AND {{is_recorded_child}})
 OR w.id NOT IN (SELECT json_extract(output, '$') FROM main._wf_step WHERE {{its_rows}} AND kind = 'spawn' AND how IS NULL AND json_valid(output)))

-- The same for s, the row of a wait.
-- name: fragment_is_meant_by_wait
((w.parent = s.wf AND {{is_recorded_child}})
 OR NOT EXISTS (SELECT 1 FROM main._wf_step AS r
                WHERE r.n BETWEEN s.wf << 28 AND s.wf << 28 | 268435455 AND r.kind = 'spawn' AND r.how IS NULL AND r.output = json_quote(w.id)))

-- Whether e, a row of _wf_stream_end, contradicts the items of its stream.
-- name: fragment_wrong_end
(e.first > e.next OR e.closed NOT IN (0, 1)
 OR coalesce((SELECT offset FROM main._wf_stream WHERE wf = e.wf AND stream = e.stream ORDER BY offset LIMIT 1), e.next) <> e.first
 OR CASE WHEN e.closed THEN e.next <> ifnull((SELECT offset + 1 FROM main._wf_stream WHERE wf = e.wf AND stream = e.stream ORDER BY offset DESC LIMIT 1), e.next)
         ELSE e.next > (SELECT offset + 1 FROM main._wf_stream WHERE wf = e.wf AND stream = e.stream ORDER BY offset DESC LIMIT 1) END)

-- Of workflows, those without `late` have started in the order of their created_at. What the next one to start at :now has there: the latest created_at
-- of those before it, where its own is earlier (clocks go back), else NULL. The last row knows, be it late itself or not.
-- name: fragment_latest
(SELECT coalesce(late, created_at) FROM main._wf_workflow NOT INDEXED ORDER BY seq DESC LIMIT 1)

-- name: fragment_late
nullif(max(:now, {{latest}}), :now)

-- The number of the next workflow that ends in the lane of a row of _wf_workflow.
-- name: fragment_next_nth
coalesce((SELECT o.nth FROM main._wf_workflow AS o WHERE o.lane = _wf_workflow.lane AND o.place IS NULL ORDER BY o.nth DESC LIMIT 1), 0) + 1

-- What column gone of a row of _wf_lane has to be.
-- name: fragment_recounted
({{last_nth}}
 - (SELECT count(*) FROM main._wf_workflow AS o WHERE o.lane = _wf_lane.lane AND o.place IS NULL))

-- Of the shares of l, a limit, under the key of k: how many were given before its window began. What was given in all is the last `upto`.
-- name: fragment_given_before
coalesce((SELECT upto FROM main._wf_share WHERE rate = l.name AND per_key = k.per_key AND at <= :now - l.rate_per ORDER BY at DESC LIMIT 1),
         (SELECT upto - n FROM main._wf_share WHERE rate = l.name AND per_key = k.per_key ORDER BY at LIMIT 1), 0)

-- Of workflows, those in index _wf_status: its own words.
-- name: fragment_unusual
status <> CASE WHEN place IS NULL THEN 'completed' WHEN place = 0 THEN 'pending' WHEN place = 1 THEN 'running' WHEN place = 4 THEN 'running' ELSE 'waiting' END

-- The blocks of lanes: each has 256 numbers, of one queue, kind and name.
-- name: fragment_blocks
(WITH RECURSIVE b(first) AS (
   SELECT min(lane) FROM main._wf_lane UNION ALL SELECT (SELECT min(lane) FROM main._wf_lane WHERE lane > b.first | 255) FROM b WHERE b.first IS NOT NULL)
 SELECT l.queue AS queue, l.kind AS kind, l.name AS name, b.first AS first, b.first | 255 AS last FROM b CROSS JOIN main._wf_lane AS l ON l.lane = b.first)

-- The lanes that may hold something due.
-- name: fragment_open_lanes
(SELECT lane, queue, kind, partition FROM main._wf_lane INDEXED BY _wf_lane_turn WHERE turn IS NOT NULL
 UNION ALL SELECT lane, queue, kind, partition FROM main._wf_lane INDEXED BY _wf_lane_open WHERE next_due IS NOT NULL AND next_due <= :now AND turn IS NULL)

-- Whether there are so many of them that what is in them is counted sooner by blocks of lanes than lane by lane. (Both ways count the same: so the indexes
-- alone are looked at, though they may show a lane twice.)
-- name: fragment_many_open
(SELECT count(*) > 1000 FROM (SELECT 1 FROM main._wf_lane INDEXED BY _wf_lane_turn WHERE turn IS NOT NULL
                              UNION ALL SELECT 1 FROM main._wf_lane INDEXED BY _wf_lane_open WHERE next_due IS NOT NULL AND next_due <= :now LIMIT 1001))

-- The number of a new lane: the next one in the last block of its queue, kind and name, or where that is full the first of a new one. (No one gets to
-- 2^62 but by hand, and there is none after 2^63 - 1.)
-- name: fragment_new_lane
coalesce((SELECT CASE WHEN (lane + 1) & 255 THEN lane + 1 END FROM main._wf_lane WHERE queue = :queue AND kind = :kind AND name = :name AND lane < 1 << 62 ORDER BY lane DESC LIMIT 1),
         ((SELECT max(lane) FROM main._wf_lane WHERE lane < 1 << 62) | 255) + 1, 1)

-- What is claimed.
-- name: fragment_claimed
(SELECT seq, lane FROM main._wf_workflow INDEXED BY _wf_due WHERE place IN (1, 4)
 UNION ALL SELECT seq, lane FROM main._wf_workflow INDEXED BY _wf_status WHERE status = 'running' AND {{unusual}})

-- How many of a lane, a row of _wf_lane, failed, were cancelled or are paused. (With a LIMIT all are counted, once.)
-- name: fragment_of_status
coalesce((SELECT c.n FROM (SELECT lane, status, count(*) AS n FROM main._wf_workflow INDEXED BY _wf_status WHERE {{unusual}} AND status IN ('failed', 'cancelled', 'paused')
                           GROUP BY lane, status LIMIT -1) AS c WHERE c.lane = _wf_lane.lane AND c.status

-- Whether what a lane, a row of _wf_lane, says of its numbers is not so.
-- name: fragment_miscounted
(gone IS NOT {{recounted}} OR (partition <> '' AND count_to IS NOT {{last_nth}}) OR count_failed IS NOT {{of_status}} = 'failed'), 0)
 OR count_cancelled IS NOT {{of_status}} = 'cancelled'), 0) OR count_paused IS NOT {{of_status}} = 'paused'), 0))
