-- A load with branches and retries, scripted in SQL: no worker, no program.
--
--   sqlite3 -bail app.db < examples/scripts/etl.sql           again and again; it may be killed anywhere
--
-- `check` fails until the feed is complete (here: until its third attempt), is tried again after the backoff, and leaves nothing behind
-- when it fails. Then two branches run, and `report` after both. `alert` runs only if something was rejected.
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS feed(day TEXT, sku TEXT, amount);
CREATE TABLE IF NOT EXISTS sale(day TEXT, sku TEXT, amount REAL);
CREATE TABLE IF NOT EXISTS rejected(day TEXT, sku TEXT, amount);
CREATE TABLE IF NOT EXISTS alert(text TEXT);
INSERT INTO feed
  SELECT '2026-11-23', column1, column2 FROM (VALUES ('tea', 3.5), ('tea', 4), ('coffee', 'n/a'), ('cocoa', 2.25), (NULL, 9))
  WHERE NOT EXISTS (SELECT 1 FROM feed);

SELECT wf_define('etl', '{
  "input": {"day": "text"},
  "steps": [
    {"name": "check",  "sql": "SELECT CASE WHEN :attempt < 3 THEN json(''only '' || count(*) || '' rows have come'') ELSE count(*) END AS n FROM feed WHERE day = :day",
                       "max_attempts": 5, "backoff": {"initial": 0}},
    {"name": "load",   "sql": "INSERT INTO sale SELECT * FROM feed WHERE day = :day AND sku IS NOT NULL AND typeof(amount) <> ''text''"},
    {"name": "reject", "sql": "INSERT INTO rejected SELECT * FROM feed WHERE day = :day AND (sku IS NULL OR typeof(amount) = ''text'')", "after": "check"},
    {"name": "alert",  "sql": "INSERT INTO alert VALUES (:reject::changes || '' rows rejected on '' || :day)", "when": "SELECT :reject::changes > 0"},
    {"name": "report", "sql": "SELECT sku, sum(amount) AS amount FROM sale WHERE day = :day GROUP BY sku", "rows": "all", "after": ["load", "alert"]}
  ],
  "output": "SELECT json_object(''read'', :check::n, ''loaded'', :load::changes, ''rejected'', :reject::changes, ''report'', json(:report))"
}') AS etl_version;

SELECT wf_start('etl', '{"day": "2026-11-23"}', '{"id": "etl 2026-11-23"}');
SELECT wf_run();

.headers on
.mode column
SELECT name, status, attempts, output FROM wf_steps WHERE workflow_id = 'etl 2026-11-23';
.headers off
.mode list
SELECT wf_status('etl 2026-11-23'), wf_result('etl 2026-11-23');
