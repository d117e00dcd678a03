-- Lines of those who wait for shares: one for each key of a limit.

-- name: line_of
SELECT place, amount, due_at, rate, per_key FROM main._wf_line WHERE wf = :seq AND step = :step

-- name: line_last
SELECT place, due_at FROM main._wf_line WHERE rate = :rate AND per_key = :key ORDER BY place DESC LIMIT 1

-- What is before the first who is waited for; when the one before :place is due; and when the one is whose window ends before that of :place.
-- name: line_ahead
SELECT (SELECT place - amount FROM main._wf_line WHERE rate = :rate AND per_key = :key AND due_at > :expired ORDER BY due_at, place LIMIT 1),
       (SELECT due_at FROM main._wf_line WHERE rate = :rate AND per_key = :key AND place < :place ORDER BY place DESC LIMIT 1),
       (SELECT due_at FROM main._wf_line WHERE rate = :rate AND per_key = :key AND place >= :edge AND place < :place ORDER BY place LIMIT 1)

-- What those before :place and after :edge wait for, who are waited for: exact where some have left, up to :rows of them.
-- name: line_sum
SELECT total(amount) FROM (
  SELECT amount FROM main._wf_line WHERE rate = :rate AND per_key = :key AND place > :edge AND place < :place AND due_at > :expired ORDER BY place LIMIT +:rows)

-- name: line_join
INSERT INTO main._wf_line(rate, per_key, place, wf, step, amount, due_at) VALUES(:rate, :key, :place, :seq, :step, :n, :due)

-- From :place on nobody is due before :due, and for each :limit shares a window later.
-- name: line_put_back all
UPDATE main._wf_line SET due_at = min(:due + :per * ((place - :place) / :limit), 253402300799999)
WHERE rate = :rate AND per_key = :key AND place >= :place AND due_at < min(:due + :per * ((place - :place) / :limit), 253402300799999)

-- name: line_call or more
UPDATE main._wf_line SET due_at = :due WHERE rate = :rate AND per_key = :key AND place = :place

-- The first who is not due yet.
-- name: line_next_due
SELECT place, amount, due_at, wf, step FROM main._wf_line WHERE rate = :rate AND per_key = :key AND due_at > :now ORDER BY due_at, place LIMIT 1

-- The first one after :place.
-- name: line_next
SELECT place, amount, due_at, wf, step FROM main._wf_line WHERE rate = :rate AND per_key = :key AND place > :place ORDER BY place LIMIT 1

-- name: line_any_of
SELECT step, rate, per_key FROM main._wf_line WHERE wf = :seq ORDER BY step LIMIT 1

-- name: line_leave all
DELETE FROM main._wf_line WHERE wf = :seq AND step = :step

-- The lane of a workflow that waits, whether it would not be looked at before :due, and whether it is scripted: then other steps may be at work.
-- name: line_lane
SELECT lane, due_at IS NULL OR due_at > :due, flags & 16 FROM main._wf_workflow
WHERE seq = :seq AND ('waiting' IN (status, paused_from) OR (flags & 16 AND finished_at IS NULL))

-- Each step of a scripted one is looked at in its own time.
-- name: line_wake_step all
UPDATE main._wf_step SET due_at = :due
WHERE wf = :seq AND name = :step AND {{named}} AND status = 'waiting' AND (due_at IS NULL OR due_at > :due)

-- name: line_wake
UPDATE main._wf_workflow
SET due_at = :due, wake = 2, place = CASE WHEN status = 'paused' OR flags & 1 THEN 2 WHEN again THEN 0 ELSE 3 END
WHERE seq = :seq
