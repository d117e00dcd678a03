// A workflow from outside of it, by its id.

import type { Database } from "./database.ts";
import { NotFound, TimeoutError, WorkflowCancelled, WorkflowFailed } from "./errors.ts";
import { refuseInside } from "./scope.ts";
import { dumps, loads } from "./values.ts";

const ENDED = new Set<unknown>(["completed", "failed", "cancelled"]);

export type Status = "pending" | "running" | "waiting" | "paused" | "completed" | "failed" | "cancelled";

/** Of a duration. */
export function milliseconds(timeout: number | string): number {
  if (typeof timeout === "number") return timeout * 1000;
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(timeout);
  if (found === null) throw new TypeError(`the timeout ${JSON.stringify(timeout)}: seconds, or a text such as "30s"`);
  return Number(found[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[found[2] as "s"]!;
}

export class Handle<R> {
  readonly id: string;
  #database: Database;

  constructor(database: Database, id: string) {
    this.#database = database;
    this.id = id;
  }

  /** Rejects with NotFound where there is no such workflow. */
  async status(): Promise<Status> {
    const status = await this.#database.call("wf_status", this.id);
    if (status === null) throw new NotFound(`WF_NOT_FOUND: there is no workflow ${JSON.stringify(this.id)}`, "WF_NOT_FOUND");
    return status as Status;
  }

  /** Waits until it has ended: its output. Rejects with WorkflowFailed, WorkflowCancelled, or TimeoutError. */
  async result(options: { timeout?: number | string } = {}): Promise<R> {
    refuseInside("result()", "ctx.join() or ctx.call()");
    const until = options.timeout === undefined ? Infinity : Date.now() + milliseconds(options.timeout);
    for (;;) {
      const status = await this.status();
      if (status === "completed") return loads(await this.#database.call("wf_result", this.id)) as R;
      if (ENDED.has(status)) {
        const error = loads(await this.#database.call("wf_error", this.id));
        throw status === "failed" ? new WorkflowFailed(this.id, error) : new WorkflowCancelled(this.id, error);
      }
      const left = until - Date.now();
      if (left <= 0) throw new TimeoutError(`workflow ${JSON.stringify(this.id)} has not ended in time`);
      await this.#database.watch({ id: this.id }, Math.min(60, left / 1000));
    }
  }

  /** What it failed with, or null. */
  async error(): Promise<unknown> {
    return loads(await this.#database.call("wf_error", this.id));
  }

  /** Sends a signal, which is kept until it is taken. With a key it is sent once: false for a repeat. */
  async signal(name: string, payload: unknown = null, options: { key?: string } = {}): Promise<boolean> {
    return (await this.#database.call("wf_signal", this.id, name, dumps(payload, `the payload of ${name}`), JSON.stringify(options))) === 1;
  }

  async cancel(reason?: unknown): Promise<boolean> {
    return (await this.#database.call("wf_cancel", this.id, ...(reason === undefined ? [] : [dumps(reason, "the reason")]))) === 1;
  }

  async pause(): Promise<boolean> {
    return (await this.#database.call("wf_pause", this.id)) === 1;
  }

  async resume(): Promise<boolean> {
    return (await this.#database.call("wf_resume", this.id)) === 1;
  }

  /** Begins a failed or cancelled workflow again; options of wf_retry. */
  async retry(options: Record<string, unknown> = {}): Promise<void> {
    await this.#database.call("wf_retry", this.id, JSON.stringify(options));
  }

  /** A new workflow with the finished steps of this one; options of wf_fork. */
  async fork(options: Record<string, unknown> = {}): Promise<Handle<R>> {
    return new Handle(this.#database, (await this.#database.call("wf_fork", this.id, JSON.stringify(options))) as string);
  }

  /** Makes what it waits for in time (its start, its next try, the end of a sleep) due now, or then. False where it waits for none. */
  async reschedule(time?: Date | string): Promise<boolean> {
    return (await this.#database.call("wf_reschedule", this.id, time instanceof Date ? time.toISOString() : (time ?? null))) === 1;
  }

  /** What is recorded, in order. */
  async steps(): Promise<{ name: string; kind: string; status: string; output: unknown; error: unknown }[]> {
    const rows = await this.#database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", this.id);
    return rows.map(([name, kind, status, output, error]) => ({ name: String(name), kind: String(kind), status: String(status), output: loads(output), error: loads(error) }));
  }

  /** A value that the workflow has set, or null. */
  async get(key: string): Promise<unknown> {
    return loads(await this.#database.call("wf_get", this.id, key));
  }

  /** The items of a stream from an offset on; waits for more until the stream is closed or the workflow has ended. */
  async *stream(name: string, offset = 0): AsyncGenerator<unknown, void, void> {
    for (;;) {
      const ended = ENDED.has((await this.#database.call("wf_status", this.id)) ?? "completed") || (await this.#isClosed(name));
      const rows = await this.#database.rows('SELECT "offset", value FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? ORDER BY "offset" LIMIT 100', this.id, name, offset);
      for (const [at, value] of rows) {
        offset = Number(at) + 1;
        yield loads(value);
      }
      if (rows.length > 0) continue;
      if (ended) return;
      await this.#database.watch({ streams: { id: this.id, stream: name, offset } }, 60);
    }
  }

  async #isClosed(stream: string): Promise<boolean> {
    return (await this.#database.rows("SELECT 1 FROM wf_streams WHERE workflow_id = ? AND stream = ? AND closed LIMIT 1", this.id, stream)).length > 0;
  }
}
