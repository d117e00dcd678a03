-- Children.

-- Who was there already, and is not the step's child, is a stranger: who joins it means whatever has its id.
-- name: spawn_record
INSERT INTO main._wf_step(n, wf, name, kind, status, attempts, at, claim, hash, how, output)
VALUES({{next_step}}, :seq, {{new_name}}, 'spawn', 'done', 1, :now, {{claim}}, :hash,
       CASE WHEN NOT EXISTS (SELECT 1 FROM main._wf_workflow WHERE id = :id AND parent = :seq AND parent_step = :step AND parent_redo = :redo) THEN '{"child":false}' END,
       :output)
