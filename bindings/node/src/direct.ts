// Short calls of the engine without a change of threads, by a connection of the event loop's own thread.
//
// To cross to the thread of the database and back takes longer than such a call itself, whose disk waits for nothing: with a WAL and `synchronous` below full a commit syncs nothing. So one that comes
// alone, while nothing else is under way, is made here. The event loop waits for nobody:
// - for no lock: where somebody else writes, the call has done nothing, and goes to the thread, which waits for its turn;
// - for no sync: the connection makes no checkpoints. Once so much has been written as one is due for, two calls in a row go to the thread: the first of them makes it, and the second begins the WAL anew;
// - for no long row of calls: after a millisecond of them the loop turns before the next one is answered;
// - for no slow call, more than for a twentieth of the time: after one (a trigger of the application's, a cold cache) all go to the thread for twenty times as long as it has taken.

import { performance } from "node:perf_hooks";
import { type Connection, type Settings, openConnection, plainValue } from "./driver.ts";

const SHORT = new Set(["wf_step", "wf_begin", "wf_key", "wf_set", "wf_append"]);
const LONGEST = 16_384; // characters of what is given to it
const WAL = 1 << 22; // bytes, at which SQLite makes a checkpoint
const RECORD = 1 << 13; // of them for a call, and what is given to it
const SHARE = 20;
const AGAIN = 1000; // milliseconds
const TURN = 1; // milliseconds

function lengthOf(params: unknown[]): number {
  let length = 0;
  for (const param of params) if (typeof param === "string") length += param.length;
  return length;
}

export interface Answered {
  value?: unknown;
  error?: string;
}

export class Direct {
  /** Milliseconds from which on a call is a slow one; tests that count calls on a busy machine have none. */
  static slow = 5;
  /** Of the call that was made last: whether the loop is to turn before it is answered. */
  isLongTurn = false;
  readonly #settings: Settings;
  #connection: Connection | undefined;
  #written = 0;
  #due = false;
  #from = 0; // by performance.now()
  #turn: number | undefined; // when the first call of this turn of the loop was made
  #closed = false;

  private constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Undefined where every commit is synced, or is waited for by readers. */
  static of(settings: Settings): Direct | undefined {
    const { journal, synchronous } = settings;
    return journal === "wal" && (synchronous === "normal" || synchronous === "off") ? new Direct(settings) : undefined;
  }

  /** Whether it may be tried. */
  static isShort(name: string, params: unknown[]): boolean {
    return SHORT.has(name) && lengthOf(params) <= LONGEST;
  }

  /** What the call has come to; undefined: nothing has been done, the thread is to do it. */
  call(sql: string, params: unknown[]): Answered | undefined {
    const begin = performance.now();
    if (this.#closed || begin < this.#from || this.#isDue(RECORD + lengthOf(params))) return undefined;
    const isFirst = this.#connection === undefined; // which opens it
    const answer = this.#try(sql, params);
    const end = performance.now();
    if (end - begin > Direct.slow && !isFirst) this.#from = begin + SHARE * (end - begin);
    if (this.#connection === undefined) this.#from = end + AGAIN; // it could not be opened
    if (this.#turn === undefined) {
      this.#turn = begin;
      setImmediate(() => (this.#turn = undefined));
    }
    this.isLongTurn = end - this.#turn > TURN;
    return answer;
  }

  #isDue(bytes: number): boolean {
    this.#written += bytes;
    if (this.#written < WAL) return false;
    this.#due = !this.#due; // the first, and then the second
    if (!this.#due) this.#written = 0;
    return true;
  }

  #try(sql: string, params: unknown[]): Answered | undefined {
    try {
      const connection = (this.#connection ??= this.#open());
      return { value: plainValue(connection.rows(sql, params)[0]?.[0] ?? null) };
    } catch (error) {
      if (this.#connection?.inTransaction === true) this.#connection.exec("ROLLBACK");
      const text = error instanceof Error ? error.message : String(error);
      // What is refused by the engine is an answer. What else has gone wrong, a lock or a trouble of the machine, has done nothing: the thread tries it with patience, and tells.
      return /^WF_[A-Z_]+: /.test(text) ? { error: text } : undefined;
    }
  }

  #open(): Connection {
    const connection = openConnection({ ...this.#settings, busyTimeout: 0 });
    connection.exec("PRAGMA wal_autocheckpoint = 0");
    return connection;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#connection = undefined;
  }
}
