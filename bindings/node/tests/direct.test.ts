// Short calls without a change of threads: which ones, and that the event loop waits for nobody.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { type App, type AppOptions, Invalid, LeaseLost } from "../src/index.ts";
import { Direct } from "../src/direct.ts";
import { later, makeApp, timeout, works } from "./support.ts";

const slow = Direct.slow;
Direct.slow = Infinity; // how busy the machine is is no matter here

/** What goes to the thread from now on: the statements. */
function listens(t: TestContext): string[] {
  const sent: string[] = [];
  t.mock.method(Worker.prototype, "postMessage", function (this: Worker, calls: { sql?: string }[]) {
    sent.push(...calls.map(({ sql }) => sql ?? ""));
    return post.call(this, calls);
  });
  return sent;
}
const post = Worker.prototype.postMessage;

/** An app with a workflow that is held by hand, and a step of it. */
async function held(t: TestContext, options: AppOptions = {}): Promise<{ app: App; token: string; step: (name: string, value?: unknown) => Promise<unknown> }> {
  const app = makeApp(t, options);
  await app.database.call("wf_start", "w", null, '{"id": "w"}');
  const { token } = JSON.parse(String(await app.database.call("wf_claim", "default", "me", '{"lease": 3600}'))) as { token: string };
  await app.database.call("wf_step", token, "first", "1"); // opens what is to be opened
  return { app, token, step: (name, value = name) => app.database.call("wf_step", token, name, JSON.stringify(value)) };
}

const stepsOf = (sent: string[]): number => sent.filter((sql) => sql.includes("wf_step(")).length;

test("a short call that comes alone crosses to no thread", async (t) => {
  const { app, step } = await held(t);
  const sent = listens(t);
  for (let n = 0; n < 50; ++n) assert.equal(await step(`a${n}`), `"a${n}"`);
  assert.equal(stepsOf(sent), 0);
  await Promise.all([step("b"), step("c")]); // two are a group
  assert.equal(stepsOf(sent), 2);
  await step("large", "x".repeat(20_000));
  assert.equal(stepsOf(sent), 3);
  assert.deepEqual(await app.database.rows("SELECT count(*) FROM wf_steps"), [[54]]);
});

test("where a commit is synced, or readers are in its way, every call crosses", async (t) => {
  for (const options of [{ synchronous: "full" }, { synchronous: "extra" }, { journal: "delete" }] as AppOptions[]) {
    const { step } = await held(t, options);
    const sent = listens(t);
    for (let n = 0; n < 3; ++n) await step(`a${n}`);
    assert.equal(stepsOf(sent), 3, JSON.stringify(options));
  }
});

test("the event loop goes on while a short call waits for the lock", async (t) => {
  const { app, step } = await held(t);
  const other = app.connect<{ exec(sql: string): void; close(): void }>();
  other.exec("BEGIN IMMEDIATE");
  let answered = false;
  const call = step("a").then(() => (answered = true));
  for (let ticks = 0; ticks < 20; ++ticks) await later(5);
  assert.equal(answered, false);
  other.exec("COMMIT");
  other.close();
  await call;
  const sent = listens(t);
  await step("b");
  assert.equal(stepsOf(sent), 0);
});

test("a transaction of a step lets a short call wait", async (t) => {
  const { app, step } = await held(t);
  const order: string[] = [];
  let begun = (): void => undefined;
  const inside = new Promise<void>((resolve) => (begun = resolve));
  const transaction = app.database.transaction(async (tx) => {
    await tx.rows("CREATE TABLE mine(a)");
    begun();
    await later(50);
    order.push("transaction");
  });
  await inside;
  await step("a").then(() => order.push("step"));
  await transaction;
  assert.deepEqual(order, ["transaction", "step"]);
});

test("the loop turns between short calls", async (t) => {
  const app = makeApp(t);
  const job = app.workflow("job", async (ctx) => {
    let over = false;
    setTimeout(() => (over = true), 1);
    let steps = 0;
    while (!over) await ctx.step(`s${steps++}`, () => 1);
    return steps;
  });
  works(app);
  assert.ok((await (await job.start(null)).result(timeout)) > 0); // else the timer never comes
});

test("errors of short calls", async (t) => {
  const { app, token, step } = await held(t);
  const sent = listens(t);
  await assert.rejects(step(""), Invalid);
  await assert.rejects(app.database.call("wf_step", token.replace(/.$/, (last) => (last === "0" ? "1" : "0")), "a", "1"), LeaseLost);
  assert.equal(stepsOf(sent), 0);
  // What is not the engine's answer is the thread's to try and to tell.
  await app.database.rows("CREATE TRIGGER stop BEFORE INSERT ON _wf_step WHEN NEW.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no bad ones'); END");
  await assert.rejects(step("bad"), /no bad ones/);
  assert.equal(stepsOf(sent), 1);
  assert.equal(await step("good"), '"good"');
  assert.deepEqual(await app.database.rows("SELECT name FROM wf_steps"), [["first"], ["good"]]);
});

test("short calls make no checkpoint, and the WAL is begun anew all the same", async (t) => {
  const { app, step } = await held(t, { pragmas: { wal_autocheckpoint: 1 } });
  const { path } = app.database;
  const sent = listens(t);
  const before = readFileSync(path);
  for (let n = 0; n < 20; ++n) await step(`a${n}`);
  assert.equal(stepsOf(sent), 0);
  assert.ok(readFileSync(path).equals(before)); // all of it is in the WAL
  const most = 1200; // so many calls write more than the 4 MiB that are let go by twice over
  for (let n = 0; n < most; ++n) await step(`b${n}`);
  assert.ok(stepsOf(sent) >= 4 && stepsOf(sent) < most / 10, String(stepsOf(sent)));
  assert.ok(!readFileSync(path).equals(before));
  const size = statSync(`${path}-wal`).size;
  for (let n = 0; n < most; ++n) await step(`c${n}`);
  assert.ok(statSync(`${path}-wal`).size < 2 * size);
});

test("after a slow call the others cross", async (t) => {
  const { app, step } = await held(t);
  await app.database.rows(`CREATE TRIGGER slow AFTER INSERT ON _wf_step WHEN NEW.name = 'slow' BEGIN
    UPDATE _wf_step SET name = name WHERE (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n) = 0; END`);
  Direct.slow = slow;
  t.after(() => (Direct.slow = Infinity));
  const sent = listens(t);
  await step("slow");
  assert.equal(stepsOf(sent), 0);
  for (let n = 0; n < 3; ++n) await step(`a${n}`);
  assert.equal(stepsOf(sent), 3);
});
