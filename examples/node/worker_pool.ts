// Worker processes on one SQLite file: what fails is tried again, and what a killed worker held is taken over.
//
//   node worker_pool.ts work 4               four workers, until SIGTERM; one that dies is replaced
//   node worker_pool.ts order-1 order-2      starts orders, and waits for them

import cluster from "node:cluster";
import { App } from "wfext";

const app = new App(process.env["POOL"] ?? "pool.db");

/** Stands for a payment service that charges once for each key, and is busy now and then. */
function charge(cents: number, key: string) {
  if (Math.random() < 0.1) throw new Error("the payment service is busy");
  return { cents, key };
}

const order = app.workflow("order", async (ctx, cents: number) => {
  const paid = await ctx.effect("charge", ({ key }) => charge(cents, key), { attempts: 10, backoff: 0.02 });
  return ctx.step("ship", () => ({ paid: paid.cents }));
});

const [first, ...rest] = process.argv.slice(2);
if (first !== "work") {
  const handles = await Promise.all([first!, ...rest].map((id, n) => order.start(100 + n, { id, if_exists: "return" })));
  for (const handle of handles) console.log(handle.id, await handle.result({ timeout: "2m" }));
  await app.close();
} else if (cluster.isPrimary) {
  let stops = false;
  for (let n = 0; n < Number(rest[0]); ++n) cluster.fork();
  cluster.on("exit", () => stops || cluster.fork());
  process.once("SIGTERM", () => {
    stops = true;
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill();
  });
} else {
  cluster.worker!.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
  await app.run();
  process.exit(0);
}
