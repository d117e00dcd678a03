-- What a person sees after a kill: number :n, :ms milliseconds after the start.
.output /dev/null
.read schema.sql
INSERT INTO kill(n, after_ms, pending, steps, rows)
  SELECT :n, :ms, (SELECT count(*) FROM wf_pending), (SELECT count(*) FROM wf_steps), sum(rows) FROM loaded;
.output
SELECT id, status, reason, (SELECT count(*) FROM wf_steps WHERE workflow_id = pending.id) AS steps,
       (SELECT name FROM wf_steps WHERE workflow_id = pending.id ORDER BY seq DESC LIMIT 1) AS last_step
  FROM wf_pending AS pending;
