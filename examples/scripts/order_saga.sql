-- A saga: when a later step fails for good, what the earlier steps did is undone, in reverse order.
--
--   sqlite3 -bail app.db < examples/scripts/order_saga.sql    again and again; it may be killed anywhere
--
-- The first order goes through. The second one is reserved and charged, then there is no parcel that is large enough: the money
-- goes back, then the goods. Each step and each undo is one transaction with its record: exactly once.
.load build/libwfext
PRAGMA busy_timeout = 5000;

CREATE TABLE IF NOT EXISTS stock(sku TEXT PRIMARY KEY, free INTEGER CHECK(free >= 0));
CREATE TABLE IF NOT EXISTS account(customer TEXT PRIMARY KEY, cents INTEGER CHECK(cents >= 0));
CREATE TABLE IF NOT EXISTS parcel(order_id TEXT, qty INTEGER CHECK(qty <= 5));
CREATE TABLE IF NOT EXISTS journal(n INTEGER PRIMARY KEY, order_id TEXT, what TEXT);
INSERT OR IGNORE INTO stock VALUES ('tea', 20);
INSERT OR IGNORE INTO account VALUES ('ann', 10000), ('bob', 10000);

SELECT wf_define('order', '{
  "input": {"customer": "text", "sku": "text", "qty": "integer", "cents": "integer"},
  "max_attempts": 1,
  "steps": [
    {"name": "reserve", "sql": "UPDATE stock SET free = free - :qty WHERE sku = :sku", "expect": 1,
                        "undo": "UPDATE stock SET free = free + :qty WHERE sku = :sku"},
    {"name": "charge",  "sql": "UPDATE account SET cents = cents - :cents WHERE customer = :customer", "expect": 1,
                        "undo": "UPDATE account SET cents = cents + :cents WHERE customer = :customer"},
    {"name": "note",    "sql": "INSERT INTO journal(order_id, what) VALUES (:id, ''charged'')",
                        "undo": "INSERT INTO journal(order_id, what) VALUES (:id, ''given back: '' || :error::message)"},
    {"name": "ship",    "sql": "INSERT INTO parcel VALUES (:id, :qty)"}
  ],
  "output": "SELECT json_object(''shipped'', :qty)"
}') AS order_version;

SELECT wf_start('order', '{"customer": "ann", "sku": "tea", "qty": 3, "cents": 1200}', '{"id": "order-1"}');
SELECT wf_start('order', '{"customer": "bob", "sku": "tea", "qty": 9, "cents": 3600}', '{"id": "order-2"}');
SELECT wf_run();

.headers on
.mode column
SELECT id, status, output, json_extract(error, '$.message') AS error FROM wf_workflows WHERE name = 'order' ORDER BY id;
SELECT workflow_id, name, status FROM wf_steps WHERE workflow_id IN ('order-1', 'order-2') ORDER BY workflow_id, seq;
SELECT (SELECT free FROM stock) AS tea, (SELECT cents FROM account WHERE customer = 'ann') AS ann, (SELECT cents FROM account WHERE customer = 'bob') AS bob;
SELECT order_id, what FROM journal;
