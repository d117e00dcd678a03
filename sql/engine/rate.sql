-- Limits for calls.

-- name: rate_put
INSERT INTO main._wf_limit(name, rate_limit, rate_per) VALUES(:rate, :limit, :per)
ON CONFLICT(name) DO UPDATE SET rate_limit = excluded.rate_limit, rate_per = excluded.rate_per

-- name: rate_drop all
DELETE FROM main._wf_limit WHERE name = :rate

-- What was spent counts on where the limit comes back within its window. (Of those that never came back, for a year.)
-- name: rate_drop_shares all
DELETE FROM main._wf_share WHERE rate = :rate AND at <= :now - :per

-- name: rate_drop_forgotten all
DELETE FROM main._wf_share WHERE at <= :now - 31622400000 AND rate NOT IN (SELECT name FROM main._wf_limit)

-- The keys under which someone waits, one after the other. (A hand edit may have put in what is no text.)
-- name: rate_first_line
SELECT per_key FROM main._wf_line WHERE rate = :rate AND typeof(per_key) = 'text' ORDER BY per_key LIMIT 1

-- name: rate_next_line
SELECT per_key FROM main._wf_line WHERE rate = :rate AND per_key > :key AND typeof(per_key) = 'text' ORDER BY per_key LIMIT 1
