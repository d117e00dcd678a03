// Workers: names, stopping, resources, filters, what is declared.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WfextError, WorkflowCancelled } from "../src/index.ts";
import { QUIET, later, listening, makeApp, timeout, until, works } from "./support.ts";

test("a step in flight is recorded when the worker stops", async (t) => {
  const app = makeApp(t);
  let begun = false;
  let done = 0;
  const w = app.workflow("w", (ctx) =>
    ctx.step("slow", async () => {
      begun = true;
      await later(500);
      return ++done;
    }),
  );
  const worker = works(app);
  const handle = await w.start(null);
  await until(() => begun);
  await worker.stop();
  works(app);
  assert.equal(await handle.result(timeout), 1);
  assert.equal(done, 1);
});

test("cancel reaches the code", async (t) => {
  const app = makeApp(t);
  let started = false;
  let told = false;
  const looping = app.workflow("looping", async (ctx) => {
    started = true;
    ctx.signal.addEventListener("abort", () => (told = true));
    await new Promise(() => undefined);
  });
  works(app);
  const handle = await looping.start(null);
  await until(() => started);
  await handle.cancel("enough");
  await until(() => told);
  await assert.rejects(handle.result(timeout), (error) => error instanceof WorkflowCancelled && /enough/.test(error.message));
});

test("two workers of one name", async (t) => {
  const app = makeApp(t);
  app.workflow("w", async () => undefined);
  const first = works(app, { name: "one" });
  await first.started;
  await assert.rejects(app.start({ name: "one" }).started, /"one" is running/);
  const second = works(app);
  const third = works(app);
  await Promise.all([second.started, third.started]);
  assert.notEqual(second.name, third.name);
  assert.throws(() => app.start({ concurrency: 0 }), WfextError);
});

test("stop gives back", async (t) => {
  const app = makeApp(t);
  let runs = 0;
  const w = app.workflow("w", async () => {
    if (++runs === 1) await new Promise(() => undefined);
    return runs;
  });
  const worker = works(app);
  const handle = await w.start(null);
  await until(() => runs === 1);
  await worker.stop();
  assert.equal(await handle.status(), "pending");
  works(app);
  assert.equal(await handle.result(timeout), 2);
});

test("what runs after the grace keeps its lease", async (t) => {
  const app = makeApp(t);
  let runs = 0;
  let go: () => void = () => undefined;
  const stubborn = app.workflow("stubborn", (ctx) =>
    ctx.step("slow", async () => {
      await new Promise<void>((resolve) => (go = resolve));
      return ++runs;
    }),
  );
  const worker = works(app, { lease: 2, grace: 0.1, name: "one" });
  const handle = await stubborn.start(null);
  await until(async () => (await handle.status()) === "running" && go.length === 1);
  await worker.stop();
  await assert.rejects(app.start({ name: "one", log: QUIET }).started, /"one" is running/);
  works(app);
  await later(3500);
  assert.equal(await handle.status(), "running");
  go();
  await worker.ended;
  assert.equal(await handle.result(timeout), 1);
  assert.equal(runs, 1);
});

test("resources of the process", async (t) => {
  const seen: string[] = [];
  const app = makeApp(t, {
    lifespan: async () => {
      seen.push("open");
      return { state: { rate: 7 }, close: () => seen.push("closed") };
    },
  });
  const w = app.workflow("w", async (ctx) => ctx.app.state.rate);
  const [first, second] = [works(app), works(app)];
  assert.equal(await (await w.start(null)).result(timeout), 7);
  await first.stop();
  assert.deepEqual(seen, ["open"]);
  await second.stop();
  assert.deepEqual(seen, ["open", "closed"]);
});

test("a lifespan that fails starts no worker", async (t) => {
  const app = makeApp(t, { lifespan: () => Promise.reject(new Error("no model")) });
  app.workflow("w", async () => 1);
  await assert.rejects(works(app, { name: "one" }).started, /no model/);
  await assert.rejects(works(app, { name: "one" }).started, /no model/); // its name was given back
});

test("versions and workflows of a worker", async (t) => {
  const app = makeApp(t);
  const a = app.workflow("a", async () => "a");
  const b = app.workflow("b", async () => "b", { version: "2" });
  const [first, second, old] = [await a.start(null), await b.start(null), await b.start(null, { version: "1" })];
  works(app, { workflows: ["b"], versions: ["2"] });
  assert.equal(await second.result(timeout), "b");
  assert.deepEqual([await first.status(), await old.status()], ["pending", "pending"]);
  assert.throws(() => app.start({ workflows: ["c"] }), /no workflow "c"/);
});

test("queues and schedules are declared with the code", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", async () => 1, { queue: "slow" });
  app.queue("mails", { concurrency: 2 });
  app.schedule("nightly", "0 3 * * *", w, null);
  await app.database.call("wf_queue", "slow", '{"concurrency": 1}');
  await app.database.call("wf_schedule", "old", "0 4 * * *", "w");
  await app.database.call("wf_schedule", "theirs", "0 4 * * *", "another program's");
  const { log, lines } = listening();
  await works(app, { log }).started;
  assert.deepEqual(await app.database.rows("SELECT name FROM wf_schedules ORDER BY name"), [["nightly"], ["old"], ["theirs"]]);
  assert.equal((await app.database.rows("SELECT concurrency FROM wf_queues WHERE queue = 'mails'"))[0]![0], 2);
  const said = lines.flat().join("\n");
  assert.match(said, /the queue slow has limits/);
  assert.match(said, /the schedule old of w/);
  assert.equal(lines.length, 2);
});

test("a log says which workflow", async (t) => {
  const app = makeApp(t);
  const { log, lines } = listening();
  const w = app.workflow("w", async (ctx) => {
    ctx.log.info("begins");
    await ctx.step("charge", () => void ctx.log.warn("pays", 7));
  });
  works(app, { log });
  await (await w.start(null, { id: "w-1" })).result(timeout);
  assert.deepEqual(lines, [
    [{ workflow: "w-1", name: "w", attempt: 1 }, "begins"],
    [{ workflow: "w-1", name: "w", attempt: 1, step: "charge" }, "pays", 7],
  ]);
});

test("a machine that fails is no failure of the workflow", async (t) => {
  const app = makeApp(t);
  let tries = 0;
  const w = app.workflow("w", (ctx) => ctx.step("s", () => ++tries));
  const call = app.database.call.bind(app.database);
  app.database.call = async (name, ...params) => {
    if (name === "wf_step" && tries === 1) throw new Error("database or disk is full");
    return call(name, ...(name === "wf_release" ? [params[0]] : params)); // without its pause
  };
  works(app, { log: { ...QUIET, error: () => undefined } });
  const handle = await w.start(null, { max_attempts: 1 });
  assert.equal(await handle.result(timeout), 2);
  assert.deepEqual(await app.database.rows("SELECT * FROM wf_failures"), []);
});
