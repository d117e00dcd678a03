// What a workflow may rely on, one scenario a test. The names are those of the table in bindings/README.md, whose other scenarios are in the files beside this; every language has the same.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Context, Nondeterminism, NotJSON, StepFailed, WorkflowFailed } from "../src/index.ts";
import { later, makeApp, timeout, until, works } from "./support.ts";

test("replay", async (t) => {
  const app = makeApp(t);
  const runs: number[] = [];
  const done: number[] = [];
  const twice = app.workflow("twice", async (ctx, n: number) => {
    runs.push(ctx.attempt);
    const work = (m: number) => ctx.step("work", () => (done.push(m), m * 2));
    const first = await work(n);
    await ctx.sleep(0.01);
    return first + (await work(n + 1));
  });
  works(app);
  assert.equal(await (await twice.start(3)).result(timeout), 14);
  assert.deepEqual(done, [3, 4]);
  assert.equal(runs.length, 2);
});

test("parallel branches", async (t) => {
  const app = makeApp(t);
  const fan = app.workflow("fan", async (ctx) => {
    const wait = (n: number) => ctx.step("wait", async () => (await later(50 / n), n));
    const first = await Promise.all([1, 2, 3].map(wait));
    await ctx.sleep(0.01);
    return [...first, ...(await Promise.all([4, 5].map(wait)))];
  });
  works(app);
  const handle = await fan.start(null);
  assert.deepEqual(await handle.result(timeout), [1, 2, 3, 4, 5]);
  assert.equal((await handle.steps()).filter(({ name }) => name === "wait#5").length, 1);
});

test("parallel branches of one name", async (t) => {
  const app = makeApp(t);
  const first = (ctx: Context, n: number) => ctx.step("first", async () => (await later(10 * n), n));
  const second = (ctx: Context, n: number) => ctx.step("second", () => n * 10);
  const branch = async (ctx: Context, n: number) => second(ctx, await first(ctx, n));
  const wrong = [
    app.workflow("wrong", (ctx) => Promise.all([branch(ctx, 2), branch(ctx, 1)])),
    app.workflow("together", (ctx) => Promise.all([branch(ctx, 1), branch(ctx, 1)])),
    app.workflow("quick", (ctx) => Promise.all([1, 2].map(async (n) => first(ctx, await second(ctx, n))))),
  ];
  const afterWaits = app.workflow("after waits", (ctx) => Promise.all(["a", "b"].map(async (name) => [await ctx.waitSignal(name), await ctx.step("same", () => name)])));
  const inside = app.workflow("inside", (ctx) => ctx.map("outer", [1], () => Promise.all([branch(ctx, 2), branch(ctx, 1)])));
  const right = app.workflow("right", (ctx) => ctx.map("branch", [2, 1], (n) => branch(ctx, n)));
  const loop = app.workflow("loop", async (ctx) => {
    let sum = 0;
    for (let n = 0; n < 3; ++n) sum += (await Promise.all([first(ctx, 1), second(ctx, n)])).reduce((a, b) => a + b);
    return sum;
  });
  works(app);
  for (const workflow of wrong) await assert.rejects((await workflow.start(null)).result(timeout), /WF_NONDETERMINISM/, workflow.name);
  await assert.rejects((await inside.start(null)).result(timeout), /WF_NONDETERMINISM/);
  const waits = await afterWaits.start(null);
  await waits.signal("b");
  await waits.signal("a");
  await assert.rejects(waits.result(timeout), /WF_NONDETERMINISM/);
  assert.equal(await (await loop.start(null)).result(timeout), 33);
  const handle = await right.start(null);
  assert.deepEqual(await handle.result(timeout), [20, 10]);
  assert.deepEqual((await handle.steps()).map(({ name }) => name).sort(), ["branch[0].first", "branch[0].second", "branch[1].first", "branch[1].second"]);
});

test("recorded failure", async (t) => {
  const app = makeApp(t);
  const tries: number[] = [];
  const charge = (ctx: Context): Promise<null> =>
    ctx.step("charge", () => {
      tries.push(1);
      throw new RangeError("declined");
    });
  const buy = app.workflow("buy", async (ctx) => {
    try {
      await charge(ctx);
    } catch (error) {
      assert.ok(error instanceof StepFailed);
      await ctx.sleep(0.01);
      return (error.error as { message: string }).message;
    }
    return "charged";
  });
  const uncaught = app.workflow("uncaught", (ctx) => charge(ctx));
  works(app);
  assert.equal(await (await buy.start(null)).result(timeout), "declined");
  assert.equal(tries.length, 1);
  await assert.rejects((await uncaught.start(null)).result(timeout), (error) => error instanceof WorkflowFailed && /declined/.test(error.message));
  assert.equal(tries.length, 2);
});

test("failure is tried again", async (t) => {
  const app = makeApp(t);
  let tries = 0;
  const patient = app.workflow("patient", (ctx) =>
    ctx.step(
      "flaky",
      () => {
        if (++tries < 3) throw new Error("away");
        return tries;
      },
      { attempts: 3, backoff: 0.01 },
    ),
  );
  const hopeless = app.workflow("hopeless", (ctx) =>
    ctx.step(
      "broken",
      () => {
        ++tries;
        throw new Error("gone");
      },
      { attempts: 2, backoff: 0.01 },
    ),
  );
  works(app);
  assert.equal(await (await patient.start(null)).result(timeout), 3);
  tries = 0;
  await assert.rejects((await hopeless.start(null)).result(timeout), /gone/);
  assert.equal(tries, 2);
});

test("failure of the code is tried again", async (t) => {
  const app = makeApp(t);
  let runs = 0;
  const shaky = app.workflow("shaky", async () => {
    if (++runs === 1) throw new Error("not now");
    return runs;
  });
  await app.database.call("wf_config", "backoff", '{"initial": 0.01}');
  works(app);
  assert.equal(await (await shaky.start(null)).result(timeout), 2);
});

test("a result that is no JSON is not tried again", async (t) => {
  const app = makeApp(t);
  let tries = 0;
  const w = app.workflow("w", (ctx) => ctx.step("bad", () => (++tries, NaN), { attempts: 4, backoff: 0.01 }));
  works(app);
  await assert.rejects((await w.start(null)).result(timeout), /is NaN/);
  assert.equal(tries, 1);
});

test("children", async (t) => {
  const app = makeApp(t);
  const child = app.workflow("child", async (_ctx, n: number) => {
    if (n === 3) throw new NotJSON("no threes");
    return n * n;
  });
  const parent = app.workflow("parent", async (ctx) => {
    const children = [await ctx.start(child, 1), await ctx.start(child, 2)];
    const out: unknown[] = await ctx.join(children);
    try {
      await ctx.call(child, 3);
    } catch (error) {
      assert.ok(error instanceof WorkflowFailed);
      out.push((error.error as { message: string }).message);
    }
    return out.concat(await ctx.call(child, 5, { id: "by name" }));
  });
  works(app);
  assert.deepEqual(await (await parent.start(null)).result(timeout), [1, 4, "no threes", 25]);
});

test("calls of children side by side", async (t) => {
  const app = makeApp(t);
  const child = app.workflow("child", async (ctx, n: number) => (await ctx.sleep(0.03 / n), n * 10));
  const parent = app.workflow("parent", (ctx) => Promise.all([1, 2, 3].map((n) => ctx.call(child, n))));
  works(app);
  const handle = await parent.start(null);
  assert.deepEqual(await handle.result(timeout), [10, 20, 30]);
  assert.deepEqual((await handle.steps()).map(({ name }) => name).sort(), ["child", "child#2", "child#3", "join", "join#2", "join#3"]);
});

test("effect", async (t) => {
  const app = makeApp(t);
  const keys: string[] = [];
  const buy = app.workflow("buy", (ctx) =>
    ctx.effect(
      "charge",
      ({ key }) => {
        keys.push(key);
        if (keys.length === 1) throw new Error("no answer");
        return "paid";
      },
      { attempts: 2, backoff: 0.01 },
    ),
  );
  const inDoubt = app.workflow("in doubt", (ctx) => ctx.effect("charge", () => "paid", { inDoubt: "hold" }));
  const [held, claimed] = [await inDoubt.start(null), JSON.parse(String(await app.database.call("wf_claim", null, "another"))) as { token: string }];
  await app.database.call("wf_begin", claimed.token, "charge", '{"in_doubt": "hold"}'); // and died
  await app.database.call("wf_recover", '{"worker": "another"}');
  works(app);
  assert.equal(await (await buy.start(null)).result(timeout), "paid");
  assert.equal(keys.length, 2);
  assert.equal(new Set(keys).size, 1);
  await until(async () => (await app.database.rows("SELECT 1 FROM wf_in_doubt WHERE workflow_id = ?", held.id)).length > 0);
  await app.database.call("wf_resolve", held.id, "charge", "done", '"paid by hand"');
  assert.equal(await held.result(timeout), "paid by hand");
});

test("transaction with rows", async (t) => {
  const app = makeApp(t);
  await app.database.rows("CREATE TABLE answer(run TEXT, text TEXT)");
  await app.database.rows("CREATE TABLE one(a UNIQUE)");
  await app.database.rows("INSERT INTO one VALUES (1)");
  const remember = app.workflow("remember", (ctx, text: string) =>
    ctx.transaction("remember", async (tx) => {
      await tx.rows("INSERT INTO answer VALUES (?, ?)", ctx.id, text);
      if (text === "bad") throw new Error("bad");
      if (text === "slow") await later(3000);
      if (text === "COMMIT") await tx.rows("/* x */ COMMIT");
      if (text === "rolled back") {
        await tx.rows("INSERT OR ROLLBACK INTO one VALUES (1)").catch(() => undefined);
        await tx.rows("INSERT INTO answer VALUES ('after', 'after')");
      }
      return 1;
    }),
  );
  works(app);
  assert.equal(await (await remember.start("good", { id: "good" })).result(timeout), 1);
  await assert.rejects((await remember.start("bad")).result(timeout), /bad/);
  await assert.rejects((await remember.start("slow")).result(timeout), /longer than 1000 ms/);
  await assert.rejects((await remember.start("COMMIT")).result(timeout), /begun and ended around/);
  await assert.rejects((await remember.start("rolled back")).result(timeout), /was rolled back/);
  assert.deepEqual(await app.database.rows("SELECT * FROM answer"), [["good", "good"]]);
});

test("an error that is no text", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", (ctx, n: number) =>
    n === 0 ? Promise.reject(new Error("\udce9")) : n === 1 ? Promise.reject({ odd: 1 }) : ctx.step("half", () => Promise.reject(new Error("\udce9"))),
  );
  works(app);
  for (const n of [0, 1, 2]) await assert.rejects((await w.start(n, { max_attempts: 1 })).result(timeout), WorkflowFailed);
});

test("big integers and floats", async (t) => {
  const app = makeApp(t);
  const value = { big: 2n ** 63n - 1n, float: 3.0, null: null, text: "\u2028 ö 🦆", small: 1e-7, large: 1e300 };
  const w = app.workflow("w", (ctx) => ctx.step("give", () => value));
  works(app);
  const handle = await w.start(null);
  assert.deepEqual(await handle.result(timeout), value);
  assert.match(String(await app.database.call("wf_result", handle.id)), /"float":3,/);
});

// The same numbers as in the other packages.
test("numbers are written alike in every language", async (t) => {
  const app = makeApp(t);
  const { floats, integers } = JSON.parse(readFileSync(new URL("../../numbers.json", import.meta.url), "utf8")) as { floats: [string, string][]; integers: string[] };
  const w = app.workflow("w", (ctx) => ctx.step("give", () => ({ floats: floats.map(([literal]) => Number(literal)), integers: integers.map(BigInt) })));
  works(app);
  const handle = await w.start(null);
  const back = (await handle.result(timeout)) as { floats: (number | bigint)[]; integers: (number | bigint)[] };
  assert.equal(await app.database.call("wf_result", handle.id), `{"floats":[${floats.map(([, text]) => text).join(",")}],"integers":[${integers.join(",")}]}`);
  floats.forEach(([literal, text], i) => {
    const is = /^-?\d+$/.test(text) && !Number.isSafeInteger(Number(literal)) ? BigInt(text) : Number(literal) + 0;
    assert.deepEqual(back.floats[i], is, literal);
  });
  integers.forEach((text, i) => assert.deepEqual(back.integers[i], Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text), text));
});

test("values that are not JSON", async (t) => {
  const app = makeApp(t);
  const loop: Record<string, unknown> = {};
  loop["again"] = [loop];
  const cases: [unknown, RegExp][] = [
    [{ list: [1, { set: new Set([1]) }] }, /what bad returns\.list\[1\]\.set is a Set/],
    [NaN, /is NaN/],
    [() => 1, /is a function/],
    [loop, /what bad returns\.again\[0\] contains itself/],
    [[undefined], /\[0\] is undefined/],
    [new Error("x"), /is a Error/],
    ["\ud83d", /half a surrogate pair/],
  ];
  const w = app.workflow("w", (ctx, i: number) => ctx.step("bad", () => cases[i]![0] as never));
  works(app);
  for (let i = 0; i < cases.length; ++i) await assert.rejects((await w.start(i)).result(timeout), cases[i]![1]);
  const fine = app.workflow("fine", (ctx) => ctx.step("fine", () => ({ date: new Date(0), gone: undefined })));
  assert.ok(fine);
});

test("outside of a workflow", async (t) => {
  const app = makeApp(t);
  const w = app.workflow("w", (ctx) => ctx.step("outer", () => ctx.step("inner", () => 1)));
  const waits = app.workflow("waits", (ctx) => ctx.step("outer", () => ctx.sleep(1)));
  works(app);
  const handle = await w.start(null);
  assert.equal(await handle.result(timeout), 1); // inside of a step: a plain call
  assert.deepEqual((await handle.steps()).map(({ name }) => name), ["outer"]);
  await assert.rejects((await waits.start(null)).result(timeout), /inside of the step outer/);
});

test("changed code", async (t) => {
  const app = makeApp(t);
  const before = app.workflow("change", async (ctx) => {
    const first = await ctx.step("old", () => "old");
    await ctx.waitSignal("go");
    return first;
  });
  const worker = works(app);
  const underWay = await before.start(null);
  await until(async () => (await underWay.status()) === "waiting");
  await worker.stop();
  app.workflows.delete("change"); // the next process has other code
  const after = app.workflow("change", async (ctx) => {
    if (await ctx.patched("new")) {
      await ctx.waitSignal("go");
      return "new";
    }
    const first = await ctx.step("old", () => "old");
    await ctx.waitSignal("go");
    return first;
  });
  works(app);
  const fresh = await after.start(null);
  await fresh.signal("go");
  await underWay.signal("go");
  assert.equal(await fresh.result(timeout), "new");
  assert.equal(await underWay.result(timeout), "old");
});

test("names given by hand", async (t) => {
  const app = makeApp(t);
  assert.throws(() => app.workflow("x#2", async () => undefined), /ends in #/);
  const w = app.workflow("w", (ctx) => ctx.step("y#3", () => 1));
  works(app);
  await assert.rejects((await w.start(null, { max_attempts: 1 })).result(timeout), /ends in #/);
  assert.ok(Nondeterminism);
});
