// The app: a file, and what is declared for it.

import { randomBytes } from "node:crypto";
import type { Log } from "./attempt.ts";
import { Barrier, type SyncOptions, type Synced } from "./barrier.ts";
import { checkKeys, checkText, shown } from "./check.ts";
import { Handle } from "./client.ts";
import type { Context, Duration } from "./context.ts";
import { DATABASE_OPTIONS, Database, type DatabaseOptions, type Row } from "./database.ts";
import { Mistake, WfextError } from "./errors.ts";
import { checkFunction, checkName } from "./names.ts";
import { refuseInside } from "./scope.ts";
import { withContext } from "./tracing.ts";
import { type Json, dumps, loads } from "./values.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

const LIMITS = ["concurrency", "worker_concurrency", "partition_concurrency", "rate"]; // of a queue

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

/** A UUID of version 7, as the engine makes them: said by the caller, so that a start may be repeated when its answer was lost. */
function newId(): string {
  const random = randomBytes(10);
  random[0] = (random[0]! & 0x0f) | 0x70;
  random[2] = (random[2]! & 0x3f) | 0x80;
  return (Date.now().toString(16).padStart(12, "0") + random.toString("hex")).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export interface WorkflowOptions {
  queue?: string;
  /** Of its code: what is started has it, and workers that name `versions` claim only those. */
  version?: string;
  /** Whether it calls ctx.compensate(). */
  undo?: boolean;
}

/** A workflow by its name: what is needed to start it and ask after it. Its code may be elsewhere. */
export class WorkflowRef<I, R> {
  readonly app: App;
  readonly name: string;
  readonly options: WorkflowOptions;

  constructor(app: App, name: string, options: WorkflowOptions = {}) {
    this.app = app;
    this.name = checkName(name, "a workflow");
    this.options = checkKeys("a workflow", options, ["queue", "version", "undo"]);
  }

  /** Starts it. */
  async start(input: I, options: StartOptions = {}): Promise<Handle<Json<R>>> {
    refuseInside("start()", "ctx.start(workflow, input) starts a child");
    const id = await this.app.database.call("wf_start", this.name, dumps(input, `the input of ${this.name}`), dumps(withContext(this.startOptions({ id: newId(), ...options })), "the options"));
    return new Handle(this.app.database, id as string);
  }

  /** The handle of one that was started before. */
  handle(id: string): Handle<Json<R>> {
    return new Handle(this.app.database, id);
  }

  /** With what was declared. */
  startOptions(given: Record<string, unknown>): Record<string, unknown> {
    const { queue, version, undo } = this.options;
    return { ...(queue === undefined ? {} : { queue }), ...(version === undefined ? {} : { version }), ...(undo === true ? { cleanup: true } : {}), ...given };
  }
}

/** A function that survives the process: it is run again from its beginning, and what it did is read back. */
export class Workflow<I, R> extends WorkflowRef<I, R> {
  readonly fn: (ctx: Context, input: I) => Promise<R>;

  constructor(app: App, name: string, fn: (ctx: Context, input: I) => Promise<R>, options: WorkflowOptions) {
    super(app, name, options);
    this.fn = fn;
  }

  get queue(): string {
    return this.options.queue ?? "default";
  }
  get undoes(): boolean {
    return this.options.undo ?? false;
  }
}

/** What a process has while a worker of the app works: `state` is ctx.app.state. */
export interface Lifespan {
  state: unknown;
  close?: () => unknown;
}

export interface AppOptions extends DatabaseOptions {
  /** Called when the first worker starts; what it gives is closed when the last one has stopped. */
  lifespan?: (app: App) => Lifespan | Promise<Lifespan>;
}

export class App {
  readonly database: Database;
  readonly barrier: Barrier;
  readonly workflows = new Map<string, Workflow<never, unknown>>();
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  state: any;
  readonly #queues = new Map<string, Record<string, unknown>>();
  readonly #schedules = new Map<string, unknown[]>();
  readonly #lifespan: AppOptions["lifespan"];
  #living: Promise<Lifespan> | undefined;
  #workers = 0;

  constructor(path: string, options: AppOptions = {}) {
    checkKeys("an app", options, [...DATABASE_OPTIONS, "lifespan"]);
    this.database = new Database(path, options);
    this.barrier = new Barrier(this.database);
    this.#lifespan = options.lifespan;
  }

  /** Declares a workflow. Another function of the same name is refused: it would run what was started for the first. */
  workflow<I, R>(name: string, fn: (ctx: Context, input: I) => Promise<R>, options: WorkflowOptions = {}): Workflow<I, R> {
    const workflow = new Workflow(this, name, checkFunction(checkName(name, "a workflow"), fn), options);
    const declared = this.workflows.get(name) as unknown as Workflow<I, R> | undefined;
    if (declared !== undefined && declared.fn !== fn) throw new Mistake(`this app has a workflow ${JSON.stringify(name)} already, of another function: give this one another name`);
    this.workflows.set(name, workflow as unknown as Workflow<never, unknown>);
    return workflow;
  }

  /** A workflow whose code is elsewhere, by its name: app.ref<Input, Output>("order").start(input). */
  ref<I = unknown, R = unknown>(name: string, options: WorkflowOptions = {}): WorkflowRef<I, R> {
    return new WorkflowRef(this, name, options);
  }

  /** The handle of a workflow that was started before. */
  handle<R = unknown>(id: string): Handle<R> {
    checkText("the id of a workflow", id);
    return new Handle(this.database, id);
  }

  /** Declares a queue with its limits: options of wf_queue. Applied when a worker starts. */
  queue(name: string, options: Record<string, unknown>): void {
    checkText("the name of a queue", name);
    if (options === null || typeof options !== "object") throw new WfextError(`the options of the queue ${name} are ${shown(options)}: an object`);
    this.#queues.set(name, options);
  }

  /** Declares a schedule: a cron text or an interval as of wf_schedule. Applied when a worker starts. */
  schedule<I>(name: string, timing: string, workflow: Workflow<I, unknown>, input: I, options: Record<string, unknown> = {}): void {
    checkText("the name of a schedule", name);
    checkText(`the timing of the schedule ${name}`, timing);
    if (!((workflow as unknown) instanceof WorkflowRef)) throw new WfextError(`the workflow of the schedule ${name} is ${shown(workflow)}: what app.workflow() has given`);
    const start = workflow.startOptions({ ...(options["start"] as object | undefined) });
    this.#schedules.set(name, [timing, workflow.name, dumps(input, `the input of ${workflow.name}`), JSON.stringify({ ...options, start })]);
  }

  /** Brings what is declared into the file, and says what is there and not declared any more. The queues that are served. */
  async apply(log: Pick<Log, "warn"> = console): Promise<string[]> {
    for (const [name, options] of this.#queues) await this.database.call("wf_queue", name, JSON.stringify(options));
    for (const [name, params] of this.#schedules) await this.database.call("wf_schedule", name, ...params);
    const served = [...new Set([...[...this.workflows.values()].map(({ queue }) => queue), ...this.#queues.keys()])].sort();
    for (const name of served) {
      const settings = loads(await this.database.call("wf_queue", name)) as Record<string, unknown>;
      if (!this.#queues.has(name) && LIMITS.some((limit) => settings[limit] !== null)) log.warn(`wfext: the queue ${name} has limits in the file that this code does not declare`);
    }
    for (const [name, workflow] of await this.database.rows("SELECT name, workflow FROM wf_schedules")) {
      if (!this.#schedules.has(String(name)) && this.workflows.has(String(workflow))) log.warn(`wfext: the schedule ${name} of ${workflow} is in the file and not declared by this code: wf_unschedule('${name}') ends it`);
    }
    return served;
  }

  /** A worker of this process begins, and what it needs is there. */
  async enter(): Promise<void> {
    this.#workers += 1;
    if (this.#lifespan !== undefined) this.state = (await (this.#living ??= Promise.resolve(this.#lifespan(this)))).state;
  }

  /** It has stopped. */
  async leave(): Promise<void> {
    this.#workers -= 1;
    if (this.#workers > 0 || this.#living === undefined) return;
    const living = await this.#living;
    this.#living = undefined;
    await living.close?.();
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
      const closed = worker.ended.then(() => this.close()); // what still runs keeps its lease for as long as it does
      if (worker.running === 0) await closed;
    }
  }

  /** Workflows, newest first: columns of wf_workflows that are equal to something. */
  async list(equal: Record<string, unknown> = {}, limit = 100): Promise<Record<string, unknown>[]> {
    if (!Number.isInteger(limit)) throw new WfextError(`limit is ${shown(limit)}: a whole number`);
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
    checkText("the name of a rate", name);
    if (options === null || typeof options !== "object") throw new WfextError(`the options of the rate ${name} are ${shown(options)}: an object`);
    await this.database.call("wf_rate", name, JSON.stringify(options));
  }

  /** Resolves once all that was committed before is on Litestream's replica. Whatever keeps it from being sure is an error (WrongState), never a success. */
  sync(options: SyncOptions = {}): Promise<Synced> {
    return this.barrier.wait(options);
  }

  /** A connection for the application, of the app's own driver, with the extension loaded. Never open the file by another SQLite library in the same process. */
  connect<T = unknown>(): T {
    return this.database.connect() as T;
  }

  close(): Promise<void> {
    return this.database.close();
  }
}
