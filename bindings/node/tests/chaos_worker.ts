// A worker that kills.test.ts, and the test of all languages together, start and kill. Arguments: database, folder of effects.

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "../src/index.ts";

const [path, folder] = process.argv.slice(2) as [string, string];
const app = new App(path, { synchronous: "normal" });
/** Leaves a trace outside of the file. */
const effect = (text: string): void => appendFileSync(join(folder, "effects"), `${text}\n`);

const child = app.workflow("child", (ctx, { n }: { n: number }) => ctx.step("plain", () => (effect(`plain ${n}`), n)));
app.workflow("job", async (ctx, { n }: { n: number }) => {
  const [a, b] = await Promise.all([
    ctx.effect("looping", async ({ key }) => {
      effect(`looping ${n} ${key}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      return n;
    }),
    ctx.step("plain", () => (effect(`plain ${n}`), n)),
  ]);
  await ctx.transaction("row", async (tx) => void (await tx.rows("INSERT INTO result VALUES (?)", n)));
  await ctx.sleep(0.01);
  return a + b + (await ctx.call(child, { n }));
});

await app.run({ concurrency: 20, lease: 2, grace: 5, log: { info: () => undefined, warn: () => undefined, error: () => undefined } });
