// The thread of the database: groups and their errors.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Database, Harness, Invalid, NotFound, WfextError } from "../src/index.ts";
import { later, makeApp, timeout, until, works } from "./support.ts";

function makeDatabase(t: TestContext): Database {
  return makeApp(t).database;
}

const start = (database: Database, id: string): Promise<unknown> => database.call("wf_start", "w", null, JSON.stringify({ id }));
const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

test("an error is its call's own", async (t) => {
  const database = makeDatabase(t);
  const results = await Promise.all([start(database, "1"), database.call("wf_start", ""), database.call("wf_complete", "nobody"), start(database, "2")].map(outcome));
  assert.deepEqual([results[0], results[3]], ["1", "2"]);
  assert.ok(results[1] instanceof Invalid && results[2] instanceof NotFound);
  assert.deepEqual(await database.rows("SELECT count(*) FROM wf_workflows"), [[2]]);
});

test("a rollback of the whole is answered for each", async (t) => {
  const database = makeDatabase(t);
  await database.call("wf_init");
  await database.rows("CREATE TRIGGER stop BEFORE INSERT ON _wf_workflow WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no bad ones'); END");
  const results = await Promise.all(["1", "2", "bad", "3"].map((id) => outcome(start(database, id))));
  assert.deepEqual([results[0], results[1], results[3]], ["1", "2", "3"]);
  assert.match(String(results[2]), /no bad ones/);
  assert.deepEqual(await database.rows("SELECT id FROM wf_workflows ORDER BY id"), [["1"], ["2"], ["3"]]);
});

test("a commit that fails is answered for each", async (t) => {
  const database = makeDatabase(t);
  await database.call("wf_init");
  for (const sql of [
    "PRAGMA foreign_keys = on",
    "CREATE TABLE parent(id PRIMARY KEY)",
    "CREATE TABLE child(id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TRIGGER audit AFTER INSERT ON _wf_workflow WHEN NEW.id = 'bad' BEGIN INSERT INTO child VALUES (NEW.id); END",
  ]) {
    await database.rows(sql);
  }
  const results = await Promise.all(["1", "bad", "2"].map((id) => outcome(start(database, id))));
  assert.deepEqual([results[0], results[2]], ["1", "2"]);
  assert.match(String(results[1]), /FOREIGN KEY/);
  assert.deepEqual(await database.rows("SELECT id FROM wf_workflows ORDER BY id"), [["1"], ["2"]]);
});

test("transactions are whole, and one after the other", async (t) => {
  const database = makeDatabase(t);
  await database.rows("CREATE TABLE t(a)");
  const insert = (a: number, fail = false): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.rows("INSERT INTO t VALUES (?)", a);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (fail) throw new Error("half way");
    });
  const all = await Promise.allSettled([insert(1), insert(2, true), insert(3), start(database, "beside")]);
  assert.deepEqual(all.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  assert.deepEqual(await database.rows("SELECT a FROM t"), [[1], [3]]);
  let kept: { rows(sql: string): Promise<unknown> } | undefined;
  await database.transaction(async (tx) => void (kept = tx));
  await assert.rejects(kept!.rows("INSERT INTO t VALUES (4)"), /has ended/);
});

test("closed", async (t) => {
  const database = makeDatabase(t);
  const id = database.call("wf_start", "w");
  await Promise.all([id, database.close(), database.close()]);
  await assert.rejects(database.call("wf_version"), /is closed/);
  await database.close();
  assert.throws(() => new Database("x.db", { journal: "memory" as never }), WfextError);
});

test("a file that cannot be opened", async (t) => {
  const { path, remove } = Harness.file();
  t.after(remove);
  const database = new Database(join(path, "no", "folder.db"));
  await assert.rejects(database.call("wf_version"), /unable to open/);
  await assert.rejects(database.call("wf_version"), /unable to open/);
  await database.close();
});

test("the event loop goes on while the file is locked", async (t) => {
  const app = makeApp(t);
  await app.database.call("wf_init");
  const held = app.connect<{ exec(sql: string): void; close(): void }>();
  held.exec("BEGIN IMMEDIATE");
  let answered = false;
  const calls = Promise.all(Array.from({ length: 50 }, (_, n) => start(app.database, `w-${n}`))).then(() => (answered = true));
  for (let ticks = 0; ticks < 20; ++ticks) await later(5);
  assert.equal(answered, false);
  held.exec("COMMIT");
  held.close();
  await until(() => answered);
  await calls;
});

test("groups are bounded in time", async (t) => {
  const app = makeApp(t);
  await app.database.call("wf_init");
  // Each start costs two milliseconds: after five the group is committed, and what is left goes into the next ones.
  await app.database.rows(`CREATE TABLE started(id, commits)`);
  await app.database.rows(`CREATE TRIGGER slow AFTER INSERT ON _wf_workflow BEGIN
    INSERT INTO started SELECT NEW.id, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n); END`);
  const other = app.connect<{ exec(sql: string): void; close(): void }>();
  other.exec("BEGIN IMMEDIATE");
  const seen: number[] = [];
  const calls = Array.from({ length: 60 }, (_, n) => start(app.database, `w-${n}`).then(() => seen.push(n)));
  await later(20);
  other.exec("COMMIT");
  other.close();
  await Promise.all(calls);
  assert.deepEqual(seen, Array.from({ length: 60 }, (_, n) => n));
  assert.deepEqual(await app.database.rows("SELECT count(*) FROM started"), [[60]]);
});

test("what waits is in no group", async (t) => {
  const app = makeApp(t);
  await app.database.call("wf_init");
  const handle = await app.ref("w").start(null, { id: "w" });
  const waiting = app.database.call("wf_wait", 60, '{"id": "w"}');
  await handle.cancel(); // answered meanwhile
  assert.equal(await waiting, 1);
});

test("a start says its id", async (t) => {
  const app = makeApp(t);
  const given: unknown[] = [];
  const call = app.database.call.bind(app.database);
  app.database.call = async (name, ...params) => (given.push(JSON.parse(String(params[2]))), call(name, ...params));
  const handle = await app.ref("w").start(null);
  assert.match(handle.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(given, [{ id: handle.id }]);
});

test("pragmas reach every connection", async (t) => {
  const app = makeApp(t, { pragmas: { foreign_keys: 1, cache_size: -512 } });
  await app.database.rows("CREATE TABLE parent(id PRIMARY KEY)");
  await app.database.rows("CREATE TABLE child(id REFERENCES parent)");
  const writes = app.workflow("writes", (ctx) => ctx.transaction("refers", (tx) => tx.rows("INSERT INTO child VALUES (99)")));
  works(app);
  await assert.rejects((await writes.start(null)).result(timeout), /FOREIGN KEY/);
  assert.deepEqual(await app.database.rows("SELECT count(*) FROM child"), [[0]]);
  const db = app.connect<{ prepare(sql: string): { get(): Record<string, unknown> }; close(): void }>();
  assert.deepEqual([Object.values(db.prepare("PRAGMA foreign_keys").get()), Object.values(db.prepare("PRAGMA cache_size").get())], [[1], [-512]]);
  db.close();
  for (const pragmas of [{ journal_mode: "off" }, { foreign_keys: "1; DROP TABLE child" }, { "a b": 1 }, { foreign_keys: 1.5 }]) {
    assert.throws(() => makeApp(t, { pragmas }), /pragmas has/);
  }
});
