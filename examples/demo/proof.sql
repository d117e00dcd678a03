-- Every object of the files (:dir), read again from the disk, against every row of the tables.
CREATE TEMP TABLE expected(id, value);
INSERT INTO expected
  SELECT file.id, CASE
    WHEN standard = '3166-1' THEN json_array(json_extract(value, '$.alpha_2'), json_extract(value, '$.alpha_3'), json_extract(value, '$.numeric'),
      json_extract(value, '$.name'), json_extract(value, '$.official_name'), json_extract(value, '$.common_name'), json_extract(value, '$.flag'))
    WHEN standard = '3166-2' THEN json_array(json_extract(value, '$.code'), substr(json_extract(value, '$.code'), 1, 2),
      json_extract(value, '$.type'), json_extract(value, '$.name'), json_extract(value, '$.parent'))
    WHEN standard = '3166-3' THEN json_array(json_extract(value, '$.alpha_4'), json_extract(value, '$.alpha_3'), json_extract(value, '$.alpha_2'),
      json_extract(value, '$.numeric'), json_extract(value, '$.name'), json_extract(value, '$.withdrawal_date'), json_extract(value, '$.comment'))
    WHEN standard = '15924' THEN json_array(json_extract(value, '$.alpha_4'), json_extract(value, '$.numeric'), json_extract(value, '$.name'))
    WHEN standard = '4217' THEN json_array(json_extract(value, '$.alpha_3'), json_extract(value, '$.numeric'), json_extract(value, '$.name'))
    ELSE json_array(json_extract(value, '$.alpha_3'), json_extract(value, '$.alpha_2'), json_extract(value, '$.bibliographic'),
      json_extract(value, '$.scope'), json_extract(value, '$.type'), json_extract(value, '$.name'), json_extract(value, '$.inverted_name'),
      json_extract(value, '$.common_name')) END
  FROM (SELECT id, standard, CAST(readfile(:dir || '/' || file) AS TEXT) AS doc FROM source) AS file,
       json_each(doc, '$."' || file.standard || '"');

CREATE TEMP TABLE found(id, value);
INSERT INTO found
  SELECT (SELECT id FROM source WHERE standard = '3166-1'), json_array(alpha_2, alpha_3, numeric, name, official_name, common_name, flag)
    FROM country UNION ALL
  SELECT (SELECT id FROM source WHERE standard = '3166-2'), json_array(code, country, type, name, parent) FROM subdivision UNION ALL
  SELECT (SELECT id FROM source WHERE standard = '3166-3'), json_array(alpha_4, alpha_3, alpha_2, numeric, name, withdrawal_date, comment)
    FROM former_country UNION ALL
  SELECT (SELECT id FROM source WHERE standard = '15924'), json_array(alpha_4, numeric, name) FROM script UNION ALL
  SELECT (SELECT id FROM source WHERE standard = '4217'), json_array(alpha_3, numeric, name) FROM currency UNION ALL
  SELECT (SELECT id FROM source WHERE source.standard = language.standard),
         json_array(alpha_3, alpha_2, bibliographic, scope, type, name, inverted_name, common_name) FROM language;

CREATE TEMP TABLE proof AS
  SELECT id, file, wf_status(id) AS status, objects, rows, twice, missing, unknown,
         CASE WHEN wf_status(id) = 'completed' AND objects > 0 AND rows = objects AND twice + missing + unknown = 0
              THEN 'yes' ELSE 'NO' END AS each_once
  FROM (SELECT id, file,
          (SELECT count(*) FROM expected WHERE id = source.id) AS objects,
          (SELECT count(*) FROM found WHERE id = source.id) AS rows,
          (SELECT count(*) - count(DISTINCT value) FROM found WHERE id = source.id) AS twice,
          (SELECT count(*) FROM (SELECT value FROM expected WHERE id = source.id EXCEPT SELECT value FROM found WHERE id = source.id)) AS missing,
          (SELECT count(*) FROM (SELECT value FROM found WHERE id = source.id EXCEPT SELECT value FROM expected WHERE id = source.id)) AS unknown
        FROM source);
SELECT * FROM proof;
SELECT sum(objects) AS objects_in_files, sum(rows) AS rows_in_tables, sum(each_once = 'yes') || ' of ' || count(*) AS files_proved,
       (SELECT integrity_check FROM pragma_integrity_check) AS integrity_check
  FROM proof;

-- For the driver: one word.
.mode list
.headers off
.once verdict
SELECT CASE WHEN count(*) = 8 AND min(each_once = 'yes') AND (SELECT integrity_check FROM pragma_integrity_check) = 'ok'
            THEN 'proved' ELSE 'failed' END
  FROM proof;
