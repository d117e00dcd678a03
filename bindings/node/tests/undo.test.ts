// Sagas: what was done is undone, whoever has started the workflow and whatever its code does first.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Context, type Workflow, WorkflowCancelled } from "../src/index.ts";
import { later, makeApp, timeout, until, waitsFor, works } from "./support.ts";

test("saga", async (t) => {
  const app = makeApp(t);
  const undone: string[] = [];
  const trip = app.workflow(
    "trip",
    async (ctx, parts: string[]) => {
      for (const part of parts) {
        await ctx.step("book", () => {
          if (part === "hotel") throw new Error("no room");
          return part;
        });
        ctx.compensate("book", () => void undone.push(part));
      }
      await ctx.waitSignal("go");
    },
    { undo: true },
  );
  const careless = app.workflow("careless", async (ctx) => ctx.compensate("x", () => undefined));
  works(app);
  await assert.rejects((await trip.start(["flight", "car", "hotel", "boat"])).result(timeout), /no room/);
  assert.deepEqual(undone.splice(0), ["car", "flight"]);
  const handle = await trip.start(["car"]);
  await until(async () => (await handle.status()) === "waiting");
  await handle.cancel();
  await assert.rejects(handle.result(timeout), WorkflowCancelled);
  assert.deepEqual(undone, ["car"]);
  await assert.rejects((await careless.start(null, { max_attempts: 1 })).result(timeout), /undo: true/);
});

test("an undo is not lost", async (t) => {
  const app = makeApp(t);
  const undone: string[] = [];
  const giveBack = (part: string) => (): void => {
    undone.push(part);
    if (part === "car") throw new Error("they keep it");
  };
  const child = app.workflow("child", async () => 1);
  const trip = app.workflow(
    "trip",
    async (ctx) => {
      await ctx.transaction("bad", () => Promise.reject(new Error("no"))).catch(() => undefined);
      for (const part of ["flight", "car", "hotel"]) {
        await ctx.step("book", () => part);
        ctx.compensate("book", giveBack(part));
      }
      await ctx.waitSignal("go");
    },
    { undo: true },
  );
  const onlyAChild = app.workflow(
    "only a child",
    async (ctx) => {
      await ctx.call(child, null);
      ctx.compensate("child", giveBack("child"));
      await ctx.waitSignal("go");
    },
    { undo: true },
  );
  works(app);
  for (const [workflow, expected] of [
    [trip, ["hotel", "car", "flight"]],
    [onlyAChild, ["child"]],
  ] as const) {
    undone.length = 0;
    const handle = await workflow.start(null, { max_attempts: 1 });
    await until(async () => (await app.database.rows("SELECT 1 FROM wf_pending WHERE id = ? AND status = 'waiting' AND reason LIKE '%go%'", handle.id)).length > 0);
    await handle.cancel();
    await assert.rejects(handle.result(timeout));
    assert.deepEqual(undone, expected);
  }
});

const first: Record<string, (ctx: Context, child: Workflow<null, number>) => Promise<unknown>> = {
  wait: (ctx) => ctx.waitSignal("first", { timeout: 0.01 }),
  sleep: (ctx) => ctx.sleep(0.01),
  child: (ctx, child) => ctx.start(child, null),
  "child joined": (ctx, child) => ctx.call(child, null),
  "two waits": (ctx) => Promise.all([ctx.sleep(0.01, "a"), ctx.sleep(0.01, "b")]),
  patch: (ctx) => ctx.patched("new"),
  transaction: (ctx) => ctx.transaction("rows", async () => 1),
  effect: (ctx) => ctx.effect("pay", () => 1),
};

test("an undo of a workflow that plain SQL has started", async (t) => {
  const app = makeApp(t);
  const undone: string[] = [];
  const child = app.workflow("kid", async () => 1);
  for (const [name, does] of Object.entries(first)) {
    app.workflow(
      name,
      async (ctx) => {
        await does(ctx, child);
        await ctx.append("log", "begun");
        ctx.compensate("money", () => void undone.push(name));
        await ctx.waitSignal("go");
      },
      { undo: true },
    );
  }
  works(app);
  for (const name of Object.keys(first)) await app.database.call("wf_start", name, null, JSON.stringify({ id: name }));
  await Promise.all(
    Object.keys(first).map(async (name) => {
      const handle = app.handle(name);
      await waitsFor(app, name, "go");
      await handle.cancel();
      await assert.rejects(handle.result(timeout), WorkflowCancelled);
    }),
  );
  assert.deepEqual(undone.sort(), Object.keys(first).sort());
});

test("a cancel in the middle of a step", async (t) => {
  const app = makeApp(t);
  for (const kind of ["step", "effect"] as const) {
    const undone: string[] = [];
    let charging = (): void => undefined;
    let goes = (): void => undefined;
    const begun = new Promise<void>((resolve) => (charging = resolve));
    const gate = new Promise<void>((resolve) => (goes = resolve));
    const w = app.workflow(
      kind,
      async (ctx) => {
        await ctx[kind]("charge", async () => {
          charging();
          await gate;
          return "paid";
        });
        ctx.compensate("charge", () => void undone.push("charge"));
        await ctx.step("never", () => void undone.push("never"));
      },
      { undo: true },
    );
    const worker = works(app, { workflows: [kind] });
    const handle = await w.start(null);
    await begun;
    await handle.cancel();
    await until(async () => (await app.database.rows("SELECT 1 FROM wf_workflows WHERE id = ? AND ending = 'cancelled' AND status = 'pending'", handle.id)).length > 0);
    await later(50);
    assert.deepEqual(undone, []);
    goes();
    await assert.rejects(handle.result(timeout), WorkflowCancelled);
    assert.deepEqual(undone, ["charge"]);
    await worker.stop();
  }
});
