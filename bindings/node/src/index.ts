// Durable workflows in a SQLite file.

export { App, Workflow, type StartOptions, type WorkflowOptions } from "./app.ts";
export { Context, type Child, type Duration, type EffectContext, type EffectOptions, type StepContext, type StepOptions } from "./attempt.ts";
export { Handle, type Status } from "./client.ts";
export { Database, type DatabaseOptions, type Transaction } from "./database.ts";
export * from "./errors.ts";
export { load, loadablePath } from "./load.ts";
export { type Json } from "./values.ts";
export { Worker, type WorkerOptions } from "./worker.ts";
