// Processes that are killed, stopped, and come back.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { App, type Handle } from "../src/index.ts";

const timeout = { timeout: 120 };

async function prepare(t: TestContext, jobs: number): Promise<{ app: App; folder: string; start: () => ChildProcess; handles: Handle<unknown>[] }> {
  const folder = mkdtempSync(join(tmpdir(), "wfext-"));
  const path = join(folder, "chaos.db");
  const app = new App(path, { synchronous: "normal" });
  const workers: ChildProcess[] = [];
  t.after(async () => {
    for (const worker of workers) worker.kill("SIGKILL");
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await app.database.call("wf_init");
  await app.database.rows("CREATE TABLE result(n)");
  const start = (): ChildProcess => {
    const worker = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", fileURLToPath(new URL("./chaos_worker.ts", import.meta.url)), path, folder], { stdio: "ignore" });
    workers.push(worker);
    return worker;
  };
  const handles = await Promise.all(Array.from({ length: jobs }, (_, n) => app.ref("job").start({ n }, { max_attempts: 1000 })));
  return { app, folder, start, handles };
}

test("killed at random", async (t) => {
  const [jobs, kills] = process.env["WFEXT_DEEP"] ? [500, 50] : [60, 8];
  const { app, folder, start, handles } = await prepare(t, jobs!);
  const workers = [start(), start(), start()];
  let seed = 7;
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let kill = 0; kill < kills!; ++kill) {
    await new Promise((resolve) => setTimeout(resolve, 100 + random() * 900));
    const at = Math.floor(random() * 3);
    workers[at]!.kill("SIGKILL");
    await once(workers[at]!, "exit");
    workers[at] = start();
  }
  for (const [n, handle] of handles.entries()) assert.equal(await handle.result(timeout), 3 * n);
  assert.deepEqual(await app.database.rows("SELECT n FROM result ORDER BY n"), handles.map((_, n) => [n]));
  const lines = readFileSync(join(folder, "effects"), "utf8").trimEnd().split("\n");
  const keys = new Map<string, Set<string>>();
  for (const line of lines.filter((each) => each.startsWith("looping "))) {
    const [, n, key] = line.split(" ") as [string, string, string];
    keys.set(n, (keys.get(n) ?? new Set()).add(key));
  }
  assert.equal(keys.size, jobs);
  assert.ok([...keys.values()].every((each) => each.size === 1));
  assert.ok(handles.every((_, n) => lines.includes(`plain ${n}`)));
  assert.equal(await app.database.call("wf_check"), null);
});

test("sigterm", async (t) => {
  const { app, start, handles } = await prepare(t, 20);
  const worker = start();
  await handles[0]!.result(timeout);
  worker.kill("SIGTERM");
  assert.deepEqual(await once(worker, "exit"), [0, null]);
  assert.deepEqual(await app.database.rows("SELECT id FROM wf_workflows WHERE status = 'running'"), []);
  start();
  for (const [n, handle] of handles.entries()) assert.equal(await handle.result(timeout), 3 * n);
});
