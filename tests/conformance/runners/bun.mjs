// bun:sqlite.
import { Database } from "bun:sqlite";
import { module, play } from "./protocol.mjs";

function open(path) {
  // [load]
  const db = new Database(path, { safeIntegers: true }); // else integers over 2^53 are rounded
  db.loadExtension(module);
  // [/load]
  return { db, statements: new Map() };
}

function run({ db, statements }, sql, parameters, reuse) {
  if (reuse && !statements.has(sql)) statements.set(sql, db.prepare(sql));
  const statement = reuse ? statements.get(sql) : db.prepare(sql);
  const rows = statement.values(...parameters);
  if (!reuse) statement.finalize();
  return rows ?? [];
}

function close({ db, statements }) {
  for (const statement of statements.values()) statement.finalize();
  statements.clear();
  db.close();
}

if (module === "version") console.log(new Database(":memory:").query("SELECT sqlite_version()").values()[0][0]);
else play({ open, run, close, code: (error) => error.errno });
