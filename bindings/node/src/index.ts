// Durable workflows in a SQLite file.

export { App, Workflow, WorkflowRef, type AppOptions, type Lifespan, type StartOptions, type WorkflowOptions } from "./app.ts";
export { type Log } from "./attempt.ts";
export { type SyncOptions, type Synced } from "./barrier.ts";
export { Handle, type Status } from "./client.ts";
export { Context, type Child, type Duration, type LogFields } from "./context.ts";
export { Database, type DatabaseOptions, type Transaction } from "./database.ts";
export { type Driver } from "./driver.ts";
export * from "./errors.ts";
export { load, loadablePath } from "./load.ts";
export { type EffectOptions, type StepContext, type StepOptions } from "./steps.ts";
export { Harness } from "./testing.ts";
export { type Json } from "./values.ts";
export { Worker, type WorkerOptions } from "./worker.ts";
