// The thread of the database: one connection, and commits in groups. What has queued up while a commit was under way runs in the next one: one BEGIN IMMEDIATE, each call in a savepoint of its own,
// one COMMIT, and only then the answers. Runs in a worker thread; messages are numbered and answered by their number.
// Another thread of the same code has a connection for wf_wait alone.

import { parentPort, workerData } from "node:worker_threads";
import { DatabaseSync } from "node:sqlite";

export interface Call {
  id: number;
  kind: "call" | "rows" | "begin" | "run" | "commit" | "rollback" | "close";
  sql?: string;
  params?: unknown[];
}
export interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}
export interface Settings {
  path: string;
  library: string;
  journal: string;
  synchronous: string;
  busyTimeout: number;
  groupCalls: number;
}

const settings = workerData as Settings;
const port = parentPort!;
let db: DatabaseSync | undefined;
let queue: Call[] = [];
let transaction = 0; // the number of the one that is open for code of the application's
let scheduled = false;
type Statement = ReturnType<DatabaseSync["prepare"]>;
let statements = new Map<string, Statement>();

function open(): DatabaseSync {
  if (db !== undefined) return db;
  const opened = new DatabaseSync(settings.path, { allowExtension: true, timeout: settings.busyTimeout * 1000 });
  try {
    opened.loadExtension(settings.library);
    opened.enableLoadExtension(false);
    opened.prepare("SELECT wf_busy_timeout(?)").get(settings.busyTimeout);
    opened.exec(`PRAGMA journal_mode = ${settings.journal}; PRAGMA synchronous = ${settings.synchronous}`);
  } catch (error) {
    opened.close();
    throw error;
  }
  return (db = opened);
}

// What is a number to JavaScript stays one; what is larger is a bigint.
function plain(value: unknown): unknown {
  return typeof value === "bigint" && value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function rows(sql: string, params: unknown[]): unknown[][] {
  let statement = statements.get(sql);
  if (statement === undefined) {
    statement = open().prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    if (statements.size >= 200) statements = new Map();
    statements.set(sql, statement);
  }
  return (statement.all(...(params as never[])) as unknown as unknown[][]).map((row) => row.map(plain));
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
    if (db?.isTransaction === true && transaction === 0) db.exec("ROLLBACK");
    return { error: message(error) };
  }
}

class Gone extends Error {}

function inSavepoint(connection: DatabaseSync, call: Call): Answer {
  connection.exec("SAVEPOINT wfext_call");
  let answer: Answer;
  try {
    answer = { id: call.id, value: value(call) };
    if (!connection.isTransaction) throw new Gone();
  } catch (error) {
    // SQLite may have ended the whole transaction: a full disk, an I/O error, a trigger's ROLLBACK.
    if (!connection.isTransaction) throw new Gone();
    connection.exec("ROLLBACK TO wfext_call");
    answer = { id: call.id, error: message(error) };
  }
  connection.exec("RELEASE wfext_call");
  return answer;
}

function commit(connection: DatabaseSync): void {
  const until = Date.now() + settings.busyTimeout * 1000;
  for (;;) {
    try {
      connection.exec("COMMIT");
      return;
    } catch (error) {
      // COMMIT leaves the transaction open where readers are in the way (without WAL): then it is tried again.
      if (!connection.isTransaction || !message(error).includes("locked") || Date.now() >= until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function group(calls: Call[]): Answer[] {
  if (calls.length === 1) return [{ id: calls[0]!.id, ...attempt(() => (open(), value(calls[0]!))) }];
  const answers: Answer[] = [];
  try {
    const connection = open();
    connection.exec("BEGIN IMMEDIATE");
    for (const call of calls) answers.push(inSavepoint(connection, call));
    commit(connection);
    return answers;
  } catch {
    // Nothing of it stands. Each may be repeated, and by itself it answers for itself.
    if (db?.isTransaction === true) db.exec("ROLLBACK");
    return calls.map((call) => ({ id: call.id, ...attempt(() => (open(), value(call))) }));
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
        if (!open().isTransaction) throw new Error("the transaction was rolled back by one of its statements");
        commit(open());
        transaction = 0;
        return null;
      case "rollback":
        if (open().isTransaction) open().exec("ROLLBACK");
        transaction = 0;
        return null;
      default:
        if (!open().isTransaction) throw new Error("the transaction was rolled back by one of its statements");
        return rows(call.sql!, call.params ?? []);
    }
  });
  if (call.kind === "commit" && answer.error !== undefined) {
    if (db?.isTransaction === true) db.exec("ROLLBACK");
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
      while (length < queue.length && length < settings.groupCalls && queue[length]!.kind === "call") ++length;
      port.postMessage(group(queue.splice(0, length)));
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
    if (first.kind === "rows") port.postMessage([{ id: first.id, ...attempt(() => (open(), rows(first.sql!, first.params ?? []))) }]);
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
