// Who starts workflows and asks after them: by name, by id, with filters; and tests with a clock of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DatabaseSync } from "node:sqlite";
import { App, Harness, NotFound, WfextError } from "../src/index.ts";
import { makeApp, timeout, until, works } from "./support.ts";

test("a workflow by its name", async (t) => {
  const app = makeApp(t);
  app.workflow("double", async (_, n: number) => n * 2);
  works(app);
  const double = app.ref<number, number>("double"); // a caller that does not have the code
  const handle = await double.start(4, { id: "d-4" });
  assert.equal(await handle.result(timeout), 8);
  assert.equal(await double.handle("d-4").result(timeout), 8);
});

test("a list with filters", async (t) => {
  const app = makeApp(t);
  const w = app.ref<number>("w");
  for (const n of [1, 2, 3]) await w.start(n, { id: `w-${n}`, queue: n === 3 ? "other" : "default", tags: { customer: String(n) } });
  const ids = async (equal: Record<string, unknown>): Promise<unknown[]> => (await app.list(equal)).map(({ id }) => id).sort();
  assert.deepEqual(await ids({}), ["w-1", "w-2", "w-3"]);
  assert.deepEqual(await ids({ queue: "default", status: "pending" }), ["w-1", "w-2"]);
  assert.deepEqual(await ids({ tag: "customer=2" }), ["w-2"]);
  assert.equal((await app.list({}, 1)).length, 1);
  await assert.rejects(app.list({ colour: "red" }), /no column colour/);
});

test("all that a handle can", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", async (ctx) => {
    const first = await ctx.step("first", () => 1);
    await ctx.set("state", "waits");
    return [first, await ctx.waitSignal("go")];
  });
  const later = await w.start(null, { delay: "1h" });
  assert.equal(await later.reschedule(new Date(Date.now() + 7_200_000)), true);
  await later.pause();
  assert.equal(await later.status(), "paused");
  await later.resume();
  assert.equal(await later.cancel("enough"), true);
  assert.equal(await later.error(), "enough");
  works(app);
  const handle = await w.start(null);
  await until(async () => (await handle.status()) === "waiting");
  assert.equal(await handle.get("state"), "waits");
  assert.deepEqual([await handle.signal("go", 2, { key: "k" }), await handle.signal("go", 2, { key: "k" })], [true, false]);
  assert.deepEqual(await handle.result(timeout), [1, 2]);
  const fork = await handle.fork();
  await fork.signal("go", 3);
  assert.notEqual(fork.id, handle.id);
  assert.equal((await fork.result(timeout))[0], 1);
  assert.deepEqual((await handle.steps()).map(({ name }) => name), ["first", "go"]);
  await assert.rejects(app.handle("nobody").status(), NotFound);
});

test("inside of a workflow it is refused", async (t) => {
  const app = makeApp(t);
  const other = app.workflow("other", async () => 1);
  const w = app.workflow("w", async (_, n: number) => (n === 0 ? (await other.start(null)).id : other.handle("x").result(timeout)));
  const inStep = app.workflow("in a step", (ctx) => ctx.step("start", async () => (await other.start(null, { id: "o" })).id));
  works(app);
  await assert.rejects((await w.start(0, { max_attempts: 1 })).result(timeout), /ctx.start\(workflow, input\)/);
  await assert.rejects((await w.start(1, { max_attempts: 1 })).result(timeout), /ctx.join\(\) or ctx.call\(\)/);
  assert.equal(await (await inStep.start(null)).result(timeout), "o");
});

test("a connection of the app's own library", async (t) => {
  const app = makeApp(t);
  const db = app.connect<DatabaseSync>();
  db.exec("BEGIN; CREATE TABLE t(a)");
  db.prepare("SELECT wf_start('w')").get();
  db.exec("COMMIT");
  db.close();
  assert.deepEqual(await app.database.rows("SELECT name FROM wf_workflows"), [["w"]]);
  assert.throws(() => new App("x.db", { driver: "sqlite4" as never }), WfextError);
});

test("days in milliseconds", async (t) => {
  const { path, remove } = Harness.file();
  t.after(remove);
  const app = new App(path, { synchronous: "off" });
  let ticks = 0;
  let tries = 0;
  const reminder = app.workflow("reminder", async (ctx, what: string) => {
    await ctx.sleep("7d");
    await ctx.step("mail", () => assert.ok(++tries > 1), { attempts: 3, backoff: 60 });
    return what;
  });
  const daily = app.workflow("daily", async () => void ticks++);
  app.schedule("daily", "@daily", daily, null);
  const harness = await Harness.of(app);
  const handle = await reminder.start("tea");
  await harness.advance("6d");
  assert.equal(await handle.status(), "waiting");
  assert.equal(ticks, 6);
  assert.equal(await harness.result(handle), "tea");
  assert.ok(harness.now.getTime() >= Date.parse("2026-01-08T00:01:00Z"));
  await assert.rejects(harness.result(await app.ref("nobody's").start(null)), /nothing is due/);
  await harness.close();
});
