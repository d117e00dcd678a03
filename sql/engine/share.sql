-- Shares of limits for calls. A limit has for each key (:key) a window of its own.

-- name: share_limit
SELECT rate_limit, rate_per FROM main._wf_limit WHERE name = :rate

-- The limit, how many shares were given in all, when the last of them were, how many before the window began, and whether there is a line.
-- name: share_look
SELECT l.rate_limit, l.rate_per, coalesce(s.upto, 0), s.at, {{given_before}}, EXISTS (SELECT 1 FROM main._wf_line WHERE rate = :rate AND per_key = :key)
FROM main._wf_limit AS l, (SELECT :key AS per_key) AS k LEFT JOIN main._wf_share AS s ON s.rate = :rate AND s.per_key = :key
WHERE l.name = :rate ORDER BY s.at DESC LIMIT 1

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

-- Up to when they count no more, as far as 32 of them. (Said beside the statement that deletes them, which with a SELECT would keep them in a table of its own.)
-- name: share_old
SELECT coalesce((SELECT at FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at <= :now - l.rate_per ORDER BY at LIMIT 1 OFFSET 31),
                (SELECT at FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at <= :now - l.rate_per ORDER BY at DESC LIMIT 1))
FROM main._wf_limit AS l WHERE l.name = :rate

-- name: share_prune
DELETE FROM main._wf_share WHERE rate = :rate AND per_key = :key AND at <= :old
