// node:sqlite, in Node and in Deno.
import { DatabaseSync } from "node:sqlite";
import { module, play } from "./protocol.mjs";

function open(path) {
  // [load]
  const db = new DatabaseSync(path, { allowExtension: true });
  db.loadExtension(module);
  db.enableLoadExtension?.(false); // (Deno has no such call)
  // [/load]
  return { db, statements: new Map(), open: true };
}

function prepare(db, sql) {
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  return statement;
}

function run({ db, statements }, sql, parameters, reuse) {
  if (reuse && !statements.has(sql)) statements.set(sql, prepare(db, sql));
  return (reuse ? statements.get(sql) : prepare(db, sql)).all(...parameters);
}

function close(connection) {
  if (connection.open) connection.db.close();
  connection.open = false;
}

if (module === "version") console.log(new DatabaseSync(":memory:").prepare("SELECT sqlite_version() AS v").get().v);
else play({ open, run, close, code: (error) => error.errcode });
