// Transactions of steps that do not come to their end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailed } from "../src/index.ts";
import { listening, makeApp, timeout, until, works } from "./support.ts";

test("a transaction that cannot commit has failed", async (t) => {
  const app = makeApp(t);
  const runs: string[] = [];
  await app.database.rows("PRAGMA foreign_keys = ON");
  await app.database.rows("CREATE TABLE parent(id PRIMARY KEY)");
  await app.database.rows("CREATE TABLE child(id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
  const statements: Record<string, string[]> = {
    "FOREIGN KEY constraint failed": ["INSERT INTO child VALUES (99)"],
    "rolled back by one of its statements": ["INSERT INTO parent VALUES (1)", "INSERT OR ROLLBACK INTO parent VALUES (1)"],
  };
  for (const [why, all] of Object.entries(statements)) {
    const workflow = app.workflow(why, async (ctx) => {
      const failed = await ctx
        .transaction("rows", async (tx) => {
          runs.push(why);
          for (const sql of all) await tx.rows(sql).catch(() => undefined);
        })
        .catch((error: unknown) => error);
      assert.ok(failed instanceof StepFailed, String(failed));
      await ctx.sleep(0.01);
      return failed.message;
    });
    works(app);
    const handle = await workflow.start(null);
    assert.match(String(await handle.result(timeout)), new RegExp(why));
    assert.equal((await handle.steps())[0]!["status"], "error");
    assert.equal(runs.filter((run) => run === why).length, 1);
  }
  assert.deepEqual(await app.database.rows("SELECT * FROM parent UNION ALL SELECT * FROM child"), []);
});

test("a full disk in a transaction fails no step", async (t) => {
  const app = makeApp(t);
  const { log, lines } = listening();
  await app.database.rows("CREATE TABLE big(x)");
  const big = app.workflow("big", (ctx) =>
    ctx.transaction("big", async (tx) => {
      try {
        await tx.rows("INSERT INTO big VALUES (zeroblob(500000))");
      } catch (error) {
        throw new Error("no room for it", { cause: error }); // whatever the code makes of it
      }
      return "there";
    }),
  );
  const [[pages]] = (await app.database.rows("PRAGMA page_count")) as [[number]];
  await app.database.rows(`PRAGMA max_page_count = ${pages + 60}`);
  works(app, { log });
  const handle = await big.start(null, { max_attempts: 1 });
  await until(() => lines.length > 0);
  assert.match(String(lines[0]), /database or disk is full/);
  await until(async () => (await handle.status()) === "pending");
  assert.deepEqual(await handle.steps(), []);
  await app.database.rows("PRAGMA max_page_count = 1000000");
  await handle.reschedule();
  assert.equal(await handle.result(timeout), "there");
});
