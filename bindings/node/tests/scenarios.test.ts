// What a workflow may rely on, one scenario a test. The names are those of the table in bindings/README.md; every language has the same.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { App, type Context, Nondeterminism, NotJSON, StepFailed, WfextError, type Worker, WorkflowCancelled, WorkflowFailed } from "../src/index.ts";

const LONG = 60; // seconds: a net for hangs, no measure
const QUIET = { log: { warn: () => undefined, error: console.error } };
const timeout = { timeout: LONG };

async function makeApp(t: TestContext): Promise<App> {
  const folder = mkdtempSync(join(tmpdir(), "wfext-"));
  const app = new App(join(folder, "test.db"), { synchronous: "normal" });
  const workers: Worker[] = [];
  running.set(app, workers);
  t.after(async () => {
    for (const worker of workers) await worker.stop();
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return app;
}
const running = new WeakMap<App, Worker[]>();

function works(_t: TestContext, app: App, options = {}) {
  const worker = app.start({ ...QUIET, ...options });
  running.get(app)!.push(worker);
  return worker;
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + LONG * 1000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, "it has not come");
    await later(10);
  }
}

test("replay", async (t) => {
  const app = await makeApp(t);
  const runs: number[] = [];
  const done: number[] = [];
  const twice = app.workflow("twice", async (ctx, n: number) => {
    runs.push(ctx.attempt);
    const work = (m: number) => ctx.step("work", () => (done.push(m), m * 2));
    const first = await work(n);
    await ctx.sleep(0.01);
    return first + (await work(n + 1));
  });
  works(t, app);
  assert.equal(await (await twice.start(3)).result(timeout), 14);
  assert.deepEqual(done, [3, 4]);
  assert.equal(runs.length, 2);
});

test("parallel branches", async (t) => {
  const app = await makeApp(t);
  const fan = app.workflow("fan", async (ctx) => {
    const wait = (n: number) => ctx.step("wait", async () => (await later(50 / n), n));
    const first = await Promise.all([1, 2, 3].map(wait));
    await ctx.sleep(0.01);
    return [...first, ...(await Promise.all([4, 5].map(wait)))];
  });
  works(t, app);
  const handle = await fan.start(null);
  assert.deepEqual(await handle.result(timeout), [1, 2, 3, 4, 5]);
  assert.equal((await handle.steps()).filter(({ name }) => name === "wait#5").length, 1);
});

test("parallel branches of one name", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
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
  const app = await makeApp(t);
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
  works(t, app);
  assert.equal(await (await buy.start(null)).result(timeout), "declined");
  assert.equal(tries.length, 1);
  await assert.rejects((await uncaught.start(null)).result(timeout), (error) => error instanceof WorkflowFailed && /declined/.test(error.message));
  assert.equal(tries.length, 2);
});

test("failure is tried again", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
  assert.equal(await (await patient.start(null)).result(timeout), 3);
  tries = 0;
  await assert.rejects((await hopeless.start(null)).result(timeout), /gone/);
  assert.equal(tries, 2);
});

test("failure of the code is tried again", async (t) => {
  const app = await makeApp(t);
  let runs = 0;
  const shaky = app.workflow("shaky", async () => {
    if (++runs === 1) throw new Error("not now");
    return runs;
  });
  await app.database.call("wf_config", "backoff", '{"initial": 0.01}');
  works(t, app);
  assert.equal(await (await shaky.start(null)).result(timeout), 2);
});

test("waits side by side", async (t) => {
  const app = await makeApp(t);
  const both = app.workflow("both", (ctx) =>
    Promise.all([ctx.waitSignal("a", { timeout: "1h" }), ctx.waitSignal("b", { timeout: "1h" }), ctx.waitSignal("c", { timeout: 0.05 })]).then((all) => all.map((each) => each ?? "late")),
  );
  works(t, app);
  const handle = await both.start(null);
  await until(async () => (await handle.status()) === "waiting");
  await handle.signal("b", 2);
  await later(200);
  await handle.signal("a", 1);
  assert.deepEqual(await handle.result(timeout), [1, 2, "late"]);
});

test("wait beside a step", async (t) => {
  const app = await makeApp(t);
  let done = 0;
  const agent = app.workflow("agent", (ctx) => Promise.all([ctx.step("slow", async () => (await later(200), ++done, "slow")), ctx.waitSignal("go", { timeout: "1h" })]));
  works(t, app);
  const handle = await agent.start(null);
  await until(async () => (await handle.status()) === "waiting");
  await handle.signal("go", "gone");
  assert.deepEqual(await handle.result(timeout), ["slow", "gone"]);
  assert.equal(done, 1);
});

test("waits of which one is there already", async (t) => {
  const app = await makeApp(t);
  const both = app.workflow("both", (ctx) => Promise.all([ctx.waitSignal("a", { timeout: "1h" }), ctx.waitSignal("b", { timeout: "1h" })]));
  const handle = await both.start(null);
  await handle.signal("a", 1);
  works(t, app);
  await until(async () => (await handle.status()) === "waiting");
  await handle.signal("b", 2);
  assert.deepEqual(await handle.result(timeout), [1, 2]);
});

test("two steps in a long pause", async (t) => {
  const app = await makeApp(t);
  const w = app.workflow("w", (ctx) =>
    Promise.all([1, 2].map((n) => ctx.step(`away ${n}`, () => Promise.reject(new Error(String(n))), { attempts: 3, backoff: 60 }))),
  );
  works(t, app);
  const handle = await w.start(null);
  await until(async () => (await handle.status()) === "pending" && Number((await app.database.rows("SELECT count(*) FROM wf_failures"))[0]![0]) === 2);
});

test("a step in flight is recorded when the worker stops", async (t) => {
  const app = await makeApp(t);
  let begun = false;
  let done = 0;
  const w = app.workflow("w", (ctx) =>
    ctx.step("slow", async () => {
      begun = true;
      await later(500);
      return ++done;
    }),
  );
  const worker = works(t, app);
  const handle = await w.start(null);
  await until(() => begun);
  await worker.stop();
  works(t, app);
  assert.equal(await handle.result(timeout), 1);
  assert.equal(done, 1);
});

test("a result that is no JSON is not tried again", async (t) => {
  const app = await makeApp(t);
  let tries = 0;
  const w = app.workflow("w", (ctx) => ctx.step("bad", () => (++tries, NaN), { attempts: 4, backoff: 0.01 }));
  works(t, app);
  await assert.rejects((await w.start(null)).result(timeout), /is NaN/);
  assert.equal(tries, 1);
});

test("timeout of a wait", async (t) => {
  const app = await makeApp(t);
  const patient = app.workflow("patient", async (ctx) => [(await ctx.waitSignal("never", { timeout: 0.01 })) === undefined, await ctx.waitSignal("null", { timeout: "1h" })]);
  works(t, app);
  const handle = await patient.start(null);
  await handle.signal("null", null);
  assert.deepEqual(await handle.result(timeout), [true, null]);
});

test("suspension swallowed", async (t) => {
  const app = await makeApp(t);
  const deaf = app.workflow("deaf", async (ctx) => {
    const [answer] = await Promise.allSettled([ctx.waitSignal("go", { timeout: "1h" })]);
    return answer.status === "fulfilled" ? "it came" : "nothing came";
  });
  const raced = app.workflow("raced", (ctx) => Promise.race([ctx.waitSignal("go", { timeout: "1h" }), new Promise((resolve) => ctx.signal.addEventListener("abort", () => resolve("aborted")))]));
  works(t, app);
  for (const workflow of [deaf, raced]) {
    const handle = await workflow.start(null);
    await until(async () => (await handle.status()) === "waiting");
    await later(50);
    assert.equal(await handle.status(), "waiting");
    await handle.signal("go", "it came");
    assert.equal(await handle.result(timeout), "it came");
  }
});

test("cancel reaches the code", async (t) => {
  const app = await makeApp(t);
  let started = false;
  let told = false;
  const looping = app.workflow("looping", async (ctx) => {
    started = true;
    ctx.signal.addEventListener("abort", () => (told = true));
    await new Promise(() => undefined);
  });
  works(t, app);
  const handle = await looping.start(null);
  await until(() => started);
  await handle.cancel("enough");
  await until(() => told);
  await assert.rejects(handle.result(timeout), (error) => error instanceof WorkflowCancelled && /enough/.test(error.message));
});

test("children", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
  assert.deepEqual(await (await parent.start(null)).result(timeout), [1, 4, "no threes", 25]);
});

test("effect", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
  assert.equal(await (await buy.start(null)).result(timeout), "paid");
  assert.equal(keys.length, 2);
  assert.equal(new Set(keys).size, 1);
});

test("transaction with rows", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
  assert.equal(await (await remember.start("good", { id: "good" })).result(timeout), 1);
  await assert.rejects((await remember.start("bad")).result(timeout), /bad/);
  await assert.rejects((await remember.start("slow")).result(timeout), /longer than 1000 ms/);
  await assert.rejects((await remember.start("COMMIT")).result(timeout), /begun and ended around/);
  await assert.rejects((await remember.start("rolled back")).result(timeout), /was rolled back/);
  assert.deepEqual(await app.database.rows("SELECT * FROM answer"), [["good", "good"]]);
});

test("saga", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
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
  const app = await makeApp(t);
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
  works(t, app);
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

test("an error that is no text", async (t) => {
  const app = await makeApp(t);
  const w = app.workflow("w", (ctx, n: number) =>
    n === 0 ? Promise.reject(new Error("\udce9")) : n === 1 ? Promise.reject({ odd: 1 }) : ctx.step("half", () => Promise.reject(new Error("\udce9"))),
  );
  works(t, app);
  for (const n of [0, 1, 2]) await assert.rejects((await w.start(n, { max_attempts: 1 })).result(timeout), WorkflowFailed);
});

test("stream followed live", async (t) => {
  const app = await makeApp(t);
  const talk = app.workflow("talk", async (ctx) => {
    await ctx.append("words", "one");
    await ctx.sleep(0.01);
    await ctx.append("words", "two");
  });
  works(t, app);
  const words: unknown[] = [];
  for await (const word of (await talk.start(null)).stream("words")) words.push(word);
  assert.deepEqual(words, ["one", "two"]);
});

test("big integers and floats", async (t) => {
  const app = await makeApp(t);
  const value = { big: 2n ** 63n - 1n, float: 3.0, null: null, text: "\u2028 ö 🦆", small: 1e-7, large: 1e300 };
  const w = app.workflow("w", (ctx) => ctx.step("give", () => value));
  works(t, app);
  const handle = await w.start(null);
  assert.deepEqual(await handle.result(timeout), value);
  assert.match(String(await app.database.call("wf_result", handle.id)), /"float":3,/);
});

test("values that are not JSON", async (t) => {
  const app = await makeApp(t);
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
  works(t, app);
  for (let i = 0; i < cases.length; ++i) await assert.rejects((await w.start(i)).result(timeout), cases[i]![1]);
  const fine = app.workflow("fine", (ctx) => ctx.step("fine", () => ({ date: new Date(0), gone: undefined })));
  assert.ok(fine);
});

test("outside of a workflow", async (t) => {
  const app = await makeApp(t);
  const w = app.workflow("w", (ctx) => ctx.step("outer", () => ctx.step("inner", () => 1)));
  works(t, app);
  await assert.rejects((await w.start(null)).result(timeout), /inside of another step/);
});

test("changed code", async (t) => {
  const app = await makeApp(t);
  const before = app.workflow("change", async (ctx) => {
    const first = await ctx.step("old", () => "old");
    await ctx.waitSignal("go");
    return first;
  });
  const worker = works(t, app);
  const underWay = await before.start(null);
  await until(async () => (await underWay.status()) === "waiting");
  await worker.stop();
  const after = app.workflow("change", async (ctx) => {
    if (await ctx.patched("new")) {
      await ctx.waitSignal("go");
      return "new";
    }
    const first = await ctx.step("old", () => "old");
    await ctx.waitSignal("go");
    return first;
  });
  works(t, app);
  const fresh = await after.start(null);
  await fresh.signal("go");
  await underWay.signal("go");
  assert.equal(await fresh.result(timeout), "new");
  assert.equal(await underWay.result(timeout), "old");
});

test("continue as", async (t) => {
  const app = await makeApp(t);
  const count = app.workflow("count", async (ctx, n: number): Promise<number> => {
    if (n < 3) await ctx.continueAs(n + 1);
    return n;
  });
  works(t, app);
  const handle = await count.start(0);
  assert.equal(await handle.result(timeout), 3);
  assert.deepEqual(await handle.steps(), []);
});

test("two workers of one name", async (t) => {
  const app = await makeApp(t);
  app.workflow("w", async () => undefined);
  const first = works(t, app, { name: "one" });
  await first.started;
  await assert.rejects(app.start({ name: "one" }).started, /"one" is running/);
  const second = works(t, app);
  const third = works(t, app);
  await Promise.all([second.started, third.started]);
  assert.notEqual(second.name, third.name);
  assert.throws(() => app.start({ concurrency: 0 }), WfextError);
});

test("stop gives back", async (t) => {
  const app = await makeApp(t);
  let runs = 0;
  const w = app.workflow("w", async () => {
    if (++runs === 1) await new Promise(() => undefined);
    return runs;
  });
  const worker = works(t, app);
  const handle = await w.start(null);
  await until(() => runs === 1);
  await worker.stop();
  assert.equal(await handle.status(), "pending");
  works(t, app);
  assert.equal(await handle.result(timeout), 2);
});

test("names given by hand", async (t) => {
  const app = await makeApp(t);
  assert.throws(() => app.workflow("x#2", async () => undefined), /ends in #/);
  const w = app.workflow("w", (ctx) => ctx.step("y#3", () => 1));
  works(t, app);
  await assert.rejects((await w.start(null, { max_attempts: 1 })).result(timeout), /ends in #/);
  assert.ok(Nondeterminism);
});
