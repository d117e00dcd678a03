-- Children.

-- name: spawn_record
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, attempt, worker, hash, output)
VALUES({{next_step}}, :seq, :step, 'spawn', 'done', 1, :now, {{attempt}}, {{worker}}, :hash, :output)
