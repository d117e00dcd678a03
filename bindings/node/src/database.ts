// The database as the rest of the package sees it: calls that are answered when they are committed. The connection is in a thread of its own (thread.ts), so the event loop never waits for the disk.

import { Worker } from "node:worker_threads";
import { checkParams, checkSeconds, checkText, shown } from "./check.ts";
import { Direct } from "./direct.ts";
import { type Driver, type Settings, openConnection } from "./driver.ts";
import { WfextError, isOfTheMachine, translate } from "./errors.ts";
import { loadablePath } from "./load.ts";
import type { Answer, Call } from "./thread.ts";
import { Watch } from "./watch.ts";

export type Row = unknown[];

export interface DatabaseOptions {
  /** node:sqlite (default) or better-sqlite3, which the application installs. */
  driver?: Driver;
  /** wal (default), delete, truncate, persist */
  journal?: "wal" | "delete" | "truncate" | "persist";
  /** full (default), extra, normal, off */
  synchronous?: "off" | "normal" | "full" | "extra";
  /** Seconds to wait for the lock of the file; default 30. */
  busyTimeout?: number;
  /** What else is set on every connection, those of app.connect() and of transactions alike: { foreign_keys: 1 } */
  pragmas?: Record<string, number | string>;
}

export const DATABASE_OPTIONS = ["driver", "journal", "synchronous", "busyTimeout", "pragmas"];
const OF_THE_APP: Record<string, string> = { journal_mode: "journal", synchronous: "synchronous", busy_timeout: "busyTimeout" };

function checkPragmas(pragmas: Record<string, number | string>): Record<string, number | string> {
  if (pragmas === null || typeof pragmas !== "object" || Array.isArray(pragmas)) throw new WfextError(`pragmas is ${shown(pragmas)}: an object of names and values`);
  const isWord = (value: unknown): boolean => typeof value === "string" && /^-?\w+$/.test(value);
  for (const [name, value] of Object.entries(pragmas)) {
    if (!isWord(name) || !(isWord(value) || Number.isSafeInteger(value))) throw new WfextError(`pragmas has ${JSON.stringify(name)}: ${JSON.stringify(value)}: names of pragmas, each with a whole number or a word`);
    const option = OF_THE_APP[name.toLowerCase()];
    if (option !== undefined) throw new WfextError(`pragmas has ${JSON.stringify(name)}: say it by the option ${option}`);
  }
  return { ...pragmas };
}

/** Statements of a step's transaction. They and the record of the step commit together. */
export interface Transaction {
  /** The rows of a statement, each an array of its columns. */
  rows(sql: string, ...params: unknown[]): Promise<Row[]>;
}

const TRANSACTION_LIMIT = 1000; // milliseconds
const THREAD = import.meta.url.endsWith(".ts") ? "./thread.ts" : "./thread.mjs";

const calls = new Map<string, string>(); // by name and number of parameters
function callOf(name: string, params: number): string {
  const key = name + params;
  let sql = calls.get(key);
  if (sql === undefined) calls.set(key, (sql = `SELECT ${name}(${Array(params).fill("?").join(", ")})`));
  return sql;
}

const SOON = Promise.resolve(); // as a microtask, for less than queueMicrotask() costs

/** A thread with a connection, and what is asked of it. */
class Thread {
  #worker: Worker;
  #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #next = 1;
  #batch: Call[] = [];
  #short = false;
  #isHeld = false;
  #ended: Error | undefined;
  #direct: Direct | undefined;
  #isOpen = false; // it has answered: the file is there, with its journal

  constructor(settings: Settings, direct?: Direct) {
    this.#direct = direct;
    this.#worker = new Worker(new URL(THREAD, import.meta.url), { workerData: settings, name: "wfext database" });
    this.#worker.on("message", (answers: Answer[]) => {
      for (const answer of answers) {
        if (answer.error === undefined) this.#isOpen = true;
        this.#answer(answer);
      }
    });
    const ended = (error: Error): void => {
      this.#ended = error;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#worker.on("error", ended);
    this.#worker.on("exit", () => ended(new WfextError("the thread of the database has ended")));
    this.#worker.unref();
  }

  #answer({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error !== undefined) waiting?.reject(translate(error));
    else waiting?.resolve(value ?? null);
    if (this.#waiting.size > 0 || !this.#isHeld) return;
    this.#isHeld = false;
    this.#worker.unref();
  }

  keepsAlive(does: boolean): void {
    if (does) this.#worker.ref();
    else this.#worker.unref();
  }

  /** isShort: it may be made here, where nothing else is under way. */
  ask(kind: Call["kind"], sql?: string, params?: unknown[], isShort = false): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      if (!isShort) this.#hold();
      if (this.#batch.length === 0) void SOON.then(this.#sends);
      this.#short = isShort; // of the last one, which counts where it is the only one
      this.#batch.push({ id, kind, sql, params });
    });
  }

  #sends = (): void => this.#send();

  // What has been asked for together. A short call that nothing else is beside is made here.
  #send(): void {
    const batch = this.#batch;
    this.#batch = [];
    const [first] = batch;
    if (this.#short && this.#waiting.size === 1 && this.#isOpen) {
      const answer = this.#direct?.call(first!.sql!, first!.params!);
      if (answer !== undefined) {
        const told = (): void => this.#answer({ id: first!.id, ...answer });
        if (this.#direct!.isLongTurn) setImmediate(told);
        else told();
        return;
      }
    }
    if (!this.#isHeld) this.#hold();
    this.#worker.postMessage(batch);
  }

  // The process is to stay until it has answered.
  #hold(): void {
    this.#isHeld = true;
    this.#worker.ref();
  }
}

/** The calls of a process to one file. Never open it by another SQLite library in the same process: they lose each other's locks, and committed rows with them. */
export class Database {
  readonly path: string;
  readonly settings: Settings;
  #calls: Thread | undefined;
  #direct: Direct | undefined;
  #waiters = new Set<Waiter>();
  #watch: Watch | undefined;
  #transactions: Promise<unknown> = Promise.resolve();
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(path: string, options: DatabaseOptions = {}) {
    checkText("the path of the file", path);
    const { driver = "node:sqlite", journal = "wal", synchronous = "full", busyTimeout = 30, pragmas = {} } = options;
    if (driver !== "node:sqlite" && driver !== "better-sqlite3") throw new WfextError(`driver is ${String(driver)}: node:sqlite or better-sqlite3`);
    if (!["wal", "delete", "truncate", "persist"].includes(journal)) throw new WfextError(`journal is ${journal}: one of wal, delete, truncate, persist`);
    if (!["off", "normal", "full", "extra"].includes(synchronous)) throw new WfextError(`synchronous is ${synchronous}: one of off, normal, full, extra`);
    checkSeconds("busyTimeout", busyTimeout);
    this.path = path;
    this.settings = { driver, path, library: loadablePath(), journal, synchronous, busyTimeout, pragmas: checkPragmas(pragmas) };
  }

  #thread(): Thread {
    if (this.#closed) throw new WfextError(`the database ${this.path} is closed`);
    return (this.#calls ??= new Thread(this.settings, (this.#direct = Direct.of(this.settings))));
  }

  /** A function of the engine, by its name: its value, once it is committed. */
  async call(name: string, ...params: unknown[]): Promise<unknown> {
    checkParams(`${name}()`, params);
    const sql = callOf(name, params.length);
    if (name === "wf_run") return (await this.rows(sql, ...params))[0]![0]; // it runs statements of the application's, and so belongs into no group
    if (name === "wf_wait" || name === "wf_sync") return this.#apart(sql, params); // it may last
    return this.#thread().ask("call", sql, params, Direct.isShort(name, params));
  }

  async #apart(sql: string, params: unknown[]): Promise<unknown> {
    const thread = new Thread(this.settings);
    try {
      return ((await thread.ask("rows", sql, params)) as Row[])[0]![0];
    } finally {
      await thread.ask("close");
    }
  }

  /** All rows of a query. */
  async rows(sql: string, ...params: unknown[]): Promise<Row[]> {
    checkText("a statement", sql);
    checkParams("a statement", params);
    return this.#thread().ask("rows", sql, params) as Promise<Row[]>;
  }

  /** A connection for wf_wait alone, in a thread of its own. It is open: wf_wake() is heard from now on. */
  async waiter(): Promise<Waiter> {
    if (this.#closed) throw new WfextError(`the database ${this.path} is closed`);
    const thread = new Thread(this.settings);
    await thread.ask("rows", "SELECT 1");
    const waiter: Waiter = {
      wait: (seconds, wanted) => thread.ask("rows", "SELECT wf_wait(?, ?)", [seconds, JSON.stringify(wanted)]).then((found) => (found as Row[])[0]![0]),
      keepsAlive: (does) => thread.keepsAlive(does),
      close: () => {
        this.#waiters.delete(waiter);
        return thread.ask("close").then(() => undefined);
      },
    };
    this.#waiters.add(waiter);
    if (this.#closed) await waiter.close();
    return waiter;
  }

  /** Resolves when something has come of what is wanted (a thing of wf_wait's option any), or when it may be worth looking again. One waiting thread serves all. */
  watch(wanted: object, seconds: number): Promise<void> {
    return (this.#watch ??= new Watch(this)).until(JSON.stringify(wanted), seconds);
  }

  /** A connection for the application: of the same library, with the extension loaded and the same settings. It is the application's to close. */
  connect(): unknown {
    return openConnection(this.settings).native;
  }

  /**
   * work(tx) between BEGIN IMMEDIATE and COMMIT; all of it or, with the error that it rejects with, nothing. Nobody else writes meanwhile: it may take a second, then it is rolled back.
   * One after the other in a process.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const turn = this.#transactions.then(() => this.#transaction(work));
    this.#transactions = turn.catch(() => undefined);
    return turn;
  }

  async #transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const thread = this.#thread();
    await thread.ask("begin");
    let open = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new WfextError(`a transaction took longer than ${TRANSACTION_LIMIT} ms: nobody else can write meanwhile`)), TRANSACTION_LIMIT);
    });
    let trouble: unknown; // of the machine: what follows from it is not the application's failure
    const rows = (sql: string, ...params: unknown[]): Promise<Row[]> => {
      if (!open) return Promise.reject(new WfextError("this transaction has ended"));
      try {
        checkText("a statement", sql);
        checkParams("a statement", params);
      } catch (error) {
        return Promise.reject(error as Error);
      }
      const word = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*([A-Za-z]+)/.exec(sql)?.[1]?.toUpperCase() ?? "";
      if (["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"].includes(word)) {
        return Promise.reject(new WfextError(`${word} in a transaction of a step: it is begun and ended around the function`));
      }
      const asked = thread.ask("run", sql, params) as Promise<Row[]>;
      asked.catch((error: unknown) => {
        if (isOfTheMachine(error)) trouble ??= error;
      });
      return asked;
    };
    try {
      const result = await Promise.race([work({ rows }), late]);
      open = false;
      await thread.ask("commit");
      return result;
    } catch (error) {
      open = false;
      await thread.ask("rollback");
      throw trouble ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What was asked is done; then the connections are closed. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#watch?.stop();
    this.#closed = true;
    this.#direct?.close(); // first: who closes the last connection makes a checkpoint
    await Promise.all([this.#calls?.ask("close"), ...[...this.#waiters].map((waiter) => waiter.close())]);
  }
}

export interface Waiter {
  wait(seconds: number, wanted: object): Promise<unknown>;
  /** Whether what it waits for keeps the process alive. */
  keepsAlive(does: boolean): void;
  close(): Promise<void>;
}
