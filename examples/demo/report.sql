-- The kills, all steps in short, and the steps of one workflow in full.
.print Each kill, and how much was recorded at that moment:
SELECT n AS kill, after_ms, pending AS workflows_pending, steps AS steps_recorded, rows AS rows_loaded FROM kill ORDER BY n;
.print The steps of all workflows:
SELECT workflow_id, count(*) AS steps, min(recorded_at) AS first, max(recorded_at) AS last FROM wf_steps GROUP BY workflow_id ORDER BY min(seq);
.print The steps of one of them:
SELECT seq, name, kind, status, output, recorded_at FROM wf_steps WHERE workflow_id = 'import subdivisions' ORDER BY seq;
