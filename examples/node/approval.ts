// A person has to approve, within three days: the workflow waits as a row, without a process.
//
//   node approval.ts start expense-7 4200       starts it
//   node approval.ts answer expense-7 yes ann   answers, before or after it came to its wait
//   node approval.ts work                       a worker: goes on with what has an answer, or is too old

import { App } from "wfext";

const app = new App(process.env["EXPENSES"] ?? "expenses.db");

const expense = app.workflow("expense", async (ctx, cents: number) => {
  const answer = (await ctx.waitSignal<{ ok: boolean; by: string }>("decision", { timeout: "3d" })) ?? { ok: false, by: "nobody" };
  if (answer.ok) {
    await ctx.transaction("pay", async (tx) => {                    // the row and the record of the step are one commit
      await tx.rows("CREATE TABLE IF NOT EXISTS paid(expense, cents, approved_by)");
      await tx.rows("INSERT INTO paid VALUES(?, ?, ?)", ctx.id, cents, answer.by);
    });
  }
  return { paid: answer.ok };
});

const [does, id = "", what = "", by = ""] = process.argv.slice(2);
if (does === "start") console.log((await expense.start(Number(what), { id })).id);
else if (does === "answer") await app.handle(id).signal("decision", { ok: what === "yes", by }, { key: by });
else await app.run();
await app.close();
