-- One step: the part :part of :parts of the objects of :id, into the table of their standard.
BEGIN IMMEDIATE;
-- Read: which objects are to do? None, if the step is recorded.
DELETE FROM part;
INSERT INTO part(standard, doc)
  SELECT standard, doc FROM source JOIN item USING (id)
  WHERE id = :id AND n * :parts / (SELECT count(*) FROM item WHERE id = :id) = :part - 1
    AND (SELECT wf_step(:id, printf('load %d of %d', :part, :parts))) IS NULL;
-- Do.
INSERT INTO country
  SELECT json_extract(doc, '$.alpha_2'), json_extract(doc, '$.alpha_3'), json_extract(doc, '$.numeric'), json_extract(doc, '$.name'),
         json_extract(doc, '$.official_name'), json_extract(doc, '$.common_name'), json_extract(doc, '$.flag')
  FROM part WHERE standard = '3166-1';
INSERT INTO former_country
  SELECT json_extract(doc, '$.alpha_4'), json_extract(doc, '$.alpha_3'), json_extract(doc, '$.alpha_2'), json_extract(doc, '$.numeric'),
         json_extract(doc, '$.name'), json_extract(doc, '$.withdrawal_date'), json_extract(doc, '$.comment')
  FROM part WHERE standard = '3166-3';
INSERT INTO subdivision
  SELECT json_extract(doc, '$.code'), substr(json_extract(doc, '$.code'), 1, 2), json_extract(doc, '$.type'), json_extract(doc, '$.name'),
         json_extract(doc, '$.parent')
  FROM part WHERE standard = '3166-2';
INSERT INTO script
  SELECT json_extract(doc, '$.alpha_4'), json_extract(doc, '$.numeric'), json_extract(doc, '$.name')
  FROM part WHERE standard = '15924';
INSERT INTO currency
  SELECT json_extract(doc, '$.alpha_3'), json_extract(doc, '$.numeric'), json_extract(doc, '$.name')
  FROM part WHERE standard = '4217';
INSERT INTO language
  SELECT standard, json_extract(doc, '$.alpha_3'), json_extract(doc, '$.alpha_2'), json_extract(doc, '$.bibliographic'),
         json_extract(doc, '$.scope'), json_extract(doc, '$.type'), json_extract(doc, '$.name'), json_extract(doc, '$.inverted_name'),
         json_extract(doc, '$.common_name')
  FROM part WHERE standard LIKE '639-%';
-- Record.
SELECT wf_step(:id, printf('load %d of %d', :part, :parts), json_object('rows', rows), '{"once": true}')
  FROM (SELECT count(*) AS rows FROM part) WHERE rows > 0;
COMMIT;
