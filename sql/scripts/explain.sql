-- wf_explain.

-- name: explain_workflow
SELECT w.seq, l.name, l.version, w.status FROM main._wf_workflow AS w JOIN main._wf_lane AS l ON l.lane = w.lane WHERE w.id = :id AND l.kind = 1

-- The state of a step in a few words.
-- name: explain_step
SELECT coalesce((
  SELECT CASE WHEN u.status = 'done' THEN 'undone'
              WHEN u.status = 'failed' THEN 'undo failed'
              WHEN i.undone = i.all_of_them THEN 'undone'
              WHEN i.undone > 0 THEN 'partly undone'
              WHEN s.status IN ('done', 'skipped', 'failed') THEN s.status
              WHEN json_extract({{sound_how}}, '$.items') IS NOT NULL THEN
                (SELECT count(*) FROM main._wf_step WHERE wf = :seq AND {{named}} AND name >= :step || '[' AND name < :step || '\' AND status NOT IN ('ready', 'waiting'))
                || ' of ' || json_extract(s.how, '$.items')
              WHEN s.status = 'waiting' THEN 'waiting'
              WHEN s.error IS NOT NULL THEN 'retry ' || (s.attempts + 1)
              WHEN json_extract({{sound_how}}, '$.iteration') IS NOT NULL THEN 'round ' || (json_extract(s.how, '$.iteration') + 1)
              ELSE 'ready' END
  FROM main._wf_step AS s LEFT JOIN main._wf_step AS u ON u.wf = s.wf AND {{u_named}} AND u.name = 'undo ' || s.name
  LEFT JOIN (SELECT sum(status = 'done') AS undone, count(*) AS all_of_them FROM main._wf_step
             WHERE wf = :seq AND {{named}} AND name >= 'undo ' || :step || '[' AND name < 'undo ' || :step || '\') AS i
  WHERE s.wf = :seq AND s.name = :step AND {{s_named}}), 'planned')
