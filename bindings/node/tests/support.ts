// What the tests have in common.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { App, type AppOptions, type Driver, Harness, type Log, type Worker, type WorkerOptions } from "../src/index.ts";

const DRIVER = (process.env["WFEXT_TEST_DRIVER"] ?? "node:sqlite") as Driver;
const LONG = 60; // seconds: a net for hangs, no measure
export const QUIET: Log = { info: () => undefined, warn: () => undefined, error: console.error };
export const timeout = { timeout: LONG };

export function makeApp(t: TestContext, options: AppOptions = {}): App {
  const { path, remove } = Harness.file();
  const app = new App(path, { driver: DRIVER, synchronous: "normal", ...options });
  const workers: Worker[] = [];
  running.set(app, workers);
  t.after(async () => {
    for (const worker of workers) await worker.stop();
    await app.close();
    remove();
  });
  return app;
}
const running = new WeakMap<App, Worker[]>();

export function works(app: App, options: WorkerOptions = {}): Worker {
  const worker = app.start({ log: QUIET, ...options });
  running.get(app)!.push(worker);
  return worker;
}

/** A log, and the lines that have come. */
export function listening(): { log: Log; lines: unknown[][] } {
  const lines: unknown[][] = [];
  const take = (...line: unknown[]): void => void lines.push(line);
  return { log: { info: take, warn: take, error: take }, lines };
}

export const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + LONG * 1000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, "it has not come");
    await later(10);
  }
}

/** Until it waits for the signal. */
export const waitsFor = (app: App, id: string, signal: string): Promise<void> =>
  until(async () => (await app.database.rows("SELECT 1 FROM wf_steps WHERE workflow_id = ? AND name = ? AND status = 'waiting'", id, signal)).length > 0);
