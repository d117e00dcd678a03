-- What shows whether an authorizer lets SQLite leave something out: see ext/base/rights.h. $table and $columns are put in there.

-- name: rights_columns
SELECT * FROM main.$table

-- name: rights_read
EXPLAIN SELECT * FROM main.$table

-- name: rights_update
EXPLAIN UPDATE main.$table SET $columns

-- Each column by the name of what is called, and none NULL: all functions of the engine's statements (a test compares).
-- name: rights_call
SELECT char(97) AS char, coalesce(1, 1) AS coalesce, ifnull(1, 1) AS ifnull, instr(1, 1) AS instr, length(1) AS length, max(1, 1) AS max, min(1, 1) AS min,
  nullif(1, 2) AS "nullif", printf('1') AS printf, quote(1) AS quote, replace(1, 1, 1) AS replace, strftime('1', 1) AS strftime, substr(1, 1) AS substr,
  trim(1) AS trim, typeof(1) AS typeof, (SELECT count(*)) AS count, (SELECT sum(1)) AS sum, (SELECT total(1)) AS total,
  (SELECT group_concat(1)) AS group_concat, hex(1) AS hex

-- name: rights_call_json
SELECT json(1) AS json, json_array() AS json_array, json_array_length('[]') AS json_array_length, json_extract('[1]', '$[0]') AS json_extract,
  json_object() AS json_object, json_quote(1) AS json_quote, json_remove('[]', '$[0]') AS json_remove, json_type('[]') AS json_type, json_valid(1) AS json_valid,
  (SELECT json_group_array(1)) AS json_group_array, (SELECT json_group_object('a', 1)) AS json_group_object, key AS json_each, value AS json_each, type AS json_each,
  atom AS json_each, fullkey AS json_each, path AS json_each
FROM _wf.json_each('[1]')

-- name: rights_recurse
SELECT (WITH RECURSIVE t(i) AS (SELECT 0 UNION ALL SELECT 1 FROM t LIMIT 2) SELECT i FROM t WHERE i > 0) AS "WITH RECURSIVE"

-- Makes two trees, and keeps no column of the row that SQLite changes for it in its own table, or an authorizer is against it. (Without an index for its key SQLite itself crashes where it makes a table WITHOUT ROWID.)
-- name: rights_create
EXPLAIN CREATE TABLE main._wf_none(a PRIMARY KEY)
