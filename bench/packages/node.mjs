// The Node package beside the same calls by hand. What is measured stands in run.py: node.mjs MEASURE FILE SETTINGS

import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { DatabaseSync } from "node:sqlite";
import { App, load } from "../../bindings/node/src/index.ts";

const [measure, path, given] = process.argv.slice(2);
const settings = JSON.parse(given);
const QUIET = { info() {}, warn() {}, error: console.error };
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** A connection as one opens it without the package. */
function byHand(synchronous) {
  const db = new DatabaseSync(path, { allowExtension: true, timeout: 60_000 });
  load(db);
  db.exec(`PRAGMA journal_mode = wal; PRAGMA synchronous = ${synchronous}`);
  const statements = new Map();
  return {
    call(sql, ...params) {
      let statement = statements.get(sql);
      if (statement === undefined) {
        statement = db.prepare(sql);
        statement.setReturnArrays(true);
        statements.set(sql, statement);
      }
      return statement.all(...params)[0][0];
    },
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
  };
}

const allEnded = (handles) => Promise.all(handles.map((handle) => handle.result({ timeout: 600 })));

const measures = {
  /** Microseconds of a step in a workflow, and of the bare call that records one; turn by turn in one file. */
  async step({ steps, rounds }) {
    const app = new App(path, { synchronous: "normal" });
    const took = [];
    const bare = [];
    const job = app.workflow("job", async (ctx, count) => {
      const begin = performance.now();
      for (let n = 0; n < count; ++n) await ctx.step("charge", () => ({ ref: "r9" }));
      took.push((performance.now() - begin) / count);
    });
    const db = byHand("normal");
    const worker = app.start({ lease: 600, log: QUIET });
    for (let round = 0; round < rounds; ++round) {
      await (await job.start(steps)).result({ timeout: 600 });
      db.call("SELECT wf_start('bare', NULL, '{\"queue\": \"bare\"}')");
      const { token } = JSON.parse(db.call("SELECT wf_claim('bare', 'me', '{\"lease\": 600}')"));
      const begin = performance.now();
      for (let n = 0; n < steps; ++n) JSON.parse(db.call("SELECT wf_step(?, ?, ?)", token, `charge#${n}`, JSON.stringify({ ref: "r9" })));
      bare.push((performance.now() - begin) / steps);
      db.call("SELECT wf_complete(?)", token);
    }
    await worker.stop();
    return { us: median(took) * 1000, raw_us: median(bare) * 1000 };
  },

  slots: () => ({ skip: "Node has a loop, and no slots" }),

  /** Of workflows of two steps: the time of each with the package's worker, and by a connection that claims and records in the loop. */
  async loop({ workflows, slots, rounds, seconds }) {
    const app = new App(path, { synchronous: "full" });
    const job = app.workflow("job", async (ctx, n) => (await ctx.step("charge", () => n)) + (await ctx.step("charge", () => n)));
    const ours = [];
    const theirs = [];
    const package_ = async () => {
      const handles = await Promise.all(Array.from({ length: workflows }, (_, n) => job.start(n)));
      const begin = performance.now();
      const worker = app.start({ concurrency: slots, log: QUIET });
      await allEnded(handles);
      const time = performance.now() - begin;
      await worker.stop();
      return time;
    };
    const work = async () => {
      const db = byHand("full");
      const turn = () => new Promise((resolve) => setImmediate(resolve));
      for (let claim; (claim = db.call("SELECT wf_claim('hand', NULL, '{\"steps\": true}')")) !== null; await turn()) {
        const { token, input } = JSON.parse(claim);
        for (const name of ["charge", "charge#2"]) {
          await turn();
          db.call("SELECT wf_step(?, ?, ?)", token, name, JSON.stringify(input));
        }
        db.call("SELECT wf_complete(?, ?)", token, JSON.stringify(input + input));
      }
      db.close();
    };
    const hand = async () => {
      const db = byHand("full");
      db.exec("BEGIN IMMEDIATE");
      for (let n = 0; n < workflows; ++n) db.call("SELECT wf_start('hand', ?, ?)", String(n), '{"queue": "hand"}');
      db.exec("COMMIT");
      db.close();
      const begin = performance.now();
      await Promise.all(Array.from({ length: slots }, work));
      return performance.now() - begin;
    };
    const begun = performance.now();
    for (let round = 0; round < rounds && (round === 0 || performance.now() - begun < 1000 * seconds); ++round) {
      for (const [what, times] of round % 2 === 0 ? [[package_, ours], [hand, theirs]] : [[hand, theirs], [package_, ours]]) times.push(await what());
    }
    const [us, raw_us] = [ours, theirs].map((times) => (median(times) / workflows) * 1000);
    return { us, raw_us, note: `${(1e6 / us).toFixed(0)} a second, by hand ${(1e6 / raw_us).toFixed(0)}` };
  },

  /** How late the loop is while it runs the workflows. */
  async delay({ workflows, slots }) {
    const app = new App(path, { synchronous: "full" });
    const job = app.workflow("job", async (ctx, n) => (await ctx.step("charge", () => n)) + (await ctx.step("charge", () => n)));
    const handles = await Promise.all(Array.from({ length: workflows }, (_, n) => job.start(n)));
    const late = monitorEventLoopDelay({ resolution: 1 });
    const worker = app.start({ concurrency: slots, log: QUIET });
    late.enable();
    await allEnded(handles);
    late.disable();
    await worker.stop();
    const ms = (ns) => ns / 1e6 - 1; // the timer itself sleeps for one
    return { value: ms(late.percentile(99)), note: `p50 ${ms(late.percentile(50)).toFixed(2)} ms, longest ${ms(late.max).toFixed(0)} ms` };
  },

  /** What the process holds more of, once they wait. */
  async memory({ workflows }) {
    const app = new App(path, { synchronous: "normal" });
    const patient = app.workflow("patient", async (ctx, n) => (await ctx.step("ask", () => n)) + (await ctx.waitSignal("go", { timeout: "7d" })));
    const suspend = async (count) => {
      for (let n = 0; n < count; ++n) await patient.start(n);
      while ((await app.database.rows("SELECT 1 FROM wf_workflows WHERE status IN ('pending', 'running') LIMIT 1")).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    const worker = app.start({ log: QUIET });
    await suspend(20);
    const collect = globalThis.gc ?? (() => undefined);
    collect();
    const before = process.memoryUsage.rss() / 1024;
    await suspend(workflows);
    collect();
    const after = process.memoryUsage.rss() / 1024;
    await worker.stop();
    return { value: Math.max(after - before, 0), note: `${(before / 1024).toFixed(0)} MiB before; a row each, promises that the collector takes` };
  },

  agent: () => ({ skip: "measured in Python" }),
};

console.log(JSON.stringify(await measures[measure](settings)));
process.exit(0);
