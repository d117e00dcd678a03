// A worker: claims workflows of an app and runs them in this process' loop. One thread waits for work (wf_wait), another makes all calls; one heartbeat for all leases.

import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import type { App } from "./app.ts";
import { Attempt, AttemptOver, type Claim, Context, type StepRecord } from "./attempt.ts";
import type { Waiter } from "./database.ts";
import { Busy, NotOurs, StepFailed, WfextError, errorValue, isFinal } from "./errors.ts";
import { dumps, loads } from "./values.ts";

export interface WorkerOptions {
  /** Workflows at once; default 200. */
  concurrency?: number;
  /** Seconds; default 30. */
  lease?: number;
  /** Default: the host's name and a number that no other process here has. */
  name?: string;
  queues?: string[];
  /** Seconds that code has to come to an end when the worker stops; default 10. */
  grace?: number;
  /** Where messages go; default console. */
  log?: Pick<Console, "warn" | "error">;
}

const MORE_AT_ONCE = 50; // workflows in one claim
const WAIT_SECONDS = 5;

interface Held {
  name: string;
  isLocked: boolean;
  release(): void;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readPid(file: string): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0; // somebody has taken it away
  }
}

// The file comes with its content, and a stale one is taken away by one alone.
function takeLock(lock: string): boolean {
  const mine = `${lock}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(mine, String(process.pid));
  try {
    for (let tries = 0; tries < 5; ++tries) {
      try {
        linkSync(mine, lock);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const pid = readPid(lock);
      if (held.has(lock) || (pid !== process.pid && pid > 0 && isAlive(pid))) return false;
      const stale = `${mine}.stale`;
      try {
        renameSync(lock, stale);
      } catch {
        continue; // another was faster
      }
      if (readPid(stale) !== pid) {
        try {
          linkSync(stale, lock); // somebody living has taken it in between
        } catch {
          // and another since
        }
      }
      rmSync(stale, { force: true });
    }
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

// Node has no locks on files: the file holds the process that has the name, and one whose process is gone may be taken.
function holdName(path: string, given: string | undefined): Held {
  const random = { name: given ?? `${hostname()}:node-${randomBytes(4).toString("hex")}`, isLocked: false, release: () => undefined };
  if (path === ":memory:") return random;
  for (let n = 1; n < 1000; ++n) {
    const name = given ?? `${hostname()}:node-${n}`; // not those of other languages, whose locks Node cannot see
    const lock = `${path}.worker-${name.replaceAll("/", "_").replaceAll(":", "-")}.pid`;
    if (takeLock(lock)) {
      held.add(lock);
      return { name, isLocked: true, release: () => (held.delete(lock), rmSync(lock, { force: true })) };
    }
    if (given !== undefined) throw new WfextError(`a worker of the name ${JSON.stringify(given)} is running on this file already`);
  }
  return random;
}
const held = new Set<string>();

export class Worker {
  readonly app: App;
  /** Settled once it works, or cannot. */
  readonly started: Promise<void>;
  name = "";
  #options: Required<Omit<WorkerOptions, "name" | "queues">> & { name: string | undefined; queues: string[] | undefined };
  #queues: string[] = [];
  #attempts = new Map<string, { attempt: Attempt; done: Promise<void> }>();
  #stopping = false;
  #wake = `worker ${randomBytes(8).toString("hex")}`;
  #held: Held | undefined;
  #beat: NodeJS.Timeout | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(app: App, options: WorkerOptions) {
    const { concurrency = 200, lease = 30, grace = 10, log = console } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) throw new WfextError(`concurrency is ${concurrency}: at least 1`);
    if (!(lease > 0)) throw new WfextError(`lease is ${lease}: more than 0 seconds`);
    if (app.workflows.size === 0) throw new WfextError("this app has no workflow: declare one with app.workflow()");
    this.app = app;
    this.#options = { concurrency, lease, grace, log, name: options.name, queues: options.queues };
    this.started = this.#start();
    this.started.catch(() => undefined);
  }

  async #start(): Promise<void> {
    this.#held = holdName(this.app.database.path, this.#options.name);
    this.name = this.#held.name;
    if (this.#held.isLocked) await this.app.database.call("wf_recover", JSON.stringify({ worker: this.name, lost: true }));
    const declared = await this.app.apply();
    this.#queues = this.#options.queues ?? [...new Set([...[...this.app.workflows.values()].map((workflow) => workflow.queue), ...declared])].sort();
    this.#beat = setInterval(() => void this.#heartbeat(), (this.#options.lease * 1000) / 3);
    this.#loop = this.#work();
  }

  /** No new claims; the code of all attempts is told (ctx.signal) and given back once nothing of it is in flight, or the time (seconds) is over. */
  async stop(options: { grace?: number } = {}): Promise<void> {
    await this.started.catch(() => undefined);
    if (this.#stopping) return this.#loop;
    this.#stopping = true;
    await this.#wakeUp();
    await this.#loop; // what it was claiming is there
    const running = [...this.#attempts.values()];
    for (const { attempt } of running) attempt.stop();
    const grace = (options.grace ?? this.#options.grace) * 1000;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([Promise.all(running.map(({ done }) => done)), new Promise((resolve) => (timer = setTimeout(resolve, grace)))]);
    clearTimeout(timer);
    if (this.#attempts.size > 0) this.#options.log.warn(`wfext: ${this.#attempts.size} workflows still run after the grace period and keep their leases`);
    clearInterval(this.#beat);
    this.#held?.release();
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
        this.#options.log.error("wfext: the worker could not claim:", error);
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(5000, pause * 2);
      }
    }
    await waiter?.close();
  }

  async #claim(): Promise<void> {
    const names = [...this.app.workflows.keys()];
    for (;;) {
      const free = Math.min(this.#options.concurrency - this.#attempts.size, MORE_AT_ONCE);
      if (free <= 0 || this.#stopping) return;
      const options = { names, limit: free, steps: true, lease: this.#options.lease };
      const claims = (loads(await this.app.database.call("wf_claim", JSON.stringify(this.#queues), this.name, JSON.stringify(options))) ?? []) as Claim[];
      for (const claim of claims) this.#begin(claim);
      if (this.#stopping) return;
      if (claims.length < free) return;
    }
  }

  async #wait(waiter: Waiter): Promise<void> {
    const wanted: object[] = [{ wake: this.#wake }];
    if (this.#attempts.size < this.#options.concurrency) wanted.push({ queue: this.#queues, worker: this.name, names: [...this.app.workflows.keys()] });
    const tokens = [...this.#attempts.keys()];
    if (tokens.length > 0) wanted.push({ tokens });
    const came = (loads(await waiter.wait(WAIT_SECONDS, { any: wanted })) ?? []) as { index: number }[];
    if (tokens.length > 0 && came.some(({ index }) => index === wanted.length - 1)) await this.#heartbeat();
  }

  #begin(claim: Claim): void {
    const workflow = this.app.workflows.get(claim.name)!;
    const attempt = new Attempt(this.app.database, workflow, claim, claim.steps ?? [], this.#options.lease);
    const entry = { attempt, done: Promise.resolve() };
    this.#attempts.set(claim.token, entry);
    entry.done = this.#run(claim).finally(() => {
      const wasFull = this.#attempts.size >= this.#options.concurrency;
      this.#attempts.delete(claim.token);
      if (wasFull && !this.#stopping) void this.#wakeUp();
    });
  }

  async #records(claim: Claim): Promise<StepRecord[]> {
    if (claim.steps !== null && claim.steps !== undefined && !claim.steps_more) return claim.steps;
    const rows = await this.app.database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", claim.id);
    return rows.map(([name, kind, status, output, error]) => ({ name: String(name), kind: String(kind), status: String(status), output: loads(output), error: loads(error) }));
  }

  async #run(claim: Claim): Promise<void> {
    const entry = this.#attempts.get(claim.token)!;
    try {
      if (claim.steps_more || claim.steps === null) entry.attempt = new Attempt(this.app.database, entry.attempt.workflow, claim, await this.#records(claim), this.#options.lease);
      const { attempt } = entry;
      const context = new Context(attempt);
      const ended = await runAttempt(attempt, context);
      if ("output" in ended) await this.#report(attempt, "wf_complete", dumps(ended.output, `what ${claim.name} returns`));
      else if ("error" in ended) await this.#failed(attempt, ended.error);
      else if (ended.over === "stopping") await this.#report(attempt, "wf_release");
    } catch (error) {
      await this.#failed(entry.attempt, error);
    }
  }

  async #failed(attempt: Attempt, error: unknown): Promise<void> {
    if (error instanceof NotOurs || error instanceof AttemptOver) return;
    this.#options.log.warn(`wfext: workflow ${attempt.claim.id} (${attempt.claim.name}), attempt ${attempt.claim.attempt} failed: ${String(error)}`);
    await this.#report(attempt, "wf_fail", dumps(errorValue(error)), JSON.stringify(isFinal(error) ? { retry: false } : {}));
  }

  async #report(attempt: Attempt, name: string, ...params: unknown[]): Promise<void> {
    for (let tries = 0; tries < 8; ++tries) {
      try {
        await this.app.database.call(name, attempt.claim.token, ...params);
        return;
      } catch (error) {
        if (error instanceof NotOurs) return;
        if (!(error instanceof Busy)) {
          this.#options.log.error(`wfext: workflow ${attempt.claim.id}: its end could not be recorded, it will be tried again:`, error);
          return;
        }
      }
    }
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
      if (!this.#stopping) this.#options.log.error("wfext: the heartbeat failed:", error);
    }
  }
}

type Ended = { output: unknown } | { error: unknown } | { over: string };

/** Runs the code of an attempt, or in the second phase reads it back and undoes what it says. Settles when the code has ended, or the attempt is over before that. */
export async function runAttempt(attempt: Attempt, context: Context): Promise<Ended> {
  const over = attempt.over.then((why): Ended => ({ over: why }));
  const settle = (work: () => Promise<unknown>): Promise<Ended> =>
    Promise.race([
      over,
      (async () => work())().then(
        (output): Ended => ({ output }),
        (error: unknown): Ended => ({ error }),
      ),
    ]);
  const input = attempt.claim.input as never;
  const ended = await settle(() => attempt.workflow.fn(context, input));
  if (attempt.claim.ending === null) {
    if (attempt.why !== undefined && !("over" in ended)) return { over: attempt.why };
    return ended;
  }
  if (attempt.why !== undefined && attempt.why !== "read back") return { over: attempt.why };
  attempt.beginUndo();
  const undo = async (): Promise<unknown> => {
    let failed: unknown;
    for (const step of attempt.undo.reverse()) {
      try {
        await step();
      } catch (error) {
        if (!(error instanceof StepFailed)) throw error;
        failed ??= error; // the others are undone all the same
      }
    }
    if (failed !== undefined) throw failed;
    return null;
  };
  const lost = new Promise<Ended>((resolve) => attempt.onLost((why) => resolve({ over: why })));
  return Promise.race([
    lost,
    undo().then(
      (output): Ended => ({ output }),
      (error: unknown): Ended => ({ error }),
    ),
  ]);
}
