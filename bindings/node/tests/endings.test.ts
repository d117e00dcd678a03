// How an attempt ends while something of it is under way, and what then counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context, StepContext } from "../src/index.ts";
import { later, listening, makeApp, timeout, until, works } from "./support.ts";

test("a step that is told to end has not failed", async (t) => {
  const app = makeApp(t);
  let slow = true;
  let begun = 0;
  const pay = async ({ signal }: StepContext): Promise<string> => {
    begun += 1;
    if (slow) await sleep(60_000, null, { signal }); // as fetch(url, { signal })
    return "paid";
  };
  const stopped: Record<string, (ctx: Context) => Promise<unknown>> = {
    once: (ctx) => ctx.step("pay", pay),
    tries: (ctx) => ctx.step("pay", pay, { attempts: 2, backoff: 0.01 }),
    effect: (ctx) => ctx.effect("pay", pay),
    // What the code itself rejects with, while a step beside is under way.
    outside: async (ctx) => {
      const beside = ctx.step("pay", () => (begun++, later(slow ? 50 : 0)).then(() => "paid"));
      if (slow) await sleep(60_000, null, { signal: ctx.signal });
      return beside;
    },
  };
  const workflows = Object.entries(stopped).map(([name, fn]) => app.workflow(name, fn));
  for (const end of ["stop", "pause"] as const) {
    slow = true;
    for (const workflow of end === "stop" ? workflows : workflows.slice(0, 2)) {
      begun = 0;
      let worker = works(app, { lease: 1 }); // of a paused one it runs out
      const handle = await workflow.start(null, end === "stop" ? { max_attempts: 1 } : {});
      await until(() => begun > 0);
      if (end === "stop") await worker.stop();
      else await handle.pause();
      await until(async () => (await handle.status()) !== "running");
      await until(() => worker.running === 0);
      for (const { status } of await handle.steps()) assert.notEqual(status, "error", `${end} ${workflow.name}`);
      slow = false;
      if (end === "stop") worker = works(app);
      else await handle.resume();
      assert.equal(await handle.result(timeout), "paid", `${end} ${workflow.name}`);
      slow = true;
      await worker.stop();
    }
  }
});

test("an undo that is told to end has not failed", async (t) => {
  const app = makeApp(t);
  let slow = true;
  let begun = 0;
  const saga = app.workflow(
    "saga",
    async (ctx) => {
      await ctx.step("charge", () => 1);
      ctx.compensate("refund", async ({ signal }) => {
        begun += 1;
        if (slow) await sleep(60_000, null, { signal });
        return "refunded";
      });
      throw new Error("no room");
    },
    { undo: true },
  );
  const worker = works(app);
  const handle = await saga.start(null, { max_attempts: 1 });
  await until(() => begun > 0);
  await worker.stop();
  slow = false;
  works(app);
  await assert.rejects(handle.result(timeout), /no room/);
  assert.deepEqual((await handle.steps()).map(({ name, status }) => [name, status]), [
    ["charge", "done"],
    ["undo refund", "done"],
  ]);
});

test("what is recorded beside a wait is undone", async (t) => {
  const app = makeApp(t);
  const undone: number[] = [];
  const booked = async (ctx: Context, n: number): Promise<void> => {
    await ctx.step(`book ${n}`, () => n);
    ctx.compensate(`book ${n}`, () => void undone.push(n));
  };
  const trip = app.workflow("trip", (ctx) => Promise.all([ctx.waitSignal("go"), booked(ctx, 1), booked(ctx, 2), booked(ctx, 3)]), { undo: true });
  works(app);
  const handle = await trip.start(null);
  await until(async () => (await handle.status()) === "waiting");
  await handle.cancel();
  await assert.rejects(handle.result(timeout));
  assert.deepEqual(undone.sort(), [1, 2, 3]);
});

test("a step without an await does not end the process", async (t) => {
  const app = makeApp(t);
  const { log, lines } = listening();
  const forgotten = app.workflow("forgotten", async (ctx) => {
    void ctx.step("mail", () => later(30));
    return "x";
  });
  const failing = app.workflow("failing", async (ctx) => {
    void ctx.step("mail", async () => {
      await later(10);
      throw new Error("no such address");
    });
    await ctx.step("pack", () => later(30));
    void ctx.step("post", () => Promise.reject(new Error("closed")), { attempts: 3, backoff: 0.01 });
    return "y";
  });
  const raced = app.workflow("raced", (ctx) => Promise.race([ctx.step("slow", ({ signal }) => sleep(60_000, "slow", { signal })), ctx.step("fast", async () => (await later(10), "fast"))]));
  works(app, { log });
  const handle = await forgotten.start(null);
  assert.equal(await handle.result(timeout), "x");
  assert.deepEqual((await handle.steps()).map(({ name, status }) => [name, status]), [["mail", "done"]]); // it is awaited
  assert.match(String(lines[0]), /forgotten.*1 of its steps were under way/);
  assert.equal(await (await failing.start(null)).result(timeout), "y");
  assert.equal(await (await raced.start(null)).result(timeout), "fast"); // the loser is told
});

test("an append beside a wait is done before it waits", async (t) => {
  const app = makeApp(t);
  const asks = app.workflow("asks", (ctx) => Promise.all([ctx.waitSignal("approved"), ctx.append("log", "please approve")]));
  works(app);
  const handle = await asks.start(null);
  await until(async () => (await handle.status()) === "waiting");
  assert.equal((await app.database.rows("SELECT count(*) FROM wf_streams WHERE workflow_id = ?", handle.id))[0]![0], 1);
});
