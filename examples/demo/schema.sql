-- The application's own tables, in the same file as the engine's. None of them has a unique key, on purpose:
-- a row that a crash made the import insert twice would stay there and show in the proof.
CREATE TABLE IF NOT EXISTS source(id, file, standard);    -- what is imported: one workflow for each row
CREATE TABLE IF NOT EXISTS raw(id, doc NOT NULL);         -- staging: a file as it was read
CREATE TABLE IF NOT EXISTS item(id, n, doc);              -- staging: its objects, numbered
CREATE TABLE IF NOT EXISTS country(alpha_2, alpha_3, numeric, name, official_name, common_name, flag);
CREATE TABLE IF NOT EXISTS former_country(alpha_4, alpha_3, alpha_2, numeric, name, withdrawal_date, comment);
CREATE TABLE IF NOT EXISTS subdivision(code, country, type, name, parent);
CREATE TABLE IF NOT EXISTS language(standard, alpha_3, alpha_2, bibliographic, scope, type, name, inverted_name, common_name);
CREATE TABLE IF NOT EXISTS script(alpha_4, numeric, name);
CREATE TABLE IF NOT EXISTS currency(alpha_3, numeric, name);
CREATE TABLE IF NOT EXISTS kill(n INTEGER PRIMARY KEY, after_ms, pending, steps, rows);

CREATE VIEW IF NOT EXISTS loaded(id, rows) AS
  SELECT id, CASE standard
    WHEN '3166-1' THEN (SELECT count(*) FROM country)
    WHEN '3166-2' THEN (SELECT count(*) FROM subdivision)
    WHEN '3166-3' THEN (SELECT count(*) FROM former_country)
    WHEN '15924' THEN (SELECT count(*) FROM script)
    WHEN '4217' THEN (SELECT count(*) FROM currency)
    ELSE (SELECT count(*) FROM language WHERE language.standard = source.standard) END
  FROM source;
