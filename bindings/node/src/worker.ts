// A worker: claims workflows of an app and runs them in this process' loop. One thread waits for work (wf_wait), another makes all calls; one heartbeat for all leases.

import { randomBytes } from "node:crypto";
import type { App } from "./app.ts";
import { checkKeys, checkSeconds, checkText, checkTexts, shown } from "./check.ts";
import { Attempt, type Claim, type Log, type Surroundings } from "./attempt.ts";
import type { Waiter } from "./database.ts";
import { WfextError } from "./errors.ts";
import { type HeldName, holdName } from "./lock.ts";
import { readSteps, runClaim } from "./run.ts";
import { loads } from "./values.ts";

export interface WorkerOptions {
  /** Workflows at once; default 200. */
  concurrency?: number;
  /** Seconds; default 30. */
  lease?: number;
  /** Default: the host's name and a number that no other process here has. */
  name?: string;
  queues?: string[];
  /** Names of the workflows to work on; default: all that the app declares. */
  workflows?: string[];
  /** Only workflows of these versions, and those without one. */
  versions?: string[];
  /** Seconds that code has to come to an end when the worker stops; default 10. */
  grace?: number;
  /** Where messages go; default console. */
  log?: Log;
}

const MORE_AT_ONCE = 50; // workflows in one claim
const WAIT_SECONDS = 5;

export class Worker {
  readonly app: App;
  /** Settled once it works, or cannot. */
  readonly started: Promise<void>;
  /** Settled once it has stopped and nothing of it runs any more. What runs after the grace period keeps its lease until then, and the worker its name. */
  readonly ended: Promise<void>;
  name = "";
  readonly #surroundings: Surroundings;
  readonly #filter: { names: string[]; versions?: string[] };
  readonly #options: WorkerOptions;
  readonly #concurrency: number;
  #queues: string[] = [];
  #attempts = new Map<string, { attempt: Attempt; done: Promise<void> }>();
  #stopping = false;
  #stopped: Promise<void> | undefined;
  #wake = `worker ${randomBytes(8).toString("hex")}`;
  #held: HeldName | undefined;
  #beat: NodeJS.Timeout | undefined;
  #loop: Promise<void> = Promise.resolve();
  #end!: () => void;

  constructor(app: App, options: WorkerOptions) {
    checkKeys("a worker", options, ["concurrency", "lease", "name", "queues", "workflows", "versions", "grace", "log"]);
    const { concurrency = 200, lease = 30, log = console } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) throw new WfextError(`concurrency is ${shown(concurrency)}: a whole number, at least 1`);
    if (typeof lease !== "number" || !(lease > 0)) throw new WfextError(`lease is ${shown(lease)}: more than 0 seconds`);
    if (options.grace !== undefined) checkSeconds("grace", options.grace);
    if (options.name !== undefined) checkText("the name of a worker", options.name);
    for (const list of ["queues", "workflows", "versions"] as const) if (options[list] !== undefined) checkTexts(list, options[list], list === "versions");
    for (const level of ["info", "warn", "error"] as const) if (typeof log?.[level] !== "function") throw new WfextError(`log has no function ${level}`);
    if (app.workflows.size === 0) throw new WfextError("this app has no workflow: declare one with app.workflow()");
    this.app = app;
    this.#options = options;
    this.#concurrency = concurrency;
    this.#surroundings = { lease, log };
    const names = options.workflows ?? [...app.workflows.keys()];
    for (const name of names) if (!app.workflows.has(name)) throw new WfextError(`this app has no workflow ${JSON.stringify(name)}: ${[...app.workflows.keys()].join(", ")}`);
    this.#filter = { names, ...(options.versions === undefined ? {} : { versions: options.versions }) };
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.started = this.#start();
    this.started.catch(() => undefined);
  }

  async #start(): Promise<void> {
    this.#held = holdName(this.app.database, this.#options.name);
    this.name = this.#held.name;
    try {
      if (this.#held.isLocked) await this.app.database.call("wf_recover", JSON.stringify({ worker: this.name, lost: true }));
      const served = await this.app.apply(this.#surroundings.log);
      this.#queues = this.#options.queues ?? served;
      await this.app.enter();
    } catch (error) {
      this.#held.release();
      throw error;
    }
    this.#beat = setInterval(() => void this.#heartbeat(), (this.#surroundings.lease * 1000) / 3);
    this.#loop = this.#work();
  }

  /** No new claims; the code of all attempts is told (ctx.signal) and given back once nothing of it is in flight, or the time (seconds) is over. */
  stop(options: { grace?: number } = {}): Promise<void> {
    return (this.#stopped ??= this.#stop(options.grace ?? this.#options.grace ?? 10));
  }

  async #stop(grace: number): Promise<void> {
    const works = await this.started.then(() => true, () => false);
    this.#stopping = true;
    if (!works) return this.#end();
    await this.#wakeUp();
    await this.#loop; // what it was claiming is there
    const running = [...this.#attempts.values()];
    for (const { attempt } of running) attempt.stop();
    const all = Promise.all(running.map(({ done }) => done));
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([all, new Promise((resolve) => (timer = setTimeout(resolve, grace * 1000)))]);
    clearTimeout(timer);
    if (this.#attempts.size > 0) this.#surroundings.log.warn(`wfext: ${this.#attempts.size} workflows still run after the grace period and keep their leases`);
    this.#beat?.unref(); // a process that has nothing else to do may end
    const leaving = all.then(async () => {
      clearInterval(this.#beat);
      this.#held?.release();
      await this.app.leave();
      this.#end();
    });
    if (this.#attempts.size === 0) await leaving;
  }

  /** Workflows whose code runs. */
  get running(): number {
    return this.#attempts.size;
  }

  async #wakeUp(): Promise<void> {
    await this.app.database.call("wf_wake", this.#wake).catch(() => undefined);
  }

  async #work(): Promise<void> {
    let pause = 100;
    let waiter: Waiter | undefined;
    while (!this.#stopping) {
      try {
        waiter ??= await this.app.database.waiter();
        await this.#claim();
        if (!this.#stopping) await this.#wait(waiter);
        pause = 100;
      } catch (error) {
        // A failure of the engine fails no workflow: the worker tries again.
        if (this.#stopping) break;
        this.#surroundings.log.error("wfext: the worker could not claim:", error);
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(5000, pause * 2);
      }
    }
    await waiter?.close();
  }

  async #claim(): Promise<void> {
    for (;;) {
      const free = Math.min(this.#concurrency - this.#attempts.size, MORE_AT_ONCE);
      if (free <= 0 || this.#stopping) return;
      const options = { ...this.#filter, limit: free, steps: true, lease: this.#surroundings.lease };
      const claims = (loads(await this.app.database.call("wf_claim", JSON.stringify(this.#queues), this.name, JSON.stringify(options))) ?? []) as Claim[];
      for (const claim of claims) this.#begin(claim);
      if (this.#stopping) return;
      if (claims.length < free) return;
    }
  }

  async #wait(waiter: Waiter): Promise<void> {
    const wanted: object[] = [{ wake: this.#wake }];
    if (this.#attempts.size < this.#concurrency) wanted.push({ ...this.#filter, queue: this.#queues, worker: this.name });
    const tokens = [...this.#attempts.keys()];
    if (tokens.length > 0) wanted.push({ tokens });
    const came = (loads(await waiter.wait(WAIT_SECONDS, { any: wanted })) ?? []) as { index: number }[];
    if (tokens.length > 0 && came.some(({ index }) => index === wanted.length - 1)) await this.#heartbeat();
  }

  #begin(claim: Claim): void {
    const workflow = this.app.workflows.get(claim.name)!;
    const attempt = new Attempt(workflow, claim, claim.steps ?? [], this.#surroundings);
    const entry = { attempt, done: Promise.resolve() };
    this.#attempts.set(claim.token, entry);
    entry.done = this.#run(claim).finally(() => {
      const wasFull = this.#attempts.size >= this.#concurrency;
      this.#attempts.delete(claim.token);
      if (wasFull && !this.#stopping) void this.#wakeUp();
    });
  }

  async #run(claim: Claim): Promise<void> {
    const entry = this.#attempts.get(claim.token)!;
    if (claim.steps_more || claim.steps === null) {
      try {
        entry.attempt = new Attempt(entry.attempt.workflow, claim, await readSteps(this.app, claim.id), this.#surroundings);
      } catch (error) {
        this.#surroundings.log.error(`wfext: the steps of ${claim.id} could not be read, it will be tried again:`, error);
        return;
      }
    }
    await runClaim(entry.attempt);
  }

  async #heartbeat(): Promise<void> {
    const tokens = [...this.#attempts.keys()];
    if (tokens.length === 0) return;
    try {
      const answers = loads(await this.app.database.call("wf_heartbeat", JSON.stringify(tokens))) as (string | { code: string })[];
      answers.forEach((answer, i) => {
        if (typeof answer === "object" && answer.code !== "SQLITE_ERROR") this.#attempts.get(tokens[i]!)?.attempt.lost();
      });
    } catch (error) {
      if (!this.#stopping) this.#surroundings.log.error("wfext: the heartbeat failed:", error);
    }
  }
}
