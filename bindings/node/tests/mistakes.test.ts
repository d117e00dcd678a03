// What can never come right is final at once, and says what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "../src/index.ts";
import { Mistake, NotJSON, WorkflowFailed } from "../src/index.ts";
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
