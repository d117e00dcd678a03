// The replication barrier: what was committed before it is on Litestream's replica behind it.

import type { Database } from "./database.ts";
import { loads } from "./values.ts";

export interface SyncOptions {
  /** Seconds, or a text such as "10s"; default 30. */
  timeout?: number | string;
  /** Litestream's control socket, and the path of this file in its configuration; default: those of wf_config. */
  socket?: string;
  path?: string;
  /** Also where `synchronous` is below full. */
  allowNormal?: boolean;
}
export interface Synced {
  txid: number;
  replicated_txid: number;
  ms: number;
  calls: number;
}

/** Barriers of one process. Those that are wanted while one is under way are one: it begins after all of them have come. */
export class Barrier {
  readonly #database: Database;
  #now: Promise<unknown> = Promise.resolve();
  #next: Promise<Synced> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Asks by itself. */
  async wait({ timeout = 30, socket, path, allowNormal }: SyncOptions = {}): Promise<Synced> {
    const options = { ...(socket === undefined ? {} : { socket }), ...(path === undefined ? {} : { path }), ...(allowNormal === true ? { allow_normal: true } : {}) };
    return loads(await this.#database.call("wf_sync", timeout, JSON.stringify(options))) as Synced;
  }

  /** With those that come meanwhile. */
  join(): Promise<Synced> {
    if (this.#next === undefined) {
      const next = this.#now.then(() => {
        this.#next = undefined; // who comes from now on may have committed too late for this one
        return this.wait();
      });
      this.#next = next;
      this.#now = next.catch(() => undefined);
    }
    return this.#next;
  }
}
