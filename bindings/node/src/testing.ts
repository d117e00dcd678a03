// Tests of workflows: a clock that is moved by hand, and nothing that works by itself.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "./app.ts";
import { Attempt, type Claim } from "./attempt.ts";
import { shown } from "./check.ts";
import { type Handle, milliseconds } from "./client.ts";
import type { Duration } from "./context.ts";
import { TimeoutError, WfextError } from "./errors.ts";
import { readSteps, runClaim } from "./run.ts";
import { loads } from "./values.ts";

const YEAR = 365 * 86_400;

/**
 * Runs an app's workflows one after the other, on a clock of the file's own that stands still until it is moved.
 *
 *     const harness = await Harness.of(app);         // on a new file: the clock is switched on while it has no workflow
 *     const handle = await reminder.start("tea");
 *     await harness.advance("7d");                   // milliseconds
 *     assert.equal(await harness.result(handle), "reminded");
 */
export class Harness {
  readonly app: App;
  #now: number;

  private constructor(app: App, start: number) {
    this.app = app;
    this.#now = start;
  }

  static async of(app: App, start: Date | string = "2026-01-01T00:00:00.000Z"): Promise<Harness> {
    if (!((app as unknown) instanceof App)) throw new WfextError(`Harness.of() was given ${shown(app)}: an app`);
    const harness = new Harness(app, new Date(start).getTime());
    await harness.#set(harness.#now);
    await app.apply();
    await app.enter();
    return harness;
  }

  /** A path for a file in a new folder, and what takes both away. */
  static file(): { path: string; remove: () => void } {
    const folder = mkdtempSync(join(tmpdir(), "wfext-"));
    return { path: join(folder, "test.db"), remove: () => rmSync(folder, { recursive: true, force: true }) };
  }

  get now(): Date {
    return new Date(this.#now);
  }

  async #set(now: number): Promise<void> {
    this.#now = now;
    await this.app.database.call("wf_config", "test_clock", this.now.toISOString());
  }

  /** Runs until nothing is due. How many attempts that were. */
  async run(): Promise<number> {
    const queues = JSON.stringify([...new Set([...this.app.workflows.values()].map(({ queue }) => queue))]);
    for (let attempts = 0; ; ++attempts) {
      const claim = loads(await this.app.database.call("wf_claim", queues, "test", JSON.stringify({ names: [...this.app.workflows.keys()], lease: YEAR }))) as Claim | null;
      if (claim === null) return attempts;
      const records = await readSteps(this.app, claim.id);
      await runClaim(new Attempt(this.app.workflows.get(claim.name)!, claim, records, { lease: YEAR, log: console, longestPause: 0 })); // the clock stands still meanwhile
    }
  }

  /** Moves the clock, and stops on the way wherever something becomes due, to run it. */
  async advance(time: Duration): Promise<void> {
    const end = this.#now + milliseconds(time);
    await this.run();
    while (await this.#toNext(end)) await this.run();
    await this.#set(Math.max(end, this.#now));
    await this.run();
  }

  // Moves the clock to what is due next, unless that is after the end.
  async #toNext(end: number): Promise<boolean> {
    const now = this.now.toISOString().replace("T", " ").replace("Z", "");
    const found = (await this.app.database.rows("SELECT min(due_at) FROM (SELECT due_at FROM wf_pending UNION ALL SELECT next_at FROM wf_schedules) WHERE due_at > ?", now))[0]![0]; // what is due already, nobody here runs
    const due = found === null ? Infinity : Date.parse(`${String(found).replace(" ", "T")}Z`);
    if (due > end) return false;
    await this.#set(due);
    await this.app.database.call("wf_tick");
    return true;
  }

  /** Moves the clock until the workflow has ended, at most so far: its output. */
  async result<R>(handle: Handle<R>, within: Duration = "365d"): Promise<R> {
    const end = this.#now + milliseconds(within);
    await this.run();
    while (!["completed", "failed", "cancelled"].includes(await handle.status())) {
      if (!(await this.#toNext(end))) {
        const reason = (await this.app.database.rows("SELECT reason FROM wf_pending WHERE id = ?", handle.id))[0]?.[0];
        throw new TimeoutError(`workflow ${JSON.stringify(handle.id)} is ${await handle.status()}, and nothing is due that would change it: ${String(reason)}`);
      }
      await this.run();
    }
    return handle.result({ timeout: 0 });
  }

  /** Closes the app. */
  async close(): Promise<void> {
    await this.app.leave();
    await this.app.close();
  }
}
