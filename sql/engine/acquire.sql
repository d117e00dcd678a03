-- A share that is free, and nobody in line: two statements, of which the first also takes the write lock.

-- Records it, if the claim is plain: the token is the current claim, with no need to renew its lease, and the step is new. As step_record, but that a claim
-- that is paused gets none. (acquire.cpp knows the order in which the parameters appear.)
-- name: acquire_record
INSERT OR IGNORE INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, claim, due_at, hash, topics, how, output)
VALUES({{next_plain_step}}, :seq, {{new_name}}, 'acquire', 'done', 1, :now, :now,
  (SELECT claim FROM main._wf_workflow WHERE seq = :seq AND nonce = :nonce AND due_at - :now >= lease / 2 AND place = 1 AND {{plain_file}}),
  :due, :hash, :topics, :how, :output)

-- Gives it, where there is room and the key was used before (of a new one those beside it are cleared away). Where nothing is written, the record is undone,
-- and wait.cpp finds out why.
-- name: acquire_share
INSERT OR IGNORE INTO main._wf_share(rate, per_key, at, n, upto)
VALUES(:rate, :key, :now, :n,
  (SELECT CASE WHEN k.at <= :now AND :n <= l.rate_limit - (k.upto - {{given_before}}) THEN k.upto + :n END
   FROM main._wf_limit AS l JOIN main._wf_share AS k ON k.rate = :rate AND k.per_key = :key
   WHERE l.name = :rate AND NOT EXISTS (SELECT 1 FROM main._wf_line WHERE rate = :rate AND per_key = :key)
   ORDER BY k.at DESC LIMIT 1))
ON CONFLICT(rate, per_key, at) DO UPDATE SET n = n + excluded.n, upto = excluded.upto
