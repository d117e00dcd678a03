// An AI agent whose conversation survives: kill it at any moment, run it again, and it goes on where it was.
//
//   node agent_loop.ts [task-id [order]]        works until the task has its answer
//
// Answers of the model and results of tools are steps; the words as they come are a stream. The model is a stub.

import { DatabaseSync } from "node:sqlite";
import { App, type Context } from "wfext";

const app = new App(process.env["AGENTS"] ?? "agents.db");
await app.rate("model", { limit: 600, per: "1m" });                 // calls a minute, of all agents together

// --- What stands for the outside: a model that streams, and services that act once for each idempotency key ----------

type Call = [tool: "look_up" | "refund" | "mail", arguments: Record<string, unknown>];
type Message = { role: string; content: any; calls?: Call[] };
type Answer = { role: string; content: string; calls: Call[] };
const choice = (...texts: string[]) => texts[Math.floor(Math.random() * texts.length)]!;

/** Yields words, and last the message. Never the same words twice, as real ones do. */
async function* model(messages: Message[]): AsyncGenerator<string | Answer> {
  const order = messages[0]!.content;
  const results = messages.filter(({ role }) => role === "tool");
  let content = `${choice("Done", "All is settled")}: ${order} is refunded.`;
  let calls: Call[] = [];
  if (results.length === 0) [content, calls] = [choice("Let me look at it.", "I will look up the order."), [["look_up", { order }]]];
  else if (results.length === 1) {
    const { cents } = results[0]!.content;
    content = choice("It arrived broken, so I pay it back.", "A refund is due.");
    calls = [["refund", { order, cents }], ["mail", { to: "ann", text: `You get ${cents} cents back.` }]];
  }
  for (const word of content.split(" ")) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    yield word;
  }
  yield { role: "assistant", content, calls };
}

function service(sql: string, ...args: any[]) {
  const db = new DatabaseSync("outside.db", { timeout: 30_000 });
  db.exec("CREATE TABLE IF NOT EXISTS refund(key PRIMARY KEY, o, cents); CREATE TABLE IF NOT EXISTS mail(key PRIMARY KEY, t, text)");
  db.prepare(sql).run(...args);                                     // commits at once, as a service would
  db.close();
}

// --- The agent --------------------------------------------------------------------------------------------------------

async function ask(ctx: Context, turn: number, messages: Message[]): Promise<Answer> {
  await ctx.append("words", { turn, begin: 1 });                    // for a reader: takes back the words of a try that was cut off
  for await (const piece of model(messages)) {
    if (typeof piece === "object") return piece;
    await ctx.append("words", { turn, word: piece });
  }
  throw new Error("the model has said nothing");
}

const TOOLS: Record<Call[0], (ctx: Context, args: any) => Promise<unknown>> = {
  look_up: (ctx, { order }) => ctx.step("look_up", () => ({ order, cents: 1200, state: "arrived broken" })),
  refund: (ctx, { order, cents }) =>                                // a service that knows no keys would be inDoubt: "hold": a person decides
    ctx.effect("refund", ({ key }) => (service("INSERT OR IGNORE INTO refund VALUES(?, ?, ?)", key, order, cents), { refunded: cents })),
  mail: (ctx, { to, text }) => ctx.effect("mail", ({ key }) => (service("INSERT OR IGNORE INTO mail VALUES(?, ?, ?)", key, to, text), { sent: to })),
};

const agent = app.workflow("agent", async (ctx, order: string) => {
  const messages: Message[] = [{ role: "user", content: order }];
  for (let turn = 0; turn < 10; ++turn) {
    await ctx.acquire("model");
    const answer = await ctx.step("ask", () => ask(ctx, turn, messages), { attempts: 5, backoff: 0.1 });
    messages.push(answer);
    if (answer.calls.length === 0) return answer.content;
    for (const content of await Promise.all(answer.calls.map(([tool, args]) => TOOLS[tool](ctx, args)))) messages.push({ role: "tool", content });
  }
  throw new Error("no answer after 10 turns");
});

const [id = "task-1", order = "order-17"] = process.argv.slice(2);
const worker = app.start();
console.log(await (await agent.start(order, { id, if_exists: "return" })).result({ timeout: "2m" }));
await worker.stop();
await app.close();
