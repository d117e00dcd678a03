-- The workflow of one file (:id). Each step is one transaction: the guard reads the step, the rows are written only if
-- it is not recorded, and the record commits together with the rows. `once` says: rows depend on this record being the first.

-- stage: the file as it is.
BEGIN IMMEDIATE;
INSERT INTO raw(id, doc)
  SELECT id, CAST(readfile(:dir || '/' || file) AS TEXT) FROM source
  WHERE id = :id AND (SELECT wf_step(:id, 'stage')) IS NULL;
SELECT wf_step(:id, 'stage', json_object('characters', length(doc)), '{"once": true}') FROM raw
  WHERE id = :id AND (SELECT wf_step(:id, 'stage')) IS NULL;
COMMIT;

-- split: one row for each object.
BEGIN IMMEDIATE;
INSERT INTO item(id, n, doc)
  SELECT source.id, each.key, each.value
  FROM source JOIN raw USING (id), json_each(raw.doc, '$."' || source.standard || '"') AS each
  WHERE source.id = :id AND (SELECT wf_step(:id, 'split')) IS NULL;
SELECT wf_step(:id, 'split', json_object('objects', objects), '{"once": true}')
  FROM (SELECT count(*) AS objects FROM item WHERE id = :id)
  WHERE (SELECT wf_step(:id, 'split')) IS NULL;
COMMIT;

-- load: a fifth of the objects at a time.
.parameter set :part 1
.read load.sql
.parameter set :part 2
.read load.sql
.parameter set :part 3
.read load.sql
.parameter set :part 4
.read load.sql
.parameter set :part 5
.read load.sql

-- check: as many rows as there were objects? If not, retrying would not help.
BEGIN IMMEDIATE;
SELECT CASE WHEN loaded.rows = item.rows
         THEN wf_step(:id, 'check', json_object('rows', loaded.rows))
         ELSE wf_fail(:id, printf('%d objects, but %d rows', item.rows, loaded.rows), '{"retry": false}') END
  FROM loaded, (SELECT count(*) AS rows FROM item WHERE id = :id) AS item
  WHERE loaded.id = :id AND (SELECT wf_step(:id, 'check')) IS NULL;
COMMIT;

-- clean: staging is no longer needed. The last step and the end commit together.
BEGIN IMMEDIATE;
DELETE FROM item WHERE id = :id AND (SELECT wf_step(:id, 'clean')) IS NULL;
DELETE FROM raw WHERE id = :id AND (SELECT wf_step(:id, 'clean')) IS NULL;
SELECT wf_step(:id, 'clean', json_object('staged', (SELECT count(*) FROM item WHERE id = :id)));
SELECT wf_complete(:id, json_object('rows', rows)) FROM loaded WHERE id = :id;
COMMIT;
