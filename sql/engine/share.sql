-- Shares of limits for calls. A limit has for each key (:key) a window of its own.

-- name: share_limit
SELECT rate_limit, rate_per FROM main._wf_limit WHERE name = :rate

-- The limit, how many shares were given in all, when the last of them were, how many before the window began, and whether there is a line.
-- name: share_look
SELECT l.rate_limit, l.rate_per,
       coalesce((SELECT upto FROM main._wf_share WHERE rate = :rate AND per_key = :key ORDER BY at DESC LIMIT 1), 0),
       (SELECT at FROM main._wf_share WHERE rate = :rate AND per_key = :key ORDER BY at DESC LIMIT 1),
       coalesce((SELECT upto FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at <= :now - l.rate_per ORDER BY at DESC LIMIT 1),
                (SELECT upto - n FROM main._wf_share WHERE rate = :rate AND per_key = :key ORDER BY at LIMIT 1), 0),
       EXISTS (SELECT 1 FROM main._wf_line WHERE rate = :rate AND per_key = :key)
FROM main._wf_limit AS l WHERE l.name = :rate

-- The share by which so many were given, of those in the window: once it has left it there is room.
-- name: share_gives_back
SELECT at FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at > :now - :per AND upto >= :need ORDER BY at LIMIT 1

-- name: share_add
INSERT INTO main._wf_share(rate, per_key, at, n, upto) VALUES(:rate, :key, :now, :n, :upto)
ON CONFLICT(rate, per_key, at) DO UPDATE SET n = n + excluded.n, upto = excluded.upto

-- Those later than now are of a clock that was wrong: how many, to be given now.
-- name: share_later
SELECT total(n) FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at > :now

-- name: share_cut all
DELETE FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at > :now

-- The key after :key, or the first: of keys that are used no more nobody else clears the shares away.
-- name: share_neighbour
SELECT coalesce((SELECT per_key FROM main._wf_share WHERE rate = :rate AND per_key > :key ORDER BY per_key LIMIT 1),
                (SELECT per_key FROM main._wf_share WHERE rate = :rate ORDER BY per_key LIMIT 1))

-- name: share_prune
DELETE FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at IN (
  SELECT at FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at <= :now - (SELECT rate_per FROM main._wf_limit WHERE name = :rate) ORDER BY at LIMIT 32)
