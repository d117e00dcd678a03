-- The durable import: kill it anywhere, run it again, until it is done.
--   sqlite3 -bail -cmd '.load ../../build/libwfext' -cmd ".parameter set :dir \"'/usr/share/iso-codes/json'\"" iso.db < import.sql
-- Every run executes this whole script. What is recorded is skipped, so a run continues where the last one was killed.
PRAGMA journal_mode = wal;
BEGIN IMMEDIATE;
.read schema.sql
INSERT INTO source(id, file, standard)
  SELECT 'import ' || column1, 'iso_' || column2 || '.json', column2
  FROM (VALUES ('countries', '3166-1'), ('former countries', '3166-3'), ('subdivisions', '3166-2'), ('scripts', '15924'),
               ('currencies', '4217'), ('languages', '639-2'), ('all languages', '639-3'), ('language families', '639-5'))
  WHERE NOT EXISTS (SELECT 1 FROM source);
-- Starting is idempotent: the same id, name and input again change nothing.
SELECT wf_start('import', json_object('file', file), json_object('id', id)) FROM source;
COMMIT;

CREATE TEMP TABLE part(standard, doc);
.parameter set :parts 5
.parameter set :id "'import countries'"
.read file.sql
.parameter set :id "'import former countries'"
.read file.sql
.parameter set :id "'import subdivisions'"
.read file.sql
.parameter set :id "'import scripts'"
.read file.sql
.parameter set :id "'import currencies'"
.read file.sql
.parameter set :id "'import languages'"
.read file.sql
.parameter set :id "'import all languages'"
.read file.sql
.parameter set :id "'import language families'"
.read file.sql
