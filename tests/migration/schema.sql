-- One version of the file format more than there is, for tests only. What it makes does not matter, but running it twice would show:
-- the column exists then, and the rows are copied again.

-- name: schema_2
ALTER TABLE main._wf_workflow ADD COLUMN next INTEGER;
CREATE TABLE main._wf_next(seq INTEGER);
CREATE INDEX main._wf_next_seq ON _wf_next(seq);
INSERT INTO main._wf_next(seq) SELECT seq FROM main._wf_workflow;
UPDATE main._wf_workflow SET next = coalesce(next, 0) + 1;
