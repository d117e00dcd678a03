-- Maintenance every night at three, by whoever runs this script at any time after it: a line of cron is enough.
--
--   sqlite3 -bail app.db < examples/scripts/nightly.sql       again and again; each night is done once
--
-- Old rows are summed up per day and deleted, 500 in each transaction, so that nobody waits long for the write lock. A night that
-- was missed is made up for by the next run; several missed nights are one.
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS event(at TEXT, bytes INTEGER);
CREATE INDEX IF NOT EXISTS event_at ON event(at);
CREATE TABLE IF NOT EXISTS day(day TEXT PRIMARY KEY, events INTEGER, bytes INTEGER);
CREATE TABLE IF NOT EXISTS night(id TEXT, deleted INTEGER, days INTEGER);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
INSERT INTO event SELECT datetime('now', '-' || (i / 50) || ' days', 'start of day', '+' || (i % 50) || ' minutes'), i FROM n
  WHERE NOT EXISTS (SELECT 1 FROM event);

SELECT wf_define('nightly', '{
  "input": {"keep": "text"},
  "steps": [
    {"name": "border", "sql": "SELECT date(:now, :keep) AS day"},
    {"name": "sum_up", "sql": "INSERT OR IGNORE INTO day SELECT date(at), count(*), sum(bytes) FROM event WHERE at < :border::day GROUP BY date(at)"},
    {"name": "delete", "sql": "DELETE FROM event WHERE rowid IN (SELECT rowid FROM event WHERE at < :border::day LIMIT 500)",
                       "while": "SELECT coalesce(:delete::changes, 500) = 500"},
    {"name": "note",   "sql": "INSERT INTO night VALUES (:id, (SELECT sum(events) FROM day), :sum_up::changes)"}
  ]
}') AS nightly_version;

-- The same call again changes nothing.
SELECT wf_schedule('nightly', '0 3 * * *', 'nightly', '{"keep": "-30 days"}') AS next_night;

-- To see something at once: this connection's clock is set to tomorrow. Leave it out, and let cron run the rest.
SELECT wf_clock(datetime('now', '+1 day', 'start of day', '+4 hours')) AS now;
SELECT wf_run();

.headers on
.mode column
SELECT id, status FROM wf_workflows WHERE name = 'nightly' ORDER BY id;
SELECT deleted, days FROM night ORDER BY id;
SELECT count(*) AS kept, min(at) >= date('now', '-29 days') AS young FROM event;
SELECT name, next_at > datetime('now') AS ahead FROM wf_schedules;
