-- A share that is free, and nobody in line.

-- Gives it to a step if that is plain: the token is the current claim, with no need to renew its lease, the step is new, and the key was used before (of
-- a new one those beside it are cleared away). One statement, which also takes the write lock; where it is not plain, and nothing is
-- written, wait.cpp finds out why.
-- name: acquire_share
INSERT OR IGNORE INTO main._wf_share(rate, per_key, at, n, upto)
VALUES(:rate, :key, :now, :n,
  (SELECT CASE WHEN k.at <= :now AND :n <= l.rate_limit - (k.upto - {{given_before}}) THEN k.upto + :n END
   FROM main._wf_limit AS l JOIN main._wf_share AS k ON k.rate = :rate AND k.per_key = :key
   WHERE l.name = :rate
     AND EXISTS (SELECT 1 FROM main._wf_workflow
                 WHERE seq = :seq AND nonce = :nonce AND due_at - :now >= lease / 2 AND place <> 4 AND status = 'running' AND {{plain_file}})
     AND NOT EXISTS (SELECT 1 FROM main._wf_line WHERE rate = :rate AND per_key = :key)
     AND NOT EXISTS (SELECT 1 FROM main._wf_step WHERE wf = :seq AND name = :step)
   ORDER BY k.at DESC LIMIT 1))
ON CONFLICT(rate, per_key, at) DO UPDATE SET n = n + excluded.n, upto = excluded.upto

-- name: acquire_record
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at, claim, hash, topics, how, output)
VALUES({{next_step}}, :seq, :step, 'acquire', 'done', 1, :now, :now, :due, {{claim}}, :hash, :topics, :how, :output)
