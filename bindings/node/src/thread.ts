// The thread of the database: one connection, and commits in groups. What has queued up while a commit was under way runs in the next one: one BEGIN IMMEDIATE, each call in a savepoint of its own,
// one COMMIT, and only then the answers. Runs in a worker thread; messages are numbered and answered by their number.
// Another thread of the same code has a connection for wf_wait alone.

import { parentPort, workerData } from "node:worker_threads";
import { type Connection, type Settings, openConnection, plainValue } from "./driver.ts";

export interface Call {
  id: number;
  kind: "call" | "rows" | "begin" | "run" | "commit" | "rollback" | "close";
  sql?: string | undefined;
  params?: unknown[] | undefined;
}
export interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

const GROUP_CALLS = 100;
const GROUP_TIME = 5; // milliseconds
const settings = workerData as Settings;
const port = parentPort!;
let db: Connection | undefined;
let queue: Call[] = [];
let transaction = 0; // the number of the one that is open for code of the application's
let scheduled = false;

function open(): Connection {
  return (db ??= openConnection(settings));
}

function rows(sql: string, params: unknown[]): unknown[][] {
  return open()
    .rows(sql, params)
    .map((row) => row.map(plainValue));
}

function value(call: Call): unknown {
  return rows(call.sql!, call.params ?? [])[0]?.[0] ?? null;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function attempt(work: () => unknown): { value?: unknown; error?: string } {
  try {
    return { value: work() };
  } catch (error) {
    if (db?.inTransaction === true && transaction === 0) db.exec("ROLLBACK");
    return { error: message(error) };
  }
}

class Gone extends Error {}

function inSavepoint(connection: Connection, call: Call): Answer {
  connection.exec("SAVEPOINT wfext_call");
  let answer: Answer;
  try {
    answer = { id: call.id, value: value(call) };
    if (!connection.inTransaction) throw new Gone();
  } catch (error) {
    // SQLite may have ended the whole transaction: a full disk, an I/O error, a trigger's ROLLBACK.
    if (!connection.inTransaction) throw new Gone();
    connection.exec("ROLLBACK TO wfext_call");
    answer = { id: call.id, error: message(error) };
  }
  connection.exec("RELEASE wfext_call");
  return answer;
}

function commit(connection: Connection): void {
  const until = Date.now() + settings.busyTimeout * 1000;
  for (;;) {
    try {
      connection.exec("COMMIT");
      return;
    } catch (error) {
      // COMMIT leaves the transaction open where readers are in the way (without WAL): then it is tried again.
      if (!connection.inTransaction || !message(error).includes("locked") || Date.now() >= until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Answers of the calls, or of the first of them where the time is over: the others are for the next group. */
function group(calls: Call[]): Answer[] {
  if (calls.length === 1) return [{ id: calls[0]!.id, ...attempt(() => value(calls[0]!)) }];
  const answers: Answer[] = [];
  try {
    const connection = open();
    connection.exec("BEGIN IMMEDIATE");
    const until = Date.now() + GROUP_TIME;
    for (const call of calls) {
      answers.push(inSavepoint(connection, call));
      if (Date.now() >= until) break;
    }
    commit(connection);
    return answers;
  } catch {
    // Nothing of it stands. Each may be repeated, and by itself it answers for itself.
    if (db?.inTransaction === true) db.exec("ROLLBACK");
    return calls.map((call) => ({ id: call.id, ...attempt(() => value(call)) }));
  }
}

// A transaction of the application's code: its statements come one by one, and everything else waits until it ends.
function inTransaction(call: Call): void {
  const answer = attempt(() => {
    switch (call.kind) {
      case "begin":
        open().exec("BEGIN IMMEDIATE");
        transaction = call.id;
        return call.id;
      case "commit":
        if (!open().inTransaction) throw new Error("the transaction was rolled back by one of its statements");
        commit(open());
        transaction = 0;
        return null;
      case "rollback":
        if (open().inTransaction) open().exec("ROLLBACK");
        transaction = 0;
        return null;
      default:
        if (!open().inTransaction) throw new Error("the transaction was rolled back by one of its statements");
        return rows(call.sql!, call.params ?? []);
    }
  });
  if (call.kind === "commit" && answer.error !== undefined) {
    if (db?.inTransaction === true) db.exec("ROLLBACK");
    transaction = 0;
  }
  port.postMessage([{ id: call.id, ...answer }]);
}

function work(): void {
  scheduled = false;
  while (queue.length > 0) {
    if (transaction !== 0) {
      const at = queue.findIndex((call) => call.kind === "run" || call.kind === "commit" || call.kind === "rollback");
      if (at < 0) return;
      inTransaction(queue.splice(at, 1)[0]!);
      continue;
    }
    const first = queue[0]!;
    if (first.kind === "call") {
      let length = 1;
      while (length < queue.length && length < GROUP_CALLS && queue[length]!.kind === "call") ++length;
      const answers = group(queue.slice(0, length));
      queue.splice(0, answers.length);
      port.postMessage(answers);
      if (queue.length > 0) {
        schedule(); // what has come meanwhile belongs into the next group
        return;
      }
      continue;
    }
    queue.shift();
    if (first.kind === "close") {
      db?.close();
      port.postMessage([{ id: first.id, value: null }]);
      port.close();
      return;
    }
    if (first.kind === "rows") port.postMessage([{ id: first.id, ...attempt(() => rows(first.sql!, first.params ?? [])) }]);
    else if (first.kind === "begin") inTransaction(first);
    else port.postMessage([{ id: first.id, value: null }]); // of a transaction that has ended
  }
}

function schedule(): void {
  if (!scheduled) {
    scheduled = true;
    setImmediate(work);
  }
}

port.on("message", (calls: Call[]) => {
  queue.push(...calls);
  schedule();
});
