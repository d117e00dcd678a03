// The replication barrier, against a stand-in for Litestream's control socket.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type App, WrongState } from "../src/index.ts";
import { makeApp, timeout, until, works } from "./support.ts";

/** Answers POST /sync by what `answers` gives of its number: a txid that is on the replica, or undefined: an error. */
async function listen(t: TestContext, answers: (n: number) => number | undefined | Promise<number | undefined>): Promise<{ path: string; asked: () => number }> {
  const folder = mkdtempSync(join(tmpdir(), "wfs"));
  let asked = 0;
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      void (async () => {
        const send = (status: number, body: object): void => void response.writeHead(status, { "Content-Type": "application/json", Connection: "close" }).end(JSON.stringify(body));
        if (request.url === "/info") return send(200, { version: "0.5.18", pid: 1, uptime_seconds: 1, database_count: 1 });
        const { path } = JSON.parse(Buffer.concat(chunks).toString()) as { path: string };
        const txid = await answers(++asked);
        return txid === undefined ? send(500, { error: "no bucket" }) : send(200, { status: "synced", path, txid, replicated_txid: txid });
      })();
    });
  });
  const path = join(folder, "s");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { path, asked: () => asked };
}

const asks = (app: App, { path }: { path: string }): Promise<unknown> => app.database.call("wf_config", "sync_socket", path);

test("sync", async (t) => {
  const app = makeApp(t, { synchronous: "full" });
  const server = await listen(t, (n) => (n === 1 ? 7 : undefined));
  assert.equal((await app.sync({ timeout: "10s", socket: server.path })).txid, 7);
  await asks(app, server);
  await assert.rejects(app.sync(), (error: unknown) => error instanceof WrongState && /no bucket/.test(error.message));
  await assert.rejects(app.sync({ timeout: 1, socket: `${server.path}none` }), /none/);
  const careless = makeApp(t);
  await assert.rejects(careless.sync({ socket: server.path }), /below FULL/);
});

test("a durable effect", async (t) => {
  const app = makeApp(t, { synchronous: "full" });
  const seen: string[] = [];
  const server = await listen(t, async (n) => {
    const [[begun]] = (await app.database.rows("SELECT count(*) FROM _wf_step WHERE name = 'pay' AND status = 'begun'")) as [[number]];
    seen.push(`barrier behind ${begun} intent`);
    return n === 1 ? undefined : n;
  });
  await asks(app, server);
  const w = app.workflow("w", async (ctx) => {
    const key = await ctx.effect("pay", (step) => (seen.push("pay"), step.key), { durable: true });
    await ctx.sleep(0.01);
    return key;
  });
  works(app, { log: { info: () => undefined, warn: () => undefined, error: () => undefined } });
  const handle = await w.start(null);
  await until(async () => seen.length > 0 && (await handle.status()) === "pending");
  assert.deepEqual(seen, ["barrier behind 1 intent"]);
  assert.equal(await app.database.call("wf_reschedule", handle.id), 1);
  assert.equal(await handle.result(timeout), await app.database.call("wf_key", handle.id, "pay"));
  assert.deepEqual(seen, ["barrier behind 1 intent", "barrier behind 1 intent", "pay"]);
  assert.deepEqual(await app.database.rows("SELECT count(*) FROM wf_failures"), [[0]]);
});

test("effects side by side share a barrier", async (t) => {
  const app = makeApp(t, { synchronous: "full" });
  let goes = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goes = resolve));
  const server = await listen(t, (n) => gate.then(() => n));
  await asks(app, server);
  let come = 0;
  const join = app.barrier.join.bind(app.barrier);
  app.barrier.join = () => {
    const joined = join();
    come++;
    return joined;
  };
  const w = app.workflow("w", async (ctx, numbers: number[]) => (await Promise.all(numbers.map((n) => ctx.effect(`pay ${n}`, () => n, { durable: true })))).reduce((a, b) => a + b));
  works(app);
  const first = await w.start([0]);
  await until(() => server.asked() === 1); // from now on it is under way
  const others = await w.start([...Array(40).keys()].slice(1));
  await until(() => come === 40);
  goes();
  assert.deepEqual([await first.result(timeout), await others.result(timeout)], [0, 780]);
  assert.equal(server.asked(), 2);
});
