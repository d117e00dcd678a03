// Code whose parts run side by side: every replay comes the same way, or it is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "../src/index.ts";
import { later, makeApp, timeout, until, waitsFor, works } from "./support.ts";

test("names repeated behind branches of map or behind another await", async (t) => {
  const app = makeApp(t);
  const say = (ctx: Context, what: unknown): Promise<string> => ctx.step("say", async () => (await later(5), `say ${what}`));
  const mapped = async (ctx: Context, name: string, ms: number): Promise<string> =>
    ctx.map(name, [ms], (x) => ctx.step("work", async () => (await later(x), x))).then((r) => say(ctx, r));
  const plain = async (ctx: Context, name: string, ms: number): Promise<string> => (await later(ms), say(ctx, name));
  for (const [name, branch] of Object.entries({ mapped, plain })) {
    app.workflow(name, async (ctx) => {
      const out = await Promise.all([branch(ctx, "a", ctx.attempt === 1 ? 100 : 1), branch(ctx, "b", 10)]);
      await ctx.sleep(0.01);
      return out;
    });
  }
  // One after the other these are right, whatever is awaited in between.
  const loop = app.workflow("loop", async (ctx) => {
    const out = [];
    for (const n of [1, 2, 3]) {
      out.push(await say(ctx, n));
      await later(20);
      out.push(...(await ctx.map("each", [n], (m) => ctx.step("double", () => m * 2))));
    }
    await ctx.sleep(0.01);
    return out;
  });
  const helper = app.workflow("helper", async (ctx) => {
    const both = async (n: number): Promise<unknown[]> => [await ctx.step("first", () => n), await say(ctx, n)];
    const out = await both(1);
    await later(20);
    return [...out, ...(await both(2))];
  });
  works(app);
  for (const name of ["mapped", "plain"]) await assert.rejects((await app.ref(name).start(null)).result(timeout), /WF_NONDETERMINISM.*"say" is repeated/, name);
  assert.deepEqual(await (await loop.start(null)).result(timeout), ["say 1", 2, "say 2", 4, "say 3", 6]);
  assert.deepEqual(await (await helper.start(null)).result(timeout), [1, "say 1", 2, "say 2"]);
});

test("a race has the same winner in every replay", async (t) => {
  const app = makeApp(t);
  const waits = app.workflow("waits", async (ctx) => {
    const winner = await Promise.race([ctx.sleep("1h").then(() => "timeout"), ctx.waitSignal("go").then(() => "signal")]);
    const took = await ctx.step("took", () => winner);
    await ctx.waitSignal("end");
    return [winner, took];
  });
  let take = (): void => undefined;
  const taken = new Promise<void>((resolve) => (take = resolve));
  const steps = app.workflow("steps", async (ctx) => {
    const effect = ctx.effect("slow", async () => (await taken, "slow")); // begun, and so in the file, before the other
    const winner = await Promise.race([effect, ctx.step("fast", async () => (await later(20), "fast"))]);
    const took = await ctx.step("took", () => (take(), winner));
    await Promise.all([effect, ctx.sleep(0.01)]);
    return [winner, took];
  });
  const branches = app.workflow("branches", async (ctx) => {
    const order: string[] = [];
    const branch = (name: string, pauses: number[]) => async (): Promise<void> => {
      for (const [i, ms] of pauses.entries()) {
        await ctx.step(`${name}${i}`, () => later(ms));
        order.push(`${name}${i}`);
      }
    };
    await Promise.all([branch("a", [10, 50, 10])(), branch("b", [30])(), branch("c", [45])()]);
    const first = await ctx.step("order", () => order);
    await ctx.sleep(0.01);
    return [first, order];
  });
  works(app);
  const handle = await waits.start(null);
  await waitsFor(app, handle.id, "go");
  await handle.signal("go");
  await waitsFor(app, handle.id, "end");
  await handle.reschedule(); // the time is over after it
  await until(async () => (await handle.steps()).some(({ name, status }) => name === "sleep" && status === "done"));
  await handle.signal("end");
  assert.deepEqual(await handle.result(timeout), ["signal", "signal"]);
  assert.deepEqual(await (await steps.start(null)).result(timeout), ["fast", "fast"]);
  const [first, again] = (await (await branches.start(null)).result(timeout)) as string[][];
  assert.deepEqual(again, first);
});

test("appends of branches side by side", async (t) => {
  const app = makeApp(t);
  const log = app.workflow("log", async (ctx, begins: boolean) => {
    if (begins) await ctx.append("log", "start");
    const slow = async (): Promise<void> => {
      await ctx.waitSignal("go");
      await ctx.append("log", "A");
    };
    const quick = async (): Promise<void> => {
      await ctx.sleep(0.05);
      await ctx.append("log", "B");
    };
    await Promise.all([slow(), quick()]);
    await ctx.sleep(0.01, "last");
  });
  works(app);
  for (const begins of [true, false]) {
    const handle = await log.start(begins);
    const items = async (): Promise<unknown[]> => (await app.database.rows(`SELECT value FROM wf_streams WHERE workflow_id = ? ORDER BY "offset"`, handle.id)).map(([value]) => JSON.parse(String(value)));
    await until(async () => (await items()).includes("B"));
    await handle.signal("go");
    await handle.result(timeout);
    assert.deepEqual(await items(), begins ? ["start", "B", "A"] : ["B", "A"]);
  }
});

test("several appends of a branch beside another", async (t) => {
  const app = makeApp(t);
  const log = app.workflow("log", async (ctx) => {
    const branch = async (name: string, ms: number): Promise<void> => {
      await ctx.step(name, () => later(ms));
      for (let n = 0; n < 3; ++n) await ctx.append("log", `${name}${n}`);
    };
    await Promise.all(["a", "b", "c", "d"].map((name, i) => branch(name, 20 - 5 * i)));
    await ctx.sleep(0.01);
  });
  works(app);
  const handles = await Promise.all(Array.from({ length: 5 }, () => log.start(null)));
  for (const handle of handles) {
    await handle.result(timeout);
    assert.deepEqual(await app.database.rows("SELECT count(DISTINCT value) FROM wf_streams WHERE workflow_id = ?", handle.id), [[12]]);
  }
});

test("what is read back beside a wait goes on before it waits", async (t) => {
  const app = makeApp(t);
  const wide = app.workflow("wide", async (ctx) => {
    const all = [1, 2, 3, 4, 5, 6].map((n) => ctx.step("first", () => n));
    const after = all.map(async (one, i) => (await one, await ctx.sleep(0.02, `pause ${i}`), ctx.step(`second ${i}`, () => i)));
    return Promise.all([ctx.waitSignal("go"), ...after]);
  });
  works(app);
  const handle = await wide.start(null);
  await until(async () => (await handle.steps()).filter(({ name }) => String(name).startsWith("second")).length === 6);
  assert.equal((await app.database.rows("SELECT 1 FROM wf_steps WHERE workflow_id = ? AND name = 'go' AND status = 'waiting'", handle.id)).length, 1);
  await handle.signal("go", 0);
  assert.deepEqual(await handle.result(timeout), [0, 0, 1, 2, 3, 4, 5]);
});
