// What can never come right is final at once, and says what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "../src/index.ts";
import { App, Harness, Mistake, NotJSON, WfextError, WorkflowFailed, load } from "../src/index.ts";
import { makeApp, timeout, works } from "./support.ts";

test("a mistake is final at once", async (t) => {
  const app = makeApp(t);
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const wrong: [string, RegExp, (ctx: any) => unknown][] = [
    ["no name", /name of a step is/, (ctx) => ctx.step(() => 1)],
    ["no function", /is a number: give a function/, (ctx) => ctx.step("a", 5)],
    ["a promise", /a promise, which has begun already/, (ctx) => ctx.step("a", Promise.resolve(5))],
    ["a reserved name", /ends in # and a number/, (ctx) => ctx.step("a#2", () => 1)],
    ["a text for a time", /option timeout of a step is "5s"/, (ctx) => ctx.step("a", () => 1, { timeout: "5s" })],
    ["another text", /option backoff of a step is "10ms"/, (ctx) => ctx.step("a", () => 1, { attempts: 3, backoff: "10ms" })],
    ["no such option", /no option "retries"/, (ctx) => ctx.effect("a", () => 1, { retries: 3 })],
    ["no transaction", /give a function/, (ctx) => ctx.transaction("a")],
    ["no items", /give a function/, (ctx) => ctx.map("a", [1])],
    ["no duration", /WF_INVALID/, (ctx) => ctx.sleep("7 days")],
    ["a start that is not recorded", /would not be recorded/, () => app.ref("x").start(null)],
    ["no time", /time of "sleep" is NaN/, (ctx) => ctx.sleep(Number.NaN)],
    ["no date", /a Date that is no time/, (ctx) => ctx.sleep(new Date("x"))],
    ["no child", /a child is "x"/, (ctx) => ctx.join(["x"])],
    ["no children", /the children are undefined/, (ctx) => ctx.join()],
    ["no workflow", /name of a workflow is undefined/, (ctx) => ctx.start()],
    ["a number of items", /items of "a" are 5/, (ctx) => ctx.map("a", 5, () => 1)],
    ["no stream", /name of a stream is undefined/, (ctx) => ctx.append()],
    ["no key", /name of a value is ""/, (ctx) => ctx.set("", 1)],
    ["no undo", /undo: true/, (ctx) => ctx.compensate("a", () => 1)],
  ];
  for (const [name, , fn] of wrong) app.workflow(name, async (ctx) => fn(ctx));
  works(app);
  for (const [name, message] of wrong) {
    const handle = await app.ref(name).start(null);
    await assert.rejects(handle.result(timeout), (error) => error instanceof WorkflowFailed && message.test(error.message), name);
    assert.deepEqual(await app.database.rows("SELECT attempt FROM wf_workflows WHERE id = ?", handle.id), [[1]], name);
  }
});

test("a timeout that is recorded and that nobody catches is final at once", async (t) => {
  const app = makeApp(t);
  const late = app.workflow("late", async (ctx) => ctx.join([await ctx.start("nobody works on it", 1)], { timeout: 0.02 }));
  await app.rate("model", { limit: 1, per: "1d" });
  const asks = app.workflow("asks", async (ctx) => {
    for (const timeout of [undefined, 0.02]) await ctx.acquire("model", timeout === undefined ? {} : { timeout });
  });
  works(app);
  for (const workflow of [late, asks]) {
    const handle = await workflow.start(null as never);
    await assert.rejects(handle.result(timeout), /in time/);
    assert.deepEqual(await app.database.rows("SELECT attempt FROM wf_workflows WHERE id = ?", handle.id), [[1]]);
  }
});

test("two workflows of one name", async (t) => {
  const app = makeApp(t);
  const fn = async (): Promise<number> => 1;
  const first = app.workflow("same", fn);
  assert.equal(app.workflow("same", fn).fn, first.fn);
  assert.throws(() => app.workflow("same", async () => 2), (error) => error instanceof Mistake && /"same" already/.test(error.message));
  assert.throws(() => (app as unknown as { workflow(fn: unknown): unknown }).workflow(fn), Mistake);
  works(app);
  assert.equal(await (await first.start(null)).result(timeout), 1);
});

// A whole number beyond 2^53 is a bigint once it was recorded, also where it was a number: in the file it is a whole number, which other languages read exactly.
test("the type of a number goes by its size", async (t) => {
  const app = makeApp(t);
  const given = [1.8e18, 2 ** 53, -(2 ** 60), 1e21, 0.1, 5, 1764401586123456789n, 2n ** 53n, -0.5, Number.MAX_VALUE];
  const expected = [1800000000000000000n, 2n ** 53n, -1152921504606847000n, 1e21, 0.1, 5, 1764401586123456789n, 2n ** 53n, -0.5, Number.MAX_VALUE];
  const numbers = app.workflow("numbers", async (ctx, _: null) => {
    const first = await ctx.step("numbers", () => given);
    await ctx.sleep(0.01);
    assert.deepEqual(first, expected); // read back
    return first;
  });
  works(app);
  assert.deepEqual(await (await numbers.start(null)).result(timeout), expected);
});

test("what is of a class is no JSON", async (t) => {
  const app = makeApp(t);
  class Order {
    #cents = 5;
    get cents(): number {
      return this.#cents;
    }
  }
  const made: Record<string, unknown> = {
    Response: new Response("body"),
    Headers: new Headers({ a: "1" }),
    URLSearchParams: new URLSearchParams("a=1"),
    Blob: new Blob(["x"]),
    WeakMap: new WeakMap(),
    Number: new Number(5),
    Generator: (function* () {
      yield 1;
    })(),
    "Array Iterator": [1][Symbol.iterator](),
    Order: new Order(),
  };
  const steps = app.workflow("steps", (ctx: Context, what: string) => ctx.step("make", () => ({ parts: [made[what]] }) as never));
  const fine = app.workflow("fine", (ctx) => ctx.step("make", () => ({ none: Object.create(null) as object, date: new Date(0), url: new URL("http://a.b/"), own: { toJSON: () => 1 } }) as never));
  works(app);
  for (const name of Object.keys(made)) await assert.rejects((await steps.start(name)).result(timeout), new RegExp(`what make returns\\.parts\\[0\\] is a ${name}`));
  assert.deepEqual(await (await fine.start(null)).result(timeout), { none: {}, date: "1970-01-01T00:00:00.000Z", url: "http://a.b/", own: 1 });
  await assert.rejects(steps.start(new Map() as never), NotJSON);
});

test("what is given wrongly is named", async (t) => {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const app: any = makeApp(t);
  const w = app.workflow("w", async () => 1);
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const AnyApp = App as any;
  const wrong: [RegExp, () => unknown][] = [
    [/path of the file is undefined/, () => new AnyApp()],
    [/path of the file is 5/, () => new AnyApp(5)],
    [/busyTimeout is "30s"/, () => new AnyApp("x.db", { busyTimeout: "30s" })],
    [/busyTimeout is -1/, () => new AnyApp("x.db", { busyTimeout: -1 })],
    [/pragmas is 5/, () => new AnyApp("x.db", { pragmas: 5 })],
    [/an app has no option "synchronus": .*synchronous/, () => new AnyApp("x.db", { synchronus: "full" })],
    [/name of a workflow is 5/, () => app.workflow(5, async () => 1)],
    [/a workflow has no option "queu": queue/, () => app.workflow("x", async () => 1, { queu: "a" })],
    [/id of a workflow is 5/, () => app.handle(5)],
    [/name of a queue is 5/, () => app.queue(5, {})],
    [/options of the queue q are undefined/, () => app.queue("q")],
    [/timing of the schedule s is 5/, () => app.schedule("s", 5, w, null)],
    [/workflow of the schedule s is "w"/, () => app.schedule("s", "1h", "w", null)],
    [/options of the rate r are undefined/, () => app.rate("r")],
    [/limit is "many"/, () => app.list({}, "many")],
    [/parameter 1 of wf_emit\(\) is undefined/, () => app.emit()],
    [/parameter 2 of wf_signal\(\) is an array/, () => app.database.call("wf_signal", "w", ["go"])],
    [/parameter 1 of a statement is a function/, () => app.database.rows("SELECT ?", () => 1)],
    [/a statement is 5/, () => app.database.rows(5)],
    [/concurrency is "8"/, () => app.start({ concurrency: "8" })],
    [/lease is "30s"/, () => app.start({ lease: "30s" })],
    [/grace is "5s"/, () => app.start({ grace: "5s" })],
    [/name of a worker is 5/, () => app.start({ name: 5 })],
    [/queues is "default"/, () => app.start({ queues: "default" })],
    [/workflows is an array/, () => app.start({ workflows: [] })],
    [/a worker has no option "concurency": concurrency/, () => app.start({ concurency: 5 })],
    [/log has no function warn/, () => app.start({ log: { info() {} } })],
    [/load\(\) was given undefined/, () => (load as (db?: unknown) => void)()],
    [/Harness.of\(\) was given "x.db"/, () => Harness.of("x.db" as never)],
  ];
  for (const [message, work] of wrong) await assert.rejects(async () => work(), (error) => error instanceof WfextError && message.test(error.message), String(message));
});
