-- The file format. docs/file-format.md explains every column.
-- schema_<n> makes version n out of version n - 1, and is never changed once it was released: see CONTRIBUTING.md.
-- Times are integer milliseconds since 1970-01-01 UTC, durations integer milliseconds.
-- Everything here stays readable by SQLite 3.31 without the extension.

-- name: schema_1
-- (_wf_meta is made before, by create_meta in base.sql.)

-- A lane is everything that decides the order and the admission of a claim, once per distinct combination. Each 256 numbers of lanes, a block, are of one
-- queue, kind and name, so that these are counted without a look at each lane.
CREATE TABLE IF NOT EXISTS main._wf_lane(
  lane INTEGER PRIMARY KEY,
  queue TEXT NOT NULL,
  kind INTEGER NOT NULL,               -- 0 claimed by workers, 1 SQL-scripted (advanced by wf_run)
  partition TEXT NOT NULL,             -- '' = none
  name TEXT NOT NULL,
  version TEXT NOT NULL,               -- '' = none
  priority INTEGER NOT NULL,
  line INTEGER NOT NULL,               -- 0 loose (no partition), 1 in line, 2 its time is to come, 3 its partition is full
  next_due INTEGER,                    -- not in line: nothing can be claimed before it; NULL: nothing to claim
  turn INTEGER,                        -- in line, or full: the lowest comes first
  gone INTEGER NOT NULL DEFAULT 0,     -- of its workflows that have ended: how many numbers up to the last `nth` none of them has any more
  count_to INTEGER NOT NULL DEFAULT 0, -- with a partition: that last `nth`
  count_failed INTEGER NOT NULL DEFAULT 0, count_cancelled INTEGER NOT NULL DEFAULT 0, count_paused INTEGER NOT NULL DEFAULT 0,  -- its workflows of these
  UNIQUE(queue, kind, partition, name, version, priority)
);
-- (Not kind = 1: where a statement says kind = :kind, SQLite would compile it anew for every value, to see whether this index fits.)
CREATE INDEX IF NOT EXISTS main._wf_lane_scripted ON _wf_lane(queue) WHERE kind > 0;
CREATE INDEX IF NOT EXISTS main._wf_lane_open ON _wf_lane(queue, kind, priority DESC, line DESC, next_due) WHERE next_due IS NOT NULL;
CREATE INDEX IF NOT EXISTS main._wf_lane_block ON _wf_lane(queue, kind, name, lane);
CREATE INDEX IF NOT EXISTS main._wf_lane_turn ON _wf_lane(queue, kind, priority DESC, line, turn) WHERE turn IS NOT NULL;

CREATE TABLE IF NOT EXISTS main._wf_workflow(
  seq INTEGER PRIMARY KEY              -- start order; first half of the run token
      CONSTRAINT _wf_last_seq CHECK(seq BETWEEN 1 AND 34359738367),  -- so that seq << 28 is a number: see fragment_its_rows
  id TEXT NOT NULL UNIQUE,
  lane INTEGER NOT NULL,
  status TEXT NOT NULL,                -- pending running waiting paused completed failed cancelled
  worker TEXT,                         -- of the last claim (what is asked for among all stands in front: a look at a column takes longer the more stand before it)
  place INTEGER,                       -- 0 in line for an attempt, 1 leased, 2 not offered (parked, paused, manual), 3 in line to be
                                       -- resumed, 4 leased again after a loss, 5 as 3, but behind new work, NULL terminal
  due_at INTEGER,                      -- start, retry, wake-up or lease expiry; never the deadline
  nonce INTEGER,                       -- second half of the current run token
  attempt INTEGER NOT NULL DEFAULT 0,  -- claims that started a new attempt
  resumed INTEGER NOT NULL DEFAULT 0,  -- claims that continued one
  again INTEGER NOT NULL DEFAULT 1,    -- 1: the next claim starts a new attempt
  wake INTEGER NOT NULL DEFAULT 0,     -- why it is in line, or was claimed: 0 start, 1 retry, 2 timer, 3 signal, 4 event, 5 join, 6 lost,
                                       -- 7 recover, 8 release, 9 resume, 10 cleanup
  failures INTEGER NOT NULL DEFAULT 0, -- of the workflow itself, in a row, against max_attempts
  lost INTEGER NOT NULL DEFAULT 0,     -- leases lost in a row
  failed INTEGER NOT NULL DEFAULT 0,   -- failures in all, against max_failures
  mark INTEGER NOT NULL DEFAULT 0,     -- its last step row when it failed or lost a lease: a later one breaks the row
  redo INTEGER NOT NULL DEFAULT 0,     -- of all its steps: part of wf_key, raised when its whole history is dropped
  period INTEGER NOT NULL DEFAULT 1,   -- raised by wf_continue
  claim TEXT,                          -- attempt and worker of the last claim, '2 worker-1', as the rows of its steps have them; room for it
  lease INTEGER,                       -- length of the current lease
  claim_key TEXT,                      -- key of the current claim
  limited TEXT,                        -- queue || x'1f' || partition, while a slot of a limited queue is held
  closed_nonce INTEGER,                -- token of the last closing call; 0: by bare id
  closed TEXT,                         -- what that call returned
  created_at INTEGER NOT NULL,
  started_at INTEGER,                  -- first claim
  attempt_at INTEGER,                  -- the claim that began the last attempt
  finished_at INTEGER,
  updated_at INTEGER NOT NULL,
  deadline_at INTEGER,
  timeout INTEGER,
  paused_from TEXT,                    -- status under the pause
  paused_left INTEGER,                 -- time to the deadline when it was paused
  ending TEXT,                         -- coming status in the second phase
  flags INTEGER NOT NULL DEFAULT 0,    -- 1 manual, 2 cleanup, 4 detached, 8 keeps its slot to the end, 16 scripted in SQL,
                                       -- 32 has opened waits that keep the claim, 64 some of its tree was purged
  max_attempts INTEGER,                -- NULL: of the queue, else the default
  max_failures INTEGER,                -- NULL: of the file, else the default
  backoff TEXT,                        -- JSON, NULL: of the queue, else the default
  parent INTEGER,
  parent_step TEXT,                    -- of a child: the step that has spawned it, and the redo number of that step then
  parent_redo INTEGER,
  scheduled_at INTEGER,                -- nominal time, if a schedule started it
  dedup TEXT,                          -- queue || x'1f' || key
  headers TEXT,
  late INTEGER,                        -- where one that started before it has a later created_at: the latest of those; also of one that was imported
  nth INTEGER,                         -- of one that has ended: the how-manieth of its lane, in the order in which they have ended
  input, output, error                 -- up to 1 KiB each, larger ones in _wf_large; NULL: JSON null
);
-- (Some of these indexes have a column that their WHERE names and that says nothing: so SQLite need not open the table, which costs as much again.)
-- Every live workflow: what the claim walks. And every one that has ended: whether a lane still has any, and how many (the last `nth`, less `gone` of the lane).
CREATE INDEX IF NOT EXISTS main._wf_due ON _wf_workflow(place, lane, nth, due_at);
-- What goes on with an attempt: the claim of a queue whose rate is used up.
CREATE INDEX IF NOT EXISTS main._wf_resumed ON _wf_workflow(due_at) WHERE place > 2;
-- For looking on: those whose status is another than most in their place have, as failed, cancelled and paused ones. (One text is compared where a status
-- changes, and nothing is written where work is done.)
CREATE INDEX IF NOT EXISTS main._wf_status ON _wf_workflow(status, seq, lane, place)
  WHERE status <> CASE WHEN place IS NULL THEN 'completed' WHEN place = 0 THEN 'pending' WHEN place = 1 THEN 'running' WHEN place = 4 THEN 'running' ELSE 'waiting' END;
-- What is not in the order of its created_at (all others are).
CREATE INDEX IF NOT EXISTS main._wf_late ON _wf_workflow(created_at) WHERE late IS NOT NULL;
-- Whose next loss of a lease may be one too many: what wf_tick looks at.
CREATE INDEX IF NOT EXISTS main._wf_lost ON _wf_workflow(due_at) WHERE lost > 0 OR max_attempts = 1;
CREATE INDEX IF NOT EXISTS main._wf_claim_key ON _wf_workflow(claim_key) WHERE claim_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS main._wf_limited ON _wf_workflow(limited, worker, due_at) WHERE limited IS NOT NULL;
CREATE INDEX IF NOT EXISTS main._wf_deadline ON _wf_workflow(deadline_at, finished_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS main._wf_dedup ON _wf_workflow(dedup) WHERE dedup IS NOT NULL AND finished_at IS NULL;
CREATE INDEX IF NOT EXISTS main._wf_child ON _wf_workflow(parent) WHERE parent IS NOT NULL;

CREATE TABLE IF NOT EXISTS main._wf_step(
  n INTEGER PRIMARY KEY,               -- wf << 28 | its place in the order of recording, from 1: see fragment_its_rows
  wf INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,                  -- step sleep await await_event spawn join wait_any acquire
  status TEXT NOT NULL,                -- done error failed waiting begun; of a scripted workflow also ready skipped
  attempts INTEGER NOT NULL,           -- failures, and 1 more once it is done
  begun_at INTEGER,
  at INTEGER NOT NULL,                 -- recorded (or failed, or began to wait) at
  due_at INTEGER,                      -- of a wait
  nonce INTEGER,                       -- the claim that began it; 0: by bare id
  claim TEXT NOT NULL DEFAULT '',      -- attempt and worker by which the row was recorded, failed or began, '2 worker-1'; '': by bare id
  hash INTEGER,                        -- fingerprint of what it was called with
  topics TEXT,                         -- what a wait waits for: a JSON array of signals, events or workflow ids, or of a limit
                                       -- and a key; of several things an object: ext/engine/wait_row.h
  how TEXT,                            -- options of a wait, JSON
  output,
  error TEXT,
  named INTEGER DEFAULT 1              -- NULL: only in index _wf_step_name from place 32 on
);
-- The steps of a workflow by their names, but for the first 31 that were recorded where nothing was special: so few are found by looking through them, and each
-- commits one page less. No name is twice there either: see step_record.
CREATE UNIQUE INDEX IF NOT EXISTS main._wf_step_name ON _wf_step(wf, name) WHERE named OR n & 268435424;
CREATE INDEX IF NOT EXISTS main._wf_open ON _wf_step(status, wf, due_at) WHERE status = 'waiting' OR status = 'begun' OR status = 'ready';
-- Steps in doubt that hold their workflow.
CREATE INDEX IF NOT EXISTS main._wf_held ON _wf_step(wf) WHERE status = 'waiting' AND kind = 'step';

INSERT OR IGNORE INTO main._wf_meta(key, value) VALUES('schema_version', 1), ('epoch', 1);

-- name: script_large
-- Values over 1 KiB, so that a claim does not drag them along. A rowid table on purpose: its index stays small.
CREATE TABLE IF NOT EXISTS main._wf_large(
  wf INTEGER NOT NULL,
  what INTEGER NOT NULL,               -- 0 input, 1 output, 2 error; 3 the first input, after wf_continue with another, be it large or not
  size INTEGER NOT NULL,               -- bytes of the value: known without reading it
  value,
  PRIMARY KEY(wf, what)
);

-- name: script_redo
-- How often steps that were recorded have been dropped, to be done again. Rows of such steps alone.
CREATE TABLE IF NOT EXISTS main._wf_redo(
  wf INTEGER NOT NULL,
  step TEXT NOT NULL,
  redo INTEGER NOT NULL,               -- beside that of the workflow
  PRIMARY KEY(wf, step)
) WITHOUT ROWID;

-- name: script_gone
-- Workflows that are deleted, and of which rows of other tables are left to be cleared away.
CREATE TABLE IF NOT EXISTS main._wf_gone(
  wf INTEGER PRIMARY KEY
);

-- name: script_failure
CREATE TABLE IF NOT EXISTS main._wf_failure(
  n INTEGER PRIMARY KEY,               -- as that of _wf_step
  wf INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  step TEXT,
  worker TEXT,
  claimed_at INTEGER,                  -- when the attempt was claimed
  error TEXT NOT NULL,                 -- JSON
  at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS main._wf_failure_at ON _wf_failure(at);

-- name: script_queue
CREATE TABLE IF NOT EXISTS main._wf_queue(
  queue TEXT NOT NULL PRIMARY KEY,
  concurrency INTEGER,
  worker_concurrency INTEGER,
  partition_concurrency INTEGER,
  hold TEXT,                           -- lease (NULL) or started
  rate_limit INTEGER,
  rate_per INTEGER,
  paused INTEGER NOT NULL DEFAULT 0,
  lease INTEGER,
  max_attempts INTEGER,
  backoff TEXT
) WITHOUT ROWID;

-- name: script_signal
-- Messages to one workflow, each taken by one await.
CREATE TABLE IF NOT EXISTS main._wf_signal(
  n INTEGER PRIMARY KEY,               -- as that of _wf_step: order of arrival
  wf INTEGER NOT NULL,
  name TEXT NOT NULL,
  key TEXT,
  at INTEGER NOT NULL,
  taken INTEGER,                       -- n of the await that took it; NULL: in line; 0: in a period that is over, and only its key is left
  payload
);
CREATE INDEX IF NOT EXISTS main._wf_signal_queue ON _wf_signal(wf, name, taken);
CREATE UNIQUE INDEX IF NOT EXISTS main._wf_signal_key ON _wf_signal(wf, name, key) WHERE key IS NOT NULL;

-- name: script_event
-- Named facts for everyone, and who waits for one ('e' || event) or for a workflow to end ('w' || seq).
CREATE TABLE IF NOT EXISTS main._wf_event(
  name TEXT NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  payload
);

-- name: script_waiter
CREATE TABLE IF NOT EXISTS main._wf_waiter(
  topic TEXT NOT NULL,
  wf INTEGER NOT NULL,
  step TEXT NOT NULL,                  -- its step that waits; of one for several things with char(31) and the number of the thing
  PRIMARY KEY(topic, wf, step)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS main._wf_waiter_of ON _wf_waiter(wf, step);

-- name: script_value
CREATE TABLE IF NOT EXISTS main._wf_value(
  wf INTEGER NOT NULL,
  key TEXT NOT NULL,
  at INTEGER NOT NULL,
  value,
  PRIMARY KEY(wf, key)
);

-- name: script_stream
CREATE TABLE IF NOT EXISTS main._wf_stream(
  wf INTEGER NOT NULL,
  stream TEXT NOT NULL,
  offset INTEGER NOT NULL,
  at INTEGER NOT NULL,
  value,
  PRIMARY KEY(wf, stream, offset)
);

-- name: script_tag
-- Tags, by which workflows are found.
CREATE TABLE IF NOT EXISTS main._wf_tag(
  wf INTEGER NOT NULL,
  key TEXT NOT NULL,
  tag TEXT NOT NULL,                   -- key=value
  PRIMARY KEY(wf, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS main._wf_tag_of ON _wf_tag(tag, wf);

-- name: script_stream_end
-- Streams that were trimmed or closed, and no others.
CREATE TABLE IF NOT EXISTS main._wf_stream_end(
  wf INTEGER NOT NULL,
  stream TEXT NOT NULL,
  first INTEGER NOT NULL,              -- what was appended before this offset has been trimmed
  next INTEGER NOT NULL,               -- when it was trimmed last, or closed, it went on at this offset
  closed INTEGER NOT NULL,
  PRIMARY KEY(wf, stream)
) WITHOUT ROWID;

-- name: script_rate
-- First claims of a queue with a rate limit, inside its window.
CREATE TABLE IF NOT EXISTS main._wf_rate(
  queue TEXT NOT NULL,
  at INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY(queue, at)
) WITHOUT ROWID;

-- name: script_limit
-- Limits for calls (wf_rate), the shares that were given of them, inside their windows, and who waits for one.
CREATE TABLE IF NOT EXISTS main._wf_limit(
  name TEXT NOT NULL PRIMARY KEY,
  rate_limit INTEGER NOT NULL,
  rate_per INTEGER NOT NULL
) WITHOUT ROWID;

-- name: script_share
CREATE TABLE IF NOT EXISTS main._wf_share(
  rate TEXT NOT NULL,                  -- name of the limit
  per_key TEXT NOT NULL,               -- '' = none
  at INTEGER NOT NULL,
  n INTEGER NOT NULL,
  upto INTEGER NOT NULL,               -- these and all that were given before, so that nothing need be added up
  PRIMARY KEY(rate, per_key, at)
) WITHOUT ROWID;

-- name: script_line
CREATE TABLE IF NOT EXISTS main._wf_line(
  rate TEXT NOT NULL,
  per_key TEXT NOT NULL,
  place INTEGER NOT NULL,              -- in order of arrival: that of the one before, and the amount
  wf INTEGER NOT NULL,
  step TEXT NOT NULL,                  -- its step that waits
  amount INTEGER NOT NULL,
  due_at INTEGER NOT NULL,             -- when its share is there if all before it take theirs
  PRIMARY KEY(rate, per_key, place)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS main._wf_line_of ON _wf_line(wf, step);
CREATE INDEX IF NOT EXISTS main._wf_line_due ON _wf_line(rate, per_key, due_at, place);

-- name: script_schedule
CREATE TABLE IF NOT EXISTS main._wf_schedule(
  name TEXT NOT NULL PRIMARY KEY,
  cron TEXT NOT NULL,
  workflow TEXT NOT NULL,
  settings TEXT NOT NULL,              -- JSON: timezone catch_up grace overlap start
  paused INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER,                     -- next nominal time, NULL: never
  last_at INTEGER,                     -- last nominal time that was started
  skipped INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  input
);
CREATE INDEX IF NOT EXISTS main._wf_schedule_next ON _wf_schedule(next_at, paused) WHERE next_at IS NOT NULL AND paused = 0;

-- name: script_trouble
-- What time has made due and could not be done: put off, and tried again.
CREATE TABLE IF NOT EXISTS main._wf_trouble(
  wf INTEGER NOT NULL,                 -- the workflow; 0: a schedule
  schedule TEXT NOT NULL,              -- its name; '': a workflow
  tries INTEGER NOT NULL,              -- how often it has failed in a row
  at INTEGER NOT NULL,                 -- the last time
  next_at INTEGER NOT NULL,            -- everyone looks past it until then
  error TEXT NOT NULL,
  ends INTEGER NOT NULL DEFAULT 0,     -- 1: it is to be cancelled, as what it belongs to has ended; 2: by force, without its second phase
  reason TEXT,                         -- with which
  PRIMARY KEY(wf, schedule)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS main._wf_trouble_next ON _wf_trouble(next_at);

-- name: script_definition
CREATE TABLE IF NOT EXISTS main._wf_definition(
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  current INTEGER NOT NULL,
  definition TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY(name, version)
);
