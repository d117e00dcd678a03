-- A loop until nothing changes any more: which places of a road map hang together?
--
--   sqlite3 -bail app.db < examples/scripts/converge.sql      again and again; it may be killed anywhere
--
-- Every place takes the smallest number among its neighbours. One iteration is one transaction; a killed run goes on with the next one.
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS place(id INTEGER PRIMARY KEY, part INTEGER);
CREATE TABLE IF NOT EXISTS road(a INTEGER, b INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT OR IGNORE INTO place SELECT i, i FROM n;
-- Three chains of 20 places each, their numbers scattered.
INSERT INTO road SELECT id * 37 % 61, (id + 1) * 37 % 61 FROM place WHERE id % 20 AND NOT EXISTS (SELECT 1 FROM road);

SELECT wf_define('converge', '{
  "steps": [
    {"name": "both_ways", "sql": "INSERT INTO road SELECT b, a FROM road"},
    {"name": "spread", "while": "SELECT coalesce(:spread::changes, 1) > 0 AND :iteration < 1000",
                       "sql": "UPDATE place SET part = (SELECT min(other.part) FROM road JOIN place AS other ON other.id = b WHERE a = place.id) WHERE part > (SELECT min(other.part) FROM road JOIN place AS other ON other.id = b WHERE a = place.id)"},
    {"name": "parts",  "sql": "SELECT part, count(*) AS places FROM place GROUP BY part", "rows": "all"}
  ],
  "output": "SELECT :parts"
}') AS converge_version;

SELECT wf_start('converge', NULL, '{"id": "map"}');
SELECT wf_run();

.headers on
.mode column
SELECT wf_status('map') AS status, wf_result('map') AS parts;
SELECT part, count(*) AS places, min(id) AS first, max(id) AS last FROM place GROUP BY part;
