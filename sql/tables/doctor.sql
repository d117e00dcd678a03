-- What wf_doctor asks beside its own query, which has to work on a file without tables.

-- Opens the file, and with it its WAL.
-- name: doctor_open
SELECT 1 FROM main.sqlite_master

-- name: doctor_modes
SELECT j.journal_mode, l.locking_mode FROM _wf.pragma_journal_mode AS j, _wf.pragma_locking_mode AS l

-- name: doctor_rates
SELECT count(*), queue, max(at) FROM main._wf_rate WHERE at > :now

-- Those that are still due, and the one that failed last.
-- name: doctor_troubles
SELECT count(*), CASE x.schedule WHEN '' THEN 'workflow ' || (SELECT w.id FROM main._wf_workflow AS w WHERE w.seq = x.wf) ELSE 'schedule ' || x.schedule END,
       max(x.at), x.error
FROM main._wf_trouble AS x
WHERE CASE x.schedule
        WHEN '' THEN EXISTS (SELECT 1 FROM main._wf_workflow AS w WHERE w.seq = x.wf AND w.place IS NOT NULL AND (x.ends OR w.due_at <= :now OR w.deadline_at <= :now))
        ELSE EXISTS (SELECT 1 FROM main._wf_schedule AS s WHERE s.name = x.schedule AND s.paused = 0 AND s.next_at <= :now) END
