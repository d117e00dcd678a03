-- Children.

-- name: spawn_record
INSERT INTO main._wf_step(wf, name, kind, status, attempts, at, output) VALUES(:seq, :step, 'spawn', 'done', 1, :now, :output)
