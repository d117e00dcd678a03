-- A trigger that starts a workflow when a row is inserted: the row and its workflow commit together, or neither.
--
--   sqlite3 -bail shop.db < examples/trigger.sql
.load build/libwfext
PRAGMA busy_timeout = 5000;

-- A trigger cannot make the engine's tables, so this comes first. Once in the life of a file; again does no harm.
SELECT wf_init();

CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, sku TEXT, qty INTEGER);
CREATE TRIGGER IF NOT EXISTS order_starts_workflow AFTER INSERT ON orders BEGIN
  SELECT wf_start('order', json_object('sku', new.sku, 'qty', new.qty), json_object('id', 'order-' || new.id));
END;

INSERT INTO orders(sku, qty) VALUES('tea', 3), ('milk', 1);

-- A transaction that is undone starts nothing.
BEGIN;
INSERT INTO orders(sku, qty) VALUES('never', 1);
ROLLBACK;

.mode column
.headers on
SELECT id, name, status, input FROM wf_workflows ORDER BY id;
