// Waits: side by side, beside steps, and what their code sees.

import assert from "node:assert/strict";
import { test } from "node:test";
import { later, makeApp, timeout, until, works } from "./support.ts";

test("waits side by side", async (t) => {
  const app = makeApp(t);
  const both = app.workflow("both", (ctx) =>
    Promise.all([ctx.waitSignal("a", { timeout: "1h" }), ctx.waitSignal("b", { timeout: "1h" }), ctx.waitSignal("c", { timeout: 0.05 })]).then((all) => all.map((each) => each ?? "late")),
  );
  works(app);
  const handle = await both.start(null);
  await until(async () => (await handle.status()) === "waiting");
  await handle.signal("b", 2);
  await later(200);
  await handle.signal("a", 1);
  assert.deepEqual(await handle.result(timeout), [1, 2, "late"]);
});

test("wait beside a step", async (t) => {
  const app = makeApp(t);
  let done = 0;
  const agent = app.workflow("agent", (ctx) => Promise.all([ctx.step("slow", async () => (await later(200), ++done, "slow")), ctx.waitSignal("go", { timeout: "1h" })]));
  works(app);
  const handle = await agent.start(null);
  await until(async () => (await handle.status()) === "waiting");
  await handle.signal("go", "gone");
  assert.deepEqual(await handle.result(timeout), ["slow", "gone"]);
  assert.equal(done, 1);
});

test("waits of which one is there already", async (t) => {
  const app = makeApp(t);
  const both = app.workflow("both", (ctx) => Promise.all([ctx.waitSignal("a", { timeout: "1h" }), ctx.waitSignal("b", { timeout: "1h" })]));
  const handle = await both.start(null);
  await handle.signal("a", 1);
  works(app);
  await until(async () => (await handle.status()) === "waiting");
  await handle.signal("b", 2);
  assert.deepEqual(await handle.result(timeout), [1, 2]);
});

test("two steps in a long pause", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", (ctx) =>
    Promise.all([1, 2].map((n) => ctx.step(`away ${n}`, () => Promise.reject(new Error(String(n))), { attempts: 3, backoff: 60 }))),
  );
  works(app);
  const handle = await w.start(null);
  await until(async () => (await handle.status()) === "pending" && Number((await app.database.rows("SELECT count(*) FROM wf_failures"))[0]![0]) === 2);
});

test("timeout of a wait", async (t) => {
  const app = makeApp(t);
  const patient = app.workflow("patient", async (ctx) => [(await ctx.waitSignal("never", { timeout: 0.01 })) === undefined, await ctx.waitSignal("null", { timeout: "1h" })]);
  works(app);
  const handle = await patient.start(null);
  await handle.signal("null", null);
  assert.deepEqual(await handle.result(timeout), [true, null]);
});

test("suspension swallowed", async (t) => {
  const app = makeApp(t);
  const deaf = app.workflow("deaf", async (ctx) => {
    const [answer] = await Promise.allSettled([ctx.waitSignal("go", { timeout: "1h" })]);
    return answer.status === "fulfilled" ? "it came" : "nothing came";
  });
  const raced = app.workflow("raced", (ctx) => Promise.race([ctx.waitSignal("go", { timeout: "1h" }), new Promise((resolve) => ctx.signal.addEventListener("abort", () => resolve("aborted")))]));
  works(app);
  for (const workflow of [deaf, raced]) {
    const handle = await workflow.start(null);
    await until(async () => (await handle.status()) === "waiting");
    await later(50);
    assert.equal(await handle.status(), "waiting");
    await handle.signal("go", "it came");
    assert.equal(await handle.result(timeout), "it came");
  }
});
