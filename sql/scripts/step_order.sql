-- Which steps come next.

-- name: run_done
SELECT name FROM main._wf_step WHERE {{its_rows}} AND status = 'done' AND kind <> 'undo' ORDER BY n DESC
