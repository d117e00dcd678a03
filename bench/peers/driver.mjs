// One process of one system, as driver.py is: driver.mjs SYSTEM COMMAND FILE SETTINGS.
import { createInterface } from "node:readline";

const [, , name, command, path, given] = process.argv;
const settings = JSON.parse(given);
const { System } = await import(name === "wfext" ? "./ours.mjs" : "./openworkflow.mjs");
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const now = () => Number(process.hrtime.bigint());
const system = await System.open(path, settings);

let jobs = 0, failures = 0, longest = 0, error = "";
const count = (failure) => {
  failures++;
  error = String(failure.cause?.message ?? failure.message).split("\n")[0].slice(0, 120);
};
process.on("unhandledRejection", count);

async function work() {
  await system.job().catch(count);
  say({ ready: true });
  await lines.next();
  jobs = longest = 0;
  const until = now() + settings.seconds * 1e9;
  for (let begin; (begin = now()) < until;) {
    try {
      jobs += await system.job();
    } catch (failure) {
      count(failure);
      await pause(0.005);  // as a caller that tries again would
    }
    longest = Math.max(longest, now() - begin);
  }
  say({ jobs, longest: longest / 1e9, failures, error });
}

async function enqueue() {
  say({ ready: true });
  for await (const job of lines) {
    const at = now();
    try {
      await system.enqueue(job);
      say({ job, at });
    } catch (failure) {
      say({ job, error: String(failure.message) });
    }
  }
}

const serve = () => system.serve(
  settings.steps.map(([step, seconds]) => [step, async (job) => {
    say({ job, step, at: now() });
    if (seconds) await pause(seconds);
    return { ok: true };
  }]),
  () => say({ ready: true }));

if (command === "prepare") await system.job();
else await { work, enqueue, serve }[command]();
process.exit(0);
