-- An order, as a script that may be killed anywhere and run again:
--
--   sqlite3 -bail app.db < examples/order.sql
--
-- Every run executes the whole script; what is recorded is not done again. With -bail the shell stops at the first
-- error, and the next run continues there. Run it where build/libwfext.so is, or load the module with -cmd instead.
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS stock(sku TEXT PRIMARY KEY, free INTEGER CHECK(free >= 0));
CREATE TABLE IF NOT EXISTS shipment(order_id, sku, qty);
CREATE TABLE IF NOT EXISTS payment(key TEXT PRIMARY KEY, cents); -- stands for the payment service, which is not in this file
INSERT OR IGNORE INTO stock VALUES('tea', 10);

-- Start: the same id, name and input again change nothing.
SELECT wf_start('order', '{"sku": "tea", "qty": 3, "cents": 1200}', '{"id": "order-1"}');

-- A step in SQL. The rows and the record commit together: exactly once.
BEGIN IMMEDIATE;
UPDATE stock SET free = free - 3 WHERE sku = 'tea' AND (SELECT wf_step('order-1', 'reserve')) IS NULL;
SELECT wf_step('order-1', 'reserve', json_object('free', free)) FROM stock WHERE sku = 'tea';
COMMIT;

-- A step outside of the file. A crash after the charge and before the record charges again: at least once. So the
-- service gets the step's key, which is the same in every run, and charges once for each key.
INSERT OR IGNORE INTO payment SELECT wf_key('order-1', 'charge'), 1200 WHERE (SELECT wf_step('order-1', 'charge')) IS NULL;
SELECT wf_step('order-1', 'charge', json_object('payment', key)) FROM payment WHERE key = wf_key('order-1', 'charge');

-- The last step, and the end.
BEGIN IMMEDIATE;
INSERT INTO shipment SELECT 'order-1', 'tea', 3 WHERE (SELECT wf_step('order-1', 'ship')) IS NULL;
SELECT wf_step('order-1', 'ship', json_object('shipped', 3));
SELECT wf_complete('order-1', json_object('payment', json_extract(wf_step('order-1', 'charge'), '$.payment')));
COMMIT;

SELECT wf_status('order-1'), wf_result('order-1');
