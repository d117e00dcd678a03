// The app: a file, and what is declared for it.

import type { Context, Duration } from "./attempt.ts";
import { Handle } from "./client.ts";
import { Database, type DatabaseOptions, type Row } from "./database.ts";
import { WfextError } from "./errors.ts";
import { checkName } from "./names.ts";
import { type Json, dumps, loads } from "./values.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

export interface StartOptions {
  id?: string;
  queue?: string;
  priority?: number;
  delay?: Duration;
  at?: Date | string;
  timeout?: Duration;
  max_attempts?: number;
  partition?: string;
  dedup?: string;
  headers?: Record<string, unknown>;
  tags?: Record<string, string>;
  version?: string;
  if_exists?: "same" | "return" | "fail" | "replace" | "restart";
}

export interface WorkflowOptions {
  queue?: string;
  /** Whether it calls ctx.compensate(). */
  undo?: boolean;
}

/** A function that survives the process: it is run again from its beginning, and what it did is read back. */
export class Workflow<I, R> {
  readonly app: App;
  readonly name: string;
  readonly fn: (ctx: Context, input: I) => Promise<R>;
  readonly queue: string;
  readonly undoes: boolean;

  constructor(app: App, name: string, fn: (ctx: Context, input: I) => Promise<R>, options: WorkflowOptions) {
    this.app = app;
    this.name = checkName(name);
    this.fn = fn;
    this.queue = options.queue ?? "default";
    this.undoes = options.undo ?? false;
  }

  /** Starts it. */
  async start(input: I, options: StartOptions = {}): Promise<Handle<Json<R>>> {
    const id = (await this.app.database.call("wf_start", this.name, dumps(input, `the input of ${this.name}`), dumps({ queue: this.queue, ...(this.undoes ? { cleanup: true } : {}), ...options }, "the options"))) as string;
    return new Handle(this.app.database, id);
  }

  /** A handle of one that was started before. */
  ref(id: string): Handle<Json<R>> {
    return new Handle(this.app.database, id);
  }
}

export class App {
  readonly database: Database;
  readonly workflows = new Map<string, Workflow<never, unknown>>();
  readonly #queues = new Map<string, Record<string, unknown>>();
  readonly #schedules = new Map<string, unknown[]>();

  constructor(path: string, options: DatabaseOptions = {}) {
    this.database = new Database(path, options);
  }

  /** Declares a workflow. The same name again replaces it, as a module that is loaded anew does. */
  workflow<I, R>(name: string, fn: (ctx: Context, input: I) => Promise<R>, options: WorkflowOptions = {}): Workflow<I, R> {
    const workflow = new Workflow(this, name, fn, options);
    this.workflows.set(name, workflow as unknown as Workflow<never, unknown>);
    return workflow;
  }

  /** Declares a queue with its limits: options of wf_queue. Applied when a worker starts. */
  queue(name: string, options: Record<string, unknown>): void {
    this.#queues.set(name, options);
  }

  /** Declares a schedule: a cron text or an interval as of wf_schedule. Applied when a worker starts. */
  schedule<I>(name: string, timing: string, workflow: Workflow<I, unknown>, input: I, options: Record<string, unknown> = {}): void {
    const start = workflow.undoes ? { start: { cleanup: true, ...(options["start"] as object | undefined) } } : {};
    this.#schedules.set(name, [timing, workflow.name, dumps(input, `the input of ${workflow.name}`), JSON.stringify({ queue: workflow.queue, ...options, ...start })]);
  }

  /** What is declared, in the file. */
  async apply(): Promise<string[]> {
    for (const [name, options] of this.#queues) await this.database.call("wf_queue", name, JSON.stringify(options));
    for (const [name, params] of this.#schedules) await this.database.call("wf_schedule", name, ...params);
    return [...this.#queues.keys()];
  }

  /** A worker beside other code; touches no signal handlers. */
  start(options: WorkerOptions = {}): Worker {
    return new Worker(this, options);
  }

  /** The main of a service: works until SIGTERM or SIGINT. */
  async run(options: WorkerOptions = {}): Promise<void> {
    const worker = this.start(options);
    const keep = setInterval(() => undefined, 1 << 30);
    let stop: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (stop = resolve));
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, stop);
    try {
      await worker.started;
      await asked;
    } finally {
      clearInterval(keep);
      for (const name of ["SIGTERM", "SIGINT"] as const) process.off(name, stop);
      await worker.stop();
      await this.close();
    }
  }

  /** A handle of a workflow that was started before. */
  ref<R = unknown>(id: string): Handle<R> {
    return new Handle(this.database, id);
  }

  /** Starts a workflow by its name, whose code is elsewhere. */
  async startByName(name: string, input: unknown = null, options: StartOptions = {}): Promise<Handle<unknown>> {
    return new Handle(this.database, (await this.database.call("wf_start", name, dumps(input, `the input of ${name}`), dumps(options, "the options"))) as string);
  }

  /** Workflows, newest first: columns of wf_workflows that are equal to something. */
  async list(equal: Record<string, unknown> = {}, limit = 100): Promise<Record<string, unknown>[]> {
    const columns = (await this.database.rows("PRAGMA table_info(wf_workflows)")).map((row) => String(row[1]));
    for (const column of Object.keys(equal)) if (!columns.includes(column) && column !== "tag") throw new WfextError(`wf_workflows has no column ${column}: ${columns.join(", ")}`);
    const where = Object.keys(equal).map((column) => `${column} = ?`);
    const rows = await this.database.rows(`SELECT ${columns.join(", ")} FROM wf_workflows ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""} ORDER BY created_at DESC LIMIT ?`, ...Object.values(equal), limit);
    return rows.map((row: Row) => Object.fromEntries(row.map((value, i) => [columns[i]!, value])));
  }

  /** States a fact for everyone, once. The payload that stands. */
  async emit(event: string, payload: unknown = null): Promise<unknown> {
    return loads(await this.database.call("wf_emit", event, dumps(payload, `the payload of ${event}`)));
  }

  /** At most so many shares in a time, for ctx.acquire(). */
  async rate(name: string, options: { limit: number; per: Duration }): Promise<void> {
    await this.database.call("wf_rate", name, JSON.stringify(options));
  }

  close(): Promise<void> {
    return this.database.close();
  }
}
