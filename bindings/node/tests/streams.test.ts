// Streams: numbered by themselves, over replays and periods.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type App } from "../src/index.ts";
import { makeApp, timeout, waitsFor, works } from "./support.ts";

test("stream followed live", async (t) => {
  const app = makeApp(t);
  const talk = app.workflow("talk", async (ctx) => {
    await ctx.append("words", "one");
    await ctx.sleep(0.01);
    await ctx.append("words", "two");
  });
  works(app);
  const words: unknown[] = [];
  for await (const word of (await talk.start(null)).stream("words")) words.push(word);
  assert.deepEqual(words, ["one", "two"]);
});

test("continue as", async (t) => {
  const app = makeApp(t);
  const count = app.workflow("count", async (ctx, n: number): Promise<number> => {
    if (n < 3) await ctx.continueAs(n + 1);
    return n;
  });
  works(app);
  const handle = await count.start(0);
  assert.equal(await handle.result(timeout), 3);
  assert.deepEqual(await handle.steps(), []);
});

const items = async (app: App, id: string): Promise<unknown[]> => (await app.database.rows('SELECT value FROM wf_streams WHERE workflow_id = ? ORDER BY "offset"', id)).map(([value]) => JSON.parse(String(value)));

test("a stream over continue_as", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", async (ctx, n: number): Promise<number> => {
    await ctx.append("log", `begin ${n}`);
    await ctx.append("ticks", "tick"); // the same in each period: no repetition
    await ctx.sleep(0.01);
    await ctx.append("log", `end ${n}`);
    if (n < 3) await ctx.continueAs(n + 1);
    return n;
  });
  works(app);
  const handle = await w.start(1);
  assert.equal(await handle.result(timeout), 3);
  const all = await items(app, handle.id);
  assert.deepEqual(all.filter((item) => item !== "tick"), [1, 2, 3].flatMap((n) => [`begin ${n}`, `end ${n}`]));
  assert.equal(all.length, 9);
});

test("what a step appends is not numbered by the workflow", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", async (ctx) => {
    await ctx.step("words", () => ctx.append("log", "from the step"));
    await ctx.sleep(0.01);
  });
  works(app);
  const handle = await w.start(null);
  await handle.result(timeout);
  assert.deepEqual(await items(app, handle.id), ["from the step"]);
});

test("a stream is followed while it is written, and left in the middle", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", async (ctx) => {
    for (const word of ["one", "two"]) {
      await ctx.append("words", word);
      await ctx.waitSignal("more");
    }
  });
  works(app);
  const handle = await w.start(null);
  const words = handle.stream("words");
  assert.equal((await words.next()).value, "one");
  const second = words.next();
  await handle.signal("more");
  assert.equal((await second).value, "two");
  await words.return();
});

test("appends of the code and of its steps", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", async (ctx) => {
    const says = (): Promise<number> => ctx.step("says", () => ctx.append("log", "step"));
    const offsets = [await ctx.append("log", "code")];
    await says();
    offsets.push(await ctx.append("log", "code"));
    await ctx.sleep(0.01);
    await says();
    offsets.push(...(await ctx.map("branch", [1, 2], (n) => ctx.append("log", n))));
    await ctx.waitSignal("on");
    return [...offsets, await ctx.append("log", "code")];
  });
  works(app);
  const handle = await w.start(null);
  await waitsFor(app, handle.id, "on");
  const fork = await handle.fork({ id: "fork" });
  for (const each of [handle, fork]) await each.signal("on");
  assert.deepEqual(await handle.result(timeout), [0, 2, 4, 5, 6]);
  await fork.result(timeout);
  assert.deepEqual(await items(app, handle.id), ["code", "step", "code", "step", 1, 2, "code"]);
  assert.deepEqual(await items(app, "fork"), ["code", "code", 1, 2, "code"]); // without what the steps of the other have done
  const names = (await app.database.rows("SELECT name FROM wf_steps WHERE workflow_id = ? AND name LIKE '%append%'", handle.id)).map(([name]) => name);
  assert.deepEqual(names, ["append log", "append log#2", "branch[0].append log", "branch[1].append log", "append log#3"]);
});
