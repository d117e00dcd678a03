-- Fan-out: one step runs for each of 1,000 rows, and goes on where some of them fail.
--
--   sqlite3 -bail app.db < examples/scripts/fanout.sql        again and again; it may be killed anywhere
--
-- Each item is its own transaction with its own record, its own attempts, and its own error. Several shells may run this at once: they
-- share the work.
.load build/libwfext
PRAGMA busy_timeout = 5000;
PRAGMA journal_mode = wal;
PRAGMA synchronous = normal;

CREATE TABLE IF NOT EXISTS document(id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE IF NOT EXISTS word_count(document INTEGER, words INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT OR IGNORE INTO document SELECT i, CASE WHEN i % 100 THEN rtrim(replace(hex(zeroblob(i % 7 + 1)), '00', 'word ')) END FROM n;

-- A document without text breaks the NOT NULL of its row: that item fails, the others do not mind.
SELECT wf_define('count_words', '{
  "steps": [
    {"name": "count", "for_each": "SELECT id FROM document ORDER BY id", "on_error": "continue", "max_attempts": 2, "backoff": {"initial": 0},
                      "sql": "INSERT INTO word_count SELECT id, length(text) - length(replace(text, '' '', '''')) + 1 FROM document WHERE id = :item"}
  ],
  "output": "SELECT json_object(''items'', count(*), ''counted'', count(json_extract(value, ''$.changes'')), ''failed'', count(json_extract(value, ''$.error''))) FROM json_each(:count)"
}') AS count_words_version;

SELECT wf_start('count_words', NULL, '{"id": "count"}');
SELECT wf_run();

.headers on
.mode column
SELECT wf_status('count') AS status, wf_result('count') AS result;
SELECT count(*) AS documents, count(DISTINCT document) AS counted_once, sum(words) AS words FROM word_count;
SELECT name, attempts, json_extract(error, '$.message') AS error FROM wf_steps WHERE workflow_id = 'count' AND status = 'failed' LIMIT 3;
