// The SQLite libraries of Node: one interface for what the package asks of a connection.

import { createRequire } from "node:module";
import type * as NodeSqlite from "node:sqlite";

/** node:sqlite (default), or the package better-sqlite3, which the application installs. Always one and the same in a process for a file: two libraries lose each other's locks. */
export type Driver = "node:sqlite" | "better-sqlite3";

export interface Connection {
  /** As the driver gives it. */
  readonly native: unknown;
  readonly inTransaction: boolean;
  /** Rows as arrays; whole numbers as bigints. */
  rows(sql: string, params: unknown[]): unknown[][];
  exec(sql: string): void;
  close(): void;
}

export interface Settings {
  driver: Driver;
  path: string;
  library: string;
  journal: string;
  synchronous: string;
  busyTimeout: number;
  pragmas: Record<string, number | string>;
}

const requires = createRequire(import.meta.url);

/** A statement that is kept is compiled once. */
function keeping<S>(prepare: (sql: string) => S): (sql: string) => S {
  let kept = new Map<string, S>();
  return (sql) => {
    let statement = kept.get(sql);
    if (statement === undefined) {
      statement = prepare(sql);
      if (kept.size >= 200) kept = new Map();
      kept.set(sql, statement);
    }
    return statement;
  };
}

function openNodeSqlite(path: string, timeout: number, library: string | undefined): Connection {
  const { DatabaseSync } = requires("node:sqlite") as typeof NodeSqlite;
  const db = new DatabaseSync(path, { allowExtension: true, timeout });
  if (library !== undefined) db.loadExtension(library);
  db.enableLoadExtension(false);
  const prepared = keeping((sql) => {
    const statement = db.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  });
  return {
    native: db,
    get inTransaction() {
      return db.isTransaction;
    },
    rows: (sql, params) => prepared(sql).all(...(params as never[])) as unknown as unknown[][],
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
  };
}

interface BetterStatement {
  reader: boolean;
  raw(): BetterStatement;
  safeIntegers(): BetterStatement;
  all(...params: unknown[]): unknown[][];
  run(...params: unknown[]): unknown;
}
interface BetterDatabase {
  inTransaction: boolean;
  prepare(sql: string): BetterStatement;
  exec(sql: string): unknown;
  loadExtension(path: string): unknown;
  close(): unknown;
}

function openBetterSqlite3(path: string, timeout: number, library: string | undefined): Connection {
  const BetterSqlite3 = requires("better-sqlite3") as new (path: string, options: { timeout: number }) => BetterDatabase;
  const db = new BetterSqlite3(path, { timeout });
  if (library !== undefined) db.loadExtension(library);
  const prepared = keeping((sql) => {
    const statement = db.prepare(sql).safeIntegers();
    return statement.reader ? statement.raw() : statement;
  });
  return {
    native: db,
    get inTransaction() {
      return db.inTransaction;
    },
    rows: (sql, params) => {
      const statement = prepared(sql);
      if (statement.reader) return statement.all(...params);
      statement.run(...params);
      return [];
    },
    exec: (sql) => void db.exec(sql),
    close: () => void db.close(),
  };
}

/** A connection without the extension. `timeout`: milliseconds. */
export function openPlain(driver: Driver, path: string, timeout: number, library?: string): Connection {
  return driver === "better-sqlite3" ? openBetterSqlite3(path, timeout, library) : openNodeSqlite(path, timeout, library);
}

/** What is a number to JavaScript stays one; what is larger is a bigint. */
export function plainValue(value: unknown): unknown {
  return typeof value === "bigint" && value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** One with it, and with all settings. */
export function openConnection(settings: Settings): Connection {
  const connection = openPlain(settings.driver, settings.path, settings.busyTimeout * 1000, settings.library);
  try {
    connection.rows("SELECT wf_busy_timeout(?)", [settings.busyTimeout]);
    connection.exec(`PRAGMA journal_mode = ${settings.journal}; PRAGMA synchronous = ${settings.synchronous}`);
    for (const [name, value] of Object.entries(settings.pragmas)) connection.exec(`PRAGMA ${name} = ${value}`);
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}
